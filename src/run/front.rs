//! The front: the process that the caller started, and sees, waits for and kills.
//!
//! Owns the caller's contract: one process with the inner shell's status, signals and stops. Lets the boundary be built,
//! hands over the launch record, mirrors what happens inside, and cleans up.

use super::calls::{Calls, Counter, WithDesk};
use super::caretaker::{self, Caretaker, House, Keeping, Network};
use super::channel::{self, News, Order};
use super::ending::{End, Said, WriteDown};
use super::errand::Errand;
use super::line::{Line, Speaker};
use super::record::{Passed, Record};
use super::sweep::{self, Watch};
use super::terminal::Terminal;
use super::waiting::{Ends, Waiting};
use super::{Ending, Outcome, RunError};
use crate::network::setup::Entrances;
use crate::system::signals::{Arrivals, CallerSignals};
use crate::system::{descriptors, holders, process, signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a session's shell has to see the end of its front end by itself.
const GRACE: Duration = Duration::from_millis(1500);
/// What poll(2) may be early by: it counts whole milliseconds.
const TICK: Duration = Duration::from_millis(1);

/// Everything that one run needs, decided before.
pub struct Launch<'a> {
    /// Whatever builds the boundary, waiting.
    pub waiting: Waiting,
    /// What it is told.
    pub boundary: Vec<u8>,
    /// What depends on the network, which is made ready while it builds.
    pub connected: Connected<'a>,
    /// What to look at afterwards.
    pub watch: Watch,
    /// What the gatekeeper goes by.
    pub keeping: Keeping<'a>,
    /// Our end of the line.
    pub line: UnixStream,
    /// The person at the caller's terminal.
    pub speaker: Box<dyn Speaker + 'a>,
    /// Judges what shims inside want to run outside.
    pub desk: Box<WithDesk<'a>>,
    /// Its changes go to layers: nothing runs outside for it, and nothing of it goes on when it has ended.
    pub layered: bool,
}

/// What the first process inside is told, and the gateway-to-be with its end of the line.
pub type Connected<'a> = Box<dyn FnOnce(Result<Entrances, String>) -> (Record, Network<'a>) + 'a>;

/// Runs one command to its end. Every signal must be blocked.
///
/// # Errors
/// [`RunError`]; then nothing of the command ran.
pub fn run(launch: Launch<'_>) -> Result<Outcome, RunError> {
    let Launch { waiting, boundary, connected, watch, keeping, line, speaker, desk, layered } = launch;
    // All that may fail comes before it begins.
    let (calls, far) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
    let arrivals = Arrivals::new().map_err(RunError::system("make a signal descriptor"))?;
    let terminal = Terminal::look();
    let mut ends = waiting.go(&boundary)?;
    let (mut record, mut network) = connected(ends.entrances());
    let built_by = ends.built_by();
    let unborn = ends.unborn.take();
    if unborn.is_none() {
        hand_over(&record, &ends)?;
    }
    if record.makes_doors {
        // Made inside, before the shell starts. If they are not, the inside has no network at all.
        network.entrances = Entrances::receive(ends.link.as_raw_fd()).unwrap_or_else(|_| Entrances::none());
    }
    let alive = ends.alive.try_clone().ok();
    let given =
        if unborn.is_some() { record.environment.clone() } else { std::mem::take(&mut record.environment) };
    let listener = network.entrances.broker.take().filter(|_| !layered);
    let counter = Counter { listener, alive, given, desk };
    let house = House {
        watch: &watch,
        alive: &ends.alive,
        network: &network,
        link: &ends.link,
        counter: &counter,
        unborn: unborn.as_ref(),
    };
    let caretaker = caretaker::start(&house, &far, &keeping).map_err(|why| {
        // Nobody would answer calls, sweep, or outlive a kill of this process.
        ends.give_up();
        network.seat.iter().for_each(|seat| seat.leave());
        RunError::Unattended { cause: process::no_more(why).to_owned() }
    })?;
    if let Some(unborn) = unborn {
        // Its ends are its own now; before, nobody would have read.
        drop(unborn);
        hand_over(&record, &ends)?;
    }
    // The sandbox's doors and calls belong to the caretaker now.
    drop((network, far));
    let Ends { channel, complaints, link, mechanism, errand, .. } = ends;
    drop(link);
    let lines = [Line::new(line), Line::new(calls)];
    let (passed, signals) = (record.passed, record.signals);
    let ended = keeping.ended;
    let front = Front {
        channel,
        arrivals,
        passed,
        built_by,
        errand,
        mechanism,
        watch,
        terminal,
        lines,
        calls: Calls::new(counter),
        speaker,
        hangup: Hangup::default(),
        signals,
        ended,
        layered,
    };
    front.attend(caretaker, complaints)
}

/// Hands the record over. Whoever is gone says why by its complaints, but one that is there and is not told anything would
/// wait for ever.
fn hand_over(record: &Record, ends: &Ends) -> Result<(), RunError> {
    match record.send(&ends.channel) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            ends.give_up();
            Err(RunError::System {
                verb: "tell the first process inside what to do",
                cause: error.to_string(),
            })
        }
        _ => Ok(()),
    }
}

struct Front<'a> {
    channel: UnixStream,
    arrivals: Arrivals,
    passed: Vec<Passed>,
    /// bubblewrap, or the first process inside where that built the boundary itself.
    built_by: Option<Pid>,
    /// What made the network: it ends by itself, and is collected then.
    errand: Option<Errand>,
    mechanism: &'static str,
    watch: Watch,
    terminal: Terminal,
    /// To the gateway and to the gatekeeper.
    lines: [Line; 2],
    calls: Calls<'a>,
    speaker: Box<dyn Speaker + 'a>,
    hangup: Hangup,
    signals: CallerSignals,
    /// Writes down how the run ended, where the caretaker goes on.
    ended: WriteDown<'a>,
    layered: bool,
}

impl Front<'_> {
    fn attend(mut self, caretaker: Caretaker, complaints: OwnedFd) -> Result<Outcome, RunError> {
        let mut started = false;
        loop {
            let mut events = vec![
                PollFd::new(self.channel.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.arrivals.descriptor(), PollFlags::POLLIN),
            ];
            let lines = self.lines.iter().filter_map(|line| line.stream.as_ref());
            events.extend(
                lines
                    .map(AsFd::as_fd)
                    .chain(self.calls.descriptors())
                    .chain(self.speaker.descriptor())
                    .map(|d| PollFd::new(d, PollFlags::POLLIN)),
            );
            if poll(&mut events, self.hangup.wait()).is_err() {
                continue;
            }
            let ready = |place: usize| events.get(place).and_then(PollFd::any).unwrap_or(false);
            let (news, told) = (ready(0), (2..events.len()).any(ready));
            if self.pass_signals_on() {
                self.errand.iter_mut().for_each(Errand::collect_ended);
                if !started {
                    self.look_at_builder(&complaints, &caretaker);
                }
            }
            if self.hangup.is_due() {
                let _ = channel::send_order(&self.channel, Order::Signal(libc::SIGHUP));
            }
            if told {
                self.hear();
                for directory in self.speaker.opened() {
                    caretaker.leash.open(&directory);
                }
            }
            if !news {
                continue;
            }
            match channel::receive_news(&self.channel) {
                Ok(Some(News::Started)) => started = true,
                Ok(Some(News::Stopped(signal))) => self.mirror_stop(signal),
                Ok(Some(News::Frozen)) => {
                    self.ask();
                    let _ = channel::send_order(&self.channel, Order::Thaw);
                }
                // Not before: what goes on outside after a yes may be stopped with all that is inside, and what goes on
                // inside forgets a stop that came while it stood still.
                Ok(Some(News::Thawed)) => self.answer(),
                Ok(Some(News::Ended { signaled, code, jobs, positions })) => {
                    let ending = if signaled { Ending::Signaled(code) } else { Ending::Exited(code) };
                    if jobs && self.terminal.is_gone() {
                        // A shell on a terminal of its own gets SIGHUP before it can read that there is nothing more, and
                        // hangs its jobs up; this one may have read first.
                        for signal in [libc::SIGHUP, libc::SIGCONT] {
                            let _ = channel::send_order(&self.channel, Order::Signal(signal));
                        }
                    }
                    if self.layered {
                        // The first process inside; with it goes all that could still change something.
                        self.built_by.iter().for_each(|first| signals::send(*first, libc::SIGKILL));
                    }
                    let jobs = jobs && !self.layered;
                    return Ok(self.finish(ending, jobs, &positions, caretaker));
                }
                Ok(Some(News::Failed(cause))) => {
                    self.clear(caretaker, Said::Done);
                    return Err(RunError::Boundary { mechanism: "inside", cause });
                }
                // Process 1 was killed from outside, and with it everything.
                Ok(None) | Err(_) if started => {
                    return Ok(self.finish(Ending::Signaled(libc::SIGKILL), false, &[], caretaker));
                }
                Ok(None) | Err(_) => {
                    let mechanism = self.mechanism;
                    self.clear(caretaker, Said::Done);
                    return Err(RunError::Boundary { mechanism, cause: read_complaints(complaints) });
                }
            }
        }
    }

    /// Reads what the lines say; true if a question came.
    fn listen(&mut self) -> bool {
        // Each is read, whatever the others said.
        let asked = self.lines.iter_mut().fold(false, |asked, line| line.listen(&mut *self.speaker) | asked);
        self.calls.attend(&mut *self.speaker) | asked
    }

    /// Hears everybody: those behind the lines, and whoever speaks to the speaker.
    fn hear(&mut self) {
        self.speaker.attend();
        match self.listen() {
            true if self.speaker.is_apart() => {
                self.ask();
                self.answer();
            }
            // Nothing inside may answer the question or draw over it; it is asked when all have stopped.
            true => drop(channel::send_order(&self.channel, Order::Freeze)),
            false => {}
        }
        self.speaker.be_quiet();
    }

    /// Asks what waits to be asked.
    fn ask(&mut self) {
        self.lines.iter_mut().for_each(|line| line.ask(&mut *self.speaker));
        self.calls.ask(&mut *self.speaker);
    }

    /// Hands over what was answered.
    fn answer(&mut self) {
        self.lines.iter_mut().for_each(Line::answer);
        self.calls.answer();
    }

    /// bubblewrap that gives up before it is done leaves its child behind, which waits for it for ever and holds what joins it
    /// to us.
    fn look_at_builder(&mut self, complaints: &OwnedFd, caretaker: &Caretaker) {
        if self.built_by.take_if(|builder| process::has_ended(*builder)).is_some() {
            holders::end(complaints, &[caretaker.process()]);
        }
    }

    /// Whether a child has ended, among others.
    fn pass_signals_on(&mut self) -> bool {
        let mut ended = false;
        while let Some(signal) = self.arrivals.next() {
            ended |= signal == libc::SIGCHLD;
            if signal == libc::SIGCONT {
                // Before the shell goes on and reads.
                self.terminal.continued();
            }
            if signal == libc::SIGHUP && self.speaker.is_apart() {
                self.hangup.begin();
            } else if signal != libc::SIGCHLD {
                let _ = channel::send_order(&self.channel, Order::Signal(signal));
            }
        }
        ended
    }

    /// Stops as the shell was stopped. The caller that continues this process continues the group or this process
    /// alone; the SIGCONT arrives as any signal and is passed on.
    fn mirror_stop(&mut self, signal: i32) {
        self.terminal.stopping();
        if let Ok(signal) = Signal::try_from(signal) {
            process::stop_by(signal);
        }
    }

    fn finish(
        mut self,
        ending: Ending,
        jobs: bool,
        positions: &[(i32, i64)],
        caretaker: Caretaker,
    ) -> Outcome {
        for passed in &self.passed {
            if let Passed::Anew { number, directory: false, .. } = passed
                && let Some((_, position)) = positions.iter().find(|(n, _)| n == number)
            {
                // What was read inside is read for the caller too, as if the descriptor had been shared.
                descriptors::set_position(*number, *position);
            }
        }
        self.terminal.take_back();
        self.listen();
        for line in &mut self.lines {
            self.watch.born.append(&mut line.said.born);
            self.watch.granted.append(&mut line.said.granted);
        }
        let swept = sweep::sweep(&self.watch);
        // What was refused before the command ended is in the socket by now.
        let [network, calls] = &mut self.lines;
        let blocked = network.hang_up(&mut *self.speaker).blocked;
        let violations = calls.hang_up(&mut *self.speaker).violations;
        let unheard = self.calls.unheard();
        let signals = self.signals;
        let unlogged = if jobs {
            // It may outlive this command for days.
            caretaker.tell(Said::Done);
            let (ending, violations, swept) = (Some(ending), violations.len(), swept.len());
            (self.ended)(&End { ending, jobs, swept, violations, watched: true, ..End::default() })
        } else {
            self.clear(caretaker, Said::ended(ending, swept.len()))
        };
        Outcome { ending, swept, blocked, unheard, violations, signals, unlogged }
    }

    /// Nothing lives inside any more: collect what is ours. An error number where the caretaker could not write down
    /// what it is told.
    fn clear(self, caretaker: Caretaker, said: Said) -> Option<i32> {
        drop(self.channel);
        self.calls.end();
        // Both end side by side.
        caretaker.tell(said);
        let caretaker = caretaker.dismiss();
        self.built_by.into_iter().for_each(process::reap);
        process::status_of(caretaker).filter(|status| *status != 0)
    }
}

/// The hang-up of a session's terminal. A shell that waits for its next line sees the end of the session by itself, and hangs
/// its jobs up; the signal would end it before.
#[derive(Default)]
struct Hangup(Option<Instant>);

impl Hangup {
    fn begin(&mut self) {
        self.0 = self.0.or_else(|| Instant::now().checked_add(GRACE));
    }

    fn wait(&self) -> PollTimeout {
        let left = |at: Instant| PollTimeout::try_from(at.saturating_duration_since(Instant::now()) + TICK);
        self.0.and_then(|at| left(at).ok()).unwrap_or(PollTimeout::NONE)
    }

    /// Whether it is time; once.
    fn is_due(&mut self) -> bool {
        let due = self.0.is_some_and(|at| at <= Instant::now());
        if due {
            self.0 = None;
        }
        due
    }
}

/// The builder's own words, on one line.
fn read_complaints(from: OwnedFd) -> String {
    let mut words = String::new();
    let _ = std::fs::File::from(from).take(4096).read_to_string(&mut words);
    let line = words.lines().map(|l| l.trim_start_matches("bwrap: ")).collect::<Vec<_>>().join("; ");
    if line.is_empty() { "it ended without saying why".into() } else { line }
}

/// Ends this process as the inner shell ended.
pub fn end(ending: Ending) -> i32 {
    match ending {
        Ending::Exited(code) => code,
        Ending::Signaled(signal) => process::die_by(signal),
    }
}

/// As [`end`], and now: what this process holds in memory need not be taken apart piece by piece first.
pub fn end_at_once(ending: Ending) -> ! {
    process::exit_now(end(ending))
}

/// Whether the process group holds more than this command: then `kill(0, …)` inside would reach others.
pub fn shares_group() -> bool {
    nix::unistd::getpgrp() != nix::unistd::getpid()
}

/// Blocks every signal for the rest of this process's life.
///
/// # Errors
/// [`RunError`].
pub fn block_signals() -> Result<CallerSignals, RunError> {
    signals::block_all().map_err(RunError::system("block signals"))
}
