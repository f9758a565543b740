//! The JSON schema of the settings against the parser: what one takes the other takes, and both know the same keys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use sbsh::settings::schema::{BESIDE, KEYS, Kind, json};
use sbsh::settings::{Scope, Source, jsonc, parse};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn parses(text: &str) -> Result<(), String> {
    let source = Arc::new(Source { path: "/s.json".into(), scope: Scope::User, text: text.to_owned() });
    parse::values(&source, &mut Vec::new()).map(|_| ()).map_err(|error| error.what)
}

/// The words of that language which the schema uses; another one is a mistake of this test's.
fn takes(schema: &Value, value: &Value) -> Result<(), String> {
    for (word, says) in schema.as_object().unwrap() {
        let wrong = || Err(format!("{value} against \"{word}\": {says}"));
        let right = match word.as_str() {
            "$schema" | "title" | "description" | "default" => true,
            "type" => match says {
                Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                kind => is(kind, value),
            },
            "enum" => says.as_array().unwrap().contains(value),
            "const" => says == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()),
            "exclusiveMinimum" => value.as_f64().is_none_or(|number| number > says.as_f64().unwrap()),
            "required" => value.as_object().is_none_or(|object| {
                says.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
            }),
            "properties" => {
                for (key, inner) in says.as_object().unwrap() {
                    value.get(key).map_or(Ok(()), |value| takes(inner, value))?;
                }
                true
            }
            "additionalProperties" => {
                for inner in value.as_object().into_iter().flat_map(|object| object.values()) {
                    takes(says, inner)?;
                }
                true
            }
            "items" => {
                for inner in value.as_array().into_iter().flatten() {
                    takes(says, inner)?;
                }
                true
            }
            "if" => {
                if takes(says, value).is_ok() {
                    takes(&schema["then"], value)?;
                }
                true
            }
            "then" => true,
            other => panic!("the schema says {other}"),
        };
        if !right {
            return wrong();
        }
    }
    Ok(())
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the schema says {other}"),
    }
}

/// A value at a key, in an object for each part of it.
fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, part| json!({ part: inner }))
}

fn paths() -> Vec<(String, Kind)> {
    let below = KEYS.iter().map(|key| (format!("sandbox.{}", key.path), key.kind));
    below.chain(BESIDE.iter().map(|key| (key.path.to_owned(), key.kind))).collect()
}

/// The leaves of the schema, but for those of hooks.
fn leaves(schema: &Value, path: &str, all: &mut BTreeSet<String>) {
    let inner = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in inner.into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match schema.get("properties").is_some() {
            true => leaves(schema, &path, all),
            false => {
                all.insert(path);
            }
        }
    }
}

#[test]
fn the_schema_has_the_parsers_keys_and_no_other() {
    let mut said = BTreeSet::new();
    leaves(&json::schema(), "", &mut said);
    let mut known: BTreeSet<String> =
        paths().into_iter().filter(|(_, kind)| *kind != Kind::Section).map(|(path, _)| path).collect();
    known.extend(["$schema", "hooks.PreToolUse", "hooks.PostToolUse"].map(str::to_owned));
    assert_eq!(said, known);
    // And the parser looks at each of them: none is let through with a value that none may have.
    for path in known.iter().filter(|path| *path != "$schema") {
        let text = at(path, json!(-1)).to_string();
        assert!(parses(&text).is_err(), "{text}");
    }
    assert!(parses(r#"{"$schema": -1, "other": -1, "permissions": {"other": -1}}"#).is_ok());
}

#[test]
fn schema_and_parser_take_the_same_values() {
    let schema = json::schema();
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(65535),
        json!(65536),
        json!(""),
        json!("auto"),
        json!("regular"),
        json!("network"),
        json!("disable"),
        json!([]),
        json!(["a", "b"]),
        json!(["a", 1]),
        json!([null]),
        json!([{}]),
        json!([{"path": "/x", "mode": "deny"}]),
        json!([{"name": "X", "mode": "allow", "more": 1}]),
        json!([{"name": "X", "mode": "mask"}]),
        json!([{"name": 1, "mode": "deny"}]),
        json!({}),
        json!({"a": []}),
        json!({"a": ["b"]}),
        json!({"a": "b"}),
        json!({"a": [1]}),
    ];
    let mut both = [0, 0];
    for (path, _) in paths() {
        for value in &values {
            let document = at(&path, value.clone());
            let (read, said) = (parses(&document.to_string()), takes(&schema, &document));
            assert_eq!(read.is_ok(), said.is_ok(), "{document}: {read:?}, {said:?}");
            both[usize::from(read.is_ok())] += 1;
        }
    }
    assert!(both[0] > 500 && both[1] > 100, "{both:?}");
}

#[test]
fn schema_and_parser_take_the_same_hooks() {
    let schema = json::schema();
    let group = |matcher: Value, hook: Value| json!({"matcher": matcher, "hooks": [hook]});
    for (groups, right) in [
        (json!([]), true),
        (json!({}), false),
        (json!([1]), false),
        (json!([{}]), false),
        (json!([{"hooks": []}]), true),
        (json!([{"matcher": "Write", "hooks": "not ours"}]), true),
        (json!([{"matcher": 1, "hooks": []}]), false),
        (json!([group(json!("Bash"), json!({"type": "command", "command": "x"}))]), true),
        (json!([group(json!(null), json!({"type": "command"}))]), false),
        (json!([group(json!("*"), json!({"command": "x"}))]), false),
        (json!([group(json!(""), json!({"type": "prompt", "command": 1}))]), true),
        (
            json!([group(
                json!("Bash"),
                json!({"type": "command", "command": "x", "args": ["a"], "timeout": 0.5})
            )]),
            true,
        ),
        (json!([group(json!("Bash"), json!({"type": "command", "command": "x", "timeout": 0}))]), false),
        (json!([group(json!("Bash"), json!({"type": "command", "command": "x", "timeout": "5"}))]), false),
        (json!([group(json!("Bash"), json!({"type": "command", "command": "x", "args": "a"}))]), false),
        (json!([group(json!("Bash"), json!({"type": "command", "command": "x", "async": 1}))]), false),
        (json!([group(json!("Bash"), json!({"type": "command", "command": "x", "if": 1}))]), false),
        (
            json!([group(json!("Bash"), json!({"type": "command", "command": "x", "onFailure": "block"}))]),
            true,
        ),
    ] {
        let document = json!({"hooks": {"PreToolUse": groups, "Stop": "another program's"}});
        let (read, said) = (parses(&document.to_string()), takes(&schema, &document));
        assert_eq!((read.is_ok(), said.is_ok()), (right, right), "{document}: {read:?}, {said:?}");
    }
}

fn documents() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(top.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let guides: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    [vec![top.join("README.md")], guides].concat()
}

/// The settings in a page: blocks that are marked as `jsonc`.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```jsonc\n").skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_example_in_the_docs_is_taken_by_both() {
    let schema = json::schema();
    let mut count = 0;
    for path in documents() {
        for example in examples(&fs::read_to_string(&path).unwrap()) {
            let value: Value = serde_json::from_str(&jsonc::blank(&example).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}: {example}", path.display()));
            assert_eq!(parses(&example), Ok(()), "{}: {example}", path.display());
            assert_eq!(takes(&schema, &value), Ok(()), "{}: {example}", path.display());
            let known = KEYS.iter().map(|key| format!("sandbox.{}", key.path)).collect();
            assert_eq!(
                unknown(&value["sandbox"], "sandbox", &known),
                Vec::<String>::new(),
                "{}",
                path.display()
            );
            count += 1;
        }
    }
    assert!(count >= 2, "the docs have {count} examples");
}

/// Keys below `sandbox` that are none.
fn unknown(value: &Value, path: &str, known: &BTreeSet<String>) -> Vec<String> {
    let Some(object) = value.as_object() else { return Vec::new() };
    if path == "sandbox.ignoreViolations" {
        return Vec::new();
    }
    let below = object.iter().flat_map(|(name, value)| {
        let path = format!("{path}.{name}");
        match known.contains(&path) {
            true => unknown(value, &path, known),
            false => vec![path],
        }
    });
    below.collect()
}
