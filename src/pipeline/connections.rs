//! Connections in the audit log: a line each, and the hosts for the command's own line. Lives in the gateway's process.
//!
//! Owns what these lines say. Must not decide anything; several threads write at once.

use super::desk::Command;
use super::journal;
use crate::audit::pen;
use crate::audit::syslog::Syslog;
use crate::audit::{Event, Scribe};
use crate::network::{Permit, Refusal, Target};
use crate::run::ending::{Host, Said};
use crate::system::shared::lock;
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Mutex;

/// More hosts are not told in the command's own line.
const MOST_HOSTS: usize = 100;

/// More refusals have no line: a command that knocks without end would push older lines out of the log.
const MOST_REFUSED: usize = 2000;

/// What is kept of one command's connections.
pub struct Connections {
    id: String,
    /// The command's text as lines have it.
    pub text: String,
    /// The machine's log daemon, where settings want it and it is there.
    syslog: Option<Syslog>,
    scribe: Option<Mutex<Scribe>>,
    met: Mutex<Met>,
}

/// What the command's own line will tell.
#[derive(Default)]
struct Met {
    /// In the order of their first connection.
    hosts: Vec<Host>,
    refused: usize,
    /// Why lines were lost.
    unlogged: Option<i32>,
}

/// One connection.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    id: &'a str,
    verdict: &'static str,
    command: &'a str,
    host: &'a str,
    port: Option<u16>,
    #[serde(flatten)]
    more: More<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum More<'a> {
    Allowed { way: &'static str, address: Option<IpAddr>, rule: &'a str, sent: u64, received: u64 },
    Refused { why: &'a str, program: Option<&'a str> },
}

impl Connections {
    /// None yet.
    pub fn of(command: &Command) -> Connections {
        Connections {
            id: command.pen.id.clone(),
            text: pen::short(&command.text),
            syslog: command.pen.syslog().and_then(Result::ok),
            scribe: command.pen.scribe().map(Mutex::new),
            met: Mutex::default(),
        }
    }

    /// One ended.
    pub fn ended(&self, permit: &Permit) {
        let more = More::Allowed {
            way: permit.way.name(),
            address: permit.tally.address.get(),
            rule: &permit.rule,
            sent: permit.tally.sent.get(),
            received: permit.tally.received.get(),
        };
        self.note("allowed", &permit.target.host.to_string(), Some(permit.target.port), more);
    }

    /// One was refused.
    pub fn refused(&self, refusal: &Refusal, target: Option<&Target>) {
        let host = target.map_or_else(|| refusal.target.clone(), |target| target.host.to_string());
        let more = More::Refused { why: &refusal.what(), program: refusal.program.as_deref() };
        self.note("refused", &host, target.map(|target| target.port), more);
        self.write_down();
    }

    /// Writes what waits.
    pub fn write_down(&self) {
        if let Some(scribe) = &self.scribe {
            self.written(lock(scribe).write_down());
        }
    }

    /// What the command's own line is to tell.
    pub fn told(&self) -> Said {
        let Met { hosts, refused, unlogged } = std::mem::take(&mut *lock(&self.met));
        Said::Hosts { hosts, omitted: refused.saturating_sub(MOST_REFUSED), unlogged }
    }

    fn note(&self, verdict: &'static str, host: &str, port: Option<u16>, more: More<'_>) {
        let place = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if !self.meet(place, verdict == "allowed") {
            return;
        }
        let event = Event::Connection.name();
        let line = Line { event, id: &self.id, verdict, command: &self.text, host, port, more };
        if let Some(scribe) = &self.scribe {
            self.written(lock(scribe).note(&line));
        }
        if let (Some(syslog), Ok(entry)) = (&self.syslog, serde_json::to_value(&line)) {
            let _ = syslog.send(&entry);
        }
    }

    /// Whether it is to have a line.
    fn meet(&self, host: String, allowed: bool) -> bool {
        let mut met = lock(&self.met);
        met.refused += usize::from(!allowed);
        let is_room = met.hosts.len() < MOST_HOSTS;
        match met.hosts.iter_mut().find(|met| met.host == host) {
            Some(met) => met.allowed |= allowed,
            None if is_room => met.hosts.push(Host { host, allowed }),
            None => {}
        }
        allowed || met.refused <= MOST_REFUSED
    }

    fn written(&self, done: std::io::Result<()>) {
        if let Err(error) = done {
            lock(&self.met).unlogged.get_or_insert(journal::number(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::pen::Pen;

    #[test]
    fn who_knocks_without_end_gets_no_more_lines() {
        let command = Command { text: b"x".to_vec(), cwd: "/".into(), pen: Pen::new(None) };
        let connections = Connections::of(&command);
        let lines = (0..MOST_REFUSED + 100).filter(|_| connections.meet("a:1".into(), false)).count();
        assert_eq!(lines, MOST_REFUSED);
        assert!(connections.meet("b:1".into(), true), "what is allowed has its line");
        let Said::Hosts { hosts, omitted, unlogged } = connections.told() else { panic!("no hosts") };
        assert_eq!((hosts.len(), omitted, unlogged), (2, 100, None));
        assert_eq!((hosts[0].allowed, hosts[1].allowed), (false, true));
    }
}
