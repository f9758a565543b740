//! What to do about a boundary that cannot be built, by the mechanism's own words. Pure.

/// Lines for a person.
pub fn on_failure(cause: &str) -> &'static [&'static str] {
    let says = |words: &str| cause.contains(words);
    if cause.to_lowercase().contains("namespace") || says("uid map") {
        &[
            "this kernel or container does not let this user make user namespaces",
            "Ubuntu 23.10 and later: install the AppArmor profile for bwrap (package apparmor-profiles), or sysctl kernel.apparmor_restrict_unprivileged_userns=0",
            "Debian and others: sysctl kernel.unprivileged_userns_clone=1; containers: --security-opt seccomp=unconfined or a runtime that allows user namespaces",
        ]
    } else if says("Unknown option") {
        &["bubblewrap is too old: 0.5 or newer is needed"]
    } else if says("mount proc") {
        &[
            "this container does not let a fresh /proc be mounted; run it with --security-opt systempaths=unconfined",
        ]
    } else {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::on_failure;

    #[test]
    fn forbidden_namespaces_are_explained() {
        assert!(!on_failure("No permissions to create new namespace, likely because ...").is_empty());
        assert!(!on_failure("Creating new namespace failed: ... (ENOSPC)").is_empty());
        assert!(!on_failure("setting up uid map: Permission denied").is_empty());
        assert_eq!(on_failure("Can't find source path /x"), &[] as &[&str]);
    }
}
