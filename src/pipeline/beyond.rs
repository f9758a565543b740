//! Those who can be asked without the caller's terminal, asked for a command: one dialog of it at a time.
//!
//! Owns the turns of its processes: programs that are to run outside, connections and calls are asked about by processes
//! of their own. Must not decide what is asked, nor what an answer means.

use crate::approval::{self, Answer, Approver, Question};
use crate::audit::pen::Pen;
use crate::system::private;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Somebody who can be asked now.
pub struct Beyond {
    speaker: Box<dyn Approver>,
    turn: Option<Turn>,
}

impl Beyond {
    /// The first who is there. Waits while another process of the same command has a dialog.
    pub fn reach(askpass: Option<PathBuf>, writable_roots: &[PathBuf], pen: &Pen) -> Beyond {
        let speaker = approval::speakers_beyond_terminal(askpass, writable_roots);
        // The console has a list of its own.
        let state = pen.log().and_then(|log| log.path().parent()).filter(|_| speaker.who() == "askpass");
        let turn = state.and_then(|state| Turn::take(state, &pen.id));
        Beyond { speaker, turn }
    }

    /// Whether it had to wait: the same may have been answered meanwhile.
    pub fn has_waited(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.waited)
    }

    /// Whether it is anybody.
    pub fn is_somebody(&self) -> bool {
        self.speaker.who() != "nobody"
    }

    /// The word for it in the log.
    pub fn who(&self) -> &'static str {
        self.speaker.who()
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, question: &Question) -> Answer {
        question.if_offered(self.speaker.ask(question))
    }
}

/// The turn of one command's processes; given up when it is dropped, or by the kernel.
struct Turn {
    _file: File,
    waited: bool,
}

/// One file for all commands, each with a byte of its own, so that none is left behind.
const FILE: &str = "askpass.turn";

impl Turn {
    /// `None` where it cannot be had: better asked at the same time than not at all.
    fn take(state: &Path, command: &str) -> Option<Turn> {
        let _ = private::directories(state, 0o700);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW);
        let file = options.open(state.join(FILE)).ok()?;
        let mut hasher = DefaultHasher::new();
        command.hash(&mut hasher);
        let place = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: libc::off_t::try_from(hasher.finish() >> 2).ok()?,
            l_len: 1,
            l_pid: 0,
        };
        // By what was opened, not by the process: those who ask came from one another.
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&place)) {
            Ok(_) => return Some(Turn { _file: file, waited: false }),
            Err(Errno::EAGAIN | Errno::EACCES) => {}
            Err(_) => return None,
        }
        loop {
            match fcntl(&file, FcntlArg::F_OFD_SETLKW(&place)) {
                Ok(_) => return Some(Turn { _file: file, waited: true }),
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_has_one_turn_and_others_have_theirs() {
        let top = tempfile::tempdir().unwrap();
        let state = top.path().join("state");
        let first = Turn::take(&state, "a").unwrap();
        assert!(!first.waited && !Turn::take(&state, "b").unwrap().waited);
        let second = std::thread::scope(|scope| {
            let second = scope.spawn(|| Turn::take(&state, "a").unwrap());
            let waits = || {
                let locks = std::fs::read_to_string("/proc/locks").unwrap();
                locks.lines().any(|line| line.contains("-> OFDLCK"))
            };
            while !waits() {
                std::thread::yield_now();
            }
            drop(first);
            second.join().unwrap()
        });
        assert!(second.waited);
    }
}
