//! Calls of shims inside: each is accepted here and served by a process of its own.
//!
//! Owns those processes and their lines to the front. They are started by the front, because only a process of the
//! caller's session can have programs in the caller's process groups; the caretaker does it for jobs that outlive the
//! front. Must not decide what runs: that is the desk's.

use super::line::{Line, Speaker};
use crate::broker::Desk;
use crate::broker::serve::serve;
use crate::broker::wire::Wire;
use crate::system::visible::visible;
use crate::system::{descriptors, process, signals, sockets};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

/// Most calls at a time; more wait to be accepted.
pub const MOST: usize = 64;

/// Most refusals that are told in the end.
const MOST_UNHEARD: usize = 12;

/// How long those who serve are waited for once nobody is left whom they could serve, in milliseconds.
const GRACE: u128 = 1000;

/// Does something with a desk that asks over this socket.
pub type WithDesk<'a> = dyn Fn(&UnixStream, &mut dyn FnMut(&dyn Desk)) + 'a;

/// Where the calls of one run come in, and who judges them.
pub struct Counter<'a> {
    /// Where they come in.
    pub listener: Option<OwnedFd>,
    /// Ends when nothing lives inside any more.
    pub alive: Option<OwnedFd>,
    /// The environment that the inner shell is started with.
    pub given: Vec<CString>,
    /// The desk.
    pub desk: Box<WithDesk<'a>>,
}

impl Counter<'_> {
    /// The next call that waits.
    pub fn accept(&self) -> Option<OwnedFd> {
        sockets::accept(self.listener.as_ref()?.as_fd()).ok()
    }

    /// Serves a call in a process of its own; its number, and our end of its line. Who cannot be served sees the end of the
    /// connection, and says so.
    pub fn begin(&self, connection: OwnedFd) -> Option<(Pid, UnixStream)> {
        let (near, far) = UnixStream::pair().ok()?;
        match process::fork().ok()? {
            process::Fork::Parent(broker) => Some((broker, near)),
            process::Fork::Child => {
                self.serve(connection, &far);
                process::exit_now(0)
            }
        }
    }

    /// In a process of its own, which holds nothing of the caller's: a job that goes on keeps no pipe open.
    fn serve(&self, connection: OwnedFd, front: &UnixStream) {
        let heard = descriptors::identity(2);
        let Some(alive) = &self.alive else { return };
        let mut kept = [connection.as_raw_fd(), front.as_raw_fd(), alive.as_raw_fd()];
        kept.sort_unstable();
        descriptors::close_all_but(&kept);
        descriptors::fill_standard();
        let mut connection = Some(connection);
        (self.desk)(front, &mut |desk| {
            if let Some(connection) = connection.take() {
                serve(Wire::new(connection, alive), desk, &self.given, heard);
            }
        });
    }
}

/// The calls that the front looks after.
pub struct Calls<'a> {
    counter: Counter<'a>,
    brokers: Vec<(Pid, Line)>,
    unheard: Vec<String>,
    /// Programs of which it was said that they lack variables of the inside.
    told: HashSet<PathBuf>,
}

impl<'a> Calls<'a> {
    /// That come in there.
    pub fn new(counter: Counter<'a>) -> Calls<'a> {
        Calls { counter, brokers: Vec::new(), unheard: Vec::new(), told: HashSet::new() }
    }

    /// What to wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = std::os::fd::BorrowedFd<'_>> {
        let listener = self.counter.listener.iter().filter(|_| self.brokers.len() < MOST).map(AsFd::as_fd);
        listener.chain(self.lines().filter_map(|line| line.stream.as_ref()).map(AsFd::as_fd))
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.brokers.iter().map(|(_, line)| line)
    }

    /// After events: accepts what waits, reads what the brokers say, and collects those that are done; true if a question
    /// came.
    pub fn attend(&mut self, speaker: &mut dyn Speaker) -> bool {
        // No more than so many in one go, also where there is no room for a process and each call ends at once.
        for _ in self.brokers.len()..MOST {
            let Some(connection) = self.counter.accept() else { break };
            let broker = self.counter.begin(connection);
            self.brokers.extend(broker.map(|(broker, line)| (broker, Line::new(line))));
        }
        let mut asked = false;
        for (_, line) in &mut self.brokers {
            asked |= line.listen(speaker);
            self.unheard.append(&mut line.said.unheard);
            for (program, names) in line.said.left_behind.drain(..) {
                let name = program.file_name().unwrap_or_default();
                let name = visible(name.as_bytes());
                if self.told.insert(program) {
                    speaker.tell(&format!(
                        "'{name}' runs outside without {names}: what is set inside goes along only if a person sees it and says yes"
                    ));
                }
            }
        }
        // More would not be read.
        self.unheard.truncate(MOST_UNHEARD);
        // A line ends with the process at its other end.
        self.brokers.retain(|(broker, line)| {
            let over = line.stream.is_none();
            if over {
                process::reap(*broker);
            }
            !over
        });
        asked
    }

    /// Asks what waits to be asked.
    pub fn ask(&mut self, speaker: &mut dyn Speaker) {
        self.brokers.iter_mut().for_each(|(_, line)| line.ask(speaker));
    }

    /// Hands over what was answered.
    pub fn answer(&mut self) {
        self.brokers.iter_mut().for_each(|(_, line)| line.answer());
    }

    /// Refusals that nobody has heard, taken.
    pub fn unheard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unheard)
    }

    /// Nothing lives inside any more: every broker ends by itself, unless it waits for somebody who does not answer.
    pub fn end(self) {
        let begun = Instant::now();
        for (broker, line) in self.brokers {
            if let Some(stream) = &line.stream
                && !ended(stream, GRACE.saturating_sub(begun.elapsed().as_millis()))
            {
                signals::send(broker, libc::SIGKILL);
            }
            process::reap(broker);
        }
    }
}

/// Whether the other end is closed within so many milliseconds.
fn ended(stream: &UnixStream, milliseconds: u128) -> bool {
    let patience = u16::try_from(milliseconds).map_or(PollTimeout::ZERO, PollTimeout::from);
    // What it says is no end.
    let mut events = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    matches!(poll(&mut events, patience), Ok(1..))
}
