//! What processes inside and outside say to each other: no bytes are too odd, what was read is bounded and means one thing,
//! and where it was cut on the way makes no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::broker::message::{HEAD, LONGEST, NEWS, News, Request};
use sbsh::gatekeeper::call;
use sbsh::run::channel;
use sbsh::session::inner::message::{FromShell, Messages};
use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// What comes over a socket that holds these bytes and then ends.
fn through(bytes: &[u8]) -> Option<UnixStream> {
    let (mut to, from) = UnixStream::pair().ok()?;
    to.write_all(bytes.get(..bytes.len().min(32 << 10))?).ok()?;
    to.shutdown(Shutdown::Write).ok()?;
    Some(from)
}

fn heard(pieces: &[&[u8]]) -> (Vec<FromShell>, bool) {
    let mut messages = Messages::default();
    let mut all = Vec::new();
    for piece in pieces {
        messages.feed(piece);
        loop {
            match messages.next_message() {
                Ok(Some(message)) => all.push(message),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
    }
    (all, false)
}

fuzz_target!(|input: (u8, usize, &[u8])| {
    let (kind, cut, bytes) = input;
    match kind % 5 {
        0 => {
            if let Some(request) = Request::decode(bytes) {
                assert_eq!(request.encode().get(HEAD..), Some(bytes));
                assert!(!request.argv.is_empty());
            }
            if let Some(head) = bytes.first_chunk::<HEAD>() {
                assert!(Request::length(*head).is_none_or(|length| length <= LONGEST));
            }
        }
        1 => {
            if let Some((head, text)) = bytes.split_first_chunk::<NEWS>()
                && News::text_length(*head) == Some(text.len())
                && let Some(news) = News::decode(*head, text)
            {
                let again = news.encode();
                let (head, text) = again.split_first_chunk::<NEWS>().expect("a head");
                // What is no text becomes text, once.
                if News::text_length(*head) == Some(text.len()) && text.len() < 60_000 {
                    assert_eq!(News::decode(*head, text), Some(news));
                }
            }
        }
        2 => {
            let Some(stream) = through(bytes) else { return };
            while let Ok(Some(news)) = channel::receive_news(&stream) {
                let (to, from) = UnixStream::pair().expect("a pair");
                if channel::send_news(&to, &news).is_ok() {
                    assert_eq!(channel::receive_news(&from).ok().flatten(), Some(news));
                }
            }
            let Some(stream) = through(bytes) else { return };
            while let Ok(Some(_)) = channel::receive_order(&stream) {}
        }
        3 => {
            let (first, second) = bytes.split_at(cut % (bytes.len() + 1));
            let whole = heard(&[bytes]);
            assert_eq!(format!("{:?}", heard(&[first, second])), format!("{whole:?}"));
        }
        _ => {
            let mut words =
                bytes.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok().map(u64::from_le_bytes));
            let number = i64::from(words.next().unwrap_or(0) as u32 % 600);
            let arguments = std::array::from_fn(|_| words.next().unwrap_or(0));
            if let Some(read) = call::read(number, arguments) {
                assert!(!read.name.is_empty());
            }
        }
    }
});
