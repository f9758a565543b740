//! Reading one line with reedline, and everything that can end that. Owns the order of it; each part has a file of its own.

use super::complete::{self, Completion};
use super::highlight::Colours;
use super::hint::Suggestion;
use super::history::{Rules, Store};
use super::keys::{EDIT, Keys};
use super::prompt::{Markers, Marking, Shown, cleaned};
use super::shared::{Ahead, History, Printer, Shared, Stopper, taken};
use super::validate::{Completeness, expands, is_open};
use super::{Behind, Options, Prompt, Read, clean, unread, watch};
use crossterm::cursor::SetCursorStyle;
use reedline::{CursorConfig, EditCommand, Reedline, Signal};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So often reedline looks whether it is wanted back.
const LOOKS: Duration = Duration::from_millis(50);

/// The line editor. It reads the terminal at standard input and paints on standard error, as shells do; whoever else
/// uses the terminal meanwhile gets in its way. There is one for a process: reedline's input is global.
pub struct Editor {
    line: Reedline,
    shared: Arc<Shared>,
    store: Store,
    rules: Rules,
    colours: bool,
    vi: bool,
    /// Notices that the terminal is gone.
    watch: Option<watch::Watch>,
    /// crossterm has what it reads keys by.
    opened: bool,
    /// What the next line begins with, and the cursor's byte in it.
    begin: Option<(String, usize)>,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor")
            .field("rules", &self.rules)
            .field("begin", &self.begin)
            .finish_non_exhaustive()
    }
}

impl Editor {
    /// An editor with these settings. The history is read by a thread when it is first wanted, or as [`History::load`]
    /// says.
    pub fn new(options: &Options<'_>, behind: Arc<dyn Behind>) -> Editor {
        let shared = Arc::new(Shared::default());
        shared.page().expands = true;
        let store = Store::open(options.history);
        let keys = Keys::new(options.vi, Arc::clone(&shared), store.clone(), Arc::clone(&behind));
        let colours =
            Colours { behind: Arc::clone(&behind), shared: Arc::clone(&shared), on: options.colours };
        let hint = Suggestion {
            store: store.clone(),
            behind: Arc::clone(&behind),
            shared: Arc::clone(&shared),
            rest: String::new(),
        };
        let line = Reedline::create()
            .with_history(Box::new(store.clone()))
            .with_edit_mode(Box::new(keys))
            .with_highlighter(Box::new(colours))
            .with_hinter(Box::new(hint))
            .with_validator(Box::new(Completeness { shared: Arc::clone(&shared), store: store.clone() }))
            .with_completer(Box::new(Completion::new(behind, Arc::clone(&shared))))
            .with_menu(complete::menu(options.colours))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_transient_prompt(Box::new(Shown { shared: Arc::clone(&shared), done: true }))
            .with_ansi_colors(options.colours)
            .use_bracketed_paste(true)
            .with_poll_interval(LOOKS)
            .with_break_signal(Arc::clone(&shared.wake));
        // The mode has no words in the prompt.
        let mut line = if options.vi { line.with_cursor_config(shapes()) } else { line };
        let repaint = line.repaint_signal();
        store.when_loaded(move || repaint.request_repaint());
        let watch = watch::Watch::start(&shared).ok();
        Editor {
            line,
            shared,
            store,
            rules: Rules::default(),
            colours: options.colours,
            vi: options.vi,
            watch,
            opened: false,
            begin: None,
        }
    }

    /// Reads a line. Whatever comes back, the terminal is as it was, and the cursor stands at the start of a line: below
    /// a line that is done, else where the prompt was.
    pub fn read(&mut self, prompt: &Prompt) -> Read {
        {
            let mut page = self.shared.page();
            page.prompt = cleaned(prompt, self.colours);
            page.round += 1;
        }
        self.store.refresh();
        let watch = self.watch.take().or_else(|| watch::Watch::start(&self.shared).ok());
        let read = watch::watched(watch.as_ref(), || match self.open() {
            Ok(()) => self.until_end(),
            Err(error) => Read::Failed(error.to_string()),
        });
        self.watch = watch;
        if self.vi && !matches!(read, Read::Closed | Read::Failed(_)) {
            say("\u{1b}[0 q");
        }
        read
    }

    /// Fills the next line, with the cursor at its end.
    pub fn begin_with(&mut self, text: &str) {
        self.begin = Some((text.to_owned(), text.len()));
    }

    /// What was typed while nobody read, as it came from the terminal. Line ends are Enter.
    pub fn type_ahead(&mut self, text: &str) {
        let mut page = self.shared.page();
        for character in text.replace("\r\n", "\n").chars() {
            page.ahead.push_back(match character {
                '\r' | '\n' => Ahead::Enter,
                '\u{3}' => Ahead::Interrupt,
                '\u{4}' => Ahead::End,
                '\u{8}' | '\u{7f}' => Ahead::Backspace,
                c if c.is_control() && c != '\t' => continue,
                c => Ahead::Text(c.to_string()),
            });
        }
    }

    /// What was typed behind the last line in one go with it, as the terminal sent it. It is read from the terminal
    /// already, and the next [`Editor::read`] begins with it unless it is taken here: a command that reads its input
    /// would look for it in vain. What the command leaves is for [`Editor::type_ahead`].
    pub fn unread(&mut self) -> Vec<u8> {
        let ahead = std::mem::take(&mut self.shared.page().ahead);
        let mut bytes: Vec<u8> = ahead.iter().flat_map(unread::ahead).copied().collect();
        bytes.extend(unread::events());
        bytes
    }

    /// What takes the prompt's place on the screen when a line is done; `None`: the prompt stays.
    pub fn transient(&mut self, prompt: Option<&Prompt>) {
        self.shared.page().transient = prompt.map(|prompt| cleaned(prompt, self.colours));
    }

    /// How the terminal is told where prompt and line begin; `None`: it is not.
    pub fn markers(&mut self, markers: Option<Markers>) {
        let marking = markers.map(|markers| -> Box<dyn reedline::SemanticPromptMarkers> {
            Box::new(Marking { shared: Arc::clone(&self.shared), markers })
        });
        self.change(|line| line.with_semantic_markers(marking));
    }

    /// Whether `!!`, `!$`, `^a^b` and their like are expanded when Enter is pressed, as they are at first. The expanded line
    /// takes the place of the typed one, and a second Enter runs it.
    pub fn expand(&mut self, on: bool) {
        self.shared.page().expands = on;
    }

    /// Which lines [`Editor::remember`] keeps from now on.
    pub fn rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Keeps a line in the history if the rules say so and no secret is in it; whether it is kept. After an error it is
    /// kept in memory.
    pub fn remember(&mut self, line: &str, directory: &Path) -> io::Result<bool> {
        self.store.remember(line, directory, self.rules)
    }

    /// Keeps lines of another history, each with its time in seconds since 1970, the oldest first; how many were kept.
    pub fn import(&mut self, lines: &[(u64, String)]) -> io::Result<usize> {
        self.store.import(lines, self.rules)
    }

    /// Ends a reading from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper { shared: Arc::clone(&self.shared) }
    }

    /// Shows lines above the prompt from another thread.
    pub fn printer(&self) -> Printer {
        Printer { shared: Arc::clone(&self.shared) }
    }

    /// Its history, for another thread.
    pub fn history(&self) -> History {
        History { store: self.store.clone() }
    }

    /// Ends what it has running between two readings, as a process needs to that starts another without a program.
    pub fn rest(&mut self) {
        self.watch = None;
    }

    /// Lets crossterm open what it reads keys by. It does so once; where that fails (too many open files, for example),
    /// reedline would ask it for the cursor for ever. In raw mode, for else a Ctrl-D would look like an end.
    fn open(&mut self) -> io::Result<()> {
        if self.opened || watch::is_gone() {
            return Ok(());
        }
        crossterm::terminal::enable_raw_mode()?;
        let opened = crossterm::event::poll(Duration::ZERO);
        crossterm::terminal::disable_raw_mode()?;
        self.opened = opened.is_ok();
        opened.map(drop)
    }

    fn until_end(&mut self) -> Read {
        self.shared.blank.store(false, Ordering::SeqCst);
        // What was found in the last reading is not run in this one.
        self.shared.accept.store(false, Ordering::SeqCst);
        if watch::is_gone() {
            return Read::Closed;
        }
        if taken(&self.shared.stop) {
            return Read::Stopped;
        }
        let typed = self.take_ahead();
        self.refill();
        match typed {
            Typed::Part => {}
            Typed::Line => return self.accept(),
            Typed::Interrupt => return Read::Interrupt,
            Typed::End => return Read::End,
        }
        loop {
            if self.is_wanted() {
                // Asked for before this reading. reedline knows where a line is free, so it paints first.
                self.shared.wake.store(true, Ordering::SeqCst);
            }
            match self.line.read_line(&Shown { shared: Arc::clone(&self.shared), done: false }) {
                Ok(Signal::Success(line)) => return Read::Line(line),
                Ok(Signal::CtrlC) => {
                    self.line.run_edit_commands(&[EditCommand::Clear]);
                    let mut page = self.shared.page();
                    page.drop_ahead_to(&Ahead::Interrupt);
                    page.done = true;
                    return Read::Interrupt;
                }
                Ok(Signal::CtrlD) => return Read::End,
                Ok(Signal::HostCommand(command)) if command == EDIT => {
                    let text = self.erase();
                    self.begin = None;
                    return Read::Edit(text);
                }
                Ok(Signal::ExternalBreak(_)) => {
                    if let Some(read) = self.woken() {
                        return read;
                    }
                }
                Ok(_) => {}
                Err(_) => return Read::Closed,
            }
        }
    }

    /// What to do when somebody has woken reedline; `None`: go on.
    fn woken(&mut self) -> Option<Read> {
        if self.shared.closed.load(Ordering::SeqCst) {
            return Some(Read::Closed);
        }
        let expanded = self.shared.page().expanded.take();
        if let Some(text) = expanded {
            self.line.run_edit_commands(&[EditCommand::Clear, EditCommand::InsertString(text)]);
        }
        if taken(&self.shared.accept) && !is_open(self.line.current_buffer_contents()) {
            return Some(self.accept());
        }
        if self.is_wanted() {
            self.erase();
            self.show_notices();
            if taken(&self.shared.stop) {
                return Some(Read::Stopped);
            }
            self.refill();
        }
        None
    }

    /// Whether somebody wants the reading to stop or to show something.
    fn is_wanted(&self) -> bool {
        self.shared.stop.load(Ordering::SeqCst) || !self.shared.page().notices.is_empty()
    }

    /// Ends the line as Enter would.
    fn accept(&mut self) -> Read {
        match self.at_once() {
            Some(line) => Read::Line(line),
            None => Read::Closed,
        }
    }

    /// Lets reedline paint and take the line without waiting for a key.
    fn at_once(&mut self) -> Option<String> {
        self.shared.page().done = true;
        self.change(|line| line.with_immediately_accept(true));
        let read = loop {
            self.shared.wake.store(false, Ordering::SeqCst);
            match self.line.read_line(&Shown { shared: Arc::clone(&self.shared), done: false }) {
                Ok(Signal::ExternalBreak(_)) if !self.shared.closed.load(Ordering::SeqCst) => {}
                other => break other,
            }
        };
        self.change(|line| line.with_immediately_accept(false));
        match read {
            Ok(Signal::Success(line)) => Some(line),
            _ => None,
        }
    }

    /// reedline is set up by giving it away and getting it back.
    fn change(&mut self, change: impl FnOnce(Reedline) -> Reedline) {
        let line = std::mem::replace(&mut self.line, Reedline::create());
        self.line = change(line);
    }

    /// Takes prompt and line from the screen, with the cursor where they were; the next reading begins with the line.
    /// reedline has no word for it: it is made to paint nothing, and to take that as the line.
    fn erase(&mut self) -> String {
        let text = self.line.current_buffer_contents().to_owned();
        let cursor = self.line.current_insertion_point();
        self.shared.blank.store(true, Ordering::SeqCst);
        let erased = self.at_once().is_some();
        self.shared.blank.store(false, Ordering::SeqCst);
        if erased {
            // It ended the empty line: back to it.
            say("\u{1b}[A\r");
        }
        self.line.run_edit_commands(&[EditCommand::Clear]);
        self.begin = Some((text.clone(), cursor));
        text
    }

    /// Puts what the line begins with into it.
    fn refill(&mut self) {
        self.shared.page().done = false;
        if let Some((text, position)) = self.begin.take() {
            self.line.run_edit_commands(&[
                EditCommand::Clear,
                EditCommand::InsertString(text),
                EditCommand::MoveToPosition { position, select: false },
            ]);
        }
    }

    fn show_notices(&mut self) {
        let notices = std::mem::take(&mut self.shared.page().notices);
        for notice in notices {
            let mut text = clean::styled(notice.trim_end_matches('\n'), self.colours);
            if text.contains('\u{1b}') {
                text.push_str("\u{1b}[0m");
            }
            say(&format!("{}\r\n", text.replace('\n', "\r\n")));
        }
    }

    /// Takes what was typed ahead into what the line begins with.
    fn take_ahead(&mut self) -> Typed {
        let mut page = self.shared.page();
        page.done = false;
        if page.ahead.is_empty() {
            return Typed::Part;
        }
        let mut text = self.begin.take().map_or_else(String::new, |(text, _)| text);
        let mut typed = Typed::Part;
        while let Some(key) = page.ahead.pop_front() {
            typed = match key {
                Ahead::Text(more) => {
                    text.push_str(&more);
                    continue;
                }
                Ahead::Backspace => {
                    text.pop();
                    continue;
                }
                Ahead::Enter if expands(&mut page, &text, &self.store) => {
                    // The person is to see it first. What was typed behind it was not meant for this.
                    page.ahead.clear();
                    text = page.expanded.take().unwrap_or_default();
                    break;
                }
                Ahead::Enter if is_open(&text) => {
                    text.push('\n');
                    continue;
                }
                Ahead::Enter => Typed::Line,
                Ahead::Interrupt => {
                    text.clear();
                    Typed::Interrupt
                }
                Ahead::End if text.is_empty() => Typed::End,
                Ahead::End => continue,
            };
            break;
        }
        let cursor = text.len();
        self.begin = Some((text, cursor));
        typed
    }
}

/// What was typed before the reading began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typed {
    /// No whole line.
    Part,
    /// A line.
    Line,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D with nothing before it.
    End,
}

/// The cursor as vi's modes have it.
fn shapes() -> CursorConfig {
    CursorConfig {
        vi_insert: Some(SetCursorStyle::SteadyBar),
        vi_normal: Some(SetCursorStyle::SteadyBlock),
        ..CursorConfig::default()
    }
}

/// Writes to where reedline paints. A terminal that is gone is met when it is read.
fn say(text: &str) {
    let mut terminal = io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}
