//! A shim's connection. Owns the reading and writing, none of which waits longer than something lives inside: a connection
//! that the inside hands on to a program outside would never end.

use super::message::News;
use crate::system::sockets;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// A connection.
pub struct Wire<'a> {
    stream: UnixStream,
    alive: &'a OwnedFd,
}

impl Wire<'_> {
    /// Over this socket; `alive` ends when nothing lives inside any more.
    pub fn new(connection: OwnedFd, alive: &OwnedFd) -> Wire<'_> {
        Wire { stream: UnixStream::from(connection), alive }
    }

    /// What to wait for: the shim, and the end of everything inside.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.stream.as_fd(), self.alive.as_fd()]
    }

    /// The beginning of what is said: bytes, descriptors, and the sender.
    ///
    /// # Errors
    /// What the calls give; the end of everything inside.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>, i32)> {
        self.wait(PollFlags::POLLIN)?;
        Ok(sockets::receive_from(self.stream.as_raw_fd(), buffer)?)
    }

    /// As much as there is room for.
    ///
    /// # Errors
    /// What the calls give; the end of the shim or of everything inside.
    pub fn read_exact(&self, mut rest: &mut [u8]) -> io::Result<()> {
        let mut stream = &self.stream;
        while !rest.is_empty() {
            self.wait(PollFlags::POLLIN)?;
            match stream.read(rest)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                length => rest = rest.get_mut(length..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Tells the shim, if it still listens. What is told is shorter than what a socket that can be written takes.
    pub fn say(&self, news: &News) {
        if self.wait(PollFlags::POLLOUT).is_ok() {
            let _ = sockets::write_all(&self.stream, &news.encode());
        }
    }

    fn wait(&self, wanted: PollFlags) -> io::Result<()> {
        loop {
            let [stream, alive] = self.descriptors();
            let mut events = [PollFd::new(stream, wanted), PollFd::new(alive, PollFlags::POLLIN)];
            if poll(&mut events, PollTimeout::NONE).is_err() {
                continue;
            }
            let [ready, over] = events.map(|event| event.any().unwrap_or(false));
            if ready {
                return Ok(());
            }
            if over {
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
    }
}
