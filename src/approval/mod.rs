//! Approval: what did the person (or nobody) answer.
//!
//! Owns the question, the answer and the speakers, tried in this order: the caller's terminal, the approver console
//! `sbshctl approve`, the program named by `SBSH_ASKPASS`, nobody. Must not decide what to ask (that is `verdict`) nor remember an answer beyond returning
//! it. Every doubt is a no.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod askpass;
#[cfg(target_os = "linux")]
pub mod console;
pub mod question;
#[cfg(target_os = "linux")]
pub mod terminal;

use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub use askpass::Askpass;
#[cfg(target_os = "linux")]
pub use console::Console;
pub use question::{Answer, Choice, Kind, NetworkTarget, PathTarget, Question};
#[cfg(target_os = "linux")]
pub use terminal::Terminal;

/// Someone who can answer a question.
pub trait Approver {
    /// Asks, and waits for the answer.
    fn ask(&mut self, question: &Question) -> Answer;

    /// The word for it in the log.
    fn who(&self) -> &'static str;
}

/// Nobody is there: no, at once.
#[derive(Debug, Default)]
pub struct Nobody {
    /// Why those who come first could not be asked, e.g. an askpass program that is not acceptable.
    pub why: Option<String>,
}

impl Approver for Nobody {
    fn who(&self) -> &'static str {
        "nobody"
    }

    fn ask(&mut self, _question: &Question) -> Answer {
        match &self.why {
            Some(why) => Answer::nobody(&format!("could be asked ({why})")),
            None => Answer::nobody(
                "could be asked: no terminal, no approver console, and SBSH_ASKPASS is not set",
            ),
        }
    }
}

/// The first speaker that is there.
///
/// `askpass` is the caller's `SBSH_ASKPASS`, `writable_roots` what confined code can write (an askpass program below
/// one of them is not used), `colours` whether NO_COLOR and TERM allow colours.
#[cfg(target_os = "linux")]
pub fn speaker(askpass: Option<PathBuf>, writable_roots: &[PathBuf], colours: bool) -> Box<dyn Approver> {
    if let Some(terminal) = Terminal::of_caller(colours) {
        return Box::new(terminal);
    }
    speakers_beyond_terminal(askpass, writable_roots)
}

/// How long somebody at the console may be away: what waits for the answer, a call or a connection, is refused then.
#[cfg(target_os = "linux")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);

/// The same without the caller's terminal, for a process that must not read it.
#[cfg(target_os = "linux")]
pub fn speakers_beyond_terminal(askpass: Option<PathBuf>, writable_roots: &[PathBuf]) -> Box<dyn Approver> {
    if let Some(console) = Console::reach(writable_roots) {
        return Box::new(console.with_patience(PATIENCE));
    }
    match askpass.filter(|path| !path.as_os_str().is_empty()) {
        None => Box::new(Nobody::default()),
        Some(path) => match Askpass::new(path, writable_roots) {
            Ok(program) => Box::new(program),
            Err(error) => Box::new(Nobody { why: Some(error.to_string()) }),
        },
    }
}

/// Whether somebody can be asked without the caller's terminal.
#[cfg(target_os = "linux")]
pub fn is_somebody_beyond_terminal(askpass: Option<PathBuf>, writable_roots: &[PathBuf]) -> bool {
    Console::reach(writable_roots).is_some()
        || askpass.is_some_and(|path| Askpass::new(path, writable_roots).is_ok())
}

/// Nobody: where no command runs, nothing is asked yet.
#[cfg(not(target_os = "linux"))]
pub fn speaker(_askpass: Option<PathBuf>, _writable_roots: &[PathBuf], _colours: bool) -> Box<dyn Approver> {
    Box::new(Nobody { why: Some("sbsh asks on Linux only so far".to_owned()) })
}

/// As [`speaker`].
#[cfg(not(target_os = "linux"))]
pub fn speakers_beyond_terminal(askpass: Option<PathBuf>, writable_roots: &[PathBuf]) -> Box<dyn Approver> {
    speaker(askpass, writable_roots, false)
}

/// Whether colours may be used, by the values of NO_COLOR and TERM.
pub fn colours(no_color: Option<&std::ffi::OsStr>, term: Option<&std::ffi::OsStr>) -> bool {
    no_color.is_none_or(|value| value.is_empty())
        && term.is_some_and(|term| term != "dumb" && !term.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn colours_need_a_capable_terminal_and_no_refusal() {
        assert!(colours(None, Some(OsStr::new("xterm"))));
        assert!(colours(Some(OsStr::new("")), Some(OsStr::new("xterm"))));
        assert!(!colours(Some(OsStr::new("1")), Some(OsStr::new("xterm"))));
        assert!(!colours(None, Some(OsStr::new("dumb"))));
        assert!(!colours(None, None));
    }

    #[test]
    fn nobody_says_no_and_why() {
        assert_eq!(
            Nobody { why: Some("x".to_owned()) }.ask(&Question::for_test("ls")),
            Answer::No { by: "nobody could be asked (x)".to_owned() }
        );
        assert!(Nobody::default().ask(&Question::for_test("ls")).is_nobodys());
        assert!(!Answer::No { by: "the person at the terminal said no".to_owned() }.is_nobodys());
    }
}
