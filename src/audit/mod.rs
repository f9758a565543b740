//! Audit: one JSON line per decision, appended to a file of this user's alone.
//!
//! Owns the file: its mode, its rotation, that concurrent commands never mix their lines, and that lines keep their order. Must not decide what is
//! logged, and never sees the content of a credential.
#![forbid(unsafe_code)]

pub mod syslog;

use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes after which the file is set aside as `audit.jsonl.1`, which replaces the one before.
const MOST: u64 = 16 << 20;

/// Bytes of lines that may wait.
const MOST_WAITING: usize = 64 << 10;

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

    /// Sets a long file aside; device and inode of the file that is there then.
    fn look(&self) -> Option<(u64, u64)> {
        let file = fs::metadata(&self.path).ok()?;
        if file.len() > MOST {
            let _ = fs::rename(&self.path, self.path.with_extension("jsonl.1"));
            return None;
        }
        Some((file.dev(), file.ino()))
    }

    fn open(&self) -> io::Result<File> {
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

/// The log held open, for a process with many lines. Lines may wait and are then written together: opening and writing
/// cost as much as half a connection does.
#[derive(Debug)]
pub struct Scribe {
    log: Log,
    file: Option<(File, (u64, u64))>,
    waiting: Vec<u8>,
}

impl Scribe {
    /// For a log; nothing is opened before there is a line.
    pub fn of(log: Log) -> Scribe {
        Scribe { log, file: None, waiting: Vec::new() }
    }

    /// Adds one object with the time (`time`, seconds since 1970 with milliseconds) put in front. It waits for
    /// [`Scribe::write_down`], but not where too many do.
    ///
    /// # Errors
    /// What cannot be said in JSON; what writing gives.
    pub fn note(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let before = self.waiting.len();
        let done = line(&mut self.waiting, now.as_millis() as f64 / 1000.0, entry);
        if done.is_err() {
            self.waiting.truncate(before);
        }
        done?;
        if self.waiting.len() > MOST_WAITING { self.write_down() } else { Ok(()) }
    }

    /// Writes the lines that wait, in their order.
    ///
    /// # Errors
    /// What opening and writing give; a full disk too. The lines are lost then.
    pub fn write_down(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self.write();
        self.waiting.clear();
        if written.is_err() {
            self.file = None;
        }
        written
    }

    fn write(&mut self) -> io::Result<()> {
        let there = self.log.look();
        let file = match self.file.take() {
            Some((file, identity)) if there == Some(identity) => file,
            // Another process set it aside, or somebody removed it.
            _ => self.log.open()?,
        };
        // One write with O_APPEND: lines of concurrent commands stand behind each other (write(2)).
        (&file).write_all(&self.waiting)?;
        let identity = match there {
            Some(identity) => identity,
            None => file.metadata().map(|made| (made.dev(), made.ino()))?,
        };
        self.file = Some((file, identity));
        Ok(())
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        let _ = self.write_down();
    }
}

fn line(to: &mut Vec<u8>, time: f64, entry: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(entry)?;
    let Some(rest) = text.strip_prefix(b"{") else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    write!(to, "{{\"time\":{time}")?;
    if rest != b"}" {
        to.push(b',');
    }
    to.extend_from_slice(rest);
    to.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn numbers(path: &Path) -> Vec<u64> {
        let text = fs::read_to_string(path).unwrap();
        let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        text.lines().map(|line| read(line)["number"].as_u64().unwrap()).collect()
    }

    #[test]
    fn lines_of_many_writers_stay_whole_and_the_file_is_private() {
        let top = tempfile::tempdir().unwrap();
        let log = Log::of(&top.path().join("a/b"));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let log = &log;
                scope.spawn(move || {
                    let mut scribe = Scribe::of(log.clone());
                    for number in 0..50 {
                        scribe.note(&json!({"writer": writer, "number": number})).unwrap();
                        if number % 3 == 0 {
                            scribe.write_down().unwrap();
                        }
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
        let mut scribe = Scribe::of(log.clone());
        scribe.note(&json!({"number": 1})).unwrap();
        scribe.write_down().unwrap();
        File::options().write(true).open(log.path()).unwrap().set_len(MOST + 1).unwrap();
        scribe.note(&json!({})).unwrap();
        scribe.write_down().unwrap();
        assert!(fs::metadata(log.path()).unwrap().len() < 100);
        assert_eq!(fs::metadata(top.path().join("audit.jsonl.1")).unwrap().len(), MOST + 1);
    }

    #[test]
    fn lines_go_where_the_log_is_now() {
        let top = tempfile::tempdir().unwrap();
        let log = Log::of(top.path());
        let aside = top.path().join("audit.jsonl.1");
        let mut scribe = Scribe::of(log.clone());
        let mut write = |number: u64| {
            scribe.note(&json!({"number": number})).unwrap();
            scribe.write_down().unwrap();
        };
        write(1);
        write(2);
        fs::rename(log.path(), &aside).unwrap();
        write(3);
        fs::remove_file(log.path()).unwrap();
        write(4);
        assert_eq!((numbers(&aside), numbers(log.path())), (vec![1, 2], vec![4]));
    }

    #[test]
    fn what_waits_is_written_at_the_latest_at_the_end() {
        let top = tempfile::tempdir().unwrap();
        let log = Log::of(top.path());
        let mut scribe = Scribe::of(log.clone());
        scribe.note(&json!({"number": 1})).unwrap();
        assert!(!log.path().exists());
        assert!(scribe.note(&json!("no object")).is_err());
        scribe.note(&json!({"number": 2})).unwrap();
        drop(scribe);
        assert_eq!(numbers(log.path()), [1, 2]);
        let mut scribe = Scribe::of(log.clone());
        for number in 3..3000 {
            scribe.note(&json!({"number": number, "text": "some words that make it longer"})).unwrap();
        }
        let written = numbers(log.path()).len();
        assert!(written > 2000 && written < 2999, "{written}");
    }
}
