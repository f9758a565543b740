//! Sockets that need options the libraries do not know, and descriptors sent over sockets. Owns the calls; decides
//! nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn,
    SockaddrIn6, SockaddrStorage, UnixAddr, bind, recvmsg, sendmsg, socket, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Connections that wait to be accepted; the kernel's own limit (somaxconn) is 4096.
const WAITING: i32 = 4096;

/// A TCP listener that is given connections to any address (IP_TRANSPARENT, ip(7); needs CAP_NET_ADMIN).
///
/// # Errors
/// What the calls give.
pub fn transparent_listener(address: SocketAddr) -> nix::Result<OwnedFd> {
    let listener = tcp(address)?;
    match address {
        SocketAddr::V4(_) => set(&listener, libc::SOL_IP, libc::IP_TRANSPARENT)?,
        SocketAddr::V6(_) => set(&listener, libc::SOL_IPV6, libc::IPV6_TRANSPARENT)?,
    }
    bind_and_listen(listener, address)
}

/// A plain TCP listener.
///
/// # Errors
/// What the calls give.
pub fn listener(address: SocketAddr) -> nix::Result<OwnedFd> {
    bind_and_listen(tcp(address)?, address)
}

/// The address that a TCP socket has itself.
///
/// # Errors
/// What getsockname(2) gives.
pub fn address_of(socket: &OwnedFd) -> nix::Result<SocketAddr> {
    let address: SockaddrStorage = nix::sys::socket::getsockname(socket.as_raw_fd())?;
    let four = address.as_sockaddr_in().map(|four| SocketAddr::V4(SocketAddrV4::from(*four)));
    let six = || address.as_sockaddr_in6().map(|six| SocketAddr::V6(SocketAddrV6::from(*six)));
    four.or_else(six).ok_or(Errno::EAFNOSUPPORT)
}

/// A TCP socket of this process's network namespace that somebody else will connect. Its packets carry the mark
/// (SO_MARK, socket(7); needs CAP_NET_ADMIN).
///
/// # Errors
/// What the calls give.
pub fn marked(ipv6: bool, mark: u32) -> nix::Result<OwnedFd> {
    let family = if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let made = socket(family, SockType::Stream, FLAGS, None)?;
    nix::sys::socket::setsockopt(&made, nix::sys::socket::sockopt::Mark, &mark)?;
    Ok(made)
}

fn tcp(address: SocketAddr) -> nix::Result<OwnedFd> {
    let made = socket(family(address), SockType::Stream, FLAGS, None)?;
    set(&made, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    if address.is_ipv6() {
        set(&made, libc::SOL_IPV6, libc::IPV6_V6ONLY)?;
    }
    Ok(made)
}

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);

fn family(address: SocketAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn bind_to(socket: &OwnedFd, address: SocketAddr) -> nix::Result<()> {
    match address {
        SocketAddr::V4(address) => bind(socket.as_raw_fd(), &SockaddrIn::from(address)),
        SocketAddr::V6(address) => bind(socket.as_raw_fd(), &SockaddrIn6::from(address)),
    }
}

fn bind_and_listen(socket: OwnedFd, address: SocketAddr) -> nix::Result<OwnedFd> {
    bind_to(&socket, address)?;
    // Not by nix: it takes no more than the C library's SOMAXCONN, which is 128 with musl.
    // SAFETY: listen(2) has no memory preconditions; the descriptor is open.
    Errno::result(unsafe { libc::listen(socket.as_raw_fd(), WAITING) })?;
    Ok(socket)
}

/// Begins to connect, without waiting; whether the connection stands already. If not, the socket becomes writable when
/// it is decided, and SO_ERROR tells how.
///
/// # Errors
/// What the calls give.
pub fn connect(address: SocketAddr) -> nix::Result<(OwnedFd, bool)> {
    let made = socket(family(address), SockType::Stream, FLAGS, None)?;
    let begun = match address {
        SocketAddr::V4(address) => nix::sys::socket::connect(made.as_raw_fd(), &SockaddrIn::from(address)),
        SocketAddr::V6(address) => nix::sys::socket::connect(made.as_raw_fd(), &SockaddrIn6::from(address)),
    };
    match begun {
        Ok(()) => Ok((made, true)),
        Err(Errno::EINPROGRESS) => {
            let stands = nix::sys::socket::getpeername::<SockaddrStorage>(made.as_raw_fd()).is_ok();
            Ok((made, stands))
        }
        Err(error) => Err(error),
    }
}

/// A UDP socket that tells to which address a datagram was sent, and may answer from it.
///
/// # Errors
/// What the calls give.
pub fn datagrams(address: SocketAddr) -> nix::Result<OwnedFd> {
    let made = socket(family(address), SockType::Datagram, FLAGS, None)?;
    match address {
        SocketAddr::V4(_) => set(&made, libc::SOL_IP, libc::IP_PKTINFO)?,
        SocketAddr::V6(_) => {
            set(&made, libc::SOL_IPV6, libc::IPV6_V6ONLY)?;
            set(&made, libc::SOL_IPV6, libc::IPV6_RECVPKTINFO)?;
            set(&made, libc::SOL_IPV6, libc::IPV6_TRANSPARENT)?;
        }
    }
    bind_to(&made, address)?;
    Ok(made)
}

/// One datagram with both its ends.
#[derive(Debug, Clone, Copy)]
pub struct Envelope {
    /// Bytes of it.
    pub length: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// The address it was sent to.
    pub to: IpAddr,
}

/// Receives a datagram of [`datagrams`].
///
/// # Errors
/// EAGAIN where there is none; EBADMSG for one without an address.
pub fn receive_datagram(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<Envelope> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
    let got =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let from = got.address.as_ref().and_then(socket_address).ok_or(Errno::EBADMSG)?;
    let to = got.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        _ => None,
    });
    Ok(Envelope { length: got.bytes, from, to: to.ok_or(Errno::EBADMSG)? })
}

/// Answers a datagram, from the address that it was sent to.
///
/// # Errors
/// What sendmsg(2) gives.
pub fn answer_datagram(socket: BorrowedFd<'_>, bytes: &[u8], envelope: Envelope) -> nix::Result<()> {
    let parts = [IoSlice::new(bytes)];
    let flags = MsgFlags::MSG_DONTWAIT;
    match (envelope.from, envelope.to) {
        (SocketAddr::V4(to), IpAddr::V4(from)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(from).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(socket.as_raw_fd(), &parts, &control, flags, Some(&SockaddrIn::from(to))).map(drop)
        }
        (SocketAddr::V6(to), IpAddr::V6(from)) => {
            let info =
                libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: from.octets() }, ipi6_ifindex: 0 };
            let control = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(socket.as_raw_fd(), &parts, &control, flags, Some(&SockaddrIn6::from(to))).map(drop)
        }
        _ => Err(Errno::EBADMSG),
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::new(v4.ip(), v4.port())));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddr::V6(SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id())))
}

fn set(socket: &OwnedFd, level: i32, name: i32) -> nix::Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the pointer and length describe one int that lives through the call; all options used here are ints.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(&on).cast(), length) };
    Errno::result(status).map(drop)
}

/// Sends bytes with descriptors; at most [`MOST`] of them.
///
/// # Errors
/// What sendmsg(2) gives.
pub fn send_with_descriptors(over: RawFd, bytes: &[u8], descriptors: &[RawFd]) -> nix::Result<()> {
    let control = [ControlMessage::ScmRights(descriptors)];
    let control = if descriptors.is_empty() { &[][..] } else { &control[..] };
    sendmsg::<()>(over, &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

/// Sends one message; who is gone is no signal. By sendmsg(2), as everything here: filters that are to keep a program off the network
/// refuse sendto(2) even without an address (Codex's does), and that is what send(2) and the standard library are.
///
/// # Errors
/// What sendmsg(2) gives.
pub fn send(over: RawFd, bytes: &[u8]) -> nix::Result<usize> {
    sendmsg::<()>(over, &[IoSlice::new(bytes)], &[], MsgFlags::MSG_NOSIGNAL, None)
}

/// Writes all of it to a stream.
///
/// # Errors
/// What sendmsg(2) gives; EAGAIN where the stream does not block and has no room, after what it had room for.
pub fn write_all(over: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    write_or(over, bytes, |error| if error == Errno::EINTR { Ok(()) } else { Err(error.into()) })
}

/// The same to a stream that does not block, which is waited for where it has no room, and where the kernel has no memory for what is
/// sent (unix(7)), which is over soon or not at all: a second is waited for it.
///
/// # Errors
/// What sendmsg(2) gives else, and ENOBUFS and ENOMEM after that second.
pub fn write_all_waiting(over: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    const TRIES: u32 = 100;
    const REST: Duration = Duration::from_millis(10);
    let mut tries = 0;
    write_or(over, bytes, |error| {
        match error {
            Errno::EINTR => {}
            Errno::EAGAIN => {
                let _ = poll(&mut [PollFd::new(over.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            Errno::ENOBUFS | Errno::ENOMEM if tries < TRIES => {
                tries += 1;
                std::thread::sleep(REST);
            }
            error => return Err(error.into()),
        }
        Ok(())
    })
}

/// `or` says whether it goes on after an error.
fn write_or(over: &UnixStream, bytes: &[u8], mut or: impl FnMut(Errno) -> io::Result<()>) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match send(over.as_raw_fd(), rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) => or(error)?,
        }
    }
    Ok(())
}

/// Takes the next message out of a socket, and closes what came with it.
pub fn discard_message(over: &UnixStream) {
    let _ = nix::sys::socket::recv(over.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT);
}

/// Two Unix sockets of packets in sequence that are connected to each other.
///
/// # Errors
/// What socketpair(2) gives.
pub fn packet_pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    nix::sys::socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// A stream listener with an abstract name of this process's network namespace (unix(7)); whoever connects tells who it
/// is with what it sends.
///
/// # Errors
/// What the calls give.
pub fn named_listener(name: &[u8]) -> nix::Result<OwnedFd> {
    let made = socket(AddressFamily::Unix, SockType::Stream, FLAGS, None)?;
    nix::sys::socket::setsockopt(&made, sockopt::PassCred, &true)?;
    bind(made.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
    nix::sys::socket::listen(&made, Backlog::new(128)?)?;
    Ok(made)
}

/// Connects to such a listener.
///
/// # Errors
/// What the calls give.
pub fn connect_named(name: &[u8]) -> nix::Result<OwnedFd> {
    let made = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    nix::sys::socket::connect(made.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
    Ok(made)
}

/// The next connection; reading from it waits.
///
/// # Errors
/// EAGAIN where there is none.
pub fn accept(listener: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let number = nix::sys::socket::accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
    super::descriptors::own(number).ok_or(Errno::EBADF)
}

/// Receives the beginning of what somebody says who connected to [`named_listener`]: bytes, descriptors, and the number of
/// the process that sent them, by the kernel's word.
///
/// # Errors
/// What recvmsg(2) gives; EBADMSG where the sender is not told.
pub fn receive_from(over: RawFd, buffer: &mut [u8]) -> nix::Result<(usize, Vec<OwnedFd>, i32)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!([RawFd; MOST], nix::libc::ucred);
    let got = recvmsg::<()>(over, &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let (mut descriptors, mut sender) = (Vec::new(), None);
    for message in got.cmsgs()? {
        match message {
            ControlMessageOwned::ScmRights(numbers) => {
                descriptors.extend(numbers.into_iter().filter_map(super::descriptors::own));
            }
            ControlMessageOwned::ScmCredentials(credentials) => sender = Some(credentials.pid()),
            _ => {}
        }
    }
    Ok((got.bytes, descriptors, sender.ok_or(Errno::EBADMSG)?))
}

/// Most descriptors of one message.
pub const MOST: usize = 32;

/// Receives bytes with descriptors (closed on exec); the number of bytes is 0 at the end.
///
/// # Errors
/// What recvmsg(2) gives.
pub fn receive_with_descriptors(over: RawFd, buffer: &mut [u8]) -> nix::Result<(usize, Vec<OwnedFd>)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!([RawFd; MOST]);
    let got = loop {
        // A stop and SIGCONT may interrupt it (signal(7)); then nothing was taken out.
        match recvmsg::<()>(over, &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            got => break got?,
        }
    };
    let mut descriptors = Vec::new();
    for message in got.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = message {
            descriptors.extend(numbers.into_iter().filter_map(super::descriptors::own));
        }
    }
    Ok((got.bytes, descriptors))
}
