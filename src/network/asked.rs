//! What a program calls a target. Pure. Owns reading a host and a port from a protocol's bytes; what a host is, is
//! known to `policy`.

use super::{Refusal, Target};
use crate::policy::Host;

/// A host that stands alone.
///
/// # Errors
/// Why it is none.
pub fn host(name: &[u8]) -> Result<Host, Refusal> {
    if name.iter().any(u8::is_ascii_control) {
        return Err(Refusal::malformed(name, "it has control characters"));
    }
    let text = std::str::from_utf8(name).map_err(|_| Refusal::malformed(name, "it is not UTF-8"))?;
    Host::parse(text).map_err(|error| Refusal::malformed(name, error.0))
}

/// A host and a port that stand apart.
///
/// # Errors
/// Why they are none.
pub fn target(name: &[u8], port: u16) -> Result<Target, Refusal> {
    let host = host(name)?;
    if port == 0 {
        return Err(Refusal::malformed(name, "there is no port 0"));
    }
    Ok(Target { host, port })
}

/// `host` or `host:port`, IPv6 in brackets, as in a URL or a Host header.
///
/// # Errors
/// Why it is none.
pub fn authority(text: &[u8]) -> Result<(Host, Option<u16>), Refusal> {
    let malformed = |why| Refusal::malformed(without_user(text).unwrap_or_default(), why);
    if text.contains(&b'@') {
        return Err(malformed("a user name does not belong there"));
    }
    let colon = text.iter().rposition(|byte| *byte == b':');
    let bracket = text.iter().rposition(|byte| *byte == b']');
    let (name, port) = match colon.filter(|colon| bracket.is_none_or(|bracket| bracket < *colon)) {
        Some(colon) => (text.get(..colon).unwrap_or_default(), text.get(colon + 1..)),
        None => (text, None),
    };
    if name.contains(&b':') && !(name.first() == Some(&b'[') && name.last() == Some(&b']')) {
        return Err(malformed("an IPv6 address stands in brackets"));
    }
    let port = match port {
        None | Some([]) => None,
        Some(digits) => {
            let text = std::str::from_utf8(digits)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let number = text.and_then(|text| text.parse::<u16>().ok()).filter(|number| *number > 0);
            Some(number.ok_or_else(|| malformed("it has no port of 1 to 65535"))?)
        }
    };
    let host = host(name).map_err(|refusal| Refusal { target: malformed("").target, ..refusal })?;
    Ok((host, port))
}

/// An authority without the user name and password that may stand before it: those are nobody's to read.
pub fn without_user(authority: &[u8]) -> Option<&[u8]> {
    authority.rsplit(|byte| *byte == b'@').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("a.example", "a.example", None),
            ("a.example:8080", "a.example", Some(8080)),
            ("A.Example.:", "a.example", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("192.0.2.1:1", "192.0.2.1", Some(1)),
        ] {
            let (found, found_port) = authority(text.as_bytes()).unwrap();
            assert_eq!((found.to_string().as_str(), found_port), (host, port), "{text}");
        }
        for text in [
            "",
            ":80",
            "a:0",
            "a:65536",
            "a:+1",
            "a: 1",
            "u@a",
            "2001:db8::1:443",
            "a:b:1",
            "a\0b",
            "a\r\n:1",
        ] {
            assert!(authority(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_target_has_no_hidden_characters() {
        for name in [&b"a\0.example"[..], b"a\n", b"", b"\xff\xfe", b"\x7f"] {
            assert!(target(name, 80).is_err(), "{}", name.escape_ascii());
        }
        assert!(target(b"a.example", 0).is_err());
        assert_eq!(target(b"::1", 1).unwrap().to_string(), "[::1]:1");
    }

    proptest! {
        #[test]
        fn it_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[a:\\[\\]0-9@.]{0,20}") {
            let _ = authority(&bytes);
            let _ = target(&bytes, 1);
            let _ = authority(text.as_bytes());
        }
    }
}
