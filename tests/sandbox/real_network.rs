//! Real clients against real servers through the network of the sandbox: ssh and git, websockets, long and broken
//! transfers. Each once allowed and once not, by what the servers received.

use crate::net::{Outside, Server, UNTIL_OPEN, has_programs, tools};
use crate::world::{self, World, each, has, not_here, until};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const GOOD: &str = r#"{"sandbox": {"allowedDomains": ["good.test"]}}"#;
pub const TOLD: &str =
    r#"{"sandbox": {"allowedDomains": ["good.test"], "network": {"proxyVariables": "always"}}}"#;

pub fn online(settings: &str, check: impl Fn(&World, &Outside)) {
    if !has_programs() {
        return;
    }
    each(|world| {
        world.user_settings(settings);
        check(world, &Outside::new(world));
    });
}

pub fn must(program: &str, arguments: &[&OsStr], directory: &Path) {
    let ran = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", directory)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// A bare repository with one commit, at `repositories/one.git` among the servers' files.
pub fn repository(outside: &Outside) -> PathBuf {
    let top = outside.place.join("repositories");
    let work = outside.place.join("work");
    fs::create_dir_all(&work).unwrap();
    fs::write(work.join("file"), "from the repository\n").unwrap();
    let git = |words: &[&str]| {
        let mut all = vec!["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=main"];
        all.extend(words);
        must("git", &all.iter().map(OsStr::new).collect::<Vec<_>>(), &work);
    };
    git(&["init", "-q"]);
    git(&["add", "file"]);
    git(&["commit", "-q", "-m", "one"]);
    git(&["clone", "-q", "--bare", ".", "../repositories/one.git"]);
    top.join("one.git")
}

/// A server of git over HTTP on good.test:8081 and over HTTPS on good.test:8444.
pub fn git_server(outside: &Outside, repository: &Path) -> Server {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/net/git_http.py");
    let (key, top) = (outside.place.join("key"), repository.parent().unwrap());
    let arguments = [&script, &outside.log, &outside.certificate, &key, top].map(Path::as_os_str);
    outside.serve(r#"exec python3 "$@""#, &arguments)
}

const SSHD: &str = r#"
mount -t tmpfs none /run && mkdir -m 755 /run/sshd
mount --bind "$1/shadow" /etc/shadow
/usr/sbin/sshd -D -f "$1/config" -E "$1/log" &
until_open 203.0.113.10 22 $!
"#;

/// A real sshd on good.test:22 in which root logs in with the user's key, and the user's own ssh settings.
pub fn sshd(world: &World, outside: &Outside) -> (Server, PathBuf) {
    let place = outside.place.join("sshd");
    fs::create_dir(&place).unwrap();
    let key = |path: &Path| {
        must(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f"]
                .map(OsStr::new)
                .into_iter()
                .chain([path.as_os_str()])
                .collect::<Vec<_>>(),
            &place,
        );
        fs::read_to_string(path.with_extension("pub")).unwrap()
    };
    let host = key(&place.join("host"));
    // Below the project: private keys in ~/.ssh are not readable inside.
    let own = world.project.join("key");
    let public = key(&own);
    world.give(&own);
    fs::write(place.join("authorized"), public).unwrap();
    fs::write(place.join("shadow"), "root:*:20000:0:99999:7:::\nsshd:!:20000::::::\n").unwrap();
    let at = place.display();
    let config = format!(
        "ListenAddress 203.0.113.10\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nPidFile none\nUsePAM no\n\
         StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nLogLevel VERBOSE\n\
         Subsystem sftp /usr/lib/openssh/sftp-server\n"
    );
    fs::write(place.join("config"), config).unwrap();
    let client = format!(
        "User root\nIdentityFile {}\nIdentitiesOnly yes\nStrictHostKeyChecking yes\nBatchMode yes\nConnectTimeout 20\n",
        own.display()
    );
    world.write(&world.home.join(".ssh/config"), &client);
    fs::set_permissions(world.home.join(".ssh/config"), fs::Permissions::from_mode(0o600)).unwrap();
    world.write(&world.home.join(".ssh/known_hosts"), &format!("good.test {host}evil.test {host}"));
    let server = outside.serve(&format!("{UNTIL_OPEN}{SSHD}"), &[place.as_os_str()]);
    (server, place.join("log"))
}

#[test]
fn ssh_and_git_over_ssh_reach_a_real_sshd_and_only_that() {
    if !has_programs() || !has(&["sshd", "ssh", "ssh-keygen", "git"]) {
        return;
    }
    for settings in [GOOD, TOLD] {
        online(settings, |world, outside| {
            let repository = repository(outside);
            let (_server, log) = sshd(world, outside);
            let text = format!(
                "set -x; ssh good.test 'echo over ssh; cat' <<<more; git clone -q ssh://good.test{0} a; cat a/file
                 cd a; echo new > new; git add new; git -c user.name=x -c user.email=x@x commit -qm two; git push -q origin HEAD:two; cd ..
                 ssh evil.test true; git clone ssh://evil.test{0} b; ls b",
                repository.display()
            );
            let ran = outside.run(world, &text);
            assert_eq!(ran.stdout, "over ssh\nmore\nfrom the repository\n", "{ran:?}");
            let seen = fs::read_to_string(&log).unwrap();
            assert!(seen.matches("Accepted publickey for root").count() >= 3, "{seen}");
            assert!(repository.join("refs/heads/two").exists());
            assert!(ran.stderr.contains("evil.test:22 is blocked"), "{ran:?}");
            assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
            // git came by the helper where variables tell of it, and by itself where nothing does.
            let log = fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
            let by_helper = log.lines().filter(|line| line.contains(r#""way":"socks""#)).count();
            assert_eq!(by_helper, if settings == TOLD { 2 } else { 0 }, "{log}");
        });
    }
}

#[test]
fn git_over_https_and_http_with_the_enterprises_own_authority() {
    if !has_programs() || !has(&["git"]) {
        return;
    }
    each(|world| {
        let outside = Outside::new(world);
        world.user_settings(&format!(
            r#"{{"sandbox": {{"allowedDomains": ["good.test"], "network": {{"caCertificates": "{}"}}}}}}"#,
            outside.certificate.display()
        ));
        let repository = repository(&outside);
        let _server = git_server(&outside, &repository);
        let ran = outside.run(
            world,
            "git clone -q https://good.test:8444/one.git a; cat a/file; git -C a fetch -q && echo fetched
             git clone -q http://good.test:8081/one.git b; cat b/file
             git clone -q https://evil.test/one.git c; git clone -q http://evil.test/one.git d; ls -d c d 2>/dev/null",
        );
        assert_eq!(ran.stdout, "from the repository\nfetched\nfrom the repository\n", "{ran:?}");
        let received = outside.received();
        assert!(received.contains("git POST /one.git/git-upload-pack host=good.test:8444"), "{received}");
        assert!(received.contains("git POST /one.git/git-upload-pack host=good.test:8081"), "{received}");
        assert!(!received.contains("203.0.113.66"), "{received}");
        assert!(ran.stderr.contains("evil.test:443 is blocked"), "{ran:?}");
    });
}

const WEBSOCKETS: &str = r#"
import asyncio, sys
from websockets.asyncio.server import serve
async def echo(socket):
    with open(sys.argv[1], "a") as log: log.write(f"websocket {socket.local_address[0]} {socket.request.path} open\n")
    async for message in socket:
        with open(sys.argv[1], "a") as log: log.write(f"websocket {socket.local_address[0]} {message!r}\n")
        await socket.send(message)
async def main():
    async with serve(echo, "203.0.113.10", 8090):
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()
asyncio.run(main())
"#;

const WEBSOCKET_CLIENT: &str = r#"
import asyncio, sys
from websockets.asyncio.client import connect
async def main(url, proxy, text):
    try:
        async with connect(url, proxy=proxy, open_timeout=20) as socket:
            for part in [text, text * 50000, text.encode()]:
                await socket.send(part)
                assert await socket.recv() == part
            print("echoed", text)
    except Exception as error:
        print("failed", text, type(error).__name__)
for line in """ws://good.test:8090/1 - transparent
ws://good.test:8090/2 http://127.0.0.1:28128 connect
ws://evil.test:4444/3 - transparent
ws://evil.test:4444/4 http://127.0.0.1:28128 connect""".splitlines():
    url, proxy, text = line.split()
    asyncio.run(main(url, None if proxy == "-" else proxy, text))
"#;

/// A real websocket server on good.test:8090.
fn websocket_server(outside: &Outside, environment: &Path) -> Server {
    let script = outside.place.join("websocket_server.py");
    fs::write(&script, WEBSOCKETS).unwrap();
    let text = r#"exec "$1/bin/python" "$2" "$3""#;
    outside.serve(text, &[environment, &script, &outside.log].map(Path::as_os_str))
}

#[test]
fn websockets_of_a_real_client_and_server() {
    if !has_programs() {
        return;
    }
    let Some(environment) = tools::python("websockets") else { return };
    let library = tools::packages(&environment);
    online(GOOD, |world, outside| {
        // The ordinary user need not be able to see cargo's directory.
        must(
            "cp",
            &["-r".as_ref(), library.join("websockets").as_os_str(), world.project.as_os_str()],
            &world.project,
        );
        must(
            "chmod",
            &["-R".as_ref(), "a+rX".as_ref(), world.project.join("websockets").as_os_str()],
            &world.project,
        );
        let _server = websocket_server(outside, &environment);
        let ran = outside.run(world, &format!("PYTHONPATH=$PWD python3 - <<'PY'\n{WEBSOCKET_CLIENT}\nPY"));
        let expected = "echoed transparent\nechoed connect\nfailed transparent InvalidStatus\nfailed connect InvalidProxyStatus\n";
        assert_eq!(ran.stdout, expected, "{ran:?}");
        let received = outside.received();
        assert!(received.contains("websocket 203.0.113.10 b'connect'"), "{received}");
        assert!(!received.contains("203.0.113.66"), "{received}");
        assert!(ran.stderr.contains("evil.test:4444 is blocked"), "{ran:?}");
    });
}

#[test]
fn websockets_of_node() {
    let has_websocket = |option: &str| {
        let found = Command::new("node")
            .args([option, "-e", "process.exit(typeof WebSocket == 'function' ? 0 : 1)"])
            .output();
        found.is_ok_and(|ran| ran.status.success())
    };
    let Some(option) =
        ["--no-warnings", "--experimental-websocket"].into_iter().find(|option| has_websocket(option))
    else {
        not_here("there is no node with a WebSocket");
        return;
    };
    if !has_programs() {
        return;
    }
    let Some(environment) = tools::python("websockets") else { return };
    online(GOOD, |world, outside| {
        let script = r#"
const done = new Promise(resolve => {
    const socket = new WebSocket(process.argv[1]);
    socket.onopen = () => socket.send("hi");
    socket.onmessage = event => { console.log("echoed", event.data); socket.close(); resolve(); };
    socket.onerror = () => { console.log("failed"); resolve(); };
});
done.then(() => process.exit(0));
"#;
        world.write(&world.project.join("client.js"), script);
        let _server = websocket_server(outside, &environment);
        let run = |url: &str| {
            outside.run(world, &format!("node --no-warnings {option} -e \"$(cat client.js)\" {url}"))
        };
        let ran = run("ws://good.test:8090/");
        assert_eq!(ran.stdout, "echoed hi\n", "{ran:?}");
        let ran = run("ws://evil.test:4444/");
        assert_eq!(ran.stdout, "failed\n", "{ran:?}");
        assert!(!outside.received().contains("203.0.113.66"), "{}", outside.received());
    });
}

#[test]
fn a_gibibyte_arrives_as_it_was_sent() {
    if !has_programs() || !has(&["sha256sum"]) {
        return;
    }
    // One user: it is the same code for each, and takes seconds.
    let world = World::new(crate::world::ORDINARY);
    world.user_settings(GOOD);
    let outside = Outside::new(&world);
    let ran = outside.run(&world, "curl -sS http://good.test/numbered/1024 | sha256sum");
    let sum = ran.stdout.split(' ').next().unwrap();
    assert_eq!(sum.len(), 64, "{ran:?}");
    assert!(outside.received().contains(&format!("sha256 {sum}\n")), "{ran:?} {}", outside.received());
}

#[test]
fn servers_that_stall_reset_lie_or_end_early_harm_nobody_else() {
    online(GOOD, |world, outside| {
        // What stalls stays open all the while; each of the others tells its own client, and what works goes on.
        let ran = outside.run(
            world,
            r#"exec 9<>/dev/tcp/good.test/7002; printf 'GET / HTTP/1.1\r\nHost: good.test:7002\r\n\r\n' >&9
               (exec 8<>/dev/tcp/good.test/7002; printf x >&8; exec cat <&8 >/dev/null 2>&1) & stalled=$!
               for port in 7003 7004 7005; do
                   curl -fsS -o /dev/null http://good.test:$port/; echo $port $?
                   curl -fsS -o /dev/null -x http://127.0.0.1:28128 http://good.test:$port/; echo proxy $port $?
                   [ $port = 7005 ] || { curl -sS -o /dev/null https://good.test:$port/; echo tls $port $?; }
                   curl -sS http://good.test/after-$port
               done
               kill -0 $stalled && echo still; kill $stalled"#,
        );
        let mut lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.pop(), Some("still"), "{ran:?}");
        for port in ["7003", "7004", "7005"] {
            assert!(
                lines.contains(&format!("http GET /after-{port} host=good.test body=0").as_str()),
                "{ran:?}"
            );
        }
        assert_eq!(lines.len(), 11, "{ran:?}");
        // None of them looks like an answer that came whole.
        assert!(lines.iter().all(|line| !line.ends_with(" 0")), "{ran:?}");
    });
}

#[test]
fn a_client_that_dies_ends_its_connection_outside() {
    online(GOOD, |world, outside| {
        for proxy in ["", "-x http://127.0.0.1:28128", "-x socks5h://127.0.0.1:28080"] {
            let before = outside.received().matches("endless over").count();
            let ran = outside.run(
                world,
                &format!(
                    "curl -s {proxy} http://good.test:7006/ | head -c 1000000 | wc -c; curl -s {proxy} -o big http://good.test:7006/ & \
                     until [ -s big ]; do sleep 0.02; done; kill -9 $!; wait $! 2>/dev/null; curl -sS {proxy} http://good.test/after"
                ),
            );
            let expected = "1000000\nhttp GET /after host=good.test body=0\n";
            assert_eq!(ran.stdout, expected, "{ran:?}");
            // The command is over, and so is everything of it outside: the server need only notice.
            crate::world::until(|| outside.received().matches("endless over").count() == before + 2);
            std::fs::remove_file(world.project.join("big")).unwrap();
        }
    });
}

#[test]
fn a_client_of_http_1_0_is_served_and_judged() {
    online(GOOD, |world, outside| {
        let program = r#"
import socket
def talk(data, port=80, host="good.test"):
    s = socket.create_connection((host, port), 20); s.sendall(data); out = b""
    try:
        while part := s.recv(65536): out += part
    except ConnectionError: pass
    return out.split(b"\r\n")[0].decode(), out.split(b"\n")[-2].decode() if b"\n" in out else ""
print(*talk(b"GET /1 HTTP/1.0\r\n\r\n"))
print(*talk(b"GET /2 HTTP/1.0\r\nHost: good.test\r\n\r\n"))
print(*talk(b"POST /3 HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi"))
print(talk(b"GET /4 HTTP/1.0\r\nHost: evil.test\r\n\r\n")[0])
print(talk(b"GET http://good.test/5 HTTP/1.0\r\n\r\n", 28128, "127.0.0.1")[1])
print(talk(b"GET http://evil.test/6 HTTP/1.0\r\nHost: good.test\r\n\r\n", 28128, "127.0.0.1")[0])
print(talk(b"GET /7 HTTP/1.0\r\n\r\n", 80, "evil.test")[0])
"#;
        let ran = outside.run(world, &format!("python3 - <<'PY'\n{program}\nPY"));
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 7, "{ran:?}");
        for (line, path) in lines[..3].iter().zip([
            "GET /1 host=good.test body=0",
            "GET /2 host=good.test body=0",
            "POST /3 host=good.test body=2",
        ]) {
            assert!(
                line.starts_with("HTTP/1.") && line.contains("200 OK") && line.ends_with(path),
                "{ran:?}"
            );
        }
        assert!(lines[3].contains("403") && lines[5].contains("403") && lines[6].contains("403"), "{ran:?}");
        assert_eq!(lines[4], "http GET /5 host=good.test body=0");
        let received = outside.received();
        assert!(!received.contains("evil.test") && !received.contains("203.0.113.66"), "{received}");
    });
}

/// An excluded `git push` goes out over ssh with the person's agent; what is inside has neither agent, key nor network.
#[test]
fn an_excluded_git_push_uses_the_persons_agent_outside() {
    if !has_programs() || !has(&["sshd", "ssh", "ssh-agent", "ssh-keygen", "git"]) {
        return;
    }
    let settings = r#"{"sandbox": {"excludedCommands": ["git push:*"]}, "permissions": {"allow": ["Bash(git push:*)"]}}"#;
    online(settings, |world, outside| {
        let repository = repository(outside);
        let (_server, log) = sshd(world, outside);
        let agent = world.outside.join("agent");
        let mut serving =
            world.command("/usr/bin/ssh-agent").arg("-D").arg("-a").arg(&agent).spawn().unwrap();
        until(|| agent.exists());
        let key = world.project.join("key");
        let added = world
            .command("/usr/bin/ssh-add")
            .arg("-q")
            .arg(&key)
            .env("SSH_AUTH_SOCK", &agent)
            .status()
            .unwrap();
        assert!(added.success());
        fs::remove_file(&key).unwrap();
        let text = format!(
            "git init -q a && cd a && echo new > new && git add new && git -c user.name=x -c user.email=x@x commit -qm two
             git push -q ssh://good.test{0} HEAD:two && echo pushed; git ls-remote ssh://good.test{0}; ssh-add -l",
            repository.display()
        );
        let mut command = outside.command(world, &world.bin("sbsh"), &["-c", &text]);
        let ran = world::Ran::from(command.env("SSH_AUTH_SOCK", &agent).output().unwrap());
        serving.kill().unwrap();
        serving.wait().unwrap();
        assert_eq!(ran.stdout, "pushed\n", "{ran:?}");
        assert!(repository.join("refs/heads/two").exists(), "{ran:?}");
        let seen = fs::read_to_string(&log).unwrap();
        assert_eq!(seen.matches("Accepted publickey for root").count(), 1, "{seen}");
    });
}
