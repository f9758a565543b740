//! `sbshctl try`: runs a command whose changes are kept apart, shows them, and keeps or drops them.
//!
//! Owns the words and the question. What is shown was written by code that may be hostile, so every name and line is escaped.

mod diff;

use super::{age, log_alone, only_outside, print};
use crate::audit::Event;
use crate::audit::redact::redact;
use crate::caller::Caller;
use crate::cli::{Afterwards, Try};
use crate::pipeline::{Stop, trial as spine};
use crate::policy::paths::normal;
use crate::run::front;
use crate::run::trial::{self, Change, Trial, What};
use crate::system::terminal::{ControllingTerminal, Input};
use crate::system::visible::visible;
use crate::{exit, report};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Changes that are listed one by one on a person's way to the question.
const SHOWN: usize = 200;

/// Ends whatever sequence the command has left open on the terminal, which would swallow the list; plain letters.
const CLEAN: &str = "\x18\x1b\\\x1b[0m\x1b(B\x0f\r";

/// Does what is wanted; the status is the command's where one ran.
///
/// # Errors
/// From inside the sandbox; where nothing can be tried; a trial that is not there.
pub fn run(wanted: Try, caller: &Caller) -> Result<i32, Stop> {
    only_outside("try")?;
    match wanted {
        Try::Run { text, then, diff } => {
            let (ending, trial, changes) = spine::run(&text, caller)?;
            let done = match changes {
                Ok(changes) => afterwards(trial, &changes, then, diff, caller),
                Err(_) if then == Afterwards::Drop => removed(trial),
                Err(error) => Err(untold(&trial, &error)),
            };
            // The status is the command's all the same.
            if let Err(stop) = done {
                stop.report();
            }
            Ok(front::end(ending))
        }
        Try::List => list(caller),
        Try::Show { name, diff } => {
            let trial = take(&name, caller)?;
            let changes = changes(&trial)?;
            let mut text = listing(&trial, &changes, usize::MAX);
            if diff {
                text.push_str(&diff::of(&trial, &changes));
            }
            print(&text)
        }
        Try::Keep { name, paths } => {
            let trial = take(&name, caller)?;
            if trial.record.ended.is_none() {
                return Err(failed(format!(
                    "the command of {name} did not come to its end; it can only be dropped"
                )));
            }
            let changes = changes(&trial)?;
            let paths: Vec<PathBuf> = paths.iter().map(|path| absolute(path, caller)).collect();
            let is_meant = |change: &&Change| {
                let path = change.path(&trial);
                paths.is_empty()
                    || paths.iter().any(|meant| path.starts_with(meant) || is_way(change, &path, meant))
            };
            let meant: Vec<&Change> = changes.iter().filter(is_meant).collect();
            if let Some(none) =
                paths.iter().find(|path| !meant.iter().any(|change| change.path(&trial).starts_with(path)))
            {
                return Err(failed(format!("{name} changed nothing at '{}'", shown(none))));
            }
            let whole = made_true(&trial, &meant, caller)?;
            if whole && meant.len() == changes.len() {
                removed(trial)?;
            }
            Ok(i32::from(!whole))
        }
        Try::Drop { name } => {
            dropped(take(&name, caller)?, caller)?;
            report::notice(&format!("{name} was dropped"));
            Ok(0)
        }
    }
}

fn failed(text: String) -> Stop {
    Stop::Failed(text, exit::REFUSED)
}

fn shown(path: &Path) -> String {
    visible(path.as_os_str().as_bytes())
}

fn take(name: &str, caller: &Caller) -> Result<Trial, Stop> {
    let places = spine::places(caller);
    let place = places.iter().find(|place| trial::names(place).iter().any(|there| there == name));
    let taken =
        place.map_or_else(|| Err(std::io::ErrorKind::NotFound.into()), |place| Trial::take(place, name));
    taken.map_err(|error| {
        failed(format!("cannot take {name}: {error}; 'sbshctl try --list' shows what there is"))
    })
}

fn removed(trial: Trial) -> Result<(), Stop> {
    let name = trial.name.clone();
    trial.remove().map_err(|error| failed(format!("cannot take all of {name} away: {error}")))
}

/// What was not kept is gone.
fn dropped(trial: Trial, caller: &Caller) -> Result<(), Stop> {
    tell(&trial, json!({ "what": "dropped" }), caller);
    removed(trial)
}

/// Puts what becomes of a trial into the log.
fn tell(trial: &Trial, mut fields: Value, caller: &Caller) {
    if let Some(all) = fields.as_object_mut() {
        all.insert("trial".into(), json!(trial.name));
        all.insert("command".into(), json!(redact(&trial.record.command)));
    }
    log_alone(caller, Event::Trial, fields);
}

fn changes(trial: &Trial) -> Result<Vec<Change>, Stop> {
    trial.changes().map_err(|error| untold(trial, &error))
}

fn untold(trial: &Trial, error: &std::io::Error) -> Stop {
    let name = &trial.name;
    failed(format!("cannot tell what {name} changed: {error}; 'sbshctl try --drop {name}' takes it away"))
}

/// A path as a person meant it, without a look at links: changes are named as the command made them.
fn absolute(path: &Path, caller: &Caller) -> PathBuf {
    normal(&caller.directory.clone().unwrap_or_default().join(path))
}

/// Whether a change makes a directory on the way to what is meant.
fn is_way(change: &Change, path: &Path, meant: &Path) -> bool {
    use trial::changes::Kind::Directory;
    matches!(change.what, What::Created(Directory) | What::Replaced(_, Directory)) && meant.starts_with(path)
}

fn list(caller: &Caller) -> Result<i32, Stop> {
    let mut text = String::new();
    let places = spine::places(caller).into_iter();
    let all =
        places.flat_map(|place| trial::names(&place).into_iter().map(move |name| (place.clone(), name)));
    for (place, name) in all {
        let line = match trial::record(&place, &name) {
            Ok(record) => {
                let end = match record.ended {
                    Some((Some(status), _)) => format!("status {status}"),
                    Some((_, signal)) => format!("ended by signal {}", signal.unwrap_or_default()),
                    None => "runs, or was killed".to_owned(),
                };
                let command: String = record.command.chars().take(100).collect();
                format!("{name}  {}  {end}  {}", age(record.begun as f64), visible(command.as_bytes()))
            }
            Err(error) => format!("{name}  cannot be read: {error}"),
        };
        let _ = writeln!(text, "{line}");
    }
    print(&text)
}

/// What was changed, a line each.
fn listing(trial: &Trial, changes: &[Change], most: usize) -> String {
    let mut text = String::new();
    for change in changes.iter().take(most) {
        let path = shown(&change.path(trial));
        let _ = match &change.what {
            What::Created(kind) => writeln!(text, "  created  {path} ({})", kind.name()),
            What::Changed(kind) => writeln!(text, "  changed  {path} ({})", kind.name()),
            What::Replaced(from, to) => {
                writeln!(text, "  replaced {path} ({} by {})", from.name(), to.name())
            }
            What::Deleted(kind) => writeln!(text, "  deleted  {path} ({})", kind.name()),
            What::Mode(from, to) => writeln!(text, "  mode     {path} ({from:o} to {to:o})"),
            What::Touched => writeln!(text, "  touched  {path}"),
            What::Unknown(why) => writeln!(text, "  unknown  {path} ({why})"),
        };
    }
    if changes.len() > most {
        let _ = writeln!(text, "  and {} more: 'sbshctl try --show {}'", changes.len() - most, trial.name);
    }
    text
}

/// After the command: what it changed, and what becomes of that.
fn afterwards(
    trial: Trial,
    changes: &[Change],
    then: Afterwards,
    diff: bool,
    caller: &Caller,
) -> Result<(), Stop> {
    if changes.is_empty() {
        report::notice("the command changed nothing");
        return removed(trial);
    }
    let dumb = caller.variable("TERM").is_none_or(|term| term == "dumb");
    if std::io::stderr().is_terminal() && !dumb {
        report::lines(CLEAN);
    }
    report::notice(&format!(
        "the command changed {}, so far only for itself",
        counted(changes.len(), "thing")
    ));
    let mut text = listing(&trial, changes, SHOWN);
    if diff {
        text.push_str(&diff::of(&trial, changes));
    }
    report::lines(&text);
    match then {
        Afterwards::Drop => {
            report::notice("all of it was dropped");
            dropped(trial, caller)
        }
        Afterwards::Keep => kept(trial, changes, caller),
        Afterwards::Ask => asked(trial, changes, caller),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn kept(trial: Trial, changes: &[Change], caller: &Caller) -> Result<(), Stop> {
    let all: Vec<&Change> = changes.iter().collect();
    if made_true(&trial, &all, caller)? { removed(trial) } else { lies(&trial) }
}

/// Whether all of them are true now; what is not is said.
fn made_true(trial: &Trial, changes: &[&Change], caller: &Caller) -> Result<bool, Stop> {
    let kept = spine::make_true(trial, changes, caller)?;
    let left = kept.left.len();
    let paths = changes.iter().map(|change| change.path(trial));
    let done = paths.filter(|path| !kept.left.iter().any(|(other, _)| other == path));
    let done: Vec<String> = done.take(SHOWN).map(|path| path.to_string_lossy().into_owned()).collect();
    tell(trial, json!({ "what": "kept", "kept": kept.done, "left": left, "paths": done }), caller);
    report::notice(&match left {
        0 => format!("{} kept", counted(kept.done, "change")),
        _ => format!("{} kept, {left} not", counted(kept.done, "change")),
    });
    let lines = kept.left.iter().take(SHOWN);
    let lines = lines.map(|(path, why)| format!("  not kept {}: {}\n", shown(path), visible(why.as_bytes())));
    report::lines(&lines.collect::<String>());
    Ok(kept.left.is_empty())
}

fn lies(trial: &Trial) -> Result<(), Stop> {
    let name = &trial.name;
    report::notice(&format!(
        "the changes lie in {name}: 'sbshctl try --keep {name} [PATH...]' keeps them, '--drop {name}' drops them, '--show {name} --diff' shows them"
    ));
    Ok(())
}

/// One key from the person at the terminal; without one, the changes lie where they are.
fn asked(trial: Trial, changes: &[Change], caller: &Caller) -> Result<(), Stop> {
    let seen = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let Some(terminal) = ControllingTerminal::in_foreground().filter(|_| seen) else { return lies(&trial) };
    match key(&terminal, "[k]eep all, [d]rop all, [p]ick, or leave it for [l]ater? ", "kdpl") {
        Some('k') => kept(trial, changes, caller),
        Some('d') => {
            report::notice("all of it was dropped");
            dropped(trial, caller)
        }
        Some('p') => {
            let mut picked = Vec::new();
            for change in changes {
                let line = listing(&trial, std::slice::from_ref(change), 1);
                match key(&terminal, &format!("{} [y]es, [n]o, [q]uit? ", line.trim_end()), "ynq") {
                    Some('y') => picked.push(change),
                    Some('n') => {}
                    _ => return lies(&trial),
                }
            }
            let whole = made_true(&trial, &picked, caller)?;
            if whole && picked.len() == changes.len() { removed(trial) } else { lies(&trial) }
        }
        _ => lies(&trial),
    }
}

/// The key that a person presses, of these; `None` for the end of input or a signal.
fn key(terminal: &ControllingTerminal, question: &str, keys: &str) -> Option<char> {
    let taken = terminal.take().ok()?;
    taken.asks(question).ok()?;
    while let Input::Bytes(bytes) = taken.input() {
        let pressed = bytes.first().map(|byte| char::from(*byte).to_ascii_lowercase());
        if let Some(pressed) = pressed.filter(|pressed| keys.contains(*pressed)) {
            let _ = taken.show(&format!("{pressed}\n"));
            return Some(pressed);
        }
        // Ctrl-C, Ctrl-D, Escape.
        if matches!(pressed, Some('\u{3}' | '\u{4}' | '\u{1b}')) {
            break;
        }
    }
    let _ = taken.show("\n");
    None
}
