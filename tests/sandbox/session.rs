//! The interactive session on a real terminal: what a person sees and types, with bash as the oracle.
//!
//! A screen is emulated, so the line editor's questions to its terminal are answered as one would. A line is over when the
//! front end says so to the terminal (OSC 133;D), so nothing here waits for time.

use crate::broker::Tool;
use crate::terminal::terminal_command;
use crate::world::{World, as_from_a_terminal, each, has};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const ROWS: u16 = 24;
pub const COLUMNS: u16 = 100;

/// A session with its screen.
pub struct Session {
    pub master: File,
    pub slave: OwnedFd,
    pub child: Child,
    pub screen: vt100::Parser,
    /// Everything that came and was not looked at yet.
    pub raw: String,
    pub before: Termios,
}

/// What a line gave.
#[derive(Debug)]
pub struct Line {
    /// What it wrote.
    pub output: String,
    pub status: i32,
}

impl Session {
    pub fn start(world: &World) -> Session {
        Session::with(world, &[], |_| {})
    }

    pub fn with(world: &World, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Session {
        let mut session = Session::open(world, arguments, prepare);
        session.over();
        session
    }

    /// Starts it and waits for nothing.
    pub fn open(world: &World, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Session {
        let mut command = terminal_command(world, world.bin("sbsh").to_str().unwrap());
        command
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .env("PWD", &world.project);
        prepare(&mut command);
        Session::of(command)
    }

    /// What this command becomes on a terminal of its own.
    pub fn of(mut command: Command) -> Session {
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let master = File::from(master);
        for end in [master.as_raw_fd(), slave.as_raw_fd()] {
            let flags = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC);
            // SAFETY: the descriptor is open here.
            #[allow(unsafe_code)]
            nix::fcntl::fcntl(unsafe { std::os::fd::BorrowedFd::borrow_raw(end) }, flags).unwrap();
        }
        let before = tcgetattr(&slave).unwrap();
        let standard = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(standard()).stdout(standard()).stderr(standard());
        as_from_a_terminal(&mut command);
        let become_session = || {
            nix::unistd::setsid()?;
            // SAFETY: TIOCSCTTY takes a number and no memory; descriptor 0 is the terminal.
            #[allow(unsafe_code)]
            let status = unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) };
            nix::errno::Errno::result(status)?;
            Ok(())
        };
        // SAFETY: only system calls, nothing that allocates or locks.
        #[allow(unsafe_code)]
        let child = unsafe { command.pre_exec(become_session) }.spawn().unwrap();
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        Session { master, slave, child, screen, raw: String::new(), before }
    }

    /// Takes what has come; false once the other side is gone.
    pub fn look(&mut self) -> bool {
        let mut waited = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waited, PollTimeout::from(200_u16)).unwrap() == 0 {
            return true;
        }
        let mut bytes = [0; 8192];
        let Ok(length) = self.master.read(&mut bytes) else { return false };
        self.screen.process(&bytes[..length]);
        let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
        for _ in 0..said.matches("\u{1b}[6n").count() {
            let (row, column) = self.screen.screen().cursor_position();
            write!(self.master, "\u{1b}[{};{}R", row + 1, column + 1).unwrap();
        }
        self.raw.push_str(&said);
        true
    }

    pub fn wait(&mut self, what: &str, holds: impl Fn(&Session) -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !holds(self) {
            assert!(Instant::now() < end, "no {what} in {:?}\n{}", self.raw, self.shown());
            assert!(self.look(), "it ended without {what}: {:?}", self.raw);
        }
    }

    pub fn shown(&self) -> String {
        self.screen.screen().contents()
    }

    /// What stands before the cursor in its row: behind it may be a hint.
    pub fn before_cursor(&self) -> String {
        let (row, column) = self.screen.screen().cursor_position();
        self.screen.screen().contents_between(row, 0, row, column)
    }

    /// Whether this comes on the screen in so long.
    pub fn comes_within(&mut self, patience: Duration, text: &str) -> bool {
        let end = Instant::now() + patience;
        while !self.shown().contains(text) && Instant::now() < end && self.look() {}
        self.shown().contains(text)
    }

    /// Waits until this is on the screen.
    pub fn until(&mut self, text: &str) {
        self.wait(text, |session| session.shown().contains(text));
    }

    pub fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end of a line.
    pub fn over(&mut self) -> Line {
        self.wait("end of a line", |session| {
            session.raw.split_once("\u{1b}]133;D;").is_some_and(|(_, rest)| rest.contains("\u{1b}\\"))
        });
        let raw = std::mem::take(&mut self.raw);
        let (before, after) = raw.split_once("\u{1b}]133;D;").unwrap();
        let (status, rest) = after.split_once("\u{1b}\\").unwrap();
        self.raw = rest.to_owned();
        let output = before.split_once("\u{1b}]133;C\u{1b}\\").map_or(before, |(_, output)| output);
        // The title comes first.
        let output = output
            .split_once("\u{1b}]2;")
            .map_or(output, |(_, title)| title.split_once("\u{1b}\\").map_or(title, |(_, output)| output));
        Line { output: output.replace("\r\n", "\n"), status: status.parse().unwrap() }
    }

    /// Answers the question that stands or comes; its keys are the last that it shows.
    pub fn answers(&mut self, key: &str, word: &str) {
        self.wait("a question", |session| session.raw.ends_with(" > "));
        let asked = self.raw.len();
        self.types(key);
        self.wait(word, |session| session.raw[asked..].starts_with(&format!("{word}\r\n")));
    }

    /// Ctrl-C; a shell that is just about to give a job the terminal has it for itself, so it is pressed again.
    pub fn interrupted(&mut self) -> Line {
        self.presses("\u{3}", "\u{1b}]133;D;");
        self.over()
    }

    /// Presses a key until this comes, again only when nothing has come for long.
    pub fn presses(&mut self, key: &str, until: &str) {
        let end = Instant::now() + Duration::from_secs(120);
        while !self.raw.contains(until) {
            assert!(Instant::now() < end, "no {until:?} in {:?}\n{}", self.raw, self.shown());
            self.types(key);
            let mut quiet = 0;
            while quiet < 20 && !self.raw.contains(until) {
                let before = self.raw.len();
                assert!(self.look(), "it ended: {:?}", self.raw);
                quiet = if self.raw.len() == before { quiet + 1 } else { 0 };
            }
        }
    }

    /// Types a line and waits for its end.
    pub fn line(&mut self, text: &str) -> Line {
        self.types(&format!("{text}\r"));
        self.over()
    }

    /// Types lines and says what the last one wrote.
    pub fn lines(&mut self, texts: &[&str]) -> String {
        texts.iter().map(|text| self.line(text).output).last().unwrap()
    }

    /// Waits for the end; its status, or 128 and the signal.
    pub fn ends(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                while {
                    let mut waited = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
                    poll(&mut waited, PollTimeout::ZERO).unwrap() > 0 && self.look()
                } {}
                assert_eq!(tcgetattr(&self.slave).unwrap(), self.before, "the terminal is not as it was");
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
            }
            assert!(Instant::now() < end, "it does not end: {:?}", self.raw);
            self.look();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a check as each user, with this for the person's start-up file.
pub fn each_with(bashrc: &str, check: impl Fn(&World)) {
    each(|world| {
        let path = world.home.join(".bashrc");
        world.write(&path, bashrc);
        check(world);
    });
}

pub const RC: &str = "PS1='ready> '\n";

#[test]
fn what_bash_keeps_between_lines_is_kept() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        assert_eq!(session.line("false").status, 1);
        assert_eq!(session.line("echo $?").output, "1\n");
        assert_eq!(
            session
                .lines(&["x=5; declare y=6; f() { echo \"f $1\"; }; alias a='echo aliased'", "a $x $y; f z"]),
            "aliased 5 6\nf z\n"
        );
        assert_eq!(session.lines(&["echo one two", "echo $_"]), "two\n");
        assert_eq!(session.lines(&["exec 7<<<seven", "read -u 7 v; echo $v"]), "seven\n");
        assert_eq!(
            session.lines(&["pushd /usr >/dev/null; cd /etc", "popd; pwd"]).lines().last(),
            Some(world.project.to_str().unwrap())
        );
        assert_eq!(session.lines(&["trap 'echo trapped' USR1", "kill -USR1 $$"]), "trapped\n");
        assert_eq!(
            session.lines(&["set -o pipefail; shopt -s nullglob", "false | true; echo $?; shopt nullglob"]),
            "1\nnullglob       \ton\n"
        );
        session.types("exit 3\r");
        assert_eq!(session.ends(), 3);
    });
}

#[test]
fn keys_reach_what_runs_and_jobs_are_the_shells() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.types("sh -c 'echo begun; exec sleep 1000'\r");
        session.wait("begun", |s| s.raw.contains("begun\r\n"));
        assert_eq!(session.interrupted().status, 130);
        session.types("sh -c 'echo begun; exec sleep 1000'\r");
        session.wait("begun", |s| s.raw.contains("begun\r\n"));
        session.types("\u{1a}");
        let line = session.over();
        assert_eq!(line.status, 148, "{line:?}");
        assert!(session.line("jobs").output.contains("Stopped"), "{}", session.shown());
        session.types("fg\r");
        session.wait("the job", |s| s.raw.contains("sleep 1000'\r\n"));
        assert_eq!(session.interrupted().status, 130);
        session.types("read word\r");
        session.wait("the line", |s| s.raw.contains("133;C"));
        session.types("typed\r");
        session.over();
        assert_eq!(session.line("echo $word").output, "typed\n");
    });
}

#[test]
fn a_write_outside_is_asked_about_and_the_command_goes_on() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        let file = world.outside.join("file");
        session.types(&format!("echo text > {}; echo wrote $?\r", file.display()));
        session.until("[o]nce");
        assert!(!file.exists());
        session.answers("o", "once");
        let line = session.over();
        assert!(line.output.ends_with("wrote 0\n"), "{line:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "text\n");
    });
}

#[test]
fn denied_lines_are_not_handed_over_and_asked_ones_wait_for_the_answer() {
    each_with(RC, |world| {
        world.user_settings(r#"{ "permissions": { "deny": ["Bash(touch:*)"], "ask": ["Bash(mkdir:*)"] } }"#);
        let mut session = Session::start(world);
        assert_eq!(session.line("touch denied").status, 126);
        assert!(session.shown().contains("Bash(touch:*)"), "{}", session.shown());
        assert!(!world.project.join("denied").exists());
        session.types("mkdir asked\r");
        session.until("[o]nce");
        session.answers("n", "no");
        assert_eq!(session.over().status, 126);
        assert!(!world.project.join("asked").exists());
        session.types("mkdir asked\r");
        session.wait("a second question", |s| s.raw.contains("[o]nce"));
        session.answers("o", "once");
        assert_eq!(session.over().status, 0);
        assert!(world.project.join("asked").is_dir());
    });
}

#[test]
fn what_is_typed_while_a_line_runs_is_the_next_line() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.types("echo begun; read -t 0 x; sleep 0.3\r");
        session.wait("begun", |s| s.raw.contains("begun\r\n"));
        session.types("echo ahead\r");
        session.over();
        assert_eq!(session.over().output, "ahead\n");
    });
}

#[test]
fn the_end_of_the_terminal_ends_everything_inside() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.types("sleep 54321\r");
        session.wait("the line", |s| s.raw.contains("133;C"));
        let front = nix::unistd::Pid::from_raw(i32::try_from(session.child.id()).unwrap());
        nix::sys::signal::kill(front, nix::sys::signal::Signal::SIGHUP).unwrap();
        assert_eq!(session.ends(), 129);
        crate::world::until(|| {
            let all = Command::new("pgrep").args(["-f", "^sleep 54321"]).output().unwrap();
            all.stdout.is_empty()
        });
    });
}

#[test]
fn a_shell_that_cannot_be_led_reads_its_lines_itself_and_questions_are_asked_all_the_same() {
    each_with(RC, |world| {
        let mut session = Session::open(world, &["-x"], |_| {});
        session.until("ready> ");
        let file = world.outside.join("file");
        session.types(&format!("echo text > {}\r", file.display()));
        session.until("[o]nce");
        session.answers("o", "once");
        // What is typed behind the answer is forgotten with it.
        session.wait("the next prompt", |s| s.raw.rfind("ready> ") > s.raw.rfind("> once"));
        session.types("exit 4\r");
        assert_eq!(session.ends(), 4);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "text\n");
    });
}

#[test]
fn a_project_that_was_entered_is_offered_as_the_working_root() {
    each_with(RC, |world| {
        let mut session = Session::with(world, &[], |command| {
            command.current_dir(&world.home).env("PWD", &world.home);
        });
        session.line("x=kept; f() { echo f; }; sleep 1000 &");
        session.line(&format!("cd {}", world.project.display()));
        session.until("working root of the session");
        session.answers("s", "session");
        // What is typed behind the answer is forgotten with it.
        session.wait("the next prompt", |s| s.raw.rfind("ready> ") > s.raw.rfind("> session"));
        let made = session.line("mkdir -p deep/er && echo text > deep/er/file && mv deep/er/file moved && ln -s moved link; echo $? $x; f; jobs");
        assert!(made.output.starts_with("0 kept\nf\n[1]+"), "{made:?}");
        assert_eq!(std::fs::read_to_string(world.project.join("link")).unwrap(), "text\n");
        // What is always protected stays so.
        session.types("mkdir .git; mkdir .git/hooks; echo evil > .git/hooks/pre-commit; echo $?\r");
        session.wait("the line", |s| s.raw.contains("133;D") || s.raw.contains("[o]nce"));
        assert!(!world.project.join(".git/hooks/pre-commit").exists());
        // Nobody is asked twice.
        if session.raw.contains("[o]nce") {
            session.answers("n", "no");
        }
        session.over();
        session.line("cd; cd -");
        assert!(!session.raw.contains("working root"), "{}", session.shown());
    });
}

#[test]
fn broken_settings_lock_nobody_out_and_run_nothing_unasked() {
    each_with(RC, |world| {
        world.user_settings("{ broken");
        let mut session = Session::open(world, &[], |_| {});
        session.until("[e] edit");
        assert!(session.shown().contains("settings.json:1:"), "{}", session.shown());
        session.answers("q", "q");
        assert_eq!(session.ends(), 126);

        let editor = world.home.join("mend");
        world.write(&editor, "#!/bin/sh\necho {} > \"$1\"\n");
        std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut session = Session::open(world, &[], |command| {
            command.env("VISUAL", &editor);
        });
        session.until("[e] edit");
        session.answers("e", "e");
        session.over();
        session.types("touch ../outside/x\r");
        session.until("[o]nce");
        session.answers("n", "no");
        assert_eq!(session.over().status, 1);

        world.user_settings("{ broken");
        let mut session = Session::open(world, &[], |_| {});
        session.until("[o] a shell OUTSIDE");
        session.answers("o", "o");
        session.until("ready> ");
        session.types("echo out > ../outside/asked; exit 5\r");
        assert_eq!(session.ends(), 5);
        assert!(world.outside.join("asked").exists());
    });
}

#[test]
fn a_login_shell_reads_what_login_shells_read_and_says_so() {
    each(|world| {
        world.write(&world.home.join(".bash_profile"), "echo profile; PS1='login> '\n");
        world.write(&world.home.join(".bashrc"), "echo bashrc\n");
        world.write(&world.home.join(".bash_logout"), "echo logout\n");
        let mut session = Session::open(world, &[], |command| {
            command.arg0("-sbsh");
        });
        session.until("login> ");
        assert!(
            session.shown().contains("profile") && !session.shown().contains("bashrc"),
            "{}",
            session.shown()
        );
        session.over();
        assert_eq!(session.line("echo $0; shopt -q login_shell && echo login").output, "-bash\nlogin\n");
        session.types("logout\r");
        assert_eq!(session.ends(), 0);
        assert!(session.raw.contains("logout\r\n"), "{:?}", session.raw);
    });
}

#[test]
fn sbsh_in_a_start_up_file_does_not_go_round() {
    for line in ["exec sbsh", "exec sbsh -i", "sbsh"] {
        each(|world| {
            let bin = world.bin("sbsh");
            let path = format!("PATH={}:$PATH\n", bin.parent().unwrap().display());
            world.write(
                &world.home.join(".bashrc"),
                &format!("{path}PS1='ready> '\n[[ $- == *i* ]] && {line}\n"),
            );
            let mut session = Session::start(world);
            session.until("ready> ");
            assert_eq!(session.line("type exec; echo $((6 * 7))").output, "exec is a shell builtin\n42\n");
            session.types("exit\r");
            assert_eq!(session.ends(), 0);
        });
    }
}

#[test]
fn an_unknown_host_is_asked_about_while_the_command_waits() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.types("exec 5<>/dev/tcp/unknown.test/80; read -u 5 x; echo then $?\r");
        session.until("unknown.test:80");
        session.answers("n", "no");
        let line = session.over();
        assert!(line.output.contains("then 1\n"), "{line:?}");
        session.until("network: unknown.test:80 is blocked");
    });
}

#[test]
fn hosts_that_come_up_while_one_is_asked_about_are_one_question() {
    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
    each_with(RC, |world| {
        let mut session = Session::start(world);
        let burst =
            "open() { for n in $1; do exec {f}<>/dev/tcp/$n.$2.test/80 && fs+=($f); done; echo >$2; }";
        session.line(burst);
        let end = "for f in ${fs[@]}; do read -u $f x; exec {f}>&-; done; fs=()\r";
        for (group, key, word) in [("one", "n", "no"), ("two", "e", "each")] {
            session.types(&format!("open '{}' {group}; {end}", NAMES.join(" ")));
            // Whichever comes first; then the others have come too.
            session.wait("a question", |s| s.raw.ends_with(" > "));
            let all = world.project.join(group);
            session.wait("the connections", |_| all.exists());
            let (mut asked, mut together) = (Vec::new(), 0);
            while asked.len() < NAMES.len() {
                session.wait("a question", |s| s.raw.ends_with(" > "));
                let about: Vec<_> = NAMES
                    .into_iter()
                    .filter(|name| session.raw.contains(&format!("  to:    {name}.{group}.test:80\r\n")))
                    .collect();
                let several = session.raw.contains("[e]ach by itself");
                let shown = session.raw.len();
                assert_eq!(about.len() > 1, several, "{}", session.shown());
                if several {
                    together += 1;
                    session.answers(key, word);
                } else {
                    session.answers("n", "no");
                }
                if !(several && key == "e") {
                    asked.extend(about);
                }
                session.raw.drain(..shown);
            }
            assert!(together > 0, "{}", session.shown());
            session.wait("the prompt", |s| s.shown().trim_end().ends_with("ready>"));
            for name in NAMES {
                let told = format!("network: {name}.{group}.test:80 is blocked");
                assert!(session.shown().contains(&told), "{}", session.shown());
            }
            session.raw.clear();
        }
    });
}

#[test]
fn what_nobody_could_be_asked_about_is_offered_again_once() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.line("echo text > file");
        let link = world.outside.join("link");
        session.types(&format!("ln file {}\r", link.display()));
        session.until("Run it again?");
        session.answers("o", "outside");
        session.over();
        session.wait("the status", |s| s.raw.contains("\u{1b}]133;D;"));
        assert_eq!(session.over().status, 0);
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "text\n");
        // The shell is the same, and knows how it ended.
        assert_eq!(session.line("echo $?").output, "0\n");
    });
}

#[test]
fn excluded_programs_of_a_line_run_outside_on_the_sessions_terminal() {
    each_with(RC, |world| {
        let tool = Tool::new(world, r#""allow":["Bash(tool echo:*)","Bash(tool vi:*)"]"#);
        let path = format!("{}:/usr/bin:/bin", tool.directory.display());
        let mut session = Session::with(world, &[], |command| {
            command.env("PATH", &path);
        });
        // Allowed: not asked.
        assert_eq!(session.lines(&["x=made", "tool echo out $x | tr a-z A-Z; echo $?"]), "OUT MADE\n0\n");
        assert_eq!(tool.ran(), ["echo out made"]);
        // Not allowed: asked once, with its real words.
        let file = world.outside.join("by-tool");
        session.types(&format!("tool touch {}\r", file.display()));
        session.until("OUTSIDE the sandbox?");
        session.answers("o", "once");
        assert_eq!(session.over().status, 0);
        assert!(file.exists());
        // An editor has the session's terminal.
        if has(&["vi"]) {
            world.write(&world.home.join(".vimrc"), "set viminfo= t_u7= t_RV= t_RF= t_RB= noesckeys\n");
            session.types("tool vi edited\r");
            session.until("[New]");
            session.types("iby hand\u{1b}");
            session.until("by hand");
            session.types(":wq\r");
            assert_eq!(session.over().status, 0);
            assert_eq!(std::fs::read_to_string(world.project.join("edited")).unwrap(), "by hand\n");
        }
        session.types("dangerouslyDisableSandbox sh -c 'test -t 0 && exit 7'\r");
        session.wait("a second question", |s| s.raw.contains("OUTSIDE the sandbox?"));
        session.answers("o", "once");
        assert_eq!(session.over().status, 7);
    });
}

#[test]
fn a_shell_that_is_killed_while_it_waits_ends_the_session() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.line("(until [ -e go ]; do sleep 0.01; done; kill -9 $$) &");
        // The prompt stands, and nobody presses a key.
        session.until("[1]");
        world.write(&world.project.join("go"), "");
        assert_eq!(session.ends(), 137);
        assert!(session.shown().contains("ended by signal 9"), "{}", session.shown());
        std::fs::remove_file(world.project.join("go")).unwrap();
    });
}

#[test]
fn a_front_end_that_is_killed_leaves_nothing() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.line("sleep 54322 &");
        session.until("[1]");
        session.child.kill().unwrap();
        session.child.wait().unwrap();
        // The terminal goes with whoever had it.
        drop(session);
        crate::world::until(|| {
            let all = Command::new("pgrep").args(["-f", "^sleep 54322"]).output().unwrap();
            all.stdout.is_empty()
        });
    });
}

#[test]
fn each_line_stands_in_the_log_with_its_end_the_last_one_too() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.line("echo one");
        session.line("(exit 7)");
        session.types("exit 9\r");
        assert_eq!(session.ends(), 9);
        let log = std::fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ended = |command: &str| {
            let of_it = |line: &&serde_json::Value| line["event"] == "command" && line["command"] == command;
            lines.iter().find(of_it).map(|line| line["status"].clone())
        };
        for (command, status) in [("echo one", 0), ("(exit 7)", 7), ("exit 9", 9)] {
            assert_eq!(ended(command), Some(status.into()), "{command} in {log}");
        }
        assert_eq!(world.control(&["log", "--verify"]).status, Some(0));
    });
}
