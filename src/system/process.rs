//! Processes: spawn, fork, exec, wait, death by signal. Owns the calls; decides nothing.
#![allow(unsafe_code)]

use super::mask::Mask;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::stat::Mode;
use nix::sys::wait::WaitPidFlag;
use nix::unistd::Pid;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, RawFd};

/// Does `work` in a process of its own that shares memory and descriptors with this one, which waits for its end. What
/// it enters, namespaces and the capabilities in them, it leaves with that process.
///
/// # Errors
/// What clone(2) gives; ECHILD if the process was killed before it was done.
pub fn errand<T>(work: impl FnOnce() -> T) -> nix::Result<T> {
    let (mut work, mut done) = (Some(work), None);
    let child = borrow_process(CloneFlags::CLONE_FILES, &mut || {
        done = work.take().map(|work| work());
        0
    })?;
    reap(child);
    done.ok_or(Errno::ECHILD)
}

/// Does `work` in a child of this process's parent (CLONE_PARENT), with memory of its own and in these new namespaces, and
/// ends it with the status that it gives: for an errand.
///
/// # Errors
/// What clone(2) gives.
pub fn fork_sibling(namespaces: CloneFlags, work: impl FnOnce() -> i32) -> nix::Result<Pid> {
    let flags = libc::c_long::from((namespaces | CloneFlags::CLONE_PARENT).bits() | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child has a copy of this memory and goes on in it as after fork(2); all pointers are
    // null. What the C library remembers of the thread's number is the parent's, and nothing that sbsh does there asks
    // for it (raise(3) would).
    let child = Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    if child == 0 {
        exit_now(work());
    }
    libc::pid_t::try_from(child).map(Pid::from_raw).map_err(|_| Errno::EINVAL)
}

/// Does `work` in a child with descriptors of its own, which ends with the status that it gives, unless it becomes a program.
/// Until then this process, whose memory the child uses, stands still.
///
/// # Errors
/// What clone(2) gives.
pub fn spawn(work: impl FnOnce() -> i32) -> nix::Result<Pid> {
    spawn_as(CloneFlags::empty(), work)
}

/// As [`spawn`], but the new process is a child of this one's parent: for an errand.
///
/// # Errors
/// What clone(2) gives.
pub fn spawn_sibling(work: impl FnOnce() -> i32) -> nix::Result<Pid> {
    spawn_as(CloneFlags::CLONE_PARENT, work)
}

fn spawn_as(kind: CloneFlags, work: impl FnOnce() -> i32) -> nix::Result<Pid> {
    let mut work = Some(work);
    borrow_process(kind, &mut || work.take().map_or(1, |work| work() as isize))
}

/// As vfork(2) does: the child goes on in this process's memory, and shares what else `shared` says, until it executes a
/// program or ends with the status that `work` gives; so long this process stands still. Nothing is copied, and the
/// child begins at once, on the same processor: a fork(2) costs three times as much, and its child waits for another
/// processor to wake up or to become free. In the child every signal is blocked.
fn borrow_process(shared: CloneFlags, work: &mut dyn FnMut() -> isize) -> nix::Result<Pid> {
    let mut stack = Stack::new()?;
    let (this, own) = (nix::unistd::getpid(), Pid::from_raw(0));
    let processors = Processors::of_this();
    processors.stay();
    let mut work = || {
        processors.restore(this);
        processors.restore(own);
        work()
    };
    let before = Mask::ALL.apply(SigmaskHow::SIG_SETMASK)?;
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK | shared;
    // SAFETY: by CLONE_VFORK nothing of this thread runs while the child does, and what the child does is ordinary
    // code on a stack of its own that outlives it; what it allocates and opens belongs to this process as if the
    // process itself had done it. It has no thread of its own to confuse the C library with, no signal handler runs
    // in it, and it ends by exit(2) alone.
    let child = unsafe { nix::sched::clone(Box::new(&mut work), stack.bytes(), flags, Some(libc::SIGCHLD)) };
    before.put_back();
    processors.restore(own);
    child
}

/// The processors on which a process may be.
#[derive(Debug, Clone, Copy)]
pub struct Processors(Option<CpuSet>);

impl Processors {
    /// Those of this process.
    pub fn of_this() -> Processors {
        Processors(sched_getaffinity(Pid::from_raw(0)).ok())
    }

    /// This process, and children that it makes, stay where it is. Where that cannot be had, they are somewhere.
    fn stay(&self) {
        let stay = || {
            let mut here = CpuSet::new();
            here.set(sched_getcpu()?)?;
            sched_setaffinity(Pid::from_raw(0), &here)
        };
        if self.0.is_some() {
            let _ = stay();
        }
    }

    /// fork(2), after which both go on at once, the child on another processor if there is one: under a hypervisor the kernel
    /// takes processors with nothing to do for occupied, and one of the two would wait for the other. The child is kept off this
    /// one until [`Processors::restore`].
    ///
    /// # Errors
    /// What fork(2) gives.
    pub fn fork_elsewhere(&self) -> nix::Result<Fork> {
        let others = || {
            let (mut others, here) = (self.0?, sched_getcpu().ok()?);
            others.unset(here).ok().map(|()| others)
        };
        let others = others();
        // EINVAL where there is none.
        let away = |process| others.map(|others| sched_setaffinity(process, &others));
        let side = fork()?;
        // Whichever of them runs first.
        let _ = match side {
            Fork::Parent(child) => away(child),
            Fork::Child => away(Pid::from_raw(0)),
        };
        Ok(side)
    }

    /// Where there are two, this process goes to the one that it is not on, and leaves this one to what it has started, for the
    /// same reason; from then on it may be on any.
    pub fn change_sides(&self) {
        let other = || {
            let (mut others, here) = (self.0?, sched_getcpu().ok()?);
            others.unset(here).ok()?;
            let count = (0..CpuSet::count()).filter(|number| others.is_set(*number) == Ok(true)).count();
            (count == 1).then_some(others)
        };
        let _ = other().map(|other| sched_setaffinity(Pid::from_raw(0), &other));
        self.restore(Pid::from_raw(0));
    }

    /// That process may be on any of them again; 0: this one.
    pub fn restore(&self, process: Pid) {
        let _ = self.0.map(|all| sched_setaffinity(process, &all));
    }
}

/// Memory for a child's stack, with a page below it that ends a process that needs more.
struct Stack(std::ptr::NonNull<libc::c_void>);

impl Stack {
    const GUARD: usize = 64 << 10; // the largest page there is
    const SIZE: usize = (512 << 10) + Stack::GUARD;

    fn new() -> nix::Result<Stack> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: a new mapping; nothing else is touched.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), Stack::SIZE, protection, flags, -1, 0) };
        let start = std::ptr::NonNull::new(start).filter(|at| at.as_ptr() != libc::MAP_FAILED);
        let stack = Stack(start.ok_or_else(Errno::last)?);
        // SAFETY: the lowest part of our own mapping.
        Errno::result(unsafe { libc::mprotect(stack.0.as_ptr(), Stack::GUARD, libc::PROT_NONE) })?;
        Ok(stack)
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the part of our own mapping that is readable, writable and zeroed; borrowed from its owner.
        unsafe {
            let lowest = self.0.as_ptr().cast::<u8>().add(Stack::GUARD);
            std::slice::from_raw_parts_mut(lowest, Stack::SIZE - Stack::GUARD)
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping, which nobody uses any more.
        let _ = unsafe { libc::munmap(self.0.as_ptr(), Stack::SIZE) };
    }
}

/// Becomes a program with an empty environment, whose descriptors 0 and 1 are `/dev/null` and whose 2 is this one; what is
/// above is inherited unless close-on-exec. Returns only what went wrong.
pub fn become_masked(path: &CStr, arguments: &[CString], error_stream: RawFd) -> Errno {
    // A caller that ignores SIGCHLD would keep it from waiting.
    reset(Signal::SIGCHLD);
    let null = match nix::fcntl::open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(null) => null,
        Err(error) => return error,
    };
    for (source, target) in [(error_stream, 2), (null.as_raw_fd(), 0), (null.as_raw_fd(), 1)] {
        if let Err(error) = super::descriptors::put(source, target) {
            return error;
        }
    }
    exec(path, arguments, &[])
}

/// Why there is no new process. EAGAIN is a limit here (fork(2)), of which the C library's words say nothing.
pub fn no_more(why: Errno) -> &'static str {
    match why {
        Errno::EAGAIN => {
            "no more processes are allowed here (ulimit -u, or the limit of a container or a service)"
        }
        other => other.desc(),
    }
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

/// Dies by a signal, real-time ones too, so that the parent's wait status says so, without a core of ours.
pub fn die_by(signal: i32) -> ! {
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    // SAFETY: SIG_DFL runs no code of ours.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        // raise(3) sends none of those that the C library keeps for itself.
        libc::kill(libc::getpid(), signal);
    }
    let _ = Mask::from_bits(1 << (signal - 1)).apply(SigmaskHow::SIG_UNBLOCK);
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

/// Stops this process as [`stop_by`] does, unless it need not stop any more. What continues it meanwhile is not lost: the
/// kernel drops a stop signal that waits when SIGCONT comes, so the question is put while the signal waits.
pub fn stop_by_unless(signal: Signal, over: impl FnOnce() -> bool) {
    if signal == Signal::SIGSTOP {
        // Nothing holds that one back.
        if !over() {
            let _ = nix::sys::signal::raise(signal);
        }
        return;
    }
    let before = reset(signal);
    let mut set = SigSet::empty();
    set.add(signal);
    let _ = set.thread_block();
    let _ = nix::sys::signal::raise(signal);
    if over() {
        // Ignoring it drops it.
        ignore(signal);
    }
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

/// What became of a child. What ended it is a number: real-time signals end processes too, and have no names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It ended, with this status.
    Exited(Pid, i32),
    /// This signal ended it.
    Signaled(Pid, i32),
    /// This signal stopped it.
    Stopped(Pid, Signal),
}

impl Change {
    /// Whose.
    pub fn pid(self) -> Pid {
        match self {
            Change::Exited(pid, _) | Change::Signaled(pid, _) | Change::Stopped(pid, _) => pid,
        }
    }
}

/// What became of a child, or of any; `Ok(None)`: with WNOHANG, nothing.
///
/// # Errors
/// What waitpid(2) gives.
pub fn change(child: Option<Pid>, how: WaitPidFlag) -> nix::Result<Option<Change>> {
    let mut status = 0;
    // SAFETY: the kernel writes one number, which lives through the call.
    let of =
        Errno::result(unsafe { libc::waitpid(child.map_or(-1, Pid::as_raw), &raw mut status, how.bits()) })?;
    let pid = Pid::from_raw(of);
    Ok((of != 0).then(|| {
        if libc::WIFSTOPPED(status) {
            Change::Stopped(pid, Signal::try_from(libc::WSTOPSIG(status)).unwrap_or(Signal::SIGSTOP))
        } else if libc::WIFSIGNALED(status) {
            Change::Signaled(pid, libc::WTERMSIG(status))
        } else {
            Change::Exited(pid, libc::WEXITSTATUS(status))
        }
    }))
}

/// The next child that changed state, without waiting. `Ok(None)`: none has. `Err(ECHILD)`: there are no children.
///
/// # Errors
/// What waitpid(2) gives.
pub fn next_change() -> nix::Result<Option<Change>> {
    change(None, WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)
}

/// Whether a process is stopped. The state stands behind the name in parentheses, which may hold anything
/// (proc_pid_stat(5)).
pub fn is_stopped(pid: Pid) -> bool {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let end = stat.iter().rposition(|&byte| byte == b')').unwrap_or(0);
    stat.get(end + 2) == Some(&b'T')
}

/// Lets others on this processor go on first, if there are any.
pub fn give_way() {
    let _ = nix::sched::sched_yield();
}

/// Whether a child has ended; then it is collected.
pub fn has_ended(pid: Pid) -> bool {
    matches!(change(Some(pid), WaitPidFlag::WNOHANG), Ok(Some(_)) | Err(Errno::ECHILD))
}

/// Waits for one child to end.
pub fn reap(pid: Pid) {
    while change(Some(pid), WaitPidFlag::empty()) == Err(Errno::EINTR) {}
}

/// Waits for one child to end; its exit status, if it was no signal that ended it.
pub fn status_of(pid: Pid) -> Option<i32> {
    loop {
        match change(Some(pid), WaitPidFlag::empty()) {
            Err(Errno::EINTR) => {}
            Ok(Some(Change::Exited(_, status))) => return Some(status),
            _ => return None,
        }
    }
}

/// Waits for one child to end; whether it did with status 0.
pub fn succeeded(pid: Pid) -> bool {
    status_of(pid) == Some(0)
}

/// Whether a path leads to the program that this process runs.
pub fn is_this(program: &std::path::Path) -> bool {
    let own = std::env::current_exe().ok().and_then(|exe| std::fs::canonicalize(exe).ok());
    own.is_some() && std::fs::canonicalize(program).ok() == own
}

/// Whether a path leads to a regular file that somebody may execute.
pub fn is_program(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
