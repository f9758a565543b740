//! One line before it is handed over: hooks, verdict, question, journal. The settings are read anew for each, so what a
//! person has just changed holds.

use super::super::covers::Covers;
use super::super::journal::Journal;
use super::super::outside::Program;
use super::super::prepare::Prepared;
use super::super::shells::Shell;
use super::super::{Stop, decide, hooked, prepare};
use crate::caller::Caller;
use crate::cli::{CommandInput, ShellInvocation};
use crate::run::ending::End;
use crate::run::{Ending, Outcome};
use crate::system::signals::CallerSignals;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// A line that may be handed over.
pub(super) struct Judged {
    /// The line, which a hook may have changed.
    pub(super) text: Vec<u8>,
    /// It is this program, which runs outside.
    pub(super) outside: Option<Program>,
    /// Its journal.
    pub(super) journal: Journal,
    /// As it was judged.
    shell: Shell,
}

/// Judges a line; asks where that is needed.
///
/// # Errors
/// [`Stop`]: it is not to be handed over.
pub(super) fn judge(
    text: &[u8],
    shell: &Shell,
    prepared: &mut Arc<Prepared>,
    covers: &Covers,
    caller: &Caller,
) -> Result<Judged, Stop> {
    let shell = as_text(shell, text);
    let mut journal = Journal::begin(&shell.invocation, caller);
    let decided = decided(shell, prepared, covers, caller, &mut journal);
    if let Err(stop) = &decided {
        journal.refused(stop);
    }
    let (shell, outside) = decided?;
    let text = decide::text_of(&shell);
    Ok(Judged { text, outside, journal, shell })
}

fn decided(
    shell: Shell,
    prepared: &mut Arc<Prepared>,
    covers: &Covers,
    caller: &Caller,
    journal: &mut Journal,
) -> Result<(Shell, Option<Program>), Stop> {
    let mut fresh = prepare::policy(caller)?;
    journal.follow(&fresh);
    journal.chose(&shell);
    let heard = hooked::before(shell, &fresh, caller);
    journal.heard(&heard);
    let heard = heard?;
    let judged = heard.judged_by(&mut fresh, |prepared, hook| {
        decide::line(&heard.shell, prepared, covers, caller, journal, hook)
    });
    *prepared = Arc::new(fresh);
    let outside = judged?;
    journal.start()?;
    Ok((heard.shell, outside))
}

impl Judged {
    /// It is over: hooks hear of it at once, the log when there is time.
    pub(super) fn ended(
        self,
        status: i32,
        refused: usize,
        prepared: &Arc<Prepared>,
        caller: &Caller,
    ) -> Ended {
        hooked::after(&self.shell, &outcome(Ending::Exited(status)), prepared, caller);
        Ended { judged: self, status, refused, prepared: Arc::clone(prepared) }
    }
}

/// A line that is over and stands in no log yet.
pub(super) struct Ended {
    judged: Judged,
    status: i32,
    refused: usize,
    prepared: Arc<Prepared>,
}

impl Ended {
    /// Writes it down; an error number if that failed.
    pub(super) fn write_down(&mut self) -> Option<i32> {
        let ending = Some(Ending::Exited(self.status));
        let end = End { ending, violations: self.refused, watched: true, ..End::default() };
        self.judged.journal.ended(&end, None, &self.prepared)
    }

    /// Says that it could not be.
    pub(super) fn tell(&self, failed: Option<i32>) {
        self.judged.journal.tell(failed);
    }
}

/// An outcome of which nothing but the end is known.
pub(super) fn outcome(ending: Ending) -> Outcome {
    Outcome::of(ending, CallerSignals { mask: 0, child_ignored: false })
}

/// The shell as it would be started for this text alone: what rules and hooks are about.
pub(super) fn as_text(shell: &Shell, text: &[u8]) -> Shell {
    let text = OsStr::from_bytes(text).to_owned();
    let invocation = ShellInvocation {
        arguments: vec![OsString::from("-c"), text.clone()],
        input: CommandInput::Text { text, name: None, interactive: true },
        ..shell.invocation.clone()
    };
    Shell { invocation, path: shell.path.clone() }
}
