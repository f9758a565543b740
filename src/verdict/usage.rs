//! What of the settings was used, by what the log holds. Pure.
//!
//! Owns telling used, unused and unknown apart. What the log cannot tell is unknown: an entry is unused only if every
//! use of it would have left a line in the time that is looked at.

use crate::command::{self, Commands, wrappers};
use crate::policy::network::entry::covers;
use crate::policy::permission::{self, Permission};
use crate::policy::{CommandRule, Match};
use crate::settings::{Layer, Scope, Sourced};

/// What an entry lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lets {
    /// Connections to hosts.
    Connect,
    /// Writing.
    Write,
    /// Reading what must not be read.
    Read,
    /// Connecting to Unix sockets.
    Speak,
    /// Commands, without a question.
    Run,
    /// Commands, outside.
    Leave,
}

impl Lets {
    /// The list's name.
    pub fn list(self) -> &'static str {
        match self {
            Lets::Connect => "allowedDomains",
            Lets::Write => "filesystem.allowWrite",
            Lets::Read => "filesystem.allowRead",
            Lets::Speak => "allowUnixSockets",
            Lets::Run => "permissions.allow",
            Lets::Leave => "excludedCommands",
        }
    }
}

/// Whether an entry was used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Use {
    /// So often, at last then (seconds since 1970).
    Used {
        /// How often.
        times: u64,
        /// When last.
        last: f64,
    },
    /// Surely not in the time that was looked at.
    Unused,
    /// The log cannot tell; why, as the end of a sentence.
    Unknown(&'static str),
}

/// One entry and what is known of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it lets through.
    pub lets: Lets,
    /// The entry and its place.
    pub said: Sourced<String>,
    /// Whether that was used.
    pub used: Use,
    rule: Option<CommandRule>,
    /// A socket's whole path.
    path: Option<String>,
}

/// One line of the log, as far as it is of use here. Lines of other versions may lack anything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// Seconds since 1970.
    pub time: f64,
    /// What happened.
    pub event: String,
    /// `allowed`, `refused` or another word.
    pub verdict: Option<String>,
    /// The rule or entry that decided.
    pub rule: Option<String>,
    /// A host.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u64>,
    /// A path.
    pub path: Option<String>,
    /// The command's text.
    pub command: Option<String>,
    /// That is not all of it.
    pub cut: bool,
    /// The words of a program that ran outside, joined by blanks.
    pub argv: Option<String>,
}

/// The log is read into this, line after line, in any order.
#[derive(Debug)]
pub struct Review {
    since: f64,
    entries: Vec<Entry>,
    /// The earliest line of each kind.
    first: Option<f64>,
    first_command: Option<f64>,
    first_socket: Option<f64>,
    /// A command's text is there only in part.
    cut: bool,
    /// The text that was looked at last, and which entries it used: one command leaves many lines.
    last_text: (String, Vec<usize>),
}

impl Review {
    /// Over what the person's own files allow; `sockets` as the policy reads them, `since` in seconds since 1970.
    pub fn of(layers: &[Layer], sockets: &[Sourced<String>], since: f64) -> Review {
        let own =
            layers.iter().filter(|l| l.may_widen && matches!(l.source.scope, Scope::User | Scope::Local));
        let mut entries = Vec::new();
        for values in own.map(|layer| &layer.values) {
            let mut list = |lets, said: &[Sourced<String>]| {
                entries.extend(said.iter().filter_map(|said| Entry::of(lets, said, sockets)));
            };
            list(Lets::Connect, &values.allowed_domains);
            list(Lets::Write, &values.allow_write);
            list(Lets::Read, &values.allow_read);
            list(Lets::Speak, &values.unix_sockets);
            list(Lets::Run, &values.allow);
            list(Lets::Leave, &values.excluded);
        }
        let none = (String::new(), Vec::new());
        Review {
            since,
            entries,
            first: None,
            first_command: None,
            first_socket: None,
            cut: false,
            last_text: none,
        }
    }

    /// The earliest line's time, if there was one.
    pub fn first(&self) -> Option<f64> {
        self.first
    }

    /// Takes one line into account.
    pub fn note(&mut self, line: &Line) {
        self.cut |= line.cut && line.event == "command" && line.time >= self.since;
        let earliest = |first: &mut Option<f64>| *first = Some(first.map_or(line.time, |f| f.min(line.time)));
        earliest(&mut self.first);
        match line.event.as_str() {
            "command" => earliest(&mut self.first_command),
            "socket" => earliest(&mut self.first_socket),
            _ => {}
        }
        if line.time < self.since {
            return;
        }
        for index in self.by_text(line) {
            self.used(index, line.time);
        }
        let by_fields: Vec<usize> = (0..self.entries.len())
            .filter(|index| self.entries.get(*index).is_some_and(|e| e.named_by(line)))
            .collect();
        for index in by_fields {
            self.used(index, line.time);
        }
    }

    fn used(&mut self, index: usize, time: f64) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.used = match entry.used {
            Use::Used { times, last } => Use::Used { times: times + 1, last: last.max(time) },
            _ => Use::Used { times: 1, last: time },
        };
    }

    /// Rules that match the command's text. Lines of the same command come one after the other.
    fn by_text(&mut self, line: &Line) -> Vec<usize> {
        let Some(text) = &line.command else { return Vec::new() };
        if *text != self.last_text.0 {
            let found = matching(&self.entries, text);
            self.last_text = (text.clone(), found);
        } else if line.event != "command" {
            return Vec::new();
        }
        self.last_text.1.clone()
    }

    /// The entries, with what is unused and what is unknown told apart.
    pub fn finish(mut self) -> Vec<Entry> {
        let reaches = |first: Option<f64>| first.is_some_and(|first| first <= self.since);
        let [any, commands, sockets] = [self.first, self.first_command, self.first_socket].map(reaches);
        for entry in self.entries.iter_mut().filter(|entry| !matches!(entry.used, Use::Used { .. })) {
            entry.used = match entry.lets {
                Lets::Connect if any => Use::Unused,
                Lets::Connect => Use::Unknown("the log does not go back that far"),
                Lets::Speak if sockets => Use::Unused,
                Lets::Speak => {
                    Use::Unknown("the log does not hold, that far back, which sockets were spoken to")
                }
                Lets::Run | Lets::Leave if commands && self.cut => {
                    Use::Unknown("the log holds a very long command only in part")
                }
                Lets::Run | Lets::Leave if commands => Use::Unused,
                Lets::Run | Lets::Leave => {
                    Use::Unknown("the log does not hold, that far back, every command")
                }
                Lets::Write | Lets::Read => Use::Unknown("the log does not hold what was written and read"),
            };
        }
        self.entries
    }
}

impl Entry {
    /// `None` for rules of other tools, which others use.
    fn of(lets: Lets, said: &Sourced<String>, sockets: &[Sourced<String>]) -> Option<Entry> {
        let rule = match lets {
            Lets::Run => match permission::read(said).ok()? {
                Permission::Command(text) => Some(CommandRule::parse(text, said.origin.clone()).ok()?),
                Permission::EveryCommand => Some(CommandRule::all(said.origin.clone())),
                _ => return None,
            },
            Lets::Leave => Some(CommandRule::parse(&said.value, said.origin.clone()).ok()?),
            _ => None,
        };
        let place = said.origin.to_string();
        let path = sockets.iter().find(|socket| lets == Lets::Speak && socket.origin.to_string() == place);
        let path = path.map(|socket| socket.value.clone());
        Some(Entry { lets, said: said.clone(), used: Use::Unused, rule, path })
    }

    /// Whether its rule matches one of these lines, or may: what names the program among its arguments may run it.
    fn lets_run(&self, lines: &[String]) -> bool {
        let Some(rule) = &self.rule else { return false };
        let rest = |line: &String| line.split_once(' ').map_or(String::new(), |(_, rest)| rest.to_owned());
        let named = |program| lines.iter().any(|line| names(&rest(line), program));
        lines.iter().any(|line| rule.matches(line) != Match::No) || rule.program().is_some_and(named)
    }

    /// Whether the fields of a line say that it was used.
    fn named_by(&self, line: &Line) -> bool {
        let by_rule = line.rule.as_deref() == Some(self.said.value.as_str());
        match self.lets {
            Lets::Connect => {
                let allowed = line.event == "connection" && line.verdict.as_deref() == Some("allowed");
                allowed && (by_rule || line.target().is_some_and(|target| covers(&self.said.value, &target)))
            }
            Lets::Speak => {
                let spoken = line.path.as_deref().unwrap_or_default();
                let named = self.path.as_deref().unwrap_or(&self.said.value);
                // The path that is logged has no symlinks any more.
                let same_name = spoken.rsplit('/').next() == named.rsplit('/').next();
                line.event == "socket" && (same_name || fast_glob::glob_match(named, spoken))
            }
            Lets::Run | Lets::Leave => {
                let by_words =
                    || line.argv.as_ref().is_some_and(|words| self.lets_run(&with_and_without_path(words)));
                let shown = || self.rule.as_ref().map(CommandRule::shown);
                by_rule || (line.rule.is_some() && line.rule == shown()) || by_words()
            }
            Lets::Write | Lets::Read => false,
        }
    }
}

impl Line {
    fn target(&self) -> Option<String> {
        let host = self.host.as_deref()?;
        Some(self.port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}

/// A command line as it is and with its program's name alone.
fn with_and_without_path(line: &str) -> [String; 2] {
    let (program, rest) = line.split_once(' ').unwrap_or((line, ""));
    let name = program.rsplit('/').next().unwrap_or(program);
    [line.to_owned(), format!("{name} {rest}").trim_end().to_owned()]
}

/// Whether a program is among the words of a text, with or without a path.
fn names(text: &str, program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    text.split(|c: char| !(c.is_alphanumeric() || "._-+".contains(c))).any(|word| word == name)
}

/// The rules that a command's text matches, or may: what cannot be read may have used every rule whose program it names.
fn matching(entries: &[Entry], text: &str) -> Vec<usize> {
    let rules =
        || entries.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.rule.as_ref()?)));
    let Commands::Known(commands) = command::read(text.as_bytes()) else {
        let named = |rule: &CommandRule| rule.program().is_none_or(|program| names(text, program));
        return rules().filter(|(_, rule)| named(rule)).map(|(index, _)| index).collect();
    };
    let mut lines: Vec<String> = Vec::new();
    for simple in &commands {
        lines.extend(command::allowed_line(simple));
        let layers = wrappers::layers(simple);
        lines.extend(layers.lines);
        lines.extend(layers.texts);
    }
    entries.iter().enumerate().filter(|(_, entry)| entry.lets_run(&lines)).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Source, parse};
    use std::sync::Arc;

    const SETTINGS: &str = r#"{
      "sandbox": {"allowedDomains": ["a.com", "*.b.com", "c.com:443"], "excludedCommands": ["docker:*", "podman:*"],
        "allowUnixSockets": ["/run/x.sock"], "filesystem": {"allowWrite": ["/w"], "allowRead": ["/r"]}},
      "permissions": {"allow": ["Bash(npm run test:*)", "Bash(ls)", "Edit(/x)", "mcp__y"]}}"#;

    fn review(lines: &[Line]) -> Vec<(String, Use)> {
        let source = Source { path: "/s".into(), scope: Scope::User, text: SETTINGS.into() };
        let source = Arc::new(source);
        let values = parse::values(&source, &mut Vec::new()).unwrap();
        let sockets = values.unix_sockets.clone();
        let mut review = Review::of(&[Layer { source, values, may_widen: true }], &sockets, 100.0);
        lines.iter().for_each(|line| review.note(line));
        review.finish().into_iter().map(|entry| (entry.said.value, entry.used)).collect()
    }

    fn of(all: &[(String, Use)], entry: &str) -> Use {
        all.iter().find(|(value, _)| value == entry).unwrap().1
    }

    fn event(time: f64, event: &str) -> Line {
        Line { time, event: event.into(), ..Line::default() }
    }

    fn connection(time: f64, verdict: &str, host: &str, rule: &str) -> Line {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let verdict = text(verdict);
        Line { verdict, host: text(host), port: Some(443), rule: text(rule), ..event(time, "connection") }
    }

    fn command(time: f64, text: &str) -> Line {
        Line { command: Some(text.into()), ..event(time, "command") }
    }

    #[test]
    fn a_log_that_is_too_young_proves_nothing() {
        for lines in [&[][..], &[connection(200.0, "allowed", "x.org", "x.org"), command(200.0, "true")]] {
            let all = review(lines);
            assert!(all.iter().all(|(_, used)| matches!(used, Use::Unknown(_))), "{all:?}");
            assert!(all.iter().all(|(value, _)| value != "Edit(/x)" && value != "mcp__y"));
        }
    }

    #[test]
    fn domains_by_the_connections_that_were_allowed() {
        let all = review(&[
            event(50.0, "gatekeeper"),
            connection(90.0, "allowed", "c.com", "c.com:443"),
            connection(150.0, "allowed", "x.b.com", ""),
            connection(160.0, "refused", "a.com", ""),
            connection(170.0, "allowed", "x.b.com", "*.b.com"),
        ]);
        assert_eq!(of(&all, "*.b.com"), Use::Used { times: 2, last: 170.0 });
        assert_eq!((of(&all, "a.com"), of(&all, "c.com:443")), (Use::Unused, Use::Unused));
        assert!(matches!(of(&all, "docker:*"), Use::Unknown(_)));
    }

    #[test]
    fn rules_and_exclusions_by_the_commands() {
        let all = review(&[
            command(50.0, "ls"),
            command(150.0, "cd x && docker ps | tee y"),
            command(160.0, "NO_COLOR=1 npm run test -- a"),
        ]);
        assert!(matches!(of(&all, "docker:*"), Use::Used { times: 1, .. }));
        assert!(matches!(of(&all, "Bash(npm run test:*)"), Use::Used { .. }));
        assert_eq!((of(&all, "podman:*"), of(&all, "Bash(ls)")), (Use::Unused, Use::Unused));
        let other = review(&[command(50.0, "x"), command(150.0, "npm run build && ls -l")]);
        assert_eq!((of(&other, "Bash(npm run test:*)"), of(&other, "Bash(ls)")), (Use::Unused, Use::Unused));
        let by_field = Line { rule: Some("podman:*".into()), ..event(150.0, "decision") };
        assert!(matches!(of(&review(&[command(50.0, "x"), by_field]), "podman:*"), Use::Used { .. }));
        let by_words = Line { argv: Some("/usr/bin/podman ps".into()), ..event(150.0, "outside") };
        assert!(matches!(of(&review(&[command(50.0, "make"), by_words]), "podman:*"), Use::Used { .. }));
        // What cannot be read may have been anything that it names.
        let odd = review(&[command(50.0, "x"), command(150.0, "podman 'unclosed")]);
        assert!(matches!(of(&odd, "podman:*"), Use::Used { .. }));
        assert_eq!(of(&odd, "docker:*"), Use::Unused);
        let cut = Line { cut: true, ..command(150.0, "x") };
        assert!(matches!(of(&review(&[command(50.0, "x"), cut]), "docker:*"), Use::Unknown(_)));
        let inner = review(&[command(50.0, "x"), command(150.0, "ssh host 'podman ps'")]);
        assert!(matches!(of(&inner, "podman:*"), Use::Used { .. }));
    }

    #[test]
    fn sockets_by_their_connections_and_files_never() {
        let speak = |time, path: &str| Line { path: Some(path.into()), ..event(time, "socket") };
        let all = review(&[speak(50.0, "/y"), speak(150.0, "/run/x.sock")]);
        assert!(matches!(of(&all, "/run/x.sock"), Use::Used { .. }));
        assert_eq!(of(&review(&[speak(50.0, "/y")]), "/run/x.sock"), Use::Unused);
        assert!(matches!(of(&all, "/w"), Use::Unknown(_)) && matches!(of(&all, "/r"), Use::Unknown(_)));
    }
}
