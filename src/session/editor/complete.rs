//! Completion: what reedline's menu shows and inserts. Owns keeping the last answer while a word grows, so that not each
//! key asks the shell inside; and that nothing is shown or inserted that could deceive.

use super::clean::spelled;
use super::shared::Shared;
use super::watch::spawn;
use super::{Behind, Candidate};
use reedline::{
    ColumnarMenu, Completer, CompletionResult, CompletionStatus, MenuBuilder, Partial, ReedlineMenu, Span,
    Suggestion,
};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// The name of the menu, for the keys.
pub(super) const MENU: &str = "completion";

/// So many are offered.
const MOST: usize = 1000;

/// An answer that comes within so long is shown at once, and keys that were pressed behind the Tab wait for it as bash lets
/// them: `cat na<Tab>> file` typed in one go must not write to `file` what nobody meant. A longer one holds no keys.
const SOON: Duration = Duration::from_millis(500);

/// A longer description is cut.
const DESCRIPTION: usize = 120;

/// The menu.
pub(super) fn menu(colours: bool) -> ReedlineMenu {
    let mut menu = ColumnarMenu::default()
        .with_name(MENU)
        .with_columns(6)
        .with_marker("")
        // A blank or an operator closes it.
        .with_word_chars("-_./~+=:@%,\\'\"$*?[]{}#^")
        .with_only_buffer_difference(false);
    if colours {
        use nu_ansi_term::{Color, Style};
        menu = menu
            .with_text_style(Style::new())
            .with_selected_text_style(Style::new().reverse())
            .with_match_text_style(Style::new().bold())
            .with_selected_match_text_style(Style::new().bold().reverse())
            .with_description_text_style(Style::new().fg(Color::DarkGray));
    }
    ReedlineMenu::EngineCompleter(Box::new(menu))
}

/// An answer and what it was asked about.
#[derive(Debug, Default)]
struct Answer {
    line: String,
    point: usize,
    candidates: Vec<Candidate>,
}

/// A question that is not answered yet.
struct Asking {
    line: String,
    point: usize,
    answer: Receiver<Vec<Candidate>>,
}

/// Asks who is behind the editor, on a thread of its own: the shell inside may take its time, and keys do not wait.
pub(super) struct Completion {
    behind: Arc<dyn Behind>,
    shared: Arc<Shared>,
    /// The reading that what follows belongs to: what a command changed in between is asked anew.
    round: u64,
    last: Option<Answer>,
    asking: Option<Asking>,
}

impl Completion {
    pub(super) fn new(behind: Arc<dyn Behind>, shared: Arc<Shared>) -> Completion {
        Completion { behind, shared, round: 0, last: None, asking: None }
    }

    /// The candidates for a line: those of the last answer that still fit, if the word only grew. `None`: later.
    fn candidates(&mut self, line: &str, point: usize) -> Option<Vec<Candidate>> {
        let round = self.shared.page().round;
        if std::mem::replace(&mut self.round, round) != round {
            (self.last, self.asking) = (None, None);
        }
        if let Some(kept) = self.last.as_ref().and_then(|answer| answer.grown(line, point)) {
            return Some(kept);
        }
        // One question at a time: when this one is answered, reedline asks again about the line of then.
        if self.asking.is_none() {
            self.asking = Some(self.ask(line, point));
            self.take(SOON);
        }
        self.last.as_ref().and_then(|answer| answer.grown(line, point))
    }

    fn ask(&self, line: &str, point: usize) -> Asking {
        let (sender, answer) = std::sync::mpsc::channel();
        let (behind, asked) = (Arc::clone(&self.behind), line.to_owned());
        let answering = move || drop(sender.send(behind.complete(&asked, point)));
        // Without a thread there is no answer, which is none that fits.
        let _ = spawn("completion", answering);
        Asking { line: line.to_owned(), point, answer }
    }

    /// Takes the answer if it comes within so long; whether it is there.
    fn take(&mut self, patience: Duration) -> bool {
        let Some(asking) = &self.asking else { return false };
        let mut candidates = match asking.answer.recv_timeout(patience) {
            Ok(candidates) => candidates,
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => Vec::new(),
        };
        candidates.retain(|candidate| is_sound(candidate, &asking.line));
        candidates.truncate(MOST);
        self.last = Some(Answer { line: asking.line.clone(), point: asking.point, candidates });
        self.asking = None;
        true
    }
}

impl Answer {
    /// The candidates that go on as the word did since the answer; `None` if something else was typed.
    fn grown(&self, line: &str, point: usize) -> Option<Vec<Candidate>> {
        let more = line.get(self.point..point)?;
        let same = line.get(..self.point) == self.line.get(..self.point)
            && line.get(point..) == self.line.get(self.point..);
        if !same || !more.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) {
            return None;
        }
        if more.is_empty() {
            return Some(self.candidates.clone());
        }
        let mut kept = Vec::new();
        for candidate in &self.candidates {
            let typed = line.get(candidate.replaces.start..point)?;
            if candidate.replaces.end == self.point && candidate.text.starts_with(typed) {
                let replaces = candidate.replaces.start..point;
                kept.push(Candidate { replaces, ..candidate.clone() });
            }
        }
        // An empty rest may be due to quotes or case: then the shell inside knows better.
        (!kept.is_empty()).then_some(kept)
    }
}

/// Whether a candidate can be inserted: its range is one of the line, and it can be shown as it is.
fn is_sound(candidate: &Candidate, line: &str) -> bool {
    line.get(candidate.replaces.clone()).is_some() && spelled(&candidate.text) == candidate.text
}

fn suggestion(candidate: Candidate) -> Suggestion {
    let shown = candidate.shown.as_deref().map(spelled).filter(|shown| !shown.is_empty());
    let description = candidate.description.as_deref().map(|text| {
        let text = spelled(text.trim());
        match text.char_indices().nth(DESCRIPTION) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text,
        }
    });
    Suggestion {
        value: candidate.text,
        display_override: shown,
        description: description.filter(|text| !text.is_empty()),
        span: Span { start: candidate.replaces.start, end: candidate.replaces.end },
        append_whitespace: candidate.ends,
        ..Suggestion::default()
    }
}

/// What all candidates begin with, if that is more than what is there.
fn common(candidates: &[Candidate], line: &str) -> Option<Partial> {
    let first = candidates.first()?;
    let mut length = first.text.len();
    for candidate in candidates {
        if candidate.replaces != first.replaces {
            return None;
        }
        let same = first.text.bytes().zip(candidate.text.bytes()).take_while(|(a, b)| a == b).count();
        length = length.min(same);
    }
    while !first.text.is_char_boundary(length) {
        length -= 1;
    }
    let mut common = first.text.get(..length)?;
    // Half an escape would quote what is typed next.
    let backslashes = common.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if backslashes % 2 == 1 && length < first.text.len() {
        common = common.get(..length - 1)?;
    }
    let there = line.get(first.replaces.clone())?;
    (common.len() > there.len()).then(|| Partial {
        span: Span { start: first.replaces.start, end: first.replaces.end },
        insert: common.to_owned(),
    })
}

impl Completer for Completion {
    fn complete(&mut self, line: &str, point: usize) -> CompletionResult {
        if self.shared.is_blank() {
            return CompletionResult::fresh(Vec::new());
        }
        let Some(candidates) = self.candidates(line, point) else { return CompletionResult::Pending };
        let partial = common(&candidates, line);
        let suggestions: Vec<Suggestion> = candidates.into_iter().map(suggestion).collect();
        CompletionResult::fresh(suggestions).with_partial(partial)
    }

    fn poll_completion(&mut self) -> CompletionStatus {
        if self.asking.is_none() {
            CompletionStatus::Idle
        } else if self.take(Duration::ZERO) {
            CompletionStatus::Ready
        } else {
            CompletionStatus::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;
    use std::ops::Range;
    use std::path::PathBuf;
    use std::sync::Mutex;

    /// Answers with what begins like the word, and counts.
    struct Words {
        words: Vec<&'static str>,
        asked: Mutex<usize>,
    }

    impl Behind for Words {
        fn complete(&self, line: &str, point: usize) -> Vec<Candidate> {
            *self.asked.lock().unwrap() += 1;
            let start = line[..point].rfind(' ').map_or(0, |at| at + 1);
            let fitting = self.words.iter().filter(|word| word.starts_with(&line[start..point]));
            fitting.map(|word| candidate(word, start..point)).collect()
        }
        fn marks(&self, _: &str) -> Vec<(Range<usize>, Mark)> {
            Vec::new()
        }
        fn directory(&self) -> PathBuf {
            PathBuf::from("/")
        }
    }

    fn candidate(text: &str, replaces: Range<usize>) -> Candidate {
        Candidate { text: text.to_owned(), shown: None, description: None, replaces, ends: true }
    }

    fn completion(words: &[&'static str]) -> (Completion, Arc<Words>) {
        let words = Arc::new(Words { words: words.to_vec(), asked: Mutex::new(0) });
        (Completion::new(Arc::clone(&words) as Arc<dyn Behind>, Arc::default()), words)
    }

    fn values(completion: &mut Completion, line: &str) -> Vec<String> {
        let result = completion.complete(line, line.len());
        result.suggestions().iter().map(|suggestion| suggestion.value.clone()).collect()
    }

    #[test]
    fn a_growing_word_asks_once_and_another_word_again() {
        let (mut completion, words) = completion(&["status", "stash", "push"]);
        assert_eq!(values(&mut completion, "git st"), ["status", "stash"]);
        assert_eq!(values(&mut completion, "git sta"), ["status", "stash"]);
        assert_eq!(values(&mut completion, "git stat"), ["status"]);
        assert_eq!(*words.asked.lock().unwrap(), 1);
        assert_eq!(values(&mut completion, "git p"), ["push"]);
        assert_eq!(*words.asked.lock().unwrap(), 2);
        assert_eq!(values(&mut completion, "git px"), Vec::<String>::new());
        assert_eq!(*words.asked.lock().unwrap(), 3);
    }

    #[test]
    fn a_new_reading_asks_anew() {
        let (mut completion, words) = completion(&["push"]);
        assert_eq!(values(&mut completion, "p"), ["push"]);
        completion.shared.page().round += 1;
        assert_eq!(values(&mut completion, "p"), ["push"]);
        assert_eq!(*words.asked.lock().unwrap(), 2);
    }

    /// Answers when it is allowed to.
    struct Late {
        allowed: Mutex<Receiver<()>>,
    }

    impl Behind for Late {
        fn complete(&self, line: &str, point: usize) -> Vec<Candidate> {
            self.allowed.lock().unwrap().recv().unwrap();
            vec![candidate(&format!("{line}-done"), 0..point)]
        }
        fn marks(&self, _: &str) -> Vec<(Range<usize>, Mark)> {
            Vec::new()
        }
        fn directory(&self) -> PathBuf {
            PathBuf::from("/")
        }
    }

    #[test]
    fn keys_do_not_wait_for_a_late_answer() {
        let (allow, allowed) = std::sync::mpsc::channel();
        let mut completion = Completion::new(Arc::new(Late { allowed: Mutex::new(allowed) }), Arc::default());
        assert_eq!(completion.poll_completion(), CompletionStatus::Idle);
        assert!(completion.complete("a", 1).is_pending());
        assert!(completion.complete("a b", 3).is_pending(), "one question at a time");
        assert_eq!(completion.poll_completion(), CompletionStatus::Pending);
        let ready = |completion: &mut Completion| {
            while completion.poll_completion() != CompletionStatus::Ready {
                std::thread::yield_now();
            }
        };
        allow.send(()).unwrap();
        ready(&mut completion);
        assert!(completion.complete("a b", 3).is_pending(), "the answer was about another word");
        allow.send(()).unwrap();
        ready(&mut completion);
        assert_eq!(values(&mut completion, "a b"), ["a b-done"]);
        assert_eq!(completion.poll_completion(), CompletionStatus::Idle);
    }

    #[test]
    fn what_would_deceive_is_not_offered_or_is_spelled_out() {
        let (mut completion, _) = completion(&["a\u{1b}[2J", "a\nrm x", "ab"]);
        assert_eq!(values(&mut completion, "a"), ["ab"]);
        let shown = suggestion(Candidate {
            shown: Some("x\u{1b}c".into()),
            description: Some(format!(" {}\n", "\u{7}d".repeat(100))),
            ..candidate("ab", 0..1)
        });
        assert_eq!(shown.display_override.as_deref(), Some("x\\ec"));
        let description = shown.description.unwrap();
        assert!(description.starts_with("\\x07d\\x07d") && description.ends_with('…'), "{description}");
        assert!(!is_sound(&candidate("x", 0..9), "abc"));
        assert!(!is_sound(&candidate("x", 1..2), "é"));
    }

    #[test]
    fn what_all_begin_with_is_inserted_but_no_half_escape() {
        let insert = |texts: &[&str], line: &str| {
            let candidates: Vec<Candidate> =
                texts.iter().map(|text| candidate(text, 0..line.len())).collect();
            common(&candidates, line).map(|partial| partial.insert)
        };
        assert_eq!(insert(&["foo\\ bar", "foo\\ baz"], "f").as_deref(), Some("foo\\ ba"));
        assert_eq!(insert(&["foo\\ bar", "foo\\&baz"], "f").as_deref(), Some("foo"));
        assert_eq!(insert(&["a", "b"], ""), None);
        assert_eq!(insert(&["aé", "aè"], ""), Some("a".into()));
        assert_eq!(insert(&["abc"], "abc"), None);
        assert_eq!(insert(&[], ""), None);
    }
}
