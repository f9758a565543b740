//! What settings say of the network, as a value. Until the proxy exists nothing is reachable from inside.
//!
//! Owns which texts are domains. Must not compare domains: that is the proxy's, after normalisation.

use super::error::Problem;
use crate::settings::Sourced;

/// The network part of the policy.
#[derive(Debug, Clone, Default)]
pub struct NetworkPolicy {
    /// `allowedDomains`, `network.allowedDomains`, `WebFetch(domain:X)` allow.
    pub allowed: Vec<Sourced<String>>,
    /// `network.deniedDomains`, `WebFetch(domain:X)` deny.
    pub denied: Vec<Sourced<String>>,
    /// `allowUnixSockets`, as glob texts over absolute paths.
    pub unix_sockets: Vec<Sourced<String>>,
    /// `network.allowAllUnixSockets`: the only socket setting that this version can enforce.
    pub all_unix_sockets: Option<Sourced<bool>>,
}

/// Whether a text may stand in a list of allowed domains.
///
/// # Errors
/// [`Problem`]: `*` and `*.tld` too.
pub fn check_allowed(text: &str) -> Result<(), Problem> {
    let host = host(text)?;
    let broad = match host.strip_prefix("*.") {
        Some(rest) => !rest.contains('.'),
        None => host == "*",
    };
    if broad { Err(Problem::BroadDomain(text.to_owned())) } else { Ok(()) }
}

/// Whether a text may stand in a list of denied domains: `*` may.
///
/// # Errors
/// [`Problem`].
pub fn check_denied(text: &str) -> Result<(), Problem> {
    host(text).map(|_| ())
}

/// The host of `host` or `host:port`, without a trailing dot.
fn host(text: &str) -> Result<&str, Problem> {
    let bad = |why| Problem::BadDomain { text: text.to_owned(), why };
    if text.is_empty() {
        return Err(bad("it is empty"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(bad("it contains a blank or control character"));
    }
    if text.contains(['/', '@', '?', '#', '\\']) {
        return Err(bad("it is not a host alone"));
    }
    if text.starts_with('[') || text.matches(':').count() > 1 {
        return address(text).ok_or_else(|| bad("it is no IPv6 address"));
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(bad("its port is no number up to 65535"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host != "*" && host.strip_prefix("*.").unwrap_or(host).contains('*') {
        return Err(bad("\"*\" may only stand for the front, as in *.example.com"));
    }
    if host.split('.').any(str::is_empty) {
        return Err(bad("a part between its dots is empty"));
    }
    Ok(host)
}

/// `::1`, `[::1]` and `[::1]:443`.
fn address(text: &str) -> Option<&str> {
    let host = match text.strip_prefix('[') {
        None => text,
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
            if port.is_some_and(|port| port.parse::<u16>().is_err()) {
                return None;
            }
            host
        }
    };
    host.parse::<std::net::Ipv6Addr>().ok().map(|_| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_lists_take_domains_and_addresses_but_nothing_that_names_the_world() {
        for good in [
            "example.com",
            "*.example.com",
            "localhost",
            "1.2.3.4:80",
            "::1",
            "[::1]:443",
            "a.b:8443",
            "x.com.",
        ] {
            assert_eq!(check_allowed(good), Ok(()), "{good}");
        }
        for broad in ["*", "*.com", "*:443", "*.com:443", "*.com."] {
            assert_eq!(check_allowed(broad), Err(Problem::BroadDomain(broad.to_owned())), "{broad}");
            assert_eq!(check_denied(broad), Ok(()), "{broad}");
        }
        for bad in [
            "",
            "a\0.com",
            "a b",
            "a\n",
            "https://x.com",
            "a.*",
            "*a.com",
            "*.*.com",
            "*..com",
            "a..b",
            "x:99999",
            "[::1",
            ":80",
            ".",
        ] {
            assert!(matches!(check_allowed(bad), Err(Problem::BadDomain { .. })), "{bad:?}");
            assert!(matches!(check_denied(bad), Err(Problem::BadDomain { .. })), "{bad:?}");
        }
    }
}
