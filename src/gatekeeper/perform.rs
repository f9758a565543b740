//! Calls that are made here because settings or a person allow what the mounts do not hold.
//!
//! Owns making them: on paths that were judged, opened on the host by descriptors and through no symlink, with the mode
//! that the caller's umask leaves. Only regular files go inside: through a directory that was opened outside one could
//! walk out.

use super::call::{Changed, Deed, Made, Value};
use crate::system::host::{self, Holder};
use crate::system::notify::{Listener, Notification, Reply};
use crate::system::stranger;
use nix::errno::Errno;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The attributes that belong to users; others are rights, of programs and of other people.
const OF_USERS: &[u8] = b"user.";
/// The access lists of files say what their modes say.
const OF_ACCESS: &[&[u8]] = &[b"system.posix_acl_access", b"system.posix_acl_default"];
/// The mode bits that a call made here sets: not those that make somebody else of who runs a file.
pub const PLAIN: u32 = 0o1777;
/// The same where all is the command's own: a group's directory hands its group on.
pub const OWN: u32 = 0o3777;
/// The longest value of an attribute (XATTR_SIZE_MAX).
const LONGEST_VALUE: u64 = 65536;

/// Whether a call can be made here once a person allows it.
pub fn can(thread: i32, deed: Deed) -> bool {
    match deed {
        Deed::Make { what: Made::Node(mode), .. } => is_file(mode) || is_fifo(mode),
        Deed::Change { what: Changed::Attribute(name, _), .. } => attribute(thread, name, PLAIN).is_ok(),
        // A link is made where both its names are open already, and nobody is asked about it.
        Deed::Link { .. } | Deed::Change { what: Changed::Other, .. } => false,
        Deed::Connect { .. } | Deed::Pair(_) | Deed::Alter { .. } | Deed::Listen { .. } | Deed::Bind(_) => {
            false
        }
        _ => true,
    }
}

fn is_file(mode: u32) -> bool {
    matches!(mode & libc::S_IFMT, 0 | libc::S_IFREG)
}

/// Whether an open makes a file that has no name and never gets one (O_TMPFILE with O_EXCL, open(2)).
pub fn is_unnamed(flags: i32) -> bool {
    const ALL: i32 = libc::O_TMPFILE | libc::O_EXCL;
    flags & ALL == ALL
}

/// Whether mknod(2) with this mode makes a FIFO.
pub fn is_fifo(mode: u32) -> bool {
    mode & libc::S_IFMT == libc::S_IFIFO
}

pub(super) fn attribute(thread: i32, name: u64, bits: u32) -> nix::Result<OsString> {
    let name = stranger::path(thread, name)?.into_os_string();
    let text = name.as_encoded_bytes();
    if text.starts_with(OF_USERS) || bits == OWN && OF_ACCESS.contains(&text) {
        Ok(name)
    } else {
        Err(Errno::EPERM)
    }
}

/// Makes a call; of modes, these bits hold. `None`: its caller has its answer already.
///
/// # Errors
/// What the call gives, or EROFS for one that is not made here.
pub fn perform(
    listener: &Listener,
    asked: Notification,
    deed: Deed,
    paths: &[&Path],
    bits: u32,
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
    let attribute = match deed {
        Deed::Change { what: Changed::Attribute(name, value), .. } => Some((
            attribute(asked.thread, name, bits)?,
            value.map(|value| read(asked.thread, value)).transpose()?,
        )),
        _ => None,
    };
    let holder = Holder::open(path)?;
    // From here on something changes: what was read is the caller's only if it still waits.
    if !listener.still_waits(asked.id) {
        return Ok(None);
    }
    match deed {
        Deed::Open { flags, mode, .. } => {
            let open = if is_unnamed(flags) { Holder::open_unnamed } else { Holder::open_file };
            let file = open(&holder, flags, mode & !mask)?;
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
        Deed::Change { what: Changed::Mode(mode), .. } => holder.set_mode(mode & bits)?,
        Deed::Change { what: Changed::Length(length), .. } => holder.set_length(length)?,
        Deed::Change { what: Changed::Times(_), .. } => holder.set_times(times.as_deref())?,
        Deed::Change { what: Changed::Owner(user, group), .. } => holder.set_owner(user, group)?,
        Deed::Change { what: Changed::Attribute(..), .. } => {
            let (name, value) = attribute.ok_or(Errno::EINVAL)?;
            holder.set_attribute(&name, value.as_ref().map(|(value, flags)| (value.as_slice(), *flags)))?;
        }
        Deed::Make { what: Made::Node(kind), .. } if is_fifo(kind) => holder.make_fifo(kind & !mask)?,
        Deed::Make { what: Made::Node(kind), .. } if is_file(kind) => {
            holder.open_file(libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, kind & !mask)?;
        }
        Deed::Link { .. } => holder.link_to(&Holder::open(paths.get(1).ok_or(Errno::EINVAL)?)?)?,
        Deed::Make { what: Made::Node(_), .. }
        | Deed::Change { what: Changed::Other, .. }
        | Deed::Connect { .. }
        | Deed::Alter { .. }
        | Deed::Listen { .. }
        | Deed::Bind(_)
        | Deed::Pair(_) => return Err(Errno::EROFS),
    }
    Ok(Some(Reply::Value(0)))
}

pub(super) fn read(thread: i32, value: Value) -> nix::Result<(Vec<u8>, i32)> {
    let length = usize::try_from(value.length).map_err(|_| Errno::E2BIG)?;
    if value.length > LONGEST_VALUE {
        return Err(Errno::E2BIG);
    }
    Ok((stranger::bytes(thread, value.address, length)?, value.flags))
}
