//! The seccomp program: which system calls the inside does without, and which wait for the gatekeeper. Pure;
//! `system::seccomp` and `system::notify` install it.
//!
//! Written here and not by a crate because each refusal has its own errno, x32 numbers must be caught on x86_64,
//! and some calls notify, which the known crate does not offer together.
//!
//! Refused with EPERM unless a row says otherwise; ENOSYS where programs have a fallback for old kernels.

use super::seccomp_alone;
use crate::system::seccomp::Instruction;

/// What varies from command to command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// `network.allowAllUnixSockets`: sockets of the Unix family may be made and connected. Without it and without a
    /// gatekeeper there are none, because a read-only bind does not stop connect(2).
    pub unix_sockets: bool,
    /// What the gatekeeper is asked about.
    pub watched: Watched,
    /// Others reach what listens inside: that something begins to is to be known.
    pub listens: bool,
    /// The command shares its process group with the caller's own processes, so `kill(0, …)` would reach them.
    pub shared_group: bool,
    /// There are no namespaces and no mounts below: what those would keep apart is refused or asked about, see
    /// [`super::landlock`].
    pub no_namespaces: bool,
}

/// Which calls wait for the gatekeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watched {
    /// None: there is no gatekeeper.
    #[default]
    Nothing,
    /// connect(2).
    Connects,
    /// That, and what changes files.
    Files,
    /// That, and every opening of a file: settings have questions about reading.
    Reads,
}

/// A test on the low 32 bits of an argument; every argument tested here is an `int` or flags below 2^32 for the
/// kernel, which ignores the upper half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Is(u8, u32),
    IsNot(u8, u32),
    HasAnyOf(u8, u32),
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It fails with this.
    Fail(i32),
    /// It waits for the gatekeeper.
    Notify,
}

/// One rule: the call, the tests that must all hold, and what happens then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) call: i64,
    pub(super) tests: Vec<Test>,
    pub(super) action: Action,
}

const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;
/// CLONE_NEWTIME; for clone(2) the same bit belongs to the exit signal, so it counts for unshare only.
const NEW_TIME: u32 = 0x80;
const TIOCSTI: u32 = 0x5412;
const TIOCCONS: u32 = 0x541d;
const TIOCLINUX: u32 = 0x541c;
/// What would leave the caller's terminal dead: with another line discipline, which neither reset(1) nor stty(1) undoes, open
/// to root alone, or, on a console, without a keyboard or a way to another console.
const SPOILING: &[u32] = &[
    0x5423, // TIOCSETD
    0x540c, // TIOCEXCL
    0x4b45, // KDSKBMODE
    0x4b51, // KDSKBMUTE
    0x4b3a, // KDSETMODE
    0x5602, // VT_SETMODE
    0x5606, // VT_ACTIVATE
];
/// Requests by which file systems copy, make and take away whole trees, or give a file another name. A snapshot is of all
/// that the file system has there, whatever mounts hide or hold of it inside; and a name is in memory, where no filter looks.
const OF_FILE_SYSTEMS: &[u32] = &[
    0x5000_9401, // BTRFS_IOC_SNAP_CREATE
    0x5000_940e, // BTRFS_IOC_SUBVOL_CREATE
    0x5000_940f, // BTRFS_IOC_SNAP_DESTROY
    0x5000_9417, // BTRFS_IOC_SNAP_CREATE_V2
    0x5000_9418, // BTRFS_IOC_SUBVOL_CREATE_V2
    0x5000_943f, // BTRFS_IOC_SNAP_DESTROY_V2
    0x4020_bc10, // BCH_IOCTL_SUBVOLUME_CREATE
    0x4020_bc11, // BCH_IOCTL_SUBVOLUME_DESTROY
    0x4018_6f04, // OCFS2_IOC_REFLINK
    0xc040_6618, // FS_IOC_REMOVE_ENCRYPTION_KEY: an encrypted home would be locked, outside too
    0xc040_6619, // FS_IOC_REMOVE_ENCRYPTION_KEY_ALL_USERS
];
/// READ_IMPLIES_EXEC | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO: what personality(2) can weaken.
const WEAKENING_PERSONALITY: u32 = 0x0040_0000 | 0x0020_0000 | 0x0010_0000;
const PERSONALITY_QUERY: u32 = 0xffff_ffff;
/// A lease that directories have too (Linux 6.19); younger than the C libraries' lists.
const F_SETDELEG: u32 = 1040;

/// Calls that are refused whatever their arguments.
const NEVER: &[i64] = &[
    // New views of the file system, and handles that step around them.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    // Kernel interfaces with a large surface that commands do without.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_vhangup,
    // Keyrings are not namespaced: session keys of the caller would be readable.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

/// io_uring performs opens and connects that no later filter would see; the flags of clone3 and openat2 lie in memory,
/// where no filter can look. Callers fall back to clone and openat.
const ABSENT: &[i64] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_clone3,
    libc::SYS_openat2,
];

fn refusals(options: Options) -> Vec<Rule> {
    use Test::{HasAnyOf, Is, IsNot};
    let refuse =
        |call, tests: &[Test], errno| Rule { call, tests: tests.to_vec(), action: Action::Fail(errno) };
    let mut all: Vec<Rule> = Vec::with_capacity(NEVER.len() + ABSENT.len() + 16);
    all.extend(NEVER.iter().map(|&call| refuse(call, &[], libc::EPERM)));
    all.extend(ABSENT.iter().map(|&call| refuse(call, &[], libc::ENOSYS)));
    // Typing into the caller's terminal (CVE-2017-5226) and its selection buffer, and what spoils it for others.
    for &request in [TIOCSTI, TIOCLINUX, TIOCCONS].iter().chain(SPOILING).chain(OF_FILE_SYSTEMS) {
        all.push(refuse(libc::SYS_ioctl, &[Is(1, request)], libc::EPERM));
    }
    // Reading is enough for a lease, and whoever opens the file then waits or fails, outside too: sbsh for its settings.
    for request in [libc::F_SETLEASE as u32, F_SETDELEG] {
        all.push(refuse(libc::SYS_fcntl, &[Is(1, request)], libc::EACCES));
    }
    all.push(refuse(libc::SYS_clone, &[HasAnyOf(0, NEW_NAMESPACES)], libc::EPERM));
    all.push(refuse(libc::SYS_unshare, &[HasAnyOf(0, NEW_NAMESPACES | NEW_TIME)], libc::EPERM));
    let weaker = [HasAnyOf(0, WEAKENING_PERSONALITY), IsNot(0, PERSONALITY_QUERY)];
    all.push(refuse(libc::SYS_personality, &weaker, libc::EPERM));
    if options.shared_group {
        all.push(refuse(libc::SYS_kill, &[Is(0, 0), IsNot(1, 0)], libc::EPERM));
        // PRIO_PGRP and IOPRIO_WHO_PGRP.
        all.push(refuse(libc::SYS_setpriority, &[Is(0, 1), Is(1, 0)], libc::EPERM));
        all.push(refuse(libc::SYS_ioprio_set, &[Is(0, 2), Is(1, 0)], libc::EPERM));
    }
    all.extend(set_user_id_refusals());
    if options.no_namespaces {
        all.extend(seccomp_alone::refusals());
        if options.watched == Watched::Nothing {
            all.extend(seccomp_alone::unasked());
        }
    }
    let family = |family: i32| family as u32;
    let unix = Is(0, family(libc::AF_UNIX));
    if !options.unix_sockets && options.watched == Watched::Nothing {
        all.push(refuse(libc::SYS_socket, &[unix], libc::EPERM));
        // Each end could name a receiver outside as well.
        all.push(refuse(libc::SYS_socketpair, &[unix, HasAnyOf(1, 2)], libc::EPERM));
    } else if !options.unix_sockets {
        // SOCK_DGRAM (2) and SOCK_RAW (3), which is the same for this family: each datagram may name another receiver,
        // in memory that changes while it is looked at. Streams and packets in sequence name theirs in connect(2) only.
        // For a pair the gatekeeper has another one.
        all.push(refuse(libc::SYS_socket, &[unix, HasAnyOf(1, 2)], libc::EPERM));
    }
    // getifaddrs(3) and friends need NETLINK_ROUTE (0); everything else speaks to the host's kernel.
    let netlink = [Is(0, family(libc::AF_NETLINK)), IsNot(2, 0)];
    all.push(refuse(libc::SYS_socket, &netlink, libc::EPERM));
    let known = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let foreign: Vec<Test> = known.iter().map(|&f| IsNot(0, family(f))).collect();
    all.push(refuse(libc::SYS_socket, &foreign, libc::EAFNOSUPPORT));
    all
}

/// A file that runs as its owner for whoever starts it: in a writable tree it would hand this user, or root, to any
/// other account of the machine. `nosuid` mounts hold only inside.
fn set_user_id_refusals() -> Vec<Rule> {
    use Test::HasAnyOf;
    const BIT: u32 = libc::S_ISUID;
    const CREATES: u32 = libc::O_CREAT as u32;
    const UNNAMED: u32 = libc::O_TMPFILE as u32 & !(libc::O_DIRECTORY as u32);
    // The mode of an open that creates nothing is whatever stood in the register.
    let opens = |call, flags| {
        [CREATES, UNNAMED].map(|makes| Rule {
            call,
            tests: vec![HasAnyOf(flags, makes), HasAnyOf(flags + 1, BIT)],
            action: Action::Fail(libc::EPERM),
        })
    };
    let modes = |call, argument| Rule {
        call,
        tests: vec![HasAnyOf(argument, BIT)],
        action: Action::Fail(libc::EPERM),
    };
    let mut all = vec![
        modes(libc::SYS_fchmod, 1),
        modes(libc::SYS_fchmodat, 2),
        modes(FCHMODAT2, 2),
        modes(libc::SYS_mknodat, 2),
    ];
    all.extend(opens(libc::SYS_openat, 2));
    #[cfg(target_arch = "x86_64")]
    {
        all.extend([modes(libc::SYS_chmod, 1), modes(libc::SYS_creat, 1), modes(libc::SYS_mknod, 1)]);
        all.extend(opens(libc::SYS_open, 1));
    }
    all
}

/// What the gatekeeper is asked about. Opening for reading alone is not: most calls are that, and what must not be read
/// is masked by mounts.
fn notifications(options: Options) -> Vec<Rule> {
    use Test::{HasAnyOf, Is, IsNot};
    const CHANGES: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u32;
    let notify = |call, tests: &[Test]| Rule { call, tests: tests.to_vec(), action: Action::Notify };
    let mut all = Vec::new();
    if options.no_namespaces && options.watched != Watched::Nothing {
        all.extend(seccomp_alone::notifications());
    }
    if options.watched != Watched::Nothing && !options.unix_sockets {
        all.push(notify(libc::SYS_connect, &[]));
        all.push(notify(libc::SYS_socketpair, &[Is(0, libc::AF_UNIX as u32), HasAnyOf(1, 2)]));
    }
    if options.watched != Watched::Nothing && options.listens && !options.no_namespaces {
        all.push(notify(libc::SYS_listen, &[]));
    }
    if !matches!(options.watched, Watched::Files | Watched::Reads) {
        return all;
    }
    let opens = |flags| match options.watched {
        Watched::Reads => Vec::new(),
        _ => vec![HasAnyOf(flags, CHANGES)],
    };
    all.extend(WATCHED.iter().map(|&call| notify(call, &[])));
    all.push(notify(libc::SYS_openat, &opens(2)));
    // Without a path it changes an open file (utimensat(2)).
    all.push(notify(libc::SYS_utimensat, &[IsNot(1, 0)]));
    #[cfg(target_arch = "x86_64")]
    {
        all.extend(WATCHED_OLD.iter().map(|&call| notify(call, &[])));
        all.push(notify(libc::SYS_open, &opens(1)));
        all.push(notify(libc::SYS_futimesat, &[IsNot(1, 0)]));
    }
    all
}

/// Calls that change what stands at a path, whatever their other arguments.
const WATCHED: &[i64] = &[
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    // Both architectures have it; newer ones do not.
    libc::SYS_renameat,
];

/// Those that newer architectures do without.
#[cfg(target_arch = "x86_64")]
const WATCHED_OLD: &[i64] = &[
    libc::SYS_creat,
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_symlink,
    libc::SYS_link,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
];

/// The same number on every architecture (Linux 6.6); younger than some C libraries' lists.
pub const FCHMODAT2: i64 = 452;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const NUMBER: u32 = 0; // offsetof(struct seccomp_data, nr)
const ARCHITECTURE: u32 = 4; // offsetof(struct seccomp_data, arch)
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000; // SECCOMP_RET_USER_NOTIF
const KILL_PROCESS: u32 = 0x8000_0000;
const X32: u32 = 0x4000_0000;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64

/// The program for seccomp(2).
pub fn program(options: Options) -> Vec<Instruction> {
    let mut code = vec![
        load(ARCHITECTURE),
        // A foreign ABI (i386 on x86_64) numbers its calls otherwise: nothing of it can be judged.
        jump(JUMP_EQUAL, NATIVE, 1, 0),
        stop(KILL_PROCESS),
        load(NUMBER),
    ];
    if cfg!(target_arch = "x86_64") {
        // x32 calls carry the native architecture and a bit in their number.
        code.extend([jump(JUMP_AT_LEAST, X32, 0, 1), stop(ERRNO | libc::ENOSYS as u32)]);
    }
    // What is refused anyway is not asked about: refusals stand before notifications of the same call.
    let mut rules = refusals(options);
    rules.extend(notifications(options));
    rules.sort_by_key(|r| r.call);
    let blocks: Vec<(u32, Vec<Instruction>)> =
        rules.chunk_by(|a, b| a.call == b.call).filter_map(block).collect();
    code.extend(search(&blocks));
    code
}

/// What happens at one call: its rules, in their order, and otherwise leave.
fn block(group: &[Rule]) -> Option<(u32, Vec<Instruction>)> {
    let call = group.first().and_then(|r| u32::try_from(r.call).ok())?;
    let mut code: Vec<Instruction> = group.iter().flat_map(rule).collect();
    if group.iter().all(|r| !r.tests.is_empty()) {
        code.push(stop(ALLOW));
    }
    Some((call, code))
}

/// Blocks sorted by call, found by halving: when the filter is installed, the kernel walks it once for each system
/// call that there is, and every command waits for that.
fn search(blocks: &[(u32, Vec<Instruction>)]) -> Vec<Instruction> {
    let (left, right) = blocks.split_at(blocks.len() / 2);
    if let (true, Some((middle, _))) = (left.len() > 1, right.first()) {
        let lower = search(left);
        // A half too long for a jump is searched one by one with the rest.
        if let Ok(length) = u8::try_from(lower.len()) {
            return [vec![jump(JUMP_AT_LEAST, *middle, length, 0)], lower, search(right)].concat();
        }
    }
    let mut code = Vec::new();
    for (call, block) in blocks {
        // A block has at most a few dozen instructions; `tests` below hold it under the limit of 255.
        let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
        code.push(jump(JUMP_EQUAL, *call, 0, length));
        code.extend_from_slice(block);
    }
    code.push(stop(ALLOW));
    code
}

fn rule(rule: &Rule) -> Vec<Instruction> {
    let mut code = Vec::new();
    let count = rule.tests.len();
    for (index, test) in rule.tests.iter().enumerate() {
        // What follows within this rule: two instructions for each later test, and the return.
        let rest = u8::try_from((count - index - 1) * 2 + 1).unwrap_or(u8::MAX);
        let (argument, operation, value, on_true, on_false) = match *test {
            Test::Is(argument, value) => (argument, JUMP_EQUAL, value, 0, rest),
            Test::IsNot(argument, value) => (argument, JUMP_EQUAL, value, rest, 0),
            Test::HasAnyOf(argument, bits) => (argument, JUMP_ANY_BIT, bits, 0, rest),
        };
        // Both supported architectures are little-endian: the low half comes first.
        code.push(load(16 + 8 * u32::from(argument)));
        code.push(jump(operation, value, on_true, on_false));
    }
    code.push(stop(match rule.action {
        Action::Fail(errno) => ERRNO | errno as u32,
        Action::Notify => NOTIFY,
    }));
    code
}

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, jt: 0, jf: 0, k: offset }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

fn stop(action: u32) -> Instruction {
    Instruction { code: RETURN, jt: 0, jf: 0, k: action }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer: an interpreter for the five operations used.
    fn answer(program: &[Instruction], architecture: u32, call: u32, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(call.to_le_bytes());
        data.extend(architecture.to_le_bytes());
        data.extend(0u64.to_le_bytes());
        arguments.iter().for_each(|a| data.extend(a.to_le_bytes()));
        let (mut at, mut accumulator) = (0, 0u32);
        loop {
            let i = program[at];
            at += 1;
            let taken = match i.code {
                LOAD => {
                    let from = i.k as usize;
                    accumulator = u32::from_le_bytes(data[from..from + 4].try_into().unwrap());
                    continue;
                }
                RETURN => return i.k,
                JUMP_EQUAL => accumulator == i.k,
                JUMP_AT_LEAST => accumulator >= i.k,
                JUMP_ANY_BIT => accumulator & i.k != 0,
                other => panic!("unknown operation {other:#x}"),
            };
            at += usize::from(if taken { i.jt } else { i.jf });
        }
    }

    fn ask(options: Options, call: i64, arguments: [u64; 6]) -> u32 {
        answer(&program(options), NATIVE, call as u32, arguments)
    }

    const PLAIN: Options = Options {
        unix_sockets: false,
        listens: false,
        shared_group: false,
        no_namespaces: false,
        watched: Watched::Nothing,
    };
    const REFUSED: u32 = ERRNO | libc::EPERM as u32;

    #[test]
    fn ordinary_calls_are_allowed() {
        for call in
            [libc::SYS_read, libc::SYS_openat, libc::SYS_execve, libc::SYS_socketpair, libc::SYS_ptrace]
        {
            assert_eq!(ask(PLAIN, call, [0; 6]), ALLOW);
        }
    }

    #[test]
    fn typing_into_the_terminal_is_refused_also_with_upper_bits_set() {
        assert_eq!(ask(PLAIN, libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0]), REFUSED);
        assert_eq!(ask(PLAIN, libc::SYS_ioctl, [0, 0xdead_beef_0000_5412, 0, 0, 0, 0]), REFUSED);
        assert_eq!(ask(PLAIN, libc::SYS_ioctl, [0, 0x541c, 0, 0, 0, 0]), REFUSED);
        assert_eq!(ask(PLAIN, libc::SYS_ioctl, [0, 0x5413, 0, 0, 0, 0]), ALLOW);
    }

    #[test]
    fn whole_trees_are_not_made_by_ioctl_and_files_are_cloned() {
        let ioctl = |request: u32| ask(PLAIN, libc::SYS_ioctl, [3, u64::from(request), 0, 0, 0, 0]);
        for &request in OF_FILE_SYSTEMS {
            assert_eq!(ioctl(request), REFUSED, "{request:#x}");
        }
        // FICLONE, FICLONERANGE, FS_IOC_GETFLAGS, BTRFS_IOC_SUBVOL_GETFLAGS.
        for request in [0x4004_9409, 0x4020_940d, 0x8008_6601, 0x8008_9419] {
            assert_eq!(ioctl(request), ALLOW, "{request:#x}");
        }
    }

    #[test]
    fn leases_are_refused_and_other_requests_of_fcntl_are_not() {
        let fcntl = |request: i32| ask(PLAIN, libc::SYS_fcntl, [3, request as u64, 1, 0, 0, 0]);
        for request in [libc::F_SETLEASE, 1040] {
            assert_eq!(fcntl(request), ERRNO | libc::EACCES as u32);
        }
        for request in [libc::F_GETFD, libc::F_SETFL, libc::F_SETLK, libc::F_OFD_SETLKW, libc::F_GETLEASE] {
            assert_eq!(fcntl(request), ALLOW, "{request}");
        }
    }

    #[test]
    fn namespaces_are_refused_threads_and_forks_are_not() {
        assert_eq!(ask(PLAIN, libc::SYS_clone, [libc::CLONE_NEWUSER as u64 | 17, 0, 0, 0, 0, 0]), REFUSED);
        assert_eq!(ask(PLAIN, libc::SYS_clone, [0x003d_0f00, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(ask(PLAIN, libc::SYS_unshare, [libc::CLONE_NEWNS as u64, 0, 0, 0, 0, 0]), REFUSED);
        assert_eq!(ask(PLAIN, libc::SYS_unshare, [libc::CLONE_FILES as u64, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(ask(PLAIN, libc::SYS_clone3, [0; 6]), ERRNO | libc::ENOSYS as u32);
    }

    #[test]
    fn socket_families() {
        let socket = |options, family: i32, protocol| {
            ask(options, libc::SYS_socket, [family as u64, 1, protocol, 0, 0, 0])
        };
        assert_eq!(socket(PLAIN, libc::AF_INET, 0), ALLOW);
        assert_eq!(socket(PLAIN, libc::AF_UNIX, 0), REFUSED);
        assert_eq!(socket(Options { unix_sockets: true, ..PLAIN }, libc::AF_UNIX, 0), ALLOW);
        assert_eq!(socket(PLAIN, libc::AF_NETLINK, 0), ALLOW);
        assert_eq!(socket(PLAIN, libc::AF_NETLINK, 15), REFUSED);
        for family in [libc::AF_VSOCK, libc::AF_PACKET, libc::AF_ALG, 0, 45, 200] {
            assert_eq!(socket(PLAIN, family, 0), ERRNO | libc::EAFNOSUPPORT as u32);
        }
    }

    #[test]
    fn personality_may_be_asked_but_not_weakened() {
        let personality = |value| ask(PLAIN, libc::SYS_personality, [value, 0, 0, 0, 0, 0]);
        assert_eq!(personality(0xffff_ffff), ALLOW);
        assert_eq!(personality(0x0004_0000), ALLOW);
        assert_eq!(personality(0x0040_0000), REFUSED);
    }

    #[test]
    fn killing_the_callers_group_is_refused_only_where_it_is_shared() {
        let shared = Options { shared_group: true, ..PLAIN };
        assert_eq!(ask(shared, libc::SYS_kill, [0, 9, 0, 0, 0, 0]), REFUSED);
        assert_eq!(ask(shared, libc::SYS_kill, [0, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(ask(shared, libc::SYS_kill, [7, 9, 0, 0, 0, 0]), ALLOW);
        assert_eq!(ask(PLAIN, libc::SYS_kill, [0, 9, 0, 0, 0, 0]), ALLOW);
    }

    #[test]
    fn set_user_id_files_are_refused_and_plain_opens_are_not() {
        let (create, suid) = (libc::O_CREAT as u64, 0o4755);
        assert_eq!(ask(PLAIN, libc::SYS_openat, [0, 0, create | 1, suid, 0, 0]), REFUSED);
        assert_eq!(ask(PLAIN, libc::SYS_openat, [0, 0, libc::O_TMPFILE as u64 | 1, suid, 0, 0]), REFUSED);
        assert_eq!(ask(PLAIN, libc::SYS_openat, [0, 0, create | 1, 0o2755, 0, 0]), ALLOW);
        assert_eq!(ask(PLAIN, libc::SYS_openat, [0, 0, libc::O_DIRECTORY as u64, u64::MAX, 0, 0]), ALLOW);
        assert_eq!(ask(PLAIN, libc::SYS_fchmodat, [0, 0, suid, 0, 0, 0]), REFUSED);
        assert_eq!(ask(PLAIN, libc::SYS_fchmod, [0, 0o755, 0, 0, 0, 0]), ALLOW);
    }

    #[test]
    fn foreign_abis_are_refused() {
        let all = program(PLAIN);
        assert_eq!(answer(&all, 0x4000_0003, 5, [0; 6]), KILL_PROCESS);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(answer(&all, NATIVE, X32 | 2, [0; 6]), ERRNO | libc::ENOSYS as u32);
        }
    }

    #[test]
    fn every_unconditional_refusal_refuses() {
        for &call in NEVER {
            assert_eq!(ask(PLAIN, call, [0; 6]), REFUSED, "call {call}");
        }
    }

    #[test]
    fn the_search_answers_for_every_call_as_the_list_of_rules_does() {
        let holds = |test: &Test, arguments: &[u64; 6]| match *test {
            Test::Is(argument, value) => arguments[usize::from(argument)] as u32 == value,
            Test::IsNot(argument, value) => arguments[usize::from(argument)] as u32 != value,
            Test::HasAnyOf(argument, bits) => arguments[usize::from(argument)] as u32 & bits != 0,
        };
        let mut values = vec![0, 1, 2, 16, 9999, 0x5412, 0x541c, 0x541d, 0x0040_0000, 0xffff_ffff];
        values.extend([libc::CLONE_NEWUSER as u64 | 17, u64::from(NEW_TIME), 0x1_0000_0000]);
        for bits in 0..8 {
            let (unix_sockets, shared_group, no_namespaces) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let options =
                Options { unix_sockets, shared_group, no_namespaces, watched: Watched::Files, ..PLAIN };
            let (program, mut rules) = (program(options), refusals(options));
            rules.extend(notifications(options));
            for call in 0..700u32 {
                for (&first, &second) in values.iter().flat_map(|a| values.iter().map(move |b| (a, b))) {
                    let arguments = [first, second, second, 0, 0, 0];
                    let decides = rules
                        .iter()
                        .find(|r| r.call == i64::from(call) && r.tests.iter().all(|t| holds(t, &arguments)));
                    let expected = decides.map_or(ALLOW, |r| match r.action {
                        Action::Fail(errno) => ERRNO | errno as u32,
                        Action::Notify => NOTIFY,
                    });
                    assert_eq!(answer(&program, NATIVE, call, arguments), expected, "{call} {arguments:?}");
                }
            }
        }
    }

    #[test]
    fn reading_is_not_asked_about_and_changing_is() {
        let all = Options { watched: Watched::Files, ..PLAIN };
        let open = |flags: i32| ask(all, libc::SYS_openat, [0, 0, flags as u64, 0o644, 0, 0]);
        for reading in [libc::O_RDONLY, libc::O_DIRECTORY | libc::O_CLOEXEC, libc::O_PATH | libc::O_NOFOLLOW]
        {
            assert_eq!(open(reading), ALLOW);
        }
        for changing in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC, libc::O_TMPFILE | 1] {
            assert_eq!(open(changing), NOTIFY);
        }
        assert_eq!(ask(all, libc::SYS_utimensat, [3, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(ask(all, libc::SYS_utimensat, [3, 8, 0, 0, 0, 0]), NOTIFY);
        assert_eq!(ask(all, libc::SYS_fchmodat, [0, 0, 0o4755, 0, 0, 0]), REFUSED, "refused unasked");
        let connects = Options { watched: Watched::Connects, ..PLAIN };
        for (options, files, connect) in
            [(all, NOTIFY, NOTIFY), (connects, ALLOW, NOTIFY), (PLAIN, ALLOW, ALLOW)]
        {
            assert_eq!(ask(options, libc::SYS_unlinkat, [0; 6]), files);
            assert_eq!(ask(options, libc::SYS_connect, [0; 6]), connect);
        }
        assert_eq!(ask(Options { unix_sockets: true, ..all }, libc::SYS_connect, [0; 6]), ALLOW);
        assert_eq!(ask(all, libc::SYS_listen, [0; 6]), ALLOW);
        let reached = Options { listens: true, unix_sockets: true, ..connects };
        assert_eq!(ask(reached, libc::SYS_listen, [0; 6]), NOTIFY);
        assert_eq!(ask(Options { listens: true, ..PLAIN }, libc::SYS_listen, [0; 6]), ALLOW, "nobody to ask");
    }

    #[test]
    fn watched_unix_sockets_are_streams() {
        let options = Options { watched: Watched::Connects, ..PLAIN };
        let unix = |call, kind: i32| ask(options, call, [libc::AF_UNIX as u64, kind as u64, 0, 0, 0, 0]);
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            for kind in [libc::SOCK_STREAM, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK] {
                assert_eq!(unix(call, kind), ALLOW);
            }
            for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC] {
                let expected = if call == libc::SYS_socketpair { NOTIFY } else { REFUSED };
                assert_eq!(unix(call, kind), expected);
            }
        }
        let pair = |kind: i32| ask(PLAIN, libc::SYS_socketpair, [1, kind as u64, 0, 0, 0, 0]);
        assert_eq!([pair(libc::SOCK_STREAM), pair(libc::SOCK_DGRAM | libc::SOCK_CLOEXEC)], [ALLOW, REFUSED]);
        assert_eq!(ask(options, libc::SYS_socket, [libc::AF_INET as u64, 2, 0, 0, 0, 0]), ALLOW);
    }

    #[test]
    fn jumps_stay_short_enough_for_their_byte() {
        assert!(
            program(Options {
                unix_sockets: false,
                listens: true,
                shared_group: true,
                no_namespaces: true,
                watched: Watched::Files
            })
            .iter()
            // The search measures its own jumps.
            .filter(|i| i.code != JUMP_AT_LEAST)
            .all(|i| i.jf < 200 && i.jt < 200)
        );
    }
}
