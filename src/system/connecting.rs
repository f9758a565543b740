//! connect(2) on a copy of another process's socket, without waiting longer than a moment. Owns the calls; decides
//! nothing.
#![allow(unsafe_code)]

use super::signals;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

/// How long a connect may take here. What is accepted on this machine is accepted at once; while it waits, no other call
/// is answered.
const MOMENT: i64 = 2_000;

/// Whether a descriptor is a socket of the Unix family.
///
/// # Errors
/// ENOTSOCK.
pub fn is_unix(socket: &OwnedFd) -> nix::Result<bool> {
    Ok(option(socket, libc::SO_DOMAIN)? == libc::AF_UNIX)
}

/// A new stream of the family that an address names.
///
/// # Errors
/// EAFNOSUPPORT, and what socket(2) gives.
pub fn stream_for(address: &[u8]) -> nix::Result<OwnedFd> {
    let family = address.first_chunk().map(|bytes| i32::from(u16::from_ne_bytes(*bytes)));
    let family = match family {
        Some(libc::AF_INET) => AddressFamily::Inet,
        Some(libc::AF_INET6) => AddressFamily::Inet6,
        Some(libc::AF_UNIX) => AddressFamily::Unix,
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
}

/// Makes a socket one that is not waited for, or one that is.
///
/// # Errors
/// What fcntl(2) gives.
pub fn set_waiting(socket: &OwnedFd, waits: bool) -> nix::Result<()> {
    let mut flags = OFlag::from_bits_retain(fcntl(socket, FcntlArg::F_GETFL)?);
    flags.set(OFlag::O_NONBLOCK, !waits);
    fcntl(socket, FcntlArg::F_SETFL(flags)).map(drop)
}

/// Whether a Unix socket has a path as its name.
pub fn has_path(socket: &OwnedFd) -> bool {
    let name: nix::Result<nix::sys::socket::UnixAddr> = nix::sys::socket::getsockname(socket.as_raw_fd());
    name.is_ok_and(|name| name.path().is_some())
}

/// The family of a TCP socket.
///
/// # Errors
/// ENETUNREACH for any other one, ENOTSOCK.
pub fn tcp_family(socket: &OwnedFd) -> nix::Result<i32> {
    if option(socket, libc::SO_PROTOCOL)? != libc::IPPROTO_TCP {
        return Err(Errno::ENETUNREACH);
    }
    option(socket, libc::SO_DOMAIN)
}

fn option(socket: &OwnedFd, name: libc::c_int) -> nix::Result<i32> {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: both pointers are to an int and its length, which live through the call.
    let status = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut length)
    };
    Errno::result(status)?;
    Ok(value)
}

/// A connect that only begins with the first bytes that are sent (TCP_FASTOPEN_CONNECT) begins at once.
pub fn without_fast_open(socket: &OwnedFd) {
    let off: libc::c_int = 0;
    // SAFETY: the kernel reads an int. A kernel that does not know the option has nothing to switch off.
    let _ = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_FASTOPEN_CONNECT,
            (&raw const off).cast(),
            libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4),
        )
    };
}

/// Whether a TCP socket is connected by now.
pub fn is_connected(socket: &OwnedFd) -> bool {
    nix::sys::socket::getpeername::<nix::sys::socket::SockaddrStorage>(socket.as_raw_fd()).is_ok()
}

/// Sends bytes as the first ones, without waiting.
///
/// # Errors
/// What send(2) gives; EIO where not all could be sent.
pub fn say(socket: &OwnedFd, bytes: &[u8]) -> nix::Result<()> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let sent = nix::sys::socket::send(socket.as_raw_fd(), bytes, flags)?;
    if sent == bytes.len() { Ok(()) } else { Err(Errno::EIO) }
}

/// An address as connect(2) takes it.
pub fn as_sockaddr(address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address {
        SocketAddr::V4(four) => {
            [(libc::AF_INET as u16).to_ne_bytes().as_slice(), &port, &four.ip().octets(), &[0; 8]].concat()
        }
        SocketAddr::V6(six) => {
            let family = (libc::AF_INET6 as u16).to_ne_bytes();
            [family.as_slice(), &port, &[0; 4], &six.ip().octets(), &[0; 4]].concat()
        }
    }
}

/// listen(2).
///
/// # Errors
/// What it gives.
pub fn listen(socket: &OwnedFd, backlog: i32) -> nix::Result<()> {
    // SAFETY: the call takes two numbers and no memory.
    Errno::result(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// Whether two sockets are of the same network namespace (SO_NETNS_COOKIE, Linux 5.14). What cannot be found out is no.
pub fn share_network(one: &OwnedFd, other: &OwnedFd) -> bool {
    let cookies = [one, other].map(network);
    matches!(cookies, [Some(one), Some(other)] if one == other)
}

fn network(socket: &OwnedFd) -> Option<u64> {
    const NETNS_COOKIE: libc::c_int = 71;
    let mut cookie = 0u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).ok()?;
    // SAFETY: both pointers are to a number of eight bytes and its length, which live through the call.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (status == 0).then_some(cookie)
}

/// The address of an open place of a socket (socket(7): a path through `/proc/self/fd` leads to exactly that file).
pub fn address_of(place: &OwnedFd) -> Vec<u8> {
    let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    address.extend(format!("/proc/self/fd/{}\0", place.as_raw_fd()).into_bytes());
    address
}

/// Connects, waiting no longer than a moment where the caller would wait. False: it goes on, and the caller waits.
///
/// # Errors
/// What connect(2) gives; EINPROGRESS where the caller does not wait.
pub fn try_connect(socket: &OwnedFd, address: &[u8]) -> nix::Result<bool> {
    let flags = OFlag::from_bits_retain(fcntl(socket, FcntlArg::F_GETFL)?);
    if flags.contains(OFlag::O_NONBLOCK) {
        return match signals::interrupted_after(MOMENT, || connect(socket, address)) {
            // Somebody made it one that waits.
            Err(Errno::EINTR) => Ok(false),
            done => done.map(|()| true),
        };
    }
    within(socket, address, MOMENT)
}

/// Goes on with a connect until it is done or nobody wants it any more.
///
/// # Errors
/// What connect(2) gives; ECANCELED if `wanted` ended it.
pub fn finish(socket: &OwnedFd, address: &[u8], wanted: impl Fn() -> bool) -> nix::Result<()> {
    const PIECE: i64 = 200_000;
    let limit = getsockopt(socket, sockopt::SendTimeout)?;
    let limit = limit.tv_sec() * 1_000_000 + limit.tv_usec();
    let mut waited = 0;
    while wanted() {
        if within(socket, address, PIECE)? {
            return Ok(());
        }
        waited += PIECE;
        if limit > 0 && waited >= limit {
            return Err(Errno::EINPROGRESS);
        }
    }
    Err(Errno::ECANCELED)
}

/// Connects within so many microseconds. The descriptor's flags are the caller's too, and it would see them change; the
/// time limit is looked at by nobody.
fn within(socket: &OwnedFd, address: &[u8], microseconds: i64) -> nix::Result<bool> {
    let before = getsockopt(socket, sockopt::SendTimeout)?;
    setsockopt(socket, sockopt::SendTimeout, &TimeVal::new(0, microseconds))?;
    // The caller has the same socket and could take the limit away meanwhile.
    let done = signals::interrupted_after(microseconds + MOMENT, || connect(socket, address));
    let _ = setsockopt(socket, sockopt::SendTimeout, &before);
    match done {
        Ok(()) => Ok(true),
        // In time for TCP, for a Unix listener whose queue is full, and for the second call after the first.
        Err(Errno::EINPROGRESS | Errno::EAGAIN | Errno::EALREADY | Errno::EINTR) => Ok(false),
        Err(error) => Err(error),
    }
}

fn connect(socket: &OwnedFd, address: &[u8]) -> nix::Result<()> {
    let length = libc::socklen_t::try_from(address.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel reads `length` bytes of `address`, which lives through the call, and checks what they are.
    let status = unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), length) };
    Errno::result(status).map(drop)
}
