//! One entry of a list of domains: what may be written, and what it means. Pure.
//!
//! Owns the grammar: `host`, `*.domain`, addresses, ranges, `:port`. Must not know which list wins.

use crate::policy::error::Problem;
use crate::policy::host::{self, Host, HostError};
use ipnet::IpNet;
use std::net::IpAddr;

/// The list in which an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// What is allowed: nothing that names the world.
    Allowed,
    /// What is denied: `*` too.
    Denied,
    /// Hosts whose TLS server name may differ: as allowed, without ports.
    Unchecked,
}

/// What an entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `*`.
    Any,
    /// `*.name`: everything strictly below.
    Below(String),
    /// A name or an address.
    Host(Host),
    /// A range of addresses.
    Range(IpNet),
}

/// An entry, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pattern: Pattern,
    /// `None`: every port.
    pub(super) port: Option<u16>,
}

/// Proof that an entry's text may stand in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// It names (part of) the loopback.
    pub(super) loopback: bool,
}

/// Whether a text may stand in a list. Cheap for ordinary names: ten thousand of them are checked at every start.
///
/// # Errors
/// [`Problem`]: no domain, or too broad for the list.
pub fn check(text: &str, list: List) -> Result<Checked, Problem> {
    let name = text.strip_prefix("*.").filter(|rest| rest.contains('.')).unwrap_or(text);
    if host::is_ordinary(name) {
        return Ok(Checked { loopback: host::is_local(name) });
    }
    let bad = |HostError(why)| Problem::BadDomain { text: text.to_owned(), why };
    let entry = Entry::parse(text).map_err(bad)?;
    if list != List::Denied && entry.is_broad() {
        return Err(Problem::BroadDomain(text.to_owned()));
    }
    if list == List::Unchecked && entry.port.is_some() {
        return Err(bad(HostError("a port means nothing here")));
    }
    Ok(Checked { loopback: entry.names_loopback() })
}

/// An entry that was read, for comparing with others.
#[derive(Debug, Clone)]
pub struct Reach(Entry);

impl Reach {
    /// `None` for what is no entry.
    pub fn of(text: &str) -> Option<Reach> {
        Entry::parse(text).ok().map(Reach)
    }

    /// The same without its port.
    pub fn at_every_port(&self) -> Reach {
        Reach(Entry { port: None, ..self.0.clone() })
    }

    /// Whether it names more than one host.
    pub fn is_wide(&self) -> bool {
        !matches!(self.0.pattern, Pattern::Host(_))
    }

    /// Whether it names every host that another names.
    pub fn covers(&self, narrow: &Reach) -> bool {
        let (Reach(wide), Reach(narrow)) = (self, narrow);
        if wide.port.is_some() && wide.port != narrow.port {
            return false;
        }
        let below = |name: &str, base: &str| {
            let front = name.strip_suffix(base).and_then(|front| front.strip_suffix('.'));
            front.is_some_and(|front| !front.is_empty())
        };
        match (&wide.pattern, &narrow.pattern) {
            (Pattern::Any, _) => true,
            (Pattern::Below(base), Pattern::Below(name)) => name == base || below(name, base),
            (Pattern::Below(base), Pattern::Host(Host::Name(name))) => below(name, base),
            (Pattern::Host(one), Pattern::Host(other)) => one == other,
            (Pattern::Range(range), Pattern::Range(other)) => range.contains(other),
            (Pattern::Range(range), Pattern::Host(Host::Address(address))) => range.contains(address),
            _ => false,
        }
    }
}

/// Whether every host that an entry names is named by another; false for what is no entry.
pub fn covers(wide: &str, narrow: &str) -> bool {
    Reach::of(wide).zip(Reach::of(narrow)).is_some_and(|(wide, narrow)| wide.covers(&narrow))
}

impl Entry {
    pub(super) fn parse(text: &str) -> Result<Entry, HostError> {
        if text.contains("://") {
            return Err(HostError("it is a URL, not a host"));
        }
        if text.contains('/') {
            return Ok(Entry { pattern: Pattern::Range(range(text)?), port: None });
        }
        // An address without brackets stands for itself: it has no port.
        let bare = !text.starts_with('[') && text.matches(':').count() > 1;
        let (name, port) = if bare { (text, None) } else { host::split(text)? };
        let port = port.map(host::parse_port).transpose()?;
        let pattern = match name.strip_prefix('*') {
            Some("") => Pattern::Any,
            Some(rest) => {
                let rest = rest.strip_prefix('.').filter(|rest| !rest.contains('*'));
                let rest =
                    rest.ok_or(HostError("\"*\" may only stand for the front, as in *.example.com"))?;
                match Host::parse(rest)? {
                    Host::Name(name) => Pattern::Below(name),
                    Host::Address(_) => return Err(HostError("nothing is below an address")),
                }
            }
            None if name.contains('*') => {
                return Err(HostError("\"*\" may only stand for the front, as in *.example.com"));
            }
            None => Pattern::Host(Host::parse(name)?),
        };
        Ok(Entry { pattern, port })
    }

    /// Whether it names (nearly) everything.
    fn is_broad(&self) -> bool {
        match &self.pattern {
            Pattern::Any => true,
            Pattern::Below(name) => !name.contains('.'),
            Pattern::Host(_) => false,
            // As broad as 10.0.0.0/8 and fc00::/7 may be named.
            Pattern::Range(range) => range.prefix_len() < if matches!(range, IpNet::V4(_)) { 8 } else { 7 },
        }
    }

    fn names_loopback(&self) -> bool {
        match &self.pattern {
            Pattern::Any => false,
            Pattern::Below(name) => host::is_local(name),
            Pattern::Host(host) => host.is_loopback(),
            Pattern::Range(range) => {
                let loopback = IpNet::new_assert(IpAddr::from([127, 0, 0, 0]), 8);
                range.contains(&loopback)
                    || loopback.contains(range)
                    || range.contains(&IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]))
            }
        }
    }
}

/// `ADDRESS/LENGTH`; the address must be the first of its range, so that nobody means one address and names many.
fn range(text: &str) -> Result<IpNet, HostError> {
    let not = HostError("it is no address range such as 10.0.0.0/8");
    let (address, length) = text.split_once('/').ok_or(not.clone())?;
    let digits = (1..=3).contains(&length.len()) && length.bytes().all(|b| b.is_ascii_digit());
    let address: IpAddr = address.trim_matches(['[', ']']).parse().map_err(|_| not.clone())?;
    let mut length: u8 = length.parse().ok().filter(|_| digits).ok_or(not.clone())?;
    // Mapped IPv4 is IPv4 in targets, so it is here.
    let canonical = address.to_canonical();
    if canonical != address {
        length = length.checked_sub(96).ok_or(not.clone())?;
    }
    let range = IpNet::new(canonical, length).map_err(|_| not)?;
    if range.trunc() != range {
        return Err(HostError("its address is not the first of the range"));
    }
    Ok(range)
}
