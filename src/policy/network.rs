//! What settings say of the network, as a value. Until the proxy exists nothing is reachable from inside.

use crate::settings::Sourced;

/// The network part of the policy.
#[derive(Debug, Clone, Default)]
pub struct NetworkPolicy {
    /// `allowedDomains`, `network.allowedDomains`, `WebFetch(domain:X)` allow.
    pub allowed: Vec<Sourced<String>>,
    /// `network.deniedDomains`, `WebFetch(domain:X)` deny.
    pub denied: Vec<Sourced<String>>,
    /// `allowUnixSockets` (absolute path or glob texts).
    pub unix_sockets: Vec<Sourced<String>>,
    /// `network.allowAllUnixSockets`: the only socket setting that this version can enforce.
    pub all_unix_sockets: Option<Sourced<bool>>,
}
