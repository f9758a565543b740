//! Pairs of datagram sockets (socketpair(2)): the inside gets pairs that keep the bounds of messages, in sequence.
//!
//! Owns what the caller finds in its memory. A datagram socket, connected or not, may name another receiver with each
//! message, in memory that changes while it is looked at, and no mount holds a receiver outside. One of packets in sequence
//! has its peer and nothing else: the kernel does not look at the name. The pair is made in the sandbox's network
//! namespace, as one of the caller's own would be. Must not hand in anything else.

use super::door::Door;
use crate::system::descriptors;
use crate::system::notify::{Listener, Notification, Reply};
use crate::system::stranger;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What is had of the sandbox's network namespace.
pub struct Own<'a> {
    /// Lists its Unix sockets.
    pub diag: Option<OwnedFd>,
    /// Makes two connected sockets in it, of packets in sequence.
    pub pair: Box<dyn Fn() -> nix::Result<(OwnedFd, OwnedFd)> + 'a>,
    /// The first process inside, where there is no namespace that tells what is the sandbox's own.
    pub first: Option<Pid>,
    /// And where it is connected to.
    pub door: Option<&'a Door>,
}

/// What socketpair(2) is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The type, with its flags.
    pub kind: i32,
    /// The protocol.
    pub protocol: i32,
    /// Where the two numbers go.
    pub address: u64,
}

/// The bytes of two numbers.
const BOTH: usize = 8;

/// Makes the pair and answers.
pub fn answer(listener: &Listener, asked: Notification, wanted: Asked, own: &Own<'_>) -> Option<Reply> {
    match give(listener, asked, wanted, own) {
        Ok(true) => Some(Reply::Value(0)),
        Ok(false) => None,
        Err(error) => Some(Reply::Fail(error)),
    }
}

/// False: nobody waits any more.
fn give(listener: &Listener, asked: Notification, wanted: Asked, own: &Own<'_>) -> nix::Result<bool> {
    check(wanted)?;
    let (one, other) = (own.pair)()?;
    if wanted.kind & libc::SOCK_NONBLOCK != 0 {
        [&one, &other].into_iter().try_for_each(|end| descriptors::set_nonblocking(end.as_raw_fd()))?;
    }
    let before = stranger::bytes(asked.thread, wanted.address, BOTH)?;
    // From here on something of the caller's changes, if it is the caller.
    if !listener.still_waits(asked.id) {
        return Ok(false);
    }
    // What cannot be written fails before it has a descriptor that it does not know of.
    stranger::put(asked.thread, wanted.address, &before)?;
    let close_on_exec = wanted.kind & libc::SOCK_CLOEXEC != 0;
    let first = listener.add(asked.id, one.as_fd(), close_on_exec)?;
    let second = listener.add(asked.id, other.as_fd(), close_on_exec)?;
    stranger::put(asked.thread, wanted.address, &[first.to_ne_bytes(), second.to_ne_bytes()].concat())?;
    Ok(true)
}

/// As socketpair(2) answers, in its order.
fn check(wanted: Asked) -> nix::Result<()> {
    const TYPE: i32 = 0xf;
    if wanted.kind & !(TYPE | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    if wanted.protocol != 0 && wanted.protocol != libc::AF_UNIX {
        return Err(Errno::EPROTONOSUPPORT);
    }
    match wanted.kind & TYPE {
        libc::SOCK_DGRAM | libc::SOCK_RAW => Ok(()),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        let of = |kind, protocol| check(Asked { kind, protocol, address: 0 });
        assert_eq!(of(libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0), Ok(()));
        assert_eq!(of(libc::SOCK_RAW, libc::AF_UNIX), Ok(()));
        assert_eq!(of(libc::SOCK_DGRAM | 0x10, 0), Err(Errno::EINVAL));
        assert_eq!(of(libc::SOCK_DGRAM, 17), Err(Errno::EPROTONOSUPPORT));
        assert_eq!(of(6, 0), Err(Errno::ESOCKTNOSUPPORT));
    }
}
