//! The shim: this binary where an excluded program would be, inside. It asks for the program to be run outside, and is
//! to whoever started it what the program would be: the same status, signals and stops.
//!
//! Owns nothing that matters: whatever it says could be said by any program inside.

use super::message::{NEWS, News, Request};
use super::serve::SIGNAL;
use super::{NAME, ORIGINALS};
use crate::exit;
use crate::system::signals::{Arrivals, Dispositions};
use crate::system::{descriptors, inside, process, signals, sockets, visible::visible};
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::ffi::{CString, OsStr, OsString};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What was executed.
#[derive(Debug)]
pub struct Shim {
    /// The covered file; `None`: the way out.
    covered: Option<PathBuf>,
    argv: Vec<OsString>,
}

/// As whoever started it had things.
#[derive(Debug, Clone, Copy)]
struct Before {
    signals: Dispositions,
    standard: [bool; 3],
}

/// Whether this process is a shim: executed at the place of a program that the confinement covers, or by the name of the
/// way out (`way_out`), inside.
pub fn here(argv: &[OsString], way_out: &str) -> Option<Shim> {
    let named = argv.first().map(|name| Path::new(name).file_name() == Some(OsStr::new(way_out)));
    if named == Some(true) {
        return inside::already().then(|| Shim { covered: None, argv: argv.to_vec() });
    }
    if !Path::new(ORIGINALS).exists() {
        return None;
    }
    // The kernel's word for what was executed: argv says what it likes.
    let covered = std::fs::read_link("/proc/self/exe").ok()?;
    let is = original(&covered).exists() && inside::already();
    is.then(|| Shim { covered: Some(covered), argv: argv.to_vec() })
}

/// Where a covered program itself is.
pub fn original(covered: &Path) -> PathBuf {
    Path::new(ORIGINALS).join(covered.strip_prefix("/").unwrap_or(covered))
}

impl Shim {
    /// Has it run outside; gives its status.
    pub fn run(&self) -> i32 {
        // Before anything is opened here that could get their numbers.
        let standard = [0, 1, 2].map(|number| descriptors::identity(number).is_some());
        descriptors::fill_standard();
        let before = Before { signals: Dispositions::own(), standard };
        match self.call(before) {
            Ok(status) => status,
            Err(why) => {
                let name = self.argv.first().map(|name| visible(name.as_bytes())).unwrap_or_default();
                say(&format!("sbsh: cannot run '{name}' outside: {why}\n"));
                exit::REFUSED
            }
        }
    }

    fn call(&self, before: Before) -> Result<i32, String> {
        let told = |error: nix::errno::Errno| error.desc().to_owned();
        signals::block_all().map_err(told)?;
        let arrivals = Arrivals::new().map_err(told)?;
        let connection = sockets::connect_named(NAME)
            .map_err(|error| format!("nobody outside is there to do it ({})", error.desc()))?;
        let mut stream = UnixStream::from(connection);
        self.send(&mut stream, before).map_err(|error| error.to_string())?;
        let (mut runs, mut stops_itself) = (false, false);
        loop {
            let mut events = [
                PollFd::new(stream.as_fd(), PollFlags::POLLIN),
                PollFd::new(arrivals.descriptor(), PollFlags::POLLIN),
            ];
            if poll(&mut events, PollTimeout::NONE).is_err() {
                continue;
            }
            let [news, arrived] = events.map(|event| event.any().unwrap_or(false));
            if arrived {
                forward(&arrivals, &stream, runs, before.signals);
            }
            if !news {
                continue;
            }
            match receive(&mut stream).ok_or("whoever ran it outside is gone")? {
                News::Inside => return Err(self.go_on(before)),
                News::Refused { text, status } => {
                    say(&text);
                    return Ok(status);
                }
                News::Runs { joined } => {
                    runs = true;
                    stops_itself = joined;
                    if joined {
                        // What stops the program stops its whole group, this process too, and so does what continues it:
                        // being told of it later, this process could stop when all others go on again.
                        signals::let_stop(before.signals);
                    }
                }
                // One that is stopped alone, without its group, is as if it took its time.
                News::Stopped(_) if stops_itself => {}
                News::Stopped(signal) => {
                    if let Ok(signal) = Signal::try_from(signal) {
                        process::stop_by(signal);
                    }
                }
                News::Exited(status) => return Ok(status),
                News::Signaled(signal) => process::die_by(signal),
            }
        }
    }

    fn send(&self, stream: &mut UnixStream, before: Before) -> std::io::Result<()> {
        let directory = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let umask = nix::sys::stat::umask(Mode::empty());
        nix::sys::stat::umask(umask);
        let environment =
            std::env::vars_os().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        let request = Request {
            covered: self.covered.clone().unwrap_or_default().into_os_string().into_vec(),
            argv: self.argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
            environment: environment.collect(),
            standard: before.standard,
            umask: umask.bits(),
            blocked: before.signals.blocked,
            ignored: before.signals.ignored,
        };
        let bytes = request.encode();
        let (head, body) = bytes.split_at(super::message::HEAD);
        let open = (0..).zip(before.standard).filter(|(_, open)| *open).map(|(number, _)| number);
        let numbers: Vec<i32> = std::iter::once(directory.as_raw_fd()).chain(open).collect();
        sockets::send_with_descriptors(stream.as_raw_fd(), head, &numbers)?;
        sockets::write_all(stream, body)
    }

    /// Becomes the covered program, inside; returns only what went wrong.
    fn go_on(&self, before: Before) -> String {
        let Some(covered) = &self.covered else { return "it names no program".into() };
        let text = |word: &OsStr| CString::new(word.as_bytes()).unwrap_or_default();
        let argv: Vec<CString> = self.argv.iter().map(|word| text(word)).collect();
        let environment: Vec<CString> = std::env::vars_os()
            .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
            .collect();
        for (number, open) in (0..).zip(before.standard) {
            if !open {
                descriptors::close(number);
            }
        }
        signals::adopt(before.signals);
        process::exec(&text(original(covered).as_os_str()), &argv, &environment).desc().to_owned()
    }
}

/// Signals of this process, told to the broker. Before the program runs there is nothing that could have them: this
/// process ends as any would, by those that it does not ignore.
fn forward(arrivals: &Arrivals, stream: &UnixStream, runs: bool, before: Dispositions) {
    while let Some(signal) = arrivals.next() {
        let bit = u64::try_from(signal - 1).map_or(0, |shift| 1u64.checked_shl(shift as u32).unwrap_or(0));
        if runs && signal != libc::SIGCHLD {
            let mut message = vec![SIGNAL];
            message.extend(signal.to_le_bytes());
            let _ = sockets::write_all(stream, &message);
        } else if !runs && ENDING.contains(&signal) && (before.ignored | before.blocked) & bit == 0 {
            process::die_by(signal);
        }
    }
}

/// Signals that end whoever waits for an answer.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

fn receive(stream: &mut UnixStream) -> Option<News> {
    let mut head = [0; NEWS];
    stream.read_exact(&mut head).ok()?;
    let mut text = vec![0; News::text_length(head)?];
    stream.read_exact(&mut text).ok()?;
    News::decode(head, &text)
}

fn say(text: &str) {
    let _ = nix::unistd::write(descriptors::borrow(2), text.as_bytes());
}
