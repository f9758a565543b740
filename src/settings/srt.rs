//! The settings file of another program, sandbox-runtime (`srt`), read as a list of what it says. Pure.
//!
//! Owns that format's keys and types, as of its version 0.0.78. Must not decide what becomes of an entry here: that is
//! for whoever takes the file over. Stricter than that program in one thing: a key that is there twice is an error, as in
//! our own files, because readers disagree about which one counts.

use super::parse::{Object, ParseError, offset_of};
use serde_json::value::RawValue;

/// What a key of that format holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A list of texts; each is an entry.
    List,
    /// A port number.
    Port,
    /// An object of lists; each pair is an entry.
    Lists,
    /// A list of objects with this name and `mode`; each is an entry.
    Credentials(&'static str),
    /// Anything: it means nothing here, so nobody looks into it.
    Other,
    /// More keys.
    Section,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Kind::Switch => "true or false",
            Kind::List => "a list of strings",
            Kind::Port => "a port number from 1 to 65535",
            Kind::Lists => "an object of lists of strings",
            Kind::Credentials("path") => {
                "a list of objects {\"path\": \"...\", \"mode\": \"deny\" or \"mask\"}"
            }
            Kind::Credentials(_) => "a list of objects {\"name\": \"...\", \"mode\": \"deny\" or \"mask\"}",
            Kind::Other => "a value",
            Kind::Section => "an object",
        }
    }
}

/// Every key of that format.
pub const KEYS: &[(&str, Kind)] = &[
    ("network", Kind::Section),
    ("network.allowedDomains", Kind::List),
    ("network.deniedDomains", Kind::List),
    ("network.deniedDomainReasons", Kind::Other),
    ("network.strictAllowlist", Kind::Switch),
    ("network.deniedResolvedAddresses", Kind::List),
    ("network.allowUnixSockets", Kind::List),
    ("network.allowAllUnixSockets", Kind::Switch),
    ("network.allowLocalBinding", Kind::Switch),
    ("network.allowMachLookup", Kind::Other),
    ("network.httpProxyPort", Kind::Port),
    ("network.socksProxyPort", Kind::Port),
    ("network.mitmProxy", Kind::Other),
    ("network.filterRequest", Kind::Other),
    ("network.tlsTerminate", Kind::Other),
    ("network.parentProxy", Kind::Other),
    ("filesystem", Kind::Section),
    ("filesystem.disabled", Kind::Switch),
    ("filesystem.denyRead", Kind::List),
    ("filesystem.allowRead", Kind::List),
    ("filesystem.allowWrite", Kind::List),
    ("filesystem.denyWrite", Kind::List),
    ("filesystem.allowGitConfig", Kind::Switch),
    ("credentials", Kind::Section),
    ("credentials.files", Kind::Credentials("path")),
    ("credentials.envVars", Kind::Credentials("name")),
    ("credentials.allowPlaintextInject", Kind::Switch),
    ("credentials.awsPairs", Kind::Other),
    ("credentials.sigv4", Kind::Other),
    ("ignoreViolations", Kind::Lists),
    ("enableWeakerNestedSandbox", Kind::Switch),
    ("enableWeakerNetworkIsolation", Kind::Switch),
    ("allowAppleEvents", Kind::Switch),
    ("allowPty", Kind::Switch),
    ("ripgrep", Kind::Other),
    ("mandatoryDenySearchDepth", Kind::Other),
    ("seccomp", Kind::Other),
    ("bwrapPath", Kind::Other),
    ("socatPath", Kind::Other),
    ("javaAgentJarPath", Kind::Other),
    ("windows", Kind::Other),
    ("git", Kind::Other),
];

/// One thing that a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The key, dots between.
    pub key: String,
    /// What it says there.
    pub what: What,
    /// Its line, from 1.
    pub line: usize,
}

/// What can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An entry of a list.
    Entry(String),
    /// A switch.
    Switch(bool),
    /// A port.
    Port(u16),
    /// An entry of a list that has a name.
    Named(String, String),
    /// A credential, and whether it is to be masked instead of denied.
    Credential(String, bool),
    /// Something that nobody looked into.
    Other,
    /// The format has no such key.
    Unknown,
}

/// Everything that a file says, in its order.
///
/// # Errors
/// What is no JSON, a wrong type, a key that is there twice.
pub fn read(text: &str) -> Result<Vec<Said>, ParseError> {
    let mut reader = Reader { text, newlines: newlines(text), said: Vec::new() };
    let Object(top) = serde_json::from_str(text).map_err(|error| reader.syntax(&error, 0))?;
    reader.section("", top)?;
    Ok(reader.said)
}

fn newlines(text: &str) -> Vec<usize> {
    text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at).collect()
}

struct Reader<'t> {
    text: &'t str,
    newlines: Vec<usize>,
    said: Vec<Said>,
}

impl<'t> Reader<'t> {
    fn offset(&self, value: &RawValue) -> usize {
        (value.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn syntax(&self, error: &serde_json::Error, base: usize) -> ParseError {
        let rest = self.text.get(base..).unwrap_or("");
        let words = error.to_string();
        let what = words.rsplit_once(" at line ").map_or(words.as_str(), |(what, _)| what).to_owned();
        ParseError { offset: base + offset_of(rest, error.line(), error.column()), what }
    }

    fn wrong(&self, value: &RawValue, key: &str, kind: Kind) -> ParseError {
        let shown: String = value.get().chars().take(40).collect();
        let what = format!("\"{key}\" is {}, expected {}", shown.escape_debug(), kind.expected());
        ParseError { offset: self.offset(value), what }
    }

    fn say(&mut self, key: &str, what: What, value: &RawValue) {
        let offset = self.offset(value);
        let line = self.newlines.partition_point(|newline| *newline < offset) + 1;
        self.said.push(Said { key: key.to_owned(), what, line });
    }

    fn object(&self, value: &'t RawValue, key: &str, kind: Kind) -> Result<Object<'t>, ParseError> {
        serde_json::from_str(value.get()).map_err(|error| match value.get().starts_with('{') {
            true => self.syntax(&error, self.offset(value)),
            false => self.wrong(value, key, kind),
        })
    }

    fn section(
        &mut self,
        above: &str,
        keys: Vec<(std::borrow::Cow<'t, str>, &'t RawValue)>,
    ) -> Result<(), ParseError> {
        for (name, value) in keys {
            let key = if above.is_empty() { name.to_string() } else { format!("{above}.{name}") };
            // A dot in a name is no section.
            let known = KEYS.iter().find(|(known, _)| *known == key && !name.contains('.'));
            match known.map(|(_, kind)| *kind) {
                Some(kind) => self.key(&key, kind, value)?,
                None => self.say(&key, What::Unknown, value),
            }
        }
        Ok(())
    }

    fn key(&mut self, key: &str, kind: Kind, value: &'t RawValue) -> Result<(), ParseError> {
        match kind {
            Kind::Section => {
                let Object(keys) = self.object(value, key, kind)?;
                self.section(key, keys)?;
            }
            Kind::Switch => {
                let on = serde_json::from_str(value.get()).map_err(|_| self.wrong(value, key, kind))?;
                self.say(key, What::Switch(on), value);
            }
            Kind::Port => {
                let port: u16 =
                    serde_json::from_str(value.get()).map_err(|_| self.wrong(value, key, kind))?;
                if port == 0 {
                    return Err(self.wrong(value, key, kind));
                }
                self.say(key, What::Port(port), value);
            }
            Kind::List => {
                for (entry, text) in self.list(value, key, kind)? {
                    self.say(key, What::Entry(text), entry);
                }
            }
            Kind::Lists => {
                let Object(lists) = self.object(value, key, kind)?;
                for (name, list) in lists {
                    for (entry, text) in self.list(list, key, kind)? {
                        self.say(key, What::Named(name.to_string(), text), entry);
                    }
                }
            }
            Kind::Credentials(field) => {
                let entries: Vec<&RawValue> =
                    serde_json::from_str(value.get()).map_err(|_| self.wrong(value, key, kind))?;
                for entry in entries {
                    let Object(fields) = self.object(entry, key, kind)?;
                    let text = |wanted: &str| {
                        let (_, raw) = fields.iter().find(|(name, _)| name == wanted)?;
                        serde_json::from_str::<String>(raw.get()).ok()
                    };
                    let what = match (text(field), text("mode").as_deref()) {
                        (Some(name), Some("deny")) => What::Credential(name, false),
                        (Some(name), Some("mask")) => What::Credential(name, true),
                        _ => return Err(self.wrong(entry, key, kind)),
                    };
                    self.say(key, what, entry);
                }
            }
            Kind::Other => self.say(key, What::Other, value),
        }
        Ok(())
    }

    fn list(
        &self,
        value: &'t RawValue,
        key: &str,
        kind: Kind,
    ) -> Result<Vec<(&'t RawValue, String)>, ParseError> {
        let entries: Vec<&RawValue> =
            serde_json::from_str(value.get()).map_err(|_| self.wrong(value, key, kind))?;
        let text = |entry: &'t RawValue| match serde_json::from_str(entry.get()) {
            Ok(text) => Ok((entry, text)),
            Err(_) => Err(self.wrong(entry, key, kind)),
        };
        entries.into_iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_told_with_its_line() {
        let text = "{\n \"network\": {\"allowedDomains\": [\"a.com\",\n \"*.b.org:443\"], \"httpProxyPort\": 3128},\n \
                    \"filesystem\": {\"allowWrite\": [\".\"], \"disabled\": false},\n \
                    \"credentials\": {\"files\": [{\"path\": \"~/k\", \"mode\": \"mask\", \"extract\": \"(x)\"}]},\n \
                    \"ignoreViolations\": {\"npm\": [\"/x\"]},\n \"ripgrep\": {\"command\": 1}, \"newer\": null}";
        let said = |key: &str, what, line| Said { key: key.to_owned(), what, line };
        assert_eq!(
            read(text).unwrap(),
            [
                said("network.allowedDomains", What::Entry("a.com".into()), 2),
                said("network.allowedDomains", What::Entry("*.b.org:443".into()), 3),
                said("network.httpProxyPort", What::Port(3128), 3),
                said("filesystem.allowWrite", What::Entry(".".into()), 4),
                said("filesystem.disabled", What::Switch(false), 4),
                said("credentials.files", What::Credential("~/k".into(), true), 5),
                said("ignoreViolations", What::Named("npm".into(), "/x".into()), 6),
                said("ripgrep", What::Other, 7),
                said("newer", What::Unknown, 7),
            ]
        );
    }

    #[test]
    fn what_is_broken_is_an_error_at_its_place() {
        for (text, at, what) in [
            ("", 0, "EOF while parsing a value"),
            ("not json", 1, "expected ident"),
            ("[]", 0, "invalid type: sequence, expected an object"),
            ("{\"network\": 1}", 12, "\"network\" is 1, expected an object"),
            ("{\"filesystem\": {\"allowWrite\": \"/x\"}}", 30, ", expected a list of strings"),
            ("{\"filesystem\": {\"denyRead\": [1]}}", 29, "\"filesystem.denyRead\" is 1"),
            ("{\"network\": {\"httpProxyPort\": 0}}", 30, "expected a port number"),
            ("{\"network\": {\"httpProxyPort\": 65536}}", 30, "expected a port number"),
            ("{\"network\": {\"strictAllowlist\": \"yes\"}}", 32, "expected true or false"),
            ("{\"ignoreViolations\": {\"x\": \"y\"}}", 27, "expected an object of lists"),
            ("{\"credentials\": {\"files\": [{\"path\": \"/x\"}]}}", 27, "\"mode\": \"deny\""),
            ("{\"credentials\": {\"envVars\": [{\"path\": \"X\", \"mode\": \"deny\"}]}}", 29, "name"),
            ("{\"filesystem\": {}, \"filesystem\": {}}", 32, "the key \"filesystem\" is there twice"),
            ("{\"network\": {\"allowedDomains\": [], \"allowedDomains\": []}}", 51, "is there twice"),
            ("{} // no comments there", 3, "trailing characters"),
        ] {
            let error = read(text).unwrap_err();
            let said = format!("{}: {}", error.offset, error.what);
            assert!(said.contains(what), "{text}: {said}");
            assert!(error.offset.abs_diff(at) <= 2, "{text}: {said}");
        }
    }

    #[test]
    fn nothing_that_is_no_file_of_theirs_panics() {
        let deep = "[".repeat(100_000);
        for text in
            [deep.as_str(), "{\"windows\":", "\u{feff}{}", "{\"network.allowedDomains\": [\"x.com\"]}"]
        {
            let _ = read(text);
        }
        let dotted = read("{\"network.allowedDomains\": [\"x.com\"]}").unwrap();
        assert_eq!(dotted[0].what, What::Unknown);
    }
}
