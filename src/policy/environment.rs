//! Which environment variables the inside gets. Pure.
//!
//! Owns the built-in list of removed variables: credentials of the calling agent and handles of the session, not the
//! tokens of the person's projects. Must not look at the environment.

use super::error::{PolicyError, Problem};
use crate::settings::{CredentialMode, Origin, Sourced};

/// What agents identify themselves with to their makers and to model providers.
const AGENT: &[&str] = &[
    "AMP_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_FOUNDRY_API_KEY",
    "AUGMENT_SESSION_AUTH",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AZURE_OPENAI_API_KEY",
    "CEREBRAS_API_KEY",
    "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE",
    "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CODEX_API_KEY",
    "COHERE_API_KEY",
    "COPILOT_GITHUB_TOKEN",
    "CURSOR_API_KEY",
    "DASHSCOPE_API_KEY",
    "DEEPSEEK_API_KEY",
    "FACTORY_API_KEY",
    "FIREWORKS_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "MOONSHOT_API_KEY",
    "OPENAI_API_KEY",
    "OPENCODE_API_KEY",
    "OPENROUTER_API_KEY",
    "PERPLEXITY_API_KEY",
    "TOGETHER_API_KEY",
    "XAI_API_KEY",
    "ZAI_API_KEY",
    "ZHIPU_API_KEY",
];

/// Doors to the session: who holds them acts as the person.
const SESSION: &[&str] = &[
    "DBUS_SESSION_BUS_ADDRESS",
    "GNOME_KEYRING_CONTROL",
    "GPG_AGENT_INFO",
    "SSH_AUTH_SOCK",
    "VSCODE_GIT_IPC_AUTH_TOKEN",
];

/// The environment part of the policy.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentPolicy {
    /// Names removed inside: the built-in list of credentials and session handles plus `credentials.envVars`.
    pub removed: Vec<Sourced<String>>,
}

impl EnvironmentPolicy {
    /// Who says that a variable is removed; `None` if it is kept.
    pub fn removes(&self, name: &str) -> Option<&Origin> {
        self.removed.iter().find(|removed| removed.value == name).map(|removed| &removed.origin)
    }
}

/// The list from what settings say. `allow` keeps what a built-in list names; a `deny` in settings holds against it.
pub(super) fn removed(said: &[&Sourced<(String, CredentialMode)>]) -> EnvironmentPolicy {
    let named = |wanted: CredentialMode, name: &str| {
        said.iter().any(|entry| entry.value.1 == wanted && entry.value.0 == name)
    };
    let built_in = [(AGENT, "agent credentials"), (SESSION, "session handles")];
    let mut removed: Vec<Sourced<String>> = said
        .iter()
        .filter(|entry| entry.value.1 == CredentialMode::Deny)
        .map(|entry| Sourced { value: entry.value.0.clone(), origin: entry.origin.clone() })
        .collect();
    for (names, list) in built_in {
        let kept = names.iter().filter(|name| !named(CredentialMode::Allow, name));
        removed.extend(kept.map(|name| Sourced::built_in((*name).to_owned(), list)));
    }
    EnvironmentPolicy { removed }
}

/// Refuses what is no single variable's name.
pub(super) fn check(entry: &Sourced<(String, CredentialMode)>) -> Result<(), PolicyError> {
    let name = &entry.value.0;
    if name.is_empty() || name.chars().any(|c| c.is_control() || matches!(c, '=' | '*' | '?')) {
        return Err(Problem::BadVariable(name.clone()).at(&entry.origin));
    }
    Ok(())
}
