//! A list of domains that answers in the same time whether it holds ten entries or ten thousand. Pure.
//!
//! Owns the index. Must not know what the list is for.

use super::entry::{Checked, Entry, List, Pattern, check};
use crate::policy::error::Problem;
use crate::policy::host::Host;
use crate::settings::Sourced;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::OnceLock;

/// The entries in their order; the index over them is built when the first question comes, because most commands
/// never connect anywhere.
#[derive(Debug, Clone, Default)]
pub struct DomainSet {
    entries: Vec<Sourced<String>>,
    loopback: bool,
    index: OnceLock<Index>,
}

/// What an entry says of a host.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The entry as written.
    pub entry: &'a Sourced<String>,
    /// It names a port.
    pub port_named: bool,
}

/// By pattern the first entry of a chain; `next` leads to the others with the same pattern.
#[derive(Debug, Clone, Default)]
struct Index {
    any: Option<usize>,
    names: HashMap<Box<str>, usize>,
    below: HashMap<Box<str>, usize>,
    addresses: HashMap<IpAddr, usize>,
    ranges: HashMap<IpNet, usize>,
    /// The prefix lengths that occur, longest first, for IPv4 and IPv6.
    lengths: [Vec<u8>; 2],
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Link {
    port: Option<u16>,
    next: Option<usize>,
}

impl DomainSet {
    /// A set of these entries.
    ///
    /// # Errors
    /// [`Problem`] of the first that may not stand in such a list.
    pub fn of(entries: impl IntoIterator<Item = Sourced<String>>, list: List) -> Result<DomainSet, Problem> {
        let mut set = DomainSet::default();
        for entry in entries {
            let checked = check(&entry.value, list)?;
            set.add(entry, checked);
        }
        Ok(set)
    }

    /// Adds an entry that was checked.
    pub fn add(&mut self, entry: Sourced<String>, checked: Checked) {
        self.entries.push(entry);
        self.loopback |= checked.loopback;
        self.index.take();
    }

    /// The entries as written, in their order.
    pub fn entries(&self) -> &[Sourced<String>] {
        &self.entries
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether an entry names the loopback or a part of it.
    pub fn names_loopback(&self) -> bool {
        self.loopback
    }

    /// The entry for a host and a port, `None` standing for any: the nearest, one that names the port before one that
    /// does not.
    pub fn find(&self, host: &Host, port: Option<u16>) -> Option<Found<'_>> {
        let index = self.index();
        let any = index.any;
        match host {
            Host::Name(name) => {
                let above = name.match_indices('.').filter_map(|(dot, _)| name.get(dot + 1..));
                let below = above.filter_map(|above| index.below.get(above)).copied();
                self.best(index.names.get(&**name).copied().into_iter().chain(below).chain(any), port)
            }
            Host::Address(address) => self.best(index.containing(*address).chain(any), port),
        }
    }

    /// The entry that names an address, itself or in a range.
    pub fn find_address(&self, address: IpAddr, port: u16) -> Option<Found<'_>> {
        self.best(self.index().containing(address), Some(port))
    }

    fn best(&self, firsts: impl Iterator<Item = usize>, port: Option<u16>) -> Option<Found<'_>> {
        let links = &self.index().links;
        let mut best = None;
        for first in firsts {
            let mut at = Some(first);
            while let Some(place) = at {
                let link = links.get(place)?;
                match (link.port, port) {
                    (Some(named), Some(wanted)) if named != wanted => {}
                    (Some(_), _) => {
                        return Some(Found { entry: self.entries.get(place)?, port_named: true });
                    }
                    (None, _) if best.is_none() => best = Some(place),
                    (None, _) => {}
                }
                at = link.next;
            }
        }
        Some(Found { entry: self.entries.get(best?)?, port_named: false })
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index {
                names: HashMap::with_capacity(self.entries.len()),
                links: vec![Link::default(); self.entries.len()],
                ..Index::default()
            };
            // From the end, so that a chain begins with what was said first.
            for (place, said) in self.entries.iter().enumerate().rev() {
                // Nothing comes in that does not parse: `Checked` is the proof.
                if let Ok(entry) = Entry::parse(&said.value) {
                    index.insert(entry, place);
                }
            }
            for lengths in &mut index.lengths {
                lengths.sort_unstable_by(|a, b| b.cmp(a));
                lengths.dedup();
            }
            index
        })
    }
}

impl Index {
    fn insert(&mut self, entry: Entry, place: usize) {
        let next = match entry.pattern {
            Pattern::Any => self.any.replace(place),
            Pattern::Below(name) => self.below.insert(name.into_boxed_str(), place),
            Pattern::Host(Host::Name(name)) => self.names.insert(name.into_boxed_str(), place),
            Pattern::Host(Host::Address(address)) => self.addresses.insert(address, place),
            Pattern::Range(range) => {
                let [four, six] = &mut self.lengths;
                if range.addr().is_ipv4() { four } else { six }.push(range.prefix_len());
                self.ranges.insert(range, place)
            }
        };
        if let Some(link) = self.links.get_mut(place) {
            *link = Link { port: entry.port, next };
        }
    }

    /// The address itself, then the ranges around it from the narrowest.
    fn containing(&self, address: IpAddr) -> impl Iterator<Item = usize> + '_ {
        let [four, six] = &self.lengths;
        let lengths = if address.is_ipv4() { four } else { six };
        let range = move |length: &u8| {
            let range = IpNet::new(address, *length).ok()?.trunc();
            self.ranges.get(&range).copied()
        };
        self.addresses.get(&address).copied().into_iter().chain(lengths.iter().filter_map(range))
    }
}
