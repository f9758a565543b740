//! Which shell runs inside. Owns the names only; where the program is found is `run`'s.

use std::ffi::OsStr;
use std::path::Path;

/// The inner shell that a name chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InnerShell {
    /// bash.
    Bash,
    /// zsh.
    Zsh,
    /// The system's `sh`: dash on Debian, bash or another elsewhere.
    Sh,
    /// fish.
    Fish,
    /// No name chose one: the setting `shell` does, else bash.
    BySetting,
}

impl InnerShell {
    /// By a base name, which must be exactly the shell's.
    pub fn from_name(name: &OsStr) -> InnerShell {
        match name.to_str() {
            Some("bash") => InnerShell::Bash,
            Some("zsh") => InnerShell::Zsh,
            Some("sh") => InnerShell::Sh,
            Some("fish") => InnerShell::Fish,
            _ => InnerShell::BySetting,
        }
    }

    /// By the path that the setting `shell` names; the grammar of [`super::CommandInput::read`] follows it.
    /// `None` is a shell whose grammar is not known: what it would execute could not be judged.
    pub fn from_path(path: &Path) -> Option<InnerShell> {
        match path.file_name().and_then(OsStr::to_str)? {
            "dash" | "ash" => Some(InnerShell::Sh),
            "rbash" => Some(InnerShell::Bash),
            name => {
                Some(InnerShell::from_name(OsStr::new(name))).filter(|shell| *shell != InnerShell::BySetting)
            }
        }
    }

    /// The program's name; bash where only settings could say.
    pub fn name(self) -> &'static str {
        match self {
            InnerShell::Bash | InnerShell::BySetting => "bash",
            InnerShell::Zsh => "zsh",
            InnerShell::Sh => "sh",
            InnerShell::Fish => "fish",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_must_name_a_known_shell() {
        assert_eq!(InnerShell::from_path(Path::new("/bin/dash")), Some(InnerShell::Sh));
        assert_eq!(InnerShell::from_path(Path::new("/usr/local/bin/fish")), Some(InnerShell::Fish));
        assert_eq!(InnerShell::from_path(Path::new("/bin/ksh")), None);
        assert_eq!(InnerShell::from_path(Path::new("/")), None);
    }
}
