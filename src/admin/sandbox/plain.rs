//! The menu as plain text: numbers with Enter, for terminals that cannot draw and for none at all.
//!
//! Owns the layout and the answers. Emits no escape sequence.

use super::face::{Face, Out, Screen};
use crate::report;
use std::fmt::Write;
use std::io::{self, BufRead};

/// An answer longer than this is none.
const LONGEST: usize = 4096;

/// Standard input and output, line by line.
#[derive(Debug, Default)]
pub struct Plain;

/// What a line answers.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Item(usize),
    Back,
    Unknown,
}

impl Face for Plain {
    fn choose(&mut self, screen: &Screen) -> Result<Option<usize>, Out> {
        report::answer(&page(screen))?;
        if screen.items.is_empty() {
            return Ok(None);
        }
        loop {
            report::answer(&prompt(screen))?;
            match answer(&next_line()?, screen) {
                Answer::Item(index) => return Ok(Some(index)),
                Answer::Back => return Ok(None),
                Answer::Unknown => {
                    report::answer(&format!("a number from 1 to {}, or q\n", screen.items.len()))?;
                }
            }
        }
    }

    fn line(&mut self, title: &str, question: &str) -> Result<Option<String>, Out> {
        report::answer(&format!("\n== {title}\n{question} (Enter alone: back) > "))?;
        let text = next_line()?.trim().to_owned();
        Ok((!text.is_empty()).then_some(text))
    }
}

/// The screen as text.
fn page(screen: &Screen) -> String {
    let mut text = format!("\n== {}\n", screen.title);
    for line in &screen.text {
        let _ = writeln!(text, "{line}");
    }
    let width = screen.items.iter().map(|item| item.label.chars().count()).max().unwrap_or(0);
    for (index, item) in screen.items.iter().enumerate() {
        let line = format!("{:>3}  {:<width$}  {}", index + 1, item.label, item.about);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn prompt(screen: &Screen) -> String {
    match screen.usual {
        Some(index) => format!("number (Enter: {}), q = back > ", index + 1),
        None => "number, q = back > ".to_owned(),
    }
}

fn answer(line: &str, screen: &Screen) -> Answer {
    let line = line.trim();
    match (line, screen.usual) {
        ("", Some(index)) => return Answer::Item(index),
        ("" | "q" | "Q", _) => return Answer::Back,
        _ => {}
    }
    match line.parse::<usize>().ok().and_then(|number| number.checked_sub(1)) {
        Some(index) if index < screen.items.len() => Answer::Item(index),
        _ => Answer::Unknown,
    }
}

/// One line of standard input; its end is the wish to leave.
fn next_line() -> Result<String, Out> {
    let mut line = Vec::new();
    let mut input = io::stdin().lock();
    loop {
        let chunk = input.fill_buf();
        let chunk = match chunk {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            return Err(Out::Leave);
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(chunk.len(), |end| end + 1);
        line.extend(chunk.iter().take(taken));
        input.consume(taken);
        if end.is_some() {
            break;
        }
    }
    line.truncate(LONGEST);
    Ok(String::from_utf8(line).unwrap_or_else(|_| "?".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sandbox::face::Item;

    fn screen(usual: Option<usize>) -> Screen {
        Screen {
            title: "mode".into(),
            text: vec!["of this project".into()],
            items: vec![Item::new("auto-allow", "asks less"), Item::new("regular", "")],
            usual,
            ..Screen::default()
        }
    }

    #[test]
    fn a_screen_is_lines_with_numbers() {
        assert_eq!(
            page(&screen(None)),
            "\n== mode\nof this project\n  1  auto-allow  asks less\n  2  regular\n"
        );
        assert_eq!(prompt(&screen(Some(1))), "number (Enter: 2), q = back > ");
    }

    #[test]
    fn only_numbers_that_stand_there_choose() {
        for (line, meant) in [
            ("1\n", Answer::Item(0)),
            (" 2 \r\n", Answer::Item(1)),
            ("\n", Answer::Back),
            ("q\n", Answer::Back),
            ("0\n", Answer::Unknown),
            ("3\n", Answer::Unknown),
            ("-1\n", Answer::Unknown),
            ("yes\n", Answer::Unknown),
            ("\u{1b}[A\n", Answer::Unknown),
        ] {
            assert_eq!(answer(line, &screen(None)), meant, "{line:?}");
        }
        assert_eq!(answer("\n", &screen(Some(1))), Answer::Item(1));
    }
}
