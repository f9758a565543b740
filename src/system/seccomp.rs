//! Installs a seccomp filter. Owns the call; which program it is, is the plan's business.
#![allow(unsafe_code)]

use nix::errno::Errno;

/// One classic BPF instruction, as seccomp(2) takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Puts the calling thread, and all that it starts, under the filter for good.
///
/// # Errors
/// EINVAL for a malformed program, EACCES without `no_new_privs` (which is set here first).
pub fn install(program: &[Instruction]) -> nix::Result<()> {
    install_with(program, 0).map(drop)
}

/// The same with flags of seccomp(2); gives what the call gives.
///
/// # Errors
/// As for [`install`], and those of the flags.
pub(super) fn install_with(program: &[Instruction], flags: u64) -> nix::Result<i64> {
    nix::sys::prctl::set_no_new_privs()?;
    let filters: Vec<libc::sock_filter> =
        program.iter().map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    let length = u16::try_from(filters.len()).map_err(|_| Errno::E2BIG)?;
    let program = libc::sock_fprog { len: length, filter: filters.as_ptr().cast_mut() };
    // SAFETY: `program` points to `length` valid instructions that live until the call returns; the kernel copies
    // them and only reads.
    let given =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    Errno::result(given)
}
