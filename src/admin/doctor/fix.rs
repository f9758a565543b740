//! `sbshctl doctor --fix`: what can be put right without anybody's decision, because only one state is right.
//!
//! Owns the modes of sbsh's own directories and files of this user. It installs nothing, changes no settings, and touches
//! nothing that belongs to somebody else or is a symlink.

use crate::system::private;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Puts right what is wrong; what was done, a line each.
pub fn all(state: Option<&Path>) -> Vec<String> {
    let user = nix::unistd::geteuid().as_raw();
    let mut done = Vec::new();
    if let Some(state) = state {
        match fs::symlink_metadata(state) {
            Err(_) => {
                if private::directories(state, 0o700).is_ok() {
                    done.push(format!("made '{}'", state.display()));
                }
            }
            Ok(_) => only_ours(state, user, &mut done),
        }
        let entries = fs::read_dir(state).into_iter().flatten().flatten();
        entries.for_each(|entry| only_ours(&entry.path(), user, &mut done));
    }
    private::of_user(user).for_each(|path| only_ours(&path, user, &mut done));
    done.sort();
    done
}

/// A directory or a file of this user's that others may use is this user's alone again.
fn only_ours(path: &Path, user: u32, done: &mut Vec<String>) {
    let Ok(found) = fs::symlink_metadata(path) else { return };
    let mode = found.mode() & 0o7777;
    if found.uid() != user || !(found.is_dir() || found.is_file()) || mode & 0o077 == 0 {
        return;
    }
    let right = if found.is_dir() { 0o700 } else { 0o600 };
    let put = fs::set_permissions(path, fs::Permissions::from_mode(right));
    done.push(match put {
        Ok(()) => format!("'{}' had mode {mode:03o}, and has {right:03o} now", path.display()),
        Err(error) => format!("'{}' has mode {mode:03o}, which cannot be changed: {error}", path.display()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_could_read_is_closed_and_links_are_left() {
        let top = tempfile::tempdir().unwrap();
        let state = top.path().join("state");
        assert!(all(Some(&state)).iter().any(|line| line.starts_with("made ")));
        let (log, link, other) = (state.join("log"), state.join("link"), top.path().join("other"));
        fs::write(&log, "").unwrap();
        fs::write(&other, "").unwrap();
        fs::set_permissions(&log, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let done = all(Some(&state)).into_iter().filter(|line| line.contains("state")).collect::<Vec<_>>();
        assert_eq!(done.len(), 1, "{done:?}");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&log), mode(&other), mode(&state)), (0o600, 0o644, 0o700));
        assert!(all(Some(&state)).iter().all(|line| !line.contains("state")));
    }
}
