//! Which agents there are, how each picks the shell that it starts (DROP-IN.md), and what that is in a given environment.
//!
//! Owns that knowledge. Looks at names and links only, starts nothing.

use crate::caller::Caller;
use crate::system::process;
use nix::unistd::User;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// How an agent picks its shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `$CLAUDE_CODE_SHELL`, else `$SHELL`, if bash or zsh is part of its path; else `bash` by `PATH`.
    NamedVariable,
    /// The account's, if it is called bash, zsh or sh; else `bash` by `PATH`.
    Account,
    /// `bash` by `PATH`.
    Path,
    /// `$SHELL`.
    Variable,
    /// `$SHELL` on a terminal, else `/bin/sh`.
    VariableAtTerminal,
}

/// One agent.
#[derive(Debug, PartialEq, Eq)]
pub struct Agent {
    /// What people call it.
    pub name: &'static str,
    /// What its program is called.
    pub program: &'static str,
    /// How it picks its shell.
    pub way: Way,
}

/// All whose way is known.
pub const AGENTS: &[Agent] = &[
    Agent { name: "Claude Code", program: "claude", way: Way::NamedVariable },
    Agent { name: "Codex", program: "codex", way: Way::Account },
    Agent { name: "Gemini CLI", program: "gemini", way: Way::Path },
    Agent { name: "opencode", program: "opencode", way: Way::Variable },
    Agent { name: "aider", program: "aider", way: Way::VariableAtTerminal },
    Agent { name: "goose", program: "goose", way: Way::Path },
    Agent { name: "Cline", program: "cline", way: Way::Path },
];

/// The agent whose program is called so.
pub fn known(program: &OsStr) -> Option<&'static Agent> {
    AGENTS.iter().find(|agent| program == agent.program)
}

impl Way {
    /// The shell that is started in this environment, if one can be told.
    pub fn shell(self, caller: &Caller) -> Option<PathBuf> {
        let variable = |name: &str| caller.variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let bash = || on_path(caller, OsStr::new("bash"));
        match self {
            Way::NamedVariable => {
                let named = variable("CLAUDE_CODE_SHELL")
                    .into_iter()
                    .chain(variable("SHELL"))
                    .find(|s| names_a_shell(s));
                named.or_else(bash)
            }
            Way::Account => {
                let shell = account().map(|user| user.shell);
                shell.filter(|shell| has_name(shell, &["bash", "zsh", "sh"])).or_else(bash)
            }
            Way::Path => bash(),
            Way::Variable => variable("SHELL"),
            Way::VariableAtTerminal => {
                let shell = variable("SHELL").filter(|_| std::io::stdin().is_terminal());
                shell.or(Some("/bin/sh".into()))
            }
        }
    }

    /// What a person can do where that is not sbsh.
    pub fn remedy(self) -> &'static str {
        match self {
            Way::NamedVariable => "set CLAUDE_CODE_SHELL to the alias .../aliases/bash",
            Way::Account => {
                "make an alias the login shell (install.sh --login-shell), or put the alias directory first on PATH"
            }
            Way::Path => "put the alias directory first on PATH",
            Way::Variable => "set SHELL to sbsh or an alias",
            Way::VariableAtTerminal => {
                "start it on a terminal with SHELL set to sbsh or an alias: without a terminal it takes /bin/sh"
            }
        }
    }
}

/// One agent and what it would start.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The agent.
    pub agent: &'static str,
    /// The shell that it would start, if one can be told.
    pub shell: Option<PathBuf>,
    /// Whether that is sbsh.
    pub through: bool,
    /// What would change it.
    pub remedy: String,
}

/// Looks at every agent whose way is known.
pub fn look(caller: &Caller) -> Vec<Finding> {
    let finding = |agent: &Agent| {
        let shell = agent.way.shell(caller);
        let remedy = format!("sbshctl agent -- {}; or {}", agent.program, agent.way.remedy());
        Finding { agent: agent.name, through: shell.as_deref().is_some_and(process::is_this), shell, remedy }
    };
    AGENTS.iter().map(finding).collect()
}

/// This process's account.
pub fn account() -> Option<User> {
    User::from_uid(nix::unistd::geteuid()).ok().flatten()
}

/// The program of this name by the caller's `PATH`.
pub fn on_path(caller: &Caller, name: &OsStr) -> Option<PathBuf> {
    let mut places = caller.program_directories().into_iter().map(|directory| directory.join(name));
    places.find(|place| process::is_program(place))
}

/// Claude Code takes a shell only if its path contains one of these words.
fn names_a_shell(shell: &Path) -> bool {
    let text = shell.to_string_lossy();
    text.contains("bash") || text.contains("zsh")
}

fn has_name(shell: &Path, names: &[&str]) -> bool {
    shell.file_name().and_then(OsStr::to_str).is_some_and(|name| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn caller(variables: &[(&str, &str)]) -> Caller {
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Caller { environment, directory: None, home: None }
    }

    #[test]
    fn each_agent_picks_its_shell_in_its_own_way() {
        let top = tempfile::tempdir().unwrap();
        let bash = top.path().join("bash");
        symlink("/bin/sh", &bash).unwrap();
        let path = top.path().to_str().unwrap();
        let shell = |program: &str, variables: &[(&str, &str)]| {
            let variables: Vec<_> = variables.iter().copied().chain([("PATH", path)]).collect();
            known(OsStr::new(program)).unwrap().way.shell(&caller(&variables))
        };
        let from = |text: &str| Some(PathBuf::from(text));
        assert_eq!(shell("claude", &[("CLAUDE_CODE_SHELL", "/x/zsh"), ("SHELL", "/y/bash")]), from("/x/zsh"));
        assert_eq!(
            shell("claude", &[("CLAUDE_CODE_SHELL", "/x/sbsh"), ("SHELL", "/y/bash")]),
            from("/y/bash")
        );
        assert_eq!(shell("claude", &[("SHELL", "/usr/bin/sbsh")]), Some(bash.clone()));
        assert_eq!(shell("gemini", &[("SHELL", "/x/sbsh")]), Some(bash.clone()));
        assert_eq!(shell("opencode", &[("SHELL", "/x/sbsh")]), from("/x/sbsh"));
        assert_eq!(shell("opencode", &[("SHELL", "")]), None);
        assert_eq!(known(OsStr::new("vim")), None);
    }

    #[test]
    fn this_program_is_known_by_any_name() {
        let top = tempfile::tempdir().unwrap();
        let alias = top.path().join("bash");
        symlink(std::env::current_exe().unwrap(), &alias).unwrap();
        assert!(
            process::is_this(&alias)
                && !process::is_this(Path::new("/bin/sh"))
                && !process::is_this(&top.path().join("gone"))
        );
    }
}
