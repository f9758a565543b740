//! What a person reads when they first meet sbsh, once: what is protected, where that is changed, how to leave.
//!
//! Owns the words, and the mark that they were shown. Waits for nothing and stops nothing.

use crate::caller::Caller;
use crate::pipeline::prepare::Prepared;
use crate::policy::{NetworkPolicy, Policy, WorkingRoot};
use crate::system::private;
use crate::system::store::Directory;
use crate::system::visible::visible;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// The mark in the state directory; its content says nothing.
const MARK: &str = "welcomed";

/// The text, a few lines, the first time that this user is here; `None` afterwards.
pub fn once(caller: &Caller, prepared: &Prepared) -> Option<String> {
    // A mark that cannot be made is no reason to keep silent about what is protected.
    let first = caller.state_directory().is_none_or(|state| leave_mark(&state).unwrap_or(true));
    first.then(|| text(&prepared.policy))
}

/// Whether the mark was not there.
fn leave_mark(state: &Path) -> io::Result<bool> {
    private::directories(state, 0o700)?;
    if std::fs::symlink_metadata(state.join(MARK)).is_ok() {
        return Ok(false);
    }
    let directory = Directory::open(state)?;
    directory.check_private()?;
    let lock = directory.lock()?;
    directory.create(OsStr::new(MARK), b"", 0o600, &lock)
}

fn text(policy: &Policy) -> String {
    let mut text = "Welcome to sbsh: your shell as it was, inside a sandbox.\n".to_owned();
    if policy.enabled.value {
        let written = match &policy.working_root {
            WorkingRoot::At { path, .. } => format!("below {}", visible(path.as_os_str().as_encoded_bytes())),
            WorkingRoot::None { .. } => "in a temporary directory".to_owned(),
        };
        text.push_str(&format!("  Commands write only {written} and where settings allow it,\n"));
        text.push_str(&format!(
            "  reach {}, and cannot read keys and credentials.\n",
            reach(&policy.network)
        ));
    } else {
        text.push_str("  It is off: settings say that commands run unconfined.\n");
    }
    text.push_str(
        "  To look at that or change it: /sandbox, or .claude/settings.json here and in your home.\n",
    );
    text.push_str("  To leave: exit. To have bash as your login shell again: chsh -s /bin/bash\n");
    text
}

fn reach(network: &NetworkPolicy) -> &'static str {
    match network.allowed.entries().is_empty() {
        true => "no host that you did not allow (so far: none)",
        false => "no host that you did not allow",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;
    use crate::settings::{self, Locations};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_mark_is_made_once_and_a_place_without_one_is_no_error() {
        let top = tempfile::tempdir().unwrap();
        let state = top.path().join("a/sbsh");
        assert!(leave_mark(&state).unwrap());
        assert!(!leave_mark(&state).unwrap());
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(top.path().join("file"), "").unwrap();
        assert!(leave_mark(&top.path().join("file/sbsh")).is_err());
    }

    #[test]
    fn the_words_are_few_and_name_the_root() {
        let top = tempfile::tempdir().unwrap();
        let home = top.path().join("home");
        let work = top.path().join("w\u{1b}");
        fs::create_dir_all(home.join(".claude")).unwrap();
        fs::create_dir_all(work.join(".claude")).unwrap();
        let told = |cwd: &Path| {
            let locations = Locations { home: Some(home.clone()), cwd: cwd.into(), ..Locations::default() };
            text(&policy::build(&settings::load(&locations).unwrap(), &locations).unwrap())
        };
        let said = told(&work);
        assert!((3..=6).contains(&said.lines().count()), "{said}");
        assert!(said.contains("/w\\e and where") && !said.contains('\u{1b}'), "{said}");
        for word in ["/sandbox", "exit", "chsh -s /bin/bash", "keys and credentials", "so far: none"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(told(&home).contains("only in a temporary directory"), "{}", told(&home));
        fs::write(home.join(".claude/settings.json"), r#"{"sandbox": {"enabled": false}}"#).unwrap();
        assert!(told(&work).contains("It is off"), "{}", told(&work));
    }
}
