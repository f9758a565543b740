//! A refused connection, and its words. Owns the texts; each protocol module owns how they are sent.

use super::Target;

/// Why a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// What was asked for is no host or port; the end of a sentence.
    Malformed(String),
    /// A deny entry: its text and where it stands.
    Denied {
        /// As written.
        entry: String,
        /// File, line and column.
        origin: String,
    },
    /// Not allowed, and settings say not to ask; where they do.
    Strict {
        /// File, line and column.
        origin: String,
    },
    /// Not allowed, and nobody could be asked; why.
    Nobody(String),
    /// Somebody said no.
    Answered(String),
    /// Too many questions.
    Flood,
    /// The name leads only to addresses that no name may lead to: what they are (`loopback`, `private` …).
    Range(String),
    /// TLS or HTTP names another host than the one that was decided on; what it names, if anything.
    OtherName(Option<String>),
    /// The name cannot be resolved.
    Unresolved(String),
    /// The server cannot be reached.
    Unreachable(String),
    /// The upstream proxy refuses or cannot be reached.
    Upstream(String),
}

/// One refused connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where it was to go, as it was asked for, escaped.
    pub target: String,
    /// The host alone, for advice; `None` where it is no host.
    pub host: Option<String>,
    /// Why.
    pub cause: Cause,
}

impl Refusal {
    /// For a target.
    pub fn of(target: &Target, cause: Cause) -> Refusal {
        Refusal { target: target.to_string(), host: Some(target.host.to_string()), cause }
    }

    /// The HTTP status: 403 where a person's or settings' word stands in the way, else 400 or 502.
    pub fn status(&self) -> u16 {
        match self.cause {
            Cause::Malformed(_) => 400,
            Cause::Unresolved(_) | Cause::Unreachable(_) | Cause::Upstream(_) => 502,
            _ => 403,
        }
    }

    /// SOCKS5's reply code (RFC 1928, 6): 2 not allowed by ruleset, 4 host unreachable, 1 general failure.
    pub fn socks_code(&self) -> u8 {
        match self.cause {
            Cause::Malformed(_) | Cause::Upstream(_) => 1,
            Cause::Unresolved(_) | Cause::Unreachable(_) => 4,
            _ => 2,
        }
    }

    /// One line: what was blocked and why.
    pub fn what(&self) -> String {
        let target = &self.target;
        match &self.cause {
            Cause::Malformed(why) => format!("{target} is refused: {why}"),
            Cause::Denied { entry, origin } => format!("{target} is blocked: denied by '{entry}' ({origin})"),
            Cause::Strict { origin } => {
                format!("{target} is blocked: not in allowedDomains, and {origin} says not to ask")
            }
            Cause::Nobody(why) => format!("{target} is blocked: not in allowedDomains, and {why}"),
            Cause::Answered(by) => format!("{target} is blocked: {by}"),
            Cause::Flood => format!("{target} is blocked: too many unknown hosts were asked for"),
            Cause::Range(range) => {
                format!("{target} is blocked: the name leads only to {range} addresses")
            }
            Cause::OtherName(Some(name)) => {
                format!("{target} is blocked: the program asked for '{name}' on this connection")
            }
            Cause::OtherName(None) => format!("{target} is blocked: TLS without a server name"),
            Cause::Unresolved(why) => format!("{target} cannot be resolved: {why}"),
            Cause::Unreachable(why) => format!("{target} cannot be reached: {why}"),
            Cause::Upstream(why) => format!("{target} cannot be reached through the upstream proxy: {why}"),
        }
    }

    /// How a person allows it; `None` where nothing that a person allows would help.
    pub fn advice(&self) -> Option<String> {
        let host = self.host.as_ref()?;
        match self.cause {
            Cause::Strict { .. } | Cause::Nobody(_) | Cause::Flood => {
                Some(format!("a person can allow it: sbshctl allow domain {host}"))
            }
            _ => None,
        }
    }
}
