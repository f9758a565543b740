//! The caretaker: looks after a run that its front cannot look after any more.
//!
//! Owns the sweep for a front that was killed or that ended while jobs live on. It is in a session of its own, so a
//! kill of the caller's process group does not reach it, and holds none of the caller's descriptors. A front that
//! ends with nothing left dismisses it.

use super::sweep::{self, Watch};
use crate::system::{descriptors, process, signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The front's hold on its caretaker.
#[derive(Debug)]
pub struct Caretaker {
    pid: Pid,
    leash: OwnedFd,
}

/// What is written into the leash by a front that has done everything itself.
const DISMISSED: u8 = b'd';

/// Starts the caretaker. `alive` ends when nothing lives inside any more.
///
/// # Errors
/// What pipe(2) and fork(2) give.
pub fn start(watch: &Watch, alive: &OwnedFd) -> nix::Result<Caretaker> {
    let (reader, leash) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    match process::fork()? {
        process::Fork::Parent(pid) => Ok(Caretaker { pid, leash }),
        process::Fork::Child => {
            let _ = nix::unistd::setsid();
            let mut kept = [reader.as_raw_fd(), alive.as_raw_fd()];
            kept.sort_unstable();
            descriptors::close_all_but(&kept);
            care(watch, &reader, alive);
            process::exit_now(0)
        }
    }
}

impl Caretaker {
    /// The front has swept; nothing is left. The process that is told must be reaped, so that no zombie stays behind
    /// where nobody collects orphans.
    pub fn dismiss(self) -> Pid {
        // A byte for this one and one for a successor, whoever reads first.
        let _ = nix::unistd::write(&self.leash, &[DISMISSED, DISMISSED]);
        self.pid
    }
}

fn care(watch: &Watch, leash: &OwnedFd, alive: &OwnedFd) {
    if wait_end(leash) == Some(DISMISSED) {
        return;
    }
    // The front is gone. Jobs may go on for days: until they end, only a successor that nobody's process tree
    // leads to waits for them.
    wait_end(alive);
    let _ = sweep::sweep(watch);
}

/// Waits until a byte comes or the other side is closed. A TERM to this process means that somebody kills the
/// caller's tree process by process: a successor without a parent goes on, because it is in no list made before.
fn wait_end(end: &OwnedFd) -> Option<u8> {
    let Ok(arrivals) = signals::Arrivals::new() else { return None };
    let mut has_successor = false;
    loop {
        let mut events = [
            PollFd::new(end.as_fd(), PollFlags::POLLIN),
            PollFd::new(arrivals.descriptor(), PollFlags::POLLIN),
        ];
        if poll(&mut events, PollTimeout::NONE).is_err() {
            continue;
        }
        while let Some(signal) = arrivals.next() {
            if signal == libc::SIGTERM && !has_successor {
                has_successor = succeed();
            }
        }
        if events.first().and_then(PollFd::any).unwrap_or(false) {
            let mut byte = [0];
            return match nix::unistd::read(end, &mut byte) {
                Ok(1) => byte.first().copied(),
                _ => None,
            };
        }
    }
}

/// Hands on to an orphan: the grandchild returns true and goes on; so does this process, which will be killed.
fn succeed() -> bool {
    match process::fork() {
        Ok(process::Fork::Parent(child)) => {
            process::reap(child);
            true
        }
        Ok(process::Fork::Child) => match process::fork() {
            Ok(process::Fork::Child) => true,
            _ => process::exit_now(0),
        },
        Err(_) => false,
    }
}
