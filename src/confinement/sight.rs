//! Looking at the file system, where nothing there and not to be seen are two things.
//!
//! Owns which answers of the kernel mean that there is nothing which anybody inside could reach. Any other failure (EIO, EMFILE,
//! ENOMEM, ESTALE) is kept: what could not be looked at may be a secret, and is there again when the command runs.

use nix::errno::Errno;
use std::cell::RefCell;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What was looked at, as far as it could not be.
#[derive(Debug, Default)]
pub struct Sight {
    trouble: RefCell<Option<(PathBuf, io::Error)>>,
}

impl Sight {
    /// The first path that could not be looked at, and why.
    pub fn trouble(self) -> Option<(PathBuf, io::Error)> {
        self.trouble.into_inner()
    }

    /// lstat(2).
    pub fn metadata(&self, path: &Path) -> Option<Metadata> {
        self.of(path, fs::symlink_metadata(path))
    }

    /// Whether something stands there, be it a link to nowhere.
    pub fn stands(&self, path: &Path) -> bool {
        self.metadata(path).is_some()
    }

    /// stat(2).
    pub fn target(&self, path: &Path) -> Option<Metadata> {
        self.of(path, fs::metadata(path))
    }

    /// Where a symlink leads; `None` too where there is none.
    pub fn link(&self, path: &Path) -> Option<PathBuf> {
        self.of(path, fs::read_link(path))
    }

    /// The path without links.
    pub fn canonical(&self, path: &Path) -> Option<PathBuf> {
        self.of(path, fs::canonicalize(path))
    }

    /// What a directory holds.
    pub fn list(&self, directory: &Path) -> Option<impl Iterator<Item = DirEntry> + use<'_>> {
        let of = directory.to_path_buf();
        let entries = self.of(directory, fs::read_dir(directory))?;
        Some(entries.map_while(move |entry| self.of(&of, entry)))
    }

    /// The directory on the way to a path that keeps this user from looking, where this user may open it again: so may a
    /// command, which could have closed it (chmod) to hide from us what it means to read.
    pub fn shut(&self, path: &Path) -> Option<PathBuf> {
        let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let by = match fs::symlink_metadata(path) {
            Ok(_) => {
                let is_directory = fs::metadata(path).is_ok_and(|m| m.is_dir());
                (is_directory && fs::read_dir(path).is_err_and(|error| is_denied(&error))).then_some(path)?
            }
            Err(error) if is_denied(&error) => {
                path.ancestors().skip(1).find(|step| fs::metadata(step).is_ok())?
            }
            // Of most that policies name there is nothing.
            Err(_) => return None,
        };
        let own = fs::metadata(by).is_ok_and(|m| m.uid() == nix::unistd::geteuid().as_raw());
        own.then(|| fs::canonicalize(by).ok()).flatten()
    }

    fn of<T>(&self, path: &Path, seen: io::Result<T>) -> Option<T> {
        seen.inspect_err(|error| {
            let mut trouble = self.trouble.borrow_mut();
            if trouble.is_none() && !is_nothing(error) {
                let cause = error.raw_os_error().map(io::Error::from_raw_os_error);
                *trouble = cause.map(|cause| (path.to_path_buf(), cause));
            }
        })
        .ok()
    }
}

/// Whether there is nothing that this user could reach, and inside nobody can do more, but for [`Sight::shut`]. ENOTCONN is a FUSE file system whose
/// server is gone, for good; EINVAL is no link.
fn is_nothing(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(
        number,
        None | Some(
            Errno::ENOENT
                | Errno::ENOTDIR
                | Errno::EACCES
                | Errno::EPERM
                | Errno::ELOOP
                | Errno::ENAMETOOLONG
                | Errno::ENOTCONN
                | Errno::EINVAL
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_there_is_no_trouble_and_a_failing_disk_is() {
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("file");
        fs::write(&file, "").unwrap();
        let sight = Sight::default();
        assert!(sight.stands(&file) && sight.link(&file).is_none() && sight.list(&file).is_none());
        assert!(!sight.stands(&file.join("below")) && sight.canonical(&top.path().join("none")).is_none());
        assert!(sight.of(&file, Err::<(), _>(Errno::EACCES.into())).is_none());
        assert!(sight.trouble.borrow().is_none());
        for number in [Errno::EIO, Errno::EMFILE, Errno::ENOMEM, Errno::ESTALE, Errno::EINTR] {
            let sight = Sight::default();
            assert!(sight.of(&file, Err::<(), _>(number.into())).is_none());
            let (path, cause) = sight.trouble().unwrap();
            assert_eq!((path, cause.raw_os_error()), (file.clone(), Some(number as i32)));
        }
    }
}
