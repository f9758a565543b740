//! Audit: one JSON line per command and per decision, appended to a file of this user's alone.
//!
//! Owns the files: their mode, their rotation, that concurrent commands never mix or lose lines, and the chain of hashes
//! by which it is seen that one was removed or changed. Must not decide what is logged, and never sees the content of a
//! credential; what looks like a secret in a command's text is blotted out by [`redact`].
//!
//! ```text
//! audit.jsonl      the newest lines, each with its number and the hash of the line before
//! audit.jsonl.1…8  those before, the last one first
//! audit.head       how far it goes; its lock is the turn to write
//! audit.otlp       what was sent to a collector
//! ```
#![forbid(unsafe_code)]

pub mod chain;
mod files;
mod head;
#[cfg(target_os = "linux")]
pub mod otlp;
pub mod pen;
pub mod redact;
pub mod syslog;
pub mod verify;

use chain::Waiting;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use files::KEPT;

/// Bytes of the newest file after which it is set aside.
pub const MOST: u64 = 8 << 20;

/// Bytes of lines that may wait.
const MOST_WAITING: usize = 64 << 10;

/// What a line is about: the word in its `event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A command, when it ended or was refused.
    Command,
    /// A command that is about to run: one that leaves the sandbox, because whoever kills its whole group kills what would
    /// tell of its end, and every one where `audit.required` wants that known before.
    Start,
    /// A question that was answered, or a command that a rule denied.
    Decision,
    /// A program that was to run outside, started inside.
    Outside,
    /// A call that was refused.
    Violation,
    /// A Unix socket outside that was spoken to.
    Socket,
    /// A connection.
    Connection,
    /// What watching calls cost.
    Gatekeeper,
    /// Trust in a project's settings, given or taken back.
    Trust,
    /// Settings that sbsh changed.
    Settings,
    /// What became of the changes of a command that was tried.
    Trial,
    /// The log itself: what the next writer found wrong with it.
    Log,
}

impl Event {
    /// Each.
    pub const ALL: [Event; 12] = [
        Event::Command,
        Event::Start,
        Event::Decision,
        Event::Outside,
        Event::Violation,
        Event::Socket,
        Event::Connection,
        Event::Gatekeeper,
        Event::Trust,
        Event::Settings,
        Event::Trial,
        Event::Log,
    ];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Event::Command => "command",
            Event::Start => "start",
            Event::Decision => "decision",
            Event::Outside => "outside",
            Event::Violation => "violation",
            Event::Socket => "socket",
            Event::Connection => "connection",
            Event::Gatekeeper => "gatekeeper",
            Event::Trust => "trust",
            Event::Settings => "settings",
            Event::Trial => "trial",
            Event::Log => "log",
        }
    }
}

/// Whether an entry tells of something that was refused or is wrong, for those who sort by weight.
fn is_weighty(entry: &serde_json::Value) -> bool {
    let is = |key: &str, words: &[&str]| {
        entry.get(key).and_then(serde_json::Value::as_str).is_some_and(|word| words.contains(&word))
    };
    is("event", &["violation", "log"])
        || is("verdict", &["refused", "denied"])
        || entry.get("stopped").is_some()
}

/// The log of one user.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
    most: u64,
}

impl Log {
    /// Below the state directory.
    pub fn of(state: &Path) -> Log {
        Log { path: state.join("audit.jsonl"), most: MOST }
    }

    /// Where its newest file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one entry with the time (`time`, seconds since 1970 with milliseconds), its number and the hash of the line
    /// before put in front; its number.
    ///
    /// # Errors
    /// What cannot be said in JSON; what writing gives, a full disk too. The line is not there then.
    pub fn note(&self, entry: &impl Serialize) -> io::Result<u64> {
        self.note_all(std::slice::from_ref(entry))
    }

    /// As [`Log::note`], several that follow each other; the number of the first.
    ///
    /// # Errors
    /// As for one; then none of them is there.
    pub fn note_all(&self, entries: &[impl Serialize]) -> io::Result<u64> {
        let time = now();
        let waiting = entries.iter().map(|entry| Waiting::of(time, entry)).collect::<io::Result<Vec<_>>>()?;
        self.append(&waiting)
    }
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// For a process with many lines: they may wait and are then written together, because writing costs as much as half a
/// connection does. Nothing is held open between: a lock that is shared with a forked process would be none.
#[derive(Debug)]
pub struct Scribe {
    log: Log,
    waiting: Vec<Waiting>,
    bytes: usize,
}

impl Scribe {
    /// For a log; nothing is opened before there is a line.
    pub fn of(log: Log) -> Scribe {
        Scribe { log, waiting: Vec::new(), bytes: 0 }
    }

    /// Adds one object, with the present time. It waits for [`Scribe::write_down`], but not where too many do.
    ///
    /// # Errors
    /// What cannot be said in JSON; what writing gives.
    pub fn note(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let waiting = Waiting::of(now(), entry)?;
        self.bytes += waiting.len();
        self.waiting.push(waiting);
        if self.bytes > MOST_WAITING { self.write_down() } else { Ok(()) }
    }

    /// Writes the lines that wait, in their order.
    ///
    /// # Errors
    /// What opening and writing give; a full disk too. The lines are lost then.
    pub fn write_down(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        self.log.append(&std::mem::take(&mut self.waiting)).map(drop)
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        let _ = self.write_down();
    }
}

#[cfg(test)]
mod tests;
