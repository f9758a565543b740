//! The sweep: after a run, protected names that appeared in writable trees are moved away and reported.
//!
//! Owns looking and moving. What it looks at was written by code that may be hostile and may still be running, so
//! every step goes by descriptors beneath the tree's own top and follows no symlink. It looks at the names that the
//! plan lists and at repositories within the same budget as at the start; it does not walk the tree.

use super::Swept;
use super::{gitconfig, grants};
use crate::confinement::plan::{Before, Guard};
use crate::confinement::repositories;
use crate::confinement::sight::Sight;
use crate::gatekeeper::rules::is_repository;
use crate::settings::trust::TrustStore;
use crate::system::beneath::Beneath;
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
    /// `.git` entries that were seen to appear during the run, wherever they are.
    pub born: Vec<PathBuf>,
    /// Protected names at which a person let something stand.
    pub granted: Vec<PathBuf>,
    /// Files that were made for an agent and go again if nothing opened them for writing.
    pub made: Vec<PathBuf>,
    /// sbsh's state, with the trust store, and when the run began (seconds since 1970): what sbsh itself wrote
    /// meanwhile, because a person said "always", stays.
    pub state: Option<PathBuf>,
    /// See `state`.
    pub begun: u64,
    /// Where what is found goes, outside of every writable tree.
    pub quarantine: PathBuf,
    /// The command changed nothing but layers: there is nothing to look at.
    pub layered: bool,
}

/// Looks, moves away what may not be there, and says what was done.
pub fn sweep(watch: &Watch) -> Vec<Swept> {
    if watch.layered {
        return Vec::new();
    }
    let mut all = Vec::new();
    grants::clear(&watch.made);
    for root in &watch.roots {
        let Some(top) = open(root, &mut all) else { continue };
        let guards: Vec<&Guard> = watch.guards.iter().filter(|g| g.root == *root).collect();
        let links =
            guards.iter().filter(|g| matches!(g.before, Before::Link(_))).map(|g| g.name.as_path()).collect();
        let (quarantine, known) = (watch.quarantine.as_path(), watch.repositories.as_slice());
        let mut sweeper = Sweeper { top, root, watch, quarantine, known, links, swept: &mut all };
        sweeper.bare_repository(&guards);
        for guard in guards {
            sweeper.guard(guard);
        }
        let mut entries = repositories::find(root, &Sight::default());
        let born = watch.born.iter().filter(|entry| entry.starts_with(root) && !entries.contains(entry));
        let born: Vec<PathBuf> = born.cloned().collect();
        entries.extend(born);
        for entry in entries {
            if !watch.repositories.contains(&entry)
                && let Ok(name) = entry.strip_prefix(root)
            {
                sweeper.newborn(name);
            }
        }
        for base in watch.repositories.iter().filter_map(|base| base.strip_prefix(root).ok()) {
            sweeper.worktrees(base);
            sweeper.modules(base);
        }
    }
    sweep_elsewhere(watch, &mut all);
    all
}

/// A tree that is there, whatever permissions of it the command took away.
fn open(root: &Path, all: &mut Vec<Swept>) -> Option<Beneath> {
    let error = match Beneath::reopen(root) {
        Ok(top) => return Some(top),
        Err(error) => error,
    };
    let is_gone = matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP));
    if !is_gone && !all.iter().any(|swept| swept.unseen && swept.path == root) {
        let why = "it could not be looked through".into();
        all.push(Swept { path: root.into(), why, moved: Err(error.to_string()), unseen: true });
    }
    None
}

/// Repositories that were born where no writable tree was at the start: settings or a person opened a name that did not
/// exist. The directory of the outermost takes the tree's part.
fn sweep_elsewhere(watch: &Watch, all: &mut Vec<Swept>) {
    let elsewhere = |entry: &&PathBuf| !watch.roots.iter().any(|root| entry.starts_with(root));
    let mut born: Vec<&PathBuf> = watch.born.iter().filter(elsewhere).collect();
    born.sort_by_key(|entry| entry.components().count());
    let mut tops: Vec<&Path> = Vec::new();
    for entry in born {
        let top = tops.iter().copied().find(|top| entry.starts_with(top)).or_else(|| entry.parent());
        let Some(root) = top else { continue };
        if !tops.contains(&root) {
            tops.push(root);
        }
        let (Some(top), Ok(name)) = (open(root, all), entry.strip_prefix(root)) else { continue };
        let (quarantine, known) = (watch.quarantine.as_path(), watch.repositories.as_slice());
        Sweeper { top, root, watch, quarantine, known, links: Vec::new(), swept: all }.newborn(name);
    }
}

struct Sweeper<'a> {
    top: Beneath,
    root: &'a Path,
    watch: &'a Watch,
    quarantine: &'a Path,
    /// Git directories that were there at the start.
    known: &'a [PathBuf],
    /// Symlinks that were there at the start.
    links: Vec<&'a Path>,
    swept: &'a mut Vec<Swept>,
}

/// More hooks than git knows, by far.
const HOOKS: usize = 100;
/// Administrative directories of one repository that are looked at.
const WORKTREES: usize = 1000;

/// A submodule's config names its own working tree, which is below the repository that its directory is in. Only such
/// a line is left out of what is judged.
fn without_own_worktree(text: &[u8], config: &Path) -> Vec<u8> {
    let depth = config.components().position(|c| c.as_os_str() == "modules");
    let Some(depth) = depth.filter(|&d| d > 0) else { return text.to_vec() };
    // From `.git/modules/NAME` up to the directory that holds `.git`.
    let up = config.components().count() - 1 - (depth - 1);
    let own = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let Some(value) = line.trim().strip_prefix("worktree = ") else { return false };
        let parts: Vec<&str> = value.split('/').collect();
        let climbs = parts.iter().take_while(|p| **p == "..").count();
        let plain = |p: &&str| !p.is_empty() && *p != ".." && !p.contains(['\\', '"', ';', '#']);
        climbs == up && parts.len() > climbs && parts.iter().skip(climbs).all(plain)
    };
    text.split_inclusive(|&b| b == b'\n').filter(|line| !own(line)).flatten().copied().collect()
}

impl Sweeper<'_> {
    fn guard(&mut self, guard: &Guard) {
        match &guard.before {
            Before::Missing => {
                // Nothing is looked for behind a link; but whoever reads the name would follow it.
                if let Some(link) = self.top.link_on_the_way(&guard.name)
                    && !self.links.contains(&&*link)
                {
                    self.take(&link, "it is a symlink on the way to a protected name");
                }
                if self.top.exists(&guard.name) && !self.is_an_answer(&guard.name) {
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

    /// A settings file whose exact content was pinned during the run: only sbsh itself can have done that.
    fn is_an_answer(&self, name: &Path) -> bool {
        const LONGEST: u64 = 1 << 20;
        if !name.starts_with(".claude") {
            return false;
        }
        let Ok(content) = self.top.read(name, LONGEST) else { return false };
        let store = TrustStore::open(self.watch.state.as_deref());
        store.is_trusted_since(&self.root.join(name), &content, self.watch.begun)
    }

    /// `HEAD`, `objects` and `refs` at the top make git take the tree for a bare repository and obey its config; so do `HEAD`
    /// and `commondir`.
    fn bare_repository(&mut self, guards: &[&Guard]) {
        let new: Vec<&Path> = guards
            .iter()
            .filter(|g| g.before == Before::NoBareRepository)
            .map(|g| g.name.as_path())
            .collect();
        if new.is_empty() || !self.is_git_directory(Path::new("")) {
            return;
        }
        for name in new {
            if self.top.exists(name) {
                self.take(name, "together with its neighbours it makes this directory a git repository");
            }
        }
    }

    fn is_git_directory(&self, directory: &Path) -> bool {
        repositories::is_git_directory(|name| self.top.exists(&directory.join(name)))
    }

    /// A repository that was born during the run: its own config and sample hooks may stay.
    fn newborn(&mut self, entry: &Path) {
        // What made a directory look like a bare repository may have been something else.
        let named = is_repository(entry) || entry.parent().is_some_and(|above| above.ends_with("worktrees"));
        if !named && !self.is_git_directory(entry) {
            return;
        }
        if self.top.is_directory(entry) {
            self.git_directory(entry);
        } else if self.top.exists(entry) {
            // A `.git` file or symlink: a worktree or submodule made inside, or a pointer to somewhere prepared.
            self.newborn_pointer(entry);
        }
    }

    fn git_directory(&mut self, directory: &Path) {
        self.hooks(&directory.join("hooks"));
        for name in ["config", "config.worktree"] {
            self.config(&directory.join(name));
        }
        let is_worktree = directory.parent().is_some_and(|p| p.ends_with("worktrees"));
        if is_worktree {
            self.worktree(directory);
        } else {
            for name in ["commondir", "gitdir"] {
                if self.top.exists(&directory.join(name)) {
                    self.take(&directory.join(name), "it leads git to another repository");
                }
            }
        }
        self.worktrees(directory);
        self.modules(directory);
    }

    /// What cannot be looked through, or has more names than a person would look through, goes as a whole.
    fn hooks(&mut self, hooks: &Path) {
        if !self.top.exists(hooks) {
            return;
        }
        let Ok(names) = self.top.names(hooks, HOOKS) else {
            return self.take(hooks, "they are git hooks made during the run that cannot be looked through");
        };
        for name in names.iter().filter(|n| !n.as_encoded_bytes().ends_with(b".sample")) {
            self.take(&hooks.join(name), "it is a git hook made during the run");
        }
    }

    fn config(&mut self, config: &Path) {
        if !self.top.exists(config) {
            return;
        }
        if self.top.has_other_names(config) {
            return self.take(config, "it is a git config made during the run that has another name, too");
        }
        match self.top.read(config, 1 << 20) {
            Ok(text) => {
                let text = without_own_worktree(&text, config);
                if let Some(key) = gitconfig::dangerous_key(&text) {
                    self.take(config, &format!("it is a git config made during the run that sets '{key}'"));
                }
            }
            Err(_) => self.take(config, "it is a git config made during the run that cannot be read"),
        }
    }

    /// The administrative directories of linked worktrees: git looks for config and hooks where their `commondir`
    /// says, which is two directories up and never elsewhere.
    fn worktrees(&mut self, common: &Path) {
        let directory = common.join("worktrees");
        if !self.top.exists(&directory) {
            return;
        }
        match self.top.names(&directory, WORKTREES) {
            Ok(names) => names.iter().for_each(|name| self.worktree(&directory.join(name))),
            Err(_) => self.take(&directory, "they are git worktrees that cannot be looked through"),
        }
    }

    /// Submodules' directories that were made during the run, whether anything leads to them yet or not: `git submodule
    /// update` takes one that it finds.
    fn modules(&mut self, common: &Path) {
        let mut waiting = vec![common.join("modules")];
        let mut left = WORKTREES;
        while let Some(directory) = waiting.pop() {
            if !self.top.exists(&directory) {
                continue;
            }
            let Ok(names) = self.top.names(&directory, left) else {
                self.take(&directory, "they are git submodules that cannot be looked through");
                continue;
            };
            left -= names.len();
            for name in names.iter().map(|name| directory.join(name)) {
                let is_module = self.top.exists(&name.join("HEAD"));
                if is_module && !self.known.contains(&self.root.join(&name)) {
                    // With those in it.
                    self.git_directory(&name);
                } else if self.top.is_directory(&name) {
                    waiting.push(if is_module { name.join("modules") } else { name });
                } else if self.top.read_link(&name).is_some() {
                    self.take(&name, "it leads git to a submodule elsewhere");
                }
            }
        }
    }

    fn worktree(&mut self, directory: &Path) {
        let is_known = self.known.contains(&self.root.join(directory));
        if !is_known {
            self.config(&directory.join("config.worktree"));
        }
        let leads = directory.join("commondir");
        // What it leads to is looked at only where it is a repository.
        let above = directory.ancestors().nth(2).unwrap_or(Path::new(""));
        let is_one = |place: &Path| is_repository(place) || self.is_git_directory(place);
        // Where submodules are, nothing is looked at as if it were one.
        let holds = above.ends_with("modules") && above.parent().is_some_and(is_one);
        let is_judged = is_one(above) && !holds;
        let own = (is_known || is_judged)
            && self.top.read(&leads, 8192).is_ok_and(|text| text.trim_ascii() == b"../..")
            && !self.top.has_other_names(&leads);
        if !own && self.top.exists(&leads) {
            self.take(&leads, "it leads git to another repository");
        }
    }

    fn newborn_pointer(&mut self, entry: &Path) {
        if self.top.has_other_names(entry) {
            return self.take(entry, "it leads git elsewhere and has another name, too");
        }
        // git stops at an empty one; uv puts it above what it unpacks.
        if self.top.read(entry, 0).is_ok() {
            return;
        }
        let leads = repositories::read(&self.root.join(entry), &Sight::default());
        let stays_inside = leads.as_ref().is_some_and(|r| {
            let known = |path: &Path| {
                path.starts_with(self.root) && path.components().any(|c| c.as_os_str() == ".git")
            };
            known(&r.directory) && known(&r.common)
        });
        if !stays_inside && !leads.as_ref().is_some_and(|r| r.linked) {
            self.take(entry, "it leads git to a place that is no repository of this project");
            return;
        }
        for base in leads.into_iter().flat_map(|r| [r.directory, r.common]) {
            if !self.known.contains(&base)
                && let Ok(name) = base.strip_prefix(self.root)
            {
                self.git_directory(name);
            }
        }
    }

    fn take(&mut self, name: &Path, why: &str) {
        let path = self.root.join(name);
        if self.watch.granted.contains(&path) {
            return;
        }
        let moved = self.top.move_out(name, self.quarantine).map_err(|error| error.to_string());
        self.swept.push(Swept { path, why: why.into(), moved, unseen: false });
    }
}
