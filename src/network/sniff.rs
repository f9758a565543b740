//! What a program speaks, from its first bytes. Pure. Owns telling TLS, HTTP and SOCKS from all else, also where a program
//! hides them from us but not from its server; must not judge what they say.

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// TLS, or what a server could take for it.
    Tls,
    /// HTTP/1, or what a server could take for it.
    Http,
    /// HTTP/2 without TLS.
    Http2,
    /// SOCKS, by which a server leads on to another host.
    Socks,
    /// None of these.
    Other,
    /// Nothing was said.
    Silent,
}

/// A request line that is not over by then belongs to no protocol that is spoken. Servers take as much of one: Python's
/// own, Tornado.
const LONGEST_LINE: usize = 64 << 10;

/// What the bytes that have come so far begin; `None` while that is open.
pub fn sniff(bytes: &[u8]) -> Option<Talk> {
    match kind(bytes) {
        Said::Talk(talk) => Some(talk),
        Said::Little | Said::NoText => None,
    }
}

/// Whether undecided bytes are no text: they need not wait for the end of a line. It is watched all the same, because there
/// are servers that take anything for a method.
pub fn is_no_text(bytes: &[u8]) -> bool {
    kind(bytes) == Said::NoText
}

/// What bytes are, as far as they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Talk(Talk),
    /// It may become anything.
    Little,
    /// The beginning of a line that no program would send as text.
    NoText,
}

fn kind(bytes: &[u8]) -> Said {
    if matches!(bytes, [4 | 5, ..]) {
        let http_ends = named_http(bytes);
        let before = http_ends.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
        return match socks(before) {
            Some(true) => Said::Talk(Talk::Socks),
            None if http_ends.is_none() => Said::Little,
            _ => http(bytes),
        };
    }
    match tls(bytes) {
        Some(true) => Said::Talk(Talk::Tls),
        Some(false) => http(bytes),
        None => Said::Little,
    }
}

/// As [`sniff`], once nothing more will come.
pub fn sniff_all(bytes: &[u8]) -> Talk {
    if bytes.is_empty() { Talk::Silent } else { sniff(bytes).unwrap_or(Talk::Other) }
}

/// Whether it is TLS. Servers do not agree on what may stand in a first record: all that some of them take is TLS here.
fn tls(bytes: &[u8]) -> Option<bool> {
    let sure = match bytes {
        [] => return None,
        [20..=22, version, ..] if *version >= 0x10 => false,
        // A ClientHello, or an empty record before one.
        [22, _, _, 0, 0, ..] => true,
        [22, _, _, _, _, kind, ..] => *kind == 1,
        // A warning, or a change of ciphers, before it.
        [21, _, _, 0, 2, ..] | [20, _, _, 0, 1, ..] => true,
        [20 | 21, _, _, _, _, ..] => false,
        [20..=22, ..] => return None,
        // A greeting of SSL 2 that offers later versions.
        [0x80..=0xff, _, 1, 3, ..] | [0x80..=0xff, _, 1, 0, 2, ..] => true,
        [0x80..=0xff] | [0x80..=0xff, _] | [0x80..=0xff, _, 1] | [0x80..=0xff, _, 1, 0] => return None,
        _ => false,
    };
    Some(sure)
}

/// Whether it is SOCKS (RFC 1928; SOCKS4). Other protocols begin with these bytes too: it is one only when it says where
/// to, or who asks; what comes before that leads nowhere.
fn socks(bytes: &[u8]) -> Option<bool> {
    match bytes {
        // Nobody asks for port 0; a length of four bytes may look so.
        [4, 1 | 2, 0, 0, ..] => Some(false),
        [4, 1 | 2, _, _, _, _, _, _, ..] => Some(true),
        [4] | [4, 1 | 2, ..] | [5] => None,
        [5, count, rest @ ..] if *count > 0 => {
            let (methods, said) = rest.split_at_checked(usize::from(*count))?;
            let login = methods.iter().any(|method| matches!(method, 1 | 2));
            match said {
                [5, _, _, 1 | 3 | 4, ..] => Some(true),
                [1, _, ..] if login => Some(true),
                [] | [1] if login => None,
                [] | [5] | [5, _] | [5, _, _] => None,
                _ => Some(false),
            }
        }
        _ => Some(false),
    }
}

/// Whether it is HTTP. Blanks before a request and between its words are what servers are lenient about; some take any
/// bytes for a method, say that they do not know it, and wait for the next request.
fn http(bytes: &[u8]) -> Said {
    let long = bytes.len() > LONGEST_LINE;
    let undecided = |then: Talk| if long { Said::Talk(then) } else { Said::Little };
    let start = bytes.iter().position(|byte| !matches!(byte, b'\0' | b'\n') && !is_blank(*byte));
    let Some(rest) = start.and_then(|start| bytes.get(start..)) else {
        return undecided(Talk::Other);
    };
    let (line, over) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (rest.get(..end).unwrap_or_default(), true),
        None => (rest, false),
    };
    let method_ends = line.iter().position(|byte| !is_token(*byte)).unwrap_or(line.len());
    let (method, rest) = line.split_at(method_ends);
    let spaced = !method.is_empty() && rest.first().is_none_or(|byte| is_blank(*byte));
    let target =
        rest.iter().position(|byte| !is_blank(*byte)).and_then(|start| rest.get(start..)).unwrap_or_default();
    if spaced && method == b"PRI" && target.first() == Some(&b'*') {
        return Said::Talk(Talk::Http2);
    }
    // Of the protocols of lines that begin with a word (SMTP, IRC, NATS …) none has these second. No method has a digit.
    let common = method.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
    let named = matches!(target, [b'/' | b'*', ..])
        || target.get(..4).is_some_and(|four| four.eq_ignore_ascii_case(b"http"));
    if spaced && common && named || named_http(line).is_some() {
        return Said::Talk(Talk::Http);
    }
    match rest {
        _ if over => Said::Talk(Talk::Other),
        _ if !long && (!spaced || line.iter().any(|byte| !is_text(*byte))) => Said::NoText,
        [] | [b'\r'] => undecided(Talk::Other),
        _ if spaced => undecided(Talk::Http),
        _ => undecided(Talk::Other),
    }
}

/// Where the protocol's name ends in the first line, if it is there.
fn named_http(bytes: &[u8]) -> Option<usize> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    line.windows(5).position(|word| word.eq_ignore_ascii_case(b"HTTP/")).map(|start| start + 5)
}

/// Blanks that some servers take for the one between the words of a request line (RFC 9112, 3; the last six are such to
/// Python).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1f | 0x85 | 0xa0)
}

/// What lines of text are made of, in whatever encoding but those that have NULs.
fn is_text(byte: u8) -> bool {
    is_blank(byte) || !byte.is_ascii_control()
}

/// What methods are made of (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::super::tls::{self, Look};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_is_recognised() {
        for (bytes, talk) in [
            (&tls::tests::hello(Some("a.example"))[..], Talk::Tls),
            (b"GET / HTTP/1.1\r\n", Talk::Http),
            (b"GET /", Talk::Http),
            (b"OPTIONS * HTTP/1.1\r\n", Talk::Http),
            (b"POST http://a.example/", Talk::Http),
            (b"CONNECT a.example:443 HTTP/1.1\r\n", Talk::Http),
            (b"M-SEARCH * HTTP/1.1\r\n", Talk::Http),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Talk::Http2),
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Talk::Other),
            (b"EHLO there.example\r\n", Talk::Other),
            (b"NICK somebody\r\n", Talk::Other),
            (b"get some-key\r\n", Talk::Other),
            (b"*1\r\n$4\r\nPING\r\n", Talk::Other),
            (b"PING\r\n", Talk::Other),
            (b"PING\n", Talk::Other),
            (b"\x05\x01\0\x05\x01\0\x03\x09a.example\0\x50", Talk::Socks),
            (b"\x05\x02\0\x02\x01\x02me\x02it", Talk::Socks),
            (b"\x04\x01\x01\xbb\xcb\0\x71\x42me\0", Talk::Socks),
        ] {
            assert_eq!(sniff(bytes), Some(talk), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_text_need_not_wait_for_a_line() {
        for bytes in [
            // git, Postgres (twice), AMQP, Bolt, LDAP, MongoDB, a terminal's.
            &b"0032git-upload-pack /x\0host=a.example\0"[..],
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"\0\0\0\x54\0\x03\0\0user\0",
            b"AMQP\0\0\x09\x01",
            b"``\xb0\x17\0\0\x04\x04",
            b"0\x0c\x02\x01\x01\x60\x07",
            b"\x3f\0\0\0\x01\0\0\0",
            b"{\"a\": 1",
            // Cassandra, versions 4 and 5; a packet of DCE; a message of 260 bytes and one of five.
            b"\x04\0\0\0\x05\0\0\0\0",
            b"\x05\0\0\0\x05\0\0\0\0",
            b"\x05\0\x0b\x03\x10\0\0\0",
            b"\x04\x01\0\0{\"a\": 1",
            b"\x05\x02\x03\x04\x08\x01",
        ] {
            assert_eq!((sniff(bytes), is_no_text(bytes)), (None, true), "{}", bytes.escape_ascii());
            // Its line is over, or is one of HTTP.
            let with = |more: &[u8]| [bytes, more].concat();
            assert_eq!(sniff(&with(b"\n HTTP/1.1\n")), Some(Talk::Other), "{}", bytes.escape_ascii());
            assert_eq!(sniff(&with(b" / HTTP/1.1")), Some(Talk::Http), "{}", bytes.escape_ascii());
            assert_eq!(sniff_all(bytes), Talk::Other);
        }
        for bytes in [
            &b""[..],
            b"\r\n",
            b"GE",
            b"GET x",
            b"\x16\x03",
            b"\x80",
            b"\x05\x01",
            b"GET / HTTP/1.1",
            b"PING\n",
        ] {
            assert!(!is_no_text(bytes), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_disguised_too() {
        for bytes in [
            &b"\r\n\r\n \t\0GET / HTTP/1.1\r\n"[..],
            b"get\t/ http/1.1\n",
            b"GET\x0b/ HTTP/1.1\n",
            b"GET\r/ HTTP/1.1\n",
            b"VERSION-CONTROL /x HTTP/1.1\r\n",
            b"X index.html hTtP/1.1\r\n",
            b"GET /\r\nHost: other.example\r\n",
            // Python splits there.
            b"GET\xa0/secret\xa0HTTP/1.1\r\n",
            b"\x85GET\x1c/secret\n",
            b"CONNECT\xa0b.example:4444\xa0HTTP/1.1\r\n",
            // Tornado knows no such method, and waits for the next request.
            b"G(T http://b.example/ HTTP/1.1\r\n",
            b"GET: http://b.example/ HTTP/1.1\r\n",
            b"\xef\xbb\xbfGET / HTTP/1.1\r\n",
            b"\"GET\" / HTTP/1.1\r\n",
            b"@ / HTTP/1.1\r\n",
            b"GET/1 / HTTP/1.1\r\n",
            b"0032x /x\0 HTTP/1.1\r\n",
            b"\x01\0\xff / HTTP/1.1\r\n",
            b"\x05\xff / HTTP/1.1\r\n",
        ] {
            assert_eq!(sniff(bytes), Some(Talk::Http), "{}", bytes.escape_ascii());
        }
        let hello = tls::tests::hello(Some("a.example"));
        let mut odd = hello.clone();
        odd[1..3].copy_from_slice(&[5, 9]);
        for bytes in [
            &odd[..],
            &[&[21, 5, 5, 0, 2, 1, 90][..], &hello].concat(),
            &[&[22, 3, 1, 0, 0][..], &hello].concat(),
            &[0x80, 46, 1, 3, 1, 0, 21],
        ] {
            assert_eq!(sniff(bytes), Some(Talk::Tls), "{bytes:?}");
        }
    }

    #[test]
    fn it_waits_for_what_may_come() {
        for bytes in [
            &b""[..],
            b"\r\n",
            b"GE",
            b"GET",
            b"GET ",
            b"GET  \t",
            b"GET some",
            b"SSH-2.0",
            b"\x16\x03\x01",
            b"\x80\x2e",
            b"\x05",
            b"\x05\x01",
            b"\x05\x01\0",
            b"\x05\x01\0\x05\x01",
            b"\x05\x01\x02\x01",
            b"\x04\x01\x01\xbb\xcb",
        ] {
            assert_eq!(sniff(bytes), None, "{}", bytes.escape_ascii());
        }
        assert_eq!(sniff(&[b'A'; LONGEST_LINE + 1]), Some(Talk::Other));
        assert_eq!(sniff(&[&b"GET "[..], &[b'A'; LONGEST_LINE]].concat()), Some(Talk::Http));
        assert_eq!(sniff_all(b""), Talk::Silent);
        assert_eq!(sniff_all(b"GE"), Talk::Other);
    }

    proptest! {
        #[test]
        fn once_decided_more_bytes_change_nothing(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"GETPRI /*HTTP:\r\n\0\t\x16\x03\x01\x80\x04\x05".to_vec())], 0..40),
            more in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Some(talk) = sniff(&bytes) {
                prop_assert_eq!(sniff(&[&bytes[..], &more].concat()), Some(talk));
            }
        }

        #[test]
        fn every_line_of_http_is_http_whatever_its_method(
            method in prop::collection::vec(any::<u8>().prop_filter("a line", |byte| *byte != b'\n'), 0..20),
        ) {
            let line = [&method[..], b" / HTTP/1.1\r\n"].concat();
            let alike = matches!(sniff(&line), Some(Talk::Http | Talk::Tls | Talk::Socks | Talk::Http2));
            prop_assert!(alike || matches!(line[..], [20..=22 | 0x80.., ..]), "{:?}", sniff(&line));
        }

        #[test]
        fn every_request_is_http_however_it_is_spelled(
            before in "[\r\n\t \0]{0,5}", method in "[A-Za-z]{1,20}", blank in "[ \t]{1,3}", path in "/[a-z?]{0,9}", cut in 0usize..99,
        ) {
            let text = format!("{before}{method}{blank}{path} HTTP/1.1\r\nHost: a.example\r\n\r\n");
            prop_assert_eq!(sniff(text.as_bytes()), Some(Talk::Http));
            let prefix = sniff(&text.as_bytes()[..cut.min(text.len())]);
            prop_assert!(matches!(prefix, None | Some(Talk::Http)), "{:?}", prefix);
        }

        #[test]
        fn every_greeting_is_tls_from_its_first_byte_on(cut in 0usize..200) {
            let hello = tls::tests::hello(Some("a.example"));
            let prefix = &hello[..cut.min(hello.len())];
            prop_assert!(matches!(sniff(prefix), None | Some(Talk::Tls)));
            prop_assert_eq!(tls::look(prefix) == Look::NeedMore, prefix.len() < hello.len());
        }
    }
}
