//! `sbshctl allow`, `deny`, `ask` and `exclude`: entries that a person puts into settings or takes out. Never from
//! inside.

use super::{facts, lint, only_outside, print};
use crate::caller::Caller;
use crate::cli::{Effect, EntryKind, Place, Wish};
use crate::exit;
use crate::pipeline::entries::{self, List, Way};
use crate::pipeline::prepare::{self, Prepared};
use crate::pipeline::sense::{self, Entry};
use crate::pipeline::{Stop, remember};
use crate::policy::{self, NetworkPolicy, NetworkVerdict, Policy, parse_host_port};
use crate::settings::edit::{self, Change, Edited, Operation};
use crate::settings::{self, Layer, Layers, Origin, Scope, Source, Sourced, parse};
use crate::system::visible::visible;
use crate::verdict::lint::Finding;
use std::fmt::Write;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The port that is looked at where none is named.
const HTTPS: u16 = 443;

/// In front of a difference that is only looked at.
pub const WOULD_BE: &str = "nothing was written; this would be the change:\n";

/// What is written only if it is forced.
pub const NEEDS_FORCE: &[&str] = &[
    "allows-all",
    "allows-any-program",
    "allows-runner",
    "broad-write",
    "excluded-writable",
    "excludes-any-program",
    "excludes-runner",
    "writable-path",
    "writable-startup",
];
/// What is never written, because it says nothing or everything.
pub const NEVER: &[&str] =
    &["excludes-all", "never-matches", "reachable-settings", "reachable-state", "way-out"];

/// Puts an entry into a list, or takes it out.
///
/// # Errors
/// From inside; nonsense; a managed lock; a file that cannot be changed.
pub fn run(wish: &Wish, caller: &Caller) -> Result<i32, Stop> {
    print(&done(wish, caller)?)
}

/// The same, with what is to be said about it.
///
/// # Errors
/// As there.
pub fn done(wish: &Wish, caller: &Caller) -> Result<String, Stop> {
    only_outside(verb(wish.effect))?;
    let prepared = prepare::policy(caller)?;
    let files = files(wish.place, &prepared)?;
    let entry = sense::read(wish, &prepared)?;
    if wish.remove {
        take_out(wish, &entry, &files, &prepared)
    } else {
        put_in(wish, &entry, &files, &prepared, caller)
    }
}

fn verb(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
        Effect::Ask => "ask",
        Effect::Exclude => "exclude",
    }
}

/// The files that may be changed, the nearest first.
pub fn files(place: Place, prepared: &Prepared) -> Result<Vec<PathBuf>, Stop> {
    let named = if place == Place::Shared { entries::shared } else { entries::personal };
    let project = prepared.layers.project.as_deref().map(named);
    let user = prepared.layers.user_file.clone();
    let files: Vec<PathBuf> = match place {
        Place::User => user.into_iter().collect(),
        Place::Project | Place::Shared if project.is_none() => {
            let text = "there is no project here: no directory from here upwards has a '.claude'; use --user";
            return Err(Stop::Failed(text.into(), exit::REFUSED));
        }
        Place::Project | Place::Shared => project.into_iter().collect(),
        Place::Nearest => project.into_iter().chain(user).collect(),
    };
    if files.is_empty() {
        return Err(Stop::Failed("there is no home directory for a settings file".into(), exit::REFUSED));
    }
    Ok(files)
}

fn put_in(
    wish: &Wish,
    entry: &Entry,
    files: &[PathBuf],
    prepared: &Prepared,
    caller: &Caller,
) -> Result<String, Stop> {
    let (Some(file), Some(key)) = (files.first(), entry.keys.first()) else { return Ok(String::new()) };
    let list = List { key, form: entry.form };
    if let Some((_, said)) =
        standing(entry, prepared).find(|(layer, said)| counts(wish, layer) && said.value == entry.text)
    {
        let mut text = format!(
            "'{}' is there already ({}); nothing was changed\n",
            visible(entry.text.as_bytes()),
            place_of(&said.origin)
        );
        if wish.effect == Effect::Allow && wish.kind == EntryKind::Domain {
            text.push_str(&settled(&entry.text, prepared));
        }
        return Ok(text);
    }
    let texts = std::slice::from_ref(&entry.text);
    let looked = entries::change(list, texts, Operation::Add, Way::Preview, file, prepared)?;
    let before = facts::findings(prepared, caller);
    let found = new(&before, after(file, &looked, prepared, caller)?);
    if let Some(bad) = found.iter().find(|finding| NEVER.contains(&finding.kind)) {
        if bad.origin.is_none() {
            let why = "would not count: what runs inside could then write the settings or the trust store";
            return Err(sense::refusal(wish, why, "name a smaller directory"));
        }
        return Err(sense::refusal(wish, &bad.why, &bad.advice));
    }
    if let Some(bad) =
        found.iter().find(|finding| NEEDS_FORCE.contains(&finding.kind)).filter(|_| !wish.force)
    {
        return Err(sense::refusal(
            wish,
            &bad.why,
            &format!("{}; --force writes it all the same", bad.advice),
        ));
    }
    let remarks: String = found.iter().map(lint::words).collect();
    let hint =
        entry.hint.as_ref().map(|hint| format!("note: {}\n", visible(hint.as_bytes()))).unwrap_or_default();
    if wish.dry_run {
        return Ok(format!("{WOULD_BE}{}{remarks}{hint}", difference(file, &looked)));
    }
    let edited = entries::change(list, texts, Operation::Add, Way::Write, file, prepared)?;
    let now = prepare::policy(caller)?;
    let mut text = said(wish, entry, file, &now);
    text.push_str(&difference(file, &edited));
    text.push_str(&hint);
    if wish.effect == Effect::Allow && wish.kind == EntryKind::Domain {
        // What denies it was said above, host by host.
        let others = found
            .iter()
            .filter(|f| f.entry != entry.text || !["contradictory", "unreachable"].contains(&f.kind));
        text.extend(others.map(lint::words));
        text.push_str(&settled(&entry.text, prepared));
    } else {
        text.push_str(&remarks);
    }
    Ok(text)
}

/// An origin, safe to show: a directory's name is in it.
pub fn place_of(origin: &Origin) -> String {
    visible(origin.to_string().as_bytes())
}

/// Everything of the list that stands in some file.
fn standing<'p>(
    entry: &'p Entry,
    prepared: &'p Prepared,
) -> impl Iterator<Item = (&'p Layer, Sourced<String>)> {
    let layers = prepared.layers.layers.iter();
    layers.flat_map(|layer| entry.said(&layer.values).into_iter().map(move |said| (layer, said)))
}

/// Whether what such a list says counts in a file.
fn counts(wish: &Wish, layer: &Layer) -> bool {
    layer.may_widen || matches!(wish.effect, Effect::Deny | Effect::Ask)
}

/// What lint would find if a file were changed.
pub fn after(
    file: &Path,
    edited: &[Edited],
    prepared: &Prepared,
    caller: &Caller,
) -> Result<Vec<Finding>, Stop> {
    let Some((layers, policy)) = with(file, edited, prepared)? else { return Ok(Vec::new()) };
    Ok(facts::findings_in(&policy, &layers, &prepared.locations, caller))
}

/// The settings, and what they mean, if a file were changed.
pub fn with(file: &Path, edited: &[Edited], prepared: &Prepared) -> Result<Option<(Layers, Policy)>, Stop> {
    let Some(last) = edited.last() else { return Ok(None) };
    let is = |of: fn(&Path) -> PathBuf| prepared.layers.project.as_deref().map(of).as_deref() == Some(file);
    let scope = match prepared.layers.user_file.as_deref() == Some(file) {
        true => Scope::User,
        false if is(entries::shared) => Scope::Project,
        false => Scope::Local,
    };
    let source = Arc::new(Source { path: file.into(), scope, text: last.after.clone() });
    let values = parse::values(&source, &mut Vec::new())
        .map_err(|error| Stop::Failed(format!("'{}': {}", file.display(), error.what), exit::REFUSED))?;
    let mut layers = settings::load(&prepared.locations)?;
    layers.layers.retain(|layer| layer.source.path != file);
    let place =
        layers.layers.iter().position(|layer| layer.source.scope > scope).unwrap_or(layers.layers.len());
    layers.layers.insert(place, Layer { source, values, may_widen: true });
    let policy = policy::build(&layers, &prepared.locations)?;
    Ok(Some((layers, policy)))
}

/// What was not found before. Lines move, so they do not tell one from the other.
pub fn new(before: &[Finding], after: Vec<Finding>) -> Vec<Finding> {
    let same = |a: &Finding, b: &Finding| {
        let path = |finding: &Finding| {
            finding.origin.as_ref().and_then(|origin| origin.path().map(Path::to_path_buf))
        };
        (a.kind, &a.entry, path(a)) == (b.kind, &b.entry, path(b))
    };
    after.into_iter().filter(|finding| !before.iter().any(|old| same(old, finding))).collect()
}

/// The changed lines of a file, with its name in front.
pub fn difference(file: &Path, edited: &[Edited]) -> String {
    let (Some(first), Some(last)) = (edited.first(), edited.last()) else { return String::new() };
    let mut text = format!("{}:\n", visible(file.as_os_str().as_encoded_bytes()));
    for line in edit::diff(&first.before, &last.after).lines() {
        let _ = writeln!(text, "  {}", as_it_is(line));
    }
    text
}

/// A line of a file as it stands there, unless something in it could not be seen.
fn as_it_is(line: &str) -> String {
    let indent = line.len() - line.get(1..).unwrap_or_default().trim_start_matches([' ', '\t']).len();
    let (front, rest) = line.split_at(indent);
    let shown = visible(rest.as_bytes());
    if shown.replace("\\\\", "\\") == rest { line.to_owned() } else { format!("{front}{shown}") }
}

/// Takes an entry out of the nearest file that has it.
pub fn remove(
    entry: &Entry,
    files: &[PathBuf],
    way: Way,
    prepared: &Prepared,
) -> Result<Option<(PathBuf, Vec<Edited>)>, Stop> {
    let texts = std::slice::from_ref(&entry.text);
    for file in files {
        for key in entry.keys {
            let list = List { key, form: entry.form };
            let edited = entries::change(list, texts, Operation::Remove, way, file, prepared)?;
            if edited.iter().any(|edited| matches!(edited.change, Change::Removed { .. })) {
                return Ok(Some((file.clone(), edited)));
            }
        }
    }
    Ok(None)
}

fn take_out(wish: &Wish, entry: &Entry, files: &[PathBuf], prepared: &Prepared) -> Result<String, Stop> {
    let way = if wish.dry_run { Way::Preview } else { Way::Write };
    let shown = visible(entry.text.as_bytes());
    let removed = remove(entry, files, way, prepared)?;
    let elsewhere = |but: Option<&Path>| {
        let found = standing(entry, prepared)
            .find(|(layer, said)| said.value == entry.text && Some(&*layer.source.path) != but);
        found.map(|(layer, said)| {
            let whose = match layer.source.scope {
                Scope::Managed => "which is the administrator's",
                Scope::Project => "which the project shares: --shared takes it out",
                Scope::Local => "this project's own: --project takes it out",
                Scope::User => "which holds for all projects: --user takes it out",
            };
            format!("{}, {whose}", place_of(&said.origin))
        })
    };
    match removed {
        Some((file, edited)) => {
            let mut text = if wish.dry_run {
                WOULD_BE.to_owned()
            } else {
                format!(
                    "'{shown}' is no longer in {} of '{}'\n",
                    entry.list(),
                    visible(file.as_os_str().as_encoded_bytes())
                )
            };
            text.push_str(&difference(&file, &edited));
            if let Some(place) = elsewhere(Some(&file)) {
                let _ = writeln!(text, "note: it still stands in {place}");
            }
            Ok(text)
        }
        None => match elsewhere(None) {
            Some(place) => {
                Err(Stop::Failed(format!("'{shown}' was not taken out: it stands in {place}"), exit::REFUSED))
            }
            None => Ok(format!("'{shown}' is not in {}; nothing was changed\n", entry.list())),
        },
    }
}

/// What was written where, and whether it counts.
fn said(wish: &Wish, entry: &Entry, file: &Path, after: &Prepared) -> String {
    let path = visible(file.as_os_str().as_encoded_bytes());
    let everywhere = after.layers.user_file.as_deref() == Some(file);
    let reach = if everywhere { "all projects of this user" } else { "this project" };
    let becomes = match (wish.effect, wish.kind) {
        (Effect::Allow, EntryKind::CredentialVariable) => "is passed in",
        (_, EntryKind::CredentialVariable) => "is not in the environment inside",
        (Effect::Allow, EntryKind::CredentialFile) => "can be read",
        (_, EntryKind::CredentialFile) => "cannot be read",
        (Effect::Allow, _) => "is allowed",
        (Effect::Deny, _) => "is denied",
        (Effect::Ask, _) => "is asked about",
        (Effect::Exclude, _) => "runs outside, after a question,",
    };
    let mut text = format!("'{}' {becomes} in {reach}, by '{path}'\n", visible(entry.text.as_bytes()));
    let counting =
        standing(entry, after).any(|(layer, said)| said.value == entry.text && counts(wish, layer));
    let network = &after.policy.network;
    let domain = wish.effect == Effect::Allow && wish.kind == EntryKind::Domain;
    if !counting || (domain && !network.allowed.entries().iter().any(|allowed| allowed.value == entry.text)) {
        text.push_str("but it does not count:\n");
        for notice in &after.policy.notices {
            let _ = writeln!(text, "  {}", visible(notice.text.as_bytes()));
        }
    }
    text.push_str(&against(entry, wish, after).unwrap_or_default());
    if domain && let Some((denied, origin)) = denied(&entry.text, network) {
        let _ = writeln!(text, "but it stays refused: '{}' is denied ({origin})", visible(denied.as_bytes()));
    }
    text
}

/// What is said of the same credential elsewhere: a denial wins, wherever it stands.
fn against(entry: &Entry, wish: &Wish, after: &Prepared) -> Option<String> {
    let opposite = entry.opposite()?;
    let (_, said) = standing(&opposite, after).find(|(_, said)| said.value == entry.text)?;
    let place = place_of(&said.origin);
    Some(match wish.effect {
        Effect::Allow => format!("but it does not count: it is denied ({place})\n"),
        _ => format!("note: it is allowed too ({place}), which does not count any more\n"),
    })
}

/// The entry that denies what another allows: deny wins, wherever it stands.
fn denied(entry: &str, network: &NetworkPolicy) -> Option<(String, String)> {
    let bare = entry.parse::<Ipv6Addr>().is_ok();
    let authority = if bare { format!("[{entry}]") } else { entry.to_owned() };
    match parse_host_port(&authority, Some(HTTPS)) {
        Ok((host, port)) => match network.judge(&host, port) {
            NetworkVerdict::Denied { entry, origin } => Some((entry, place_of(&origin))),
            _ => None,
        },
        // More than one host: only what denies all of them is surely said.
        Err(_) => {
            let all = |denied: &&Sourced<String>| policy::network::entry::covers(&denied.value, entry);
            let found = network.denied.entries().iter().find(all)?;
            Some((found.value.clone(), place_of(&found.origin)))
        }
    }
}

/// What goes from the list of what was refused for lack of an answer.
pub fn settled(entry: &str, prepared: &Prepared) -> String {
    match remember::settle(entry, prepared) {
        Ok(0) => String::new(),
        Ok(count) => format!("settled: {count} of 'sbshctl pending'\n"),
        // It is allowed all the same; the list is only a list.
        Err(error) => format!("'sbshctl pending' still lists it: {error}\n"),
    }
}
