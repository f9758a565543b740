//! The socket maker: a process in the sandbox's network namespace that makes sockets for the gateway.
//!
//! Owns that process and what is said to it. A socket belongs to the namespace in which it was made, so the gateway can
//! connect such a one to a listener inside without entering anything itself. The maker reads nothing that comes from
//! inside, and ends with the gateway.

use crate::network::setup::Entrances;
use crate::network::{inet_diag, rules};
use crate::system::{descriptors, namespaces, process, signals, sockets};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::sync::Mutex;
use tokio::task::spawn_local;

/// A request, after its length, for a socket of a family, and for rules about ports.
const SOCKET: u8 = b's';
const RULES: u8 = b'r';
/// How an answer begins; else it is a failure's words.
const DONE: u8 = b'+';
/// No answer is longer.
const LONGEST: usize = 128;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process; it ends when this is dropped.
#[derive(Debug)]
pub struct Maker {
    process: Pid,
    line: UnixStream,
    /// A socket that lists the listeners of the namespace (NETLINK_SOCK_DIAG).
    pub listing: OwnedFd,
}

impl Maker {
    /// Starts it. This process must have one thread.
    ///
    /// # Errors
    /// Why there is none.
    pub fn start(entrances: &Entrances) -> Result<Maker, String> {
        let network = entrances.namespace.as_ref().ok_or("the network is not ours here")?;
        let words = |error: nix::errno::Errno| error.desc().to_owned();
        let (line, far) = UnixStream::pair().map_err(|error| error.to_string())?;
        let process = match process::fork().map_err(words)? {
            process::Fork::Child => {
                let owner = entrances.owner.as_ref().map(AsFd::as_fd);
                let joined = namespaces::join(owner, network.as_fd());
                descriptors::close_all_but(&[far.as_raw_fd()]);
                make(&far, joined);
                process::exit_now(0)
            }
            process::Fork::Parent(child) => child,
        };
        drop(far);
        let told = receive(&line);
        match told.map(|(words, mut sockets)| (words, sockets.pop())) {
            Ok((words, Some(listing))) if words.first() == Some(&DONE) => {
                Ok(Maker { process, line, listing })
            }
            other => {
                end(process);
                let why = other.map(|(words, _)| String::from_utf8_lossy(&words).into_owned());
                Err(why.unwrap_or_else(|error| error.desc().to_owned()))
            }
        }
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        end(self.process);
    }
}

fn end(process: Pid) {
    signals::send(process, libc::SIGKILL);
    process::reap(process);
}

/// The process's work, until the gateway is gone.
fn make(line: &UnixStream, joined: nix::Result<()>) {
    let first = joined.and_then(|()| inet_diag::open());
    if !answer(line, first.map(Some)) {
        return;
    }
    while let Ok(request) = next_request(line) {
        let done = match request.split_first() {
            Some((&SOCKET, family)) => sockets::marked(family == b"6", rules::OWN_MARK).map(Some),
            Some((&RULES, ports)) => {
                let ports = ports.as_chunks().0.iter().map(|port| u16::from_ne_bytes(*port));
                rules::divert_session(Some(&ports.collect::<Vec<_>>())).map(|()| None)
            }
            _ => return,
        };
        answer(line, done);
    }
}

fn next_request(mut line: &UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    line.read_exact(&mut length)?;
    let mut request = vec![0; usize::from(u16::from_ne_bytes(length))];
    line.read_exact(&mut request)?;
    Ok(request)
}

fn answer(line: &UnixStream, done: nix::Result<Option<OwnedFd>>) -> bool {
    let sent = match &done {
        Ok(socket) => {
            let sockets: Vec<_> = socket.iter().map(AsRawFd::as_raw_fd).collect();
            sockets::send_with_descriptors(line.as_raw_fd(), &[DONE], &sockets)
        }
        Err(error) => sockets::send_with_descriptors(line.as_raw_fd(), error.desc().as_bytes(), &[]),
    };
    sent.is_ok() && done.is_ok()
}

fn receive(line: &impl AsRawFd) -> nix::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut buffer = [0; LONGEST];
    let (length, sockets) = sockets::receive_with_descriptors(line.as_raw_fd(), &mut buffer)?;
    Ok((buffer.get(..length).unwrap_or_default().to_vec(), sockets))
}

/// The line to a maker on the gateway's runtime; one request at a time.
#[derive(Debug)]
pub struct Line {
    line: Rc<Mutex<tokio::net::UnixStream>>,
}

impl Line {
    /// To this maker.
    ///
    /// # Errors
    /// What the calls give.
    pub fn to(maker: &Maker) -> io::Result<Line> {
        let line = maker.line.try_clone()?;
        line.set_nonblocking(true)?;
        Ok(Line { line: Rc::new(Mutex::new(tokio::net::UnixStream::from_std(line)?)) })
    }

    /// A TCP socket of the sandbox, to be connected.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn socket(&self, ipv6: bool) -> io::Result<OwnedFd> {
        let made = self.ask(&[SOCKET, if ipv6 { b'6' } else { b'4' }]).await?;
        made.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// From now on connections inside to these ports of the loopback, and no other ones, come to the gateway.
    ///
    /// # Errors
    /// Why not.
    pub async fn divert(&self, ports: &[u16]) -> io::Result<()> {
        let mut request = vec![RULES];
        request.extend(ports.iter().flat_map(|port| port.to_ne_bytes()));
        self.ask(&request).await.map(drop)
    }

    async fn ask(&self, request: &[u8]) -> io::Result<Option<OwnedFd>> {
        let length = u16::try_from(request.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let request = [&length.to_ne_bytes(), request].concat();
        let line = Rc::clone(&self.line);
        // A task of its own: whoever asks may go away, and the answer must not be taken for that of the next question.
        spawn_local(async move { converse(&mut *line.lock().await, &request).await }).await?
    }
}

async fn converse(line: &mut tokio::net::UnixStream, request: &[u8]) -> io::Result<Option<OwnedFd>> {
    let asked = async {
        line.write_all(request).await?;
        line.async_io(Interest::READABLE, || Ok(receive(&*line)?)).await
    };
    let (words, mut sockets) = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer?,
        Err(late) => {
            line.shutdown().await?;
            return Err(late.into());
        }
    };
    match words.first() {
        Some(&DONE) => Ok(sockets.pop()),
        _ => Err(io::Error::other(String::from_utf8_lossy(&words).into_owned())),
    }
}
