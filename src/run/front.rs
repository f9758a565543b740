//! The front: the process that the caller started, and sees, waits for and kills.
//!
//! Owns the caller's contract: one process with the inner shell's status, signals and stops. Spawns bubblewrap,
//! hands over the launch record, mirrors what happens inside, and cleans up.

use super::caretaker::{self, Caretaker, House, Keeping, Network};
use super::channel::{self, News, Order};
use super::line::{Line, Speaker};
use super::record::{Passed, Record};
use super::sweep::{self, Watch};
use super::terminal::Terminal;
use super::waiting::{Ends, Waiting};
use super::{Ending, Outcome, RunError};
use crate::network::setup::Entrances;
use crate::system::signals::{Arrivals, CallerSignals};
use crate::system::{descriptors, process, signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Everything that one run needs, decided before.
pub struct Launch<'a> {
    /// bubblewrap, waiting.
    pub waiting: Waiting,
    /// Its arguments up to the command.
    pub boundary: Vec<OsString>,
    /// What depends on the network, which is made ready while bubblewrap works.
    pub connected: Connected<'a>,
    /// What to look at afterwards.
    pub watch: Watch,
    /// What the gatekeeper goes by.
    pub keeping: Keeping<'a>,
    /// Our end of the line.
    pub line: UnixStream,
    /// The person at the caller's terminal.
    pub speaker: Box<dyn Speaker + 'a>,
}

/// What the first process inside is told, and the gateway-to-be with its end of the line.
pub type Connected<'a> = Box<dyn FnOnce(Result<Entrances, String>) -> (Record, Network<'a>) + 'a>;

/// Runs one command to its end. Every signal must be blocked.
///
/// # Errors
/// [`RunError`]; then nothing of the command ran.
pub fn run(launch: Launch<'_>) -> Result<Outcome, RunError> {
    let Launch { waiting, boundary, connected, watch, keeping, line, speaker } = launch;
    // All that may fail comes before bubblewrap begins.
    let (calls, far) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
    let arrivals = Arrivals::new().map_err(RunError::system("make a signal descriptor"))?;
    let terminal = Terminal::look();
    let mut ends = waiting
        .go(&boundary)
        .ok_or(RunError::System { verb: "start bubblewrap", cause: "it was started twice".into() })?;
    let (record, mut network) = connected(ends.entrances());
    let _ = record.send(&ends.channel);
    if record.makes_doors {
        // Made inside, before the shell starts. If they are not, the inside has no network at all.
        network.entrances = Entrances::receive(ends.link.as_raw_fd()).unwrap_or_else(|_| Entrances::none());
    }
    let house = House { watch: &watch, alive: &ends.alive, network: &network, link: &ends.link };
    let caretaker = caretaker::start(&house, &far, &keeping).ok();
    if caretaker.is_none() {
        network.seat.iter().for_each(|seat| seat.leave());
    }
    // The sandbox's doors and calls belong to the caretaker now.
    drop((network, far));
    let Ends { child, channel, complaints, link, .. } = ends;
    drop(link);
    let lines = [Line::new(line), Line::new(calls)];
    let (passed, signals) = (record.passed, record.signals);
    let front =
        Front { channel, arrivals, passed, bubblewrap: child, watch, terminal, lines, speaker, signals };
    front.attend(caretaker, complaints)
}

struct Front<'a> {
    channel: UnixStream,
    arrivals: Arrivals,
    passed: Vec<Passed>,
    bubblewrap: Pid,
    watch: Watch,
    terminal: Terminal,
    /// To the gateway and to the gatekeeper.
    lines: [Line; 2],
    speaker: Box<dyn Speaker + 'a>,
    signals: CallerSignals,
}

impl Front<'_> {
    fn attend(mut self, caretaker: Option<Caretaker>, complaints: OwnedFd) -> Result<Outcome, RunError> {
        let mut started = false;
        loop {
            let mut events = vec![
                PollFd::new(self.channel.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.arrivals.descriptor(), PollFlags::POLLIN),
            ];
            let lines = self.lines.iter().filter_map(|line| line.stream.as_ref());
            events.extend(lines.map(|line| PollFd::new(line.as_fd(), PollFlags::POLLIN)));
            if poll(&mut events, PollTimeout::NONE).is_err() {
                continue;
            }
            let ready = |place: usize| events.get(place).and_then(PollFd::any).unwrap_or(false);
            let (news, told) = (ready(0), ready(2) || ready(3));
            self.pass_signals_on();
            if told && self.listen() {
                // Nothing inside may answer the question or draw over it; it is asked when all have stopped.
                let _ = channel::send_order(&self.channel, Order::Freeze);
            }
            if !news {
                continue;
            }
            match channel::receive_news(&self.channel) {
                Ok(Some(News::Started)) => started = true,
                Ok(Some(News::Stopped(signal))) => self.mirror_stop(signal),
                Ok(Some(News::Frozen)) => {
                    self.lines.iter_mut().for_each(|line| line.ask(&mut *self.speaker));
                    let _ = channel::send_order(&self.channel, Order::Thaw);
                }
                Ok(Some(News::Ended { signaled, code, jobs, positions })) => {
                    let ending = if signaled { Ending::Signaled(code) } else { Ending::Exited(code) };
                    return Ok(self.finish(ending, jobs, &positions, caretaker));
                }
                Ok(Some(News::Failed(cause))) => {
                    self.clear(caretaker);
                    return Err(RunError::Boundary { mechanism: "inside", cause });
                }
                // Process 1 was killed from outside, and with it everything.
                Ok(None) | Err(_) if started => {
                    return Ok(self.finish(Ending::Signaled(libc::SIGKILL), false, &[], caretaker));
                }
                Ok(None) | Err(_) => {
                    self.clear(caretaker);
                    return Err(RunError::Boundary {
                        mechanism: "bubblewrap",
                        cause: read_complaints(complaints),
                    });
                }
            }
        }
    }

    /// Reads what the lines say; true if a question came.
    fn listen(&mut self) -> bool {
        // Each is read, whatever the other said.
        self.lines.iter_mut().filter_map(|line| line.listen(&*self.speaker).then_some(())).count() > 0
    }

    fn pass_signals_on(&mut self) {
        while let Some(signal) = self.arrivals.next() {
            if signal == libc::SIGCONT {
                // Before the shell goes on and reads.
                self.terminal.continued();
            }
            if signal != libc::SIGCHLD {
                let _ = channel::send_order(&self.channel, Order::Signal(signal));
            }
        }
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
        caretaker: Option<Caretaker>,
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
        let blocked = network.hang_up(&*self.speaker).blocked;
        let violations = calls.hang_up(&*self.speaker).violations;
        let signals = self.signals;
        if !jobs {
            self.clear(caretaker);
        }
        Outcome { ending, swept, blocked, violations, signals }
    }

    /// Nothing lives inside any more: collect what is ours.
    fn clear(self, caretaker: Option<Caretaker>) {
        drop(self.channel);
        // Both end side by side.
        let dismissed = caretaker.map(Caretaker::dismiss);
        process::reap(self.bubblewrap);
        dismissed.into_iter().for_each(process::reap);
    }
}

/// bubblewrap's own words, on one line.
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
