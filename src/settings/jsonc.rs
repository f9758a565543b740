//! JSON with comments and trailing commas, made plain JSON without moving a byte.
//!
//! Owns the one answer to what is a comment, for reading and for editing alike, so that no two readers of a settings
//! file can disagree about what it says. Must not parse values: what comes out goes to a strict JSON parser.
//!
//! Our own scan rather than a crate's: `json-strip-comments` takes `#` for a comment, lets an unclosed `/* …` and a lone
//! `/` at the end pass, turns `[,]` into an empty list and blanks the newlines of block comments, which moves every
//! later line. It is the oracle of the tests for what both accept.

use std::borrow::Cow;

/// A text that cannot be made plain JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct JsoncError {
    /// Byte offset of the place.
    pub offset: usize,
    /// What is wrong there.
    pub what: String,
}

const UNCLOSED: &str = "this comment is never closed: '*/' is missing";
const LONE_SLASH: &str = "a lone '/': comments start with '//' or '/*'";
const HASH: &str = "'#' starts no comment here: use '//' or '/* */'";
/// Some programs end the comment there and read on, others do not: what they read must not differ from what we read.
const LONE_RETURN: &str =
    "a carriage return without a newline in a comment: where the comment ends is unclear";
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The text with comments, trailing commas and a byte order mark replaced by spaces. Lengths, offsets and newlines stay
/// as they are; a text without any of these is not copied.
///
/// # Errors
/// A comment that is not closed, a lone `/`, a `#` comment. All else that is wrong is left for the JSON parser to see.
pub fn blank(text: &str) -> Result<Cow<'_, str>, JsoncError> {
    let mut blanks = Vec::new();
    if text.starts_with(BYTE_ORDER_MARK) {
        blanks.push((0, BYTE_ORDER_MARK.len()));
    }
    find_blanks(text.as_bytes(), &mut blanks)?;
    if blanks.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = text.as_bytes().to_vec();
    for (start, end) in blanks {
        for byte in bytes.get_mut(start..end).unwrap_or_default() {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    match String::from_utf8(bytes) {
        Ok(plain) => Ok(Cow::Owned(plain)),
        Err(error) => {
            Err(JsoncError { offset: error.utf8_error().valid_up_to(), what: "not UTF-8".to_string() })
        }
    }
}

/// Collects the places that become spaces.
fn find_blanks(bytes: &[u8], blanks: &mut Vec<(usize, usize)>) -> Result<(), JsoncError> {
    let mut at = blanks.first().map_or(0, |&(_, end)| end);
    // A comma that ends a value and after which nothing but blanks and comments came so far.
    let mut comma = None;
    let mut after_value = false;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'"' => {
                at = string_end(bytes, at + 1);
                (comma, after_value) = (None, true);
            }
            b',' => {
                // `[,]` and `[1,,]` stay as they are, and wrong.
                comma = after_value.then_some(at);
                after_value = false;
                at += 1;
            }
            b'/' => {
                let end = comment_end(bytes, at)?;
                blanks.push((at, end));
                at = end;
            }
            b'#' => return Err(JsoncError { offset: at, what: HASH.to_string() }),
            b'[' | b'{' | b':' => {
                (comma, after_value) = (None, false);
                at += 1;
            }
            b']' | b'}' => {
                if let Some(comma) = comma {
                    blanks.push((comma, comma + 1));
                }
                (comma, after_value) = (None, true);
                at += 1;
            }
            _ => {
                (comma, after_value) = (None, true);
                at += 1;
            }
        }
    }
    Ok(())
}

/// The offset after the closing quote, or the end of the text.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.iter().position(|&byte| byte == b'"' || byte == b'\\') {
            Some(found) if rest.get(found) == Some(&b'"') => return at + found + 1,
            Some(found) => at += found + 2,
            None => return bytes.len(),
        }
    }
}

/// The offset after the comment that starts at `start`: the newline of a line comment is no part of it.
pub(super) fn comment_end(bytes: &[u8], start: usize) -> Result<usize, JsoncError> {
    let body = bytes.get(start + 2..).unwrap_or_default();
    match bytes.get(start + 1) {
        Some(b'/') => {
            let end =
                body.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| start + 2 + length);
            let comment = bytes.get(start..end).unwrap_or_default();
            match comment.iter().position(|&byte| byte == b'\r') {
                Some(found) if start + found + 1 < end || end == bytes.len() => {
                    Err(JsoncError { offset: start + found, what: LONE_RETURN.to_string() })
                }
                _ => Ok(end),
            }
        }
        Some(b'*') => body
            .windows(2)
            .position(|pair| pair == b"*/")
            .map(|length| start + 2 + length + 2)
            .ok_or_else(|| JsoncError { offset: start, what: UNCLOSED.to_string() }),
        _ => Err(JsoncError { offset: start, what: LONE_SLASH.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str) -> String {
        blank(text).unwrap().into_owned()
    }

    #[test]
    fn plain_json_is_not_copied() {
        for text in ["", "{}", r##"{"a": ["x // y", "/* z */", "#", "\"", ",]"], "b": 1.5e3}"##, "[1, 2]\n"] {
            assert!(matches!(blank(text), Ok(Cow::Borrowed(same)) if same == text), "{text}");
        }
    }

    #[test]
    fn comments_become_spaces_and_newlines_stay() {
        assert_eq!(plain("{ // a\n}"), "{     \n}");
        assert_eq!(plain("// a\r\n{}"), "    \r\n{}");
        assert_eq!(plain("{/* a\n b */}// c"), "{    \n     }    ");
        assert_eq!(plain("[/**/1/***/,/*/ */2]"), "[    1     ,      2]");
        assert_eq!(plain("[\"ä\" /* ä */]"), "[\"ä\"         ]");
        assert_eq!(plain("\u{feff}{}"), "   {}");
    }

    #[test]
    fn trailing_commas_become_spaces_and_no_other_commas() {
        assert_eq!(plain("[1,]"), "[1 ]");
        assert_eq!(plain("{\"a\": [\"b\" , // c\n ] ,\n}"), "{\"a\": [\"b\"       \n ]  \n}");
        for wrong in ["[,]", "{,}", "[1,,]", "{\"a\":,}", "[1,", ",", "1,"] {
            assert_eq!(plain(wrong), wrong);
        }
    }

    #[test]
    fn what_is_no_comment_is_an_error_at_its_place() {
        for (text, offset, what) in [
            ("{} /* a", 3, UNCLOSED),
            ("{} /*/", 3, UNCLOSED),
            ("{} /", 3, LONE_SLASH),
            ("{ / }", 2, LONE_SLASH),
            ("[1] // ok\n/* ok */ # no", 19, HASH),
            ("\u{feff}#", 3, HASH),
            ("{} // a\rb\n", 7, LONE_RETURN),
            ("{} // a\r", 7, LONE_RETURN),
        ] {
            assert_eq!(blank(text), Err(JsoncError { offset, what: what.to_string() }), "{text}");
        }
    }

    #[test]
    fn a_string_that_never_ends_is_left_to_the_parser() {
        for text in ["\"", "\"\\", "[\"a // b", "\"\\\""] {
            assert_eq!(plain(text), text);
        }
    }

    proptest! {
        #[test]
        fn every_text_keeps_its_length_and_lines(text in "([\\[\\]{},:/*#\"\\\\\n\r ä1]|\u{feff}|//|/\\*|\\*/){0,40}") {
            match blank(&text) {
                Ok(plain) => {
                    prop_assert_eq!(plain.len(), text.len());
                    for (new, old) in plain.bytes().zip(text.bytes()) {
                        prop_assert!(new == old || (new == b' ' && old != b'\n'));
                    }
                    prop_assert_eq!(blank(&plain).unwrap(), plain.as_ref(), "twice is once");
                }
                Err(error) => prop_assert!(matches!(text.as_bytes()[error.offset], b'/' | b'#' | b'\r')),
            }
        }

        #[test]
        fn what_both_accept_reads_as_with_the_crate(text in "([\\[\\]{},:\n 1]|\"a\"|\"//\"|// c\n|/\\* , \\*/){0,30}") {
            let ours = blank(&text).ok().and_then(|t| serde_json::from_str::<serde_json::Value>(&t).ok());
            let mut theirs = text.clone();
            let stripped = json_strip_comments::strip(&mut theirs);
            if let (Some(ours), Ok(())) = (ours, stripped) {
                prop_assert_eq!(Some(ours), serde_json::from_str(&theirs).ok());
            }
        }
    }
}
