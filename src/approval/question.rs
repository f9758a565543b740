//! The question and its answers as values, and the question as text. Owns no terminal and no process.

use crate::system::visible::visible;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// May this command run (confined)?
    Command,
    /// May this command run outside the sandbox?
    Outside,
    /// May these settings files widen the sandbox?
    Trust,
    /// May this command (confined) connect to this host?
    Network,
    /// May this command (confined) change what stands at this path, outside of what it may write?
    Write,
    /// May this command (confined) read this file, which must not be read?
    Read,
    /// May this command (confined) connect to this Unix socket?
    Socket,
    /// The sandbox refused something, and the command failed: run it again, and how?
    Again,
    /// May everything inside write in this project, which a person has entered?
    Project,
}

impl Kind {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Command => "command",
            Kind::Outside => "outside",
            Kind::Trust => "trust",
            Kind::Network => "network",
            Kind::Write => "write",
            Kind::Read => "read",
            Kind::Socket => "socket",
            Kind::Again => "again",
            Kind::Project => "project",
        }
    }

    fn headline(self) -> &'static str {
        match self {
            Kind::Command => "Run this command (inside the sandbox)?",
            Kind::Outside => "Run this command OUTSIDE the sandbox?",
            Kind::Trust => "Trust these settings to widen the sandbox?",
            Kind::Network => "May this command connect?",
            Kind::Write => "May this command write outside of its directories?",
            Kind::Read => "May this command read what must not be read?",
            Kind::Socket => "May this command speak to this server outside?",
            Kind::Again => "The sandbox refused what this command wanted. Run it again?",
            Kind::Project => "Make this project the working root of the session (writable inside)?",
        }
    }
}

/// One answer that may be offered. `No` always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Choice {
    /// This once.
    Once,
    /// For the session.
    Session,
    /// From now on; the settings are changed (those of the project, where there is one).
    Always,
    /// From now on, in every project of this person; the user's settings are changed.
    AlwaysUser,
    /// No, from now on; the settings are changed.
    Never,
    /// For [`Kind::Again`]: inside, with exactly what was refused.
    Grant,
    /// For [`Kind::Again`]: outside, this once.
    Outside,
    /// For a question about several hosts: to be asked about each.
    Each,
}

impl Choice {
    /// All that end an ordinary question, in the order in which they are offered.
    pub const ALL: [Choice; 5] =
        [Choice::Once, Choice::Session, Choice::Always, Choice::AlwaysUser, Choice::Never];

    /// The word in JSON, and what an askpass program prints.
    pub fn name(self) -> &'static str {
        match self {
            Choice::Once => "once",
            Choice::Session => "session",
            Choice::Always => "always",
            Choice::AlwaysUser => "always-user",
            Choice::Never => "never",
            Choice::Grant => "grant",
            Choice::Outside => "outside",
            Choice::Each => "each",
        }
    }

    /// The key on the terminal.
    pub fn key(self) -> u8 {
        match self {
            Choice::Once => b'o',
            Choice::Session => b's',
            Choice::Always => b'a',
            Choice::AlwaysUser => b'u',
            Choice::Never => b'v',
            Choice::Grant => b'g',
            // Never beside `Once`.
            Choice::Outside => b'o',
            Choice::Each => b'e',
        }
    }

    /// The answer it leads to; `by` says whose it is, e.g. `the person at the terminal`.
    pub fn answer(self, by: &str) -> Answer {
        match self {
            Choice::Once => Answer::Once,
            Choice::Session => Answer::Session,
            Choice::Always => Answer::Always,
            Choice::AlwaysUser => Answer::AlwaysUser,
            Choice::Never => Answer::Never { by: format!("{by} said never") },
            Choice::Grant => Answer::Grant,
            Choice::Outside => Answer::Outside,
            Choice::Each => Answer::Each,
        }
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub enum Answer {
    /// Yes, this once.
    Once,
    /// Yes, for the session.
    Session,
    /// Yes, from now on.
    Always,
    /// Yes, from now on and in every project.
    AlwaysUser,
    /// Again, with what was refused.
    Grant,
    /// Again, outside.
    Outside,
    /// Asked about each of them instead.
    Each,
    /// No, from now on; `by` as for `No`.
    Never {
        /// E.g. `the person at the terminal said never`.
        by: String,
    },
    /// No; `by` says who or what said it, for the message.
    No {
        /// E.g. `the person at the terminal said no`.
        by: String,
    },
}

impl Answer {
    /// A no for lack of anybody who could say it, or who did; `why` ends the sentence.
    pub fn nobody(why: &str) -> Answer {
        Answer::No { by: format!("nobody {why}") }
    }

    /// Whether it is such a no: the same question may be answered another time.
    pub fn is_nobodys(&self) -> bool {
        matches!(self, Answer::No { by } if by.starts_with("nobody "))
    }

    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Answer::Once => "once",
            Answer::Session => "session",
            Answer::Always => "always",
            Answer::AlwaysUser => "always-user",
            Answer::Grant => "grant",
            Answer::Outside => "outside",
            Answer::Each => "each",
            Answer::Never { .. } => "never",
            Answer::No { .. } => "no",
        }
    }
}

/// Where a command wants to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkTarget {
    /// The host, normalised; an IPv6 address with or without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The program that connects, if it is known.
    pub program: Option<String>,
}

impl NetworkTarget {
    /// `host:port`, escaped.
    pub fn place(&self) -> String {
        let host = visible(self.host.as_bytes());
        if host.contains(':') && !host.starts_with('[') {
            return format!("[{host}]:{}", self.port);
        }
        format!("{host}:{}", self.port)
    }
}

/// What a command wants to do outside of what it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathTarget {
    /// What it does: "write", "connect to", or the call's name.
    pub call: String,
    /// The path, canonical.
    pub path: String,
    /// The program that makes it.
    pub program: String,
}

/// One question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// What is asked for.
    pub kind: Kind,
    /// The command text (or the widening settings), as bytes came; shown escaped.
    pub command: Vec<u8>,
    /// The directory it would run in.
    pub cwd: PathBuf,
    /// The rule that asks, as it was written.
    pub rule: Option<String>,
    /// Where the rule stands.
    pub origin: Option<String>,
    /// One line: why it is asked.
    pub why: String,
    /// The exact words, where they are known.
    pub argv: Option<Vec<String>>,
    /// For [`Kind::Network`]: where to.
    pub target: Option<NetworkTarget>,
    /// Others that the same answer is for.
    pub targets_too: Vec<NetworkTarget>,
    /// For [`Kind::Write`] and [`Kind::Socket`]: what exactly.
    pub place: Option<PathTarget>,
    /// What may be answered besides no.
    pub choices: Vec<Choice>,
}

impl Question {
    /// With what every question has.
    pub fn new(kind: Kind, command: Vec<u8>, cwd: &Path, why: String, choices: Vec<Choice>) -> Question {
        let cwd = cwd.to_path_buf();
        let (rule, origin, argv, target, targets_too, place) = Default::default();
        Question { kind, command, cwd, rule, origin, why, argv, target, targets_too, place, choices }
    }

    /// The question in full as lines of text, escaped, without choices.
    pub fn lines(&self) -> Vec<String> {
        use std::os::unix::ffi::OsStrExt;
        let mut lines = vec![self.kind.headline().to_owned()];
        for target in self.target.iter().chain(&self.targets_too) {
            lines.push(format!("  to:    {}", target.place()));
            if let Some(program) = &target.program {
                lines.push(format!("  by:    {}", visible(program.as_bytes())));
            }
        }
        if let Some(place) = &self.place {
            lines.push(format!("  what:  {} '{}'", place.call, visible(place.path.as_bytes())));
            lines.push(format!("  by:    {}", visible(place.program.as_bytes())));
        }
        // A text of several lines is shown as lines, each escaped and marked, so that none can pass for ours.
        for line in self.command.split(|&byte| byte == b'\n') {
            lines.push(format!("  | {}", visible(line)));
        }
        if let Some(argv) = &self.argv {
            let words: Vec<String> =
                argv.iter().map(|word| format!("[{}]", visible(word.as_bytes()))).collect();
            lines.push(format!("  words: {}", words.join(" ")));
        }
        lines.push(format!("  in:    {}", visible(self.cwd.as_os_str().as_bytes())));
        lines.push(format!("  why:   {}", visible(self.why.as_bytes())));
        if let Some(rule) = &self.rule {
            let place = self.origin.as_deref().map(|origin| format!(" ({})", visible(origin.as_bytes())));
            lines.push(format!("  rule:  {}{}", visible(rule.as_bytes()), place.unwrap_or_default()));
        }
        lines
    }

    /// The answer if it was offered, else no.
    pub fn if_offered(&self, answer: Answer) -> Answer {
        let no = matches!(answer, Answer::No { .. });
        if no || self.choices.iter().any(|choice| choice.name() == answer.name()) {
            return answer;
        }
        Answer::No { by: format!("the answer '{}' was not offered", answer.name()) }
    }

    /// The question for programs.
    pub fn json(&self) -> serde_json::Value {
        use std::os::unix::ffi::OsStrExt;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut choices: Vec<&str> = self.choices.iter().map(|choice| choice.name()).collect();
        choices.push("no");
        let mut json = serde_json::json!({
            "kind": self.kind.name(),
            "command": text(&self.command),
            "cwd": text(self.cwd.as_os_str().as_bytes()),
            "rule": self.rule,
            "origin": self.origin,
            "why": self.why,
            "argv": self.argv,
            "choices": choices,
        });
        if let (Some(target), Some(object)) = (&self.target, json.as_object_mut()) {
            object.insert("host".to_owned(), target.host.clone().into());
            object.insert("port".to_owned(), target.port.into());
            object.insert("program".to_owned(), target.program.clone().into());
        }
        if let (Some(place), Some(object)) = (&self.place, json.as_object_mut()) {
            object.insert("path".to_owned(), place.path.clone().into());
            object.insert("call".to_owned(), place.call.clone().into());
            object.insert("program".to_owned(), place.program.clone().into());
        }
        json
    }

    #[cfg(test)]
    pub(crate) fn for_test(command: &str) -> Question {
        Question {
            kind: Kind::Command,
            command: command.as_bytes().to_vec(),
            cwd: PathBuf::from("/w"),
            rule: Some("Bash(git push:*)".to_owned()),
            origin: Some("/w/.claude/settings.json:3:5".to_owned()),
            why: "a rule asks".to_owned(),
            argv: None,
            target: None,
            targets_too: Vec::new(),
            place: None,
            choices: vec![Choice::Once, Choice::Session, Choice::Always],
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test_path(command: &str, path: &str) -> Question {
        let place =
            PathTarget { call: "openat".to_owned(), path: path.to_owned(), program: "touch".to_owned() };
        Question {
            kind: Kind::Write,
            rule: None,
            origin: None,
            place: Some(place),
            ..Question::for_test(command)
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test_network(command: &str, host: &str, program: Option<&str>) -> Question {
        Question {
            kind: Kind::Network,
            rule: None,
            origin: None,
            why: "not in allowedDomains".to_owned(),
            target: Some(NetworkTarget {
                host: host.to_owned(),
                port: 443,
                program: program.map(str::to_owned),
            }),
            choices: Choice::ALL.to_vec(),
            ..Question::for_test(command)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_complete_escaped_and_marked() {
        let question = Question::for_test("git push\n\u{202e}x\u{1b}[A");
        assert_eq!(
            question.lines(),
            [
                "Run this command (inside the sandbox)?",
                "  | git push",
                "  | \\u{202e}x\\e[A",
                "  in:    /w",
                "  why:   a rule asks",
                "  rule:  Bash(git push:*) (/w/.claude/settings.json:3:5)",
            ]
        );
    }

    #[test]
    fn the_json_has_the_documented_keys() {
        let mut question = Question::for_test("ls");
        question.choices = vec![Choice::Once];
        assert_eq!(
            question.json().to_string(),
            r#"{"kind":"command","command":"ls","cwd":"/w","rule":"Bash(git push:*)","origin":"/w/.claude/settings.json:3:5","why":"a rule asks","argv":null,"choices":["once","no"]}"#
        );
    }

    #[test]
    fn a_host_is_shown_before_the_command_and_escaped() {
        let question = Question::for_test_network("npm i", "a\u{202e}.com", Some("/usr/bin/no\u{1b}de"));
        assert_eq!(
            question.lines(),
            [
                "May this command connect?",
                "  to:    a\\u{202e}.com:443",
                "  by:    /usr/bin/no\\ede",
                "  | npm i",
                "  in:    /w",
                "  why:   not in allowedDomains",
            ]
        );
        let place = |host: &str| NetworkTarget { host: host.to_owned(), port: 80, program: None }.place();
        assert_eq!([place("::1"), place("[::1]"), place("x.org")], ["[::1]:80", "[::1]:80", "x.org:80"]);
    }

    #[test]
    fn the_json_of_a_host_has_its_keys() {
        assert_eq!(
            Question::for_test_network("ls", "x.org", None).json().to_string(),
            r#"{"kind":"network","command":"ls","cwd":"/w","rule":null,"origin":null,"why":"not in allowedDomains","argv":null,"choices":["once","session","always","always-user","never","no"],"host":"x.org","port":443,"program":null}"#
        );
    }

    #[test]
    fn a_path_is_shown_before_the_command_and_escaped() {
        let question = Question::for_test_path("make", "/etc/\u{202e}x");
        assert_eq!(
            question.lines().get(..4).unwrap(),
            [
                "May this command write outside of its directories?",
                "  what:  openat '/etc/\\u{202e}x'",
                "  by:    touch",
                "  | make",
            ]
        );
    }

    #[test]
    fn what_was_not_offered_is_no() {
        let mut question = Question::for_test("ls");
        question.choices = vec![Choice::Once];
        assert_eq!(question.if_offered(Answer::Once), Answer::Once);
        for answer in
            [Answer::Session, Answer::Always, Answer::AlwaysUser, Answer::Never { by: String::new() }]
        {
            let by = format!("the answer '{}' was not offered", answer.name());
            assert_eq!(question.if_offered(answer), Answer::No { by });
        }
        let no = Answer::No { by: "x".to_owned() };
        assert_eq!(question.if_offered(no.clone()), no);
    }
}
