//! What sbsh itself is told when it builds the boundary without bubblewrap: the steps, from the plan. Pure.
//!
//! Owns their order, which is that of `bubblewrap`, and the bytes in which they go to the process that does them
//! (`run::builder`). The two lists must lead to the same boundary; the policy property test holds both to it.

use super::fittings::{Fittings, Layer};
use super::plan::{Mount, Plan};
use crate::policy::Access;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One step of the builder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A layer over a directory, before anything is taken or shown: what later steps show of it is seen through the layer.
    Layer(Layer),
    /// All that there is: read-only, but for what a later step shows otherwise.
    ReadOnly,
    /// A `/dev` of the sandbox's own.
    Devices,
    /// This terminal as `/dev/console`.
    Terminal(PathBuf),
    /// The sign of being inside.
    Marker,
    /// A `/proc` of the sandbox's own.
    Processes,
    /// What stands outside at one place, at another or the same one.
    Show {
        /// Where it stands outside.
        from: PathBuf,
        /// Where it is shown.
        at: PathBuf,
        /// Whether it can be written.
        writable: bool,
    },
    /// An empty directory that can be passed through but not listed.
    Hollow(PathBuf),
    /// A directory in such a one, on the way to something that is shown.
    Passage(PathBuf),
    /// No more changes to a file system of the sandbox's own.
    Seal(PathBuf),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Layer(layer) => {
                write!(f, "{} under a layer in {}", layer.at.display(), layer.upper.display())
            }
            Step::ReadOnly => write!(f, "/ read-only"),
            Step::Devices => write!(f, "own /dev"),
            Step::Terminal(path) => write!(f, "{} as /dev/console", path.display()),
            Step::Marker => write!(f, "the sign of being inside"),
            Step::Processes => write!(f, "own /proc"),
            Step::Show { from, at, writable } => {
                write!(f, "{}", at.display())?;
                if from != at {
                    write!(f, " from {}", from.display())?;
                }
                write!(f, "{}", if *writable { " writable" } else { " read-only" })
            }
            Step::Hollow(path) => write!(f, "{} empty", path.display()),
            Step::Passage(path) => write!(f, "{} passed through", path.display()),
            Step::Seal(path) => write!(f, "{} unchangeable", path.display()),
        }
    }
}

/// The steps for a plan.
pub fn steps(plan: &Plan, fittings: &Fittings) -> Vec<Step> {
    let show = |from: &Path, at: &Path, writable| Step::Show { from: from.into(), at: at.into(), writable };
    let mut all: Vec<Step> = fittings.layers.iter().cloned().map(Step::Layer).collect();
    if plan.root_access != Access::Write {
        all.push(Step::ReadOnly);
    }
    all.push(Step::Devices);
    all.extend(fittings.terminal.clone().map(Step::Terminal));
    all.push(Step::Marker);
    all.extend(fittings.covers.iter().map(|cover| show(&cover.file, &cover.kept, false)));
    all.push(Step::Seal("/dev".into()));
    all.extend(fittings.own_processes.then_some(Step::Processes));
    all.extend(fittings.kernel_files.iter().map(|path| show(path, path, false)));
    all.extend(fittings.misread.iter().map(|path| show(&fittings.blind_directory, path, false)));
    all.extend(plan.mounts.iter().map(|mount| match mount {
        Mount::Writable(path) => show(path, path, true),
        Mount::ReadOnly(path) => show(path, path, false),
        Mount::HiddenDirectory(path) => show(&fittings.blind_directory, path, false),
        Mount::HiddenFile(path) => show(&fittings.blind_file, path, false),
        Mount::Hollow(path) => Step::Hollow(path.clone()),
        Mount::Passage(path) => Step::Passage(path.clone()),
        Mount::Seal(path) => Step::Seal(path.clone()),
    }));
    all.extend(fittings.covers.iter().map(|cover| show(&cover.by, &cover.file, false)));
    all
}

/// The last byte of a list of steps: what lacks it was cut short.
const END: u8 = b'.';

/// A list of steps as bytes: a letter each, and its paths, which are ended by a NUL.
pub fn as_bytes(steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in steps {
        let (letter, paths): (u8, &[&Path]) = match step {
            Step::Layer(Layer { at, upper, work }) => (b'l', &[at, upper, work]),
            Step::ReadOnly => (b'r', &[]),
            Step::Devices => (b'd', &[]),
            Step::Terminal(path) => (b't', &[path]),
            Step::Marker => (b'm', &[]),
            Step::Processes => (b'p', &[]),
            Step::Show { from, at, writable: true } => (b'W', &[from, at]),
            Step::Show { from, at, writable: false } => (b'R', &[from, at]),
            Step::Hollow(path) => (b'h', &[path]),
            Step::Passage(path) => (b'a', &[path]),
            Step::Seal(path) => (b's', &[path]),
        };
        bytes.push(letter);
        for path in paths {
            bytes.extend(path.as_os_str().as_bytes());
            bytes.push(0);
        }
    }
    bytes.push(END);
    bytes
}

/// A list of steps from its bytes; `None` for anything else.
pub fn from_bytes(mut bytes: &[u8]) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    loop {
        let (&letter, rest) = bytes.split_first()?;
        bytes = rest;
        let mut path = || {
            let end = bytes.iter().position(|byte| *byte == 0)?;
            let (path, rest) = (bytes.get(..end)?, bytes.get(end + 1..)?);
            bytes = rest;
            Some(PathBuf::from(OsStr::from_bytes(path)))
        };
        steps.push(match letter {
            END => return bytes.is_empty().then_some(steps),
            b'l' => Step::Layer(Layer { at: path()?, upper: path()?, work: path()? }),
            b'r' => Step::ReadOnly,
            b'd' => Step::Devices,
            b't' => Step::Terminal(path()?),
            b'm' => Step::Marker,
            b'p' => Step::Processes,
            b'W' => Step::Show { from: path()?, at: path()?, writable: true },
            b'R' => Step::Show { from: path()?, at: path()?, writable: false },
            b'h' => Step::Hollow(path()?),
            b'a' => Step::Passage(path()?),
            b's' => Step::Seal(path()?),
            _ => return None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confinement::fittings::Cover;
    use crate::confinement::plan::{Place, Places, plan};

    fn small_project() -> Vec<Step> {
        let at = |path: &str, directory| Place { path: path.into(), directory };
        let places = Places {
            writable: vec![at("/w", true)],
            write_denied: vec![at("/w/.git/config", false)],
            read_denied: vec![at("/home/u/.ssh", true), at("/home/u/.netrc", false), at("/v", true)],
            read_allowed: vec![at("/v/a/open", true)],
            guards: Vec::new(),
        };
        let fittings = Fittings {
            blind_directory: "/b/d".into(),
            blind_file: "/b/f".into(),
            own_processes: true,
            kernel_files: vec!["/proc/sys".into()],
            misread: vec!["/etc/ssh/ssh_config.d".into()],
            terminal: Some("/dev/pts/4".into()),
            covers: vec![Cover {
                file: "/usr/bin/x".into(),
                kept: "/dev/k/x".into(),
                by: "/bin/sbsh".into(),
            }],
            layers: vec![Layer { at: "/w".into(), upper: "/s/u".into(), work: "/s/k".into() }],
        };
        steps(&plan(&places), &fittings)
    }

    #[test]
    fn the_steps_for_a_small_project_as_bytes() {
        let text = String::from_utf8(as_bytes(&small_project())).unwrap().replace('\0', " ");
        assert_eq!(
            text,
            "l/w /s/u /s/k rdt/dev/pts/4 mR/usr/bin/x /dev/k/x s/dev pR/proc/sys /proc/sys R/b/d /etc/ssh/ssh_config.d \
             R/b/f /home/u/.netrc R/b/d /home/u/.ssh h/v a/v/a R/v/a/open /v/a/open W/w /w W/w/.git /w/.git \
             R/w/.git/config /w/.git/config s/v R/bin/sbsh /usr/bin/x ."
        );
    }

    #[test]
    fn steps_come_back_from_their_bytes_and_nothing_that_was_cut_short_does() {
        let steps = small_project();
        let bytes = as_bytes(&steps);
        assert_eq!(from_bytes(&bytes), Some(steps));
        for length in 0..bytes.len() {
            assert_eq!(from_bytes(&bytes[..length]), None);
        }
        assert_eq!(from_bytes(b"x."), None);
        assert_eq!(from_bytes(b".."), None);
    }
}
