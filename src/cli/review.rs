//! What `sbshctl review` was asked for: how far to look back, and what to do. What was not used is `admin`'s to find.

use super::UsageError;
use super::admin::{Given, wrong};
use super::table::VerbRow;

/// How to look for what was not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// So many days back.
    pub days: u32,
    /// One JSON object instead of text.
    pub json: bool,
    /// Taken back without asking.
    pub yes: bool,
    /// Nothing is changed.
    pub dry_run: bool,
}

/// How far back, and what to do.
pub(super) fn read(row: &'static VerbRow, given: &Given) -> Result<Review, UsageError> {
    let days = match given.value("days").map(|value| value.to_string_lossy().parse()) {
        None => 30,
        Some(Ok(days)) if days > 0 => days,
        Some(_) => return Err(wrong(Some(row), "--days takes a number above 0")),
    };
    let (json, yes, dry_run) = (given.has("json"), given.has("yes"), given.has("dry-run"));
    if yes && dry_run {
        return Err(wrong(Some(row), "--yes and --dry-run exclude each other"));
    }
    if json && yes {
        return Err(wrong(Some(row), "--json only lists; leave one of --json and --yes away"));
    }
    Ok(Review { days, json, yes, dry_run })
}
