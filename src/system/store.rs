//! Small files that must never be read half written, lost or written through somebody else's symlink.
//!
//! Owns opening a directory, locking it, reading and replacing a file in it, all by descriptor. Must not know what the
//! files mean.

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long another writer may hold the lock.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// A directory that holds such files.
#[derive(Debug)]
pub struct Directory(OwnedFd);

/// The right to write; given back when dropped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] Flock<OwnedFd>);

/// A file as it was read.
#[derive(Debug)]
pub struct Stored {
    /// Its whole content.
    pub content: Vec<u8>,
    metadata: Metadata,
}

impl Directory {
    /// Opens a directory; the last part of the path may not be a symlink.
    ///
    /// # Errors
    /// What open(2) gives.
    pub fn open(path: &Path) -> io::Result<Directory> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(Directory(open(path, flags, Mode::empty())?))
    }

    /// Opens a directory by a path that was resolved before: if a symlink stands in it now, somebody put it there.
    ///
    /// # Errors
    /// What openat2(2) gives.
    pub fn open_resolved(path: &Path) -> io::Result<Directory> {
        #[cfg(target_os = "linux")]
        {
            use nix::fcntl::{AT_FDCWD, OpenHow, ResolveFlag, openat2};
            let how = OpenHow::new()
                .flags(OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
                .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
            Ok(Directory(openat2(AT_FDCWD, path, how)?))
        }
        #[cfg(not(target_os = "linux"))]
        Directory::open(path)
    }

    /// Fails unless the directory belongs to this user and nobody else may write in it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_private(&self) -> io::Result<()> {
        check_private(&File::from(self.0.try_clone()?).metadata()?)
    }

    /// Waits until no other process or thread holds the lock, at most ten seconds: each of them waits for its disk.
    ///
    /// # Errors
    /// `TimedOut`, or what flock(2) gives.
    pub fn lock(&self) -> io::Result<Lock> {
        // A description of its own: one that is shared would let two holders in at once.
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut file = openat(&self.0, ".", flags, Mode::empty())?;
        let start = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Lock(lock)),
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
                Err((_, error)) => return Err(error.into()),
            }
            if start.elapsed() > PATIENCE {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process keeps its directory locked",
                ));
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
    }

    /// The content of a regular file that is no symlink; `None` if nothing has that name.
    ///
    /// # Errors
    /// What open(2) gives; an error for what is no regular file or is longer than `limit`.
    pub fn read(&self, name: &OsStr, limit: u64) -> io::Result<Option<Stored>> {
        let flags =
            OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = match openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return Err(io::Error::other("it is a symlink")),
            // What a socket gives.
            Err(Errno::ENXIO) => return Err(io::Error::other("it is not a regular file")),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut content = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
            return Err(io::Error::other(format!("it is longer than {limit} bytes")));
        }
        Ok(Some(Stored { content, metadata }))
    }

    /// Writes a file anew as `mode`, whatever stood there; a reader sees the old content or the new one, and a crash
    /// leaves one of them. Call it with the lock held.
    ///
    /// # Errors
    /// What the calls give; then the old file stands.
    pub fn put(&self, name: &OsStr, content: &[u8], mode: u32, _lock: &Lock) -> io::Result<()> {
        let new = self.write_beside(name, content, 0o600)?;
        new.file.set_permissions(Permissions::from_mode(mode))?;
        self.rename(new, name)
    }

    /// Adds bytes at the end of a file by one write, and makes the file, as `mode`, if there is none. Call it with the
    /// lock held.
    ///
    /// # Errors
    /// What the calls give; an error too for what is no regular file of this user.
    pub fn append(&self, name: &OsStr, bytes: &[u8], mode: u32, _lock: &Lock) -> io::Result<()> {
        let flags = OFlag::O_WRONLY
            | OFlag::O_APPEND
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_NONBLOCK
            | OFlag::O_NOCTTY
            | OFlag::O_CLOEXEC;
        #[allow(clippy::useless_conversion)] // mode_t has 16 bits on macOS.
        let mode = Mode::from_bits_truncate(mode.try_into().unwrap_or(0o600));
        let mut file = File::from(openat(&self.0, name, flags, mode)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        check_private(&metadata)?;
        if file.write(bytes)? == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Makes a file that must not be there yet: `false` if one is. The mode is `mode` less the umask.
    ///
    /// # Errors
    /// What the calls give; then there is no file.
    pub fn create(&self, name: &OsStr, content: &[u8], mode: u32, _lock: &Lock) -> io::Result<bool> {
        let new = self.write_beside(name, content, mode)?;
        match linkat(&self.0, new.name.as_os_str(), &self.0, name, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::EEXIST) => return Ok(false),
            // A file system without hard links: no other way to be both whole and first, but the lock keeps our own out.
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EMLINK) => {
                if self.read(name, 0).ok().flatten().is_some() {
                    return Ok(false);
                }
                self.rename(new, name)?;
                return Ok(true);
            }
            Err(error) => return Err(error.into()),
        }
        drop(new);
        self.flush()?;
        Ok(true)
    }

    /// Replaces a file by a new content with the same mode and owner, unless it changed since it was read: then
    /// `false`, and nothing happened. Call it with the lock held.
    ///
    /// # Errors
    /// What the calls give; then the old file stands.
    pub fn replace(&self, name: &OsStr, old: &Stored, content: &[u8], _lock: &Lock) -> io::Result<bool> {
        let new = self.write_beside(name, content, 0o600)?;
        let fresh = new.file.metadata()?;
        let (uid, gid) = (old.metadata.uid(), old.metadata.gid());
        if (fresh.uid(), fresh.gid()) != (uid, gid) {
            fchown(&new.file, Some(uid), Some(gid))?;
        }
        new.file.set_permissions(Permissions::from_mode(old.metadata.mode() & 0o777))?;
        let limit = u64::try_from(old.content.len()).unwrap_or(u64::MAX);
        let now = self.read(name, limit).ok().flatten();
        let same = now.is_some_and(|now| {
            now.content == old.content
                && (now.metadata.dev(), now.metadata.ino()) == (old.metadata.dev(), old.metadata.ino())
        });
        if !same {
            return Ok(false);
        }
        self.rename(new, name)?;
        Ok(true)
    }

    fn write_beside(&self, name: &OsStr, content: &[u8], mode: u32) -> io::Result<Beside<'_>> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        #[allow(clippy::useless_conversion)] // mode_t has 16 bits on macOS.
        let mode = Mode::from_bits_truncate(mode.try_into().unwrap_or(0o600));
        for number in 0..1000 {
            let mut beside = OsString::from(".");
            beside.push(name);
            beside.push(format!(".sbsh-{}-{number}", std::process::id()));
            match openat(&self.0, beside.as_os_str(), flags, mode) {
                Ok(file) => {
                    let mut new = Beside { directory: self, name: beside, file: File::from(file) };
                    new.file.write_all(content)?;
                    new.file.sync_all()?;
                    return Ok(new);
                }
                Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EEXIST.into())
    }

    fn rename(&self, new: Beside<'_>, name: &OsStr) -> io::Result<()> {
        renameat(&self.0, new.name.as_os_str(), &self.0, name)?;
        self.flush()
    }

    fn flush(&self) -> io::Result<()> {
        // Some file systems cannot; the content itself was flushed before.
        match nix::unistd::fsync(&self.0) {
            Ok(()) | Err(Errno::EINVAL | Errno::EBADF | Errno::ENOTSUP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Stored {
    /// Fails unless the file belongs to this user and nobody else may write to it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_private(&self) -> io::Result<()> {
        check_private(&self.metadata)
    }
}

fn check_private(metadata: &Metadata) -> io::Result<()> {
    let user = nix::unistd::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(io::Error::other(format!("it belongs to user {}, not to {user}", metadata.uid())));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "others may write to it (mode {:03o})",
            metadata.mode() & 0o777
        )));
    }
    Ok(())
}

/// A file under a name that no program looks for, gone when dropped (after a rename nothing has that name).
struct Beside<'a> {
    directory: &'a Directory,
    name: OsString,
    file: File,
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        let _ = unlinkat(&self.directory.0, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn names(at: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(at).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replacing_keeps_the_mode_and_leaves_nothing_beside() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("f");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let lock = directory.lock().unwrap();
        let old = directory.read("f".as_ref(), 100).unwrap().unwrap();
        assert!(directory.replace("f".as_ref(), &old, b"new", &lock).unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert_eq!(names(place.path()), ["f"]);
    }

    #[test]
    fn what_changed_since_it_was_read_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("f");
        fs::write(&file, "old").unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let lock = directory.lock().unwrap();
        let old = directory.read("f".as_ref(), 100).unwrap().unwrap();
        for other in ["odl", "old and more", ""] {
            fs::write(&file, other).unwrap();
            assert!(!directory.replace("f".as_ref(), &old, b"new", &lock).unwrap());
            assert_eq!(fs::read_to_string(&file).unwrap(), other);
        }
        fs::remove_file(&file).unwrap();
        assert!(!directory.replace("f".as_ref(), &old, b"new", &lock).unwrap());
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[test]
    fn making_a_file_never_replaces_one() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let lock = directory.lock().unwrap();
        assert!(directory.create("f".as_ref(), b"one", 0o644, &lock).unwrap());
        assert!(!directory.create("f".as_ref(), b"two", 0o644, &lock).unwrap());
        assert_eq!(fs::read(place.path().join("f")).unwrap(), b"one");
        symlink("/nowhere", place.path().join("link")).unwrap();
        assert!(!directory.create("link".as_ref(), b"two", 0o644, &lock).unwrap());
        assert_eq!(names(place.path()), ["f", "link"]);
    }

    #[test]
    fn only_small_regular_files_are_read() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        fs::write(place.path().join("f"), "12345").unwrap();
        symlink("f", place.path().join("link")).unwrap();
        fs::create_dir(place.path().join("d")).unwrap();
        nix::unistd::mkfifo(&place.path().join("pipe"), Mode::S_IRWXU).unwrap();
        let error = |name: &str| directory.read(name.as_ref(), 4).unwrap_err().to_string();
        assert_eq!(error("f"), "it is longer than 4 bytes");
        assert_eq!(error("link"), "it is a symlink");
        assert_eq!(error("d"), "it is not a regular file");
        assert_eq!(error("pipe"), "it is not a regular file");
        assert_eq!(directory.read("f".as_ref(), 5).unwrap().unwrap().content, b"12345");
        assert!(directory.read("none".as_ref(), 5).unwrap().is_none());
    }

    #[test]
    fn appending_makes_the_file_and_follows_no_symlink() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let lock = directory.lock().unwrap();
        directory.append("f".as_ref(), b"one\n", 0o600, &lock).unwrap();
        directory.append("f".as_ref(), b"two\n", 0o600, &lock).unwrap();
        assert_eq!(fs::read(place.path().join("f")).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::metadata(place.path().join("f")).unwrap().mode() & 0o777, 0o600);
        symlink("f", place.path().join("link")).unwrap();
        assert!(directory.append("link".as_ref(), b"x", 0o600, &lock).is_err());
        assert_eq!(fs::read(place.path().join("f")).unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_symlink_in_a_resolved_path_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        fs::create_dir_all(real.join("d/e")).unwrap();
        symlink("d", real.join("link")).unwrap();
        assert!(Directory::open_resolved(&real.join("d/e")).is_ok());
        assert!(Directory::open_resolved(&real.join("link")).is_err());
        #[cfg(target_os = "linux")]
        assert!(Directory::open_resolved(&real.join("link/e")).is_err());
    }
}
