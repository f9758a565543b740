//! The history in memory: one text for all lines, and where each begins. Owns looking for lines without copying them;
//! knows no file.

use std::collections::HashMap;

/// One line of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session::editor) struct Line<'a> {
    /// Grows from line to line, and stays with it.
    pub(in crate::session::editor) number: i64,
    /// Seconds since 1970.
    pub(in crate::session::editor) time: u64,
    /// Where the shell was.
    pub(in crate::session::editor) directory: &'a str,
    /// The line.
    pub(in crate::session::editor) text: &'a str,
}

/// Which way to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session::editor) enum Towards {
    /// Older lines.
    Older,
    /// Newer lines.
    Newer,
}

#[derive(Debug)]
struct Slot {
    start: usize,
    end: usize,
    time: u64,
    directory: u32,
    /// This session added it.
    own: bool,
}

/// All lines, oldest first. Who looks for the newest meets this session's before those of others: the line before is the
/// one that was run here.
#[derive(Debug)]
pub(in crate::session::editor) struct Lines {
    text: String,
    slots: Vec<Slot>,
    /// The number of the first slot.
    first: i64,
    /// The numbers of this session's lines.
    own: Vec<i64>,
    directories: Vec<String>,
    known: HashMap<String, u32>,
    most: usize,
}

impl Lines {
    /// None yet; at most so many are kept, give or take a quarter.
    pub(super) fn new(most: usize) -> Lines {
        Lines {
            text: String::new(),
            slots: Vec::new(),
            first: 1,
            own: Vec::new(),
            directories: Vec::new(),
            known: HashMap::new(),
            most,
        }
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds the newest line.
    pub(super) fn push(&mut self, time: u64, directory: &str, text: &str) {
        let directory = self.place(directory);
        let start = self.text.len();
        self.text.push_str(text);
        self.slots.push(Slot { start, end: self.text.len(), time, directory, own: false });
        if self.slots.len() > self.most + self.most / 4 {
            self.drop_oldest();
        }
    }

    /// The number that stands for a directory.
    fn place(&mut self, directory: &str) -> u32 {
        if let Some(known) = self.known.get(directory) {
            return *known;
        }
        let number = u32::try_from(self.directories.len()).unwrap_or(u32::MAX);
        self.directories.push(directory.to_owned());
        self.known.insert(directory.to_owned(), number);
        number
    }

    fn drop_oldest(&mut self) {
        let gone = self.slots.len().saturating_sub(self.most);
        let Some(start) = self.slots.get(gone).map(|slot| slot.start) else { return };
        self.text.drain(..start);
        self.slots.drain(..gone);
        for slot in &mut self.slots {
            slot.start -= start;
            slot.end -= start;
        }
        self.first = self.first.saturating_add(i64::try_from(gone).unwrap_or(0));
        self.own.retain(|number| *number >= self.first);
    }

    /// Notes that this session added the newest line, if it is this one.
    pub(super) fn own_newest(&mut self, text: &str) {
        let Some(index) = self.slots.len().checked_sub(1) else { return };
        let Some(line) = self.line(index).filter(|line| line.text == text) else { return };
        self.own.push(line.number);
        if let Some(slot) = self.slots.last_mut() {
            slot.own = true;
        }
    }

    fn line(&self, index: usize) -> Option<Line<'_>> {
        let slot = self.slots.get(index)?;
        let directory = usize::try_from(slot.directory).ok().and_then(|at| self.directories.get(at));
        Some(Line {
            number: self.first + i64::try_from(index).ok()?,
            time: slot.time,
            directory: directory.map_or("", String::as_str),
            text: self.text.get(slot.start..slot.end)?,
        })
    }

    fn index(&self, number: i64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// The line with this number.
    pub(in crate::session::editor) fn get(&self, number: i64) -> Option<Line<'_>> {
        self.line(self.index(number)?)
    }

    /// The line before: this session's last, or else the newest.
    pub(in crate::session::editor) fn newest(&self) -> Option<Line<'_>> {
        self.find(None, Towards::Older, |_| true)
    }

    /// The nearest line beyond `from` (not itself) that passes the test; without `from`, from the end that is behind.
    /// This session's lines count as newer than all others.
    pub(in crate::session::editor) fn find(
        &self,
        from: Option<i64>,
        towards: Towards,
        mut test: impl FnMut(&Line<'_>) -> bool,
    ) -> Option<Line<'_>> {
        let from = from.map(|number| self.index(number).unwrap_or(0).min(self.slots.len()));
        let is_own = |index: usize| self.slots.get(index).is_some_and(|slot| slot.own);
        let mut passes = |index: usize| self.line(index).filter(|line| test(line));
        let own = || self.own.iter().filter_map(|number| self.index(*number));
        // The place among one's own; none, if the line is another's.
        let own_from = from.filter(|from| is_own(*from));
        let others_from = from.filter(|_| own_from.is_none());
        match towards {
            Towards::Older => {
                let before = others_from.unwrap_or(self.slots.len());
                let among_own = own().rev().filter(|index| own_from.is_none_or(|from| *index < from));
                let among_others = (0..before).rev().filter(|index| !is_own(*index));
                let own_first = among_own.take_while(|_| others_from.is_none());
                own_first.chain(among_others).find_map(&mut passes)
            }
            Towards::Newer => {
                let after = others_from.map_or(0, |from| from + 1);
                let among_others = (after..self.slots.len()).filter(|index| !is_own(*index));
                let among_own = own().filter(|index| own_from.is_none_or(|from| *index > from));
                let others_first = among_others.take_while(|_| own_from.is_none());
                others_first.chain(among_own).find_map(&mut passes)
            }
        }
    }

    /// The last lines in the order of their numbers.
    #[cfg(test)]
    fn last(&self, count: usize) -> impl Iterator<Item = Line<'_>> {
        (self.slots.len().saturating_sub(count)..self.slots.len()).filter_map(|index| self.line(index))
    }

    /// The newest line that goes on where `typed` ends; one of this directory, if there is one.
    pub(in crate::session::editor) fn going_on(&self, typed: &str, directory: &str) -> Option<&str> {
        let here = self.known.get(directory).copied();
        let wanted = typed.as_bytes();
        let all = self.text.as_bytes();
        let mut elsewhere = None;
        for slot in self.slots.iter().rev() {
            if elsewhere.is_some() && Some(slot.directory) != here {
                continue;
            }
            let fits = all
                .get(slot.start..slot.end)
                .is_some_and(|line| line.len() > wanted.len() && line.starts_with(wanted));
            if !fits {
                continue;
            }
            let Some(rest) = self.text.get(slot.start + wanted.len()..slot.end) else { continue };
            if rest.contains('\n') {
                continue;
            }
            if Some(slot.directory) == here {
                return Some(rest);
            }
            elsewhere = Some(rest);
            if here.is_none() {
                break;
            }
        }
        elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(most: usize, texts: &[(&str, &str)]) -> Lines {
        let mut lines = Lines::new(most);
        for (directory, text) in texts {
            lines.push(7, directory, text);
        }
        lines
    }

    #[test]
    fn lines_are_found_from_both_ends_and_beyond_a_number() {
        let lines = lines(10, &[("/a", "one"), ("/b", "two"), ("/a", "three")]);
        let text = |from, towards| lines.find(from, towards, |_| true).map(|line| line.text);
        assert_eq!(text(None, Towards::Older), Some("three"));
        assert_eq!(text(Some(3), Towards::Older), Some("two"));
        assert_eq!(text(Some(1), Towards::Older), None);
        assert_eq!(text(None, Towards::Newer), Some("one"));
        assert_eq!(text(Some(1), Towards::Newer), Some("two"));
        assert_eq!(text(Some(3), Towards::Newer), None);
        assert_eq!(lines.get(2), Some(Line { number: 2, time: 7, directory: "/b", text: "two" }));
        assert_eq!(lines.newest().map(|line| line.number), Some(3));
    }

    #[test]
    fn ones_own_lines_are_newer_than_those_of_others() {
        let mut lines = lines(10, &[("/", "old"), ("/", "mine 1")]);
        lines.own_newest("mine 1");
        lines.push(7, "/", "other 1");
        lines.push(7, "/", "mine 2");
        lines.own_newest("another");
        lines.own_newest("mine 2");
        lines.push(7, "/", "other 2");
        let walk = |towards| {
            let (mut from, mut seen) = (None, Vec::new());
            while let Some(line) = lines.find(from, towards, |_| true) {
                seen.push(line.text);
                from = Some(line.number);
            }
            seen
        };
        assert_eq!(walk(Towards::Older), ["mine 2", "mine 1", "other 2", "other 1", "old"]);
        assert_eq!(walk(Towards::Newer), ["old", "other 1", "other 2", "mine 1", "mine 2"]);
        assert_eq!(lines.newest().map(|line| line.text), Some("mine 2"));
        let last: Vec<&str> = lines.last(2).map(|line| line.text).collect();
        assert_eq!(last, ["mine 2", "other 2"]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_and_the_others_keep_their_numbers() {
        let texts: Vec<String> = (1..=11).map(|n| format!("line {n}")).collect();
        let pairs: Vec<(&str, &str)> = texts.iter().map(|text| ("/", text.as_str())).collect();
        let lines = lines(8, &pairs);
        assert_eq!(lines.len(), 8);
        assert_eq!(lines.get(3), None);
        assert_eq!(lines.get(4).map(|line| line.text), Some("line 4"));
        assert_eq!(lines.newest().map(|line| (line.number, line.text)), Some((11, "line 11")));
    }

    #[test]
    fn a_line_of_this_directory_comes_first_then_the_newest() {
        let lines = lines(10, &[("/a", "git log"), ("/b", "git push"), ("/b", "git\npull")]);
        assert_eq!(lines.going_on("git ", "/a"), Some("log"));
        assert_eq!(lines.going_on("git ", "/c"), Some("push"));
        assert_eq!(lines.going_on("git", "/c"), Some(" push"), "no hint with several lines");
        assert_eq!(lines.going_on("git log", "/a"), None);
        assert_eq!(lines.going_on("hg", "/a"), None);
    }
}
