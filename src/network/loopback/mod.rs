//! Listeners inside, reached from elsewhere: from the host's loopback (`network.allowLocalBinding`) and from other
//! sandboxes of the same session (`SBSH_SESSION`).
//!
//! Owns when the listeners are looked at and what is connected with what. Reaches nothing inside but TCP listeners on
//! the sandbox's loopback; must not let a connection that is asked for elsewhere go out of the sandbox again.
//!
//! ```text
//! listeners ─▶ mirror ─▶ (host's loopback) ─────────┐
//!         └──▶ session ◀─▶ (other gateways) ────────┴▶ maker: a socket inside, connected to the listener
//! ```

mod listeners;
mod maker;
mod mirror;
pub mod seat;
mod session;

use super::desk::{Desk, ToFront};
use super::setup::{Entrances, Reach};
use super::{Permit, Tally, Target, Way, tunnel};
use crate::policy::Host;
use crate::policy::network::NetworkVerdict;
use crate::system::sockets;
use listeners::Served;
use maker::{Line, Maker};
use mirror::Mirror;
use nix::sys::socket::{SockaddrStorage, getsockname};
use seat::Seat;
use session::Session;
use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;
use tokio::time::timeout;

/// The most ports of one sandbox that are reached from elsewhere, and of a session that are reached from one.
const MOST: usize = 256;
/// How long after a look the next one comes: soon where something happens, and later and later where nothing does.
const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_millis(500);
/// For a connection to a listener inside whose queue is full.
const ATTEMPT: Duration = Duration::from_secs(10);

/// What is there before the runtime is.
#[derive(Debug)]
pub struct Ready {
    maker: Maker,
    seat: Option<Rc<Seat>>,
    /// Ports inside that are the gateway's own.
    own: Vec<u16>,
}

impl Ready {
    /// Starts the socket maker. This process must have one thread.
    ///
    /// # Errors
    /// Why listeners inside cannot be reached.
    pub fn new(entrances: &Entrances, seat: Option<Rc<Seat>>) -> Result<Ready, String> {
        let maker = Maker::start(entrances)?;
        let own = entrances.doors().filter_map(|door| {
            let address: SockaddrStorage = getsockname(door.as_raw_fd()).ok()?;
            let v4 = address.as_sockaddr_in().map(|address| address.port());
            v4.or_else(|| address.as_sockaddr_in6().map(|address| address.port()))
        });
        let own = own.collect();
        // Without rules nothing comes here that is meant for others.
        let seat = seat.filter(|_| entrances.reach == Reach::Every);
        Ok(Ready { maker, seat, own })
    }
}

/// The loopback of one sandbox.
pub struct Loopback {
    desk: Arc<dyn Desk>,
    front: UnixStream,
    room: Arc<Semaphore>,
    line: Line,
    maker: Maker,
    own: Vec<u16>,
    served: RefCell<Served>,
    again: Notify,
    mirror: Mirror,
    session: Option<Rc<Session>>,
}

impl Loopback {
    /// Begins to look, to mirror, and to meet the session; returns when it is known what the session serves.
    ///
    /// # Errors
    /// What the calls give.
    pub async fn open(
        ready: Ready,
        desk: Arc<dyn Desk>,
        front: UnixStream,
        room: Arc<Semaphore>,
    ) -> io::Result<Rc<Loopback>> {
        let session = ready.seat.as_ref().map(|seat| Rc::new(Session::new(Rc::clone(seat))));
        let loopback = Rc::new(Loopback {
            desk,
            front,
            room,
            line: Line::to(&ready.maker)?,
            maker: ready.maker,
            own: ready.own,
            served: RefCell::default(),
            again: Notify::new(),
            mirror: Mirror::default(),
            session,
        });
        loopback.look();
        if let Some(session) = &loopback.session {
            spawn_local(Rc::clone(session).serve(Rc::clone(&loopback)));
            ready.seat.iter().for_each(|seat| seat.tidy());
            session.join().await;
            let known = session.ports();
            // Rules that stand already are not made anew: the kernel takes milliseconds to let go of old ones.
            if ready.seat.is_none_or(|seat| seat.known.as_ref() != Some(&known)) {
                let _ = loopback.line.divert(&known).await;
            }
            spawn_local(Rc::clone(&loopback).follow(Rc::clone(session), known));
        }
        spawn_local(Rc::clone(&loopback).watch());
        Ok(loopback)
    }

    /// Something inside may have begun or ceased to listen: it is looked at now, not at its time.
    pub fn look_again(&self) {
        self.again.notify_one();
    }

    async fn watch(self: Rc<Self>) {
        let mut wait = SOON;
        loop {
            let asked = timeout(wait, self.again.notified()).await.is_ok();
            wait = if self.look() || asked { SOON } else { (wait + wait / 2).min(LATE) };
        }
    }

    /// Looks at what is served inside; whether that has changed.
    fn look(self: &Rc<Self>) -> bool {
        let Ok(found) = listeners::served(self.maker.listing.as_fd(), &self.own) else { return false };
        let reached = self.desk.policy().is_ok_and(|policy| policy.local_binding.value);
        self.mirror.follow(self, if reached { &found } else { const { &Served::new() } });
        if let Some(session) = &self.session {
            session.tell(found.keys().copied().collect());
        }
        let changed = *self.served.borrow() != found;
        *self.served.borrow_mut() = found;
        changed
    }

    /// Lets what the session serves come to the gateway.
    async fn follow(self: Rc<Self>, session: Rc<Session>, mut known: Vec<u16>) {
        loop {
            session.changed().await;
            let ports = session.ports();
            if ports != known && self.line.divert(&ports).await.is_ok() {
                known = ports;
            }
        }
    }

    /// A connection to a listener inside; `None` if nothing there serves the port.
    async fn connect_inside(self: &Rc<Self>, port: u16) -> Option<TcpStream> {
        let find = || self.served.borrow().get(&port).copied();
        let families = find().or_else(|| {
            self.look();
            find()
        })?;
        let addresses = [
            families.v4.then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            families.v6.then(|| SocketAddr::from((Ipv6Addr::LOCALHOST, port))),
        ];
        for address in addresses.into_iter().flatten() {
            if let Ok(Ok(stream)) = timeout(ATTEMPT, self.connect(address)).await {
                return Some(stream);
            }
        }
        self.look_again();
        None
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.line.socket(address.is_ipv6()).await?;
        TcpSocket::from_std_stream(socket.into()).connect(address).await
    }

    /// A connection that came to a mirrored port.
    async fn from_host(self: Rc<Self>, client: TcpStream, port: u16) {
        match self.connect_inside(port).await {
            Some(inside) => {
                let permit = self.permit(port, "network.allowLocalBinding");
                // A failure has been passed on to both ends.
                let _ = tunnel::relay(inside, Vec::new(), client, &permit.tally).await;
                self.look_again();
            }
            None => tunnel::reset(&client),
        }
    }

    /// Carries a connection inside that was meant for its loopback, where nothing accepted it; gives it back if it is for
    /// the host's.
    pub async fn carry(self: &Rc<Self>, stream: TcpStream, meant: SocketAddr) -> Option<TcpStream> {
        let Some(session) = &self.session else { return Some(stream) };
        let Ok(policy) = self.desk.policy() else { return Some(stream) };
        let denied = matches!(policy.judge(&localhost(), meant.port()), NetworkVerdict::Denied { .. });
        let own = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, meant.port())),
            (Ipv6Addr::LOCALHOST, meant.port()).into(),
        ];
        if !denied
            && own.contains(&meant)
            && let Some(socket) = session.connect(meant.port()).await
            && let Ok(outside) = adopt(socket)
        {
            let permit = self.permit(meant.port(), "session");
            let _ = tunnel::relay(stream, Vec::new(), outside, &permit.tally).await;
            return None;
        }
        if denied || policy.reaches_loopback() {
            return Some(stream);
        }
        // As if nobody had been there, as far as that can still be said.
        tunnel::reset(&stream);
        None
    }

    fn permit(&self, port: u16, rule: &str) -> Permit {
        let desk = Arc::clone(&self.desk);
        Permit {
            target: Target { host: localhost(), port },
            way: Way::Loopback,
            rule: rule.to_owned(),
            check_name: false,
            tally: Tally::default(),
            also: None,
            ended: Some(Box::new(move |permit| {
                desk.ended(permit);
                desk.write_down();
            })),
        }
    }

    /// Room for one more connection.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.ok()
    }

    fn say(&self, text: String) {
        say(&self.front, text);
    }
}

/// Says something to the person, if the command has not ended yet.
pub fn say(front: &UnixStream, text: String) {
    if let Ok(mut line) = serde_json::to_vec(&ToFront::Notice(text)) {
        line.push(b'\n');
        // A front that does not read has a full socket: then the line is lost.
        let _ = sockets::write_all(front, &line);
    }
}

fn localhost() -> Host {
    Host::Name("localhost".to_owned())
}

fn adopt(socket: OwnedFd) -> io::Result<TcpStream> {
    let stream = std::net::TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}
