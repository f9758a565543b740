//! Putting things beneath one directory and taking them away, by descriptors and through no symlink: what [`super::beneath`]
//! does for looking. Owns the calls; decides nothing. A file comes to its name whole, or not at all.
#![allow(unsafe_code)]

use super::beneath::{Beneath, rename};
use super::host;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat, mknodat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The mode bits that are given: not those that make somebody else of who runs a file.
const PLAIN: u32 = 0o1777;

/// What a name that is being filled is called until it is whole.
const HALF: &str = ".sbsh-half-";

impl Beneath {
    fn place(&self, name: &Path) -> nix::Result<OwnedFd> {
        self.at(name, OFlag::O_PATH | OFlag::O_NOFOLLOW)
    }

    /// What stands at a name; `.` is the top.
    ///
    /// # Errors
    /// What fstatat(2) gives.
    pub fn look(&self, name: &Path) -> nix::Result<FileStat> {
        if name == Path::new(".") {
            return fstat(self.place(name)?);
        }
        let (holder, last) = self.holder(name)?;
        fstatat(holder, last, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// A regular file, for reading.
    ///
    /// # Errors
    /// What open(2) gives; an error for what is no regular file.
    pub fn open_file(&self, name: &Path) -> io::Result<File> {
        let file = File::from(self.at(name, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW)?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
    }

    /// The same where all is this user's own: one that nobody may read is, for that moment.
    ///
    /// # Errors
    /// As for [`Beneath::open_file`].
    pub fn open_closed_file(&self, name: &Path) -> io::Result<File> {
        match self.open_file(name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let (mode, place) = (self.look(name)?.st_mode & 0o7777, self.place(name)?);
                host::set_mode_of(&place, mode | 0o400)?;
                let opened = self.open_file(name);
                host::set_mode_of(&place, mode)?;
                opened
            }
            opened => opened,
        }
    }

    /// The first byte of an extended attribute.
    pub fn attribute(&self, name: &Path, key: &CStr) -> Option<u8> {
        let place = self.place(name).ok()?;
        let path = CString::new(format!("/proc/self/fd/{}", place.as_raw_fd())).ok()?;
        let mut value = [0_u8; 16];
        // SAFETY: path and key are NUL-terminated; the buffer is as long as is said.
        let length =
            unsafe { libc::getxattr(path.as_ptr(), key.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
        (length > 0).then(|| value.first().copied()).flatten()
    }

    /// A regular file with this content, mode and time of change; `replace`: in the place of another one.
    ///
    /// # Errors
    /// What the calls give; EEXIST where something stands that is not to be replaced.
    pub fn put_file(&self, name: &Path, from: &mut File, like: &FileStat, replace: bool) -> io::Result<()> {
        let (holder, last) = self.holder(name)?;
        let half = half()?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&holder, half.as_os_str(), flags, Mode::from_bits_truncate(0o600))?);
        let filled = io::copy(from, &mut file)
            .and_then(|_| Ok(nix::sys::stat::fchmod(&file, mode(like.st_mode))?))
            .and_then(|()| set_time(&file, like))
            .and_then(|()| Ok(come(&holder, &half, last, replace)?));
        if filled.is_err() {
            let _ = unlinkat(&holder, half.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
        filled
    }

    /// A symlink; `replace`: in the place of what is no directory.
    ///
    /// # Errors
    /// As for [`Beneath::put_file`].
    pub fn put_link(&self, name: &Path, target: &Path, replace: bool) -> io::Result<()> {
        let (holder, last) = self.holder(name)?;
        let half = half()?;
        symlinkat(target, &holder, half.as_os_str())?;
        let put = come(&holder, &half, last, replace);
        if put.is_err() {
            let _ = unlinkat(&holder, half.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
        Ok(put?)
    }

    /// A directory that is this user's alone, until its mode is set.
    ///
    /// # Errors
    /// What mkdirat(2) gives.
    pub fn put_directory(&self, name: &Path) -> nix::Result<()> {
        let (holder, last) = self.holder(name)?;
        mkdirat(holder, last, Mode::from_bits_truncate(0o700))
    }

    /// A FIFO.
    ///
    /// # Errors
    /// What mknodat(2) gives.
    pub fn put_fifo(&self, name: &Path, like: &FileStat) -> nix::Result<()> {
        let (holder, last) = self.holder(name)?;
        mknodat(&holder, last, SFlag::S_IFIFO, mode(like.st_mode), 0)?;
        self.set_mode(name, like.st_mode)
    }

    /// Takes one name away.
    ///
    /// # Errors
    /// What unlinkat(2) gives.
    pub fn remove(&self, name: &Path, directory: bool) -> nix::Result<()> {
        let (holder, last) = self.holder(name)?;
        unlinkat(holder, last, if directory { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir })
    }

    /// Sets a mode, never that of what a symlink leads to. Bits that make somebody else of who runs a file are not given; a
    /// directory keeps those that it has.
    ///
    /// # Errors
    /// What fchmodat(2) gives.
    pub fn set_mode(&self, name: &Path, wanted: u32) -> nix::Result<()> {
        let place = self.place(name)?;
        let now = fstat(&place)?.st_mode;
        if now & SFlag::S_IFMT.bits() == SFlag::S_IFLNK.bits() {
            return Err(Errno::ELOOP);
        }
        let kept = if now & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits() { now } else { now & wanted };
        host::set_mode_of(&place, wanted & PLAIN | kept & 0o6000)
    }

    /// Sets the time of the last change.
    ///
    /// # Errors
    /// What futimens(2) gives.
    pub fn set_time(&self, name: &Path, like: &FileStat) -> io::Result<()> {
        set_time(&File::from(self.at(name, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW)?), like)
    }
}

fn mode(bits: u32) -> Mode {
    Mode::from_bits_truncate(bits & PLAIN)
}

fn set_time(file: &File, like: &FileStat) -> io::Result<()> {
    let (seconds, rest) = (u64::try_from(like.st_mtime), u32::try_from(like.st_mtime_nsec));
    // Before 1970: the time of now does.
    let (Ok(seconds), Ok(rest)) = (seconds, rest) else { return Ok(()) };
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(seconds, rest.min(999_999_999)))
}

fn half() -> io::Result<OsString> {
    Ok(format!("{HALF}{}", super::private::token()?).into())
}

fn come(holder: &impl std::os::fd::AsFd, half: &OsStr, last: &OsStr, replace: bool) -> nix::Result<()> {
    if replace { renameat(holder, half, holder, last) } else { rename(holder, half, holder, last) }
}

/// Takes a directory of this user's away, with all that hostile code has left in it: however deep, and with whatever modes.
///
/// # Errors
/// What the calls give.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let top = Beneath::open(path)?;
    let mut waiting = vec![PathBuf::from(".")];
    let mut number = 0_u64;
    while let Some(directory) = waiting.pop() {
        for entry in top.names(&directory, usize::MAX)? {
            let name = directory.join(&entry);
            if top.look(&name)?.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFDIR.bits() {
                top.remove(&name, false)?;
                continue;
            }
            host::set_mode_of(&top.place(&name)?, 0o700)?;
            // Every directory comes to the top, so that no path grows too long.
            number += 1;
            let (flat, (holder, last)) = (PathBuf::from(format!("{HALF}{number}")), top.holder(&name)?);
            renameat(holder, last, top.holder(&flat)?.0, flat.as_os_str())?;
            waiting.push(flat);
        }
        if directory != Path::new(".") {
            top.remove(&directory, true)?;
        }
    }
    std::fs::remove_dir(path)
}
