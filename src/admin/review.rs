//! `sbshctl review`: what was allowed and not used, and taking it back. Never from inside.

use super::{change, log, only_outside, print, print_json};
use crate::audit::Log;
use crate::caller::Caller;
use crate::cli::{Effect, EntryKind, Review as Wanted};
use crate::exit;
use crate::pipeline::Stop;
use crate::pipeline::entries::Way;
use crate::pipeline::prepare::{self, Prepared};
use crate::pipeline::sense::{self, Entry};
use crate::report;
use crate::settings::edit::Form;
use crate::system::visible::visible;
use crate::verdict::usage::{self, Lets, Line, Review, Use};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: f64 = 86_400.0;

/// Shows it, and takes back what the person wants.
///
/// # Errors
/// From inside; broken settings; a log or a settings file that cannot be used.
pub fn run(wanted: &Wanted, caller: &Caller) -> Result<i32, Stop> {
    only_outside("review")?;
    let prepared = prepare::policy(caller)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut review = Review::of(
        &prepared.layers.layers,
        &prepared.policy.network.unix_sockets,
        now - f64::from(wanted.days) * DAY,
    );
    if let Some(state) = &prepared.locations.state_dir {
        log::can_be_read(state)?;
        let failed = |error: io::Error| Stop::Failed(format!("cannot read the log: {error}"), exit::REFUSED);
        for file in logs(Log::of(state).path()) {
            read(&file, &mut review).map_err(failed)?;
        }
    }
    let first = review.first();
    let entries = review.finish();
    if wanted.json {
        let entries: Vec<Value> = entries.iter().map(facts).collect();
        return print_json(&json!({ "days": wanted.days, "log_since": first, "entries": entries }));
    }
    print(&listing(&entries, wanted, first, now))?;
    let unused: Vec<&usage::Entry> = entries.iter().filter(|entry| entry.used == Use::Unused).collect();
    take_back(&unused, wanted, &prepared)
}

/// The log and those that were set aside.
fn logs(path: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return Vec::new();
    };
    let is_one = |entry: &std::fs::DirEntry| {
        let found = entry.file_name();
        let rest = found
            .to_str()
            .and_then(|found| found.strip_prefix(name))
            .map(|rest| rest.trim_start_matches('.'));
        rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
    };
    let Ok(listing) = directory.read_dir() else { return Vec::new() };
    let mut all: Vec<PathBuf> = listing.flatten().filter(is_one).map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// Lines that cannot be read are no evidence, neither of use nor against it.
fn read(path: &Path, review: &mut Review) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
            review.note(&line(&value));
        }
        bytes.clear();
    }
    Ok(())
}

fn line(value: &Value) -> Line {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Line {
        // Without a time it is neither early nor late enough for anything.
        time: value.get("time").and_then(Value::as_f64).unwrap_or(f64::MAX),
        event: text("event").unwrap_or_default(),
        verdict: text("verdict"),
        rule: text("rule"),
        host: text("host"),
        port: value.get("port").and_then(Value::as_u64),
        path: text("path"),
        command: text("command"),
        argv: value
            .get("argv")
            .and_then(Value::as_array)
            .map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        cut: value.get("command_bytes").is_some(),
    }
}

fn facts(entry: &usage::Entry) -> Value {
    let origin = &entry.said.origin;
    let (line, column) = origin.line_column().unzip();
    let (used, why, times, last) = match entry.used {
        Use::Used { times, last } => ("used", None, Some(times), Some(last)),
        Use::Unused => ("unused", None, None, None),
        Use::Unknown(why) => ("unknown", Some(why), None, None),
    };
    json!({
        "list": entry.lets.list(),
        "entry": entry.said.value,
        "file": origin.path().map(|path| path.display().to_string()),
        "line": line,
        "column": column,
        "use": used,
        "why": why,
        "times": times,
        "last": last,
    })
}

fn listing(entries: &[usage::Entry], wanted: &Wanted, first: Option<f64>, now: f64) -> String {
    let mut text = match first {
        None => "there is no log yet\n".to_owned(),
        Some(first) => format!(
            "the log goes back {:.0} days; asked for: {}\n",
            ((now - first) / DAY).max(0.0),
            wanted.days
        ),
    };
    if entries.is_empty() {
        text.push_str("the user's and the project's personal settings allow nothing\n");
    }
    let said = |entry: &usage::Entry| {
        visible(format!("{}  {}  ({})", entry.lets.list(), entry.said.value, entry.said.origin).as_bytes())
    };
    for (title, wanted) in [("unused", 0), ("unknown use", 1), ("used", 2)] {
        let kind = |entry: &&usage::Entry| match entry.used {
            Use::Unused => wanted == 0,
            Use::Unknown(_) => wanted == 1,
            Use::Used { .. } => wanted == 2,
        };
        let mut found = entries.iter().filter(kind).peekable();
        if found.peek().is_some() {
            let _ = writeln!(text, "{title}:");
        }
        for entry in found {
            let more = match entry.used {
                Use::Unused => String::new(),
                Use::Unknown(why) => format!(": {why}"),
                Use::Used { times, last } => {
                    format!(": {times} times, last {:.0} days ago", ((now - last) / DAY).floor().max(0.0))
                }
            };
            let _ = writeln!(text, "  {}{more}", said(entry));
        }
    }
    text
}

/// What a person answers about one entry.
enum Answer {
    Yes,
    All,
    No,
    Quit,
}

fn take_back(unused: &[&usage::Entry], wanted: &Wanted, prepared: &Prepared) -> Result<i32, Stop> {
    if unused.is_empty() {
        return Ok(0);
    }
    let asks = !wanted.yes && !wanted.dry_run;
    if asks && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return print(
            "'sbshctl review --yes' takes back what is unused; on a terminal, each is asked about\n",
        );
    }
    let mut all = wanted.yes || wanted.dry_run;
    for entry in unused {
        if !all {
            match asked(entry)? {
                Answer::Yes => {}
                Answer::All => all = true,
                Answer::No => continue,
                Answer::Quit => break,
            }
        }
        let way = if wanted.dry_run { Way::Preview } else { Way::Write };
        remove(entry, way, prepared)?;
    }
    Ok(0)
}

fn remove(entry: &usage::Entry, way: Way, prepared: &Prepared) -> Result<(), Stop> {
    let (effect, kind) = match entry.lets {
        Lets::Connect => (Effect::Allow, EntryKind::Domain),
        Lets::Write => (Effect::Allow, EntryKind::Write),
        Lets::Read => (Effect::Allow, EntryKind::Read),
        Lets::Speak => (Effect::Allow, EntryKind::Socket),
        Lets::Run => (Effect::Allow, EntryKind::Command),
        Lets::Leave => (Effect::Exclude, EntryKind::Command),
    };
    let (Some(keys), Some(file)) = (sense::keys(effect, kind), entry.said.origin.path()) else {
        return Ok(());
    };
    let wanted = Entry { keys, form: Form::Text, text: entry.said.value.clone(), hint: None };
    let text = visible(entry.said.value.as_bytes());
    match change::remove(&wanted, &[file.to_path_buf()], way, prepared)? {
        Some((file, edited)) if way == Way::Preview => {
            print(&format!("'{text}' would be taken back:\n{}", change::difference(&file, &edited)))?
        }
        Some((file, edited)) => {
            print(&format!("'{text}' was taken back:\n{}", change::difference(&file, &edited)))?
        }
        None => print(&format!("'{text}' was gone already\n"))?,
    };
    Ok(())
}

/// One line from the terminal; anything that is not understood is no.
fn asked(entry: &usage::Entry) -> Result<Answer, Stop> {
    let text = visible(format!("{} '{}'", entry.lets.list(), entry.said.value).as_bytes());
    report::answer(&format!("take back {text}? [y]es, [a]ll, [N]o, [q]uit: "))?;
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        return Ok(Answer::Quit);
    }
    Ok(match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        "a" | "all" => Answer::All,
        "q" | "quit" => Answer::Quit,
        _ => Answer::No,
    })
}
