//! "Always": which rules an answer would write, and where.

use super::Stop;
use super::outside::Program;
use super::prepare::Prepared;
use crate::command::{self, Commands};
use crate::policy::Policy;
use crate::settings::trust::TrustStore;
use crate::settings::{Scope, edit, trust};
use crate::verdict::Reason;
use std::path::PathBuf;

/// The allow rules, as narrow as what was shown, that would let this through the next time; `None` where no rule can:
/// an ask rule comes before every allow rule, and a command with words that only the shell knows has no exact rule.
pub fn rules(command: &[u8], reason: &Reason, program: Option<&Program>, policy: &Policy) -> Option<Vec<String>> {
    let by_ask_rule = reason.rule.is_some() && !policy.commands.excluded.iter().any(|r| Some(&r.text) == reason.rule.as_ref());
    if by_ask_rule {
        return None;
    }
    if let Some(program) = program {
        // `dangerouslyDisableSandbox` is never remembered.
        let excluded = reason.rule.is_some();
        let line = program.argv.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        return (excluded && is_plain(&line)).then(|| vec![rule(&line)]);
    }
    let Commands::Known(commands) = command::read(command) else { return None };
    let mut rules = Vec::new();
    for simple in commands.iter().filter(|c| !c.elsewhere) {
        let literal = simple.opaque.is_none() && simple.words.iter().all(|w| w.literal().is_some());
        let line = command::allowed_line(simple).filter(|line| literal && is_plain(line))?;
        let rule = rule(&line);
        if !line.is_empty() && !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    (!rules.is_empty()).then_some(rules)
}

/// What a rule on one line can hold and a person can read.
fn is_plain(line: &str) -> bool {
    !line.chars().any(char::is_control)
}

/// The exact rule for a line: its stars are stars.
fn rule(line: &str) -> String {
    format!("Bash({})", line.replace('*', "\\*"))
}

/// The file that "always" writes: the project's personal one, or the user's where there is no project or where that
/// file says things which were not trusted yet (writing it must not make them count).
pub fn target(prepared: &Prepared) -> Option<PathBuf> {
    let local = prepared.layers.project.as_ref().map(|p| p.join(".claude/settings.local.json"));
    let usable = |path: &PathBuf| {
        prepared
            .layers
            .layers
            .iter()
            .find(|l| l.source.scope == Scope::Local && l.source.path == *path)
            .is_none_or(|l| l.may_widen || trust::widening(&l.values).is_empty())
    };
    local.filter(usable).or_else(|| prepared.layers.user_file.clone())
}

/// Writes the rules and, for a project file, pins its new content.
///
/// # Errors
/// When the file cannot be changed; the command does not run then, as the answer could not be kept.
pub fn write(rules: &[String], prepared: &Prepared) -> Result<(), Stop> {
    let failed = |cause: String| Stop::Failed(format!("cannot keep the answer 'always': {cause}"), crate::exit::REFUSED);
    let target = target(prepared).ok_or_else(|| failed("there is no home directory for a settings file".into()))?;
    for rule in rules {
        edit::add(&target, &["permissions", "allow"], rule).map_err(|e| failed(e.to_string()))?;
    }
    if prepared.layers.user_file.as_ref() != Some(&target) {
        let content = std::fs::read(&target).map_err(|e| failed(e.to_string()))?;
        let mut store = TrustStore::open(prepared.locations.state_dir.as_deref());
        store.record(&target, &content).map_err(|e| failed(e.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_exact() {
        assert_eq!(rule("ls *.rs"), "Bash(ls \\*.rs)");
        assert!(!is_plain("a\nb"));
    }
}
