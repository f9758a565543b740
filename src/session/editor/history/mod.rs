//! The history of lines: what is kept, and looking for it. Owns the rules for what is kept; must not keep what holds a
//! secret. reedline asks it through its `History`.

mod lines;
mod log;

pub(super) use lines::{Line, Lines, Towards};

use super::super::inner::message::Keeping;
use super::expand::Event;
use super::watch::spawn;
use log::{LONGEST, Log, Record};
use reedline::{
    CommandLineSearch, History, HistoryItem, HistoryItemId, HistorySessionId, ReedlineError,
    ReedlineErrorVariants, SearchDirection, SearchQuery,
};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// So many lines are kept.
const MOST: usize = 100_000;

/// Which lines the person wants kept, as bash's `HISTCONTROL` says. Lines that hold a secret are never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Not those that begin with a blank.
    pub ignore_space: bool,
    /// Not those that are like the one before.
    pub ignore_same: bool,
    /// How long.
    pub keeping: Keeping,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { ignore_space: true, ignore_same: false, keeping: Keeping::File }
    }
}

impl Rules {
    /// As a value of `HISTCONTROL` says. `erasedups` counts as `ignoredups`: what is written is not taken back.
    pub fn from_histcontrol(value: &str, keeping: Keeping) -> Rules {
        let says = |names: &[&str]| value.split(':').any(|part| names.contains(&part));
        Rules {
            ignore_space: says(&["ignorespace", "ignoreboth"]),
            ignore_same: says(&["ignoredups", "ignoreboth", "erasedups"]),
            keeping,
        }
    }

    /// Whether a line is kept after this one.
    fn keep(self, line: &str, before: Option<&str>) -> bool {
        !(self.keeping == Keeping::Nothing
            || line.trim().is_empty()
            || line.len() > LONGEST
            || self.ignore_space && line.starts_with([' ', '\t'])
            || self.ignore_same && before == Some(line)
            || line.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
            || crate::audit::redact::redact(line) != line)
    }
}

/// One line of the history, for showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Grows from line to line and stays with it for the session.
    pub number: i64,
    /// Seconds since 1970.
    pub time: u64,
    /// Where the shell was.
    pub directory: String,
    /// The line, which may have several lines.
    pub line: String,
}

impl From<Line<'_>> for Entry {
    fn from(line: Line<'_>) -> Entry {
        Entry {
            number: line.number,
            time: line.time,
            directory: line.directory.to_owned(),
            line: line.text.to_owned(),
        }
    }
}

/// The history; clones are the same one.
#[derive(Clone)]
pub(super) struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    loaded: Condvar,
}

struct State {
    lines: Lines,
    log: Option<Log>,
    /// The file that is to be read still. A thread of its own does it, so that the first prompt does not wait for it.
    unread: Option<(PathBuf, usize)>,
    /// It was read.
    loaded: bool,
    /// Told when it is.
    waiting: Option<Box<dyn FnOnce() + Send>>,
}

impl Store {
    /// The history in this file, or one that is kept in memory alone.
    pub(super) fn open(path: Option<&Path>) -> Store {
        Store::bounded(path, MOST)
    }

    fn bounded(path: Option<&Path>, most: usize) -> Store {
        let unread = path.map(|path| (path.to_path_buf(), most));
        let loaded = unread.is_none();
        let state = State { lines: Lines::new(most), log: None, unread, loaded, waiting: None };
        Store { shared: Arc::new(Shared { state: Mutex::new(state), loaded: Condvar::new() }) }
    }

    /// Begins to read the file, unless that was begun. It takes a processor for a while, so not before the first prompt is
    /// there or somebody wants a line.
    pub(super) fn load(&self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.begin_loading(&mut state);
    }

    fn begin_loading(&self, state: &mut State) {
        let Some((path, most)) = state.unread.take() else { return };
        let loading = Arc::clone(&self.shared);
        let load = move || {
            let (mut lines, mut log) = (Lines::new(most), Log::new(&path, most));
            // What cannot be read now is read with the next line.
            let _ = log.read_new(&mut lines);
            let mut state = loading.state.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = state.waiting.take();
            *state = State { lines, log: Some(log), unread: None, loaded: true, waiting: None };
            loading.loaded.notify_all();
            drop(state);
            if let Some(tell) = waiting {
                tell();
            }
        };
        state.loaded = spawn("history", load).is_err();
    }

    /// Calls this when the file is read, unless it is already.
    pub(super) fn when_loaded(&self, tell: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.loaded {
            state.waiting = Some(Box::new(tell));
        }
    }

    /// The lines, when the file is read.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.begin_loading(&mut state);
        self.shared.loaded.wait_while(state, |state| !state.loaded).unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the lines; waits for the file.
    pub(super) fn with<T>(&self, act: impl FnOnce(&Lines) -> T) -> T {
        act(&self.state().lines)
    }

    /// The same if that is possible at once.
    pub(super) fn with_now<T>(&self, act: impl FnOnce(&Lines) -> T) -> Option<T> {
        let mut state = self.shared.state.try_lock().ok()?;
        self.begin_loading(&mut state);
        state.loaded.then(|| act(&state.lines))
    }

    /// Takes in what other sessions have added.
    pub(super) fn refresh(&self) {
        let Ok(mut state) = self.shared.state.try_lock() else { return };
        let State { lines, log, loaded: true, .. } = &mut *state else { return };
        if let Some(log) = log {
            let _ = log.read_new(lines);
        }
    }

    /// The line that a history expansion names.
    pub(super) fn named(&self, event: Event<'_>) -> Option<String> {
        self.with(|lines| {
            let text = |line: Line<'_>| line.text.to_owned();
            let newest = |test: &dyn Fn(&str) -> bool| {
                lines.find(None, Towards::Older, |line| test(line.text)).map(text)
            };
            match event {
                Event::Number(number) => lines.get(number).map(text),
                Event::Prefix(prefix) => newest(&|line| line.starts_with(prefix)),
                Event::Part(part) => newest(&|line| line.contains(part)),
                Event::Back(back) => {
                    let mut left = back;
                    let last = lines.find(None, Towards::Older, |_| {
                        left = left.saturating_sub(1);
                        left == 0
                    });
                    last.filter(|_| back > 0).map(text)
                }
            }
        })
    }

    /// Keeps a line if the rules say so; whether it was.
    pub(super) fn remember(&self, line: &str, directory: &Path, rules: Rules) -> io::Result<bool> {
        let line = line.trim_end_matches('\n');
        let mut state = self.state();
        if !rules.keep(line, state.lines.newest().map(|newest| newest.text)) {
            return Ok(false);
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
        let record = Record { t: time, d: directory.to_string_lossy(), l: line.into() };
        let added = state.add(&[record], rules.keeping);
        state.lines.own_newest(line);
        added.map(|()| true)
    }

    /// Keeps lines of another history with their times, in one go. The rules count here too; how many were kept.
    pub(super) fn import(&self, lines: &[(u64, String)], rules: Rules) -> io::Result<usize> {
        let mut before = None;
        let mut records = Vec::new();
        for (time, line) in lines {
            let line = line.trim_end_matches('\n');
            if rules.keep(line, before) {
                records.push(Record { t: *time, d: "".into(), l: line.into() });
                before = Some(line);
            }
        }
        self.state().add(&records, rules.keeping).map(|()| records.len())
    }

    /// What a query of reedline finds.
    fn found(&self, query: &SearchQuery) -> Vec<HistoryItem> {
        self.with(|lines| {
            let towards = match query.direction {
                SearchDirection::Backward => Towards::Older,
                SearchDirection::Forward => Towards::Newer,
            };
            let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0));
            let mut from = query.start_id.map(|id| id.0);
            // Who goes from line to line wants another one each time.
            let shown = from.and_then(|number| lines.get(number)).map(|line| line.text);
            let mut items = Vec::new();
            while items.len() < limit {
                let fits = |line: &Line<'_>| Some(line.text) != shown && is_wanted(line, query);
                let Some(line) = lines.find(from, towards, fits) else { break };
                from = Some(line.number);
                items.push(item(&line));
            }
            items
        })
    }
}

impl State {
    fn add(&mut self, records: &[Record<'_>], keeping: Keeping) -> io::Result<()> {
        let log = self.log.as_mut().filter(|_| keeping == Keeping::File);
        let for_memory = log.is_none();
        let written = match log {
            Some(log) if !records.is_empty() => log.append(records, &mut self.lines),
            Some(_) => return Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        if written.is_err() {
            for record in records {
                self.lines.push(record.t, &record.d, &record.l);
            }
        }
        if for_memory { Ok(()) } else { written }
    }
}

fn is_wanted(line: &Line<'_>, query: &SearchQuery) -> bool {
    let filter = &query.filter;
    let by_text = match &filter.command_line {
        None => true,
        // The prefix itself is in the buffer already.
        Some(CommandLineSearch::Prefix(prefix)) => {
            line.text.len() > prefix.len() && line.text.starts_with(prefix.as_str())
        }
        Some(CommandLineSearch::Substring(part)) => line.text.contains(part.as_str()),
        Some(CommandLineSearch::Exact(text)) => line.text == text,
    };
    by_text
        && filter.cwd_exact.as_ref().is_none_or(|directory| line.directory == directory)
        && filter.cwd_prefix.as_ref().is_none_or(|prefix| line.directory.starts_with(prefix.as_str()))
}

fn item(line: &Line<'_>) -> HistoryItem {
    HistoryItem {
        id: Some(HistoryItemId::new(line.number)),
        cwd: Some(line.directory.to_owned()),
        ..HistoryItem::from_command_line(line.text)
    }
}

impl History for Store {
    /// Whoever runs the line says whether it is kept: [`Store::remember`].
    fn save(&mut self, item: HistoryItem) -> reedline::Result<HistoryItem> {
        Ok(item)
    }

    fn load(&self, id: HistoryItemId) -> reedline::Result<HistoryItem> {
        self.with(|lines| lines.get(id.0).map(|line| item(&line)))
            .ok_or(ReedlineError(ReedlineErrorVariants::OtherHistoryError("no such line")))
    }

    fn count(&self, query: SearchQuery) -> reedline::Result<i64> {
        self.with(|lines| {
            let mut count = 0;
            lines.find(None, Towards::Newer, |line| {
                count += i64::from(is_wanted(line, &query));
                false
            });
            Ok(count)
        })
    }

    fn search(&self, query: SearchQuery) -> reedline::Result<Vec<HistoryItem>> {
        Ok(self.found(&query))
    }

    fn update(&mut self, _: HistoryItemId, _: &dyn Fn(HistoryItem) -> HistoryItem) -> reedline::Result<()> {
        Err(ReedlineError(ReedlineErrorVariants::OtherHistoryError("lines do not change")))
    }

    fn clear(&mut self) -> reedline::Result<()> {
        Err(ReedlineError(ReedlineErrorVariants::OtherHistoryError("lines stay")))
    }

    fn delete(&mut self, _: HistoryItemId) -> reedline::Result<()> {
        Err(ReedlineError(ReedlineErrorVariants::OtherHistoryError("lines stay")))
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn session(&self) -> Option<HistorySessionId> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reedline::SearchFilter;

    fn store(lines: &[&str]) -> Store {
        let store = Store::open(None);
        for line in lines {
            store.remember(line, Path::new("/w"), Rules::default()).unwrap();
        }
        store
    }

    fn texts(store: &Store) -> Vec<String> {
        let all = store.search(SearchQuery::everything(SearchDirection::Forward, None)).unwrap();
        all.into_iter().map(|item| item.command_line).collect()
    }

    fn next(store: &Store, from: Option<i64>, direction: SearchDirection) -> Option<(i64, String)> {
        let mut query = SearchQuery::everything(direction, None);
        query.start_id = from.map(HistoryItemId::new);
        query.limit = Some(1);
        let item = store.search(query).unwrap().pop()?;
        Some((item.id.unwrap().0, item.command_line))
    }

    #[test]
    fn what_the_rules_leave_out_is_not_kept() {
        let store = store(&["one", " hidden", "", "  ", "two", "two", "tab\tbed\n"]);
        assert_eq!(texts(&store), ["one", "two", "two", "tab\tbed"]);
        let both = Rules::from_histcontrol("ignoreboth", Keeping::File);
        assert_eq!(both, Rules { ignore_space: true, ignore_same: true, keeping: Keeping::File });
        let erases = Rules { ignore_space: false, ignore_same: true, keeping: Keeping::File };
        assert_eq!(Rules::from_histcontrol("erasedups:x", Keeping::File), erases);
        assert!(!store.remember("tab\tbed", Path::new("/w"), both).unwrap());
        assert!(
            store.remember(" seen", Path::new("/w"), Rules::from_histcontrol("", Keeping::File)).unwrap()
        );
    }

    #[test]
    fn secrets_and_control_characters_are_not_kept() {
        let kept = store(&[
            "curl -H 'Authorization: Bearer abcdefgh' x",
            "mysql --password=abc",
            "echo \u{1b}[2J",
            "echo \u{9b}2J",
            "ls",
        ]);
        assert_eq!(texts(&kept), ["ls"]);
    }

    #[test]
    fn who_wants_no_file_has_lines_as_long_as_the_session_lasts() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("history");
        let store = Store::open(Some(&path));
        for (line, keeping) in
            [("file", Keeping::File), ("memory", Keeping::Memory), ("nothing", Keeping::Nothing)]
        {
            let rules = Rules { keeping, ..Rules::default() };
            let kept = store.remember(line, Path::new("/w"), rules).unwrap();
            assert_eq!(kept, keeping != Keeping::Nothing);
        }
        assert_eq!(texts(&store), ["file", "memory"]);
        let other = Store::open(Some(&path));
        assert_eq!(texts(&other), ["file"]);
    }

    #[test]
    fn going_back_and_forth_shows_no_line_twice_in_a_row() {
        let store = store(&["a", "b", "b", "b", "c"]);
        let back = |from| next(&store, from, SearchDirection::Backward);
        assert_eq!(back(None), Some((5, "c".into())));
        assert_eq!(back(Some(5)), Some((4, "b".into())));
        assert_eq!(back(Some(4)), Some((1, "a".into())));
        assert_eq!(back(Some(1)), None);
        assert_eq!(next(&store, Some(1), SearchDirection::Forward), Some((2, "b".into())));
    }

    #[test]
    fn a_prefix_and_a_part_are_searched() {
        let store = store(&["git log", "ls", "git push", "echo git", "git"]);
        let newest = |filter| {
            let mut query = SearchQuery::last_with_search(SearchFilter::from_text_search(filter, None));
            query.limit = Some(9);
            let found = store.search(query).unwrap();
            found.into_iter().map(|item| item.command_line).collect::<Vec<_>>()
        };
        assert_eq!(newest(CommandLineSearch::Prefix("git".into())), ["git push", "git log"]);
        assert_eq!(
            newest(CommandLineSearch::Substring("git".into())),
            ["git", "echo git", "git push", "git log"]
        );
        assert_eq!(store.count_all().unwrap(), 5);
    }

    #[test]
    fn sessions_share_a_file_and_one_that_cannot_be_written_stays_in_memory() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("history");
        let (one, two) = (Store::open(Some(&path)), Store::open(Some(&path)));
        assert!(one.remember("from one", Path::new("/w"), Rules::default()).unwrap());
        two.with(|_| ());
        two.refresh();
        assert_eq!(texts(&two), ["from one"]);
        assert_eq!(two.import(&[(1, "old".into()), (2, " no".into())], Rules::default()).unwrap(), 1);
        one.refresh();
        assert_eq!(texts(&one), ["old", "from one"], "its own are the newest");

        std::fs::create_dir(place.path().join("directory")).unwrap();
        let third = Store::open(Some(&place.path().join("directory")));
        assert!(third.remember("here", Path::new("/w"), Rules::default()).is_err());
        assert_eq!(texts(&third), ["here"]);
    }
}
