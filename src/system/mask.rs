//! Which signals a thread blocks. Owns the calls; decides nothing.
//!
//! Of all 64 signals the kernel knows, C libraries keep some for themselves (glibc 32 and 33, musl 34 too, which is SIGRTMIN
//! to everybody else): they neither block nor tell of those. But whoever stands in for a shell gets what that would get. So the
//! kernel is asked.
#![allow(unsafe_code)]

use nix::sys::signal::{SigmaskHow, Signal};

/// A set of signals, bit n-1 for signal n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask(u64);

impl Mask {
    /// These.
    pub fn of(signals: &[Signal]) -> Mask {
        Mask(signals.iter().fold(0, |set, signal| set | 1 << (*signal as i32 - 1)))
    }

    /// Has this thread block these, or these too, or not these any more; what it blocked before.
    ///
    /// # Errors
    /// What sigprocmask(2) gives.
    pub fn apply(self, how: SigmaskHow) -> nix::Result<Mask> {
        change(how, self.0).map(Mask)
    }

    /// Has this thread block just these again.
    pub fn put_back(self) {
        let _ = self.apply(SigmaskHow::SIG_SETMASK);
    }

    /// Every signal.
    pub const ALL: Mask = Mask(u64::MAX);

    /// Those of these bits, bit n-1 for signal n.
    pub fn from_bits(bits: u64) -> Mask {
        Mask(bits)
    }

    /// Bit n-1 for signal n.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Whether a signal is among them.
    pub fn has(self, signal: Signal) -> bool {
        self.0 & Mask::of(&[signal]).0 != 0
    }

    /// Signals of these that arrive, as events to poll for.
    ///
    /// # Errors
    /// What signalfd(2) gives.
    pub fn arrivals(self) -> nix::Result<std::os::fd::OwnedFd> {
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        let set: *const u64 = &raw const self.0;
        // SAFETY: the kernel reads one set of its own size, which lives through the call.
        let made = unsafe { libc::syscall(libc::SYS_signalfd4, -1, set, size_of::<u64>(), flags) };
        let number = nix::errno::Errno::result(made)?;
        let number = i32::try_from(number).map_err(|_| nix::errno::Errno::EBADF)?;
        super::descriptors::own(number).ok_or(nix::errno::Errno::EBADF)
    }
}

fn change(how: SigmaskHow, set: u64) -> nix::Result<u64> {
    let mut before = 0;
    // SAFETY: the kernel reads one set of its own size and writes another; both live through the call.
    let status = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, how as i32, &raw const set, &raw mut before, size_of::<u64>())
    };
    nix::errno::Errno::result(status).map(|_| before)
}
