//! `sbshctl explain`: what would be done with a command, by which rule, and the exact boundary.

use super::{print, print_json};
use crate::caller::Caller;
use crate::confinement::bubblewrap::{self, Start};
use crate::confinement::landlock::Allowed;
use crate::confinement::namespaces::{self, Step};
use crate::confinement::{Mechanism, Mount, plan::Guard};
use crate::hooks;
use crate::pipeline::covers::Covers;
use crate::pipeline::{Stop, confine, decide, prepare, shells};
use crate::policy::Policy;
use crate::settings::Origin;
use crate::system::visible::without_controls;
use crate::verdict::{CommandText, Verdict};
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
    hooks: Vec<String>,
    root: String,
    /// What would read the command.
    shell: String,
    mounts: Vec<(&'static str, String)>,
    /// Excluded programs, in whose place stands a shim.
    shims: Vec<String>,
    guards: Vec<String>,
    backend: &'static str,
    /// bubblewrap's command line, where that builds the boundary.
    argv: Vec<String>,
    /// What sbsh does, where it builds the boundary itself.
    steps: Vec<String>,
    notices: Vec<String>,
}

/// Explains one command text.
///
/// # Errors
/// Broken settings; no backend.
pub fn run(as_json: bool, text: &OsStr, caller: &Caller) -> Result<i32, Stop> {
    let prepared = prepare::policy(caller)?;
    let shell = shells::default(&prepared)?;
    let covers = Covers::find(&prepared, &shell, caller);
    let (verdict, command) = decide::verdict_on(text.as_bytes(), &prepared, &covers, caller);
    // Shown, not made: the agent's own files are left out of the plan here.
    let planned = confine::plan(&prepared, covers, &[], &[], None)?;
    let fittings = confine::fittings(&planned, &prepared, None);
    let (argv, steps) = match &planned.mechanism {
        Mechanism::Bubblewrap(path) => {
            let start = Start { marker_content: MARKER_CONTENT, network_is_made: true };
            let arguments = bubblewrap::arguments(&planned.plan, &fittings, start);
            (
                std::iter::once(path.clone().into_os_string()).chain(arguments).map(quoted).collect(),
                Vec::new(),
            )
        }
        Mechanism::Namespaces => {
            let steps = namespaces::steps(&planned.plan, &fittings);
            (Vec::new(), steps.iter().map(Step::to_string).collect())
        }
        Mechanism::Landlock => {
            let domain = confine::domain(&planned, None)?.unwrap_or_default();
            (Vec::new(), domain.allowed.iter().map(Allowed::to_string).collect())
        }
    };
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
        hooks: hooks(&prepared.policy, &command),
        root: super::status::root_words(&prepared.policy),
        shell: shell.display().to_string(),
        mounts: planned.plan.mounts.iter().map(mount).collect(),
        shims: planned.covers.files.iter().map(|cover| cover.file.display().to_string()).collect(),
        guards: planned
            .plan
            .guards
            .iter()
            .map(|Guard { root, name, .. }| root.join(name).display().to_string())
            .collect(),
        backend: planned.mechanism.name(),
        argv,
        steps,
        notices: prepared.policy.notices.iter().map(|n| n.text.clone()).collect(),
    };
    if as_json { print_json(&explanation.json()) } else { print(&explanation.text()) }
}

/// Command, verdict, reason and rule alone.
///
/// # Errors
/// Broken settings.
pub fn shortly(text: &OsStr, caller: &Caller) -> Result<String, Stop> {
    let prepared = prepare::policy(caller)?;
    let covers = Covers::find(&prepared, &shells::default(&prepared)?, caller);
    let (verdict, command) = decide::verdict_on(text.as_bytes(), &prepared, &covers, caller);
    let reason = verdict.reason();
    Ok(head(&Head {
        command: &String::from_utf8_lossy(&command.asked()),
        agent: command.agent(),
        verdict: word(&verdict),
        outside: outside(&verdict).as_deref(),
        reason: &reason.text,
        rule: reason.rule.as_deref(),
        origin: reason.origin.as_ref().map(Origin::to_string).as_deref(),
    }))
}

/// What is told first.
struct Head<'e> {
    command: &'e str,
    agent: Option<&'static str>,
    verdict: &'static str,
    outside: Option<&'e [String]>,
    reason: &'e str,
    rule: Option<&'e str>,
    origin: Option<&'e str>,
}

fn head(said: &Head<'_>) -> String {
    let shown = |text: &str| crate::system::visible::visible(text.as_bytes());
    let mut text = format!("command   {}\n", shown(said.command));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<9} {value}");
    };
    if let Some(agent) = said.agent {
        line("agent", agent);
    }
    line("verdict", said.verdict);
    if let Some(argv) = said.outside {
        line("outside", &shown(&argv.join(" ")));
    }
    line("reason", said.reason);
    if let Some(rule) = said.rule {
        line("rule", &shown(rule));
    }
    if let Some(origin) = said.origin {
        line("origin", &shown(origin));
    }
    text
}

/// The hooks that would be asked about the command, and told of it. None is run.
fn hooks(policy: &Policy, command: &CommandText<'_>) -> Vec<String> {
    let all = policy.hooks.before.iter().chain(&policy.hooks.after);
    all.filter(|rule| hooks::is_about(rule, &command.asked())).map(hooks::named).collect()
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
            "hooks": self.hooks, "working_root": self.root, "shell": self.shell, "backend": self.backend, "mounts": mounts, "shims": self.shims,
            "guarded": self.guards,
            "argv": self.argv, "steps": self.steps, "notices": self.notices,
        })
    }

    fn text(&self) -> String {
        let shown = |text: &str| crate::system::visible::visible(text.as_bytes());
        let mut text = head(&Head {
            command: &self.command,
            agent: self.agent,
            verdict: self.verdict,
            outside: self.outside.as_deref(),
            reason: &self.reason,
            rule: self.rule.as_deref(),
            origin: self.origin.as_deref(),
        });
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<9} {value}");
        };
        if let Some(note) = &self.note {
            line("note", note);
        }
        for hook in &self.hooks {
            line("hook", &shown(hook));
        }
        line("root", &self.root);
        line("shell", &shown(&self.shell));
        for (kind, path) in &self.mounts {
            line(kind, &shown(path));
        }
        for path in &self.shims {
            line("shim", &shown(path));
        }
        line("guarded", &format!("{} names are looked at after the run", self.guards.len()));
        for notice in &self.notices {
            line("notice", &without_controls(notice));
        }
        line("backend", self.backend);
        if !self.argv.is_empty() {
            line("argv", &format!("{} 3</dev/null", self.argv.join(" ")));
        }
        for step in &self.steps {
            line("step", &shown(step));
        }
        text
    }
}
