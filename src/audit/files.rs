//! The files of the log: the newest, those set aside before it, and adding lines so that none is lost or mixed.
//!
//! Owns rotation, what is done about a tail that a crash or a full disk left, and the order head, lines, head. One writer
//! at a time: the lock is [`Turn`]. Must not know what lines say beyond their links.

use super::Log;
use super::chain::{self, Hash, Waiting};
use super::head::{Head, Turn};
use crate::system::private;
use crate::system::visible::hex;
use nix::sys::resource::{Resource, getrlimit};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Files that were set aside: `audit.jsonl.1` is the last of them.
pub const KEPT: u32 = 8;

/// What is looked at of a last line where no head tells of it.
const LONGEST_LINE: u64 = 1 << 20;

impl Log {
    /// The file that was set aside this many times.
    pub fn aside(&self, times: u32) -> PathBuf {
        self.path.with_extension(format!("jsonl.{times}"))
    }

    /// Where the head is.
    pub fn head(&self) -> PathBuf {
        self.path.with_extension("head")
    }

    /// All files that are there, oldest first.
    pub fn files(&self) -> Vec<PathBuf> {
        let all = (1..=KEPT).rev().map(|times| self.aside(times)).chain([self.path.clone()]);
        all.filter(|path| path.is_file()).collect()
    }

    /// Adds lines behind the last one; their first number.
    ///
    /// # Errors
    /// What the calls give: then none of them is there.
    pub(super) fn append(&self, waiting: &[Waiting]) -> io::Result<u64> {
        let turn = self.turn()?;
        let file = self.open()?;
        let size = file.metadata()?.len();
        let mut end = match turn.read() {
            Some(head) if head.size == size && (size > 0 || head.last == 0) => End::at(head),
            head => self.recover(head, &file, size)?,
        };
        let (mut file, mut size) = (file, size);
        let bytes: u64 = waiting.iter().map(|waiting| waiting.len() as u64).sum();
        if size > 0 && size + bytes > self.most && self.set_aside(&mut end.head) {
            (file, size) = (self.open()?, 0);
        }
        let before = end.head.clone();
        let first = before.last + 1 + end.notes.len() as u64;
        let text = end.add(waiting)?;
        within_limit(end.head.size)?;
        if end.is_new {
            // Its block must be had before there are lines that it does not tell of.
            turn.write(&before)?;
        }
        write(&mut file, &text, size)?;
        // If it fails, the next writer finds lines that fit, as after a crash.
        let _ = turn.write(&end.head);
        Ok(first)
    }

    fn turn(&self) -> io::Result<Turn> {
        Turn::wait(&self.head()).or_else(|error| {
            let (io::ErrorKind::NotFound, Some(directory)) = (error.kind(), self.path.parent()) else {
                return Err(error);
            };
            private::directories(directory, 0o700)?;
            Turn::wait(&self.head())
        })
    }

    fn open(&self) -> io::Result<File> {
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
        let mut how = OpenOptions::new();
        how.read(true).append(true).create(true).mode(0o600).custom_flags(flags);
        private::usable(how.open(&self.path)?)
    }

    /// Sets the newest file aside; whether it could be. A gap in the numbers ends the moving: a crash while they were
    /// moved costs no file.
    fn set_aside(&self, head: &mut Head) -> bool {
        let gap = (1..=KEPT).find(|times| !self.aside(*times).exists());
        for times in (1..gap.unwrap_or(KEPT)).rev() {
            if fs::rename(self.aside(times), self.aside(times + 1)).is_err() {
                return false;
            }
        }
        if fs::rename(&self.path, self.aside(1)).is_err() {
            return false;
        }
        head.size = 0;
        if gap.is_none()
            && let Some(first) = first_number(&self.aside(KEPT))
        {
            head.first = first;
        }
        true
    }

    /// The head does not tell of this file: a writer died between its lines and its head, or somebody else was here.
    fn recover(&self, head: Option<Head>, file: &File, size: u64) -> io::Result<End> {
        let Some(head) = head else { return self.recover_headless(file, size) };
        if size < head.size || head.size == 0 && size == 0 {
            let aside = (size == 0).then(|| last_line(&self.aside(1))).flatten();
            if aside.is_some_and(|line| chain::hash(&line) == head.hash) {
                return Ok(End::at(Head { size: 0, ..head }));
            }
            let mut end = End::at(Head { size, ..head });
            end.line_is_open = size > 0 && byte_at(file, size - 1)? != b'\n';
            end.notes.push(json!({ "what": "cut" }));
            return Ok(end);
        }
        let mut rest = vec![0; usize::try_from(size - head.size).unwrap_or(0)];
        file.read_exact_at(&mut rest, head.size)?;
        let mut end = End::at(Head { size, ..head });
        let mut rest = rest.as_slice();
        while let Some((line, after)) = rest.iter().position(|&b| b == b'\n').map(|at| rest.split_at(at + 1))
        {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            if !end.fits(line) {
                break;
            }
            end.take(line);
            rest = after;
        }
        if !rest.is_empty() {
            end.foreign(rest);
        }
        Ok(end)
    }

    /// Nothing tells how far the log went.
    fn recover_headless(&self, file: &File, size: u64) -> io::Result<End> {
        let newest =
            self.files().into_iter().rev().find(|path| fs::metadata(path).is_ok_and(|m| m.len() > 0));
        let Some(newest) = newest else { return Ok(End { is_new: true, ..End::at(Head::NONE) }) };
        let oldest = self.files().first().and_then(|path| first_number(path)).unwrap_or(1);
        let mut end = End::at(Head { first: oldest, size, ..Head::NONE });
        end.is_new = true;
        end.line_is_open = size > 0 && byte_at(file, size - 1)? != b'\n';
        let mut line = last_line(&newest).unwrap_or_default();
        if chain::links(&line).is_none()
            && let Some((whole, torn)) = last_whole(&newest)
        {
            // A torn tail: what is torn, and the last line before it.
            end.take(&whole);
            end.foreign(&torn);
            line.clear();
        }
        if !line.is_empty() {
            end.take(&line);
        }
        end.notes.push(json!({ "what": "no head" }));
        Ok(end)
    }
}

/// The end of the log as the next line finds it.
struct End {
    head: Head,
    /// To be said before anything else.
    notes: Vec<Value>,
    /// The last line lacks its end.
    line_is_open: bool,
    /// There is no head yet.
    is_new: bool,
}

impl End {
    fn at(head: Head) -> End {
        End { head, notes: Vec::new(), line_is_open: false, is_new: false }
    }

    fn fits(&self, line: &[u8]) -> bool {
        chain::links(line).is_some_and(|links| {
            links.seq == self.head.last + 1 && links.prev == self.head.hash && links.after.is_none()
        })
    }

    fn take(&mut self, line: &[u8]) {
        self.head.last = chain::links(line).map_or(self.head.last, |links| links.seq);
        self.head.hash = chain::hash(line);
    }

    /// Something behind the last line that is none of ours: the next line keeps the hashes of both.
    fn foreign(&mut self, rest: &[u8]) {
        let (last, bytes) = (hex(&self.head.hash), rest.len());
        let rest = rest.strip_suffix(b"\n").inspect(|_| self.line_is_open = false).unwrap_or_else(|| {
            self.line_is_open = true;
            rest
        });
        self.head.hash = chain::hash(rest);
        self.notes.push(json!({ "after": last, "what": "torn", "bytes": bytes }));
    }

    /// The text of the notes and of these lines.
    fn add(&mut self, waiting: &[Waiting]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        if std::mem::take(&mut self.line_is_open) {
            text.push(b'\n');
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let event = |note: Value| {
            let mut entry = json!({ "event": "log" });
            if let (Some(entry), Value::Object(note)) = (entry.as_object_mut(), note) {
                entry.extend(note);
            }
            Waiting::of(now, &entry)
        };
        let notes = std::mem::take(&mut self.notes).into_iter().map(event).collect::<io::Result<Vec<_>>>()?;
        for waiting in notes.iter().chain(waiting) {
            let line = waiting.line(self.head.last + 1, &self.head.hash);
            self.head.last += 1;
            self.head.hash = hash_of(&line);
            text.extend_from_slice(&line);
        }
        self.head.size += text.len() as u64;
        Ok(text)
    }
}

fn hash_of(line: &[u8]) -> Hash {
    chain::hash(line.strip_suffix(b"\n").unwrap_or(line))
}

/// A write beyond the caller's own limit would kill this process by a signal.
fn within_limit(size: u64) -> io::Result<()> {
    match getrlimit(Resource::RLIMIT_FSIZE) {
        Ok((soft, _)) if soft < size => Err(io::Error::from_raw_os_error(nix::libc::EFBIG)),
        _ => Ok(()),
    }
}

/// All of it or nothing, where the file system lets take back what a full disk left half.
fn write(file: &mut File, text: &[u8], size: u64) -> io::Result<()> {
    let written = file.write_all(text);
    if written.is_err() && file.metadata().is_ok_and(|m| m.len() > size) {
        let _ = file.set_len(size);
    }
    written
}

fn byte_at(file: &File, place: u64) -> io::Result<u8> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, place)?;
    let [byte] = byte;
    Ok(byte)
}

/// The number of a file's first line.
pub(super) fn first_number(path: &Path) -> Option<u64> {
    let mut line = Vec::new();
    BufReader::new(File::open(path).ok()?).read_until(b'\n', &mut line).ok()?;
    chain::links(line.strip_suffix(b"\n")?).map(|links| links.seq)
}

/// What a file ends with.
fn tail(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let start = size.saturating_sub(LONGEST_LINE);
    let mut bytes = vec![0; usize::try_from(size - start).ok()?];
    file.read_exact_at(&mut bytes, start).ok()?;
    Some(bytes)
}

/// A file's last line, whole or not, without its end.
fn last_line(path: &Path) -> Option<Vec<u8>> {
    let bytes = tail(path)?;
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    bytes.rsplit(|&byte| byte == b'\n').next().map(<[u8]>::to_vec)
}

/// A file's last entry, and what stands behind it and is none.
fn last_whole(path: &Path) -> Option<(Vec<u8>, Vec<u8>)> {
    let bytes = tail(path)?;
    let mut end = bytes.len();
    while let Some(start) = bytes.get(..end.checked_sub(1)?)?.iter().rposition(|&byte| byte == b'\n') {
        let before = bytes.get(..start)?;
        let line = before.rsplit(|&byte| byte == b'\n').next()?;
        if chain::links(line).is_some() {
            return Some((line.to_vec(), bytes.get(start + 1..)?.to_vec()));
        }
        end = start + 1;
    }
    None
}
