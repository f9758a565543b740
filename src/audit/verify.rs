//! Whether the log is as it was written: numbers without a gap, and each line's hash in the next one.
//!
//! Owns what is said about what is not. Somebody with this user's rights can write the whole chain anew; what is left of
//! it elsewhere (a collector, the hash that this prints) tells then. Must not change anything.

use super::Log;
use super::chain::{self, Hash, Links};
use super::head::{Head, Turn};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

/// More is not worth telling one by one.
const MOST_BREAKS: usize = 20;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Files that were read.
    pub files: usize,
    /// Entries in them.
    pub entries: u64,
    /// Number of the first and the last one.
    pub numbers: Option<(u64, u64)>,
    /// The last one's hash.
    pub hash: Option<Hash>,
    /// Half lines that a crash or a full disk left, which the next writer noted; or at the end, where none came yet.
    pub torn: Vec<Place>,
    /// Where it is broken, and how.
    pub broken: Vec<(Place, String)>,
}

/// Reads all of a log. Nobody waits for it: writers go on, and what they add meanwhile is not looked at.
///
/// # Errors
/// What reading gives.
pub fn verify(log: &Log) -> io::Result<Checked> {
    let (head, files) = {
        // Head and sizes of one moment.
        let _turn = log.head().is_file().then(|| Turn::wait(&log.head()).ok());
        let opened = log.files().into_iter().map(|path| {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            Ok((path, file.take(size)))
        });
        (Head::read(&log.head()), opened.collect::<io::Result<Vec<_>>>()?)
    };
    let mut walk =
        Walk { head, checked: Checked { files: files.len(), ..Checked::default() }, ..Walk::default() };
    for (path, file) in files {
        let mut reader = BufReader::new(file);
        let (mut number, mut line) = (0, Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            let whole = line.strip_suffix(b"\n");
            let place = Place { file: path.clone(), line: number };
            walk.step(place, whole.unwrap_or(&line), whole.is_some());
            line.clear();
        }
    }
    Ok(walk.end(log))
}

#[derive(Default)]
struct Walk {
    head: Option<Head>,
    checked: Checked,
    last: Option<(Place, u64, Hash)>,
    /// What stands behind the last entry and is none, and where it begins.
    foreign: Option<(Place, Vec<u8>)>,
}

impl Walk {
    fn step(&mut self, place: Place, line: &[u8], is_whole: bool) {
        let links = chain::links(line).filter(|_| is_whole);
        let Some(links) = links else {
            match &mut self.foreign {
                Some((_, bytes)) => {
                    bytes.push(b'\n');
                    bytes.extend_from_slice(line);
                }
                None => self.foreign = Some((place, line.to_vec())),
            }
            return;
        };
        let foreign = self.foreign.take();
        match (&self.last, foreign) {
            (None, None) => self.begin(&place, &links),
            (Some((_, last, hash)), Some((torn, bytes)))
                if links.seq == last + 1
                    && links.after == Some(*hash)
                    && links.prev == chain::hash(&bytes) =>
            {
                self.checked.torn.push(torn);
            }
            // In a file that begins with it there is nothing to compare it with.
            (None, Some((torn, bytes))) if links.prev == chain::hash(&bytes) => self.checked.torn.push(torn),
            (_, Some((torn, _))) => self.broken(torn, "this is no entry of the log".into()),
            (Some(last), None) => {
                let found = mismatch(last, &place, &links);
                found.into_iter().for_each(|(place, what)| self.broken(place, what));
            }
        }
        self.checked.entries += 1;
        let first = self.checked.numbers.map_or(links.seq, |(first, _)| first);
        self.checked.numbers = Some((first, links.seq));
        self.last = Some((place, links.seq, chain::hash(line)));
    }

    fn begin(&mut self, place: &Place, links: &Links) {
        let first = self.head.as_ref().map_or(1, |head| head.first);
        if self.head.is_some() && links.seq != first {
            self.broken(place.clone(), missing(first, links.seq));
        }
    }

    fn broken(&mut self, place: Place, what: String) {
        if self.checked.broken.len() < MOST_BREAKS {
            self.checked.broken.push((place, what));
        }
    }

    fn end(mut self, log: &Log) -> Checked {
        let last = self.last.take();
        self.checked.hash = last.as_ref().map(|(_, _, hash)| *hash);
        let (place, number, hash) =
            last.unwrap_or((Place { file: log.path().to_path_buf(), line: 1 }, 0, [0; 32]));
        if let Some((torn, _)) = self.foreign.take() {
            self.checked.torn.push(torn);
        }
        match self.head.take() {
            Some(head) if head.last > number => {
                self.broken(place, format!("it ends here: {}", missing(number + 1, head.last + 1)));
            }
            Some(head) if head.last == number && head.hash != hash => {
                self.broken(place, format!("entry {number} was changed: audit.head does not agree with it"));
            }
            None if number > 0 => {
                let place = Place { file: log.head(), line: 1 };
                self.broken(place, "it is missing, so entries may be missing at the end".into());
            }
            _ => {}
        }
        self.checked
    }
}

/// What is wrong between an entry and the next one.
fn mismatch(
    (place, last, hash): &(Place, u64, Hash),
    here: &Place,
    links: &Links,
) -> Option<(Place, String)> {
    if links.seq == last + 1 {
        let changed = || format!("entry {last} was changed: the one after it does not agree with it");
        return (links.prev != *hash).then(|| (place.clone(), changed()));
    }
    let what = if links.seq > *last {
        missing(last + 1, links.seq)
    } else {
        format!("entry {} stands behind entry {last}", links.seq)
    };
    Some((here.clone(), what))
}

fn missing(from: u64, to: u64) -> String {
    if from + 1 >= to {
        format!("entry {from} is missing")
    } else {
        format!("entries {from} to {} are missing", to.saturating_sub(1))
    }
}
