//! Pseudo-terminals: a pair of ends, their size, a session on one, and what was typed there and not read. Owns the calls;
//! decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Both ends, closed on exec.
#[derive(Debug)]
pub struct Pty {
    /// The terminal's side.
    pub master: OwnedFd,
    /// The programs' side.
    pub slave: OwnedFd,
}

/// The first number of a descriptor that a shell is given besides the standard ones. Those that people use are below, the
/// shells' own are from 10 on and at 255.
pub const FIRST_GIVEN: RawFd = 201;

/// Whether descriptors of those numbers can be had (`RLIMIT_NOFILE` is one more than the highest, getrlimit(2)).
pub fn has_room_for_given() -> bool {
    const GIVEN: RawFd = 8;
    let needed = u64::try_from(FIRST_GIVEN + GIVEN).unwrap_or(u64::MAX);
    getrlimit(Resource::RLIMIT_NOFILE).is_ok_and(|(soft, _)| soft >= needed)
}

impl Pty {
    /// Opens one of this size, with these settings.
    ///
    /// # Errors
    /// What openpty(3) gives.
    pub fn open(size: &Winsize, settings: &Termios) -> nix::Result<Pty> {
        let OpenptyResult { master, slave } = openpty(size, settings)?;
        for end in [&master, &slave] {
            super::descriptors::set_inherited(end.as_raw_fd(), false);
        }
        Ok(Pty { master, slave })
    }

    /// Takes what was typed and is not read yet. The settings are set to `after` then.
    pub fn reclaim(&self, after: &Termios) -> Vec<u8> {
        let mut typed = Vec::new();
        let mut loose = after.clone();
        // Only so a line without an end can be read (termios(3)).
        loose.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        set(&mut loose, SpecialCharacterIndices::VMIN, 0);
        set(&mut loose, SpecialCharacterIndices::VTIME, 0);
        if termios::tcsetattr(&self.slave, SetArg::TCSANOW, &loose).is_ok() {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = nix::unistd::read(&self.slave, &mut buffer) {
                typed.extend(buffer.get(..length).unwrap_or_default());
            }
        }
        let _ = termios::tcsetattr(&self.slave, SetArg::TCSANOW, after);
        typed
    }
}

fn set(settings: &mut Termios, index: SpecialCharacterIndices, value: u8) {
    if let Some(slot) = settings.control_chars.get_mut(index as usize) {
        *slot = value;
    }
}

/// This process becomes the leader of a new session on the terminal, which becomes its standard streams. It must not
/// lead a process group.
///
/// # Errors
/// What setsid(2), TIOCSCTTY (tty_ioctl(4)) and dup2(2) give.
pub fn lead_session_on(slave: BorrowedFd<'_>) -> nix::Result<()> {
    nix::unistd::setsid()?;
    // SAFETY: the descriptor is open here; TIOCSCTTY takes a number and no memory.
    Errno::result(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    (0..=2).try_for_each(|number| super::descriptors::put(slave.as_raw_fd(), number))
}

/// The size of a terminal; `None` where it is not known.
pub fn size(terminal: impl AsFd) -> Option<Winsize> {
    let mut size = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open here, and TIOCGWINSZ writes one `winsize`, which lives here.
    let status = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (status == 0 && size.ws_row > 0 && size.ws_col > 0).then_some(size)
}

/// Sets the size; the foreground programs get SIGWINCH if it changes.
pub fn resize(terminal: impl AsFd, size: &Winsize) {
    // SAFETY: the descriptor is open here, and TIOCSWINSZ reads one `winsize`, which lives here.
    let _ = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const *size) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_typed_is_taken_with_and_without_an_end() {
        let size = Winsize { ws_row: 10, ws_col: 20, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { slave, master: _open } = openpty(&size, None).unwrap();
        let settings = termios::tcgetattr(&slave).unwrap();
        let pty = Pty::open(&size, &settings).unwrap();
        std::fs::File::from(pty.master.try_clone().unwrap()).write_all(b"one\ntwo").unwrap();
        // What is written there arrives a moment later.
        let mut typed = Vec::new();
        while typed.len() < 7 {
            typed.extend(pty.reclaim(&settings));
        }
        assert_eq!(typed, b"one\ntwo");
        assert_eq!(termios::tcgetattr(&pty.slave).unwrap(), settings);
        resize(&pty.master, &Winsize { ws_col: 33, ..size });
        assert_eq!(super::size(&pty.slave).map(|size| size.ws_col), Some(33));
    }
}
