//! Calls that wait for a person, and what was answered. Pure.
//!
//! Owns which question stands, what an answer grants and for how long. Must not ask.

use super::call::Call;
use super::violation::{Answered, AskedCall, Violation, Why, is_trifle};
use crate::system::notify::Notification;
use crate::system::rate::Rate;
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

/// Questions that one command may raise about calls; then it is a flood, and the answer is no.
const MOST_QUESTIONS: usize = 24;
/// Calls that wait at the same time.
const MOST_WAITING: usize = 256;

/// A path, and for which reason it was refused before.
pub type Grant = (PathBuf, Why);

/// A call whose answer is not given yet.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The kernel's notification.
    pub asked: Notification,
    /// What it would do.
    pub call: Call,
    /// Why it may not.
    pub violation: Violation,
    /// What a person granted to this call alone.
    pub once: Vec<Grant>,
    /// What lies below its path.
    pub below: Below,
}

/// What lies below the path of a call: an answer that lasts is about that too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// Nothing can.
    Nothing,
    /// What is put there afterwards: the call makes the directory.
    New,
    /// Other things than what was shown.
    Others,
}

/// The calls that wait and the answers that hold.
#[derive(Debug, Default)]
pub struct Held {
    waiting: VecDeque<Waiting>,
    standing: Option<(Violation, Below)>,
    grants: Vec<Grant>,
    /// Directories that were granted with all below.
    trees: Vec<Grant>,
    refused: HashSet<(String, Why)>,
    asked: Rate,
    /// Somebody could be asked, as far as is known.
    heard: bool,
}

impl Held {
    /// Nothing waits yet. `heard`: there may be somebody to ask.
    pub fn new(heard: bool) -> Held {
        Held { heard, ..Held::default() }
    }

    /// Whether a person allowed exactly this path, for longer than one call.
    pub fn is_granted(&self, path: &Path, why: Why) -> bool {
        self.grants.iter().any(|(granted, reason)| *reason == why && path == granted)
    }

    /// Whether a person allowed a directory above it.
    pub fn is_below_granted(&self, path: &Path, why: Why) -> bool {
        self.trees.iter().any(|(granted, reason)| *reason == why && path.starts_with(granted))
    }

    /// A person opened a directory, with all below it.
    pub fn open(&mut self, directory: PathBuf) {
        let grant = (directory, Why::Outside);
        self.grants.push(grant.clone());
        self.trees.push(grant);
    }

    /// Whether a person said no to it.
    pub fn is_refused(&self, violation: &Violation) -> bool {
        self.refused.contains(&violation.key())
    }

    /// Keeps a call until its question is answered; false: it is not asked about.
    pub fn keep(&mut self, waiting: Waiting) -> bool {
        let key = waiting.violation.key();
        let stands = self.waiting.iter().any(|other| other.violation.key() == key);
        let may = self.heard
            && !matches!(waiting.violation.why, Why::Hidden | Why::Own)
            && !is_trifle(&waiting.violation.path)
            // A path that is no text would be shown as another one, and the answer would be about that.
            && !waiting.violation.path.contains(char::REPLACEMENT_CHARACTER)
            && !self.refused.contains(&key)
            && self.waiting.len() < MOST_WAITING
            && (stands || self.asked.spent() < MOST_QUESTIONS);
        if may {
            self.waiting.push_back(waiting);
        }
        may
    }

    /// The next question, unless one stands.
    pub fn question(&mut self) -> Option<AskedCall> {
        if self.standing.is_some() {
            return None;
        }
        let first = self.waiting.front()?;
        let (violation, below) = (first.violation.clone(), first.below);
        self.standing = Some((violation.clone(), below));
        self.asked.count();
        let by_settings = matches!(violation.why, Why::Outside | Why::Socket | Why::Asked)
            && violation.settings_would_help();
        let can_last = by_settings && below != Below::Others;
        Some(AskedCall { violation, can_last })
    }

    /// The calls that waited for the question that stands. They are judged again, with what was answered.
    pub fn answered(&mut self, answer: Answered) -> Vec<Waiting> {
        let Some((shown, below)) = self.standing.take() else { return Vec::new() };
        let key = shown.key();
        let grant = (PathBuf::from(&key.0), key.1);
        match answer {
            Answered::Once => {}
            Answered::Session => {
                self.grants.push(grant.clone());
                self.trees.extend((below == Below::New).then(|| grant.clone()));
            }
            Answered::No => drop(self.refused.insert(key.clone())),
            Answered::Nobody => {
                // No person was troubled; and nobody will be there for the other calls either.
                self.heard = false;
                self.asked.uncount();
                return self.waiting.drain(..).collect();
            }
        }
        // What else waits for the same path was not shown, so "once" is not said of it.
        let once = answer == Answered::Once;
        let of_it = |w: &Waiting| w.violation.key() == key && (!once || w.violation.call == shown.call);
        let (mut of_it, others): (VecDeque<_>, _) = self.waiting.drain(..).partition(of_it);
        self.waiting = others;
        if once {
            of_it.iter_mut().for_each(|waiting| waiting.once.push(grant.clone()));
        }
        of_it.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gatekeeper::call::{Deed, Name};

    fn waiting(path: &str, id: u64) -> Waiting {
        let at = Name { from: 0, text: 0, follow: false };
        let violation = Violation {
            time: 0,
            program: "p".into(),
            process: 1,
            call: "unlink".into(),
            path: path.into(),
            why: Why::Outside,
            reason: String::new(),
            refused_by_person: false,
        };
        Waiting {
            asked: Notification { id, thread: 1, call: 0, arguments: [0; 6] },
            call: Call { name: "unlink", deed: Deed::Remove { at, directory: false } },
            violation,
            once: Vec::new(),
            below: Below::New,
        }
    }

    #[test]
    fn one_question_for_all_calls_about_a_path_and_grants_cover_what_is_below() {
        let mut held = Held::new(true);
        assert!(held.keep(waiting("/a", 1)) && held.keep(waiting("/b", 2)) && held.keep(waiting("/a", 3)));
        assert_eq!(held.question().unwrap().violation.path, "/a");
        assert!(held.question().is_none());
        let ids: Vec<u64> = held.answered(Answered::Session).iter().map(|w| w.asked.id).collect();
        assert_eq!(ids, [1, 3]);
        assert!(held.is_granted(Path::new("/a"), Why::Outside));
        assert!(held.is_below_granted(Path::new("/a/x"), Why::Outside));
        assert!(!held.is_granted(Path::new("/a/x"), Why::Outside));
        assert!(!held.is_below_granted(Path::new("/ab"), Why::Outside));
        assert!(!held.is_below_granted(Path::new("/a/x"), Why::Socket));
        assert_eq!(held.question().unwrap().violation.path, "/b");
        assert_eq!(held.answered(Answered::No).len(), 1);
        assert!(!held.keep(waiting("/b", 4)), "a refusal is final");
    }

    #[test]
    fn once_is_for_what_was_shown() {
        let mut held = Held::new(true);
        let mut other = waiting("/a", 2);
        other.violation.call = "chmod".into();
        assert!(held.keep(waiting("/a", 1)) && held.keep(other) && held.keep(waiting("/a", 3)));
        let _ = held.question();
        let answered = held.answered(Answered::Once);
        let ids: Vec<u64> = answered.iter().map(|w| w.asked.id).collect();
        assert_eq!(ids, [1, 3]);
        assert_eq!(answered[0].once, [(PathBuf::from("/a"), Why::Outside)]);
        assert!(!held.is_granted(Path::new("/a"), Why::Outside));
        assert_eq!(held.question().unwrap().violation.call, "chmod");
        assert!(!held.keep(waiting("/a\u{fffd}", 4)), "it is not what it seems");
    }

    #[test]
    fn an_answer_about_a_directory_is_not_about_what_is_in_it() {
        let mut held = Held::new(true);
        held.keep(Waiting { below: Below::Others, ..waiting("/home/u", 1) });
        assert!(!held.question().unwrap().can_last);
        held.answered(Answered::Session);
        assert!(held.is_granted(Path::new("/home/u"), Why::Outside));
        assert!(!held.is_below_granted(Path::new("/home/u/x"), Why::Outside));
    }

    #[test]
    fn nobody_is_asked_once_and_a_flood_ends() {
        let mut held = Held::new(true);
        held.keep(waiting("/a", 1));
        held.keep(waiting("/b", 2));
        let _ = held.question();
        assert_eq!(held.answered(Answered::Nobody).len(), 2);
        assert!(!held.keep(waiting("/c", 3)));
        let mut held = Held::new(true);
        let asked = (0..100)
            .filter(|n| {
                let kept = held.keep(waiting(&format!("/{n}"), *n));
                let _ = held.question();
                held.answered(Answered::No);
                kept
            })
            .count();
        assert_eq!(asked, MOST_QUESTIONS);
        assert!(!Held::new(true).keep(waiting("/home/u/.bash_history", 1)));
        assert!(!Held::new(false).keep(waiting("/a", 1)));
    }
}
