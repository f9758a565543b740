//! The terminal is gone or the session was asked to end: the shell inside and its jobs end as they would with any other.
//!
//! Owns the order of that. Must not leave anything inside waiting for an answer.

use super::inner::message::ToShell;
use super::shell::{Event, Shell, idle_output};
use super::terminal::Person;
use crate::system::{process, signals};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::time::{Duration, Instant};

/// How long a shell may take to end by itself, and how often it is looked at meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOKS: Duration = Duration::from_millis(10);

impl Shell {
    /// Ends it, and waits for its end.
    pub fn hang_up(mut self, person: &Person) {
        if self.waits && self.ends_by_itself(person) {
            return;
        }
        // The run ends as it would with a terminal that is closed.
        let child = self.child;
        signals::send(child, libc::SIGHUP);
        signals::send(child, libc::SIGCONT);
        // With its line to the run: nobody answers any more.
        drop(self);
        process::reap(child);
    }

    /// bash hangs its jobs up only while it runs a line of a person's (before its prompt it is not `interactive`), so the
    /// signal is such a line. Whether the run has ended and is reaped.
    fn ends_by_itself(&mut self, person: &Person) -> bool {
        let end = Instant::now() + PATIENCE;
        if !self.begin(&ToShell::Line(b" builtin kill -HUP $$")) {
            return false;
        }
        while Instant::now() < end {
            self.types(b"");
            // Nobody looks any more.
            idle_output(&self.pty.master, &self.output);
            if matches!(self.pending(person), Some(Event::Ended(_))) {
                return true;
            }
            let mut events = [PollFd::new(self.arrivals.descriptor(), PollFlags::POLLIN)];
            let _ = poll(&mut events, PollTimeout::try_from(LOOKS).unwrap_or(PollTimeout::ZERO));
        }
        false
    }
}
