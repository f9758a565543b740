//! SOCKS messages: nothing is read beyond the bytes, and what was read stays so whatever follows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::network::socks::message::{Read, greeting, request, request4};

fn settled<T: PartialEq + std::fmt::Debug>(bytes: &[u8], cut: usize, read: impl Fn(&[u8]) -> Read<T>) {
    let whole = read(bytes);
    if let Read::Whole(_, length) = &whole {
        assert!(*length <= bytes.len());
    }
    match read(&bytes[..cut]) {
        Read::More => {}
        early => assert_eq!(early, whole),
    }
}

fuzz_target!(|input: (Vec<u8>, usize)| {
    let (bytes, cut) = input;
    let cut = cut % (bytes.len() + 1);
    settled(&bytes, cut, greeting);
    settled(&bytes, cut, request4);
    // An address of an unknown kind takes all that is there: how long it is nobody knows.
    if !matches!(bytes.get(3), Some(0 | 2 | 5..)) {
        settled(&bytes, cut, request);
    }
});
