//! One call: what a shim wants is read, judged, run, and its end is told. Lives in a process of its own, in the session
//! of whoever started sbsh, and as long as the program.
//!
//! Signals, as everywhere here: this process is in the shim's group and has everything blocked. What the shim forwards
//! and this process received too went to the whole group, so the program has it already; what only the shim received is
//! delivered here. Where the group belongs to another session, nothing reaches the program by itself, and all is.

use super::message::{HEAD, News, Request};
use super::start::{self, Start};
use super::wire::Wire;
use super::{Desk, Judgement, Wanted};
use crate::system::process::Change;
use crate::system::signals::{Arrivals, Dispositions};
use crate::system::{descriptors, process, signals, stranger};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, getpgid, setpgid};
use std::collections::HashSet;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A message from a shim: `g` and the number of a signal.
pub const SIGNAL: u8 = b'g';
/// Its length.
pub const MESSAGE: usize = 5;
/// The highest number of a signal (signal(7)).
const HIGHEST: i32 = 64;
/// How long a program that was killed is waited for.
const GRACE: Duration = Duration::from_millis(500);

/// Serves one connection to its end. `given` is the environment that the inner shell was started with.
/// `heard` is what the caller's standard error is.
pub fn serve(wire: Wire<'_>, desk: &dyn Desk, given: &[CString], heard: Option<(u64, u64)>) {
    // Whoever says nothing that can be understood is not answered: that is no shim.
    if let Ok(Some(call)) = Call::receive(wire) {
        call.attend(desk, given, heard);
    }
}

struct Call<'a> {
    wire: Wire<'a>,
    request: Request,
    directory: OwnedFd,
    standard: [Option<OwnedFd>; 3],
    sender: Pid,
}

impl<'a> Call<'a> {
    fn receive(wire: Wire<'a>) -> io::Result<Option<Call<'a>>> {
        let mut head = [0; HEAD];
        let (length, descriptors, sender) = wire.receive(&mut head)?;
        let Some(length) = Request::length(head).filter(|_| length == HEAD) else { return Ok(None) };
        let mut body = vec![0; length];
        wire.read_exact(&mut body)?;
        let Some(request) = Request::decode(&body) else { return Ok(None) };
        let mut descriptors = descriptors.into_iter();
        let Some(directory) = descriptors.next() else { return Ok(None) };
        let mut standard = request.standard.map(|open| if open { descriptors.next() } else { None });
        let missing = standard.iter_mut().zip(request.standard).any(|(got, open)| open && got.is_none());
        let whole = !missing && descriptors.next().is_none();
        Ok(whole.then(|| Call { wire, request, directory, standard, sender: Pid::from_raw(sender) }))
    }

    fn attend(mut self, desk: &dyn Desk, given: &[CString], heard: Option<(u64, u64)>) {
        let (path, directory) = match host_directory(&self.directory) {
            Ok(found) => found,
            Err(why) => {
                let text = format!("sbsh: cannot run {} outside: {why}\n", self.name());
                return self.say(&News::Refused { text, status: crate::exit::REFUSED });
            }
        };
        let text = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
        let wanted = Wanted {
            covered: PathBuf::from(text(&self.request.covered)),
            argv: self.request.argv.iter().map(text).collect(),
            directory: path,
            changed: changed(&self.request.environment, given),
        };
        match desk.judge(&wanted, self.wire.descriptors()) {
            Judgement::Inside => self.say(&News::Inside),
            Judgement::Refused { text, status } => {
                let [_, _, error] = &self.standard;
                if error.as_ref().and_then(|error| descriptors::identity(error.as_raw_fd())) != heard {
                    desk.unheard(&text);
                }
                self.say(&News::Refused { text, status });
            }
            // Answers take their time, in which code inside may have moved it.
            Judgement::Run { .. }
                if !host_directory(&self.directory).is_ok_and(|(now, _)| now == wanted.directory) =>
            {
                let text = format!(
                    "sbsh: cannot run {} outside: its working directory was moved meanwhile\n",
                    self.name()
                );
                self.say(&News::Refused { text, status: crate::exit::REFUSED });
            }
            Judgement::Run { program, argv, environment } => {
                let status = self.run(&program, &argv, &environment, &directory);
                desk.ended(&wanted, status);
            }
        }
    }

    fn run(
        &mut self,
        program: &Path,
        words: &[OsString],
        environment: &[CString],
        directory: &OwnedFd,
    ) -> Option<i32> {
        let arrivals = Arrivals::new().ok()?;
        let group = getpgid(Some(self.sender));
        let joined = group.and_then(|group| setpgid(Pid::from_raw(0), group)).is_ok();
        let path = CString::new(program.as_os_str().as_bytes()).ok()?;
        let argv: Vec<CString> = words.iter().filter_map(|word| CString::new(word.as_bytes()).ok()).collect();
        let Request { umask, blocked, ignored, .. } = self.request;
        let started = start::start(&Start {
            program: &path,
            argv: &argv,
            environment,
            directory,
            standard: &self.standard,
            umask,
            signals: Dispositions { blocked, ignored },
        });
        // A pipe that the program closes is closed.
        self.standard = [None, None, None];
        match started {
            Ok(program) => {
                self.say(&News::Runs { joined });
                let household = Household { program, joined, own: HashSet::new() };
                household.attend(&self.wire, &arrivals)
            }
            Err(error) => {
                let text = format!("sbsh: cannot run {} outside: {}\n", self.name(), process::no_more(error));
                self.say(&News::Refused { text, status: crate::exit::REFUSED });
                None
            }
        }
    }

    fn name(&self) -> String {
        let name = self.request.argv.first().map(Vec::as_slice).unwrap_or_default();
        format!("'{}'", crate::system::visible::visible(name))
    }

    fn say(&self, news: &News) {
        self.wire.say(news);
    }
}

struct Household {
    program: Pid,
    joined: bool,
    /// Signals that this process received: the whole group did.
    own: HashSet<i32>,
}

impl Household {
    /// Until the program has ended, or the shim: then the program ends as the shim did.
    fn attend(mut self, wire: &Wire<'_>, arrivals: &Arrivals) -> Option<i32> {
        loop {
            // Before it waits: whatever was collected since the last look may have told of an end.
            if let Some(status) = self.look(wire) {
                return Some(status);
            }
            let [stream, alive] = wire.descriptors();
            let mut events =
                [arrivals.descriptor(), stream, alive].map(|d| PollFd::new(d, PollFlags::POLLIN));
            if poll(&mut events, PollTimeout::NONE).is_err() {
                continue;
            }
            let [_, told, over] = events.map(|event| event.any().unwrap_or(false));
            self.collect(arrivals);
            if over || told && !self.listen(wire, arrivals) {
                self.put_an_end(arrivals);
                return Some(128 + libc::SIGKILL);
            }
        }
    }

    fn collect(&mut self, arrivals: &Arrivals) {
        while let Some(signal) = arrivals.next() {
            if signal != libc::SIGCHLD {
                self.own.insert(signal);
            }
        }
    }

    /// A program that this user may not kill (sudo), or that the kernel holds, is left to itself.
    fn put_an_end(&self, arrivals: &Arrivals) {
        signals::send(self.program, libc::SIGKILL);
        let begun = Instant::now();
        while let Some(left) = GRACE.checked_sub(begun.elapsed()) {
            match process::next_change() {
                Ok(Some(Change::Exited(pid, _) | Change::Signaled(pid, _))) if pid == self.program => return,
                Ok(Some(_)) | Err(Errno::EINTR) => continue,
                Err(_) => return,
                Ok(None) => {}
            }
            let mut events = [PollFd::new(arrivals.descriptor(), PollFlags::POLLIN)];
            let _ = poll(&mut events, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO));
            while arrivals.next().is_some() {}
        }
    }

    /// Whether the shim is still there.
    fn listen(&mut self, wire: &Wire<'_>, arrivals: &Arrivals) -> bool {
        let mut message = [0; MESSAGE];
        if wire.read_exact(&mut message).is_err() {
            return false;
        }
        let [tag, number @ ..] = message;
        let number = i32::from_le_bytes(number);
        if tag != SIGNAL || !(1..=HIGHEST).contains(&number) {
            return false;
        }
        // The kernel delivers to a group one process after the other: look again.
        self.collect(arrivals);
        if !self.own.remove(&number) || !self.joined {
            signals::send(self.program, number);
        }
        true
    }

    /// What has become of the program; its status once it has ended.
    fn look(&self, wire: &Wire<'_>) -> Option<i32> {
        loop {
            match process::next_change() {
                Ok(Some(Change::Exited(pid, status))) if pid == self.program => {
                    wire.say(&News::Exited(status));
                    return Some(status);
                }
                Ok(Some(Change::Signaled(pid, signal))) if pid == self.program => {
                    wire.say(&News::Signaled(signal));
                    return Some(128 + signal);
                }
                Ok(Some(Change::Stopped(pid, signal))) if pid == self.program => {
                    wire.say(&News::Stopped(signal as i32));
                }
                Ok(Some(_)) | Err(Errno::EINTR) => {}
                Ok(None) => return None,
                Err(_) => return Some(crate::exit::REFUSED),
            }
        }
    }
}

/// The host's own directory that a directory of the inside is, with its path. The inside's has the sandbox's mounts around
/// it: what is read-only or hidden there would be so for the program outside.
fn host_directory(inside: &OwnedFd) -> Result<(PathBuf, OwnedFd), String> {
    let path = stranger::path_of(inside).map_err(|e| format!("its working directory: {}", e.desc()))?;
    let shown = crate::system::visible::visible(path.as_os_str().as_bytes());
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let directory = openat2(AT_FDCWD, &path, how)
        .map_err(|e| format!("its working directory '{shown}' is not there outside ({})", e.desc()))?;
    let same = descriptors::identity(inside.as_raw_fd()) == descriptors::identity(directory.as_raw_fd());
    same.then_some((path, directory))
        .ok_or_else(|| format!("its working directory '{shown}' is another one outside"))
}

/// What differs from what was given.
fn changed(environment: &[Vec<u8>], given: &[CString]) -> Vec<(OsString, OsString)> {
    let given: HashSet<&[u8]> = given.iter().map(|entry| entry.as_bytes()).collect();
    let mut all: Vec<(OsString, OsString)> = Vec::new();
    for entry in environment.iter().filter(|entry| !given.contains(entry.as_slice())) {
        let Some(end) = entry.iter().position(|&byte| byte == b'=').filter(|&end| end > 0) else { continue };
        let (name, value) = entry.split_at(end);
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        // The first of two counts, as for getenv(3).
        if !all.iter().any(|(there, _)| there.as_bytes() == name) {
            all.push((text(name), text(value.get(1..).unwrap_or_default())));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_and_the_first_of_two_counts() {
        let given = [c"A=1".into(), c"B=2".into()];
        let environment = ["A=1", "B=3", "B=4", "C=", "=x", "nothing"].map(|e| e.as_bytes().to_vec());
        let all = changed(&environment, &given);
        assert_eq!(all, [("B".into(), "3".into()), ("C".into(), "".into())]);
    }

    #[test]
    fn a_directory_is_the_hosts_own_or_none() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().canonicalize().unwrap().join("d");
        std::fs::create_dir(&path).unwrap();
        let open = || OwnedFd::from(std::fs::File::open(&path).unwrap());
        assert_eq!(host_directory(&open()).unwrap().0, path);
        let before = open();
        std::fs::remove_dir(&path).unwrap();
        assert!(host_directory(&before).is_err());
        std::fs::create_dir(&path).unwrap();
        std::os::unix::fs::symlink("/etc", top.path().join("l")).unwrap();
        assert!(host_directory(&before).is_err());
    }
}
