//! Reads one word: quotes, expansions, globs; and the substitutions inside.
//!
//! Owns quote removal. Must not decide what a word is for: that is `simple` and `compound`.

use super::reader::{Reader, Step, is_delimiter};
use super::{ANYTHING, Word, hidden};

/// Where a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a command, a redirection, a list of words.
    Ordinary,
    /// The value of an assignment: no globs, no braces, tildes after `:` too.
    Value,
    /// The right side of `==`, `!=`, `=~` inside `[[ ]]`: parentheses belong to it.
    Pattern,
}

/// A word while it is read.
#[derive(Debug, Default)]
pub(super) struct Scan {
    shape: String,
    unknown: bool,
    /// From here on the text is not known (a bracket expression).
    pub(super) wild: bool,
    brace_open: bool,
    brace_list: bool,
    /// Literal text may be evaluated as a subscript.
    pub(super) subscript: bool,
    /// All that is literal, however it is quoted, also where `shape` is not known any more; `_` for what is not.
    literal: Vec<u8>,
}

impl Scan {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.literal.extend_from_slice(bytes);
        if !self.wild {
            self.shape.push_str(&String::from_utf8_lossy(bytes));
        }
    }

    pub(super) fn anything(&mut self) {
        self.unknown = true;
        self.literal.push(b'_');
        if !self.shape.ends_with(ANYTHING) {
            self.shape.push(ANYTHING);
        }
    }

    fn finish(self, source: &[u8]) -> Word {
        if self.brace_list {
            let source = String::from_utf8_lossy(source).into_owned();
            return Word::Unknown { source, shape: ANYTHING.to_string() };
        }
        if self.unknown {
            return Word::Unknown { source: String::from_utf8_lossy(source).into_owned(), shape: self.shape };
        }
        Word::Literal(self.shape)
    }
}

impl Reader<'_> {
    /// One word; at least one byte of it.
    pub(super) fn word(&mut self, place: Place) -> Step<Word> {
        let start = self.at;
        let mut scan = Scan::default();
        self.word_start(place, &mut scan)?;
        let mut parentheses = 0usize;
        while let Some(byte) = self.peek() {
            if parentheses > 0 && !matches!(byte, b'(' | b')' | b'\n') && is_delimiter(Some(byte)) {
                self.advance(1)?;
                scan.anything();
                continue;
            }
            match byte {
                b'(' if place == Place::Pattern => {
                    parentheses += 1;
                    scan.anything();
                    self.advance(1)?;
                }
                b')' if parentheses > 0 => {
                    parentheses -= 1;
                    scan.anything();
                    self.advance(1)?;
                }
                b'<' if self.peek_at(1) == Some(b'(') => {
                    scan.anything();
                    self.advance(2)?;
                    self.substitution()?;
                }
                b'>' if self.peek_at(1) == Some(b'(') => {
                    scan.anything();
                    self.advance(2)?;
                    self.as_fed(Self::substitution)?;
                }
                byte if is_delimiter(Some(byte)) => break,
                _ => self.piece(place, &mut scan)?,
            }
        }
        if parentheses > 0 || self.at == start {
            return Err("a word was expected");
        }
        // Also of pieces: `a['$(x)']`, `a\[\$\(x\)\]`.
        if scan.subscript || hidden::subscript(&scan.literal) {
            self.opaque = Some("a quoted subscript that may be evaluated");
        }
        Ok(scan.finish(self.text.get(start..self.at).unwrap_or_default()))
    }

    /// What means something only in front of a word: `~`, and zsh's `=`.
    fn word_start(&mut self, place: Place, scan: &mut Scan) -> Step<()> {
        match self.peek() {
            Some(b'~') if place != Place::Pattern => {
                scan.anything();
                while !is_delimiter(self.peek())
                    && self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b"~_-+.".contains(&b))
                {
                    self.advance(1)?;
                }
                Ok(())
            }
            // zsh replaces `=name` by the program's path.
            Some(b'=')
                if place == Place::Ordinary
                    && self.peek_at(1).is_some_and(|b| !is_delimiter(Some(b)) && !b"=~".contains(&b)) =>
            {
                scan.anything();
                self.advance(1)
            }
            _ => Ok(()),
        }
    }

    /// One quoted, expanded or plain piece.
    fn piece(&mut self, place: Place, scan: &mut Scan) -> Step<()> {
        match self.peek() {
            Some(b'\\') => self.escape(scan),
            Some(b'\'') => {
                self.advance(1)?;
                let text = self.single_quoted()?;
                scan.subscript |= hidden::subscript(text);
                scan.push(text);
                Ok(())
            }
            Some(b'"') => {
                self.advance(1)?;
                self.double_quoted(scan)
            }
            Some(b'$') if self.peek_at(1) == Some(b'\'') => {
                self.advance(2)?;
                self.ansi_quoted(scan)
            }
            Some(b'$') if self.peek_at(1) == Some(b'"') => {
                // A translation may replace it.
                self.advance(2)?;
                scan.anything();
                self.double_quoted(scan)
            }
            Some(b'$') => self.expansion(scan, false),
            Some(b'`') => self.backquoted(scan, false),
            _ => self.plain(place, scan),
        }
    }

    fn escape(&mut self, scan: &mut Scan) -> Step<()> {
        if self.peek_at(1) == Some(b'\n') {
            return self.advance(2);
        }
        self.advance(1)?;
        let length = self.character_length().ok_or("a backslash at the end")?;
        // `\x6f` is a letter in fish, and so is `\157`.
        let coded = match self.peek() {
            Some(b'x' | b'X' | b'u' | b'U') => self.peek_at(1).is_some_and(|byte| byte.is_ascii_hexdigit()),
            first => first.is_some_and(|byte| (b'0'..=b'7').contains(&byte)),
        };
        if coded {
            scan.anything();
            scan.wild = true;
        }
        scan.push(self.text.get(self.at..self.at + length).unwrap_or_default());
        self.advance(length)
    }

    /// The length of the character here.
    fn character_length(&self) -> Option<usize> {
        Some(match self.peek()? {
            0..=0x7f => 1,
            0x80..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        })
    }

    /// A run of plain characters, or one that globs.
    fn plain(&mut self, place: Place, scan: &mut Scan) -> Step<()> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            let special = match byte {
                b'\\' | b'\'' | b'"' | b'$' | b'`' => true,
                b'*' | b'?' | b'[' | b'{' | b',' | b'.' | b':' | b'~' => true,
                _ => is_delimiter(Some(byte)),
            };
            if special {
                break;
            }
            self.at += 1;
        }
        if self.at > start {
            scan.push(self.text.get(start..self.at).unwrap_or_default());
            return self.spend(self.at - start);
        }
        self.special(place, scan)
    }

    fn special(&mut self, place: Place, scan: &mut Scan) -> Step<()> {
        let Some(byte) = self.peek() else { return Ok(()) };
        let next = self.peek_at(1);
        match byte {
            b'*' | b'?' if place != Place::Value => scan.anything(),
            b'[' if place != Place::Value => {
                // `[` alone is the command; otherwise a bracket expression may begin.
                if scan.shape.is_empty() && is_delimiter(next) {
                    scan.push(b"[");
                } else {
                    scan.anything();
                    scan.wild = true;
                    scan.literal.pop();
                    scan.literal.push(b'[');
                }
            }
            b'{' if place != Place::Value => {
                scan.brace_open = true;
                scan.push(b"{");
            }
            b',' if scan.brace_open => {
                scan.brace_list = true;
            }
            b'.' if scan.brace_open && next == Some(b'.') => {
                scan.brace_list = true;
            }
            b':' if place == Place::Value && next == Some(b'~') => {
                scan.push(b":");
                scan.anything();
                self.advance(1)?;
            }
            other => scan.push(&[other]),
        }
        self.advance(1)
    }

    /// The text up to the closing `'`.
    pub(super) fn single_quoted(&mut self) -> Step<&[u8]> {
        let start = self.at;
        let rest = self.text.get(start..self.end).unwrap_or_default();
        let length = rest.iter().position(|&b| b == b'\'').ok_or("an unclosed '")?;
        self.advance(length + 1)?;
        Ok(self.text.get(start..start + length).unwrap_or_default())
    }

    /// Up to the closing `"`.
    pub(super) fn double_quoted(&mut self, scan: &mut Scan) -> Step<()> {
        let start = scan.shape.len();
        loop {
            match self.peek() {
                None => return Err("an unclosed \""),
                Some(b'"') => {
                    self.advance(1)?;
                    let inside = scan.shape.get(start..).unwrap_or_default();
                    scan.subscript |= hidden::subscript(inside.as_bytes());
                    return Ok(());
                }
                Some(_) => self.double_quoted_piece(scan, b"\"$`\\")?,
            }
        }
    }

    /// One piece of text in which only `$`, backquotes and some backslashes count.
    pub(super) fn double_quoted_piece(&mut self, scan: &mut Scan, escapable: &[u8]) -> Step<()> {
        match self.peek() {
            Some(b'\\') if self.peek_at(1) == Some(b'\n') => self.advance(2),
            Some(b'\\') if self.peek_at(1).is_some_and(|b| escapable.contains(&b)) => {
                self.advance(1)?;
                scan.push(self.text.get(self.at..=self.at).unwrap_or_default());
                self.advance(1)
            }
            Some(b'$') => self.expansion(scan, true),
            Some(b'`') => self.backquoted(scan, true),
            Some(_) => {
                let start = self.at;
                self.at += 1;
                while self.peek().is_some_and(|b| !b"\"$`\\".contains(&b)) {
                    self.at += 1;
                }
                scan.push(self.text.get(start..self.at).unwrap_or_default());
                self.spend(self.at - start)
            }
            None => Ok(()),
        }
    }

    /// `$'…'`.
    pub(super) fn ansi_quoted(&mut self, scan: &mut Scan) -> Step<()> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' => {
                    let inside = self.text.get(start..self.at).unwrap_or_default();
                    if hidden::ends_early(inside) {
                        return Err("a quote in $'…' that not every shell reads alike");
                    }
                    match hidden::decode_ansi(inside) {
                        Some(text) => {
                            scan.subscript |= hidden::subscript(text.as_bytes());
                            scan.push(text.as_bytes());
                        }
                        None => {
                            scan.anything();
                            scan.subscript = true;
                        }
                    }
                    return self.advance(1);
                }
                b'\\' => self.advance(2)?,
                _ => self.advance(1)?,
            }
        }
        Err("an unclosed $'")
    }
}
