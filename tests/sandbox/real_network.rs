//! Real clients against real servers through the network of the sandbox: ssh and git, websockets, long and broken
//! transfers. Each once allowed and once not, by what the servers received.

use crate::net::{Outside, UNTIL_OPEN, has_programs, tools};
use crate::world::{Ran, World, each, has, not_here};
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

const SSHD: &str = r#"
mount -t tmpfs none /run && mkdir -m 755 /run/sshd
mount --bind "$1/shadow" /etc/shadow
/usr/sbin/sshd -D -f "$1/config" -E "$1/log" &
until_open 203.0.113.10 22 $!
"#;

/// A real sshd on good.test:22 in which root logs in with the user's key, and the user's own ssh settings.
fn sshd(world: &World, outside: &Outside) -> (crate::net::Server, PathBuf) {
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
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/net/git_http.py");
        let (key, log) = (outside.place.join("key"), outside.log.clone());
        let _server = outside.serve(
            r#"exec python3 "$@""#,
            &[&script, &log, &outside.certificate, &key, repository.parent().unwrap()].map(Path::as_os_str),
        );
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
