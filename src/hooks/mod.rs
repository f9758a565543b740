//! Hooks: programs of the person's that are asked before a command and told after it.
//!
//! Owns which hooks are about a command, what they are told, running them, reading their answers, and what several
//! answers come to. They run outside, so it also owns what keeps confined code from choosing what they execute. Must not
//! decide about a command: what comes out is a word that the verdict heeds. A hook that fails never widens anything.
//!
//! | file | answers | kind of code |
//! |---|---|---|
//! | [`answer`] | what did one hook say | pure |
//! | [`opinion`] | what do all of them come to | pure |
//! | [`place`] | what may a hook execute, and with which environment | looks at files |
//! | [`process`] | running them | processes |

pub mod answer;
pub mod opinion;
#[cfg(target_os = "linux")]
pub mod place;
#[cfg(target_os = "linux")]
pub mod process;

use crate::command::{self, Commands, wrappers};
use crate::policy::hooks::Condition;
use crate::policy::{HookRule, Match};
use crate::settings::hooks::{Event, TOOL};
use serde_json::{Value, json};
use std::path::Path;

pub use answer::Answer;
pub use opinion::{Opinion, Word};

/// The variable that tells a program that a hook of ours started it. It keeps a hook from starting itself through
/// sbsh, for ever; to whoever sets it, it only takes away.
pub const MARK: &str = "SBSH_HOOK";

/// What every hook of one event is told.
#[derive(Debug, Clone, Copy)]
pub struct Told<'t> {
    /// The session, as the caller names it; empty if it does not.
    pub session: &'t str,
    /// The working directory.
    pub cwd: &'t Path,
    /// The command text that was asked for.
    pub command: &'t str,
    /// What came of it.
    pub response: Option<&'t Value>,
}

impl Told<'_> {
    /// The text on a hook's standard input.
    pub fn json(&self, event: Event) -> String {
        let mut value = json!({
            "session_id": self.session,
            "transcript_path": "",
            "cwd": self.cwd.to_string_lossy(),
            "permission_mode": "default",
            "hook_event_name": event.name(),
            "tool_name": TOOL,
            "tool_input": { "command": self.command },
        });
        if let (Some(response), Some(object)) = (self.response, value.as_object_mut()) {
            object.insert("tool_response".to_owned(), response.clone());
        }
        format!("{value}\n")
    }
}

/// Whether a hook is about a command text. A text that cannot be read may be anything.
pub fn is_about(rule: &HookRule, text: &[u8]) -> bool {
    let Condition::Matching(wanted) = &rule.condition else { return true };
    let Commands::Known(commands) = command::read(text) else { return true };
    commands.iter().map(wrappers::layers).any(|layers| {
        layers.opaque.is_some()
            || !layers.texts.is_empty()
            || layers.lines.iter().any(|line| wanted.matches(line) != Match::No)
    })
}

/// A hook's name in messages: what it runs, and where it stands.
pub fn named(rule: &HookRule) -> String {
    format!("{} hook '{}' ({})", rule.hook.event.name(), rule.hook.shown(), rule.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::CommandRule;
    use crate::settings::Origin;
    use crate::settings::hooks::{Hook, Runs};

    pub(super) fn rule(text: &str) -> HookRule {
        HookRule {
            hook: Hook {
                event: Event::Before,
                runs: Runs::Text { text: text.to_owned(), bash: false },
                timeout: std::time::Duration::from_secs(60),
                condition: None,
                waited_for: true,
                must_work: false,
                unclear: None,
            },
            condition: Condition::Every,
            origin: Origin::Caller("a file"),
        }
    }

    #[test]
    fn a_condition_sees_each_simple_command_and_through_wrappers() {
        let wanted = CommandRule::parse("git push *", Origin::Caller("a file")).unwrap();
        let rule = HookRule { condition: Condition::Matching(wanted), ..rule("x") };
        for text in ["git push", "cd x && git push -f", "sudo git push", "sh -c 'git push'", "$x", "a ("] {
            assert!(is_about(&rule, text.as_bytes()), "{text}");
        }
        for text in ["ls", "git pull", "echo git push"] {
            assert!(!is_about(&rule, text.as_bytes()), "{text}");
        }
        assert!(is_about(&super::tests::rule("x"), b"ls"));
    }

    #[test]
    fn hooks_are_told_what_the_ecosystem_tells_them() {
        let told = Told { session: "s", cwd: Path::new("/w"), command: "ls", response: None };
        assert_eq!(
            told.json(Event::Before),
            "{\"session_id\":\"s\",\"transcript_path\":\"\",\"cwd\":\"/w\",\"permission_mode\":\"default\",\
             \"hook_event_name\":\"PreToolUse\",\"tool_name\":\"Bash\",\"tool_input\":{\"command\":\"ls\"}}\n"
        );
        let response = json!({ "exitCode": 1 });
        let told = Told { response: Some(&response), ..told };
        assert!(told.json(Event::After).ends_with(",\"tool_response\":{\"exitCode\":1}}\n"));
    }
}
