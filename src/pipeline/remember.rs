//! "Always" and "never": which entries an answer writes into which settings file, and what that makes trusted.

use super::Stop;
use super::entries::{self, NO_HOME, Way, loaded, not_kept, personal};
use super::outside::Program;
use super::prepare::Prepared;
use crate::approval::Answer;
use crate::command::{self, Commands};
use crate::network::desk::Reply;
use crate::policy::network::{List, entry};
use crate::policy::paths::entry_from;
use crate::policy::{DomainSet, Host, Policy};
use crate::settings::edit::{Form, Operation};
use crate::settings::{Sourced, pending, trust};
use crate::verdict::Reason;
use std::path::{Path, PathBuf};

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
        // A word with blanks is several in a line, an empty one is none: no rule says it.
        let one = |word: &String| !word.is_empty() && !word.contains(char::is_whitespace);
        return (excluded && program.argv.iter().all(one) && is_plain(&line)).then(|| vec![rule(&line)]);
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
    /// The file of the caller's session, where it has one.
    Session,
}

impl Destination {
    /// Unlike a rule, what is written there is never widened to all: where the file cannot be used, nothing is written.
    fn file(self, prepared: &Prepared) -> Result<PathBuf, Stop> {
        let (project, user) = (prepared.layers.project.as_deref().map(personal), &prepared.layers.user_file);
        let file = match self {
            Destination::ProjectPersonal => project.or_else(|| user.clone()),
            Destination::User => user.clone(),
            Destination::Session => prepared.locations.session_file.clone(),
        };
        file.ok_or_else(|| not_kept(NO_HOME))
    }
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

/// Writes the rules of an "always".
///
/// # Errors
/// As for [`write_entries`]; the command does not run then, as the answer could not be kept.
pub fn write(rules: &[String], prepared: &Prepared) -> Result<(), Stop> {
    let target = target(prepared).ok_or_else(|| not_kept(NO_HOME))?;
    write_entries(&["permissions", "allow"], rules, &target, prepared)
}

/// Writes the rules of a "session", where the caller has one; else the command that was asked about is the session.
pub fn write_for_session(rules: &[String], prepared: &Prepared) {
    if let Some(file) = &prepared.locations.session_file {
        // What cannot be kept is asked about again.
        let _ = write_entries(&["permissions", "allow"], rules, file, prepared);
    }
}

fn write_entries(key: &[&str], texts: &[String], target: &Path, prepared: &Prepared) -> Result<(), Stop> {
    let list = entries::List { key, form: Form::Text };
    entries::change(list, texts, Operation::Add, Way::Write, target, prepared).map(drop)
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
    let target = to.file(prepared)?;
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
        entry_from(&prepared.locations.cwd, text)
            .ok_or_else(|| usage("the working directory's path is no text"))?
    };
    let target = to.file(prepared)?;
    write_entries(list.key(), &[entry], &target, prepared)?;
    Ok(target)
}

/// What an answer wants to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// A yes, there.
    Yes(Destination),
    /// A no.
    Never,
}

/// Puts an answer into effect: what goes on to hold is kept first, and what cannot be kept is a no.
pub fn reply(answer: Answer, keep: impl FnOnce(Lasting) -> Result<(), String>) -> Reply {
    let nobodys = answer.is_nobodys();
    let kept = |lasting, reply| keep(lasting).map_or_else(Reply::No, |()| reply);
    match answer {
        Answer::Once => Reply::Once,
        // What cannot be kept holds for this command all the same.
        Answer::Session => match kept(Lasting::Yes(Destination::Session), Reply::Session) {
            Reply::No(_) => Reply::Session,
            reply => reply,
        },
        Answer::Always => kept(Lasting::Yes(Destination::ProjectPersonal), Reply::AlwaysHere),
        Answer::AlwaysUser => kept(Lasting::Yes(Destination::User), Reply::AlwaysUser),
        Answer::Never { by } => kept(Lasting::Never, Reply::Never(by)),
        Answer::Grant | Answer::Outside | Answer::Each => Reply::No(NOT_OFFERED.into()),
        Answer::No { by } if nobodys => Reply::Nobody(by),
        Answer::No { by } => Reply::No(by),
    }
}

/// Whoever says what was not offered said nothing.
pub const NOT_OFFERED: &str = "no answer that was offered";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_kept_is_a_no_and_nobody_is_no_person() {
        let by = || "x said no".to_owned();
        let kept = |answer: Answer| {
            let mut asked = None;
            let reply = reply(answer, |lasting| {
                asked = Some(lasting);
                Ok(())
            });
            (reply, asked)
        };
        let here = Lasting::Yes(Destination::ProjectPersonal);
        assert_eq!(kept(Answer::Once), (Reply::Once, None));
        let session = Some(Lasting::Yes(Destination::Session));
        assert_eq!(kept(Answer::Session), (Reply::Session, session));
        assert_eq!(reply(Answer::Session, |_| Err("full".into())), Reply::Session);
        assert_eq!(kept(Answer::Always), (Reply::AlwaysHere, Some(here)));
        let user = Some(Lasting::Yes(Destination::User));
        assert_eq!(kept(Answer::AlwaysUser), (Reply::AlwaysUser, user));
        assert_eq!(kept(Answer::Never { by: by() }), (Reply::Never(by()), Some(Lasting::Never)));
        assert_eq!(kept(Answer::No { by: by() }), (Reply::No(by()), None));
        assert!(matches!(kept(Answer::nobody("was there")), (Reply::Nobody(_), None)));
        assert_eq!(kept(Answer::Outside), (Reply::No(NOT_OFFERED.into()), None));
        assert_eq!(reply(Answer::Always, |_| Err("full".into())), Reply::No("full".into()));
    }

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
