//! What the seccomp program holds besides where there are no namespaces and no mounts below it. Pure.
//!
//! Owns calls that reach what is the whole machine's there: its network, System V's objects, other processes of this user;
//! and calls that change files without a right of Landlock's. Must not be needed elsewhere.

use super::seccomp::{Action, FCHMODAT2, Rule, Test};
use crate::system::inside;

/// Objects that a namespace of their own would keep apart. Whoever does without them is told that they are not there.
const SHARED: &[i64] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Changes of files that are younger than the gatekeeper's list; the same numbers on every architecture.
const YOUNG: &[i64] = &[SETXATTRAT, REMOVEXATTRAT, FILE_SETATTR];
const SETXATTRAT: i64 = 463; // Linux 6.13
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469; // Linux 6.17

/// Requests that change what a file system keeps of a file, by a descriptor that was opened for reading.
const OF_FILES: &[u32] = &[
    0x4008_6602, // FS_IOC_SETFLAGS
    0x4004_6602, // FS_IOC32_SETFLAGS
    0x401c_5820, // FS_IOC_FSSETXATTR
    0x4008_7602, // FS_IOC_SETVERSION
    0x4004_7602, // FS_IOC32_SETVERSION
    0x800c_6613, // FS_IOC_SET_ENCRYPTION_POLICY
    0x4080_6685, // FS_IOC_ENABLE_VERITY
    0x4004_7211, // FAT_IOCTL_SET_ATTRIBUTES
    0x5000_9402, // BTRFS_IOC_DEFRAG
    0x4030_9410, // BTRFS_IOC_DEFRAG_RANGE
    0x4008_941a, // BTRFS_IOC_SUBVOL_SETFLAGS
    0xc0c8_9425, // BTRFS_IOC_SET_RECEIVED_SUBVOL
];

/// Connects and sends in one: the address is in memory.
const FAST_OPEN: u32 = 0x2000_0000; // MSG_FASTOPEN
/// All types but SOCK_STREAM have one of these bits.
const NO_STREAM: u32 = 0xe;

/// Refused.
pub(super) fn refusals() -> Vec<Rule> {
    use Test::{HasAnyOf, Is, IsNot};
    let refuse =
        |call, tests: &[Test], errno| Rule { call, tests: tests.to_vec(), action: Action::Fail(errno) };
    let mut all: Vec<Rule> =
        SHARED.iter().chain(YOUNG).map(|&call| refuse(call, &[], libc::ENOSYS)).collect();
    all.extend(OF_FILES.iter().map(|&request| refuse(libc::SYS_ioctl, &[Is(1, request)], libc::EPERM)));
    for family in [libc::AF_INET as u32, libc::AF_INET6 as u32] {
        // No namespace ends them: streams are connected by the gatekeeper, and nothing else has an end.
        all.push(refuse(libc::SYS_socket, &[Is(0, family), HasAnyOf(1, NO_STREAM)], libc::EACCES));
        // Landlock knows TCP alone.
        let other = [Is(0, family), IsNot(2, 0), IsNot(2, libc::IPPROTO_TCP as u32)];
        all.push(refuse(libc::SYS_socket, &other, libc::EPROTONOSUPPORT));
    }
    for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
        all.push(refuse(call, &[HasAnyOf(flags, FAST_OPEN)], libc::EOPNOTSUPP));
    }
    // Whoever hides its memory could not be served: without a user namespace of its own, only root looks into such.
    all.push(refuse(libc::SYS_prctl, &[Is(0, libc::PR_SET_DUMPABLE as u32), Is(1, 0)], libc::EPERM));
    // Other processes of this user: Landlock keeps their memory and their signals, not their limits, priorities, and
    // the processors that they run on. A thread may speak of itself as 0, not by its number.
    for call in [
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        all.push(refuse(call, &[IsNot(0, 0)], libc::EPERM));
    }
    all.push(refuse(libc::SYS_prlimit64, &[IsNot(0, 0)], libc::EPERM));
    all.push(refuse(libc::SYS_setpriority, &[IsNot(1, 0)], libc::EPERM));
    all.push(refuse(libc::SYS_setpriority, &[Is(0, 2)], libc::EPERM)); // PRIO_USER
    all.push(refuse(libc::SYS_ioprio_set, &[IsNot(1, 0)], libc::EPERM));
    all.push(refuse(libc::SYS_ioprio_set, &[Is(0, 3)], libc::EPERM)); // IOPRIO_WHO_USER
    // The sign of being inside.
    all.push(refuse(libc::SYS_prctl, &[Is(0, inside::SIGN as u32)], inside::ANSWER));
    all
}

/// Asked about: what changes an open file that may have been opened for reading, and what names a socket or
/// makes it a listener.
pub(super) fn notifications() -> Vec<Rule> {
    let notify = |call, tests: &[Test]| Rule { call, tests: tests.to_vec(), action: Action::Notify };
    let calls = [
        libc::SYS_fchmod,
        libc::SYS_fchown,
        libc::SYS_fsetxattr,
        libc::SYS_fremovexattr,
        libc::SYS_listen,
        libc::SYS_bind,
    ];
    let mut all: Vec<Rule> = calls.into_iter().map(|call| notify(call, &[])).collect();
    // Without a path too.
    all.push(notify(libc::SYS_utimensat, &[]));
    #[cfg(target_arch = "x86_64")]
    all.push(notify(libc::SYS_futimesat, &[]));
    all
}

/// Where nobody can be asked: what Landlock has no right for is refused.
pub(super) fn unasked() -> Vec<Rule> {
    let refuse = |call| Rule { call, tests: Vec::new(), action: Action::Fail(libc::EPERM) };
    let mut all: Vec<Rule> = notifications().into_iter().map(|rule| refuse(rule.call)).collect();
    all.extend(
        [
            libc::SYS_connect,
            libc::SYS_fchmodat,
            FCHMODAT2,
            libc::SYS_fchownat,
            libc::SYS_setxattr,
            libc::SYS_lsetxattr,
            libc::SYS_removexattr,
            libc::SYS_lremovexattr,
        ]
        .map(refuse),
    );
    #[cfg(target_arch = "x86_64")]
    all.extend(
        [libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_utime, libc::SYS_utimes].map(refuse),
    );
    all
}
