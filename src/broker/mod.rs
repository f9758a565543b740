//! The broker: excluded programs run outside, wherever a command inside names them.
//!
//! Owns what goes between a shim inside and the process outside that runs the real program for it. Must not decide what
//! may run (the desk does, which the pipeline gives life), and must not let the inside choose the file that is executed,
//! the environment or the directory's meaning.
//!
//! ```text
//! inside                                         outside
//! shim (this binary, mounted over the program) ──▶ broker (one process for each call) ──▶ the real program
//!        argv, directory, standard descriptors         judged, asked about                 in the shim's process group
//!        signals that only the shim received    ──▶
//!        stops, the end                         ◀──
//! ```
//! The socket's name is an abstract one of the sandbox's own network namespace, bound before anything runs inside; no
//! other process of the machine can reach it.

pub mod message;
#[cfg(target_os = "linux")]
pub mod serve;
#[cfg(target_os = "linux")]
pub mod shim;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
pub mod wire;

use serde::{Deserialize, Serialize};
use std::ffi::{CString, OsString};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

/// The abstract name on which the broker is called.
pub const NAME: &[u8] = b"sbsh-broker";

/// Where the covered programs themselves are to be found inside, each below its own path. `/dev` inside is the sandbox's.
pub const ORIGINALS: &str = "/dev/.sbsh-outside";

/// What a shim wants to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The covered file that was executed; a claim of the inside, good for nothing but looking up our own list. Empty
    /// for the way out.
    pub covered: PathBuf,
    /// Its argv.
    pub argv: Vec<OsString>,
    /// The directory, as the host has it.
    pub directory: PathBuf,
    /// Variables that differ from what the inner shell was started with.
    pub changed: Vec<(OsString, OsString)>,
}

/// What is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It is not for outside: the shim goes on with the program itself, inside.
    Inside,
    /// It may run outside.
    Run {
        /// The file to execute.
        program: PathBuf,
        /// Its argv. The first word is ours: programs find their own files by it.
        argv: Vec<OsString>,
        /// Its whole environment.
        environment: Vec<CString>,
    },
    /// It may not run.
    Refused {
        /// Lines for whoever started it.
        text: String,
        /// The exit status.
        status: i32,
    },
}

/// A question about a program that is to run outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The file that would be executed.
    pub program: PathBuf,
    /// Its argv; what is no text is shown with `\xNN`.
    pub argv: Vec<String>,
    /// Where it would run.
    pub directory: PathBuf,
    /// Assignments that it would get, `NAME=value`.
    pub assignments: Vec<String>,
    /// Why it is asked.
    pub why: String,
    /// The rule that asks or excludes.
    pub rule: Option<String>,
    /// Where that rule stands.
    pub origin: Option<String>,
    /// All that a person looks at, byte by byte: what is shown of two can be the same where they are no text.
    pub exact: Vec<Vec<u8>>,
    /// What "always" would write; `None`: it cannot be for always.
    pub always: Option<Vec<String>>,
}

impl Asked {
    /// Whether an answer to that one is an answer to this one: all that a person looks at is the same.
    pub fn is_as(&self, other: &Asked) -> bool {
        (&self.program, &self.exact, &self.directory) == (&other.program, &other.exact, &other.directory)
    }
}

/// Who decides.
pub trait Desk {
    /// Judges, and asks where that is needed. Waits for an answer, as long as none of these has news: then nobody waits for
    /// the program any more.
    fn judge(&self, wanted: &Wanted, over: [BorrowedFd<'_>; 2]) -> Judgement;

    /// A refusal was told where whoever started sbsh does not see it (`2>/dev/null`): it is told again, in the end.
    fn unheard(&self, text: &str);

    /// The program ended; `None` for one that could not be started.
    fn ended(&self, wanted: &Wanted, status: Option<i32>);
}
