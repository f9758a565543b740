//! Questions about unknown hosts: one for all connections to a target that wait at the same time, and on the caller's
//! terminal one for all targets that came up while the one before was answered; not more than a person can bear.
//!
//! Owns the asking. A question, once begun, is seen through whatever becomes of the connections that raised it: a
//! program that hangs up must not leave its answer to be read as the answer to the next question.

use super::asking_program::{self, Inside};
use super::desk::{Asked, Desk, Reply, ToFront};
use super::{Cause, Target};
use crate::system::rate::Rate;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::spawn_local;

/// Questions about unknown hosts that one command may raise; then it is a flood, and the answer is no.
const MOST: usize = 24;

/// The questions of one sandbox.
pub struct Questions {
    desk: Arc<dyn Desk>,
    waiting: RefCell<HashMap<Target, watch::Receiver<Option<Reply>>>>,
    asked: RefCell<Rate>,
    inside: Option<Inside>,
    /// Whether the last question reached nobody: then nobody is there to be told which program asks.
    unheard: Cell<bool>,
    /// What is to be asked on the caller's terminal next.
    queue: RefCell<Vec<Queued>>,
    front: Mutex<Option<Front>>,
}

type Front = (BufReader<OwnedReadHalf>, OwnedWriteHalf);

struct Queued {
    target: Target,
    from: SocketAddr,
    answered: oneshot::Sender<(Asked, Reply)>,
}

impl Questions {
    /// `front` leads to the process that the caller started, and does not block; `inside` is the sandbox's network.
    ///
    /// # Errors
    /// What the calls on the socket give.
    pub fn new(
        desk: Arc<dyn Desk>,
        front: std::os::unix::net::UnixStream,
        inside: Option<Inside>,
    ) -> io::Result<Questions> {
        let (read, write) = UnixStream::from_std(front)?.into_split();
        let front = Mutex::new(Some((BufReader::new(read), write)));
        let (waiting, asked, unheard, queue) = Default::default();
        Ok(Questions { desk, waiting, asked, inside, unheard, queue, front })
    }

    /// Asks, or waits for the answer to the same question.
    ///
    /// # Errors
    /// [`Cause::Flood`].
    pub async fn ask(self: &Rc<Self>, target: &Target, from: SocketAddr) -> Result<Reply, Cause> {
        let running = self.waiting.borrow().get(target).cloned();
        let mut answer = match running {
            Some(answer) => answer,
            None => self.begin(target, from)?,
        };
        let given = answer.wait_for(Option::is_some).await.ok().and_then(|given| given.clone());
        Ok(given.unwrap_or_else(|| nobody("the question was lost")))
    }

    fn begin(
        self: &Rc<Self>,
        target: &Target,
        from: SocketAddr,
    ) -> Result<watch::Receiver<Option<Reply>>, Cause> {
        if self.asked.borrow().spent() >= MOST {
            return Err(Cause::Flood);
        }
        self.asked.borrow_mut().count();
        let (tell, answer) = watch::channel(None);
        self.waiting.borrow_mut().insert(target.clone(), answer.clone());
        let (all, target) = (Rc::clone(self), target.clone());
        let (answered, answers) = oneshot::channel();
        self.queue.borrow_mut().push(Queued { target: target.clone(), from, answered });
        spawn_local(async move {
            let reply = match all.ask_front(answers).await {
                Some((asked, Reply::Nobody(_))) => all.ask_desk(asked).await,
                Some((_, reply)) => reply,
                None => nobody("the question was lost"),
            };
            all.waiting.borrow_mut().remove(&target);
            all.unheard.set(matches!(reply, Reply::Nobody(_)));
            if all.unheard.get() {
                // No person was troubled.
                all.asked.borrow_mut().uncount();
            }
            let _ = tell.send(Some(reply));
        });
        Ok(answer)
    }

    /// The program behind a connection. On a thread of its own: other connections go on meanwhile.
    pub async fn program(&self, from: SocketAddr) -> Option<String> {
        let inside = self.inside?;
        tokio::task::spawn_blocking(move || asking_program::name(inside, from)).await.ok().flatten()
    }

    /// The caller's terminal; one question after the other. Whoever comes to it first takes along all who wait.
    async fn ask_front(&self, mut answers: oneshot::Receiver<(Asked, Reply)>) -> Option<(Asked, Reply)> {
        let mut line = self.front.lock().await;
        // Else somebody has asked for us.
        if answers.is_empty() {
            let (mut hosts, mut waiting) = (Vec::new(), Vec::new());
            // Looking for the programs takes a moment, in which others come.
            while !self.queue.borrow().is_empty() {
                for queued in self.queue.take() {
                    let heard = !self.unheard.get();
                    let program = if heard { self.program(queued.from).await } else { None };
                    hosts.push(Asked::about(&queued.target, program));
                    waiting.push(queued.answered);
                }
            }
            let replies = talk(&mut line, &hosts).await;
            for (index, (asked, answered)) in hosts.into_iter().zip(waiting).enumerate() {
                let reply = replies.as_ref().map_or_else(|why| nobody(why), |all| reply_for(all, index));
                let _ = answered.send((asked, reply));
            }
        }
        answers.try_recv().ok()
    }

    async fn ask_desk(&self, asked: Asked) -> Reply {
        let desk = Arc::clone(&self.desk);
        let reply = tokio::task::spawn_blocking(move || desk.ask(&asked)).await;
        reply.unwrap_or_else(|_| nobody("asking failed"))
    }
}

/// Asks about all of them; why nobody answered.
async fn talk(line: &mut Option<Front>, hosts: &[Asked]) -> Result<Vec<Reply>, &'static str> {
    const GONE: &str = "the caller is gone";
    let (from, to) = line.as_mut().ok_or(GONE)?;
    let mut text = serde_json::to_vec(&ToFront::Ask(hosts.to_vec())).unwrap_or_default();
    text.push(b'\n');
    let mut answer = String::new();
    let sent = to.write_all(&text).await;
    match (sent, from.read_line(&mut answer).await) {
        (Ok(()), Ok(length)) if length > 0 => {
            serde_json::from_str(&answer).map_err(|_| "the answer is unreadable")
        }
        // The front ended: jobs of the command live on without a terminal.
        _ => {
            *line = None;
            Err(GONE)
        }
    }
}

fn reply_for(replies: &[Reply], index: usize) -> Reply {
    replies.get(index).cloned().unwrap_or_else(|| nobody("the answer is unreadable"))
}

fn nobody(why: &str) -> Reply {
    Reply::Nobody(why.into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOWHERE, run};
    use super::super::{Permit, Refusal};
    use super::*;
    use crate::policy::{Host, NetworkPolicy};

    struct NoDesk;

    impl Desk for NoDesk {
        fn policy(&self) -> Result<Arc<NetworkPolicy>, String> {
            Err("none".into())
        }
        fn ask(&self, _asked: &Asked) -> Reply {
            Reply::Nobody("nobody".into())
        }
        fn ended(&self, _permit: &Permit) {}
        fn write_down(&self) {}
        fn refused(&self, _refusal: &Refusal, _target: Option<&Target>, _again: bool) {}
    }

    fn target(name: &str) -> Target {
        Target { host: Host::Name(name.into()), port: 443 }
    }

    #[test]
    fn an_answer_to_a_program_that_hung_up_is_no_answer_to_the_next_question() {
        run(async {
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            far.set_nonblocking(true).unwrap();
            let questions = Rc::new(Questions::new(Arc::new(NoDesk), near, None).unwrap());
            let (from, mut to) = UnixStream::from_std(far).unwrap().into_split();
            let mut from = BufReader::new(from).lines();
            // The first program is gone as soon as its question is on the terminal.
            {
                let (harmless, friend) = (target("harmless.example"), Rc::clone(&questions));
                let first = spawn_local(async move { friend.ask(&harmless, NOWHERE).await });
                assert!(from.next_line().await.unwrap().unwrap().contains("harmless.example"));
                first.abort();
                assert!(first.await.is_err());
            }
            let (evil, friend) = (target("evil.example"), Rc::clone(&questions));
            let second = spawn_local(async move { friend.ask(&evil, NOWHERE).await });
            to.write_all(b"[\"Session\"]\n").await.unwrap();
            assert!(from.next_line().await.unwrap().unwrap().contains("evil.example"));
            to.write_all(b"[{\"No\":\"the person\"}]\n").await.unwrap();
            assert_eq!(second.await.unwrap(), Ok(Reply::No("the person".into())));
            // And the same target can be asked about again.
            let (harmless, friend) = (target("harmless.example"), Rc::clone(&questions));
            let third = spawn_local(async move { friend.ask(&harmless, NOWHERE).await });
            assert!(from.next_line().await.unwrap().unwrap().contains("harmless.example"));
            to.write_all(b"[\"Once\"]\n").await.unwrap();
            assert_eq!(third.await.unwrap(), Ok(Reply::Once));
        });
    }

    #[test]
    fn those_that_came_while_one_was_answered_are_asked_together_and_answered_each() {
        run(async {
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            far.set_nonblocking(true).unwrap();
            let questions = Rc::new(Questions::new(Arc::new(NoDesk), near, None).unwrap());
            let (from, mut to) = UnixStream::from_std(far).unwrap().into_split();
            let mut from = BufReader::new(from).lines();
            let ask = |name: &str| {
                let (target, friend) = (target(name), Rc::clone(&questions));
                spawn_local(async move { friend.ask(&target, NOWHERE).await })
            };
            let first = ask("a.example");
            assert!(from.next_line().await.unwrap().unwrap().contains("a.example"));
            let others = ["b.example", "c.example", "d.example"].map(ask);
            while questions.queue.borrow().len() < others.len() {
                tokio::task::yield_now().await;
            }
            to.write_all(b"[\"Once\"]\n").await.unwrap();
            let together = from.next_line().await.unwrap().unwrap();
            let ToFront::Ask(hosts) = serde_json::from_str(&together).unwrap() else { panic!("{together}") };
            let names: Vec<_> = hosts.iter().map(|asked| asked.host.as_str()).collect();
            assert_eq!(names, ["b.example", "c.example", "d.example"]);
            // One answer is missing: that one is none.
            to.write_all(b"[\"Session\",{\"No\":\"the person\"}]\n").await.unwrap();
            assert_eq!(first.await.unwrap(), Ok(Reply::Once));
            let [b, c, d] = others;
            assert_eq!(b.await.unwrap(), Ok(Reply::Session));
            assert_eq!(c.await.unwrap(), Ok(Reply::No("the person".into())));
            assert!(matches!(d.await.unwrap(), Ok(Reply::Nobody(_))));
        });
    }
}
