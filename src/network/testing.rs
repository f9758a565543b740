//! What the tests of the protocols share: a runtime, connections, servers on loopback, a gate that answers from a list.

use super::{Cause, Gate, HttpLine, Permit, Refusal, Tally, Target, Way};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

/// Runs a test as the gateway runs: one thread, local tasks; twenty seconds are forever.
pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(20), test).await.expect("it hangs")
    })
}

/// The program's end, where nobody asks for it.
pub(super) const NOWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// Two ends of a connection.
pub(super) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (one.unwrap(), other.unwrap().0)
}

/// A server on loopback; each connection is given to `serve`.
pub(super) async fn server<F>(serve: impl Fn(TcpStream) -> F + 'static) -> SocketAddr
where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn_local(serve(stream));
        }
    });
    address
}

/// A server that gives back what comes.
pub(super) async fn echo() -> SocketAddr {
    server(|mut stream| async move {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut bytes).await {
            stream.write_all(&bytes[..read]).await.unwrap();
        }
    })
    .await
}

/// A gate that allows what is in its list, and leads there.
#[derive(Default)]
pub(super) struct Fake {
    /// `host:port`, and the server that stands for it.
    pub(super) servers: RefCell<HashMap<String, SocketAddr>>,
    /// What was asked and done, in order.
    pub(super) log: RefCell<Vec<String>>,
    /// How long a person takes.
    pub(super) thinks: Cell<Duration>,
    /// Settings except the host from the check of its name.
    pub(super) unchecked: Cell<bool>,
    /// Every target goes by this name, too.
    pub(super) other: Cell<Option<&'static str>>,
    /// Servers of plain HTTP are behind this proxy.
    pub(super) upstream: Cell<Option<SocketAddr>>,
    /// What passed, of each permit.
    pub(super) permits: RefCell<Vec<Rc<Permit>>>,
}

impl Fake {
    pub(super) fn new(servers: &[(&str, SocketAddr)]) -> Rc<Fake> {
        let fake = Fake::default();
        fake.servers
            .borrow_mut()
            .extend(servers.iter().map(|(name, address)| ((*name).to_owned(), *address)));
        Rc::new(fake)
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    fn say(&self, what: String) {
        self.log.borrow_mut().push(what);
    }
}

impl Gate for Fake {
    async fn permit(&self, target: Target, way: Way, _from: SocketAddr) -> Result<Rc<Permit>, Refusal> {
        self.say(format!("{} {target}", way.name()));
        tokio::time::sleep(self.thinks.get()).await;
        if !self.servers.borrow().contains_key(&target.to_string()) {
            return Err(Refusal::of(&target, Cause::Nobody("nobody could be asked".to_owned())));
        }
        let (rule, tally, check_name) = ("the list".to_owned(), Tally::default(), !self.unchecked.get());
        let other = self.other.get();
        let also: super::Also = Box::new(move |host| other.is_some_and(|other| host.to_string() == other));
        let permit = Rc::new(Permit { target, way, rule, check_name, tally, also: Some(also), ended: None });
        self.permits.borrow_mut().push(permit.clone());
        Ok(permit)
    }

    async fn dial(&self, permit: &Permit) -> Result<TcpStream, Refusal> {
        self.say(format!("dial {}", permit.target));
        let address = self.servers.borrow().get(&permit.target.to_string()).copied();
        let unreachable = |why: String| Refusal::of(&permit.target, Cause::Unreachable(why));
        let address = address.ok_or_else(|| unreachable("gone".to_owned()))?;
        TcpStream::connect(address).await.map_err(|error| unreachable(error.to_string()))
    }

    async fn dial_http(&self, permit: &Permit) -> Result<HttpLine, Refusal> {
        let Some(proxy) = self.upstream.get() else {
            return Ok(HttpLine { stream: self.dial(permit).await?, absolute: false, authorization: None });
        };
        self.say("dial the proxy".to_owned());
        let stream = TcpStream::connect(proxy).await.unwrap();
        Ok(HttpLine { stream, absolute: true, authorization: Some("Basic eDp5".to_owned()) })
    }

    fn refuse(&self, target: &Target, way: Way, cause: Cause) -> Refusal {
        let refusal = Refusal::of(target, cause);
        self.say(format!("refused {} {}", way.name(), refusal.what()));
        refusal
    }

    fn record(&self, refusal: Refusal) -> Refusal {
        self.say(format!("refused {}", refusal.what()));
        refusal
    }
}

/// A target.
pub(super) fn target(host: &str, port: u16) -> Target {
    Target { host: crate::policy::Host::parse(host).unwrap(), port }
}

/// A program's connection to a target itself.
pub(super) async fn transparent(gate: &Rc<Fake>, host: &str, port: u16) -> TcpStream {
    let (program, inside) = pair().await;
    spawn_local(super::transparent::serve(gate.clone(), inside, NOWHERE, target(host, port)));
    program
}

/// A program's connection to the proxy.
pub(super) async fn explicit(gate: &Rc<Fake>) -> TcpStream {
    let (program, inside) = pair().await;
    spawn_local(super::explicit::serve(gate.clone(), inside, NOWHERE));
    program
}

/// Reads as many bytes.
pub(super) async fn exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// Reads to the end.
pub(super) async fn all(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.map(|_| bytes)
}

/// Reads up to and with `end`.
pub(super) async fn until(stream: &mut TcpStream, end: &str) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(bytes).unwrap())
}
