//! Makes changes of a trial true.
//!
//! Owns the order, and what is left undone: what the rules of the boundary keep, what others changed meanwhile, devices and
//! sockets. What lies in the layers is hostile; each step goes by descriptors beneath the directory's own top, through no
//! symlink, and gives no set-id bits.

use super::Trial;
use super::changes::{Change, Kind, Pair, What};
use crate::gatekeeper::Rules;
use crate::gatekeeper::rules::{Judgement, SETTLED};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// Names in a directory that is taken away with all below it.
const MOST: usize = 1_000_000;

/// What came of it.
#[derive(Debug, Default)]
pub struct Kept {
    /// How many changes are true now.
    pub done: usize,
    /// What was not done, and why.
    pub left: Vec<(PathBuf, String)>,
    /// Repositories that were made by it: what git would obey of them is to be looked at.
    pub born: Vec<PathBuf>,
}

/// Keeps these changes, as far as the rules let a command make them.
pub fn keep(trial: &Trial, changes: &[&Change], rules: &Rules) -> Kept {
    let mut kept = Kept::default();
    let mut pairs: HashMap<usize, Result<Pair, String>> = HashMap::new();
    let created = trial.created().unwrap_or_default();
    // Directories get their modes when all is in them.
    let mut later = Vec::new();
    for change in changes {
        let path = change.path(trial);
        let pair = pairs.entry(change.top);
        let pair = pair.or_insert_with(|| trial.pair(change.top).map_err(|error| error.to_string()));
        let done = pair.as_ref().map_err(Clone::clone).and_then(|pair| {
            let keeping = Keeping { trial, rules, pair, path: &path, born: &kept.born, created: &created };
            keeping.one(change)
        });
        match done {
            Ok(Done::Whole) => kept.done += 1,
            Ok(Done::Directory) => {
                kept.done += 1;
                later.push(*change);
            }
            Err(why) => kept.left.push((path, why)),
        }
        if matches!(change.what, What::Created(_) | What::Replaced(..)) && is_git(&change.path(trial)) {
            kept.born.push(change.path(trial));
        }
    }
    for change in later.into_iter().rev() {
        if let Some(Ok(pair)) = pairs.get(&change.top) {
            let like = pair.above.look(&change.name);
            if let Err(error) = like.and_then(|like| pair.below.set_mode(&change.name, like.st_mode)) {
                kept.left.push((change.path(trial), error.desc().into()));
            }
        }
    }
    kept
}

fn is_git(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(".git"))
}

enum Done {
    Whole,
    /// Its mode is to be set.
    Directory,
}

struct Keeping<'a> {
    trial: &'a Trial,
    rules: &'a Rules,
    pair: &'a Pair,
    path: &'a Path,
    born: &'a [PathBuf],
    created: &'a HashSet<PathBuf>,
}

impl Keeping<'_> {
    fn one(&self, change: &Change) -> Result<Done, String> {
        let name = change.name.as_path();
        self.may(self.path)?;
        match &change.what {
            What::Unknown(why) => Err(format!("it cannot be looked at: {why}")),
            What::Created(kind) => {
                if self.pair.below.exists(name) {
                    return Err("something stands there by now".into());
                }
                if !self.created.contains(self.path) {
                    return Err("it was taken away meanwhile by something else".into());
                }
                self.make(name, *kind, false)
            }
            What::Changed(kind) => {
                self.is_as_it_was(name)?;
                self.make(name, *kind, true)
            }
            What::Replaced(_, kind) => {
                self.take_away(name)?;
                self.make(name, *kind, false)
            }
            What::Deleted(_) => self.take_away(name).map(|()| Done::Whole),
            What::Mode(..) => {
                let above = self.pair.above.look(name).map_err(said)?;
                if Kind::of(&above) == Kind::Directory {
                    return Ok(Done::Directory);
                }
                self.is_as_it_was(name)?;
                self.pair.below.set_mode(name, above.st_mode).map_err(said)?;
                let _ = self.pair.below.set_time(name, &above);
                Ok(Done::Whole)
            }
            What::Touched => {
                self.is_as_it_was(name)?;
                let above = self.pair.above.look(name).map_err(said)?;
                self.pair.below.set_time(name, &above).map_err(said)?;
                Ok(Done::Whole)
            }
        }
    }

    fn make(&self, name: &Path, kind: Kind, replace: bool) -> Result<Done, String> {
        let (above, below) = (&self.pair.above, &self.pair.below);
        let like = above.look(name).map_err(said)?;
        match kind {
            Kind::File => {
                let mut content = above.open_closed_file(name).map_err(said)?;
                below.put_file(name, &mut content, &like, replace).map_err(said)?;
            }
            Kind::Directory => {
                below.put_directory(name).map_err(said)?;
                return Ok(Done::Directory);
            }
            Kind::Link => {
                let target = above.read_link(name).ok_or("its target cannot be read")?;
                below.put_link(name, &target, replace).map_err(said)?;
            }
            Kind::Fifo => below.put_fifo(name, &like).map_err(said)?,
            Kind::Socket | Kind::Device => return Err(format!("a {} is not kept", kind.name())),
        }
        Ok(Done::Whole)
    }

    /// Takes a name away with all below it, if nobody has changed any of it and nothing of it is protected.
    fn take_away(&self, name: &Path) -> Result<(), String> {
        let below = &self.pair.below;
        let mut all = vec![name.to_path_buf()];
        let mut place = 0;
        let mut is_directory = Vec::new();
        while let Some(name) = all.get(place).cloned() {
            let found = below.look(&name).map_err(said)?;
            self.may(&self.top().join(&name))?;
            let directory = Kind::of(&found) == Kind::Directory;
            is_directory.push(directory);
            if directory {
                let inner = below.names(&name, MOST).map_err(said)?;
                all.extend(inner.iter().map(|inner| name.join(inner)));
            } else {
                self.is_as_it_was(&name)?;
            }
            place += 1;
            if all.len() > MOST {
                return Err("too much is below it".into());
            }
        }
        for (name, directory) in all.iter().zip(is_directory).rev() {
            below.remove(name, directory).map_err(said)?;
        }
        Ok(())
    }

    fn top(&self) -> PathBuf {
        let changed = self.trial.record.tops.iter().map(|top| PathBuf::from(&top.at));
        changed
            .filter(|top| self.path.starts_with(top))
            .max_by_key(|top| top.as_os_str().len())
            .unwrap_or_default()
    }

    /// Whether a command may change this path.
    fn may(&self, path: &Path) -> Result<(), String> {
        let is_born = |entry: &Path| self.born.iter().any(|born| born == entry);
        let stands = |entry: &Path| std::fs::symlink_metadata(entry).is_ok();
        match self.rules.judge_among(path, is_born, stands) {
            SETTLED => Err("it is the configuration of a git repository that was there before".into()),
            Judgement::Passes => Ok(()),
            Judgement::Protected(why) => Err(why.into()),
            Judgement::Hidden => Err("it must not be read".into()),
            _ => Err(self.rules.kept(path).unwrap_or("it may not be written any more").into()),
        }
    }

    /// Whether nobody else has changed it since the command began.
    fn is_as_it_was(&self, name: &Path) -> Result<(), String> {
        let found = self.pair.below.look(name).map_err(said)?;
        if (found.st_ctime, found.st_ctime_nsec) < self.trial.record.stamp {
            return Ok(());
        }
        Err("it was changed meanwhile by something else".into())
    }
}

fn said(error: impl Into<io::Error>) -> String {
    error.into().to_string()
}
