//! Command text in a one-line reason: nothing invisible, nothing that turns the line around, not too long.

/// Longer texts lose their middle.
const LONGEST: usize = 240;

/// The text with control, bidirectional and invisible characters spelled out. NUL stands for text that only the shell
/// knows and becomes `…`.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0' if shown.ends_with('…') => {}
            '\0' => shown.push('…'),
            c if hides(c) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown
}

fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text without its middle if it is very long, and how much that was. Only for reasons: a question shows all.
pub fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return text.to_owned();
    }
    let half = LONGEST / 2;
    let start: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{start} … ({} characters) … {end}", count - 2 * half)
}
