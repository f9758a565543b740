//! A screen of the menu as what is written to the terminal, and what keys do to the place in it. Pure.
//!
//! Owns that nothing is cut unseen: text is wrapped and scrolled, and it is said where more of it is.

use super::read::Key;
use crate::admin::sandbox::face::Screen;
use crate::system::terminal::Size;
use std::fmt::Write;

/// Title, two blank lines and the line of keys.
const FRAME: usize = 4;
const CONTINUED: &str = "    ";

/// Where the person is on a screen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The chosen item.
    pub item: usize,
    /// The first row of text that is seen.
    pub top: usize,
    /// Digits so far.
    pub number: String,
}

impl Place {
    /// What a key does: `None`: it moves at most; else the screen is left, with an item or back. `most` is how far the
    /// text can be scrolled.
    pub fn moved(&mut self, key: &Key, screen: &Screen, most: usize) -> Option<Option<usize>> {
        let count = screen.items.len();
        if !matches!(key, Key::Text('0'..='9')) {
            self.number.clear();
        }
        match key {
            Key::Escape | Key::Text('q' | 'Q') => return Some(None),
            Key::Enter if count == 0 => return Some(None),
            Key::Enter => return Some(Some(self.item)),
            Key::PageUp => self.top = self.top.saturating_sub(PAGE),
            Key::PageDown | Key::Text(' ') => self.top = (self.top + PAGE).min(most),
            Key::Up | Key::Text('k') if count == 0 => self.top = self.top.saturating_sub(1),
            Key::Down | Key::Text('j') if count == 0 => self.top = (self.top + 1).min(most),
            Key::Home if count == 0 => self.top = 0,
            Key::End if count == 0 => self.top = most,
            Key::Up | Key::Text('k') => self.item = self.item.checked_sub(1).unwrap_or(count - 1),
            Key::Down | Key::Text('j') => self.item = (self.item + 1) % count,
            Key::Home => self.item = 0,
            Key::End => self.item = count - 1,
            Key::Text(digit @ '0'..='9') => return self.numbered(*digit, count).map(Some),
            _ => {}
        }
        None
    }

    /// A digit moves to its item, and chooses it where no longer number could be meant.
    fn numbered(&mut self, digit: char, count: usize) -> Option<usize> {
        self.number.push(digit);
        let number: usize = self.number.parse().unwrap_or(0);
        let Some(item) = number.checked_sub(1).filter(|item| *item < count) else {
            self.number.clear();
            return None;
        };
        self.item = item;
        (number * 10 > count).then_some(item)
    }
}

/// Rows that a page moves.
const PAGE: usize = 10;

/// The whole screen, and how far its text can be scrolled. Corrects a place that the size does not allow.
pub fn drawn(screen: &Screen, place: &mut Place, size: Size) -> (String, usize) {
    let width = size.columns.max(20) - 1;
    let room = size.rows.saturating_sub(FRAME).max(2);
    let rows = wrapped(&screen.text, width);
    let count = screen.items.len();
    let between = usize::from(count > 0 && !rows.is_empty());
    let for_items = count.min(room.saturating_sub(rows.len() + between).max(room / 2));
    let for_text = rows.len().min(room - for_items - between.min(room - for_items));
    let most = rows.len() - for_text;
    place.top = place.top.min(most);
    let mut lines =
        vec![format!("\x1b[1m{}\x1b[0m", cut(&format!("sbsh: {}", screen.title), width)), String::new()];
    lines.extend(rows.iter().skip(place.top).take(for_text).cloned());
    if between > 0 {
        lines.push(String::new());
    }
    let first =
        place.item.saturating_sub(for_items.saturating_sub(1).min(for_items / 2)).min(count - for_items);
    let label = screen.items.iter().map(|item| columns(&item.label)).max().unwrap_or(0).min(width / 2);
    for (index, item) in screen.items.iter().enumerate().skip(first).take(for_items) {
        let padding = " ".repeat(label.saturating_sub(columns(&item.label)));
        let text = format!("{:>2}  {}{padding}  {}", index + 1, item.label, item.about);
        let chosen = index == place.item;
        let text = cut(&format!("{} {}", if chosen { '>' } else { ' ' }, text.trim_end()), width);
        lines.push(if chosen { format!("\x1b[7m{text}\x1b[0m") } else { text });
    }
    lines.push(String::new());
    lines.push(cut(&keys(screen, place, for_text, rows.len(), for_items), width));
    let mut text = String::from("\x1b[H");
    for (index, line) in lines.iter().enumerate() {
        let end = if index + 1 < lines.len() { "\n" } else { "" };
        let _ = write!(text, "{line}\x1b[K{end}");
    }
    text.push_str("\x1b[J");
    (text, most)
}

/// The line of keys.
fn keys(screen: &Screen, place: &Place, shown: usize, rows: usize, items: usize) -> String {
    let mut words = Vec::new();
    if shown < rows {
        words.push(format!(
            "lines {}-{} of {rows}: {}",
            place.top + 1,
            place.top + shown,
            if items > 0 { "PgUp/PgDn" } else { "arrows" }
        ));
    }
    if items < screen.items.len() {
        words.push(format!("{} of {}", place.item + 1, screen.items.len()));
    }
    let keys = match (screen.typing, screen.items.is_empty()) {
        (true, _) => "Enter: take it  Esc: back",
        (false, true) => "Enter: go on  q: back",
        (false, false) => "arrows, number, Enter: choose  q: back",
    };
    words.push(keys.to_owned());
    words.join("   ")
}

/// Characters beyond ASCII count as two columns, so that a row is never longer than it is thought to be.
fn columns(text: &str) -> usize {
    text.chars().map(|character| if character.is_ascii() { 1 } else { 2 }).sum()
}

fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if columns(&kept) + 3 + usize::from(!character.is_ascii()) > width {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    kept
}

/// The lines broken to a width; nothing is cut.
fn wrapped(lines: &[String], width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for line in lines {
        let mut row = String::new();
        let mut used = 0;
        for character in line.chars() {
            let wide = if character.is_ascii() { 1 } else { 2 };
            if used + wide > width {
                rows.push(std::mem::replace(&mut row, CONTINUED.to_owned()));
                used = CONTINUED.len();
            }
            row.push(character);
            used += wide;
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sandbox::face::Item;

    fn screen(text: usize, items: usize) -> Screen {
        Screen {
            title: "t".into(),
            text: (0..text).map(|n| format!("line {n}")).collect(),
            items: (0..items).map(|n| Item::new(format!("item {n}"), "about")).collect(),
            ..Screen::default()
        }
    }

    fn rows(screen: &Screen, place: &mut Place, size: Size) -> Vec<String> {
        let (text, _) = drawn(screen, place, size);
        let plain = text.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "");
        let plain = plain.replace("\x1b[1m", "").replace("\x1b[7m", "").replace("\x1b[0m", "");
        plain.split('\n').map(str::to_owned).collect()
    }

    #[test]
    fn a_screen_never_has_more_rows_or_columns_than_the_terminal() {
        for (text, items) in [(0_usize, 3_usize), (2, 3), (50, 0), (50, 2), (50, 50), (0, 0), (1, 100)] {
            for size in [(80, 24), (20, 6), (40, 10)] {
                let size = Size { columns: size.0, rows: size.1 };
                for item in [0, items / 2, items.saturating_sub(1)] {
                    let mut place = Place { item, top: 1000, number: String::new() };
                    let rows = rows(&screen(text, items), &mut place, size);
                    assert!(rows.len() <= size.rows, "{text} {items} {size:?}: {rows:#?}");
                    assert!(rows.iter().all(|row| columns(row) < size.columns), "{rows:#?}");
                    let chosen =
                        rows.iter().any(|row| row.starts_with('>') && row.contains(&format!("item {item}")));
                    assert!(items == 0 || chosen, "{text} {items} {item} {size:?}: {rows:#?}");
                }
            }
        }
    }

    #[test]
    fn long_text_is_scrolled_to_its_end_and_said_to_be_longer() {
        let (screen, size) = (screen(50, 2), Size { columns: 80, rows: 24 });
        let mut place = Place::default();
        assert!(rows(&screen, &mut place, size).iter().any(|row| row.starts_with("lines 1-")));
        for _ in 0..9 {
            let (_, most) = drawn(&screen, &mut place, size);
            assert_eq!(place.moved(&Key::PageDown, &screen, most), None);
        }
        assert!(rows(&screen, &mut place, size).contains(&"line 49".to_owned()));
    }

    #[test]
    fn arrows_go_round_and_numbers_choose() {
        let screen = screen(0, 12);
        let mut place = Place::default();
        let mut press = |key: Key| {
            let done = place.moved(&key, &screen, 0);
            (place.item, done)
        };
        assert_eq!(press(Key::Up), (11, None));
        assert_eq!(press(Key::Down), (0, None));
        assert_eq!(press(Key::Text('1')), (0, None), "10, 11 and 12 begin so, too");
        assert_eq!(press(Key::Text('2')), (11, Some(Some(11))));
        assert_eq!(press(Key::Down), (0, None));
        assert_eq!(press(Key::Text('5')), (4, Some(Some(4))));
        assert_eq!(press(Key::Down), (5, None));
        assert_eq!(press(Key::Text('0')), (5, None));
        assert_eq!(press(Key::Enter), (5, Some(Some(5))));
        assert_eq!(press(Key::Escape), (5, Some(None)));
        assert_eq!(press(Key::Other), (5, None));
    }

    #[test]
    fn text_is_wrapped_and_items_say_that_they_are_cut() {
        let long = "x".repeat(30);
        let mut screen = Screen { text: vec![long.clone()], ..Screen::default() };
        screen.items = vec![Item::new(long, "")];
        let rows = rows(&screen, &mut Place::default(), Size { columns: 21, rows: 20 });
        assert!(
            rows.contains(&"x".repeat(20)) && rows.contains(&format!("    {}", "x".repeat(10))),
            "{rows:#?}"
        );
        assert!(rows.iter().any(|row| row.starts_with('>') && row.ends_with('…')), "{rows:#?}");
    }
}
