//! Policy → facts → plan → launch: the confined way.

use super::desk::{self, AtTerminal, Command, OutsideDesk};
use super::prepare::Prepared;
use super::shells::Shell;
use super::{Stop, outside};
use crate::approval;
use crate::audit::syslog;
use crate::caller::{Caller, SESSION};
use crate::confinement::facts::{self, Facts};
use crate::confinement::plan::Mount;
use crate::confinement::seccomp::{self, Watched};
use crate::confinement::{Plan, bubblewrap, plan};
use crate::gatekeeper::{AskedCall, Rules};
use crate::network::gateway;
use crate::network::loopback::seat::{self, Seat};
use crate::network::setup::{self, Entrances, Joined, Others, Reach};
use crate::policy::network::ProxyVariables;
use crate::policy::{Backend, FilePolicy, Gatekept, PathPattern, PathRule, proxy_variables};
use crate::report;
use crate::run::caretaker::{Keeping, Kept, Network};
use crate::run::front::{self, Launch};
use crate::run::record::{Held, Record};
use crate::run::sweep::Watch;
use crate::run::terminal::Terminal;
use crate::run::waiting::Waiting;
use crate::run::{CONNECT_HELPER, Outcome, RunError, certificates, grants, inherited};
use crate::settings::Origin;
use crate::system::{inside, process};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

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
    /// The policy's files with those.
    pub files: FilePolicy,
}

/// Plans the boundary for one command. `wanted` are files that its agent writes, `allowed` what a person granted.
///
/// # Errors
/// No backend; a glob that is too wide.
pub fn plan(prepared: &Prepared, wanted: &[PathBuf], allowed: &[PathBuf]) -> Result<Planned, Stop> {
    let bubblewrap = find_bubblewrap(prepared)?;
    let granted = grants::prepare(wanted);
    let mut files = prepared.policy.files.clone();
    files.writable.extend(allowed.iter().map(|path| PathRule {
        pattern: PathPattern::Literal(path.clone()),
        origin: Origin::BuiltIn("granted by a person for this run"),
    }));
    files.writable.extend(granted.writable.iter().map(|path| PathRule {
        pattern: PathPattern::Literal(path.clone()),
        origin: Origin::BuiltIn("agents' own files"),
    }));
    if prepared.policy.network.all_unix_sockets.as_ref().is_some_and(|all| all.value) {
        // Who reaches the console's socket could answer its questions.
        files.read_denied.extend(approval::console::directories().into_iter().map(|path| PathRule {
            pattern: PathPattern::Literal(path),
            origin: Origin::BuiltIn("the approver's console"),
        }));
        files.read_denied.extend(seat::registries().into_iter().map(|path| PathRule {
            pattern: PathPattern::Literal(path),
            origin: Origin::BuiltIn("the sessions' sockets"),
        }));
    }
    let mut unguarded = vec![prepared.places.tmpdir.clone()];
    unguarded.extend(granted.writable);
    let facts =
        facts::read(&files, &unguarded).map_err(|e| Stop::Failed(e.to_string(), crate::exit::REFUSED))?;
    root_is_itself(prepared, &facts)?;
    Ok(Planned { plan: plan::plan(&facts.places), facts, bubblewrap, made: granted.made, files })
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
    network_is_made: bool,
) -> Vec<OsString> {
    let fittings = bubblewrap::Fittings {
        blind_directory: prepared.places.blind_directory.clone(),
        blind_file: prepared.places.blind_file.clone(),
        marker_content,
        kernel_files: facts::kernel_files(),
        misread: facts::misread_inside(),
        terminal,
        network_is_made,
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
    // Said here, where somebody reads it; the gateway has nobody to tell.
    if let Some(Err(error)) = desk::syslog(prepared) {
        report::notice(&format!(
            "connections are not logged to {} ({}): {error}",
            syslog::SOCKET,
            policy.syslog.origin
        ));
    }
    let inherited = inherited::vet(&policy.files, &waiting)?;
    if shell.is_interactive() {
        Terminal::await_foreground();
    }
    let signals = front::block_signals()?;
    let authorities = match (&policy.network.extra_ca, prepared.places.tmpdir.parent()) {
        (Some(extra), Some(private)) => certificates::variables(&extra.value, private)?,
        _ => Vec::new(),
    };
    let mut record = Record {
        shell: shell.file(),
        arguments: shell.arguments(),
        environment: Vec::new(),
        directory: caller.directory.clone().map(PathBuf::into_os_string),
        scratch: prepared.places.tmpdir.clone().into_os_string(),
        held,
        passed: inherited.passed,
        alive: waiting.alive_inside,
        link: waiting.link_inside,
        makes_doors: false,
        signals,
        filter: seccomp::Options {
            unix_sockets: policy.network.all_unix_sockets.as_ref().is_some_and(|s| s.value),
            shared_group: front::shares_group(),
            watched: match policy.gatekeeper.value {
                Gatekept::Full if policy.files.read_asked.is_empty() => Watched::Files,
                Gatekept::Full => Watched::Reads,
                Gatekept::Network => Watched::Connects,
            },
        },
    };
    let boundary = arguments(&planned, prepared, waiting.marker, inherited.terminal, waiting.has_network());
    let command = Command { text: super::decide::text_of(shell), cwd: prepared.locations.cwd.clone() };
    let (line, far) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
    let serve = |network: &Network<'_>, alive: &OwnedFd| {
        let (desk, upstreams) = OutsideDesk::new(caller, command.clone(), prepared);
        let (entrances, front, seat) = (&network.entrances, &network.line, network.seat.clone());
        if let Err(error) = gateway::serve(entrances, Arc::new(desk), upstreams, front, alive, seat) {
            report::notice(&format!("the network's gateway failed: {error}"));
        }
    };
    let connected = Box::new(|entrances: Result<Entrances, String>| {
        let seat = loopback(&entrances, prepared, caller);
        record.environment = environment(prepared, caller, entrances.as_ref().ok(), &authorities);
        record.makes_doors = entrances.is_err();
        let network = Network {
            entrances: entrances.unwrap_or_else(|_| Entrances::none()),
            line: far,
            at_once: seat.is_some() || policy.network.local_binding.value,
            seat,
            serve: Box::new(serve),
        };
        (record, network)
    });
    let speaker = Box::new(AtTerminal { prepared, caller, command: &command });
    let (places, guards, files) = (planned.facts.places, planned.plan.guards.clone(), planned.files);
    let repositories = planned.facts.repositories.clone();
    let rules = Box::new(|| {
        let rules = Rules::new(&places, &guards, &files, &policy.network, own_sockets(prepared));
        rules.knowing(repositories.iter().cloned())
    });
    let watch = Watch {
        guards: planned.plan.guards,
        roots: planned.facts.roots,
        repositories: planned.facts.repositories,
        born: Vec::new(),
        granted: Vec::new(),
        made: planned.made,
        state: prepared.locations.state_dir.clone(),
        begun: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        quarantine: quarantine(prepared),
    };
    let beyond = Box::new(|asked: &AskedCall| desk::ask_beyond(asked, caller, &command, prepared));
    let log = Box::new(|kept: &Kept| desk::keep(kept, &command, prepared));
    let keeping = Keeping { rules, beyond, log };
    let launch = Launch { waiting, boundary, connected, watch, keeping, line, speaker };
    Ok(front::run(launch)?)
}

/// The environment of the inner shell.
fn environment(
    prepared: &Prepared,
    caller: &Caller,
    entrances: Option<&Entrances>,
    authorities: &[(&'static str, PathBuf)],
) -> Vec<CString> {
    let told = told_of_proxy(prepared, entrances);
    let mut set: Vec<(&str, &OsStr)> = vec![("TMPDIR", prepared.places.tmpdir.as_os_str())];
    set.extend(told.iter().map(|(name, value)| (*name, OsStr::new(value))));
    set.extend(authorities.iter().map(|(name, path)| (*name, path.as_os_str())));
    // The caller's own proxy is honoured outside; inside, its address leads nowhere and its password is a secret.
    let rules = &prepared.policy.environment;
    let removed = |name: &OsStr| {
        let is = |n| rules.removes(n).is_some() || proxy_variables::CALLERS.contains(&n);
        name.to_str().is_some_and(is)
    };
    caller.environment_for(removed, &set)
}

/// Where sbsh listens itself. The gatekeeper connects from outside: whoever it connected there would be taken for a
/// person.
fn own_sockets(prepared: &Prepared) -> Vec<PathBuf> {
    let mut all = approval::console::directories();
    all.extend(prepared.places.tmpdir.parent().map(Path::to_path_buf));
    all.extend(prepared.locations.state_dir.clone());
    all
}

/// Joins the loopback inside to what the settings and the caller want it joined to; what cannot be had is said.
fn loopback(entrances: &Result<Entrances, String>, prepared: &Prepared, caller: &Caller) -> Option<Rc<Seat>> {
    let policy = &prepared.policy;
    let seat = match (caller.variable(SESSION), policy.working_root.path()) {
        (None, _) => None,
        (Some(token), _) if token.is_empty() => None,
        (Some(token), Some(root)) => Some(Seat::take(token, root, &outside::writable_roots(prepared))),
        (Some(_), None) => Some(Err(std::io::Error::other("there is no working root"))),
    };
    let mut seat = seat.transpose().unwrap_or_else(|why| {
        report::notice(&format!("{SESSION} has no effect: {why}"));
        None
    });
    let others = seat.as_mut().map(|seat| seat.ask().map_or(Others::Anywhere, Others::Ports));
    let joined = Joined { host: policy.network.reaches_loopback(), session: others };
    if joined == Joined::default() {
        return None;
    }
    let entrances = entrances.as_ref().map_err(Clone::clone);
    let Err(why) = entrances.and_then(|entrances| setup::join_loopback(entrances, &joined)) else {
        return seat.map(Rc::new);
    };
    if joined.host {
        report::notice(&format!("the host's loopback is not reachable from inside: {why}"));
    }
    if let Some(seat) = seat {
        report::notice(&format!("{SESSION} has no effect: {why}"));
        seat.leave();
    }
    None
}

/// The variables that tell programs of the proxy, where they have to be told.
fn told_of_proxy(prepared: &Prepared, entrances: Option<&Entrances>) -> Vec<(&'static str, String)> {
    let transparent = entrances.is_some_and(|entrances| entrances.reach == Reach::Every);
    let wanted = match prepared.policy.network.proxy_variables {
        ProxyVariables::Always => true,
        ProxyVariables::Never => false,
        ProxyVariables::Auto => !transparent,
    };
    if !wanted {
        return Vec::new();
    }
    let binary = prepared.locations.binary.as_deref().unwrap_or(Path::new("sbsh"));
    let helper = shlex::bytes::try_quote(binary.as_os_str().as_bytes()).map(|quoted| quoted.into_owned());
    let helper = String::from_utf8(helper.unwrap_or_default()).unwrap_or_default();
    proxy_variables::variables(setup::HTTP_PORT, setup::SOCKS_PORT, &format!("{helper} {CONNECT_HELPER}"))
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
