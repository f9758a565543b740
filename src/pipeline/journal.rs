//! The journal of one command: who wanted it, what was decided and by whom, how it ended. One line each in the audit log.
//!
//! Owns what these lines say. Must not decide anything, but for one thing: where settings want that nothing runs which
//! cannot be logged, [`Journal::start`] says no.

use super::hooked::{Heard, Said};
use super::outside::Program;
use super::prepare::Prepared;
use super::shells::Shell;
use super::{Stop, backend, decide, stop_words};
use crate::approval::{Answer, Kind};
use crate::audit::Event;
use crate::audit::pen::{self, Pen};
use crate::audit::redact::redact_words;
use crate::caller::{Caller, SESSION};
use crate::cli::{CommandInput, ShellInvocation};
use crate::confinement::{Mechanism, landlock};
use crate::policy::Gatekept;
use crate::run::Ending;
use crate::run::ending::End;
use crate::settings::Origin;
use crate::verdict::{CommandText, Verdict};
use crate::{exit, report, system};
use serde_json::{Map, Value, json};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What is known of one command so far.
#[derive(Debug)]
pub struct Journal {
    /// Writes the lines.
    pub pen: Pen,
    /// Who, what, where: known from the start.
    facts: Map<String, Value>,
    begun: SystemTime,
    clock: Instant,
    /// Settings that want every command logged.
    required: Option<Origin>,
    /// The verdict and what came of a question.
    decided: RefCell<Map<String, Value>>,
    /// The error number of the first line that could not be written.
    failed: Cell<Option<i32>>,
    /// Nobody was told of that yet.
    untold: Cell<bool>,
}

impl Journal {
    /// A command begins.
    pub fn begin(shell: &ShellInvocation, caller: &Caller) -> Journal {
        Journal {
            pen: Pen::new(caller.state_directory().as_deref()),
            facts: facts(shell, caller),
            begun: SystemTime::now(),
            clock: Instant::now(),
            required: None,
            decided: RefCell::default(),
            failed: Cell::new(None),
            untold: Cell::new(true),
        }
    }

    /// The settings are known.
    pub fn follow(&mut self, prepared: &Prepared) {
        let audit = &prepared.policy.audit;
        self.pen.follow(audit);
        self.required = audit.required.value.then(|| audit.required.origin.clone());
    }

    /// The verdict.
    pub fn judged(&self, verdict: &Verdict) {
        let reason = verdict.reason();
        let word = match verdict {
            Verdict::Confined { .. } => "confined",
            Verdict::Ask { .. } => "ask",
            Verdict::Outside { .. } => "outside",
            Verdict::Denied(_) => "denied",
        };
        let mut decided = self.decided.borrow_mut();
        decided.insert("verdict".into(), word.into());
        decided.insert("why".into(), pen::short(reason.text.as_bytes()).into());
        decided.insert("rule".into(), reason.rule.clone().into());
        decided.insert("origin".into(), reason.origin.as_ref().map(ToString::to_string).into());
        drop(decided);
        if word == "denied" {
            self.note(Event::Decision, self.with_decided(json!({ "kind": Kind::Command.name() })));
        }
    }

    /// A question about the command itself was answered.
    pub fn answered(&self, kind: Kind, who: &str, answer: &Answer) {
        let outcome = outcome(who, answer);
        self.decided.borrow_mut().extend(outcome);
        self.note(Event::Decision, self.with_decided(json!({ "kind": kind.name() })));
    }

    /// Hooks were asked about the command itself.
    pub fn heard(&self, heard: &Result<Heard, Stop>) {
        let word = heard.as_ref().map(|heard| &heard.word);
        let Some(mut fields) = hooks_word(word) else { return };
        fields.insert("kind".into(), Kind::Command.name().into());
        self.note(Event::Decision, self.with_decided(fields.into()));
    }

    fn with_decided(&self, mut fields: Value) -> Value {
        if let Some(fields) = fields.as_object_mut() {
            fields.extend(self.decided.borrow().clone());
            for key in ["command", "cwd"] {
                fields.insert(key.into(), self.facts.get(key).cloned().unwrap_or_default());
            }
        }
        fields
    }

    /// Whether lines go anywhere.
    pub fn is_kept(&self) -> bool {
        self.pen.is_on()
    }

    /// It is about to run.
    ///
    /// # Errors
    /// Where settings want every command logged and this one cannot be.
    pub fn start(&self) -> Result<(), Stop> {
        if self.required.is_some() { self.begins(json!({})) } else { Ok(()) }
    }

    /// It is about to run without a boundary: whoever kills its whole group kills us too, so this is kept before.
    ///
    /// # Errors
    /// As for [`Journal::start`].
    pub fn leaves(&self, program: Option<&Program>) -> Result<(), Stop> {
        self.begins(left(program))
    }

    fn begins(&self, fields: Value) -> Result<(), Stop> {
        let Some(origin) = &self.required else {
            self.note(Event::Start, self.whole(fields));
            return Ok(());
        };
        let written = match self.pen.log() {
            Some(_) => self.pen.note(Event::Start, self.whole(fields)),
            None => Err(io::Error::other("there is no home directory for it")),
        };
        written.map_err(|error| {
            self.untold.set(false);
            Stop::Failed(
                format!(
                    "the audit log cannot be written{}: {error}; nothing was run, because sandbox.audit.required ({origin}) wants every command logged",
                    self.place()
                ),
                exit::REFUSED,
            )
        })
    }

    /// It did not run.
    pub fn refused(&self, stop: &Stop) {
        let why = pen::short(stop_words(stop).as_bytes());
        self.note(Event::Command, self.whole(json!({ "ran": false, "stopped": why })));
        self.close();
    }

    /// It ended, without a boundary.
    pub fn left(&self, program: Option<&Program>, ending: Ending) {
        let (status, signal) = ending.parts();
        let mut fields = left(program);
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("ran".into(), true.into());
            fields.insert("status".into(), status.into());
            fields.insert("signal".into(), signal.into());
        }
        self.note(Event::Command, self.whole(fields));
        self.close();
    }

    /// It ended; `before` is a line to be written with that. An error number if any line could not be written: this may not be the
    /// process that can say so.
    pub fn ended(&self, end: &End, before: Option<(Event, Value)>, prepared: &Prepared) -> Option<i32> {
        let (status, signal) = end.ending.map_or((None, None), Ending::parts);
        let mechanism = backend::choose(prepared, None).ok();
        let hosts: Vec<Value> = end
            .hosts
            .iter()
            .map(|host| json!({ "host": host.host, "verdict": if host.allowed { "allowed" } else { "refused" } }))
            .collect();
        let mut fields = json!({
            "ran": true,
            "place": "inside",
            "backend": mechanism.as_ref().map(Mechanism::name),
            "enforced": enforced(end, prepared, mechanism.as_ref()),
            "violations": end.violations,
            "hosts": hosts,
            "swept": end.swept,
            "status": status,
            "signal": signal,
        });
        if let Some(fields) = fields.as_object_mut() {
            if end.omitted > 0 {
                fields.insert("connections_omitted".into(), end.omitted.into());
            }
            if end.jobs {
                fields.insert("jobs".into(), true.into());
            }
            if end.ending.is_none() {
                fields.insert("front".into(), "killed".into());
            }
        }
        self.note_all(before.into_iter().chain([(Event::Command, self.whole(fields))]).collect());
        self.pen.send_on();
        self.failed.get().or(end.unlogged)
    }

    /// The same command once more, with what a person granted: a line of its own.
    pub fn again(&mut self) {
        let before = std::mem::replace(&mut self.pen.id, Pen::new(None).id);
        self.facts.insert("again".into(), before.into());
        (self.begun, self.clock) = (SystemTime::now(), Instant::now());
    }

    /// Something of the command's could not be written: said once.
    pub fn tell(&self, failed: Option<i32>) {
        if let Some(number) = failed
            && self.untold.replace(false)
        {
            let error = io::Error::from_raw_os_error(number);
            let place = self.place();
            report::notice(&format!(
                "the audit log cannot be written{place}: {error}; what this command did is not kept"
            ));
        }
    }

    /// Writes a line; whoever cannot be told of a failure here reads it from [`Journal::ended`].
    pub fn note(&self, event: Event, fields: Value) {
        self.note_all(vec![(event, fields)]);
    }

    /// As [`Journal::note`], several in one piece.
    fn note_all(&self, lines: Vec<(Event, Value)>) {
        if let Err(error) = self.pen.note_all(lines)
            && self.failed.get().is_none()
        {
            self.failed.set(Some(number(&error)));
        }
    }

    /// Nothing more comes.
    fn close(&self) {
        self.tell(self.failed.get());
        self.pen.send_on();
    }

    /// What failed so far, for the front.
    pub fn failed(&self) -> Option<i32> {
        self.failed.get()
    }

    fn place(&self) -> String {
        self.pen.log().map_or_else(String::new, |log| format!(" ('{}')", log.path().display()))
    }

    /// A line of the command itself: the facts, what was decided, and this.
    fn whole(&self, fields: Value) -> Value {
        let mut all = self.facts.clone();
        all.extend(self.decided.borrow().clone());
        if let Value::Object(fields) = fields {
            all.extend(fields);
        }
        let begun = self.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        all.insert("begun".into(), (begun.as_millis() as f64 / 1000.0).into());
        let milliseconds = (self.clock.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
        all.insert("milliseconds".into(), milliseconds.into());
        Value::Object(all)
    }
}

/// Where a command runs that leaves the sandbox: a program by itself, or the shell.
fn left(program: Option<&Program>) -> Value {
    json!({
        "place": if program.is_some() { "outside" } else { "unconfined" },
        "program": program.map(|program| program.path.display().to_string()),
        "argv": program.map(|program| redact_words(&program.argv)),
    })
}

/// An error as a number that fits an exit status.
pub fn number(error: &io::Error) -> i32 {
    let other = if error.kind() == io::ErrorKind::TimedOut { nix::libc::ETIMEDOUT } else { nix::libc::EIO };
    error.raw_os_error().filter(|number| (1..256).contains(number)).unwrap_or(other)
}

/// Who was asked, who answered, and what.
pub fn outcome(who: &str, answer: &Answer) -> Map<String, Value> {
    let by = if answer.is_nobodys() { "nobody" } else { who };
    let mut fields = Map::new();
    fields.insert("asked".into(), who.into());
    fields.insert("answered".into(), by.into());
    fields.insert("choice".into(), answer.name().into());
    fields
}

/// What hooks said, as who answered a question; `None`: nothing.
pub fn hooks_word(said: Result<&Said, &Stop>) -> Option<Map<String, Value>> {
    let shown = |origin: &Origin| origin.to_string();
    let (choice, rule, origin) = match said {
        Ok(Said::Nothing) => return None,
        Ok(Said::Allow(origin)) => ("allow", None, Some(shown(origin))),
        Ok(Said::Ask(reason)) => ("ask", reason.rule.clone(), reason.origin.as_ref().map(shown)),
        Err(Stop::Refused(refusal)) => ("no", refusal.rule.clone(), refusal.origin.clone()),
        // No word of a hook's.
        Err(_) => return None,
    };
    let mut fields = Map::new();
    fields.insert("asked".into(), "hook".into());
    fields.insert("answered".into(), "hook".into());
    fields.insert("choice".into(), choice.into());
    fields.insert("rule".into(), rule.into());
    fields.insert("origin".into(), origin.into());
    Some(fields)
}

fn facts(shell: &ShellInvocation, caller: &Caller) -> Map<String, Value> {
    let parent = nix::unistd::getppid();
    let program = std::fs::read_link(format!("/proc/{parent}/exe"));
    let door = match &shell.input {
        CommandInput::Text { .. } => "-c",
        CommandInput::Script { .. } => "script",
        CommandInput::Stdin => "stdin",
        CommandInput::Interactive => "interactive",
        CommandInput::Nothing => "nothing",
        CommandInput::Unknown { .. } => "unknown",
    };
    let bytes = text(shell);
    let command = CommandText::new(&bytes, caller.home.as_deref());
    let facts = json!({
        "uid": nix::unistd::getuid().as_raw(),
        "pid": std::process::id(),
        "parent": parent.as_raw(),
        "parent_program": program.ok().map(|path| path.display().to_string()),
        "sid": nix::unistd::getsid(None).ok().map(nix::unistd::Pid::as_raw),
        "session": caller.variable(SESSION).map(|token| pen::short(token.as_bytes())),
        "agent": command.agent(),
        "door": door,
        "shell": shell.argv0.to_string_lossy(),
        "cwd": caller.directory.as_ref().map(|directory| directory.to_string_lossy()),
    });
    let mut all = Map::new();
    for part in [facts, pen::whole(&command.asked())] {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    all.retain(|_, value| !value.is_null());
    all
}

/// The command text, or the line that would start the script.
fn text(shell: &ShellInvocation) -> Vec<u8> {
    if let CommandInput::Text { text, .. } = &shell.input {
        return text.as_bytes().to_vec();
    }
    let words = std::iter::once(&shell.argv0).chain(&shell.arguments).map(|word| word.as_bytes());
    let quoted =
        words.map(|word| shlex::bytes::try_quote(word).map_or_else(|_| word.to_vec(), |q| q.into_owned()));
    quoted.collect::<Vec<_>>().join(&b' ')
}

/// `full`, or what was less.
fn enforced(end: &End, prepared: &Prepared, mechanism: Option<&Mechanism>) -> Value {
    let policy = &prepared.policy;
    let mut gaps = Vec::new();
    if !end.watched {
        gaps.push("calls were not watched");
    } else if policy.gatekeeper.value == Gatekept::Network {
        gaps.push("of calls only connections were watched");
    }
    if policy.network.all_unix_sockets.as_ref().is_some_and(|all| all.value) {
        gaps.push("all Unix sockets are open");
    }
    if mechanism == Some(&Mechanism::Landlock)
        && let Some(version) = system::landlock::version()
    {
        let copies = system::stranger::can_copy();
        gaps.extend(landlock::gaps(version, end.watched, copies).into_iter().map(|gap| gap.text));
    }
    if gaps.is_empty() { "full".into() } else { gaps.into() }
}

/// The shell inside, once it is chosen.
impl Journal {
    /// It replaces the name that sbsh was called by.
    pub fn chose(&mut self, shell: &Shell) {
        self.facts.insert("shell".into(), shell.path.display().to_string().into());
        if !matches!(shell.invocation.input, CommandInput::Text { .. })
            && let Value::Object(command) = pen::whole(&decide::text_of(shell))
        {
            self.facts.extend(command);
        }
    }
}
