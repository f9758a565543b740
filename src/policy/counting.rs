//! Which values count: priorities, trust and the administrator's locks. Pure.
//!
//! Owns choosing among files and remembering what was ignored. Must not know what a value means for a command.

use crate::settings::{Layer, Notice, Origin, Scope, Sourced, Values};
use std::path::Path;

/// Why a value that widens does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// The project file is not trusted.
    Untrusted,
    /// What runs confined could have written the file.
    Reachable,
    /// What runs confined could write the trust store.
    TrustStore,
    /// A managed setting of this name locks it.
    Locked(&'static str),
    /// It counts only in managed settings.
    ManagedOnly,
    /// It never counts in a project file.
    NotInProjects,
}

/// Where a value that widens may stand at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// In every file that may widen.
    Every,
    /// Not in project files, trusted or not.
    NotInProjects,
    /// In managed files, because a managed setting of this name says so.
    Locked(&'static str),
    /// In managed files.
    ManagedOnly,
}

struct Ignored {
    layer: usize,
    why: Why,
    key: &'static str,
    line: usize,
}

/// The files, and which of them may widen.
pub(super) struct Counting<'a> {
    layers: &'a [Layer],
    /// For each file why what widens does not count in it.
    refused: Vec<Option<Why>>,
    ignored: Vec<Ignored>,
}

impl<'a> Counting<'a> {
    /// By what the files' readers found out about trust.
    pub(super) fn new(layers: &'a [Layer]) -> Self {
        let refused = |layer: &Layer| match (layer.may_widen, layer.source.scope) {
            (true, _) => None,
            (false, Scope::Project | Scope::Local) => Some(Why::Untrusted),
            (false, Scope::Managed | Scope::User) => Some(Why::Reachable),
        };
        Counting { layers, refused: layers.iter().map(refused).collect(), ignored: Vec::new() }
    }

    /// The same files, with nothing that widens from those that `why` names a reason for.
    pub(super) fn without(&self, why: impl Fn(&Layer) -> Option<Why>) -> Self {
        let refused = self.layers.iter().zip(&self.refused);
        let refused = refused.map(|(layer, known)| known.clone().or_else(|| why(layer))).collect();
        Counting { layers: self.layers, refused, ignored: Vec::new() }
    }

    /// The name of a managed lock, if a managed file sets it.
    pub(super) fn lock(
        &mut self,
        key: &'static str,
        get: impl Fn(&Values) -> Option<&Sourced<bool>>,
    ) -> Option<&'static str> {
        let mut set = false;
        for (index, layer) in self.layers.iter().enumerate() {
            match get(&layer.values).filter(|said| said.value) {
                Some(_) if layer.source.scope == Scope::Managed => set = true,
                Some(said) => self.ignore(index, key, &said.origin, Why::ManagedOnly),
                None => {}
            }
        }
        set.then_some(key)
    }

    /// Whether what widens counts in a file.
    fn refusal(&self, index: usize, reach: Reach) -> Option<Why> {
        let Some(layer) = self.layers.get(index) else { return Some(Why::Untrusted) };
        let scope = layer.source.scope;
        let by_reach = match reach {
            Reach::Every => None,
            Reach::NotInProjects => {
                matches!(scope, Scope::Project | Scope::Local).then_some(Why::NotInProjects)
            }
            Reach::Locked(key) => (scope != Scope::Managed).then_some(Why::Locked(key)),
            Reach::ManagedOnly => (scope != Scope::Managed).then_some(Why::ManagedOnly),
        };
        by_reach.or_else(|| self.refused.get(index).cloned().unwrap_or(Some(Why::Untrusted)))
    }

    /// All entries of a list that widens, highest file first, each with whether it counts. What does not is noted.
    pub(super) fn widening<T>(
        &mut self,
        key: &'static str,
        reach: Reach,
        get: impl Fn(&'a Values) -> &'a [Sourced<T>],
    ) -> Vec<(&'a Sourced<T>, bool)> {
        let mut all = Vec::new();
        let layers: &'a [Layer] = self.layers;
        for (index, layer) in layers.iter().enumerate() {
            let entries = get(&layer.values);
            let Some(first) = entries.first() else { continue };
            let refusal = self.refusal(index, reach);
            all.extend(entries.iter().map(|entry| (entry, refusal.is_none())));
            if let Some(why) = refusal {
                self.ignore(index, key, &first.origin, why);
            }
        }
        all
    }

    /// All entries of a list that only tightens.
    pub(super) fn tightening<T>(&self, get: impl Fn(&'a Values) -> &'a [Sourced<T>]) -> Vec<&'a Sourced<T>> {
        let layers: &'a [Layer] = self.layers;
        layers.iter().flat_map(|layer| get(&layer.values)).collect()
    }

    /// All entries of a list that only tightens, from managed files alone if `lock` is set.
    pub(super) fn tightening_unless<T>(
        &mut self,
        key: &'static str,
        lock: Option<&'static str>,
        get: impl Fn(&'a Values) -> &'a [Sourced<T>],
    ) -> Vec<&'a Sourced<T>> {
        let Some(lock) = lock else { return self.tightening(get) };
        let all = self.widening(key, Reach::Locked(lock), |values| get(values));
        let managed = |entry: &Sourced<T>| entry.origin.scope() == Some(Scope::Managed);
        all.into_iter().map(|(entry, _)| entry).filter(|entry| managed(entry)).collect()
    }

    /// The highest file's value; where it widens (`wide`) and may not, the next one's.
    pub(super) fn scalar<T: PartialEq>(
        &mut self,
        key: &'static str,
        reach: Reach,
        get: impl Fn(&Values) -> Option<Sourced<T>>,
        wide: impl Fn(&T) -> bool,
    ) -> Option<Sourced<T>> {
        let mut skipped = Vec::new();
        let mut found = None;
        for (index, layer) in self.layers.iter().enumerate() {
            let Some(said) = get(&layer.values) else { continue };
            match self.refusal(index, reach) {
                Some(why) if wide(&said.value) => skipped.push((index, said, why)),
                _ => {
                    found = Some(said);
                    break;
                }
            }
        }
        for (index, said, why) in skipped {
            // What holds anyway needs no word.
            if !found.as_ref().is_some_and(|found| found.value == said.value) {
                self.ignore(index, key, &said.origin, why);
            }
        }
        found
    }

    /// A switch with a default.
    pub(super) fn switch(
        &mut self,
        key: &'static str,
        reach: Reach,
        [default, wide]: [bool; 2],
        get: impl Fn(&Values) -> Option<&Sourced<bool>>,
    ) -> Sourced<bool> {
        self.switch_owned(key, reach, [default, wide], |values| get(values).cloned())
    }

    /// A switch that is computed from what the files say.
    pub(super) fn switch_owned(
        &mut self,
        key: &'static str,
        reach: Reach,
        [default, wide]: [bool; 2],
        get: impl Fn(&Values) -> Option<Sourced<bool>>,
    ) -> Sourced<bool> {
        let before = self.ignored.len();
        let found = self.scalar(key, reach, get, |value| *value == wide);
        if found.is_none() && default == wide {
            self.ignored.truncate(before);
        }
        found.unwrap_or(Sourced::built_in(default, "default"))
    }

    /// Whether one value that widens counts, by its place. If not, it is noted.
    pub(super) fn one(&mut self, key: &'static str, reach: Reach, origin: &Origin) -> bool {
        let Origin::File { source, .. } = origin else { return false };
        let layers = self.layers;
        let Some(index) = layers.iter().position(|layer| std::sync::Arc::ptr_eq(&layer.source, source))
        else {
            return false;
        };
        let refusal = self.refusal(index, reach);
        let counts = refusal.is_none();
        if let Some(why) = refusal {
            self.ignore(index, key, origin, why);
        }
        counts
    }

    fn ignore(&mut self, layer: usize, key: &'static str, origin: &Origin, why: Why) {
        let known = |i: &Ignored| i.layer == layer && i.key == key && i.why == why;
        if !self.ignored.iter().any(known) {
            let line = origin.line_column().map_or(1, |(line, _)| line);
            self.ignored.push(Ignored { layer, why, key, line });
        }
    }

    /// One line for each file and reason.
    pub(super) fn notices(&self) -> Vec<Notice> {
        let mut seen: Vec<(usize, &Why)> = Vec::new();
        let mut notices = Vec::new();
        for ignored in &self.ignored {
            if seen.contains(&(ignored.layer, &ignored.why)) {
                continue;
            }
            seen.push((ignored.layer, &ignored.why));
            let same = self.ignored.iter().filter(|i| i.layer == ignored.layer && i.why == ignored.why);
            let keys: Vec<String> = same.map(|i| format!("{} (line {})", i.key, i.line)).collect();
            if let Some(layer) = self.layers.get(ignored.layer) {
                notices.push(ignored.why.notice(&layer.source.path, &keys.join(", ")));
            }
        }
        notices
    }
}

impl Why {
    fn notice(&self, file: &Path, keys: &str) -> Notice {
        let file = file.display();
        let (kind, text) = match self {
            Why::Untrusted => (
                "untrusted-project",
                format!("ignored from {file} (not trusted): {keys}; to trust it: sbshctl trust"),
            ),
            Why::Reachable => (
                "reachable-settings",
                format!(
                    "ignored from {file} (what runs inside could write it): {keys}; keep the file out of writable directories"
                ),
            ),
            Why::TrustStore => (
                "reachable-state",
                format!(
                    "ignored from {file} (what runs inside could write the trust store): {keys}; keep sbsh's state out of writable directories"
                ),
            ),
            Why::Locked(lock) => (
                "managed-lock",
                format!("ignored from {file} (managed {lock}): {keys}; only managed settings can say this"),
            ),
            Why::ManagedOnly => (
                "managed-only",
                format!("ignored from {file} (counts only in managed settings): {keys}; remove it"),
            ),
            Why::NotInProjects => (
                "not-in-projects",
                format!(
                    "ignored from {file} (never counts in a project): {keys}; say it in your user settings"
                ),
            ),
        };
        Notice { kind, text }
    }
}
