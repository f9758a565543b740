//! Looks through wrappers: which commands does `sudo env X=1 sh -c 'curl …'` run.
//!
//! Owns the wide unwrapping, for deny and ask rules: too much is found rather than too little. Must not know rules.

mod programs;
mod shells;

use super::options::{BEHIND, Inner, Wrapper, verbs_of, wrapper_named};
use super::reader::read_nested;
use super::{ANYTHING, Commands, SimpleCommand, Word, embedded, hidden};

/// Wrappers inside wrappers are followed this far.
const DEEPEST: u32 = 12;
/// At most this many bytes are looked at for one simple command (`find -exec -exec …` would be quadratic).
const MOST_WORK: usize = 4 << 20;
/// At most this many lines for one simple command.
const MOST_LINES: usize = 64;

/// A command as rules are matched against it: words joined by single blanks, [`ANYTHING`] for what is not known.
pub type Line = String;

/// What one simple command may run, seen through wrappers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layers {
    /// The command itself and every command that it wraps.
    pub lines: Vec<Line>,
    /// Texts among the arguments that another interpreter would run.
    pub texts: Vec<String>,
    /// Why more may run than the lines say.
    pub opaque: Option<String>,
    /// Bytes looked at so far.
    work: usize,
    /// The line itself feeds the command's standard input.
    fed: bool,
}

impl Layers {
    fn opaque(&mut self, why: &str) {
        if self.opaque.is_none() {
            self.opaque = Some(why.to_owned());
        }
    }

    /// Counts work; false when there was too much.
    fn spend(&mut self, bytes: usize) -> bool {
        self.work = self.work.saturating_add(bytes);
        if self.work > MOST_WORK {
            self.opaque("too many commands inside each other");
        }
        self.work <= MOST_WORK
    }

    fn add(&mut self, line: Line) {
        if self.lines.len() >= MOST_LINES {
            self.opaque("too many commands inside each other");
        } else if !line.is_empty() && !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }
}

/// Everything that a simple command may run, for deny and ask rules.
pub fn layers(command: &SimpleCommand) -> Layers {
    let mut layers = Layers::default();
    collect(command, 0, &mut layers);
    layers
}

/// Words as a line.
pub fn line(words: &[Word]) -> Line {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
        for character in word.shape().chars() {
            match character {
                ' ' | '\t' => {
                    if !line.is_empty() && !line.ends_with(' ') {
                        line.push(' ');
                    }
                }
                // An unknown word may be several or none.
                ANYTHING if word.shape().chars().all(|c| c == ANYTHING) => {
                    while line.ends_with(' ') {
                        line.pop();
                    }
                    // Twice, which no part of a word is: what stands before it ends here.
                    if !line.ends_with(ANYTHING) {
                        line.extend([ANYTHING; 2]);
                    }
                }
                other => line.push(other),
            }
        }
    }
    // Blanks beside an unknown word belong to it.
    while line.contains("\0 ") {
        line = line.replace("\0 ", "\0");
    }
    line.trim_end_matches(' ').to_owned()
}

fn collect(command: &SimpleCommand, depth: u32, layers: &mut Layers) {
    if let Some(why) = command.opaque {
        layers.opaque(why);
    }
    layers.fed |= command.fed;
    for (name, value) in &command.assignments {
        variable(name, value, depth, layers);
    }
    words(&command.words, depth, layers);
}

/// A variable's value may be a command too.
fn variable(name: &str, value: &Word, depth: u32, layers: &mut Layers) {
    if let Some(why) = hidden::variable(name, value) {
        layers.opaque(why);
    }
    let runs = [
        "PAGER",
        "EDITOR",
        "VISUAL",
        "BROWSER",
        "_COMMAND",
        "_ASKPASS",
        "_EDITOR",
        "_DIFF",
        "LESSOPEN",
        "LESSCLOSE",
        "_SSH",
    ];
    let shell = matches!(name, "SHELL" | "GIT_SSH" | "RUSTC_WRAPPER" | "RSYNC_RSH" | "CVS_RSH");
    if shell || runs.iter().any(|end| name.ends_with(end)) {
        text(value, depth, layers);
    } else if ["NODE_OPTIONS", "MAKEFLAGS", "TAR_OPTIONS", "GIT_CONFIG_VALUE_0"].contains(&name)
        || name.starts_with("GIT_CONFIG_VALUE")
    {
        layers.texts.push(value.shape().to_owned());
    }
}

/// A shell text inside a word.
fn text(word: &Word, depth: u32, layers: &mut Layers) {
    let Some(text) = word.literal() else {
        layers.add(ANYTHING.to_string());
        return;
    };
    if !layers.spend(text.len()) {
        return;
    }
    let text = text.strip_prefix('|').unwrap_or(text);
    match read_nested(text.as_bytes(), depth) {
        Commands::Known(commands) if depth < DEEPEST => {
            for command in &commands {
                collect(command, depth + 1, layers);
            }
        }
        Commands::Known(_) => layers.opaque("commands nested too deeply"),
        Commands::Unknown(why) => layers.opaque(&why),
    }
}

fn words(words: &[Word], depth: u32, layers: &mut Layers) {
    let Some((name, arguments)) = words.split_first() else { return };
    if layers.work > MOST_WORK {
        return;
    }
    if depth >= DEEPEST {
        layers.opaque("commands nested too deeply");
        return;
    }
    if !layers.spend(words.iter().map(|w| w.shape().len() + 1).sum()) {
        return;
    }
    layers.add(line(words));
    let Some(program) = base(name) else { return };
    if program != name.shape() {
        let mut named = vec![word_of(&program)];
        named.extend_from_slice(arguments);
        layers.add(line(&named));
    }
    if program.contains(ANYTHING) {
        return;
    }
    let mut named = vec![Word::Literal(program.clone())];
    named.extend_from_slice(arguments);
    if let Some(why) = hidden::builtin(&named) {
        layers.opaque(why);
    }
    layers.texts.extend(embedded::texts(&program, arguments));
    inner(&program, arguments, depth, layers);
}

fn inner(program: &str, arguments: &[Word], depth: u32, layers: &mut Layers) {
    match program {
        "find" => programs::find(arguments, false, depth, layers),
        "fd" | "fdfind" => programs::find(arguments, true, depth, layers),
        // fish's `set -x NAME VALUE`
        "set" => {
            let mut operands = arguments.iter().filter(|word| !word.shape().starts_with('-'));
            if let (Some(name), Some(value)) = (operands.next(), operands.next()) {
                variable(name.shape(), value, depth, layers);
            }
        }
        "npx" => programs::call(arguments, depth, layers),
        "capsh" => programs::capsh(arguments, depth, layers),
        "alias" | "export" | "declare" | "typeset" | "local" | "readonly" => {
            for word in arguments {
                if let (true, Some((name, value))) = (word.literal().is_some(), word.shape().split_once('='))
                {
                    let value = Word::Literal(value.to_owned());
                    if program == "alias" {
                        text(&value, depth, layers);
                    } else {
                        variable(name, &value, depth, layers);
                    }
                }
            }
        }
        "mapfile" | "readarray" | "compgen" | "complete" => {
            for pair in arguments.windows(2) {
                if let [option, value] = pair
                    && option.shape().starts_with('-')
                    && option.shape().contains(['C', 'F', 'W'])
                {
                    text(value, depth, layers);
                }
            }
            if arguments.iter().any(|a| a.shape().starts_with("-C") && a.shape().len() > 2) {
                layers.opaque("a callback");
            }
        }
        _ => {
            if program == "npm" {
                programs::call(arguments, depth, layers);
            }
            if let Some(verbs) = verbs_of(program) {
                return programs::behind_verb(verbs, arguments, depth, layers);
            }
            let Some(wrapper) = wrapper_named(program) else { return };
            match wrapper.inner {
                Inner::Text | Inner::Shell => shells::text_of(wrapper, arguments, depth, layers),
                Inner::Rest | Inner::After(_) => rest(wrapper, arguments, depth, layers),
            }
        }
    }
}

/// The last component of a command word; unknown where an unknown part could hold a slash.
fn base(word: &Word) -> Option<String> {
    let shape = word.shape();
    if let Some(at) = shape.rfind(ANYTHING) {
        let slash = shape.rfind('/');
        return Some(match slash {
            Some(slash) if slash > at => shape.get(slash + 1..)?.to_owned(),
            _ => shape.get(at..)?.to_owned(),
        });
    }
    let last = shape.rsplit('/').next().unwrap_or_default();
    Some(if last.is_empty() { shape.to_owned() } else { last.to_owned() })
}

fn word_of(shape: &str) -> Word {
    if shape.contains(ANYTHING) {
        Word::Unknown { source: shape.replace(ANYTHING, "…"), shape: shape.to_owned() }
    } else {
        Word::Literal(shape.to_owned())
    }
}

/// The command behind a wrapper's options. Where an option is not known, both readings count.
fn rest(wrapper: &Wrapper, arguments: &[Word], depth: u32, layers: &mut Layers) {
    let skip = if let Inner::After(count) = wrapper.inner { count } else { 0 };
    let mut index = 0;
    let mut unsure = false;
    while let Some(word) = arguments.get(index) {
        let shape = word.shape();
        if shape == "--" {
            index += 1;
            break;
        }
        let behind = arguments.get(index + 1..).unwrap_or_default();
        if wrapper.name == "env" && programs::split_string(word, behind, depth, layers) {
            return;
        }
        // A word that may be an option, or the command.
        if word.literal().is_none() && shape.starts_with(ANYTHING) {
            layers.add(ANYTHING.to_string());
            unsure = true;
        } else if !shape.starts_with('-') || shape == "-" {
            let assignment = wrapper.assignments.then(|| shape.split_once('=')).flatten();
            match assignment {
                Some((name, value)) => variable(name, &value_word(word, value), depth, layers),
                None if shape == "-" => {}
                None => break,
            }
        } else if let Some(wide) = takes_value(wrapper, shape) {
            index += usize::from(wide);
        } else {
            unsure = true;
        }
        index += 1;
    }
    let from = arguments.get((index + skip).min(arguments.len())..).unwrap_or_default();
    let text_option = |w: &Word| w.shape() == "-c" || abbreviates(w.shape(), "--command");
    if wrapper.name == "flock" && from.first().is_some_and(text_option) {
        return if_word(from.get(1), depth, layers);
    }
    if wrapper.name == "parallel" {
        return programs::parallel(from, depth, layers);
    }
    // Its options have values that are not known here, and end the reading before its time: `bwrap --dev /dev -- CMD`.
    let untold = wrapper.short.is_empty() && wrapper.long.is_empty();
    if let Some(dashes) = from.iter().position(|word| untold && word.shape() == "--") {
        words(from.get(dashes + 1..).unwrap_or_default(), (depth + 1).max(DEEPEST - 4), layers);
    }
    if wrapper.name == "xargs" {
        let options = arguments.get(..index).unwrap_or_default();
        words(&programs::with_input(options, from), depth + 1, layers);
    } else {
        words(from, depth + 1, layers);
    }
    if from.len() == 1 && matches!(wrapper.name, "repeat" | "entr") {
        if_word(from.first(), depth, layers);
    }
    if unsure || skip > 0 {
        // An unknown option may have taken the next word as its value; `taskset -p`, `chrt -m` have fewer operands.
        for shift in [0, 1, 2].into_iter().filter(|shift| *shift != skip) {
            let other = arguments.get((index + shift).min(arguments.len())..).unwrap_or_default();
            words(other, (depth + 1).max(DEEPEST - 4), layers);
        }
    }
}

fn value_word(word: &Word, value: &str) -> Word {
    if word.literal().is_some() { Word::Literal(value.to_owned()) } else { word_of(value) }
}

/// Whether an option has its value in the next argument; `None` if the option is not known.
pub(super) fn takes_value(wrapper: &Wrapper, shape: &str) -> Option<bool> {
    if shape.starts_with("--") {
        if shape.contains('=') {
            return Some(false);
        }
        return wrapper.long.contains(&shape).then_some(true);
    }
    let letters = shape.get(1..).unwrap_or_default();
    let mut left = letters.chars();
    while let Some(letter) = left.next() {
        if wrapper.short.contains(letter) {
            return Some(left.as_str().is_empty());
        }
    }
    // Bundled letters without values, and `nice -10`.
    if letters.bytes().all(|b| b.is_ascii_digit()) || wrapper.long.is_empty() && wrapper.short.is_empty() {
        return Some(false);
    }
    None
}

/// Whether this is a long option's name or a beginning of it, as GNU's programs take it.
pub(super) fn abbreviates(shape: &str, option: &str) -> bool {
    shape.len() > 2 && shape.starts_with("--") && option.starts_with(shape)
}

/// The text in a word that may be there.
fn if_word(word: Option<&Word>, depth: u32, layers: &mut Layers) {
    if let Some(word) = word {
        text(word, depth + 1, layers);
    }
}
