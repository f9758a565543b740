//! Where a name in a confined process's memory leads: a canonical path in the tree that the sandbox sees.
//!
//! Owns the walk. No answer is remembered: a rename that was let through happens after it was seen, and those of other
//! sandboxes are not seen at all. What is found is true of the moment when it was looked at; a call that is
//! let through afterwards is held by the mounts, whatever has become of it.

use super::call::Name;
use crate::system::stranger::{self, Tree};
use nix::errno::Errno;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// As many symlinks as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;
/// Directories that are kept open.
const MOST: usize = 64;

/// The tree of one sandbox. All its processes have the same root: none of them may change it.
#[derive(Debug)]
pub struct Places {
    tree: Tree,
    /// Directories that were looked up lately by their canonical paths.
    open: RefCell<HashMap<PathBuf, OwnedFd>>,
}

impl Places {
    /// The tree that this process sees.
    ///
    /// # Errors
    /// What open(2) gives.
    pub fn of(thread: i32) -> nix::Result<Places> {
        Ok(Places { tree: Tree::of(thread)?, open: RefCell::default() })
    }

    /// The canonical path that a name leads to; its last part need not exist.
    ///
    /// # Errors
    /// Whatever keeps it from being found: then it is the kernel's to answer.
    pub fn find(&self, thread: i32, name: Name) -> nix::Result<PathBuf> {
        let text = stranger::path(thread, name.text)?;
        if text.as_os_str().is_empty() {
            return Err(Errno::ENOENT);
        }
        // A slash at the end follows like a slash within.
        let follow = name.follow || text.as_os_str().as_encoded_bytes().ends_with(b"/");
        if text.is_absolute() {
            return self.walk(text, follow);
        }
        let here = stranger::directory(thread, name.from)?;
        let path = here.join(&text);
        if Path::new(text.file_name().unwrap_or_default()) != text {
            return self.walk(path, follow);
        }
        // A name in a directory of the caller's, of which the kernel has just told the canonical path.
        if !follow {
            return Ok(path);
        }
        match self.tree.link(&path) {
            Ok(target) => self.walk(here.join(target), follow),
            Err(_) => Ok(path),
        }
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

    fn walk(&self, mut path: PathBuf, follow: bool) -> nix::Result<PathBuf> {
        for _ in 0..LINKS {
            let (Some(parent), Some(last)) = (path.parent(), path.file_name()) else {
                // `/`, or something that ends in `..`.
                return stranger::path_of(&self.tree.look(&path, true)?);
            };
            let full = self.directory(parent)?.join(last);
            if !follow {
                return Ok(full);
            }
            match self.tree.link(&full) {
                Ok(target) => path = full.parent().unwrap_or(Path::new("/")).join(target),
                Err(_) => return Ok(full),
            }
        }
        Err(Errno::ELOOP)
    }

    /// The path that a name leads to through links of `/proc` that are true for the caller alone: `self`, working
    /// directories, open files. `None` where it passes through none of them, or leads to nothing that has a path.
    pub fn find_through_magic(&self, thread: i32, name: Name) -> Option<PathBuf> {
        let text = stranger::path(thread, name.text).ok()?;
        let start =
            if text.is_absolute() { text } else { stranger::directory(thread, name.from).ok()?.join(text) };
        let mut rest: VecDeque<OsString> = start.components().map(|c| c.as_os_str().into()).collect();
        let (mut here, mut links, mut magic) = (PathBuf::from("/"), 0, false);
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            let target = match stranger::own_name(thread, &next) {
                Some(own) => own,
                None if rest.is_empty() && !name.follow => return magic.then_some(next),
                None => match self.tree.link(&next) {
                    Ok(target) => target,
                    Err(_) => {
                        here = next;
                        continue;
                    }
                },
            };
            links += 1;
            if links > LINKS {
                return None;
            }
            if next.starts_with("/proc") {
                magic = true;
            }
            for component in target.components().rev() {
                rest.push_front(component.as_os_str().into());
            }
        }
        magic.then_some(here)
    }

    fn directory(&self, path: &Path) -> nix::Result<PathBuf> {
        let mut open = self.open.borrow_mut();
        if let Some(place) = open.get(path) {
            // No part of its path is a link, so while it is called so, the path leads to it.
            if stranger::path_of(place).is_ok_and(|now| now == path) {
                return Ok(path.into());
            }
            open.remove(path);
        }
        let place = self.tree.look(path, true)?;
        let canonical = stranger::path_of(&place)?;
        if canonical.as_os_str() == path.as_os_str() {
            if open.len() >= MOST {
                open.clear();
            }
            open.insert(path.into(), place);
        }
        Ok(canonical)
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
