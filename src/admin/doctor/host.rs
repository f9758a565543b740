//! What this host keeps from a user, and the exact commands that an administrator gives to change it.
//!
//! Owns reading the kernel's own settings and the signs of a container; what is advised is a pure function of them.

use std::path::Path;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// The name of the container's kind, if this is one.
    pub container: Option<&'static str>,
    /// `user.max_user_namespaces`.
    pub most_user_namespaces: Option<u64>,
    /// Debian's `kernel.unprivileged_userns_clone`.
    pub unprivileged_clone: Option<u64>,
    /// Ubuntu's `kernel.apparmor_restrict_unprivileged_userns`.
    pub apparmor_restricts: Option<u64>,
}

impl Host {
    /// Looks.
    pub fn look() -> Host {
        let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse().ok();
        let signs: [(&str, &'static str); 2] = [("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman")];
        let by_file = signs.iter().find(|(sign, _)| Path::new(sign).exists()).map(|(_, name)| *name);
        let by_manager = || {
            // systemd(1) says so in containers of its own and in those of LXC.
            let kind = std::fs::read_to_string("/run/systemd/container").ok()?;
            Some(match kind.trim() {
                "lxc" => "LXC",
                "systemd-nspawn" => "systemd-nspawn",
                _ => "other",
            })
        };
        Host {
            container: by_file.or_else(by_manager),
            most_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        }
    }

    /// What to do so that user namespaces can be had; `binary` is sbsh.
    pub fn advice(&self, binary: &Path) -> Vec<String> {
        let mut all = Vec::new();
        if self.most_user_namespaces == Some(0) {
            all.push("sudo sysctl -w user.max_user_namespaces=15000".to_owned());
        }
        if self.unprivileged_clone == Some(0) {
            all.push("sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned());
        }
        if self.apparmor_restricts == Some(1) {
            all.push(format!(
                "sudo tee /etc/apparmor.d/sbsh >/dev/null <<'E' && sudo apparmor_parser -r /etc/apparmor.d/sbsh\n{}E",
                apparmor_profile(binary)
            ));
        }
        match self.container {
            Some("Docker" | "Podman") => all.push(
                "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
                    .to_owned(),
            ),
            Some("LXC") => all.push("set security.nesting=true for the container".to_owned()),
            Some("systemd-nspawn") => all.push("start the container with --private-users=pick".to_owned()),
            _ => {}
        }
        all
    }
}

/// The AppArmor profile that gives this binary user namespaces where Ubuntu keeps them from programs without one.
pub fn apparmor_profile(binary: &Path) -> String {
    format!(
        "abi <abi/4.0>,\ninclude <tunables/global>\nprofile sbsh \"{}\" flags=(unconfined) {{\n  userns,\n  include if exists <local/sbsh>\n}}\n",
        binary.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hindrance_has_its_command() {
        let binary = Path::new("/usr/bin/sbsh");
        assert_eq!(Host::default().advice(binary), [""; 0]);
        let host = Host {
            container: Some("Docker"),
            most_user_namespaces: Some(0),
            unprivileged_clone: Some(0),
            apparmor_restricts: Some(1),
        };
        let advice = host.advice(binary);
        assert_eq!(advice.len(), 4);
        assert!(advice[2].contains("profile sbsh \"/usr/bin/sbsh\" flags=(unconfined) {\n  userns,\n"));
        let fine = Host { most_user_namespaces: Some(1), unprivileged_clone: Some(1), ..Host::default() };
        assert_eq!(fine.advice(binary), [""; 0]);
    }
}
