//! system.

pub mod terminal;
pub mod visible;
