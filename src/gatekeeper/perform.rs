//! Calls that are made here because settings or a person allow what the mounts do not hold.
//!
//! Owns making them: on paths that were judged, opened on the host by descriptors and through no symlink, with the mode
//! that the caller's umask leaves. Only regular files go inside: through a directory that was opened outside one could
//! walk out.

use super::call::{Changed, Deed, Made};
use crate::system::host::{self, Holder};
use crate::system::notify::{Listener, Notification, Reply};
use crate::system::stranger;
use nix::errno::Errno;
use std::path::{Path, PathBuf};

/// Whether a call can be made here at all.
pub fn can(deed: Deed) -> bool {
    !matches!(
        deed,
        Deed::Make { what: Made::Node, .. }
            | Deed::Link { .. }
            | Deed::Change { what: Changed::Other, .. }
            | Deed::Connect { .. }
    )
}

/// Makes a call. `None`: its caller has its answer already.
///
/// # Errors
/// What the call gives, or EROFS for one that is not made here.
pub fn perform(
    listener: &Listener,
    asked: Notification,
    deed: Deed,
    paths: &[&Path],
) -> nix::Result<Option<Reply>> {
    let path = paths.first().ok_or(Errno::EINVAL)?;
    let mask = stranger::umask(asked.thread).unwrap_or(0o077);
    let link = match deed {
        Deed::Make { what: Made::Symlink(target), .. } => stranger::path(asked.thread, target)?,
        _ => PathBuf::new(),
    };
    let times = match deed {
        Deed::Change { what: Changed::Times(address), .. } if address != 0 => {
            Some(stranger::bytes(asked.thread, address, host::TIMES)?)
        }
        _ => None,
    };
    let holder = Holder::open(path)?;
    // From here on something changes: what was read is the caller's only if it still waits.
    if !listener.still_waits(asked.id) {
        return Ok(None);
    }
    match deed {
        Deed::Open { flags, mode, .. } => {
            let file = holder.open_file(flags, mode & !mask)?;
            listener.answer_with(asked.id, host::lent(&file), flags & libc::O_CLOEXEC != 0)?;
            return Ok(None);
        }
        Deed::Make { what: Made::Directory(mode), .. } => holder.make_directory(mode & !mask)?,
        Deed::Make { what: Made::Symlink(_), .. } => holder.make_link(&link)?,
        Deed::Remove { directory, .. } => holder.remove(directory)?,
        Deed::Rename { flags, .. } => {
            let to = Holder::open(paths.get(1).ok_or(Errno::EINVAL)?)?;
            holder.rename(&to, flags)?;
        }
        Deed::Change { what: Changed::Mode(mode), .. } => holder.set_mode(mode & 0o1777)?,
        Deed::Change { what: Changed::Length(length), .. } => holder.set_length(length)?,
        Deed::Change { what: Changed::Times(_), .. } => holder.set_times(times.as_deref())?,
        Deed::Make { what: Made::Node, .. }
        | Deed::Link { .. }
        | Deed::Change { what: Changed::Other, .. }
        | Deed::Connect { .. } => return Err(Errno::EROFS),
    }
    Ok(Some(Reply::Value(0)))
}
