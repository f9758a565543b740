//! What to do about a boundary that cannot be built, by the mechanism's own words. Pure.

/// What no setting changes about this kernel, by its release (uname(2)): WSL1 is no Linux and has no namespaces; its release
/// ends in `-Microsoft`, WSL2's in `-microsoft-standard-WSL2`.
pub fn on_kernel(release: &str) -> Option<&'static str> {
    let hint = "this is WSL1, which cannot confine anything; in Windows: wsl --set-version DISTRIBUTION 2";
    release.trim().ends_with("-Microsoft").then_some(hint)
}

/// Lines for a person.
pub fn on_failure(cause: &str) -> &'static [&'static str] {
    let says = |words: &str| cause.contains(words);
    // A limit of processes: bubblewrap's words for EAGAIN.
    if says("Resource temporarily unavailable") {
        &["no more processes are allowed here (ulimit -u, or the limit of a container or a service)"]
    } else if cause.to_lowercase().contains("namespace") || says("uid map") {
        &[
            "this kernel or container does not let this user make user namespaces",
            "Ubuntu 23.10 and later: install the AppArmor profile for bwrap (package apparmor-profiles), or sysctl kernel.apparmor_restrict_unprivileged_userns=0",
            "Debian and others: sysctl kernel.unprivileged_userns_clone=1; containers: --security-opt seccomp=unconfined or a runtime that allows user namespaces",
        ]
    } else if says("Unknown option") {
        &["bubblewrap is too old: 0.5 or newer is needed"]
    } else if says("mount proc") {
        &[
            "this container or sandbox does not let a fresh /proc be mounted; run it with --security-opt systempaths=unconfined",
            "or let commands see the processes outside: \"enableWeakerNestedSandbox\": true under \"sandbox\" in ~/.claude/settings.json",
        ]
    } else {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::{on_failure, on_kernel};

    #[test]
    fn a_limit_of_processes_is_no_lack_of_namespaces() {
        let of = |cause: &str| on_failure(cause).join("\n");
        assert!(of("Creating new namespace failed: Resource temporarily unavailable").contains("ulimit -u"));
        assert!(of("Creating new namespace failed: Operation not permitted").contains("user namespaces"));
    }

    #[test]
    fn wsl1_is_told_from_wsl2() {
        assert!(on_kernel("4.4.0-19041-Microsoft\n").is_some_and(|hint| hint.contains("--set-version")));
        assert_eq!(on_kernel("5.15.167.4-microsoft-standard-WSL2\n"), None);
        assert_eq!(on_kernel("6.18.44\n"), None);
    }

    #[test]
    fn forbidden_namespaces_are_explained() {
        assert!(!on_failure("No permissions to create new namespace, likely because ...").is_empty());
        assert!(!on_failure("Creating new namespace failed: ... (ENOSPC)").is_empty());
        assert!(!on_failure("setting up uid map: Permission denied").is_empty());
        assert_eq!(on_failure("Can't find source path /x"), &[] as &[&str]);
    }
}
