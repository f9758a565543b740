//! Words and variables of a program that is to run outside: which of them are carried, and how they are shown. Pure.

use crate::broker::Wanted;
use crate::command;
use crate::system::visible::visible;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// More assignments than a person looks at stay inside.
const MOST_ASSIGNMENTS: usize = 12;
/// And longer ones.
const LONGEST_ASSIGNMENT: usize = 200;

/// argv of what would run: behind the way out's name, or all of it.
pub fn words_to_run(wanted: &Wanted) -> Vec<OsString> {
    let skipped = usize::from(wanted.covered.as_os_str().is_empty());
    wanted.argv.iter().skip(skipped).cloned().collect()
}

/// A word as text; what is none is shown so that it cannot be taken for another.
pub fn visible_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    word.to_str().map_or_else(|| visible(word.as_bytes()), str::to_owned)
}

/// Words as a line that a shell would read as these words.
pub fn line(words: &[OsString]) -> Vec<u8> {
    let quoted = words.iter().map(|word| {
        let word = visible_word(word);
        shlex::try_quote(&word).map(|quoted| quoted.into_owned().into_bytes()).unwrap_or_default()
    });
    quoted.collect::<Vec<_>>().join(&b' ')
}

/// An assignment as a shell would read it.
pub fn assignment(name: &OsStr, value: &OsStr) -> String {
    format!("{}={}", visible_word(name), String::from_utf8_lossy(&line(&[value.to_owned()])))
}

/// Whether it is a name in a shell: what is none cannot be told from what stands beside it.
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

/// All that a person looks at, byte by byte.
pub fn exact(argv: &[OsString], carried: &[(OsString, OsString)]) -> Vec<Vec<u8>> {
    let words = argv.iter().map(|word| word.as_bytes().to_vec());
    let assignments = carried.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    // A NUL, which no word holds, stands between them.
    words.chain([vec![0]]).chain(assignments).collect()
}

/// Variables that no rule and no person needs to look at.
pub fn harmless(changed: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    changed.iter().filter(|(name, value)| is_harmless(name, value)).cloned().collect()
}

fn is_harmless(name: &OsStr, value: &OsStr) -> bool {
    let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { return false };
    command::is_harmless_variable(name, value)
}

/// Assignments that a person is shown, and that are carried if the answer is yes. What the shell itself keeps, and what
/// would choose the code that runs outside, is not among them; nor are more than can be looked at.
pub fn assignments(changed: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    let shown = |(name, value): &&(OsString, OsString)| {
        is_set(name, value) && name.to_str().is_some_and(|name| !command::variable_chooses_code(name))
    };
    let all: Vec<(OsString, OsString)> = changed.iter().filter(shown).cloned().collect();
    let long = all.iter().any(|(name, value)| name.len() + value.len() > LONGEST_ASSIGNMENT);
    if long || all.len() > MOST_ASSIGNMENTS { Vec::new() } else { all }
}

/// Whether somebody set it on purpose, as far as can be seen: not the shell for itself, and nothing harmless.
fn is_set(name: &OsStr, value: &OsStr) -> bool {
    const OF_THE_SHELL: &[&str] =
        &["_", "SHLVL", "PWD", "OLDPWD", "TMPDIR", "TMPPREFIX", "BASHOPTS", "SHELLOPTS"];
    let ours = |name: &str| is_name(name) && !OF_THE_SHELL.contains(&name) && !name.starts_with("BASH_FUNC_");
    name.to_str().is_some_and(ours) && !is_harmless(name, value)
}

/// Names in one notice.
const MOST_NAMES: usize = 8;

/// The names of what was set inside and is not carried, in words; `None`: nothing. What make and npm set for whatever they
/// start, and zsh for everybody, is not worth a word.
pub fn left_behind(changed: &[(OsString, OsString)], carried: &[(OsString, OsString)]) -> Option<String> {
    const OF_NPM: &[&str] = &["PATH", "NODE", "INIT_CWD", "COLOR", "EDITOR"];
    const OF_OTHERS: &[&str] = &["MFLAGS", "MAKELEVEL", "MAKEFLAGS", "MAKEOVERRIDES", "LOGNAME", "USER"];
    let is_npms = |name: &str| name.starts_with("npm_");
    let by_npm = changed.iter().any(|(name, _)| name.to_str().is_some_and(is_npms));
    let mut names: Vec<&str> = changed
        .iter()
        .filter(|(name, value)| is_set(name, value) && !carried.iter().any(|(other, _)| other == name))
        .filter_map(|(name, _)| name.to_str())
        .filter(|name| !is_npms(name) && !name.starts_with("MAKE_TERM") && !OF_OTHERS.contains(name))
        .filter(|name| !(by_npm && OF_NPM.contains(name)))
        .collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    // Each is short enough to be read.
    let shown: Vec<String> = names.iter().map(|name| name.chars().take(LONGEST_NAME).collect()).collect();
    let and = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!shown.is_empty()).then(|| shown.join(", ") + &and)
}

/// More of a name is not shown.
const LONGEST_NAME: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Vec<(OsString, OsString)> {
        names.iter().map(|name| ((*name).into(), "value".into())).collect()
    }

    #[test]
    fn what_stays_behind_is_named_and_what_tools_set_is_not() {
        let left = |changed: &[&str], carried: &[&str]| left_behind(&set(changed), &set(carried));
        assert_eq!(left(&["_", "PWD", "SHLVL", "LOGNAME", "MAKEFLAGS", "BASH_FUNC_x%%", "a-b"], &[]), None);
        assert_eq!(left(&["FOO", "PATH", "BAR"], &["BAR"]).as_deref(), Some("FOO, PATH"));
        assert_eq!(left(&["PATH", "FOO", "npm_lifecycle_event"], &[]).as_deref(), Some("FOO"));
        let many: Vec<String> = (10..30).map(|n| format!("V{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(left(&many, &[]).as_deref(), Some("V10, V11, V12, V13, V14, V15, V16, V17 and 12 more"));
        assert!(left(&[&"X".repeat(5000)], &[]).unwrap().len() < 100);
        // A locale is carried.
        assert_eq!(left_behind(&[("LC_ALL".into(), "C".into())], &[]), None);
    }
}
