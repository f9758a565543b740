//! Adding one element to a list of a settings file, taking one out, or setting a single value; every other byte kept.
//!
//! Owns which file it really is and how it is replaced. Must not decide what is added. The text is read exactly as the
//! settings are read (`jsonc::blank`, then strict JSON). Adding only ever inserts; taking out removes the entry, its
//! comma, and what stands with it in its line (`content`).

mod content;
mod element;

use super::origin::line_column;
use crate::system::private;
use crate::system::store::Directory;
use content::{Held, render};
pub use content::{with_added, with_removed, with_set};
pub use element::{Element, Form};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

const LIMIT: u64 = 16 << 20;
const TRIES: usize = 8;

/// What is to be done with a value of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It shall be in the list.
    Add,
    /// It shall not.
    Remove,
}

/// An operation with what it is about.
#[derive(Clone, Copy)]
enum Deed<'v> {
    List(&'v Element, Operation),
    Set(&'v Value),
}

impl<'v> Deed<'v> {
    fn adds(self) -> bool {
        !matches!(self, Deed::List(_, Operation::Remove))
    }

    fn held(self) -> Held<'v> {
        match self {
            Deed::List(element, _) => Held::ListOf(element),
            Deed::Set(value) => Held::Alone(value),
        }
    }
}

/// What a change did to a file, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// What it was.
    pub change: Change,
    /// The text before; empty if there was no file.
    pub before: String,
    /// The text after.
    pub after: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The value stands in this line now, counted from 1.
    Added {
        /// The line.
        line: usize,
    },
    /// The list held it before; nothing was written.
    AlreadyThere,
    /// There was no file; now there is, with nothing else in it.
    Created,
    /// The value was taken out of this line, counted from 1.
    Removed {
        /// The line.
        line: usize,
    },
    /// The list did not hold it; nothing was written.
    NotThere,
}

/// Why nothing was added. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file is broken, or holds something else at a key.
    #[error("cannot change '{file}:{line}:{column}': {what}; correct the file, then try again")]
    Content {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// The file leads out of the directory in which it must be.
    #[error(
        "cannot change '{file}': it is a symlink to '{target}', outside '{within}'; edit that file yourself"
    )]
    Elsewhere {
        /// The file as it was named.
        file: String,
        /// Where it leads.
        target: String,
        /// Where it should be.
        within: String,
    },
    /// The file changed each time between reading and writing.
    #[error("cannot change '{file}': another program keeps changing it; try again")]
    Busy {
        /// The file.
        file: String,
    },
    /// A call failed.
    #[error("cannot change '{file}': {cause}")]
    System {
        /// The file.
        file: String,
        /// The cause.
        cause: io::Error,
    },
}

/// Adds a string to the list at a key path, e.g. `["permissions", "allow"]`; makes what is missing. A symlink is
/// followed, its target is changed.
///
/// # Errors
/// See [`EditError`]; then nothing was written.
pub fn add(file: &Path, key_path: &[&str], value: impl Into<Element>) -> Result<Change, EditError> {
    change(file, None, key_path, value, Operation::Add).map(|edited| edited.change)
}

/// Changes the list at a key path. With `within` a file that really lies outside that directory is refused: a cloned
/// project must not be able to send "always, in this project" into the person's own settings.
///
/// # Errors
/// See [`EditError`]; then nothing was written.
pub fn change(
    file: &Path,
    within: Option<&Path>,
    key_path: &[&str],
    value: impl Into<Element>,
    operation: Operation,
) -> Result<Edited, EditError> {
    perform(file, within, key_path, Deed::List(&value.into(), operation))
}

/// Sets the single value at a key path, as [`change`] does with lists.
///
/// # Errors
/// As there.
pub fn set(
    file: &Path,
    within: Option<&Path>,
    key_path: &[&str],
    value: &Value,
) -> Result<Edited, EditError> {
    perform(file, within, key_path, Deed::Set(value))
}

fn perform(
    file: &Path,
    within: Option<&Path>,
    key_path: &[&str],
    deed: Deed<'_>,
) -> Result<Edited, EditError> {
    let system = |cause: io::Error| EditError::System { file: file.display().to_string(), cause };
    let adds = deed.adds();
    for _ in 0..TRIES {
        if !adds && is_missing(file) {
            return Ok(edited(Change::NotThere, "", ""));
        }
        let real = resolve(file, true).map_err(system)?;
        check_within(file, &real, within)?;
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(system(io::Error::other("it names no file")));
        };
        let directory = Directory::open_resolved(parent).map_err(system)?;
        let lock = directory.lock().map_err(system)?;
        let Some(old) = directory.read(name, LIMIT).map_err(system)? else {
            let text = new_file(key_path, deed);
            if adds && directory.create(name, text.as_bytes(), 0o644, &lock).map_err(system)? {
                return Ok(edited(Change::Created, "", &text));
            }
            continue;
        };
        let text = utf8(file, &old.content)?;
        let outcome = changed(file, text, key_path, deed)?;
        if outcome.before == outcome.after
            || directory.replace(name, &old, outcome.after.as_bytes(), &lock).map_err(system)?
        {
            return Ok(outcome);
        }
    }
    Err(EditError::Busy { file: file.display().to_string() })
}

/// What [`change`] would do; writes nothing.
///
/// # Errors
/// As there.
pub fn preview(
    file: &Path,
    within: Option<&Path>,
    key_path: &[&str],
    value: impl Into<Element>,
    operation: Operation,
) -> Result<Edited, EditError> {
    look(file, within, key_path, Deed::List(&value.into(), operation))
}

/// What [`set`] would do; writes nothing.
///
/// # Errors
/// As there.
pub fn preview_set(
    file: &Path,
    within: Option<&Path>,
    key_path: &[&str],
    value: &Value,
) -> Result<Edited, EditError> {
    look(file, within, key_path, Deed::Set(value))
}

/// What adding a value to a list would make of a text; of none, if there is no file. Pure.
///
/// # Errors
/// When the text is broken, or holds something else at a key.
pub fn adding(
    file: &Path,
    text: Option<&str>,
    key_path: &[&str],
    value: impl Into<Element>,
) -> Result<Edited, EditError> {
    made_of(file, text, key_path, Deed::List(&value.into(), Operation::Add))
}

/// What setting a value would make of a text; of none, if there is no file. Pure.
///
/// # Errors
/// As for [`adding`].
pub fn setting(
    file: &Path,
    text: Option<&str>,
    key_path: &[&str],
    value: &Value,
) -> Result<Edited, EditError> {
    made_of(file, text, key_path, Deed::Set(value))
}

/// What a deed would make of a text; of none, if there is no file. Pure.
fn made_of(file: &Path, text: Option<&str>, key_path: &[&str], deed: Deed<'_>) -> Result<Edited, EditError> {
    match text {
        Some(text) => changed(file, text, key_path, deed),
        None if deed.adds() => Ok(edited(Change::Created, "", &new_file(key_path, deed))),
        None => Ok(edited(Change::NotThere, "", "")),
    }
}

fn look(file: &Path, within: Option<&Path>, key_path: &[&str], deed: Deed<'_>) -> Result<Edited, EditError> {
    let system = |cause: io::Error| EditError::System { file: file.display().to_string(), cause };
    if is_missing(file) {
        return made_of(file, None, key_path, deed);
    }
    let real = resolve(file, false).map_err(system)?;
    check_within(file, &real, within)?;
    let content = std::fs::read(&real).map_err(system)?;
    changed(file, utf8(file, &content)?, key_path, deed)
}

fn edited(change: Change, before: &str, after: &str) -> Edited {
    Edited { change, before: before.to_owned(), after: after.to_owned() }
}

fn new_file(key_path: &[&str], deed: Deed<'_>) -> String {
    format!("{}\n", render(key_path, deed.held(), Some(("", "  ", "\n"))))
}

fn is_missing(file: &Path) -> bool {
    std::fs::symlink_metadata(file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn utf8<'t>(file: &Path, content: &'t [u8]) -> Result<&'t str, EditError> {
    std::str::from_utf8(content).map_err(|error| {
        let before = String::from_utf8_lossy(content.get(..error.valid_up_to()).unwrap_or_default());
        content_error(file, &before, before.len(), "this is not UTF-8")
    })
}

/// The text after an operation. Pure.
fn changed(file: &Path, text: &str, key_path: &[&str], deed: Deed<'_>) -> Result<Edited, EditError> {
    let stands = |(new, at): (String, usize)| (Change::Added { line: line_column(&new, at).0 }, new);
    let done = match deed {
        Deed::List(value, Operation::Add) => with_added(file, text, key_path, value)?.map(stands),
        Deed::Set(value) => with_set(file, text, key_path, value)?.map(stands),
        Deed::List(value, Operation::Remove) => {
            let mut done = None;
            // A value that stands there twice would go on to count.
            while let Some((new, line)) =
                with_removed(file, done.as_ref().map_or(text, |(_, new): &(_, String)| new), key_path, value)?
            {
                done = Some((Change::Removed { line }, new));
            }
            done
        }
    };
    Ok(match done {
        Some((change, new)) => edited(change, text, &new),
        None if deed.adds() => edited(Change::AlreadyThere, text, text),
        None => edited(Change::NotThere, text, text),
    })
}

/// The file behind symlinks, or where it would be; its directory is made if that is wanted.
fn resolve(file: &Path, make: bool) -> io::Result<PathBuf> {
    match file.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    if std::fs::symlink_metadata(file).is_ok() {
        return Err(io::Error::other("it is a symlink to a file that does not exist"));
    }
    let name = file.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if make {
        private::directories(parent, 0o755)?;
    }
    Ok(parent.canonicalize()?.join(name))
}

fn check_within(file: &Path, real: &Path, within: Option<&Path>) -> Result<(), EditError> {
    let Some(within) = within else { return Ok(()) };
    if within.canonicalize().is_ok_and(|within| real.starts_with(within)) {
        return Ok(());
    }
    Err(EditError::Elsewhere {
        file: file.display().to_string(),
        target: real.display().to_string(),
        within: within.display().to_string(),
    })
}

fn content_error(file: &Path, text: &str, offset: usize, what: &str) -> EditError {
    let (line, column) = line_column(text, offset);
    EditError::Content { file: file.display().to_string(), line, column, what: what.to_string() }
}

/// The lines that differ, `-` before the old ones, `+` before the new ones. Control characters are for the printer.
pub fn diff(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    for (sign, lines) in [('-', old), ('+', new)] {
        for line in lines.iter().take(lines.len() - tail) {
            text.push(sign);
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::element::quote;
    use super::*;
    use crate::settings::jsonc;
    use proptest::prelude::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    const ALLOW: &[&str] = &["permissions", "allow"];

    fn added(text: &str) -> String {
        with_added(Path::new("/s.json"), text, ALLOW, "v").unwrap().unwrap().0
    }

    fn error(text: &str) -> String {
        with_added(Path::new("/s.json"), text, ALLOW, "v").unwrap_err().to_string()
    }

    #[test]
    fn lists_over_several_lines_get_a_line() {
        for (before, after) in [
            (
                "{\n  \"permissions\": {\n    \"allow\": [\n      \"a\"\n    ]\n  }\n}\n",
                "{\n  \"permissions\": {\n    \"allow\": [\n      \"a\",\n      \"v\"\n    ]\n  }\n}\n",
            ),
            (
                "{\"permissions\": {\"allow\": [ // here\n\t\"a\", // about a\n\t// \"off\"\n]}} // end",
                "{\"permissions\": {\"allow\": [ // here\n\t\"a\", // about a\n\t\"v\",\n\t// \"off\"\n]}} // end",
            ),
            (
                "{\r\n\t\"permissions\": {\"allow\": [\r\n\t\t\"a\" // about a\r\n\t]}\r\n}",
                "{\r\n\t\"permissions\": {\"allow\": [\r\n\t\t\"a\", // about a\r\n\t\t\"v\"\r\n\t]}\r\n}",
            ),
            (
                "{\"permissions\": {\"allow\": [\n  \"a\" /* x\n y */\n  ,\n]}}",
                "{\"permissions\": {\"allow\": [\n  \"a\" /* x\n y */\n  ,\n  \"v\",\n]}}",
            ),
            (
                "{\n  \"permissions\": {\n    \"allow\": [\n      // none yet\n    ]\n  }\n}",
                "{\n  \"permissions\": {\n    \"allow\": [\n      // none yet\n      \"v\"\n    ]\n  }\n}",
            ),
        ] {
            assert_eq!(added(before), after);
        }
    }

    #[test]
    fn lists_in_one_line_stay_in_one_line() {
        for (before, after) in [
            ("{\"permissions\":{\"allow\":[]}}", "{\"permissions\":{\"allow\":[\"v\"]}}"),
            ("{\"permissions\":{\"allow\":[/* c */]}}", "{\"permissions\":{\"allow\":[/* c */ \"v\"]}}"),
            (
                "{\"permissions\":{\"allow\":[\"a\", \"b\"]}}",
                "{\"permissions\":{\"allow\":[\"a\", \"b\", \"v\"]}}",
            ),
            ("{\"permissions\":{\"allow\":[\"a\",]}}", "{\"permissions\":{\"allow\":[\"a\", \"v\",]}}"),
            (
                "\u{feff}{\"permissions\":{\"allow\":[\"ä\"]}}",
                "\u{feff}{\"permissions\":{\"allow\":[\"ä\", \"v\"]}}",
            ),
        ] {
            assert_eq!(added(before), after);
        }
    }

    #[test]
    fn missing_objects_and_lists_are_made_in_the_style_of_the_file() {
        for (before, after) in [
            ("{}\n", "{\n  \"permissions\": {\n    \"allow\": [\n      \"v\"\n    ]\n  }\n}\n"),
            (
                "// mine\n{\n\t\"a\": 1\n}\n",
                "// mine\n{\n\t\"a\": 1,\n\t\"permissions\": {\n\t\t\"allow\": [\n\t\t\t\"v\"\n\t\t]\n\t}\n}\n",
            ),
            (
                "{\n    \"permissions\": {\n        \"deny\": [], // none\n    },\n}",
                "{\n    \"permissions\": {\n        \"deny\": [], // none\n        \"allow\": [\n            \"v\"\n        \
                 ],\n    },\n}",
            ),
            ("{\"a\": 1}", "{\"a\": 1, \"permissions\": {\"allow\": [\"v\"]}}"),
            ("{\"permissions\": {}}", "{\"permissions\": {\"allow\": [\"v\"]}}"),
        ] {
            assert_eq!(added(before), after);
        }
    }

    #[test]
    fn a_single_value_is_set_in_its_place_and_all_else_stays() {
        let set = |text: &str| {
            let value = Value::from("regular");
            with_set(Path::new("/s.json"), text, &["sandbox", "mode"], &value)
        };
        for (before, after) in [
            (
                "{\n  // mine\n  \"sandbox\": {\n    \"mode\": \"auto-allow\", // for now\n  },\n}\n",
                "{\n  // mine\n  \"sandbox\": {\n    \"mode\": \"regular\", // for now\n  },\n}\n",
            ),
            (
                "{\r\n\t\"sandbox\": {\r\n\t\t\"shell\": \"/bin/sh\" // x\r\n\t}\r\n}",
                "{\r\n\t\"sandbox\": {\r\n\t\t\"shell\": \"/bin/sh\", // x\r\n\t\t\"mode\": \"regular\"\r\n\t}\r\n}",
            ),
            (
                "{\n    \"a\": 1\n}\n",
                "{\n    \"a\": 1,\n    \"sandbox\": {\n        \"mode\": \"regular\"\n    }\n}\n",
            ),
            ("{\"sandbox\": {\"mode\": null}}", "{\"sandbox\": {\"mode\": \"regular\"}}"),
        ] {
            assert_eq!(set(before).unwrap().unwrap().0, after);
        }
        assert_eq!(set("{\"sandbox\": {\"mode\": \"regular\"}}").unwrap(), None);
        for (wrong, what) in [
            ("{\"sandbox\": {\"mode\": [1]}}", "mode must be a single value"),
            ("{\"sandbox\": []}", "sandbox must be an object"),
        ] {
            assert!(set(wrong).unwrap_err().to_string().contains(what));
        }
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("s.json");
        let no = Value::from(false);
        let key: &[&str] = &["sandbox", "allowUnsandboxedCommands"];
        let looked = preview_set(&file, None, key, &no).unwrap();
        assert!(!file.exists());
        assert_eq!(looked, super::set(&file, None, key, &no).unwrap());
        let text = "{\n  \"sandbox\": {\n    \"allowUnsandboxedCommands\": false\n  }\n}\n";
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        let again = super::set(&file, None, key, &no).unwrap();
        assert_eq!(again, edited(Change::AlreadyThere, text, text));
    }

    #[track_caller]
    fn removed(text: &str, value: &str) -> String {
        with_removed(Path::new("/s.json"), text, ALLOW, value).unwrap().unwrap().0
    }

    #[test]
    fn an_entry_goes_with_its_line_and_its_comma() {
        let list =
            |inner: &str| format!("{{ // top\n  \"permissions\": {{\"allow\": [{inner}]}} // end\n}}\n");
        for (before, value, after) in [
            ("\n  \"a\",\n  \"b\"\n", "a", "\n  \"b\"\n"),
            ("\n  \"a\",\n  \"b\"\n", "b", "\n  \"a\"\n"),
            ("\n  \"a\",\n  \"b\",\n", "b", "\n  \"a\",\n"),
            ("\n  \"a\"\n", "a", "\n"),
            (
                "\n  // about all\n  \"a\", // about a\n  \"b\" // about b\n",
                "b",
                "\n  // about all\n  \"a\" // about a\n",
            ),
            (
                "\n  // about all\n  \"a\", // about a\n  \"b\" // about b\n",
                "a",
                "\n  // about all\n  \"b\" // about b\n",
            ),
            ("\r\n\t\"a\",\r\n\t\"b\"\r\n", "a", "\r\n\t\"b\"\r\n"),
            ("\"a\", \"b\", \"c\"", "a", "\"b\", \"c\""),
            ("\"a\", \"b\", \"c\"", "b", "\"a\", \"c\""),
            ("\"a\", \"b\", \"c\"", "c", "\"a\", \"b\""),
            ("\"a\"", "a", ""),
            ("\"a\" /* x */, \"b\"", "b", "\"a\" /* x */"),
            ("\n  \"a\", \"b\",\n  \"c\"\n", "a", "\n  \"b\",\n  \"c\"\n"),
        ] {
            let text = list(before);
            assert_eq!(removed(&text, value), list(after), "{before:?}");
        }
    }

    #[test]
    fn only_what_is_there_is_taken_out() {
        let take = |text: &str, value: &str| with_removed(Path::new("/s"), text, ALLOW, value);
        for text in ["{}", "{\"permissions\": {}}", "{\"permissions\": {\"allow\": [\"b\"]}}"] {
            assert!(take(text, "a").unwrap().is_none(), "{text}");
        }
        assert!(take("{\"permissions\": {\"allow\": \"a\"}}", "a").is_err());
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("none/settings.json");
        let done = change(&file, None, ALLOW, "a", Operation::Remove).unwrap();
        assert!(done.change == Change::NotThere && !file.parent().unwrap().exists());
        let looked = preview(&file, None, ALLOW, "a", Operation::Add).unwrap();
        assert!(looked.change == Change::Created && !file.parent().unwrap().exists());
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, r#"{"permissions": {"allow": ["a", "b", "a"]}}"#).unwrap();
        let looked = preview(&file, None, ALLOW, "a", Operation::Remove).unwrap();
        let done = change(&file, None, ALLOW, "a", Operation::Remove).unwrap();
        assert_eq!((&looked.after, &done.after), (&done.after, &looked.after));
        assert_eq!(fs::read_to_string(&file).unwrap(), r#"{"permissions": {"allow": ["b"]}}"#);
    }

    #[test]
    fn broken_files_and_wrong_types_are_refused_with_their_place() {
        let told = |place: &str, what: &str| {
            format!("cannot change '/s.json:{place}': {what}; correct the file, then try again")
        };
        for (text, place, what) in [
            ("{\n  \"permissions\": []\n}", "2:18", "permissions must be an object"),
            ("{\"permissions\": {\"allow\": \"a\"}}", "1:27", "allow must be a list"),
            (
                "{\"permissions\": {\"allow\": [\"a\", 1]}}",
                "1:33",
                "a list of strings holds something else here",
            ),
            ("{\"permissions\": {}, \"permissions\": {}}", "1:21", "'permissions' is said twice; keep one"),
            ("[]", "1:1", "the file must be an object"),
            ("{} # no", "1:4", "'#' starts no comment here: use '//' or '/* */'"),
            ("{}\n/* no", "2:1", "this comment is never closed: '*/' is missing"),
            ("{\n  \"a\" 1}", "2:7", "expected `:`"),
            ("{'a': 1}", "1:2", "key must be a string"),
        ] {
            assert_eq!(error(text), told(place, what), "{text}");
        }
        // What the settings are read from without an error is written to without one.
        let (text, at) = with_added(Path::new("/s"), "// no\n", ALLOW, "v").unwrap().unwrap();
        assert!(text.starts_with("// no\n{") && text.get(at..at + 3) == Some("\"v\""), "{text}");
    }

    #[test]
    fn nothing_is_added_twice() {
        let text = r#"{"permissions": {"allow": ["\u0076"]}}"#;
        assert!(with_added(Path::new("/s"), text, ALLOW, "v").unwrap().is_none());
    }

    #[test]
    fn files_are_made_changed_and_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("new/.claude/settings.json");
        assert_eq!(add(&file, &["sandbox", "excludedCommands"], "a\"\u{1b}").unwrap(), Change::Created);
        let text =
            "{\n  \"sandbox\": {\n    \"excludedCommands\": [\n      \"a\\\"\\u001b\"\n    ]\n  }\n}\n";
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(add(&file, &["sandbox", "excludedCommands"], "b").unwrap(), Change::Added { line: 5 });
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read_to_string(&file).unwrap();
        assert_eq!(diff(text, &before), "-      \"a\\\"\\u001b\"\n+      \"a\\\"\\u001b\",\n+      \"b\"\n");
        assert_eq!(add(&file, &["sandbox", "excludedCommands"], "b").unwrap(), Change::AlreadyThere);
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn symlinks_are_followed_but_not_out_of_the_project() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path();
        fs::create_dir_all(top.join("project")).unwrap();
        fs::write(top.join("mine.json"), "{}").unwrap();
        let link = top.join("project/settings.json");
        symlink("../mine.json", &link).unwrap();
        let refused = change(&link, Some(&top.join("project")), ALLOW, "v", Operation::Add).unwrap_err();
        assert!(matches!(refused, EditError::Elsewhere { .. }), "{refused}");
        assert_eq!(fs::read_to_string(top.join("mine.json")).unwrap(), "{}");
        let done = change(&link, Some(top), ALLOW, "v", Operation::Add).unwrap();
        assert_eq!(done.change, Change::Added { line: 4 });
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(top.join("mine.json")).unwrap().contains("\"v\""));
        let nowhere = top.join("nowhere");
        symlink("missing", &nowhere).unwrap();
        for (file, what) in [
            (&nowhere, "a symlink to a file that does not exist"),
            (&top.join("project"), "not a regular file"),
        ] {
            let told = add(file, ALLOW, "v").unwrap_err().to_string();
            assert!(told.contains(what), "{told}");
        }
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("settings.json");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let file = &file;
                scope.spawn(move || add(file, ALLOW, &format!("v{number}")).unwrap());
            }
        });
        let value: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(value["permissions"]["allow"].as_array().unwrap().len(), 8);
    }

    fn gap() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop::sample::select(vec![" ", "\t", "\n", "\r\n", "// , c\n", "/* ] , */", ""]),
            0..4,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn the_value_is_added_and_nothing_else_changes(
            gaps in prop::collection::vec(gap(), 12),
            items in 0_usize..3,
            comma in any::<bool>(),
            shape in 0_usize..3,
            value in "\\PC{0,6}|[\"\\\\\n/]{1,4}",
        ) {
            let g = |i: usize| gaps[i].as_str();
            let mut list: Vec<String> = (0..items).map(|i| format!("{}\"//i{i}\"{}", g(i), g(i + 1))).collect();
            if items == 0 { list.push(g(3).to_string()); }
            let trailing = if comma && items > 0 { format!(",{}", g(4)) } else { String::new() };
            let list = format!("[{}{trailing}]", list.join(","));
            let text = match shape {
                0 => format!("{}{{{}\"permissions\"{}:{}{{\"allow\":{list}{}}}{}}}{}", g(5), g(6), g(7), g(8), g(9), g(10), g(11)),
                1 => format!("{}{{{}\"permissions\":{}{{{}}}{}}}", g(5), g(6), g(7), g(8), g(9)),
                _ => format!("{}{{{}\"x\":{list}{}}}{}", g(5), g(6), g(7), g(8)),
            };
            let (new, at) = with_added(Path::new("/s"), &text, ALLOW, &value).unwrap().unwrap();
            prop_assert!(new[at..].starts_with(&quote(&value)));
            // Only inserted: the old text is what is left when some characters go.
            let mut rest = new.chars();
            prop_assert!(text.chars().all(|old| rest.any(|new| new == old)));
            let again = with_added(Path::new("/s"), &new, ALLOW, &value).unwrap();
            prop_assert!(again.is_none());
            // And out again: what is left says what was said before.
            let (back, _) = with_removed(Path::new("/s"), &new, ALLOW, &value).unwrap().unwrap();
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(&jsonc::blank(text).unwrap()).unwrap();
            if shape == 0 {
                prop_assert_eq!(read(&back), read(&text));
            }
            for item in 0..items {
                let taken = with_removed(Path::new("/s"), &text, ALLOW, &format!("//i{item}"));
                prop_assert!(shape != 0 || taken.unwrap().is_some(), "{}", text);
            }
        }

        #[test]
        fn no_text_is_too_odd(text in "([\\[\\]{},:/*#\"\\\\\n\r ä1]|\"permissions\"|\"allow\"|//|/\\*|\\*/){0,30}") {
            let _ = with_added(Path::new("/s"), &text, ALLOW, "v");
            let _ = with_removed(Path::new("/s"), &text, ALLOW, "1");
        }
    }
}
