//! Why a command was not run, and how its end is told: the one place where errors become words and a status.

#[cfg(target_os = "linux")]
use super::instead::{Around, Told};
#[cfg(target_os = "linux")]
use super::prepare::Prepared;
#[cfg(target_os = "linux")]
use crate::gatekeeper::violation::is_trifle;
#[cfg(target_os = "linux")]
use crate::gatekeeper::{Violation, Why};
use crate::policy::PolicyError;
#[cfg(target_os = "linux")]
use crate::report::Way;
use crate::report::{self, Refusal};
use crate::run::RunError;
#[cfg(target_os = "linux")]
use crate::run::{Blocked, Ending, Outcome};
use crate::settings::{Origin, SettingsError};
#[cfg(target_os = "linux")]
use crate::system::visible::visible;
#[cfg(target_os = "linux")]
use crate::verdict::{CommandText, Reason};
use crate::{confinement, exit};
#[cfg(target_os = "linux")]
use std::io::IsTerminal;

/// Why nothing was run.
#[derive(Debug)]
pub enum Stop {
    /// A rule, or nobody's approval.
    Refused(Refusal),
    /// Broken settings.
    Settings(SettingsError),
    /// No mechanism can confine here.
    NoBackend(String),
    /// The mechanism failed.
    Run(RunError),
    /// A program was not found.
    NotFound(String),
    /// Anything else, with its status.
    Failed(String, i32),
}

impl Stop {
    /// Says it, and gives the exit status.
    pub fn report(&self) -> i32 {
        match self {
            Stop::Refused(refusal) => report::refusal(refusal),
            Stop::Settings(error) => report::settings_error(&report::SettingsError {
                path: error.path.display().to_string(),
                place: error.place,
                line: error.line.clone(),
                message: error.message.clone(),
            }),
            Stop::NoBackend(why) => report::backend_missing(why, &os_release()),
            Stop::Run(error @ RunError::Boundary { cause, .. }) => {
                report::failure(&error.to_string());
                let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
                let kernel = confinement::advice::on_kernel(&release);
                let hints = confinement::advice::on_failure(cause).iter().copied();
                // What the kernel is comes first: then no setting helps.
                match kernel {
                    Some(hint) => report::notice(hint),
                    None => hints.for_each(report::notice),
                }
                report::notice("nothing was run; 'sbshctl doctor' tells more");
            }
            // It may have been about to begin.
            Stop::Run(error @ RunError::Unattended { .. }) => {
                report::failure(&format!("{error}; it was ended at once"));
            }
            Stop::Run(error) => report::failure(&format!("{error}; nothing was run")),
            Stop::NotFound(text) | Stop::Failed(text, _) => report::failure(text),
        }
        match self {
            Stop::NotFound(_) => exit::NOT_FOUND,
            Stop::Failed(_, status) => *status,
            _ => exit::REFUSED,
        }
    }
}

/// The refusal for this reason.
#[cfg(target_os = "linux")]
pub fn refusal(command: Vec<u8>, reason: &Reason, ways: Vec<Way>) -> Refusal {
    Refusal {
        command,
        why: reason.text.clone(),
        rule: reason.rule.clone(),
        origin: reason.origin.as_ref().map(ToString::to_string),
        ways,
    }
}

/// A stop in one line, where it is part of a longer answer.
pub fn words(stop: &Stop) -> String {
    match stop {
        Stop::Refused(refusal) => refusal.why.clone(),
        Stop::Settings(error) => error.to_string(),
        Stop::Run(error) => error.to_string(),
        Stop::NoBackend(text) | Stop::NotFound(text) | Stop::Failed(text, _) => text.clone(),
    }
}

/// `/etc/os-release`, by which the install command is chosen.
pub fn os_release() -> String {
    std::fs::read_to_string("/etc/os-release").unwrap_or_default()
}

impl From<SettingsError> for Stop {
    fn from(error: SettingsError) -> Stop {
        Stop::Settings(error)
    }
}

impl From<PolicyError> for Stop {
    fn from(error: PolicyError) -> Stop {
        let message = error.problem.to_string();
        Stop::Settings(match &error.origin {
            Origin::File { source, offset } => SettingsError::at(source, *offset, message),
            Origin::BuiltIn(place) | Origin::Caller(place) => {
                SettingsError { path: (*place).into(), place: None, line: String::new(), message }
            }
        })
    }
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Stop {
        Stop::Run(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::Failed(error.to_string(), 1)
    }
}

/// Advice as it is to be pasted: a backslash in it means what it means to the shell. Anything else that a terminal would
/// not show as it is makes it text.
#[cfg(target_os = "linux")]
fn pasted(advice: &str) -> String {
    let plain = advice.replace('\\', "");
    if visible(plain.as_bytes()) == plain { advice.to_owned() } else { visible(advice.as_bytes()) }
}

/// Lines about refused calls; a command that knocks everywhere is told so shortly, and the log has the rest.
#[cfg(target_os = "linux")]
const MOST_LINES: usize = 12;

/// What was refused, a line each, without what settings want no word about. Connections are always told; of files only
/// when the command failed, because programs that can do without a file say so by going on.
#[cfg(target_os = "linux")]
pub fn refused(outcome: &Outcome, prepared: &Prepared, command: &[u8]) -> Vec<String> {
    let (policy, locations) = (&prepared.policy, &prepared.locations);
    let ignored = &policy.ignored_violations;
    let around = Around { policy, home: locations.home.as_deref(), cwd: &locations.cwd };
    let text = command;
    let command = String::from_utf8_lossy(command);
    let silent = |program: &str, what: &str| {
        is_trifle(what) || ignored.iter().any(|entry| entry.names(&command, program, what))
    };
    let failed = outcome.ending != Ending::Exited(0);
    let told =
        |v: &&Violation| (failed || matches!(v.why, Why::Socket | Why::Own)) && !silent(&v.program, &v.path);
    let mut calls: Vec<&Violation> = outcome.violations.iter().filter(told).collect();
    // A knock at a server is not to be lost behind files without end.
    calls.sort_by_key(|v| !matches!(v.why, Why::Socket | Why::Own));
    let more = calls.len().saturating_sub(MOST_LINES);
    let more = (more > 0).then(|| format!("and {more} more"));
    let seen = |path: &str| calls.iter().any(|v| v.path == path);
    let unseen = || {
        let asked = CommandText::new(text, locations.home.as_deref()).asked().into_owned();
        around.unseen(&String::from_utf8_lossy(&asked), |path| path.canonicalize().ok())
    };
    let unseen: Vec<Told> = failed
        .then(unseen)
        .into_iter()
        .flatten()
        .filter(|(program, what, _)| !silent(program, what) && !seen(what))
        .map(|(_, _, told)| told)
        .collect();
    let calls = calls.into_iter().take(MOST_LINES).map(|v| around.call(v));
    let host = |what: &str| what.split([' ', ':']).next().unwrap_or_default().to_owned();
    let by = |blocked: &Blocked| blocked.program.clone().unwrap_or_default();
    let hosts = outcome.blocked.iter().filter(|blocked| !silent(&by(blocked), &host(&blocked.what)));
    let hosts = hosts.map(|blocked| {
        let wanted = blocked.program.as_ref().map(|program| format!(" ({program} wanted it)"));
        let what = format!("network: {}{}", blocked.what, wanted.unwrap_or_default());
        around.connection(&what, blocked.advice.as_deref())
    });
    let unheard = outcome.unheard.iter().map(|text| visible(format!("outside: {text}").as_bytes()));
    unheard.chain(hosts.chain(calls).chain(unseen).map(|told| line(&told))).chain(more).collect()
}

/// Always this shape: what was refused and by which rule, what works inside, what a person can do.
#[cfg(target_os = "linux")]
fn line(told: &Told) -> String {
    let (what, inside) = (visible(told.what.as_bytes()), visible(told.inside.as_bytes()));
    format!("{what}; inside: {inside}; a person can {}", pasted(&told.person))
}

/// Says what has to be said after a run.
#[cfg(target_os = "linux")]
pub fn report_outcome(outcome: &Outcome, refused: &[String], note: Option<&str>) {
    for swept in &outcome.swept {
        let path = swept.path.display();
        report::notice(&match &swept.moved {
            Err(error) if swept.unseen => format!(
                "could not look through '{path}' for what programs outside obey ({error}): look yourself before you use it"
            ),
            Ok(place) => format!("took '{path}' away to '{}': {}", place.display(), swept.why),
            Err(error) => {
                format!("'{path}' must not stand there ({}), but cannot be moved: {error}", swept.why)
            }
        });
    }
    report::violations(refused, std::io::stderr().is_terminal());
    if let Some(note) = note.filter(|_| outcome.ending != Ending::Exited(0)) {
        report::notice(note);
    }
}
