//! Real clients against real servers through the network of the sandbox: ssh and git, websockets, long and broken
//! transfers. Each once allowed and once not, by what the servers received.

use crate::net::{Outside, Server, UNTIL_OPEN, has_programs, tools};
use crate::world::{World, each, has, not_here};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const GOOD: &str = r#"{"sandbox": {"allowedDomains": ["good.test"]}}"#;
const TOLD: &str =
    r#"{"sandbox": {"allowedDomains": ["good.test"], "network": {"proxyVariables": "always"}}}"#;

fn online(settings: &str, check: impl Fn(&World, &Outside)) {
    if !has_programs() {
        return;
    }
    each(|world| {
        world.user_settings(settings);
        check(world, &Outside::new(world));
    });
}

fn must(program: &str, arguments: &[&OsStr], directory: &Path) {
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
fn sshd(world: &World, outside: &Outside) -> (Server, PathBuf) {
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
         StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nLogLevel VERBOSE\n"
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
    if !has(&["sshd", "ssh", "ssh-keygen", "git"]) {
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
    if !has(&["git"]) || !has_programs() {
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
    let Some(environment) = tools::python("websockets").filter(|_| has_programs()) else { return };
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
