//! The real program's start: as the shim was started, but outside.

use crate::system::signals::Dispositions;
use crate::system::{descriptors, process, signals};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

/// What it is started with.
pub struct Start<'a> {
    /// The file.
    pub program: &'a CStr,
    /// argv.
    pub argv: &'a [CString],
    /// The environment.
    pub environment: &'a [CString],
    /// The host's own directory.
    pub directory: &'a OwnedFd,
    /// The shim's standard descriptors.
    pub standard: &'a [Option<OwnedFd>; 3],
    /// The file mode creation mask.
    pub umask: u32,
    /// Signals as the shim had them.
    pub signals: Dispositions,
}

/// Starts it in this process's group.
///
/// # Errors
/// What fork(2) gives. A program that cannot be executed says so and ends with 126 or 127.
pub fn start(start: &Start<'_>) -> nix::Result<Pid> {
    let broker = nix::unistd::getpid();
    match process::fork()? {
        process::Fork::Parent(child) => Ok(child),
        process::Fork::Child => {
            let error = become_program(start, broker);
            let text = format!(
                "sbsh: cannot start '{}' outside: {}\n",
                start.program.to_string_lossy(),
                error.desc()
            );
            let _ = nix::unistd::write(descriptors::borrow(2), text.as_bytes());
            process::exit_now(if error == Errno::ENOENT {
                crate::exit::NOT_FOUND
            } else {
                crate::exit::REFUSED
            })
        }
    }
}

/// In the child; returns only what went wrong.
fn become_program(start: &Start<'_>, broker: Pid) -> Errno {
    // A broker that is killed takes its program along: nothing goes on that nobody looks after.
    let prepared = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
        .and_then(|()| nix::unistd::fchdir(start.directory))
        .and_then(|()| place(start.standard));
    if let Err(error) = prepared {
        return error;
    }
    if nix::unistd::getppid() != broker {
        return Errno::ECHILD;
    }
    // Only stricter than the caller's: or what is made outside could be written by everybody because code inside says so.
    let callers = nix::sys::stat::umask(Mode::empty());
    nix::sys::stat::umask(callers | Mode::from_bits_truncate(start.umask));
    descriptors::close_all_but(&[0, 1, 2]);
    // A program whose children vanish unseen takes their failure for success.
    let child = 1 << (Signal::SIGCHLD as i32 - 1);
    signals::adopt(Dispositions { ignored: start.signals.ignored & !child, ..start.signals });
    process::exec(start.program, start.argv, start.environment)
}

/// The standard descriptors as the shim had them; what it had closed is closed.
fn place(standard: &[Option<OwnedFd>; 3]) -> nix::Result<()> {
    // Out of the way first: one of them may have the number of another.
    let high: Vec<Option<OwnedFd>> = standard
        .iter()
        .map(|from| from.as_ref().map(|from| descriptors::duplicate(from.as_raw_fd(), 10)).transpose())
        .collect::<nix::Result<_>>()?;
    for (number, from) in (0..).zip(&high) {
        match from {
            Some(from) => descriptors::put(from.as_raw_fd(), number)?,
            None => descriptors::close(number),
        }
    }
    Ok(())
}
