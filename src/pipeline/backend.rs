//! Which mechanism builds the boundary, and starting it before anything is known of the command.
//!
//! Owns which mechanism is taken, where bubblewrap is looked for and whom it must belong to. Must not plan anything. What
//! is usual works nearly everywhere, so whether it does is looked at only where the early start has shown a doubt.

use super::Stop;
use super::prepare::Prepared;
use crate::caller::Caller;
use crate::confinement::Mechanism;
use crate::policy::Backend;
use crate::run::RunError;
use crate::run::errand::Errand;
use crate::run::hostfile;
use crate::run::waiting::{self, Waiting};
use crate::system::{inside, landlock, namespaces, process, stranger};
use nix::sched::CloneFlags;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where bubblewrap is looked for: never by the caller's PATH.
const BUBBLEWRAP: &[&str] =
    &["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap"];

/// What builds the boundary: under `auto` bubblewrap where it is installed, else sbsh itself. What was started early is waited for
/// where it has something to show.
///
/// # Errors
/// [`Stop::NoBackend`].
pub fn choose(prepared: &Prepared, early: Option<&mut Early>) -> Result<Mechanism, Stop> {
    let policy = &prepared.policy;
    match policy.backend.value {
        Backend::Namespaces => Ok(Mechanism::Namespaces),
        Backend::Landlock if landlock::version().is_none() => Err(Stop::NoBackend(format!(
            "backend landlock ({}): this kernel has no Landlock, or was started without it",
            policy.backend.origin
        ))),
        Backend::Landlock => Ok(Mechanism::Landlock),
        Backend::Bubblewrap => find_bubblewrap(prepared).map(Mechanism::Bubblewrap),
        Backend::Auto if policy.bwrap_path.is_some() => find_bubblewrap(prepared).map(Mechanism::Bubblewrap),
        Backend::Auto => {
            early.into_iter().for_each(Early::show);
            Ok(USUAL.get_or_init(|| usual(policy.weaker_nested.value)).clone())
        }
        other => Err(Stop::NoBackend(format!(
            "backend {} ({}) is not for this system; use \"bubblewrap\", \"namespaces\", \"landlock\" or \"auto\"",
            other.name(),
            policy.backend.origin
        ))),
    }
}

/// What `auto` takes: what is usual, and Landlock where neither that nor our own builder can be had. `weaker`: a boundary
/// without a `/proc` of its own will do.
fn usual(weaker: bool) -> Mechanism {
    let usual = guess();
    let landlock = landlock::version().map(|_| Mechanism::Landlock);
    // In a network namespace the gatekeeper connects the caller's own sockets, or none.
    if let Some(landlock) = landlock.clone().filter(|_| !stranger::can_copy()) {
        return landlock;
    }
    let are_made = *NAMESPACES.get_or_init(|| {
        process::errand(|| namespaces::of_user(CloneFlags::CLONE_NEWNET)).is_ok_and(|made| made.is_ok())
    });
    if are_made && (weaker || !inside::has_covered_proc()) {
        return usual;
    }
    match &usual {
        // It may have more rights than this process: set-user-ID, or by a profile of its own.
        Mechanism::Bubblewrap(path) if works(path) => usual,
        _ if waiting::trial().is_ok() => Mechanism::Namespaces,
        _ => landlock.unwrap_or(usual),
    }
}

/// What it takes, once it is known: the same in all processes of a run.
static USUAL: OnceLock<Mechanism> = OnceLock::new();

/// Whether namespaces can be made here, once it is known.
static NAMESPACES: OnceLock<bool> = OnceLock::new();

/// What is taken wherever it works.
fn guess() -> Mechanism {
    installed().and_then(Result::ok).map_or(Mechanism::Namespaces, Mechanism::Bubblewrap)
}

/// Whether bubblewrap can build the least of sandboxes, with no network that we made.
fn works(bubblewrap: &Path) -> bool {
    let mut command = Command::new(bubblewrap);
    command.args([
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
    ]);
    // The program that it is itself is there in any case.
    command.args(["--", "/proc/self/exe", "--version"]);
    let command = command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The system's bubblewrap; `Err`: it is too old.
fn installed() -> Option<Result<PathBuf, PathBuf>> {
    let found = BUBBLEWRAP.iter().map(PathBuf::from).find(|path| trusted(path));
    found.map(|path| if is_recent(&path) { Ok(path) } else { Err(path) })
}

/// The youngest option that is used here.
const YOUNGEST: &str = "--perms";
/// The bubblewrap that first had it.
const SINCE: &str = "0.5.0";
/// An option that all of them have.
const OLDER: &str = "--unshare-user";

/// Whether a bubblewrap knows all options, by what stands in its program: to ask it would take a tenth of a short
/// command's time.
fn is_recent(bubblewrap: &Path) -> bool {
    let has = |text: &[u8], option: &str| memchr::memmem::find(text, option.as_bytes()).is_some();
    // One that cannot be read, or is something else around it, has to say it itself.
    std::fs::read(bubblewrap).map_or(true, |text| has(&text, YOUNGEST) || !has(&text, OLDER))
}

/// The bubblewrap binary, which must be the system's own.
///
/// # Errors
/// [`Stop::NoBackend`].
pub fn find_bubblewrap(prepared: &Prepared) -> Result<PathBuf, Stop> {
    if let Some(setting) = &prepared.policy.bwrap_path {
        return trusted(&setting.value).then(|| setting.value.clone()).ok_or_else(|| {
            Stop::NoBackend(format!("bwrapPath ({}) is not a program of root's alone", setting.origin))
        });
    }
    if let Some(found) = installed() {
        return found.map_err(|path| {
            Stop::NoBackend(format!(
                "'{}' is older than bubblewrap {SINCE}: it does not know {YOUNGEST}; the backend \"namespaces\" does without it",
                path.display()
            ))
        });
    }
    let untrusted = BUBBLEWRAP.iter().find(|path| process::is_program(Path::new(path)));
    Err(Stop::NoBackend(match untrusted {
        Some(path) => format!("'{path}' does not belong to root alone, so it is not used"),
        None => "bubblewrap (bwrap) is not installed".into(),
    }))
}

/// Whatever builds, started before anything was known of the command.
#[derive(Debug)]
pub struct Early {
    waiting: Option<Waiting>,
    closed: Vec<i32>,
    /// Where it is kept in mind what is likely.
    state: Option<PathBuf>,
}

impl Early {
    /// Starts what is likely to be wanted, in a network that was made for it or in one of its own. If it cannot be started, that is
    /// said when it is needed.
    pub fn start(closed: Vec<i32>, network: Option<Errand>, caller: &Caller) -> Early {
        let state = caller.state_directory();
        Early { waiting: Waiting::start(likely(state.as_deref()), &closed, network).ok(), closed, state }
    }

    /// Starts nothing before it is known what.
    pub fn later(closed: Vec<i32>) -> Early {
        Early { waiting: None, closed, state: None }
    }

    /// Has a network made for what will be started later, if that is likely to be of use.
    pub fn network(caller: &Caller) -> Option<Errand> {
        Some(likely(caller.state_directory().as_deref()))
            .filter(|likely| *likely != Mechanism::Landlock)
            .and_then(|likely| waiting::network(&likely).ok())
    }

    /// Takes over what the start has shown of this machine, for [`choose`].
    fn show(&mut self) {
        match self.waiting.as_mut().map(Waiting::shows_namespaces) {
            Some(Ok(true)) => drop(NAMESPACES.set(true)),
            Some(Err(_)) => self.waiting = None,
            _ => {}
        }
    }

    /// The one that waits, if it is this; else this one.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn of(self, mechanism: &Mechanism) -> Result<Waiting, RunError> {
        match self.waiting {
            Some(waiting) if waiting.mechanism == *mechanism => Ok(waiting),
            other => {
                if other.is_some() || *mechanism == Mechanism::Landlock {
                    self.state.iter().for_each(|state| hostfile::get_used_to(mechanism.name(), state));
                }
                drop(other);
                Waiting::start(mechanism.clone(), &self.closed, None)
            }
        }
    }
}

/// What worked the last time that something else than usual was taken, or what is usual.
fn likely(state: Option<&Path>) -> Mechanism {
    match state.and_then(hostfile::habit) {
        Some(habit) if habit == Mechanism::Namespaces.name() => Mechanism::Namespaces,
        Some(habit) if habit == Mechanism::Landlock.name() => Mechanism::Landlock,
        _ => guess(),
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
