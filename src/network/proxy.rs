//! sbsh's own proxy alone, in this process: where the boundary cannot give a sandbox a network of its own (macOS), so
//! that a proxy on the host's loopback is all that programs inside can reach.
//!
//! Owns the listener and the accepting; the decisions are the gate's. Everybody on this machine can connect to it, and
//! reaches what the settings allow. Nobody can be asked.

use super::desk::Desk;
use super::explicit;
use super::judge::Judge;
use super::upstream::Upstreams;
use nix::sys::signal::{SigSet, Signal};
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::LocalOptions;
use tokio::task::spawn_local;

/// Connections served at the same time; more wait to be accepted. macOS gives a process few descriptors, and each
/// connection takes two.
const MOST: usize = 100;

/// A port of the loopback on which both HTTP and SOCKS are heard.
///
/// # Errors
/// What bind(2) gives.
pub fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// Serves for as long as this process lives; to be called on a thread of its own.
///
/// # Errors
/// What making the runtime gives; then nobody answers.
pub fn serve(listener: TcpListener, desk: Arc<dyn Desk>, upstreams: Upstreams) -> io::Result<()> {
    // A program that hangs up is no reason to die.
    let mut broken = SigSet::empty();
    broken.add(Signal::SIGPIPE);
    broken.thread_block()?;
    // The gate's line to whoever asks a person: its end says at once that nobody is there.
    let (near, nobody) = UnixStream::pair()?;
    nobody.shutdown(Shutdown::Write)?;
    listener.set_nonblocking(true)?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let judge = Rc::new(Judge::new(desk, upstreams, near, None)?);
        let scribe = Rc::clone(&judge);
        spawn_local(async move { scribe.write_down().await });
        let room = Arc::new(tokio::sync::Semaphore::new(MOST));
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
            match listener.accept().await {
                Ok((stream, from)) => {
                    let judge = Rc::clone(&judge);
                    spawn_local(async move {
                        explicit::serve(judge, stream, from).await;
                        drop(place);
                    });
                }
                // Out of descriptors, or the connection was gone again.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Asked, Reply};
    use super::super::{Permit, Refusal, Target};
    use super::*;
    use crate::policy::NetworkPolicy;
    use crate::settings::Sourced;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::Mutex;

    struct Notes(Arc<NetworkPolicy>, Mutex<Vec<String>>);

    impl Desk for Notes {
        fn policy(&self) -> Result<Arc<NetworkPolicy>, String> {
            Ok(Arc::clone(&self.0))
        }
        fn ask(&self, _asked: &Asked) -> Reply {
            Reply::Nobody("nobody is here".into())
        }
        fn ended(&self, _permit: &Permit) {}
        fn write_down(&self) {}
        fn refused(&self, refusal: &Refusal, _target: Option<&Target>, _again: bool) {
            self.1.lock().unwrap().push(refusal.what());
        }
    }

    /// A server that says back what it hears, allowed by its port; the proxy's port; what was refused.
    fn proxy() -> (u16, u16, Arc<Notes>) {
        let server = listen().unwrap();
        let allowed = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in server.incoming() {
                let mut stream = stream.unwrap();
                let mut heard = [0; 4];
                stream.read_exact(&mut heard).unwrap();
                stream.write_all(&heard).unwrap();
            }
        });
        let entry = Sourced::built_in(format!("localhost:{allowed}"), "test");
        let policy = NetworkPolicy::default().with_allowed(entry).unwrap();
        let notes = Arc::new(Notes(Arc::new(policy), Mutex::default()));
        let desk: Arc<dyn Desk> = Arc::<Notes>::clone(&notes);
        let listener = listen().unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || serve(listener, desk, Upstreams::default()));
        (allowed, port, notes)
    }

    fn connect(port: u16, target: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        (String::from_utf8(head).unwrap(), stream)
    }

    #[test]
    fn what_is_allowed_is_carried_and_the_rest_is_refused_and_noted() {
        let (allowed, port, notes) = proxy();
        let (head, mut stream) = connect(port, &format!("localhost:{allowed}"));
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        stream.write_all(b"ping").unwrap();
        let mut back = [0; 4];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ping");
        let (head, _) = connect(port, "elsewhere.example:443");
        assert!(head.starts_with("HTTP/1.1 403"), "{head}");
        let refused = notes.1.lock().unwrap().clone();
        assert!(matches!(refused.as_slice(), [one] if one.contains("elsewhere.example:443")), "{refused:?}");
    }

    #[test]
    fn socks_is_heard_on_the_same_port() {
        let (allowed, port, _) = proxy();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&[5, 1, 0]).unwrap();
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).unwrap();
        assert_eq!(chosen, [5, 0]);
        let name = b"localhost";
        let target = [&[5, 1, 0, 3, name.len() as u8], name.as_slice(), &allowed.to_be_bytes()].concat();
        stream.write_all(&target).unwrap();
        let mut answer = [0; 10];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..2], [5, 0]);
        stream.write_all(b"pong").unwrap();
        let mut back = [0; 4];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"pong");
    }
}
