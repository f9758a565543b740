//! `sbshctl trust`: showing, giving and taking back trust in a project's settings files. Never from inside.

use super::{log_alone as log, print};
use crate::approval::{self, Answer};
use crate::audit::Event;
use crate::caller::Caller;
use crate::cli::TrustAction;
use crate::exit;
use crate::pipeline::{Stop, trusting};
use crate::settings;
use crate::settings::trust::TrustStore;
use crate::system::visible::visible;
use serde_json::json;

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
            if count > 0 {
                let file = path.to_string_lossy();
                log(
                    caller,
                    Event::Trust,
                    json!({ "what": "taken back", "by": "--revoke", "files": [file], "count": count }),
                );
            }
            return print(&format!("{count} files are no longer trusted\n"));
        }
        TrustAction::Show | TrustAction::Ask | TrustAction::Yes => {}
    }
    let layers = settings::load(&locations)?;
    let files = trusting::files(&layers);
    let listing = trusting::listing(&files, &store);
    if action == TrustAction::Show || files.iter().all(|l| l.may_widen) {
        return print(if files.is_empty() {
            "nothing in this project's settings would widen the sandbox\n"
        } else {
            &listing
        });
    }
    let by = match action {
        TrustAction::Ask => asked(&listing, caller, &locations.cwd)
            .ok_or_else(|| Stop::Failed("nothing was trusted".into(), exit::REFUSED))?,
        _ => "--yes",
    };
    for layer in &files {
        store.record(&layer.source.path, layer.source.text.as_bytes()).map_err(failed)?;
    }
    let paths: Vec<_> = files.iter().map(|layer| layer.source.path.to_string_lossy()).collect();
    log(caller, Event::Trust, json!({ "what": "given", "by": by, "files": paths }));
    print(&format!("{listing}trusted, as long as these files stay exactly as they are\n"))
}

fn failed(error: std::io::Error) -> Stop {
    Stop::Failed(format!("cannot change the trust store: {error}"), exit::REFUSED)
}

/// Who said yes.
fn asked(listing: &str, caller: &Caller, cwd: &std::path::Path) -> Option<&'static str> {
    let question = trusting::question(listing, cwd);
    let colours = approval::colours(caller.variable("NO_COLOR"), caller.variable("TERM"));
    // Only a terminal, this one or the console's: a program that answers by itself is no person.
    let mut speaker = approval::speaker(None, &[], colours);
    let answer = speaker.ask(&question);
    let (who, choice) = (speaker.who(), answer.name());
    let answered = if answer.is_nobodys() { "nobody" } else { who };
    let fields = json!({ "kind": question.kind.name(), "asked": who, "answered": answered, "choice": choice, "cwd": cwd.to_string_lossy() });
    log(caller, Event::Decision, fields);
    (answer == Answer::Always).then_some(who)
}
