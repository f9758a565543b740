//! The spine: one command's way through the stages, in their order. Decides nothing itself.

#[cfg(target_os = "linux")]
pub mod confine;
#[cfg(target_os = "linux")]
pub mod decide;
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
use crate::cli::{Invocation, VERSION};
use crate::{admin, exit, report, run};
use std::ffi::OsString;

/// The whole program: argv in, exit status out.
pub fn main(arguments: Vec<OsString>) -> i32 {
    if let [_, word, channel] = arguments.as_slice()
        && word == run::FIRST_INSIDE
    {
        return first_inside(channel);
    }
    let caller = Caller::read();
    let result = match Invocation::from_argv(arguments) {
        Err(usage) => {
            report::failure(&usage.to_string());
            return exit::USAGE;
        }
        Ok(Invocation::Version) => report::answer(&format!("sbsh {VERSION}\n")).map(|()| 0).map_err(Stop::from),
        Ok(Invocation::Help) => report::answer(admin::SHELL_HELP).map(|()| 0).map_err(Stop::from),
        Ok(Invocation::Admin(command)) => admin::run(command, &caller),
        Ok(Invocation::Shell(shell)) => shell_door(shell, &caller),
    };
    result.unwrap_or_else(|stop| stop.report())
}

#[cfg(target_os = "linux")]
fn first_inside(channel: &OsString) -> i32 {
    match channel.to_str().and_then(|c| c.parse().ok()) {
        Some(number) => run::first::main(number),
        None => exit::USAGE,
    }
}

/// A command, a script, stdin or a terminal.
#[cfg(target_os = "linux")]
fn shell_door(shell: crate::cli::ShellInvocation, caller: &Caller) -> Result<i32, Stop> {
    use decide::Place;
    if crate::system::inside::already() {
        return shells::nested(&shell, caller);
    }
    let closed = run::inherited::occupy_closed();
    let prepared = prepare::policy(caller)?;
    prepared.policy.notices.iter().for_each(|n| report::notice(&n.text));
    let shell = shells::choose(shell, &prepared)?;
    let decision = decide::decide(&shell, &prepared, caller)?;
    match decision.place {
        Place::Outside(program) => outside::run(&program, caller),
        Place::Unconfined => shells::unconfined(&shell, caller),
        Place::Inside => {
            let plan = confine::plan(&prepared, &decision.grants)?;
            let outcome = confine::run(&shell, plan, &prepared, caller, &closed)?;
            Ok(stop::report_outcome(&outcome, decision.note.as_deref()))
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn first_inside(_channel: &OsString) -> i32 {
    exit::USAGE
}

#[cfg(not(target_os = "linux"))]
fn shell_door(_shell: crate::cli::ShellInvocation, caller: &Caller) -> Result<i32, Stop> {
    // Broken settings are worth saying on every platform.
    let prepared = prepare::policy(caller)?;
    prepared.policy.notices.iter().for_each(|n| report::notice(&n.text));
    Err(Stop::NoBackend("no backend for this system is built yet; sbsh runs commands on Linux and WSL2".into()))
}
