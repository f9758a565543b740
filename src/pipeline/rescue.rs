//! A person at a terminal, and no session to be had: settings are broken, or nothing here can confine.
//!
//! Owns what is offered then, so that nobody is locked out of an account whose shell this is. Must not run anything that the
//! person did not ask for by a key, and offers no way around an administrator's settings.

use super::Stop;
use crate::caller::Caller;
use crate::report;
use crate::run::RunError;
use crate::system::terminal::{ControllingTerminal, Input};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To try again.
    Again,
    /// A shell without a sandbox, this once.
    Outside,
    /// To leave.
    Leave,
}

/// What can be offered.
#[derive(Debug, PartialEq, Eq)]
struct Offer {
    /// The file that is broken.
    file: Option<PathBuf>,
    /// Nobody else has a say in what runs outside here.
    outside: bool,
}

/// Whether it is something that a person at a terminal can do something about.
pub fn can_help(stop: &Stop) -> bool {
    match stop {
        Stop::Settings(_) | Stop::NoBackend(_) | Stop::NotFound(_) | Stop::Run(_) => true,
        Stop::Failed(_, status) => *status == crate::exit::REFUSED,
        Stop::Refused(_) => false,
    }
}

/// Offers what there is until the person wants one of it. What went wrong was said.
pub fn offer(stop: &Stop, caller: &Caller) -> Wish {
    let offer = Offer { file: file(stop), outside: !is_managed(&caller.locations().managed_dir) };
    loop {
        let Some(terminal) = ControllingTerminal::in_foreground() else { return Wish::Leave };
        let Some(key) = asked(&terminal, &offer) else { return Wish::Leave };
        match (key, &offer.file) {
            (b'e', Some(file)) => {
                edit(file);
                return Wish::Again;
            }
            (b'r', _) => return Wish::Again,
            (b'o', _) if offer.outside => return Wish::Outside,
            (b'q', _) => return Wish::Leave,
            _ => {}
        }
    }
}

fn file(stop: &Stop) -> Option<PathBuf> {
    match stop {
        Stop::Settings(error) if error.path.is_absolute() => Some(error.path.clone()),
        _ => None,
    }
}

/// Whether an administrator has settings here, be they broken or not.
fn is_managed(directory: &Path) -> bool {
    std::fs::symlink_metadata(directory).is_ok()
}

/// The one line of keys.
fn keys(offer: &Offer) -> String {
    let mut all = vec!["[r] try again".to_owned()];
    if let Some(file) = &offer.file {
        let name = crate::system::visible::visible(file.as_os_str().as_encoded_bytes());
        all.insert(0, format!("[e] edit {name}"));
    }
    if offer.outside {
        all.push("[o] a shell OUTSIDE the sandbox, this once".to_owned());
    }
    all.push("[q] leave".to_owned());
    format!("  {} > ", all.join("   "))
}

/// A key that was pressed alone; `None`: the terminal is gone, or a signal came.
fn asked(terminal: &ControllingTerminal, offer: &Offer) -> Option<u8> {
    let taken = terminal.take().ok()?;
    taken.asks(&keys(offer)).ok()?;
    loop {
        match taken.input() {
            Input::Bytes(bytes) => match bytes.as_slice() {
                [3 | 4] => return None,
                [key @ (b'e' | b'r' | b'o' | b'q')] => {
                    let _ = taken.show(&format!("{}\n", char::from(*key)));
                    return Some(*key);
                }
                _ => {}
            },
            Input::Other => {}
            Input::End | Input::Signal => return None,
        }
    }
}

/// The person's own editor on the file; outside, as nothing here can confine it.
fn edit(file: &Path) {
    let line = "exec ${VISUAL:-${EDITOR:-vi}} \"$1\"";
    let done = Command::new("/bin/sh").args(["-c", line, "sh"]).arg(file).status();
    if let Err(error) = done {
        report::failure(&format!("cannot start an editor: {error}"));
    }
}

/// What did not come to its first prompt, in words.
pub fn unstarted() -> Stop {
    Stop::Run(RunError::Boundary {
        mechanism: "the shell inside",
        cause: "it ended before its first prompt; what it said stands above".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_is_no_way_around_an_administrator() {
        let place = tempfile::tempdir().unwrap();
        assert!(is_managed(place.path()) && !is_managed(&place.path().join("none")));
        let line = keys(&Offer { file: Some("/h/\u{1b}x".into()), outside: false });
        assert_eq!(line, "  [e] edit /h/\\ex   [r] try again   [q] leave > ");
        assert!(keys(&Offer { file: None, outside: true }).contains("OUTSIDE"));
    }
}
