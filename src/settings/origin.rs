//! Where a value comes from: the file, its scope and the place in it. Owns no decision.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The priority class of a settings file, highest first in the derived order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `/etc/claude-code/managed-settings.json` and its drop-ins: the administrator.
    Managed,
    /// `<project>/.claude/settings.json`: the project, shared.
    Project,
    /// `<project>/.claude/settings.local.json`: the project, personal.
    Local,
    /// `~/.claude/settings.json`: the person.
    User,
}

impl Scope {
    /// The word used in messages and JSON: `managed`, `project`, `local`, `user`.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Managed => "managed",
            Scope::Project => "project",
            Scope::Local => "local",
            Scope::User => "user",
        }
    }
}

/// One settings file as it was read. `text` is kept so that a line number is computed only when it is shown.
#[derive(Debug)]
pub struct Source {
    /// Its path as it was opened.
    pub path: PathBuf,
    /// Its priority class.
    pub scope: Scope,
    /// Its whole content.
    pub text: String,
}

/// Where one effective value was said.
#[derive(Debug, Clone)]
pub enum Origin {
    /// In a settings file, at a byte offset of its text.
    File {
        /// The file.
        source: Arc<Source>,
        /// The byte offset of the value in its text.
        offset: usize,
    },
    /// In sbsh itself; the text names the list, e.g. `always protected`.
    BuiltIn(&'static str),
    /// By the caller: the environment variable or option that said it, e.g. `SBSH_ROOT`.
    Caller(&'static str),
}

impl Origin {
    /// The settings file's scope, if it is one.
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Origin::File { source, .. } => Some(source.scope),
            Origin::BuiltIn(_) | Origin::Caller(_) => None,
        }
    }

    /// The settings file's path, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Origin::File { source, .. } => Some(&source.path),
            Origin::BuiltIn(_) | Origin::Caller(_) => None,
        }
    }

    /// Line and column, both from 1, column in characters.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        match self {
            Origin::File { source, offset } => Some(line_column(&source.text, *offset)),
            Origin::BuiltIn(_) | Origin::Caller(_) => None,
        }
    }
}

/// Line and column (from 1, column in characters) of a byte offset in a text.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or(text);
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let column = before.get(start..).map_or(0, |s| s.chars().count()) + 1;
    (line, column)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { source, .. } => {
                let (line, column) = self.line_column().unwrap_or((1, 1));
                write!(f, "{}:{line}:{column}", source.path.display())
            }
            Origin::BuiltIn(list) => write!(f, "built-in ({list})"),
            Origin::Caller(what) => write!(f, "{what}"),
        }
    }
}

/// A value together with the place that said it.
#[derive(Debug, Clone)]
pub struct Sourced<T> {
    /// The effective value.
    pub value: T,
    /// Who said it.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value that sbsh itself supplies.
    pub fn built_in(value: T, list: &'static str) -> Self {
        Sourced { value, origin: Origin::BuiltIn(list) }
    }
}
