//! One element of a list in a settings file: a text, or a credential with its mode. Pure.
//!
//! Owns how it is written, and when another is the same.

use crate::settings::CredentialMode;
use serde_json::{Value, json};

/// How the entries of a list are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As texts.
    Text,
    /// As objects, with the entry in this field, and this mode.
    Credential(&'static str, CredentialMode),
}

impl Form {
    /// The element for an entry.
    pub fn element(self, entry: &str) -> Element {
        match self {
            Form::Text => Element::from(entry),
            Form::Credential(field, mode) => Element(json!({ field: entry, "mode": mode.name() })),
        }
    }
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element(Value);

impl From<&str> for Element {
    fn from(text: &str) -> Element {
        Element(text.into())
    }
}

impl From<&String> for Element {
    fn from(text: &String) -> Element {
        Element::from(text.as_str())
    }
}

impl From<&Element> for Element {
    fn from(element: &Element) -> Element {
        element.clone()
    }
}

impl Element {
    /// What it says.
    pub fn says(&self) -> &Value {
        &self.0
    }

    /// Whether another could stand in the same list.
    pub fn is_like(&self, held: &Value) -> bool {
        self.0.is_object() == held.is_object() && self.0.is_string() == held.is_string()
    }

    /// Whether another says the same. What it says besides is its own.
    pub fn is(&self, held: &Value) -> bool {
        match &self.0 {
            Value::Object(fields) => fields.iter().all(|(name, value)| held.get(name) == Some(value)),
            text => text == held,
        }
    }

    /// What the list is a list of.
    pub fn kind(&self) -> &'static str {
        if self.0.is_object() { "objects" } else { "strings" }
    }

    /// In one line.
    pub fn render(&self) -> String {
        match &self.0 {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| format!("{}: {value}", quote(name)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
            text => text.to_string(),
        }
    }
}

/// A text as JSON.
pub fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
