//! The caretaker: looks after a run that its front cannot look after any more.
//!
//! Owns the sweep for a front that was killed or that ended while jobs live on. It is in a session of its own, so a
//! kill of the caller's process group does not reach it, and holds none of the caller's descriptors. A front that
//! ends with nothing left dismisses it.
//!
//! It also is the gatekeeper (`crate::gatekeeper`), whose calls go before everything else, and waits at the doors of the
//! sandbox's network: the first connection starts the gateway.

use super::first::GATE;
use super::sweep::{self, Watch};
use crate::gatekeeper::{Gatekeeper, News, Rules};
use crate::network::desk::ToFront;
use crate::network::setup::Entrances;
use crate::system::{descriptors, process, signals, sockets};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// The front's hold on its caretaker.
#[derive(Debug)]
pub struct Caretaker {
    pid: Pid,
    leash: OwnedFd,
}

/// What is written into the leash by a front that has done everything itself.
const DISMISSED: u8 = b'd';

/// What the caretaker needs to start the gateway.
pub struct Network<'a> {
    /// The sandbox's doors.
    pub entrances: Entrances,
    /// To the front.
    pub line: UnixStream,
    /// The gateway's work, in a process of its own; ends when its last argument says that nothing lives inside.
    pub serve: Serve<'a>,
}

/// The gateway's work.
pub type Serve<'a> = Box<dyn Fn(&Entrances, &UnixStream, &OwnedFd) + 'a>;

/// Starts the caretaker. `alive` ends when nothing lives inside any more.
///
/// # Errors
/// What pipe(2) and fork(2) give.
pub fn start(
    watch: &Watch,
    alive: &OwnedFd,
    network: &Network<'_>,
    link: &UnixStream,
    rules: &dyn Fn() -> Rules,
) -> nix::Result<Caretaker> {
    let (reader, leash) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    match process::fork()? {
        process::Fork::Parent(pid) => Ok(Caretaker { pid, leash }),
        process::Fork::Child => {
            let _ = nix::unistd::setsid();
            keep(&[reader.as_raw_fd(), alive.as_raw_fd(), link.as_raw_fd()], network);
            if let Ok(arrivals) = signals::Arrivals::new() {
                let (rules, born) = (rules(), RefCell::default());
                let gate = Gate { link: Some(link), rules: &rules, keeper: None };
                let mut care =
                    Care { network, alive, arrivals, gateway: None, has_successor: false, gate, born: &born };
                care.attend(watch, &reader);
            }
            process::exit_now(0)
        }
    }
}

fn keep(more: &[RawFd], network: &Network<'_>) {
    let mut kept = network.entrances.numbers();
    kept.push(network.line.as_raw_fd());
    kept.extend(more);
    kept.sort_unstable();
    descriptors::close_all_but(&kept);
    // Or the next descriptors, connections of programs inside, would get the numbers of the standard ones.
    for number in 0..=2 {
        if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null")
            && null.as_raw_fd() == number
        {
            std::mem::forget(null);
        }
    }
}

impl Caretaker {
    /// The front has swept; nothing is left. The process that is told must be reaped, so that no zombie stays behind
    /// where nobody collects orphans.
    pub fn dismiss(self) -> Pid {
        // A byte for this one and one for a successor, whoever reads first.
        let _ = nix::unistd::write(&self.leash, &[DISMISSED, DISMISSED]);
        self.pid
    }
}

struct Care<'a> {
    network: &'a Network<'a>,
    alive: &'a OwnedFd,
    arrivals: signals::Arrivals,
    gateway: Option<Pid>,
    has_successor: bool,
    gate: Gate<'a>,
    /// Repositories that were born, for a sweep of our own.
    born: &'a RefCell<Vec<PathBuf>>,
}

/// The calls of the inside.
struct Gate<'a> {
    /// Where their descriptor comes from; gone once it has come.
    link: Option<&'a UnixStream>,
    rules: &'a Rules,
    keeper: Option<Gatekeeper<'a>>,
}

impl<'a> Gate<'a> {
    /// What to wait for: first the descriptor, then calls.
    fn event(&self) -> Option<PollFd<'_>> {
        let keeper = self.keeper.as_ref().map(Gatekeeper::descriptor);
        let wanted = keeper.or_else(|| self.link.map(AsFd::as_fd));
        wanted.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
    }

    /// After an event.
    fn attend(&mut self, events: PollFlags, network: &'a Network<'a>, born: &'a RefCell<Vec<PathBuf>>) {
        match &mut self.keeper {
            Some(keeper) if events.contains(PollFlags::POLLIN) => keeper.attend(),
            // Nothing is left inside that could call.
            Some(_) => self.keeper = None,
            None => {
                let mut tag = [0; 1];
                let came = self
                    .link
                    .take()
                    .map(|link| sockets::receive_with_descriptors(link.as_raw_fd(), &mut tag));
                if let Some(Ok((_, descriptors))) = came
                    && tag == *GATE
                {
                    let mut descriptors = descriptors.into_iter();
                    self.keeper = descriptors.next().map(|calls| {
                        let tell = Box::new(move |news| tell(&network.line, news, born));
                        Gatekeeper::new(calls, descriptors.next(), self.rules, tell)
                    });
                }
            }
        }
    }
}

/// Tells the front. One that does not read has a full socket: then it is not told, and what holds holds all the same.
fn tell(mut line: &UnixStream, news: News, born: &RefCell<Vec<PathBuf>>) {
    let news = match news {
        News::Violation(violation) => ToFront::Violation(violation),
        News::Repository(entry) => {
            let mut born = born.borrow_mut();
            if born.len() >= MOST_BORN || born.contains(&entry) {
                return;
            }
            born.push(entry.clone());
            ToFront::Repository(entry)
        }
    };
    if let Ok(mut text) = serde_json::to_vec(&news) {
        text.push(b'\n');
        let _ = line.write_all(&text);
    }
}

/// Repositories of one run that are looked at afterwards.
const MOST_BORN: usize = 1000;

impl Care<'_> {
    fn attend(&mut self, watch: &Watch, leash: &OwnedFd) {
        if self.wait_end(leash) != Some(DISMISSED) {
            // The front is gone. Jobs may go on for days: until they end, only a successor that nobody's process tree
            // leads to waits for them.
            self.wait_end(self.alive);
            let watch = Watch { born: self.born.take(), ..watch.clone() };
            let _ = sweep::sweep(&watch);
        }
        // It sees the same end; unless its parent collects it, a zombie stays where nobody collects orphans.
        self.gateway.into_iter().for_each(process::reap);
    }

    /// Waits until a byte comes or the other side is closed. A TERM to this process means that somebody kills the
    /// caller's tree process by process: a successor without a parent goes on, because it is in no list made before.
    fn wait_end(&mut self, end: &OwnedFd) -> Option<u8> {
        loop {
            let mut events = vec![
                PollFd::new(end.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.arrivals.descriptor(), PollFlags::POLLIN),
            ];
            let gate = self.gate.event();
            let gated = gate.is_some();
            events.extend(gate);
            if self.gateway.is_none() {
                let doors = self.network.entrances.doors();
                events.extend(doors.map(|door| PollFd::new(door.as_fd(), PollFlags::POLLIN)));
            }
            if poll(&mut events, PollTimeout::NONE).is_err() {
                continue;
            }
            let mut ready = events.iter().map(|event| event.revents().unwrap_or(PollFlags::empty()));
            let ended = ready.next().is_some_and(|event| !event.is_empty());
            let arrived = ready.next().is_some_and(|event| !event.is_empty());
            let called = if gated { ready.next().filter(|event| !event.is_empty()) } else { None };
            let knocked = ready.any(|event| !event.is_empty());
            drop(events);
            if let Some(event) = called {
                self.gate.attend(event, self.network, self.born);
            }
            if !ended && !arrived && !knocked {
                // A call is answered without a look at anything else.
                continue;
            }
            while let Some(signal) = self.arrivals.next() {
                match signal {
                    libc::SIGTERM if !self.has_successor => self.has_successor = succeed(),
                    libc::SIGCHLD => self.collect(),
                    _ => {}
                }
            }
            if ended {
                let mut byte = [0];
                return match nix::unistd::read(end, &mut byte) {
                    Ok(1) => byte.first().copied(),
                    _ => None,
                };
            }
            if knocked {
                self.open();
            }
        }
    }

    /// The first connection: only now does anything of the proxy exist.
    fn open(&mut self) {
        match process::fork() {
            Ok(process::Fork::Parent(gateway)) => self.gateway = Some(gateway),
            Ok(process::Fork::Child) => {
                keep(&[self.alive.as_raw_fd()], self.network);
                (self.network.serve)(&self.network.entrances, &self.network.line, self.alive);
                process::exit_now(0)
            }
            // Nobody accepts: connections wait until there is room for a process.
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(100)),
        }
    }

    /// A gateway that ended is started again by the next connection. The successor of a caretaker is not its parent.
    fn collect(&mut self) {
        while let Ok(Some(status)) = process::next_change() {
            if status.pid() == self.gateway {
                self.gateway = None;
            }
        }
    }
}

/// Hands on to an orphan: the grandchild returns true and goes on; so does this process, which will be killed.
fn succeed() -> bool {
    match process::fork() {
        Ok(process::Fork::Parent(child)) => {
            process::reap(child);
            true
        }
        Ok(process::Fork::Child) => match process::fork() {
            Ok(process::Fork::Child) => true,
            _ => process::exit_now(0),
        },
        Err(_) => false,
    }
}
