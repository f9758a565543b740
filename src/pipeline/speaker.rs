//! The person at the terminal, for the front: asked on the caller's terminal, or by the front end of an interactive
//! session, whose terminal nothing inside has.
//!
//! Owns what was answered and goes on to hold. Must not decide anything itself.

use super::desk::{Command, settle, settle_call};
use super::excluded::{self, MOST_QUESTIONS};
use super::prepare::Prepared;
use crate::approval::{self, Answer, Approver, Question, Terminal};
use crate::broker;
use crate::caller::Caller;
use crate::network::desk::{Asked, Reply, ToFront};
use crate::report;
use crate::run::Blocked;
use crate::run::line::{self, Speaker};
use crate::session::wire::{Refused, RunEnd, ToFrontEnd};
use crate::system::tally::Tally;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

/// The person at the caller's terminal, for the front.
pub struct AtTerminal<'a> {
    /// What was answered about programs outside, and goes on to hold.
    pub outside: Vec<(broker::Asked, Reply)>,
    /// How many questions about programs outside there were.
    pub questions: Tally,
    /// What was read of the settings.
    pub prepared: &'a Prepared,
    /// Who started sbsh.
    pub caller: &'a Caller,
    /// What runs.
    pub command: &'a Command,
    /// The front end of an interactive session, in the terminal's place: nothing inside has that terminal.
    pub session: Option<RunEnd>,
}

impl AtTerminal<'_> {
    fn terminal(&self) -> Option<Terminal> {
        Terminal::of_caller(approval::colours(self.caller.variable("NO_COLOR"), self.caller.variable("TERM")))
    }

    /// Asks, and keeps in the log what was answered.
    fn show(&mut self, question: &Question) -> Answer {
        let mut terminal = self.terminal();
        let speaker: &mut dyn Approver = match (&mut self.session, &mut terminal) {
            (Some(session), _) => session,
            (None, Some(terminal)) => terminal,
            (None, None) => return Answer::nobody("could be asked: there is no terminal to ask on"),
        };
        let answer = question.if_offered(speaker.ask(question));
        self.command.answered(question, speaker.who(), &answer);
        answer
    }
}

impl Speaker for AtTerminal<'_> {
    fn is_there(&self) -> bool {
        self.session.is_some() || self.terminal().is_some()
    }

    fn is_apart(&self) -> bool {
        self.session.is_some()
    }

    fn hear(&self, said: &ToFront) -> bool {
        let Some(session) = &self.session else { return false };
        let refused = match said {
            ToFront::Violation(violation) => Refused::Call(violation.clone()),
            ToFront::Blocked { what, program, advice } => Refused::Connection(Blocked {
                what: what.clone(),
                program: program.clone(),
                advice: advice.clone(),
            }),
            ToFront::Unheard(line) => Refused::Program(line.clone()),
            _ => return false,
        };
        session.say(&ToFrontEnd::Refused(refused));
        true
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.session.as_ref()?.descriptor()
    }

    fn attend(&mut self) {
        self.session.iter_mut().for_each(RunEnd::attend);
    }

    fn opened(&mut self) -> Vec<PathBuf> {
        self.session.as_mut().map(RunEnd::opened).unwrap_or_default()
    }

    fn be_quiet(&mut self) {
        if self.session.as_mut().is_some_and(RunEnd::be_quiet) {
            // A line is over: the next one may ask again.
            self.questions.clear();
        }
    }

    fn recall(&self, question: &line::Question) -> Option<Reply> {
        let line::Question::Outside(asked) = question else { return None };
        let before =
            self.outside.iter().find(|(before, _)| before.is_as(asked)).map(|(_, reply)| reply.clone());
        before.or_else(|| self.questions.reached(MOST_QUESTIONS).then(excluded::too_many))
    }

    fn keep(&mut self, question: &line::Question, reply: &Reply) {
        let line::Question::Outside(asked) = question else { return };
        // A yes for once holds once; a no holds for the whole command.
        let holds = !matches!(reply, Reply::Once | Reply::Nobody(_));
        // Each was a question, so there are not many.
        if holds
            && *reply != excluded::too_many()
            && !self.outside.iter().any(|(before, _)| before.is_as(asked))
        {
            self.outside.push((asked.clone(), reply.clone()));
        }
    }

    fn ask(&mut self, question: &line::Question) -> Reply {
        if matches!(question, line::Question::Outside(_)) && !self.questions.counts(MOST_QUESTIONS) {
            return excluded::too_many();
        }
        match question {
            line::Question::Call(asked) => {
                settle_call(self.show(&self.command.question_about_call(asked)), asked, self.prepared)
            }
            line::Question::Outside(asked) => {
                excluded::settle(self.show(&excluded::question(asked)), asked, self.prepared)
            }
        }
    }

    fn ask_hosts(&mut self, hosts: &[Asked]) -> Vec<Reply> {
        let answer = match self.command.question_about(hosts) {
            Some(together) => self.show(&together),
            None => Answer::Each,
        };
        let each = hosts.iter().map(|asked| {
            let answer = match &answer {
                Answer::Each => self.show(&self.command.question(asked)),
                same => same.clone(),
            };
            settle(answer, asked, self.prepared)
        });
        each.collect()
    }

    fn tell(&self, text: &str) {
        match &self.session {
            Some(session) => session.say(&ToFrontEnd::Tell(text.to_owned())),
            None => report::notice(text),
        }
    }
}
