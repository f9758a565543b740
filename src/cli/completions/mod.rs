//! Completions for bash, zsh and fish, made of the tables of verbs and options.
//!
//! Owns what can be completed where, read from the tables' own words for operands and values; each shell's file owns
//! how that shell is told. What does not depend on the tables stands beside them as script. Pure text.

mod bash;
mod fish;
mod zsh;

pub use bash::bash;
pub use fish::{fish, fish_ctl};
pub use zsh::zsh;

use super::table::{self, OptionRow, VERBS, VerbRow};

const HEADER: &str =
    "# Made from src/cli/table.rs and src/cli/completions: SBSH_UPDATE=1 cargo test --test generated\n";

/// What can stand in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// One of these, each with what it means, if more is to be said than its name.
    Words(Vec<(&'static str, &'static str)>),
    /// A command, whose words are completed as that command's.
    Command,
    /// The name of a command, as a rule begins with one.
    Name,
    Directory,
    File,
    Host,
    /// The name of an environment variable.
    Variable,
}

/// What can stand behind some words.
#[derive(Debug)]
struct Place {
    /// A verb, and the operands before this one.
    behind: String,
    /// Whether the same can stand again behind it.
    again: bool,
    what: What,
}

/// Every place of operands, the verb's own first.
fn places() -> Vec<Place> {
    let mut all = Vec::new();
    put(&mut all, "", What::Words(described(VERBS)));
    for row in VERBS {
        read(&mut all, row.name, row.operands);
    }
    all
}

/// Reads what a table says of operands: `a|b WHAT`, `[a|b]...`, `COMMAND`, `[--] COMMAND...`.
fn read(all: &mut Vec<Place>, behind: &str, operands: &'static str) {
    let (operands, again) = match operands.strip_suffix("]...") {
        Some(operands) => (operands, true),
        None => (operands, false),
    };
    let plain = operands.trim_start_matches("[--] ").trim_matches(['[', ']']);
    let (first, then) = plain.split_once(' ').unwrap_or((plain, ""));
    match first {
        "" => {}
        table::COMMAND => put(all, behind, What::Command),
        "COMMAND" => put(all, behind, What::Name),
        "FILE" => put(all, behind, What::File),
        "VERB" => put(all, behind, What::Words(described(VERBS))),
        table::WORDS => {
            put(
                all,
                behind,
                What::Words(table::SANDBOX.iter().map(|(name, _, about)| (*name, *about)).collect()),
            );
            for (name, operands, _) in table::SANDBOX {
                read(all, &format!("{behind} {name}"), operands);
            }
        }
        words => {
            let words: Vec<&'static str> = words.split('|').collect();
            let what = What::Words(words.iter().map(|word| (*word, "")).collect());
            all.push(Place { behind: behind.to_owned(), again, what });
            for word in words.into_iter().filter(|_| then == "WHAT") {
                put(all, &format!("{behind} {word}"), entry(word));
            }
        }
    }
}

fn put(all: &mut Vec<Place>, behind: &str, what: What) {
    all.push(Place { behind: behind.to_owned(), again: false, what });
}

/// What an entry of a list is, by the word before it.
fn entry(kind: &str) -> What {
    match kind {
        "domain" => What::Host,
        "command" => What::Name,
        "credential-env" => What::Variable,
        _ => What::File,
    }
}

fn described(rows: &[VerbRow]) -> Vec<(&'static str, &'static str)> {
    rows.iter().map(|row| (row.name, row.about)).collect()
}

/// What an option's value is; `None` if nothing can be offered.
fn value(option: &OptionRow) -> Option<What> {
    match option.value? {
        "DIR" => Some(What::Directory),
        "PATH" => Some(What::File),
        "TEXT" => Some(What::Name),
        "EVENT" => Some(What::Words(table::EVENTS.to_vec())),
        _ => None,
    }
}

/// Whether the words behind this verb's first operand are another program's.
fn ends_options(row: &VerbRow) -> bool {
    [table::COMMAND, table::WORDS].iter().any(|words| row.operands.contains(words))
}

/// The spellings of an option.
fn spellings(row: &OptionRow) -> Vec<String> {
    row.short.map(|letter| format!("-{letter}")).into_iter().chain([format!("--{}", row.long)]).collect()
}

/// A word in single quotes, for bash and zsh.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A word with what it means behind a colon, for bash and zsh.
fn told(word: &str, about: &str) -> String {
    quoted(&if about.is_empty() { word.to_owned() } else { format!("{word}:{about}") })
}

/// What `case` matches a place by, in bash and zsh.
fn pattern(place: &Place) -> String {
    let whole = quoted(&place.behind);
    if place.again { format!("{whole} | '{} '*", place.behind) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(behind: &str) -> Option<What> {
        let mut found = places().into_iter().filter(|place| place.behind == behind).map(|place| place.what);
        let first = found.next();
        assert_eq!(found.next(), None, "{behind}");
        first
    }

    fn words(behind: &str) -> Vec<&'static str> {
        match at(behind) {
            Some(What::Words(words)) => words.into_iter().map(|(word, _)| word).collect(),
            other => panic!("{behind}: {other:?}"),
        }
    }

    #[test]
    fn operands_are_read_from_the_table() {
        assert_eq!(words("").len(), VERBS.len());
        assert_eq!(words("ask"), ["command", "read"]);
        assert_eq!(words("allow"), table::kinds("allow"));
        assert_eq!(words("preset"), table::PRESETS);
        assert!(places().iter().all(|place| place.again == (place.behind == "preset")));
        assert_eq!(words("sandbox mode"), ["auto", "regular"]);
        assert_eq!(words("sandbox deny"), ["domain", "write", "read", "command"]);
        assert_eq!(words("help"), words(""));
        for (behind, what) in [
            ("explain", What::Command),
            ("agent", What::Command),
            ("try", What::Command),
            ("exclude", What::Name),
            ("allow domain", What::Host),
            ("allow write", What::File),
            ("allow socket", What::File),
            ("deny credential-env", What::Variable),
            ("deny credential-file", What::File),
            ("ask command", What::Name),
            ("sandbox allow domain", What::Host),
            ("sandbox exclude", What::Name),
            ("sandbox why", What::Command),
            ("sandbox off-for-one", What::Command),
        ] {
            assert_eq!(at(behind), Some(what), "{behind}");
        }
        for behind in ["status", "sandbox log", "allow nothing", "deny socket"] {
            assert_eq!(at(behind), None, "{behind}");
        }
    }

    #[test]
    fn every_value_of_an_option_has_a_known_name() {
        for option in VERBS.iter().flat_map(|row| row.options) {
            let Some(name) = option.value else { continue };
            assert_eq!(value(option).is_none(), name == "NUMBER", "--{} {name}", option.long);
        }
    }
}
