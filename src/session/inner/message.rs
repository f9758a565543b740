//! What is said to the shell inside and what it says: fields that each end with a NUL, a kind first, then a number of
//! fields that the kind fixes; lists begin with their count. Pure. Whoever holds the other end may be hostile: reading
//! is bounded, takes any pieces, and gives up at the first thing that does not fit.

use super::place::Place;

/// The longest message from the shell, in bytes.
pub const LONGEST: usize = 1 << 20;
/// The most candidates or names of one message.
pub const MOST: usize = 10_000;

/// What the front end says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToShell<'a> {
    /// The line to evaluate; the nudge is typed behind it.
    Line(&'a [u8]),
    /// The answer to [`FromShell::Go`]: the terminal is the line's now.
    Go,
    /// What could stand at this place?
    Complete(&'a Place),
    /// What these command words name.
    Known(&'a [&'a [u8]]),
    /// A line ran outside and ended so: `$?` becomes this. The nudge is typed behind it, and [`FromShell::Go`] and
    /// [`FromShell::Ready`] follow, as after a line. It is not put into the shell's history.
    Status(i32),
}

impl ToShell<'_> {
    /// The bytes for the channel; `None` if a field holds a NUL, which nothing typed can.
    pub fn encode(&self) -> Option<Vec<u8>> {
        match self {
            ToShell::Line(line) => fields(&[b"L", line]),
            ToShell::Go => fields(&[b"G"]),
            ToShell::Complete(place) => {
                let mut message: Vec<&[u8]> = vec![b"C", &place.command, &place.before];
                let words = place.words.len().to_string();
                let quote = place.quote.map(|quote| [quote]);
                message.extend([place.word.as_slice(), quote.as_ref().map_or(b"", |quote| quote.as_slice())]);
                message.extend([if place.first { b"1".as_slice() } else { b"" }, words.as_bytes()]);
                message.extend(place.words.iter().map(Vec::as_slice));
                fields(&message)
            }
            ToShell::Known(names) => {
                let count = names.len().to_string();
                let mut message: Vec<&[u8]> = vec![b"K", count.as_bytes()];
                message.extend_from_slice(names);
                fields(&message)
            }
            ToShell::Status(status) => fields(&[b"S", (status & 0xff).to_string().as_bytes()]),
        }
    }
}

/// Each field and a NUL behind it.
fn fields(fields: &[&[u8]]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| field.len() + 1).sum());
    for field in fields {
        if field.contains(&0) {
            return None;
        }
        bytes.extend_from_slice(field);
        bytes.push(0);
    }
    Some(bytes)
}

/// What the shell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromShell {
    /// It waits for a line. A request that was under way is then void: Ctrl-C ended it.
    Ready(Box<Ready>),
    /// It is about to run the line that was sent and waits for [`ToShell::Go`].
    Go,
    /// The answer to [`ToShell::Complete`]: in order, each word once.
    Candidates(Vec<Candidate>),
    /// The answer to [`ToShell::Known`], in its order.
    Known(Vec<Name>),
}

/// How the shell stands at a prompt. All text is the shell's and hostile: make it harmless before showing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// `$?` of the last line.
    pub status: u8,
    /// `$PWD`.
    pub directory: Vec<u8>,
    /// The prompt, expanded, with its escape sequences.
    pub prompt: Vec<u8>,
    /// The prompt at the right edge (zsh).
    pub right: Vec<u8>,
    /// The prompt of further lines.
    pub second: Vec<u8>,
    /// `$-` as bash has it; of zsh's only `H`: `!!` and its like mean lines.
    pub flags: Vec<u8>,
    /// Whether the person wants vi's keys.
    pub vi: bool,
    /// `$HISTCONTROL`; zsh's options in bash's words.
    pub history_control: Vec<u8>,
    /// How long the shell would keep this line.
    pub keeping: Keeping,
    /// `$IGNOREEOF`, empty if unset: how many Ctrl-D before the shell ends.
    pub ignore_eof: Vec<u8>,
    /// `$COMP_WORDBREAKS`, for [`Place::of`].
    pub word_breaks: Vec<u8>,
}

/// How long a shell keeps the lines that are typed into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keeping {
    /// In a file: `HISTFILE` names one.
    #[default]
    File,
    /// As long as it lives: `HISTFILE` is not set.
    Memory,
    /// Not at all: `set +o history`.
    Nothing,
}

/// What could stand at a place, unquoted; [`Place::insertion`] makes it text for the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The word.
    pub word: Vec<u8>,
    /// How it becomes text.
    pub sort: Sort,
    /// No blank follows the word.
    pub open: bool,
    /// A few words about it, if there are any; of a variable its value behind a `=`.
    pub about: Vec<u8>,
}

/// How a candidate becomes text for the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It is text.
    Text,
    /// It is quoted.
    Word,
    /// It is quoted, and shown by its last part.
    File,
    /// The same, and a slash follows.
    Directory,
}

/// What a command word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// An alias.
    Alias,
    /// A reserved word.
    Keyword,
    /// A function.
    Function,
    /// A command of the shell itself.
    Builtin,
    /// A program.
    Program,
    /// Nothing.
    Nothing,
}

/// The shell's end of the channel said something that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shell inside does not keep to the protocol of the session")]
pub struct Broken;

/// Reads messages from pieces as they come.
#[derive(Debug, Default)]
pub struct Messages {
    /// What has come and is no message yet.
    waiting: Vec<u8>,
    /// How far `waiting` was searched for ends of fields, and how many were found: a message is not read twice.
    searched: (usize, usize),
    /// Nothing more is read.
    broken: bool,
}

impl Messages {
    /// Takes what was read from the channel.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.waiting.extend_from_slice(bytes);
        }
    }

    /// The next message, if it is complete. After an error there is none any more.
    pub fn next_message(&mut self) -> Result<Option<FromShell>, Broken> {
        if self.broken {
            return Err(Broken);
        }
        let read = self.read();
        if read.is_err() {
            self.broken = true;
            self.waiting = Vec::new();
        }
        read
    }

    fn read(&mut self) -> Result<Option<FromShell>, Broken> {
        let Some(kind) = self.waiting.first() else { return Ok(None) };
        let (fixed, per_item) = match kind {
            b'R' => (12, 0),
            b'G' => (1, 0),
            b'c' => (2, 3),
            b'x' => (3, 0),
            b'k' => (2, 1),
            _ => return Err(Broken),
        };
        let Some(length) = self.length(fixed, per_item)? else {
            return if self.waiting.len() > LONGEST { Err(Broken) } else { Ok(None) };
        };
        if length > LONGEST {
            return Err(Broken);
        }
        self.searched = (0, 0);
        let message: Vec<u8> = self.waiting.drain(..length).collect();
        let mut parts = Parts(message.split(|byte| *byte == 0));
        message_of(&mut parts).map(Some)
    }

    /// How many bytes the message at the front has, if all of it is there.
    fn length(&mut self, fixed: usize, per_item: usize) -> Result<Option<usize>, Broken> {
        if !self.search(fixed) {
            return Ok(None);
        }
        if per_item == 0 {
            return Ok(Some(self.searched.0));
        }
        let head = self.waiting.split(|byte| *byte == 0).nth(fixed - 1).ok_or(Broken)?;
        let count: usize = number(head)?;
        if count > MOST {
            return Err(Broken);
        }
        Ok(self.search(fixed + count * per_item).then_some(self.searched.0))
    }

    /// Whether `wanted` fields are there; then `searched` stands behind them.
    fn search(&mut self, wanted: usize) -> bool {
        while self.searched.1 < wanted {
            let rest = self.waiting.get(self.searched.0..).unwrap_or_default();
            let Some(end) = rest.iter().take(LONGEST).position(|byte| *byte == 0) else { return false };
            self.searched = (self.searched.0 + end + 1, self.searched.1 + 1);
        }
        true
    }
}

/// The fields of one message.
struct Parts<I>(I);

impl<'a, I: Iterator<Item = &'a [u8]>> Parts<I> {
    fn bytes(&mut self) -> Result<&'a [u8], Broken> {
        self.0.next().ok_or(Broken)
    }

    fn text(&mut self) -> Result<Vec<u8>, Broken> {
        self.bytes().map(<[u8]>::to_vec)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, Broken> {
        number(self.bytes()?)
    }
}

/// A decimal number without sign or blanks.
fn number<T: std::str::FromStr>(digits: &[u8]) -> Result<T, Broken> {
    let digits = std::str::from_utf8(digits).map_err(|_| Broken)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Broken);
    }
    digits.parse().map_err(|_| Broken)
}

/// The message that the fields make up.
fn message_of<'a>(parts: &mut Parts<impl Iterator<Item = &'a [u8]>>) -> Result<FromShell, Broken> {
    match parts.bytes()? {
        b"R" => Ok(FromShell::Ready(Box::new(Ready {
            status: parts.number()?,
            directory: parts.text()?,
            prompt: parts.text()?,
            right: parts.text()?,
            second: parts.text()?,
            flags: parts.text()?,
            vi: parts.text()? == b"vi",
            history_control: parts.text()?,
            keeping: keeping(parts.bytes()?)?,
            ignore_eof: parts.text()?,
            word_breaks: parts.text()?,
        }))),
        b"G" => Ok(FromShell::Go),
        b"c" => {
            let count: usize = parts.number()?;
            let candidate = |_| {
                let word = parts.text()?;
                let (sort, open) = sort(parts.bytes()?)?;
                Ok(Candidate { word, sort, open, about: parts.text()? })
            };
            let mut list = (0..count).map(candidate).collect::<Result<Vec<_>, Broken>>()?;
            // Of the same word the one stays of which most is said.
            list.sort_by(|one, other| {
                one.word.cmp(&other.word).then(other.about.len().cmp(&one.about.len()))
            });
            list.dedup_by(|one, other| one.word == other.word);
            Ok(FromShell::Candidates(list))
        }
        b"k" => {
            let count: usize = parts.number()?;
            (0..count).map(|_| name(parts.bytes()?)).collect::<Result<_, Broken>>().map(FromShell::Known)
        }
        _ => Err(Broken),
    }
}

/// How the scripts say what a candidate is: a letter, and `n` if no blank follows.
fn sort(word: &[u8]) -> Result<(Sort, bool), Broken> {
    let (letter, open) = word.strip_suffix(b"n").map_or((word, false), |letter| (letter, true));
    match letter {
        b"" => Ok((Sort::Text, open)),
        b"w" => Ok((Sort::Word, open)),
        b"f" => Ok((Sort::File, open)),
        b"/" => Ok((Sort::Directory, open)),
        _ => Err(Broken),
    }
}

/// How the scripts say it.
fn keeping(word: &[u8]) -> Result<Keeping, Broken> {
    match word {
        b"file" => Ok(Keeping::File),
        b"memory" => Ok(Keeping::Memory),
        b"" => Ok(Keeping::Nothing),
        _ => Err(Broken),
    }
}

/// The words of `type -t`.
fn name(word: &[u8]) -> Result<Name, Broken> {
    match word {
        b"alias" => Ok(Name::Alias),
        b"keyword" => Ok(Name::Keyword),
        b"function" => Ok(Name::Function),
        b"builtin" => Ok(Name::Builtin),
        b"file" => Ok(Name::Program),
        b"" => Ok(Name::Nothing),
        _ => Err(Broken),
    }
}

#[cfg(test)]
mod tests;
