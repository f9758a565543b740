//! Addresses that no name may lead to. Pure.
//!
//! Owns which ranges those are and what they are called. Must not know what settings allow in them.

use super::host::canonical;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Microsoft's wire server, which looks like a public address.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const ORACLE: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 192);
const LINK_LOCAL_METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// What an address is, if it is one to which a name must not lead: a word that goes before "addresses". The ranges of
/// documentation (192.0.2.0/24 and its like) lead nowhere and are not among them.
pub fn forbidden(ip: IpAddr) -> Option<&'static str> {
    match canonical(ip) {
        IpAddr::V4(ip) => four(ip),
        IpAddr::V6(ip) => six(ip),
    }
}

fn four(ip: Ipv4Addr) -> Option<&'static str> {
    if [AZURE, ALIBABA, ORACLE, LINK_LOCAL_METADATA].contains(&ip) {
        return Some("metadata");
    }
    Some(match ip.octets() {
        [0, 0, 0, 0] => "unspecified",
        [0, ..] | [192, 0, 0, _] => "reserved",
        [127, ..] => "loopback",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [100, 64..=127, ..] => "carrier-grade NAT",
        [169, 254, ..] => "link-local",
        [198, 18..=19, ..] => "stand-in",
        [224..=239, ..] => "multicast",
        [255, 255, 255, 255] => "broadcast",
        [240..=255, ..] => "reserved",
        _ => return None,
    })
}

fn six(ip: Ipv6Addr) -> Option<&'static str> {
    Some(match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => "metadata",
        [0xfc00..=0xfdff, ..] => "private",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xfec0..=0xfeff, ..] => "site-local",
        [0xff00..=0xffff, ..] => "multicast",
        // NAT64 of a network's own choice: where the IPv4 address stands in it nobody can tell.
        [0x64, 0xff9b, 1, ..] => "private",
        // Discard-only.
        [0x100, 0, 0, 0, ..] => "reserved",
        _ => return embedded(ip).and_then(four),
    })
}

/// The IPv4 address to which a gateway or the kernel would carry what is sent to this IPv6 address: NAT64, 6to4,
/// Teredo, ISATAP, translated IPv4. Mapped and compatible addresses are IPv4 already ([`canonical`]).
pub fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        [0x2001, 0, _, _, _, _, high, low] => (!high, !low),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_range_has_its_name_up_to_its_edges() {
        for (text, wanted) in [
            ("0.0.0.0", Some("unspecified")),
            ("0.255.255.255", Some("reserved")),
            ("1.0.0.0", None),
            ("9.255.255.255", None),
            ("10.0.0.0", Some("private")),
            ("10.255.255.255", Some("private")),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some("carrier-grade NAT")),
            ("100.100.100.200", Some("metadata")),
            ("100.127.255.255", Some("carrier-grade NAT")),
            ("100.128.0.0", None),
            ("126.255.255.255", None),
            ("127.0.0.1", Some("loopback")),
            ("127.255.255.255", Some("loopback")),
            ("128.0.0.0", None),
            ("168.63.129.16", Some("metadata")),
            ("168.63.129.17", None),
            ("169.253.255.255", None),
            ("169.254.0.1", Some("link-local")),
            ("169.254.169.254", Some("metadata")),
            ("169.255.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", Some("private")),
            ("172.31.255.255", Some("private")),
            ("172.32.0.0", None),
            ("192.0.0.1", Some("reserved")),
            ("192.0.0.192", Some("metadata")),
            ("192.0.2.1", None),
            ("192.167.255.255", None),
            ("192.168.0.0", Some("private")),
            ("192.169.0.0", None),
            ("198.17.255.255", None),
            ("198.18.0.0", Some("stand-in")),
            ("198.19.255.255", Some("stand-in")),
            ("198.20.0.0", None),
            ("198.51.100.1", None),
            ("203.0.113.7", None),
            ("223.255.255.255", None),
            ("224.0.0.0", Some("multicast")),
            ("239.255.255.255", Some("multicast")),
            ("240.0.0.0", Some("reserved")),
            ("255.255.255.254", Some("reserved")),
            ("255.255.255.255", Some("broadcast")),
            ("::", Some("unspecified")),
            ("::1", Some("loopback")),
            ("::2", Some("reserved")),
            ("::127.0.0.1", Some("loopback")),
            ("::ffff:10.1.2.3", Some("private")),
            ("::ffff:203.0.113.7", None),
            ("::ffff:0:127.0.0.1", Some("loopback")),
            ("64:ff9b::169.254.169.254", Some("metadata")),
            ("64:ff9b::1.1.1.1", None),
            ("64:ff9b:1::1.1.1.1", Some("private")),
            ("100::1", Some("reserved")),
            ("2001:0:1:2:3:4:80ff:fffe", Some("loopback")),
            ("2001:db8::1", None),
            ("2001:db8::5efe:10.0.0.1", Some("private")),
            ("2001:db8::200:5efe:10.0.0.1", Some("private")),
            ("2002:7f00:1::1", Some("loopback")),
            ("2002:c0a8:1::", Some("private")),
            ("2002:101:101::", None),
            ("2606:4700::1111", None),
            ("fbff::1", None),
            ("fc00::", Some("private")),
            ("fd00:ec2::254", Some("metadata")),
            ("fdff::1", Some("private")),
            ("fe80::1", Some("link-local")),
            ("febf::1", Some("link-local")),
            ("fec0::1", Some("site-local")),
            ("ff02::1", Some("multicast")),
        ] {
            assert_eq!(forbidden(text.parse().unwrap()), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn wrapping_a_forbidden_address_does_not_help(bits in any::<u32>()) {
            let ip = Ipv4Addr::from_bits(bits);
            let (high, low) = ((bits >> 16) as u16, bits as u16);
            let plain = forbidden(IpAddr::V4(ip));
            for wrapped in [
                ip.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 1, 2, 3, 4, !high, !low),
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0x5efe, high, low),
            ] {
                prop_assert_eq!(forbidden(IpAddr::V6(wrapped)), plain, "{} {}", ip, wrapped);
            }
        }
    }
}
