//! "Always": which rules an answer would write, and where.

use super::Stop;
use super::outside::Program;
use super::prepare::Prepared;
use crate::command::{self, Commands};
use crate::policy::Policy;
use crate::settings::trust::{TrustStore, Widening};
use crate::settings::{Layer, Scope, Source, edit, parse, trust};
use crate::verdict::Reason;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The allow rules, as narrow as what was shown, that would let this through the next time; `None` where no rule can:
/// an ask rule comes before every allow rule, and a command with words that only the shell knows has no exact rule.
pub fn rules(
    command: &[u8],
    reason: &Reason,
    program: Option<&Program>,
    policy: &Policy,
) -> Option<Vec<String>> {
    let by_ask_rule = reason.rule.is_some()
        && !policy.commands.excluded.iter().any(|r| Some(&r.text) == reason.rule.as_ref());
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

/// Writes the rules and, for a project file, pins its new content: but only if it says nothing more than what was
/// loaded and these rules, so that nothing else comes to count with them.
///
/// # Errors
/// When the file cannot be changed; the command does not run then, as the answer could not be kept.
pub fn write(rules: &[String], prepared: &Prepared) -> Result<(), Stop> {
    let failed = |cause: String| {
        Stop::Failed(format!("cannot keep the answer 'always': {cause}"), crate::exit::REFUSED)
    };
    let target =
        target(prepared).ok_or_else(|| failed("there is no home directory for a settings file".into()))?;
    let project =
        prepared.layers.project.as_ref().filter(|_| prepared.layers.user_file.as_ref() != Some(&target));
    for rule in rules {
        let added = match project {
            Some(project) => edit::add_within(project, &target, KEY, rule),
            None => edit::add(&target, KEY, rule),
        };
        added.map_err(|e| failed(e.to_string()))?;
    }
    if project.is_some() {
        let text = std::fs::read_to_string(&target).map_err(|e| failed(e.to_string()))?;
        let added = widening_of(&target, &text).ok_or_else(|| failed("the file is broken now".into()))?;
        let before = loaded(prepared, &target).map(|l| trust::widening(&l.values)).unwrap_or_default();
        let expected = |w: &Widening| {
            let mine = w.key == "permissions.allow" && rules.contains(&w.text);
            mine || before.iter().any(|b| b.key == w.key && b.text == w.text)
        };
        if !added.iter().all(expected) {
            return Err(failed("the file was changed by somebody else meanwhile".into()));
        }
        let mut store = TrustStore::open(prepared.locations.state_dir.as_deref());
        store.record(&target, text.as_bytes()).map_err(|e| failed(e.to_string()))?;
    }
    Ok(())
}

const KEY: &[&str] = &["permissions", "allow"];

fn loaded<'p>(prepared: &'p Prepared, target: &Path) -> Option<&'p Layer> {
    prepared.layers.layers.iter().find(|l| l.source.path == target)
}

fn widening_of(path: &Path, text: &str) -> Option<Vec<Widening>> {
    let source = Arc::new(Source { path: path.into(), scope: Scope::Local, text: text.into() });
    let values = parse::values(&source, &mut Vec::new()).ok()?;
    Some(trust::widening(&values))
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
