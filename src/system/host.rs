//! One name on the host, by a descriptor of the directory that holds it and through no symlink: what is made, changed and
//! taken away on behalf of the inside. Owns the calls; decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of two of struct timespec.
pub const TIMES: usize = 32;

/// A directory, and a name in it.
#[derive(Debug)]
pub struct Holder {
    directory: OwnedFd,
    name: OsString,
}

const RESOLVE: ResolveFlag = ResolveFlag::RESOLVE_NO_SYMLINKS.union(ResolveFlag::RESOLVE_NO_MAGICLINKS);

impl Holder {
    /// Of a canonical path; its last part need not exist.
    ///
    /// # Errors
    /// What openat2(2) gives; ELOOP if a symlink stands on the way by now.
    pub fn open(path: &Path) -> nix::Result<Holder> {
        let name = path.file_name().ok_or(Errno::EISDIR)?.to_os_string();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let how = OpenHow::new().flags(flags).resolve(RESOLVE);
        let directory = openat2(AT_FDCWD, path.parent().ok_or(Errno::EISDIR)?, how)?;
        Ok(Holder { directory, name })
    }

    fn at(&self, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        let mut how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(RESOLVE);
        if flags.intersects(OFlag::O_CREAT) || flags.contains(OFlag::O_TMPFILE) {
            how = how.mode(mode);
        }
        openat2(&self.directory, Path::new(&self.name), how)
    }

    /// Opens or makes a regular file, as open(2) with these flags would; the mode holds as it is.
    ///
    /// # Errors
    /// What openat2(2) gives; EACCES for what is no regular file.
    pub fn open_file(&self, flags: i32, mode: u32) -> nix::Result<OwnedFd> {
        // Those that mean nothing for a file that is written, or would change what is opened.
        let passed = OFlag::O_ACCMODE
            | OFlag::O_CREAT
            | OFlag::O_EXCL
            | OFlag::O_TRUNC
            | OFlag::O_APPEND
            | OFlag::O_SYNC
            | OFlag::O_DSYNC
            | OFlag::O_NONBLOCK;
        let wanted = OFlag::from_bits_retain(flags);
        // A FIFO or a device would make us wait; whether it was one is looked at afterwards.
        let flags = (wanted & passed) | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mode = Mode::from_bits_truncate(mode & 0o1777);
        let file = with_umask_of_nothing(|| self.at(flags - OFlag::O_TRUNC, mode))?;
        if fstat(&file)?.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
            return Err(Errno::EACCES);
        }
        if wanted.contains(OFlag::O_TRUNC) {
            nix::unistd::ftruncate(&file, 0)?;
        }
        if !wanted.contains(OFlag::O_NONBLOCK) {
            super::descriptors::clear_nonblocking(file.as_raw_fd());
        }
        Ok(file)
    }

    /// mkdir(2); the mode holds as it is.
    ///
    /// # Errors
    /// What mkdirat(2) gives.
    pub fn make_directory(&self, mode: u32) -> nix::Result<()> {
        let mode = Mode::from_bits_truncate(mode & 0o1777);
        with_umask_of_nothing(|| mkdirat(&self.directory, self.name.as_os_str(), mode))
    }

    /// symlink(2).
    ///
    /// # Errors
    /// What symlinkat(2) gives.
    pub fn make_link(&self, target: &Path) -> nix::Result<()> {
        symlinkat(target, &self.directory, self.name.as_os_str())
    }

    /// unlink(2) or rmdir(2).
    ///
    /// # Errors
    /// What unlinkat(2) gives.
    pub fn remove(&self, directory: bool) -> nix::Result<()> {
        let flag = if directory { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
        unlinkat(&self.directory, self.name.as_os_str(), flag)
    }

    /// renameat2(2), but for leaving a whiteout, which is a device.
    ///
    /// # Errors
    /// What it gives.
    pub fn rename(&self, to: &Holder, flags: u32) -> nix::Result<()> {
        if flags & !(libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE) != 0 {
            return Err(Errno::EINVAL);
        }
        let (old, new) = (text(&self.name)?, text(&to.name)?);
        // SAFETY: both descriptors are open and both names are NUL-terminated for the length of the call.
        let status = unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                self.directory.as_raw_fd(),
                old.as_ptr(),
                to.directory.as_raw_fd(),
                new.as_ptr(),
                flags,
            )
        };
        Errno::result(status).map(drop)
    }

    /// chmod(2), of a file or directory.
    ///
    /// # Errors
    /// What fchmodat(2) gives.
    pub fn set_mode(&self, mode: u32) -> nix::Result<()> {
        let place = self.at(OFlag::O_PATH | OFlag::O_NOFOLLOW, Mode::empty())?;
        // By its own path in /proc: fchmod(2) takes no place (open(2), O_PATH).
        let path = format!("/proc/self/fd/{}", place.as_raw_fd());
        let follow = nix::sys::stat::FchmodatFlags::FollowSymlink;
        nix::sys::stat::fchmodat(AT_FDCWD, path.as_str(), Mode::from_bits_truncate(mode), follow)
    }

    /// truncate(2).
    ///
    /// # Errors
    /// What it gives; EACCES for what is no regular file.
    pub fn set_length(&self, length: i64) -> nix::Result<()> {
        let file = self.open_file(libc::O_WRONLY, 0)?;
        nix::unistd::ftruncate(&file, length)
    }

    /// utimensat(2): two of struct timespec as bytes, or now.
    ///
    /// # Errors
    /// What it gives.
    pub fn set_times(&self, times: Option<&[u8]>) -> nix::Result<()> {
        if times.is_some_and(|times| times.len() != TIMES) {
            return Err(Errno::EINVAL);
        }
        let name = text(&self.name)?;
        let times = times.map_or(std::ptr::null(), <[u8]>::as_ptr);
        // SAFETY: the name is NUL-terminated; the times are none, or as many bytes as the kernel reads.
        let status = unsafe {
            libc::syscall(
                libc::SYS_utimensat,
                self.directory.as_raw_fd(),
                name.as_ptr(),
                times,
                AtFlags::AT_SYMLINK_NOFOLLOW.bits(),
            )
        };
        Errno::result(status).map(drop)
    }
}

/// A file of ours, to be copied into another process.
pub fn lent(file: &OwnedFd) -> BorrowedFd<'_> {
    file.as_fd()
}

fn text(name: &OsStr) -> nix::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)
}

/// The caller's umask was taken into account already; ours must not count too.
fn with_umask_of_nothing<T>(make: impl FnOnce() -> T) -> T {
    let before = nix::sys::stat::umask(Mode::empty());
    let made = make();
    nix::sys::stat::umask(before);
    made
}
