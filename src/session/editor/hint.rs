//! The grey suggestion behind the cursor: how a line of the history goes on. One of this directory is preferred.

use super::Behind;
use super::history::Store;
use super::shared::Shared;
use nu_ansi_term::{Color, Style};
use reedline::{Hinter, History};
use std::sync::Arc;

/// Suggests from the history.
pub(super) struct Suggestion {
    pub(super) store: Store,
    pub(super) behind: Arc<dyn Behind>,
    pub(super) shared: Arc<Shared>,
    /// How the line goes on, as the last painting showed it.
    pub(super) rest: String,
}

impl Hinter for Suggestion {
    fn handle(&mut self, line: &str, cursor: usize, _: &dyn History, colours: bool, _: &str) -> String {
        self.rest.clear();
        // Without colours nothing would tell it from what was typed.
        if !colours || line.is_empty() || cursor < line.len() || self.shared.is_blank() {
            return String::new();
        }
        let directory = self.behind.directory();
        let found = self.store.with_now(|lines| {
            lines.going_on(line, &directory.to_string_lossy()).map(|rest| rest.replace('\t', " "))
        });
        let Some(rest) = found.flatten() else { return String::new() };
        self.rest = rest;
        Style::new().fg(Color::DarkGray).paint(super::clean::spelled(&self.rest)).to_string()
    }

    fn complete_hint(&self) -> String {
        self.rest.clone()
    }

    fn next_hint_token(&self) -> String {
        first_word(&self.rest).to_owned()
    }
}

/// The blanks in front and the first word, or the part of it up to a `/`.
fn first_word(text: &str) -> &str {
    let start = text.len() - text.trim_start().len();
    let end = text
        .char_indices()
        .skip_while(|(at, _)| *at < start)
        .find(|(_, c)| c.is_whitespace() || *c == '/')
        .map_or(text.len(), |(at, c)| if c == '/' { at + 1 } else { at });
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::super::history::Rules;
    use super::super::tests::Nobody;
    use super::*;
    use std::path::Path;

    fn suggestion(lines: &[(&str, &str)]) -> Suggestion {
        let store = Store::open(None);
        for (directory, line) in lines {
            store.remember(line, Path::new(directory), Rules::default()).unwrap();
        }
        Suggestion { store, behind: Arc::new(Nobody), shared: Arc::default(), rest: String::new() }
    }

    #[test]
    fn a_line_of_this_directory_is_suggested_in_grey() {
        let mut hint = suggestion(&[("/here", "git log --oneline"), ("/there", "git push")]);
        let store = hint.store.clone();
        assert_eq!(hint.handle("git ", 4, &store, true, ""), "\u{1b}[90mlog --oneline\u{1b}[0m");
        assert_eq!(hint.complete_hint(), "log --oneline");
        assert_eq!(hint.next_hint_token(), "log");
    }

    #[test]
    fn nothing_is_suggested_within_the_line_nor_without_colours() {
        let mut hint = suggestion(&[("/here", "git log")]);
        let store = hint.store.clone();
        for (line, cursor, colours) in [("git", 1, true), ("git", 3, false), ("", 0, true), ("hg", 2, true)] {
            assert_eq!(hint.handle(line, cursor, &store, colours, ""), "", "{line} {cursor}");
            assert_eq!(hint.complete_hint(), "");
        }
    }

    #[test]
    fn a_word_ends_before_a_blank_or_behind_a_slash() {
        assert_eq!(first_word(" log --oneline"), " log");
        assert_eq!(first_word("/usr/bin"), "/");
        assert_eq!(first_word("usr/bin"), "usr/");
        assert_eq!(first_word("  "), "  ");
        assert_eq!(first_word("é x"), "é");
    }
}
