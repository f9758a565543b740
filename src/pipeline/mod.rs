//! The spine: one command's way through the stages, in their order. Decides nothing itself.

#[cfg(target_os = "linux")]
pub mod account;
#[cfg(target_os = "linux")]
pub mod again;
#[cfg(target_os = "linux")]
pub mod backend;
#[cfg(target_os = "linux")]
mod beyond;
#[cfg(target_os = "linux")]
pub mod carried;
#[cfg(target_os = "linux")]
pub mod confine;
#[cfg(target_os = "linux")]
mod connections;
#[cfg(target_os = "linux")]
pub mod covers;
#[cfg(target_os = "linux")]
pub mod decide;
#[cfg(target_os = "linux")]
pub mod desk;
#[cfg(target_os = "linux")]
pub mod entries;
#[cfg(target_os = "linux")]
mod environment;
#[cfg(target_os = "linux")]
pub mod excluded;
#[cfg(target_os = "linux")]
mod footing;
#[cfg(target_os = "linux")]
pub mod hooked;
#[cfg(target_os = "linux")]
pub mod instead;
#[cfg(target_os = "linux")]
pub mod journal;
#[cfg(target_os = "linux")]
pub mod outside;
pub mod prepare;
#[cfg(target_os = "linux")]
pub mod remember;
#[cfg(target_os = "linux")]
pub mod rescue;
#[cfg(any(target_os = "macos", test))]
#[cfg_attr(not(target_os = "macos"), allow(dead_code))]
mod seatbelt;
#[cfg(target_os = "linux")]
pub mod sense;
#[cfg(target_os = "linux")]
pub mod session;
#[cfg(target_os = "linux")]
pub mod shells;
#[cfg(target_os = "linux")]
pub mod speaker;
mod stop;
#[cfg(target_os = "linux")]
pub mod trial;
pub mod trusting;
#[cfg(target_os = "linux")]
mod watched;

pub use stop::{Stop, words as stop_words};

use crate::caller::Caller;
use crate::cli::ShellInvocation;
#[cfg(target_os = "linux")]
use crate::policy::WorkingRoot;
#[cfg(not(target_os = "macos"))]
use crate::report;
#[cfg(target_os = "linux")]
use crate::{run, system::signals};
#[cfg(target_os = "linux")]
use again::Again;
#[cfg(target_os = "linux")]
use std::path::PathBuf;

/// A command, a script, stdin or a terminal: gives the exit status, or ends this process, as the command ended.
///
/// # Errors
/// [`Stop`]: nothing was run.
#[cfg(target_os = "linux")]
pub fn run(shell: ShellInvocation, caller: &Caller, guide: session::Guide<'_>) -> Result<i32, Stop> {
    if crate::system::inside::already() {
        return shells::nested(&shell, caller);
    }
    loop {
        let done = once(shell.clone(), caller, guide);
        let Err(stop) = done else { return done };
        if !session::may_be(&shell) || !rescue::can_help(&stop) {
            return Err(stop);
        }
        let status = stop.report();
        match rescue::offer(&stop, caller) {
            rescue::Wish::Again => {}
            rescue::Wish::Leave => return Ok(status),
            rescue::Wish::Outside => return shells::nested(&shell, caller),
        }
    }
}

#[cfg(target_os = "linux")]
fn once(shell: ShellInvocation, caller: &Caller, guide: session::Guide<'_>) -> Result<i32, Stop> {
    // Before anything is started that could inherit it.
    let mut programs = account::Account::open(shell.report, caller);
    let ahead = Ahead::start(&shell, caller);
    let mut journal = journal::Journal::begin(&shell, caller);
    let done = confined_or_not(shell, caller, &mut programs, &mut journal, guide, ahead);
    if let Err(stop) = &done {
        programs.stopped(stop);
        journal.refused(stop);
    }
    done
}

/// What works beside all that is read and decided.
#[cfg(target_os = "linux")]
struct Ahead {
    /// The standard descriptors that the caller had closed.
    closed: Vec<i32>,
    early: Option<backend::Early>,
    network: Option<run::errand::Errand>,
}

#[cfg(target_os = "linux")]
impl Ahead {
    fn start(shell: &ShellInvocation, caller: &Caller) -> Ahead {
        let closed = run::inherited::occupy_closed();
        // A session starts it on a terminal of its own, and so far has only the network made.
        if session::may_be(shell) {
            return Ahead { closed, early: None, network: backend::Early::network(caller) };
        }
        let early = Some(backend::Early::start(closed.clone(), None, caller));
        Ahead { closed, early, network: None }
    }
}

/// Tells the policy's notices. That nothing is writable here is said at once to a person; to programs, such as those at both
/// ends of an ssh connection, once it has come to matter: what is given back is for then.
#[cfg(target_os = "linux")]
fn tell_notices(prepared: &prepare::Prepared) -> Option<String> {
    let is_seen = nix::unistd::isatty(std::io::stderr()) == Ok(true);
    let waits = |kind: &str| {
        kind == "broad-root" && !is_seen && matches!(prepared.policy.working_root, WorkingRoot::None { .. })
    };
    let (later, now): (Vec<_>, Vec<_>) = prepared.policy.notices.iter().partition(|n| waits(n.kind));
    now.iter().for_each(|n| report::notice(&n.text));
    later.first().map(|n| n.text.clone())
}

/// What every command begins with.
#[cfg(target_os = "linux")]
struct Begun {
    /// The settings.
    prepared: prepare::Prepared,
    /// A notice that waits until it matters.
    later: Option<String>,
    /// The shell, and what hooks say of what it would run.
    heard: hooked::Heard,
}

/// Settings, trust, notices, the shell and the hooks' word, in this order; `narrow` takes from the policy before it is gone by.
#[cfg(target_os = "linux")]
fn begin_command(
    shell: ShellInvocation,
    caller: &Caller,
    journal: &mut journal::Journal,
    narrow: impl FnOnce(&mut prepare::Prepared) -> Result<(), Stop>,
) -> Result<Begun, Stop> {
    let prepared = prepare::policy(caller)?;
    journal.follow(&prepared);
    let mut prepared = trusting::before_first_command(prepared, caller, journal)?;
    let later = tell_notices(&prepared);
    narrow(&mut prepared)?;
    let shell = shells::choose(shell, &prepared)?;
    journal.chose(&shell);
    let heard = hooked::before(shell, &prepared, caller);
    journal.heard(&heard);
    let heard = heard?;
    journal.chose(&heard.shell);
    Ok(Begun { prepared, later, heard })
}

#[cfg(target_os = "linux")]
fn confined_or_not(
    shell: ShellInvocation,
    caller: &Caller,
    programs: &mut account::Account,
    journal: &mut journal::Journal,
    guide: session::Guide<'_>,
    Ahead { closed, early, mut network }: Ahead,
) -> Result<i32, Stop> {
    use decide::Place;
    let Begun { mut prepared, later, heard } = begin_command(shell, caller, journal, |_| Ok(()))?;
    let covers = covers::Covers::find(&prepared, &heard.shell.path, caller);
    let decision = heard.decide(&mut prepared, &covers, caller, journal)?;
    let shell = heard.shell;
    match decision.place {
        Place::Outside(program) => {
            drop((early, network));
            let run = || outside::run(&program, &prepared, caller);
            leave(Some(&program), &shell, &prepared, caller, programs, journal, run)
        }
        Place::Unconfined => {
            drop((early, network));
            let run = || shells::unconfined(&shell, caller);
            leave(None, &shell, &prepared, caller, programs, journal, run)
        }
        Place::Inside => {
            if let Some(person) = session::person(&shell, &prepared, caller) {
                let opening = session::Opening { person, guide, network };
                return session::run(&shell, prepared, covers, caller, journal, opening);
            }
            let early =
                early.unwrap_or_else(|| backend::Early::start(closed.clone(), network.take(), caller));
            let note = covers
                .note(&decide::text_of(&shell))
                .or(decision.note.filter(|_| !covers::has_way_out(&prepared, caller)));
            let inside = |mut early, allowed: &[PathBuf], journal: &journal::Journal| {
                let (covers, wanted) = (covers.clone(), &decision.grants);
                let plan = confine::plan(&prepared, covers, wanted, allowed, Some(&mut early))?;
                journal.start()?;
                let outcome = confine::run(&shell, plan, &prepared, caller, early, journal, None)?;
                journal.tell(journal.failed().or(outcome.unlogged));
                let mut refused = stop::refused(&outcome, &prepared, &decide::text_of(&shell));
                refused.extend(again::hint(&outcome, &prepared, caller));
                stop::report_outcome(&outcome, &refused, note.as_deref());
                if !refused.is_empty() || !outcome.violations.is_empty() {
                    later.iter().for_each(|text| report::notice(text));
                }
                Ok::<_, Stop>(outcome)
            };
            let mut outcome = inside(early, &[], journal)?;
            match again::offer(&outcome, &shell, &prepared, caller, journal) {
                Again::No => {}
                Again::Inside(allowed) => {
                    signals::restore(outcome.signals);
                    journal.again();
                    outcome = inside(backend::Early::start(closed, None, caller), &allowed, journal)?;
                }
                Again::Outside => {
                    programs.ended(&outcome);
                    signals::restore(outcome.signals);
                    journal.again();
                    let run = || shells::unconfined(&shell, caller);
                    return leave(None, &shell, &prepared, caller, programs, journal, run);
                }
            }
            programs.ended(&outcome);
            hooked::after(&shell, &outcome, &prepared, caller);
            run::front::end_at_once(outcome.ending)
        }
    }
}

/// What runs without a boundary: as a child where somebody is told of its end, else in our place.
#[cfg(target_os = "linux")]
fn leave(
    program: Option<&outside::Program>,
    shell: &shells::Shell,
    prepared: &prepare::Prepared,
    caller: &Caller,
    programs: &mut account::Account,
    journal: &journal::Journal,
    become_it: impl FnOnce() -> Result<i32, Stop>,
) -> Result<i32, Stop> {
    journal.leaves(program)?;
    if !journal.is_kept() && !programs.is_wanted() && !hooked::are_told(shell, prepared, caller) {
        return become_it();
    }
    let outcome = watched::run(become_it)?;
    journal.left(program, outcome.ending);
    programs.ended(&outcome);
    hooked::after(shell, &outcome, prepared, caller);
    Ok(run::front::end(outcome.ending))
}

/// A command, a script or stdin: gives the exit status, or ends this process as the command ended.
///
/// # Errors
/// [`Stop`]: nothing was run.
#[cfg(target_os = "macos")]
pub fn run(shell: ShellInvocation, caller: &Caller) -> Result<i32, Stop> {
    seatbelt::run(&shell, caller)
}

/// Says why nothing runs here.
///
/// # Errors
/// Always.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn run(_shell: ShellInvocation, caller: &Caller) -> Result<i32, Stop> {
    // Broken settings are worth saying on every platform.
    let prepared = prepare::policy(caller)?;
    prepared.policy.notices.iter().for_each(|n| report::notice(&n.text));
    Err(Stop::NoBackend(
        "no backend for this system is built yet; sbsh runs commands on Linux, WSL2 and macOS".into(),
    ))
}
