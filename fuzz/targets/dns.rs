//! Questions to the stand-in resolver: no bytes are too odd, and an answer repeats the question's number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::network::names::Names;

fuzz_target!(|bytes: &[u8]| {
    let mut names = Names::default();
    if let Some(answer) = names.answer(bytes) {
        assert_eq!(answer.get(..2), bytes.get(..2));
        assert!(answer.len() <= 1500 + bytes.len());
    }
});
