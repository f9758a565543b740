//! What stands behind a refusal: what works inside instead, and what a person could do about it. Pure.
//!
//! Owns the one shape of the lines that models and people read: what was refused and by which rule, `inside:` what works
//! within the boundary, `a person can` what is a person's to do. Must not name a way around the boundary, and must not
//! look at anything: facts are passed in.

use crate::command::{self, Commands, Word};
use crate::gatekeeper::rules::{ANOTHERS, DENIED};
use crate::gatekeeper::{Violation, Why};
use crate::policy::files::covered;
use crate::policy::network::entry::covers;
use crate::policy::presets::{self, Cache, Held, Preset};
use crate::policy::{Access, PathRule, Policy};
use crate::settings::Origin;
use crate::verdict::lint;
use std::path::{Path, PathBuf};

/// One line about something refused, in its parts; texts in it are still as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What was refused, and by which rule.
    pub what: String,
    /// What works within the boundary.
    pub inside: String,
    /// What a person can do: the end of a sentence.
    pub person: String,
}

/// Where the alternatives lie.
#[derive(Clone, Copy)]
pub struct Around<'p> {
    /// What holds.
    pub policy: &'p Policy,
    /// The person's home directory.
    pub home: Option<&'p Path>,
    /// Where the command began.
    pub cwd: &'p Path,
}

const NOTHING: &str = "nothing stands for it";
const INSTALL: &str = "install into the project: npm without -g, a venv for pip, --prefix for others";
const NEVER: &str = "not allow it";
const ANSWER: &str = "allow it when asked: sbshctl approve";

/// Where programs of the system lie: nothing is installed there from inside.
const SYSTEM: &[&str] = &["/usr", "/opt", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/var/lib", "/boot"];
/// Where a person's own programs lie, below the home directory: what is installed there runs outside, too.
const OWN: &[&str] = &[".local/bin", ".local/lib"];
/// Where programs put what is gone tomorrow.
const TEMPORARY: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];
/// Programs that change the user, which the kernel lets none do inside.
const RAISING: &[&str] = &["sudo", "su", "doas", "pkexec", "runuser"];
/// Browsers that make themselves a sandbox of namespaces, which no program gets inside.
const BROWSERS: &[&str] =
    &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

impl Around<'_> {
    /// About a call.
    pub fn call(&self, violation: &Violation) -> Told {
        let rule = self.rule(violation).map(|origin| format!(" ({origin})")).unwrap_or_default();
        Told {
            what: format!("{}{rule}", violation.what()),
            inside: self.instead(violation),
            person: self.person(violation),
        }
    }

    /// The written rule behind it, where there is one.
    fn rule(&self, violation: &Violation) -> Option<&Origin> {
        let files = &self.policy.files;
        let rules: &[PathRule] = match violation.why {
            Why::Hidden => &files.read_denied,
            _ if violation.reason == DENIED => &files.write_denied,
            _ => return None,
        };
        naming(rules, Path::new(&violation.path))
    }

    fn instead(&self, violation: &Violation) -> String {
        let path = Path::new(&violation.path);
        let below = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        match violation.why {
            _ if is_watchman(violation) => {
                "without it: jest --no-watchman, or \"watchman\": false in its configuration".to_owned()
            }
            Why::Socket if lint::known_socket(&violation.path).is_some() => NOTHING.to_owned(),
            Why::Socket => "a server that is started inside can be reached".to_owned(),
            Why::Hidden | Why::Asked => instead_of_reading(path),
            Why::Own => NOTHING.to_owned(),
            Why::Protected => self.another_name(),
            Why::Outside if violation.reason == ANOTHERS || below(SYSTEM) => INSTALL.to_owned(),
            Why::Outside if violation.reason.is_empty() && self.is_own(path) => INSTALL.to_owned(),
            Why::Outside if !violation.reason.is_empty() => self.another_name(),
            Why::Outside => match self.cache(path) {
                Some((_, Cache { moved: [(variable, _), ..], .. })) => elsewhere(variable),
                _ if presets::of_numbered(path).is_some() => NOTHING.to_owned(),
                _ if let Some(held) = self.held(violation) => elsewhere(held.variable),
                _ if below(TEMPORARY) && !self.is_home(path) => "write below $TMPDIR".to_owned(),
                _ => self.writable(),
            },
        }
    }

    fn is_own(&self, path: &Path) -> bool {
        self.home.is_some_and(|home| OWN.iter().any(|own| path.starts_with(home.join(own))))
    }

    fn is_home(&self, path: &Path) -> bool {
        self.home.is_some_and(|home| path.starts_with(home))
    }

    /// Where anything may be written.
    fn writable(&self) -> String {
        match self.policy.working_root.path() {
            Some(root) => format!("write below '{}' or $TMPDIR", root.display()),
            None => "write below $TMPDIR".to_owned(),
        }
    }

    fn another_name(&self) -> String {
        format!("{}, for a person to put it there", self.writable())
    }

    fn person(&self, violation: &Violation) -> String {
        let Some(advice) = violation.advice() else {
            return match violation.why {
                _ if violation.reason == DENIED => "change that rule".to_owned(),
                Why::Outside if violation.reason == ANOTHERS => {
                    "do it outside, with the rights for it".to_owned()
                }
                Why::Outside if violation.reason.is_empty() => NEVER.to_owned(),
                Why::Outside | Why::Protected => ANSWER.to_owned(),
                Why::Own | Why::Hidden | Why::Asked | Why::Socket => NEVER.to_owned(),
            };
        };
        match violation.why {
            Why::Outside => match self.cache(Path::new(&violation.path)) {
                // The whole directory would be more than the cache: programs and configurations lie beside it.
                Some((preset, cache)) if self.is_above(&violation.path, cache) => {
                    format!("allow it: sbshctl preset {}", preset.name)
                }
                Some((preset, _)) => {
                    format!("allow it: {advice}, or with what goes with it: sbshctl preset {}", preset.name)
                }
                None if let Some(preset) = presets::of_numbered(Path::new(&violation.path)) => {
                    format!("allow it: sbshctl preset {}", preset.name)
                }
                None if self.held(violation).is_some() || self.is_own(Path::new(&violation.path)) => {
                    format!("allow it: {advice} (programs are started from there, outside too)")
                }
                None if self.is_used_at_start(violation) => {
                    format!("allow it: {advice} --force (it is used outside at the next start)")
                }
                None => format!("allow it: {advice}"),
            },
            Why::Socket => match (lint::known_socket(&violation.path), container_client(&violation.path)) {
                (Some(why), Some(client)) => format!(
                    "let {client} run outside, asked about each time: sbshctl exclude '{client}:*' (the socket itself {why})"
                ),
                (Some(why), None) => format!("allow it: {advice} (it {why})"),
                (None, _) => format!("allow it: {advice}"),
            },
            Why::Hidden | Why::Asked if let Some(lock) = &self.policy.files.managed_reads_only => {
                administrator(lock)
            }
            _ => format!("allow it: {advice}"),
        }
    }

    fn is_used_at_start(&self, violation: &Violation) -> bool {
        let below = self.home.and_then(|home| Path::new(&violation.path).strip_prefix(home).ok());
        below.is_some_and(lint::is_used_at_start)
    }

    fn held(&self, violation: &Violation) -> Option<&'static Held> {
        presets::held_at(Path::new(&violation.path), self.home?, &violation.program)
    }

    fn cache(&self, path: &Path) -> Option<(&'static Preset, Cache)> {
        presets::near(path, self.home?)
    }

    fn is_above(&self, path: &str, cache: Cache) -> bool {
        let whole = self.home.map(|home| home.join(cache.usual));
        whole.is_some_and(|whole| whole != Path::new(path) && whole.starts_with(path))
    }

    /// About a connection: what it says itself, and what it says of a person.
    pub fn connection(&self, what: &str, advice: Option<&str>) -> Told {
        const SHOWN: usize = 5;
        let network = &self.policy.network;
        let denied = |host: &str| network.denied.entries().iter().any(|deny| covers(&deny.value, host));
        let allowed = network.allowed.entries().iter().map(|entry| entry.value.as_str());
        let hosts: Vec<&str> = allowed.filter(|host| !denied(host)).collect();
        let inside = match hosts.as_slice() {
            [] => "no host can be reached, work with what is here".to_owned(),
            few if few.len() <= SHOWN => format!("these hosts can be reached: {}", few.join(", ")),
            many => {
                let first = many.get(..SHOWN).unwrap_or_default().join(", ");
                format!("these hosts can be reached: {first} and {} more", many.len() - SHOWN)
            }
        };
        let person = match (advice, &network.managed_only) {
            (None, _) => NEVER.to_owned(),
            (Some(_), Some(lock)) => administrator(lock),
            (Some(advice), None) => advice.strip_prefix("a person can ").unwrap_or(advice).to_owned(),
        };
        Told { what: what.to_owned(), inside, person }
    }

    /// About what no call shows, of a command that failed: its words are all that is known. `real` gives the file behind a
    /// path, if it is there.
    pub fn unseen(&self, text: &str, real: impl Fn(&Path) -> Option<PathBuf>) -> Vec<(String, String, Told)> {
        let Commands::Known(commands) = command::read(text.as_bytes()) else { return Vec::new() };
        let mut all: Vec<(String, String, Told)> = Vec::new();
        for words in commands.iter().map(|command| command.words.as_slice()) {
            let Some(program) = words.first().and_then(Word::literal) else { continue };
            let name = program.rsplit('/').next().unwrap_or(program);
            let mut add = |what: String, told: Told| {
                if !all.iter().any(|(_, _, other)| *other == told) {
                    all.push((name.to_owned(), what, told));
                }
            };
            let excluded = || self.policy.commands.excluded.iter().any(|rule| rule.program() == Some(name));
            if RAISING.contains(&name) && !excluded() {
                add(name.to_owned(), raising(name));
            }
            let without = || words.iter().any(|word| word.literal() == Some("--no-sandbox"));
            if BROWSERS.contains(&name) && !without() && !excluded() {
                add(name.to_owned(), nesting(name));
            }
            let named = words.iter().skip(1).filter_map(|word| self.path(word.shown()));
            for path in named.filter_map(|path| real(&path)) {
                if self.policy.files.access(&path) == Access::None {
                    add(path.display().to_string(), self.hidden(name, &path));
                }
            }
        }
        all
    }

    /// A word as a path, if it looks like one. What is none is not there, either.
    fn path(&self, word: &str) -> Option<PathBuf> {
        match word.strip_prefix("~/").or_else(|| word.strip_prefix("$HOME/")) {
            Some(rest) => Some(self.home?.join(rest)),
            None if word.contains('/') => Some(self.cwd.join(word)),
            None => None,
        }
    }

    fn hidden(&self, program: &str, path: &Path) -> Told {
        let violation = Violation {
            time: 0,
            program: program.to_owned(),
            process: 0,
            call: "read".to_owned(),
            path: path.to_string_lossy().into_owned(),
            why: Why::Hidden,
            reason: String::new(),
            refused_by_person: false,
        };
        self.call(&violation)
    }
}

/// The origin of the deepest rule that names a path or something above it.
fn naming<'r>(rules: &'r [PathRule], path: &Path) -> Option<&'r Origin> {
    rules.iter().rev().find(|rule| covered(std::slice::from_ref(rule), path)).map(|rule| &rule.origin)
}

fn elsewhere(variable: &str) -> String {
    format!("set {variable} to a directory below $TMPDIR")
}

fn instead_of_reading(path: &Path) -> String {
    let keys = path.parent().is_some_and(|parent| parent.ends_with(".ssh"));
    let text = if keys { "*.pub, known_hosts and config beside it can be read" } else { NOTHING };
    text.to_owned()
}

fn raising(program: &str) -> Told {
    Told {
        what: format!("{program} may not change the user: no program gains rights inside (no_new_privs)"),
        inside: format!("the same command without {program}, where it needs no other rights"),
        person: "run it outside, in a terminal of their own".to_owned(),
    }
}

fn nesting(program: &str) -> Told {
    Told {
        what: format!("{program} may not make a sandbox of its own: no program makes user namespaces inside"),
        inside: format!("{program} --no-sandbox, which this boundary holds all the same"),
        person: "run it outside, in a terminal of their own".to_owned(),
    }
}

/// jest's watchman: its server, or what it writes to start one.
fn is_watchman(violation: &Violation) -> bool {
    let named = |part: std::path::Component<'_>| part.as_os_str() == "watchman";
    violation.program == "watchman" || Path::new(&violation.path).components().any(named)
}

/// The program that speaks to a container engine's socket.
fn container_client(socket: &str) -> Option<&'static str> {
    match socket.rsplit('/').next()? {
        "docker.sock" => Some("docker"),
        "podman.sock" => Some("podman"),
        _ => None,
    }
}

/// Where only managed settings count, no entry of a person's would help.
fn administrator(lock: &Origin) -> String {
    format!("ask the administrator, whose settings alone allow it ({lock})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;
    use crate::settings::{Layer, Layers, Locations, Scope, Source, parse};
    use std::sync::Arc;

    fn with(settings: &str, check: impl Fn(&Around<'_>)) {
        with_those_of(Scope::User, settings, check);
    }

    fn with_those_of(scope: Scope, settings: &str, check: impl Fn(&Around<'_>)) {
        let path = if scope == Scope::User { "/home/u/.claude/settings.json" } else { "/etc/managed.json" };
        let source = Arc::new(Source { path: path.into(), scope, text: settings.into() });
        let values = parse::values(&source, &mut Vec::new()).unwrap();
        let layers = Layers {
            layers: vec![Layer { source, values, may_widen: true }],
            project: Some("/work/p".into()),
            ..Layers::default()
        };
        let locations =
            Locations { home: Some("/home/u".into()), cwd: "/work/p".into(), ..Locations::default() };
        let policy = policy::build(&layers, &locations).unwrap();
        check(&Around { policy: &policy, home: Some(Path::new("/home/u")), cwd: Path::new("/work/p") });
    }

    fn refused(why: Why, path: &str, reason: &str) -> Violation {
        Violation {
            time: 0,
            program: "p".into(),
            process: 1,
            call: if why == Why::Socket { "connect" } else { "openat" }.into(),
            path: path.into(),
            why,
            reason: reason.into(),
            refused_by_person: false,
        }
    }

    #[test]
    fn what_works_inside_and_what_a_person_can_do_about_a_call() {
        const PROJECT: &str = "write below '/work/p' or $TMPDIR";
        const THERE: &str = "write below '/work/p' or $TMPDIR, for a person to put it there";
        const KEYS: &str = "*.pub, known_hosts and config beside it can be read";
        const WATCHMAN: &str = "without it: jest --no-watchman, or \"watchman\": false in its configuration";
        with("{}", |around| {
            for (why, path, reason, inside, person) in [
                (Why::Outside, "/tmp/x", "", "write below $TMPDIR", "allow it: sbshctl allow write /tmp/x"),
                (Why::Outside, "/home/u/x", "", PROJECT, "allow it: sbshctl allow write /home/u/x"),
                (Why::Outside, "/usr/lib/x", "", INSTALL, "allow it: sbshctl allow write /usr/lib/x"),
                (Why::Outside, "/usr/lib/x", ANOTHERS, INSTALL, "do it outside, with the rights for it"),
                (Why::Outside, "/work/p/.git/config", "always protected", THERE, ANSWER),
                (Why::Protected, "/work/p/.bashrc", "always protected at the top", THERE, ANSWER),
                (Why::Outside, "/w/kept", DENIED, THERE, "change that rule"),
                (Why::Own, "/run/sbsh", "sbsh's own socket", NOTHING, NEVER),
                (Why::Hidden, "/home/u/.ssh/id", "", KEYS, "allow it: sbshctl allow read /home/u/.ssh/id"),
                (Why::Hidden, "/home/u/.netrc", "", NOTHING, "allow it: sbshctl allow read /home/u/.netrc"),
                (
                    Why::Outside,
                    "/home/u/.bashrc",
                    "",
                    PROJECT,
                    "allow it: sbshctl allow write /home/u/.bashrc --force (it is used outside at the next start)",
                ),
                (
                    Why::Outside,
                    "/home/u/.npm",
                    "",
                    "set npm_config_cache to a directory below $TMPDIR",
                    "allow it: sbshctl preset node",
                ),
                (
                    Why::Outside,
                    "/home/u/.cargo/registry/x",
                    "",
                    "set CARGO_HOME to a directory below $TMPDIR",
                    "allow it: sbshctl allow write /home/u/.cargo/registry/x, or with what goes with it: sbshctl preset rust",
                ),
                (Why::Outside, "/home/u/.cache", "", PROJECT, "allow it: sbshctl allow write /home/u/.cache"),
                (
                    Why::Outside,
                    "/home/u/.cache/uv/.lock",
                    "",
                    "set UV_CACHE_DIR to a directory below $TMPDIR",
                    "allow it: sbshctl allow write /home/u/.cache/uv/.lock (programs are started from there, outside too)",
                ),
                (
                    Why::Outside,
                    "/home/u/.local/lib",
                    "",
                    INSTALL,
                    "allow it: sbshctl allow write /home/u/.local/lib (programs are started from there, outside too)",
                ),
                (
                    Why::Outside,
                    "/tmp/pnpm-store-operation-locks-7",
                    "",
                    NOTHING,
                    "allow it: sbshctl preset node",
                ),
                (
                    Why::Outside,
                    "/home/u/.local/state/watchman/u-state/log",
                    "",
                    WATCHMAN,
                    "allow it: sbshctl allow write /home/u/.local/state/watchman/u-state/log",
                ),
                (
                    Why::Socket,
                    "/usr/local/var/run/watchman/u-state/sock",
                    "",
                    WATCHMAN,
                    "allow it: sbshctl allow socket /usr/local/var/run/watchman/u-state/sock (it is a way out: whoever speaks to it has it start programs outside, by triggers)",
                ),
                (
                    Why::Socket,
                    "/run/user/7/podman/podman.sock",
                    "",
                    NOTHING,
                    "let podman run outside, asked about each time: sbshctl exclude 'podman:*' (the socket itself is a way out: whoever speaks to it starts containers with the whole disk in them, as root)",
                ),
                (
                    Why::Socket,
                    "/run/db.sock",
                    "",
                    "a server that is started inside can be reached",
                    "allow it: sbshctl allow socket /run/db.sock",
                ),
                (Why::Outside, "/home/u/a\nb", "", PROJECT, NEVER),
            ] {
                let told = around.call(&refused(why, path, reason));
                assert_eq!((told.inside.as_str(), told.person.as_str()), (inside, person), "{path}");
                let parts = [told.what, told.inside, told.person];
                assert!(parts.iter().all(|part| !part.contains("; ")), "a part is one: {parts:?}");
            }
        });
    }

    #[test]
    fn a_written_rule_is_named_with_its_place() {
        let settings =
            r#"{"sandbox": {"filesystem": {"denyWrite": ["/w/kept"], "denyRead": ["~/letters"]}}}"#;
        with(settings, |around| {
            let what = |violation| around.call(&violation).what;
            assert_eq!(
                what(refused(Why::Outside, "/w/kept/x", DENIED)),
                "p may not write '/w/kept/x': denied by settings (/home/u/.claude/settings.json:1:43)"
            );
            assert_eq!(
                what(refused(Why::Hidden, "/home/u/letters/1", "")),
                "p may not write '/home/u/letters/1': it must not be read (/home/u/.claude/settings.json:1:68)"
            );
        });
    }

    #[test]
    fn hosts_that_can_be_reached_are_named() {
        let advice = Some("a person can allow it: sbshctl allow domain x.test");
        with("{}", |around| {
            let told = around.connection("network: x.test:443 is blocked: why", advice);
            assert_eq!(told.inside, "no host can be reached, work with what is here");
            assert_eq!(told.person, "allow it: sbshctl allow domain x.test");
            assert_eq!(around.connection("w", None).person, NEVER);
        });
        with(
            r#"{"sandbox": {"allowedDomains": ["a.test", "b.test", "c.test", "d.test", "e.test", "f.test"]}}"#,
            |around| {
                let told = around.connection("w", advice);
                assert_eq!(
                    told.inside,
                    "these hosts can be reached: a.test, b.test, c.test, d.test, e.test and 1 more"
                );
            },
        );
    }

    #[test]
    fn what_only_the_administrator_allows_is_no_persons_to_allow() {
        let settings = r#"{"sandbox": {"network": {"allowManagedDomainsOnly": true},
            "filesystem": {"denyRead": ["/srv/x"], "allowManagedReadPathsOnly": true}}}"#;
        let advice = Some("a person can allow it: sbshctl allow domain x.test");
        with_those_of(Scope::Managed, settings, |around| {
            let told = around.connection("w", advice);
            let expected = "ask the administrator, whose settings alone allow it (/etc/managed.json:1:53)";
            assert_eq!(told.person, expected);
            let told = around.call(&refused(Why::Hidden, "/srv/x/1", ""));
            let expected = "ask the administrator, whose settings alone allow it (/etc/managed.json:2:81)";
            assert_eq!(told.person, expected);
            let told = around.call(&refused(Why::Outside, "/srv/y", ""));
            assert_eq!(told.person, "allow it: sbshctl allow write /srv/y");
        });
    }

    #[test]
    fn what_no_call_shows_is_told_by_the_words_of_the_command() {
        let there = |path: &Path| path.starts_with("/home/u").then(|| path.to_path_buf());
        let told = |around: &Around<'_>, text: &str| -> Vec<String> {
            around.unseen(text, there).into_iter().map(|(_, what, _)| what).collect()
        };
        with("{}", |around| {
            for (text, expected) in [
                ("cat ~/.ssh/id_rsa", &["/home/u/.ssh/id_rsa"][..]),
                ("cat \"$HOME/.ssh/id_rsa\" ~/.ssh/id_rsa.pub", &[]),
                ("cat $HOME/.ssh/id_rsa | wc; cat ~/.ssh/id_rsa", &["/home/u/.ssh/id_rsa"]),
                ("echo id_rsa; cat /nowhere/.ssh/id_rsa", &[]),
                ("true && /usr/bin/sudo -n apt-get update", &["sudo"]),
                ("echo sudo su", &[]),
                ("sudo true; sudo false", &["sudo"]),
                ("/usr/bin/chromium --headless x", &["chromium"]),
                ("chromium --headless --no-sandbox x", &[]),
                ("if", &[]),
            ] {
                assert_eq!(told(around, text), expected, "{text}");
            }
        });
        with(
            r#"{"sandbox": {"excludedCommands": ["sudo:*"], "filesystem": {"allowRead": ["~/.netrc"]}}}"#,
            |around| {
                assert_eq!(told(around, "sudo true; cat ~/.netrc"), [""; 0]);
            },
        );
    }
}
