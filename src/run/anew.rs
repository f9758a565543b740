//! What the caller opened for reading, opened anew inside; or what stands in for it where that cannot be.
//!
//! Owns the choice. The caller's own descriptor leads past every read-only mount (see `inherited`), so it goes inside only
//! where the kernel lets this user change nothing of the file by it either; else the command gets the content alone, in a
//! file in memory. Runs in the first process inside, before any code that is not ours.

use super::record::Passed;
use crate::system::descriptors;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::uio::pread;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What is copied at most: it lies in memory.
const MOST: i64 = 64 << 20;

/// Puts in its place what is to be opened anew; the list says afterwards what became of it.
///
/// # Errors
/// Why a standard descriptor can be had in no way. Others are closed then: few commands read them.
pub fn place(passed: &mut [Passed]) -> Result<(), String> {
    let mut opened = Vec::new();
    for one in passed {
        let Passed::Anew { number, carried, position, directory, .. } = *one else { continue };
        match open(one) {
            Ok(file) => opened.push((number, file)),
            Err(_) if number > 2 => *one = Passed::Closed { number },
            Err(cause) if directory => return Err(format!("descriptor {number}: {cause}")),
            Err(_) if descriptors::is_beyond_change(carried) => *one = Passed::As { number, carried },
            Err(cause) => {
                let copy = copy(carried, position);
                let copy = copy.map_err(|why| format!("descriptor {number}: {cause}, and {why}"))?;
                opened.push((number, copy));
            }
        }
    }
    for (number, file) in opened {
        descriptors::put(file.as_raw_fd(), number).map_err(|e| format!("descriptor {number}: {e}"))?;
        if file.as_raw_fd() == number {
            std::mem::forget(file);
        }
    }
    Ok(())
}

fn open(passed: &Passed) -> Result<File, String> {
    let Passed::Anew { path, position, device, inode, directory, .. } = passed else {
        return Err("not a file".into());
    };
    let flags =
        libc::O_NOFOLLOW | libc::O_NOCTTY | if *directory { libc::O_DIRECTORY } else { libc::O_NONBLOCK };
    let name = Path::new(path);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(name)
        .map_err(|e| format!("cannot open '{}' inside: {e}", name.display()))?;
    // None is said of what is seen through a layer: whatever has the path there may be read.
    let is_told = (*device, *inode) != (0, 0);
    if is_told && descriptors::identity(file.as_raw_fd()) != Some((*device, *inode)) {
        return Err(format!("'{}' is another file inside", name.display()));
    }
    descriptors::clear_nonblocking(file.as_raw_fd());
    if !directory {
        descriptors::set_position(file.as_raw_fd(), *position);
    }
    Ok(file)
}

/// All of it, at the same position: how far it was read counts for the caller afterwards.
fn copy(from: RawFd, position: i64) -> Result<File, String> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Kernels before 6.3 do not know the one flag more, and later ones may insist on it.
    let shut = flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    let memory = memfd_create(c"input", shut).or_else(|_| memfd_create(c"input", flags));
    let mut memory = memory.map(File::from).map_err(|why| format!("cannot make a copy: {}", why.desc()))?;
    let (mut buffer, mut length) = (vec![0; 1 << 16], 0);
    // What would have to be waited for is no file that ends.
    while descriptors::is_readable_now(from) {
        let read = match pread(descriptors::borrow(from), &mut buffer, length) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(Errno::EINTR) => continue,
            Err(why) => return Err(format!("cannot read it: {}", why.desc())),
        };
        length += i64::try_from(read.len()).unwrap_or(MOST);
        if length > MOST {
            return Err(format!("it is too long for a copy ({} MiB at most)", MOST >> 20));
        }
        memory.write_all(read).map_err(|why| format!("cannot copy it: {why}"))?;
    }
    // As the file itself, it is not written, by no other way either.
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK;
    fcntl(&memory, FcntlArg::F_ADD_SEALS(seals)).map_err(|why| format!("cannot seal it: {}", why.desc()))?;
    let copy = File::open(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    let copy = copy.map_err(|why| format!("cannot open the copy: {why}"))?;
    descriptors::set_position(copy.as_raw_fd(), position);
    Ok(copy)
}
