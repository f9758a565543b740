//! `sbshctl try`: its options and operands as a value. Owns what they mean together, and which word names a trial.

use super::admin::Given;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Try {
    /// Run a command.
    Run {
        /// Its text.
        text: OsString,
        /// What becomes of its changes.
        then: Afterwards,
        /// Show what changed in text files.
        diff: bool,
    },
    /// List the trials.
    List,
    /// Show what one changed.
    Show {
        /// Its name.
        name: String,
        /// Show what changed in text files.
        diff: bool,
    },
    /// Make changes of one true.
    Keep {
        /// Its name.
        name: String,
        /// Only these, with what is below them; all if there are none.
        paths: Vec<PathBuf>,
    },
    /// Take one away.
    Drop {
        /// Its name.
        name: String,
    },
}

/// What becomes of the changes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// A person is asked; without one they lie there.
    Ask,
    /// They are made true.
    Keep,
    /// They are taken away.
    Drop,
}

/// A trial's name; `try-` and eight hexadecimal digits, as which no command is likely to be called.
fn name(word: &OsStr) -> Option<String> {
    let text = word.to_str()?;
    let digits = text.strip_prefix("try-")?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digits.len() == 8 && digits.bytes().all(is_digit)).then(|| text.to_owned())
}

/// A command to run, or what to do with one that ran.
pub(super) fn read(given: Given) -> Result<Try, &'static str> {
    let (list, show) = (given.has("list"), given.has("show"));
    let (keep, drop, mut diff) = (given.has("keep"), given.has("drop"), given.has("diff"));
    if [list, show, keep, drop].into_iter().filter(|one| *one).count() > 1 {
        return Err("--list, --show, --keep and --drop exclude each other");
    }
    let mut words = given.operands;
    if list {
        return if words.is_empty() && !diff { Ok(Try::List) } else { Err("--list stands alone") };
    }
    let first = words.first().and_then(|word| name(word));
    if let (Some(name), true) = (first, show || keep || drop) {
        let mut rest = words.split_off(1);
        if show && rest.first().is_some_and(|word| word == "--diff") {
            (diff, rest) = (true, rest.split_off(1));
        }
        return match (show, keep, rest.is_empty(), diff) {
            (true, _, true, _) => Ok(Try::Show { name, diff }),
            (_, true, _, false) => {
                Ok(Try::Keep { name, paths: rest.into_iter().map(PathBuf::from).collect() })
            }
            (false, false, true, false) => Ok(Try::Drop { name }),
            _ => Err("--diff goes with --show or a command, and paths with --keep"),
        };
    }
    if show {
        return Err("--show takes the name of a trial; 'sbshctl try --list' shows them");
    }
    if words.is_empty() {
        return Err("say which command, as in 'sbshctl try -- make install'");
    }
    let then = match (keep, drop) {
        (true, _) => Afterwards::Keep,
        (_, true) => Afterwards::Drop,
        _ => Afterwards::Ask,
    };
    Ok(Try::Run { text: joined(&words)?, then, diff })
}

/// One argument is a text already; several are the words of a command.
pub(super) fn joined(words: &[OsString]) -> Result<OsString, &'static str> {
    if let [text] = words {
        return Ok(text.clone());
    }
    let joined = shlex::bytes::try_join(words.iter().map(|word| word.as_bytes()));
    joined.map(OsString::from_vec).map_err(|_| "a word of the command contains a NUL byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(options: &[&'static str], words: &[&str]) -> Result<Try, &'static str> {
        let options = options.iter().map(|name| (*name, None)).collect();
        read(Given { options, operands: words.iter().map(OsString::from).collect() })
    }

    #[test]
    fn a_name_is_a_trial_and_everything_else_a_command() {
        let run = |text: &str, then, diff| Ok(Try::Run { text: text.into(), then, diff });
        assert_eq!(given(&[], &["rm -r x; ls"]), run("rm -r x; ls", Afterwards::Ask, false));
        assert_eq!(given(&["keep", "diff"], &["rm", "a b"]), run("rm 'a b'", Afterwards::Keep, true));
        assert_eq!(given(&["drop"], &["try-1"]), run("try-1", Afterwards::Drop, false));
        assert_eq!(given(&[], &["try-0123abcd"]), run("try-0123abcd", Afterwards::Ask, false));
        let name = || "try-0123abcd".to_owned();
        assert_eq!(given(&["drop"], &["try-0123abcd"]), Ok(Try::Drop { name: name() }));
        let shown = Ok(Try::Show { name: name(), diff: true });
        assert_eq!(given(&["show"], &["try-0123abcd", "--diff"]), shown);
        let kept = Ok(Try::Keep { name: name(), paths: vec!["a".into(), "-b".into()] });
        assert_eq!(given(&["keep"], &["try-0123abcd", "a", "-b"]), kept);
        assert_eq!(given(&["list"], &[]), Ok(Try::List));
        for (options, words) in [
            (&["list"][..], &["x"][..]),
            (&["show"], &["x"]),
            (&[], &[]),
            (&["keep", "drop"], &["x"]),
            (&["drop"], &["try-0123abcd", "x"]),
            (&["drop", "diff"], &["try-0123abcd"]),
        ] {
            assert!(given(options, words).is_err(), "{options:?} {words:?}");
        }
    }
}
