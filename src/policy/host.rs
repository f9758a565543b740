//! A host in its one spelling. Pure.
//!
//! Owns normalisation: whatever a program, a setting or a protocol calls a host becomes a [`Host`] before anything is
//! compared. Must not resolve names.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// No name is longer (RFC 1035, 2.3.4), without its last dot.
const LONGEST_NAME: usize = 253;
/// No part of a name is longer.
const LONGEST_LABEL: usize = 63;
/// What is longer than this cannot become a name of [`LONGEST_NAME`]; it is not even mapped.
const LONGEST_TEXT: usize = 2048;

/// A host name or address, normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// Lower-case ASCII (IDN as `xn--`), without a trailing dot.
    Name(String),
    /// An address; mapped IPv4 is IPv4.
    Address(IpAddr),
}

/// Why a text is no host; the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub &'static str);

impl Host {
    /// Reads a host without a port; IPv6 with or without brackets.
    ///
    /// # Errors
    /// [`HostError`]: empty, control characters, userinfo, zone ids, a label that is too long …
    pub fn parse(text: &str) -> Result<Host, HostError> {
        if is_ordinary(text) {
            return Ok(Host::Name(text.to_owned()));
        }
        if text.is_empty() {
            return Err(HostError("it is empty"));
        }
        if text.len() > LONGEST_TEXT {
            return Err(HostError("it is too long"));
        }
        if text.contains('%') {
            return Err(HostError("it contains '%': zones and percent signs have no place in a host"));
        }
        if text.contains([':', '[', ']']) {
            return six(text);
        }
        characters(text)?;
        // The mapping may make digits, dots and capitals out of other characters: what follows looks at its outcome.
        let mapped = Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
            .map_err(|_| HostError("it is no valid international name"))?;
        characters(&mapped)?;
        let name = mapped.strip_suffix('.').unwrap_or(&mapped);
        if let Some(address) = four(name)? {
            return Ok(Host::Address(IpAddr::V4(address)));
        }
        labels(name)?;
        Ok(Host::Name(name.to_owned()))
    }

    /// Reads what a protocol carries as bytes.
    ///
    /// # Errors
    /// [`HostError`], also for what is not UTF-8.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Host, HostError> {
        Host::parse(std::str::from_utf8(bytes).map_err(|_| HostError("it is not UTF-8"))?)
    }

    /// Whether it is the machine's own loopback: `localhost` or a name below it (RFC 6761), or an address that leads
    /// there.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Name(name) => is_local(name),
            Host::Address(address) => address.is_loopback() || address.is_unspecified(),
        }
    }
}

impl fmt::Display for Host {
    /// As in a URL: IPv6 in brackets.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => to.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(to),
            Host::Address(IpAddr::V6(address)) => write!(to, "[{address}]"),
        }
    }
}

/// Reads an authority without userinfo: `host`, `host:port`, `[v6]`, `[v6]:port`. An IPv6 address needs its brackets
/// here: without them nobody can tell where it ends.
///
/// # Errors
/// [`HostError`], also where there is neither a port nor a default.
pub fn parse_host_port(text: &str, default_port: Option<u16>) -> Result<(Host, u16), HostError> {
    let (host, port) = split(text)?;
    let port = match port {
        None | Some("") => default_port.ok_or(HostError("its port is missing"))?,
        Some(port) => parse_port(port)?,
    };
    Ok((Host::parse(host)?, port))
}

/// Splits an authority into host and port, neither of them read.
pub(super) fn split(text: &str) -> Result<(&str, Option<&str>), HostError> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(HostError("its bracket is not closed"))?;
        let (host, rest) = text.split_at_checked(end + 1).unwrap_or((text, ""));
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(HostError("only a port may follow its brackets")),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(HostError("an IPv6 address needs brackets here")),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

/// A port from 1 to 65535, in digits alone.
pub(super) fn parse_port(text: &str) -> Result<u16, HostError> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(HostError("its port is no number from 1 to 65535")),
    }
}

/// An address in its one spelling: IPv4 that is wrapped as mapped or compatible IPv6 is IPv4.
pub fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    let [a, b, c, d, e, f, ..] = six.segments();
    let compatible = [a, b, c, d, e, f] == [0; 6] && !six.is_loopback() && !six.is_unspecified();
    match six.to_ipv4() {
        Some(four) if compatible => IpAddr::V4(four),
        _ => address.to_canonical(),
    }
}

/// Whether a normalised name is `localhost` or below it.
pub(super) fn is_local(name: &str) -> bool {
    name.strip_suffix("localhost").is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// Whether a text is a name in its one spelling as it stands, so that nothing has to be mapped. Ten thousand entries
/// of settings are looked at by this at every start.
pub(super) fn is_ordinary(text: &str) -> bool {
    if text.is_empty() || text.len() > LONGEST_NAME || text.starts_with('-') {
        return false;
    }
    let mut length = 0;
    let mut numeric = true;
    let mut start = [0_u8; 4];
    for byte in text.bytes() {
        match byte {
            b'.' if length == 0 => return false,
            b'.' => {
                (length, numeric, start) = (0, true, [0; 4]);
            }
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {
                if let Some(place) = start.get_mut(length) {
                    *place = byte;
                }
                length += 1;
                numeric &= byte.is_ascii_digit();
                // "0x" may begin an address, and "xn--" has to be checked.
                if length > LONGEST_LABEL
                    || (length == 2 && start == *b"0x\0\0")
                    || (length == 4 && start == *b"xn--")
                {
                    return false;
                }
            }
            _ => return false,
        }
    }
    length > 0 && !numeric
}

/// No character that means something else in a URL, a header or a terminal.
fn characters(text: &str) -> Result<(), HostError> {
    for character in text.chars() {
        match character {
            '\0' => return Err(HostError("it contains NUL")),
            c if c.is_control() => return Err(HostError("it contains a control character")),
            c if c.is_whitespace() => return Err(HostError("it contains a blank")),
            '/' | '@' | '?' | '#' | '\\' => return Err(HostError("it is not a host alone")),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => {}
            c if c.is_ascii() => return Err(HostError("it contains a character that no host has")),
            _ => {}
        }
    }
    Ok(())
}

/// Lengths; and no leading hyphen, because names become arguments of programs.
fn labels(name: &str) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError("it is empty"));
    }
    if name.len() > LONGEST_NAME {
        return Err(HostError("it is too long"));
    }
    if name.starts_with('-') {
        return Err(HostError("it begins with a hyphen"));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(HostError("a part between its dots is empty"));
        }
        if label.len() > LONGEST_LABEL {
            return Err(HostError("a part between its dots is too long"));
        }
    }
    Ok(())
}

fn six(text: &str) -> Result<Host, HostError> {
    let inside = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(HostError("its bracket is not closed"))?,
        None => text,
    };
    let address: Ipv6Addr = inside.parse().map_err(|_| HostError("it is no IPv6 address"))?;
    Ok(Host::Address(canonical(IpAddr::V6(address))))
}

/// IPv4 in every spelling that inet_aton(3) takes. A name whose last part is a number is an address or nothing.
fn four(name: &str) -> Result<Option<Ipv4Addr>, HostError> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if last.is_empty() || !(hexadecimal || last.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(None);
    }
    let wrong = HostError("it ends in a number, but is no IPv4 address");
    let mut parts = Vec::new();
    for part in name.split('.') {
        parts.push(number(part).filter(|_| parts.len() < 4).ok_or(wrong.clone())?);
    }
    let last = parts.pop().ok_or(wrong.clone())?;
    // The last part fills what the parts before it leave.
    let room = 32 - 8 * u32::try_from(parts.len()).map_err(|_| wrong.clone())?;
    if last >> room != 0 || parts.iter().any(|part| *part > 255) {
        return Err(wrong);
    }
    let front = parts.iter().fold(0_u64, |all, part| all << 8 | part) << room;
    u32::try_from(front | last).map(|bits| Some(Ipv4Addr::from_bits(bits))).map_err(|_| wrong)
}

/// Decimal, octal with a leading zero, or hexadecimal with `0x`; at most what 40 bits hold.
fn number(part: &str) -> Option<u64> {
    let (digits, radix) = match part.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if part.len() > 1 && part.starts_with('0') => (part, 8),
        None => (part, 10),
    };
    // from_str_radix takes a sign, a host does not.
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().filter(|value| *value < 1 << 40)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn is(text: &str, wanted: &str) {
        assert_eq!(Host::parse(text).map(|h| h.to_string()), Ok(wanted.to_owned()), "{text:?}");
    }

    #[test]
    fn names_have_one_spelling() {
        for (text, wanted) in [
            ("example.com", "example.com"),
            ("EXAMPLE.Com.", "example.com"),
            ("localhost", "localhost"),
            ("_dmarc.a_b.com", "_dmarc.a_b.com"),
            ("r3---sn-x.googlevideo.com", "r3---sn-x.googlevideo.com"),
            ("bücher.de", "xn--bcher-kva.de"),
            ("BÜCHER。de", "xn--bcher-kva.de"),
            ("XN--BCHER-KVA.de", "xn--bcher-kva.de"),
            ("ｅｘａｍｐｌｅ.com", "example.com"),
            ("exam\u{ad}ple.com", "example.com"),
            ("straße.de", "xn--strae-oqa.de"),
            ("1.2.3.com", "1.2.3.com"),
            ("0x.com", "0x.com"),
            ("3com.0xz", "3com.0xz"),
            ("1e3", "1e3"),
        ] {
            is(text, wanted);
        }
        // A look-alike stays another name.
        is("exаmple.com", "xn--exmple-4nf.com");
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        is(&longest, &longest);
        is(&format!("{longest}."), &longest);
    }

    #[test]
    fn addresses_have_one_spelling() {
        for text in [
            "127.0.0.1",
            "127.0.0.1.",
            "0x7f.1",
            "0X7F.0.0.1",
            "2130706433",
            "2130706433.",
            "017700000001",
            "0177.1",
            "127.1",
            "127.0.1",
            "0x7f000001",
            "127.0.0.0x1",
            "00000000177.0.0.1",
            "１２７.0.0.1",
            "①②⑦.0.0.1",
            "127。0。0。1",
            "::ffff:127.0.0.1",
            "[::ffff:7f00:1]",
            "::127.0.0.1",
            "0:0:0:0:0:FFFF:7F00:0001",
        ] {
            is(text, "127.0.0.1");
        }
        for (text, wanted) in [
            ("0", "0.0.0.0"),
            ("255.255.255.255", "255.255.255.255"),
            ("4294967295", "255.255.255.255"),
            ("1.16777215", "1.255.255.255"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
            ("[0:0::0:1]", "[::1]"),
            ("::", "[::]"),
            ("2001:DB8::1", "[2001:db8::1]"),
        ] {
            is(text, wanted);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "a\0b",
            "a\0",
            "a\nb",
            "a b",
            " a",
            "a\t",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{a0}b",
            "a\u{200b}\0",
            "user@host",
            "user:pw@host",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a%2e",
            "a%00",
            "fe80::1%eth0",
            "[fe80::1%25eth0]",
            "[::1",
            "::1]",
            "[[::1]]",
            "[127.0.0.1]",
            "[]",
            "[a]",
            ":",
            "a:80",
            "1.2.3.4:80",
            "::1.",
            "[::1].",
            "256.1.1.1",
            "1.2.3.4.5",
            "1.2.3",
            "08",
            "0x",
            "127.0.0.0x",
            "4294967296",
            "1.2.65536x.4",
            "1..2",
            "09.1.1.1",
            "foo.1",
            "foo.0x1",
            "1.2.3.256",
            "1.16777216",
            "99999999999999999999",
            "+1.2.3.4",
            "-a.com",
            "a,b",
            "a;b",
            "a*b",
            "*",
            "*.a.com",
            "a!b",
            "'a'",
            "\"a\"",
            "a<b",
            "a|b",
            "a^b",
            "`a`",
            "a{b}",
            "a$b",
            "a&b",
            "a=b",
            "a~b",
            "a(b)",
            "xn--",
            "xn--a",
            "xn--example-",
            "\u{ad}",
            "a.\u{ad}.b",
            "a\u{2028}b",
            "℀.com",
            "a／b",
            "a：80",
            "a＠b",
            "a％b",
            "\u{202e}moc.live",
            "a\u{fffd}",
            "．",
            "1.2.3.４５６",
        ] {
            // Three parts are an address after all.
            if text == "1.2.3" {
                is(text, "1.2.0.3");
                continue;
            }
            assert!(Host::parse(text).is_err(), "{text:?} is {:?}", Host::parse(text));
        }
        for long in ["a".repeat(64), "a.".repeat(127) + "a", "ü".repeat(64), "a".repeat(1 << 20)] {
            assert!(Host::parse(&long).is_err(), "{}", long.len());
        }
        assert_eq!(Host::parse_bytes(b"a\xffb"), Err(HostError("it is not UTF-8")));
        assert_eq!(Host::parse_bytes(b"A.b."), Ok(Host::Name("a.b".into())));
    }

    #[test]
    fn an_authority_is_host_and_port_and_nothing_else() {
        let read = |text: &str, default| parse_host_port(text, default).map(|(h, p)| format!("{h} {p}"));
        for (text, default, wanted) in [
            ("a.com:443", None, "a.com 443"),
            ("a.com", Some(80), "a.com 80"),
            ("a.com:", Some(80), "a.com 80"),
            ("[::1]:8080", None, "[::1] 8080"),
            ("[::1]", Some(1), "[::1] 1"),
            ("0x7f.1.:0080", None, "127.0.0.1 80"),
        ] {
            assert_eq!(read(text, default).as_deref(), Ok(wanted), "{text}");
        }
        for text in [
            "", ":80", "a", "a:", "a:0", "a:65536", "a:+80", "a: 80", "a:80 ", "a:8O", "a:80:80", "::1",
            "::1:80", "[::1]80", "[::1]:", "[::1]:x", "u@a:80", "a:000080", "a:80/", "[a]:80", "a:٣", "a:-1",
        ] {
            assert!(read(text, None).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn normalisation_is_idempotent_and_takes_any_text(text in "\\PC{0,30}|[a-zA-Z0-9.xX_ü。-]{0,20}|[0-9a-fx.:\\[\\]]{1,20}") {
            if let Ok(host) = Host::parse(&text) {
                let shown = host.to_string();
                prop_assert_eq!(Host::parse(&shown), Ok(host.clone()));
                prop_assert_eq!(parse_host_port(&format!("{}:1", shown), None), Ok((host.clone(), 1)));
                if let Host::Name(name) = &host {
                    prop_assert!(!name.ends_with('.') && name.bytes().all(|b| b.is_ascii_lowercase()
                        || b.is_ascii_digit() || b"-_.".contains(&b)), "{}", name);
                    prop_assert!(is_ordinary(name) || name.contains("xn--") || name.contains("0x"), "{}", name);
                }
            }
        }

        #[test]
        fn what_is_ordinary_means_itself(text in "[a-z0-9.x_-]{1,24}") {
            if is_ordinary(&text) {
                // A capital takes the long way.
                prop_assert_eq!(Host::parse(&text.to_uppercase()), Ok(Host::Name(text)));
            }
        }

        #[test]
        fn every_spelling_of_an_address_is_the_address(
            bits in any::<u32>(), parts in 1..5_usize, radix in prop::collection::vec(0..3_u8, 4), dot in any::<bool>(),
        ) {
            let address = Ipv4Addr::from_bits(bits);
            let octets = address.octets().map(u64::from);
            let (front, rest) = octets.split_at(parts - 1);
            let last = rest.iter().fold(0, |all, octet| all << 8 | octet);
            let numbers = front.iter().copied().chain([last]).zip(radix).map(|(n, radix)| match radix {
                0 => n.to_string(),
                1 => format!("0{n:o}"),
                _ => format!("0X{n:x}"),
            });
            let mut text = numbers.collect::<Vec<_>>().join(".");
            if dot {
                text.push('.');
            }
            let wanted = Ok(Host::Address(IpAddr::V4(address)));
            prop_assert_eq!(&Host::parse(&text), &wanted, "{}", text);
            prop_assert_eq!(&Host::parse(&address.to_ipv6_mapped().to_string()), &wanted);
        }

        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Host::parse_bytes(&bytes);
            let _ = parse_host_port(&String::from_utf8_lossy(&bytes), Some(1));
        }
    }
}
