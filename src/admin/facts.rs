//! Looking up what lint wants to know: which paths are there, and where excluded programs lie.

use crate::caller::Caller;
use crate::pipeline::prepare::Prepared;
use crate::policy::Policy;
use crate::policy::paths::normal;
use crate::settings::{Layers, Locations};
use crate::verdict::lint::{self, Facts, Finding};
use std::path::PathBuf;

/// What lint finds in the settings that count now.
pub fn findings(prepared: &Prepared, caller: &Caller) -> Vec<Finding> {
    findings_in(&prepared.policy, &prepared.layers, &prepared.locations, caller)
}

/// What it finds in others.
pub fn findings_in(policy: &Policy, layers: &Layers, locations: &Locations, caller: &Caller) -> Vec<Finding> {
    lint::findings(policy, layers, locations, &look(policy, locations, caller))
}

fn look(policy: &Policy, locations: &Locations, caller: &Caller) -> Facts {
    let missing = lint::paths(policy).into_iter().filter(|path| path.symlink_metadata().is_err()).collect();
    let found = |name: &String| program(name, locations, caller).map(|path| (name.clone(), path));
    Facts { missing, programs: lint::programs(policy).iter().filter_map(found).collect() }
}

/// The file behind a command word, by the directories of PATH in their order there.
fn program(name: &str, locations: &Locations, caller: &Caller) -> Option<PathBuf> {
    let real = |path: PathBuf| path.canonicalize().ok().filter(|path| path.is_file());
    if name.contains('/') {
        let path = normal(&locations.cwd.join(name));
        // What is not there yet can be put there.
        return Some(real(path.clone()).unwrap_or(path));
    }
    caller.program_directories().into_iter().find_map(|directory| real(directory.join(name)))
}
