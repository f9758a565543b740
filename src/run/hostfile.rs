//! Places on the host that runs need: the private TMPDIR and the stand-ins for what is hidden.
//!
//! Owns `/tmp/sbsh-UID`, made once with mode 0700 and checked at each use; TMPDIR is one directory in it for each
//! working root, so that what one command leaves there the next one finds, and it is as valid outside as inside.

use super::RunError;
use crate::system::private;
use crate::system::visible::hex;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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

impl HostPlaces {
    /// The variables that tell programs of it; zsh goes by its own where here-documents and `=(…)` need files (zshparam(1)).
    pub fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [("TMPDIR", self.tmpdir.clone()), ("TMPPREFIX", self.tmpdir.join("zsh"))]
    }
}

/// Makes, or finds and checks, the private places for commands of one working root (or of none).
///
/// # Errors
/// When neither base can hold a directory that is ours alone.
pub fn prepare(root: Option<&Path>) -> Result<HostPlaces, RunError> {
    let user = nix::unistd::geteuid().as_raw();
    let mut reasons = Vec::new();
    for private in private::of_user(user) {
        match private::directory(&private, user, 0o700).and_then(|()| places(&private, root, user)) {
            Ok(places) => return Ok(places),
            Err(error) => reasons.push(format!("{}: {error}", private.display())),
        }
    }
    Err(RunError::System { verb: "make a private temporary directory", cause: reasons.join("; ") })
}

fn places(directory: &Path, root: Option<&Path>, user: u32) -> io::Result<HostPlaces> {
    let places = HostPlaces {
        tmpdir: directory.join(name_for(root)),
        blind_directory: directory.join("blind"),
        blind_file: directory.join("blind-file"),
    };
    private::directory(&places.tmpdir, user, 0o700)?;
    private::directory(&places.blind_directory, user, 0o000)?;
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

/// The link in the state directory that says which mechanism was wanted when another one had been started.
const HABIT: &str = "builder";

/// Which mechanism the settings of this home wanted last time, where that was not what is usual. It only decides what is started
/// before the settings are read: what the settings want is built in any case.
pub fn habit(state: &Path) -> Option<String> {
    fs::read_link(state.join(HABIT)).ok()?.into_os_string().into_string().ok()
}

/// Keeps in mind which one is wanted. Where that fails, the next start takes longer.
pub fn get_used_to(mechanism: &str, state: &Path) {
    let link = state.join(HABIT);
    let _ = fs::remove_file(&link);
    let _ = std::os::unix::fs::symlink(mechanism, link);
}

/// A name for the root that is the same each time: a hash, because a path is too long for one component.
fn name_for(root: Option<&Path>) -> String {
    let bytes = root.map_or(b"".as_slice(), |r| r.as_os_str().as_bytes());
    format!("t{}", hex(Sha256::digest(bytes).get(..8).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_have_directories_of_their_own() {
        assert_ne!(name_for(Some(Path::new("/a"))), name_for(Some(Path::new("/b"))));
        assert_ne!(name_for(Some(Path::new("/a"))), name_for(None));
        assert_eq!(name_for(Some(Path::new("/a"))).len(), 17);
    }
}
