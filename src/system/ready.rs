//! Waiting for several descriptors again and again, by a list that is made once. Owns the list; what follows from an event
//! is its user's.
#![allow(unsafe_code)]

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Descriptors that are waited for. Whoever closes one makes another list; so does a process that was forked, whose signals
/// are others.
#[derive(Debug)]
pub struct Set {
    all: Vec<libc::pollfd>,
    /// The one that is ready more often than all others, its place, and what stands for the others: looking at each of them
    /// for each call of a sandbox would cost more than the waiting.
    often: Option<(usize, [libc::pollfd; 2], Epoll)>,
}

/// Which of a set are ready, by their places in it; at most 64 are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ready {
    any: u64,
    readable: u64,
}

impl Set {
    /// Of these, each of them once; the one at `often` is ready more often than the others.
    pub fn of(descriptors: &[BorrowedFd<'_>], often: Option<usize>) -> Set {
        let all: Vec<libc::pollfd> = descriptors.iter().map(poll_of).collect();
        let often = often.and_then(|place| {
            // The others, and not this one as well: epoll(7) does not hand on that a waiter is to be woken on the
            // processor of the call that it waits for, and waking another one takes ten times as long.
            let others = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).ok()?;
            for (_, one) in descriptors.iter().enumerate().filter(|(at, _)| *at != place) {
                others.add(one, EpollEvent::new(EpollFlags::EPOLLIN, 0)).ok()?;
            }
            let pair = [*all.get(place)?, poll_of(&others.0)];
            Some((place, pair, others))
        });
        Set { all, often }
    }

    /// Waits until one is ready. None is, where a signal came.
    pub fn wait(&mut self) -> Ready {
        let Some((place, pair, _)) = &mut self.often else { return Ready::of(&mut self.all, -1, 0) };
        let ready = Ready::of(pair, -1, *place);
        if ready.has(*place + 1) { Ready::of(&mut self.all, 0, 0) } else { ready }
    }
}

fn poll_of(one: &impl AsRawFd) -> libc::pollfd {
    libc::pollfd { fd: one.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

impl Ready {
    /// Of a list whose first one is at a place in the set.
    fn of(all: &mut [libc::pollfd], timeout: i32, first: usize) -> Ready {
        // SAFETY: the kernel looks at as many structures as there are, and writes into them what came.
        let count = unsafe { libc::poll(all.as_mut_ptr(), all.len() as libc::nfds_t, timeout) };
        let mut ready = Ready::default();
        if count > 0 {
            for (place, one) in (first..64).zip(all) {
                ready.any |= u64::from(one.revents != 0) << place;
                ready.readable |= u64::from(one.revents & libc::POLLIN != 0) << place;
            }
        }
        ready
    }

    /// Whether something is to be read there, or it has ended.
    pub fn has(self, place: usize) -> bool {
        self.any >> place & 1 == 1
    }

    /// Whether something is to be read there.
    pub fn is_readable(self, place: usize) -> bool {
        self.readable >> place & 1 == 1
    }

    /// Whether anything is ready from a place on.
    pub fn has_from(self, place: usize) -> bool {
        self.any >> place != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_ready_is_told_by_its_place() {
        let (quiet, _writer) = nix::unistd::pipe().unwrap();
        let (ended, gone) = nix::unistd::pipe().unwrap();
        let (full, writer) = nix::unistd::pipe().unwrap();
        drop(gone);
        nix::unistd::write(&writer, b"x").unwrap();
        for often in [None, Some(0), Some(1), Some(2)] {
            let ready = Set::of(&[quiet.as_fd(), ended.as_fd(), full.as_fd()], often).wait();
            assert_eq!(ready.readable & !ready.any, 0);
            assert!(!ready.has(0) && (ready.has(1) || ready.has(2)), "{often:?}");
            assert_eq!((ready.is_readable(1), ready.has_from(3)), (false, false), "{often:?}");
        }
        let ready = Set::of(&[quiet.as_fd(), ended.as_fd(), full.as_fd()], Some(0)).wait();
        assert_eq!([0, 1, 2].map(|place| ready.has(place)), [false, true, true]);
        assert_eq!([0, 1, 2].map(|place| ready.is_readable(place)), [false, false, true]);
        assert!(ready.has_from(2) && !ready.has_from(3));
    }
}
