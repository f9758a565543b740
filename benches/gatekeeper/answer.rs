//! A question about a call and its answer: this program is the one that answers, outside, and the one that waits, inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The argument of the one that waits.
pub const OPENER: &str = "open";
/// By this name this program answers: the question is its only argument.
const ANSWERER: &str = "gatekeeper-bench-answers";

/// Whether this process is to answer.
pub fn is_asked() -> bool {
    std::env::current_exe().is_ok_and(|path| path.ends_with(ANSWERER))
}

fn now() -> Result<u128, String> {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_nanos()).map_err(|e| e.to_string())
}

/// Says yes, and when that was.
pub fn answer() -> Result<(), String> {
    use std::io::Write;
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut notes = fs::File::create(this.with_extension("time")).map_err(|e| e.to_string())?;
    let mut out = std::io::stdout();
    out.write_all(b"session\n").and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    let answered = now()?;
    notes.write_all(answered.to_string().as_bytes()).map_err(|e| e.to_string())
}

/// Inside: opens the first name, and writes down at the second one when that was done.
pub fn open(names: &[String]) -> Result<(), String> {
    let [outside, notes] = names else { return Err("two names are needed".into()) };
    let opened = fs::File::create(outside);
    let when = now()?;
    opened.map_err(|e| format!("{outside}: {e}"))?;
    fs::write(notes, when.to_string()).map_err(|e| format!("{notes}: {e}"))
}

/// How long a call takes from the answer to its return: one command for each.
pub fn measure(sbsh: &Path, home: &Path, project: &Path, rounds: usize) -> Result<Vec<Duration>, String> {
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let answerer = home.join(ANSWERER);
    fs::copy(&this, &answerer).map_err(|e| e.to_string())?;
    let read = |path: PathBuf| -> Result<u128, String> {
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        text.parse().map_err(|e| format!("{}: {e}", path.display()))
    };
    let one = |round: usize| {
        let (outside, notes) = (home.join(format!("outside-{round}")), project.join("opened"));
        let text = format!("{} {OPENER} {} {}", this.display(), outside.display(), notes.display());
        let mut command = Command::new(sbsh);
        command.args(["-c", &text]).current_dir(project).env_clear().env("HOME", home);
        command.env("SBSH_ASKPASS", &answerer).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        let status = command.status().map_err(|e| e.to_string())?;
        if !status.success() || !outside.exists() {
            return Err(format!("the call that was allowed was not made: {status}"));
        }
        let took = read(notes)?.saturating_sub(read(answerer.with_extension("time"))?);
        Ok(Duration::from_nanos(u64::try_from(took).unwrap_or(u64::MAX)))
    };
    (0..rounds).map(one).collect()
}

/// How long it takes from the answer until its program is gone: before that nobody knows whether it failed.
pub fn floor(home: &Path, rounds: usize) -> Result<Vec<Duration>, String> {
    let answerer = home.join(ANSWERER);
    let one = |_| {
        // With its output read to the end, and then its status.
        let output = Command::new(&answerer).arg("question").output().map_err(|e| e.to_string())?;
        let gone = now()?;
        if !output.status.success() {
            return Err(format!("{}: {}", answerer.display(), output.status));
        }
        let text = fs::read_to_string(answerer.with_extension("time")).map_err(|e| e.to_string())?;
        let answered: u128 = text.parse().map_err(|e| format!("{text}: {e}"))?;
        Ok(Duration::from_nanos(u64::try_from(gone.saturating_sub(answered)).unwrap_or(u64::MAX)))
    };
    (0..rounds).map(one).collect()
}
