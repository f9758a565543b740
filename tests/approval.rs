//! The speakers as a person and a program meet them: a real pseudo-terminal, in a session of its own.
//!
//! Each test starts this binary again, so that the question stands in another process; [`asked_in_a_session`] is what
//! that process does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use sbsh::approval::{Choice, Kind, NetworkTarget, Question, speaker};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Names the directory with the question, for the other process.
const PLACE: &str = "SBSH_TEST_PLACE";
const ASKPASS: &str = "SBSH_ASKPASS";
const ENDS_OF_KEYS: &str = "[n]o > ";
const PERSON: &str = "No { by: \"the person at the terminal said no\" }";

#[test]
#[ignore = "the other tests start it in a session of its own"]
fn asked_in_a_session() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let host = std::fs::read_to_string(place.join("host")).ok();
    let target =
        host.map(|host| NetworkTarget { host, port: 443, program: Some("/usr/bin/curl".to_owned()) });
    let question = Question {
        kind: if target.is_some() { Kind::Network } else { Kind::Command },
        command: std::fs::read(place.join("command")).unwrap(),
        cwd: PathBuf::from("/w"),
        rule: None,
        origin: None,
        why: "a rule asks".to_owned(),
        argv: None,
        choices: match target {
            Some(_) => Choice::ALL.to_vec(),
            None => vec![Choice::Once, Choice::Session, Choice::Always],
        },
        target,
        targets_too: Vec::new(),
        place: None,
    };
    let answer = speaker(std::env::var_os(ASKPASS).map(PathBuf::from), &[], false).ask(&question);
    let mut unread = String::new();
    std::io::stdin().read_to_string(&mut unread).unwrap();
    std::fs::write(place.join("result"), format!("{answer:?} {unread}")).unwrap();
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// A runtime directory as a session has one: without it, the user's real console would be found.
fn private() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    mode(place.path(), 0o700);
    place
}

/// A question on a terminal, seen from the terminal's side.
struct Conversation {
    place: tempfile::TempDir,
    master: Option<File>,
    slave: std::os::fd::OwnedFd,
    before: Termios,
    child: Child,
    seen: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Session {
    Foreground,
    Background,
    WithoutTerminal(&'static str),
    /// In the foreground, and signals as they are.
    Console,
}

impl Conversation {
    fn start(command: &str) -> Conversation {
        Conversation::start_with(command, "", Session::Foreground)
    }

    fn start_with(command: &str, typed_ahead: &str, session: Session) -> Conversation {
        let place = private();
        let runtime = place.path().to_path_buf();
        Conversation::asking(place, &runtime, command, None, typed_ahead, session)
    }

    /// A question about a host, where consoles are looked for in this directory.
    fn about_host(runtime: &Path, host: &str, session: Session) -> Conversation {
        let place = tempfile::tempdir().unwrap();
        Conversation::asking(place, runtime, "npm i", Some(host), "", session)
    }

    fn asking(
        place: tempfile::TempDir,
        runtime: &Path,
        command: &str,
        host: Option<&str>,
        typed_ahead: &str,
        session: Session,
    ) -> Conversation {
        std::fs::write(place.path().join("command"), command).unwrap();
        if let Some(host) = host {
            std::fs::write(place.path().join("host"), host).unwrap();
        }
        let itself = std::env::current_exe().unwrap();
        let mut starting = match session {
            Session::Background => {
                let mut bash = Command::new("bash");
                bash.args(["--norc", "-c", "set -m; \"$@\" < stdin & wait", "bash"]).arg(itself);
                bash
            }
            Session::Foreground | Session::Console | Session::WithoutTerminal(_) => Command::new(itself),
        };
        starting
            .args(["--exact", "--ignored", "asked_in_a_session"])
            .env(PLACE, place.path())
            .env("XDG_RUNTIME_DIR", runtime)
            .env(ASKPASS, if let Session::WithoutTerminal(program) = session { program } else { "" });
        Conversation::run(starting, place, typed_ahead, session)
    }

    /// `sbshctl approve`, with its socket below this directory.
    fn console(runtime: &Path) -> Conversation {
        let mut starting = Command::new(env!("CARGO_BIN_EXE_sbsh"));
        starting.args(["ctl", "approve"]).env("XDG_RUNTIME_DIR", runtime).env("TERM", "dumb");
        Conversation::run(starting, tempfile::tempdir().unwrap(), "", Session::Console)
    }

    fn run(
        mut starting: Command,
        place: tempfile::TempDir,
        typed_ahead: &str,
        session: Session,
    ) -> Conversation {
        let size = Winsize { ws_row: 30, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let mut master = File::from(master);
        let before = tcgetattr(&slave).unwrap();
        master.write_all(typed_ahead.as_bytes()).unwrap();
        std::fs::write(place.path().join("stdin"), "o\ns\na\n").unwrap();
        starting
            .current_dir(place.path())
            .stdin(File::open(place.path().join("stdin")).unwrap())
            .stdout(Stdio::null());
        let terminal = slave.as_raw_fd();
        let own = master.as_raw_fd();
        let become_session = move || {
            // As in sbsh no thread may have these open, or the signal finds that one; a question waits for them.
            if session != Session::Console {
                SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP]).thread_block()?;
            }
            // Whoever runs the tests may ignore it (nohup), and that would be inherited.
            // SAFETY: the default takes no handler.
            #[allow(unsafe_code)]
            unsafe { nix::sys::signal::signal(Signal::SIGHUP, SigHandler::SigDfl) }?;
            nix::unistd::setsid()?;
            if !matches!(session, Session::WithoutTerminal(_)) {
                // SAFETY: TIOCSCTTY takes a number and no memory; the descriptor is open until exec.
                #[allow(unsafe_code)]
                let status = unsafe { nix::libc::ioctl(terminal, nix::libc::TIOCSCTTY, 0) };
                nix::errno::Errno::result(status)?;
            }
            // The terminal must hang up when the test's own end is closed.
            // SAFETY: closes numbers of this child that nothing in it owns.
            #[allow(unsafe_code)]
            unsafe {
                nix::libc::close(own);
                nix::libc::close(terminal);
            }
            Ok(())
        };
        // SAFETY: only system calls, nothing that allocates or locks.
        #[allow(unsafe_code)]
        let child = unsafe { starting.pre_exec(become_session) }.spawn().unwrap();
        Conversation { place, master: Some(master), slave, before, child, seen: String::new() }
    }

    /// Reads what is shown for at most so long; whether there was something.
    fn look(&mut self, patience: u16) -> bool {
        let mut master = self.master.as_ref().unwrap();
        let mut waited = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waited, PollTimeout::from(patience)).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 65_536];
        let length = master.read(&mut bytes).unwrap();
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        true
    }

    /// Reads until this was shown behind what was seen before.
    fn until(&mut self, marker: &str) -> &mut Conversation {
        let end = Instant::now() + Duration::from_secs(120);
        while !self.seen.contains(marker) {
            assert!(Instant::now() < end, "no {marker:?} in {:?}", self.seen);
            self.look(200);
        }
        self
    }

    /// Types. What comes too soon behind a question is dropped by the console, so it is typed until something is shown.
    fn types(&mut self, keys: &[u8]) -> &mut Conversation {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            self.master.as_ref().unwrap().write_all(keys).unwrap();
            if self.look(1500) {
                return self;
            }
            assert!(Instant::now() < end, "no answer to {keys:?} after {:?}", self.seen);
        }
    }

    /// Types keys that must not be an answer: nothing is shown for them.
    fn types_in_vain(&mut self, keys: &[u8]) -> &mut Conversation {
        for _ in 0..2 {
            self.master.as_ref().unwrap().write_all(keys).unwrap();
            assert!(!self.look(150), "{keys:?} was taken for an answer: {}", self.seen);
        }
        self
    }

    /// What the other process wrote when the question had been answered, without the `stdin` it found unread.
    fn result(&mut self) -> String {
        let status = self.end();
        assert!(status.success(), "{status} {}", self.seen);
        let result = std::fs::read_to_string(self.place.path().join("result")).unwrap();
        result.strip_suffix(" o\ns\na\n").expect("stdin was read").to_owned()
    }

    /// Waits for the end, and sees that the terminal is as it was.
    fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + Duration::from_secs(120);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "does not end: {}", self.seen);
            if self.master.is_some() {
                self.look(20);
            }
        };
        if self.master.is_some() {
            assert_eq!(tcgetattr(&self.slave).unwrap(), self.before);
        }
        status
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn keys_answer_and_the_terminal_is_given_back() {
    for (keys, answer) in [
        ("o", "Once"),
        ("s", "Session"),
        ("a", "Always"),
        ("n", PERSON),
        ("o\r", "Once"),
        ("\u{3}", PERSON),
        ("\u{4}", PERSON),
    ] {
        let mut conversation = Conversation::start("git push");
        conversation.until(ENDS_OF_KEYS);
        let asking = tcgetattr(&conversation.slave).unwrap();
        assert!(!asking.local_flags.intersects(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG));
        assert_eq!(conversation.types(keys.as_bytes()).result(), answer, "{keys:?}");
    }
}

#[test]
fn enter_bursts_and_unknown_keys_do_not_answer() {
    let mut conversation = Conversation::start("git push");
    conversation.until(ENDS_OF_KEYS);
    for keys in [b"\r".as_slice(), b"y", b"\x1b[A", b"oo\r", b"always\r", b" "] {
        conversation.types_in_vain(keys);
    }
    assert_eq!(conversation.types(b"o").result(), "Once");
}

#[test]
fn what_was_typed_ahead_does_not_answer() {
    for ahead in ["o", "o\n", "a\na\n", "s"] {
        let mut conversation = Conversation::start_with("git push", ahead, Session::Foreground);
        conversation.until(ENDS_OF_KEYS).types_in_vain(b"x");
        assert_eq!(conversation.types(b"n").result(), PERSON, "{ahead:?}");
    }
}

#[test]
fn a_signal_ends_the_question() {
    let mut conversation = Conversation::start("git push");
    conversation.until(ENDS_OF_KEYS).types_in_vain(b"x");
    let id = nix::unistd::Pid::from_raw(i32::try_from(conversation.child.id()).unwrap());
    nix::sys::signal::kill(id, Signal::SIGTERM).unwrap();
    assert_eq!(conversation.result(), "No { by: \"a signal ended the question\" }");
}

#[test]
fn a_terminal_that_goes_away_is_no_yes() {
    let mut conversation = Conversation::start("git push");
    conversation.until(ENDS_OF_KEYS);
    conversation.master = None;
    let result = conversation.result();
    // Whichever is noticed first; the last one if the question did not stand completely yet.
    let ends = [
        "a signal ended the question",
        "the terminal was closed",
        "the terminal failed: Input/output error (os error 5)",
    ];
    assert!(ends.iter().any(|by| result == format!("No {{ by: \"{by}\" }}")), "{result}");
}

#[test]
fn the_whole_text_is_shown_escaped() {
    let command =
        format!("ls \u{202e}x\u{1b}[2J\u{7}\r{}; rm x\nsbsh: approved\t\u{200b}", " ".repeat(10_000));
    let mut conversation = Conversation::start(&command);
    conversation.until(ENDS_OF_KEYS);
    let expected = "sbsh: Run this command (inside the sandbox)?\r\n\
                    \x20 | ls \\u{202e}x\\e[2J\\x07\\r\\{blank×10000}; rm x\r\n\
                    \x20 | sbsh: approved\\t\\u{200b}\r\n\
                    \x20 in:    /w\r\n\
                    \x20 why:   a rule asks\r\n\
                    \x20 [o]nce  [s]ession  [a]lways  [n]o > ";
    assert_eq!(conversation.seen, expected);
    assert_eq!(conversation.types(b"n").result(), PERSON);
}

#[test]
fn yes_is_possible_only_behind_the_last_page() {
    let command = (0..40).map(|line| format!("echo {line}")).collect::<Vec<_>>().join("\n");
    let mut conversation = Conversation::start(&command);
    conversation
        .until("-- page 1 of 2: Enter shows more, n = no --")
        .types_in_vain(b"o")
        .types_in_vain(b"a\r");
    assert!(!conversation.seen.contains("| echo 39\r\n"));
    assert_eq!(conversation.types(b"\r").until(ENDS_OF_KEYS).types(b"s").result(), "Session");
    assert!(conversation.seen.contains("| echo 39\r\n"));

    let mut conversation = Conversation::start(&command);
    conversation.until("-- page 1 of 2: Enter shows more, n = no --");
    assert_eq!(conversation.types(b"n").result(), PERSON);
}

#[test]
fn nobody_is_asked_in_the_background_or_without_a_terminal() {
    const NOBODY: &str =
        "No { by: \"nobody could be asked: no terminal, no approver console, and SBSH_ASKPASS is not set\" }";
    for session in [Session::Background, Session::WithoutTerminal("")] {
        let mut conversation = Conversation::start_with("git push", "o\n", session);
        assert_eq!(conversation.result(), NOBODY);
        assert!(!conversation.seen.contains("git push"), "{}", conversation.seen);
    }
}

#[test]
fn without_a_terminal_the_askpass_program_is_asked() {
    for (program, by) in [
        ("/usr/bin/head", "the askpass program '/usr/bin/head' ended with status 1"),
        ("/usr/bin/env", "the askpass program '/usr/bin/env' ended with status 127"),
        ("bin/true", "nobody could be asked (SBSH_ASKPASS 'bin/true' is not an absolute path)"),
        (
            "/missing",
            "nobody could be asked (cannot use SBSH_ASKPASS '/missing': No such file or directory (os error 2))",
        ),
    ] {
        let mut conversation = Conversation::start_with("git push", "", Session::WithoutTerminal(program));
        assert_eq!(conversation.result(), format!("No {{ by: {by:?} }}"));
    }
}

/// Answers at the console: the keys are typed until the asker has its answer.
fn answered_by(console: &mut Conversation, asker: &mut Conversation, keys: &[u8]) -> String {
    console.until(ENDS_OF_KEYS);
    console.seen.clear();
    // The word for the answer and the end of its line may come in two pieces.
    let answer = console.types(keys).until("\n").seen.clone();
    assert!(!answer.is_empty(), "{answer}");
    asker.result()
}

const AT_CONSOLE: &str = "the person at the approver console said";
const READY: &str = "q leaves\r\n";

#[test]
fn the_console_answers_for_commands_without_a_terminal_and_the_person_leaves() {
    let runtime = private();
    let mut console = Conversation::console(runtime.path());
    console.until(READY).types_in_vain(b"o");
    for (key, answer) in [
        ("o", "Once".to_owned()),
        ("s", "Session".to_owned()),
        ("a", "Always".to_owned()),
        ("u", "AlwaysUser".to_owned()),
        ("v", format!("Never {{ by: \"{AT_CONSOLE} never\" }}")),
        ("n", format!("No {{ by: \"{AT_CONSOLE} no\" }}")),
    ] {
        let mut asker =
            Conversation::about_host(runtime.path(), "exam\u{202e}ple.com", Session::WithoutTerminal(""));
        console.until(ENDS_OF_KEYS);
        let expected = "sbsh: May this command connect?\r\n\
                        \x20 to:    exam\\u{202e}ple.com:443\r\n\
                        \x20 by:    /usr/bin/curl\r\n\
                        \x20 | npm i\r\n";
        assert!(console.seen.contains(expected), "{}", console.seen);
        assert!(console.seen.ends_with("always for [u]ser  ne[v]er  [n]o > "), "{}", console.seen);
        assert_eq!(answered_by(&mut console, &mut asker, key.as_bytes()), answer);
    }
    console.master.as_ref().unwrap().write_all(b"q").unwrap();
    assert!(console.end().success());
    assert!(!runtime.path().join("sbsh/console.sock").exists());
}

#[test]
fn the_terminal_is_asked_before_the_console() {
    let runtime = private();
    let mut console = Conversation::console(runtime.path());
    console.until(READY);
    let mut asker = Conversation::about_host(runtime.path(), "a.com", Session::Foreground);
    asker.until(ENDS_OF_KEYS);
    assert_eq!(asker.types(b"n").result(), PERSON);
    assert!(!console.look(100));
    let mut asker = Conversation::about_host(runtime.path(), "a.com", Session::Background);
    assert_eq!(answered_by(&mut console, &mut asker, b"o"), "Once");
}

#[test]
fn questions_wait_for_each_other_and_those_of_the_dead_are_withdrawn() {
    let runtime = private();
    let mut console = Conversation::console(runtime.path());
    console.until(READY);
    let mut first = Conversation::about_host(runtime.path(), "first.com", Session::WithoutTerminal(""));
    console.until("first.com:443").until(ENDS_OF_KEYS);
    let mut second = Conversation::about_host(runtime.path(), "second.com", Session::WithoutTerminal(""));
    console.seen.clear();
    console.types_in_vain(b"x");
    first.child.kill().unwrap();
    console.until("withdrawn: the command no longer waits for an answer\r\n").until("second.com:443");
    assert_eq!(answered_by(&mut console, &mut second, b"o"), "Once");
}

#[test]
fn the_console_leaves_the_terminal_as_it_was() {
    let closed = "No { by: \"nobody answered: the approver console was closed\" }";
    for leave in ["\u{3}", "\u{4}", "q", "TERM", "HUP"] {
        let runtime = private();
        let mut console = Conversation::console(runtime.path());
        console.until(READY);
        let mut asker = Conversation::about_host(runtime.path(), "a.com", Session::WithoutTerminal(""));
        console.until(ENDS_OF_KEYS);
        let id = nix::unistd::Pid::from_raw(i32::try_from(console.child.id()).unwrap());
        nix::sys::signal::kill(id, Signal::SIGWINCH).unwrap();
        let signal = match leave {
            "TERM" => Some(Signal::SIGTERM),
            "HUP" => Some(Signal::SIGHUP),
            _ => None,
        };
        match signal {
            Some(signal) => nix::sys::signal::kill(id, signal).unwrap(),
            None => drop(console.types(leave.as_bytes())),
        }
        let status = console.end();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            signal.map(|s| s as i32),
            "{leave:?}"
        );
        assert_eq!(asker.result(), closed, "{leave:?}");
        assert!(!runtime.path().join("sbsh/console.sock").exists(), "{leave:?}");
    }
}

fn sbshctl(words: &[&str], runtime: &Path, home: &Path, at: &Path) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_sbsh"))
        .arg("ctl")
        .args(words)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", runtime)
        .current_dir(at)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn there_is_one_console_and_it_needs_a_terminal() {
    let runtime = private();
    let without = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_sbsh"), "ctl", "approve"])
        .env("XDG_RUNTIME_DIR", runtime.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&without.stderr),
        "sbsh: the approver console needs a terminal, in its foreground\n"
    );
    let mut console = Conversation::console(runtime.path());
    console.until(READY);
    // The second one says it on its standard error, which is the terminal only here.
    let mut second = Command::new("script");
    second
        .args(["-qec", concat!(env!("CARGO_BIN_EXE_sbsh"), " ctl approve"), "/dev/null"])
        .env("XDG_RUNTIME_DIR", runtime.path())
        .stdin(Stdio::null());
    let said = second.output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let expected = format!("the approver console is open already: process {} ", console.child.id());
    assert!(said.contains(&expected), "{said}");
    // A console that was killed leaves its socket; the next one takes its place.
    console.child.kill().unwrap();
    console.child.wait().unwrap();
    assert!(runtime.path().join("sbsh/console.sock").exists());
    let mut next = Conversation::console(runtime.path());
    next.until(READY);
    let mut asker = Conversation::about_host(runtime.path(), "a.com", Session::WithoutTerminal(""));
    assert_eq!(answered_by(&mut next, &mut asker, b"s"), "Session");
}

/// perl as another user; needs root.
fn stranger(script: &str, path: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=60606", "--regid=60606", "--clear-groups", "perl", "-MSocket", "-e", script])
        .arg(path);
    command
}

#[test]
fn other_users_neither_ask_nor_answer() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: becoming another user needs root");
        return;
    }
    let runtime = private();
    let mut console = Conversation::console(runtime.path());
    console.until(READY);
    // Even where the directories would let them in.
    let socket = runtime.path().join("sbsh/console.sock");
    for (path, bits) in [(runtime.path(), 0o711), (&runtime.path().join("sbsh"), 0o711), (&socket, 0o777)] {
        mode(path, bits);
    }
    let ask = r#"socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un($ARGV[0])) or die "connect: $!";
        $SIG{PIPE} = "IGNORE"; syswrite(S, qq({"kind":"command","command":"x","cwd":"/","why":"x","choices":["once"]}\n));
        print sysread(S, my $said, 100) ? $said : "closed""#;
    let said = stranger(ask, &socket).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "closed", "{said:?}");
    // The same words of our own user are a question, so it was the user that was refused.
    let mut own = Command::new("perl").args(["-MSocket", "-e", ask]).arg(&socket).spawn().unwrap();
    console.until("[o]nce  [n]o > ");
    own.kill().unwrap();
    own.wait().unwrap();
    drop(console);

    let place = tempfile::tempdir().unwrap();
    mode(place.path(), 0o777);
    let listen = r#"socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un($ARGV[0])) or die "bind: $!";
        listen(S, 9); $| = 1; print "ready\n"; while (accept(C, S)) { sysread(C, my $q, 9999); syswrite(C, qq({"answer":"once"}\n)); close C }"#;
    let mut false_one = stranger(listen, &place.path().join("s")).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    false_one.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    mode(runtime.path(), 0o700);
    mode(&runtime.path().join("sbsh"), 0o700);
    std::fs::rename(place.path().join("s"), &socket).unwrap();
    let mut asker = Conversation::about_host(runtime.path(), "a.com", Session::WithoutTerminal(""));
    let answer = asker.result();
    false_one.kill().unwrap();
    false_one.wait().unwrap();
    assert!(answer.starts_with("No { by: \"nobody could be asked: no terminal"), "{answer}");
}

#[test]
fn what_was_refused_is_listed_and_settled_by_allowing_it() {
    use sbsh::settings::pending::{Pending, record};
    let place = tempfile::tempdir().unwrap();
    let top = place.path().canonicalize().unwrap();
    let (home, project) = (top.join("home"), top.join("project"));
    std::fs::create_dir_all(home.join(".claude")).unwrap();
    std::fs::create_dir_all(project.join(".claude")).unwrap();
    let state = home.join(".local/state/sbsh");
    for host in ["a.com", "b.com"] {
        let pending = Pending {
            time: 1,
            host: host.to_owned(),
            port: 443,
            command: "npm i".to_owned(),
            cwd: project.clone(),
            project: Some(project.clone()),
            why: "nobody could be asked".to_owned(),
        };
        record(&state, &pending).unwrap();
    }
    let text = |words: &[&str]| {
        let output = sbshctl(words, &top, &home, &project);
        assert!(output.status.success(), "{words:?} {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = text(&["pending"]);
    assert!(listed.contains("  allow:   sbshctl allow domain a.com   (in "), "{listed}");
    let listed: serde_json::Value = serde_json::from_str(&text(&["pending", "--json"])).unwrap();
    assert_eq!(listed["pending"][1]["host"], "b.com");
    assert_eq!(listed["pending"][1]["allow"], "sbshctl allow domain b.com");

    let local = project.join(".claude/settings.local.json");
    std::fs::write(
        &local,
        "{\n  // mine\n  \"sandbox\": {\"network\": {\"deniedDomains\": [\"a.com\"]}}\n}\n",
    )
    .unwrap();
    let said = text(&["allow", "domain", "a.com"]);
    assert!(
        said.starts_with(&format!("'a.com' is allowed in this project, by '{}'\n", local.display())),
        "{said}"
    );
    assert!(said.contains("but it stays refused: 'a.com' is denied ("), "{said}");
    assert!(
        said.ends_with("settled: 1 of 'sbshctl pending'\n") && !said.contains("does not count"),
        "{said}"
    );
    let written = std::fs::read_to_string(&local).unwrap();
    assert!(written.contains("// mine") && written.contains("\"allowedDomains\""), "{written}");
    assert!(text(&["trust", "--show"]).contains("(trusted)"));

    assert!(text(&["allow", "domain", "--user", "*.b.com:443"]).contains("in all projects of this user"));
    assert!(text(&["pending"]).contains("b.com:443"), "a wildcard is no name");
    text(&["allow", "domain", "b.com"]);
    assert_eq!(text(&["pending"]), "nothing was refused for lack of an answer\n");

    for (words, what) in [
        (vec!["allow", "domain", "https://x.org"], "it is a URL, not a host"),
        (vec!["allow", "domain", "*"], "*"),
    ] {
        let refused = sbshctl(&words, &top, &home, &project);
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains(what), "{refused:?}");
    }
    // Somebody else's widening in the same file does not come to count with ours.
    let spoiled = written.replace("// mine", "\"permissions\": {\"allow\": [\"Bash\"]},");
    std::fs::write(&local, &spoiled).unwrap();
    let refused = sbshctl(&["allow", "domain", "c.com"], &top, &home, &project);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("says things that are not trusted yet"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read_to_string(&local).unwrap(), spoiled);
    std::fs::remove_dir_all(project.join(".claude")).unwrap();
    let refused = sbshctl(&["allow", "domain", "c.com", "--project"], &top, &home, &project);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no project here"), "{refused:?}");
}

#[test]
fn a_closed_stderr_is_silently_none() {
    let said = Command::new("bash")
        .args(["--norc", "-c", "\"$@\" 2>&- </dev/null", "bash"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "reports_without_stderr"])
        .env(PLACE, "/")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{out}");
    assert!(out.contains("1 passed") && out.contains("marker behind"), "{out}");
    assert!(!out.contains("sbsh: "), "{out}");
}

#[test]
#[ignore = "another test starts it without stderr"]
fn reports_without_stderr() {
    if std::env::var_os(PLACE).is_none() {
        return;
    }
    // The runtime of tests opens /dev/null on closed descriptors, that of sbsh does not (see main.rs).
    let _ = nix::unistd::close(2);
    sbsh::report::notice("said to nobody");
    sbsh::report::failure("said to nobody");
    sbsh::report::backend_missing("no bwrap", "ID=debian\n");
    println!("marker behind");
}
