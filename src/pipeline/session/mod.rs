//! A person's session: lines on their way to one shell inside, judged one by one.
//!
//! Owns the order of one line: read, judged, handed over, carried, told. Must not judge by itself (`decide`,
//! `hooked`) nor know how the shell is talked to (`crate::session`).

mod behind;
mod edited;
mod entered;
mod guide;
mod history;
mod inside;
mod leaving;
mod line;
mod offers;
mod shown;
mod started;
mod telling;

use super::covers::Covers;
use super::journal::Journal;
use super::prepare::Prepared;
use super::shells::Shell;
use super::{Stop, rescue, stop};
use crate::approval::{self, Answer, Approver, Question, Terminal};
use crate::caller::Caller;
use crate::cli::{CommandInput, ShellInvocation};
use crate::report;
use crate::run::Ending;
use crate::run::errand::Errand;
use crate::session::editor::{Editor, Options, Read};
use crate::session::idle;
use crate::session::inner::message::{Ready, ToShell};
use crate::session::shell::{self, Event};
use crate::session::terminal::Person;
use crate::session::wire::{Refused, ToFrontEnd, ToRun};
use crate::system::shared::lock;
use crate::system::signals::CallerSignals;
use crate::system::{process, pty, signals};
use behind::Inside;
pub use guide::{After, Done, Guide, Last, Now};
use leaving::Place;
use nix::libc;
use nix::sys::signal::Signal;
use offers::Projects;
use shown::Marks;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// More refusals than these are not kept for the end of one line; the log has them.
const MOST_REFUSED: usize = 1000;

/// Whether it may become a session, by the arguments alone.
pub fn may_be(invocation: &ShellInvocation) -> bool {
    let is_terminal = |number| nix::unistd::isatty(crate::system::descriptors::borrow(number)) == Ok(true);
    matches!(invocation.input, CommandInput::Interactive | CommandInput::Stdin) && (0..=2).all(is_terminal)
}

/// The person's terminal, if the shell is for a person there whom a line editor helps: else the inner shell reads its
/// lines by itself.
pub fn person(shell: &Shell, prepared: &Prepared, caller: &Caller) -> Option<Person> {
    let known = caller.variable("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    let plain = !known
        || caller.variable("INSIDE_EMACS").is_some()
        || !prepared.policy.enabled.value
        || !pty::has_room_for_given();
    if plain || !may_be(&shell.invocation) {
        return None;
    }
    Person::here()
}

/// What a session begins with.
pub struct Opening<'a> {
    /// The terminal.
    pub person: Person,
    /// What the verbs of sbshctl do.
    pub guide: Guide<'a>,
    /// Where the sandbox's network is being made.
    pub network: Option<Errand>,
}

/// Runs the session to its end.
///
/// # Errors
/// What keeps it from starting.
pub fn run(
    shell: &Shell,
    prepared: Prepared,
    covers: Covers,
    caller: &Caller,
    journal: &Journal,
    opening: Opening<'_>,
) -> Result<i32, Stop> {
    let Opening { person, guide, network } = opening;
    journal.start()?;
    let before = signals::block_all().map_err(crate::run::RunError::system("block signals"))?;
    let parts =
        inside::Parts { shell, prepared: &prepared, covers: &covers, caller, journal, signals: before };
    let (inside, led) = inside::start(&parts, &person, network)?;
    let behind = Arc::new(Inside::new(Arc::clone(&inside.channel), guide.word));
    let colours = approval::colours(caller.variable("NO_COLOR"), caller.variable("TERM"));
    let history = prepared.locations.state_dir.as_ref().map(|state| state.join("history"));
    let begins = history.as_ref().is_some_and(|path| !path.exists());
    let options = Options { vi: false, colours, history: history.as_deref() };
    let mut editor = Editor::new(&options, behind.clone());
    if begins && led {
        // Without it nothing is lost: the old file stays.
        let _ = editor.import(&history::of_bash(caller));
    }
    if let Some(text) = (guide.welcome)(caller, &prepared) {
        person.show(text.as_bytes());
    }
    // Its thread starts while the shell does.
    let watcher = led.then(|| idle::Watcher::of(&inside).ok()).flatten();
    let session = Session {
        writable: prepared.policy.files.clone(),
        caller: caller.clone(),
        place: None,
        terminal: colours,
        marks: Marks::of(caller.variable("TERM_PROGRAM")),
        shell: inside,
        last: Last::default(),
        running: None,
        ended: None,
        refused: Vec::new(),
        edited: None,
        forgets: false,
        again: Vec::new(),
        projects: Projects::default(),
        before,
        started: shell,
        led,
        prepared: Arc::new(prepared),
        covers,
        behind,
        editor,
        watcher,
        history,
        vi: false,
        ends: 0,
        person,
        guide,
    };
    let (ending, began) = session.until_the_end();
    signals::restore(before);
    if !began {
        return Err(rescue::unstarted());
    }
    Ok(crate::run::front::end(ending))
}

struct Session<'a> {
    person: Person,
    shell: shell::Shell,
    editor: Editor,
    /// Watches the shell while a line is read; it is there from the first on.
    watcher: Option<idle::Watcher>,
    history: Option<PathBuf>,
    /// Whether the editor's keys are vi's.
    vi: bool,
    /// How many Ctrl-D in a row did not end the shell.
    ends: u32,
    behind: Arc<Inside>,
    started: &'a Shell,
    prepared: Arc<Prepared>,
    covers: Covers,
    /// Whether lines are read and judged here; if not, the shell inside reads its terminal by itself.
    led: bool,
    /// With the directory that the shell inside is in.
    caller: Caller,
    /// That directory, held.
    place: Option<Place>,
    /// What can be written inside: the boundary stays as it was drawn.
    writable: crate::policy::FilePolicy,
    /// Whether the terminal may be coloured.
    terminal: bool,
    marks: Marks,
    last: Last,
    /// The line that was handed over last, until it is over.
    running: Option<line::Judged>,
    /// The line that is over and not written down yet.
    ended: Option<line::Ended>,
    refused: Vec<Refused>,
    /// The file in which a line is being edited.
    edited: Option<PathBuf>,
    /// The history could not be written.
    forgets: bool,
    /// The text that was offered to run again last.
    again: Vec<u8>,
    projects: Projects,
    /// How the caller left the signals.
    before: CallerSignals,
    guide: Guide<'a>,
}

/// Why the lines end.
enum Over {
    Shell(Ending),
    /// A signal asked this process to end, or the terminal is gone.
    Hangup(i32),
}

impl Session<'_> {
    /// How the shell ended, and whether it came to a prompt.
    fn until_the_end(mut self) -> (Ending, bool) {
        let over = self.lines();
        // It has the shell's descriptors too, and the run notices when they are gone.
        self.watcher = None;
        self.write_down_last(&over);
        self.person.show(&self.shell.modes.undo());
        self.person.give_back();
        match over {
            Over::Shell(ending) => {
                let before = self.shell.take_before();
                self.person.show(before.as_deref().unwrap_or_default());
                if let Ending::Signaled(signal) = ending {
                    report::notice(&format!("the shell inside was ended by signal {signal}"));
                }
                (ending, before.is_none())
            }
            Over::Hangup(signal) => {
                self.shell.hang_up(&self.person);
                (Ending::Signaled(signal), true)
            }
        }
    }

    fn lines(&mut self) -> Over {
        self.person.raw();
        if !self.led {
            loop {
                if let Err(over) = self.carry() {
                    return over;
                }
            }
        }
        loop {
            let ready = match self.carry() {
                Ok(ready) => ready,
                Err(over) => return over,
            };
            self.shell.wants_quiet();
            self.person.show(&self.shell.modes.undo());
            self.person.calm();
            self.is_ready(&ready);
            if self.offer_again() {
                self.person.raw();
                continue;
            }
            self.offer_project();
            // Until something was handed over that makes the shell ready again.
            loop {
                match self.read(&ready) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(over) => return over,
                }
            }
            self.person.raw();
        }
    }

    /// Carries keys and output until the shell is ready for its next line.
    fn carry(&mut self) -> Result<Box<Ready>, Over> {
        loop {
            match self.shell.next(&self.person) {
                Event::Ready(ready) => return Ok(ready),
                Event::Run(message) => self.told(message, true),
                other => self.life(other)?,
            }
        }
    }

    /// What concerns the processes.
    fn life(&mut self, event: Event) -> Result<(), Over> {
        match event {
            Event::Ended(ending) => return Err(Over::Shell(ending)),
            Event::Closed => return Err(Over::Hangup(libc::SIGHUP)),
            Event::Signal(signal) if signal != libc::SIGCONT => return Err(Over::Hangup(signal)),
            Event::Stopped(signal) => {
                self.person.give_back();
                if let Ok(signal) = Signal::try_from(signal) {
                    process::stop_by(signal);
                }
                self.person.raw();
                signals::send(self.shell.child, libc::SIGCONT);
            }
            _ => {}
        }
        Ok(())
    }

    /// Something that the run says. While a line runs the terminal is raw.
    fn told(&mut self, message: ToFrontEnd, raw: bool) {
        match message {
            ToFrontEnd::Refused(refused) if !self.led => {
                self.last.refused = vec![refused];
                if !self.shell.modes.is_whole_screen() {
                    self.person.calm();
                    self.tell_refused();
                    self.person.raw();
                }
            }
            ToFrontEnd::Refused(refused) if self.refused.len() < MOST_REFUSED => self.refused.push(refused),
            ToFrontEnd::Refused(_) | ToFrontEnd::Quiet(_) => {}
            ToFrontEnd::Tell(text) => {
                self.person.calm();
                report::notice(&text);
                if raw {
                    self.person.raw();
                }
            }
            ToFrontEnd::Ask(mut question) => {
                self.person.calm();
                if question.argv.is_none() && self.led {
                    question.command.clone_from(&self.last.text);
                    question.cwd = self.directory();
                }
                let answer = self.ask(&question);
                self.shell.run.send(&ToRun::Answer(answer));
                if raw {
                    self.person.raw();
                }
            }
        }
    }

    /// Asks the person, below whatever stands on the screen. Nothing inside writes there meanwhile: its output waits.
    fn ask(&self, question: &Question) -> Answer {
        let whole_screen = self.shell.modes.is_whole_screen();
        if whole_screen {
            self.person.show(b"\x1b[r\x1b[999;1H");
        }
        self.person.show(if self.terminal { b"\x1b[0m\r\n" } else { b"\r\n" });
        let answer = match Terminal::of_caller(self.terminal) {
            Some(mut terminal) => terminal.ask(question),
            None => Answer::nobody("could be asked: the session is not in the terminal's foreground"),
        };
        if whole_screen {
            self.shell.redraw();
        }
        answer
    }

    fn directory(&self) -> PathBuf {
        self.caller.directory.clone().unwrap_or_else(|| PathBuf::from("/"))
    }

    /// A line is over: what was refused to it is told, and what was typed and not read is for the next.
    fn is_ready(&mut self, ready: &Ready) {
        self.edits_as(ready);
        let typed = self.shell.reclaim();
        self.editor.type_ahead(&String::from_utf8_lossy(&typed));
        // Asked for when the line was over; what could be done meanwhile is done.
        while let Some(message) = self.shell.until_quiet() {
            self.told(message, false);
        }
        let directory = Path::new(OsStr::from_bytes(&ready.directory));
        if directory.is_absolute() && self.caller.directory.as_deref() != Some(directory) {
            let held = Place::hold(directory);
            self.caller.directory =
                held.as_ref().map_or(Some(directory.to_path_buf()), |(_, name)| Some(name.clone()));
            self.place = held.map(|(place, _)| place);
        }
        self.last.status = i32::from(ready.status);
        self.last.refused = std::mem::take(&mut self.refused);
        if let Some(judged) = self.running.take() {
            let (status, refused) = (self.last.status, self.last.refused.len());
            self.ended = Some(judged.ended(status, refused, &self.prepared, &self.caller));
        }
        self.tell_refused();
        let directory = self.directory();
        self.behind.follow(&self.prepared, &self.covers, &directory, &ready.word_breaks);
        let said = [
            self.marks.over(self.last.status),
            shown::directory(&directory),
            shown::title(&directory.display().to_string()),
        ];
        self.person.show(said.concat().as_bytes());
    }

    /// Reads a line and does what it wants; whether something was handed to the shell.
    fn read(&mut self, ready: &Ready) -> Result<bool, Over> {
        if let Some(text) = self.edited.take().and_then(edited::take) {
            self.editor.begin_with(&text);
        }
        let prompt = self.prompt(ready);
        let watcher = match self.watcher.take() {
            Some(watcher) => watcher,
            None => idle::Watcher::of(&self.shell).map_err(|_| Over::Hangup(libc::SIGHUP))?,
        };
        let ended = Arc::new(Mutex::new((self.ended.take(), None)));
        let chore = {
            let ended = Arc::clone(&ended);
            Box::new(move || {
                let (ended, failed) = &mut *lock(&ended);
                *failed = ended.as_mut().and_then(line::Ended::write_down);
            })
        };
        let read = watcher.read(&mut self.editor, &prompt, &self.shell, chore);
        self.watcher = Some(watcher);
        let (ended, failed) = &*lock(&ended);
        ended.iter().for_each(|ended| ended.tell(*failed));
        // The editor alone was told of a new size.
        self.shell.fit(&self.person);
        match read {
            Read::Line(line) => Ok(self.entered(line)),
            Read::Interrupt => Ok(self.shell.begin(&ToShell::Status(128 + libc::SIGINT))),
            Read::End => Ok(self.end_of_input(&ready.ignore_eof)),
            Read::Edit(text) => Ok(self.edit(&text)),
            Read::Closed => Err(Over::Hangup(libc::SIGHUP)),
            Read::Failed(why) => {
                report::notice(&format!(
                    "the line editor cannot read keys: {why} (is `ulimit -n` too low?); the session ends"
                ));
                Err(Over::Hangup(libc::SIGHUP))
            }
            Read::Stopped => self.stopped().map(|()| false),
        }
    }
}
