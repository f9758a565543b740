//! What a trial changed in text files, as a unified difference that is safe to read. Owns its limits: what is long or no text
//! is told by its size.

use crate::run::trial::changes::Kind;
use crate::run::trial::{Change, Trial, What};
use crate::system::beneath::Beneath;
use crate::system::visible::visible;
use similar::{Algorithm, ChangeTag, TextDiff};
use std::fmt::Write;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Bytes of a file that are compared.
const LONGEST: u64 = 1 << 20;
/// Bytes of all differences.
const MOST: usize = 4 << 20;
/// How long one comparison may look for the shortest way.
const PATIENCE: Duration = Duration::from_millis(500);

/// The differences of all files that were changed, made or taken away.
pub fn of(trial: &Trial, changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let (before, after) = match &change.what {
            What::Created(Kind::File) => (false, true),
            What::Deleted(Kind::File) => (true, false),
            What::Changed(Kind::File) => (true, true),
            _ => continue,
        };
        if text.len() > MOST {
            text.push_str("more is not shown\n");
            break;
        }
        let Ok(pair) = trial.pair(change.top) else { continue };
        let read = |wanted: bool, from: &Beneath| {
            if wanted { content(from, &change.name) } else { Content::Text(String::new()) }
        };
        let (old, new) = (read(before, &pair.below), read(after, &pair.above));
        let path = visible(change.path(trial).as_os_str().as_bytes());
        match (old, new) {
            (Content::Text(old), Content::Text(new)) => {
                let name = |there: bool| if there { path.as_str() } else { "/dev/null" };
                let _ = writeln!(text, "--- {}\n+++ {}", name(before), name(after));
                text.push_str(&difference(&old, &new));
            }
            (old, new) => {
                let _ = writeln!(text, "{path}: {} before, {} after", size(&old), size(&new));
            }
        }
    }
    text
}

enum Content {
    Text(String),
    Bytes(u64),
    Unknown,
}

fn size(content: &Content) -> String {
    match content {
        Content::Text(text) => format!("{} bytes", text.len()),
        Content::Bytes(length) => format!("{length} bytes"),
        Content::Unknown => "unreadable".into(),
    }
}

fn content(from: &Beneath, name: &Path) -> Content {
    let Ok(file) = from.open_file(name) else { return Content::Unknown };
    let Ok(length) = file.metadata().map(|metadata| metadata.len()) else { return Content::Unknown };
    if length > LONGEST {
        return Content::Bytes(length);
    }
    let mut bytes = Vec::new();
    if file.take(LONGEST).read_to_end(&mut bytes).is_err() {
        return Content::Unknown;
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Content::Text(text),
        _ => Content::Bytes(length),
    }
}

fn difference(old: &str, new: &str) -> String {
    let found = TextDiff::configure().algorithm(Algorithm::Myers).timeout(PATIENCE).diff_lines(old, new);
    let mut text = String::new();
    for hunk in found.unified_diff().context_radius(3).iter_hunks() {
        let _ = writeln!(text, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value();
            let _ = writeln!(text, "{sign}{}", plain(line.strip_suffix('\n').unwrap_or(line)));
            if change.missing_newline() {
                text.push_str("\\ no newline at the end\n");
            }
        }
    }
    text
}

/// A line as it is where nothing in it could mislead; blanks and backslashes do not.
fn plain(line: &str) -> String {
    if line.chars().all(|c| c == '\t' || c.is_ascii_graphic() || c == ' ') {
        return line.to_owned();
    }
    visible(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_no_control_characters() {
        let text = difference("one\ntwo\n", "one\n\u{1b}[2Jtwo\tx\n\\end");
        assert_eq!(text, "@@ -1,2 +1,3 @@\n one\n-two\n+\\e[2Jtwo\\tx\n+\\end\n\\ no newline at the end\n");
    }
}
