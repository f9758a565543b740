//! Files beneath one directory, by descriptors and without following any symlink, for trees that hostile code can
//! change at any time. Owns the calls; decides nothing. openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
//! RESOLVE_NO_MAGICLINKS (Linux 5.6).
#![allow(unsafe_code)]

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat};
use nix::unistd::geteuid;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A directory beneath which everything happens.
#[derive(Debug)]
pub struct Beneath(OwnedFd);

/// The directory in which a name stands.
pub(super) enum Holder<'a> {
    Top(&'a OwnedFd),
    Below(OwnedFd),
}

impl AsFd for Holder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Holder::Top(top) => top.as_fd(),
            Holder::Below(directory) => directory.as_fd(),
        }
    }
}

impl Beneath {
    /// Opens the top by a path in which symlinks are resolved.
    ///
    /// # Errors
    /// What open(2) gives.
    pub fn open(top: &Path) -> io::Result<Beneath> {
        // A symlink anywhere in a path that was resolved before was put there since.
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_PATH;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        Ok(Beneath(openat2(nix::fcntl::AT_FDCWD, top, how)?))
    }

    /// The same where the top may have been closed meanwhile (chmod), or a directory above it: those of this user get back
    /// what looking takes.
    ///
    /// # Errors
    /// What open(2) gives; also for a directory of this user's that cannot be listed nevertheless.
    pub fn reopen(top: &Path) -> io::Result<Beneath> {
        let beneath = match Beneath::open(top) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                clear_the_way(top)?;
                Beneath::open(top)?
            }
            opened => opened?,
        };
        give_back(&beneath.0, 0o500);
        let listed = beneath.at(Path::new("."), OFlag::O_DIRECTORY | OFlag::O_RDONLY);
        let is_own = || fstat(&beneath.0).is_ok_and(|found| found.st_uid == geteuid().as_raw());
        match listed {
            Err(error) if is_own() => Err(error.into()),
            _ => Ok(beneath),
        }
    }

    pub(super) fn at(&self, name: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
        openat2(&self.0, name, how)
    }

    /// The directory that holds a name, and the name's last part.
    pub(super) fn holder<'a>(&self, name: &'a Path) -> nix::Result<(Holder<'_>, &'a OsStr)> {
        let last = name.file_name().ok_or(Errno::EINVAL)?;
        match name.parent().filter(|p| !p.as_os_str().is_empty()) {
            // Most names stand at the top itself, which is open already.
            None => Ok((Holder::Top(&self.0), last)),
            Some(parent) => Ok((Holder::Below(self.at(parent, OFlag::O_DIRECTORY | OFlag::O_PATH)?), last)),
        }
    }

    fn stat(&self, name: &Path) -> nix::Result<FileStat> {
        let look = || {
            let (holder, last) = self.holder(name)?;
            fstatat(holder, last, AtFlags::AT_SYMLINK_NOFOLLOW)
        };
        look().or_else(|error| if error == Errno::EACCES && self.unlock(name) { look() } else { Err(error) })
    }

    /// Gives this user's own directories on the way to a name, and the name itself if it is one, back to this user:
    /// taking their permissions away must not keep anything from being looked at or moved. Whether any changed.
    fn unlock(&self, name: &Path) -> bool {
        let steps: Vec<&Path> = name.ancestors().filter(|step| !step.as_os_str().is_empty()).collect();
        // The top is open: to look it up in itself would take what was taken away.
        let mut changed = give_back(&self.0, 0o700);
        for step in steps.into_iter().rev() {
            let Ok(directory) = self.at(step, OFlag::O_DIRECTORY | OFlag::O_PATH) else { continue };
            changed |= give_back(&directory, 0o700);
        }
        changed
    }

    /// The first symlink among the directories on the way to a name.
    pub fn link_on_the_way(&self, name: &Path) -> Option<PathBuf> {
        let mut above: Vec<&Path> =
            name.ancestors().skip(1).filter(|step| !step.as_os_str().is_empty()).collect();
        above.reverse();
        above.into_iter().find(|step| self.read_link(step).is_some()).map(Path::to_path_buf)
    }

    /// Whether something stands there (a symlink counts as itself).
    pub fn exists(&self, name: &Path) -> bool {
        self.stat(name).is_ok()
    }

    /// Whether a directory stands there.
    pub fn is_directory(&self, name: &Path) -> bool {
        self.stat(name).is_ok_and(|s| s.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits())
    }

    /// Whether a file stands there that other names have, too: by them it is changed where nobody looks.
    pub fn has_other_names(&self, name: &Path) -> bool {
        self.stat(name)
            .is_ok_and(|s| s.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits() && s.st_nlink > 1)
    }

    /// Where a symlink points; `None` if there is none.
    pub fn read_link(&self, name: &Path) -> Option<PathBuf> {
        let (holder, last) = self.holder(name).ok()?;
        readlinkat(holder, last).ok().map(PathBuf::from)
    }

    /// Makes a symlink.
    ///
    /// # Errors
    /// What symlinkat(2) gives.
    pub fn make_link(&self, target: &Path, name: &Path) -> io::Result<()> {
        let (holder, last) = self.holder(name)?;
        Ok(nix::unistd::symlinkat(target, holder, last)?)
    }

    /// The names in a directory, without `.` and `..`.
    ///
    /// # Errors
    /// If it is no directory, cannot be listed, or holds more than `limit` names.
    pub fn names(&self, directory: &Path, limit: usize) -> io::Result<Vec<OsString>> {
        let mut listing = Dir::from_fd(self.at(directory, OFlag::O_DIRECTORY | OFlag::O_RDONLY)?)?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_os_string();
            if name != "." && name != ".." {
                names.push(name);
            }
            if names.len() > limit {
                return Err(io::Error::other("too many names"));
            }
        }
        Ok(names)
    }

    /// The content of a regular file, at most `limit` bytes.
    ///
    /// # Errors
    /// What open(2) gives; an error for what is no regular file or is longer.
    pub fn read(&self, name: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = std::fs::File::from(self.at(name, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > limit {
            return Err(io::Error::other("not a small regular file"));
        }
        let mut content = Vec::new();
        file.take(limit).read_to_end(&mut content)?;
        Ok(content)
    }

    /// Moves a name into `target` (a directory outside, made if missing, of which nobody else can write), under a name
    /// that is free there. Where a rename cannot cross, it is moved aside within its own directory instead, under a
    /// name that no program looks for.
    ///
    /// # Errors
    /// What rename(2) gives.
    pub fn move_out(&self, name: &Path, target: &Path) -> io::Result<PathBuf> {
        super::private::directories(target, 0o700)?;
        let outside = Beneath::open(&std::fs::canonicalize(target)?)?;
        let mut error = Errno::EEXIST;
        for _ in 0..100 {
            error = match self.move_once(name, &outside, target) {
                Ok(moved) => return Ok(moved),
                Err(Errno::EACCES) if self.unlock(name) => continue,
                Err(Errno::EEXIST) => Errno::EEXIST,
                Err(error) => return Err(error.into()),
            };
        }
        Err(error.into())
    }

    fn move_once(&self, name: &Path, outside: &Beneath, target: &Path) -> nix::Result<PathBuf> {
        let (holder, last) = self.holder(name)?;
        // By chance: every name that could be foreseen could be taken beforehand.
        let mut chance = [0; 8];
        std::io::Read::read_exact(
            &mut std::fs::File::open("/dev/urandom").map_err(|_| Errno::EIO)?,
            &mut chance,
        )
        .map_err(|_| Errno::EIO)?;
        let number = u64::from_le_bytes(chance);
        let mut free = OsString::from(format!("{number:016x}-"));
        free.push(last);
        match rename(&holder, last, &outside.0, &free) {
            Ok(()) => Ok(target.join(free)),
            Err(Errno::EXDEV) => {
                let mut aside = OsString::from(format!(".sbsh-quarantine-{number:016x}-"));
                aside.push(last);
                rename(&holder, last, &holder, &aside)?;
                Ok(name.with_file_name(aside))
            }
            Err(error) => Err(error),
        }
    }
}

/// Gives this user a directory's bits back, if it is this user's and some are missing. Whether that was done.
fn give_back(directory: &OwnedFd, bits: u32) -> bool {
    let Ok(found) = fstat(directory) else { return false };
    if found.st_uid != geteuid().as_raw() || found.st_mode & bits == bits {
        return false;
    }
    // By descriptor; fchmod(2) refuses one that was opened with O_PATH.
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(found.st_mode & 0o7777 | bits);
    std::fs::set_permissions(path, mode).is_ok()
}

/// Makes what this user closed on the way to a path passable.
fn clear_the_way(path: &Path) -> io::Result<()> {
    let mut here = Beneath::open(Path::new("/"))?;
    for part in path.iter().skip(1) {
        let step = || here.at(Path::new(part), OFlag::O_DIRECTORY | OFlag::O_PATH);
        let next = match step() {
            Err(Errno::EACCES) if give_back(&here.0, 0o100) => step(),
            next => next,
        };
        here = Beneath(next?);
    }
    Ok(())
}

/// The text of a regular file of at most `limit` bytes; `None` for everything else. What stands there may be replaced
/// at any time by something that is waited for or never ends.
pub fn read_small(path: &Path, limit: u64) -> Option<String> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > limit {
        return None;
    }
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Whether an absolute path exists and is its own canonical form, by one call instead of one for each component.
pub fn is_canonical(path: &Path) -> bool {
    use std::path::Component;
    let plain = path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    let normal: PathBuf = path.components().collect();
    if !plain || normal.as_os_str() != path.as_os_str() {
        return false;
    }
    let how =
        OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(nix::fcntl::AT_FDCWD, path, how).is_ok()
}

pub(super) fn rename(from: &impl AsFd, name: &OsStr, to: &impl AsFd, new: &OsStr) -> nix::Result<()> {
    let text = |name: &OsStr| CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL);
    let (name, new) = (text(name)?, text(new)?);
    // SAFETY: both descriptors are open and both names are NUL-terminated for the length of the call.
    let status = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            from.as_fd().as_raw_fd(),
            name.as_ptr(),
            to.as_fd().as_raw_fd(),
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    Errno::result(status).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn symlinks_on_the_way_are_not_followed() {
        let top = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("settings.json"), "mine").unwrap();
        std::os::unix::fs::symlink(outside.path(), top.path().join(".claude")).unwrap();
        let beneath = Beneath::open(&fs::canonicalize(top.path()).unwrap()).unwrap();
        let name = Path::new(".claude/settings.json");
        assert!(!beneath.exists(name));
        assert!(beneath.read(name, 100).is_err());
        assert!(beneath.move_out(name, &outside.path().join("q")).is_err());
        assert!(outside.path().join("settings.json").exists());
        assert!(!beneath.exists(Path::new("../x")));
    }

    #[test]
    fn a_canonical_path_has_no_links_dots_or_doubled_slashes() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        fs::create_dir(top.join("real")).unwrap();
        std::os::unix::fs::symlink("real", top.join("link")).unwrap();
        let text = top.to_str().unwrap();
        assert!(is_canonical(&top.join("real")) && is_canonical(Path::new("/")));
        for other in ["link", "missing", "real/../real", "./real", "real/", "/real"] {
            assert!(!is_canonical(Path::new(&format!("{text}/{other}"))), "{other}");
        }
    }

    #[test]
    fn what_is_moved_out_never_replaces_anything() {
        let top = tempfile::tempdir().unwrap();
        let target = top.path().join("quarantine");
        let beneath = Beneath::open(&fs::canonicalize(top.path()).unwrap()).unwrap();
        let mut places = Vec::new();
        for content in ["one", "two"] {
            fs::write(top.path().join("f"), content).unwrap();
            places.push(beneath.move_out(Path::new("f"), &target).unwrap());
        }
        let contents: Vec<String> = places.iter().map(|p| fs::read_to_string(p).unwrap()).collect();
        assert_eq!(contents, ["one", "two"]);
    }
}
