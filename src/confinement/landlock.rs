//! The plan as Landlock takes it: what may be read and written, as places that are allowed, because Landlock knows no other
//! kind. Pure but for the listing that it is given.
//!
//! Owns what of the plan the kernel holds here and what the gatekeeper does. Landlock allows a place with all that is beneath
//! it and takes nothing out again. So a place that has something beneath it that is kept from the command is not allowed
//! itself: what stands in it is, one by one.
//! - **Writing.** What was not allowed by that, the kernel refuses, names in such a directory too; the gatekeeper makes those
//!   calls itself after it has judged them, by descriptors. So a race between its look and the call wins nothing: what the
//!   kernel lets through has nothing beneath it that is kept.
//! - **Reading.** The same, file by file. What is made in such a directory later was not listed: where the command can make
//!   something there ([`Boundary::reads_are_asked`]), the gatekeeper opens it for the command.
//!
//! What Landlock has no rights for is the gatekeeper's and the seccomp filter's, or a gap ([`gaps`]).

use super::plan::{Mount, Plan};
use crate::policy::{Access, PathPattern, PathRule};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is allowed at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To read and execute it and what is beneath it.
    Read,
    /// To change it and what is beneath it.
    Write,
    /// To use it as the device that it is.
    Device,
}

/// One thing that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// What.
    pub right: Right,
    /// Where.
    pub place: PathBuf,
}

impl Boundary {
    /// The same for a command that may make names by these rules too, which do not exist yet.
    #[must_use]
    pub fn with_later(mut self, writable: &[PathRule]) -> Boundary {
        let mut later = writable.iter().map(|rule| match &rule.pattern {
            PathPattern::Literal(path) => path.as_path(),
            PathPattern::Glob(glob) => glob.base.as_path(),
        });
        let reads = |place: &Path| {
            let mut read = self.allowed.iter().filter(|one| one.right == Right::Read);
            read.any(|one| place.starts_with(&one.place))
        };
        self.reads_are_asked = self.reads_are_asked || later.any(|place| !reads(place));
        self
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.right {
            Right::Read => "readable",
            Right::Write => "writable",
            Right::Device => "usable",
        };
        write!(f, "{} {word}", self.place.display())
    }
}

/// What the kernel is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boundary {
    /// What is allowed; all else is refused.
    pub allowed: Vec<Allowed>,
    /// The command can make names in a directory in which not everything may be read.
    pub reads_are_asked: bool,
}

/// What stands in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
}

/// What something is, looked at without following it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symlink: what it leads to is allowed for itself or not.
    Link,
    /// All else.
    File,
}

/// Why there is no boundary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooWide {
    /// A directory has too much in it.
    #[error(
        "what must not be read lies in '{0}' among more than {MOST} other names, and Landlock has to be told each; \
         use another backend, or deny the whole directory"
    )]
    Directory(PathBuf),
}

/// Names in one directory that are told one by one.
pub const MOST: usize = 20_000;
/// The same for writing, where the gatekeeper does what is not told.
const MOST_WRITABLE: usize = 500;

/// Devices that every command uses.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// Where there are other people's devices.
const DEV: &str = "/dev";

/// Lists a directory; nothing for one that cannot be listed.
pub type List<'a> = &'a dyn Fn(&Path) -> Vec<Entry>;

/// The boundary for a plan. `terminals` are those on the command's own descriptors.
///
/// # Errors
/// [`TooWide`].
pub fn boundary(plan: &Plan, terminals: &[PathBuf], list: List<'_>) -> Result<Boundary, TooWide> {
    let tree = Tree::of(plan);
    let (mut read, mut written) = (Vec::new(), Vec::new());
    let readable = |access| access != Access::None;
    let writable = |access| access == Access::Write;
    tree.carve(
        Path::new("/"),
        tree.root(),
        &readable,
        &mut Found { list, most: MOST, files: true, all: &mut read },
    )?;
    // A file may be replaced by another one, as editors do, which Landlock would not know.
    let found = &mut Found { list, most: MOST_WRITABLE, files: false, all: &mut written };
    // A directory that is too wide is left to the gatekeeper.
    let _ = tree.carve(Path::new("/"), tree.root(), &writable, found);
    let mut allowed = Vec::new();
    let mut allow = |right, place: &Path| allowed.push(Allowed { right, place: place.into() });
    read.iter().for_each(|place| allow(Right::Read, place));
    written.iter().for_each(|place| allow(Right::Write, place));
    for device in DEVICES.iter().map(|name| Path::new(DEV).join(name)).chain(terminals.iter().cloned()) {
        allow(Right::Device, &device);
    }
    let reads_are_asked = tree.0.iter().any(|(path, access)| {
        let holder = path.parent().map(|parent| tree.access(parent));
        *access == Access::None && holder == Some(Access::Write)
    });
    Ok(Boundary { allowed, reads_are_asked })
}

/// The access at each place where it changes, and at those that are pinned.
struct Tree(BTreeMap<PathBuf, Access>);

struct Found<'a> {
    list: List<'a>,
    most: usize,
    /// Whether files are told too, or directories alone.
    files: bool,
    all: &'a mut Vec<PathBuf>,
}

impl Tree {
    fn of(plan: &Plan) -> Tree {
        let mut all = BTreeMap::from([(PathBuf::from("/"), plan.root_access)]);
        // Everybody's terminals and shared memory are there, and the disks themselves.
        all.insert(DEV.into(), Access::None);
        // Each process has rights of its own there, and the kernel its settings.
        all.insert("/proc".into(), Access::Read);
        for mount in &plan.mounts {
            let (path, access) = match mount {
                Mount::Writable(path) => (path, Access::Write),
                Mount::ReadOnly(path) => (path, Access::Read),
                Mount::HiddenDirectory(path) | Mount::HiddenFile(path) | Mount::Hollow(path) => {
                    (path, Access::None)
                }
                Mount::Passage(_) | Mount::Seal(_) => continue,
            };
            all.insert(path.clone(), access);
        }
        Tree(all)
    }

    fn root(&self) -> Access {
        self.access(Path::new("/"))
    }

    fn access(&self, path: &Path) -> Access {
        path.ancestors().find_map(|step| self.0.get(step)).copied().unwrap_or(Access::Read)
    }

    /// Places below a directory where access is told, and it.
    fn below<'a>(&'a self, directory: &'a Path) -> impl Iterator<Item = (&'a Path, Access)> {
        let from = (Bound::Excluded(directory), Bound::Unbounded);
        let below = self.0.range::<Path, _>(from).take_while(move |(path, _)| path.starts_with(directory));
        below.map(|(path, access)| (path.as_path(), *access))
    }

    /// The places at and below one of which all is as it should be.
    fn carve(
        &self,
        directory: &Path,
        access: Access,
        well: &dyn Fn(Access) -> bool,
        found: &mut Found<'_>,
    ) -> Result<(), TooWide> {
        let is_well = well(access);
        let mut others = self.below(directory).filter(|(_, access)| well(*access) != is_well).peekable();
        if others.peek().is_none() {
            if is_well {
                found.all.push(directory.into());
            }
            return Ok(());
        }
        // What can be passed through but not listed is entered where something is told below it.
        let mut ways: Vec<&OsStr> = others.filter_map(|(path, _)| next_step(directory, path)).collect();
        ways.dedup();
        let entries = if is_well { (found.list)(directory) } else { Vec::new() };
        let mut too_wide = Ok(());
        if entries.len() > found.most {
            too_wide = Err(TooWide::Directory(directory.into()));
        } else {
            for entry in &entries {
                let path = directory.join(&entry.name);
                let access = self.0.get(&path).copied().unwrap_or(access);
                match entry.kind {
                    _ if ways.contains(&entry.name.as_os_str()) => {}
                    Kind::Link => {}
                    Kind::File if !found.files => {}
                    _ if well(access) => found.all.push(path),
                    _ => {}
                }
            }
        }
        for way in ways {
            let path = directory.join(way);
            let access = self.0.get(&path).copied().unwrap_or(access);
            too_wide = too_wide.and(self.carve(&path, access, well, found));
        }
        too_wide
    }
}

/// The next name on the way down.
fn next_step<'a>(from: &Path, to: &'a Path) -> Option<&'a OsStr> {
    Some(to.strip_prefix(from).ok()?.components().next()?.as_os_str())
}

/// The rights of a kernel, by their numbers in landlock(7).
pub mod rights {
    use super::Right;

    const EXECUTE: u64 = 1;
    const WRITE_FILE: u64 = 1 << 1;
    const READ_FILE: u64 = 1 << 2;
    const REMOVE_DIR: u64 = 1 << 4;
    const REMOVE_FILE: u64 = 1 << 5;
    const MAKE_CHAR: u64 = 1 << 6;
    const MAKE_DIR: u64 = 1 << 7;
    const MAKE_REG: u64 = 1 << 8;
    const MAKE_SOCK: u64 = 1 << 9;
    const MAKE_FIFO: u64 = 1 << 10;
    const MAKE_BLOCK: u64 = 1 << 11;
    const MAKE_SYM: u64 = 1 << 12;
    const REFER: u64 = 1 << 13;
    const TRUNCATE: u64 = 1 << 14;
    const IOCTL_DEV: u64 = 1 << 15;
    /// Those that a file can have, too.
    pub const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
    const BIND_TCP: u64 = 1;
    const CONNECT_TCP: u64 = 1 << 1;
    const ABSTRACT_SOCKETS: u64 = 1;
    const SIGNALS: u64 = 1 << 1;

    /// All rights to files that are given up. Reading a directory is not among them: who may list `/` may list all below it
    /// as far as Landlock goes, and nobody could list `/` otherwise.
    pub fn files(version: u32) -> u64 {
        let mut all = EXECUTE | READ_FILE | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR;
        all |= MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM;
        for (since, right) in [(2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)] {
            if version >= since {
                all |= right;
            }
        }
        all
    }

    /// All rights to TCP: connections are made outside, and nobody listens.
    pub fn network(version: u32) -> u64 {
        if version >= 4 { BIND_TCP | CONNECT_TCP } else { 0 }
    }

    /// What ends at the boundary.
    pub fn scoped(version: u32) -> u64 {
        if version >= 6 { ABSTRACT_SOCKETS | SIGNALS } else { 0 }
    }

    /// What is allowed again at a place.
    pub fn allowed(right: Right, version: u32) -> u64 {
        let some = match right {
            Right::Read => READ_FILE | EXECUTE,
            // Nothing inside makes devices.
            Right::Write => !(MAKE_CHAR | MAKE_BLOCK | READ_FILE | EXECUTE | IOCTL_DEV),
            Right::Device => READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV,
        };
        some & files(version)
    }
}

/// Something that does not hold, or holds in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Of what a boundary consists, as doctor's table names it.
    pub feature: &'static str,
    /// What is not as under the other backends.
    pub text: &'static str,
}

/// All that does not hold, or holds in part, where Landlock of this version draws the boundary. `gatekeeper`: calls can be
/// asked about; `copies`: descriptors of other processes can be copied (pidfd_getfd(2)).
pub fn gaps(version: u32, gatekeeper: bool, copies: bool) -> Vec<Gap> {
    let gap = |feature, text| Gap { feature, text };
    let by_kernel = [
        (2, "files", "files cannot be renamed or linked from one directory to another (Linux before 5.19)"),
        (3, "files", "a race can cut short a file that may only be read (Linux before 6.2)"),
        (4, "network", "no Landlock right is below the gatekeeper (Linux before 6.7)"),
        (5, "terminal", "devices that may be opened take every ioctl (Linux before 6.10)"),
        (6, "processes", "other processes of this user can be signalled (Linux before 6.12)"),
    ];
    let older = by_kernel.into_iter().filter(|(since, ..)| version < *since);
    let mut all: Vec<Gap> = older.map(|(_, feature, text)| gap(feature, text)).collect();
    if !gatekeeper {
        all.extend([
            gap(
                "files",
                "nothing can be made beside something protected; modes, owners and times cannot be changed",
            ),
            gap("network", "there is none"),
            gap("sockets", "every Unix socket is refused"),
            gap("violations", "files only as far as programs tell of them themselves"),
            gap("grants", "nobody sees the calls: a command has to be run again"),
        ]);
    }
    if gatekeeper && !copies {
        all.push(gap(
            "sockets",
            "no servers on Unix sockets: a filter refuses pidfd_getfd (Docker: --cap-add SYS_PTRACE)",
        ));
    }
    all.extend([
        gap(
            "files",
            "in a directory that must not be read, names can be listed and looked at; what files say cannot be read",
        ),
        gap("files", "a program made beside something that must not be read cannot be executed there"),
        gap(
            "files",
            "/dev/shm, System V IPC and message queues are refused, not private; /proc cannot be written",
        ),
        gap(
            "network",
            "no UDP; names are asked for over TCP, which not every program can: others are told of the proxy",
        ),
        gap("network", "no listening on TCP ports or abstract names; the machine's sockets and addresses can be listed"),
        gap(
            "sockets",
            "programs cannot hide their memory from each other; those of an ordinary user that may be executed but not read make no files and no connections",
        ),
        gap(
            "processes",
            "others are listed in /proc, with their command lines; their scheduling can be changed",
        ),
        gap(
            "processes",
            "whoever kills all processes of sbsh at once can leave one of the command behind, confined",
        ),
        gap("terminal", "no new pseudo-terminals"),
        gap("grants", "excluded programs within a line run inside"),
        gap("grants", "what a person lets a running command make beside secrets can be read by the next command only"),
    ]);
    all
}

/// The last byte: what lacks it was cut short.
const END: u8 = b'.';

/// A boundary as bytes: a letter for each place, its path, and a NUL.
pub fn as_bytes(boundary: &Boundary) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Allowed { right, place } in &boundary.allowed {
        bytes.push(match right {
            Right::Read => b'r',
            Right::Write => b'w',
            Right::Device => b'd',
        });
        bytes.extend(place.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes.push(END);
    bytes
}

/// What is allowed, from its bytes; `None` for anything else.
pub fn from_bytes(bytes: &[u8]) -> Option<Vec<Allowed>> {
    let mut allowed = Vec::new();
    let mut rest = bytes;
    loop {
        let (&letter, more) = rest.split_first()?;
        let right = match letter {
            END => return more.is_empty().then_some(allowed),
            b'r' => Right::Read,
            b'w' => Right::Write,
            b'd' => Right::Device,
            _ => return None,
        };
        let end = more.iter().position(|byte| *byte == 0)?;
        allowed.push(Allowed { right, place: PathBuf::from(OsStr::from_bytes(more.get(..end)?)) });
        rest = more.get(end + 1..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confinement::plan::{Place, Places, plan};

    fn at(path: &str, directory: bool) -> Place {
        Place { path: path.into(), directory }
    }

    /// A small machine.
    fn list(directory: &Path) -> Vec<Entry> {
        let (directories, files, links): (&[&str], &[&str], &[&str]) = match directory.to_str().unwrap() {
            "/" => (&["dev", "etc", "home", "proc", "w"], &[], &["bin"]),
            "/dev" => (&["pts", "shm"], &["null", "sda"], &[]),
            // It can be passed through but not listed.
            "/home" => (&[], &[], &[]),
            "/home/u" => (&[".ssh", "x"], &[".netrc", ".profile"], &[]),
            "/w" => (&[".git", "src"], &[".env", "README"], &["l"]),
            "/w/.git" => (&["hooks", "objects"], &["config", "HEAD"], &[]),
            _ => (&[], &[], &[]),
        };
        let of =
            |names: &[&str], kind| names.iter().map(|n| Entry { name: n.into(), kind }).collect::<Vec<_>>();
        [of(directories, Kind::Directory), of(files, Kind::File), of(links, Kind::Link)].concat()
    }

    fn allowed(places: &Places) -> (Vec<String>, bool) {
        let boundary = boundary(&plan(places), &["/dev/pts/4".into()], &list).unwrap();
        assert_eq!(from_bytes(&as_bytes(&boundary)), Some(boundary.allowed.clone()));
        let text = |a: &Allowed| format!("{:?} {}", a.right, a.place.display());
        let plain = |a: &&Allowed| a.right != Right::Device;
        (boundary.allowed.iter().filter(plain).map(text).collect(), boundary.reads_are_asked)
    }

    #[test]
    fn what_is_kept_is_left_out_and_what_stands_beside_it_is_named() {
        let places = Places {
            writable: vec![at("/w", true)],
            write_denied: vec![at("/w/.git/config", false), at("/w/.git/hooks", true)],
            read_denied: vec![at("/home/u/.ssh", true), at("/home/u/.netrc", false)],
            ..Places::default()
        };
        let (allowed, asked) = allowed(&places);
        assert_eq!(
            allowed,
            [
                "Read /etc",
                "Read /proc",
                "Read /w",
                "Read /home/u/x",
                "Read /home/u/.profile",
                "Write /w/src",
                "Write /w/.git/objects",
            ]
        );
        assert!(!asked);
    }

    #[test]
    fn what_is_open_in_something_hidden_is_named_and_reads_are_asked_where_names_can_be_made() {
        let places = Places {
            writable: vec![at("/w", true)],
            read_denied: vec![at("/home", true), at("/w/.env", false)],
            read_allowed: vec![at("/home/u/x", true)],
            ..Places::default()
        };
        let (allowed, asked) = allowed(&places);
        assert_eq!(
            allowed,
            [
                "Read /etc",
                "Read /proc",
                "Read /home/u/x",
                "Read /w/.git",
                "Read /w/src",
                "Read /w/README",
                "Write /w/.git",
                "Write /w/src",
            ]
        );
        assert!(asked);
    }

    #[test]
    fn reads_are_asked_where_what_is_made_later_was_not_listed() {
        let places = Places { read_denied: vec![at("/home/u/.ssh", true)], ..Places::default() };
        for (later, asked) in [("/home/u/.npm", true), ("/home/u/x/new", false), ("/etc/new", false)] {
            let boundary = boundary(&plan(&places), &[], &list).unwrap();
            let boundary = boundary.with_later(&[PathRule {
                pattern: PathPattern::Literal(later.into()),
                origin: crate::settings::Origin::BuiltIn("test"),
            }]);
            assert_eq!(boundary.reads_are_asked, asked, "{later}");
        }
    }

    #[test]
    fn a_tree_without_anything_kept_is_one_rule() {
        let places = Places { writable: vec![at("/w", true)], ..Places::default() };
        let (allowed, _) = allowed(&places);
        assert!(allowed.contains(&"Write /w".to_owned()), "{allowed:?}");
        assert_eq!(allowed.iter().filter(|one| one.starts_with("Write")).count(), 1, "{allowed:?}");
    }

    #[test]
    fn a_directory_that_is_too_wide_is_refused_for_reading_and_left_to_the_gatekeeper_for_writing() {
        let wide = |directory: &Path| match directory.to_str() {
            Some("/w") => {
                (0..=MOST).map(|n| Entry { name: n.to_string().into(), kind: Kind::File }).collect()
            }
            _ => list(directory),
        };
        let mut places = Places {
            writable: vec![at("/w", true)],
            write_denied: vec![at("/w/.git/config", false)],
            ..Places::default()
        };
        let found = boundary(&plan(&places), &[], &wide).unwrap();
        let written: Vec<_> = found.allowed.iter().filter(|a| a.right == Right::Write).collect();
        assert!(written.iter().all(|a| a.place.starts_with("/w/.git")), "{written:?}");
        assert_eq!(written.len(), 2);
        places.read_denied = vec![at("/w/.env", false)];
        assert_eq!(boundary(&plan(&places), &[], &wide), Err(TooWide::Directory("/w".into())));
    }

    #[test]
    fn nothing_comes_back_from_bytes_that_were_cut_short() {
        let boundary = Boundary {
            allowed: vec![Allowed { right: Right::Write, place: "/w".into() }],
            reads_are_asked: false,
        };
        let bytes = as_bytes(&boundary);
        for length in 0..bytes.len() {
            assert_eq!(from_bytes(&bytes[..length]), None);
        }
        assert_eq!(from_bytes(b"x/w\0."), None);
    }

    #[test]
    fn no_right_is_allowed_that_was_not_given_up() {
        for version in 1..9 {
            for right in [Right::Read, Right::Write, Right::Device] {
                let allowed = rights::allowed(right, version);
                assert_eq!(allowed & !rights::files(version), 0, "{right:?} {version}");
                assert_ne!(allowed, 0);
            }
        }
    }

    #[test]
    fn newer_kernels_have_fewer_gaps() {
        let counts: Vec<usize> = (1..9).map(|version| gaps(version, true, true).len()).collect();
        assert!(counts.is_sorted_by(|older, newer| older >= newer), "{counts:?}");
        assert!(counts.first() > counts.last());
        assert!(gaps(7, false, true).len() > gaps(7, true, true).len());
        let of_network =
            |version| gaps(version, true, true).iter().filter(|gap| gap.feature == "network").count();
        assert_eq!(of_network(3), of_network(4) + 1);
    }
}
