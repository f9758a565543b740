//! The terminal while a line is read: how it was before, and whether it is still there. Owns giving it back as it was,
//! and getting reedline out of a terminal that is gone.

use super::shared::Shared;
use crate::system::mask::Mask;
use crate::system::terminal::has_hung_up;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigmaskHow, Signal};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use std::io::{Write, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;

/// How the terminal was before the reading that is going on.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Puts the terminal back as it was when this goes, however that comes about.
struct Before;

impl Before {
    fn note() -> Before {
        static HOOK: Once = Once::new();
        HOOK.call_once(restore_at_panics);
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(stdin()).ok();
        Before
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        restore();
    }
}

/// A panic ends the process, and nothing is dropped then.
fn restore_at_panics() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        others(panic);
    }));
}

fn restore() {
    let Ok(Some(before)) = BEFORE.try_lock().map(|mut before| before.take()) else { return };
    if tcgetattr(stdin()).is_ok_and(|now| now != before) {
        let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, &before);
        // reedline did not come to its end: pastes are marked no more, and the cursor is seen.
        let _ = stdout().write_all(b"\x1b[?2004l\x1b[?25h\r\n").and_then(|()| stdout().flush());
    }
}

/// A thread that takes no signals: they are for whoever reads a line, or between two lines for who waits for them.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    let before = Mask::ALL.apply(SigmaskHow::SIG_BLOCK).ok();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    before.into_iter().for_each(Mask::put_back);
    thread
}

/// Lets the news that the window has another size through while a line is read, whatever this thread blocks otherwise.
struct Resizes {
    before: Option<Mask>,
}

impl Resizes {
    fn let_through() -> Resizes {
        Resizes { before: Mask::of(&[Signal::SIGWINCH]).apply(SigmaskHow::SIG_UNBLOCK).ok() }
    }
}

impl Drop for Resizes {
    fn drop(&mut self) {
        self.before.into_iter().for_each(Mask::put_back);
    }
}

/// Whether the terminal hung up.
pub(super) fn is_gone() -> bool {
    has_hung_up(stdin().as_fd())
}

/// Notices that the terminal hangs up while a line is read. Then crossterm 0.29 would read it for ever (`read` gives
/// nothing, and it tries again at once): it is given a pipe in which nothing comes instead, and comes back. One thread does
/// it for all lines, for to start one takes its time.
pub(super) struct Watch {
    state: Arc<State>,
    /// Its end ends the thread.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Default)]
struct Now {
    /// A line is being read.
    reading: bool,
    /// Nobody will read any more.
    ended: bool,
    /// The other end of the pipe that stands for the terminal: without it the pipe would be at its end too.
    kept: Option<OwnedFd>,
}

impl State {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Begins.
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<Watch> {
        let (stopped, stop) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (shared, state) = (Arc::clone(shared), Arc::new(State::default()));
        let watched = Arc::clone(&state);
        let watching = move || watch(&shared, &watched, &stopped).unwrap_or_default();
        let thread = spawn("hangup", watching)?;
        Ok(Watch { state, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.now().ended = true;
        self.stop = None;
        self.state.changed.notify_all();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Reads with the terminal watched.
pub(super) fn watched<T>(watch: Option<&Watch>, read: impl FnOnce() -> T) -> T {
    let _before = Before::note();
    let is_reading = |reading: bool| {
        if let Some(watch) = watch {
            let mut now = watch.state.now();
            now.reading = reading;
            // The next reading finds the pipe at its end.
            now.kept = now.kept.take().filter(|_| !reading);
            drop(now);
            watch.state.changed.notify_all();
        }
    };
    is_reading(true);
    let resizes = Resizes::let_through();
    let result = read();
    drop(resizes);
    is_reading(false);
    result
}

/// Waits for the terminal's end or that of the readings.
fn watch(shared: &Shared, state: &State, stopped: &OwnedFd) -> nix::Result<()> {
    let input = stdin();
    loop {
        let mut waited =
            [PollFd::new(input.as_fd(), PollFlags::empty()), PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waited, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            other => other?,
        };
        if waited.iter().skip(1).any(|end| end.revents().is_some_and(|events| !events.is_empty())) {
            return Ok(());
        }
        if has_hung_up(input.as_fd()) {
            let idle = |now: &mut Now| !now.reading && !now.ended;
            let mut now = state.changed.wait_while(state.now(), idle).unwrap_or_else(PoisonError::into_inner);
            if now.reading {
                shared.raise(&shared.closed);
                let (nothing, kept) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
                nix::unistd::dup2_stdin(&nothing)?;
                now.kept = Some(kept);
            }
            return Ok(());
        }
    }
}
