//! The builder: the process that makes the boundary without bubblewrap, and then is the first process inside.
//!
//! Owns doing the steps of `confinement::namespaces` in its own mount namespace, in place: what is above `/` stays what it
//! is, and what a command may write is laid over what it may only read. Decides nothing. It is process 1 of its process
//! namespace and a child of the front; until it gives up its capabilities it runs no code but ours and reads nothing but the
//! steps.
//!
//! What bubblewrap does beside that is not needed here: nothing of the outer tree is left open (descriptors are closed, the
//! working directory is left), and nothing inside can undo a mount, because nothing inside ever has a capability.

use super::first;
use crate::confinement::fittings::Layer;
use crate::confinement::namespaces::{Step, from_bytes};
use crate::exit;
use crate::network::setup;
use crate::system::inside::MARKER;
use crate::system::mounts::{self, Limits, Links, Tree};
use crate::system::{capabilities, descriptors, entry, namespaces, process};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, mkdirat, umask};
use nix::unistd::{Gid, Uid, symlinkat};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the builder is given, all by number.
#[derive(Debug)]
pub struct Site {
    /// Where the steps come from.
    pub orders: RawFd,
    /// Where it says why it could not go on.
    pub complaints: RawFd,
    /// To the front.
    pub channel: RawFd,
    /// The copies of the caller's standard descriptors.
    pub standard: Vec<RawFd>,
    /// What else stays open.
    pub kept: Vec<RawFd>,
    /// Who started it: these numbers stay.
    pub user: Uid,
    /// As `user`.
    pub group: Gid,
    /// Whether it is in a network namespace that was made ready.
    pub has_network: bool,
}

/// Builds, and then is the first process inside; the status to end with.
pub fn main(site: &Site) -> i32 {
    match build(site) {
        Ok(()) => first::main(site.channel, None),
        Err(why) => {
            let _ = nix::unistd::write(descriptors::borrow(2), why.as_bytes());
            exit::REFUSED
        }
    }
}

fn build(site: &Site) -> Result<(), String> {
    // A caller that ignores SIGCHLD would keep it from waiting.
    process::reset(Signal::SIGCHLD);
    let null = File::options().read(true).write(true).open("/dev/null").map_err(why("open /dev/null"))?;
    for (source, target) in [(site.complaints, 2), (null.as_raw_fd(), 0), (null.as_raw_fd(), 1)] {
        descriptors::put(source, target).map_err(why("set the standard descriptors"))?;
    }
    drop(null);
    // They are the caller's, and the inside sees this process.
    entry::forget();
    // What the front holds must not stay open here: its ends of what joins them least of all.
    let mut kept = vec![0, 1, 2, site.orders, site.channel];
    kept.extend(site.standard.iter().chain(&site.kept));
    kept.sort_unstable();
    kept.dedup();
    descriptors::close_all_but(&kept);
    namespaces::keep_numbers(site.user, site.group).map_err(why("set up the user namespace (uid map)"))?;
    if !site.has_network {
        // Programs inside have `lo` even if nothing else can be had.
        let _ = setup::loopback_up();
    }
    let creation = umask(Mode::empty());
    let before = Before::look(&site.standard)?;
    let orders = descriptors::own(site.orders).ok_or("nobody gives the steps")?;
    let mut bytes = Vec::new();
    File::from(orders).read_to_end(&mut bytes).map_err(why("read the steps"))?;
    let steps = from_bytes(&bytes).ok_or("the steps are cut short")?;
    let files = room_for(steps.len());
    before.go(&steps)?;
    if let Some((soft, hard)) = files {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
    }
    umask(creation);
    // The working directory still lies beneath what was mounted.
    std::env::set_current_dir("/").map_err(why("go to /"))?;
    capabilities::give_up_all().map_err(why("give up the capabilities"))
}

/// Lets this process open as many files as it may, if there are many steps; what it was before.
fn room_for(steps: usize) -> Option<(u64, u64)> {
    const USUAL: usize = 200;
    let before = getrlimit(Resource::RLIMIT_NOFILE).ok().filter(|_| steps > USUAL)?;
    setrlimit(Resource::RLIMIT_NOFILE, before.1, before.1).ok().map(|()| before)
}

/// Device files that every sandbox has.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// Links in `/dev` that programs expect.
const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
    ("pts/ptmx", "ptmx"),
];
/// File systems of the sandbox's own in `/dev`.
const BELOW: &[&str] = &["pts", "shm"];
/// On every mount.
const ALWAYS: Limits = Limits::NO_SETUID.and(Limits::NO_DEVICES);

/// What is taken from outside, and made, before anything is changed; none of it depends on the steps, and meanwhile they are
/// planned.
struct Before {
    devices: Vec<(PathBuf, Tree)>,
    /// A `/dev` with places for all of them, which stands nowhere yet, and what stands in it.
    top: Tree,
    below: Vec<(PathBuf, Tree)>,
    terminals: Vec<(PathBuf, Tree)>,
    /// Where it cannot be had, that is said by the step that wants it.
    processes: Result<Tree, String>,
}

impl Before {
    fn look(standard: &[RawFd]) -> Result<Before, String> {
        mounts::keep_apart().map_err(why("keep the mounts apart"))?;
        let device = |path: &Path| {
            let tree = Tree::of(mounts::place(path, Links::Refused)?.as_fd())?;
            tree.limit(Limits::NO_SETUID)?;
            Ok((path.to_path_buf(), tree))
        };
        let devices = DEVICES.iter().map(|name| device(&Path::new("/dev").join(name)));
        let devices = devices.collect::<nix::Result<_>>().map_err(why("take the devices"))?;
        let terminals = standard.iter().filter_map(|number| descriptors::terminal_path(*number));
        let terminals = terminals.filter(|path| path.starts_with("/dev"));
        let terminals = terminals.filter_map(|path| device(&path).ok()).collect();
        // While the one outside can be seen: it must not show more than that (mount_too_revealing).
        let processes = Tree::new(c"proc", &[], ALWAYS.and(Limits::NO_PROGRAMS)).map_err(why("mount proc"));
        mounts::limit_all(ALWAYS).map_err(why("limit the mounts"))?;
        let top = device_directory().map_err(why("make /dev"))?;
        let pseudo = Tree::new(
            c"devpts",
            &[(c"ptmxmode", c"0666"), (c"mode", c"0620")],
            Limits::NO_SETUID.and(Limits::NO_PROGRAMS),
        );
        let trees = [pseudo.map_err(why("make /dev/pts"))?, own(c"1777").map_err(why("make /dev/shm"))?];
        let below = BELOW.iter().map(|name| Path::new("/dev").join(name)).zip(trees).collect();
        Ok(Before { devices, top, below, terminals, processes })
    }

    fn go(self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            if let Step::Layer(layer) = step {
                lay(layer).map_err(why_at("lay an overlay over", &layer.at))?;
            }
        }
        let sources = steps.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        for (number, (step, shown)) in steps.iter().zip(sources).enumerate() {
            self.do_one(step, shown, steps.get(..number).unwrap_or_default())?;
        }
        Ok(())
    }

    fn do_one(&self, step: &Step, shown: Option<(Tree, Kind)>, done: &[Step]) -> Result<(), String> {
        match step {
            // It was laid before.
            Step::Layer(_) => Ok(()),
            Step::ReadOnly => mounts::limit_all(Limits::READ_ONLY).map_err(why("make / read-only")),
            Step::Devices => self.devices(),
            Step::Terminal(path) => match self.terminals.iter().find(|(found, _)| found == path) {
                Some((_, tree)) => put(tree, Path::new("/dev/console"), || Kind::File),
                // It is gone by now.
                None => Ok(()),
            },
            Step::Marker => marker(Path::new(MARKER)),
            Step::Processes => {
                put(self.processes.as_ref().map_err(Clone::clone)?, Path::new("/proc"), || Kind::There)
            }
            Step::Show { from, at, writable } => {
                let Some((tree, kind)) = shown else {
                    return Err(format!("'{}' was not taken", from.display()));
                };
                if !writable {
                    tree.limit(Limits::READ_ONLY).map_err(why_at("make read-only", at))?;
                }
                put(&tree, at, || if is_ours(at, done) { kind } else { Kind::There })
            }
            Step::Hollow(path) => put(&own(c"0111").map_err(why_at("hide", path))?, path, || Kind::Directory),
            Step::Passage(path) => directory(path, 0o111).map_err(why_at("make", path)),
            Step::Seal(path) => mounts::place(path, Links::Refused)
                .and_then(|place| mounts::limit(place.as_fd(), Limits::READ_ONLY))
                .map_err(why_at("seal", path)),
        }
    }

    fn devices(&self) -> Result<(), String> {
        put(&self.top, Path::new("/dev"), || Kind::There)?;
        self.devices.iter().chain(&self.below).try_for_each(|(path, tree)| put(tree, path, || Kind::There))
    }
}

/// An own `/dev` with empty places for what will stand there.
fn device_directory() -> nix::Result<Tree> {
    let top = own(c"0755")?;
    for name in DEVICES {
        openat(
            &top,
            *name,
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC,
            Mode::from_bits_truncate(0o444),
        )?;
    }
    for (target, name) in LINKS {
        symlinkat(*target, &top, *name)?;
    }
    for name in BELOW {
        mkdirat(&top, *name, Mode::from_bits_truncate(0o755))?;
    }
    Ok(top)
}

/// Has all changes of a directory go elsewhere.
fn lay(layer: &Layer) -> nix::Result<()> {
    let place = |path: &Path| mounts::place(path, Links::Refused);
    let (at, upper, work) = (place(&layer.at)?, place(&layer.upper)?, place(&layer.work)?);
    Tree::layered(at.as_fd(), upper.as_fd(), work.as_fd(), ALWAYS)?.attach(at.as_fd())
}

/// A file system of the sandbox's own.
fn own(mode: &std::ffi::CStr) -> nix::Result<Tree> {
    Tree::new(c"tmpfs", &[(c"mode", mode)], ALWAYS)
}

/// Whether a place lies in a file system of the sandbox's own, where it may be made: anywhere else that would leave a file
/// on the host.
fn is_ours(at: &Path, done: &[Step]) -> bool {
    let mounted = done.iter().filter_map(|step| match step {
        Step::Hollow(path) => Some((path.as_path(), true)),
        Step::Devices => Some((Path::new("/dev"), true)),
        Step::Show { at, .. } => Some((at.as_path(), false)),
        _ => None,
    });
    let above = mounted.filter(|(place, _)| at != *place && at.starts_with(place));
    above.max_by_key(|(place, _)| place.components().count()).is_some_and(|(_, ours)| ours)
}

/// What a step shows. All of it is taken before anything is mounted over it.
fn source(step: &Step) -> Result<Option<(Tree, Kind)>, String> {
    let Step::Show { from, at, .. } = step else { return Ok(None) };
    // What is shown in its own place was resolved when it was planned; a link there by now was put there since.
    let links = if from == at { Links::Refused } else { Links::Followed };
    let taken =
        mounts::place(from, links).and_then(|place| Ok((Tree::of(place.as_fd())?, Kind::of(&place)?)));
    taken.map(Some).map_err(why_at("take", from))
}

/// What a place is made as, if it does not stand yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It must stand already.
    There,
    File,
    Directory,
}

impl Kind {
    fn of(place: &OwnedFd) -> nix::Result<Kind> {
        let mode = SFlag::from_bits_truncate(nix::sys::stat::fstat(place)?.st_mode & SFlag::S_IFMT.bits());
        Ok(if mode == SFlag::S_IFDIR { Kind::Directory } else { Kind::File })
    }
}

/// Puts a tree in its place. Places are missing only in file systems of the sandbox's own.
fn put(tree: &Tree, at: &Path, kind: impl FnOnce() -> Kind) -> Result<(), String> {
    let place = match mounts::place(at, Links::Refused) {
        Err(Errno::ENOENT) => {
            make(at, kind()).map_err(why_at("make", at))?;
            mounts::place(at, Links::Refused)
        }
        found => found,
    };
    place.and_then(|place| tree.attach(place.as_fd())).map_err(why_at("mount on", at))
}

fn make(at: &Path, kind: Kind) -> std::io::Result<()> {
    if kind == Kind::There {
        return Err(ErrorKind::NotFound.into());
    }
    if let Some(above) = at.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    match kind {
        Kind::Directory => directory(at, 0o755),
        _ => OpenOptions::new().write(true).create_new(true).mode(0o444).open(at).map(drop),
    }
}

fn directory(path: &Path, mode: u32) -> std::io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// A mount that nothing inside could make: an empty file on itself.
fn marker(at: &Path) -> Result<(), String> {
    make(at, Kind::File).map_err(why_at("make", at))?;
    let tree = mounts::place(at, Links::Refused).and_then(|place| Tree::of(place.as_fd()));
    let tree = tree.map_err(why_at("take", at))?;
    tree.limit(Limits::READ_ONLY).map_err(why_at("make read-only", at))?;
    put(&tree, at, || Kind::There)
}

fn why<E: std::fmt::Display>(wanted: &str) -> impl FnOnce(E) -> String + use<'_, E> {
    move |error| format!("cannot {wanted}: {error}")
}

fn why_at<E: std::fmt::Display>(wanted: &str, at: &Path) -> impl FnOnce(E) -> String {
    let wanted = format!("{wanted} '{}'", at.display());
    move |error| format!("cannot {wanted}: {error}")
}
