//! What stands in front of the line, as reedline wants it. Owns that nothing but text and colours is in it; adds nothing
//! of its own but the words of the search in the history.

use super::clean::{spelled, styled};
use super::shared::{Search, Shared};
use reedline::{
    Color, Osc133Markers, Osc633Markers, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus,
    PromptKind, SemanticPromptMarkers,
};
use std::borrow::Cow;
use std::sync::Arc;

/// Looks the prompt up where [`Editor::read`](super::Editor::read) put it.
pub(super) struct Shown {
    pub(super) shared: Arc<Shared>,
    /// This is the one that is left on the screen when the line is done.
    pub(super) done: bool,
}

/// A prompt with what it may have; the parts beside and before the line are one line each.
pub(super) fn cleaned(prompt: &super::Prompt, colours: bool) -> super::Prompt {
    let one_line = |text: &str| styled(text, colours).replace('\n', " ");
    super::Prompt {
        left: styled(&prompt.left, colours),
        right: one_line(&prompt.right),
        more: one_line(&prompt.more),
    }
}

impl Shown {
    fn part(&self, part: fn(&super::Prompt) -> &str) -> Cow<'_, str> {
        if self.shared.is_blank() {
            return Cow::Borrowed("");
        }
        let page = self.shared.page();
        let prompt = page.transient.as_ref().filter(|_| self.done).unwrap_or(&page.prompt);
        Cow::Owned(part(prompt).to_owned())
    }
}

impl reedline::Prompt for Shown {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        self.part(|prompt| &prompt.left)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        self.part(|prompt| &prompt.right)
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        self.part(|prompt| &prompt.more)
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let (state, words) = match search.status {
            PromptHistorySearchStatus::Passing => (Search::Found, "search"),
            PromptHistorySearchStatus::Failing => (Search::Failing, "not found"),
        };
        self.shared.page().search = state;
        if self.shared.is_blank() {
            return Cow::Borrowed("");
        }
        Cow::Owned(format!("({words} '{}') ", spelled(&search.term)))
    }

    fn get_prompt_color(&self) -> Color {
        Color::Default
    }

    fn get_prompt_multiline_color(&self) -> Color {
        Color::Default
    }

    fn get_indicator_color(&self) -> Color {
        Color::Default
    }

    fn get_prompt_right_color(&self) -> Color {
        Color::Default
    }

    fn right_prompt_on_last_line(&self) -> bool {
        true
    }
}

/// How the terminal is told where the prompt and the line begin. Where the output begins and ends is for others to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Markers {
    /// OSC 133, which many terminals know.
    Osc133,
    /// OSC 633, as VS Code has it.
    Osc633,
}

/// Marks what is painted, if anything is.
pub(super) struct Marking {
    pub(super) shared: Arc<Shared>,
    pub(super) markers: Markers,
}

impl Marking {
    fn known(&self) -> &'static dyn SemanticPromptMarkers {
        match self.markers {
            Markers::Osc133 => &Osc133Markers,
            Markers::Osc633 => &Osc633Markers,
        }
    }
}

impl SemanticPromptMarkers for Marking {
    fn prompt_start(&self, kind: PromptKind) -> Cow<'_, str> {
        if self.shared.is_blank() { Cow::Borrowed("") } else { self.known().prompt_start(kind) }
    }

    fn command_input_start(&self) -> Cow<'_, str> {
        if self.shared.is_blank() { Cow::Borrowed("") } else { self.known().command_input_start() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Prompt;
    use super::*;
    use reedline::Prompt as _;
    use std::sync::atomic::Ordering;

    #[test]
    fn the_persons_own_prompt_is_shown_and_nothing_else() {
        let shared = Arc::new(Shared::default());
        let own = Prompt {
            left: "\u{1b}[32m~/x\u{1b}[0m\n\u{1b}]0;title\u{7}❯ ".into(),
            right: "12:00\n".into(),
            more: "> ".into(),
        };
        shared.page().prompt = cleaned(&own, true);
        let shown = Shown { shared: Arc::clone(&shared), done: false };
        assert_eq!(shown.render_prompt_left(), "\u{1b}[32m~/x\u{1b}[0m\n❯ ");
        assert_eq!(shown.render_prompt_right(), "12:00 ");
        assert_eq!(shown.render_prompt_multiline_indicator(), "> ");
        assert_eq!(shown.render_prompt_indicator(PromptEditMode::Emacs), "");
        shared.blank.store(true, Ordering::SeqCst);
        assert_eq!(shown.render_prompt_left(), "");
        assert_eq!(cleaned(&own, false).left, "~/x\n❯ ");
    }

    #[test]
    fn a_transient_prompt_is_for_the_end_alone() {
        let shared = Arc::new(Shared::default());
        shared.page().prompt.left = "long$ ".into();
        let shown = |done| Shown { shared: Arc::clone(&shared), done }.render_prompt_left().into_owned();
        assert_eq!((shown(false), shown(true)), ("long$ ".into(), "long$ ".into()));
        shared.page().transient = Some(Prompt { left: "$ ".into(), ..Prompt::default() });
        assert_eq!((shown(false), shown(true)), ("long$ ".into(), "$ ".into()));
    }

    #[test]
    fn the_terminal_is_told_where_the_line_begins() {
        let shared = Arc::new(Shared::default());
        let marking = Marking { shared: Arc::clone(&shared), markers: Markers::Osc133 };
        assert_eq!(marking.prompt_start(PromptKind::Secondary), "\u{1b}]133;A;k=s\u{1b}\\");
        assert_eq!(marking.command_input_start(), "\u{1b}]133;B\u{1b}\\");
        let other = Marking { shared: Arc::clone(&shared), markers: Markers::Osc633 };
        assert_eq!(other.command_input_start(), "\u{1b}]633;B\u{1b}\\");
        shared.blank.store(true, Ordering::SeqCst);
        assert_eq!(marking.command_input_start(), "");
    }

    #[test]
    fn the_search_says_what_it_looks_for() {
        let shared = Arc::new(Shared::default());
        let shown = Shown { shared: Arc::clone(&shared), done: false };
        let words = |status| {
            shown
                .render_prompt_history_search_indicator(PromptHistorySearch::new(status, "a\u{1b}b".into()))
                .into_owned()
        };
        assert_eq!(words(PromptHistorySearchStatus::Passing), "(search 'a\\eb') ");
        assert_eq!(shared.page().search, Search::Found);
        assert_eq!(words(PromptHistorySearchStatus::Failing), "(not found 'a\\eb') ");
        assert_eq!(shared.page().search, Search::Failing);
    }
}
