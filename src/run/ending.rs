//! How a run ended, as it is told to whoever writes it down: by the front and the gateway to the caretaker, which outlives
//! them.
//!
//! Owns what is told, and the pipe. Must not know what a line of the log looks like.

use super::Ending;
use crate::gatekeeper::Cost;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Hosts of one run that are told; more are in the log's other lines.
const MOST_HOSTS: usize = 40;
/// What a pipe takes in one piece (pipe(7)): then two who write never mix.
const PIECE: usize = 4096;

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// How the inner shell ended; `None` if the front was killed before it could tell.
    pub ending: Option<Ending>,
    /// Jobs live on inside.
    pub jobs: bool,
    /// Protected names that were taken away.
    pub swept: usize,
    /// Calls that were refused.
    pub violations: usize,
    /// Hosts that were connected to or refused.
    pub hosts: Vec<Host>,
    /// Refused connections that have no line of their own: there were too many.
    pub omitted: usize,
    /// Whether calls were watched: the gatekeeper got its descriptor.
    pub watched: bool,
    /// Why lines of the gateway's were lost, as an error number.
    pub unlogged: Option<i32>,
    /// What watching cost, where that is written down with the end.
    pub cost: Option<Cost>,
}

/// Writes an end down; an error number where something could not be written.
pub type WriteDown<'a> = Box<dyn Fn(&End) -> Option<i32> + 'a>;

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// `host:port`.
    pub host: String,
    /// Whether it was allowed, at least once.
    pub allowed: bool,
}

/// One message.
#[derive(Debug, Serialize, Deserialize)]
pub enum Said {
    /// By the front: the shell ended.
    Ended {
        /// Its exit status …
        status: Option<i32>,
        /// … or the signal.
        signal: Option<i32>,
        /// Protected names that were taken away.
        swept: usize,
    },
    /// By the front: there is nothing to write down, or it did so itself.
    Done,
    /// By the gateway, at its end.
    Hosts {
        /// Them, or the first of them.
        hosts: Vec<Host>,
        /// Refused connections that have no line of their own.
        omitted: usize,
        /// Lines could not be written; why, as an error number.
        unlogged: Option<i32>,
    },
}

/// An end of the pipe to write into.
#[derive(Debug)]
pub struct Mouth(File);

/// The end that the caretaker reads.
#[derive(Debug)]
pub struct Ear(File);

/// The pipe.
///
/// # Errors
/// What pipe(2) gives.
pub fn pipe() -> nix::Result<(Ear, Mouth)> {
    let (ear, mouth) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK)?;
    Ok((Ear(File::from(ear)), Mouth(File::from(mouth))))
}

impl Mouth {
    /// Says it; hosts that do not fit into one piece are left out.
    pub fn say(&self, said: Said) {
        let mut said = said;
        if let Said::Hosts { hosts, .. } = &mut said {
            hosts.truncate(MOST_HOSTS);
        }
        loop {
            let Ok(mut text) = serde_json::to_vec(&said) else { return };
            text.push(b'\n');
            if text.len() <= PIECE {
                let _ = (&self.0).write_all(&text);
                return;
            }
            let Said::Hosts { hosts, .. } = &mut said else { return };
            if hosts.pop().is_none() {
                return;
            }
        }
    }

    /// Its number.
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Ear {
    /// Adds what was said to an end; `false` if nothing is to be written down. Never waits.
    pub fn hear(&mut self, end: &mut End) -> bool {
        let mut text = Vec::new();
        let _ = self.0.read_to_end(&mut text);
        let mut wanted = true;
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Said::Ended { status, signal, swept }) => {
                    end.ending = status.map(Ending::Exited).or(signal.map(Ending::Signaled));
                    end.swept = swept;
                }
                Ok(Said::Done) => wanted = false,
                Ok(Said::Hosts { hosts, omitted, unlogged }) => {
                    end.hosts.extend(hosts);
                    end.omitted += omitted;
                    end.unlogged = end.unlogged.or(unlogged);
                }
                Err(_) => {}
            }
        }
        wanted
    }

    /// Its number.
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Said {
    /// The front's message about a shell that ended.
    pub fn ended(ending: Ending, swept: usize) -> Said {
        match ending {
            Ending::Exited(status) => Said::Ended { status: Some(status), signal: None, swept },
            Ending::Signaled(signal) => Said::Ended { status: None, signal: Some(signal), swept },
        }
    }
}

impl From<Mouth> for OwnedFd {
    fn from(mouth: Mouth) -> OwnedFd {
        mouth.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_and_nothing_said_is_an_end_that_nobody_told() {
        let (mut ear, mouth) = pipe().unwrap();
        let mut end = End::default();
        assert!(ear.hear(&mut end) && end == End::default());
        let host =
            |number: usize| Host { host: format!("{number}{}.test:443", "x".repeat(200)), allowed: true };
        mouth.say(Said::Hosts { hosts: (0..100).map(host).collect(), omitted: 3, unlogged: Some(28) });
        mouth.say(Said::ended(Ending::Signaled(9), 2));
        assert!(ear.hear(&mut end));
        assert!(end.hosts.len() > 5 && end.hosts[0] == host(0), "{}", end.hosts.len());
        assert_eq!((end.ending, end.swept, end.unlogged), (Some(Ending::Signaled(9)), 2, Some(28)));
        assert_eq!(end.omitted, 3);
        mouth.say(Said::Done);
        assert!(!ear.hear(&mut end));
    }
}
