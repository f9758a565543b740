//! Where the log goes besides its file, and whether commands may run without it. Pure.

use super::Problem;
use crate::settings::Sourced;

/// `sandbox.audit`, from managed and user settings only.
#[derive(Debug, Clone)]
pub struct AuditPolicy {
    /// `audit.syslog`.
    pub syslog: Sourced<bool>,
    /// `audit.required`: nothing runs that cannot be logged.
    pub required: Sourced<bool>,
    /// `audit.otlp`.
    pub collector: Option<Sourced<Collector>>,
}

impl Default for AuditPolicy {
    fn default() -> Self {
        let no = || Sourced::built_in(false, "default");
        AuditPolicy { syslog: no(), required: no(), collector: None }
    }
}

/// A collector that takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// The URL as it was said.
    pub url: String,
    /// `host:port`.
    pub authority: String,
    /// Where logs are posted to.
    pub path: String,
}

impl Collector {
    /// From the URL of an endpoint: the path for logs is added to it, as OTEL_EXPORTER_OTLP_ENDPOINT has it.
    ///
    /// # Errors
    /// Anything but `http://host`, `http://host:port`, each with or without a path.
    pub fn parse(url: &str) -> Result<Collector, Problem> {
        let bad = |why| Problem::BadEndpoint { text: url.to_owned(), why };
        if url.starts_with("https://") {
            return Err(bad("TLS is not spoken; a collector on this machine can forward it"));
        }
        let rest = url.strip_prefix("http://").ok_or_else(|| bad("it must begin with http://"))?;
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '"' | '\\');
        if !rest.chars().all(plain) {
            return Err(bad("only a host, a port and a path may stand in it"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse::<u16>().ok()),
            _ => (authority, Some(4318)),
        };
        let port =
            port.filter(|port| *port > 0).ok_or_else(|| bad("its port is no number from 1 to 65535"))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || bare.contains(':') != host.starts_with('[') {
            return Err(bad("its host makes no sense"));
        }
        let path = format!("/{}", path.trim_end_matches('/')).trim_end_matches('/').to_owned();
        let path = if path.ends_with("/v1/logs") { path } else { format!("{path}/v1/logs") };
        Ok(Collector { url: url.to_owned(), authority: format!("{host}:{port}"), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for (url, authority, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1:4318", "/v1/logs"),
            ("http://localhost/", "localhost:4318", "/v1/logs"),
            ("http://[::1]:80/otel/", "[::1]:80", "/otel/v1/logs"),
            ("http://[::1]", "[::1]:4318", "/v1/logs"),
            ("http://h:1/v1/logs", "h:1", "/v1/logs"),
        ] {
            let read = Collector::parse(url).unwrap();
            assert_eq!((read.authority.as_str(), read.path.as_str()), (authority, path), "{url}");
        }
        for url in [
            "https://h",
            "h:1",
            "http://",
            "http://h:0",
            "http://h:x",
            "http://u:p@h",
            "http://h/?x",
            "http://::1",
            "http://h h",
        ] {
            assert!(Collector::parse(url).is_err(), "{url}");
        }
    }
}
