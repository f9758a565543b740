//! The shape of hooks: programs of the person's that are asked before a command and told after it. Pure.
//!
//! Owns what one entry of `hooks.PreToolUse` or `hooks.PostToolUse` says, and which matchers mean commands. Hooks for
//! other tools are another program's. Must not decide whether an entry counts, nor run anything.

use std::time::Duration;

/// The tool that a shell is to the settings' ecosystem.
pub const TOOL: &str = "Bash";

/// Seconds that a hook may take where it does not say.
const PATIENCE: u64 = 60;
/// Nobody waits longer than a day.
const LONGEST: f64 = 86_400.0;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Before a command; may keep it from running.
    Before,
    /// After it.
    After,
}

impl Event {
    /// The events by their names in settings.
    pub fn named(name: &str) -> Option<Event> {
        match name {
            "PreToolUse" => Some(Event::Before),
            "PostToolUse" => Some(Event::After),
            _ => None,
        }
    }

    /// Its name in settings and for hooks.
    pub fn name(self) -> &'static str {
        match self {
            Event::Before => "PreToolUse",
            Event::After => "PostToolUse",
        }
    }

    /// The settings key.
    pub fn key(self) -> &'static str {
        match self {
            Event::Before => "hooks.PreToolUse",
            Event::After => "hooks.PostToolUse",
        }
    }
}

/// What a hook runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// A text for a shell: `/bin/sh`, or bash where the entry says so.
    Text {
        /// The text.
        text: String,
        /// Whether `shell` is `bash`.
        bash: bool,
    },
    /// A program with its arguments, no shell between.
    Program(Vec<String>),
    /// What this program does not run: the entry's type or shell.
    Foreign(String),
}

/// One hook for commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When.
    pub event: Event,
    /// What.
    pub runs: Runs,
    /// How long it may take.
    pub timeout: Duration,
    /// `if`: a permission rule; without it every command.
    pub condition: Option<String>,
    /// Whether it is waited for; with `async` it is not, and decides nothing.
    pub waited_for: bool,
    /// `onFailure` is `block`: if it fails, the command does not run.
    pub must_work: bool,
    /// Its matcher, if it is a pattern that cannot be understood here.
    pub unclear: Option<String>,
}

impl Hook {
    /// What it runs, for showing.
    pub fn shown(&self) -> String {
        match &self.runs {
            Runs::Text { text, .. } => text.clone(),
            Runs::Program(words) => words.join(" "),
            Runs::Foreign(what) => format!("({what})"),
        }
    }
}

/// Whether a matcher means commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// It is a pattern that cannot be understood here, so it might.
    Unclear,
}

/// Nothing, an empty text and `*` mean every tool; names are compared whole, with `|` or `,` between several; anything
/// else is a regular expression that may match anywhere in the name.
pub fn means_commands(matcher: Option<&str>) -> Matched {
    let Some(matcher) = matcher.filter(|m| !m.is_empty() && *m != "*") else { return Matched::Yes };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ' | ',' | '|');
    let matches = if matcher.chars().all(plain) {
        matcher.split(['|', ',']).any(|name| name.trim() == TOOL)
    } else {
        match regex_lite::Regex::new(matcher) {
            Ok(pattern) => pattern.is_match(TOOL),
            Err(_) => return Matched::Unclear,
        }
    };
    if matches { Matched::Yes } else { Matched::No }
}

/// A hook's patience by what its entry says, in seconds; `None` for what is no time.
pub fn patience(said: Option<f64>) -> Option<Duration> {
    match said {
        None => Some(Duration::from_secs(PATIENCE)),
        Some(seconds) if seconds > 0.0 => Some(Duration::from_secs_f64(seconds.min(LONGEST))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_mean_what_they_mean_elsewhere() {
        let table = [
            (None, Matched::Yes),
            (Some(""), Matched::Yes),
            (Some("*"), Matched::Yes),
            (Some("Bash"), Matched::Yes),
            (Some("bash"), Matched::No),
            (Some("Edit|Bash"), Matched::Yes),
            (Some("Edit, Bash"), Matched::Yes),
            (Some("Edit|Write|MultiEdit"), Matched::No),
            (Some("Ba"), Matched::No),
            (Some("BashOutput"), Matched::No),
            (Some("Ba.*"), Matched::Yes),
            (Some("^Ba"), Matched::Yes),
            (Some("^(Bash|Task)$"), Matched::Yes),
            (Some(".*"), Matched::Yes),
            (Some("mcp__.*"), Matched::No),
            (Some("Notebook.*"), Matched::No),
            (Some("^(?!mcp__).*"), Matched::Unclear),
            (Some("("), Matched::Unclear),
        ];
        for (matcher, wanted) in table {
            assert_eq!(means_commands(matcher), wanted, "{matcher:?}");
        }
    }

    #[test]
    fn patience_has_a_default_and_an_end() {
        let seconds = |said: Option<f64>| patience(said).map(|p| p.as_secs_f64());
        assert_eq!(seconds(None), Some(60.0));
        assert_eq!(seconds(Some(0.5)), Some(0.5));
        assert_eq!(seconds(Some(1e300)), Some(86_400.0));
        assert_eq!(seconds(Some(f64::INFINITY)), Some(86_400.0));
        for none in [0.0, -1.0, f64::NAN] {
            assert_eq!(patience(Some(none)), None);
        }
    }
}
