//! What runs outside of the session on the person's own terminal: a program that has no shim inside, and a line that a person
//! wants to run again without a boundary.
//!
//! Owns the process, and that the directory is the one that the person was shown. Must not decide that anything runs.

use super::Session;
use crate::pipeline::journal::Journal;
use crate::pipeline::outside::{self, Program};
use crate::pipeline::{Stop, shells, watched};
use crate::report;
use crate::run::front;
use crate::system::process::{self, Change, Fork};
use crate::system::signals;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::wait::WaitPidFlag;
use nix::unistd::Pid;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory that the shell inside said it is in, held: whatever becomes of its name, it stays this one.
#[derive(Debug)]
pub(super) struct Place(OwnedFd);

impl Place {
    /// By its name; and the name that the kernel has for it.
    pub(super) fn hold(path: &Path) -> Option<(Place, PathBuf)> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let held = Place(open(path, flags, Mode::empty()).ok()?);
        let name = held.name()?;
        Some((held, name))
    }

    fn name(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/self/fd/{}", self.0.as_raw_fd())).ok()
    }

    /// Goes there, if it still has this name: the person was shown that.
    fn enter(&self, shown: &Path) -> Result<(), Stop> {
        let moved = || {
            let text = format!("'{}' was moved meanwhile; nothing was run", shown.display());
            Stop::Failed(text, crate::exit::REFUSED)
        };
        if self.name().as_deref() != Some(shown) {
            return Err(moved());
        }
        nix::unistd::fchdir(&self.0).map_err(std::io::Error::from)?;
        Ok(())
    }
}

impl Session<'_> {
    /// Runs a program, or a text in a shell of its own, outside on the person's terminal; its status.
    pub(super) fn outside(&mut self, program: Option<&Program>, text: &[u8], journal: &Journal) -> i32 {
        // One thread alone may start a process that goes on as this one.
        self.watcher = None;
        self.editor.rest();
        self.person.give_back();
        let status = match process::fork() {
            Ok(Fork::Parent(child)) => wait(child),
            Ok(Fork::Child) => {
                let status = self.leave(program, text, journal).unwrap_or_else(|stop| stop.report());
                process::exit_now(status);
            }
            Err(error) => {
                report::failure(&format!("cannot start a process: {}", error.desc()));
                crate::exit::REFUSED
            }
        };
        self.person.calm();
        status
    }

    /// In a process of its own, which lets go of the terminal's streams while the program runs.
    fn leave(&self, program: Option<&Program>, text: &[u8], journal: &Journal) -> Result<i32, Stop> {
        match &self.place {
            Some(place) => place.enter(&self.directory())?,
            None => std::env::set_current_dir(self.directory())?,
        }
        journal.leaves(program)?;
        let outcome = watched::run(|| {
            signals::restore(self.before);
            match program {
                Some(program) => outside::run(program, &self.prepared, &self.caller),
                None => shells::unconfined(&super::line::as_text(self.started, text), &self.caller),
            }
        })?;
        journal.left(program, outcome.ending);
        Ok(front::end(outcome.ending))
    }
}

/// Waits for a process in our group; stops with it.
fn wait(child: Pid) -> i32 {
    loop {
        match process::change(Some(child), WaitPidFlag::WUNTRACED) {
            Ok(Some(Change::Exited(_, status))) => return status,
            Ok(Some(Change::Signaled(_, signal))) => return 128 + signal,
            Ok(Some(Change::Stopped(_, signal))) => {
                process::stop_by(signal);
                signals::send(child, Signal::SIGCONT as i32);
            }
            Ok(None) | Err(nix::Error::EINTR) => {}
            Err(_) => return crate::exit::REFUSED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_moved_or_replaced_is_not_entered() {
        let top = tempfile::tempdir().unwrap();
        let real = top.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("a")).unwrap();
        let (place, name) = Place::hold(&top.path().join("a")).unwrap();
        assert_eq!(name, real.join("a"));
        std::fs::rename(real.join("a"), real.join("b")).unwrap();
        std::os::unix::fs::symlink("/etc", real.join("a")).unwrap();
        assert!(place.enter(&name).is_err());
        assert!(Place::hold(&real.join("none")).is_none());
    }
}
