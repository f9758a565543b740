//! What a directory brings that is put somewhere as a whole: names that were made where they meant nothing.
//!
//! Owns the names that are kept although nothing stands there yet, and the search for them in a directory. Repositories are
//! not looked for here: what becomes of those is known by their own names (`rules`, `bare`).

use super::rules::{AT_TOP, DENIED, Rules, covers, folded};
use crate::policy::{Access, PathPattern, protected};
use std::ffi::OsStr;
#[cfg(target_os = "linux")]
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Rules {
    /// Why a name is kept that nothing stands at yet.
    pub(super) fn kept_later(&self, path: &Path) -> Option<&'static str> {
        if self.guarded.contains(&folded(path)) || self.is_at_later_top(path) {
            return Some(AT_TOP);
        }
        let hidden = || self.hidden_later.as_ref().is_some_and(|files| files.access(path) == Access::None);
        let denied = self.denied_later.iter().any(|rule| covers(rule, path)) || hidden();
        denied.then_some(DENIED)
    }

    /// Whether a path is a start-up file at the top of a writable directory that did not stand when the others were guarded.
    fn is_at_later_top(&self, path: &Path) -> bool {
        let is_startup = |top: &Path| path.strip_prefix(top).is_ok_and(protected::is_startup);
        self.allowed_later.iter().any(|rule| match &rule.pattern {
            PathPattern::Literal(top) => is_startup(top),
            // The highest that it names.
            pattern => path.ancestors().filter(|step| pattern.names(step)).last().is_some_and(is_startup),
        })
    }

    /// The first names below a directory on the way to something that is kept although nothing stands there.
    pub(super) fn ways<'r>(&'r self, directory: &Path) -> impl Iterator<Item = Vec<u8>> + use<'r> {
        let here = folded(directory);
        self.guarded.iter().filter_map(move |kept| {
            let rest = Path::new(OsStr::from_bytes(kept));
            let rest = rest.strip_prefix(OsStr::from_bytes(&here)).ok()?;
            rest.components().next().map(|first| first.as_os_str().as_bytes().to_vec())
        })
    }
}

#[cfg(target_os = "linux")]
impl Rules {
    /// Whether what is kept anywhere by name or pattern may be at or below a path.
    fn may_keep_below(&self, path: &Path) -> bool {
        let hidden = self.hidden_later.iter().flat_map(|files| &files.read_denied);
        let mut later = self.denied_later.iter().chain(&self.allowed_later).chain(hidden);
        later.any(|rule| rule.pattern.base().starts_with(path) || path.starts_with(rule.pattern.base()))
    }

    /// Why a directory must not be put at a path, as far as it brings a name that is kept there. A link to one brings whatever
    /// it leads to.
    pub(super) fn brought(&self, to: &Path, from: Option<&Path>) -> Option<&'static str> {
        /// Entries that are looked at.
        const MOST: usize = 20_000;
        const UNSEEN: &str = "it cannot be looked through for what is kept there";
        let here = folded(to);
        let is_below = |kept: &Vec<u8>| kept.strip_prefix(&*here).is_some_and(|rest| rest.starts_with(b"/"));
        let guarded = self.guarded.iter().any(is_below);
        let Some(from) = from else { return guarded.then_some(AT_TOP) };
        if !guarded && !self.may_keep_below(to) {
            return None;
        }
        let mut left = MOST;
        let mut directories = vec![from.to_path_buf()];
        while let Some(directory) = directories.pop() {
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                // It is gone, or a link to a file.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    continue;
                }
                // Whoever closed it can open it again there.
                Err(_) => return Some(UNSEEN),
            };
            for entry in entries.flatten() {
                let path = entry.path();
                left = left.saturating_sub(1);
                let kept = path.strip_prefix(from).ok().and_then(|below| self.kept_later(&to.join(below)));
                if kept.is_some() || left == 0 {
                    return kept.or(Some(UNSEEN));
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    directories.push(path);
                }
            }
        }
        None
    }
}
