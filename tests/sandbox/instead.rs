//! What a model reads when a command is blocked: the ten actions that agents are blocked at most, each for real, with the whole
//! line that it gives.

use crate::world::{World, each, has, not_here};
use std::os::unix::net::UnixListener;
use std::process::Command;

/// Not root, whose files those are that others may not write: what agents run as.
fn as_ordinary_user(check: impl Fn(&World)) {
    each(|world| {
        if world.user != 0 {
            check(world);
        }
    });
}

/// The lines between the marks, without what the programs themselves say.
fn told(world: &World, text: &str) -> Vec<String> {
    let ran = world.run(text);
    assert_ne!(ran.status, Some(0), "{text}: {ran:?}");
    let (_, rest) =
        ran.stderr.split_once("<sandbox_violations>\n").unwrap_or_else(|| panic!("{text}: {ran:?}"));
    let (lines, end) = rest.split_once("</sandbox_violations>\n").unwrap();
    assert_eq!(end, "", "{text}: {ran:?}");
    lines.lines().map(str::to_owned).collect()
}

/// A line has this shape, whatever it is about, and names no way around.
#[track_caller]
fn assert_shape(line: &str) {
    let parts: Vec<&str> = line.split("; ").collect();
    let [what, inside, person] = parts.as_slice() else { panic!("three parts: {line}") };
    assert!(
        what.starts_with("sbsh: ") && what.split_once(": ").unwrap().1.contains(": "),
        "what, and by which rule: {line}"
    );
    assert!(inside.starts_with("inside: ") && person.starts_with("a person can "), "{line}");
    for word in ["dangerously", "bypass", "around", "disable"] {
        assert!(!line.contains(word), "{word}: {line}");
    }
}

#[track_caller]
fn assert_told(world: &World, text: &str, expected: &str) {
    let lines = told(world, text);
    lines.iter().for_each(|line| assert_shape(line));
    let is_it = |line: &String| line == &format!("sbsh: {expected}");
    assert!(lines.iter().any(is_it), "{text}:\nexpected: sbsh: {expected}\n{}", lines.join("\n"));
}

const NOBODY: &str = "is blocked: not in allowedDomains, and nobody could be asked: no terminal, no approver console, and SBSH_ASKPASS is not set";
const NO_HOST: &str = "inside: no host can be reached, work with what is here";

#[test]
fn writes_to_tmp_home_hooks_and_system_are_told_in_one_shape() {
    if !has(&["git"]) {
        return;
    }
    as_ordinary_user(|world| {
        let (home, project) = (world.home.display(), world.project.display());
        let inside = format!("inside: write below '{project}' or $TMPDIR");
        assert_told(
            world,
            "echo x > /tmp/sbsh-told",
            "bash may not write '/tmp/sbsh-told': it is outside of what may be written; inside: write below $TMPDIR; \
             a person can allow it: sbshctl allow write /tmp/sbsh-told",
        );
        // What is said to work, works.
        assert_eq!(world.run("echo x > $TMPDIR/told && cat $TMPDIR/told").stdout, "x\n");
        assert_told(
            world,
            "echo x > ~/notes",
            &format!(
                "bash may not write '{home}/notes': it is outside of what may be written; {inside}; \
                 a person can allow it: sbshctl allow write {home}/notes"
            ),
        );
        assert_eq!(world.run("git init -q .").status, Some(0));
        assert_told(
            world,
            "echo x > .git/hooks/pre-commit",
            &format!(
                "bash may not write '{project}/.git/hooks/pre-commit': a git hook, which would run outside; \
                 {inside}, for a person to put it there; a person can allow it when asked: sbshctl approve"
            ),
        );
        // No entry of settings would help, so none is advised, whether the file is there or not.
        world.control(&["allow", "write", &format!("{project}/.git/config")]);
        assert_told(
            world,
            "echo x >> .git/config",
            &format!(
                "bash may not write '{project}/.git/config': always protected; \
                 {inside}, for a person to put it there; a person can allow it when asked: sbshctl approve"
            ),
        );
        assert_told(
            world,
            "mkdir /usr/lib/node_modules_told",
            "mkdir may not mkdir '/usr/lib/node_modules_told': it is outside of what may be written, and belongs to another user; \
             inside: install into the project: npm without -g, a venv for pip, --prefix for others; \
             a person can do it outside, with the rights for it",
        );
    });
}

#[test]
fn npm_that_installs_for_all_is_told_where_it_can() {
    if !has(&["npm", "node"]) {
        return;
    }
    as_ordinary_user(|world| {
        world.write(&world.project.join("p/package.json"), r#"{"name": "told", "version": "1.0.0"}"#);
        let home = world.home.display();
        let text = "export npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false npm_config_offline=true; npm install -g --prefix /usr ./p";
        let lines = told(world, text);
        lines.iter().for_each(|line| assert_shape(line));
        let install = "inside: install into the project: npm without -g, a venv for pip, --prefix for others; a person can ";
        let found = |part: &str| lines.iter().any(|line| line.contains(part));
        assert!(found("may not") && found(" '/usr/lib/node_modules") && found(install), "{lines:?}");
        let cache = format!(
            "'{home}/.npm': it is outside of what may be written; inside: set npm_config_cache to a directory below $TMPDIR; \
             a person can allow it: sbshctl preset node"
        );
        assert!(found(&cache), "{lines:?}");
    });
}

#[test]
fn places_that_hold_programs_are_told_with_what_moves_them_and_no_preset() {
    as_ordinary_user(|world| {
        let home = world.home.display();
        world.write(&world.home.join(".cache/here"), "");
        for (below, variable) in [(".cache/uv", "UV_CACHE_DIR"), (".bundle", "BUNDLE_USER_HOME")] {
            assert_told(
                world,
                &format!("mkdir ~/{below}"),
                &format!(
                    "mkdir may not mkdir '{home}/{below}': it is outside of what may be written; \
                     inside: set {variable} to a directory below $TMPDIR; a person can allow it: \
                     sbshctl allow write {home}/{below} (programs are started from there, outside too)"
                ),
            );
        }
    });
}

#[test]
fn presets_open_what_pnpm_yarn_and_poetry_need_and_no_place_of_programs() {
    as_ordinary_user(|world| {
        // Its own name, whatever TMPDIR is.
        let locks = std::path::PathBuf::from(format!("/tmp/pnpm-store-operation-locks-{}", world.user));
        let there = locks.exists();
        let make = if there {
            format!("touch {0}/sbsh-test", locks.display())
        } else {
            format!("mkdir {}", locks.display())
        };
        let lines = told(world, &make);
        assert!(
            lines.iter().any(|line| line.ends_with("a person can allow it: sbshctl preset node")),
            "{lines:?}"
        );
        world.control(&["preset", "--user", "node"]);
        let ran = world.run(&format!(
            "{make} && echo x > {0}/sbsh-test && cat {0}/sbsh-test && rm {0}/sbsh-test",
            locks.display()
        ));
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "x\n"), "{ran:?}");
        if !there {
            std::fs::remove_dir(&locks).unwrap();
        }
        world.control(&["preset", "--user", "python"]);
        for (below, there) in [
            (".yarn/berry/cache", true),
            (".yarn/berry/metadata", true),
            (".yarn/berry/index", true),
            (".yarn/bin", false),
            (".cache/pypoetry/cache", true),
            (".cache/pypoetry/artifacts", true),
            (".cache/pypoetry/virtualenvs", false),
            (".cache/uv", false),
        ] {
            let ran = world.run(&format!("mkdir -p ~/{below} && echo x > ~/{below}/x"));
            assert_eq!(ran.status == Some(0), there, "{below}: {ran:?}");
        }
        let other = world.run("mkdir /tmp/pnpm-store-operation-locks-1");
        assert_ne!(other.status, Some(0), "another user's");
    });
}

#[test]
fn hosts_and_registries_are_told_in_one_shape() {
    if !has(&["curl"]) {
        return;
    }
    as_ordinary_user(|world| {
        assert_told(
            world,
            "curl -sS https://unknown.example/",
            &format!(
                "network: unknown.example:443 {NOBODY} (curl wanted it); {NO_HOST}; \
                 a person can allow it: sbshctl allow domain unknown.example"
            ),
        );
        assert_told(
            world,
            "curl -sS https://gist.github.com/",
            &format!(
                "network: gist.github.com:443 {NOBODY} (curl wanted it); {NO_HOST}; \
                 a person can allow it: sbshctl allow domain gist.github.com (it lets data out: anybody can have a repository, a gist or an issue there to send data to)"
            ),
        );
        let pip = world.command("python3").args(["-m", "pip", "--version"]).output();
        if pip.is_ok_and(|ran| ran.status.success()) {
            let lines = told(world, "python3 -m pip download -q --no-input --retries 0 --timeout 5 requests");
            lines.iter().for_each(|line| assert_shape(line));
            let start = format!("sbsh: network: pypi.org:443 {NOBODY} (");
            let end = format!(
                " wanted it); {NO_HOST}; a person can allow it: sbshctl allow domain pypi.org, or with what goes with it: sbshctl preset python"
            );
            assert!(lines.iter().any(|line| line.starts_with(&start) && line.ends_with(&end)), "{lines:?}");
        } else {
            not_here("pip is not installed");
        }
        // ssh insists on an account, which not every user of these tests has.
        let account = Command::new("getent").args(["passwd", &world.user.to_string()]).output();
        let (text, program) = if account.is_ok_and(|ran| ran.status.success()) && has(&["ssh"]) {
            ("ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no git@unknown.example true", "ssh")
        } else {
            ("exec 3<>/dev/tcp/unknown.example/22; read -t 20 line <&3; exit 1", "bash")
        };
        assert_told(
            world,
            text,
            &format!(
                "network: unknown.example:22 {NOBODY} ({program} wanted it); {NO_HOST}; \
                 a person can allow it: sbshctl allow domain unknown.example"
            ),
        );
        world.user_settings(
            r#"{"sandbox": {"allowedDomains": ["a.example", "b.test"], "network": {"deniedDomains": ["*.example"]}}}"#,
        );
        let lines = told(world, "curl -sS https://unknown.example/");
        let place = world.home.join(".claude/settings.json");
        assert_eq!(
            lines,
            [format!(
                "sbsh: network: unknown.example:443 is blocked: denied by '*.example' ({}:1:87) (curl wanted it); \
                 inside: these hosts can be reached: b.test; a person can change that rule",
                place.display()
            )]
        );
    });
}

#[test]
fn keys_containers_and_sudo_are_told_in_one_shape() {
    if !has(&["curl"]) {
        return;
    }
    as_ordinary_user(|world| {
        let home = world.home.display();
        world.write(&world.home.join(".ssh/id_rsa"), "PRIVATE\n");
        assert_told(
            world,
            "cat ~/.ssh/id_rsa",
            &format!(
                "cat may not read '{home}/.ssh/id_rsa': it must not be read (built-in (secrets)); \
                 inside: *.pub, known_hosts and config beside it can be read; \
                 a person can allow it: sbshctl allow read {home}/.ssh/id_rsa"
            ),
        );
        let socket = world.outside.join("docker.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        world.give(&socket);
        let socket = socket.display();
        let (text, program) = if has(&["docker"]) {
            (format!("DOCKER_HOST=unix://{socket} docker ps"), "docker")
        } else {
            (format!("curl -sS --unix-socket {socket} http://localhost/_ping"), "curl")
        };
        assert_told(
            world,
            &text,
            &format!(
                "{program} may not connect to '{socket}': its server is outside; inside: nothing stands for it; \
                 a person can let docker run outside, asked about each time: sbshctl exclude 'docker:*' \
                 (the socket itself is a way out: whoever speaks to it starts containers with the whole disk in them, as root)"
            ),
        );
        if has(&["sudo"]) {
            assert_told(
                world,
                "sudo -n true",
                "sudo may not change the user: no program gains rights inside (no_new_privs); \
                 inside: the same command without sudo, where it needs no other rights; \
                 a person can run it outside, in a terminal of their own",
            );
        }
        let browser = world.project.join("chromium");
        world.write(&browser, "#!/bin/sh\ncase \" $*\" in *' --no-sandbox'*) exit 0 ;; esac\nexec unshare -U true 2>/dev/null\n");
        std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_told(
            world,
            "./chromium --headless",
            "chromium may not make a sandbox of its own: no program makes user namespaces inside; \
             inside: chromium --no-sandbox, which this boundary holds all the same; \
             a person can run it outside, in a terminal of their own",
        );
        assert_eq!(world.run("./chromium --headless --no-sandbox").stderr, "");
        // jest asks watchman, which makes itself a place first.
        assert_told(
            world,
            "mkdir ~/.local/state/watchman",
            &format!(
                "mkdir may not mkdir '{home}/.local/state/watchman': it is outside of what may be written; \
                 inside: without it: jest --no-watchman, or \"watchman\": false in its configuration; \
                 a person can allow it: sbshctl allow write {home}/.local/state/watchman"
            ),
        );
        // A command that got on without is told nothing.
        let ran = world.run("cat ~/.ssh/id_rsa 2>/dev/null || sudo -n true 2>/dev/null || true");
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    });
}
