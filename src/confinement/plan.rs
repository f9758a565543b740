//! The plan: which places are mounted how, as a pure function of what the policy names and what exists.
//!
//! Owns the order and kind of mounts. Must equal `FilePolicy::access` for every existing path
//! (tests/plans.rs compares them with each other and with the kernel).

use crate::policy::Access;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An existing place that a rule names, symlinks resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Canonical path.
    pub path: PathBuf,
    /// Whether it is a directory.
    pub directory: bool,
}

/// What exists of what the policy names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// May be written.
    pub writable: Vec<Place>,
    /// Must not be written.
    pub write_denied: Vec<Place>,
    /// Must not be read.
    pub read_denied: Vec<Place>,
    /// Readable again inside something that must not be read.
    pub read_allowed: Vec<Place>,
    /// Names that must still be as they were when the command has ended.
    pub guards: Vec<Guard>,
}

/// A name inside a writable tree that no mount can hold, because it does not exist or is a symlink: looked at
/// after the run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guard {
    /// The writable tree: an existing directory, canonical.
    pub root: PathBuf,
    /// The name, relative to it.
    pub name: PathBuf,
    /// What stood there at the start.
    pub before: Before,
}

/// What stood at a guarded name when the command began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Before {
    /// Nothing.
    Missing,
    /// Nothing, and what a repository makes there of itself is in order if it names no program.
    NoRepository,
    /// Nothing; together with other names of the kind it would make the tree a bare repository.
    NoBareRepository,
    /// A symlink to this.
    Link(PathBuf),
}

/// One mount, in the order in which it is made. Each source is its own place on the host, except where said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// The whole tree below a place, writable.
    Writable(PathBuf),
    /// The whole tree below a place, read-only.
    ReadOnly(PathBuf),
    /// Something neither readable nor writable instead of a directory.
    HiddenDirectory(PathBuf),
    /// Something neither readable nor writable instead of a file.
    HiddenFile(PathBuf),
    /// An empty directory that can be passed through but not listed, because places below it are opened again.
    Hollow(PathBuf),
    /// A directory in a [`Mount::Hollow`] on the way to a place that is open: passed through, not listed.
    Passage(PathBuf),
    /// No more changes to a [`Mount::Hollow`].
    Seal(PathBuf),
}

/// The boundary for one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whether `/` itself is writable (only where a person named it).
    pub root_access: Access,
    /// After `/`, `/dev` and `/proc`.
    pub mounts: Vec<Mount>,
    /// Looked at after the run.
    pub guards: Vec<Guard>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Named {
    writable: bool,
    write_denied: bool,
    read_denied: bool,
    read_allowed: bool,
    pinned: bool,
    directory: bool,
}

/// State along the way from `/` to a place: `FilePolicy::access`, step by step.
#[derive(Debug, Clone, Copy)]
struct Step {
    readable: bool,
    writable: bool,
    denied: bool,
}

impl Step {
    const START: Step = Step { readable: true, writable: false, denied: false };

    fn after(self, named: Named) -> Step {
        Step {
            readable: !named.read_denied && (self.readable || named.read_allowed),
            writable: self.writable || named.writable,
            denied: self.denied || named.write_denied,
        }
    }

    fn access(self) -> Access {
        match (self.readable, self.writable && !self.denied) {
            (false, _) => Access::None,
            (true, false) => Access::Read,
            (true, true) => Access::Write,
        }
    }
}

/// The plan for these places. `/proc` and `/dev` are the sandbox's own, so places in them are left out.
pub fn plan(places: &Places) -> Plan {
    let mut points = points(places);
    pin_ancestors(&mut points);
    let root = points.remove(Path::new("/")).unwrap_or_default();
    let start = Step::START.after(root);
    let mut mounts = Vec::new();
    let mut seals = Vec::new();
    // A stack of (place, state) from `/` down to the current place's nearest named ancestor.
    let mut above: Vec<(&Path, Step)> = vec![(Path::new("/"), start)];
    for (path, named) in &points {
        while above.len() > 1 && above.last().is_some_and(|(over, _)| !path.starts_with(over)) {
            above.pop();
        }
        let over = above.last().map_or(start, |&(_, step)| step);
        let step = over.after(*named);
        let (before, after) = (over.access(), step.access());
        if before == Access::None && after != Access::None {
            // Made beforehand: bubblewrap would make these listable.
            let hollow = |a: &Path| mounts.contains(&Mount::Hollow(a.into()));
            let mut between: Vec<&Path> = path.ancestors().skip(1).take_while(|a| !hollow(a)).collect();
            between.reverse();
            for place in between {
                let passage = Mount::Passage(place.into());
                if !mounts.contains(&passage) {
                    mounts.push(passage);
                }
            }
        }
        if before != after || (named.pinned && after != Access::None) {
            mounts.push(match after {
                Access::Write => Mount::Writable(path.clone()),
                Access::Read => Mount::ReadOnly(path.clone()),
                Access::None if !named.directory => Mount::HiddenFile(path.clone()),
                Access::None if opened_below(path, &points, step) => {
                    seals.push(Mount::Seal(path.clone()));
                    Mount::Hollow(path.clone())
                }
                Access::None => Mount::HiddenDirectory(path.clone()),
            });
        }
        above.push((path, step));
    }
    mounts.extend(seals);
    let mut guards = places.guards.clone();
    guards.sort();
    guards.dedup();
    Plan { root_access: start.access(), mounts, guards }
}

fn points(places: &Places) -> BTreeMap<PathBuf, Named> {
    let mut points: BTreeMap<PathBuf, Named> = BTreeMap::new();
    let mut add = |list: &[Place], mark: fn(&mut Named)| {
        for place in list.iter().filter(|p| !is_own(&p.path)) {
            let named = points.entry(place.path.clone()).or_default();
            named.directory |= place.directory;
            mark(named);
        }
    };
    add(&places.writable, |n| n.writable = true);
    add(&places.write_denied, |n| n.write_denied = true);
    add(&places.read_denied, |n| n.read_denied = true);
    add(&places.read_allowed, |n| n.read_allowed = true);
    points
}

fn is_own(path: &Path) -> bool {
    path.starts_with("/proc") || path.starts_with("/dev")
}

/// A place that must not be written can be renamed away together with a directory above it and be built anew; a
/// mount point cannot be renamed. So every directory between a writable place and a protected one becomes one.
fn pin_ancestors(points: &mut BTreeMap<PathBuf, Named>) {
    let writable: Vec<PathBuf> = points.iter().filter(|(_, n)| n.writable).map(|(p, _)| p.clone()).collect();
    if writable.is_empty() {
        return;
    }
    let protected: Vec<PathBuf> =
        points.iter().filter(|(_, n)| n.write_denied || n.read_denied).map(|(p, _)| p.clone()).collect();
    for path in protected {
        let Some(top) = path.ancestors().filter(|a| writable.iter().any(|w| w == a)).last() else { continue };
        let top = top.to_path_buf();
        for between in path.ancestors().skip(1).take_while(|a| **a != *top && a.starts_with(&top)) {
            let named = points.entry(between.to_path_buf()).or_default();
            named.directory = true;
            named.pinned = true;
        }
    }
}

fn opened_below(path: &Path, points: &BTreeMap<PathBuf, Named>, step: Step) -> bool {
    points
        .range::<Path, _>((std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded))
        .take_while(|(below, _)| below.starts_with(path))
        .any(|(_, named)| step.after(*named).access() != Access::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Place {
        Place { path: path.into(), directory: true }
    }

    fn file(path: &str) -> Place {
        Place { path: path.into(), directory: false }
    }

    #[test]
    fn protected_places_pin_every_directory_above_them() {
        let places = Places {
            writable: vec![at("/w")],
            write_denied: vec![file("/w/sub/.git/config"), at("/w/.git/hooks")],
            ..Places::default()
        };
        assert_eq!(
            plan(&places).mounts,
            [
                Mount::Writable("/w".into()),
                Mount::Writable("/w/.git".into()),
                Mount::ReadOnly("/w/.git/hooks".into()),
                Mount::Writable("/w/sub".into()),
                Mount::Writable("/w/sub/.git".into()),
                Mount::ReadOnly("/w/sub/.git/config".into()),
            ]
        );
    }

    #[test]
    fn a_hidden_directory_with_something_open_below_is_hollow_and_sealed_last() {
        let places = Places {
            writable: vec![at("/home/u/project")],
            read_denied: vec![at("/home/u"), file("/home/u/project/.env"), at("/secret")],
            read_allowed: vec![at("/home/u/project"), file("/home/u/.config/git/config")],
            ..Places::default()
        };
        assert_eq!(
            plan(&places).mounts,
            [
                Mount::Hollow("/home/u".into()),
                Mount::Passage("/home/u/.config".into()),
                Mount::Passage("/home/u/.config/git".into()),
                Mount::ReadOnly("/home/u/.config/git/config".into()),
                Mount::Writable("/home/u/project".into()),
                Mount::HiddenFile("/home/u/project/.env".into()),
                Mount::HiddenDirectory("/secret".into()),
                Mount::Seal("/home/u".into()),
            ]
        );
    }

    #[test]
    fn deny_beats_allow_below_and_above() {
        let places = Places {
            writable: vec![at("/w"), at("/w/kept/inner")],
            write_denied: vec![at("/w/kept")],
            ..Places::default()
        };
        assert_eq!(plan(&places).mounts, [Mount::Writable("/w".into()), Mount::ReadOnly("/w/kept".into())]);
    }

    #[test]
    fn nothing_is_mounted_in_the_sandboxes_own_proc_and_dev() {
        let places = Places { writable: vec![at("/dev/shm"), at("/proc/self")], ..Places::default() };
        assert_eq!(plan(&places).mounts, []);
    }
}
