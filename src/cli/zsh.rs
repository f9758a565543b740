//! zsh's option grammar (`parseargs` and `parseopts` of its init.c, version 5.9). Pure.

use super::shell::{CommandInput, Seen};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// What one word of options said.
enum Word<'a> {
    /// Options go on with these words.
    Goes(&'a [OsString]),
    /// These are the operands.
    Ends(&'a [OsString]),
    /// zsh ends.
    Nothing,
    /// From here on letters have other meanings (`--emulate`, `SH_OPTION_LETTERS`).
    Unknown,
}

/// Reads the arguments: `-o` takes the rest of its word or the next one, `--long-option` is an option name, `-b` ends
/// the options.
pub(super) fn read(arguments: &[OsString]) -> CommandInput {
    let mut rest = arguments;
    let mut seen = Seen::default();
    while let Some((first, after)) = rest.split_first() {
        let Some((sign @ (b'-' | b'+'), letters)) = first.as_bytes().split_first() else { break };
        let on = *sign == b'-';
        let read = match letters {
            b"" | b"-" => Word::Ends(after),
            [b'-', long @ ..] => long_option(long, on, after, &mut seen),
            letters => short_options(letters, on, after, &mut seen),
        };
        match read {
            Word::Goes(words) => rest = words,
            Word::Ends(words) => return seen.input(words),
            Word::Nothing => return CommandInput::Nothing,
            Word::Unknown => return CommandInput::unknown(arguments),
        }
    }
    seen.input(rest)
}

fn long_option<'a>(name: &[u8], on: bool, rest: &'a [OsString], seen: &mut Seen) -> Word<'a> {
    match name {
        b"version" | b"help" => Word::Nothing,
        b"emulate" => Word::Unknown,
        name if named(name, on, seen) => Word::Goes(rest),
        _ => Word::Unknown,
    }
}

fn short_options<'a>(letters: &[u8], on: bool, mut rest: &'a [OsString], seen: &mut Seen) -> Word<'a> {
    let mut last = false;
    for (index, letter) in letters.iter().enumerate() {
        match letter {
            b'c' => seen.command = true,
            b's' => seen.stdin = on,
            b'i' => seen.interactive = on,
            b'b' => last = true,
            b'o' => {
                let mut name = letters.get(index + 1..).unwrap_or_default();
                if name.is_empty() {
                    let Some((next, words)) = rest.split_first() else { return Word::Nothing };
                    rest = words;
                    name = next.as_bytes();
                }
                if !named(name, on, seen) {
                    return Word::Unknown;
                }
                break;
            }
            // A dash that ends the word ends the options, any other is an error.
            b'-' if letters.len() == index + 1 => return Word::Ends(rest),
            letter if letter.is_ascii_alphanumeric() => {}
            _ => return Word::Unknown,
        }
    }
    if last { Word::Ends(rest) } else { Word::Goes(rest) }
}

/// An option by its name: case, `_` and `-` do not count, `no` in front negates. False if the grammar changes by it.
fn named(name: &[u8], on: bool, seen: &mut Seen) -> bool {
    let plain: Vec<u8> =
        name.iter().filter(|b| !matches!(b, b'_' | b'-')).map(u8::to_ascii_lowercase).collect();
    let (plain, on) = match plain.strip_prefix(b"no") {
        Some(rest) => (rest, !on),
        None => (plain.as_slice(), on),
    };
    match plain {
        b"shinstdin" | b"stdin" => seen.stdin = on,
        b"interactive" => seen.interactive = on,
        b"shoptionletters" => return false,
        _ => {}
    }
    true
}
