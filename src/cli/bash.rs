//! bash's option grammar (`parse_long_options` and `parse_shell_options` of its shell.c, version 5.2). Pure.

use super::shell::{CommandInput, Seen};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// bash's long options without argument. They work with one dash too, and only in front of all others.
const LONG: &[&str] = &[
    "debug",
    "debugger",
    "dump-po-strings",
    "dump-strings",
    "login",
    "noediting",
    "noprofile",
    "norc",
    "posix",
    "pretty-print",
    "protected",
    "restricted",
    "verbose",
    "wordexp",
];
/// bash's long options with an argument, which is always the next word.
const LONG_WITH_ARGUMENT: &[&str] = &["init-file", "rcfile"];
/// bash's long options that print something and end.
const LONG_THAT_ENDS: &[&str] = &["help", "version"];

/// The letters without a meaning here.
const LETTERS: &[u8] = b"abefhklmnprtuvxBCDEHPT";

/// Reads the arguments.
pub(super) fn read(arguments: &[OsString]) -> CommandInput {
    let mut rest = match long_options(arguments) {
        Ok(rest) => rest,
        Err(input) => return input,
    };
    let mut seen = Seen::default();
    while let Some((first, after)) = rest.split_first() {
        let word = first.as_bytes();
        if word == b"-" || word == b"--" {
            rest = after;
            break;
        }
        let Some((b'-' | b'+', letters)) = word.split_first() else { break };
        rest = after;
        for letter in letters {
            match letter {
                b'c' => seen.command = true,
                b's' => seen.stdin = true,
                // `+i` is an error of the inner shell.
                b'i' => seen.interactive = true,
                // The name is the next word, not the rest of this one; without one the shell lists and goes on.
                b'o' | b'O' => rest = rest.split_first().map_or(rest, |(_, names)| names),
                known if LETTERS.contains(known) => {}
                _ => return CommandInput::unknown(arguments),
            }
        }
    }
    seen.input(rest)
}

/// What follows bash's long options, or what they mean by themselves.
fn long_options(arguments: &[OsString]) -> Result<&[OsString], CommandInput> {
    let mut rest = arguments;
    let mut ends = false;
    while let Some((first, after)) = rest.split_first() {
        let word = first.as_bytes();
        let Some(name) = word.strip_prefix(b"-") else { break };
        let (long, name) = match name.strip_prefix(b"-") {
            Some(name) if !name.is_empty() => (true, name),
            _ => (false, name),
        };
        let is_in = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
        if is_in(LONG) {
            rest = after;
        } else if is_in(LONG_WITH_ARGUMENT) {
            rest = after.split_first().ok_or(CommandInput::Nothing)?.1;
        } else if is_in(LONG_THAT_ENDS) {
            ends = true;
            rest = after;
        } else if long {
            // Another version may know it.
            return Err(CommandInput::unknown(arguments));
        } else {
            break;
        }
    }
    if ends { Err(CommandInput::Nothing) } else { Ok(rest) }
}
