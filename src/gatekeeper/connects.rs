//! connect(2), bind(2) and listen(2) of the inside.
//!
//! Owns what becomes of them by what `socket` finds, and who waits with a caller whose connect takes its time.

use super::call::{Call, Named};
use super::door;
use super::rules::{Judgement, Reachable};
use super::socket::{self, Around, Connect, StandIn, Unfinished, Wanted};
use super::violation::Why;
use super::watch::{Gatekeeper, News, violation};
use crate::system::notify::{Notification, Reply};
use crate::system::{connecting, host, landlock, process, stranger};
use nix::errno::Errno;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Gatekeeper<'_> {
    pub(super) fn connect(&mut self, asked: Notification, call: Call, wanted: Wanted) -> Option<Reply> {
        // Without a tree nothing can be looked at, and nothing is connected.
        let Some(places) = &self.places else { return Some(Reply::Fail(Errno::EACCES)) };
        if !self.listener.still_waits(asked.id) {
            return None;
        }
        let (held, once) = (&self.held, &self.once);
        let granted = |path: &Path| {
            held.is_granted(path, Why::Socket) || once.iter().any(|(p, why)| p == path && *why == Why::Socket)
        };
        let spoken = RefCell::new(None);
        let spoke =
            |path: &Path, rule: &str| *spoken.borrow_mut() = Some((path.to_path_buf(), rule.to_owned()));
        let around = Around { diag: self.own.diag.as_ref(), first: self.own.first, door: self.own.door };
        let (outcome, stand_in) = socket::connect(wanted, places, self.rules, &granted, &spoke, &around);
        if let Some((path, rule)) = spoken.into_inner()
            && self.ledger.speaks(&path)
        {
            let _ = (self.tell)(News::Spoke(path, rule));
        }
        match outcome {
            Connect::Done(Ok(())) => Some(self.connected(asked, stand_in.as_ref())),
            Connect::Done(Err(error)) | Connect::Failed(error) => Some(Reply::Fail(error)),
            Connect::Unfinished(rest) => self.leave_to_another(asked, &rest, stand_in.as_ref()),
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

    fn connected(&self, asked: Notification, stand_in: Option<&StandIn>) -> Reply {
        let handed_over = stand_in.map_or(Ok(()), |stand_in| stand_in.hand_over(&self.listener, asked.id));
        handed_over.map_or_else(Reply::Fail, |()| Reply::Value(0))
    }

    /// A process of its own waits with the caller; it ends when the connect does or the caller is gone.
    fn leave_to_another(
        &self,
        asked: Notification,
        rest: &Unfinished,
        stand_in: Option<&StandIn>,
    ) -> Option<Reply> {
        match process::fork() {
            Ok(process::Fork::Parent(_)) => None,
            Ok(process::Fork::Child) => {
                let done = rest.finish(|| self.listener.still_waits(asked.id));
                let reply = done.map_or_else(Reply::Fail, |()| self.connected(asked, stand_in));
                let _ = self.listener.answer(asked.id, reply);
                process::exit_now(0)
            }
            Err(error) => Some(Reply::Fail(error)),
        }
    }

    /// Asked about where others are to know of it; and where no namespace keeps others from connecting: there TCP is refused.
    pub(super) fn listen(&mut self, asked: Notification, socket: i32, backlog: i32) -> Reply {
        if self.domain.is_none() {
            // Before it is done: whoever sees it listen finds that it is known.
            let _ = (self.tell)(News::Listens);
            return Reply::Continue;
        }
        let listen = || {
            // A copy, so that what is looked at and what listens are the same.
            let socket = stranger::descriptor(asked.thread, socket)?;
            // A port, or an abstract name, would be one of the whole machine's: others would come to it.
            if !connecting::is_unix(&socket)? || !connecting::has_path(&socket) {
                return Err(Errno::EACCES);
            }
            if !self.listener.still_waits(asked.id) {
                return Err(Errno::EINTR);
            }
            connecting::listen(&socket, backlog)
        };
        listen().map_or_else(Reply::Fail, |()| Reply::Value(0))
    }

    /// Asked about where no mount and no network namespace is below.
    pub(super) fn bind(&mut self, asked: Notification, call: Call, named: Named) -> Reply {
        self.try_to_bind(asked, call, named).unwrap_or_else(Reply::Fail)
    }

    fn try_to_bind(&mut self, asked: Notification, call: Call, named: Named) -> nix::Result<Reply> {
        let own = match stranger::descriptor(asked.thread, named.socket) {
            Err(Errno::EPERM) if landlock::version().is_some_and(|version| version >= 4) => None,
            socket => Some(socket?),
        };
        let address = socket::address(asked.thread, named.address, named.length)?;
        let Some(socket) = own else {
            // It hides itself, or a container's filter keeps us from it. Landlock holds names where it allows none, and TCP;
            // and nobody listens by what is not seen.
            let meant = [false, true].into_iter().find_map(|ipv6| door::parse(&address, ipv6));
            return Ok(if meant.is_some_and(is_end) { Reply::Value(0) } else { Reply::Continue });
        };
        if !connecting::is_unix(&socket)? {
            let ipv6 = connecting::tcp_family(&socket)? == libc::AF_INET6;
            let meant = door::parse(&address, ipv6).ok_or(Errno::EAFNOSUPPORT)?;
            return if is_end(meant) { Ok(Reply::Value(0)) } else { Err(Errno::EACCES) };
        }
        let name = address.get(2..).unwrap_or_default();
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let text = Path::new(OsStr::from_bytes(name.get(..end).unwrap_or_default()));
        if text.as_os_str().is_empty() {
            // An abstract name, or any: nothing listens there.
            return Ok(Reply::Continue);
        }
        let places = self.places.as_ref().ok_or(Errno::EACCES)?;
        let path = places.find_text(asked.thread, text)?;
        let judgement = self.judge_path(&path);
        match &judgement {
            Judgement::Passes if self.is_made_below(&path) => return Ok(Reply::Continue),
            Judgement::Passes => {}
            Judgement::Own => return Ok(Reply::Continue),
            other => {
                let (why, reason) = match other {
                    Judgement::Protected(reason) => (Why::Protected, *reason),
                    Judgement::Hidden => (Why::Hidden, ""),
                    _ => (Why::Outside, ""),
                };
                self.record(&violation(asked, call, &path, why, reason));
                return Err(Errno::EROFS);
            }
        }
        let mask = stranger::umask(asked.thread).unwrap_or(0o077);
        if !self.listener.still_waits(asked.id) {
            return Err(Errno::EINTR);
        }
        host::Holder::open(&path)?.bind(&socket, mask)?;
        Ok(Reply::Value(0))
    }
}

/// Whether an address is any of the loopback: the end of a connection that goes to the gateway, where nobody listens.
fn is_end(meant: SocketAddr) -> bool {
    (meant.ip().is_unspecified() || meant.ip().is_loopback()) && meant.port() == 0
}
