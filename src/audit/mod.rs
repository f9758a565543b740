//! Audit: one JSON line per decision, appended to a file of this user's alone.
//!
//! Owns the file: its mode, its rotation, and that concurrent commands never mix their lines. Must not decide what is
//! logged, and never sees the content of a credential.
#![forbid(unsafe_code)]

pub mod syslog;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes after which the file is set aside as `audit.jsonl.1`, which replaces the one before.
const MOST: u64 = 16 << 20;

/// The log of one user.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// Below the state directory.
    pub fn of(state: &Path) -> Log {
        Log { path: state.join("audit.jsonl") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one object with the time (`time`, seconds since 1970 with milliseconds) put in front.
    ///
    /// # Errors
    /// What opening and writing give; a full disk too.
    pub fn append(&self, entry: &serde_json::Value) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut line = serde_json::Map::new();
        line.insert("time".into(), serde_json::json!(now.as_millis() as f64 / 1000.0));
        line.extend(entry.as_object().cloned().unwrap_or_default());
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        if fs::metadata(&self.path).is_ok_and(|file| file.len() > MOST) {
            let _ = fs::rename(&self.path, self.path.with_extension("jsonl.1"));
        }
        // One write with O_APPEND: lines of concurrent commands stand behind each other (write(2)).
        self.open()?.write_all(&text)
    }

    fn open(&self) -> io::Result<fs::File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        options.open(&self.path).or_else(|error| {
            let (io::ErrorKind::NotFound, Some(directory)) = (error.kind(), self.path.parent()) else {
                return Err(error);
            };
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            options.open(&self.path)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn lines_of_many_writers_stay_whole_and_the_file_is_private() {
        let top = tempfile::tempdir().unwrap();
        let log = Log::of(&top.path().join("a/b"));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let log = &log;
                scope.spawn(move || {
                    for number in 0..50 {
                        log.append(&serde_json::json!({"writer": writer, "number": number})).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(log.path()).unwrap();
        assert_eq!(text.lines().count(), 400);
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["time"].as_f64().unwrap() > 1.7e9 && value["writer"].is_u64());
        }
        assert_eq!(fs::metadata(log.path()).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_long_file_is_set_aside() {
        let top = tempfile::tempdir().unwrap();
        let log = Log::of(top.path());
        fs::File::create(log.path()).unwrap().set_len(MOST + 1).unwrap();
        log.append(&serde_json::json!({})).unwrap();
        assert!(fs::metadata(log.path()).unwrap().len() < 100);
        assert_eq!(fs::metadata(top.path().join("audit.jsonl.1")).unwrap().len(), MOST + 1);
    }
}
