//! Dialling: from an allowed target to a connection.
//!
//! Owns resolving once, dropping forbidden addresses, the order and the limits of attempts, and the handshakes with an
//! upstream proxy (HTTP CONNECT, SOCKS5). Must not decide which hosts or addresses are allowed (that is `policy`), nor
//! which proxy is used (that is `upstream`), nor take a byte that belongs to the tunnel.

use super::upstream::{Kind, Login, Upstream, Upstreams};
use super::{Cause, HttpLine, Target};
use crate::policy::{Host, NetworkPolicy};
#[cfg(target_os = "linux")]
use crate::system::sockets;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

/// For one address.
const ATTEMPT: Duration = Duration::from_secs(10);
/// For resolving, all addresses and the proxy's handshake together.
const TOTAL: Duration = Duration::from_secs(30);
/// The most that a proxy may answer before the tunnel begins.
const HEAD: usize = 16 * 1024;
/// The most of a proxy's status line that a person gets to read.
const STATUS: usize = 120;

/// An open connection to a target.
#[derive(Debug)]
pub struct Dialled {
    /// The connection; nothing of the target's has been read from it.
    pub stream: TcpStream,
    /// The target's address; `None` where an upstream proxy found it.
    pub address: Option<IpAddr>,
}

/// Connects to a target that the policy allows, through the upstream proxy if one is for it.
///
/// # Errors
/// [`Cause`]: all addresses forbidden, unresolved, unreachable, refused by the proxy.
pub async fn dial(policy: &NetworkPolicy, upstreams: &Upstreams, target: &Target) -> Result<Dialled, Cause> {
    let check = |host: &Host, ip, port| policy.address(host, ip, port);
    tunnel(&check, upstreams.to(target, false), target, Instant::now() + TOTAL).await
}

/// The same for plain HTTP requests: an upstream HTTP proxy gets them in absolute form instead of a tunnel.
///
/// # Errors
/// As [`dial`].
pub async fn dial_http(
    policy: &NetworkPolicy,
    upstreams: &Upstreams,
    target: &Target,
) -> Result<(HttpLine, Option<IpAddr>), Cause> {
    let check = |host: &Host, ip, port| policy.address(host, ip, port);
    line(&check, upstreams.to(target, true), target, Instant::now() + TOTAL).await
}

/// Whether an address may be dialled for a host; if not, the name of its range.
type Check<'a> = &'a dyn Fn(&Host, IpAddr, u16) -> Result<(), String>;

async fn line(
    check: Check<'_>,
    upstream: Option<&Upstream>,
    target: &Target,
    until: Instant,
) -> Result<(HttpLine, Option<IpAddr>), Cause> {
    match upstream.filter(|upstream| upstream.kind == Kind::Http) {
        Some(upstream) => {
            check_literal(check, target)?;
            let stream = reach(upstream, until).await.map_err(Cause::Upstream)?;
            let authorization = upstream.login.as_ref().map(Login::basic);
            Ok((HttpLine { stream, absolute: true, authorization }, None))
        }
        None => {
            let Dialled { stream, address } = tunnel(check, upstream, target, until).await?;
            Ok((HttpLine { stream, absolute: false, authorization: None }, address))
        }
    }
}

async fn tunnel(
    check: Check<'_>,
    upstream: Option<&Upstream>,
    target: &Target,
    until: Instant,
) -> Result<Dialled, Cause> {
    let Some(upstream) = upstream else {
        return direct(check, target, until).await;
    };
    check_literal(check, target)?;
    let mut stream = reach(upstream, until).await.map_err(Cause::Upstream)?;
    let handshake = async {
        match upstream.kind {
            Kind::Http => http_connect(&mut stream, target, upstream.login.as_ref()).await,
            Kind::Socks => socks_connect(&mut stream, target, upstream.login.as_ref()).await,
        }
    };
    match timeout_at(until, handshake).await {
        Ok(done) => done.map_err(Cause::Upstream)?,
        Err(_) => return Err(Cause::Upstream("it does not answer".to_owned())),
    }
    Ok(Dialled { stream, address: None })
}

/// A proxy resolves names itself, but an address that is asked for as such is known to be forbidden before.
fn check_literal(check: Check<'_>, target: &Target) -> Result<(), Cause> {
    match target.host {
        Host::Address(address) => {
            check(&target.host, address.to_canonical(), target.port).map_err(Cause::Range)
        }
        Host::Name(_) => Ok(()),
    }
}

async fn direct(check: Check<'_>, target: &Target, until: Instant) -> Result<Dialled, Cause> {
    let mut range = None;
    let mut addresses = resolve(target, until).await.map_err(Cause::Unresolved)?;
    addresses.retain(|address| match check(&target.host, address.ip(), target.port) {
        Ok(()) => true,
        Err(name) => {
            range.get_or_insert(name);
            false
        }
    });
    match range {
        Some(range) if addresses.is_empty() => Err(Cause::Range(range)),
        _ => {
            let (stream, address) = connect(&addresses, until).await.map_err(Cause::Unreachable)?;
            Ok(Dialled { stream, address: Some(address) })
        }
    }
}

/// The addresses of a host, each once, never none. What is checked is what is dialled: nothing resolves again.
async fn resolve(target: &Target, until: Instant) -> Result<Vec<SocketAddr>, String> {
    let name = match &target.host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(address.to_canonical(), target.port)]),
        Host::Name(name) => name,
    };
    let place = KNOWN.with_borrow_mut(|known| {
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        Rc::clone(known.entry(name.clone()).or_default())
    });
    // Connections to one name that come together wait for one answer.
    let mut answer = place.lock().await;
    if let Some((when, found)) = answer.as_ref()
        && when.elapsed() < FRESH
    {
        return found.clone().map(|found| with_port(&found, target.port));
    }
    let found = match timeout_at(until, lookup_host((name.as_str(), target.port))).await {
        Ok(found) => found.map_err(|error| short(&error)).and_then(|found| distinct(found.map(|a| a.ip()))),
        Err(_) => Err("the resolver does not answer".to_owned()),
    };
    *answer = Some((Instant::now(), found.clone()));
    found.map(|found| with_port(&found, target.port))
}

/// How long an answer is used again: a burst of connections asks once.
const FRESH: Duration = Duration::from_secs(5);
const MOST_KNOWN: usize = 256;

type Answer = Option<(Instant, Result<Vec<IpAddr>, String>)>;

thread_local! {
    /// What names led to. The gateway has one thread.
    static KNOWN: RefCell<HashMap<String, Rc<Mutex<Answer>>>> = RefCell::default();
}

fn with_port(found: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    found.iter().map(|&address| SocketAddr::new(address, port)).collect()
}

fn distinct(found: impl Iterator<Item = IpAddr>) -> Result<Vec<IpAddr>, String> {
    let mut addresses = Vec::new();
    for address in found.map(|address| address.to_canonical()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
}

/// Tries addresses in order; the error is the last one's.
async fn connect(addresses: &[SocketAddr], until: Instant) -> Result<(TcpStream, IpAddr), String> {
    let mut error = "Connection timed out".to_owned();
    for address in addresses {
        let now = Instant::now();
        if now >= until {
            break;
        }
        error = match timeout_at(until.min(now + ATTEMPT), connect_to(*address)).await {
            Ok(Ok(stream)) => {
                // Only speed hangs on it.
                let _ = stream.set_nodelay(true);
                return Ok((stream, address.ip()));
            }
            Ok(Err(error)) => short(&error),
            Err(_) => "Connection timed out".to_owned(),
        };
    }
    Err(error)
}

/// Connects to one address. On loopback the connection stands at once: then nothing is waited for.
async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    #[cfg(target_os = "linux")]
    {
        let (socket, stands) = sockets::connect(address)?;
        let stream = TcpStream::from_std(std::net::TcpStream::from(socket))?;
        if !stands {
            stream.writable().await?;
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
        }
        Ok(stream)
    }
    #[cfg(not(target_os = "linux"))]
    TcpStream::connect(address).await
}

/// Connects to a proxy. The person named it, so no range is forbidden to it.
async fn reach(upstream: &Upstream, until: Instant) -> Result<TcpStream, String> {
    let at = &upstream.at;
    let found = match resolve(at, until).await {
        Ok(addresses) => connect(&addresses, until).await,
        Err(why) => Err(why),
    };
    found.map(|(stream, _)| stream).map_err(|why| format!("{at}: {why}"))
}

/// An error without the number that means nothing to most.
fn short(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

/// A lost connection to the proxy, as the end of a sentence.
fn lost(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => short(&error),
    }
}

/// Asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6).
async fn http_connect(stream: &mut TcpStream, target: &Target, login: Option<&Login>) -> Result<(), String> {
    // A name that could end the line would be a request of its own.
    if let Host::Name(name) = &target.host
        && !name.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err("the name cannot stand in a request".to_owned());
    }
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(login) = login {
        request.push_str(&format!("Proxy-Authorization: {}\r\n", login.basic()));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut room = HEAD;
    loop {
        let head = read_head(stream, room).await?;
        room = room.saturating_sub(head.len());
        let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        match status(line).ok_or("it does not answer in HTTP")? {
            200..=299 => return Ok(()),
            100 | 102..=199 => {} // the answer proper follows
            _ => return Err(format!("it answers '{}'", printable(line))),
        }
    }
}

/// The code of a status line.
fn status(line: &[u8]) -> Option<u16> {
    let rest = std::str::from_utf8(line.get(..12)?).ok()?.strip_prefix("HTTP/1.")?;
    let (minor, code) = rest.split_once(' ')?;
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let ends = line.get(12).is_none_or(|byte| *byte == b' ');
    if digits(minor, 1) && digits(code, 3) && ends { code.parse().ok() } else { None }
}

/// What may be shown on a terminal of bytes from outside.
fn printable(line: &[u8]) -> String {
    let show = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' };
    line.iter().take(STATUS).map(show).collect()
}

/// Reads to the end of a head and not a byte further: what follows belongs to the tunnel, so it is only peeked at.
async fn read_head(stream: &mut TcpStream, room: usize) -> Result<Vec<u8>, String> {
    let mut head: Vec<u8> = Vec::new();
    let mut peeked = vec![0; 4096];
    loop {
        let count = stream.peek(&mut peeked).await.map_err(lost)?;
        if count == 0 {
            return Err("it closed the connection".to_owned());
        }
        let known = head.len();
        head.extend(peeked.iter().take(count));
        let end = end_of_head(&head, known);
        head.truncate(end.unwrap_or(head.len()));
        if head.len() > room {
            return Err("the head of its answer is too long".to_owned());
        }
        // Takes from the socket what was peeked at and belongs to the head.
        let taken = head.get_mut(known..).unwrap_or_default();
        stream.read_exact(taken).await.map_err(lost)?;
        if end.is_some() {
            return Ok(head);
        }
    }
}

/// Where the empty line ends, if it is there; the first `known` bytes were searched before.
fn end_of_head(head: &[u8], known: usize) -> Option<usize> {
    (known..head.len()).map(|last| last + 1).find(|end| {
        let upto = head.get(..*end).unwrap_or_default();
        upto.ends_with(b"\n\r\n") || upto.ends_with(b"\n\n")
    })
}

/// Asks a SOCKS5 proxy for a tunnel (RFC 1928, 1929). Names go as names: the proxy resolves them.
async fn socks_connect(stream: &mut TcpStream, target: &Target, login: Option<&Login>) -> Result<(), String> {
    const STRANGE: &str = "it does not answer in SOCKS5";
    let mut request = vec![5, 1, 0];
    match &target.host {
        Host::Address(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Host::Name(name) => {
            request.push(3);
            request.extend(sized(name.as_bytes())?);
        }
    }
    request.extend(target.port.to_be_bytes());

    let methods: &[u8] = if login.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(methods).await.map_err(lost)?;
    let mut method = [0; 2];
    stream.read_exact(&mut method).await.map_err(lost)?;
    match (method, login) {
        ([5, 0], _) => {}
        ([5, 2], Some(login)) => socks_login(stream, login).await?,
        ([5, 0xff], Some(_)) => return Err("it takes no user name and password".to_owned()),
        ([5, 0xff], None) => return Err("it wants a login".to_owned()),
        _ => return Err(STRANGE.to_owned()),
    }

    stream.write_all(&request).await.map_err(lost)?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await.map_err(lost)?;
    let kind = match reply {
        [5, 0, _, kind] => kind,
        [5, code, ..] => return Err(format!("it answers '{}'", socks_word(code))),
        _ => return Err(STRANGE.to_owned()),
    };
    let rest = match kind {
        1 => 4 + 2,
        4 => 16 + 2,
        3 => usize::from(stream.read_u8().await.map_err(lost)?) + 2,
        _ => return Err(STRANGE.to_owned()),
    };
    stream.read_exact(&mut vec![0; rest]).await.map_err(lost)?;
    Ok(())
}

/// Name and password (RFC 1929).
async fn socks_login(stream: &mut TcpStream, login: &Login) -> Result<(), String> {
    let message = [vec![1], sized(&login.user)?, sized(&login.password)?].concat();
    stream.write_all(&message).await.map_err(lost)?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.map_err(lost)?;
    match answer {
        [_, 0] => Ok(()),
        _ => Err("it refuses the user name or password".to_owned()),
    }
}

/// Bytes after their count.
fn sized(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let count = u8::try_from(bytes.len()).map_err(|_| "the name is longer than SOCKS5 can carry")?;
    Ok([&[count], bytes].concat())
}

/// RFC 1928, 6.
fn socks_word(code: u8) -> String {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => return format!("error {code}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream as Blocking};
    use std::thread::{JoinHandle, spawn};

    fn run<T>(what: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
    }

    /// A server for one connection; what it saw comes from the handle.
    fn serve<T: Send + 'static>(script: impl FnOnce(Blocking) -> T + Send + 'static) -> (u16, JoinHandle<T>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (port, spawn(move || script(listener.accept().unwrap().0)))
    }

    /// An HTTP proxy that answers with these bytes once it has the whole request, which it gives back.
    fn http_proxy(answer: &[u8]) -> (u16, JoinHandle<String>) {
        let answer = answer.to_vec();
        serve(move |mut stream| {
            let request = request(&mut stream);
            // The other side may have hung up already: that is the test's to judge.
            let _ = stream.write_all(&answer);
            request
        })
    }

    fn request(stream: &mut Blocking) -> String {
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.extend(exactly::<1>(stream));
        }
        String::from_utf8(seen).unwrap()
    }

    fn exactly<const N: usize>(stream: &mut Blocking) -> [u8; N] {
        let mut bytes = [0; N];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn target(host: &str, port: u16) -> Target {
        Target { host: Host::parse(host).unwrap(), port }
    }

    fn all(url: &str, no_proxy: &str) -> Upstreams {
        Upstreams::from_environment(None, None, Some(url), Some(no_proxy)).unwrap()
    }

    fn anything(_: &Host, _: IpAddr, _: u16) -> Result<(), String> {
        Ok(())
    }

    fn no_loopback(_: &Host, ip: IpAddr, _: u16) -> Result<(), String> {
        if ip.is_loopback() { Err("loopback".to_owned()) } else { Ok(()) }
    }

    fn soon() -> Instant {
        Instant::now() + TOTAL
    }

    /// Dials and reads all that comes: what the target said, and its address.
    async fn hear(upstreams: &Upstreams, target: &Target) -> Result<(String, Option<IpAddr>), Cause> {
        let Dialled { mut stream, address } =
            tunnel(&anything, upstreams.to(target, false), target, soon()).await?;
        assert!(stream.nodelay().unwrap());
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        Ok((heard, address))
    }

    /// Why a proxy that answers so is no way.
    fn refused_by(answer: &[u8]) -> String {
        let (port, proxy) = http_proxy(answer);
        let result = run(hear(&all(&format!("127.0.0.1:{port}"), ""), &target("x.com", 443)));
        proxy.join().unwrap();
        match result {
            Err(Cause::Upstream(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_and_names_are_dialled_directly() {
        for host in ["127.0.0.1", "localhost", "::ffff:127.0.0.1"] {
            let (port, server) = serve(|mut stream| stream.write_all(b"hello").unwrap());
            let heard = run(hear(&Upstreams::default(), &target(host, port))).unwrap();
            assert_eq!(heard, ("hello".to_owned(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST))), "{host}");
            server.join().unwrap();
        }
    }

    #[test]
    fn forbidden_addresses_are_dropped_and_their_range_is_named() {
        let to = |host: &str| target(host, 9);
        for host in ["localhost", "127.0.0.1", "::1"] {
            let error = run(tunnel(&no_loopback, None, &to(host), soon())).unwrap_err();
            assert_eq!(error, Cause::Range("loopback".to_owned()), "{host}");
        }
        // One family forbidden: the other is dialled.
        let (port, server) = serve(drop);
        let v4 = |_: &Host, ip: IpAddr, _: u16| if ip.is_ipv4() { Ok(()) } else { Err("v6".to_owned()) };
        let dialled = run(tunnel(&v4, None, &target("localhost", port), soon())).unwrap();
        assert_eq!(dialled.address, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        server.join().unwrap();
    }

    #[test]
    fn the_policy_says_which_addresses_are_dialled() {
        use crate::policy::{DomainSet, network::List};
        use crate::settings::Sourced;
        let set = |entries: &[String], list| {
            let said = entries.iter().map(|entry| Sourced::built_in(entry.clone(), "test"));
            DomainSet::of(said, list).unwrap()
        };
        let policy = |allowed: &[String], denied: &[String]| NetworkPolicy {
            allowed: set(allowed, List::Allowed),
            denied: set(denied, List::Denied),
            ..NetworkPolicy::default()
        };
        let none = Upstreams::default();
        // A proxy that nobody listens on: the loopback is not behind it.
        let proxied = all("http://127.0.0.1:1", "");
        for (host, entry) in
            [("localhost", "localhost"), ("127.0.0.1", "LOCALHOST."), ("localhost", "127.0.0.0/8")]
        {
            for upstreams in [&none, &proxied] {
                let (port, server) = serve(drop);
                let entry = if entry.contains('/') { entry.to_owned() } else { format!("{entry}:{port}") };
                let dialled = run(dial(&policy(&[entry], &[]), upstreams, &target(host, port))).unwrap();
                assert_eq!(dialled.address, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), "{host}");
                server.join().unwrap();
            }
        }

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = |policy: &NetworkPolicy, host| match run(dial(policy, &none, &target(host, port))) {
            Err(Cause::Range(range)) => range,
            other => panic!("{host}: {other:?}"),
        };
        let other_port = policy(&["localhost:1".to_owned()], &[]);
        let denied = policy(&["localhost".to_owned()], &["127.0.0.0/8".to_owned(), "::1".to_owned()]);
        for host in ["localhost", "127.0.0.1", "2130706433"] {
            assert_eq!(refused(&NetworkPolicy::default(), host), "loopback", "{host}");
            assert_eq!(refused(&other_port, host), "loopback", "{host}");
            assert!(refused(&denied, host).starts_with("denied"), "{host}");
        }
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_proxy_is_not_asked_for_a_forbidden_address() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        for url in [format!("http://127.0.0.1:{port}"), format!("socks5://127.0.0.1:{port}")] {
            let (upstreams, to) = (all(&url, ""), target("10.0.0.2", 80));
            let range = Cause::Range("private".to_owned());
            assert!(upstreams.to(&to, false).is_some() && upstreams.to(&to, true).is_some());
            let policy = NetworkPolicy::default();
            assert_eq!(run(dial(&policy, &upstreams, &to)).unwrap_err(), range);
            assert_eq!(run(dial_http(&policy, &upstreams, &to)).unwrap_err(), range);
        }
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_cannot_be_reached_says_so_shortly() {
        run(async {
            // Bound but not listening: nobody else gets the port, and connecting is refused.
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
            let port = socket.local_addr().unwrap().port();
            let error = hear(&Upstreams::default(), &target("127.0.0.1", port)).await.unwrap_err();
            assert_eq!(error, Cause::Unreachable("Connection refused".to_owned()));
            let error =
                hear(&all(&format!("127.0.0.1:{port}"), ""), &target("x.com", 443)).await.unwrap_err();
            assert_eq!(error, Cause::Upstream(format!("127.0.0.1:{port}: Connection refused")));
            // Too long for any resolver.
            let long = Target { host: Host::Name("a".repeat(300)), port: 443 };
            let error = hear(&Upstreams::default(), &long).await.unwrap_err();
            assert!(matches!(&error, Cause::Unresolved(why) if !why.contains("lookup")), "{error:?}");
        });
    }

    #[test]
    fn nothing_is_dialled_after_the_deadline() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = target("127.0.0.1", listener.local_addr().unwrap().port());
        let error = run(async { tunnel(&anything, None, &to, Instant::now()).await.unwrap_err() });
        assert_eq!(error, Cause::Unreachable("Connection timed out".to_owned()));
    }

    #[test]
    fn a_proxy_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        for scheme in ["http", "socks5"] {
            let upstreams = all(&format!("{scheme}://127.0.0.1:{port}"), "");
            let to = target("x.com", 443);
            let until = Duration::from_millis(200);
            let error =
                run(async { tunnel(&anything, upstreams.to(&to, false), &to, Instant::now() + until).await });
            assert!(matches!(error, Err(Cause::Upstream(_))), "{error:?}");
        }
    }

    #[test]
    fn an_http_proxy_is_asked_for_a_tunnel_and_no_byte_of_it_is_lost() {
        for (userinfo, header) in [("", ""), ("me:p%40ss@", "Proxy-Authorization: Basic bWU6cEBzcw==\r\n")] {
            let (port, proxy) = http_proxy(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n\r\n\r\ntunnel\r\n\r\n");
            let upstreams = all(&format!("http://{userinfo}127.0.0.1:{port}"), "");
            let heard = run(hear(&upstreams, &target("x.com", 8443))).unwrap();
            assert_eq!(heard, ("\r\n\r\ntunnel\r\n\r\n".to_owned(), None));
            let asked = format!("CONNECT x.com:8443 HTTP/1.1\r\nHost: x.com:8443\r\n{header}\r\n");
            assert_eq!(proxy.join().unwrap(), asked);
        }
    }

    #[test]
    fn an_address_is_asked_for_in_brackets() {
        let (port, proxy) = http_proxy(b"HTTP/1.0 200\n\nx");
        let heard = run(hear(&all(&format!("127.0.0.1:{port}"), ""), &target("2001:db8::1", 443))).unwrap();
        assert_eq!(heard.0, "x");
        assert!(proxy.join().unwrap().starts_with("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"));
    }

    #[test]
    fn a_head_may_come_in_single_bytes_and_after_interim_answers() {
        let (port, proxy) = serve(|mut stream| {
            stream.set_nodelay(true).unwrap();
            request(&mut stream);
            for byte in b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nrest" {
                stream.write_all(&[*byte]).unwrap();
                std::thread::yield_now();
            }
        });
        let heard = run(hear(&all(&format!("127.0.0.1:{port}"), ""), &target("x.com", 443))).unwrap();
        assert_eq!(heard.0, "rest");
        proxy.join().unwrap();
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_it_was_cut() {
        for (text, end) in [("A\r\n\r\nB\r\n\r\n", 5), ("A\n\nB", 3), ("A\n\r\nB", 4), ("A\r\n\nB", 4)] {
            for known in 0..end {
                assert_eq!(end_of_head(text.as_bytes(), known), Some(end), "{text:?} {known}");
            }
            assert_eq!(end_of_head(&text.as_bytes()[..end - 1], 0), None);
        }
    }

    #[test]
    fn a_proxy_that_refuses_is_quoted_without_what_a_terminal_would_obey() {
        assert_eq!(
            refused_by(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"),
            "it answers 'HTTP/1.1 407 Proxy Authentication Required'"
        );
        assert_eq!(
            refused_by(b"HTTP/1.1 403 \x1b[2J\xff\x07no\r\n\r\n"),
            "it answers 'HTTP/1.1 403 ?[2J??no'"
        );
        assert_eq!(refused_by(b"HTTP/1.1 101 Switch\r\n\r\n"), "it answers 'HTTP/1.1 101 Switch'");
        let long = [b"HTTP/1.1 500 ".to_vec(), vec![b'x'; 5000], b"\r\n\r\n".to_vec()].concat();
        assert_eq!(refused_by(&long).len(), "it answers ''".len() + STATUS);
    }

    #[test]
    fn garbage_silence_and_endless_heads_are_no_tunnel() {
        for garbage in [
            &b"\0\x01\x02\n\n"[..],
            b"\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/2.11 200 OK\r\n\r\n",
            b"HTTP/1.1 +20 OK\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
        ] {
            assert_eq!(refused_by(garbage), "it does not answer in HTTP", "{garbage:?}");
        }
        assert_eq!(refused_by(b""), "it closed the connection");
        assert_eq!(refused_by(b"HTTP/1.1 200 OK\r\n"), "it closed the connection");
        let huge = [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'x'; HEAD], b"\r\n\r\n".to_vec()].concat();
        assert_eq!(refused_by(&huge), "the head of its answer is too long");
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(HEAD / 16);
        assert_eq!(refused_by(&interim), "the head of its answer is too long");
    }

    #[test]
    fn a_name_cannot_write_headers() {
        let (port, proxy) = serve(|mut stream| {
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).unwrap();
            seen
        });
        let to = Target { host: Host::Name("x.com\r\nA: b".to_owned()), port: 443 };
        let error = run(hear(&all(&format!("127.0.0.1:{port}"), ""), &to)).unwrap_err();
        assert_eq!(error, Cause::Upstream("the name cannot stand in a request".to_owned()));
        assert_eq!(proxy.join().unwrap(), b"");
    }

    #[test]
    fn a_socks_proxy_gets_the_login_and_the_name() {
        let (port, proxy) = serve(|mut stream| {
            assert_eq!(exactly(&mut stream), [5, 2, 0, 2]);
            stream.write_all(&[5, 2]).unwrap();
            assert_eq!(&exactly(&mut stream), b"\x01\x02me\x04p@ss");
            stream.write_all(&[1, 0]).unwrap();
            assert_eq!(&exactly(&mut stream), b"\x05\x01\x00\x03\x05x.com\x20\xfb");
            // A domain as the bound address, and the tunnel's first bytes in the same segment.
            stream.write_all(b"\x05\x00\x00\x03\x03abc\x00\x01tunnel").unwrap();
        });
        let upstreams = all(&format!("socks5://me:p%40ss@127.0.0.1:{port}"), "");
        let heard = run(hear(&upstreams, &target("x.com", 8443)));
        proxy.join().unwrap();
        assert_eq!(heard.unwrap(), ("tunnel".to_owned(), None));
    }

    #[test]
    fn a_socks_proxy_without_login_gets_addresses_as_such() {
        let v4: &[u8] = b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x16";
        let v6: &[u8] = b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x16";
        for (host, asked) in [("1.2.3.4", v4), ("2001:db8::1", v6)] {
            let (port, proxy) = serve(move |mut stream| {
                assert_eq!(exactly(&mut stream), [5, 1, 0]);
                stream.write_all(&[5, 0]).unwrap();
                let mut seen = vec![0; asked.len()];
                stream.read_exact(&mut seen).unwrap();
                assert_eq!(seen, asked);
                stream.write_all(&[&[5, 0, 0, asked[3]], &asked[4..], b"tunnel"].concat()).unwrap();
            });
            let heard = run(hear(&all(&format!("socks5h://127.0.0.1:{port}"), ""), &target(host, 22)));
            proxy.join().unwrap();
            assert_eq!(heard.unwrap().0, "tunnel");
        }
    }

    #[test]
    fn a_socks_proxy_that_refuses_says_why() {
        for (login, answers, words) in [
            ("", &b"\x05\xff"[..], "it wants a login"),
            ("", b"\x05\x02", "it does not answer in SOCKS5"),
            ("", b"HTTP/1.1 400", "it does not answer in SOCKS5"),
            ("", b"\x05", "it closed the connection"),
            ("", b"\x05\x00\x05\x05\x00\x01", "it answers 'connection refused'"),
            ("", b"\x05\x00\x05\x02\x00\x01", "it answers 'not allowed by its rules'"),
            ("", b"\x05\x00\x05\x63\x00\x01", "it answers 'error 99'"),
            ("", b"\x05\x00\x05\x00\x00\x07", "it does not answer in SOCKS5"),
            ("", b"\x05\x00\x05\x00\x00\x01\x00", "it closed the connection"),
            ("u:p@", b"\x05\xff", "it takes no user name and password"),
            ("u:p@", b"\x05\x02\x01\x01", "it refuses the user name or password"),
        ] {
            let (port, proxy) = serve(move |mut stream| {
                stream.write_all(answers).unwrap();
                // It may have hung up on the first bytes of the answers: then there is nothing left to end.
                let _ = stream.shutdown(std::net::Shutdown::Write);
                // Until the other side hangs up, so that no reset overtakes the answers.
                let _ = io::copy(&mut stream, &mut io::sink());
            });
            let upstreams = all(&format!("socks5://{login}127.0.0.1:{port}"), "");
            let error = run(hear(&upstreams, &target("x.com", 22))).unwrap_err();
            assert_eq!(error, Cause::Upstream(words.to_owned()));
            proxy.join().unwrap();
        }
    }

    #[test]
    fn plain_http_goes_to_an_http_proxy_as_it_is() {
        let (port, proxy) = serve(|mut stream| exactly::<3>(&mut stream));
        let upstreams = all(&format!("me:x@127.0.0.1:{port}"), "");
        let to = target("x.com", 80);
        run(async {
            let (mut http, address) = line(&anything, upstreams.to(&to, true), &to, soon()).await.unwrap();
            assert_eq!((http.absolute, address), (true, None));
            assert_eq!(http.authorization.as_deref(), Some("Basic bWU6eA=="));
            http.stream.write_all(b"GET").await.unwrap();
        });
        assert_eq!(&proxy.join().unwrap(), b"GET", "the first byte it gets is the request's");
    }

    #[test]
    fn plain_http_goes_directly_or_through_socks_in_the_servers_own_form() {
        let (port, server) = serve(drop);
        let to = target("127.0.0.1", port);
        let (http, address) = run(line(&anything, None, &to, soon())).unwrap();
        assert_eq!((http.absolute, http.authorization, address.is_some()), (false, None, true));
        server.join().unwrap();

        let (port, proxy) = serve(|mut stream| {
            exactly::<4>(&mut stream);
            stream.write_all(&[5, 0]).unwrap();
            exactly::<12>(&mut stream);
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        });
        let (upstreams, to) = (all(&format!("socks5://u:p@127.0.0.1:{port}"), ""), target("x.com", 80));
        let (http, address) = run(line(&anything, upstreams.to(&to, true), &to, soon())).unwrap();
        assert_eq!((http.absolute, http.authorization, address), (false, None, None));
        proxy.join().unwrap();
    }

    #[test]
    fn tunnels_and_plain_http_take_each_its_own_proxy() {
        let (port, tunnels) = http_proxy(b"HTTP/1.1 200 OK\r\n\r\n");
        let (plain_port, plain) = serve(|mut stream| exactly::<3>(&mut stream));
        let url = |port: u16| format!("127.0.0.1:{port}");
        let upstreams =
            Upstreams::from_environment(Some(&url(port)), Some(&url(plain_port)), None, None).unwrap();
        let (policy, to) = (NetworkPolicy::default(), target("x.com", 8443));
        run(async {
            assert_eq!(dial(&policy, &upstreams, &to).await.unwrap().address, None);
            let (mut http, _) = dial_http(&policy, &upstreams, &to).await.unwrap();
            assert!(http.absolute);
            http.stream.write_all(b"GET").await.unwrap();
        });
        assert!(tunnels.join().unwrap().starts_with("CONNECT x.com:8443 "));
        assert_eq!(&plain.join().unwrap(), b"GET");
    }
}
