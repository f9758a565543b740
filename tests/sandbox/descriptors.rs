//! What the caller opened and hands over: by each backend, as bash has it, and no way to what the command may not change.

use crate::world::{Ran, World, each, has, is_root, not_here, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const BACKENDS: [&str; 3] = ["namespaces", "bubblewrap", "landlock"];

/// As every user, by every backend that is here.
fn everywhere(check: impl Fn(&World, &str)) {
    each(|world| {
        for backend in BACKENDS {
            world.user_settings(&format!(r#"{{"sandbox":{{"backend":"{backend}"}}}}"#));
            match world.run("true").status {
                Some(0) => check(world, backend),
                _ => not_here(&format!("no {backend}")),
            }
        }
    });
}

/// A line of bash's own, in which `sbsh` is ours.
fn line(world: &World, text: &str) -> Ran {
    let text = format!("sbsh() {{ '{}' \"$@\"; }}; {text}", world.bin("sbsh").display());
    world.command("/bin/bash").args(["-c", &text]).output().unwrap().into()
}

fn gives(world: &World, backend: &str, text: &str, expected: &str) {
    let ran = line(world, text);
    assert_eq!(
        (ran.stdout.as_str(), ran.status),
        (expected, Some(0)),
        "{backend}, user {}: {text}: {}",
        world.user,
        ran.stderr
    );
}

#[test]
fn what_cannot_be_opened_again_inside_is_read_all_the_same() {
    everywhere(|world, backend| {
        let gives = |text: &str, expected: &str| gives(world, backend, text, expected);
        let version = fs::read_to_string("/proc/version").unwrap();
        gives("sbsh -c cat < /proc/version", &version);
        // The caller goes on where the command stopped reading.
        gives(
            "{ sbsh -c 'read -N 5 a; echo \"[$a]\"'; cat; } < /proc/version",
            &format!("[Linux]\n{}", &version[5..]),
        );
        gives("while read a rest; do sbsh -c 'echo \"$1\"' x \"$a\"; done < /proc/version", "Linux\n");
        gives(
            "exec 5< /proc/version; sbsh -c 'echo ran; { true <&5; } 2>/dev/null || echo shut'; cat <&5 >/dev/null",
            if backend == "landlock" { "ran\n" } else { "ran\nshut\n" },
        );
        let memory = tempfile::Builder::new().prefix("sbsh-test").tempfile_in("/dev/shm").unwrap();
        fs::write(memory.path(), "in memory\nmore\n").unwrap();
        world.give(memory.path());
        let memory = memory.path().display();
        gives(&format!("{{ sbsh -c 'read a; echo \"$a\"'; cat; }} < {memory}"), "in memory\nmore\n");
        // By another of its names it is the same file.
        world.write(&world.outside.join("one"), "kept\n");
        let outside = world.outside.display();
        gives(
            &format!(
                "cd {outside}; ln one other; exec < one; rm one; cd - >/dev/null; sbsh -c 'cat; echo x > /proc/self/fd/0' 2>/dev/null; cd {outside}; mv other one; cat one"
            ),
            "kept\nkept\n",
        );
    });
}

#[test]
fn what_another_user_opened_is_read_and_is_not_changed() {
    if !is_root() || !has(&["setpriv"]) {
        return skip("another user's files take root and setpriv");
    }
    everywhere(|world, backend| {
        // Root has no more rights inside than others.
        let (owner, file) = (1 - world.user.min(1), world.outside.join("theirs"));
        let shut = world.outside.join("shut");
        let _ = fs::create_dir(&shut);
        let below = shut.join("ours");
        for path in [&file, &below] {
            fs::write(path, "one\ntwo\n").unwrap();
        }
        std::os::unix::fs::chown(&file, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&below, Some(world.user), Some(world.user)).unwrap();
        fs::set_permissions(&below, fs::Permissions::from_mode(0o666)).unwrap();
        std::os::unix::fs::chown(&shut, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
        let text = "read a; echo $a; echo evil > /proc/self/fd/0; chmod 777 /proc/self/fd/0; cat";
        for path in [&file, &below] {
            let mode = fs::metadata(path).unwrap().permissions();
            let ran: Ran = world
                .command(world.bin("sbsh"))
                .args(["-c", text])
                .stdin(fs::File::open(path).unwrap())
                .output()
                .unwrap()
                .into();
            let what = format!("{backend}, user {}, {}: {}", world.user, path.display(), ran.stderr);
            assert_eq!((ran.stdout.as_str(), ran.status), ("one\ntwo\n", Some(0)), "{what}");
            assert_eq!(fs::read_to_string(path).unwrap(), "one\ntwo\n", "{what}");
            assert_eq!(fs::metadata(path).unwrap().permissions(), mode, "{what}");
        }
        fs::remove_dir_all(&shut).unwrap();
        fs::remove_file(&file).unwrap();
    });
}

#[test]
fn what_is_protected_is_not_changed_by_a_descriptor_of_it() {
    everywhere(|world, backend| {
        let top = &world.project;
        for repository in [".git", "sub/.git", "deep/down/bare"] {
            let repository = top.join(repository);
            world.write(&repository.join("HEAD"), "ref: refs/heads/main\n");
            fs::create_dir_all(repository.join("objects")).unwrap();
            fs::create_dir_all(repository.join("refs")).unwrap();
            world.write(&repository.join("config"), "[core]\n");
            world.write(&repository.join("hooks/pre-commit"), "#!/bin/sh\n");
        }
        for name in [
            ".git/config",
            ".git/hooks/pre-commit",
            "sub/.git/config",
            "deep/down/bare/config",
            ".envrc",
            ".vscode/tasks.json",
        ] {
            let path = top.join(name);
            world.write(&path, "as it was\n");
            let mode = fs::metadata(&path).unwrap().permissions();
            for (text, redirection) in [
                ("echo evil >> /proc/self/fd/0", "<"),
                ("echo evil >> /dev/stdin", "<"),
                ("truncate -s 0 /proc/self/fd/0", "<"),
                ("chmod 777 /proc/self/fd/0", "<"),
                ("echo evil >> /dev/fd/7", "7<"),
                ("echo evil >&7", "7<>"),
                ("echo evil >&7", "7>>"),
            ] {
                let ran = line(world, &format!("sbsh -c '{text}' {redirection} {name}"));
                let what = format!("{backend}, user {}: {text} {redirection} {name}: {ran:?}", world.user);
                assert_eq!(fs::read_to_string(&path).unwrap(), "as it was\n", "{what}");
                assert_eq!(fs::metadata(&path).unwrap().permissions(), mode, "{what}");
                assert_ne!(ran.status, Some(0), "{what}");
            }
            gives(world, backend, &format!("sbsh -c cat < {name}"), "as it was\n");
            gives(world, backend, &format!("sbsh -c 'cat <&7' 7< {name}"), "as it was\n");
        }
        // What may be written is the caller's very own.
        let plain =
            "rm -f f; sbsh -c 'echo a >&7' 7<> f; { sbsh -c 'read x; echo b >> /dev/stdin'; cat; } < f";
        gives(world, backend, plain, "b\n");
    });
}

#[test]
fn the_other_side_of_a_terminal_is_not_handed_over() {
    let ends = nix::pty::openpty(None, None).unwrap();
    everywhere(|world, backend| {
        let with = |end: &std::os::fd::OwnedFd, text: &str| -> Ran {
            let text = format!("sbsh() {{ '{}' \"$@\"; }}; {text}", world.bin("sbsh").display());
            let mut command = world.command("/bin/bash");
            command.args(["-c", &text]).stdin(end.try_clone().unwrap()).output().unwrap().into()
        };
        let text = "sbsh -c '{ true <&7; } 2> /dev/null && echo there || echo shut' 7<&0 0</dev/null";
        for (end, expected) in [(&ends.master, "shut\n"), (&ends.slave, "there\n")] {
            let ran = with(end, text);
            assert_eq!((ran.stdout.as_str(), ran.status), (expected, Some(0)), "{backend}: {}", ran.stderr);
        }
        let ran = with(&ends.master, "sbsh -c 'echo ran'");
        assert_eq!((ran.stdout.as_str(), ran.status), ("", Some(126)), "{backend}: {}", ran.stderr);
    });
}

#[test]
fn what_the_output_goes_to_is_opened_again_by_the_names_that_it_has() {
    everywhere(|world, backend| {
        let log = world.outside.join("out.log");
        for text in [
            "echo one; echo two > /dev/stderr; echo three",
            "echo one; echo two >> /dev/stdout; echo three >> /dev/fd/2",
            "echo one | tee -a /dev/stderr /proc/self/fd/1",
            "echo one > /dev/fd/1; (echo two >> /dev/stderr)",
        ] {
            for redirections in [">> LOG 2>&1", "> LOG 2> LOG"] {
                let redirections = redirections.replace("LOG", log.to_str().unwrap());
                let both = ["bash", "sbsh"].map(|program| {
                    world.write(&log, "before\n");
                    let ran = line(world, &format!("{program} -c '{text}' {redirections}"));
                    assert_eq!(ran.status, Some(0), "{backend}: {program}: {text} {redirections}: {ran:?}");
                    fs::read_to_string(&log).unwrap()
                });
                assert_eq!(both[1], both[0], "{backend}, user {}: {text} {redirections}", world.user);
            }
        }
        // Nothing but what was handed over for writing.
        world.write(&log, "before\n");
        let other = world.outside.join("other");
        world.write(&other, "before\n");
        let text = format!(
            "{{ echo evil > /proc/self/fd/0; echo evil >> {0}; ln -s {0} l; echo evil > l; exec 5< {0}; echo evil > /dev/fd/5; }} 2> /dev/null; true",
            other.display()
        );
        let ran =
            line(world, &format!("rm -f l; sbsh -c '{text}' < {} >> {}", other.display(), log.display()));
        assert_eq!(ran.status, Some(0), "{backend}: {ran:?}");
        assert_eq!(fs::read_to_string(&other).unwrap(), "before\n", "{backend}, user {}", world.user);
    });
}

#[test]
fn root_is_told_where_it_has_no_more_rights_than_others() {
    if !is_root() {
        return skip("this is about root");
    }
    everywhere(|world, backend| {
        // Others do not get there in the first place.
        if world.user != 0 {
            return;
        }
        let shut = world.outside.join("shut");
        let inner = shut.join("inner");
        fs::create_dir_all(inner.join(".claude")).unwrap();
        std::os::unix::fs::chown(&shut, Some(1), None).unwrap();
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
        let mut command = world.command(world.bin("sbsh"));
        let ran: Ran = command.args(["-c", "echo ran"]).current_dir(&inner).output().unwrap().into();
        let what = format!("{backend}: {ran:?}");
        assert_eq!((ran.stdout.as_str(), ran.status), ("", Some(126)), "{what}");
        for said in
            [format!("root cannot go to '{}' inside", inner.display()), format!("'{}'", shut.display())]
        {
            assert!(ran.stderr.contains(&said), "{what}");
        }
        assert_eq!(ran.stderr.lines().count(), 1, "{what}");
        fs::remove_dir_all(&shut).unwrap();
    });
}
