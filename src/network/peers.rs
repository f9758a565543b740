//! Programs' ends of connections: whether one is still held by anybody. A program that said no more may wait for an answer or
//! be gone, and on the connection both look alike.
//!
//! Owns asking the kernel (sock_diag(7)), in the namespace where the programs are. Where it does not answer, nobody is gone.

use super::inet_diag;
use crate::system::netlink;
use nix::errno::Errno;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Where struct inet_diag_msg has the inode number of the socket; it has none once it belongs to nobody.
const INODE: std::ops::Range<usize> = 68..72;

/// How often it is asked.
const OFTEN: Duration = Duration::from_millis(500);

thread_local! {
    static ASKED: RefCell<Asked> = const { RefCell::new(Asked::Here) };
}

/// Through which socket, which belongs to the namespace that is asked about.
enum Asked {
    /// This process's own, not made yet.
    Here,
    Through {
        socket: OwnedFd,
        answers: bool,
    },
    Nobody,
}

/// Programs are in the namespace of this socket; in none that can be asked about without one.
pub fn are_in(socket: Option<OwnedFd>) {
    ASKED.set(socket.map_or(Asked::Nobody, |socket| Asked::Through { socket, answers: false }));
}

/// Waits until nobody holds the other end of a connection any more.
pub async fn gone(inside: &TcpStream) {
    let (Ok(program), Ok(meant)) = (inside.peer_addr(), inside.local_addr()) else { return };
    // Comes with the program's end, also while nobody reads.
    let _ = inside.ready(Interest::PRIORITY).await;
    while !is_gone(inside, program, meant) {
        sleep(OFTEN).await;
    }
}

fn is_gone(inside: &TcpStream, program: SocketAddr, meant: SocketAddr) -> bool {
    // Reset.
    let broken = inside.peer_addr().is_err();
    broken || ASKED.with_borrow_mut(|asked| asked.held(program, meant)) == Some(false)
}

impl Asked {
    /// Whether somebody holds the socket with these two ends; `None` where that cannot be told.
    fn held(&mut self, own: SocketAddr, other: SocketAddr) -> Option<bool> {
        if matches!(self, Asked::Here) {
            *self =
                inet_diag::open().map_or(Asked::Nobody, |socket| Asked::Through { socket, answers: false });
        }
        let Asked::Through { socket, answers } = self else { return None };
        match netlink::get(socket.as_fd(), inet_diag::BY_FAMILY, &inet_diag::of_one(own, other)) {
            Ok(found) => {
                *answers = true;
                Some(found.get(INODE)?.iter().any(|byte| *byte != 0))
            }
            // A kernel without the table says the same.
            Err(Errno::ENOENT) if *answers => Some(false),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pair, run};
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[test]
    fn a_closed_socket_is_gone_and_a_half_closed_one_is_not() {
        run(async {
            let (mut program, inside) = pair().await;
            let (own, other) = (program.local_addr().unwrap(), program.peer_addr().unwrap());
            let held = || ASKED.with_borrow_mut(|asked| asked.held(own, other));
            assert_eq!(held(), Some(true));
            program.shutdown().await.unwrap();
            assert_eq!(held(), Some(true));
            assert!(!is_gone(&inside, own, other));
            drop(program);
            assert_eq!(held(), Some(false));
            gone(&inside).await;
            let (program, inside) = pair().await;
            super::super::tunnel::reset(&program);
            drop(program);
            gone(&inside).await;
        });
    }

    #[test]
    fn where_it_cannot_be_told_nobody_is_gone() {
        are_in(None);
        let here = "127.0.0.1:1".parse().unwrap();
        assert_eq!(ASKED.with_borrow_mut(|asked| asked.held(here, here)), None);
    }
}
