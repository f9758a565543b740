//! The broker's desk: may a program that was started inside run outside, which file is it, and with which environment.
//!
//! Owns the permission flow for what runs outside from within: deny, ask, allow, ask. Lives in the broker's process; the
//! terminal's side lives in the front's.

use super::beyond::Beyond;
use super::carried::{
    assignment, assignments, exact, harmless, left_behind, line, visible_word, words_to_run,
};
use super::covers::Covers;
use super::desk::Command;
use super::hooked::{self, Said};
use super::outside::{self, Program};
use super::prepare::Prepared;
use super::remember::{Destination, Lasting};
use super::{Stop, journal, remember, stop};
use crate::approval::{Answer, Choice, Kind, Question};
use crate::audit::Event;
use crate::audit::pen;
use crate::audit::redact::redact_words;
use crate::broker::{Asked, Desk, Judgement, Wanted};
use crate::caller::Caller;
use crate::exit;
use crate::network::desk::{Reply, ToFront};
use crate::report::Way;
use crate::system::children::{Watch, give_up};
use crate::system::sockets;
use crate::system::tally::Tally;
use crate::system::visible::visible;
use crate::verdict::brokered::{self, Brokered};
use crate::verdict::{DirectCommand, Reason};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The desk of one run.
pub struct ExcludedDesk<'a> {
    /// What was read of the settings.
    pub prepared: &'a Prepared,
    /// Who started sbsh.
    pub caller: &'a Caller,
    /// What runs.
    pub command: &'a Command,
    /// The covered files.
    pub covers: Covers,
    /// How many questions there were.
    pub questions: Tally,
}

/// Questions of one command about programs outside; who has answered so many no longer looks.
pub const MOST_QUESTIONS: u32 = 24;

/// Longer commands are not asked about: nobody would read them to their end.
const LONGEST_SHOWN: usize = 32 << 10;

/// The answer to all further ones.
pub fn too_many() -> Reply {
    Reply::No(format!(
        "this command has asked {MOST_QUESTIONS} questions about programs outside, and gets no more answers"
    ))
}

impl ExcludedDesk<'_> {
    /// For one call; `front` answers what the person at the terminal says.
    pub fn with<'d>(&'d self, front: &'d UnixStream) -> Call<'d> {
        Call { desk: self, front }
    }
}

/// The desk for one call.
pub struct Call<'d> {
    desk: &'d ExcludedDesk<'d>,
    front: &'d UnixStream,
}

/// What runs, decided by our own list and the caller's PATH.
struct Chosen {
    program: PathBuf,
    /// Its argv. The first word is the name on PATH, whatever the shim was called: many programs find their own files by
    /// it (`exec -a /made/inside/bin/python python` would load code that was made inside).
    argv: Vec<OsString>,
    verdict: Brokered,
}

impl Chosen {
    /// Whether each word is text: only then is a rule about it, and nothing else, possible.
    fn is_text(&self) -> bool {
        self.argv.iter().all(|word| word.to_str().is_some())
    }
}

impl Desk for Call<'_> {
    fn judge(&self, wanted: &Wanted, over: [BorrowedFd<'_>; 2]) -> Judgement {
        let chosen = match self.choose(wanted) {
            Ok(Some(chosen)) => chosen,
            Ok(None) => return Judgement::Inside,
            Err(stop) => return self.stopped(wanted, &stop),
        };
        let verdict = match self.heard(wanted, &chosen) {
            Ok(verdict) => verdict,
            Err(stop) => return self.stopped(wanted, &stop),
        };
        match verdict {
            Brokered::Inside => Judgement::Inside,
            Brokered::Denied(reason) => {
                let way = reason.rule.is_some().then_some(Way::ChangeRule);
                self.refused(wanted, &reason, way.into_iter().collect())
            }
            // A rule is about text; what is none looks like another word that is.
            Brokered::Allowed(reason) if !chosen.is_text() => self.ask(wanted, chosen, &reason, false, over),
            Brokered::Allowed(_) => self.run(wanted, chosen, &harmless(&wanted.changed)),
            Brokered::Ask { reason, lasting } => self.ask(wanted, chosen, &reason, lasting, over),
        }
    }

    fn unheard(&self, text: &str) {
        let lines = text.lines().map(|line| line.strip_prefix("sbsh: ").unwrap_or(line));
        self.tell_front(&ToFront::Unheard(lines.collect::<Vec<_>>().join("; ")));
    }

    fn ended(&self, wanted: &Wanted, status: Option<i32>) {
        self.keep(Event::Outside, wanted, json!({ "verdict": "ran", "status": status }));
    }
}

impl Call<'_> {
    /// The verdict with what hooks say. The way out is always asked about.
    fn heard(&self, wanted: &Wanted, chosen: &Chosen) -> Result<Brokered, Stop> {
        let verdict = chosen.verdict.clone();
        if matches!(verdict, Brokered::Inside | Brokered::Denied(_)) {
            return Ok(verdict);
        }
        let said = hooked::before_outside(&line(&chosen.argv), self.desk.prepared, self.desk.caller);
        if let Some(mut fields) = journal::hooks_word(said.as_ref()) {
            fields.insert("kind".into(), Kind::Outside.name().into());
            self.keep(Event::Decision, wanted, fields.into());
        }
        Ok(match (said?, verdict) {
            (Said::Ask(hook), Brokered::Allowed(_)) => Brokered::Ask { reason: hook, lasting: false },
            (Said::Ask(hook), Brokered::Ask { reason, .. }) => {
                let text = format!("{}; {}", hook.text, reason.text);
                Brokered::Ask { reason: Reason { text, ..hook }, lasting: false }
            }
            // No ask rule speaks: an allow rule would do.
            (Said::Allow(_), Brokered::Ask { reason, lasting: true }) => Brokered::Allowed(reason),
            (_, verdict) => verdict,
        })
    }

    fn choose(&self, wanted: &Wanted) -> Result<Option<Chosen>, Stop> {
        let policy = &self.desk.prepared.policy;
        let text = |word: &OsString| visible_word(word);
        if wanted.covered.as_os_str().is_empty() {
            let argv: Vec<String> = wanted.argv.iter().map(text).collect();
            let verdict = brokered::by_way_out(policy, &argv);
            if matches!(verdict, Brokered::Denied(_)) {
                return Ok(Some(Chosen { program: PathBuf::new(), argv: Vec::new(), verdict }));
            }
            let name = argv.get(1).cloned().unwrap_or_default();
            if name.contains('/') && !name.starts_with('/') {
                let text = format!(
                    "cannot run '{name}' outside: a relative path names what confined commands can write; give the whole path"
                );
                return Err(Stop::Failed(text, exit::REFUSED));
            }
            let command = DirectCommand { argv: argv.get(1..).unwrap_or_default().to_vec() };
            let Program { path, .. } = outside::find(&command, self.desk.prepared, self.desk.caller)?;
            return Ok(Some(Chosen { program: path, argv: words_to_run(wanted), verdict }));
        }
        let cover = self.desk.covers.files.iter().find(|cover| cover.file == wanted.covered);
        let argv0 = wanted.argv.first().map_or(Path::new(""), Path::new);
        // Another name of the same file is not what was excluded.
        let Some(program) = cover.and_then(|cover| cover.called(argv0)) else { return Ok(None) };
        // As it was when the sandbox was made.
        if std::fs::canonicalize(program).ok().as_deref() != Some(&wanted.covered) {
            let text = format!("cannot run '{}' outside: it was replaced meanwhile", program.display());
            return Err(Stop::Failed(text, exit::REFUSED));
        }
        let name = program.file_name().unwrap_or_default().to_owned();
        let argv: Vec<OsString> = std::iter::once(name).chain(wanted.argv.iter().skip(1).cloned()).collect();
        let verdict = brokered::covered(policy, &argv.iter().map(text).collect::<Vec<_>>());
        Ok(Some(Chosen { program: program.to_path_buf(), argv, verdict }))
    }

    fn ask(
        &self,
        wanted: &Wanted,
        chosen: Chosen,
        reason: &Reason,
        lasting: bool,
        over: [BorrowedFd<'_>; 2],
    ) -> Judgement {
        let desk = self.desk;
        let shown: Vec<String> = chosen.argv.iter().map(visible_word).collect();
        let length: usize = chosen.argv.iter().map(|word| word.len() + 1).sum();
        if length > LONGEST_SHOWN {
            let mut reason = reason.clone();
            reason.text = format!("{}; its {length} bytes are more than a person can look at", reason.text);
            return self.refused(wanted, &reason, Vec::new());
        }
        let carried = assignments(&wanted.changed);
        let as_program = Program { path: chosen.program.clone(), argv: shown.clone() };
        let always = remember::rules(&[], reason, Some(&as_program), &desk.prepared.policy)
            .filter(|_| lasting && chosen.is_text() && carried.is_empty());
        let asked = Asked {
            program: chosen.program.clone(),
            argv: shown,
            directory: wanted.directory.clone(),
            assignments: carried.iter().map(|(name, value)| assignment(name, value)).collect(),
            exact: exact(&chosen.argv, &carried),
            why: reason.text.clone(),
            rule: reason.rule.clone(),
            origin: reason.origin.as_ref().map(ToString::to_string),
            always: always.clone(),
        };
        let reply = match self.ask_front(&asked) {
            Reply::Nobody(_) => self.ask_beyond(asked, over),
            reply => reply,
        };
        match reply {
            Reply::Once | Reply::Session | Reply::AlwaysHere | Reply::AlwaysUser => {
                let mut environment = harmless(&wanted.changed);
                environment.extend(carried);
                self.run(wanted, chosen, &environment)
            }
            Reply::No(by) | Reply::Never(by) => self.answered_no(wanted, reason, &by, Vec::new()),
            Reply::Nobody(by) => {
                let ways = always.iter().flatten().map(|rule| Way::Setting {
                    key: "permissions.allow".into(),
                    entry: rule.clone(),
                    file: remember::target(desk.prepared)
                        .map_or_else(String::new, |t| t.display().to_string()),
                });
                self.answered_no(wanted, reason, &by, std::iter::once(Way::Answer).chain(ways).collect())
            }
        }
    }

    fn answered_no(&self, wanted: &Wanted, reason: &Reason, by: &str, ways: Vec<Way>) -> Judgement {
        let mut reason = reason.clone();
        reason.text = format!("{}; {by}", reason.text);
        self.refused(wanted, &reason, ways)
    }

    fn run(&self, wanted: &Wanted, chosen: Chosen, carried: &[(OsString, OsString)]) -> Judgement {
        let required = &self.desk.prepared.policy.audit.required;
        if required.value
            && let Err(error) = self.note(Event::Start, wanted, json!({ "place": "outside" }))
        {
            let text = format!(
                "sbsh: the audit log cannot be written: {error}; '{}' was not run, because sandbox.audit.required ({}) wants it logged\n",
                chosen.program.display(),
                required.origin
            );
            return Judgement::Refused { text, status: exit::REFUSED };
        }
        if let Some(names) = left_behind(&wanted.changed, carried) {
            let program = chosen.program.clone();
            self.tell_front(&ToFront::LeftBehind { program, names });
        }
        let set: Vec<(&str, &OsStr)> =
            carried.iter().filter_map(|(name, value)| Some((name.to_str()?, value.as_os_str()))).collect();
        let environment = outside::environment(self.desk.prepared, self.desk.caller, &set);
        Judgement::Run { program: chosen.program, argv: chosen.argv, environment }
    }

    fn refused(&self, wanted: &Wanted, reason: &Reason, ways: Vec<Way>) -> Judgement {
        let origin = reason.origin.as_ref().map(ToString::to_string);
        let fields = json!({ "verdict": "refused", "why": pen::short(reason.text.as_bytes()), "rule": reason.rule, "origin": origin });
        self.keep(Event::Outside, wanted, fields);
        let refusal = stop::refusal(line(&words_to_run(wanted)), reason, ways);
        Judgement::Refused { text: refusal.text(), status: exit::REFUSED }
    }

    fn stopped(&self, wanted: &Wanted, stop: &Stop) -> Judgement {
        let why = super::stop_words(stop);
        self.keep(Event::Outside, wanted, json!({ "verdict": "refused", "why": pen::short(why.as_bytes()) }));
        if let Stop::Refused(refusal) = stop {
            return Judgement::Refused { text: refusal.text(), status: exit::REFUSED };
        }
        let status = match stop {
            Stop::NotFound(_) => exit::NOT_FOUND,
            _ => exit::REFUSED,
        };
        Judgement::Refused { text: format!("sbsh: {}\n", visible(why.as_bytes())), status }
    }

    fn ask_front(&self, asked: &Asked) -> Reply {
        let nobody = || Reply::Nobody("there is no terminal to ask on".into());
        if !self.tell_front(&ToFront::AskOutside(asked.clone())) {
            return nobody();
        }
        let mut line = String::new();
        match BufReader::new(self.front).read_line(&mut line) {
            Ok(1..) => serde_json::from_str(&line).unwrap_or_else(|_| nobody()),
            _ => nobody(),
        }
    }

    fn tell_front(&self, message: &ToFront) -> bool {
        let Ok(mut text) = serde_json::to_vec(message) else { return false };
        text.push(b'\n');
        sockets::write_all(self.front, &text).is_ok()
    }

    /// Keeps it in the log; what cannot be written is said by the front.
    fn note(&self, event: Event, wanted: &Wanted, fields: Value) -> std::io::Result<()> {
        let argv: Vec<String> = words_to_run(wanted).iter().map(visible_word).collect();
        let mut all = json!({
            "command": pen::short(&self.desk.command.text),
            "argv": redact_words(&argv),
            "cwd": wanted.directory.to_string_lossy(),
        });
        if let (Some(all), Value::Object(fields)) = (all.as_object_mut(), fields) {
            all.extend(fields);
        }
        self.desk.command.pen.note(event, all)
    }

    fn keep(&self, event: Event, wanted: &Wanted, fields: Value) {
        if let Err(error) = self.note(event, wanted, fields) {
            let text = format!("the audit log cannot be written: {error}");
            self.tell_front(&ToFront::Notice(text));
        }
    }
}

impl Call<'_> {
    /// Those who can be asked without the caller's terminal, asked, as long as somebody waits for the program.
    fn ask_beyond(&self, asked: Asked, over: [BorrowedFd<'_>; 2]) -> Reply {
        let desk = self.desk;
        let over = over.iter().filter_map(|end| end.try_clone_to_owned().ok()).collect();
        let _watch = Watch::start(over, give_up);
        let askpass = desk.caller.variable("SBSH_ASKPASS").map(PathBuf::from);
        let roots = outside::writable_roots(desk.prepared);
        let mut speaker = Beyond::reach(askpass, &roots, &desk.command.pen);
        // Another program may have asked the same meanwhile.
        let before = if speaker.has_waited() { self.ask_front(&asked) } else { Reply::Nobody(String::new()) };
        let reply = match before {
            // What reaches nobody is no question.
            Reply::Nobody(_) if speaker.is_somebody() && !desk.questions.counts(MOST_QUESTIONS) => too_many(),
            Reply::Nobody(_) => {
                let question = question(&asked);
                let answer = speaker.ask(&question);
                desk.command.answered(&question, speaker.who(), &answer);
                settle(answer, &asked, desk.prepared)
            }
            reply => reply,
        };
        // Before the turn is another's.
        self.tell_front(&ToFront::Outside(asked, reply.clone()));
        reply
    }
}

/// The question in full.
pub fn question(asked: &Asked) -> Question {
    let words: Vec<OsString> = asked.argv.iter().map(OsString::from).collect();
    let mut text: Vec<u8> = asked.assignments.iter().flat_map(|a| [a.as_bytes(), b" "].concat()).collect();
    text.extend(line(&words));
    let mut choices = vec![Choice::Once, Choice::Session];
    if asked.always.is_some() {
        choices.push(Choice::Always);
    }
    let why = format!("{}; the program is {}", asked.why, asked.program.display());
    Question {
        rule: asked.rule.clone(),
        origin: asked.origin.clone(),
        argv: Some(asked.argv.clone()),
        ..Question::new(Kind::Outside, text, &asked.directory, why, choices)
    }
}

/// Puts an answer into effect.
pub fn settle(answer: Answer, asked: &Asked, prepared: &Prepared) -> Reply {
    remember::reply(answer, |lasting| match lasting {
        Lasting::Yes(Destination::ProjectPersonal) => {
            let rules = asked.always.as_deref().unwrap_or_default();
            remember::write(rules, prepared).map_err(|stop| super::stop_words(&stop))
        }
        Lasting::Yes(Destination::Session) => {
            remember::write_for_session(asked.always.as_deref().unwrap_or_default(), prepared);
            Ok(())
        }
        Lasting::Yes(Destination::User) => Err(remember::NOT_OFFERED.into()),
        Lasting::Never => Ok(()),
    })
}
