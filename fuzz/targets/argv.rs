//! argv: no words are too odd; and where a shell's text can be replaced, the new one is what is read then, and reading is
//! done with the same options as before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::cli::{CommandInput, Invocation};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

fuzz_target!(|bytes: &[u8]| {
    let argv: Vec<OsString> =
        bytes.split(|&byte| byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect();
    let count = argv.len();
    let Ok(Invocation::Shell(shell)) = Invocation::from_argv(argv) else { return };
    assert!(shell.arguments.len() <= count);
    if let CommandInput::Text { text, .. } = &shell.input {
        assert!(shell.arguments.contains(text), "the text is one of the words");
    }
    if let Some(other) = shell.with_text(OsStr::new("an other text")) {
        assert_eq!(other.arguments.len(), shell.arguments.len());
        let CommandInput::Text { text, .. } = &other.input else { panic!("no text any more: {other:?}") };
        assert_eq!(text, "an other text");
        let changed = shell.arguments.iter().zip(&other.arguments).filter(|(old, new)| old != new).count();
        assert!(changed <= 1, "{shell:?} {other:?}");
    }
});
