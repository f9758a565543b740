//! What `sbshctl preset` was asked for: which presets, and where. What they hold is `policy`'s.

use super::UsageError;
use super::admin::{Given, place, wrong};
use super::table::{PRESETS, VerbRow};
use super::{AdminCommand, Place};

/// The presets that are wished; all are listed where none is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presets {
    /// Their names, each once.
    pub names: Vec<&'static str>,
    /// Where.
    pub place: Place,
    /// Only looked at.
    pub dry_run: bool,
}

/// Reads the names.
pub(super) fn read(row: &'static VerbRow, given: &Given) -> Result<AdminCommand, UsageError> {
    let place = place(row, given)?;
    let mut names = Vec::new();
    for word in &given.operands {
        let Some(name) = PRESETS.iter().copied().find(|name| word == name) else {
            let what =
                format!("there is no preset '{}', only {}", word.to_string_lossy(), PRESETS.join(", "));
            return Err(wrong(Some(row), &what));
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() && !given.options.is_empty() {
        return Err(wrong(Some(row), "say which preset; without a name and options all are listed"));
    }
    Ok(AdminCommand::Preset(Presets { names, place, dry_run: given.has("dry-run") }))
}
