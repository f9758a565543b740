//! Running one program outside: finding it where confined code cannot have put it, and becoming it.

use super::Stop;
use super::prepare::Prepared;
use crate::caller::Caller;
use crate::exit;
use crate::policy::{Access, PathPattern, WorkingRoot};
use crate::system::process;
use crate::verdict::DirectCommand;
use nix::errno::Errno;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A program that was found, with its argv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file that is executed.
    pub path: PathBuf,
    /// Its argv.
    pub argv: Vec<String>,
}

/// Finds the command word on the caller's PATH, passing over everything that confined code could have written.
///
/// # Errors
/// [`Stop::NotFound`].
pub fn find(command: &DirectCommand, prepared: &Prepared, caller: &Caller) -> Result<Program, Stop> {
    let name = command.argv.first().map_or("", String::as_str);
    let candidates: Vec<PathBuf> = if name.starts_with('/') {
        vec![PathBuf::from(name)]
    } else {
        caller.program_directories().iter().map(|directory| directory.join(name)).collect()
    };
    let own = std::env::current_exe().ok();
    let mut passed_over = None;
    for candidate in candidates {
        let Ok(real) = std::fs::canonicalize(&candidate) else { continue };
        if !process::is_program(&real) || own.as_ref() == Some(&real) {
            continue;
        }
        if is_writable_inside(&candidate, prepared) || is_writable_inside(&real, prepared) {
            passed_over.get_or_insert(candidate);
            continue;
        }
        return Ok(Program { path: candidate, argv: command.argv.clone() });
    }
    let text = match passed_over {
        Some(path) => format!(
            "cannot run '{name}' outside: '{}' lies where confined commands can write",
            path.display()
        ),
        None => format!("cannot run '{name}' outside: not found on PATH"),
    };
    Err(Stop::NotFound(text))
}

fn is_writable_inside(path: &Path, prepared: &Prepared) -> bool {
    // A project that is itself on PATH is not writable this time, but was or will be under another PATH.
    if let WorkingRoot::None { candidate, .. } = &prepared.policy.working_root
        && prepared.locations.program_dirs.contains(candidate)
        && path.starts_with(candidate)
    {
        return true;
    }
    // A directory on the way that can be written can be made to lead elsewhere.
    path.ancestors().any(|step| {
        let resolved = std::fs::canonicalize(step).unwrap_or_else(|_| step.to_path_buf());
        prepared.policy.files.access(&resolved) == Access::Write
    })
}

/// Literal places that confined code can write.
pub fn writable_roots(prepared: &Prepared) -> Vec<PathBuf> {
    prepared
        .policy
        .files
        .writable
        .iter()
        .map(|rule| match &rule.pattern {
            PathPattern::Literal(path) => path.clone(),
            PathPattern::Glob(glob) => glob.base.clone(),
        })
        .collect()
}

/// Becomes the program, with the caller's own environment.
///
/// # Errors
/// When it cannot be started.
pub fn run(program: &Program, caller: &Caller) -> Result<i32, Stop> {
    let path = CString::new(program.path.as_os_str().as_bytes()).unwrap_or_default();
    let argv: Vec<CString> = program.argv.iter().filter_map(|a| CString::new(a.as_bytes()).ok()).collect();
    let error = process::exec(&path, &argv, &caller.whole_environment());
    let text = format!("cannot start '{}' outside: {}", program.path.display(), error.desc());
    Err(if error == Errno::ENOENT { Stop::NotFound(text) } else { Stop::Failed(text, exit::REFUSED) })
}
