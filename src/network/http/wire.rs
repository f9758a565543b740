//! A connection as hyper wants it. Owns giving back bytes that were read before, and counting; must not look at what
//! passes.

use super::super::Permit;
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
    stream: TcpStream,
    account: Option<Account>,
}

impl Wire {
    /// Of a program: bytes that were read already come first.
    pub fn inside(before: Vec<u8>, stream: TcpStream) -> Wire {
        Wire { before: before.into(), stream, account: None }
    }

    /// To a server.
    pub fn outside(stream: TcpStream, account: Account) -> Wire {
        Wire { before: Bytes::new(), stream, account: Some(account) }
    }

    /// The connection, and what was read from it but not taken: `read`, and what was never given out.
    pub fn into_parts(self, read: &[u8]) -> (TcpStream, Vec<u8>) {
        (self.stream, [read, &self.before].concat())
    }

    fn count(&self, which: fn(&Permit) -> &Cell<u64>, bytes: usize) {
        if let Some(account) = &self.account {
            let permit = account.borrow();
            let counter = which(&permit);
            counter.set(counter.get().saturating_add(bytes as u64));
        }
    }

    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.count(|permit| &permit.tally.sent, bytes);
        }
        written
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
        let filled = to.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, to))?;
        self.count(|permit| &permit.tally.received, to.filled().len() - filled);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.sent(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
