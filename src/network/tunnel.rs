//! Bytes both ways between two connections. Owns nothing but the carrying: ends, resets and back pressure are passed
//! on, and a connection that rests costs no buffer.

use super::Tally;
use nix::sys::socket::{Shutdown, shutdown};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsRawFd;
use tokio::net::TcpStream;

/// One read; large, because every read costs a turn of the loop.
const SCRATCH: usize = 256 * 1024;
/// Bytes after which others get their turn.
const TURN: usize = 1024 * 1024;

thread_local! {
    /// Shared by all connections of the gateway: between two turns nothing stands in it.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Carries until both sides have ended, beginning with `first`, which was read from inside already.
///
/// # Errors
/// A side that was reset or failed; the other is reset then too.
pub async fn relay(inside: TcpStream, first: Vec<u8>, outside: TcpStream, tally: &Tally) -> io::Result<()> {
    let done = tokio::try_join!(
        pump(&inside, &outside, first, &tally.sent),
        pump(&outside, &inside, Vec::new(), &tally.received)
    );
    if done.is_err() {
        let _ = inside.set_zero_linger();
        let _ = outside.set_zero_linger();
    }
    done.map(drop)
}

enum Step {
    Passed(usize),
    /// The other side takes no more now; this is left.
    Left(usize, Vec<u8>),
    Wait,
    End,
}

async fn pump(from: &TcpStream, to: &TcpStream, first: Vec<u8>, count: &Cell<u64>) -> io::Result<()> {
    add(count, first.len());
    write(to, &first).await?;
    drop(first);
    loop {
        from.readable().await?;
        let mut turn = 0;
        loop {
            match step(from, to)? {
                Step::Passed(length) => {
                    add(count, length);
                    turn += length;
                }
                Step::Left(length, left) => {
                    add(count, length);
                    write(to, &left).await?;
                    turn += length;
                }
                Step::Wait => break,
                Step::End => {
                    let _ = shutdown(to.as_raw_fd(), Shutdown::Write);
                    return Ok(());
                }
            }
            if turn >= TURN {
                tokio::task::yield_now().await;
                turn = 0;
            }
        }
    }
}

fn step(from: &TcpStream, to: &TcpStream) -> io::Result<Step> {
    BUFFER.with_borrow_mut(|buffer| {
        let length = match from.try_read(buffer) {
            Ok(0) => return Ok(Step::End),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Wait),
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        let taken = match to.try_write(bytes) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        match bytes.get(taken..) {
            Some(left) if !left.is_empty() => Ok(Step::Left(length, left.to_vec())),
            _ => Ok(Step::Passed(length)),
        }
    })
}

async fn write(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn add(count: &Cell<u64>, length: usize) {
    count.set(count.get().saturating_add(length as u64));
}
