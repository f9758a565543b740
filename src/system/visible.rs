//! Text of unknown source made safe to show: pure, no system call. Owns the one escaping that questions, verdict
//! reasons and messages share, and hexadecimal digits. Must never drop anything: each hidden or ambiguous character becomes visible.

use std::fmt::Write;

/// The bytes in hexadecimal digits, two each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A run of at least this many blanks is shown as a count, so that it cannot push text out of sight.
const LONG_BLANK_RUN: usize = 8;

/// The bytes as text without any control, bidirectional, zero-width or otherwise invisible character.
///
/// `\` becomes `\\`, newline `\n`, tab `\t`, carriage return `\r`, escape `\e`, other bytes and characters `\x1b`
/// or `\u{202e}`; a run of eight or more blanks becomes `\{blank×N}`. As backslashes are doubled, what is shown can be
/// read in one way only.
pub fn visible(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(first) = rest.chars().next() {
            let blanks = rest.bytes().take_while(|&byte| byte == b' ').count();
            if blanks >= LONG_BLANK_RUN {
                let _ = write!(shown, "\\{{blank×{blanks}}}");
                rest = rest.get(blanks..).unwrap_or_default();
                continue;
            }
            escape(first, &mut shown);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// A text of ours in which something of unknown source may stand: without any such character, and otherwise as it is.
pub fn without_controls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => shown.push(character),
            _ => escape(character, &mut shown),
        }
    }
    shown
}

/// One character.
fn escape(character: char, shown: &mut String) {
    match character {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\t' => shown.push_str("\\t"),
        '\r' => shown.push_str("\\r"),
        '\u{1b}' => shown.push_str("\\e"),
        '\0'..='\u{1f}' | '\u{7f}' => {
            let _ = write!(shown, "\\x{:02x}", u32::from(character));
        }
        _ if is_hidden(character) => {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
        _ => shown.push(character),
    }
}

/// Whether a person could overlook the character or be misled by it: C1 controls, bidirectional marks, zero width,
/// joiners, blanks other than the ASCII one, fillers, variation selectors, tags, private use, noncharacters.
fn is_hidden(character: char) -> bool {
    matches!(
        u32::from(character),
        0x80..=0xa0
            | 0xad
            | 0x34f
            | 0x61c
            | 0x115f..=0x1160
            | 0x1680
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x2000..=0x200f
            | 0x2028..=0x202f
            | 0x205f..=0x206f
            | 0x2800
            | 0x3000
            | 0x3164
            | 0xe000..=0xf8ff
            | 0xfdd0..=0xfdef
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfffb
            | 0xfffe..=0xffff
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0000..=0x10ffff
    )
}

#[cfg(test)]
mod tests {
    use super::visible;
    use proptest::prelude::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(visible(b"git commit -m 'x y'"), "git commit -m 'x y'");
        assert_eq!(visible("grün 漢字 é".as_bytes()), "grün 漢字 é");
        assert_eq!(visible(b""), "");
    }

    #[test]
    fn hidden_characters_are_spelled_out() {
        assert_eq!(visible(b"a\x1b[2Kb\0\t\r\n\x7f"), "a\\e[2Kb\\x00\\t\\r\\n\\x7f");
        assert_eq!(
            visible("x\u{202e}y\u{2066}\u{200f}\u{200b}".as_bytes()),
            "x\\u{202e}y\\u{2066}\\u{200f}\\u{200b}"
        );
        assert_eq!(visible("\u{9b}\u{a0}\u{e0041}\u{feff}".as_bytes()), "\\u{9b}\\u{a0}\\u{e0041}\\u{feff}");
        assert_eq!(visible(b"a\xff\xc3"), "a\\xff\\xc3");
    }

    #[test]
    fn a_backslash_cannot_pretend_to_be_an_escape() {
        assert_eq!(visible(b"\\n"), "\\\\n");
        assert_eq!(visible(b"\\{blank"), "\\\\{blank");
    }

    #[test]
    fn long_blank_runs_are_counted() {
        assert_eq!(visible(format!("ls{}; rm x", " ".repeat(10_000)).as_bytes()), "ls\\{blank×10000}; rm x");
        assert_eq!(visible(b"a       b"), "a       b");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_ever_emitted(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
            for shown in [visible(&bytes), visible(text.as_bytes())] {
                let hidden = shown.chars().find(|c| c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'));
                prop_assert_eq!(hidden, None);
            }
        }

        #[test]
        fn different_bytes_look_different(
            one in proptest::collection::vec(proptest::sample::select(b" \\xnu{}0\n\xff1a".to_vec()), 0..24),
            other in proptest::collection::vec(proptest::sample::select(b" \\xnu{}0\n\xff1a".to_vec()), 0..24),
        ) {
            prop_assert_eq!(one == other, visible(&one) == visible(&other));
        }
    }
}
