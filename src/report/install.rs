//! How to install bubblewrap on a distribution, by the text of its os-release file. Pure.

/// Distributions by the package manager that installs.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["debian", "ubuntu"], "sudo apt-get install bubblewrap"),
    (&["fedora", "rhel", "centos"], "sudo dnf install bubblewrap"),
    (&["arch"], "sudo pacman -S bubblewrap"),
    (&["suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles"], "sudo zypper install bubblewrap"),
    (&["alpine"], "sudo apk add bubblewrap"),
];

/// The command, by `ID`, else by the words of `ID_LIKE` in their order.
pub fn install_command(os_release: &str) -> Option<String> {
    let id = value(os_release, "ID");
    let like = value(os_release, "ID_LIKE");
    let names = id.into_iter().chain(like.into_iter().flat_map(str::split_whitespace));
    for name in names {
        if let Some((_, command)) = COMMANDS.iter().find(|(known, _)| known.contains(&name)) {
            return Some((*command).to_owned());
        }
    }
    None
}

/// The value of a key without its quotes; the last line counts, as in a shell.
fn value<'text>(os_release: &'text str, key: &str) -> Option<&'text str> {
    os_release.lines().rev().find_map(|line| {
        let value = line.trim().strip_prefix(key)?.strip_prefix('=')?;
        Some(value.trim_matches(|c| c == '"' || c == '\''))
    })
}

#[cfg(test)]
mod tests {
    use super::install_command;

    #[test]
    fn every_family_has_its_command() {
        let command = |text: &str| install_command(text).unwrap_or_default();
        assert_eq!(command("NAME=\"Debian\"\nID=debian\n"), "sudo apt-get install bubblewrap");
        assert_eq!(command("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), "sudo apt-get install bubblewrap");
        assert_eq!(command("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), "sudo dnf install bubblewrap");
        assert_eq!(command("ID=manjaro\nID_LIKE=arch\n"), "sudo pacman -S bubblewrap");
        assert_eq!(
            command("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"),
            "sudo zypper install bubblewrap"
        );
        assert_eq!(command("VERSION_ID=3.20\nID=alpine\n"), "sudo apk add bubblewrap");
        assert_eq!(install_command("ID=nixos\n"), None);
        assert_eq!(install_command(""), None);
    }
}
