//! Reads compound commands: groups, conditions, loops, case, `[[ ]]`, `(( ))`, functions, coprocesses.

use super::reader::{Reader, Step, Until};
use super::word::Place;
use super::{SimpleCommand, Word, hidden};

impl Reader<'_> {
    /// One command of a pipeline.
    pub(super) fn command(&mut self) -> Step<()> {
        self.skip_blanks()?;
        let from = self.found.len();
        let outer = std::mem::take(&mut self.fed);
        self.command_here()?;
        if std::mem::replace(&mut self.fed, outer) {
            self.feed(from);
        }
        self.note_opaque();
        Ok(())
    }

    /// Gives what was seen in the words of a compound command or in a here-document a command of its own.
    pub(super) fn note_opaque(&mut self) {
        if let Some(why) = self.opaque.take() {
            self.composed = true;
            self.found.push(SimpleCommand { opaque: Some(why), ..SimpleCommand::default() });
        }
    }

    fn command_here(&mut self) -> Step<()> {
        if self.peek() == Some(b'(') {
            return self.parenthesis();
        }
        let (word, end) = self.reserved()?;
        let length = end - self.at;
        match word.as_str() {
            "{" => {
                self.advance(length)?;
                self.body(&["}"])?;
                self.redirections()
            }
            "if" => self.if_clause(length),
            "while" | "until" => {
                self.advance(length)?;
                self.body(&["do"])?;
                self.body(&["done"])?;
                self.redirections()
            }
            "for" | "select" => self.for_clause(length),
            "case" => self.case_clause(length),
            "[[" => self.conditional(length),
            "function" => self.function_clause(length),
            "coproc" => self.coprocess(length),
            "then" | "do" | "done" | "fi" | "esac" | "}" | "elif" | "else" => {
                Err("an unexpected reserved word")
            }
            _ => self.simple(),
        }
    }

    /// Whether a compound command begins here.
    pub(super) fn compound_ahead(&mut self) -> Step<bool> {
        if self.peek() == Some(b'(') {
            return Ok(true);
        }
        let (word, _) = self.reserved()?;
        Ok(matches!(word.as_str(), "{" | "if" | "while" | "until" | "for" | "select" | "case" | "[["))
    }

    /// `(( ))` or a subshell.
    fn parenthesis(&mut self) -> Step<()> {
        self.composed = true;
        if self.peek_at(1) == Some(b'(') {
            let mark = self.mark();
            let start = self.at + 1;
            self.advance(2)?;
            if self.deeper(Self::arithmetic_in_parentheses)? {
                let inside = self.text.get(start..self.at - 1).unwrap_or_default().to_vec();
                self.elsewhere(&inside);
                return self.redirections();
            }
            self.reset(&mark);
            self.composed = true;
        }
        self.advance(1)?;
        self.subshell()
    }

    /// Commands that a shell without `(( ))` and `[[ ]]` would run where bash calculates or compares.
    fn elsewhere(&mut self, text: &[u8]) {
        let from = self.found.len();
        // What such a shell could not read, it would not run.
        if self.nested_text(text).is_err() {
            self.found.truncate(from);
        }
        for command in self.found.iter_mut().skip(from) {
            command.elsewhere = true;
        }
    }

    fn if_clause(&mut self, length: usize) -> Step<()> {
        self.advance(length)?;
        self.body(&["then"])?;
        loop {
            match self.body(&["elif", "else", "fi"])?.as_str() {
                "elif" => self.body(&["then"])?,
                "else" => {
                    self.body(&["fi"])?;
                    return self.redirections();
                }
                _ => return self.redirections(),
            };
        }
    }

    fn for_clause(&mut self, length: usize) -> Step<()> {
        self.composed = true;
        self.advance(length)?;
        self.skip_blanks()?;
        if self.looking_at(b"((") {
            self.advance(2)?;
            if !self.deeper(Self::arithmetic_in_parentheses)? {
                return Err("an unclosed for ((");
            }
        } else {
            let name = self.word(Place::Ordinary)?;
            let name = name.literal().ok_or("a loop variable that is not literal")?;
            if hidden::holds_text(name) {
                self.opaque = Some("a variable that chooses what programs run");
            }
            self.skip_lines()?;
            let (word, end) = self.reserved()?;
            if word == "in" {
                self.advance(end - self.at)?;
                self.words_of_line()?;
            }
        }
        self.skip_blanks()?;
        if self.peek() == Some(b';') {
            self.advance(1)?;
        }
        self.skip_lines()?;
        self.do_group()
    }

    /// Words up to a `;` or the end of the line.
    fn words_of_line(&mut self) -> Step<()> {
        loop {
            self.skip_blanks()?;
            match self.peek() {
                None | Some(b';' | b'\n') => return Ok(()),
                Some(_) => self.word(Place::Ordinary)?,
            };
        }
    }

    fn do_group(&mut self) -> Step<()> {
        let (word, end) = self.reserved()?;
        self.advance(end - self.at)?;
        match word.as_str() {
            "do" => self.body(&["done"])?,
            "{" => self.body(&["}"])?,
            _ => return Err("a loop without do"),
        };
        self.redirections()
    }

    fn case_clause(&mut self, length: usize) -> Step<()> {
        self.composed = true;
        self.advance(length)?;
        self.skip_blanks()?;
        self.word(Place::Ordinary)?;
        self.skip_lines()?;
        let (word, end) = self.reserved()?;
        if word != "in" {
            return Err("a case without in");
        }
        self.advance(end - self.at)?;
        loop {
            self.skip_lines()?;
            let (word, end) = self.reserved()?;
            if word == "esac" {
                self.advance(end - self.at)?;
                return self.redirections();
            }
            self.case_patterns()?;
            self.list(Until::CaseItem)?;
            let ends: [&[u8]; 3] = [b";;&", b";;", b";&"];
            if let Some(end) = ends.into_iter().find(|e| self.looking_at(e)) {
                self.advance(end.len())?;
            } else if self.reserved()?.0 != "esac" {
                return Err("a case without esac");
            }
        }
    }

    fn case_patterns(&mut self) -> Step<()> {
        if self.peek() == Some(b'(') {
            self.advance(1)?;
        }
        loop {
            self.skip_blanks()?;
            self.word(Place::Pattern)?;
            self.skip_blanks()?;
            match self.peek() {
                Some(b'|') => self.advance(1)?,
                Some(b')') => return self.advance(1),
                _ => return Err("a case pattern without )"),
            }
        }
    }

    /// `[[ … ]]`.
    fn conditional(&mut self, length: usize) -> Step<()> {
        self.composed = true;
        let start = self.at;
        self.advance(length)?;
        let mut pattern = false;
        let mut lists = false;
        loop {
            self.skip_lines()?;
            let (word, end) = self.reserved()?;
            if word == "]]" {
                if lists {
                    let inside = self.text.get(start..self.at).unwrap_or_default().to_vec();
                    self.elsewhere(&foreign(&inside));
                }
                self.advance(end - self.at)?;
                return self.redirections();
            }
            match self.peek() {
                Some(b'(' | b')') if !pattern => self.advance(1)?,
                Some(b'&' | b'|') if self.looking_at(b"&&") || self.looking_at(b"||") => {
                    lists = true;
                    self.advance(2)?;
                }
                Some(b'<' | b'>') if self.peek_at(1) != Some(b'(') => self.advance(1)?,
                None | Some(b'&' | b'|' | b';') => return Err("an unclosed [["),
                Some(_) => {
                    let place = if pattern { Place::Pattern } else { Place::Ordinary };
                    let word = self.word(place)?;
                    if pattern && word.shown().contains("(#") {
                        return Err("a glob flag in [[ ]]");
                    }
                    pattern = !pattern && matches!(word.shown(), "==" | "=" | "!=" | "=~");
                    continue;
                }
            }
            pattern = false;
        }
    }

    fn function_clause(&mut self, length: usize) -> Step<()> {
        self.advance(length)?;
        self.skip_blanks()?;
        let name = self.word(Place::Ordinary)?;
        let name = name.literal().ok_or("a function whose name is not literal")?.to_owned();
        self.skip_blanks()?;
        if self.peek() == Some(b'(') {
            let mark = self.mark();
            self.advance(1)?;
            self.skip_blanks()?;
            if self.peek() == Some(b')') {
                self.advance(1)?;
            } else {
                self.reset(&mark);
            }
        }
        self.function_body(name)
    }

    /// The text writes to it by a descriptor.
    fn coprocess(&mut self, length: usize) -> Step<()> {
        self.composed = true;
        self.advance(length)?;
        self.skip_blanks()?;
        if !self.compound_ahead()? {
            let mark = self.mark();
            let name = self.word(Place::Ordinary)?;
            self.skip_blanks()?;
            if !matches!(name, Word::Literal(_)) || !self.compound_ahead()? {
                self.reset(&mark);
                return self.as_fed(Self::simple);
            }
        }
        self.as_fed(|reader| reader.deeper(Self::command))
    }
}

/// `[[ a && touch b ]]` as a shell without `[[` reads it: a list whose first command is called `[[`, quoted here.
fn foreign(text: &[u8]) -> Vec<u8> {
    let mut quoted = b"'[['".to_vec();
    quoted.extend_from_slice(text.get(2..).unwrap_or_default());
    quoted
}
