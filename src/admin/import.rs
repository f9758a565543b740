//! `sbshctl import`: another program's settings, taken over entry by entry and shown before. Never from inside.
//!
//! Owns that nothing is written which was not said, and what too broad an entry waits for. Must not decide what an entry
//! becomes: that is `meaning`.

mod meaning;

use super::{change, facts, lint, only_outside, print};
use crate::caller::Caller;
use crate::cli::Import;
use crate::exit;
use crate::pipeline::Stop;
use crate::pipeline::entries::{self, List, Way};
use crate::pipeline::prepare::{self, Prepared};
use crate::settings::edit::{self, Edited, Form, Operation};
use crate::settings::parse::ParseError;
use crate::settings::srt::{self, Said, What};
use crate::settings::{Scope, SettingsError, Source, load};
use crate::system::visible::visible;
use crate::verdict::lint::Finding;
use meaning::{Becomes, Item};
use serde_json::Value;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// Longer files are nobody's settings.
const LONGEST: u64 = 1 << 20;

/// Why a broad entry was left out.
const FORCED: &str = "left out; --force takes it over all the same";

/// Shows what the file becomes, and writes it.
///
/// # Errors
/// From inside; a file that cannot be read, is broken or says what means nothing here; settings that cannot be changed.
pub fn run(wanted: &Import, caller: &Caller) -> Result<i32, Stop> {
    only_outside("import")?;
    let prepared = prepare::policy(caller)?;
    let files = change::files(wanted.place, &prepared)?;
    let Some(file) = files.first() else { return print("") };
    let theirs = match &wanted.file {
        Some(path) => prepared.locations.cwd.join(path),
        None => prepared.locations.home.as_deref().map(own).ok_or_else(|| {
            Stop::Failed("there is no home directory in which to look for it".into(), exit::REFUSED)
        })?,
    };
    let said = read(&theirs)?;
    let everywhere = prepared.layers.user_file.as_deref() == Some(file);
    let mut items = said
        .iter()
        .map(|said| meaning::of(said, wanted, everywhere, &prepared).map_err(|stop| at(stop, said, &theirs)))
        .collect::<Result<Vec<Item>, Stop>>()?;
    if !wanted.force {
        for item in &mut items {
            if let Some(why) = item.dangerous {
                item.becomes = Becomes::Nothing(format!("{why}; {FORCED}"));
            }
        }
    }
    let remarks = judge(&mut items, wanted, file, &prepared, caller)?;
    let looked = look(&items, file)?;
    let changes = looked.iter().any(|edited| edited.before != edited.after);
    let mut text = shown(&items, &theirs, file);
    text.push_str(&differs(&said, everywhere));
    if !changes {
        return print(&(text + "nothing was changed\n"));
    }
    if wanted.dry_run {
        let difference = change::difference(file, &looked);
        return print(&format!("{text}{}{difference}{remarks}", change::WOULD_BE));
    }
    // What one of them is refused for stops all of them.
    write(&items, Way::Preview, file, &prepared)?;
    write(&items, Way::Write, file, &prepared)?;
    text.push_str(&change::difference(file, &looked));
    print(&(text + &remarks))
}

/// Where that program looks for its settings.
fn own(home: &Path) -> PathBuf {
    home.join(".srt-settings.json")
}

fn read(path: &Path) -> Result<Vec<Said>, Stop> {
    let file = load::open(path)
        .map_err(|error| Stop::Settings(SettingsError::whole(path, format!("cannot open it: {error}"))))?;
    let text = load::text_of(path, file, LONGEST).map_err(Stop::Settings)?;
    srt::read(&text).map_err(|ParseError { offset, what }| {
        let source = Source { path: path.into(), scope: Scope::User, text };
        Stop::Settings(SettingsError::at(&source, offset, what))
    })
}

/// The same, with the place of the entry that is meant.
fn at(stop: Stop, said: &Said, theirs: &Path) -> Stop {
    match stop {
        Stop::Failed(text, status) => {
            let path = visible(theirs.as_os_str().as_encoded_bytes());
            Stop::Failed(format!("{path}:{}: {}: {text}", said.line, visible(said.key.as_bytes())), status)
        }
        other => other,
    }
}

/// Leaves out what lint calls too broad; gives its other remarks.
fn judge(
    items: &mut [Item],
    wanted: &Import,
    file: &Path,
    prepared: &Prepared,
    caller: &Caller,
) -> Result<String, Stop> {
    let before = facts::findings(prepared, caller);
    let found = |items: &[Item]| -> Result<Vec<Finding>, Stop> {
        Ok(change::new(&before, change::after(file, &look(items, file)?, prepared, caller)?))
    };
    let never = |finding: &Finding| change::NEVER.contains(&finding.kind);
    loop {
        let all = found(items)?;
        let bad = all
            .iter()
            .find(|finding| never(finding) || !wanted.force && change::NEEDS_FORCE.contains(&finding.kind));
        let Some(bad) = bad else { return Ok(all.iter().map(lint::words).collect()) };
        // A path is named as it is resolved, and that settings can be reached is said of no entry: then each is looked at alone.
        let mut meant = Vec::new();
        for by_text in [true, false] {
            if !meant.is_empty() {
                break;
            }
            for (at, item) in items.iter().enumerate() {
                let Becomes::Entry { text, .. } = &item.becomes else { continue };
                let is = match by_text {
                    true => *text == bad.entry,
                    false => found(std::slice::from_ref(item))?.iter().any(|alone| alone.kind == bad.kind),
                };
                meant.extend(is.then_some(at));
            }
        }
        if meant.is_empty() {
            let text = format!("nothing was written: {}; {}", bad.why, bad.advice);
            return Err(Stop::Failed(text, exit::REFUSED));
        }
        let why = match bad.origin {
            Some(_) if never(bad) => format!("it {}; {}; left out", bad.why, bad.advice),
            Some(_) => format!("it {}; {FORCED}", bad.why),
            None => "with it what runs inside could write the settings or the trust store; name a smaller directory"
                .to_owned(),
        };
        for at in meant {
            if let Some(item) = items.get_mut(at) {
                item.becomes = Becomes::Nothing(why.clone());
            }
        }
    }
}

/// What the file would be with all of it.
fn look(items: &[Item], file: &Path) -> Result<Vec<Edited>, Stop> {
    let failed = |error: &dyn std::fmt::Display| entries::not_kept(&error.to_string());
    let mut text = match std::fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&error)),
    };
    let mut all = Vec::new();
    for item in items {
        let edited = match &item.becomes {
            Becomes::Entry { key, form, text: entry } => {
                edit::adding(file, text.as_deref(), &borrowed(key), form.element(entry))
            }
            Becomes::Single { key, value } => edit::setting(file, text.as_deref(), &borrowed(key), value),
            Becomes::Needless(_) | Becomes::Nothing(_) => continue,
        };
        let edited = edited.map_err(|error| failed(&error))?;
        text = Some(edited.after.clone());
        all.push(edited);
    }
    Ok(all)
}

fn borrowed(key: &[String]) -> Vec<&str> {
    key.iter().map(String::as_str).collect()
}

/// The entries of one list, or a single value.
enum Deed<'i> {
    List(Vec<&'i str>, Form, Vec<String>),
    Single(Vec<&'i str>, &'i Value),
}

/// What is to be written, each list once. What widens comes first: it is what may be refused.
fn deeds(items: &[Item]) -> Vec<Deed<'_>> {
    let mut all: Vec<Deed<'_>> = Vec::new();
    for item in items {
        match &item.becomes {
            Becomes::Entry { key, form, text } => {
                let key = borrowed(key);
                let same = all.iter_mut().find_map(|deed| match deed {
                    Deed::List(list, shape, texts) if *list == key && shape == form => Some(texts),
                    _ => None,
                });
                match same {
                    Some(texts) => texts.push(text.clone()),
                    None => all.push(Deed::List(key, *form, vec![text.clone()])),
                }
            }
            Becomes::Single { key, value } => all.push(Deed::Single(borrowed(key), value)),
            Becomes::Needless(_) | Becomes::Nothing(_) => {}
        }
    }
    all
}

fn write(items: &[Item], way: Way, file: &Path, prepared: &Prepared) -> Result<(), Stop> {
    for deed in deeds(items) {
        match deed {
            Deed::List(key, form, texts) => {
                let list = List { key: &key, form };
                entries::change(list, &texts, Operation::Add, way, file, prepared)?;
            }
            Deed::Single(key, value) => {
                entries::set(&key, value, way, file, prepared)?;
            }
        }
    }
    Ok(())
}

/// Each entry, with what it becomes.
fn shown(items: &[Item], theirs: &Path, file: &Path) -> String {
    let path = |path: &Path| visible(path.as_os_str().as_encoded_bytes());
    let mut text = format!("from {} into {}:\n", path(theirs), path(file));
    for item in items {
        let becomes = match &item.becomes {
            Becomes::Entry { key, text, .. } => {
                let same = if *text == item.shown { String::new() } else { format!(" '{text}'") };
                format!("{}{same}", key.join("."))
            }
            Becomes::Single { key, .. } => key.join("."),
            Becomes::Needless(why) => format!("not needed: {why}"),
            Becomes::Nothing(why) => format!("not taken over: {why}"),
        };
        let written = matches!(item.becomes, Becomes::Entry { .. } | Becomes::Single { .. });
        let but = item.but.filter(|_| written).map(|but| format!("; {but}")).unwrap_or_default();
        let entry = if item.shown.is_empty() { String::new() } else { format!(" '{}'", item.shown) };
        let line = format!("{}{entry} -> {becomes}{but}", item.key);
        let _ = writeln!(text, "  {:>4}: {}", item.line, visible(line.as_bytes()));
    }
    text
}

/// What no entry says and is otherwise here all the same.
fn differs(said: &[Said], everywhere: bool) -> String {
    let mut text = String::new();
    let is = |key: &str, what: &What| said.iter().any(|said| said.key == key && said.what == *what);
    if !is("network.strictAllowlist", &What::Switch(true)) {
        text.push_str(
            "note: a host that no list names is refused by srt; here a person is asked, and without one it is refused \
             (sandbox.network.strictAllowlist never asks)\n",
        );
    }
    let here = |path: &str| is("filesystem.allowWrite", &What::Entry(path.to_owned()));
    if ![".", "./", "./**"].into_iter().any(here) {
        text.push_str(
            "note: the working root can be written here without being named; sandbox.filesystem.denyWrite takes from it\n",
        );
    }
    if everywhere {
        text.push_str("note: these are the settings of all projects, for every command under sbsh\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Place;

    fn said(key: &str, what: What) -> Said {
        Said { key: key.to_owned(), what, line: 1 }
    }

    fn wanted() -> Import {
        Import { file: None, place: Place::User, dry_run: false, force: false }
    }

    fn becomes(key: &str, what: What, everywhere: bool) -> Becomes {
        let prepared = prepare::policy(&Caller::read()).unwrap();
        meaning::of(&said(key, what), &wanted(), everywhere, &prepared).unwrap().becomes
    }

    #[test]
    fn every_key_of_theirs_becomes_something_or_is_said_to_become_nothing() {
        let prepared = prepare::policy(&Caller::read()).unwrap();
        for (key, kind) in srt::KEYS {
            let whats = match kind {
                srt::Kind::Section => continue,
                srt::Kind::Switch => vec![What::Switch(true), What::Switch(false)],
                srt::Kind::List if key.starts_with("network.allowUnix") || key.starts_with("filesystem.") => {
                    vec![What::Entry("/x/y".into())]
                }
                srt::Kind::List if key.ends_with("Addresses") => vec![What::Entry("10.0.0.0/8".into())],
                srt::Kind::List => vec![What::Entry("a.example.com".into())],
                srt::Kind::Port => vec![What::Port(3128)],
                srt::Kind::Lists => vec![What::Named("npm".into(), "/x".into())],
                srt::Kind::Credentials("path") => vec![What::Credential("~/x".into(), true)],
                srt::Kind::Credentials(_) => vec![What::Credential("X_TOKEN".into(), false)],
                srt::Kind::Other => vec![What::Other],
            };
            for what in whats {
                let item = meaning::of(&said(key, what.clone()), &wanted(), false, &prepared).unwrap();
                match item.becomes {
                    Becomes::Nothing(why) => assert!(!why.is_empty(), "{key}"),
                    Becomes::Needless(why) => assert!(!why.is_empty(), "{key} {what:?}"),
                    Becomes::Entry { key: ours, .. } | Becomes::Single { key: ours, .. } => {
                        let known = crate::settings::schema::KEYS.iter().any(|known| {
                            let parts: Vec<&str> = known.path.split('.').collect();
                            ours.first().is_some_and(|first| first == "sandbox")
                                && (ours[1..] == parts[..] || ours[1] == "ignoreViolations")
                        });
                        assert!(known, "{key}: {ours:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_relative_has_a_place_in_all_projects_only_where_it_denies() {
        let rule = |text: &str| Becomes::Entry {
            key: vec!["permissions".into(), "deny".into()],
            form: Form::Text,
            text: text.into(),
        };
        let entry = |text: &str| What::Entry(text.into());
        assert_eq!(becomes("filesystem.denyWrite", entry(".env"), true), rule("Edit(./.env)"));
        assert_eq!(becomes("filesystem.denyRead", entry("./a/b"), true), rule("Read(./a/b)"));
        assert!(matches!(becomes("filesystem.allowWrite", entry("src/"), true), Becomes::Nothing(_)));
        assert!(matches!(becomes("filesystem.allowRead", entry("."), true), Becomes::Nothing(_)));
        for here in [".", "./", "./**", "**"] {
            assert!(
                matches!(becomes("filesystem.allowWrite", entry(here), true), Becomes::Needless(_)),
                "{here}"
            );
        }
        let Becomes::Entry { key, text, .. } = becomes("filesystem.denyWrite", entry(".env"), false) else {
            panic!("a path of this project");
        };
        assert_eq!(key, ["sandbox", "filesystem", "denyWrite"]);
        assert!(text.starts_with('/') && text.ends_with("/.env"), "{text}");
    }

    #[test]
    fn entries_of_one_list_are_written_together() {
        let item = |becomes| Item {
            line: 1,
            key: "k".into(),
            shown: String::new(),
            becomes,
            but: None,
            dangerous: None,
        };
        let entry = |list: &str, text: &str| {
            item(Becomes::Entry { key: vec![list.into()], form: Form::Text, text: text.into() })
        };
        let items = [entry("a", "1"), entry("b", "2"), item(Becomes::Nothing("no".into())), entry("a", "3")];
        let lists: Vec<(Vec<&str>, Vec<String>)> = deeds(&items)
            .into_iter()
            .map(|deed| match deed {
                Deed::List(key, _, texts) => (key, texts),
                Deed::Single(key, _) => (key, Vec::new()),
            })
            .collect();
        assert_eq!(
            lists,
            [(vec!["a"], vec!["1".to_owned(), "3".to_owned()]), (vec!["b"], vec!["2".to_owned()])]
        );
    }
}
