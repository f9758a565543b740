//! Why settings make no policy, with the place that is to blame. Owns the words; decides nothing.

use super::rule::RuleError;
use crate::settings::Origin;

/// A value that means nothing, where it stands, and what to do. Shown as `FILE:LINE:COL: what; what to do`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct PolicyError {
    /// The place, for the caret.
    pub origin: Origin,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A path without text.
    #[error("a path is empty; write a path or remove the entry")]
    EmptyPath,
    /// NUL cannot be in a path.
    #[error("the path '{}' contains NUL, which no path can; remove it", .0.escape_debug())]
    NulInPath(String),
    /// `~` without a home directory.
    #[error("cannot find '{}': HOME is not set to an absolute path; set HOME or write the absolute path", .0.escape_debug())]
    NoHome(String),
    /// `~name`.
    #[error("cannot find '{}': home directories of others are not looked up; write the absolute path, or \"./~…\" for a file of that name", .0.escape_debug())]
    OtherHome(String),
    /// `..` after a glob could mean anything.
    #[error("the path '{}' goes up (\"..\") from a part with wildcards; write it without \"..\"", .0.escape_debug())]
    UpFromGlob(String),
    /// A glob that cannot be matched.
    #[error("the path '{}' is no valid pattern ({why}); put a backslash before a character that is meant literally", text.escape_debug())]
    BadGlob {
        /// What was said.
        text: String,
        /// Why.
        why: &'static str,
    },
    /// Globs are text.
    #[error("cannot use wildcards in '{}': the directory that it is relative to has a name that is not UTF-8; write the path without wildcards", .0.escape_debug())]
    GlobBelowNotText(String),
    /// Has to begin with `/`.
    #[error("{what} must be an absolute path, not '{}'; write it with a leading \"/\"", text.escape_debug())]
    NotAbsolute {
        /// What was to be said.
        what: &'static str,
        /// What was said.
        text: String,
    },
    /// Not of the form `Tool` or `Tool(…)`.
    #[error("the permission rule '{}' is malformed; write Tool or Tool(inside), for example Bash(git status:*)", .0.escape_debug())]
    MalformedRule(String),
    /// `bash(…)`.
    #[error("the permission rule '{}' names an unknown tool; write {tool} with this capitalisation", rule.escape_debug())]
    Capitals {
        /// What was said.
        rule: String,
        /// The tool's name.
        tool: &'static str,
    },
    /// The inside of `Bash(…)`.
    #[error("{0}")]
    Command(#[from] RuleError),
    /// `WebFetch(x)`.
    #[error("the permission rule '{}' names no domain; write WebFetch(domain:example.com)", .0.escape_debug())]
    NoDomain(String),
    /// Not a domain.
    #[error("'{}' is no domain ({why}); write a host name such as example.com or *.example.com", text.escape_debug())]
    BadDomain {
        /// What was said.
        text: String,
        /// Why.
        why: &'static str,
    },
    /// `*` or `*.tld` among what is allowed.
    #[error("'{}' would allow too much; name the domains, for example *.example.com", .0.escape_debug())]
    BroadDomain(String),
    /// Not a variable's name.
    #[error("'{}' is no name of an environment variable; write one name without '=' or wildcards", .0.escape_debug())]
    BadVariable(String),
    /// No address of a collector.
    #[error("'{}' is no endpoint that logs can be sent to: {why}; write, for example, http://127.0.0.1:4318", text.escape_debug())]
    BadEndpoint {
        /// What was said.
        text: String,
        /// Why.
        why: &'static str,
    },
    /// A word that is not among the known ones.
    #[error("'{}' is no {what}; write one of: {known}", text.escape_debug())]
    UnknownWord {
        /// What was to be said.
        what: &'static str,
        /// What was said.
        text: String,
        /// What could be.
        known: &'static str,
    },
}

impl Problem {
    /// The problem at its place.
    pub fn at(self, origin: &Origin) -> PolicyError {
        PolicyError { origin: origin.clone(), problem: self }
    }
}
