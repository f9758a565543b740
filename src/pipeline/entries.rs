//! Changing lists and single values of settings files for a person: which file, and what that makes trusted.
//!
//! Owns that a change of a project's file pins its new content only if nothing else comes to count with it. Must not
//! decide whether an entry makes sense: that is `sense`.

use super::Stop;
use super::prepare::Prepared;
use crate::audit::Event;
use crate::audit::pen::Pen;
use crate::audit::redact::redact;
use crate::report;
use crate::settings::edit::{self, Edited, Element, Form, Operation};
use crate::settings::trust::{TrustStore, Widening};
use crate::settings::{CredentialMode, Layer, Scope, Source, parse, trust};
use crate::system::store::Directory;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whether a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is.
    Write,
    /// It is only looked at.
    Preview,
}

/// The personal settings of a project.
pub fn personal(project: &Path) -> PathBuf {
    project.join(".claude/settings.local.json")
}

/// The settings that a project shares.
pub fn shared(project: &Path) -> PathBuf {
    project.join(".claude/settings.json")
}

/// A list of a settings file, and how its entries are written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List<'k> {
    /// Its key, from the top.
    pub key: &'k [&'k str],
    /// Its entries.
    pub form: Form,
}

pub(super) const NO_HOME: &str = "there is no home directory for a settings file";

/// Changes a list, one entry after the other, and, for a project file, pins its new content: but only if what
/// widens in it is these entries and what counted before, so that nothing else comes to count with them.
///
/// # Errors
/// When the file cannot be changed, or says things that are not trusted.
pub fn change(
    list: List<'_>,
    texts: &[String],
    operation: Operation,
    way: Way,
    target: &Path,
    prepared: &Prepared,
) -> Result<Vec<Edited>, Stop> {
    perform(list.key, Deed::List(texts, operation, list.form), way, target, prepared)
}

/// Sets a single value, e.g. `sandbox.mode`, as [`change`] does with lists.
///
/// # Errors
/// As there.
pub fn set(
    key: &[&str],
    value: &Value,
    way: Way,
    target: &Path,
    prepared: &Prepared,
) -> Result<Vec<Edited>, Stop> {
    perform(key, Deed::Set(value), way, target, prepared)
}

/// What is to be done at a key.
#[derive(Clone, Copy)]
enum Deed<'d> {
    List(&'d [String], Operation, Form),
    Set(&'d Value),
}

impl Deed<'_> {
    fn verb(self) -> &'static str {
        match self {
            Deed::List(_, Operation::Add, _) => "added",
            Deed::List(_, Operation::Remove, _) => "removed",
            Deed::Set(_) => "set",
        }
    }

    /// The mode of a credential.
    fn mode(self) -> Option<&'static str> {
        match self {
            Deed::List(_, _, Form::Credential(_, mode)) => Some(mode.name()),
            Deed::List(..) | Deed::Set(_) => None,
        }
    }

    fn adds(self) -> bool {
        !matches!(self, Deed::List(_, Operation::Remove, _))
    }

    fn texts(self) -> Vec<String> {
        match self {
            Deed::List(texts, ..) => texts.to_vec(),
            Deed::Set(Value::String(text)) => vec![text.clone()],
            Deed::Set(value) => vec![value.to_string()],
        }
    }

    /// Whether it counts without trust.
    fn tightens(self, key: &[&str]) -> bool {
        match self {
            Deed::List(_, _, Form::Text) => tightens(key),
            Deed::List(_, _, Form::Credential(_, mode)) => mode == CredentialMode::Deny,
            Deed::Set(value) => {
                let alone = key.iter().rev().fold(value.clone(), |inner, key| json!({ *key: inner }));
                widening_of(Path::new(""), &alone.to_string()).is_some_and(|widening| widening.is_empty())
            }
        }
    }

    /// Whether it is what widens here.
    fn is(self, key: &[&str], widening: &Widening) -> bool {
        // Lists under a name of a person's own: trust knows them as pairs.
        if let (["sandbox", "ignoreViolations", name], Deed::List(texts, ..)) = (key, self) {
            let pair = |text: &String| widening.text == format!("{name}: {text}");
            return self.adds() && widening.key == "sandbox.ignoreViolations" && texts.iter().any(pair);
        }
        // A list may have two keys, of which trust knows one.
        let same = match self {
            Deed::List(..) => widening.key.rsplit('.').next() == key.last().copied(),
            Deed::Set(_) => widening.key == key.join("."),
        };
        self.adds() && same && self.texts().contains(&widening.text)
    }
}

fn perform(
    key: &[&str],
    deed: Deed<'_>,
    way: Way,
    target: &Path,
    prepared: &Prepared,
) -> Result<Vec<Edited>, Stop> {
    let edited = change_all(key, deed, way, target, prepared)?;
    if way == Way::Write && edited.iter().any(|edited| edited.before != edited.after) {
        log(key, deed, target, prepared);
    }
    Ok(edited)
}

/// Keeps a change in the audit log.
fn log(key: &[&str], deed: Deed<'_>, target: &Path, prepared: &Prepared) {
    let fields = json!({
        "key": key.join("."),
        "mode": deed.mode(),
        "what": deed.verb(),
        "entries": deed.texts().iter().map(|text| redact(text)).collect::<Vec<_>>(),
        "file": target.to_string_lossy(),
        "pid": std::process::id(),
    });
    let mut pen = Pen::new(prepared.locations.state_dir.as_deref());
    pen.follow(&prepared.policy.audit);
    if let Err(error) = pen.note(Event::Settings, fields) {
        report::notice(&format!("the audit log cannot be written: {error}"));
    }
}

fn change_all(
    key: &[&str],
    deed: Deed<'_>,
    way: Way,
    target: &Path,
    prepared: &Prepared,
) -> Result<Vec<Edited>, Stop> {
    let failed = |error: &dyn std::fmt::Display| not_kept(&error.to_string());
    let persons = [&prepared.layers.user_file, &prepared.locations.session_file];
    let is_persons = persons.iter().any(|file| file.as_deref() == Some(target));
    let project = prepared.layers.project.as_deref().filter(|_| !is_persons);
    let edit_one = |element: Element, operation| match way {
        Way::Write => edit::change(target, project, key, element, operation),
        Way::Preview => edit::preview(target, project, key, element, operation),
    };
    let edit_all = || -> Result<Vec<Edited>, Stop> {
        let edited = match (deed, way) {
            (Deed::List(texts, operation, form), _) => {
                let elements = texts.iter().map(|text| form.element(text));
                elements.map(|element| edit_one(element, operation)).collect::<Result<Vec<_>, _>>()
            }
            (Deed::Set(value), Way::Write) => edit::set(target, project, key, value).map(|one| vec![one]),
            (Deed::Set(value), Way::Preview) => {
                edit::preview_set(target, project, key, value).map(|one| vec![one])
            }
        };
        edited.map_err(|e| failed(&e))
    };
    let Some(project) = project else { return edit_all() };
    // Between changing and pinning no other of ours may change: each would find the other's entry unpinned. The file's
    // own directory is what `edit` locks.
    let directory = Directory::open_resolved(project).map_err(|e| failed(&e))?;
    let _turn = directory.lock().map_err(|e| failed(&e))?;
    let mut store = TrustStore::open(prepared.locations.state_dir.as_deref());
    let known = known(target, &store, prepared)?;
    // What only tightens counts without trust, so it needs none and gives none; neither does taking back.
    if known.is_none() && deed.adds() && !deed.tightens(key) {
        let text = format!(
            "'{}' says things that are not trusted yet; see 'sbshctl trust --show', or write the user's settings",
            target.display()
        );
        return Err(not_kept(&text));
    }
    let edited = edit_all()?;
    let changed = edited.iter().any(|edited| edited.before != edited.after);
    let Some(known) = known.filter(|_| changed && way == Way::Write) else { return Ok(edited) };
    let text = std::fs::read_to_string(target).map_err(|e| failed(&e))?;
    let now = widening_of(target, &text).ok_or_else(|| not_kept("the file is broken now"))?;
    let expected = |w: &Widening| deed.is(key, w) || known.iter().any(|b| b.key == w.key && b.text == w.text);
    if !now.iter().all(expected) {
        return Err(not_kept("the file was changed by somebody else meanwhile"));
    }
    store.record(target, text.as_bytes()).map_err(|e| failed(&e))?;
    Ok(edited)
}

/// Whether a list only tightens.
fn tightens(key: &[&str]) -> bool {
    key.last().is_some_and(|last| last.starts_with("den") || *last == "ask")
}

/// What widens in the file as it is now and counts already; `None` if something in it was never trusted. The file may
/// be newer than what was loaded: an answer of this or another command was written to it.
fn known(target: &Path, store: &TrustStore, prepared: &Prepared) -> Result<Option<Vec<Widening>>, Stop> {
    let text = match std::fs::read_to_string(target) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
        Err(error) => return Err(not_kept(&error.to_string())),
    };
    let now = widening_of(target, &text)
        .ok_or_else(|| not_kept(&format!("'{}' is broken; correct it first", target.display())))?;
    let as_loaded = loaded(prepared, target).is_some_and(|l| l.may_widen && *l.source.text == *text);
    let trusted = now.is_empty() || as_loaded || store.is_trusted(target, text.as_bytes());
    Ok(trusted.then_some(now))
}

/// A settings file cannot be written.
pub fn not_kept(cause: &str) -> Stop {
    Stop::Failed(format!("cannot write the settings: {cause}"), crate::exit::REFUSED)
}

pub(super) fn loaded<'p>(prepared: &'p Prepared, target: &Path) -> Option<&'p Layer> {
    prepared.layers.layers.iter().find(|l| l.source.path == target)
}

fn widening_of(path: &Path, text: &str) -> Option<Vec<Widening>> {
    let source = Arc::new(Source { path: path.into(), scope: Scope::Local, text: text.into() });
    let values = parse::values(&source, &mut Vec::new()).ok()?;
    Some(trust::widening(&values))
}
