//! A sandbox's seat in a session: the socket by which the session's other gateways find it.
//!
//! Owns the registry: `sessions` in the user's private directory, in it a directory for each session (a token of the
//! caller's and a working root), in it a socket for each sandbox. Taken before anything runs inside, so that the next
//! command finds it. A sandbox in which something listens shows that, and only such ones are asked what they serve: a call
//! starts a gateway. What was left behind by a killed process is taken away by the next one that looks.

use crate::system::visible::hex;
use crate::system::{peer, private, sockets};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The question for what is served, as a line; the answer is a line too.
const LIST: &[u8] = b"list\n";
/// How long the answers to it may take together: a command waits for them.
const PATIENCE: Duration = Duration::from_millis(300);
const LONGEST: u64 = 4096;
/// Longer than it takes to begin to listen.
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than most commands live.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The mode of the socket of one in which something listens, and of another.
const SHOWN: u32 = 0o700;
const PLAIN: u32 = 0o600;
/// So many that show nothing are called all the same: most were left behind.
const MANY: usize = 32;

/// A seat that is taken.
#[derive(Debug)]
pub struct Seat {
    /// Where others call.
    pub listener: OwnedFd,
    /// Its name among the session's.
    pub name: String,
    /// The session.
    pub directory: PathBuf,
    /// What the others served when the command began, if they said so.
    pub known: Option<Vec<u16>>,
}

/// Every directory in which seats of this user may be, made if need be: for hiding them.
pub fn registries() -> Vec<PathBuf> {
    let user = nix::unistd::geteuid().as_raw();
    let first = registry(user).ok();
    let others = private::of_user(user).map(|base| base.join("sessions"));
    let others = others.filter(|path| private::is_private(path, user, 0o700) && Some(path) != first.as_ref());
    let others: Vec<PathBuf> = others.collect();
    first.into_iter().chain(others).collect()
}

fn registry(user: u32) -> io::Result<PathBuf> {
    let registry = private::first_of_user(user)?.join("sessions");
    private::directory(&registry, user, 0o700).map(|()| registry)
}

impl Seat {
    /// Takes a seat in the session of this token and working root.
    ///
    /// # Errors
    /// Why there is none; also where code inside could write the registry.
    pub fn take(token: &OsStr, root: &Path, writable_roots: &[PathBuf]) -> io::Result<Seat> {
        let user = nix::unistd::geteuid().as_raw();
        let registry = registry(user)?;
        let real = registry.canonicalize()?;
        if let Some(root) = writable_roots.iter().find(|root| real.starts_with(root)) {
            let text = format!("'{}' is writable inside", root.display());
            return Err(io::Error::other(text));
        }
        let directory = registry.join(name_of(token, root));
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = format!("{}-{since:x}", std::process::id());
        let mut last = io::Error::other("it was taken away again and again");
        // The last one to leave removes the directory, perhaps just now.
        for _ in 0..8 {
            private::directory(&directory, user, 0o700)?;
            match listen(&directory, &name) {
                Ok(listener) => return Ok(Seat { listener: listener.into(), name, directory, known: None }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Shows that something inside listens, or is about to.
    pub fn show(&self) {
        let _ = fs::set_permissions(self.directory.join(&self.name), fs::Permissions::from_mode(SHOWN));
    }

    /// Gives the seat up. May be done by whoever lives longest, and twice.
    pub fn leave(&self) {
        let _ = fs::remove_file(self.directory.join(&self.name));
        let _ = fs::remove_dir(&self.directory);
    }

    /// Away with what nobody holds in other sessions. What is not old is left alone: a call would wake it.
    pub fn tidy(&self) {
        let sessions = self.directory.parent().map(entries).unwrap_or_default();
        for session in sessions.into_iter().filter(|session| *session != self.directory) {
            entries(&session).iter().filter(|seat| is_old(seat, DAY)).for_each(|seat| drop(call(seat)));
            let _ = fs::remove_dir(&session);
        }
    }

    /// The other seats of the session, or those alone that show something; and away with what nobody holds among them.
    pub fn others(&self, all: bool) -> Vec<(String, UnixStream)> {
        let seats = entries(&self.directory);
        let all = all || seats.iter().filter(|seat| !shows(seat)).count() > MANY;
        let seats = seats.into_iter().filter(|seat| all || shows(seat));
        seats
            .filter_map(|seat| {
                let name = seat.file_name()?.to_str()?.to_owned();
                if name == self.name || !is_name(&name) { None } else { Some((name, call(&seat).ok()?)) }
            })
            .collect()
    }

    /// Asks the others what they serve, before anything runs; `None` if one of them does not say so soon.
    pub fn ask(&mut self) -> Option<Vec<u16>> {
        self.known = self.ports();
        self.known.clone()
    }

    fn ports(&self) -> Option<Vec<u16>> {
        let end = Instant::now() + PATIENCE;
        let others = self.others(false);
        for (_, stream) in &others {
            sockets::write_all(stream, LIST).ok()?;
        }
        let mut all = Vec::new();
        for (_, stream) in others {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(left))).ok()?;
            let mut line = String::new();
            BufReader::new(stream).take(LONGEST).read_line(&mut line).ok()?;
            let ports = line.strip_prefix("ports")?.strip_suffix('\n')?;
            all.extend(ports.split_ascii_whitespace().filter_map(|port| port.parse::<u16>().ok()));
        }
        all.sort_unstable();
        all.dedup();
        all.truncate(super::MOST);
        Some(all)
    }

    /// A call to another seat.
    ///
    /// # Errors
    /// Nobody of this user and place is there.
    pub fn call(&self, name: &str) -> io::Result<UnixStream> {
        if is_name(name) { call(&self.directory.join(name)) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

/// Sockets appear in the directory when they listen already: one that refuses was left behind.
fn listen(directory: &Path, name: &str) -> io::Result<UnixListener> {
    let unborn = directory.join(format!(".{name}"));
    let born = || {
        let listener = UnixListener::bind(&unborn)?;
        listener.set_nonblocking(true)?;
        fs::set_permissions(&unborn, fs::Permissions::from_mode(PLAIN))?;
        fs::rename(&unborn, directory.join(name))?;
        Ok(listener)
    };
    born().inspect_err(|_| {
        let _ = fs::remove_file(&unborn);
        // If it was made for this one.
        let _ = fs::remove_dir(directory);
    })
}

/// Never waits.
fn call(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let descriptor = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
    match connect(descriptor.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) => {}
        Err(nix::errno::Errno::ECONNREFUSED) if !hidden || is_old(path, MINUTE) => {
            let _ = fs::remove_file(path);
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Err(error) => return Err(error.into()),
    }
    // Not which process: the one that took the seat may have ended while what it started lives on.
    peer::same_user(&descriptor)?;
    Ok(UnixStream::from(descriptor))
}

fn is_old(path: &Path, than: Duration) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|found| found.modified());
    changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > than))
}

fn shows(seat: &Path) -> bool {
    fs::symlink_metadata(seat).is_ok_and(|found| found.permissions().mode() & 0o777 == SHOWN)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// What [`Seat::take`] makes, and nothing that could lead elsewhere.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn name_of(token: &OsStr, root: &Path) -> String {
    let mut hash = Sha256::new();
    // A token is as long as it is said to be: nothing of the root can pass for a part of it.
    hash.update(token.len().to_le_bytes());
    hash.update(token.as_bytes());
    hash.update(root.as_os_str().as_bytes());
    hex(hash.finalize().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_token_and_a_root() {
        let of = |token: &str, root: &str| name_of(OsStr::new(token), Path::new(root));
        assert_eq!(of("a", "/w"), of("a", "/w"));
        assert_ne!(of("a", "/w"), of("b", "/w"));
        assert_ne!(of("a", "/w"), of("a", "/v"));
        assert_ne!(of("a/", "w"), of("a", "/w"));
        assert!(is_name(&of("a", "/w")) && !is_name("../x") && !is_name("") && !is_name("."));
    }

    #[test]
    fn seats_of_one_session_meet_and_what_was_left_behind_goes() {
        let root = tempfile::tempdir().unwrap();
        let take = |token: &str| Seat::take(OsStr::new(token), root.path(), &[]).unwrap();
        let (one, two, stranger) = (take("one"), take("one"), take("two"));
        let met = |all| one.others(all).into_iter().map(|(name, _)| name).collect::<Vec<String>>();
        assert_eq!(met(true), std::slice::from_ref(&two.name));
        assert!(met(false).is_empty());
        two.show();
        assert_eq!(met(false), std::slice::from_ref(&two.name));
        assert!(one.call(&two.name).is_ok() && one.call("../x").is_err());
        // As after SIGKILL.
        let left = two.directory.join(&two.name);
        drop(two);
        assert!(left.exists() && one.others(false).is_empty() && !left.exists());
        let foreign = stranger.directory.clone();
        let socket = foreign.join(&stranger.name);
        drop(stranger);
        one.tidy();
        assert!(foreign.exists(), "it may be one that sleeps");
        let long_ago = nix::sys::time::TimeSpec::new(1_000_000, 0);
        let follow = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
        nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, &socket, &long_ago, &long_ago, follow).unwrap();
        one.tidy();
        assert!(!foreign.exists());
        one.leave();
        one.leave();
        assert!(!one.directory.exists());
        let writable = registries();
        assert!(Seat::take(OsStr::new("one"), root.path(), &writable).is_err());
    }
}
