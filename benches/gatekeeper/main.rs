//! What the watch over files costs: `cargo bench --bench gatekeeper`.
//!
//! The same work twice, in turns, under `gatekeeper: full` and under `gatekeeper: network`, which is the same confinement
//! without the watch; and how long a call that a person allowed takes from the answer to its return. Needs bubblewrap,
//! `unshare` and `mount` (for a tmpfs), as root or where an ordinary user may make namespaces, and for its rows cargo,
//! npm, git and tar. SBSH_BENCH_BINARY names another binary, SBSH_BENCH_ROUNDS another number of turns, SBSH_BENCH_ONLY
//! the rows whose name contains it.

#[cfg(target_os = "linux")]
mod answer;
#[cfg(target_os = "linux")]
#[path = "../start/binary.rs"]
#[allow(dead_code)] // other benches look for more programs
mod binary;
#[cfg(target_os = "linux")]
mod tables;
#[cfg(target_os = "linux")]
#[path = "../start/turns.rs"]
#[allow(dead_code)] // other benches measure more of it
mod turns;
#[cfg(target_os = "linux")]
mod work;

fn main() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        if answer::is_asked() {
            return answer::answer();
        }
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        match arguments.split_first() {
            Some((word, rest)) if word == answer::OPENER => answer::open(rest)?,
            Some((word, _)) if word == "there" => tables::all()?,
            _ => {
                // A tmpfs to unpack on that nobody else sees; one below /dev would be the sandbox's own.
                let this = std::env::current_exe().map_err(|e| e.to_string())?;
                let root = nix::unistd::geteuid().is_root();
                let ways: &[&str] = if root { &["--mount"] } else { &["-Ur", "--mount"] };
                let mut command = std::process::Command::new("unshare");
                command.args(ways).arg("--").arg(this).arg("there");
                command.env("SBSH_BENCH_BINARY", binary::find()?);
                return Err(format!("cannot run unshare: {}", command.exec()));
            }
        }
    }
    Ok(())
}
