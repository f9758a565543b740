//! Policy → facts → plan → launch: the confined way.

use super::Stop;
use super::prepare::Prepared;
use super::shells::Shell;
use crate::caller::Caller;
use crate::confinement::facts::{self, Facts};
use crate::confinement::plan::Mount;
use crate::confinement::{Plan, bubblewrap, plan, seccomp};
use crate::policy::{Backend, PathPattern, PathRule};
use crate::run::front::{self, Launch};
use crate::run::record::{Held, Record};
use crate::run::sweep::Watch;
use crate::run::terminal::Terminal;
use crate::run::waiting::Waiting;
use crate::run::{Outcome, RunError, grants, inherited};
use crate::settings::Origin;
use crate::system::{inside, process};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where bubblewrap is looked for: never by the caller's PATH.
const BUBBLEWRAP: &[&str] =
    &["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap"];

/// A plan with what it was made from.
#[derive(Debug)]
pub struct Planned {
    /// The boundary.
    pub plan: Plan,
    /// What exists.
    pub facts: Facts,
    /// The mechanism.
    pub bubblewrap: PathBuf,
    /// Files made for an agent's wrapping.
    pub made: Vec<PathBuf>,
}

/// Plans the boundary for one command.
///
/// # Errors
/// No backend; a glob that is too wide.
pub fn plan(prepared: &Prepared, wanted: &[PathBuf]) -> Result<Planned, Stop> {
    let bubblewrap = find_bubblewrap(prepared)?;
    let granted = grants::prepare(wanted);
    let mut files = prepared.policy.files.clone();
    files.writable.extend(granted.writable.iter().map(|path| PathRule {
        pattern: PathPattern::Literal(path.clone()),
        origin: Origin::BuiltIn("agents' own files"),
    }));
    let mut unguarded = vec![prepared.places.tmpdir.clone()];
    unguarded.extend(granted.writable);
    let facts =
        facts::read(&files, &unguarded).map_err(|e| Stop::Failed(e.to_string(), crate::exit::REFUSED))?;
    root_is_itself(prepared, &facts)?;
    Ok(Planned { plan: plan::plan(&facts.places), facts, bubblewrap, made: granted.made })
}

/// The working root was canonical when the policy was built; if it leads elsewhere by now, somebody swapped it.
fn root_is_itself(prepared: &Prepared, facts: &Facts) -> Result<(), Stop> {
    let Some(root) = prepared.policy.working_root.path() else { return Ok(()) };
    let swapped =
        std::fs::symlink_metadata(root).is_ok() && !facts.places.writable.iter().any(|p| p.path == root);
    if swapped {
        let text = format!(
            "the working root '{}' was replaced by a link while the command started; nothing was run",
            root.display()
        );
        return Err(Stop::Failed(text, crate::exit::REFUSED));
    }
    Ok(())
}

/// The bubblewrap binary, which must be the system's own.
///
/// # Errors
/// [`Stop::NoBackend`].
pub fn find_bubblewrap(prepared: &Prepared) -> Result<PathBuf, Stop> {
    let policy = &prepared.policy;
    match policy.backend.value {
        Backend::Auto | Backend::Bubblewrap => {}
        other => {
            return Err(Stop::NoBackend(format!(
                "backend {} ({}) is not built yet; use \"bubblewrap\" or \"auto\"",
                other.name(),
                policy.backend.origin
            )));
        }
    }
    if let Some(setting) = &policy.bwrap_path {
        return trusted(&setting.value).then(|| setting.value.clone()).ok_or_else(|| {
            Stop::NoBackend(format!("bwrapPath ({}) is not a program of root's alone", setting.origin))
        });
    }
    if let Some(found) = BUBBLEWRAP.iter().map(PathBuf::from).find(|path| trusted(path)) {
        return Ok(found);
    }
    let untrusted = BUBBLEWRAP.iter().find(|path| process::is_program(Path::new(path)));
    Err(Stop::NoBackend(match untrusted {
        Some(path) => format!("'{path}' does not belong to root alone, so it is not used"),
        None => "bubblewrap (bwrap) is not installed".into(),
    }))
}

/// bubblewrap as it was started before anything was known of the command.
#[derive(Debug)]
pub struct Early {
    waiting: Option<Waiting>,
    closed: Vec<i32>,
}

impl Early {
    /// Starts the usual bubblewrap. Without one, or if it cannot be started, that is said when it is needed.
    pub fn start(closed: Vec<i32>) -> Early {
        let usual = BUBBLEWRAP.iter().map(Path::new).find(|path| trusted(path));
        Early { waiting: usual.and_then(|path| Waiting::start(path, &closed).ok()), closed }
    }

    /// The one that waits, if it is this; else this one.
    fn of(self, path: &Path) -> Result<Waiting, RunError> {
        match self.waiting {
            Some(waiting) if waiting.path == path => Ok(waiting),
            _ => Waiting::start(path, &self.closed),
        }
    }
}

/// A program that root alone could have put there.
fn trusted(path: &Path) -> bool {
    let by_root = |owner: u32| owner == 0 || owner == OVERFLOW && !root_is_mapped();
    process::is_program(path)
        && std::fs::metadata(path).is_ok_and(|m| by_root(m.uid()) && m.mode() & 0o022 == 0)
}

/// The owner that is shown for users who have no number in this user namespace (user_namespaces(7)).
const OVERFLOW: u32 = 65534;

/// Whether the machine's root has a number here; in a user namespace of an ordinary user it has none.
fn root_is_mapped() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().any(|line| line.split_whitespace().nth(1) == Some("0"))
}

/// bubblewrap's arguments for a plan; `marker_content` is a descriptor of `/dev/null`, `terminal` the one on a standard
/// descriptor.
pub fn arguments(
    planned: &Planned,
    prepared: &Prepared,
    marker_content: i32,
    terminal: Option<PathBuf>,
) -> Vec<OsString> {
    let fittings = bubblewrap::Fittings {
        blind_directory: prepared.places.blind_directory.clone(),
        blind_file: prepared.places.blind_file.clone(),
        marker_content,
        kernel_files: facts::kernel_files(),
        terminal,
    };
    bubblewrap::arguments(&planned.plan, &fittings)
}

/// Runs the shell inside.
///
/// # Errors
/// What keeps it from starting.
pub fn run(
    shell: &Shell,
    planned: Planned,
    prepared: &Prepared,
    caller: &Caller,
    early: Early,
) -> Result<Outcome, Stop> {
    let policy = &prepared.policy;
    let held = held(&planned.plan, prepared)?;
    let waiting = early.of(&planned.bubblewrap)?;
    let inherited = inherited::vet(&policy.files, &waiting)?;
    if shell.is_interactive() {
        Terminal::await_foreground();
    }
    let signals = front::block_signals()?;
    let removed =
        |name: &std::ffi::OsStr| name.to_str().is_some_and(|n| policy.environment.removes(n).is_some());
    let record = Record {
        shell: shell.file(),
        arguments: shell.arguments(),
        environment: caller.environment_for(removed, &[("TMPDIR", &prepared.places.tmpdir)]),
        directory: caller.directory.clone().map(PathBuf::into_os_string),
        scratch: prepared.places.tmpdir.clone().into_os_string(),
        held,
        passed: inherited.passed,
        alive: waiting.alive_inside,
        signals,
        filter: seccomp::Options {
            unix_sockets: policy.network.all_unix_sockets.as_ref().is_some_and(|s| s.value),
            shared_group: front::shares_group(),
        },
    };
    let boundary = arguments(&planned, prepared, waiting.marker, inherited.terminal);
    let watch = Watch {
        guards: planned.plan.guards,
        roots: planned.facts.roots,
        repositories: planned.facts.repositories,
        made: planned.made,
        quarantine: quarantine(prepared),
    };
    let launch = Launch { waiting, boundary, record, watch };
    Ok(front::run(launch)?)
}

/// What each mount must show. Read right after the plan; what is replaced by a link afterwards is found from inside.
fn held(plan: &Plan, prepared: &Prepared) -> Result<Vec<Held>, RunError> {
    let look = |path: &Path| {
        let changed = |error: nix::errno::Errno| RunError::Boundary {
            mechanism: "bubblewrap",
            cause: format!(
                "'{}' changed while the sandbox was planned ({}); try again",
                path.display(),
                error.desc()
            ),
        };
        inside::look(path).map(|place| place.identity).map_err(changed)
    };
    let above = |path: &Path| {
        plan.mounts.iter().any(|mount| matches!(mount, Mount::Writable(top) if path.starts_with(top)))
    };
    let mut all = Vec::new();
    for mount in &plan.mounts {
        let (path, shows) = match mount {
            Mount::Writable(path) | Mount::ReadOnly(path) => (path, Some(look(path)?)),
            Mount::HiddenDirectory(path) => (path, Some(look(&prepared.places.blind_directory)?)),
            Mount::HiddenFile(path) => (path, Some(look(&prepared.places.blind_file)?)),
            Mount::Hollow(path) => (path, None),
            Mount::Passage(_) | Mount::Seal(_) => continue,
        };
        all.push(Held { path: path.clone().into_os_string(), shows, remote: !above(path) });
    }
    Ok(all)
}

fn quarantine(prepared: &Prepared) -> PathBuf {
    match &prepared.locations.state_dir {
        Some(state) => state.join("quarantine"),
        None => prepared.places.tmpdir.with_file_name("quarantine"),
    }
}
