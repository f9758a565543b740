//! The question and its answers as values, and the question as text. Owns no terminal and no process.

use crate::system::visible::visible;
use std::path::PathBuf;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// May this command run (confined)?
    Command,
    /// May this command run outside the sandbox?
    Outside,
    /// May these settings files widen the sandbox?
    Trust,
}

impl Kind {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Command => "command",
            Kind::Outside => "outside",
            Kind::Trust => "trust",
        }
    }

    fn headline(self) -> &'static str {
        match self {
            Kind::Command => "Run this command (inside the sandbox)?",
            Kind::Outside => "Run this command OUTSIDE the sandbox?",
            Kind::Trust => "Trust these settings to widen the sandbox?",
        }
    }
}

/// One answer that may be offered. `No` always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This once.
    Once,
    /// For the session.
    Session,
    /// From now on; the settings are changed.
    Always,
}

impl Choice {
    /// The word in JSON, and what an askpass program prints.
    pub fn name(self) -> &'static str {
        match self {
            Choice::Once => "once",
            Choice::Session => "session",
            Choice::Always => "always",
        }
    }

    /// The key on the terminal.
    pub fn key(self) -> u8 {
        match self {
            Choice::Once => b'o',
            Choice::Session => b's',
            Choice::Always => b'a',
        }
    }

    /// The answer it leads to.
    pub fn answer(self) -> Answer {
        match self {
            Choice::Once => Answer::Once,
            Choice::Session => Answer::Session,
            Choice::Always => Answer::Always,
        }
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// Yes, this once.
    Once,
    /// Yes, for the session.
    Session,
    /// Yes, from now on.
    Always,
    /// No; `by` says who or what said it, for the message.
    No {
        /// E.g. `the person at the terminal`.
        by: String,
    },
}

/// One question.
#[derive(Debug, Clone)]
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
    /// What may be answered besides no.
    pub choices: Vec<Choice>,
}

impl Question {
    /// The question in full as lines of text, escaped, without choices.
    pub fn lines(&self) -> Vec<String> {
        use std::os::unix::ffi::OsStrExt;
        let mut lines = vec![self.kind.headline().to_owned()];
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

    /// The question for programs.
    pub fn json(&self) -> serde_json::Value {
        use std::os::unix::ffi::OsStrExt;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut choices: Vec<&str> = self.choices.iter().map(|choice| choice.name()).collect();
        choices.push("no");
        serde_json::json!({
            "kind": self.kind.name(),
            "command": text(&self.command),
            "cwd": text(self.cwd.as_os_str().as_bytes()),
            "rule": self.rule,
            "origin": self.origin,
            "why": self.why,
            "argv": self.argv,
            "choices": choices,
        })
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
            choices: vec![Choice::Once, Choice::Session, Choice::Always],
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
}
