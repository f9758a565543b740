//! What was tried and refused: exactly, once each, and not more than is read. Pure.
//!
//! Owns the record and the ledger. Texts of it come from inside: whoever shows them makes them visible first.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Different violations of one kind that one command may leave; what comes after is only counted. Of each kind, so that
/// nobody hides a knock at a server behind many files.
const MOST: usize = 200;

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It is outside of what may be written.
    Outside,
    /// It must neither be read nor written.
    Hidden,
    /// It must not be read unless a person says so.
    Asked,
    /// A name that is always protected.
    Protected,
    /// A Unix socket whose listener is outside.
    Socket,
    /// A socket of sbsh's own.
    Own,
}

/// One refused call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Violation {
    /// Seconds since 1970.
    pub time: u64,
    /// The program's name, by its own word.
    pub program: String,
    /// Its number on the host.
    pub process: i32,
    /// The call.
    pub call: String,
    /// The path, canonical.
    pub path: String,
    /// Why.
    pub why: Why,
    /// More about it, in words.
    pub reason: String,
    /// A person was asked and said no: that is final.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused_by_person: bool,
}

impl Violation {
    /// What makes two of them the same to a reader.
    pub fn key(&self) -> (String, Why) {
        (self.path.clone(), self.why)
    }

    /// One line: what was tried, by whom, and why it was refused. The texts in it are still as they came.
    pub fn what(&self) -> String {
        format!("{} may not {} '{}': {}", self.program, self.verb(), self.path, self.because())
    }

    /// What the call does, in a word.
    pub fn verb(&self) -> &str {
        match self.call.as_str() {
            "connect" => "connect to",
            "open" | "openat" if self.why == Why::Asked => "read",
            "open" | "openat" | "creat" => "write",
            call => call,
        }
    }

    /// Why it was refused, as the end of a sentence.
    pub fn because(&self) -> &str {
        match self.why {
            Why::Outside if !self.reason.is_empty() => self.reason.as_str(),
            Why::Outside => "it is outside of what may be written",
            Why::Hidden => "it must not be read",
            Why::Asked => "it must not be read unless a person says so",
            Why::Socket => "its server is outside",
            Why::Own => "it is sbsh's own",
            Why::Protected => self.reason.as_str(),
        }
    }

    /// The path as an entry of settings, where all that would be a pattern is this one name; `None` where settings cannot
    /// hold it.
    pub fn entry(&self) -> Option<String> {
        let special = |c: char| if "*?[]{}\\".contains(c) { format!("\\{c}") } else { c.to_string() };
        let whole = !self.path.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER);
        whole.then(|| self.path.chars().map(special).collect())
    }

    /// Whether an entry of settings would allow it. What is kept for another reason than that nothing opens it stays so.
    pub fn settings_would_help(&self) -> bool {
        match self.why {
            Why::Outside => self.reason.is_empty(),
            Why::Hidden | Why::Asked | Why::Socket => true,
            Why::Protected | Why::Own => false,
        }
    }

    /// What a person could do, as a command; `None` where no setting helps.
    pub fn advice(&self) -> Option<String> {
        let entry = self.entry().filter(|_| self.settings_would_help())?;
        let quoted = shlex::try_quote(&entry).ok()?;
        match self.why {
            Why::Outside => Some(format!("sbshctl allow write {quoted}")),
            Why::Socket => Some(format!("sbshctl allow socket {quoted}")),
            Why::Hidden | Why::Asked => Some(format!("sbshctl allow read {quoted}")),
            Why::Protected | Why::Own => None,
        }
    }
}

/// A question about a call of the inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCall {
    /// What it would do.
    pub violation: Violation,
    /// Whether settings can hold the answer.
    pub can_last: bool,
}

/// What came of such a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// Those calls that wait for it.
    Once,
    /// Until the command ends, with all below the path.
    Session,
    /// Not for this command.
    No,
    /// Nobody could be asked.
    Nobody,
}

/// What programs try as a matter of course and do without as easily: nobody is asked about it, and nothing is said.
pub fn is_trifle(path: &str) -> bool {
    // Python tries to keep what it compiled beside each module; interactive shells keep a history; Java shows how it does.
    if path.contains("/__pycache__") || path.ends_with("_history") || path.starts_with("/tmp/hsperfdata_") {
        return true;
    }
    // starship keeps what it said.
    if path.ends_with("/.cache/starship") || path.contains("/.cache/starship/") {
        return true;
    }
    // vi, less and wget keep what they were used for (and write it beside first), top a place for its settings.
    let name = path.rsplit('/').next().unwrap_or(path);
    [".viminf", ".lesshs", ".wget-hsts"].iter().any(|begun| name.starts_with(begun))
        || path.ends_with("/.config/procps")
}

/// What one command left.
#[derive(Debug, Default)]
pub struct Ledger {
    seen: HashSet<(String, Why)>,
    spoken: HashSet<PathBuf>,
    /// All that were refused, repeated ones too.
    pub count: u64,
}

impl Ledger {
    /// Whether this server was not spoken to before, and is to be told.
    pub fn speaks(&mut self, socket: &Path) -> bool {
        self.spoken.len() < MOST && self.spoken.insert(socket.to_path_buf())
    }

    /// Whether this one is new and is to be told.
    pub fn enter(&mut self, violation: &Violation) -> bool {
        self.count += 1;
        let of_its_kind = self.seen.iter().filter(|(_, why)| *why == violation.why).count();
        of_its_kind < MOST && self.seen.insert(violation.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Violation {
        Violation {
            time: 1,
            program: "touch".into(),
            process: 7,
            call: "openat".into(),
            path: path.into(),
            why: Why::Outside,
            reason: String::new(),
            refused_by_person: false,
        }
    }

    #[test]
    fn what_programs_keep_of_themselves_is_a_trifle_and_what_people_keep_is_none() {
        for path in [
            "/h/.viminfo",
            "/h/.viminfz.tmp",
            "/h/.lesshsQ",
            "/h/.config/procps",
            "/h/.bash_history",
            "/h/.cache/starship/session_1.log",
        ] {
            assert!(is_trifle(path), "{path}");
        }
        for path in ["/h/.vimrc", "/h/.lesskey", "/h/.config/procps/toprc", "/h/.viminfo.d/x", "/h/history"] {
            assert!(!is_trifle(path), "{path}");
        }
    }

    #[test]
    fn each_is_told_once_and_a_flood_ends() {
        let mut ledger = Ledger::default();
        assert!(ledger.enter(&at("/a")));
        assert!(!ledger.enter(&at("/a")));
        assert!(ledger.enter(&at("/b")));
        let told = (0..1000).filter(|n| ledger.enter(&at(&format!("/x{n}")))).count();
        assert_eq!(told, MOST - 2);
        assert_eq!(ledger.count, 1003);
        assert!(ledger.enter(&Violation { why: Why::Socket, ..at("/s") }), "it is of another kind");
    }

    #[test]
    fn advice_is_one_shell_word() {
        assert_eq!(at("/a b;c").advice().unwrap(), "sbshctl allow write '/a b;c'");
        let kept = Violation { reason: "always protected".into(), ..at("/a") };
        assert_eq!((kept.advice(), kept.because()), (None, "always protected"));
        assert_eq!(at("/a*").advice().unwrap(), r#"sbshctl allow write "/a\\*""#);
    }
}
