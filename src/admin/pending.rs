//! `sbshctl pending`: the hosts that were refused because nobody could be asked.

use super::{only_outside, print, print_json};
use crate::caller::Caller;
use crate::exit;
use crate::pipeline::Stop;
use crate::settings::pending::{self, Pending};
use crate::system::visible::visible;
use serde_json::{Value, json};
use std::fmt::Write;

/// Lists them, or empties the list.
///
/// # Errors
/// From inside; a list that cannot be read or written.
pub fn run(as_json: bool, clear: bool, caller: &Caller) -> Result<i32, Stop> {
    only_outside("pending")?;
    let failed = |error: std::io::Error| {
        Stop::Failed(format!("cannot use the list of what is pending: {error}"), exit::REFUSED)
    };
    let state = caller.locations().state_dir;
    if clear {
        let count = state.as_deref().map_or(Ok(0), pending::clear).map_err(failed)?;
        return print(&format!("{count} entries were removed; nothing was allowed\n"));
    }
    let all = state.as_deref().map_or(Ok(Vec::new()), pending::list).map_err(failed)?;
    if as_json {
        return print_json(&json!({ "pending": all.iter().map(json_of).collect::<Vec<_>>() }));
    }
    if all.is_empty() {
        return print("nothing was refused for lack of an answer\n");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    print(&all.iter().map(|one| text_of(one, now)).collect::<String>())
}

fn json_of(pending: &Pending) -> Value {
    let mut value = serde_json::to_value(pending).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("allow".to_owned(), advice(pending).into());
    }
    value
}

fn text_of(pending: &Pending, now: u64) -> String {
    let path = |path: &std::path::Path| visible(path.as_os_str().as_encoded_bytes());
    let host = visible(pending.host.as_bytes());
    let mut text = format!("{host}:{}, {}\n", pending.port, age(now.saturating_sub(pending.time)));
    let _ = writeln!(text, "  command: {}", visible(pending.command.as_bytes()));
    let _ = writeln!(text, "  in:      {}", path(&pending.cwd));
    let _ = writeln!(text, "  why:     {}", visible(pending.why.as_bytes()));
    let place = pending.project.as_ref().map(|project| format!("   (in {})", path(project)));
    let _ = writeln!(text, "  allow:   {}{}", visible(advice(pending).as_bytes()), place.unwrap_or_default());
    text
}

/// The line that allows it, safe for a shell.
fn advice(pending: &Pending) -> String {
    let host = pending.host.trim_start_matches('[').trim_end_matches(']');
    let quoted = shlex::try_quote(host).map_or_else(|_| host.to_owned(), |quoted| quoted.into_owned());
    format!("sbshctl allow domain {quoted}")
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_says_who_wanted_it_and_how_it_is_allowed() {
        let mut pending = Pending {
            time: 100,
            host: "x.org".to_owned(),
            port: 443,
            command: "npm i\u{1b}[2J".to_owned(),
            cwd: "/w/sub".into(),
            project: Some("/w".into()),
            why: "nobody could be asked".to_owned(),
        };
        assert_eq!(
            text_of(&pending, 400),
            "x.org:443, 5 min ago\n  command: npm i\\e[2J\n  in:      /w/sub\n  why:     nobody could be asked\n  \
             allow:   sbshctl allow domain x.org   (in /w)\n"
        );
        assert_eq!(json_of(&pending)["allow"], "sbshctl allow domain x.org");
        pending.host = "[2001:db8::1]".to_owned();
        assert_eq!(advice(&pending), "sbshctl allow domain 2001:db8::1");
        pending.host = "x; rm".to_owned();
        assert_eq!(advice(&pending), "sbshctl allow domain 'x; rm'");
    }
}
