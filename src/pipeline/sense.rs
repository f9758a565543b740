//! An entry of settings as a person wishes it, read and checked before it is written.
//!
//! Owns which list it belongs to, its spelling there, and what makes no sense whatever the other settings say. How it
//! goes together with those is for `verdict::lint` to say.

use super::Stop;
use super::prepare::Prepared;
use crate::cli::{Effect, EntryKind, Wish};
use crate::exit;
use crate::policy::network::{List, entry};
use crate::policy::paths::{PathReader, entry_from, escaped};
use crate::policy::permission::{self, Permission};
use crate::policy::{CommandRule, PathPattern};
use crate::settings::edit::Form;
use crate::settings::{CredentialMode, Origin, Scope, Sourced, Values};
use std::path::Path;

/// One entry, ready to be written.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The list, by the keys that it has; new entries go to the first.
    pub keys: &'static [&'static [&'static str]],
    /// How its entries are written.
    pub form: Form,
    /// The text in the list.
    pub text: String,
    /// Said beside it, where its meaning is easily missed.
    pub hint: Option<String>,
}

impl Entry {
    /// The list's name.
    pub fn list(&self) -> String {
        self.keys.first().map_or(String::new(), |key| key.join("."))
    }

    /// The list in one file's values.
    pub fn said(&self, values: &Values) -> Vec<Sourced<String>> {
        let list = match self.keys.first().and_then(|key| key.last()) {
            Some(&"allowedDomains") => &values.allowed_domains,
            Some(&"deniedDomains") => &values.denied_domains,
            Some(&"allowWrite") => &values.allow_write,
            Some(&"denyWrite") => &values.deny_write,
            Some(&"allowRead") => &values.allow_read,
            Some(&"denyRead") => &values.deny_read,
            Some(&"allowUnixSockets") => &values.unix_sockets,
            Some(&"allow") => &values.allow,
            Some(&"deny") => &values.deny,
            Some(&"ask") => &values.ask,
            Some(&"excludedCommands") => &values.excluded,
            Some(&"files") => return self.credentials(&values.credential_files),
            Some(&"envVars") => return self.credentials(&values.credential_variables),
            _ => return Vec::new(),
        };
        list.clone()
    }

    /// The same entry with the mode that holds against it, or against which it holds.
    pub fn opposite(&self) -> Option<Entry> {
        let Form::Credential(field, mode) = self.form else { return None };
        let mode = match mode {
            CredentialMode::Deny => CredentialMode::Allow,
            CredentialMode::Allow => CredentialMode::Deny,
        };
        Some(Entry { form: Form::Credential(field, mode), ..self.clone() })
    }

    /// Those of this entry's mode.
    fn credentials(&self, list: &[Sourced<(String, CredentialMode)>]) -> Vec<Sourced<String>> {
        let Form::Credential(_, mode) = self.form else { return Vec::new() };
        let same = list.iter().filter(|said| said.value.1 == mode);
        same.map(|said| Sourced { value: said.value.0.clone(), origin: said.origin.clone() }).collect()
    }
}

/// The keys of the list that does this to that.
pub fn keys(effect: Effect, kind: EntryKind) -> Option<&'static [&'static [&'static str]]> {
    Some(match (effect, kind) {
        (Effect::Allow, EntryKind::Domain) => {
            &[&["sandbox", "allowedDomains"], &["sandbox", "network", "allowedDomains"]]
        }
        (Effect::Allow, EntryKind::Write) => &[&["sandbox", "filesystem", "allowWrite"]],
        (Effect::Allow, EntryKind::Read) => &[&["sandbox", "filesystem", "allowRead"]],
        (Effect::Allow, EntryKind::Socket) => {
            &[&["sandbox", "allowUnixSockets"], &["sandbox", "network", "allowUnixSockets"]]
        }
        (Effect::Allow, EntryKind::Command) => &[&["permissions", "allow"]],
        (Effect::Deny, EntryKind::Domain) => &[&["sandbox", "network", "deniedDomains"]],
        (Effect::Deny, EntryKind::Write) => &[&["sandbox", "filesystem", "denyWrite"]],
        (Effect::Deny, EntryKind::Read) => &[&["sandbox", "filesystem", "denyRead"]],
        (Effect::Deny, EntryKind::Command) => &[&["permissions", "deny"]],
        (Effect::Ask, EntryKind::Command | EntryKind::Read) => &[&["permissions", "ask"]],
        (Effect::Exclude, EntryKind::Command) => &[&["sandbox", "excludedCommands"]],
        (Effect::Allow | Effect::Deny, EntryKind::CredentialFile) => &[&["sandbox", "credentials", "files"]],
        (Effect::Allow | Effect::Deny, EntryKind::CredentialVariable) => {
            &[&["sandbox", "credentials", "envVars"]]
        }
        _ => return None,
    })
}

/// How the entries of that list are written.
fn form(effect: Effect, kind: EntryKind) -> Form {
    let mode = if effect == Effect::Allow { CredentialMode::Allow } else { CredentialMode::Deny };
    match kind {
        EntryKind::CredentialFile => Form::Credential("path", mode),
        EntryKind::CredentialVariable => Form::Credential("name", mode),
        _ => Form::Text,
    }
}

/// Reads an entry.
///
/// # Errors
/// What is none, what a managed lock makes useless, and what would stop everything.
pub fn read(wish: &Wish, prepared: &Prepared) -> Result<Entry, Stop> {
    let keys = keys(wish.effect, wish.kind).ok_or_else(|| usage(wish, "there is no such list"))?;
    let text = match wish.kind {
        EntryKind::Domain => domain(wish)?,
        EntryKind::Command => command(wish)?,
        EntryKind::Write | EntryKind::Read | EntryKind::Socket | EntryKind::CredentialFile => {
            path(wish, prepared)?
        }
        EntryKind::CredentialVariable => variable(wish)?,
    };
    let hint = hint(wish, &text, prepared);
    let entry = Entry { keys, form: form(wish.effect, wish.kind), hint, text };
    // Taking back is always possible.
    if !wish.remove {
        locked(wish, &entry, prepared)?;
    }
    Ok(entry)
}

/// What is refused unless it is forced, or at all.
pub fn refusal(wish: &Wish, why: &str, advice: &str) -> Stop {
    Stop::Failed(
        format!("'{}' was not written: it {why}; {advice}", wish.entry.escape_debug()),
        exit::REFUSED,
    )
}

fn usage(wish: &Wish, why: &str) -> Stop {
    Stop::Failed(format!("'{}': {why}", wish.entry.escape_debug()), exit::USAGE)
}

const FORCE: &str = "--force writes it all the same";

fn domain(wish: &Wish) -> Result<String, Stop> {
    let list = if wish.effect == Effect::Deny { List::Denied } else { List::Allowed };
    match entry::check(&wish.entry, list) {
        Err(problem) if !wish.remove => Err(Stop::Failed(problem.to_string(), exit::USAGE)),
        _ => Ok(wish.entry.clone()),
    }
}

/// A rule, with or without `Bash(…)` around it.
fn command(wish: &Wish) -> Result<String, Stop> {
    let place = Origin::Caller("the command line");
    let said = Sourced { value: wish.entry.trim().to_owned(), origin: place.clone() };
    let inside = if is_spelled_out(&said.value) {
        match permission::read(&said).map_err(|error| usage(wish, &error.problem.to_string()))? {
            Permission::EveryCommand => "*",
            Permission::Command(text) => text,
            _ => {
                return Err(usage(
                    wish,
                    "this is no rule on commands; paths and domains have their own words here",
                ));
            }
        }
    } else {
        said.value.as_str()
    };
    let rule = CommandRule::parse(inside, place).map_err(|error| usage(wish, &error.to_string()))?;
    if wish.effect == Effect::Deny && rule.is_all() && !wish.force && !wish.remove {
        return Err(refusal(wish, "denies every command, so that nothing runs any more", FORCE));
    }
    Ok(if wish.effect == Effect::Exclude { inside.to_owned() } else { format!("Bash({inside})") })
}

/// `Bash`, or a tool's name with brackets, as permission rules are written; also one that lacks its end.
fn is_spelled_out(text: &str) -> bool {
    let Some((tool, _)) = text.split_once('(') else { return text == "Bash" };
    let word = !tool.is_empty() && tool.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word && (text.ends_with(')') || tool.eq_ignore_ascii_case("Bash"))
}

/// A path, absolute or from the home directory; one from the working directory is made absolute.
fn path(wish: &Wish, prepared: &Prepared) -> Result<String, Stop> {
    let text = wish.entry.as_str();
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(usage(wish, "this is no path that settings can hold"));
    }
    let home = prepared.locations.home.as_deref().unwrap_or(Path::new("/"));
    let named =
        text.strip_prefix("~/").map_or_else(|| prepared.locations.cwd.join(text), |rest| home.join(rest));
    // `app/[id]` is a name where there is one, and else a pattern.
    let text = if named.symlink_metadata().is_ok() { escaped(text) } else { text.to_owned() };
    let absolute = if text.starts_with(['/', '~']) {
        text
    } else {
        entry_from(&prepared.locations.cwd, &text)
            .ok_or_else(|| usage(wish, "the working directory's path is no text"))?
    };
    let reader = PathReader { locations: &prepared.locations, project: prepared.layers.project.as_deref() };
    let pattern = reader
        .filesystem(&absolute, &Origin::Caller("the command line"))
        .map_err(|error| usage(wish, &error.problem.to_string()))?;
    let everything = matches!(&pattern, PathPattern::Literal(path) if path == Path::new("/"));
    if everything && wish.effect != Effect::Allow && !wish.force && !wish.remove {
        return Err(refusal(wish, "is the whole file system, so that nothing runs any more", FORCE));
    }
    if wish.effect == Effect::Ask {
        // Among permissions `/x` is relative to the file's project.
        let slash = if absolute.starts_with('/') { "/" } else { "" };
        return Ok(format!("Read({slash}{absolute})"));
    }
    Ok(absolute)
}

/// A variable's name, one of a program's.
fn variable(wish: &Wish) -> Result<String, Stop> {
    let name = wish.entry.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(usage(wish, "this is no name of a variable; give one name, without its value"));
    }
    Ok(name.to_owned())
}

/// What is easily meant by a rule and not said by it.
fn hint(wish: &Wish, text: &str, prepared: &Prepared) -> Option<String> {
    if wish.kind == EntryKind::CredentialVariable
        && wish.effect == Effect::Allow
        && !prepared.policy.environment.built_in(text)
    {
        return Some(format!(
            "no built-in list names '{text}': unless settings deny it, it is passed in anyway"
        ));
    }
    // Of exclusions lint says it.
    let inside = text.strip_prefix("Bash(").and_then(|text| text.strip_suffix(')'))?;
    if wish.kind != EntryKind::Command || wish.remove || inside.contains([' ', '*']) {
        return None;
    }
    Some(format!("this is '{inside}' without arguments; with any: '{inside}:*'"))
}

/// A lock of the administrator's that makes the entry useless.
fn locked(wish: &Wish, entry: &Entry, prepared: &Prepared) -> Result<(), Stop> {
    let managed = || prepared.layers.layers.iter().filter(|layer| layer.source.scope == Scope::Managed);
    let lock = |name: &'static str, get: fn(&Values) -> Option<&Sourced<bool>>| {
        managed()
            .filter_map(|layer| get(&layer.values))
            .find(|said| said.value)
            .map(|said| (name, said.origin.clone()))
    };
    let found = match (wish.effect, wish.kind) {
        (Effect::Allow, EntryKind::Domain) => {
            lock("allowManagedDomainsOnly", |v| v.managed_domains_only.as_ref())
        }
        (Effect::Allow, EntryKind::Read | EntryKind::CredentialFile) => {
            lock("allowManagedReadPathsOnly", |v| v.managed_read_paths_only.as_ref())
        }
        _ if entry.list().starts_with("permissions.") => {
            lock("allowManagedPermissionRulesOnly", |v| v.managed_rules_only.as_ref())
        }
        _ => None,
    };
    let Some((name, origin)) = found else { return Ok(()) };
    let why =
        format!("would not count: {name} ({origin}) leaves {} to the administrator's settings", entry.list());
    Err(refusal(wish, &why, "ask the administrator"))
}
