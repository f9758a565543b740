//! Where in a line a completion is wanted: the simple command around it, its words as readline would cut them, and the
//! word that is being written with its quotes. Also the way back: a candidate as text for the line. Pure.

use super::message::{Candidate, Sort};

/// A place in a line at which a word is being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Where in the line the text begins that a candidate replaces; it ends at the point.
    pub start: usize,
    /// The simple command around the point: `$COMP_LINE`.
    pub command: Vec<u8>,
    /// What of it stands before the point.
    pub before: Vec<u8>,
    /// The word up to the point, without its quotes.
    pub word: Vec<u8>,
    /// The quote that is open at the point.
    pub quote: Option<u8>,
    /// The word is the command's own.
    pub first: bool,
    /// The words up to the point, as written, cut at word breaks too: `$COMP_WORDS`. The last is the word at the point.
    pub words: Vec<Vec<u8>>,
}

/// What a frame of the line holds: the line itself, or the inside of a `$(`, `(`, or backquotes.
#[derive(Debug, Clone, Default)]
struct Frame {
    /// Where its present simple command begins.
    command: usize,
    /// Ends of words in it.
    words: Vec<(usize, usize)>,
    /// Where the present word begins, if one does.
    word: Option<usize>,
    /// The present word is a run of word breaks.
    breaking: bool,
    /// The quote that is open.
    quote: Option<u8>,
    /// A `<` or `>` stands before the word.
    redirected: bool,
    /// The byte that ends the frame.
    end: Option<u8>,
}

impl Frame {
    fn new(start: usize, end: Option<u8>) -> Frame {
        Frame { command: start, end, ..Frame::default() }
    }

    /// A simple command ends before `at`; the next begins there.
    fn restart(&mut self, at: usize) {
        *self = Frame::new(at, self.end);
    }

    /// The word that ends before `at`, if there is one, is put with the others, unless the command begins behind it.
    fn end_word(&mut self, at: usize, line: &[u8]) {
        let Some(start) = self.word.take() else { return };
        let text = line.get(start..at).unwrap_or_default();
        if !self.breaking && self.words.is_empty() && (OPENING.contains(&text) || is_assignment(text)) {
            self.command = at;
        } else {
            self.words.push((start, at));
        }
        self.breaking = false;
    }
}

/// Reserved words behind which a command begins.
const OPENING: &[&[u8]] =
    &[b"!", b"{", b"do", b"elif", b"else", b"if", b"then", b"time", b"until", b"while", b"coproc"];

/// Whether a word before the command's own sets a variable: `A=b`, `A+=b`, `A[1]=b`.
fn is_assignment(word: &[u8]) -> bool {
    let Some(equals) = word.iter().position(|byte| *byte == b'=') else { return false };
    let name = word.get(..equals).unwrap_or_default();
    let name = name.strip_suffix(b"+").unwrap_or(name);
    let name = name.split(|byte| *byte == b'[').next().unwrap_or_default();
    name.first().is_some_and(|byte| !byte.is_ascii_digit())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

impl Place {
    /// The place at byte `point` of `line`; `breaks` is the shell's `COMP_WORDBREAKS`.
    pub fn of(line: &[u8], point: usize, breaks: &[u8]) -> Place {
        let point = point.min(line.len());
        let before = line.get(..point).unwrap_or_default();
        let mut frames = vec![Frame::new(0, None)];
        let mut at = 0;
        while let Some(&byte) = before.get(at) {
            at += step(before, at, byte, breaks, &mut frames);
        }
        let frame = frames.pop().unwrap_or_default();
        Place::within(line, point, &frame)
    }

    /// The place at the point, whose frame is known.
    fn within(line: &[u8], point: usize, frame: &Frame) -> Place {
        let slice = |from: usize, to: usize| line.get(from..to).unwrap_or_default();
        let mut words: Vec<Vec<u8>> =
            frame.words.iter().map(|(start, end)| slice(*start, *end).to_vec()).collect();
        let start = if frame.breaking { point } else { frame.word.unwrap_or(point) };
        words.push(slice(frame.word.unwrap_or(point), point).to_vec());
        let blanks = slice(frame.command, point).iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let command = frame.command + blanks;
        let rest = slice(point, line.len());
        let end = rest.iter().position(|byte| b";|&\n".contains(byte)).unwrap_or(rest.len());
        Place {
            start,
            command: slice(command, point + end).to_vec(),
            before: slice(command, point).to_vec(),
            word: unquoted(slice(start, point)),
            quote: frame.quote,
            first: frame.words.is_empty() && !frame.redirected && !frame.breaking,
            words,
        }
    }

    /// What a candidate puts into the line in place of the text from [`Place::start`] to the point.
    pub fn insertion(&self, candidate: &Candidate) -> Vec<u8> {
        let mut text = match (candidate.sort != Sort::Text, self.quote) {
            (true, Some(b'\'')) if plain(&candidate.word, b"'") => [b"'", candidate.word.as_slice()].concat(),
            (true, Some(b'"')) if plain(&candidate.word, b"") => {
                let mut text = vec![b'"'];
                escape(&candidate.word, b"\"\\$`", &mut text);
                text
            }
            (true, _) => quoted(&candidate.word),
            (false, Some(quote)) => [&[quote], candidate.word.as_slice()].concat(),
            (false, None) => candidate.word.clone(),
        };
        let open = self.quote.filter(|quote| text.first() == Some(quote));
        if candidate.sort == Sort::Directory {
            text.push(b'/');
        } else if !candidate.open {
            text.extend(open);
            text.push(b' ');
        }
        text
    }
}

/// Takes the byte at `at` of what stands before the point, and says how many bytes are done with.
fn step(before: &[u8], at: usize, byte: u8, breaks: &[u8], frames: &mut Vec<Frame>) -> usize {
    let next = before.get(at + 1).copied();
    let ends = frames.len() > 1;
    let Some(frame) = frames.last_mut() else { return 1 };
    if frame.breaking && (!breaks.contains(&byte) || b"\"'".contains(&byte)) {
        frame.end_word(at, before);
    }
    match (frame.quote, byte) {
        (Some(b'\''), b'\'') | (Some(b'"'), b'"') => frame.quote = None,
        (Some(b'\''), _) => {}
        (Some(_), b'\\') => return 2,
        (quote, b'$') if next == Some(b'(') => {
            // What stands around goes on as it is when the inside ends.
            frame.word.get_or_insert(at);
            frame.quote = quote;
            frames.push(Frame::new(at + 2, Some(b')')));
            return 2;
        }
        (None, _) if ends && frame.end == Some(byte) => {
            frames.pop();
        }
        (_, b'`') => {
            frame.word.get_or_insert(at);
            frames.push(Frame::new(at + 1, Some(b'`')));
        }
        (Some(_), _) => {}
        (None, b'\\') => {
            frame.word.get_or_insert(at);
            return 2;
        }
        (None, b'\'' | b'"') => {
            frame.word.get_or_insert(at);
            frame.quote = Some(byte);
        }
        (None, b' ' | b'\t') => frame.end_word(at, before),
        (None, b'\n' | b';' | b'|' | b'&') => frame.restart(at + 1),
        (None, b'(') if frame.word.is_none() => frames.push(Frame::new(at + 1, Some(b')'))),
        (None, b'(' | b')') => frame.restart(at + 1),
        (None, _) if breaks.contains(&byte) => {
            // `A=` before the command is no word of it, and its value is completed as a file.
            if !frame.breaking {
                let opens = frame.word.is_some_and(|word| {
                    frame.words.is_empty() && is_assignment(before.get(word..=at).unwrap_or_default())
                });
                if !opens {
                    frame.end_word(at, before);
                }
                frame.word.get_or_insert(at);
                frame.breaking = !opens;
            }
            frame.redirected |= b"<>".contains(&byte);
        }
        (None, _) => {
            frame.word.get_or_insert(at);
        }
    }
    1
}

/// A word without its quotes.
fn unquoted(raw: &[u8]) -> Vec<u8> {
    let mut word = Vec::with_capacity(raw.len());
    let mut quote = None;
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'\\') => word.extend(bytes.next()),
            (Some(b'"'), b'\\') if bytes.peek().is_some_and(|next| b"\"\\$`".contains(next)) => {
                word.extend(bytes.next());
            }
            _ => word.push(byte),
        }
    }
    word
}

/// Whether a word can stand between quotes: text without control characters and without `not`.
fn plain(word: &[u8], not: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|text| !text.chars().any(char::is_control))
        && !word.iter().any(|byte| not.contains(byte))
}

/// Puts a backslash before each of `special`.
fn escape(word: &[u8], special: &[u8], into: &mut Vec<u8>) {
    for byte in word {
        if special.contains(byte) {
            into.push(b'\\');
        }
        into.push(*byte);
    }
}

/// A file name as a word: as it is where it can be, with backslashes, or as `$'…'` where it is no plain text. A `~` at
/// the start stays: the shell gives names below a home that way only if that is what was written.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(word.len() + 8);
    if plain(word, b"") {
        if word.first() == Some(&b'#') {
            text.push(b'\\');
        }
        escape(word, b" '\"\\|&;()<>!{}*[]?^$`", &mut text);
        return text;
    }
    text.extend_from_slice(b"$'");
    for byte in word {
        match byte {
            b'\'' | b'\\' => text.extend([b'\\', *byte]),
            b' '..=b'~' => text.push(*byte),
            _ => text.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
mod tests;
