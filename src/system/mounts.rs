//! Mounts by the interface of descriptors (open_tree(2), mount_setattr(2), move_mount(2), fsopen(2); Linux 5.12): a tree is
//! taken or made, restricted while nobody sees it, and only then put in place. Owns the calls; decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// What a mount does not do (mount_setattr(2), MOUNT_ATTR_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits(u64);

impl Limits {
    /// Nothing can be changed through it.
    pub const READ_ONLY: Limits = Limits(0x1);
    /// Set-user-id bits count for nothing.
    pub const NO_SETUID: Limits = Limits(0x2);
    /// Device files cannot be opened.
    pub const NO_DEVICES: Limits = Limits(0x4);
    /// Nothing can be executed.
    pub const NO_PROGRAMS: Limits = Limits(0x8);

    /// Both.
    pub const fn and(self, other: Limits) -> Limits {
        Limits(self.0 | other.0)
    }
}

/// struct mount_attr (linux/mount.h).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    namespace: u64,
}

/// Whether symlinks on the way are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// They are.
    Followed,
    /// One anywhere in the path is an error (ELOOP).
    Refused,
}

/// A place, without opening what stands there.
///
/// # Errors
/// What openat2(2) gives.
pub fn place(path: &Path, links: Links) -> nix::Result<OwnedFd> {
    let resolve = match links {
        Links::Followed => ResolveFlag::RESOLVE_NO_MAGICLINKS,
        Links::Refused => ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_SYMLINKS,
    };
    openat2(AT_FDCWD, path, OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve))
}

/// A tree of mounts that stands nowhere.
#[derive(Debug)]
pub struct Tree(OwnedFd);

const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
/// MOVE_MOUNT_F_EMPTY_PATH and MOVE_MOUNT_T_EMPTY_PATH.
const BY_DESCRIPTORS: u32 = 0x4 | 0x40;

impl Tree {
    /// What is seen at a place, with every mount below it.
    ///
    /// # Errors
    /// What open_tree(2) gives.
    pub fn of(place: BorrowedFd<'_>) -> nix::Result<Tree> {
        const CLONE: i32 = 1; // OPEN_TREE_CLONE
        let flags = CLONE | libc::O_CLOEXEC | libc::AT_RECURSIVE | libc::AT_EMPTY_PATH;
        // SAFETY: the path is NUL-terminated; nothing else is memory.
        owned(unsafe { libc::syscall(libc::SYS_open_tree, place.as_raw_fd(), c"".as_ptr(), flags) }).map(Tree)
    }

    /// A new file system of this kind with these settings.
    ///
    /// # Errors
    /// What fsopen(2), fsconfig(2) and fsmount(2) give.
    pub fn new(kind: &CStr, settings: &[(&CStr, &CStr)], limits: Limits) -> nix::Result<Tree> {
        let settings = settings.iter().map(|(key, value)| (*key, Some(*value)));
        Tree::with(kind, settings, limits)
    }

    /// What stands in a directory, under a layer in which all its changes are kept (overlayfs, whose own attributes are a
    /// user's; Linux 5.11). A directory that was renamed is never looked for elsewhere, and what was changed is there as a whole.
    ///
    /// # Errors
    /// As for [`Tree::new`].
    pub fn layered(
        below: BorrowedFd<'_>,
        changes: BorrowedFd<'_>,
        work: BorrowedFd<'_>,
        limits: Limits,
    ) -> nix::Result<Tree> {
        let path = |place: BorrowedFd<'_>| {
            CString::new(format!("/proc/self/fd/{}", place.as_raw_fd())).map_err(|_| Errno::EINVAL)
        };
        let (below, changes, work) = (path(below)?, path(changes)?, path(work)?);
        let settings = [
            (c"lowerdir", Some(&*below)),
            (c"upperdir", Some(&*changes)),
            (c"workdir", Some(&*work)),
            (c"userxattr", None),
            (c"redirect_dir", Some(c"nofollow")),
            (c"metacopy", Some(c"off")),
            (c"index", Some(c"off")),
        ];
        Tree::with(c"overlay", settings.into_iter(), limits)
    }

    fn with<'a>(
        kind: &CStr,
        settings: impl Iterator<Item = (&'a CStr, Option<&'a CStr>)>,
        limits: Limits,
    ) -> nix::Result<Tree> {
        // SAFETY: the name is NUL-terminated; 1 is FSOPEN_CLOEXEC.
        let system = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1) })?;
        let configure = |command: u32, key: *const libc::c_char, value: *const libc::c_char| {
            // SAFETY: key and value are null or NUL-terminated and outlive the call.
            let done =
                unsafe { libc::syscall(libc::SYS_fsconfig, system.as_raw_fd(), command, key, value, 0) };
            Errno::result(done).map(drop)
        };
        for (key, value) in settings {
            match value {
                Some(value) => configure(FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())?,
                None => configure(FSCONFIG_SET_FLAG, key.as_ptr(), std::ptr::null())?,
            }
        }
        configure(FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        // SAFETY: no memory; 1 is FSMOUNT_CLOEXEC.
        owned(unsafe { libc::syscall(libc::SYS_fsmount, system.as_raw_fd(), 1, limits.0) }).map(Tree)
    }

    /// Limits all of it.
    ///
    /// # Errors
    /// What mount_setattr(2) gives.
    pub fn limit(&self, limits: Limits) -> nix::Result<()> {
        set(self.0.as_raw_fd(), c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, limits)
    }

    /// Puts it over what stands at a place.
    ///
    /// # Errors
    /// What move_mount(2) gives.
    pub fn attach(&self, place: BorrowedFd<'_>) -> nix::Result<()> {
        let (from, to) = (self.0.as_raw_fd(), place.as_raw_fd());
        // SAFETY: both paths are NUL-terminated; nothing else is memory.
        let moved = unsafe {
            libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, c"".as_ptr(), BY_DESCRIPTORS)
        };
        Errno::result(moved).map(drop)
    }
}

/// Its root.
impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Limits every mount there is here.
///
/// # Errors
/// What mount_setattr(2) gives.
pub fn limit_all(limits: Limits) -> nix::Result<()> {
    set(libc::AT_FDCWD, c"/", libc::AT_RECURSIVE, limits)
}

/// Limits the one mount whose root stands at a place.
///
/// # Errors
/// What mount_setattr(2) gives.
pub fn limit(place: BorrowedFd<'_>, limits: Limits) -> nix::Result<()> {
    set(place.as_raw_fd(), c"", libc::AT_EMPTY_PATH, limits)
}

/// No mount that is made elsewhere comes here, and none of here goes elsewhere.
///
/// # Errors
/// What mount_setattr(2) gives.
pub fn keep_apart() -> nix::Result<()> {
    let attributes = Attributes { propagation: libc::MS_PRIVATE, ..Attributes::default() };
    set_attributes(libc::AT_FDCWD, c"/", libc::AT_RECURSIVE, &attributes)
}

fn set(directory: RawFd, path: &CStr, flags: i32, limits: Limits) -> nix::Result<()> {
    set_attributes(directory, path, flags, &Attributes { set: limits.0, ..Attributes::default() })
}

fn set_attributes(directory: RawFd, path: &CStr, flags: i32, attributes: &Attributes) -> nix::Result<()> {
    let size = size_of::<Attributes>();
    let attributes: *const Attributes = attributes;
    // SAFETY: the path is NUL-terminated, and the structure is as long as is said and outlives the call.
    let done =
        unsafe { libc::syscall(libc::SYS_mount_setattr, directory, path.as_ptr(), flags, attributes, size) };
    Errno::result(done).map(drop)
}

fn owned(result: libc::c_long) -> nix::Result<OwnedFd> {
    let number = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made it for this caller.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
