//! The file of the history: one JSON line for each entry, shared by all sessions of a person. Owns its locks, its bound
//! and reading what others have added. A line that cannot be read is skipped and stays in the file.

use super::lines::Lines;
use crate::system::private;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A longer line is not kept.
pub(super) const LONGEST: usize = 256 * 1024;

/// So long is a lock waited for. A program inside that may read the file could hold it for ever.
const PATIENCE: Duration = Duration::from_millis(200);

/// An entry as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record<'a> {
    /// Seconds since 1970.
    pub(super) t: u64,
    /// The directory.
    #[serde(borrow)]
    pub(super) d: Cow<'a, str>,
    /// The line.
    #[serde(borrow)]
    pub(super) l: Cow<'a, str>,
}

impl Record<'_> {
    /// What cannot be shown as it is, is no line that a person typed.
    fn is_plain(&self) -> bool {
        self.l.len() <= LONGEST && !self.l.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
    }
}

/// How far the file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    device: u64,
    inode: u64,
    offset: u64,
    /// Entries before it, readable or not.
    entries: usize,
}

/// The file and how far it was read.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    most: usize,
    place: Option<Place>,
}

impl Log {
    /// Nothing is read or made yet.
    pub(super) fn new(path: &Path, most: usize) -> Log {
        Log { path: std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()), most, place: None }
    }

    /// Reads what was added since the last time; all, if the file is another one now.
    pub(super) fn read_new(&mut self, lines: &mut Lines) -> Result<()> {
        let Ok(facts) = std::fs::metadata(&self.path) else { return Ok(()) };
        let known = |place: &Place| {
            (place.device, place.inode, place.offset) == (facts.dev(), facts.ino(), facts.len())
        };
        if !facts.is_file() || self.place.as_ref().is_some_and(known) {
            return Ok(());
        }
        self.read_from(&File::open(&self.path)?, lines)
    }

    fn read_from(&mut self, file: &File, lines: &mut Lines) -> Result<()> {
        let facts = file.metadata()?;
        let fresh = Place { device: facts.dev(), inode: facts.ino(), offset: 0, entries: 0 };
        let same = |place: &Place| {
            (place.device, place.inode) == (fresh.device, fresh.inode) && place.offset <= facts.len()
        };
        let mut place = self.place.filter(same).unwrap_or_else(|| {
            *lines = Lines::new(self.most);
            fresh
        });
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        reader.seek(SeekFrom::Start(place.offset))?;
        let mut line = Vec::new();
        // A line without its end is still being written.
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            place.offset += u64::try_from(line.len()).unwrap_or(0);
            place.entries += 1;
            if let Ok(record) = serde_json::from_slice::<Record>(&line)
                && record.is_plain()
            {
                lines.push(record.t, &record.d, &record.l);
            }
            line.clear();
        }
        self.place = Some(place);
        Ok(())
    }

    /// Writes entries behind all others, then reads what is new, these among it.
    pub(super) fn append(&mut self, records: &[Record<'_>], lines: &mut Lines) -> Result<()> {
        let mut file = self.locked()?;
        let mut text = Vec::new();
        if !ends_with_newline(&mut file)? {
            text.push(b'\n');
        }
        for record in records {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        // One call, so that lines of sessions that gave up waiting for the lock do not mix.
        file.write_all(&text)?;
        self.read_from(&file, lines)?;
        if self.place.is_some_and(|place| place.entries > self.most + self.most / 4) {
            self.compact(&file)?;
            self.read_new(lines)?;
        }
        Ok(())
    }

    /// The file, made if it is not there, and locked if that is possible in time.
    fn locked(&self) -> Result<File> {
        if let Some(directory) = self.path.parent() {
            private::directories(directory, 0o700)?;
        }
        let since = Instant::now();
        loop {
            let file =
                OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
            let locked = loop {
                match file.try_lock() {
                    Ok(()) => break true,
                    Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    Err(_) => break false,
                }
            };
            // Another session may have put a shorter file in its place while this one waited.
            if !locked || self.is_current(&file)? {
                return Ok(file);
            }
        }
    }

    fn is_current(&self, file: &File) -> Result<bool> {
        let (ours, now) = (file.metadata()?, std::fs::metadata(&self.path));
        Ok(now.is_ok_and(|now| (now.dev(), now.ino()) == (ours.dev(), ours.ino())))
    }

    /// Puts a file with the newest entries in this one's place; what cannot be read comes along. The lock is held.
    fn compact(&self, file: &File) -> Result<()> {
        let mut all = Vec::new();
        let mut reader = file;
        reader.seek(SeekFrom::Start(0))?;
        reader.read_to_end(&mut all)?;
        let good = |line: &&[u8]| serde_json::from_slice::<Record>(line).is_ok();
        let entries: Vec<&[u8]> = all.split_inclusive(|byte| *byte == b'\n').collect();
        let mut gone = entries.iter().filter(|line| good(line)).count().saturating_sub(self.most);
        let mut kept = Vec::with_capacity(all.len());
        for line in entries {
            if gone > 0 && good(&line) {
                gone -= 1;
            } else {
                kept.extend_from_slice(line);
            }
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{}", std::process::id()));
        let shorter = PathBuf::from(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&shorter)
            .and_then(|mut new| new.write_all(&kept).and_then(|()| new.sync_data()))
            .and_then(|()| std::fs::rename(&shorter, &self.path));
        if written.is_err() {
            let _ = std::fs::remove_file(&shorter);
        }
        written
    }
}

/// Whether a file is empty or ends with a whole line.
fn ends_with_newline(file: &mut File) -> Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::super::lines::Towards;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn record(line: &str) -> Record<'_> {
        Record { t: 1, d: "/w".into(), l: line.into() }
    }

    struct Session {
        log: Log,
        lines: Lines,
    }

    impl Session {
        fn new(path: &Path, most: usize) -> Session {
            Session { log: Log::new(path, most), lines: Lines::new(most) }
        }

        fn add(&mut self, line: &str) {
            self.log.append(&[record(line)], &mut self.lines).unwrap();
        }

        fn all(&mut self) -> Vec<String> {
            self.log.read_new(&mut self.lines).unwrap();
            let mut all = Vec::new();
            self.lines.find(None, Towards::Newer, |line| {
                all.push(line.text.to_owned());
                false
            });
            all
        }
    }

    #[test]
    fn what_one_session_adds_another_reads_in_order() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/history");
        let (mut one, mut two) = (Session::new(&path, 10), Session::new(&path, 10));
        assert_eq!(one.all(), Vec::<String>::new());
        one.add("first");
        two.add("for x in a\ndo echo \"$x\"\ndone");
        one.add("third");
        let all = ["first", "for x in a\ndo echo \"$x\"\ndone", "third"];
        assert_eq!((one.all(), two.all()), (all.map(String::from).to_vec(), all.map(String::from).to_vec()));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn corrupt_lines_are_skipped_and_kept() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("history");
        std::fs::write(
            &path,
            "{\"t\":1,\"d\":\"/\",\"l\":\"good\"}\nbroken\n\u{1}\n{\"t\":1,\"d\":\"/\",\"l\":\"cut",
        )
        .unwrap();
        let mut session = Session::new(&path, 4);
        assert_eq!(session.all(), ["good"]);
        for n in 0..4 {
            session.add(&format!("line {n}"));
        }
        assert_eq!(session.all(), ["line 0", "line 1", "line 2", "line 3"], "the bound was passed");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("broken\n\u{1}\n{\"t\":1,\"d\":\"/\",\"l\":\"cut\n{"), "{text}");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_shorter_file_in_its_place_is_read_anew() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("history");
        let (mut one, mut two) = (Session::new(&path, 4), Session::new(&path, 4));
        for n in 0..5 {
            one.add(&format!("line {n}"));
        }
        assert_eq!(two.all().len(), 5);
        one.add("line 5");
        assert_eq!(two.all(), ["line 2", "line 3", "line 4", "line 5"]);
        two.add("line 6");
        assert_eq!(one.all().last().map(String::as_str), Some("line 6"));
    }

    #[test]
    fn a_lock_that_is_never_given_back_stops_nobody() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("history");
        let mut session = Session::new(&path, 4);
        session.add("one");
        let held = File::open(&path).unwrap();
        held.lock().unwrap();
        session.add("two");
        assert_eq!(session.all(), ["one", "two"]);
    }

    #[test]
    fn lines_with_control_characters_are_not_taken_from_the_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("history");
        std::fs::write(
            &path,
            "{\"t\":1,\"d\":\"/\",\"l\":\"a\\u001b[2J\"}\n{\"t\":1,\"d\":\"/\",\"l\":\"a\\tb\"}\n",
        )
        .unwrap();
        assert_eq!(Session::new(&path, 4).all(), ["a\tb"]);
    }

    #[test]
    fn sessions_that_write_at_once_lose_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("history");
        std::thread::scope(|scope| {
            for name in ["a", "b", "c"] {
                let path = &path;
                scope.spawn(move || {
                    let mut session = Session::new(path, 1000);
                    for n in 0..50 {
                        session.add(&format!("{name} {n}"));
                    }
                });
            }
        });
        let mut all = Session::new(&path, 1000).all();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 150);
    }
}
