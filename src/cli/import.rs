//! What `sbshctl import` was asked for: which file, and where to. What becomes of it is `admin`'s to say.

use super::UsageError;
use super::admin::{AdminCommand, Given, Place, place, wrong};
use super::table::VerbRow;
use std::path::PathBuf;

/// A file of another program's settings that is to be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The file; `None`: where that program looks for it.
    pub file: Option<PathBuf>,
    /// Where to.
    pub place: Place,
    /// Only looked at.
    pub dry_run: bool,
    /// Also what is dangerously broad.
    pub force: bool,
}

/// Reads which file.
pub(super) fn read(row: &'static VerbRow, given: &Given) -> Result<AdminCommand, UsageError> {
    let file = match (given.operands.as_slice(), given.has("srt")) {
        ([file], false) if !file.is_empty() => Some(PathBuf::from(file)),
        ([], true) => None,
        ([_], true) => return Err(wrong(Some(row), "give a file or --srt, not both")),
        ([], false) | ([_], false) => {
            return Err(wrong(Some(row), "say which file, or --srt for ~/.srt-settings.json"));
        }
        _ => return Err(wrong(Some(row), "one file at a time")),
    };
    let (place, dry_run, force) = (place(row, given)?, given.has("dry-run"), given.has("force"));
    Ok(AdminCommand::Import(Import { file, place, dry_run, force }))
}
