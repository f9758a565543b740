//! connect(2) of the inside, made here: there is no layer below that could hold a Unix socket, so what was judged and
//! what is connected must be the same.
//!
//! Owns reading the address once, finding out whose socket it names, and connecting a copy of the caller's descriptor.

use super::door::{self, Door};
use super::place::Places;
use super::rules::{Reachable, Rules};
use crate::system::notify::Listener;
use crate::system::stranger;
use crate::system::{connecting, descent, sockets, unix_diag};
use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What becomes of a connect.
#[derive(Debug)]
pub enum Connect {
    /// It was made, or failed as the kernel says.
    Done(nix::Result<()>),
    /// It takes its time, and the caller waits for it: the rest is done by whoever may wait too.
    Unfinished(Unfinished),
    /// It may not be made.
    Refused(PathBuf, Reachable),
    /// It leads nowhere that could be looked at.
    Failed(Errno),
}

/// A connect that goes on.
#[derive(Debug)]
pub struct Unfinished {
    socket: OwnedFd,
    address: Vec<u8>,
    /// For the gateway: where it is to go.
    meant: Option<(SocketAddr, Door)>,
    /// What the address leads to; open as long as it is used.
    _place: Option<OwnedFd>,
}

impl Unfinished {
    /// Waits for its end, as long as it is wanted.
    ///
    /// # Errors
    /// What connect(2) gives.
    pub fn finish(&self, wanted: impl Fn() -> bool) -> nix::Result<()> {
        if self.meant.is_some() && connecting::is_connected(&self.socket) {
            return self.announce();
        }
        connecting::finish(&self.socket, &self.address, wanted)?;
        self.announce()
    }

    fn announce(&self) -> nix::Result<()> {
        let Some((meant, door)) = &self.meant else { return Ok(()) };
        connecting::say(&self.socket, &door.announce(sockets::address_of(&self.socket)?, *meant))
    }
}

/// A socket that is connected in the place of the caller's, where that cannot be had: a container's filter may refuse
/// pidfd_getfd(2). What was set at the caller's own is lost.
#[derive(Debug)]
pub struct StandIn {
    socket: OwnedFd,
    number: i32,
    flags: i32,
}

impl StandIn {
    fn of(wanted: Wanted, address: &[u8]) -> nix::Result<StandIn> {
        let flags = stranger::socket_flags(wanted.thread, wanted.socket)?;
        Ok(StandIn { socket: connecting::stream_for(address)?, number: wanted.socket, flags })
    }

    /// Takes the place of the caller's, whose call waits.
    ///
    /// # Errors
    /// Nobody waits any more.
    pub fn hand_over(&self, listener: &Listener, id: u64) -> nix::Result<()> {
        connecting::set_waiting(&self.socket, self.flags & libc::O_NONBLOCK == 0)?;
        listener.replace(id, self.socket.as_fd(), self.flags & libc::O_CLOEXEC != 0, self.number)
    }
}

/// A caller's connect.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Who.
    pub thread: i32,
    /// Its number for the socket.
    pub socket: i32,
    /// Where the address is.
    pub address: u64,
    /// How long it is.
    pub length: u64,
}

/// What tells whether a socket is the sandbox's own.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Lists the Unix sockets of its network namespace.
    pub diag: Option<&'a OwnedFd>,
    /// Where that is the whole machine's: the first process inside. A socket that it or a descendant has open is the
    /// sandbox's own.
    pub first: Option<Pid>,
    /// And where its TCP connections go.
    pub door: Option<&'a Door>,
}

impl Around<'_> {
    /// Whether one of the inside listens at a file or by a name.
    fn listens(self, is: impl Fn(&unix_diag::Listening) -> bool) -> bool {
        let all = self.diag.and_then(|diag| unix_diag::listening(diag).ok()).unwrap_or_default();
        let mut found = all.iter().filter(|listener| is(listener));
        match self.first {
            None => found.next().is_some(),
            Some(first) => found.any(|listener| descent::holds_socket(first, listener.socket)),
        }
    }
}

/// The longest address that the kernel takes (struct sockaddr_storage).
const LONGEST: u64 = 128;

/// An address in the caller's memory.
///
/// # Errors
/// EINVAL, EFAULT: as the kernel answers.
pub(super) fn address(thread: i32, at: u64, length: u64) -> nix::Result<Vec<u8>> {
    if length > LONGEST {
        return Err(Errno::EINVAL);
    }
    stranger::bytes(thread, at, usize::try_from(length).map_err(|_| Errno::EINVAL)?)
}

/// Makes the connection, if it may be made. `spoke` hears of one with a server outside, and what allows it.
pub fn connect(
    wanted: Wanted,
    places: &Places,
    rules: &Rules,
    granted: &dyn Fn(&Path) -> bool,
    spoke: &dyn Fn(&Path, &str),
    around: &Around<'_>,
) -> (Connect, Option<StandIn>) {
    let mut stand_in = None;
    let outcome = attempt(wanted, places, rules, granted, spoke, around, &mut stand_in);
    (outcome.unwrap_or_else(Connect::Failed), stand_in)
}

fn attempt(
    wanted: Wanted,
    places: &Places,
    rules: &Rules,
    granted: &dyn Fn(&Path) -> bool,
    spoke: &dyn Fn(&Path, &str),
    around: &Around<'_>,
    stand_in: &mut Option<StandIn>,
) -> nix::Result<Connect> {
    // As connect(2) answers, in its order.
    let own = match stranger::descriptor(wanted.thread, wanted.socket) {
        Err(Errno::EPERM) if around.first.is_some() => None,
        socket => Some(socket?),
    };
    let address = address(wanted.thread, wanted.address, wanted.length)?;
    let socket = match own {
        Some(socket) => socket,
        None => {
            stand_in.insert(StandIn::of(wanted, &address)?).socket.try_clone().map_err(|_| Errno::EMFILE)?
        }
    };
    if connecting::is_unix(&socket)? {
        // Asked only about servers outside.
        let may = |path: &Path| {
            let reachable = match rules.reach(path) {
                Reachable::Unnamed if granted(path) => Reachable::Allowed("a person".to_owned()),
                reachable => reachable,
            };
            if let Reachable::Allowed(by) = &reachable {
                spoke(path, by);
            }
            reachable
        };
        unix(wanted, socket, address, places, &may, around)
    } else if around.first.is_some() {
        // The network is the whole machine's.
        to_door(socket, &address, around.door.ok_or(Errno::ENETUNREACH)?, rules.reaches_loopback())
    } else if around.diag.is_none_or(|diag| connecting::share_network(&socket, diag)) {
        Ok(made(socket, address, None))
    } else {
        // It came in from outside, and would reach what is there.
        Err(Errno::ENETUNREACH)
    }
}

/// Connects to the gateway's door and says there where to.
fn to_door(socket: OwnedFd, address: &[u8], door: &Door, loopback: bool) -> nix::Result<Connect> {
    let family = connecting::tcp_family(&socket)?;
    let ipv6 = family == libc::AF_INET6;
    // Without a family it would be disconnected, which nobody needs.
    let meant = door::parse(address, ipv6).ok_or(Errno::EAFNOSUPPORT)?;
    // What is announced on it would be said to the server.
    if connecting::is_connected(&socket) {
        return Err(Errno::EISCONN);
    }
    if !door.leads_to(meant, loopback) {
        return Err(Errno::ECONNREFUSED);
    }
    let at = door.addresses.get(usize::from(ipv6)).copied().flatten().ok_or(Errno::ENETUNREACH)?;
    connecting::without_fast_open(&socket);
    let unfinished = Unfinished {
        socket,
        address: connecting::as_sockaddr(at),
        meant: Some((meant, door.clone())),
        _place: None,
    };
    Ok(match connecting::try_connect(&unfinished.socket, &unfinished.address) {
        // A caller that does not wait is told that it is done: it nearly is, and only then may it speak.
        Ok(true) | Err(Errno::EINPROGRESS) if connecting::is_connected(&unfinished.socket) => {
            Connect::Done(unfinished.announce())
        }
        Ok(_) | Err(Errno::EINPROGRESS) => Connect::Unfinished(unfinished),
        Err(error) => Connect::Done(Err(error)),
    })
}

fn made(socket: OwnedFd, address: Vec<u8>, place: Option<OwnedFd>) -> Connect {
    match connecting::try_connect(&socket, &address) {
        Ok(true) => Connect::Done(Ok(())),
        Ok(false) => Connect::Unfinished(Unfinished { socket, address, meant: None, _place: place }),
        Err(error) => Connect::Done(Err(error)),
    }
}

fn unix(
    wanted: Wanted,
    socket: OwnedFd,
    address: Vec<u8>,
    places: &Places,
    may: &dyn Fn(&Path) -> Reachable,
    around: &Around<'_>,
) -> nix::Result<Connect> {
    let name = address.get(2..).unwrap_or_default();
    if address.first_chunk() != Some(&(libc::AF_UNIX as u16).to_ne_bytes()) || name.is_empty() {
        return Ok(made(socket, address, None));
    }
    if name.first() == Some(&0) {
        // An abstract name is one of the socket's own network namespace. A socket of another came in from outside.
        if around.first.is_some() {
            // It would be one of the whole machine's: nobody inside has one (`Gatekeeper::listen`).
            return Err(Errno::ECONNREFUSED);
        }
        let own = around.diag.is_some_and(|diag| {
            fstat(&socket).is_ok_and(|stat| unix_diag::holds(diag, stat.st_ino).unwrap_or(false))
        });
        return Ok(if own { made(socket, address, None) } else { Connect::Failed(Errno::ECONNREFUSED) });
    }
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    let text = Path::new(OsStr::from_bytes(name.get(..end).unwrap_or_default()));
    let path = if text.is_absolute() {
        text.to_path_buf()
    } else {
        stranger::directory(wanted.thread, libc::AT_FDCWD)?.join(text)
    };
    let place = places.open(&path)?;
    let canonical = stranger::path_of(&place)?;
    let stat = fstat(&place)?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFSOCK {
        // As unix_find_bsd() answers.
        return Err(Errno::ECONNREFUSED);
    }
    let inside = around.listens(|listener| listener.is(&canonical, stat.st_dev, stat.st_ino));
    if !inside {
        let reachable = may(&canonical);
        if !matches!(reachable, Reachable::Allowed(_)) {
            return Ok(Connect::Refused(canonical, reachable));
        }
    }
    // By the open place: whatever stands at the path by now, this is what was judged.
    let address = connecting::address_of(&place);
    Ok(made(socket, address, Some(place)))
}
