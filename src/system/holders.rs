//! Processes that hold an end of a pipe, wherever they are: for what its maker left behind. Owns finding and killing them;
//! decides nothing.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};

/// Kills those that hold an end of this pipe, but for this process and some others.
pub fn end(pipe: &impl AsFd, spared: &[Pid]) {
    let name = fs::read_link(format!("/proc/self/fd/{}", pipe.as_fd().as_raw_fd()));
    let Ok(name) = name else { return };
    let holds = |process: &Pid| {
        let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        open.into_iter().any(|one| fs::read_link(one.path()).is_ok_and(|other| other == name))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    let others = all.filter(|process| *process != nix::unistd::getpid() && !spared.contains(process));
    for process in others.filter(holds) {
        let _ = kill(process, Signal::SIGKILL);
    }
}
