//! Opening again what the caller has open for writing, where Landlock knows no more than the path (`/dev/stderr` is a file
//! outside, because that is where its caller sent the output).
//!
//! Owns telling such a call, and making it on a copy of the very descriptor: it gives nothing that the descriptor does not
//! give already. With mounts below the kernel does so by itself, by the mount that the file was opened on.

use super::call::Deed;
use super::rules::Judgement;
use super::settle::{Touched, is_outside};
use super::watch::Gatekeeper;
use crate::system::notify::Notification;
use crate::system::{host, stranger};
use std::os::fd::OwnedFd;

impl Gatekeeper<'_> {
    /// Whether it was such a call; then it is answered.
    pub(super) fn opens_again(&self, asked: Notification, deed: Deed, touched: &[Touched]) -> bool {
        let kept =
            |one: &Touched| is_outside(&one.judgement) || matches!(one.judgement, Judgement::Protected(_));
        let (Deed::Open { flags, .. }, true) = (deed, self.domain.is_some() && touched.iter().all(kept))
        else {
            return false;
        };
        let Some(file) =
            self.held_by_caller(asked.thread, deed).and_then(|held| host::open_again(&held, flags).ok())
        else {
            return false;
        };
        // From here on something changes: what was read is the caller's only if it still waits.
        if !self.listener.still_waits(asked.id) {
            return true;
        }
        let cut = flags & libc::O_TRUNC == 0 || nix::unistd::ftruncate(&file, 0).is_ok();
        cut && self.listener.answer_with(asked.id, host::lent(&file), flags & libc::O_CLOEXEC != 0).is_ok()
    }

    /// What a name stands for, if it is one of the kernel's for a descriptor of the caller's own.
    fn held_by_caller(&self, thread: i32, deed: Deed) -> Option<OwnedFd> {
        let Deed::Open { at, .. } = deed else { return None };
        let link = self.places.as_ref()?.find_through_magic(thread, at).ok()??.last?;
        let leader = stranger::leader(thread)?;
        let number = link.strip_prefix(format!("/proc/{leader}/fd")).ok()?.to_str()?.parse().ok()?;
        stranger::descriptor(leader, number).ok()
    }
}
