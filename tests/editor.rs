//! The line editor as a person meets it: a real pseudo-terminal, whose other end is a screen that answers as a terminal
//! does.
//!
//! Each test starts this binary again, so that the editor has a process of its own; [`an_editor`] is what that does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg(target_os = "linux")]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use sbsh::session::editor::{Behind, Candidate, Editor, Mark, Markers, Options, Prompt, Read as Outcome};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Names the directory with what the editor is to be, for the other process.
const PLACE: &str = "SBSH_TEST_EDITOR";
const PATIENCE: Duration = Duration::from_secs(120);

/// What the other process is told in a file.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Setting {
    vi: bool,
    colours: bool,
    left: String,
    right: String,
    /// Shown when a line is done.
    transient: Option<String>,
    /// Whether the terminal is told where the line begins.
    markers: bool,
    /// Typed before the first reading.
    ahead: String,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting {
            vi: false,
            colours: false,
            left: "$ ".into(),
            right: String::new(),
            transient: None,
            markers: false,
            ahead: String::new(),
        }
    }
}

// --- the other process -------------------------------------------------------------------------------------------

/// Stands behind the editor: some words with descriptions, some commands.
struct Words {
    /// A line that begins with `late` is answered when this says so.
    allowed: Mutex<Receiver<()>>,
}

const WORDS: &[(&str, &str)] =
    &[("alpha", "first"), ("alpine", "a\u{1b}[31mmountain"), ("beta", ""), ("file\\ name", "has a blank")];

impl Behind for Words {
    fn complete(&self, line: &str, point: usize) -> Vec<Candidate> {
        if line.starts_with("late") {
            self.allowed.lock().unwrap().recv().unwrap();
        }
        let start = line[..point].rfind(' ').map_or(0, |at| at + 1);
        let fitting = WORDS.iter().filter(|(word, _)| word.starts_with(&line[start..point]));
        let candidate = |(word, about): &(&str, &str)| Candidate {
            text: (*word).to_owned(),
            shown: None,
            description: Some((*about).to_owned()),
            replaces: start..point,
            ends: true,
        };
        fitting.map(candidate).collect()
    }

    fn marks(&self, line: &str) -> Vec<(Range<usize>, Mark)> {
        let end = line.find(' ').unwrap_or(line.len());
        let mark = match &line[..end] {
            "docker" => Mark::Outside,
            "rm" => Mark::Denied,
            "" => return Vec::new(),
            "panic" => panic!("as it was told to"),
            _ => Mark::Confined,
        };
        vec![(0..end, mark)]
    }

    fn directory(&self) -> PathBuf {
        PathBuf::from("/here")
    }
}

#[test]
#[ignore = "the other tests start it on a terminal of its own"]
fn an_editor() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let setting: Setting = serde_json::from_slice(&std::fs::read(place.join("setting")).unwrap()).unwrap();
    let history = place.join("history");
    let options = Options { vi: setting.vi, colours: setting.colours, history: Some(&history) };
    let (allow, allowed) = std::sync::mpsc::channel();
    let mut editor = Editor::new(&options, Arc::new(Words { allowed: Mutex::new(allowed) }));
    let only_left = |left: &String| Prompt { left: left.clone(), ..Prompt::default() };
    editor.transient(setting.transient.as_ref().map(only_left).as_ref());
    editor.markers(setting.markers.then_some(Markers::Osc133));
    editor.type_ahead(&setting.ahead);
    let (stopper, printer, later) = (editor.stopper(), editor.printer(), editor.printer());
    let orders = BufReader::new(File::options().read(true).write(true).open(place.join("orders")).unwrap());
    std::thread::spawn(move || {
        for order in orders.lines() {
            match order.unwrap().split_once(' ').unwrap() {
                ("print", text) => printer.print(text.replace('|', "\n")),
                ("answer", _) => allow.send(()).unwrap(),
                _ => stopper.stop(),
            }
        }
    });
    let prompt = Prompt { left: setting.left, right: setting.right, more: "> ".into() };
    let mut all = String::new();
    loop {
        let read = editor.read(&prompt);
        all.push_str(&format!("{read:?}\n"));
        std::fs::write(place.join("result"), &all).unwrap();
        match &read {
            Outcome::Line(line) => drop(editor.remember(line, Path::new("/here")).unwrap()),
            Outcome::Edit(text) => editor.begin_with(&format!("{text} edited")),
            Outcome::End | Outcome::Closed | Outcome::Failed(_) => break,
            Outcome::Interrupt | Outcome::Stopped => {}
        }
        println!("<{read:?}>");
        if read == Outcome::Line("unread".into()) {
            println!("unread: {:?}.", String::from_utf8(editor.unread()).unwrap());
        }
        if read == Outcome::Line("half".into()) {
            later.print("a notice".into());
            print!("a line without its end");
            std::io::stdout().flush().unwrap();
        }
    }
    std::process::exit(0);
}

// --- a terminal --------------------------------------------------------------------------------------------------

/// An editor on a terminal, seen from the terminal's side.
struct Terminal {
    place: tempfile::TempDir,
    master: Option<File>,
    slave: OwnedFd,
    before: Termios,
    child: Child,
    screen: vt100::Parser,
    /// What came and is not shown yet: it may be the beginning of a question.
    unshown: Vec<u8>,
    /// All that came.
    all: Vec<u8>,
}

impl Terminal {
    fn new() -> Terminal {
        Terminal::with(&Setting::default(), &[])
    }

    /// With these lines in the history, each with its directory.
    fn with(setting: &Setting, lines: &[(&str, &str)]) -> Terminal {
        let place = tempfile::tempdir().unwrap();
        let record = |(directory, line): &(&str, &str)| {
            serde_json::json!({"t": 1, "d": directory, "l": line}).to_string() + "\n"
        };
        std::fs::write(place.path().join("history"), lines.iter().map(record).collect::<String>()).unwrap();
        Terminal::at(place, setting)
    }

    fn at(place: tempfile::TempDir, setting: &Setting) -> Terminal {
        std::fs::write(place.path().join("setting"), serde_json::to_vec(setting).unwrap()).unwrap();
        nix::unistd::mkfifo(&place.path().join("orders"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let before = tcgetattr(&slave).unwrap();
        let stdio = || slave.try_clone().unwrap();
        let mut starting = Command::new(std::env::current_exe().unwrap());
        starting
            .args(["--exact", "--ignored", "--nocapture", "-q", "an_editor"])
            .env(PLACE, place.path())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio());
        let own = master.as_raw_fd();
        let become_session = move || {
            nix::unistd::setsid()?;
            // As a session does that waits for signals in one place.
            SigSet::from_iter([Signal::SIGWINCH, Signal::SIGCHLD]).thread_block()?;
            // SAFETY: TIOCSCTTY takes a number and no memory; descriptor 0 is the terminal.
            #[allow(unsafe_code)]
            nix::errno::Errno::result(unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) })?;
            // As in a session: hanging up is met where the terminal is read, and keys between two readings kill nobody.
            // SAFETY: ignoring takes no handler; the number is one of this child that nothing in it owns.
            #[allow(unsafe_code)]
            unsafe {
                for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP] {
                    nix::sys::signal::signal(ignored, SigHandler::SigIgn)?;
                }
                nix::libc::close(own);
            }
            Ok(())
        };
        // SAFETY: only system calls, nothing that allocates or locks.
        #[allow(unsafe_code)]
        let child = unsafe { starting.pre_exec(become_session) }.spawn().unwrap();
        let screen = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 200);
        let master = Some(File::from(master));
        let mut terminal =
            Terminal { place, master, slave, before, child, screen, unshown: Vec::new(), all: Vec::new() };
        terminal.wait("the first prompt", |screen| shows(screen, "$"));
        terminal
    }

    /// Shows what comes within so long; whether there was something.
    fn look(&mut self, patience: Duration) -> bool {
        let mut master = self.master.as_ref().unwrap();
        let mut waited = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waited, PollTimeout::try_from(patience).unwrap()).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 65_536];
        let count = master.read(&mut bytes).unwrap_or(0);
        self.unshown.extend_from_slice(&bytes[..count]);
        self.all.extend_from_slice(&bytes[..count]);
        const QUESTION: &[u8] = b"\x1b[6n";
        while let Some(at) = self.unshown.windows(QUESTION.len()).position(|part| part == QUESTION) {
            let rest = self.unshown.split_off(at + QUESTION.len());
            self.screen.process(&self.unshown[..at]);
            self.unshown = rest;
            let (row, column) = self.screen.screen().cursor_position();
            master.write_all(format!("\x1b[{};{}R", row + 1, column + 1).as_bytes()).unwrap();
        }
        // A question may be cut in two.
        let kept = (1..QUESTION.len()).rev().find(|n| self.unshown.ends_with(&QUESTION[..*n])).unwrap_or(0);
        let rest = self.unshown.split_off(self.unshown.len() - kept);
        self.screen.process(&self.unshown);
        self.unshown = rest;
        count > 0
    }

    #[track_caller]
    fn wait(&mut self, what: &str, there: impl Fn(&vt100::Screen) -> bool) {
        let since = Instant::now();
        while !there(self.screen.screen()) {
            if since.elapsed() > PATIENCE {
                panic!("{what} did not come:\n{}\nresult: {}", self.contents(), self.result());
            }
            self.look(Duration::from_millis(100));
        }
    }

    #[track_caller]
    fn sees(&mut self, text: &str) {
        self.wait(text, |screen| shows(screen, text));
    }

    /// Waits until the row with the cursor reads like this.
    #[track_caller]
    fn line_is(&mut self, text: &str) {
        self.wait(text, |screen| row(screen, screen.cursor_position().0) == text);
    }

    /// Waits until so many readings have ended, and gives what came of the last.
    #[track_caller]
    fn reads(&mut self, all: &[Outcome]) {
        let wanted: String = all.iter().map(|read| format!("{read:?}\n")).collect();
        let since = Instant::now();
        while self.result() != wanted {
            if since.elapsed() > PATIENCE {
                panic!("wanted:\n{wanted}\nread:\n{}\n{}", self.result(), self.contents());
            }
            self.look(Duration::from_millis(20));
        }
    }

    fn result(&self) -> String {
        std::fs::read_to_string(self.place.path().join("result")).unwrap_or_default()
    }

    fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Types when the editor reads: between two readings the terminal itself would take some of these keys.
    fn types(&mut self, keys: &str) {
        let since = Instant::now();
        while tcgetattr(&self.slave).unwrap().local_flags.contains(LocalFlags::ICANON) {
            let ended = self.child.try_wait().unwrap().is_some();
            if ended || since.elapsed() > PATIENCE {
                while self.look(Duration::from_millis(10)) {}
                panic!("nobody reads: {}", String::from_utf8_lossy(&self.all));
            }
            self.look(Duration::from_millis(5));
        }
        self.types_blindly(keys);
    }

    fn types_blindly(&mut self, keys: &str) {
        self.master.as_ref().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn order(&self, order: &str) {
        let mut orders = File::options().write(true).open(self.place.path().join("orders")).unwrap();
        orders.write_all(format!("{order}\n").as_bytes()).unwrap();
    }

    /// Ends the editor; the terminal must be as it was.
    #[track_caller]
    fn end(mut self) {
        self.types("\x04");
        self.gone();
    }

    /// Waits until the editor has ended; the terminal must be as it was.
    #[track_caller]
    fn gone(mut self) {
        let since = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < PATIENCE, "it does not end:\n{}", self.contents());
            self.look(Duration::from_millis(20));
        }
        assert_eq!(tcgetattr(&self.slave).unwrap(), self.before, "the terminal is as it was");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shows(screen: &vt100::Screen, text: &str) -> bool {
    (0..24).any(|at| row(screen, at).contains(text) || (row(screen, at) + " ").contains(text))
}

fn row(screen: &vt100::Screen, at: u16) -> String {
    screen.rows(0, 80).nth(at.into()).unwrap().trim_end().to_owned()
}

fn line(text: &str) -> Outcome {
    Outcome::Line(text.to_owned())
}

const ESCAPE: &str = "\x1b";

// --- reading -----------------------------------------------------------------------------------------------------

#[test]
fn lines_are_read_and_the_terminal_is_given_back() {
    let mut terminal = Terminal::new();
    terminal.types("echo hi");
    terminal.line_is("$ echo hi");
    terminal.types("\r");
    terminal.reads(&[line("echo hi")]);
    terminal.sees("<Line(\"echo hi\")>");
    terminal.types("gone\x03");
    terminal.reads(&[line("echo hi"), Outcome::Interrupt]);
    terminal.end();
}

#[test]
fn an_open_text_goes_on_in_a_new_line() {
    let mut terminal = Terminal::new();
    terminal.types("for x in a; do\r");
    terminal.line_is(">");
    terminal.types("cat <<E\r");
    terminal.types("it's\r");
    terminal.types("E\r");
    terminal.types("done\r");
    terminal.reads(&[line("for x in a; do\ncat <<E\nit's\nE\ndone")]);
    terminal.end();
}

#[test]
fn a_pasted_line_end_runs_nothing() {
    let mut terminal = Terminal::new();
    terminal.types("\x1b[200~ls\r\nrm -rf x\r\x1b[201~");
    terminal.line_is("> rm -rf x");
    assert_eq!(terminal.result(), "");
    terminal.types("\r");
    terminal.reads(&[line("ls\nrm -rf x")]);
    terminal.end();
}

#[test]
fn lines_that_come_in_one_go_are_all_read() {
    for ends in ["\n", "\r"] {
        let mut terminal = Terminal::new();
        terminal.types(&["one", "if a", "then b; fi", "", "three", "fo"].join(ends));
        let mut all = vec![line("one"), line("if a\nthen b; fi"), line(""), line("three")];
        terminal.reads(&all);
        terminal.line_is("$ fo");
        terminal.types(&format!("ur{ends}x\x03{ends}\x04"));
        all.extend([line("four"), Outcome::Interrupt, line(""), Outcome::End]);
        terminal.reads(&all);
    }
}

#[test]
fn prompts_of_two_lines_wide_characters_and_a_right_prompt_are_drawn_once() {
    let left = "\u{1b}[1m~/漢字\u{1b}[0m (main)\n❯$ ".to_owned();
    let setting = Setting { left, right: "12:00".into(), colours: true, ..Setting::default() };
    let mut terminal = Terminal::with(&setting, &[]);
    terminal.types("echo 👩‍💻漢x");
    terminal.wait("the line", |screen| row(screen, screen.cursor_position().0).contains("漢x"));
    terminal.types("\x7f\x7fé");
    terminal.wait("the line", |screen| row(screen, screen.cursor_position().0).ends_with("12:00"));
    terminal.types("\r");
    terminal.reads(&[line("echo 👩‍💻é")]);
    terminal.sees("<Line(\"echo 👩");
    terminal.wait("the second prompt", |screen| {
        (0..24).filter(|at| row(screen, *at).starts_with("~/漢字 (main)")).count() == 2
            && row(screen, screen.cursor_position().0).starts_with("❯$")
    });
    terminal.end();
}

#[test]
fn a_prompt_that_ends_with_a_line_end_has_the_line_below_it() {
    let mut terminal = Terminal::with(&Setting { left: "$ top\n".into(), ..Setting::default() }, &[]);
    terminal.types("abc\x01x");
    terminal.wait("the line", |screen| {
        let at = screen.cursor_position();
        at.1 == 1 && row(screen, at.0) == "xabc" && row(screen, at.0 - 1) == "$ top"
    });
    terminal.types("\r");
    terminal.reads(&[line("xabc")]);
    terminal.end();
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::with(&Setting { colours: true, ..Setting::default() }, &[]);
    terminal.types("panic");
    terminal.sees("as it was told to");
    // The process may be gone with the message: the terminal was given back before it.
    let all = String::from_utf8_lossy(&terminal.all).into_owned();
    assert!(all.split("as it was told to").next().unwrap().contains("\x1b[?2004l\x1b[?25h"), "{all:?}");
    terminal.gone();
}

#[test]
fn a_terminal_that_is_gone_ends_the_reading() {
    let mut terminal = Terminal::new();
    terminal.types("abc");
    terminal.line_is("$ abc");
    terminal.master = None;
    let since = Instant::now();
    while terminal.child.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < PATIENCE, "it goes on without a terminal");
        std::thread::yield_now();
    }
    assert_eq!(terminal.result(), "Closed\n");
}

#[test]
fn a_resize_draws_the_line_anew() {
    let mut terminal = Terminal::new();
    let text = "echo 123456789 123456789 123456789 123456789";
    terminal.types(text);
    terminal.line_is(&format!("$ {text}"));
    let size = Winsize { ws_row: 24, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 };
    terminal.screen.screen_mut().set_size(24.try_into().unwrap(), 40.try_into().unwrap());
    let master = terminal.master.as_ref().unwrap().as_raw_fd();
    // SAFETY: TIOCSWINSZ reads a Winsize, which lives until the call is over; the descriptor is open.
    #[allow(unsafe_code)]
    let resized = unsafe { nix::libc::ioctl(master, nix::libc::TIOCSWINSZ, &size) };
    assert_eq!(resized, 0);
    terminal.line_is("456789");
    terminal.types("\x1b[Hx");
    terminal.wait("the start of the line", |screen| {
        let at = screen.cursor_position();
        at.1 == 3
            && row(screen, at.0) == "$ xecho 123456789 123456789 123456789 12"
            && row(screen, at.0 + 1) == "3456789"
    });
    terminal.types("\r");
    terminal.reads(&[line(&format!("x{text}"))]);
    terminal.end();
}

#[test]
fn what_was_typed_ahead_is_read_first() {
    let setting = Setting { ahead: "one\ntwo\x7f\x7fo\rfo".into(), ..Setting::default() };
    let mut terminal = Terminal::with(&setting, &[]);
    terminal.reads(&[line("one"), line("to")]);
    terminal.line_is("$ fo");
    terminal.types("ur\r");
    terminal.reads(&[line("one"), line("to"), line("four")]);
    terminal.end();
}

#[test]
fn what_was_typed_behind_a_line_can_be_given_to_its_command() {
    for ends in ["\r", "\n"] {
        let mut terminal = Terminal::new();
        terminal.types(&format!("unread{ends}two é{ends}\x7f\x03\x04"));
        terminal.sees(r#"unread: "two é\r\u{7f}\u{3}\u{4}"."#);
        terminal.line_is("$");
        terminal.end();
    }
}

#[test]
fn a_transient_prompt_takes_the_place_of_the_long_one() {
    let setting = Setting { left: "long\n$ ".into(), transient: Some("> ".into()), ..Setting::default() };
    let mut terminal = Terminal::with(&setting, &[]);
    terminal.types("ls\r");
    terminal.sees("<Line(\"ls\")>");
    terminal.wait("the next prompt", |screen| row(screen, screen.cursor_position().0) == "$");
    let contents = terminal.contents();
    assert!(contents.contains("\n> ls\n<Line(\"ls\")>\nlong\n$"), "{contents}");
    assert_eq!(contents.matches("long").count(), 1, "{contents}");
    terminal.end();
}

#[test]
fn the_terminal_is_told_where_prompt_and_line_begin() {
    let mut terminal = Terminal::with(&Setting { markers: true, ..Setting::default() }, &[]);
    terminal.types("ls\r");
    terminal.reads(&[line("ls")]);
    let all = String::from_utf8_lossy(&terminal.all).into_owned();
    let (start, input) = ("\x1b]133;A;k=i\x1b\\", "\x1b]133;B\x1b\\");
    let between = all.split(start).nth(1).unwrap().split(input).next().unwrap();
    assert!(between.contains("$ "), "{between:?}");
    terminal.end();
}

// --- stopping and printing ---------------------------------------------------------------------------------------

#[test]
fn a_stopped_reading_goes_on_where_it_was() {
    let mut terminal = Terminal::new();
    terminal.types("echo ab\x1b[D");
    terminal.line_is("$ echo ab");
    terminal.order("stop now");
    terminal.reads(&[Outcome::Stopped]);
    terminal.sees("<Stopped>");
    terminal.line_is("$ echo ab");
    assert_eq!(terminal.contents().matches("echo ab").count(), 1, "{}", terminal.contents());
    terminal.types("x\r");
    terminal.reads(&[Outcome::Stopped, line("echo axb")]);
    terminal.end();
}

#[test]
fn notices_are_shown_above_the_prompt() {
    let setting = Setting { left: "top\n$ ".into(), ..Setting::default() };
    let mut terminal = Terminal::with(&setting, &[]);
    terminal.types("for x in a\rdo y");
    terminal.line_is("> do y");
    terminal.order("print \u{1b}]0;title\u{7}a notice|of two lines");
    terminal.sees("of two lines");
    terminal.line_is("> do y");
    // At the bottom of the screen everything moves up.
    for n in 0..30 {
        terminal.order(&format!("print number {n}"));
        terminal.sees(&format!("number {n}"));
    }
    terminal.line_is("> do y");
    let bottom = terminal.contents();
    let rows: Vec<&str> = bottom.lines().rev().take(5).map(str::trim_end).collect();
    assert_eq!(rows, ["> do y", "$ for x in a", "top", "number 29", "number 28"]);
    terminal.types("\rdone\r");
    terminal.reads(&[line("for x in a\ndo y\ndone")]);
    terminal.end();
}

#[test]
fn a_notice_between_two_readings_has_a_line_of_its_own() {
    let mut terminal = Terminal::new();
    terminal.types("half\r");
    terminal.sees("a notice");
    terminal.line_is("$");
    let contents = terminal.contents();
    assert!(contents.trim_end().ends_with("a line without its end\na notice\n$"), "{contents}");
    terminal.end();
}

#[test]
fn the_line_can_be_taken_to_an_editor() {
    for keys in ["\x18\x05", "\x1be"] {
        let mut terminal = Terminal::new();
        terminal.types("echo 1");
        terminal.types(keys);
        terminal.reads(&[Outcome::Edit("echo 1".into())]);
        terminal.line_is("$ echo 1 edited");
        terminal.types("!\r");
        terminal.reads(&[Outcome::Edit("echo 1".into()), line("echo 1 edited!")]);
        terminal.end();
    }
}

// --- history -----------------------------------------------------------------------------------------------------

const HISTORY: &[(&str, &str)] = &[
    ("/here", "git log"),
    ("/there", "git push 'a b'"),
    ("/here", "ls"),
    ("/there", "for x in a\ndo y\ndone"),
];

#[test]
fn up_and_down_walk_the_history_and_a_prefix_searches_it() {
    let mut terminal = Terminal::with(&Setting::default(), HISTORY);
    terminal.types("\x1b[A");
    terminal.sees("> do y");
    terminal.types("\x03");
    terminal.reads(&[Outcome::Interrupt]);
    terminal.types("git\x1b[A");
    terminal.line_is("$ git push 'a b'");
    terminal.types("\x1b[A");
    terminal.line_is("$ git log");
    terminal.types("\x1b[B\x1b[B");
    terminal.line_is("$ git");
    terminal.types("\x1b[A\r");
    terminal.reads(&[Outcome::Interrupt, line("git push 'a b'")]);
    terminal.end();
}

#[test]
fn what_was_run_is_remembered_for_others_too_but_not_behind_a_blank() {
    let mut terminal = Terminal::new();
    terminal.types("first\r");
    terminal.types(" second\r");
    terminal.reads(&[line("first"), line(" second")]);
    terminal.types("\x1b[A");
    terminal.line_is("$ first");
    let mut other = File::options().append(true).open(terminal.place.path().join("history")).unwrap();
    other.write_all(b"{\"t\":1,\"d\":\"/\",\"l\":\"from another\"}\n").unwrap();
    terminal.types("\r");
    terminal.reads(&[line("first"), line(" second"), line("first")]);
    terminal.types("\x1b[A");
    terminal.line_is("$ first");
    terminal.types("\x1b[A");
    terminal.line_is("$ from another");
    let kept = std::fs::read_to_string(terminal.place.path().join("history")).unwrap();
    assert!(!kept.contains("second"), "{kept}");
    terminal.types("\x03");
    terminal.end();
}

#[test]
fn the_history_is_searched_and_enter_runs_what_was_found() {
    let mut terminal = Terminal::with(&Setting::default(), HISTORY);
    terminal.types("\x12git");
    terminal.line_is("$ (search 'git') git push 'a b'");
    terminal.types("\x12");
    terminal.line_is("$ (search 'git') git log");
    terminal.types("\r");
    terminal.reads(&[line("git log")]);
    terminal.types("\x12push");
    terminal.line_is("$ (search 'push') git push 'a b'");
    terminal.types("\x05");
    terminal.line_is("$ git push 'a b'");
    terminal.types("!\r");
    terminal.reads(&[line("git log"), line("git push 'a b'!")]);
    terminal.types("\x12nothing");
    terminal.line_is("$ (not found 'nothing')");
    terminal.types("\x07");
    terminal.line_is("$");
    terminal.end();
}

#[test]
fn the_last_argument_and_the_lines_of_this_directory_come_by_keys() {
    let mut terminal = Terminal::with(&Setting::default(), HISTORY);
    terminal.types("cat \x1b.");
    terminal.line_is("$ cat done");
    terminal.types("\x1b.\x1b.");
    terminal.line_is("$ cat 'a b'");
    terminal.types("\x15typed");
    terminal.line_is("$ typed");
    terminal.types("\x1b[1;3A");
    terminal.line_is("$ ls");
    terminal.types("\x1b[1;3A");
    terminal.line_is("$ git log");
    terminal.types("\x1b[1;3B");
    terminal.line_is("$ ls");
    terminal.types("\x1b[1;3B");
    terminal.line_is("$ typed");
    terminal.types("\x03");
    terminal.end();
}

#[test]
fn what_a_history_expansion_makes_of_a_line_is_shown_before_it_runs() {
    let mut terminal = Terminal::with(&Setting::default(), HISTORY);
    terminal.types("git push x\r");
    terminal.reads(&[line("git push x")]);
    terminal.types("sudo !!\r");
    terminal.line_is("$ sudo git push x");
    terminal.types("\r");
    terminal.reads(&[line("git push x"), line("sudo git push x")]);
    terminal.types("echo !nothing\r");
    terminal.sees("!nothing: event not found");
    terminal.line_is("$ echo !nothing");
    terminal.types("\x15echo !$ '!!'\r");
    terminal.line_is("$ echo x '!!'");
    terminal.types("\r");
    terminal.reads(&[line("git push x"), line("sudo git push x"), line("echo x '!!'")]);
    terminal.end();
}

#[test]
fn a_suggestion_is_grey_and_taken_whole_or_by_the_word() {
    let setting = Setting { colours: true, ..Setting::default() };
    let history = [("/here", "git log --oneline"), ("/there", "git push")];
    let mut terminal = Terminal::with(&setting, &history);
    terminal.types("git ");
    terminal.line_is("$ git log --oneline");
    let screen = terminal.screen.screen();
    let at = screen.cursor_position();
    assert_eq!(at.1, 6);
    assert_eq!(screen.cell(at.0, at.1).unwrap().fgcolor(), vt100::Color::Idx(8));
    terminal.types("\x1bf");
    terminal.wait("the word", |screen| screen.cursor_position().1 == 9);
    terminal.types("\x1b[C");
    terminal.wait("the rest", |screen| screen.cursor_position().1 == 19);
    terminal.types("\r");
    terminal.reads(&[line("git log --oneline")]);
    terminal.end();
}

// --- completion and colours --------------------------------------------------------------------------------------

#[test]
fn one_candidate_is_inserted_and_several_open_a_menu() {
    let mut terminal = Terminal::with(&Setting { colours: true, ..Setting::default() }, &[]);
    terminal.types("x b\t");
    terminal.line_is("$ x beta");
    terminal.types("f\t");
    terminal.line_is("$ x beta file\\ name");
    terminal.types("a\t");
    terminal.sees("mountain");
    terminal.line_is("$ x beta file\\ name alp");
    assert!(terminal.contents().contains("a\\e[31mmountain"), "{}", terminal.contents());
    terminal.types("i");
    terminal.line_is("$ x beta file\\ name alpi");
    terminal.types("\t");
    terminal.line_is("$ x beta file\\ name alpine");
    terminal.types("\r");
    terminal.reads(&[line("x beta file\\ name alpine ")]);
    let chosen = |screen: &vt100::Screen, word: &str| {
        let mut cells = (0..24).flat_map(|row| (0..75).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            let inverse = screen.cell(row, column).is_some_and(vt100::Cell::inverse);
            inverse && screen.contents_between(row, column, row, column + 5).starts_with(&word[..5])
        })
    };
    terminal.types("a\t");
    terminal.wait("the first", |screen| chosen(screen, "alpha"));
    terminal.types("\t");
    terminal.wait("the second", |screen| chosen(screen, "alpine"));
    terminal.types("\r");
    terminal.line_is("$ alpine");
    terminal.types("\r");
    terminal.sees("<Line(\"alpine \")>");
    terminal.types("a\t");
    terminal.wait("the menu", |screen| chosen(screen, "alpha"));
    terminal.types("p\x7f");
    terminal.types("\r");
    terminal.sees("<Line(\"alp\")>");
    terminal.end();
}

#[test]
fn keys_go_on_while_a_completion_is_awaited() {
    let mut terminal = Terminal::new();
    terminal.types("late b\t");
    terminal.types("x");
    terminal.line_is("$ late bx");
    terminal.types("\x03");
    terminal.reads(&[Outcome::Interrupt]);
    terminal.order("answer now");
    terminal.types("late b\t");
    terminal.order("answer now");
    terminal.line_is("$ late beta");
    terminal.types("\r");
    terminal.reads(&[Outcome::Interrupt, line("late beta ")]);
    terminal.end();
}

#[test]
fn a_command_shows_its_verdict_before_enter() {
    let setting = Setting { colours: true, ..Setting::default() };
    let mut terminal = Terminal::with(&setting, &[]);
    let cell = |terminal: &Terminal| {
        let screen = terminal.screen.screen();
        let cell = screen.cell(screen.cursor_position().0, 2).unwrap();
        (cell.fgcolor(), cell.underline())
    };
    for (command, wanted) in [
        ("docker ps", (vt100::Color::Idx(3), false)),
        ("rm x", (vt100::Color::Idx(1), true)),
        ("ls x", (vt100::Color::Idx(2), false)),
    ] {
        terminal.types(command);
        terminal.line_is(&format!("$ {command}"));
        assert_eq!(cell(&terminal), wanted, "{command}");
        terminal.types("\x15");
        terminal.line_is("$");
    }
    terminal.end();
}

// --- keys --------------------------------------------------------------------------------------------------------

#[test]
fn the_keys_of_emacs_edit_the_line() {
    let mut terminal = Terminal::new();
    for (keys, result) in [
        ("one two three\x17", "$ one two"),
        ("\x19", "$ one two three"),
        ("\x1b[1;5D\x1bbx", "$ one xtwo three"),
        ("\x0b", "$ one x"),
        ("\x1f", "$ one xtwo three"),
        ("\x01y\x05z", "$ yone xtwo threez"),
        ("\x1b[Ha\x1b[Fb", "$ ayone xtwo threezb"),
        ("\x15", "$"),
        ("a\x1b\rb", "> b"),
    ] {
        terminal.types(keys);
        terminal.line_is(result);
    }
    terminal.types("\x0c");
    terminal.wait("an empty screen", |screen| row(screen, 0) == "$ a" && row(screen, 1) == "> b");
    terminal.types("\r");
    terminal.reads(&[line("a\nb")]);
    terminal.end();
}

#[test]
fn what_was_taken_away_comes_back_and_what_was_taken_before_it_too() {
    // Key by key, and in one go.
    for step in [1, 2, 5, usize::MAX] {
        let mut terminal = Terminal::new();
        let keys: &[(&str, &str)] = &[
            ("one two/x three", "one two/x three"),
            ("\u{17}", "one two/x"),
            ("\u{17}", "one"),
            ("x", "one x"),
            ("\u{1b}\u{7f}", "one"),
            ("\u{19}", "one x"),
            ("\u{1b}y", "one two/x three"),
            ("\u{1b}y", "one x"),
            ("\u{1b}y", "one two/x three"),
            ("\u{1}", "one two/x three"),
            ("\u{1b}d", " two/x three"),
            ("\u{1b}d", "/x three"),
            ("\u{b}", ""),
            ("é \u{19}", "é one two/x three"),
            ("\u{15}\u{19}", "é one two/x three"),
        ];
        let mut go = String::new();
        for (at, (typed, shown)) in keys.iter().enumerate() {
            go.push_str(typed);
            if (at + 1) % step == 0 || at + 1 == keys.len() {
                terminal.types(&go);
                go.clear();
                terminal.line_is(format!("$ {shown}").trim_end());
            }
        }
        // Undo goes back kill by kill.
        terminal.types("\u{1f}\u{1f}");
        terminal.line_is("$ é one two/x three");
        terminal.types("\u{15}");
        terminal.line_is("$");
        terminal.end();
    }
}

#[test]
fn bytes_that_are_no_text_are_seen_in_what_is_pasted_and_the_line_goes_on() {
    let mut terminal = Terminal::new();
    terminal.types("echo ");
    terminal.line_is("$ echo");
    terminal.master.as_ref().unwrap().write_all(b"\x1b[200~a\xffb\xc3\x1b[201~").unwrap();
    // The screen of these tests does not show the sign that stands for them.
    terminal.line_is("$ echo ab");
    // crossterm drops one that is typed, without a word.
    terminal.master.as_ref().unwrap().write_all(b" \xffrest").unwrap();
    terminal.line_is("$ echo ab rest");
    terminal.types("\r");
    terminal.reads(&[line("echo a\u{fffd}b\u{fffd} rest")]);
    terminal.end();
}

#[test]
fn the_keys_of_vi_edit_the_line() {
    let setting = Setting { vi: true, ..Setting::default() };
    let mut terminal = Terminal::with(&setting, &[("/", "older x")]);
    terminal.types("one two");
    terminal.line_is("$ one two");
    terminal.types(ESCAPE);
    terminal.wait("the cursor on the last character", |screen| screen.cursor_position().1 == 8);
    terminal.types("bx");
    terminal.line_is("$ one wo");
    terminal.types("A \x1b.");
    terminal.line_is("$ one wo x");
    terminal.types("\r");
    terminal.reads(&[line("one wo x")]);
    terminal.types(ESCAPE);
    terminal.types("k");
    terminal.line_is("$ one wo x");
    terminal.types("\r");
    terminal.reads(&[line("one wo x"), line("one wo x")]);
    terminal.end();
}

// --- figures -----------------------------------------------------------------------------------------------------

/// From a key to its echo with 100,000 lines of history, none of which fits: the whole history is looked through.
#[test]
#[ignore = "a figure, to be read"]
fn key_to_echo() {
    let place = tempfile::tempdir().unwrap();
    let mut history = String::new();
    for n in 0..100_000 {
        history.push_str(&format!(
            "{{\"t\":{n},\"d\":\"/w/{}\",\"l\":\"git commit -m 'number {n}' --all\"}}\n",
            n % 97
        ));
    }
    std::fs::write(place.path().join("history"), history).unwrap();
    let since = Instant::now();
    let mut terminal = Terminal::at(place, &Setting { colours: true, ..Setting::default() });
    println!("start to first prompt: {:?}", since.elapsed());
    // A search waits for the history to be read; a suggestion does not.
    terminal.types("\x12git");
    terminal.sees("(search 'git') git commit");
    terminal.types("\x07");
    terminal.line_is("$");
    let mut typed = String::new();
    let mut times = Vec::new();
    for n in 0..200 {
        let key = if n % 2 == 0 { "g" } else { "z" };
        let since = Instant::now();
        terminal.types(key);
        typed.push_str(key);
        let column = 2 + typed.len() % 70;
        terminal.wait("the echo", |screen| usize::from(screen.cursor_position().1) == column);
        times.push(since.elapsed());
        if typed.len() == 69 {
            terminal.types("\x15");
            terminal.line_is("$");
            typed.clear();
        }
    }
    times.sort();
    println!("key to echo: median {:?}, 99 % {:?}, longest {:?}", times[100], times[198], times[199]);
    terminal.types("\x15\x12number 1x");
    let since = Instant::now();
    terminal.sees("(not found 'number 1x')");
    println!("search without a match, 9 keys: {:?}", since.elapsed());
    terminal.types("\x07\x03");
    terminal.sees("<Interrupt>");
    let mut times = Vec::new();
    for n in 0..50 {
        terminal.types(&format!("number {n}"));
        terminal.line_is(&format!("$ number {n}"));
        let since = Instant::now();
        terminal.types("\r");
        terminal.line_is("$");
        times.push(since.elapsed());
    }
    times.sort();
    println!("Enter to the next prompt, with remembering: median {:?}, longest {:?}", times[25], times[49]);
    let pid = terminal.child.id();
    let resident = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    println!("{}", resident.lines().find(|line| line.starts_with("VmRSS")).unwrap());
}

/// Whatever is pressed, the editor goes on. More of it: `SEED=7 COUNT=2000 cargo test --test editor random`.
#[test]
fn keys_at_random_end_nothing() {
    let given = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let count = given("COUNT").unwrap_or(300);
    for seed in given("SEED").map_or(vec![1, 2], |seed| vec![seed]) {
        press_at_random(seed, count);
    }
}

/// Emacs' keys with an odd seed, vi's with an even one.
fn press_at_random(seed: u64, count: u64) {
    let keys = [
        "a",
        "b",
        " ",
        "'",
        "\"",
        "(",
        ")",
        "|",
        "\\",
        "é",
        "漢",
        "👩‍💻",
        "e\u{301}",
        "$",
        "{",
        "#",
        "\r",
        "\r",
        "\n",
        "\t",
        "\t",
        "\x1b[Z",
        "\x7f",
        "\x1b\x7f",
        "\x01",
        "\x02",
        "\x05",
        "\x06",
        "\x07",
        "\x0b",
        "\x0c",
        "\x0e",
        "\x10",
        "\x12",
        "\x14",
        "\x15",
        "\x16",
        "\x17",
        "\x18",
        "\x19",
        "\x1f",
        "\x1b",
        "\x1b.",
        "\x1bb",
        "\x1bf",
        "\x1bd",
        "\x1bt",
        "\x1bu",
        "\x1bl",
        "\x1bc",
        "\x1be",
        "\x1b\r",
        "\x1b[A",
        "\x1b[B",
        "\x1b[C",
        "\x1b[D",
        "\x1b[H",
        "\x1b[F",
        "\x1b[3~",
        "\x1b[5~",
        "\x1b[6~",
        "\x1b[1;5C",
        "\x1b[1;5D",
        "\x1b[1;3A",
        "\x1b[1;3B",
        "\x1b[1;2C",
        "\x1b[1;2D",
        "\x1b[1;2A",
        "\x1b[1;2B",
        "\x1b[200~x\ny\x1b[201~",
        "git",
        "al",
        "d",
        "w",
        "y",
        "p",
        "v",
        "x",
        "u",
        "i",
        "A",
        "0",
        "cw",
        "!!",
        "!$",
        "^a^b",
        "diw",
        "yaw",
        "ci'",
        "da(",
        "diW",
        "dd",
        "k",
        "j",
        "f ",
        "\x03",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    let mut state = seed;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let setting =
        Setting { vi: seed.is_multiple_of(2), colours: true, left: "top\n$ ".into(), ..Setting::default() };
    let mut terminal = Terminal::with(&setting, HISTORY);
    let mut typed = Vec::new();
    for n in 0..count {
        let key = keys[random(keys.len())];
        typed.push(key);
        terminal.types(key);
        if n % 50 == 0 {
            terminal.order("print notice");
        }
        if n % 71 == 0 {
            terminal.order("stop now");
        }
        if random(4) == 0 {
            while terminal.look(Duration::from_millis(1)) {}
        }
        if terminal.child.try_wait().unwrap().is_some() {
            while terminal.look(Duration::from_millis(10)) {}
            let last = &typed[typed.len().saturating_sub(30)..];
            panic!("seed {seed}: it ended behind {last:?}:\n{}", terminal.contents());
        }
    }
    let since = Instant::now();
    while terminal.child.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < PATIENCE, "seed {seed}: it does not end:\n{}", terminal.contents());
        terminal.types_blindly("\x1b");
        while terminal.look(Duration::from_millis(20)) {}
        terminal.types_blindly("\x07\x03");
        while terminal.look(Duration::from_millis(20)) {}
        terminal.types_blindly("\x04");
        while terminal.look(Duration::from_millis(100)) {}
    }
    assert_eq!(tcgetattr(&terminal.slave).unwrap(), terminal.before);
}
