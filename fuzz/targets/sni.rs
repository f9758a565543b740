//! The server name in a ClientHello: no bytes are too odd, and what was decided stays so whatever follows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::network::tls::{Look, look};

fuzz_target!(|input: (Vec<u8>, usize)| {
    let (bytes, cut) = input;
    let early = look(&bytes[..cut % (bytes.len() + 1)]);
    if early != Look::NeedMore {
        assert_eq!(look(&bytes), early);
    }
});
