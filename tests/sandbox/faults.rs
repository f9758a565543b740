//! Faults on the way: system calls that fail, limits, full and read-only disks, clocks that jump, processes that are killed or
//! stopped at any stage. Whatever happens, nothing is written outside, nothing hidden is read, nothing is left, and a command
//! that did not run has said why. docs/faults.md has the matrix; `.ci/faults` tries every call.

use crate::session::{RC, Session};
use crate::world::{Ran, World, by_landlock, has, is_root, not_here, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Users of whom there is nothing else on the machine, so that what is there is of these commands.
fn alone(number: u32) -> u32 {
    62_000 + std::process::id() % 150 * 18 + number
}

/// Runs a check with each way to build the boundary, as a user who is alone: `number` and the next are this check's.
fn each_backend(number: u32, check: impl Fn(&World)) {
    if !is_root() || by_landlock() {
        not_here("only root makes such faults, and only namespaces are taken away with what they hold");
        return;
    }
    for (more, backend) in (0..).zip(["bubblewrap", "namespaces"]) {
        if backend == "bubblewrap" && crate::world::without_bubblewrap() {
            continue;
        }
        let world = World::new(alone(number + more));
        world.user_settings(&format!(r#"{{"sandbox": {{"backend": "{backend}"}}}}"#));
        world.write(&world.home.join(".ssh/id_ed25519"), "SECRET\n");
        // What stays is there.
        assert_eq!(world.run("true").status, Some(0));
        check(&world);
        let _ = fs::remove_dir_all(private(&world));
    }
}

fn private(world: &World) -> PathBuf {
    format!("/tmp/sbsh-{}", world.user).into()
}

/// What tries everything that must not be, and then does what it may.
fn text(world: &World) -> String {
    format!(
        "exec 2>/dev/null; echo x > {}/written; cat {}/.ssh/id_ed25519; echo evil > .envrc; echo x > made && echo ran",
        world.outside.display(),
        world.home.display()
    )
}

/// The user's processes that have not ended.
fn processes(world: &World) -> Vec<(Pid, String)> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let ours = line("Uid:")?.split('\t').any(|number| number == world.user.to_string());
        let lives = !line("State:")?.starts_with('Z');
        let process = entry.file_name().to_str()?.parse().ok()?;
        (ours && lives).then(|| (Pid::from_raw(process), line("Name:").unwrap_or_default().to_owned()))
    })
    .collect()
}

/// Everything below the private directory but the tops, which stay.
fn left(world: &World) -> Vec<PathBuf> {
    fn below(directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.flat_map(|path| [vec![path.clone()], below(&path)].concat()).collect()
    }
    let tops = ["t", "blind", "sessions", "approve"];
    let stays = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        path.parent() == Some(&private(world)) && tops.iter().any(|top| name.starts_with(top))
    };
    below(&private(world)).into_iter().filter(|path| !stays(path)).collect()
}

/// What must hold after every fault; `said` is on both streams, of a run that has ended.
#[track_caller]
fn nothing_happened(world: &World, fault: &str, stdout: &str) {
    until(|| processes(world).is_empty());
    assert!(!stdout.contains("SECRET"), "{fault}: a key was read");
    assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 0, "{fault}: written outside");
    assert!(!world.project.join(".envrc").exists(), "{fault}: planted");
    assert!(!stdout.contains("ran\n") || world.project.join("made").exists(), "{fault}: {stdout}");
    let _ = fs::remove_file(world.project.join("made"));
    assert_eq!(fs::read_dir(&world.project).unwrap().count(), 1, "{fault}: left in the project");
    assert_eq!(left(world), Vec::<PathBuf>::new(), "{fault}");
}

/// And where it was no signal: it ran, or somebody has said why not.
#[track_caller]
fn is_told(fault: &str, ran: &Ran) {
    assert!(!ran.stderr.contains("panicked"), "{fault}: {ran:?}");
    if !ran.stdout.contains("ran\n") {
        assert!(ran.status != Some(0), "{fault}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{fault}: {ran:?}");
    }
}

/// `program` with its arguments, and then the command.
fn under(world: &World, program: &str, arguments: &[&str]) -> Command {
    let mut command = session_under(world, program, arguments);
    command.args(["-c", &text(world)]);
    command
}

/// The same with a session, where there is a terminal.
fn session_under(world: &World, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&world.project).env_clear().stdin(Stdio::null());
    command.arg("setpriv").args([format!("--reuid={0}", world.user), format!("--regid={0}", world.user)]);
    command.args(["--clear-groups", "env", "-i", "PATH=/usr/bin:/bin", "SBSH_SESSION=faults"]);
    command.arg(format!("HOME={}", world.home.display())).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(["TERM=xterm", "SHELL=/bin/bash"]).arg(world.bin("sbsh"));
    command
}

fn with_failing(world: &World, call: &str, fault: &str, number: usize) -> Ran {
    let inject = format!("inject={call}:{fault}:when={number}");
    let trace = format!("trace={call}");
    let arguments = ["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    under(world, "strace", &arguments).output().unwrap().into()
}

/// What the line editor has for its keys is made once, and it asked a terminal for ever that it could not read.
#[test]
fn a_session_that_cannot_read_keys_says_so_and_ends() {
    if !has(&["strace", "setpriv"]) {
        return;
    }
    each_backend(14, |world| {
        let fault = "inject=epoll_create1:error=EMFILE:when=1";
        let arguments = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=epoll_create1", "-e", fault];
        let mut session = Session::of(session_under(world, "strace", &arguments));
        let status = session.ends();
        assert!(session.raw.contains("cannot read keys"), "{status}: {}", session.raw);
        nothing_happened(world, fault, &session.raw);
    });
}

/// Where the descriptors of a session have no numbers, the shell inside reads its lines by itself.
#[test]
fn a_session_with_few_descriptors_is_one_all_the_same() {
    if !has(&["prlimit", "setpriv"]) {
        return;
    }
    each_backend(16, |world| {
        world.write(&world.home.join(".bashrc"), RC);
        for limit in ["40", "206", "210"] {
            let mut session = Session::of(session_under(world, "prlimit", &[&format!("--nofile={limit}")]));
            session.wait("the prompt", |session| session.shown().contains("ready> "));
            session.types("echo fi''rst\r");
            session.until("first");
            session.types("exit\r");
            assert_eq!(session.ends(), 0, "{limit}: {}", session.raw);
        }
    });
}

/// In every process of a run the call of that number fails. Those that found something, and one of each kind.
#[test]
fn calls_that_fail_open_nothing_and_leave_nothing() {
    if !has(&["strace", "setpriv"]) {
        return;
    }
    each_backend(0, |world| {
        for (call, error, number) in [
            ("clone", "EAGAIN", 1),
            ("clone", "ENOMEM", 2),
            ("unshare", "ENOSPC", 1),
            ("unshare", "EPERM", 2),
            ("socketpair", "EMFILE", 1),
            ("socketpair", "ENOBUFS", 3),
            ("socket", "EMFILE", 1),
            ("pipe2", "EMFILE", 1),
            ("pipe2", "EMFILE", 4),
            ("pipe2", "ENFILE", 5),
            // A socket of the session's registry that never listened stayed.
            ("listen", "EADDRINUSE", 1),
            ("rename", "ENOSPC", 1),
            // A call waited for ever for an answer that could not be given, or for a gatekeeper that could not be had.
            ("sendmsg", "ENOBUFS", 1),
            ("sendmsg", "ENOBUFS", 2),
            ("recvmsg", "ENOMEM", 1),
            ("recvmsg", "EINTR", 1),
            ("mount", "EPERM", 3),
            ("open_tree", "ENOMEM", 4),
            ("move_mount", "EPERM", 2),
            ("mkdir", "ENOSPC", 1),
            // bubblewrap's child waited for one that was gone.
            ("openat", "EMFILE", 12),
            ("prctl", "EINVAL", 8),
            ("seccomp", "EINVAL", 1),
            ("execve", "ENOMEM", 2),
            ("write", "ENOSPC", 2),
            ("signalfd4", "EMFILE", 1),
            ("epoll_create1", "EMFILE", 1),
        ] {
            let ran = with_failing(world, call, &format!("error={error}"), number);
            let fault = format!("{call}, {error}, number {number}: {ran:?}");
            nothing_happened(world, &fault, &ran.stdout);
            is_told(&fault, &ran);
        }
    });
}

/// Private keys were readable where the directory with them could not be listed, and hidden files where they could not be
/// looked at: what fails for us does not fail for the command.
#[test]
fn what_cannot_be_looked_at_stops_the_command() {
    if !has(&["strace", "setpriv"]) {
        return;
    }
    each_backend(2, |world| {
        let keys = world.home.join(".ssh");
        world.write(&world.home.join(".netrc"), "SECRET\n");
        // Whichever of them the C library makes, and the processor has.
        let (opens, looks) = ("?open,openat", "?stat,?lstat,?statx,newfstatat");
        for (call, path, error) in [
            (opens, keys.clone(), "EMFILE"),
            (opens, keys.clone(), "EIO"),
            (looks, keys.join("id_ed25519"), "EIO"),
            (looks, world.home.join(".netrc"), "ENOMEM"),
            (looks, world.project.join(".envrc"), "EIO"),
        ] {
            // Every such call that names this very path.
            let inject = format!("inject={call}:error={error}");
            let path = path.display().to_string();
            let arguments = ["-f", "-qq", "-o", "/dev/null", "-P", &path, "-e", &inject];
            let ran = Ran::from(under(world, "strace", &arguments).output().unwrap());
            let fault = format!("{call} of {path}, {error}: {ran:?}");
            nothing_happened(world, &fault, &ran.stdout);
            assert!(ran.status == Some(126) && !ran.stdout.contains("ran"), "{fault}");
            assert!(ran.stderr.contains(&format!("cannot look at '{path}'")), "{fault}");
        }
    });
}

/// Every number of open files, of processes and of bytes that a caller may have left.
#[test]
fn limits_however_low_open_nothing_and_leave_nothing() {
    if !has(&["prlimit", "setpriv"]) {
        return;
    }
    each_backend(4, |world| {
        let files = (3..60).step_by(6).map(|number| format!("--nofile={number}:{number}"));
        let processes = (1..10).step_by(3).map(|number| format!("--nproc={number}:{number}"));
        let sizes = [0, 1, 100, 5_000].map(|number| format!("--fsize={number}:{number}"));
        let memory = [24, 32, 64, 128].map(|number| format!("--as={0}:{0}", number << 20));
        for limit in files.chain(processes).chain(sizes).chain(memory) {
            let ran = Ran::from(under(world, "prlimit", &[&limit]).output().unwrap());
            let fault = format!("{limit}: {ran:?}");
            nothing_happened(world, &fault, &ran.stdout);
            is_told(&fault, &ran);
            assert!(!limit.starts_with("--nproc") || !ran.stderr.contains("user namespaces"), "{fault}");
        }
    });
}

/// Disks that are full, read-only, or of somebody else, under each place that is written.
#[test]
fn disks_that_take_nothing_open_nothing() {
    if !has(&["unshare", "setpriv"]) {
        return;
    }
    each_backend(6, |world| {
        let (home, user) = (world.home.display(), world.user);
        let state = world.home.join(".local/state/sbsh");
        let full = |place: &str, mode: &str| {
            format!(
                "mount -t tmpfs -o size=16k,uid={user},gid={user},mode={mode} tmpfs {place}; dd if=/dev/zero of={place}/full 2>/dev/null; "
            )
        };
        let keys = format!(
            "mkdir -p {home}/.ssh; echo SECRET > {home}/.ssh/id_ed25519; chown -R {user} {home}/.ssh; "
        );
        for (what, prepare, runs) in [
            ("a full /tmp", full("/tmp", "1777"), None),
            ("full /tmp and /var/tmp's directory", full("/tmp", "1777") + "touch /tmp/sbsh-{user}; ", None),
            ("a read-only /tmp", "mount -t tmpfs -o ro,mode=1777 tmpfs /tmp; ".to_owned(), None),
            ("a full place for the log", full(&state.display().to_string(), "700"), Some(true)),
            (
                "a read-only home",
                format!("mount --bind -o ro {home} {home}; mount -o remount,bind,ro {home}; "),
                Some(true),
            ),
            ("a home that is gone", format!("mount -t tmpfs -o mode=000 tmpfs {home}; "), None),
            ("a full home", format!("{keys}{}", full(&format!("{home}/.local"), "700")), Some(true)),
            (
                "a log that is a directory",
                format!(
                    "mount -t tmpfs -o uid={user},mode=700 tmpfs {}; mkdir {}/audit.jsonl; ",
                    state.display(),
                    state.display()
                ),
                Some(true),
            ),
        ] {
            let script = format!("{prepare} exec \"$@\"");
            let ran =
                Ran::from(under(world, "unshare", &["-m", "sh", "-c", &script, "sh"]).output().unwrap());
            let fault = format!("{what}: {ran:?}");
            nothing_happened(world, &fault, &ran.stdout);
            is_told(&fault, &ran);
            assert!(runs.is_none_or(|runs| ran.stdout.contains("ran\n") == runs), "{fault}");
            if what.contains("log") {
                // Once, and not for every line.
                assert_eq!(ran.stderr.matches("log").count().min(1), 1, "{fault}");
            }
            let _ = fs::remove_dir_all(format!("/var/tmp/sbsh-{user}"));
        }
        // With a log that must be kept nothing runs without it.
        world.user_settings(r#"{"sandbox": {"audit": {"required": true}}}"#);
        let script = format!("{} exec \"$@\"", full(&state.display().to_string(), "700"));
        let ran = Ran::from(under(world, "unshare", &["-m", "sh", "-c", &script, "sh"]).output().unwrap());
        nothing_happened(world, "a log that is required", &ran.stdout);
        assert!(!ran.stdout.contains("ran") && ran.status == Some(126), "{ran:?}");
    });
}

/// Clocks that the machine's own know nothing of: what is timed ends, and what was begun before its own beginning too.
#[test]
fn clocks_that_jump_hold_nothing_up() {
    let times = Command::new("unshare").args(["-T", "true"]).output().is_ok_and(|ran| ran.status.success());
    if !has(&["unshare", "setpriv", "touch"]) || !times {
        return not_here("there are no time namespaces");
    }
    each_backend(8, |world| {
        for offset in ["315360000", "1"] {
            let arguments = ["-T", "--fork", "--monotonic", offset, "--boottime", offset];
            let ran = Ran::from(under(world, "unshare", &arguments).output().unwrap());
            nothing_happened(world, &format!("{offset} s: {ran:?}"), &ran.stdout);
            assert!(ran.stdout.contains("ran\n"), "{ran:?}");
        }
        // As after a clock that went back: everything is of tomorrow.
        let tomorrow = format!(
            "find {} {} -exec touch -h -d '10 years' {{}} +; exec \"$@\"",
            private(world).display(),
            world.home.display()
        );
        let ran = Ran::from(under(world, "sh", &["-c", &tomorrow, "sh"]).output().unwrap());
        nothing_happened(world, &format!("of tomorrow: {ran:?}"), &ran.stdout);
        assert!(ran.stdout.contains("ran\n"), "{ran:?}");
    });
}

/// The process that makes its call of that number is killed, in every process that gets so far: each of ours, at many stages.
#[test]
fn whoever_is_killed_at_whatever_call_nothing_is_left() {
    if !has(&["strace", "setpriv"]) {
        return;
    }
    each_backend(10, |world| {
        for (call, numbers) in [
            ("clone", &[1, 2, 3][..]),
            ("openat", &[12, 40, 80]),
            ("write", &[1, 3]),
            ("read", &[5, 9]),
            ("mount", &[1, 8]),
            ("sendmsg", &[1, 2]),
            ("recvmsg", &[1, 2]),
            ("prctl", &[4, 8]),
            ("socket", &[1, 3]),
        ] {
            for &number in numbers {
                let ran = with_failing(world, call, "signal=KILL", number);
                let fault = format!("killed at {call}, number {number}: {ran:?}");
                until(|| processes(world).is_empty());
                // Its entry in the session's registry may stay: a later command's to take away (`network::loopback::seat`).
                let _ = fs::remove_dir_all(private(world).join("sessions"));
                nothing_happened(world, &fault, &ran.stdout);
            }
        }
    });
}

/// Each process of ours is stopped while a command works: what depends on it waits, and goes on after SIGCONT, or ends if the
/// front was killed meanwhile.
#[test]
fn who_is_stopped_holds_up_and_lets_go() {
    each_backend(12, |world| {
        // All at once: the command takes it away as soon as it sees it.
        let go = || {
            world.write(&world.home.join("go"), "");
            fs::rename(world.home.join("go"), world.project.join("go")).unwrap();
        };
        let begin = || {
            let mut command = world.command(world.bin("sbsh"));
            command.env("SBSH_SESSION", "faults").stdout(Stdio::piped()).stderr(Stdio::piped());
            let text =
                format!("touch begun; until [ -e go ]; do sleep 0.02; done; rm begun go; {}", text(world));
            let child = command.args(["-c", &text]).spawn().unwrap();
            until(|| world.project.join("begun").exists());
            child
        };
        let mut turns = 0..;
        let ours = loop {
            let (place, goes_on) = turns.next().map(|turn| (turn / 2, turn % 2 == 0)).unwrap();
            let child = begin();
            // The shell and its sleep are not ours.
            let mut ours = processes(world);
            ours.retain(|(_, name)| name != "sleep" && name != "bash" && name != "touch");
            let front = Pid::from_raw(child.id().try_into().unwrap());
            let Some((process, name)) = ours.get(place).cloned() else {
                go();
                let ran = Ran::from(child.wait_with_output().unwrap());
                nothing_happened(world, "at the end", &ran.stdout);
                break ours;
            };
            kill(process, Signal::SIGSTOP).unwrap();
            if goes_on {
                go();
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(50) {
                    std::thread::yield_now();
                }
                kill(process, Signal::SIGCONT).unwrap();
                let ran = Ran::from(child.wait_with_output().unwrap());
                nothing_happened(world, &format!("{name} stopped: {ran:?}"), &ran.stdout);
                assert!(ran.stdout.contains("ran\n") && ran.status == Some(0), "{name}: {ran:?}");
            } else {
                kill(front, Signal::SIGKILL).unwrap();
                // Whoever stands still ends what it is to end when it goes on.
                let _ = kill(process, Signal::SIGCONT);
                let ran = Ran::from(child.wait_with_output().unwrap());
                until(|| processes(world).is_empty());
                assert_eq!(ran.signal, Some(9), "{name}");
                let _ = fs::remove_file(world.project.join("begun"));
                nothing_happened(world, &format!("{name} stopped, then all killed"), &ran.stdout);
            }
        };
        // Front, caretaker and the first process inside, at least; bubblewrap, and the session's gateway.
        assert!(ours.len() >= 3, "{ours:?}");
    });
}
