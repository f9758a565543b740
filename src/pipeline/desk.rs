//! What the gateway gets from the other stages: the policy as the settings say it now, the people who can be asked, the
//! log. Lives in the gateway's process; the terminal's side lives in the front's.

use super::outside;
use super::prepare::{self, Prepared};
use super::remember::{self, Destination};
use crate::approval::{self, Answer, Approver, Choice, Kind, NetworkTarget, Question, Terminal};
use crate::audit::Log;
use crate::caller::Caller;
use crate::network::desk::{Asked, Desk, Reply};
use crate::network::upstream::Upstreams;
use crate::network::{Permit, Refusal, Target};
use crate::policy::NetworkPolicy;
use crate::report;
use crate::run::line::Speaker;
use crate::settings::Sourced;
use crate::settings::pending::{self, Pending};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The command that the questions are about.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its text.
    pub text: Vec<u8>,
    /// Where it runs.
    pub cwd: PathBuf,
}

impl Command {
    fn question(&self, asked: &Asked) -> Question {
        Question {
            kind: Kind::Network,
            command: self.text.clone(),
            cwd: self.cwd.clone(),
            rule: None,
            origin: None,
            why: format!("{}:{} is in no list of allowed domains", asked.host, asked.port),
            argv: None,
            choices: vec![Choice::Once, Choice::Session, Choice::Always, Choice::AlwaysUser, Choice::Never],
            target: Some(NetworkTarget {
                host: asked.host.clone(),
                port: asked.port,
                program: asked.program.clone(),
            }),
        }
    }
}

/// Puts an answer into effect: what holds from now on is written.
fn settle(answer: Answer, asked: &Asked, prepared: &Prepared) -> Reply {
    let write = |to, deny| remember::domain(&asked.host, to, deny, prepared);
    let kept = |done: Result<PathBuf, super::Stop>, reply| match done {
        Ok(_) => reply,
        Err(stop) => Reply::No(super::stop_words(&stop)),
    };
    let nobodys = answer.is_nobodys();
    match answer {
        Answer::Once => Reply::Once,
        Answer::Session => Reply::Session,
        Answer::Always => kept(write(Destination::ProjectPersonal, false), Reply::AlwaysHere),
        Answer::AlwaysUser => kept(write(Destination::User, false), Reply::AlwaysUser),
        Answer::Never { by } => kept(write(Destination::ProjectPersonal, true), Reply::Never(by)),
        Answer::No { by } if nobodys => Reply::Nobody(by),
        Answer::No { by } => Reply::No(by),
    }
}

/// The person at the caller's terminal, for the front.
pub struct AtTerminal<'a> {
    /// What was read of the settings.
    pub prepared: &'a Prepared,
    /// Who started sbsh.
    pub caller: &'a Caller,
    /// What runs.
    pub command: &'a Command,
}

impl AtTerminal<'_> {
    fn terminal(&self) -> Option<Terminal> {
        Terminal::of_caller(approval::colours(self.caller.variable("NO_COLOR"), self.caller.variable("TERM")))
    }
}

impl Speaker for AtTerminal<'_> {
    fn is_there(&self) -> bool {
        self.terminal().is_some()
    }

    fn ask(&mut self, asked: &Asked) -> Reply {
        match self.terminal() {
            Some(mut terminal) => settle(terminal.ask(&self.command.question(asked)), asked, self.prepared),
            None => Reply::Nobody("there is no terminal to ask on".into()),
        }
    }

    fn tell(&mut self, text: &str) {
        report::notice(text);
    }
}

/// The gateway's desk.
pub struct OutsideDesk {
    caller: Caller,
    command: Command,
    askpass: Option<PathBuf>,
    now: Mutex<Now>,
    state: Option<PathBuf>,
    project: Option<PathBuf>,
    /// The caller's proxy variables make no sense: nothing can be dialled.
    broken: Option<String>,
}

/// How long the settings files are not looked at again: less than a person notices, more than a burst of connections.
const FRESH: Duration = Duration::from_millis(20);

struct Now {
    looked: Instant,
    seen: Vec<Seen>,
    prepared: Result<Arc<Prepared>, String>,
    policy: Result<Arc<NetworkPolicy>, String>,
}

/// Device, inode, size and times of a settings file; `None`: it is not there.
type Seen = (PathBuf, Option<(u64, u64, u64, i64, i64)>);

fn see(path: &Path) -> Seen {
    let look = fs::metadata(path).ok();
    (path.into(), look.map(|m| (m.dev(), m.ino(), m.len(), m.mtime(), m.mtime_nsec())))
}

impl OutsideDesk {
    /// For one command.
    pub fn new(caller: &Caller, command: Command, prepared: &Prepared) -> (OutsideDesk, Upstreams) {
        let seen = files(prepared).iter().map(|path| see(path)).collect();
        let policy = Ok(Arc::new(prepared.policy.network.clone()));
        let (upstreams, broken) = match upstreams(caller, &prepared.policy.network) {
            Ok(upstreams) => (upstreams, None),
            Err(why) => (Upstreams::default(), Some(why)),
        };
        let desk = OutsideDesk {
            caller: caller.clone(),
            command,
            askpass: caller.variable("SBSH_ASKPASS").map(PathBuf::from),
            // Read again when it is first needed for writing: what was read before the fork stays with the front.
            now: Mutex::new(Now { looked: Instant::now(), seen, prepared: Err(String::new()), policy }),
            state: prepared.locations.state_dir.clone(),
            project: prepared.layers.project.clone(),
            broken,
        };
        (desk, upstreams)
    }

    fn prepared(&self) -> Result<Arc<Prepared>, String> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(prepared) = &now.prepared {
            return Ok(Arc::clone(prepared));
        }
        now.prepared = prepare::policy(&self.caller).map(Arc::new).map_err(|stop| super::stop_words(&stop));
        now.prepared.clone()
    }

    fn pending(&self, target: &Target, why: &str) {
        let Some(state) = &self.state else { return };
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let command: String = String::from_utf8_lossy(&self.command.text).chars().take(500).collect();
        let entry = Pending {
            time,
            host: target.host.to_string(),
            port: target.port,
            command,
            cwd: self.command.cwd.clone(),
            project: self.project.clone(),
            why: why.into(),
        };
        let _ = pending::record(state, &entry);
    }

    fn log(&self, entry: serde_json::Value) {
        if let Some(state) = &self.state {
            let _ = Log::of(state).append(&entry);
        }
    }

    fn command_text(&self) -> String {
        String::from_utf8_lossy(&self.command.text).into_owned()
    }
}

/// The proxies that carry what was allowed: those of the settings, else the caller's own.
fn upstreams(caller: &Caller, policy: &NetworkPolicy) -> Result<Upstreams, String> {
    let port = |said: &Option<Sourced<u16>>| said.as_ref().map(|said| said.value);
    let set = Upstreams::from_ports(port(&policy.http_proxy_port), port(&policy.socks_proxy_port));
    if !set.is_none() {
        return Ok(set);
    }
    // curl's order: the lower-case spelling first.
    let value = |lower: &str, upper: &str| {
        caller.variable(lower).or_else(|| caller.variable(upper)).and_then(|value| value.to_str())
    };
    Upstreams::from_environment(
        value("https_proxy", "HTTPS_PROXY"),
        value("http_proxy", "HTTP_PROXY"),
        value("all_proxy", "ALL_PROXY"),
        value("no_proxy", "NO_PROXY"),
    )
}

/// The files whose change may change the policy.
fn files(prepared: &Prepared) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        prepared.layers.layers.iter().map(|layer| layer.source.path.clone()).collect();
    if let Some(project) = &prepared.layers.project {
        all.extend(["settings.json", "settings.local.json"].map(|name| project.join(".claude").join(name)));
    }
    all.extend(prepared.layers.user_file.clone());
    all.push(prepared.locations.managed_dir.join("managed-settings.json"));
    all.push(prepared.locations.managed_dir.join("managed-settings.d"));
    all.sort();
    all.dedup();
    all
}

impl Desk for OutsideDesk {
    fn policy(&self) -> Result<Arc<NetworkPolicy>, String> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.looked.elapsed() < FRESH {
            return now.policy.clone();
        }
        now.looked = Instant::now();
        let seen: Vec<Seen> = now.seen.iter().map(|(path, _)| see(path)).collect();
        if seen != now.seen {
            let prepared = prepare::policy(&self.caller).map(Arc::new).map_err(|s| super::stop_words(&s));
            now.policy = prepared.as_ref().map(|p| Arc::new(p.policy.network.clone())).map_err(Clone::clone);
            now.prepared = prepared;
            now.seen = seen;
        }
        now.policy.clone()
    }

    fn ask(&self, asked: &Asked) -> Reply {
        let prepared = match self.prepared() {
            Ok(prepared) => prepared,
            Err(why) => return Reply::Nobody(why),
        };
        let writable = outside::writable_roots(&prepared);
        let mut speaker = approval::speakers_beyond_terminal(self.askpass.clone(), &writable);
        let question = self.command.question(asked);
        settle(question.if_offered(speaker.ask(&question)), asked, &prepared)
    }

    fn ended(&self, permit: &Permit) {
        self.log(serde_json::json!({
            "event": "connection",
            "verdict": "allowed",
            "command": self.command_text(),
            "host": permit.target.host.to_string(),
            "port": permit.target.port,
            "way": permit.way.name(),
            "address": permit.tally.address.get().map(|address| address.to_string()),
            "rule": permit.rule,
            "sent": permit.tally.sent.get(),
            "received": permit.tally.received.get(),
        }));
    }

    fn refused(&self, refusal: &Refusal, target: &Target, again: bool) {
        self.log(serde_json::json!({
            "event": "connection",
            "verdict": "refused",
            "command": self.command_text(),
            "host": target.host.to_string(),
            "port": target.port,
            "why": refusal.what(),
        }));
        if let (crate::network::Cause::Nobody(why), false) = (&refusal.cause, again) {
            self.pending(target, why);
        }
    }
}
