//! Git repositories in a writable tree: where they are and which directories their `.git` leads to.
//!
//! Owns the bounded search and the reading of `gitdir:` and `commondir`. Reads files, changes none. The search has a
//! fixed budget, so it does not grow with the tree; what lies beyond it is the gatekeeper's business.

use super::sight::Sight;
#[cfg(target_os = "linux")]
use crate::system::beneath::read_small;
use std::collections::VecDeque;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Directories that are looked into.
const DIRECTORIES: usize = 24;
/// Directory entries that are looked at, over all.
const ENTRIES: usize = 400;
/// Bytes of a file that only names a directory.
const SMALL: u64 = 8192;
/// Where repositories are seldom and entries are many: looked into last.
const CROWDED: &[&str] = &["node_modules", "target", ".venv", "venv", "vendor", "build", "dist"];

/// What makes git take a directory for a bare repository.
pub const BARE: &[&str] = &["HEAD", "objects", "refs"];
/// Beside a HEAD it says where everything else is: for git such a directory is a repository as well.
pub const ELSEWHERE: &str = "commondir";

/// Whether git takes a directory for a repository, by which names stand in it.
pub fn is_git_directory(stands: impl Fn(&str) -> bool) -> bool {
    stands("HEAD") && (stands(ELSEWHERE) || BARE.iter().all(|name| stands(name)))
}

/// One repository as its `.git` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The `.git` entry itself.
    pub entry: PathBuf,
    /// Where its HEAD and index are; the entry itself unless that is a `gitdir:` file.
    pub directory: PathBuf,
    /// Where its config, hooks and objects are.
    pub common: PathBuf,
    /// A linked worktree whose administrative directory names this very entry: the link was made by git and not
    /// by somebody who can only write here.
    pub linked: bool,
}

impl Repository {
    /// The files that git reads as its config, if they are there.
    pub fn configs(&self) -> [PathBuf; 3] {
        [
            self.common.join("config"),
            self.common.join("config.worktree"),
            self.directory.join("config.worktree"),
        ]
    }
}

/// The `.git` entries (whatever their case) at the top of `root` and below, nearest first, within the budget; and the
/// directories below `root` that git takes for repositories by what is in them.
/// Symlinked directories are not followed.
pub fn find(root: &Path, sight: &Sight) -> Vec<PathBuf> {
    let (mut found, mut crowded) = (Vec::new(), Vec::new());
    let (mut directories, mut entries) = (0, 0);
    let mut waiting = VecDeque::from([root.to_path_buf()]);
    while let Some(directory) = waiting.pop_front().or_else(|| crowded.pop()) {
        directories += 1;
        if directories > DIRECTORIES || entries > ENTRIES {
            break;
        }
        let stands = |name: &str| sight.stands(&directory.join(name));
        let Some(listing) = sight.list(&directory) else {
            // What cannot be listed can still hold one that git finds by name.
            found.extend(stands(".git").then(|| directory.join(".git")));
            found.extend(is_git_directory(stands).then(|| directory.clone()));
            continue;
        };
        let mut parts = Vec::new();
        for entry in listing {
            entries += 1;
            if entries > ENTRIES {
                break;
            }
            let name = entry.file_name();
            parts.extend(BARE.iter().chain([&ELSEWHERE]).find(|part| name == **part));
            if name.eq_ignore_ascii_case(".git") {
                found.push(entry.path());
            } else if entry.file_type().is_ok_and(|t| t.is_dir()) {
                if CROWDED.iter().any(|c| name == *c) {
                    crowded.push(entry.path());
                } else {
                    waiting.push_back(entry.path());
                }
            }
        }
        if directory != root && is_git_directory(|name| parts.contains(&name)) {
            found.push(directory.clone());
        }
        // A directory of very many entries may end the budget before its `.git` came up.
        let own = directory.join(".git");
        if entries > ENTRIES && !found.contains(&own) && sight.stands(&own) {
            found.push(own);
        }
    }
    found
}

/// Reads one `.git` entry. `None` if it leads nowhere.
pub fn read(entry: &Path, sight: &Sight) -> Option<Repository> {
    let metadata = sight.target(entry)?;
    if metadata.is_dir() {
        let directory = sight.canonical(entry)?;
        let common = follow(&directory, "commondir").unwrap_or_else(|| directory.clone());
        return Some(Repository { entry: entry.into(), common, directory, linked: false });
    }
    let text = small_file(entry)?;
    let target = text.strip_prefix("gitdir:")?.trim();
    let parent = entry.parent()?;
    let directory = sight.canonical(&parent.join(target))?;
    let common = follow(&directory, "commondir").unwrap_or_else(|| directory.clone());
    let linked = is_linked(entry, &directory, &common);
    Some(Repository { entry: entry.into(), directory, common, linked })
}

/// What a repository holds for others, below `common`: the directories of its submodules, checked out or not, and of
/// submodules in those; and the administrative directories of its linked worktrees.
pub fn parts(common: &Path, sight: &Sight) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let children = |directory: &Path| -> Vec<PathBuf> {
        let entries = sight.list(directory).into_iter().flatten();
        entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).take(ENTRIES).collect()
    };
    let worktrees = children(&common.join("worktrees"));
    let (mut modules, mut looked_at) = (Vec::new(), 0);
    let mut waiting = VecDeque::from(children(&common.join("modules")));
    while let Some(directory) = waiting.pop_front().filter(|_| looked_at < ENTRIES) {
        looked_at += 1;
        // A submodule's name may have slashes.
        if sight.stands(&directory.join("HEAD")) {
            waiting.extend(children(&directory.join("modules")));
            modules.push(directory);
        } else {
            waiting.extend(children(&directory));
        }
    }
    (modules, worktrees)
}

/// `git worktree add` writes the way back into `<common>/worktrees/<name>/gitdir`. A `.git` file that was only made
/// to point at somebody else's repository has no such way back.
fn is_linked(entry: &Path, directory: &Path, common: &Path) -> bool {
    let in_worktrees = directory
        .strip_prefix(common)
        .ok()
        .map(|rest| rest.components().collect::<Vec<_>>())
        .is_some_and(|c| c.len() == 2 && c.first() == Some(&Component::Normal("worktrees".as_ref())));
    let back = small_file(&directory.join("gitdir")).and_then(|t| fs::canonicalize(t.trim()).ok());
    // Whoever can write in the working tree could have made an administrative directory in it, and whoever only named
    // a directory `worktrees` has no repository above it.
    let inside = entry.parent().is_none_or(|tree| directory.starts_with(tree));
    let is_repository = BARE.iter().all(|name| common.join(name).exists());
    in_worktrees && !inside && is_repository && back.is_some() && back == fs::canonicalize(entry).ok()
}

fn follow(directory: &Path, name: &str) -> Option<PathBuf> {
    let text = small_file(&directory.join(name))?;
    fs::canonicalize(directory.join(text.trim())).ok()
}

/// The text of a regular file of at most 8 KiB: these files hold one path.
fn small_file(path: &Path) -> Option<String> {
    read_small(path, SMALL)
}

/// As on Linux: what stands there may be replaced at any time by something that is waited for or never ends.
#[cfg(not(target_os = "linux"))]
pub(super) fn read_small(path: &Path, limit: u64) -> Option<String> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > limit {
        return None;
    }
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_repositories_are_found_nearest_first() {
        let root = tempfile::tempdir().unwrap();
        for path in [".git", "a/b/.git", "node_modules/x/.git", "c/.GIT"] {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        let mut found: Vec<PathBuf> = find(root.path(), &Sight::default())
            .iter()
            .map(|p| p.strip_prefix(root.path()).unwrap().into())
            .collect();
        assert_eq!(found.first(), Some(&PathBuf::from(".git")));
        found.sort();
        assert_eq!(found, [".git", "a/b/.git", "c/.GIT", "node_modules/x/.git"].map(PathBuf::from));
    }

    #[test]
    fn a_crowded_directory_does_not_hide_its_own_repository() {
        let root = tempfile::tempdir().unwrap();
        (0..2 * ENTRIES).for_each(|n| fs::write(root.path().join(format!("f{n}")), "").unwrap());
        fs::create_dir(root.path().join(".git")).unwrap();
        assert_eq!(find(root.path(), &Sight::default()), [root.path().join(".git")]);
    }

    #[test]
    fn a_head_whose_rest_is_elsewhere_is_a_repository_as_a_bare_one_is() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "bare/HEAD",
            "bare/objects",
            "bare/refs",
            "led/HEAD",
            "led/commondir",
            "not/commondir",
            "no/HEAD",
        ] {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        let mut found = find(root.path(), &Sight::default());
        found.sort();
        assert_eq!(found, ["bare", "led"].map(|name| root.path().join(name)));
    }

    #[test]
    fn submodules_and_worktrees_are_found_whatever_their_names() {
        let top = tempfile::tempdir().unwrap();
        for path in ["modules/a/modules/b", "modules/lib/c", "worktrees/w", "modules/empty"] {
            fs::create_dir_all(top.path().join(path)).unwrap();
        }
        for path in ["modules/a", "modules/a/modules/b", "modules/lib/c"] {
            fs::write(top.path().join(path).join("HEAD"), "").unwrap();
        }
        let (mut modules, worktrees) = parts(top.path(), &Sight::default());
        modules.sort();
        assert_eq!(
            modules,
            ["modules/a", "modules/a/modules/b", "modules/lib/c"].map(|p| top.path().join(p))
        );
        assert_eq!(worktrees, [top.path().join("worktrees/w")]);
        assert_eq!(parts(&top.path().join("none"), &Sight::default()), Default::default());
    }

    #[test]
    fn a_linked_worktree_needs_the_way_back() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        let admin = top.join("main/.git/worktrees/w");
        fs::create_dir_all(&admin).unwrap();
        fs::create_dir(top.join("w")).unwrap();
        fs::write(admin.join("commondir"), "../..\n").unwrap();
        fs::write(top.join("w/.git"), format!("gitdir: {}\n", admin.display())).unwrap();
        let common = top.join("main/.git");
        fs::write(common.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        ["objects", "refs"].iter().for_each(|name| fs::create_dir(common.join(name)).unwrap());
        let expected = |linked| Repository {
            entry: top.join("w/.git"),
            directory: admin.clone(),
            common: common.clone(),
            linked,
        };
        assert_eq!(read(&top.join("w/.git"), &Sight::default()), Some(expected(false)));
        fs::write(admin.join("gitdir"), format!("{}\n", top.join("w/.git").display())).unwrap();
        assert_eq!(read(&top.join("w/.git"), &Sight::default()), Some(expected(true)));
        fs::write(admin.join("gitdir"), "/somewhere/else/.git\n").unwrap();
        assert_eq!(read(&top.join("w/.git"), &Sight::default()), Some(expected(false)));
    }
}
