//! Whether Enter ends the line or goes on to a new one. Asks [`command::is_open`](crate::command::is_open). A line that
//! names lines of the history is not at its end: what they make of it is shown first.

use super::clean::spelled;
use super::expand::expand;
use super::history::Store;
use super::shared::{Ahead, Page, Shared};
use reedline::{ValidationResult, Validator};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Tells reedline, and notes what was typed behind the end.
pub(super) struct Completeness {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store,
}

/// Whether the line names lines of the history; then what takes its place is noted, with why it could not be expanded.
pub(super) fn expands(page: &mut Page, line: &str, store: &Store) -> bool {
    if !page.expands {
        return false;
    }
    match expand(line, &|event| store.named(event)) {
        Ok(None) => return false,
        Ok(Some(text)) => page.expanded = Some(text),
        Err(why) => {
            page.notices.push_back(spelled(&why));
            page.expanded = Some(line.to_owned());
        }
    }
    true
}

/// Whether the shell would wait for more after this.
pub(super) fn is_open(line: &str) -> bool {
    crate::command::is_open(line.as_bytes())
}

impl Validator for Completeness {
    fn validate(&self, line: &str) -> ValidationResult {
        let mut page = self.shared.page();
        // This Enter is dealt with; what comes behind it may still be wanted.
        page.drop_ahead_to(&Ahead::Enter);
        if expands(&mut page, line, &self.store) {
            // A line end comes into the line, and goes again with the line.
            self.shared.wake.store(true, Ordering::SeqCst);
            return ValidationResult::Incomplete;
        }
        if is_open(line) {
            return ValidationResult::Incomplete;
        }
        page.done = true;
        ValidationResult::Complete
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::Rules;
    use super::*;
    use std::path::Path;

    #[test]
    fn what_was_typed_behind_the_end_stays() {
        let shared = Arc::new(Shared::default());
        let completeness = Completeness { shared: Arc::clone(&shared), store: Store::open(None) };
        let text = |text: &str| Ahead::Text(text.to_owned());
        shared.page().ahead =
            [Ahead::Enter, text("done"), Ahead::Enter, text("ls"), Ahead::Enter].into_iter().collect();
        assert!(matches!(completeness.validate("for x in a; do"), ValidationResult::Incomplete));
        assert!(!shared.page().done);
        assert!(matches!(completeness.validate("for x in a; do\ndone"), ValidationResult::Complete));
        assert!(shared.page().done);
        assert_eq!(shared.page().ahead, [text("ls"), Ahead::Enter]);
    }

    #[test]
    fn a_line_that_names_others_is_shown_before_it_is_at_its_end() {
        let store = Store::open(None);
        store.remember("ls /x", Path::new("/"), Rules::default()).unwrap();
        let shared = Arc::new(Shared::default());
        let completeness = Completeness { shared: Arc::clone(&shared), store };
        assert!(matches!(completeness.validate("sudo !!"), ValidationResult::Complete), "it is off");
        shared.page().expands = true;
        assert!(matches!(completeness.validate("sudo !!"), ValidationResult::Incomplete));
        assert_eq!(shared.page().expanded.take().as_deref(), Some("sudo ls /x"));
        assert!(matches!(completeness.validate("!no"), ValidationResult::Incomplete));
        let mut page = shared.page();
        assert_eq!(page.expanded.take().as_deref(), Some("!no"));
        assert_eq!(page.notices, ["!no: event not found"]);
    }
}
