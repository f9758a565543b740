//! The door to the gateway where the inside has no network of its own: a listener on the host's loopback, and how a
//! connection is announced there. Pure.
//!
//! Owns the announcement: the first bytes of a connection say where it was meant to go, and that the gatekeeper made it. Only
//! the gatekeeper and the gateway know the key, and the proof holds for the connection's own end alone: whoever else connects
//! there, or sees an old one, gets nowhere. The command could only ever make a proof invalid, by sending before it.

use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The length of an announcement.
pub const LENGTH: usize = ADDRESS + PROOF;
const ADDRESS: usize = 18;
const PROOF: usize = 16;

/// The door.
#[derive(Debug, Clone)]
pub struct Door {
    /// Where it listens; for sockets of IPv4, and for those of IPv6 if there is one.
    pub addresses: [Option<SocketAddr>; 2],
    /// Ports of the loopback that are the gateway's own.
    ports: &'static [u16],
    key: [u8; 32],
}

impl Door {
    /// At these addresses, with a key that nobody guesses. On these ports of the loopback the gateway answers itself.
    pub fn new(addresses: [Option<SocketAddr>; 2], ports: &'static [u16], key: [u8; 32]) -> Door {
        Door { addresses, ports, key }
    }

    /// Whether something may be reached by it: the loopback is the host's, where nothing listens for the inside unless
    /// settings say so.
    pub fn leads_to(&self, meant: SocketAddr, loopback: bool) -> bool {
        let local = meant.ip().is_loopback() || meant.ip().is_unspecified();
        !local || loopback || self.ports.contains(&meant.port())
    }

    /// What a connection from this end says first.
    pub fn announce(&self, from: SocketAddr, meant: SocketAddr) -> [u8; LENGTH] {
        let mut all = [0; LENGTH];
        let address = as_bytes(meant);
        let (said, proof) = all.split_at_mut(ADDRESS);
        said.copy_from_slice(&address);
        proof.copy_from_slice(&self.proof(from, &address));
        all
    }

    /// Where a connection from this end was meant to go; `None` if the gatekeeper did not make it.
    pub fn meant(&self, from: SocketAddr, said: &[u8; LENGTH]) -> Option<SocketAddr> {
        let (address, proof) = said.split_first_chunk::<ADDRESS>()?;
        let expected = self.proof(from, address);
        // All of it is looked at, however early it differs.
        let differing = proof.iter().zip(expected).fold(0, |all, (one, other)| all | (one ^ other));
        if differing != 0 || proof.len() != PROOF {
            return None;
        }
        let (ip, port) = address.split_first_chunk::<16>()?;
        let port = u16::from_be_bytes(*port.first_chunk()?);
        Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical(), port))
    }

    fn proof(&self, from: SocketAddr, address: &[u8; ADDRESS]) -> [u8; PROOF] {
        // The inner hash is as long as the outer one's block allows, so nothing can be appended (RFC 2104 in short).
        let inner = Sha256::new().chain_update(self.key).chain_update(as_bytes(from)).chain_update(address);
        let outer = Sha256::new().chain_update(self.key).chain_update(inner.finalize()).finalize();
        let mut proof = [0; PROOF];
        proof.iter_mut().zip(outer).for_each(|(to, from)| *to = from);
        proof
    }
}

fn as_bytes(address: SocketAddr) -> [u8; ADDRESS] {
    let ip = match address.ip() {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    };
    let mut all = [0; ADDRESS];
    let bytes = ip.octets().into_iter().chain(address.port().to_be_bytes());
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    all
}

/// The address that a struct sockaddr says, of the family that its socket has.
pub fn parse(address: &[u8], ipv6: bool) -> Option<SocketAddr> {
    let (family, rest) = address.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = match (i32::from(u16::from_ne_bytes(*family)), ipv6) {
        (libc::AF_INET, false) => IpAddr::from(*rest.first_chunk::<4>()?),
        // sin6_flowinfo stands between.
        (libc::AF_INET6, true) => IpAddr::from(*rest.get(4..)?.first_chunk::<16>()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_announcement_holds_for_one_end_one_target_and_one_key() {
        let door = Door::new([None, None], &[], [7; 32]);
        for meant in ["192.0.2.1:443", "[2001:db8::1]:80", "127.0.0.1:28128"] {
            let said = door.announce(at("127.0.0.1:50000"), at(meant));
            assert_eq!(door.meant(at("127.0.0.1:50000"), &said), Some(at(meant)));
            assert_eq!(door.meant(at("127.0.0.1:50001"), &said), None);
            assert_eq!(Door::new([None, None], &[], [8; 32]).meant(at("127.0.0.1:50000"), &said), None);
            for place in 0..LENGTH {
                let mut changed = said;
                changed[place] ^= 1;
                assert_eq!(door.meant(at("127.0.0.1:50000"), &changed), None, "{place}");
            }
        }
    }

    #[test]
    fn of_the_loopback_only_the_gateways_own_ports_are_reached_unless_settings_say_so() {
        let door = Door::new([None, None], &[53, 28128], [7; 32]);
        for (meant, open) in [
            ("192.0.2.1:22", true),
            ("127.0.0.53:53", true),
            ("[::1]:28128", true),
            ("127.0.0.1:22", false),
            ("[::]:22", false),
        ] {
            assert_eq!(door.leads_to(at(meant), false), open, "{meant}");
            assert!(door.leads_to(at(meant), true));
        }
    }

    #[test]
    fn addresses_as_the_kernel_takes_them() {
        let four = [2u16.to_ne_bytes().as_slice(), &80u16.to_be_bytes(), &[192, 0, 2, 1], &[0; 8]].concat();
        assert_eq!(parse(&four, false), Some(at("192.0.2.1:80")));
        assert_eq!(parse(&four, true), None);
        let mut six = [10u16.to_ne_bytes().as_slice(), &80u16.to_be_bytes(), &[0; 4]].concat();
        six.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(parse(&six, true), Some(at("[2001:db8::1]:80")));
        assert_eq!(parse(&six[..20], true), None);
        assert_eq!(parse(&[0, 0], false), None);
        let unspecified = [0u16.to_ne_bytes().as_slice(), &[0; 14]].concat();
        assert_eq!(parse(&unspecified, false), None);
    }
}
