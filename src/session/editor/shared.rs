//! What the parts of the editor tell one another while a line is read, and what others tell it. Owns no decision.

use super::Prompt;
use super::history::Store;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keys that came behind a line in one go. reedline drops those that follow a Ctrl-C, or an Enter that came as LF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Text for the line.
    Text(String),
    /// The last character goes.
    Backspace,
    /// The line is at its end.
    Enter,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    End,
}

/// The search in the history, as it was painted last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Search {
    /// There is none.
    #[default]
    Off,
    /// It shows a line.
    Found,
    /// It shows none.
    Failing,
}

/// The part behind one lock.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// How many readings there were.
    pub(super) round: u64,
    /// What stands in front of the line.
    pub(super) prompt: Prompt,
    /// What takes its place when the line is done.
    pub(super) transient: Option<Prompt>,
    /// How many times the line was painted.
    pub(super) paintings: u64,
    /// The line and the cursor's byte as they were painted last.
    pub(super) line: String,
    /// Where in it.
    pub(super) cursor: usize,
    /// The search as it was painted last.
    pub(super) search: Search,
    /// Whether `!!` and its like mean lines.
    pub(super) expands: bool,
    /// What takes the line's place, as it was expanded.
    pub(super) expanded: Option<String>,
    /// Notices that wait to be shown.
    pub(super) notices: VecDeque<String>,
    /// What was typed behind the line's end.
    pub(super) ahead: VecDeque<Ahead>,
    /// The line is at its end: what is in `ahead` stays for the next one.
    pub(super) done: bool,
}

impl Page {
    /// Drops the keys up to the first like this, which is dealt with.
    pub(super) fn drop_ahead_to(&mut self, key: &Ahead) {
        while self.ahead.pop_front().is_some_and(|dropped| dropped != *key) {}
    }
}

/// Told and asked from several threads.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Makes reedline come back with the line as it is.
    pub(super) wake: Arc<AtomicBool>,
    /// Somebody wants the reading to stop.
    pub(super) stop: AtomicBool,
    /// The terminal is gone.
    pub(super) closed: AtomicBool,
    /// The line that was found is to be run.
    pub(super) accept: AtomicBool,
    /// Nothing is painted, so that the prompt vanishes.
    pub(super) blank: AtomicBool,
    page: Mutex<Page>,
}

impl Shared {
    /// What is behind the lock.
    pub(super) fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a flag and wakes reedline.
    pub(super) fn raise(&self, flag: &AtomicBool) {
        flag.store(true, Ordering::SeqCst);
        self.wake.store(true, Ordering::SeqCst);
    }

    /// Whether nothing is painted now.
    pub(super) fn is_blank(&self) -> bool {
        self.blank.load(Ordering::SeqCst)
    }
}

/// Takes a flag back; whether it was set.
pub(super) fn taken(flag: &AtomicBool) -> bool {
    flag.swap(false, Ordering::SeqCst)
}

/// Ends a running [`read`](super::Editor::read) from another thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    pub(super) shared: Arc<Shared>,
}

impl Stopper {
    /// Makes the running `read` return [`Read::Stopped`](super::Read::Stopped), or the next one if none runs. What was
    /// typed so far stays for the `read` after it.
    pub fn stop(&self) {
        self.shared.raise(&self.shared.stop);
    }
}

/// The history, for another thread.
pub struct History {
    pub(super) store: Store,
}

impl History {
    /// Has the file read, unless it was. That takes a processor for a while, so it is for when the prompt is there.
    pub fn load(&self) {
        self.store.load();
    }
}

/// Shows lines above the prompt from another thread.
#[derive(Debug, Clone)]
pub struct Printer {
    pub(super) shared: Arc<Shared>,
}

impl Printer {
    /// Shows whole lines above the prompt that is being read at; if none is, above the next one. The text may have SGR
    /// colours and line ends; all other sequences and control characters are dropped.
    pub fn print(&self, text: String) {
        self.shared.page().notices.push_back(text);
        self.shared.wake.store(true, Ordering::SeqCst);
    }

    /// Whether something waits to be shown.
    pub fn is_busy(&self) -> bool {
        !self.shared.page().notices.is_empty()
    }
}
