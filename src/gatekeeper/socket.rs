//! connect(2) of the inside, made here: there is no layer below that could hold a Unix socket, so what was judged and
//! what is connected must be the same.
//!
//! Owns reading the address once, finding out whose socket it names, and connecting a copy of the caller's descriptor.

use super::place::Places;
use super::rules::{Reachable, Rules};
use crate::system::stranger;
use crate::system::{connecting, unix_diag};
use nix::errno::Errno;
use nix::sys::stat::fstat;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What becomes of a connect.
#[derive(Debug)]
pub enum Connect {
    /// It was made, or failed as the kernel says.
    Done(nix::Result<()>),
    /// It takes its time, and the caller waits for it: the rest is done by whoever may wait too.
    Unfinished(Unfinished),
    /// It may not be made.
    Refused(PathBuf, Reachable),
    /// It leads nowhere that could be looked at.
    Failed(Errno),
}

/// A connect that goes on.
#[derive(Debug)]
pub struct Unfinished {
    socket: OwnedFd,
    address: Vec<u8>,
    /// What the address leads to; open as long as it is used.
    _place: Option<OwnedFd>,
}

impl Unfinished {
    /// Waits for its end, as long as it is wanted.
    ///
    /// # Errors
    /// What connect(2) gives.
    pub fn finish(&self, wanted: impl Fn() -> bool) -> nix::Result<()> {
        connecting::finish(&self.socket, &self.address, wanted)
    }
}

/// A caller's connect.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Who.
    pub thread: i32,
    /// Its number for the socket.
    pub socket: i32,
    /// Where the address is.
    pub address: u64,
    /// How long it is.
    pub length: u64,
}

/// The longest address that the kernel takes (struct sockaddr_storage).
const LONGEST: u64 = 128;

/// Makes the connection, if it may be made.
pub fn connect(
    wanted: Wanted,
    places: &Places,
    rules: &Rules,
    granted: &dyn Fn(&Path) -> bool,
    diag: Option<&OwnedFd>,
) -> Connect {
    match attempt(wanted, places, rules, granted, diag) {
        Ok(done) => done,
        Err(error) => Connect::Failed(error),
    }
}

fn attempt(
    wanted: Wanted,
    places: &Places,
    rules: &Rules,
    granted: &dyn Fn(&Path) -> bool,
    diag: Option<&OwnedFd>,
) -> nix::Result<Connect> {
    // As connect(2) answers, in its order.
    let socket = stranger::descriptor(wanted.thread, wanted.socket)?;
    if wanted.length > LONGEST {
        return Err(Errno::EINVAL);
    }
    let length = usize::try_from(wanted.length).map_err(|_| Errno::EINVAL)?;
    let address = stranger::bytes(wanted.thread, wanted.address, length)?;
    if connecting::is_unix(&socket)? {
        let may = |path: &Path| match rules.reach(path) {
            Reachable::Unnamed if granted(path) => Reachable::Allowed("a person".to_owned()),
            reachable => reachable,
        };
        unix(wanted, socket, address, places, &may, diag)
    } else if diag.is_none_or(|diag| connecting::share_network(&socket, diag)) {
        Ok(made(socket, address, None))
    } else {
        // It came in from outside, and would reach what is there.
        Err(Errno::ENETUNREACH)
    }
}

fn made(socket: OwnedFd, address: Vec<u8>, place: Option<OwnedFd>) -> Connect {
    match connecting::try_connect(&socket, &address) {
        Ok(true) => Connect::Done(Ok(())),
        Ok(false) => Connect::Unfinished(Unfinished { socket, address, _place: place }),
        Err(error) => Connect::Done(Err(error)),
    }
}

fn unix(
    wanted: Wanted,
    socket: OwnedFd,
    address: Vec<u8>,
    places: &Places,
    may: &dyn Fn(&Path) -> Reachable,
    diag: Option<&OwnedFd>,
) -> nix::Result<Connect> {
    let name = address.get(2..).unwrap_or_default();
    if address.first_chunk() != Some(&(libc::AF_UNIX as u16).to_ne_bytes()) || name.is_empty() {
        return Ok(made(socket, address, None));
    }
    if name.first() == Some(&0) {
        // An abstract name is one of the socket's own network namespace. A socket of another came in from outside.
        let own = diag.is_some_and(|diag| {
            fstat(&socket).is_ok_and(|stat| unix_diag::holds(diag, stat.st_ino).unwrap_or(false))
        });
        return Ok(if own { made(socket, address, None) } else { Connect::Failed(Errno::ECONNREFUSED) });
    }
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    let text = Path::new(OsStr::from_bytes(name.get(..end).unwrap_or_default()));
    let path = if text.is_absolute() {
        text.to_path_buf()
    } else {
        stranger::directory(wanted.thread, libc::AT_FDCWD)?.join(text)
    };
    let place = places.open(&path)?;
    let canonical = stranger::path_of(&place)?;
    let stat = fstat(&place)?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFSOCK {
        // As unix_find_bsd() answers.
        return Err(Errno::ECONNREFUSED);
    }
    let inside = diag.is_some_and(|diag| {
        unix_diag::listening(diag)
            .is_ok_and(|all| all.iter().any(|l| l.is(&canonical, stat.st_dev, stat.st_ino)))
    });
    if !inside {
        let reachable = may(&canonical);
        if !matches!(reachable, Reachable::Allowed(_)) {
            return Ok(Connect::Refused(canonical, reachable));
        }
    }
    // By the open place: whatever stands at the path by now, this is what was judged.
    let address = connecting::address_of(&place);
    Ok(made(socket, address, Some(place)))
}
