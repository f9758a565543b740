//! `sbshctl agent`: its options and operands as a value. Owns what they mean together.

use super::admin::Given;
use std::ffi::OsString;
use std::path::PathBuf;

/// How an agent is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentStart {
    /// What its commands may write.
    pub root: Option<PathBuf>,
    /// Only the environment that it takes, for a shell to evaluate.
    pub print_env: bool,
    /// It may ask for the account's login shell.
    pub account_shell: bool,
    /// Its program and arguments.
    pub words: Vec<OsString>,
}

/// Which agent, and how.
pub(super) fn start(given: Given) -> Result<AgentStart, &'static str> {
    let (print_env, account_shell) = (given.has("print-env"), given.has("account-shell"));
    let root = given.value("root").map(PathBuf::from);
    if root.as_ref().is_some_and(|root| root.as_os_str().is_empty()) {
        return Err("--root takes a directory");
    }
    let words = given.operands;
    match (print_env, words.is_empty()) {
        (true, false) => Err("--print-env starts no agent: leave it or the agent away"),
        (true, true) if account_shell => Err("--account-shell is for an agent that is started"),
        (false, true) => Err("say which agent, as in 'sbshctl agent -- claude'"),
        _ => Ok(AgentStart { root, print_env, account_shell, words }),
    }
}
