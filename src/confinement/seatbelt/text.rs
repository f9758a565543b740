//! The text of a profile, and the parameters that it names. Pure.
//!
//! Owns that nothing foreign is ever part of the text: every path and every expression is a parameter, which sandbox-exec
//! hands to the profile as a value (`-D NAME=VALUE`), never as something to read. So there is nothing to escape, whatever
//! a directory is called: quotes, backslashes, parentheses, newlines, bytes that are no text. Must not know what a rule
//! is for.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What an operation's object must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// This path.
    Literal(PathBuf),
    /// This path and everything below it.
    Subpath(PathBuf),
    /// A path that the expression finds.
    Regex(Vec<u8>),
    /// All of these.
    All(Vec<Filter>),
    /// At least one of these.
    Any(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// Words of sbsh's own.
    Words(&'static str),
    /// A Unix socket whose path the expression finds, at the other end (`remote`) or at this one (`local`).
    Socket(&'static str, Vec<u8>),
    /// A port of the loopback, likewise.
    Port(&'static str, Option<u16>),
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Yes.
    Allow,
    /// No, and it is logged with the run's tag.
    Deny,
}

/// A profile that is being written.
#[derive(Debug)]
pub struct Text {
    text: String,
    names: BTreeMap<Vec<u8>, String>,
    parameters: Vec<(String, OsString)>,
    tag: String,
}

impl Text {
    /// An empty one. Of the tag only letters, digits and `_` are kept: it stands in the text.
    pub fn new(tag: &str) -> Text {
        let tag = tag.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        Text { text: String::new(), names: BTreeMap::new(), parameters: Vec::new(), tag }
    }

    /// Text of sbsh's own, as it is.
    pub fn own(&mut self, text: &str) {
        self.text.push_str(text);
        if !text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// The start: what no rule speaks of is refused, and logged.
    pub fn closed(&mut self) {
        let line = format!("(version 1)\n(deny default (with message \"{}\"))\n", self.tag);
        self.own(&line);
    }

    /// One rule. Without filters none: it would hold for everything.
    pub fn rule(&mut self, say: Say, operations: &str, filters: &[Filter]) {
        if filters.is_empty() {
            return;
        }
        let word = if say == Say::Allow { "allow" } else { "deny" };
        self.text.push_str(&format!("({word} {operations}"));
        for filter in filters {
            self.text.push_str("\n  ");
            self.filter(filter);
        }
        if say == Say::Deny {
            self.text.push_str(&format!("\n  (with message \"{}\")", self.tag));
        }
        self.text.push_str(")\n");
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Literal(path) => self.named("literal", path.as_os_str()),
            Filter::Subpath(path) => self.named("subpath", path.as_os_str()),
            Filter::Regex(expression) => self.named("regex", OsStr::from_bytes(expression)),
            Filter::All(all) => self.group("require-all", all),
            Filter::Any(any) => self.group("require-any", any),
            Filter::Not(not) => self.group("require-not", std::slice::from_ref(not)),
            Filter::Words(words) => self.text.push_str(words),
            Filter::Socket(end, expression) => {
                self.text.push_str(&format!("({end} unix-socket "));
                self.named("regex", OsStr::from_bytes(expression));
                self.text.push(')');
            }
            Filter::Port(end, port) => {
                let port = port.map_or_else(|| "*".to_owned(), |port| port.to_string());
                self.text.push_str(&format!("({end} ip \"localhost:{port}\")"));
            }
        }
    }

    fn group(&mut self, word: &str, filters: &[Filter]) {
        self.text.push_str(&format!("({word}"));
        for filter in filters {
            self.text.push(' ');
            self.filter(filter);
        }
        self.text.push(')');
    }

    fn named(&mut self, word: &str, value: &OsStr) {
        let next = format!("P{}", self.names.len());
        let name = self.names.entry(value.as_bytes().to_vec()).or_insert_with(|| {
            self.parameters.push((next.clone(), value.to_os_string()));
            next
        });
        self.text.push_str(&format!("({word} (param \"{name}\"))"));
    }

    /// The text and its parameters.
    pub fn end(self) -> (String, Vec<(String, OsString)>) {
        (self.text, self.parameters)
    }
}

/// A path that is made of an expression's bytes.
pub fn anchored(start: &[u8], expression: &[u8], end: &[u8]) -> Filter {
    Filter::Regex([b"^".as_slice(), start, expression, end].concat())
}

/// The volume that is written, as it is mounted; its directories stand in `/` too (firmlinks), and Seatbelt is asked
/// about them there.
pub const DATA_VOLUME: &str = "/System/Volumes/Data";

/// What macOS links to directories in `/private`; Seatbelt is asked about what a path leads to.
const LINKED: [&str; 3] = ["/tmp", "/var", "/etc"];

/// Where a path really is, by its text.
pub fn real(path: &Path) -> PathBuf {
    let below = path.strip_prefix(DATA_VOLUME).ok().filter(|rest| !rest.as_os_str().is_empty());
    let path = below.map_or_else(|| path.to_path_buf(), |rest| Path::new("/").join(rest));
    match path.strip_prefix("/") {
        Ok(rest) if LINKED.iter().any(|link| path.starts_with(link)) => Path::new("/private").join(rest),
        _ => path,
    }
}

/// The same for a glob, whose text begins with these directories as they are.
pub fn real_glob(text: &str) -> String {
    let below = |top: &str| text.strip_prefix(top).filter(|rest| rest.starts_with('/'));
    let text = below(DATA_VOLUME).unwrap_or(text);
    let linked = LINKED.iter().any(|link| text.strip_prefix(link).is_some_and(|rest| rest.starts_with('/')));
    if linked { format!("/private{text}") } else { text.to_owned() }
}

/// One `-D` argument.
pub fn definition(name: &str, value: &OsStr) -> OsString {
    let mut argument = format!("{name}=").into_bytes();
    argument.extend_from_slice(value.as_bytes());
    OsString::from_vec(argument)
}
