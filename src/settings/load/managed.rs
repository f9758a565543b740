//! That managed settings are the administrator's alone. Owns that check: whoever could write one, or put another in the
//! place of one, or of a directory or link on the way to one, could write policy.

use super::SettingsError;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many links are followed, as in the kernel.
const MOST_LINKS: usize = 40;

/// Whether something has this name, also a link that leads nowhere.
pub(super) fn is_there(path: &Path) -> Result<bool, SettingsError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unreachable(path, &error)),
    }
}

/// Fails unless root alone can change what the path leads to, and where it leads.
pub(super) fn administrators_alone(path: &Path) -> Result<(), SettingsError> {
    let mut links = 0;
    let end = walk(path, path, &mut links)?;
    let metadata = fs::symlink_metadata(&end).map_err(|error| unreachable(path, &error))?;
    check(path, &end, &metadata, false)
}

/// Goes a path step by step and gives where it ends.
fn walk(named: &Path, path: &Path, links: &mut usize) -> Result<PathBuf, SettingsError> {
    let failed = |error: io::Error| unreachable(named, &error);
    let mut here = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                let next = here.join(name);
                let metadata = fs::symlink_metadata(&next).map_err(failed)?;
                if !metadata.is_symlink() {
                    check(named, &next, &metadata, true)?;
                    here = next;
                    continue;
                }
                *links += 1;
                if *links > MOST_LINKS {
                    return Err(failed(io::Error::other("too many links")));
                }
                here = walk(named, &here.join(fs::read_link(&next).map_err(failed)?), links)?;
            }
            Component::ParentDir => {
                here.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(here)
}

/// On the way a directory may be one like /tmp, where nobody can replace what is another's.
fn check(named: &Path, step: &Path, metadata: &Metadata, on_the_way: bool) -> Result<(), SettingsError> {
    const STICKY: u32 = 0o1000;
    let shared = on_the_way && metadata.is_dir() && metadata.mode() & STICKY != 0;
    if metadata.uid() == 0 && (metadata.mode() & 0o022 == 0 || shared) {
        return Ok(());
    }
    let what = if step == named { String::new() } else { format!("; it depends on '{}'", step.display()) };
    let message = format!(
        "managed settings must belong to root and be writable by nobody else{what} (owner {}, mode {:03o}); chown root and chmod go-w it",
        metadata.uid(),
        metadata.mode() & 0o777
    );
    Err(SettingsError::whole(named, message))
}

fn unreachable(path: &Path, error: &io::Error) -> SettingsError {
    SettingsError::whole(path, format!("cannot look at it: {error}"))
}
