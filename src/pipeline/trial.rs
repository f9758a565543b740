//! `sbshctl try`: a command's way through the stages with its changes in layers, and making them true afterwards.
//!
//! Owns what is different in a trial: our own builder always, no grant and nobody who could give one, nothing that runs
//! outside, no Unix socket of the host's, no sweep of what was not changed. Must never run a command for real.

use super::backend::Early;
use super::confine::{self, Planned};
use super::covers::Covers;
use super::decide::Place;
use super::journal::Journal;
use super::prepare::{self, Prepared};
use super::{Begun, Stop, begin_command, decide, stop};
use crate::caller::Caller;
use crate::cli::Invocation;
use crate::confinement::facts::{self, Facts};
use crate::confinement::{Mechanism, plan};
use crate::exit;
use crate::gatekeeper::Rules;
use crate::policy::{Access, PathPattern, PathRule};
use crate::report;
use crate::run::sweep::{self, Watch};
use crate::run::trial::{self, Change, Kept, Trial, keep};
use crate::run::{Ending, RunError, inherited};
use crate::settings::Origin;
use crate::system::signals;
use crate::system::visible::visible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Runs a command; how it ended, its trial, and what it changed as far as that can be told.
///
/// # Errors
/// [`Stop`]: nothing was run.
pub fn run(text: &OsStr, caller: &Caller) -> Result<(Ending, Trial, io::Result<Vec<Change>>), Stop> {
    let arguments = [OsString::from("sbsh"), "-c".into(), text.to_owned()];
    let Ok(Invocation::Shell(shell)) = Invocation::from_argv(arguments.into()) else {
        return Err(Stop::Failed("a command is a text".into(), exit::USAGE));
    };
    let mut journal = Journal::begin(&shell, caller);
    let closed = inherited::occupy_closed();
    let mut once = || {
        let Begun { mut prepared, heard, .. } = begin_command(shell.clone(), caller, &mut journal, narrow)?;
        let covers = Covers::default();
        match heard.decide(&mut prepared, &covers, caller, &journal)?.place {
            Place::Inside => {}
            Place::Outside(_) | Place::Unconfined => {
                let why = "it would run outside of the sandbox, where nothing can be tried; nothing was run";
                return Err(Stop::Failed(why.into(), exit::REFUSED));
            }
        }
        let shell = heard.shell;
        let (mut trial, planned) = begin(text, &prepared)?;
        journal.start()?;
        let early = Early::later(closed.clone());
        match confine::run(&shell, planned, &prepared, caller, early, &journal, None) {
            Err(why) => {
                let _ = trial.remove();
                Err(unable(why))
            }
            Ok(outcome) => {
                signals::restore(outcome.signals);
                journal.tell(journal.failed().or(outcome.unlogged));
                let refused = stop::refused(&outcome, &prepared, &decide::text_of(&shell));
                stop::report_outcome(&outcome, &refused, None);
                let changes = trial.changes();
                let known = changes.as_deref().unwrap_or_default();
                trial.end(outcome.ending, known).map_err(failed("write down how it ended"))?;
                Ok((outcome.ending, trial, changes))
            }
        }
    };
    let done = once();
    if let Err(stop) = &done {
        journal.refused(stop);
    }
    done
}

/// Takes from a policy what would reach past the layers.
fn narrow(prepared: &mut Prepared) -> Result<(), Stop> {
    let policy = &mut prepared.policy;
    if !policy.enabled.value {
        return Err(Stop::Failed(
            format!(
                "sandbox.enabled is false ({}): nothing can be tried; nothing was run",
                policy.enabled.origin
            ),
            exit::REFUSED,
        ));
    }
    policy.commands.excluded.clear();
    policy.way_out.value = false;
    policy.network.unix_sockets.clear();
    policy.network.all_unix_sockets = None;
    policy.files.read_asked.clear();
    policy.weaker_nested.value = false;
    Ok(())
}

/// What may be written, in layers.
fn begin(text: &OsStr, prepared: &Prepared) -> Result<(Trial, Planned), Stop> {
    // Before it is looked what there is to be hidden: the layers lie there. Whether they may is known later.
    let _ = trial::place(prepared.locations.state_dir.as_deref(), &[]);
    let mut files = prepared.policy.files.clone();
    let home = prepared.locations.home.as_deref();
    let mut facts = facts::read(&files, std::slice::from_ref(&prepared.places.tmpdir), home)
        .map_err(|error| Stop::Failed(error.to_string(), exit::REFUSED))?;
    // A layer lies over a directory. What does not exist yet is made by the gatekeeper, on the host.
    facts.places.writable.retain(|place| place.directory);
    files.writable = facts.places.writable.iter().map(|place| literal(&place.path)).collect();
    let plan = plan::plan(&facts.places);
    if plan.root_access == Access::Write {
        let why = "the settings make '/' writable, and no overlay covers that; nothing was run";
        return Err(Stop::Failed(why.into(), exit::REFUSED));
    }
    let tops = tops(&facts, &prepared.places.tmpdir);
    if tops.is_empty() {
        let why = "nothing may be written here, so nothing can be tried; nothing was run";
        return Err(Stop::Failed(why.into(), exit::REFUSED));
    }
    let writable: Vec<PathBuf> = tops.iter().map(|(path, _)| path.clone()).collect();
    let place = place(prepared, &writable)?;
    let command = String::from_utf8_lossy(text.as_bytes());
    let trial = Trial::begin(&place, &command, &prepared.locations.cwd, &tops);
    let trial = trial.map_err(failed("keep its changes"))?;
    let planned = Planned {
        plan,
        facts,
        mechanism: Mechanism::Namespaces,
        made: Vec::new(),
        files,
        covers: Covers::default(),
        weaker: false,
        layers: trial.layers(),
    };
    Ok((trial, planned))
}

fn literal(path: &Path) -> PathRule {
    PathRule { pattern: PathPattern::Literal(path.into()), origin: Origin::BuiltIn("what is tried") }
}

/// The writable directories that no other one holds, and whether they are for temporary files.
fn tops(facts: &Facts, tmpdir: &Path) -> Vec<(PathBuf, bool)> {
    let writable = || facts.places.writable.iter().map(|place| place.path.as_path());
    let own = |path: &&Path| !path.starts_with("/proc") && !path.starts_with("/dev");
    let outermost = |path: &&Path| !writable().any(|other| other != *path && path.starts_with(other));
    let mut tops: Vec<&Path> = writable().filter(own).filter(outermost).collect();
    tops.sort_unstable();
    tops.dedup();
    tops.sort_by_key(|path| *path == tmpdir);
    tops.into_iter().map(|path| (path.to_path_buf(), path == tmpdir)).collect()
}

fn place(prepared: &Prepared, writable: &[PathBuf]) -> Result<PathBuf, Stop> {
    trial::place(prepared.locations.state_dir.as_deref(), writable)
        .map_err(|why| Stop::Failed(format!("{why}; nothing was run"), exit::REFUSED))
}

fn failed<E: std::fmt::Display>(wanted: &str) -> impl FnOnce(E) -> Stop + use<'_, E> {
    move |error| Stop::Failed(format!("cannot {wanted}: {error}"), exit::REFUSED)
}

/// Where the boundary could not be built: in nearly all cases, because an overlay is not to be had.
fn unable(stop: Stop) -> Stop {
    match stop {
        Stop::Run(RunError::Boundary { cause, .. }) => Stop::Failed(
            format!(
                "{}; nothing was run: a try needs user namespaces, overlayfs for ordinary users (Linux 5.11) and a home \
                 directory that is no overlay itself, and nothing may be mounted in what is tried; run it in a copy instead",
                cause.trim_end()
            ),
            exit::REFUSED,
        ),
        other => other,
    }
}

/// Where trials lie, for what asks about them.
pub fn places(caller: &Caller) -> Vec<PathBuf> {
    trial::places(caller.locations().state_dir.as_deref())
}

/// Makes changes true, by the settings that apply now where the command ran. What the sweep takes away again is said.
///
/// # Errors
/// Broken settings; a directory that is gone.
pub fn make_true(trial: &Trial, changes: &[&Change], caller: &Caller) -> Result<Kept, Stop> {
    let mut caller = caller.clone();
    let directory = PathBuf::from(&trial.record.directory);
    std::env::set_current_dir(&directory).map_err(failed("go to where it ran"))?;
    caller.set("PWD", directory.clone().into());
    caller.directory = Some(directory);
    let prepared = prepare::policy(&caller)?;
    let files = &prepared.policy.files;
    let home = prepared.locations.home.as_deref();
    let facts = facts::read(files, std::slice::from_ref(&prepared.places.tmpdir), home)
        .map_err(|error| Stop::Failed(error.to_string(), exit::REFUSED))?;
    let guards = plan::plan(&facts.places).guards;
    let rules = Rules::new(&facts.places, &guards, files, &prepared.policy.network, Vec::new());
    let rules = rules.knowing(facts.repositories.iter().cloned());
    let kept = keep(trial, changes, &rules);
    let watch = Watch {
        guards,
        roots: facts.roots,
        repositories: facts.repositories,
        born: kept.born.clone(),
        state: prepared.locations.state_dir.clone(),
        begun: UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_secs(),
        quarantine: confine::quarantine(&prepared),
        ..Watch::default()
    };
    sweep::sweep(&watch).iter().for_each(|swept| {
        report::notice(&format!(
            "'{}' was taken away: {}",
            visible(swept.path.as_os_str().as_bytes()),
            swept.why
        ));
    });
    Ok(kept)
}
