//! A call that waits, as a value: which paths it would change, or whom it would reach. Pure.
//!
//! Owns the numbers and the places of arguments. Must not look at the caller's memory.

use super::pair::Asked;
use crate::confinement::seccomp::FCHMODAT2;

/// A path in the caller's memory, and where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// A descriptor of the caller's, or AT_FDCWD.
    pub from: i32,
    /// Where its text is.
    pub text: u64,
    /// Whether a symlink at its end is followed.
    pub follow: bool,
}

/// What a call would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Open a file for writing, or make it.
    Open {
        /// The file.
        at: Name,
        /// As for open(2).
        flags: i32,
        /// As for open(2).
        mode: u32,
    },
    /// Make a name.
    Make {
        /// The name.
        at: Name,
        /// What is to stand there.
        what: Made,
    },
    /// Take a name away.
    Remove {
        /// The name.
        at: Name,
        /// Of a directory.
        directory: bool,
    },
    /// Give a file another name.
    Rename {
        /// The old one.
        from: Name,
        /// The new one.
        to: Name,
        /// As for renameat2(2).
        flags: u32,
    },
    /// Give a file one more name.
    Link {
        /// One that it has.
        from: Name,
        /// The new one.
        to: Name,
    },
    /// Change what a file says of itself, or its length.
    Change {
        /// The file.
        at: Name,
        /// What of it.
        what: Changed,
    },
    /// Change what an open file says of itself.
    Alter {
        /// The caller's number for it.
        file: i32,
        /// What of it.
        what: Changed,
    },
    /// Give a socket a name.
    Bind(Named),
    /// Make a socket one to which others connect.
    Listen {
        /// The caller's number for it.
        socket: i32,
        /// As for listen(2).
        backlog: i32,
    },
    /// Connect a socket.
    Connect {
        /// The caller's number for it.
        socket: i32,
        /// Where the address is.
        address: u64,
        /// How long it is.
        length: u64,
    },
    /// Make two datagram sockets that are connected to each other.
    Pair(Asked),
}

/// A socket and an address in the caller's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The caller's number for it.
    pub socket: i32,
    /// Where the address is.
    pub address: u64,
    /// How long it is.
    pub length: u64,
}

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// A directory with this mode.
    Directory(u32),
    /// A symlink; the text of its target is here.
    Symlink(u64),
    /// A file, a FIFO, a socket's file or a device, as its mode says.
    Node(u32),
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The mode.
    Mode(u32),
    /// The length.
    Length(i64),
    /// The times: two of struct timespec are here; 0: now.
    Times(u64),
    /// Its user and its group; the highest number: as they are.
    Owner(u32, u32),
    /// An extended attribute: where its name is, and what it is to say.
    Attribute(u64, Option<Value>),
    /// Times in an older form.
    Other,
}

/// What an extended attribute is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// Where it is.
    pub address: u64,
    /// How long it is.
    pub length: u64,
    /// As for setxattr(2).
    pub flags: i32,
}

/// A call with its name, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// As in section 2 of the manual.
    pub name: &'static str,
    /// What it would do.
    pub deed: Deed,
}

fn change(at: Name, what: Changed) -> Deed {
    Deed::Change { at, what }
}

/// A person is to see what is made.
fn of_node(mode: u64, name: &'static str) -> &'static str {
    if mode as u32 & libc::S_IFMT == libc::S_IFIFO { "mkfifo" } else { name }
}

fn owner(user: u64, group: u64) -> Changed {
    Changed::Owner(user as u32, group as u32)
}

/// A descriptor or a flags word in a register: the kernel looks at the low half only.
fn int(register: u64) -> i32 {
    register as u32 as i32
}

/// The call; `None` for one that was not to be notified.
pub fn read(number: i64, arguments: [u64; 6]) -> Option<Call> {
    let [a, b, c, d, e, _] = arguments;
    let flag = |flags: u64, bit: i32| int(flags) & bit != 0;
    let at = |from, text, follow| Name { from: int(from), text, follow };
    let here = |text, follow| Name { from: libc::AT_FDCWD, text, follow };
    let open = |at: Name, flags: i32, mode: u64| Deed::Open {
        at: Name { follow: flags & libc::O_NOFOLLOW == 0 && !is_new(flags), ..at },
        flags,
        mode: mode as u32,
    };
    let rename = |from, to, flags: u64| Deed::Rename { from, to, flags: flags as u32 };
    let alter = |file, what| Deed::Alter { file: int(file), what };
    let attribute = Changed::Attribute(b, Some(Value { address: c, length: d, flags: int(e) }));
    let (name, deed) = match number {
        libc::SYS_connect => ("connect", Deed::Connect { socket: int(a), address: b, length: c }),
        libc::SYS_socketpair => {
            ("socketpair", Deed::Pair(Asked { kind: int(b), protocol: int(c), address: d }))
        }
        libc::SYS_openat => ("openat", open(at(a, b, true), int(c), d)),
        libc::SYS_mkdirat => ("mkdirat", Deed::Make { at: at(a, b, false), what: Made::Directory(c as u32) }),
        libc::SYS_mknodat => {
            (of_node(c, "mknodat"), Deed::Make { at: at(a, b, false), what: Made::Node(c as u32) })
        }
        libc::SYS_symlinkat => ("symlinkat", Deed::Make { at: at(b, c, false), what: Made::Symlink(a) }),
        libc::SYS_linkat => {
            ("linkat", Deed::Link { from: at(a, b, flag(e, libc::AT_SYMLINK_FOLLOW)), to: at(c, d, false) })
        }
        libc::SYS_unlinkat => {
            ("unlinkat", Deed::Remove { at: at(a, b, false), directory: flag(c, libc::AT_REMOVEDIR) })
        }
        libc::SYS_renameat => ("renameat", rename(at(a, b, false), at(c, d, false), 0)),
        libc::SYS_renameat2 => ("renameat2", rename(at(a, b, false), at(c, d, false), e)),
        libc::SYS_fchmodat => ("fchmodat", change(at(a, b, true), Changed::Mode(c as u32))),
        FCHMODAT2 => {
            ("fchmodat2", change(at(a, b, !flag(d, libc::AT_SYMLINK_NOFOLLOW)), Changed::Mode(c as u32)))
        }
        libc::SYS_fchownat => {
            ("fchownat", change(at(a, b, !flag(e, libc::AT_SYMLINK_NOFOLLOW)), owner(c, d)))
        }
        libc::SYS_fchmod => ("fchmod", alter(a, Changed::Mode(b as u32))),
        libc::SYS_fchown => ("fchown", alter(a, owner(b, c))),
        libc::SYS_fsetxattr => ("fsetxattr", alter(a, attribute)),
        libc::SYS_fremovexattr => ("fremovexattr", alter(a, Changed::Attribute(b, None))),
        libc::SYS_bind => ("bind", Deed::Bind(Named { socket: int(a), address: b, length: c })),
        libc::SYS_listen => ("listen", Deed::Listen { socket: int(a), backlog: int(b) }),
        libc::SYS_utimensat if b == 0 => ("utimensat", alter(a, Changed::Times(c))),
        libc::SYS_utimensat => {
            ("utimensat", change(at(a, b, !flag(d, libc::AT_SYMLINK_NOFOLLOW)), Changed::Times(c)))
        }
        libc::SYS_truncate => ("truncate", change(here(a, true), Changed::Length(b.cast_signed()))),
        libc::SYS_setxattr => ("setxattr", change(here(a, true), attribute)),
        libc::SYS_lsetxattr => ("lsetxattr", change(here(a, false), attribute)),
        libc::SYS_removexattr => ("removexattr", change(here(a, true), Changed::Attribute(b, None))),
        libc::SYS_lremovexattr => ("lremovexattr", change(here(a, false), Changed::Attribute(b, None))),
        #[cfg(target_arch = "x86_64")]
        number => return old(number, arguments),
        #[cfg(not(target_arch = "x86_64"))]
        _ => return None,
    };
    Some(Call { name, deed })
}

/// What newer architectures do without.
#[cfg(target_arch = "x86_64")]
fn old(number: i64, [a, b, c, ..]: [u64; 6]) -> Option<Call> {
    let here = |text, follow| Name { from: libc::AT_FDCWD, text, follow };
    let open = |flags: i32, mode: u64| Deed::Open {
        at: here(a, flags & libc::O_NOFOLLOW == 0 && !is_new(flags)),
        flags,
        mode: mode as u32,
    };
    let (name, deed) = match number {
        libc::SYS_open => ("open", open(int(b), c)),
        libc::SYS_creat => ("creat", open(libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, b)),
        libc::SYS_mkdir => ("mkdir", Deed::Make { at: here(a, false), what: Made::Directory(b as u32) }),
        libc::SYS_mknod => {
            (of_node(b, "mknod"), Deed::Make { at: here(a, false), what: Made::Node(b as u32) })
        }
        libc::SYS_symlink => ("symlink", Deed::Make { at: here(b, false), what: Made::Symlink(a) }),
        libc::SYS_link => ("link", Deed::Link { from: here(a, false), to: here(b, false) }),
        libc::SYS_unlink => ("unlink", Deed::Remove { at: here(a, false), directory: false }),
        libc::SYS_rmdir => ("rmdir", Deed::Remove { at: here(a, false), directory: true }),
        libc::SYS_rename => ("rename", Deed::Rename { from: here(a, false), to: here(b, false), flags: 0 }),
        libc::SYS_chmod => ("chmod", change(here(a, true), Changed::Mode(b as u32))),
        libc::SYS_chown => ("chown", change(here(a, true), owner(b, c))),
        libc::SYS_lchown => ("lchown", change(here(a, false), owner(b, c))),
        libc::SYS_utime => ("utime", change(here(a, true), Changed::Other)),
        libc::SYS_utimes => ("utimes", change(here(a, true), Changed::Other)),
        libc::SYS_futimesat if b == 0 => ("futimesat", Deed::Alter { file: int(a), what: Changed::Other }),
        libc::SYS_futimesat => {
            ("futimesat", change(Name { from: int(a), text: b, follow: true }, Changed::Other))
        }
        _ => return None,
    };
    Some(Call { name, deed })
}

/// Whether an open makes a file that must not be there: then no symlink at its end is followed (open(2)).
fn is_new(flags: i32) -> bool {
    flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_number_and_arguments_are_a_call_or_none(number in 0i64..600, arguments: [u64; 6]) {
            if let Some(call) = read(number, arguments) {
                prop_assert!(!call.name.is_empty());
            }
        }
    }

    #[test]
    fn opening_a_new_file_follows_no_link_at_its_end() {
        let follow = |flags: i32| match read(libc::SYS_openat, [0, 8, flags as u64, 0, 0, 0]).unwrap().deed {
            Deed::Open { at, .. } => at.follow,
            other => panic!("{other:?}"),
        };
        assert!(follow(libc::O_CREAT | libc::O_WRONLY));
        assert!(!follow(libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY));
        assert!(!follow(libc::O_NOFOLLOW | libc::O_WRONLY));
    }

    #[test]
    fn descriptors_are_the_low_half_of_their_register() {
        let minus_100 = u64::from(libc::AT_FDCWD as u32) | 0xdead_0000_0000_0000;
        let call = read(libc::SYS_unlinkat, [minus_100, 8, 0, 0, 0, 0]).unwrap();
        let at = Name { from: libc::AT_FDCWD, text: 8, follow: false };
        assert_eq!(call, Call { name: "unlinkat", deed: Deed::Remove { at, directory: false } });
    }

    #[test]
    fn a_fifo_is_named_as_one() {
        let name = |mode: u32| read(libc::SYS_mknodat, [0, 8, u64::from(mode), 0, 0, 0]).unwrap().name;
        assert_eq!([name(libc::S_IFIFO | 0o600), name(libc::S_IFREG | 0o600)], ["mkfifo", "mknodat"]);
    }

    #[test]
    fn what_is_not_watched_is_no_call() {
        assert_eq!(read(libc::SYS_read, [0; 6]), None);
        assert_eq!(read(9999, [0; 6]), None);
    }
}
