//! The approver console's terminal: one question after the other, answered by one key. Owns what is shown when.

use super::desk::Desk;
use super::notify::Notifier;
use crate::approval::question::{Answer, Choice};
use crate::approval::terminal::{Meaning, Terminal, is_end, keys, meaning, more};
use crate::system::terminal::{Input, Taken};
use std::io;
use std::time::{Duration, Instant};

const GREETING: &str = "sbsh: questions of this user's commands appear here; q leaves\n";
/// Nobody reads a question faster: a key that comes sooner was meant for the one before it.
const TOO_SOON: Duration = Duration::from_millis(500);
/// How often a question that is being received is looked at.
const RECEIVING: Duration = Duration::from_millis(250);

/// The question on the screen.
struct Shown {
    number: u64,
    pages: Vec<String>,
    page: usize,
    choices: Vec<Choice>,
    since: Instant,
}

impl Shown {
    fn is_last_page(&self) -> bool {
        self.page + 1 >= self.pages.len()
    }
}

/// Shows and answers questions until the person leaves, the terminal goes or a signal comes.
///
/// # Errors
/// A terminal that fails. It is as it was before in every case.
pub fn attend(desk: Desk, terminal: &Terminal) -> io::Result<()> {
    let taken = terminal.take()?;
    // Behind `taken`, so that the socket is gone before a pending signal ends this process.
    let mut desk = desk;
    let mut notifier = Notifier::default();
    let mut shown: Option<Shown> = None;
    taken.show(GREETING)?;
    loop {
        for number in desk.turn() {
            if let Some(question) = desk.question(number) {
                notifier.notify(question);
            }
        }
        let front = desk.front().map(|asked| asked.number);
        if shown.as_ref().is_some_and(|shown| Some(shown.number) != front) {
            taken.show("\n  withdrawn: the command no longer waits for an answer\n")?;
            shown = None;
        }
        if shown.is_none() {
            shown = next(&desk, terminal, &taken)?;
        }
        let limit = desk.is_receiving().then_some(RECEIVING);
        match taken.input_or(&desk.descriptors(), limit) {
            Input::Bytes(bytes) => {
                if is_end(&bytes) || matches!(bytes.as_slice(), [b'q' | b'Q', ..]) {
                    return taken.show("\n");
                }
                if let Some(answer) = shown.as_mut().map(|s| typed(s, &bytes, &taken)).transpose()?.flatten()
                {
                    desk.answer(&answer);
                    taken.show(&format!("{}\n", answer.name()))?;
                    shown = None;
                }
            }
            Input::End | Input::Signal => return Ok(()),
            Input::Other => {}
        }
    }
}

/// Shows the question whose turn it is.
fn next(desk: &Desk, terminal: &Terminal, taken: &Taken<'_>) -> io::Result<Option<Shown>> {
    let Some(asked) = desk.front() else { return Ok(None) };
    let shown = Shown {
        number: asked.number,
        pages: terminal.pages(&asked.question),
        page: 0,
        choices: asked.question.choices.clone(),
        since: Instant::now(),
    };
    taken.show("\n")?;
    page(&shown, desk.waiting() - 1, taken)?;
    Ok(Some(shown))
}

/// Shows the present page, and behind it what can be typed. What was typed before it stood there does not count.
fn page(shown: &Shown, behind: usize, taken: &Taken<'_>) -> io::Result<()> {
    taken.show(shown.pages.get(shown.page).map_or("", String::as_str))?;
    if shown.is_last_page() {
        if behind > 0 {
            taken.show(&format!("  ({behind} more behind this one)\n"))?;
        }
        taken.asks(&keys(&shown.choices))
    } else {
        taken.asks(&more(shown.page, shown.pages.len()))
    }
}

/// What was typed at a question: the answer, if it is one.
fn typed(shown: &mut Shown, bytes: &[u8], taken: &Taken<'_>) -> io::Result<Option<Answer>> {
    if shown.since.elapsed() < TOO_SOON {
        return Ok(None);
    }
    let last = shown.is_last_page();
    match meaning(bytes, if last { &shown.choices } else { &[] }) {
        Meaning::Answer(answer) => Ok(Some(answer)),
        Meaning::More if !last => {
            taken.show("\n")?;
            shown.page += 1;
            page(shown, 0, taken)?;
            Ok(None)
        }
        Meaning::More | Meaning::Nothing => Ok(None),
    }
}
