//! `/sandbox` as a person meets it: the menu on a real pseudo-terminal and as plain text, the words, and what they leave
//! in the settings files, byte for byte.
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
use nix::sys::signal::{SigHandler, Signal};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use sbsh::admin::sandbox::{After, Now, run, words};
use sbsh::audit::Log;
use sbsh::caller::Caller;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const USER: &str = "{\n\t// mine\n\t\"sandbox\": {\n\t\t\"mode\": \"auto-allow\", // for now\n\t\t\"allowedDomains\": [\n\t\t\t\"example.com\", // ours\n\t\t\t\"*.crates.io\",\n\t\t],\n\t\t\"excludedCommands\": [\"docker:*\"],\n\t},\n\t\"other\": 1,\n}\n";
const LOCAL: &str = "{\n  // this project\n  \"sandbox\": {\n    \"shell\": \"/bin/bash\" // ours\n  }\n}\n";

/// A home with settings and a project.
struct World {
    _top: tempfile::TempDir,
    home: PathBuf,
    project: PathBuf,
}

impl World {
    fn new() -> World {
        let top = tempfile::tempdir().unwrap();
        let real = top.path().canonicalize().unwrap();
        let world = World { home: real.join("home"), project: real.join("project"), _top: top };
        fs::create_dir_all(world.home.join(".claude")).unwrap();
        fs::create_dir_all(world.project.join(".claude")).unwrap();
        fs::write(world.user_file(), USER).unwrap();
        world
    }

    fn user_file(&self) -> PathBuf {
        self.home.join(".claude/settings.json")
    }

    fn local_file(&self) -> PathBuf {
        self.project.join(".claude/settings.local.json")
    }

    fn shared_file(&self) -> PathBuf {
        self.project.join(".claude/settings.json")
    }

    fn user(&self) -> String {
        fs::read_to_string(self.user_file()).unwrap()
    }

    fn local(&self) -> String {
        fs::read_to_string(self.local_file()).unwrap_or_default()
    }

    /// Content that counts: sbsh itself wrote it.
    fn trusted_local(&self) {
        fs::write(self.local_file(), LOCAL).unwrap();
        let said = self.control(&["trust", "--yes"], "");
        assert_eq!(said.0, Some(0), "{said:?}");
    }

    fn log(&self, lines: &[&str]) {
        let state = self.home.join(".local/state/sbsh");
        fs::create_dir_all(&state).unwrap();
        fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        fs::write(Log::of(&state).path(), lines.join("\n") + "\n").unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sbsh"));
        command.arg("ctl").args(words).current_dir(&self.project).env_clear();
        command.env("HOME", &self.home).env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
        command
    }

    /// Status, stdout and stderr of `sbshctl WORDS`, with this typed on no terminal.
    fn control(&self, words: &[&str], typed: &str) -> (Option<i32>, String, String) {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Whoever left before the end of it did not want it.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        let done = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    }

    #[track_caller]
    fn says(&self, words: &[&str]) -> String {
        let words: Vec<&str> = std::iter::once("sandbox").chain(words.iter().copied()).collect();
        let (status, stdout, stderr) = self.control(&words, "");
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{words:?}: {stdout}");
        stdout
    }

    /// One clear line, and the status.
    #[track_caller]
    fn refuses(&self, words: &[&str], status: i32, what: &str) {
        let words: Vec<&str> = std::iter::once("sandbox").chain(words.iter().copied()).collect();
        let (found, stdout, stderr) = self.control(&words, "");
        assert_eq!((found, stdout.as_str()), (Some(status), ""), "{words:?}: {stderr}");
        assert!(stderr.contains(what) && stderr.lines().count() == 1, "{words:?}: {stderr}");
    }

    fn caller(&self) -> Caller {
        let environment = vec![("HOME".into(), self.home.clone().into_os_string())];
        Caller { environment, directory: Some("/".into()), home: Some(self.home.clone()) }
    }
}

/// The menu on a terminal, seen from the terminal's side.
struct Menu {
    master: File,
    slave: std::os::fd::OwnedFd,
    before: Termios,
    child: Child,
    /// What was shown since the last key.
    seen: String,
    all: String,
}

const MAIN: &str = "sbsh: sandbox";
const DRAWN_END: &str = "q: back\u{1b}[K\u{1b}[J";

impl Menu {
    fn open(world: &World, variables: &[(&str, &str)]) -> Menu {
        let size = Winsize { ws_row: 30, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let before = tcgetattr(&slave).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = world.command(&["sandbox"]);
        command.envs(variables.iter().copied()).stdin(end()).stdout(end()).stderr(end());
        let become_session = move || {
            // Whoever runs the tests may ignore it (nohup), and that would be inherited.
            // SAFETY: the default takes no handler.
            #[allow(unsafe_code)]
            unsafe { nix::sys::signal::signal(Signal::SIGHUP, SigHandler::SigDfl) }?;
            nix::unistd::setsid()?;
            // SAFETY: TIOCSCTTY takes a number and no memory; standard input is the terminal.
            #[allow(unsafe_code)]
            nix::errno::Errno::result(unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) })?;
            Ok(())
        };
        // SAFETY: only system calls, nothing that allocates or locks.
        #[allow(unsafe_code)]
        let child = unsafe { command.pre_exec(become_session) }.spawn().unwrap();
        Menu { master: master.into(), slave, before, child, seen: String::new(), all: String::new() }
    }

    fn drawn(world: &World) -> Menu {
        let mut menu = Menu::open(world, &[("TERM", "xterm-256color")]);
        menu.screen(MAIN);
        menu
    }

    /// Reads what is shown for at most so long.
    fn look(&mut self, patience: u16) {
        let mut waited = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waited, PollTimeout::from(patience)).unwrap() == 0 {
            return;
        }
        let mut bytes = [0; 65_536];
        // An error is the end of the last one who had the terminal open.
        let length = self.master.read(&mut bytes).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..length]);
        self.seen.push_str(&text);
        self.all.push_str(&text);
    }

    /// Waits until all these were shown since the last key.
    #[track_caller]
    fn until(&mut self, markers: &[&str]) -> String {
        let end = Instant::now() + Duration::from_secs(120);
        while !markers.iter().all(|marker| self.seen.contains(marker)) {
            assert!(Instant::now() < end, "no {markers:?} in {:?}", self.seen);
            self.look(200);
        }
        std::mem::take(&mut self.seen)
    }

    /// Waits for a whole drawn screen with this in it.
    #[track_caller]
    fn screen(&mut self, marker: &str) -> String {
        self.until(&[marker, DRAWN_END])
    }

    fn types(&mut self, keys: &str) -> &mut Menu {
        self.master.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits for the end, and sees that the terminal is as it was.
    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + Duration::from_secs(120);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "does not end: {}", self.seen);
            self.look(20);
        };
        self.look(0);
        assert_eq!(tcgetattr(&self.slave).unwrap(), self.before);
        let (opened, closed) =
            (self.all.matches("\x1b[?1049h").count(), self.all.matches("\x1b[?1049l").count());
        assert_eq!(opened, closed, "the other screen was left: {:?}", self.all);
        let last = |what: &str| self.all.rfind(what);
        assert!(last("\x1b[?25l") <= last("\x1b[?25h"), "the cursor is there again: {:?}", self.all);
        status
    }
}

impl Drop for Menu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_mode_is_changed_by_keys_in_the_file_that_is_chosen() {
    let world = World::new();
    world.trusted_local();
    let mut menu = Menu::drawn(&world);
    assert!(!tcgetattr(&menu.slave).unwrap().local_flags.intersects(LocalFlags::ECHO | LocalFlags::ICANON));
    let screen = menu.types("\r").screen("sbsh: mode");
    assert!(screen.contains(">  1  * auto-allow") && screen.contains("2    regular"), "{screen}");
    assert!(screen.contains(&format!("said by: {}:4:11", world.user_file().display())), "{screen}");
    menu.types("\x1b[B").screen(">  2    regular");
    let screen = menu.types("\r").screen("which settings file?");
    assert!(
        screen.contains(">  1  this project, for you alone") && screen.contains("settings.local.json"),
        "{screen}"
    );
    let screen = menu.types("\r").screen("write this?");
    assert!(screen.contains("+    \"mode\": \"regular\"") && screen.contains(">  1  no"), "{screen}");
    assert_eq!(world.local(), LOCAL);
    menu.types("\x1b[B").screen(">  2  yes");
    menu.types("\r").screen("sbsh: written");
    let after =
        LOCAL.replace("\"/bin/bash\" // ours\n", "\"/bin/bash\", // ours\n    \"mode\": \"regular\"\n");
    assert_eq!((world.local(), world.user()), (after.clone(), USER.to_owned()));
    menu.types("\r").screen("regular");
    // Back again, in the user's own file, which says so already: there it does not count, and that is said.
    menu.types("1").screen("2  * regular");
    menu.types("1").screen("which settings file?");
    assert!(menu.types("3").screen("nothing to write").contains("it does not count here: "));
    menu.types("q").screen(MAIN);
    menu.types("3").screen("overrides");
    menu.types("2").screen("which settings file?");
    menu.types("3").screen("write this?");
    menu.types("2").screen("sbsh: written");
    let user =
        USER.replace("[\"docker:*\"],\n", "[\"docker:*\"],\n\t\t\"allowUnsandboxedCommands\": false,\n");
    assert_eq!((world.local(), world.user()), (after, user));
    menu.types("q").screen("way out strict");
    menu.types("q");
    assert!(menu.end().success());
    // On the terminal's own screen stands what was done.
    let behind = menu.all.rsplit("\x1b[?1049l").next().unwrap();
    assert!(
        behind.contains("the mode is regular, by '") && behind.contains("the way out is strict, by '"),
        "{behind}"
    );
    // What was written is trusted, and counts.
    assert!(world.says(&["mode"]).contains("* regular"));
}

#[test]
fn nothing_is_written_that_is_not_confirmed() {
    let world = World::new();
    let mut menu = Menu::drawn(&world);
    let ask = |menu: &mut Menu| {
        menu.types("1").screen("sbsh: mode");
        menu.types("2").screen("which settings file?");
        menu.types("3").screen("write this?");
    };
    ask(&mut menu);
    // A burst is no answer: it is a paste, or was typed before the question stood.
    menu.types("22\r").screen("write this?");
    menu.types("\x1b").screen(MAIN);
    ask(&mut menu);
    menu.types("\r").screen(MAIN);
    ask(&mut menu);
    menu.types("\x03");
    assert!(menu.end().success());
    assert_eq!((world.user(), world.local()), (USER.to_owned(), String::new()));
}

#[test]
fn a_signal_ends_the_menu_with_the_terminal_as_it_was() {
    let world = World::new();
    let mut menu = Menu::drawn(&world);
    menu.types("4").screen("sbsh: settings");
    let id = nix::unistd::Pid::from_raw(i32::try_from(menu.child.id()).unwrap());
    nix::sys::signal::kill(id, Signal::SIGTERM).unwrap();
    assert_eq!(menu.end().signal(), Some(Signal::SIGTERM as i32));
}

#[test]
fn a_resize_draws_anew() {
    let world = World::new();
    let mut menu = Menu::drawn(&world);
    let size = Winsize { ws_row: 8, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one `winsize`, which lives here; the descriptor is open.
    #[allow(unsafe_code)]
    let status = unsafe { nix::libc::ioctl(menu.master.as_raw_fd(), nix::libc::TIOCSWINSZ, &raw const size) };
    assert_eq!(status, 0);
    // Not all items have room now.
    menu.until(&["1 of 7   arrows", "\x1b[J"]);
    menu.types("\x1b[A").until(&[">  7  excluded"]);
    menu.types("q");
    assert!(menu.end().success());
}

#[test]
fn what_was_refused_is_allowed_by_the_exact_change_and_shown_escaped() {
    let world = World::new();
    world.log(&[
        r#"{"time":1.0,"event":"violation","id":"a","command":"make","program":"touch","process":1,"call":"openat","path":"/srv/a b","why":"outside","reason":""}"#,
        r#"{"time":2.0,"event":"connection","id":"a","verdict":"refused","host":"x.example","port":443,"command":"curl","why":"nobody could be asked"}"#,
        r#"{"time":3.0,"event":"violation","id":"b","command":"evil\u001b[2Jcmd","program":"p\u001b]0;t\u0007","process":1,"call":"openat","path":"/srv/\u001b[31mred","why":"outside","reason":""}"#,
        r#"{"time":4.0,"event":"violation","id":"c","command":"git","program":"git","process":1,"call":"openat","path":"/w/.git/hooks/x","why":"protected","reason":"it is a hook"}"#,
        r#"{"time":5.0,"event":"command","id":"a","command":"make","ran":true,"status":1}"#,
    ]);
    let mut menu = Menu::drawn(&world);
    let screen = menu.types("5").screen("refused lately");
    for shown in [
        "1  no setting allows this",
        "evil\\e[2Jcmd",
        "p\\e]0;t\\x07",
        "allow domain x.example",
        "allow write '/srv/a b'",
    ] {
        assert!(screen.contains(shown), "{shown}: {screen}");
    }
    menu.types("1").screen("always protected");
    menu.types("q").screen(MAIN);
    menu.types("5").screen("refused lately");
    menu.types("4").screen("which settings file?");
    menu.types("1").screen("+        \"/srv/a b\"").contains("write this?");
    menu.types("2").screen("'/srv/a b' is allowed in this project, by '");
    menu.types("\r").screen(MAIN);
    menu.types("5").screen("refused lately");
    menu.types("3").screen("which settings file?");
    menu.types("2").screen("write this?");
    menu.types("2").screen("sbsh: written");
    menu.types("qq");
    assert!(menu.end().success());
    assert_eq!(
        world.local(),
        "{\n  \"sandbox\": {\n    \"filesystem\": {\n      \"allowWrite\": [\n        \"/srv/a b\"\n      ]\n    }\n  }\n}\n"
    );
    assert_eq!(
        fs::read_to_string(world.shared_file()).unwrap(),
        "{\n  \"sandbox\": {\n    \"allowedDomains\": [\n      \"x.example\"\n    ]\n  }\n}\n"
    );
    for hostile in ["\u{1b}]", "\u{7}", "\u{1b}[2J", "\u{1b}[31m"] {
        assert!(!menu.all.contains(hostile), "{hostile:?}: {:?}", menu.all);
    }
    assert!(world.says(&["why"]).contains("touch may not write '/srv/a b'"), "the last command of the log");
}

#[test]
fn domains_and_exclusions_are_added_and_taken_out_with_all_comments_kept() {
    let world = World::new();
    let mut menu = Menu::drawn(&world);
    let screen = menu.types("6").screen("sbsh: domains");
    assert!(
        screen.contains(&format!("3  allowed example.com  {}:6:4", world.user_file().display())),
        "{screen}"
    );
    menu.types("1").until(&["the domain to allow"]);
    // Typed wrong and corrected, one character of two bytes among it.
    menu.types("x.exä\x7fample\r").screen("which settings file?");
    menu.types("3").screen("write this?");
    menu.types("2").screen("'x.example' is allowed in all projects of this user");
    let added = USER.replace("\t\t\t\"*.crates.io\",\n", "\t\t\t\"*.crates.io\",\n\t\t\t\"x.example\",\n");
    assert_eq!(world.user(), added);
    menu.types("q").screen("5  allowed x.example");
    menu.types("3").screen("-\t\t\t\"example.com\", // ours");
    menu.types("2").screen("'example.com' is no longer in sandbox.allowedDomains");
    assert_eq!(world.user(), added.replace("\t\t\t\"example.com\", // ours\n", ""));
    // What says everything is refused, and why is told.
    menu.types("q").screen("sbsh: domains");
    menu.types("1").until(&["the domain to allow"]);
    menu.types("*.com\r").screen("which settings file?");
    menu.types("3").screen("would allow too much");
    menu.types("q").screen("sbsh: domains");
    menu.types("q").screen(MAIN);
    menu.types("7").screen("2  outside docker:*");
    menu.types("1").until(&["the command that is to run outside"]);
    menu.types("kubectl:*\r").screen("which settings file?");
    menu.types("1").screen("write this?");
    menu.types("2").screen("sbsh: written");
    assert_eq!(
        world.local(),
        "{\n  \"sandbox\": {\n    \"excludedCommands\": [\n      \"kubectl:*\"\n    ]\n  }\n}\n"
    );
    menu.types("\x04");
    assert!(menu.end().success());
}

#[test]
fn without_drawing_numbers_and_enter_answer_and_no_escape_is_shown() {
    for variables in
        [[("TERM", "dumb"), ("X", "")], [("TERM", "xterm"), ("NO_COLOR", "1")], [("X", ""), ("Y", "")]]
    {
        let world = World::new();
        let mut menu = Menu::open(&world, &variables);
        let screen = menu.until(&["== sandbox", "number, q = back > "]);
        assert!(screen.contains("  1  mode               auto-allow"), "{screen}");
        menu.types("1\n").until(&["== mode", "number (Enter: 1), q = back > "]);
        menu.types("9\n").until(&["a number from 1 to 2, or q", "back > "]);
        menu.types("2\n").until(&["which settings file?", "Enter: 1"]);
        menu.types("\n").until(&["write this?", "\"mode\": \"regular\"", "number, q = back > "]);
        menu.types("2\n").until(&["== written", "the mode is regular, by '", "== sandbox", "back > "]);
        menu.types("q\n");
        assert!(menu.end().success());
        assert_eq!(world.local(), "{\n  \"sandbox\": {\n    \"mode\": \"regular\"\n  }\n}\n");
        assert!(!menu.all.contains('\u{1b}'), "{:?}", menu.all);
    }
}

#[test]
fn without_a_terminal_the_same_numbers_answer_and_the_end_leaves() {
    let world = World::new();
    let (status, stdout, stderr) = world.control(&["sandbox"], "3\n2\n3\n2\n2\n");
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("the way out is strict") && stdout.contains("\n== dependencies\n"), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "{stdout}");
    let user =
        USER.replace("[\"docker:*\"],\n", "[\"docker:*\"],\n\t\t\"allowUnsandboxedCommands\": false,\n");
    assert_eq!(world.user(), user);
    for typed in ["", "\u{0}\u{ff}\n", "1\n2\n3", "99999999999999999999\n-1\n\n"] {
        assert_eq!(world.control(&["sandbox"], typed).0, Some(0), "{typed:?}");
    }
    assert_eq!(world.user(), user);
}

#[test]
fn words_do_what_the_verbs_do() {
    let world = World::new();
    world.trusted_local();
    let said = world.says(&["mode", "regular"]);
    assert!(
        said.starts_with("the mode is regular, by '") && said.contains("+    \"mode\": \"regular\""),
        "{said}"
    );
    assert!(world.says(&["mode", "regular"]).contains("says so already"));
    let regular =
        LOCAL.replace("\"/bin/bash\" // ours\n", "\"/bin/bash\", // ours\n    \"mode\": \"regular\"\n");
    assert_eq!(world.local(), regular);
    assert!(world.says(&["mode", "auto", "--dry-run"]).starts_with("nothing was written"));
    assert_eq!(world.local(), regular);
    // The project's word is above the user's own.
    let said = world.says(&["mode", "regular", "--user"]);
    assert_eq!(world.user(), USER.replace("\"auto-allow\", //", "\"regular\", //"), "{said}");
    let said = world.says(&["mode", "auto", "--user"]);
    assert!(
        said.contains(&format!("does not count here: {}:5:13 says otherwise", world.local_file().display())),
        "{said}"
    );
    assert_eq!(world.user(), USER);
    world.says(&["mode", "auto"]);
    assert_eq!(world.local(), regular.replace("regular", "auto-allow"));

    assert!(world.says(&["allow", "write", "/srv/x"]).contains("'/srv/x' is allowed in this project"));
    assert!(world.says(&["deny", "command", "rm:*", "--user"]).contains("is denied in all projects"));
    assert!(world.says(&["ask", "command", "git push:*"]).contains("is asked about"));
    assert!(world.says(&["exclude", "kubectl:*", "--shared"]).contains("settings.json'"));
    assert!(fs::read_to_string(world.shared_file()).unwrap().contains("kubectl:*"));
    let status = world.says(&["status"]);
    assert!(status.contains("/srv/x  (") && status.contains("Bash(kubectl:*)  ("), "{status}");
    world.says(&["exclude", "kubectl:*", "--shared", "--remove"]);
    assert!(!fs::read_to_string(world.shared_file()).unwrap().contains("kubectl:*"));
    assert!(world.says(&["log", "-n", "1"]).contains("sandbox.excludedCommands removed in"));
    assert!(world.says(&["log"]).contains("sandbox.mode set in"));
}

#[test]
fn what_only_tightens_is_written_to_a_file_that_is_not_trusted_and_trusts_nothing_in_it() {
    let world = World::new();
    let before = "{\n  \"sandbox\": {\n    \"excludedCommands\": [\"evil:*\"]\n  }\n}\n";
    fs::write(world.local_file(), before).unwrap();
    world.refuses(&["mode", "auto", "--project"], 126, "says things that are not trusted yet");
    assert_eq!(world.local(), before);
    world.says(&["mode", "regular", "--project"]);
    assert_eq!(world.local(), before.replace("[\"evil:*\"]\n", "[\"evil:*\"],\n    \"mode\": \"regular\"\n"));
    let status = world.says(&["status"]);
    assert!(status.contains("settings.local.json [local] only tightens (not trusted)"), "{status}");
    assert!(status.contains("mode                 regular  (") && !status.contains("evil"), "{status}");
}

#[test]
fn words_that_mean_nothing_get_one_line() {
    let world = World::new();
    world.refuses(
        &["bogus\u{1b}[2J"],
        2,
        "there is no '/sandbox bogus\\e[2J'; '/sandbox help' lists what there is",
    );
    world.refuses(&["mode", "loose"], 2, "'loose' means nothing here");
    world.refuses(&["mode", "auto", "--user", "--project"], 2, "'--project' means nothing here");
    world.refuses(&["allow", "nothing", "x"], 2, "see '/sandbox help allow'");
    world.refuses(&["log", "--follow"], 2, "'sbshctl log --follow' does");
    world.refuses(&["off-for-one"], 2, "say which command");
    world.refuses(&["help", "bogus"], 2, "there is no '/sandbox bogus'");
    world.refuses(&["exclude", "*"], 126, "was not written");
    assert!(world.says(&["help"]).contains("off-for-one COMMAND..."));
    assert!(world.says(&["help", "exclude"]).starts_with("usage: /sandbox exclude"));
    assert_eq!((world.user(), world.local()), (USER.to_owned(), String::new()));
}

#[test]
fn one_command_outside_is_a_line_for_the_session_unless_there_is_no_way_out() {
    let world = World::new();
    let caller = world.caller();
    let now = Now { caller: &caller, directory: &world.project, last: None, terminal: false };
    let after = |line: &str| run(&words(line).unwrap().unwrap(), &now);
    let line = |text: &str| After::Run(format!("dangerouslyDisableSandbox {text}"));
    assert_eq!(after("/sandbox off-for-one make install").unwrap(), line("make install"));
    assert_eq!(after("  /sandbox\toff-for-one  rm *.o 'a b' ").unwrap(), line("rm *.o 'a b'"));
    let split = ["off-for-one", "cp", "a b", "$x"].map(str::to_owned);
    assert_eq!(run(&split, &now).unwrap(), line("cp 'a b' '$x'"));
    assert_eq!(world.says(&["off-for-one", "make", "install"]), "dangerouslyDisableSandbox make install\n");
    fs::write(world.user_file(), "{\"sandbox\": {\"allowUnsandboxedCommands\": false}}").unwrap();
    world.refuses(&["off-for-one", "make"], 126, "settings.json:1:42");
}

#[test]
fn a_line_is_about_it_only_by_its_first_word() {
    let split = |line: &str| words(line).map(|words| words.unwrap());
    assert_eq!(split("/sandbox"), Some(vec![]));
    assert_eq!(
        split(" /sandbox  allow write '/a b'"),
        Some(["allow", "write", "/a b"].map(str::to_owned).to_vec())
    );
    assert_eq!(split("/sandbox why git push 'x"), Some(["why", "git push 'x"].map(str::to_owned).to_vec()));
    for other in ["/sandboxed", "/sandbox/x", "echo /sandbox", "", "./sandbox"] {
        assert_eq!(words(other), None, "{other:?}");
    }
    assert_eq!(words("/sandbox allow 'x").unwrap().unwrap_err(), "/sandbox: a quote is not closed");
}

#[test]
fn a_command_is_explained_and_without_one_there_must_be_a_last_one() {
    let world = World::new();
    assert!(world.says(&["why"]).contains("nothing has run yet"));
    let explained = world.says(&["why", "docker", "ps"]);
    assert!(explained.contains("command   docker ps\n") && explained.contains("verdict   "), "{explained}");
}

/// As root only: a policy of the administrator's, in an /etc that nobody else sees.
#[test]
fn what_the_administrator_locks_is_shown_and_not_changed() {
    const IN_ETC: &str = r#"
set -e
mkdir "$1"; mount -t tmpfs none "$1"; cp -a /etc/. "$1"; rm -rf "$1/claude-code"; chmod 755 "$1"; mount --move "$1" /etc
umask 022; mkdir /etc/claude-code; printf '%s' "$2" > /etc/claude-code/managed-settings.json; shift 2; exec "$@"
"#;
    const POLICY: &str = r#"{"sandbox": {"mode": "regular", "allowUnsandboxedCommands": false, "excludedCommands": ["vpn:*"],
  "network": {"allowManagedDomainsOnly": true, "allowedDomains": ["good.example"]}}}"#;
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can make an /etc of its own; screens and locks have unit tests");
        return;
    }
    let world = World::new();
    let managed = |words: &[&str], typed: &str| {
        let itself = world.command(words);
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", IN_ETC, "sh"]);
        command.arg(world.home.join("etc")).arg(POLICY).arg(itself.get_program()).args(itself.get_args());
        command.current_dir(&world.project).env("HOME", &world.home).env_remove("XDG_STATE_HOME");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        let done = child.wait_with_output().unwrap();
        let _ = fs::remove_dir(world.home.join("etc"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (status, shown, stderr) = managed(&["sandbox"], "1\n1\n3\n1\n6\n1\n3\nq\n7\n2\n");
    if stderr.contains("unshare") || stderr.contains("mount") {
        println!("skipped: no mount namespace here: {stderr}");
        return;
    }
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{shown}");
    let file = "/etc/claude-code/managed-settings.json";
    for words in [
        format!("mode               regular  (locked by {file}:1:22)"),
        format!("overrides          way out strict  (locked by {file}:1:"),
        format!("== locked\nlocked by {file}:1:22: ask the administrator"),
        format!("1  allow a domain        locked by {file}:2:"),
        format!("3  allowed good.example  locked by {file}:2:"),
        format!("outside vpn:*      locked by {file}:1:"),
    ] {
        assert!(shown.contains(&words), "{words}\n{shown}");
    }
    assert_eq!(shown.matches("== locked").count(), 5, "{shown}");
    assert!(!shown.contains("which settings file?"), "{shown}");
    for words in [["mode", "auto"].as_slice(), &["allow", "domain", "x.example"]] {
        let all: Vec<&str> = std::iter::once("sandbox").chain(words.iter().copied()).collect();
        let (status, _, stderr) = managed(&all, "");
        assert_eq!(status, Some(126), "{words:?}: {stderr}");
        assert!(stderr.contains(file) && stderr.lines().count() == 1, "{stderr}");
    }
    assert_eq!((world.user(), world.local()), (USER.to_owned(), String::new()));
}
