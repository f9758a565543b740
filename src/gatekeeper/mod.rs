//! The gatekeeper: answers the calls of confined processes that could cross the boundary.
//!
//! Owns what becomes of each call that waits, the record of what was refused, and the calls that are made here on behalf
//! of the inside. It can only add to what mounts, namespaces and seccomp allow: a call is let through only where they make
//! every outcome acceptable, whatever another thread changes meanwhile; what has no layer below it is made here, on
//! descriptors and paths that were looked at once. Must not decide policy (`rules` answers from it) and never waits: it
//! is one process for all that run in a sandbox. Where Landlock is below instead of mounts and namespaces (`domain`), less is
//! let through and more is made here.
//!
//! ```text
//! notification ─▶ call (what would it do) ─▶ place (to what) ─▶ rules (may it) ─▶ let through
//!                                    └▶ socket (connect), pair               ├▶ refused, recorded
//!                                                                            └▶ perform (made here)
//! ```

#[cfg(target_os = "linux")]
mod again;
#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod births;
mod brought;
#[cfg(target_os = "linux")]
pub mod call;
#[cfg(target_os = "linux")]
mod connects;
#[cfg(target_os = "linux")]
pub mod domain;
#[cfg(target_os = "linux")]
pub mod door;
#[cfg(target_os = "linux")]
mod handed;
#[cfg(target_os = "linux")]
pub mod held;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
pub mod pair;
#[cfg(target_os = "linux")]
pub mod perform;
#[cfg(target_os = "linux")]
pub mod place;
#[cfg(target_os = "linux")]
mod plain;
pub mod rules;
#[cfg(target_os = "linux")]
mod settle;
#[cfg(target_os = "linux")]
pub mod socket;
pub mod violation;
#[cfg(target_os = "linux")]
mod watch;

pub use rules::Rules;
pub use violation::{Answered, AskedCall, Violation, Why};
#[cfg(target_os = "linux")]
pub use watch::{Cost, Gatekeeper, News};
