//! A front end for tests: the pty, the channel and the cycle of a line; and a plain `bash -i` on a pty to compare with.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::pipe2;
use sbsh::session::inner::message::{FromShell, Messages, Ready, ToShell};
use sbsh::session::inner::{Files, Shell, Start, arguments, bootstrap, first_line, marker, nudge};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The descriptors that the shell inherits.
const GIVEN: [i32; 3] = [201, 202, 203];

/// What comes next from a shell.
#[derive(Debug)]
pub enum Event {
    Message(FromShell),
    Ended(ExitStatus),
}

/// How a line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What it wrote, and `$?`.
    Back(String, u8),
    /// The shell ended: what it wrote, and its status.
    Ended(String, Option<i32>),
}

/// A shell on a pty, seen from the terminal's side.
pub struct Terminal {
    pub master: File,
    path: PathBuf,
    child: Child,
    pub shown: Vec<u8>,
}

impl Terminal {
    /// Starts it as the leader of a new session; `typed` waits in the terminal already, and echo is off.
    fn start(command: &mut Command, typed: &[u8], given: &[(&File, i32)]) -> Terminal {
        let size = Winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let mut master = File::from(master);
        for end in [master.as_fd(), slave.as_fd()] {
            let flags = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC);
            nix::fcntl::fcntl(end, flags).unwrap();
        }
        echo(&master, false);
        master.write_all(typed).unwrap();
        let standard = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(standard()).stdout(standard()).stderr(standard());
        let numbers: Vec<(i32, i32)> =
            given.iter().map(|(file, number)| (file.as_raw_fd(), *number)).collect();
        let prepare = move || {
            nix::unistd::setsid()?;
            // SAFETY: TIOCSCTTY takes a number and no memory; descriptor 0 is the terminal.
            #[allow(unsafe_code)]
            let status = unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) };
            nix::errno::Errno::result(status)?;
            for (from, to) in &numbers {
                // SAFETY: dup2 takes two numbers; the targets are far above what is open here.
                #[allow(unsafe_code)]
                nix::errno::Errno::result(unsafe { nix::libc::dup2(*from, *to) })?;
            }
            Ok(())
        };
        // SAFETY: only system calls, nothing that allocates or locks.
        #[allow(unsafe_code)]
        let child = unsafe { command.pre_exec(prepare) }.spawn().unwrap();
        let path = std::fs::read_link(format!("/proc/self/fd/{}", slave.as_raw_fd())).unwrap();
        Terminal { master, path, child, shown: Vec::new() }
    }

    /// Waits until there is something on the terminal or on `other`; takes what is on the terminal. False: it ended.
    fn look(&mut self, other: Option<&File>) -> bool {
        let mut waited = vec![PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        waited.extend(other.map(|other| PollFd::new(other.as_fd(), PollFlags::POLLIN)));
        let there = poll(&mut waited, PollTimeout::from(10_000_u16)).unwrap();
        assert!(there > 0, "nothing comes; shown: {:?}", String::from_utf8_lossy(&self.shown));
        if waited[0].revents().is_none_or(|events| events.is_empty()) {
            return true;
        }
        let mut bytes = [0; 65536];
        match self.master.read(&mut bytes) {
            Ok(length) if length > 0 => self.shown.extend_from_slice(&bytes[..length]),
            _ => return false,
        }
        true
    }

    /// Waits until this was shown.
    pub fn until(&mut self, text: &str) {
        while find(&self.shown, text.as_bytes()).is_none() {
            assert!(self.look(None), "it ended without {text:?}: {:?}", String::from_utf8_lossy(&self.shown));
        }
    }

    /// Whether this was shown by now, or soon.
    pub fn shows(&mut self, text: &str) -> bool {
        let mut waited = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waited, PollTimeout::from(50_u16)).unwrap() > 0 {
            assert!(self.look(None));
        }
        find(&self.shown, text.as_bytes()).is_some()
    }

    /// Takes what was typed and nobody has read.
    pub fn typed_ahead(&mut self) -> Vec<u8> {
        let noctty = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
        let mut slave =
            OpenOptions::new().read(true).write(true).custom_flags(noctty).open(&self.path).unwrap();
        let canonical = |slave: &File, on: bool| {
            let mut settings = tcgetattr(slave).unwrap();
            settings.local_flags.set(LocalFlags::ICANON, on);
            tcsetattr(slave, SetArg::TCSANOW, &settings).unwrap();
        };
        canonical(&slave, false);
        let mut typed = Vec::new();
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = slave.read(&mut bytes) {
            typed.extend_from_slice(&bytes[..length]);
        }
        canonical(&slave, true);
        typed
    }

    pub fn types(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// What was shown, as text with plain line ends.
    fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.shown)).replace("\r\n", "\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Turns the terminal's echo on or off.
pub fn echo(master: &File, on: bool) {
    let mut settings = tcgetattr(master).unwrap();
    settings.local_flags.set(LocalFlags::ECHO, on);
    tcsetattr(master, SetArg::TCSANOW, &settings).unwrap();
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// The environment of both shells.
fn environment(command: &mut Command, home: &Path) {
    command.env_clear().envs([
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("TERM", "xterm"),
        ("LANG", "C.UTF-8"),
        ("USER", "root"),
    ]);
    command.env("HOME", home).current_dir(home);
}

/// The shell inside, led as the front end leads it.
pub struct Inner {
    pub terminal: Terminal,
    requests: Option<File>,
    answers: File,
    messages: Messages,
    shell: Shell,
    /// Whether echo is on while a line runs.
    pub echoes: bool,
    /// What the last prompt said.
    pub ready: Option<Ready>,
}

const MARK: &str = "0123456789abcdef";

impl Inner {
    /// With start-up files as given, in this home; waits for the first prompt.
    pub fn start(shell: Shell, home: &Path, login: bool, files: Files) -> Inner {
        Inner::begin(shell, home, login, files, &[])
    }

    /// bash without start-up files and with further arguments, at its first prompt.
    pub fn with(home: &Path, further: &[&str]) -> Inner {
        let files = Files { no_rc: true, ..Files::default() };
        let mut inner = Inner::begin(Shell::Bash, home, false, files, further);
        assert!(matches!(inner.prompt(), Outcome::Back(..)));
        inner
    }

    fn begin(shell: Shell, home: &Path, login: bool, files: Files, further: &[&str]) -> Inner {
        let mut inner = Inner::spawn(shell, home, login, files, further);
        inner.terminal.until(std::str::from_utf8(&marker(MARK)).unwrap());
        // What is before the first marker is bash's own first prompt.
        let start = find(&inner.terminal.shown, &marker(MARK)).unwrap() + marker(MARK).len();
        inner.terminal.shown.drain(..start);
        inner
    }

    fn spawn(shell: Shell, home: &Path, login: bool, files: Files, further: &[&str]) -> Inner {
        let (from_front, requests) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let (answers, to_front) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let mut boot = File::from(memfd_create("boot", MFdFlags::MFD_CLOEXEC).unwrap());
        let [requests_number, answers_number, boot_number] = GIVEN;
        let start = Start {
            shell,
            login,
            files,
            requests: requests_number,
            answers: answers_number,
            boot: boot_number,
            mark: MARK.to_owned(),
        };
        boot.write_all(&bootstrap(&start)).unwrap();
        let mut command = Command::new(match shell {
            Shell::Bash => "/bin/bash",
            Shell::Zsh => "/bin/zsh",
        });
        environment(&mut command, home);
        let name: OsString = match (shell, login) {
            (Shell::Bash, true) => "-bash".into(),
            (Shell::Bash, false) => "bash".into(),
            (Shell::Zsh, true) => "-zsh".into(),
            (Shell::Zsh, false) => "zsh".into(),
        };
        command.arg0(name).args(arguments(&start)).args(further);
        let (from_front, to_front) = (File::from(from_front), File::from(to_front));
        let (end, _other) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let tape = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(format!("/proc/self/fd/{}", end.as_raw_fd()))
            .unwrap();
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
        let mut given =
            vec![(&from_front, requests_number), (&to_front, answers_number), (&boot, boot_number)];
        if shell == Shell::Bash {
            given.extend([(&tape, boot_number + 1), (&null, boot_number + 2)]);
        }
        let terminal = Terminal::start(&mut command, &first_line(&start), &given);
        Inner {
            terminal,
            requests: Some(File::from(requests)),
            answers: File::from(answers),
            messages: Messages::default(),
            shell,
            echoes: false,
            ready: None,
        }
    }

    /// bash without start-up files, at its first prompt.
    pub fn bare(home: &Path) -> Inner {
        Inner::of(Shell::Bash, home)
    }

    /// A shell without start-up files, at its first prompt.
    pub fn of(shell: Shell, home: &Path) -> Inner {
        let files = Files { no_rc: true, ..Files::default() };
        let mut inner = Inner::start(shell, home, false, files);
        assert!(matches!(inner.prompt(), Outcome::Back(..)));
        inner
    }

    pub fn say(&mut self, request: &ToShell) {
        self.requests.as_mut().unwrap().write_all(&request.encode().unwrap()).unwrap();
    }

    /// The front end is gone, as far as the channel is concerned.
    pub fn hang_up(&mut self) {
        self.requests = None;
    }

    /// Waits until nobody holds the other end of the channel.
    pub fn answers_end(&mut self) {
        let mut rest = Vec::new();
        self.answers.read_to_end(&mut rest).unwrap();
    }

    /// The next message.
    pub fn hear(&mut self) -> Event {
        loop {
            if let Some(message) = self.messages.next_message().unwrap() {
                return Event::Message(message);
            }
            if !self.terminal.look(Some(&self.answers)) {
                return Event::Ended(self.terminal.child.wait().unwrap());
            }
            let mut waited = [PollFd::new(self.answers.as_fd(), PollFlags::POLLIN)];
            if poll(&mut waited, PollTimeout::ZERO).unwrap() > 0 {
                let mut bytes = [0; 65536];
                let length = self.answers.read(&mut bytes).unwrap();
                self.messages.feed(&bytes[..length]);
            }
        }
    }

    /// Sends a line and has it begin.
    pub fn begin_line(&mut self, request: &ToShell) -> Option<Outcome> {
        self.say(request);
        self.terminal.types(nudge(self.shell));
        match self.hear() {
            Event::Message(FromShell::Go) => {}
            Event::Ended(status) => return Some(Outcome::Ended(self.terminal.take(), status.code())),
            other => panic!("no Go but {other:?}; shown: {}", self.terminal.take()),
        }
        echo(&self.terminal.master, self.echoes);
        self.say(&ToShell::Go);
        None
    }

    /// Waits for the next prompt.
    pub fn prompt(&mut self) -> Outcome {
        match self.hear() {
            Event::Message(FromShell::Ready(ready)) => {
                let mark = marker(MARK);
                while !self.terminal.shown.ends_with(&mark) {
                    assert!(self.terminal.look(None));
                }
                let end = self.terminal.shown.len() - mark.len();
                self.terminal.shown.truncate(end);
                echo(&self.terminal.master, false);
                let status = ready.status;
                self.ready = Some(*ready);
                Outcome::Back(self.terminal.take(), status)
            }
            Event::Ended(status) => Outcome::Ended(self.terminal.take(), status.code()),
            other => panic!("no Ready but {other:?}"),
        }
    }

    /// Runs a line to its end.
    pub fn run(&mut self, line: impl AsRef<[u8]>) -> Outcome {
        self.begin_line(&ToShell::Line(line.as_ref())).unwrap_or_else(|| self.prompt())
    }

    /// Runs a line, and types something when it has shown this.
    pub fn run_typing(&mut self, line: &str, shown: &str, keys: &str) -> Outcome {
        if let Some(ended) = self.begin_line(&ToShell::Line(line.as_bytes())) {
            return ended;
        }
        if !keys.is_empty() {
            if !shown.is_empty() {
                self.terminal.until(shown);
            }
            self.terminal.types(keys.as_bytes());
        }
        self.prompt()
    }
}

/// A plain `bash -i` on a terminal, without line editing and echo.
pub struct Plain {
    pub terminal: Terminal,
}

impl Plain {
    pub fn bare(home: &Path) -> Plain {
        let mut command = Command::new("/bin/bash");
        environment(&mut command, home);
        command
            .arg0("bash")
            .args(["--noediting", "--norc", "-i"])
            .env("PS1", "\u{1}$?\u{2}")
            .env("PS2", "")
            .env("HISTFILE", "");
        let mut plain = Plain { terminal: Terminal::start(&mut command, b"", &[]) };
        assert!(matches!(plain.prompt(), Outcome::Back(..)));
        plain
    }

    /// zsh in the same way.
    pub fn zsh(home: &Path) -> Plain {
        let mut command = Command::new("/bin/zsh");
        environment(&mut command, home);
        command.args(["-f", "+Z", "-i", "+o", "promptsp"]).env("PS1", "\u{1}%?\u{2}").env("PS2", "");
        let mut plain = Plain { terminal: Terminal::start(&mut command, b"", &[]) };
        assert!(matches!(plain.prompt(), Outcome::Back(..)));
        plain
    }

    /// With readline, at its first prompt.
    pub fn editing(home: &Path) -> Plain {
        let mut command = Command::new("/bin/bash");
        environment(&mut command, home);
        command.args(["--norc", "-i"]).env("PS1", "READY>").env("HISTFILE", "").env("INPUTRC", "/dev/null");
        let mut plain = Plain { terminal: Terminal::start(&mut command, b"", &[]) };
        plain.terminal.until("READY>");
        plain
    }

    /// Waits for the next prompt.
    pub fn prompt(&mut self) -> Outcome {
        let begin = Instant::now();
        loop {
            if self.terminal.shown.ends_with(b"\x02") {
                let start = self.terminal.shown.iter().rposition(|byte| *byte == 1).unwrap();
                let status = self.terminal.shown.split_off(start);
                let digits = std::str::from_utf8(&status[1..status.len() - 1]).unwrap();
                return Outcome::Back(self.terminal.take(), digits.parse().unwrap());
            }
            if !self.terminal.look(None) {
                let status = self.terminal.child.wait().unwrap();
                return Outcome::Ended(self.terminal.take(), status.code());
            }
            assert!(begin.elapsed() < Duration::from_secs(120));
        }
    }

    pub fn run(&mut self, line: &str) -> Outcome {
        self.run_typing(line, "", "")
    }

    /// Runs a line, and types something when it has shown this.
    pub fn run_typing(&mut self, line: &str, shown: &str, keys: &str) -> Outcome {
        self.terminal.types(format!("{line}\n").as_bytes());
        if !keys.is_empty() {
            if !shown.is_empty() {
                self.terminal.until(shown);
            }
            self.terminal.types(keys.as_bytes());
        }
        self.prompt()
    }
}
