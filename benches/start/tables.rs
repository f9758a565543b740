//! The tables that are printed, with the targets they are held to.

use super::memory::{self, Held};
use super::turns::{Case, medians};
use super::world::World;
use super::{binary, boundary};
use std::ffi::OsStr;
use std::fmt::Display;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Turns where one takes a second.
const SEVERAL: usize = 11;

/// What a ratio is held to: the row that counts as 1, and the limit.
struct Target(usize, Option<f64>);

/// Measures and prints everything.
pub fn all() -> Result<(), String> {
    let turns = std::env::var("SBSH_BENCH_RUNS").ok().and_then(|t| t.parse().ok()).unwrap_or(151);
    let sbsh = binary::find()?;
    line(format_args!("binary   {}", sbsh.display()));
    line(format_args!("machine  {}", machine()));
    line(format_args!("each     median of {turns} runs, in turns\n"));
    let world = World::new()?;
    let bench = Bench { world, sbsh, turns };
    bench.starts()?;
    bench.sizes()?;
    bench.mounts()?;
    bench.memory()?;
    classification();
    Ok(())
}

fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

struct Bench {
    world: World,
    sbsh: PathBuf,
    turns: usize,
}

impl Bench {
    fn sbsh(&self, name: &str, home: &OsStr, project: &Path) -> Result<Case, String> {
        self.command(name, home, project, "true")
    }

    fn command(&self, name: &str, home: &OsStr, project: &Path, text: &str) -> Result<Case, String> {
        Case::new(name, home, project.into(), &[self.sbsh.as_os_str(), OsStr::new("-c"), OsStr::new(text)])
    }

    /// sbsh against what it is made of and against what it replaces.
    fn starts(&self) -> Result<(), String> {
        let project = self.world.flat(10)?;
        let home = self.world.home("home", None)?;
        let bash = binary::on_path("bash").ok_or("bash is not on PATH")?;
        let [dash_c, yes] = ["-c", "true"].map(OsStr::new);
        let mut cases = vec![
            boundary::bare(&self.sbsh, &home, &project)?,
            self.sbsh("sbsh -c true", &home, &project)?,
            Case::new("bash -c true", &home, project.clone(), &[bash.as_os_str(), dash_c, yes])?,
        ];
        let own = self.world.home("home-namespaces", Some(&World::backend("namespaces")))?;
        cases.insert(2, self.sbsh("sbsh -c true, backend namespaces", &own, &project)?);
        let srt = binary::on_path("srt");
        if let Some(srt) = &srt {
            cases.push(Case::new("srt -c true", &home, project, &[srt.as_os_str(), dash_c, yes])?);
        }
        let targets =
            [Target(0, None), Target(0, Some(1.25)), Target(0, Some(0.55)), Target(0, None), Target(0, None)];
        let times = self.table("start of a command", &cases, &targets, self.turns)?;
        if let [_, _, own, bash, ..] = times.as_slice() {
            let ratio = own.as_secs_f64() / bash.as_secs_f64();
            let judged = judged(ratio <= 3.5, "<= 3.5");
            line(format_args!(
                "  {:<42} {:>10} {ratio:>10.2}   {judged}",
                "backend namespaces, against bash -c true", ""
            ));
        }
        if srt.is_none() {
            line(format_args!("{:<44} not installed", "srt -c true"));
        }
        line("");
        Ok(())
    }

    /// What must not make the start longer.
    fn sizes(&self) -> Result<(), String> {
        let small = self.world.flat(10)?;
        let plain = self.world.home("home", None)?;
        let home = |name: &str, rules| self.world.home(name, Some(&World::rules(rules)));
        let cases = [
            self.sbsh("10 files in the project", &plain, &small)?,
            self.sbsh("100,000 files in one directory", &plain, &self.world.flat(100_000)?)?,
            self.sbsh("100,000 files in 11,110 directories", &plain, &self.world.deep(4)?)?,
            self.sbsh("10 permission rules", &home("home-rules-10", 10)?, &small)?,
            self.sbsh("10,000 permission rules", &home("home-rules-10000", 10_000)?, &small)?,
        ];
        let targets = [
            Target(0, None),
            Target(0, Some(1.05)),
            Target(0, Some(1.05)),
            Target(3, None),
            Target(3, Some(1.2)),
        ];
        let _ = self.table("sbsh -c true with", &cases, &targets, self.turns)?;
        line("");
        Ok(())
    }

    /// Mounts are bubblewrap's work, and it reads the table of all of them for each.
    fn mounts(&self) -> Result<(), String> {
        let project = self.world.flat(10)?;
        let home = self.world.home("home-unreadable", Some(&self.world.unreadable(1_000)?))?;
        let bwrap = boundary::bare(&self.sbsh, &home, &project)?;
        let cases = [bwrap, self.sbsh("sbsh -c true", &home, &project)?];
        let title = format!("1,000 denyRead paths, {SEVERAL} runs");
        self.table(&title, &cases, &[Target(0, None), Target(0, None)], SEVERAL)?;
        line("");
        Ok(())
    }

    fn memory(&self) -> Result<(), String> {
        let project = self.world.flat(10)?;
        let home = self.world.home("home", None)?;
        let held = memory::measure(&self.command("sleep", &home, &project, "sleep 5")?)?;
        line(format_args!("{:<44} {:>10} {:>10}", "memory during sbsh -c 'sleep 5'", "RSS", "PSS"));
        let proportional = |kib: Option<u64>| kib.map_or_else(|| "hidden".into(), |kib| format!("{kib} KiB"));
        for Held { name, resident, proportional: pss } in &held {
            line(format_args!("  {name:<42} {resident:>6} KiB {:>10}", proportional(*pss)));
        }
        let resident: u64 = held.iter().map(|h| h.resident).sum();
        let pss: Option<u64> = held.iter().map(|h| h.proportional).sum();
        line(format_args!(
            "{:<44} {resident:>6} KiB {:>10}   {}\n",
            format!("{} processes, the command not counted", held.len()),
            proportional(pss),
            judged(resident < 8_192, "< 8 MiB")
        ));
        Ok(())
    }

    fn table(
        &self,
        title: &str,
        cases: &[Case],
        targets: &[Target],
        turns: usize,
    ) -> Result<Vec<Duration>, String> {
        let times = medians(cases, turns)?;
        line(format_args!("{title:<44} {:>10} {:>10}", "median", "ratio"));
        for ((case, took), Target(against, limit)) in cases.iter().zip(&times).zip(targets) {
            let base = times.get(*against).copied().unwrap_or_default();
            let ratio = took.as_secs_f64() / base.as_secs_f64();
            let judged = limit.map_or_else(String::new, |l| judged(ratio <= l, &format!("<= {l}")));
            line(format_args!(
                "  {:<42} {:>7.2} ms {ratio:>10.2}   {judged}",
                case.name,
                took.as_secs_f64() * 1e3
            ));
        }
        Ok(times)
    }
}

fn judged(met: bool, target: &str) -> String {
    format!("target {target}: {}", if met { "met" } else { "missed" })
}

fn classification() {
    let typical = "cd /work/app && FOO=1 npm test -- --watch=false 2>&1 | tail -50 && git status --short";
    let long =
        format!("cat <<'E' > f\n{}E\n", "a line of some ordinary text, 50 bytes long or so\n".repeat(2_000));
    line(format_args!(
        "{:<44} {:>10}",
        "reading the command (cargo bench --bench classify has more)", "median"
    ));
    for (name, text, limit) in [
        ("a typical line", typical, Duration::from_micros(100)),
        ("a here-document of 100 kB", long.as_str(), Duration::from_millis(20)),
    ] {
        let mut times: Vec<Duration> = (0..301)
            .map(|_| {
                let started = Instant::now();
                drop(black_box(sbsh::command::read(text.as_bytes())));
                started.elapsed()
            })
            .collect();
        times.sort();
        let took = times.get(times.len() / 2).copied().unwrap_or_default();
        let micros = took.as_secs_f64() * 1e6;
        line(format_args!(
            "  {name:<42} {micros:>7.1} µs              {}",
            judged(took < limit, &format!("< {limit:?}"))
        ));
    }
}

fn machine() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(':'))
        .map_or("", |(_, name)| name.trim());
    let bwrap = Command::new("bwrap")
        .arg("--version")
        .output()
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let who = if nix::unistd::geteuid().is_root() { "root" } else { "an ordinary user" };
    format!("{processors} × {model}, Linux {}, {}, as {who}", kernel.trim(), bwrap.unwrap_or_default())
}
