//! The front's end of the line to the gateway: refusals to be told after the command, questions for the terminal.
//!
//! Owns the reading and the person's turn. Must not decide what is allowed; the gateway, which is ours, is believed.

use crate::network::desk::{Asked, Reply, ToFront};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// Somebody at the caller's terminal.
pub trait Speaker {
    /// Whether there is somebody now.
    fn is_there(&self) -> bool;
    /// Asks, and waits.
    fn ask(&mut self, asked: &Asked) -> Reply;
    /// Says something to whoever started the command.
    fn tell(&mut self, text: &str);
}

/// Most questions that wait; the gateway asks one after the other, so more than one means that something is wrong.
const MOST: usize = 16;

/// The line.
pub struct Line<'a> {
    /// The socket; gone once the other end is.
    pub stream: Option<UnixStream>,
    partial: Vec<u8>,
    speaker: Box<dyn Speaker + 'a>,
    questions: VecDeque<Asked>,
    /// What was refused, in order.
    pub blocked: Vec<(String, Option<String>)>,
}

impl<'a> Line<'a> {
    /// Over this socket, with this person.
    pub fn new(stream: UnixStream, speaker: Box<dyn Speaker + 'a>) -> Line<'a> {
        let _ = stream.set_nonblocking(true);
        let (partial, questions, blocked) = (Vec::new(), VecDeque::new(), Vec::new());
        Line { stream: Some(stream), partial, speaker, questions, blocked }
    }

    /// Reads what is there; true if a question came with it.
    pub fn listen(&mut self) -> bool {
        let before = self.questions.len();
        let mut buffer = [0; 4096];
        while let Some(mut stream) = self.stream.as_ref() {
            match stream.read(&mut buffer) {
                Ok(0) => self.stream = None,
                Ok(length) => self.partial.extend(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => self.stream = None,
            }
        }
        while let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(ToFront::Blocked { what, advice }) => self.blocked.push((what, advice)),
                Ok(ToFront::Ask(asked)) if self.speaker.is_there() && self.questions.len() < MOST => {
                    self.questions.push_back(asked);
                }
                Ok(ToFront::Notice(text)) => self.speaker.tell(&text),
                Ok(ToFront::Ask(_)) => self.reply(&Reply::Nobody("there is no terminal to ask on".into())),
                Err(_) => {}
            }
        }
        self.questions.len() > before
    }

    /// Asks what waits to be asked. Everything inside is stopped.
    pub fn ask(&mut self) {
        while let Some(asked) = self.questions.pop_front() {
            let reply = self.speaker.ask(&asked);
            self.reply(&reply);
        }
    }

    /// The command has ended: reads what was said before, and leaves questions unanswered.
    pub fn hang_up(&mut self) -> Vec<(String, Option<String>)> {
        self.listen();
        self.stream = None;
        std::mem::take(&mut self.blocked)
    }

    fn reply(&self, reply: &Reply) {
        if let (Some(mut stream), Ok(mut text)) = (self.stream.as_ref(), serde_json::to_vec(reply)) {
            text.push(b'\n');
            // One short line: there is room for it in the socket.
            let _ = stream.write_all(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    struct Person(bool);

    impl Speaker for Person {
        fn is_there(&self) -> bool {
            self.0
        }
        fn ask(&mut self, asked: &Asked) -> Reply {
            Reply::No(asked.host.clone())
        }
        fn tell(&mut self, _text: &str) {}
    }

    fn say(stream: &mut UnixStream, message: &ToFront) {
        let mut text = serde_json::to_vec(message).unwrap();
        text.push(b'\n');
        for part in text.chunks(7) {
            stream.write_all(part).unwrap();
        }
    }

    #[test]
    fn refusals_are_kept_and_questions_are_answered_by_whoever_is_there() {
        for there in [true, false] {
            let (near, mut far) = UnixStream::pair().unwrap();
            let mut line = Line::new(near, Box::new(Person(there)));
            say(&mut far, &ToFront::Blocked { what: "x".into(), advice: None });
            say(&mut far, &ToFront::Ask(Asked { host: "h".into(), port: 1, program: None }));
            assert_eq!(line.listen(), there);
            // What else comes while the question waits is no second one.
            say(&mut far, &ToFront::Blocked { what: "y".into(), advice: None });
            assert!(!line.listen());
            line.ask();
            let mut answer = String::new();
            BufReader::new(&far).read_line(&mut answer).unwrap();
            let reply: Reply = serde_json::from_str(&answer).unwrap();
            assert_eq!(matches!(reply, Reply::No(by) if by == "h"), there);
            assert_eq!(line.hang_up(), [("x".to_owned(), None), ("y".to_owned(), None)]);
        }
    }
}
