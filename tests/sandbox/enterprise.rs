//! An enterprise's network: a proxy that opens TLS with an authority of its own (mitmproxy), behind sbsh's decision.

use crate::net::{Outside, UNTIL_OPEN, has_programs, tools};
use crate::world::{Ran, World, each, has, missing};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Says what it was asked for, one line a request.
const ADDON: &str = r#"
def request(flow):
    with open(LOG, "a") as log:
        log.write(f"{flow.request.method} {flow.request.pretty_url}\n")
"#;

const MITM: &str = r#"
"$1/bin/mitmdump" -q --mode regular@127.0.0.1:8899 --mode socks5@127.0.0.1:8900 --set confdir="$2" -s "$2/addon.py" \
    --set ssl_verify_upstream_trusted_ca="$3" >"$2/output" 2>&1 &
until_open 127.0.0.1 8900 $!
"#;

struct Enterprise {
    _server: crate::net::Server,
    asked: PathBuf,
    authority: PathBuf,
}

impl Enterprise {
    fn new(outside: &Outside, mitmproxy: &Path) -> Enterprise {
        let place = outside.place.join("mitm");
        fs::create_dir(&place).unwrap();
        let asked = place.join("asked");
        fs::write(place.join("addon.py"), format!("LOG = {:?}\n{ADDON}", asked.display().to_string()))
            .unwrap();
        let arguments: [&OsStr; 3] =
            [mitmproxy.as_os_str(), place.as_os_str(), outside.certificate.as_os_str()];
        let server = outside.serve(&format!("{UNTIL_OPEN}{MITM}"), &arguments);
        Enterprise { _server: server, asked, authority: place.join("mitmproxy-ca-cert.pem") }
    }

    fn asked(&self) -> String {
        fs::read_to_string(&self.asked).unwrap_or_default()
    }
}

fn behind(port_key: &str, check: impl Fn(&World, &Outside, &Enterprise)) {
    if !has_programs() {
        return;
    }
    let Some(mitmproxy) = tools::python("mitmproxy") else { return };
    each(|world| {
        let outside = Outside::new(world);
        let enterprise = Enterprise::new(&outside, &mitmproxy);
        world.user_settings(&format!(
            r#"{{"sandbox": {{"allowedDomains": ["good.test"], "network": {{{port_key}, "caCertificates": "{}"}}}}}}"#,
            enterprise.authority.display()
        ));
        check(world, &outside, &enterprise);
    });
}

#[test]
fn a_proxy_that_opens_tls_carries_what_was_allowed_and_hears_of_nothing_else() {
    behind(r#""httpProxyPort": 8899"#, |world, outside, enterprise| {
        let node = missing(&["node"]).is_empty();
        let fetch =
            "node -e 'fetch(\"https://good.test/4\").then(r => r.text()).then(t => process.stdout.write(t))'";
        let text = format!(
            "curl -sS https://good.test/1; curl -sS http://good.test/2
             python3 -c 'import urllib.request as u; print(end=u.urlopen(\"https://good.test/3\").read().decode())'
             {}
             curl -sSv https://good.test/5 2>&1 >/dev/null | grep -c 'issuer: CN=mitmproxy'
             env -u CURL_CA_BUNDLE -u SSL_CERT_FILE curl -sS https://good.test/6 >/dev/null; echo $?
             curl -sS https://evil.test/7; curl -sS http://evil.test/8; curl -sS -x http://127.0.0.1:28128 http://evil.test/9
             curl -sS --resolve evil.test:443:203.0.113.10 https://evil.test/10",
            if node { fetch } else { "echo 'https GET /4 host=good.test body=0'" }
        );
        let ran = outside.run(world, &text);
        let expected = "https GET /1 host=good.test body=0\nhttp GET /2 host=good.test body=0\n\
                        https GET /3 host=good.test body=0\nhttps GET /4 host=good.test body=0\n1\n60\n";
        assert!(ran.stdout.starts_with(expected), "{ran:?}");
        assert!(ran.stderr.contains("evil.test:443 is blocked"), "{ran:?}");
        let asked = enterprise.asked();
        for request in
            ["https://good.test/1", "http://good.test/2", "https://good.test/3", "https://good.test/5"]
        {
            assert!(asked.contains(request), "{request}: {asked}");
        }
        assert!(!asked.contains("evil") && !asked.contains("203.0.113.66"), "{asked}");
        // What it opened came on from it: the server saw the requests, and the other one nothing.
        let received = outside.received();
        assert!(received.contains("GET /1 HTTP/1.1 host=good.test"), "{received}");
        assert!(!received.contains("203.0.113.66") && !received.contains("dns evil.test"), "{received}");
    });
}

#[test]
fn the_same_as_a_socks_proxy_and_for_git() {
    if !has_programs() || !has(&["git"]) {
        return;
    }
    behind(r#""socksProxyPort": 8900"#, |world, outside, enterprise| {
        let repository = crate::real_network::repository(outside);
        let _git = crate::real_network::git_server(outside, &repository);
        let ran = outside.run(
            world,
            "curl -sS https://good.test/1; curl -sS http://good.test/2; git clone -q https://good.test:8444/one.git a; cat a/file
             curl -sS https://evil.test/3; git clone -q https://evil.test/one.git b",
        );
        let expected =
            "https GET /1 host=good.test body=0\nhttp GET /2 host=good.test body=0\nfrom the repository\n";
        assert_eq!(ran.stdout, expected, "{ran:?}");
        let asked = enterprise.asked();
        assert!(
            asked.contains("https://good.test/1") && asked.contains("/one.git/git-upload-pack"),
            "{asked}"
        );
        assert!(!asked.contains("evil"), "{asked}");
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

#[test]
fn the_callers_own_variable_leads_there_too() {
    behind(r#""proxyVariables": "auto""#, |world, outside, enterprise| {
        let text = "curl -sS https://good.test/1; curl -sS https://evil.test/2; env | grep -i _proxy";
        let ran: Ran = outside
            .command(world, &world.bin("sbsh"), &["-c", text])
            .env("HTTPS_PROXY", "http://127.0.0.1:8899")
            .output()
            .unwrap()
            .into();
        assert_eq!(
            ran.stdout,
            "https GET /1 host=good.test body=0\n",
            "{ran:?} {} {}",
            enterprise.asked(),
            outside.received()
        );
        assert_eq!(enterprise.asked(), "GET https://good.test/1\n");
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

/// A /dev of the test's own, since the machine's may not get a stand-in for the log daemon; then the daemon; then the
/// rest of the arguments, as the user.
const WITH_DAEMON: &str = r#"
set -e
made=$1 daemon=$2; shift 2
mount -t tmpfs none "$made"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/fd /dev/stdin /dev/stdout /dev/stderr "$made"
mkdir "$made/pts" "$made/shm"; mount -t tmpfs -o mode=1777 none "$made/shm"; mount --bind /dev/pts "$made/pts"; ln -s pts/ptmx "$made/ptmx"
mount --move "$made" /dev
[ "$daemon" = none ] || {
    python3 -c '
import os, socket, sys
os.umask(0); s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("/dev/log")
while True:
    line = s.recv(65536).decode()
    with open(sys.argv[1], "a") as log: log.write("syslog " + line + "\n")
' "$1" >/dev/null 2>&1 &
    until [ -S /dev/log ]; do sleep 0.02; done
}
log=$1 status=0; shift
setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}" || status=$?
# The daemon goes with this process: it is to have written all that came before.
[ "$daemon" = none ] || {
    end=end-$RANDOM$RANDOM
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), "/dev/log")' $end
    until grep -q "^syslog $end\$" "$log"; do sleep 0.02; done
}
exit $status
"#;

#[test]
fn connections_go_to_the_log_daemon_where_settings_of_the_person_say_so() {
    if !has_programs() {
        return;
    }
    each(|world| {
        let outside = Outside::new(world);
        let made = outside.place.join("dev");
        fs::create_dir(&made).unwrap();
        let user = world.user.to_string();
        let run = |daemon: &str| -> Ran {
            let sbsh = world.bin("sbsh");
            let text = "curl -sS http://good.test/1; curl -sS -o /dev/null http://evil.test/2";
            let mut command = outside.command_as_root(world, "unshare".as_ref());
            command.args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "bash",
                "-c",
                WITH_DAEMON,
                "bash",
            ]);
            command.args([made.as_os_str(), daemon.as_ref(), outside.log.as_os_str(), user.as_ref()]);
            command.arg(sbsh).args(["-c", text]).output().unwrap().into()
        };
        let settings = r#"{"sandbox": {"allowedDomains": ["good.test"], "audit": {"syslog": true}}}"#;
        world.user_settings(settings);
        let ran = run("there");
        assert_eq!(ran.stdout, "http GET /1 host=good.test body=0\n", "{ran:?}");
        let count = |event: &str| outside.received().matches(&format!("\"event\":\"{event}\"")).count();
        crate::world::until(|| count("connection") == 2 && count("command") == 1);
        let received = outside.received();
        assert!(
            received
                .lines()
                .any(|line| line.starts_with("syslog <86>sbsh[") && line.contains(r#""host":"good.test""#)),
            "{received}"
        );
        assert!(
            received
                .lines()
                .any(|line| line.starts_with("syslog <85>sbsh[") && line.contains(r#""host":"evil.test""#)),
            "{received}"
        );
        // Nobody there: said once, and nothing else changes.
        let ran = run("none");
        assert_eq!(ran.stdout, "http GET /1 host=good.test body=0\n", "{ran:?}");
        assert_eq!(ran.stderr.matches("not logged to /dev/log").count(), 1, "{ran:?}");
        // Not from a project.
        world.user_settings(r#"{"sandbox": {"allowedDomains": ["good.test"]}}"#);
        world.write(&world.project.join(".claude/settings.json"), settings);
        let ran = run("there");
        assert!(ran.stderr.contains("sandbox.audit.syslog"), "{ran:?}");
        assert_eq!((count("connection"), count("command")), (2, 1));
    });
}
