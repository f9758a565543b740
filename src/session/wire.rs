//! What the front end and the run behind it say to each other: questions and their answers, what was refused, and "I have
//! heard all so far". Lines of JSON over a socket that nothing inside has.
//!
//! Owns the messages and both ends. Must not decide an answer. The other end is ours and is believed.

use crate::approval::{Answer, Approver, Question};
use crate::gatekeeper::Violation;
use crate::run::Blocked;
use crate::system::sockets;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// Something was refused inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// A call.
    Call(Violation),
    /// A connection.
    Connection(Blocked),
    /// A program that was to run outside, where nobody heard of it.
    Program(String),
}

/// To the front end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ToFrontEnd {
    /// A question, which waits.
    Ask(Box<Question>),
    /// Something was refused.
    Refused(Refused),
    /// A line for the person.
    Tell(String),
    /// Everything that was refused before this was asked for has been said.
    Quiet(u64),
}

/// From the front end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToRun {
    /// To the question.
    Answer(Answer),
    /// The person opened this directory for the rest of the session.
    Open(PathBuf),
    /// Say this back when everything has been said. A line has ended.
    Quiet(u64),
}

/// One end.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    partial: Vec<u8>,
    over: bool,
}

impl Wire {
    /// Over this socket.
    ///
    /// # Errors
    /// What fcntl(2) gives.
    pub fn new(stream: UnixStream) -> std::io::Result<Wire> {
        stream.set_nonblocking(true)?;
        Ok(Wire { stream, partial: Vec::new(), over: false })
    }

    /// What to poll for reading; nothing once the other end is gone.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (!self.over).then(|| self.stream.as_fd())
    }

    /// Sends a message; waits where there is no room. One that cannot be sent ends the line: the other end may wait for
    /// it, and hears of that.
    pub fn send(&self, message: &impl Serialize) {
        let Ok(mut line) = serde_json::to_vec(message) else { return };
        line.push(b'\n');
        if sockets::write_all_waiting(&self.stream, &line).is_err() {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    /// The next message that has come completely.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            if let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.partial.drain(..=end).collect();
                match serde_json::from_slice(&line) {
                    Ok(message) => return Some(message),
                    Err(_) => continue,
                }
            }
            let mut buffer = [0; 4096];
            match (&self.stream).read(&mut buffer) {
                Ok(0) => self.over = true,
                Ok(length) => {
                    self.partial.extend(buffer.get(..length).unwrap_or_default());
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.over = true,
            }
            return None;
        }
    }

    fn wait(&self, wanted: PollFlags) {
        let _ = poll(&mut [PollFd::new(self.stream.as_fd(), wanted)], PollTimeout::NONE);
    }
}

/// The end of the run behind the front end.
#[derive(Debug)]
pub struct RunEnd {
    wire: Wire,
    /// What is to be said back.
    quiet: Option<u64>,
    opened: Vec<PathBuf>,
}

impl RunEnd {
    /// Over this wire.
    pub fn new(wire: Wire) -> RunEnd {
        RunEnd { wire, quiet: None, opened: Vec::new() }
    }

    /// What to poll for reading.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.wire.descriptor()
    }

    /// Reads what has come.
    pub fn attend(&mut self) {
        while let Some(message) = self.wire.hear() {
            let _ = self.take(message);
        }
    }

    /// An answer is for whoever asked.
    fn take(&mut self, message: ToRun) -> Option<Answer> {
        match message {
            ToRun::Answer(answer) => return Some(answer),
            ToRun::Quiet(number) => self.quiet = Some(number),
            ToRun::Open(directory) => self.opened.push(directory),
        }
        None
    }

    /// Directories that the person opened since this was asked.
    pub fn opened(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.opened)
    }

    /// Everything has been said; whether a line was over that was waited for.
    pub fn be_quiet(&mut self) -> bool {
        let quiet = self.quiet.take();
        if let Some(number) = quiet {
            self.wire.send(&ToFrontEnd::Quiet(number));
        }
        quiet.is_some()
    }

    /// Says something.
    pub fn say(&self, message: &ToFrontEnd) {
        self.wire.send(message);
    }
}

impl Approver for RunEnd {
    fn ask(&mut self, question: &Question) -> Answer {
        self.wire.send(&ToFrontEnd::Ask(Box::new(question.clone())));
        loop {
            match self.wire.hear() {
                Some(message) => {
                    if let Some(answer) = self.take(message) {
                        return answer;
                    }
                }
                None if self.wire.over => return Answer::nobody("answers any more: the session ended"),
                None => self.wire.wait(PollFlags::POLLIN),
            }
        }
    }

    fn who(&self) -> &'static str {
        "session"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Wire, RunEnd) {
        let (near, far) = UnixStream::pair().unwrap();
        (Wire::new(near).unwrap(), RunEnd::new(Wire::new(far).unwrap()))
    }

    #[test]
    fn a_question_is_answered_and_what_came_before_is_not_forgotten() {
        let (mut front, mut run) = pair();
        front.send(&ToRun::Quiet(7));
        let asking = std::thread::spawn(move || {
            let answer = run.ask(&Question::for_test("git push"));
            run.attend();
            run.be_quiet();
            answer
        });
        let asked = loop {
            match front.hear() {
                Some(ToFrontEnd::Ask(question)) => break question,
                _ => front.wait(PollFlags::POLLIN),
            }
        };
        assert_eq!(asked.command, b"git push");
        front.send(&ToRun::Answer(Answer::Session));
        assert_eq!(asking.join().unwrap(), Answer::Session);
        front.wait(PollFlags::POLLIN);
        assert!(matches!(front.hear(), Some(ToFrontEnd::Quiet(7))));
        assert!(front.hear::<ToFrontEnd>().is_none() && front.descriptor().is_none());
    }

    #[test]
    fn nobody_answers_once_the_front_end_is_gone() {
        let (front, mut run) = pair();
        drop(front);
        assert!(run.ask(&Question::for_test("ls")).is_nobodys());
    }
}
