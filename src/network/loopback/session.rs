//! The session's gateways among themselves: each tells the others which ports its sandbox serves, and connects to them
//! for the others.
//!
//! Owns the talk and what is known by it. The others are processes of this user outside of every sandbox, by the
//! kernel's word; code inside is at no end of it. What is asked of another is one thing: a connection to a port that
//! something inside it serves.

use super::Loopback;
use super::seat::Seat;
use crate::system::{peer, sockets};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::timeout;

/// How long another may take for its first words, and for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// More talks at a time are hung up on.
const MOST_TALKS: usize = 512;
/// The longest line: a word and every port.
const LONGEST: usize = 16 + 6 * super::MOST;

/// What this gateway knows of its session.
#[derive(Debug)]
pub struct Session {
    seat: Rc<Seat>,
    talks: RefCell<BTreeMap<u64, Talk>>,
    last: Cell<u64>,
    own: watch::Sender<Vec<u16>>,
    changed: Notify,
}

/// With one other gateway.
#[derive(Debug)]
struct Talk {
    name: String,
    /// What its sandbox serves; `None` until it has said so.
    ports: Option<BTreeSet<u16>>,
}

impl Session {
    /// With nobody yet.
    pub fn new(seat: Rc<Seat>) -> Session {
        let (own, _) = watch::channel(Vec::new());
        let (talks, last, changed) = (RefCell::default(), Cell::default(), Notify::new());
        Session { seat, talks, last, own, changed }
    }

    /// Meets those who are there and not yet known: all of them where something is served here, or else who serves something.
    /// Returns when all have said what they serve.
    pub async fn join(self: &Rc<Self>) {
        let serves = !self.own.borrow().is_empty();
        for (name, stream) in self.seat.others(serves) {
            if self.talks.borrow().values().any(|talk| talk.name == name) {
                continue;
            }
            let Ok(stream) = UnixStream::from_std(stream) else { continue };
            let number = self.begin(name);
            let session = Rc::clone(self);
            spawn_local(async move {
                let words = Words::new(stream);
                if words.say(&format!("member {}\n", session.seat.name)).await.is_ok() {
                    let _ = session.talk(words, number).await;
                }
                session.end(number);
            });
        }
        let _ = timeout(PATIENCE, async {
            while self.talks.borrow().values().any(|talk| talk.ports.is_none()) {
                self.changed.notified().await;
            }
        })
        .await;
    }

    /// Serves the seat.
    pub async fn serve(self: Rc<Self>, loopback: Rc<Loopback>) {
        let listener = self.seat.listener.try_clone();
        let listener = listener.and_then(|listener| UnixListener::from_std(listener.into()));
        let Ok(listener) = listener else { return };
        let open = Rc::new(Cell::new(0_usize));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            if open.get() >= MOST_TALKS || peer::same_user_and_place(&stream).is_err() {
                continue;
            }
            open.set(open.get() + 1);
            let (session, loopback, open) = (Rc::clone(&self), Rc::clone(&loopback), Rc::clone(&open));
            spawn_local(async move {
                let _ = session.answer(stream, &loopback).await;
                open.set(open.get().saturating_sub(1));
            });
        }
    }

    async fn answer(self: &Rc<Self>, stream: UnixStream, loopback: &Rc<Loopback>) -> io::Result<()> {
        let mut words = Words::new(stream);
        let first = timeout(PATIENCE, words.next()).await??;
        let first = first.unwrap_or_default();
        match first.split_once(' ') {
            None if first == "list" => {
                loopback.look();
                let ports = ports_line(&self.own.borrow());
                words.say(&ports).await
            }
            Some(("member", name)) => {
                // It wants to know what is served now.
                loopback.look();
                let number = self.begin(name.to_owned());
                let ended = self.talk(words, number).await;
                self.end(number);
                ended
            }
            Some(("connect", port)) => {
                let port: u16 = port.parse().map_err(|_| io::ErrorKind::InvalidData)?;
                let made = timeout(PATIENCE, loopback.connect_inside(port)).await;
                let made: Option<OwnedFd> = match made {
                    Ok(Some(stream)) => Some(stream.into_std()?.into()),
                    _ => None,
                };
                words.hand_over(made).await
            }
            _ => Ok(()),
        }
    }

    fn begin(&self, name: String) -> u64 {
        self.last.set(self.last.get() + 1);
        self.talks.borrow_mut().insert(self.last.get(), Talk { name, ports: None });
        self.last.get()
    }

    fn end(&self, number: u64) {
        self.talks.borrow_mut().remove(&number);
        self.changed.notify_one();
    }

    /// Tells what is served here, and takes in what is served there, until the other is gone.
    async fn talk(&self, mut words: Words, number: u64) -> io::Result<()> {
        let mut own = self.own.subscribe();
        loop {
            let ports = ports_line(&own.borrow_and_update());
            words.say(&ports).await?;
            loop {
                tokio::select! {
                    changed = own.changed() => {
                        if changed.is_err() {
                            return Ok(());
                        }
                        break;
                    }
                    line = words.next() => {
                        let Some(line) = line? else { return Ok(()) };
                        self.learn(number, &line);
                    }
                }
            }
        }
    }

    fn learn(&self, number: u64, line: &str) {
        let Some(ports) = line.strip_prefix("ports") else { return };
        let ports = ports.split_ascii_whitespace().filter_map(|port| port.parse().ok());
        if let Some(talk) = self.talks.borrow_mut().get_mut(&number) {
            talk.ports = Some(ports.take(super::MOST).collect());
        }
        self.changed.notify_one();
    }

    /// Says what is served here, also to those who came since.
    pub fn tell(self: &Rc<Self>, ports: Vec<u16>) {
        let is_new = self.own.send_if_modified(|told| {
            let other = *told != ports;
            *told = ports;
            other
        });
        if is_new {
            let session = Rc::clone(self);
            spawn_local(async move { session.join().await });
        }
    }

    /// Waits until something may have changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What the others serve; no more than [`super::MOST`].
    pub fn ports(&self) -> Vec<u16> {
        let talks = self.talks.borrow();
        let all: BTreeSet<u16> =
            talks.values().filter_map(|talk| talk.ports.as_ref()).flatten().copied().collect();
        all.into_iter().take(super::MOST).collect()
    }

    /// A connection to a port that another sandbox serves, made there.
    pub async fn connect(&self, port: u16) -> Option<OwnedFd> {
        let serves = |talk: &&Talk| talk.ports.as_ref().is_some_and(|ports| ports.contains(&port));
        let names: BTreeSet<String> =
            self.talks.borrow().values().filter(serves).map(|talk| talk.name.clone()).collect();
        for name in names {
            let asked = async {
                let stream = UnixStream::from_std(self.seat.call(&name)?)?;
                let words = Words::new(stream);
                words.say(&format!("connect {port}\n")).await?;
                words.receive().await
            };
            if let Ok(Ok(Some(made))) = timeout(2 * PATIENCE, asked).await {
                return Some(made);
            }
        }
        None
    }
}

fn ports_line(ports: &[u16]) -> String {
    let line = ports.iter().fold("ports".to_owned(), |line, port| format!("{line} {port}"));
    line + "\n"
}

/// Lines over a socket.
struct Words {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Words {
    fn new(stream: UnixStream) -> Words {
        Words { stream, read: Vec::new() }
    }

    async fn say(&self, line: &str) -> io::Result<()> {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next line; may be dropped at any time. `None` at the end.
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if self.read.len() > LONGEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.stream.readable().await?;
            match self.stream.try_read_buf(&mut self.read) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn hand_over(&self, made: Option<OwnedFd>) -> io::Result<()> {
        let numbers: Vec<_> = made.iter().map(AsRawFd::as_raw_fd).collect();
        let (line, word) = (self.stream.as_raw_fd(), if made.is_some() { b"+" } else { b"-" });
        let send = || Ok(sockets::send_with_descriptors(line, word, &numbers)?);
        self.stream.async_io(Interest::WRITABLE, send).await
    }

    async fn receive(&self) -> io::Result<Option<OwnedFd>> {
        let mut word = [0];
        let line = self.stream.as_raw_fd();
        let receive = || Ok(sockets::receive_with_descriptors(line, &mut word)?);
        let (_, mut descriptors) = self.stream.async_io(Interest::READABLE, receive).await?;
        Ok(descriptors.pop())
    }
}
