//! The shell inside, led from outside as the session leads it, with a plain `bash -i` as the oracle: what a person
//! keeps between lines is the same. No sandbox is needed for that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg(target_os = "linux")]

mod completion;
mod front;
mod idle;
mod lines;
mod start;
mod zsh;
