//! What may be reached, as a value, and the decision on one connection.
//!
//! Owns the order: denied, allowed, strict, unknown; and which addresses a name may lead to. Must not resolve names
//! nor ask anybody.

pub mod domains;
pub mod entry;
#[cfg(test)]
mod tests;

use super::error::Problem;
use super::host::{Host, canonical};
use super::ranges;
use crate::settings::{Origin, Sourced};
pub use domains::{DomainSet, Found};
pub use entry::List;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// The network part of the policy.
#[derive(Debug, Clone)]
pub struct NetworkPolicy {
    /// `allowedDomains`, `network.allowedDomains`, `WebFetch(domain:X)` allow.
    pub allowed: DomainSet,
    /// `network.deniedDomains`, `WebFetch(domain:X)` deny.
    pub denied: DomainSet,
    /// `network.strictAllowlist`: true from any file holds.
    pub strict: Option<Sourced<bool>>,
    /// Where a managed file says `allowManagedDomainsOnly`: then nobody is asked.
    pub managed_only: Option<Origin>,
    /// `network.httpProxyPort`.
    pub http_proxy_port: Option<Sourced<u16>>,
    /// `network.socksProxyPort`.
    pub socks_proxy_port: Option<Sourced<u16>>,
    /// `network.allowLocalBinding`.
    pub local_binding: Sourced<bool>,
    /// `network.proxyVariables`.
    pub proxy_variables: ProxyVariables,
    /// `network.uncheckedTlsNames`: hosts whose TLS server name may differ.
    pub unchecked_names: DomainSet,
    /// `network.caCertificates`: a file of certificates that programs inside trust too.
    pub extra_ca: Option<Sourced<PathBuf>>,
    /// `allowUnixSockets`, as glob texts over absolute paths.
    pub unix_sockets: Vec<Sourced<String>>,
    /// `network.allowAllUnixSockets`: the only socket setting that this version can enforce.
    pub all_unix_sockets: Option<Sourced<bool>>,
}

/// Whether programs inside are told of the proxy by variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyVariables {
    /// Where the network is not transparent.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ProxyVariables {
    /// The word that settings use.
    pub fn name(self) -> &'static str {
        match self {
            ProxyVariables::Auto => "auto",
            ProxyVariables::Always => "always",
            ProxyVariables::Never => "never",
        }
    }
}

/// What settings say of one host and port.
#[derive(Debug, Clone)]
pub enum NetworkVerdict {
    /// Allowed.
    Allowed {
        /// The entry as written, or the setting.
        rule: String,
        /// Where it stands.
        origin: Origin,
        /// It names the port.
        port_named: bool,
    },
    /// Denied.
    Denied {
        /// The entry as written.
        entry: String,
        /// Where it stands.
        origin: Origin,
    },
    /// Not allowed, and nobody is to be asked.
    Strict {
        /// What says so.
        origin: Origin,
    },
    /// Settings do not say: ask.
    Unknown,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        NetworkPolicy {
            allowed: DomainSet::default(),
            denied: DomainSet::default(),
            strict: None,
            managed_only: None,
            http_proxy_port: None,
            socks_proxy_port: None,
            local_binding: Sourced::built_in(false, "default"),
            proxy_variables: ProxyVariables::default(),
            unchecked_names: DomainSet::default(),
            extra_ca: None,
            unix_sockets: Vec::new(),
            all_unix_sockets: None,
        }
    }
}

impl NetworkPolicy {
    /// Decides on a host and port before anything is resolved.
    pub fn judge(&self, host: &Host, port: u16) -> NetworkVerdict {
        if let Some(Found { entry, .. }) = self.denied_by(host, port) {
            return NetworkVerdict::Denied { entry: entry.value.clone(), origin: entry.origin.clone() };
        }
        if let Some(Found { entry, port_named }) = listed(&self.allowed, host, port) {
            return NetworkVerdict::Allowed {
                rule: entry.value.clone(),
                origin: entry.origin.clone(),
                port_named,
            };
        }
        if host.is_loopback() && self.local_binding.value {
            return NetworkVerdict::Allowed {
                rule: "network.allowLocalBinding".to_owned(),
                origin: self.local_binding.origin.clone(),
                port_named: false,
            };
        }
        if let Some(origin) = &self.managed_only {
            return NetworkVerdict::Strict { origin: origin.clone() };
        }
        match &self.strict {
            Some(strict) if strict.value => NetworkVerdict::Strict { origin: strict.origin.clone() },
            _ => NetworkVerdict::Unknown,
        }
    }

    /// Whether an allowed host may be dialled at this address, to which it resolves or which it is.
    ///
    /// # Errors
    /// What the address is; goes before "addresses".
    pub fn address(&self, host: &Host, ip: IpAddr, port: u16) -> Result<(), String> {
        let ip = canonical(ip);
        let meant = match host {
            Host::Address(address) => canonical(*address) == ip,
            Host::Name(_) => ip.is_loopback() || !host.is_loopback(),
        };
        if !meant {
            return Err("other hosts'".to_owned());
        }
        if let Some(denied) = self.denied_at(ip, port) {
            return Err(format!("denied ('{}')", denied.entry.value.escape_debug()));
        }
        let Some(range) = ranges::forbidden(ip) else { return Ok(()) };
        // Only what settings name: that a host is allowed says nothing about the addresses behind it. `localhost` names
        // its addresses.
        let joined = is_own(ip) && self.local_binding.value;
        let local = host.is_loopback() && ip.is_loopback() && self.allowed.find(host, Some(port)).is_some();
        if joined || local || listed_address(&self.allowed, ip, port).is_some() {
            Ok(())
        } else {
            Err(range.to_owned())
        }
    }

    /// Whether TLS on a connection to this host must name it.
    pub fn checks_name(&self, host: &Host) -> bool {
        self.unchecked_names.find(host, None).is_none()
    }

    /// Whether anything of the host's loopback may be reached from inside.
    pub fn reaches_loopback(&self) -> bool {
        self.local_binding.value || self.allowed.names_loopback()
    }

    /// The same policy with one more allowed entry: a person's "always" takes effect at once.
    ///
    /// # Errors
    /// [`Problem`]: the entry may not stand among what is allowed.
    pub fn with_allowed(&self, entry: Sourced<String>) -> Result<NetworkPolicy, Problem> {
        let checked = entry::check(&entry.value, List::Allowed)?;
        let mut more = self.clone();
        more.allowed.add(entry, checked);
        Ok(more)
    }

    /// The deny entry for a host; for `localhost` also one that names an address of the loopback.
    fn denied_by(&self, host: &Host, port: u16) -> Option<Found<'_>> {
        self.denied.find(host, Some(port)).or_else(|| match host {
            Host::Address(address) => self.denied_at(*address, port),
            Host::Name(_) if host.is_loopback() => self.denied_at(LOOPBACK[0], port),
            Host::Name(_) => None,
        })
    }

    /// Deny entries that name an address, or the IPv4 address that it wraps. All of the machine's own addresses are
    /// one: a server that listens on every address answers on each.
    fn denied_at(&self, ip: IpAddr, port: u16) -> Option<Found<'_>> {
        let at = |ip: IpAddr| listed_address(&self.denied, ip, port);
        at(ip).or_else(|| match ip {
            _ if is_own(ip) => LOOPBACK.into_iter().find_map(at),
            IpAddr::V6(six) => at(IpAddr::V4(ranges::embedded(six)?)),
            IpAddr::V4(_) => None,
        })
    }
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// What reaches the machine itself; the unspecified address does too.
fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

/// The entry of an allow list for a host. `localhost` and the addresses that it has everywhere are one; what is below
/// `localhost` has the same addresses.
fn listed<'a>(set: &'a DomainSet, host: &Host, port: u16) -> Option<Found<'a>> {
    set.find(host, Some(port)).or_else(|| match host {
        Host::Address(ip) => listed_address(set, *ip, port),
        Host::Name(_) if host.is_loopback() => LOOPBACK.into_iter().find_map(|ip| set.find_address(ip, port)),
        Host::Name(_) => None,
    })
}

/// The entry of a list that names an address; the loopback is also named by `localhost`.
fn listed_address(set: &DomainSet, ip: IpAddr, port: u16) -> Option<Found<'_>> {
    let by_name = || set.find(&Host::Name("localhost".to_owned()), Some(port));
    set.find_address(ip, port).or_else(|| if ip.is_loopback() { by_name() } else { None })
}
