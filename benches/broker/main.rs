//! What running outside from within costs: `cargo bench --bench broker`.
//!
//! The same shell text twice, in turns: in plain bash, and inside, where the program that it names is excluded and a rule
//! allows it. The time of one call is taken by the shell itself around it, so that no start of a sandbox is in it. Needs
//! bubblewrap. SBSH_BENCH_BINARY names another binary, SBSH_BENCH_ROUNDS another number of turns.

#[cfg(target_os = "linux")]
#[path = "../start/binary.rs"]
#[allow(dead_code)] // other benches look for more programs
mod binary;

#[cfg(target_os = "linux")]
fn main() -> Result<(), String> {
    linux::all()
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use super::binary;
    use std::fs;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// The text prints microseconds, one number a line.
    const CALL: &str =
        "for i in {1..40}; do s=${EPOCHREALTIME/./}; tool-true; e=${EPOCHREALTIME/./}; echo $((e - s)); done";
    const PIPE: &str = "s=${EPOCHREALTIME/./}; head -c 2000000000 /dev/zero | tool-cat | tail -c 1 >/dev/null; \
                        e=${EPOCHREALTIME/./}; echo $((e - s))";

    struct World {
        _top: tempfile::TempDir,
        home: PathBuf,
        project: PathBuf,
        path: String,
        sbsh: PathBuf,
    }

    pub fn all() -> Result<(), String> {
        let rounds = std::env::var("SBSH_BENCH_ROUNDS").ok().and_then(|t| t.parse().ok()).unwrap_or(9);
        let world = World::new().map_err(|e| e.to_string())?;
        let call = world.both(CALL, rounds)?;
        line(&format!("binary   {}", world.sbsh.display()));
        line(&format!(
            "one call, direct {} us, outside from within {} us: {} us more (wanted: at most 3000)",
            call.0,
            call.1,
            call.1 - call.0
        ));
        let pipe = world.both(PIPE, rounds)?;
        let ratio = pipe.0 as f64 / pipe.1 as f64;
        line(&format!(
            "2 GB through a pipe, direct {} ms, outside from within {} ms: {ratio:.2} of direct (wanted: at least 0.9)",
            pipe.0 / 1000,
            pipe.1 / 1000
        ));
        Ok(())
    }

    fn line(text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    impl World {
        fn new() -> std::io::Result<World> {
            let top = tempfile::Builder::new().prefix("sbsh-bench-").tempdir_in("/var/tmp")?;
            let real = fs::canonicalize(top.path())?;
            let (home, project, tools) = (real.join("home"), real.join("project"), real.join("tools"));
            for path in [&home.join(".claude"), &project.join(".claude"), &tools] {
                fs::create_dir_all(path)?;
            }
            fs::copy("/bin/true", tools.join("tool-true"))?;
            fs::copy("/bin/cat", tools.join("tool-cat"))?;
            let settings = r#"{"sandbox":{"excludedCommands":["tool-true:*","tool-cat:*"]},"permissions":{"allow":["Bash(tool-true:*)","Bash(tool-cat:*)"]}}"#;
            fs::write(home.join(".claude/settings.json"), settings)?;
            let path = format!("{}:/usr/bin:/bin", tools.display());
            let sbsh = binary::find().map_err(std::io::Error::other)?;
            Ok(World { _top: top, home, project, path, sbsh })
        }

        /// Medians of all numbers: direct, and from within.
        fn both(&self, text: &str, rounds: usize) -> Result<(i64, i64), String> {
            let (mut direct, mut within) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                direct.extend(self.numbers(Path::new("/bin/bash"), text)?);
                within.extend(self.numbers(&self.sbsh, text)?);
            }
            Ok((median(direct)?, median(within)?))
        }

        fn numbers(&self, shell: &Path, text: &str) -> Result<Vec<i64>, String> {
            let mut command = Command::new(shell);
            command.env_clear().env("PATH", &self.path).env("HOME", &self.home);
            let output =
                command.current_dir(&self.project).args(["-c", text]).output().map_err(|e| e.to_string())?;
            let said = String::from_utf8_lossy(&output.stderr);
            if !said.is_empty() {
                return Err(format!("{}: {said}", shell.display()));
            }
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().map(|line| line.parse().map_err(|_| format!("no number: {line}"))).collect()
        }
    }

    fn median(mut numbers: Vec<i64>) -> Result<i64, String> {
        numbers.sort_unstable();
        numbers.get(numbers.len() / 2).copied().ok_or_else(|| "nothing was measured".to_owned())
    }
}
