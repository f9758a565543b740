//! Findings about Unix sockets: behind some of them anything can be started outside. Pure.

use super::{Finding, Severity, is_written};
use crate::policy::NetworkPolicy;

/// Well-known sockets, an example of their path each, and what speaking to them gives.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "is a way out: whoever speaks to it starts containers with the whole disk in them, as root",
        &[
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run/user/1000/docker.sock",
            "/run/podman/podman.sock",
            "/run/user/1000/podman/podman.sock",
            "/run/containerd/containerd.sock",
            "/run/crio/crio.sock",
            "/var/lib/lxd/unix.socket",
            "/var/run/libvirt/libvirt-sock",
            "/run/buildkit/buildkitd.sock",
            "/home/u/.docker/run/docker.sock",
            "/home/u/.colima/default/docker.sock",
        ],
    ),
    (
        "is a way out: whoever speaks to it starts programs outside, for example by systemd",
        &[
            "/run/user/1000/bus",
            "/run/dbus/system_bus_socket",
            "/var/run/dbus/system_bus_socket",
            "/run/user/1000/systemd/private",
            "/run/systemd/private",
            "/run/user/1000/at-spi/bus",
            "/run/snapd.socket",
        ],
    ),
    (
        "lends your keys: whoever speaks to it signs and logs in with your keys",
        &[
            "/tmp/ssh-XXXX/agent.1",
            "/run/user/1000/keyring/ssh",
            "/run/user/1000/gnupg/S.gpg-agent.ssh",
            "/home/u/.gnupg/S.gpg-agent.extra",
            "/run/user/1000/ssh-agent.socket",
            "/run/user/1000/keyring/control",
            "/run/user/1000/openssh_agent",
            "/home/u/.1password/agent.sock",
        ],
    ),
    (
        "is a way out: whoever speaks to it types into your programs and reads your screen",
        &[
            "/tmp/.X11-unix/X0",
            "/run/user/1000/wayland-0",
            "/tmp/tmux-1000/default",
            "/run/screen/S-u/1",
            "/run/user/1000/pipewire-0",
            "/run/user/1000/kitty",
            "/run/user/1000/nvim.1.0",
            "/run/WSL/1_interop",
        ],
    ),
    (
        "gives your keys away: whoever speaks to it has secret keys without a passphrase, or with a remembered one, exported; \
         S.gpg-agent.extra beside it only signs and decrypts",
        &["/run/user/1000/gnupg/S.gpg-agent", "/home/u/.gnupg/S.gpg-agent"],
    ),
    (
        "is a way out: whoever speaks to it has it start programs outside, by triggers",
        &["/usr/local/var/run/watchman/u-state/sock", "/home/u/.local/state/watchman/u-state/sock"],
    ),
];

pub(super) fn findings(network: &NetworkPolicy) -> Vec<Finding> {
    let mut all = Vec::new();
    for socket in network.unix_sockets.iter().filter(|socket| is_written(&socket.origin)) {
        if let Some(why) = known(&socket.value) {
            let advice = "exclude the program that needs it instead (sbshctl exclude), so that each call is asked about";
            all.push(Finding::new(Severity::Danger, "socket", &socket.value, &socket.origin, why, advice));
        }
    }
    if let Some(switch) = network.all_unix_sockets.as_ref().filter(|s| s.value && is_written(&s.origin)) {
        let why = "opens every Unix socket of this machine, Docker's and D-Bus's too: a command can leave the sandbox";
        let advice = "name the sockets in allowUnixSockets";
        all.push(Finding::new(
            Severity::Danger,
            "all-sockets",
            "network.allowAllUnixSockets",
            &switch.origin,
            why,
            advice,
        ));
    }
    all
}

/// What a path or glob opens, if it is known: the path itself, a directory above it, or the same name elsewhere.
pub(super) fn known(entry: &str) -> Option<&'static str> {
    let last = entry.rsplit('/').next().unwrap_or(entry);
    let fits = |known: &&str| {
        let named = || fast_glob::glob_match(entry, known);
        let above =
            || known.strip_prefix(entry.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
        let telling =
            !matches!(last, "default" | "1" | "bus" | "private" | "control" | "ssh" | "kitty" | "sock");
        let same = || telling && known.rsplit('/').next() == Some(last);
        let user = || entry.ends_with("/bus") && entry.starts_with("/run/user/");
        named() || above() || same() || (known.ends_with("/bus") && user())
    };
    let agent = entry.contains("/ssh-") && entry.contains("agent");
    let by_name = |index: usize| KNOWN.get(index).map(|(why, _)| *why);
    if agent {
        return by_name(2);
    }
    if entry.contains("/watchman/") {
        return by_name(5);
    }
    if entry.starts_with("/tmp/tmux-") || entry.starts_with("/tmp/.X11-unix/") {
        return by_name(3);
    }
    KNOWN.iter().find(|(_, paths)| paths.iter().any(&fits)).map(|(why, _)| *why)
}

#[cfg(test)]
mod tests {
    use super::super::Facts;
    use super::super::tests::{kinds, one};

    #[test]
    fn sockets_that_lead_outside() {
        for entry in [
            "/var/run/docker.sock",
            "/run/user/60606/bus",
            "/run/**",
            "/tmp/ssh-abc/agent.77",
            "/tmp/tmux-0/default",
            "/tmp/.X11-unix/X1",
            "/run/user/*/bus",
            "/opt/podman/podman.sock",
            "/usr/local/var/run/watchman/me-state/sock",
            "/root/.gnupg/S.gpg-agent",
            "/root/.gnupg/S.gpg-agent.extra",
            "/",
        ] {
            let text = format!(r#"{{"sandbox": {{"allowUnixSockets": ["{entry}"]}}}}"#);
            assert_eq!(
                kinds(&text, &Facts::default()),
                [one("socket", &entry.replace("/**", ""))],
                "{entry}"
            );
        }
        for entry in [
            "/run/postgresql/.s.PGSQL.5432",
            "/tmp/app.sock",
            "/run/mysqld/mysqld.sock",
            "/tmp/x/default",
            "/run/x/sock",
        ] {
            let text = format!(r#"{{"sandbox": {{"allowUnixSockets": ["{entry}"]}}}}"#);
            assert_eq!(kinds(&text, &Facts::default()), [], "{entry}");
        }
        let all = r#"{"sandbox": {"network": {"allowAllUnixSockets": true}}}"#;
        assert_eq!(kinds(all, &Facts::default()), [one("all-sockets", "network.allowAllUnixSockets")]);
    }
}
