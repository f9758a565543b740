//! Where a name in a confined process's memory leads: a canonical path in the tree that the sandbox sees.
//!
//! Owns the walk. No answer is remembered: a rename that was let through happens after it was seen, and those of other
//! sandboxes are not seen at all. What is found is true of the moment when it was looked at; a call that is
//! let through afterwards is held by the mounts, whatever has become of it.

use super::call::Name;
use crate::system::stranger::{self, Tree};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

/// As many symlinks as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// It leads somewhere, perhaps, but where cannot be told: the kernel could find what is not found here. No call on paths
/// gives this number itself.
pub const UNTOLD: Errno = Errno::EOVERFLOW;

/// Where a name leads through links of `/proc`.
#[derive(Debug)]
pub struct Magic {
    /// The path.
    pub path: PathBuf,
    /// The link that leads to just that.
    pub last: Option<PathBuf>,
}

/// The tree of one sandbox. All its processes have the same root: none of them may change it.
#[derive(Debug)]
pub struct Places {
    tree: Tree,
    /// Its `/proc` is ours too: there `self` is whoever looks.
    shared: bool,
}

impl Places {
    /// The tree that this process sees; `shared`: with the very `/proc` that this process has.
    ///
    /// # Errors
    /// What open(2) gives.
    pub fn of(thread: i32, shared: bool) -> nix::Result<Places> {
        Ok(Places { tree: Tree::of(thread)?, shared })
    }

    /// The canonical path that a name leads to; its last part need not exist.
    ///
    /// # Errors
    /// Whatever keeps it from being found: then it is the kernel's to answer, but for [`UNTOLD`]. ENAMETOOLONG is also said of
    /// a name that is no link, in a directory whose path is longer than the kernel tells (PATH_MAX).
    pub fn find(&self, thread: i32, name: Name) -> nix::Result<PathBuf> {
        let text = stranger::path(thread, name.text)?;
        if text.as_os_str().is_empty() {
            return Err(Errno::ENOENT);
        }
        match self.find_text_of(thread, name, &text) {
            Err(Errno::ENAMETOOLONG) => find_deep(thread, name, &text),
            found => found,
        }
    }

    fn find_text_of(&self, thread: i32, name: Name, text: &Path) -> nix::Result<PathBuf> {
        // A slash at the end follows like a slash within.
        let follow = name.follow || text.as_os_str().as_encoded_bytes().ends_with(b"/");
        if text.is_absolute() {
            return self.walk(thread, text.to_path_buf(), follow);
        }
        // What has no path, or a longer one, is still a directory, and has another above it.
        let here = stranger::directory(thread, name.from).map_err(|_| Errno::ENAMETOOLONG)?;
        let path = here.join(text);
        if Path::new(text.file_name().unwrap_or_default()) != text {
            return self.walk(thread, path, follow);
        }
        // A name in a directory of the caller's, of which the kernel has just told the canonical path.
        if !follow {
            return Ok(path);
        }
        match self.tree.link(&path) {
            Ok(target) => self.walk(thread, here.join(target), follow),
            Err(Errno::ENAMETOOLONG) => Err(Errno::ENAMETOOLONG),
            Err(_) => Ok(path),
        }
    }

    /// The canonical path that a text of the caller's leads to, followed through no link at its end (bind(2)).
    ///
    /// # Errors
    /// As for [`Places::find`].
    pub fn find_text(&self, thread: i32, text: &Path) -> nix::Result<PathBuf> {
        let path = match text.is_absolute() {
            true => text.to_path_buf(),
            false => stranger::directory(thread, libc::AT_FDCWD)?.join(text),
        };
        self.walk(thread, path, false)
    }

    /// The same, looked up on the host: the names are the same ones, but nothing is masked. For what is only asked about.
    ///
    /// # Errors
    /// What looking gives.
    pub fn find_on_host(&self, thread: i32, name: Name) -> nix::Result<PathBuf> {
        let text = stranger::path(thread, name.text)?;
        let path = if text.is_absolute() { text } else { stranger::directory(thread, name.from)?.join(text) };
        std::fs::canonicalize(path).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))
    }

    fn walk(&self, thread: i32, mut path: PathBuf, follow: bool) -> nix::Result<PathBuf> {
        for _ in 0..LINKS {
            path = self.as_seen_by(thread, path);
            let (Some(parent), Some(last)) = (path.parent(), path.file_name()) else {
                // `/`, or something that ends in `..`.
                return stranger::path_of(&self.tree.look(&path, true)?);
            };
            let full = self.directory(thread, parent)?.join(last);
            if !follow {
                return Ok(full);
            }
            match self.tree.link(&full) {
                Ok(target) if self.shared && full.starts_with("/proc") => {
                    path = self.behind(&full, full.parent().unwrap_or(Path::new("/")).join(target))?;
                }
                Ok(target) => path = full.parent().unwrap_or(Path::new("/")).join(target),
                Err(Errno::ENAMETOOLONG) => return Err(Errno::ENAMETOOLONG),
                Err(_) => return Ok(full),
            }
        }
        Err(Errno::ELOOP)
    }

    /// Where a link of `/proc` leads, which may be a file that has no path (any more) and only a text like one.
    fn behind(&self, link: &Path, target: PathBuf) -> nix::Result<PathBuf> {
        use nix::sys::stat::{fstat, stat};
        let (behind, there) = (stat(link)?, fstat(&self.tree.look(&target, true)?)?);
        let same = (behind.st_dev, behind.st_ino) == (there.st_dev, there.st_ino);
        if same { Ok(target) } else { Err(Errno::ENOENT) }
    }

    /// The path that a name leads to through links of `/proc` that are true for the caller alone: `self`, working
    /// directories, open files; and the link that is the last of its steps, if one is. `None` where it passes through none
    /// of them, or leads to nothing that has a path.
    ///
    /// # Errors
    /// [`UNTOLD`].
    pub fn find_through_magic(&self, thread: i32, name: Name) -> nix::Result<Option<Magic>> {
        let Ok(text) = stranger::path(thread, name.text) else { return Ok(None) };
        let start = match stranger::directory(thread, name.from) {
            _ if text.is_absolute() => text,
            Ok(here) => here.join(text),
            Err(_) => return Ok(None),
        };
        let mut rest: VecDeque<OsString> = start.components().map(|c| c.as_os_str().into()).collect();
        let (mut here, mut links, mut magic) = (PathBuf::from("/"), 0, false);
        let mut last = None;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            let target = match stranger::own_name(thread, &next) {
                Some(own) => own,
                None if rest.is_empty() && !name.follow => {
                    return Ok(magic.then_some(Magic { path: next, last: None }));
                }
                None => match self.tree.link(&next) {
                    Ok(target) => target,
                    Err(Errno::ENAMETOOLONG) => return Err(UNTOLD),
                    Err(_) => {
                        here = next;
                        continue;
                    }
                },
            };
            links += 1;
            if links > LINKS {
                return Ok(None);
            }
            if next.starts_with("/proc") {
                magic = true;
                last = rest.is_empty().then(|| next.clone());
            }
            for component in target.components().rev() {
                rest.push_front(component.as_os_str().into());
            }
        }
        Ok(magic.then_some(Magic { path: here, last }))
    }

    /// Whether a link of `/proc` is one to a descriptor that is open for writing: opening it again gives nothing new.
    pub fn is_written_by(&self, link: &Path) -> bool {
        let Some((process, number)) =
            link.parent().zip(link.file_name()).filter(|(fd, _)| fd.ends_with("fd"))
        else {
            return false;
        };
        self.tree
            .look(&process.with_file_name("fdinfo").join(number), false)
            .is_ok_and(|told| stranger::is_written(&told))
    }

    fn directory(&self, thread: i32, path: &Path) -> nix::Result<PathBuf> {
        match self.tree.straight(path, true) {
            Ok(()) if path.is_absolute() && path.components().all(is_ordinary) => Ok(path.into()),
            // A link on the way may have been `self`, which was followed as ours.
            _ => Ok(self.as_seen_by(thread, stranger::path_of(&self.tree.look(path, true)?)?)),
        }
    }

    /// A path with what is the caller's own in `/proc` instead of ours. Whoever really meant ours meets the kernel's answer,
    /// which keeps it from everybody inside.
    fn as_seen_by(&self, thread: i32, path: PathBuf) -> PathBuf {
        let Ok(below) = path.strip_prefix("/proc").map(Path::to_path_buf) else { return path };
        if !self.shared {
            return path;
        }
        let this = std::process::id().to_string();
        let own = [
            ("thread-self".to_owned(), true),
            (format!("{this}/task/{this}"), true),
            ("self".to_owned(), false),
            (this, false),
        ];
        let found = own.iter().find_map(|(name, task)| Some((below.strip_prefix(name).ok()?, *task)));
        let (Some((rest, task)), Some(leader)) = (found, stranger::leader(thread)) else { return path };
        let mut full = Path::new("/proc").join(leader.to_string());
        if task {
            full = full.join("task").join(thread.to_string());
        }
        // Joining nothing would add a slash.
        if rest.as_os_str().is_empty() { full } else { full.join(rest) }
    }

    /// Whether a path without `.` and `..` leads where it says, through no link: to a directory, or to something else that
    /// may be missing.
    pub fn is_straight(&self, path: &Path, directory: bool) -> bool {
        match self.tree.straight(path, directory) {
            // The walk came to its end, or the call will get no further.
            Err(Errno::ENOENT) => !directory,
            walked => walked.is_ok(),
        }
    }

    /// Whether anything stands at a canonical path.
    pub fn is_there(&self, path: &Path) -> bool {
        self.tree.look(path, false).is_ok()
    }

    /// What stands at a canonical path itself, opened as a place.
    ///
    /// # Errors
    /// What openat2(2) gives.
    pub fn look(&self, path: &Path) -> nix::Result<OwnedFd> {
        self.tree.look(path, false)
    }

    /// What a path leads to, opened as a place.
    ///
    /// # Errors
    /// What openat2(2) gives.
    pub fn open(&self, path: &Path) -> nix::Result<OwnedFd> {
        self.tree.look(path, true)
    }
}

/// The place of a name that is too long as a whole: from where it starts, through no link.
fn find_deep(thread: i32, name: Name, text: &Path) -> nix::Result<PathBuf> {
    let (Some(above), Some(last)) = (text.parent().filter(|_| text.is_relative()), text.file_name()) else {
        return Err(UNTOLD);
    };
    let above = match stranger::directory_below(thread, name.from, above) {
        Err(Errno::ELOOP) => return Err(UNTOLD),
        above => above?,
    };
    match nix::fcntl::readlinkat(&above, last) {
        Ok(_) if name.follow => return Err(UNTOLD),
        Ok(_) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(error) => return Err(error),
    }
    Ok(stranger::path_of(&above)?.join(last))
}

fn is_ordinary(part: Component<'_>) -> bool {
    matches!(part, Component::RootDir | Component::Normal(_))
}
