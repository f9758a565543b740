//! What a person sees between two lines: what was refused to the first, and the prompt of the next; and what the log is told
//! of a line that the shell did not come back from.
//!
//! Owns putting it together. Must not show what the shell says as it is.

use super::{Over, Session, line, shown, stop};
use crate::report;
use crate::run::Ending;
use crate::session::editor::Prompt;
use crate::session::inner::message::Ready;
use crate::session::wire::Refused;
use nix::libc;

impl Session<'_> {
    /// The line that ended the session, as `exit` does.
    pub(super) fn write_down_last(&mut self, over: &Over) {
        let status = match over {
            Over::Shell(Ending::Exited(status)) => *status,
            Over::Shell(Ending::Signaled(signal)) => 128 + signal,
            Over::Hangup(_) => 128 + libc::SIGHUP,
        };
        let running = self.running.take();
        let refused = self.refused.len();
        let last = running.map(|judged| judged.ended(status, refused, &self.prepared, &self.caller));
        for mut ended in self.ended.take().into_iter().chain(last) {
            let failed = ended.write_down();
            ended.tell(failed);
        }
    }

    /// What was refused to the last line, a line each.
    pub(super) fn tell_refused(&self) {
        let mut outcome = line::outcome(Ending::Exited(self.last.status));
        for refused in &self.last.refused {
            match refused {
                Refused::Call(violation) => outcome.violations.push(violation.clone()),
                Refused::Connection(blocked) => outcome.blocked.push(blocked.clone()),
                Refused::Program(line) => outcome.unheard.push(line.clone()),
            }
        }
        let lines = stop::refused(&outcome, &self.prepared, &self.last.text);
        report::violations(&lines, true);
    }

    /// The prompt of the next line.
    pub(super) fn prompt(&self, ready: &Ready) -> Prompt {
        let writable = self.can_write(&self.directory());
        let unicode = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| self.caller.variable(name))
            .find(|value| !value.is_empty())
            .is_some_and(|value| value.to_string_lossy().to_lowercase().replace('-', "").contains("utf8"));
        let mark = shown::mark(writable, self.terminal, unicode);
        Prompt {
            left: format!("{mark}{}", shown::prompt(&ready.prompt, self.terminal)),
            right: shown::prompt(&ready.right, self.terminal),
            more: shown::prompt(&ready.second, self.terminal),
        }
    }
}
