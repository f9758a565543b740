//! How much memory the processes of one running command hold, the command itself left out.

use super::turns::Case;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One process of ours.
pub struct Held {
    pub name: String,
    pub resident: u64,
    /// What it shares counted in parts; the kernel tells only those who may trace the process.
    pub proportional: Option<u64>,
}

/// Starts the case, whose shell must stay for some seconds, and looks at the processes around that shell.
pub fn measure(case: &Case) -> Result<Vec<Held>, String> {
    let front = case.start()?;
    let ours = settled(front);
    let held = ours.iter().filter_map(|&id| look(id)).collect();
    let _ = kill(front, Signal::SIGTERM);
    let _ = waitpid(front, None);
    Ok(held)
}

/// The front, its children (bubblewrap and the caretaker) and bubblewrap's child, as soon as that one has a child:
/// the shell.
fn settled(front: Pid) -> Vec<i32> {
    let deadline = Instant::now() + Duration::from_secs(4);
    loop {
        let children = children_of(&[front.as_raw()]);
        let inside = children_of(&children);
        if !children_of(&inside).is_empty() || Instant::now() > deadline {
            // The caretaker, forked meanwhile, gets to where it waits.
            sleep(Duration::from_millis(300));
            let children = children_of(&[front.as_raw()]);
            let inside = children_of(&children);
            return [vec![front.as_raw()], children, inside].concat();
        }
        sleep(Duration::from_millis(5));
    }
}

fn children_of(parents: &[i32]) -> Vec<i32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter(|&id| {
            value(id, "status", "PPid:").is_some_and(|p| parents.iter().any(|&q| i64::from(q) == p as i64))
        })
        .collect()
}

fn look(id: i32) -> Option<Held> {
    Some(Held {
        name: fs::read_to_string(format!("/proc/{id}/comm")).ok()?.trim().into(),
        resident: value(id, "smaps_rollup", "Rss:").or_else(|| value(id, "status", "VmRSS:"))?,
        proportional: value(id, "smaps_rollup", "Pss:"),
    })
}

fn value(id: i32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
