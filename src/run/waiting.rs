//! Whatever builds the boundary, started and waiting to be told what to build.
//!
//! Owns the early start: a program's own start-up and its namespaces cost as much as reading the settings and planning, so
//! both go on side by side. Nothing is decided by it: untold, bubblewrap and our own builder do nothing, and one that is not
//! wanted is killed before its pipe is closed, because to bubblewrap an end of file there would mean "no arguments".
//!
//! An errand ([`super::errand`]) makes the sandbox's network and starts in it whatever builds; where it made the network before
//! there was anything to build, that is started in it here.

use super::builder::{self, Site};
use super::errand::Errand;
use super::{FIRST_INSIDE, RunError};
use crate::confinement::Mechanism;
use crate::confinement::namespaces::{Step, as_bytes};
use crate::exit;
use crate::network::mediated;
use crate::network::setup::Entrances;
use crate::system::process::Processors;
use crate::system::{descriptors, holders, namespaces, process, signals, sockets};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::{Gid, Pid, Uid, getegid, geteuid};
use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A started builder with all that it inherited.
#[derive(Debug)]
pub struct Waiting {
    /// What builds.
    pub mechanism: Mechanism,
    /// The numbers above 2 that the caller had open.
    pub extras: Vec<i32>,
    /// Where copies of the standard descriptors stand in it; `None`: closed.
    pub carried: [Option<i32>; 3],
    /// The number of `/dev/null` in it, for the marker.
    pub marker: i32,
    /// The number to keep open as long as anything lives inside.
    pub alive_inside: i32,
    /// The number of the other end of `link` in it.
    pub link_inside: i32,
    ends: Option<Ends>,
}

/// Our ends of what joins us.
#[derive(Debug)]
pub struct Ends {
    /// Where the entrances come from if the first process inside has to make them, and the gatekeeper's
    /// descriptors.
    pub link: UnixStream,
    /// To the first process inside.
    pub channel: UnixStream,
    /// Ends when nothing lives inside any more.
    pub alive: OwnedFd,
    /// What it says.
    pub complaints: OwnedFd,
    /// What builds.
    pub mechanism: &'static str,
    orders: Option<UnixStream>,
    /// Who builds, and whether in a network that was made, once that is known.
    begun: Option<(Pid, bool)>,
    /// What made its network, until that is collected.
    pub errand: Option<Errand>,
    /// Where it is to be a child of the caretaker's: what it will be made of.
    pub unborn: Option<Unborn>,
}

/// A first process that does not live yet. Under Landlock nothing takes longer than to make it, and the gatekeeper has to
/// be above it: to look into processes that are not below it, it would need a capability (ptrace(2), Yama).
#[derive(Debug)]
pub struct Unborn {
    /// What it is told.
    pub orders: Vec<u8>,
    /// To the front.
    pub channel: OwnedFd,
    /// Where it says why it could not go on.
    pub complaints: OwnedFd,
    /// What else stays open in it, by number.
    pub kept: Vec<RawFd>,
    /// Those of it that are ours.
    _held: Vec<OwnedFd>,
}

impl Ends {
    /// The process that builds, a child of this one: bubblewrap, or the first process inside.
    pub fn built_by(&self) -> Option<Pid> {
        self.begun.map(|(child, _)| child)
    }

    /// Ends what builds, and what it began: bubblewrap's child would wait for ever for one that is gone.
    pub fn give_up(&self) {
        self.end_builder();
        holders::end(&self.complaints, &[]);
    }

    fn end_builder(&self) {
        if let Some(child) = self.built_by() {
            signals::send(child, libc::SIGKILL);
            process::reap(child);
        }
    }

    /// The entrances of the network that it was started in; once.
    ///
    /// # Errors
    /// Why there are none: then the first process inside has to make what it can.
    pub fn entrances(&mut self) -> Result<Entrances, String> {
        if self.unborn.is_some() {
            return mediated::entrances();
        }
        self.errand.as_mut().map_or_else(|| Err("nobody was sent for them".into()), Errand::entrances)
    }

    /// Waits until it is known who builds, and tells whether it is in a network that was made.
    fn settle(&mut self) -> Result<bool, RunError> {
        if let (Some(errand), None) = (&self.errand, self.begun) {
            self.begun = Some(errand.started().map_err(no_namespaces(self.mechanism))?);
        }
        Ok(self.begun.is_some_and(|(_, has_network)| has_network))
    }
}

fn no_namespaces(mechanism: &'static str) -> impl FnOnce(Errno) -> RunError {
    move |why| match why {
        Errno::EAGAIN => no_process(why),
        _ => RunError::Boundary { mechanism, cause: format!("cannot make new namespaces: {}", why.desc()) },
    }
}

fn no_process(why: Errno) -> RunError {
    RunError::System { verb: "start a process", cause: process::no_more(why).to_owned() }
}

/// Whether an errand has to prove that an ordinary user's namespaces can be had: root makes the network without one, and
/// bubblewrap may have more rights than this process.
fn proves(mechanism: &Mechanism) -> bool {
    matches!(mechanism, Mechanism::Bubblewrap(_)) && geteuid().is_root()
}

/// Has the network made before there is anything to build.
///
/// # Errors
/// [`RunError`].
pub fn network(mechanism: &Mechanism) -> Result<Errand, RunError> {
    Errand::begin(None, proves(mechanism)).map_err(no_process)
}

impl Waiting {
    /// Starts it, in a network that was made already if there is one. `closed` are the standard descriptors that the caller had
    /// closed.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn start(mechanism: Mechanism, closed: &[i32], network: Option<Errand>) -> Result<Waiting, RunError> {
        // Listed before anything is opened here.
        let extras = descriptors::above_standard().map_err(RunError::system("list the open descriptors"))?;
        let extras: Vec<i32> = extras.into_iter().filter(|&n| !descriptors::is_close_on_exec(n)).collect();
        let (channel, theirs) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
        let (alive, alive_inside) = pipe()?;
        let (complaints, complaints_inside) = pipe()?;
        // No pipe: whoever writes to one that nobody reads any more gets SIGPIPE, which would be passed on to the shell inside.
        let (orders_inside, orders) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
        // Each message by itself: one without descriptors would be read together with the next, and its descriptors lost.
        let (link, far) = sockets::packet_pair().map_err(RunError::system("make a socket pair"))?;
        let marker = open("/dev/null")?;
        let mut copies = Vec::new();
        let mut carried = [None; 3];
        for (number, place) in (0..).zip(&mut carried) {
            if !closed.contains(&number) {
                let copy =
                    descriptors::duplicate(number, 10).map_err(RunError::system("copy a descriptor"))?;
                *place = Some(copy.as_raw_fd());
                copies.push(copy);
            }
        }
        let handed = Handed {
            orders: orders_inside.as_raw_fd(),
            complaints: complaints_inside.as_raw_fd(),
            channel: theirs.as_raw_fd(),
            standard: copies.iter().map(AsRawFd::as_raw_fd).collect(),
            link: far.as_raw_fd(),
            alive: alive_inside.as_raw_fd(),
            marker: marker.as_raw_fd(),
            extras: extras.clone(),
            user: geteuid(),
            group: getegid(),
        };
        let build = |has_network, processors| handed.begin(&mechanism, has_network, processors);
        let (errand, begun) = match (&mechanism, network) {
            (Mechanism::Landlock, _) => (None, None),
            (_, None) => {
                let errand = Errand::begin(Some(&build), proves(&mechanism));
                (Some(errand.map_err(no_process)?), None)
            }
            (_, Some(mut made)) => {
                let begun = made.build_in(&build).map_err(no_namespaces(mechanism.name()))?;
                (Some(made), Some(begun))
            }
        };
        let (marker_number, alive_number, link_number) =
            (marker.as_raw_fd(), alive_inside.as_raw_fd(), far.as_raw_fd());
        let unborn = (mechanism == Mechanism::Landlock).then(|| Unborn {
            orders: Vec::new(),
            channel: theirs.into(),
            complaints: complaints_inside,
            kept: handed.standard.iter().chain(&extras).copied().chain([alive_number, link_number]).collect(),
            _held: copies.into_iter().chain([alive_inside, far]).collect(),
        });
        let ends = Ends {
            link: link.into(),
            channel,
            alive,
            complaints,
            mechanism: mechanism.name(),
            orders: Some(orders),
            begun,
            errand,
            unborn,
        };
        Ok(Waiting {
            mechanism,
            extras,
            carried,
            marker: marker_number,
            alive_inside: alive_number,
            link_inside: link_number,
            ends: Some(ends),
        })
    }

    /// Waits until what builds has been started, and tells whether it is in the sandbox's network; if not, it has to make an
    /// empty one.
    ///
    /// # Errors
    /// [`RunError::Boundary`] where nothing could be started.
    pub fn has_network(&mut self) -> Result<bool, RunError> {
        self.ends.as_mut().map_or(Ok(false), Ends::settle)
    }

    /// Whether it has been shown that namespaces can be made by an ordinary user.
    ///
    /// # Errors
    /// As [`Waiting::has_network`].
    pub fn shows_namespaces(&mut self) -> Result<bool, RunError> {
        let has_network = self.has_network()?;
        let errand = self.ends.as_mut().and_then(|ends| ends.errand.as_mut());
        Ok(match &self.mechanism {
            Mechanism::Namespaces => true,
            Mechanism::Landlock => false,
            made if proves(made) => errand.is_some_and(Errand::proof),
            _ => has_network,
        })
    }

    /// Tells it what to build. From here on it works beside us; a failure of it shows as the channel's end.
    ///
    /// # Errors
    /// As [`Waiting::has_network`].
    pub fn go(mut self, orders: &[u8]) -> Result<Ends, RunError> {
        let twice = RunError::System { verb: "build the boundary", cause: "it was begun twice".into() };
        let Some(ends) = self.ends.as_mut() else { return Err(twice) };
        match (ends.orders.take(), &mut ends.unborn) {
            (_, Some(unborn)) => unborn.orders = orders.to_vec(),
            // Whoever is gone says why by its complaints.
            (Some(to), None) => drop(sockets::write_all(&to, orders)),
            (None, None) => {}
        }
        self.has_network()?;
        self.ends.take().ok_or(twice)
    }
}

/// What goes to whatever builds, by number.
struct Handed {
    orders: RawFd,
    complaints: RawFd,
    channel: RawFd,
    standard: Vec<RawFd>,
    link: RawFd,
    alive: RawFd,
    marker: RawFd,
    extras: Vec<RawFd>,
    user: Uid,
    group: Gid,
}

impl Handed {
    fn complain(&self, why: &str) -> i32 {
        let _ = nix::unistd::write(descriptors::borrow(self.complaints), why.as_bytes());
        exit::REFUSED
    }

    /// Starts what builds, as a child of the front's; this process is not the front.
    fn begin(&self, mechanism: &Mechanism, has_network: bool, processors: Processors) -> nix::Result<Pid> {
        let more = if has_network { CloneFlags::empty() } else { CloneFlags::CLONE_NEWNET };
        let free = || processors.restore(Pid::from_raw(0));
        match mechanism {
            Mechanism::Bubblewrap(path) => process::spawn_sibling(|| {
                free();
                self.become_bubblewrap(path)
            }),
            _ => process::fork_sibling(namespaces::OF_A_SANDBOX | more, || {
                free();
                self.build(has_network)
            }),
        }
    }

    fn become_bubblewrap(&self, path: &Path) -> i32 {
        let binary = match std::fs::File::open("/proc/self/exe") {
            Ok(binary) => binary,
            Err(error) => return self.complain(&format!("cannot open our own program: {error}")),
        };
        let inherited = [self.orders, self.channel, self.link, self.alive, binary.as_raw_fd(), self.marker];
        let inherited = inherited.iter().chain(&self.standard);
        inherited.for_each(|&number| descriptors::set_inherited(number, true));
        let command = [
            CString::from(c"bwrap"),
            CString::from(c"--args"),
            text(&self.orders.to_string()),
            text(&format!("/proc/self/fd/{}", binary.as_raw_fd())),
            text(FIRST_INSIDE),
            text(&self.channel.to_string()),
        ];
        let file = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        let error = process::become_masked(&file, &command, self.complaints);
        self.complain(&format!("cannot execute '{}': {}", path.display(), error.desc()))
    }

    fn build(&self, has_network: bool) -> i32 {
        builder::main(&Site {
            orders: self.orders,
            complaints: self.complaints,
            channel: self.channel,
            standard: self.standard.clone(),
            kept: [self.link, self.alive].iter().chain(&self.extras).copied().collect(),
            user: self.user,
            group: self.group,
            has_network,
        })
    }
}

/// Builds a boundary of our own in which nothing runs.
///
/// # Errors
/// What kept it from being built.
pub fn trial() -> Result<(), String> {
    let steps = [Step::ReadOnly, Step::Devices, Step::Marker, Step::Seal("/dev".into()), Step::Processes];
    let started =
        Waiting::start(Mechanism::Namespaces, &[], None).and_then(|waiting| waiting.go(&as_bytes(&steps)));
    let ends = started.map_err(|error| error.to_string())?;
    let builder = ends.built_by();
    // Nothing comes over it, so what was built ends.
    drop(ends.channel);
    let mut words = String::new();
    let _ = std::fs::File::from(ends.complaints).read_to_string(&mut words);
    builder.into_iter().for_each(process::reap);
    if words.is_empty() { Ok(()) } else { Err(words) }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(ends) = &mut self.ends else { return };
        let _ = ends.settle();
        ends.errand = None;
        ends.end_builder();
    }
}

fn open(path: &str) -> Result<OwnedFd, RunError> {
    std::fs::File::open(path).map(OwnedFd::from).map_err(RunError::system("open what bubblewrap is given"))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), RunError> {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(RunError::system("make a pipe"))
}

fn text(text: &str) -> CString {
    // None of ours contains a NUL.
    CString::new(text).unwrap_or_default()
}
