//! The caller's terminal as a speaker. Owns the layout of the question and the keys.

use super::Approver;
use super::question::{Answer, Choice, Question};
use crate::system::terminal::{ControllingTerminal, Input, Size, Taken};
use nu_ansi_term::{Color, Style};

/// The person at the caller's terminal.
#[derive(Debug)]
pub struct Terminal {
    terminal: ControllingTerminal,
    colours: bool,
}

/// Ctrl-C and Ctrl-D; the terminal makes no signals of them while the question stands.
const INTERRUPT: u8 = 0x03;
const END_OF_INPUT: u8 = 0x04;
/// Whose answer it is.
const PERSON: &str = "the person at the terminal";

impl Terminal {
    /// The terminal, if sbsh is in its foreground process group.
    pub fn of_caller(colours: bool) -> Option<Terminal> {
        ControllingTerminal::in_foreground().map(|terminal| Terminal { terminal, colours })
    }

    /// Takes the terminal for questions.
    pub(super) fn take(&self) -> std::io::Result<Taken<'_>> {
        self.terminal.take()
    }

    /// The question as pages of text that fit on the terminal as it is now.
    pub(super) fn pages(&self, question: &Question) -> Vec<String> {
        let size = self.terminal.size();
        let mut lines = wrapped(&question.lines(), size);
        if let Some(first) = lines.first_mut() {
            *first = format!("sbsh: {}", self.headline(first));
        }
        // Room for the line of keys and the pager's own line.
        let page = size.rows.saturating_sub(3).max(4);
        lines.chunks(page).map(|lines| lines.iter().map(|line| format!("{line}\n")).collect()).collect()
    }

    fn headline(&self, text: &str) -> String {
        let style = if self.colours { Style::new().bold().fg(Color::Yellow) } else { Style::new() };
        style.paint(text).to_string()
    }

    /// Shows the question page by page, then waits for an answer; `Err` is a terminal that fails.
    fn conversation(&self, question: &Question) -> std::io::Result<Answer> {
        let taken = self.take()?;
        let pages = self.pages(question);
        for (index, text) in pages.iter().enumerate() {
            taken.show(text)?;
            if index + 1 < pages.len() {
                taken.asks(&more(index, pages.len()))?;
                if let Some(no) = next_page(&taken) {
                    let _ = taken.show("\n");
                    return Ok(no);
                }
                taken.show("\n")?;
            }
        }
        taken.asks(&keys(&question.choices))?;
        let answer = answered(&taken, &question.choices);
        // The echo is a courtesy; the answer stands, and says itself why there was none.
        let _ = taken.show(&format!("{}\n", answer.name()));
        Ok(answer)
    }
}

impl Approver for Terminal {
    fn who(&self) -> &'static str {
        "terminal"
    }

    fn ask(&mut self, question: &Question) -> Answer {
        // It may have been moved to the background since it was found.
        if !self.terminal.is_in_foreground() {
            return Answer::No { by: "sbsh is no longer in the terminal's foreground".to_owned() };
        }
        match self.conversation(question) {
            Ok(answer) => answer,
            Err(error) => Answer::No { by: format!("the terminal failed: {error}") },
        }
    }
}

/// What a piece of input means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An answer.
    Answer(Answer),
    /// The wish to read on.
    More,
    /// None.
    Nothing,
}

/// Whether a key stands in it that would end a program.
pub(super) fn is_end(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(*byte, INTERRUPT | END_OF_INPUT))
}

/// The pager's line under a page that is not the last.
pub(super) fn more(page: usize, pages: usize) -> String {
    format!("-- page {} of {pages}: Enter shows more, n = no --", page + 1)
}

/// Only a single key, or a key with Enter behind it, can say yes: an arrow key, a paste or a burst of typing cannot.
pub(super) fn meaning(bytes: &[u8], choices: &[Choice]) -> Meaning {
    if is_end(bytes) {
        return Meaning::Answer(person_said_no());
    }
    match bytes {
        [b'n' | b'N'] | [b'n' | b'N', b'\r' | b'\n'] => Meaning::Answer(person_said_no()),
        [b'\r' | b'\n' | b' '] => Meaning::More,
        [key] | [key, b'\r' | b'\n'] => match choices.iter().find(|choice| choice.key() == *key) {
            Some(choice) => Meaning::Answer(choice.answer(PERSON)),
            None => Meaning::Nothing,
        },
        _ => Meaning::Nothing,
    }
}

fn person_said_no() -> Answer {
    Answer::No { by: format!("{PERSON} said no") }
}

/// Waits for the answer.
fn answered(taken: &Taken<'_>, choices: &[Choice]) -> Answer {
    loop {
        match taken.input() {
            Input::Bytes(bytes) => {
                if let Meaning::Answer(answer) = meaning(&bytes, choices) {
                    return answer;
                }
            }
            Input::Other => {}
            Input::End => return Answer::No { by: "the terminal was closed".to_owned() },
            Input::Signal => return Answer::No { by: "a signal ended the question".to_owned() },
        }
    }
}

/// Waits for the wish to read on; a no is one at every page, a yes only behind the last.
fn next_page(taken: &Taken<'_>) -> Option<Answer> {
    loop {
        match taken.input() {
            Input::Bytes(bytes) => match meaning(&bytes, &[]) {
                Meaning::Answer(no) => return Some(no),
                Meaning::More => return None,
                Meaning::Nothing => {}
            },
            Input::Other => {}
            Input::End => return Some(Answer::No { by: "the terminal was closed".to_owned() }),
            Input::Signal => return Some(Answer::No { by: "a signal ended the question".to_owned() }),
        }
    }
}

/// The line of keys.
pub(super) fn keys(choices: &[Choice]) -> String {
    let mut words: Vec<&str> = choices
        .iter()
        .map(|choice| match choice {
            Choice::Once => "[o]nce",
            Choice::Session => "[s]ession",
            Choice::Always => "[a]lways",
            Choice::AlwaysUser => "always for [u]ser",
            Choice::Never => "ne[v]er",
            Choice::Grant => "[g]rant exactly this and run again",
            Choice::Outside => "run [o]utside once",
            Choice::Each => "[e]ach by itself",
        })
        .collect();
    words.push("[n]o");
    format!("  {} > ", words.join("  "))
}

/// The lines broken to the terminal's width. Characters beyond ASCII count as two columns, so that a page is never
/// taller than it is thought to be; nothing is cut.
fn wrapped(lines: &[String], size: Size) -> Vec<String> {
    const CONTINUED: &str = "  > ";
    let width = size.columns.max(20) - 1;
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let mut row = String::new();
        // The first line gets the prefix `sbsh: `.
        let mut columns = if index == 0 { "sbsh: ".len() } else { 0 };
        for character in line.chars() {
            let wide = if character.is_ascii() { 1 } else { 2 };
            if columns + wide > width {
                rows.push(std::mem::replace(&mut row, CONTINUED.to_owned()));
                columns = CONTINUED.len();
            }
            row.push(character);
            columns += wide;
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Choice; 3] = [Choice::Once, Choice::Session, Choice::Always];

    #[test]
    fn single_keys_answer() {
        assert_eq!(meaning(b"o", &ALL), Meaning::Answer(Answer::Once));
        assert_eq!(meaning(b"s\n", &ALL), Meaning::Answer(Answer::Session));
        assert_eq!(meaning(b"a\r", &ALL), Meaning::Answer(Answer::Always));
        assert_eq!(meaning(b"n", &ALL), Meaning::Answer(person_said_no()));
        assert_eq!(meaning(b"u", &Choice::ALL), Meaning::Answer(Answer::AlwaysUser));
        let never = Answer::Never { by: "the person at the terminal said never".to_owned() };
        assert_eq!(meaning(b"v\r", &Choice::ALL), Meaning::Answer(never));
        assert_eq!(meaning(&[INTERRUPT], &ALL), Meaning::Answer(person_said_no()));
        assert_eq!(meaning(&[END_OF_INPUT], &ALL), Meaning::Answer(person_said_no()));
    }

    #[test]
    fn what_was_not_offered_and_bursts_are_no_answer() {
        assert_eq!(meaning(b"a", &[Choice::Once]), Meaning::Nothing);
        assert_eq!(meaning(b"u", &ALL), Meaning::Nothing);
        assert_eq!(meaning(b"v", &ALL), Meaning::Nothing);
        assert_eq!(meaning(b"\x1b[A", &ALL), Meaning::Nothing);
        assert_eq!(meaning(b"oo", &ALL), Meaning::Nothing);
        assert_eq!(meaning(b"a\nls\n", &ALL), Meaning::Nothing);
        assert_eq!(meaning(b"\n", &ALL), Meaning::More);
        assert_eq!(meaning(b"a\x03", &ALL), Meaning::Answer(person_said_no()));
    }

    #[test]
    fn long_lines_are_wrapped_and_never_cut() {
        let rows = wrapped(
            &["q".to_owned(), "abcdefghijklmnopqrstuvwxyz".to_owned()],
            Size { columns: 20, rows: 9 },
        );
        assert_eq!(rows, ["q", "abcdefghijklmnopqrs", "  > tuvwxyz"]);
    }
}
