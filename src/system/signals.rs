//! Signals: masks, dispositions, and signals as readable events. Owns the calls; decides nothing.
#![allow(unsafe_code)]

use super::mask::Mask;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How the caller left the signals: what the inner shell must find again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerSignals {
    /// Blocked signals, bit n-1 for signal n.
    pub mask: u64,
    /// Whether SIGCHLD was ignored (it has to be reset here, or waiting would fail).
    pub child_ignored: bool,
}

/// Blocks every signal and says how the caller had left them.
///
/// # Errors
/// What sigprocmask(2) gives.
pub fn block_all() -> nix::Result<CallerSignals> {
    let mask = Mask::ALL.apply(SigmaskHow::SIG_SETMASK)?.bits();
    let child_ignored = matches!(super::process::reset(Signal::SIGCHLD), Some(SigHandler::SigIgn));
    Ok(CallerSignals { mask, child_ignored })
}

/// Gives signals back as the caller had left them, before the inner shell is executed.
pub fn restore(signals: CallerSignals) {
    if signals.child_ignored {
        super::process::ignore(Signal::SIGCHLD);
    }
    Mask::from_bits(signals.mask).put_back();
}

/// Blocked and ignored signals of a process, bit n-1 for signal n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dispositions {
    /// Blocked.
    pub blocked: u64,
    /// Ignored.
    pub ignored: u64,
}

impl Dispositions {
    /// This process's, as `/proc` tells them (proc_pid_status(5)); none where there is no `/proc`.
    pub fn own() -> Dispositions {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
        };
        Dispositions { blocked: set("SigBlk:"), ignored: set("SigIgn:") }
    }
}

/// Blocks and ignores exactly these; what is ignored by nobody does what it does by default. Real-time signals are left.
pub fn adopt(signals: Dispositions) {
    let mut blocked = SigSet::empty();
    for signal in Signal::iterator() {
        if signals.ignored & bit(signal) != 0 {
            super::process::ignore(signal);
        } else {
            super::process::reset(signal);
        }
        if signals.blocked & bit(signal) != 0 {
            blocked.add(signal);
        }
    }
    let _ = blocked.thread_set_mask();
}

/// Lets a terminal stop this process as it would have before all signals were blocked.
pub fn let_stop(before: Dispositions) {
    let mut stopping = SigSet::empty();
    for signal in [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU] {
        if before.blocked & bit(signal) == 0 {
            stopping.add(signal);
        }
    }
    let _ = stopping.thread_unblock();
}

/// Makes a call that is interrupted (EINTR) again and again once so many microseconds are over: for calls whose own time
/// limit others could change. All signals must be blocked, and nobody else may use the alarm.
pub fn interrupted_after<T>(microseconds: i64, call: impl FnOnce() -> T) -> T {
    extern "C" fn nothing(_: libc::c_int) {}
    // Without SA_RESTART; again and again, because the first could come before the call waits.
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, which is safe wherever it interrupts.
    let _ = unsafe { sigaction(Signal::SIGALRM, &action) };
    let mut alarm = SigSet::empty();
    alarm.add(Signal::SIGALRM);
    set_alarm(microseconds);
    let _ = alarm.thread_unblock();
    let done = call();
    set_alarm(0);
    let _ = alarm.thread_block();
    done
}

fn set_alarm(microseconds: i64) {
    let time = libc::timeval { tv_sec: microseconds / 1_000_000, tv_usec: microseconds % 1_000_000 };
    let every = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: the kernel reads one structure, which lives through the call; nothing is written back.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const every, std::ptr::null_mut()) };
}

fn bit(signal: Signal) -> u64 {
    Mask::of(&[signal]).bits()
}

/// Signals that arrive, as events to poll for. All must be blocked.
#[derive(Debug)]
pub struct Arrivals(OwnedFd);

impl Arrivals {
    /// Every signal that can be blocked.
    ///
    /// # Errors
    /// What signalfd(2) gives.
    pub fn new() -> nix::Result<Arrivals> {
        Mask::ALL.arrivals().map(Arrivals)
    }

    /// These signals.
    ///
    /// # Errors
    /// What signalfd(2) gives.
    pub fn of(signals: &[Signal]) -> nix::Result<Arrivals> {
        Mask::of(signals).arrivals().map(Arrivals)
    }

    /// The next signal that is pending, if any.
    pub fn next(&self) -> Option<i32> {
        let mut told = [0; size_of::<libc::signalfd_siginfo>()];
        let length = nix::unistd::read(&self.0, &mut told).ok()?;
        // Its number comes first.
        let number = told.first_chunk().filter(|_| length == told.len())?;
        i32::try_from(u32::from_ne_bytes(*number)).ok()
    }

    /// What to poll for reading.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends a signal by number (real-time ones too) to one process. Errors are ignored: the process may be gone.
pub fn send(pid: nix::unistd::Pid, signal: i32) {
    // SAFETY: kill(2) has no memory preconditions.
    let _ = unsafe { libc::kill(pid.as_raw(), signal) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_blocked_is_blocked_again_real_time_signals_too() {
        let apart = || {
            // With those that C libraries keep for themselves.
            let blocked = (1 << 39) | (0b111 << 31) | bit(Signal::SIGUSR1);
            Mask::from_bits(blocked).put_back();
            let found = block_all().unwrap();
            let all = own_mask();
            Mask::from_bits(0).put_back();
            restore(found);
            let unblockable = bit(Signal::SIGKILL) | bit(Signal::SIGSTOP);
            assert_eq!((all, found.mask, own_mask()), (!unblockable, blocked, blocked));
        };
        std::thread::spawn(apart).join().unwrap();
    }

    #[test]
    fn signals_that_the_c_library_keeps_for_itself_arrive_and_what_is_done_meanwhile_lets_none_through() {
        let apart = || {
            block_all().unwrap();
            let arrivals = Arrivals::new().unwrap();
            let child = super::super::process::spawn(|| 0).unwrap();
            super::super::process::reap(child);
            Mask::of(&[Signal::SIGINT]).apply(SigmaskHow::SIG_BLOCK).unwrap().put_back();
            for number in [32, 33, 34, 64, libc::SIGUSR2] {
                // SAFETY: tgkill(2) has no memory preconditions; this thread blocks it.
                let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), number) };
                assert_eq!((sent, arrivals.next()), (0, Some(number)));
            }
        };
        std::thread::spawn(apart).join().unwrap();
    }

    fn own_mask() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
        u64::from_str_radix(mask, 16).unwrap()
    }
}
