//! SOCKS messages (RFC 1928; SOCKS4 and 4a). Pure. Owns reading and writing them; must not act on them.

/// What has been read from the first bytes: the value and how many bytes it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// More bytes decide.
    More,
    /// All of it.
    Whole(T, usize),
    /// No such message.
    Broken,
}

/// What a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A connection to this host, as written, and port.
    Connect(Vec<u8>, u16),
    /// Something else: BIND, UDP ASSOCIATE.
    OtherCommand,
    /// A connection to an address of an unknown kind.
    OtherAddress,
}

/// What a program is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It is connected.
    Connected,
    /// SOCKS5's code for the reason why not.
    Refused(u8),
}

/// SOCKS5: the command is not supported.
pub const NO_SUCH_COMMAND: u8 = 7;
/// SOCKS5: the address type is not supported.
pub const NO_SUCH_ADDRESS: u8 = 8;
/// SOCKS5: without authentication.
pub const OPEN: [u8; 2] = [5, 0];
/// SOCKS5: no method of authentication is acceptable.
pub const NO_METHOD: [u8; 2] = [5, 0xff];

/// What SOCKS4 names are at most, without their NUL.
const LONGEST: usize = 255;

/// SOCKS5's first message: whether it can do without authentication.
pub fn greeting(bytes: &[u8]) -> Read<bool> {
    match bytes {
        [5, count, methods @ ..] => match methods.get(..usize::from(*count)) {
            Some(methods) => Read::Whole(methods.contains(&0), 2 + methods.len()),
            None => Read::More,
        },
        [] | [5] => Read::More,
        _ => Read::Broken,
    }
}

/// SOCKS5's second message.
pub fn request(bytes: &[u8]) -> Read<Asked> {
    let (command, kind, rest) = match bytes {
        [5, command, _, kind, rest @ ..] => (*command, *kind, rest),
        [] | [5] | [5, _] | [5, _, _] => return Read::More,
        _ => return Read::Broken,
    };
    let (before, length) = match (kind, rest) {
        (1, _) => (4, 4),
        (4, _) => (4, 16),
        (3, [length, ..]) => (5, usize::from(*length)),
        (3, []) => return Read::More,
        // How long such an address is nobody knows.
        _ => return Read::Whole(Asked::OtherAddress, bytes.len()),
    };
    let address = bytes.get(before..before + length);
    let (Some(address), Some([high, low])) = (address, bytes.get(before + length..before + length + 2))
    else {
        return Read::More;
    };
    let asked = match (command, kind) {
        (1, 3) => Asked::Connect(address.to_vec(), u16::from_be_bytes([*high, *low])),
        (1, _) => Asked::Connect(numeric(address), u16::from_be_bytes([*high, *low])),
        _ => Asked::OtherCommand,
    };
    Read::Whole(asked, before + length + 2)
}

/// SOCKS4's only message.
pub fn request4(bytes: &[u8]) -> Read<Asked> {
    let (command, port, address, rest) = match bytes {
        [4, command, high, low, a, b, c, d, rest @ ..] => {
            (*command, u16::from_be_bytes([*high, *low]), [*a, *b, *c, *d], rest)
        }
        [4, ..] | [] => return Read::More,
        _ => return Read::Broken,
    };
    let (user, rest) = match until_nul(rest) {
        Read::Whole(user, length) => (user, rest.get(length..).unwrap_or_default()),
        Read::More => return Read::More,
        Read::Broken => return Read::Broken,
    };
    let mut length = 8 + user.len() + 1;
    // 4a: an address that is none announces a name.
    let host = match address {
        [0, 0, 0, 1..=255] => match until_nul(rest) {
            Read::Whole(name, more) => {
                length += more;
                name
            }
            Read::More => return Read::More,
            Read::Broken => return Read::Broken,
        },
        _ => numeric(&address),
    };
    let asked = if command == 1 { Asked::Connect(host, port) } else { Asked::OtherCommand };
    Read::Whole(asked, length)
}

/// A text that ends with NUL.
fn until_nul(bytes: &[u8]) -> Read<Vec<u8>> {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) if end <= LONGEST => Read::Whole(bytes.get(..end).unwrap_or_default().to_vec(), end + 1),
        None if bytes.len() <= LONGEST => Read::More,
        _ => Read::Broken,
    }
}

/// An address as text.
fn numeric(address: &[u8]) -> Vec<u8> {
    let text = if let Ok(four) = <[u8; 4]>::try_from(address) {
        std::net::Ipv4Addr::from(four).to_string()
    } else if let Ok(sixteen) = <[u8; 16]>::try_from(address) {
        std::net::Ipv6Addr::from(sixteen).to_string()
    } else {
        String::new()
    };
    text.into_bytes()
}

/// SOCKS5's answer; which address the connection has outside is nobody's business inside.
pub fn reply(reply: Reply) -> [u8; 10] {
    let code = match reply {
        Reply::Connected => 0,
        Reply::Refused(code) => code,
    };
    [5, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// SOCKS4's answer.
pub fn reply4(reply: Reply) -> [u8; 8] {
    let code = if reply == Reply::Connected { 90 } else { 91 };
    [0, code, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn connect(host: &str, port: u16, length: usize) -> Read<Asked> {
        Read::Whole(Asked::Connect(host.into(), port), length)
    }

    #[test]
    fn the_three_kinds_of_address_are_read() {
        assert_eq!(request(b"\x05\x01\0\x03\x09a.example\x01\xbb"), connect("a.example", 443, 16));
        assert_eq!(request(b"\x05\x01\0\x01\xc0\0\x02\x07\0\x50later"), connect("192.0.2.7", 80, 10));
        let mut six = vec![5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8];
        six.extend([0; 11]);
        six.extend([1, 0, 22]);
        assert_eq!(request(&six), connect("2001:db8::1", 22, 22));
        assert_eq!(request(b"\x05\x01\0\x03\x03a\0b\0\x50"), connect("a\0b", 80, 10));
    }

    #[test]
    fn what_is_not_served_is_told_apart() {
        for command in [0, 2, 3, 9] {
            assert_eq!(request(&[5, command, 0, 1, 1, 2, 3, 4, 0, 80]), Read::Whole(Asked::OtherCommand, 10));
        }
        assert_eq!(request(&[5, 1, 0, 9]), Read::Whole(Asked::OtherAddress, 4));
        assert_eq!(request(&[4]), Read::Broken);
        assert_eq!(greeting(&[5, 2, 2, 0]), Read::Whole(true, 4));
        assert_eq!(greeting(&[5, 1, 2]), Read::Whole(false, 3));
        assert_eq!(greeting(&[5, 0]), Read::Whole(false, 2));
        assert_eq!(greeting(b"G"), Read::Broken);
    }

    #[test]
    fn socks4_has_addresses_and_4a_names() {
        assert_eq!(request4(b"\x04\x01\0\x50\xc0\0\x02\x07me\0rest"), connect("192.0.2.7", 80, 11));
        assert_eq!(request4(b"\x04\x01\x01\xbb\0\0\0\x01\0a.example\0"), connect("a.example", 443, 19));
        assert_eq!(request4(b"\x04\x02\x01\xbb\x01\x02\x03\x04\0"), Read::Whole(Asked::OtherCommand, 9));
        assert_eq!(request4(b"\x04\x01\x01\xbb\0\0\0\x01\0a.exam"), Read::More);
        let endless = [&b"\x04\x01\x01\xbb\x01\x02\x03\x04"[..], &[b'x'; 300]].concat();
        assert_eq!(request4(&endless), Read::Broken);
    }

    fn whole<T>(read: &Read<T>) -> bool {
        matches!(read, Read::Whole(..))
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..600), version in 4u8..6) {
            let bytes = [&[version][..], &bytes].concat();
            if let Read::Whole(_, length) = greeting(&bytes) { prop_assert!(length <= bytes.len()); }
            if let Read::Whole(_, length) = request(&bytes) { prop_assert!(length <= bytes.len()); }
            if let Read::Whole(_, length) = request4(&bytes) { prop_assert!(length <= bytes.len()); }
        }

        #[test]
        fn a_message_is_read_when_it_is_whole_and_not_before(
            name in prop::collection::vec(1u8.., 0..256), user in prop::collection::vec(1u8.., 0..256), port: u16,
            cut in any::<prop::sample::Index>(), more in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let five = [&[5, 1, 0, 3, name.len() as u8][..], &name, &port.to_be_bytes()].concat();
            let four = [&[4, 1][..], &port.to_be_bytes(), &[0, 0, 0, 9], &user, &[0], &name, &[0]].concat();
            for (message, read) in [(five, request as fn(&[u8]) -> Read<Asked>), (four, request4)] {
                let expected = Read::Whole(Asked::Connect(name.clone(), port), message.len());
                prop_assert_eq!(read(&message), expected.clone());
                prop_assert_eq!(read(&[&message[..], &more].concat()), expected);
                let part = read(&message[..cut.index(message.len())]);
                prop_assert!(!whole(&part) && part != Read::Broken);
            }
        }
    }
}
