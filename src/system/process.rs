//! Processes: spawn, fork, exec, wait, death by signal. Owns the calls; decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};

/// How a started program's standard descriptors are set. Everything above them is inherited unless close-on-exec.
#[derive(Debug, Clone, Copy)]
pub struct Standard {
    /// What becomes its descriptor 2; 0 and 1 become `/dev/null`.
    pub error: RawFd,
}

/// Starts a program with every signal blocked and an empty environment, after `before` has run in its process.
///
/// # Errors
/// What fork(2) gives. A program that cannot be executed ends with status 127 and says so on its standard error.
pub fn spawn_masked(
    path: &CStr,
    arguments: &[CString],
    standard: Standard,
    before: impl FnOnce(),
) -> nix::Result<Pid> {
    let child = match fork()? {
        Fork::Parent(child) => return Ok(child),
        Fork::Child => become_masked(path, arguments, standard, before),
    };
    let text = format!("cannot execute {}: {}\n", path.to_string_lossy(), child.desc());
    let _ = nix::unistd::write(super::descriptors::borrow(2), text.as_bytes());
    exit_now(127)
}

/// In the child; returns only what went wrong.
fn become_masked(path: &CStr, arguments: &[CString], standard: Standard, before: impl FnOnce()) -> Errno {
    // A caller that ignores SIGCHLD would keep it from waiting.
    reset(Signal::SIGCHLD);
    if let Err(error) = SigSet::all().thread_set_mask() {
        return error;
    }
    before();
    let null = match nix::fcntl::open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(null) => null,
        Err(error) => return error,
    };
    for (source, target) in [(standard.error, 2), (null.as_raw_fd(), 0), (null.as_raw_fd(), 1)] {
        if let Err(error) = super::descriptors::put(source, target) {
            return error;
        }
    }
    exec(path, arguments, &[])
}

/// Which side of a fork this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, with the child's id.
    Parent(Pid),
}

/// fork(2).
///
/// # Errors
/// What fork(2) gives.
pub fn fork() -> nix::Result<Fork> {
    // SAFETY: sbsh has one thread wherever it forks (the parser's large-stack thread is joined before), so the
    // child may go on with ordinary code.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => Ok(Fork::Child),
        nix::unistd::ForkResult::Parent { child } => Ok(Fork::Parent(child)),
    }
}

/// execve(2); returns only an error.
pub fn exec(path: &CStr, arguments: &[CString], environment: &[CString]) -> Errno {
    match nix::unistd::execve(path, arguments, environment) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// Ends the process at once, without running destructors or flushing.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Dies by a signal, so that the parent's wait status says so, without a core of ours.
pub fn die_by(signal: i32) -> ! {
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    if let Ok(signal) = Signal::try_from(signal) {
        reset(signal);
        let _ = nix::sys::signal::raise(signal);
        let mut set = SigSet::empty();
        set.add(signal);
        let _ = set.thread_unblock();
    }
    exit_now(128 + signal)
}

/// Stops this process by a stop signal's own default action, as the inner shell was stopped.
pub fn stop_by(signal: Signal) {
    let before = reset(signal);
    let mut set = SigSet::empty();
    set.add(signal);
    let _ = nix::sys::signal::raise(signal);
    let _ = set.thread_unblock();
    let _ = set.thread_block();
    put_back(signal, before);
}

/// Puts back what [`reset`] found.
pub fn put_back(signal: Signal, before: Option<SigHandler>) {
    if let Some(handler) = before {
        // SAFETY: a disposition that was in force before.
        let _ = unsafe { nix::sys::signal::signal(signal, handler) };
    }
}

/// Sets a signal to its default action; returns what was in force.
pub fn reset(signal: Signal) -> Option<SigHandler> {
    // SAFETY: SIG_DFL runs no code of ours.
    unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.ok()
}

/// Sets a signal to ignored.
pub fn ignore(signal: Signal) {
    // SAFETY: SIG_IGN runs no code of ours.
    let _ = unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) };
}

/// The next child that changed state, without waiting. `Ok(None)`: none has. `Err(ECHILD)`: there are no children.
///
/// # Errors
/// What waitpid(2) gives.
pub fn next_change() -> nix::Result<Option<WaitStatus>> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED))? {
        WaitStatus::StillAlive => Ok(None),
        status => Ok(Some(status)),
    }
}

/// As process 1 of a namespace: kills everything else in it and waits until all of it is gone.
pub fn end_all() {
    loop {
        let _ = nix::sys::signal::kill(Pid::from_raw(-1), Signal::SIGKILL);
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

/// What was stopped before everything was.
#[derive(Debug)]
pub struct Stopped(Vec<Pid>);

/// As process 1 of a namespace: stops everything else in it. kill(2) with -1 and fork(2) exclude each other, so nothing
/// is missed.
pub fn stop_all() -> Stopped {
    let before = others().into_iter().filter(|&pid| is_stopped(pid)).collect();
    let _ = nix::sys::signal::kill(Pid::from_raw(-1), Signal::SIGSTOP);
    Stopped(before)
}

/// Lets go on what [`stop_all`] stopped, and nothing that was stopped before.
pub fn continue_stopped(stopped: Stopped) {
    if stopped.0.is_empty() {
        let _ = nix::sys::signal::kill(Pid::from_raw(-1), Signal::SIGCONT);
        return;
    }
    for pid in others().into_iter().filter(|pid| !stopped.0.contains(pid)) {
        let _ = nix::sys::signal::kill(pid, Signal::SIGCONT);
    }
}

fn others() -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter(|&number| number > 1).map(Pid::from_raw).collect()
}

/// The state stands behind the name in parentheses, which may hold anything (proc_pid_stat(5)).
fn is_stopped(pid: Pid) -> bool {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let end = stat.iter().rposition(|&byte| byte == b')').unwrap_or(0);
    stat.get(end + 2) == Some(&b'T')
}

/// Waits for one child to end.
pub fn reap(pid: Pid) {
    while waitpid(pid, None) == Err(Errno::EINTR) {}
}

/// Waits for one child to end; whether it did with status 0.
pub fn succeeded(pid: Pid) -> bool {
    loop {
        match waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            ended => return matches!(ended, Ok(WaitStatus::Exited(_, 0))),
        }
    }
}

/// Whether a path leads to a regular file that somebody may execute.
pub fn is_program(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
