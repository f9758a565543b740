//! A number that processes which come from one another have in common. Owns the memory; decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number. Its memory is the kernel's to give back, when the last process that has it ends.
#[derive(Debug, Clone, Copy)]
pub struct Tally(&'static AtomicU32);

impl Tally {
    /// Zero, for this process and all that are forked from it.
    ///
    /// # Errors
    /// What mmap(2) gives.
    pub fn new() -> nix::Result<Tally> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping; nothing else is touched.
        let at =
            unsafe { libc::mmap(std::ptr::null_mut(), size_of::<AtomicU32>(), protection, flags, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: zeroed, aligned to a page, never unmapped, and used through this type alone.
        Ok(Tally(unsafe { AtomicU32::from_ptr(at.cast()) }))
    }

    /// Counts one more; whether there were less than `most` before.
    pub fn counts(self, most: u32) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1)).is_ok()
    }

    /// Begins anew.
    pub fn clear(self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether there are as many.
    pub fn reached(self, most: u32) -> bool {
        self.0.load(Ordering::Relaxed) >= most
    }
}
