//! Single programs that run others in ways of their own: `env -S`, `find -exec`, `xargs`, `parallel`, `npm exec -c`.

use super::{BEHIND, DEEPEST, Layers, abbreviates, collect, if_word, rest, text, value_word, word_of, words};
use crate::command::reader::read_nested;
use crate::command::{ANYTHING, Commands, Word};

/// `env -S 'text' more…`, in all its spellings. env reads the text itself, as its own arguments.
pub(super) fn split_string(word: &Word, behind: &[Word], depth: u32, layers: &mut Layers) -> bool {
    let shape = word.shape();
    let long = shape.split_once('=').filter(|(name, _)| abbreviates(name, "--split-string"));
    let letters = shape.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
    let short = letters.and_then(|l| l.split_once('S')).filter(|(front, _)| !front.contains(['u', 'C', 'a']));
    let value = match long.or(short) {
        Some((_, value)) => value,
        None if abbreviates(shape, "--split-string") => "",
        None => return false,
    };
    let (value, behind) = match behind.split_first() {
        _ if !value.is_empty() => (value_word(word, value), behind),
        Some((value, behind)) => (value.clone(), behind),
        None => return true,
    };
    let Some(value) = value.literal() else {
        layers.add(ANYTHING.to_string());
        return true;
    };
    let more: usize = behind.iter().map(|word| word.shape().len() + 1).sum();
    if !layers.spend(value.len() + more) {
        return true;
    }
    // Its own escapes for blanks.
    let blanks = ["\\_", "\\t", "\\f", "\\v", "\\n", "\\r"];
    let value = blanks.iter().fold(value.to_owned(), |value, blank| value.replace(blank, " "));
    match read_nested(format!("env {value}").as_bytes(), depth) {
        Commands::Known(commands) if depth < DEEPEST => {
            for mut command in commands {
                command.words.extend_from_slice(behind);
                collect(&command, depth + 1, layers);
            }
        }
        Commands::Known(_) => layers.opaque("commands nested too deeply"),
        Commands::Unknown(why) => layers.opaque(&why),
    }
    true
}

const FIND_RUNS: &[&str] = &["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"];

/// `find … -exec CMD… ;` and its like. A name stands where `{}` does, inside words too; fd puts it at the end where there is none.
pub(super) fn find(arguments: &[Word], appends: bool, depth: u32, layers: &mut Layers) {
    for (index, word) in arguments.iter().enumerate() {
        // Each `-exec` looks at all that follows.
        if !layers.spend(1) {
            return;
        }
        let shape = word.shape();
        if FIND_RUNS.contains(&shape) {
            let rest = arguments.get(index + 1..).unwrap_or_default();
            let length = rest.iter().position(|w| matches!(w.shape(), ";" | "+")).unwrap_or(rest.len());
            let command = rest.get(..length).unwrap_or_default();
            if !layers.spend(command.iter().map(|word| word.shape().len() + 1).sum()) {
                return;
            }
            let mut put = placed(command, PLACES);
            if appends && put == command {
                put.push(unknown());
            }
            words(&put, depth + 1, layers);
        } else if word.literal().is_none() && FIND_RUNS.iter().any(|option| could_be(shape, option)) {
            layers.add(ANYTHING.to_string());
        }
    }
}

/// Whether an unknown word may turn out to be this: `-ex$x`.
fn could_be(shape: &str, wanted: &str) -> bool {
    let ends = shape.split_once(ANYTHING).zip(shape.rsplit_once(ANYTHING));
    ends.is_some_and(|((begin, _), (_, end))| wanted.starts_with(begin) && wanted.ends_with(end))
}

/// Where find and fd put a name.
const PLACES: &[&str] = &["{}", "{/}", "{//}", "{.}", "{/.}"];

fn unknown() -> Word {
    word_of(&ANYTHING.to_string())
}

/// The words with something unknown in these places.
fn placed(command: &[Word], places: &[&str]) -> Vec<Word> {
    let put = |word: &Word| {
        let shape = places
            .iter()
            .filter(|place| !place.is_empty())
            .fold(word.shape().to_owned(), |shape, place| shape.replace(place, &ANYTHING.to_string()));
        if shape == word.shape() { word.clone() } else { word_of(&shape) }
    };
    command.iter().map(put).collect()
}

/// `parallel CMD… ::: VALUE…`: the values stand where `{…}` does or at the end; without a command each is one, and without
/// values they are read.
pub(super) fn parallel(arguments: &[Word], depth: u32, layers: &mut Layers) {
    let values = arguments.iter().position(|word| word.shape().starts_with(":::"));
    let (command, values) = arguments.split_at(values.unwrap_or(arguments.len()));
    if command.is_empty() {
        if values.is_empty() || values.iter().any(|word| word.shape().starts_with("::::")) {
            layers.add(ANYTHING.to_string());
        }
        return values.iter().for_each(|value| if_word(Some(value), depth, layers));
    }
    let in_place = |word: &Word| {
        let (before, rest) = word.shape().split_once('{')?;
        let (_, behind) = rest.rsplit_once('}')?;
        Some(word_of(&format!("{before}{ANYTHING}{behind}")))
    };
    let mut put: Vec<Word> =
        command.iter().map(|word| in_place(word).unwrap_or_else(|| word.clone())).collect();
    let placed = put != command;
    // It is a text for a shell.
    for word in put.iter().filter(|word| word.shape().contains([' ', ';', '|', '&'])) {
        text(word, depth + 1, layers);
    }
    if !placed {
        put.push(unknown());
    }
    words(&put, depth + 1, layers);
}

/// A command behind a verb.
pub(super) fn behind_verb(verbs: &[&str], arguments: &[Word], depth: u32, layers: &mut Layers) {
    if let Some(at) = arguments.iter().position(|word| verbs.contains(&word.shape())) {
        let behind = arguments.get(at + 1..).unwrap_or_default();
        rest(&BEHIND, behind, depth, layers);
        // `ip netns exec NAME CMD`, `direnv exec DIR CMD`
        words(behind.get(1..).unwrap_or_default(), (depth + 1).max(DEEPEST - 4), layers);
    }
}

/// `capsh … -- ARG…`: the arguments of a shell.
pub(super) fn capsh(arguments: &[Word], depth: u32, layers: &mut Layers) {
    if let Some(at) = arguments.iter().position(|word| matches!(word.shape(), "--" | "==")) {
        let shell = std::iter::once(Word::Literal("bash".to_owned()));
        let given = arguments.get(at + 1..).unwrap_or_default().iter().cloned();
        words(&shell.chain(given).collect::<Vec<_>>(), depth + 1, layers);
    }
}

/// What xargs starts: what it reads stands behind the words, or with `-I R` where `R` stands in them.
pub(super) fn with_input(options: &[Word], command: &[Word]) -> Vec<Word> {
    let mut replaced = None;
    for (index, option) in options.iter().enumerate() {
        let next = || options.get(index + 1).map(Word::shape).unwrap_or_default();
        let shape = option.shape();
        let letters = shape.strip_prefix('-').unwrap_or_default();
        if let Some((_, value)) = shape.split_once('=').filter(|(name, _)| abbreviates(name, "--replace")) {
            replaced = Some(value);
        } else if abbreviates(shape, "--replace") {
            replaced = Some("{}");
        } else if let Some((front, value)) = letters.split_once(['I', 'i'])
            && front.bytes().all(|letter| b"0rtpxo".contains(&letter))
        {
            let optional = letters.as_bytes().get(front.len()) == Some(&b'i');
            replaced = Some(match value {
                "" if optional => "{}",
                "" => next(),
                value => value,
            });
        }
    }
    match replaced {
        Some(replaced) => placed(command, &[replaced]),
        None if command.is_empty() => Vec::new(),
        None => command.iter().cloned().chain([unknown()]).collect(),
    }
}

/// `npm exec -c 'text'`.
pub(super) fn call(arguments: &[Word], depth: u32, layers: &mut Layers) {
    for (index, word) in arguments.iter().enumerate() {
        let shape = word.shape();
        if matches!(shape, "-c" | "--call") {
            if_word(arguments.get(index + 1), depth, layers);
        } else if let Some(value) = shape.strip_prefix("--call=") {
            if_word(Some(&value_word(word, value)), depth, layers);
        }
    }
}
