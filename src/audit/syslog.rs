//! The same entries to the machine's log daemon, where an administrator collects them (`sandbox.audit.syslog`).
//!
//! Owns the datagram: its form and its length. Never waits: a daemon that does not read loses lines, and the file of
//! [`super::Log`] has them all.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Where log daemons listen (syslog(3)).
pub const SOCKET: &str = "/dev/log";
/// Daemons cut longer messages or drop them (rsyslog: 8 KiB).
const LONGEST: usize = 8000;
/// LOG_AUTHPRIV: not for everybody's eyes.
const FACILITY: u8 = 10;
const NOTICE: u8 = 5;
const INFORMATION: u8 = 6;

/// The way to one daemon.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
}

impl Syslog {
    /// Connects to the socket at this path.
    ///
    /// # Errors
    /// What connect(2) gives: usually that no daemon is there.
    pub fn to(path: &Path) -> io::Result<Syslog> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(path)?;
        Ok(Syslog { socket })
    }

    /// Sends one entry.
    ///
    /// # Errors
    /// What send(2) gives, also where the daemon does not keep up.
    pub fn send(&self, entry: &serde_json::Value) -> io::Result<()> {
        self.socket.send(message(entry, std::process::id()).as_bytes()).map(drop)
    }
}

/// RFC 3164 as local daemons take it: the time is theirs to put in front, and JSON has no ends of lines.
fn message(entry: &serde_json::Value, process: u32) -> String {
    let priority = FACILITY * 8 + if super::is_weighty(entry) { NOTICE } else { INFORMATION };
    let mut text = format!("<{priority}>sbsh[{process}]: {entry}");
    let cut = (0..=LONGEST.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(cut.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_arrives_as_one_message_that_says_how_it_ended() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("log");
        assert!(Syslog::to(&path).is_err());
        let daemon = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::to(&path).unwrap();
        syslog.send(&serde_json::json!({"verdict": "allowed", "command": "a\nb"})).unwrap();
        syslog.send(&serde_json::json!({"verdict": "refused"})).unwrap();
        let mut buffer = [0; 9000];
        let mut next = || {
            let length = daemon.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let own = std::process::id();
        assert_eq!(next(), format!("<86>sbsh[{own}]: {{\"verdict\":\"allowed\",\"command\":\"a\\nb\"}}"));
        assert_eq!(next(), format!("<85>sbsh[{own}]: {{\"verdict\":\"refused\"}}"));
        syslog.send(&serde_json::json!({"command": "é".repeat(9000)})).unwrap();
        assert!(next().len() <= LONGEST);
    }

    #[test]
    fn a_daemon_that_does_not_read_is_not_waited_for() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::to(&path).unwrap();
        let lost = (0..100_000).find_map(|_| syslog.send(&serde_json::json!({})).err());
        assert_eq!(lost.unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(daemon);
        assert!(syslog.send(&serde_json::json!({})).is_err());
    }
}
