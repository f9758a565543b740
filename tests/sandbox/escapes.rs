//! Ways out that were used or shown against tools like this (ESCAPES.md), each by what the host looks like afterwards.
//! Source in front of each: a CVE, an issue, or where it was thought of.

use crate::world::{Ran, World, bubblewrap, each, skip, without_bubblewrap};
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// The host's `outside` and `home` are as they were, whatever the text tried.
fn held(world: &World, text: &str) -> Ran {
    let before = (world.state(&world.outside), world.state(&world.home));
    let ran = world.run(text);
    assert_eq!((world.state(&world.outside), world.state(&world.home)), before, "{text}\n{}", ran.stderr);
    ran
}

// ESCAPES.md 3: by other ways than plain paths.
#[test]
fn writes_by_every_way_around_a_path() {
    each(|world| {
        world.write(&world.outside.join("target"), "old\n");
        let target = world.outside.join("target").display().to_string();
        let outside = world.outside.display().to_string();
        for text in [
            format!("ln -s {target} l; echo evil > l"),
            format!("ln -s {outside} d; echo evil > d/new; mkdir d/sub"),
            "cd ..; echo evil > outside/new".into(),
            format!("echo evil > f; mv f {outside}/f; cp f {outside}/g; ln f {outside}/h"),
            format!("ln {target} hard && echo evil > hard"),
            format!(
                "echo evil > /proc/self/root{target}; echo evil > /proc/$$/root{target}; echo evil > /proc/1/root{target}"
            ),
            format!("cd {outside}; echo evil > /proc/self/cwd/new; echo evil > /proc/$$/cwd/new"),
            format!("exec 7<{target}; echo evil > /proc/self/fd/7; echo evil > /dev/fd/7"),
            format!(
                "python3 -c \"import os; os.truncate('{target}', 0)\"; truncate -s 0 {target}; chmod 777 {target}; touch -d 2001-01-01 {target}; rm -f {target}"
            ),
            format!(
                "python3 -c \"import os; os.setxattr('{target}', 'user.x', b'y')\"; mkfifo {outside}/p; mknod {outside}/n p"
            ),
            format!(
                "python3 -c \"import mmap,os; f=os.open('{target}', os.O_RDONLY); m=mmap.mmap(f, 0, prot=mmap.PROT_READ|mmap.PROT_WRITE); m[0]=65\""
            ),
            format!("mv {outside} elsewhere; rmdir {outside}; rename outside x ../outside"),
            format!(
                "mount --bind . {outside}; mount -t tmpfs x {outside}; umount {outside}; umount -l /; mount -o remount,rw /; mount -o remount,rw,bind {outside}; echo evil > {target}"
            ),
            format!(
                "unshare -Urm bash -c 'mount -o remount,rw /; echo evil > {target}'; unshare -Ur true && echo evil > {target}"
            ),
            format!(
                "chroot /proc/1/root /bin/sh -c 'echo evil > {target}'; nsenter -t 1 -a sh -c 'echo evil > {target}'"
            ),
            format!(
                "install -m 644 /dev/null {target}; tee {target} < /dev/null; dd of={target} < /dev/null; sed -i s/old/evil/ {target}; perl -i -pe s/old/evil/ {target}"
            ),
        ] {
            held(world, &text);
        }
    });
}

// DESIGN.md, inherited descriptors: a directory leads out by `..` and a read-only file can be opened again.
#[test]
fn inherited_descriptors_do_not_lead_out() {
    each(|world| {
        world.write(&world.outside.join("file"), "old\n");
        let outside = world.outside.display();
        let sbsh = world.bin("sbsh").display().to_string();
        for line in [
            format!("{sbsh} -c 'echo evil > /proc/self/fd/0; chmod 777 /proc/self/fd/0' < {outside}/file"),
            format!(
                "{sbsh} -c 'echo evil > /proc/self/fd/0/new; cd -P /proc/self/fd/0 && echo evil > new' < {outside}"
            ),
            format!(
                "{sbsh} -c 'echo evil > /proc/self/fd/9/new; echo evil > /proc/self/fd/8' 8< {outside}/file 9< {outside}"
            ),
            format!(
                "{sbsh} -c 'python3 -c \"import os; os.fchmod(0, 0o777); os.fchdir(9)\"' < {outside}/file 9< {outside}"
            ),
        ] {
            let before = world.state(&world.outside);
            world.command("/bin/bash").args(["-c", &line]).output().unwrap();
            assert_eq!(world.state(&world.outside), before, "{line}");
        }
        world.write(&world.home.join(".ssh/id_rsa"), "PRIVATE");
        let line = format!("{sbsh} -c cat < ~/.ssh/id_rsa");
        let ran: Ran = world.command("/bin/bash").args(["-c", &line]).output().unwrap().into();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{}", ran.stderr);
    });
}

// CVE-2026-25725 and ESCAPES.md 3: settings that did not exist are created from inside.
#[test]
fn settings_are_out_of_reach() {
    each(|world| {
        let wide = r#"{"sandbox":{"filesystem":{"allowWrite":["/"]},"excludedCommands":["touch:*"]},"permissions":{"allow":["Bash"]}}"#;
        for (directory, name) in
            [(&world.project, ".claude/settings.json"), (&world.project, ".claude/settings.local.json")]
        {
            world.run(&format!("printf '%s' '{wide}' > {name}; mkdir -p .CLAUDE; printf '%s' '{wide}' > .claude/../.claude/settings.json"));
            assert!(!directory.join(name).exists(), "{name}");
        }
        held(
            world,
            &format!(
                "mkdir -p ~/.claude; printf '%s' '{wide}' > ~/.claude/settings.json; export CLAUDE_CONFIG_DIR=$PWD/c; mkdir c; printf '%s' '{wide}' > c/settings.json; \
            mkdir -p ~/.local/state/sbsh; echo x > ~/.local/state/sbsh/trust.json; {0} trust --yes; {0} trust",
                world.bin("sbshctl").display()
            ),
        );
        held(world, &format!("touch {}/made", world.outside.display()));
    });
}

// SETTINGS.md: settings in a writable root, named by a variable, never decide about confinement.
#[test]
fn settings_that_confined_code_could_write_do_not_widen() {
    each(|world| {
        let wide =
            format!(r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{}"]}}}}}}"#, world.outside.display());
        world.write(&world.project.join("config/settings.json"), &wide);
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .env("CLAUDE_CONFIG_DIR", world.project.join("config"))
            .args(["-c", &format!("echo evil > {}/made", world.outside.display())])
            .output()
            .unwrap()
            .into();
        assert_ne!(ran.status, Some(0), "{}", ran.stderr);
        assert!(!world.outside.join("made").exists());
    });
}

// CVE-2025-66479's class: a claim to be inside already.
#[test]
fn nothing_but_the_marker_mount_counts_as_inside() {
    each(|world| {
        for (name, value) in [
            ("SBSH", "1"),
            ("SBSH_INSIDE", "1"),
            ("IN_SANDBOX", "1"),
            ("SANDBOX_RUNTIME", "1"),
            ("CLAUDE_CODE_SANDBOXED", "1"),
            ("SBSH_ROOT", "/nonexistent"),
            ("container", "docker"),
            ("BASH_ENV", "/dev/null"),
        ] {
            let ran: Ran = world
                .command(world.bin("sbsh"))
                .env(name, value)
                .args(["-c", &format!("echo evil > {}/made", world.outside.display())])
                .output()
                .unwrap()
                .into();
            assert_ne!(ran.status, Some(0), "{name}={value}: {}", ran.stderr);
            assert!(!world.outside.join("made").exists(), "{name}");
        }
        let first: Ran =
            world.command(world.bin("sbsh")).args(["--sbsh-first-inside", "0"]).output().unwrap().into();
        assert_ne!(first.status, Some(0));
    });
}

// ESCAPES.md 4: the commonest real escape of all peers (a read-only bind does not stop connect).
#[test]
fn unix_sockets_of_host_daemons_are_out_of_reach() {
    each(|world| {
        let path = world.outside.join("daemon.sock");
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let abstract_name = format!("sbsh-test-{}", std::process::id());
        let ran = world.run(&format!(
            "python3 - <<'PY'\nimport socket\nfor kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):\n    for address in ('{}', '\\0{abstract_name}'):\n        try:\n            s = socket.socket(socket.AF_UNIX, kind); s.connect(address); s.send(b'evil'); print('REACHED')\n        except OSError as e: print(type(e).__name__)\nPY",
            path.display()
        ));
        assert!(
            !ran.stdout.contains("REACHED") && ran.stdout.contains("PermissionError"),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
        assert!(listener.accept().is_err(), "somebody connected");
        assert_eq!(
            world
                .run(
                    "python3 -c 'import socket; a, b = socket.socketpair(); a.send(b\"x\"); print(b.recv(1))'"
                )
                .stdout,
            "b'x'\n"
        );
    });
}

// ESCAPES.md 5: until the proxy comes there is no network at all.
#[test]
fn there_is_no_network_inside() {
    each(|world| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        world.run(&format!(
            "exec 3<>/dev/tcp/127.0.0.1/{}; echo evil > /dev/udp/127.0.0.1/{}; ls /sys/class/net",
            listener.local_addr().unwrap().port(),
            udp.local_addr().unwrap().port()
        ));
        assert!(listener.accept().is_err());
        assert!(udp.recv(&mut [0; 16]).is_err());
        let ran = world.run("python3 -c 'import socket; s=socket.create_server((\"127.0.0.1\",0)); c=socket.create_connection(s.getsockname()); print(\"inside\")'");
        assert_eq!(ran.stdout, "inside\n", "{}", ran.stderr);
    });
}

// CVE-2017-5226 and its console cousin: typing into the caller's terminal; and other calls that are closed.
#[test]
fn closed_system_calls_are_closed() {
    each(|world| {
        let script = r#"
import ctypes, os, fcntl, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    ctypes.set_errno(0)
    r = libc.syscall(number, *args)
    print(name, 'OPEN' if r >= 0 else ctypes.get_errno())
import platform
X = platform.machine() == 'x86_64'
call('unshare', 272 if X else 97, 0x10000000)
call('mount', 165 if X else 40, b'none', b'/tmp', b'tmpfs', 0, 0)
call('bpf', 321 if X else 280, 0, 0, 0)
call('io_uring_setup', 425, 8, 0)
call('keyctl', 250 if X else 219, 0, -3, 0)
call('add_key', 248 if X else 217, b'user', b'sbsh', b'x', 1, -5)
call('perf', 298 if X else 241, 0, 0, -1, -1, 0)
call('userfaultfd', 323 if X else 282, 0)
call('open_tree', 428, -100, b'/', 1)
call('fsopen', 430, b'tmpfs', 0)
call('setns', 308 if X else 268, 0, 0)
call('open_by_handle_at', 304 if X else 265, 0, 0, 0)
call('personality', 135 if X else 92, 0x0400000)
if X: call('x32', 0x40000000 | 39)
for family in (16, 17, 38, 40):
    for protocol in ((15,) if family == 16 else (0,)):
        try:
            socket.socket(family, socket.SOCK_RAW if family in (16, 17) else socket.SOCK_STREAM, protocol); print('family', family, 'OPEN')
        except OSError as e: print('family', family, e.errno)
for request in (0x5412, 0x541c):
    try:
        fcntl.ioctl(0, request, b'x'); print('ioctl OPEN')
    except OSError as e: print('ioctl', e.errno)
"#;
        world.write(&world.project.join("calls.py"), script);
        let ran = world.run("python3 calls.py");
        assert!(
            !ran.stdout.contains("OPEN") && ran.stdout.lines().count() >= 18,
            "{}{}",
            ran.stdout,
            ran.stderr
        );
        let ioctls: Vec<&str> = ran.stdout.lines().filter(|l| l.starts_with("ioctl")).collect();
        // EPERM by the filter, not ENOTTY by the descriptor.
        assert_eq!(ioctls, ["ioctl 1", "ioctl 1"]);
    });
}

// ESCAPES.md 4: the first process inside is ours; nobody inside may look into it, steer it or end it.
#[test]
fn the_first_process_is_out_of_reach() {
    each(|world| {
        let ran = world.run(
            "cat /proc/1/environ; cat /proc/1/mem; readlink /proc/1/exe; readlink /proc/1/fd/5; ls /proc/1/root; \
             kill -KILL 1; kill -STOP 1; kill -TERM 1; python3 -c \"import ctypes; l=ctypes.CDLL(None); print('ptrace', l.ptrace(16, 1, 0, 0))\"; echo alive",
        );
        assert_eq!(ran.stdout.replace("ptrace -1\n", ""), "alive\n", "{}", ran.stderr);
    });
}

// Own idea: kill(0, ...) reaches the caller's group, process namespace or not.
#[test]
fn the_callers_own_processes_cannot_be_signalled() {
    each(|world| {
        let line = format!(
            "{} -c 'kill -KILL 0; kill -KILL -1; kill -KILL -- -$$' >/dev/null 2>&1; echo caller lives",
            world.bin("sbsh").display()
        );
        let ran: Ran = world.command("/bin/bash").args(["-c", &line]).output().unwrap().into();
        assert_eq!(ran.stdout, "caller lives\n", "{}", ran.stderr);
        let ran = world.run("ps ax -o pid= | wc -l");
        assert!(ran.stdout.trim().parse::<u32>().unwrap() < 8, "{}", ran.stdout);
    });
}

// ESCAPES.md 4: capabilities and setuid programs.
#[test]
fn no_capabilities_and_no_new_privileges() {
    each(|world| {
        let ran = world
            .run("grep -E '^(CapEff|CapPrm|CapBnd|CapInh|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status");
        let zero = "0000000000000000";
        assert_eq!(
            ran.stdout.replace('\t', " "),
            format!(
                "CapInh: {zero}\nCapPrm: {zero}\nCapEff: {zero}\nCapBnd: {zero}\nCapAmb: {zero}\nNoNewPrivs: 1\nSeccomp: 2\n"
            )
        );
        held(
            world,
            &format!(
                "chown 0:0 {0}; su -c 'touch {0}/x'; sudo -n touch {0}/x; mknod sda b 8 0; dd if=/dev/vda of=x count=1",
                world.outside.display()
            ),
        );
    });
}

// ESCAPES.md 2: one excluded word must not take the line outside.
#[test]
fn an_excluded_word_takes_nothing_else_outside() {
    each(|world| {
        let tools = world.outside.join("tools");
        world.write(&tools.join("tool"), "#!/bin/sh\necho ran $0 >> \"$(dirname \"$0\")/../log\"\n");
        fs::set_permissions(tools.join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["tool:*"]},"permissions":{"allow":["Bash(tool:*)"]}}"#,
        );
        let path = format!("{}:/usr/bin:/bin", tools.display());
        let run = |text: &str| -> Ran {
            world.command(world.bin("sbsh")).env("PATH", &path).args(["-c", text]).output().unwrap().into()
        };
        assert_eq!(run("tool a").status, Some(0));
        assert_eq!(
            fs::read_to_string(world.outside.join("log")).unwrap(),
            format!("ran {}/tool\n", tools.display())
        );
        fs::remove_file(world.outside.join("log")).unwrap();
        let escaped = world.outside.join("escaped");
        world.write(&world.project.join("tool"), &format!("#!/bin/sh\necho evil > {}\n", escaped.display()));
        fs::set_permissions(world.project.join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let x = escaped.display();
        for text in [
            format!("tool; touch {x}"),
            format!("tool && touch {x}"),
            format!("tool > {x}"),
            format!("tool $(touch {x})"),
            format!("$(touch {x}) tool"),
            format!("tool | tee {x}"),
            "./tool".into(),
            "PATH=.:$PATH tool".into(),
            format!("LD_PRELOAD=./x.so tool; touch {x}"),
            format!("tool() {{ touch {x}; }}; tool"),
            format!("alias tool='touch {x}'\ntool"),
            format!("tool\ntouch {x}"),
            "hash -p ./tool tool; tool".into(),
            format!("! tool; touch {x}"),
            format!("tool & touch {x}"),
            format!("{}/tool", world.project.display()),
            "tool <(touch x)".into(),
        ] {
            run(&text);
            assert!(!escaped.exists(), "{text}");
        }
        // A program earlier on PATH in a writable place is passed over, a relative PATH entry never used.
        for path in [
            format!("{}:{}", world.project.display(), tools.display()),
            format!(".:{}", tools.display()),
            format!(":{}", tools.display()),
        ] {
            world
                .command(world.bin("sbsh"))
                .env("PATH", format!("{path}:/usr/bin:/bin"))
                .args(["-c", "tool"])
                .output()
                .unwrap();
            assert!(!escaped.exists(), "{path}");
        }
    });
}

// ESCAPES.md 6.
#[test]
fn no_backend_means_no_run() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"backend":"seatbelt"}}"#);
        let ran = world.run(&format!("touch {}/made", world.outside.display()));
        assert_eq!(ran.status, Some(126), "{}", ran.stderr);
        assert!(ran.stderr.contains("cannot confine"), "{}", ran.stderr);
        assert!(!world.outside.join("made").exists());
    });
}

// ESCAPES.md 6: a backend that fails half-way. A user namespace limit of zero is what hardened kernels have.
#[test]
fn forbidden_user_namespaces_mean_no_run() {
    each(|world| {
        if world.user == 0 {
            return;
        }
        let line = format!(
            "ulimit -u 1 2>/dev/null; exec {} -c 'touch {}/made'",
            world.bin("sbsh").display(),
            world.outside.display()
        );
        let ran: Ran = world.command("/bin/bash").args(["-c", &line]).output().unwrap().into();
        assert!(!world.outside.join("made").exists(), "{}", ran.stderr);
        assert!(ran.status != Some(0) && ran.stderr.contains("sbsh: "), "{ran:?}");
    });
}

// CVE-2026-39861's class: what was planted inside is followed by something outside; ours must not.
#[test]
fn planted_links_in_the_private_directory_are_not_followed() {
    each(|world| {
        world.write(&world.outside.join("victim"), "old\n");
        let ran = world.run(&format!(
            "rm -rf $TMPDIR/x; ln -s {}/victim $TMPDIR/gone-2; ln -s {} $TMPDIR/link; echo $TMPDIR",
            world.outside.display(),
            world.outside.display()
        ));
        world.run("true");
        assert_eq!(fs::read_to_string(world.outside.join("victim")).unwrap(), "old\n");
        fs::remove_dir_all(ran.stdout.trim()).unwrap();
    });
}

// Own idea: environment that the outside would execute.
#[test]
fn the_environment_of_the_caller_starts_nothing_outside() {
    each(|world| {
        let evil = world.project.join("evil.sh");
        world.write(&evil, &format!("touch {}/made\n", world.outside.display()));
        for (name, value) in [
            ("BASH_ENV", evil.to_str().unwrap()),
            ("ENV", evil.to_str().unwrap()),
            ("LD_PRELOAD", "./evil.so"),
            ("BASH_FUNC_true%%", "() { touch ../outside/made; }"),
        ] {
            world.command(world.bin("sbsh")).env(name, value).args(["-c", "true"]).output().unwrap();
            assert!(!world.outside.join("made").exists(), "{name}");
        }
    });
}

// ESCAPES.md 4: the terminal. A real one, so that TIOCSTI would type into it.
#[test]
fn the_callers_terminal_cannot_be_typed_into() {
    each(|world| {
        if !Path::new("/usr/bin/script").exists() {
            skip("script(1) is not installed");
            return;
        }
        world.write(&world.project.join("sti.py"), "import fcntl, termios\nfor c in b'echo TYPED\\n':\n    try: fcntl.ioctl(0, termios.TIOCSTI, bytes([c]))\n    except OSError as e: print('errno', e.errno); break\n");
        let inner = format!(
            "{} -c 'python3 sti.py < /dev/tty'; read -t 0.2 x; echo \"got [$x]\"",
            world.bin("sbsh").display()
        );
        let mut child = world
            .command("script")
            .args(["-qec", &format!("/bin/bash -c '{}'", inner.replace('\'', "'\\''")), "/dev/null"])
            .env("SHELL", "/bin/bash")
            .env("TERM", "dumb")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = String::new();
        let keep = child.stdin.take();
        child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        drop(keep);
        child.wait().unwrap();
        assert!(output.contains("errno 1") && output.contains("got []"), "{output}");
    });
}

// ESCAPES.md 6: bubblewrap is not there. Hidden from sbsh by a mount of this test's own.
#[test]
fn without_bubblewrap_commands_are_confined_and_who_insists_on_it_is_told_how_to_get_it() {
    each(|world| {
        let Some(bubblewrap) = bubblewrap() else { return skip("bubblewrap hides itself in this test") };
        let text = format!("touch {}/made; touch inside", world.outside.display());
        let run = || -> Ran {
            let mut command = world.command(bubblewrap.to_str().unwrap());
            command.args(["--dev-bind", "/", "/", "--ro-bind", "/dev/null", "/usr/bin/bwrap", "--"]);
            command.arg(world.bin("sbsh")).args(["-c", &text]).output().unwrap().into()
        };
        let ran = run();
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert!(!world.outside.join("made").exists());
        assert!(world.project.join("inside").exists());
        fs::remove_file(world.project.join("inside")).unwrap();
        world.user_settings(r#"{"sandbox":{"backend":"bubblewrap"}}"#);
        let ran = run();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{}", ran.stderr);
        let lines: Vec<&str> = ran.stderr.lines().collect();
        assert!(lines[0].contains("bubblewrap (bwrap) is not installed"), "{}", ran.stderr);
        assert!(lines.iter().all(|line| line.starts_with("sbsh: ")) && lines.len() >= 2, "{}", ran.stderr);
        assert!(!world.project.join("inside").exists());
    });
}

// ESCAPES.md 6: the kernel refuses user namespaces (as AppArmor on Ubuntu and Docker's default profile do).
#[test]
fn without_user_namespaces_landlock_holds_and_who_insists_on_them_is_told_the_reason() {
    each(|world| {
        let Some(bubblewrap) = bubblewrap() else { return skip("bubblewrap forbids them in this test") };
        let text = format!("touch inside {}/made", world.outside.display());
        let run = || -> Ran {
            let mut command = world.command(bubblewrap.to_str().unwrap());
            command.args(["--unshare-user", "--disable-userns", "--dev-bind", "/", "/", "--"]);
            command.arg(world.bin("sbsh")).args(["-c", &text]).output().unwrap().into()
        };
        let ran = run();
        assert!(world.project.join("inside").exists(), "{}", ran.stderr);
        assert!(!world.outside.join("made").exists() && ran.status == Some(1), "{ran:?}");
        // What was started early, and has ended before it is told anything, is nothing to the command. (SIGPIPE was once.)
        for _ in 0..30 {
            let _ = fs::remove_dir_all(world.home.join(".local"));
            let ran = run();
            assert_eq!(ran.status, Some(1), "{ran:?}");
        }
        fs::remove_file(world.project.join("inside")).unwrap();
        for backend in ["bubblewrap", "namespaces"] {
            if backend == "bubblewrap" && without_bubblewrap() {
                continue;
            }
            world.user_settings(&format!(r#"{{"sandbox":{{"backend":"{backend}"}}}}"#));
            let ran = run();
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{}", ran.stderr);
            assert!(
                ran.stderr.contains("cannot confine the command") && ran.stderr.contains("user namespaces"),
                "{}",
                ran.stderr
            );
            assert!(!world.project.join("inside").exists());
        }
    });
}

// Own idea: a file that runs as this user for anybody else on the machine.
#[test]
fn no_set_user_id_file_is_left_for_others() {
    each(|world| {
        world.run(
            "cp /bin/true a; chmod u+s a; chmod 4755 a; install -m 4755 /bin/true b; \
             python3 -c \"import os; os.open('c', os.O_CREAT|os.O_WRONLY, 0o4755); os.chmod('a', 0o4755)\"; \
             python3 -c \"import os; os.mknod('d', 0o104755)\"; mkdir shared; chmod 2775 shared",
        );
        for entry in fs::read_dir(&world.project).unwrap() {
            let path = entry.unwrap().path();
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o4000, 0, "{}", path.display());
        }
        let shared = fs::metadata(world.project.join("shared")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&shared) & 0o2000, 0o2000);
    });
}

// Own idea: root without capabilities still owns the kernel's own files.
#[test]
fn the_kernels_settings_are_read_only() {
    each(|world| {
        let before = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
        let ran = world.run(
            "for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sysrq-trigger /sys/kernel/uevent_helper \
             /sys/fs/cgroup/cgroup.procs /sys/power/state /proc/sys/vm/drop_caches; do [ -e $f ] && (echo evil > $f) 2>/dev/null && echo WROTE $f; done; true",
        );
        assert_eq!(ran.stdout, "", "{}", ran.stderr);
        assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
        // Processes' own files are as ever, and the settings can be read.
        let ran = world.run(
            "echo 500 > /proc/self/oom_score_adj && cat /proc/self/oom_score_adj /proc/sys/kernel/ostype",
        );
        assert_eq!(ran.stdout, "500\nLinux\n", "{}", ran.stderr);
        // Nothing else in /proc but processes' own files may be opened for writing.
        world.write(&world.outside.join("look.py"), "import os\nfor top, directories, files in os.walk('/proc'):\n    if top == '/proc': directories[:] = [d for d in directories if not d.isdigit() and d not in ('self', 'thread-self', 'net')]\n    for f in files:\n        try: os.close(os.open(os.path.join(top, f), os.O_WRONLY | os.O_NONBLOCK)); print(os.path.join(top, f))\n        except OSError: pass\n");
        let ran = world.run(&format!("python3 {}/look.py", world.outside.display()));
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        // An ordinary user owns the settings of the sandbox's own namespaces (ipc, pid), which end with it, and everybody
        // may ask to be told of pressure.
        let own = [
            "/proc/sys/fs/mqueue/",
            "/proc/sys/kernel/msg",
            "/proc/sys/kernel/sem",
            "/proc/sys/kernel/shm",
            "/proc/sys/kernel/auto_msgmni",
            "/proc/sys/kernel/ns_last_pid",
            "/proc/sys/kernel/pid_max",
            "/proc/sys/net/",
            "/proc/pressure/",
        ];
        let foreign: Vec<&str> =
            ran.stdout.lines().filter(|l| world.user == 0 || !own.iter().any(|o| l.starts_with(o))).collect();
        assert_eq!(foreign, [] as [&str; 0]);
    });
}

// Own idea: a job of a wider root swaps the project for a link while the next command starts. What was canonical when
// the policy was built must still be itself when the mounts are planned; a root named through a link never is.
#[test]
fn a_root_that_is_a_link_by_now_opens_nothing() {
    each(|world| {
        let moving = world.project.join("moving");
        fs::create_dir(&moving).unwrap();
        world.give(&moving);
        // The caller stands in a directory that is replaced by a link before sbsh starts.
        let line = format!(
            "cd {0} && mv {0} {0}.old && ln -s {1} {0} && {2} -c 'echo evil > {1}/made; echo evil > {0}/made; true'",
            moving.display(),
            world.outside.display(),
            world.bin("sbsh").display()
        );
        world.command("/bin/bash").args(["-c", &line]).output().unwrap();
        assert!(!world.outside.join("made").exists());
    });
}
