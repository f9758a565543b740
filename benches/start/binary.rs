//! Which sbsh is measured: the one that people install, built statically where that can be done.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The binary that the environment names, else one built now.
pub fn find() -> Result<PathBuf, String> {
    match std::env::var_os("SBSH_BENCH_BINARY") {
        Some(path) => std::fs::canonicalize(&path).map_err(|e| format!("SBSH_BENCH_BINARY: {e}")),
        None => build(),
    }
}

fn build() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args([
        "build",
        "--locked",
        "--release",
        "--bin",
        "sbsh",
        "--message-format=json-render-diagnostics",
    ]);
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    if is_installed(&target) {
        command.args(["--target", &target]);
    }
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .next_back()
        .ok_or_else(|| "cargo built no binary; name one in SBSH_BENCH_BINARY".into())
}

fn is_installed(target: &str) -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    output.is_ok_and(|o| Path::new(String::from_utf8_lossy(&o.stdout).trim()).is_dir())
}

/// A program on PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|d| d.join(name)).find(|p| p.is_file())
}
