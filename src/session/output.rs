//! The output of the pty on its way to the person: marks that say "all output of the line has come" are taken out.
//!
//! Owns finding them, also in pieces, and what is said before the first. Pure. Everything else goes on as it is: it is a
//! terminal's.

use std::borrow::Cow;

/// What is kept of what was said before the first mark.
const MOST_BEFORE: usize = 64 << 10;

/// Finds marks in a stream.
#[derive(Debug)]
pub struct Output {
    mark: Vec<u8>,
    /// The beginning of what may become a mark.
    held: Vec<u8>,
    /// What was said before the first mark; gone after it.
    before: Option<Vec<u8>>,
    marks: u64,
}

impl Output {
    /// For marks of this spelling.
    pub fn new(mark: Vec<u8>) -> Output {
        Output { mark, held: Vec::new(), before: Some(Vec::new()), marks: 0 }
    }

    /// For a shell that makes none.
    pub fn without_marks() -> Output {
        Output { before: None, ..Output::new(Vec::new()) }
    }

    /// What goes on of these bytes.
    pub fn pass<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        // What nothing obeys holds no mark, and is most of all output.
        if self.before.is_none()
            && self.held.is_empty()
            && self.mark.first().is_none_or(|first| !bytes.contains(first))
        {
            return Cow::Borrowed(bytes);
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut on = Vec::with_capacity(all.len());
        let mut rest = all.as_slice();
        while let Some(at) = find(rest, &self.mark) {
            let (text, after) = rest.split_at(at);
            self.keep(text, &mut on);
            self.before = None;
            self.marks += 1;
            rest = after.get(self.mark.len()..).unwrap_or_default();
        }
        let held = beginning(rest, &self.mark);
        let (text, held) = rest.split_at(rest.len() - held);
        self.keep(text, &mut on);
        self.held = held.to_vec();
        Cow::Owned(on)
    }

    fn keep(&mut self, text: &[u8], on: &mut Vec<u8>) {
        match &mut self.before {
            Some(before) if before.len() + text.len() <= MOST_BEFORE => before.extend_from_slice(text),
            Some(_) => {}
            None => on.extend_from_slice(text),
        }
    }

    /// Marks found since this was asked.
    pub fn take_marks(&mut self) -> u64 {
        std::mem::take(&mut self.marks)
    }

    /// What was said by a shell that never came to its first mark; `None`: it did.
    pub fn take_before(&mut self) -> Option<Vec<u8>> {
        self.before.take()
    }
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    let (first, rest) = mark.split_first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| byte == first) {
        if text.get(from + at + 1..)?.starts_with(rest) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// How much of the end of the text begins a mark.
fn beginning(text: &[u8], mark: &[u8]) -> usize {
    let most = mark.len().saturating_sub(1).min(text.len());
    (1..=most)
        .rev()
        .find(|&length| mark.starts_with(text.get(text.len() - length..).unwrap_or(b"?")))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn however_it_comes_in_pieces_only_marks_are_taken_out(
            parts in proptest::collection::vec("[a\x1b;]{0,6}", 1..6), size in 1usize..7,
        ) {
            let mark = b"\x1b]7;n\x07";
            let text: Vec<u8> = parts.iter().flat_map(|part| [part.as_bytes(), mark].concat()).collect();
            let mut output = Output::new(mark.to_vec());
            let mut on: Vec<u8> = text.chunks(size).flat_map(|piece| output.pass(piece).into_owned()).collect();
            on.extend(output.pass(b".").iter());
            prop_assert_eq!(output.take_marks(), parts.len() as u64);
            prop_assert_eq!(String::from_utf8(on).unwrap(), format!("{}.", parts[1..].concat()));
        }
    }

    #[test]
    fn what_never_came_to_a_mark_can_be_told() {
        let mut output = Output::new(b"MARK".to_vec());
        assert!(output.pass(b"cannot start").is_empty());
        assert_eq!(output.take_before().as_deref(), Some(&b"cannot start"[..]));
    }
}
