//! How a settings file is laid out: indentation, line ends, where commas and brackets stand, so that a change looks as
//! if the file's author had made it. Owns no decision about what is changed.

use super::jsonc;
use jsonc_parser::ast::Value;
use jsonc_parser::common::Range;

/// What stands from `start` to `end` becomes `insert`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) insert: String,
}

/// Edits in the order of the text.
pub(super) type Edits = Vec<Edit>;

fn at(offset: usize, insert: String) -> Edit {
    Edit { start: offset, end: offset, insert }
}

fn gone(start: usize, end: usize) -> Edit {
    Edit { start, end, insert: String::new() }
}

/// How a text is laid out.
pub(super) struct Layout<'t> {
    text: &'t str,
    /// How its lines end.
    pub(super) newline: &'static str,
    /// One level of indentation.
    pub(super) unit: &'t str,
}

impl<'t> Layout<'t> {
    pub(super) fn of(text: &'t str, root: &Value<'_>) -> Layout<'t> {
        let first = text.find('\n').unwrap_or(0);
        let newline = if text.get(..first).is_some_and(|line| line.ends_with('\r')) { "\r\n" } else { "\n" };
        let mut layout = Layout { text, newline, unit: "  " };
        if let Value::Object(object) = root
            && let Some(unit) =
                object.properties.first().and_then(|first| layout.starts_line(first.range.start))
            && !unit.is_empty()
        {
            layout.unit = unit;
        }
        layout
    }

    pub(super) fn line_indent(&self, offset: usize) -> &'t str {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = self.text.get(before.rfind('\n').map_or(0, |at| at + 1)..).unwrap_or_default();
        let length = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        line.get(..length).unwrap_or_default()
    }

    /// The indentation before the offset if nothing else stands before it in its line.
    pub(super) fn starts_line(&self, offset: usize) -> Option<&'t str> {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.get(before.rfind('\n')? + 1..).unwrap_or_default();
        line.bytes().all(|byte| matches!(byte, b' ' | b'\t')).then_some(line)
    }

    /// Where the item goes in a container, and the commas that it needs.
    pub(super) fn inserts(
        &self,
        container: Range,
        held: &[Range],
        object: bool,
        item: impl Fn(Option<&str>) -> String,
    ) -> Edits {
        let close = container.end.saturating_sub(1);
        let Some(last) = held.last() else {
            let (offset, text) = self.first(container.start + 1, close, object, item);
            return vec![at(offset, text)];
        };
        let (comma, line_end) = self.after(last.end, close);
        match self.starts_line(last.start) {
            Some(indent) => {
                let text = format!("{}{indent}{}", self.newline, item(Some(indent)));
                match comma {
                    Some(_) => vec![at(line_end, format!("{text},"))],
                    None if line_end == last.end => vec![at(line_end, format!(",{text}"))],
                    None => vec![at(last.end, ",".to_string()), at(line_end, text)],
                }
            }
            None => match comma {
                Some(comma) => vec![at(comma + 1, format!(" {},", item(None)))],
                None => vec![at(last.end, format!(", {}", item(None)))],
            },
        }
    }

    /// Takes one item out of a container: with its line where it has one to itself, else with one comma beside it.
    pub(super) fn removes(&self, container: Range, held: &[Range], index: usize) -> Edits {
        let Some(item) = held.get(index) else { return Vec::new() };
        let close = container.end.saturating_sub(1);
        let next = held.get(index + 1).map_or(close, |next| next.start);
        let (comma, line_end) = self.after(item.end, next);
        // The comma of the item before is one too many, unless commas may stand at the end here.
        let before = match (index.checked_sub(1).and_then(|before| held.get(before)), comma) {
            (Some(before), None) => self.after(before.end, item.start).0,
            _ => None,
        };
        let mut edits: Edits = before.map(|comma| gone(comma, comma + 1)).into_iter().collect();
        if let Some(indent) = self.starts_line(item.start)
            && let Some(end) = self.ends_line(line_end)
        {
            edits.push(gone(item.start - indent.len(), end));
            return edits;
        }
        let mut end = comma.map_or(item.end, |comma| comma + 1);
        let mut start = item.start;
        let blank =
            |offset: usize| self.text.as_bytes().get(offset).is_some_and(|b| matches!(b, b' ' | b'\t'));
        if comma.is_some() {
            while end < next && blank(end) {
                end += 1;
            }
        } else {
            while start > container.start + 1
                && blank(start - 1)
                && before.is_none_or(|comma| start > comma + 1)
            {
                start -= 1;
            }
        }
        edits.push(gone(start, end));
        edits
    }

    /// The offset after the newline if nothing but blanks stands before it.
    fn ends_line(&self, offset: usize) -> Option<usize> {
        let rest = self.text.get(offset..)?;
        let length = rest.find('\n')?;
        rest.get(..length)?.trim_matches([' ', '\t', '\r']).is_empty().then_some(offset + length + 1)
    }

    /// The first item of an empty container: after the comments in it.
    pub(super) fn first(
        &self,
        open: usize,
        close: usize,
        object: bool,
        item: impl Fn(Option<&str>) -> String,
    ) -> (usize, String) {
        let inside = self.text.get(open..close).unwrap_or_default();
        let after = inside.trim_end_matches([' ', '\t', '\r', '\n']);
        let at = open + after.len();
        let outer = self.line_indent(open);
        if inside.contains('\n') {
            let indent = format!("{outer}{}", self.unit);
            let mut text = format!("{}{indent}{}", self.newline, item(Some(&indent)));
            if !inside.get(after.len()..).unwrap_or_default().contains('\n') {
                text = format!("{text}{}{outer}", self.newline);
            }
            (at, text)
        } else if object
            && (open == 1 || self.text.get(..open - 1).is_some_and(|before| self.is_root(before)))
        {
            let indent = format!("{outer}{}", self.unit);
            (close, format!("{0}{indent}{1}{0}{outer}", self.newline, item(Some(&indent))))
        } else if after.is_empty() {
            (open, item(None))
        } else {
            (at, format!(" {}", item(None)))
        }
    }

    /// Whether nothing but blanks and comments stands before the outermost object.
    pub(super) fn is_root(&self, before: &str) -> bool {
        jsonc::blank(before).is_ok_and(|plain| plain.trim().is_empty())
    }

    /// The comma after an item, if there is one before the container ends, and the end of what stands in that line.
    pub(super) fn after(&self, from: usize, close: usize) -> (Option<usize>, usize) {
        let bytes = self.text.as_bytes();
        let (mut at, mut comma, mut end, mut passed_line) = (from, None, from, false);
        while let Some(byte) = bytes.get(at..close).and_then(|rest| rest.first()) {
            match byte {
                b'/' => {
                    at = jsonc::comment_end(bytes, at).unwrap_or(close).min(close);
                    if !passed_line {
                        let comment = self.text.get(..at).unwrap_or_default();
                        end = comment.strip_suffix('\r').unwrap_or(comment).len();
                    }
                    continue;
                }
                b',' => {
                    comma = Some(at);
                    end = at + 1;
                    passed_line = false;
                }
                b'\n' => passed_line = true,
                _ => {}
            }
            at += 1;
        }
        (comma, end)
    }
}
