//! The verdict on one program that was started inside where an excluded one would be: its words are known as they are.

use super::{Reason, WAY_OUT, deny_and_ask, escaped, shortened, way_out};
use crate::command::{self, SimpleCommand, Word, wrappers};
use crate::policy::{CommandRule, CommandRules, Match, Policy};
use crate::verdict::{DirectCommand, Verdict};

/// What is to be done with it.
#[derive(Debug, Clone)]
#[must_use]
pub enum Brokered {
    /// It is not excluded with these words: it goes on inside.
    Inside,
    /// Do not run it.
    Denied(Reason),
    /// Ask. `lasting`: an allow rule can keep the answer.
    Ask {
        /// What asks.
        reason: Reason,
        /// Whether "always" can be answered.
        lasting: bool,
    },
    /// A rule allows it.
    Allowed(Reason),
}

/// On a covered program; `argv` begins with the name that it was called by.
pub fn covered(policy: &Policy, argv: &[String]) -> Brokered {
    let rules = &policy.commands;
    let command = simple(argv);
    let line = wrappers::line(&command.words);
    let seen = [wrappers::layers(&command)];
    let by_rule = deny_and_ask(rules, &seen, &[false]);
    if let Some(Verdict::Denied(reason)) = by_rule {
        return Brokered::Denied(reason);
    }
    let Some(excluded) = excluded(rules, &command) else {
        return Brokered::Inside;
    };
    if let Some(Verdict::Ask { reason, .. }) = by_rule {
        return Brokered::Ask { reason, lasting: false };
    }
    let shown = format!("'{}'", shortened(&escaped(&line)));
    match allows(rules, &command) {
        Some(allow) => {
            Brokered::Allowed(Reason::rule(allow, "allows", &format!("{shown} outside the sandbox")))
        }
        None => Brokered::Ask { reason: not_allowed(excluded, &shown), lasting: true },
    }
}

/// On what follows the way out's name; `argv` begins with that name.
pub fn by_way_out(policy: &Policy, argv: &[String]) -> Brokered {
    let command = simple(argv.get(1..).unwrap_or_default());
    if let Some(Verdict::Denied(reason)) =
        deny_and_ask(&policy.commands, &[wrappers::layers(&command)], &[false])
    {
        return Brokered::Denied(reason);
    }
    let mut argv = argv.to_vec();
    if let Some(name) = argv.first_mut() {
        *name = WAY_OUT.to_owned();
    }
    match way_out(policy, &DirectCommand { argv }) {
        Some(Verdict::Ask { reason, .. }) => Brokered::Ask { reason, lasting: false },
        Some(Verdict::Denied(reason)) => Brokered::Denied(reason),
        _ => Brokered::Denied(Reason::plain("it is no command for outside")),
    }
}

/// What shells do themselves, although there are programs of these names: the broker never hears of it.
const DONE_BY_SHELLS: &[&str] = &[
    "[", "alias", "bg", "cd", "command", "count", "eval", "exec", "false", "echo", "fc", "fg", "getopts",
    "hash", "help", "history", "jobs", "kill", "limit", "log", "math", "path", "print", "printf", "pwd",
    "random", "read", "realpath", "set", "status", "string", "test", "time", "true", "type", "ulimit",
    "umask", "unalias", "wait", "where", "which",
];

/// Whether a simple command of a text starts a covered program that is excluded with these words: then it is judged when
/// that is started, as it is then.
pub(super) fn is_judged_later(rules: &CommandRules, command: &SimpleCommand, brokered: &[String]) -> bool {
    let literal = command.words.iter().all(|word| word.literal().is_some());
    let name =
        command.words.first().and_then(Word::literal).map(|name| name.rsplit('/').next().unwrap_or(name));
    let plain = literal && command.opaque.is_none() && !command.shadowed && command.assignments.is_empty();
    let is_program = |name: &str| brokered.iter().any(|b| b == name) && !DONE_BY_SHELLS.contains(&name);
    plain && name.is_some_and(is_program) && excluded(rules, command).is_some()
}

/// The entry that excludes a command.
pub(super) fn excluded<'r>(rules: &'r CommandRules, command: &SimpleCommand) -> Option<&'r CommandRule> {
    let line = wrappers::line(&command.words);
    rules.excluded.iter().find(|rule| rule.matches(&line) == Match::Yes)
}

/// The rule that allows an excluded command to run outside: by its words. A word with blanks in it is not several words,
/// as it would be in a line, and an empty one is one.
pub(super) fn allows<'r>(rules: &'r CommandRules, command: &SimpleCommand) -> Option<&'r CommandRule> {
    // A noncharacter, which no rule that a person writes has.
    const BLANK: &str = "\u{ffff}";
    let whole = |word: &Word| match word.literal() {
        Some("") => Word::Literal(BLANK.to_owned()),
        Some(text) => Word::Literal(text.replace(char::is_whitespace, BLANK)),
        None => word.clone(),
    };
    let words = command.words.iter().map(whole).collect();
    let line = command::allowed_line(command)?;
    let exact = command::allowed_line(&SimpleCommand { words, ..command.clone() })?;
    let matches = |rule: &CommandRule, line: &str| rule.matches(line) == Match::Yes;
    rules.allow.iter().find(|rule| matches(rule, &line) && matches(rule, &exact))
}

/// Why an excluded command is asked about.
pub(super) fn not_allowed(excluded: &CommandRule, shown: &str) -> Reason {
    let entry = shortened(&escaped(&excluded.text));
    Reason {
        text: format!(
            "excludedCommands entry \"{entry}\" runs {shown} outside the sandbox, and no rule allows it"
        ),
        rule: Some(excluded.text.clone()),
        origin: Some(excluded.origin.clone()),
    }
}

fn simple(argv: &[String]) -> SimpleCommand {
    let words = argv.iter().cloned().map(Word::Literal).collect();
    SimpleCommand { words, alone: true, ..SimpleCommand::default() }
}
