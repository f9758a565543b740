//! The tables that are printed, with the targets they are held to.

use super::turns::Case;
use super::work::{self, Work};
use super::{answer, binary};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Measures and prints everything.
pub fn all() -> Result<(), String> {
    let rounds = std::env::var("SBSH_BENCH_ROUNDS").ok().and_then(|t| t.parse().ok()).unwrap_or(9);
    let sbsh = binary::find()?;
    let text = |e: std::io::Error| e.to_string();
    // Not below /tmp: that could be a tmpfs itself.
    let top = tempfile::Builder::new().prefix("sbsh-bench-").tempdir_in("/var/tmp").map_err(text)?;
    let path = fs::canonicalize(top.path()).map_err(text)?;
    let place = |name: &str| {
        let place = path.join(name);
        fs::create_dir(&place).map(|()| place).map_err(text)
    };
    let bench = Bench { sbsh, rounds, full: place("full")?, network: place("network")? };
    fs::create_dir(bench.network.join(".claude")).map_err(text)?;
    fs::write(bench.network.join(".claude/settings.json"), r#"{"sandbox":{"gatekeeper":"network"}}"#)
        .map_err(text)?;
    let memory = place("memory")?;
    // In a mount namespace of our own: it is gone with this process.
    work::outside(&path, "mount -t tmpfs tmpfs memory")?;
    line(format_args!("binary   {}", bench.sbsh.display()));
    line(format_args!(
        "each     {rounds} runs, in turns; ratios of gatekeeper: full to gatekeeper: network\n"
    ));
    line(format_args!(
        "{:<32} {:>10} {:>10} {:>7} {:>9} {:>9}",
        "", "network", "full", "ratio", "of least", "processor"
    ));
    for work in work::all(&path, &memory)? {
        bench.row(&work)?;
    }
    bench.answers(&place("answers")?)
}

fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

struct Bench {
    sbsh: PathBuf,
    rounds: usize,
    full: PathBuf,
    network: PathBuf,
}

impl Bench {
    fn row(&self, work: &Work) -> Result<(), String> {
        let words = [self.sbsh.as_os_str(), OsStr::new("-c"), OsStr::new(&work.text)];
        let case = |home: &Path| Case::new(work.name, home.as_os_str(), work.project.clone(), &words);
        let (network, full) = (case(&self.network)?, case(&self.full)?);
        let (mut of_network, mut of_full) = (Taken::default(), Taken::default());
        for round in 0..=self.rounds {
            let mut turns = [(&network, &mut of_network), (&full, &mut of_full)];
            // Whoever is first leaves the machine otherwise than it was: each is so as often as the other.
            if round % 2 == 1 {
                turns.reverse();
            }
            for (case, times) in turns {
                work::outside(&work.project, &work.before)?;
                nix::unistd::sync();
                let before = processor()?;
                let took = case.run()?;
                let used = processor()?.saturating_sub(before);
                // The first round fills caches.
                if round > 0 {
                    times.whole.push(took);
                    times.used.push(used);
                }
            }
        }
        let (network, full) = (spread(of_network.whole), spread(of_full.whole));
        let used = ratio(spread(of_full.used).median, spread(of_network.used).median);
        let (of_medians, of_least) = (ratio(full.median, network.median), ratio(full.least, network.least));
        line(format_args!(
            "{:<32} {:>7.0} ms {:>7.0} ms {of_medians:>7.3} {of_least:>9.3} {used:>9.3}   target <= {}: {}",
            work.name,
            network.median.as_secs_f64() * 1e3,
            full.median.as_secs_f64() * 1e3,
            work.limit,
            if of_medians <= work.limit { "met" } else { "missed" },
        ));
        work::outside(&work.project, &work.before)
    }

    fn answers(&self, project: &Path) -> Result<(), String> {
        let rounds = self.rounds.max(41);
        let took = spread(answer::measure(&self.sbsh, &self.full, project, rounds)?);
        let floor = spread(answer::floor(&self.full, rounds)?);
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        line(format_args!(
            "\nfrom the answer of a program to the return of the call: median {:.0} µs, least {:.0} µs;\n\
             until that program is gone: median {:.0} µs, least {:.0} µs; between the two: {:.0} µs, target <= 200 µs",
            micros(took.median),
            micros(took.least),
            micros(floor.median),
            micros(floor.least),
            micros(took.median.saturating_sub(floor.median)),
        ));
        Ok(())
    }
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// What children used of the processors: what others do there does not change it much.
fn processor() -> Result<Duration, String> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| e.to_string())?;
    let microseconds = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    Ok(Duration::from_micros(microseconds.unsigned_abs()))
}

/// By all turns of one case.
#[derive(Default)]
struct Taken {
    whole: Vec<Duration>,
    used: Vec<Duration>,
}

struct Spread {
    least: Duration,
    median: Duration,
}

fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    Spread { least: at(0), median: at(times.len() / 2) }
}
