//! What a shell is given: the text behind `-c`, what it is fed with; and what `eval`, `trap`, `watch` make a text of.

use super::{DEEPEST, Layers, abbreviates, if_word, text, value_word, word_of, words};
use crate::command::options::{Inner, Wrapper};
use crate::command::{ANYTHING, Word};

/// A shell and the like: the text behind `-c`; for `eval`, `watch`, `trap` the operands.
pub(super) fn text_of(wrapper: &Wrapper, arguments: &[Word], depth: u32, layers: &mut Layers) {
    match wrapper.name {
        "eval" => return text(&joined(after_dashes(arguments)), depth + 1, layers),
        "trap" => {
            let action = after_dashes(arguments).first().filter(|a| !a.shape().starts_with('-'));
            return if_word(action, depth, layers);
        }
        _ => {}
    }
    let reads_otherwise = match wrapper.name {
        // There `\'` stands for a quote within quotes.
        "fish" => arguments.iter().any(|word| word.shape().contains("\\'")),
        // As long as it is interactive, `#` begins no comment there.
        "zsh" | "rzsh" => {
            arguments.iter().any(|word| word.shape().contains('#')) && arguments.iter().any(interactive)
        }
        _ => false,
    };
    if reads_otherwise {
        layers.opaque("a text that this shell reads otherwise");
    }
    let (shell, fish) = (wrapper.inner == Inner::Shell, wrapper.name == "fish");
    let mut after_c = false;
    let mut operands = 0;
    // Options like `-o` whose values have not come yet: `bash -c -o posix TEXT`, `bash -oc posix TEXT`.
    let mut values = 0;
    let mut file = None;
    let mut input = false;
    for (index, word) in arguments.iter().enumerate() {
        let shape = word.shape();
        let option = shape.starts_with('-') || shell && shape.starts_with('+');
        if after_c && !shape.starts_with(['-', '+']) {
            text(word, depth + 1, layers);
            if values > 0 {
                values -= 1;
            } else if fish {
                // `-C TEXT -c TEXT`
                after_c = false;
            } else {
                return;
            }
            continue;
        }
        if word.literal().is_none() && shape.starts_with(ANYTHING) {
            if word.shown().starts_with("<(") {
                layers.opaque(FED);
            }
            return layers.add(ANYTHING.to_string());
        }
        let (name, value) = shape.split_once('=').unwrap_or((shape, ""));
        let long = ["--command", "--session-command", "--init-command"].iter().any(|l| abbreviates(name, l));
        if long && !value.is_empty() {
            text(&value_word(word, value), depth + 1, layers);
            if fish {
                continue;
            }
            return;
        }
        let letters =
            if option && !shape.starts_with("--") { shape.get(1..).unwrap_or_default() } else { "" };
        if shell {
            values += letters.matches(['o', 'O']).count();
            values += usize::from(matches!(shape, "--rcfile" | "--init-file"));
            input |= letters.contains('s');
        }
        // In `-$x` there may be a `c`.
        let bundled = letters.contains('c') || letters.contains(ANYTHING) || fish && letters.contains('C');
        if bundled || long {
            after_c = true;
            // `script -c'text'`, `su -c'text'`
            if let Some((_, value)) = letters.split_once(['c', 'C']).filter(|(_, value)| value.len() > 3) {
                text(&value_word(word, value), depth + 1, layers);
            }
            continue;
        }
        if !option {
            if shell && values > 0 {
                values -= 1;
                continue;
            }
            operands += 1;
            file = file.or(Some(shape));
        }
        // An unknown option may have taken the first ones as its value.
        if operands > 3 {
            continue;
        }
        operand(wrapper, index, arguments, depth, layers);
    }
    let told = ["--version", "--help"].iter().any(|told| arguments.iter().any(|a| a.shape() == *told));
    let starts_one = matches!(wrapper.name, "script" | "su" | "runuser");
    let fed = match file {
        _ if starts_one => layers.fed && !told,
        Some(file) if !input => file.starts_with("/dev/") || file.starts_with("/proc/"),
        _ => layers.fed && !told,
    };
    if (shell || starts_one) && fed {
        layers.opaque(FED);
    }
}

/// What a file holds is not judged; what the line itself feeds to a shell is no file.
const FED: &str = "commands that a shell reads from what the line feeds it";

fn interactive(word: &Word) -> bool {
    let shape = word.shape();
    shape == "--interactive" || shape.starts_with('-') && !shape.starts_with("--") && shape.contains('i')
}

/// What `watch`, `su` and their like make of an operand.
fn operand(wrapper: &Wrapper, index: usize, arguments: &[Word], depth: u32, layers: &mut Layers) {
    let Some(word) = arguments.get(index) else { return };
    let behind = arguments.get(index..).unwrap_or_default();
    match wrapper.name {
        "watch" | "hyperfine" if !word.shape().starts_with('-') => {
            text(&joined(behind), depth + 1, layers);
            words(behind, depth + 1, layers);
            for word in behind {
                if word.shape().contains(' ') {
                    text(word, depth + 1, layers);
                }
            }
        }
        "su" | "runuser" | "script" => words(behind, (depth + 1).max(DEEPEST - 3), layers),
        "sg" => text(word, depth + 1, layers),
        _ => {}
    }
}

fn joined(words: &[Word]) -> Word {
    let unknown = words.iter().any(|w| w.literal().is_none());
    let all: Vec<&str> = words.iter().map(Word::shape).collect();
    if unknown { word_of(&format!("{ANYTHING}{}", all.join(" "))) } else { Word::Literal(all.join(" ")) }
}

/// The operands behind a leading `--`.
fn after_dashes(arguments: &[Word]) -> &[Word] {
    match arguments.split_first() {
        Some((first, rest)) if first.shape() == "--" => rest,
        _ => arguments,
    }
}
