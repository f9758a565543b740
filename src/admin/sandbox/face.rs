//! What the menu shows and how a person answers: one screen at a time, on whatever terminal there is.
//!
//! Owns the values that pass between the menu and its two faces (`keys`, `plain`). Texts in them are safe to show.

use crate::pipeline::Stop;

/// One screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Screen {
    /// Its name.
    pub title: String,
    /// What is to be read, before the items.
    pub text: Vec<String>,
    /// What can be chosen.
    pub items: Vec<Item>,
    /// The item that is meant unless another one is named.
    pub usual: Option<usize>,
    /// Something is written by it: what was typed before it is shown, and bursts of keys, do not answer.
    pub careful: bool,
    /// Text is typed on it: `q` is a letter.
    pub typing: bool,
}

/// One thing to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub label: String,
    /// More about it.
    pub about: String,
}

impl Item {
    /// An item.
    pub fn new(label: impl Into<String>, about: impl Into<String>) -> Item {
        Item { label: label.into(), about: about.into() }
    }
}

/// Why the menu ends.
#[derive(Debug)]
pub enum Out {
    /// The person left it, or the terminal is gone.
    Leave,
    /// Something failed.
    Stop(Stop),
}

impl From<std::io::Error> for Out {
    fn from(error: std::io::Error) -> Out {
        Out::Stop(error.into())
    }
}

impl From<Stop> for Out {
    fn from(stop: Stop) -> Out {
        Out::Stop(stop)
    }
}

/// A terminal, or what stands for one.
pub trait Face {
    /// Shows a screen and waits: an item, or `None` for going back.
    ///
    /// # Errors
    /// [`Out::Leave`], and a terminal that fails.
    fn choose(&mut self, screen: &Screen) -> Result<Option<usize>, Out>;

    /// Asks for one line of text; `None` for going back.
    ///
    /// # Errors
    /// As for [`Face::choose`].
    fn line(&mut self, title: &str, question: &str) -> Result<Option<String>, Out>;
}
