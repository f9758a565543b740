//! seccomp user notification: calls of confined processes that wait for our answer (seccomp_unotify(2)). Owns the
//! ioctls; what is answered is the gatekeeper's.
#![allow(unsafe_code)]

use super::seccomp::Instruction;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification {
    /// The kernel's number for it; valid until it is answered or its process is gone.
    pub id: u64,
    /// The thread that made it, as numbered where this process lives.
    pub thread: i32,
    /// The call's number.
    pub call: i64,
    /// Its arguments as they stand in registers.
    pub arguments: [u64; 6],
}

/// What the caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The kernel goes on with the call, arguments in memory read anew.
    Continue,
    /// It fails.
    Fail(Errno),
    /// It gives this.
    Value(i64),
}

#[repr(C)]
#[derive(Default)]
struct Data {
    call: i32,
    architecture: u32,
    instruction: u64,
    arguments: [u64; 6],
}

/// struct seccomp_notif.
#[repr(C)]
#[derive(Default)]
struct Request {
    id: u64,
    thread: u32,
    flags: u32,
    data: Data,
}

/// struct seccomp_notif_resp.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// struct seccomp_notif_addfd.
#[repr(C)]
struct Addition {
    id: u64,
    flags: u32,
    source: u32,
    target: u32,
    target_flags: u32,
}

/// SECCOMP_USER_NOTIF_FLAG_CONTINUE.
const CONTINUE: u32 = 1;
/// SECCOMP_ADDFD_FLAG_SETFD: in the place of the one that has the number that is named.
const IN_PLACE: u32 = 1;
/// SECCOMP_ADDFD_FLAG_SEND: adds the descriptor and answers with its number, in one.
const AND_ANSWER: u32 = 2;
/// SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (Linux 6.6): the caller goes on on this processor, without a wake-up of another.
const WAKE_HERE: u64 = 1;

const fn request(direction: u64, number: u64, size: usize) -> u64 {
    direction << 30 | (size as u64) << 16 | (b'!' as u64) << 8 | number
}

const WRITE: u64 = 1;
const BOTH: u64 = 3;
const RECEIVE: u64 = request(BOTH, 0, size_of::<Request>());
const SEND: u64 = request(BOTH, 1, size_of::<Response>());
const IS_VALID: u64 = request(WRITE, 2, size_of::<u64>());
const ADD: u64 = request(WRITE, 3, size_of::<Addition>());
const SET_FLAGS: u64 = request(WRITE, 4, size_of::<u64>());

/// The supervisor's end.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Of a descriptor that [`install`] gave in another process.
    pub fn new(descriptor: OwnedFd) -> Listener {
        // SAFETY: the argument is a number, not a pointer; a kernel that does not know the request refuses it.
        let _ = unsafe { libc::ioctl(descriptor.as_raw_fd(), SET_FLAGS as _, WAKE_HERE) };
        Listener(descriptor)
    }

    /// The next call. `None`: its process was gone again.
    ///
    /// # Errors
    /// What ioctl(2) gives.
    pub fn receive(&self) -> nix::Result<Option<Notification>> {
        let mut asked = Request::default();
        let received = uninterrupted(|| {
            asked = Request::default();
            // SAFETY: the kernel fills the structure, which has its size and is zeroed as it demands.
            unsafe { libc::ioctl(self.0.as_raw_fd(), RECEIVE as _, &raw mut asked) }
        });
        match received {
            Ok(_) => Ok(Some(Notification {
                id: asked.id,
                thread: i32::try_from(asked.thread).map_err(|_| Errno::ESRCH)?,
                call: i64::from(asked.data.call),
                arguments: asked.data.arguments,
            })),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether another call waits to be received.
    pub fn has_more(&self) -> bool {
        let mut events = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut events, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
            && events.iter().filter_map(PollFd::revents).any(|event| event.contains(PollFlags::POLLIN))
    }

    /// Answers.
    ///
    /// # Errors
    /// ENOENT: nobody waits for it any more.
    pub fn answer(&self, id: u64, reply: Reply) -> nix::Result<()> {
        let (value, error, flags) = match reply {
            Reply::Continue => (0, 0, CONTINUE),
            Reply::Fail(error) => (0, -(error as i32), 0),
            Reply::Value(value) => (value, 0, 0),
        };
        let mut response = Response { id, value, error, flags };
        // SAFETY: the kernel reads a structure of the size that it expects.
        uninterrupted(|| unsafe { libc::ioctl(self.0.as_raw_fd(), SEND as _, &raw mut response) }).map(drop)
    }

    /// Whether the call still waits: what was read of its process by number was that process's own.
    pub fn still_waits(&self, id: u64) -> bool {
        // SAFETY: the kernel reads one number of eight bytes.
        unsafe { libc::ioctl(self.0.as_raw_fd(), IS_VALID as _, &raw const id) == 0 }
    }

    /// Puts a copy of a descriptor of ours into the calling process and answers with its number there.
    ///
    /// # Errors
    /// ENOENT: nobody waits any more. EMFILE: the process has no room.
    pub fn answer_with(&self, id: u64, descriptor: BorrowedFd<'_>, close_on_exec: bool) -> nix::Result<()> {
        self.put(id, descriptor, close_on_exec, AND_ANSWER, 0).map(drop)
    }

    /// The same without an answer: gives the number there.
    ///
    /// # Errors
    /// As for [`Listener::answer_with`].
    pub fn add(&self, id: u64, descriptor: BorrowedFd<'_>, close_on_exec: bool) -> nix::Result<RawFd> {
        self.put(id, descriptor, close_on_exec, 0, 0)
    }

    /// The same in the place of a descriptor that the process has.
    ///
    /// # Errors
    /// As for [`Listener::answer_with`].
    pub fn replace(
        &self,
        id: u64,
        descriptor: BorrowedFd<'_>,
        close_on_exec: bool,
        number: RawFd,
    ) -> nix::Result<()> {
        let number = u32::try_from(number).map_err(|_| Errno::EBADF)?;
        self.put(id, descriptor, close_on_exec, IN_PLACE, number).map(drop)
    }

    fn put(
        &self,
        id: u64,
        descriptor: BorrowedFd<'_>,
        close_on_exec: bool,
        flags: u32,
        target: u32,
    ) -> nix::Result<RawFd> {
        let addition = Addition {
            id,
            flags,
            source: u32::try_from(descriptor.as_raw_fd()).map_err(|_| Errno::EBADF)?,
            target,
            target_flags: if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 },
        };
        // SAFETY: the kernel reads a structure of the size that it expects.
        uninterrupted(|| unsafe { libc::ioctl(self.0.as_raw_fd(), ADD as _, &raw const addition) })
    }
}

/// Makes a call again that was interrupted: a stop and SIGCONT do that to these whatever is blocked, before anything is done.
fn uninterrupted(mut call: impl FnMut() -> i32) -> nix::Result<i32> {
    loop {
        match Errno::result(call()) {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Puts the calling thread under a filter whose notifications arrive at the descriptor that is given; closed on exec.
/// Once a call was received, only a deadly signal ends its waiting (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19):
/// a call that we perform is not interrupted half-way and then made again. Older kernels make it again.
///
/// # Errors
/// EBUSY: another supervisor listens already. EINVAL: a kernel before 5.0.
pub fn install(program: &[Instruction]) -> nix::Result<RawFd> {
    const NEW_LISTENER: u64 = 1 << 3;
    const WAIT_KILLABLE: u64 = 1 << 5;
    let installed = super::seccomp::install_with(program, NEW_LISTENER | WAIT_KILLABLE);
    let installed = match installed {
        Err(Errno::EINVAL) => super::seccomp::install_with(program, NEW_LISTENER),
        installed => installed,
    };
    installed.and_then(|number| RawFd::try_from(number).map_err(|_| Errno::EBADF))
}
