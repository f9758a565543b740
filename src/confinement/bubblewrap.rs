//! What bubblewrap is told: its arguments, from the plan. Pure.
//!
//! The arguments go to bubblewrap through a descriptor (`--args`), so their length has no limit and nothing of them
//! shows in a process list.

use super::fittings::Fittings;
use super::plan::{Mount, Plan};
use crate::policy::Access;
use crate::system::inside::MARKER;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What bubblewrap has and needs beside plan and fittings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// A descriptor of `/dev/null`: the marker's content.
    pub marker_content: i32,
    /// It is started in the sandbox's network namespace and must make none.
    pub network_is_made: bool,
}

/// The arguments as bubblewrap reads them: each is ended by a NUL (bwrap(1), `--args`).
pub fn as_bytes(arguments: &[OsString]) -> Vec<u8> {
    arguments.iter().flat_map(|argument| argument.as_bytes().iter().copied().chain([0])).collect()
}

/// The arguments up to, but without, the command.
pub fn arguments(plan: &Plan, fittings: &Fittings, start: Start) -> Vec<OsString> {
    let mut all = Arguments::default();
    all.words(&[
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        // For root too: bubblewrap leaves root its capabilities unless told.
        "--cap-drop",
        "ALL",
        // Our helper is the first process inside, so bubblewrap needs no reaper of its own.
        "--as-pid-1",
    ]);
    if !start.network_is_made {
        all.words(&["--unshare-net"]);
    }
    let root = if plan.root_access == Access::Write { "--bind" } else { "--ro-bind" };
    all.words(&[root, "/", "/", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]);
    let content = start.marker_content.to_string();
    if let Some(terminal) = &fittings.terminal {
        all.bind("--dev-bind", terminal, Path::new("/dev/console"));
    }
    all.words(&["--ro-bind-data", &content, MARKER]);
    for cover in &fittings.covers {
        all.bind("--ro-bind", &cover.file, &cover.kept);
    }
    all.words(&["--remount-ro", "/dev"]);
    if fittings.own_processes {
        all.words(&["--proc", "/proc"]);
    }
    for path in &fittings.kernel_files {
        all.bind("--ro-bind", path, path);
    }
    for path in &fittings.misread {
        all.bind("--ro-bind", &fittings.blind_directory, path);
    }
    for mount in &plan.mounts {
        match mount {
            Mount::Writable(path) => all.bind("--bind", path, path),
            Mount::ReadOnly(path) => all.bind("--ro-bind", path, path),
            Mount::HiddenDirectory(path) => all.bind("--ro-bind", &fittings.blind_directory, path),
            Mount::HiddenFile(path) => all.bind("--ro-bind", &fittings.blind_file, path),
            Mount::Hollow(path) => {
                all.words(&["--perms", "0111", "--tmpfs"]);
                all.0.push(path.into());
            }
            Mount::Passage(path) => {
                all.words(&["--perms", "0111", "--dir"]);
                all.0.push(path.into());
            }
            Mount::Seal(path) => {
                all.words(&["--remount-ro"]);
                all.0.push(path.into());
            }
        }
    }
    for cover in &fittings.covers {
        all.bind("--ro-bind", &cover.by, &cover.file);
    }
    all.0
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn bind(&mut self, kind: &str, source: &Path, target: &Path) {
        self.0.extend([OsStr::new(kind), source.as_os_str(), target.as_os_str()].map(OsStr::to_os_string));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confinement::fittings::Cover;
    use crate::confinement::plan::{Place, Places, plan};

    #[test]
    fn the_whole_argument_list_for_a_small_project() {
        let at = |path: &str, directory| Place { path: path.into(), directory };
        let places = Places {
            writable: vec![at("/w", true), at("/tmp/t", true)],
            write_denied: vec![at("/w/.git/config", false), at("/w/.git/hooks", true)],
            read_denied: vec![at("/home/u/.ssh", true), at("/home/u/.netrc", false), at("/v", true)],
            read_allowed: vec![at("/v/a/open", true)],
            guards: Vec::new(),
        };
        let fittings = Fittings {
            blind_directory: "/b/d".into(),
            blind_file: "/b/f".into(),
            own_processes: true,
            kernel_files: vec!["/proc/sys".into()],
            misread: vec!["/etc/ssh/ssh_config.d".into()],
            terminal: None,
            covers: vec![Cover {
                file: "/usr/bin/x".into(),
                kept: "/dev/k/x".into(),
                by: "/bin/sbsh".into(),
            }],
            layers: Vec::new(),
        };
        let start = Start { marker_content: 9, network_is_made: false };
        let words: Vec<String> = arguments(&plan(&places), &fittings, start)
            .iter()
            .map(|a| a.to_string_lossy().into_owned())
            .collect();
        let text = words.join(" ").replace(" --", "\n--");
        insta::assert_snapshot!(text, @r"
        --unshare-user
        --unshare-pid
        --unshare-ipc
        --unshare-uts
        --unshare-cgroup-try
        --cap-drop ALL
        --as-pid-1
        --unshare-net
        --ro-bind / /
        --dev /dev
        --perms 1777
        --tmpfs /dev/shm
        --ro-bind-data 9 /dev/.sbsh
        --ro-bind /usr/bin/x /dev/k/x
        --remount-ro /dev
        --proc /proc
        --ro-bind /proc/sys /proc/sys
        --ro-bind /b/d /etc/ssh/ssh_config.d
        --ro-bind /b/f /home/u/.netrc
        --ro-bind /b/d /home/u/.ssh
        --bind /tmp/t /tmp/t
        --perms 0111
        --tmpfs /v
        --perms 0111
        --dir /v/a
        --ro-bind /v/a/open /v/a/open
        --bind /w /w
        --bind /w/.git /w/.git
        --ro-bind /w/.git/config /w/.git/config
        --ro-bind /w/.git/hooks /w/.git/hooks
        --remount-ro /v
        --ro-bind /bin/sbsh /usr/bin/x
        ");
    }
}
