//! Run: a plan becomes processes, and processes become an outcome.
//!
//! Owns spawning, the first code inside, signals, survivors and clean-up. Must not decide policy: what is mounted,
//! refused or removed was decided before.
//!
//! ```text
//! caller ── front (this process: the caller's contract: status, signals, stops)
//!             ├── brokers (one for each program that runs outside for a shim inside)
//!             ├── bwrap ── first (process 1 inside) ── the inner shell and all that it starts
//!             └── caretaker (own session: answers calls as the gatekeeper; sweeps when the front was killed or has left jobs behind)
//!                   └── gateway (from the first connection on: the sandbox's network)
//!                         └── socket maker (where others reach listeners inside: then both begin with the command)
//! ```
//! Under Landlock first is a child of the caretaker's, and no process 1: what is left behind has to be found (`system::descent`).
//! One stream socket joins front and first; its end is how first notices that the front is gone.

#[cfg(target_os = "linux")]
mod anew;
#[cfg(target_os = "linux")]
pub mod builder;
#[cfg(target_os = "linux")]
pub mod calls;
#[cfg(target_os = "linux")]
pub mod caretaker;
#[cfg(target_os = "linux")]
pub mod certificates;
#[cfg(target_os = "linux")]
pub mod channel;
#[cfg(target_os = "linux")]
pub mod connect;
#[cfg(target_os = "linux")]
pub mod domain;
#[cfg(target_os = "linux")]
pub mod ending;
#[cfg(target_os = "linux")]
pub mod errand;
#[cfg(target_os = "linux")]
pub mod first;
#[cfg(target_os = "linux")]
pub mod front;
#[cfg(target_os = "linux")]
mod gate;
#[cfg(target_os = "linux")]
pub mod gitconfig;
#[cfg(target_os = "linux")]
pub mod grants;
pub mod hostfile;
#[cfg(target_os = "linux")]
pub mod inherited;
#[cfg(target_os = "linux")]
pub mod inquiry;
#[cfg(target_os = "linux")]
pub mod leash;
#[cfg(target_os = "linux")]
pub mod line;
#[cfg(target_os = "linux")]
pub mod record;
#[cfg(target_os = "linux")]
pub mod sweep;
#[cfg(target_os = "linux")]
pub mod terminal;
#[cfg(target_os = "linux")]
pub mod trial;
#[cfg(target_os = "linux")]
pub mod waiting;

use std::path::PathBuf;

/// The word that makes the sbsh binary ssh's ProxyCommand: it joins its standard streams with a host, through the
/// sandbox's SOCKS listener.
pub const CONNECT_HELPER: &str = "--sbsh-connect";

/// The word that makes the sbsh binary the first process inside. Called from anywhere else it finds no channel and
/// ends.
pub const FIRST_INSIDE: &str = "--sbsh-first-inside";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

impl Ending {
    /// The exit status or the signal.
    pub fn parts(self) -> (Option<i32>, Option<i32>) {
        match self {
            Ending::Exited(status) => (Some(status), None),
            Ending::Signaled(signal) => (None, Some(signal)),
        }
    }
}

/// What came of a run.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// How the inner shell ended.
    pub ending: Ending,
    /// Connections that were refused.
    pub blocked: Vec<Blocked>,
    /// Programs that were not run outside, where the refusal was not heard; a line each.
    pub unheard: Vec<String>,
    /// Calls that were refused.
    pub violations: Vec<crate::gatekeeper::Violation>,
    /// How the caller had left the signals: all are blocked now.
    pub signals: crate::system::signals::CallerSignals,
    /// Protected names that appeared and were taken away, and what could not be.
    pub swept: Vec<Swept>,
    /// Why the command's lines are not in the log, as an error number.
    pub unlogged: Option<i32>,
}

#[cfg(target_os = "linux")]
impl Outcome {
    /// Of a run of which nothing but the end is known.
    pub fn of(ending: Ending, signals: crate::system::signals::CallerSignals) -> Outcome {
        let (blocked, unheard, violations, swept, unlogged) = Default::default();
        Outcome { ending, blocked, unheard, violations, signals, swept, unlogged }
    }
}

/// One refused connection.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Blocked {
    /// What and why.
    pub what: String,
    /// The program that wanted it, as it calls itself, if it is known.
    pub program: Option<String>,
    /// How a person allows it.
    pub advice: Option<String>,
}

/// One protected name that the sweep found changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Where it stood.
    pub path: PathBuf,
    /// Why it may not stand there.
    pub why: String,
    /// Where it was moved, or why it could not be.
    pub moved: Result<PathBuf, String>,
    /// It could not even be looked through: what may stand in it is not known.
    pub unseen: bool,
}

/// Why a command did not run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RunError {
    /// The mechanism could not build the boundary.
    #[error("cannot confine the command: {mechanism}: {cause}")]
    Boundary {
        /// `bubblewrap`, `namespaces`, or `inside` where the first process there said so.
        mechanism: &'static str,
        /// What it said, one line.
        cause: String,
    },
    /// A system call of our own failed.
    #[error("cannot {verb}: {cause}")]
    System {
        /// What was wanted.
        verb: &'static str,
        /// The kernel's reason.
        cause: String,
    },
    /// The caretaker could not be started.
    #[error("cannot start the process that watches over the command: {cause}")]
    Unattended {
        /// The kernel's reason.
        cause: String,
    },
    /// A standard descriptor leads where the policy does not.
    #[error("cannot pass {name} on: {cause}")]
    Descriptor {
        /// `standard input`, …
        name: String,
        /// Why.
        cause: String,
    },
}

impl RunError {
    /// For `map_err` on our own calls.
    pub fn system<E: std::fmt::Display>(verb: &'static str) -> impl FnOnce(E) -> RunError {
        move |cause| RunError::System { verb, cause: cause.to_string() }
    }
}
