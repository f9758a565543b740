//! The first process inside where Landlock draws the boundary: a child of the caretaker's, in no namespace of its own.
//!
//! Owns making the ruleset from what it was told, and giving up what it can do without. Decides nothing. The shell enters the
//! ruleset (`first`), and this process does not: so it stays out of reach of signals from inside, and whatever it leaves
//! behind is ended by the caretaker.

use super::first;
use super::waiting::Unborn;
use crate::confinement::landlock::{Allowed, Right, from_bytes, rights};
use crate::exit;
use crate::system::landlock::{self, Ruleset};
use crate::system::mounts::{self, Links};
use crate::system::{capabilities, descent, descriptors, entry, process};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

/// In the caretaker: starts the first process inside.
///
/// # Errors
/// What fork(2) and prctl(2) give.
pub fn begin(unborn: &Unborn) -> nix::Result<Pid> {
    // Before there are any.
    descent::collect_orphans()?;
    match process::fork()? {
        process::Fork::Parent(first) => Ok(first),
        process::Fork::Child => process::exit_now(main(unborn)),
    }
}

fn main(unborn: &Unborn) -> i32 {
    match make(unborn) {
        Ok(ruleset) => first::main(unborn.channel.as_raw_fd(), Some(&ruleset)),
        Err(why) => {
            let _ = nix::unistd::write(descriptors::borrow(2), why.as_bytes());
            exit::REFUSED
        }
    }
}

fn make(unborn: &Unborn) -> Result<Ruleset, String> {
    // A caller that ignores SIGCHLD would keep it from waiting.
    process::reset(Signal::SIGCHLD);
    let null = File::options().read(true).write(true).open("/dev/null").map_err(why("open /dev/null"))?;
    for (source, target) in [(unborn.complaints.as_raw_fd(), 2), (null.as_raw_fd(), 0), (null.as_raw_fd(), 1)]
    {
        descriptors::put(source, target).map_err(why("set the standard descriptors"))?;
    }
    drop(null);
    // They are the caller's, and the inside sees this process.
    entry::forget();
    // What the caretaker and the front hold must not stay open here: their ends of what joins them least of all.
    let mut kept = vec![0, 1, 2, unborn.channel.as_raw_fd()];
    kept.extend(&unborn.kept);
    kept.sort_unstable();
    kept.dedup();
    descriptors::close_all_but(&kept);
    descent::collect_orphans().map_err(why("collect orphans"))?;
    let ruleset = ruleset(&unborn.orders)?;
    // Nothing is left of the caller's directory but what the shell enters again.
    std::env::set_current_dir("/").map_err(why("go to /"))?;
    capabilities::give_up_all().map_err(why("give up the capabilities"))?;
    Ok(ruleset)
}

fn ruleset(orders: &[u8]) -> Result<Ruleset, String> {
    let version = landlock::version().ok_or("this kernel has no Landlock, or it is switched off")?;
    let all = from_bytes(orders).ok_or("what is allowed is cut short")?;
    let (files, network, scoped) =
        (rights::files(version), rights::network(version), rights::scoped(version));
    let ruleset = Ruleset::new(files, network, scoped).map_err(why("make a Landlock ruleset"))?;
    for Allowed { right, place } in &all {
        let done = mounts::place(place, Links::Refused).and_then(|opened| {
            let kind = SFlag::from_bits_truncate(fstat(&opened)?.st_mode & SFlag::S_IFMT.bits());
            let of_kind = if kind == SFlag::S_IFDIR { u64::MAX } else { rights::OF_FILES };
            match rights::allowed(*right, version) & of_kind {
                0 => Ok(()),
                allowed => ruleset.allow(opened.as_fd(), allowed),
            }
        });
        match done {
            Ok(()) => {}
            // It is gone since it was listed, or lies where this user cannot go: it stays refused.
            Err(Errno::ENOENT | Errno::EACCES | Errno::ENOTDIR) => {}
            // A link stands there by now; what may be written must be what was planned.
            Err(Errno::ELOOP) if *right != Right::Write => {}
            Err(error) => return Err(format!("cannot allow '{}': {error}", place.display())),
        }
    }
    Ok(ruleset)
}

fn why<E: std::fmt::Display>(wanted: &str) -> impl FnOnce(E) -> String + use<'_, E> {
    move |error| format!("cannot {wanted}: {error}")
}
