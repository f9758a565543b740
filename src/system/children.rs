//! Programs that are started for an answer: their end as an event, and that they end with this process, or once nobody
//! waits for the answer. Owns the calls and the list of those that run; decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, pipe2};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A descriptor that becomes readable when the child ends.
///
/// # Errors
/// What pidfd_open(2) gives.
pub fn end_of(child: &Child) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes two numbers and no memory.
    let number = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
    let number = i32::try_from(number).ok().filter(|n| *n >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Waits until something is to be read there, or its other end is gone; `false` if it is too late by then.
pub fn is_ready_by(end: BorrowedFd<'_>, by: Instant) -> bool {
    let mut events = [PollFd::new(end, PollFlags::POLLIN)];
    loop {
        let left = by.saturating_duration_since(Instant::now());
        // Rounded up: woken too early, it would look again and again.
        let patience = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut events, patience) {
            Ok(0) if Instant::now() >= by => return false,
            Ok(0) | Err(Errno::EINTR) => {}
            ready => return ready.is_ok(),
        }
    }
}

/// Waits for the end of a child, which is not collected; `false` if it is too late by then.
pub fn has_ended_by(child: &Child, by: Instant) -> bool {
    match end_of(child) {
        Ok(end) => is_ready_by(end.as_fd(), by),
        // A container's filter may refuse pidfd_open(2).
        Err(_) => is_seen_ended_by(child, by),
    }
}

fn is_seen_ended_by(child: &Child, by: Instant) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(group(child)), flags) == Ok(WaitStatus::StillAlive) {
        if Instant::now() >= by {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// The program is killed when the thread that starts it is gone, however that ends.
pub fn ends_with_us(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let with_parent = move || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // It may have gone before the signal was set.
        if nix::unistd::getppid() == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: two system calls, and no memory is allocated.
    unsafe { command.pre_exec(with_parent) };
}

/// A file that is nowhere, with this content, to be read from its start: unlike a pipe it is never full.
///
/// # Errors
/// What memfd_create(2) or write(2) gives.
pub fn content(name: &OsStr, bytes: &[u8]) -> io::Result<File> {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let mut file = File::from(nix::sys::memfd::memfd_create(name, flags)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// The process groups of programs that are asked by this process.
static ASKED: Mutex<Asked> = Mutex::new(Asked { groups: Vec::new(), over: false });

struct Asked {
    groups: Vec<Pid>,
    /// There are to be none any more.
    over: bool,
}

fn asked() -> MutexGuard<'static, Asked> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Its process group, which it leads.
fn group(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// Starts a program in a process group of its own, which [`end_answer`] has to end before the program is waited for.
///
/// # Errors
/// What starting it gives; after [`give_up`].
pub fn spawn_for_answer(command: &mut Command) -> io::Result<Child> {
    let mut asked = asked();
    if asked.over {
        return Err(io::Error::other("nobody waits for the answer any more"));
    }
    let child = command.process_group(0).spawn()?;
    asked.groups.push(group(&child));
    Ok(child)
}

/// Kills the group of a program that has answered, or has not.
pub fn end_answer(child: &Child) {
    // Not reaped yet, so the group's number is still its own; off the list before it can be another's.
    let _ = killpg(group(child), Signal::SIGKILL);
    asked().groups.retain(|other| *other != group(child));
}

/// Kills the groups of all that are asked now.
fn end_answers() {
    for group in &asked().groups {
        let _ = killpg(*group, Signal::SIGKILL);
    }
}

/// Nobody waits for an answer any more: kills those who are asked, and starts no other.
pub fn give_up() {
    asked().over = true;
    end_answers();
}

/// Does something as soon as one of some descriptors has news or its other end is gone; not any more once it is dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    off: Arc<AtomicBool>,
}

impl Watch {
    /// Begins; `None` where there is no room for a thread.
    pub fn start(over: Vec<OwnedFd>, then: fn()) -> Option<Watch> {
        let (stopped, stop) = pipe2(OFlag::O_CLOEXEC).ok()?;
        let off = Arc::new(AtomicBool::new(false));
        let is_off = Arc::clone(&off);
        let wait = move || {
            let mut events: Vec<PollFd> = over
                .iter()
                .chain([&stopped])
                .map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN))
                .collect();
            while poll(&mut events, PollTimeout::NONE).is_err() {}
            let has_news = |event: &PollFd| event.any().unwrap_or(false);
            if events.iter().take(over.len()).any(has_news) && !is_off.load(Ordering::Acquire) {
                then();
            }
        };
        let thread = std::thread::Builder::new().spawn(wait).ok()?;
        Some(Watch { stop: Some(stop), thread: Some(thread), off })
    }

    /// From here on nothing is done any more, whatever happens; its thread is waited for later.
    pub fn call_off(&self) {
        self.off.store(true, Ordering::Release);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_end_of_a_child_is_waited_for_and_leaves_it_to_be_collected() {
        let now = Instant::now();
        for waits in [has_ended_by, is_seen_ended_by] {
            let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
            assert!(!waits(&child, now));
            child.kill().unwrap();
            assert!(waits(&child, now + Duration::from_secs(60)));
            assert!(!child.wait().unwrap().success());
        }
    }

    #[test]
    fn a_dialog_ends_with_what_is_watched() {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        let (told, heard) = std::os::unix::net::UnixStream::pair().unwrap();
        static TOLD: Mutex<Option<std::os::unix::net::UnixStream>> = Mutex::new(None);
        *TOLD.lock().unwrap() = Some(told);
        let then = || drop(TOLD.lock().unwrap().take());
        // One that is not wanted any more does nothing, though what it watched ends.
        drop(Watch::start(vec![there.try_clone().unwrap().into()], then));
        let (gone, watched) = std::os::unix::net::UnixStream::pair().unwrap();
        let called_off = Watch::start(vec![watched.into()], then).unwrap();
        called_off.call_off();
        drop(gone);
        drop(called_off);
        assert!(TOLD.lock().unwrap().is_some());
        let _watch = Watch::start(vec![there.into()], then);
        drop(here);
        let mut nothing = Vec::new();
        (&heard).read_to_end(&mut nothing).unwrap();
        assert!(nothing.is_empty());
    }
}
