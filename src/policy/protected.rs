//! The always-protected names and files, as data. Pure.
//!
//! Owns the lists of what is read-only wherever it stands. Must not look whether any of it exists.

use super::files::{PathPattern, PathRule};
use super::paths::normal;
use crate::settings::{Layers, Locations, Origin};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// List 2: at the top of each writable root, existing or not.
pub const AT_TOP: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zprofile",
    ".zshenv",
    ".zlogin",
    ".zlogout",
    ".inputrc",
    ".gitconfig",
    ".gitmodules",
    ".ripgreprc",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".envrc",
    ".mcp.json",
    ".vscode",
    ".idea",
    ".cursor",
    ".husky",
    ".codex",
    ".gemini",
    ".opencode",
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".claude/commands",
    ".claude/agents",
    ".claude/skills",
    ".claude/hooks",
    // What other version control systems obey as git does its configuration: hooks, aliases.
    ".hg/hgrc",
    ".hg/hgrc-not-shared",
    ".hg/sharedpath",
    ".jj/repo/config.toml",
];
/// A name in the hooks of a git directory that git would run: everything but the samples.
pub fn is_hook(path: &Path) -> bool {
    let mut parts = path.components().rev().map(|c| c.as_os_str().as_encoded_bytes());
    let (Some(name), Some(above)) = (parts.next(), parts.next()) else { return false };
    let sample =
        name.len() > 7 && name.get(name.len() - 7..).is_some_and(|e| e.eq_ignore_ascii_case(b".sample"));
    above.eq_ignore_ascii_case(b"hooks") && !sample && parts.any(|part| part.eq_ignore_ascii_case(b".git"))
}

/// Whether a path from the top of a writable root is one of [`AT_TOP`], however its letters are written.
pub fn is_startup(below: &Path) -> bool {
    AT_TOP.iter().any(|name| below.as_os_str().eq_ignore_ascii_case(name))
}

/// List 1: in each repository's git directory.
pub const IN_REPOSITORY: &[&str] = &["hooks", "config", "config.worktree", "commondir"];
/// Together they make a directory a bare repository, or one whose rest is elsewhere.
pub const BARE_REPOSITORY: &[&str] =
    &["HEAD", "objects", "refs", "hooks", "config", "commondir", "config.worktree"];

/// The list's name in messages.
const LIST: &str = "always protected";

/// What decides about confinement, existing or not: every settings file that sbsh reads, its state and its binary.
pub fn literal(locations: &Locations, layers: &Layers) -> Vec<PathRule> {
    let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
    paths.insert(normal(&locations.managed_dir));
    if let Some(project) = &layers.project {
        paths.insert(normal(&project.join(".claude/settings.json")));
        paths.insert(normal(&project.join(".claude/settings.local.json")));
    }
    let user = [
        layers.user_file.clone(),
        locations.claude_config_dir.as_ref().map(|d| d.join("settings.json")),
        locations.home.as_ref().map(|h| h.join(".claude/settings.json")),
        locations.state_dir.clone(),
        locations.binary.clone(),
    ];
    paths.extend(user.into_iter().flatten().map(|p| normal(&p)));
    paths.extend(layers.layers.iter().map(|layer| normal(&layer.source.path)));
    // Nothing useful is ever `/`: an empty or relative fact must not make the whole tree read-only.
    paths.remove(&PathBuf::from("/"));
    let rule = |path| PathRule { pattern: PathPattern::Literal(path), origin: Origin::BuiltIn(LIST) };
    paths.into_iter().map(rule).collect()
}
