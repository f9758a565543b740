//! Settings: which file says what, at which line, with which priority and trust.
//!
//! Owns reading and understanding the settings files (`../../docs` names every key) and the trust store.
//! Must not decide what a value means for a command: that is `policy`.

pub mod origin;

pub use origin::{Origin, Scope, Source, Sourced};
