//! A host in its one spelling. Pure.
//!
//! Owns normalisation: whatever a program, a setting or a protocol calls a host becomes a [`Host`] before anything is
//! compared. Must not resolve names.

use std::fmt;
use std::net::IpAddr;

/// A host name or address, normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// Lower-case ASCII (IDN as `xn--`), without a trailing dot.
    Name(String),
    /// An address; mapped IPv4 is IPv4.
    Address(IpAddr),
}

/// Why a text is no host; the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub &'static str);

impl Host {
    /// Reads a host without a port; IPv6 with or without brackets.
    ///
    /// # Errors
    /// [`HostError`]: empty, control characters, userinfo, zone ids, a label that is too long …
    pub fn parse(text: &str) -> Result<Host, HostError> {
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(Host::Address(address.to_canonical()));
        }
        if text.is_empty() {
            return Err(HostError("it is empty"));
        }
        Ok(Host::Name(text.trim_end_matches('.').to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    /// As in a URL: IPv6 in brackets.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => to.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(to),
            Host::Address(IpAddr::V6(address)) => write!(to, "[{address}]"),
        }
    }
}
