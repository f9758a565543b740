//! One question about a call at a time: first to the front, whose terminal it may be, then to those beyond.
//!
//! Owns the asking while calls go on being answered: who may take his time is asked by a process of its own.

use crate::gatekeeper::{Answered, AskedCall};
use crate::network::desk::{Reply, ToFront};
use crate::system::children::{Watch, give_up};
use crate::system::{descriptors, process, sockets};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Those who can be asked without the caller's terminal. Waits, and gives the reply once.
pub type Beyond<'a> = dyn Fn(&AskedCall, &mut dyn FnMut(&Reply)) + 'a;

/// The question that stands.
pub struct Inquiry<'a> {
    front: &'a UnixStream,
    beyond: &'a Beyond<'a>,
    standing: Option<AskedCall>,
    partial: Vec<u8>,
    helper: Option<(Pid, File)>,
    /// One that has answered.
    ending: Option<Pid>,
}

impl<'a> Inquiry<'a> {
    /// None stands. `front` does not block.
    pub fn new(front: &'a UnixStream, beyond: &'a Beyond<'a>) -> Inquiry<'a> {
        Inquiry { front, beyond, standing: None, partial: Vec::new(), helper: None, ending: None }
    }

    /// Asks. There must be no other question. The answer, if nobody could be asked.
    pub fn begin(&mut self, asked: AskedCall) -> Option<Answered> {
        self.ending.take().into_iter().for_each(process::reap);
        let sent = serde_json::to_vec(&ToFront::AskCall(asked.clone())).is_ok_and(|mut text| {
            text.push(b'\n');
            sockets::write_all(self.front, &text).is_ok()
        });
        self.standing = Some(asked);
        if !sent {
            self.ask_beyond();
        }
        if sent || self.helper.is_some() { None } else { self.end(Answered::Nobody) }
    }

    /// Whether there is a question.
    pub fn stands(&self) -> bool {
        self.standing.is_some()
    }

    /// What to wait for; nothing if there is no question.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.standing.as_ref()?;
        Some(self.helper.as_ref().map_or(self.front.as_fd(), |(_, pipe)| pipe.as_fd()))
    }

    /// Reads what has come; the answer once it is complete.
    pub fn attend(&mut self) -> Option<Answered> {
        let mut buffer = [0; 4096];
        let from_front = self.helper.is_none();
        let read = match &mut self.helper {
            Some((_, pipe)) => pipe.read(&mut buffer),
            None => {
                let mut front = self.front;
                front.read(&mut buffer)
            }
        };
        let length = match read {
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
            Err(_) => 0,
        };
        self.partial.extend(buffer.get(..length).unwrap_or_default());
        let end = self.partial.iter().position(|&byte| byte == b'\n');
        let line: Vec<u8> = match (end, length) {
            (Some(end), _) => self.partial.drain(..=end).collect(),
            // It ended without an answer.
            (None, 0) => Vec::new(),
            (None, _) => return None,
        };
        let reply = serde_json::from_slice(&line).unwrap_or(Reply::Nobody(String::new()));
        if from_front && matches!(reply, Reply::Nobody(_)) {
            self.ask_beyond();
            return if self.helper.is_some() { None } else { self.end(Answered::Nobody) };
        }
        self.end(match reply {
            Reply::Once => Answered::Once,
            Reply::Session | Reply::AlwaysHere | Reply::AlwaysUser => Answered::Session,
            Reply::No(_) | Reply::Never(_) => Answered::No,
            Reply::Nobody(_) => Answered::Nobody,
        })
    }

    fn end(&mut self, answer: Answered) -> Option<Answered> {
        self.standing = None;
        self.partial.clear();
        // Not waited for here: a call waits for the answer.
        self.ending = self.helper.take().map(|(helper, _)| helper);
        Some(answer)
    }

    fn ask_beyond(&mut self) {
        self.partial.clear();
        let Some(asked) = &self.standing else { return };
        let Ok((reader, writer)) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC) else { return };
        match process::fork() {
            Ok(process::Fork::Parent(helper)) => self.helper = Some((helper, File::from(reader))),
            Ok(process::Fork::Child) => {
                self.answer_into(writer, asked);
                process::exit_now(0)
            }
            Err(_) => {}
        }
    }

    /// In a process of its own: nothing of the sandbox's is held by it. It ends when nobody reads the answer any more, and
    /// takes its dialog along.
    fn answer_into(&self, writer: OwnedFd, asked: &AskedCall) {
        descriptors::close_all_but(&[0, 1, 2, writer.as_raw_fd()]);
        let unread = writer.try_clone().ok().and_then(|end| {
            Watch::start(vec![end], || {
                give_up();
                process::exit_now(0)
            })
        });
        // Nobody could end it.
        if unread.is_none() {
            return;
        }
        let mut writer = File::from(writer);
        (self.beyond)(asked, &mut |reply| {
            // Who has read it does not stay; what is kept of it comes after. A call waits, so the thread is not waited for.
            unread.iter().for_each(Watch::call_off);
            if let Ok(mut text) = serde_json::to_vec(reply) {
                text.push(b'\n');
                let _ = writer.write_all(&text);
                // The call that waits goes before what is kept of it, and both may be on one processor.
                process::give_way();
            }
        });
    }
}

impl Drop for Inquiry<'_> {
    fn drop(&mut self) {
        self.ending.take().into_iter().for_each(process::reap);
        if let Some((helper, pipe)) = self.helper.take() {
            // Nobody waits for the answer any more: it sees that by the pipe.
            drop(pipe);
            process::reap(helper);
        }
    }
}
