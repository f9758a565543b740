//! Lines of the shell that a person used before: taken over once, when sbsh's own history begins.
//!
//! Owns reading bash's file. Only where the person's own environment says it is, never where the shell inside does.

use crate::caller::Caller;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// More of the end of a history is not read.
const MOST: usize = 4 << 20;

/// bash's history of the person: the lines with their times.
pub(super) fn of_bash(caller: &Caller) -> Vec<(u64, String)> {
    let named = caller.variable("HISTFILE").map(PathBuf::from).filter(|path| path.is_absolute());
    let path = named.or_else(|| caller.home.as_ref().map(|home| home.join(".bash_history")));
    let mut bytes = Vec::new();
    let read =
        path.and_then(|path| File::open(path).ok()).filter(|file| file.metadata().is_ok_and(|m| m.is_file()));
    if let Some(mut file) = read
        && file.read_to_end(&mut bytes).is_err()
    {
        return Vec::new();
    }
    let from = bytes.len().saturating_sub(MOST);
    entries(&String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()))
}

/// One entry a line; with times (`#1700000000`) an entry goes on to the next of them.
fn entries(text: &str) -> Vec<(u64, String)> {
    let mut all: Vec<(u64, String)> = Vec::new();
    let mut time = 0;
    let mut fresh = true;
    for line in text.lines() {
        let said = line.strip_prefix('#').and_then(|digits| digits.parse::<u64>().ok());
        match (said, all.last_mut()) {
            (Some(said), _) => (time, fresh) = (said, true),
            (None, Some((_, last))) if time > 0 && !fresh => {
                last.push('\n');
                last.push_str(line);
            }
            (None, _) if line.trim().is_empty() => {}
            (None, _) => {
                all.push((time, line.to_owned()));
                fresh = false;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_with_times_have_several_lines_and_others_one() {
        let one = |time, text: &str| (time, text.to_owned());
        assert_eq!(entries("ls\n\npwd\n"), [one(0, "ls"), one(0, "pwd")]);
        assert_eq!(entries("#12\nfor x\ndo y\n#13\nls\n"), [one(12, "for x\ndo y"), one(13, "ls")]);
        assert_eq!(entries("# a comment\n"), [one(0, "# a comment")]);
    }
}
