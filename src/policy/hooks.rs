//! Which hooks count, as values. Pure.
//!
//! Owns what a hook is to a command. Must not run one, nor read its answer.

use super::rule::CommandRule;
use crate::settings::{Hook, Origin, Scope};

/// Which commands a hook is about.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Every one.
    Every,
    /// Those with a simple command that this rule matches.
    Matching(CommandRule),
}

/// One hook that counts.
#[derive(Debug, Clone)]
pub struct HookRule {
    /// What it runs, and how.
    pub hook: Hook,
    /// Its `if`.
    pub condition: Condition,
    /// Where it stands.
    pub origin: Origin,
}

impl HookRule {
    /// Whether the administrator put it there.
    pub fn is_managed(&self) -> bool {
        self.origin.scope() == Some(Scope::Managed)
    }
}

/// All hooks that count, in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Hooks {
    /// Asked before a command.
    pub before: Vec<HookRule>,
    /// Told after it.
    pub after: Vec<HookRule>,
}
