//! `/sandbox` lines, which the verbs of sbshctl answer: what they are given, and what comes of them.
//!
//! Owns these values; the verbs themselves are `admin`'s, which stands above this stage.

use super::super::Stop;
use super::super::prepare::Prepared;
use crate::caller::Caller;
use crate::session::wire::Refused;

/// What a line that begins with `/sandbox` leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    /// It is done, with this status.
    Status(i32),
    /// The session is to run this line.
    Run(String),
}

/// What such a line is about.
#[derive(Debug)]
pub struct Now<'a> {
    /// Who started sbsh; the directory is the one that the shell inside is in.
    pub caller: &'a Caller,
    /// The line before this one.
    pub last: &'a Last,
}

/// The line before.
#[derive(Debug, Default)]
pub struct Last {
    /// Its text.
    pub text: Vec<u8>,
    /// How it ended.
    pub status: i32,
    /// What was refused to it.
    pub refused: Vec<Refused>,
}

/// What came of such a line.
pub type Done = Result<After, Stop>;

/// What the verbs of sbshctl do in a session.
#[derive(Clone, Copy)]
pub struct Guide<'a> {
    /// The word that begins such lines.
    pub word: &'static str,
    /// Answers them; `None`: it is none.
    pub line: &'a dyn Fn(&str, &Now<'_>) -> Option<Done>,
    /// What a person is told who is here for the first time.
    pub welcome: &'a dyn Fn(&Caller, &Prepared) -> Option<String>,
}
