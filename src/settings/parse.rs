//! One file's text → [`Values`]. Owns types, unknown keys and duplicates; reads no file.
//!
//! On the way of every command, so nothing is copied that is not kept: the JSON is walked as raw slices, and a slice's
//! place in the text is its address.

mod hooks;

use super::schema::{self, Kind};
use super::values::{CredentialMode, List, Values, sourced};
use super::{Notice, Source, Sourced, jsonc};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Why a text is not a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Byte offset in the text.
    pub offset: usize,
    /// What is wrong and what would be right.
    pub what: String,
}

/// An object as its keys and raw values, in order; keys that occur twice are an error.
pub(super) struct Object<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Walk<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Walk<'a> {
            type Value = Object<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'a>, A::Error> {
                let mut all: Vec<(Cow<'a, str>, &'a RawValue)> = Vec::new();
                while let Some(Text(key)) = map.next_key()? {
                    if all.iter().any(|(known, _)| *known == key) {
                        return Err(serde::de::Error::custom(format!(
                            "the key \"{}\" is there twice; remove one",
                            key.escape_debug()
                        )));
                    }
                    all.push((key, map.next_value()?));
                }
                Ok(Object(all))
            }
        }
        from.deserialize_map(Walk(std::marker::PhantomData))
    }
}

/// A key, borrowed where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Walk<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Walk<'a> {
            type Value = Text<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Walk(std::marker::PhantomData))
    }
}

/// Reads one file's text.
///
/// # Errors
/// [`ParseError`], also for a key of ours that is there twice.
pub fn values(source: &Arc<Source>, notices: &mut Vec<Notice>) -> Result<Values, ParseError> {
    let text = jsonc::blank(&source.text).map_err(|e| ParseError { offset: e.offset, what: e.what })?;
    let mut reader = Reader { source, text: &text, notices, values: Values::default() };
    if text.trim().is_empty() {
        return Ok(reader.values);
    }
    let Object(top) = serde_json::from_str(&text).map_err(|e| reader.syntax(&e, 0))?;
    for (key, value) in top {
        match &*key {
            "sandbox" => reader.section("", value)?,
            "permissions" => reader.permissions(value)?,
            "hooks" => reader.hooks(value)?,
            name => reader.beside(name, value)?,
        }
    }
    Ok(reader.values)
}

struct Reader<'r> {
    source: &'r Arc<Source>,
    text: &'r str,
    notices: &'r mut Vec<Notice>,
    values: Values,
}

impl Reader<'_> {
    /// Where a slice of the text stands in it.
    fn offset(&self, value: &RawValue) -> usize {
        (value.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn syntax(&self, error: &serde_json::Error, base: usize) -> ParseError {
        let offset = base + offset_of(self.text.get(base..).unwrap_or(""), error.line(), error.column());
        let words = error.to_string();
        let what = words.rsplit_once(" at line ").map_or(words.as_str(), |(w, _)| w).to_owned();
        ParseError { offset, what }
    }

    fn wrong(&self, value: &RawValue, key: &str, kind: Kind) -> ParseError {
        let shown: String = value.get().chars().take(40).collect();
        ParseError {
            offset: self.offset(value),
            what: format!("\"{key}\" is {}, expected {}", shown.escape_debug(), kind.expected()),
        }
    }

    fn object<'v>(&self, value: &'v RawValue, key: &str) -> Result<Object<'v>, ParseError> {
        serde_json::from_str(value.get()).map_err(|error| {
            if value.get().starts_with('{') {
                self.syntax(&error, self.offset(value))
            } else {
                self.wrong(value, key, Kind::Section)
            }
        })
    }

    fn typed<'v, T: serde::Deserialize<'v>>(
        &self,
        value: &'v RawValue,
        key: &str,
        kind: Kind,
    ) -> Result<Sourced<T>, ParseError> {
        let read = serde_json::from_str(value.get()).map_err(|_| self.wrong(value, key, kind))?;
        Ok(sourced(self.source, self.offset(value), read))
    }

    fn list(&self, value: &RawValue, key: &str) -> Result<List, ParseError> {
        let entries: Vec<&RawValue> =
            serde_json::from_str(value.get()).map_err(|_| self.wrong(value, key, Kind::List))?;
        entries.into_iter().map(|entry| self.text(entry, key)).collect()
    }

    /// A string of a list; one without escapes is what stands between its quotes.
    fn text(&self, value: &RawValue, key: &str) -> Result<Sourced<String>, ParseError> {
        let plain = value.get().strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        match plain.filter(|text| !text.contains('\\')) {
            Some(text) => Ok(sourced(self.source, self.offset(value), text.to_owned())),
            None => self.typed(value, key, Kind::List),
        }
    }

    fn section(&mut self, path: &str, value: &RawValue) -> Result<(), ParseError> {
        let shown = if path.is_empty() { "sandbox".into() } else { format!("sandbox.{path}") };
        for (name, value) in self.object(value, &shown)?.0 {
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            match schema::KEYS.iter().find(|k| k.path == path) {
                Some(key) if key.kind == Kind::Section => self.section(&path, value)?,
                Some(key) => self.key(key.path, key.kind, value)?,
                None => self.unknown(&path, value),
            }
        }
        Ok(())
    }

    fn unknown(&mut self, path: &str, value: &RawValue) {
        let (line, column) = super::origin::line_column(&self.source.text, self.offset(value));
        let hint = schema::nearest(path).map(|k| format!("; did you mean sandbox.{k}?")).unwrap_or_default();
        self.notices.push(Notice {
            kind: "unknown-key",
            text: format!(
                "{}:{line}:{column}: unknown key sandbox.{} is ignored{hint}",
                self.source.path.display(),
                path.escape_debug()
            ),
        });
    }

    fn key(&mut self, path: &'static str, kind: Kind, value: &RawValue) -> Result<(), ParseError> {
        let full = format!("sandbox.{path}");
        match kind {
            Kind::Boolean => {
                let read = self.typed(value, &full, kind)?;
                if let Some(field) = self.values.boolean(path) {
                    *field = Some(read);
                }
            }
            Kind::Word(words) => {
                let read: Sourced<String> = self.typed(value, &full, kind)?;
                if !words.contains(&read.value.as_str()) {
                    return Err(self.wrong(value, &full, kind));
                }
                if let Some(field) = self.values.text(path) {
                    *field = Some(read);
                }
            }
            Kind::Text => {
                let read = self.typed(value, &full, kind)?;
                if let Some(field) = self.values.text(path) {
                    *field = Some(read);
                }
            }
            Kind::List => {
                let read = self.list(value, &full)?;
                if let Some(field) = self.values.list(path) {
                    field.extend(read);
                }
            }
            Kind::Port => {
                let port: Sourced<u16> = self.typed(value, &full, kind)?;
                if port.value == 0 {
                    return Err(self.wrong(value, &full, kind));
                }
                if let Some(field) = self.values.port(path) {
                    *field = Some(port);
                }
            }
            Kind::Lists => {
                for (name, value) in self.object(value, &full)?.0 {
                    let entries = self.list(value, &format!("{full}.{}", name.escape_debug()))?;
                    let paired = |entry: Sourced<String>| Sourced {
                        value: (name.to_string(), entry.value),
                        origin: entry.origin,
                    };
                    self.values.ignore_violations.extend(entries.into_iter().map(paired));
                }
            }
            Kind::Credentials(name) => {
                let read = self.credentials(value, &full, kind, name)?;
                if path == "credentials.files" {
                    self.values.credential_files = read;
                } else {
                    self.values.credential_variables = read;
                }
            }
            Kind::Section => {}
        }
        Ok(())
    }

    fn credentials(
        &self,
        value: &RawValue,
        key: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Sourced<(String, CredentialMode)>>, ParseError> {
        let entries: Vec<&RawValue> =
            serde_json::from_str(value.get()).map_err(|_| self.wrong(value, key, kind))?;
        let mut all = Vec::new();
        for entry in entries {
            let object = self.object(entry, key)?;
            let text = |wanted: &str| {
                let (_, raw) = object.0.iter().find(|(k, _)| k == wanted)?;
                serde_json::from_str::<String>(raw.get()).ok()
            };
            let mode = match text("mode").as_deref() {
                Some("deny") => CredentialMode::Deny,
                Some("allow") => CredentialMode::Allow,
                _ => return Err(self.wrong(entry, key, kind)),
            };
            let named = text(name).ok_or_else(|| self.wrong(entry, key, kind))?;
            all.push(sourced(self.source, self.offset(entry), (named, mode)));
        }
        Ok(all)
    }

    fn permissions(&mut self, value: &RawValue) -> Result<(), ParseError> {
        for (name, value) in self.object(value, "permissions")?.0 {
            self.beside(&format!("permissions.{name}"), value)?;
        }
        Ok(())
    }

    /// A key beside `sandbox`, if it is one of ours.
    fn beside(&mut self, path: &str, value: &RawValue) -> Result<(), ParseError> {
        let Some(key) = schema::BESIDE.iter().find(|key| key.path == path) else { return Ok(()) };
        match key.kind {
            Kind::List => {
                let read = self.list(value, path)?;
                match path {
                    "permissions.allow" => self.values.allow = read,
                    "permissions.ask" => self.values.ask = read,
                    "permissions.deny" => self.values.deny = read,
                    "permissions.additionalDirectories" => self.values.additional_directories = read,
                    _ => {}
                }
            }
            Kind::Boolean => {
                let read = Some(self.typed(value, path, key.kind)?);
                match path {
                    "allowManagedPermissionRulesOnly" => self.values.managed_rules_only = read,
                    "allowManagedHooksOnly" => self.values.managed_hooks_only = read,
                    "disableAllHooks" => self.values.no_hooks = read,
                    _ => {}
                }
            }
            Kind::Text => {
                let read: Sourced<String> = self.typed(value, path, key.kind)?;
                match path {
                    "permissions.defaultMode" => self.values.default_mode = Some(read),
                    "permissions.disableBypassPermissionsMode" => {
                        let no = read.value == "disable";
                        self.values.no_bypass = Some(Sourced { value: no, origin: read.origin });
                    }
                    _ => {}
                }
            }
            // `permissions` itself has its own way; others are not in that table.
            Kind::Section | Kind::Word(_) | Kind::Port | Kind::Credentials(_) | Kind::Lists => {}
        }
        Ok(())
    }
}

impl Values {
    fn boolean(&mut self, path: &str) -> Option<&mut Option<Sourced<bool>>> {
        Some(match path {
            "enabled" => &mut self.enabled,
            "autoAllowBashIfSandboxed" => &mut self.auto_allow,
            "network.allowManagedDomainsOnly" => &mut self.managed_domains_only,
            "network.strictAllowlist" => &mut self.strict_allowlist,
            "network.allowLocalBinding" => &mut self.local_binding,
            "network.allowAllUnixSockets" => &mut self.all_unix_sockets,
            "filesystem.allowGitConfig" => &mut self.allow_git_config,
            "filesystem.allowManagedReadPathsOnly" => &mut self.managed_read_paths_only,
            "allowUnsandboxedCommands" => &mut self.way_out,
            "enableWeakerNestedSandbox" => &mut self.weaker_nested,
            "failIfUnavailable" => &mut self.fail_if_unavailable,
            "audit.syslog" => &mut self.syslog,
            "audit.required" => &mut self.audit_required,
            _ => return None,
        })
    }

    fn text(&mut self, path: &str) -> Option<&mut Option<Sourced<String>>> {
        Some(match path {
            "mode" => &mut self.mode,
            "backend" => &mut self.backend,
            "gatekeeper" => &mut self.gatekeeper,
            "bwrapPath" => &mut self.bwrap_path,
            "shell" => &mut self.shell,
            "network.proxyVariables" => &mut self.proxy_variables,
            "audit.otlp" => &mut self.otlp,
            "network.caCertificates" => &mut self.ca_certificates,
            _ => return None,
        })
    }

    fn port(&mut self, path: &str) -> Option<&mut Option<Sourced<u16>>> {
        Some(match path {
            "network.httpProxyPort" => &mut self.http_proxy_port,
            "network.socksProxyPort" => &mut self.socks_proxy_port,
            _ => return None,
        })
    }

    fn list(&mut self, path: &str) -> Option<&mut List> {
        Some(match path {
            "allowedDomains" | "network.allowedDomains" => &mut self.allowed_domains,
            "network.deniedDomains" => &mut self.denied_domains,
            "network.uncheckedTlsNames" => &mut self.unchecked_names,
            "network.allowUnixSockets" | "allowUnixSockets" => &mut self.unix_sockets,
            "filesystem.allowWrite" => &mut self.allow_write,
            "filesystem.denyWrite" => &mut self.deny_write,
            "filesystem.denyRead" => &mut self.deny_read,
            "filesystem.allowRead" => &mut self.allow_read,
            "excludedCommands" => &mut self.excluded,
            _ => return None,
        })
    }
}

/// The byte offset of serde_json's line and column (both from 1, the column in bytes; 0 before the first).
pub(super) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
    (start + column.saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Scope;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_settings_or_an_error_at_a_place_in_it(
            pieces in prop::collection::vec(prop_oneof![
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"sandbox\"", "\"permissions\"", "\"allow\"", "\"deny\"", "\"network\"", "\"filesystem\"",
                    "\"allowWrite\"", "\"hooks\"", "\"PreToolUse\"", "\"credentials\"", "\"files\"", "\"path\"", "\"mode\"", "\"enabled\"",
                    "true", "false", "null", "1", "-0.5e9", "\"Bash(a:*)\"", "\"\\u0000\"", "// x\n", "/* */", " ",
                ]).prop_map(str::to_owned),
                ".{0,3}",
            ], 0..40),
        ) {
            let text = pieces.concat();
            let source = Arc::new(Source { path: "/x/settings.json".into(), scope: Scope::Project, text: text.clone() });
            if let Err(error) = values(&source, &mut Vec::new()) {
                prop_assert!(error.offset <= text.len() && !error.what.is_empty());
            }
        }
    }
}
