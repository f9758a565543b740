//! The Seatbelt profile of macOS, as far as another system can look at it: the text is read back and asked, and its
//! answers are the policy's. Whether macOS reads it so is not tested here; nothing of this has run on a Mac.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod agreement;
mod checker;
mod expression;
mod hostile;
mod moves;
mod network;
mod snapshots;
mod world;
