//! What the machine's own files say of names: hosts(5), and the search list of resolv.conf(5). Programs inside read them
//! too, and make other names, or addresses, of what they were told.
//!
//! Owns reading them, and what else a host goes by after them. Must not know what is allowed.

use super::Target;
use crate::policy::Host;
use std::fs;
use std::net::IpAddr;

/// What settings say of a name, at whatever port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Nothing.
    Not,
    /// All that is below another is allowed.
    Below,
    /// It is allowed.
    Itself,
}

/// How short names are completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    suffixes: Vec<String>,
    /// `ndots`: a name with fewer dots is completed before it is asked for as it stands.
    dots: usize,
}

impl Search {
    /// The machine's, as it is now.
    pub fn of_machine() -> Search {
        Search::of(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    /// As a file says it; the last list counts.
    pub fn of(text: &str) -> Search {
        let mut search = Search { suffixes: Vec::new(), dots: 1 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("search" | "domain") => search.suffixes = words.filter_map(suffix).collect(),
                Some("options") => {
                    let mut said = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    search.dots = said.next_back().unwrap_or(search.dots);
                }
                _ => {}
            }
        }
        search
    }

    /// The names that are completed to this one before they are asked for themselves.
    fn short<'n>(&self, name: &'n str) -> impl Iterator<Item = &'n str> {
        let fronts = self.suffixes.iter().filter_map(move |suffix| name.strip_suffix(suffix.as_str()));
        let fronts = fronts.filter_map(|front| front.strip_suffix('.'));
        fronts.filter(|front| !front.is_empty() && front.matches('.').count() < self.dots)
    }

    /// The whole names among these.
    pub fn whole<'n>(&self, name: &'n str) -> impl Iterator<Item = &'n str> {
        self.short(name).filter(|short| short.contains('.'))
    }

    /// Whether a name is rather one that a resolver made up of another: that one would never be asked for if this had an
    /// answer.
    pub fn is_made_up(&self, name: &str, listed: &dyn Fn(&str) -> Listed) -> bool {
        let known = |name: &str| listed(name) != Listed::Not;
        let mut short = self.short(name).peekable();
        if short.peek().is_none() {
            return false;
        }
        match listed(name) {
            Listed::Itself => false,
            Listed::Below => self.whole(name).any(known),
            // One word is never a host of the world's: it is asked about under the first name that it has.
            Listed::Not => match short.find(|short| !short.contains('.')) {
                Some(word) => {
                    known(word) || self.suffixes.iter().any(|suffix| known(&format!("{word}.{suffix}")))
                }
                None => true,
            },
        }
    }
}

fn suffix(text: &str) -> Option<String> {
    match Host::parse(text.strip_prefix('.').unwrap_or(text)) {
        Ok(Host::Name(name)) => Some(name),
        _ => None,
    }
}

/// The names that a hosts file has for an address.
pub fn listed(address: IpAddr, hosts: &str) -> Vec<Host> {
    let of = entries(hosts).filter(|(listed, _)| *listed == address.to_canonical());
    of.flat_map(|(_, names)| names).filter_map(|name| Host::parse(name).ok()).collect()
}

/// Whether a hosts file has a name.
pub fn has(hosts: &str, host: &Host) -> bool {
    entries(hosts).any(|(_, mut names)| names.any(|name| is(name, host)))
}

fn is(name: &str, host: &Host) -> bool {
    Host::parse(name).is_ok_and(|name| name == *host)
}

/// The lines of a hosts file: an address, and its names.
fn entries(hosts: &str) -> impl Iterator<Item = (IpAddr, std::str::SplitWhitespace<'_>)> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.map(str::split_whitespace).filter_map(|mut words| {
        let address: IpAddr = words.next()?.parse().ok()?;
        Some((address.to_canonical(), words))
    })
}

/// Whether a target is what a program gets to that was told of this host: one that is completed to it, or that the hosts
/// file has for the same address. Of those who share the address, only hosts that are allowed themselves are meant, or
/// where the address itself was decided on, those that are not denied; and a short form of the target's name.
pub fn is_also(
    target: &Target,
    said: &Host,
    search: &Search,
    hosts: &str,
    says: impl Fn(&Host) -> Says,
) -> bool {
    if let (Host::Name(said), Host::Name(name)) = (said, &target.host)
        && search.short(name).any(|short| short == said)
    {
        return true;
    }
    match (&target.host, said) {
        (Host::Address(address), Host::Name(_)) => {
            says(said) != Says::Denied && listed(*address, hosts).contains(said)
        }
        (Host::Name(_), Host::Address(address)) => {
            says(said) == Says::Allowed && listed(*address, hosts).contains(&target.host)
        }
        (Host::Name(name), Host::Name(short)) => {
            let first = name.split('.').next() == Some(short);
            let meant = match says(said) {
                Says::Allowed => true,
                Says::Nothing => first,
                Says::Denied => false,
            };
            let both = |(_, names): (IpAddr, std::str::SplitWhitespace<'_>)| {
                [said, &target.host].iter().all(|host| names.clone().any(|name| is(name, host)))
            };
            meant && entries(hosts).any(both)
        }
        (Host::Address(_), Host::Address(_)) => false,
    }
}

/// What settings say of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// It is allowed.
    Allowed,
    /// It is denied.
    Denied,
    /// Nothing.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_gives_names_back() {
        let hosts =
            "# x 10.0.0.1 no\n10.0.0.1 git.corp git # here\n::ffff:10.0.0.1 mapped\n10.0.0.11 other\n";
        let names: Vec<String> =
            listed("10.0.0.1".parse().unwrap(), hosts).iter().map(Host::to_string).collect();
        assert_eq!(names, ["git.corp", "git", "mapped"]);
    }

    #[test]
    fn the_last_list_counts() {
        let text = "search a.example\n# search b.example\nsearch Corp.example. .lab.example . \noptions timeout:1 ndots:5\n";
        let suffixes = vec!["corp.example".to_owned(), "lab.example".to_owned()];
        assert_eq!(Search::of(text), Search { suffixes, dots: 5 });
        assert_eq!(Search::of("nameserver 192.0.2.1\n"), Search { suffixes: vec![], dots: 1 });
    }

    #[test]
    fn a_name_that_was_made_up_has_no_answer() {
        let listed = |name: &str| match name {
            "good.test" | "foo.svc.local" | "whole.x.corp.test" | "db" => Listed::Itself,
            _ if name.ends_with(".lab.corp.test") => Listed::Below,
            _ => Listed::Not,
        };
        let many = Search::of("search corp.test lab.corp.test svc.local\noptions ndots:5");
        for (name, made_up) in [
            ("good.test", false),
            ("other.test", false),
            ("good.test.corp.test", true),
            ("good.test.svc.local", true),
            ("other.test.corp.test", true),
            ("whole.x.corp.test", false),
            // Of what is below an allowed name, only what would hide one that is allowed.
            ("good.test.lab.corp.test", true),
            ("git.dev.lab.corp.test", false),
            // One word: the first is asked about, but where another is allowed.
            ("bar.corp.test", true),
            ("foo.corp.test", true),
            ("foo.svc.local", false),
            ("db.svc.local", true),
            // More dots than are completed.
            ("a.b.c.d.e.f.corp.test", false),
        ] {
            assert_eq!(many.is_made_up(name, &listed), made_up, "{name}");
        }
        // As most machines have it, whole names are asked for first.
        let usual = Search::of("search corp.test");
        for name in ["good.test.corp.test", "git.dev.corp.test", "bar.corp.test"] {
            assert!(!usual.is_made_up(name, &listed), "{name}");
        }
    }

    #[test]
    fn a_short_name_means_what_it_is_completed_to() {
        let target = |host: &str| Target { host: Host::parse(host).unwrap(), port: 80 };
        let also = |host: &str, said: &str, text: &str| {
            is_also(&target(host), &Host::parse(said).unwrap(), &Search::of(text), "", |_| Says::Nothing)
        };
        assert!(also("foo.corp.test", "foo", "search corp.test"));
        assert!(!also("foo.corp.test", "fo", "search corp.test"));
        assert!(!also("foo.other.test", "foo", "search corp.test"));
        assert!(!also("a.b.corp.test", "a.b", "search corp.test"));
        assert!(also("a.b.corp.test", "a.b", "search corp.test\noptions ndots:2"));
        assert!(!also("corp.test", "corp", "search corp.test"));
    }

    #[test]
    fn hosts_of_one_address_are_one_where_they_are_allowed() {
        let hosts = "10.9.9.9 git.corp git other.corp evil.corp\n10.9.9.8 git.corp\n10.9.9.7 far.corp\n";
        let says = |host: &Host| match host.to_string().as_str() {
            "git.corp" | "10.9.9.9" | "10.9.9.7" | "far.corp" => Says::Allowed,
            "evil.corp" => Says::Denied,
            _ => Says::Nothing,
        };
        let also = |host: &str, said: &str| {
            let target = Target { host: Host::parse(host).unwrap(), port: 80 };
            is_also(&target, &Host::parse(said).unwrap(), &Search::of(""), hosts, says)
        };
        for (host, said) in [
            ("git.corp", "10.9.9.9"),
            ("git.corp", "git"),
            ("10.9.9.9", "git.corp"),
            ("10.9.9.9", "git"),
            ("10.9.9.9", "other.corp"),
        ] {
            assert!(also(host, said), "{host} {said}");
        }
        for (host, said) in [
            ("git.corp", "other.corp"),
            ("git.corp", "evil.corp"),
            ("git.corp", "far.corp"),
            ("git.corp", "10.9.9.8"),
            ("git.corp", "10.9.9.7"),
            ("10.9.9.9", "evil.corp"),
            ("10.9.9.9", "far.corp"),
            ("10.9.9.9", "10.9.9.8"),
        ] {
            assert!(!also(host, said), "{host} {said}");
        }
    }
}
