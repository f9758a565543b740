//! Which environment variables the inside gets. Pure.

use crate::settings::Sourced;

/// The environment part of the policy.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentPolicy {
    /// Names removed inside: the built-in list of credentials and session handles plus `credentials.envVars`.
    pub removed: Vec<Sourced<String>>,
}
