//! "Always" and "never": which entries an answer writes into which settings file, and what that makes trusted.

use super::Stop;
use super::outside::Program;
use super::prepare::Prepared;
use crate::command::{self, Commands};
use crate::policy::network::{List, entry};
use crate::policy::paths::normal;
use crate::policy::{DomainSet, Host, Policy};
use crate::settings::trust::{TrustStore, Widening};
use crate::settings::{Layer, Scope, Source, Sourced, edit, parse, pending, trust};
use crate::system::store::Directory;
use crate::verdict::Reason;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The allow rules, as narrow as what was shown, that would let this through the next time; `None` where no rule can:
/// an ask rule comes before every allow rule, and a command with words that only the shell knows has no exact rule.
pub fn rules(
    command: &[u8],
    reason: &Reason,
    program: Option<&Program>,
    policy: &Policy,
) -> Option<Vec<String>> {
    let by_ask_rule = reason.rule.is_some()
        && !policy.commands.excluded.iter().any(|r| Some(&r.text) == reason.rule.as_ref());
    if by_ask_rule {
        return None;
    }
    if let Some(program) = program {
        // `dangerouslyDisableSandbox` is never remembered.
        let excluded = reason.rule.is_some();
        let line = program.argv.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        return (excluded && is_plain(&line)).then(|| vec![rule(&line)]);
    }
    let Commands::Known(commands) = command::read(command) else { return None };
    let mut rules = Vec::new();
    for simple in commands.iter().filter(|c| !c.elsewhere) {
        let literal = simple.opaque.is_none() && simple.words.iter().all(|w| w.literal().is_some());
        let line = command::allowed_line(simple).filter(|line| literal && is_plain(line))?;
        let rule = rule(&line);
        if !line.is_empty() && !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    (!rules.is_empty()).then_some(rules)
}

/// What a rule on one line can hold and a person can read.
fn is_plain(line: &str) -> bool {
    !line.chars().any(char::is_control)
}

/// The exact rule for a line: its stars are stars.
fn rule(line: &str) -> String {
    format!("Bash({})", line.replace('*', "\\*"))
}

/// Where an entry is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The project's personal file; the user's where there is no project.
    ProjectPersonal,
    /// The user's own file.
    User,
}

/// The file that "always" writes: the project's personal one, or the user's where there is no project or where that
/// file says things which were not trusted yet (writing it must not make them count).
pub fn target(prepared: &Prepared) -> Option<PathBuf> {
    let local = prepared.layers.project.as_ref().map(|p| personal(p));
    let usable = |path: &PathBuf| {
        loaded(prepared, path).is_none_or(|l| l.may_widen || trust::widening(&l.values).is_empty())
    };
    local.filter(usable).or_else(|| prepared.layers.user_file.clone())
}

fn personal(project: &Path) -> PathBuf {
    project.join(".claude/settings.local.json")
}

/// Writes the rules of an "always".
///
/// # Errors
/// As for [`write_entries`]; the command does not run then, as the answer could not be kept.
pub fn write(rules: &[String], prepared: &Prepared) -> Result<(), Stop> {
    let target = target(prepared).ok_or_else(|| not_kept(NO_HOME))?;
    write_entries(&["permissions", "allow"], rules, &target, prepared)
}

/// Writes one entry of a list of domains: allowed, or denied. Works from any thread or process, also while others
/// write. Unlike a rule, an answer for one project is never widened to all: where the project's personal file cannot
/// be used, nothing is written.
///
/// # Errors
/// No domain; a managed lock; a file that cannot be changed.
pub fn domain(text: &str, to: Destination, deny: bool, prepared: &Prepared) -> Result<PathBuf, Stop> {
    entry::check(text, if deny { List::Denied } else { List::Allowed })
        .map_err(|problem| Stop::Failed(problem.to_string(), crate::exit::USAGE))?;
    if !deny && let Some(lock) = &prepared.policy.network.managed_only {
        let why = format!(
            "'{text}' cannot be allowed: allowManagedDomainsOnly ({lock}) leaves that to the administrator's settings"
        );
        return Err(Stop::Failed(why, crate::exit::REFUSED));
    }
    let local = prepared.layers.project.as_ref().map(|p| personal(p));
    let target = match to {
        Destination::ProjectPersonal => local.or_else(|| prepared.layers.user_file.clone()),
        Destination::User => prepared.layers.user_file.clone(),
    };
    let target = target.ok_or_else(|| not_kept(NO_HOME))?;
    let key: &[&str] =
        if deny { &["sandbox", "network", "deniedDomains"] } else { &["sandbox", "allowedDomains"] };
    write_entries(key, &[text.to_owned()], &target, prepared)?;
    Ok(target)
}

/// A list of paths in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathList {
    /// `filesystem.allowWrite`.
    Write,
    /// `filesystem.allowRead`.
    Read,
    /// `allowUnixSockets`.
    Socket,
}

impl PathList {
    fn key(self) -> &'static [&'static str] {
        match self {
            PathList::Write => &["sandbox", "filesystem", "allowWrite"],
            PathList::Read => &["sandbox", "filesystem", "allowRead"],
            PathList::Socket => &["sandbox", "allowUnixSockets"],
        }
    }
}

/// Writes one entry of a list of paths, absolute or from the home directory.
///
/// # Errors
/// No path; a managed lock; a file that cannot be changed.
pub fn path(text: &str, list: PathList, to: Destination, prepared: &Prepared) -> Result<PathBuf, Stop> {
    let usage = |why: &str| Stop::Failed(format!("'{}': {why}", text.escape_debug()), crate::exit::USAGE);
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(usage("this is no path that settings can hold"));
    }
    let entry = if text.starts_with('/') || text.starts_with("~/") {
        text.to_owned()
    } else {
        let full = normal(&prepared.locations.cwd.join(text));
        full.to_str().ok_or_else(|| usage("the working directory's path is no text"))?.to_owned()
    };
    let local = prepared.layers.project.as_ref().map(|p| personal(p));
    let target = match to {
        Destination::ProjectPersonal => local.or_else(|| prepared.layers.user_file.clone()),
        Destination::User => prepared.layers.user_file.clone(),
    };
    let target = target.ok_or_else(|| not_kept(NO_HOME))?;
    write_entries(list.key(), &[entry], &target, prepared)?;
    Ok(target)
}

/// Takes what an entry allows from the list of what was refused for lack of an answer; says how many went.
///
/// # Errors
/// When the list cannot be written.
pub fn settle(text: &str, prepared: &Prepared) -> std::io::Result<usize> {
    let Some(state) = &prepared.locations.state_dir else { return Ok(0) };
    let entry = Sourced::built_in(text.to_owned(), "settled");
    let Ok(set) = DomainSet::of([entry], List::Allowed) else { return Ok(0) };
    pending::settle(state, |pending| {
        Host::parse(&pending.host).is_ok_and(|host| set.find(&host, Some(pending.port)).is_some())
    })
}

/// Writes entries into the list at a key and, for a project file, pins its new content: but only if what widens in it
/// is these entries and what counted before, so that nothing else comes to count with them.
///
/// # Errors
/// When the file cannot be changed, or says things that are not trusted.
pub fn write_entries(
    key: &[&str],
    entries: &[String],
    target: &Path,
    prepared: &Prepared,
) -> Result<(), Stop> {
    let failed = |error: &dyn std::fmt::Display| not_kept(&error.to_string());
    let project =
        prepared.layers.project.as_ref().filter(|_| prepared.layers.user_file.as_deref() != Some(target));
    let Some(project) = project else {
        for entry in entries {
            edit::add(target, key, entry).map_err(|e| failed(&e))?;
        }
        return Ok(());
    };
    // Between adding and pinning no other of ours may add: each would find the other's entry unpinned. The file's own
    // directory is what `edit` locks.
    let directory = Directory::open_resolved(project).map_err(|e| failed(&e))?;
    let _turn = directory.lock().map_err(|e| failed(&e))?;
    let mut store = TrustStore::open(prepared.locations.state_dir.as_deref());
    let known = known(target, &store, prepared)?;
    // What only tightens counts without trust, so it needs none and gives none.
    let tightens = key.last().is_some_and(|last| last.starts_with("denied"));
    if known.is_none() && !tightens {
        let text = format!(
            "'{}' says things that are not trusted yet; see 'sbshctl trust --show', or write the user's settings",
            target.display()
        );
        return Err(not_kept(&text));
    }
    for entry in entries {
        edit::add_within(project, target, key, entry).map_err(|e| failed(&e))?;
    }
    let Some(known) = known else { return Ok(()) };
    let text = std::fs::read_to_string(target).map_err(|e| failed(&e))?;
    let now = widening_of(target, &text).ok_or_else(|| not_kept("the file is broken now"))?;
    let expected = |w: &Widening| {
        let mine = w.key.rsplit('.').next() == key.last().copied() && entries.contains(&w.text);
        mine || known.iter().any(|b| b.key == w.key && b.text == w.text)
    };
    if !now.iter().all(expected) {
        return Err(not_kept("the file was changed by somebody else meanwhile"));
    }
    store.record(target, text.as_bytes()).map_err(|e| failed(&e))
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

const NO_HOME: &str = "there is no home directory for a settings file";

fn not_kept(cause: &str) -> Stop {
    Stop::Failed(format!("cannot keep the answer: {cause}"), crate::exit::REFUSED)
}

fn loaded<'p>(prepared: &'p Prepared, target: &Path) -> Option<&'p Layer> {
    prepared.layers.layers.iter().find(|l| l.source.path == target)
}

fn widening_of(path: &Path, text: &str) -> Option<Vec<Widening>> {
    let source = Arc::new(Source { path: path.into(), scope: Scope::Local, text: text.into() });
    let values = parse::values(&source, &mut Vec::new()).ok()?;
    Some(trust::widening(&values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_exact() {
        assert_eq!(rule("ls *.rs"), "Bash(ls \\*.rs)");
        assert!(!is_plain("a\nb"));
    }

    use crate::policy;
    use crate::run::hostfile::HostPlaces;
    use crate::settings::{self, Locations};

    struct World {
        _top: tempfile::TempDir,
        locations: Locations,
        local: PathBuf,
    }

    fn world() -> World {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        for name in ["home/.claude", "project/.claude"] {
            std::fs::create_dir_all(top.join(name)).unwrap();
        }
        let locations = Locations {
            home: Some(top.join("home")),
            managed_dir: top.join("managed"),
            cwd: top.join("project"),
            state_dir: Some(top.join("state")),
            ..Locations::default()
        };
        World { locations, local: top.join("project/.claude/settings.local.json"), _top: directory }
    }

    impl World {
        fn prepared(&self) -> Prepared {
            let layers = settings::load(&self.locations).unwrap();
            let policy = policy::build(&layers, &self.locations).unwrap();
            let none = PathBuf::new();
            let places = HostPlaces { tmpdir: none.clone(), blind_directory: none.clone(), blind_file: none };
            Prepared { locations: self.locations.clone(), layers, policy, places }
        }

        /// The domains of the personal file that count.
        fn counting(&self) -> Vec<String> {
            let layers = self.prepared().layers.layers;
            let local = layers.iter().find(|l| l.source.path == self.local && l.may_widen);
            local.map_or(Vec::new(), |l| l.values.allowed_domains.iter().map(|d| d.value.clone()).collect())
        }
    }

    fn refusal(result: Result<PathBuf, Stop>) -> String {
        crate::pipeline::stop_words(&result.unwrap_err())
    }

    #[test]
    fn answers_of_a_long_run_and_of_many_at_once_all_count() {
        let world = world();
        let old = world.prepared();
        for host in ["a.com", "b.com", "a.com"] {
            assert_eq!(domain(host, Destination::ProjectPersonal, false, &old).unwrap(), world.local);
        }
        assert_eq!(world.counting(), ["a.com", "b.com"]);
        std::thread::scope(|scope| {
            for number in 0..6 {
                let old = &old;
                scope.spawn(move || {
                    domain(&format!("h{number}.com"), Destination::ProjectPersonal, false, old).unwrap();
                });
            }
        });
        assert_eq!(world.counting().len(), 8);
        let user = world.locations.home.as_ref().unwrap().join(".claude/settings.json");
        assert_eq!(domain("c.com", Destination::User, false, &old).unwrap(), user);
        assert_eq!(world.counting().len(), 8);
    }

    #[test]
    fn never_is_written_without_making_anything_count() {
        let world = world();
        std::fs::write(&world.local, r#"{"sandbox": {"allowedDomains": ["evil.com"]}}"#).unwrap();
        let prepared = world.prepared();
        let said = refusal(domain("a.com", Destination::ProjectPersonal, false, &prepared));
        assert!(said.contains("says things that are not trusted yet"), "{said}");
        domain("b.com", Destination::ProjectPersonal, true, &prepared).unwrap();
        assert!(world.counting().is_empty());
        let denied = world.prepared().policy.network.denied;
        assert_eq!(denied.entries().iter().map(|d| d.value.as_str()).collect::<Vec<_>>(), ["b.com"]);
        // An always for one project is no always for all of them.
        assert!(!world.locations.home.as_ref().unwrap().join(".claude/settings.json").exists());
    }

    #[test]
    fn what_somebody_else_added_does_not_come_to_count() {
        let world = world();
        let prepared = world.prepared();
        domain("a.com", Destination::ProjectPersonal, false, &prepared).unwrap();
        let text =
            std::fs::read_to_string(&world.local).unwrap().replace("\"a.com\"", "\"a.com\", \"evil.com\"");
        std::fs::write(&world.local, &text).unwrap();
        let said = refusal(domain("b.com", Destination::ProjectPersonal, false, &prepared));
        assert!(said.contains("says things that are not trusted yet"), "{said}");
        assert_eq!(std::fs::read_to_string(&world.local).unwrap(), text);
        assert!(world.counting().is_empty());
    }

    #[test]
    fn the_administrators_lock_is_said_and_bad_domains_are_refused() {
        let world = world();
        let prepared = world.prepared();
        for bad in ["*", "*.com", "https://x.org", ""] {
            assert!(domain(bad, Destination::User, false, &prepared).is_err(), "{bad}");
        }
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        // Only here: an ordinary user's directory would be refused as no administrator's.
        std::fs::create_dir(&world.locations.managed_dir).unwrap();
        let managed = world.locations.managed_dir.join("managed-settings.json");
        let lock = r#"{"sandbox": {"network": {"allowManagedDomainsOnly": true}}}"#;
        std::fs::write(&managed, lock).unwrap();
        let said = refusal(domain("a.com", Destination::User, false, &world.prepared()));
        assert!(said.contains(&format!("allowManagedDomainsOnly ({}:1:", managed.display())), "{said}");
        domain("a.com", Destination::User, true, &world.prepared()).unwrap();
    }
}
