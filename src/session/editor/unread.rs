//! Keys that reedline has read and nobody has dealt with, as the terminal sent them. Owns the bytes of keys; a key that
//! has none here is dropped.

use super::shared::Ahead;
use crossterm::event::{Event, KeyEvent, KeyEventKind};
use reedline::{KeyCode, KeyModifiers};
use std::time::Duration;

/// All that crossterm has read.
pub(super) fn events() -> Vec<u8> {
    let mut bytes = Vec::new();
    while crossterm::event::poll(Duration::ZERO).unwrap_or(false) {
        match crossterm::event::read() {
            Ok(Event::Key(pressed)) if pressed.kind != KeyEventKind::Release => {
                bytes.extend_from_slice(&key(pressed));
            }
            Ok(Event::Paste(text)) => bytes.extend_from_slice(text.as_bytes()),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    bytes
}

/// What was typed behind a line.
pub(super) fn ahead(key: &Ahead) -> &[u8] {
    match key {
        Ahead::Text(text) => text.as_bytes(),
        Ahead::Backspace => b"\x7f",
        Ahead::Enter => b"\r",
        Ahead::Interrupt => b"\x03",
        Ahead::End => b"\x04",
    }
}

/// The bytes of a key.
fn key(key: KeyEvent) -> Vec<u8> {
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let number = 1 + u8::from(shift) + 2 * u8::from(alt) + 4 * u8::from(control);
    let sequence = |end: char| match number {
        1 => format!("\x1b[{end}"),
        _ => format!("\x1b[1;{number}{end}"),
    };
    let numbered = |which: u8| match number {
        1 => format!("\x1b[{which}~"),
        _ => format!("\x1b[{which};{number}~"),
    };
    let text = match key.code {
        KeyCode::Up => sequence('A'),
        KeyCode::Down => sequence('B'),
        KeyCode::Right => sequence('C'),
        KeyCode::Left => sequence('D'),
        KeyCode::Home => sequence('H'),
        KeyCode::End => sequence('F'),
        KeyCode::Insert => numbered(2),
        KeyCode::Delete => numbered(3),
        KeyCode::PageUp => numbered(5),
        KeyCode::PageDown => numbered(6),
        KeyCode::BackTab => "\x1b[Z".to_owned(),
        code => {
            let character = match code {
                KeyCode::Char(c) if control => match controlled(c) {
                    Some(controlled) => controlled,
                    None => return Vec::new(),
                },
                KeyCode::Char(c) => c,
                KeyCode::Enter => '\r',
                KeyCode::Tab => '\t',
                KeyCode::Backspace => '\u{7f}',
                KeyCode::Esc => '\u{1b}',
                _ => return Vec::new(),
            };
            if alt { format!("\x1b{character}") } else { character.to_string() }
        }
    };
    text.into_bytes()
}

/// A character with Ctrl, as crossterm names it.
fn controlled(character: char) -> Option<char> {
    match character {
        ' ' => Some('\0'),
        'a'..='z' | 'A'..='Z' => Some(char::from(u8::try_from(character).ok()? & 0x1f)),
        '4'..='7' => Some(char::from(u8::try_from(character).ok()? - b'4' + 0x1c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_bytes_that_the_terminal_sent() {
        let (none, control, alt) = (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT);
        for (code, modifiers, bytes) in [
            (KeyCode::Char('é'), none, "é"),
            (KeyCode::Char('A'), KeyModifiers::SHIFT, "A"),
            (KeyCode::Char('c'), control, "\u{3}"),
            (KeyCode::Char('7'), control, "\u{1f}"),
            (KeyCode::Char(' '), control, "\0"),
            (KeyCode::Char('1'), control, ""),
            (KeyCode::Char('.'), alt, "\u{1b}."),
            (KeyCode::Char('x'), control | alt, "\u{1b}\u{18}"),
            (KeyCode::Enter, none, "\r"),
            (KeyCode::Tab, none, "\t"),
            (KeyCode::BackTab, KeyModifiers::SHIFT, "\u{1b}[Z"),
            (KeyCode::Backspace, none, "\u{7f}"),
            (KeyCode::Esc, none, "\u{1b}"),
            (KeyCode::Up, none, "\u{1b}[A"),
            (KeyCode::Right, control, "\u{1b}[1;5C"),
            (KeyCode::Delete, none, "\u{1b}[3~"),
            (KeyCode::PageUp, alt, "\u{1b}[5;3~"),
            (KeyCode::F(1), none, ""),
        ] {
            assert_eq!(key(KeyEvent::new(code, modifiers)), bytes.as_bytes(), "{code:?} {modifiers:?}");
        }
    }
}
