//! What a program talks, by its first bytes. Owns the reading of them; what follows from it is decided where it is asked.
//!
//! A program may try to pass HTTP for something else, so that its Host is not looked at: what a lenient server would
//! still take for a request is HTTP here.

use super::tls::{self, Look};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// What is talked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Talk {
    /// TLS, with the name it asks for.
    Tls(Option<String>),
    /// HTTP/1.
    Http,
    /// HTTP/2 without TLS, which one sentence refuses.
    Http2,
    /// Broken TLS, or a request line without end; the end of a sentence.
    Malformed(&'static str),
    /// Any other protocol.
    Other,
    /// Nothing yet: the program waits for the server.
    Silent,
}

/// Longest first line that is waited for.
const LINE: usize = 16 * 1024;
/// How long a beginning may stay one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads until it is clear what is talked; what was read is in `bytes`. Nothing at all for `silence` is an answer too.
///
/// # Errors
/// A connection that fails; one that ends before saying anything gives `UnexpectedEof`.
pub async fn listen(stream: &TcpStream, bytes: &mut Vec<u8>, silence: Duration) -> io::Result<Talk> {
    let mut wait = silence;
    loop {
        match judge(bytes) {
            Some(talk) if !bytes.is_empty() => return Ok(talk),
            _ => {}
        }
        match tokio::time::timeout(wait, read(stream, bytes)).await {
            Err(_) if bytes.is_empty() => return Ok(Talk::Silent),
            Err(_) => return Ok(Talk::Malformed("its beginning has no end")),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(0)) if bytes.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            // What ended in the middle of its beginning says nothing that a server could act on.
            Ok(Ok(0)) => return Ok(Talk::Malformed("it ended in its beginning")),
            Ok(Ok(_)) => wait = PATIENCE,
        }
    }
}

/// Reads what is there into `bytes`; waits for it.
async fn read(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(length) => {
                bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
                return Ok(length);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the bytes are; `None`: not clear yet.
pub fn judge(bytes: &[u8]) -> Option<Talk> {
    match tls::look(bytes) {
        Look::Hello(name) => return Some(Talk::Tls(name)),
        Look::Malformed(why) => return Some(Talk::Malformed(why)),
        Look::NeedMore => return None,
        Look::NotTls => {}
    }
    // Servers skip empty lines, and some more, before a request (RFC 9112, 2.2).
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t'))?;
    let text = bytes.get(start..).unwrap_or_default();
    if !text.first().is_some_and(u8::is_ascii_alphabetic) {
        return Some(Talk::Other);
    }
    let end = text.iter().position(|&byte| byte == b'\n');
    let line = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let lower = line.to_ascii_lowercase();
    if lower.windows(5).any(|part| part == b"http/") {
        let http2 = lower.starts_with(b"pri ") && lower.windows(6).any(|part| part == b"http/2");
        return Some(if http2 { Talk::Http2 } else { Talk::Http });
    }
    // What no request line can hold ends the doubt.
    let foreign = |byte: &u8| !matches!(byte, b' '..=b'~' | b'\t' | b'\r' | 0x0b | 0x0c | 0x80..);
    if end.is_some() || line.iter().any(foreign) {
        return Some(Talk::Other);
    }
    (line.len() > LINE).then_some(Talk::Malformed("its first line is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_requests_however_they_are_dressed() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\n",
            " \tget / http/1.0\n",
            "FOO\x0bbar HTTP/1.1\r\n",
            "G\u{e9}T / HTTP/1.1\r\n",
        ] {
            assert_eq!(judge(text.as_bytes()), Some(Talk::Http), "{text:?}");
        }
        assert_eq!(judge(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Some(Talk::Http2));
    }

    #[test]
    fn other_protocols_are_other() {
        for bytes in [
            b"SSH-2.0-OpenSSH_9\r\n".as_slice(),
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"\x13BitTorrent",
            b"EHLO me\r\n",
            b"JRMI\0\x02K",
            b"003egit-upload-pack /x\0host=y\0",
        ] {
            assert_eq!(judge(bytes), Some(Talk::Other), "{bytes:?}");
        }
        for bytes in [b"".as_slice(), b"GET / HT", b"\r\n\r\n", b"SSH-2.0"] {
            assert_eq!(judge(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn more_bytes_never_change_the_answer(bytes: Vec<u8>, end in 0..64usize) {
            let end = end.min(bytes.len());
            if let Some(talk) = judge(&bytes[..end]).filter(|_| end > 0) {
                let later = judge(&bytes);
                prop_assert!(later == Some(talk.clone()) || talk == Talk::Other, "{:?} {:?}", talk, later);
            }
        }
    }
}
