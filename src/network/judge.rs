//! The gate: decides on each connection of a sandbox, and opens what is allowed.
//!
//! Owns what was answered for this command, one question for connections to the same target, and the limit on
//! questions. The order: malformed, denied, allowed, strict, asked (DESIGN.md, Network).

use super::desk::{Asked, Desk, Reply, ToFront};
use super::upstream::Upstreams;
use super::{Cause, Gate, HttpLine, Permit, Refusal, Tally, Target, Way, dial, names};
use crate::policy::network::NetworkVerdict;
use crate::policy::{Host, NetworkPolicy};
use crate::settings::{Origin, Sourced};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, watch};

/// Questions about unknown hosts that one command may raise; then it is a flood, and the answer is no.
const MOST_QUESTIONS: usize = 24;
/// Different refusals that are told; a command that knocks everywhere is told so once.
const MOST_TOLD: usize = 64;

/// What is known for a target beyond the policy.
#[derive(Debug, Clone)]
enum Known {
    Allowed(String),
    Refused(Cause),
}

/// The gate of one sandbox.
pub struct Judge {
    desk: Arc<dyn Desk>,
    upstreams: Upstreams,
    known: RefCell<HashMap<Target, Known>>,
    waiting: RefCell<HashMap<Target, watch::Receiver<Option<Reply>>>>,
    asked: Cell<usize>,
    told: RefCell<HashSet<String>>,
    front: Mutex<Option<(BufReader<OwnedReadHalf>, OwnedWriteHalf)>>,
    /// The same socket, for what must be sent before a refusal takes effect.
    teller: std::os::unix::net::UnixStream,
}

impl Judge {
    /// For one sandbox; `front` leads to the process that the caller started.
    ///
    /// # Errors
    /// What the calls on the socket give.
    pub fn new(
        desk: Arc<dyn Desk>,
        upstreams: Upstreams,
        front: std::os::unix::net::UnixStream,
    ) -> std::io::Result<Judge> {
        front.set_nonblocking(true)?;
        let teller = front.try_clone()?;
        let (read, write) = tokio::net::UnixStream::from_std(front)?.into_split();
        Ok(Judge {
            desk,
            upstreams,
            known: RefCell::default(),
            waiting: RefCell::default(),
            asked: Cell::new(0),
            told: RefCell::default(),
            front: Mutex::new(Some((BufReader::new(read), write))),
            teller,
        })
    }

    /// The host that an address stands for: itself where it is allowed, else a name that the machine's hosts file has
    /// for it, an allowed one first.
    pub fn named(&self, address: IpAddr, port: u16) -> Host {
        let own = Host::Address(address);
        let Ok(policy) = self.desk.policy() else { return own };
        let allowed = |host: &Host| matches!(policy.judge(host, port), NetworkVerdict::Allowed { .. });
        if allowed(&own) || address.is_loopback() {
            return own;
        }
        let names = names::listed(address, &std::fs::read_to_string("/etc/hosts").unwrap_or_default());
        let best = names.iter().position(allowed).unwrap_or(0);
        names.into_iter().nth(best).unwrap_or(own)
    }

    fn permit_by(&self, target: Target, way: Way, rule: String) -> Rc<Permit> {
        let check_name = self.desk.policy().is_ok_and(|policy| policy.checks_name(&target.host));
        let desk = Arc::clone(&self.desk);
        Rc::new(Permit {
            target,
            way,
            rule,
            check_name,
            tally: Tally::default(),
            ended: Some(Box::new(move |permit| desk.ended(permit))),
        })
    }

    /// One question for all connections to a target that wait at the same time.
    async fn ask(&self, target: &Target) -> Reply {
        let running = self.waiting.borrow().get(target).cloned();
        if let Some(mut answer) = running {
            let given = answer.wait_for(Option::is_some).await;
            return given
                .ok()
                .and_then(|given| given.clone())
                .unwrap_or_else(|| nobody("the question was lost"));
        }
        if self.asked.get() >= MOST_QUESTIONS {
            return Reply::No(FLOOD.into());
        }
        self.asked.set(self.asked.get() + 1);
        let (tell, answer) = watch::channel(None);
        self.waiting.borrow_mut().insert(target.clone(), answer);
        let asked = Asked::about(target, None);
        let reply = match self.ask_front(&asked).await {
            Reply::Nobody(_) => self.ask_desk(asked).await,
            reply => reply,
        };
        self.waiting.borrow_mut().remove(target);
        if matches!(reply, Reply::Nobody(_)) {
            // No person was troubled.
            self.asked.set(self.asked.get().saturating_sub(1));
        }
        let _ = tell.send(Some(reply.clone()));
        reply
    }

    /// The caller's terminal; one question after the other.
    async fn ask_front(&self, asked: &Asked) -> Reply {
        let mut line = self.front.lock().await;
        let Some((from, to)) = line.as_mut() else { return nobody("the caller is gone") };
        let Ok(mut text) = serde_json::to_vec(&ToFront::Ask(asked.clone())) else { return nobody("") };
        text.push(b'\n');
        let mut answer = String::new();
        let sent = to.write_all(&text).await;
        match (sent, from.read_line(&mut answer).await) {
            (Ok(()), Ok(length)) if length > 0 => {
                serde_json::from_str(&answer).unwrap_or_else(|_| nobody("the answer is unreadable"))
            }
            // The front ended: jobs of the command live on without a terminal.
            _ => {
                *line = None;
                nobody("the caller is gone")
            }
        }
    }

    async fn ask_desk(&self, asked: Asked) -> Reply {
        let desk = Arc::clone(&self.desk);
        let reply = tokio::task::spawn_blocking(move || desk.ask(&asked)).await;
        reply.unwrap_or_else(|_| nobody("asking failed"))
    }

    /// Told before the program inside learns of it, so that the front knows it when the command ends.
    fn tell(&self, refusal: &Refusal) -> bool {
        let what = refusal.what();
        let mut told = self.told.borrow_mut();
        if told.contains(&what) {
            return true;
        }
        if told.len() >= MOST_TOLD {
            return true;
        }
        let blocked = ToFront::Blocked { what: what.clone(), advice: refusal.advice() };
        told.insert(what);
        if let Ok(mut text) = serde_json::to_vec(&blocked) {
            text.push(b'\n');
            // A front that does not read has a full socket: then the line is lost, and the log has it.
            let _ = std::io::Write::write_all(&mut &self.teller, &text);
        }
        false
    }
}

/// An address that a person allowed may be dialled, whatever range it is in: it was shown.
fn with_answer(policy: Arc<NetworkPolicy>, permit: &Permit) -> Arc<NetworkPolicy> {
    if !permit.rule.starts_with(ANSWERED) || matches!(permit.target.host, Host::Name(_)) {
        return policy;
    }
    let entry = Sourced { value: permit.target.to_string(), origin: Origin::BuiltIn("the person's answer") };
    policy.with_allowed(entry).map_or(policy, Arc::new)
}

const ANSWERED: &str = "answered";
const FLOOD: &str = "flood";

fn nobody(why: &str) -> Reply {
    Reply::Nobody(why.into())
}

impl Gate for Judge {
    async fn permit(&self, target: Target, way: Way) -> Result<Rc<Permit>, Refusal> {
        let policy = match self.desk.policy() {
            Ok(policy) => policy,
            Err(origin) => return Err(self.refuse(&target, way, Cause::Strict { origin })),
        };
        match policy.judge(&target.host, target.port) {
            NetworkVerdict::Allowed { rule, .. } => return Ok(self.permit_by(target, way, rule)),
            NetworkVerdict::Denied { entry, origin } => {
                let cause = Cause::Denied { entry, origin: origin.to_string() };
                return Err(self.refuse(&target, way, cause));
            }
            NetworkVerdict::Strict { origin } => {
                let cause = Cause::Strict { origin: origin.to_string() };
                return Err(self.refuse(&target, way, cause));
            }
            NetworkVerdict::Unknown => {}
        }
        let known = self.known.borrow().get(&target).cloned();
        match known {
            Some(Known::Allowed(rule)) => return Ok(self.permit_by(target, way, rule)),
            Some(Known::Refused(cause)) => return Err(self.refuse(&target, way, cause)),
            None => {}
        }
        let (rule, keep) = match self.ask(&target).await {
            Reply::Once => ("answered: once", None),
            Reply::Session => ("answered: session", Some(Known::Allowed("answered: session".into()))),
            Reply::AlwaysHere | Reply::AlwaysUser => {
                ("answered: always", Some(Known::Allowed("answered: always".into())))
            }
            Reply::No(by) if by == FLOOD => return Err(self.refuse(&target, way, Cause::Flood)),
            Reply::No(by) | Reply::Never(by) => {
                let cause = Cause::Answered(by);
                self.known.borrow_mut().insert(target.clone(), Known::Refused(cause.clone()));
                return Err(self.refuse(&target, way, cause));
            }
            Reply::Nobody(why) => return Err(self.refuse(&target, way, Cause::Nobody(why))),
        };
        if let Some(known) = keep {
            self.known.borrow_mut().insert(target.clone(), known);
        }
        Ok(self.permit_by(target, way, rule.into()))
    }

    async fn dial(&self, permit: &Permit) -> Result<TcpStream, Refusal> {
        let refuse = |cause| self.refuse(&permit.target, permit.way, cause);
        let policy = self.desk.policy().map_err(|origin| refuse(Cause::Strict { origin }))?;
        let policy = with_answer(policy, permit);
        let dialled = dial::dial(&policy, &self.upstreams, &permit.target).await.map_err(refuse)?;
        permit.tally.address.set(dialled.address);
        Ok(dialled.stream)
    }

    async fn dial_http(&self, permit: &Permit) -> Result<HttpLine, Refusal> {
        let refuse = |cause| self.refuse(&permit.target, permit.way, cause);
        let policy = self.desk.policy().map_err(|origin| refuse(Cause::Strict { origin }))?;
        let policy = with_answer(policy, permit);
        let (line, address) =
            dial::dial_http(&policy, &self.upstreams, &permit.target).await.map_err(refuse)?;
        permit.tally.address.set(address);
        Ok(line)
    }

    fn refuse(&self, target: &Target, _way: Way, cause: Cause) -> Refusal {
        let refusal = Refusal::of(target, cause);
        let again = self.tell(&refusal);
        self.desk.refused(&refusal, target, again);
        refusal
    }
}
