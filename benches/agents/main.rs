//! What sbsh costs over an agent's work: `cargo bench --bench agents`.
//!
//! 200 calls in the shapes in which Claude Code and Codex make them (shared/DROP-IN.md), of the commands that such sessions consist of,
//! in a repository of this project's own sources: each call once by bash and once by sbsh named bash, in turns, with the same
//! SBSH_SESSION. SBSH_BENCH_BINARY names another binary.

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
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    /// How often all of [`COMMANDS`] are gone through.
    const ROUNDS: usize = 8;
    const COMMANDS: [&str; 25] = [
        "git status --short",
        "ls -la",
        "grep -rn 'pub fn' src | head -40",
        "sed -n '1,120p' src/policy/mod.rs",
        "git diff --stat",
        "cat Cargo.toml",
        "find . -name '*.rs' -not -path './target/*' | head -50",
        "git log --oneline -20",
        "wc -l src/*.rs src/*/*.rs | tail -5",
        "head -50 README.md",
        "grep -n unsafe -r src | wc -l",
        "ls src/run src/system",
        "git show --stat HEAD | head -20",
        "cd tiny && cargo check --offline 2>&1 | tail -3",
        "mkdir -p notes && echo one > notes/a && cat notes/a",
        "git add -A && git status --short | head",
        "python3 -c 'import json; print(json.dumps({}))'",
        "sed -i 's/answer/answer/' tiny/src/lib.rs && git diff --stat",
        "test -f Cargo.toml && echo there",
        "awk '/^pub/ {n++} END {print n}' src/lib.rs src/*/mod.rs",
        "git grep -n Verdict -- src | head",
        "cd tiny && touch src/lib.rs && cargo check --offline 2>&1 | tail -3",
        "sort -u Cargo.toml | tail -3",
        "env | sort | head -5",
        "git branch --show-current; pwd",
    ];

    pub fn all() -> Result<(), String> {
        let top = tempfile::Builder::new()
            .prefix("sbsh-bench-")
            .tempdir_in("/var/tmp")
            .map_err(|e| e.to_string())?;
        let world = World::new(top.path()).map_err(|e| e.to_string())?;
        let mut rows: Vec<(&str, [Duration; 2])> =
            COMMANDS.iter().map(|text| (*text, [Duration::ZERO; 2])).collect();
        let mut calls = 0;
        for round in 0..=ROUNDS {
            for (at, text) in COMMANDS.iter().enumerate() {
                let words = if (round + at) % 2 == 0 { world.claude(text) } else { codex(text) };
                // The other one first, each second time.
                for which in if at % 2 == 0 { [0, 1] } else { [1, 0] } {
                    let took = world.call(which, &words)?;
                    // The first round warms up.
                    if round > 0
                        && let Some((_, times)) = rows.get_mut(at)
                        && let Some(total) = times.get_mut(which)
                    {
                        *total += took;
                    }
                }
                calls += usize::from(round > 0);
            }
        }
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        let (mut plain, mut ours) = (0.0, 0.0);
        for (text, [bash, sbsh]) in &rows {
            let (bash, sbsh) = (milliseconds(*bash) / ROUNDS as f64, milliseconds(*sbsh) / ROUNDS as f64);
            line(&format!("{bash:7.1} ms  {sbsh:7.1} ms  {:5.2}  {text}", sbsh / bash));
            (plain, ours) = (plain + bash * ROUNDS as f64, ours + sbsh * ROUNDS as f64);
        }
        line(&format!(
            "{calls} calls: bash {plain:.0} ms, sbsh {ours:.0} ms: {:.3} (wanted: at most 1.15)",
            ours / plain
        ));
        Ok(())
    }

    fn line(text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// As Codex starts a command.
    fn codex(text: &str) -> Vec<String> {
        vec!["-lc".into(), text.into()]
    }

    struct World {
        home: PathBuf,
        /// One for each shell: what one of them builds is not there already for the other.
        projects: [PathBuf; 2],
        shells: [PathBuf; 2],
        snapshot: PathBuf,
    }

    impl World {
        fn new(top: &Path) -> std::io::Result<World> {
            let (home, names) = (top.join("home"), top.join("names"));
            let projects = ["project-one", "project-two"].map(|name| top.join(name));
            let snapshots = home.join(".claude/shell-snapshots");
            [&snapshots, &names].into_iter().try_for_each(fs::create_dir_all)?;
            let snapshot = snapshots.join("snapshot-bash-1-ab.sh");
            fs::write(&snapshot, "shopt -s expand_aliases\nexport PATH=$PATH\n")?;
            fs::write(home.join(".gitconfig"), "[user]\n\tname = n\n\temail = e@x.test\n")?;
            let sbsh = binary::find().map_err(std::io::Error::other)?;
            let alias = names.join("bash");
            std::os::unix::fs::symlink(sbsh, &alias)?;
            let made = "set -e; cp -r \"$1\" \"$2\"; cd \"$2\"; rm -rf target .git; mkdir -p tiny/src; printf '[package]\\nname = \"tiny\"\\nversion = \"0.1.0\"\\nedition = \"2024\"\\n[workspace]\\n' > tiny/Cargo.toml
                for i in $(seq 200); do echo \"/// One.\npub fn answer_$i() -> u32 { $i }\"; done > tiny/src/lib.rs; echo target > .gitignore; git init -q .; git add -A; git commit -qm first";
            let source = top.join("source");
            fs::create_dir(&source)?;
            for name in ["src", "tests", "Cargo.toml", "README.md", "CHANGELOG.md"] {
                let status = Command::new("cp")
                    .arg("-r")
                    .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
                    .arg(&source)
                    .status()?;
                assert_success(status)?;
            }
            for project in &projects {
                let mut make = Command::new("/bin/bash");
                make.args(["-c", made, "bash"]).arg(&source).arg(project).env("HOME", &home);
                assert_success(make.status()?)?;
            }
            Ok(World { home, projects, shells: ["/bin/bash".into(), alias], snapshot })
        }

        /// As Claude Code starts a command.
        fn claude(&self, text: &str) -> Vec<String> {
            let quoted = shlex::try_quote(text).map(|text| text.into_owned()).unwrap_or_default();
            let wrapped = format!(
                "source {} 2>/dev/null || true && shopt -u extglob 2>/dev/null || true && eval {quoted} < /dev/null && pwd -P >| /tmp/claude-be4c-cwd",
                self.snapshot.display()
            );
            vec!["-c".into(), wrapped]
        }

        fn call(&self, which: usize, words: &[String]) -> Result<Duration, String> {
            let shells = self.shells.get(which).zip(self.projects.get(which));
            let (shell, project) = shells.ok_or("no such shell")?;
            let mut command = Command::new(shell);
            let path = std::env::var_os("PATH").unwrap_or_default();
            command.args(words).current_dir(project).env_clear().env("PATH", path).env("HOME", &self.home);
            for name in ["CARGO_HOME", "RUSTUP_HOME"] {
                let own = std::env::var_os("HOME").map(|home| {
                    PathBuf::from(home).join(format!(".{}", name.replace("_HOME", "").to_lowercase()))
                });
                command.envs(std::env::var_os(name).or(own.map(Into::into)).map(|value| (name, value)));
            }
            command.env("SBSH_SESSION", "bench").stdin(Stdio::null()).stdout(Stdio::null());
            let begun = Instant::now();
            let status = command.status().map_err(|e| format!("{}: {e}", shell.display()))?;
            let took = begun.elapsed();
            assert_success(status).map_err(|e| format!("{words:?} by {}: {e}", shell.display()))?;
            Ok(took)
        }
    }

    fn assert_success(status: std::process::ExitStatus) -> std::io::Result<()> {
        if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("it ended with {status}"))) }
    }
}
