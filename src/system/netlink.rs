//! Netlink: messages with attributes, sent as one batch, answered by the kernel one by one. Owns the framing
//! (netlink(7)); what is said to the kernel is the caller's.

use super::sockets;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

const REQUEST: u16 = 1; // NLM_F_REQUEST
const ACK: u16 = 4; // NLM_F_ACK
const DUMP: u16 = 0x300; // NLM_F_DUMP
const ERROR: u16 = 2; // NLMSG_ERROR
const DONE: u16 = 3; // NLMSG_DONE
const NESTED: u16 = 0x8000; // NLA_F_NESTED

/// Flag of a message: make what is not there (NLM_F_CREATE).
pub const CREATE: u16 = 0x400;
/// Flag of a message: behind what is there (NLM_F_APPEND).
pub const APPEND: u16 = 0x800;

/// A netlink socket; it belongs to the network namespace of this process for good, whoever uses it.
///
/// # Errors
/// What socket(2) gives.
pub fn open(protocol: SockProtocol) -> nix::Result<OwnedFd> {
    socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
}

/// Asks for a list; each entry is given to `entry` without the netlink header.
///
/// # Errors
/// What the kernel answers, or what the socket gives.
pub fn list(socket: BorrowedFd<'_>, kind: u16, body: &[u8], mut entry: impl FnMut(&[u8])) -> nix::Result<()> {
    let mut request = Batch::default();
    request.add_unanswered(kind, DUMP, |content| {
        content.header(body);
    });
    sockets::send(socket.as_raw_fd(), &request.bytes)?;
    let mut buffer = vec![0; 32 << 10];
    loop {
        let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = buffer.get(..length).filter(|bytes| !bytes.is_empty()).ok_or(Errno::EPROTO)?;
        while let Some((kind, content, next)) = take_message(rest) {
            match kind {
                DONE => return Ok(()),
                ERROR => {
                    let error = content.first_chunk().map_or(0, |number| i32::from_ne_bytes(*number));
                    return Err(Errno::from_raw(-error));
                }
                _ => entry(content),
            }
            rest = next;
        }
    }
}

/// The kind and the content of the next message, and what follows it.
fn take_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..6)?.first_chunk()?);
    let content = bytes.get(16..length)?;
    Some((kind, content, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Asks for one thing: the content of the answer.
///
/// # Errors
/// What the kernel answers.
pub fn get(socket: BorrowedFd<'_>, kind: u16, body: &[u8]) -> nix::Result<Vec<u8>> {
    let mut batch = Batch::default();
    batch.add_unanswered(kind, 0, |content| {
        content.header(body);
    });
    sockets::send(socket.as_raw_fd(), &batch.bytes)?;
    let mut buffer = vec![0; 4096];
    // The kernel has answered when it has taken the question.
    let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)?;
    match buffer.get(..length).and_then(take_message).ok_or(Errno::EPROTO)? {
        (ERROR, content, _) => {
            let code = content.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
            Err(Errno::from_raw(-code))
        }
        (_, content, _) => Ok(content.to_vec()),
    }
}

/// A batch of messages.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    sequence: u32,
    acknowledged: usize,
}

impl Batch {
    /// Adds a message: `kind` and `flags` as in nlmsghdr; `body` writes header and attributes. The kernel answers it.
    pub fn add(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Body)) {
        self.acknowledged += 1;
        self.message(kind, flags | ACK, body);
    }

    /// Adds a message that the kernel does not answer.
    pub fn add_unanswered(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Body)) {
        self.message(kind, flags, body);
    }

    fn message(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Body)) {
        self.sequence += 1;
        let mut content = Body::default();
        body(&mut content);
        let length = u32::try_from(content.0.len() + 16).unwrap_or(u32::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | REQUEST).to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend(0u32.to_ne_bytes());
        self.bytes.extend(content.0);
    }

    /// Sends all and waits for the answers.
    ///
    /// # Errors
    /// The first error that the kernel answers, or what the socket gives.
    pub fn send(&self, protocol: SockProtocol) -> nix::Result<()> {
        let socket = open(protocol)?;
        sockets::send(socket.as_raw_fd(), &self.bytes)?;
        let mut left = self.acknowledged;
        let mut buffer = vec![0; 8192];
        while left > 0 {
            let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((answer, next)) = take_answer(rest) {
                if answer != 0 {
                    return Err(Errno::from_raw(-answer));
                }
                left = left.saturating_sub(1);
                rest = next;
            }
        }
        Ok(())
    }
}

/// The error number of the next answer, and what follows it.
fn take_answer(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (head, _) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_ne_bytes(*head) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..6)?.first_chunk()?);
    let answer = if kind == ERROR { i32::from_ne_bytes(*bytes.get(16..20)?.first_chunk()?) } else { 0 };
    // Messages are aligned to four bytes (NLMSG_ALIGN); a length of nothing would never end.
    let next = length.max(16).next_multiple_of(4);
    Some((answer, bytes.get(next..).unwrap_or_default()))
}

/// The content of a message.
#[derive(Debug, Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// Fixed bytes: the protocol's own header.
    pub fn header(&mut self, bytes: &[u8]) -> &mut Body {
        self.0.extend(bytes);
        self.pad();
        self
    }

    /// An attribute.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Body {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.pad();
        self
    }

    /// A text attribute, ended by NUL.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Body {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// A number in network order, as nf_tables wants them.
    pub fn number(&mut self, kind: u16, value: u32) -> &mut Body {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// An attribute that holds attributes.
    pub fn nest(&mut self, kind: u16, content: impl FnOnce(&mut Body)) -> &mut Body {
        let mut inner = Body::default();
        content(&mut inner);
        self.bytes(kind | NESTED, &inner.0)
    }

    /// What was written elsewhere.
    pub fn append(&mut self, other: &Body) -> &mut Body {
        self.0.extend(&other.0);
        self
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}
