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
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use sbsh::approval::{Choice, Kind, Question, speaker};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
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
    let question = Question {
        kind: Kind::Command,
        command: std::fs::read(place.join("command")).unwrap(),
        cwd: PathBuf::from("/w"),
        rule: None,
        origin: None,
        why: "a rule asks".to_owned(),
        argv: None,
        choices: vec![Choice::Once, Choice::Session, Choice::Always],
    };
    let answer = speaker(std::env::var_os(ASKPASS).map(PathBuf::from), &[], false).ask(&question);
    let mut unread = String::new();
    std::io::stdin().read_to_string(&mut unread).unwrap();
    std::fs::write(place.join("result"), format!("{answer:?} {unread}")).unwrap();
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
}

impl Conversation {
    fn start(command: &str) -> Conversation {
        Conversation::start_with(command, "", Session::Foreground)
    }

    fn start_with(command: &str, typed_ahead: &str, session: Session) -> Conversation {
        let size = Winsize { ws_row: 30, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let mut master = File::from(master);
        let before = tcgetattr(&slave).unwrap();
        master.write_all(typed_ahead.as_bytes()).unwrap();
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("command"), command).unwrap();
        std::fs::write(place.path().join("stdin"), "o\ns\na\n").unwrap();
        let itself = std::env::current_exe().unwrap();
        let mut starting = match session {
            Session::Background => {
                let mut bash = Command::new("bash");
                bash.args(["--norc", "-c", "set -m; \"$@\" < stdin & wait", "bash"]).arg(itself);
                bash
            }
            Session::Foreground | Session::WithoutTerminal(_) => Command::new(itself),
        };
        starting
            .args(["--exact", "--ignored", "asked_in_a_session"])
            .current_dir(place.path())
            .env(PLACE, place.path())
            .env(ASKPASS, if let Session::WithoutTerminal(program) = session { program } else { "" })
            .stdin(File::open(place.path().join("stdin")).unwrap())
            .stdout(Stdio::null());
        let terminal = slave.as_raw_fd();
        let own = master.as_raw_fd();
        let become_session = move || {
            // As in sbsh no thread may have these open, or the signal finds that one; a question waits for them.
            SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP]).thread_block()?;
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
        let end = Instant::now() + Duration::from_secs(30);
        while !self.seen.contains(marker) {
            assert!(Instant::now() < end, "no {marker:?} in {:?}", self.seen);
            self.look(200);
        }
        self
    }

    /// Types. What comes before the question stands completely is dropped, so it is typed until something is shown.
    fn types(&mut self, keys: &[u8]) -> &mut Conversation {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            self.master.as_ref().unwrap().write_all(keys).unwrap();
            if self.look(300) {
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
        let end = Instant::now() + Duration::from_secs(30);
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
    const NOBODY: &str = "No { by: \"nobody could be asked: no terminal, and SBSH_ASKPASS is not set\" }";
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
