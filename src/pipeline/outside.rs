//! Running one program outside: finding it where confined code cannot have put it, and becoming it.

use super::Stop;
use super::prepare::Prepared;
use crate::caller::Caller;
use crate::exit;
use crate::policy::{Access, PathPattern, WorkingRoot};
use crate::system::process;
use crate::verdict::DirectCommand;
use nix::errno::Errno;
use std::ffi::{CString, OsStr};
use std::io::Read;
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
        if is_made_inside(&candidate, prepared) {
            passed_over.get_or_insert(candidate);
            continue;
        }
        return Ok(Program { path: candidate, argv: command.argv.clone() });
    }
    let text = match passed_over {
        Some(path) => format!(
            "cannot run '{name}' outside: '{}' or what interprets it lies where confined commands can write",
            path.display()
        ),
        None => format!("cannot run '{name}' outside: not found on PATH"),
    };
    Err(Stop::NotFound(text))
}

/// Whether confined code can have put this file there.
pub fn is_writable_inside(path: &Path, prepared: &Prepared) -> bool {
    // A project that is itself on PATH is not writable this time, but was or will be under another PATH.
    if let WorkingRoot::None { candidate, .. } = &prepared.policy.working_root
        && prepared.locations.program_dirs.contains(candidate)
        && path.starts_with(candidate)
    {
        return true;
    }
    // A directory or a link on the way that can be written can be made to lead elsewhere; the kernel's own links lead
    // elsewhere in each process.
    let leads_elsewhere =
        |step: &PathBuf| prepared.policy.files.access(step) == Access::Write || step.starts_with("/proc");
    steps(path).is_none_or(|steps| steps.iter().any(leads_elsewhere))
}

/// Every place that the kernel looks at on the way to a path, each as it is without symlinks; `None` if there is no end.
fn steps(path: &Path) -> Option<Vec<PathBuf>> {
    const MOST: usize = 40; // MAXSYMLINKS
    let (mut at, mut links, mut all) = (PathBuf::from("/"), 0, Vec::new());
    let names = |path: &Path| path.components().rev().map(|c| c.as_os_str().to_owned()).collect::<Vec<_>>();
    let mut left = names(path);
    while let Some(name) = left.pop() {
        match name.as_bytes() {
            b"/" => at = PathBuf::from("/"),
            b"." => {}
            b".." => drop(at.pop()),
            _ => {
                let step = at.join(name);
                all.push(step.clone());
                match std::fs::read_link(&step) {
                    Ok(_) if links == MOST => return None,
                    Ok(target) => {
                        links += 1;
                        left.extend(names(&target));
                    }
                    Err(_) => at = step,
                }
            }
        }
    }
    Some(all)
}

/// Whether confined code can have put this program there, or what interprets it.
pub fn is_made_inside(program: &Path, prepared: &Prepared) -> bool {
    let mut next = Some(program.to_path_buf());
    // The kernel follows no more (execve(2)).
    for _ in 0..6 {
        let Some(file) = next else { return false };
        // Relative to the directory that it is started in.
        if !file.is_absolute() || is_writable_inside(&file, prepared) {
            return true;
        }
        next = interpreter(&file);
    }
    true
}

/// What the first line of a script names.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut head = [0; 256]; // BINPRM_BUF_SIZE
    let length = std::fs::File::open(script).ok()?.read(&mut head).ok()?;
    let line = head.get(..length)?.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let name = line.split(|byte| b" \t".contains(byte)).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

/// The caller's environment with these variables, and without the places on PATH where confined code can write: what
/// runs outside would find its own helpers there.
pub fn environment(prepared: &Prepared, caller: &Caller, set: &[(&str, &OsStr)]) -> Vec<CString> {
    let directories = caller.program_directories();
    let kept = directories.iter().filter(|directory| !is_writable_inside(directory, prepared));
    // An empty PATH would be the working directory.
    let path = std::env::join_paths(kept).ok().filter(|path| !path.is_empty());
    let path = path.unwrap_or_else(|| "/usr/bin:/bin".into());
    let set: Vec<(&str, &OsStr)> = set.iter().copied().chain([("PATH", path.as_os_str())]).collect();
    caller.environment_for(|_| false, &set)
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
pub fn run(program: &Program, prepared: &Prepared, caller: &Caller) -> Result<i32, Stop> {
    let path = CString::new(program.path.as_os_str().as_bytes()).unwrap_or_default();
    let argv: Vec<CString> = program.argv.iter().filter_map(|a| CString::new(a.as_bytes()).ok()).collect();
    let error = process::exec(&path, &argv, &environment(prepared, caller, &[]));
    let text = format!("cannot start '{}' outside: {}", program.path.display(), error.desc());
    Err(if error == Errno::ENOENT { Stop::NotFound(text) } else { Stop::Failed(text, exit::REFUSED) })
}
