//! While the person types: what background jobs write is shown above the line, and whatever else happens ends the typing.
//!
//! Owns the thread that watches meanwhile. Must not take from the shell what is the session's to read.

use super::editor::{Editor, History, Printer, Prompt, Read, Stopper};
use super::output::Output;
use super::shell::{self, Shell};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the end of a line may take to follow its beginning before it is shown without.
const TOGETHER: Duration = Duration::from_millis(100);
/// How long nothing more is shown after something was: else a job that writes without end would leave no time for keys.
const REST: Duration = Duration::from_millis(50);
/// So long after a line was asked for the prompt is there. What is done earlier would take a processor from it.
const PAINTED: Duration = Duration::from_millis(5);
/// More than this of a line without an end is shown as it is.
const MOST: usize = 64 << 10;

/// What can wait until the prompt is there.
pub type Chore = Box<dyn FnOnce() + Send>;

/// Watches the shell while lines are read. Its thread lives from line to line, for to start one takes its time; it has what
/// it looks at twice, as the shell is the session's between two lines.
#[derive(Debug)]
pub struct Watcher {
    orders: Sender<Order>,
    over: Receiver<()>,
    /// Ends what was ordered.
    done: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

/// For one line.
struct Order {
    chore: Chore,
    history: History,
    printer: Printer,
    stopper: Stopper,
    /// Whether the run can still say something.
    run: bool,
}

/// What it looks at.
struct Sight {
    arrivals: OwnedFd,
    run: OwnedFd,
    master: OwnedFd,
    output: Arc<Mutex<Output>>,
    done: Arc<EventFd>,
}

impl Watcher {
    /// Of this shell. The thread has the signal mask of this one.
    ///
    /// # Errors
    /// What the calls for descriptors and threads give.
    pub fn of(shell: &Shell) -> std::io::Result<Watcher> {
        let again = |descriptor: BorrowedFd<'_>| descriptor.try_clone_to_owned();
        let done = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let sight = Sight {
            arrivals: again(shell.arrivals.descriptor())?,
            run: again(shell.run.descriptor().unwrap_or(done.as_fd()))?,
            master: again(shell.pty.master.as_fd())?,
            output: Arc::clone(&shell.output),
            done: Arc::clone(&done),
        };
        let (orders, ordered) = std::sync::mpsc::channel::<Order>();
        let (ended, over) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("idle".into()).spawn(move || {
            for order in ordered {
                watch(&sight, order);
                if ended.send(()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Watcher { orders, over, done, thread: Some(thread) })
    }

    /// Reads a line, while the shell is watched. The chore is done by whoever watches, when the prompt is there, and before
    /// anything else.
    pub fn read(&self, editor: &mut Editor, prompt: &Prompt, shell: &Shell, chore: Chore) -> Read {
        let order = Order {
            chore,
            history: editor.history(),
            printer: editor.printer(),
            stopper: editor.stopper(),
            run: shell.run.descriptor().is_some(),
        };
        if self.orders.send(order).is_err() {
            return Read::Closed;
        }
        // The editor has its own handler for changes of the size; all other signals stay blocked.
        let winch: SigSet = [Signal::SIGWINCH].into_iter().collect();
        let _ = winch.thread_unblock();
        let read = editor.read(prompt);
        let _ = winch.thread_block();
        let _ = self.done.write(1);
        let _ = self.over.recv();
        let _ = self.done.read();
        read
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Without orders it ends.
        self.orders = std::sync::mpsc::channel().0;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn watch(sight: &Sight, order: Order) {
    let Order { chore, history, printer, stopper, run } = order;
    let mut later = Some((chore, history));
    let mut partial = Vec::new();
    let mut rest = Rest::default();
    loop {
        let resting = rest.left(&printer);
        let mut events = vec![
            PollFd::new(sight.done.as_fd(), PollFlags::POLLIN),
            PollFd::new(sight.arrivals.as_fd(), PollFlags::POLLIN),
        ];
        events.extend(run.then(|| PollFd::new(sight.run.as_fd(), PollFlags::POLLIN)));
        let output = events.len();
        if resting.is_none() {
            events.push(PollFd::new(sight.master.as_fd(), PollFlags::POLLIN));
        }
        let timeout = resting.or_else(|| (!partial.is_empty()).then_some(TOGETHER));
        let timeout = timeout.or_else(|| later.is_some().then_some(PAINTED));
        let timeout = timeout.and_then(|time| PollTimeout::try_from(time).ok()).unwrap_or(PollTimeout::NONE);
        let waited = poll(&mut events, timeout);
        let ready = |place: usize| events.get(place).and_then(PollFd::any).unwrap_or(false);
        let (over, other) = (ready(0), (1..output).any(ready));
        let output = ready(output);
        let late = waited == Ok(0) && resting.is_none();
        if let Some((chore, history)) = later.take() {
            chore();
            // With a line at once there will be more of them first.
            if !over {
                history.load();
            }
        }
        if late || over || other || partial.len() > MOST {
            show(&printer, std::mem::take(&mut partial));
        }
        if over {
            return;
        }
        if output {
            let bytes = shell::idle_output(&sight.master, &sight.output);
            if bytes.is_empty() && !other {
                // Its other side is closed: the end of the process follows.
                std::thread::sleep(Duration::from_millis(5));
            }
            partial.extend(bytes);
            if let Some(end) = partial.iter().rposition(|&byte| byte == b'\n') {
                let rest = partial.split_off(end + 1);
                show(&printer, std::mem::replace(&mut partial, rest));
            }
        }
        if other {
            stopper.stop();
            return;
        }
    }
}

/// The time after something was shown in which keys alone are heeded. Whatever writes meanwhile waits at its terminal.
#[derive(Debug, Default)]
struct Rest {
    until: Option<Instant>,
}

impl Rest {
    /// What is left of it; it begins when everything is shown.
    fn left(&mut self, printer: &Printer) -> Option<Duration> {
        let now = Instant::now();
        if printer.is_busy() {
            self.until = Some(now + REST);
        }
        self.until = self.until.filter(|until| *until > now);
        self.until.map(|until| until - now)
    }
}

fn show(printer: &Printer, bytes: Vec<u8>) {
    if !bytes.is_empty() {
        printer.print(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned());
    }
}
