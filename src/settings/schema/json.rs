//! The JSON schema of a settings file, for editors, made from the table of keys. Pure.
//!
//! Owns how a kind of value is told in that language. What another program's keys hold is not said: they are let through, as
//! the parser lets them through, and so are unknown keys.

use super::{BESIDE, KEYS, Key, Kind};
use crate::settings::hooks::Event;
use serde_json::{Map, Value, json};

/// The file under `docs/`, and what `sbshctl schema` prints.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// The schema.
pub fn schema() -> Value {
    let mut top = Map::new();
    top.insert("$schema".to_owned(), json!({ "type": "string" }));
    top.insert("sandbox".to_owned(), section("what commands may do; read by sbsh"));
    for key in KEYS {
        place(&mut top, &format!("sandbox.{}", key.path), of(key));
    }
    for key in BESIDE {
        place(&mut top, key.path, of(key));
    }
    top.insert("hooks".to_owned(), section("programs that are asked before a command and told after it"));
    for (event, meaning) in [
        (Event::Before, "programs that are asked before a command"),
        (Event::After, "programs that are told of the end of a command"),
    ] {
        let groups = json!({ "type": "array", "description": meaning, "items": group() });
        place(&mut top, event.key(), groups);
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings that sbsh reads",
        "description": "sbsh-settings(5) says what each means, and which files there are",
        "type": "object",
        "properties": top,
    })
}

/// Puts what is known of a key where it stands.
fn place(properties: &mut Map<String, Value>, path: &str, what: Value) {
    let Some((front, rest)) = path.split_once('.') else {
        properties.insert(path.to_owned(), what);
        return;
    };
    let inner = properties.get_mut(front).and_then(|section| section.get_mut("properties"));
    if let Some(inner) = inner.and_then(Value::as_object_mut) {
        place(inner, rest, what);
    }
}

fn section(meaning: &str) -> Value {
    json!({ "type": "object", "description": meaning, "properties": {} })
}

fn of(key: &Key) -> Value {
    let list = || json!({ "type": "array", "items": { "type": "string" } });
    let mut what = match key.kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Text => json!({ "type": "string" }),
        Kind::List => list(),
        Kind::Port => json!({ "type": "integer", "minimum": 1, "maximum": 65535 }),
        Kind::Credentials(name) => json!({
            "type": "array",
            "items": {
                "type": "object",
                "required": [name, "mode"],
                "properties": { name: { "type": "string" }, "mode": { "enum": ["deny", "allow"] } },
            },
        }),
        Kind::Lists => json!({ "type": "object", "additionalProperties": list() }),
        Kind::Section => return section(key.meaning),
    };
    let default = match key.kind {
        Kind::Boolean => key.default.parse().map(Value::Bool).ok(),
        Kind::Word(_) => Some(key.default.into()),
        Kind::List | Kind::Credentials(_) => Some(json!([])),
        Kind::Lists => Some(json!({})),
        Kind::Text | Kind::Port | Kind::Section => None,
    };
    let meaning = match &default {
        Some(_) => key.meaning.to_owned(),
        None => format!("{} (default: {})", key.meaning, key.default),
    };
    if let Some(what) = what.as_object_mut() {
        what.insert("description".to_owned(), meaning.into());
        what.extend(default.map(|default| ("default".to_owned(), default)));
    }
    what
}

/// A matcher with its hooks. Only what surely is about commands is looked at, as the parser does.
fn group() -> Value {
    let matcher = "compared with \"Bash\": nothing or * always match, names with | between match whole, else a regular \
                   expression";
    json!({
        "type": "object",
        "properties": { "matcher": { "type": ["string", "null"], "description": matcher } },
        "if": { "properties": { "matcher": { "enum": [null, "", "*", "Bash"] } } },
        "then": { "required": ["hooks"], "properties": { "hooks": { "type": "array", "items": hook() } } },
    })
}

fn hook() -> Value {
    let text = |meaning: &str| json!({ "type": "string", "description": meaning });
    let flag = |meaning: &str| json!({ "type": "boolean", "description": meaning, "default": false });
    let seconds = json!({ "type": "number", "description": "seconds", "exclusiveMinimum": 0, "default": 60 });
    let about = "the program's arguments; then no shell reads the command";
    let args = json!({ "type": "array", "description": about, "items": { "type": "string" } });
    json!({
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": text("command; others are not run by sbsh"),
            "timeout": seconds,
            "if": text("a rule such as Bash(git push *): it is asked only about texts that this matches"),
            "onFailure": text("block: if the hook fails, the command does not run"),
            "async": flag("it is not waited for, and decides nothing"),
            "asyncRewake": flag("as async"),
        },
        "if": { "properties": { "type": { "const": "command" } } },
        "then": {
            "required": ["command"],
            "properties": {
                "command": text("a text for /bin/sh, or with args a program"),
                "args": args,
                "shell": text("bash, instead of /bin/sh"),
            },
        },
    })
}
