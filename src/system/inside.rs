//! "Is this process inside a boundary of ours already?", answered by kernel state alone.
//!
//! The marker is a read-only file mounted at [`MARKER`] by the confinement. Making a mount there takes
//! CAP_SYS_ADMIN over a mount namespace, which nothing inside has; a variable, a flag or an ordinary file cannot
//! claim it. The mount must come together with `no_new_privs` and a seccomp filter, as the boundary sets them. Where nothing
//! can be mounted (Landlock), the filter itself is the sign: it has an answer to one call that no kernel gives.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Where the marker is mounted. `/dev` inside is a file system of the sandbox's own, so nothing is left on the host.
pub const MARKER: &str = "/dev/.sbsh";

/// The bit of stx_attributes that says that a path is the root of a mount (statx(2), Linux 5.8).
const MOUNT_ROOT: u64 = 0x2000;

/// What prctl(2) is asked for where the seccomp filter is the sign; no kernel knows it ("sbsh").
pub const SIGN: i32 = 0x7362_7368;
/// The filter's answer. A kernel says EINVAL.
pub const ANSWER: i32 = libc::EXFULL;

/// Whether the marker, `no_new_privs` and a seccomp filter are all there.
pub fn already() -> bool {
    nix::sys::prctl::get_no_new_privs().unwrap_or(false)
        && seccomp_mode() == libc::SECCOMP_MODE_FILTER as i32
        && (is_mount_root(c"/dev/.sbsh") || filter_answers())
}

fn filter_answers() -> bool {
    // SAFETY: an unknown request takes no memory.
    let status = unsafe { libc::prctl(SIGN, 0, 0, 0, 0) };
    status == -1 && Errno::last_raw() == ANSWER
}

fn is_mount_root(path: &std::ffi::CStr) -> bool {
    let mut buffer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: `path` is NUL-terminated and `buffer` is a zeroed statx structure that the kernel fills.
    let status = unsafe {
        libc::statx(libc::AT_FDCWD, path.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, 0, buffer.as_mut_ptr())
    };
    // SAFETY: zeroed is a valid value for this plain structure, filled or not.
    let answer = unsafe { buffer.assume_init() };
    status == 0 && answer.stx_attributes_mask & MOUNT_ROOT != 0 && answer.stx_attributes & MOUNT_ROOT != 0
}

/// Whether something is mounted over what `/proc` shows of the machine, as containers do it: then a fresh one would reveal
/// more than this one, and the kernel may refuse it (mount_too_revealing() in fs/namespace.c). Looked for where container
/// runtimes put something.
pub fn has_covered_proc() -> bool {
    [c"/proc/sys", c"/proc/kcore", c"/proc/meminfo", c"/proc/acpi"].into_iter().any(is_mount_root)
}

/// A place that was reached without any symlink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its device and inode.
    pub identity: (u64, u64),
    /// Whether a mount begins there. `true` too where the kernel does not say (before Linux 5.8).
    pub mounted: bool,
}

/// What stands at a path, which is followed through no symlink at all.
///
/// # Errors
/// What openat2(2) and statx(2) give; ELOOP for a symlink.
pub fn look(path: &Path) -> nix::Result<Place> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = openat2(AT_FDCWD, path, how)?;
    let stat = nix::sys::stat::fstat(&file)?;
    let mut buffer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the descriptor is open, the empty path is NUL-terminated, and `buffer` is a zeroed statx structure that
    // the kernel fills.
    let status =
        unsafe { libc::statx(file.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH, 0, buffer.as_mut_ptr()) };
    Errno::result(status)?;
    // SAFETY: as in `is_mount_root`.
    let answer = unsafe { buffer.assume_init() };
    let told = answer.stx_attributes_mask & MOUNT_ROOT != 0;
    Ok(Place {
        identity: (stat.st_dev, stat.st_ino),
        mounted: !told || answer.stx_attributes & MOUNT_ROOT != 0,
    })
}

fn seccomp_mode() -> i32 {
    // SAFETY: PR_GET_SECCOMP takes no pointers. Under SECCOMP_MODE_STRICT it would kill, but then this code could
    // not have been executed at all.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) }
}

/// Whether this process's memory and `/proc` entries may be looked at by others of the same user.
pub fn hide_from_others() {
    // Errors are impossible for these arguments (prctl(2)).
    let _ = nix::sys::prctl::set_dumpable(false);
}
