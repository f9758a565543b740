//! The spine: one command's way through the stages, in their order. Decides nothing itself.

#[cfg(target_os = "linux")]
pub mod account;
#[cfg(target_os = "linux")]
pub mod again;
#[cfg(target_os = "linux")]
pub mod confine;
#[cfg(target_os = "linux")]
pub mod decide;
#[cfg(target_os = "linux")]
pub mod desk;
#[cfg(target_os = "linux")]
pub mod outside;
pub mod prepare;
#[cfg(target_os = "linux")]
pub mod remember;
#[cfg(target_os = "linux")]
pub mod shells;
mod stop;

pub use stop::{Stop, words as stop_words};

use crate::caller::Caller;
use crate::cli::ShellInvocation;
use crate::report;
#[cfg(target_os = "linux")]
use crate::{run, system::signals};
#[cfg(target_os = "linux")]
use again::Again;
#[cfg(target_os = "linux")]
use std::path::PathBuf;

/// A command, a script, stdin or a terminal: gives the exit status, or ends this process as the command ended.
///
/// # Errors
/// [`Stop`]: nothing was run.
#[cfg(target_os = "linux")]
pub fn run(shell: ShellInvocation, caller: &Caller) -> Result<i32, Stop> {
    if crate::system::inside::already() {
        return shells::nested(&shell, caller);
    }
    // Before anything is started that could inherit it.
    let mut programs = account::Account::open(shell.report, caller);
    let done = confined_or_not(shell, caller, &mut programs);
    if let Err(stop) = &done {
        programs.stopped(stop);
    }
    done
}

#[cfg(target_os = "linux")]
fn confined_or_not(
    shell: ShellInvocation,
    caller: &Caller,
    programs: &mut account::Account,
) -> Result<i32, Stop> {
    use decide::Place;
    let closed = run::inherited::occupy_closed();
    let early = confine::Early::start(closed.clone());
    let prepared = prepare::policy(caller)?;
    prepared.policy.notices.iter().for_each(|n| report::notice(&n.text));
    let shell = shells::choose(shell, &prepared)?;
    let decision = decide::decide(&shell, &prepared, caller)?;
    match decision.place {
        Place::Outside(program) => {
            drop(early);
            outside::run(&program, caller)
        }
        Place::Unconfined => {
            drop(early);
            shells::unconfined(&shell, caller)
        }
        Place::Inside => {
            let inside = |early, allowed: &[PathBuf]| {
                let plan = confine::plan(&prepared, &decision.grants, allowed)?;
                let outcome = confine::run(&shell, plan, &prepared, caller, early)?;
                let mut refused =
                    stop::refused(&outcome, &prepared.policy.ignored_violations, &decide::text_of(&shell));
                refused.extend(again::hint(&outcome, &prepared, caller));
                stop::report_outcome(&outcome, &refused, decision.note.as_deref());
                Ok::<_, Stop>(outcome)
            };
            let mut outcome = inside(early, &[])?;
            match again::offer(&outcome, &shell, &prepared, caller) {
                Again::No => {}
                Again::Inside(allowed) => {
                    signals::restore(outcome.signals);
                    outcome = inside(confine::Early::start(closed), &allowed)?;
                }
                Again::Outside => {
                    programs.ended(&outcome);
                    signals::restore(outcome.signals);
                    return shells::unconfined(&shell, caller);
                }
            }
            programs.ended(&outcome);
            Ok(run::front::end(outcome.ending))
        }
    }
}

/// Says why nothing runs here.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn run(_shell: ShellInvocation, caller: &Caller) -> Result<i32, Stop> {
    // Broken settings are worth saying on every platform.
    let prepared = prepare::policy(caller)?;
    prepared.policy.notices.iter().for_each(|n| report::notice(&n.text));
    Err(Stop::NoBackend(
        "no backend for this system is built yet; sbsh runs commands on Linux and WSL2".into(),
    ))
}
