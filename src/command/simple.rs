//! Reads simple commands: assignments, words, redirections; and function definitions, which begin like one.

use super::reader::{Reader, Step, Until, is_delimiter};
use super::word::Place;
use super::{ANYTHING, SimpleCommand, Word};

impl Reader<'_> {
    /// One simple command, or a function definition.
    pub(super) fn simple(&mut self) -> Step<()> {
        let start = self.at;
        let mut command = SimpleCommand::default();
        loop {
            self.skip_blanks()?;
            match self.peek() {
                None | Some(b'\n' | b';' | b')' | b'|') => break,
                Some(b'&') if self.peek_at(1) != Some(b'>') => break,
                Some(b'&') => {
                    self.redirection()?;
                    command.redirected = true;
                }
                Some(b'<' | b'>') if self.peek_at(1) != Some(b'(') => {
                    self.redirection()?;
                    command.redirected = true;
                }
                Some(b'(') => return self.function_after_name(&command),
                Some(_) if self.descriptor()? => {
                    self.redirection()?;
                    command.redirected = true;
                }
                Some(_) => self.part(&mut command)?,
            }
        }
        if self.at == start {
            return Err("a command was expected");
        }
        if command.words.first().and_then(Word::literal) == Some("alias") {
            let names = command.words.iter().skip(1).filter_map(|w| w.shape().split_once('='));
            self.defined.extend(names.map(|(name, _)| name.to_owned()));
        }
        // zsh begins a group at `{touch M}`.
        let first = command.words.first().and_then(Word::literal);
        if first.is_some_and(|name| name.starts_with('{')) {
            self.opaque = Some("a brace that not every shell reads alike");
        }
        command.opaque = self.opaque.take();
        self.found.push(command);
        Ok(())
    }

    /// An assignment or a word of a command.
    fn part(&mut self, command: &mut SimpleCommand) -> Step<()> {
        let in_front = command.words.is_empty();
        match self.assignment(in_front)? {
            Some(assignment) if in_front => command.assignments.push(assignment),
            Some((name, value)) => {
                let source = format!("{name}={}", value.shown());
                command.words.push(Word::Unknown { source, shape: format!("{name}={ANYTHING}") });
            }
            None => command.words.push(self.word(Place::Ordinary)?),
        }
        Ok(())
    }

    /// `name=value`, `name+=value`, `name[subscript]=value`, `name=(…)`. Behind the command word only the last.
    fn assignment(&mut self, in_front: bool) -> Step<Option<(String, Word)>> {
        let mark = self.mark();
        let start = self.at;
        while self.peek().is_some_and(|b| b == b'_' || b.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        let name = String::from_utf8_lossy(self.text.get(start..self.at).unwrap_or_default()).into_owned();
        let is_name = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
        if !is_name || !matches!(self.peek(), Some(b'=' | b'+' | b'[')) {
            self.reset(&mark);
            return Ok(None);
        }
        if self.peek() == Some(b'[') {
            self.advance(1)?;
            if !in_front || !self.subscript()? {
                self.reset(&mark);
                return Ok(None);
            }
        }
        if self.peek() == Some(b'+') {
            self.advance(1)?;
        }
        if self.peek() != Some(b'=') || (!in_front && self.peek_at(1) != Some(b'(')) {
            self.reset(&mark);
            return Ok(None);
        }
        self.advance(1)?;
        if self.peek() == Some(b'(') {
            let from = self.at;
            self.advance(1)?;
            self.elements()?;
            let source =
                String::from_utf8_lossy(self.text.get(from..self.at).unwrap_or_default()).into_owned();
            return Ok(Some((name, Word::Unknown { source, shape: ANYTHING.to_string() })));
        }
        if is_delimiter(self.peek()) && !self.process_substitution_here() {
            return Ok(Some((name, Word::Literal(String::new()))));
        }
        let value = self.word(Place::Value)?;
        Ok(Some((name, value)))
    }

    fn process_substitution_here(&self) -> bool {
        self.looking_at(b"<(") || self.looking_at(b">(")
    }

    /// The rest of an array's elements, with the `)`.
    fn elements(&mut self) -> Step<()> {
        loop {
            self.skip_lines()?;
            match self.peek() {
                Some(b')') => return self.advance(1),
                None => return Err("an unclosed array"),
                Some(b'[') => {
                    let mark = self.mark();
                    self.advance(1)?;
                    if !self.subscript()? || !matches!(self.peek(), Some(b'=' | b'+')) {
                        self.reset(&mark);
                    }
                    self.word(Place::Ordinary)?;
                }
                Some(_) => {
                    self.word(Place::Ordinary)?;
                }
            }
        }
    }

    /// Steps over the `3` of `3>x` or the `{name}` of `{name}>x`, if a redirection follows it.
    fn descriptor(&mut self) -> Step<bool> {
        let mut ahead = 0;
        match self.peek() {
            Some(b'0'..=b'9') => {
                while self.peek_at(ahead).is_some_and(|b| b.is_ascii_digit()) {
                    ahead += 1;
                }
            }
            Some(b'{') => {
                ahead = 1;
                while self.peek_at(ahead).is_some_and(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                    ahead += 1;
                }
                if self.peek_at(ahead) != Some(b'}') {
                    return Ok(false);
                }
                ahead += 1;
            }
            _ => return Ok(false),
        }
        let operator =
            matches!(self.peek_at(ahead), Some(b'<' | b'>')) && self.peek_at(ahead + 1) != Some(b'(');
        if operator {
            self.advance(ahead)?;
        } else {
            self.spend(ahead)?;
        }
        Ok(operator)
    }

    /// A redirection from its operator on.
    fn redirection(&mut self) -> Step<()> {
        const OPERATORS: [&[u8]; 11] =
            [b"&>>", b"<<-", b"<<<", b"&>", b">>", b"<<", b"<>", b">|", b"<&", b">&", b"<"];
        let operator = OPERATORS.into_iter().find(|o| self.looking_at(o)).unwrap_or(b">");
        self.advance(operator.len())?;
        self.skip_blanks()?;
        let substituted = operator == b"<" && self.looking_at(b"<(");
        self.fed |= operator.starts_with(b"<<") || substituted;
        match operator {
            b"<<" => self.here_delimiter(false),
            b"<<-" => self.here_delimiter(true),
            _ => self.word(Place::Ordinary).map(drop),
        }
    }

    /// The redirections behind a compound command.
    pub(super) fn redirections(&mut self) -> Step<()> {
        loop {
            self.skip_blanks()?;
            let here = match self.peek() {
                Some(b'&') => self.peek_at(1) == Some(b'>'),
                Some(b'<' | b'>') => true,
                Some(_) => self.descriptor()?,
                None => false,
            };
            if !here {
                return Ok(());
            }
            self.redirection()?;
        }
    }

    /// `()` and the body behind a function's name.
    fn function_after_name(&mut self, command: &SimpleCommand) -> Step<()> {
        let [name] = command.words.as_slice() else { return Err("an unexpected '('") };
        if command.redirected || !command.assignments.is_empty() {
            return Err("an unexpected '('");
        }
        self.advance(1)?;
        self.skip_blanks()?;
        if self.peek() != Some(b')') {
            return Err("an unexpected '('");
        }
        self.advance(1)?;
        let name = name.literal().ok_or("a function whose name is not literal")?.to_owned();
        self.function_body(name)
    }

    /// A function's body: a compound command.
    pub(super) fn function_body(&mut self, name: String) -> Step<()> {
        self.composed = true;
        self.defined.push(name);
        self.skip_lines()?;
        if !self.compound_ahead()? {
            return Err("a function without a compound body");
        }
        // Whoever calls it may feed it.
        self.as_fed(|reader| reader.deeper(Self::command))
    }

    /// A list in parentheses, from behind the `(`.
    pub(super) fn subshell(&mut self) -> Step<()> {
        self.composed = true;
        if self.list(Until::Parenthesis)? == 0 || self.peek() != Some(b')') {
            return Err("an unclosed or empty ( )");
        }
        self.advance(1)?;
        self.redirections()
    }
}
