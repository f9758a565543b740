//! The person's terminal in the front end's hands: raw while a line runs, as it was at every other time.
//!
//! Owns its settings and writing to it. Must not give it to anybody else.

use crate::system::pty;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::Winsize;
use nix::sys::stat::Mode;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use nix::unistd::{read, write};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a terminal may take to say where its cursor is, if it says so at all; a slow connection's way there and back.
const PATIENCE: Duration = Duration::from_millis(1000);

/// The controlling terminal, in whose foreground this process is.
#[derive(Debug)]
pub struct Person {
    file: OwnedFd,
    before: Termios,
}

impl Person {
    /// The terminal, if this process is in its foreground and it knows its size.
    pub fn here() -> Option<Person> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = open("/dev/tty", flags, Mode::empty()).ok()?;
        if nix::unistd::tcgetpgrp(&file) != Ok(nix::unistd::getpgrp()) {
            return None;
        }
        pty::size(&file)?;
        let before = termios::tcgetattr(&file).ok()?;
        Some(Person { file, before })
    }

    /// Its settings as they were found.
    pub fn settings(&self) -> &Termios {
        &self.before
    }

    /// Its size.
    pub fn size(&self) -> Option<Winsize> {
        pty::size(&self.file)
    }

    /// What to poll for keys.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Every key comes as it is, and everything written is shown as it is.
    pub fn raw(&self) {
        let mut raw = self.before.clone();
        termios::cfmakeraw(&mut raw);
        let _ = termios::tcsetattr(&self.file, SetArg::TCSANOW, &raw);
    }

    /// Between lines: what is written is shown as whole lines, and keys wait, unseen, for whoever reads them next.
    pub fn calm(&self) {
        let mut calm = self.before.clone();
        calm.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        let _ = termios::tcsetattr(&self.file, SetArg::TCSANOW, &calm);
    }

    /// As it was found.
    pub fn give_back(&self) {
        let _ = termios::tcsetattr(&self.file, SetArg::TCSANOW, &self.before);
    }

    /// Shows bytes; waits where the terminal is slow.
    pub fn show(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match write(&self.file, rest) {
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::EAGAIN) => {
                    let _ =
                        poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
                }
                Err(_) => return,
            }
        }
    }

    /// Keys that have come.
    ///
    /// # Errors
    /// What read(2) gives; an end is EIO.
    pub fn keys(&self, buffer: &mut [u8]) -> nix::Result<usize> {
        match read(&self.file, buffer) {
            Ok(0) => Err(nix::errno::Errno::EIO),
            other => other,
        }
    }

    /// Asks it for its cursor, as the line editor will.
    pub fn ask(&self) {
        self.raw();
        self.show(b"\x1b[6n");
    }

    /// Waits for its answer to what it was asked; it is asked once. Keys come on the same way, so those that came until
    /// then are handed on.
    pub fn answers(&self) -> Said {
        let end = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        let answer = loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut events = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match poll(&mut events, timeout) {
                Ok(0) => break None,
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(_) => break None,
            }
            let mut buffer = [0; 256];
            let Ok(length) = self.keys(&mut buffer) else { break None };
            said.extend(buffer.get(..length).unwrap_or_default());
            let answer = find_answer(&said);
            if answer.is_some() {
                break answer;
            }
        };
        self.give_back();
        let answered = answer.is_some();
        answer.into_iter().for_each(|place| drop(said.drain(place)));
        Said { answered, typed: said }
    }
}

/// What came from a terminal that was asked for its cursor.
#[derive(Debug)]
pub struct Said {
    /// It answered.
    pub answered: bool,
    /// The keys that came before, without the answer.
    pub typed: Vec<u8>,
}

/// Where in it a cursor's position stands: `ESC [ row ; column R`.
fn find_answer(said: &[u8]) -> Option<Range<usize>> {
    said.windows(2).enumerate().filter(|(_, pair)| pair == b"\x1b[").find_map(|(at, _)| {
        let rest = said.get(at + 2..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        (length > 2 && rest.get(length) == Some(&b'R')).then(|| at..at + 2 + length + 1)
    })
}

impl Drop for Person {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_among_keys() {
        assert_eq!(find_answer(b"\x1b[12;1R"), Some(0..7));
        assert_eq!(find_answer(b"ls\x1b[A\x1b[1;80Rx"), Some(5..12));
        assert_eq!([&b"\x1b[12;1"[..], b"12;1R", b"\x1b[R"].map(find_answer), [None, None, None]);
    }
}
