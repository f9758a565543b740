//! Permission rules on commands: their grammar and what they match. Pure.

use crate::settings::Origin;

/// One command rule, from `Bash(...)` or from `excludedCommands`.
#[derive(Debug, Clone)]
pub struct CommandRule {
    /// As it was written.
    pub text: String,
    /// Who said it.
    pub origin: Origin,
}

/// All command rules, by list.
#[derive(Debug, Clone, Default)]
pub struct CommandRules {
    /// `permissions.deny`.
    pub deny: Vec<CommandRule>,
    /// `permissions.ask`.
    pub ask: Vec<CommandRule>,
    /// `permissions.allow`.
    pub allow: Vec<CommandRule>,
    /// `sandbox.excludedCommands`.
    pub excluded: Vec<CommandRule>,
}
