//! `/sandbox why` alone: the last command, the verdict on it, and what was refused to it, each with what allows it.

use super::blocked::{Refused, allowing, of_entry};
use super::{NAME, Now};
use crate::admin::{explain, log};
use crate::caller::Caller;
use crate::pipeline::Stop;
use crate::system::visible::visible;
use serde_json::Value;
use std::ffi::OsStr;
use std::fmt::Write;

/// Entries of the log that are looked through for the last command and what was refused to it.
const LOOKED: usize = 500;

/// The session's last command; where there is none, the log's.
///
/// # Errors
/// Broken settings; a log that cannot be read.
pub fn last(now: &Now<'_>, here: &Caller) -> Result<String, Stop> {
    if let Some(last) = now.last {
        let mut text = explain::shortly(OsStr::new(&last.text), here)?;
        let _ = writeln!(text, "{:<9} {}", "status", last.status);
        for violation in &last.violations {
            refused(&mut text, &Refused::call(violation, &last.text));
        }
        for blocked in &last.blocked {
            let advice = blocked.advice.as_ref().map(|advice| format!("; {}", visible(advice.as_bytes())));
            let what = visible(blocked.what.as_bytes());
            let _ = writeln!(text, "{:<9} network: {what}{}", "refused", advice.unwrap_or_default());
        }
        return Ok(text);
    }
    let Some(state) = here.state_directory() else { return Ok(NOTHING.to_owned()) };
    let entries = log::recent(&state, LOOKED, &["command", "violation", "connection"])?;
    let text_of =
        |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(entry) = entries.iter().rev().find(|entry| text_of(entry, "event") == "command") else {
        return Ok(NOTHING.to_owned());
    };
    let mut text = explain::shortly(OsStr::new(&text_of(entry, "command")), here)?;
    let ended = match (entry.get("ran"), entry.get("status").and_then(Value::as_i64)) {
        (Some(Value::Bool(true)), Some(status)) => status.to_string(),
        (Some(Value::Bool(true)), None) => "none: it was ended by a signal, or ran outside".to_owned(),
        _ => format!("none: it did not run: {}", visible(text_of(entry, "stopped").as_bytes())),
    };
    let _ = writeln!(text, "{:<9} {ended}", "status");
    let id = entry.get("id");
    for other in entries.iter().filter(|other| id.is_some() && other.get("id") == id) {
        if let Some(one) = of_entry(other) {
            refused(&mut text, &one);
        }
    }
    Ok(text)
}

const NOTHING: &str = "nothing has run yet\n";

fn refused(text: &mut String, one: &Refused) {
    let advice =
        one.allow.as_ref().map(|(kind, entry)| format!("; to allow it: {NAME} {}", allowing(*kind, entry)));
    let _ = writeln!(text, "{:<9} {}{}", "refused", one.what, advice.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sandbox::Last;
    use crate::gatekeeper::{Violation, Why};
    use crate::run::Blocked;

    #[test]
    fn the_sessions_last_command_comes_with_what_was_refused_to_it() {
        let top = tempfile::tempdir().unwrap();
        let home = top.path().canonicalize().unwrap();
        let caller =
            Caller { environment: Vec::new(), directory: Some(home.clone()), home: Some(home.clone()) };
        let violation = Violation {
            time: 1,
            program: "t\u{1b}[2J".into(),
            process: 1,
            call: "openat".into(),
            path: "/srv/a b".into(),
            why: Why::Outside,
            reason: String::new(),
            refused_by_person: false,
        };
        let blocked =
            Blocked { what: "x.example:443 is blocked".into(), program: None, advice: Some("do".into()) };
        let text = "touch '/srv/a b'".to_owned();
        let session = Last { text, status: 3, violations: vec![violation], blocked: vec![blocked] };
        let now = Now { caller: &caller, directory: &home, last: Some(&session), terminal: false };
        let said = last(&now, &caller).unwrap();
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("origin")).collect();
        assert_eq!(
            lines,
            [
                "command   touch '/srv/a b'",
                "verdict   confined",
                "reason    runs confined, so no approval is needed",
                "status    3",
                "refused   t\\e[2J may not write '/srv/a b': it is outside of what may be written; to allow it: /sandbox allow write '/srv/a b'",
                "refused   network: x.example:443 is blocked; do",
            ]
        );
        assert_eq!(last(&Now { last: None, ..now }, &caller).unwrap(), NOTHING);
    }
}
