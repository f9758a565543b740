//! Places on the host that runs need: the private TMPDIR and the stand-ins for what is hidden.
//!
//! Owns `/tmp/sbsh-UID`, made once with mode 0700 and checked at each use; TMPDIR is one directory in it for each
//! working root, so that what one command leaves there the next one finds, and it is as valid outside as inside.

use super::RunError;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Directories in which the private directory may stand, in order.
const BASES: &[&str] = &["/tmp", "/var/tmp"];

/// The private places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlaces {
    /// TMPDIR inside.
    pub tmpdir: PathBuf,
    /// A directory that nobody can read.
    pub blind_directory: PathBuf,
    /// A file that nobody can read.
    pub blind_file: PathBuf,
}

/// Makes, or finds and checks, the private places for commands of one working root (or of none).
///
/// # Errors
/// When neither base can hold a directory that is ours alone.
pub fn prepare(root: Option<&Path>) -> Result<HostPlaces, RunError> {
    let user = nix::unistd::geteuid().as_raw();
    let mut reasons = Vec::new();
    for base in BASES {
        let private = Path::new(base).join(format!("sbsh-{user}"));
        match private_directory(&private, user, 0o700).and_then(|()| places(&private, root, user)) {
            Ok(places) => return Ok(places),
            Err(error) => reasons.push(format!("{}: {error}", private.display())),
        }
    }
    Err(RunError::System { verb: "make a private temporary directory", cause: reasons.join("; ") })
}

fn places(private: &Path, root: Option<&Path>, user: u32) -> io::Result<HostPlaces> {
    let places = HostPlaces {
        tmpdir: private.join(name_for(root)),
        blind_directory: private.join("blind"),
        blind_file: private.join("blind-file"),
    };
    private_directory(&places.tmpdir, user, 0o700)?;
    private_directory(&places.blind_directory, user, 0o000)?;
    if fs::symlink_metadata(&places.blind_file).is_err() {
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o000)
            .open(&places.blind_file)
            .map(drop)
            .or_else(
                |error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) },
            )?;
    }
    let file = fs::symlink_metadata(&places.blind_file)?;
    if !file.is_file() || file.uid() != user || file.mode() & 0o7777 != 0 || file.len() != 0 {
        return Err(io::Error::other(format!(
            "'{}' is not an empty file of mode 000 of this user; remove it",
            places.blind_file.display()
        )));
    }
    Ok(places)
}

/// Makes the directory, or checks that what is there is a directory of this user with exactly this mode.
fn private_directory(path: &Path, user: u32, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        // Whatever the caller's umask took away.
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o777 == mode {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "'{}' is not a directory of this user with mode {mode:03o}; remove it",
        path.display()
    )))
}

/// A name for the root that is the same each time: a hash, because a path is too long for one component.
fn name_for(root: Option<&Path>) -> String {
    use sha2::{Digest, Sha256};
    let bytes = root.map_or(b"".as_slice(), |r| r.as_os_str().as_bytes());
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(String::from("t"), |mut name, byte| {
        use std::fmt::Write;
        let _ = write!(name, "{byte:02x}");
        name
    })
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
        assert!(private_directory(&path, user, 0o700).is_err());
        fs::remove_file(&path).unwrap();
        assert!(private_directory(&path, user, 0o700).is_ok());
        assert!(private_directory(&path, user, 0o700).is_ok());
        assert!(private_directory(&path, user + 1, 0o700).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(private_directory(&path, user, 0o700).is_err());
    }

    #[test]
    fn roots_have_directories_of_their_own() {
        assert_ne!(name_for(Some(Path::new("/a"))), name_for(Some(Path::new("/b"))));
        assert_ne!(name_for(Some(Path::new("/a"))), name_for(None));
        assert_eq!(name_for(Some(Path::new("/a"))).len(), 17);
    }
}
