//! Bytes of a terminal as keys. Pure. What is no known key is one that means nothing.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// To the first.
    Home,
    /// To the last.
    End,
    /// Return or newline.
    Enter,
    /// Esc alone.
    Escape,
    /// Ctrl-C or Ctrl-D.
    Interrupt,
    /// Takes one character back.
    Backspace,
    /// Ctrl-U.
    Clear,
    /// A character.
    Text(char),
    /// Anything else.
    Other,
}

/// Whether the bytes end within a key: an escape that more may follow.
pub fn is_half(bytes: &[u8]) -> bool {
    match bytes.iter().rposition(|byte| *byte == 0x1b).and_then(|at| bytes.get(at + 1..)) {
        None => false,
        Some([] | [b'['] | [b'O']) => true,
        Some([b'[', rest @ ..]) => rest.iter().all(|byte| matches!(byte, 0x20..=0x3f)),
        Some(_) => false,
    }
}

/// The keys, in their order.
pub fn read(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        let (key, rest) = match *first {
            0x1b => escape(rest),
            b'\r' | b'\n' => (Key::Enter, rest),
            0x03 | 0x04 => (Key::Interrupt, rest),
            0x08 | 0x7f => (Key::Backspace, rest),
            0x15 => (Key::Clear, rest),
            0x00..0x20 => (Key::Other, rest),
            _ => character(bytes),
        };
        keys.push(key);
        bytes = rest;
    }
    keys
}

/// What follows an escape.
fn escape(rest: &[u8]) -> (Key, &[u8]) {
    match rest {
        [] => (Key::Escape, rest),
        [b'O', last, rest @ ..] => (named(&[], *last), rest),
        [b'[', rest @ ..] => {
            let length = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
            let (parameters, rest) = rest.split_at(length);
            match rest.split_first() {
                Some((last, rest)) => (named(parameters, *last), rest),
                None => (Key::Other, rest),
            }
        }
        // Two escapes are two keys; with a character behind it, it is Alt.
        [0x1b, ..] => (Key::Escape, rest),
        [_, rest @ ..] => (Key::Other, rest),
    }
}

fn named(parameters: &[u8], last: u8) -> Key {
    match (parameters, last) {
        ([], b'A') => Key::Up,
        ([], b'B') => Key::Down,
        ([], b'H') | (b"1" | b"7", b'~') => Key::Home,
        ([], b'F') | (b"4" | b"8", b'~') => Key::End,
        (b"5", b'~') => Key::PageUp,
        (b"6", b'~') => Key::PageDown,
        _ => Key::Other,
    }
}

/// The character at the beginning.
fn character(bytes: &[u8]) -> (Key, &[u8]) {
    let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    match valid.chars().next() {
        Some(first) => (Key::Text(first), bytes.get(first.len_utf8()..).unwrap_or_default()),
        None => (Key::Other, bytes.get(1..).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Key::*;
    use proptest::prelude::*;

    #[test]
    fn keys_of_usual_terminals_are_known() {
        for (bytes, keys) in [
            (b"\x1b[A\x1b[B".as_slice(), vec![Up, Down]),
            (b"\x1bOA\x1bOB", vec![Up, Down]),
            (b"\x1b[5~\x1b[6~\x1b[H\x1b[4~", vec![PageUp, PageDown, Home, End]),
            (b"\x1b", vec![Escape]),
            (b"\x1b\x1b", vec![Escape, Escape]),
            (b"\x1bq", vec![Other]),
            (b"\x1b[1;5A", vec![Other]),
            (b"2\rq", vec![Text('2'), Enter, Text('q')]),
            (b"\x03", vec![Interrupt]),
            (b"\x7f\x15", vec![Backspace, Clear]),
            ("ä漢\u{9b}".as_bytes(), vec![Text('ä'), Text('漢'), Text('\u{9b}')]),
            (b"\xffa", vec![Other, Text('a')]),
        ] {
            assert_eq!(read(bytes), keys, "{bytes:?}");
        }
    }

    #[test]
    fn a_cut_key_waits_for_its_rest() {
        for half in [b"\x1b".as_slice(), b"\x1b[", b"\x1bO", b"\x1b[5", b"\x1b[B\x1b[1;"] {
            assert!(is_half(half), "{half:?}");
        }
        for whole in [b"".as_slice(), b"a", b"\x1b[A", b"\x1bOA", b"\x1bq", b"\x1b[5~"] {
            assert!(!is_half(whole), "{whole:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(read(&bytes).len() <= bytes.len());
        }
    }
}
