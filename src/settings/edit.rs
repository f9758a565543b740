//! Adding one string to a list of a settings file, every other byte kept.
//!
//! Owns where the new text goes and how the file is replaced. Must not decide what is added. The file is read exactly as
//! the settings are read (`jsonc::blank`, then strict JSON), and text is only ever inserted.

use super::jsonc;
use super::layout::{Inserts, Layout};
use super::origin::line_column;
use crate::system::store::Directory;
use jsonc_parser::ast::{ObjectProp, Value};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const LIMIT: u64 = 16 << 20;
const TRIES: usize = 8;

/// What `add` did.
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
}

/// Why nothing was added. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file is broken, or holds something else at a key.
    #[error("cannot add to '{file}:{line}:{column}': {what}; correct the file, then try again")]
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
        "cannot add to '{file}': it is a symlink to '{target}', outside '{within}'; edit that file yourself"
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
    #[error("cannot add to '{file}': another program keeps changing it; try again")]
    Busy {
        /// The file.
        file: String,
    },
    /// A call failed.
    #[error("cannot add to '{file}': {cause}")]
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
pub fn add(file: &Path, key_path: &[&str], value: &str) -> Result<Change, EditError> {
    add_to(file, None, key_path, value)
}

/// As [`add`], but refuses a file that really lies outside the directory `within`: a cloned project must not be able to
/// send "always, in this project" into the person's own settings.
///
/// # Errors
/// See [`EditError`]; then nothing was written.
pub fn add_within(within: &Path, file: &Path, key_path: &[&str], value: &str) -> Result<Change, EditError> {
    add_to(file, Some(within), key_path, value)
}

fn add_to(file: &Path, within: Option<&Path>, key_path: &[&str], value: &str) -> Result<Change, EditError> {
    let system = |cause: io::Error| EditError::System { file: file.display().to_string(), cause };
    for _ in 0..TRIES {
        let real = resolve(file).map_err(system)?;
        check_within(file, &real, within)?;
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(system(io::Error::other("it names no file")));
        };
        let directory = Directory::open_resolved(parent).map_err(system)?;
        let lock = directory.lock().map_err(system)?;
        let Some(old) = directory.read(name, LIMIT).map_err(system)? else {
            let text = format!("{}\n", render(key_path, value, Some(("", "  ", "\n"))));
            if directory.create(name, text.as_bytes(), 0o644, &lock).map_err(system)? {
                return Ok(Change::Created);
            }
            continue;
        };
        let text = std::str::from_utf8(&old.content).map_err(|error| {
            let before = String::from_utf8_lossy(old.content.get(..error.valid_up_to()).unwrap_or_default());
            content_error(file, &before, before.len(), "this is not UTF-8")
        })?;
        let Some((new, at)) = with_added(file, text, key_path, value)? else {
            return Ok(Change::AlreadyThere);
        };
        if directory.replace(name, &old, new.as_bytes(), &lock).map_err(system)? {
            return Ok(Change::Added { line: line_column(&new, at).0 });
        }
    }
    Err(EditError::Busy { file: file.display().to_string() })
}

/// The file behind symlinks, or where it would be; its directory is made.
fn resolve(file: &Path) -> io::Result<PathBuf> {
    match file.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    if std::fs::symlink_metadata(file).is_ok() {
        return Err(io::Error::other("it is a symlink to a file that does not exist"));
    }
    let name = file.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
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

/// The text with the value added and the offset of the value in it; `None` if it is there already. Pure; `file` is only
/// for messages.
///
/// # Errors
/// [`EditError::Content`].
pub fn with_added(
    file: &Path,
    text: &str,
    key_path: &[&str],
    value: &str,
) -> Result<Option<(String, usize)>, EditError> {
    let wrong = |offset: usize, what: &str| content_error(file, text, offset, what);
    let plain = jsonc::blank(text).map_err(|error| wrong(error.offset, &error.what))?;
    let mut expected: serde_json::Value = serde_json::from_str(&plain).map_err(|error| {
        let start =
            plain.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let what = error.to_string();
        let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
        wrong(start + error.column().saturating_sub(1), what)
    })?;
    let parsed = parse_to_ast(&plain, &CollectOptions::default(), &strict())
        .map_err(|error| wrong(error.range().start, &error.kind().to_string()))?;
    let root = parsed.value.ok_or_else(|| wrong(0, "there is no value"))?;
    let layout = Layout::of(text, &root);
    let inserts = match find(&root, key_path).map_err(|(at, what)| wrong(at, &what))? {
        Found::List(range, elements) => {
            for element in elements {
                match element {
                    Value::StringLit(held) if held.value == value => return Ok(None),
                    Value::StringLit(_) => {}
                    other => {
                        return Err(wrong(
                            other.range().start,
                            "a list of strings holds something else here",
                        ));
                    }
                }
            }
            let ranges: Vec<Range> = elements.iter().map(Ranged::range).collect();
            layout.inserts(range, &ranges, false, |_| quote(value))
        }
        Found::Missing(range, properties, rest) => {
            let ranges: Vec<Range> = properties.iter().map(|property| property.range).collect();
            layout.inserts(range, &ranges, true, |indent| {
                let inner = indent.map(|indent| (indent, layout.unit, layout.newline));
                let (key, below) = rest.split_first().map_or(("", rest), |(key, below)| (*key, below));
                format!("{}: {}", quote(key), render(below, value, inner))
            })
        }
    };
    let (new, at) = apply(text, inserts, &quote(value));
    // The last word: what is written reads as the old settings plus exactly this value.
    push(&mut expected, key_path, value);
    let read =
        jsonc::blank(&new).ok().and_then(|plain| serde_json::from_str::<serde_json::Value>(&plain).ok());
    if read != Some(expected) {
        return Err(wrong(at, "no place was found that is surely right; add the value by hand"));
    }
    Ok(Some((new, at)))
}

fn strict() -> ParseOptions {
    ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

enum Found<'v, 'a, 'k> {
    List(Range, &'v [Value<'a>]),
    Missing(Range, &'v [ObjectProp<'a>], &'k [&'k str]),
}

fn find<'v, 'a, 'k>(root: &'v Value<'a>, keys: &'k [&'k str]) -> Result<Found<'v, 'a, 'k>, (usize, String)> {
    let mut value = root;
    let mut rest = keys;
    let mut name = "the file";
    while let Some((key, below)) = rest.split_first() {
        let Value::Object(object) = value else {
            return Err((value.range().start, format!("{name} must be an object")));
        };
        let mut said = object.properties.iter().filter(|property| property.name.as_str() == *key);
        let Some(property) = said.next() else {
            return Ok(Found::Missing(object.range, &object.properties, rest));
        };
        if let Some(again) = said.next() {
            return Err((again.range.start, format!("'{key}' is said twice; keep one")));
        }
        (value, rest, name) = (&property.value, below, key);
    }
    match value {
        Value::Array(array) => Ok(Found::List(array.range, &array.elements)),
        other => Err((other.range().start, format!("{name} must be a list"))),
    }
}

fn push(at: &mut serde_json::Value, keys: &[&str], value: &str) {
    use serde_json::Value::{Array, Null, Object};
    match (keys.split_first(), at) {
        (Some((key, below)), Object(map)) => {
            push(map.entry((*key).to_string()).or_insert(Null), below, value);
        }
        (Some(_), at) => {
            *at = Object(serde_json::Map::new());
            push(at, keys, value);
        }
        (None, Array(list)) => list.push(value.into()),
        (None, at) => *at = Array(vec![value.into()]),
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A list of one value in its objects; over several lines with (indentation of the line, unit, newline), else in one.
fn render(keys: &[&str], value: &str, lines: Option<(&str, &str, &str)>) -> String {
    let (open, inner, close) = match keys.split_first() {
        Some((key, below)) => {
            let deeper = lines.map(|(indent, unit, newline)| (format!("{indent}{unit}"), unit, newline));
            let deeper = deeper.as_ref().map(|(indent, unit, newline)| (indent.as_str(), *unit, *newline));
            ('{', format!("{}: {}", quote(key), render(below, value, deeper)), '}')
        }
        None => ('[', quote(value), ']'),
    };
    match lines {
        Some((indent, unit, newline)) => {
            format!("{open}{newline}{indent}{unit}{inner}{newline}{indent}{close}")
        }
        None => format!("{open}{inner}{close}"),
    }
}

fn apply(text: &str, inserts: Inserts, quoted: &str) -> (String, usize) {
    let (mut new, mut done, mut at) = (String::with_capacity(text.len() + 256), 0, 0);
    for (offset, insert) in inserts {
        new.push_str(text.get(done..offset).unwrap_or_default());
        at = new.len() + insert.rfind(quoted).unwrap_or(0);
        new.push_str(&insert);
        done = offset;
    }
    new.push_str(text.get(done..).unwrap_or_default());
    (new, at)
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
    use super::*;
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
    fn broken_files_and_wrong_types_are_refused_with_their_place() {
        let told = |place: &str, what: &str| {
            format!("cannot add to '/s.json:{place}': {what}; correct the file, then try again")
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
        assert!(error("").contains("'/s.json:1:1'"));
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
        let refused = add_within(&top.join("project"), &link, ALLOW, "v").unwrap_err();
        assert!(matches!(refused, EditError::Elsewhere { .. }), "{refused}");
        assert_eq!(fs::read_to_string(top.join("mine.json")).unwrap(), "{}");
        assert_eq!(add_within(top, &link, ALLOW, "v").unwrap(), Change::Added { line: 4 });
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
        }

        #[test]
        fn no_text_is_too_odd(text in "([\\[\\]{},:/*#\"\\\\\n\r ä1]|\"permissions\"|\"allow\"|//|/\\*|\\*/){0,30}") {
            let _ = with_added(Path::new("/s"), &text, ALLOW, "v");
        }
    }
}
