//! Refusals as macOS's log tells them. Pure.
//!
//! Owns the form of a line. What is told is hostile text: a program names itself and its files. Must not run `log`.

use serde::Deserialize;

/// Where the log is read.
pub const LOG: &str = "/usr/bin/log";

/// A refused operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The program, as it calls itself.
    pub program: String,
    /// Its process.
    pub process: i32,
    /// What it wanted: `file-write-create`, …
    pub operation: String,
    /// With what: a path, a service, an address; empty where there is none.
    pub target: String,
}

/// The arguments with which `log` tells a run's refusals of the last so many seconds.
pub fn show(tag: &str, seconds: u64) -> Vec<String> {
    let all = ["show", "--style", "ndjson", "--last", &seconds.to_string(), "--predicate", &predicate(tag)];
    all.map(str::to_owned).to_vec()
}

/// The arguments with which `log` tells them as they come.
pub fn stream(tag: &str) -> Vec<String> {
    ["stream", "--style", "ndjson", "--predicate", &predicate(tag)].map(str::to_owned).to_vec()
}

fn predicate(tag: &str) -> String {
    let tag: String = tag.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    format!("eventMessage ENDSWITH \"{tag}\"")
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "eventMessage")]
    message: String,
}

/// The refusal that one line of `--style ndjson` tells of a run with this tag.
pub fn read(line: &str, tag: &str) -> Option<Denial> {
    let entry: Entry = serde_json::from_str(line).ok()?;
    message(&entry.message, tag)
}

/// `Sandbox: NAME(PID) deny(N) OPERATION TARGET`, then the tag on a line of its own. Told again it begins with a count:
/// `2 duplicate reports for Sandbox: …`.
fn message(text: &str, tag: &str) -> Option<Denial> {
    let text = text.strip_suffix(tag)?.trim_end();
    let (before, text) = text.split_once("Sandbox: ")?;
    let repeats =
        before.strip_suffix(" for ").map(|count| count.trim_start_matches(|c: char| c.is_ascii_digit()));
    if !before.is_empty() && !matches!(repeats, Some(" duplicate report" | " duplicate reports")) {
        return None;
    }
    // The name may hold parentheses and blanks itself.
    let (end, _) = text.match_indices(") deny(").find(|(end, _)| process(text, *end).is_some())?;
    let (open, process) = process(text, end)?;
    let (_, wanted) = text.get(end + ") deny(".len()..)?.split_once(") ")?;
    let (operation, target) = wanted.split_once(' ').unwrap_or((wanted, ""));
    let is_operation = !operation.is_empty()
        && operation
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'*'));
    is_operation.then(|| Denial {
        program: text.get(..open).unwrap_or_default().to_owned(),
        process,
        operation: operation.to_owned(),
        target: target.to_owned(),
    })
}

/// The number in parentheses that ends here, and where they open.
fn process(text: &str, end: usize) -> Option<(usize, i32)> {
    let open = text.get(..end)?.rfind('(')?;
    Some((open, text.get(open + 1..end)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> String {
        serde_json::json!({"messageType": "Error", "processID": 0, "eventMessage": message}).to_string()
    }

    fn denial(program: &str, process: i32, operation: &str, target: &str) -> Option<Denial> {
        Some(Denial { program: program.into(), process, operation: operation.into(), target: target.into() })
    }

    #[test]
    fn a_refusal_names_its_program_its_operation_and_its_object() {
        let told = line("Sandbox: bash(4242) deny(1) file-write-create /private/etc/x y\nsbsh_1");
        assert_eq!(read(&told, "sbsh_1"), denial("bash", 4242, "file-write-create", "/private/etc/x y"));
        let told = line("Sandbox: My App (x)(7) deny(1) mach-lookup com.apple.foo\nsbsh_1");
        assert_eq!(read(&told, "sbsh_1"), denial("My App (x)", 7, "mach-lookup", "com.apple.foo"));
        let told = line("Sandbox: a(7) deny(1) process-info*\nsbsh_1");
        assert_eq!(read(&told, "sbsh_1"), denial("a", 7, "process-info*", ""));
    }

    #[test]
    fn what_is_told_again_is_the_same() {
        let told = line("1 duplicate report for Sandbox: ls(9) deny(1) file-read-data /x\nT");
        assert_eq!(read(&told, "T"), denial("ls", 9, "file-read-data", "/x"));
        let told = line("12 duplicate reports for Sandbox: ls(9) deny(1) file-read-data /x\nT");
        assert_eq!(read(&told, "T"), denial("ls", 9, "file-read-data", "/x"));
    }

    #[test]
    fn other_lines_are_nothing() {
        for other in [
            line("Sandbox: bash(4242) deny(1) file-read-data /x\nother"),
            line("Sandbox: bash(4242) allow file-read-data /x\nT"),
            line("Sandbox: bash(x) deny(1) file-read-data /x\nT"),
            line("Sandbox: bash(4242) deny(1) <script> /x\nT"),
            line("hello Sandbox: bash(4242) deny(1) file-read-data /x\nT"),
            line("T"),
            "Filtering the log data using \"eventMessage ENDSWITH \\\"T\\\"\"".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&other, "T"), None, "{other}");
        }
    }

    #[test]
    fn the_log_is_asked_for_one_run_only() {
        let wanted =
            ["show", "--style", "ndjson", "--last", "5", "--predicate", "eventMessage ENDSWITH \"a_1\""];
        assert_eq!(show("a_1\"", 5), wanted);
        let wanted = ["stream", "--style", "ndjson", "--predicate", "eventMessage ENDSWITH \"a\""];
        assert_eq!(stream("a"), wanted);
    }
}
