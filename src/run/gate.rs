//! The calls of the inside, on their way to the gatekeeper and from it to those who are to know.
//!
//! Owns when the gatekeeper begins and ends, its questions, and what is told of it to the front and the log. Must not judge.

use super::caretaker::{ANSWERS, CALLS, Kept, Network};
use super::first::GATE;
use super::inquiry::Inquiry;
use crate::gatekeeper::pair::Own;
use crate::gatekeeper::{Cost, Gatekeeper, News, Rules};
use crate::network::desk::ToFront;
use crate::system::ready::Ready;
use crate::system::sockets;
use nix::unistd::Pid;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// What the gatekeeper told, for a sweep of our own.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) born: Vec<PathBuf>,
    pub(super) granted: Vec<PathBuf>,
    pub(super) violations: usize,
    /// Something inside listens, or may without its being known.
    pub(super) listens: bool,
    pub(super) watched: bool,
}

/// The calls of the inside.
pub(super) struct Gate<'a> {
    /// Where their descriptor comes from; gone once it has come.
    pub(super) link: Option<&'a UnixStream>,
    pub(super) rules: &'a Rules,
    pub(super) teller: Teller<'a>,
    pub(super) keeper: Option<Gatekeeper<'a>>,
    /// What its work has cost, once that is over.
    pub(super) spent: Option<Cost>,
    pub(super) inquiry: Inquiry<'a>,
    /// The first process inside, if it is a child of the caretaker's.
    pub(super) first: Option<Pid>,
}

impl<'a> Gate<'a> {
    /// What to wait for: first the descriptor, then calls; and an answer, if there is a question.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let keeper = self.keeper.as_ref().map(Gatekeeper::descriptor);
        let wanted = keeper.or_else(|| self.link.map(AsFd::as_fd));
        wanted.into_iter().chain(self.inquiry.descriptor().filter(|_| wanted.is_some()))
    }

    /// After events at its descriptors. Whether these are the same ones as before, and there is nothing else to do.
    pub(super) fn attend(&mut self, ready: Ready) -> bool {
        let knew = self.teller.seen.borrow().listens;
        let (stood, kept) = (self.inquiry.stands(), self.keeper.is_some());
        if stood
            && ready.has(ANSWERS)
            && let Some(answer) = self.inquiry.attend()
            && let Some(keeper) = &mut self.keeper
        {
            keeper.answered(answer);
        }
        match &mut self.keeper {
            _ if !ready.has(CALLS) => {}
            Some(keeper) if ready.is_readable(CALLS) => keeper.attend(),
            // Nothing is left inside that could call.
            Some(_) => self.retire(),
            None => self.begin(),
        }
        // While one question stands there is no next one.
        if let Some(keeper) = &mut self.keeper
            && let Some(asked) = keeper.question()
            && let Some(answer) = self.inquiry.begin(asked)
        {
            keeper.answered(answer);
        }
        kept && self.keeper.is_some()
            && !stood
            && !self.inquiry.stands()
            && self.teller.seen.borrow().listens == knew
    }

    /// Its work is done. The last process inside is about to end, and this may be on its processor: nothing is written now.
    pub(super) fn retire(&mut self) {
        self.spent = self.keeper.take().map(|keeper| keeper.cost()).or(self.spent);
    }

    fn begin(&mut self) {
        let Some(link) = self.link.take() else { return };
        let mut tag = [0; 1];
        let came = sockets::receive_with_descriptors(link.as_raw_fd(), &mut tag);
        if came.is_err() {
            // Calls that nobody answers must fail and not wait: they do when nobody has the listener any more.
            sockets::discard_message(link);
        }
        let Some((_, descriptors)) = came.ok().filter(|_| tag == *GATE) else { return self.teller.listens() };
        let mut descriptors = descriptors.into_iter();
        let Some(calls) = descriptors.next() else { return };
        let teller = self.teller;
        teller.seen.borrow_mut().watched = true;
        let tell = Box::new(move |news| teller.tell(news));
        let entrances = &teller.network.entrances;
        let first = self.first;
        let pair = move || if first.is_some() { sockets::packet_pair() } else { entrances.pair() };
        let door = entrances.mediated.as_ref().map(|mediated| &mediated.door);
        let own = Own { diag: descriptors.next(), pair: Box::new(pair), first, door };
        self.keeper = Some(Gatekeeper::new(calls, own, self.rules, !self.rules.is_layered(), tell));
    }
}

/// Who is to know what the gatekeeper tells.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    /// To the front.
    pub(super) line: &'a UnixStream,
    pub(super) seen: &'a RefCell<Seen>,
    /// Whom others find by it, and whether anybody is to know what listens.
    pub(super) network: &'a Network<'a>,
    pub(super) log: &'a dyn Fn(&Kept),
}

impl Teller<'_> {
    /// Something inside begins to listen, or may.
    fn listens(&self) {
        let mut seen = self.seen.borrow_mut();
        if self.network.listens && !seen.listens {
            seen.listens = true;
            self.network.seat.iter().for_each(|seat| seat.show());
        }
    }

    /// A front that does not read has a full socket: then it is not told, and what holds holds all the same. Whether it
    /// was told of what it is to look at afterwards.
    fn tell(self, news: News) -> bool {
        let mut seen = self.seen.borrow_mut();
        let news = match news {
            News::Listens => {
                drop(seen);
                self.listens();
                return true;
            }
            News::Violation(violation) => {
                seen.violations += 1;
                (self.log)(&Kept::Violation(violation.clone()));
                ToFront::Violation(violation)
            }
            News::Spoke(path, rule) => {
                (self.log)(&Kept::Spoke(path, rule));
                return true;
            }
            News::Repository(entry) => {
                seen.born.push(entry.clone());
                ToFront::Repository(entry)
            }
            News::Granted(path) if seen.granted.contains(&path) => return true,
            News::Granted(path) => {
                seen.granted.push(path.clone());
                ToFront::Granted(path)
            }
        };
        let Ok(mut text) = serde_json::to_vec(&news) else { return false };
        text.push(b'\n');
        // A front that is gone looks at nothing; this process does then.
        !sockets::write_all(self.line, &text).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
