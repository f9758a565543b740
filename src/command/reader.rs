//! Reads a text: the cursor, the bounds, and lists of pipelines.
//!
//! A recursive descent in one pass, as the shell itself reads. Not brush-parser 0.4: it panics (aborts the process) on
//! `echo 99999999999>x`, needs exponential time for forty `(`, overflows the stack on deep nesting, and does not read
//! `$(case x in a) touch M;; esac)`. What is not understood here is an error, never a guess.

use super::continued::splits_an_operator;
use super::{Commands, SimpleCommand};

/// Longer texts are not read.
pub const LONGEST: usize = 256 * 1024;
/// Deeper nesting is not read: one level takes well below 2 kB of stack per function, so a 2 MB thread holds it.
const DEEPEST: u32 = 60;
/// Reading may look at each byte this often (alternatives such as `((` are read twice), plus a fixed allowance.
const LOOKS_PER_BYTE: usize = 24;

/// Why a text could not be read.
pub(super) type Step<T> = Result<T, &'static str>;

/// A here-document whose body has not come yet.
#[derive(Debug, Clone)]
pub(super) struct HereDocument {
    pub(super) delimiter: String,
    pub(super) quoted: bool,
    pub(super) strip_tabs: bool,
}

/// What ends a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    End,
    Parenthesis,
    CaseItem,
    Words(&'static [&'static str]),
}

/// The reader's place in a text and what it found.
pub(super) struct Reader<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
    /// Reading stops here: the end of the text or of a here-document's body.
    pub(super) end: usize,
    pub(super) depth: u32,
    pub(super) looks: usize,
    pub(super) pending: Vec<HereDocument>,
    /// Here-documents of an outer substitution still wait for their bodies.
    pub(super) outer_pending: bool,
    pub(super) found: Vec<SimpleCommand>,
    pub(super) defined: Vec<String>,
    /// Something was seen that stops the only command from being the whole text.
    pub(super) composed: bool,
    /// Set by a redirection that feeds what the text says; taken by the command that it belongs to.
    pub(super) fed: bool,
    /// Set by `word` when an expansion in it runs what cannot be seen; taken by the command that it belongs to.
    pub(super) opaque: Option<&'static str>,
}

/// What an alternative that failed gives back.
pub(super) struct Mark {
    at: usize,
    found: usize,
    defined: usize,
    pending: usize,
    opaque: Option<&'static str>,
    composed: bool,
}

/// Every simple command of a text, however deep.
pub fn read(text: &[u8]) -> Commands {
    read_nested(text, 0)
}

/// The same for a text that was found inside another, `depth` levels down.
pub(super) fn read_nested(text: &[u8], depth: u32) -> Commands {
    if text.len() > LONGEST {
        return Commands::Unknown(format!("the text is longer than {LONGEST} bytes"));
    }
    if text.contains(&0) {
        return Commands::Unknown("the text contains NUL".into());
    }
    if std::str::from_utf8(text).is_err() {
        return Commands::Unknown("the text is not UTF-8".into());
    }
    if splits_an_operator(text) {
        return Commands::Unknown("a line that continues within an operator".into());
    }
    let mut reader = Reader::new(text, depth);
    match reader.whole() {
        Ok(()) => Commands::Known(reader.finish()),
        Err(why) => Commands::Unknown(why.to_owned()),
    }
}

impl<'t> Reader<'t> {
    fn new(text: &'t [u8], depth: u32) -> Self {
        Reader {
            text,
            at: 0,
            end: text.len(),
            depth,
            looks: text.len() * LOOKS_PER_BYTE + 4096,
            pending: Vec::new(),
            outer_pending: false,
            found: Vec::new(),
            defined: Vec::new(),
            composed: false,
            fed: false,
            opaque: None,
        }
    }

    /// For a text inside a text.
    pub(super) fn nested(text: &'t [u8], depth: u32) -> Self {
        Reader::new(text, depth)
    }

    pub(super) fn whole(&mut self) -> Step<()> {
        self.list(Until::End)?;
        if self.at < self.end {
            return Err("an unexpected ')' or separator");
        }
        self.note_opaque();
        // bash runs `cat <<E` without a following line; nothing can hide in a body that is not there.
        Ok(())
    }

    fn finish(mut self) -> Vec<SimpleCommand> {
        let only = self.found.len() == 1 && !self.composed;
        // `exec <<<'…'` feeds all that follows.
        let exec = |c: &SimpleCommand| c.fed && c.words.iter().map(super::Word::shape).eq(["exec"]);
        if self.found.iter().any(exec) {
            self.feed(0);
        }
        for command in &mut self.found {
            command.alone = only;
            let name = command.words.first().and_then(super::Word::literal);
            command.shadowed = name.is_some_and(|n| self.defined.iter().any(|d| d == n));
        }
        self.found
    }

    /// Marks all commands found since there as fed by the text.
    pub(super) fn feed(&mut self, from: usize) {
        self.found.iter_mut().skip(from).for_each(|command| command.fed = true);
    }

    /// Reads what the text can feed by a way of its own.
    pub(super) fn as_fed(&mut self, read: impl FnOnce(&mut Self) -> Step<()>) -> Step<()> {
        let from = self.found.len();
        read(self)?;
        self.feed(from);
        Ok(())
    }

    /// The byte here, if any.
    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    /// The byte `ahead` of here, if any.
    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        let at = self.at + ahead;
        if at < self.end { self.text.get(at).copied() } else { None }
    }

    /// Whether the text goes on with this.
    pub(super) fn looking_at(&self, what: &[u8]) -> bool {
        self.text.get(self.at..self.end).is_some_and(|rest| rest.starts_with(what))
    }

    /// Steps over `count` bytes.
    pub(super) fn advance(&mut self, count: usize) -> Step<()> {
        self.at += count;
        self.spend(count)
    }

    /// Counts work against the bound.
    pub(super) fn spend(&mut self, count: usize) -> Step<()> {
        match self.looks.checked_sub(count) {
            Some(left) => {
                self.looks = left;
                Ok(())
            }
            None => Err("the text takes too long to read"),
        }
    }

    /// Goes one level down for the time of `inner`.
    pub(super) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        if self.depth >= DEEPEST {
            return Err("the text is nested too deeply");
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Remembers the place so that an alternative can be tried.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            found: self.found.len(),
            defined: self.defined.len(),
            pending: self.pending.len(),
            opaque: self.opaque,
            composed: self.composed,
        }
    }

    /// Goes back to a remembered place.
    pub(super) fn reset(&mut self, mark: &Mark) {
        self.at = mark.at;
        self.found.truncate(mark.found);
        self.defined.truncate(mark.defined);
        self.pending.truncate(mark.pending);
        self.opaque = mark.opaque;
        self.composed = mark.composed;
    }

    /// Steps over blanks, line continuations and a comment; not over newlines.
    pub(super) fn skip_blanks(&mut self) -> Step<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.advance(1)?,
                Some(b'\\') if self.peek_at(1) == Some(b'\n') => self.advance(2)?,
                Some(b'#') => {
                    while self.peek().is_some_and(|b| b != b'\n') {
                        self.advance(1)?;
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// Steps over blanks, comments and newlines (with the here-documents that begin after them).
    pub(super) fn skip_lines(&mut self) -> Step<()> {
        loop {
            self.skip_blanks()?;
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.newline()?;
        }
    }

    /// Steps over one newline and the here-documents that begin after it.
    pub(super) fn newline(&mut self) -> Step<()> {
        if self.outer_pending {
            return Err("a line ends inside a substitution before its here-document");
        }
        self.advance(1)?;
        self.here_documents()
    }

    /// The unquoted word here if it could be a reserved one, and where it ends. Line continuations are looked through.
    pub(super) fn reserved(&mut self) -> Step<(String, usize)> {
        let mut word = String::new();
        let mut ahead = 0;
        loop {
            match self.peek_at(ahead) {
                Some(b'\\') if self.peek_at(ahead + 1) == Some(b'\n') => ahead += 2,
                Some(byte @ (b'a'..=b'z' | b'!' | b'{' | b'}' | b'[' | b']')) if word.len() < 9 => {
                    word.push(char::from(byte));
                    ahead += 1;
                }
                byte if is_delimiter(byte) => break,
                _ => {
                    word.clear();
                    break;
                }
            }
        }
        self.spend(ahead + 1)?;
        Ok((word, self.at + ahead))
    }

    /// Whether the list that `until` ends is at its end here.
    fn at_end_of(&mut self, until: Until) -> Step<bool> {
        match (until, self.peek()) {
            (_, None | Some(b')')) => Ok(true),
            (Until::CaseItem, Some(b';')) => Ok(matches!(self.peek_at(1), Some(b';' | b'&'))),
            (Until::CaseItem, _) => Ok(self.reserved()?.0 == "esac"),
            (Until::Words(words), _) => {
                let (word, _) = self.reserved()?;
                Ok(words.contains(&word.as_str()))
            }
            (Until::End | Until::Parenthesis, _) => Ok(false),
        }
    }

    /// Commands with their separators, up to what ends them (which is left to the caller). Gives their number.
    pub(super) fn list(&mut self, until: Until) -> Step<usize> {
        let mut count = 0;
        loop {
            self.skip_lines()?;
            if self.at_end_of(until)? {
                return Ok(count);
            }
            self.and_or()?;
            count += 1;
            self.skip_blanks()?;
            match self.peek() {
                Some(b';') if matches!(self.peek_at(1), Some(b';' | b'&')) => {
                    return if until == Until::CaseItem { Ok(count) } else { Err("an unexpected ';;'") };
                }
                Some(b';') => self.advance(1)?,
                Some(b'&') => {
                    self.composed = true;
                    self.advance(1)?;
                }
                Some(b'\n') | None => {}
                Some(b')') => return Ok(count),
                // After `)` or `}` a word that ends the list may follow directly: `(a) }` is bash's too.
                Some(_) if matches!(until, Until::Words(_) | Until::CaseItem) && self.at_end_of(until)? => {
                    return Ok(count);
                }
                Some(_) => return Err("something unexpected after a command"),
            }
        }
    }

    /// The same, at least one command, with the word that ends it consumed and given.
    pub(super) fn body(&mut self, words: &'static [&'static str]) -> Step<String> {
        self.composed = true;
        if self.list(Until::Words(words))? == 0 {
            return Err("a compound command without a body");
        }
        let (word, end) = self.reserved()?;
        if !words.contains(&word.as_str()) {
            return Err("a compound command without its end");
        }
        self.advance(end - self.at)?;
        Ok(word)
    }

    fn and_or(&mut self) -> Step<()> {
        loop {
            self.pipeline()?;
            self.skip_blanks()?;
            if !self.looking_at(b"&&") && !self.looking_at(b"||") {
                return Ok(());
            }
            self.composed = true;
            self.advance(2)?;
            self.skip_lines()?;
        }
    }

    fn pipeline(&mut self) -> Step<()> {
        self.prefixes()?;
        let mut piped = None;
        loop {
            self.deeper(Self::command)?;
            if let Some(from) = piped {
                self.feed(from);
            }
            piped = Some(self.found.len());
            self.skip_blanks()?;
            if self.peek() != Some(b'|') || self.peek_at(1) == Some(b'|') {
                return Ok(());
            }
            self.composed = true;
            self.advance(if self.peek_at(1) == Some(b'&') { 2 } else { 1 })?;
            self.skip_lines()?;
        }
    }

    /// `!` and `time [-p]` in front of a pipeline.
    fn prefixes(&mut self) -> Step<()> {
        loop {
            self.skip_blanks()?;
            let (word, end) = self.reserved()?;
            match word.as_str() {
                "!" => self.advance(end - self.at)?,
                "time" => {
                    let mark = self.mark();
                    self.advance(end - self.at)?;
                    self.skip_blanks()?;
                    for option in [b"-p".as_slice(), b"--"] {
                        if self.looking_at(option) && is_delimiter(self.peek_at(2)) {
                            self.advance(2)?;
                            self.skip_blanks()?;
                        }
                    }
                    if self.peek() == Some(b'-') {
                        // Not the reserved word's option: the program `time`, which is a wrapper.
                        self.reset(&mark);
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
            self.composed = true;
        }
    }
}

/// Whether a word ends before this byte.
pub(super) fn is_delimiter(byte: Option<u8>) -> bool {
    matches!(byte, None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')'))
}

/// The first word of a text and its length, if the text begins with one.
pub(super) fn first_word(text: &[u8]) -> Option<(super::Word, usize)> {
    if text.len() > LONGEST || text.contains(&0) || is_delimiter(text.first().copied()) {
        return None;
    }
    let mut reader = Reader::new(text, 0);
    let word = reader.word(super::word::Place::Ordinary).ok()?;
    Some((word, reader.at))
}

#[cfg(test)]
mod tests {
    use super::super::Word;
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        match read(text.as_bytes()) {
            Commands::Known(all) => {
                all.iter().map(|c| c.words.iter().map(Word::shown).collect::<Vec<_>>().join(" ")).collect()
            }
            Commands::Unknown(why) => vec![format!("unknown: {why}")],
        }
    }

    #[test]
    fn a_simple_command_is_read_whole() {
        let unknown = Word::Unknown { source: "\"$B\"x".into(), shape: "\0x".into() };
        assert_eq!(
            read(b"A=1 git 'p u'sh \"$B\"x > f"),
            Commands::Known(vec![SimpleCommand {
                assignments: vec![("A".into(), Word::Literal("1".into()))],
                words: vec![Word::Literal("git".into()), Word::Literal("p ush".into()), unknown],
                redirected: true,
                alone: true,
                ..SimpleCommand::default()
            }])
        );
    }

    #[test]
    fn commands_are_found_however_deep() {
        assert_eq!(lines("a; b | c && d"), ["a", "b", "c", "d"]);
        assert_eq!(lines("echo \"$(a; `b`)\""), ["a", "b", "`b`", "echo \"$(a; `b`)\""]);
        assert_eq!(lines("cat <<E\n$(a)\nE\nb"), ["cat", "a", "b"]);
        assert_eq!(lines("cat <<'E'\n$(a)\nE\nb"), ["cat", "b"]);
        assert_eq!(lines("case x in a) b;; *) c;; esac"), ["b", "c"]);
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let texts = [
            "'",
            "\"",
            "$(",
            "(",
            "a)",
            "${x",
            "{ a",
            "a (b)",
            ";;",
            "if a; then b",
            "${ a; }",
            "$[1]",
            "a\0b",
        ];
        for text in texts {
            assert!(matches!(read(text.as_bytes()), Commands::Unknown(_)), "{text:?}");
        }
        assert_eq!(read(b"\xff"), Commands::Unknown("the text is not UTF-8".into()));
        let long = vec![b'a'; LONGEST + 1];
        assert_eq!(read(&long), Commands::Unknown("the text is longer than 262144 bytes".into()));
    }
}
