//! What is measured, in which turns, and the tables that are printed with the targets they are held to.

use super::gateway;
use super::place::{self, ADDRESS, NAME};
use super::server::Server;
use super::turns::{Case, medians};
use super::world::World;
use super::{binary, boundary};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Bytes of one throughput measurement.
const BULK: u64 = 256 * 1024 * 1024;
/// Connections of one set-up measurement.
const SET_UPS: u64 = 500;
/// Connections that are held at once.
const HELD: u64 = 1_000;
/// Turns of the start.
const STARTS: usize = 101;
/// sbsh's proxy inside.
const PROXY: &str = "proxy:127.0.0.1:28128";

/// Measures and prints everything.
pub fn all() -> Result<(), String> {
    let rounds = std::env::var("SBSH_BENCH_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(9);
    let world = World::new()?;
    let project = world.flat(10)?;
    place::furnish(&project.join("hosts"))?;
    place::raise_descriptors();
    let server = Server::start(ADDRESS).map_err(|e| format!("{ADDRESS}: {e}"))?;
    let sbsh = binary::find()?;
    line(format_args!("binary   {}", sbsh.display()));
    line(format_args!("each     median of {rounds} rounds, in turns\n"));
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let home = world.home("home", Some(&domains(10)))?;
    let bench = Bench { world, project, server, sbsh, this, home, rounds };
    // One of them alone: for whoever looks for the cause of a number.
    let only = std::env::var("SBSH_BENCH_ONLY").ok();
    let parts: [(&str, Part); 4] = [
        ("throughput", Bench::throughput),
        ("set-up", Bench::set_up),
        ("memory", Bench::memory),
        ("start", Bench::start),
    ];
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    parts.iter().filter(|(name, _)| wanted(name)).try_for_each(|(_, measure)| measure(&bench))
}

type Part = fn(&Bench) -> Result<(), String>;

fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Settings that allow so many domains; ours come last.
fn domains(count: usize) -> serde_json::Value {
    let ours = ["localhost", "127.0.0.1", ADDRESS, NAME].map(str::to_owned);
    let others = (ours.len()..count).map(|i| match i % 2 {
        0 => format!("host-{i}.example.com"),
        _ => format!("*.zone-{i}.example.org"),
    });
    serde_json::json!({ "sandbox": { "allowedDomains": others.chain(ours).collect::<Vec<_>>() } })
}

/// One way to the server.
struct Way<'a> {
    name: &'static str,
    /// What the client is started by, if it is.
    inside: Option<&'a Path>,
    home: &'a OsStr,
    /// The client's word for it.
    how: &'static str,
    host: &'static str,
    /// What its ratio is held to.
    limit: Option<f64>,
}

struct Bench {
    world: World,
    project: PathBuf,
    server: Server,
    sbsh: PathBuf,
    this: PathBuf,
    home: OsString,
    rounds: usize,
}

impl Bench {
    fn straight(&self) -> Way<'_> {
        Way { name: "direct", inside: None, home: &self.home, how: "straight", host: NAME, limit: None }
    }

    fn through(&self, name: &'static str, how: &'static str, host: &'static str, limit: f64) -> Way<'_> {
        Way { name, inside: Some(&self.sbsh), home: &self.home, how, host, limit: Some(limit) }
    }

    fn throughput(&self) -> Result<(), String> {
        let (srt, home) = self.srt()?;
        let mut ways = vec![
            self.straight(),
            self.through("sbsh, transparent", "asked", NAME, 0.6),
            self.through("sbsh, CONNECT", PROXY, NAME, 0.6),
        ];
        ways.extend(srt.as_deref().map(|srt| foreign(srt, &home)));
        for (title, what) in
            [("256 MiB from inside to outside", "send"), ("256 MiB from outside to inside", "receive")]
        {
            let seconds = self.rounds(&ways, what, BULK)?;
            line(format_args!("{title:<44} {:>12} {:>8}", "median", "ratio"));
            for (way, took) in ways.iter().zip(&seconds) {
                let speed = BULK as f64 / took / f64::from(1 << 20);
                let ratio = seconds.first().copied().unwrap_or_default() / took;
                let judged = way.limit.map_or_else(String::new, |l| judged(ratio >= l, &format!(">= {l}")));
                line(format_args!("  {:<42} {speed:>6.0} MiB/s {ratio:>8.2}   {judged}", way.name));
            }
            missing(srt.is_none());
            line("");
        }
        Ok(())
    }

    fn set_up(&self) -> Result<(), String> {
        let many = self.world.home("home-10000", Some(&domains(10_000)))?;
        let (srt, home) = self.srt()?;
        let mut ways = vec![
            self.straight(),
            self.through("sbsh, transparent, by name", "asked", NAME, 2.5),
            self.through("sbsh, transparent, by address", "straight", ADDRESS, 2.5),
            self.through("sbsh, CONNECT, by name", PROXY, NAME, 2.5),
            self.through("sbsh, CONNECT, by address", PROXY, ADDRESS, 2.5),
        ];
        let base = 1;
        let more = ways.len();
        ways.push(Way {
            home: &many,
            limit: None,
            ..self.through("10,000 domains, transparent, by name", "asked", NAME, 1.0)
        });
        ways.extend(srt.as_deref().map(|srt| foreign(srt, &home)));
        let seconds = self.rounds(&ways, "set-up", SET_UPS)?;
        let at = |index: usize| seconds.get(index).copied().unwrap_or_default();
        let title = format!("connect and one byte each way, {SET_UPS} in a row");
        line(format_args!("{title:<44} {:>12} {:>8}", "median", "ratio"));
        for (way, took) in ways.iter().zip(&seconds) {
            let ratio = took / at(0);
            let judged = way.limit.map_or_else(String::new, |l| judged(ratio <= l, &format!("<= {l}")));
            line(format_args!("  {:<42} {:>9.1} µs {ratio:>8.2}   {judged}", way.name, took * 1e6));
        }
        missing(srt.is_none());
        let ratio = at(more) / at(base);
        line(format_args!(
            "  {:<42} {:>12} {ratio:>8.2}   {}\n",
            "10,000 domains against 10",
            "",
            judged(ratio <= 1.05, "<= 1.05")
        ));
        Ok(())
    }

    fn memory(&self) -> Result<(), String> {
        let title = "the gateway's memory";
        line(format_args!("{title:<44} {:>9} {:>11}", "RSS", "PSS"));
        for (count, limit) in [(1, None), (HELD, Some(40.0))] {
            let way = self.through("memory", "asked", NAME, 40.0);
            let mut front = self.client(&way, "hold", count)?;
            let standing = answer(&mut front)?;
            let but = self.this.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let held = gateway::find(front.id(), but);
            drop(front.stdin.take());
            front.wait().map_err(|e| e.to_string())?;
            let held = held.ok_or("no gateway was found")?;
            let outside = self.server.release() as u64;
            if outside != count || standing as u64 != count || (held.sockets as u64) < 2 * count {
                return Err(format!(
                    "of {count} connections {standing} stood inside, {outside} outside: {held:?}"
                ));
            }
            let megabytes = |kib: u64| kib as f64 * 1024.0 / 1e6;
            let pss =
                held.proportional.map_or_else(|| "hidden".into(), |kib| format!("{:.1} MB", megabytes(kib)));
            let resident = megabytes(held.resident);
            let judged = limit.map_or_else(String::new, |l| judged(resident < l, &format!("< {l} MB")));
            line(format_args!(
                "  {:<42} {resident:>6.1} MB {pss:>11}   {judged}",
                format!("{count} connections stand")
            ));
        }
        line("");
        Ok(())
    }

    fn start(&self) -> Result<(), String> {
        let case = |name: &str, program: &Path, home: &OsStr| {
            let words = [program.as_os_str(), OsStr::new("-c"), OsStr::new("true")];
            Case::new(name, home, self.project.clone(), &words)
        };
        // No settings: the base may not know those of the network.
        let home = self.world.home("home-plain", None)?;
        let mut cases = vec![
            boundary::bare(&self.sbsh, &home, &self.project)?,
            case("sbsh -c true", &self.sbsh, &home)?,
            case("sbsh -c true, 10 domains", &self.sbsh, &self.home)?,
        ];
        let base = std::env::var_os("SBSH_BASE").map(PathBuf::from);
        if let Some(base) = &base {
            cases.push(case("SBSH_BASE -c true", base, &home)?);
        }
        let times = medians(&cases, STARTS)?;
        let title = format!("start of a command, {STARTS} runs");
        line(format_args!("{title:<44} {:>12} {:>8}", "median", "ratio"));
        let seconds: Vec<f64> = times.iter().map(std::time::Duration::as_secs_f64).collect();
        let at = |index: usize| seconds.get(index).copied().unwrap_or_default();
        for (case, took) in cases.iter().zip(&seconds) {
            line(format_args!("  {:<42} {:>9.2} ms {:>8.2}", case.name, took * 1e3, took / at(0)));
        }
        match base {
            Some(_) => {
                line(format_args!("  {:<42} {:>12} {:>8.2}", "this against SBSH_BASE", "", at(1) / at(3)))
            }
            None => line("  SBSH_BASE names no binary to compare with"),
        }
        Ok(())
    }

    /// All ways in turns: the median number of each.
    fn rounds(&self, ways: &[Way<'_>], what: &str, count: u64) -> Result<Vec<f64>, String> {
        let mut all = vec![Vec::new(); ways.len()];
        for _ in 0..self.rounds {
            for (way, numbers) in ways.iter().zip(&mut all) {
                let mut client = self.client(way, what, count)?;
                let number = answer(&mut client).map_err(|e| format!("{}: {e}", way.name))?;
                client.wait().map_err(|e| e.to_string())?;
                numbers.push(number);
            }
        }
        let median = |mut numbers: Vec<f64>| {
            numbers.sort_by(f64::total_cmp);
            numbers.get(numbers.len() / 2).copied().unwrap_or_default()
        };
        Ok(all.into_iter().map(median).collect())
    }

    /// The client, started as the way wants it.
    fn client(&self, way: &Way<'_>, what: &str, count: u64) -> Result<Child, String> {
        let (port, count) = (self.server.port.to_string(), count.to_string());
        let this = self.this.to_str().ok_or("the path of this program is no text")?;
        let words = [this, "client", what, way.how, way.host, &port, &count];
        let mut command = match way.inside {
            None => {
                let [program, arguments @ ..] = words;
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            Some(shell) => {
                let text = shlex::try_join(words).map_err(|e| e.to_string())?;
                let mut command = Command::new(shell);
                command.args(["-c", &text]);
                command
            }
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("HOME", way.home).env("PATH", path).current_dir(&self.project);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().map_err(|e| format!("{}: {e}", way.name))
    }

    /// srt, and a home with its settings.
    fn srt(&self) -> Result<(Option<PathBuf>, OsString), String> {
        let home = self.world.home("home-srt", None)?;
        // A name that leads to an address of the machine itself is refused by it, but where that is allowed too.
        let settings = serde_json::json!({
            "network": { "allowedDomains": [NAME, ADDRESS], "deniedDomains": [] },
            "filesystem": { "denyRead": [], "allowWrite": ["."], "denyWrite": [] },
        });
        std::fs::write(Path::new(&home).join(".srt-settings.json"), settings.to_string())
            .map_err(|e| e.to_string())?;
        let named = std::env::var_os("SRT").map(PathBuf::from);
        Ok((named.or_else(|| binary::on_path("srt")), home))
    }
}

fn foreign<'a>(srt: &'a Path, home: &'a OsStr) -> Way<'a> {
    Way { name: "srt, CONNECT", inside: Some(srt), home, how: "environment", host: NAME, limit: None }
}

fn missing(srt: bool) {
    if srt {
        line(format_args!("  {:<42} not installed", "srt, CONNECT"));
    }
}

/// The number that a client prints.
fn answer(client: &mut Child) -> Result<f64, String> {
    let mut text = String::new();
    let out = client.stdout.as_mut().ok_or("the client has no output")?;
    BufReader::new(out).read_line(&mut text).map_err(|e| e.to_string())?;
    text.trim().parse().map_err(|_| format!("the client says {text:?} instead of a number"))
}

fn judged(met: bool, target: &str) -> String {
    format!("target {target}: {}", if met { "met" } else { "missed" })
}
