//! The line editor. Owns keys, colours, completion menus and the history of lines; must not judge a line nor talk to the
//! shell inside: it asks [`Behind`].
//!
//! | file | what |
//! |---|---|
//! | `reading` | one line read with reedline, and all that can end that |
//! | `watch` | the terminal: given back as it was, and noticed when it is gone |
//! | `keys`, `kills`, `validate` | what a key does; what keys took away; whether Enter ends the line |
//! | `prompt`, `highlight`, `hint`, `complete` | what is shown before, in, behind and below the line |
//! | `history`, `expand` | the lines of all sessions: a file, and looking through it; `!!` and its like |
//! | `shared` | what these tell one another, and other threads tell them |
//! | `clean`, `unread` | text that is safe to show; keys as the terminal sent them |

mod clean;
mod complete;
mod expand;
mod highlight;
mod hint;
mod history;
mod keys;
mod kills;
mod prompt;
mod reading;
mod shared;
mod unread;
mod validate;
mod watch;

pub use super::inner::message::Keeping;
pub use history::{Entry, Rules};
pub use prompt::Markers;
pub use reading::Editor;
pub use shared::{History, Printer, Stopper};

use std::ops::Range;
use std::path::Path;

/// What a command word of a line is, before Enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It runs inside.
    Confined,
    /// It runs outside.
    Outside,
    /// It is asked about first.
    Asked,
    /// A rule denies it.
    Denied,
    /// No program, function or alias of this name is known.
    NotFound,
}

/// One way to complete a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What takes the place of `replaces`, quoted as the shell needs it.
    pub text: String,
    /// What is shown in the menu, if it differs.
    pub shown: Option<String>,
    /// A few words about it.
    pub description: Option<String>,
    /// The bytes of the line that it replaces.
    pub replaces: Range<usize>,
    /// Whether the word ends with it, so that a blank follows.
    pub ends: bool,
}

/// Who stands behind the editor.
pub trait Behind: Send + Sync {
    /// How the word at byte `point` of the line could go on; computed inside, so it may take its time.
    fn complete(&self, line: &str, point: usize) -> Vec<Candidate>;
    /// What the command words of the line are: bytes of the line, in order, without overlap. Called at each key.
    fn marks(&self, line: &str) -> Vec<(Range<usize>, Mark)>;
    /// The directory that the shell inside is in.
    fn directory(&self) -> std::path::PathBuf;
}

/// How the editor is set up.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Keys as vi has them instead of emacs.
    pub vi: bool,
    /// Whether colours may be used.
    pub colours: bool,
    /// The file of the history; `None`: kept in memory alone.
    pub history: Option<&'a Path>,
}

/// What stands in front of the line. The texts may have SGR colours and line ends, and nothing else that is no plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// The person's own.
    pub left: String,
    /// The person's own at the right.
    pub right: String,
    /// In front of the following lines.
    pub more: String,
}

/// What came of reading a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// A line, which may have several lines.
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-X Ctrl-E: the person wants this in an editor.
    Edit(String),
    /// [`Editor::stopper`] said so.
    Stopped,
    /// The terminal is gone.
    Closed,
    /// No keys can be read: why.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::{Behind, Candidate, Mark};
    use std::ops::Range;
    use std::path::PathBuf;

    /// Stands behind the editor in tests: no completion, three commands, one directory.
    pub(super) struct Nobody;

    impl Behind for Nobody {
        fn complete(&self, _: &str, _: usize) -> Vec<Candidate> {
            Vec::new()
        }

        fn marks(&self, line: &str) -> Vec<(Range<usize>, Mark)> {
            let marks = [("docker", Mark::Outside), ("rm", Mark::Denied)];
            let found = marks.iter().filter_map(|(name, mark)| Some((line.find(name)?, name.len(), *mark)));
            found.map(|(at, length, mark)| (at..at + length, mark)).collect()
        }

        fn directory(&self) -> PathBuf {
            PathBuf::from("/here")
        }
    }
}
