//! What can be reached: the proxy, what settings open, and the services without which nothing starts.

use crate::checker::{Checker, Object};
use crate::world::{World, policy};
use sbsh::confinement::seatbelt::Network;

fn world(network: Network) -> Checker {
    let world =
        World { network, scratch: Some("/tmp/own".into()), ..World::of(policy([&["/w"], &[], &[], &[]])) };
    world.checker()
}

fn port(checker: &Checker, operation: &str, end: &str, port: u16) -> bool {
    checker.allows(operation, &Object { port: Some((end, port)), ..Object::default() })
}

fn socket(checker: &Checker, operation: &str, end: &str, path: &str) -> bool {
    checker.allows(operation, &Object { socket: Some((end, path.as_bytes())), ..Object::default() })
}

fn fact(checker: &Checker, operation: &str, kind: &str, value: &str) -> bool {
    checker.allows(operation, &Object { facts: vec![(kind, value)], ..Object::default() })
}

#[test]
fn only_the_proxy_is_reached() {
    let checker = world(Network { proxies: vec![4001, 4002], ..Network::default() });
    for (number, wanted) in [(4001, true), (4002, true), (4000, false), (443, false), (53, false)] {
        assert_eq!(port(&checker, "network-outbound", "remote", number), wanted, "{number}");
        assert!(!port(&checker, "network-bind", "local", number));
        assert!(!port(&checker, "network-inbound", "local", number));
    }
    // Another host than this one, by any address.
    assert!(!checker.allows("network-outbound", &Object::default()));
    assert!(!socket(&checker, "network-outbound", "remote", "/private/var/run/mDNSResponder"));
}

#[test]
fn without_a_proxy_nothing_is_reached() {
    let checker = world(Network::default());
    (0..=u16::MAX).step_by(7).for_each(|n| assert!(!port(&checker, "network-outbound", "remote", n)));
}

#[test]
fn local_binding_opens_the_loopback_and_no_more() {
    let checker = world(Network { local_binding: true, ..Network::default() });
    assert!(port(&checker, "network-outbound", "remote", 3000));
    assert!(port(&checker, "network-bind", "local", 3000));
    assert!(port(&checker, "network-inbound", "local", 3000));
    assert!(!checker.allows("network-outbound", &Object::default()));
    assert!(!checker.allows("network-bind", &Object::default()));
}

#[test]
fn unix_sockets_are_opened_by_path() {
    let sockets = ["/tmp/a.sock", "/run/**/b.sock", "/x/[ab].sock"].map(str::to_owned).to_vec();
    let checker = world(Network { sockets, ..Network::default() });
    for (path, wanted) in [
        ("/private/tmp/a.sock", true),
        ("/private/tmp/a.sock/x", false),
        ("/private/tmp/aXsock", false),
        ("/run/1/2/b.sock", true),
        ("/x/a.sock", true),
        ("/x/c.sock", false),
        ("/private/var/run/docker.sock", false),
        ("/w/daemon.sock", false),
        ("/private/tmp/own/mine", true),
        ("/private/tmp/owner", false),
    ] {
        assert_eq!(socket(&checker, "network-outbound", "remote", path), wanted, "{path}");
    }
    assert!(socket(&checker, "network-bind", "local", "/private/tmp/own/mine"));
    assert!(!socket(&checker, "network-bind", "local", "/private/tmp/a.sock"));
    let all = world(Network { all_sockets: true, ..Network::default() });
    assert!(socket(&all, "network-outbound", "remote", "/private/var/run/docker.sock"));
}

#[test]
fn only_own_processes_get_signals_and_no_service_is_a_way_out() {
    let checker = world(Network::default());
    for (operation, kind, value, wanted) in [
        ("signal", "target", "same-sandbox", true),
        ("signal", "target", "others", false),
        ("process-info-pidinfo", "target", "same-sandbox", true),
        ("process-info-pidinfo", "target", "others", false),
        ("mach-lookup", "global-name", "com.apple.system.opendirectoryd.libinfo", true),
        ("mach-lookup", "global-name", "com.apple.SecurityServer", false),
        ("mach-lookup", "global-name", "com.apple.securityd.xpc", false),
        ("mach-lookup", "global-name", "com.apple.coreservices.launchservicesd", false),
        ("mach-lookup", "global-name", "com.apple.coreservices.appleevents", false),
        ("mach-lookup", "global-name", "com.apple.pasteboard.1", false),
        ("mach-lookup", "global-name", "com.apple.dnssd.service", false),
        ("mach-lookup", "global-name", "com.apple.trustd.agent", false),
        ("sysctl-read", "sysctl-name", "hw.ncpu", true),
        ("sysctl-read", "sysctl-name", "kern.osversion", true),
        ("sysctl-read", "sysctl-name", "kern.procargs2", false),
        ("ipc-posix-shm-read-data", "ipc-posix-name", "apple.shm.notification_center", true),
        ("ipc-posix-shm-read-data", "ipc-posix-name", "/other", false),
        ("system-socket", "socket-domain", "AF_UNIX", true),
        ("system-socket", "socket-domain", "AF_SYSTEM", false),
    ] {
        assert_eq!(fact(&checker, operation, kind, value), wanted, "{operation} {value}");
    }
    let text = World::of(policy([&[], &[], &[], &[]])).profile().text;
    for word in ["iokit", "appleevent", "lsopen", "(allow network*", "mach-register", "no-sandbox"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn devices_are_the_same_whatever_settings_say() {
    let worlds = [policy([&["/"], &[], &[], &["/dev"]]), policy([&[], &["/"], &["/", "/dev/null"], &[]])];
    for checker in worlds.map(|files| World::of(files).checker()) {
        for (operation, path, wanted) in [
            ("file-write-data", "/dev/null", true),
            ("file-read-data", "/dev/urandom", true),
            ("file-write-data", "/dev/fd/1", true),
            ("file-write-data", "/dev/tty", true),
            ("file-ioctl", "/dev/tty", false),
            ("file-read-data", "/dev/ttys003", false),
            ("file-write-data", "/dev/ttys003", false),
            ("file-ioctl", "/dev/ttys003", false),
            ("file-ioctl", "/dev/ptmx", true),
            ("file-read-data", "/dev/rdisk0", false),
            ("file-read-data", "/dev/bpf0", false),
            ("file-write-create", "/dev/null", false),
        ] {
            assert_eq!(checker.file(operation, path), wanted, "{operation} {path}");
        }
        let own = Object {
            path: Some(b"/dev/ttys003"),
            facts: vec![("extension", "com.apple.sandbox.pty")],
            ..Object::default()
        };
        assert!(checker.allows("file-ioctl", &own) && checker.allows("file-read-data", &own));
    }
}

#[test]
fn the_way_to_what_is_open_is_passed_and_not_listed() {
    let files = policy([&["/h/u/p"], &[], &["/h"], &["/h/u/p", "/h/u/.config/git/*.conf"]]);
    let checker = World::of(files).checker();
    for path in ["/h", "/h/u", "/h/u/.config", "/h/u/.config/git"] {
        assert!(checker.file("file-read-metadata", path), "{path}");
        assert!(!checker.file("file-read-data", path), "{path}");
    }
    for path in ["/h/v", "/h/u/.ssh", "/h/u/.config/git/x"] {
        assert!(!checker.file("file-read-metadata", path), "{path}");
    }
    assert!(checker.file("file-read-data", "/h/u/.config/git/x.conf"));
    assert!(checker.file("file-write-create", "/h/u/p/x"));
}

#[test]
fn files_are_closed_by_every_name_of_their_volume() {
    let data = "/System/Volumes/Data";
    for (rule, path) in [
        ("/Users/u/x", "/Users/u/x/y"),
        ("/System/Volumes/Data/Users/u/x", "/Users/u/x/y"),
        ("/System/Volumes/Data/Users/*/x", "/Users/u/x"),
        ("/System/Volumes/Data/private/tmp/x", "/private/tmp/x"),
        ("/System/Volumes/Data/tmp/x*", "/private/tmp/xy"),
        ("/tmp/**/x", "/private/tmp/a/x"),
        ("/var/x", "/private/var/x"),
        ("/etc/x", "/private/etc/x"),
    ] {
        let checker = World::of(policy([&["/"], &[], &[rule], &[]])).checker();
        assert!(!checker.file("file-read-data", path), "{rule} {path}");
        assert!(!checker.file("file-read-data", format!("{data}{path}")), "{rule} {data}{path}");
        assert!(checker.file("file-read-data", "/tmpx"), "{rule}");
        let checker = World::of(policy([&[rule], &[], &[], &[]])).checker();
        assert!(checker.file("file-write-data", path), "{rule} {path}");
    }
}
