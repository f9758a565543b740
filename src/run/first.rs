//! The first process inside: process 1 of the sandbox's process namespace.
//!
//! Owns putting descriptors, directory and signals back as the caller had them, installing the seccomp filter,
//! starting the inner shell, delivering signals, and staying as long as anything that the shell started lives. It
//! runs before any code that is not ours and hides itself from what comes after.
//!
//! Signals: this process is in the caller's process group and has everything blocked. What the front received and
//! this process received too went to the whole group, so the shell has it already; what only the front received is
//! delivered here; and so is what went to the group when the shell has left it. So a signal never arrives twice and
//! never fails to arrive.

use super::anew;
use super::channel::{self, News, Order};
use super::record::{Held, Passed, Record};
use crate::confinement::seccomp::{self, Watched};
use crate::exit;
use crate::network::setup;
use crate::system::landlock::Ruleset;
use crate::system::process::Change;
use crate::system::{
    descent, descriptors, inside, notify, process, seccomp as install, signals, sockets, unix_diag,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What goes over the link with the gatekeeper's descriptors.
pub const GATE: &[u8] = b"g";
/// What goes over it where there is no gatekeeper to be.
const NO_GATE: &[u8] = b"n";

/// Runs as the first process inside; `channel` is the number of the inherited socket, and `domain` what it puts the shell
/// under. Returns only when everything is over.
pub fn main(channel: i32, domain: Option<&Ruleset>) -> i32 {
    inside::hide_from_others();
    // bubblewrap unblocks SIGCHLD before it executes us; what the caller had is in the record.
    if signals::block_all().is_err() {
        return exit::REFUSED;
    }
    let Some(channel) = descriptors::own(channel) else { return exit::USAGE };
    descriptors::set_inherited(channel.as_raw_fd(), false);
    let channel = UnixStream::from(channel);
    let Ok(mut record) = Record::receive(&channel) else { return exit::REFUSED };
    descriptors::set_inherited(record.alive, false);
    descriptors::set_inherited(record.link, false);
    match start(&mut record, &channel, domain) {
        Ok(shell) => {
            keep(&record, &channel);
            let _ = channel::send_news(&channel, &News::Started);
            attend(shell, &record, &channel)
        }
        Err(text) => {
            let _ = channel::send_news(&channel, &News::Failed(text));
            exit::REFUSED
        }
    }
}

/// Opens what is opened anew, then starts the shell.
fn start(record: &mut Record, channel: &UnixStream, domain: Option<&Ruleset>) -> Result<Pid, String> {
    if record.makes_doors {
        // bubblewrap brought up `lo`; without capabilities these listeners are all that can be had.
        match setup::explicit() {
            Ok(entrances) => drop(entrances.send(record.link)),
            Err(error) => setup::say_why_not(record.link, error.desc()),
        }
    }
    record.held.iter().try_for_each(verify)?;
    // In place before the fork, so that this process can tell the final positions.
    anew::place(&mut record.passed)?;
    let record = &*record;
    let shell = process::spawn(|| {
        let (text, status) = become_shell(record, channel.as_raw_fd(), domain);
        complain(&text);
        status
    });
    shell.map_err(|why| format!("cannot start the shell: {}", process::no_more(why)))
}

/// Whether a mount is where it belongs. From here on nobody can move it: what is a mount here cannot be renamed by
/// anything inside.
fn verify(held: &Held) -> Result<(), String> {
    let path = Path::new(&held.path);
    let refuse =
        |why: &str| Err(format!("'{}' {why} while the sandbox was built; try again", path.display()));
    match inside::look(path) {
        Ok(found) if !found.mounted || held.shows.is_some_and(|shows| shows != found.identity) => {
            refuse("was replaced")
        }
        Ok(_) => Ok(()),
        Err(Errno::EACCES) if held.remote => Ok(()),
        Err(error) => refuse(&format!("changed ({})", error.desc())),
    }
}

/// In the child: everything as the caller had it, then the shell. Returns only on failure, with the text and the
/// status.
fn become_shell(record: &Record, channel: i32, domain: Option<&Ruleset>) -> (String, i32) {
    let refused = |text: String| (text, exit::REFUSED);
    enter_directory(record);
    for passed in &record.passed {
        if let Passed::As { number, carried } = passed
            && let Err(error) = descriptors::put(*carried, *number)
        {
            return refused(format!("cannot place descriptor {number}: {error}"));
        }
    }
    let mut kept: Vec<i32> = record
        .passed
        .iter()
        .filter_map(|p| match p {
            Passed::As { number, .. } | Passed::Anew { number, .. } => Some(*number),
            Passed::Closed { .. } => None,
        })
        .collect();
    debug_assert!(!kept.contains(&channel) && !kept.contains(&record.link));
    kept.push(record.link);
    kept.extend(domain.map(Ruleset::number));
    kept.sort_unstable();
    kept.dedup();
    descriptors::close_all_but(&kept);
    // The first process stays outside it, so that nothing inside can signal that.
    if let Some(domain) = domain {
        if let Err(error) = domain.enter() {
            return refused(format!("cannot enter the Landlock domain: {error}"));
        }
        descriptors::close(domain.number());
    }
    // The last thing before the shell's own code.
    if let Err(error) = enter_filter(record) {
        return refused(format!("cannot install the seccomp filter: {error}"));
    }
    signals::restore(record.signals);
    let error = process::exec(&record.shell, &record.arguments, &record.environment);
    let status = if error == Errno::ENOENT { exit::NOT_FOUND } else { exit::REFUSED };
    let shell = Path::new(OsStr::from_bytes(record.shell.as_bytes())).display().to_string();
    (format!("cannot start '{shell}': {}", error.desc()), status)
}

/// Puts this process under the filter and hands the gatekeeper its descriptors: where calls come in, and through which
/// the namespace's Unix sockets are listed. Where there can be no gatekeeper the stricter filter is taken.
fn enter_filter(record: &Record) -> nix::Result<()> {
    let watched = record.filter.watched != Watched::Nothing;
    // What is not there cannot be asked: then no Unix socket counts as one of the inside.
    let list = watched.then(|| unix_diag::open().ok()).flatten();
    if watched && let Ok(calls) = notify::install(&seccomp::program(record.filter)) {
        let numbers: Vec<i32> = std::iter::once(calls).chain(list.as_ref().map(AsRawFd::as_raw_fd)).collect();
        // From here on calls wait; nobody who could answer means that they fail.
        let sent = sockets::send_with_descriptors(record.link, GATE, &numbers);
        [calls, record.link].into_iter().for_each(descriptors::close);
        return sent;
    }
    let _ = sockets::send_with_descriptors(record.link, NO_GATE, &[]);
    descriptors::close(record.link);
    install::install(&seccomp::program(seccomp::Options { watched: Watched::Nothing, ..record.filter }))
}

/// Goes to the caller's directory. Where that is gone, into one that is gone too; where it cannot be entered, into
/// one that cannot be read: so that the shell behaves as it would have there, and writes nowhere.
fn enter_directory(record: &Record) {
    if let Some(directory) = &record.directory
        && std::env::set_current_dir(directory).is_ok()
    {
        return;
    }
    let stand_in = Path::new(&record.scratch).join(format!("gone-{}", std::process::id()));
    let entered = std::fs::create_dir(&stand_in).is_ok() && std::env::set_current_dir(&stand_in).is_ok();
    let _ = std::fs::remove_dir(&stand_in);
    if !entered {
        let _ = std::env::set_current_dir("/");
    }
}

/// From the child, after its descriptors are in place: the caller's standard error is descriptor 2, if it has one.
fn complain(text: &str) {
    let message = format!("sbsh: {text}\n");
    let _ = nix::unistd::write(descriptors::borrow(2), message.as_bytes());
}

/// Closes everything but the channel, the sign of life, and files whose positions are to be told.
fn keep(record: &Record, channel: &UnixStream) {
    let mut kept = vec![channel.as_raw_fd(), record.alive];
    kept.extend(record.passed.iter().filter_map(|p| match p {
        Passed::Anew { number, directory: false, .. } => Some(*number),
        _ => None,
    }));
    kept.sort_unstable();
    kept.dedup();
    descriptors::close_all_but(&kept);
}

/// Attends to the shell until it and everything that it started is gone.
fn attend(shell: Pid, record: &Record, channel: &UnixStream) -> i32 {
    let Ok(arrivals) = signals::Arrivals::new() else { return exit::REFUSED };
    let mut household = Household { shell, ended: false, own: HashSet::new(), frozen: None };
    // Whether the front still speaks; once the shell has ended it need not.
    let mut spoken_to = true;
    loop {
        match household.reap(record, channel) {
            Life::Over => return 0,
            Life::GoesOn => {}
        }
        let mut events = vec![PollFd::new(arrivals.descriptor(), PollFlags::POLLIN)];
        if spoken_to {
            events.push(PollFd::new(channel.as_fd(), PollFlags::POLLIN));
        }
        if poll(&mut events, PollTimeout::NONE).is_err() {
            continue;
        }
        let orders = events.get(1).and_then(PollFd::any).unwrap_or(false);
        household.collect(&arrivals);
        if orders {
            match channel::receive_order(channel) {
                // The terminal is gone, and the shell ended without hanging its jobs up.
                Ok(Some(Order::Signal(number))) if household.ended => {
                    Signal::try_from(number).into_iter().for_each(descent::signal_session);
                }
                Ok(None) | Err(_) if household.ended => spoken_to = false,
                Ok(Some(Order::Signal(number))) => {
                    // The kernel delivers to a group one process after the other: look again.
                    household.collect(&arrivals);
                    if !household.own.remove(&number) || !household.shares_group() {
                        signals::send(shell, number);
                    }
                }
                Ok(Some(Order::Freeze)) => {
                    // Asked twice, what was stopped before the first time still counts.
                    household.frozen.get_or_insert_with(descent::stop_all);
                    let _ = channel::send_news(channel, &News::Frozen);
                }
                Ok(Some(Order::Thaw)) => {
                    // What has changed by the freezing is no news.
                    let _ = household.reap(record, channel);
                    household.frozen.take().iter().for_each(descent::continue_stopped);
                    let _ = channel::send_news(channel, &News::Thawed);
                }
                // The front was killed, and that ends everything. The sweep begins when this process lets go of its
                // sign of life, so nothing may be left by then that could still write.
                Ok(None) | Err(_) => {
                    descent::end_all();
                    return 128 + libc::SIGKILL;
                }
            }
        }
    }
}

enum Life {
    GoesOn,
    Over,
}

struct Household {
    shell: Pid,
    ended: bool,
    /// Signals that this process itself received: the whole group did.
    own: HashSet<i32>,
    /// Everything inside is stopped for a question.
    frozen: Option<descent::Stopped>,
}

impl Household {
    /// Whether the shell still is where the caller put it; with job control it is in a group of its own.
    fn shares_group(&self) -> bool {
        nix::unistd::getpgid(Some(self.shell)) == nix::unistd::getpgid(None)
    }

    fn collect(&mut self, arrivals: &signals::Arrivals) {
        while let Some(number) = arrivals.next() {
            if number != libc::SIGCHLD {
                self.own.insert(number);
            }
        }
    }

    fn reap(&mut self, record: &Record, channel: &UnixStream) -> Life {
        let mut ending = None;
        let alone = loop {
            match process::next_change() {
                Ok(Some(Change::Exited(pid, code))) if pid == self.shell => ending = Some((false, code)),
                Ok(Some(Change::Signaled(pid, signal))) if pid == self.shell => ending = Some((true, signal)),
                Ok(Some(Change::Stopped(pid, signal)))
                    if pid == self.shell && (self.frozen.is_none() || signal != Signal::SIGSTOP) =>
                {
                    let _ = channel::send_news(channel, &News::Stopped(signal as i32));
                }
                Ok(Some(_)) | Err(Errno::EINTR) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        if let Some((signaled, code)) = ending {
            self.ended = true;
            let positions = positions(record);
            let _ = channel::send_news(channel, &News::Ended { signaled, code, jobs: !alone, positions });
            // Its own end takes the kernel longer than what the front does now, and both may be on one processor.
            process::give_way();
            // Jobs that live on must not hold the caller's files through this process.
            for passed in &record.passed {
                if let Passed::Anew { number, directory: false, .. } = passed {
                    descriptors::close(*number);
                }
            }
        }
        if alone { Life::Over } else { Life::GoesOn }
    }
}

fn positions(record: &Record) -> Vec<(i32, i64)> {
    record
        .passed
        .iter()
        .filter_map(|p| match p {
            Passed::Anew { number, directory: false, .. } => Some((*number, descriptors::position(*number)?)),
            _ => None,
        })
        .collect()
}
