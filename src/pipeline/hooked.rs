//! Hooks around one command: what they are told, and what their word does to it.
//!
//! Owns the order: deny rules come before hooks, hooks before everything else. A hook's allowance is an allow rule, its
//! question an ask rule, and a command that it wants instead is judged anew, by the other hooks too.

use super::covers::Covers;
use super::decide::{self, Decision, text_of};
use super::journal::Journal;
use super::prepare::Prepared;
use super::shells::Shell;
use super::{Stop, stop};
use crate::caller::{Caller, SESSION};
use crate::hooks::place::Places;
use crate::hooks::{self, MARK, Opinion, Told, Word, named, opinion, process};
use crate::policy::{CommandRule, HookRule, WorkingRoot};
use crate::report;
use crate::run::Outcome;
use crate::settings::Origin;
use crate::settings::hooks::Event;
use crate::system::visible::visible;
use crate::verdict::{CommandText, Reason, Verdict};
use serde_json::json;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What hooks say of a command that may run.
#[derive(Debug)]
pub struct Heard {
    /// The shell as it is to run.
    pub shell: Shell,
    /// What they come to.
    pub word: Said,
}

/// What they come to.
#[derive(Debug)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// As an allow rule at this place would.
    Allow(Origin),
    /// As an ask rule would.
    Ask(Reason),
}

impl Heard {
    /// The decision with that.
    ///
    /// # Errors
    /// As [`decide::decide`].
    pub fn decide(
        &self,
        prepared: &mut Prepared,
        covers: &Covers,
        caller: &Caller,
        journal: &Journal,
    ) -> Result<Decision, Stop> {
        self.judged_by(prepared, |prepared, hook| {
            decide::decide(&self.shell, prepared, covers, caller, journal, hook)
        })
    }

    /// What `judge` makes of it: with the hooks' question, or under their allowance.
    pub fn judged_by<T>(
        &self,
        prepared: &mut Prepared,
        judge: impl FnOnce(&Prepared, Option<Reason>) -> T,
    ) -> T {
        match &self.word {
            Said::Nothing => judge(prepared, None),
            Said::Ask(reason) => judge(prepared, Some(reason.clone())),
            Said::Allow(origin) => {
                // For this text alone: what it starts is another question.
                prepared.policy.commands.allow.insert(0, CommandRule::all(origin.clone()));
                let judged = judge(prepared, None);
                prepared.policy.commands.allow.remove(0);
                judged
            }
        }
    }
}

/// Asks the hooks about what the shell would run.
///
/// # Errors
/// [`Stop::Refused`].
pub fn before(shell: Shell, prepared: &Prepared, caller: &Caller) -> Result<Heard, Stop> {
    let nothing = |shell| Ok(Heard { shell, word: Said::Nothing });
    if prepared.policy.hooks.before.is_empty() {
        return nothing(shell);
    }
    let rules: Vec<&HookRule> = prepared.policy.hooks.before.iter().collect();
    let Some((first, about)) = of_shell(&shell, &rules, prepared, caller)? else { return nothing(shell) };
    let Some((wanted, by)) = &first.command else {
        let word = said(&first, &about);
        return Ok(Heard { shell, word });
    };
    let Some(changer) = about.get(*by).copied() else { return nothing(shell) };
    let shell = changed(shell, wanted, changer, caller)?;
    // The others have not seen this command; who asked for it has.
    let others: Vec<&HookRule> = rules.into_iter().filter(|rule| !std::ptr::eq(*rule, changer)).collect();
    let (second, asked) = of_shell(&shell, &others, prepared, caller)?.unwrap_or_default();
    if second.command.is_some() {
        let why = "another hook wants yet another command to run instead";
        return Err(refused(&command(&shell, caller), changer, why));
    }
    let word = match (said(&first, &about), said(&second, &asked)) {
        (_, Said::Ask(reason)) | (Said::Ask(reason), _) => Said::Ask(reason),
        (Said::Allow(_), _) if second.failed => Said::Nothing,
        (first, _) => first,
    };
    Ok(Heard { shell, word })
}

/// Asks the hooks about a program that is to run outside, started from within.
///
/// # Errors
/// [`Stop::Refused`].
pub fn before_outside(line: &[u8], prepared: &Prepared, caller: &Caller) -> Result<Said, Stop> {
    if prepared.policy.hooks.before.is_empty() {
        return Ok(Said::Nothing);
    }
    let rules: Vec<&HookRule> = prepared.policy.hooks.before.iter().collect();
    let Some((opinion, about)) = consult(line, &rules, prepared, caller)? else { return Ok(Said::Nothing) };
    match opinion.command.as_ref().and_then(|(_, by)| about.get(*by)) {
        Some(rule) => {
            let why =
                "it wants another command, which cannot be put in the place of a program that is running";
            Err(refused(line, rule, why))
        }
        None => Ok(said(&opinion, &about)),
    }
}

/// What is asked for.
fn command(shell: &Shell, caller: &Caller) -> Vec<u8> {
    CommandText::new(&text_of(shell), caller.home.as_deref()).asked().into_owned()
}

/// What the hooks say of the shell's text, unless a rule denies that: then none is needed.
fn of_shell<'r>(
    shell: &Shell,
    rules: &[&'r HookRule],
    prepared: &Prepared,
    caller: &Caller,
) -> Result<Option<(Opinion, Vec<&'r HookRule>)>, Stop> {
    let bytes = text_of(shell);
    let text = CommandText::new(&bytes, caller.home.as_deref());
    if matches!(decide::verdict(shell, prepared, &text), Verdict::Denied(_)) {
        return Ok(None);
    }
    consult(&text.asked(), rules, prepared, caller)
}

/// What the hooks that are about the command say of it; `None` where no hook is. A refusal is one.
fn consult<'r>(
    asked: &[u8],
    rules: &[&'r HookRule],
    prepared: &Prepared,
    caller: &Caller,
) -> Result<Option<(Opinion, Vec<&'r HookRule>)>, Stop> {
    let about: Vec<&HookRule> = rules.iter().copied().filter(|rule| hooks::is_about(rule, asked)).collect();
    let Some(first) = about.first() else { return Ok(None) };
    if caller.variable(MARK).is_some() {
        let why =
            format!("{MARK} says that a hook started this command, so the hook would start itself for ever");
        return Err(refused(asked, first, &why));
    }
    let command = String::from_utf8_lossy(asked);
    let answers = run(Event::Before, &about, &command, None, prepared, caller);
    let answers: Vec<_> = about.iter().copied().zip(answers).collect();
    let opinion = opinion::form(&command, &answers);
    opinion.notices.iter().for_each(|text| report::notice(&visible(text.as_bytes())));
    if let Some((Word::Refuse, by)) = opinion.word
        && let Some(rule) = about.get(by)
    {
        return Err(refused(asked, rule, &opinion.reason));
    }
    Ok(Some((opinion, about)))
}

/// What an opinion that does not refuse comes to.
fn said(opinion: &Opinion, rules: &[&HookRule]) -> Said {
    let Some((word, rule)) = opinion.word.and_then(|(word, by)| Some((word, rules.get(by)?))) else {
        return Said::Nothing;
    };
    match word {
        Word::Allow => Said::Allow(rule.origin.clone()),
        Word::Ask | Word::Refuse => Said::Ask(reason(rule, "asks about it", &opinion.reason)),
    }
}

fn reason(rule: &HookRule, does: &str, why: &str) -> Reason {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    Reason {
        text: format!("a hook {does}{why}"),
        rule: Some(format!("{} hook '{}'", rule.hook.event.name(), rule.hook.shown())),
        origin: Some(rule.origin.clone()),
    }
}

/// The shell with the command that a hook wants.
fn changed(shell: Shell, wanted: &str, by: &HookRule, caller: &Caller) -> Result<Shell, Stop> {
    let bytes = text_of(&shell);
    let home = caller.home.as_deref();
    let whole = CommandText::new(&bytes, home).with(wanted, home);
    let invocation = whole.and_then(|whole| shell.invocation.with_text(OsStr::from_bytes(whole.as_bytes())));
    let Some(invocation) = invocation else {
        let why = "it wants another command, which cannot be put in the place of what was to run";
        return Err(refused(&command(&shell, caller), by, why));
    };
    let text = format!("the {} changed the command, which is now: {wanted}", named(by));
    report::notice(&visible(text.as_bytes()));
    Ok(Shell { invocation, ..shell })
}

fn refused(command: &[u8], rule: &HookRule, why: &str) -> Stop {
    Stop::Refused(stop::refusal(command.to_vec(), &reason(rule, "refuses it", why), Vec::new()))
}

/// Whether hooks are told what comes of the command.
pub fn are_told(shell: &Shell, prepared: &Prepared, caller: &Caller) -> bool {
    !told(&command(shell, caller), prepared, caller).is_empty()
}

fn told<'p>(asked: &[u8], prepared: &'p Prepared, caller: &Caller) -> Vec<&'p HookRule> {
    // What a hook started is not told to hooks: each would start itself for ever.
    if prepared.policy.hooks.after.is_empty() || caller.variable(MARK).is_some() {
        return Vec::new();
    }
    prepared.policy.hooks.after.iter().filter(|rule| hooks::is_about(rule, asked)).collect()
}

/// Tells the hooks what came of the command. Nothing of it changes any more.
pub fn after(shell: &Shell, outcome: &Outcome, prepared: &Prepared, caller: &Caller) {
    let asked = command(shell, caller);
    let about = told(&asked, prepared, caller);
    if about.is_empty() {
        return;
    }
    let (status, signal) = outcome.ending.parts();
    let response = json!({
        "exitCode": status,
        "signal": signal,
        "interrupted": signal.is_some(),
        "violations": stop::refused(outcome, prepared, &text_of(shell)),
    });
    let command = String::from_utf8_lossy(&asked);
    let answers = run(Event::After, &about, &command, Some(&response), prepared, caller);
    for (rule, answer) in about.iter().zip(answers) {
        let said = match answer {
            Ok(answer) => {
                let refused = (answer.word == Some(Word::Refuse)).then_some(answer.reason);
                answer.says.into_iter().chain(refused).map(|text| format!("says: {text}")).collect()
            }
            Err(how) => vec![how],
        };
        for text in said {
            report::notice(&visible(format!("the {} {text}", named(rule)).as_bytes()));
        }
    }
}

fn run(
    event: Event,
    rules: &[&HookRule],
    command: &str,
    response: Option<&serde_json::Value>,
    prepared: &Prepared,
    caller: &Caller,
) -> Vec<Result<hooks::Answer, String>> {
    let session = caller.variable("CLAUDE_CODE_SESSION_ID").or_else(|| caller.variable(SESSION));
    let session = session.map(OsStr::to_string_lossy).unwrap_or_default();
    let cwd = caller.directory.as_deref().unwrap_or(Path::new("/"));
    let account = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir);
    let places = Places {
        files: &prepared.policy.files,
        sometimes: match &prepared.policy.working_root {
            WorkingRoot::None { candidate, .. } => {
                prepared.layers.project.as_deref().filter(|p| p == candidate)
            }
            WorkingRoot::At { .. } => None,
        },
        environment: &caller.environment,
        cwd,
        project: prepared.layers.project.as_deref().unwrap_or(cwd),
        home: caller.home.as_deref(),
        account_home: account.as_deref(),
    };
    process::run(rules, &Told { session: &session, cwd, command, response }.json(event), &places)
}
