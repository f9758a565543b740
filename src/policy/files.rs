//! Which files may be read and written, as a pure answer.
//!
//! Owns path patterns and [`FilePolicy::access`], the answer that every backend's kernel state must equal
//! (tests/plans holds them to it). Must not look at the file system: symlinks are resolved by `confinement::facts`.

use crate::settings::Origin;
use std::path::{Path, PathBuf};

/// What a path pattern matches. Matching is by component and case-sensitive.
#[derive(Debug, Clone)]
pub enum PathPattern {
    /// This path itself and everything below it. Absolute, lexically normal (no `.`, `..`, doubled slashes).
    Literal(PathBuf),
    /// A glob, absolute and lexically normal; gitignore-style `*`, `?`, `[…]`, `**`. What it matches is covered with
    /// everything below it.
    Glob(Box<PathGlob>),
}

/// A compiled glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathGlob {
    /// The whole pattern, absolute.
    pub text: String,
    /// The longest leading directory without glob characters: where an expansion starts.
    pub base: PathBuf,
}

impl PathGlob {
    /// Whether the pattern matches the whole of an absolute path. Nothing is compiled, so unused globs cost nothing.
    pub fn matches(&self, path: &Path) -> bool {
        fast_glob::glob_match(self.text.as_bytes(), path.as_os_str().as_encoded_bytes())
    }
}

impl PathPattern {
    /// Whether the pattern names exactly this path (not merely something above it).
    pub fn names(&self, path: &Path) -> bool {
        match self {
            PathPattern::Literal(literal) => literal == path,
            PathPattern::Glob(glob) => glob.matches(path),
        }
    }
}

/// One pattern with the line that said it.
#[derive(Debug, Clone)]
pub struct PathRule {
    /// What it covers.
    pub pattern: PathPattern,
    /// Who said it.
    pub origin: Origin,
}

/// What may be done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Neither read nor written.
    None,
    /// Read.
    Read,
    /// Read and written.
    Write,
}

/// The file part of the policy.
///
/// Reading: walk from `/` to the path, component by component; at each step a `read_denied` rule that names that
/// ancestor makes it unreadable, else a `read_allowed` rule that names it makes it readable again; deny wins at the
/// same step; the start is readable. Writing: readable, named (itself or an ancestor) by a `writable` rule, and
/// neither itself nor an ancestor named by a `write_denied` rule. Deny beats allow wherever it stands.
#[derive(Debug, Clone, Default)]
pub struct FilePolicy {
    /// The working root, `allowWrite`, `Edit(...)` allow, `additionalDirectories`, TMPDIR.
    pub writable: Vec<PathRule>,
    /// `denyWrite`, `Edit(...)` deny, and what is always protected by a literal path.
    pub write_denied: Vec<PathRule>,
    /// `denyRead`, `Read(...)` deny, `credentials.files`, and the built-in list of secrets.
    pub read_denied: Vec<PathRule>,
    /// `allowRead`.
    pub read_allowed: Vec<PathRule>,
    /// `filesystem.allowGitConfig`.
    pub allow_git_config: bool,
}

impl FilePolicy {
    /// The answer for one path (absolute, lexically normal, symlinks already resolved).
    pub fn access(&self, path: &Path) -> Access {
        let steps: Vec<&Path> = {
            let mut all: Vec<&Path> = path.ancestors().collect();
            all.reverse();
            all
        };
        let named = |rules: &[PathRule], step: &Path| rules.iter().any(|r| r.pattern.names(step));
        let mut readable = true;
        for step in &steps {
            if named(&self.read_denied, step) {
                readable = false;
            } else if named(&self.read_allowed, step) {
                readable = true;
            }
        }
        if !readable {
            return Access::None;
        }
        let covered = |rules: &[PathRule]| steps.iter().any(|step| named(rules, step));
        if covered(&self.writable) && !covered(&self.write_denied) { Access::Write } else { Access::Read }
    }
}
