//! `sbshctl explain`: what would be done with a command, by which rule, and the exact boundary.

use super::{print, print_json};
use crate::caller::Caller;
use crate::confinement::{Mount, plan::Guard};
use crate::pipeline::{Stop, confine, decide, prepare};
use crate::settings::Origin;
use crate::verdict::Verdict;
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// Everything that is told.
struct Explanation {
    command: String,
    agent: Option<&'static str>,
    verdict: &'static str,
    outside: Option<Vec<String>>,
    reason: String,
    rule: Option<String>,
    origin: Option<String>,
    note: Option<String>,
    root: String,
    mounts: Vec<(&'static str, String)>,
    guards: Vec<String>,
    argv: Vec<String>,
    notices: Vec<String>,
}

/// Explains one command text.
///
/// # Errors
/// Broken settings; no backend.
pub fn run(as_json: bool, text: &OsStr, caller: &Caller) -> Result<i32, Stop> {
    let prepared = prepare::policy(caller)?;
    let (verdict, command) = decide::verdict_on(text.as_bytes(), &prepared, caller);
    // Shown, not made: the agent's own files are left out of the plan here.
    let planned = confine::plan(&prepared, &[], &[])?;
    let argv = std::iter::once(planned.bubblewrap.clone().into_os_string()).chain(confine::arguments(
        &planned,
        &prepared,
        MARKER_CONTENT,
        None,
        true,
    ));
    let reason = verdict.reason();
    let explanation = Explanation {
        command: String::from_utf8_lossy(&command.asked()).into_owned(),
        agent: command.agent(),
        verdict: word(&verdict),
        outside: outside(&verdict),
        reason: reason.text.clone(),
        rule: reason.rule.clone(),
        origin: reason.origin.as_ref().map(Origin::to_string),
        note: match &verdict {
            Verdict::Confined { note, .. } => note.clone(),
            _ => None,
        },
        root: super::status::root_words(&prepared.policy),
        mounts: planned.plan.mounts.iter().map(mount).collect(),
        guards: planned
            .plan
            .guards
            .iter()
            .map(|Guard { root, name, .. }| root.join(name).display().to_string())
            .collect(),
        argv: argv.map(quoted).collect(),
        notices: prepared.policy.notices.iter().map(|n| n.text.clone()).collect(),
    };
    if as_json { print_json(&explanation.json()) } else { print(&explanation.text()) }
}

/// The marker's content in the printed argv: start bubblewrap with `3</dev/null`.
const MARKER_CONTENT: i32 = 3;

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Confined { .. } => "confined",
        Verdict::Ask { .. } => "ask",
        Verdict::Outside { .. } => "outside",
        Verdict::Denied(_) => "denied",
    }
}

fn outside(verdict: &Verdict) -> Option<Vec<String>> {
    match verdict {
        Verdict::Outside { command, .. } | Verdict::Ask { outside: Some(command), .. } => {
            Some(command.argv.clone())
        }
        _ => None,
    }
}

fn mount(mount: &Mount) -> (&'static str, String) {
    let (word, path) = match mount {
        Mount::Writable(path) => ("writable", path),
        Mount::ReadOnly(path) => ("read-only", path),
        Mount::HiddenDirectory(path) | Mount::HiddenFile(path) => ("hidden", path),
        Mount::Hollow(path) => ("hollow", path),
        Mount::Passage(path) => ("passage", path),
        Mount::Seal(path) => ("sealed", path),
    };
    (word, path.display().to_string())
}

fn quoted(argument: OsString) -> String {
    shlex::bytes::try_quote(argument.as_bytes())
        .map_or_else(|_| String::new(), |q| String::from_utf8_lossy(&q).into_owned())
}

impl Explanation {
    fn json(&self) -> Value {
        let mounts: Vec<Value> =
            self.mounts.iter().map(|(kind, path)| json!({ "kind": kind, "path": path })).collect();
        json!({
            "command": self.command, "agent": self.agent, "verdict": self.verdict, "outside": self.outside,
            "reason": self.reason, "rule": self.rule, "origin": self.origin, "note": self.note,
            "working_root": self.root, "backend": "bubblewrap", "mounts": mounts, "guarded": self.guards,
            "argv": self.argv, "notices": self.notices,
        })
    }

    fn text(&self) -> String {
        let shown = |text: &str| crate::system::visible::visible(text.as_bytes());
        let mut text = format!("command   {}\n", shown(&self.command));
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<9} {value}");
        };
        if let Some(agent) = self.agent {
            line("agent", agent);
        }
        line("verdict", self.verdict);
        if let Some(argv) = &self.outside {
            line("outside", &shown(&argv.join(" ")));
        }
        line("reason", &self.reason);
        if let Some(rule) = &self.rule {
            line("rule", &shown(rule));
        }
        if let Some(origin) = &self.origin {
            line("origin", origin);
        }
        if let Some(note) = &self.note {
            line("note", note);
        }
        line("root", &self.root);
        for (kind, path) in &self.mounts {
            line(kind, &shown(path));
        }
        line("guarded", &format!("{} names are looked at after the run", self.guards.len()));
        for notice in &self.notices {
            line("notice", notice);
        }
        line("backend", "bubblewrap");
        line("argv", &format!("{} 3</dev/null", self.argv.join(" ")));
        text
    }
}
