//! Steps over arithmetic: finds its end and the substitutions inside.

use super::hidden;
use super::reader::{Reader, Step};
use super::word::Scan;

impl Reader<'_> {
    /// The rest of `((` or `$((`, with its `))`. False if what stands here is no arithmetic but a subshell.
    pub(super) fn arithmetic_in_parentheses(&mut self) -> Step<bool> {
        let mut open = 0usize;
        loop {
            match self.peek() {
                None => return Ok(false),
                Some(b'(') => {
                    open += 1;
                    self.advance(1)?;
                }
                Some(b')') if open > 0 => {
                    open -= 1;
                    self.advance(1)?;
                }
                Some(b')') if self.peek_at(1) == Some(b')') => {
                    self.advance(2)?;
                    return Ok(true);
                }
                Some(b')') => return Ok(false),
                Some(_) => self.arithmetic_piece()?,
            }
        }
    }

    /// The rest of a subscript after `[`, with its `]`. False if it does not end in this word's line.
    pub(super) fn subscript(&mut self) -> Step<bool> {
        let mut open = 0usize;
        loop {
            match self.peek() {
                None | Some(b'\n') => return Ok(false),
                Some(b'[') => {
                    open += 1;
                    self.advance(1)?;
                }
                Some(b']') if open > 0 => {
                    open -= 1;
                    self.advance(1)?;
                }
                Some(b']') => {
                    self.advance(1)?;
                    return Ok(true);
                }
                Some(_) => self.arithmetic_piece()?,
            }
        }
    }

    /// One piece between the brackets.
    fn arithmetic_piece(&mut self) -> Step<()> {
        let mut scan = Scan::default();
        match self.peek() {
            Some(b'\\') => self.advance(2),
            Some(b'\'') => {
                self.advance(1)?;
                let text = self.single_quoted()?;
                // Arithmetic treats single quotes as text in some places, so what they hold may still be expanded.
                if text.contains(&b'$') || text.contains(&b'`') || hidden::subscript(text) {
                    return Err("an expansion in quotes inside arithmetic");
                }
                Ok(())
            }
            Some(b'"') => {
                self.advance(1)?;
                self.double_quoted(&mut scan)
            }
            Some(b'$') => self.expansion(&mut scan, true),
            Some(b'`') => self.backquoted(&mut scan, true),
            _ => self.advance(1),
        }
    }
}
