//! Reads what `$` and backquotes begin: parameters, substitutions, arithmetic.
//!
//! Owns finding where an expansion ends. Must not guess: what shells read differently is an error.

use super::hidden;
use super::reader::{Reader, Step, Until};
use super::word::Scan;

impl Reader<'_> {
    /// Everything that begins with `$`.
    pub(super) fn expansion(&mut self, scan: &mut Scan, quoted: bool) -> Step<()> {
        self.advance(1)?;
        match self.peek() {
            Some(b'(') => {
                scan.anything();
                self.composed = true;
                if self.peek_at(1) == Some(b'(') {
                    let mark = self.mark();
                    self.advance(2)?;
                    if self.deeper(Self::arithmetic_in_parentheses)? {
                        return Ok(());
                    }
                    self.reset(&mark);
                    self.composed = true;
                }
                self.advance(1)?;
                self.substitution()
            }
            Some(b'{') => {
                scan.anything();
                self.advance(1)?;
                self.deeper(|reader| reader.parameter(quoted))
            }
            Some(b'[') => Err("the old arithmetic $[ ]"),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                scan.anything();
                while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    self.advance(1)?;
                }
                // zsh takes a subscript here, without braces.
                if self.peek() == Some(b'[') && !quoted {
                    scan.wild = true;
                }
                Ok(())
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => {
                scan.anything();
                self.advance(1)
            }
            // zsh has more of these, such as `$=x`, `$~x`, `$^x`, `$+x`.
            Some(b'=' | b'~' | b'^' | b'+' | b':') if !quoted => {
                scan.anything();
                Ok(())
            }
            _ => {
                scan.push(b"$");
                Ok(())
            }
        }
    }

    /// The rest of `$(`, `<(` or `>(`, with its `)`.
    pub(super) fn substitution(&mut self) -> Step<()> {
        self.composed = true;
        let outer = std::mem::take(&mut self.pending);
        let outer_flag = self.outer_pending;
        let outer_opaque = self.opaque.take();
        self.outer_pending |= !outer.is_empty();
        let result = self.deeper(|reader| reader.list(Until::Parenthesis));
        result?;
        if self.peek() != Some(b')') {
            return Err("an unclosed $(");
        }
        if !self.pending.is_empty() {
            return Err("a here-document without a body in $( )");
        }
        self.note_opaque();
        self.pending = outer;
        self.outer_pending = outer_flag;
        self.opaque = outer_opaque;
        self.advance(1)
    }

    /// The rest of `${`, with its `}`.
    fn parameter(&mut self, quoted: bool) -> Step<()> {
        match self.peek() {
            Some(b' ' | b'\t' | b'\n' | b'|') => return Err("a command in ${ }"),
            Some(b'(') => self.opaque = Some("flags in ${ }"),
            _ => {}
        }
        let mut scan = Scan::default();
        let start = self.at;
        loop {
            match self.peek() {
                None => return Err("an unclosed ${"),
                Some(b'=') if self.text.get(start..self.at).is_some_and(hidden::assigns_text) => {
                    self.opaque = Some("a variable that chooses what programs run");
                    self.advance(1)?;
                }
                Some(b'}') => {
                    if scan.subscript {
                        self.opaque = Some("a quoted subscript that may be evaluated");
                    }
                    return self.advance(1);
                }
                Some(b'@') if self.peek_at(1) == Some(b'P') => {
                    self.opaque = Some("an expansion like ${x@P}");
                    self.advance(1)?;
                }
                Some(b'\\') => self.advance(2)?,
                Some(b'\'') if quoted => return Err("a ' inside ${ } inside double quotes"),
                Some(b'\'') => {
                    self.advance(1)?;
                    let text = self.single_quoted()?;
                    scan.subscript |= hidden::subscript(text);
                }
                Some(b'"') => {
                    self.advance(1)?;
                    self.double_quoted(&mut scan)?;
                }
                Some(b'$') if self.peek_at(1) == Some(b'\'') && !quoted => {
                    self.advance(2)?;
                    self.ansi_quoted(&mut scan)?;
                }
                Some(b'$') => self.expansion(&mut scan, quoted)?,
                Some(b'`') => self.backquoted(&mut scan, quoted)?,
                Some(b'<' | b'>') if self.peek_at(1) == Some(b'(') && !quoted => {
                    self.advance(2)?;
                    self.substitution()?;
                }
                Some(_) => self.advance(1)?,
            }
        }
    }

    /// A backquoted command.
    pub(super) fn backquoted(&mut self, scan: &mut Scan, quoted: bool) -> Step<()> {
        scan.anything();
        self.composed = true;
        self.advance(1)?;
        let mut inside = Vec::new();
        loop {
            match self.peek() {
                None => return Err("an unclosed `"),
                Some(b'`') => break,
                Some(b'\\') => {
                    match self.peek_at(1) {
                        Some(next) if b"$`\\".contains(&next) || (quoted && next == b'"') => {
                            inside.push(next)
                        }
                        Some(next) => inside.extend([b'\\', next]),
                        None => return Err("an unclosed `"),
                    }
                    self.advance(2)?;
                }
                Some(byte) => {
                    inside.push(byte);
                    self.advance(1)?;
                }
            }
        }
        self.advance(1)?;
        self.nested_text(&inside)
    }

    /// Reads another text as part of this one.
    pub(super) fn nested_text(&mut self, text: &[u8]) -> Step<()> {
        self.deeper(|outer| {
            outer.spend(text.len())?;
            let mut inner = Reader::nested(text, outer.depth);
            inner.whole()?;
            outer.found.append(&mut inner.found);
            outer.defined.append(&mut inner.defined);
            Ok(())
        })
    }
}
