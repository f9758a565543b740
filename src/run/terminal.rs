//! The caller's terminal while a command runs: whose process group is in its foreground.
//!
//! Owns giving the foreground back. Job control inside makes groups of its own the foreground one, and knows no
//! number for the caller's group, so it cannot give it back itself. Must never take the foreground from anybody else:
//! a command that the caller continued in the background has no claim to it.

use crate::system::terminal::has_hung_up;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getpgid, getpgrp, getppid, tcgetpgrp, tcsetpgrp};
use std::os::fd::{AsFd, OwnedFd};

/// The controlling terminal, if there is one.
#[derive(Debug)]
pub struct Terminal {
    file: Option<OwnedFd>,
    /// The caller gave the foreground to this process's group, and has not taken it since.
    held: bool,
    /// The group inside that had the foreground when the command was stopped.
    lent: Option<Pid>,
}

impl Terminal {
    /// Looks at the terminal as it is before the command runs.
    pub fn look() -> Terminal {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = open("/dev/tty", flags, Mode::empty()).ok();
        let held = file.as_ref().is_some_and(|file| tcgetpgrp(file) == Ok(getpgrp()));
        Terminal { file, held, lent: None }
    }

    /// An interactive shell waits until it is in the foreground. Inside, the caller's groups have no numbers and all
    /// look like its own, so the inner shell cannot tell: this process waits for it, as the shell would, stopped.
    /// SIGTTIN must not be blocked.
    pub fn await_foreground() {
        let Terminal { file: Some(file), .. } = Terminal::look() else { return };
        // In a group that nobody looks after the signal does nothing; shells give up too.
        for _ in 0..16 {
            if !tcgetpgrp(&file).is_ok_and(|group| group != getpgrp()) {
                return;
            }
            let before = crate::system::process::reset(Signal::SIGTTIN);
            let stopped = nix::sys::signal::killpg(getpgrp(), Signal::SIGTTIN);
            crate::system::process::put_back(Signal::SIGTTIN, before);
            if stopped.is_err() {
                return;
            }
        }
    }

    /// The command was stopped: the foreground goes back before the caller sees it.
    pub fn stopping(&mut self) {
        let Some(file) = &self.file else { return };
        if let Some(group) = tcgetpgrp(file).ok().filter(|group| self.held && *group != getpgrp()) {
            self.lent = Some(group);
        }
        self.take_back();
        self.held = false;
    }

    /// The command was continued: in the foreground, if the caller put it there.
    pub fn continued(&mut self) {
        let Some(file) = &self.file else { return };
        let Ok(group) = tcgetpgrp(file) else { return };
        if group == getpgrp() {
            self.held = true;
            if let Some(lent) = self.lent.take() {
                // SIGTTOU is blocked, so this also works from the background (tcsetpgrp(3)).
                let _ = tcsetpgrp(file, lent);
            }
        } else if getpgid(Some(getppid())) == Ok(group) {
            self.held = false;
        }
    }

    /// Whether it hung up.
    pub fn is_gone(&self) -> bool {
        self.file.as_ref().is_some_and(|file| has_hung_up(file.as_fd()))
    }

    /// Gives the caller's group the foreground again, if it had it.
    pub fn take_back(&self) {
        if let Some(file) = self.file.as_ref().filter(|_| self.held)
            && tcgetpgrp(file).is_ok_and(|group| group != getpgrp() && getpgid(Some(getppid())) != Ok(group))
        {
            let _ = tcsetpgrp(file, getpgrp());
        }
    }
}
