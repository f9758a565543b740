//! Desktop notifications of new questions. Owns the call of `notify-send`; what cannot be shown is not.

use crate::approval::question::{Kind, Question};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Never by PATH.
const PROGRAMS: &[&str] = &["/usr/bin/notify-send", "/usr/local/bin/notify-send"];
/// More would not be read.
const LONGEST: usize = 100;

/// Notifies, one at a time: what comes while the last one is being sent is seen with it.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    running: Option<Child>,
}

impl Notifier {
    /// Starts a notification, and waits for nothing.
    pub(super) fn notify(&mut self, question: &Question) {
        if let Some(running) = &mut self.running
            && matches!(running.try_wait(), Ok(None))
        {
            return;
        }
        let program = PROGRAMS.iter().find(|path| Path::new(path).exists());
        self.running = program.and_then(|program| {
            let mut command = Command::new(program);
            command.args(words(question)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().ok()
        });
    }
}

/// The arguments. The command itself is never among them: a notification may be shown on a locked screen.
fn words(question: &Question) -> Vec<String> {
    let summary = match question.kind {
        Kind::Network | Kind::Socket => "A command wants to connect",
        Kind::Read => "A command wants to read what must not be read",
        Kind::Write => "A command wants to write outside of its directories",
        Kind::Command | Kind::Outside | Kind::Again | Kind::Project => "A command wants to run",
        Kind::Trust => "Settings want to be trusted",
    };
    let mut words: Vec<String> = ["--app-name=sbsh", "--", summary].map(str::to_owned).to_vec();
    if let Some(target) = &question.target {
        let by = target.program.as_deref().map(|program| format!(" ({})", plain(program)));
        words.push(format!("{}{}", plain(&target.place()), by.unwrap_or_default()));
    }
    words
}

/// Only characters that mean nothing to a notification's markup.
fn plain(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._:/[]".contains(c);
    text.chars().take(LONGEST).map(|c| if harmless(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_program_are_shown_without_markup() {
        let question = Question::for_test_network("secret", "<b>x.org", Some("/bin/a&b"));
        assert_eq!(
            words(&question),
            ["--app-name=sbsh", "--", "A command wants to connect", "?b?x.org:443 (/bin/a?b)"]
        );
        assert_eq!(words(&Question::for_test("ls")).len(), 3);
        assert_eq!(plain(&"a".repeat(500)).len(), LONGEST);
    }
}
