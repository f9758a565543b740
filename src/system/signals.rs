//! Signals: masks, dispositions, and signals as readable events. Owns the calls; decides nothing.
#![allow(unsafe_code)]

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

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
    let before = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
    let held = |&number: &i32| {
        // SAFETY: a set that the kernel filled, read only.
        unsafe { libc::sigismember(before.as_ref(), number) == 1 }
    };
    let mask = (1..=HIGHEST).filter(held).fold(0, |mask, number| mask | bit_of(number));
    let child_ignored = matches!(super::process::reset(Signal::SIGCHLD), Some(SigHandler::SigIgn));
    Ok(CallerSignals { mask, child_ignored })
}

/// Gives signals back as the caller had left them, before the inner shell is executed.
pub fn restore(signals: CallerSignals) {
    if signals.child_ignored {
        super::process::ignore(Signal::SIGCHLD);
    }
    let _ = set_of(signals.mask).thread_set_mask();
}

/// The set that has these, real-time ones too, bit n-1 for signal n.
fn set_of(mask: u64) -> SigSet {
    let mut set = *SigSet::empty().as_ref();
    for number in (1..=HIGHEST).filter(|&number| mask & bit_of(number) != 0) {
        // SAFETY: this frame's own set, which is a valid one.
        unsafe { libc::sigaddset(&raw mut set, number) };
    }
    // SAFETY: made by sigemptyset(3) and sigaddset(3).
    unsafe { SigSet::from_sigset_t_unchecked(set) }
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
    bit_of(signal as i32)
}

fn bit_of(number: i32) -> u64 {
    1 << (number - 1)
}

/// The highest number of a signal.
const HIGHEST: i32 = 64;

/// Signals that arrive, as events to poll for. All must be blocked.
#[derive(Debug)]
pub struct Arrivals(SignalFd);

impl Arrivals {
    /// Every signal that can be blocked.
    ///
    /// # Errors
    /// What signalfd(2) gives.
    pub fn new() -> nix::Result<Arrivals> {
        SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map(Arrivals)
    }

    /// These signals.
    ///
    /// # Errors
    /// What signalfd(2) gives.
    pub fn of(signals: &[Signal]) -> nix::Result<Arrivals> {
        let set: SigSet = signals.iter().copied().collect();
        SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map(Arrivals)
    }

    /// The next signal that is pending, if any.
    pub fn next(&self) -> Option<i32> {
        let info = self.0.read_signal().ok()??;
        i32::try_from(info.ssi_signo).ok()
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
            let blocked = (1 << 39) | bit(Signal::SIGUSR1);
            set_of(blocked).thread_set_mask().unwrap();
            let found = block_all().unwrap();
            SigSet::empty().thread_set_mask().unwrap();
            restore(found);
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
            assert_eq!((found.mask, u64::from_str_radix(mask, 16).unwrap()), (blocked, blocked));
        };
        std::thread::spawn(apart).join().unwrap();
    }
}
