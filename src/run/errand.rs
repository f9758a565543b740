//! The errand: a process beside the front that makes the sandbox's network, and may start in it whatever builds the boundary.
//!
//! Owns that process and what it tells. No process of the sandbox ever has capabilities in the namespace that owns the network,
//! because only this one has been in it with them. It takes as long as all that the front reads and plans meanwhile.

use crate::network::setup::{self, Entrances, Namespace};
use crate::system::process::{self, Processors};
use crate::system::{descriptors, namespaces, signals, sockets};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The errand as it is known here.
#[derive(Debug)]
pub struct Errand {
    process: Pid,
    /// Whose child it is, as long as that has not collected it.
    parent: Option<Pid>,
    told: OwnedFd,
    entrances: Option<Result<Entrances, String>>,
    proves: bool,
}

/// What starts whatever builds, as a child of the front: it is told whether it is in a network that was made, and where that child
/// may run.
pub type Builder<'a> = &'a dyn Fn(bool, Processors) -> nix::Result<Pid>;

impl Errand {
    /// Sends it on its way. If it `proves`, it tells at the end whether an ordinary user's namespaces can be had.
    ///
    /// # Errors
    /// What socketpair(2) and fork(2) give.
    pub fn begin(builder: Option<Builder<'_>>, proves: bool) -> nix::Result<Errand> {
        let (told, tells) = sockets::packet_pair()?;
        let processors = Processors::of_this();
        match processors.fork_elsewhere()? {
            process::Fork::Parent(process) => {
                let parent = Some(nix::unistd::getpid());
                Ok(Errand { process, parent, told, entrances: None, proves })
            }
            process::Fork::Child => {
                // What is for the whole group is the front's to hear of.
                let _ = signals::block_all();
                drop(told);
                run(builder, processors, proves, tells.as_raw_fd());
                process::exit_now(0)
            }
        }
    }

    /// Starts what builds in the network that the errand made, where it started nothing itself; gives what
    /// [`Errand::started`] would.
    ///
    /// # Errors
    /// What kept it from being started.
    pub fn build_in(&mut self, builder: Builder<'_>) -> nix::Result<(Pid, bool)> {
        let network = self.read_entrances().as_ref().ok();
        let begin = || {
            network.map_or(Ok(()), Entrances::enter)?;
            builder(network.is_some(), Processors::of_this())
        };
        Ok((process::errand(begin)??, network.is_some()))
    }

    /// The process that was started, a child of the front's, and whether it is in the network. To be asked once, and before anything
    /// else.
    ///
    /// # Errors
    /// What kept it from being started; ECHILD if the errand was killed.
    pub fn started(&self) -> nix::Result<(Pid, bool)> {
        let mut word = [0; 5];
        let length = nix::unistd::read(&self.told, &mut word)?;
        let [a, b, c, d, has_network] =
            *word.get(..length).and_then(|word| word.as_array()).ok_or(Errno::ECHILD)?;
        match i32::from_ne_bytes([a, b, c, d]) {
            process @ 1.. => Ok((Pid::from_raw(process), has_network == 1)),
            failed => Err(Errno::from_raw(-failed)),
        }
    }

    /// Whether an ordinary user's namespaces can be had, where that was asked for; once.
    pub fn proof(&mut self) -> bool {
        let _ = self.read_entrances();
        let mut word = [0];
        std::mem::take(&mut self.proves) && nix::unistd::read(&self.told, &mut word) == Ok(1) && word == [1]
    }

    /// The entrances of the network, once it is ready; once. Its end need not be waited for: it is collected when this is dropped.
    ///
    /// # Errors
    /// Why there are none.
    pub fn entrances(&mut self) -> Result<Entrances, String> {
        let _ = self.read_entrances();
        self.entrances
            .replace(Err("they were taken already".into()))
            .unwrap_or_else(|| Err("nobody told of them".into()))
    }

    fn read_entrances(&mut self) -> &Result<Entrances, String> {
        self.entrances.get_or_insert_with(|| Entrances::receive(self.told.as_raw_fd()))
    }

    /// Collects it, if it is this process's and has ended.
    pub fn collect_ended(&mut self) {
        self.parent.take_if(|parent| *parent == nix::unistd::getpid() && process::has_ended(self.process));
    }

    /// Waits for its end; what it told is for a child of this process that has this, too.
    pub fn leave_to_child(mut self) {
        self.collect();
    }

    fn collect(&mut self) {
        if self.parent.take_if(|parent| *parent == nix::unistd::getpid()).is_some() {
            process::reap(self.process);
        }
    }
}

/// It is taken back.
impl Drop for Errand {
    fn drop(&mut self) {
        if self.parent == Some(nix::unistd::getpid()) {
            signals::send(self.process, libc::SIGKILL);
            self.collect();
        }
    }
}

/// In the errand's process.
fn run(builder: Option<Builder<'_>>, processors: Processors, proves: bool, tells: RawFd) {
    let network = Namespace::enter();
    if let Some(start) = builder {
        let started = start(network.is_ok(), processors);
        let number = started.map_or_else(|error| -(error as i32), Pid::as_raw).to_ne_bytes();
        let word = [number.as_slice(), &[u8::from(network.is_ok())]].concat();
        let _ = nix::unistd::write(descriptors::borrow(tells), &word);
        if started.is_err() {
            return;
        }
        // What it inherited of the front's is not for it: what builds waits for the end of its orders, which this would hold open.
        descriptors::close_all_but(&[tells]);
        // The front has nearly done its own by now.
        processors.change_sides();
    }
    // One that could be made need not be made again.
    let more = if network.is_ok() { CloneFlags::empty() } else { CloneFlags::CLONE_NEWNET };
    match network.and_then(Namespace::furnish) {
        Ok(entrances) => drop(entrances.send(tells)),
        Err(why) => setup::say_why_not(tells, &why),
    }
    if proves {
        let shown = namespaces::of_user(more).is_ok();
        let _ = nix::unistd::write(descriptors::borrow(tells), &[u8::from(shown)]);
    }
}
