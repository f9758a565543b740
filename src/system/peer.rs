//! Who is at the other end of a Unix socket. Owns the question to the kernel; what follows from it is the caller's.
#![allow(unsafe_code)]

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Fails unless the peer is a process of this user in this very process namespace: one that is neither another user's
/// nor in a sandbox or container. Gives its process id.
///
/// The namespace is known by how deep it is: a process that has a number here lives here or further down, and then it
/// has more numbers than we have. (`/proc/PID/ns/pid` tells it too, but only of processes that may be traced.)
///
/// # Errors
/// Says who is there instead.
pub fn same_user_and_place(socket: &impl AsFd) -> io::Result<i32> {
    let credentials = same_user(socket)?;
    if credentials.pid() <= 0 {
        return Err(io::Error::other("a process of another namespace is there"));
    }
    // By the socket where the kernel can (Linux 6.5), or else at once: no other process has the number yet.
    let peer = match getsockopt(socket, sockopt::PeerPidfd) {
        Ok(peer) => peer,
        Err(_) => open(credentials.pid())?,
    };
    let myself = open(i32::try_from(std::process::id()).unwrap_or(0))?;
    if numbers(&peer)? != numbers(&myself)? {
        return Err(io::Error::other("a process of another namespace is there"));
    }
    Ok(credentials.pid())
}

/// Fails unless the peer is, or was when it began to listen, a process of this user.
///
/// # Errors
/// Says who is there instead.
pub fn same_user(socket: &impl AsFd) -> io::Result<UnixCredentials> {
    let credentials = getsockopt(socket, sockopt::PeerCredentials)?;
    let user = nix::unistd::geteuid().as_raw();
    if credentials.uid() == user {
        return Ok(credentials);
    }
    Err(io::Error::other(format!("user {} is there, not user {user}", credentials.uid())))
}

fn open(process: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes two numbers and no memory.
    let number = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    let number = i32::try_from(number).ok().filter(|n| *n >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// How many numbers a process has: one for each namespace from that of `/proc` down to its own.
fn numbers(process: &OwnedFd) -> io::Result<usize> {
    let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd()))?;
    count(&facts).ok_or_else(|| io::Error::other("the process that was there is gone"))
}

/// `None` for a process that has ended (`-1`) or has no number where `/proc` was mounted (`0`).
fn count(facts: &str) -> Option<usize> {
    let numbers = facts.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let numbers: Vec<i64> = numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.iter().all(|number| *number > 0).then_some(numbers.len()).filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Command, Stdio};

    #[test]
    fn numbers_are_counted_and_the_dead_have_none() {
        assert_eq!(count("pos:\t0\nPid:\t7\nNSpid:\t7\n"), Some(1));
        assert_eq!(count("Pid:\t7\nNSpid:\t7\t1\n"), Some(2));
        for gone in ["Pid:\t-1\nNSpid:\t-1\n", "Pid:\t0\nNSpid:\t0\n", "Pid:\t7\n", "NSpid:\n", "NSpid:\tx\n"]
        {
            assert_eq!(count(gone), None, "{gone}");
        }
    }

    #[test]
    fn our_own_processes_pass() {
        let (one, two) = UnixStream::pair().unwrap();
        assert_eq!(same_user_and_place(&one).unwrap(), i32::try_from(std::process::id()).unwrap());
        drop(two);
    }

    /// A peer that connects and waits, started by these words in front of perl's.
    fn met(words: &[&str]) -> Option<io::Result<i32>> {
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = place.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let script = "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0) or die; \
                      connect(S, pack_sockaddr_un($ARGV[0])) or die $!; sysread(S, my $x, 1)";
        let (program, rest) = words.split_first().unwrap_or((&"perl", &[]));
        let mut command = Command::new(program);
        if !words.is_empty() {
            command.args(rest).arg("perl");
        }
        let mut child = command.args(["-e", script]).arg(&path).stdin(Stdio::null()).spawn().ok()?;
        loop {
            if let Ok((stream, _)) = listener.accept() {
                let found = same_user_and_place(&stream);
                drop(stream);
                child.wait().unwrap();
                return Some(found);
            }
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    #[test]
    fn another_process_of_ours_passes_and_strangers_do_not() {
        let Some(own) = met(&[]) else {
            println!("skipped: perl cannot be started");
            return;
        };
        assert!(own.is_ok(), "{own:?}");
        match met(&["unshare", "--user", "--map-root-user", "--pid", "--fork"]) {
            Some(found) => {
                assert_eq!(found.unwrap_err().to_string(), "a process of another namespace is there")
            }
            None => println!("skipped: no namespaces here"),
        }
        if nix::unistd::geteuid().is_root() {
            let found = met(&["setpriv", "--reuid=60606", "--clear-groups"]).expect("setpriv runs as root");
            assert_eq!(found.unwrap_err().to_string(), "user 60606 is there, not user 0");
        }
    }
}
