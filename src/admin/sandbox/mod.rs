//! `/sandbox`: what a person changes and asks from the interactive session, outside, in the front end's process.
//!
//! Owns the words behind it. What they do is the verbs' of sbshctl; the menu is `menu`'s. Everything that comes from the
//! log, from settings or from the inside is escaped before it is shown.

mod blocked;
mod face;
mod keys;
mod menu;
mod plain;
mod screens;
mod single;
mod why;

use super::{only_outside, print};
use crate::caller::Caller;
use crate::cli::{AdminCommand, Place, render, table};
use crate::exit;
use crate::gatekeeper::Violation;
use crate::pipeline::session;
pub use crate::pipeline::session::After;
use crate::pipeline::{Stop, prepare};
use crate::policy::Mode;
use crate::run::Blocked;
use crate::session::wire::Refused;
use crate::system::visible::visible;
use crate::verdict::WAY_OUT;
use single::Single;
use std::ffi::OsString;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::Path;

/// What `/sandbox` is called by.
pub const NAME: &str = "/sandbox";

/// The session as it is now.
#[derive(Debug)]
pub struct Now<'n> {
    /// Who started it.
    pub caller: &'n Caller,
    /// Where the shell inside is: its settings are meant, and what relative paths are from.
    pub directory: &'n Path,
    /// The last command, if there was one.
    pub last: Option<&'n Last>,
    /// Whether a person looks, at a terminal that is in the mode of whole lines.
    pub terminal: bool,
}

/// The last command of the session.
#[derive(Debug, Clone, Default)]
pub struct Last {
    /// Its text.
    pub text: String,
    /// Its exit status.
    pub status: i32,
    /// Calls that were refused.
    pub violations: Vec<Violation>,
    /// Connections that were refused.
    pub blocked: Vec<Blocked>,
}

/// The words behind `/sandbox` in a line; `None` if the line is not about it, and an error in words if a quote is open.
///
/// What follows `why` and `off-for-one` is the text of a command and stays one word, as it was typed.
pub fn words(line: &str) -> Option<Result<Vec<String>, String>> {
    let rest = line.trim_start().strip_prefix(NAME)?;
    if !rest.is_empty() && !rest.starts_with([' ', '\t', '\n']) {
        return None;
    }
    let rest = rest.trim();
    let (first, text) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    if ["why", "off-for-one"].contains(&first) {
        let text = text.trim();
        let text = (!text.is_empty()).then(|| text.to_owned());
        return Some(Ok(std::iter::once(first.to_owned()).chain(text).collect()));
    }
    Some(shlex::split(rest).ok_or_else(|| format!("{NAME}: a quote is not closed")))
}

/// A line of an interactive session, if it is about this.
#[cfg(target_os = "linux")]
pub fn in_session(line: &str, now: &session::Now<'_>) -> Option<Result<After, Stop>> {
    let words = words(line)?.map_err(|text| Stop::Failed(text, exit::USAGE));
    let mut last = Last {
        text: String::from_utf8_lossy(&now.last.text).into_owned(),
        status: now.last.status,
        ..Last::default()
    };
    for refused in &now.last.refused {
        match refused {
            Refused::Call(violation) => last.violations.push(violation.clone()),
            Refused::Connection(blocked) => last.blocked.push(blocked.clone()),
            Refused::Program(_) => {}
        }
    }
    let caller = now.caller;
    let directory = caller.directory.clone().unwrap_or_else(|| "/".into());
    let last = Some(&last).filter(|last| !last.text.is_empty());
    Some(words.and_then(|words| run(&words, &Now { caller, directory: &directory, last, terminal: true })))
}

/// Does what the words say; without words the menu opens.
///
/// # Errors
/// From inside; words that mean nothing; what the verbs say.
pub fn run(words: &[String], now: &Now<'_>) -> Result<After, Stop> {
    only_outside("sandbox")?;
    // As the kernel names it; one that is gone still says which project is meant.
    let directory = now.directory.canonicalize().unwrap_or_else(|_| now.directory.to_path_buf());
    let directory = Some(directory).filter(|directory| directory.is_absolute());
    let here = Caller { directory, ..now.caller.clone() };
    let Some((first, rest)) = words.split_first() else { return menu::open(now, &here).map(After::Status) };
    let status = match (first.as_str(), rest) {
        ("mode", rest) => print(&mode(rest, &here)?),
        ("allow" | "deny" | "ask" | "exclude" | "log" | "status", _) => verb(words, &here),
        ("why", []) => print(&why::last(now, &here)?),
        ("why", rest) => super::run(explained(rest)?, &here),
        ("off-for-one", rest) => return off_for_one(rest, &here).map(After::Run),
        ("help" | "--help" | "-h", []) => print(&help()),
        ("help", [word]) if is_verb(word) => print(&ours(&render::help(Some(word)))),
        ("help", [word]) if row(word).is_some() => print(&help_on(word)),
        ("help", [word, ..]) => Err(unknown(word)),
        (word, _) => Err(unknown(word)),
    };
    status.map(After::Status)
}

/// `sbshctl sandbox`: the same without a session.
///
/// # Errors
/// As for [`run`].
pub fn by_verb(words: &[String], caller: &Caller) -> Result<i32, Stop> {
    let directory = caller.directory.clone().unwrap_or_else(|| "/".into());
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    match run(words, &Now { caller, directory: &directory, last: None, terminal })? {
        After::Status(status) => Ok(status),
        After::Run(line) => print(&format!("{line}\n")),
    }
}

fn unknown(word: &str) -> Stop {
    let word = visible(word.as_bytes());
    Stop::Failed(format!("there is no '{NAME} {word}'; '{NAME} help' lists what there is"), exit::USAGE)
}

fn usage(text: &str) -> Stop {
    Stop::Failed(text.to_owned(), exit::USAGE)
}

fn row(word: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    table::SANDBOX.iter().find(|(name, _, _)| *name == word)
}

/// Whether it is a verb of sbshctl, too, that does the same.
fn is_verb(word: &str) -> bool {
    row(word).is_some() && word != "help" && table::verb(word).is_some()
}

/// Words about sbshctl as words about `/sandbox`.
fn ours(text: &str) -> String {
    text.replace("sbshctl ", &format!("{NAME} "))
}

fn help() -> String {
    let mut text = format!("{NAME} alone opens a menu; with words:\n");
    for (name, operands, about) in table::SANDBOX {
        let _ = writeln!(text, "  {:<46} {about}", format!("{name} {operands}"));
    }
    text.push_str(
        "what is changed is this project's personal settings; --shared: those that it shares, --user: yours;\n\
         --dry-run only shows\n",
    );
    text
}

fn help_on(word: &str) -> String {
    row(word).map_or_else(String::new, |(name, operands, about)| {
        format!("usage: {}\n\n{about}\n", format!("{NAME} {name} {operands}").trim_end())
    })
}

/// A verb of sbshctl, in its own grammar.
fn verb(words: &[String], here: &Caller) -> Result<i32, Stop> {
    let command = read(words)?;
    if matches!(&command, AdminCommand::Log(view) if view.follow) {
        return Err(usage(&format!("'{NAME} log' does not wait for more; 'sbshctl log --follow' does")));
    }
    match command {
        AdminCommand::Help(verb) => print(&ours(&render::help(verb))),
        command => super::run(command, here),
    }
}

fn read(words: &[String]) -> Result<AdminCommand, Stop> {
    let arguments = words.iter().map(OsString::from).collect();
    AdminCommand::from_arguments(arguments).map_err(|error| usage(&ours(&error.to_string())))
}

fn explained(words: &[String]) -> Result<AdminCommand, Stop> {
    read(&["explain", "--"].into_iter().map(str::to_owned).chain(words.iter().cloned()).collect::<Vec<_>>())
}

/// The line that runs a command outside, once: of one word the text, else the words of one command.
fn off_for_one(words: &[String], here: &Caller) -> Result<String, Stop> {
    let text = match words {
        [] => return Err(usage(&format!("say which command, as in '{NAME} off-for-one make install'"))),
        [text] => text.trim().to_owned(),
        words => shlex::try_join(words.iter().map(String::as_str))
            .map_err(|_| usage("a word of the command contains a NUL byte"))?,
    };
    let way_out = prepare::policy(here)?.policy.way_out;
    if !way_out.value {
        let why = format!(
            "there is no way out of the sandbox here: allowUnsandboxedCommands is false ({})",
            visible(way_out.origin.to_string().as_bytes())
        );
        return Err(Stop::Failed(why, exit::REFUSED));
    }
    Ok(format!("{WAY_OUT} {text}"))
}

/// Shows the mode, or sets it.
fn mode(words: &[String], here: &Caller) -> Result<String, Stop> {
    let (mut place, mut dry_run, mut wanted) = (Place::Nearest, false, None);
    for word in words {
        match word.as_str() {
            "auto" | "auto-allow" if wanted.is_none() => wanted = Some(Mode::AutoAllow),
            "regular" if wanted.is_none() => wanted = Some(Mode::Regular),
            "--project" if place == Place::Nearest => place = Place::Project,
            "--shared" if place == Place::Nearest => place = Place::Shared,
            "--user" if place == Place::Nearest => place = Place::User,
            "--dry-run" => dry_run = true,
            "--help" => return Ok(help_on("mode")),
            other => {
                let other = visible(other.as_bytes());
                return Err(usage(&format!(
                    "mode: '{other}' means nothing here; write '{NAME} mode auto' or '{NAME} mode regular', with --project, --shared or --user"
                )));
            }
        }
    }
    match wanted {
        Some(mode) => single::set(Single::Mode(mode), place, dry_run, here),
        None => {
            let mode = prepare::policy(here)?.policy.mode;
            let mut text = String::new();
            for one in [Mode::AutoAllow, Mode::Regular] {
                let mark = if one == mode.value { '*' } else { ' ' };
                let _ = writeln!(text, "{mark} {:<11} {}", single::mode_name(one), single::mode_about(one));
            }
            let _ = writeln!(text, "said by: {}", visible(mode.origin.to_string().as_bytes()));
            Ok(text)
        }
    }
}
