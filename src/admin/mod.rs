//! sbshctl's verbs, thin: each asks the stages and puts their answers into words or JSON.

#[cfg(target_os = "linux")]
mod agent;
#[cfg(target_os = "linux")]
pub mod agents;
#[cfg(target_os = "linux")]
pub mod approve;
#[cfg(target_os = "linux")]
pub mod change;
#[cfg(target_os = "linux")]
pub mod doctor;
#[cfg(target_os = "linux")]
pub mod explain;
#[cfg(target_os = "linux")]
mod facts;
#[cfg(target_os = "linux")]
mod import;
#[cfg(target_os = "linux")]
pub mod lint;
#[cfg(target_os = "linux")]
pub mod log;
#[cfg(target_os = "linux")]
mod pending;
#[cfg(target_os = "linux")]
mod preset;
#[cfg(target_os = "linux")]
pub mod review;
#[cfg(target_os = "linux")]
pub mod sandbox;
pub mod status;
pub mod trust;
#[cfg(target_os = "linux")]
mod try_;
#[cfg(target_os = "linux")]
pub mod welcome;

use crate::audit::Event;
use crate::audit::pen::Pen;
use crate::caller::Caller;
use crate::cli::{AdminCommand, VERSION, render};
use crate::pipeline::{Stop, prepare};
use crate::report;
#[cfg(target_os = "linux")]
use std::time::{SystemTime, UNIX_EPOCH};

/// Keeps an event that belongs to no command in the audit log.
fn log_alone(caller: &Caller, event: Event, fields: serde_json::Value) {
    // Broken settings say nothing of where it goes besides the file.
    let prepared = prepare::policy(caller).ok();
    let audit = prepared.as_ref().map(|prepared| &prepared.policy.audit);
    if let Err(error) = Pen::note_alone(caller.state_directory().as_deref(), audit, event, fields) {
        report::notice(&format!("the audit log cannot be written: {error}"));
    }
}

/// Runs one verb; gives the exit status.
///
/// # Errors
/// Broken settings, and what the verb itself says.
pub fn run(command: AdminCommand, caller: &Caller) -> Result<i32, Stop> {
    match command {
        AdminCommand::Version => print(&format!("sbshctl {VERSION}\n")),
        AdminCommand::Help(verb) => print(&render::help(verb)),
        AdminCommand::Status { json } => status::run(json, caller),
        AdminCommand::Schema => print(&crate::settings::schema::json::text()),
        AdminCommand::Trust(action) => trust::run(action, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Explain { json, text } => explain::run(json, &text, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Doctor { json, fix } => doctor::run(json, fix, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Agent(start) => agent::run(&start, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Try(wanted) => try_::run(wanted, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Approve => approve::run(caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Pending { json, clear } => pending::run(json, clear, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Change(wish) => change::run(&wish, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Preset(wanted) => preset::run(&wanted, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Import(wanted) => import::run(&wanted, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Lint { json } => lint::run(json, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Review(wanted) => review::run(&wanted, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Log(view) => log::run(&view, caller),
        #[cfg(target_os = "linux")]
        AdminCommand::Sandbox(words) => sandbox::by_verb(&words, caller),
        #[cfg(not(target_os = "linux"))]
        AdminCommand::Explain { .. }
        | AdminCommand::Doctor { .. }
        | AdminCommand::Agent(_)
        | AdminCommand::Try(_)
        | AdminCommand::Approve
        | AdminCommand::Pending { .. }
        | AdminCommand::Log(_)
        | AdminCommand::Sandbox(_)
        | AdminCommand::Lint { .. }
        | AdminCommand::Preset(_)
        | AdminCommand::Import(_)
        | AdminCommand::Review(_)
        | AdminCommand::Change(_) => {
            Err(Stop::NoBackend("this verb works on Linux and WSL2 only so far".into()))
        }
    }
}

/// Refuses a verb inside the sandbox: what runs there must not answer for the person.
#[cfg(target_os = "linux")]
fn only_outside(verb: &str) -> Result<(), Stop> {
    if !crate::system::inside::already() {
        return Ok(());
    }
    let text = format!("'sbshctl {verb}' does not work inside the sandbox; a person runs it outside");
    Err(Stop::Failed(text, crate::exit::REFUSED))
}

fn print(text: &str) -> Result<i32, Stop> {
    report::answer(text)?;
    Ok(0)
}

fn print_json(value: &serde_json::Value) -> Result<i32, Stop> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Stop::Failed(e.to_string(), 1))?;
    print(&(text + "\n"))
}

/// How long ago, in the largest unit that fits.
#[cfg(target_os = "linux")]
fn age(time: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = now.saturating_sub(time as u64);
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86_400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}
