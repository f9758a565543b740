//! Which environment variables the inside gets. Pure.
//!
//! Owns the built-in lists of removed variables: credentials of the calling agent, of clouds and of the runner of a build,
//! and handles of the session; not the tokens with which projects are worked on (GITHUB_TOKEN, NPM_TOKEN). Must not look
//! at the environment.

use super::error::{PolicyError, Problem};
use crate::settings::{CredentialMode, Origin, Sourced};

/// What agents identify themselves with to their makers and to model providers.
const AGENT: &[&str] = &[
    "AI21_API_KEY",
    "AI_GATEWAY_API_KEY",
    "AMP_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_FOUNDRY_API_KEY",
    "ANTHROPIC_FOUNDRY_AUTH_TOKEN",
    "AUGMENT_SESSION_AUTH",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AZURE_OPENAI_API_KEY",
    "CEREBRAS_API_KEY",
    "CLAUDE_API_KEY",
    "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE",
    "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CODEX_API_KEY",
    "COHERE_API_KEY",
    "COPILOT_GITHUB_TOKEN",
    "CURSOR_API_KEY",
    "DASHSCOPE_API_KEY",
    "DEEPINFRA_API_KEY",
    "DEEPSEEK_API_KEY",
    "FACTORY_API_KEY",
    "FIREWORKS_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "GROQ_API_KEY",
    "KILOCODE_API_KEY",
    "KIMI_API_KEY",
    "LITELLM_API_KEY",
    "MINIMAX_API_KEY",
    "MISTRAL_API_KEY",
    "MOONSHOT_API_KEY",
    "NVIDIA_API_KEY",
    "OLLAMA_API_KEY",
    "OPENAI_API_KEY",
    "OPENCODE_API_KEY",
    "OPENROUTER_API_KEY",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "PERPLEXITY_API_KEY",
    "REPLICATE_API_TOKEN",
    "TOGETHER_API_KEY",
    "VERTEX_API_KEY",
    "VOYAGE_API_KEY",
    "WARP_API_KEY",
    "WATSONX_API_KEY",
    "XAI_API_KEY",
    "ZAI_API_KEY",
    "ZHIPU_API_KEY",
];

/// Keys to clouds: as variables, what is unreadable as a file (`secrets`).
const CLOUD: &[&str] = &[
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ARM_CLIENT_SECRET",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_CLIENT_SECRET",
    "AZURE_PASSWORD",
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "DIGITALOCEAN_ACCESS_TOKEN",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "HCLOUD_TOKEN",
    "KUBE_TOKEN",
    "LINODE_TOKEN",
    "OCI_CLI_KEY_CONTENT",
    "SCW_SECRET_KEY",
    "VAULT_TOKEN",
];

/// What a runner of builds holds for itself: whoever has it acts as the build.
const RUNNER: &[&str] = &[
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_RUNTIME_URL",
    "BITBUCKET_STEP_OIDC_TOKEN",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "CIRCLE_OIDC_TOKEN",
    "CIRCLE_OIDC_TOKEN_V2",
    "CI_JOB_JWT",
    "CI_JOB_JWT_V2",
    "CI_REGISTRY_PASSWORD",
    "RUNNER_TOKEN",
    "SYSTEM_ACCESSTOKEN",
    "SYSTEM_OIDCREQUESTURI",
    "TEAMCITY_AUTH_PASSWORD",
];

/// Doors to the session: who holds them acts as the person.
const SESSION: &[&str] = &[
    "BW_SESSION",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNOME_KEYRING_CONTROL",
    "GPG_AGENT_INFO",
    "OP_SERVICE_ACCOUNT_TOKEN",
    "SSH_AUTH_SOCK",
    "VSCODE_GIT_IPC_AUTH_TOKEN",
];

/// Every list, by the name that messages use.
const LISTS: &[(&[&str], &str)] = &[
    (AGENT, "agent credentials"),
    (CLOUD, "cloud credentials"),
    (RUNNER, "build runner's credentials"),
    (SESSION, "session handles"),
];

/// The environment part of the policy.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentPolicy {
    /// Names removed inside: the built-in list of credentials and session handles plus `credentials.envVars`.
    pub removed: Vec<Sourced<String>>,
}

impl EnvironmentPolicy {
    /// Whether a built-in list names a variable, kept or not.
    pub fn built_in(&self, name: &str) -> bool {
        LISTS.iter().any(|(names, _)| names.contains(&name))
    }

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
    let mut removed: Vec<Sourced<String>> = said
        .iter()
        .filter(|entry| entry.value.1 == CredentialMode::Deny)
        .map(|entry| Sourced { value: entry.value.0.clone(), origin: entry.origin.clone() })
        .collect();
    for (names, list) in LISTS {
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
