//! Namespaces of this process. Owns the calls and the order they need (user_namespaces(7)); decides nothing.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid};
use std::ffi::CStr;
use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};

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
    keep_numbers(user, group)
}

/// Enters a user namespace of this process's own, and `more` with it, with the capabilities that it gives.
///
/// # Errors
/// What unshare(2) and the id maps give; EPERM where the capabilities are kept back (AppArmor).
pub fn of_user(more: CloneFlags) -> nix::Result<()> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER | more)?;
    keep_numbers(user, group)?;
    // Takes a capability of the new user namespace.
    unshare(CloneFlags::CLONE_NEWNS)
}

/// In a new user namespace: the user and the group that made it keep their numbers, and nobody else has one.
///
/// # Errors
/// What write(2) gives.
pub fn keep_numbers(user: Uid, group: Gid) -> nix::Result<()> {
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

/// The namespaces of a sandbox, without the network's.
pub const OF_A_SANDBOX: CloneFlags = CloneFlags::CLONE_NEWUSER
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWCGROUP);

/// A descriptor of this process's network namespace.
///
/// # Errors
/// What open(2) gives.
pub fn own_network() -> nix::Result<OwnedFd> {
    own(c"/proc/self/ns/net")
}

/// A descriptor of this process's user namespace.
///
/// # Errors
/// What open(2) gives; ENOENT where the kernel has none.
pub fn own_user() -> nix::Result<OwnedFd> {
    own(c"/proc/self/ns/user")
}

fn own(name: &CStr) -> nix::Result<OwnedFd> {
    open(name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Enters a network namespace and the user namespace that owns it, with every capability in it. For a process that does
/// this and nothing else afterwards: there is no way back.
///
/// # Errors
/// What setns(2) gives.
pub fn join(owner: Option<BorrowedFd<'_>>, network: BorrowedFd<'_>) -> nix::Result<()> {
    if let Some(owner) = owner
        && !is_own(owner)
    {
        setns(owner, CloneFlags::CLONE_NEWUSER)?;
    }
    setns(network, CloneFlags::CLONE_NEWNET)
}

/// Entering the user namespace that one is in is an error (setns(2), EINVAL).
fn is_own(owner: BorrowedFd<'_>) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = fs::metadata("/proc/self/ns/user").map(|m| m.ino()).ok();
    let other = nix::sys::stat::fstat(owner).map(|s| s.st_ino).ok();
    own.is_some() && own == other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::process;

    #[test]
    fn an_errand_leaves_its_namespaces_behind_and_brings_its_descriptors_home() {
        let processors = || nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
        let before = processors();
        let number = |of: OwnedFd| nix::sys::stat::fstat(of).unwrap().st_ino;
        let entered = process::errand(|| enter_new_network().and_then(|()| own_network())).unwrap();
        let (entered, own) = (number(entered.unwrap()), number(own_network().unwrap()));
        assert_ne!(entered, own);
        assert_eq!(processors(), before);
        assert_eq!(process::errand(processors), Ok(before));
    }
}
