//! All that a process started, ended or stopped together. Owns who that is; decides nothing.
//!
//! Process 1 of a process namespace has one call for it: kill(2) with -1 reaches what is in the namespace and nothing else.
//! Anywhere else the same call would reach everything of this user's on the machine. So it stands in one place
//! ([`Everything::signal`]), behind the kernel's own answer that this process is process 1; whoever is not walks its
//! descendants, which stay its own because it collects orphans (PR_SET_CHILD_SUBREAPER).
#![allow(unsafe_code)]

use super::process::{change, is_stopped};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitPidFlag;
use nix::unistd::{Pid, getsid};
use std::collections::HashSet;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

/// From here on orphans among the descendants of this process become its children.
///
/// # Errors
/// What prctl(2) gives.
pub fn collect_orphans() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// All that lives below this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Everything {
    /// It is process 1 of a process namespace: all else in it.
    Namespace,
    /// Its descendants.
    Descendants,
}

impl Everything {
    fn below_this() -> Everything {
        // Never by what somebody says: by the number that the kernel has for it.
        if nix::unistd::getpid() == Pid::from_raw(1) {
            Everything::Namespace
        } else {
            Everything::Descendants
        }
    }

    /// Sends a signal to all of it but `spared`.
    fn signal(self, signal: Signal, spared: &[Pid]) {
        match self {
            // kill(2) with -1 and fork(2) exclude each other, so nothing is missed.
            Everything::Namespace if spared.is_empty() => {
                let _ = kill(Pid::from_raw(-1), signal);
            }
            Everything::Namespace => {
                for pid in self.list().into_iter().filter(|pid| !spared.contains(pid)) {
                    let _ = kill(pid, signal);
                }
            }
            Everything::Descendants => walk(|pid, handle| {
                if !spared.contains(&pid) {
                    let _ = handle.send(signal);
                }
            }),
        }
    }

    fn list(self) -> Vec<Pid> {
        match self {
            Everything::Namespace => processes().into_iter().filter(|pid| pid.as_raw() > 1).collect(),
            Everything::Descendants => {
                let mut all = Vec::new();
                walk(|pid, _| all.push(pid));
                all
            }
        }
    }
}

/// Kills everything below this process and waits until all of it is gone.
pub fn end_all() {
    let everything = Everything::below_this();
    loop {
        match everything {
            Everything::Namespace => everything.signal(Signal::SIGKILL, &[]),
            // A child that was not waited for keeps its number, so this can meet nobody else; what it leaves behind
            // becomes a child in turn.
            Everything::Descendants => end_children(&[]),
        }
        match change(None, WaitPidFlag::empty()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

/// Kills the children of this process but for some, and whatever becomes its child by that, until no others are left.
pub fn end_all_but(spared: &[Pid]) {
    loop {
        let doomed: Vec<Pid> =
            children(nix::unistd::getpid()).into_iter().filter(|pid| !spared.contains(pid)).collect();
        if doomed.is_empty() {
            return;
        }
        for pid in doomed {
            let _ = kill(pid, Signal::SIGKILL);
            super::process::reap(pid);
        }
    }
}

fn end_children(spared: &[Pid]) {
    for pid in children(nix::unistd::getpid()).into_iter().filter(|pid| !spared.contains(pid)) {
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// Sends a signal to everything below this process that has not left its session, as what belongs to no terminal has.
pub fn signal_session(signal: Signal) {
    let everything = Everything::below_this();
    let own = getsid(None);
    let elsewhere: Vec<Pid> = everything.list().into_iter().filter(|pid| getsid(Some(*pid)) != own).collect();
    everything.signal(signal, &elsewhere);
}

/// What was stopped before everything was.
#[derive(Debug)]
pub struct Stopped(HashSet<Pid>);

/// Stops everything below this process.
pub fn stop_all() -> Stopped {
    let everything = Everything::below_this();
    let before = everything.list().into_iter().filter(|&pid| is_stopped(pid)).collect();
    match everything {
        Everything::Namespace => everything.signal(Signal::SIGSTOP, &[]),
        Everything::Descendants => {
            // What was started while it was looked is stopped by another look; who goes on starting is stopped first.
            let mut known = HashSet::new();
            loop {
                let mut found = false;
                walk(|pid, handle| {
                    if known.insert(pid) {
                        found = handle.send(Signal::SIGSTOP).is_ok() || found;
                    }
                });
                if !found {
                    break;
                }
            }
        }
    }
    Stopped(before)
}

/// Lets go on what [`stop_all`] stopped, and nothing that was stopped before.
pub fn continue_stopped(stopped: &Stopped) {
    let spared: Vec<Pid> = stopped.0.iter().copied().collect();
    Everything::below_this().signal(Signal::SIGCONT, &spared);
}

/// The processes that descend from one, and itself.
pub fn family(of: Pid) -> Vec<Pid> {
    let mut all = vec![of];
    let mut next = 0;
    while let Some(&pid) = all.get(next) {
        next += 1;
        for child in children(pid) {
            if !all.contains(&child) {
                all.push(child);
            }
        }
    }
    all
}

/// Whether a process or one of its descendants has a socket open, by its inode number's low 32 bits.
pub fn holds_socket(of: Pid, socket: u32) -> bool {
    family(of).into_iter().any(|pid| {
        open_files(pid).any(|link| {
            let number = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
            number.and_then(|number| number.parse::<u64>().ok()).is_some_and(|number| number as u32 == socket)
        })
    })
}

/// Does something with each descendant, parents first.
fn walk(mut with: impl FnMut(Pid, &Handle)) {
    let mut above = HashSet::from([nix::unistd::getpid()]);
    let mut waiting = vec![nix::unistd::getpid()];
    while let Some(parent) = waiting.pop() {
        for pid in children(parent) {
            let Ok(handle) = Handle::of(pid) else { continue };
            // Only now: the handle is of whoever had the number when it was made, and by its parent that is one of ours.
            let is_ours = parent_of(pid).is_some_and(|parent| above.contains(&parent));
            if is_ours && above.insert(pid) {
                with(pid, &handle);
                waiting.push(pid);
            }
        }
    }
}

/// A process, and nobody who gets its number later.
struct Handle(OwnedFd);

impl Handle {
    fn of(pid: Pid) -> nix::Result<Handle> {
        // SAFETY: pidfd_open(2) takes two numbers and no memory.
        let number = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
        let number = i32::try_from(number).map_err(|_| Errno::EBADF)?;
        // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
        Ok(Handle(unsafe { OwnedFd::from_raw_fd(number) }))
    }

    fn send(&self, signal: Signal) -> nix::Result<()> {
        // SAFETY: pidfd_send_signal(2) without siginfo takes numbers and no memory.
        let status =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal as i32, 0, 0) };
        Errno::result(status).map(drop)
    }
}

/// The children of a process, of all its threads.
fn children(of: Pid) -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{of}/task")) else { return Vec::new() };
    let mut all = Vec::new();
    for task in tasks.flatten() {
        match std::fs::read_to_string(task.path().join("children")) {
            Ok(list) => {
                all.extend(list.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw));
            }
            // The kernel was built without this list (CONFIG_PROC_CHILDREN), or the thread is gone.
            Err(_) => {
                all.extend(processes().into_iter().filter(|pid| parent_of(*pid) == Some(of)));
                break;
            }
        }
    }
    all
}

/// What a process has open, as links say it; nothing where that may not be seen.
pub(super) fn open_files(of: Pid) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{of}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read_link(entry.path()).ok())
}

/// All that there are.
pub(super) fn processes() -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.map(Pid::from_raw).collect()
}

/// It stands two fields behind the name in parentheses, which may hold anything (proc_pid_stat(5)).
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = String::from_utf8_lossy(stat.get(end + 1..)?).into_owned();
    rest.split_whitespace().nth(1)?.parse().ok().map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::process::{self, Fork};
    use nix::sys::wait::{WaitStatus, waitpid};
    use std::process::Command;

    /// Runs it in a process of its own, as the tests of one program share theirs.
    fn apart(work: impl FnOnce() -> bool) -> bool {
        match process::fork().unwrap() {
            Fork::Child => process::exit_now(i32::from(!work())),
            Fork::Parent(child) => process::succeeded(child),
        }
    }

    /// Starts a program that nobody waits for but the functions that are tested.
    #[allow(clippy::zombie_processes)]
    fn start(command: &mut Command) -> Pid {
        Pid::from_raw(command.spawn().unwrap().id().cast_signed())
    }

    fn sleeper() -> Pid {
        start(Command::new("sleep").arg("100"))
    }

    #[test]
    fn outside_a_namespace_of_its_own_nothing_is_everything() {
        assert_eq!(Everything::below_this(), Everything::Descendants);
    }

    #[test]
    fn only_what_a_process_started_is_ended_and_all_of_it() {
        let mut stranger = Command::new("sleep").arg("100").spawn().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let ended = apart(|| {
            collect_orphans().unwrap();
            // One that left its parent and its session, and one below it.
            let script = "setsid sh -c 'sleep 100 & sleep 100' & sleep 100 & sleep 100";
            start(Command::new("sh").args(["-c", script]).stdout(writer));
            end_all();
            children(nix::unistd::getpid()).is_empty()
        });
        assert!(ended);
        // Ends only when nobody holds the other end: all of them are gone.
        assert_eq!(std::io::read_to_string(reader).unwrap(), "");
        assert!(stranger.try_wait().unwrap().is_none(), "it was none of theirs");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn all_are_stopped_and_go_on_but_for_those_that_were_stopped_before() {
        let well = apart(|| {
            collect_orphans().unwrap();
            let (one, other) = (sleeper(), sleeper());
            kill(one, Signal::SIGSTOP).unwrap();
            while !is_stopped(one) {
                std::thread::yield_now();
            }
            let stopped = stop_all();
            while !is_stopped(other) {
                std::thread::yield_now();
            }
            continue_stopped(&stopped);
            while is_stopped(other) {
                std::thread::yield_now();
            }
            let kept = is_stopped(one);
            end_all();
            kept
        });
        assert!(well);
    }

    #[test]
    fn a_socket_is_found_with_those_who_have_it_open() {
        // What other tests start would have it open, too, for a moment.
        let found = apart(|| {
            let this = nix::unistd::getpid();
            let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
            let number = nix::sys::stat::fstat(&one).unwrap().st_ino as u32;
            let held = holds_socket(this, number);
            drop((one, other));
            held && !holds_socket(this, number)
        });
        assert!(found);
    }

    #[test]
    fn who_left_the_session_is_not_signalled_with_it() {
        let well = apart(|| {
            collect_orphans().unwrap();
            let near = sleeper();
            let far = start(Command::new("setsid").args(["sleep", "100"]));
            while getsid(Some(far)) == getsid(None) {
                std::thread::yield_now();
            }
            signal_session(Signal::SIGHUP);
            let hung_up = matches!(waitpid(near, None), Ok(WaitStatus::Signaled(_, Signal::SIGHUP, _)));
            let stays = kill(far, None).is_ok() && !is_stopped(far);
            end_all();
            hung_up && stays
        });
        assert!(well);
    }

    #[test]
    fn some_are_spared() {
        let well = apart(|| {
            collect_orphans().unwrap();
            let spared = sleeper();
            start(Command::new("sh").args(["-c", "sleep 100 & sleep 100"]));
            end_all_but(&[spared]);
            // A zombie would be there too.
            let left = children(nix::unistd::getpid()) == [spared] && kill(spared, Signal::SIGSTOP).is_ok();
            end_all();
            left
        });
        assert!(well);
    }
}
