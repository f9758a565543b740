//! The colours of the line: what becomes of its commands, and lightly what its parts are. Owns no verdict: it asks
//! [`Behind`].

use super::shared::{Search, Shared};
use super::{Behind, Mark, clean};
use nu_ansi_term::{Color, Style};
use reedline::{Highlighter, StyledText};
use std::ops::Range;
use std::sync::Arc;

/// Colours the line, and notes what was painted.
pub(super) struct Colours {
    pub(super) behind: Arc<dyn Behind>,
    pub(super) shared: Arc<Shared>,
    /// Whether colours may be used.
    pub(super) on: bool,
}

impl Highlighter for Colours {
    fn highlight(&self, line: &str, cursor: usize) -> StyledText {
        self.note(line, cursor);
        let mut styled = StyledText::new();
        if self.shared.is_blank() {
            return styled;
        }
        let clean = clean::same_length(line);
        if !self.on {
            styled.push((Style::new(), clean));
            return styled;
        }
        for (range, style) in overlaid(parts(line), &self.behind.marks(line), line.len()) {
            if let Some(part) = clean.get(range) {
                styled.push((style, part.to_owned()));
            }
        }
        // A range that is none must not hide what is there.
        if styled.raw_string() != clean {
            styled = StyledText::new();
            styled.push((Style::new(), clean));
        }
        styled
    }
}

impl Colours {
    fn note(&self, line: &str, cursor: usize) {
        let mut page = self.shared.page();
        page.search = Search::Off;
        page.cursor = cursor;
        page.paintings += 1;
        if page.line != line {
            page.line.clear();
            page.line.push_str(line);
        }
        if !page.done {
            // A new batch of keys begins: nothing of the last one was lost.
            page.ahead.clear();
        }
    }
}

fn style(mark: Mark) -> Style {
    match mark {
        Mark::Confined => Style::new().fg(Color::Green),
        Mark::Outside => Style::new().fg(Color::Yellow).bold(),
        Mark::Asked => Style::new().fg(Color::Yellow),
        Mark::Denied => Style::new().fg(Color::Red).underline(),
        Mark::NotFound => Style::new().fg(Color::Red),
    }
}

/// The whole line in pieces, with the marks in the place of what is below them.
fn overlaid(
    parts: Vec<(Range<usize>, Style)>,
    marks: &[(Range<usize>, Mark)],
    length: usize,
) -> Vec<(Range<usize>, Style)> {
    let mut edges: Vec<usize> = [0, length].into_iter().collect();
    edges.extend(parts.iter().flat_map(|(range, _)| [range.start, range.end]));
    edges.extend(marks.iter().flat_map(|(range, _)| [range.start, range.end]));
    edges.retain(|edge| *edge <= length);
    edges.sort_unstable();
    edges.dedup();
    let mut pieces: Vec<(Range<usize>, Style)> = Vec::with_capacity(edges.len());
    let (mut parts, mut marks) = (parts.into_iter().peekable(), marks.iter().peekable());
    for (start, end) in edges.iter().zip(edges.iter().skip(1)) {
        while parts.next_if(|(range, _)| range.end <= *start).is_some() {}
        while marks.next_if(|(range, _)| range.end <= *start).is_some() {}
        let part = parts.peek().filter(|(range, _)| range.start <= *start).map(|(_, style)| *style);
        let mark = marks.peek().filter(|(range, _)| range.start <= *start).map(|(_, mark)| style(*mark));
        let style = mark.or(part).unwrap_or_default();
        match pieces.last_mut() {
            Some((range, before)) if *before == style => range.end = *end,
            _ => pieces.push((*start..*end, style)),
        }
    }
    pieces
}

/// The pieces that have a colour of their own: strings, comments, variables and operators. A light look, no reading.
fn parts(line: &str) -> Vec<(Range<usize>, Style)> {
    let mut look = Look { bytes: line.as_bytes(), at: 0, found: Vec::new() };
    look.all();
    look.found
}

struct Look<'a> {
    bytes: &'a [u8],
    at: usize,
    found: Vec<(Range<usize>, Style)>,
}

impl Look<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn push(&mut self, start: usize, colour: Color) {
        let end = self.at.min(self.bytes.len());
        self.at = end;
        if start < end {
            self.found.push((start..end, Style::new().fg(colour)));
        }
    }

    fn all(&mut self) {
        let mut at_word = true;
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            at_word = match byte {
                b'\\' => {
                    self.at += 2;
                    false
                }
                b'\'' => {
                    self.quoted(false);
                    false
                }
                b'"' => {
                    self.double_quoted();
                    false
                }
                b'$' if self.peek(1) == Some(b'\'') => {
                    self.at += 1;
                    self.quoted(true);
                    false
                }
                b'$' => {
                    self.variable();
                    false
                }
                b'#' if at_word => {
                    while self.peek(0).is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                    self.push(start, Color::DarkGray);
                    true
                }
                b'|' | b'&' | b';' | b'<' | b'>' | b'(' | b')' => {
                    self.at += 1;
                    self.push(start, Color::Blue);
                    true
                }
                _ => {
                    self.at += 1;
                    byte.is_ascii_whitespace()
                }
            };
        }
    }

    /// `'…'`; in `$'…'` a backslash escapes.
    fn quoted(&mut self, escapes: bool) {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += if escapes && byte == b'\\' { 2 } else { 1 };
            if byte == b'\'' {
                break;
            }
        }
        self.push(start, Color::Cyan);
    }

    /// `"…"`, in which variables have their own colour.
    fn double_quoted(&mut self) {
        let mut start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'$' => {
                    self.push(start, Color::Cyan);
                    self.variable();
                    start = self.at;
                    continue;
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
            if byte == b'"' {
                break;
            }
        }
        self.push(start, Color::Cyan);
    }

    /// `$x`, `${x…}`, `$1`, `$?`; of `$(` the dollar alone.
    fn variable(&mut self) {
        let start = self.at;
        self.at += 1;
        match self.peek(0) {
            Some(b'{') => {
                while let Some(byte) = self.peek(0) {
                    self.at += 1;
                    if byte == b'}' {
                        break;
                    }
                }
            }
            Some(byte) if byte == b'_' || byte.is_ascii_alphabetic() => {
                while self.peek(0).is_some_and(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
                    self.at += 1;
                }
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => self.at += 1,
            _ => {}
        }
        self.push(start, Color::Purple);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Nobody;
    use super::*;
    use proptest::prelude::*;

    fn colours(on: bool) -> Colours {
        Colours { behind: Arc::new(Nobody), shared: Arc::default(), on }
    }

    fn shown(line: &str) -> Vec<(&str, Style)> {
        parts(line).into_iter().map(|(range, style)| (&line[range], style)).collect()
    }

    #[test]
    fn strings_comments_variables_and_operators_are_told_apart() {
        let fg = |colour: Color| Style::new().fg(colour);
        assert_eq!(
            shown("echo 'a b' \"c $d e\" ${f} a#b | x $(y) \\' # it's"),
            [
                ("'a b'", fg(Color::Cyan)),
                ("\"c ", fg(Color::Cyan)),
                ("$d", fg(Color::Purple)),
                (" e\"", fg(Color::Cyan)),
                ("${f}", fg(Color::Purple)),
                ("|", fg(Color::Blue)),
                ("$", fg(Color::Purple)),
                ("(", fg(Color::Blue)),
                (")", fg(Color::Blue)),
                ("# it's", fg(Color::DarkGray)),
            ]
        );
        assert_eq!(shown("$'a\\'b' c"), [("'a\\'b'", fg(Color::Cyan))]);
        assert_eq!(shown("'open"), [("'open", fg(Color::Cyan))]);
    }

    #[test]
    fn a_command_has_the_colour_of_its_verdict() {
        let styled = colours(true).highlight("docker ps | rm x", 0);
        assert_eq!(
            styled.render_simple(),
            "\u{1b}[1;33mdocker\u{1b}[0m ps \u{1b}[34m|\u{1b}[0m \u{1b}[4;31mrm\u{1b}[0m x"
        );
    }

    #[test]
    fn without_colours_the_line_is_plain_and_unsafe_characters_are_not_shown() {
        assert_eq!(colours(false).highlight("docker \u{1b}[2J", 0).render_simple(), "docker ?[2J");
        assert_eq!(colours(true).highlight("ls \u{1b}\u{202e}", 0).raw_string(), "ls ?\u{fffd}");
    }

    #[test]
    fn what_was_painted_is_known() {
        let colours = colours(true);
        colours.shared.page().search = Search::Found;
        colours.highlight("abc", 2);
        let page = colours.shared.page();
        assert_eq!((page.line.as_str(), page.cursor, page.search), ("abc", 2, Search::Off));
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_whole_line(line in "[a-c'\"$#\\\\(){}|& \n\u{e9}\u{6f22}]{0,40}",
                                         start in 0usize..50, end in 0usize..50) {
            let marks = [(start..end, Mark::Outside)];
            let whole: String = overlaid(parts(&line), &marks, line.len())
                .into_iter()
                .filter_map(|(range, _)| line.get(range))
                .collect();
            // A mark within a character is the caller's fault and is met by painting without colours.
            if line.is_char_boundary(start.min(line.len())) && line.is_char_boundary(end.min(line.len())) {
                prop_assert_eq!(whole, line);
            }
        }
    }
}
