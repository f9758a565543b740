//! Landlock (landlock(7)): a process gives up rights for itself and all that it starts, without namespaces and without
//! being anybody in particular. Owns the three calls; which rights, is the plan's business.
//!
//! Written here and not by a crate because it is three calls, and the rights are told by number from the pure translation.
#![allow(unsafe_code)]

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// struct landlock_ruleset_attr. Older kernels know less of it and take the rest if it is zero.
#[repr(C)]
struct Attributes {
    files: u64,
    network: u64,
    scoped: u64,
}

/// struct landlock_path_beneath_attr, which is packed.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    place: i32,
}

/// LANDLOCK_CREATE_RULESET_VERSION.
const VERSION: u32 = 1;
/// LANDLOCK_RULE_PATH_BENEATH.
const PATH_BENEATH: u32 = 1;

/// The version that the running kernel has; `None` where it has none, or was started without it.
pub fn version() -> Option<u32> {
    // SAFETY: with this flag the call takes no memory.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, VERSION) };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Rights that are given up, but for what is allowed again.
#[derive(Debug)]
pub struct Ruleset(OwnedFd);

impl Ruleset {
    /// Gives up these rights to files and to TCP, and what is scoped.
    ///
    /// # Errors
    /// EINVAL or E2BIG for what the kernel does not know, ENOSYS and EOPNOTSUPP where there is no Landlock.
    pub fn new(files: u64, network: u64, scoped: u64) -> nix::Result<Ruleset> {
        let attributes = Attributes { files, network, scoped };
        // SAFETY: the kernel reads a structure of the size that is told.
        let number = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const attributes,
                size_of::<Attributes>(),
                0,
            )
        };
        let number = RawFd::try_from(Errno::result(number)?).map_err(|_| Errno::EBADF)?;
        // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
        Ok(Ruleset(unsafe { OwnedFd::from_raw_fd(number) }))
    }

    /// Allows rights for what stands at a place and beneath it.
    ///
    /// # Errors
    /// EINVAL for rights that were not given up or that a file cannot have.
    pub fn allow(&self, place: BorrowedFd<'_>, rights: u64) -> nix::Result<()> {
        let rule = Beneath { allowed: rights, place: place.as_raw_fd() };
        // SAFETY: the kernel reads a structure of the size that it expects.
        let status = unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, self.0.as_raw_fd(), PATH_BENEATH, &raw const rule, 0)
        };
        Errno::result(status).map(drop)
    }

    /// Puts this process, and all that it starts, under it for good.
    ///
    /// # Errors
    /// EPERM without `no_new_privs`, E2BIG where too many are stacked.
    pub fn enter(&self) -> nix::Result<()> {
        nix::sys::prctl::set_no_new_privs()?;
        // SAFETY: the call takes two numbers and no memory.
        let status = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), 0) };
        Errno::result(status).map(drop)
    }

    /// Its number.
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::process::{self, Fork};
    use std::os::fd::AsFd;

    #[test]
    fn what_is_not_allowed_is_refused_in_the_process_that_enters() {
        const WRITE_FILE: u64 = 1 << 1;
        if version().is_none() {
            return;
        }
        let top = tempfile::tempdir().unwrap();
        let (open, shut) = (top.path().join("open"), top.path().join("shut"));
        [&open, &shut].into_iter().for_each(|path| std::fs::write(path, "").unwrap());
        match process::fork().unwrap() {
            Fork::Child => {
                let enter = || {
                    let ruleset = Ruleset::new(WRITE_FILE, 0, 0)?;
                    let place = std::fs::File::open(&open).map_err(|_| Errno::ENOENT)?;
                    ruleset.allow(place.as_fd(), WRITE_FILE)?;
                    ruleset.enter()
                };
                let entered = enter().is_ok();
                let writes = |path| std::fs::File::options().write(true).open(path).is_ok();
                process::exit_now(i32::from(!(entered && writes(&open) && !writes(&shut))))
            }
            Fork::Parent(child) => assert!(process::succeeded(child)),
        }
        assert!(std::fs::write(&shut, "x").is_ok());
    }
}
