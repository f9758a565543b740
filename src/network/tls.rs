//! The server name of a TLS connection. Pure. Owns the reading of a ClientHello, as far as the name needs it; must not
//! decide whether the name is the right one.

use tls_parser::{
    SNIType, TlsExtension, TlsExtensionType, parse_tls_extension_sni_content, parse_tls_extension_unknown,
    parse_tls_handshake_client_hello,
};

/// A ClientHello is not longer than this, nor are the records that it comes in. Post-quantum ones have 2 KiB.
pub const LONGEST: usize = 64 << 10;

/// A record's content (RFC 8446, 5.1).
const LONGEST_RECORD: usize = 1 << 14;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// What the first bytes of a connection say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// They may become a ClientHello.
    NeedMore,
    /// A whole ClientHello.
    Hello {
        /// The name that it asks for, as written.
        server_name: Option<String>,
        /// It has an encrypted ClientHello within.
        encrypted: bool,
    },
    /// Something else.
    NotTls,
    /// TLS, but nothing that one reading only would do for; the end of a sentence.
    Malformed(&'static str),
}

/// Reads the first bytes of a connection, all that have come so far.
pub fn look(bytes: &[u8]) -> Look {
    let mut hello = Vec::new();
    let mut rest = bytes;
    loop {
        match record(rest, &mut hello) {
            Ok(after) => rest = after,
            Err(Look::NeedMore) if bytes.len() >= LONGEST => {
                return Look::Malformed("the TLS greeting is too long");
            }
            Err(found) => return found,
        }
    }
}

/// Adds one record's content to `hello`; the bytes after it, or what has been found.
fn record<'b>(bytes: &'b [u8], hello: &mut Vec<u8>) -> Result<&'b [u8], Look> {
    let not_tls = |why| if hello.is_empty() { Look::NotTls } else { Look::Malformed(why) };
    match bytes {
        [kind, ..] if *kind != HANDSHAKE => {
            return Err(not_tls("another TLS record stands within the greeting"));
        }
        // No version of TLS looks like this; servers differ in which of the others they mind.
        [_, version, ..] if *version >= 0x10 => {
            return Err(not_tls("a TLS record has an impossible version"));
        }
        _ => {}
    }
    let [_, _, _, high, low, content @ ..] = bytes else {
        return Err(Look::NeedMore);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length == 0 || length > LONGEST_RECORD {
        return Err(Look::Malformed("a TLS record has an impossible length"));
    }
    let (here, after) = content.split_at_checked(length).unwrap_or((content, &[]));
    let end = hello.len() + length;
    hello.extend_from_slice(here);
    if hello.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(Look::Malformed("the TLS connection does not begin with a ClientHello"));
    }
    if let [_, a, b, c, body @ ..] = hello.as_slice() {
        let wanted = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if wanted > LONGEST {
            return Err(Look::Malformed("the TLS greeting is too long"));
        }
        if end > wanted + 4 {
            return Err(Look::Malformed("something follows the TLS greeting within its record"));
        }
        if body.len() == wanted {
            return Err(read(body).unwrap_or_else(Look::Malformed));
        }
    }
    if here.len() < length { Err(Look::NeedMore) } else { Ok(after) }
}

/// The body of a ClientHello.
fn read(body: &[u8]) -> Result<Look, &'static str> {
    let broken = "the TLS greeting cannot be read";
    let (after, hello) = parse_tls_handshake_client_hello(body).map_err(|_| broken)?;
    if !after.is_empty() {
        return Err(broken);
    }
    let (mut server_name, mut encrypted) = (None, false);
    let mut seen = Vec::new();
    let mut rest = hello.ext.unwrap_or_default();
    while !rest.is_empty() {
        let Ok((after, TlsExtension::Unknown(TlsExtensionType(kind), content))) =
            parse_tls_extension_unknown(rest)
        else {
            return Err(broken);
        };
        if seen.contains(&kind) {
            return Err("a TLS extension stands there twice");
        }
        seen.push(kind);
        match kind {
            0 => server_name = Some(name(content)?),
            ENCRYPTED_CLIENT_HELLO => encrypted = true,
            _ => {}
        }
        rest = after;
    }
    Ok(Look::Hello { server_name, encrypted })
}

/// The one name of a server_name extension (RFC 6066, 3).
fn name(content: &[u8]) -> Result<String, &'static str> {
    let Ok(([], TlsExtension::SNI(names))) = parse_tls_extension_sni_content(content) else {
        return Err("the TLS server name cannot be read");
    };
    let [(kind, name)] = names.as_slice() else {
        return Err("there is not exactly one TLS server name");
    };
    // What the parser could not read of the list it leaves out without a word.
    if content.len() != name.len() + 5 {
        return Err("the TLS server name cannot be read");
    }
    if *kind != SNIType::HostName {
        return Err("the TLS server name is of an unknown kind");
    }
    match std::str::from_utf8(name) {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(text.to_owned())
        }
        _ => Err("the TLS server name has characters that no name has"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One extension.
    pub(crate) fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
    }

    /// A server_name extension with these names.
    fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
        let list: Vec<u8> = names
            .iter()
            .flat_map(|(kind, name)| [&[*kind][..], &(name.len() as u16).to_be_bytes(), name].concat())
            .collect();
        extension(0, &[&(list.len() as u16).to_be_bytes()[..], &list].concat())
    }

    /// The handshake message of a ClientHello with these extensions.
    pub(crate) fn message(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(32);
        body.extend([9; 32]);
        body.extend([0, 4, 0x13, 0x01, 0x13, 0x02, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        [&[1][..], &(body.len() as u32).to_be_bytes()[1..], &body].concat()
    }

    /// The message in records of these lengths, the last one as long as it must be.
    fn records(message: &[u8], lengths: &[usize]) -> Vec<u8> {
        let mut rest = message;
        let mut bytes = Vec::new();
        let mut lengths = lengths.iter();
        while !rest.is_empty() {
            let length =
                lengths.next().copied().unwrap_or(LONGEST_RECORD).clamp(1, rest.len().min(LONGEST_RECORD));
            let (here, after) = rest.split_at(length);
            bytes.extend([22, 3, 1]);
            bytes.extend((length as u16).to_be_bytes());
            bytes.extend(here);
            rest = after;
        }
        bytes
    }

    /// A ClientHello for a name in one record.
    pub(crate) fn hello(name: Option<&str>) -> Vec<u8> {
        let extensions = name.map(|name| names(&[(0, name.as_bytes())])).unwrap_or_default();
        records(&message(&extensions), &[])
    }

    fn found(name: Option<&str>, encrypted: bool) -> Look {
        Look::Hello { server_name: name.map(str::to_owned), encrypted }
    }

    #[test]
    fn the_name_is_found() {
        assert_eq!(look(&hello(Some("Example.com"))), found(Some("Example.com"), false));
        assert_eq!(look(&hello(None)), found(None, false));
        let with_ech = [extension(ENCRYPTED_CLIENT_HELLO, &[0; 200]), names(&[(0, b"a.b")])].concat();
        assert_eq!(look(&records(&message(&with_ech), &[])), found(Some("a.b"), true));
    }

    #[test]
    fn what_openssl_sends_is_read() {
        // `openssl s_client -tls1_2 -cipher AES128-SHA -servername example.com`, its random replaced.
        let mut bytes = vec![0x16, 3, 1, 0, 0x59, 1, 0, 0, 0x55, 3, 3];
        bytes.extend([0xab; 32]);
        bytes.extend([0, 0, 4, 0, 0x2f, 0, 0xff, 1, 0, 0, 0x28]);
        bytes.extend([0, 0, 0, 0x10, 0, 0x0e, 0, 0, 0x0b]);
        bytes.extend(b"example.com");
        bytes.extend([0, 0x16, 0, 0, 0, 0x17, 0, 0, 0, 0x0d, 0, 8, 0, 6, 4, 1, 5, 1, 6, 1]);
        assert_eq!(look(&bytes), found(Some("example.com"), false));
    }

    #[test]
    fn two_readings_are_refused() {
        let one = names(&[(0, b"a.example")]);
        for (extensions, why) in [
            ([one.clone(), one.clone()].concat(), "a TLS extension stands there twice"),
            (names(&[(0, b"a"), (0, b"b")]), "there is not exactly one TLS server name"),
            (names(&[]), "there is not exactly one TLS server name"),
            (names(&[(1, b"a")]), "the TLS server name is of an unknown kind"),
            (names(&[(0, b"")]), "the TLS server name has characters that no name has"),
            (names(&[(0, "ä.example".as_bytes())]), "the TLS server name has characters that no name has"),
            (names(&[(0, b"a\0b")]), "the TLS server name has characters that no name has"),
            (extension(0, b""), "there is not exactly one TLS server name"),
            (extension(0, b"\0\x04\0\0\x01ab"), "the TLS server name cannot be read"),
            (extension(0, b"\0\x06\0\0\x01ab\0"), "the TLS server name cannot be read"),
            (vec![0, 10, 0, 9, 1], "the TLS greeting cannot be read"),
        ] {
            assert_eq!(look(&records(&message(&extensions), &[])), Look::Malformed(why), "{extensions:?}");
        }
    }

    #[test]
    fn what_is_no_greeting_is_told_apart() {
        assert_eq!(look(b""), Look::NeedMore);
        assert_eq!(look(b"GET / HTTP/1.1\r\n"), Look::NotTls);
        assert_eq!(look(&[22, 0x10]), Look::NotTls);
        assert!(matches!(look(&[22, 3, 1, 0, 0]), Look::Malformed(_)));
        assert!(matches!(look(&[22, 3, 1, 0x40, 1]), Look::Malformed(_)));
        assert!(matches!(look(&[22, 3, 3, 0, 4, 2]), Look::Malformed(_)), "a ServerHello");
        let whole = message(&names(&[(0, b"a.example")]));
        let mut split = records(&whole[..40], &[]);
        split.extend([21, 3, 3, 0, 2, 1, 0]);
        assert!(matches!(look(&split), Look::Malformed(_)), "an alert in between");
        let followed = records(&[&whole[..], b"\x01"].concat(), &[]);
        assert!(matches!(look(&followed), Look::Malformed(_)), "a message after it");
    }

    #[test]
    fn it_is_bounded() {
        assert!(matches!(look(&records(&[1, 1, 0, 1, 0], &[])), Look::Malformed(_)), "one that claims more");
        let long = message(&extension(21, &vec![0; 60_000]));
        let in_single_bytes = records(&long, &vec![1; long.len()]);
        assert!(matches!(look(&in_single_bytes[..LONGEST]), Look::Malformed(_)));
        assert_eq!(look(&records(&long, &[])), found(None, false));
    }

    proptest! {
        #[test]
        fn it_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0usize..200, byte: u8) {
            look(&bytes);
            look(&[&[22, 3, 1][..], &bytes].concat());
            let mut hello = hello(Some("some.example"));
            let place = at % hello.len();
            hello[place] = byte;
            look(&hello);
        }

        #[test]
        fn records_and_segments_change_nothing(
            name in "[a-zA-Z0-9.-]{1,60}",
            key_share in 0usize..2000,
            lengths in prop::collection::vec(1usize..700, 0..50),
            cut in any::<prop::sample::Index>(),
        ) {
            let extensions = [extension(51, &vec![5; key_share]), names(&[(0, name.as_bytes())])].concat();
            let bytes = records(&message(&extensions), &lengths);
            prop_assert_eq!(look(&bytes), found(Some(&name), false));
            prop_assert_eq!(look(&bytes[..cut.index(bytes.len())]), Look::NeedMore);
            prop_assert_eq!(look(&[&bytes[..], b"what follows"].concat()), found(Some(&name), false));
        }
    }
}
