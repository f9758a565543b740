//! The three doors: which of them a caller came through, and how what went wrong becomes a status. Owns no policy.

#[cfg(target_os = "linux")]
use crate::broker::shim;
use crate::caller::Caller;
use crate::cli::{Invocation, VERSION, render};
use crate::pipeline::{self, Stop};
#[cfg(target_os = "linux")]
use crate::system::{entry, process};
use crate::verdict::WAY_OUT;
use crate::{admin, exit, report, run};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What sbshctl's verbs do in a session.
#[cfg(target_os = "linux")]
const GUIDE: pipeline::session::Guide<'static> = pipeline::session::Guide {
    word: admin::sandbox::NAME,
    line: &admin::sandbox::in_session,
    welcome: &admin::welcome::once,
};

/// The whole program: argv in, exit status out.
pub fn main(arguments: Vec<OsString>) -> i32 {
    if let [_, word, channel] = arguments.as_slice()
        && word == run::FIRST_INSIDE
    {
        return first_inside(channel);
    }
    #[cfg(target_os = "linux")]
    if let [_, word, host, port] = arguments.as_slice()
        && word == run::CONNECT_HELPER
    {
        let joined = run::connect::main(&host.to_string_lossy(), &port.to_string_lossy());
        return joined.map_or_else(
            |why| {
                report::failure(&why);
                exit::REFUSED
            },
            |()| 0,
        );
    }
    #[cfg(target_os = "linux")]
    if let Some(shim) = shim::here(&arguments, WAY_OUT) {
        return shim.run();
    }
    if arguments.first().is_some_and(|name| Path::new(name).file_name() == Some(OsStr::new(WAY_OUT))) {
        report::failure(&format!(
            "{WAY_OUT} is for commands that sbsh runs; this is outside of its sandbox already"
        ));
        return exit::REFUSED;
    }
    let caller = Caller::read();
    #[cfg(target_os = "linux")]
    let file = executed(&arguments);
    #[cfg(not(target_os = "linux"))]
    let file: Option<OsString> = None;
    let result = match Invocation::of_file(arguments, file.as_deref()) {
        Err(usage) => {
            report::failure(&usage.to_string());
            return exit::USAGE;
        }
        Ok(Invocation::Version) => say(&format!("sbsh {VERSION}\n")),
        Ok(Invocation::Help) => say(&render::shell_help()),
        Ok(Invocation::Admin(command)) => admin::run(command, &caller),
        #[cfg(target_os = "linux")]
        Ok(Invocation::Shell(shell)) => pipeline::run(shell, &caller, GUIDE),
        #[cfg(not(target_os = "linux"))]
        Ok(Invocation::Shell(shell)) => pipeline::run(shell, &caller),
    };
    result.unwrap_or_else(|stop| stop.report())
}

/// The file that was executed, where that is another name than the caller's and one of this program's: a script's first line
/// makes the script that file (execve(2)).
#[cfg(target_os = "linux")]
fn executed(arguments: &[OsString]) -> Option<OsString> {
    let file = entry::executed()?;
    let base = |name: &OsStr| Path::new(name).file_name().map(OsStr::to_os_string);
    let is_another = base(&file) != arguments.first().and_then(|name| base(name));
    (is_another && process::is_this(Path::new(&file))).then_some(file)
}

fn say(text: &str) -> Result<i32, Stop> {
    report::answer(text)?;
    Ok(0)
}

#[cfg(target_os = "linux")]
fn first_inside(channel: &OsString) -> i32 {
    match channel.to_str().and_then(|c| c.parse().ok()) {
        Some(number) => run::first::main(number, None),
        None => exit::USAGE,
    }
}

#[cfg(not(target_os = "linux"))]
fn first_inside(_channel: &OsString) -> i32 {
    exit::USAGE
}
