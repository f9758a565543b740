//! Report: words for people and agents. The only place that prints.
//!
//! Owns every message's shape: stderr, one write per message, each line prefixed `sbsh: `. Must decide nothing. A
//! closed or broken stderr is silently none: nothing of sbsh's may ever land on stdout, but for [`answer`], which
//! belongs to sbshctl.

pub mod install;
pub mod message;

use crate::system::visible::without_controls;
use std::io::Write;

pub use install::install_command;
pub use message::{Refusal, SettingsError, Way};

/// Something the person should know though the command goes on. One line.
pub fn notice(text: &str) {
    // The name of a file or a directory may be in it.
    print(&message::prefixed(&without_controls(text)));
}

/// sbsh did not run the command.
pub fn refusal(refusal: &Refusal) {
    print(&refusal.text());
}

/// What a command tried and was refused, a line each, as they are to be read. Where nobody looks at a terminal they
/// stand in the block that agents know.
pub fn violations(lines: &[String], at_terminal: bool) {
    if !lines.is_empty() {
        print(&message::violations(lines, at_terminal));
    }
}

/// A settings file is broken, so nothing runs.
pub fn settings_error(error: &SettingsError) {
    print(&error.text());
}

/// No backend can confine here, so nothing runs. `os_release` is the content of `/etc/os-release`.
pub fn backend_missing(why: &str, os_release: &str) {
    print(&message::backend_missing(why, os_release));
}

/// sbsh itself failed or was called wrongly. One line.
pub fn failure(text: &str) {
    print(&message::prefixed(text));
}

/// What a verb of sbshctl was asked for: stdout. An error is worth a status only if it is not a reader who left.
pub fn answer(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// A longer answer, of lines that are escaped already, where stdout is the command's own.
pub fn lines(text: &str) {
    print(text);
}

/// One write to stderr; there is nobody to tell if it fails (std takes a closed stderr for a sink).
fn print(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
