//! Raw bubblewrap with the arguments that sbsh itself would give it: what sbsh is held against.

use super::turns::Case;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// bash in bubblewrap, without sbsh.
pub fn bare(sbsh: &Path, home: &OsStr, project: &Path) -> Result<Case, String> {
    let mut bwrap = arguments(sbsh, home, project)?;
    bwrap.extend(["/bin/bash", "-c", "true"].map(OsString::from));
    let bwrap: Vec<&OsStr> = bwrap.iter().map(OsString::as_os_str).collect();
    Ok(Case::new("bwrap, the same arguments, bash -c true", home, project.into(), &bwrap)?.with_third())
}

fn arguments(sbsh: &Path, home: &OsStr, project: &Path) -> Result<Vec<OsString>, String> {
    let mut command = Command::new(sbsh);
    std::os::unix::process::CommandExt::arg0(&mut command, "sbshctl");
    command.args(["explain", "--json", "--", "true"]).env("HOME", home).current_dir(project);
    let output = command.output().map_err(|e| e.to_string())?;
    let explained: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("sbshctl explain: {e}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let argv = explained.get("argv").and_then(|a| a.as_array()).ok_or("sbshctl explain prints no argv")?;
    let quoted: Vec<&str> = argv.iter().filter_map(|a| a.as_str()).collect();
    let words = shlex::split(&quoted.join(" ")).ok_or("sbshctl explain prints no shell words")?;
    Ok(words.into_iter().map(OsString::from).collect())
}
