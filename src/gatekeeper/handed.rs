//! What the caller hands over open. Pure.
//!
//! Owns whether a file may be changed inside by its descriptor. Must not look at the file system.

use super::bare;
use super::rules::{Judgement, Rules};
use std::path::Path;

impl Rules {
    /// Whether what is open by this path at the start may be changed inside by its descriptor: that leads past the mounts that
    /// hold what is protected, and the gatekeeper takes those to hold it. `stands` says what is there.
    pub fn lets_write(&self, path: &Path, stands: impl Fn(&Path) -> bool) -> bool {
        let judgement = self.judge_among(path, |_| false, &stands);
        let passes = matches!(judgement, Judgement::Passes | Judgement::Single | Judgement::Own);
        passes && !bare::configured(path).is_some_and(|holder| bare::is_one(holder, &stands))
    }
}
