//! What becomes of an entered line: a word to sbsh itself, or a line for the shell inside once it was judged; and of what
//! happens while it is typed.
//!
//! Owns the order. Must not hand anything over that was refused.

use super::super::Stop;
use super::{After, Now, Over, Session, edited, line, shown};
use crate::report;
use crate::session::editor::{Editor, Options, Rules};
use crate::session::inner::message::{Ready, ToShell};
use crate::session::shell::Event;
use crate::system::visible::visible;

impl Session<'_> {
    /// The editor does as the person told the shell.
    pub(super) fn edits_as(&mut self, ready: &Ready) {
        if ready.vi != self.vi {
            self.vi = ready.vi;
            let options = Options { vi: ready.vi, colours: self.terminal, history: self.history.as_deref() };
            self.editor = Editor::new(&options, self.behind.clone());
        }
        let control = String::from_utf8_lossy(&ready.history_control);
        self.editor.rules(Rules::from_histcontrol(&control, ready.keeping));
        self.editor.expand(ready.flags.contains(&b'H'));
        // The marks of lines do not go where no prompt is marked, and the editor may be new.
        self.editor.markers(Some(self.marks.in_prompt()));
    }

    /// Something else wants attention while the person types.
    pub(super) fn stopped(&mut self) -> Result<(), Over> {
        while let Some(event) = self.shell.pending(&self.person) {
            match event {
                Event::Run(message) => self.told(message, false),
                Event::Ready(_) => {}
                other => {
                    self.life(other)?;
                    self.person.calm();
                }
            }
        }
        Ok(())
    }

    /// Ctrl-D on an empty line: the end, unless `IGNOREEOF` wants more of them in a row. Whether something was handed to
    /// the shell.
    pub(super) fn end_of_input(&mut self, ignored: &[u8]) -> bool {
        // What is no number is ten, as in bash.
        let wanted = std::str::from_utf8(ignored).ok().and_then(|digits| digits.parse().ok()).unwrap_or(10);
        if ignored.is_empty() || self.ends >= wanted {
            return self.shell.begin(&ToShell::Line(b"exit"));
        }
        self.ends += 1;
        let leave = if self.started.invocation.login { "logout" } else { "exit" };
        self.person.show(format!("Use \"{leave}\" to leave the shell.\r\n").as_bytes());
        false
    }

    /// A line was entered; whether something was handed to the shell.
    pub(super) fn entered(&mut self, line: String) -> bool {
        self.ends = 0;
        // Typed in one go with the line: what the command does not read comes back when it is over.
        let behind = self.editor.unread();
        let handed = self.does(line);
        if handed {
            self.shell.types(&behind);
        } else {
            self.editor.type_ahead(&String::from_utf8_lossy(&behind));
        }
        handed
    }

    fn does(&mut self, line: String) -> bool {
        let now = Now { caller: &self.caller, last: &self.last };
        // It is the person's own terminal for what answers.
        self.person.give_back();
        let done = (self.guide.line)(&line, &now);
        self.person.calm();
        if let Some(done) = done {
            self.remember(&line);
            return match done {
                Ok(After::Status(status)) => self.shell.begin(&ToShell::Status(status)),
                Ok(After::Run(line)) => self.hand_over(line),
                Err(stop) => self.shell.begin(&ToShell::Status(stop.report())),
            };
        }
        self.hand_over(line)
    }

    /// Keeps a line in the history; that it cannot be kept is said once.
    fn remember(&mut self, line: &str) {
        if let Err(error) = self.editor.remember(line, &self.directory())
            && !std::mem::replace(&mut self.forgets, true)
        {
            report::notice(&format!(
                "the history cannot be written: {error}; it lasts as long as this session"
            ));
        }
    }

    /// Judges a line and hands it to the shell; what is refused is told, and the shell's status says so.
    pub(super) fn hand_over(&mut self, line: String) -> bool {
        self.last.text = line.clone().into_bytes();
        if line.trim().is_empty() {
            self.remember(&line);
            return self.shell.begin(&ToShell::Line(line.as_bytes()));
        }
        let judged =
            line::judge(line.as_bytes(), self.started, &mut self.prepared, &self.covers, &self.caller);
        // What goes inside is kept while the shell is at it already.
        let goes_inside = judged.as_ref().is_ok_and(|judged| judged.outside.is_none());
        if !goes_inside {
            self.remember(&line);
        }
        let handed = self.hand(&line, judged);
        if goes_inside {
            self.remember(&line);
        }
        handed
    }

    fn hand(&mut self, line: &str, judged: Result<line::Judged, Stop>) -> bool {
        match judged {
            Ok(judged) => {
                if judged.text != line.as_bytes() {
                    report::notice(&format!("a hook runs instead: {}", visible(&judged.text)));
                    self.last.text.clone_from(&judged.text);
                }
                let title = shown::title(&String::from_utf8_lossy(&judged.text));
                self.person.show((self.marks.begins(&judged.text) + &title).as_bytes());
                if let Some(program) = &judged.outside {
                    let status = self.outside(Some(program), &judged.text, &judged.journal);
                    return self.shell.begin(&ToShell::Status(status));
                }
                let begun = self.shell.begin(&ToShell::Line(&judged.text));
                if begun {
                    self.running = Some(judged);
                } else {
                    let why = if judged.text.contains(&0) { "it holds a NUL" } else { "it does not read" };
                    report::failure(&format!("the line cannot be handed to the shell inside: {why}"));
                }
                begun
            }
            Err(stop) => self.shell.begin(&ToShell::Status(stop.report())),
        }
    }

    /// Ctrl-X Ctrl-E: the person's editor, inside, on a file of the session's; what it leaves is the next line.
    pub(super) fn edit(&mut self, text: &str) -> bool {
        let path = self.prepared.places.tmpdir.join(format!("line-{}", std::process::id()));
        let quoted = shlex::try_quote(&path.to_string_lossy()).map(|q| q.into_owned()).unwrap_or_default();
        if let Err(error) = edited::write(&path, text) {
            report::failure(&format!("cannot write '{}': {error}", path.display()));
            return false;
        }
        self.edited = Some(path);
        let line = format!("\"${{VISUAL:-${{EDITOR:-vi}}}}\" {quoted}");
        self.hand_over(line)
    }
}
