//! The answering side of the approver console: the socket, who asks, and the queue. Owns no terminal.

use super::{LONGEST_QUESTION, READING, SOCKET, call, directory, tell, wire};
use crate::approval::question::{Answer, Question};
use crate::system::peer;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// More connections than this are closed at once.
const MOST_CONNECTIONS: usize = 512;

/// Why no console can be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Somebody has it.
    #[error("the approver console is open already: {0}")]
    Busy(String),
    /// No private directory.
    #[error("there is no directory that is this user's alone, neither in XDG_RUNTIME_DIR nor in /tmp")]
    NoPlace,
    /// A call failed.
    #[error("cannot open the approver console in '{place}': {cause}")]
    System {
        /// The directory.
        place: String,
        /// The cause.
        cause: io::Error,
    },
}

/// The socket and the queue. Dropping it closes every question unanswered, which is a no.
#[derive(Debug)]
pub struct Desk {
    listener: UnixListener,
    path: PathBuf,
    receiving: Vec<Receiving>,
    queue: VecDeque<Asked>,
    last: u64,
    // Given back last, when the socket is gone.
    _lock: Flock<File>,
}

#[derive(Debug)]
struct Receiving {
    stream: UnixStream,
    process: i32,
    bytes: Vec<u8>,
    since: Instant,
}

/// One question with everyone who waits for its answer.
#[derive(Debug)]
pub struct Asked {
    /// Its number; no other question has it.
    pub number: u64,
    /// The question.
    pub question: Question,
    process: i32,
    streams: Vec<UnixStream>,
}

impl Asked {
    /// How many wait for the answer.
    pub fn askers(&self) -> usize {
        self.streams.len()
    }

    /// Whether an answer to this question is one to that, which the same process asks: another connection of one
    /// command to one host.
    fn answers(&self, question: &Question, process: i32) -> bool {
        self.process == process
            && self.question.target.is_some()
            && self.question.target == question.target
            && self.question.kind == question.kind
            && self.question.command == question.command
            && self.question.choices == question.choices
    }
}

impl Desk {
    /// Opens this user's console.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn open() -> Result<Desk, DeskError> {
        Desk::open_in(&directory().ok_or(DeskError::NoPlace)?)
    }

    pub(super) fn open_in(directory: &Path) -> Result<Desk, DeskError> {
        let system = |cause: io::Error| DeskError::System { place: directory.display().to_string(), cause };
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file =
            OpenOptions::new().read(true).custom_flags(flags.bits()).open(directory).map_err(system)?;
        let path = directory.join(SOCKET);
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => return Err(DeskError::Busy(holder(&path))),
            Err((_, error)) => return Err(system(error.into())),
        };
        // Whoever holds the lock is the only console: a socket that is there now was left behind.
        if let Ok(found) = fs::symlink_metadata(&path) {
            if !found.file_type().is_socket() {
                return Err(system(io::Error::other(format!("'{SOCKET}' is no socket; remove it"))));
            }
            fs::remove_file(&path).map_err(system)?;
        }
        let listener = UnixListener::bind(&path).map_err(system)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(system)?;
        listener.set_nonblocking(true).map_err(system)?;
        let (receiving, queue) = (Vec::new(), VecDeque::new());
        Ok(Desk { listener, path, receiving, queue, last: 0, _lock: lock })
    }

    /// What to wait for before the next turn.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all = vec![self.listener.as_fd()];
        all.extend(self.receiving.iter().map(|receiving| receiving.stream.as_fd()));
        all.extend(self.queue.iter().flat_map(|asked| &asked.streams).map(AsFd::as_fd));
        all
    }

    /// Whether a question is still being received, which has a limit in time.
    pub fn is_receiving(&self) -> bool {
        !self.receiving.is_empty()
    }

    /// Takes in what came and lets go of who went; never waits. Gives the numbers of new questions.
    pub fn turn(&mut self) -> Vec<u64> {
        self.accept();
        let mut new = Vec::new();
        for mut receiving in std::mem::take(&mut self.receiving) {
            match receiving.read() {
                Progress::More if receiving.since.elapsed() < READING => self.receiving.push(receiving),
                Progress::More | Progress::End => {}
                Progress::Complete(question) => new.extend(self.enter(*question, receiving)),
            }
        }
        for asked in &mut self.queue {
            asked.streams.retain(still_waits);
        }
        self.queue.retain(|asked| !asked.streams.is_empty());
        new
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let open = self.receiving.len() + self.queue.iter().map(Asked::askers).sum::<usize>();
            let Ok(process) = peer::same_user_and_place(&stream) else { continue };
            if open < MOST_CONNECTIONS && stream.set_nonblocking(true).is_ok() {
                let since = Instant::now();
                self.receiving.push(Receiving { stream, process, bytes: Vec::new(), since });
            }
        }
    }

    /// Puts a question into the queue; its number if it is a new one.
    fn enter(&mut self, question: Question, receiving: Receiving) -> Option<u64> {
        let Receiving { stream, process, .. } = receiving;
        if let Some(asked) = self.queue.iter_mut().find(|asked| asked.answers(&question, process)) {
            asked.streams.push(stream);
            return None;
        }
        self.last += 1;
        self.queue.push_back(Asked { number: self.last, question, process, streams: vec![stream] });
        Some(self.last)
    }

    /// The question whose turn it is.
    pub fn front(&self) -> Option<&Asked> {
        self.queue.front()
    }

    /// A question by its number.
    pub fn question(&self, number: u64) -> Option<&Question> {
        self.queue.iter().find(|asked| asked.number == number).map(|asked| &asked.question)
    }

    /// How many questions there are.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Answers the question whose turn it is.
    pub fn answer(&mut self, answer: &Answer) {
        let Some(asked) = self.queue.pop_front() else { return };
        for stream in asked.streams {
            // Who has gone needs no answer; a few bytes always fit.
            let _ = tell(&stream, wire::answer_line(answer).as_bytes());
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

enum Progress {
    More,
    Complete(Box<Question>),
    End,
}

impl Receiving {
    fn read(&mut self) -> Progress {
        let mut bytes = [0_u8; 65_536];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Progress::End,
                Ok(length) => self.bytes.extend_from_slice(bytes.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::More,
                Err(_) => return Progress::End,
            }
            if let Some(line) = self.bytes.strip_suffix(b"\n") {
                return wire::question(line)
                    .map_or(Progress::End, |question| Progress::Complete(Box::new(question)));
            }
            if self.bytes.len() > LONGEST_QUESTION {
                return Progress::End;
            }
        }
    }
}

/// Whether the asker is still there: it says nothing more, so whatever comes is its end.
fn still_waits(stream: &UnixStream) -> bool {
    let mut waited = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut waited, PollTimeout::ZERO), Ok(0) | Err(Errno::EINTR))
}

/// Who has the console.
fn holder(path: &Path) -> String {
    let process = call(path).and_then(|stream| peer::same_user_and_place(&stream));
    let Ok(process) = process else { return "another process of this user is just opening it".to_owned() };
    let terminal = fs::read_link(format!("/proc/{process}/fd/0")).ok();
    match terminal.filter(|path| path.starts_with("/dev")) {
        Some(terminal) => format!("process {process} on {} has it", terminal.display()),
        None => format!("process {process} has it"),
    }
}
