//! The single values that `/sandbox` sets: the mode and the way out.
//!
//! Owns their words, who locks them, and saying whether what is written counts.

use crate::admin::{change, only_outside};
use crate::caller::Caller;
use crate::cli::Place;
use crate::exit;
use crate::pipeline::entries::{self, Way};
use crate::pipeline::{Stop, prepare};
use crate::policy::{Mode, Policy};
use crate::settings::edit::{self, Edited};
use crate::settings::{Origin, Scope};
use crate::system::visible::visible;
use serde_json::Value;
use std::fmt::Write;

/// One value, as it is wished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single {
    /// `sandbox.mode`.
    Mode(Mode),
    /// `sandbox.allowUnsandboxedCommands`.
    WayOut(bool),
}

/// The word of settings.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::AutoAllow => "auto-allow",
        Mode::Regular => "regular",
    }
}

/// What it means.
pub fn mode_about(mode: Mode) -> &'static str {
    match mode {
        Mode::AutoAllow => "what runs confined needs no approval",
        Mode::Regular => "every command is asked about unless a rule allows it; confined all the same",
    }
}

/// The word for the way out.
pub fn way_out_name(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "strict" }
}

/// What it means.
pub fn way_out_about(allowed: bool) -> &'static str {
    if allowed {
        "'dangerouslyDisableSandbox COMMAND' runs a command outside, each time after a question"
    } else {
        "there is no way out: dangerouslyDisableSandbox does not exist"
    }
}

impl Single {
    fn key(self) -> &'static [&'static str] {
        match self {
            Single::Mode(_) => &["sandbox", "mode"],
            Single::WayOut(_) => &["sandbox", "allowUnsandboxedCommands"],
        }
    }

    fn value(self) -> Value {
        match self {
            Single::Mode(mode) => mode_name(mode).into(),
            Single::WayOut(allowed) => allowed.into(),
        }
    }

    fn said(self) -> String {
        match self {
            Single::Mode(mode) => format!("the mode is {}", mode_name(mode)),
            Single::WayOut(allowed) => format!("the way out is {}", way_out_name(allowed)),
        }
    }

    /// Whether it is so, and who says what is.
    fn effective(self, policy: &Policy) -> (bool, &Origin) {
        match self {
            Single::Mode(mode) => (policy.mode.value == mode, &policy.mode.origin),
            Single::WayOut(allowed) => (policy.way_out.value == allowed, &policy.way_out.origin),
        }
    }

    /// The administrator's word, which nobody below changes.
    pub fn locked_by(self, policy: &Policy) -> Option<&Origin> {
        let (_, origin) = self.effective(policy);
        (origin.scope() == Some(Scope::Managed)).then_some(origin)
    }
}

/// Sets it in a file, or shows what that would be.
///
/// # Errors
/// From inside; a managed lock; a file that cannot be changed.
pub fn set(wanted: Single, place: Place, dry_run: bool, caller: &Caller) -> Result<String, Stop> {
    only_outside("sandbox")?;
    let prepared = prepare::policy(caller)?;
    if let Some(stop) = refusal(wanted, &prepared.policy) {
        return Err(stop);
    }
    let files = change::files(place, &prepared)?;
    let Some(file) = files.first() else { return Ok(String::new()) };
    let way = if dry_run { Way::Preview } else { Way::Write };
    let edited = entries::set(wanted.key(), &wanted.value(), way, file, &prepared)?;
    let after = change::with(file, &edited, &prepared)?;
    let path = visible(file.as_os_str().as_encoded_bytes());
    let mut text = match (edited.iter().all(is_nothing), dry_run) {
        (true, _) => format!("'{path}' says so already: {}; nothing was changed\n", wanted.said()),
        (false, true) => format!("{}{}", change::WOULD_BE, change::difference(file, &edited)),
        (false, false) => format!("{}, by '{path}'\n{}", wanted.said(), change::difference(file, &edited)),
    };
    if let Some((_, policy)) = &after
        && let (false, origin) = wanted.effective(policy)
    {
        let origin = visible(origin.to_string().as_bytes());
        let _ = writeln!(text, "but it does not count here: {origin} says otherwise");
    }
    Ok(text)
}

/// Why it is not written at all.
pub fn refusal(wanted: Single, policy: &Policy) -> Option<Stop> {
    let origin = visible(wanted.locked_by(policy)?.to_string().as_bytes());
    let key = wanted.key().join(".");
    let text = format!("nothing was written: {key} is locked by {origin}; ask the administrator");
    Some(Stop::Failed(text, exit::REFUSED))
}

fn is_nothing(edited: &Edited) -> bool {
    edited.change == edit::Change::AlreadyThere
}
