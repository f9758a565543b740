//! Confinement: the exact boundary for one command, as a value, and what each mechanism is told of it.
//!
//! Owns [`Plan`] and its translation for bubblewrap and seccomp. Only `facts` looks at the system; plan and
//! translations are pure, so that they can be compared as text. Must not decide policy and must not run anything.

pub mod advice;
#[cfg(target_os = "linux")]
pub mod bubblewrap;
#[cfg(target_os = "linux")]
pub mod facts;
pub mod plan;
#[cfg(target_os = "linux")]
pub mod repositories;
#[cfg(target_os = "linux")]
pub mod seccomp;

pub use plan::{Guard, Mount, Plan};
