//! Commands: which simple commands does a text contain, and what is known of each word.
//!
//! Owns reading shell text (by brush-parser) into [`Commands`]. Pure; never runs or expands anything. Comfort, not
//! safety: what it cannot understand is [`Commands::Unknown`] or an unknown [`Word`], and stays confined.
#![forbid(unsafe_code)]

/// One word of a simple command after quote removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Its text is known exactly.
    Literal(String),
    /// It depends on something that only the shell knows. The text is the source, for showing.
    Unknown(String),
}

/// One simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleCommand {
    /// Assignments in front of it: name and, if literal, value.
    pub assignments: Vec<(String, Word)>,
    /// Command word and arguments. May be empty (assignments or redirections alone).
    pub words: Vec<Word>,
    /// Whether it has a redirection.
    pub redirected: bool,
}

/// What a text contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commands {
    /// Every simple command in it, however deep, in the order of the text.
    Known(Vec<SimpleCommand>),
    /// The text could not be understood or is beyond the bounds; the reason is for showing.
    Unknown(String),
}
