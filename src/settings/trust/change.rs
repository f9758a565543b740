//! What is new in a file against what was trusted of it. Pure.
//!
//! Owns the short form in which the trust store keeps what a content widened. Must not decide anything: whether a
//! content is trusted is told by its hash alone.

use super::{Widening, widening};
use crate::settings::{Scope, Source, parse};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// More text than this is not kept; the next question then shows everything as it would for a new file.
const MOST: usize = 64 << 10;

/// One thing that a trusted content widened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The settings key.
    pub key: String,
    /// The value.
    pub text: String,
}

impl Kept {
    fn is(&self, widening: &Widening) -> bool {
        self.key == widening.key && self.text == widening.text
    }
}

/// What a content widens, to be kept; `None` if it is too much or no settings.
pub(super) fn kept(file: &Path, content: &[u8]) -> Option<Vec<Kept>> {
    let text = String::from_utf8(content.to_vec()).ok()?;
    let source = Arc::new(Source { path: file.into(), scope: Scope::Project, text });
    let values = parse::values(&source, &mut Vec::new()).ok()?;
    let all: Vec<Kept> =
        widening(&values).into_iter().map(|w| Kept { key: w.key.to_owned(), text: w.text }).collect();
    (all.iter().map(|kept| kept.text.len()).sum::<usize>() <= MOST).then_some(all)
}

/// How a file differs from what was trusted of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// It was not there.
    New(&'a Widening),
    /// It was trusted already.
    Same(&'a Widening),
    /// It is not there any more.
    Gone(&'a Kept),
}

/// Everything that a file would widen, by line, then what it widened once and does not any more.
pub fn changes<'a>(before: &'a [Kept], now: &'a [Widening]) -> Vec<Change<'a>> {
    let known = |w: &Widening| before.iter().any(|kept| kept.is(w));
    let gone = before.iter().filter(|kept| !now.iter().any(|w| kept.is(w)));
    now.iter()
        .map(|w| if known(w) { Change::Same(w) } else { Change::New(w) })
        .chain(gone.map(Change::Gone))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_and_what_is_gone_is_told_apart_from_what_was_there() {
        let at = Path::new("/p/.claude/settings.json");
        let before = kept(at, br#"{"permissions": {"allow": ["Bash(a)", "Bash(b)"]}}"#).unwrap();
        let widening = |text: &str, line| Widening { key: "permissions.allow", text: text.into(), line };
        let now = [widening("Bash(c)", 1), widening("Bash(a)", 2)];
        assert_eq!(
            changes(&before, &now),
            [Change::New(&now[0]), Change::Same(&now[1]), Change::Gone(&before[1])]
        );
        let gone = changes(&before, &[]);
        assert_eq!(gone, [Change::Gone(&before[0]), Change::Gone(&before[1])]);
    }

    #[test]
    fn what_is_too_much_or_broken_is_not_kept() {
        let at = Path::new("/p/.claude/settings.json");
        assert_eq!(kept(at, b"{}"), Some(Vec::new()));
        assert_eq!(kept(at, b"{"), None);
        assert_eq!(kept(at, b"\xff"), None);
        let long = format!(r#"{{"permissions": {{"allow": ["Bash({})"]}}}}"#, "x".repeat(MOST));
        assert_eq!(kept(at, long.as_bytes()), None);
    }
}
