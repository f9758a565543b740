//! `sbshctl log`: the audit log, for reading.

use super::{age, only_outside};
use crate::audit::Log;
use crate::audit::verify::{self, Place};
use crate::caller::Caller;
use crate::cli::LogView;
use crate::gatekeeper::Violation;
use crate::pipeline::Stop;
use crate::system::visible::{hex, visible};
use crate::{exit, report};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Shows it, or whether it is as it was written.
///
/// # Errors
/// From inside; a log that cannot be read.
pub fn run(view: &LogView, caller: &Caller) -> Result<i32, Stop> {
    only_outside("log")?;
    let Some(state) = caller.state_directory() else { return Ok(0) };
    let log = Log::of(&state);
    can_be_read(&state)?;
    if view.verify { verified(&log, view.json) } else { entries(&log, view) }
}

/// A directory that cannot be read is not one in which nothing is.
///
/// # Errors
/// Why it cannot.
pub fn can_be_read(state: &Path) -> Result<(), Stop> {
    match std::fs::read_dir(state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed(std::io::Error::other(format!("'{}': {error}", state.display()))))
        }
        _ => Ok(()),
    }
}

fn failed(error: std::io::Error) -> Stop {
    Stop::Failed(format!("cannot read the log: {error}"), exit::REFUSED)
}

fn entries(log: &Log, view: &LogView) -> Result<i32, Stop> {
    // Before the last entries are looked for, so that none comes between.
    let mut newest = Newest::of(log.path());
    last(log, view.lines, &mut newest, |line| wanted(line, view))?.iter().try_for_each(|l| show(l, view))?;
    if !view.follow {
        return Ok(0);
    }
    loop {
        std::thread::sleep(LOOK);
        let mut new = Vec::new();
        newest.read_on(&mut |line| new.push(line.to_owned())).map_err(failed)?;
        new.iter().filter(|line| wanted(line, view)).try_for_each(|line| show(line, view))?;
    }
}

/// The last entries that are of one of these events, the oldest first. What stands in them may be anything.
///
/// # Errors
/// A log that cannot be read.
pub fn recent(state: &Path, most: usize, events: &[&str]) -> Result<Vec<Value>, Stop> {
    let log = Log::of(state);
    let read = |line: &str| serde_json::from_str::<Value>(line).ok();
    // Most lines are of another kind, and reading JSON costs.
    let may_be = |line: &str| events.iter().any(|event| line.contains(event));
    let is_one = |line: &str| {
        may_be(line)
            && read(line).is_some_and(|entry| event_of(&entry).is_some_and(|event| events.contains(&event)))
    };
    let lines = last(&log, most, &mut Newest::of(log.path()), is_one)?;
    Ok(lines.iter().filter_map(|line| read(line)).collect())
}

/// The last lines that are wanted, the oldest first.
fn last(
    log: &Log,
    most: usize,
    newest: &mut Newest,
    wanted: impl Fn(&str) -> bool,
) -> Result<VecDeque<String>, Stop> {
    let mut last = VecDeque::new();
    for path in log.files().iter().rev() {
        let mut here = VecDeque::new();
        let mut place = 0;
        let mut take = |line: &str| {
            if wanted(line) {
                here.push_back(line.to_owned());
            }
            if here.len() + last.len() > most {
                here.pop_front();
            }
        };
        if path == log.path() {
            newest.read_on(&mut take).map_err(failed)?;
        } else {
            read_on(&File::open(path).map_err(failed)?, &mut place, &mut take).map_err(failed)?;
        }
        here.append(&mut last);
        last = here;
        if last.len() >= most {
            break;
        }
    }
    Ok(last)
}

/// The newest file of the log, which others set aside and begin anew.
struct Newest {
    path: PathBuf,
    file: Option<File>,
    place: u64,
}

impl Newest {
    fn of(path: &Path) -> Newest {
        Newest { path: path.to_path_buf(), file: File::open(path).ok(), place: 0 }
    }

    /// What came since the last time, whole lines only; also the end of a file that was set aside meanwhile.
    fn read_on(&mut self, take: &mut impl FnMut(&str)) -> std::io::Result<()> {
        if let Some(file) = &self.file {
            read_on(file, &mut self.place, take)?;
        }
        let identity = |m: std::fs::Metadata| (m.dev(), m.ino());
        let held = self.file.as_ref().and_then(|file| file.metadata().ok()).map(identity);
        let there = std::fs::metadata(&self.path).ok().map(identity);
        if there.is_some() && there != held {
            (self.file, self.place) = (File::open(&self.path).ok(), 0);
            if let Some(file) = &self.file {
                read_on(file, &mut self.place, take)?;
            }
        }
        Ok(())
    }
}

/// Reads whole lines from a place on, and moves it.
fn read_on(mut file: &File, place: &mut u64, take: &mut impl FnMut(&str)) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    if file.metadata()?.len() < *place {
        *place = 0;
    }
    file.seek(SeekFrom::Start(*place))?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        *place += line.len() as u64;
        take(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

/// Whether the log is as it was written: status 0 or 1.
fn verified(log: &Log, as_json: bool) -> Result<i32, Stop> {
    let checked = verify::verify(log).map_err(failed)?;
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let place = |at: &Place| format!("{}:{}", name(&at.file), at.line);
    let hash = checked.hash.as_ref().map(|hash| hex(hash));
    if as_json {
        let broken = |(at, what): &(Place, String)| json!({ "at": place(at), "what": what });
        super::print_json(&json!({
            "in_order": checked.broken.is_empty(),
            "files": checked.files,
            "entries": checked.entries,
            "first": checked.numbers.map(|(first, _)| first),
            "last": checked.numbers.map(|(_, last)| last),
            "hash": hash,
            "torn": checked.torn.iter().map(place).collect::<Vec<_>>(),
            "broken": checked.broken.iter().map(broken).collect::<Vec<_>>(),
        }))?;
        return Ok(i32::from(!checked.broken.is_empty()));
    }
    let mut text = String::new();
    for at in &checked.torn {
        let _ = writeln!(text, "{}: half a line, left by a crash or a full disk", place(at));
    }
    for (at, what) in &checked.broken {
        let _ = writeln!(text, "{}: {what}", place(at));
    }
    let _ = match (checked.broken.is_empty(), checked.numbers) {
        (true, None) => writeln!(text, "there is no entry yet"),
        (true, Some((first, last))) => writeln!(
            text,
            "in order: entries {first} to {last} in {} files; the last one's hash is {}",
            checked.files,
            hash.unwrap_or_default()
        ),
        (false, _) => writeln!(text, "broken: it is not as sbsh wrote it"),
    };
    super::print(&text)?;
    Ok(i32::from(!checked.broken.is_empty()))
}

fn wanted(line: &str, view: &LogView) -> bool {
    let Some(event) = &view.event else { return true };
    serde_json::from_str::<Value>(line).is_ok_and(|entry| event_of(&entry) == Some(event))
}

fn show(line: &str, view: &LogView) -> Result<(), Stop> {
    let text = if view.json { format!("{}\n", line.trim_end()) } else { words(line) };
    Ok(report::answer(&text)?)
}

fn event_of(entry: &Value) -> Option<&str> {
    entry.get("event")?.as_str()
}

/// The refused call of an entry.
pub fn violation_of(entry: &Value) -> Option<Violation> {
    let mut fields = entry.clone();
    // The log's times have fractions.
    fields.as_object_mut()?.insert("time".into(), 0.into());
    serde_json::from_value(fields).ok()
}

/// One entry in one line.
fn words(line: &str) -> String {
    let Ok(entry) = serde_json::from_str::<Value>(line) else { return String::new() };
    let field = |key: &str| entry.get(key).unwrap_or(&Value::Null);
    let text = |key: &str| field(key).as_str().unwrap_or_default().to_owned();
    let said = match event_of(&entry) {
        Some("violation") => violation_of(&entry).map_or_else(|| line.to_owned(), |v| v.what()),
        Some("connection") => {
            let why = if field("why").is_null() { text("rule") } else { text("why") };
            format!("{} {}:{} ({why})", text("verdict"), text("host"), field("port"))
        }
        Some("gatekeeper") => format!(
            "{} calls were looked at, {} us each, {} us at most",
            field("calls"),
            field("mean_microseconds"),
            field("longest_microseconds")
        ),
        Some("command") => of_command(&entry),
        Some("outside") => of_outside(&entry),
        Some("socket") => format!("spoke to '{}'", text("path")),
        Some("start") => "is about to run".into(),
        Some("decision") => of_decision(&entry),
        Some("trust") => format!("{} by {}: {}", text("what"), text("by"), list(field("files"))),
        Some("trial") => {
            let paths =
                entry.get("paths").filter(|paths| paths.as_array().is_some_and(|all| !all.is_empty()));
            let paths = paths.map_or_else(String::new, |paths| format!(": {}", list(paths)));
            format!("changes of {} {}{paths}", text("trial"), text("what"))
        }
        Some("settings") => {
            let mode = Some(text("mode")).filter(|mode| !mode.is_empty());
            let mode = mode.map_or_else(String::new, |mode| format!(" ({mode})"));
            let (key, what, file) = (text("key"), text("what"), text("file"));
            format!("{key}{mode} {what} in {file}: {}", list(field("entries")))
        }
        Some("log") => match field("what").as_str() {
            Some("cut") => "the log had been cut or removed when the next line was written".into(),
            Some("torn") => "half a line was found behind the last one".into(),
            _ => "audit.head was missing when this line was written".into(),
        },
        _ => line.to_owned(),
    };
    let age = age(field("time").as_f64().unwrap_or_default());
    let command: String = text("command").chars().take(60).collect();
    let said = visible(said.as_bytes());
    match visible(command.as_bytes()) {
        none if none.is_empty() => format!("{age:>8}  {said}\n"),
        command => format!("{age:>8}  {said}  [{command}]\n"),
    }
}

fn of_command(entry: &Value) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| entry.get(key).and_then(Value::as_i64);
    if entry.get("ran") != Some(&Value::Bool(true)) {
        return format!("did not run: {}", text("stopped"));
    }
    let end = match (number("status"), number("signal")) {
        (Some(status), _) => format!(", status {status}"),
        (_, Some(signal)) => format!(", signal {signal}"),
        _ => String::new(),
    };
    let time = entry.get("milliseconds").and_then(Value::as_f64).filter(|_| !end.is_empty());
    let time = time.map_or_else(String::new, |time| format!(", {time:.0} ms"));
    let refused = number("violations").filter(|count| *count > 0);
    let refused = refused.map_or_else(String::new, |count| format!(", {count} calls refused"));
    format!("ran {}{end}{time}{refused}", text("place"))
}

fn of_outside(entry: &Value) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let words = list(entry.get("argv").unwrap_or(&Value::Null)).replace(", ", " ");
    match (text("verdict"), entry.get("status").and_then(Value::as_i64)) {
        ("ran", Some(status)) => format!("'{words}' ran outside, status {status}"),
        ("ran", None) => format!("'{words}' could not be started outside"),
        _ => format!("'{words}' did not run outside: {}", text("why")),
    }
}

fn of_decision(entry: &Value) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let what = match text("kind") {
        "network" => {
            format!("network {}:{}", text("host"), entry.get("port").unwrap_or(&Value::Null))
        }
        kind @ ("write" | "read" | "socket") => format!("{kind} '{}'", text("path")),
        kind => kind.to_owned(),
    };
    match text("answered") {
        "" => format!("{what}: {} ({})", text("verdict"), text("why")),
        by => format!("{what}: {} by {by}", text("choice")),
    }
}

fn list(value: &Value) -> String {
    let all = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    all.collect::<Vec<_>>().join(", ")
}

/// What the gatekeeper's last runs cost: calls, and the mean and longest time of one in microseconds.
pub fn cost(state: &Path) -> Option<(u64, f64, f64)> {
    let (mut calls, mut total, mut longest) = (0, 0.0, 0.0);
    let file = File::open(Log::of(state).path()).ok()?;
    let mut place = file.metadata().ok()?.len().saturating_sub(LAST);
    read_on(&file, &mut place, &mut |line| {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { return };
        if event_of(&entry) == Some("gatekeeper") {
            let number = |key: &str| entry.get(key).and_then(Value::as_f64).unwrap_or(0.0);
            calls += number("calls") as u64;
            total += number("mean_microseconds") * number("calls");
            longest = number("longest_microseconds").max(longest);
        }
    })
    .ok()?;
    (calls > 0).then(|| (calls, total / calls as f64, longest))
}

/// Bytes of the log that are looked through for costs.
const LAST: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Event;
    use crate::cli::table;
    use std::io::Write as _;

    #[test]
    fn entries_in_words() {
        let violation = r#"{"time":1.0,"event":"violation","command":"x","program":"touch","process":1,"call":"openat","path":"/etc/a\u001b","why":"outside","reason":""}"#;
        assert!(words(violation).contains("touch may not write '/etc/a\\e'"), "{}", words(violation));
        let connection =
            r#"{"time":1.0,"event":"connection","verdict":"refused","host":"a.com","port":443,"why":"w"}"#;
        assert!(words(connection).contains("refused a.com:443 (w)"));
    }

    #[test]
    fn each_event_has_words_and_a_row() {
        let names = |all: &[(&'static str, &str)]| all.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let rows = names(table::EVENTS);
        assert_eq!(rows, Event::ALL.map(Event::name));
        let about = table::verb("log").unwrap().options.iter().find(|row| row.long == "event").unwrap().about;
        assert!(rows.iter().all(|name| about.contains(name)), "{about}");
        for name in rows {
            let line = json!({ "time": 1.0, "event": name, "command": "ls" }).to_string();
            let told = words(&line);
            assert!(name == "violation" || !told.contains("\"event\""), "{told}");
        }
        for (line, said) in [
            (
                json!({"event": "command", "ran": true, "place": "inside", "status": 3, "signal": null, "milliseconds": 12.4, "violations": 2}),
                "ran inside, status 3, 12 ms, 2 calls refused",
            ),
            (json!({"event": "command", "ran": false, "stopped": "no"}), "did not run: no"),
            (
                json!({"event": "decision", "kind": "network", "host": "h", "port": 1, "answered": "console", "choice": "once"}),
                "network h:1: once by console",
            ),
            (
                json!({"event": "decision", "kind": "command", "verdict": "denied", "why": "rule x"}),
                "command: denied (rule x)",
            ),
            (
                json!({"event": "trial", "what": "kept", "trial": "1-a", "kept": 2, "left": 0, "paths": ["/a", "/b"]}),
                "changes of 1-a kept: /a, /b",
            ),
            (json!({"event": "trial", "what": "dropped", "trial": "1-a"}), "changes of 1-a dropped"),
            (
                json!({"event": "trust", "what": "given", "by": "terminal", "files": ["/a", "/b"]}),
                "given by terminal: /a, /b",
            ),
        ] {
            assert!(words(&line.to_string()).contains(said), "{line}");
        }
    }

    #[test]
    fn half_a_line_waits_for_its_end_and_a_file_set_aside_is_read_to_its_end() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("log");
        let (mut newest, mut lines) = (Newest::of(&path), Vec::new());
        let mut append = |text: &str, count: usize| {
            let file = File::options().append(true).create(true).open(&path).unwrap();
            (&file).write_all(text.as_bytes()).unwrap();
            newest.read_on(&mut |line: &str| lines.push(line.to_owned())).unwrap();
            assert_eq!(lines.len(), count, "{lines:?}");
            file
        };
        append("{\"a\":1}\n{\"b\"", 1);
        let file = append(":2}\n", 2);
        std::fs::rename(&path, top.path().join("aside")).unwrap();
        (&file).write_all(b"{}\n").unwrap();
        append("{\"c\":3}\n{\"d\":4}\n", 5);
        append("", 5);
    }
}
