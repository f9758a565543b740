//! Another process, whose call waits for our answer: its memory, its descriptors, its places. Owns the calls; decides
//! nothing. Everything that is read here may change while it is read, and belongs to that process only if its call
//! still waits afterwards.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Longest path that the kernel takes, with its NUL (limits.h).
const PATH_MAX: usize = 4096;
/// The smallest page of any machine: reading never crosses one, as the next may not be there.
const PAGE: usize = 4096;

/// Fills a buffer from its memory, and gives how far it came.
fn read(thread: i32, base: usize, into: &mut [u8]) -> nix::Result<usize> {
    let len = into.len();
    match process_vm_readv(Pid::from_raw(thread), &mut [IoSliceMut::new(into)], &[RemoteIoVec { base, len }])
    {
        // Filters of containers refuse the call; the right to look is the same one by this way (proc_pid_mem(5)).
        Err(Errno::EPERM | Errno::ENOSYS) => {
            memory(thread, false)?.read_at(into, base as u64).map_err(at_memory)
        }
        got => got,
    }
}

/// Its memory as a file.
fn memory(thread: i32, write: bool) -> nix::Result<fs::File> {
    let file = fs::File::options().read(!write).write(write).open(format!("/proc/{thread}/mem"));
    // EACCES says of a file what EPERM says of a process.
    file.map_err(|error| if as_errno(&error) == Errno::EACCES { Errno::EPERM } else { as_errno(&error) })
}

/// EIO: nothing is there.
fn at_memory(error: std::io::Error) -> Errno {
    if as_errno(&error) == Errno::EIO { Errno::EFAULT } else { as_errno(&error) }
}

/// Bytes of its memory.
///
/// # Errors
/// EFAULT where there is none; EPERM where it may not be looked into.
pub fn bytes(thread: i32, address: u64, length: usize) -> nix::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    let got = read(thread, base, &mut buffer)?;
    if got == length { Ok(buffer) } else { Err(Errno::EFAULT) }
}

/// Puts bytes into its memory.
///
/// # Errors
/// EFAULT where it could not write itself.
pub fn put(thread: i32, address: u64, bytes: &[u8]) -> nix::Result<()> {
    let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    let there = [RemoteIoVec { base, len: bytes.len() }];
    let put = match process_vm_writev(Pid::from_raw(thread), &[IoSlice::new(bytes)], &there) {
        Err(Errno::EPERM | Errno::ENOSYS) => {
            memory(thread, true)?.write_at(bytes, base as u64).map_err(at_memory)?
        }
        put => put?,
    };
    if put == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
}

/// A path in its memory.
///
/// # Errors
/// EFAULT where there is none, ENAMETOOLONG for one without an end.
pub fn path(thread: i32, address: u64) -> nix::Result<PathBuf> {
    let mut text = Vec::new();
    let mut at = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    // Most paths are short: one read of what is left of the page, up to so much.
    let mut piece = 256;
    while text.len() < PATH_MAX {
        let length = piece.min(PAGE - at % PAGE);
        let start = text.len();
        text.resize(start + length, 0);
        let got = read(thread, at, text.get_mut(start..).unwrap_or_default())?;
        text.truncate(start + got);
        if let Some(end) = text.get(start..).and_then(|new| new.iter().position(|&byte| byte == 0)) {
            text.truncate(start + end);
            return Ok(PathBuf::from(OsString::from_vec(text)));
        }
        if got < length {
            return Err(Errno::EFAULT);
        }
        at = at.checked_add(length).ok_or(Errno::EFAULT)?;
        piece = PAGE;
    }
    Err(Errno::ENAMETOOLONG)
}

/// Room for a short path of another process, which most are.
pub const SHORT: usize = 256;

/// The path at an address; `None` where there is none, or a longer one, or one that crosses a page.
pub fn short_path(thread: i32, address: u64, room: &mut [u8; SHORT]) -> Option<&[u8]> {
    let base = usize::try_from(address).ok()?;
    let len = SHORT.min(PAGE - base % PAGE);
    let got = read(thread, base, room.get_mut(..len)?).ok()?;
    let text = room.get(..got)?;
    text.get(..text.iter().position(|&byte| byte == 0)?)
}

/// The same as [`directory`], appended to `path`; false where that has no path.
pub fn directory_into(thread: i32, descriptor: RawFd, path: &mut Vec<u8>) -> bool {
    let mut name = [0u8; 48];
    let mut rest = &mut name[..];
    let written = match descriptor {
        libc::AT_FDCWD => write!(rest, "/proc/{thread}/cwd\0"),
        descriptor => write!(rest, "/proc/{thread}/fd/{descriptor}\0"),
    };
    if written.is_err() {
        return false;
    }
    path.reserve(PATH_MAX);
    let room = path.spare_capacity_mut();
    // SAFETY: the name is NUL-terminated; the kernel writes at most as many bytes as there is room for.
    let length = unsafe { libc::readlink(name.as_ptr().cast(), room.as_mut_ptr().cast(), room.len()) };
    let Ok(length) = usize::try_from(length) else { return false };
    // SAFETY: so many bytes were written just now, into room that is there.
    unsafe { path.set_len(path.len() + length) };
    path.first() == Some(&b'/') && !path.ends_with(b" (deleted)")
}

/// Its working directory, or the directory behind one of its descriptors, as a path in its own tree.
///
/// # Errors
/// What readlink(2) gives; ENOENT for a directory that has no path any more.
pub fn directory(thread: i32, descriptor: RawFd) -> nix::Result<PathBuf> {
    let link = link_to(thread, descriptor);
    let path = fs::read_link(&link).map_err(|error| as_errno(&error))?;
    // What the kernel appends could be its name as well.
    let gone = path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)")
        && nix::sys::stat::stat(link.as_str())?.st_nlink == 0;
    if path.is_absolute() && !gone { Ok(path) } else { Err(Errno::ENOENT) }
}

fn link_to(thread: i32, descriptor: RawFd) -> String {
    match descriptor {
        libc::AT_FDCWD => format!("/proc/{thread}/cwd"),
        descriptor => format!("/proc/{thread}/fd/{descriptor}"),
    }
}

/// A directory below its working directory, or below one behind one of its descriptors, opened as a place only: through no
/// link, and however long the path of either is.
///
/// # Errors
/// What openat2(2) gives; ELOOP where a link stands.
pub fn directory_below(thread: i32, descriptor: RawFd, path: &Path) -> nix::Result<OwnedFd> {
    let link = link_to(thread, descriptor);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let here = nix::fcntl::open(link.as_str(), flags, nix::sys::stat::Mode::empty())?;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    openat2(here, path, OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS))
}

/// The tree that it sees.
#[derive(Debug)]
pub struct Tree(OwnedFd);

impl Tree {
    /// Of a process.
    ///
    /// # Errors
    /// What open(2) gives.
    pub fn of(thread: i32) -> nix::Result<Tree> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        nix::fcntl::open(format!("/proc/{thread}/root").as_str(), flags, nix::sys::stat::Mode::empty())
            .map(Tree)
    }

    /// What an absolute path in it leads to, opened as a place only (O_PATH).
    ///
    /// # Errors
    /// What openat2(2) gives; ELOOP also for paths through the magic links of `/proc`.
    pub fn look(&self, path: &Path, follow: bool) -> nix::Result<OwnedFd> {
        let mut flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        flags.set(OFlag::O_NOFOLLOW, !follow);
        let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        openat2(&self.0, path, how)
    }

    /// Looks whether an absolute path leads through no link to a directory, or to anything.
    ///
    /// # Errors
    /// What openat2(2) gives; ELOOP where a link stands.
    pub fn straight(&self, path: &Path, directory: bool) -> nix::Result<()> {
        let mut flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        flags.set(OFlag::O_DIRECTORY, directory);
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
        openat2(&self.0, path, OpenHow::new().flags(flags).resolve(resolve)).map(drop)
    }

    /// Where a symlink leads, if one stands there.
    ///
    /// # Errors
    /// EINVAL: something else stands there. ENOENT: nothing does.
    pub fn link(&self, canonical: &Path) -> nix::Result<PathBuf> {
        let below = canonical.strip_prefix("/").unwrap_or(canonical);
        nix::fcntl::readlinkat(&self.0, below).map(PathBuf::from)
    }
}

/// The path of an open place, in the tree that it was opened in.
///
/// # Errors
/// What readlink(2) gives.
pub fn path_of(place: &OwnedFd) -> nix::Result<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{}", place.as_raw_fd())).map_err(|error| as_errno(&error))
}

/// What stands behind one of its descriptors, opened as a place only: a file or directory, or something without a path. It
/// takes less of a right than a copy of the descriptor.
///
/// # Errors
/// EBADF: it has no such descriptor. EACCES: it may not be looked into. ENXIO: a socket.
pub fn place(thread: i32, number: RawFd) -> nix::Result<OwnedFd> {
    let link = format!("/proc/{thread}/fd/{number}");
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    match nix::fcntl::open(link.as_str(), flags, nix::sys::stat::Mode::empty()) {
        Err(Errno::ENOENT) => Err(Errno::EBADF),
        opened => opened,
    }
}

/// The flags of one of its sockets, as open(2) has them, with O_CLOEXEC. It takes less of a right than a copy.
///
/// # Errors
/// EBADF, ENOTSOCK; EPERM: it may not be looked into.
pub fn socket_flags(thread: i32, number: RawFd) -> nix::Result<i32> {
    let as_told = |error: std::io::Error| match as_errno(&error) {
        Errno::ENOENT => Errno::EBADF,
        Errno::EACCES => Errno::EPERM,
        error => error,
    };
    let what = fs::read_link(format!("/proc/{thread}/fd/{number}")).map_err(as_told)?;
    if !what.as_os_str().as_encoded_bytes().starts_with(b"socket:[") {
        return Err(Errno::ENOTSOCK);
    }
    let told = fs::read_to_string(format!("/proc/{thread}/fdinfo/{number}")).map_err(as_told)?;
    flags_in(&told).ok_or(Errno::EBADF)
}

/// The flags in what `/proc` tells of a descriptor (proc_pid_fdinfo(5)).
fn flags_in(told: &str) -> Option<i32> {
    let flags = told.lines().find_map(|line| line.strip_prefix("flags:"))?;
    i32::from_str_radix(flags.trim(), 8).ok()
}

/// Whether what `/proc` tells of a descriptor, opened as a place, says that it is open for writing.
pub fn is_written(told: &OwnedFd) -> bool {
    let text = fs::read_to_string(format!("/proc/self/fd/{}", told.as_raw_fd())).unwrap_or_default();
    flags_in(&text)
        .is_some_and(|flags| flags & libc::O_PATH == 0 && flags & libc::O_ACCMODE != libc::O_RDONLY)
}

/// A copy of one of its descriptors.
///
/// # Errors
/// EBADF: it has no such descriptor. EPERM: it may not be looked into.
pub fn descriptor(thread: i32, number: RawFd) -> nix::Result<OwnedFd> {
    /// PIDFD_THREAD (Linux 6.9).
    const THREAD: i32 = libc::O_EXCL;
    let process = open(thread, THREAD).or_else(|error| match error {
        Errno::EINVAL => open(leader(thread).ok_or(Errno::ESRCH)?, 0),
        error => Err(error),
    })?;
    // SAFETY: pidfd_getfd(2) takes numbers and no memory.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

/// Whether descriptors of other processes can be copied, if those may be looked into: filters of containers refuse the call.
pub fn can_copy() -> bool {
    matches!(descriptor(nix::unistd::getpid().as_raw(), -1), Err(Errno::EBADF))
}

fn open(process: i32, flags: i32) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes two numbers and no memory.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, process, flags) })
}

fn owned(number: i64) -> nix::Result<OwnedFd> {
    let number = i32::try_from(Errno::result(number)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The process that a thread belongs to.
pub fn leader(thread: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// What `/proc/self` or `/proc/thread-self` is for a process, in its own numbers.
pub fn own_name(thread: i32, path: &Path) -> Option<PathBuf> {
    let numbers: &[&str] = match path.to_str()? {
        "/proc/self" => &["NStgid:"],
        "/proc/thread-self" => &["NStgid:", "NSpid:"],
        _ => return None,
    };
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let number = |name: &&str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().last().map(str::to_owned)
    };
    let numbers: Option<Vec<String>> = numbers.iter().map(number).collect();
    Some(PathBuf::from(numbers?.join("/task/")))
}

/// The mode bits that it leaves out of what it makes.
pub fn umask(thread: i32) -> Option<u32> {
    // Its second line (proc(5)), and the first is a name of 15 bytes, of which each may be written as four.
    let mut start = [0; 256];
    let length = fs::File::open(format!("/proc/{thread}/status")).ok()?.read(&mut start).ok()?;
    let text = String::from_utf8_lossy(start.get(..length)?);
    let text = text.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(text.trim(), 8).ok()
}

/// The name of its program: of its file, or else the one that it gave itself.
pub fn program(thread: i32) -> Option<String> {
    let file = fs::read_link(format!("/proc/{thread}/exe")).ok();
    let name = file.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    name.or_else(|| Some(fs::read_to_string(format!("/proc/{thread}/comm")).ok()?.trim_end().to_owned()))
}

fn as_errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn myself() -> i32 {
        nix::unistd::gettid().as_raw()
    }

    #[test]
    fn paths_are_read_up_to_their_end_also_across_pages() {
        let mut memory = vec![b'x'; 3 * PAGE];
        for length in [0, 1, 255, 256, 257, PATH_MAX - 1] {
            for start in [0, PAGE - 1, PAGE - length.min(PAGE) / 2] {
                memory.fill(b'x');
                memory[start + length] = 0;
                let address = memory.as_ptr() as u64 + start as u64;
                assert_eq!(path(myself(), address).unwrap().as_os_str().len(), length, "{start}");
            }
        }
        memory.fill(b'x');
        assert_eq!(path(myself(), memory.as_ptr() as u64), Err(Errno::ENAMETOOLONG));
        assert_eq!(path(myself(), 8), Err(Errno::EFAULT));
        let mut room = [0; SHORT];
        assert_eq!(short_path(myself(), memory.as_ptr() as u64, &mut room), None);
        assert_eq!(short_path(myself(), 8, &mut room), None);
        memory[PAGE + 3] = 0;
        let at = |start: usize| memory.as_ptr() as u64 + start as u64;
        let page = PAGE - memory.as_ptr() as usize % PAGE;
        assert_eq!(short_path(myself(), at(PAGE), &mut room), Some(&b"xxx"[..]));
        assert_eq!(short_path(myself(), at(page - 1), &mut room), None, "it crosses a page");
    }

    #[test]
    fn memory_is_the_same_by_its_file() {
        let held = *b"some bytes";
        let address = held.as_ptr() as u64;
        let mut got = [0; 10];
        memory(myself(), false).unwrap().read_exact_at(&mut got, address).unwrap();
        assert_eq!(got, held);
        memory(myself(), true).unwrap().write_all_at(b"more", address).unwrap();
        assert_eq!(bytes(myself(), address, 10).unwrap(), b"more bytes");
        assert_eq!(
            memory(myself(), false).unwrap().read_at(&mut got, 8).map_err(at_memory),
            Err(Errno::EFAULT)
        );
    }

    #[test]
    fn places_and_descriptors_of_a_process() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        fs::write(top.join("f"), "content").unwrap();
        std::os::unix::fs::symlink("f", top.join("l")).unwrap();
        let tree = Tree::of(myself()).unwrap();
        assert_eq!(path_of(&tree.look(&top.join("l"), true).unwrap()).unwrap(), top.join("f"));
        assert_eq!(path_of(&tree.look(&top.join("l"), false).unwrap()).unwrap(), top.join("l"));
        assert_eq!(tree.link(&top.join("l")).unwrap(), Path::new("f"));
        assert_eq!(tree.link(&top.join("f")).unwrap_err(), Errno::EINVAL);
        assert_eq!(tree.link(&top.join("g")).unwrap_err(), Errno::ENOENT);
        let file = fs::File::open(top.join("f")).unwrap();
        let copy = descriptor(myself(), file.as_raw_fd()).unwrap();
        assert_eq!(path_of(&copy).unwrap(), top.join("f"));
        let directory_itself = fs::File::open(&top).unwrap();
        let mut told = Vec::new();
        assert!(directory_into(myself(), directory_itself.as_raw_fd(), &mut told));
        assert_eq!(told, top.as_os_str().as_encoded_bytes());
        assert!(!directory_into(myself(), 99_999, &mut Vec::new()));
        assert_eq!(tree.straight(&top.join("f"), false), Ok(()));
        assert_eq!(tree.straight(&top.join("f"), true), Err(Errno::ENOTDIR));
        assert_eq!(tree.straight(&top.join("l"), false), Err(Errno::ELOOP));
        assert_eq!(tree.straight(&top.join("g"), false), Err(Errno::ENOENT));
        assert_eq!(directory(myself(), directory_itself.as_raw_fd()).unwrap(), top);
        assert_eq!(descriptor(myself(), 99_999).unwrap_err(), Errno::EBADF);
        assert_eq!(place(myself(), 99_999).unwrap_err(), Errno::EBADF);
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let flags = socket_flags(myself(), socket.as_raw_fd()).unwrap();
        assert_eq!(flags & (libc::O_NONBLOCK | libc::O_CLOEXEC), libc::O_NONBLOCK | libc::O_CLOEXEC);
        assert_eq!(socket_flags(myself(), file.as_raw_fd()), Err(Errno::ENOTSOCK));
        assert_eq!(socket_flags(myself(), 99_999), Err(Errno::EBADF));
        let there = place(myself(), file.as_raw_fd()).unwrap();
        assert_eq!(path_of(&there).unwrap(), top.join("f"));
        assert!(umask(myself()).is_some_and(|mask| mask <= 0o777));
    }
}
