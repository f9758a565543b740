//! The bytes between shim and broker. Owns the encoding; what comes from the inside is taken for hostile: lengths are
//! bounded, and what does not fit exactly is nothing.

/// The longest request: twice what execve(2) takes by default, which is argv and environment together.
pub const LONGEST: usize = 4 << 20;

/// Bytes in front of a request: its length.
pub const HEAD: usize = 4;

/// A shim's request. Its descriptors come along: the working directory, then the standard ones that are open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// The covered file that was executed; empty for the way out.
    pub covered: Vec<u8>,
    /// argv.
    pub argv: Vec<Vec<u8>>,
    /// The environment, `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// Which standard descriptors are open.
    pub standard: [bool; 3],
    /// The file mode creation mask.
    pub umask: u32,
    /// Blocked signals, bit n-1 for signal n.
    pub blocked: u64,
    /// Ignored signals, likewise.
    pub ignored: u64,
}

const FIXED: usize = 1 + 4 + 8 + 8 + 4 + 4;

impl Request {
    /// The bytes, with their length in front.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let open = (0..3u8).zip(self.standard).fold(0, |bits, (n, open)| bits | u8::from(open) << n);
        body.push(open);
        body.extend(self.umask.to_le_bytes());
        body.extend(self.blocked.to_le_bytes());
        body.extend(self.ignored.to_le_bytes());
        for list in [&self.argv, &self.environment] {
            body.extend(u32::try_from(list.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        for text in std::iter::once(&self.covered).chain(&self.argv).chain(&self.environment) {
            body.extend(text);
            body.push(0);
        }
        let mut bytes = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        bytes.extend(body);
        bytes
    }

    /// The length that a head announces, if it is one that can be.
    pub fn length(head: [u8; HEAD]) -> Option<usize> {
        let length = u32::from_le_bytes(head) as usize;
        (FIXED..=LONGEST).contains(&length).then_some(length)
    }

    /// Reads what follows the head.
    pub fn decode(body: &[u8]) -> Option<Request> {
        let (fixed, texts) = body.split_first_chunk::<FIXED>()?;
        let (&open, rest) = fixed.split_first()?;
        let (umask, rest) = rest.split_first_chunk::<4>()?;
        let (blocked, rest) = rest.split_first_chunk::<8>()?;
        let (ignored, rest) = rest.split_first_chunk::<8>()?;
        let (words, variables) = rest.split_first_chunk::<4>()?;
        let words = u32::from_le_bytes(*words) as usize;
        let variables = u32::from_le_bytes(variables.try_into().ok()?) as usize;
        // Each text ends with a NUL, so what lies behind the last one is empty.
        let (last, texts) = texts.split_last()?;
        let mut texts = texts.split(|&byte| byte == 0).map(<[u8]>::to_vec);
        let covered = texts.next()?;
        let argv: Vec<Vec<u8>> = texts.by_ref().take(words).collect();
        let environment: Vec<Vec<u8>> = texts.by_ref().take(variables).collect();
        let whole = *last == 0 && open < 8 && texts.next().is_none();
        let counted = argv.len() == words && environment.len() == variables && words > 0;
        (whole && counted).then(|| Request {
            covered,
            argv,
            environment,
            standard: [0, 1, 2].map(|n| open >> n & 1 == 1),
            umask: u32::from_le_bytes(*umask),
            blocked: u64::from_le_bytes(*blocked),
            ignored: u64::from_le_bytes(*ignored),
        })
    }
}

/// What the broker tells a shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Go on inside, by yourself.
    Inside,
    /// Nothing runs: the lines to say, and the status.
    Refused {
        /// Lines.
        text: String,
        /// Exit status.
        status: i32,
    },
    /// It runs; signals of the whole group reach it by themselves.
    Runs {
        /// Whether it is in the shim's process group.
        joined: bool,
    },
    /// It was stopped by this signal.
    Stopped(i32),
    /// It ended with this status.
    Exited(i32),
    /// It was ended by this signal.
    Signaled(i32),
}

/// Longest text of a refusal.
const LONGEST_TEXT: usize = 64 << 10;

/// Bytes in front of a text.
pub const NEWS: usize = 9;

impl News {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (tag, number, text) = match self {
            News::Inside => (b'i', 0, ""),
            News::Refused { text, status } => (b'r', *status, text.as_str()),
            News::Runs { joined } => (b'j', i32::from(*joined), ""),
            News::Stopped(signal) => (b't', *signal, ""),
            News::Exited(status) => (b'e', *status, ""),
            News::Signaled(signal) => (b'k', *signal, ""),
        };
        let text: Vec<u8> = text.bytes().take(LONGEST_TEXT).collect();
        let mut bytes = vec![tag];
        bytes.extend(number.to_le_bytes());
        bytes.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        bytes.extend(text);
        bytes
    }

    /// How long the text is that follows.
    pub fn text_length(head: [u8; NEWS]) -> Option<usize> {
        let [.., a, b, c, d] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        (length <= LONGEST_TEXT).then_some(length)
    }

    /// Reads it.
    pub fn decode(head: [u8; NEWS], text: &[u8]) -> Option<News> {
        let [tag, a, b, c, d, ..] = head;
        let number = i32::from_le_bytes([a, b, c, d]);
        Some(match tag {
            b'i' => News::Inside,
            b'r' => News::Refused { text: String::from_utf8_lossy(text).into_owned(), status: number },
            b'j' => News::Runs { joined: number == 1 },
            b't' => News::Stopped(number),
            b'e' => News::Exited(number),
            b'k' => News::Signaled(number),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(1u8..=255, 0..12)
    }

    proptest! {
        #[test]
        fn a_request_arrives_as_it_was_sent(
            covered in text(), argv in proptest::collection::vec(text(), 1..5), environment in proptest::collection::vec(text(), 0..5),
            standard: [bool; 3], umask: u32, blocked: u64, ignored: u64,
        ) {
            let request = Request { covered, argv, environment, standard, umask, blocked, ignored };
            let bytes = request.encode();
            let (head, body) = bytes.split_first_chunk::<HEAD>().unwrap();
            prop_assert_eq!(Request::length(*head), Some(body.len()));
            prop_assert_eq!(Request::decode(body), Some(request));
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_mean_one_thing(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(request) = Request::decode(&bytes) {
                prop_assert_eq!(&request.encode()[HEAD..], bytes.as_slice());
            }
        }

        #[test]
        fn news_arrive_as_they_were_sent(number: i32, text in "[a-z]{0,9}", joined: bool) {
            for news in [News::Inside, News::Refused { text: text.clone(), status: number }, News::Runs { joined },
                News::Stopped(number), News::Exited(number), News::Signaled(number)] {
                let bytes = news.encode();
                let (head, rest) = bytes.split_first_chunk::<NEWS>().unwrap();
                prop_assert_eq!(News::text_length(*head), Some(rest.len()));
                prop_assert_eq!(News::decode(*head, rest), Some(news));
            }
        }
    }
}
