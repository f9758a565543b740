//! `sbshctl agent`: starts an agent so that the commands it runs go through sbsh, and makes sure that they do.
//!
//! Owns the environment that this takes, and the trial of the shell that the agent will pick. The agent itself is not confined; this
//! process becomes it. An agent whose commands would not be confined is not started.

mod account;
mod aliases;

use super::agents::{self, Way};
use super::only_outside;
use crate::caller::{Caller, SESSION, SESSIONS};
use crate::cli::AgentStart;
use crate::pipeline::prepare::{self, Prepared};
use crate::pipeline::{Stop, outside};
use crate::policy::Mode;
use crate::policy::root;
use crate::system::{private, process};
use crate::{exit, report};
use std::ffi::{CString, OsStr, OsString};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Starts the agent, or prints the environment that it would get.
///
/// # Errors
/// Broken settings; an agent that would not be confined; what keeps it from being started. Otherwise this process becomes it.
pub fn run(start: &AgentStart, caller: &Caller) -> Result<i32, Stop> {
    only_outside("agent")?;
    let mut caller = caller.clone();
    if let Some(root) = &start.root {
        enter(root, &mut caller)?;
    }
    let prepared = prepare::policy(&caller)?;
    let aliases = aliases::find(&prepared, &outside::writable_roots(&prepared)).map_err(failed)?;
    let path = caller.clone();
    let changes =
        changes(&aliases, &caller).map_err(|error| failed(format!("cannot draw a number: {error}")))?;
    if start.print_env {
        return super::print(&exports(&changes, &aliases, start.root.is_some(), &caller));
    }
    for (name, value) in changes {
        caller.set(&name, value);
    }
    caller.state_directory().iter().for_each(|state| forget_old_sessions(&state.join(SESSIONS)));
    let Some(program) = start.words.first() else {
        return Err(failed("no agent is named".into()));
    };
    let file = found(program, &path)?;
    prepared.policy.notices.iter().for_each(|notice| report::notice(&notice.text));
    let name = Path::new(program).file_name().unwrap_or(program).to_owned();
    let shells = shells(&name, start.account_shell, &aliases, &caller)?;
    for shell in &shells {
        check(shell, &name, &prepared, &caller)?;
    }
    tell(&name, &prepared);
    let words = start.words.iter().filter_map(|word| CString::new(word.as_bytes()).ok()).collect::<Vec<_>>();
    let target = CString::new(file.as_os_str().as_bytes()).unwrap_or_default();
    let error = process::exec(&target, &words, &caller.whole_environment());
    Err(Stop::Failed(format!("cannot start '{}': {}", file.display(), error.desc()), exit::REFUSED))
}

fn failed(text: String) -> Stop {
    Stop::Failed(text, exit::REFUSED)
}

/// Makes a directory the working root of all commands, and goes there if this is not below it.
fn enter(root: &Path, caller: &mut Caller) -> Result<(), Stop> {
    let wrong =
        |error: std::io::Error| failed(format!("cannot make '{}' the working root: {error}", root.display()));
    let real = std::fs::canonicalize(root).map_err(wrong)?;
    if caller.directory.as_ref().is_none_or(|directory| !directory.starts_with(&real)) {
        std::env::set_current_dir(&real).map_err(wrong)?;
        caller.directory = Some(real.clone());
        caller.set("PWD", real.clone().into());
    }
    caller.set(root::VARIABLE, real.into());
    Ok(())
}

/// What an agent is told, whichever it is: each looks at some of it.
fn changes(aliases: &Path, caller: &Caller) -> std::io::Result<Vec<(String, OsString)>> {
    let own = caller.variable("SHELL").map(Path::new).and_then(Path::file_name);
    let shell = aliases.join(if own == Some(OsStr::new("zsh")) { "zsh" } else { "bash" });
    let mut path = OsString::from(aliases);
    if let Some(before) = caller.variable("PATH").filter(|path| !path.is_empty()) {
        path.push(":");
        path.push(before);
    }
    let session = match caller.variable(SESSION).filter(|token| !token.is_empty()) {
        Some(token) => token.to_owned(),
        None => private::token()?.into(),
    };
    let all = [
        ("SHELL", shell.clone().into()),
        ("CLAUDE_CODE_SHELL", shell.into()),
        ("PATH", path),
        (SESSION, session),
    ];
    Ok(all.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The same for a shell to evaluate.
fn exports(changes: &[(String, OsString)], aliases: &Path, rooted: bool, caller: &Caller) -> String {
    let quoted = |value: &OsStr| {
        let quoted = shlex::bytes::try_quote(value.as_bytes()).unwrap_or_default();
        String::from_utf8_lossy(&quoted).into_owned()
    };
    let mut text = String::new();
    for (name, value) in changes {
        // Whoever evaluates it may have another one.
        let value = match name.as_str() {
            "PATH" => format!("{}:\"$PATH\"", quoted(aliases.as_os_str())),
            _ => quoted(value),
        };
        text += &format!("export {name}={value}\n");
    }
    if let Some(root) = caller.variable(root::VARIABLE).filter(|_| rooted) {
        text += &format!("export {}={}\n", root::VARIABLE, quoted(root));
    }
    text
}

/// How long answers for a session are kept after the last of them.
const LONG_AGO: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn forget_old_sessions(directory: &Path) {
    for file in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let changed = file.metadata().and_then(|metadata| metadata.modified());
        if changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LONG_AGO)) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

/// The agent's file: by its path, else by the caller's `PATH`, in which the aliases are not.
fn found(program: &OsStr, caller: &Caller) -> Result<PathBuf, Stop> {
    let file = match program.as_bytes().contains(&b'/') {
        true => Some(PathBuf::from(program)).filter(|path| process::is_program(path)),
        false => agents::on_path(caller, program),
    };
    let program = crate::system::visible::visible(program.as_bytes());
    file.ok_or_else(|| Stop::NotFound(format!("the agent '{program}' is not found, or is no program")))
}

/// Every shell that the agent may start.
fn shells(name: &OsStr, account_too: bool, aliases: &Path, caller: &Caller) -> Result<Vec<PathBuf>, Stop> {
    let known = agents::known(name);
    let ways = known.map_or(vec![Way::Variable, Way::Path, Way::NamedVariable], |agent| vec![agent.way]);
    let by_account = || agents::account().map(|account| account.shell).filter(|_| account_too);
    let picked = || ways.iter().filter_map(|way| way.shell(caller)).chain(by_account()).collect::<Vec<_>>();
    let asks_account = account_too || ways.contains(&Way::Account);
    if asks_account && !picked().iter().all(|shell| process::is_this(shell)) {
        account::show(&aliases.join("bash")).map_err(|why| {
            failed(format!(
                "{} asks for the account's login shell, which is not sbsh, and it cannot be shown another one: {why}; nothing was \
                 started; 'install.sh --login-shell' makes sbsh the login shell",
                Path::new(name).display()
            ))
        })?;
    }
    if known.is_none() && !account_too {
        report::notice(&format!(
            "'{}' is no agent that sbsh knows: if it takes its shell from the account instead of SHELL or PATH, add --account-shell",
            Path::new(name).display()
        ));
    }
    let mut shells = picked();
    shells.dedup();
    Ok(shells)
}

/// Whether a shell is sbsh, and runs a command as one.
fn check(shell: &Path, agent: &OsStr, prepared: &Prepared, caller: &Caller) -> Result<(), Stop> {
    let remedy = agents::known(agent).map(|agent| format!("; {}", agent.way.remedy())).unwrap_or_default();
    let agent = Path::new(agent).display();
    if !process::is_this(shell) {
        let text = format!(
            "{agent} would run its commands by '{}', which is not sbsh: nothing was started{remedy}",
            shell.display()
        );
        return Err(failed(text));
    }
    // Where every command is asked about, this one would be.
    if prepared.policy.mode.value != Mode::AutoAllow {
        return Ok(());
    }
    match trial(shell, caller) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(failed(format!("a command that was tried by '{}' for {agent} did not run", shell.display())))
        }
        Err(error) => Err(failed(format!("cannot try '{}' for {agent}: {error}", shell.display()))),
    }
}

/// Runs the least of commands, away from the terminal, and hears of it as only sbsh tells it.
fn trial(shell: &Path, caller: &Caller) -> std::io::Result<bool> {
    let (reader, writer) = nix::unistd::pipe()?;
    crate::system::descriptors::set_inherited(reader.as_raw_fd(), false);
    let mut command = Command::new(shell);
    command.args(["-c", ":"]).env_clear().envs(caller.environment.iter().map(|(name, value)| (name, value)));
    command.env("SBSH_REPORT", writer.as_raw_fd().to_string()).env_remove("SBSH_ASKPASS");
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    let status = command.status()?;
    drop(writer);
    let mut told = String::new();
    std::fs::File::from(reader).read_to_string(&mut told)?;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap_or_default();
    Ok(status.success() && told.get("ran") == Some(&true.into()))
}

/// One line before the agent draws over the terminal.
fn tell(agent: &OsStr, prepared: &Prepared) {
    let agent = Path::new(agent).display();
    if !prepared.policy.enabled.value {
        return report::notice(&format!(
            "commands of {agent} are NOT confined: sandbox.enabled is false ({})",
            prepared.policy.enabled.origin
        ));
    }
    let root = prepared.policy.working_root.path().map_or_else(
        || "there is no working root, they can write nothing".to_owned(),
        |root| format!("they can write '{}'", root.display()),
    );
    report::notice(&format!(
        "commands of {agent} run confined: {root}; their questions come in 'sbshctl approve', in another terminal"
    ));
}
