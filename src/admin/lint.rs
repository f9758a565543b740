//! `sbshctl lint`: what is wrong with the settings that count here.

use super::{change, facts, print, print_json};
use crate::caller::Caller;
use crate::exit;
use crate::pipeline::Stop;
use crate::pipeline::prepare::{self, Prepared};
use crate::system::visible::visible;
use crate::verdict::lint::Finding;
use crate::{policy, settings};
use serde_json::{Value, json};

/// Something was found.
const FOUND: i32 = 1;

/// Shows it; the status is 0 for nothing, 1 for something, 2 for broken settings.
///
/// # Errors
/// When no answer can be given.
pub fn run(as_json: bool, caller: &Caller) -> Result<i32, Stop> {
    let prepared = match prepare::policy(caller) {
        Ok(prepared) => prepared,
        Err(stop @ Stop::Settings(_)) => {
            stop.report();
            return Ok(exit::USAGE);
        }
        Err(stop) => return Err(stop),
    };
    let found = facts::findings(&prepared, caller);
    let later = match untrusted(&found, &prepared, caller) {
        Ok(later) => later,
        Err(stop @ Stop::Settings(_)) => {
            stop.report();
            return Ok(exit::USAGE);
        }
        Err(stop) => return Err(stop),
    };
    if as_json {
        let all = found.iter().map(|finding| facts_of(finding, true));
        let all = all.chain(later.iter().map(|finding| facts_of(finding, false)));
        print_json(&json!({ "findings": all.collect::<Vec<_>>() }))?;
    } else if found.is_empty() && later.is_empty() {
        print("nothing was found\n")?;
    } else {
        let later = later.iter().map(|finding| format!("not in effect until trusted: {}", words(finding)));
        print(&found.iter().map(words).chain(later).collect::<String>())?;
    }
    Ok(if found.is_empty() && later.is_empty() { 0 } else { FOUND })
}

/// What would be found besides if the project's files that are not trusted counted as they are now: worth knowing before
/// they are.
fn untrusted(found: &[Finding], prepared: &Prepared, caller: &Caller) -> Result<Vec<Finding>, Stop> {
    if prepared.layers.layers.iter().all(|layer| layer.may_widen) {
        return Ok(Vec::new());
    }
    let mut layers = settings::load(&prepared.locations)?;
    layers.layers.iter_mut().for_each(|layer| layer.may_widen = true);
    let policy = policy::build(&layers, &prepared.locations)?;
    let all = facts::findings_in(&policy, &layers, &prepared.locations, caller);
    Ok(change::new(found, all))
}

fn facts_of(finding: &Finding, in_effect: bool) -> Value {
    let place = finding.origin.as_ref().and_then(|origin| Some((origin.path()?, origin.line_column()?)));
    json!({
        "severity": finding.severity.name(),
        "in_effect": in_effect,
        "kind": finding.kind,
        "entry": finding.entry,
        "file": place.map(|(path, _)| path.display().to_string()),
        "line": place.map(|(_, (line, _))| line),
        "column": place.map(|(_, (_, column))| column),
        "said_by": finding.origin.as_ref().map(ToString::to_string),
        "why": finding.why,
        "advice": finding.advice,
    })
}

/// One finding in one line.
pub fn words(finding: &Finding) -> String {
    let place = finding.origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
    let entry = if finding.entry.is_empty() { String::new() } else { format!("'{}' ", finding.entry) };
    let advice = if finding.advice.is_empty() { String::new() } else { format!("; {}", finding.advice) };
    let line = format!("{place}{}: {entry}{}{advice}", finding.severity.name(), finding.why);
    visible(line.as_bytes()) + "\n"
}
