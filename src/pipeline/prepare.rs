//! Settings → policy, with the private places that the policy names.

use super::Stop;
use crate::caller::Caller;
use crate::policy::{self, Policy, secrets};
use crate::run::hostfile::{self, HostPlaces};
use crate::settings::{self, Layers, Locations};

/// Everything that is known before a command is looked at.
#[derive(Debug)]
pub struct Prepared {
    /// Facts about the caller's directories.
    pub locations: Locations,
    /// The settings files.
    pub layers: Layers,
    /// What they and the built-in lists mean.
    pub policy: Policy,
    /// TMPDIR and the stand-ins.
    pub places: HostPlaces,
}

/// Reads the settings and builds the policy.
///
/// # Errors
/// Broken settings; no private place to be had.
pub fn policy(caller: &Caller) -> Result<Prepared, Stop> {
    let mut locations = caller.locations();
    locations.secrets = caller.moved_secrets(secrets::MOVED);
    let layers = settings::load(&locations)?;
    let places = {
        let root = locations.root_override.as_ref().or(layers.project.as_ref()).unwrap_or(&locations.cwd);
        let places = hostfile::prepare(Some(root))?;
        locations.tmpdir = Some(places.tmpdir.clone());
        places
    };
    let policy = policy::build(&layers, &locations)?;
    Ok(Prepared { locations, layers, policy, places })
}
