//! First words: what was decided stays so, and to port 80 nothing passes unjudged but TLS that names the host.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::network::Target;
use sbsh::network::opening::{Judged, Opening};
use sbsh::network::sniff::{Talk, sniff};
use sbsh::policy::Host;

fuzz_target!(|input: (Vec<u8>, usize, bool)| {
    let (bytes, cut, ended) = input;
    let early = sniff(&bytes[..cut % (bytes.len() + 1)]);
    if early.is_some() {
        assert_eq!(sniff(&bytes), early);
    }
    let target = |port| Target { host: Host::Name("a.example".to_owned()), port };
    let opening = Opening { bytes, ended };
    let talk = sniff(&opening.bytes);
    if opening.judge(&target(80), true, false) == Judged::Passes {
        assert!(talk == Some(Talk::Tls) || opening.bytes.is_empty() && opening.ended);
    }
    for port in [80, 443, 7000] {
        if talk == Some(Talk::Http) {
            assert_eq!(opening.judge(&target(port), true, false), Judged::Http);
        }
    }
});
