//! Network: what does a connection from inside reach?
//!
//! Owns the gateway: a process outside that accepts the sandbox's connections, decides on each with the policy, asks
//! where the policy does not know, and carries what is allowed. Must not know how the sandbox was built, nor which
//! domains are allowed (that is `policy`).
//!
//! ```text
//! accept ─▶ transparent ─┐ Gate::permit (policy, person)
//!        └▶ explicit ────┴▶ http, socks ─▶ carry ─▶ Gate::dial (resolve, ranges, upstream) ─▶ tunnel
//!                                            └─ opening: sniff, tls (what is said first, and to whom)
//! ```
//! `loopback` goes the other way: listeners inside, reached from the host's loopback and from other sandboxes of a session.
//! Each protocol module reads what the program sent, asks the [`Gate`], and answers a [`Refusal`] in its own words.

pub mod asked;
pub mod asking_program;
pub mod carry;
pub mod desk;
pub mod dial;
pub mod explicit;
#[cfg(target_os = "linux")]
pub mod gateway;
pub mod http;
#[cfg(target_os = "linux")]
pub mod inet_diag;
pub mod judge;
#[cfg(target_os = "linux")]
pub mod loopback;
pub mod machine;
#[cfg(target_os = "linux")]
pub mod mediated;
pub mod names;
pub mod opening;
#[cfg(target_os = "linux")]
pub mod peers;
pub mod proxy;
pub mod questions;
pub mod refusal;
#[cfg(target_os = "linux")]
pub mod rules;
#[cfg(target_os = "linux")]
pub mod setup;
pub mod sniff;
pub mod socks;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod transparent;
pub mod tunnel;
pub mod upstream;

use crate::policy::Host;
pub use refusal::{Cause, Refusal};
use std::cell::Cell;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use tokio::net::TcpStream;

/// Where a connection is to go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

impl Target {
    /// Whether a host that the program names on the connection is this one. `localhost` and the addresses that it has
    /// everywhere are one, as they are for the settings.
    pub fn is_called(&self, host: &Host) -> bool {
        let own = |host: &Host| match host {
            Host::Name(name) => name == "localhost",
            Host::Address(ip) => *ip == Ipv4Addr::LOCALHOST || *ip == Ipv6Addr::LOCALHOST,
        };
        *host == self.host || own(host) && own(&self.host)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}:{}", self.host, self.port)
    }
}

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A connect(2) to the target itself.
    Transparent,
    /// HTTP CONNECT.
    Connect,
    /// A plain HTTP request, transparent or in absolute form.
    Http,
    /// SOCKS4a or SOCKS5.
    Socks,
    /// To a listener inside: from the host's loopback, or from another sandbox of the session.
    Loopback,
}

impl Way {
    /// The word in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Way::Transparent => "transparent",
            Way::Connect => "connect",
            Way::Http => "http",
            Way::Socks => "socks",
            Way::Loopback => "loopback",
        }
    }
}

/// An allowed connection: what it may do, and what it did. Logged when the last holder lets go of it.
pub struct Permit {
    /// Where to.
    pub target: Target,
    /// How it came.
    pub way: Way,
    /// The setting or answer that allows it, for the log.
    pub rule: String,
    /// Whether TLS must name the host (false: the settings except it).
    pub check_name: bool,
    /// What passed.
    pub tally: Tally,
    /// Whether the target goes by another name too.
    pub also: Option<Also>,
    /// What is done when it is over.
    pub ended: Option<Ended>,
}

impl Permit {
    /// Whether a host that the program names on the connection is the target, also after the machine's own files.
    pub fn is_called(&self, host: &Host) -> bool {
        self.target.is_called(host) || self.also.as_ref().is_some_and(|also| also(host))
    }
}

/// Whether a target goes by this name.
pub type Also = Box<dyn Fn(&Host) -> bool>;

/// What is done when a connection is over.
pub type Ended = Box<dyn Fn(&Permit)>;

impl fmt::Debug for Permit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {} by '{}'", self.way.name(), self.target, self.rule)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended(self);
        }
    }
}

/// What passed over one connection.
#[derive(Debug, Default)]
pub struct Tally {
    /// Bytes from inside to outside.
    pub sent: Cell<u64>,
    /// Bytes from outside to inside.
    pub received: Cell<u64>,
    /// The address that was dialled.
    pub address: Cell<Option<IpAddr>>,
}

/// Who decides on and opens connections; one for all connections of a sandbox, on one thread.
#[allow(async_fn_in_trait)] // one thread: no Send is wanted
pub trait Gate: 'static {
    /// Decides, asking the person if need be; the caller waits. A refusal is recorded before it is returned. `from` is
    /// the program's end of the connection.
    async fn permit(&self, target: Target, way: Way, from: SocketAddr) -> Result<Rc<Permit>, Refusal>;

    /// Resolves once, drops forbidden addresses, dials what is left (or the upstream proxy, as a tunnel to the target).
    /// A refusal is recorded before it is returned.
    async fn dial(&self, permit: &Permit) -> Result<TcpStream, Refusal>;

    /// For plain HTTP: the connection, and whether requests on it must be in absolute form (an upstream HTTP proxy),
    /// with the value of `Proxy-Authorization` if there is one.
    async fn dial_http(&self, permit: &Permit) -> Result<HttpLine, Refusal>;

    /// Records a refusal that a protocol module found itself (a name that does not match), and gives it back.
    fn refuse(&self, target: &Target, way: Way, cause: Cause) -> Refusal;

    /// Records a refusal of what is no target, and gives it back.
    fn record(&self, refusal: Refusal) -> Refusal;
}

/// A connection for plain HTTP requests.
#[derive(Debug)]
pub struct HttpLine {
    /// The connection.
    pub stream: TcpStream,
    /// The other side is a proxy.
    pub absolute: bool,
    /// What it wants as `Proxy-Authorization`.
    pub authorization: Option<String>,
}
