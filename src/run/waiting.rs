//! Whatever builds the boundary, started and waiting to be told what to build.
//!
//! Owns the early start: a program's own start-up and its namespaces cost as much as reading the settings and planning, so
//! both go on side by side. Nothing is decided by it: untold, bubblewrap and our own builder do nothing, and one that is not
//! wanted is killed before its pipe is closed, because to bubblewrap an end of file there would mean "no arguments".
//!
//! An errand enters the sandbox's network namespace, starts there whatever builds, and makes the network ready: so no process
//! of the sandbox ever has capabilities in the namespace that owns the network. This process stands still meanwhile; a fork
//! of it that did the same beside it took longer, because it waited for a processor.

use super::builder::{self, Site};
use super::{FIRST_INSIDE, RunError};
use crate::confinement::Mechanism;
use crate::confinement::namespaces::{Step, as_bytes};
use crate::exit;
use crate::network::mediated;
use crate::network::setup::{Entrances, Namespace};
use crate::system::{descriptors, namespaces, process, signals};
use nix::sched::CloneFlags;
use nix::unistd::{Gid, Pid, Uid, getegid, geteuid};
use std::ffi::CString;
use std::io::{Read, Write};
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
    /// Whether it was started in the sandbox's network; if not, it has to make an empty one.
    pub has_network: bool,
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
    orders: Option<OwnedFd>,
    child: Option<Pid>,
    entrances: Option<Result<Entrances, String>>,
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
        self.child
    }

    /// The entrances of the network that it was started in; once.
    ///
    /// # Errors
    /// Why there are none: then the first process inside has to make what it can.
    pub fn entrances(&mut self) -> Result<Entrances, String> {
        if self.unborn.is_some() {
            return mediated::entrances();
        }
        self.entrances.take().unwrap_or_else(|| Err("they were taken already".into()))
    }
}

impl Waiting {
    /// Starts it. `closed` are the standard descriptors that the caller had closed.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn start(mechanism: Mechanism, closed: &[i32]) -> Result<Waiting, RunError> {
        // Listed before anything is opened here.
        let extras = descriptors::above_standard().map_err(RunError::system("list the open descriptors"))?;
        let extras: Vec<i32> = extras.into_iter().filter(|&n| !descriptors::is_close_on_exec(n)).collect();
        let (channel, theirs) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
        let (alive, alive_inside) = pipe()?;
        let (complaints, complaints_inside) = pipe()?;
        let (orders_inside, orders) = pipe()?;
        let (link, far) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
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
        };
        let begun = process::errand(|| handed.begin(&mechanism, marker.as_raw_fd(), &extras));
        let (child, entrances, has_network) =
            begun.and_then(|begun| begun).map_err(|cause| RunError::Boundary {
                mechanism: mechanism.name(),
                cause: format!("cannot make new namespaces: {}", cause.desc()),
            })?;
        let (marker_number, alive_number, link_number) =
            (marker.as_raw_fd(), alive_inside.as_raw_fd(), far.as_raw_fd());
        let unborn = (mechanism == Mechanism::Landlock).then(|| Unborn {
            orders: Vec::new(),
            channel: theirs.into(),
            complaints: complaints_inside,
            kept: handed.standard.iter().chain(&extras).copied().chain([alive_number, link_number]).collect(),
            _held: copies.into_iter().chain([alive_inside, far.into()]).collect(),
        });
        let ends = Ends {
            link,
            channel,
            alive,
            complaints,
            mechanism: mechanism.name(),
            orders: Some(orders),
            child,
            entrances: Some(entrances),
            unborn,
        };
        Ok(Waiting {
            mechanism,
            extras,
            carried,
            marker: marker_number,
            alive_inside: alive_number,
            link_inside: link_number,
            has_network,
            ends: Some(ends),
        })
    }

    /// Tells it what to build. From here on it works beside us; a failure of it shows as the channel's end.
    pub fn go(mut self, orders: &[u8]) -> Option<Ends> {
        let mut ends = self.ends.take()?;
        match (ends.orders.take(), &mut ends.unborn) {
            (_, Some(unborn)) => unborn.orders = orders.to_vec(),
            (Some(to), None) => drop(std::fs::File::from(to).write_all(orders)),
            (None, None) => {}
        }
        Some(ends)
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
}

/// The process, the entrances of the network that it is in, and whether it is in one.
type Begun = (Option<Pid>, Result<Entrances, String>, bool);

impl Handed {
    fn complain(&self, why: &str) -> i32 {
        let _ = nix::unistd::write(descriptors::borrow(self.complaints), why.as_bytes());
        exit::REFUSED
    }

    /// The errand: enters the sandbox's network, starts there what builds, and makes it ready.
    fn begin(&self, mechanism: &Mechanism, marker: RawFd, extras: &[RawFd]) -> nix::Result<Begun> {
        let bubblewrap = match mechanism {
            Mechanism::Bubblewrap(path) => Some(path),
            Mechanism::Namespaces => None,
            Mechanism::Landlock => return Ok((None, Err("Landlock makes no network".into()), false)),
        };
        let (user, group) = (geteuid(), getegid());
        let network = Namespace::enter();
        let has_network = network.is_ok();
        let more = if has_network { CloneFlags::empty() } else { CloneFlags::CLONE_NEWNET };
        let child = match bubblewrap {
            Some(path) => process::spawn_sibling(|| self.become_bubblewrap(path, marker)),
            None => process::fork_sibling(namespaces::OF_A_SANDBOX | more, || {
                self.build(extras, user, group, has_network)
            }),
        }?;
        Ok((Some(child), network.and_then(Namespace::furnish), has_network))
    }

    fn become_bubblewrap(&self, path: &Path, marker: RawFd) -> i32 {
        let binary = match std::fs::File::open("/proc/self/exe") {
            Ok(binary) => binary,
            Err(error) => return self.complain(&format!("cannot open our own program: {error}")),
        };
        let inherited = [self.orders, self.channel, self.link, self.alive, binary.as_raw_fd(), marker];
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

    fn build(&self, extras: &[RawFd], user: Uid, group: Gid, has_network: bool) -> i32 {
        builder::main(&Site {
            orders: self.orders,
            complaints: self.complaints,
            channel: self.channel,
            standard: self.standard.clone(),
            kept: [self.link, self.alive].iter().chain(extras).copied().collect(),
            user,
            group,
            has_network,
        })
    }
}

/// Builds a boundary of our own in which nothing runs.
///
/// # Errors
/// What kept it from being built.
pub fn trial() -> Result<(), String> {
    let waiting = Waiting::start(Mechanism::Namespaces, &[]).map_err(|error| error.to_string())?;
    let steps = [Step::ReadOnly, Step::Devices, Step::Marker, Step::Seal("/dev".into()), Step::Processes];
    let Some(ends) = waiting.go(&as_bytes(&steps)) else { return Ok(()) };
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
        if let Some(child) = self.ends.as_ref().and_then(|ends| ends.child) {
            signals::send(child, libc::SIGKILL);
            process::reap(child);
        }
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
