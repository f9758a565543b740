//! The gateway: the process outside through which everything of a sandbox's network goes.
//!
//! Owns the runtime (one thread), the accepting, and its own end, when what ended is in the log: when nothing lives inside any more. It serves one
//! sandbox, whose listeners it was handed; nobody else can reach them.

use super::asking_program::Inside;
use super::desk::Desk;
use super::judge::Judge;
use super::loopback::seat::Seat;
use super::loopback::{self, Loopback};
use super::machine::Search;
use super::names::{Meant, Names};
use super::setup::{Entrances, HTTP_PORT, SOCKS_PORT};
use super::upstream::Upstreams;
use super::{Cause, Gate, Target, Way, explicit, mediated, peers, transparent, tunnel};
use crate::gatekeeper::door::Door;
use crate::policy::Host;
use crate::system::children::give_up;
use crate::system::sockets;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpNoDelay;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::LocalOptions;
use tokio::task::spawn_local;

/// Connections served at the same time; more wait to be accepted. A sandbox must not exhaust the host's descriptors.
const MOST: usize = 4096;
/// Descriptors that are no connection's: doors, the log, settings, name servers' answers.
const OTHERS: usize = 32;
/// How long connections may take to end after everything inside has: their bytes are on the way.
const LAST: Duration = Duration::from_millis(200);
/// How long they may take while they still bring something to a server, and how long that may pause.
const LONGEST: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);

/// Serves until `alive` ends; `seat` is the sandbox's in its session.
///
/// # Errors
/// What making the runtime gives; then the doors stay shut.
pub fn serve(
    entrances: &Entrances,
    desk: Arc<dyn Desk>,
    upstreams: Upstreams,
    front: &UnixStream,
    alive: &OwnedFd,
    seat: Option<Rc<Seat>>,
) -> io::Result<()> {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(MOST, |(limit, _)| most(limit));
    let wanted = seat.is_some() || desk.policy().is_ok_and(|policy| policy.local_binding.value);
    let ready = wanted.then(|| loopback::Ready::new(entrances, seat.clone()));
    let ready = ready.transpose().unwrap_or_else(|why| {
        loopback::say(front, format!("listeners inside are not reachable from elsewhere: {why}"));
        seat.iter().for_each(|seat| seat.leave());
        None
    });
    // Not a LocalSet on a runtime: each wake would write to the driver's eventfd, and wake it once more for that.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_io().enable_time().build_local(LocalOptions::default())?;
    let ends = Arc::clone(&desk);
    let inside = entrances.namespace.as_ref().and_then(Inside::of);
    if entrances.mediated.is_none() {
        peers::are_in(entrances.peers.as_ref().and_then(|socket| socket.try_clone().ok()));
    }
    let served = runtime.block_on(async {
        let judge = Rc::new(Judge::new(Arc::clone(&desk), upstreams, front.try_clone()?, inside)?);
        let scribe = Rc::clone(&judge);
        spawn_local(async move { scribe.write_down().await });
        let room = Arc::new(tokio::sync::Semaphore::new(most));
        let loopback = match ready {
            Some(ready) => Loopback::open(ready, desk, front.try_clone()?, Arc::clone(&room)).await.ok(),
            None => None,
        };
        let house = Rc::new(House { judge, names: RefCell::default(), room, most, loopback });
        for door in &entrances.transparent {
            let listener = listener(door)?;
            house.admit(listener, House::transparent);
        }
        for door in entrances.mediated.iter().flat_map(|mediated| &mediated.listeners) {
            let listener = listener(door)?;
            let door = entrances.mediated.as_ref().map(|mediated| mediated.door.clone());
            house.admit(listener, move |house, stream, from| house.mediated(stream, from, door.clone()));
        }
        for door in &entrances.explicit {
            let listener = listener(door)?;
            house.admit(listener, |house, stream, from| async move {
                explicit::serve(Rc::clone(&house.judge), stream, from).await;
            });
        }
        for door in &entrances.names {
            spawn_local(Rc::clone(&house).answer_questions(door.try_clone()?));
        }
        // Nobody ever writes: readable means the end.
        let _ = pipe::Receiver::from_owned_fd(alive.try_clone()?)?.readable().await;
        tokio::select! {
            () = house.finish(entrances) => {}
            () = last_words() => {}
        }
        Ok(())
    });
    // A person who is still being asked, or a resolver that does not answer, must not hold the caller.
    runtime.shutdown_background();
    give_up();
    ends.write_down();
    seat.iter().for_each(|seat| seat.leave());
    served
}

/// Waits for as long as connections may take to end.
async fn last_words() {
    tokio::time::sleep(LAST).await;
    let _ = tokio::time::timeout(LONGEST, async {
        let mut passed = 0;
        // All who could say more are gone: what has not ended has not been sent.
        while tunnel::unsent() > 0 && passed != tunnel::passed() {
            passed = tunnel::passed();
            let until = tokio::time::Instant::now() + PAUSE;
            while tunnel::unsent() > 0 && tokio::time::Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    })
    .await;
}

/// How many connections there is room for under a limit of descriptors. Each takes two, and those who wait for a place
/// take none: what is said and done about a connection must always be written down.
fn most(limit: u64) -> usize {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    (limit.saturating_sub(OTHERS.max(limit / 8)) / 2).clamp(1, MOST)
}

fn listener(door: &OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(door.try_clone()?);
    // The sender has chosen its packets already. What is accepted inherits it (tcp(7), inet_csk_clone_lock).
    setsockopt(&listener, TcpNoDelay, &true)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Whether somebody waits to be accepted.
fn is_knocked(entrances: &Entrances) -> bool {
    let doors = entrances.knocked();
    let mut doors: Vec<PollFd> = doors.map(|door| PollFd::new(door.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut doors, PollTimeout::ZERO).is_ok_and(|knocked| knocked > 0)
}

struct House {
    judge: Rc<Judge>,
    names: RefCell<Names>,
    room: Arc<tokio::sync::Semaphore>,
    /// The places that it has.
    most: usize,
    loopback: Option<Rc<Loopback>>,
}

impl House {
    /// Nothing lives inside any more: what was connected before is still accepted, and served to its end.
    async fn finish(&self, entrances: &Entrances) {
        while is_knocked(entrances) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let _ = self.room.acquire_many(self.most as u32).await;
    }

    fn admit<F: Future<Output = ()> + 'static>(
        self: &Rc<House>,
        listener: TcpListener,
        serve: impl Fn(Rc<House>, TcpStream, SocketAddr) -> F + 'static,
    ) {
        let house = Rc::clone(self);
        spawn_local(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, from)) => {
                        // Only now: who waits at a door takes no place, or the end would wait for it.
                        let Ok(place) = Arc::clone(&house.room).acquire_owned().await else { return };
                        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                        let work = serve(Rc::clone(&house), stream, from);
                        spawn_local(async move {
                            work.await;
                            drop(place);
                        });
                    }
                    // Out of descriptors, or the connection was gone again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
    }

    /// A connection that was meant for elsewhere.
    async fn transparent(self: Rc<House>, stream: TcpStream, from: SocketAddr) {
        let Ok(meant) = stream.local_addr() else { return };
        self.meant_for(stream, from, SocketAddr::new(meant.ip().to_canonical(), meant.port())).await;
    }

    /// A connection that the gatekeeper made, or somebody else, who is nobody here.
    async fn mediated(self: Rc<House>, mut stream: TcpStream, from: SocketAddr, door: Option<Door>) {
        let Some(door) = door else { return };
        let Some(meant) = mediated::hear(&door, &mut stream, from).await else { return };
        match meant.port() {
            HTTP_PORT | SOCKS_PORT if meant.ip().is_loopback() => {
                explicit::serve(Rc::clone(&self.judge), stream, from).await;
            }
            // Whichever name server the machine has.
            53 => drop(self.answer_over_tcp(stream).await),
            _ => self.meant_for(stream, from, meant).await,
        }
    }

    async fn meant_for(self: Rc<House>, stream: TcpStream, from: SocketAddr, meant: SocketAddr) {
        let stream = match &self.loopback {
            Some(loopback) if meant.ip().is_loopback() => match loopback.carry(stream, meant).await {
                Some(stream) => stream,
                None => return,
            },
            _ => stream,
        };
        let host = match self.names.borrow().meant(meant.ip()) {
            Meant::Address(address) if meant.port() == 53 && !address.is_loopback() => None,
            Meant::Address(address) => Some(self.judge.named(address, meant.port())),
            Meant::Name(name) => Some(Host::Name(name)),
            Meant::Nothing => {
                let target = Target { host: Host::Address(meant.ip()), port: meant.port() };
                let why = "no name was asked for that this address stands for".to_owned();
                self.judge.refuse(&target, Way::Transparent, Cause::Malformed(why));
                return;
            }
        };
        match host {
            Some(host) => {
                let target = Target { host, port: meant.port() };
                transparent::serve(Rc::clone(&self.judge), stream, from, target).await;
            }
            None => {
                let _ = self.answer_over_tcp(stream).await;
            }
        }
    }

    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let search = Search::of_machine();
        self.names.borrow_mut().answer(question, &search, &|name| self.judge.listed(name))
    }

    async fn answer_questions(self: Rc<House>, socket: OwnedFd) {
        let Ok(socket) = UdpSocket::from_std(socket.into()) else { return };
        let mut buffer = [0; 1500];
        loop {
            let receive = || Ok(sockets::receive_datagram(socket.as_fd(), &mut buffer)?);
            let envelope = match socket.async_io(Interest::READABLE, receive).await {
                Ok(envelope) => envelope,
                Err(_) => {
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            let question = buffer.get(..envelope.length).unwrap_or_default();
            let answer = self.answer(question);
            if let Some(answer) = answer {
                let _ = sockets::answer_datagram(socket.as_fd(), &answer, envelope);
            }
        }
    }

    /// DNS over TCP: each message after its length (RFC 1035, 4.2.2).
    async fn answer_over_tcp(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = stream.read_u16().await?;
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await?;
            let answer = self.answer(&question);
            let answer = answer.ok_or(io::ErrorKind::InvalidData)?;
            let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            stream.write_all(&[length.to_be_bytes().as_slice(), &answer].concat()).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_log() {
        for (limit, places) in [(0, 1), (60, 14), (1024, 448), (16_384, MOST), (u64::MAX, MOST)] {
            assert_eq!(most(limit), places, "{limit}");
            assert!(limit < 34 || 2 * places as u64 + OTHERS as u64 <= limit, "{limit}");
        }
    }
}
