//! Findings about single switches and what the readers of the files noticed. Pure.

use super::{Finding, Severity};
use crate::policy::{Gatekept, Policy};
use crate::settings::{CredentialMode, Layers, Origin, Scope, Sourced};

/// What the readers noticed that is a mistake in a file, and not a question of trust.
const MISTAKES: &[&str] = &[
    "unknown-key",
    "managed-lock",
    "managed-only",
    "not-in-projects",
    "reachable-settings",
    "reachable-state",
    "broad-domain",
    "whole-tool",
];

pub(super) fn findings(policy: &Policy, layers: &Layers) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut switch =
        |said: &Sourced<bool>, wide: bool, severity, kind, key: &str, why: &str, advice: &str| {
            if said.value == wide && matches!(said.origin, Origin::File { .. }) {
                all.push(Finding::new(severity, kind, format!("{key}: {wide}"), &said.origin, why, advice));
            }
        };
    switch(
        &policy.enabled,
        false,
        Severity::Danger,
        "disabled",
        "enabled",
        "runs every command unconfined",
        "remove it",
    );
    switch(
        &policy.weaker_nested,
        true,
        Severity::Danger,
        "weaker-sandbox",
        "enableWeakerNestedSandbox",
        "accepts a weaker boundary: processes outside can be seen",
        "remove it where namespaces are to be had (sbshctl doctor tells)",
    );
    switch(
        &policy.fail_if_unavailable,
        false,
        Severity::Note,
        "fails-open",
        "failIfUnavailable",
        "has no effect: where no sandbox can be made nothing runs",
        "remove it, and install what 'sbshctl doctor' names",
    );
    if policy.gatekeeper.value == Gatekept::Network && matches!(policy.gatekeeper.origin, Origin::File { .. })
    {
        let why =
            "watches connections only: protected names are found by the sweep after the command, not before";
        let origin = &policy.gatekeeper.origin;
        all.push(Finding::new(
            Severity::Note,
            "less-watched",
            "gatekeeper: network",
            origin,
            why,
            "remove it unless it costs too much",
        ));
    }
    for layer in layers.layers.iter().filter(|layer| layer.may_widen) {
        let values = &layer.values;
        if let Some(said) = values.allow_git_config.as_ref().filter(|said| said.value) {
            let why = "makes .git/config writable, which can name programs that git runs outside";
            let advice = "remove it; change the configuration outside";
            all.push(Finding::new(
                Severity::Warning,
                "git-config",
                "filesystem.allowGitConfig: true",
                &said.origin,
                why,
                advice,
            ));
        }
        let bypass = values.default_mode.as_ref().filter(|said| said.value == "bypassPermissions");
        if let Some(said) = bypass.filter(|_| matches!(layer.source.scope, Scope::Managed | Scope::User)) {
            let why = "asks about nothing that no rule mentions";
            let advice = "remove it; what runs confined needs no question anyway";
            all.push(Finding::new(
                Severity::Warning,
                "bypass",
                "defaultMode: bypassPermissions",
                &said.origin,
                why,
                advice,
            ));
        }
        for said in &values.ignore_violations {
            all.extend(ignored(said));
        }
        for said in values.credential_variables.iter().filter(|said| said.value.1 == CredentialMode::Allow) {
            if policy.environment.built_in(&said.value.0) {
                let why = "is passed to every command, though it is a credential";
                let advice = "remove it where no command needs it";
                all.push(Finding::new(
                    Severity::Warning,
                    "kept-variable",
                    &said.value.0,
                    &said.origin,
                    why,
                    advice,
                ));
            }
        }
    }
    let mistakes = policy.notices.iter().filter(|notice| MISTAKES.contains(&notice.kind));
    all.extend(mistakes.map(|notice| Finding {
        severity: Severity::Note,
        kind: notice.kind,
        entry: String::new(),
        origin: None,
        why: notice.text.clone(),
        advice: String::new(),
    }));
    all
}

fn ignored(said: &Sourced<(String, String)>) -> Option<Finding> {
    let (command, what) = (&said.value.0, &said.value.1);
    let all = matches!(what.as_str(), "*" | "/" | "**" | "/**");
    if command != "*" && !all {
        return None;
    }
    let why = match (command.as_str(), all) {
        ("*", true) => "hides every violation of every command".to_owned(),
        (_, true) => format!("hides every violation of '{command}'"),
        _ => "is hidden whichever command tries it".to_owned(),
    };
    let severity = if all { Severity::Warning } else { Severity::Note };
    let entry = format!("ignoreViolations: {command}: {what}");
    Some(Finding::new(
        severity,
        "ignores-all",
        entry,
        &said.origin,
        why,
        "name the command and the path that you know",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Facts;
    use super::super::tests::kinds;

    #[test]
    fn switches_that_weaken() {
        for (text, kind) in [
            (r#"{"sandbox": {"enabled": false}}"#, "disabled"),
            (r#"{"sandbox": {"enableWeakerNestedSandbox": true}}"#, "weaker-sandbox"),
            (r#"{"sandbox": {"failIfUnavailable": false}}"#, "fails-open"),
            (r#"{"sandbox": {"gatekeeper": "network"}}"#, "less-watched"),
            (r#"{"sandbox": {"filesystem": {"allowGitConfig": true}}}"#, "git-config"),
            (r#"{"sandbox": {"ignoreViolations": {"*": ["/etc"]}}}"#, "ignores-all"),
            (r#"{"sandbox": {"ignoreViolations": {"npm": ["*"]}}}"#, "ignores-all"),
            (
                r#"{"sandbox": {"credentials": {"envVars": [{"name": "OPENAI_API_KEY", "mode": "allow"}]}}}"#,
                "kept-variable",
            ),
            (r#"{"permissions": {"defaultMode": "bypassPermissions"}}"#, "bypass"),
            (r#"{"sandbox": {"network": {"allowLocalBinding": true}}}"#, "loopback"),
            (r#"{"sandbox": {"network": {"allowManagedDomainsOnly": true}}}"#, "managed-only"),
        ] {
            let found: Vec<String> =
                kinds(text, &Facts::default()).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(found, [kind], "{text}");
        }
        let fine = r#"{"sandbox": {"enabled": true, "failIfUnavailable": true, "ignoreViolations": {"npm": ["/etc"]},
          "credentials": {"envVars": [{"name": "MINE", "mode": "allow"}]}}}"#;
        assert_eq!(kinds(fine, &Facts::default()), []);
    }
}
