//! Questions to the stand-in resolver: no bytes are too odd, and an answer repeats the question's number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::network::machine::{Listed, Search};
use sbsh::network::names::Names;

fuzz_target!(|bytes: &[u8]| {
    let mut names = Names::default();
    let search = Search::of("search corp.example\noptions ndots:5");
    if let Some(answer) = names.answer(bytes, &search, &|_| Listed::Not) {
        assert_eq!(answer.get(..2), bytes.get(..2));
        assert!(answer.len() <= 1500 + bytes.len());
    }
});
