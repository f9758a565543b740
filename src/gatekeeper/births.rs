//! Repositories that were seen to appear during the run, wherever a rename carries them. Pure.
//!
//! Owns the list and its limit. Whether an entry still stands is said by whoever asks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Repositories of one run that are looked at afterwards.
const MOST: usize = 10_000;

/// What became of a birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It is in the list now.
    New,
    /// It was in it before.
    Known,
    /// There is no room for it.
    TooMany,
}

/// The `.git` entries.
#[derive(Debug, Default)]
pub struct Births {
    all: BTreeSet<PathBuf>,
}

impl Births {
    /// Takes an entry down. When the list is full, those that stand no more make room.
    pub fn enter(&mut self, entry: &Path, stands: impl Fn(&Path) -> bool) -> Entered {
        if self.all.contains(entry) {
            return Entered::Known;
        }
        if self.all.len() >= MOST {
            self.all.retain(|entry| stands(entry));
        }
        if self.all.len() >= MOST {
            return Entered::TooMany;
        }
        self.all.insert(entry.into());
        Entered::New
    }

    /// Whether an entry is in the list.
    pub fn holds(&self, entry: &Path) -> bool {
        self.all.contains(entry)
    }

    /// Takes it out again; false, for whoever goes on with a refusal.
    pub fn forget(&mut self, entry: &Path) -> bool {
        self.all.remove(entry);
        false
    }

    /// Where a rename would carry entries at or below a path. They may stay where they are, too, if it fails.
    pub fn carried(&self, from: &Path, to: &Path) -> Vec<PathBuf> {
        // Paths are sorted by their parts: what is below a path follows it at once.
        let below = self.all.range(from.to_path_buf()..).take_while(|entry| entry.starts_with(from));
        below
            .filter_map(|entry| entry.strip_prefix(from).ok())
            .filter(|rest| !rest.as_os_str().is_empty())
            .map(|rest| to.join(rest))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_carried_and_neighbours_are_not() {
        let mut births = Births::default();
        for entry in ["/w/a/.git", "/w/a/b/.git", "/w/a-b/.git", "/w/b/.git"] {
            assert_eq!(births.enter(Path::new(entry), |_| true), Entered::New);
        }
        assert_eq!(births.enter(Path::new("/w/a/.git"), |_| true), Entered::Known);
        let carried = |from, to| births.carried(Path::new(from), Path::new(to));
        assert_eq!(carried("/w/a", "/x"), ["/x/.git", "/x/b/.git"].map(PathBuf::from));
        assert_eq!(carried("/w/a/.git", "/w/git"), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_is_gone_makes_room() {
        let mut births = Births::default();
        for n in 0..MOST {
            assert_eq!(births.enter(&PathBuf::from(format!("/{n}/.git")), |_| true), Entered::New);
        }
        assert_eq!(births.enter(Path::new("/x/.git"), |_| true), Entered::TooMany);
        assert_eq!(births.enter(Path::new("/x/.git"), |_| false), Entered::New);
    }
}
