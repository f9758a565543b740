//! The approver console `sbshctl approve` as a speaker: questions of one user's commands, answered in one terminal.
//!
//! Owns where the two sides meet and the asking side; `desk` is the answering side, `view` its terminal. They meet at
//! a socket in a directory that is this user's alone and that is hidden inside; each side sees to it that the other is
//! a process of this user in this process namespace. A connection that ends without an answer is a no.

pub mod desk;
mod notify;
mod view;
mod wire;

use super::Approver;
use super::question::{Answer, Question};
use crate::system::{peer, private};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use desk::{Desk, DeskError};
pub use view::attend;

const SOCKET: &str = "console.sock";
/// More than the longest command with everything around it escaped.
const LONGEST_QUESTION: usize = 16 << 20;
const LONGEST_ANSWER: u64 = 256;
/// How long a console may take to read a question.
const READING: Duration = Duration::from_secs(10);
/// Whose answer it is.
const PERSON: &str = "the person at the approver console";

/// The directory in which both sides meet, made if need be; `None` where none can be this user's alone.
pub fn directory() -> Option<PathBuf> {
    let user = nix::unistd::geteuid().as_raw();
    candidates(user).find(|path| private::directory(path, user, 0o700).is_ok())
}

/// Every directory in which a console of this user may listen, whatever its environment says: for hiding them.
pub fn directories() -> Vec<PathBuf> {
    let user = nix::unistd::geteuid().as_raw();
    let mut all: Vec<PathBuf> = directory().into_iter().collect();
    let others = candidates(user).filter(|path| private::is_private(path, user, 0o700));
    others.for_each(|path| {
        if !all.contains(&path) {
            all.push(path);
        }
    });
    all
}

/// Whether a console of this user may listen below one of these directories, by whatever links they are named: whoever may
/// rename what is in one could put another console there.
pub fn lies_below<'d>(mut directories: impl Iterator<Item = &'d Path>) -> bool {
    let user = nix::unistd::geteuid().as_raw();
    let holds_one = |real: PathBuf| {
        let mut places = runtime(user).chain(private::of_user(user));
        places.any(|place| place.starts_with(&real))
    };
    directories.any(|directory| directory.canonicalize().is_ok_and(holds_one))
}

fn runtime(user: u32) -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    named.into_iter().chain([PathBuf::from(format!("/run/user/{user}"))])
}

/// Where the session keeps such things, else in the user's private directory.
fn candidates(user: u32) -> impl Iterator<Item = PathBuf> {
    let runtime = runtime(user)
        .filter(move |path| private::is_private(path, user, 0o700))
        .map(|path| path.join("sbsh"));
    let temporary = private::of_user(user).filter(move |path| private::directory(path, user, 0o700).is_ok());
    runtime.chain(temporary.map(|path| path.join("approve")))
}

/// The person at the console.
#[derive(Debug)]
pub struct Console {
    path: PathBuf,
    patience: Option<Duration>,
}

impl Console {
    /// The console, if one is open and lies where confined code cannot write.
    pub fn reach(writable_roots: &[PathBuf]) -> Option<Console> {
        let directory = directory()?;
        let real = directory.canonicalize().ok()?;
        let reachable = |root: &PathBuf| {
            real.starts_with(root) || root.canonicalize().is_ok_and(|root| real.starts_with(root))
        };
        if writable_roots.iter().any(reachable) {
            return None;
        }
        Console::at(&directory.join(SOCKET))
    }

    fn at(path: &Path) -> Option<Console> {
        call(path).ok()?;
        Some(Console { path: path.to_path_buf(), patience: None })
    }

    /// The same with a limit to how long the person may think, for callers that have one.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Console {
        Console { patience: Some(patience), ..self }
    }

    fn conversation(&self, question: &Question) -> io::Result<Option<Answer>> {
        let stream = call(&self.path)?;
        let line = wire::question_line(question);
        if line.len() > LONGEST_QUESTION {
            return Err(io::Error::other("the question is too long"));
        }
        stream.set_write_timeout(Some(READING))?;
        tell(&stream, line.as_bytes())?;
        stream.set_read_timeout(self.patience)?;
        let mut said = Vec::new();
        (&stream).take(LONGEST_ANSWER).read_to_end(&mut said)?;
        Ok(wire::answer(&said))
    }
}

impl Approver for Console {
    fn who(&self) -> &'static str {
        "console"
    }

    fn ask(&mut self, question: &Question) -> Answer {
        match self.conversation(question) {
            Ok(Some(answer)) => question.if_offered(answer),
            Ok(None) => Answer::nobody("answered: the approver console was closed"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Answer::nobody("answered at the approver console in time")
            }
            Err(error) => Answer::nobody(&format!("could be asked (approver console: {error})")),
        }
    }
}

/// A connection to whoever listens there, if it is a process like us. Never waits: a console that is full is none.
fn call(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let descriptor = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(descriptor.as_raw_fd(), &UnixAddr::new(path)?)?;
    peer::same_user_and_place(&descriptor)?;
    let stream = UnixStream::from(descriptor);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Sends everything; a peer that has gone is an error, not a signal.
fn tell(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(stream.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::Choice;
    use std::time::Instant;

    /// A desk in a place of its own, and what a console there says to these questions.
    fn asked(questions: Vec<Question>, mut attend: impl FnMut(&mut Desk) -> bool) -> Vec<Answer> {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Desk::open_in(place.path()).unwrap();
        let path = place.path().join(SOCKET);
        let asking: Vec<_> = questions
            .into_iter()
            .map(|question| {
                let path = path.clone();
                std::thread::spawn(move || Console { path, patience: None }.ask(&question))
            })
            .collect();
        let end = Instant::now() + Duration::from_secs(30);
        while !attend(&mut desk) {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(2));
            desk.turn();
        }
        drop(desk);
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    }

    #[test]
    fn the_same_host_from_the_same_command_is_one_question() {
        let question = |host| Question::for_test_network("npm i", host, None);
        let answers = asked(vec![question("a.com"), question("a.com"), question("a.com")], |desk| {
            let all = desk.front().is_some_and(|front| front.askers() == 3);
            if all {
                assert_eq!(desk.waiting(), 1);
                desk.answer(&Answer::AlwaysUser);
            }
            all
        });
        assert_eq!(answers, [Answer::AlwaysUser, Answer::AlwaysUser, Answer::AlwaysUser]);
        let closed = Answer::nobody("answered: the approver console was closed");
        let answers = asked(vec![question("a.com"), question("b.com")], |desk| desk.waiting() == 2);
        assert_eq!(answers, [closed.clone(), closed]);
    }

    #[test]
    fn the_question_arrives_as_it_was_and_an_answer_that_was_not_offered_is_no() {
        let mut question = Question::for_test("ls \u{1b}[2J");
        question.command.push(0xff);
        question.choices = vec![Choice::Once];
        let lines = question.lines();
        let answers = asked(vec![question], |desk| match desk.front() {
            Some(front) => {
                assert_eq!(front.question.lines(), lines);
                desk.answer(&Answer::Never { by: String::new() });
                true
            }
            None => false,
        });
        assert_eq!(answers, [Answer::No { by: "the answer 'never' was not offered".to_owned() }]);
    }

    #[test]
    fn an_asker_that_has_gone_is_withdrawn() {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Desk::open_in(place.path()).unwrap();
        let stream = call(&place.path().join(SOCKET)).unwrap();
        tell(&stream, wire::question_line(&Question::for_test("ls")).as_bytes()).unwrap();
        while desk.front().is_none() {
            desk.turn();
        }
        drop(stream);
        while desk.front().is_some() {
            desk.turn();
        }
    }

    #[test]
    fn patience_ends() {
        let place = tempfile::tempdir().unwrap();
        let _desk = Desk::open_in(place.path()).unwrap();
        let console = Console::at(&place.path().join(SOCKET)).unwrap();
        let mut console = console.with_patience(Duration::from_millis(20));
        let answer = console.ask(&Question::for_test("ls"));
        assert_eq!(answer, Answer::nobody("answered at the approver console in time"));
    }

    #[test]
    fn what_is_no_question_is_dropped() {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Desk::open_in(place.path()).unwrap();
        for bytes in [b"{}\n".as_slice(), b"\xff\n", b"{\"kind\":\"x\"}\n", b"\n"] {
            let mut stream = call(&place.path().join(SOCKET)).unwrap();
            tell(&stream, bytes).unwrap();
            stream.set_nonblocking(true).unwrap();
            let mut byte = [0];
            loop {
                desk.turn();
                match stream.read(&mut byte) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    other => break assert!(!matches!(other, Ok(1..)), "{bytes:?}"),
                }
            }
            assert!(desk.front().is_none());
        }
    }

    #[test]
    fn one_console_at_a_time_and_a_stale_socket_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        assert!(Console::at(&place.path().join(SOCKET)).is_none());
        let desk = Desk::open_in(place.path()).unwrap();
        assert!(Console::at(&place.path().join(SOCKET)).is_some());
        let second = Desk::open_in(place.path()).unwrap_err().to_string();
        let expected = format!("the approver console is open already: process {}", std::process::id());
        assert!(second.starts_with(&expected), "{second}");
        drop(desk);
        assert!(!place.path().join(SOCKET).exists());
        drop(std::os::unix::net::UnixListener::bind(place.path().join(SOCKET)).unwrap());
        assert!(Console::at(&place.path().join(SOCKET)).is_none(), "nobody listens");
        let _desk = Desk::open_in(place.path()).unwrap();
        assert!(Console::at(&place.path().join(SOCKET)).is_some());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(SOCKET), "mine").unwrap();
        assert!(Desk::open_in(place.path()).is_err());
        assert_eq!(std::fs::read_to_string(place.path().join(SOCKET)).unwrap(), "mine");
    }
}
