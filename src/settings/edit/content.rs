//! One text of a settings file with a value more or less in one of its lists, or another single value. Pure.
//!
//! Owns that the outcome reads as the old settings and exactly that change. Must not know files.

use super::element::{Element, quote};
use super::{EditError, content_error};
use crate::settings::jsonc;
use crate::settings::layout::{Edit, Edits, Layout};
use crate::settings::origin::line_column;
use jsonc_parser::ast::{Array, ObjectProp, Value};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use std::borrow::Cow;
use std::path::Path;

/// A settings file's text, read: what it says as JSON, and where each thing stands.
struct Read<'t> {
    file: &'t Path,
    text: &'t str,
    plain: Cow<'t, str>,
    says: serde_json::Value,
}

impl<'t> Read<'t> {
    fn of(file: &'t Path, text: &'t str) -> Result<Read<'t>, EditError> {
        let wrong = |offset: usize, what: &str| content_error(file, text, offset, what);
        let plain = jsonc::blank(text).map_err(|error| wrong(error.offset, &error.what))?;
        let says = serde_json::from_str(&plain).map_err(|error| {
            let start =
                plain.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
            let what = error.to_string();
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            wrong(start + error.column().saturating_sub(1), what)
        })?;
        Ok(Read { file, text, plain, says })
    }

    fn wrong(&self, offset: usize, what: &str) -> EditError {
        content_error(self.file, self.text, offset, what)
    }

    /// Where what is at a key path stands, and how the text around it is laid out.
    fn with<T>(
        &self,
        key_path: &[&str],
        then: impl FnOnce(Found<'_, '_, '_>, Layout<'_>) -> Result<T, EditError>,
    ) -> Result<T, EditError> {
        let parsed = parse_to_ast(&self.plain, &CollectOptions::default(), &strict())
            .map_err(|error| self.wrong(error.range().start, &error.kind().to_string()))?;
        let root = parsed.value.ok_or_else(|| self.wrong(0, "there is no value"))?;
        let found = find(&root, key_path).map_err(|(at, what)| self.wrong(at, &what))?;
        then(found, Layout::of(self.text, &root))
    }

    /// What stands at a key path, where a list must.
    fn list<'v, 'a>(&self, there: &'v Value<'a>, key_path: &[&str]) -> Result<&'v Array<'a>, EditError> {
        match there {
            Value::Array(array) => Ok(array),
            other => {
                let name = key_path.last().copied().unwrap_or("the file");
                Err(self.wrong(other.range().start, &format!("{name} must be a list")))
            }
        }
    }

    /// Where in a list an element stands.
    fn place(&self, elements: &[Value<'_>], wanted: &Element) -> Result<Option<usize>, EditError> {
        let mut place = None;
        for (index, element) in elements.iter().enumerate() {
            let Range { start, end } = element.range();
            let held = self.plain.get(start..end).and_then(|text| serde_json::from_str(text).ok());
            let held = held.filter(|held| wanted.is_like(held));
            let Some(held) = held else {
                let what = format!("a list of {} holds something else here", wanted.kind());
                return Err(self.wrong(start, &what));
            };
            if place.is_none() && wanted.is(&held) {
                place = Some(index);
            }
        }
        Ok(place)
    }

    /// The last word: what is to be written reads as the settings should.
    fn check(&self, new: &str, expected: &serde_json::Value, at: usize) -> Result<(), EditError> {
        let plain = jsonc::blank(new).ok();
        let read = plain.and_then(|plain| serde_json::from_str::<serde_json::Value>(&plain).ok());
        if read.as_ref() == Some(expected) {
            return Ok(());
        }
        Err(self.wrong(at.min(self.text.len()), "no place was found that is surely right; change it by hand"))
    }
}

/// A text that says nothing, of blanks and comments alone, says `{}`: it is read so, too.
fn whole(text: &str) -> Cow<'_, str> {
    let says_nothing = jsonc::blank(text).is_ok_and(|plain| plain.trim().is_empty());
    let line = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    if says_nothing { Cow::Owned(format!("{text}{line}{{}}\n")) } else { Cow::Borrowed(text) }
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
    value: impl Into<Element>,
) -> Result<Option<(String, usize)>, EditError> {
    let text = &*whole(text);
    let (read, value) = (Read::of(file, text)?, value.into());
    let edits = read.with(key_path, |found, layout| match found {
        Found::There(there) => {
            let array = read.list(there, key_path)?;
            if read.place(&array.elements, &value)?.is_some() {
                return Ok(None);
            }
            let ranges: Vec<Range> = array.elements.iter().map(Ranged::range).collect();
            Ok(Some(layout.inserts(array.range, &ranges, false, |_| value.render())))
        }
        Found::Missing(range, properties, rest) => {
            Ok(Some(made(range, properties, rest, Held::ListOf(&value), &layout)))
        }
    })?;
    let Some(edits) = edits else { return Ok(None) };
    let (new, at) = apply(text, edits, &value.render());
    let mut expected = read.says.clone();
    put(&mut expected, key_path, Held::ListOf(&value));
    read.check(&new, &expected, at)?;
    Ok(Some((new, at)))
}

/// The text with one value, which is no list, at a key path, and the offset of the value in it; `None` if it says so
/// already. Pure.
///
/// # Errors
/// [`EditError::Content`].
pub fn with_set(
    file: &Path,
    text: &str,
    key_path: &[&str],
    value: &serde_json::Value,
) -> Result<Option<(String, usize)>, EditError> {
    let text = &*whole(text);
    let read = Read::of(file, text)?;
    let edits = read.with(key_path, |found, layout| match found {
        Found::There(there @ (Value::Array(_) | Value::Object(_))) => {
            let name = key_path.last().copied().unwrap_or("the file");
            Err(read.wrong(there.range().start, &format!("{name} must be a single value")))
        }
        Found::There(there) => {
            if key_path.iter().try_fold(&read.says, |at, key| at.get(key)) == Some(value) {
                return Ok(None);
            }
            let Range { start, end } = there.range();
            Ok(Some(vec![Edit { start, end, insert: value.to_string() }]))
        }
        Found::Missing(range, properties, rest) => {
            Ok(Some(made(range, properties, rest, Held::Alone(value), &layout)))
        }
    })?;
    let Some(edits) = edits else { return Ok(None) };
    let (new, at) = apply(text, edits, &value.to_string());
    let mut expected = read.says.clone();
    put(&mut expected, key_path, Held::Alone(value));
    read.check(&new, &expected, at)?;
    Ok(Some((new, at)))
}

/// What a key is to hold.
#[derive(Clone, Copy)]
pub(super) enum Held<'v> {
    /// A list of this.
    ListOf(&'v Element),
    /// This value.
    Alone(&'v serde_json::Value),
}

/// The edits that make the missing keys.
fn made(
    range: Range,
    properties: &[ObjectProp<'_>],
    rest: &[&str],
    held: Held<'_>,
    layout: &Layout<'_>,
) -> Edits {
    let ranges: Vec<Range> = properties.iter().map(|property| property.range).collect();
    layout.inserts(range, &ranges, true, |indent| {
        let inner = indent.map(|indent| (indent, layout.unit, layout.newline));
        let (key, below) = rest.split_first().map_or(("", rest), |(key, below)| (*key, below));
        format!("{}: {}", quote(key), render(below, held, inner))
    })
}

/// The text with the value's first occurrence taken out and the line that it was in; `None` if it is not there. Pure.
///
/// # Errors
/// [`EditError::Content`].
pub fn with_removed(
    file: &Path,
    text: &str,
    key_path: &[&str],
    value: impl Into<Element>,
) -> Result<Option<(String, usize)>, EditError> {
    let text = &*whole(text);
    let (read, value) = (Read::of(file, text)?, value.into());
    let taken = read.with(key_path, |found, layout| {
        let Found::There(there) = found else { return Ok(None) };
        let array = read.list(there, key_path)?;
        let Some(index) = read.place(&array.elements, &value)? else {
            return Ok(None);
        };
        let ranges: Vec<Range> = array.elements.iter().map(Ranged::range).collect();
        let at = ranges.get(index).map_or(0, |range| range.start);
        Ok(Some((index, at, layout.removes(array.range, &ranges, index))))
    })?;
    let Some((index, at, edits)) = taken else { return Ok(None) };
    let (new, _) = apply(text, edits, "");
    let mut expected = read.says.clone();
    let list = key_path.iter().try_fold(&mut expected, |at, key| at.get_mut(key));
    if let Some(list) = list.and_then(serde_json::Value::as_array_mut).filter(|list| index < list.len()) {
        list.remove(index);
    }
    read.check(&new, &expected, at)?;
    Ok(Some((new, line_column(text, at).0)))
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
    There(&'v Value<'a>),
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
    Ok(Found::There(value))
}

fn put(at: &mut serde_json::Value, keys: &[&str], held: Held<'_>) {
    use serde_json::Value::{Array, Null, Object};
    match (keys.split_first(), held, at) {
        (Some((key, below)), _, Object(map)) => {
            put(map.entry((*key).to_string()).or_insert(Null), below, held);
        }
        (Some(_), _, at) => {
            *at = Object(serde_json::Map::new());
            put(at, keys, held);
        }
        (None, Held::ListOf(element), Array(list)) => list.push(element.says().clone()),
        (None, Held::ListOf(element), at) => *at = Array(vec![element.says().clone()]),
        (None, Held::Alone(value), at) => *at = value.clone(),
    }
}

/// What is held in its objects; over several lines with (indentation of the line, unit, newline), else in one.
pub(super) fn render(keys: &[&str], held: Held<'_>, lines: Option<(&str, &str, &str)>) -> String {
    let (open, inner, close) = match (keys.split_first(), held) {
        (Some((key, below)), _) => {
            let deeper = lines.map(|(indent, unit, newline)| (format!("{indent}{unit}"), unit, newline));
            let deeper = deeper.as_ref().map(|(indent, unit, newline)| (indent.as_str(), *unit, *newline));
            ('{', format!("{}: {}", quote(key), render(below, held, deeper)), '}')
        }
        (None, Held::ListOf(element)) => ('[', element.render(), ']'),
        (None, Held::Alone(value)) => return value.to_string(),
    };
    match lines {
        Some((indent, unit, newline)) => {
            format!("{open}{newline}{indent}{unit}{inner}{newline}{indent}{close}")
        }
        None => format!("{open}{inner}{close}"),
    }
}

fn apply(text: &str, edits: Edits, quoted: &str) -> (String, usize) {
    let (mut new, mut done, mut at) = (String::with_capacity(text.len() + 256), 0, 0);
    for Edit { start, end, insert } in edits {
        new.push_str(text.get(done..start).unwrap_or_default());
        at = new.len() + insert.rfind(quoted).unwrap_or(0);
        new.push_str(&insert);
        done = end;
    }
    new.push_str(text.get(done..).unwrap_or_default());
    (new, at)
}
