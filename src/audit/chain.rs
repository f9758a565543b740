//! The form of a line: JSON with its time, its number and the hash of the line before. Pure.
//!
//! Owns how a line is put together and read back. SHA-256 of a whole line, without its end, stands in the next one as
//! `prev`: whoever has `sha256sum` can follow it. Must not touch a file.

use crate::system::visible::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;

/// The hash of one line.
pub type Hash = [u8; 32];

/// An entry that waits for its number: its time and what comes behind number and hash.
#[derive(Debug, Clone)]
pub struct Waiting {
    time: f64,
    rest: Vec<u8>,
}

impl Waiting {
    /// From one JSON object.
    ///
    /// # Errors
    /// What cannot be said in JSON; anything that is no object.
    pub fn of(milliseconds: u128, entry: &impl Serialize) -> io::Result<Waiting> {
        let mut text = serde_json::to_vec(entry)?;
        if text.first() != Some(&b'{') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // The comma takes the brace's place.
        match text.as_mut_slice() {
            [b'{', b'}'] => drop(text.remove(0)),
            [first, ..] => *first = b',',
            [] => {}
        }
        Ok(Waiting { time: milliseconds as f64 / 1000.0, rest: text })
    }

    /// Bytes of the line to be, about.
    pub fn len(&self) -> usize {
        self.rest.len() + 128
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The whole line with its end.
    pub fn line(&self, number: u64, before: &Hash) -> Vec<u8> {
        let head = format!("{{\"time\":{},\"seq\":{number},\"prev\":\"{}\"", self.time, hex(before));
        let mut line = Vec::with_capacity(head.len() + self.rest.len() + 1);
        line.extend_from_slice(head.as_bytes());
        line.extend_from_slice(&self.rest);
        line.push(b'\n');
        line
    }
}

/// The links of a line that was read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Links {
    /// Its number.
    pub seq: u64,
    #[serde(deserialize_with = "from_hex")]
    /// The hash of what stands before it.
    pub prev: Hash,
    /// In the first line after something that is no entry: the hash of the last entry before that.
    #[serde(default, deserialize_with = "maybe_from_hex")]
    pub after: Option<Hash>,
}

/// The links of a line (without its end); `None` if it is none of ours.
pub fn links(line: &[u8]) -> Option<Links> {
    serde_json::from_slice(line).ok()
}

/// The hash of bytes.
pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Back.
pub fn unhex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(hash)
}

fn from_hex<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
    unhex(&text).ok_or_else(|| serde::de::Error::custom("no hash"))
}

fn maybe_from_hex<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Hash>, D::Error> {
    from_hex(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_its_number_and_what_stands_before_it() {
        let waiting = Waiting::of(1_700_000_000_123, &json!({"event": "command"})).unwrap();
        let line = waiting.line(7, &hash(b"before"));
        let text = String::from_utf8(line.clone()).unwrap();
        let start =
            format!("{{\"time\":1700000000.123,\"seq\":7,\"prev\":\"{}\",\"event\"", hex(&hash(b"before")));
        assert!(text.starts_with(&start) && text.ends_with("\"}\n"), "{text}");
        let read = links(line.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!(read, Links { seq: 7, prev: hash(b"before"), after: None });
        let empty = Waiting::of(0, &json!({})).unwrap().line(1, &[0; 32]);
        assert!(serde_json::from_slice::<serde_json::Value>(&empty).is_ok());
        assert!(Waiting::of(0, &json!("no object")).is_err());
    }

    #[test]
    fn what_is_no_line_has_no_links() {
        for text in ["", "{", "{\"seq\":1}", "{\"seq\":1,\"prev\":\"00\"}", "{\"seq\":-1,\"prev\":\"00\"}"] {
            assert_eq!(links(text.as_bytes()), None, "{text}");
        }
        assert_eq!(unhex(&hex(&hash(b"x"))), Some(hash(b"x")));
        assert_eq!(unhex(&"é".repeat(32)), None);
    }
}
