//! A connection as hyper wants it. Owns giving back bytes that were read before, and counting; must not look at what
//! passes.

use super::super::{Permit, tunnel};
use hyper::body::Bytes;
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// On whose account the bytes of a connection to a server go; requests of several permits may follow each other.
pub type Account = Rc<RefCell<Rc<Permit>>>;

/// A connection with bytes before what it still brings.
#[derive(Debug)]
pub struct Wire {
    before: Bytes,
    stream: Rc<TcpStream>,
    account: Option<Account>,
}

impl Wire {
    /// Of a program: bytes that were read already come first. Who keeps the other handle looks on.
    pub fn inside(before: Vec<u8>, stream: Rc<TcpStream>) -> Wire {
        Wire { before: before.into(), stream, account: None }
    }

    /// To a server.
    pub fn outside(stream: TcpStream, account: Account) -> Wire {
        Wire { before: Bytes::new(), stream: Rc::new(stream), account: Some(account) }
    }

    /// The connection, and what was read from it but not taken: `read`, and what was never given out. `None` while
    /// somebody else has a handle of it.
    pub fn into_parts(self, read: &[u8]) -> Option<(TcpStream, Vec<u8>)> {
        Some((Rc::into_inner(self.stream)?, [read, &self.before].concat()))
    }

    fn count(&self, which: fn(&Permit) -> &Cell<u64>, bytes: usize) {
        if let Some(account) = &self.account {
            let permit = account.borrow();
            let counter = which(&permit);
            counter.set(counter.get().saturating_add(bytes as u64));
        }
    }

    fn write(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    let written = written?;
                    self.count(|permit| &permit.tally.sent, written);
                    return Poll::Ready(Ok(written));
                }
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let length = self.before.len().min(to.remaining());
            to.put_slice(&self.before.split_to(length));
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(to.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    let read = read?;
                    to.advance(read);
                    self.count(|permit| &permit.tally.received, read);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream| stream.try_write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        tunnel::finish(&self.stream);
        Poll::Ready(Ok(()))
    }
}
