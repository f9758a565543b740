//! `audit.head`: how far the log goes, so that a tail that was cut off is missed. Its lock is the turn to write.
//!
//! Owns the file's form and the lock. Its length never changes, so a full disk does not keep it from being brought up
//! to date. Must not know what lines say.

use super::chain::{self, Hash};
use crate::system::private;
use crate::system::visible::hex;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long others may hold the lock; each holds it for less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest sleep between two looks at it.
const LONGEST_SLEEP: Duration = Duration::from_millis(4);
const MARK: &str = "sbsh-audit-1";
const LENGTH: usize = 12 + 3 * 21 + 65 + 1;

/// How far the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of the first line that is kept.
    pub first: u64,
    /// The number of the last line; 0 if there is none.
    pub last: u64,
    /// Bytes of the newest file.
    pub size: u64,
    /// The hash of the last line.
    pub hash: Hash,
}

impl Head {
    /// Of a log without a line.
    pub const NONE: Head = Head { first: 1, last: 0, size: 0, hash: [0; 32] };

    fn text(&self) -> String {
        format!("{MARK} {:020} {:020} {:020} {}\n", self.first, self.last, self.size, hex(&self.hash))
    }

    fn parse(text: &[u8]) -> Option<Head> {
        let mut words = std::str::from_utf8(text).ok()?.strip_suffix('\n')?.split(' ');
        let marked = words.next() == Some(MARK);
        let mut number = || words.next()?.parse().ok();
        let (first, last, size) = (number()?, number()?, number()?);
        let hash = chain::unhex(words.next()?)?;
        (marked && words.next().is_none()).then_some(Head { first, last, size, hash })
    }

    /// What a file says; `None` for one that is not there or says nothing that makes sense.
    pub fn read(path: &Path) -> Option<Head> {
        Head::read_from(&File::open(path).ok()?)
    }

    fn read_from(file: &File) -> Option<Head> {
        let mut bytes = [0; LENGTH];
        let length = file.read_at(&mut bytes, 0).ok()?;
        Head::parse(bytes.get(..length)?)
    }
}

/// The turn to write.
#[derive(Debug)]
pub struct Turn(Flock<File>);

impl Turn {
    /// Waits until it is this process's turn, for a few seconds at most.
    ///
    /// # Errors
    /// `TimedOut`; what open(2) and flock(2) give.
    pub fn wait(path: &Path) -> io::Result<Turn> {
        let start = Instant::now();
        let mut sleep = Duration::from_micros(100);
        let mut file = open(path)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // Somebody may have removed or replaced it meanwhile: then others hold the lock of another file.
                Ok(lock) if is_at(&lock, path) => return Ok(Turn(lock)),
                Ok(lock) => {
                    drop(lock);
                    file = open(path)?;
                }
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
                Err((_, error)) => return Err(error.into()),
            }
            if start.elapsed() > PATIENCE {
                let text = "another process keeps it locked";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            std::thread::sleep(sleep);
            sleep = (sleep * 2).min(LONGEST_SLEEP);
        }
    }

    /// What it says.
    pub fn read(&self) -> Option<Head> {
        Head::read_from(&self.0)
    }

    /// Makes it say this.
    ///
    /// # Errors
    /// What pwrite(2) gives.
    pub fn write(&self, head: &Head) -> io::Result<()> {
        self.0.write_all_at(head.text().as_bytes(), 0)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    private::usable(options.open(path)?)
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |m: std::fs::Metadata| (m.dev(), m.ino());
    let there = std::fs::symlink_metadata(path).map(identity);
    matches!((file.metadata().map(identity), there), (Ok(held), Ok(there)) if held == there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_always_as_long() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("head");
        for head in [Head::NONE, Head { first: 3, last: u64::MAX, size: 9, hash: chain::hash(b"x") }] {
            let turn = Turn::wait(&path).unwrap();
            turn.write(&head).unwrap();
            assert_eq!(turn.read(), Some(head));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), LENGTH as u64);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for text in ["", "sbsh-audit-1 1 2 3", "x 1 2 3 4\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Head::read(&path), None);
        }
    }

    #[test]
    fn a_symlink_is_not_followed_and_a_lock_is_not_waited_for_for_ever() {
        let top = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", top.path().join("link")).unwrap();
        assert!(Turn::wait(&top.path().join("link")).is_err());
        assert!(!top.path().join("elsewhere").exists());
        let path = top.path().join("head");
        let _held = Turn::wait(&path).unwrap();
        assert_eq!(Turn::wait(&path).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
