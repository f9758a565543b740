//! bubblewrap, started and waiting for its arguments.
//!
//! Owns the early start: a program's own start-up costs as much as reading the settings and planning, so both go on
//! side by side. Nothing is decided by it: without arguments bubblewrap does nothing, and one that is not wanted is
//! killed before its pipe is closed, because an end of file there would mean "no arguments".
//!
//! The process that becomes bubblewrap first enters the sandbox's network namespace: so no process of the sandbox ever
//! has capabilities in the namespace that owns the network. It enters and executes while this process stands still; what
//! else the network needs is done from outside while bubblewrap works.

use super::{FIRST_INSIDE, RunError};
use crate::network::setup::{Entrances, Namespace};
use crate::system::{descriptors, process, signals};
use nix::unistd::Pid;
use std::ffi::{CString, OsString};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A started bubblewrap with all that it inherited.
#[derive(Debug)]
pub struct Waiting {
    /// Which bubblewrap.
    pub path: PathBuf,
    /// The numbers above 2 that the caller had open.
    pub extras: Vec<i32>,
    /// Where copies of the standard descriptors stand in it; `None`: closed.
    pub carried: [Option<i32>; 3],
    /// The number of `/dev/null` in it, for the marker.
    pub marker: i32,
    /// The number to keep open as long as anything lives inside.
    pub alive_inside: i32,
    /// The number of the other end of `link` in it.
    pub link_inside: i32,
    ends: Option<Ends>,
}

/// Our ends of what joins us.
#[derive(Debug)]
pub struct Ends {
    /// Where the entrances come from if the first process inside has to make them, and the gatekeeper's descriptors.
    pub link: UnixStream,
    /// The process.
    pub child: Pid,
    /// To the first process inside.
    pub channel: UnixStream,
    /// Ends when nothing lives inside any more.
    pub alive: OwnedFd,
    /// What bubblewrap says.
    pub complaints: OwnedFd,
    arguments: Option<OwnedFd>,
    network: Result<Namespace, String>,
}

impl Ends {
    /// Makes the network ready that bubblewrap was started in; once.
    ///
    /// # Errors
    /// Why there are no entrances: then the first process inside has to make what it can.
    pub fn entrances(&mut self) -> Result<Entrances, String> {
        std::mem::replace(&mut self.network, Err("it was made ready already".into()))?.furnish()
    }
}

impl Waiting {
    /// Starts it. `closed` are the standard descriptors that the caller had closed.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn start(path: &Path, closed: &[i32]) -> Result<Waiting, RunError> {
        // Listed before anything is opened here.
        let extras = descriptors::above_standard().map_err(RunError::system("list the open descriptors"))?;
        let extras = extras.into_iter().filter(|&n| !descriptors::is_close_on_exec(n)).collect();
        let (channel, theirs) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
        let (alive, alive_inside) = pipe()?;
        let (complaints, complaints_inside) = pipe()?;
        let (arguments_inside, arguments) = pipe()?;
        let (link, far) = UnixStream::pair().map_err(RunError::system("make a socket pair"))?;
        let binary = open("/proc/self/exe")?;
        let marker = open("/dev/null")?;
        let mut copies = Vec::new();
        let mut carried = [None; 3];
        for (number, place) in (0..).zip(&mut carried) {
            if !closed.contains(&number) {
                let copy =
                    descriptors::duplicate(number, 10).map_err(RunError::system("copy a descriptor"))?;
                *place = Some(copy.as_raw_fd());
                copies.push(copy);
            }
        }
        let far = OwnedFd::from(far);
        let handed = [&alive_inside, &arguments_inside, &binary, &marker, &far];
        let handed = handed.into_iter().chain(&copies).map(AsRawFd::as_raw_fd);
        handed.chain([theirs.as_raw_fd()]).for_each(|number| descriptors::set_inherited(number, true));
        let command = [
            CString::from(c"bwrap"),
            CString::from(c"--args"),
            text(&arguments_inside.as_raw_fd().to_string()),
            text(&format!("/proc/self/fd/{}", binary.as_raw_fd())),
            text(FIRST_INSIDE),
            text(&theirs.as_raw_fd().to_string()),
        ];
        let file = CString::new(path.as_os_str().as_bytes()).map_err(RunError::system("start bubblewrap"))?;
        let standard = process::Standard { error: complaints_inside.as_raw_fd() };
        let (child, network) = process::spawn_masked(&file, &command, standard, Namespace::enter)
            .map_err(RunError::system("start bubblewrap"))?;
        let network = network.unwrap_or_else(|| Err("the process that prepares it ended".into()));
        Ok(Waiting {
            path: path.into(),
            extras,
            carried,
            marker: marker.as_raw_fd(),
            alive_inside: alive_inside.as_raw_fd(),
            link_inside: far.as_raw_fd(),
            ends: Some(Ends { link, child, channel, alive, complaints, arguments: Some(arguments), network }),
        })
    }

    /// Whether bubblewrap was started in the sandbox's network; if not, it has to make an empty one.
    pub fn has_network(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| ends.network.is_ok())
    }

    /// Hands over the arguments. From here on bubblewrap works beside us; a failure of it shows as the channel's end.
    pub fn go(mut self, arguments: &[OsString]) -> Option<Ends> {
        let mut ends = self.ends.take()?;
        // Each argument is ended by a NUL (bwrap(1), --args).
        let bytes: Vec<u8> = arguments.iter().flat_map(|a| a.as_bytes().iter().copied().chain([0])).collect();
        if let Some(to) = ends.arguments.take() {
            let _ = std::fs::File::from(to).write_all(&bytes);
        }
        Some(ends)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ends) = &self.ends {
            signals::send(ends.child, libc::SIGKILL);
            process::reap(ends.child);
        }
    }
}

fn open(path: &str) -> Result<OwnedFd, RunError> {
    std::fs::File::open(path).map(OwnedFd::from).map_err(RunError::system("open what bubblewrap is given"))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), RunError> {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(RunError::system("make a pipe"))
}

fn text(text: &str) -> CString {
    // None of ours contains a NUL.
    CString::new(text).unwrap_or_default()
}
