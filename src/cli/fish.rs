//! fish's option grammar (`fish_parse_opt` of its fish.cpp, getopt_long's rules). Pure.
//!
//! `-c` takes its own argument and may come more than once; `-C` is executed before whatever comes; all in order.

use super::shell::{CommandInput, Seen};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// fish's long options, and whether they take an argument (getopt_long's rules: unique prefixes, `=`, next word).
const FISH_LONG: &[(&str, u8)] = &[
    ("command", b'c'),
    ("init-command", b'C'),
    ("features", b'f'),
    ("debug", b'd'),
    ("debug-output", b'o'),
    ("debug-stack-frames", b'D'),
    ("interactive", b'i'),
    ("login", b'l'),
    ("no-config", b'N'),
    ("no-execute", b'n'),
    ("print-rusage-self", 0),
    ("print-debug-categories", b'v'),
    ("profile", b'p'),
    ("profile-startup", b'p'),
    ("private", b'P'),
    ("help", b'h'),
    ("version", b'v'),
];
/// fish's short options with an argument: the rest of the word, or the next one.
const FISH_WITH_ARGUMENT: &[u8] = b"cCpdfDo";

/// Reads the arguments.
pub(super) fn read(arguments: &[OsString]) -> CommandInput {
    let mut rest = arguments;
    let mut texts: Vec<&[u8]> = Vec::new();
    let mut seen = Seen::default();
    while let Some((first, after)) = rest.split_first() {
        let word = first.as_bytes();
        let Some(letters) = word.strip_prefix(b"-") else { break };
        if letters.is_empty() {
            break;
        }
        rest = after;
        if letters == b"-" {
            break;
        }
        let (mut letters, mut value) = match letters.strip_prefix(b"-") {
            Some(long) => match fish_long(long) {
                Some((letter, value)) => (vec![letter], value),
                None => return CommandInput::unknown(arguments),
            },
            None => (letters.to_vec(), None),
        };
        letters.reverse();
        while let Some(letter) = letters.pop() {
            if FISH_WITH_ARGUMENT.contains(&letter) {
                let attached = word.get(word.len().saturating_sub(letters.len())..).unwrap_or_default();
                let argument = match value.take() {
                    Some(value) => value,
                    None if !attached.is_empty() => attached,
                    None => {
                        let Some((next, others)) = rest.split_first() else { return CommandInput::Nothing };
                        rest = others;
                        next.as_bytes()
                    }
                };
                if matches!(letter, b'c' | b'C') {
                    texts.push(argument);
                }
                seen.command |= letter == b'c';
                break;
            }
            match letter {
                b'i' => seen.interactive = true,
                b'h' | b'v' => return CommandInput::Nothing,
                0 | b'l' | b'N' | b'n' | b'P' => {}
                _ => return CommandInput::unknown(arguments),
            }
        }
    }
    match texts.as_slice() {
        [] => seen.input(rest),
        [text] if seen.command => CommandInput::Text {
            text: OsStr::from_bytes(text).to_owned(),
            name: rest.first().cloned(),
            interactive: seen.interactive,
        },
        // Each is parsed by itself, so they must not be joined: a quote left open in one would hide the next.
        _ => CommandInput::Unknown {
            texts: texts.iter().map(|text| OsStr::from_bytes(text).to_owned()).collect(),
        },
    }
}

/// The short letter of one of fish's long options and what stands behind its `=`.
fn fish_long(word: &[u8]) -> Option<(u8, Option<&[u8]>)> {
    let split = word.iter().position(|&byte| byte == b'=');
    let name = word.get(..split.unwrap_or(word.len()))?;
    let value = split.and_then(|at| word.get(at + 1..));
    let exact = FISH_LONG.iter().find(|(known, _)| known.as_bytes() == name);
    let mut starting = FISH_LONG.iter().filter(|(known, _)| known.as_bytes().starts_with(name));
    let (_, letter) = match exact {
        Some(found) => found,
        None => match (starting.next(), starting.next()) {
            (Some(found), None) => found,
            _ => return None,
        },
    };
    Some((*letter, value))
}
