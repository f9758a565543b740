//! The caller's terminal as a place to ask. Owns opening it, its mode while a question stands, and giving it back
//! as it was on every way out. Knows nothing of questions.

use super::mask::Mask;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{self, FlushArg, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// What is assumed where the terminal does not know its size (emacs, some agents).
const UNKNOWN_SIZE: Size = Size { columns: 80, rows: 24 };
/// The signals that end a question. They stay pending and arrive when the terminal is as it was.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// The controlling terminal.
#[derive(Debug)]
pub struct ControllingTerminal {
    file: File,
}

/// What came from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// These bytes came at once: one is a key, more are an escape sequence, a paste or a key with Enter.
    Bytes(Vec<u8>),
    /// The terminal is gone, or is no longer ours to read.
    End,
    /// A signal asks this process to end. It is still pending.
    Signal,
    /// Something else that was waited for.
    Other,
}

/// Whether a terminal has hung up, or is none that is open. poll(2) tells that without being asked to.
pub fn has_hung_up(terminal: BorrowedFd<'_>) -> bool {
    let mut waited = [PollFd::new(terminal, PollFlags::empty())];
    poll(&mut waited, PollTimeout::ZERO).is_ok_and(|changed| changed > 0)
}

impl ControllingTerminal {
    /// The terminal, if there is one and this process is in its foreground process group.
    pub fn in_foreground() -> Option<ControllingTerminal> {
        let flags = OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open("/dev/tty").ok()?;
        let terminal = ControllingTerminal { file };
        terminal.is_in_foreground().then_some(terminal)
    }

    /// Whether this process is in the terminal's foreground process group now.
    pub fn is_in_foreground(&self) -> bool {
        nix::unistd::tcgetpgrp(&self.file).is_ok_and(|group| group == nix::unistd::getpgrp())
    }

    /// Its size.
    pub fn size(&self) -> Size {
        let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is open as long as `self`, and TIOCGWINSZ writes one `winsize`, which lives here.
        #[allow(unsafe_code)]
        let status = unsafe { nix::libc::ioctl(self.file.as_raw_fd(), nix::libc::TIOCGWINSZ, &raw mut size) };
        if status != 0 || size.ws_row == 0 || size.ws_col == 0 {
            return UNKNOWN_SIZE;
        }
        Size { columns: usize::from(size.ws_col), rows: usize::from(size.ws_row) }
    }

    /// Takes the terminal for a question: single keys, no echo, no signals from keys, typed-ahead input dropped.
    pub fn take(&self) -> io::Result<Taken<'_>> {
        let ending: SigSet = ENDING.into_iter().collect();
        let mut blocked = ENDING.to_vec();
        // Giving the terminal back must also work from the background.
        blocked.push(Signal::SIGTTOU);
        let mask = Mask::of(&blocked).apply(SigmaskHow::SIG_BLOCK)?;
        let taken = || -> nix::Result<(SignalFd, Termios)> {
            let signals = SignalFd::with_flags(&ending, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
            let before = termios::tcgetattr(&self.file)?;
            let mut asking = before.clone();
            asking.local_flags.remove(
                LocalFlags::ICANON
                    | LocalFlags::ECHO
                    | LocalFlags::ISIG
                    | LocalFlags::IEXTEN
                    | LocalFlags::ECHONL,
            );
            set_control_character(&mut asking, SpecialCharacterIndices::VMIN, 1);
            set_control_character(&mut asking, SpecialCharacterIndices::VTIME, 0);
            termios::tcsetattr(&self.file, SetArg::TCSAFLUSH, &asking)?;
            Ok((signals, before))
        };
        match taken() {
            Ok((signals, before)) => Ok(Taken { terminal: self, signals, before, mask }),
            Err(error) => {
                mask.put_back();
                Err(error.into())
            }
        }
    }
}

/// One of the characters that are numbers.
fn set_control_character(settings: &mut Termios, index: SpecialCharacterIndices, value: u8) {
    if let Some(slot) = settings.control_chars.get_mut(index as usize) {
        *slot = value;
    }
}

/// The terminal while a question stands. Dropping it gives the terminal and the signals back as they were.
pub struct Taken<'terminal> {
    terminal: &'terminal ControllingTerminal,
    signals: SignalFd,
    before: Termios,
    mask: Mask,
}

impl Taken<'_> {
    /// Shows text.
    pub fn show(&self, text: &str) -> io::Result<()> {
        (&self.terminal.file).write_all(text.as_bytes())
    }

    /// Shows the line behind which keys are answers. What was typed before is dropped; whatever is typed once it is seen
    /// counts.
    pub fn asks(&self, line: &str) -> io::Result<()> {
        self.forget_typed()?;
        self.show(line)
    }

    /// Drops what was typed before now.
    pub fn forget_typed(&self) -> io::Result<()> {
        Ok(termios::tcflush(&self.terminal.file, FlushArg::TCIFLUSH)?)
    }

    /// Waits for input, for as long as it takes.
    pub fn input(&self) -> Input {
        self.input_or(&[], None)
    }

    /// Waits for input, or until one of the others can be read or has ended, at most so long.
    pub fn input_or(&self, others: &[BorrowedFd<'_>], limit: Option<Duration>) -> Input {
        let limit = limit.map_or(PollTimeout::NONE, |limit| limit.try_into().unwrap_or(PollTimeout::MAX));
        loop {
            let mut waited = vec![
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.terminal.file.as_fd(), PollFlags::POLLIN),
            ];
            waited.extend(others.iter().map(|other| PollFd::new(*other, PollFlags::POLLIN)));
            match poll(&mut waited, limit) {
                Ok(0) => return Input::Other,
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(_) => return Input::End,
            }
            let [signals, typed, others @ ..] = waited.as_slice() else { return Input::End };
            if signals.any().unwrap_or(true) {
                return Input::Signal;
            }
            if !typed.any().unwrap_or(true) {
                if others.iter().any(|other| other.any().unwrap_or(true)) {
                    return Input::Other;
                }
                continue;
            }
            let mut bytes = [0_u8; 256];
            return match (&self.terminal.file).read(&mut bytes) {
                Ok(0) => Input::End,
                Ok(length) => Input::Bytes(bytes.get(..length).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Input::End,
            };
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Input that came with the answer (an Enter behind the key) must not reach whoever reads next.
        let _ = termios::tcsetattr(&self.terminal.file, SetArg::TCSAFLUSH, &self.before);
        self.mask.put_back();
    }
}
