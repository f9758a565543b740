//! File descriptors: what they are, where they lead, passing them on. Owns the calls; decides nothing.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::SFlag;
use nix::unistd::Whence;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a descriptor leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pipe or a named FIFO.
    Pipe,
    /// A terminal.
    Terminal,
    /// `/dev/null`, `/dev/zero`, `/dev/full`, `/dev/random`, `/dev/urandom`.
    PlainDevice,
    /// A regular file that has a name.
    File,
    /// A regular file without a name: deleted, or memory.
    Nameless,
    /// A directory.
    Directory,
    /// A socket.
    Socket,
    /// Any other device, a terminal's other side, an anonymous inode, an O_PATH descriptor.
    Other,
}

/// One open descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub number: RawFd,
    /// What it leads to.
    pub kind: Kind,
    /// Whether it can be written to.
    pub writable: bool,
    /// Whether it can be read from.
    pub readable: bool,
    /// The path of a [`Kind::File`] or [`Kind::Directory`], as the kernel gives it.
    pub path: Option<PathBuf>,
}

/// Looks at one descriptor; `None` if it is closed.
pub fn look(number: RawFd) -> Option<Descriptor> {
    let descriptor = borrow(number);
    let stat = nix::sys::stat::fstat(descriptor).ok()?;
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL).ok()?);
    let link = || std::fs::read_link(format!("/proc/self/fd/{number}")).ok();
    let kind = match SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) {
        _ if flags.contains(OFlag::O_PATH) => Kind::Other,
        SFlag::S_IFIFO => Kind::Pipe,
        // Who has the side that a terminal is driven from types into it.
        SFlag::S_IFCHR if is_driving(number, stat.st_rdev) => Kind::Other,
        SFlag::S_IFCHR if nix::unistd::isatty(descriptor).unwrap_or(false) => Kind::Terminal,
        SFlag::S_IFCHR if is_plain_device(stat.st_rdev) => Kind::PlainDevice,
        SFlag::S_IFREG if stat.st_nlink == 0 => Kind::Nameless,
        // A namespace, or a process (pidfd): regular by their modes alone.
        SFlag::S_IFREG if link().is_some_and(|path| !path.is_absolute()) => Kind::Other,
        SFlag::S_IFREG => Kind::File,
        SFlag::S_IFDIR => Kind::Directory,
        SFlag::S_IFSOCK => Kind::Socket,
        _ => Kind::Other,
    };
    let path = match kind {
        Kind::File => link().map(|path| had(path, (stat.st_dev, stat.st_ino))),
        Kind::Directory => link(),
        _ => None,
    };
    let access = flags & OFlag::O_ACCMODE;
    Some(Descriptor {
        number,
        kind,
        writable: access != OFlag::O_RDONLY,
        readable: access != OFlag::O_WRONLY,
        path,
    })
}

/// The name that a file had, of which the kernel says that it is gone: the file has others.
fn had(path: PathBuf, identity: (u64, u64)) -> PathBuf {
    let name = path.as_os_str().as_bytes().strip_suffix(b" (deleted)").map(OsStr::from_bytes);
    match name {
        Some(name) if place(&path) != Some(identity) => name.into(),
        _ => path,
    }
}

/// Device and inode of what a path leads to.
pub fn place(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|there| (there.dev(), there.ino()))
}

/// Whether it is the side that a terminal is driven from, of either kind (pts(4), pty(7)); to isatty(3) that is a terminal
/// too.
fn is_driving(number: RawFd, device: libc::dev_t) -> bool {
    const MASTERS: libc::c_uint = 2;
    let mut other: libc::c_int = 0;
    // SAFETY: TIOCGPTN writes one number, which lives here; whatever else the descriptor is answers with an error.
    let status = unsafe { libc::ioctl(number, libc::TIOCGPTN, &raw mut other) };
    status == 0 || libc::major(device) == MASTERS
}

/// Linux's memory devices that carry nothing out: null 3, zero 5, full 7, random 8, urandom 9 of major 1.
fn is_plain_device(device: libc::dev_t) -> bool {
    libc::major(device) == 1 && matches!(libc::minor(device), 3 | 5 | 7 | 8 | 9)
}

/// Whether a socket has the one partner that it was given: what is not connected, or says in each message where it goes,
/// reaches others too, in the network namespace that it was made in.
pub fn has_its_partner(socket: RawFd) -> bool {
    use nix::sys::socket::{SockType, SockaddrStorage, getpeername, getsockopt, sockopt};
    let kind = getsockopt(&borrow(socket), sockopt::SockType);
    matches!(kind, Ok(SockType::Stream | SockType::SeqPacket))
        && getpeername::<SockaddrStorage>(socket).is_ok()
}

/// Numbers of all open descriptors above 2.
///
/// # Errors
/// When `/proc/self/fd` cannot be read.
pub fn above_standard() -> std::io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        if let Some(number) = entry?.file_name().to_str().and_then(|n| n.parse::<RawFd>().ok())
            && number > 2
        {
            numbers.push(number);
        }
    }
    // The descriptor that read_dir itself used is closed by now.
    numbers.retain(|&n| fcntl(borrow(n), FcntlArg::F_GETFD).is_ok());
    Ok(numbers)
}

/// A raw number as something that calls accept. Closed numbers are answered with EBADF by the kernel.
pub fn borrow(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the number is only handed to system calls, which answer EBADF if it is closed; nothing is ever
    // closed through it. -1, the one forbidden value, does not occur: numbers come from the kernel.
    unsafe { BorrowedFd::borrow_raw(number.max(0)) }
}

/// Takes ownership of a number that this process inherited and nobody else here owns.
pub fn own(number: RawFd) -> Option<OwnedFd> {
    if fcntl(borrow(number), FcntlArg::F_GETFD).is_err() || number < 0 {
        return None;
    }
    // SAFETY: it is open (checked) and, by the caller's contract, owned by nothing else in this process.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sets or clears close-on-exec.
pub fn set_inherited(number: RawFd, inherited: bool) {
    let flag = if inherited { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
    let _ = fcntl(borrow(number), FcntlArg::F_SETFD(flag));
}

/// A duplicate at or above `lowest`, closed on exec.
///
/// # Errors
/// What fcntl(2) gives (EMFILE, EBADF).
pub fn duplicate(number: RawFd, lowest: RawFd) -> nix::Result<OwnedFd> {
    let new = fcntl(borrow(number), FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    own(new).ok_or(Errno::EBADF)
}

/// Makes `target` the same as `source`, inherited.
///
/// # Errors
/// What dup2(2) gives.
pub fn put(source: RawFd, target: RawFd) -> nix::Result<()> {
    if source == target {
        set_inherited(target, true);
        return Ok(());
    }
    // SAFETY: dup2 has no memory preconditions; what `target` was is meant to be replaced.
    Errno::result(unsafe { libc::dup2(source, target) }).map(drop)
}

/// Closes a number that no owner here holds.
pub fn close(number: RawFd) {
    // SAFETY: by the caller's contract no OwnedFd holds it.
    let _ = unsafe { libc::close(number) };
}

/// Lets go what the caller handed over, but for standard error: a pipe that a child closes is closed then. Standard input
/// and output lead nowhere afterwards; what this process opened itself stays.
pub fn let_go_of_inherited() {
    let inherited = above_standard().unwrap_or_default();
    inherited.into_iter().filter(|&number| !is_close_on_exec(number)).for_each(close);
    if let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        for number in [0, 1] {
            let _ = put(null.as_raw_fd(), number);
        }
    }
}

/// Closes every descriptor but the ones named, which must be sorted.
pub fn close_all_but(kept: &[RawFd]) {
    let mut first = 0;
    for &number in kept {
        if number > first {
            close_range(first, number - 1);
        }
        first = number + 1;
    }
    close_range(first, RawFd::MAX);
}

fn close_range(first: RawFd, last: RawFd) {
    let (Ok(from), Ok(to)) = (u32::try_from(first), u32::try_from(last)) else { return };
    // SAFETY: close_range(2) has no memory preconditions; callers close what no owner uses afterwards.
    let status = unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
    if status != 0 {
        // Kernels before 5.9: one by one, up to the soft limit.
        let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
        let limit = limit.map_or(1024, |(soft, _)| RawFd::try_from(soft).unwrap_or(65_536));
        (first..=last.min(limit)).for_each(close);
    }
}

/// Opens `/dev/null` on every standard number that is closed, or the next descriptors would get it.
pub fn fill_standard() {
    for number in 0..=2 {
        if let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")
            && null.as_raw_fd() == number
        {
            std::mem::forget(null);
        }
    }
}

/// Whether a descriptor closes on exec.
pub fn is_close_on_exec(number: RawFd) -> bool {
    fcntl(borrow(number), FcntlArg::F_GETFD)
        .is_ok_and(|flags| FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC))
}

/// Lets reads and writes wait, after an open that must not.
pub fn clear_nonblocking(number: RawFd) {
    if let Ok(flags) = fcntl(borrow(number), FcntlArg::F_GETFL) {
        let flags = OFlag::from_bits_retain(flags) - OFlag::O_NONBLOCK;
        let _ = fcntl(borrow(number), FcntlArg::F_SETFL(flags));
    }
}

/// Lets reads and writes fail where they would wait.
///
/// # Errors
/// What fcntl(2) gives.
pub fn set_nonblocking(number: RawFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(borrow(number), FcntlArg::F_GETFL)?);
    fcntl(borrow(number), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

/// Where a terminal stands in the file system, if it is one and still does.
pub fn terminal_path(number: RawFd) -> Option<PathBuf> {
    nix::unistd::isatty(borrow(number)).ok().filter(|is| *is)?;
    let path = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
    (identity(number)? == place(&path)?).then_some(path)
}

/// Device and inode behind a descriptor.
pub fn identity(number: RawFd) -> Option<(u64, u64)> {
    let stat = nix::sys::stat::fstat(borrow(number)).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

/// Whether reading from it, here and now, would not wait.
pub fn is_readable_now(number: RawFd) -> bool {
    let mut events = [PollFd::new(borrow(number), PollFlags::POLLIN)];
    poll(&mut events, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Whether a file is one of `/proc`: what is behind it depends on who opens it and when.
pub fn is_made_up(number: RawFd) -> bool {
    let found = nix::sys::statfs::fstatfs(borrow(number)).map(|found| found.filesystem_type());
    found.map_or(true, |kind| kind == nix::sys::statfs::PROC_SUPER_MAGIC)
}

/// Whether this user can neither write to what stands behind a descriptor, opened again, nor change who may. What the kernel
/// makes up says by its mode little of what a descriptor gives.
pub fn is_beyond_change(number: RawFd) -> bool {
    let mine = || {
        let owner = nix::sys::stat::fstat(borrow(number)).map(|stat| stat.st_uid);
        owner.map_or(true, |owner| owner == nix::unistd::geteuid().as_raw())
    };
    let path = format!("/proc/self/fd/{number}");
    let writes = nix::unistd::access(path.as_str(), nix::unistd::AccessFlags::W_OK);
    writes == Err(Errno::EACCES) && !mine() && !is_made_up(number)
}

/// The position of a file's descriptor.
pub fn position(number: RawFd) -> Option<i64> {
    nix::unistd::lseek(borrow(number), 0, Whence::SeekCur).ok()
}

/// Moves the position of a file's descriptor.
pub fn set_position(number: RawFd, position: i64) {
    let _ = nix::unistd::lseek(borrow(number), position, Whence::SeekSet);
}
