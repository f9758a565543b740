//! The Unix sockets of one network namespace, as the kernel lists them (sock_diag(7), linux/unix_diag.h). A process that
//! holds a socket made by [`open`] asks about the namespace in which it was made, wherever it lives itself. Owns the
//! messages; what follows from the answer is the gatekeeper's.

use super::sockets;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

const BY_FAMILY: u16 = 20; // SOCK_DIAG_BY_FAMILY
const REQUEST: u16 = 1; // NLM_F_REQUEST
const DUMP: u16 = 0x300; // NLM_F_DUMP
const DONE: u16 = 3; // NLMSG_DONE
const FAILED: u16 = 2; // NLMSG_ERROR
const ALL_STATES: u32 = u32::MAX;
const LISTENING: u32 = 1 << 10; // TCP_LISTEN, which Unix sockets use too
const SHOW_NAME: u32 = 1; // UDIAG_SHOW_NAME
const SHOW_FILE: u32 = 2; // UDIAG_SHOW_VFS
const NAME: u16 = 0; // UNIX_DIAG_NAME
const FILE: u16 = 1; // UNIX_DIAG_VFS
const HEADER: usize = 16; // struct nlmsghdr and struct unix_diag_msg have this size both

/// A listening socket that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listening {
    /// The name that it was bound to, as it was given; empty or with a NUL in front where it is no path.
    pub name: PathBuf,
    /// Low 32 bits of its file's inode number, and the device as the kernel numbers it within.
    pub file: Option<(u32, u32)>,
    /// Low 32 bits of the socket's own inode number.
    pub socket: u32,
}

impl Listening {
    /// Whether its file is this one. Where the file system shows other device numbers than it has (overlays,
    /// subvolumes), its full name decides beside the inode.
    pub fn is(&self, path: &Path, device: u64, inode: u64) -> bool {
        let Some((own_inode, own_device)) = self.file else { return false };
        let encoded = u64::from(libc::major(device)) << 20 | u64::from(libc::minor(device));
        own_inode == inode as u32 && (u64::from(own_device) == encoded || self.name == path)
    }
}

/// The socket to ask through.
///
/// # Errors
/// What socket(2) gives.
pub fn open() -> nix::Result<OwnedFd> {
    socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag)
}

/// Every Unix socket that listens in the namespace.
///
/// # Errors
/// ENOENT where the kernel has no unix_diag.
pub fn listening(over: &OwnedFd) -> nix::Result<Vec<Listening>> {
    let mut all = Vec::new();
    ask(over, DUMP, LISTENING, 0, |message| all.push(read(message)))?;
    Ok(all)
}

/// Whether a Unix socket with this inode number (fstat(2)) is one of the namespace.
///
/// # Errors
/// What the kernel answers, but for ENOENT.
pub fn holds(over: &OwnedFd, inode: u64) -> nix::Result<bool> {
    let Ok(inode) = u32::try_from(inode) else { return Ok(false) };
    let mut found = false;
    match ask(over, 0, ALL_STATES, inode, |_| found = true) {
        Ok(()) => Ok(found),
        Err(Errno::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

fn ask(over: &OwnedFd, flags: u16, states: u32, inode: u32, mut take: impl FnMut(&[u8])) -> nix::Result<()> {
    let mut message = Vec::with_capacity(40);
    message.extend(40u32.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend((REQUEST | flags).to_ne_bytes());
    message.extend([0; 8]);
    // struct unix_diag_req: family, protocol, pad, states, inode, what to show, cookie (none: all ones).
    message.extend([libc::AF_UNIX as u8, 0, 0, 0]);
    message.extend(states.to_ne_bytes());
    message.extend(inode.to_ne_bytes());
    message.extend((SHOW_NAME | SHOW_FILE).to_ne_bytes());
    message.extend([0xff; 8]);
    sockets::send(over.as_raw_fd(), &message)?;
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let length = recv(over.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((kind, body, next)) = split(rest) {
            match kind {
                DONE => return Ok(()),
                FAILED => {
                    let code = body.first_chunk::<4>().map_or(-libc::EIO, |code| i32::from_ne_bytes(*code));
                    return if code == 0 { Ok(()) } else { Err(Errno::from_raw(-code)) };
                }
                _ => take(body),
            }
            rest = next;
        }
        if flags & DUMP == 0 {
            return Ok(());
        }
    }
}

/// The next message: its kind and content, and what follows.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk::<4>()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..6)?.first_chunk()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn read(message: &[u8]) -> Listening {
    // struct unix_diag_msg: four bytes, the inode.
    let socket =
        message.get(4..8).and_then(|bytes| bytes.first_chunk()).map_or(0, |ino| u32::from_ne_bytes(*ino));
    let mut found = Listening { socket, ..Listening::default() };
    let mut rest = message.get(HEADER..).unwrap_or_default();
    // struct nlattr: length with itself, kind.
    while let Some(head) = rest.first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        let Some(value) = rest.get(4..length) else { break };
        match kind {
            NAME => {
                use std::os::unix::ffi::OsStrExt;
                let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                let name = value.get(..end).unwrap_or_default();
                found.name = PathBuf::from(std::ffi::OsStr::from_bytes(name));
            }
            FILE => {
                let number = |at| Some(u32::from_ne_bytes(*value.get(at..)?.first_chunk()?));
                found.file = number(0).zip(number(4));
            }
            _ => {}
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_listener_is_found_by_its_file_and_a_socket_by_its_number() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("s");
        let over = open().unwrap();
        let is_there = |path: &Path| {
            let found = std::fs::metadata(path).unwrap();
            listening(&over).unwrap().iter().any(|l| l.is(path, found.dev(), found.ino()))
        };
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(is_there(&path));
        let bound = top.path().join("d");
        let _does_not_listen = std::os::unix::net::UnixDatagram::bind(&bound).unwrap();
        assert!(!is_there(&bound));
        let (one, _other) = UnixStream::pair().unwrap();
        let number = std::fs::metadata(format!("/proc/self/fd/{}", one.as_raw_fd())).unwrap().ino();
        assert!(holds(&over, number).unwrap());
        assert!(!holds(&over, u64::from(u32::MAX)).unwrap());
    }
}
