//! The menu drawn on a terminal: arrow keys, numbers, Enter, q and Esc.
//!
//! Owns reading keys and drawing on the terminal's other screen, so that what stood before stands again afterwards. The
//! terminal is given back on every way out: by dropping [`Keys`]. Decides nothing.

mod draw;
mod read;

use super::face::{Face, Out, Screen};
use crate::system::terminal::{ControllingTerminal, Input, Size, Taken};
use crate::system::visible::visible;
use draw::{Place, drawn};
use read::{Key, is_half, read};
use std::io;
use std::time::Duration;

/// The other screen, and no cursor.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l";
const END: &str = "\x1b[?25h\x1b[?1049l";
/// How long the rest of a key's bytes may take: a slow line cuts them apart.
const REST: Duration = Duration::from_millis(50);
/// How often the size of the terminal is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The terminal while the menu is open.
pub struct Keys<'t> {
    terminal: &'t ControllingTerminal,
    taken: Taken<'t>,
    /// Keys that came with others and were not used yet.
    waiting: Vec<Key>,
}

impl<'t> Keys<'t> {
    /// Takes the terminal.
    ///
    /// # Errors
    /// A terminal that fails.
    pub fn on(terminal: &'t ControllingTerminal) -> io::Result<Keys<'t>> {
        let keys = Keys { terminal, taken: terminal.take()?, waiting: Vec::new() };
        keys.taken.show(BEGIN)?;
        Ok(keys)
    }

    /// Waits for keys; `None` where the size changed meanwhile. All that came at once come together.
    fn keys(&mut self, size: Size) -> Result<Option<Vec<Key>>, Out> {
        if !self.waiting.is_empty() {
            return Ok(Some(std::mem::take(&mut self.waiting)));
        }
        loop {
            let mut bytes = match self.taken.input_or(&[], Some(LOOK)) {
                Input::Bytes(bytes) => bytes,
                Input::Other if self.terminal.size() != size => return Ok(None),
                Input::Other => continue,
                Input::End | Input::Signal => return Err(Out::Leave),
            };
            while is_half(&bytes)
                && let Input::Bytes(more) = self.taken.input_or(&[], Some(REST))
            {
                bytes.extend(more);
            }
            let keys = read(&bytes);
            if keys.contains(&Key::Interrupt) {
                return Err(Out::Leave);
            }
            return Ok(Some(keys));
        }
    }
}

impl Drop for Keys<'_> {
    fn drop(&mut self) {
        // Whoever cannot be shown this has no terminal any more.
        let _ = self.taken.show(END);
    }
}

impl Face for Keys<'_> {
    fn choose(&mut self, screen: &Screen) -> Result<Option<usize>, Out> {
        let mut place = Place { item: screen.usual.unwrap_or(0), top: 0, number: String::new() };
        if screen.careful {
            self.waiting.clear();
            self.taken.forget_typed()?;
        }
        loop {
            let size = self.terminal.size();
            let (text, most) = drawn(screen, &mut place, size);
            self.taken.show(&text)?;
            let Some(keys) = self.keys(size)? else { continue };
            if screen.careful && keys.len() > 1 {
                continue;
            }
            let mut keys = keys.into_iter();
            while let Some(key) = keys.next() {
                if let Some(done) = place.moved(&key, screen, most) {
                    self.waiting = keys.collect();
                    return Ok(done);
                }
            }
        }
    }

    fn line(&mut self, title: &str, question: &str) -> Result<Option<String>, Out> {
        let mut typed = String::new();
        loop {
            let size = self.terminal.size();
            let text = vec![question.to_owned(), format!("> {}_", visible(typed.as_bytes()))];
            let screen = Screen { title: title.to_owned(), text, typing: true, ..Screen::default() };
            let mut place = Place::default();
            let (text, _) = drawn(&screen, &mut place, size);
            self.taken.show(&text)?;
            let mut keys = self.keys(size)?.unwrap_or_default().into_iter();
            while let Some(key) = keys.next() {
                match key {
                    Key::Text(character) => typed.push(character),
                    Key::Backspace => drop(typed.pop()),
                    Key::Clear => typed.clear(),
                    Key::Escape => return Ok(None),
                    Key::Enter => {
                        self.waiting = keys.collect();
                        let typed = typed.trim().to_owned();
                        return Ok((!typed.is_empty()).then_some(typed));
                    }
                    _ => {}
                }
            }
        }
    }
}
