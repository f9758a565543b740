//! The server name in a TLS ClientHello. Pure; owns the putting together of records and messages (RFC 8446, 5.1), not
//! their parsing.

use tls_parser::{
    TlsExtension, TlsMessageHandshake, parse_tls_client_hello_extensions,
    parse_tls_handshake_msg_client_hello,
};

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The beginning of a ClientHello.
    NeedMore,
    /// A ClientHello and the name in it, lower case.
    Hello(Option<String>),
    /// Something else.
    NotTls,
    /// It began as one; the end of a sentence.
    Malformed(&'static str),
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Longest ClientHello that is looked at; post-quantum ones have less than 3 KiB.
const MOST: usize = 64 * 1024;

/// Looks at what a client sent so far.
pub fn look(bytes: &[u8]) -> Look {
    match bytes {
        [] | [HANDSHAKE] => return Look::NeedMore,
        [HANDSHAKE, 3, ..] => {}
        _ => return Look::NotTls,
    }
    if bytes.len() > 2 * MOST {
        return Look::Malformed("its ClientHello is too long");
    }
    let mut message = Vec::new();
    let mut rest = bytes;
    let whole = loop {
        if let Some(whole) = whole(&message) {
            break whole;
        }
        match rest {
            [HANDSHAKE, 3, _, high, low, after @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length == 0 {
                    return Look::Malformed("an empty record stands in its ClientHello");
                }
                let here = after.get(..length).unwrap_or(after);
                message.extend_from_slice(here);
                rest = after.get(length..).unwrap_or_default();
            }
            [] | [HANDSHAKE] | [HANDSHAKE, 3] | [HANDSHAKE, 3, _] | [HANDSHAKE, 3, _, _] => {
                return Look::NeedMore;
            }
            _ => return Look::Malformed("another record stands in its ClientHello"),
        }
        match message.as_slice() {
            [kind, ..] if *kind != CLIENT_HELLO => return Look::Malformed("it begins with another message"),
            _ if message.len() > MOST => return Look::Malformed("its ClientHello is too long"),
            _ if rest.is_empty() && whole_length(&message).is_none_or(|length| message.len() < length) => {
                return Look::NeedMore;
            }
            _ => {}
        }
    };
    server_name(whole)
}

fn whole_length(message: &[u8]) -> Option<usize> {
    let [_, a, b, c, ..] = message else { return None };
    Some(4 + u32::from_be_bytes([0, *a, *b, *c]) as usize)
}

fn whole(message: &[u8]) -> Option<&[u8]> {
    message.get(4..whole_length(message)?)
}

fn server_name(body: &[u8]) -> Look {
    const BROKEN: Look = Look::Malformed("its ClientHello cannot be read");
    let Ok((_, TlsMessageHandshake::ClientHello(hello))) = parse_tls_handshake_msg_client_hello(body) else {
        return BROKEN;
    };
    let Some(bytes) = hello.ext else { return Look::Hello(None) };
    let Ok(([], extensions)) = parse_tls_client_hello_extensions(bytes) else { return BROKEN };
    let mut names = extensions.iter().filter_map(|extension| match extension {
        TlsExtension::SNI(names) => Some(names),
        _ => None,
    });
    let Some(first) = names.next() else { return Look::Hello(None) };
    match (first.as_slice(), names.next()) {
        ([(kind, name)], None) if kind.0 == 0 && !name.is_empty() && name.is_ascii() => {
            Look::Hello(Some(String::from_utf8_lossy(name).to_ascii_lowercase()))
        }
        _ => Look::Malformed("its ClientHello names no host or several"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ClientHello with these extensions, as one handshake message.
    fn hello(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        let mut all = Vec::new();
        for (kind, data) in extensions {
            all.extend(kind.to_be_bytes());
            all.extend((data.len() as u16).to_be_bytes());
            all.extend(data);
        }
        body.extend((all.len() as u16).to_be_bytes());
        body.extend(all);
        let mut message = vec![CLIENT_HELLO];
        message.extend(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend(body);
        message
    }

    fn sni(name: &str) -> (u16, Vec<u8>) {
        let mut data = ((name.len() + 3) as u16).to_be_bytes().to_vec();
        data.push(0);
        data.extend((name.len() as u16).to_be_bytes());
        data.extend(name.as_bytes());
        (0, data)
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| [&[22, 3, 1], (part.len() as u16).to_be_bytes().as_slice(), part].concat();
        message.chunks(size).flat_map(record).collect()
    }

    fn named() -> Vec<u8> {
        hello(&[(0x33, vec![0; 1300]), sni("Example.com"), (0xfe0d, vec![1; 40])])
    }

    #[test]
    fn the_name_is_found_however_the_hello_is_cut() {
        let expected = Look::Hello(Some("example.com".into()));
        for size in [1, 2, 3, 100, 16_000] {
            assert_eq!(look(&records(&named(), size)), expected, "{size}");
        }
        let mut with_more = records(&named(), 500);
        with_more.extend([20, 3, 3, 0, 1, 1]);
        assert_eq!(look(&with_more), expected);
    }

    #[test]
    fn every_beginning_wants_more() {
        for size in [7, 16_000] {
            let all = records(&named(), size);
            for end in 0..all.len() {
                assert_eq!(look(&all[..end]), Look::NeedMore, "{size} {end}");
            }
        }
    }

    #[test]
    fn none_several_and_strange_names() {
        assert_eq!(look(&records(&hello(&[]), 999)), Look::Hello(None));
        let twice = hello(&[sni("a.com"), sni("b.com")]);
        assert!(matches!(look(&records(&twice, 999)), Look::Malformed(_)));
        assert!(matches!(look(&records(&hello(&[sni("")]), 999)), Look::Malformed(_)));
        assert!(matches!(look(&records(&hello(&[sni("b\u{fc}cher.de")]), 999)), Look::Malformed(_)));
        assert_eq!(look(b"GET / HTTP/1.1\r\n"), Look::NotTls);
        assert!(matches!(look(&[22, 3, 1, 0, 0]), Look::Malformed(_)));
        assert!(matches!(look(&[22, 3, 1, 0, 4, 2, 0, 0, 0]), Look::Malformed(_)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, tls: bool) {
            if tls {
                bytes.splice(0..0, [22, 3, 1]);
            }
            let _ = look(&bytes);
        }

        #[test]
        fn a_changed_byte_never_panics(place in 0..1500usize, value: u8) {
            let mut all = records(&named(), 700);
            let place = place % all.len();
            all[place] = value;
            let _ = look(&all);
        }
    }
}
