//! The always-protected names, as data. Pure.

/// List 2: at the top of each writable root.
pub const AT_TOP: &[&str] = &[".bashrc"];
/// List 1: in each repository's git directory.
pub const IN_REPOSITORY: &[&str] = &["hooks", "config", "config.worktree"];
/// Together they make a directory a bare repository.
pub const BARE_REPOSITORY: &[&str] = &["HEAD", "objects", "refs", "hooks", "config"];
