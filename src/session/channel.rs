//! The pipes between the front end and the shell inside: requests and lines in, answers out.
//!
//! Owns saying and hearing on them. Must not believe what is heard, nor be held up by a shell that does not read.

use super::inner::message::{FromShell, Messages, ToShell};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a shell may take to make room for what is said to it.
const ROOM: Duration = Duration::from_secs(2);

/// The pipes to the shell; the completions of the editor use them too.
#[derive(Debug)]
pub struct Channel {
    to: OwnedFd,
    from: OwnedFd,
    messages: Messages,
}

impl Channel {
    /// With our ends of the pipes.
    pub fn new(to: OwnedFd, from: OwnedFd) -> Channel {
        // A shell that does not read must not hold the front end.
        for end in [&to, &from] {
            let _ = fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        }
        Channel { to, from, messages: Messages::default() }
    }

    /// Says something; whether it could be said.
    pub fn say(&self, message: &ToShell<'_>) -> bool {
        let Some(bytes) = message.encode() else { return false };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match write(&self.to, rest) {
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::EAGAIN) => {
                    let mut room = [PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)];
                    match poll(&mut room, PollTimeout::try_from(ROOM).unwrap_or(PollTimeout::ZERO)) {
                        Ok(1..) | Err(nix::errno::Errno::EINTR) => {}
                        _ => return false,
                    }
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// What to poll for reading.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    /// What the shell has said completely. What cannot be understood is dropped: it is the shell's own harm.
    pub fn heard(&mut self) -> Option<FromShell> {
        loop {
            match self.messages.next_message() {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(_) => self.messages = Messages::default(),
            }
            let mut buffer = [0; 4096];
            match read(&self.from, &mut buffer) {
                Ok(length @ 1..) => self.messages.feed(buffer.get(..length).unwrap_or_default()),
                Err(nix::errno::Errno::EINTR) => {}
                _ => return None,
            }
        }
    }

    /// Asks the shell, which waits for requests, and waits for its answer at most so long.
    pub fn ask<T>(
        &mut self,
        question: &ToShell<'_>,
        patience: Duration,
        mut answer: impl FnMut(FromShell) -> Option<T>,
    ) -> Option<T> {
        if !self.say(question) {
            return None;
        }
        let end = Instant::now() + patience;
        loop {
            while let Some(message) = self.heard() {
                if let Some(answer) = answer(message) {
                    return Some(answer);
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut answers = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
            match poll(&mut answers, timeout) {
                Ok(0) => return None,
                // The shell is gone, and has said all that it will.
                Ok(_) if answers.first().and_then(PollFd::revents) == Some(PollFlags::POLLHUP) => {
                    return None;
                }
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_the_answer_of_a_shell_that_is_gone() {
        let (_lines, to) = nix::unistd::pipe().unwrap();
        let (from, answers) = nix::unistd::pipe().unwrap();
        let mut channel = Channel::new(to, from);
        write(&answers, b"S\x000\0").unwrap();
        drop(answers);
        let begun = Instant::now();
        assert!(channel.ask(&ToShell::Known(&[b"ls"]), Duration::from_secs(600), |_| None::<()>).is_none());
        assert!(begun.elapsed() < Duration::from_secs(300));
    }

    #[test]
    fn a_shell_that_does_not_read_does_not_hold_the_front_end() {
        let (_lines, to) = nix::unistd::pipe().unwrap();
        let (from, _answers) = nix::unistd::pipe().unwrap();
        let channel = Channel::new(to, from);
        assert!(channel.say(&ToShell::Line(b"short")));
        assert!(!channel.say(&ToShell::Line(&vec![b'x'; 1 << 20])));
    }
}
