//! Trust in a project's settings: what is shown of them, the question, and what is kept of its answer.
//!
//! Owns asking once, before the first command in a project whose files would widen, and again when they changed. Only a
//! person at a terminal is asked: a program that answers by itself is none.

#[cfg(target_os = "linux")]
use super::{
    Stop,
    journal::{self, Journal},
    prepare::{self, Prepared},
};
#[cfg(target_os = "linux")]
use crate::approval::{self, Answer, Approver, Terminal};
use crate::approval::{Choice, Kind, Question};
#[cfg(target_os = "linux")]
use crate::audit::Event;
use crate::settings::trust::change::{Change, changes};
use crate::settings::trust::{self, TrustStore, Widening};
use crate::settings::{Layer, Layers, Scope};
use crate::system::visible::visible;
#[cfg(target_os = "linux")]
use crate::{caller::Caller, report};
use std::fmt::Write;
use std::path::Path;

/// The project's files that would widen if they were trusted.
pub fn files(layers: &Layers) -> Vec<&Layer> {
    let project = |layer: &&Layer| matches!(layer.source.scope, Scope::Project | Scope::Local);
    layers.layers.iter().filter(project).filter(|layer| !trust::widening(&layer.values).is_empty()).collect()
}

/// What they would widen, by line; where an older content of a file was trusted, how it differs from that.
pub fn listing(files: &[&Layer], store: &TrustStore) -> String {
    let mut text = String::new();
    for layer in files {
        let path = visible(layer.source.path.as_os_str().as_encoded_bytes());
        let now = trust::widening(&layer.values);
        let before = store.known(&layer.source.path).filter(|_| !layer.may_widen);
        match before.map(|entry| entry.widening.as_deref()) {
            Some(Some(before)) => {
                let _ = writeln!(text, "{path} (changed since it was trusted) would widen, + is new:");
                changes(before, &now).iter().for_each(|change| text.push_str(&changed(change)));
            }
            known => {
                let state = match known {
                    Some(_) => "changed since it was trusted",
                    None if layer.may_widen => "trusted",
                    None => "not trusted",
                };
                let _ = writeln!(text, "{path} ({state}) would widen:");
                now.iter().for_each(|widening| text.push_str(&line("  ", widening)));
            }
        }
    }
    text
}

fn line(mark: &str, widening: &Widening) -> String {
    format!("{mark}line {}: {} = {}\n", widening.line, widening.key, visible(widening.text.as_bytes()))
}

fn changed(change: &Change<'_>) -> String {
    match change {
        Change::New(widening) => line("  + ", widening),
        Change::Same(widening) => line("    ", widening),
        Change::Gone(kept) => {
            let (key, text) = (visible(kept.key.as_bytes()), visible(kept.text.as_bytes()));
            format!("  - no longer: {key} = {text}\n")
        }
    }
}

/// The question about what a listing says.
pub fn question(listing: &str, cwd: &Path) -> Question {
    let why = "these settings would count, as long as the files stay exactly as they are";
    let listing = listing.trim_end().as_bytes().to_vec();
    Question::new(Kind::Trust, listing, cwd, why.into(), vec![Choice::Always])
}

/// Asks about the project's files, if a person at the caller's terminal was not asked about exactly this content yet;
/// a yes counts at once.
///
/// # Errors
/// Settings that broke meanwhile.
#[cfg(target_os = "linux")]
pub fn before_first_command(
    mut prepared: Prepared,
    caller: &Caller,
    journal: &Journal,
) -> Result<Prepared, Stop> {
    let says = |kind: &str| prepared.policy.notices.iter().any(|notice| notice.kind == kind);
    // Where nothing waits for trust, nothing is looked through; where trust would not count, it is not asked for.
    if !says("untrusted-project") || says("reachable-state") || says("trust-store") {
        return Ok(prepared);
    }
    let open: Vec<&Layer> = files(&prepared.layers).into_iter().filter(|layer| !layer.may_widen).collect();
    if open.is_empty() || prepared.locations.state_dir.is_none() {
        return Ok(prepared);
    }
    let colours = approval::colours(caller.variable("NO_COLOR"), caller.variable("TERM"));
    let Some(mut terminal) = Terminal::of_caller(colours) else { return Ok(prepared) };
    let mut store = TrustStore::open(prepared.locations.state_dir.as_deref());
    let asked: Vec<&Layer> = open
        .into_iter()
        .filter(|layer| !store.is_declined(&layer.source.path, layer.source.text.as_bytes()))
        .collect();
    let answer = match asked.as_slice() {
        [] => None,
        asked => Some(terminal.ask(&question(&listing(asked, &store), &prepared.locations.cwd))),
    };
    if let Some(answer) = &answer {
        let paths: Vec<_> = asked.iter().map(|layer| layer.source.path.to_string_lossy()).collect();
        let mut fields = journal::outcome(terminal.who(), answer);
        fields.insert("kind".into(), Kind::Trust.name().into());
        fields.insert("files".into(), serde_json::json!(paths));
        journal.note(Event::Decision, fields.into());
        if *answer == Answer::Always {
            journal.note(
                Event::Trust,
                serde_json::json!({ "what": "given", "by": terminal.who(), "files": paths }),
            );
        }
    }
    let keep = |keep: &mut dyn FnMut(&Layer) -> std::io::Result<()>| {
        if let Err(error) = asked.iter().try_for_each(|layer| keep(layer)) {
            report::notice(&format!("the answer cannot be kept: {error}"));
        }
    };
    match answer {
        Some(Answer::Always) => {
            keep(&mut |layer| store.record(&layer.source.path, layer.source.text.as_bytes()));
            return prepare::policy(caller);
        }
        // A terminal that failed said nothing.
        Some(Answer::No { by }) if by.ends_with("said no") => {
            keep(&mut |layer| store.decline(&layer.source.path, layer.source.text.as_bytes()));
        }
        Some(_) => return Ok(prepared),
        None => {}
    }
    // Whoever said no knows.
    prepared.policy.notices.retain(|notice| notice.kind != "untrusted-project");
    Ok(prepared)
}
