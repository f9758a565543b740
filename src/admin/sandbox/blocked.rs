//! What was refused lately, each with the entry of settings that would allow it.
//!
//! Owns finding them in the last command, the log and the list of what is pending. Allows nothing.

use super::Now;
use crate::admin::log;
use crate::cli::EntryKind;
use crate::gatekeeper::violation::is_trifle;
use crate::gatekeeper::{Violation, Why};
use crate::pipeline::prepare::Prepared;
use crate::settings::pending;
use crate::system::visible::visible;
use serde_json::Value;

/// More are not listed.
const MOST: usize = 30;
/// Entries of the log that are looked through.
const LOOKED: usize = 300;

/// Something refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What and why, safe to show.
    pub what: String,
    /// The command that wanted it, safe to show.
    pub command: String,
    /// What would allow it, as `sbshctl allow` has it; `None` where no setting helps. The text is as it came.
    pub allow: Option<(EntryKind, String)>,
}

impl Refused {
    /// A refused call.
    pub fn call(violation: &Violation, command: &str) -> Refused {
        let kind = match violation.why {
            _ if !violation.settings_would_help() => None,
            Why::Outside => Some(EntryKind::Write),
            Why::Socket => Some(EntryKind::Socket),
            Why::Hidden | Why::Asked => Some(EntryKind::Read),
            Why::Protected | Why::Own => None,
        };
        Refused {
            what: visible(violation.what().as_bytes()),
            command: shortened(command),
            allow: kind.zip(violation.entry()),
        }
    }

    fn host(host: &str, port: Option<u64>, why: &str, command: &str) -> Refused {
        // As settings spell it.
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let host = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let named = if why.starts_with(&host) { why.to_owned() } else { format!("{host}: {why}") };
        Refused {
            what: visible(format!("network: {named}").as_bytes()),
            command: shortened(command),
            allow: Some((EntryKind::Domain, bare)),
        }
    }
}

/// The words of `sbshctl allow` for a kind.
pub fn kind_word(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Domain => "domain",
        EntryKind::Write => "write",
        EntryKind::Read => "read",
        EntryKind::Socket => "socket",
        EntryKind::Command => "command",
        EntryKind::CredentialFile => "credential-file",
        EntryKind::CredentialVariable => "credential-env",
    }
}

/// The change that allows it, as it is typed; safe to show.
pub fn allowing(kind: EntryKind, entry: &str) -> String {
    let quoted = shlex::try_quote(entry).map_or_else(|_| entry.to_owned(), |quoted| quoted.into_owned());
    // A backslash means to the shell what it says; anything else that a terminal would not show as it is becomes text.
    let plain = quoted.replace('\\', "");
    let shown = if visible(plain.as_bytes()) == plain { quoted } else { visible(quoted.as_bytes()) };
    format!("allow {} {shown}", kind_word(kind))
}

fn shortened(command: &str) -> String {
    let first: String = command.chars().take(60).collect();
    visible(first.as_bytes())
}

/// All that is known, the newest first, each once. What cannot be read is passed over: it is only shown.
pub fn recent(now: &Now<'_>, prepared: &Prepared) -> Vec<Refused> {
    let mut found: Vec<Refused> = Vec::new();
    if let Some(last) = now.last {
        found.extend(last.violations.iter().rev().map(|violation| Refused::call(violation, &last.text)));
    }
    if let Some(state) = &prepared.locations.state_dir {
        let entries = log::recent(state, LOOKED, &["violation", "connection"]).unwrap_or_default();
        found.extend(entries.iter().rev().filter_map(of_entry));
        let waiting = pending::list(state).unwrap_or_default();
        found.extend(
            waiting
                .iter()
                .rev()
                .map(|one| Refused::host(&one.host, Some(u64::from(one.port)), &one.why, &one.command)),
        );
    }
    let mut kept: Vec<Refused> = Vec::new();
    for one in found {
        let same = |old: &Refused| match (&old.allow, &one.allow) {
            (Some(a), Some(b)) => a == b,
            (None, None) => old.what == one.what,
            _ => false,
        };
        if kept.len() < MOST && !kept.iter().any(same) {
            kept.push(one);
        }
    }
    kept
}

/// What a line of the log says was refused.
pub fn of_entry(entry: &Value) -> Option<Refused> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("event") {
        "violation" => {
            let violation = log::violation_of(entry)?;
            (!is_trifle(&violation.path)).then(|| Refused::call(&violation, text("command")))
        }
        "connection" if text("verdict") == "refused" => {
            let why = if text("why").is_empty() { text("rule") } else { text("why") };
            let port = entry.get("port").and_then(Value::as_u64);
            Some(Refused::host(text("host"), port, why, text("command")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_of_the_log_become_changes() {
        let call = |path: &str, call: &str, why: &str| json!({"event": "violation", "time": 1.5, "command": "make", "program": "touch", "process": 1, "call": call, "path": path, "why": why, "reason": if why == "protected" { "it is a hook" } else { "" }});
        let allow = |entry: &Value| of_entry(entry).unwrap().allow.map(|(kind, text)| allowing(kind, &text));
        assert_eq!(allow(&call("/a b", "openat", "outside")).unwrap(), "allow write '/a b'");
        assert_eq!(allow(&call("/s", "connect", "socket")).unwrap(), "allow socket /s");
        assert_eq!(allow(&call("/k", "openat", "hidden")).unwrap(), "allow read /k");
        assert_eq!(allow(&call("/w/.git/hooks/x", "openat", "protected")), None);
        let mut kept = call("/w/.git/hooks", "mkdir", "outside");
        kept["reason"] = "always protected".into();
        assert_eq!(allow(&kept), None);
        let connection = json!({"event": "connection", "verdict": "refused", "host": "[2001:db8::1]", "port": 443, "why": "nobody could be asked", "command": "curl"});
        assert_eq!(allow(&connection).unwrap(), "allow domain 2001:db8::1");
        assert_eq!(of_entry(&json!({"event": "connection", "verdict": "allowed", "host": "a"})), None);
        assert_eq!(of_entry(&call("/x/__pycache__/y", "openat", "outside")), None);
    }

    #[test]
    fn what_the_inside_named_is_escaped() {
        let entry = json!({"event": "violation", "command": "x\u{1b}[2J", "program": "p\u{202e}", "process": 1, "call": "openat", "path": "/a\u{1b}]0;x\u{7}", "why": "outside", "reason": ""});
        let refused = of_entry(&entry).unwrap();
        assert_eq!(refused.command, "x\\e[2J");
        assert!(refused.what.starts_with("p\\u{202e} may not write '/a\\e]0;x\\x07'"), "{}", refused.what);
        assert_eq!(refused.allow, None, "settings hold no control characters");
        assert_eq!(allowing(EntryKind::Domain, "a\u{1b}b;c"), "allow domain 'a\\eb;c'");
    }
}
