//! What a trial changed: its layers beside what lies below them.
//!
//! Owns reading layers as overlayfs writes them for a user (Documentation/filesystems/overlayfs.rst, `userxattr`): a character
//! device 0:0 is a name that was taken away, a directory with the attribute `opaque` shows nothing from below. All of it may
//! be hostile: nothing is followed, and what cannot be looked at is said. Must not change anything.

use super::Trial;
use crate::system::beneath::Beneath;
use nix::sys::stat::{FileStat, SFlag};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More changes than a person would look through.
const MOST: usize = 200_000;
/// The attribute of a directory that hides what is below.
const OPAQUE: &std::ffi::CStr = c"user.overlay.opaque";

/// What stands somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink.
    Link,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

impl Kind {
    /// Of what was looked at.
    pub fn of(found: &FileStat) -> Kind {
        match SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFDIR => Kind::Directory,
            SFlag::S_IFLNK => Kind::Link,
            SFlag::S_IFIFO => Kind::Fifo,
            SFlag::S_IFSOCK => Kind::Socket,
            _ => Kind::Device,
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Link => "symlink",
            Kind::Fifo => "FIFO",
            Kind::Socket => "socket",
            Kind::Device => "device",
        }
    }
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Created(Kind),
    /// Its content, or where it leads, and perhaps its mode.
    Changed(Kind),
    /// It is something else now.
    Replaced(Kind, Kind),
    /// It is gone, with all below it.
    Deleted(Kind),
    /// Its mode alone.
    Mode(u32, u32),
    /// The time of its last change alone.
    Touched,
    /// It cannot be looked at.
    Unknown(String),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The number of its directory in the record.
    pub top: usize,
    /// The name beneath it; `.` for itself.
    pub name: PathBuf,
    /// What it is.
    pub what: What,
}

impl Change {
    /// Its whole path.
    pub fn path(&self, trial: &Trial) -> PathBuf {
        let at = trial.record.tops.get(self.top).map_or_else(PathBuf::new, |top| PathBuf::from(&top.at));
        if self.name == Path::new(".") { at } else { at.join(&self.name) }
    }
}

/// One directory and its layer, opened.
#[derive(Debug)]
pub struct Pair {
    /// As it is.
    pub below: Beneath,
    /// Its changes.
    pub above: Beneath,
}

impl Trial {
    /// A directory and its layer.
    ///
    /// # Errors
    /// It is gone, or another one stands in its place.
    pub fn pair(&self, number: usize) -> io::Result<Pair> {
        let top = self.record.tops.get(number).ok_or(io::ErrorKind::NotFound)?;
        let below = Beneath::open(Path::new(&top.at))?;
        let found = below.look(Path::new("."))?;
        if (found.st_dev, found.st_ino) != top.identity {
            return Err(io::Error::other("another directory stands there by now"));
        }
        Ok(Pair { below, above: Beneath::open(&self.upper(number))? })
    }

    /// All changes, each directory before what is in it.
    ///
    /// # Errors
    /// A directory cannot be compared, or there are too many changes.
    pub fn changes(&self) -> io::Result<Vec<Change>> {
        let mut all = Vec::new();
        for (number, _) in self.record.tops.iter().enumerate().filter(|(_, top)| !top.scratch) {
            compare(number, &self.pair(number)?, &mut all)?;
        }
        Ok(all)
    }
}

fn compare(top: usize, pair: &Pair, all: &mut Vec<Change>) -> io::Result<()> {
    let mut waiting = vec![PathBuf::from(".")];
    while let Some(name) = waiting.pop() {
        let (what, below) = one(pair, &name);
        all.extend(what.map(|what| Change { top, name: name.clone(), what }));
        if all.len() > MOST {
            return Err(io::Error::other(format!("there are more than {MOST} changes")));
        }
        let Some(below) = below else { continue };
        match inner(pair, &name, below) {
            Ok((names, hidden)) => {
                all.extend(hidden.into_iter().map(|(name, kind)| Change {
                    top,
                    name,
                    what: What::Deleted(kind),
                }));
                // The last one is the next.
                waiting.extend(names.into_iter().rev());
            }
            Err(error) => all.push(Change { top, name, what: What::Unknown(error.to_string()) }),
        }
    }
    Ok(())
}

/// What became of one name; of a directory, also what stands below it.
fn one(pair: &Pair, name: &Path) -> (Option<What>, Option<Option<Kind>>) {
    let above = match pair.above.look(name) {
        Ok(above) => above,
        Err(error) => return (Some(What::Unknown(error.desc().into())), None),
    };
    let below = pair.below.look(name).ok();
    let (kind, before) = (Kind::of(&above), below.as_ref().map(Kind::of));
    let what = match (kind, before) {
        (Kind::Device, before) if above.st_rdev == 0 => before.map(What::Deleted),
        (kind, None) => Some(What::Created(kind)),
        (kind, Some(before)) if kind != before => Some(What::Replaced(before, kind)),
        (kind, Some(_)) => below.and_then(|below| altered(pair, name, kind, &below, &above)),
    };
    (what, (kind == Kind::Directory).then_some(before))
}

fn altered(pair: &Pair, name: &Path, kind: Kind, below: &FileStat, above: &FileStat) -> Option<What> {
    let same = match kind {
        Kind::File => below.st_size == above.st_size && is_same(pair, name).unwrap_or(false),
        Kind::Link => pair.below.read_link(name) == pair.above.read_link(name),
        _ => true,
    };
    let modes = (below.st_mode & 0o7777, above.st_mode & 0o7777);
    let times = |of: &FileStat| (of.st_mtime, of.st_mtime_nsec);
    match kind {
        _ if !same => Some(What::Changed(kind)),
        Kind::Link => None,
        _ if modes.0 != modes.1 => Some(What::Mode(modes.0, modes.1)),
        Kind::File if times(below) != times(above) => Some(What::Touched),
        _ => None,
    }
}

fn is_same(pair: &Pair, name: &Path) -> io::Result<bool> {
    const PIECE: u64 = 1 << 16;
    let (mut below, mut above) = (pair.below.open_file(name)?, pair.above.open_closed_file(name)?);
    loop {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        below.by_ref().take(PIECE).read_to_end(&mut one)?;
        above.by_ref().take(PIECE).read_to_end(&mut other)?;
        if one != other || one.is_empty() {
            return Ok(one == other);
        }
    }
}

type Inner = (Vec<PathBuf>, Vec<(PathBuf, Kind)>);

/// The names in a directory of the layer, and those below that it hides.
fn inner(pair: &Pair, directory: &Path, below: Option<Kind>) -> io::Result<Inner> {
    let path = |name: &std::ffi::OsString| {
        if directory == Path::new(".") { PathBuf::from(name) } else { directory.join(name) }
    };
    let names: BTreeSet<_> = pair.above.names(directory, MOST)?.into_iter().collect();
    let mut hidden = Vec::new();
    if below == Some(Kind::Directory)
        && pair.above.attribute(directory, OPAQUE).is_some_and(|value| value == b'y')
    {
        for name in pair.below.names(directory, MOST)?.iter().filter(|name| !names.contains(*name)) {
            let kind = pair.below.look(&path(name)).as_ref().map_or(Kind::File, Kind::of);
            hidden.push((path(name), kind));
        }
    }
    hidden.sort_by(|one, other| one.0.cmp(&other.0));
    Ok((names.iter().map(path).collect(), hidden))
}
