//! Processes that hold an end of a pipe, wherever they are: for what its maker left behind. Owns finding and killing them;
//! decides nothing.

use super::descent;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};

/// Kills those that hold an end of this pipe, but for this process and some others.
pub fn end(pipe: &impl AsFd, spared: &[Pid]) {
    let name = fs::read_link(format!("/proc/self/fd/{}", pipe.as_fd().as_raw_fd()));
    let Ok(name) = name else { return };
    let spared = |process: &Pid| *process == nix::unistd::getpid() || spared.contains(process);
    let others = descent::processes().into_iter().filter(|process| !spared(process));
    for process in others.filter(|process| descent::open_files(*process).any(|other| other == name)) {
        let _ = kill(process, Signal::SIGKILL);
    }
}
