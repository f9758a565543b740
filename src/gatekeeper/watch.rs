//! One call after the other: received, judged, answered.

use super::births::{Births, Entered};
use super::call::{self, Call, Deed, Made, Name};
use super::domain::Domain;
use super::held::{Below, Grant, Held, Waiting};
use super::pair::{self, Own};
use super::perform;
use super::place::{Magic, Places};
use super::plain::Plain;
use super::rules::{self, Judgement, Rules, SETTLED};
use super::settle::{Settled, Touched, exchanges};
use super::socket::Wanted;
use super::violation::{Answered, AskedCall, Ledger, Violation, Why};
use crate::system::notify::{Listener, Notification, Reply};
use crate::system::stranger;
use nix::errno::Errno;
use nix::sys::stat::SFlag;
use std::collections::{HashSet, VecDeque};
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
    /// A server outside was spoken to, for the first time: its socket, and what allows it.
    Spoke(PathBuf, String),
    /// Something inside begins to listen.
    Listens,
    /// A repository was born at this name: what git would obey of it is looked at afterwards.
    Repository(PathBuf),
}

/// Calls that are answered before anything else is looked at.
const MOST_AT_ONCE: usize = 64;

/// The gatekeeper of one sandbox.
pub struct Gatekeeper<'a> {
    pub(super) listener: Listener,
    pub(super) own: Own<'a>,
    pub(super) rules: &'a Rules,
    pub(super) places: Option<Places>,
    plain: Plain,
    pub(super) domain: Option<Domain>,
    pub(super) ledger: Ledger,
    pub(super) held: Held,
    /// What was granted "once" to the call that is judged.
    pub(super) once: Vec<Grant>,
    /// Single files whose names were taken away or given to others: the mounts that held them went with that.
    pub(super) loose: HashSet<PathBuf>,
    pub(super) births: Births,
    cost: Cost,
    pub(super) tell: Box<dyn FnMut(News) -> bool + 'a>,
}

/// What watching cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Calls.
    pub calls: u64,
    /// From receiving to answering, together.
    pub total: Duration,
    /// The longest of them.
    pub longest: Duration,
}

/// A call, and when it came.
struct Received {
    asked: Notification,
    at: Instant,
}

/// The flags of an open that changes something.
const CHANGES: i32 = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;

impl<'a> Gatekeeper<'a> {
    /// For the sandbox whose calls come to this descriptor. `heard`: there may be somebody to ask. `tell` says whether it
    /// was heard.
    pub fn new(
        listener: OwnedFd,
        own: Own<'a>,
        rules: &'a Rules,
        heard: bool,
        tell: Box<dyn FnMut(News) -> bool + 'a>,
    ) -> Gatekeeper<'a> {
        let (listener, held) = (Listener::new(listener), Held::new(heard));
        Gatekeeper {
            listener,
            own,
            rules,
            places: None,
            plain: Plain::default(),
            domain: rules.allowed().map(Domain::of),
            ledger: Ledger::default(),
            held,
            once: Vec::new(),
            loose: HashSet::new(),
            births: Births::default(),
            cost: Cost::default(),
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
            self.once = waiting.once;
            let reply = self.judge(waiting.asked, waiting.call);
            self.reply(waiting.asked, reply);
        }
        self.once.clear();
    }

    /// What to poll: readable when a call waits, hung up when nothing lives inside any more.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers calls that wait. All are received before the first is answered: until then a signal interrupts them, and
    /// few programs expect that of unlink(2).
    pub fn attend(&mut self) {
        let Some(first) = self.receive() else { return };
        // One is the rule, and the wait for the next one is another look.
        if !self.listener.has_more() {
            return self.answer(first);
        }
        let mut received = VecDeque::from([first]);
        for _ in 0..MOST_AT_ONCE {
            while received.len() < MOST_AT_ONCE && self.listener.has_more() {
                let Some(next) = self.receive() else { break };
                received.push_back(next);
            }
            let Some(next) = received.pop_front() else { return };
            self.answer(next);
        }
        received.into_iter().for_each(|next| self.answer(next));
    }

    fn receive(&self) -> Option<Received> {
        let asked = self.listener.receive().ok()??;
        Some(Received { asked, at: Instant::now() })
    }

    fn answer(&mut self, Received { asked, at }: Received) {
        let reply = match call::read(asked.call, asked.arguments) {
            // Nobody knows what it would do: it fails.
            None => Some(Reply::Fail(Errno::ENOSYS)),
            Some(call) => self.judge(asked, call),
        };
        self.reply(asked, reply);
        let took = at.elapsed();
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
            self.places = Places::of(asked.thread, self.domain.is_some()).ok();
        }
        match call.deed {
            Deed::Connect { socket, address, length } => {
                self.connect(asked, call, Wanted { thread: asked.thread, socket, address, length })
            }
            Deed::Alter { file, what } => Some(self.alter(asked, call, file, what)),
            Deed::Bind(named) => Some(self.bind(asked, call, named)),
            Deed::Listen { socket, backlog } => Some(self.listen(asked, socket, backlog)),
            Deed::Pair(wanted) => pair::answer(&self.listener, asked, wanted, &self.own),
            _ => {
                let reply = self.file(asked, call);
                reply.map(|reply| self.without_mounts(asked.thread, call.deed, reply))
            }
        }
    }

    fn file(&mut self, asked: Notification, call: Call) -> Option<Reply> {
        let deed = call.deed;
        if let Deed::Open { at, flags, .. } = deed
            && flags & CHANGES == 0
        {
            return self.reading(asked, call, at);
        }
        if let Some(places) = &self.places
            && self.plain.passes(asked.thread, deed, places, self.rules, self.domain.as_ref())
        {
            return Some(Reply::Continue);
        }
        let touched = match self.touched(asked.thread, deed) {
            Ok(touched) => touched,
            Err(error) => return Some(self.unplaced(asked.thread, deed, error)),
        };
        if let (Deed::Open { flags, .. }, [one]) = (deed, touched.as_slice())
            && perform::is_unnamed(flags)
            && matches!(one.judgement, Judgement::Outside | Judgement::OnTheWay)
            && let Some(private) = self.rules.place_of_unnamed(&one.path)
        {
            let made = perform::perform(&self.listener, asked, deed, &[private], perform::PLAIN);
            // Where the file system there has no such files, as without us.
            return made.unwrap_or(Some(Reply::Fail(Errno::EROFS)));
        }
        if self.opens_again(asked, deed, &touched) {
            return None;
        }
        let may = |one: &Touched| {
            use Judgement::{Allowed, Own, Passes, Single};
            matches!(one.judgement, Passes | Own | Allowed | Single)
        };
        if !touched.iter().all(may) && !self.has_its_object(deed, &touched) {
            // It fails anyway, as the kernel will say.
            return Some(Reply::Continue);
        }
        let apart = self.lies_apart(deed, &touched);
        let mut made_here = false;
        for one in &touched {
            match self.settle(deed, one) {
                Settled::LetThrough => {}
                Settled::MadeHere => made_here = true,
                Settled::Refused { why, reason, reply } => {
                    let violation = violation(asked, call, &one.path, why, reason);
                    if apart {
                        // No grant could help.
                        self.record(&violation);
                        return Some(Reply::Fail(Errno::EXDEV));
                    }
                    return self.hold_or(asked, call, violation, reply);
                }
                Settled::Fails => return Some(Reply::Continue),
                Settled::FailsAnyway(reason) => {
                    self.record(&violation(asked, call, &one.path, Why::Outside, reason));
                    return Some(Reply::Continue);
                }
            }
        }
        if made_here && self.rules.is_layered() {
            return Some(Reply::Fail(Errno::EROFS));
        }
        if apart && (made_here || matches!(deed, Deed::Link { .. })) {
            return Some(Reply::Fail(Errno::EXDEV));
        }
        if made_here && self.carries_a_mount(deed, &touched) {
            return Some(Reply::Fail(Errno::EBUSY));
        }
        if !self.note_births(deed, &touched) {
            return Some(Reply::Fail(Errno::EAGAIN));
        }
        if !made_here {
            return Some(Reply::Continue);
        }
        let paths: Vec<&Path> = touched.iter().map(|t| t.path.as_path()).collect();
        if let (Some(domain), Deed::Remove { .. } | Deed::Rename { .. }) = (&mut self.domain, deed) {
            paths.iter().for_each(|path| domain.forget(path));
        }
        perform::perform(&self.listener, asked, deed, &paths, self.bits(&touched))
            .unwrap_or_else(|error| Some(Reply::Fail(error)))
    }

    /// Opening for reading: notified only where settings have questions about it.
    fn reading(&mut self, asked: Notification, call: Call, at: Name) -> Option<Reply> {
        // Below a masked directory nothing can be looked up inside; the host has the same names.
        let places = self.places.as_mut()?;
        let found = places.find(asked.thread, at).or_else(|_| places.find_on_host(asked.thread, at));
        let found = found.ok();
        if let Some(path) = &found
            && self.is_read_here(call.deed, path)
        {
            let made = perform::perform(&self.listener, asked, call.deed, &[path.as_path()], perform::PLAIN);
            return made.unwrap_or_else(|error| Some(Reply::Fail(error)));
        }
        let Some(path) = found.filter(|path| self.rules.asks_to_read(path)) else {
            return Some(Reply::Continue);
        };
        if !self.held.is_granted(&path, Why::Asked) {
            if nix::unistd::access(&path, nix::unistd::AccessFlags::R_OK).is_err() {
                return Some(Reply::Continue);
            }
            let violation = violation(asked, call, &path, Why::Asked, "");
            return self.hold_or(asked, call, violation, Reply::Continue);
        }
        let made = perform::perform(&self.listener, asked, call.deed, &[path.as_path()], perform::PLAIN);
        made.unwrap_or_else(|error| Some(Reply::Fail(error)))
    }

    /// Notes repositories that a call brings into being or carries elsewhere; false: they could not be looked at
    /// afterwards.
    fn note_births(&mut self, deed: Deed, touched: &[Touched]) -> bool {
        let mut born: Vec<PathBuf> = touched
            .iter()
            .filter(|one| !one.source || exchanges(deed))
            .filter_map(|one| {
                rules::born_by(&one.path).map(Path::to_path_buf).or_else(|| self.bare_by(&one.path))
            })
            .collect();
        if let (Deed::Rename { flags, .. }, [from, to]) = (deed, touched) {
            born.extend(self.births.carried(&from.path, &to.path));
            born.extend(self.is_born(&from.path).then(|| to.path.clone()));
            if flags & libc::RENAME_EXCHANGE != 0 {
                born.extend(self.births.carried(&to.path, &from.path));
                born.extend(self.is_born(&to.path).then(|| from.path.clone()));
            }
        }
        let stands = |path: &Path| self.places.as_ref().is_some_and(|places| places.is_there(path));
        born.into_iter().all(|entry| match self.births.enter(&entry, stands) {
            Entered::Known => true,
            Entered::New => (self.tell)(News::Repository(entry.clone())) || self.births.forget(&entry),
            Entered::TooMany => false,
        })
    }

    /// As the rules judge it; and git's configuration in a repository that was there before is not written, however deep
    /// it is: the mounts hold those that were found within a budget.
    pub(super) fn judge_path(&self, path: &Path) -> Judgement {
        let judgement =
            self.rules.judge_among(path, |entry| self.is_born(entry), |entry| self.is_there(entry));
        if judgement == Judgement::Passes && self.configures_bare(path) { SETTLED } else { judgement }
    }

    /// For a name that only the caller's own view of `/proc` leads to, where it leads to something writable inside, or to a FIFO
    /// outside, which no mount holds: other open files are the kernel's business.
    fn through_magic(&self, thread: i32, name: Name) -> nix::Result<Option<(PathBuf, Judgement)>> {
        let Some(places) = &self.places else { return Ok(None) };
        let Some(Magic { path, last }) = places.find_through_magic(thread, name)? else { return Ok(None) };
        let judgement = self.judge_path(&path);
        let is_ours = matches!(judgement, Judgement::Passes | Judgement::Protected(_));
        let is_new_way = || {
            let written = last.is_some_and(|link| places.is_written_by(&link));
            !written && self.kind(&path) == Some(SFlag::S_IFIFO)
        };
        Ok((is_ours || is_new_way()).then_some((path, judgement)))
    }

    /// What a call touches; an error is whatever keeps that from being found out.
    pub(super) fn touched(&mut self, thread: i32, deed: Deed) -> nix::Result<Vec<Touched>> {
        let names: &[(Name, bool)] = &match deed {
            Deed::Open { at, .. } | Deed::Make { at, .. } | Deed::Link { to: at, .. } => vec![(at, false)],
            Deed::Remove { at, .. } | Deed::Change { at, .. } => vec![(at, true)],
            Deed::Rename { from, to, .. } => vec![(from, true), (to, false)],
            Deed::Connect { .. }
            | Deed::Pair(_)
            | Deed::Alter { .. }
            | Deed::Listen { .. }
            | Deed::Bind(_) => {
                return Err(Errno::EINVAL);
            }
        };
        let places = self.places.as_ref().ok_or(Errno::EACCES)?;
        let mut all = Vec::with_capacity(names.len());
        for &(name, source) in names {
            let (path, judgement) = match places.find(thread, name) {
                Ok(path) => (path.clone(), self.judge_path(&path)),
                Err(error) => self.through_magic(thread, name)?.ok_or(error)?,
            };
            // It may be taken away, and what it says may be lost; but an exchange puts something else there.
            let goes = source && !exchanges(deed);
            let judgement = if goes && judgement == SETTLED { Judgement::Passes } else { judgement };
            all.push(Touched { path, judgement, source });
        }
        self.judge_wholes(deed, &mut all);
        if let Deed::Link { from, .. } = deed {
            all.extend(self.linked(thread, places, from, &all)?);
        }
        Ok(all)
    }

    /// Lets a call wait for a person, or records and refuses it where nobody is to be asked.
    pub(super) fn hold_or(
        &mut self,
        asked: Notification,
        call: Call,
        violation: Violation,
        refusal: Reply,
    ) -> Option<Reply> {
        // What a grant could not help is not asked about: calls that are not made here, FIFOs, first links.
        let hopeless = violation.why != Why::Protected && matches!(refusal, Reply::Fail(_));
        let helps =
            matches!(call.deed, Deed::Connect { .. }) || perform::can(asked.thread, call.deed) && !hopeless;
        let (once, below) = (self.once.clone(), self.below(call.deed, Path::new(&violation.path)));
        let waiting = || Waiting { asked, call, violation: violation.clone(), once, below };
        if helps && self.held.keep(waiting()) {
            return None;
        }
        let refused_by_person = self.held.is_refused(&violation);
        self.record(&Violation { refused_by_person, ..violation });
        // As a mount would say it.
        let by_kernel = self.domain.is_some() && refusal == Reply::Continue;
        Some(if by_kernel { Reply::Fail(Errno::EROFS) } else { refusal })
    }

    fn below(&self, deed: Deed, path: &Path) -> Below {
        match deed {
            Deed::Make { what: Made::Directory(_), .. } if !self.is_there(path) => Below::New,
            _ if self.kind(path) == Some(SFlag::S_IFDIR) => Below::Others,
            _ => Below::Nothing,
        }
    }

    pub(super) fn record(&mut self, violation: &Violation) {
        if self.ledger.enter(violation) {
            let _ = (self.tell)(News::Violation(violation.clone()));
        }
    }
}

pub(super) fn violation(asked: Notification, call: Call, path: &Path, why: Why, reason: &str) -> Violation {
    Violation {
        time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        program: stranger::program(asked.thread).unwrap_or_default(),
        process: asked.thread,
        call: call.name.into(),
        path: path.to_string_lossy().into_owned(),
        why,
        reason: reason.into(),
        refused_by_person: false,
    }
}
