//! After a command that failed on what the sandbox refused without asking: run it again, and how?
//!
//! Owns when that is offered: to the person at the caller's terminal, once, and never about what was refused by a person.

use super::decide::text_of;
use super::journal::Journal;
use super::outside;
use super::prepare::Prepared;
use super::shells::Shell;
use crate::approval::{self, Answer, Approver, Choice, Kind, Question, Terminal};
use crate::caller::Caller;
use crate::cli::CommandInput;
use crate::gatekeeper::violation::is_trifle;
use crate::gatekeeper::{Violation, Why};
use crate::run::{Ending, Outcome};
use crate::system::descriptors::{self, Kind as Input};
use std::path::{Path, PathBuf};

/// More paths than a person looks through are not granted together.
pub const MOST: usize = 12;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Again {
    /// Nothing.
    No,
    /// Run it inside, where these may be written too.
    Inside(Vec<PathBuf>),
    /// Run it outside.
    Outside,
}

/// Asks, if there is something to ask about and somebody to ask.
pub fn offer(
    outcome: &Outcome,
    shell: &Shell,
    prepared: &Prepared,
    caller: &Caller,
    journal: &Journal,
) -> Again {
    let CommandInput::Text { .. } = &shell.invocation.input else { return Again::No };
    if outcome.ending == Ending::Exited(0) || !can_be_read_again() {
        return Again::No;
    }
    let paths = paths(&outcome.violations);
    if paths.is_empty() || paths.len() > MOST {
        return Again::No;
    }
    let colours = approval::colours(caller.variable("NO_COLOR"), caller.variable("TERM"));
    let Some(mut terminal) = Terminal::of_caller(colours) else { return Again::No };
    let question = question(text_of(shell), &prepared.locations.cwd, &paths, prepared);
    let answer = question.if_offered(terminal.ask(&question));
    journal.answered(question.kind, terminal.who(), &answer);
    match answer {
        Answer::Grant => Again::Inside(paths),
        Answer::Outside => Again::Outside,
        _ => Again::No,
    }
}

/// What is asked about a command that may not write these.
pub fn question(command: Vec<u8>, cwd: &Path, paths: &[PathBuf], prepared: &Prepared) -> Question {
    let outside = Some(Choice::Outside).filter(|_| prepared.policy.way_out.value);
    let why = format!("it may not write {}", quoted(paths));
    let choices = std::iter::once(Choice::Grant).chain(outside).collect();
    Question::new(Kind::Again, command, cwd, why, choices)
}

/// For whoever has no terminal: the word that asks a person to run a command outside, where it exists, where a person
/// can be asked, and where the command failed on what no person refused.
pub fn hint(outcome: &Outcome, prepared: &Prepared, caller: &Caller) -> Option<String> {
    if outcome.ending == Ending::Exited(0)
        || paths(&outcome.violations).is_empty()
        || !prepared.policy.way_out.value
        || Terminal::of_caller(false).is_some()
    {
        return None;
    }
    let askpass = caller.variable("SBSH_ASKPASS").map(PathBuf::from);
    approval::is_somebody_beyond_terminal(askpass, &outside::writable_roots(prepared)).then(|| {
        "a person is asked whether a command may run outside if it is given as: dangerouslyDisableSandbox COMMAND..."
            .to_owned()
    })
}

/// Whether the command would find its standard input as it was.
fn can_be_read_again() -> bool {
    descriptors::look(0).is_none_or(|input| matches!(input.kind, Input::Terminal | Input::PlainDevice))
}

/// What nobody was asked about, and a grant would help.
pub fn paths(violations: &[Violation]) -> Vec<PathBuf> {
    let open = violations.iter().filter(|violation| {
        violation.why == Why::Outside
            && !violation.refused_by_person
            && !is_trifle(&violation.path)
            && violation.advice().is_some()
    });
    let mut paths: Vec<PathBuf> = open.map(|violation| PathBuf::from(&violation.path)).collect();
    paths.sort();
    paths.dedup();
    paths
}

fn quoted(paths: &[PathBuf]) -> String {
    let all: Vec<String> = paths.iter().map(|path| format!("'{}'", path.display())).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_refused_and_trifles_are_not_offered_again() {
        let violation = |path: &str, why, refused_by_person| Violation {
            time: 0,
            program: "p".into(),
            process: 1,
            call: "chown".into(),
            path: path.into(),
            why,
            reason: String::new(),
            refused_by_person,
        };
        let all = [
            violation("/b", Why::Outside, false),
            violation("/a", Why::Outside, false),
            violation("/a", Why::Outside, false),
            violation("/refused", Why::Outside, true),
            violation("/secret", Why::Hidden, false),
            violation("/h/.bash_history", Why::Outside, false),
        ];
        assert_eq!(paths(&all), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(quoted(&paths(&all)), "'/a', '/b'");
    }
}
