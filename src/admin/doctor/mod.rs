//! `sbshctl doctor`: what can be enforced here, what is missing, and how to get it.

mod fix;
mod host;
mod table;

use super::agents::{self, Finding};
use super::{print, print_json};
use crate::caller::Caller;
use crate::confinement::landlock;
use crate::confinement::seccomp::{self, Watched};
use crate::network::setup::{Namespace, Reach};
use crate::pipeline::prepare::{self, Prepared};
use crate::pipeline::{Stop, backend, stop_words};
use crate::report;
use crate::run::waiting;
use crate::system::{self, notify, process};
use host::Host;
pub use host::apparmor_profile;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use table::Backend;

/// One thing that was looked at.
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found; programs' own words may stand in it.
    pub finding: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// Everything that was found.
pub struct Findings {
    /// One by one.
    pub checks: Vec<Check>,
    /// What each backend enforces here.
    pub backends: Vec<Backend>,
    /// The backend that commands get; `None`: they are refused.
    pub taken: Option<&'static str>,
}

/// Looks at the machine.
pub fn look(prepared: &Prepared) -> Findings {
    let (network, reach) = network();
    let gatekeeper = gatekeeper();
    let host =
        table::Host { gatekeeper: gatekeeper.ok, copies: system::stranger::can_copy(), network: reach };
    let advice = Host::look().advice(&prepared.locations.binary.clone().unwrap_or_else(|| "sbsh".into()));
    let mut checks = vec![kernel(), seccomp_filters(), gatekeeper, network];
    let found = backend::find_bubblewrap(prepared);
    let bubblewrap = found.map_err(|stop| stop_words(&stop)).and_then(|path| {
        let version = bubblewrap(&path);
        let trial = trial(&path);
        let built = [&version, &trial].iter().try_for_each(|check| match check.ok {
            true => Ok(()),
            false => Err(check.finding.clone()),
        });
        checks.extend([version, trial]);
        built
    });
    if let Err(why) = &bubblewrap
        && !checks.iter().any(|check| check.name == "bubblewrap")
    {
        let remedy = report::install_command(&os_release());
        checks.push(Check { name: "bubblewrap", ok: false, finding: why.clone(), remedy });
    }
    let gaps = system::landlock::version()
        .map(|version| landlock::gaps(version, host.gatekeeper, system::stranger::can_copy()));
    let gaps = gaps.ok_or_else(|| "this kernel has no Landlock, or was started without it".to_owned());
    let namespaces = namespaces(&advice);
    let own = if namespaces.ok { Ok(()) } else { Err(namespaces.finding.clone()) };
    checks.push(namespaces);
    let backends = vec![
        Backend::of_namespaces("bubblewrap", bubblewrap, &host),
        Backend::of_namespaces("namespaces", own, &host),
        Backend::of_landlock(gaps),
    ];
    let wanted = backend::choose(prepared, None).ok().map(|mechanism| mechanism.name());
    let taken = wanted.filter(|name| backends.iter().any(|b| b.name == *name && b.built.is_ok()));
    checks.extend(["bash", "zsh", "sh", "fish"].map(shell));
    Findings { checks, backends, taken }
}

fn os_release() -> String {
    std::fs::read_to_string("/etc/os-release").unwrap_or_default()
}

/// Looks and tells; first puts right what needs no decision, if that is wanted. The status is 0 only if commands can be
/// confined here.
///
/// # Errors
/// Broken settings.
pub fn run(as_json: bool, fixes: bool, caller: &Caller) -> Result<i32, Stop> {
    // Nothing that a trial opens may come to stand where its child looks for the caller's.
    crate::run::inherited::occupy_closed();
    let fixed = if fixes { fix::all(caller.state_directory().as_deref()) } else { Vec::new() };
    let found = look(&prepare::policy(caller)?);
    let agents = agents::look(caller);
    let status = i32::from(found.taken.is_none());
    if as_json {
        let list: Vec<Value> = found
            .checks
            .iter()
            .map(|c| json!({ "name": c.name, "ok": c.ok, "finding": c.finding, "remedy": c.remedy }))
            .collect();
        print_json(&json!({
            "can_confine": found.taken.is_some(), "backend": found.taken, "checks": list,
            "backends": table::json(&found.backends), "agents": agents_json(&agents), "fixed": fixed,
        }))?;
        return Ok(status);
    }
    let mut text = String::new();
    for line in &fixed {
        let _ = writeln!(text, "fixed   {line}");
    }
    for check in &found.checks {
        let word = if check.ok { "ok     " } else { "missing" };
        let _ = writeln!(text, "{word} {:<12} {}", check.name, check.finding);
        if let Some(remedy) = &check.remedy {
            let _ = writeln!(text, "        do: {remedy}");
        }
    }
    text.push_str("\nagents started in this environment:\n");
    for finding in &agents {
        let shell = finding.shell.as_ref().map_or_else(|| "no shell".into(), |s| s.display().to_string());
        let _ = if finding.through {
            writeln!(text, "  {:<12} through sbsh ({shell})", finding.agent)
        } else {
            writeln!(text, "  {:<12} BYPASSES sbsh by {shell}; {}", finding.agent, finding.remedy)
        };
    }
    let _ = writeln!(text, "\nwhat is enforced here, by each backend:\n{}", table::text(&found.backends));
    let _ = writeln!(text, "{}", verdict(found.taken));
    print(&text)?;
    Ok(status)
}

/// What becomes of commands.
pub fn verdict(taken: Option<&str>) -> String {
    match taken {
        Some(name) => format!("commands are confined by {name}"),
        None => "commands are refused: nothing can confine them".into(),
    }
}

fn agents_json(agents: &[Finding]) -> Vec<Value> {
    agents
        .iter()
        .map(|f| {
            let shell = f.shell.as_ref().map(|s| s.display().to_string());
            json!({ "agent": f.agent, "shell": shell, "through_sbsh": f.through, "remedy": f.remedy })
        })
        .collect()
}

fn kernel() -> Check {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    if let Some(hint) = crate::confinement::advice::on_kernel(release) {
        let remedy = Some(hint.into());
        return Check { name: "kernel", ok: false, finding: format!("{release}: WSL1"), remedy };
    }
    Check { name: "kernel", ok: true, finding: release.into(), remedy: None }
}

fn seccomp_filters() -> Check {
    let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let ok = actions.split_whitespace().any(|a| a == "errno");
    let finding =
        if ok { "filters are available".into() } else { "the kernel has no seccomp filters".into() };
    Check { name: "seccomp", ok, finding, remedy: None }
}

/// Installs a filter that notifies, as a command would get it, in a process of its own.
fn gatekeeper() -> Check {
    let watched = Watched::Files;
    let program = seccomp::program(seccomp::Options { watched, ..seccomp::Options::default() });
    let can = match process::fork() {
        Ok(process::Fork::Child) => process::exit_now(i32::from(notify::install(&program).is_err())),
        Ok(process::Fork::Parent(child)) => process::succeeded(child),
        Err(_) => false,
    };
    let finding = if can {
        "calls that would cross the boundary are seen one by one"
    } else {
        "the kernel gives no notifications (Linux 5.0), or another supervisor has them: no Unix sockets, and protected names are swept afterwards"
    };
    Check { name: "gatekeeper", ok: can, finding: finding.into(), remedy: None }
}

/// Makes a network namespace as a command would get it, in a process of its own.
fn network() -> (Check, Result<Reach, String>) {
    let made = process::errand(|| Namespace::enter().and_then(Namespace::furnish));
    let made = made.map_err(|error| error.desc().to_owned()).and_then(|made| made);
    let reach = made.map(|entrances| entrances.reach);
    let (finding, remedy) = match &reach {
        Ok(Reach::Every) => ("transparent: every TCP connection of every program arrives".into(), None),
        Ok(Reach::UsualPorts) => (
            "transparent for the usual ports only (22, 80, 443, 8443, 9418)".into(),
            Some("load the kernel's nf_tables with its tproxy expression: modprobe nft_tproxy".into()),
        ),
        Ok(Reach::Told) => ("by the proxies alone; programs are told of them by variables".into(), None),
        Err(why) => (
            format!("by the proxies alone, programs are told of them by variables: {why}"),
            Some("allow this user network namespaces to make it transparent".into()),
        ),
    };
    (Check { name: "network", ok: true, finding, remedy }, reach)
}

fn bubblewrap(path: &Path) -> Check {
    let version = std::process::Command::new(path).env_clear().arg("--version").output();
    let version = version.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    let number = version.split_whitespace().last().unwrap_or("");
    let mut parts = number.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let ok = (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (0, 5);
    Check {
        name: "bubblewrap",
        ok,
        finding: format!("{version} at {}", path.display()),
        remedy: (!ok).then(|| "install bubblewrap 0.5 or newer".into()),
    }
}

/// sbsh's own boundary, built around nothing.
fn namespaces(advice: &[String]) -> Check {
    let built = waiting::trial();
    let remedy = (built.is_err() && !advice.is_empty()).then(|| advice.join("\n        or: "));
    let finding = built
        .as_ref()
        .map_or_else(Clone::clone, |()| "a trial boundary could be built without bubblewrap".to_owned());
    Check { name: "namespaces", ok: built.is_ok(), finding, remedy }
}

/// The real thing: a boundary around `true`.
fn trial(path: &Path) -> Check {
    let arguments = [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--",
        "/bin/true",
    ];
    let output = std::process::Command::new(path).env_clear().args(arguments).output();
    match output {
        Ok(output) if output.status.success() => Check {
            name: "boundary",
            ok: true,
            finding: "a trial boundary could be built".into(),
            remedy: None,
        },
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let advice = crate::confinement::advice::on_failure(&words);
            Check {
                name: "boundary",
                ok: false,
                finding: words,
                remedy: (!advice.is_empty()).then(|| advice.join("; ")),
            }
        }
        Err(error) => Check { name: "boundary", ok: false, finding: error.to_string(), remedy: None },
    }
}

fn shell(name: &'static str) -> Check {
    let found = crate::pipeline::shells::DIRECTORIES
        .iter()
        .map(|d| Path::new(d).join(name))
        .find(|p| process::is_program(p));
    // Its package has its name; only whose that of `sh` is differs.
    let wanted = (found.is_none() && name != "sh").then(os_release);
    let remedy = wanted.and_then(|release| report::install_command(&release));
    let remedy = remedy.map(|command| command.replace("bubblewrap", name));
    Check {
        name,
        ok: found.is_some(),
        finding: found.map_or_else(
            || "not installed; sbsh called by this name would say so".into(),
            |p| p.display().to_string(),
        ),
        remedy,
    }
}
