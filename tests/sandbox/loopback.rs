//! Listeners inside, reached from the host's loopback and from other commands of a session; and everybody else who must
//! not reach them.

use crate::world::{ORDINARY, Ran, World, each, skip};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Says what it received once the other side has ended; `close` closes the listener and lets the process live.
const SERVE: &str = r#"
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((address, port)); s.listen()
open("up", "w").close()
while True:
    c, _ = s.accept()
    data = b""
    try:
        while d := c.recv(65536): data += d
        if data == b"close":
            s.close(); c.close(); time.sleep(600)
        c.sendall(b"hello %d" % len(data))
    except OSError as e: open("error", "w").write(type(e).__name__)
    c.close()
"#;

/// One line: what the server says to so many bytes or to a word, or the error's name.
const ASK: &str = r#"
import socket, sys
host, port, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
try:
    s = socket.create_connection((host, port), 10)
    s.sendall(b"x" * int(what) if what.isdigit() else what.encode()); s.shutdown(socket.SHUT_WR)
    data = b""
    while d := s.recv(65536): data += d
    print(data.decode() or "nothing")
except OSError as e: print(type(e).__name__)
"#;

const LOCAL: &str = r#"{"sandbox": {"network": {"allowLocalBinding": true}}}"#;

/// Runs a check as each user, with the two programs in the project.
fn served(settings: &str, check: impl Fn(&World)) {
    if !Command::new("python3").arg("-V").output().is_ok_and(|ran| ran.status.success()) {
        skip("python3 is not installed");
        return;
    }
    each(|world| {
        world.user_settings(settings);
        world.write(&world.project.join("serve.py"), SERVE);
        world.write(&world.project.join("ask.py"), ASK);
        check(world);
    });
}

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that nothing has at either address.
fn free_port() -> u16 {
    loop {
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = one.local_addr().unwrap().port();
        if TcpListener::bind(("::1", port)).is_ok() {
            return port;
        }
    }
}

/// A command that runs; ended with everything in it when dropped.
struct Running {
    child: Child,
    said: PathBuf,
}

impl Running {
    fn start(world: &World, session: Option<&str>, text: &str) -> Running {
        let said = world.outside.join(format!("said-{}", fs::read_dir(&world.outside).unwrap().count()));
        let mut command = world.command(world.bin("sbsh"));
        command.envs(session.map(|token| ("SBSH_SESSION", token)));
        command.args(["-c", text]).stdout(Stdio::null()).stderr(fs::File::create(&said).unwrap());
        Running { child: command.spawn().unwrap(), said }
    }

    /// A server, listening.
    fn server(world: &World, session: Option<&str>, address: &str, port: u16) -> Running {
        let up = world.project.join("up");
        let _ = fs::remove_file(&up);
        let running = Running::start(world, session, &format!("python3 serve.py {address} {port}"));
        until("the server does not begin", || up.exists());
        running
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From the host.
fn ask(address: &str, port: u16, bytes: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((address, port))?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_closed(port: u16) -> bool {
    ["127.0.0.1", "::1"]
        .iter()
        .all(|a| TcpStream::connect((*a, port)).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused))
}

/// `sbsh -c TEXT` in a session.
fn run(world: &World, session: &str, text: &str) -> Ran {
    let mut command = world.command(world.bin("sbsh"));
    command.env("SBSH_SESSION", session).args(["-c", text]).output().unwrap().into()
}

/// What listens on the host at this port, as /proc/net says it.
fn listening(port: u16) -> Vec<String> {
    let mut all = Vec::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words[1].ends_with(&format!(":{port:04X}")) && words[3] == "0A" {
                all.push(words[1].split(':').next().unwrap().to_owned());
            }
        }
    }
    all
}

const V4: &str = "0100007F";
const V6: &str = "00000000000000000000000001000000";

/// The registry of the world's user.
fn registry(world: &World) -> PathBuf {
    PathBuf::from(format!("/tmp/sbsh-{}/sessions", world.user))
}

/// Where the command of this process sits in its session.
fn seat_of(world: &World, front: u32) -> PathBuf {
    let sessions = fs::read_dir(registry(world)).unwrap().flatten();
    let mut seats = sessions.flat_map(|session| fs::read_dir(session.path()).into_iter().flatten()).flatten();
    let seat = seats.find(|seat| seat.file_name().to_string_lossy().starts_with(&format!("{front}-")));
    seat.unwrap().path()
}

#[test]
fn a_listener_inside_is_on_the_hosts_loopback_from_listen_to_close() {
    served(LOCAL, |world| {
        for address in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            let port = free_port();
            let running = Running::server(world, None, address, port);
            for host in ["127.0.0.1", "::1"] {
                // Half a connection ends, and the answer still comes.
                until("the host does not reach it", || {
                    ask(host, port, &[b'x'; 300_000]).is_ok_and(|answer| answer == "hello 300000")
                });
            }
            let mut bound = listening(port);
            bound.sort();
            assert_eq!(bound, [V6, V4], "{address}");
            // A reset arrives as one.
            let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.write_all(b"x").unwrap();
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            nix::sys::socket::setsockopt(&client, nix::sys::socket::sockopt::Linger, &linger).unwrap();
            drop(client);
            let error = world.project.join("error");
            until("the reset does not arrive", || {
                fs::read_to_string(&error).is_ok_and(|error| error == "ConnectionResetError")
            });
            fs::remove_file(&error).unwrap();
            assert_eq!(ask("127.0.0.1", port, b"close").unwrap(), "");
            until("the host's port stays open", || is_closed(port));
            assert_eq!(running.said(), "");
        }
    });
}

#[test]
fn without_the_setting_nothing_is_on_the_hosts_loopback() {
    served("{}", |world| {
        let port = free_port();
        let _running = Running::server(world, Some("x"), "0.0.0.0", port);
        // The session knows it: whoever looks has looked.
        until("the session does not reach it", || {
            run(world, "x", &format!("python3 ask.py 127.0.0.1 {port} 1")).stdout == "hello 1\n"
        });
        assert!(is_closed(port) && listening(port).is_empty());
    });
}

#[test]
fn privileged_ports_are_no_programs_inside() {
    served(LOCAL, |world| {
        for address in ["127.0.0.1", "0.0.0.0", "::1"] {
            let ran = world.run(&format!("python3 serve.py {address} 1023"));
            assert!(ran.stderr.contains("PermissionError"), "{ran:?}");
        }
    });
}

#[test]
fn a_port_that_the_host_has_is_left_to_it_and_that_is_said_once() {
    served(LOCAL, |world| {
        for host in ["127.0.0.1", "::1"] {
            let port = free_port();
            let own = TcpListener::bind((host, port)).unwrap();
            let running = Running::server(world, None, "0.0.0.0", port);
            let notice = format!("sbsh: port {port} inside is not reachable from the host: ");
            until("nothing is said", || running.said().contains(&notice));
            assert_eq!(listening(port), [if host == "::1" { V6 } else { V4 }]);
            let mut client = TcpStream::connect((host, port)).unwrap();
            let (mut server, _) = own.accept().unwrap();
            server.write_all(b"mine").unwrap();
            drop(server);
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "mine");
            drop((client, own));
            until("it is not reached when the port is free", || {
                ask("127.0.0.1", port, b"x").is_ok_and(|answer| answer == "hello 1")
            });
            assert_eq!(running.said().matches("sbsh: ").count(), 1, "{}", running.said());
        }
    });
}

#[test]
fn what_nobody_serves_leads_nowhere_and_in_no_circle() {
    served(LOCAL, |world| {
        let (port, none) = (free_port(), free_port());
        let text = format!(
            "python3 serve.py 127.0.0.1 {port} & for i in $(seq 600); do [ -e up ] && break; sleep 0.05; done
             python3 ask.py ::1 {port} 5; python3 ask.py 127.0.0.1 {port} 6
             kill $!; wait $!; python3 ask.py 127.0.0.1 {port} 1; python3 ask.py 127.0.0.1 {none} 1"
        );
        let ran = world.run(&text);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        // By the other address it goes by the host, if the host has it by then.
        assert!(["hello 5", "ConnectionResetError"].contains(&lines[0]), "{ran:?}");
        assert_eq!(lines[1], "hello 6", "{ran:?}");
        for line in &lines[2..] {
            // Refused or reset; shutdown(2) of what was reset already fails by ENOTCONN, which has no name in Python.
            assert!(line.contains("Connection") || *line == "OSError", "{ran:?}");
        }
        fs::remove_file(world.project.join("up")).unwrap();
    });
}

/// Listens on ten thousand ports, or on as many as it may have descriptors.
const MANY: &str = r#"
import resource, socket, time
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
kept = []
for port in range(10000, 10000 + min(10000, hard - 64)):
    s = socket.socket(); s.bind(("127.0.0.1", port)); s.listen(); kept.append(s)
open("up", "w").close(); time.sleep(600)
"#;

#[test]
fn ten_thousand_listeners_take_few_ports_of_the_host() {
    served(LOCAL, |world| {
        world.write(&world.project.join("many.py"), MANY);
        let running = Running::start(world, None, "python3 many.py");
        until("the listeners do not begin", || world.project.join("up").exists());
        let open = || {
            let text = fs::read_to_string("/proc/net/tcp").unwrap();
            let ours = |line: &&str| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let port = words[1].split(':').nth(1).and_then(|port| u16::from_str_radix(port, 16).ok());
                words[3] == "0A" && port.is_some_and(|port| (10_000..20_000).contains(&port))
            };
            text.lines().filter(ours).count()
        };
        until("the host has none", || open() > 200);
        for _ in 0..20 {
            assert!(open() <= 256 + 8, "{}", open());
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(running);
        until("they stay", || open() < 8);
        fs::remove_file(world.project.join("up")).unwrap();
    });
}

#[test]
fn commands_of_a_session_reach_each_others_listeners() {
    served("{}", |world| {
        for address in ["127.0.0.1", "::"] {
            let (one, two) = (free_port(), free_port());
            let first = Running::server(world, Some("a b/c"), address, one);
            // At once: the next command asks what there is before it is let at the network.
            for host in ["127.0.0.1", "localhost", "::1"] {
                let ran = run(world, "a b/c", &format!("python3 ask.py {host} {one} 70000"));
                assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("hello 70000\n", ""));
            }
            // What nobody serves is refused, as it would be without a session.
            let none = format!("python3 ask.py 127.0.0.1 {two} 1");
            until("another port is open", || run(world, "a b/c", &none).stdout == "ConnectionRefusedError\n");
            // And the other way while both live.
            let _second = Running::server(world, Some("a b/c"), address, two);
            let back = world.project.join("back");
            let _ = fs::remove_file(&back);
            let third = Running::start(
                world,
                Some("a b/c"),
                &format!(
                    "until python3 ask.py localhost {two} 3 | grep -q hello; do sleep 0.05; done; touch back"
                ),
            );
            until("the other direction does not work", || back.exists());
            drop(third);
            // With it goes what it served.
            drop(first);
            let closed = format!("python3 ask.py 127.0.0.1 {one} 1");
            until("it is still served", || run(world, "a b/c", &closed).stdout == "ConnectionRefusedError\n");
            let log = fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
            let mut lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let line = lines.find(|line| line["event"] == "connection" && line["port"] == one).unwrap();
            let said = (&line["host"], &line["rule"], &line["sent"], &line["verdict"]);
            assert_eq!(said, (&"localhost".into(), &"session".into(), &70_000.into(), &"allowed".into()));
        }
    });
}

#[test]
fn a_command_that_runs_already_reaches_what_begins_to_listen_later() {
    served("{}", |world| {
        let port = free_port();
        let (begun, back) = (world.project.join("begun"), world.project.join("back"));
        let asks = format!(
            "touch begun; until python3 ask.py localhost {port} 3 | grep -q hello; do sleep 0.05; done; touch back"
        );
        let _waits = Running::start(world, Some("later"), &asks);
        until("it does not begin", || begun.exists());
        let _server = Running::server(world, Some("later"), "127.0.0.1", port);
        until("it does not reach it", || back.exists());
    });
}

#[test]
fn a_gateway_is_started_for_those_who_listen_and_no_others() {
    served("{}", |world| {
        // A fork of a program has its arguments.
        let begin = |session, marker: &str, text: &str| {
            let begun = world.project.join("begun");
            let _ = fs::remove_file(&begun);
            let running = Running::start(world, session, &format!("touch begun; {text}; : {marker}"));
            until("it does not begin", || begun.exists());
            running
        };
        let forks = |marker: &str| processes(marker).len();
        let _quiet = begin(Some("quiet"), "forks-quiet", "sleep 600");
        let _second = begin(Some("quiet"), "forks-second", "sleep 600");
        let _alone = begin(None, "forks-alone", "sleep 600");
        // What is beside a command at its beginning ends soon.
        until("a quiet one has a gateway", || forks("forks-quiet") == forks("forks-alone"));
        until("the second one has a gateway", || forks("forks-second") == forks("forks-alone"));
        let server = format!("python3 serve.py 127.0.0.1 {}", free_port());
        let _third = begin(Some("quiet"), "forks-third", &server);
        until("no gateway was started", || forks("forks-third") > forks("forks-alone"));
        until("the others were not told", || forks("forks-quiet") > forks("forks-alone"));
    });
}

#[test]
fn a_job_that_lives_on_is_reached_by_the_next_command() {
    served("{}", |world| {
        let port = free_port();
        let ran = run(
            world,
            "agent",
            &format!("(python3 serve.py 127.0.0.1 {port} & echo $! > pid; wait) >/dev/null 2>&1 &"),
        );
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
        let asked = format!("python3 ask.py localhost {port} 2");
        until("the next command does not reach it", || run(world, "agent", &asked).stdout == "hello 2\n");
        let ran = run(world, "agent", &format!("python3 ask.py 127.0.0.1 {port} close"));
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("nothing\n", ""));
        until("it is still served", || run(world, "agent", &asked).stdout == "ConnectionRefusedError\n");
        // It still sleeps inside: found by its arguments, as no number of the sandbox means anything here.
        for process in processes(&format!("serve.py 127.0.0.1 {port}")) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::SIGKILL);
        }
    });
}

#[test]
fn nobody_else_reaches_a_session() {
    served("{}", |world| {
        let port = free_port();
        let _running = Running::server(world, Some("mine"), "0.0.0.0", port);
        let asked = format!("python3 ask.py 127.0.0.1 {port} 1");
        assert_eq!(run(world, "mine", &asked).stdout, "hello 1\n");
        let fails = |ran: Ran| assert!(ran.stdout.starts_with("Connection"), "{ran:?}");
        fails(run(world, "mine2", &asked));
        fails(run(world, "", &asked));
        fails(world.run(&asked));
        // Code inside cannot say that it belongs to it.
        let nested = format!("SBSH_SESSION=mine {} -c '{asked}'", world.bin("sbsh").display());
        fails(world.run(&nested));
        fails(run(world, "mine2", &nested));
        // Another root.
        let other = world.project.join("below");
        world.write(&other.join(".claude/settings.json"), "{}");
        let mut command = world.command(world.bin("sbsh"));
        command.current_dir(&other).env("PWD", &other).env("SBSH_SESSION", "mine");
        fails(
            command.args(["-c", &format!("python3 ../ask.py 127.0.0.1 {port} 1")]).output().unwrap().into(),
        );
        // Another user, with the same root.
        if nix::unistd::geteuid().is_root() {
            use std::os::unix::process::CommandExt;
            let mut command = world.command(world.bin("sbsh"));
            let user = if world.user == 0 { ORDINARY } else { ORDINARY + 1 };
            command.uid(user).gid(user).env("HOME", "/nonexistent").env("SBSH_SESSION", "mine");
            command.env("SBSH_ROOT", &world.project);
            fails(command.args(["-c", &asked]).output().unwrap().into());
        }
        // The host.
        assert!(is_closed(port));
    });
}

#[test]
fn a_denied_loopback_is_denied_to_a_session_too() {
    served(r#"{"sandbox": {"network": {"deniedDomains": ["localhost"]}}}"#, |world| {
        let port = free_port();
        let _running = Running::server(world, Some("mine"), "0.0.0.0", port);
        for host in ["localhost", "127.0.0.1", "::1"] {
            let ran = run(world, "mine", &format!("python3 ask.py {host} {port} 1"));
            assert!(ran.stdout.starts_with("Connection") && ran.stderr.contains("is blocked"), "{ran:?}");
        }
    });
}

/// Everything that a program inside can do at a socket whose name it knows.
const KNOCK: &str = r#"
import os, socket, sys
try: print(os.listdir(sys.argv[1]))
except OSError as e: print(type(e).__name__)
for path in sys.argv[2:]:
    try:
        s = socket.socket(socket.AF_UNIX); s.connect(path)
        s.sendall(b"connect %d\n" % int(open("port").read())); s.settimeout(5)
        data, fds, _, _ = socket.recv_fds(s, 10, 1); print("reached", data, fds)
    except OSError as e: print(type(e).__name__)
for make in (lambda: socket.socket(socket.AF_UNIX).bind(sys.argv[1] + "/x"), lambda: os.unlink(sys.argv[2])):
    try: make(); print("done")
    except OSError as e: print(type(e).__name__)
"#;

#[test]
fn the_registry_is_hidden_inside_where_unix_sockets_are_allowed() {
    served(r#"{"sandbox": {"network": {"allowAllUnixSockets": true}}}"#, |world| {
        let port = free_port();
        world.write(&world.project.join("port"), &port.to_string());
        world.write(&world.project.join("knock.py"), KNOCK);
        let _running = Running::server(world, Some("mine"), "0.0.0.0", port);
        let mut seats = Vec::new();
        for session in fs::read_dir(registry(world)).unwrap().flatten() {
            let entries = fs::read_dir(session.path()).into_iter().flatten().flatten();
            seats.extend(entries.map(|seat| seat.path().display().to_string()));
        }
        assert!(!seats.is_empty());
        let text = format!("python3 knock.py {} {}", registry(world).display(), seats.join(" "));
        for ran in [world.run(&text), run(world, "other", &text), run(world, "mine", &text)] {
            assert_eq!(ran.stdout.lines().count(), seats.len() + 3, "{ran:?}");
            assert!(ran.stdout.lines().all(|line| line == "PermissionError" || line == "OSError"), "{ran:?}");
        }
        assert_eq!(run(world, "mine", &format!("python3 ask.py ::1 {port} 1")).stdout, "hello 1\n");
    });
}

#[test]
fn a_registry_that_is_writable_inside_is_not_used() {
    served("{}", |world| {
        let mut command = world.command(world.bin("sbsh"));
        command.env("SBSH_SESSION", "x").env("SBSH_ROOT", "/tmp").args(["-c", "echo ran"]);
        let ran: Ran = command.output().unwrap().into();
        assert!(ran.stdout == "ran\n" && ran.stderr.contains("SBSH_SESSION has no effect"), "{ran:?}");
    });
}

/// Processes with this in their arguments.
fn processes(marker: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let mut all: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    all.retain(|process| {
        let words = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        String::from_utf8_lossy(&words).replace('\0', " ").contains(marker) && !stat.contains(") Z ")
    });
    all.sort_unstable();
    all
}

#[test]
fn whatever_is_killed_nothing_is_left() {
    served(LOCAL, |world| {
        let mut which = 0;
        let session = loop {
            let port = free_port();
            let up = world.project.join("up");
            let _ = fs::remove_file(&up);
            let text = format!("python3 serve.py 127.0.0.1 {port}; : marker-{port}");
            let running = Running::start(world, Some("mine"), &text);
            until("the host does not reach it", || ask("127.0.0.1", port, b"x").is_ok());
            // Front, caretaker, gateway, socket maker; and bubblewrap or the first process inside, whose arguments nobody
            // sees.
            let mut ours = processes(&format!("bin/sbsh -c {text}"));
            let front = running.child.id();
            let session = seat_of(world, front).parent().unwrap().to_owned();
            let children = fs::read_to_string(format!("/proc/{front}/task/{front}/children")).unwrap();
            let children: Vec<i32> =
                children.split_whitespace().map(|child| child.parse().unwrap()).collect();
            ours.extend(children.iter().filter(|child| !ours.contains(child)).copied().collect::<Vec<_>>());
            let Some(&victim) = ours.get(which) else { break session };
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim), nix::sys::signal::SIGKILL).unwrap();
            drop(running);
            until(&format!("process {which} of {} leaves others behind", ours.len()), || {
                processes(&format!("serve.py 127.0.0.1 {port}")).is_empty() && is_closed(port)
            });
            which += 1;
        };
        assert!(which == 5, "{which}");
        // An entry may stay after SIGKILL of all who knew of it; the session's next command takes it away.
        until("the registry keeps what nobody holds", || {
            run(world, "mine", "true");
            let seats = fs::read_dir(&session).into_iter().flatten();
            seats.flatten().all(|seat| UnixStream::connect(seat.path()).is_ok())
        });
    });
}
