//! Where sbsh finds itself: in containers, in other sandboxes, in user namespaces, and in places that are not as usual. On
//! each backend; what cannot be confined there is refused with the reason.

use crate::session::Session;
use crate::terminal::terminal_command;
use crate::world::{Ran, World, bubblewrap, each, not_here, skip, without_bubblewrap};
use std::fs;
use std::process::Command;

/// Checks it with every backend that is to be had in this run.
fn on_each(check: impl Fn(&World, &str)) {
    let backends: &[&str] =
        if without_bubblewrap() { &["namespaces"] } else { &["bubblewrap", "namespaces"] };
    for backend in backends {
        each(|world| {
            world.user_settings(&format!(r#"{{"sandbox":{{"backend":"{backend}"}}}}"#));
            check(world, backend);
        });
    }
}

/// What holds of every confined command.
fn holds(world: &World, ran: &Ran, backend: &str) {
    assert_eq!(ran.status, Some(0), "{backend}: {ran:?}");
    assert_eq!(ran.stdout, "ran\n", "{backend}: {ran:?}");
    assert!(world.project.join("inside").exists(), "{backend}: {ran:?}");
    assert!(!world.outside.join("made").exists(), "{backend}");
    fs::remove_file(world.project.join("inside")).unwrap();
}

fn text(world: &World) -> String {
    format!(
        "touch inside; touch {}/made 2>/dev/null; cat {}/key 2>/dev/null; echo ran",
        world.outside.display(),
        world.home.join(".ssh").display()
    )
}

/// Runs it by a program that makes the surroundings, as root first where that is needed; then as this world's user.
fn surrounded(world: &World, prepare: &str) -> Ran {
    let line = format!(
        "{prepare}\ncd \"$PWD\" && exec setpriv --reuid {0} --regid {0} --clear-groups {1} -c \"$TEXT\"",
        world.user,
        world.bin("sbsh").display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "bash", "-ec", &line]);
    command.env_clear().current_dir(&world.project).env("HOME", &world.home);
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("PWD", &world.project).env("TEXT", text(world));
    command.output().unwrap().into()
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn with_key(world: &World) {
    world.write(&world.home.join(".ssh/key"), "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n");
}

#[test]
fn in_another_bubblewrap() {
    let Some(bubblewrap) = bubblewrap() else { return skip("bubblewrap is the surrounding here") };
    on_each(|world, backend| {
        with_key(world);
        let mut command = world.command(bubblewrap.to_str().unwrap());
        command.args([
            "--bind",
            "/",
            "/",
            "--dev-bind",
            "/dev",
            "/dev",
            "--proc",
            "/proc",
            "--unshare-pid",
            "--",
        ]);
        command.arg(world.bin("sbsh")).args(["-c", &text(world)]);
        let ran: Ran = command.output().unwrap().into();
        if world.user != 0 {
            return holds(world, &ran, backend);
        }
        // Root's bubblewrap covers parts of /proc, and then the kernel lets nobody mount a new one.
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{backend}: {ran:?}");
        assert!(ran.stderr.contains("enableWeakerNestedSandbox"), "{backend}: {ran:?}");
        world.user_settings(&format!(
            r#"{{"sandbox":{{"backend":"{backend}","enableWeakerNestedSandbox":true}}}}"#
        ));
        holds(world, &command.output().unwrap().into(), backend);
    });
}

#[test]
fn as_user_0_of_a_user_namespace() {
    on_each(|world, backend| {
        if is_root() && world.user == 0 {
            return;
        }
        with_key(world);
        let mut command = world.command("unshare");
        command.args(["--user", "--map-root-user"]).arg(world.bin("sbsh")).args(["-c", &text(world)]);
        holds(world, &command.output().unwrap().into(), backend);
    });
}

#[test]
fn in_odd_surroundings() {
    if !is_root() {
        return skip("only root makes these surroundings");
    }
    for (name, prepare) in [
        (
            "a read-only root",
            "mount -o remount,bind,ro / 2>/dev/null || mount --bind / / && mount -o remount,bind,ro /; for d in /tmp /var/tmp; do mount --bind $d $d; mount -o remount,bind,rw $d; done",
        ),
        ("no /dev/shm", "umount -l /dev/shm 2>/dev/null || mount -t tmpfs -o mode=000 none /dev/shm || true"),
        ("a project on a tmpfs", "mount -t tmpfs none \"$PWD\"; chmod 777 \"$PWD\""),
        ("a project that is a mount point", "mount --bind \"$PWD\" \"$PWD\""),
        (
            "an overlay",
            "mkdir -p /var/tmp/o.$$; mount -t tmpfs none /var/tmp/o.$$; cd /var/tmp/o.$$; mkdir u w; chmod 777 u; mount -t overlay none -o lowerdir=\"$PWD_WAS\",upperdir=u,workdir=w \"$PWD_WAS\"; cd \"$PWD_WAS\"; chmod 777 .",
        ),
    ] {
        on_each(|world, backend| {
            with_key(world);
            let prepare = format!("export PWD_WAS=\"$PWD\"; {prepare}; cd \"$PWD_WAS\"");
            let ran = surrounded(world, &prepare);
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "ran\n"), "{name}, {backend}: {ran:?}");
            assert!(!world.outside.join("made").exists(), "{name}, {backend}");
        });
    }
}

#[test]
fn without_a_home_or_in_a_directory_that_is_gone() {
    on_each(|world, backend| {
        // One that does not exist is not made.
        let missing = world.home.join("missing");
        for home in [None, Some(&missing)] {
            let mut command = world.command(world.bin("sbsh"));
            command.env_remove("HOME").envs(home.map(|home| ("HOME", home))).args(["-c", "echo ran"]);
            let ran: Ran = command.output().unwrap().into();
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "ran\n"), "{backend}: {ran:?}");
        }
        assert!(!missing.exists(), "{backend}");
        let gone = format!(
            "mkdir gone && cd gone && rmdir ../gone && exec {} -c 'touch x; touch {}/made; echo ran'",
            world.bin("sbsh").display(),
            world.outside.display()
        );
        let ran: Ran = world.command("/bin/bash").args(["-c", &gone]).output().unwrap().into();
        assert!(
            !world.outside.join("made").exists() && !world.project.join("gone").exists(),
            "{backend}: {ran:?}"
        );
    });
}

/// Docker covers parts of /proc, and then the kernel lets nobody mount a new one.
#[test]
fn where_proc_is_covered_nothing_runs_unless_the_settings_put_up_with_less() {
    if !is_root() {
        return skip("only root covers parts of /proc");
    }
    each(|world| {
        with_key(world);
        let backends: &[&str] =
            if without_bubblewrap() { &["namespaces"] } else { &["bubblewrap", "namespaces"] };
        for backend in backends {
            let covered =
                "mount -t tmpfs -o ro none /proc/acpi 2>/dev/null || mount --bind /dev/null /proc/keys";
            world.user_settings(&format!(r#"{{"sandbox":{{"backend":"{backend}"}}}}"#));
            let ran = surrounded(world, covered);
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{backend}: {ran:?}");
            assert!(ran.stderr.contains("systempaths=unconfined"), "{backend}: {ran:?}");
            world.user_settings(&format!(
                r#"{{"sandbox":{{"backend":"{backend}","enableWeakerNestedSandbox":true}}}}"#
            ));
            let ran = surrounded(world, covered);
            holds(world, &ran, backend);
            assert!(ran.stderr.contains("THE SANDBOX IS WEAKER"), "{backend}: {ran:?}");
            // Where the whole boundary can be had it is.
            assert!(!world.run("true").stderr.contains("WEAKER"));
        }
    });
}

#[test]
fn in_itself() {
    on_each(|world, backend| {
        if world.user == 0 && !is_root() {
            return not_here("there is one user here");
        }
        let ran = world.run(&format!(
            "exec {} -c {}",
            world.bin("sbsh").display(),
            shlex::try_quote(&text(world)).unwrap()
        ));
        holds(world, &ran, backend);
    });
}

/// Puts itself under a filter in which one system call does not exist, and becomes the rest of its arguments. The numbers
/// used here are the same on every architecture.
const LACKING: &str = r"
import ctypes, os, struct, sys
def op(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
program = op(0x20, 0, 0, 0) + op(0x15, 0, 1, int(sys.argv[1])) + op(6, 0, 0, 0x50000 | 38) + op(6, 0, 0, 0x7fff0000)
held = ctypes.create_string_buffer(program, len(program))
filter = struct.pack('HxxxxxxP', len(program) // 8, ctypes.addressof(held))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.create_string_buffer(filter, len(filter)), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[2], sys.argv[2:])
";

// ESCAPES.md 6: a backend that fails half-way, at each of its steps: an older kernel, or a container's filter.
#[test]
fn a_kernel_that_lacks_a_call_of_the_builder_runs_nothing() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"backend":"namespaces"}}"#);
        for (number, name) in [
            (428, "open_tree"),
            (429, "move_mount"),
            (430, "fsopen"),
            (432, "fsmount"),
            (442, "mount_setattr"),
        ] {
            let mut command = world.command("/usr/bin/python3");
            command.args(["-c", LACKING, &number.to_string()]).arg(world.bin("sbsh"));
            let ran: Ran = command.args(["-c", &text(world)]).output().unwrap().into();
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{name}: {ran:?}");
            assert!(
                ran.stderr.contains("cannot confine the command: namespaces: cannot "),
                "{name}: {ran:?}"
            );
            assert!(!world.project.join("inside").exists() && !world.outside.join("made").exists(), "{name}");
        }
    });
}

/// Filters that keep a program off the network refuse sendto(2) whatever it is for, and that is what the standard library writes to
/// sockets with: a session could not ask, and who is to run programs outside heard of none.
#[test]
fn under_a_filter_that_refuses_to_send_a_session_asks_all_the_same() {
    each(|world| {
        world.write(&world.home.join(".bashrc"), "PS1='ready> '\n");
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["uname *"]},"permissions":{"allow":["Bash(uname *)"]}}"#,
        );
        let mut command = terminal_command(world, "/usr/bin/python3");
        command.args(["-c", LACKING, &nix::libc::SYS_sendto.to_string()]).arg(world.bin("sbsh"));
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("PWD", &world.project);
        let mut session = Session::of(command);
        session.over();
        let file = world.outside.join("file");
        session.types(&format!("echo text > {}; echo wrote $?\r", file.display()));
        session.until("[o]nce");
        session.answers("o", "once");
        let line = session.over();
        assert!(line.output.ends_with("wrote 0\n"), "{line:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text\n");
        assert_eq!(session.line("uname -s").output, "Linux\n");
        assert_eq!(session.line("true | uname -s").output, "Linux\n");
    });
}

#[test]
fn a_bubblewrap_that_is_too_old_is_done_without() {
    let Some(bubblewrap) = bubblewrap().filter(|_| is_root()) else {
        return skip("only root puts another bubblewrap in the place of the system's");
    };
    each(|world| {
        with_key(world);
        // A real one that lacks an option.
        let text = fs::read(&bubblewrap).unwrap();
        let mut old = text.clone();
        let (known, other) = (b"--perms", b"--parms");
        for at in 0..text.len() - known.len() {
            if text[at..].starts_with(known) {
                old[at..at + known.len()].copy_from_slice(other);
            }
        }
        assert_ne!(old, text);
        let path = world.outside.join("old");
        fs::write(&path, old).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let prepare = format!("mount --bind {} /usr/bin/bwrap", path.display());
        holds(world, &surrounded(world, &prepare), "auto");
        world.user_settings(r#"{"sandbox":{"backend":"bubblewrap"}}"#);
        let ran = surrounded(world, &prepare);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{ran:?}");
        assert!(ran.stderr.contains("/usr/bin/bwrap' is older than bubblewrap 0.5.0"), "{ran:?}");
    });
}
