//! The caretaker: looks after a run that its front cannot look after any more.
//!
//! Owns the sweep for a front that was killed or that ended while jobs live on. It is in a session of its own, so a
//! kill of the caller's process group does not reach it, and holds none of the caller's descriptors. A front that
//! ends with nothing left dismisses it.
//!
//! It also waits at the doors of the sandbox's network: the first connection starts the gateway. Where others may reach
//! listeners inside, the gateway starts with the command.

use super::sweep::{self, Watch};
use crate::network::loopback::seat::Seat;
use crate::network::setup::Entrances;
use crate::system::{descriptors, process, signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

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
    /// The sandbox's seat in a session.
    pub seat: Option<Rc<Seat>>,
    /// Others reach listeners inside: the gateway does not wait for a first connection.
    pub at_once: bool,
    /// The gateway's work, in a process of its own; ends when its last argument says that nothing lives inside.
    pub serve: Serve<'a>,
}

/// The gateway's work.
pub type Serve<'a> = Box<dyn Fn(&Network<'_>, &OwnedFd) + 'a>;

/// Starts the caretaker. `alive` ends when nothing lives inside any more.
///
/// # Errors
/// What pipe(2) and fork(2) give.
pub fn start(watch: &Watch, alive: &OwnedFd, network: &Network<'_>) -> nix::Result<Caretaker> {
    let (reader, leash) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    match process::fork()? {
        process::Fork::Parent(pid) => Ok(Caretaker { pid, leash }),
        process::Fork::Child => {
            let _ = nix::unistd::setsid();
            keep(&[reader.as_raw_fd(), alive.as_raw_fd()], network);
            if let Ok(arrivals) = signals::Arrivals::new() {
                let mut care = Care { network, alive, arrivals, gateway: None, has_successor: false };
                care.attend(watch, &reader);
            }
            process::exit_now(0)
        }
    }
}

fn keep(more: &[RawFd], network: &Network<'_>) {
    let mut kept = network.entrances.numbers();
    kept.push(network.line.as_raw_fd());
    kept.extend(network.seat.iter().map(|seat| seat.listener.as_raw_fd()));
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
}

impl Care<'_> {
    fn attend(&mut self, watch: &Watch, leash: &OwnedFd) {
        if self.network.at_once {
            self.open();
        }
        if self.wait_end(leash) != Some(DISMISSED) {
            // The front is gone. Jobs may go on for days: until they end, only a successor that nobody's process tree
            // leads to waits for them.
            self.wait_end(self.alive);
            let _ = sweep::sweep(watch);
        }
        // It sees the same end; unless its parent collects it, a zombie stays where nobody collects orphans.
        self.gateway.into_iter().for_each(process::reap);
        self.network.seat.iter().for_each(|seat| seat.leave());
    }

    /// Waits until a byte comes or the other side is closed. A TERM to this process means that somebody kills the
    /// caller's tree process by process: a successor without a parent goes on, because it is in no list made before.
    fn wait_end(&mut self, end: &OwnedFd) -> Option<u8> {
        loop {
            let mut events = vec![
                PollFd::new(end.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.arrivals.descriptor(), PollFlags::POLLIN),
            ];
            if self.gateway.is_none() {
                let seat = self.network.seat.iter().map(|seat| &seat.listener);
                let doors = self.network.entrances.doors().chain(seat);
                events.extend(doors.map(|door| PollFd::new(door.as_fd(), PollFlags::POLLIN)));
            }
            if poll(&mut events, PollTimeout::NONE).is_err() {
                continue;
            }
            let mut ready = events.iter().map(|event| event.any().unwrap_or(false));
            let (ended, _, knocked) = (ready.next(), ready.next(), ready.any(|ready| ready));
            while let Some(signal) = self.arrivals.next() {
                match signal {
                    libc::SIGTERM if !self.has_successor => self.has_successor = succeed(),
                    libc::SIGCHLD => self.collect(),
                    _ => {}
                }
            }
            if ended == Some(true) {
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
                (self.network.serve)(self.network, self.alive);
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
