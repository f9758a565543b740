//! Tests of the protocol: each message there and back, in any pieces; and that nothing else gets through.
use super::*;
use proptest::prelude::*;

fn all(bytes: &[u8]) -> Result<Vec<FromShell>, Broken> {
    let mut messages = Messages::default();
    messages.feed(bytes);
    let mut read = Vec::new();
    while let Some(message) = messages.next_message()? {
        read.push(message);
    }
    Ok(read)
}

const READY: &[u8] = b"R\x007\0/tmp\0$ \0right\0> \0himBHs\0vi\0ignorespace\0memory\x0010\0 =\0";

fn ready() -> FromShell {
    FromShell::Ready(Box::new(Ready {
        status: 7,
        directory: b"/tmp".to_vec(),
        prompt: b"$ ".to_vec(),
        right: b"right".to_vec(),
        second: b"> ".to_vec(),
        flags: b"himBHs".to_vec(),
        vi: true,
        history_control: b"ignorespace".to_vec(),
        keeping: Keeping::Memory,
        ignore_eof: b"10".to_vec(),
        word_breaks: b" =".to_vec(),
    }))
}

#[test]
fn requests_are_fields_with_a_nul_behind_each() {
    assert_eq!(ToShell::Line(b"echo \xff\n").encode().unwrap(), b"L\0echo \xff\n\0");
    assert_eq!(ToShell::Go.encode().unwrap(), b"G\0");
    assert_eq!(ToShell::Known(&[b"ls", b"x"]).encode().unwrap(), b"K\x002\0ls\0x\0");
    assert_eq!(ToShell::Status(130).encode().unwrap(), b"S\x00130\0");
    assert_eq!(ToShell::Status(-1).encode().unwrap(), b"S\x00255\0");
    let place = Place::of(b"a; ls \"b c", 10, b" ");
    assert_eq!(
        ToShell::Complete(&place).encode().unwrap(),
        b"C\0ls \"b c\0ls \"b c\0b c\0\"\0\x002\0ls\0\"b c\0"
    );
}

#[test]
fn a_nul_cannot_be_sent() {
    assert_eq!(ToShell::Line(b"echo \0 G").encode(), None);
    assert_eq!(ToShell::Line(b"\0").encode(), None);
    assert_eq!(ToShell::Known(&[b"ls", b"\0"]).encode(), None);
    assert_eq!(ToShell::Complete(&Place::of(b"a\0b", 3, b" ")).encode(), None);
}

fn candidate(word: &[u8], sort: Sort, open: bool, about: &[u8]) -> Candidate {
    Candidate { word: word.to_vec(), sort, open, about: about.to_vec() }
}

#[test]
fn messages_are_read() {
    assert_eq!(all(READY), Ok(vec![ready()]));
    assert_eq!(all(b"G\0G\0"), Ok(vec![FromShell::Go, FromShell::Go]));
    assert_eq!(
        all(b"k\x006\0alias\0keyword\0function\0builtin\0file\0\0"),
        Ok(vec![FromShell::Known(vec![
            Name::Alias,
            Name::Keyword,
            Name::Function,
            Name::Builtin,
            Name::Program,
            Name::Nothing
        ])])
    );
    assert_eq!(
        all(b"c\x004\0d\0/\0\0a b\0fn\0text\0d\0/\0folder\0-x\0n\0\0"),
        Ok(vec![FromShell::Candidates(vec![
            candidate(b"-x", Sort::Text, true, b""),
            candidate(b"a b", Sort::File, true, b"text"),
            candidate(b"d", Sort::Directory, false, b"folder"),
        ])])
    );
    assert_eq!(all(b"c\x000\0"), Ok(vec![FromShell::Candidates(Vec::new())]));
}

#[test]
fn anything_else_ends_the_reading() {
    for wrong in [
        b"Q\0".as_slice(),
        b"Go\0",
        b"\0",
        b"R\x00256\0\0\0\0\0\0\0\0\0\0\0",
        b"R\0-1\0\0\0\0\0\0\0\0\0\0\0",
        b"R\x000\0\0\0\0\0\0\0\0often\0\0\0",
        b"x\x002\0a\0",
        b"k\x001\0thing\0",
        b"k\0+1\0alias\0",
        b"k\x0010001\0",
        b"k\x0099999999999999999999\0",
        b"c\0f\0\0",
        b"c\x001\0a\0x\0\0",
        b"c\x001\0a\0nf\0\0",
    ] {
        assert_eq!(all(wrong), Err(Broken), "{wrong:?}");
    }
}

#[test]
fn after_an_error_nothing_is_read_and_nothing_kept() {
    let mut messages = Messages::default();
    messages.feed(b"Q");
    assert_eq!(messages.next_message(), Err(Broken));
    messages.feed(b"G\0");
    assert_eq!(messages.next_message(), Err(Broken));
    assert!(messages.waiting.is_empty());
}

#[test]
fn a_message_without_end_is_refused_at_the_bound() {
    let mut messages = Messages::default();
    messages.feed(b"x\x000\0");
    for _ in 0..LONGEST / 4096 {
        messages.feed(&[b'a'; 4096]);
        if messages.next_message().is_err() {
            return;
        }
    }
    panic!("it was kept");
}

#[test]
fn a_complete_message_beyond_the_bound_is_refused_too() {
    let mut bytes = b"x\x000\0".to_vec();
    bytes.resize(LONGEST + 10, b'a');
    bytes.push(0);
    assert_eq!(all(&bytes), Err(Broken));
}

#[test]
fn a_message_that_comes_byte_by_byte_is_not_read_again_and_again() {
    let mut messages = Messages::default();
    messages.feed(b"c\x0010000\0");
    for _ in 0..30_000 {
        assert_eq!(messages.next_message(), Ok(None));
        messages.feed(b"\0");
    }
    let Ok(Some(FromShell::Candidates(candidates))) = messages.next_message() else { panic!("no message") };
    assert_eq!(candidates, [candidate(b"", Sort::Text, false, b"")]);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(cuts in proptest::collection::vec(1_usize..9, 1..40)) {
        let bytes = [READY, b"G\0c\x001\0a\0/\0about\0", READY].concat();
        let mut messages = Messages::default();
        let mut rest = bytes.as_slice();
        let mut read = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            messages.feed(piece);
            rest = later;
            while let Some(message) = messages.next_message().unwrap() {
                read.push(message);
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read, all(&bytes).unwrap());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = all(&bytes);
    }

    #[test]
    fn nothing_that_looks_like_messages_makes_it_panic(text in "[RGcxkK0-9a\0]{0,80}") {
        let _ = all(text.as_bytes());
    }
}
