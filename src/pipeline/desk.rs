//! What the gateway gets from the other stages: the policy as the settings say it now, the people who can be asked, the
//! log. Lives in the gateway's process; the terminal's side (`speaker`) lives in the front's.

use super::beyond::Beyond;
use super::connections::Connections;
use super::journal::{self, Journal};
use super::outside;
use super::prepare::{self, Prepared};
use super::remember::{self, Destination, Lasting, PathList};
use crate::approval::{Answer, Choice, Kind, NetworkTarget, PathTarget, Question};
use crate::audit::Event;
use crate::audit::pen::{self, Pen};
use crate::audit::redact::redact_words;
use crate::caller::Caller;
use crate::gatekeeper::{AskedCall, Why};
use crate::network::desk::{Asked, Desk, Reply};
use crate::network::upstream::Upstreams;
use crate::network::{Permit, Refusal, Target};
use crate::policy::NetworkPolicy;
use crate::run::caretaker::Kept;
use crate::run::ending::Said;
use crate::settings::Sourced;
use crate::settings::pending::{self, Pending};
use crate::system::shared::lock;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The command that the questions are about.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its text.
    pub text: Vec<u8>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Writes its lines in the log.
    pub pen: Pen,
}

impl Command {
    /// Keeps what came of a question, if there was somebody to ask: without, the refusal's own line says so.
    pub fn answered(&self, question: &Question, who: &str, answer: &Answer) {
        if who == "nobody" {
            return;
        }
        // What is answered for several is one decision about each.
        for other in &question.targets_too {
            let about = Question { target: Some(other.clone()), targets_too: Vec::new(), ..question.clone() };
            self.answered(&about, who, answer);
        }
        let mut fields = journal::outcome(who, answer);
        fields.insert("kind".into(), question.kind.name().into());
        if let Some(target) = &question.target {
            fields.insert("host".into(), target.host.clone().into());
            fields.insert("port".into(), target.port.into());
            fields.insert("program".into(), target.program.clone().into());
        }
        if let Some(place) = &question.place {
            fields.insert("call".into(), place.call.clone().into());
            fields.insert("path".into(), place.path.clone().into());
            fields.insert("program".into(), place.program.clone().into());
        }
        if let Some(argv) = &question.argv {
            fields.insert("argv".into(), redact_words(argv).into());
        }
        fields.insert("command".into(), pen::short(&self.text).into());
        fields.insert("cwd".into(), self.cwd.to_string_lossy().into());
        let _ = self.pen.note(Event::Decision, fields.into());
    }

    /// What is asked about a call.
    pub fn question_about_call(&self, asked: &AskedCall) -> Question {
        let violation = &asked.violation;
        let lasting = [Choice::Always, Choice::AlwaysUser].into_iter().filter(|_| asked.can_last);
        let kind = match violation.why {
            Why::Socket => Kind::Socket,
            Why::Asked => Kind::Read,
            _ => Kind::Write,
        };
        let choices = [Choice::Once, Choice::Session].into_iter().chain(lasting).collect();
        let why = violation.because().to_owned();
        Question {
            place: Some(PathTarget {
                call: violation.verb().to_owned(),
                path: violation.path.clone(),
                program: violation.program.clone(),
            }),
            ..Question::new(kind, self.text.clone(), &self.cwd, why, choices)
        }
    }

    /// What is asked about several hosts at once; `None`: there is one.
    pub fn question_about(&self, hosts: &[Asked]) -> Option<Question> {
        let [first, others @ ..] = hosts else { return None };
        if others.is_empty() {
            return None;
        }
        let mut question = self.question(first);
        question.why = format!("these {} are in no list of allowed domains", hosts.len());
        question.targets_too = others.iter().map(target).collect();
        question.choices.push(Choice::Each);
        Some(question)
    }

    /// What is asked about a host.
    pub fn question(&self, asked: &Asked) -> Question {
        let why = format!("{}:{} is in no list of allowed domains", asked.host, asked.port);
        let choices = vec![Choice::Once, Choice::Session, Choice::Always, Choice::AlwaysUser, Choice::Never];
        Question {
            target: Some(target(asked)),
            ..Question::new(Kind::Network, self.text.clone(), &self.cwd, why, choices)
        }
    }
}

fn target(asked: &Asked) -> NetworkTarget {
    NetworkTarget { host: asked.host.clone(), port: asked.port, program: asked.program.clone() }
}

/// Who can be asked about a call without the caller's terminal, asked. The call goes on with the reply; what is kept of it
/// comes after.
pub fn ask_beyond(
    asked: &AskedCall,
    caller: &Caller,
    command: &Command,
    prepared: &Prepared,
    reply: &mut dyn FnMut(&Reply),
) {
    let askpass = caller.variable("SBSH_ASKPASS").map(PathBuf::from);
    let mut speaker = Beyond::reach(askpass, &outside::writable_roots(prepared), &command.pen);
    let question = command.question_about_call(asked);
    let answer = speaker.ask(&question);
    reply(&settle_call(answer.clone(), asked, prepared));
    command.answered(&question, speaker.who(), &answer);
}

/// Keeps a refused call, or what watching cost, in the log.
pub fn keep(kept: &Kept, command: &Command, journal: &Journal) {
    line(kept, command).into_iter().for_each(|(event, fields)| journal.note(event, fields));
}

/// The line that is kept of it.
pub fn line(kept: &Kept, command: &Command) -> Option<(Event, serde_json::Value)> {
    let (event, mut fields) = match kept {
        Kept::Violation(violation) => (Event::Violation, serde_json::to_value(violation).unwrap_or_default()),
        Kept::Spoke(path, origin) => {
            (Event::Socket, serde_json::json!({ "verdict": "allowed", "path": path, "origin": origin }))
        }
        Kept::Cost(cost) if cost.calls == 0 => return None,
        Kept::Cost(cost) => {
            let microseconds = |time: Duration| time.as_nanos() as f64 / 1000.0;
            let mean = (microseconds(cost.total) / cost.calls as f64 * 10.0).round() / 10.0;
            let fields = serde_json::json!({
                "calls": cost.calls,
                "mean_microseconds": mean,
                "longest_microseconds": microseconds(cost.longest).round(),
            });
            (Event::Gatekeeper, fields)
        }
    };
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("command".into(), pen::short(&command.text).into());
        fields.insert("cwd".into(), command.cwd.to_string_lossy().into());
    }
    Some((event, fields))
}

/// Puts an answer about a call into effect.
pub fn settle_call(answer: Answer, asked: &AskedCall, prepared: &Prepared) -> Reply {
    let list = match asked.violation.why {
        Why::Socket => PathList::Socket,
        Why::Asked => PathList::Read,
        _ => PathList::Write,
    };
    remember::reply(answer, |lasting| {
        let Lasting::Yes(to) = lasting else { return Ok(()) };
        if !asked.can_last {
            return Err("no setting can hold it".into());
        }
        let entry = asked.violation.entry().ok_or("settings cannot hold this path")?;
        remember::path(&entry, list, to, prepared).map(drop).map_err(|stop| super::stop_words(&stop))
    })
}

/// Puts an answer about a host into effect.
pub fn settle(answer: Answer, asked: &Asked, prepared: &Prepared) -> Reply {
    remember::reply(answer, |lasting| {
        let (to, deny) = match lasting {
            Lasting::Yes(to) => (to, false),
            Lasting::Never => (Destination::ProjectPersonal, true),
        };
        remember::domain(&asked.host, to, deny, prepared).map(drop).map_err(|stop| super::stop_words(&stop))
    })
}

/// The gateway's desk.
pub struct OutsideDesk {
    caller: Caller,
    command: Command,
    askpass: Option<PathBuf>,
    now: Mutex<Now>,
    state: Option<PathBuf>,
    connections: Connections,
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
            connections: Connections::of(&command),
            askpass: caller.variable("SBSH_ASKPASS").map(PathBuf::from),
            // Read again when it is first needed for writing: what was read before the fork stays with the front.
            now: Mutex::new(Now { looked: Instant::now(), seen, prepared: Err(String::new()), policy }),
            state: prepared.locations.state_dir.clone(),
            project: prepared.layers.project.clone(),
            broken,
            command,
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
        let command: String = self.connections.text.chars().take(500).collect();
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

    /// What the command's own line is to tell of the network.
    pub fn hosts(&self) -> Said {
        self.connections.told()
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
    all.extend(prepared.locations.session_file.clone());
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
        let mut speaker = Beyond::reach(self.askpass.clone(), &writable, &self.command.pen);
        let question = self.command.question(asked);
        let answer = speaker.ask(&question);
        self.command.answered(&question, speaker.who(), &answer);
        settle(answer, asked, &prepared)
    }

    fn ended(&self, permit: &Permit) {
        self.connections.ended(permit);
    }

    fn refused(&self, refusal: &Refusal, target: Option<&Target>, again: bool) {
        self.connections.refused(refusal, target);
        if let (crate::network::Cause::Nobody(why), Some(target), false) = (&refusal.cause, target, again) {
            self.pending(target, why);
        }
    }

    fn write_down(&self) {
        self.connections.write_down();
    }
}
