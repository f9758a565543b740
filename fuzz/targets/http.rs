//! HTTP through the gateway, as a proxy and on an allowed connection: whatever a program says, what a server gets is one
//! request after the other, read the same by a strict reader of its own, each for the host that the server is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::network::http;
use sbsh::network::{Cause, Gate, HttpLine, Permit, Refusal, Tally, Target, Way};
use sbsh::policy::Host;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

thread_local! {
    static RUNTIME: (Runtime, TcpListener) = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a listener");
        (runtime, listener)
    };
}

/// Two ends of one connection.
async fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let address = listener.local_addr().expect("an address");
    let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (one, (other, _)) = (one.expect("a connection"), other.expect("a connection"));
    // Nothing is left waiting in the kernel: there are thousands of these in a second.
    let _ = one.set_zero_linger();
    let _ = other.set_zero_linger();
    (one, other)
}

/// A gate that allows two hosts, each a server that reads strictly.
struct Fake;

impl Gate for Fake {
    async fn permit(&self, target: Target, way: Way, _from: SocketAddr) -> Result<Rc<Permit>, Refusal> {
        if !["a.example:80", "b.example:80", "a.example:443"].contains(&target.to_string().as_str()) {
            return Err(Refusal::of(&target, Cause::Nobody("nobody".to_owned())));
        }
        Ok(Rc::new(Permit {
            target,
            way,
            rule: String::new(),
            check_name: true,
            tally: Tally::default(),
            also: None,
            ended: None,
        }))
    }

    async fn dial(&self, permit: &Permit) -> Result<TcpStream, Refusal> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let (outside, server) = pair(&listener).await;
        spawn_local(serve(server, permit.target.to_string()));
        Ok(outside)
    }

    async fn dial_http(&self, permit: &Permit) -> Result<HttpLine, Refusal> {
        Ok(HttpLine { stream: self.dial(permit).await?, absolute: false, authorization: None })
    }

    fn refuse(&self, target: &Target, _way: Way, cause: Cause) -> Refusal {
        Refusal::of(target, cause)
    }

    fn record(&self, refusal: Refusal) -> Refusal {
        refusal
    }
}

/// A server that takes nothing but what can be read in one way.
async fn serve(mut stream: TcpStream, name: String) {
    let mut waiting: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(length) = request(&waiting, &name) {
            waiting.drain(..length);
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => waiting.extend(&buffer[..length]),
        }
    }
}

/// How long the request at the front is, if all of it is there.
fn request(bytes: &[u8], name: &str) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = &bytes[..end - 4];
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    assert_eq!(
        head.iter().filter(|&&byte| byte == b'\n').count(),
        head.windows(2).filter(|two| two == b"\r\n").count()
    );
    assert_eq!(
        head.iter().filter(|&&byte| byte == b'\r').count(),
        head.windows(2).filter(|two| two == b"\r\n").count()
    );
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let words: Vec<&str> = first.split(' ').collect();
    assert_eq!(words.len(), 3, "{first:?}");
    assert!(words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0", "{first:?}");
    assert!(words[1].starts_with('/') || words[1] == "*", "{first:?}");
    assert_ne!(words[0], "CONNECT");
    let (mut hosts, mut length, mut chunked) = (0, None, false);
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':').expect("a header has a name");
        let (key, value) = (&line[..colon], &line[colon + 1..]);
        assert!(!key.is_empty() && key.iter().all(|byte| byte.is_ascii_graphic()), "{line:?}");
        let value = String::from_utf8_lossy(value).trim().to_owned();
        match String::from_utf8_lossy(key).to_ascii_lowercase().as_str() {
            "host" => {
                hosts += 1;
                let short = name.strip_suffix(":80").unwrap_or(name);
                assert!(
                    value.eq_ignore_ascii_case(name) || value.eq_ignore_ascii_case(short),
                    "{value:?} at {name}"
                );
            }
            "content-length" => {
                assert_eq!(length, None, "two lengths");
                length = Some(value.parse::<u64>().expect("a length is a number"));
            }
            "transfer-encoding" => {
                assert!(!chunked && value == "chunked", "{value:?}");
                chunked = true;
            }
            "proxy-connection" | "proxy-authorization" => panic!("{line:?} is between neighbours"),
            _ => {}
        }
    }
    assert_eq!(hosts, 1);
    assert!(!(chunked && length.is_some()), "a length and chunks");
    if !chunked {
        let whole = end as u64 + length.unwrap_or(0);
        return (bytes.len() as u64 >= whole).then_some(usize::try_from(whole).ok()?);
    }
    let mut at = end;
    loop {
        let line = at + bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..line]).expect("a chunk's length");
        assert!(!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digits:?}");
        let size = usize::from_str_radix(digits, 16).expect("a chunk's length");
        at = line + 2 + size;
        if size == 0 {
            // What may follow are further headers, then an empty line.
            while bytes.get(at..at + 2)? != b"\r\n" {
                at += bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")? + 2;
            }
            return Some(at + 2);
        }
        assert_eq!(bytes.get(at..at + 2)?, b"\r\n");
        at += 2;
    }
}

fuzz_target!(|input: (bool, u16, &[u8])| {
    let (proxy, cut, bytes) = input;
    if bytes.len() > 4000 {
        return;
    }
    RUNTIME.with(|(runtime, listener)| {
        let local = LocalSet::new();
        local.block_on(runtime, async {
            let (mut program, inside) = pair(listener).await;
            let (first, rest) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
            let (first, rest) = (first.to_vec(), rest.to_vec());
            let serving = spawn_local(async move {
                let gate = Rc::new(Fake);
                if proxy {
                    drop(http::proxy(gate, inside, NOWHERE, first).await);
                } else {
                    let target = Target { host: Host::Name("a.example".to_owned()), port: 80 };
                    let permit = gate.permit(target, Way::Http, NOWHERE).await.expect("it is allowed");
                    http::origin(gate, permit, inside, first, None).await;
                }
            });
            let _ = program.write_all(&rest).await;
            let _ = program.shutdown().await;
            let mut answer = Vec::new();
            let _ = timeout(Duration::from_secs(3), program.read_to_end(&mut answer)).await;
            serving.abort();
        });
    });
});
