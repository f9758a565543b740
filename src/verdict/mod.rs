//! Verdict: policy × command → confined, outside, asked or denied, each with its reason. Pure.
#![forbid(unsafe_code)]

use crate::settings::Origin;

/// What is to be done with a command text.
#[derive(Debug, Clone)]
#[must_use]
pub enum Verdict {
    /// Run it inside.
    Confined(Reason),
    /// Ask first; run where `outside` says.
    Ask { reason: Reason, outside: Option<DirectCommand> },
    /// Run exactly this one program outside, unasked (an allow rule covers it).
    Outside { reason: Reason, command: DirectCommand },
    /// Do not run it.
    Denied(Reason),
}

/// A line that is nothing but one simple command of literal words: what may run outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectCommand {
    /// argv, all literal.
    pub argv: Vec<String>,
}

/// Why.
#[derive(Debug, Clone)]
pub struct Reason {
    /// One line, e.g. `rule Bash(curl:*) denies 'curl http://x'`.
    pub text: String,
    /// The rule as it was written, if a rule decided.
    pub rule: Option<String>,
    /// Where the rule stands.
    pub origin: Option<Origin>,
}
