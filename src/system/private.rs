//! Directories that are one user's alone. Owns making and checking them; knows nothing of what lies in them.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Directories in which a user's private directory may stand, in order.
const BASES: &[&str] = &["/tmp", "/var/tmp"];

/// `/tmp/sbsh-UID` and where it stands else, in order; made and checked by whoever uses them.
pub fn of_user(user: u32) -> impl Iterator<Item = PathBuf> {
    BASES.iter().map(move |base| Path::new(base).join(format!("sbsh-{user}")))
}

/// Makes the directory, or checks that what is there is a directory of this user with exactly this mode.
///
/// # Errors
/// What mkdir(2) gives, or what is wrong with what is there.
pub fn directory(path: &Path, user: u32, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        // Whatever the caller's umask took away.
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    if is_private(path, user, mode) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "'{}' is not a directory of this user with mode {mode:03o}; remove it",
        path.display()
    )))
}

/// Whether there is such a directory, and no symlink to one.
pub fn is_private(path: &Path, user: u32, mode: u32) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o777 == mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_squatted_directory_is_refused() {
        let top = tempfile::tempdir().unwrap();
        let user = nix::unistd::geteuid().as_raw();
        let path = top.path().join("private");
        std::os::unix::fs::symlink("/etc", &path).unwrap();
        assert!(directory(&path, user, 0o700).is_err());
        fs::remove_file(&path).unwrap();
        assert!(!is_private(&path, user, 0o700));
        assert!(directory(&path, user, 0o700).is_ok());
        assert!(directory(&path, user, 0o700).is_ok());
        assert!(directory(&path, user + 1, 0o700).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(directory(&path, user, 0o700).is_err());
    }
}
