//! What stands behind the editor: completions from the shell inside, and what rules say of a line's command words.
//!
//! Owns asking the shell while it waits for its next line. Must not show what it says before the editor has made it plain.

use super::super::covers::Covers;
use super::super::prepare::Prepared;
use crate::audit::redact::redact;
use crate::command::{self, Commands, SimpleCommand};
use crate::policy::Policy;
use crate::session::channel::Channel;
use crate::session::editor::{Behind, Candidate, Mark};
use crate::session::inner::message::{Candidate as Named, FromShell, Name, Sort, ToShell};
use crate::session::inner::place::Place;
use crate::system::shared::lock;
use crate::verdict::{self, CommandText, Verdict};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a completion may take: git's look at large repositories.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the shell may take to say which names it knows; it looks nothing up.
const SHORT: Duration = Duration::from_millis(200);
/// Longer lines keep their colour: they are judged when they are entered.
const LONGEST_MARKED: usize = 4096;

/// The shell inside and the policy, as the editor needs them.
pub(super) struct Inside {
    /// Begins lines that are no commands.
    own: &'static str,
    channel: Arc<Mutex<Channel>>,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    prepared: Option<Arc<Prepared>>,
    brokered: Vec<String>,
    home: Option<PathBuf>,
    directory: PathBuf,
    /// `$COMP_WORDBREAKS`.
    word_breaks: Vec<u8>,
    /// Command words that the shell was asked about.
    known: HashMap<String, bool>,
}

impl Inside {
    pub(super) fn new(channel: Arc<Mutex<Channel>>, own: &'static str) -> Inside {
        Inside { own, channel, facts: Mutex::default() }
    }

    /// What holds for the next line.
    pub(super) fn follow(&self, prepared: &Arc<Prepared>, covers: &Covers, directory: &Path, breaks: &[u8]) {
        let mut facts = lock(&self.facts);
        facts.prepared = Some(Arc::clone(prepared));
        facts.brokered = covers.names();
        facts.home.clone_from(&prepared.locations.home);
        facts.directory = directory.to_path_buf();
        facts.word_breaks = breaks.to_vec();
        // The line before may have defined or installed something.
        facts.known.clear();
    }

    /// Asks the shell for these names, all at once, as far as it was not asked yet.
    fn learn(&self, names: &[&str], facts: &mut Facts) {
        let mut new: Vec<&str> =
            names.iter().copied().filter(|name| !facts.known.contains_key(*name)).collect();
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return;
        }
        let words: Vec<&[u8]> = new.iter().map(|name| name.as_bytes()).collect();
        let answer = lock(&self.channel).ask(&ToShell::Known(&words), SHORT, |said| match said {
            FromShell::Known(names) => Some(names),
            _ => None,
        });
        let answer = answer.unwrap_or_default();
        for (place, name) in new.into_iter().enumerate() {
            // What does not answer knows better than we do.
            facts.known.insert(name.to_owned(), answer.get(place) != Some(&Name::Nothing));
        }
    }
}

impl Behind for Inside {
    fn complete(&self, line: &str, point: usize) -> Vec<Candidate> {
        let place = Place::of(line.as_bytes(), point, &lock(&self.facts).word_breaks);
        let answer = lock(&self.channel).ask(&ToShell::Complete(&place), PATIENCE, |said| match said {
            FromShell::Candidates(candidates) => Some(candidates),
            _ => None,
        });
        let Some(candidates) = answer else { return Vec::new() };
        let candidate = |one: &Named| {
            let one = split(one.clone());
            Some(Candidate {
                // What is no text cannot be typed.
                text: String::from_utf8(place.insertion(&one)).ok()?,
                shown: Some(shown(&one)),
                description: about(&one),
                replaces: place.start..point,
                ends: false,
            })
        };
        candidates.iter().filter_map(candidate).collect()
    }

    fn marks(&self, line: &str) -> Vec<(Range<usize>, Mark)> {
        if line.len() > LONGEST_MARKED || line.split_whitespace().next() == Some(self.own) {
            return Vec::new();
        }
        let mut facts = lock(&self.facts);
        let Some(prepared) = facts.prepared.clone() else { return Vec::new() };
        let Commands::Known(commands) = command::read(line.as_bytes()) else { return Vec::new() };
        let mut from = 0;
        let mut marks = Vec::new();
        let mut unsure = Vec::new();
        for command in &commands {
            let Some(name) = command.words.first().map(|word| word.shown()) else { continue };
            let Some(at) = place(line, name, from) else { continue };
            from = at.end;
            let mark = mark(command, &prepared.policy, &facts);
            if mark == Mark::Confined && !command.shadowed {
                unsure.push((marks.len(), name));
            }
            marks.push((at, mark));
        }
        self.learn(&unsure.iter().map(|(_, name)| *name).collect::<Vec<_>>(), &mut facts);
        for (place, name) in unsure {
            if facts.known.get(name) == Some(&false)
                && let Some((_, mark)) = marks.get_mut(place)
            {
                *mark = Mark::NotFound;
            }
        }
        marks
    }

    fn directory(&self) -> PathBuf {
        lock(&self.facts).directory.clone()
    }
}

/// What a menu shows: of a file its last part.
fn shown(candidate: &Named) -> String {
    let text = String::from_utf8_lossy(&candidate.word);
    let last = || text.trim_end_matches('/').rsplit('/').next().unwrap_or(&text);
    match candidate.sort {
        Sort::Text | Sort::Word => text.into_owned(),
        Sort::File => last().to_owned(),
        Sort::Directory => format!("{}/", last()),
    }
}

/// The words about a candidate, without what looks like a secret: a variable's value is told by its name.
fn about(candidate: &Named) -> Option<String> {
    let text = String::from_utf8_lossy(&candidate.about);
    if text.trim().is_empty() {
        return None;
    }
    let Some(value) = text.strip_prefix('=') else { return Some(redact(&text)) };
    let word = String::from_utf8_lossy(&candidate.word);
    let name = word.trim_start_matches(['$', '{']).trim_end_matches('}');
    let whole = format!("{name}={value}");
    if redact(&whole) == whole { Some(value.to_owned()) } else { None }
}

/// Functions of completion that know descriptions have one way to show them, which is to put them behind the word: with a
/// tab as programs say them, as `word -- about it`, or as `word  (about it)`.
fn split(candidate: Named) -> Named {
    let Ok(text) = std::str::from_utf8(&candidate.word) else { return candidate };
    if candidate.sort != Sort::Text || !candidate.about.is_empty() {
        return candidate;
    }
    let found = text.split_once('\t').or_else(|| text.split_once(" -- ")).or_else(|| {
        let (word, about) = text.strip_suffix(')')?.split_once("  (")?;
        Some((word, about))
    });
    let Some((word, about)) = found.map(|(word, about)| (word.trim_end(), about.trim())) else {
        return candidate;
    };
    if word.is_empty() || word.contains(' ') {
        return candidate;
    }
    Named { word: word.into(), about: about.into(), ..candidate }
}

/// Where a command word stands as a word of its own, from there on.
fn place(line: &str, name: &str, from: usize) -> Option<Range<usize>> {
    let apart = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || ";&|(){}`<>$\"'".contains(c));
    let rest = line.get(from..)?;
    rest.match_indices(name).map(|(at, _)| from + at..from + at + name.len()).find(|at| {
        apart(line.get(..at.start).and_then(|before| before.chars().next_back()))
            && apart(line.get(at.end..).and_then(|after| after.chars().next()))
    })
}

/// What the rules say of one command of the line.
fn mark(command: &SimpleCommand, policy: &Policy, facts: &Facts) -> Mark {
    let quoted = command.words.iter().map(|word| match word.literal() {
        Some(text) => shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned()),
        None => word.shown().to_owned(),
    });
    let text = quoted.collect::<Vec<_>>().join(" ");
    let text = CommandText::new(text.as_bytes(), facts.home.as_deref());
    match verdict::judge(policy, &text) {
        Verdict::Denied(_) => Mark::Denied,
        Verdict::Outside { .. } | Verdict::Ask { outside: Some(_), .. } => Mark::Outside,
        Verdict::Ask { .. } => Mark::Asked,
        Verdict::Confined { .. } => {
            let name = command.words.first().map_or("", |word| word.shown());
            let covered = facts.brokered.iter().any(|brokered| brokered == name);
            let outside = covered && policy.commands.excluded.iter().any(|rule| rule.program() == Some(name));
            if outside { Mark::Outside } else { Mark::Confined }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(word: &str, about: &str, sort: Sort) -> Named {
        Named { word: word.into(), sort, open: false, about: about.into() }
    }

    #[test]
    fn descriptions_behind_a_word_are_not_inserted() {
        let split = |word: &str| {
            let named = split(named(word, "", Sort::Text));
            (String::from_utf8(named.word).unwrap(), String::from_utf8(named.about).unwrap())
        };
        let is = |word: &str, about: &str| (word.to_owned(), about.to_owned());
        assert_eq!(split("get\tShow one"), is("get", "Show one"));
        assert_eq!(split("start  -- begin (it)"), is("start", "begin (it)"));
        assert_eq!(split("apply     (Apply a file)"), is("apply", "Apply a file"));
        for word in ["a b", "a (b)", "--", " -- x", "a b -- c", "a  (b) c", ""] {
            assert_eq!(split(word), is(word, ""));
        }
        let file = named("a  (b)", "", Sort::File);
        assert_eq!(super::split(file.clone()), file);
    }

    #[test]
    fn values_of_variables_are_told_unless_they_are_secret() {
        let about = |word: &str, text: &str| about(&named(word, text, Sort::Text));
        assert_eq!(about("$HOME", "=/home/u").as_deref(), Some("/home/u"));
        assert_eq!(about("${API_TOKEN}", "=abc"), None);
        assert_eq!(about("$DB_PASSWORD", "=abc"), None);
        assert_eq!(about("ls", "/bin/ls").as_deref(), Some("/bin/ls"));
        assert_eq!(about("x", " "), None);
    }

    #[test]
    fn a_command_word_is_found_where_it_is_one() {
        assert_eq!(place("cd cdrom; cd x", "cd", 0), Some(0..2));
        assert_eq!(place("cd cdrom; cd x", "cd", 2), Some(10..12));
        assert_eq!(place("echo $(git log)", "git", 4), Some(7..10));
        assert_eq!(place("gitk", "git", 0), None);
        assert_eq!(place("é git", "git", 0), Some(3..6));
    }
}
