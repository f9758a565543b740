//! Settings: which file says what, at which line, with which priority and trust.
//!
//! Owns reading and understanding the settings files and the trust store, and the list of what awaits a setting. Must not decide what a value means for a
//! command: that is `policy`.

pub mod edit;
pub mod hooks;
pub mod jsonc;
mod layout;
pub mod load;
pub mod origin;
pub mod parse;
pub mod pending;
pub mod schema;
pub mod srt;
pub mod trust;
pub mod values;

pub use hooks::Hook;
pub use load::{SettingsError, load};
pub use origin::{Origin, Scope, Source, Sourced};
pub use values::{CredentialMode, Layer, List, Values};

use std::path::PathBuf;

/// Where settings are looked for: facts about the caller, gathered in one place.
#[derive(Debug, Clone, Default)]
pub struct Locations {
    /// `$HOME`, absolute.
    pub home: Option<PathBuf>,
    /// `$CLAUDE_CONFIG_DIR`, absolute.
    pub claude_config_dir: Option<PathBuf>,
    /// `/etc/claude-code` (tests: another place).
    pub managed_dir: PathBuf,
    /// The working directory, symlinks resolved; `/` if it is gone.
    pub cwd: PathBuf,
    /// `$SBSH_ROOT`, if set.
    pub root_override: Option<PathBuf>,
    /// Entries of `$PATH`, symlinks resolved.
    pub program_dirs: Vec<PathBuf>,
    /// Where sbsh keeps its own state (trust store, quarantine), absolute; `None` without HOME.
    pub state_dir: Option<PathBuf>,
    /// sbsh's own binary, symlinks resolved.
    pub binary: Option<PathBuf>,
    /// TMPDIR inside.
    pub tmpdir: Option<PathBuf>,
    /// `$CODEX_HOME`, absolute.
    pub codex_home: Option<PathBuf>,
    /// Files of credentials that other variables name, absolute.
    pub secrets: Vec<PathBuf>,
    /// What a person allowed for the session that `$SBSH_SESSION` names, absolute.
    pub session_file: Option<PathBuf>,
}

/// All files that were found, highest priority first.
#[derive(Debug, Default)]
pub struct Layers {
    /// Managed (drop-ins after the main file), project, local, user.
    pub layers: Vec<Layer>,
    /// The project directory, if there is one.
    pub project: Option<PathBuf>,
    /// Where the user's own settings file is or would be.
    pub user_file: Option<PathBuf>,
    /// What the person should know.
    pub notices: Vec<Notice>,
}

/// Something that the person should know though the command goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Stable name, e.g. `untrusted-project`, `unknown-key`, `broad-root`, `broad-socket`.
    pub kind: &'static str,
    /// One line, without the `sbsh: ` in front.
    pub text: String,
}
