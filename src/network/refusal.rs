//! A refused connection, and its words. Owns the texts; each protocol module owns how they are sent.

use super::Target;
use crate::policy::presets;
use crate::system::visible::visible;
use crate::verdict::lint;

/// Of what was asked for, not more than this is shown.
const LONGEST_SHOWN: usize = 200;

/// Why a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// What was asked for is no host or port, or what was said there cannot be judged; the end of a sentence.
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
    /// What is allowed cannot be told, or not how it is reached; why.
    Broken(String),
    /// Not allowed, and nobody could be asked; why.
    Nobody(String),
    /// Somebody said no.
    Answered(String),
    /// Somebody said never, which settings hold by now.
    Never(String),
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
    /// The program that wanted it, as it calls itself, where that was looked up.
    pub program: Option<String>,
}

impl Refusal {
    /// For a target.
    pub fn of(target: &Target, cause: Cause) -> Refusal {
        let host = shown(target.host.to_string().as_bytes());
        Refusal { target: format!("{host}:{}", target.port), host: Some(host), cause, program: None }
    }

    /// For what leads to no target, as it was asked for.
    pub fn malformed(asked: &[u8], why: &str) -> Refusal {
        Refusal { target: shown(asked), host: None, cause: Cause::Malformed(why.to_owned()), program: None }
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

    /// One line: what was blocked and why. Whatever a program, a server or a settings file wrote is escaped.
    pub fn what(&self) -> String {
        let target = &self.target;
        let safe = |text: &str| shown(text.as_bytes());
        match &self.cause {
            Cause::Malformed(why) if self.host.is_none() => {
                format!("'{target}' is no host to connect to: {}", safe(why))
            }
            Cause::Malformed(why) => format!("{target} is blocked: {}", safe(why)),
            Cause::Denied { entry, origin } => {
                format!("{target} is blocked: denied by '{}' ({})", safe(entry), safe(origin))
            }
            Cause::Strict { origin } => {
                format!("{target} is blocked: not in allowedDomains, and {} says not to ask", safe(origin))
            }
            Cause::Broken(why) => format!("{target} is blocked: {}", safe(why)),
            Cause::Nobody(why) => format!("{target} is blocked: not in allowedDomains, and {}", safe(why)),
            Cause::Answered(by) | Cause::Never(by) => format!("{target} is blocked: {}", safe(by)),
            Cause::Flood => format!("{target} is blocked: too many unknown hosts were asked for"),
            Cause::Range(range) => {
                format!("{target} is blocked: the name leads only to {} addresses", safe(range))
            }
            Cause::OtherName(Some(name)) => {
                format!("{target} is blocked: the program asked for '{}' on this connection", safe(name))
            }
            Cause::OtherName(None) => format!("{target} is blocked: TLS without a server name"),
            Cause::Unresolved(why) => format!("{target} cannot be resolved: {}", safe(why)),
            Cause::Unreachable(why) => format!("{target} cannot be reached: {}", safe(why)),
            Cause::Upstream(why) => {
                format!("{target} cannot be reached through the upstream proxy: {}", safe(why))
            }
        }
    }

    /// How a person allows it; `None` where nothing that a person allows would help.
    pub fn advice(&self) -> Option<String> {
        let host = self.host.as_ref()?;
        match self.cause {
            Cause::Strict { .. } | Cause::Nobody(_) | Cause::Answered(_) | Cause::Flood => {
                let allow = format!("a person can allow it: sbshctl allow domain {host}");
                Some(match (presets::of_host(host), lint::lets_data_out(host)) {
                    (Some(preset), _) => {
                        format!("{allow}, or with what goes with it: sbshctl preset {}", preset.name)
                    }
                    (None, Some(why)) => format!("{allow} (it lets data out: {why})"),
                    (None, None) => allow,
                })
            }
            Cause::Broken(_) => Some("a person can put that right; until then no host is reached".to_owned()),
            Cause::Denied { .. } | Cause::Never(_) => Some("a person can change that rule".to_owned()),
            _ => None,
        }
    }

    /// The text for the program: what, and how it is allowed; each line ends in a newline.
    pub fn body(&self) -> String {
        let mut body = format!("sbsh: {}\n", self.what());
        if let Some(advice) = self.advice() {
            body.push_str("sbsh: ");
            body.push_str(&advice);
            body.push('\n');
        }
        body
    }
}

/// The text escaped, and cut where it is too long to be read.
fn shown(text: &[u8]) -> String {
    match text.split_at_checked(LONGEST_SHOWN) {
        Some((start, rest)) if !rest.is_empty() => format!("{}…", visible(start)),
        _ => visible(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Host;

    #[test]
    fn what_a_program_wrote_cannot_move_the_cursor_or_fill_the_screen() {
        let target = Target { host: Host::Name("a.example".to_owned()), port: 443 };
        let refusal = Refusal::of(&target, Cause::OtherName(Some("b\x1b[2J\r\nOK".to_owned())));
        assert_eq!(
            refusal.body(),
            "sbsh: a.example:443 is blocked: the program asked for 'b\\e[2J\\r\\nOK' on this connection\n"
        );
        let refusal = Refusal::malformed(&[b'x'; 5000], "it is too long");
        assert!(
            refusal.body().len() < 300 && refusal.body().contains("xx…' is no host"),
            "{}",
            refusal.body()
        );
    }

    #[test]
    fn advice_is_given_where_it_helps() {
        let target = Target { host: Host::Name("a.example".to_owned()), port: 443 };
        let refusal = Refusal::of(&target, Cause::Nobody("nobody could be asked".to_owned()));
        assert_eq!(
            refusal.body(),
            "sbsh: a.example:443 is blocked: not in allowedDomains, and nobody could be asked\n\
             sbsh: a person can allow it: sbshctl allow domain a.example\n"
        );
        let denied = Cause::Denied { entry: "*".to_owned(), origin: "x:1:2".to_owned() };
        assert_eq!(Refusal::of(&target, denied).advice().as_deref(), Some("a person can change that rule"));
        // Who said no may think again, and who said never has made a rule.
        let no = Refusal::of(&target, Cause::Answered("the person said no".to_owned())).advice();
        assert_eq!(no.as_deref(), Some("a person can allow it: sbshctl allow domain a.example"));
        let never = Refusal::of(&target, Cause::Never("the person said never".to_owned())).advice();
        assert_eq!(never.as_deref(), Some("a person can change that rule"));
        let advice = |host: &str| {
            let target = Target { host: Host::Name(host.to_owned()), port: 443 };
            Refusal::of(&target, Cause::Flood).advice().unwrap()
        };
        assert!(
            advice("pypi.org").ends_with("domain pypi.org, or with what goes with it: sbshctl preset python")
        );
        assert!(advice("github.com").ends_with("domain github.com (it lets data out: anybody can have a repository, a gist or an issue there to send data to)"));
        let broken = Refusal::of(&target, Cause::Broken("HTTPS_PROXY is no proxy to use: x".to_owned()));
        assert_eq!(
            broken.body(),
            "sbsh: a.example:443 is blocked: HTTPS_PROXY is no proxy to use: x\n\
             sbsh: a person can put that right; until then no host is reached\n"
        );
        assert_eq!(Refusal::of(&target, Cause::Range("private".to_owned())).advice(), None);
    }
}
