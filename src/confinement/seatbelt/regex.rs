//! Regular expressions as Seatbelt reads them, from literal text. Pure.
//!
//! Owns quoting and comparing without regard to case. Seatbelt's expressions are a small dialect that nobody documents:
//! what is written here keeps to `^` at the start, `$` at the end, groups with `|`, brackets, `*`, `+` and `?`. There is
//! no flag for case (`(?i)` makes sandbox-exec reject the whole profile), and `.` may not match a newline, so neither
//! is used. `(/|$)` at the end is what Apple's own profiles write. Must not know what an expression is for.

use std::collections::BTreeSet;

/// Signs that mean something outside of brackets.
const SIGNS: &[u8] = b"\\^$.|?*+()[]{}";

/// Everything beyond ASCII: one byte of it, or one character where the matcher reads characters.
const BEYOND_ASCII: &[u8] = b"[^\x01-\x7f]";

/// Whether text is compared with or without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// As it is: what is opened.
    Exact,
    /// Either: what is closed. macOS's usual file system takes both for the same name.
    Either,
}

/// The expression of literal bytes.
pub fn literal(bytes: &[u8], case: Case, out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            one(character, case, out);
        }
        // No text, so no case either. APFS has no such names, others have.
        chunk.invalid().iter().for_each(|byte| out.push(*byte));
    }
}

/// The expression of one character.
pub fn one(character: char, case: Case, out: &mut Vec<u8>) {
    let spellings = match case {
        Case::Exact => BTreeSet::from([character]),
        Case::Either => spellings(character),
    };
    if let [only] = Vec::from_iter(&spellings).as_slice() {
        return quoted(**only, out);
    }
    if spellings.iter().all(char::is_ascii) {
        out.push(b'[');
        spellings.iter().for_each(|spelling| quoted(*spelling, out));
        out.push(b']');
        return;
    }
    // Not in brackets: a matcher that reads bytes would take them apart.
    out.push(b'(');
    for (index, spelling) in spellings.iter().enumerate() {
        if index > 0 {
            out.push(b'|');
        }
        quoted(*spelling, out);
    }
    out.push(b')');
}

fn quoted(character: char, out: &mut Vec<u8>) {
    if u8::try_from(character).is_ok_and(|byte| SIGNS.contains(&byte)) {
        out.push(b'\\');
    }
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What the file system may take for the same letter. It folds by Unicode: the Kelvin sign is a `k` to it and the long
/// s an `s`, so `hoo\u{212a}s` would be `hooks`.
fn spellings(character: char) -> BTreeSet<char> {
    let mut all = BTreeSet::from([character]);
    let single = |mut folded: Box<dyn Iterator<Item = char>>| match (folded.next(), folded.next()) {
        (Some(letter), None) => Some(letter),
        _ => None,
    };
    all.extend(single(Box::new(character.to_lowercase())));
    all.extend(single(Box::new(character.to_uppercase())));
    match character {
        'k' | 'K' | '\u{212a}' => all.extend(['k', 'K', '\u{212a}']),
        's' | 'S' | '\u{17f}' => all.extend(['s', 'S', '\u{17f}']),
        _ => {}
    }
    all
}

/// One byte of a set that never holds `/`; `None` if nothing of it can be said. With [`Case::Either`] a set with bytes
/// beyond ASCII matches more than it says; with [`Case::Exact`], less. A set of what is not meant is left as it is: it
/// would come to hold what it leaves out; opened, it leaves out the other case too.
pub fn set(of: &[bool; 256], negated: bool, case: Case) -> Option<Vec<u8>> {
    let holds = |byte: u8| of.get(usize::from(byte)).is_some_and(|held| *held);
    // What is opened but for a letter is not opened by its other case, which is the same file.
    let opens_all_but = case == Case::Exact && negated;
    let is_left_out = |byte: u8| !holds(byte.to_ascii_lowercase()) || !holds(byte.to_ascii_uppercase());
    let has = |byte: u8| {
        let folded = case == Case::Either
            && !negated
            && (holds(byte.to_ascii_lowercase()) || holds(byte.to_ascii_uppercase()));
        byte != b'/' && (holds(byte) || folded) && !(opens_all_but && is_left_out(byte))
    };
    let beyond = (128..=255).filter(|byte| has(*byte)).count();
    let mut brackets: Vec<u8> = Vec::new();
    let mut others: Vec<Vec<u8>> = Vec::new();
    let mut from = 1;
    while from < 128u8 {
        if !has(from) {
            from += 1;
            continue;
        }
        let mut to = from;
        while to < 127 && has(to + 1) {
            to += 1;
        }
        range(from, to, &mut brackets, &mut others);
        from = to + 1;
    }
    if !brackets.is_empty() {
        others.push([b"[".as_slice(), &brackets, b"]"].concat());
    }
    // Beyond ASCII there are other spellings of these two.
    let hides_one = opens_all_but && (is_left_out(b'k') || is_left_out(b's'));
    if beyond == 128 && !hides_one || (beyond > 0 && case == Case::Either) {
        others.push(BEYOND_ASCII.to_vec());
    }
    match others.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        all => Some([b"(".as_slice(), &all.join(b"|".as_slice()), b")"].concat()),
    }
}

/// A range for brackets whose ends are plain; signs at its ends stand beside the brackets, because nobody says what a
/// backslash means in them.
fn range(mut from: u8, mut to: u8, brackets: &mut Vec<u8>, others: &mut Vec<Vec<u8>>) {
    let is_plain = |byte: u8| !SIGNS.contains(&byte) && byte != b'-';
    let mut beside = |byte: u8| {
        let mut sign = Vec::new();
        quoted(char::from(byte), &mut sign);
        others.push(sign);
    };
    while from <= to && !is_plain(from) {
        beside(from);
        from += 1;
    }
    while from <= to && !is_plain(to) {
        beside(to);
        to -= 1;
    }
    match to.checked_sub(from) {
        None => {}
        Some(0) => brackets.push(from),
        Some(1) => brackets.extend([from, to]),
        Some(_) => brackets.extend([from, b'-', to]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, case: Case) -> String {
        let mut out = Vec::new();
        literal(text.as_bytes(), case, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn signs_are_quoted_and_letters_come_in_both_cases() {
        assert_eq!(of("/a.b(c)[d]{e}*", Case::Exact), r"/a\.b\(c\)\[d\]\{e\}\*");
        assert_eq!(of(".Git", Case::Either), r"\.[Gg][Ii][Tt]");
        assert_eq!(of("ks1", Case::Either), "(K|k|\u{212a})(S|s|\u{17f})1");
        assert_eq!(of("é", Case::Either), "(É|é)");
        assert_eq!(of("ß\n\"", Case::Either), "ß\n\"");
    }

    #[test]
    fn sets_keep_signs_out_of_brackets() {
        let of = |bytes: &[u8], case| {
            let mut held = [false; 256];
            bytes.iter().for_each(|b| held[usize::from(*b)] = true);
            set(&held, false, case).map(|s| String::from_utf8(s).unwrap())
        };
        assert_eq!(of(b"abc1", Case::Exact).unwrap(), "[1a-c]");
        assert_eq!(of(b"ab", Case::Either).unwrap(), "[ABab]");
        assert_eq!(of(b"]^-\\", Case::Exact).unwrap(), r"(-|\\|\]|\^)");
        assert_eq!(of(b"/", Case::Exact), None);
        assert_eq!(of(b"\xc3\xa9", Case::Exact), None);
        assert_eq!(of(b"\xc3\xa9", Case::Either).unwrap(), "[^\u{1}-\u{7f}]");
    }
}
