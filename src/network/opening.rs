//! The first words of a connection. Owns waiting for them, judging them against what was permitted, and refusing in
//! the protocol that they are in. Must not decide whether a target is allowed.

use super::sniff::{Talk, is_no_text, sniff, sniff_all};
use super::tls::{LONGEST, Look, look};
use super::{Cause, Refusal, Target, tunnel};
use crate::policy::Host;
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a refusal waits to learn in which protocol it is to be said.
const PATIENCE: Duration = Duration::from_millis(300);

/// TLS: an alert, fatal, access_denied (RFC 8446, 6).
const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// The port on which nothing but HTTP is spoken.
pub const HTTP_PORT: u16 = 80;

const NO_HTTP: &str = "what was sent to port 80 is not HTTP";

/// What a program has said first.
#[derive(Debug, Default)]
pub struct Opening {
    /// What has come.
    pub bytes: Vec<u8>,
    /// Nothing more will come.
    pub ended: bool,
}

/// What the first words of an allowed connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Not decided yet.
    Open,
    /// They may pass, and whatever follows.
    Passes,
    /// HTTP: every request is to be judged.
    Http,
    /// They may not pass.
    Refused(Cause),
}

impl Opening {
    /// Waits for more; may be dropped at any time.
    ///
    /// # Errors
    /// The program's end is gone.
    pub async fn more(&mut self, from: &TcpStream) -> io::Result<()> {
        loop {
            from.readable().await?;
            self.bytes.reserve(4096);
            match from.try_read_buf(&mut self.bytes) {
                Ok(0) => self.ended = true,
                Ok(_) if self.bytes.len() < self.bytes.capacity() => tunnel::is_empty(from),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    /// What it speaks, as far as it can be told.
    fn talk(&self) -> Option<Talk> {
        if self.ended { Some(sniff_all(&self.bytes)) } else { sniff(&self.bytes) }
    }

    /// Whether it is TLS so far.
    pub fn is_tls(&self) -> bool {
        sniff(&self.bytes) == Some(Talk::Tls)
    }

    /// Whether it need not rest until it is decided: it is no text, and nobody says so little of a line and waits.
    pub fn is_no_text(&self) -> bool {
        !self.ended && is_no_text(&self.bytes)
    }

    /// Takes in what comes while somebody else decides, up to a bound; returns once the program is gone. That it says
    /// no more means so only in protocols that never end one direction early: TLS, or `both_ways`.
    pub async fn until_gone(&mut self, from: &TcpStream, both_ways: bool) {
        loop {
            if self.ended && (both_ways || self.is_tls()) {
                return;
            }
            if self.ended || self.bytes.len() >= LONGEST {
                return std::future::pending().await;
            }
            if self.more(from).await.is_err() {
                return;
            }
        }
    }

    /// What is to become of it on a connection to `target`. Once the server has spoken first, its protocol has turns
    /// of its own, and lines like HTTP's mean nothing in it.
    pub fn judge(&self, target: &Target, check_name: bool, server_spoke: bool) -> Judged {
        let refused = |why: &str| Judged::Refused(Cause::Malformed(why.to_owned()));
        match self.talk() {
            None if !self.is_no_text() => Judged::Open,
            None if target.port == HTTP_PORT => refused(NO_HTTP),
            None if server_spoke => Judged::Passes,
            None => Judged::Open,
            Some(Talk::Http) if server_spoke && target.port != HTTP_PORT => Judged::Passes,
            Some(Talk::Http) => Judged::Http,
            Some(Talk::Http2) => refused("cleartext HTTP/2 cannot be judged request by request"),
            Some(Talk::Other | Talk::Socks) if target.port == HTTP_PORT => refused(NO_HTTP),
            // A server that is first to speak is none of SOCKS.
            Some(Talk::Socks) if !server_spoke => refused("SOCKS would lead on to another host"),
            Some(Talk::Other | Talk::Silent | Talk::Socks) => Judged::Passes,
            Some(Talk::Tls) => match look(&self.bytes) {
                Look::NeedMore if !self.ended => Judged::Open,
                _ if !check_name => Judged::Passes,
                Look::NeedMore => refused("the TLS greeting is not complete"),
                Look::NotTls => refused("the TLS greeting cannot be read"),
                Look::Malformed(why) => refused(why),
                Look::Hello { server_name, .. } => named(target, server_name),
            },
        }
    }
}

/// Whether TLS names the host that was decided on.
fn named(target: &Target, server_name: Option<String>) -> Judged {
    let agrees = match (&server_name, &target.host) {
        (Some(name), _) => Host::parse(name).is_ok_and(|named| target.is_called(&named)),
        (None, Host::Address(_)) => true,
        (None, Host::Name(_)) => false,
    };
    if agrees { Judged::Passes } else { Judged::Refused(Cause::OtherName(server_name)) }
}

/// Ends a connection that is not allowed, in the words of what it speaks.
pub async fn refuse(inside: TcpStream, mut opening: Opening, refusal: &Refusal) {
    let heard = timeout(PATIENCE, async {
        while !opening.ended && opening.talk().is_none() && !opening.is_no_text() {
            opening.more(&inside).await?;
        }
        Ok::<_, io::Error>(())
    })
    .await;
    let answer = match opening.talk() {
        _ if matches!(heard, Ok(Err(_))) => None,
        Some(Talk::Http) => Some(http(refusal)),
        Some(Talk::Tls) => Some(ACCESS_DENIED.to_vec()),
        _ => None,
    };
    match answer {
        Some(answer) if tunnel::write_all(&inside, &answer, &Cell::new(0)).await.is_ok() => {
            tunnel::hang_up(inside).await;
        }
        _ => tunnel::reset(&inside),
    }
}

/// The refusal as an HTTP answer, after which the connection ends.
fn http(refusal: &Refusal) -> Vec<u8> {
    let body = refusal.body();
    format!(
        "HTTP/1.1 {} Blocked by sbsh\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        refusal.status(),
        body.len(),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::tls::tests::hello;
    use super::*;
    use proptest::prelude::*;

    fn target(host: &str, port: u16) -> Target {
        Target { host: Host::parse(host).unwrap(), port }
    }

    fn judge(host: &str, port: u16, bytes: &[u8]) -> Judged {
        Opening { bytes: bytes.to_vec(), ended: false }.judge(&target(host, port), true, false)
    }

    #[test]
    fn tls_must_name_the_host() {
        assert_eq!(judge("a.example", 443, &hello(Some("A.example"))), Judged::Passes);
        assert_eq!(judge("a.example", 8443, &hello(Some("A.example"))), Judged::Passes);
        assert_eq!(judge("192.0.2.1", 443, &hello(None)), Judged::Passes);
        assert_eq!(judge("127.0.0.1", 8443, &hello(Some("localhost"))), Judged::Passes);
        assert_eq!(judge("::1", 8443, &hello(Some("localhost"))), Judged::Passes);
        for (host, name) in [
            ("127.0.0.1", Some("x.localhost")),
            ("127.0.0.2", Some("localhost")),
            ("a.example", Some("localhost")),
            ("a.example", Some("b.example")),
            ("a.example", Some("x.a.example")),
            ("a.example", None),
            ("192.0.2.1", Some("a.example")),
        ] {
            let refused = Judged::Refused(Cause::OtherName(name.map(str::to_owned)));
            assert_eq!(judge(host, 443, &hello(name)), refused, "{host} {name:?}");
        }
        let excepted = Opening { bytes: hello(Some("b.example")), ended: false };
        assert_eq!(excepted.judge(&target("a.example", 443), false, false), Judged::Passes);
        assert_eq!(
            excepted.judge(&target("a.example", 443), true, true),
            judge("a.example", 443, &hello(Some("b.example")))
        );
        let cut = hello(Some("a.example"))[..30].to_vec();
        assert_eq!(judge("a.example", 443, &cut), Judged::Open);
        let cut = Opening { bytes: cut, ended: true };
        assert!(matches!(
            cut.judge(&target("a.example", 443), true, false),
            Judged::Refused(Cause::Malformed(_))
        ));
    }

    #[test]
    fn other_protocols_pass_where_they_may() {
        assert_eq!(judge("a.example", 22, b"SSH-2.0-x\r\n"), Judged::Passes);
        assert!(matches!(judge("a.example", 80, b"SSH-2.0-x\r\n"), Judged::Refused(Cause::Malformed(_))));
        assert!(matches!(
            judge("a.example", 8080, b"PRI * HTTP/2.0\r\n"),
            Judged::Refused(Cause::Malformed(_))
        ));
        assert_eq!(judge("a.example", 443, b"GET / HTTP/1.1\r\n"), Judged::Http);
        let line = Opening { bytes: b"STAT /x\r\n".to_vec(), ended: false };
        assert_eq!(line.judge(&target("a.example", 110), true, true), Judged::Passes);
        assert_eq!(line.judge(&target("a.example", 80), true, true), Judged::Http);
        let packet = Opening { bytes: b"\0\0\0\x08\x04\xd2".to_vec(), ended: false };
        assert_eq!(packet.judge(&target("a.example", 5432), true, false), Judged::Open);
        assert_eq!(packet.judge(&target("a.example", 5432), true, true), Judged::Passes);
        let silent = Opening { bytes: Vec::new(), ended: true };
        assert_eq!(silent.judge(&target("a.example", 80), true, false), Judged::Passes);
    }

    proptest! {
        #[test]
        fn what_is_decided_stays_decided(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"GET /\r\n\x16\x03\x01\0".to_vec())], 0..60),
            more in prop::collection::vec(any::<u8>(), 0..60),
            port in prop::sample::select(vec![80u16, 443]),
        ) {
            let first = judge("a.example", port, &bytes);
            if first != Judged::Open {
                prop_assert_eq!(judge("a.example", port, &[bytes, more].concat()), first);
            }
        }
    }
}
