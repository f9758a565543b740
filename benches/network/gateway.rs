//! Which process is the gateway, and how much memory it holds. Knows of it only what /proc shows.

use std::fs;

/// A process and what it holds.
#[derive(Debug)]
pub struct Held {
    /// Sockets that it has open.
    pub sockets: usize,
    /// KiB that are resident.
    pub resident: u64,
    /// KiB, with what is shared counted in parts; the kernel tells only those who may trace the process.
    pub proportional: Option<u64>,
}

/// The descendant of a process that holds most sockets, but for the named program: that is the client inside.
pub fn find(front: u32, but: &str) -> Option<Held> {
    let mut family = vec![front];
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|id: u32| Some((id, u32::try_from(value(id, "status", "PPid:")?).ok()?)))
        .collect();
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        at += 1;
    }
    let other = |id: &u32| fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| !exe.ends_with(but));
    let most = family.into_iter().filter(other).max_by_key(|&id| sockets(id))?;
    Some(Held {
        sockets: sockets(most),
        resident: value(most, "smaps_rollup", "Rss:").or_else(|| value(most, "status", "VmRSS:"))?,
        proportional: value(most, "smaps_rollup", "Pss:"),
    })
}

fn sockets(id: u32) -> usize {
    let Ok(all) = fs::read_dir(format!("/proc/{id}/fd")) else { return 0 };
    let targets = all.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

fn value(id: u32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
