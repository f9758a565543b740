//! Policy: what may be read, written and reached; which commands are excluded, asked and denied.
//!
//! Owns the meaning of settings as one value, [`Policy`]. Pure: it never touches the system, the clock or the
//! environment; facts come in as arguments. Must not know how a boundary is built (that is `confinement`).
#![forbid(unsafe_code)]

pub mod audit;
mod build;
mod counting;
pub mod disguise;
pub mod environment;
pub mod error;
pub mod files;
pub mod hooks;
pub mod host;
pub mod ignored;
pub mod network;
pub mod paths;
pub mod permission;
pub mod presets;
pub mod protected;
pub mod proxy_variables;
pub mod ranges;
pub mod root;
pub mod rule;
pub mod secrets;
#[cfg(test)]
mod tests;

use crate::settings::{Notice, Origin, Sourced};
use std::path::PathBuf;

pub use audit::{AuditPolicy, Collector};
pub use build::build;
pub use environment::EnvironmentPolicy;
pub use error::{PolicyError, Problem};
pub use files::{Access, FilePolicy, PathPattern, PathRule};
pub use hooks::{HookRule, Hooks};
pub use host::{Host, HostError, parse_host_port};
pub use ignored::IgnoredViolation;
pub use network::{DomainSet, NetworkPolicy, NetworkVerdict, ProxyVariables};
pub use rule::{CommandRule, CommandRules, Match, RuleError};

/// Whether what runs confined needs approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What runs confined needs none.
    AutoAllow,
    /// Every command goes through the permission flow, and is confined all the same.
    Regular,
}

/// The mechanism that draws the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The best that this machine has.
    Auto,
    /// bubblewrap.
    Bubblewrap,
    /// Namespaces set up by sbsh itself (not built yet).
    Namespaces,
    /// Landlock and seccomp (not built yet).
    Landlock,
    /// macOS's own, by sandbox-exec.
    Seatbelt,
}

/// What is watched call by call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gatekept {
    /// Files, sockets, network.
    Full,
    /// Connects only.
    Network,
}

impl Gatekept {
    /// The word that settings use.
    pub fn name(self) -> &'static str {
        match self {
            Gatekept::Full => "full",
            Gatekept::Network => "network",
        }
    }
}

/// The directory tree that is writable, or why there is none.
#[derive(Debug, Clone)]
pub enum WorkingRoot {
    /// This directory (absolute, symlinks resolved). `broad` holds the reason for a warning if it was named explicitly
    /// though it is too broad ("is your home directory", ...).
    At {
        /// The directory.
        path: PathBuf,
        /// Who chose it.
        origin: Origin,
        /// Why it is too broad, as the end of a sentence.
        broad: Option<String>,
    },
    /// No directory: the one that would be it is too broad to be writable by accident; the text says why.
    None {
        /// What would have been the root.
        candidate: PathBuf,
        /// Why it is not, as the end of a sentence.
        why: String,
    },
}

impl WorkingRoot {
    /// The writable directory, if there is one.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            WorkingRoot::At { path, .. } => Some(path),
            WorkingRoot::None { .. } => None,
        }
    }
}

/// Everything that settings, the built-in lists and the caller decide, as one value.
#[derive(Debug)]
pub struct Policy {
    /// `sandbox.enabled`.
    pub enabled: Sourced<bool>,
    /// `sandbox.mode`, or Claude Code's spelling of it.
    pub mode: Sourced<Mode>,
    /// `permissions.defaultMode` is `bypassPermissions` in a file that may say so: regular mode does not ask for
    /// what no rule mentions.
    pub bypass_permissions: bool,
    /// Command rules: permissions and exclusions.
    pub commands: CommandRules,
    /// Programs that are asked before a command and told after it.
    pub hooks: Hooks,
    /// Files.
    pub files: FilePolicy,
    /// Environment variables inside.
    pub environment: EnvironmentPolicy,
    /// Network.
    pub network: NetworkPolicy,
    /// `allowUnsandboxedCommands`: the `dangerouslyDisableSandbox` way out exists.
    pub way_out: Sourced<bool>,
    /// `backend`.
    pub backend: Sourced<Backend>,
    /// `gatekeeper`: what is watched call by call.
    pub gatekeeper: Sourced<Gatekept>,
    /// `ignoreViolations`: what is not reported.
    pub ignored_violations: Vec<IgnoredViolation>,
    /// `bwrapPath`, managed only.
    pub bwrap_path: Option<Sourced<PathBuf>>,
    /// `shell`, the inner shell when the name sbsh was called by does not choose one.
    pub shell: Option<Sourced<PathBuf>>,
    /// `failIfUnavailable`.
    pub fail_if_unavailable: Sourced<bool>,
    /// `enableWeakerNestedSandbox`.
    pub weaker_nested: Sourced<bool>,
    /// `audit`, managed or user only.
    pub audit: AuditPolicy,
    /// The project directory (nearest ancestor with `.claude`), if any.
    pub project: Option<PathBuf>,
    /// The writable tree.
    pub working_root: WorkingRoot,
    /// One-line notices for the person: ignored widening, unknown keys, broad roots. Complete sentences without
    /// the `sbsh: ` prefix.
    pub notices: Vec<Notice>,
}

impl Backend {
    /// The word that settings use.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Auto => "auto",
            Backend::Bubblewrap => "bubblewrap",
            Backend::Namespaces => "namespaces",
            Backend::Landlock => "landlock",
            Backend::Seatbelt => "seatbelt",
        }
    }
}
