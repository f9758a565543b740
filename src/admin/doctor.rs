//! `sbshctl doctor`: what can be enforced here, what is missing, and how to get it.

use super::agents::{self, Finding};
use super::{print, print_json};
use crate::caller::Caller;
use crate::confinement::seccomp::{self, Watched};
use crate::network::setup::{Namespace, Reach};
use crate::pipeline::{Stop, confine, prepare, stop_words};
use crate::report;
use crate::system::{notify, process};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// One thing that was looked at.
struct Check {
    name: &'static str,
    ok: bool,
    finding: String,
    remedy: Option<String>,
}

/// Looks and tells. The status is 0 only if commands can be confined here.
///
/// # Errors
/// Broken settings.
pub fn run(as_json: bool, caller: &Caller) -> Result<i32, Stop> {
    let mut checks = vec![kernel(), seccomp_filters(), gatekeeper(), network()];
    let prepared = prepare::policy(caller)?;
    let backend = match confine::find_bubblewrap(&prepared) {
        Ok(path) => {
            checks.push(bubblewrap(&path));
            checks.push(trial(&path));
            checks.iter().rev().take(2).all(|c| c.ok)
        }
        Err(stop) => {
            checks.push(Check {
                name: "bubblewrap",
                ok: false,
                finding: stop_words(&stop),
                remedy: report::install_command(
                    &std::fs::read_to_string("/etc/os-release").unwrap_or_default(),
                ),
            });
            false
        }
    };
    let agents = agents::look(caller);
    checks.extend(["bash", "zsh", "sh", "fish"].map(shell));
    let status = i32::from(!backend);
    if as_json {
        let list: Vec<Value> = checks
            .iter()
            .map(|c| json!({ "name": c.name, "ok": c.ok, "finding": c.finding, "remedy": c.remedy }))
            .collect();
        print_json(
            &json!({ "can_confine": backend, "checks": list, "agents": agents_json(&agents), "enforced": ENFORCED, "not_yet": NOT_YET }),
        )?;
        return Ok(status);
    }
    let mut text = String::new();
    for check in &checks {
        let _ = writeln!(
            text,
            "{} {:<12} {}",
            if check.ok { "ok     " } else { "missing" },
            check.name,
            check.finding
        );
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
    let verdict = if backend {
        "commands are confined by bubblewrap"
    } else {
        "commands are refused: nothing can confine them"
    };
    let _ = writeln!(text, "\n{verdict}\nenforced:");
    ENFORCED.iter().for_each(|line| {
        let _ = writeln!(text, "  {line}");
    });
    let _ = writeln!(text, "not enforced yet:");
    NOT_YET.iter().for_each(|line| {
        let _ = writeln!(text, "  {line}");
    });
    print(&text)?;
    Ok(status)
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

const ENFORCED: &[&str] = &[
    "files: writes only where the policy allows; denied reads neither readable nor writable",
    "protected names that exist: read-only, with the directories above them held in place",
    "network: a namespace of its own; only what the gateway outside carries leaves it: TCP to allowed hosts",
    "Unix sockets: those of servers inside, and those that allowUnixSockets names",
    "calls that change files or connect: seen one by one; refused, recorded, or made outside once they are granted",
    "names that do not exist yet: allowWrite, denyWrite and the protected ones",
    "processes: own process, user, ipc, uts and cgroup namespaces; no capabilities; no new privileges",
    "terminal: no typing into it (TIOCSTI, TIOCLINUX)",
    "system calls: no namespaces, mounts, io_uring, bpf, keyrings, perf, userfaultfd, foreign ABIs",
];

const NOT_YET: &[&str] = &["questions about calls inside interactive shells"];

fn kernel() -> Check {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    // WSL1 has no namespaces; its release ends in "-Microsoft", WSL2's in "-microsoft-standard-WSL2".
    if release.ends_with("-Microsoft") {
        return Check {
            name: "kernel",
            ok: false,
            finding: format!("{release}: WSL1 cannot confine"),
            remedy: Some("in Windows: wsl --set-version DISTRIBUTION 2".into()),
        };
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
fn network() -> Check {
    let entered = process::errand(Namespace::enter).map_err(|error| error.desc().to_owned());
    let made = entered.and_then(|entered| entered).and_then(Namespace::furnish);
    let (ok, finding, remedy) = match made.map(|entrances| entrances.reach) {
        Ok(Reach::Every) => (true, "transparent: every TCP connection of every program arrives".into(), None),
        Ok(Reach::UsualPorts) => (
            true,
            "transparent for the usual ports only (22, 80, 443, 8443, 9418)".into(),
            Some("load the kernel's nf_tables with its tproxy expression: modprobe nft_tproxy".into()),
        ),
        Ok(Reach::Told) => {
            (true, "by the proxies alone; programs are told of them by variables".into(), None)
        }
        Err(why) => (
            true,
            format!("by the proxies alone, programs are told of them by variables: {why}"),
            Some("allow this user network namespaces to make it transparent".into()),
        ),
    };
    Check { name: "network", ok, finding, remedy }
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
    Check {
        name,
        ok: found.is_some(),
        finding: found.map_or_else(
            || "not installed; sbsh called by this name would say so".into(),
            |p| p.display().to_string(),
        ),
        remedy: None,
    }
}
