//! What one settings file says, key by key, each value with its place. Owns the shape; the meaning is `policy`'s.

use super::{Hook, Origin, Source, Sourced};
use std::sync::Arc;

/// A list whose every entry knows its place.
pub type List = Vec<Sourced<String>>;

/// One file's values. `None` and empty mean that the file does not say.
#[derive(Debug, Default)]
pub struct Values {
    /// `sandbox.enabled`.
    pub enabled: Option<Sourced<bool>>,
    /// `sandbox.mode`: `auto-allow` or `regular` (checked).
    pub mode: Option<Sourced<String>>,
    /// `sandbox.autoAllowBashIfSandboxed`.
    pub auto_allow: Option<Sourced<bool>>,
    /// `sandbox.allowedDomains` and `sandbox.network.allowedDomains`.
    pub allowed_domains: List,
    /// `sandbox.network.deniedDomains`.
    pub denied_domains: List,
    /// `sandbox.network.allowManagedDomainsOnly`.
    pub managed_domains_only: Option<Sourced<bool>>,
    /// `sandbox.network.strictAllowlist`.
    pub strict_allowlist: Option<Sourced<bool>>,
    /// `sandbox.network.httpProxyPort`.
    pub http_proxy_port: Option<Sourced<u16>>,
    /// `sandbox.network.socksProxyPort`.
    pub socks_proxy_port: Option<Sourced<u16>>,
    /// `sandbox.network.allowLocalBinding`.
    pub local_binding: Option<Sourced<bool>>,
    /// `sandbox.network.proxyVariables` (checked against the known words).
    pub proxy_variables: Option<Sourced<String>>,
    /// `sandbox.network.uncheckedTlsNames`.
    pub unchecked_names: List,
    /// `sandbox.network.caCertificates`.
    pub ca_certificates: Option<Sourced<String>>,
    /// `sandbox.allowUnixSockets` and `sandbox.network.allowUnixSockets`.
    pub unix_sockets: List,
    /// `sandbox.network.allowAllUnixSockets`.
    pub all_unix_sockets: Option<Sourced<bool>>,
    /// `sandbox.filesystem.allowWrite`.
    pub allow_write: List,
    /// `sandbox.filesystem.denyWrite`.
    pub deny_write: List,
    /// `sandbox.filesystem.denyRead`.
    pub deny_read: List,
    /// `sandbox.filesystem.allowRead`.
    pub allow_read: List,
    /// `sandbox.filesystem.allowGitConfig`.
    pub allow_git_config: Option<Sourced<bool>>,
    /// `sandbox.filesystem.allowManagedReadPathsOnly`.
    pub managed_read_paths_only: Option<Sourced<bool>>,
    /// `sandbox.allowUnsandboxedCommands`.
    pub way_out: Option<Sourced<bool>>,
    /// `sandbox.excludedCommands`.
    pub excluded: List,
    /// `sandbox.enableWeakerNestedSandbox`.
    pub weaker_nested: Option<Sourced<bool>>,
    /// `sandbox.failIfUnavailable`.
    pub fail_if_unavailable: Option<Sourced<bool>>,
    /// `sandbox.credentials.files`: path and mode (`deny` or `allow`, checked).
    pub credential_files: Vec<Sourced<(String, CredentialMode)>>,
    /// `sandbox.credentials.envVars`: name and mode.
    pub credential_variables: Vec<Sourced<(String, CredentialMode)>>,
    /// `sandbox.backend` (checked against the known names).
    pub backend: Option<Sourced<String>>,
    /// `sandbox.gatekeeper` (checked against the known words).
    pub gatekeeper: Option<Sourced<String>>,
    /// `sandbox.ignoreViolations`: a command pattern, and a path or host.
    pub ignore_violations: Vec<Sourced<(String, String)>>,
    /// `sandbox.bwrapPath`.
    pub bwrap_path: Option<Sourced<String>>,
    /// `sandbox.shell`.
    pub shell: Option<Sourced<String>>,
    /// `sandbox.audit.syslog`.
    pub syslog: Option<Sourced<bool>>,
    /// `sandbox.audit.required`.
    pub audit_required: Option<Sourced<bool>>,
    /// `sandbox.audit.otlp`.
    pub otlp: Option<Sourced<String>>,
    /// `permissions.allow`.
    pub allow: List,
    /// `permissions.ask`.
    pub ask: List,
    /// `permissions.deny`.
    pub deny: List,
    /// `permissions.defaultMode`.
    pub default_mode: Option<Sourced<String>>,
    /// `permissions.additionalDirectories`.
    pub additional_directories: List,
    /// `allowManagedPermissionRulesOnly` (top level).
    pub managed_rules_only: Option<Sourced<bool>>,
    /// `permissions.disableBypassPermissionsMode` is `disable`.
    pub no_bypass: Option<Sourced<bool>>,
    /// `hooks.PreToolUse` and `hooks.PostToolUse`, those for commands, in their order.
    pub hooks: Vec<Sourced<Hook>>,
    /// `allowManagedHooksOnly` (top level).
    pub managed_hooks_only: Option<Sourced<bool>>,
    /// `disableAllHooks` (top level).
    pub no_hooks: Option<Sourced<bool>>,
}

impl Values {
    /// What of it only tightens: for a project around the one that counts.
    #[must_use]
    pub fn tightening(self) -> Values {
        let only = |said: Option<Sourced<bool>>, value: bool| said.filter(|said| said.value == value);
        let word = |said: Option<Sourced<String>>, value: &str| said.filter(|said| said.value == value);
        let denied = |said: Vec<Sourced<(String, CredentialMode)>>| {
            said.into_iter().filter(|said| said.value.1 == CredentialMode::Deny).collect()
        };
        Values {
            enabled: only(self.enabled, true),
            mode: word(self.mode, "regular"),
            auto_allow: only(self.auto_allow, false),
            denied_domains: self.denied_domains,
            strict_allowlist: only(self.strict_allowlist, true),
            local_binding: only(self.local_binding, false),
            all_unix_sockets: only(self.all_unix_sockets, false),
            deny_write: self.deny_write,
            deny_read: self.deny_read,
            allow_git_config: only(self.allow_git_config, false),
            way_out: only(self.way_out, false),
            credential_files: denied(self.credential_files),
            credential_variables: denied(self.credential_variables),
            gatekeeper: word(self.gatekeeper, "full"),
            ask: self.ask,
            deny: self.deny,
            no_bypass: only(self.no_bypass, true),
            ..Values::default()
        }
    }
}

/// `credentials.*.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialMode {
    /// Unreadable, or removed from the environment.
    Deny,
    /// Kept although a built-in list names it.
    Allow,
}

impl CredentialMode {
    /// The word in settings.
    pub fn name(self) -> &'static str {
        match self {
            CredentialMode::Deny => "deny",
            CredentialMode::Allow => "allow",
        }
    }
}

/// One settings file as it counts.
#[derive(Debug)]
pub struct Layer {
    /// The file.
    pub source: Arc<Source>,
    /// What it says.
    pub values: Values,
    /// Whether what widens counts. Managed and user files: yes, unless confined code could have written them;
    /// project files: once trusted.
    pub may_widen: bool,
}

/// A value of a file at a byte offset of its text.
pub fn sourced<T>(source: &Arc<Source>, offset: usize, value: T) -> Sourced<T> {
    Sourced { value, origin: Origin::File { source: Arc::clone(source), offset } }
}
