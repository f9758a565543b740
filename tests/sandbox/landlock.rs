//! The boundary by Landlock, by name: what is special about it. That it holds what the others hold is for the whole suite to
//! say, run where namespaces are refused.

use crate::network_fallbacks::WITHOUT;
use crate::session::{RC, Session, each_with};
use crate::terminal::terminal_command;
use crate::world::{Ran, World, each, not_here, until};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

/// A check in a world whose settings want Landlock.
fn by_landlock(filesystem: &str, check: impl Fn(&World)) {
    if sbsh::system::landlock::version().is_none() {
        return not_here("this kernel has no Landlock");
    }
    each(|world| {
        let sandbox = format!(r#"{{"sandbox":{{"backend":"landlock","filesystem":{{{filesystem}}}}}}}"#);
        world.user_settings(&sandbox.replace("HOME", world.home.to_str().unwrap()));
        check(world);
    });
}

fn python(world: &World, text: &str) -> Ran {
    world.run(&format!("python3 - <<'END'\n{text}\nEND\n"))
}

/// A repository as git makes them, beside which nothing is one tree any more.
fn with_repository(world: &World) {
    for (name, text) in [(".git/config", "[core]\n"), (".git/hooks/x.sample", ""), ("src/a", "a\n")] {
        let path = world.project.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        world.write(&path, text);
        for above in path.ancestors().skip(1).take_while(|above| above.starts_with(&world.project)) {
            world.give(above);
        }
    }
}

#[test]
fn directories_beside_something_protected_can_be_worked_in_as_ever() {
    by_landlock("", |world| {
        with_repository(world);
        let ran = world.run(
            "set -e; echo 1 > new; echo 2 >> new; mkdir d; echo 3 > d/f; mv d e; rm -r src; mkdir src; echo 4 > src/a; \
             mv src/a b; ln b c; ln -s b l; chmod 600 b; truncate -s 1 c; touch -d @0 b; mkfifo p; mv new src/new; \
             cat e/f l src/new; stat -c '%a %Y %s' c; echo x > .git/index.lock; mv .git/index.lock .git/index; \
             python3 -c 'import os; f = os.open(\"b\", os.O_RDONLY); os.fchmod(f, 0o640); os.utime(f, (5, 5))'; \
             stat -c '%a %Y' b",
        );
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(0), "3\n41\n2\n600 0 1\n640 5\n"),
            "{}",
            ran.stderr
        );
    });
}

// Own idea: the path that the gatekeeper sees is another one when the kernel looks.
#[test]
fn a_path_that_changes_while_it_is_looked_at_leads_to_nothing_protected() {
    by_landlock("", |world| {
        with_repository(world);
        world.write(&world.home.join("mine"), "mine\n");
        fs::set_permissions(world.home.join("mine"), fs::Permissions::from_mode(0o644)).unwrap();
        let program = r#"
import ctypes, os, threading
libc = ctypes.CDLL(None, use_errno=True)
project, home = os.getcwd().encode(), os.environ['HOME'].encode()
def race(good, bad, call, rounds=1500):
    size = max(len(good), len(bad)) + 1
    path, over = ctypes.create_string_buffer(good, size), threading.Event()
    def swap():
        while not over.is_set():
            ctypes.memmove(path, bad.ljust(size, b'\0'), size)
            ctypes.memmove(path, good.ljust(size, b'\0'), size)
    thread = threading.Thread(target=swap); thread.start()
    for _ in range(rounds): call(path)
    over.set(); thread.join()
def write(path):
    f = libc.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    if f >= 0: os.write(f, b'evil\n'); os.close(f)
for good in (project + b'/src/a', project + b'/top'):
    for bad in (project + b'/.git/config', home + b'/mine'):
        race(good, bad, write)
        race(good, bad, lambda path: libc.chmod(path, 0o777))
        race(good, bad, lambda path: libc.truncate(path, 1))
        race(good, bad, lambda path: libc.link(path, project + b'/src/linked') == 0 and os.unlink('src/linked'))
print('raced')
"#;
        let ran = python(world, program);
        assert_eq!(ran.stdout, "raced\n", "{}", ran.stderr);
        assert_eq!(fs::read_to_string(world.project.join(".git/config")).unwrap(), "[core]\n");
        assert_eq!(fs::read_to_string(world.home.join("mine")).unwrap(), "mine\n");
        for path in [world.project.join(".git/config"), world.home.join("mine")] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o644);
        }
    });
}

// Landlock has no right for any of these.
#[test]
fn what_was_opened_for_reading_is_not_changed() {
    by_landlock("", |world| {
        world.write(&world.home.join("mine"), "mine\n");
        fs::set_permissions(world.home.join("mine"), fs::Permissions::from_mode(0o600)).unwrap();
        let before = world.state(&world.home);
        let program = r#"
import fcntl, os
f = os.open(os.environ['HOME'] + '/mine', os.O_RDONLY)
d = os.open(os.environ['HOME'], os.O_RDONLY)
p = os.open(os.environ['HOME'] + '/mine', os.O_PATH)
def attempt(name, call):
    try: call(); print('did', name)
    except OSError: pass
for o in (f, d):
    attempt('fchmod', lambda: os.fchmod(o, 0o777))
    attempt('fchown', lambda: os.fchown(o, os.getuid(), os.getgid()))
    attempt('futimens', lambda: os.utime(o, (1, 1)))
    attempt('fsetxattr', lambda: os.setxattr(o, 'user.x', b'y'))
    attempt('flags', lambda: fcntl.ioctl(o, 0x40086602, b'\x40\0\0\0\0\0\0\0'))
attempt('by proc', lambda: os.chmod(f'/proc/self/fd/{p}', 0o777))
attempt('by proc', lambda: os.truncate(f'/proc/self/fd/{p}', 0))
attempt('by proc', lambda: os.close(os.open(f'/proc/self/fd/{f}', os.O_WRONLY)))
print('tried')
"#;
        let ran = python(world, program);
        assert_eq!(ran.stdout, "tried\n", "{}", ran.stderr);
        assert_eq!(world.state(&world.home), before);
        assert_ne!(fs::metadata(world.home.join("mine")).unwrap().modified().unwrap(), std::time::UNIX_EPOCH);
    });
}

#[test]
fn what_must_not_be_read_is_not_and_what_is_made_beside_it_is() {
    by_landlock(r#""denyRead":["HOME/vault"]"#, |world| {
        let vault = world.home.join("vault");
        fs::create_dir(&vault).unwrap();
        world.give(&vault);
        world.write(&vault.join("key"), "secret\n");
        let settings = world.project.join(".claude/settings.json");
        world.write(&settings, r#"{"permissions":{"deny":["Read(./.env)"]}}"#);
        world.write(&world.project.join(".env"), "secret\n");
        let ran = world.run(
            "echo made > new; cat new; mkdir d; echo below > d/f; cat d/f; cat .env; cat ~/vault/key; ln .env e; cat e; \
             ln ~/vault/key k; cat k; mv .env f; cat f; cat /proc/self/root$HOME/vault/key; cd ~/vault; cat key; \
             python3 -c 'import os; os.execv(\".env\", [\"x\"])'",
        );
        assert!(!ran.stdout.contains("secret") && !ran.stderr.contains("secret"), "{ran:?}");
        assert_eq!(ran.stdout, "made\nbelow\n", "{}", ran.stderr);
    });
}

#[test]
fn nothing_outside_is_signalled_traced_or_looked_into_and_nobody_is_let_in() {
    by_landlock("", |world| {
        let mut other = world.command("sleep").arg("100").env("TOKEN", "secret").spawn().unwrap();
        let program = format!(
            r#"
import ctypes, os, resource, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
other = {other}
def attempt(name, call):
    try: print('did', name, call())
    except OSError: pass
attempt('kill', lambda: os.kill(other, 15))
attempt('pidfd', lambda: signal.pidfd_send_signal(os.pidfd_open(other), 15))
attempt('environ', lambda: open(f'/proc/{{other}}/environ').read())
attempt('memory', lambda: open(f'/proc/{{other}}/mem', 'rb').read(1))
attempt('root', lambda: os.listdir(f'/proc/{{other}}/root'))
attempt('limits', lambda: resource.prlimit(other, resource.RLIMIT_CPU, (1, 1)))
attempt('priority', lambda: os.setpriority(os.PRIO_PROCESS, other, 19))
attempt('priorities', lambda: os.setpriority(os.PRIO_USER, 0, 19))
attempt('processors', lambda: os.sched_setaffinity(other, [min(os.sched_getaffinity(0))]))
attempt('schedule', lambda: os.sched_setscheduler(other, os.SCHED_IDLE, os.sched_param(0)))
attempt('schedule again', lambda: os.sched_setparam(other, os.sched_param(0)))
os.sched_setaffinity(0, os.sched_getaffinity(0))
if libc.ptrace(16, other, 0, 0) == 0: print('did ptrace')
if libc.shmget(0, 4096, 0o1600) >= 0: print('did shmget')
def listen(family, kind, name):
    s = socket.socket(family, kind); s.bind(name); s.listen(1); return s
attempt('tcp', lambda: listen(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 0)))
attempt('any', lambda: listen(socket.AF_INET, socket.SOCK_STREAM, ('0.0.0.0', 18234)))
def unbound():
    s = socket.socket(); s.listen(1); return s
attempt('unbound', unbound)
attempt('abstract', lambda: listen(socket.AF_UNIX, socket.SOCK_STREAM, '\0sbsh-test'))
attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt('fast open', lambda: socket.socket().sendto(b'x', socket.MSG_FASTOPEN, ('127.0.0.1', 1)))
listen(socket.AF_UNIX, socket.SOCK_STREAM, 'own')
print('tried')
"#,
            other = other.id()
        );
        let ran = python(world, &program);
        assert_eq!(ran.stdout, "tried\n", "{}", ran.stderr);
        assert!(other.try_wait().unwrap().is_none());
        let policy = fs::read_to_string(format!("/proc/{}/sched", other.id())).unwrap_or_default();
        assert!(!policy.lines().any(|line| line.starts_with("policy") && !line.ends_with(" 0")), "{policy}");
        other.kill().unwrap();
        other.wait().unwrap();
    });
}

#[test]
fn whoever_kills_the_first_process_ends_all_that_it_led() {
    by_landlock("", |world| {
        let text = "(setsid sleep 1234 &) ; setsid sh -c 'sleep 1234; sleep 1234' & echo ready $PPID; wait";
        let mut child =
            world.command(world.bin("sbsh")).args(["-c", text]).stdout(Stdio::piped()).spawn().unwrap();
        let mut words = Vec::new();
        let mut output = child.stdout.take().unwrap();
        while words.last() != Some(&b'\n') {
            let mut byte = [0];
            output.read_exact(&mut byte).unwrap();
            words.push(byte[0]);
        }
        let words = String::from_utf8(words).unwrap();
        let first: i32 = words.trim().strip_prefix("ready ").unwrap().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::Signal::SIGKILL).unwrap();
        // Its end comes when none of them holds it any more.
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        child.wait().unwrap();
        until(|| !std::path::Path::new(&format!("/proc/{first}")).exists());
    });
}

#[test]
fn a_nested_start_knows_that_it_is_inside_and_nothing_outside_can_claim_it() {
    by_landlock("", |world| {
        let sbsh = world.bin("sbsh").display().to_string();
        let ran = world.run(&format!("{sbsh} -c 'echo nested; touch {}/made'", world.outside.display()));
        assert!(ran.stdout == "nested\n" && !ran.stderr.contains("cannot confine"), "{ran:?}");
        let text = "grep -c . /proc/self/status > /dev/null; grep Seccomp_filters /proc/self/status";
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .args(["-c", text])
            .env("SBSH_INSIDE", "1")
            .env("SBSH", "1")
            .output()
            .unwrap()
            .into();
        assert!(ran.stdout.trim().ends_with(|last: char| last != '0'), "{ran:?}");
        assert!(!world.outside.join("made").exists());
    });
}

/// `auto` takes it where no namespaces can be made, and says so to whoever sits there.
#[test]
fn a_session_that_has_no_namespaces_is_told_what_confines_it() {
    each_with(RC, |world| {
        let mut command = terminal_command(world, "/usr/bin/python3");
        command.args(["-c", WITHOUT, "any"]).arg(world.bin("sbsh"));
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("PWD", &world.project);
        let mut session = Session::of(command);
        session.over();
        session.until("Landlock confines this session");
        let held = format!("echo x >{}/made || echo he\"\"ld", world.outside.display());
        session.types(&format!("{held}\r"));
        session.answers("n", "no");
        assert!(session.over().output.contains("held\n"));
        assert!(!world.outside.join("made").exists());
        assert_eq!(session.line("echo here >file; cat file").output, "here\n");
    });
}

fn in_container(world: &World, words: &[&str]) -> Ran {
    let mut command = world.command("/usr/bin/python3");
    command.args(["-c", WITHOUT, "container"]).arg(world.bin(words[0])).args(&words[1..]);
    command.output().unwrap().into()
}

// Found in Docker itself: with its default filter nothing could be written beside a repository, protected names could be
// made, and nothing was reached over the network.
#[test]
fn a_containers_default_filter_takes_nothing_from_files() {
    each(|world| {
        with_repository(world);
        let text = "echo x >f; mkdir d; mv f d/g; chmod 600 d/g; cat d/g; git init -q new && ls new/.git/HEAD
            echo y >.bashrc; mkdir .git/hooks/x; touch -d @0 .git/config; ln -s x .git/hooks/post-checkout; ls -A | tr '\\n' ' '
            python3 -c 'import socket; a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.send(b\"one\"); print(b.recv(9))'
            echo z >../outside/made; exit 3";
        let ran = in_container(world, &["sbsh", "-c", text]);
        let expected = "x\nnew/.git/HEAD\n.claude .git d new src b'one'\n";
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(3), expected),
            "as {}: {}",
            world.user,
            ran.stderr
        );
        for name in [".bashrc", "hooks/x", "hooks/post-checkout", "outside/made"] {
            assert!(
                ran.stderr.lines().any(|line| line.starts_with("sbsh: ") && line.contains(name)),
                "{name}: {ran:?}"
            );
        }
        assert!(!world.outside.join("made").exists());
        let found = in_container(world, &["sbshctl", "doctor"]);
        assert!(found.stdout.contains("commands are confined by landlock"), "{found:?}");
        assert!(found.stdout.contains("a filter refuses pidfd_getfd"), "{found:?}");
    });
}

// Succeeded as an ordinary user: the gatekeeper could not read the names of whoever hid its memory, and left them to the
// kernel. Own idea.
#[test]
fn whoever_hides_its_memory_makes_no_protected_names() {
    by_landlock("", |world| {
        let hidden = world.project.join("hidden");
        fs::copy(fs::canonicalize("/usr/bin/python3").unwrap(), &hidden).unwrap();
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o111)).unwrap();
        world.give(&hidden);
        let program = "import ctypes, os
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
def tried(act):
    try: act()
    except OSError: pass
tried(lambda: open('.bashrc', 'w'))
tried(lambda: os.mkdir('.git'))
tried(lambda: os.symlink('x', '.zshrc'))
tried(lambda: os.rename('mine', '.profile'))
tried(lambda: os.link('mine', '.mcp.json'))
tried(lambda: os.mkfifo('.bash_profile'))
print([name for name in sorted(os.listdir('.')) if name not in ('.claude', '.git', 'hidden', 'mine', 'program')])";
        for python in ["python3", "./hidden"] {
            let ran = world.run(&format!(
                "cat >program <<'END'\n{program}\nEND\ntouch mine; {python} program; rm -rf .git"
            ));
            assert_eq!(ran.stdout, "[]\n", "{python} as {}: {ran:?}", world.user);
            assert!(!ran.stderr.contains("took '"), "nothing had to be swept: {ran:?}");
        }
    });
}
