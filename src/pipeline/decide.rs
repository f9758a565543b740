//! Verdict, and approval where the verdict asks: where does the command run, if at all.

use super::covers::{self, Covers};
use super::journal::Journal;
use super::outside::{self, Program};
use super::prepare::Prepared;
use super::shells::Shell;
use super::{Stop, remember, stop};
use crate::approval::{self, Answer, Choice, Kind, Question};
use crate::caller::Caller;
use crate::cli::{CommandInput, InnerShell};
use crate::command::editors::EDITOR;
use crate::policy::{Mode, Policy};
use crate::report::Way;
use crate::verdict::{self, CommandText, DirectCommand, Reason, Verdict, WAY_OUT};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a command runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// In the sandbox.
    Inside,
    /// Exactly this program, outside.
    Outside(Program),
    /// The shell, without a sandbox: `enabled` is false.
    Unconfined,
}

/// The decision.
#[derive(Debug)]
pub struct Decision {
    /// Where it runs.
    pub place: Place,
    /// Files that an agent's wrapping writes.
    pub grants: Vec<PathBuf>,
    /// Worth saying if the command fails.
    pub note: Option<String>,
}

/// Judges the command and asks where that is needed, or where a hook wants it.
///
/// # Errors
/// [`Stop::Refused`].
pub fn decide(
    shell: &Shell,
    prepared: &Prepared,
    covers: &Covers,
    caller: &Caller,
    journal: &Journal,
    hook: Option<Reason>,
) -> Result<Decision, Stop> {
    let bytes = text_of(shell);
    let text = CommandText::new(&bytes, caller.home.as_deref()).with_brokered(covers.names());
    let unknown = unknown(shell, prepared);
    // No allow rule is looked at for a text that the options do not tell, so none may be offered.
    let rule_helps = unknown.is_none();
    let mut verdict = unknown.unwrap_or_else(|| judge(shell, prepared, &text));
    if let Some(reason) = hook {
        verdict = asked_about(verdict, reason);
    }
    journal.judged(&verdict);
    let inside = if prepared.policy.enabled.value { Place::Inside } else { Place::Unconfined };
    let asked = text.asked().into_owned();
    // A text that looks like an editor's is the editor's only where an editor started us.
    let its_own = text.agent() != Some(EDITOR) || caller.is_an_editors();
    let grants = if its_own { text.grants() } else { &[] };
    let decided = |place, note| Ok(Decision { place, grants: grants.to_vec(), note });
    match verdict {
        Verdict::Confined { note, .. } => decided(inside, note),
        Verdict::Outside { command, .. } => {
            decided(Place::Outside(outside::find(&command, prepared, caller)?), None)
        }
        Verdict::Denied(reason) => Err(refused(asked, &reason, vec![Way::ChangeRule])),
        Verdict::Ask { reason, outside } => {
            let program = outside.map(|c| outside::find(&c, prepared, caller)).transpose()?;
            let rules =
                remember::rules(&asked, &reason, program.as_ref(), &prepared.policy).filter(|_| rule_helps);
            ask(&asked, &reason, program.as_ref(), rules, prepared, caller, journal)?;
            decided(program.map_or(inside, Place::Outside), None)
        }
    }
}

/// Judges a line that is on its way to the shell inside, and asks where that is needed. What is for outside is judged, and
/// asked about, when it is started there: with the words that it really gets. Only where no shim stands for it inside it
/// is decided on here: the program, if it is to run outside directly.
///
/// # Errors
/// [`Stop::Refused`].
pub fn line(
    shell: &Shell,
    prepared: &Prepared,
    covers: &Covers,
    caller: &Caller,
    journal: &Journal,
    hook: Option<Reason>,
) -> Result<Option<Program>, Stop> {
    let bytes = text_of(shell);
    let text = CommandText::new(&bytes, caller.home.as_deref()).with_brokered(covers.names());
    let mut verdict = judge(shell, prepared, &text);
    if let Some(reason) = hook {
        verdict = asked_about(verdict, reason);
    }
    journal.judged(&verdict);
    let asked = text.asked().into_owned();
    let has_shim = |command: &DirectCommand| {
        let name = command.argv.first().map_or("", String::as_str);
        if name == WAY_OUT {
            covers::has_way_out(prepared, caller)
        } else {
            covers.files.iter().any(|cover| cover.called(Path::new(name)).is_some())
        }
    };
    match verdict {
        Verdict::Confined { .. } => Ok(None),
        Verdict::Outside { command, .. } if has_shim(&command) => Ok(None),
        Verdict::Ask { outside: Some(command), .. } if has_shim(&command) => Ok(None),
        Verdict::Outside { command, .. } => outside::find(&command, prepared, caller).map(Some),
        Verdict::Denied(reason) => Err(refused(asked, &reason, vec![Way::ChangeRule])),
        Verdict::Ask { reason, outside } => {
            let program = outside.map(|command| outside::find(&command, prepared, caller)).transpose()?;
            let rules = remember::rules(&asked, &reason, program.as_ref(), &prepared.policy);
            ask(&asked, &reason, program.as_ref(), rules, prepared, caller, journal)?;
            Ok(program)
        }
    }
}

/// The verdict on what the shell would run.
pub fn verdict(shell: &Shell, prepared: &Prepared, text: &CommandText<'_>) -> Verdict {
    unknown(shell, prepared).unwrap_or_else(|| judge(shell, prepared, text))
}

fn unknown(shell: &Shell, prepared: &Prepared) -> Option<Verdict> {
    match &shell.invocation.input {
        CommandInput::Unknown { texts } => judge_unknown(texts, &prepared.policy),
        _ => None,
    }
}

/// The verdict where a hook asks: a question at least.
fn asked_about(verdict: Verdict, hook: Reason) -> Verdict {
    match verdict {
        Verdict::Denied(reason) => Verdict::Denied(reason),
        Verdict::Confined { .. } => Verdict::Ask { reason: hook, outside: None },
        Verdict::Outside { command, .. } => Verdict::Ask { reason: hook, outside: Some(command) },
        Verdict::Ask { reason, outside } => {
            let text = format!("{}; {}", hook.text, reason.text);
            Verdict::Ask { reason: Reason { text, ..hook }, outside }
        }
    }
}

/// What is judged: the command text, or the line that would start the script.
pub fn text_of(shell: &Shell) -> Vec<u8> {
    match &shell.invocation.input {
        CommandInput::Text { text, .. } => text.as_bytes().to_vec(),
        _ => {
            let words = std::iter::once(shell.path.as_os_str().as_bytes())
                .chain(shell.invocation.arguments.iter().map(|a| a.as_bytes()));
            let quoted =
                words.map(|w| shlex::bytes::try_quote(w).map_or_else(|_| w.to_vec(), |q| q.into_owned()));
            quoted.collect::<Vec<_>>().join(&b' ')
        }
    }
}

/// A text is judged by its commands. A script, stdin or a terminal is judged as what it is, a shell that runs
/// confined: its lines are not known here, as with `bash script` in a text.
fn judge(shell: &Shell, prepared: &Prepared, text: &CommandText<'_>) -> Verdict {
    let policy = &prepared.policy;
    let is_text = matches!(shell.invocation.input, CommandInput::Text { .. });
    let denied_at_all = policy.commands.deny.iter().any(|r| r.is_all());
    if !is_text && policy.mode.value == Mode::AutoAllow && policy.enabled.value && !denied_at_all {
        let reason =
            Reason { text: "runs confined".into(), rule: None, origin: Some(policy.mode.origin.clone()) };
        return Verdict::Confined { reason, note: None };
    }
    let CommandInput::Text { interactive, .. } = &shell.invocation.input else {
        return verdict::judge(policy, text);
    };
    let asked = text.asked();
    match shell.invocation.inner {
        InnerShell::Fish if asked.windows(2).any(|here| here == b"\\'") => {
            verdict::judge_unread(policy, "fish takes a quote behind a backslash for a quoted one")
        }
        // As long as it is interactive, zsh has no comments.
        InnerShell::Zsh if *interactive && asked.contains(&b'#') => {
            let shown: Vec<u8> = asked.iter().map(|byte| if *byte == b'#' { b'_' } else { *byte }).collect();
            match verdict::judge(policy, &CommandText::new(&shown, None)) {
                stricter @ (Verdict::Denied(_) | Verdict::Ask { outside: None, .. }) => stricter,
                _ => verdict::judge(policy, text),
            }
        }
        _ => verdict::judge(policy, text),
    }
}

/// The options of the shell do not say which text it executes: each text is judged by itself (joined, a quote left
/// open in one would hide another), and any rule that asks or denies could be about what is not seen.
fn judge_unknown(texts: &[OsString], policy: &Policy) -> Option<Verdict> {
    let denied = texts.iter().find_map(|text| {
        match verdict::judge(policy, &CommandText::new(text.as_bytes(), None)) {
            Verdict::Denied(reason) => Some(Verdict::Denied(reason)),
            Verdict::Confined { .. } | Verdict::Outside { .. } | Verdict::Ask { .. } => None,
        }
    });
    let rules = !policy.commands.deny.is_empty() || !policy.commands.ask.is_empty();
    denied.or_else(|| {
        rules.then(|| Verdict::Ask {
            reason: Reason {
                text: "the shell's options do not tell which text it executes, and there are rules that ask or deny".into(),
                rule: None,
                origin: None,
            },
            outside: None,
        })
    })
}

fn ask(
    command: &[u8],
    reason: &Reason,
    program: Option<&Program>,
    rules: Option<Vec<String>>,
    prepared: &Prepared,
    caller: &Caller,
    journal: &Journal,
) -> Result<(), Stop> {
    let mut choices = vec![Choice::Once, Choice::Session];
    if rules.is_some() {
        choices.push(Choice::Always);
    }
    let why = match program {
        Some(program) => format!("{}; the program is {}", reason.text, program.path.display()),
        None => reason.text.clone(),
    };
    let kind = if program.is_some() { Kind::Outside } else { Kind::Command };
    let question = Question {
        rule: reason.rule.clone(),
        origin: reason.origin.as_ref().map(ToString::to_string),
        argv: program.map(|p| p.argv.clone()),
        ..Question::new(kind, command.to_vec(), &prepared.locations.cwd, why, choices)
    };
    let askpass = caller.variable("SBSH_ASKPASS").map(PathBuf::from);
    let colours = approval::colours(caller.variable("NO_COLOR"), caller.variable("TERM"));
    let writable = outside::writable_roots(prepared);
    // "Always" is offered only where there are rules to write, "always for the user" nowhere.
    let mut speaker = approval::speaker(askpass, &writable, colours);
    let answer = question.if_offered(speaker.ask(&question));
    journal.answered(question.kind, speaker.who(), &answer);
    let unanswered = answer.is_nobodys();
    match answer {
        Answer::Once => Ok(()),
        Answer::Session => {
            remember::write_for_session(rules.as_deref().unwrap_or_default(), prepared);
            Ok(())
        }
        Answer::Always | Answer::AlwaysUser => match rules {
            Some(rules) => remember::write(&rules, prepared),
            None => Ok(()),
        },
        // Not offered, so not given.
        Answer::Grant | Answer::Outside | Answer::Each => Err(refused(command.to_vec(), reason, Vec::new())),
        Answer::No { by } | Answer::Never { by } => {
            let mut reason = reason.clone();
            reason.text = format!("{}; {by}", reason.text);
            // Whoever was asked and said no needs no advice how to be asked.
            let mut ways = if unanswered { vec![Way::Answer] } else { Vec::new() };
            ways.extend(rules.iter().flatten().map(|rule| Way::Setting {
                key: "permissions.allow".into(),
                entry: rule.clone(),
                file: remember::target(prepared).map_or_else(String::new, |t| t.display().to_string()),
            }));
            Err(refused(command.to_vec(), &reason, ways))
        }
    }
}

fn refused(command: Vec<u8>, reason: &Reason, ways: Vec<Way>) -> Stop {
    Stop::Refused(stop::refusal(command, reason, ways))
}

/// For `explain`: the verdict alone.
pub fn verdict_on<'t>(
    text: &'t [u8],
    prepared: &Prepared,
    covers: &Covers,
    caller: &Caller,
) -> (Verdict, CommandText<'t>) {
    let text = CommandText::new(text, caller.home.as_deref()).with_brokered(covers.names());
    (verdict::judge(&prepared.policy, &text), text)
}
