//! Networks that are made ahead: in an agent's session somebody has the network of the next command's sandbox ready before the
//! command comes, which is a good part of the time that a start takes.
//!
//! Owns the process that does this and how it is asked. Each network is made by the same errand as any other, is given away once,
//! and nobody was in it before: nothing of one command is met by another. What builds the boundary still begins with nothing. Where
//! nobody answers at once, a command makes its network itself.

use super::errand::Errand;
use crate::network::loopback::seat;
use crate::network::setup::Entrances;
use crate::system::visible::hex;
use crate::system::{children, descriptors, peer, private, process};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// How long a command waits for one: somewhat longer than to make it takes.
const PATIENCE_MS: i64 = 20;

/// Where the session of this token is served.
fn name_of(token: &OsStr) -> String {
    let mut hash = Sha256::new();
    hash.update(b"network");
    hash.update(token.as_bytes());
    format!("network-{}", hex(hash.finalize().get(..16).unwrap_or_default()))
}

/// The network that the session of this token has ready.
pub fn take(token: &OsStr) -> Option<Errand> {
    let name = name_of(token);
    let registries = private::of_user(nix::unistd::geteuid().as_raw()).map(|base| base.join(seat::REGISTRY));
    let stream = registries.into_iter().find_map(|registry| seat::call(&registry.join(&name)).ok())?;
    let waits = stream.set_nonblocking(false);
    waits
        .and_then(|()| Ok(setsockopt(&stream, sockopt::ReceiveTimeout, &TimeVal::milliseconds(PATIENCE_MS))?))
        .ok()?;
    let entrances = Entrances::receive(stream.as_raw_fd()).ok()?;
    entrances.namespace.is_some().then(|| Errand::done(entrances))
}

/// Has networks made for the commands of this session, for as long as this process lives, whatever it becomes. Where the session is
/// served already, nothing is done.
///
/// # Errors
/// What the calls give; then commands make their networks themselves.
pub fn begin(token: &OsStr) -> io::Result<()> {
    let registry = seat::registry(nix::unistd::geteuid().as_raw())?;
    let (name, ended) = (name_of(token), children::end_of(std::process::id())?);
    if seat::call(&registry.join(&name)).is_ok() {
        return Ok(());
    }
    let listener = seat::listen(&registry, &name)?;
    // Nobody's child: whoever this process becomes knows of none.
    match process::fork()? {
        process::Fork::Parent(child) => process::reap(child),
        process::Fork::Child => {
            if let Ok(process::Fork::Child) = process::fork() {
                serve(&listener, &ended, &registry.join(&name));
            }
            process::exit_now(0)
        }
    }
    Ok(())
}

/// Until that process has ended, or none can be made.
fn serve(listener: &UnixListener, ended: &OwnedFd, path: &Path) {
    let _ = nix::unistd::setsid();
    let mut kept = [listener.as_raw_fd(), ended.as_raw_fd()];
    kept.sort_unstable();
    descriptors::close_all_but(&kept);
    descriptors::fill_standard();
    let _ = std::env::set_current_dir("/");
    while let Some(ready) = make()
        && let Some(asks) = next(listener, ended)
    {
        // Who has gone meanwhile takes it along: it is nobody else's.
        let _ = ready.send(asks.as_raw_fd());
    }
    let _ = std::fs::remove_file(path);
}

fn make() -> Option<Entrances> {
    // For those who want to know whether an ordinary user's namespaces can be had, which a network of root's does not show.
    let proves = nix::unistd::geteuid().is_root();
    let mut errand = Errand::begin(None, proves).ok()?;
    if proves && !errand.proof() {
        return None;
    }
    errand.entrances().ok()
}

/// The next of this user's processes that asks; `None` once nobody will.
fn next(listener: &UnixListener, ended: &OwnedFd) -> Option<UnixStream> {
    loop {
        let mut waited =
            [PollFd::new(ended.as_fd(), PollFlags::POLLIN), PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waited, PollTimeout::NONE) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(_) => return None,
        }
        if waited.first().and_then(PollFd::any).unwrap_or(true) {
            return None;
        }
        if let Ok((stream, _)) = listener.accept()
            && peer::same_user(&stream).is_ok()
        {
            return Some(stream);
        }
    }
}
