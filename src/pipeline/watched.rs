//! A program that leaves the sandbox, as a child of ours instead of in our place: so its end is known, to the log and to
//! hooks.
//!
//! Owns waiting for it so that the caller notices nothing else: stops, signals, the end. Must not be used where nobody
//! wants to know: in our place it costs nothing.
//!
//! The child is in our process group, as the program would be. What a signal to the whole group reaches, it reaches by
//! itself, and twice would mean something else to many programs; what was sent to this process alone is passed on. Only
//! another member of the group can tell the one from the other: the witness, which does nothing else.

use super::Stop;
use crate::exit;
use crate::run::{Ending, Outcome, RunError};
use crate::system::descriptors;
use crate::system::process::{self, Change, Fork};
use crate::system::signals::{self, Arrivals};
use crate::system::sockets;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitPidFlag;
use nix::unistd::{Pid, getpid, getppid, pipe2};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// How often the child is looked at without a signal, in milliseconds. A pending SIGCHLD goes where somebody sets what is done
/// about it anew (sigaction(2)), and a program that ended must not be waited for then.
const LOOKS: u16 = 500;

/// Runs what becomes the program in a child, and waits for that.
///
/// # Errors
/// What fork(2) or signalfd(2) gives, and why the program could not be started; then nothing ran.
pub fn run(become_it: impl FnOnce() -> Result<i32, Stop>) -> Result<Outcome, Stop> {
    let signals = signals::block_all().map_err(RunError::system("block signals"))?;
    let ending = start(become_it, || signals::restore(signals)).and_then(|(child, arrivals)| {
        let witness = Witness::start();
        descriptors::let_go_of_inherited();
        let ending = attend(child.process, &arrivals, witness);
        // Written by one that ended without becoming the program.
        child.failure().map_or(Ok(ending), Err)
    });
    if ending.is_err() {
        signals::restore(signals);
    }
    Ok(Outcome::of(ending?, signals))
}

/// The child, and the end of a pipe in which it says why it could not become the program.
struct Child {
    process: Pid,
    said: File,
}

fn start(
    become_it: impl FnOnce() -> Result<i32, Stop>,
    restore: impl FnOnce(),
) -> Result<(Child, Arrivals), Stop> {
    let failed = |error| RunError::system("watch a program")(error);
    let arrivals = Arrivals::new().map_err(failed)?;
    let (said, says) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let parent = getpid();
    match process::fork() {
        Ok(Fork::Parent(process)) => Ok((Child { process, said: File::from(said) }, arrivals)),
        Ok(Fork::Child) => {
            let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
            if getppid() != parent {
                process::exit_now(exit::REFUSED);
            }
            restore();
            let stop = match become_it() {
                Ok(status) => process::exit_now(status),
                Err(stop) => stop,
            };
            let status = if matches!(stop, Stop::NotFound(_)) { exit::NOT_FOUND } else { exit::REFUSED };
            let text = [&status.to_le_bytes(), super::stop_words(&stop).as_bytes()].concat();
            let _ = File::from(says).write_all(&text);
            process::exit_now(status)
        }
        Err(error) => Err(failed(error).into()),
    }
}

impl Child {
    /// Why it could not become the program.
    fn failure(self) -> Option<Stop> {
        let mut said = Vec::new();
        let mut from = self.said;
        from.read_to_end(&mut said).ok()?;
        let (status, text) = said.split_first_chunk::<4>()?;
        let text = String::from_utf8_lossy(text).into_owned();
        Some(match i32::from_le_bytes(*status) {
            exit::NOT_FOUND => Stop::NotFound(text),
            status => Stop::Failed(text, status),
        })
    }
}

fn attend(child: Pid, arrivals: &Arrivals, mut witness: Option<Witness>) -> Ending {
    loop {
        let mut events = [PollFd::new(arrivals.descriptor(), PollFlags::POLLIN)];
        let _ = poll(&mut events, PollTimeout::from(LOOKS));
        while let Some(number) = arrivals.next() {
            if number != libc::SIGCHLD && !of_group(number, &mut witness, child) {
                signals::send(child, number);
            }
        }
        match process::change(Some(child), WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED) {
            Ok(Some(Change::Exited(_, status))) => return Ending::Exited(status),
            Ok(Some(Change::Signaled(_, signal))) => return Ending::Signaled(signal),
            Ok(Some(Change::Stopped(_, signal))) => {
                process::stop_by_unless(signal, || !process::is_stopped(child));
                go_on(child);
            }
            Ok(None) | Err(Errno::EINTR) => {}
            Err(_) => return Ending::Exited(exit::REFUSED),
        }
    }
}

/// Lets the child go on after a stop, if what let this process go on did not reach it.
fn go_on(child: Pid) {
    if process::is_stopped(child) {
        signals::send(child, libc::SIGCONT);
    }
}

/// Whether a signal reached the child by itself.
fn of_group(number: i32, witness: &mut Option<Witness>, child: Pid) -> bool {
    match witness {
        _ if number == libc::SIGCONT => {
            go_on(child);
            true
        }
        Some(known) => known.had(number).unwrap_or_else(|| {
            *witness = None;
            is_terminals(number)
        }),
        None => is_terminals(number),
    }
}

/// What a terminal sends, it sends to the whole group.
fn is_terminals(number: i32) -> bool {
    [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGWINCH].contains(&number)
}

/// A member of the group that receives what the whole group does, and nothing else.
struct Witness {
    process: Pid,
    stream: UnixStream,
    /// What it had and this process did not ask about yet, bit n-1 for signal n.
    had: u64,
}

impl Witness {
    fn start() -> Option<Witness> {
        let (stream, theirs) = UnixStream::pair().ok()?;
        let parent = getpid();
        match process::fork().ok()? {
            Fork::Parent(process) => Some(Witness { process, stream, had: 0 }),
            Fork::Child => {
                let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
                // Nobody may wait for a pipe's end because of it.
                descriptors::close_all_but(&[theirs.as_raw_fd()]);
                if getppid() == parent
                    && let Ok(arrivals) = Arrivals::new()
                {
                    testify(theirs, &arrivals);
                }
                process::exit_now(0)
            }
        }
    }

    /// Whether the whole group had this signal, once for each; `None`: it is gone.
    fn had(&mut self, number: i32) -> Option<bool> {
        let bit = bit(number)?;
        // One that was stopped with the group does not answer.
        signals::send(self.process, libc::SIGCONT);
        let mut answer = [0; 8];
        sockets::send(self.stream.as_raw_fd(), b"?").ok()?;
        self.stream.read_exact(&mut answer).ok()?;
        self.had |= u64::from_le_bytes(answer);
        let had = self.had & bit != 0;
        self.had &= !bit;
        Some(had)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        signals::send(self.process, libc::SIGKILL);
        process::reap(self.process);
    }
}

/// Answers each question with what arrived since the last one.
fn testify(mut stream: UnixStream, arrivals: &Arrivals) {
    let mut question = [0];
    while stream.read_exact(&mut question).is_ok() {
        let mut had = 0u64;
        while let Some(number) = arrivals.next() {
            had |= bit(number).unwrap_or(0);
        }
        if sockets::write_all(&stream, &had.to_le_bytes()).is_err() {
            return;
        }
    }
}

fn bit(number: i32) -> Option<u64> {
    1u64.checked_shl(u32::try_from(number - 1).ok()?)
}
