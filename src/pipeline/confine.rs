//! Policy → facts → plan → launch: the confined way.

use super::backend::{self, Early};
use super::covers::Covers;
use super::desk::{self, Command, OutsideDesk};
use super::excluded::ExcludedDesk;
use super::journal::Journal;
use super::prepare::Prepared;
use super::shells::Shell;
use super::speaker::AtTerminal;
use super::{Stop, environment, footing, outside};
use crate::approval;
use crate::audit::syslog;
use crate::broker::{Desk, shim};
use crate::caller::{Caller, SESSION};
use crate::confinement::bubblewrap::{self, Start};
use crate::confinement::facts::{self, Facts};
use crate::confinement::fittings::{Cover, Fittings, Layer};
use crate::confinement::plan::Mount;
use crate::confinement::seccomp::{self, Watched};
use crate::confinement::{Mechanism, Plan, landlock, namespaces, plan};
use crate::gatekeeper::Rules;
use crate::network::gateway;
use crate::network::loopback::seat::{self, Seat};
use crate::network::setup::{self, Entrances, Joined, Others};
use crate::policy::{FilePolicy, Gatekept, PathPattern, PathRule};
use crate::report;
use crate::run::caretaker::{Keeping, Kept, Network};
use crate::run::ending::End;
use crate::run::front::{self, Launch};
use crate::run::record::{Held, Record};
use crate::run::sweep::Watch;
use crate::run::terminal::Terminal;
use crate::run::waiting::{self, Waiting};
use crate::run::{Outcome, RunError, certificates, grants, inherited, inquiry::Beyond};
use crate::session::wire::RunEnd;
use crate::settings::Origin;
use crate::system::inside;
use crate::system::tally::Tally;
use std::cell::LazyCell;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A plan with what it was made from.
#[derive(Debug)]
pub struct Planned {
    /// The boundary.
    pub plan: Plan,
    /// What exists.
    pub facts: Facts,
    /// What builds the boundary.
    pub mechanism: Mechanism,
    /// Files made for an agent's wrapping.
    pub made: Vec<PathBuf>,
    /// The policy's files with those.
    pub files: FilePolicy,
    /// Programs that run outside.
    pub covers: Covers,
    /// There is no `/proc` of the sandbox's own, by `enableWeakerNestedSandbox`.
    pub weaker: bool,
    /// Where its changes go, if not where they are made.
    pub layers: Vec<Layer>,
}

/// Plans the boundary for one command. `wanted` are files that its agent writes, `allowed` what a person granted; `early` is what
/// has been started for it.
///
/// # Errors
/// No backend; a glob that is too wide.
pub fn plan(
    prepared: &Prepared,
    covers: Covers,
    wanted: &[PathBuf],
    allowed: &[PathBuf],
    early: Option<&mut Early>,
) -> Result<Planned, Stop> {
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
    let opened = files.writable.iter().map(|rule| rule.pattern.base());
    let opened = opened.filter(|base| !footing::is_own(base, prepared));
    if prepared.policy.network.all_unix_sockets.as_ref().is_some_and(|all| all.value)
        || approval::console::lies_below(opened)
    {
        // Who reaches the console's socket could answer its questions, and who can put another directory in the place of the one
        // that it is in could ask for its answers.
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
    let facts = facts::read(&files, &unguarded, prepared.locations.home.as_deref())
        .map_err(|e| Stop::Failed(e.to_string(), crate::exit::REFUSED))?;
    footing::root_is_itself(prepared, &facts)?;
    footing::home_is_not_opened(prepared, &facts)?;
    let plan = plan::plan(&facts.places);
    // As late as can be: what was started early may show what works here, but not at once.
    let mechanism = backend::choose(prepared, early)?;
    let weaker = is_weaker(prepared);
    Ok(Planned { plan, facts, mechanism, made: granted.made, files, covers, weaker, layers: Vec::new() })
}

/// Whether the boundary has to do without a `/proc` of its own, where the settings put up with that. It is tried each time:
/// a container that lets it be mounted gets the whole boundary.
fn is_weaker(prepared: &Prepared) -> bool {
    let setting = &prepared.policy.weaker_nested;
    let why = setting.value.then(|| waiting::trial().err()).flatten();
    let Some(why) = why.filter(|why| why.contains("mount proc")) else { return false };
    report::notice(&format!(
        "THE SANDBOX IS WEAKER ({}): it sees the processes outside, because no /proc of its own can be had: {why}",
        setting.origin
    ));
    true
}

/// What the boundary of a plan consists of beside it; `terminal` is the one on a standard descriptor.
pub fn fittings(planned: &Planned, prepared: &Prepared, terminal: Option<PathBuf>) -> Fittings {
    Fittings {
        blind_directory: prepared.places.blind_directory.clone(),
        blind_file: prepared.places.blind_file.clone(),
        own_processes: !planned.weaker,
        kernel_files: facts::kernel_files(),
        misread: facts::misread_inside(),
        terminal,
        covers: covers(planned, prepared),
        layers: planned.layers.clone(),
    }
}

/// What the kernel is told where Landlock draws the boundary.
///
/// # Errors
/// Where it would be too much.
pub fn domain(planned: &Planned, terminal: Option<&PathBuf>) -> Result<Option<landlock::Boundary>, Stop> {
    if planned.mechanism != Mechanism::Landlock {
        return Ok(None);
    }
    let terminals: Vec<PathBuf> = terminal.into_iter().cloned().collect();
    let boundary = landlock::boundary(&planned.plan, &terminals, &facts::list);
    boundary
        .map(|boundary| Some(boundary.with_later(&planned.files.writable)))
        .map_err(|why| Stop::Failed(why.to_string(), crate::exit::REFUSED))
}

/// What whatever builds it is told.
fn orders(
    planned: &Planned,
    prepared: &Prepared,
    waiting: &mut Waiting,
    terminal: Option<PathBuf>,
    domain: Option<&landlock::Boundary>,
) -> Result<Vec<u8>, RunError> {
    if let Some(domain) = domain {
        return Ok(landlock::as_bytes(domain));
    }
    let fittings = fittings(planned, prepared, terminal);
    Ok(match planned.mechanism {
        Mechanism::Bubblewrap(_) => {
            let start = Start { marker_content: waiting.marker, network_is_made: waiting.has_network()? };
            bubblewrap::as_bytes(&bubblewrap::arguments(&planned.plan, &fittings, start))
        }
        Mechanism::Namespaces => namespaces::as_bytes(&namespaces::steps(&planned.plan, &fittings)),
        Mechanism::Landlock => Vec::new(),
    })
}

/// Shims in the place of what runs outside. What is no more there as it was found is left as it is.
fn covers(planned: &Planned, prepared: &Prepared) -> Vec<Cover> {
    let Some(by) = prepared.locations.binary.as_ref().filter(|path| path.exists()) else { return Vec::new() };
    let cover = |file: &PathBuf| Cover { file: file.clone(), kept: shim::original(file), by: by.clone() };
    planned.covers.files.iter().map(|found| cover(&found.file)).collect()
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
    journal: &Journal,
    session: Option<RunEnd>,
) -> Result<Outcome, Stop> {
    let policy = &prepared.policy;
    footing::root_is_reached(prepared)?;
    // Landlock mounts nothing; what it allows is opened through no link.
    let mounts = planned.mechanism != Mechanism::Landlock;
    let held = if mounts { held(&planned, prepared)? } else { Vec::new() };
    let mut waiting = early.of(&planned.mechanism)?;
    // Said here, where somebody reads it; the gateway has nobody to tell.
    if let Some(Err(error)) = journal.pen.syslog() {
        report::notice(&format!(
            "this command is not logged to {} ({}): {error}",
            syslog::SOCKET,
            policy.audit.syslog.origin
        ));
    }
    // Only where a file is handed over: they take a while.
    let vetted = LazyCell::new(|| rules(&planned, prepared, None));
    let writes = |path: &Path| vetted.lets_write(path, |part| std::fs::symlink_metadata(part).is_ok());
    let inherited = inherited::vet(&policy.files, &writes, &planned.layers, &waiting)?;
    if shell.is_interactive() {
        Terminal::await_foreground();
    }
    let signals = front::block_signals()?;
    let authorities = match (&policy.network.extra_ca, prepared.places.tmpdir.parent()) {
        (Some(extra), Some(private)) => certificates::variables(&extra.value, private)?,
        _ => Vec::new(),
    };
    let domain = domain(&planned, inherited.terminal.as_ref())?;
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
            listens: policy.network.local_binding.value,
            shared_group: front::shares_group(),
            watched: match (policy.gatekeeper.value, &domain) {
                // It does what Landlock cannot.
                (_, Some(domain)) if domain.reads_are_asked => Watched::Reads,
                (Gatekept::Network, Some(_)) => Watched::Files,
                (Gatekept::Full, _) if policy.files.read_asked.is_empty() => Watched::Files,
                (Gatekept::Full, _) => Watched::Reads,
                (Gatekept::Network, None) => Watched::Connects,
            },
            no_namespaces: domain.is_some(),
        },
    };
    let boundary = orders(&planned, prepared, &mut waiting, inherited.terminal, domain.as_ref())?;
    let command = Command {
        text: super::decide::text_of(shell),
        cwd: prepared.locations.cwd.clone(),
        pen: journal.pen.clone(),
    };
    let (line, far) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
    let serve = |network: &Network<'_>, alive: &OwnedFd| {
        let (desk, upstreams) = OutsideDesk::new(caller, command.clone(), prepared);
        let (entrances, front, seat) = (&network.entrances, &network.line, network.seat.clone());
        let desk = Arc::new(desk);
        let mine = Arc::clone(&desk);
        if let Err(error) = gateway::serve(entrances, mine, upstreams, front, alive, seat) {
            report::notice(&format!("the network's gateway failed: {error}"));
        }
        desk.hosts()
    };
    let connected = Box::new(|entrances: Result<Entrances, String>| {
        let seat = loopback(&entrances, prepared, caller);
        record.filter.listens |= seat.is_some();
        record.environment = environment::inside(prepared, caller, entrances.as_ref().ok(), &authorities);
        // Without a network of its own, doors made inside would be the host's.
        record.makes_doors = entrances.is_err() && domain.is_none();
        let network = Network {
            entrances: entrances.unwrap_or_else(|_| Entrances::none()),
            line: far,
            listens: record.filter.listens,
            seat,
            serve: Box::new(serve),
        };
        (record, network)
    });
    let questions = Tally::new().map_err(RunError::system("share a number"))?;
    let speaker =
        Box::new(AtTerminal { outside: Vec::new(), questions, prepared, caller, command: &command, session });
    let layered = !planned.layers.is_empty();
    let rules = Box::new(|| rules(&planned, prepared, domain.as_ref()));
    let watch = Watch {
        guards: planned.plan.guards.clone(),
        roots: planned.facts.roots.clone(),
        repositories: planned.facts.repositories.clone(),
        born: Vec::new(),
        granted: Vec::new(),
        made: planned.made.clone(),
        state: prepared.locations.state_dir.clone(),
        begun: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        quarantine: quarantine(prepared),
        layered,
    };
    let beyond: Box<Beyond<'_>> =
        Box::new(|asked, reply| desk::ask_beyond(asked, caller, &command, prepared, reply));
    let log = Box::new(|kept: &Kept| desk::keep(kept, &command, journal));
    let ended = Box::new(|end: &End| {
        let before = end.cost.and_then(|cost| desk::line(&Kept::Cost(cost), &command));
        journal.ended(end, before, prepared)
    });
    let keeping = Keeping { rules, beyond, log, ended };
    let excluded =
        ExcludedDesk { prepared, caller, command: &command, covers: planned.covers.clone(), questions };
    let desk = Box::new(|front: &UnixStream, serve: &mut dyn FnMut(&dyn Desk)| serve(&excluded.with(front)));
    let launch = Launch { waiting, boundary, connected, watch, keeping, line, speaker, desk, layered };
    Ok(front::run(launch)?)
}

/// What the gatekeeper goes by.
fn rules(planned: &Planned, prepared: &Prepared, domain: Option<&landlock::Boundary>) -> Rules {
    let (facts, network) = (&planned.facts, &prepared.policy.network);
    let guards = &planned.plan.guards;
    let rules = Rules::new(&facts.places, guards, &planned.files, network, own_sockets(prepared));
    let held_by = domain.map(|domain| domain.allowed.as_slice());
    let rules = rules.knowing(facts.repositories.iter().cloned()).above(held_by);
    rules.beside(&prepared.places.tmpdir).layered(!planned.layers.is_empty())
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
    let Err(why) = entrances.clone().and_then(|entrances| setup::join_loopback(entrances, &joined)) else {
        return seat.map(Rc::new);
    };
    // The gatekeeper's door leads there by itself.
    let by_door = entrances.as_ref().is_ok_and(|entrances| entrances.mediated.is_some());
    if joined.host && !by_door {
        report::notice(&format!("the host's loopback is not reachable from inside: {why}"));
    }
    if let Some(seat) = seat {
        report::notice(&format!("{SESSION} has no effect: {why}"));
        seat.leave();
    }
    None
}

/// What each mount must show. Read right after the plan; what is replaced by a link afterwards is found from inside.
fn held(planned: &Planned, prepared: &Prepared) -> Result<Vec<Held>, RunError> {
    let (plan, mechanism) = (&planned.plan, planned.mechanism.name());
    let look = |path: &Path| {
        let changed = |error: nix::errno::Errno| RunError::Boundary {
            mechanism,
            cause: format!(
                "'{}' changed while the sandbox was planned ({}); try again",
                path.display(),
                error.desc()
            ),
        };
        // What is seen through a layer is another file system's.
        let is_layered = planned.layers.iter().any(|layer| path.starts_with(&layer.at));
        inside::look(path).map(|place| (!is_layered).then_some(place.identity)).map_err(changed)
    };
    let above = |path: &Path| {
        plan.mounts.iter().any(|mount| matches!(mount, Mount::Writable(top) if path.starts_with(top)))
    };
    let mut all = Vec::new();
    for mount in &plan.mounts {
        let (path, shows) = match mount {
            Mount::Writable(path) | Mount::ReadOnly(path) => (path, look(path)?),
            Mount::HiddenDirectory(path) => (path, look(&prepared.places.blind_directory)?),
            Mount::HiddenFile(path) => (path, look(&prepared.places.blind_file)?),
            Mount::Hollow(path) => (path, None),
            Mount::Passage(_) | Mount::Seal(_) => continue,
        };
        all.push(Held { path: path.clone().into_os_string(), shows, remote: !above(path) });
    }
    Ok(all)
}

/// Where the sweep puts what it takes away.
pub fn quarantine(prepared: &Prepared) -> PathBuf {
    match &prepared.locations.state_dir {
        Some(state) => state.join("quarantine"),
        None => prepared.places.tmpdir.with_file_name("quarantine"),
    }
}
