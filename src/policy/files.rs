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
    /// Globs over whole paths: what one of them matches is not named by the pattern.
    pub except: Vec<String>,
}

impl PathGlob {
    /// Whether the pattern names an absolute path, exceptions left out. Nothing is compiled, so unused globs cost
    /// nothing.
    pub fn matches(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_encoded_bytes();
        fast_glob::glob_match(self.text.as_bytes(), path)
            && !self.except.iter().any(|except| fast_glob::glob_match(except.as_bytes(), path))
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

    /// Whether everything that another pattern covers is surely covered by this one.
    pub fn covers(&self, other: &PathPattern) -> bool {
        match (self, other) {
            (PathPattern::Glob(one), PathPattern::Glob(other)) => one == other,
            (_, PathPattern::Literal(path)) => self.deepest(path).is_some(),
            (PathPattern::Literal(path), PathPattern::Glob(glob)) => glob.base.starts_with(path),
        }
    }

    /// The directory at or below which all that it names lies.
    pub fn base(&self) -> &Path {
        match self {
            PathPattern::Literal(path) => path,
            PathPattern::Glob(glob) => &glob.base,
        }
    }

    /// As settings write it.
    pub fn text(&self) -> String {
        match self {
            PathPattern::Literal(path) => path.display().to_string(),
            PathPattern::Glob(glob) => glob.text.clone(),
        }
    }

    /// Whether the pattern names the path or something above it.
    pub fn holds(&self, path: &Path) -> bool {
        self.deepest(path).is_some()
    }

    /// How many components the deepest of the path's steps has that the pattern names (the path itself is a step).
    fn deepest(&self, path: &Path) -> Option<usize> {
        let named = match self {
            PathPattern::Literal(literal) => path.starts_with(literal).then_some(literal.as_path()),
            PathPattern::Glob(glob) => path.ancestors().find(|step| glob.matches(step)),
        };
        named.map(|step| step.components().count())
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
    /// `Read(...)` ask: what must not be read is opened where these name it and a person says so. They decide nothing
    /// about access themselves.
    pub read_asked: Vec<PathRule>,
    /// `filesystem.allowGitConfig`.
    pub allow_git_config: bool,
    /// Where `allowManagedReadPathsOnly` is set.
    pub managed_reads_only: Option<Origin>,
}

impl FilePolicy {
    /// The answer for one path (absolute, lexically normal, symlinks already resolved).
    pub fn access(&self, path: &Path) -> Access {
        let deepest = |rules: &[PathRule]| rules.iter().filter_map(|r| r.pattern.deepest(path)).max();
        // The last step that a rule names decides, and deny wins there: `None` is less than every step.
        let denied = deepest(&self.read_denied);
        if denied.is_some() && deepest(&self.read_allowed) <= denied {
            return Access::None;
        }
        if covered(&self.writable, path) && !covered(&self.write_denied, path) {
            Access::Write
        } else {
            Access::Read
        }
    }
}

/// Whether a rule names the path or something above it.
pub fn covered(rules: &[PathRule], path: &Path) -> bool {
    rules.iter().any(|rule| rule.pattern.deepest(path).is_some())
}
