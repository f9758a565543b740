//! The gatekeeper above Landlock instead of mounts.
//!
//! Owns what differs: Landlock allows whole trees and takes nothing out of them, so a directory that holds something protected
//! is not allowed at all, and calls there are made here; and it has no right for what a file says of itself (mode, owner,
//! times, attributes), so such calls are always made here, on the open file or place that was judged. Must not let anything
//! through that the kernel would not refuse were it another place by then.

use super::call::{Call, Changed, Deed};
use super::perform;
use super::rules::Judgement;
use super::settle::{self, Touched};
use super::violation::Why;
use super::watch::{Gatekeeper, violation};
use crate::confinement::landlock::{Allowed, Right};
use crate::system::notify::{Notification, Reply};
use crate::system::{host, stranger};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What Landlock lets through.
#[derive(Debug, Default)]
pub struct Domain {
    written: HashSet<PathBuf>,
    read: HashSet<PathBuf>,
}

impl Domain {
    /// Of what is allowed.
    pub fn of(allowed: &[Allowed]) -> Domain {
        let with = |right| {
            let some = allowed.iter().filter(move |one: &&Allowed| one.right == right);
            some.map(|one| one.place.clone()).collect()
        };
        Domain { written: with(Right::Write), read: with(Right::Read) }
    }

    /// Whether Landlock lets all be changed at and below a path.
    pub fn lets_write(&self, path: &Path) -> bool {
        path.ancestors().any(|step| self.written.contains(step))
    }

    fn lets_read(&self, path: &Path) -> bool {
        path.ancestors().any(|step| self.read.contains(step))
    }

    /// What stood at a path is taken away or stands elsewhere: what comes there next was never allowed.
    pub fn forget(&mut self, path: &Path) {
        self.written.retain(|place| !place.starts_with(path));
    }
}

impl Gatekeeper<'_> {
    /// Whether what is below holds a call whatever becomes of its path.
    pub(super) fn is_held_below(&self, deed: Deed, path: &Path) -> bool {
        let Some(domain) = &self.domain else { return true };
        match deed {
            Deed::Change { .. } => false,
            // A tree's own name stands in the directory above it.
            Deed::Remove { .. } | Deed::Rename { .. } | Deed::Make { .. } | Deed::Link { .. } => {
                self.is_made_below(path)
            }
            _ => domain.lets_write(path),
        }
    }

    /// Whether what is below lets a name be made.
    pub(super) fn is_made_below(&self, path: &Path) -> bool {
        let Some(domain) = &self.domain else { return true };
        path.parent().is_some_and(|parent| domain.lets_write(parent))
    }

    /// Which bits of a mode hold in a call that is made here.
    pub(super) fn bits(&self, touched: &[Touched]) -> u32 {
        let own = touched.iter().all(|one| one.judgement == Judgement::Passes);
        if self.domain.is_some() && own { perform::OWN } else { perform::PLAIN }
    }

    /// Whether a file is opened here for reading, because Landlock does not know it: it stands where not all may be read, and
    /// was made since.
    pub(super) fn is_read_here(&self, deed: Deed, path: &Path) -> bool {
        let (Some(domain), Deed::Open { flags, .. }) = (&self.domain, deed) else { return false };
        flags & (libc::O_PATH | libc::O_DIRECTORY) == 0
            && !domain.lets_read(path)
            && self.judge_path(path) != Judgement::Hidden
            && self.judge_path(path) != Judgement::Own
            && self.kind(path) == Some(SFlag::S_IFREG)
    }

    /// An answer, where no mount would hold what is let through.
    pub(super) fn without_mounts(&mut self, thread: i32, deed: Deed, reply: Reply) -> Reply {
        if self.domain.is_none() || reply != Reply::Continue || !matches!(deed, Deed::Change { .. }) {
            return reply;
        }
        // It was to fail in the kernel, which would look at the path anew.
        Reply::Fail(match self.touched(thread, deed) {
            Err(error) => error,
            Ok(touched) if touched.iter().any(|one| !self.is_there(&one.path)) => Errno::ENOENT,
            Ok(touched) if touched.iter().any(|one| settle::is_outside(&one.judgement)) => Errno::EROFS,
            Ok(_) => Errno::EPERM,
        })
    }

    /// Changes what an open file says of itself: it may have been opened for reading, which says nothing about that.
    pub(super) fn alter(&mut self, asked: Notification, call: Call, file: i32, what: Changed) -> Reply {
        self.try_to_alter(asked, call, file, what).map_or_else(Reply::Fail, |()| Reply::Value(0))
    }

    fn try_to_alter(&mut self, asked: Notification, call: Call, file: i32, what: Changed) -> nix::Result<()> {
        let file = stranger::place(asked.thread, file)?;
        let path = stranger::path_of(&file)?;
        // A pipe, a file in memory, or one that has no name any more: nobody else's.
        let nameless = !path.is_absolute() || fstat(&file)?.st_nlink == 0;
        let judgement = self.judge_path(&path);
        if !nameless && !matches!(judgement, Judgement::Passes | Judgement::Single | Judgement::Allowed) {
            let (why, reason) = match judgement {
                Judgement::Own => return Err(Errno::EPERM),
                Judgement::Protected(reason) => (Why::Protected, reason),
                Judgement::Hidden => (Why::Hidden, ""),
                _ => (Why::Outside, ""),
            };
            self.record(&violation(asked, call, &path, why, reason));
            return Err(Errno::EROFS);
        }
        let times = match what {
            Changed::Times(address) if address != 0 => {
                Some(stranger::bytes(asked.thread, address, host::TIMES)?)
            }
            _ => None,
        };
        let attribute = match what {
            Changed::Attribute(name, value) => {
                let value = value.map(|value| perform::read(asked.thread, value)).transpose()?;
                Some((perform::attribute(asked.thread, name, perform::OWN)?, value))
            }
            _ => None,
        };
        if !self.listener.still_waits(asked.id) {
            return Err(Errno::EINTR);
        }
        match (what, attribute) {
            (Changed::Mode(mode), _) => host::set_mode_of(&file, mode & perform::OWN),
            (Changed::Owner(user, group), _) => host::set_owner_of(&file, user, group),
            (Changed::Times(_), _) => host::set_times_of(&file, times.as_deref()),
            (Changed::Attribute(..), Some((name, value))) => {
                let value = value.as_ref().map(|(value, flags)| (value.as_slice(), *flags));
                host::set_attribute_of(&file, &name, value)
            }
            _ => Err(Errno::EPERM),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_to_a_name_that_was_taken_away_was_never_allowed() {
        let allowed = |right, place: &str| Allowed { right, place: place.into() };
        let mut domain = Domain::of(&[
            allowed(Right::Write, "/w/a"),
            allowed(Right::Write, "/w/b/c"),
            allowed(Right::Read, "/w"),
        ]);
        let writes = |domain: &Domain| {
            ["/w", "/w/a", "/w/a/x", "/w/ab", "/w/b", "/w/b/c"].map(|path| domain.lets_write(Path::new(path)))
        };
        assert_eq!(writes(&domain), [false, true, true, false, false, true]);
        assert!(domain.lets_read(Path::new("/w/b")));
        domain.forget(Path::new("/w/b"));
        assert_eq!(writes(&domain), [false, true, true, false, false, false]);
        domain.forget(Path::new("/w/a"));
        assert_eq!(writes(&domain), [false; 6]);
    }
}
