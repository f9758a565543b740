//! Files that a known agent's wrapping writes (its cwd file, its shell snapshot): made beforehand, so that a mount can
//! hold exactly them, and taken away again if the command did not write them.

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of change that a file has which nobody but sbsh has opened for writing.
const UNTOUCHED: SystemTime = UNIX_EPOCH;

/// What may be written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// These places.
    pub writable: Vec<PathBuf>,
    /// Those of them that were made here.
    pub made: Vec<PathBuf>,
}

/// Makes or checks each wanted path: a regular file or directory of this user, never through a symlink, in a
/// directory that is this user's or sticky as `/tmp` is. Anything else is passed over and stays unwritable.
pub fn prepare(wanted: &[PathBuf]) -> Granted {
    let user = nix::unistd::geteuid().as_raw();
    let mut granted = Granted::default();
    for path in wanted {
        if !is_safe_parent(path, user) {
            continue;
        }
        match fs::symlink_metadata(path) {
            Ok(found) => {
                if found.uid() == user && (found.is_dir() || found.is_file() && found.nlink() == 1) {
                    granted.writable.push(path.clone());
                }
            }
            Err(_) => {
                let Ok(made) = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
                else {
                    continue;
                };
                // A file that is opened for writing anew gets a time of today, even if nothing is written: an agent may look
                // whether it is there.
                if made.set_modified(UNTOUCHED).is_err() {
                    let _ = fs::remove_file(path);
                    continue;
                }
                granted.writable.push(path.clone());
                granted.made.push(path.clone());
            }
        }
    }
    granted
}

fn is_safe_parent(path: &Path, user: u32) -> bool {
    let Some(parent) = path.parent() else { return false };
    // Resolved, so that no link on the way leads elsewhere.
    let real = fs::canonicalize(parent).is_ok_and(|real| real == parent);
    real && fs::metadata(parent).is_ok_and(|m| m.is_dir() && (m.uid() == user || m.mode() & 0o1000 != 0))
}

/// Takes away what was made and never opened for writing.
pub fn clear(made: &[PathBuf]) {
    for path in made {
        let untouched =
            |m: fs::Metadata| m.is_file() && m.len() == 0 && m.modified().is_ok_and(|at| at == UNTOUCHED);
        if fs::symlink_metadata(path).is_ok_and(untouched) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_link_is_not_granted() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        let (link, new, hard) = (top.join("link"), top.join("new"), top.join("hard"));
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        fs::write(top.join("file"), "x").unwrap();
        fs::hard_link(top.join("file"), &hard).unwrap();
        let granted = prepare(&[link, new.clone(), hard, PathBuf::from("/nowhere/at/all")]);
        assert_eq!(granted, Granted { writable: vec![new.clone()], made: vec![new.clone()] });
        clear(&granted.made);
        assert!(!new.exists());
        // Written, though with nothing.
        let granted = prepare(std::slice::from_ref(&new));
        fs::write(&new, "").unwrap();
        clear(&granted.made);
        assert!(new.exists());
    }
}
