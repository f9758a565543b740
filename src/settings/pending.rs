//! Hosts that were refused because nobody could be asked, kept until a setting allows them.
//!
//! Owns `pending.jsonl` in the state directory: one JSON object a line, at most 200, each host and port once for each
//! project. Must decide nothing: what stands here allows nothing and is only shown.

use crate::system::private;
use crate::system::store::{Directory, Lock};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "pending.jsonl";
const LIMIT: u64 = 4 << 20;
const MOST: usize = 200;
const LONGEST_COMMAND: usize = 500;

/// One refused connection. Every text may hold any characters: escape it when printing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// When, in seconds since 1970.
    pub time: u64,
    /// The host, normalised.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The beginning of the command text.
    pub command: String,
    /// Where it ran.
    pub cwd: PathBuf,
    /// The project, if there is one.
    pub project: Option<PathBuf>,
    /// Why nobody answered.
    pub why: String,
}

impl Pending {
    fn is_same(&self, other: &Pending) -> bool {
        self.host == other.host && self.port == other.port && self.project == other.project
    }
}

/// Keeps one; the newest of the same host, port and project, and the newest 200.
///
/// # Errors
/// When the list cannot be written.
pub fn record(state_dir: &Path, pending: &Pending) -> io::Result<()> {
    private::directories(state_dir, 0o700)?;
    let mut pending = pending.clone();
    pending.command = pending.command.chars().take(LONGEST_COMMAND).collect();
    // JSON holds no other names; it is only shown.
    pending.cwd = pending.cwd.to_string_lossy().into_owned().into();
    pending.project = pending.project.map(|project| project.to_string_lossy().into_owned().into());
    change(state_dir, |directory, lock, mut all| {
        let known = all.iter().any(|old| old.is_same(&pending));
        if !known && all.len() < MOST {
            return directory.append(OsStr::new(FILE), line(&pending)?.as_bytes(), 0o600, lock);
        }
        all.retain(|old| !old.is_same(&pending));
        all.push(pending);
        let old = all.len().saturating_sub(MOST);
        put(directory, all.get(old..).unwrap_or_default(), lock)
    })
}

/// All, oldest first. What cannot be understood is passed over.
///
/// # Errors
/// When there is a list that cannot be read.
pub fn list(state_dir: &Path) -> io::Result<Vec<Pending>> {
    match open(state_dir)? {
        Some(directory) => read(&directory),
        None => Ok(Vec::new()),
    }
}

/// Takes away what is settled; says how many went.
///
/// # Errors
/// When the list cannot be written.
pub fn settle(state_dir: &Path, settled: impl Fn(&Pending) -> bool) -> io::Result<usize> {
    remove(state_dir, settled)
}

/// Takes everything away; says how many went.
///
/// # Errors
/// When the list cannot be written.
pub fn clear(state_dir: &Path) -> io::Result<usize> {
    remove(state_dir, |_| true)
}

fn remove(state_dir: &Path, gone: impl Fn(&Pending) -> bool) -> io::Result<usize> {
    change(state_dir, |directory, lock, mut all| {
        let before = all.len();
        all.retain(|pending| !gone(pending));
        let count = before - all.len();
        if count > 0 {
            put(directory, &all, lock)?;
        }
        Ok(count)
    })
}

/// Works on the list as it is on disk now; nothing is done where there is no state directory.
fn change<T: Default>(
    state_dir: &Path,
    work: impl FnOnce(&Directory, &Lock, Vec<Pending>) -> io::Result<T>,
) -> io::Result<T> {
    let Some(directory) = open(state_dir)? else { return Ok(T::default()) };
    let lock = directory.lock()?;
    let all = read(&directory)?;
    work(&directory, &lock, all)
}

fn open(state_dir: &Path) -> io::Result<Option<Directory>> {
    match Directory::open(state_dir) {
        Ok(directory) => directory.check_private().map(|()| Some(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(directory: &Directory) -> io::Result<Vec<Pending>> {
    let Some(stored) = directory.read(OsStr::new(FILE), LIMIT)? else { return Ok(Vec::new()) };
    stored.check_private()?;
    let lines = stored.content.split(|&byte| byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn put(directory: &Directory, all: &[Pending], lock: &Lock) -> io::Result<()> {
    let text = all.iter().map(line).collect::<io::Result<String>>()?;
    directory.put(OsStr::new(FILE), text.as_bytes(), 0o600, lock)
}

fn line(pending: &Pending) -> io::Result<String> {
    Ok(serde_json::to_string(pending)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn pending(host: &str, port: u16, time: u64) -> Pending {
        Pending {
            time,
            host: host.to_owned(),
            port,
            command: "npm i\n".to_owned(),
            cwd: "/w/sub".into(),
            project: Some("/w".into()),
            why: "nobody could be asked".to_owned(),
        }
    }

    fn hosts(state: &Path) -> Vec<String> {
        list(state).unwrap().into_iter().map(|p| format!("{}:{} {}", p.host, p.port, p.time)).collect()
    }

    #[test]
    fn the_newest_of_each_host_and_port_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("a/state");
        assert!(hosts(&state).is_empty() && !state.exists());
        for (host, port, time) in [("a.com", 443, 1), ("b.com", 443, 2), ("a.com", 80, 3), ("a.com", 443, 4)]
        {
            record(&state, &pending(host, port, time)).unwrap();
        }
        assert_eq!(hosts(&state), ["b.com:443 2", "a.com:80 3", "a.com:443 4"]);
        assert_eq!(list(&state).unwrap()[0], pending("b.com", 443, 2));
        let elsewhere = Pending { project: None, ..pending("b.com", 443, 5) };
        record(&state, &elsewhere).unwrap();
        assert_eq!(hosts(&state).len(), 4);
        assert_eq!(state.join(FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn it_stays_short() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..=MOST {
            let mut long = pending(&format!("h{number}"), 1, 0);
            long.command = "é".repeat(10_000);
            record(place.path(), &long).unwrap();
        }
        let all = list(place.path()).unwrap();
        assert_eq!((all.len(), all[0].host.as_str()), (MOST, "h1"));
        assert_eq!(all[0].command.chars().count(), LONGEST_COMMAND);
    }

    #[test]
    fn what_is_settled_goes() {
        let place = tempfile::tempdir().unwrap();
        for host in ["a.com", "b.com"] {
            record(place.path(), &pending(host, 443, 1)).unwrap();
        }
        assert_eq!(settle(place.path(), |pending| pending.port == 80).unwrap(), 0);
        assert_eq!(settle(place.path(), |pending| pending.host == "a.com").unwrap(), 1);
        assert_eq!(hosts(place.path()), ["b.com:443 1"]);
        assert_eq!(clear(place.path()).unwrap(), 1);
        assert_eq!(clear(&place.path().join("none")).unwrap(), 0);
    }

    #[test]
    fn broken_lines_are_passed_over_and_strangers_files_are_not_read() {
        let place = tempfile::tempdir().unwrap();
        record(place.path(), &pending("a.com", 443, 1)).unwrap();
        let file = place.path().join(FILE);
        let text = format!("{{\nnull\n{}half", std::fs::read_to_string(&file).unwrap());
        std::fs::write(&file, text).unwrap();
        assert_eq!(hosts(place.path()), ["a.com:443 1"]);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o622)).unwrap();
        assert!(list(place.path()).is_err() && record(place.path(), &pending("b", 1, 1)).is_err());
    }
}
