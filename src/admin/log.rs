//! `sbshctl log`: the audit log, for reading.

use super::only_outside;
use crate::audit::Log;
use crate::caller::Caller;
use crate::cli::LogView;
use crate::gatekeeper::Violation;
use crate::pipeline::Stop;
use crate::system::visible::visible;
use crate::{exit, report};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Shows it.
///
/// # Errors
/// From inside; a log that cannot be read.
pub fn run(view: &LogView, caller: &Caller) -> Result<i32, Stop> {
    only_outside("log")?;
    let failed = |error: std::io::Error| Stop::Failed(format!("cannot read the log: {error}"), exit::REFUSED);
    let Some(state) = caller.locations().state_dir else { return Ok(0) };
    let path = Log::of(&state).path().to_path_buf();
    let mut place = 0;
    let mut last = VecDeque::new();
    read_on(&path, &mut place, |line| {
        if wanted(line, view) {
            last.push_back(line.to_owned());
        }
        if last.len() > view.lines {
            last.pop_front();
        }
    })
    .map_err(failed)?;
    last.iter().try_for_each(|line| show(line, view))?;
    if !view.follow {
        return Ok(0);
    }
    loop {
        std::thread::sleep(LOOK);
        let mut new = Vec::new();
        read_on(&path, &mut place, |line| new.push(line.to_owned())).map_err(failed)?;
        new.iter().filter(|line| wanted(line, view)).try_for_each(|line| show(line, view))?;
    }
}

/// Reads whole lines from a place on, and moves it. A log that was set aside begins anew.
fn read_on(path: &Path, place: &mut u64, mut take: impl FnMut(&str)) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
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

/// One entry in one line.
fn words(line: &str) -> String {
    let Ok(entry) = serde_json::from_str::<Value>(line) else { return String::new() };
    let field = |key: &str| entry.get(key).unwrap_or(&Value::Null);
    let text = |key: &str| field(key).as_str().unwrap_or_default().to_owned();
    let said = match event_of(&entry) {
        Some("violation") => {
            let mut fields = entry.clone();
            if let Some(fields) = fields.as_object_mut() {
                fields.insert("time".into(), 0.into());
            }
            serde_json::from_value::<Violation>(fields).map_or_else(|_| line.to_owned(), |v| v.what())
        }
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
        _ => line.to_owned(),
    };
    let age = age(field("time").as_f64().unwrap_or_default());
    let command: String = text("command").chars().take(60).collect();
    format!("{age:>8}  {}  [{}]\n", visible(said.as_bytes()), visible(command.as_bytes()))
}

/// How long ago, in the largest unit that fits.
fn age(time: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = now.saturating_sub(time as u64);
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86_400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// What the gatekeeper's last runs cost: calls, and the mean and longest time of one in microseconds.
pub fn cost(state: &Path) -> Option<(u64, f64, f64)> {
    let (mut calls, mut total, mut longest) = (0, 0.0, 0.0);
    let mut place = std::fs::metadata(Log::of(state).path()).ok()?.len().saturating_sub(LAST);
    read_on(Log::of(state).path(), &mut place, |line| {
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

    #[test]
    fn entries_in_words() {
        let violation = r#"{"time":1.0,"event":"violation","command":"x","program":"touch","process":1,"call":"openat","path":"/etc/a\u001b","why":"outside","reason":""}"#;
        assert!(words(violation).contains("touch may not write '/etc/a\\e'"), "{}", words(violation));
        let connection =
            r#"{"time":1.0,"event":"connection","verdict":"refused","host":"a.com","port":443,"why":"w"}"#;
        assert!(words(connection).contains("refused a.com:443 (w)"));
    }

    #[test]
    fn half_a_line_waits_for_its_end() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("log");
        let (mut place, mut lines) = (0, Vec::new());
        for (text, count) in [("{\"a\":1}\n{\"b\"", 1), ("{\"a\":1}\n{\"b\":2}\n", 2), ("", 2)] {
            std::fs::write(&path, text).unwrap();
            read_on(&path, &mut place, |line| lines.push(line.to_owned())).unwrap();
            assert_eq!(lines.len(), count);
        }
    }
}
