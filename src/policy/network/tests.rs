//! Tests of the decision on a connection: the grammar of entries, who wins, and that no spelling goes around an entry.

use super::entry::check;
use super::*;
use proptest::prelude::*;

fn said(text: &str) -> Sourced<String> {
    Sourced { value: text.to_owned(), origin: Origin::BuiltIn("test") }
}

fn set(entries: &[&str], list: List) -> DomainSet {
    DomainSet::of(entries.iter().map(|entry| said(entry)), list).unwrap()
}

fn policy(allowed: &[&str], denied: &[&str]) -> NetworkPolicy {
    NetworkPolicy {
        allowed: set(allowed, List::Allowed),
        denied: set(denied, List::Denied),
        ..NetworkPolicy::default()
    }
}

/// `+RULE` (`+RULE!` where it names the port), `-ENTRY`, `strict` or `?`.
fn judged(policy: &NetworkPolicy, target: &str) -> String {
    let (host, port) = crate::policy::parse_host_port(target, Some(443)).unwrap();
    match policy.judge(&host, port) {
        NetworkVerdict::Allowed { rule, port_named, .. } => {
            format!("+{rule}{}", if port_named { "!" } else { "" })
        }
        NetworkVerdict::Denied { entry, .. } => format!("-{entry}"),
        NetworkVerdict::Strict { .. } => "strict".to_owned(),
        NetworkVerdict::Unknown => "?".to_owned(),
    }
}

#[track_caller]
fn all(policy: &NetworkPolicy, cases: &[(&str, &str)]) {
    for (target, wanted) in cases {
        assert_eq!(judged(policy, target), *wanted, "{target}");
    }
}

fn address(policy: &NetworkPolicy, host: &str, ip: &str, port: u16) -> Result<(), String> {
    policy.address(&Host::parse(host).unwrap(), ip.parse().unwrap(), port)
}

#[test]
fn allow_lists_take_domains_and_addresses_but_nothing_that_names_the_world() {
    for good in [
        "example.com",
        "*.example.com",
        "*.Example.com.:443",
        "localhost",
        "1.2.3.4:80",
        "::1",
        "[::1]:443",
        "[2001:db8::]/32",
        "a.b:8443",
        "x.com.",
        "bücher.de",
        "*.bücher.de",
        "10.0.0.0/8",
        "fc00::/7",
        "203.0.113.7/32",
        "::ffff:10.0.0.0/104",
    ] {
        assert!(check(good, List::Allowed).is_ok(), "{good}");
        assert!(check(good, List::Denied).is_ok(), "{good}");
    }
    for broad in [
        "*",
        "*.com",
        "*:443",
        "*.com:443",
        "*.com.",
        "*.localhost",
        "*.рф",
        "0.0.0.0/0",
        "128.0.0.0/1",
        "::/0",
        "2000::/3",
        "::ffff:0.0.0.0/96",
    ] {
        for list in [List::Allowed, List::Unchecked] {
            assert_eq!(check(broad, list), Err(Problem::BroadDomain(broad.to_owned())), "{broad}");
        }
        assert!(check(broad, List::Denied).is_ok(), "{broad}");
    }
    for bad in [
        "",
        "a\0.com",
        "a b",
        "a\n",
        "https://x.com",
        "a.*",
        "*a.com",
        "*.*.com",
        "*..com",
        "**",
        "*.",
        "a..b",
        "x:99999",
        "x:0",
        "x:+1",
        "[::1",
        ":80",
        ".",
        "*.1.2.3.4",
        "*.[::1]",
        "*.0x1",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10/8",
        "a.com/8",
        "10.0.0.0/8:443",
        "/8",
        "fe80::1%eth0",
        "u@a.com",
        "::ffff:10.0.0.0/90",
        "xn--a.com",
    ] {
        for list in [List::Allowed, List::Denied, List::Unchecked] {
            assert!(matches!(check(bad, list), Err(Problem::BadDomain { .. })), "{bad:?}");
        }
    }
    assert!(matches!(check("a.com:1", List::Unchecked), Err(Problem::BadDomain { .. })));
}

#[test]
fn an_entry_covers_what_it_names_all_of() {
    use super::entry::covers;
    for (wide, narrow) in [
        ("*", "a.b"),
        ("a.com", "A.com."),
        ("a.com", "a.com:443"),
        ("*.b.com", "x.b.com"),
        ("*.b.com", "*.x.b.com:1"),
        ("*.b.com", "*.b.com"),
        ("10.0.0.0/8", "10.1.0.0/16"),
        ("10.0.0.0/8", "10.1.2.3"),
    ] {
        assert!(covers(wide, narrow), "{wide} {narrow}");
        assert!(!covers(narrow, wide) || ["A.com.", "*.b.com"].contains(&narrow), "{narrow} {wide}");
    }
    for (wide, narrow) in
        [("*.b.com", "b.com"), ("*.b.com", "xb.com"), ("a.com:1", "a.com:2"), ("no such", "a.com")]
    {
        assert!(!covers(wide, narrow), "{wide} {narrow}");
    }
}

#[test]
fn an_entry_means_its_hosts_and_no_others() {
    let policy = policy(
        &[
            "example.com",
            "*.wild.net",
            "a.b:8443",
            "198.51.100.7",
            "203.0.113.0/24",
            "[2001:db8::1]:80",
            "bücher.de",
        ],
        &[],
    );
    all(
        &policy,
        &[
            ("example.com", "+example.com"),
            ("EXAMPLE.COM.:80", "+example.com"),
            ("evil-example.com", "?"),
            ("example.com.evil.net", "?"),
            ("www.example.com", "?"),
            ("example.co", "?"),
            ("exаmple.com", "?"),
            ("com", "?"),
            ("wild.net", "?"),
            ("x.wild.net", "+*.wild.net"),
            ("X.y.Wild.Net.", "+*.wild.net"),
            ("xwild.net", "?"),
            ("x.wild.net.evil", "?"),
            ("a.b", "?"),
            ("a.b:8443", "+a.b:8443!"),
            ("198.51.100.7", "+198.51.100.7"),
            ("0xC6336407:1", "+198.51.100.7"),
            ("[::ffff:198.51.100.7]:1", "+198.51.100.7"),
            ("198.51.100.70", "?"),
            ("0306.063.0144.07", "+198.51.100.7"),
            ("203.0.113.255", "+203.0.113.0/24"),
            ("203.0.114.0", "?"),
            ("[2001:db8::1]:80", "+[2001:db8::1]:80!"),
            ("[2001:db8::1]:443", "?"),
            ("xn--bcher-kva.de", "+bücher.de"),
            ("BÜCHER.DE", "+bücher.de"),
        ],
    );
}

#[test]
fn denied_beats_allowed_and_the_named_port_is_told() {
    let both = policy(
        &["a.com", "a.com:22", "*.b.com", "x.b.com:80", "*.x.b.com", "10.0.0.0/8", "c.com:1", "c.com:2"],
        &["a.com:25", "evil.b.com", "10.6.0.0/16", "*.x.b.com:1", "*:6667"],
    );
    all(
        &both,
        &[
            ("a.com:22", "+a.com:22!"),
            ("a.com:80", "+a.com"),
            ("a.com:25", "-a.com:25"),
            ("evil.b.com", "-evil.b.com"),
            ("not.evil.b.com", "+*.b.com"),
            ("x.b.com:80", "+x.b.com:80!"),
            ("x.b.com:81", "+*.b.com"),
            ("y.x.b.com:2", "+*.x.b.com"),
            ("y.x.b.com:1", "-*.x.b.com:1"),
            ("10.5.1.1", "+10.0.0.0/8"),
            ("10.6.1.1", "-10.6.0.0/16"),
            ("0xa060101", "-10.6.0.0/16"),
            ("[64:ff9b::10.6.1.1]", "-10.6.0.0/16"),
            ("[2002:a06:101::]", "-10.6.0.0/16"),
            ("c.com:1", "+c.com:1!"),
            ("c.com:2", "+c.com:2!"),
            ("c.com:3", "?"),
            ("unknown.org:6667", "-*:6667"),
            ("1.1.1.1:6667", "-*:6667"),
        ],
    );
    all(
        &policy(&["a.com"], &["*"]),
        &[("a.com", "-*"), ("1.1.1.1", "-*"), ("[::1]", "-*"), ("localhost", "-*")],
    );
}

#[test]
fn unknown_hosts_are_refused_where_settings_say_so() {
    let origin = Origin::BuiltIn("said");
    let mut policy = policy(&["a.com"], &["d.com"]);
    policy.strict = Some(Sourced { value: false, origin: origin.clone() });
    all(&policy, &[("b.com", "?")]);
    policy.strict = Some(Sourced { value: true, origin: origin.clone() });
    all(&policy, &[("b.com", "strict"), ("a.com", "+a.com"), ("d.com", "-d.com")]);
    policy.strict = None;
    policy.managed_only = Some(origin);
    all(&policy, &[("b.com", "strict"), ("a.com", "+a.com"), ("d.com", "-d.com")]);
}

#[test]
fn a_name_does_not_lead_to_forbidden_addresses() {
    let policy = policy(
        &["a.com", "10.1.0.0/16", "192.168.1.1:8080"],
        &["203.0.113.9", "198.51.100.0/24", "2001:db8:f::/48"],
    );
    for fine in ["203.0.113.8", "2001:db8::1", "10.1.2.3", "::ffff:10.1.2.3"] {
        assert_eq!(address(&policy, "a.com", fine, 443), Ok(()), "{fine}");
    }
    for (ip, range) in [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.2.0.1", "private"),
        ("169.254.169.254", "metadata"),
        ("198.18.0.1", "stand-in"),
        ("fd00:ec2::254", "metadata"),
        // What is allowed in IPv4 is not allowed through a gateway that may be anybody's.
        ("64:ff9b::10.1.2.3", "private"),
        ("192.168.1.1", "private"),
        ("203.0.113.9", "denied ('203.0.113.9')"),
        ("::ffff:203.0.113.9", "denied ('203.0.113.9')"),
        ("64:ff9b::203.0.113.9", "denied ('203.0.113.9')"),
        ("198.51.100.77", "denied ('198.51.100.0/24')"),
        ("2001:db8:f::1", "denied ('2001:db8:f::/48')"),
    ] {
        assert_eq!(address(&policy, "a.com", ip, 443), Err(range.to_owned()), "{ip}");
    }
    assert_eq!(address(&policy, "a.com", "192.168.1.1", 8080), Ok(()));
    assert_eq!(address(&policy, "203.0.113.8", "203.0.113.7", 443), Err("other hosts'".to_owned()));
    assert_eq!(address(&policy, "localhost", "203.0.113.8", 443), Err("other hosts'".to_owned()));
}

#[test]
fn the_loopback_of_the_host_is_reached_only_where_it_is_named() {
    let none = policy(&["a.com", "evil-localhost", "localhost.com"], &[]);
    assert!(!none.reaches_loopback());
    all(
        &none,
        &[
            ("localhost", "?"),
            ("127.0.0.1", "?"),
            ("[::1]", "?"),
            ("0.0.0.0", "?"),
            ("foo.localhost", "?"),
            ("evil-localhost", "+evil-localhost"),
        ],
    );
    for host in ["evil-localhost", "localhost.com", "a.com", "foo.localhost"] {
        assert_eq!(address(&none, host, "127.0.0.1", 443), Err("loopback".to_owned()), "{host}");
    }

    // A name below localhost is its own entry, for its port.
    let below = policy(&["foo.localhost:3000"], &[]);
    assert!(below.reaches_loopback());
    all(
        &below,
        &[("Foo.localhost.:3000", "+foo.localhost:3000!"), ("localhost:3000", "?"), ("foo.localhost", "?")],
    );
    assert_eq!(address(&below, "foo.localhost", "127.0.0.1", 3000), Ok(()));
    assert!(address(&below, "foo.localhost", "127.0.0.1", 3001).is_err());
    assert!(address(&below, "a.com", "127.0.0.1", 3000).is_err());
    assert!(address(&below, "foo.localhost", "203.0.113.1", 3000).is_err());

    let named = policy(&["LocalHost.:3000", "127.0.0.1:5432"], &[]);
    assert!(named.reaches_loopback());
    all(
        &named,
        &[
            ("localhost:3000", "+LocalHost.:3000!"),
            ("127.0.0.1:3000", "+LocalHost.:3000!"),
            ("[::1]:3000", "+LocalHost.:3000!"),
            ("0x7f.1:5432", "+127.0.0.1:5432!"),
            ("localhost:5432", "+127.0.0.1:5432!"),
            ("[::1]:5432", "?"),
            ("0.0.0.0:3000", "?"),
            ("localhost:80", "?"),
        ],
    );
    assert_eq!(address(&named, "localhost", "127.0.0.1", 3000), Ok(()));
    assert_eq!(address(&named, "localhost", "::1", 3000), Ok(()));
    assert_eq!(address(&named, "localhost", "127.0.0.1", 5432), Ok(()));
    for (ip, port) in [("::1", 5432), ("127.0.0.2", 5432), ("127.0.0.1", 80)] {
        assert_eq!(address(&named, "localhost", ip, port), Err("loopback".to_owned()), "{ip}:{port}");
    }

    let mut joined = policy(&[], &["localhost:5432", "127.0.0.1:6379"]);
    joined.local_binding = Sourced { value: true, origin: Origin::BuiltIn("test") };
    assert!(joined.reaches_loopback());
    let rule = "+network.allowLocalBinding";
    all(
        &joined,
        &[
            ("localhost:80", rule),
            ("a.b.localhost:80", rule),
            ("evil-localhost:80", "?"),
            ("127.0.0.1:80", rule),
            ("[::1]:80", rule),
            ("0.0.0.0:80", rule),
            ("a.com", "?"),
        ],
    );
    for host in [
        "localhost",
        "x.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "0",
        "2130706433",
        "[::ffff:0:0]",
    ] {
        assert!(judged(&joined, &format!("{host}:5432")).starts_with('-'), "{host}");
        assert!(judged(&joined, &format!("{host}:6379")).starts_with('-'), "{host}");
    }
    for ip in ["127.0.0.1", "::1", "0.0.0.0", "::"] {
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        assert_eq!(address(&joined, &host, ip, 80), Ok(()), "{ip}");
        assert!(
            address(&joined, &host, ip, 5432).is_err() && address(&joined, "a.com", ip, 6379).is_err(),
            "{ip}"
        );
    }
    for (entry, reaches) in [
        ("::1", true),
        ("0x7f.1", true),
        ("127.0.0.0/8", true),
        ("127.1.0.0/16", true),
        ("::/8", true),
        ("0.0.0.0:1", true),
        ("localhost:1", true),
        ("localhost.com", false),
        ("x.localhost", true),
        ("*.x.localhost", true),
        ("xlocalhost", false),
        ("126.0.0.0/8", false),
        ("::2", false),
    ] {
        assert_eq!(policy(&[entry], &[]).reaches_loopback(), reaches, "{entry}");
    }
}

#[test]
fn server_names_are_checked_but_where_settings_except_them() {
    let policy = NetworkPolicy {
        unchecked_names: set(&["a.com", "*.b.com", "203.0.113.7"], List::Unchecked),
        ..NetworkPolicy::default()
    };
    let checks = |host: &str| policy.checks_name(&Host::parse(host).unwrap());
    assert!(!checks("A.com") && !checks("x.b.com") && !checks("203.0.113.7"));
    assert!(checks("b.com") && checks("x.a.com") && checks("203.0.113.8"));
}

#[test]
fn an_answer_takes_effect_after_the_index_was_used() {
    let before = policy(&["a.com"], &["d.com"]);
    all(&before, &[("b.com:8080", "?")]);
    let after = before.with_allowed(said("b.com:8080")).unwrap();
    all(
        &after,
        &[("b.com:8080", "+b.com:8080!"), ("a.com", "+a.com"), ("d.com", "-d.com"), ("b.com:1", "?")],
    );
    all(&before, &[("b.com:8080", "?")]);
    assert_eq!(before.with_allowed(said("*.com")).unwrap_err(), Problem::BroadDomain("*.com".into()));
}

#[test]
fn a_policy_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<NetworkPolicy>();
}

/// What the entries say, one by one.
fn walked(entries: &[String], host: &str, port: u16) -> bool {
    entries.iter().any(|entry| {
        let (pattern, named) =
            entry.split_once(':').map_or((entry.as_str(), None), |(h, p)| (h, p.parse().ok()));
        let fits = match pattern.strip_prefix("*.") {
            Some(base) => host.len() > base.len() + 1 && host.ends_with(&format!(".{base}")),
            None => pattern == host,
        };
        fits && named.is_none_or(|named: u16| named == port)
    })
}

proptest! {
    #[test]
    fn the_index_says_what_the_entries_say(
        entries in prop::collection::vec("(\\*\\.)?[ab]{1,2}\\.([ab]\\.){0,2}[ab](:[12])?", 0..30),
        host in "([ab]{1,2}\\.){0,3}[ab]",
        port in 1..4_u16,
    ) {
        let set = DomainSet::of(entries.iter().map(|e| said(e)), List::Allowed).unwrap();
        let found = set.find(&Host::parse(&host).unwrap(), Some(port));
        prop_assert_eq!(found.is_some(), walked(&entries, &host, port));
        if let Some(found) = found {
            prop_assert!(walked(std::slice::from_ref(&found.entry.value), &host, port));
            prop_assert_eq!(found.port_named, found.entry.value.contains(':'));
        }
    }

    #[test]
    fn ranges_hold_what_they_hold(bits in any::<u32>(), length in 8..=32_u8, other in any::<u32>(), near in 0..32_u32) {
        let net = ipnet::Ipv4Net::new(bits.into(), length).unwrap().trunc();
        let policy = policy(&[&net.to_string()], &[]);
        for ip in [Ipv4Addr::from_bits(other), Ipv4Addr::from_bits(bits ^ 1 << near), Ipv4Addr::from_bits(bits)] {
            let verdict = judged(&policy, &ip.to_string());
            prop_assert_eq!(verdict.starts_with('+'), net.contains(&ip), "{} {}", net, ip);
        }
    }

    #[test]
    fn no_spelling_of_a_denied_address_passes(bits in any::<u32>(), radix in 0..3_u8, parts in 1..3_u8, dot in any::<bool>()) {
        let ip = Ipv4Addr::from_bits(bits);
        let policy = policy(&["0.0.0.0/8"], &[&ip.to_string()]);
        let number = |n: u32| match radix { 0 => n.to_string(), 1 => format!("0{n:o}"), _ => format!("0x{n:X}") };
        let spelled = if parts == 1 { number(bits) } else { format!("{}.{}", number(bits >> 24), number(bits & 0xff_ffff)) };
        let dotted = format!("{spelled}{}", if dot { "." } else { "" });
        for text in [dotted, format!("[{}]", ip.to_ipv6_mapped()), format!("[64:ff9b::{ip}]"), format!("[::ffff:0:{ip}]")] {
            prop_assert!(judged(&policy, &text).starts_with('-'), "{}", text);
        }
        prop_assert!(address(&policy, "a.com", &ip.to_ipv6_mapped().to_string(), 1).is_err());
    }

    #[test]
    fn any_text_is_an_entry_or_an_error(text in "\\PC{0,30}|[a*.:/0-9\\[\\]]{0,20}") {
        // What is checked is what the index reads.
        for list in [List::Allowed, List::Denied, List::Unchecked] {
            if check(&text, list).is_ok() {
                prop_assert!(super::entry::Entry::parse(&text).is_ok());
            }
        }
    }
}
