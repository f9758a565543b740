//! The interactive session: a line editor on the person's terminal in front of one confined shell on a pty of its own.
//!
//! Owns the terminal, the editing of lines, the pty and the channel to the shell inside. Must not decide what a line may
//! do, and never hands the person's terminal to confined code. Whatever comes from the shell inside is hostile.
//!
//! ```text
//! person's terminal ── front end (editor, relay) ── pty ── inner shell and its jobs (inside)
//!                            └──── control pipes: lines in; status, directory, prompt, completions out
//! ```

#[cfg(target_os = "linux")]
pub mod channel;
#[cfg(target_os = "linux")]
pub mod editor;
#[cfg(target_os = "linux")]
mod hangup;
#[cfg(target_os = "linux")]
pub mod idle;
#[cfg(target_os = "linux")]
pub mod inner;
#[cfg(target_os = "linux")]
pub mod modes;
#[cfg(target_os = "linux")]
pub mod output;
#[cfg(target_os = "linux")]
pub mod shell;
#[cfg(target_os = "linux")]
pub mod terminal;
#[cfg(target_os = "linux")]
pub mod wire;
