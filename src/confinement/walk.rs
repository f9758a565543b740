//! Looks for what a rule's glob names, within a budget.
//!
//! Owns the walk below a glob's base. Reads directories, decides nothing; what could not be listed is told.

use super::facts::{FactsError, GLOB_ENTRIES};
use super::sight::Sight;
use crate::policy::files::{PathGlob, PathPattern, PathRule};
use std::path::{Component, Path, PathBuf};

/// The paths that a rule names, and the directories of its that cannot be listed.
pub(super) fn named(rule: &PathRule, sight: &Sight) -> Result<(Vec<PathBuf>, Vec<PathBuf>), FactsError> {
    match &rule.pattern {
        PathPattern::Literal(path) => Ok((vec![path.clone()], Vec::new())),
        PathPattern::Glob(glob) => {
            let mut walk = Walk { glob, sight, entries: 0, found: Vec::new(), unlisted: Vec::new() };
            if !walk.below(&glob.base.clone(), glob.base.components().count()) {
                return Err(FactsError::TooMany {
                    pattern: glob.text.clone(),
                    origin: rule.origin.to_string(),
                    base: glob.base.display().to_string(),
                });
            }
            Ok((walk.found, walk.unlisted))
        }
    }
}

struct Walk<'a> {
    glob: &'a PathGlob,
    sight: &'a Sight,
    entries: usize,
    found: Vec<PathBuf>,
    unlisted: Vec<PathBuf>,
}

impl Walk<'_> {
    /// Looks below a directory at `depth` components; false when there is too much.
    fn below(&mut self, directory: &Path, depth: usize) -> bool {
        let Some(listing) = self.sight.list(directory) else {
            self.unlisted.push(directory.into());
            return true;
        };
        for entry in listing {
            self.entries += 1;
            if self.entries > GLOB_ENTRIES {
                return false;
            }
            let path = entry.path();
            if !self.possible(&path, depth) {
                continue;
            }
            if self.glob.matches(&path) {
                self.found.push(path.clone());
            }
            if self.may_go_deeper(depth)
                && entry.file_type().is_ok_and(|t| t.is_dir())
                && !self.below(&path, depth + 1)
            {
                return false;
            }
        }
        true
    }

    /// Whether the pattern's component at this depth admits the name; beyond `**` or braces everything is possible.
    fn possible(&self, path: &Path, depth: usize) -> bool {
        let (Some(name), Some(parts)) = (path.file_name(), self.plain_parts(depth)) else { return true };
        parts.is_some_and(|part| fast_glob::glob_match(part.as_encoded_bytes(), name.as_encoded_bytes()))
    }

    /// `None`: no plain component here, anything is possible. `Some(None)`: the pattern is shorter than this.
    fn plain_parts(&self, depth: usize) -> Option<Option<&std::ffi::OsStr>> {
        if self.glob.text.contains('{') {
            return None;
        }
        let components: Vec<Component<'_>> = Path::new(&self.glob.text).components().collect();
        if components.iter().take(depth + 1).any(|c| c.as_os_str() == "**") {
            return None;
        }
        Some(components.get(depth).map(|c| c.as_os_str()))
    }

    fn may_go_deeper(&self, depth: usize) -> bool {
        let text = &self.glob.text;
        text.contains("**") || text.contains('{') || Path::new(text).components().count() > depth + 1
    }
}
