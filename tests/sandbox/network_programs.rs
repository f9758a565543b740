//! Programs that people use, with no proxy variable set (and where it matters with them): each reaches what is allowed
//! and nothing else. Against servers of the test's own by what they received, and against the package registries where
//! this machine reaches them.

use crate::net::{Server, UNTIL_OPEN, has_programs};
use crate::real_network::{GOOD, TOLD, must, online, repository, sshd};
use crate::world::{ORDINARY, Ran, World, has, missing, not_here};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn wget_and_curl() {
    if !has_programs() || !has(&["wget"]) {
        return;
    }
    for settings in [GOOD, TOLD] {
        online(settings, |world, outside| {
            let ran = outside.run(
                world,
                "wget -qO- http://good.test/1; wget -qO- --ca-certificate $CA https://good.test/2; curl -sS http://good.test/3
                 wget -qO- -t 1 http://evil.test/4 || echo $?; wget -qO- -t 1 --no-check-certificate https://evil.test/5 || echo $?",
            );
            let expected = "http GET /1 host=good.test body=0\nhttps GET /2 host=good.test body=0\nhttp GET /3 host=good.test body=0\n8\n";
            assert!(ran.stdout.starts_with(expected), "{ran:?}");
            assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
        });
    }
}

const JAVA: &str = r#"
import java.net.*; import java.net.http.*;
public class Fetch {
    public static void main(String[] urls) throws Exception {
        HttpClient client = HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build();
        for (String url : urls) {
            HttpResponse<String> answer = client.send(HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body().lines().findFirst().orElse(""));
        }
    }
}
"#;

#[test]
fn java() {
    if !missing(&["java"]).is_empty() {
        return not_here("java is not installed");
    }
    for settings in [GOOD, TOLD] {
        online(settings, |world, outside| {
            world.write(&world.project.join("Fetch.java"), JAVA);
            let ran = outside.run(world, "java Fetch.java http://good.test/1 http://evil.test/2");
            assert!(ran.stdout.starts_with("200 http GET /1 host=good.test body=0\n403 "), "{ran:?}");
            // With variables it asks the proxy, without them it connects by itself.
            assert_eq!(ran.stderr.contains("-Dhttp.proxyHost=127.0.0.1"), settings == TOLD, "{ran:?}");
            assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
        });
    }
}

#[test]
fn node_fetch() {
    if !missing(&["node"]).is_empty() {
        return not_here("node is not installed");
    }
    online(GOOD, |world, outside| {
        let text = "for url in http://good.test/1 https://good.test/2 http://evil.test/3 https://evil.test/4; do
             NODE_EXTRA_CA_CERTS=$CA node -e 'fetch(process.argv[1]).then(async r => console.log(r.status, (await r.text()).trim().split(`\\n`)[0]), e => console.log(`failed`))' $url; done";
        let ran = outside.run(world, text);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 4, "{ran:?}");
        assert_eq!(
            lines[..2],
            ["200 http GET /1 host=good.test body=0", "200 https GET /2 host=good.test body=0"]
        );
        assert!(lines[2].starts_with("403 ") && lines[3] == "failed", "{ran:?}");
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

#[test]
fn psql() {
    if !has_programs() || !has(&["psql"]) {
        return;
    }
    online(GOOD, |world, outside| {
        let ran = outside.run(
            world,
            "psql -w -h good.test -p 5433 -U somebody numbers -c 'select 1'; psql -w -h evil.test -p 4444 -U somebody numbers -c 'select 2'",
        );
        assert!(ran.stderr.contains("seen by the server"), "{ran:?}");
        assert!(ran.stderr.contains("sbsh: network: evil.test:4444 is blocked"), "{ran:?}");
        let received = outside.received();
        assert!(received.contains("user\\x00somebody\\x00database\\x00numbers"), "{received}");
        assert!(!received.contains("203.0.113.66"), "{received}");
    });
}

#[test]
fn rsync_from_a_daemon_and_over_ssh() {
    if !has_programs() || !has(&["rsync", "sshd", "ssh"]) {
        return;
    }
    for settings in [GOOD, TOLD] {
        online(settings, |world, outside| {
            let place = outside.place.join("rsync");
            fs::create_dir(&place).unwrap();
            fs::write(place.join("file"), "by rsync\n").unwrap();
            let config =
                format!("use chroot = no\nlog file = {0}.log\n[files]\npath = {0}\n", place.display());
            fs::write(outside.place.join("rsyncd.conf"), config).unwrap();
            let text = format!(
                "{UNTIL_OPEN}rsync --daemon --no-detach --address 203.0.113.10 --config \"$1\" & until_open 203.0.113.10 873 $!"
            );
            let _rsync: Server = outside.serve(&text, &[outside.place.join("rsyncd.conf").as_os_str()]);
            let (_ssh, _) = sshd(world, outside);
            let text = format!(
                "rsync -a rsync://good.test/files/ a; cat a/file; rsync -a -e \"${{GIT_SSH_COMMAND:-ssh}}\" good.test:{}/ b; cat b/file
                 rsync -a --port 4444 rsync://evil.test/files/ c; rsync -a -e ssh evil.test:/etc/hostname d; ls -d c d 2>/dev/null",
                place.display()
            );
            let ran = outside.run(world, &text);
            assert_eq!(ran.stdout, "by rsync\nby rsync\n", "{ran:?}");
            let log = fs::read_to_string(outside.place.join("rsync.log")).unwrap();
            assert!(log.contains("rsync on files"), "{log}");
            assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
        });
    }
}

#[test]
fn apt_gets_own_method() {
    if !missing(&["apt-get", "dpkg-deb"]).is_empty() {
        return not_here("this is no Debian");
    }
    online(GOOD, |world, outside| {
        let place = outside.place.join("apt");
        fs::create_dir_all(place.join("tree/DEBIAN")).unwrap();
        fs::write(
            place.join("tree/DEBIAN/control"),
            "Package: sbsh-test\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n",
        )
        .unwrap();
        must("dpkg-deb", &["-b", "tree", "one.deb"].map(OsStr::new), &place);
        let index = "(cat tree/DEBIAN/control; echo Filename: one.deb; stat -c 'Size: %s' one.deb; echo SHA256: $(sha256sum < one.deb | cut -d' ' -f1); echo) > Packages
            (echo Date: $(date -Ru); echo SHA256:; echo \" $(sha256sum < Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages\") > Release";
        must("sh", &["-c", index].map(OsStr::new), &place);
        let text = format!(
            "{UNTIL_OPEN}cd \"$1\"; python3 -u -m http.server -b 203.0.113.10 8082 >\"$1.log\" 2>&1 & until_open 203.0.113.10 8082 $!"
        );
        let _server = outside.serve(&text, &[place.as_os_str()]);
        let text = "mkdir -p s/lists/partial c/archives/partial d; touch status
            apt() { apt-get -q -o APT::Sandbox::User= -o Dir::State=$PWD/s -o Dir::State::status=$PWD/status -o Dir::Cache=$PWD/c -o Dir::Log=$PWD/d -o Dir::Etc::SourceList=$PWD/list \\
                    -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Main=/dev/null -o Dir::Etc::Parts=/dev/null -o Acquire::Retries=0 -o Debug::NoLocking=1 \"$@\"; }
            echo 'deb [trusted=yes] http://good.test:8082/ ./' > list; apt update && apt download sbsh-test && ls *.deb
            rm -rf s; mkdir -p s/lists/partial; echo 'deb [trusted=yes] http://evil.test:4444/ ./' > list; apt update";
        let ran = outside.run(world, text);
        assert!(ran.stdout.contains("sbsh-test_1_all.deb"), "{ran:?}");
        let log = fs::read_to_string(outside.place.join("apt.log")).unwrap();
        assert!(log.contains("GET /./one.deb") || log.contains("GET /one.deb"), "{log}");
        assert!(ran.stderr.contains("evil.test:4444 is blocked"), "{ran:?}");
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

#[test]
fn go() {
    if !missing(&["go"]).is_empty() {
        return not_here("go is not installed");
    }
    online(GOOD, |world, outside| {
        let program = "package main\nimport (\"fmt\"; \"io\"; \"net/http\"; \"os\")\nfunc main() { for _, url := range os.Args[1:] { r, err := http.Get(url); if err != nil { fmt.Println(\"failed\"); continue }; b, _ := io.ReadAll(r.Body); fmt.Println(r.StatusCode, string(b)) } }\n";
        world.write(&world.project.join("fetch.go"), program);
        let ran =
            outside.run(world, "GOCACHE=$TMPDIR/go go run fetch.go http://good.test/1 http://evil.test/2");
        assert!(
            ran.stdout.starts_with("200 http GET /1 host=good.test body=0\n") && ran.stdout.contains("403 "),
            "{ran:?}"
        );
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

/// What this machine needs to be told to trust whoever stands between it and the registries.
const AUTHORITIES: &[&str] = &[
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// One program against a registry from this machine's own network: once allowed and once not.
fn against(user: u32, probe: &str, domains: &[&str], text: &str, prepare: impl Fn(&World, &mut Command)) {
    let reached = Command::new("curl").args(["-sf", "-m", "60", "-o", "/dev/null", probe]).status();
    if !reached.is_ok_and(|status| status.success()) {
        return not_here(&format!("{probe} is not reached from this machine"));
    }
    let world = World::new(user);
    let run = |allowed: &[&str]| -> Ran {
        let settings =
            serde_json::json!({"sandbox": {"allowedDomains": allowed, "network": {"strictAllowlist": true}}});
        world.user_settings(&settings.to_string());
        let mut command = world.command(world.bin("sbsh"));
        command.args(["-c", text]);
        command.envs(AUTHORITIES.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        prepare(&world, &mut command);
        command.output().unwrap().into()
    };
    let log = || fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap_or_default();
    let ran = run(&[]);
    assert_ne!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("is blocked"), "{ran:?}");
    assert!(log().contains("refused") && !log().contains("allowed\""), "{}", log());
    let ran = run(domains);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(ran.stdout, "got it\n", "{ran:?}");
    assert!(log().contains("\"verdict\":\"allowed\""), "{}", log());
}

fn ordinary() -> u32 {
    if nix::unistd::geteuid().is_root() { ORDINARY } else { nix::unistd::geteuid().as_raw() }
}

#[test]
fn pip_from_its_registry() {
    if !has(&["python3", "curl"]) {
        return;
    }
    let text = "set -e; exec 3>&1 >&2; python3 -m venv v; v/bin/pip --retries 0 --no-cache-dir install -q six; v/bin/python -c 'import six'; ! env | grep -i _proxy=; echo got it >&3";
    against(
        ordinary(),
        "https://pypi.org/simple/six/",
        &["pypi.org", "files.pythonhosted.org"],
        text,
        |_, _| {},
    );
}

#[test]
fn npm_from_its_registry() {
    if !has(&["npm", "curl"]) {
        return;
    }
    let text = "set -e; exec 3>&1 >&2; npm init -y; npm install --no-audit --no-fund --fetch-retries=0 is-number@7.0.0; node -e 'require(\"is-number\")'; ! env | grep -i _proxy=; echo got it >&3";
    against(
        ordinary(),
        "https://registry.npmjs.org/is-number",
        &["registry.npmjs.org"],
        text,
        |world, command| {
            command
                .env("npm_config_cache", world.project.join("cache"))
                .env("npm_config_update_notifier", "false");
        },
    );
}

#[test]
fn cargo_from_its_registry() {
    let Some(cargo) = std::env::var_os("CARGO") else {
        return not_here("cargo did not start these tests");
    };
    if !has(&["curl"]) {
        return;
    }
    // The toolchain lies in a home that only its owner enters.
    let toolchain = Path::new(&cargo).parent().unwrap().display().to_string();
    let text = "set -e; exec 3>&1 >&2; mkdir src; echo 'fn main() {}' > src/main.rs; printf '[package]\\nname = \"x\"\\nedition = \"2021\"\\n[dependencies]\\nitoa = \"=1.0.9\"\\n[workspace]\\n' > Cargo.toml
        trap 'rm -r src' EXIT; cargo fetch; ls cargo/registry/cache/*/itoa-1.0.9.crate; ! env | grep -i _proxy=; echo got it >&3";
    against(
        nix::unistd::geteuid().as_raw(),
        "https://index.crates.io/it/oa/itoa",
        &["index.crates.io", "static.crates.io"],
        text,
        |world, command| {
            command
                .env("PATH", format!("{toolchain}:/usr/local/bin:/usr/bin:/bin"))
                .env("CARGO_NET_RETRY", "0")
                .env("CARGO_HOME", world.project.join("cargo"));
        },
    );
}

#[test]
fn git_and_ssh_together_with_everything_else() {
    // What is open to one program is open to all: nothing here hangs on which program connects.
    if !has_programs() || !has(&["git", "sshd", "ssh", "wget"]) {
        return;
    }
    online(GOOD, |world, outside| {
        let repository = repository(outside);
        let (_server, _) = sshd(world, outside);
        let text = format!(
            "git clone -q ssh://good.test{} a & wget -qO- http://good.test/1 >1 & curl -sS http://good.test/2 >2 & python3 -c 'import urllib.request as u; print(u.urlopen(\"http://good.test/3\").read().decode(), end=\"\")' >3 & wait; cat a/file 1 2 3",
            repository.display()
        );
        let ran = outside.run(world, &text);
        assert_eq!(
            ran.stdout,
            "from the repository\nhttp GET /1 host=good.test body=0\nhttp GET /2 host=good.test body=0\nhttp GET /3 host=good.test body=0\n",
            "{ran:?}"
        );
    });
}
