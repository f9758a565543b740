//! Ways out that stand in no list: what one command leaves so that sbsh misreads it before the next, what a descriptor for
//! reading is good for, and what git obeys elsewhere. Each was tried against the built binary; "Succeeded" in front of a
//! test says that it went through then. docs/escapes.md lists them.

use crate::world::{Ran, World, each, has};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Stdio};

/// The command in another directory.
fn run_in(world: &World, directory: &Path, text: &str) -> Ran {
    world.command(world.bin("sbsh")).current_dir(directory).args(["-c", text]).output().unwrap().into()
}

fn directory(world: &World, path: &Path) {
    fs::create_dir_all(path).unwrap();
    for step in path
        .ancestors()
        .take_while(|step| step.starts_with(&world.project) || step.starts_with(&world.outside))
    {
        world.give(step);
    }
}

/// Everything of the user's can be looked into again, whatever the command closed.
fn open_again(paths: &[&Path]) {
    for path in paths {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

// Succeeded: the project's `.claude` could not be seen any more, so the project around it was taken, and was writable.
#[test]
fn a_project_that_closes_itself_is_not_taken_for_the_one_around_it() {
    each(|world| {
        let (around, inner) = (world.outside.join("around"), world.outside.join("around/inner"));
        for path in [&around.join(".claude"), &inner.join(".claude")] {
            directory(world, path);
        }
        world.write(&inner.join(".claude/settings.json"), r#"{"permissions": {"deny": ["Bash(touch:*)"]}}"#);
        for mode in ["000", "600", "400"] {
            // The caller stands in it, as agents do.
            let line = format!(
                "{0} -c 'chmod {mode} .'; {0} -c 'touch {1}/made; echo evil > {1}/made'; echo $?",
                world.bin("sbsh").display(),
                around.display()
            );
            let ran: Ran =
                world.command("/bin/bash").current_dir(&inner).args(["-c", &line]).output().unwrap().into();
            open_again(&[&inner]);
            assert!(!around.join("made").exists(), "{mode}: {ran:?}");
            // Denied by the rule (nothing is closed to root), or not looked at: never run.
            assert_eq!(ran.stdout, "126\n", "{mode}: {ran:?}");
        }
        assert_eq!(run_in(world, &inner, "echo still").stdout, "still\n");
    });
}

// Succeeded: a project made by a command within a project had its own rules alone, in whatever was started there.
#[test]
fn a_project_made_within_a_project_does_not_shake_off_its_rules() {
    each(|world| {
        directory(world, &world.project.join(".claude"));
        world.write(&world.project.join("secret"), "PRIVATE");
        world.write(
            &world.project.join(".claude/settings.json"),
            r#"{"sandbox": {"filesystem": {"denyRead": ["./secret"], "allowWrite": ["../outside"]}}, "permissions": {"deny": ["Bash(touch:*)"], "allow": ["Bash(cat:*)"]}}"#,
        );
        // What widens there does not count here, trusted or not.
        assert_eq!(world.control(&["trust", "--yes"]).status, Some(0));
        world.run("mkdir -p sub/.claude; echo '{}' > sub/.claude/settings.json");
        let sub = world.project.join("sub");
        assert!(sub.join(".claude/settings.json").exists());
        let ran = run_in(world, &sub, "touch made");
        assert_eq!(ran.status, Some(126), "{ran:?}");
        let ran = run_in(
            world,
            &sub,
            "cat ../secret; echo x > here; echo x > ../up; echo x > ../../outside/made; ls",
        );
        assert!(!ran.stdout.contains("PRIVATE") && ran.stdout.ends_with("here\n"), "{ran:?}");
        assert!(!world.project.join("up").exists() && !world.outside.join("made").exists(), "{ran:?}");
        // Without a word about what does not count.
        assert!(!ran.stderr.contains("ignored"), "{ran:?}");
        // Broken settings there stop everything, as those here do.
        world.write(&world.project.join(".claude/settings.json"), "{");
        assert_eq!(run_in(world, &sub, "echo ran").stdout, "");
    });
}

// Succeeded: what must not be read in a directory that was closed was not found by the next command, which opened it.
#[test]
fn a_closed_directory_hides_no_secret_from_the_next_command() {
    each(|world| {
        let (sub, deep) = (world.project.join("sub"), world.project.join("deep/er"));
        for path in [&sub, &deep, &world.project.join("other")] {
            directory(world, path);
        }
        world.write(&sub.join("secret"), "PRIVATE");
        world.write(&deep.join(".env"), "PRIVATE");
        world.user_settings(&format!(
            r#"{{"sandbox": {{"filesystem": {{"denyRead": ["{0}/sub/secret", "{0}/**/.env"]}}}}}}"#,
            world.project.display()
        ));
        for mode in ["000", "300", "400", "600"] {
            world.run(&format!("chmod {mode} sub deep/er other"));
            let ran = world.run(
                "cat sub/secret deep/er/.env; chmod 755 sub deep/er other; cat sub/secret deep/er/.env; \
                 mv sub s2; mv deep d2; cat s2/secret d2/er/.env; cp -r s2 d2 x; cat x/s2/secret",
            );
            assert!(!ran.stdout.contains("PRIVATE"), "{mode}: {}", ran.stderr);
            open_again(&[&sub, &deep, &world.project.join("other")]);
        }
        // Beside it everything is as ever.
        assert_eq!(world.run("echo x > sub/new && cat sub/new").stdout, "x\n");
    });
}

// Succeeded: a rule that finds a file by a link names nothing once the link is gone.
#[test]
fn a_link_by_which_a_rule_finds_a_secret_is_not_taken_away() {
    each(|world| {
        for name in ["real", "more", "conf"] {
            directory(world, &world.project.join(name));
        }
        for path in ["real/.env", "real/key", "more/.pass", "conf/w"] {
            world.write(&world.project.join(path), "PRIVATE");
        }
        for (link, target) in [
            (".env", "real/.env"),
            ("link", "hop"),
            ("hop", "real"),
            ("x.secret", "more/.pass"),
            ("c", "conf"),
        ] {
            symlink(target, world.project.join(link)).unwrap();
        }
        world.user_settings(&format!(
            r#"{{"sandbox": {{"filesystem": {{"denyRead": ["{0}/.env", "{0}/link/key", "{0}/*.secret"], "denyWrite": ["{0}/c/w"]}}}}}}"#,
            world.project.display()
        ));
        world.run(
            "rm -f .env link hop x.secret c; mv .env a; mv link b; mv hop d; ln -sfn /nowhere link; ln -sfn conf hop; \
             mkdir e; mv x.secret c e; python3 -c 'import os; os.unlink(\"hop\")'",
        );
        let ran = world.run("cat real/.env real/key more/.pass .env link/key x.secret; echo evil > conf/w");
        assert_eq!(ran.stdout, "", "{}", ran.stderr);
        assert_eq!(fs::read_to_string(world.project.join("conf/w")).unwrap(), "PRIVATE");
    });
}

/// Something that runs inside until it is told to end.
fn inside(world: &World, text: &str) -> Child {
    let mut child = world
        .command(world.bin("sbsh"))
        .args(["-c", text])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 1];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    child
}

// Succeeded: whoever may read a file of its own user's can have a lease on it, and everybody else waits for it or fails:
// sbsh could not read its settings, so no command ran any more.
#[test]
fn no_lease_from_inside_keeps_anybody_waiting() {
    each(|world| {
        world.user_settings("{}");
        world.write(&world.home.join("mine"), "mine");
        let lease = |path: &Path| {
            format!(
                // Busy: another test's child holds what was just written for a moment.
                "import fcntl, os, time\nf = os.open('{}', os.O_RDONLY)\nwhile True:\n    try: fcntl.fcntl(f, 1024, fcntl.F_RDLCK)\n    except BlockingIOError: time.sleep(0.01); continue\n    except PermissionError: pass\n    break\n",
                path.display()
            )
        };
        let (settings, mine) = (world.home.join(".claude/settings.json"), world.home.join("mine"));
        // Who opens such a file is announced by SIGIO, which would end the program and both leases with it.
        let program = "import signal\nsignal.signal(signal.SIGIO, signal.SIG_IGN)\n".to_owned()
            + &lease(&settings)
            + &lease(&mine)
            + "print('.', flush=True)\nimport sys\nsys.stdin.read()";
        // Without sbsh that is a lease: the test would see it.
        let mut bare = world
            .command("python3")
            .args(["-c", &program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(bare.stdout.as_mut().unwrap(), &mut [0; 1]).unwrap();
        let opens = |path: &Path| {
            use std::os::unix::fs::OpenOptionsExt;
            let flags = nix::libc::O_NONBLOCK;
            fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).is_ok()
        };
        assert!(!opens(&settings) && !opens(&mine));
        drop(bare.stdin.take());
        bare.wait().unwrap();
        world.write(&world.project.join("lease.py"), &program);
        let mut child = inside(world, "exec python3 lease.py");
        let can = (opens(&settings), opens(&mine));
        let next = world.run("echo next");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!((can, next.stdout.as_str()), ((true, true), "next\n"), "{}", next.stderr);
    });
}

// What a descriptor for reading could still be good for: splices, copies, attributes, a second opening. Control: the
// same calls on a file of the project's own change it.
#[test]
fn a_file_that_is_open_for_reading_is_not_changed_by_any_call() {
    each(|world| {
        world.write(&world.outside.join("file"), "old content\n");
        world.write(&world.project.join("own"), "old content\n");
        world.write(&world.project.join("calls.py"), CALLS);
        let look = |path: &Path| {
            let data = fs::metadata(path).unwrap();
            (fs::read(path).unwrap(), data.permissions().mode(), data.modified().unwrap())
        };
        let before = look(&world.outside.join("file"));
        let own = look(&world.project.join("own"));
        let ran =
            world.run(&format!("python3 calls.py {}/file; python3 calls.py own", world.outside.display()));
        assert_eq!(ran.stdout, "tried\ntried\n", "{}", ran.stderr);
        assert_eq!(look(&world.outside.join("file")), before);
        assert_ne!(look(&world.project.join("own")), own);
    });
}

const CALLS: &str = r#"
import ctypes, fcntl, mmap, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
path = sys.argv[1]
ro = os.open(path, os.O_RDONLY)
other = os.open('/etc/passwd', os.O_RDONLY)
def attempt(call):
    try: call()
    except (OSError, ValueError): pass
def piped():
    r, w = os.pipe()
    os.write(w, b'x' * 65536); os.read(r, 65536)
    os.splice(ro, w, 1, offset_src=0)
    os.write(w, b'EVIL')
def mapped():
    address = libc.mmap
    address.restype = ctypes.c_void_p
    at = libc.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, ro, 0)
    if libc.mprotect(ctypes.c_void_p(at), 4096, mmap.PROT_READ | mmap.PROT_WRITE) == 0: ctypes.memset(at, 65, 4)
def again():
    os.write(os.open(f'/proc/self/fd/{ro}', os.O_WRONLY), b'EVIL')
def by_map():
    name = [n for n in os.listdir('/proc/self/map_files')][0]
    os.open(f'/proc/self/map_files/{name}', os.O_RDWR)
for call in (
    lambda: os.sendfile(ro, other, 0, 10), lambda: os.copy_file_range(other, ro, 10), lambda: os.ftruncate(ro, 0),
    lambda: os.posix_fallocate(ro, 0, 100), lambda: os.utime(ro, (5, 5)), lambda: os.fchmod(ro, 0o777),
    lambda: os.setxattr(ro, 'user.x', b'y'), lambda: fcntl.ioctl(ro, 0x40049409, other),
    lambda: fcntl.ioctl(ro, 0x40086602, struct.pack('i', 0x10)), piped, mapped, again, by_map,
    lambda: os.pwritev(ro, [b'EVIL'], 0), lambda: libc.syscall(463, ro, b'', 0x1000, b'user.x', None, 0),
    lambda: libc.syscall(469, ro, b'', ctypes.create_string_buffer(24), 24, 0x1000),
): attempt(call)
print('tried')
"#;

/// A repository of a person who works with more than the defaults, with a submodule, one that is not checked out, and a
/// linked worktree.
fn repository(world: &World) {
    let script = r#"
set -e
export GIT_CONFIG_NOSYSTEM=1
git config --global user.name T; git config --global user.email t@example.com
git config --global init.defaultBranch main; git config --global protocol.file.allow always
for n in one two; do git init -q $HOME/$n; git -C $HOME/$n commit -q --allow-empty -m x; done
git init -q .
git submodule --quiet add $HOME/one one; git submodule --quiet add $HOME/two two
git commit -q -m submodules; git submodule --quiet deinit -f two
mkdir .githooks; echo 'exit 0' > .githooks/post-checkout; echo > more.config
git config core.hooksPath .githooks; git config include.path ../more.config
git config extensions.worktreeConfig true
git add -A; git commit -q -m all
git worktree add -q ../outside/tree 2>/dev/null
"#;
    let made: Ran = world.command("bash").args(["-c", script]).output().unwrap().into();
    assert_eq!(made.status, Some(0), "{}", made.stderr);
}

// Succeeded, each: hooks that the config has elsewhere, a file that it includes, the config of a linked worktree, and the
// directory of a submodule that is yet to come.
#[test]
fn what_gits_config_names_and_what_worktrees_and_submodules_hold_brings_no_program() {
    if !has(&["git"]) {
        return;
    }
    each(|world| {
        repository(world);
        let mark = |name: &str| format!("touch {}/ran.{name}; false", world.outside.display());
        let config = |name: &str| format!("[core]\\n\\tfsmonitor = \\\"{}\\\"\\n", mark(name));
        let hook = |name: &str| format!("#!/bin/sh\\n{}\\n", mark(name));
        let text = format!(
            "printf \"{}\" >> .githooks/post-checkout; printf \"{}\" > .githooks/pre-commit; chmod +x .githooks/*; \
             mv .githooks .g; mkdir .githooks; printf \"{}\" > .githooks/pre-commit; chmod +x .githooks/*; \
             printf \"{}\" > more.config; mv more.config m; printf \"{}\" > more.config; \
             printf \"{}\" > .git/worktrees/tree/config.worktree; printf \"{}\" >> .git/modules/two/config; \
             printf \"{}\" >> .git/modules/one/config; rm -rf .git/modules/two; cp -r .git/modules/one .git/modules/two; \
             printf \"{}\" >> .git/modules/two/config; mkdir -p .git/modules/lib; cp -r .git/modules/one .git/modules/lib/new; \
             printf \"{}\" >> .git/modules/lib/new/config; true",
            hook("post-checkout"),
            hook("pre-commit"),
            hook("again"),
            config("included"),
            config("included-again"),
            config("worktree"),
            config("not-checked-out"),
            config("checked-out"),
            config("two"),
            config("new"),
        );
        let ran = world.run(&text);
        assert!(ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
        let person = "git status; git commit -q --allow-empty -m x; git checkout -q -b b; git -C one status; \
                      git -C ../outside/tree status; git submodule --quiet update --init; git -C two status; \
                      GIT_DIR=.git/modules/lib/new git status";
        let outside: Ran = world.command("bash").args(["-c", person]).output().unwrap().into();
        let ran: Vec<_> = fs::read_dir(&world.outside).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(ran, ["tree"], "{}", outside.stderr);
    });
}

// The same repository works inside as ever.
#[test]
fn such_a_repository_can_be_worked_in() {
    if !has(&["git"]) {
        return;
    }
    each(|world| {
        repository(world);
        let ran = world.run(
            "set -e; echo x > f; git add f; git commit -q -m f; git worktree add -q wt; git -C wt status --short; \
             git worktree remove wt; git checkout -q -b other; git -C one log --oneline | wc -l",
        );
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "1\n"), "{}", ran.stderr);
    });
}

/// On the host: shared memory and a process that inside is aimed at. Says what became of them when its input ends.
const AIMED_AT: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
key = os.getpid()
segment = libc.shmget(key, 4096, 0o1600)
at = libc.shmat(segment, None, 0)
ctypes.memmove(at, b'host', 4)
print(key, at, flush=True)
sys.stdin.read()
print(ctypes.string_at(at, 4).decode(), os.sched_getscheduler(0), len(os.sched_getaffinity(0)))
libc.shmctl(segment, 0, None)
"#;

/// Inside: each says its name if it was let.
const AIMS: &str = r#"
import ctypes, fcntl, os, signal, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
host, there = int(sys.argv[1]), int(sys.argv[2])
call = libc.syscall
def attempt(name, deed):
    try:
        got = deed()
        if not (isinstance(got, int) and got < 0): print('let', name, got)
    except OSError: pass
def opened(path, how=os.O_RDONLY): return lambda: os.open(path, how | os.O_NONBLOCK | os.O_NOCTTY)
def looked(path): return lambda: os.listdir(path) if path.endswith('/') else len(open(path, 'rb').read(1)) - 1
def segment():
    found = libc.shmget(host, 0, 0o600)
    if found < 0: return -1
    at = libc.shmat(found, None, 0)
    if at in (None, 2**64 - 1): return -1
    ctypes.memmove(at, b'evil', 4)
    return found
def signalled(owner):
    r, w = os.pipe()
    owner(r); fcntl.fcntl(r, 10, signal.SIGKILL); fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC); os.write(w, b'x')
    return -1
attempt('shmget', segment)
attempt('owner', lambda: signalled(lambda r: fcntl.fcntl(r, fcntl.F_SETOWN, host)))
attempt('owner', lambda: signalled(lambda r: fcntl.fcntl(r, 15, struct.pack('ii', 1, host))))
attempt('pidfd_getfd', lambda: call(438, call(434, host, 0), 0, 0))
attempt('kcmp', lambda: call(312, host, os.getpid(), 1, 0, 0))
here = ctypes.create_string_buffer(b'evil')
own, theirs = struct.pack('PN', ctypes.addressof(here), 4), struct.pack('PN', there, 4)
attempt('process_vm_writev', lambda: call(311, host, own, 1, theirs, 1, 0))
attempt('process_vm_readv', lambda: call(310, host, own, 1, theirs, 1, 0))
attempt('migrate_pages', lambda: call(256, host, 64, ctypes.byref(ctypes.c_long(1)), ctypes.byref(ctypes.c_long(1))))
attempt('get_robust_list', lambda: call(274, host, ctypes.byref(ctypes.c_long()), ctypes.byref(ctypes.c_long())))
attempt('affinity', lambda: os.sched_setaffinity(host, [min(os.sched_getaffinity(0))]))
attempt('scheduler', lambda: os.sched_setscheduler(host, os.SCHED_IDLE, os.sched_param(0)))
for name in ('mem', 'maps', 'environ', 'cwd/', 'root/', 'map_files/', 'syscall', 'stack', 'auxv', 'io', 'personality'):
    attempt(name, looked(f'/proc/{host}/{name}'))
for name in ('mem', 'oom_score_adj', 'timerslack_ns', 'autogroup', 'coredump_filter', 'clear_refs', 'comm'):
    attempt(name, opened(f'/proc/{host}/{name}', os.O_WRONLY))
for path in ('/dev/net/tun', '/dev/kvm', '/dev/fuse', '/dev/mem', '/dev/port', '/dev/kmsg', '/dev/vda', '/dev/sda', '/dev/nvme0n1', '/dev/tty1',
             '/dev/vcs', '/dev/input/event0', '/dev/vhost-vsock', '/dev/loop-control', '/dev/mapper/control', '/dev/uinput',
             '/proc/kcore', '/proc/sysrq-trigger', '/proc/sys/fs/binfmt_misc/register', '/sys/kernel/debug/sched/debug'):
    attempt(path, opened(path))
for path in ('/sys/kernel/mm/transparent_hugepage/enabled', '/sys/fs/cgroup/cgroup.procs', '/sys/fs/cgroup/release_agent',
             '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/sys/kernel/uevent_helper'):
    attempt(path, opened(path, os.O_WRONLY))
attempt('cgroup', lambda: os.mkdir('/sys/fs/cgroup/sbsh-test'))
# The other end of a terminal that is not the sandbox's own.
for name in sys.argv[3:]: attempt(name, opened(name))
buffer = ctypes.create_string_buffer(4096)
for name, number, *words in (
    ('fanotify_init', 300, 0, 0), ('open_by_handle_at', 304, -100, buffer, 0), ('quotactl_fd', 443, 3, 0, 0, None),
    ('open_tree', 428, -100, b'/', 1), ('open_tree_attr', 467, -100, b'/', 1, None, 0), ('move_mount', 429, -100, b'.', -100, b'/mnt', 0),
    ('fsopen', 430, b'tmpfs', 0), ('fspick', 433, -100, b'/', 0), ('mount_setattr', 442, -100, b'/', 0, buffer, 32),
    ('statmount elsewhere', 457, struct.pack('IIQQQ', 32, 0, 1 << 31, 1, 1), buffer, 4096, 0),
    ('sethostname', 170, b'evil', 4), ('setdomainname', 171, b'evil', 4), ('iopl', 172, 3), ('ioperm', 173, 0x70, 2, 1),
    ('settimeofday', 164, struct.pack('QQ', 1, 1), None), ('clock_settime', 227, 0, struct.pack('QQ', 1, 1)), ('pivot_root', 155, b'.', b'.'),
    ('chroot', 161, b'/tmp'), ('swapon', 167, b'own', 0), ('kexec_file_load', 320, 0, 0, 0, None, 0), ('lookup_dcookie', 212, 0, None, 0),
    ('prctl PR_SET_MM', 157, 35, 6, 0x400000, 0, 0), ('ptrace', 101, 16, host, 0, 0),
): attempt(name, lambda: call(number, *words))
for family in (1, *range(3, 10), *range(11, 16), *range(17, 46)):
    for kind in (2, 3):
        attempt(f'family {family}', lambda: socket.socket(family, kind).fileno())
attempt('netlink', lambda: socket.socket(16, 3, 15).fileno())
def route():
    s = socket.socket(16, 3, 0)
    s.send(struct.pack('=IHHIIBBBBBBBBI', 28, 24, 0x505, 1, 0, 2, 0, 0, 0, 254, 4, 0, 1, 0))
    return struct.unpack_from('=i', s.recv(4096), 16)[0]
attempt('route', route)
attempt('device', lambda: os.mknod('device', 0o20666, os.makedev(1, 1)))
def as_root():
    made = os.memfd_create('su')
    os.write(made, open('/bin/su', 'rb').read())
    child = os.fork()
    if child == 0:
        os.close(2); os.open('/dev/null', os.O_WRONLY)
        try: os.execve(made, ['su', '-c', 'true'], {})
        finally: os._exit(1)
    return -1 if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) else 0
if os.getuid(): attempt('su in memory', as_root)
print('tried')
"#;

// Fifty doors of the kernel's and of other processes, on numbers of x86_64. Succeeded: the two about scheduling, under
// Landlock, as an ordinary user.
#[test]
fn neither_the_machine_nor_other_processes_answer() {
    if !cfg!(target_arch = "x86_64") {
        return crate::world::not_here("the numbers are those of x86_64");
    }
    each(|world| {
        let mut host = world
            .command("python3")
            .args(["-c", AIMED_AT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = std::io::BufReader::new(host.stdout.take().unwrap());
        let mut key = String::new();
        std::io::BufRead::read_line(&mut said, &mut key).unwrap();
        world.write(&world.project.join("aims.py"), AIMS);
        let terminals = nix::pty::openpty(None, None).unwrap();
        let terminal = nix::unistd::ttyname(&terminals.slave).unwrap();
        let ran = world.run(&format!("python3 aims.py {} {}", key.trim(), terminal.display()));
        assert_eq!(ran.stdout, "tried\n", "{}", ran.stderr);
        drop(host.stdin.take());
        let mut end = String::new();
        std::io::Read::read_to_string(&mut said, &mut end).unwrap();
        let processors = std::thread::available_parallelism().unwrap();
        assert_eq!(end, format!("host 0 {processors}\n"));
        assert!(host.wait().unwrap().success());
    });
}

// Succeeded under bubblewrap and namespaces, run on btrfs: a snapshot of the home, which is the user's own volume, had in it all
// that mounts hide there, keys too, and a volume came to a protected name; on every backend a key that was taken away locked an
// encrypted directory outside. Here any file system does: the filter answers first.
#[test]
fn no_file_system_copies_a_tree_or_forgets_a_key_by_ioctl() {
    each(|world| {
        let program = r#"
import fcntl, os
here = os.open('.', os.O_RDONLY)
for request in (0x50009401, 0x5000940e, 0x5000940f, 0x50009417, 0x50009418, 0x5000943f, 0x4020bc10, 0x4020bc11, 0x40186f04,
                0xc0406618, 0xc0406619):
    try: fcntl.ioctl(here, request, bytearray(4096)); print('let', hex(request))
    except OSError as error: print(error.errno, end=' ')
"#;
        world.write(&world.project.join("trees.py"), program);
        let ran = world.run("python3 trees.py");
        // EPERM by the filter, not ENOTTY or EINVAL by the file system.
        assert_eq!(ran.stdout, "1 ".repeat(11), "{}", ran.stderr);
    });
}

/// On the host: runs what it is told on a terminal of its own, and looks at that terminal afterwards.
const ON_A_TERMINAL: &str = r#"
import fcntl, os, pty, struct, sys
keeper, terminal = pty.openpty()
name = os.ttyname(terminal)
child = os.fork()
if child == 0:
    os.setsid(); fcntl.ioctl(terminal, 0x540e, 0)
    for number in 0, 1, 2: os.dup2(terminal, number)
    os.execv(sys.argv[1], sys.argv[1:])
os.waitpid(child, 0)
discipline = bytearray(4)
fcntl.ioctl(terminal, 0x5424, discipline)
try: os.close(os.open(name, os.O_RDWR | os.O_NOCTTY)); opened = 'opened'
except OSError as error: opened = error.strerror
print(struct.unpack('i', discipline)[0], opened)
"#;

/// Inside: the terminal's line discipline and who may open it; a console's keyboard, picture and number.
const SPOIL: &str = r#"
import fcntl, struct
said = open('said', 'w')
for request, what in ((0x540c, 0), (0x4b45, 4), (0x4b51, 1), (0x4b3a, 1), (0x5602, bytes(8)), (0x5606, 9), (0x5423, struct.pack('i', 27))):
    try: fcntl.ioctl(0, request, what); print('let', hex(request), file=said)
    except OSError as error: print(error.errno, end=' ', file=said)
"#;

// Succeeded on every backend: the terminal answered nobody any more (line discipline N_NULL, which neither reset(1) nor stty(1)
// undoes), or could be opened by root alone (TIOCEXCL). A console (tried on /dev/tty9) lost its keyboard (K_OFF).
#[test]
fn the_callers_terminal_works_as_before_afterwards() {
    each(|world| {
        world.write(&world.project.join("spoil.py"), SPOIL);
        world.write(&world.outside.join("host.py"), ON_A_TERMINAL);
        let run = |words: &[&std::ffi::OsStr]| {
            let out =
                world.command("python3").arg(world.outside.join("host.py")).args(words).output().unwrap();
            String::from_utf8_lossy(&out.stdout).into_owned()
        };
        let sbsh = world.bin("sbsh");
        let said = run(&[sbsh.as_os_str(), "-c".as_ref(), "python3 spoil.py".as_ref()]);
        let inside = fs::read_to_string(world.project.join("said")).unwrap();
        assert_eq!((said.as_str(), inside), ("0 opened\n", "1 ".repeat(7)));
        // Without sbsh it is spoilt: the test would see it.
        let bare = run(&["/usr/bin/env".as_ref(), "python3".as_ref(), "spoil.py".as_ref()]);
        assert!(bare.starts_with("27 "), "{bare}");
    });
}
