//! Verdict: policy × command → confined, outside, asked or denied, each with its reason. Pure.
//!
//! Owns the order deny > ask > outside > allow. Must not widen by what it does not understand: an unknown command is
//! confined, and with a deny or ask rule that could match it, asked about. Beside it, and never asked by it: what is
//! remarkable about the rules (`lint`), and what of them was used (`usage`).
#![forbid(unsafe_code)]

pub mod breadth;
pub mod brokered;
pub mod lint;
mod show;
pub mod usage;

use crate::command::wrappers::{self, Layers};
use crate::command::{self, Commands, Envelope, SimpleCommand, Word, embedded};
use crate::policy::{CommandRule, CommandRules, Match, Mode, Policy};
use crate::settings::{Origin, Sourced};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

pub use show::{escaped, shortened};

/// The named door for "run this outside".
pub const WAY_OUT: &str = "dangerouslyDisableSandbox";

/// More simple commands in one text are not judged one by one: ten thousand rules against each would take too long.
const MOST_COMMANDS: usize = 4_000;

/// A command text together with the agent's wrapping around it.
#[derive(Debug, Clone)]
pub struct CommandText<'t> {
    whole: &'t [u8],
    envelope: Option<Envelope>,
    /// Names of programs that are judged again, with the words that they really get, when they are started.
    brokered: Vec<String>,
}

impl<'t> CommandText<'t> {
    /// Looks for an agent's envelope; `home` is the caller's home directory.
    pub fn new(whole: &'t [u8], home: Option<&Path>) -> Self {
        CommandText { whole, envelope: command::envelope::recognise(whole, home), brokered: Vec::new() }
    }

    /// With these programs covered: what runs outside is asked about when it is started, and not here too.
    pub fn with_brokered(self, names: Vec<String>) -> Self {
        CommandText { brokered: names, ..self }
    }

    /// What the person or the model asked for: what is judged and shown.
    pub fn asked(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.envelope.as_ref().map_or(self.whole, |e| e.inner.as_bytes()))
    }

    /// The whole text with another command in it; `None` if the agent's wrapping cannot hold that.
    pub fn with(&self, command: &str, home: Option<&Path>) -> Option<String> {
        match &self.envelope {
            None => Some(command.to_owned()),
            Some(_) => command::envelope::around(self.whole, home, command),
        }
    }

    /// The agent whose wrapping was recognised.
    pub fn agent(&self) -> Option<&'static str> {
        self.envelope.as_ref().map(|e| e.agent)
    }

    /// Files that the wrapping itself writes.
    pub fn grants(&self) -> &[PathBuf] {
        self.envelope.as_ref().map_or(&[], |e| e.grants.as_slice())
    }
}

/// What is to be done with a command text.
#[derive(Debug, Clone)]
#[must_use]
pub enum Verdict {
    /// Run it inside. `note` is worth saying only if it failed.
    Confined {
        /// Why no approval is needed.
        reason: Reason,
        /// One line.
        note: Option<String>,
    },
    /// Ask first; run where `outside` says.
    Ask {
        /// What asks.
        reason: Reason,
        /// The program to run outside if the answer is yes; `None`: the text runs confined.
        outside: Option<DirectCommand>,
    },
    /// Run exactly this one program outside, unasked (an allow rule covers it).
    Outside {
        /// The rule that allows it.
        reason: Reason,
        /// The program.
        command: DirectCommand,
    },
    /// Do not run it.
    Denied(Reason),
}

impl Verdict {
    /// Why.
    pub fn reason(&self) -> &Reason {
        match self {
            Verdict::Confined { reason, .. }
            | Verdict::Ask { reason, .. }
            | Verdict::Outside { reason, .. }
            | Verdict::Denied(reason) => reason,
        }
    }
}

/// A line that is nothing but one simple command of literal words: what may run outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectCommand {
    /// argv, all literal.
    pub argv: Vec<String>,
}

/// Why.
#[derive(Debug, Clone)]
pub struct Reason {
    /// One line, e.g. `rule Bash(curl:*) denies 'curl http://x'`.
    pub text: String,
    /// The rule as it was written, if a rule decided.
    pub rule: Option<String>,
    /// Where the rule stands.
    pub origin: Option<Origin>,
}

impl Reason {
    fn plain(text: impl Into<String>) -> Reason {
        Reason { text: text.into(), rule: None, origin: None }
    }

    fn rule(rule: &CommandRule, does: &str, what: &str) -> Reason {
        let shown = escaped(&rule.shown());
        Reason {
            text: format!("rule {} {does} {what}", shortened(&shown)),
            rule: Some(rule.shown()),
            origin: Some(rule.origin.clone()),
        }
    }

    fn setting<T>(setting: &Sourced<T>, text: String) -> Reason {
        Reason { text, rule: None, origin: Some(setting.origin.clone()) }
    }
}

/// The verdict on a command text.
pub fn judge(policy: &Policy, text: &CommandText<'_>) -> Verdict {
    let rules = &policy.commands;
    let asked = text.asked();
    if policy.mode.value == Mode::AutoAllow && no_rules(rules) && !mentions(&asked, WAY_OUT.as_bytes()) {
        return confined(policy, None);
    }
    if let Some(rule) = rules.deny.iter().find(|r| r.is_all()) {
        return Verdict::Denied(Reason::rule(rule, "denies", "every command"));
    }
    match command::read(&asked) {
        Commands::Known(commands) => judge_known(policy, &commands, &text.brokered),
        Commands::Unknown(why) => judge_unknown(policy, &why),
    }
}

/// The verdict on a text that is not read here, because the shell that runs it reads it otherwise.
pub fn judge_unread(policy: &Policy, why: &str) -> Verdict {
    let rules = &policy.commands;
    if let Some(rule) = rules.deny.iter().find(|r| r.is_all()) {
        return Verdict::Denied(Reason::rule(rule, "denies", "every command"));
    }
    judge_unknown(policy, why)
}

fn no_rules(rules: &CommandRules) -> bool {
    rules.deny.is_empty() && rules.ask.is_empty() && rules.excluded.is_empty()
}

fn mentions(text: &[u8], word: &[u8]) -> bool {
    // A way to write it that is not literal is seen neither here nor by the way out itself.
    String::from_utf8_lossy(text).contains(&*String::from_utf8_lossy(word))
}

fn confined(policy: &Policy, note: Option<String>) -> Verdict {
    let reason = Reason::setting(&policy.mode, "runs confined, so no approval is needed".to_owned());
    Verdict::Confined { reason, note }
}

/// The end of the flow: no deny or ask rule spoke, and it is not for outside.
fn flow(policy: &Policy, allowed: Option<&CommandRule>, note: Option<String>) -> Verdict {
    if policy.mode.value == Mode::AutoAllow {
        return confined(policy, note);
    }
    if let Some(rule) = allowed {
        return Verdict::Confined { reason: Reason::rule(rule, "allows", "it"), note };
    }
    if policy.bypass_permissions {
        return Verdict::Confined {
            reason: Reason::plain("permissions.defaultMode is bypassPermissions"),
            note,
        };
    }
    let reason =
        Reason::setting(&policy.mode, "no rule allows it and sandbox.mode is \"regular\"".to_owned());
    Verdict::Ask { reason, outside: None }
}

fn judge_unknown(policy: &Policy, why: &str) -> Verdict {
    let rules = &policy.commands;
    if let Some(rule) = rules.deny.iter().chain(&rules.ask).next() {
        let reason = Reason::rule(rule, "could match", &format!("a command that cannot be read: {why}"));
        return Verdict::Ask { reason, outside: None };
    }
    flow(policy, rules.allow.iter().find(|r| r.is_all()), None)
}

fn judge_known(policy: &Policy, commands: &[SimpleCommand], brokered: &[String]) -> Verdict {
    let rules = &policy.commands;
    if commands.len() > MOST_COMMANDS {
        return judge_unknown(policy, "it has too many commands");
    }
    let seen: Vec<Layers> = commands.iter().map(wrappers::layers).collect();
    let direct = direct(commands);
    let is_way_out = |d: &&DirectCommand| d.argv.first().is_some_and(|name| name == WAY_OUT);
    let excluded = direct.as_ref().filter(|d| !is_way_out(d)).and_then(|direct| {
        let line = wrappers::line(&commands.first()?.words);
        let rule = rules.excluded.iter().find(|r| r.matches(&line) == Match::Yes)?;
        Some((direct, rule))
    });
    // Nobody judges again what is started from here.
    let again = |c: &SimpleCommand| excluded.is_none() && brokered::is_judged_later(rules, c, brokered);
    let later: Vec<bool> = commands.iter().map(again).collect();
    match (deny_and_ask(rules, &seen, &later), &excluded) {
        (Some(Verdict::Ask { reason, .. }), Some((direct, _))) => {
            return Verdict::Ask { reason, outside: Some((*direct).clone()) };
        }
        (Some(decided), _) => return decided,
        (None, _) => {}
    }
    if let Some(verdict) = direct.as_ref().and_then(|d| way_out(policy, d)) {
        return verdict;
    }
    if let (Some((direct, rule)), [command]) = (excluded, commands) {
        return outside(rules, command, direct, rule);
    }
    let note = way_out_note(&seen);
    flow(policy, allowed(rules, commands, &later), note)
}

fn way_out_note(seen: &[Layers]) -> Option<String> {
    let used = seen.iter().flat_map(|l| &l.lines).any(|line| line.split(' ').next() == Some(WAY_OUT));
    used.then(|| {
        format!("where no program '{WAY_OUT}' is on PATH, it works only as the first word of a line that is one command of literal words")
    })
}

/// What deny and ask rules say, deny first. No ask rule speaks of what is judged `later`.
fn deny_and_ask(rules: &CommandRules, seen: &[Layers], later: &[bool]) -> Option<Verdict> {
    let mut possible = None;
    for (rule, does) in
        rules.deny.iter().map(|r| (r, "denies")).chain(rules.ask.iter().map(|r| (r, "asks about")))
    {
        let looked_at = seen.iter().zip(later).filter(|(_, later)| does == "denies" || !**later);
        for line in looked_at.flat_map(|(l, _)| &l.lines) {
            let what = || format!("'{}'", shortened(&escaped(line)));
            match rule.matches(line) {
                Match::Yes if does == "denies" => {
                    return Some(Verdict::Denied(Reason::rule(rule, does, &what())));
                }
                Match::Yes if possible.is_none() => possible = Some(Reason::rule(rule, does, &what())),
                Match::Possible if possible.is_none() => {
                    possible = Some(Reason::rule(rule, "could match", &what()));
                }
                Match::Yes | Match::Possible | Match::No => {}
            }
        }
        if possible.is_none() {
            possible = named_in_text(rule, seen);
        }
    }
    let opaque = || {
        let why = seen.iter().find_map(|l| l.opaque.as_deref())?;
        let rule = rules.deny.iter().chain(&rules.ask).next()?;
        Some(Reason::rule(rule, "could match", &format!("what the line does not show: {}", escaped(why))))
    };
    possible.or_else(opaque).map(|reason| Verdict::Ask { reason, outside: None })
}

/// A rule's program named in a text that another interpreter runs.
fn named_in_text(rule: &CommandRule, seen: &[Layers]) -> Option<Reason> {
    let text = seen.iter().flat_map(|l| &l.texts).find(|text| match rule.program() {
        Some(program) => embedded::names(text, program),
        None => true,
    })?;
    Some(Reason::rule(rule, "could match what runs inside", &format!("'{}'", shortened(&escaped(text)))))
}

/// The one command of literal words that a text is, if it is nothing else.
fn direct(commands: &[SimpleCommand]) -> Option<DirectCommand> {
    const BUILTINS: &[&str] = &[
        ".",
        ":",
        "alias",
        "bg",
        "bind",
        "break",
        "builtin",
        "caller",
        "cd",
        "command",
        "compgen",
        "complete",
        "compopt",
        "continue",
        "declare",
        "dirs",
        "disown",
        "enable",
        "eval",
        "exec",
        "exit",
        "export",
        "fc",
        "fg",
        "getopts",
        "hash",
        "help",
        "history",
        "jobs",
        "let",
        "local",
        "logout",
        "mapfile",
        "popd",
        "pushd",
        "read",
        "readarray",
        "readonly",
        "return",
        "set",
        "shift",
        "shopt",
        "source",
        "suspend",
        "times",
        "trap",
        "type",
        "typeset",
        "ulimit",
        "umask",
        "unalias",
        "unset",
        "wait",
    ];
    let [command] = commands else { return None };
    let plain = command.alone
        && !command.redirected
        && !command.shadowed
        && !command.elsewhere
        && command.assignments.is_empty()
        && command.opaque.is_none();
    if !plain {
        return None;
    }
    let argv: Vec<String> =
        command.words.iter().map(|w| w.literal().map(str::to_owned)).collect::<Option<_>>()?;
    let name = argv.first()?;
    let found = !name.is_empty() && (!name.contains('/') || name.starts_with('/'));
    (found && !BUILTINS.contains(&name.as_str())).then_some(DirectCommand { argv })
}

fn way_out(policy: &Policy, direct: &DirectCommand) -> Option<Verdict> {
    let (name, rest) = direct.argv.split_first()?;
    if name != WAY_OUT {
        return None;
    }
    if !policy.way_out.value {
        let text = format!("{WAY_OUT} does not exist here: allowUnsandboxedCommands is false");
        return Some(Verdict::Denied(Reason::setting(&policy.way_out, text)));
    }
    if rest.is_empty() {
        return Some(Verdict::Denied(Reason::plain(format!("{WAY_OUT} needs a command behind it"))));
    }
    let words: Vec<Word> = rest.iter().cloned().map(Word::Literal).collect();
    let line = shortened(&escaped(&wrappers::line(&words)));
    let reason = Reason::plain(format!("{WAY_OUT} asks to run '{line}' outside the sandbox"));
    Some(Verdict::Ask { reason, outside: Some(DirectCommand { argv: rest.to_vec() }) })
}

/// An excluded command on a line of its own.
fn outside(
    rules: &CommandRules,
    command: &SimpleCommand,
    direct: &DirectCommand,
    rule: &CommandRule,
) -> Verdict {
    let allow = brokered::allows(rules, command);
    let shown = format!("'{}'", shortened(&escaped(&wrappers::line(&command.words))));
    match allow {
        Some(allow) => Verdict::Outside {
            reason: Reason::rule(allow, "allows", &format!("{shown} outside the sandbox")),
            command: direct.clone(),
        },
        None => {
            let reason = brokered::not_allowed(rule, &shown);
            Verdict::Ask { reason, outside: Some(direct.clone()) }
        }
    }
}

/// A rule that allows the text, if every command of it is allowed.
fn allowed<'r>(
    rules: &'r CommandRules,
    commands: &[SimpleCommand],
    later: &[bool],
) -> Option<&'r CommandRule> {
    if let Some(rule) = rules.allow.iter().find(|r| r.is_all()) {
        return Some(rule);
    }
    let mut by = None;
    for (command, later) in commands.iter().zip(later).filter(|(c, _)| !c.elsewhere) {
        if *later {
            by = by.or_else(|| brokered::excluded(rules, command));
            continue;
        }
        let line = command::allowed_line(command)?;
        if !line.is_empty() {
            by = Some(rules.allow.iter().find(|r| r.matches(&line) == Match::Yes)?);
        }
    }
    by
}
