//! Command rules: what a pattern matches is said by a second, naive reading of it; what is not known is never "no" where
//! some text in its place would be "yes"; and a rule that covers another matches all that the other does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::policy::{CommandRule, Match};
use sbsh::settings::Origin;

fn rule(text: &str) -> Option<CommandRule> {
    CommandRule::parse(text, Origin::BuiltIn("fuzz")).ok()
}

/// Literal pieces and stars, of what is left when `:*` or ` *` at the end is taken off.
fn elements(text: &str) -> (Vec<Option<char>>, bool) {
    let normal = text.split([' ', '\t']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let shorter =
        normal.strip_suffix(":*").or_else(|| normal.strip_suffix(" *").filter(|rest| !rest.is_empty()));
    let mut all = Vec::new();
    let mut rest = shorter.unwrap_or(&normal).chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' if rest.next_if_eq(&'*').is_some() => all.push(Some('*')),
            '*' => all.push(None),
            other => all.push(Some(other)),
        }
    }
    (all, shorter.is_some())
}

/// Whether the elements match the line: `ends[i]`: they do up to its i-th character.
fn naive(text: &str, line: &str) -> bool {
    let (pattern, open) = elements(text);
    let line: Vec<char> = line.chars().collect();
    let mut ends = vec![false; line.len() + 1];
    ends[0] = true;
    for element in pattern {
        let mut next = vec![false; line.len() + 1];
        match element {
            None => {
                let from = ends.iter().position(|&end| end).unwrap_or(next.len());
                next[from.min(line.len() + 1)..].fill(true);
            }
            Some(wanted) => {
                for at in 0..line.len() {
                    next[at + 1] = ends[at] && line[at] == wanted;
                }
            }
        }
        ends = next;
    }
    ends[line.len()] || open && (0..line.len()).any(|at| ends[at] && line[at] == ' ')
}

fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (pattern, line, filling, other) = input;
    if pattern.len() + line.len() + filling.len() + other.len() > 400 {
        return;
    }
    let Some(rule) = rule(pattern) else { return };
    let known = !line.contains('\0');
    let said = rule.matches(line);
    if known && !rule.is_all() {
        assert_eq!(said, if naive(pattern, line) { Match::Yes } else { Match::No }, "{pattern:?} {line:?}");
    }
    // Two stand for words of their own, which not every text is.
    if line.contains("\0\0") {
        return;
    }
    let filled = line.replace('\0', &filling.replace('\0', ""));
    if rule.matches(&filled) == Match::Yes {
        assert_ne!(said, Match::No, "{pattern:?} {line:?} as {filled:?}");
    }
    if said == Match::Yes {
        assert_eq!(rule.matches(&filled), Match::Yes, "{pattern:?} {line:?} as {filled:?}");
    }
    if let Some(wider) = self::rule(other)
        && wider.covers(&rule.samples())
        && !(filled.contains('\u{10fffe}') || other.contains('\u{10fffe}'))
        && rule.matches(&filled) == Match::Yes
    {
        assert_eq!(wider.matches(&filled), Match::Yes, "{other:?} is to cover {pattern:?}, not {filled:?}");
    }
});
