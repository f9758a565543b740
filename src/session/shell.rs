//! The shell inside as the front end sees it: a pty, two pipes and a process that ends.
//!
//! Owns what is typed into it and shown of it while a line runs, and the order: a line is over when the shell said so and
//! its mark has come through the pty, so nothing of its output is late. Must not judge anything; what the shell says is
//! only shown.

use super::channel::Channel;
use super::inner::message::{FromShell, Ready, ToShell};
use super::modes::Modes;
use super::output::Output;
use super::terminal::Person;
use super::wire::{ToFrontEnd, ToRun, Wire};
use crate::run::Ending;
use crate::system::process::{self, Change};
use crate::system::pty::{self, Pty};
use crate::system::shared::lock;
use crate::system::signals::Arrivals;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::Winsize;
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use nix::sys::wait::WaitPidFlag;
use nix::unistd::{Pid, read, write};
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long the mark of a shell that is ready may take to come through the pty: its terminal may be redirected.
const LATE: Duration = Duration::from_millis(200);
/// How long the run behind us may take to tell what was refused.
const QUIET: Duration = Duration::from_secs(2);
/// What is read of the pty at most in one go, and what it hands out when there is more (the line discipline's buffer, tty(4)).
const BUFFER: usize = 64 << 10;
const PIECE: usize = 4000;
/// More keys than this are not taken from the person before the programs inside have read some.
const MOST_KEYS: usize = 64 << 10;

/// How a shell is led.
#[derive(Debug)]
pub struct Manner {
    /// Finds its marks.
    pub output: Output,
    /// The settings of its terminal while its first line runs.
    pub settings: Termios,
    /// What is typed behind each line.
    pub nudge: &'static [u8],
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The line is over, and everything that it wrote to the terminal is shown.
    Ready(Box<Ready>),
    /// The run behind us says something.
    Run(ToFrontEnd),
    /// The shell ended.
    Ended(Ending),
    /// The shell stopped itself.
    Stopped(i32),
    /// This process got a signal that asks it to end or to go on.
    Signal(i32),
    /// The person's terminal is gone.
    Closed,
}

/// The shell inside.
#[derive(Debug)]
pub struct Shell {
    /// The pty.
    pub pty: Pty,
    /// The pipes.
    pub channel: Arc<Mutex<Channel>>,
    /// To the run behind us.
    pub run: Wire,
    /// Signals for this process; all that it tells are blocked.
    pub arrivals: Arrivals,
    /// The process that runs the shell.
    pub child: Pid,
    /// The pty's output.
    pub output: Arc<Mutex<Output>>,
    /// What the programs inside turned on in the person's terminal.
    pub modes: Modes,
    /// The terminal's settings as the programs inside have them.
    pub settings: Termios,
    nudge: &'static [u8],
    first: Vec<u8>,
    keys: VecDeque<u8>,
    ready: Option<(Box<Ready>, Instant)>,
    /// It waits for its next line.
    pub(super) waits: bool,
    ended: Option<Ending>,
    questions: u64,
    /// For what is read of the pty.
    buffer: Vec<u8>,
}

impl Shell {
    /// A shell that was started on this pty.
    pub fn new(
        pty: Pty,
        channel: Channel,
        run: Wire,
        arrivals: Arrivals,
        child: Pid,
        manner: Manner,
    ) -> Shell {
        let Manner { output, settings, nudge } = manner;
        let _ = fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        Shell {
            pty,
            channel: Arc::new(Mutex::new(channel)),
            run,
            arrivals,
            child,
            output: Arc::new(Mutex::new(output)),
            modes: Modes::default(),
            settings,
            nudge,
            first: Vec::new(),
            keys: VecDeque::new(),
            ready: None,
            waits: false,
            ended: None,
            questions: 0,
            buffer: Vec::new(),
        }
    }

    /// The settings while the shell waits for its next line: what is typed into the pty then is ours and not shown.
    pub fn quiet(settings: &Termios) -> Termios {
        let mut quiet = settings.clone();
        quiet.local_flags.insert(LocalFlags::ICANON | LocalFlags::ISIG);
        quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL);
        quiet.input_flags.insert(termios::InputFlags::ICRNL);
        quiet
    }

    /// Types what the shell reads first. It is echoed: what a shell finds in its terminal at its start is what it puts
    /// back when a program is killed, so the settings are the person's already.
    pub fn type_first(&mut self, line: &[u8]) {
        self.first = line.to_vec();
        self.types(line);
    }

    /// Types this behind what is typed already.
    pub fn types(&mut self, keys: &[u8]) {
        self.keys.extend(keys);
        self.type_keys();
    }

    /// What was said by a shell that never came to its first mark, without the echo of what was typed; `None`: it came.
    pub fn take_before(&mut self) -> Option<Vec<u8>> {
        let said = lock(&self.output).take_before()?;
        let echo = [self.first.trim_ascii_end(), b"\r\n"].concat();
        Some(said.strip_prefix(echo.as_slice()).map_or_else(|| said.clone(), <[u8]>::to_vec))
    }

    /// What has happened while nobody carried.
    pub fn pending(&mut self, person: &Person) -> Option<Event> {
        self.happened().or_else(|| self.attend(person)).or_else(|| self.happened())
    }

    /// Hands a line over. The shell must be ready. False: it holds what no line can.
    pub fn begin(&mut self, line: &ToShell<'_>) -> bool {
        if !lock(&self.channel).say(line) {
            return false;
        }
        self.waits = false;
        self.types(self.nudge);
        true
    }

    /// What was typed for the programs of the line and read by none. The shell must be ready.
    pub fn reclaim(&mut self) -> Vec<u8> {
        if let Ok(settings) = termios::tcgetattr(&self.pty.slave) {
            self.settings = settings;
        }
        let mut typed = self.pty.reclaim(&Shell::quiet(&self.settings));
        typed.extend(self.keys.drain(..));
        typed
    }

    /// Wants to know when everything that was refused inside so far has been told.
    pub fn wants_quiet(&mut self) {
        self.questions += 1;
        self.run.send(&ToRun::Quiet(self.questions));
    }

    /// What is told until then, one after the other; a question has to be answered before the next is told.
    pub fn until_quiet(&mut self) -> Option<ToFrontEnd> {
        let end = Instant::now() + QUIET;
        loop {
            while let Some(message) = self.run.hear() {
                match message {
                    ToFrontEnd::Quiet(number) if number == self.questions => return None,
                    ToFrontEnd::Quiet(_) => {}
                    other => return Some(other),
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let descriptor = self.run.descriptor()?;
            match poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], timeout) {
                Ok(1..) | Err(nix::errno::Errno::EINTR) => {}
                _ => return None,
            }
        }
    }

    /// Takes the size of the person's terminal over.
    pub fn fit(&self, person: &Person) {
        if let Some(size) = person.size()
            && pty::size(&self.pty.slave) != Some(size)
        {
            pty::resize(&self.pty.master, &size);
        }
    }

    /// Has a program with the whole screen draw it anew.
    pub fn redraw(&self) {
        if let Some(size) = pty::size(&self.pty.slave) {
            pty::resize(&self.pty.master, &Winsize { ws_row: size.ws_row.saturating_sub(1).max(1), ..size });
            pty::resize(&self.pty.master, &size);
        }
    }

    /// Carries keys in and output out until something happens. The person's terminal must be raw.
    pub fn next(&mut self, person: &Person) -> Event {
        // What was read with something else may be here already.
        let mut spoken = true;
        loop {
            if spoken && let Some(event) = self.attend(person) {
                return event;
            }
            if let Some(event) = self.happened() {
                return event;
            }
            let channel = Arc::clone(&self.channel);
            let channel = lock(&channel);
            let takes_keys = self.keys.len() < MOST_KEYS;
            let to_shell = if self.keys.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            let from_person = if takes_keys { PollFlags::POLLIN } else { PollFlags::empty() };
            let mut events = vec![
                PollFd::new(self.pty.master.as_fd(), PollFlags::POLLIN | to_shell),
                PollFd::new(channel.descriptor(), PollFlags::POLLIN),
                PollFd::new(self.arrivals.descriptor(), PollFlags::POLLIN),
                PollFd::new(person.descriptor(), from_person),
            ];
            events.extend(self.run.descriptor().map(|d| PollFd::new(d, PollFlags::POLLIN)));
            let timeout = match &self.ready {
                Some((_, since)) => {
                    PollTimeout::try_from(LATE.saturating_sub(since.elapsed())).unwrap_or(PollTimeout::ZERO)
                }
                None => PollTimeout::NONE,
            };
            let _ = poll(&mut events, timeout);
            let flags =
                |place: usize| events.get(place).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
            let (shell, keys) = (flags(0), flags(3));
            spoken = [1, 2, 4].into_iter().any(|place| !flags(place).is_empty());
            drop(events);
            drop(channel);
            if shell.contains(PollFlags::POLLOUT) {
                self.type_keys();
            }
            if shell.intersects(PollFlags::POLLIN | PollFlags::POLLHUP) {
                self.show(person);
            }
            if keys.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
                let mut buffer = [0; 4096];
                match person.keys(&mut buffer) {
                    Ok(length) => self.keys.extend(buffer.get(..length).unwrap_or_default()),
                    Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
                    Err(_) => return Event::Closed,
                }
                self.type_keys();
            }
        }
    }

    /// What is complete.
    fn happened(&mut self) -> Option<Event> {
        if let Some((_, since)) = &self.ready
            && (lock(&self.output).take_marks() > 0 || since.elapsed() >= LATE)
        {
            self.waits = true;
            return self.ready.take().map(|(ready, _)| Event::Ready(ready));
        }
        self.ended.take().map(Event::Ended)
    }

    /// Reads the pipes, the run's line and the signals.
    fn attend(&mut self, person: &Person) -> Option<Event> {
        loop {
            let said = lock(&self.channel).heard();
            match said {
                Some(FromShell::Go) => {
                    // From here on the terminal is the line's, as the line before left it.
                    let _ = termios::tcsetattr(&self.pty.slave, SetArg::TCSANOW, &self.settings);
                    lock(&self.channel).say(&ToShell::Go);
                }
                Some(FromShell::Ready(ready)) => self.ready = Some((ready, Instant::now())),
                // An answer that nobody waits for any more.
                Some(_) => {}
                None => break,
            }
        }
        while let Some(signal) = self.arrivals.next() {
            match signal {
                libc::SIGWINCH => self.fit(person),
                libc::SIGCHLD => {
                    if let Some(event) = self.child_changed(person) {
                        return Some(event);
                    }
                }
                libc::SIGTERM | libc::SIGHUP | libc::SIGCONT => return Some(Event::Signal(signal)),
                _ => {}
            }
        }
        self.run.hear().map(Event::Run)
    }

    fn child_changed(&mut self, person: &Person) -> Option<Event> {
        let ending = match process::change(Some(self.child), WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED) {
            Ok(Some(Change::Exited(_, status))) => Ending::Exited(status),
            Ok(Some(Change::Signaled(_, signal))) => Ending::Signaled(signal),
            Ok(Some(Change::Stopped(_, signal))) => return Some(Event::Stopped(signal as i32)),
            _ => return None,
        };
        self.ended = Some(ending);
        while self.show(person) {}
        None
    }

    fn type_keys(&mut self) {
        while !self.keys.is_empty() {
            let (first, _) = self.keys.as_slices();
            match write(&self.pty.master, first) {
                Ok(length) => drop(self.keys.drain(..length)),
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Shows what has come; whether something had.
    fn show(&mut self, person: &Person) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(BUFFER, 0);
        let mut some = false;
        // Not for ever: keys come first again.
        for _ in 0..16 {
            match read(&self.pty.master, &mut buffer) {
                Ok(length @ 1..) => {
                    some = true;
                    let mut output = lock(&self.output);
                    let on = output.pass(buffer.get(..length).unwrap_or_default());
                    self.modes.see(&on);
                    person.show(&on);
                    // A terminal hands out so much at a time: less was all of it.
                    if length < PIECE {
                        break;
                    }
                }
                Err(nix::errno::Errno::EINTR) => {}
                _ => break,
            }
        }
        self.buffer = buffer;
        some
    }
}

/// Reads what background jobs write while the person types, for whoever shows it above the line.
pub(super) fn idle_output(master: impl AsFd, output: &Mutex<Output>) -> Vec<u8> {
    let mut buffer = [0; 16 << 10];
    match read(master, &mut buffer) {
        Ok(length @ 1..) => lock(output).pass(buffer.get(..length).unwrap_or_default()).into_owned(),
        _ => Vec::new(),
    }
}
