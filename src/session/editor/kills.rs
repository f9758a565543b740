//! The kill ring: what Ctrl-K and its like took away, put back by Ctrl-Y, and what was taken before it by Alt-Y. Owns
//! which text a key takes; reedline, which has one buffer and tells nobody what is in it, takes it away.
//!
//! Keys come in batches and what is painted is known between them: so the line is followed from there through keys that
//! type, move and take away. Where it is not known, reedline's own words are used.

use super::shared::Shared;
use reedline::{EditCommand, Granularity, LineBuffer, ReedlineEvent};
use std::collections::VecDeque;
use std::ops::Range;

/// So many texts are kept.
const MOST: usize = 32;

/// What a key takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kill {
    /// To the end of the line; there, the line end.
    ToEnd,
    /// From the start of the line.
    FromStart,
    /// What is between blanks, to the left.
    Word,
    /// Letters and digits to the left, and what is between.
    NameLeft,
    /// The same to the right.
    NameRight,
}

impl Kill {
    fn is_left(self) -> bool {
        matches!(self, Kill::FromStart | Kill::Word | Kill::NameLeft)
    }

    /// In reedline's words.
    fn command(self) -> EditCommand {
        match self {
            Kill::ToEnd => EditCommand::KillLine,
            Kill::FromStart => EditCommand::CutFromLineStart,
            Kill::Word => EditCommand::CutBigWordLeft,
            Kill::NameLeft => EditCommand::CutWordLeft,
            Kill::NameRight => EditCommand::CutWordRight,
        }
    }

    /// The bytes of the line that go, with the cursor at this byte.
    fn range(self, line: &str, cursor: usize) -> Option<Range<usize>> {
        let (left, right) = line.split_at_checked(cursor)?;
        let named = |c: char| c.is_alphanumeric();
        let end = match self {
            Kill::ToEnd => match right.find('\n') {
                Some(0) => 1,
                found => found.unwrap_or(right.len()),
            },
            Kill::NameRight => {
                let blank = right.find(named).unwrap_or(right.len());
                let name = right.get(blank..)?;
                blank + name.find(|c| !named(c)).unwrap_or(name.len())
            }
            _ => 0,
        };
        let start = match self {
            Kill::FromStart => left.rfind('\n').map_or(0, |at| at + 1),
            Kill::Word => before(left.trim_end(), char::is_whitespace),
            Kill::NameLeft => before(left.trim_end_matches(|c| !named(c)), |c| !named(c)),
            _ => cursor,
        };
        Some(start..cursor + end)
    }
}

/// The byte behind the last character like this.
fn before(text: &str, like: impl Fn(char) -> bool) -> usize {
    text.char_indices().rfind(|(_, c)| like(*c)).map_or(0, |(at, c)| at + c.len_utf8())
}

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Taken {
    Text(String),
    /// What reedline's buffer holds.
    Unknown,
}

/// What the key before did.
#[derive(Debug, Default, PartialEq, Eq)]
enum Before {
    #[default]
    Other,
    Kill,
    /// It put this back.
    Yank(String),
}

/// The ring, the newest text at the end.
#[derive(Debug, Default)]
pub(super) struct Kills {
    ring: VecDeque<Taken>,
    before: Before,
    /// The line and the cursor's byte, where they are known.
    line: Option<LineBuffer>,
    /// The painting that this is from.
    seen: u64,
}

impl Kills {
    /// A key comes: what was painted since the last one is the line.
    pub(super) fn look(&mut self, shared: &Shared) {
        let page = shared.page();
        if page.paintings != self.seen {
            self.seen = page.paintings;
            self.line = at(&page.line, page.cursor);
        }
    }

    /// A key did this, which is nothing of ours.
    pub(super) fn follow(&mut self, event: &ReedlineEvent) {
        self.before = Before::Other;
        match event {
            ReedlineEvent::None => {}
            ReedlineEvent::Edit(commands) => commands.iter().for_each(|command| self.apply(command)),
            _ => self.line = None,
        }
    }

    fn apply(&mut self, command: &EditCommand) {
        let Some(line) = &mut self.line else { return };
        match command {
            EditCommand::InsertChar(character) => line.insert_char(*character),
            EditCommand::InsertString(text) => line.insert_str(text),
            EditCommand::Backspace => line.delete_left_grapheme(),
            EditCommand::Delete => line.delete_right_grapheme(),
            EditCommand::MoveToLineStart { select: false } => line.move_to_line_start(),
            _ => self.line = None,
        }
    }

    /// Takes something away.
    pub(super) fn kill(&mut self, kill: Kill) -> Vec<EditCommand> {
        let joins = std::mem::replace(&mut self.before, Before::Kill) == Before::Kill;
        let known = self.line.as_mut().and_then(|line| {
            let range = kill.range(line.get_buffer(), line.insertion_point())?;
            let text = line.get_buffer().get(range.clone())?.to_owned();
            line.replace_range(range.clone(), "");
            line.set_insertion_point(range.start);
            Some((range, text))
        });
        let Some((range, text)) = known else {
            self.line = None;
            self.push(Taken::Unknown);
            return vec![kill.command()];
        };
        if range.is_empty() {
            return Vec::new();
        }
        match self.ring.back_mut() {
            Some(Taken::Text(last)) if joins && kill.is_left() => last.insert_str(0, &text),
            Some(Taken::Text(last)) if joins => last.push_str(&text),
            _ => self.push(Taken::Text(text)),
        }
        vec![
            EditCommand::MoveToPosition { position: range.start, select: false },
            EditCommand::MoveToPosition { position: range.end, select: true },
            EditCommand::CutSelection { granularity: Granularity::CharWise },
        ]
    }

    fn push(&mut self, taken: Taken) {
        // There is but one such buffer.
        self.ring.retain(|other| *other != Taken::Unknown);
        self.ring.push_back(taken);
        if self.ring.len() > MOST {
            self.ring.pop_front();
        }
    }

    /// Puts the newest back.
    pub(super) fn yank(&mut self) -> Vec<EditCommand> {
        let Some(Taken::Text(text)) = self.ring.back().cloned() else {
            (self.before, self.line) = (Before::Other, None);
            return vec![EditCommand::PasteCutBufferBefore];
        };
        self.insert(Vec::new(), text)
    }

    /// Puts what is before it in the ring in the place of what was just put back.
    pub(super) fn pop(&mut self, graphemes: impl Fn(&str) -> usize) -> Vec<EditCommand> {
        let Before::Yank(shown) = std::mem::take(&mut self.before) else { return Vec::new() };
        self.ring.rotate_right(1);
        // What reedline holds is the newest or nothing anybody could go back to.
        if self.ring.back() == Some(&Taken::Unknown) {
            self.ring.pop_back();
        }
        let Some(Taken::Text(text)) = self.ring.back().cloned() else { return Vec::new() };
        self.insert(vec![EditCommand::Backspace; graphemes(&shown)], text)
    }

    fn insert(&mut self, mut commands: Vec<EditCommand>, text: String) -> Vec<EditCommand> {
        commands.push(EditCommand::InsertString(text.clone()));
        commands.iter().for_each(|command| self.apply(command));
        self.before = Before::Yank(text);
        commands
    }
}

/// A line with the cursor at this byte.
fn at(text: &str, cursor: usize) -> Option<LineBuffer> {
    let mut line = LineBuffer::from(text);
    text.is_char_boundary(cursor).then(|| line.set_insertion_point(cursor))?;
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(kill: Kill, line: &str, cursor: usize) -> &str {
        &line[kill.range(line, cursor).unwrap()]
    }

    #[test]
    fn what_goes_is_what_goes_in_readline() {
        let line = "cp /a/b-c  'é x'";
        assert_eq!(gone(Kill::Word, line, line.len()), "x'");
        assert_eq!(gone(Kill::Word, line, 11), "/a/b-c  ");
        assert_eq!(gone(Kill::NameLeft, line, 11), "c  ");
        assert_eq!(gone(Kill::NameLeft, line, line.len()), "x'");
        assert_eq!(gone(Kill::NameRight, line, 9), "  'é");
        assert_eq!(gone(Kill::NameRight, line, 4), "a");
        assert_eq!(gone(Kill::FromStart, line, 3), "cp ");
        assert_eq!(gone(Kill::ToEnd, line, 3), "/a/b-c  'é x'");
        let two = "one\ntwo";
        assert_eq!(gone(Kill::ToEnd, two, 1), "ne");
        assert_eq!(gone(Kill::ToEnd, two, 3), "\n");
        assert_eq!(gone(Kill::FromStart, two, 6), "tw");
        assert_eq!(gone(Kill::FromStart, two, 4), "");
        assert_eq!(gone(Kill::Word, "", 0), "");
        assert_eq!(gone(Kill::NameRight, "a", 1), "");
        assert_eq!(Kill::Word.range("é", 1), None);
    }

    fn known(line: &str) -> Kills {
        Kills { line: at(line, line.len()), ..Kills::default() }
    }

    fn typed() -> ReedlineEvent {
        ReedlineEvent::Edit(vec![EditCommand::InsertChar('x')])
    }

    fn inserted(commands: &[EditCommand]) -> &str {
        match commands.last() {
            Some(EditCommand::InsertString(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn kills_in_a_row_are_one_and_alt_y_goes_back() {
        let mut kills = known("a b c d");
        kills.kill(Kill::Word);
        kills.kill(Kill::Word);
        kills.follow(&typed());
        kills.kill(Kill::Word);
        assert_eq!(kills.line, at("a b ", 4));
        assert_eq!(inserted(&kills.yank()), "x");
        let popped = kills.pop(|text| text.chars().count());
        assert_eq!((popped.len(), inserted(&popped)), (2, "c d"));
        assert_eq!(kills.line, at("a b c d", 7));
        assert_eq!(inserted(&kills.pop(str::len)), "x", "it is a ring");
        kills.follow(&ReedlineEvent::Left);
        assert_eq!(kills.pop(str::len), [], "only behind Ctrl-Y");
        assert_eq!(inserted(&kills.yank()), "x");
    }

    #[test]
    fn kills_to_both_sides_are_one() {
        let mut kills = Kills { line: at("one two/x three", 0), ..Kills::default() };
        for kill in [Kill::NameRight, Kill::NameRight, Kill::ToEnd] {
            kills.kill(kill);
        }
        assert_eq!(inserted(&kills.yank()), "one two/x three");
    }

    #[test]
    fn what_is_not_known_is_left_to_reedline() {
        let mut kills = Kills::default();
        assert_eq!(kills.yank(), [EditCommand::PasteCutBufferBefore]);
        assert_eq!(kills.kill(Kill::ToEnd), [EditCommand::KillLine]);
        assert_eq!(kills.yank(), [EditCommand::PasteCutBufferBefore]);
        assert_eq!(kills.pop(str::len), []);
        let shared = Shared::default();
        shared.page().line = "one two".into();
        shared.page().cursor = 7;
        shared.page().paintings = 1;
        kills.look(&shared);
        assert_eq!(kills.kill(Kill::Word).len(), 3);
        assert_eq!(inserted(&kills.yank()), "two");
        assert_eq!(kills.ring.len(), 1, "what reedline held is gone");
    }

    #[test]
    fn the_ring_has_an_end() {
        let mut kills = known("");
        for _ in 0..2 * MOST {
            kills.follow(&typed());
            kills.kill(Kill::Word);
        }
        assert_eq!(kills.ring.len(), MOST);
        assert_eq!(kills.kill(Kill::Word), [], "there is nothing to take");
    }
}
