//! Why a command was not run, and how its end is told: the one place where errors become words and a status.

use crate::policy::PolicyError;
use crate::report::{self, Refusal};
use crate::run::RunError;
#[cfg(target_os = "linux")]
use crate::run::{Ending, Outcome};
use crate::settings::{Origin, SettingsError};
use crate::{confinement, exit};

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
                for hint in confinement::advice::on_failure(cause) {
                    report::notice(hint);
                }
                report::notice("nothing was run; 'sbshctl doctor' tells more");
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

/// Says what has to be said after a run, and ends as the command ended.
#[cfg(target_os = "linux")]
pub fn report_outcome(outcome: &Outcome, note: Option<&str>) -> i32 {
    for swept in &outcome.swept {
        let path = swept.path.display();
        report::notice(&match &swept.moved {
            Ok(place) => format!("took '{path}' away to '{}': {}", place.display(), swept.why),
            Err(error) => {
                format!("'{path}' must not stand there ({}), but cannot be moved: {error}", swept.why)
            }
        });
    }
    for (what, advice) in &outcome.blocked {
        report::notice(&match advice {
            Some(advice) => format!("network: {what}; {advice}"),
            None => format!("network: {what}"),
        });
    }
    if let Some(note) = note.filter(|_| outcome.ending != Ending::Exited(0)) {
        report::notice(note);
    }
    crate::run::front::end(outcome.ending)
}
