//! Capabilities of this process (capabilities(7)). Owns giving them up, and what is out of reach without them; decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// struct __user_cap_header_struct (capset(2)).
#[repr(C)]
struct Header {
    version: u32,
    process: i32,
}

/// struct __user_cap_data_struct, of which version 3 takes two.
#[repr(C)]
#[derive(Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every capability for good: none is left, none is in the bounding set, and no program can give one back, also
/// not to user 0 and not by its file's bits.
///
/// # Errors
/// What prctl(2) and capset(2) give.
pub fn give_up_all() -> nix::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    nix::sys::prctl::set_no_new_privs()?;
    for capability in 0..64 {
        // SAFETY: PR_CAPBSET_DROP takes a number and no memory.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }) {
            Ok(_) => {}
            // The kernel knows no more of them.
            Err(Errno::EINVAL) if capability > 0 => break,
            // An ordinary user has none to give up. After `no_new_privs` a program gives none back in any case: what it
            // would gain is cut to what its process had (cap_bprm_creds_from_file).
            Err(Errno::EPERM) => break,
            Err(error) => return Err(error),
        }
    }
    // SAFETY: PR_CAP_AMBIENT takes numbers and no memory.
    Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) })?;
    let header = Header { version: VERSION_3, process: 0 };
    let none = [Data { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: both structures are as version 3 of capset(2) wants them and outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// The first directory on the way to a path, or that itself, that this process could not pass without its capabilities. What
/// cannot be found out bars nothing.
pub fn barred(path: &Path) -> Option<PathBuf> {
    let mut steps: Vec<&Path> = path.ancestors().collect();
    // Whoever it belongs to lets everybody pass: no child has to try it. (One costs a tenth of a millisecond at each start.)
    let open = |step: &&Path| std::fs::metadata(step).is_ok_and(|found| found.mode() & 0o111 == 0o111);
    if steps.iter().all(open) {
        return None;
    }
    steps.reverse();
    let found = super::process::errand(|| {
        give_up_all().ok()?;
        steps.iter().find(|step| access(**step, AccessFlags::X_OK) == Err(Errno::EACCES)).copied()
    });
    found.ok().flatten().map(Path::to_path_buf)
}
