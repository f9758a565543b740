//! One call after the other: received, judged, answered.

use super::call::{self, Call, Changed, Deed, Made, Name};
use super::held::{Held, Waiting};
use super::perform;
use super::place::Places;
use super::rules::{self, Judgement, Reachable, Rules};
use super::socket::{self, Connect, Unfinished, Wanted};
use super::violation::{Answered, AskedCall, Ledger, Violation, Why};
use crate::system::notify::{Listener, Notification, Reply};
use crate::system::{process, stranger};
use nix::errno::Errno;
use nix::sys::stat::SFlag;
use nix::unistd::AccessFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What others are to know.
#[derive(Debug)]
pub enum News {
    /// A call was refused, for the first time in this way.
    Violation(Violation),
    /// What is to stand at this protected name, a person allowed.
    Granted(PathBuf),
    /// A repository was born at this name: what git would obey of it is looked at afterwards.
    Repository(PathBuf),
}

/// The gatekeeper of one sandbox.
pub struct Gatekeeper<'a> {
    listener: Listener,
    diag: Option<OwnedFd>,
    rules: &'a Rules,
    places: Option<Places>,
    ledger: Ledger,
    held: Held,
    cost: Cost,
    /// Repositories that were born, wherever a rename has taken them since.
    born: Vec<PathBuf>,
    tell: Box<dyn FnMut(News) + 'a>,
}

/// Repositories that are followed.
const MOST_BORN: usize = 1000;

/// What watching cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Calls.
    pub calls: u64,
    /// From receiving to answering, together.
    pub total: Duration,
    /// The longest of them.
    pub longest: Duration,
}

/// What becomes of a call, by one of its paths.
enum Settled {
    /// The kernel goes on with it.
    LetThrough,
    /// It is made here.
    MadeHere,
    /// It fails in the kernel, for reasons of its own.
    Fails,
    /// It is refused like this, unless a person allows it.
    Refused { why: Why, reason: &'static str, reply: Reply },
}

/// What a call touches, as far as it can be known.
struct Touched {
    path: PathBuf,
    judgement: Judgement,
    /// It is there before the call and is taken from there by it.
    source: bool,
}

impl<'a> Gatekeeper<'a> {
    /// For the sandbox whose calls come to this descriptor; `diag` asks about its Unix sockets. `heard`: there may be
    /// somebody to ask.
    pub fn new(
        listener: OwnedFd,
        diag: Option<OwnedFd>,
        rules: &'a Rules,
        heard: bool,
        tell: Box<dyn FnMut(News) + 'a>,
    ) -> Gatekeeper<'a> {
        let (listener, held) = (Listener::new(listener), Held::new(heard));
        Gatekeeper {
            listener,
            diag,
            rules,
            places: None,
            ledger: Ledger::default(),
            held,
            cost: Cost::default(),
            born: Vec::new(),
            tell,
        }
    }

    /// What is to be asked next, if anything is and nothing else is being asked.
    pub fn question(&mut self) -> Option<AskedCall> {
        self.held.question()
    }

    /// The question that stood was answered: the calls that waited for it are judged again.
    pub fn answered(&mut self, answer: Answered) {
        for waiting in self.held.answered(answer) {
            let reply = self.judge(waiting.asked, waiting.call);
            self.reply(waiting.asked, reply);
        }
        if answer == Answered::Once {
            self.held.take_back_last_grant();
        }
    }

    /// What to poll: readable when a call waits, hung up when nothing lives inside any more.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers one call that waits.
    pub fn attend(&mut self) {
        let Ok(Some(asked)) = self.listener.receive() else { return };
        let begun = Instant::now();
        let reply = match call::read(asked.call, asked.arguments) {
            // Nobody knows what it would do: it fails.
            None => Some(Reply::Fail(Errno::ENOSYS)),
            Some(call) => self.judge(asked, call),
        };
        self.reply(asked, reply);
        let took = begun.elapsed();
        self.cost.calls += 1;
        self.cost.total += took;
        self.cost.longest = self.cost.longest.max(took);
    }

    /// What it cost so far.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    fn reply(&self, asked: Notification, reply: Option<Reply>) {
        if let Some(reply) = reply {
            // An error means that nobody waits any more.
            let _ = self.listener.answer(asked.id, reply);
        }
    }

    /// `None`: it was answered already, or will be by another process.
    fn judge(&mut self, asked: Notification, call: Call) -> Option<Reply> {
        if self.places.is_none() {
            self.places = Places::of(asked.thread).ok();
        }
        match call.deed {
            Deed::Connect { socket, address, length } => {
                self.connect(asked, call, Wanted { thread: asked.thread, socket, address, length })
            }
            _ => self.file(asked, call),
        }
    }

    fn file(&mut self, asked: Notification, call: Call) -> Option<Reply> {
        let deed = call.deed;
        let Some(touched) = self.touched(asked.thread, deed) else { return Some(Reply::Continue) };
        if matches!(deed, Deed::Rename { .. } | Deed::Remove { directory: true, .. } | Deed::Make { .. })
            && let Some(places) = &mut self.places
        {
            places.forget();
        }
        let may = |one: &Touched| {
            use Judgement::{Allowed, Own, Passes, Single};
            matches!(one.judgement, Passes | Own | Allowed | Single)
        };
        if !touched.iter().all(may) && !self.has_its_object(deed, &touched) {
            // It fails anyway, as the kernel will say.
            return Some(Reply::Continue);
        }
        let mut made_here = false;
        for one in &touched {
            match self.settle(deed, one) {
                Settled::LetThrough => {}
                Settled::MadeHere => made_here = true,
                Settled::Refused { why, reason, reply } => {
                    let violation = violation(asked, call, &one.path, why, reason);
                    return self.hold_or(asked, call, violation, reply);
                }
                Settled::Fails => return Some(Reply::Continue),
            }
        }
        self.note_births(deed, &touched);
        if !made_here {
            return Some(Reply::Continue);
        }
        let paths: Vec<&Path> = touched.iter().map(|t| t.path.as_path()).collect();
        perform::perform(&self.listener, asked, deed, &paths).unwrap_or_else(|error| Some(Reply::Fail(error)))
    }

    /// A name where git looks for a repository, and one that a rename gives to a repository or to a directory around it.
    fn note_births(&mut self, deed: Deed, touched: &[Touched]) {
        let made = touched.iter().filter(|t| !t.source && rules::is_repository(&t.path));
        let mut all: Vec<PathBuf> = made.map(|t| t.path.clone()).collect();
        if let (Deed::Rename { .. }, [from, to]) = (deed, touched) {
            // Both ways: the two may change places.
            for (from, to) in [(&from.path, &to.path), (&to.path, &from.path)] {
                let moved = self.born.iter().filter_map(|born| born.strip_prefix(from).ok());
                all.extend(moved.filter(|rest| !rest.as_os_str().is_empty()).map(|rest| to.join(rest)));
            }
        }
        for born in all {
            if !self.born.contains(&born) && self.born.len() < MOST_BORN {
                self.born.push(born.clone());
                (self.tell)(News::Repository(born));
            }
        }
    }

    /// What becomes of a call as far as one of its paths decides it.
    fn settle(&mut self, deed: Deed, one: &Touched) -> Settled {
        match one.judgement {
            Judgement::Passes | Judgement::Own => Settled::LetThrough,
            Judgement::Single if matches!(deed, Deed::Remove { .. } | Deed::Rename { .. }) => {
                Settled::MadeHere
            }
            Judgement::Single => Settled::LetThrough,
            Judgement::Allowed => Settled::MadeHere,
            Judgement::OnTheWay
                if matches!(deed, Deed::Make { what: Made::Directory(_), .. })
                    && !self.is_there(&one.path) =>
            {
                Settled::MadeHere
            }
            Judgement::Protected(_) if self.held.is_granted(&one.path, Why::Protected) => {
                (self.tell)(News::Granted(one.path.clone()));
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

    fn settle_outside(&self, deed: Deed, one: &Touched) -> Settled {
        let why = if one.judgement == Judgement::Hidden { Why::Hidden } else { Why::Outside };
        if self.held.is_granted(&one.path, why) {
            return Settled::MadeHere;
        }
        if !self.would_change(deed, one) {
            return Settled::Fails;
        }
        // The mounts refuse it, with the very error that the kernel has for it; but no mount holds those who are written
        // to by name, FIFOs.
        let is_fifo = self.kind(&one.path) == Some(SFlag::S_IFIFO);
        let reply = if is_fifo { Reply::Fail(Errno::EACCES) } else { Reply::Continue };
        Settled::Refused { why, reason: "", reply }
    }

    /// `None`: something cannot be found out, and the kernel answers.
    fn touched(&mut self, thread: i32, deed: Deed) -> Option<Vec<Touched>> {
        let names: &[(Name, bool)] = &match deed {
            Deed::Open { at, .. } | Deed::Make { at, .. } | Deed::Link { to: at } => {
                [(at, false); 1].to_vec()
            }
            Deed::Remove { at, .. } | Deed::Change { at, .. } => vec![(at, true)],
            Deed::Rename { from, to, .. } => vec![(from, true), (to, false)],
            Deed::Connect { .. } => return None,
        };
        let places = self.places.as_mut()?;
        let mut all = Vec::with_capacity(names.len());
        for &(name, source) in names {
            let path = places.find(thread, name).ok()?;
            let judgement = self.rules.judge(&path);
            all.push(Touched { path, judgement, source });
        }
        Some(all)
    }

    fn is_there(&self, path: &Path) -> bool {
        self.places.as_ref().is_some_and(|places| places.is_there(path))
    }

    /// Whether what a call takes away or renames is there, and of the kind that it takes.
    fn has_its_object(&self, deed: Deed, touched: &[Touched]) -> bool {
        let Some(source) = touched.iter().find(|one| one.source) else { return true };
        match deed {
            Deed::Remove { directory, .. } => {
                self.kind(&source.path).is_some_and(|kind| (kind == SFlag::S_IFDIR) == directory)
            }
            _ => self.is_there(&source.path),
        }
    }

    /// What stands at a canonical path.
    fn kind(&self, path: &Path) -> Option<SFlag> {
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
    fn would_change(&self, deed: Deed, one: &Touched) -> bool {
        let there = self.is_there(&one.path);
        let writes = |path: &Path| nix::unistd::access(path, AccessFlags::W_OK).is_ok();
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
            Deed::Connect { .. } => false,
        }
    }

    /// Lets a call wait for a person, or records and refuses it where nobody is to be asked.
    fn hold_or(
        &mut self,
        asked: Notification,
        call: Call,
        violation: Violation,
        refusal: Reply,
    ) -> Option<Reply> {
        // What a grant could not help is not asked about: calls that are not made here, and FIFOs.
        let helps = matches!(call.deed, Deed::Connect { .. })
            || perform::can(call.deed) && refusal != Reply::Fail(Errno::EACCES);
        if helps && self.held.keep(Waiting { asked, call, violation: violation.clone() }) {
            return None;
        }
        self.record(&violation);
        Some(refusal)
    }

    fn connect(&mut self, asked: Notification, call: Call, wanted: Wanted) -> Option<Reply> {
        // Without a tree nothing can be looked at, and nothing is connected.
        let Some(places) = &mut self.places else { return Some(Reply::Fail(Errno::EACCES)) };
        if !self.listener.still_waits(asked.id) {
            return None;
        }
        let held = &self.held;
        let granted = |path: &Path| held.is_granted(path, Why::Socket);
        match socket::connect(wanted, places, self.rules, &granted, self.diag.as_ref()) {
            Connect::Done(Ok(())) => Some(Reply::Value(0)),
            Connect::Done(Err(error)) | Connect::Failed(error) => Some(Reply::Fail(error)),
            Connect::Unfinished(rest) => self.leave_to_another(asked, &rest),
            Connect::Refused(path, reachable) => {
                let (why, reason) = match reachable {
                    Reachable::Never => (Why::Own, "sbsh's own socket"),
                    _ => (Why::Socket, "its server is outside"),
                };
                let violation = violation(asked, call, &path, why, reason);
                self.hold_or(asked, call, violation, Reply::Fail(Errno::EACCES))
            }
        }
    }

    /// A process of its own waits with the caller; it ends when the connect does or the caller is gone.
    fn leave_to_another(&self, asked: Notification, rest: &Unfinished) -> Option<Reply> {
        match process::fork() {
            Ok(process::Fork::Parent(_)) => None,
            Ok(process::Fork::Child) => {
                let done = rest.finish(|| self.listener.still_waits(asked.id));
                let reply = done.map_or_else(Reply::Fail, |()| Reply::Value(0));
                let _ = self.listener.answer(asked.id, reply);
                process::exit_now(0)
            }
            Err(error) => Some(Reply::Fail(error)),
        }
    }

    fn record(&mut self, violation: &Violation) {
        if self.ledger.enter(violation) {
            (self.tell)(News::Violation(violation.clone()));
        }
    }
}

fn violation(asked: Notification, call: Call, path: &Path, why: Why, reason: &str) -> Violation {
    Violation {
        time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        program: stranger::program(asked.thread).unwrap_or_default(),
        process: asked.thread,
        call: call.name.into(),
        path: path.to_string_lossy().into_owned(),
        why,
        reason: reason.into(),
    }
}
