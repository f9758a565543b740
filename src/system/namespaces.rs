//! Namespaces of this process. Owns the calls and the order they need (user_namespaces(7)); decides nothing.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use std::fs;

/// Gives this process a network namespace of its own in which it has every capability: by its own right where it has
/// that (root), else by a user namespace in which its user and group keep their numbers.
///
/// # Errors
/// What unshare(2) and the id maps give.
pub fn enter_new_network() -> nix::Result<()> {
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return Ok(());
    }
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    let write = |file: &str, text: &str| {
        fs::write(format!("/proc/self/{file}"), text)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EPERM)))
    };
    // A group map without privileges needs it; kernels before 3.19 have no such file.
    match write("setgroups", "deny") {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(error) => return Err(error),
    }
    write("uid_map", &format!("{user} {user} 1"))?;
    write("gid_map", &format!("{group} {group} 1"))
}
