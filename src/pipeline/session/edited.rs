//! A line in the person's editor, which runs inside: the file, written before and read after.
//!
//! Owns reading what confined code left there: a plain file of bounded length, or nothing. What an editor leaves never runs
//! by itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// More than this of an edited line is not read.
const MOST: u64 = 1 << 20;

/// What the editor left, taken away with its file.
pub(super) fn take(path: PathBuf) -> Option<String> {
    let text = read(&path);
    let _ = std::fs::remove_file(&path);
    text.ok().map(|text| text.trim_end_matches('\n').to_owned())
}

/// Writes a line for an editor, into a new file.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")
}

/// What confined code left there: a plain file, or nothing.
fn read(path: &Path) -> io::Result<String> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_editor_leaves_is_taken_if_it_is_a_plain_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("line");
        write(&path, "ls\necho").unwrap();
        assert_eq!(take(path.clone()).as_deref(), Some("ls\necho"));
        assert!(!path.exists());
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(take(path.clone()), None);
        assert!(std::fs::symlink_metadata(&path).is_err());
    }
}
