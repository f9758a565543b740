//! Where a name in a confined process's memory leads: a canonical path in the tree that the sandbox sees.
//!
//! Owns the walk and what is remembered of it. What is found is true of the moment when it was looked at; a call that is
//! let through afterwards is held by the mounts, whatever has become of it.

use super::call::Name;
use crate::system::stranger::{self, Tree};
use nix::errno::Errno;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// As many symlinks as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;
/// Directories that are remembered.
const MOST: usize = 4096;

/// The tree of one sandbox. All its processes have the same root: none of them may change it.
#[derive(Debug)]
pub struct Places {
    tree: Tree,
    /// Directories as they were called, and what they are. Forgotten when anything is renamed or linked inside.
    known: HashMap<PathBuf, PathBuf>,
}

impl Places {
    /// The tree that this process sees.
    ///
    /// # Errors
    /// What open(2) gives.
    pub fn of(thread: i32) -> nix::Result<Places> {
        Ok(Places { tree: Tree::of(thread)?, known: HashMap::new() })
    }

    /// The canonical path that a name leads to; its last part need not exist.
    ///
    /// # Errors
    /// Whatever keeps it from being found: then it is the kernel's to answer.
    pub fn find(&mut self, thread: i32, name: Name) -> nix::Result<PathBuf> {
        let text = stranger::path(thread, name.text)?;
        if text.as_os_str().is_empty() {
            return Err(Errno::ENOENT);
        }
        // A slash at the end follows like a slash within.
        let follow = name.follow || text.as_os_str().as_encoded_bytes().ends_with(b"/");
        let path = if text.is_absolute() { text } else { stranger::directory(thread, name.from)?.join(text) };
        self.walk(path, follow)
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

    fn walk(&mut self, mut path: PathBuf, follow: bool) -> nix::Result<PathBuf> {
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

    fn directory(&mut self, path: &Path) -> nix::Result<PathBuf> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        let canonical = stranger::path_of(&self.tree.look(path, true)?)?;
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(path.into(), canonical.clone());
        Ok(canonical)
    }

    /// Something was renamed, linked or taken away: what was remembered may be wrong.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Whether anything stands at a canonical path.
    pub fn is_there(&self, path: &Path) -> bool {
        self.tree.look(path, false).is_ok()
    }

    /// What stands at a canonical path itself, opened as a place.
    ///
    /// # Errors
    /// What openat2(2) gives.
    pub fn look(&self, path: &Path) -> nix::Result<std::os::fd::OwnedFd> {
        self.tree.look(path, false)
    }

    /// What a path leads to, opened as a place.
    ///
    /// # Errors
    /// What openat2(2) gives.
    pub fn open(&self, path: &Path) -> nix::Result<std::os::fd::OwnedFd> {
        self.tree.look(path, true)
    }
}
