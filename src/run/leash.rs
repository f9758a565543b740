//! The front's leash on the caretaker: what it is told by it, and that its end is the front's end.
//!
//! Owns the bytes. Must not decide what becomes of an order.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const DISMISSED: u8 = b'd';
const OPENED: u8 = b'o';

/// What a pipe takes in one piece (pipe(7)).
const PIECE: usize = 4096;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// The front has done everything itself.
    Dismissed,
    /// A person opened this directory for the rest of the run.
    Opened(PathBuf),
    /// The front is gone.
    Gone,
}

/// The front's end.
#[derive(Debug)]
pub struct Leash(OwnedFd);

/// Both ends: the caretaker's first.
///
/// # Errors
/// What pipe(2) gives.
pub fn new() -> nix::Result<(OwnedFd, Leash)> {
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    Ok((reader, Leash(writer)))
}

impl Leash {
    /// Lets go, with an order for the caretaker and one for a successor, whoever reads first.
    pub fn dismiss(self) {
        let _ = nix::unistd::write(&self.0, &[DISMISSED, DISMISSED]);
    }

    /// A person opened a directory.
    pub fn open(&self, directory: &Path) {
        let path = directory.as_os_str().as_bytes();
        let Ok(length) = u16::try_from(path.len()) else { return };
        let mut order = vec![OPENED];
        order.extend(length.to_le_bytes());
        order.extend(path);
        if order.len() <= PIECE {
            let _ = nix::unistd::write(&self.0, &order);
        }
    }
}

/// Reads one order. There must be one, or the end.
pub fn read(end: &OwnedFd) -> Order {
    let mut byte = [0];
    match whole(end, &mut byte) {
        Some(()) if byte == [OPENED] => opened(end).map_or(Order::Gone, Order::Opened),
        Some(()) => Order::Dismissed,
        None => Order::Gone,
    }
}

fn opened(end: &OwnedFd) -> Option<PathBuf> {
    let mut length = [0; 2];
    whole(end, &mut length)?;
    let mut path = vec![0; usize::from(u16::from_le_bytes(length))];
    whole(end, &mut path)?;
    Some(PathBuf::from(OsString::from_vec(path)))
}

fn whole(end: &OwnedFd, buffer: &mut [u8]) -> Option<()> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        done += nix::unistd::read(end, rest).ok().filter(|length| *length > 0)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_one_after_the_other() {
        let (end, leash) = new().unwrap();
        leash.open(Path::new("/a b"));
        leash.open(Path::new("/c"));
        leash.dismiss();
        let orders: Vec<Order> = (0..5).map(|_| read(&end)).collect();
        let opened = |path: &str| Order::Opened(path.into());
        assert_eq!(orders, [opened("/a b"), opened("/c"), Order::Dismissed, Order::Dismissed, Order::Gone]);
    }
}
