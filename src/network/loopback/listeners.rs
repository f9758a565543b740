//! What listens inside: TCP listeners on the sandbox's loopback. Owns reading the kernel's list (sock_diag(7)); pure but
//! for the question.

use crate::network::inet_diag::{self, BY_FAMILY, V4, V6};
use crate::system::netlink;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;

/// By which of the loopback's addresses a port is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Families {
    /// 127.0.0.1.
    pub v4: bool,
    /// ::1.
    pub v6: bool,
}

/// The ports that are served.
pub type Served = BTreeMap<u16, Families>;

const LISTEN: u32 = 1 << 10; // TCP_LISTEN as a bit of idiag_states
const V6_ONLY: u16 = 11; // INET_DIAG_SKV6ONLY

/// Asks for the ports that programs inside serve on the loopback: the lowest ones, no more than [`super::MOST`], none of
/// the gateway's own.
///
/// # Errors
/// What the kernel answers.
pub fn served(listing: BorrowedFd<'_>, own: &[u16]) -> nix::Result<Served> {
    let mut all = Served::new();
    for family in [V4, V6] {
        netlink::list(listing, BY_FAMILY, &inet_diag::of_all(family, LISTEN), |entry| {
            if let Some((port, families)) = read(entry).filter(|(port, _)| !own.contains(port)) {
                let known = all.entry(port).or_default();
                known.v4 |= families.v4;
                known.v6 |= families.v6;
            }
        })?;
    }
    if let Some((&beyond, _)) = all.iter().nth(super::MOST) {
        all.split_off(&beyond);
    }
    Ok(all)
}

/// One listener: struct inet_diag_msg and attributes. `None` if it does not listen on the loopback.
fn read(entry: &[u8]) -> Option<(u16, Families)> {
    let port = u16::from_be_bytes(*entry.get(4..6)?.first_chunk()?);
    let address: [u8; 16] = *entry.get(8..24)?.first_chunk()?;
    let v4 = |address: Ipv4Addr| address == Ipv4Addr::LOCALHOST || address.is_unspecified();
    let families = match *entry.first()? {
        V4 => Families { v4: v4(Ipv4Addr::from(*address.first_chunk()?)), v6: false },
        V6 => {
            let address = Ipv6Addr::from(address);
            let both = address.is_unspecified() && !only_v6(entry.get(72..)?);
            Families {
                v4: both || address.to_ipv4_mapped().is_some_and(v4),
                v6: address.is_unspecified() || address == Ipv6Addr::LOCALHOST,
            }
        }
        _ => return None,
    };
    (families.v4 || families.v6).then_some((port, families))
}

/// Whether a listener on [::] leaves IPv4 alone.
fn only_v6(mut attributes: &[u8]) -> bool {
    while let Some(head) = attributes.first_chunk::<4>() {
        let [length, kind] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_ne_bytes);
        if kind == V6_ONLY {
            return attributes.get(4) == Some(&1);
        }
        let next = usize::from(length).max(4).next_multiple_of(4);
        attributes = attributes.get(next..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    #[test]
    fn listeners_are_found_with_their_families_and_others_are_not() {
        let listing = inet_diag::open().unwrap();
        let bind = |address: &str| TcpListener::bind(address).unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let (one, any, other) = (bind("127.0.0.1:0"), bind("0.0.0.0:0"), bind("127.0.0.2:0"));
        let (one6, any6) = (bind("[::1]:0"), bind("[::]:0"));
        let (v4, v6) = (Families { v4: true, v6: false }, Families { v4: false, v6: true });
        let both = Families { v4: true, v6: true };
        // The machine's own lower ports may be more than are listed: ask for one at a time.
        let found = |listener: &TcpListener| {
            let mut found = None;
            for family in [V4, V6] {
                let mut request = vec![family, 6, 0, 0];
                request.extend(LISTEN.to_ne_bytes());
                request.resize(56, 0);
                let each = |entry: &[u8]| found = found.or(read(entry).filter(|it| it.0 == port(listener)));
                netlink::list(listing.as_fd(), BY_FAMILY, &request, each).unwrap();
            }
            found.map(|(_, families)| families)
        };
        assert_eq!([&one, &any, &other].map(found), [Some(v4), Some(v4), None]);
        assert_eq!([&one6, &any6].map(found), [Some(v6), Some(both)]);
        let all = served(listing.as_fd(), &[port(&one)]).unwrap();
        assert!(!all.contains_key(&port(&one)) && all.len() <= super::super::MOST);
        drop(one);
    }
}
