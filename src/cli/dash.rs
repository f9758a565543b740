//! dash's option grammar (`procargs` and `options` of its options.c, version 0.5.12). Pure.

use super::shell::{CommandInput, Seen};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// The letters without a meaning here.
const LETTERS: &[u8] = b"abCeEfIlmnpquvVx";

/// Reads the arguments.
pub(super) fn read(arguments: &[OsString]) -> CommandInput {
    let mut rest = arguments;
    let mut seen = Seen::default();
    while let Some((first, after)) = rest.split_first() {
        let Some((sign @ (b'-' | b'+'), letters)) = first.as_bytes().split_first() else { break };
        rest = after;
        let on = *sign == b'-';
        if on && (letters.is_empty() || letters == b"-") {
            break;
        }
        for letter in letters {
            match letter {
                b'c' => seen.command = true,
                b's' => seen.stdin = on,
                b'i' => seen.interactive = on,
                b'o' => {
                    let Some((name, names)) = rest.split_first() else { continue };
                    rest = names;
                    match name.as_bytes() {
                        b"stdin" => seen.stdin = on,
                        b"interactive" => seen.interactive = on,
                        _ => {}
                    }
                }
                known if LETTERS.contains(known) => {}
                _ => return CommandInput::unknown(arguments),
            }
        }
    }
    match rest.first() {
        // dash goes on with standard input when the text has been executed.
        Some(text) if seen.command && seen.stdin => CommandInput::Unknown { texts: vec![text.clone()] },
        _ => seen.input(rest),
    }
}
