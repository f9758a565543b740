//! Facts: what exists of what the policy names. With `repositories` and `sight` the only part of confinement that looks
//! at the file system.
//!
//! Owns resolving symlinks, expanding globs and finding repositories. Decides nothing: it turns rules into
//! [`Places`], and an error here means that the command does not run.

use super::configured::{self, Configured};
#[cfg(target_os = "linux")]
use super::landlock;
use super::plan::{Before, Guard, Place, Places};
use super::repositories::{self, Repository};
use super::sight::Sight;
use super::walk::named;
use crate::policy::files::{FilePolicy, PathPattern, PathRule};
use crate::policy::paths::normal;
use crate::policy::protected;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Entries that one glob may look at before the command is refused.
pub(super) const GLOB_ENTRIES: usize = 1_000_000;

/// Why the facts could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A glob would have to look at too much.
    #[error(
        "cannot expand the path '{pattern}' ({origin}): more than {GLOB_ENTRIES} files below '{base}'; start the pattern deeper"
    )]
    TooMany {
        /// The glob.
        pattern: String,
        /// Where it stands.
        origin: String,
        /// Where the search began.
        base: String,
    },
    /// What is there is not known, and may have to be hidden or protected.
    #[error("cannot look at '{path}', which the policy depends on: {cause}; nothing was run")]
    Unseen {
        /// Where.
        path: String,
        /// The kernel's reason.
        cause: String,
    },
}

/// What exists, and the repositories that were there at the start.
#[derive(Debug, Default)]
pub struct Facts {
    /// For the plan.
    pub places: Places,
    /// `.git` entries at the start and the directories that they lead to, for the sweep.
    pub repositories: Vec<PathBuf>,
    /// The writable directories at whose tops names are protected.
    pub roots: Vec<PathBuf>,
}

/// Where the kernel takes settings in `/proc`. Listed, because reading `/proc` grows with the number of processes; a
/// test looks through all of `/proc` for what is missing here.
const KERNEL_SETTINGS: &[&str] = &[
    "sys",
    "sysrq-trigger",
    "irq",
    "bus",
    "fs",
    "scsi",
    "acpi",
    "asound",
    "dynamic_debug",
    "driver",
    "mtrr",
    "latency_stats",
    "timer_stats",
    "pressure",
];

/// The kernel's own files in `/proc` that root may write. A user namespace and the loss of all capabilities do not help:
/// uid 0 inside is uid 0 outside, which owns them, and bubblewrap covers only directories that are writable themselves
/// (`/proc/sys` is not), so `echo '|/tmp/x' > /proc/sys/kernel/core_pattern` ran a program outside as root.
pub fn kernel_files() -> Vec<PathBuf> {
    if !nix::unistd::geteuid().is_root() {
        return Vec::new();
    }
    let all = KERNEL_SETTINGS.iter().map(|name| Path::new("/proc").join(name));
    // One that cannot be looked at is covered, or that fails.
    let counts = |path: &PathBuf| match fs::symlink_metadata(path) {
        Ok(metadata) => !metadata.is_symlink(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    all.filter(counts).collect()
}

/// Where distributions put root's parts of ssh's configuration.
const SSH_PARTS: &str = "/etc/ssh/ssh_config.d";

/// Directories that programs inside would take for somebody else's and give up. Only an ordinary user's own number
/// exists inside, so root's files seem to be nobody's; and ssh ends where a file that it includes is not its user's or
/// root's. It does without one that it cannot see.
pub fn misread_inside() -> Vec<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Vec::new();
    }
    // Where it really is: nothing can be mounted on a link, and some distributions link all of /etc.
    let has_files = |place: &PathBuf| fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some());
    fs::canonicalize(SSH_PARTS).ok().filter(has_files).into_iter().collect()
}

/// What stands in a directory; nothing for one that cannot be listed.
#[cfg(target_os = "linux")]
pub fn list(directory: &Path) -> Vec<landlock::Entry> {
    use landlock::{Entry, Kind};
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let entry = |entry: fs::DirEntry| {
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_dir() => Kind::Directory,
            Ok(kind) if kind.is_symlink() => Kind::Link,
            _ => Kind::File,
        };
        Entry { name: entry.file_name(), kind }
    };
    entries.map(entry).collect()
}

/// Looks at everything that the policy names. `unguarded` are writable directories (TMPDIR, an agent's own files)
/// at whose tops nothing is read as configuration. In `home` is the user's own configuration of git.
///
/// # Errors
/// [`FactsError`].
pub fn read(files: &FilePolicy, unguarded: &[PathBuf], home: Option<&Path>) -> Result<Facts, FactsError> {
    let sight = Sight::default();
    let mut resolver = Resolver { sight: &sight, parents: HashMap::new(), unseen: Vec::new() };
    let mut facts = Facts::default();
    let places = &mut facts.places;
    let mut by_link = Vec::new();
    let mut place = |(named, place): (PathBuf, Place)| {
        by_link.extend((named != place.path).then_some(named));
        place
    };
    places.read_denied.extend(resolver.expand(&files.read_denied)?.into_iter().map(&mut place));
    let unread = std::mem::take(&mut resolver.unseen);
    places.write_denied.extend(resolver.expand(&files.write_denied)?.into_iter().map(&mut place));
    let writable = resolver.expand(&files.writable)?;
    let tops: Vec<PathBuf> = writable.iter().map(|(_, place)| place.path.clone()).collect();
    // What must not be read and cannot be seen could be opened again by the command: all of the directory is kept from it.
    let in_reach = |path: &PathBuf| tops.iter().any(|top| path.starts_with(top));
    let shut: BTreeSet<PathBuf> =
        unread.iter().filter_map(|path| sight.shut(path)).filter(in_reach).collect();
    places.read_denied.extend(shut.into_iter().map(|path| Place { path, directory: true }));
    let opened = |(named, place): (PathBuf, Place)| {
        (named == place.path || !by_doubtful_link(&named, &tops, &sight)).then_some(place)
    };
    places.writable.extend(writable.into_iter().filter_map(opened));
    places.read_allowed.extend(resolver.expand(&files.read_allowed)?.into_iter().filter_map(opened));
    let mut roots: Vec<PathBuf> =
        places.writable.iter().filter(|p| p.directory).map(|p| p.path.clone()).collect();
    roots.retain(|r| !unguarded.contains(r));
    roots.sort();
    roots.dedup();
    guard_missing(files, &roots, places, &mut resolver);
    for named in by_link {
        guard_links(named, &roots, places, &sight);
    }
    let mut seen = HashSet::new();
    let users = home.map(|home| configured::of_user(home, &sight)).unwrap_or_default();
    protect_configured(&users, Path::new("/"), &roots, places, &mut resolver);
    for root in &roots {
        protect_top(root, places, &mut resolver);
        for entry in repositories::find(root, &sight) {
            if seen.insert(entry.clone()) {
                let repository = repositories::read(&entry, &sight);
                let found = repository.as_ref();
                let parts = protect_repository(&entry, found, root, &roots, files, places, &mut resolver);
                facts.repositories.extend(parts);
                if let Some(repository) = repository {
                    let mut own = configured::read(repository.configs(), home, &sight);
                    own.hooks.extend(users.hooks.iter().filter(|hooks| hooks.is_relative()).cloned());
                    // Without a `.git` there is no other tree than itself.
                    let is_entry = entry.file_name().is_some_and(|name| name.eq_ignore_ascii_case(".git"));
                    let tree = entry.parent().filter(|_| is_entry).unwrap_or(&entry);
                    protect_configured(&own, tree, &roots, places, &mut resolver);
                    facts.repositories.extend([repository.directory, repository.common]);
                }
                facts.repositories.push(entry);
            }
        }
        if !seen.contains(&root.join(".git")) {
            places.guards.push(guard(root, ".git", Before::NoRepository));
        }
    }
    // An entry, its directory and the common one are mostly one and the same.
    facts.repositories.sort();
    facts.repositories.dedup();
    facts.roots = roots;
    match sight.trouble() {
        None => Ok(facts),
        Some((path, cause)) => {
            Err(FactsError::Unseen { path: path.display().to_string(), cause: cause.to_string() })
        }
    }
}

/// Whether a symlink on the way stands where confined code can write (`tops`): it may have been made to lead anywhere,
/// so nothing is opened through it.
fn by_doubtful_link(path: &Path, tops: &[PathBuf], sight: &Sight) -> bool {
    let mut here = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = path.components().map(|c| c.as_os_str().into()).collect();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&part);
        let Some(target) = sight.link(&next) else {
            here = next;
            continue;
        };
        links += 1;
        // As many as the kernel follows (path_resolution(7)).
        if links > 40 || tops.iter().any(|top| here.starts_with(top)) {
            return true;
        }
        for component in target.components().rev() {
            rest.push_front(component.as_os_str().into());
        }
    }
    false
}

fn guard(root: &Path, name: impl Into<PathBuf>, before: Before) -> Guard {
    Guard { root: root.into(), name: name.into(), before }
}

/// Literal paths that must not be written and do not exist: no mount can hold them.
fn guard_missing(files: &FilePolicy, roots: &[PathBuf], places: &mut Places, resolver: &mut Resolver<'_>) {
    for rule in &files.write_denied {
        let PathPattern::Literal(path) = &rule.pattern else { continue };
        if resolver.sight.stands(path) {
            if let Some((root, name, target)) = link_in(path, roots, resolver.sight) {
                places.guards.push(guard(&root, name, Before::Link(target)));
            }
            continue;
        }
        let Some(full) = resolver.missing(path) else { continue };
        if let Some(root) = roots.iter().find(|r| full.starts_with(r))
            && let Ok(name) = full.strip_prefix(root)
        {
            places.guards.push(guard(root, name, Before::Missing));
        }
    }
}

/// Symlinks in writable directories by which a rule finds what it names: without them the next command's rule would name
/// nothing, and what it hides stand open.
fn guard_links(mut path: PathBuf, roots: &[PathBuf], places: &mut Places, sight: &Sight) {
    // As many as the kernel follows.
    for _ in 0..40 {
        // The first on the way: what comes after it is not where it seems.
        let steps: Vec<&Path> = path.ancestors().collect();
        let link = steps.into_iter().rev().find_map(|step| Some((step, sight.link(step)?)));
        let Some((link, target)) = link else { return };
        let Ok(rest) = path.strip_prefix(link) else { return };
        if let Some((root, name, target)) = link_in(link, roots, sight) {
            places.guards.push(guard(&root, name, Before::Link(target)));
        }
        let leads = link.parent().unwrap_or(Path::new("/")).join(target).join(rest);
        path = normal(&leads);
    }
}

/// A symlink inside a writable directory: its root, name and target.
fn link_in(path: &Path, roots: &[PathBuf], sight: &Sight) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let target = sight.link(path)?;
    let parent = sight.canonical(path.parent()?)?;
    let full = parent.join(path.file_name()?);
    let root = roots.iter().find(|r| full.starts_with(r))?;
    Some((root.clone(), full.strip_prefix(root).ok()?.into(), target))
}

/// List 2 of the always-protected names, and the names that would make the tree a bare repository.
fn protect_top(root: &Path, places: &mut Places, resolver: &mut Resolver<'_>) {
    for name in protected::AT_TOP {
        protect_name(root, Path::new(name), places, resolver);
    }
    let bare = protected::BARE_REPOSITORY;
    let sight = resolver.sight;
    if repositories::is_git_directory(|name| sight.stands(&root.join(name))) {
        for name in protected::IN_REPOSITORY {
            protect_name(root, Path::new(name), places, resolver);
        }
    } else {
        for name in bare.iter().filter(|n| !sight.stands(&root.join(n))) {
            places.guards.push(guard(root, *name, Before::NoBareRepository));
        }
    }
}

fn protect_name(root: &Path, name: &Path, places: &mut Places, resolver: &mut Resolver<'_>) {
    let full = root.join(name);
    let sight = resolver.sight;
    match sight.metadata(&full) {
        None => {
            // The root itself is no link.
            let above = name.parent().filter(|above| !above.as_os_str().is_empty());
            if let Some((above, target)) = above.and_then(|p| Some((p, sight.link(&root.join(p))?))) {
                places.guards.push(guard(root, above, Before::Link(target)));
            }
            places.guards.push(guard(root, name, Before::Missing));
        }
        Some(metadata) => {
            if metadata.is_symlink()
                && let Some(target) = sight.link(&full)
            {
                places.guards.push(guard(root, name, Before::Link(target)));
            }
            places.write_denied.extend(resolver.place(&full));
        }
    }
}

/// Submodules of one repository, and worktrees, that mounts hold.
const PARTS: usize = 24;

/// List 1: what a repository's `.git` leads to. Gives the directories of its submodules and worktrees.
fn protect_repository(
    entry: &Path,
    repository: Option<&Repository>,
    root: &Path,
    roots: &[PathBuf],
    files: &FilePolicy,
    places: &mut Places,
    resolver: &mut Resolver<'_>,
) -> Vec<PathBuf> {
    let sight = resolver.sight;
    if sight.metadata(entry).is_some_and(|m| !m.is_dir())
        && let Ok(name) = entry.strip_prefix(root)
    {
        // A `.git` file or symlink decides where git looks for everything else.
        protect_name(root, name, places, resolver);
    }
    let Some(Repository { directory, common, linked, .. }) = repository else { return Vec::new() };
    if *linked && entry.parent() == Some(root) {
        places.writable.push(Place { path: common.clone(), directory: true });
    }
    let (modules, worktrees) = repositories::parts(common, sight);
    let own = HashSet::from([directory, common]);
    let all = own
        .iter()
        .copied()
        .chain(&modules)
        .flat_map(|base| protected::IN_REPOSITORY.iter().map(move |name| (base, *name)));
    for (base, name) in all.chain(worktrees.iter().take(PARTS).map(|base| (base, "config.worktree"))) {
        let holder = roots.iter().find(|r| base.starts_with(r)).unwrap_or(base);
        let Ok(inner) = base.strip_prefix(holder) else { continue };
        let open = name == "config" && files.allow_git_config && entry.parent() == Some(root);
        if !(open && own.contains(base)) {
            protect_name(holder, &inner.join(name), places, resolver);
        }
    }
    modules.into_iter().chain(worktrees).collect()
}

/// Hooks elsewhere, and more of the config: what stands outside of writable trees nobody inside writes.
fn protect_configured(
    named: &Configured,
    tree: &Path,
    roots: &[PathBuf],
    places: &mut Places,
    resolver: &mut Resolver<'_>,
) {
    for place in named.hooks.iter().chain(&named.included) {
        let place = normal(&tree.join(place));
        if let Some(root) = roots.iter().find(|root| place.starts_with(root) && place != **root)
            && let Ok(name) = place.strip_prefix(root)
        {
            protect_name(root, name, places, resolver);
        }
    }
}

/// Resolves paths, remembering parents: most of what is asked for shares a few.
struct Resolver<'a> {
    sight: &'a Sight,
    parents: HashMap<PathBuf, Option<PathBuf>>,
    /// What rules name and was not to be seen, be it that there is nothing.
    unseen: Vec<PathBuf>,
}

impl Resolver<'_> {
    fn parent(&mut self, parent: &Path) -> Option<PathBuf> {
        if let Some(known) = self.parents.get(parent) {
            return known.clone();
        }
        let canonical = self.sight.canonical(parent);
        self.parents.insert(parent.into(), canonical.clone());
        canonical
    }

    /// The place that a path leads to; `None` if there is nothing.
    fn place(&mut self, path: &Path) -> Option<Place> {
        let metadata = self.sight.metadata(path)?;
        if metadata.is_symlink() {
            let path = self.sight.canonical(path)?;
            let directory = self.sight.target(&path).is_some_and(|m| m.is_dir());
            return Some(Place { path, directory });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Some(Place { path: "/".into(), directory: true });
        };
        Some(Place { path: self.parent(parent)?.join(name), directory: metadata.is_dir() })
    }

    /// A path that does not exist, with what does exist of it resolved.
    fn missing(&mut self, path: &Path) -> Option<PathBuf> {
        let existing = path.ancestors().skip(1).find(|a| self.sight.stands(a))?;
        let rest = path.strip_prefix(existing).ok()?;
        Some(self.parent(existing)?.join(rest))
    }

    /// The existing paths that rules name, and where they lead.
    fn expand(&mut self, rules: &[PathRule]) -> Result<Vec<(PathBuf, Place)>, FactsError> {
        let mut found = Vec::new();
        for rule in rules {
            let (paths, unlisted) = named(rule, self.sight)?;
            self.unseen.extend(unlisted);
            for path in paths {
                match self.place(&path) {
                    Some(place) => found.push((path, place)),
                    None => self.unseen.push(path),
                }
            }
        }
        Ok(found)
    }
}
