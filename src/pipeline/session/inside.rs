//! The run behind the front end: a process of its own on the session's pty, which confines the shell as any other.
//!
//! Owns what that process has and what it must not have: never the person's terminal, never the pty's other side.

use super::super::covers::Covers;
use super::super::journal::Journal;
use super::super::prepare::Prepared;
use super::super::shells::Shell;
use super::super::{Stop, backend, confine, stop};
use super::started;
use crate::caller::Caller;
use crate::confinement::Mechanism;
use crate::policy::Backend;
use crate::run::errand::Errand;
use crate::run::{RunError, front};
use crate::session::channel::Channel;
use crate::session::inner::{self, Start};
use crate::session::output::Output;
use crate::session::shell::{self, Manner};
use crate::session::terminal::Person;
use crate::session::wire::{RunEnd, ToFrontEnd, Wire};
use crate::system::process::{self, Fork};
use crate::system::pty::{self, FIRST_GIVEN, Pty};
use crate::system::signals::{self, Arrivals, CallerSignals};
use crate::system::{descriptors, private, sockets};
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What the run is made of.
pub(super) struct Parts<'a> {
    pub(super) shell: &'a Shell,
    pub(super) prepared: &'a Prepared,
    pub(super) covers: &'a Covers,
    pub(super) caller: &'a Caller,
    pub(super) journal: &'a Journal,
    /// How the caller left the signals; all are blocked now.
    pub(super) signals: CallerSignals,
}

/// The descriptors that the shell inside is given besides the standard ones, and what is kept out of it.
struct Given {
    slave: OwnedFd,
    lines: OwnedFd,
    answers: OwnedFd,
    /// Its script and what goes with it. Not there for a shell that cannot be led; then it has none of these.
    boot: Option<Vec<OwnedFd>>,
    front_end: UnixStream,
}

/// Starts the run; the shell as the front end has it, and whether its lines come from there.
///
/// # Errors
/// [`RunError`]; then nothing was started.
pub(super) fn start(
    parts: &Parts<'_>,
    person: &Person,
    network: Option<Errand>,
) -> Result<(shell::Shell, bool), Stop> {
    let mut network = network;
    let mut typed = Vec::new();
    let mark = private::token().map_err(RunError::system("draw a number"))?;
    if let Some(mut start) = started::start(parts.shell, mark) {
        start.files.name_sbsh = name_sbsh(parts.caller, &start);
        match begin(parts, person, Some(&start), network.take())? {
            Begun::Shell(shell) => return Ok((*shell, true)),
            Begun::Unanswered(keys) => typed = keys,
        }
    }
    match begin(parts, person, None, network)? {
        Begun::Shell(mut shell) => {
            shell.types(&typed);
            Ok((*shell, false))
        }
        Begun::Unanswered(_) => Err(RunError::system("start a process")(nix::Error::ECHILD).into()),
    }
}

/// What a start came to.
enum Begun {
    Shell(Box<shell::Shell>),
    /// The terminal does not say where its cursor is; the keys that came while it was waited for.
    Unanswered(Vec<u8>),
}

/// Starts it with the shell led so, or by itself. A terminal that does not say where its cursor is has no use for a line
/// editor: nothing was started for it then. It is asked while the run prepares itself.
fn begin(
    parts: &Parts<'_>,
    person: &Person,
    start: Option<&Start>,
    network: Option<Errand>,
) -> Result<Begun, Stop> {
    if start.is_some() {
        person.ask();
    }
    let failed = |what| RunError::system::<nix::Error>(what);
    let size = person.size().ok_or_else(|| failed("tell the size of the terminal")(nix::Error::ENOTTY))?;
    let pty = Pty::open(&size, person.settings()).map_err(failed("open a terminal"))?;
    let (lines, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"))?;
    let (from, answers) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"))?;
    let (near, far) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
    let boot = start.map(boot).transpose()?;
    let slave = pty.slave.try_clone().map_err(RunError::system("copy a descriptor"))?;
    let arrivals = Arrivals::new().map_err(failed("make a signal descriptor"))?;
    let given = Given { slave, lines, answers, boot, front_end: far };
    let child = match process::fork().map_err(failed("start a process"))? {
        Fork::Parent(child) => child,
        Fork::Child => {
            // Held here, they would keep the session alive after its front end.
            [pty.master.as_raw_fd(), pty.slave.as_raw_fd(), to.as_raw_fd(), from.as_raw_fd()]
                .into_iter()
                .chain([near.as_raw_fd(), person.descriptor().as_raw_fd(), arrivals.descriptor().as_raw_fd()])
                .for_each(descriptors::close);
            process::exit_now(run(parts, start, given, network).unwrap_or_else(|stop| stop.report()));
        }
    };
    drop(given);
    network.into_iter().for_each(Errand::leave_to_child);
    let mut typed = Vec::new();
    if start.is_some() {
        let said = person.answers();
        let told = sockets::write_all(&near, &[u8::from(said.answered)]);
        if !said.answered || told.is_err() {
            drop(near);
            process::reap(child);
            return if said.answered {
                Err(failed("start a process")(nix::Error::ECHILD).into())
            } else {
                Ok(Begun::Unanswered(said.typed))
            };
        }
        typed = said.typed;
    }
    let wire = Wire::new(near).map_err(RunError::system("use a socket"))?;
    let (output, nudge) = match start {
        Some(start) => (Output::new(inner::marker(&start.mark)), inner::nudge(start.shell)),
        None => (Output::without_marks(), &b""[..]),
    };
    let manner = Manner { output, settings: person.settings().clone(), nudge };
    let mut shell = shell::Shell::new(pty, Channel::new(to, from), wire, arrivals, child, manner);
    if let Some(start) = start {
        shell.type_first(&inner::first_line(start));
        // What whoever started us typed at once is for the first prompt.
        shell.types(&typed);
    }
    Ok(Begun::Shell(Box::new(shell)))
}

/// In the process of the run: its exit status.
fn run(parts: &Parts<'_>, start: Option<&Start>, given: Given, network: Option<Errand>) -> Result<i32, Stop> {
    signals::restore(parts.signals);
    let failed = |what| RunError::system::<nix::Error>(what);
    pty::lead_session_on(given.slave.as_fd()).map_err(failed("take the session's terminal"))?;
    if let Some(boot) = given.boot {
        for (number, end) in (FIRST_GIVEN..).zip([given.lines, given.answers].into_iter().chain(boot)) {
            descriptors::put(end.as_raw_fd(), number).map_err(failed("place a descriptor"))?;
        }
    }
    drop(given.slave);
    let mut early = backend::Early::start(Vec::new(), network, parts.caller);
    let mut invocation = parts.shell.invocation.clone();
    if let Some(start) = start {
        invocation.arguments = inner::arguments(start);
    }
    let shell = Shell { invocation, path: parts.shell.path.clone() };
    let plan = confine::plan(parts.prepared, parts.covers.clone(), &[], &[], Some(&mut early))?;
    let mut word = [0];
    let heard = start.is_none() || (&given.front_end).read_exact(&mut word).is_ok() && word == [1];
    if !heard {
        // What was started early ends with this; the front end starts anew.
        drop(early);
        return Ok(0);
    }
    let session = RunEnd::new(Wire::new(given.front_end).map_err(RunError::system("use a socket"))?);
    if plan.mechanism == Mechanism::Landlock && parts.prepared.policy.backend.value == Backend::Auto {
        session.say(&ToFrontEnd::Tell(BY_LANDLOCK.to_owned()));
    }
    let outcome =
        confine::run(&shell, plan, parts.prepared, parts.caller, early, parts.journal, Some(session))?;
    stop::report_outcome(&outcome, &[], None);
    Ok(front::end(outcome.ending))
}

/// Whether a start-up file that bash may read names sbsh. What cannot be read or is no file says nothing.
fn name_sbsh(caller: &Caller, start: &Start) -> bool {
    let home = caller.variable("HOME").map(Path::new);
    let own = [".bash_profile", ".bash_login", ".profile", ".bashrc"];
    let given = start.files.rc_file.as_ref().zip(caller.directory.as_ref());
    let mut all =
        own.iter().filter_map(|name| Some(home?.join(name))).chain(given.map(|(file, at)| at.join(file)));
    all.any(|path| {
        let file = || {
            let file =
                OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok()?;
            file.metadata().ok()?.is_file().then_some(file)
        };
        let mut text = Vec::new();
        file().is_some_and(|file| file.take(MOST_READ).read_to_end(&mut text).is_ok())
            && text.windows(4).any(|four| four == b"sbsh")
    })
}

/// No start-up file is read further than this.
const MOST_READ: u64 = 1 << 20;

/// What a person is told whose machine makes no namespaces: once for a session.
const BY_LANDLOCK: &str = "no namespaces are to be had here, so Landlock confines this session; 'sbshctl doctor' lists what it does not hold";

/// A pipe with one descriptor for both ends, at which nobody waits.
fn tape() -> std::io::Result<OwnedFd> {
    let (end, _other) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let both = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    // A pipe that is opened by that name is the same pipe (fifo(7) has what opening it for both means).
    let name = format!("/proc/self/fd/{}", end.as_raw_fd());
    Ok(nix::fcntl::open(name.as_str(), both, nix::sys::stat::Mode::empty())?)
}

/// A file without a name that holds the shell's script, and what [`Start::boot`] says of the descriptors behind it.
fn boot(start: &Start) -> Result<Vec<OwnedFd>, RunError> {
    let file =
        memfd_create(c"sbsh", MFdFlags::MFD_CLOEXEC).map_err(RunError::system("make a file in memory"))?;
    let mut file = File::from(file);
    let written = move || -> std::io::Result<Vec<OwnedFd>> {
        file.write_all(&inner::bootstrap(start))?;
        let mut all = vec![OwnedFd::from(file)];
        if start.shell == inner::Shell::Bash {
            let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
            all.extend([tape()?, null.into()]);
        }
        Ok(all)
    };
    written().map_err(RunError::system("write a file in memory"))
}
