//! What the gateway gets from the other stages: the policy as the settings say it now, the people who can be asked, the
//! log. Lives in the gateway's process; the terminal's side lives in the front's.

use super::outside;
use super::prepare::{self, Prepared};
use super::remember::{self, Destination, PathList};
use crate::approval::{self, Answer, Approver, Choice, Kind, NetworkTarget, PathTarget, Question, Terminal};
use crate::audit::syslog::{self, Syslog};
use crate::audit::{Log, Scribe};
use crate::caller::Caller;
use crate::gatekeeper::{AskedCall, Why};
use crate::network::desk::{Asked, Desk, Reply};
use crate::network::upstream::Upstreams;
use crate::network::{Permit, Refusal, Target};
use crate::policy::NetworkPolicy;
use crate::report;
use crate::run::caretaker::Kept;
use crate::run::line::{self, Speaker};
use crate::settings::Sourced;
use crate::settings::pending::{self, Pending};
use serde::Serialize;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    fn question_about_call(&self, asked: &AskedCall) -> Question {
        let violation = &asked.violation;
        let lasting = [Choice::Always, Choice::AlwaysUser].into_iter().filter(|_| asked.can_last);
        Question {
            kind: match violation.why {
                Why::Socket => Kind::Socket,
                Why::Asked => Kind::Read,
                _ => Kind::Write,
            },
            command: self.text.clone(),
            cwd: self.cwd.clone(),
            rule: None,
            origin: None,
            why: violation.because().to_owned(),
            argv: None,
            target: None,
            place: Some(PathTarget {
                call: violation.verb().to_owned(),
                path: violation.path.clone(),
                program: violation.program.clone(),
            }),
            choices: [Choice::Once, Choice::Session].into_iter().chain(lasting).collect(),
        }
    }

    fn question(&self, asked: &Asked) -> Question {
        Question {
            kind: Kind::Network,
            command: self.text.clone(),
            cwd: self.cwd.clone(),
            rule: None,
            origin: None,
            why: format!("{}:{} is in no list of allowed domains", asked.host, asked.port),
            argv: None,
            place: None,
            choices: vec![Choice::Once, Choice::Session, Choice::Always, Choice::AlwaysUser, Choice::Never],
            target: Some(NetworkTarget {
                host: asked.host.clone(),
                port: asked.port,
                program: asked.program.clone(),
            }),
        }
    }
}

/// Who can be asked about a call without the caller's terminal, asked.
pub fn ask_beyond(asked: &AskedCall, caller: &Caller, command: &Command, prepared: &Prepared) -> Reply {
    let askpass = caller.variable("SBSH_ASKPASS").map(PathBuf::from);
    let mut speaker = approval::speakers_beyond_terminal(askpass, &outside::writable_roots(prepared));
    let question = command.question_about_call(asked);
    settle_call(question.if_offered(speaker.ask(&question)), asked, prepared)
}

/// Keeps a refused call, or what watching cost, in the log.
pub fn keep(kept: &Kept, command: &Command, prepared: &Prepared) {
    let Some(state) = &prepared.locations.state_dir else { return };
    let (event, more) = match kept {
        Kept::Violation(violation) => ("violation", serde_json::to_value(violation).unwrap_or_default()),
        Kept::Cost(cost) if cost.calls == 0 => return,
        Kept::Cost(cost) => {
            let microseconds = |time: Duration| time.as_nanos() as f64 / 1000.0;
            let mean = (microseconds(cost.total) / cost.calls as f64 * 10.0).round() / 10.0;
            let more = serde_json::json!({
                "calls": cost.calls,
                "mean_microseconds": mean,
                "longest_microseconds": microseconds(cost.longest).round(),
            });
            ("gatekeeper", more)
        }
    };
    let mut entry = serde_json::json!({
        "event": event,
        "command": String::from_utf8_lossy(&command.text),
        "cwd": command.cwd.to_string_lossy(),
    });
    if let (Some(entry), serde_json::Value::Object(more)) = (entry.as_object_mut(), more) {
        // The log puts its own time in front.
        entry.extend(more.into_iter().filter(|(key, _)| key != "time"));
    }
    if matches!(kept, Kept::Violation(_))
        && let Some(Ok(syslog)) = syslog(prepared)
    {
        let _ = syslog.send(&entry);
    }
    let _ = Scribe::of(Log::of(state)).note(&entry);
}

/// Puts an answer about a call into effect.
fn settle_call(answer: Answer, asked: &AskedCall, prepared: &Prepared) -> Reply {
    let list = match asked.violation.why {
        Why::Socket => PathList::Socket,
        Why::Asked => PathList::Read,
        _ => PathList::Write,
    };
    let keep =
        |to, reply| match asked.violation.entry().map(|entry| remember::path(&entry, list, to, prepared)) {
            Some(Ok(_)) => reply,
            Some(Err(stop)) => Reply::No(super::stop_words(&stop)),
            None => Reply::No("settings cannot hold this path".into()),
        };
    let nobodys = answer.is_nobodys();
    match answer {
        Answer::Once => Reply::Once,
        Answer::Session => Reply::Session,
        Answer::Always => keep(Destination::ProjectPersonal, Reply::AlwaysHere),
        Answer::AlwaysUser => keep(Destination::User, Reply::AlwaysUser),
        Answer::Never { by } => Reply::Never(by),
        Answer::Grant | Answer::Outside => Reply::No("no answer that was offered".into()),
        Answer::No { by } if nobodys => Reply::Nobody(by),
        Answer::No { by } => Reply::No(by),
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
        Answer::Grant | Answer::Outside => Reply::No("no answer that was offered".into()),
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

    fn ask(&mut self, question: &line::Question) -> Reply {
        let Some(mut terminal) = self.terminal() else {
            return Reply::Nobody("there is no terminal to ask on".into());
        };
        match question {
            line::Question::Host(asked) => {
                settle(terminal.ask(&self.command.question(asked)), asked, self.prepared)
            }
            line::Question::Call(asked) => {
                settle_call(terminal.ask(&self.command.question_about_call(asked)), asked, self.prepared)
            }
        }
    }

    fn tell(&self, text: &str) {
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
    /// The machine's log daemon, where settings want it and it is there.
    syslog: Option<Syslog>,
    scribe: Option<Mutex<Scribe>>,
    /// The command's text, for the log.
    text: String,
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
            text: String::from_utf8_lossy(&command.text).into_owned(),
            command,
            askpass: caller.variable("SBSH_ASKPASS").map(PathBuf::from),
            // Read again when it is first needed for writing: what was read before the fork stays with the front.
            now: Mutex::new(Now { looked: Instant::now(), seen, prepared: Err(String::new()), policy }),
            state: prepared.locations.state_dir.clone(),
            syslog: syslog(prepared).and_then(Result::ok),
            scribe: prepared
                .locations
                .state_dir
                .as_deref()
                .map(|state| Mutex::new(Scribe::of(Log::of(state)))),
            project: prepared.layers.project.clone(),
            broken,
        };
        (desk, upstreams)
    }

    fn prepared(&self) -> Result<Arc<Prepared>, String> {
        let mut now = lock(&self.now);
        if let Ok(prepared) = &now.prepared {
            return Ok(Arc::clone(prepared));
        }
        now.prepared = prepare::policy(&self.caller).map(Arc::new).map_err(|stop| super::stop_words(&stop));
        now.prepared.clone()
    }

    fn pending(&self, target: &Target, why: &str) {
        let Some(state) = &self.state else { return };
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let command: String = self.text.chars().take(500).collect();
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

    fn note(&self, line: &Line<'_>) {
        if let Some(scribe) = &self.scribe {
            let _ = lock(scribe).note(line);
        }
        if let (Some(syslog), Ok(entry)) = (&self.syslog, serde_json::to_value(line)) {
            let _ = syslog.send(&entry);
        }
    }
}

/// One connection in the audit log.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
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

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way to the log daemon, where settings want it.
pub fn syslog(prepared: &Prepared) -> Option<std::io::Result<Syslog>> {
    prepared.policy.syslog.value.then(|| Syslog::to(Path::new(syslog::SOCKET)))
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
        let mut now = lock(&self.now);
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
        self.note(&Line {
            event: "connection",
            verdict: "allowed",
            command: &self.text,
            host: &permit.target.host.to_string(),
            port: Some(permit.target.port),
            more: More::Allowed {
                way: permit.way.name(),
                address: permit.tally.address.get(),
                rule: &permit.rule,
                sent: permit.tally.sent.get(),
                received: permit.tally.received.get(),
            },
        });
    }

    fn refused(&self, refusal: &Refusal, target: Option<&Target>, again: bool) {
        self.note(&Line {
            event: "connection",
            verdict: "refused",
            command: &self.text,
            host: &target.map_or_else(|| refusal.target.clone(), |target| target.host.to_string()),
            port: target.map(|target| target.port),
            more: More::Refused { why: &refusal.what(), program: refusal.program.as_deref() },
        });
        self.write_down();
        if let (crate::network::Cause::Nobody(why), Some(target), false) = (&refusal.cause, target, again) {
            self.pending(target, why);
        }
    }

    fn write_down(&self) {
        if let Some(scribe) = &self.scribe {
            let _ = lock(scribe).write_down();
        }
    }
}
