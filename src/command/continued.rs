//! Lines that continue within an operator. Pure; looks at bytes alone, so it may find one in quotes that is none.

/// Whether a backslash and a newline, which shells take out before they look for operators, stand where that makes one:
/// `"$\⏎(x)"` is a substitution, and `<<\⏎-E` another here-document than `<<E`. Nobody writes so, and here it would be two.
pub(super) fn splits_an_operator(text: &[u8]) -> bool {
    let continues = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(b"\\\n"));
    let mut at = 0;
    while at < text.len() {
        if !continues(at) {
            at += 1;
            continue;
        }
        let before =
            |back: usize| at.checked_sub(back).and_then(|place| text.get(place)).copied().unwrap_or(0);
        let (last, one_before) = (before(1), before(2));
        while continues(at) {
            at += 2;
        }
        let splits = match (last, text.get(at).copied().unwrap_or(0)) {
            (b'$' | b'@', _) => true,
            (b'{', _) => one_before == b'$',
            (b'<' | b'>', next) => b"<>(&|-".contains(&next),
            (b'(', b'(') | (b')', b')') | (b'+', b'=') => true,
            (b'&', b'&' | b'>') | (b'|', b'|' | b'&') | (b';', b';' | b'&') => true,
            (name, b'=' | b'+' | b'[' | b'(') => name.is_ascii_alphanumeric() || b"_]".contains(&name),
            _ => false,
        };
        if splits {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_found_and_what_people_write_is_not() {
        for text in [
            "echo \"$\\\n(x)\"",
            "<<\\\n-E",
            "(\\\n\\\n(1))",
            "A\\\n=1 x",
            "${x@\\\nP}",
            "${\\\nx}",
            "a[1]\\\n=2",
            "f\\\n()",
        ] {
            assert!(splits_an_operator(text.as_bytes()), "{text}");
        }
        for text in [
            "a \\\n b",
            "a &&\\\nb",
            "a |\\\n  b",
            "x=$(\\\n  a\\\n)",
            "{\\\na; }",
            "wh\\\nile",
            "a \\\n--x=1",
            "a \\\n(b)",
            "\\\n",
            "$\\\\\n(a)",
            "for x in a; do\\\nb; done",
        ] {
            assert!(!splits_an_operator(text.as_bytes()), "{text}");
        }
    }
}
