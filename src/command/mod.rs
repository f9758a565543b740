//! Commands: which simple commands does a text contain, and what is known of each word.
//!
//! Owns reading shell text into [`Commands`], looking through wrappers, and recognising an agent's envelope. Pure;
//! never runs or expands anything. Comfort, not safety: what it cannot understand is [`Commands::Unknown`] or an
//! unknown [`Word`], and stays confined.
#![forbid(unsafe_code)]

mod allowed;
mod arithmetic;
mod compound;
mod continued;
pub mod editors;
pub(crate) mod embedded;
pub mod envelope;
mod expansion;
mod heredoc;
mod hidden;
mod open;
mod options;
mod reader;
mod simple;
mod word;
pub mod wrappers;

pub use allowed::allowed_line;
pub use envelope::Envelope;
pub use open::is_open;
pub use reader::{LONGEST, read};

/// Whether a program runs what its arguments tell it to: shells, interpreters, and wrappers such as sudo and env.
pub fn runs_anything(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    options::wrapper_named(name).is_some()
        || embedded::is_language(name)
        || matches!(name, "find" | "awk" | "gawk")
}

/// Whether a variable with this value chooses language, colour, terminal or the like, and nothing else.
pub fn is_harmless_variable(name: &str, value: &str) -> bool {
    allowed::harmless(name, &Word::Literal(value.to_owned()))
}

/// Whether a variable chooses which code a program runs before it does what it is for.
pub fn variable_chooses_code(name: &str) -> bool {
    name == "PATH"
        || name.starts_with("LD_")
        || hidden::variable(name, &Word::Literal("x".to_owned())).is_some()
}

/// Stands for text that only the shell knows, inside [`Word::Unknown`]'s `shape` and in a [`wrappers::Line`].
pub const ANYTHING: char = '\0';

/// One word of a simple command after quote removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Its text is known exactly.
    Literal(String),
    /// It depends on something that only the shell knows.
    Unknown {
        /// The source, for showing.
        source: String,
        /// What is known of it: the literal parts, with [`ANYTHING`] for each part that is not.
        shape: String,
    },
}

impl Word {
    /// Its text, if it is known exactly.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Word::Literal(text) => Some(text),
            Word::Unknown { .. } => None,
        }
    }

    /// What is known of it, with [`ANYTHING`] for what is not.
    pub fn shape(&self) -> &str {
        match self {
            Word::Literal(text) => text,
            Word::Unknown { shape, .. } => shape,
        }
    }

    /// As the person wrote it, or the literal text.
    pub fn shown(&self) -> &str {
        match self {
            Word::Literal(text) => text,
            Word::Unknown { source, .. } => source,
        }
    }
}

/// One simple command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SimpleCommand {
    /// Assignments in front of it: name and value.
    pub assignments: Vec<(String, Word)>,
    /// Command word and arguments. May be empty (assignments or redirections alone).
    pub words: Vec<Word>,
    /// Whether it has a redirection.
    pub redirected: bool,
    /// The text itself feeds its standard input, by a pipe, a here-document or the like.
    pub fed: bool,
    /// Why more may run here than the words say, e.g. `${x@P}`.
    pub opaque: Option<&'static str>,
    /// A function or alias of this name is defined in the text, so the name does not tell which program runs.
    pub shadowed: bool,
    /// Only a shell without `[[ ]]` and `(( ))` would run it: counts for deny and ask rules.
    pub elsewhere: bool,
    /// It is the whole text: no list, pipeline, compound, `!`, `time` or `&` around it, no substitution in it.
    pub alone: bool,
}

/// What a text contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commands {
    /// Every simple command in it, however deep, in the order of the text.
    Known(Vec<SimpleCommand>),
    /// The text could not be understood or is beyond the bounds; the reason is for showing.
    Unknown(String),
}
