//! "Is this process inside a boundary of ours already?", answered by kernel state alone.
//!
//! The marker is a read-only file mounted at [`MARKER`] by the confinement. Making a mount there takes
//! CAP_SYS_ADMIN over a mount namespace, which nothing inside has; a variable, a flag or an ordinary file cannot
//! claim it. The mount must come together with `no_new_privs` and a seccomp filter, as the boundary sets them.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

/// Where the marker is mounted. `/dev` inside is a file system of the sandbox's own, so nothing is left on the host.
pub const MARKER: &str = "/dev/.sbsh";

/// The bit of stx_attributes that says that a path is the root of a mount (statx(2), Linux 5.8).
const MOUNT_ROOT: u64 = 0x2000;

/// Whether the marker mount, `no_new_privs` and a seccomp filter are all there.
pub fn already() -> bool {
    is_mount_root(c"/dev/.sbsh")
        && nix::sys::prctl::get_no_new_privs().unwrap_or(false)
        && seccomp_mode() == libc::SECCOMP_MODE_FILTER as i32
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
