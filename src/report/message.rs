//! The shapes of messages, as pure text.

use super::install::install_command;
use crate::system::visible::visible;
use std::fmt::Write;

/// More of a command than this does not help whoever reads the refusal (questions show all of it).
const SHOWN_COMMAND: usize = 400;

/// What a person could do so that the command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Put an entry into a list of a settings file.
    Setting {
        /// The list, e.g. `permissions.allow`.
        key: String,
        /// The entry, e.g. `Bash(git push:*)`.
        entry: String,
        /// The file, e.g. `.claude/settings.local.json`.
        file: String,
    },
    /// Run `sbshctl trust` in this directory.
    Trust {
        /// The project.
        project: String,
    },
    /// Remove or change the rule named in the refusal.
    ChangeRule,
    /// Answer the question: on a terminal, in the approver console, or by `SBSH_ASKPASS`.
    Answer,
}

/// Why a command was not run, in the words that agents and people get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The command text as it came.
    pub command: Vec<u8>,
    /// One line.
    pub why: String,
    /// The rule that decided, as it was written.
    pub rule: Option<String>,
    /// Where the rule stands: `file:line:column`.
    pub origin: Option<String>,
    /// What a person could do.
    pub ways: Vec<Way>,
}

impl Refusal {
    /// The message, always in the same shape.
    pub fn text(&self) -> String {
        let mut text = prefixed(&format!("blocked: {}", shortened(&self.command)));
        text.push_str(&prefixed(&format!("reason: {}", visible(self.why.as_bytes()))));
        if let Some(rule) = &self.rule {
            let place = self.origin.as_deref().map(|place| format!(" at {}", visible(place.as_bytes())));
            let rule = visible(rule.as_bytes());
            text.push_str(&prefixed(&format!("rule: {rule}{}", place.unwrap_or_default())));
        }
        for way in &self.ways {
            text.push_str(&prefixed(&format!("a person can: {}", way.text())));
        }
        text
    }
}

impl Way {
    fn text(&self) -> String {
        match self {
            Way::Setting { key, entry, file } => {
                let entry = serde_json::Value::from(visible(entry.as_bytes()));
                format!("put {key}: [{entry}] into {}", visible(file.as_bytes()))
            }
            Way::Trust { project } => format!("run 'sbshctl trust' in {}", visible(project.as_bytes())),
            Way::ChangeRule => "change the rule named above".to_owned(),
            Way::Answer => {
                "be asked: open 'sbshctl approve' in another terminal, or name a program by SBSH_ASKPASS"
                    .to_owned()
            }
        }
    }
}

/// A broken settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// The file.
    pub path: String,
    /// Line and column from 1, column in characters; absent if the file could not be read.
    pub place: Option<(usize, usize)>,
    /// The content of that line.
    pub line: String,
    /// What is wrong and what would be right, one line.
    pub message: String,
}

impl SettingsError {
    /// The message with the line and a caret.
    pub fn text(&self) -> String {
        let path = visible(self.path.as_bytes());
        let message = visible(self.message.as_bytes());
        let Some((line, column)) = self.place else { return prefixed(&format!("{path}: {message}")) };
        let mut text = prefixed(&format!("{path}:{line}:{column}: {message}"));
        let number = line.to_string();
        let (shown, caret) = excerpt(&self.line, column);
        let _ = writeln!(text, "sbsh: {number} | {shown}");
        let _ = writeln!(text, "sbsh: {} | {}^", " ".repeat(number.len()), " ".repeat(caret));
        text
    }
}

/// What fits of a line around a column, escaped, and the caret's place in it.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    const BEFORE: usize = 60;
    const AFTER: usize = 40;
    let at = column.saturating_sub(1);
    let skipped = at.saturating_sub(BEFORE);
    // Tabs and long indents stay blanks here, one column each, so that the caret stands right.
    let escaped = |text: String| -> String {
        text.chars()
            .map(|c| if c == '\t' || c == ' ' { " ".to_owned() } else { visible(c.to_string().as_bytes()) })
            .collect()
    };
    let before = escaped(line.chars().skip(skipped).take(at - skipped).collect());
    let after = escaped(line.trim_end().chars().skip(at).take(AFTER).collect());
    let caret = before.chars().count();
    (format!("{before}{after}").trim_end().to_owned(), caret)
}

/// No backend, and how to get one.
pub fn backend_missing(why: &str, os_release: &str) -> String {
    let mut text = prefixed(&format!("cannot confine commands here: {}", visible(why.as_bytes())));
    match install_command(os_release) {
        Some(command) => text.push_str(&prefixed(&format!("to install bubblewrap: {command}"))),
        None => text.push_str(&prefixed("install the package 'bubblewrap' of your distribution")),
    }
    text.push_str(&prefixed("nothing was run; 'sbshctl doctor' tells more"));
    text
}

/// The lines of what was refused, safe to print.
pub fn violations(lines: &[String], at_terminal: bool) -> String {
    let lines: String = lines.iter().map(|line| prefixed(line)).collect();
    if at_terminal { lines } else { format!("<sandbox_violations>\n{lines}</sandbox_violations>\n") }
}

/// One line with our prefix. A line break in it would look like another program's line.
pub fn prefixed(text: &str) -> String {
    format!("sbsh: {}\n", text.replace('\n', "\\n"))
}

/// A command for one line of a message.
fn shortened(command: &[u8]) -> String {
    match command.get(..SHOWN_COMMAND) {
        Some(start) if command.len() > SHOWN_COMMAND => {
            format!("{}... ({} bytes)", visible(start), command.len())
        }
        _ => visible(command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_rule_place_and_way() {
        let refusal = Refusal {
            command: b"git push\norigin".to_vec(),
            why: "a rule asks, and nobody could be asked".to_owned(),
            rule: Some("Bash(git push:*)".to_owned()),
            origin: Some("/w/.claude/settings.json:3:5".to_owned()),
            ways: vec![
                Way::Setting {
                    key: "permissions.allow".to_owned(),
                    entry: "Bash(git push:*)".to_owned(),
                    file: ".claude/settings.local.json".to_owned(),
                },
                Way::Trust { project: "/w".to_owned() },
            ],
        };
        assert_eq!(
            refusal.text(),
            "sbsh: blocked: git push\\norigin\n\
             sbsh: reason: a rule asks, and nobody could be asked\n\
             sbsh: rule: Bash(git push:*) at /w/.claude/settings.json:3:5\n\
             sbsh: a person can: put permissions.allow: [\"Bash(git push:*)\"] into .claude/settings.local.json\n\
             sbsh: a person can: run 'sbshctl trust' in /w\n"
        );
    }

    #[test]
    fn a_long_command_is_shortened_in_refusals() {
        assert_eq!(shortened(&[b'x'; 401]), format!("{}... (401 bytes)", "x".repeat(400)));
        assert_eq!(shortened(&[b'x'; 400]), "x".repeat(400));
    }

    #[test]
    fn a_settings_error_points_at_the_place() {
        let error = SettingsError {
            path: "/w/.claude/settings.json".to_owned(),
            place: Some((12, 4)),
            line: "\t  \"enabled\": \"yes\"".to_owned(),
            message: "expected true or false".to_owned(),
        };
        assert_eq!(
            error.text(),
            "sbsh: /w/.claude/settings.json:12:4: expected true or false\n\
             sbsh: 12 |    \"enabled\": \"yes\"\n\
             sbsh:    |    ^\n"
        );
        let unreadable = SettingsError { place: None, message: "permission denied".to_owned(), ..error };
        assert_eq!(unreadable.text(), "sbsh: /w/.claude/settings.json: permission denied\n");
    }

    #[test]
    fn a_missing_backend_comes_with_the_command() {
        assert_eq!(
            backend_missing("bubblewrap is not installed", "ID=debian\n"),
            "sbsh: cannot confine commands here: bubblewrap is not installed\n\
             sbsh: to install bubblewrap: sudo apt-get install bubblewrap\n\
             sbsh: nothing was run; 'sbshctl doctor' tells more\n"
        );
    }
}
