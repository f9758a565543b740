//! What an allow rule is matched against.
//!
//! Owns the narrow unwrapping. Must see through nothing that could change which program runs.

use super::options::{Inner, wrapper_named};
use super::wrappers::{Line, line, takes_value};
use super::{SimpleCommand, Word, hidden};

/// What an allow rule may see through: nothing but `timeout`, `time`, `nice`, `nohup`, `stdbuf` and harmless variables.
/// `None` if there is more than that, or a word that makes the program unknown.
pub fn allowed_line(command: &SimpleCommand) -> Option<Line> {
    let known = hidden::reason(command).is_none() && !command.shadowed;
    if !known || !command.assignments.iter().all(|(name, value)| harmless(name, value)) {
        return None;
    }
    let mut words = command.words.as_slice();
    while let Some((name, rest)) = words.split_first() {
        let name = name.literal()?;
        if name.contains([' ', '\t', '\n']) {
            return None;
        }
        if !matches!(name, "timeout" | "time" | "nice" | "nohup" | "stdbuf") {
            break;
        }
        let wrapper = wrapper_named(name)?;
        let mut index = 0;
        while let Some(option) = rest.get(index).and_then(Word::literal).filter(|o| o.starts_with('-')) {
            let plain = matches!(option, "--preserve-status" | "--foreground" | "-v" | "--verbose" | "-p");
            index += match takes_value(wrapper, option) {
                // `time -o FILE` writes a file.
                _ if name == "time" && !plain => return None,
                Some(true) => 2,
                Some(false) => 1,
                None if plain => 1,
                None => return None,
            };
        }
        if let Inner::After(count) = wrapper.inner {
            index += count;
        }
        words = rest.get(index..).filter(|w| !w.is_empty())?;
    }
    if words.is_empty() && !command.words.is_empty() {
        return None;
    }
    Some(line(words))
}

/// A variable that chooses language, colour, terminal or the like, with a plain value.
pub(super) fn harmless(name: &str, value: &Word) -> bool {
    const NAMES: &[&str] = &[
        "LANG",
        "LANGUAGE",
        "NO_COLOR",
        "FORCE_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "TERM",
        "COLORTERM",
        "CI",
        "COLUMNS",
        "LINES",
        "TZ",
    ];
    let plain = value
        .literal()
        .is_some_and(|v| v.chars().all(|c| c.is_ascii_alphanumeric() || "._-@:,+".contains(c)));
    plain && (NAMES.contains(&name) || name.starts_with("LC_"))
}
