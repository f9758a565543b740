//! Makes text safe to show on the person's terminal. Pure. Owns what may stand in a prompt, a notice, a menu and the line
//! itself; nothing here knows where a text comes from.

use crate::system::visible::visible;

/// A character that moves the cursor, starts a sequence or turns the direction of what follows.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// Text with SGR colours (only if `colours`) and line ends, and nothing else that is no plain text.
pub(super) fn styled(text: &str, colours: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\u{1b}' => {
                let length = sequence(rest);
                if colours && let Some(sgr) = rest.get(..length).filter(|sequence| is_sgr(sequence)) {
                    clean.push_str(sgr);
                }
                length
            }
            '\n' => {
                clean.push('\n');
                1
            }
            '\t' => {
                clean.push(' ');
                1
            }
            _ => {
                if !is_unsafe(first) {
                    clean.push(first);
                }
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    clean
}

/// The length of the escape sequence that begins here.
fn sequence(text: &str) -> usize {
    let bytes = text.as_bytes();
    let until = |from: usize, ends: fn(&u8) -> bool| {
        bytes.iter().skip(from).position(ends).map_or(bytes.len(), |at| from + at + 1)
    };
    match bytes.get(1) {
        Some(b'[') => until(2, |byte| (0x40..=0x7e).contains(byte)),
        // Strings end with BEL or with `ESC \`, whose backslash is dropped as a sequence of its own.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = until(2, |byte| matches!(byte, 0x07 | 0x1b));
            match bytes.get(end - 1..=end) {
                Some(b"\x1b\\") => end + 1,
                _ => end,
            }
        }
        Some(byte) if byte.is_ascii() => 2,
        _ => 1,
    }
}

fn is_sgr(sequence: &str) -> bool {
    let inside = sequence.strip_prefix("\u{1b}[").and_then(|rest| rest.strip_suffix('m'));
    inside.is_some_and(|inside| inside.bytes().all(|byte| byte.is_ascii_digit() || b";:".contains(&byte)))
}

/// Text in one line, with each unsafe character spelled out.
pub(super) fn spelled(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            clean.push_str(&visible(character.encode_utf8(&mut [0; 4]).as_bytes()));
        } else {
            clean.push(character);
        }
    }
    clean
}

/// Text with something harmless of the same length in the place of each unsafe character but line ends: in the line,
/// bytes stand for places.
pub(super) fn same_length(text: &str) -> String {
    let stand_in = |character: char| match (character, character.len_utf8()) {
        ('\n', _) => '\n',
        ('\t', _) => ' ',
        (_, 1) => '?',
        (_, 2) => '¿',
        _ => '\u{fffd}',
    };
    text.chars().map(|c| if is_unsafe(c) { stand_in(c) } else { c }).collect()
}

/// Text that was pasted: line ends as the shell has them, no other control characters, and no line end at its end, so
/// that the cursor stays behind what was pasted.
pub(super) fn pasted(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_and_text_are_left() {
        let all = "\u{1b}[1;32mgreen\u{1b}[0m\n\u{1b}]0;title\u{7}\u{1b}]8;;x\u{1b}\\a\u{1b}[2J\u{1b}cb\u{9b}31m\t\u{202e}漢";
        assert_eq!(styled(all, true), "\u{1b}[1;32mgreen\u{1b}[0m\nab31m 漢");
        assert_eq!(styled(all, false), "green\nab31m 漢");
        for cut in ["\u{1b}", "\u{1b}[", "\u{1b}[3", "\u{1b}]0;x", "\u{1b}]0;x\u{1b}", "\u{1b}é"] {
            assert!(!styled(cut, true).contains('\u{1b}'), "{cut:?}");
        }
    }

    #[test]
    fn the_line_keeps_its_length() {
        let text = "a\u{1b}[2J\u{9b}\u{202e}\t\nb👩‍💻漢";
        let clean = same_length(text);
        assert_eq!(clean, "a?[2J¿\u{fffd} \nb👩‍💻漢");
        assert_eq!(clean.len(), text.len());
    }

    #[test]
    fn unsafe_characters_are_spelled_out_in_menus() {
        assert_eq!(spelled("a\u{1b}[2J\nb\\ c\u{202e}漢"), "a\\e[2J\\nb\\ c\\u{202e}漢");
    }

    #[test]
    fn a_paste_has_plain_line_ends_and_none_at_its_end() {
        assert_eq!(pasted("a\r\nb\rc\td\u{1b}[201~\r\n"), "a\nb\nc\td[201~");
        assert_eq!(pasted("a\n\n"), "a\n");
    }
}
