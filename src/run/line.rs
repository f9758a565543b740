//! The front's ends of the lines to the gateway and to the gatekeeper: refusals to be told after the command, questions
//! for the terminal.
//!
//! Owns the reading and the person's turn. Must not decide what is allowed; the other ends, which are ours, are believed.

use super::Blocked;
use crate::broker;
use crate::gatekeeper::{AskedCall, Violation};
use crate::network::desk::{Asked, Reply, ToFront};
use crate::system::sockets;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// What the person is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// About a call.
    Call(AskedCall),
    /// About a program that is to run outside.
    Outside(broker::Asked),
}

/// Somebody at the caller's terminal.
pub trait Speaker {
    /// Whether there is somebody now.
    fn is_there(&self) -> bool;
    /// What was answered to the same before, where that goes on to hold.
    fn recall(&self, question: &Question) -> Option<Reply>;
    /// Keeps an answer, where it goes on to hold.
    fn keep(&mut self, question: &Question, reply: &Reply);
    /// Asks, and waits.
    fn ask(&mut self, question: &Question) -> Reply;
    /// Asks about hosts, all in one question if there are several, and waits; a reply for each.
    fn ask_hosts(&mut self, hosts: &[Asked]) -> Vec<Reply>;
    /// Says something to whoever started the command.
    fn tell(&self, text: &str);
    /// Hears at once what is otherwise told in the end; whether it did, so that nobody needs to keep it.
    fn hear(&self, _said: &ToFront) -> bool {
        false
    }
    /// Whether questions are asked where nothing inside can reach: then nothing needs to stand still meanwhile.
    fn is_apart(&self) -> bool {
        false
    }
    /// Where the speaker itself is spoken to.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Reads what was said to the speaker.
    fn attend(&mut self) {}
    /// Directories that a person opened since this was asked.
    fn opened(&mut self) -> Vec<PathBuf> {
        Vec::new()
    }
    /// Everything that was said so far has been read: for whoever wanted to know.
    fn be_quiet(&mut self) {}
}

/// Most questions that wait; the other end asks one after the other, so more than one means that something is wrong.
const MOST: usize = 16;

/// What was said, in order.
#[derive(Debug, Default)]
pub struct Said {
    /// Connections that were refused.
    pub blocked: Vec<Blocked>,
    /// Calls that were refused.
    pub violations: Vec<Violation>,
    /// Refusals of programs for outside that nobody has heard.
    pub unheard: Vec<String>,
    /// Programs outside, with the names of variables that were set inside and that they do not have.
    pub left_behind: Vec<(PathBuf, String)>,
    /// Repositories that were born.
    pub born: Vec<PathBuf>,
    /// Protected names that a person allowed.
    pub granted: Vec<PathBuf>,
}

/// A line.
pub struct Line {
    /// The socket; gone once the other end is.
    pub stream: Option<UnixStream>,
    partial: Vec<u8>,
    questions: VecDeque<Question>,
    /// Likewise, those that were asked together.
    hosts: VecDeque<Vec<Asked>>,
    /// What was answered and is not handed over yet.
    answers: Vec<u8>,
    /// What was said.
    pub said: Said,
}

impl Line {
    /// Over this socket.
    pub fn new(stream: UnixStream) -> Line {
        let _ = stream.set_nonblocking(true);
        let (partial, questions, hosts, answers, said) = Default::default();
        Line { stream: Some(stream), partial, questions, hosts, answers, said }
    }

    /// Reads what is there; true if a question came with it.
    pub fn listen(&mut self, speaker: &mut dyn Speaker) -> bool {
        let before = self.waiting();
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
            let said = serde_json::from_slice(&line);
            if said.as_ref().is_ok_and(|said| speaker.hear(said)) {
                continue;
            }
            match said {
                Ok(ToFront::Blocked { what, program, advice }) => {
                    self.said.blocked.push(Blocked { what, program, advice });
                }
                Ok(ToFront::Unheard(line)) => self.said.unheard.push(line),
                Ok(ToFront::Violation(violation)) => self.said.violations.push(violation),
                Ok(ToFront::Repository(entry)) => self.said.born.push(entry),
                Ok(ToFront::Granted(path)) => self.said.granted.push(path),
                Ok(ToFront::Ask(hosts)) => self.take_hosts(hosts, speaker),
                Ok(ToFront::AskCall(asked)) => self.take_question(Question::Call(asked), speaker),
                Ok(ToFront::AskOutside(asked)) => self.take_question(Question::Outside(asked), speaker),
                Ok(ToFront::Outside(asked, reply)) => speaker.keep(&Question::Outside(asked), &reply),
                Ok(ToFront::LeftBehind { program, names }) => self.said.left_behind.push((program, names)),
                Ok(ToFront::Notice(text)) => speaker.tell(&text),
                Err(_) => {}
            }
        }
        self.waiting() > before
    }

    fn waiting(&self) -> usize {
        self.questions.len() + self.hosts.len()
    }

    fn has_room(&self, speaker: &dyn Speaker) -> bool {
        speaker.is_there() && self.waiting() < MOST
    }

    fn take_hosts(&mut self, hosts: Vec<Asked>, speaker: &dyn Speaker) {
        if self.has_room(speaker) {
            self.hosts.push_back(hosts);
        } else {
            self.reply(&vec![no_terminal(); hosts.len()]);
        }
    }

    fn take_question(&mut self, question: Question, speaker: &dyn Speaker) {
        if let Some(reply) = speaker.recall(&question) {
            self.reply(&reply);
        } else if self.has_room(speaker) {
            self.questions.push_back(question);
        } else {
            self.reply(&no_terminal());
        }
    }

    /// Asks what waits to be asked. Everything inside is stopped, or cannot reach the person.
    pub fn ask(&mut self, speaker: &mut dyn Speaker) {
        while let Some(question) = self.questions.pop_front() {
            // Another line may have asked the same meanwhile.
            let reply = speaker.recall(&question).unwrap_or_else(|| speaker.ask(&question));
            speaker.keep(&question, &reply);
            self.answers.extend(text(&reply));
        }
        while let Some(hosts) = self.hosts.pop_front() {
            self.answers.extend(text(&speaker.ask_hosts(&hosts)));
        }
    }

    /// Hands over what was answered.
    pub fn answer(&mut self) {
        let answers = std::mem::take(&mut self.answers);
        self.write(&answers);
    }

    /// The command has ended: reads what was said before, and leaves questions unanswered.
    pub fn hang_up(&mut self, speaker: &mut dyn Speaker) -> Said {
        self.listen(speaker);
        self.stream = None;
        std::mem::take(&mut self.said)
    }

    fn reply(&mut self, reply: &impl Serialize) {
        self.write(&text(reply));
    }

    fn write(&mut self, text: &[u8]) {
        // Few short lines: there is room for them in the socket. Who asks and gets no answer must not wait for it.
        self.stream.take_if(|stream| sockets::write_all(stream, text).is_err());
    }
}

fn text(reply: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(reply).unwrap_or_default();
    text.push(b'\n');
    text
}

fn no_terminal() -> Reply {
    Reply::Nobody("there is no terminal to ask on".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};

    struct Person(bool);

    impl Speaker for Person {
        fn is_there(&self) -> bool {
            self.0
        }
        fn recall(&self, _question: &Question) -> Option<Reply> {
            None
        }
        fn keep(&mut self, _question: &Question, _reply: &Reply) {}
        fn ask(&mut self, question: &Question) -> Reply {
            match question {
                Question::Outside(asked) => Reply::No(asked.why.clone()),
                Question::Call(asked) => Reply::No(asked.violation.path.clone()),
            }
        }
        fn ask_hosts(&mut self, hosts: &[Asked]) -> Vec<Reply> {
            hosts.iter().map(|asked| Reply::No(asked.host.clone())).collect()
        }
        fn tell(&self, _text: &str) {}
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
            let (mut line, mut person) = (Line::new(near), Person(there));
            say(&mut far, &ToFront::Blocked { what: "x".into(), program: None, advice: None });
            let host = |name: &str| Asked { host: name.into(), port: 1, program: None };
            say(&mut far, &ToFront::Ask(vec![host("h"), host("i")]));
            assert_eq!(line.listen(&mut person), there);
            // What else comes while the question waits is no second one.
            say(&mut far, &ToFront::Blocked { what: "y".into(), program: None, advice: None });
            assert!(!line.listen(&mut person));
            line.ask(&mut person);
            line.answer();
            let mut answer = String::new();
            BufReader::new(&far).read_line(&mut answer).unwrap();
            let replies: Vec<Reply> = serde_json::from_str(&answer).unwrap();
            let no = [Reply::No("h".into()), Reply::No("i".into())];
            assert_eq!(replies, if there { no } else { [no_terminal(), no_terminal()] });
            let blocked = line.hang_up(&mut person).blocked;
            assert_eq!(blocked.iter().map(|b| b.what.as_str()).collect::<Vec<_>>(), ["x", "y"]);
        }
    }
}
