//! What becomes of a call that changes files, by what it touches: let through, refused, or made here.
//!
//! Owns the answers that need a look at the file system or at what was granted. Must not change anything.

use super::bare;
use super::call::{Changed, Deed, Made};
use super::perform;
use super::place::UNTOLD;
use super::rules::{ANOTHERS, Judgement, SETTLED, is_obeyed};
use super::violation::{Why, is_trifle};
use super::watch::{Gatekeeper, News};
use crate::system::notify::Reply;
use crate::system::stranger;
use nix::errno::Errno;
use nix::sys::stat::SFlag;
use nix::unistd::AccessFlags;
use std::path::{Path, PathBuf};

/// What becomes of a call, by one of its paths.
pub(super) enum Settled {
    /// The kernel goes on with it.
    LetThrough,
    /// It is made here.
    MadeHere,
    /// It fails in the kernel, for reasons of its own.
    Fails,
    /// The same, by a rule that is worth naming.
    FailsAnyway(&'static str),
    /// It is refused like this, unless a person allows it.
    Refused { why: Why, reason: &'static str, reply: Reply },
}

/// By what a path is held.
#[derive(PartialEq, Eq)]
enum Side {
    /// By a mount that can be written.
    Inside,
    /// By a mount that cannot.
    Outside,
    /// By a file system of the sandbox's own.
    Own,
}

/// What a call touches, as far as it can be known.
pub(super) struct Touched {
    pub path: PathBuf,
    pub judgement: Judgement,
    /// It is there before the call and is taken from there by it.
    pub source: bool,
}

/// Whether a call puts something at each of its names.
pub(super) fn exchanges(deed: Deed) -> bool {
    matches!(deed, Deed::Rename { flags, .. } if flags & libc::RENAME_EXCHANGE != 0)
}

/// Whether what stands at a path is held by a mount that cannot be written.
pub(super) fn is_outside(judgement: &Judgement) -> bool {
    !matches!(judgement, Judgement::Passes | Judgement::Protected(_) | Judgement::Own)
}

impl Gatekeeper<'_> {
    /// A person opened a directory, with all below that nothing is kept from.
    pub fn open(&mut self, directory: PathBuf) {
        self.held.open(directory);
    }

    /// What becomes of a call as far as one of its paths decides it.
    pub(super) fn settle(&mut self, deed: Deed, one: &Touched) -> Settled {
        // As what did not exist when the mounts were made.
        let loose = one.judgement == Judgement::Single && self.loose.contains(&one.path);
        match if loose { &Judgement::Allowed } else { &one.judgement } {
            Judgement::Passes if !self.is_held_below(deed, &one.path) => Settled::MadeHere,
            Judgement::Passes | Judgement::Own => Settled::LetThrough,
            Judgement::Single if matches!(deed, Deed::Remove { .. } | Deed::Rename { .. }) => {
                self.loose.insert(one.path.clone());
                Settled::MadeHere
            }
            Judgement::Single
                if matches!(deed, Deed::Change { .. }) && !self.is_held_below(deed, &one.path) =>
            {
                Settled::MadeHere
            }
            Judgement::Single => Settled::LetThrough,
            Judgement::Allowed if self.is_first_link(deed, one) || self.is_first_fifo(deed, one) => {
                Settled::Refused { why: Why::Outside, reason: "", reply: Reply::Fail(Errno::EROFS) }
            }
            Judgement::Allowed => Settled::MadeHere,
            Judgement::OnTheWay
                if matches!(deed, Deed::Make { what: Made::Directory(_), .. })
                    && !self.is_there(&one.path) =>
            {
                Settled::MadeHere
            }
            Judgement::Protected(_)
                if self.is_granted(&one.path, Why::Protected) && !matches!(deed, Deed::Link { .. }) =>
            {
                let _ = (self.tell)(News::Granted(one.path.clone()));
                Settled::MadeHere
            }
            // As a mount would answer that held the name.
            Judgement::Protected(reason) if self.would_put(deed, one) => {
                Settled::Refused { why: Why::Protected, reason, reply: Reply::Fail(Errno::EROFS) }
            }
            Judgement::Protected(_) => Settled::LetThrough,
            Judgement::Outside | Judgement::Hidden | Judgement::OnTheWay => self.settle_outside(deed, one),
        }
    }

    /// A repository that was there before, and that no mount holds, gets no hooks and no configuration by a whole directory that is
    /// put there either: what was in it was made elsewhere, under names that meant nothing.
    pub(super) fn judge_wholes(&self, deed: Deed, touched: &mut [Touched]) {
        let brought: &[(usize, Option<usize>)] = match deed {
            Deed::Rename { .. } if exchanges(deed) => &[(0, Some(1)), (1, Some(0))],
            Deed::Rename { .. } => &[(1, Some(0))],
            Deed::Make { what: Made::Symlink(_), .. } => &[(0, None)],
            _ => return,
        };
        for &(to, from) in brought {
            let from = from.and_then(|from| touched.get(from)).map(|from| from.path.clone());
            let kind = from.as_ref().map(|from| self.kind(from));
            // A link, or what is not found; files are what they are called.
            if kind == Some(Some(SFlag::S_IFREG)) {
                continue;
            }
            let Some(one) = touched.get_mut(to).filter(|one| one.judgement == Judgement::Passes) else {
                continue;
            };
            let settled = |entry: &Path| !self.is_born(entry) && self.is_there(entry);
            if self.rules.filled(&one.path).is_some_and(settled)
                || bare::filled(&one.path).is_some_and(|directory| self.is_settled_bare(directory))
            {
                one.judgement = SETTLED;
            } else if let Some(reason) = self.rules.brought(&one.path, from.as_deref()) {
                one.judgement = Judgement::Protected(reason);
            }
        }
    }

    /// Whether a repository was born in this run.
    pub(super) fn is_born(&self, entry: &Path) -> bool {
        self.births.holds(entry)
    }

    /// Whether a path is configuration or a hook of a bare repository that was there before.
    pub(super) fn configures_bare(&self, path: &Path) -> bool {
        bare::configured(path).is_some_and(|directory| self.is_settled_bare(directory))
    }

    fn is_settled_bare(&self, directory: &Path) -> bool {
        !self.is_born(directory) && bare::is_one(directory, |path| self.is_there(path))
    }

    /// The directory that becomes a bare repository by what is made at a path, or may.
    pub(super) fn bare_by(&self, path: &Path) -> Option<PathBuf> {
        let (directory, other) = bare::made(path)?;
        (!self.is_there(path) && other.is_none_or(|other| self.is_there(&other))).then(|| directory.into())
    }

    /// What becomes of a call whose place is not found. Mostly the kernel finds none either, and says so; what it may find
    /// nevertheless must not be a name that means something, or be held by nothing that is below.
    pub(super) fn unplaced(&self, thread: i32, deed: Deed, error: Errno) -> Reply {
        let fail = |error| Reply::Fail(if error == UNTOLD { Errno::ENAMETOOLONG } else { error });
        let (name, makes) = match deed {
            Deed::Open { at, flags, .. } => (at, flags & libc::O_CREAT != 0),
            Deed::Make { at, .. } => (at, true),
            Deed::Remove { at, .. } | Deed::Change { at, .. } => (at, false),
            // Programs copy then.
            Deed::Link { .. } | Deed::Rename { .. } if error == Errno::ENAMETOOLONG => {
                return Reply::Fail(Errno::EXDEV);
            }
            Deed::Link { .. } | Deed::Rename { .. } => return fail(error),
            _ => return Reply::Continue,
        };
        match stranger::path(thread, name.text) {
            // What cannot be read here could be read by the kernel (memfd_secret(2)), or by then.
            Err(error) => fail(error),
            // It could be a FIFO outside, or the configuration of a repository that no mount holds.
            Ok(_) if error == UNTOLD && matches!(deed, Deed::Open { .. }) => fail(error),
            // Here there is no room to look.
            Ok(_) if matches!(error, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => fail(error),
            Ok(path) if makes => {
                let last = path.file_name().unwrap_or_default().as_encoded_bytes();
                let fails = error == UNTOLD || self.rules.may_mean(last);
                if fails { fail(error) } else { Reply::Continue }
            }
            // What is there is held by what is below.
            Ok(_) => Reply::Continue,
        }
    }

    fn settle_outside(&self, deed: Deed, one: &Touched) -> Settled {
        let why = if one.judgement == Judgement::Hidden { Why::Hidden } else { Why::Outside };
        if self.is_granted(&one.path, why) && !self.is_first_link(deed, one) {
            return Settled::MadeHere;
        }
        if !self.would_change(deed, one, AccessFlags::W_OK) {
            // Inside it fails as what cannot be written, though another user's it is.
            let anothers = why == Why::Outside
                && !is_trifle(&one.path.to_string_lossy())
                && self.would_change(deed, one, AccessFlags::F_OK);
            return if anothers { Settled::FailsAnyway(ANOTHERS) } else { Settled::Fails };
        }
        // The mounts refuse it, with the very error that the kernel has for it; but no mount holds those who are written
        // to by name, FIFOs. And the kernel takes a mount away from a name that somebody outside, git or an editor, renames
        // another file to (rename(2) in another mount namespace): what was held by it is refused here, as it would be there.
        let is_fifo = self.kind(&one.path) == Some(SFlag::S_IFIFO);
        let masked = self.rules.masked(&one.path).filter(|_| why == Why::Outside);
        let reply = match deed {
            _ if is_fifo => Reply::Fail(Errno::EACCES),
            Deed::Remove { .. } | Deed::Rename { .. } if masked == Some(one.path.as_path()) => {
                Reply::Fail(Errno::EBUSY)
            }
            _ if masked.is_some() => Reply::Fail(Errno::EROFS),
            _ if self.is_first_link(deed, one) => Reply::Fail(Errno::EROFS),
            _ => Reply::Continue,
        };
        let kept = self.rules.kept(&one.path).filter(|_| why == Why::Outside);
        Settled::Refused { why, reason: kept.unwrap_or_default(), reply }
    }

    /// Whether a person allowed it: this path, or a directory above it in which nothing is kept from it.
    fn is_granted(&self, path: &Path, why: Why) -> bool {
        self.once.iter().any(|(granted, reason)| granted == path && *reason == why)
            || self.held.is_granted(path, why)
            || self.held.is_below_granted(path, why) && (why == Why::Protected || !self.rules.keeps(path))
    }

    /// Whether a call makes a link of a name that settings or a person opened. Whatever the next command finds at that
    /// name it may write: a link would choose it.
    fn is_first_link(&self, deed: Deed, one: &Touched) -> bool {
        let links = matches!(deed, Deed::Make { what: Made::Symlink(_), .. } | Deed::Link { .. });
        links && !self.is_below_opened(&one.path)
    }

    /// Whether a call makes a FIFO of a name that settings opened, and nobody was asked about it: programs outside would
    /// wait at a name where they expect a file.
    fn is_first_fifo(&self, deed: Deed, one: &Touched) -> bool {
        matches!(deed, Deed::Make { what: Made::Node(mode), .. } if perform::is_fifo(mode))
            && !self.is_below_opened(&one.path)
    }

    /// Whether not only this name is open outside, but the directory that holds it.
    fn is_below_opened(&self, path: &Path) -> bool {
        path.parent().is_some_and(|parent| {
            self.rules.judge(parent) == Judgement::Allowed
                || [Why::Outside, Why::Hidden].iter().any(|why| self.is_granted(parent, *why))
        })
    }

    /// Whether a rename or a link is one between two file systems, to which programs answer by copying. What the mounts hold is
    /// nothing special on the host, so nothing is taken from there by calls that are made here, nor out of the file
    /// systems that the sandbox has for itself; and a name that is opened alone takes only what its neighbours are: a
    /// link could come from elsewhere.
    pub(super) fn lies_apart(&self, deed: Deed, touched: &[Touched]) -> bool {
        let side = |one: &Touched| match &one.judgement {
            Judgement::Own => Side::Own,
            judgement if is_outside(judgement) => Side::Outside,
            _ => Side::Inside,
        };
        let alone = |one: &Touched| side(one) == Side::Outside && !self.is_below_opened(&one.path);
        if let (Deed::Link { .. }, [to, from]) = (deed, touched) {
            // The file would be written by either name for as long as one of them may be.
            // What git obeys would be changed by a name that nobody watches.
            let obeyed = is_obeyed(&from.path) || is_obeyed(&to.path);
            return obeyed || side(from) != side(to) || alone(to) || alone(from);
        }
        let (Deed::Rename { flags, .. }, [from, to]) = (deed, touched) else { return false };
        let exchange = flags & libc::RENAME_EXCHANGE != 0;
        side(from) != side(to)
            || from.path.parent() != to.path.parent() && (alone(to) || exchange && alone(from))
    }

    /// Whether what a call that is made here would rename is a mount inside, or has one below: there the kernel refuses
    /// it.
    pub(super) fn carries_a_mount(&self, deed: Deed, touched: &[Touched]) -> bool {
        let held = |one: &Touched| one.judgement != Judgement::Single && self.rules.is_held(&one.path);
        matches!(deed, Deed::Rename { .. }) && touched.iter().any(held)
    }

    pub(super) fn is_there(&self, path: &Path) -> bool {
        self.places.as_ref().is_some_and(|places| places.is_there(path))
    }

    /// Whether what a call takes away or renames is there, and of the kind that it takes.
    pub(super) fn has_its_object(&self, deed: Deed, touched: &[Touched]) -> bool {
        let Some(source) = touched.iter().find(|one| one.source) else { return true };
        match deed {
            Deed::Remove { directory, .. } => {
                self.kind(&source.path).is_some_and(|kind| (kind == SFlag::S_IFDIR) == directory)
            }
            _ => self.is_there(&source.path),
        }
    }

    /// What stands at a canonical path.
    pub(super) fn kind(&self, path: &Path) -> Option<SFlag> {
        let place = self.places.as_ref()?.look(path).ok()?;
        let stat = nix::sys::stat::fstat(&place).ok()?;
        Some(SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()))
    }

    /// Whether a call would put something at a protected name, or take a protected link away.
    fn would_put(&self, deed: Deed, one: &Touched) -> bool {
        match deed {
            _ if one.source => self.is_there(&one.path),
            Deed::Open { flags, .. } => flags & libc::O_CREAT != 0 || self.is_there(&one.path),
            _ => true,
        }
    }

    /// Whether a call that the mounts refuse would be made without them: what fails anyway is no violation.
    fn would_change(&self, deed: Deed, one: &Touched, right: AccessFlags) -> bool {
        let there = self.is_there(&one.path);
        let writes = |path: &Path| nix::unistd::access(path, right).is_ok();
        let holder = || one.path.parent().is_some_and(writes);
        match deed {
            Deed::Open { flags, .. } if there => {
                let exclusive = flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL;
                let changes = flags & (libc::O_WRONLY | libc::O_RDWR | libc::O_TRUNC) != 0;
                let directory = nix::sys::stat::stat(&one.path)
                    .is_ok_and(|s| s.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits());
                !exclusive && changes && !directory && writes(&one.path)
            }
            Deed::Open { flags, .. } => flags & libc::O_CREAT != 0 && holder(),
            Deed::Make { .. } | Deed::Link { .. } => !there && holder(),
            Deed::Remove { .. } => there && holder(),
            Deed::Rename { .. } => (there || !one.source) && holder(),
            Deed::Change { what: Changed::Length(_), .. } => there && writes(&one.path),
            Deed::Change { .. } => {
                let user = nix::unistd::geteuid();
                let owner = nix::sys::stat::lstat(&one.path).map(|s| s.st_uid);
                there && (user.is_root() || owner.is_ok_and(|owner| owner == user.as_raw()))
            }
            Deed::Connect { .. }
            | Deed::Pair(_)
            | Deed::Alter { .. }
            | Deed::Listen { .. }
            | Deed::Bind(_) => false,
        }
    }
}
