//! Calls that would cross the boundary: what the gatekeeper lets through, refuses, records and makes itself. Checks look
//! at the host's files and at what servers outside received.

use crate::world::{Ran, World, each, skip};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server outside that counts who comes, and greets.
pub struct Host {
    pub path: PathBuf,
    came: Arc<AtomicUsize>,
}

impl Host {
    pub fn start(world: &World, name: &str) -> Host {
        let path = world.outside.join(name);
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let came = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream;
                let _ = stream.write_all(b"greetings\n");
            }
        });
        Host { path, came }
    }

    pub fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}

/// A python program inside, given on standard input.
pub fn python(world: &World, program: &str) -> Ran {
    let mut child = world
        .command(world.bin("sbsh"))
        .args(["-c", "exec python3 -"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

pub const CONNECT: &str = r#"
import os, socket, sys
def tried(kind, address):
    s = socket.socket(socket.AF_UNIX, kind)
    try:
        s.connect(address); return 'open ' + s.recv(9).decode()
    except OSError as error: return os.strerror(error.errno)
"#;

#[test]
fn a_servers_socket_outside_is_refused_however_it_is_named_and_said() {
    each(|world| {
        let host = Host::start(world, "daemon.sock");
        let program = format!(
            r#"{CONNECT}
path = '{path}'
os.symlink(path, 'link'); os.symlink(os.path.dirname(path), 'dir')
print(tried(socket.SOCK_STREAM, path), tried(socket.SOCK_SEQPACKET, path))
print(tried(socket.SOCK_STREAM, 'link'), tried(socket.SOCK_STREAM, 'dir/daemon.sock'))
os.chdir(os.path.dirname(path))
print(tried(socket.SOCK_STREAM, 'daemon.sock'), tried(socket.SOCK_STREAM, './/../outside/daemon.sock'))
print(tried(socket.SOCK_STREAM, '/proc/self/root' + path), tried(socket.SOCK_STREAM, '/proc/self/cwd/daemon.sock'))
handle = os.open(path, os.O_PATH)
print(tried(socket.SOCK_STREAM, '/proc/self/fd/%d' % handle))
try: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); print('made')
except OSError as error: print(os.strerror(error.errno))
sys.exit(1)
"#,
            path = host.path.display()
        );
        let ran = python(world, &program);
        assert!(!ran.stdout.contains("open") && !ran.stdout.contains("made"), "{}", ran.stdout);
        assert_eq!(host.came(), 0);
        let line = format!(
            "sbsh: python3.11 may not connect to '{0}': its server is outside; inside: a server that is started inside can be reached; a person can allow it: sbshctl allow socket {0}",
            host.path.display()
        );
        let line =
            line.replace("python3.11", ran.stderr.split("sbsh: ").nth(1).unwrap().split(' ').next().unwrap());
        assert_eq!(ran.stderr.matches(&line).count(), 1, "{}", ran.stderr);
        let block = "<sandbox_violations>\nsbsh: ";
        assert!(
            ran.stderr.contains(block) && ran.stderr.ends_with("</sandbox_violations>\n"),
            "{}",
            ran.stderr
        );
    });
}

#[test]
fn what_settings_name_is_connected_and_its_neighbour_is_not() {
    each(|world| {
        let (one, two) = (Host::start(world, "agent.1"), Host::start(world, "other.1"));
        let json = format!(r#"{{"sandbox":{{"allowUnixSockets":["{}/agent.*"]}}}}"#, world.outside.display());
        world.user_settings(&json);
        let program = format!(
            "{CONNECT}\nfor path in ('{}', '{}'): print(tried(socket.SOCK_STREAM, path))",
            one.path.display(),
            two.path.display()
        );
        assert_eq!(python(world, &program).stdout, "open greetings\nPermission denied\n");
        assert_eq!((one.came(), two.came()), (1, 0));
        // What was spoken to is in the log, once, by which 'sbshctl review' knows what is used.
        let log = fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
        let spoken: Vec<&str> = log.lines().filter(|line| line.contains("\"event\":\"socket\"")).collect();
        assert_eq!(spoken.len(), 1, "{log}");
        assert!(
            spoken[0].contains(one.path.to_str().unwrap()) && spoken[0].contains("settings.json:1:"),
            "{log}"
        );
        // The command that the refusal names does what it says.
        let path = two.path.to_str().unwrap();
        assert_eq!(world.control(&["allow", "socket", path]).status, Some(0));
        assert_eq!(python(world, &program).stdout, "open greetings\nopen greetings\n");
    });
}

#[test]
fn servers_inside_are_reached_inside_by_path_by_abstract_name_and_by_pair() {
    each(|world| {
        let program = r#"
import os, socket, threading
def serve(kind, address):
    s = socket.socket(socket.AF_UNIX, kind); s.bind(address); s.listen()
    threading.Thread(target=lambda: s.accept()[0].send(b'inside'), daemon=True).start()
for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
    for address in ('s%d' % kind, '\0name%d' % kind, os.environ['TMPDIR'] + '/t%d' % kind):
        serve(kind, address)
        s = socket.socket(socket.AF_UNIX, kind); s.connect(address)
        print(s.recv(6).decode(), s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
a, b = socket.socketpair(); a.send(b'pair'); print(b.recv(4).decode())
s = socket.socket(socket.AF_UNIX); s.setblocking(False)
print(s.connect_ex('missing'), s.connect_ex(''), s.connect_ex(__file__ if os.path.exists(__file__) else '/etc/passwd'))
"#;
        let ran = python(world, program);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            (format!("{}pair\n2 22 111\n", "inside 0\n".repeat(6)).as_str(), "")
        );
    });
}

#[test]
fn the_programs_that_use_such_sockets_work_with_one_of_their_own_kind() {
    if !Path::new("/usr/bin/ssh-agent").exists() {
        return skip("openssh-client is not installed");
    }
    let account = |user: u32| nix::unistd::User::from_uid(user.into()).unwrap().is_some();
    // ssh and its tools refuse to work for a user without an account; the sockets are the other tests'.
    each(|world| {
        if account(world.user) {
            agents(world)
        }
    });
    // As root there is an ordinary account to be, too.
    if nix::unistd::geteuid().is_root()
        && let Some(nobody) = nix::unistd::User::from_name("nobody").unwrap()
    {
        agents(&World::new(nobody.uid.as_raw()));
    }
}

fn agents(world: &World) {
    // Inside, an agent is the command's own business.
    let own = world.run("eval $(ssh-agent -a \"$TMPDIR/agent\") >/dev/null; ssh-keygen -q -t ed25519 -N '' -f key && ssh-add -q key && ssh-add -l | wc -l; kill $SSH_AGENT_PID");
    assert_eq!((own.stdout.as_str(), own.status), ("1\n", Some(0)), "{}", own.stderr);
    // Outside, it is one that has to be allowed.
    let socket = world.home.join("agent.sock");
    let agent = world
        .command("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut agent = agent.unwrap();
    while !fs::metadata(&socket).is_ok_and(|m| m.file_type().is_socket()) {
        std::thread::yield_now();
    }
    let list = format!("SSH_AUTH_SOCK={} ssh-add -l", socket.display());
    let refused = world.run(&list);
    assert!(refused.stderr.contains("sbshctl allow socket"), "{}", refused.stderr);
    world.user_settings(&format!(r#"{{"sandbox":{{"allowUnixSockets":["{}"]}}}}"#, socket.display()));
    assert_eq!(world.run(&list).stdout, "The agent has no identities.\n");
    // Signing a commit by it.
    let signed = world.run(&format!(
        "export SSH_AUTH_SOCK={}; ssh-add -q key; git init -q signed; cd signed; \
         git -c user.name=x -c user.email=x@x -c gpg.format=ssh -c user.signingkey=$PWD/../key.pub commit -q -S --allow-empty -m x && git cat-file commit HEAD | grep -c 'BEGIN SSH SIGNATURE'",
        socket.display()
    ));
    assert_eq!(signed.stdout, "1\n", "{}", signed.stderr);
    agent.kill().unwrap();
    agent.wait().unwrap();
}

/// ESCAPES.md, 4: another thread changes the address or the descriptor between check and use.
#[test]
fn an_address_that_changes_while_it_is_looked_at_wins_nothing() {
    each(|world| {
        let host = Host::start(world, "daemon.sock");
        let program = format!(
            r#"
import ctypes, os, socket, threading, time
libc = ctypes.CDLL(None, use_errno=True)
good, bad = b'own', b'{path}'
s = socket.socket(socket.AF_UNIX); s.bind(good); s.listen(1000)
def drain():
    while True: s.accept()
threading.Thread(target=drain, daemon=True).start()
class address(ctypes.Structure):
    _fields_ = [('family', ctypes.c_ushort), ('path', ctypes.c_char * 108)]
shared = address(1, good); inet = socket.socket(socket.AF_INET)
stop = False
unix = socket.socket(socket.AF_UNIX)
number = os.dup(unix.fileno())
def change():
    while not stop:
        shared.family, shared.path = 1, bad
        os.dup2(unix.fileno(), number)
        shared.path = good
        os.dup2(inet.fileno(), number)
        shared.family = 2
threads = [threading.Thread(target=change) for _ in range(2)]
for t in threads: t.start()
end = time.monotonic() + 3
tries = 0
while time.monotonic() < end and tries < 20000:
    libc.connect(number, ctypes.byref(shared), 110); tries += 1
    if tries % 50 == 0: unix = socket.socket(socket.AF_UNIX)
stop = True
print(tries > 0)
"#,
            path = host.path.display()
        );
        let ran = python(world, &program);
        assert_eq!(ran.stdout, "True\n", "{}", ran.stderr);
        assert_eq!(host.came(), 0);
    });
}

#[test]
fn nothing_inside_speaks_to_those_who_answer_questions() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"allowUnixSockets":["/**"]}}"#);
        // As the console's own, below the user's private directory.
        let private = PathBuf::from(format!("/tmp/sbsh-{}/approve", world.user));
        assert_eq!(world.run("true").status, Some(0));
        fs::create_dir_all(&private).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        world.give(&private);
        let path = private.join("test.sock");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        world.give(&path);
        listener.set_nonblocking(true).unwrap();
        let program = format!("{CONNECT}\nprint(tried(socket.SOCK_STREAM, '{}'))", path.display());
        let ran = python(world, &program);
        let _ = fs::remove_file(&path);
        assert_eq!(ran.stdout, "Permission denied\n", "{}", ran.stderr);
        assert!(listener.accept().is_err());
    });
}

#[test]
fn what_is_refused_is_said_exactly_and_what_fails_anyway_is_not() {
    each(|world| {
        let outside = world.outside.display();
        world.write(&world.outside.join("f"), "text");
        let text = format!(
            "cd {outside}; touch new; mkdir dir; rm f; mv f g; ln -s x link; chmod 700 f; : > f; rmdir missing; \
             mkdir -p {outside}; rm missing; cat missing; echo x > /dev/null; mkdir /proc/x; false"
        );
        let ran = world.run(&text);
        let told: Vec<&str> = ran.stderr.lines().filter_map(|l| l.strip_prefix("sbsh: ")).collect();
        let what =
            |line: &&str| line.split(" may not ").nth(1).unwrap().split("'").nth(1).unwrap().to_owned();
        let places: Vec<String> = told.iter().map(what).collect();
        let expected: Vec<String> =
            ["new", "dir", "f", "link"].iter().map(|name| format!("{outside}/{name}")).collect();
        assert_eq!(places, expected, "{}", ran.stderr);
        assert_eq!(world.state(&world.outside).len(), 1);
        // Each is in the log.
        let log = fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
        let logged: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let logged: Vec<&str> = logged
            .iter()
            .filter(|l| l["event"] == "violation")
            .map(|l| l["path"].as_str().unwrap())
            .collect();
        assert_eq!(logged, expected);
        // A command that could do without says nothing.
        assert_eq!(world.run(&format!("touch {outside}/x 2>/dev/null; true")).stderr, "");
        // What settings ignore is not said either.
        world.user_settings(&format!(r#"{{"sandbox":{{"ignoreViolations":{{"touch":["{outside}"]}}}}}}"#));
        assert_eq!(world.run(&format!("touch {outside}/x 2>/dev/null")).stderr, "");
    });
}

#[test]
fn protected_names_cannot_be_made_at_all() {
    each(|world| {
        let ran = world.run(
            "git init -q sub; echo x > t; mkdir h; \
             touch .bashrc .BASHRC .vscode; mkdir .idea .Cursor .claude/hooks; mv t .profile; ln t .zshrc; ln -s t .npmrc; \
             echo x > sub/.git/hooks/pre-commit; mv t sub/.git/hooks/post-checkout; ln -s ../../../t sub/.git/hooks/x; \
             cp /bin/true sub/.git/hooks/Pre-Push; python3 -c 'import os; os.mknod(\".envrc\"); ' ; \
             mkdir -p deep/er/.git/hooks; echo x > deep/er/.git/hooks/update; ls -A; ls -A sub/.git/hooks deep/er/.git/hooks | grep -v sample; ls .claude; false",
        );
        let names: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(
            names,
            [".claude", "deep", "h", "sub", "t", "deep/er/.git/hooks:", "", "sub/.git/hooks:"],
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("took"), "{}", ran.stderr);
        let state = world.state(&world.project);
        assert!(state.iter().all(|(path, _)| !path.ends_with("pre-commit") && !path.ends_with(".bashrc")));
    });
}

#[test]
fn repositories_are_looked_at_however_deep_they_are_born() {
    each(|world| {
        let deep = format!("{}x", "d/".repeat(40));
        let text = format!(
            "for i in $(seq 60); do mkdir -p a$i/b a$i/c; done; mkdir -p {deep} && cd {deep} && git init -q . && \
             printf '[core]\\n\\tfsmonitor = ./evil\\n' >> .git/config"
        );
        let ran = world.run(&text);
        let config = world.project.join(&deep).join(".git/config");
        assert!(!config.exists(), "{}", ran.stderr);
        assert!(ran.stderr.contains("core.fsmonitor"), "{}", ran.stderr);
        // Nor does it help to rename it, or what it lies in.
        let text = format!(
            "cd {deep} && mkdir -p e/f && git init -q e/f/g && printf '[core]\\n\\tfsmonitor = ./evil\\n' >> e/f/g/.git/config && mv e/f/g e/f/h && mv e i"
        );
        let ran = world.run(&text);
        let there = world.project.join(&deep).join("i/f/h/.git");
        assert!(there.exists() && !there.join("config").exists(), "{}", ran.stderr);
        assert!(ran.stderr.contains("core.fsmonitor") && !ran.stderr.contains("cannot"), "{}", ran.stderr);
        // A worktree that is gone again is no worktree that leads somewhere.
        let ran = world.run(
            "git init -q one && cd one && git -c user.name=x -c user.email=x commit -q --allow-empty -m x && \
             git worktree add -q ../four -b topic && git worktree remove ../four",
        );
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    });
}

#[test]
fn names_that_do_not_exist_yet_are_held_as_the_settings_say() {
    each(|world| {
        let (outside, project) = (world.outside.display(), world.project.display());
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/cache/new","{outside}/*.log"],
               "denyWrite":["{project}/**/*.key","{outside}/cache/new/kept"]}}}}}}"#
        ));
        let ran = world.run(&format!(
            "mkdir -p {outside}/cache/new/d && echo one > {outside}/cache/new/d/f && cat {outside}/cache/new/d/f; \
             umask 027; echo two >> {outside}/cache/new/d/g; mv {outside}/cache/new/d/g {outside}/cache/new/h; \
             stat -c %a {outside}/cache/new/h; chmod 600 {outside}/cache/new/h; stat -c %a {outside}/cache/new/h; \
             touch -d @7 {outside}/cache/new/h; stat -c %Y {outside}/cache/new/h; truncate -s 3 {outside}/cache/new/h; \
             wc -c < {outside}/cache/new/h; ln -s h {outside}/cache/new/l; readlink {outside}/cache/new/l; \
             echo log > {outside}/a.log; rm {outside}/cache/new/l; echo x > {outside}/cache/new/kept; \
             echo x > {outside}/other; mkdir sub; echo x > sub/a.key; echo x > {outside}/cache/../other"
        ));
        assert_eq!(ran.stdout, "one\n640\n600\n7\n3\nh\n", "{}", ran.stderr);
        let made: Vec<String> = world
            .state(&world.outside)
            .into_iter()
            .map(|(path, _)| path.strip_prefix(&world.outside).unwrap().display().to_string())
            .collect();
        assert_eq!(made, ["a.log", "cache", "cache/new", "cache/new/d", "cache/new/d/f", "cache/new/h"]);
        assert!(!world.project.join("sub/a.key").exists());
        // What was made is the user's.
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(world.outside.join("a.log")).unwrap().uid(), world.user);
    });
}

#[test]
fn a_single_file_that_may_be_written_may_be_replaced() {
    each(|world| {
        let file = world.outside.join("one");
        world.write(&file, "old\n");
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{}"]}}}}}}"#,
            file.display()
        ));
        let file = file.display();
        // By a new file of the same name, by one that is moved there, and again by the first way.
        let ran = world.run(&format!(
            "rm {file} && echo new > {file} && cat {file} && echo more >> {file} && echo moved > made && mv -f made {file} && cat {file} \
             && echo behind >> {file} && cat {file} && rm {file} && ln -s /etc/passwd {file}; echo \"link: $?\"; echo x > {file}x; echo end > {file}"
        ));
        assert_eq!(ran.stdout, "new\nmoved\nmoved\nbehind\nlink: 1\n", "{}", ran.stderr);
        assert_eq!(fs::read_to_string(world.outside.join("one")).unwrap(), "end\n");
        assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 1);
    });
}

/// Two threads rename and relink while others open: what is performed outside is only ever what was judged.
#[test]
fn races_never_put_a_file_elsewhere() {
    each(|world| {
        let outside = world.outside.display();
        for name in ["good", "evil"] {
            fs::create_dir(world.outside.join(name)).unwrap();
            world.give(&world.outside.join(name));
        }
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/good/*"]}}}}}}"#
        ));
        let program = format!(
            r#"
import ctypes, os, threading, time
libc = ctypes.CDLL(None)
good, evil = b'{outside}/good/f', b'{outside}/evil/f'
text = ctypes.create_string_buffer(good, 4096)
os.mkdir('real'); os.symlink('{outside}/good', 'way'); stop = False
def rewrite():
    while not stop:
        ctypes.memmove(text, evil, len(evil)); ctypes.memmove(text, good, len(good))
def relink():
    n = 0
    while not stop:
        n += 1
        os.symlink('{outside}/' + ('evil' if n % 2 else 'good'), 'next'); os.rename('next', 'way')
threads = [threading.Thread(target=f) for f in (rewrite, relink)]
for t in threads: t.start()
end = time.monotonic() + 3
while time.monotonic() < end:
    for path in (text, b'way/g'):
        fd = libc.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        if fd >= 0: os.close(fd)
    libc.mkdir(b'way/d', 0o700); libc.rmdir(b'way/d')
    libc.rename(b'way/g', b'way/h')
    libc.chmod(b'way/h', 0o600)
stop = True
"#
        );
        let ran = python(world, &program);
        assert!(!ran.stderr.contains("Traceback"), "{}", ran.stderr);
        assert_eq!(fs::read_dir(world.outside.join("evil")).unwrap().count(), 0);
        assert!(world.outside.join("good/f").exists());
    });
}

/// An askpass program of the caller's that notes what it was asked and answers as told.
pub fn with_answer(world: &World, answer: &str, text: &str) -> (Ran, Vec<serde_json::Value>) {
    let (program, notes) = (world.home.join("answer.sh"), world.home.join("notes"));
    world.write(&notes, "");
    world.write(&program, &format!("#!/bin/sh\ncat >> {}\necho >> {0}\necho {answer}\n", notes.display()));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let ran =
        world.command(world.bin("sbsh")).env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap();
    let notes = fs::read_to_string(&notes).unwrap();
    let asked = notes.lines().filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect();
    (ran.into(), asked)
}

#[test]
fn a_blocked_call_goes_on_once_it_is_granted() {
    each(|world| {
        let outside = world.outside.display();
        let host = Host::start(world, "daemon.sock");
        let (ran, asked) = with_answer(
            world,
            "once",
            &format!(
                "echo hello > {outside}/f && cat {outside}/f && mkdir {outside}/d && echo more >> {outside}/f"
            ),
        );
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.status), ("hello\n", "", Some(0)));
        let paths: Vec<String> = asked.iter().map(|q| q["path"].as_str().unwrap().to_owned()).collect();
        assert_eq!(paths, ["f", "d", "f"].map(|name| format!("{outside}/{name}")));
        assert!(asked.iter().all(|q| q["kind"] == "write" && q["program"] != ""), "{asked:?}");
        // For the session: a directory covers what is below.
        let (ran, asked) = with_answer(
            world,
            "session",
            &format!(
                "mkdir {outside}/s && for i in 1 2 3; do echo $i > {outside}/s/$i; done; cat {outside}/s/*"
            ),
        );
        assert_eq!((ran.stdout.as_str(), asked.len()), ("1\n2\n3\n", 1), "{}", ran.stderr);
        // A no is final for this command, and is asked once.
        let (ran, asked) = with_answer(
            world,
            "no",
            &format!("echo x > {outside}/n; echo x > {outside}/n; echo x > {outside}/n"),
        );
        assert_eq!((asked.len(), ran.status), (1, Some(1)));
        assert!(!world.outside.join("n").exists());
        // Always: it counts from now on, without a question.
        let (ran, _) = with_answer(world, "always", &format!("echo x > {outside}/always"));
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
        let (ran, asked) = with_answer(world, "no", &format!("echo y > {outside}/always"));
        assert_eq!((ran.status, asked.len()), (Some(0), 0), "{}", ran.stderr);
        // A server outside.
        let connect = format!(
            "python3 -c \"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{}'); print(s.recv(9).decode())\"",
            host.path.display()
        );
        let (ran, asked) = with_answer(world, "once", &connect);
        assert_eq!((ran.stdout.as_str(), asked.len(), host.came()), ("greetings\n", 1, 1), "{}", ran.stderr);
        assert_eq!(asked[0]["kind"], "socket");
        // A protected name stays where a person let it be made, and no setting is offered for it.
        let (ran, asked) = with_answer(
            world,
            "once",
            "echo x > .bashrc && git init -q r && echo x > r/.git/hooks/pre-commit",
        );
        assert_eq!((ran.status, ran.stderr.as_str(), asked.len()), (Some(0), "", 2));
        assert_eq!(asked[0]["choices"].to_string(), r#"["once","session","no"]"#);
        assert!(
            world.project.join(".bashrc").exists() && world.project.join("r/.git/hooks/pre-commit").exists()
        );
    });
}

#[test]
fn questions_about_calls_end() {
    each(|world| {
        let outside = world.outside.display();
        let (ran, asked) = with_answer(
            world,
            "no",
            &format!("for i in $(seq 100); do {{ : > {outside}/$i; }} 2>/dev/null; done; false"),
        );
        assert_eq!((asked.len(), ran.status), (24, Some(1)));
        // A command that is killed while its question stands is killed at once, and nothing of it is made.
        let program = world.home.join("slow.sh");
        world.write(&program, &format!("#!/bin/sh\ntouch {}/asking\nexec sleep 100\n", world.home.display()));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = world
            .command(world.bin("sbsh"))
            .env("SBSH_ASKPASS", &program)
            .args(["-c", &format!("echo x > {outside}/killed")])
            .spawn()
            .unwrap();
        while !world.home.join("asking").exists() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!world.outside.join("killed").exists());
    });
}

/// `p.py` of the project under sbsh, stopped where it has said `ready`: what stands outside can change meanwhile.
pub struct Paused {
    child: std::process::Child,
    out: std::process::ChildStdout,
}

impl Paused {
    pub fn start(world: &World) -> Self {
        let mut child = world
            .command(world.bin("sbsh"))
            .args(["-c", "exec python3 p.py"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut ready = [0; 6];
        out.read_exact(&mut ready).unwrap();
        Self { child, out }
    }

    /// Lets it run to its end; what it printed from there on.
    pub fn go_on(mut self) -> String {
        self.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap();
        rest
    }
}

/// The supervisor's death closes: calls fail, and nothing is reached.
#[test]
fn without_its_supervisor_every_watched_call_fails() {
    each(|world| {
        let host = Host::start(world, "daemon.sock");
        let program = format!(
            r#"{CONNECT}
print('ready', flush=True)
sys.stdin.readline()
print(tried(socket.SOCK_STREAM, '{}'))
try: open('here', 'w'); print('made')
except OSError as error: print(os.strerror(error.errno))
print(open('/etc/hostname').read() != '')
"#,
            host.path.display()
        );
        world.write(&world.project.join("p.py"), &program);
        let paused = Paused::start(world);
        // The caretaker: a child of the front that leads a session of its own.
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", paused.child.id())).unwrap();
        let leads = |pid: &&str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let after: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            after[3] == *pid
        };
        let caretaker = children.split_whitespace().find(leads).expect("a caretaker");
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(caretaker.parse().unwrap()),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        let rest = paused.go_on();
        assert_eq!(rest, "Function not implemented\nFunction not implemented\nTrue\n");
        assert_eq!(host.came(), 0);
    });
}

#[test]
fn threads_forks_signals_and_filters_of_its_own_change_nothing() {
    each(|world| {
        let outside = world.outside.display();
        let program = format!(
            r#"
import os, signal, threading, subprocess
results = []
def work(n):
    for i in range(50):
        path = 'f%d-%d' % (n, i)
        open(path, 'w').close(); os.rename(path, path + 'r'); os.unlink(path + 'r')
        try: open('{outside}/x', 'w'); results.append('open')
        except OSError as error: results.append(error.errno)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
signal.signal(signal.SIGALRM, lambda *a: None); signal.siginterrupt(signal.SIGALRM, False); signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for t in threads: t.start()
for t in threads: t.join()
signal.setitimer(signal.ITIMER_REAL, 0)
print(set(results), len(results))
children = [subprocess.Popen(['sh', '-c', 'for i in 1 2 3 4 5; do : > c$$-$i && rm c$$-$i || echo bad; done']) for _ in range(20)]
for c in children: c.wait()
pid = os.fork()
if pid == 0:
    while True: open('loop', 'w').close()
os.kill(pid, 9); os.waitpid(pid, 0)
print('end')
"#
        );
        let ran = python(world, &program);
        assert_eq!(ran.stdout, "{30} 400\nend\n", "{}", ran.stderr);
    });
}

#[test]
fn the_way_out_is_named_only_where_it_exists_and_a_person_can_be_asked() {
    each(|world| {
        let outside = world.outside.display();
        world.write(&world.outside.join("f"), "text");
        // A call that is not made for the inside, so nobody is asked while it waits.
        let text = format!(
            "python3 -c 'import os; os.setxattr(\"{outside}/f\", \"security.x\", b\"1\")' 2>/dev/null"
        );
        let word = "dangerouslyDisableSandbox COMMAND";
        assert!(!world.run(&text).stderr.contains(word));
        let (ran, _) = with_answer(world, "no", &text);
        assert!(ran.stderr.contains(word), "{}", ran.stderr);
        // Not for what a person refused.
        let (ran, asked) = with_answer(world, "no", &format!("touch {outside}/n 2>/dev/null"));
        assert!(asked.len() == 1 && !ran.stderr.contains(word), "{}", ran.stderr);
        world.user_settings(r#"{"sandbox":{"allowUnsandboxedCommands":false}}"#);
        let (ran, _) = with_answer(world, "no", &text);
        assert!(ran.stderr.contains("may not setxattr") && !ran.stderr.contains(word), "{}", ran.stderr);
    });
}

#[test]
fn a_denied_read_is_opened_where_an_ask_rule_says_so_and_a_person_does() {
    each(|world| {
        world.write(&world.home.join("vault/key"), "secret\n");
        world.write(&world.home.join("vault/other"), "other\n");
        world.write(&world.home.join(".netrc"), "login\n");
        world.write(&world.home.join("plain"), "plain\n");
        world.user_settings(
            r#"{"sandbox":{"filesystem":{"denyRead":["~/vault"]}},
                "permissions":{"ask":["Read(~/vault/key)", "Read(~/.netrc)", "Read(~/plain)"]}}"#,
        );
        let text = "cat ~/vault/key ~/.netrc ~/plain; cat ~/vault/other; ls ~/vault; cat < ~/vault/key";
        let (ran, asked) = with_answer(world, "session", text);
        assert_eq!(ran.stdout, "secret\nlogin\nplain\nsecret\n", "{}", ran.stderr);
        let paths: Vec<&str> = asked.iter().map(|q| q["path"].as_str().unwrap()).collect();
        assert!(asked.iter().all(|q| q["kind"] == "read"), "{asked:?}");
        assert_eq!(
            paths,
            [world.home.join("vault/key"), world.home.join(".netrc")].map(|p| p.display().to_string())
        );
        let (ran, asked) = with_answer(world, "no", text);
        assert_eq!((ran.stdout.as_str(), asked.len()), ("plain\n", 2), "{}", ran.stderr);
        // What is granted is read, not written.
        let (ran, _) = with_answer(world, "session", "cat ~/.netrc; echo x >> ~/.netrc; true");
        assert_eq!(ran.stdout, "login\n");
        assert_eq!(fs::read_to_string(world.home.join(".netrc")).unwrap(), "login\n");
        assert_eq!(world.run("cat ~/.netrc; find /usr/bin -maxdepth 1 | wc -l").status, Some(0));
    });
}
