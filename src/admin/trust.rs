//! `sbshctl trust`: showing, giving and taking back trust in a project's settings files. Never from inside.

use super::print;
use crate::approval::{self, Answer, Choice, Kind, Question};
use crate::caller::Caller;
use crate::cli::TrustAction;
use crate::exit;
use crate::pipeline::Stop;
use crate::settings::trust::{self, TrustStore};
use crate::settings::{self, Layer, Scope};
use crate::system::visible::visible;
use std::fmt::Write;

/// Carries one action out.
///
/// # Errors
/// From inside the sandbox; broken settings; a store that cannot be written.
pub fn run(action: TrustAction, caller: &Caller) -> Result<i32, Stop> {
    #[cfg(target_os = "linux")]
    if crate::system::inside::already() {
        return Err(Stop::Failed(
            "cannot change trust from inside the sandbox; a person runs this outside".into(),
            exit::REFUSED,
        ));
    }
    let locations = caller.locations();
    let mut store = TrustStore::open(locations.state_dir.as_deref());
    match &action {
        TrustAction::List => {
            let lines = store.list().iter().map(|e| {
                format!("{}  sha256 {}\n", visible(e.path.as_os_str().as_encoded_bytes()), e.sha256)
            });
            return print(&lines.collect::<String>());
        }
        TrustAction::Revoke(path) => {
            let count = store.revoke(path).map_err(failed)?;
            return print(&format!("{count} files are no longer trusted\n"));
        }
        TrustAction::Show | TrustAction::Ask | TrustAction::Yes => {}
    }
    let layers = settings::load(&locations)?;
    let files: Vec<&Layer> = layers
        .layers
        .iter()
        .filter(|l| {
            matches!(l.source.scope, Scope::Project | Scope::Local) && !trust::widening(&l.values).is_empty()
        })
        .collect();
    let listing = listing(&files);
    if action == TrustAction::Show || files.iter().all(|l| l.may_widen) {
        return print(if files.is_empty() {
            "nothing in this project's settings would widen the sandbox\n"
        } else {
            &listing
        });
    }
    if action == TrustAction::Ask && !asked(&listing, caller, &locations.cwd) {
        return Err(Stop::Failed("nothing was trusted".into(), exit::REFUSED));
    }
    for layer in files {
        store.record(&layer.source.path, layer.source.text.as_bytes()).map_err(failed)?;
    }
    print(&format!("{listing}trusted, as long as these files stay exactly as they are\n"))
}

fn failed(error: std::io::Error) -> Stop {
    Stop::Failed(format!("cannot change the trust store: {error}"), exit::REFUSED)
}

fn listing(files: &[&Layer]) -> String {
    let mut text = String::new();
    for layer in files {
        let state = if layer.may_widen { "trusted" } else { "not trusted" };
        let _ = writeln!(
            text,
            "{} ({state}) would widen:",
            visible(layer.source.path.as_os_str().as_encoded_bytes())
        );
        for widening in trust::widening(&layer.values) {
            let _ = writeln!(
                text,
                "  line {}: {} = {}",
                widening.line,
                widening.key,
                visible(widening.text.as_bytes())
            );
        }
    }
    text
}

fn asked(listing: &str, caller: &Caller, cwd: &std::path::Path) -> bool {
    let question = Question {
        kind: Kind::Trust,
        command: listing.as_bytes().to_vec(),
        cwd: cwd.to_path_buf(),
        rule: None,
        origin: None,
        why: "these settings would count".into(),
        argv: None,
        target: None,
        place: None,
        choices: vec![Choice::Always],
    };
    let colours = approval::colours(caller.variable("NO_COLOR"), caller.variable("TERM"));
    // Only a terminal, this one or the console's: a program that answers by itself is no person.
    approval::speaker(None, &[], colours).ask(&question) == Answer::Always
}
