//! Which agents, started in this environment, would run their commands through sbsh. Owns how each picks its shell
//! (DROP-IN.md); looks at names and links only, starts nothing.

use crate::caller::Caller;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

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
    pub remedy: &'static str,
}

/// Looks at every agent whose way is known.
pub fn look(caller: &Caller) -> Vec<Finding> {
    let own = std::env::current_exe().ok().and_then(|exe| std::fs::canonicalize(exe).ok());
    let finding = |agent, shell: Option<PathBuf>, remedy| {
        let real = shell.as_ref().and_then(|path| std::fs::canonicalize(path).ok());
        Finding { agent, through: real.is_some() && real == own, shell, remedy }
    };
    let variable = |name: &str| caller.variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let account = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.shell);
    let bash = on_path(caller, "bash");
    let claude =
        variable("CLAUDE_CODE_SHELL").into_iter().chain(variable("SHELL")).find(|shell| names_a_shell(shell));
    let codex = account.filter(|shell| has_name(shell, &["bash", "zsh", "sh"])).or_else(|| bash.clone());
    vec![
        finding(
            "Claude Code",
            claude.or_else(|| bash.clone()),
            "set CLAUDE_CODE_SHELL to the alias .../aliases/bash",
        ),
        finding(
            "Codex",
            codex,
            "make an alias the login shell (install.sh --login-shell), or put the alias directory first on PATH",
        ),
        finding("Gemini CLI", bash.clone(), "put the alias directory first on PATH"),
        finding("opencode", variable("SHELL"), "set SHELL to sbsh or an alias"),
        finding("goose, Cline", bash, "put the alias directory first on PATH"),
    ]
}

/// Claude Code takes a shell only if its path contains one of these words.
fn names_a_shell(shell: &Path) -> bool {
    let text = shell.to_string_lossy();
    text.contains("bash") || text.contains("zsh")
}

fn has_name(shell: &Path, names: &[&str]) -> bool {
    shell.file_name().and_then(OsStr::to_str).is_some_and(|name| names.contains(&name))
}

fn on_path(caller: &Caller, name: &str) -> Option<PathBuf> {
    caller
        .program_directories()
        .iter()
        .map(|directory| directory.join(name))
        .find(|p| crate::system::process::is_program(p))
}
