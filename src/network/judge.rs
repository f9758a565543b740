//! The gate: decides on each connection of a sandbox, and opens what is allowed.
//!
//! Owns what was answered for this command. The order: malformed, denied, allowed, strict, asked (DESIGN.md, Network).

use super::asking_program::Inside;
use super::desk::{Desk, Reply, ToFront};
use super::machine::{Listed, Says, Search};
use super::questions::Questions;
use super::upstream::Upstreams;
use super::{Also, Cause, Gate, HttpLine, Permit, Refusal, Tally, Target, Way, dial, machine};
use crate::policy::network::NetworkVerdict;
use crate::policy::{Host, NetworkPolicy};
use crate::settings::{Origin, Sourced};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Different refusals that are told; a command that knocks everywhere is told so once.
const MOST_TOLD: usize = 64;

/// How long the end of a connection may wait to be written down: in a burst, for a moment without connections.
const WHILE: Duration = Duration::from_millis(10);

/// What is known for a target beyond the policy.
#[derive(Debug, Clone)]
enum Known {
    /// By this answer.
    Allowed(&'static str),
    Refused(Cause),
}

/// The gate of one sandbox.
pub struct Judge {
    desk: Arc<dyn Desk>,
    upstreams: Upstreams,
    known: RefCell<HashMap<Target, Known>>,
    questions: Rc<Questions>,
    told: RefCell<HashSet<String>>,
    /// A connection ended, and that is not written down yet.
    over: Rc<Notify>,
    /// The socket to the front, for what must be sent before a refusal takes effect.
    teller: std::os::unix::net::UnixStream,
}

impl Judge {
    /// For one sandbox; `front` leads to the process that the caller started, `inside` is the sandbox's network.
    ///
    /// # Errors
    /// What the calls on the socket give.
    pub fn new(
        desk: Arc<dyn Desk>,
        upstreams: Upstreams,
        front: std::os::unix::net::UnixStream,
        inside: Option<Inside>,
    ) -> std::io::Result<Judge> {
        front.set_nonblocking(true)?;
        let teller = front.try_clone()?;
        let questions = Rc::new(Questions::new(Arc::clone(&desk), front, inside)?);
        let (known, told, over) = Default::default();
        Ok(Judge { desk, upstreams, known, questions, told, over, teller })
    }

    /// Has the ended connections written down, those of a while together; never returns.
    pub async fn write_down(&self) {
        loop {
            self.over.notified().await;
            sleep(WHILE).await;
            self.desk.write_down();
        }
    }

    /// The host that an address stands for: a name that the machine's hosts file has for it and that is allowed, because
    /// a program that was told of the name says it on the connection; itself where only it is allowed; else the first name.
    pub fn named(&self, address: IpAddr, port: u16) -> Host {
        let own = Host::Address(address);
        let Ok(policy) = self.desk.policy() else { return own };
        let allowed = |host: &Host| matches!(policy.judge(host, port), NetworkVerdict::Allowed { .. });
        if address.is_loopback() {
            return own;
        }
        let names = machine::listed(address, &hosts());
        match names.iter().find(|name| allowed(name)) {
            Some(name) => name.clone(),
            None if allowed(&own) => own,
            None => names.into_iter().next().unwrap_or(own),
        }
    }

    /// What settings, or the hosts file, say of a name that is asked for.
    pub fn listed(&self, name: &str) -> Listed {
        let host = Host::Name(name.to_owned());
        let policy = self.desk.policy().ok();
        match policy.as_ref().and_then(|policy| policy.allowed.find(&host, None)) {
            Some(found) if !found.entry.value.contains('*') => Listed::Itself,
            _ if machine::has(&hosts(), &host) => Listed::Itself,
            Some(_) => Listed::Below,
            None => Listed::Not,
        }
    }

    fn permit_by(&self, target: Target, way: Way, rule: String) -> Rc<Permit> {
        let check_name = self.desk.policy().is_ok_and(|policy| policy.checks_name(&target.host));
        let (desk, over) = (Arc::clone(&self.desk), Rc::clone(&self.over));
        let also = also(target.clone(), Arc::clone(&self.desk));
        Rc::new(Permit {
            also: Some(also),
            target,
            way,
            rule,
            check_name,
            tally: Tally::default(),
            ended: Some(Box::new(move |permit| {
                desk.ended(permit);
                over.notify_one();
            })),
        })
    }

    /// In the order of DESIGN.md: denied, allowed, strict, asked.
    async fn decide(&self, target: &Target, way: Way, from: SocketAddr) -> Result<Rc<Permit>, Cause> {
        let policy = match self.desk.policy() {
            Ok(policy) => policy,
            Err(why) => return Err(Cause::Broken(why)),
        };
        match policy.judge(&target.host, target.port) {
            NetworkVerdict::Allowed { rule, .. } => return Ok(self.permit_by(target.clone(), way, rule)),
            NetworkVerdict::Denied { entry, origin } => {
                return Err(Cause::Denied { entry, origin: origin.to_string() });
            }
            NetworkVerdict::Strict { origin } => {
                return Err(Cause::Strict { origin: origin.to_string() });
            }
            NetworkVerdict::Unknown => {}
        }
        let known = self.known.borrow().get(target).cloned();
        match known {
            Some(Known::Allowed(rule)) => return Ok(self.permit_by(target.clone(), way, rule.into())),
            Some(Known::Refused(cause)) => return Err(cause),
            None => {}
        }
        let reply = self.questions.ask(target, from).await?;
        let (rule, lasts) = match reply {
            Reply::Once => ("answered: once", false),
            Reply::Session => ("answered: session", true),
            Reply::AlwaysHere | Reply::AlwaysUser => ("answered: always", true),
            Reply::No(by) => return Err(self.remember(target, Cause::Answered(by))),
            Reply::Never(by) => return Err(self.remember(target, Cause::Never(by))),
            Reply::Nobody(why) => return Err(Cause::Nobody(why)),
        };
        if lasts {
            self.known.borrow_mut().insert(target.clone(), Known::Allowed(rule));
        }
        Ok(self.permit_by(target.clone(), way, rule.into()))
    }

    /// A refusal that is not asked about again.
    fn remember(&self, target: &Target, cause: Cause) -> Cause {
        self.known.borrow_mut().insert(target.clone(), Known::Refused(cause.clone()));
        cause
    }

    /// Whether a refusal is one that is still told.
    fn is_news(&self, refusal: &Refusal) -> bool {
        let told = self.told.borrow();
        told.len() < MOST_TOLD && !told.contains(&refusal.what())
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
        let program = refusal.program.clone();
        let blocked = ToFront::Blocked { what: what.clone(), program, advice: refusal.advice() };
        told.insert(what);
        if let Ok(mut text) = serde_json::to_vec(&blocked) {
            text.push(b'\n');
            // A front that does not read has a full socket: then the line is lost, and the log has it.
            let _ = std::io::Write::write_all(&mut &self.teller, &text);
        }
        false
    }
}

/// The machine's hosts file, as it is now.
fn hosts() -> String {
    std::fs::read_to_string("/etc/hosts").unwrap_or_default()
}

/// Whether an allowed target goes by another name too.
fn also(target: Target, desk: Arc<dyn Desk>) -> Also {
    Box::new(move |host| {
        let says = |host: &Host| match desk.policy().map(|policy| policy.judge(host, target.port)) {
            Ok(NetworkVerdict::Allowed { .. }) => Says::Allowed,
            Ok(NetworkVerdict::Denied { .. }) | Err(_) => Says::Denied,
            Ok(_) => Says::Nothing,
        };
        machine::is_also(&target, host, &Search::of_machine(), &hosts(), says)
    })
}

/// An address that a person allowed may be dialled, whatever range it is in: it was shown.
fn with_answer(policy: Arc<NetworkPolicy>, target: &Target) -> Arc<NetworkPolicy> {
    let by_answer = matches!(policy.judge(&target.host, target.port), NetworkVerdict::Unknown);
    if !by_answer || matches!(target.host, Host::Name(_)) {
        return policy;
    }
    let entry = Sourced { value: target.to_string(), origin: Origin::BuiltIn("the person's answer") };
    policy.with_allowed(entry).map_or(policy, Arc::new)
}

impl Gate for Judge {
    async fn permit(&self, target: Target, way: Way, from: SocketAddr) -> Result<Rc<Permit>, Refusal> {
        match self.decide(&target, way, from).await {
            Ok(permit) => Ok(permit),
            Err(cause) => {
                let mut refusal = Refusal::of(&target, cause);
                if self.is_news(&refusal) {
                    refusal.program = self.questions.program(from).await;
                }
                let again = self.tell(&refusal);
                self.desk.refused(&refusal, Some(&target), again);
                Err(refusal)
            }
        }
    }

    async fn dial(&self, permit: &Permit) -> Result<TcpStream, Refusal> {
        let refuse = |cause| self.refuse(&permit.target, permit.way, cause);
        let policy = self.desk.policy().map_err(|why| refuse(Cause::Broken(why)))?;
        let policy = with_answer(policy, &permit.target);
        let dialled = dial::dial(&policy, &self.upstreams, &permit.target).await.map_err(refuse)?;
        permit.tally.address.set(dialled.address);
        Ok(dialled.stream)
    }

    async fn dial_http(&self, permit: &Permit) -> Result<HttpLine, Refusal> {
        let refuse = |cause| self.refuse(&permit.target, permit.way, cause);
        let policy = self.desk.policy().map_err(|why| refuse(Cause::Broken(why)))?;
        let policy = with_answer(policy, &permit.target);
        let (line, address) =
            dial::dial_http(&policy, &self.upstreams, &permit.target).await.map_err(refuse)?;
        permit.tally.address.set(address);
        Ok(line)
    }

    fn refuse(&self, target: &Target, _way: Way, cause: Cause) -> Refusal {
        let refusal = Refusal::of(target, cause);
        let again = self.tell(&refusal);
        self.desk.refused(&refusal, Some(target), again);
        refusal
    }

    fn record(&self, refusal: Refusal) -> Refusal {
        let again = self.tell(&refusal);
        self.desk.refused(&refusal, None, again);
        refusal
    }
}
