//! Which program asks: the name of the process inside that made a connection, for the person who is asked about it.
//!
//! Owns the search: the peer's address leads to a socket, the socket to a process of the sandbox, that to a name. It
//! reads only /proc, is bounded, and is begun only for a question. The name comes from inside and is a claim, nothing
//! more: a program can call itself what it likes, and nothing may be decided by it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the search may take: a person must not wait for it.
const PATIENCE: Duration = Duration::from_millis(200);
/// Processes of the sandbox that are looked at; who hides among more has no name.
const MOST: usize = 4096;
/// Characters of a name that are shown.
const LONGEST: usize = 40;

/// The sandbox's network namespace: whatever is in it belongs to the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    device: u64,
    inode: u64,
}

impl Inside {
    /// Of a descriptor of the namespace.
    pub fn of(namespace: impl AsFd) -> Option<Inside> {
        let file = fs::File::from(namespace.as_fd().try_clone_to_owned().ok()?);
        file.metadata().ok().map(|file| Inside { device: file.dev(), inode: file.ino() })
    }

    /// The processes in it, as their directories in /proc.
    fn processes(self, until: Instant) -> Vec<PathBuf> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbered = all.filter(|entry| entry.file_name().as_bytes().iter().all(u8::is_ascii_digit));
        let inside =
            numbered.map(|entry| entry.path()).take_while(|_| Instant::now() < until).filter(|path| {
                fs::metadata(path.join("ns/net"))
                    .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode))
            });
        inside.take(MOST).collect()
    }
}

/// The name of the program whose socket has this address, with `?` for odd characters; `None` where it is not to be found, or gone.
pub fn name(inside: Inside, socket: SocketAddr) -> Option<String> {
    let until = Instant::now() + PATIENCE;
    let processes = inside.processes(until);
    let inode = inode_of(processes.first()?, socket, until)?;
    let link = format!("socket:[{inode}]");
    let owner = processes.iter().take_while(|_| Instant::now() < until).find(|process| {
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        open.map(|entry| fs::read_link(entry.path()))
            .any(|to| to.is_ok_and(|to| to.as_os_str() == link.as_str()))
    })?;
    let file = fs::read_link(owner.join("exe")).ok();
    let file = file.as_ref().and_then(|file| file.file_name()).map(|name| name.as_bytes().to_vec());
    shown(&file.or_else(|| fs::read(owner.join("comm")).ok())?)
}

fn shown(name: &[u8]) -> Option<String> {
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name).trim_ascii();
    let text = String::from_utf8_lossy(name);
    // Some speakers hand it on to programs of the person's.
    let plain = |shown: char| if shown.is_alphanumeric() || " -_.+@".contains(shown) { shown } else { '?' };
    let cut = text.chars().nth(LONGEST).map(|_| '…');
    let shown: String = text.chars().take(LONGEST).map(plain).chain(cut).collect();
    (!shown.is_empty()).then_some(shown)
}

/// The inode of the connected socket with this address, by the tables of a process in its namespace (proc_pid_net(5)).
fn inode_of(process: &std::path::Path, socket: SocketAddr, until: Instant) -> Option<u64> {
    ["net/tcp", "net/tcp6"].iter().find_map(|table| {
        let lines = BufReader::new(fs::File::open(process.join(table)).ok()?).lines();
        let mut lines = lines.map_while(Result::ok).take_while(|_| Instant::now() < until);
        lines.find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (local, state, inode) = (words.nth(1)?, words.nth(1)?, words.nth(5)?);
            (address(local)? == socket && state != LISTENS)
                .then(|| inode.parse().ok().filter(|inode| *inode != 0))?
        })
    })
}

/// TCP_LISTEN (include/net/tcp_states.h); all others that belong to a process are connections.
const LISTENS: &str = "0A";

/// `0100007F:1F90`: each word of an address as the machine has it in memory.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<u32> = (0..ip.len() / 8)
        .map(|word| ip.get(word * 8..word * 8 + 8).and_then(|word| u32::from_str_radix(word, 16).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let ip: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn here() -> Inside {
        Inside::of(fs::File::open("/proc/self/ns/net").unwrap()).unwrap()
    }

    fn this() -> String {
        let name = std::env::current_exe().unwrap();
        shown(name.file_name().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn a_connection_leads_to_its_program() {
        for place in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(place) else { continue };
            let program = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert_eq!(name(here(), program.local_addr().unwrap()), Some(this()), "{place}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let program = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _served = listener.accept().unwrap();
        program.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(name(here(), program.local_addr().unwrap()), Some(this()));
    }

    #[test]
    fn what_is_not_there_has_no_name() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // It listens, but connects to nothing.
        assert_eq!(name(here(), listener.local_addr().unwrap()), None);
        let program = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let elsewhere = Inside { device: 0, inode: 0 };
        assert_eq!(name(elsewhere, program.local_addr().unwrap()), None);
    }

    #[test]
    fn a_name_cannot_move_the_cursor_or_fill_the_line() {
        assert_eq!(shown(b"cu\x1b[2Jrl\n").unwrap(), "cu??2Jrl");
        assert_eq!(shown(b"curl (deleted)").unwrap(), "curl");
        assert_eq!(shown(&[b'x'; 300]).unwrap().chars().count(), LONGEST + 1);
        assert_eq!(shown(b" \n"), None);
    }

    #[test]
    fn the_kernels_spelling_is_read() {
        let little = cfg!(target_endian = "little");
        if little {
            assert_eq!(address("0100007F:1F90"), Some("127.0.0.1:8080".parse().unwrap()));
            let mapped = "0000000000000000FFFF00000100007F:0001";
            assert_eq!(address(mapped), Some("127.0.0.1:1".parse().unwrap()));
        }
        for text in ["", ":", "01:1", "0100007F", "0100007F:zz", "01000é07:1"] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
