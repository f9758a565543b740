//! The sweep: after a run, protected names that appeared in writable trees are moved away and reported.
//!
//! Owns looking and moving. What it looks at was written by code that may be hostile and may still be running, so
//! every step goes by descriptors beneath the tree's own top and follows no symlink. It looks at the names that the
//! plan lists and at repositories within the same budget as at the start; it does not walk the tree.

use super::Swept;
use super::{gitconfig, grants};
use crate::confinement::plan::{Before, Guard};
use crate::confinement::repositories;
use crate::system::beneath::Beneath;
use std::io;
use std::path::{Path, PathBuf};

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Names that must be as they were.
    pub guards: Vec<Guard>,
    /// The writable trees.
    pub roots: Vec<PathBuf>,
    /// `.git` entries that were there at the start.
    pub repositories: Vec<PathBuf>,
    /// Files that were made for an agent and go again if nothing was written into them.
    pub made: Vec<PathBuf>,
    /// Where what is found goes, outside of every writable tree.
    pub quarantine: PathBuf,
}

/// Looks, moves away what may not be there, and says what was done.
pub fn sweep(watch: &Watch) -> Vec<Swept> {
    let mut all = Vec::new();
    grants::clear(&watch.made);
    for root in &watch.roots {
        let Ok(top) = Beneath::open(root) else { continue };
        let mut sweeper = Sweeper { top, root, quarantine: &watch.quarantine, swept: &mut all };
        let guards: Vec<&Guard> = watch.guards.iter().filter(|g| g.root == *root).collect();
        sweeper.bare_repository(&guards);
        for guard in guards {
            sweeper.guard(guard);
        }
        for entry in repositories::find(root) {
            if !watch.repositories.contains(&entry)
                && let Ok(name) = entry.strip_prefix(root)
            {
                sweeper.newborn(name);
            }
        }
    }
    all
}

struct Sweeper<'a> {
    top: Beneath,
    root: &'a Path,
    quarantine: &'a Path,
    swept: &'a mut Vec<Swept>,
}

impl Sweeper<'_> {
    fn guard(&mut self, guard: &Guard) {
        match &guard.before {
            Before::Missing => {
                if self.top.exists(&guard.name) {
                    self.take(&guard.name, "it is a protected name that did not exist before");
                }
            }
            Before::Link(target) => match self.top.read_link(&guard.name) {
                Some(now) if now == *target => {}
                _ => {
                    if self.top.exists(&guard.name) {
                        self.take(&guard.name, "it is a protected symlink that was replaced");
                    }
                    let _ = self.top.make_link(target, &guard.name);
                }
            },
            // Repositories are found by the search below.
            Before::NoRepository | Before::NoBareRepository => {}
        }
    }

    /// `HEAD`, `objects` and `refs` at the top make git take the tree for a bare repository and obey its config.
    fn bare_repository(&mut self, guards: &[&Guard]) {
        let new: Vec<&Path> = guards
            .iter()
            .filter(|g| g.before == Before::NoBareRepository)
            .map(|g| g.name.as_path())
            .collect();
        let is_bare = ["HEAD", "objects", "refs"].iter().all(|n| self.top.exists(Path::new(n)));
        if new.is_empty() || !is_bare {
            return;
        }
        for name in new {
            if self.top.exists(name) {
                self.take(name, "together with its neighbours it makes this directory a bare git repository");
            }
        }
    }

    /// A repository that was born during the run: its own config and sample hooks may stay.
    fn newborn(&mut self, entry: &Path) {
        if !self.top.is_directory(entry) {
            // A `.git` file or symlink: a worktree or submodule made inside, or a pointer to somewhere prepared.
            self.newborn_pointer(entry);
            return;
        }
        for name in self.top.names(&entry.join("hooks")) {
            if !name.as_encoded_bytes().ends_with(b".sample") {
                let hook = entry.join("hooks").join(name);
                self.take(&hook, "it is a git hook made during the run");
            }
        }
        for name in ["config", "config.worktree"] {
            let config = entry.join(name);
            match self.top.read(&config, 1 << 20) {
                Ok(text) => {
                    if let Some(key) = gitconfig::dangerous_key(&text) {
                        self.take(
                            &config,
                            &format!("it is a git config made during the run that sets '{key}'"),
                        );
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => self.take(&config, "it is a git config made during the run that cannot be read"),
            }
        }
        for name in ["commondir", "gitdir"] {
            if self.top.exists(&entry.join(name)) {
                self.take(&entry.join(name), "it leads git to another repository");
            }
        }
    }

    fn newborn_pointer(&mut self, entry: &Path) {
        let leads = repositories::read(&self.root.join(entry));
        let stays_inside = leads.as_ref().is_some_and(|r| {
            let known = |path: &Path| {
                path.starts_with(self.root) && path.components().any(|c| c.as_os_str() == ".git")
            };
            known(&r.directory) && known(&r.common)
        });
        if !stays_inside && !leads.is_some_and(|r| r.linked) {
            self.take(entry, "it leads git to a place that is no repository of this project");
        }
    }

    fn take(&mut self, name: &Path, why: &str) {
        let path = self.root.join(name);
        let moved = self.top.move_out(name, self.quarantine).map_err(|error| error.to_string());
        self.swept.push(Swept { path, why: why.into(), moved });
    }
}
