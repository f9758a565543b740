//! Which inner shell, and starting it without a boundary of ours around it: when the boundary is there already, or
//! when a person's settings say so.

use super::Stop;
use super::prepare::Prepared;
use crate::caller::Caller;
use crate::cli::{CommandInput, InnerShell, ShellInvocation};
use crate::exit;
use crate::system::process;
use nix::errno::Errno;
use std::ffi::{CString, OsString};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where shells are looked for: never by the caller's PATH, which would find sbsh's own aliases or worse.
pub const DIRECTORIES: &[&str] = &["/bin", "/usr/bin", "/usr/local/bin", "/run/current-system/sw/bin"];

/// A chosen inner shell.
#[derive(Debug)]
pub struct Shell {
    /// How sbsh was called.
    pub invocation: ShellInvocation,
    /// The program.
    pub path: PathBuf,
}

/// By the name that sbsh was called by, else by the setting, else bash, else sh.
///
/// # Errors
/// [`Stop::NotFound`].
pub fn choose(invocation: ShellInvocation, prepared: &Prepared) -> Result<Shell, Stop> {
    if invocation.inner == InnerShell::BySetting
        && let Some((inner, path)) = set(prepared)?
    {
        return Ok(Shell { invocation: invocation.read_as(inner), path });
    }
    let path = find(invocation.inner)?;
    Ok(Shell { invocation, path })
}

/// The program that [`choose`] takes where sbsh is called by its own name.
///
/// # Errors
/// As there.
pub fn default(prepared: &Prepared) -> Result<PathBuf, Stop> {
    set(prepared)?.map_or_else(|| find(InnerShell::BySetting), |(_, path)| Ok(path))
}

/// The shell that settings name.
fn set(prepared: &Prepared) -> Result<Option<(InnerShell, PathBuf)>, Stop> {
    let Some(setting) = &prepared.policy.shell else { return Ok(None) };
    if !process::is_program(&setting.value) {
        return Err(Stop::NotFound(format!(
            "cannot start the inner shell '{}': it is not an executable file; change 'shell' at {}",
            setting.value.display(),
            setting.origin
        )));
    }
    // Of another shell it is not known which of its arguments it executes, so no rule could judge them.
    let Some(inner) = InnerShell::from_path(&setting.value) else {
        return Err(Stop::NotFound(format!(
            "cannot use the inner shell '{}': it must be named bash, sh, dash, zsh or fish; change 'shell' at {}",
            setting.value.display(),
            setting.origin
        )));
    };
    Ok(Some((inner, setting.value.clone())))
}

fn find(inner: InnerShell) -> Result<PathBuf, Stop> {
    let names: &[&str] = if inner == InnerShell::BySetting { &["bash", "sh"] } else { &[inner.name()] };
    let own = std::env::current_exe().ok();
    names
        .iter()
        .flat_map(|name| DIRECTORIES.iter().map(move |directory| Path::new(directory).join(name)))
        .find(|path| process::is_program(path) && std::fs::canonicalize(path).ok() != own)
        .ok_or_else(|| {
            Stop::NotFound(format!(
                "cannot start {}: not found in {}; install it or set 'shell'",
                inner.name(),
                DIRECTORIES.join(", ")
            ))
        })
}

impl Shell {
    /// Its argv: the name as the caller gave it (`exec -a NAME`), but where that is sbsh's own, the inner shell's; `-` in
    /// front stays.
    pub fn arguments(&self) -> Vec<CString> {
        let mut name = OsString::new();
        if own_name(&self.invocation.argv0) {
            if self.invocation.login {
                name.push("-");
            }
            name.push(self.path.file_name().unwrap_or(self.path.as_os_str()));
        } else {
            name.push(&self.invocation.argv0);
        }
        std::iter::once(&name)
            .chain(&self.invocation.arguments)
            .filter_map(|argument| CString::new(argument.as_bytes()).ok())
            .collect()
    }

    /// Whether it will control jobs on the terminal from its start.
    pub fn is_interactive(&self) -> bool {
        match self.invocation.input {
            CommandInput::Interactive | CommandInput::Text { interactive: true, .. } => true,
            CommandInput::Stdin => std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            _ => false,
        }
    }

    /// Its file.
    pub fn file(&self) -> CString {
        CString::new(self.path.as_os_str().as_bytes()).unwrap_or_default()
    }

    fn execute(&self, caller: &Caller) -> Stop {
        let error = process::exec(&self.file(), &self.arguments(), &caller.whole_environment());
        let text = format!("cannot start '{}': {}", self.path.display(), error.desc());
        if error == Errno::ENOENT { Stop::NotFound(text) } else { Stop::Failed(text, exit::REFUSED) }
    }
}

/// Whether a base name is sbsh's: no shell knows itself by that.
fn own_name(argv0: &std::ffi::OsStr) -> bool {
    let bytes = argv0.as_bytes();
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    bytes.rsplit(|&b| b == b'/').next() == Some(b"sbsh")
}

/// Says to a shell's start-up files' own sbsh that it was started by one.
const NESTED: &str = "SBSH_NESTED";

/// Inside the boundary already: nothing is read, asked or built again.
///
/// # Errors
/// When the shell cannot be started; otherwise this process becomes it.
pub fn nested(invocation: &ShellInvocation, caller: &Caller) -> Result<i32, Stop> {
    let path = find(invocation.inner)?;
    let mut invocation = invocation.clone();
    let mut caller = caller.clone();
    if matches!(invocation.input, CommandInput::Stdin | CommandInput::Interactive) {
        // `exec sbsh` in a start-up file would go round for ever: the second one reads none.
        if caller.variable(NESTED).is_some() {
            let quiet: &[&str] = match InnerShell::from_path(&path) {
                Some(InnerShell::Bash) => &["--norc", "--noprofile"],
                Some(InnerShell::Zsh) => &["-f"],
                _ => &[],
            };
            invocation.arguments.splice(0..0, quiet.iter().map(OsString::from));
        }
        caller.environment.push((NESTED.into(), "1".into()));
    }
    Err(Shell { invocation, path }.execute(&caller))
}

/// Without a boundary, because `enabled` is false in a file that may say so.
///
/// # Errors
/// When the shell cannot be started; otherwise this process becomes it.
pub fn unconfined(shell: &Shell, caller: &Caller) -> Result<i32, Stop> {
    Err(shell.execute(caller))
}
