//! Programs that are started for an answer: their end as an event, and that they end with this process, or once nobody
//! waits for the answer. Owns the calls and the list of those that run; decides nothing.
#![allow(unsafe_code)]

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, pipe2};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

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
pub fn end_answers() {
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
}

impl Watch {
    /// Begins; `None` where there is no room for a thread.
    pub fn start(over: Vec<OwnedFd>, then: fn()) -> Option<Watch> {
        let (stopped, stop) = pipe2(OFlag::O_CLOEXEC).ok()?;
        let wait = move || {
            let mut events: Vec<PollFd> = over
                .iter()
                .chain([&stopped])
                .map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN))
                .collect();
            while poll(&mut events, PollTimeout::NONE).is_err() {}
            let has_news = |event: &PollFd| event.any().unwrap_or(false);
            if events.iter().take(over.len()).any(has_news) {
                then();
            }
        };
        let thread = std::thread::Builder::new().spawn(wait).ok()?;
        Some(Watch { stop: Some(stop), thread: Some(thread) })
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
    fn a_dialog_ends_with_what_is_watched() {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        let (told, heard) = std::os::unix::net::UnixStream::pair().unwrap();
        static TOLD: Mutex<Option<std::os::unix::net::UnixStream>> = Mutex::new(None);
        *TOLD.lock().unwrap() = Some(told);
        let then = || drop(TOLD.lock().unwrap().take());
        // One that is not wanted any more does nothing.
        drop(Watch::start(vec![there.try_clone().unwrap().into()], then));
        assert!(TOLD.lock().unwrap().is_some());
        let _watch = Watch::start(vec![there.into()], then);
        drop(here);
        let mut nothing = Vec::new();
        (&heard).read_to_end(&mut nothing).unwrap();
        assert!(nothing.is_empty());
    }
}
