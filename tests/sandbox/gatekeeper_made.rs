//! Calls that are made for the inside because a person or settings allow them: owners, attributes, FIFOs, plain nodes and
//! links. Each looks at the host's state.

use crate::gatekeeper::{python, with_answer};
use crate::world::{ORDINARY, Ran, World, each};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};

/// What each of some calls comes to, one a line.
fn tried(world: &World, calls: &str) -> String {
    let program = format!(
        r#"
import os, stat
o = '{outside}'
def tried(name, call):
    try: print(name, call())
    except OSError as error: print(name, error.strerror)
{calls}
"#,
        outside = world.outside.display()
    );
    world.write(&world.project.join("p.py"), &program);
    "python3 p.py".into()
}

fn made_by(world: &World, answer: &str, calls: &str) -> (Ran, Vec<String>) {
    let (ran, asked) = with_answer(world, answer, &tried(world, calls));
    let name = |q: &serde_json::Value| q["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    (ran, asked.iter().map(name).collect())
}

#[test]
fn what_a_person_allows_is_made_whatever_call_it_is() {
    each(|world| {
        for name in ["owned", "marked"] {
            world.write(&world.outside.join(name), "text");
        }
        // Root may take what is another's; everybody may keep what is his.
        if world.user == 0 {
            std::os::unix::fs::chown(world.outside.join("owned"), Some(ORDINARY), Some(ORDINARY)).unwrap();
        }
        let calls = "
tried('chown', lambda: os.chown(o + '/owned', os.getuid(), os.getgid()))
tried('lchown', lambda: os.lchown(o + '/owned', -1, os.getgid()))
tried('set', lambda: os.setxattr(o + '/marked', 'user.mark', b'of mine'))
tried('get', lambda: os.getxattr(o + '/marked', 'user.mark'))
tried('again', lambda: os.setxattr(o + '/marked', 'user.mark', b'x', os.XATTR_CREATE))
tried('remove', lambda: os.removexattr(o + '/marked', 'user.mark'))
tried('gone', lambda: os.getxattr(o + '/marked', 'user.mark'))
tried('fifo', lambda: os.mkfifo(o + '/fifo', 0o620))
tried('file', lambda: os.mknod(o + '/file', 0o666 | stat.S_IFREG))
";
        let (ran, asked) = made_by(world, "once", calls);
        let expected = "chown None\nlchown None\nset None\nget b'of mine'\nagain File exists\nremove None\n\
                        gone No data available\nfifo None\nfile None\n";
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (expected, ""));
        assert_eq!(asked, ["owned", "owned", "marked", "marked", "marked", "fifo", "file"]);
        let of = |name: &str| fs::symlink_metadata(world.outside.join(name)).unwrap();
        assert_eq!((of("owned").uid(), of("owned").gid()), (world.user, world.user));
        assert!(of("fifo").file_type().is_fifo() && of("file").is_file());
        // The umask of the caller counts, and whose it is.
        assert_eq!((of("fifo").mode() & 0o7777, of("file").mode() & 0o7777), (0o600, 0o644));
        assert_eq!((of("fifo").uid(), of("file").uid()), (world.user, world.user));
        // A no is final, and asked once.
        let calls = "
for _ in range(2):
    tried('fifo', lambda: os.mkfifo(o + '/no'))
    tried('set', lambda: os.setxattr(o + '/marked', 'user.no', b''))
";
        let (ran, asked) = made_by(world, "no", calls);
        let line = "fifo Read-only file system\nset Read-only file system\n";
        assert_eq!((ran.stdout, asked.len()), (line.repeat(2), 2), "{}", ran.stderr);
        assert!(!world.outside.join("no").exists());
    });
}

// Would succeed if it were made as asked: outside, root has the rights that it does not have inside.
#[test]
fn nobody_gets_more_by_a_yes_than_what_was_asked_about() {
    each(|world| {
        world.write(&world.outside.join("f"), "text");
        world.write(&world.outside.join("program"), "text");
        fs::set_permissions(world.outside.join("program"), fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("f", world.outside.join("link")).unwrap();
        if nix::unistd::geteuid().is_root() {
            lchown(world.outside.join("link"), Some(world.user), Some(world.user)).unwrap();
        }
        let before = world.state(&world.outside);
        let calls = "
other = os.getuid() + 1
tried('given', lambda: os.chown(o + '/f', other, -1))
tried('group', lambda: os.chown(o + '/f', -1, other))
tried('rights', lambda: os.setxattr(o + '/f', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000')))
tried('trusted', lambda: os.setxattr(o + '/f', 'trusted.x', b'1'))
tried('people', lambda: os.setxattr(o + '/f', 'system.posix_acl_access', bytes.fromhex('0200000001000600ffffffff04000600ffffffff20000600ffffffff')))
tried('device', lambda: os.mknod(o + '/null', 0o666 | stat.S_IFCHR, os.makedev(1, 3)))
tried('socket', lambda: os.mknod(o + '/socket', 0o666 | stat.S_IFSOCK))
tried('as its owner', lambda: os.mknod(o + '/suid', 0o4755 | stat.S_IFREG))
tried('link', lambda: os.setxattr(o + '/link', 'user.x', b'1', follow_symlinks=False))
tried('long', lambda: os.setxattr(o + '/f', 'user.' + 'x' * 300, b'1'))
tried('large', lambda: os.setxattr(o + '/f', 'user.large', bytes(70000)))
tried('hard', lambda: os.link(o + '/program', o + '/again'))
tried('hard from inside', lambda: os.link('p.py', o + '/again'))
";
        let (ran, asked) = made_by(world, "once", calls);
        let refused: Vec<&str> = ran.stdout.lines().collect();
        assert!(refused.len() == 13 && refused.iter().all(|line| !line.ends_with("None")), "{}", ran.stdout);
        // About what cannot be made nobody is asked.
        assert_eq!(asked, ["f", "f", "link", "f", "f"], "{}", ran.stdout);
        assert_eq!(world.state(&world.outside), before);
        for name in ["security.capability", "trusted.x", "user.large"] {
            let read = std::process::Command::new("python3")
                .args(["-c", "import os, sys; print(os.listxattr(sys.argv[1]))"])
                .arg(world.outside.join("f"))
                .output()
                .unwrap();
            assert!(!String::from_utf8_lossy(&read.stdout).contains(name));
        }
        let owner = fs::metadata(world.outside.join("f")).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (world.user, world.user));
    });
}

#[test]
fn a_call_that_waits_for_an_answer_is_ended_by_the_keyboard_and_not_made() {
    each(|world| {
        world.write(&world.outside.join("f"), "text");
        for (number, call) in
            ["os.mkfifo(o + '/fifo')", "os.setxattr(o + '/f', 'user.x', b'1')", "os.chown(o + '/f', -1, -1)"]
                .iter()
                .enumerate()
        {
            let (program, asking) = (world.home.join("slow.sh"), world.home.join(format!("asking{number}")));
            world.write(&program, &format!("#!/bin/sh\ntouch {}\nexec sleep 100\n", asking.display()));
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            // Python's own handler would wait for the call.
            let text =
                format!("import signal; signal.signal(2, signal.SIG_DFL); tried('call', lambda: {call})");
            let mut child = world
                .command(world.bin("sbsh"))
                .env("SBSH_ASKPASS", &program)
                .args(["-c", &tried(world, &text)])
                .spawn()
                .unwrap();
            crate::world::until(|| asking.exists());
            killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
            use std::os::unix::process::ExitStatusExt;
            let status = child.wait().unwrap();
            assert!(status.signal() == Some(2) || status.code() == Some(130), "{status:?}");
        }
        assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 1);
    });
}

// The last ones would succeed if only the new name counted: what has two names is written by the weaker one.
#[test]
fn links_are_made_between_names_that_are_open_and_no_others() {
    each(|world| {
        let outside = world.outside.display();
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/new","{outside}/alone"],"denyWrite":["{outside}/new/kept"]}}}}}}"#
        ));
        world.write(&world.outside.join("secret"), "secret");
        let calls = "
os.makedirs(o + '/new/d'); open(o + '/new/a', 'w').close()
tried('beside', lambda: os.link(o + '/new/a', o + '/new/b'))
tried('below', lambda: os.link(o + '/new/a', o + '/new/d/c'))
tried('there', lambda: os.link(o + '/new/a', o + '/new/b'))
tried('missing', lambda: os.link(o + '/new/missing', o + '/new/x'))
tried('link', lambda: (os.symlink('a', o + '/new/l'), os.link(o + '/new/l', o + '/new/x', follow_symlinks=False))[1])
tried('fifo', lambda: os.mkfifo(o + '/new/fifo'))
tried('from inside', lambda: os.link('p.py', o + '/new/x'))
tried('to inside', lambda: os.link(o + '/new/a', 'x'))
tried('from outside', lambda: os.link(o + '/secret', o + '/new/x'))
tried('to outside', lambda: os.link(o + '/new/a', o + '/x'))
tried('kept', lambda: os.link(o + '/new/a', o + '/new/kept'))
tried('alone', lambda: os.link(o + '/new/a', o + '/alone'))
tried('fifo alone', lambda: os.mkfifo(o + '/alone'))
";
        let ran = world.run(&tried(world, calls));
        let told: Vec<&str> = ran.stdout.lines().collect();
        let (apart, fixed) = ("Invalid cross-device link", "Read-only file system");
        let expected = [
            "beside None".into(),
            "below None".into(),
            "there File exists".into(),
            "missing No such file or directory".into(),
            "link Operation not permitted".into(),
            "fifo None".into(),
            format!("from inside {apart}"),
            format!("to inside {apart}"),
            format!("from outside {fixed}"),
            format!("to outside {apart}"),
            format!("kept {fixed}"),
            format!("alone {apart}"),
            format!("fifo alone {fixed}"),
        ];
        assert_eq!(told, expected, "{}", ran.stderr);
        assert_eq!(fs::metadata(world.outside.join("new/a")).unwrap().nlink(), 3);
        assert_eq!(fs::metadata(world.outside.join("secret")).unwrap().nlink(), 1);
        assert!(!world.outside.join("alone").exists() && !world.outside.join("x").exists());
    });
}

/// What was judged is what is changed, whatever other threads do to the way there meanwhile.
#[test]
fn races_never_mark_or_link_a_file_elsewhere() {
    each(|world| {
        let outside = world.outside.display();
        for name in ["good", "evil"] {
            world.write(&world.outside.join(name).join("g"), name);
        }
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/good/*", "{outside}/open/**"]}}}}}}"#
        ));
        world.write(&world.outside.join("open/a"), "a");
        let program = format!(
            r#"
import ctypes, os, threading, time
libc = ctypes.CDLL(None)
os.symlink('{outside}/good', 'way'); stop = False
name = ctypes.create_string_buffer(b'user.good', 64)
def relink():
    n = 0
    while not stop:
        n += 1
        os.symlink('{outside}/' + ('evil' if n % 2 else 'good'), 'next'); os.rename('next', 'way')
def rename():
    while not stop:
        ctypes.memmove(name, b'trusted.x', 9); ctypes.memmove(name, b'user.good', 9)
threads = [threading.Thread(target=f) for f in (relink, rename)]
for t in threads: t.start()
end = time.monotonic() + 2
while time.monotonic() < end:
    libc.setxattr(b'way/g', name, b'1', 1, 0)
    libc.link(b'way/g', b'{outside}/open/g'); libc.unlink(b'{outside}/open/g')
    libc.mknod(b'way/f', 0o10600, 0); libc.unlink(b'way/f')
stop = True
"#
        );
        let ran = python(world, &program);
        assert!(!ran.stderr.contains("Traceback"), "{}", ran.stderr);
        // The name may be read half changed, which is another name of the kind that is allowed.
        let names = |path: &str| {
            let code =
                "import os, sys; print(sorted({name.split('.')[0] for name in os.listxattr(sys.argv[1])}))";
            let path = world.outside.join(path);
            let ran = std::process::Command::new("python3").args(["-c", code]).arg(path).output().unwrap();
            String::from_utf8(ran.stdout).unwrap()
        };
        assert_eq!((names("evil/g").as_str(), names("good/g").as_str()), ("[]\n", "['user']\n"));
        assert_eq!(fs::read_dir(world.outside.join("evil")).unwrap().count(), 1);
        assert_eq!(fs::metadata(world.outside.join("evil/g")).unwrap().nlink(), 1);
    });
}
