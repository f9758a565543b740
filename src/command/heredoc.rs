//! Here-documents: their delimiters, their bodies, and the substitutions in unquoted ones.

use super::reader::{HereDocument, Reader, Step, is_delimiter};
use super::word::Scan;

impl Reader<'_> {
    /// The delimiter after `<<` or `<<-`.
    pub(super) fn here_delimiter(&mut self, strip_tabs: bool) -> Step<()> {
        let mut delimiter = Vec::new();
        let mut quoted = false;
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' if self.peek_at(1) == Some(b'\n') => self.advance(2)?,
                b'\\' => {
                    quoted = true;
                    delimiter.push(self.peek_at(1).ok_or("a backslash at the end")?);
                    self.advance(2)?;
                }
                b'\'' => {
                    quoted = true;
                    self.advance(1)?;
                    delimiter.extend_from_slice(self.single_quoted()?);
                }
                b'"' => {
                    quoted = true;
                    self.advance(1)?;
                    let rest = self.text.get(self.at..self.end).unwrap_or_default();
                    let length = rest.iter().position(|&b| b == b'"').ok_or("an unclosed \"")?;
                    let inside = rest.get(..length).unwrap_or_default();
                    if inside.iter().any(|b| b"\\$`\n".contains(b)) {
                        return Err("an unusual here-document delimiter");
                    }
                    delimiter.extend_from_slice(inside);
                    self.advance(length + 1)?;
                }
                b'$' | b'`' | b'{' | b'~' => return Err("an unusual here-document delimiter"),
                byte if is_delimiter(Some(byte)) => break,
                byte => {
                    delimiter.push(byte);
                    self.advance(1)?;
                }
            }
        }
        if self.at == start || delimiter.contains(&b'\n') {
            return Err("a here-document without a delimiter");
        }
        let delimiter = String::from_utf8(delimiter).map_err(|_| "an unusual here-document delimiter")?;
        self.pending.push(HereDocument { delimiter, quoted, strip_tabs });
        Ok(())
    }

    /// The bodies that begin on this line.
    pub(super) fn here_documents(&mut self) -> Step<()> {
        for document in std::mem::take(&mut self.pending) {
            let start = self.at;
            let body_end = self.here_body_end(&document)?;
            if !document.quoted {
                self.here_expansions(start, body_end)?;
            }
        }
        Ok(())
    }

    /// Moves behind the line with the delimiter; gives where the body ends.
    fn here_body_end(&mut self, document: &HereDocument) -> Step<usize> {
        loop {
            let start = self.at;
            if start >= self.end {
                // The shell takes a body that ends with the text; inside a substitution versions differ.
                return if self.depth <= 1 { Ok(start) } else { Err("a here-document without its end") };
            }
            let mut line = self.here_line(!document.quoted)?;
            if document.strip_tabs {
                let tabs = line.iter().take_while(|&&b| b == b'\t').count();
                line.drain(..tabs);
            }
            if line == document.delimiter.as_bytes() {
                return Ok(start);
            }
        }
    }

    /// One line without its newline; with `join`, lines that end in a backslash are one.
    fn here_line(&mut self, join: bool) -> Step<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let rest = self.text.get(self.at..self.end).unwrap_or_default();
            let length = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
            let part = rest.get(..length).unwrap_or_default();
            self.advance((length + 1).min(rest.len()))?;
            let backslashes = part.iter().rev().take_while(|&&b| b == b'\\').count();
            if !join || backslashes % 2 == 0 || self.at >= self.end {
                line.extend_from_slice(part);
                return Ok(line);
            }
            line.extend_from_slice(part.get(..length - 1).unwrap_or_default());
        }
    }

    /// The substitutions of an unquoted body.
    fn here_expansions(&mut self, start: usize, body_end: usize) -> Step<()> {
        let body = self.text.get(start..body_end).unwrap_or_default();
        if !body.contains(&b'$') && !body.contains(&b'`') {
            return Ok(());
        }
        let (after, end) = (self.at, self.end);
        (self.at, self.end) = (start, body_end);
        let mut scan = Scan::default();
        while self.peek().is_some() {
            self.double_quoted_piece(&mut scan, b"$`\\")?;
        }
        (self.at, self.end) = (after, end);
        Ok(())
    }
}
