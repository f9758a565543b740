//! A trial: a command whose changes went to layers over what it may write (`sbshctl try`), as it lies in the state directory.
//!
//! Owns the directory of each, what is known of the run, and that one process at a time has it. What the layers hold was
//! written by code that may be hostile: `changes` looks at it, `keep` makes it true. Must not decide what may be kept.

pub mod changes;
pub mod keep;

pub use changes::{Change, What};
pub use keep::{Kept, keep};

use crate::confinement::fittings::Layer;
use crate::run::Ending;
use crate::system::planting::remove_tree;
use crate::system::private;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How the name of every trial begins.
pub const NAME: &str = "try-";
/// Digits behind it.
const DIGITS: usize = 8;
/// What is known of a trial, in its directory.
const RECORD: &str = "record.json";
/// What it made that was not there, each ended by a NUL.
const NEW: &str = "created";
/// The longest record.
const LONGEST: u64 = 1 << 20;

/// Whether a word is the name of a trial.
pub fn is_name(word: &str) -> bool {
    word.strip_prefix(NAME).is_some_and(|rest| {
        rest.len() == DIGITS && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The command, as a text.
    pub command: String,
    /// Where it ran.
    pub directory: OsString,
    /// What may be written, and is written in layers instead.
    pub tops: Vec<Top>,
    /// When it began, in seconds since 1970.
    pub begun: u64,
    /// The same by the file system's clock: what was changed since then was changed by others.
    pub stamp: (i64, i64),
    /// How it ended: its status or its signal.
    pub ended: Option<(Option<i32>, Option<i32>)>,
}

/// One directory with its layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    /// The directory.
    pub at: OsString,
    /// Its device and inode.
    pub identity: (u64, u64),
    /// Temporary files: nobody wants them afterwards.
    pub scratch: bool,
}

/// A trial that this process has.
#[derive(Debug)]
pub struct Trial {
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub record: Record,
    directory: PathBuf,
    _held: Flock<OwnedFd>,
}

/// Where trials lie: made if need be, this user's alone, and where nothing that is tried can write.
///
/// # Errors
/// Why there is no such place, as a sentence.
pub fn place(state: Option<&Path>, writable: &[PathBuf]) -> Result<PathBuf, String> {
    let user = nix::unistd::geteuid().as_raw();
    let mut reasons = Vec::new();
    let others = private::of_user(user).map(|base| (base.clone(), Some(base)));
    let own = state.map(|state| (state.to_path_buf(), None));
    for (base, private) in own.into_iter().chain(others) {
        let made = match private {
            Some(base) => private::directory(&base, user, 0o700),
            None => private::directories(&base, 0o700),
        };
        let place = base.join("tries");
        let found = made
            .and_then(|()| private::directory(&place, user, 0o700))
            .and_then(|()| fs::canonicalize(&place));
        match found {
            Ok(place) => match writable.iter().find(|top| place.starts_with(top)) {
                None => return Ok(place),
                Some(top) => {
                    reasons.push(format!("'{}' lies in '{}', which is tried", place.display(), top.display()))
                }
            },
            Err(error) => reasons.push(format!("'{}': {error}", place.display())),
        }
    }
    Err(format!("there is no place for the changes: {}", reasons.join("; ")))
}

/// All places where trials may lie.
pub fn places(state: Option<&Path>) -> Vec<PathBuf> {
    let user = nix::unistd::geteuid().as_raw();
    let places = state.map(Path::to_path_buf).into_iter().chain(private::of_user(user));
    let places = places.map(|base| base.join("tries"));
    places.filter(|place| private::is_private(place, user, 0o700)).collect()
}

/// The names of those that lie there.
pub fn names(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| is_name(name));
    names.sort();
    names
}

/// What is known of one, though another process may have it.
///
/// # Errors
/// What is wrong with its record.
pub fn record(place: &Path, name: &str) -> io::Result<Record> {
    let path = place.join(name).join(RECORD);
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}

fn hold(directory: &Path) -> io::Result<Flock<OwnedFd>> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = open(directory, flags, Mode::empty())?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| io::Error::other("another process has it, or its command still runs"))
}

impl Trial {
    /// Makes one for these directories, in each of which a command may write.
    ///
    /// # Errors
    /// What the calls give.
    pub fn begin(place: &Path, command: &str, cwd: &Path, tops: &[(PathBuf, bool)]) -> io::Result<Trial> {
        let digits = private::token()?;
        let name = format!("{NAME}{}", digits.get(..DIGITS).unwrap_or_default());
        let directory = place.join(&name);
        let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        make(&directory)?;
        let held = hold(&directory)?;
        let mut all = Vec::new();
        for (number, (at, scratch)) in tops.iter().enumerate() {
            let found = fs::symlink_metadata(at)?;
            let (upper, work) = layer(&directory, number);
            upper.parent().map_or(Ok(()), make)?;
            make(&upper)?;
            make(&work)?;
            // What is seen of the directory itself is its layer's.
            fs::set_permissions(&upper, fs::Permissions::from_mode(found.mode() & 0o3777))?;
            let identity = (found.dev(), found.ino());
            all.push(Top { at: at.clone().into(), identity, scratch: *scratch });
        }
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut trial = Trial {
            name,
            record: Record {
                command: command.into(),
                directory: cwd.into(),
                tops: all,
                begun,
                stamp: (i64::MAX, 0),
                ended: None,
            },
            directory,
            _held: held,
        };
        trial.write()?;
        let written = fs::symlink_metadata(trial.directory.join(RECORD))?;
        trial.record.stamp = (written.ctime(), written.ctime_nsec());
        trial.write()?;
        Ok(trial)
    }

    /// One that lies there.
    ///
    /// # Errors
    /// There is none of this name, its record is broken, or another process has it.
    pub fn take(place: &Path, name: &str) -> io::Result<Trial> {
        let directory = place.join(name);
        let held = hold(&directory)?;
        Ok(Trial { name: name.into(), record: record(place, name)?, directory, _held: held })
    }

    fn write(&self) -> io::Result<()> {
        let (new, path) = (self.directory.join("new"), self.directory.join(RECORD));
        let text = serde_json::to_vec(&self.record)?;
        File::create(&new)?.write_all(&text)?;
        fs::rename(new, path)
    }

    /// The layers, for whatever builds the boundary.
    pub fn layers(&self) -> Vec<Layer> {
        let one = |(number, top): (usize, &Top)| {
            let (upper, work) = layer(&self.directory, number);
            Layer { at: PathBuf::from(&top.at), upper, work }
        };
        self.record.tops.iter().enumerate().map(one).collect()
    }

    /// The command has ended, and nothing of it is left. What it changed is looked at again later: of what is new then, it must
    /// be known whether it was new at the end, too.
    ///
    /// # Errors
    /// What writing it down gives.
    pub fn end(&mut self, ending: Ending, changes: &[Change]) -> io::Result<()> {
        for (number, _) in self.record.tops.iter().enumerate().filter(|(_, top)| top.scratch) {
            remove_tree(&self.directory.join(number.to_string()))?;
        }
        let mut text = Vec::new();
        for change in changes.iter().filter(|change| matches!(change.what, What::Created(_))) {
            text.extend_from_slice(change.path(self).as_os_str().as_bytes());
            text.push(0);
        }
        File::create(self.directory.join(NEW))?.write_all(&text)?;
        self.record.ended = Some(ending.parts());
        self.write()
    }

    /// What was new when the command ended.
    ///
    /// # Errors
    /// What reading it gives.
    pub fn created(&self) -> io::Result<HashSet<PathBuf>> {
        let text = fs::read(self.directory.join(NEW))?;
        let paths = text.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect())
    }

    /// Where the changes of a directory lie.
    fn upper(&self, number: usize) -> PathBuf {
        layer(&self.directory, number).0
    }

    /// Takes all of it away.
    ///
    /// # Errors
    /// What the calls give.
    pub fn remove(self) -> io::Result<()> {
        remove_tree(&self.directory)
    }
}

fn layer(directory: &Path, number: usize) -> (PathBuf, PathBuf) {
    let one = directory.join(number.to_string());
    (one.join("upper"), one.join("work"))
}
