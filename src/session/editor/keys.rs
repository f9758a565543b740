//! The keys: what each does, in reedline's words. Owns what reedline has no word for: chords, the last argument of
//! earlier lines, this directory's lines, pastes, and keys that came behind a line in one go.

use super::Behind;
use super::clean;
use super::complete::MENU;
use super::history::{Line, Store, Towards};
use super::kills::{Kill, Kills};
use super::shared::{Ahead, Search, Shared};
use crossterm::event::{Event, KeyEvent};
use reedline::{
    EditCommand, EditMode, Emacs, KeyCode, KeyModifiers, Keybindings, LineBuffer, PromptEditMode,
    PromptViMode, ReedlineEvent, ReedlineRawEvent, Vi, default_emacs_keybindings,
    default_vi_insert_keybindings, default_vi_normal_keybindings, default_vi_visual_keybindings,
};
use std::sync::Arc;

/// What reedline hands back when the person wants the line in an editor.
pub(super) const EDIT: &str = "edit";

/// A word that was taken from an earlier line.
struct Argument {
    /// The line that it is from.
    number: i64,
    text: String,
}

/// The keys, in front of those of emacs or vi.
pub(super) struct Keys {
    inner: Box<dyn EditMode>,
    shared: Arc<Shared>,
    store: Store,
    behind: Arc<dyn Behind>,
    /// Ctrl-X was pressed.
    chord: bool,
    /// Ctrl-V was pressed.
    literal: bool,
    argument: Option<Argument>,
    kills: Kills,
    /// The line of this directory that is shown, and what was typed before.
    walk: Option<(i64, String)>,
    /// Text was typed since the menu was opened or moved in, if it was: Enter runs the line as it is.
    typed: bool,
    /// Ctrl-R was pressed, and nothing since that ends the search.
    searching: bool,
    /// A character that is not ASCII was typed since the last line.
    wide: bool,
}

impl Keys {
    pub(super) fn new(vi: bool, shared: Arc<Shared>, store: Store, behind: Arc<dyn Behind>) -> Keys {
        let inner: Box<dyn EditMode> =
            if vi { Box::new(vi_keys()) } else { Box::new(Emacs::new(emacs_keys())) };
        Keys {
            inner,
            shared,
            store,
            behind,
            chord: false,
            literal: false,
            argument: None,
            kills: Kills::default(),
            walk: None,
            typed: false,
            searching: false,
            wide: false,
        }
    }

    /// Keys of the kill ring; in the search of the history, and among vi's commands, they are others.
    fn in_ring(&mut self, key: KeyEvent) -> Option<ReedlineEvent> {
        self.kills.look(&self.shared);
        let is_typing = matches!(
            self.inner.edit_mode(),
            PromptEditMode::Emacs | PromptEditMode::Vi(PromptViMode::Insert)
        );
        let is_free = !self.literal && !self.chord && !self.searching && is_typing;
        let is_free = is_free && self.shared.page().search == Search::Off;
        let emacs = self.inner.edit_mode() == PromptEditMode::Emacs;
        let kill = match (key.modifiers, key.code) {
            _ if !is_free => None,
            (KeyModifiers::CONTROL, KeyCode::Char('w')) => Some(Kill::Word),
            (KeyModifiers::CONTROL, KeyCode::Char('u')) => Some(Kill::FromStart),
            (KeyModifiers::CONTROL, KeyCode::Char('k')) if emacs => Some(Kill::ToEnd),
            (KeyModifiers::ALT, KeyCode::Char('d')) if emacs => Some(Kill::NameRight),
            (KeyModifiers::ALT, KeyCode::Backspace) if emacs => Some(Kill::NameLeft),
            _ => None,
        };
        let yanks = is_free && key.code == KeyCode::Char('y');
        let commands = match (kill, key.modifiers) {
            (Some(kill), _) => self.kills.kill(kill),
            (None, KeyModifiers::CONTROL) if yanks => self.kills.yank(),
            (None, KeyModifiers::ALT) if yanks && emacs => self.kills.pop(graphemes),
            _ => return None,
        };
        (self.typed, self.argument, self.walk) = (false, None, None);
        if commands.is_empty() {
            return Some(ReedlineEvent::None);
        }
        Some(ReedlineEvent::Edit(commands))
    }

    fn key(&mut self, key: KeyEvent) -> ReedlineEvent {
        let (control, alt) = (KeyModifiers::CONTROL, KeyModifiers::ALT);
        if std::mem::take(&mut self.literal) {
            return literal(key.code, key.modifiers);
        }
        if std::mem::take(&mut self.chord) {
            return match key.code {
                KeyCode::Char('e' | 'E') => ReedlineEvent::ExecuteHostCommand(EDIT.to_owned()),
                KeyCode::Char('u' | 'U') => edit(EditCommand::Undo),
                _ => ReedlineEvent::None,
            };
        }
        let (argument, walk) = (self.argument.take(), self.walk.take());
        match (key.modifiers, key.code) {
            (modifiers, KeyCode::Char('x')) if modifiers == control => {
                self.chord = true;
                ReedlineEvent::None
            }
            (modifiers, KeyCode::Char('v' | 'q')) if modifiers == control => {
                self.literal = true;
                ReedlineEvent::None
            }
            (modifiers, KeyCode::Char('e')) if modifiers == alt => {
                ReedlineEvent::ExecuteHostCommand(EDIT.to_owned())
            }
            (modifiers, KeyCode::Char('.' | '_')) if modifiers.contains(alt) => self.last_argument(argument),
            (modifiers, KeyCode::Up) if modifiers == alt => self.walk(walk, Towards::Older),
            (modifiers, KeyCode::Down) if modifiers == alt => self.walk(walk, Towards::Newer),
            // LF is Enter for whoever sends lines.
            (modifiers, KeyCode::Char('j')) if modifiers == control => {
                self.pass(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE))
            }
            _ => self.pass(key),
        }
    }

    /// To the keys of emacs or vi, or of the search.
    fn pass(&mut self, key: KeyEvent) -> ReedlineEvent {
        let search = self.shared.page().search;
        let may_search = self.note_search(key) || search != Search::Off;
        let typed = std::mem::replace(&mut self.typed, is_text(key));
        if search != Search::Off
            && let Some(event) = self.in_search(key, search)
        {
            return event;
        }
        let is_enter = (key.modifiers, key.code) == (KeyModifiers::NONE, KeyCode::Enter);
        let key = match self.inner.edit_mode() {
            // reedline would have this switch the mode from outside, which a wrapper cannot pass on.
            PromptEditMode::Vi(PromptViMode::Visual) if key.code == KeyCode::Delete => {
                KeyEvent::new(KeyCode::Char('d'), KeyModifiers::NONE)
            }
            _ => key,
        };
        let Ok(event) = ReedlineRawEvent::try_from(Event::Key(key)) else { return ReedlineEvent::None };
        let event = self.inner.parse_event(event);
        // reedline 0.52.1 panics if such an object ends within a character, which it looks for byte by byte.
        if names_object(&event) && (self.wide || !self.shared.page().line.is_ascii()) {
            return ReedlineEvent::None;
        }
        if is_enter && typed && !may_search {
            // Else the menu would put its first candidate in the place of what was typed.
            return ReedlineEvent::Multiple(vec![ReedlineEvent::Esc, event]);
        }
        event
    }

    /// Whether a search may be going on that was not painted yet.
    fn note_search(&mut self, key: KeyEvent) -> bool {
        let before = self.searching;
        self.searching = match (key.modifiers, key.code) {
            (KeyModifiers::CONTROL, KeyCode::Char('r')) => true,
            (KeyModifiers::CONTROL, KeyCode::Char('s')) => before,
            _ => before && is_text(key),
        };
        before
    }

    /// In the search of the history: Enter runs the line that was found, keys that move take it to be edited.
    fn in_search(&mut self, key: KeyEvent, search: Search) -> Option<ReedlineEvent> {
        match (key.modifiers, key.code) {
            (KeyModifiers::NONE, KeyCode::Enter) => {
                if search == Search::Found {
                    self.shared.raise(&self.shared.accept);
                }
                Some(ReedlineEvent::Enter)
            }
            (_, KeyCode::Left | KeyCode::Right | KeyCode::Home | KeyCode::End | KeyCode::Tab) => {
                Some(ReedlineEvent::Enter)
            }
            (KeyModifiers::CONTROL, KeyCode::Char('a' | 'e' | 'b' | 'f')) => Some(ReedlineEvent::Enter),
            (KeyModifiers::CONTROL, KeyCode::Char('s')) => Some(ReedlineEvent::Down),
            (KeyModifiers::CONTROL, KeyCode::Char('g')) => Some(ReedlineEvent::Esc),
            _ => None,
        }
    }

    /// The last word of the line before; pressed again, that of the line before that in its place.
    fn last_argument(&mut self, before: Option<Argument>) -> ReedlineEvent {
        let from = before.as_ref().map(|argument| argument.number);
        let found = self.store.with(|lines| {
            let line = lines.find(from, Towards::Older, |line| last_word(line.text).is_some())?;
            Some(Argument { number: line.number, text: last_word(line.text)?.to_owned() })
        });
        let Some(found) = found else {
            self.argument = before;
            return ReedlineEvent::None;
        };
        let gone = before.map_or(0, |argument| graphemes(&argument.text));
        let mut commands = vec![EditCommand::Backspace; gone];
        commands.push(EditCommand::InsertString(found.text.clone()));
        self.argument = Some(found);
        ReedlineEvent::Edit(commands)
    }

    /// To the line of this directory before or behind the one that is shown; in the end back to what was typed.
    fn walk(&mut self, before: Option<(i64, String)>, towards: Towards) -> ReedlineEvent {
        if before.is_none() && towards == Towards::Newer {
            return ReedlineEvent::None;
        }
        let directory = self.behind.directory();
        let directory = directory.to_string_lossy();
        let from = before.as_ref().map(|(number, _)| *number);
        let found = self.store.with(|lines| {
            let shown = from.and_then(|number| lines.get(number)).map(|line| line.text);
            let fits = |line: &Line<'_>| line.directory == directory && Some(line.text) != shown;
            lines.find(from, towards, fits).map(|line| (line.number, line.text.to_owned()))
        });
        let typed = |before: Option<(i64, String)>| {
            before.map_or_else(|| self.shared.page().line.clone(), |(_, typed)| typed)
        };
        match found {
            Some((number, text)) => {
                self.walk = Some((number, typed(before)));
                replaced(text)
            }
            None if towards == Towards::Newer => replaced(typed(before)),
            None => {
                self.walk = before;
                ReedlineEvent::None
            }
        }
    }

    /// Notes what comes behind a Ctrl-C or an Enter that is no CR: reedline drops it if that ends the line.
    fn note(&self, event: &Event) {
        let key = match event {
            Event::Paste(text) => Some(Ahead::Text(clean::pasted(text))),
            Event::Key(key) => ahead(*key),
            _ => None,
        };
        let mut page = self.shared.page();
        let ends = matches!(event, Event::Key(key) if ends_within(*key));
        if let Some(key) = key
            && (ends || !page.ahead.is_empty())
            && !page.done
        {
            page.ahead.push_back(key);
        }
    }
}

impl EditMode for Keys {
    fn parse_event(&mut self, event: ReedlineRawEvent) -> ReedlineEvent {
        let event = Event::from(event);
        self.note(&event);
        match event {
            Event::Key(key) => {
                self.wide = match key.code {
                    KeyCode::Char(c) => self.wide || !c.is_ascii(),
                    code => self.wide && code != KeyCode::Enter,
                };
                self.in_ring(key).unwrap_or_else(|| {
                    let event = self.key(key);
                    self.kills.follow(&event);
                    event
                })
            }
            Event::Paste(text) => {
                self.wide |= !text.is_ascii();
                self.typed = true;
                let event = edit(EditCommand::InsertString(clean::pasted(&text)));
                self.kills.follow(&event);
                event
            }
            other => match ReedlineRawEvent::try_from(other) {
                Ok(event) => self.inner.parse_event(event),
                Err(()) => ReedlineEvent::None,
            },
        }
    }

    fn edit_mode(&self) -> PromptEditMode {
        self.inner.edit_mode()
    }
}

fn edit(command: EditCommand) -> ReedlineEvent {
    ReedlineEvent::Edit(vec![command])
}

fn replaced(text: String) -> ReedlineEvent {
    ReedlineEvent::Edit(vec![EditCommand::Clear, EditCommand::InsertString(text)])
}

/// Whether the key may end the line while others of the same go wait behind it.
fn ends_within(key: KeyEvent) -> bool {
    key.modifiers == KeyModifiers::CONTROL && matches!(key.code, KeyCode::Char('j' | 'c'))
}

/// Whether an event has to do with vi's text objects, such as `iw`.
fn names_object(event: &ReedlineEvent) -> bool {
    match event {
        ReedlineEvent::Edit(commands) => commands.iter().any(|command| {
            matches!(command, EditCommand::CutTextObject { .. } | EditCommand::CopyTextObject { .. })
        }),
        ReedlineEvent::Multiple(events) | ReedlineEvent::UntilFound(events) => {
            events.iter().any(names_object)
        }
        _ => false,
    }
}

/// Whether the key types or takes back text.
fn is_text(key: KeyEvent) -> bool {
    matches!(key.modifiers, KeyModifiers::NONE | KeyModifiers::SHIFT)
        && matches!(key.code, KeyCode::Char(_) | KeyCode::Backspace)
}

/// What a key is to a line that nobody edits.
fn ahead(key: KeyEvent) -> Option<Ahead> {
    match (key.modifiers, key.code) {
        (KeyModifiers::CONTROL, KeyCode::Char('j')) | (KeyModifiers::NONE, KeyCode::Enter) => {
            Some(Ahead::Enter)
        }
        (KeyModifiers::CONTROL, KeyCode::Char('c')) => Some(Ahead::Interrupt),
        (KeyModifiers::CONTROL, KeyCode::Char('d')) => Some(Ahead::End),
        (KeyModifiers::NONE, KeyCode::Backspace) => Some(Ahead::Backspace),
        (KeyModifiers::NONE | KeyModifiers::SHIFT, KeyCode::Char(c)) => Some(Ahead::Text(c.to_string())),
        _ => None,
    }
}

/// The key behind Ctrl-V, as it is.
fn literal(code: KeyCode, modifiers: KeyModifiers) -> ReedlineEvent {
    let character = match code {
        KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) && c.is_ascii_alphabetic() => {
            char::from(u8::try_from(c.to_ascii_uppercase()).unwrap_or(b'@') & 0x1f)
        }
        KeyCode::Char(c) => c,
        KeyCode::Tab => '\t',
        KeyCode::Enter => '\n',
        KeyCode::Esc => '\u{1b}',
        KeyCode::Backspace => '\u{7f}',
        _ => return ReedlineEvent::None,
    };
    edit(EditCommand::InsertChar(character))
}

/// How many times Backspace takes this away.
fn graphemes(text: &str) -> usize {
    let mut buffer = LineBuffer::from(text);
    buffer.move_to_end();
    let mut count = 0;
    while buffer.insertion_point() > 0 {
        buffer.move_left();
        count += 1;
    }
    count
}

/// The last word of a line, with its quotes.
fn last_word(line: &str) -> Option<&str> {
    let (mut last, mut start) = (None, None);
    let mut quote = None;
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        if quote.is_none() && (character.is_whitespace() || ";&|()<>".contains(character)) {
            last = start.take().map(|start| start..at).or(last);
            continue;
        }
        start.get_or_insert(at);
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), closing) if closing == open => quote = None,
            (None | Some('"'), '\\') => drop(characters.next()),
            _ => {}
        }
    }
    line.get(start.map(|start| start..line.len()).or(last)?)
}

fn bind(keys: &mut Keybindings, modifiers: KeyModifiers, code: KeyCode, event: ReedlineEvent) {
    keys.add_binding(modifiers, code, event);
}

/// What emacs and vi's insert mode have in common.
fn common(keys: &mut Keybindings) {
    let (none, control, alt) = (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT);
    let menu = || ReedlineEvent::Menu(MENU.to_owned());
    bind(keys, none, KeyCode::Tab, ReedlineEvent::UntilFound(vec![menu(), ReedlineEvent::MenuNext]));
    for modifiers in [none, KeyModifiers::SHIFT] {
        bind(keys, modifiers, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    }
    bind(keys, alt, KeyCode::Enter, edit(EditCommand::InsertNewline));
    // Ctrl-_ is what terminals send; crossterm calls it Ctrl-7.
    for code in ['7', '_', '/'] {
        bind(keys, control, KeyCode::Char(code), edit(EditCommand::Undo));
    }
    bind(keys, control, KeyCode::Char('g'), ReedlineEvent::Esc);
    bind(keys, control, KeyCode::Char('w'), edit(EditCommand::CutBigWordLeft));
    for code in [KeyCode::PageUp, KeyCode::PageDown] {
        let moves = if code == KeyCode::PageUp {
            ReedlineEvent::MenuPagePrevious
        } else {
            ReedlineEvent::MenuPageNext
        };
        bind(keys, none, code, moves);
    }
    keys.remove_binding(control, KeyCode::Char('o'));
}

/// Not Alt-t: `SwapWords` of reedline 0.52.1 panics if the words differ in length.
fn emacs_keys() -> Keybindings {
    let mut keys = default_emacs_keybindings();
    common(&mut keys);
    let alt = KeyModifiers::ALT;
    bind(&mut keys, alt, KeyCode::Backspace, edit(EditCommand::CutWordLeft));
    bind(&mut keys, KeyModifiers::CONTROL, KeyCode::Char('u'), edit(EditCommand::CutFromLineStart));
    keys
}

fn vi_keys() -> Vi {
    let mut insert = default_vi_insert_keybindings();
    common(&mut insert);
    Vi::new(insert, default_vi_normal_keybindings(), default_vi_visual_keybindings())
}

#[cfg(test)]
mod tests {
    use super::super::history::Rules;
    use super::super::tests::Nobody;
    use super::*;
    use std::path::Path;

    fn keys(vi: bool, lines: &[(&str, &str)]) -> Keys {
        let store = Store::open(None);
        for (directory, line) in lines {
            store.remember(line, Path::new(directory), Rules::default()).unwrap();
        }
        Keys::new(vi, Arc::default(), store, Arc::new(Nobody))
    }

    fn press(keys: &mut Keys, modifiers: KeyModifiers, code: KeyCode) -> ReedlineEvent {
        keys.parse_event(Event::Key(KeyEvent::new(code, modifiers)).try_into().unwrap())
    }

    fn control(keys: &mut Keys, c: char) -> ReedlineEvent {
        press(keys, KeyModifiers::CONTROL, KeyCode::Char(c))
    }

    fn alt(keys: &mut Keys, code: KeyCode) -> ReedlineEvent {
        press(keys, KeyModifiers::ALT, code)
    }

    fn insert(text: &str) -> EditCommand {
        EditCommand::InsertString(text.to_owned())
    }

    #[test]
    fn the_last_word_keeps_its_quotes() {
        for (line, word) in [
            ("ls a b", Some("b")),
            ("ls 'a b' ", Some("'a b'")),
            ("ls \"a 'b\\\" c\"", Some("\"a 'b\\\" c\"")),
            ("cat a\\ b", Some("a\\ b")),
            ("make x;", Some("x")),
            ("a && b", Some("b")),
            ("echo 'open x", Some("'open x")),
            ("x", Some("x")),
            (" ;", None),
            ("", None),
            ("é ü", Some("ü")),
        ] {
            assert_eq!(last_word(line), word, "{line:?}");
        }
    }

    #[test]
    fn alt_dot_goes_further_back_each_time() {
        let mut keys = keys(false, &[("/", "ls first"), ("/", "cat 'e\u{301}x'"), ("/", ";")]);
        let dot = KeyCode::Char('.');
        assert_eq!(alt(&mut keys, dot), ReedlineEvent::Edit(vec![insert("'e\u{301}x'")]));
        let again = [vec![EditCommand::Backspace; 4], vec![insert("first")]].concat();
        assert_eq!(alt(&mut keys, dot), ReedlineEvent::Edit(again));
        assert_eq!(alt(&mut keys, dot), ReedlineEvent::None, "there is no older one");
        press(&mut keys, KeyModifiers::NONE, KeyCode::Char('x'));
        assert_eq!(alt(&mut keys, dot), ReedlineEvent::Edit(vec![insert("'e\u{301}x'")]));
    }

    #[test]
    fn alt_up_walks_the_lines_of_this_directory_and_back_to_what_was_typed() {
        let lines = [("/here", "one"), ("/there", "two"), ("/here", "three"), ("/here", "three")];
        let mut keys = keys(false, &lines);
        keys.shared.page().line = "typed".into();
        let shows = |text| ReedlineEvent::Edit(vec![EditCommand::Clear, insert(text)]);
        assert_eq!(alt(&mut keys, KeyCode::Down), ReedlineEvent::None);
        assert_eq!(alt(&mut keys, KeyCode::Up), shows("three"));
        assert_eq!(alt(&mut keys, KeyCode::Up), shows("one"));
        assert_eq!(alt(&mut keys, KeyCode::Up), ReedlineEvent::None);
        assert_eq!(alt(&mut keys, KeyCode::Down), shows("three"));
        assert_eq!(alt(&mut keys, KeyCode::Down), shows("typed"));
        assert_eq!(alt(&mut keys, KeyCode::Down), ReedlineEvent::None);
    }

    #[test]
    fn a_chord_asks_for_an_editor() {
        for vi in [false, true] {
            let mut keys = keys(vi, &[]);
            let wanted = ReedlineEvent::ExecuteHostCommand(EDIT.into());
            assert_eq!(control(&mut keys, 'x'), ReedlineEvent::None);
            assert_eq!(control(&mut keys, 'e'), wanted);
            assert_ne!(control(&mut keys, 'e'), wanted);
            assert_eq!(alt(&mut keys, KeyCode::Char('e')), wanted);
            assert_eq!(control(&mut keys, 'x'), ReedlineEvent::None);
            assert_eq!(press(&mut keys, KeyModifiers::NONE, KeyCode::Char('z')), ReedlineEvent::None);
        }
    }

    #[test]
    fn a_literal_key_is_inserted() {
        let mut keys = keys(false, &[]);
        control(&mut keys, 'v');
        assert_eq!(press(&mut keys, KeyModifiers::NONE, KeyCode::Tab), edit(EditCommand::InsertChar('\t')));
        control(&mut keys, 'v');
        assert_eq!(control(&mut keys, 'a'), edit(EditCommand::InsertChar('\u{1}')));
    }

    #[test]
    fn a_paste_is_text_and_never_an_enter() {
        let mut keys = keys(false, &[]);
        let paste = Event::Paste("ls\r\nrm x\r".into());
        assert_eq!(keys.parse_event(paste.try_into().unwrap()), edit(insert("ls\nrm x")));
    }

    #[test]
    fn enter_in_the_search_runs_what_was_found() {
        let mut keys = keys(false, &[]);
        let enter = |keys: &mut Keys| press(keys, KeyModifiers::NONE, KeyCode::Enter);
        let accepted = |keys: &Keys| super::super::shared::taken(&keys.shared.accept);
        keys.shared.page().search = Search::Found;
        assert_eq!(enter(&mut keys), ReedlineEvent::Enter);
        assert!(accepted(&keys));
        assert_eq!(control(&mut keys, 'e'), ReedlineEvent::Enter, "to be edited");
        assert_eq!(control(&mut keys, 'g'), ReedlineEvent::Esc);
        keys.shared.page().search = Search::Failing;
        enter(&mut keys);
        assert!(!accepted(&keys));
        keys.shared.page().search = Search::Off;
        enter(&mut keys);
        assert!(!accepted(&keys));
    }

    #[test]
    fn enter_takes_from_the_menu_only_what_was_chosen_in_it() {
        let mut keys = keys(false, &[]);
        let (none, enter) = (KeyModifiers::NONE, KeyCode::Enter);
        press(&mut keys, none, KeyCode::Tab);
        assert_eq!(press(&mut keys, none, enter), ReedlineEvent::Enter, "the menu's");
        press(&mut keys, none, KeyCode::Tab);
        press(&mut keys, none, KeyCode::Char('x'));
        let runs = ReedlineEvent::Multiple(vec![ReedlineEvent::Esc, ReedlineEvent::Enter]);
        assert_eq!(press(&mut keys, none, enter), runs);
        press(&mut keys, KeyModifiers::CONTROL, KeyCode::Char('r'));
        press(&mut keys, none, KeyCode::Char('x'));
        assert_eq!(press(&mut keys, none, enter), ReedlineEvent::Enter, "a search knows no other word");
    }

    #[test]
    fn objects_of_vi_are_left_alone_where_reedline_would_panic() {
        let mut keys = keys(true, &[]);
        let mut diw = |line: &str| {
            keys.shared.page().line = line.into();
            press(&mut keys, KeyModifiers::NONE, KeyCode::Esc);
            ['d', 'i', 'w'].map(|c| press(&mut keys, KeyModifiers::NONE, KeyCode::Char(c)))
        };
        assert!(diw("ascii").iter().any(names_object));
        assert!(!diw("é").iter().any(names_object));
    }

    #[test]
    fn keys_behind_a_line_feed_are_noted() {
        let mut keys = keys(false, &[]);
        for c in ['a', 'b'] {
            press(&mut keys, KeyModifiers::NONE, KeyCode::Char(c));
        }
        let runs = ReedlineEvent::Multiple(vec![ReedlineEvent::Esc, ReedlineEvent::Enter]);
        assert_eq!(control(&mut keys, 'j'), runs);
        press(&mut keys, KeyModifiers::SHIFT, KeyCode::Char('C'));
        press(&mut keys, KeyModifiers::NONE, KeyCode::Backspace);
        press(&mut keys, KeyModifiers::NONE, KeyCode::Enter);
        let noted = [Ahead::Enter, Ahead::Text("C".into()), Ahead::Backspace, Ahead::Enter];
        assert_eq!(keys.shared.page().ahead, noted);
    }

    #[test]
    fn undo_and_the_kill_keys_are_those_of_readline() {
        let mut keys = keys(false, &[]);
        assert_eq!(control(&mut keys, '7'), edit(EditCommand::Undo));
        assert_eq!(control(&mut keys, 'w'), edit(EditCommand::CutBigWordLeft));
        assert_eq!(control(&mut keys, 'u'), edit(EditCommand::CutFromLineStart));
        assert_eq!(control(&mut keys, 'k'), edit(EditCommand::KillLine));
        assert_eq!(control(&mut keys, 'y'), edit(EditCommand::PasteCutBufferBefore));
        assert_eq!(control(&mut keys, 'o'), ReedlineEvent::None);
    }
}
