//! Questions about the TCP sockets of one network namespace, as the kernel takes them (sock_diag(7), linux/inet_diag.h).
//!
//! Owns their format. Must not read the answers: who asks knows what for.

use crate::system::netlink;
use nix::sys::socket::SockProtocol;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// SOCK_DIAG_BY_FAMILY.
pub const BY_FAMILY: u16 = 20;
/// AF_INET.
pub const V4: u8 = 2;
/// AF_INET6.
pub const V6: u8 = 10;

/// The socket to ask through, of the namespace that this process is in.
///
/// # Errors
/// What the kernel answers.
pub fn open() -> nix::Result<OwnedFd> {
    netlink::open(SockProtocol::NetlinkSockDiag)
}

/// For all sockets in these states, by their bits; struct inet_diag_req_v2: family, protocol, extensions, pad, states, and the
/// socket, which is any.
pub fn of_all(family: u8, states: u32) -> Vec<u8> {
    let mut request = vec![family, 6, 0, 0];
    request.extend(states.to_ne_bytes());
    request.resize(56, 0);
    request
}

/// For the socket with these two ends, whatever its state: its ports, addresses, any interface, any cookie.
pub fn of_one(own: SocketAddr, other: SocketAddr) -> Vec<u8> {
    let address = |ip: IpAddr| {
        let mut bytes = match ip.to_canonical() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        bytes.resize(16, 0);
        bytes
    };
    let family = if own.ip().to_canonical().is_ipv4() { V4 } else { V6 };
    let mut request = of_all(family, u32::MAX);
    request.truncate(8);
    request.extend(own.port().to_be_bytes());
    request.extend(other.port().to_be_bytes());
    request.extend(address(own.ip()));
    request.extend(address(other.ip()));
    request.extend([0; 4]);
    request.extend([0xff; 8]);
    request
}
