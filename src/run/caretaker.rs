//! The caretaker: looks after a run that its front cannot look after any more.
//!
//! Owns the sweep for a front that was killed or that ended while jobs live on. It is in a session of its own, so a
//! kill of the caller's process group does not reach it, and holds none of the caller's descriptors. A front that
//! ends with nothing left dismisses it.
//!
//! It also is the gatekeeper (`crate::gatekeeper`), whose calls go before everything else, and waits at the doors of the
//! sandbox's network: the first connection starts the gateway. Where others may reach listeners inside, the gateway
//! starts with the command.

use super::first::GATE;
use super::inquiry::{Beyond, Inquiry};
use super::sweep::{self, Watch};
use crate::gatekeeper::{Cost, Gatekeeper, News, Rules, Violation};
use crate::network::desk::ToFront;
use crate::network::loopback::seat::Seat;
use crate::network::setup::Entrances;
use crate::system::{descriptors, process, signals, sockets};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
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

/// What a run consists of.
pub struct House<'a> {
    /// For a sweep.
    pub watch: &'a Watch,
    /// Ends when nothing lives inside any more.
    pub alive: &'a OwnedFd,
    /// The doors.
    pub network: &'a Network<'a>,
    /// Where the gatekeeper's descriptors come from.
    pub link: &'a UnixStream,
}

/// What is kept of the gatekeeper's work.
#[derive(Debug)]
pub enum Kept {
    /// A call was refused.
    Violation(Violation),
    /// What all of it cost, at the end.
    Cost(Cost),
}

/// What the gatekeeper goes by.
pub struct Keeping<'a> {
    /// The rules.
    pub rules: Box<dyn Fn() -> Rules + 'a>,
    /// Those who answer its questions where the terminal does not.
    pub beyond: Box<Beyond<'a>>,
    /// Keeps a record of it.
    pub log: Box<dyn Fn(&Kept) + 'a>,
}

/// The gateway's work.
pub type Serve<'a> = Box<dyn Fn(&Network<'_>, &OwnedFd) + 'a>;

/// Starts the caretaker. `alive` ends when nothing lives inside any more.
///
/// # Errors
/// What pipe(2) and fork(2) give.
pub fn start(house: &House<'_>, line: &UnixStream, keeping: &Keeping<'_>) -> nix::Result<Caretaker> {
    let House { watch, alive, network, link } = *house;
    let (reader, leash) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    match process::fork()? {
        process::Fork::Parent(pid) => Ok(Caretaker { pid, leash }),
        process::Fork::Child => {
            let _ = nix::unistd::setsid();
            let kept = [reader.as_raw_fd(), alive.as_raw_fd(), link.as_raw_fd(), line.as_raw_fd()];
            keep(&kept, network);
            if let Ok(arrivals) = signals::Arrivals::new() {
                // A front that does not read must not keep calls waiting.
                let _ = line.set_nonblocking(true);
                let (rules, seen) = ((keeping.rules)(), RefCell::default());
                let inquiry = Inquiry::new(line, &*keeping.beyond);
                let teller = Teller { line, seen: &seen, log: &*keeping.log };
                let gate = Gate { link: Some(link), rules: &rules, teller, keeper: None, inquiry };
                let mut care = Care { network, alive, arrivals, gateway: None, has_successor: false, gate };
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
    gate: Gate<'a>,
}

/// What the gatekeeper told, for a sweep of our own.
#[derive(Default)]
struct Seen {
    born: Vec<PathBuf>,
    granted: Vec<PathBuf>,
}

/// The calls of the inside.
struct Gate<'a> {
    /// Where their descriptor comes from; gone once it has come.
    link: Option<&'a UnixStream>,
    rules: &'a Rules,
    teller: Teller<'a>,
    keeper: Option<Gatekeeper<'a>>,
    inquiry: Inquiry<'a>,
}

impl<'a> Gate<'a> {
    /// What to wait for: first the descriptor, then calls; and an answer, if there is a question.
    fn events(&self) -> impl Iterator<Item = PollFd<'_>> {
        let keeper = self.keeper.as_ref().map(Gatekeeper::descriptor);
        let wanted = keeper.or_else(|| self.link.map(AsFd::as_fd));
        let all = wanted.into_iter().chain(self.inquiry.descriptor().filter(|_| wanted.is_some()));
        all.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
    }

    /// After events: those of [`Gate::events`], in its order.
    fn attend(&mut self, calls: PollFlags, answer: PollFlags) {
        if !answer.is_empty()
            && let Some(answer) = self.inquiry.attend()
            && let Some(keeper) = &mut self.keeper
        {
            keeper.answered(answer);
        }
        match &mut self.keeper {
            _ if calls.is_empty() => {}
            Some(keeper) if calls.contains(PollFlags::POLLIN) => keeper.attend(),
            // Nothing is left inside that could call.
            Some(_) => self.retire(),
            None => self.begin(),
        }
        // While one question stands there is no next one.
        if let Some(asked) = self.keeper.as_mut().and_then(Gatekeeper::question) {
            self.inquiry.begin(asked);
        }
    }

    /// Its work is done.
    fn retire(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            (self.teller.log)(&Kept::Cost(keeper.cost()));
        }
    }

    fn begin(&mut self) {
        let Some(link) = self.link.take() else { return };
        let mut tag = [0; 1];
        let came = sockets::receive_with_descriptors(link.as_raw_fd(), &mut tag);
        let Some((_, descriptors)) = came.ok().filter(|_| tag == *GATE) else { return };
        let mut descriptors = descriptors.into_iter();
        let Some(calls) = descriptors.next() else { return };
        let teller = self.teller;
        let tell = Box::new(move |news| teller.tell(news));
        self.keeper = Some(Gatekeeper::new(calls, descriptors.next(), self.rules, true, tell));
    }
}

/// Who is to know what the gatekeeper tells.
#[derive(Clone, Copy)]
struct Teller<'a> {
    /// To the front.
    line: &'a UnixStream,
    seen: &'a RefCell<Seen>,
    log: &'a dyn Fn(&Kept),
}

impl Teller<'_> {
    /// A front that does not read has a full socket: then it is not told, and what holds holds all the same. Whether it
    /// was told of what it is to look at afterwards.
    fn tell(self, news: News) -> bool {
        let mut seen = self.seen.borrow_mut();
        let news = match news {
            News::Violation(violation) => {
                (self.log)(&Kept::Violation(violation.clone()));
                ToFront::Violation(violation)
            }
            News::Repository(entry) => {
                seen.born.push(entry.clone());
                ToFront::Repository(entry)
            }
            News::Granted(path) if seen.granted.contains(&path) => return true,
            News::Granted(path) => {
                seen.granted.push(path.clone());
                ToFront::Granted(path)
            }
        };
        let Ok(mut text) = serde_json::to_vec(&news) else { return false };
        text.push(b'\n');
        let mut line = self.line;
        // A front that is gone looks at nothing; this process does then.
        !line.write_all(&text).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
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
            let Seen { born, granted } = self.gate.teller.seen.take();
            let watch = Watch { born, granted, ..watch.clone() };
            let _ = sweep::sweep(&watch);
        }
        self.gate.retire();
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
            let before = events.len();
            events.extend(self.gate.events());
            let gated = events.len() - before;
            if self.gateway.is_none() {
                let seat = self.network.seat.iter().map(|seat| &seat.listener);
                let doors = self.network.entrances.doors().chain(seat);
                events.extend(doors.map(|door| PollFd::new(door.as_fd(), PollFlags::POLLIN)));
            }
            if poll(&mut events, PollTimeout::NONE).is_err() {
                continue;
            }
            let mut ready = events.iter().map(|event| event.revents().unwrap_or(PollFlags::empty()));
            let ended = ready.next().is_some_and(|event| !event.is_empty());
            let arrived = ready.next().is_some_and(|event| !event.is_empty());
            let mut of_gate =
                |place| if gated > place { ready.next() } else { None }.unwrap_or(PollFlags::empty());
            let (called, answered) = (of_gate(0), of_gate(1));
            let knocked = ready.any(|event| !event.is_empty());
            drop(events);
            if !called.is_empty() || !answered.is_empty() {
                self.gate.attend(called, answered);
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
