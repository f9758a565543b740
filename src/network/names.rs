//! The stand-in resolver: every name has an address inside, and the address gives the name back.
//!
//! Owns the table of names and the answers to DNS questions. Must not resolve anything: no question of the inside
//! leaves, so names carry nothing out; a name is resolved outside once it is allowed, when a connection goes there.

use super::machine::{Listed, Search};
use crate::policy::Host;
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

/// 198.18.0.0/15 (RFC 2544): addresses that no public host has.
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 1]);
/// Names that are remembered; the oldest makes room. A program that flooded the table loses its own names.
const MOST: usize = 16_384;
/// Whole names that are remembered while completions of them have no answer.
const MOST_SAID: usize = 1024;
/// Seconds that an answer may be kept: longer than any program needs, shorter than the table turns over.
const LIFETIME: u32 = 60;

/// Which stand-in belongs to which name.
#[derive(Debug, Default)]
pub struct Names {
    of: HashMap<String, usize>,
    names: Vec<String>,
    next: usize,
    /// What programs said as it stands.
    said: HashSet<String>,
}

/// What an address inside stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Meant {
    /// Itself.
    Address(IpAddr),
    /// A name that was asked for.
    Name(String),
    /// A stand-in that was never given out, or long ago.
    Nothing,
}

impl Names {
    /// What a connection to this address means.
    pub fn meant(&self, address: IpAddr) -> Meant {
        let IpAddr::V4(v4) = address.to_canonical() else { return Meant::Address(address) };
        if v4.octets().first() != Some(&198) || !matches!(v4.octets().get(1), Some(18 | 19)) {
            return Meant::Address(IpAddr::V4(v4));
        }
        let place = u32::from(v4).checked_sub(FIRST).and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.names.get(place)) {
            Some(name) => Meant::Name(name.clone()),
            None => Meant::Nothing,
        }
    }

    fn stand_in(&mut self, name: String) -> Ipv4Addr {
        let place = match self.of.get(&name) {
            Some(place) => *place,
            None => {
                let place = self.next;
                self.next = (place + 1) % MOST;
                if let Some(old) = self.names.get_mut(place) {
                    self.of.remove(old.as_str());
                    old.clone_from(&name);
                } else {
                    self.names.push(name.clone());
                }
                self.of.insert(name, place);
                place
            }
        };
        Ipv4Addr::from(FIRST + u32::try_from(place).unwrap_or(0))
    }

    /// The answer to one question in DNS's format; `None` where the bytes are no question.
    pub fn answer(
        &mut self,
        bytes: &[u8],
        search: &Search,
        listed: &dyn Fn(&str) -> Listed,
    ) -> Option<Vec<u8>> {
        let asked = Packet::parse(bytes).ok()?;
        if asked.has_flags(PacketFlag::RESPONSE) {
            return None;
        }
        let question = asked.questions.first()?;
        let mut reply = Packet::new_reply(asked.id());
        reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
        if asked.has_flags(PacketFlag::RECURSION_DESIRED) {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        let name = question.qname.clone();
        match self.address(&name.to_string(), search, listed) {
            Err(()) => *reply.rcode_mut() = RCODE::NameError,
            // The network inside is carried over IPv4 stand-ins; of other types nothing is known.
            Ok(address) if question.qtype == QTYPE::TYPE(TYPE::A) || question.qtype == QTYPE::ANY => {
                let data = RData::A(A { address: address.into() });
                reply.answers.push(ResourceRecord::new(name, CLASS::IN, LIFETIME, data));
            }
            Ok(_) => {}
        }
        reply.questions.push(question.clone());
        reply.build_bytes_vec().ok()
    }

    fn address(
        &mut self,
        name: &str,
        search: &Search,
        listed: &dyn Fn(&str) -> Listed,
    ) -> Result<Ipv4Addr, ()> {
        match Host::parse(name).map_err(drop)? {
            Host::Address(IpAddr::V4(address)) => Ok(address),
            Host::Address(IpAddr::V6(_)) => Err(()),
            // The sandbox's own (RFC 6761, 6.3).
            Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
                Ok(Ipv4Addr::LOCALHOST)
            }
            Host::Name(name) if !self.said.contains(&name) && search.is_made_up(&name, listed) => {
                if self.said.len() >= MOST_SAID {
                    self.said.clear();
                }
                self.said.extend(search.whole(&name).map(str::to_owned));
                Err(())
            }
            Host::Name(name) => Ok(self.stand_in(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::{Name, QCLASS, Question};

    fn ask(names: &mut Names, name: &str, kind: TYPE) -> Vec<Ipv4Addr> {
        let mut packet = Packet::new_query(7);
        packet.questions.push(Question::new(
            Name::new_unchecked(name),
            QTYPE::TYPE(kind),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        let bytes =
            names.answer(&packet.build_bytes_vec().unwrap(), &Search::of(""), &|_| Listed::Not).unwrap();
        let reply = Packet::parse(&bytes).unwrap();
        assert_eq!(reply.id(), 7);
        let address = |record: &ResourceRecord<'_>| match &record.rdata {
            RData::A(a) => Some(Ipv4Addr::from(a.address)),
            _ => None,
        };
        reply.answers.iter().filter_map(address).collect()
    }

    #[test]
    fn a_name_gets_one_address_and_the_address_gives_it_back() {
        let mut names = Names::default();
        let first = ask(&mut names, "example.com", TYPE::A);
        assert_eq!(first, [Ipv4Addr::new(198, 18, 0, 1)]);
        assert_eq!(ask(&mut names, "EXAMPLE.com", TYPE::A), first);
        assert_ne!(ask(&mut names, "example.org", TYPE::A), first);
        assert_eq!(names.meant(first[0].into()), Meant::Name("example.com".into()));
        assert_eq!(names.meant("198.19.9.9".parse().unwrap()), Meant::Nothing);
        let other: IpAddr = "203.0.113.1".parse().unwrap();
        assert_eq!(names.meant(other), Meant::Address(other));
        assert_eq!(ask(&mut names, "example.com", TYPE::AAAA), [] as [Ipv4Addr; 0]);
        assert_eq!(ask(&mut names, "db.localhost", TYPE::A), [Ipv4Addr::LOCALHOST]);
    }

    #[test]
    fn a_completed_name_gives_way_to_the_one_that_was_said() {
        let mut names = Names::default();
        let search = Search::of("search corp.test svc.test\noptions ndots:5");
        let mut address = |name: &str| names.address(name, &search, &|_| Listed::Not);
        // In a resolver's order.
        for (name, answered) in [
            ("good.test.corp.test", false),
            ("good.test.svc.test", false),
            ("good.test", true),
            // A whole name of the machine's own domain.
            ("git.dev.corp.test.corp.test", false),
            ("git.dev.corp.test.svc.test", false),
            ("git.dev.corp.test", true),
            ("foo.corp.test", true),
        ] {
            assert_eq!(address(name).is_ok(), answered, "{name}");
        }
    }

    #[test]
    fn the_oldest_name_makes_room() {
        let mut names = Names::default();
        let first = names.stand_in("first.example".into());
        for number in 0..MOST {
            names.stand_in(format!("n{number}.example"));
        }
        assert_eq!(names.meant(first.into()), Meant::Name(format!("n{}.example", MOST - 1)));
        assert_eq!((names.names.len(), names.of.len()), (MOST, MOST));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Names::default().answer(&bytes, &Search::of(""), &|_| Listed::Not);
        }
    }
}
