//! One name on the host, by a descriptor of the directory that holds it and through no symlink: what is made, changed and
//! taken away on behalf of the inside. Owns the calls; decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FcntlArg, OFlag, OpenHow, ResolveFlag, fcntl, openat2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat, mknodat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};
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

    /// Makes a regular file in this directory that has no name and never gets one; the mode holds as it is.
    ///
    /// # Errors
    /// What openat2(2) gives.
    pub fn open_unnamed(&self, flags: i32, mode: u32) -> nix::Result<OwnedFd> {
        let passed = OFlag::O_ACCMODE | OFlag::O_APPEND | OFlag::O_SYNC | OFlag::O_DSYNC | OFlag::O_NONBLOCK;
        let flags = OFlag::from_bits_retain(flags) & passed | OFlag::O_TMPFILE | OFlag::O_EXCL;
        let mode = Mode::from_bits_truncate(mode & 0o777);
        with_umask_of_nothing(|| self.at(flags, mode))
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
        let path = own_path(&place)?;
        let follow = nix::sys::stat::FchmodatFlags::FollowSymlink;
        nix::sys::stat::fchmodat(AT_FDCWD, path.as_c_str(), Mode::from_bits_truncate(mode), follow)
    }

    /// chown(2): to nobody but the user and the groups that this process is, as nothing else was asked about; the highest
    /// number leaves one as it is.
    ///
    /// # Errors
    /// EPERM for others; what fchownat(2) gives.
    pub fn set_owner(&self, user: u32, group: u32) -> nix::Result<()> {
        let place = self.at(OFlag::O_PATH | OFlag::O_NOFOLLOW, Mode::empty())?;
        own_numbers(&fstat(&place)?, user, group)?;
        // SAFETY: the descriptor is open and the empty name NUL-terminated for the length of the call.
        let status =
            unsafe { libc::fchownat(place.as_raw_fd(), c"".as_ptr(), user, group, libc::AT_EMPTY_PATH) };
        Errno::result(status).map(drop)
    }

    /// setxattr(2), or removexattr(2) without a value, of a file or directory.
    ///
    /// # Errors
    /// What they give; EPERM for what is neither.
    pub fn set_attribute(&self, name: &OsStr, value: Option<(&[u8], i32)>) -> nix::Result<()> {
        let place = self.at(OFlag::O_PATH | OFlag::O_NOFOLLOW, Mode::empty())?;
        let kind = fstat(&place)?.st_mode & SFlag::S_IFMT.bits();
        if ![SFlag::S_IFREG.bits(), SFlag::S_IFDIR.bits()].contains(&kind) {
            return Err(Errno::EPERM);
        }
        let (path, name) = (own_path(&place)?, text(name)?);
        let status = match value {
            // SAFETY: path and name are NUL-terminated; the value is as long as is said.
            Some((value, flags)) => unsafe {
                libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags)
            },
            // SAFETY: both are NUL-terminated.
            None => unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) },
        };
        Errno::result(status).map(drop)
    }

    /// mkfifo(3); the mode holds as it is.
    ///
    /// # Errors
    /// What mknodat(2) gives.
    pub fn make_fifo(&self, mode: u32) -> nix::Result<()> {
        let mode = Mode::from_bits_truncate(mode & 0o777);
        with_umask_of_nothing(|| mknodat(&self.directory, self.name.as_os_str(), SFlag::S_IFIFO, mode, 0))
    }

    /// link(2): gives the regular file at `from` this name too, by whatever stands there now and is looked at.
    ///
    /// # Errors
    /// What linkat(2) gives; EPERM for what is no regular file, or makes somebody else of who runs it.
    pub fn link_to(&self, from: &Holder) -> nix::Result<()> {
        let place = from.at(OFlag::O_PATH | OFlag::O_NOFOLLOW, Mode::empty())?;
        let mode = fstat(&place)?.st_mode;
        if mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() || mode & (libc::S_ISUID | libc::S_ISGID) != 0
        {
            return Err(Errno::EPERM);
        }
        let path = own_path(&place)?;
        linkat(AT_FDCWD, path.as_c_str(), &self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_FOLLOW)
    }

    /// bind(2) of a Unix socket to this name; `mask` is what its file's mode leaves out.
    ///
    /// # Errors
    /// What it gives.
    pub fn bind(&self, socket: &OwnedFd, mask: u32) -> nix::Result<()> {
        // The longest name that an address holds is short; so is this way to the directory.
        let mut name = format!("/proc/self/fd/{}/", self.directory.as_raw_fd()).into_bytes();
        name.extend(self.name.as_bytes());
        let address = nix::sys::socket::UnixAddr::new(Path::new(OsStr::from_bytes(&name)))?;
        let before = nix::sys::stat::umask(Mode::from_bits_truncate(mask & 0o777));
        let done = nix::sys::socket::bind(socket.as_raw_fd(), &address);
        nix::sys::stat::umask(before);
        done
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

/// fchmod(2), of what was opened as a place.
///
/// # Errors
/// What fchmodat(2) gives.
pub fn set_mode_of(place: &OwnedFd, mode: u32) -> nix::Result<()> {
    let follow = nix::sys::stat::FchmodatFlags::FollowSymlink;
    let path = own_path(place)?;
    nix::sys::stat::fchmodat(AT_FDCWD, path.as_c_str(), Mode::from_bits_truncate(mode), follow)
}

/// fchown(2), of what was opened as a place, within the bounds of [`Holder::set_owner`].
///
/// # Errors
/// EPERM for others; what fchownat(2) gives.
pub fn set_owner_of(place: &OwnedFd, user: u32, group: u32) -> nix::Result<()> {
    own_numbers(&fstat(place)?, user, group)?;
    // SAFETY: the descriptor is open and the empty name NUL-terminated for the length of the call.
    let status = unsafe { libc::fchownat(place.as_raw_fd(), c"".as_ptr(), user, group, libc::AT_EMPTY_PATH) };
    Errno::result(status).map(drop)
}

/// futimens(3), of what was opened as a place: two of struct timespec as bytes, or now.
///
/// # Errors
/// What utimensat(2) gives.
pub fn set_times_of(place: &OwnedFd, times: Option<&[u8]>) -> nix::Result<()> {
    if times.is_some_and(|times| times.len() != TIMES) {
        return Err(Errno::EINVAL);
    }
    let path = own_path(place)?;
    let times = times.map_or(std::ptr::null(), <[u8]>::as_ptr);
    // SAFETY: the path is NUL-terminated; the times are none, or as many bytes as the kernel reads.
    let status = unsafe { libc::syscall(libc::SYS_utimensat, AT_FDCWD, path.as_ptr(), times, 0) };
    Errno::result(status).map(drop)
}

/// fsetxattr(2), or fremovexattr(2) without a value, of what was opened as a place.
///
/// # Errors
/// What they give.
pub fn set_attribute_of(place: &OwnedFd, name: &OsStr, value: Option<(&[u8], i32)>) -> nix::Result<()> {
    let (path, name) = (own_path(place)?, text(name)?);
    let status = match value {
        // SAFETY: path and name are NUL-terminated; the value is as long as is said.
        Some((value, flags)) => unsafe {
            libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags)
        },
        // SAFETY: both are NUL-terminated.
        None => unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) },
    };
    Errno::result(status).map(drop)
}

/// To nobody but the user and the groups that this process is.
fn own_numbers(now: &nix::sys::stat::FileStat, user: u32, group: u32) -> nix::Result<()> {
    const AS_IT_IS: u32 = u32::MAX;
    let groups = nix::unistd::getgroups()?;
    let own_user = [AS_IT_IS, now.st_uid, nix::unistd::geteuid().as_raw()].contains(&user);
    let own_group = [AS_IT_IS, now.st_gid, nix::unistd::getegid().as_raw()].contains(&group)
        || groups.iter().any(|own| own.as_raw() == group);
    if own_user && own_group { Ok(()) } else { Err(Errno::EPERM) }
}

/// Opens the file behind a descriptor again, for no more than that is open for; nothing is cut off yet.
///
/// # Errors
/// What open(2) gives; EACCES for what is no regular file, or of `/proc`, or is to be more than it was.
pub fn open_again(held: &OwnedFd, flags: i32) -> nix::Result<OwnedFd> {
    let (had, wanted) =
        (OFlag::from_bits_retain(fcntl(held, FcntlArg::F_GETFL)?), OFlag::from_bits_retain(flags));
    let (mode, new) = (had & OFlag::O_ACCMODE, wanted & OFlag::O_ACCMODE);
    let no_more = mode == new && mode != OFlag::O_RDONLY || mode == OFlag::O_RDWR && new == OFlag::O_WRONLY;
    let odd = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let regular = fstat(held)?.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
    let regular = regular && !super::descriptors::is_made_up(held.as_raw_fd());
    if !no_more || !regular || had.contains(OFlag::O_PATH) || wanted.intersects(odd) {
        return Err(Errno::EACCES);
    }
    let passed = OFlag::O_APPEND | OFlag::O_SYNC | OFlag::O_DSYNC | OFlag::O_NONBLOCK;
    let flags = new | wanted & passed | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    nix::fcntl::open(own_path(held)?.as_c_str(), flags, Mode::empty())
}

/// A file of ours, to be copied into another process.
pub fn lent(file: &OwnedFd) -> BorrowedFd<'_> {
    file.as_fd()
}

/// The path in /proc that leads to an open place and nowhere else, for calls that take no place itself (open(2), O_PATH).
fn own_path(place: &OwnedFd) -> nix::Result<CString> {
    CString::new(format!("/proc/self/fd/{}", place.as_raw_fd())).map_err(|_| Errno::EINVAL)
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
