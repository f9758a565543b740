//! The caretaker: looks after a run that its front cannot look after any more.
//!
//! Owns the sweep for a front that was killed or that ended while jobs live on. It is in a session of its own, so a
//! kill of the caller's process group does not reach it, and holds none of the caller's descriptors. A front that
//! ends with nothing left dismisses it.
//!
//! It also is the gatekeeper (`crate::gatekeeper`), whose calls go before everything else, and waits at the doors of the
//! sandbox's network: the first connection starts the gateway. Where others may reach listeners inside, the first of those
//! starts it too, and the first call of another sandbox of the session.

use super::calls::{self, Counter};
use super::domain;
use super::ending::{self, Ear, End, Mouth, Said, WriteDown};
use super::gate::{Gate, Teller};
use super::inquiry::{Beyond, Inquiry};
use super::leash::{self, Leash, Order};
use super::sweep::{self, Watch};
use super::waiting::Unborn;
use crate::gatekeeper::{Cost, Rules, Violation};
use crate::network::loopback::seat::Seat;
use crate::network::setup::Entrances;
use crate::system::process::Change;
use crate::system::ready::Set;
use crate::system::{descent, descriptors, process, signals};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;

/// The front's hold on its caretaker.
#[derive(Debug)]
pub struct Caretaker {
    pid: Pid,
    /// It.
    pub leash: Leash,
    mouth: Mouth,
}

/// What the caretaker needs to start the gateway.
pub struct Network<'a> {
    /// The sandbox's doors.
    pub entrances: Entrances,
    /// To the front.
    pub line: UnixStream,
    /// The sandbox's seat in a session.
    pub seat: Option<Rc<Seat>>,
    /// Others reach listeners inside: with the first one the gateway starts too.
    pub listens: bool,
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
    /// Where shims call the broker.
    pub counter: &'a Counter<'a>,
    /// The first process inside, where it is to be a child of the caretaker's.
    pub unborn: Option<&'a Unborn>,
}

/// What is kept of the gatekeeper's work.
#[derive(Debug)]
pub enum Kept {
    /// A call was refused.
    Violation(Violation),
    /// A server outside was spoken to, by this socket and because of what stands there.
    Spoke(PathBuf, String),
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
    /// Writes down how the run ended; an error number where something could not be written.
    pub ended: WriteDown<'a>,
}

/// The gateway's work; what is to be said at its end.
pub type Serve<'a> = Box<dyn Fn(&Network<'_>, &OwnedFd) -> Said + 'a>;

/// Starts the caretaker. `alive` ends when nothing lives inside any more.
///
/// # Errors
/// What pipe(2) and fork(2) give.
pub fn start(house: &House<'_>, line: &UnixStream, keeping: &Keeping<'_>) -> nix::Result<Caretaker> {
    let House { watch, alive, network, link, counter, unborn } = *house;
    let (reader, leash) = leash::new()?;
    let (ear, mouth) = ending::pipe()?;
    match process::fork()? {
        process::Fork::Parent(pid) => Ok(Caretaker { pid, leash, mouth }),
        process::Fork::Child => {
            // Before it leaves the caller's session, to which the inside belongs.
            let first = unborn.and_then(|unborn| domain::begin(unborn).ok());
            let _ = nix::unistd::setsid();
            let mut kept = vec![reader.as_raw_fd(), alive.as_raw_fd(), link.as_raw_fd(), line.as_raw_fd()];
            kept.extend(counter.listener.iter().chain(&counter.alive).map(AsRawFd::as_raw_fd));
            kept.extend([ear.number(), mouth.number()]);
            keep(&kept, network);
            let mut status = 0;
            if let Ok(arrivals) = signals::Arrivals::new() {
                // A front that does not read must not keep calls waiting.
                let _ = line.set_nonblocking(true);
                let (rules, seen) = ((keeping.rules)(), RefCell::default());
                let inquiry = Inquiry::new(line, &*keeping.beyond);
                let teller = Teller { line, seen: &seen, network, log: &*keeping.log };
                let gate = Gate {
                    link: Some(link),
                    rules: &rules,
                    teller,
                    keeper: None,
                    spent: None,
                    inquiry,
                    first,
                };
                let mut care = Care {
                    network,
                    alive,
                    arrivals,
                    counter,
                    first,
                    alone: false,
                    served: Vec::new(),
                    gateway: None,
                    listened: false,
                    succession: Succession::None,
                    mouth,
                    gate,
                };
                let end = care.attend(watch, &reader, ear);
                status = end.and_then(|end| (keeping.ended)(&end)).unwrap_or(0);
            }
            process::exit_now(status)
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
    // Or connections of programs inside would get the numbers of the standard ones.
    descriptors::fill_standard();
}

impl Caretaker {
    /// The process.
    pub fn process(&self) -> Pid {
        self.pid
    }

    /// The front has swept; nothing is left. The process that is told must be reaped, so that no zombie stays behind
    /// where nobody collects orphans.
    pub fn dismiss(self) -> Pid {
        self.leash.dismiss();
        self.pid
    }

    /// Tells how the run ended; to be done before it is dismissed.
    pub fn tell(&self, said: Said) {
        self.mouth.say(said);
    }
}

/// What is waited for.
struct Waited {
    set: Set,
    /// How many of it are the gate's.
    gated: usize,
    /// The place of the first door, if there are any; the counter may be before them.
    doors: usize,
}

/// Places in the set that is waited for; the counter and the doors follow.
const END: usize = 0;
const ARRIVALS: usize = 1;
pub(super) const CALLS: usize = 2;
pub(super) const ANSWERS: usize = 3;

struct Care<'a> {
    network: &'a Network<'a>,
    alive: &'a OwnedFd,
    arrivals: signals::Arrivals,
    counter: &'a Counter<'a>,
    /// The first process inside, if it is a child of this one.
    first: Option<Pid>,
    /// The front is gone: what jobs want to run outside comes here.
    alone: bool,
    /// Those who serve them.
    served: Vec<Pid>,
    gateway: Option<Pid>,
    /// It was known that something inside listens.
    listened: bool,
    succession: Succession,
    /// For the gateway.
    mouth: Mouth,
    gate: Gate<'a>,
}

impl Care<'_> {
    /// Until nothing is left to do but to write it down, if this is the process to do so.
    fn attend(&mut self, watch: &Watch, leash: &OwnedFd, mut ear: Ear) -> Option<End> {
        let mut end = End::default();
        if self.wait_end(leash) != Order::Dismissed {
            // The front is gone. Jobs may go on for days: until they end, only a successor that nobody's process tree
            // leads to waits for them.
            self.alone = true;
            self.wait_end(self.alive);
            self.end_strays();
            let seen = self.gate.teller.seen.borrow();
            let (born, granted) = (seen.born.clone(), seen.granted.clone());
            drop(seen);
            let watch = Watch { born, granted, ..watch.clone() };
            end.swept = sweep::sweep(&watch).len();
        }
        self.end_strays();
        self.gate.retire();
        // It sees the same end; unless its parent collects it, a zombie stays where nobody collects orphans.
        self.gateway.into_iter().for_each(process::reap);
        self.network.seat.iter().for_each(|seat| seat.leave());
        let seen = self.gate.teller.seen.borrow();
        (end.violations, end.watched, end.cost) = (seen.violations, seen.watched, self.gate.spent);
        if ear.hear(&mut end) && self.succession != Succession::Left {
            return Some(end);
        }
        end.cost.iter().for_each(|cost| (self.gate.teller.log)(&Kept::Cost(*cost)));
        None
    }

    /// Waits until a byte comes or the other side is closed. A TERM to this process means that somebody kills the
    /// caller's tree process by process: a successor without a parent goes on, because it is in no list made before.
    fn wait_end(&mut self, end: &OwnedFd) -> Order {
        loop {
            let Waited { mut set, gated, doors } = self.set(end);
            let counter = CALLS + gated;
            let ready = loop {
                let ready = set.wait();
                let others = ready.has(END) || ready.has(ARRIVALS) || ready.has_from(counter);
                let gate = gated > 0 && (ready.has(CALLS) || gated > 1 && ready.has(ANSWERS));
                // A call is answered without a look at anything else.
                if gate && !self.gate.attend(ready) || others {
                    break ready;
                }
            };
            if doors > counter
                && ready.has(counter)
                && let Some(connection) = self.counter.accept()
            {
                // Nobody is at a terminal; its end is collected with all others.
                self.served.extend(self.counter.begin(connection).map(|(broker, _)| broker));
            }
            while let Some(signal) = self.arrivals.next() {
                match signal {
                    libc::SIGTERM if self.succession == Succession::None => {
                        self.succession = succeed();
                        if self.succession == Succession::Taken {
                            // Nor is the first process inside, whose number may be another's when it is gone.
                            self.first = None;
                        }
                        // They are not a successor's to collect.
                        self.served.clear();
                    }
                    libc::SIGCHLD => self.collect(),
                    _ => {}
                }
            }
            if ready.has(END) {
                match leash::read(end) {
                    Order::Opened(directory) => {
                        self.gate.keeper.iter_mut().for_each(|keeper| keeper.open(directory.clone()));
                    }
                    order => return order,
                }
            }
            // Once: if it fails, only a connection is a reason to try again.
            let first_listener = !self.listened && self.gate.teller.seen.borrow().listens;
            self.listened |= first_listener;
            if self.gateway.is_none() && (first_listener || ready.has_from(doors)) {
                self.open();
            }
        }
    }

    fn set(&self, end: &OwnedFd) -> Waited {
        let mut all = vec![end.as_fd(), self.arrivals.descriptor()];
        all.extend(self.gate.descriptors());
        let gated = all.len() - CALLS;
        let serves = self.alone && self.served.len() < calls::MOST;
        all.extend(self.counter.listener.iter().filter(|_| serves).map(AsFd::as_fd));
        let doors = all.len();
        if self.gateway.is_none() {
            let seat = self.network.seat.iter().map(|seat| &seat.listener);
            all.extend(self.network.entrances.doors().chain(seat).map(AsFd::as_fd));
        }
        Waited { set: Set::of(&all, (gated == 1).then_some(CALLS)), gated, doors }
    }

    /// The first connection: only now does anything of the proxy exist.
    fn open(&mut self) {
        match process::fork() {
            Ok(process::Fork::Parent(gateway)) => self.gateway = Some(gateway),
            Ok(process::Fork::Child) => {
                keep(&[self.alive.as_raw_fd(), self.mouth.number()], self.network);
                self.mouth.say((self.network.serve)(self.network, self.alive));
                process::exit_now(0)
            }
            // Nobody accepts: connections wait until there is room for a process.
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(100)),
        }
    }

    /// A gateway that ended is started again by the next connection. The successor of a caretaker is not its parent.
    fn collect(&mut self) {
        while let Ok(Some(status)) = process::next_change() {
            if Some(status.pid()) == self.gateway {
                self.gateway = None;
            }
            self.served.retain(|broker| status.pid() != *broker);
            let is_over = !matches!(status, Change::Stopped(..));
            if is_over && self.first == Some(status.pid()) {
                self.end_strays();
            }
        }
    }

    /// No process namespace ends with the first process inside: where that was killed, what it left behind has become
    /// this one's, and is ended by it.
    fn end_strays(&mut self) {
        if let Some(first) = self.first.take() {
            signals::send(first, libc::SIGKILL);
            let spared: Vec<Pid> = self.served.iter().chain(&self.gateway).copied().collect();
            descent::end_all_but(&spared);
        }
    }
}

/// Hands on to an orphan, and both go on: this process, which will be killed, and the orphan.
fn succeed() -> Succession {
    match process::fork() {
        Ok(process::Fork::Parent(child)) => {
            process::reap(child);
            Succession::Left
        }
        Ok(process::Fork::Child) => match process::fork() {
            Ok(process::Fork::Child) => Succession::Taken,
            _ => process::exit_now(0),
        },
        Err(_) => Succession::None,
    }
}

/// Whether there are two caretakers, and which one this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Succession {
    None,
    /// The other one does what is to be done once.
    Left,
    Taken,
}
