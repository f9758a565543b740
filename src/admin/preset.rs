//! `sbshctl preset`: what a language's package managers need, shown and put into settings. Never from inside.
//!
//! Owns that all of it is written or nothing, and that what counts already is not written again. Must not decide what a
//! preset holds: that is `policy::presets`.

use super::{change, facts, lint, only_outside, print};
use crate::caller::Caller;
use crate::cli::{Effect, EntryKind, Place, Presets, Wish};
use crate::pipeline::Stop;
use crate::pipeline::entries::{self, List, Way};
use crate::pipeline::prepare::{self, Prepared};
use crate::pipeline::sense::{self, Entry};
use crate::policy::network::entry::covers;
use crate::policy::paths::PathReader;
use crate::policy::presets::{self, Grant, What};
use crate::settings::Origin;
use crate::settings::edit::{self, Edited, Operation};
use crate::system::visible::visible;
use std::fmt::Write;
use std::path::Path;

/// Said where a cache is opened: the one thing about it that is no matter of the sandbox.
const SHARED: &str =
    "note: a cache is used outside, too: builds there take from it what commands inside put into it\n";

/// One entry that a preset brings.
struct Wanted {
    wish: Wish,
    entry: Entry,
    why: &'static str,
    /// By what it is allowed already, and where that stands.
    already: Option<String>,
}

/// Shows what the presets add, and adds it; lists all of them if none is named.
///
/// # Errors
/// From inside; a managed lock; what would let a command out here; a file that cannot be changed.
pub fn run(presets: &Presets, caller: &Caller) -> Result<i32, Stop> {
    if presets.names.is_empty() {
        return print(&list(caller));
    }
    only_outside("preset")?;
    let prepared = prepare::policy(caller)?;
    let files = change::files(presets.place, &prepared)?;
    let Some(file) = files.first() else { return print("") };
    let all = wanted(presets, &prepared, caller)?;
    let missing: Vec<&Wanted> = all.iter().filter(|one| one.already.is_none()).collect();
    if missing.is_empty() {
        return print(&(shown(presets, &all) + "nothing was changed\n"));
    }
    let looked = look(&missing, file)?;
    let before = facts::findings(&prepared, caller);
    let found = change::new(&before, change::after(file, &looked, &prepared, caller)?);
    // The presets themselves are harmless: then a variable put a cache where it is not.
    let refused = found.iter().find(|finding| {
        [change::NEVER, change::NEEDS_FORCE].iter().any(|kinds| kinds.contains(&finding.kind))
    });
    if let Some(bad) = refused
        && let Some(one) = missing.first()
    {
        let wish = Wish { entry: bad.entry.clone(), ..one.wish.clone() };
        return Err(sense::refusal(&wish, &bad.why, &bad.advice));
    }
    let remarks: String = found.iter().map(lint::words).collect();
    let caches = missing.iter().any(|one| one.wish.kind == EntryKind::Write);
    let note = if caches { SHARED } else { "" };
    let mut text = shown(presets, &all);
    if presets.dry_run {
        let difference = change::difference(file, &looked);
        return print(&format!("{text}{}{difference}{remarks}{note}", change::WOULD_BE));
    }
    let edited = write(&missing, file, &prepared)?;
    text.push_str(&change::difference(file, &edited));
    text.push_str(&remarks);
    text.push_str(note);
    let domains = missing.iter().filter(|one| one.wish.kind == EntryKind::Domain);
    for one in domains {
        text.push_str(&change::settled(&one.entry.text, &prepared));
    }
    print(&text)
}

/// Every preset with what it holds, as it would be written for this caller.
fn list(caller: &Caller) -> String {
    let mut text = String::new();
    for preset in presets::PRESETS {
        let _ = writeln!(text, "{} ({})", preset.name, preset.about);
        for grant in preset.grants {
            let (kind, entry) = written(grant, caller);
            text.push_str(&line(kind, &entry, grant.why));
        }
    }
    text + "'sbshctl preset NAME' adds one; with --dry-run it only shows the change\n"
}

fn line(kind: EntryKind, entry: &str, why: &str) -> String {
    let kind = if kind == EntryKind::Domain { "domain" } else { "write" };
    format!("  {kind:<6} {:<30} {why}\n", visible(entry.as_bytes()))
}

/// A grant as an entry of settings.
fn written(grant: &Grant, caller: &Caller) -> (EntryKind, String) {
    let variable = |name: &str| caller.variable(name).and_then(|value| value.to_str()).map(str::to_owned);
    match grant.what {
        What::Domain(host) => (EntryKind::Domain, host.to_owned()),
        What::Write(cache) => (EntryKind::Write, cache.entry(variable)),
        What::Numbered(text) => (EntryKind::Write, format!("{text}{}", nix::unistd::geteuid())),
    }
}

/// Everything that the presets bring, each once.
fn wanted(presets: &Presets, prepared: &Prepared, caller: &Caller) -> Result<Vec<Wanted>, Stop> {
    let mut all: Vec<Wanted> = Vec::new();
    let grants =
        presets.names.iter().filter_map(|name| presets::named(name)).flat_map(|preset| preset.grants);
    for grant in grants {
        let (kind, entry) = written(grant, caller);
        if all.iter().any(|one| one.wish.kind == kind && one.wish.entry == entry) {
            continue;
        }
        let wish = Wish {
            effect: Effect::Allow,
            kind,
            entry,
            place: presets.place,
            remove: false,
            dry_run: presets.dry_run,
            force: false,
        };
        let entry = sense::read(&wish, prepared)?;
        let already = already(kind, &entry.text, prepared);
        all.push(Wanted { wish, entry, why: grant.why, already });
    }
    Ok(all)
}

/// What allows it already: the same entry, or a broader one.
fn already(kind: EntryKind, text: &str, prepared: &Prepared) -> Option<String> {
    let said = |by: &str, origin: &Origin| {
        let by = if by == text { String::new() } else { format!("by '{}', ", visible(by.as_bytes())) };
        format!("allowed already ({by}{})", change::place_of(origin))
    };
    if kind == EntryKind::Domain {
        let allowed = prepared.policy.network.allowed.entries();
        let broader = allowed.iter().find(|allowed| covers(&allowed.value, text))?;
        return Some(said(&broader.value, &broader.origin));
    }
    let reader = PathReader { locations: &prepared.locations, project: prepared.layers.project.as_deref() };
    let pattern = reader.filesystem(text, &Origin::Caller("a preset")).ok()?;
    let broader = prepared.policy.files.writable.iter().find(|rule| rule.pattern.covers(&pattern))?;
    let by = broader.pattern.text();
    Some(said(if by == pattern.text() { text } else { &by }, &broader.origin))
}

/// What is said first: each entry with why, or with what allows it already.
fn shown(presets: &Presets, all: &[Wanted]) -> String {
    let place = match presets.place {
        Place::User => " for all projects of this user",
        _ => "",
    };
    let mut text = format!("{}{place}:\n", presets.names.join(", "));
    for one in all {
        let why = one.already.as_deref().unwrap_or(one.why);
        text.push_str(&line(one.wish.kind, &one.entry.text, why));
    }
    text
}

/// The entries of one list, with the list.
fn lists<'w>(missing: &[&'w Wanted]) -> Vec<(List<'w>, Vec<String>)> {
    let mut all = Vec::new();
    for kind in [EntryKind::Domain, EntryKind::Write] {
        let of_kind: Vec<&&Wanted> = missing.iter().filter(|one| one.wish.kind == kind).collect();
        let first = of_kind.first().and_then(|one| Some((*one.entry.keys.first()?, one.entry.form)));
        let Some((key, form)) = first else { continue };
        all.push((List { key, form }, of_kind.iter().map(|one| one.entry.text.clone()).collect()));
    }
    all
}

/// What the file would be with all of it.
fn look(missing: &[&Wanted], file: &Path) -> Result<Vec<Edited>, Stop> {
    let failed = |error: &dyn std::fmt::Display| entries::not_kept(&error.to_string());
    let mut text = match std::fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&error)),
    };
    let mut all = Vec::new();
    for (list, texts) in lists(missing) {
        for entry in texts {
            let edited = edit::adding(file, text.as_deref(), list.key, list.form.element(&entry));
            let edited = edited.map_err(|error| failed(&error))?;
            text = Some(edited.after.clone());
            all.push(edited);
        }
    }
    Ok(all)
}

/// Writes both lists. The first refuses what the second would: both are one file's.
fn write(missing: &[&Wanted], file: &Path, prepared: &Prepared) -> Result<Vec<Edited>, Stop> {
    let mut all = Vec::new();
    for (list, texts) in lists(missing) {
        all.extend(entries::change(list, &texts, Operation::Add, Way::Write, file, prepared)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use crate::cli::table;
    use crate::policy::presets;

    #[test]
    fn the_command_line_knows_the_presets_that_there_are() {
        let names: Vec<&str> = presets::PRESETS.iter().map(|preset| preset.name).collect();
        assert_eq!(names, table::PRESETS);
    }
}
