//! The launch record: everything that the first process inside needs, sent over the channel so that nothing of it
//! stands in an argument list or an environment of a process of ours.

use crate::confinement::seccomp::{self, Watched};
use crate::system::signals::CallerSignals;
use crate::system::sockets;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;

/// What becomes of a descriptor inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// Descriptor `number` inside is what stands at `carried` now.
    As {
        /// The number inside.
        number: i32,
        /// The number on the way.
        carried: i32,
    },
    /// Closed inside, as the caller had it.
    Closed {
        /// The number.
        number: i32,
    },
    /// A file that is opened anew inside, so that the boundary's mounts hold for it too; where it cannot be, its content
    /// stands in for it.
    Anew {
        /// The number inside.
        number: i32,
        /// Where the caller's own stands on the way.
        carried: i32,
        /// Its path.
        path: OsString,
        /// Where it is read from.
        position: i64,
        /// It must still be the same file: this device …
        device: u64,
        /// … and this inode.
        inode: u64,
        /// Whether it is a directory.
        directory: bool,
    },
}

/// A mount that must be where it was planned and show what it was planned to show: names could be swapped for links
/// while the boundary was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Where.
    pub path: OsString,
    /// Device and inode of what it shows; `None` for a file system of the sandbox's own.
    pub shows: Option<(u64, u64)>,
    /// No confined code can write above it, so it may lie where this user cannot go.
    pub remote: bool,
}

/// Everything that the first process inside needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The inner shell's file.
    pub shell: CString,
    /// Its arguments, the name it is called by first.
    pub arguments: Vec<CString>,
    /// Its environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// Where it starts; `None`: the caller's directory is gone or cannot be entered.
    pub directory: Option<OsString>,
    /// A private place (TMPDIR) for the stand-in of such a directory.
    pub scratch: OsString,
    /// Mounts to be looked at before anything starts.
    pub held: Vec<Held>,
    /// Descriptors.
    pub passed: Vec<Passed>,
    /// A descriptor to keep open as long as anything lives inside.
    pub alive: i32,
    /// The socket to the supervisor: entrances of the network, and the gatekeeper's descriptors.
    pub link: i32,
    /// Whether the first process inside has to make the entrances of the network.
    pub makes_doors: bool,
    /// Signals as the caller left them.
    pub signals: CallerSignals,
    /// The seccomp program's variants.
    pub filter: seccomp::Options,
}

/// A record that is longer than this is refused: arguments and environment of one exec have less room than that.
const LIMIT: usize = 64 << 20;

impl Record {
    /// Sends it.
    ///
    /// # Errors
    /// What write(2) gives; EPIPE when nobody is there any more.
    pub fn send(&self, stream: &UnixStream) -> io::Result<()> {
        let mut to = Writer(vec![0; 4]);
        to.bytes(self.shell.as_bytes());
        to.list(&self.arguments);
        to.list(&self.environment);
        to.flag(self.directory.is_some());
        to.bytes(self.directory.as_deref().unwrap_or(OsStr::new("")).as_bytes());
        to.bytes(self.scratch.as_bytes());
        to.length(self.held.len());
        self.held.iter().for_each(|held| to.held(held));
        to.length(self.passed.len());
        self.passed.iter().for_each(|passed| to.passed(passed));
        to.number(i64::from(self.alive));
        to.number(i64::from(self.link));
        to.flag(self.makes_doors);
        to.number(self.signals.mask.cast_signed());
        to.flag(self.signals.child_ignored);
        to.flag(self.filter.unix_sockets);
        to.flag(self.filter.listens);
        to.flag(self.filter.shared_group);
        to.flag(self.filter.no_namespaces);
        to.number(match self.filter.watched {
            Watched::Nothing => 0,
            Watched::Connects => 1,
            Watched::Files => 2,
            Watched::Reads => 3,
        });
        let length = u32::try_from(to.0.len() - 4).ok().filter(|&l| l as usize <= LIMIT);
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        if let Some(head) = to.0.first_chunk_mut::<4>() {
            *head = length.to_le_bytes();
        }
        sockets::write_all(stream, &to.0)
    }

    /// Receives one.
    ///
    /// # Errors
    /// What read(2) gives; `InvalidData` for anything that is not a record.
    pub fn receive(mut stream: &UnixStream) -> io::Result<Record> {
        let mut head = [0; 4];
        stream.read_exact(&mut head)?;
        let length = u32::from_le_bytes(head) as usize;
        if length > LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        Record::parse(&mut Reader(&bytes)).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn parse(from: &mut Reader<'_>) -> Option<Record> {
        let shell = from.text()?;
        let arguments = from.list()?;
        let environment = from.list()?;
        let has_directory = from.flag()?;
        let directory = from.os_string()?;
        let scratch = from.os_string()?;
        let count = from.length()?;
        let held = (0..count).map(|_| from.held()).collect::<Option<Vec<_>>>()?;
        let count = from.length()?;
        let passed = (0..count).map(|_| from.passed()).collect::<Option<Vec<_>>>()?;
        Some(Record {
            shell,
            arguments,
            environment,
            directory: has_directory.then_some(directory),
            scratch,
            held,
            passed,
            alive: from.small()?,
            link: from.small()?,
            makes_doors: from.flag()?,
            signals: CallerSignals { mask: from.number()?.cast_unsigned(), child_ignored: from.flag()? },
            filter: seccomp::Options {
                unix_sockets: from.flag()?,
                listens: from.flag()?,
                shared_group: from.flag()?,
                no_namespaces: from.flag()?,
                watched: match from.number()? {
                    0 => Watched::Nothing,
                    1 => Watched::Connects,
                    2 => Watched::Files,
                    3 => Watched::Reads,
                    _ => return None,
                },
            },
        })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    fn length(&mut self, value: usize) {
        self.number(i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    fn bytes(&mut self, value: &[u8]) {
        self.length(value.len());
        self.0.extend(value);
    }

    fn list(&mut self, values: &[CString]) {
        self.length(values.len());
        values.iter().for_each(|v| self.bytes(v.as_bytes()));
    }

    fn held(&mut self, held: &Held) {
        self.bytes(held.path.as_bytes());
        self.flag(held.shows.is_some());
        let (device, inode) = held.shows.unwrap_or_default();
        self.number(device.cast_signed());
        self.number(inode.cast_signed());
        self.flag(held.remote);
    }

    fn passed(&mut self, passed: &Passed) {
        match passed {
            Passed::As { number, carried } => {
                self.0.push(b'a');
                self.number(i64::from(*number));
                self.number(i64::from(*carried));
            }
            Passed::Closed { number } => {
                self.0.push(b'c');
                self.number(i64::from(*number));
            }
            Passed::Anew { number, carried, path, position, device, inode, directory } => {
                self.0.push(b'n');
                self.number(i64::from(*number));
                self.number(i64::from(*carried));
                self.bytes(path.as_bytes());
                self.number(*position);
                self.number(device.cast_signed());
                self.number(inode.cast_signed());
                self.flag(*directory);
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<i64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(i64::from_le_bytes(*head))
    }

    fn small(&mut self) -> Option<i32> {
        self.number()?.try_into().ok()
    }

    fn length(&mut self) -> Option<usize> {
        // No list is longer than what is left, as each entry has at least one byte.
        self.number()?.try_into().ok().filter(|&length: &usize| length <= self.0.len())
    }

    fn flag(&mut self) -> Option<bool> {
        let (&head, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(head == 1)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = self.length()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head.to_vec())
    }

    fn os_string(&mut self) -> Option<OsString> {
        self.bytes().map(OsString::from_vec)
    }

    fn text(&mut self) -> Option<CString> {
        CString::new(self.bytes()?).ok()
    }

    fn list(&mut self) -> Option<Vec<CString>> {
        let count = self.length()?;
        (0..count).map(|_| self.text()).collect()
    }

    fn held(&mut self) -> Option<Held> {
        let path = self.os_string()?;
        let shows = self.flag()?;
        let identity = (self.number()?.cast_unsigned(), self.number()?.cast_unsigned());
        Some(Held { path, shows: shows.then_some(identity), remote: self.flag()? })
    }

    fn passed(&mut self) -> Option<Passed> {
        let (&tag, rest) = self.0.split_first()?;
        self.0 = rest;
        let number = self.small()?;
        match tag {
            b'a' => Some(Passed::As { number, carried: self.small()? }),
            b'c' => Some(Passed::Closed { number }),
            b'n' => Some(Passed::Anew {
                number,
                carried: self.small()?,
                path: self.os_string()?,
                position: self.number()?,
                device: self.number()?.cast_unsigned(),
                inode: self.number()?.cast_unsigned(),
                directory: self.flag()?,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(argument: &[u8]) -> Record {
        let text = |t: &str| CString::new(t).unwrap();
        Record {
            shell: text("/bin/bash"),
            arguments: vec![text("bash"), text("-c"), CString::new(argument).unwrap()],
            environment: vec![text("A=1"), text("B=")],
            directory: Some("/w".into()),
            scratch: "/tmp/x".into(),
            held: vec![Held { path: "/w".into(), shows: Some((1, u64::MAX)), remote: false }],
            passed: vec![
                Passed::As { number: 0, carried: 11 },
                Passed::Closed { number: 1 },
                Passed::Anew {
                    number: 2,
                    carried: 13,
                    path: "/f".into(),
                    position: 7,
                    device: u64::MAX,
                    inode: 3,
                    directory: false,
                },
            ],
            alive: 14,
            link: 15,
            makes_doors: true,
            signals: CallerSignals { mask: u64::MAX, child_ignored: true },
            filter: seccomp::Options {
                unix_sockets: true,
                listens: true,
                shared_group: false,
                no_namespaces: true,
                watched: Watched::Files,
            },
        }
    }

    #[test]
    fn a_record_larger_than_the_sockets_buffer_arrives() {
        let (a, b) = UnixStream::pair().unwrap();
        let record = sample(&vec![b'x'; 1 << 20]);
        std::thread::scope(|scope| {
            scope.spawn(|| record.send(&a).unwrap());
            assert_eq!(Record::receive(&b).unwrap(), record);
        });
    }

    proptest! {
        #[test]
        fn any_argument_arrives_as_it_was(bytes in proptest::collection::vec(1u8.., 0..300)) {
            let (a, b) = UnixStream::pair().unwrap();
            sample(&bytes).send(&a).unwrap();
            prop_assert_eq!(Record::receive(&b).unwrap(), sample(&bytes));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Record::parse(&mut Reader(&bytes));
        }
    }
}
