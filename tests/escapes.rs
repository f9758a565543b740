//! The catalogue of escapes: each technique has a source and tests that exist, and the table of the documents is made of it.
//! What each backend makes of a test comes from docs/what-holds.md, which `.ci/what-holds` makes of test results.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const TABLE: &str = "docs/escapes.md";
/// The classes of ways out, each of which has techniques.
const CLASSES: &[&str] = &[
    "Command text",
    "Excluded commands and rules",
    "Files: writing",
    "Files: protected names",
    "Files: denied reads",
    "Kernel and processes",
    "Network",
    "The way out",
];

struct Entry<'a> {
    technique: &'a str,
    source: &'a str,
    tests: Vec<&'a str>,
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// The classes with their entries, in the order of the file.
fn catalogue(text: &str) -> Vec<(&str, Vec<Entry<'_>>)> {
    let mut classes: Vec<(&str, Vec<Entry<'_>>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(class) = line.strip_prefix("== ") {
            classes.push((class, Vec::new()));
            continue;
        }
        let parts: Vec<&str> = line.split(" | ").collect();
        let [technique, source, tests] = parts[..] else { panic!("three parts: {line}") };
        let tests = tests.split(", ").collect();
        classes.last_mut().expect("a class").1.push(Entry { technique, source, tests });
    }
    classes
}

/// The file that a test is in.
fn file(test: &str) -> String {
    let group = test.split_once("::").expect(test).0;
    if group == "commands" { "tests/commands.rs".into() } else { format!("tests/sandbox/{group}.rs") }
}

/// What Landlock makes of the tests: the reason why one does not pass, or whether its group is run there at all.
struct Landlock {
    reasons: BTreeMap<String, String>,
    groups: Vec<String>,
}

impl Landlock {
    fn of(table: &str) -> Landlock {
        let cells = |line: &str| -> Vec<String> {
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
        };
        let (mut reasons, mut groups) = (BTreeMap::new(), Vec::new());
        for row in table.lines().filter(|line| line.starts_with("| `")).map(cells) {
            match &row[..] {
                [test, why] => drop(reasons.insert(test.clone(), why.clone())),
                [group, ..] => groups.push(group.clone()),
                [] => {}
            }
        }
        Landlock { reasons, groups }
    }

    fn holds(&self, tests: &[&str]) -> String {
        let reasons: Vec<&str> =
            tests.iter().filter_map(|test| self.reasons.get(*test)).map(String::as_str).collect();
        if !reasons.is_empty() {
            return format!("in part: {}", reasons.join("; "));
        }
        let run = |test: &&str| self.groups.iter().any(|group| test.starts_with(&format!("{group}::")));
        // What is judged by the text alone is the same everywhere.
        let text = |test: &&str| test.starts_with("commands::");
        match (
            tests.iter().all(|test| run(test) || text(test)),
            tests.iter().any(|test| run(test) || text(test)),
        ) {
            (true, _) => "holds".into(),
            (false, true) => "holds, as far as it is run there".into(),
            (false, false) => "not run there".into(),
        }
    }
}

fn table() -> String {
    let mut out = String::from(
        "# Ways out that are tried\n\n\
         Made of [tests/escapes.txt](../tests/escapes.txt) and [what-holds.md](what-holds.md) by `SBSH_UPDATE=1 cargo test --test escapes`. \
         Each test looks at the\nhost's state or at what a listener received, as root and as an ordinary user. Under bubblewrap and by our own namespaces \
         all of them\npass, or `.ci/run` does not; the last column is Landlock's. `commands` are judged by their text, which is the same everywhere.\n",
    );
    let (text, holds) = (read("tests/escapes.txt"), Landlock::of(&read("docs/what-holds.md")));
    for (class, entries) in catalogue(&text) {
        write!(out, "\n## {class}\n\n| technique | source | tests | bubblewrap | namespaces | Landlock |\n|---|---|---|---|---|---|\n").unwrap();
        for Entry { technique, source, tests } in entries {
            let named: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
            let row = format!(
                "| {technique} | {source} | {} | holds | holds | {} |\n",
                named.join(", "),
                holds.holds(&tests)
            );
            out.push_str(&row);
        }
    }
    out
}

#[test]
fn every_class_has_techniques_and_every_test_exists() {
    let text = read("tests/escapes.txt");
    let classes = catalogue(&text);
    let names: Vec<&str> = classes.iter().map(|(class, _)| *class).collect();
    assert_eq!(names, CLASSES);
    for (class, entries) in &classes {
        assert!(!entries.is_empty(), "{class}");
        for test in entries.iter().flat_map(|entry| &entry.tests) {
            let name = test.split_once("::").expect(test).1;
            let text = read(&file(test));
            let marked =
                |at: usize| text.get(..at).is_some_and(|before| before.trim_end().ends_with("#[test]"));
            let found = text.match_indices(&format!("fn {name}(")).any(|(at, _)| marked(at));
            assert!(found, "there is no test {test}");
        }
    }
}

/// A test of attacks that is in no line of the catalogue would be missing from the table.
#[test]
fn every_test_of_attacks_is_in_the_catalogue() {
    let text = read("tests/escapes.txt");
    for group in ["ideas", "escapes", "attacks", "gatekeeper_attacks", "broker_attacks", "network_escapes"] {
        let source = read(&format!("tests/sandbox/{group}.rs"));
        for part in source.split("#[test]\nfn ").skip(1) {
            let name = part.split('(').next().unwrap();
            // What goes through as ever.
            let control = ["such_a_repository_can_be_worked_in", "spellings_of_an_allowed_host_reach_it"]
                .contains(&name);
            assert!(control || text.contains(&format!("{group}::{name}")), "{group}::{name} is in no line");
        }
    }
}

#[test]
fn the_table_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let made = table();
    if std::env::var_os("SBSH_UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(read(TABLE) == made, "{TABLE} is not up to date: SBSH_UPDATE=1 cargo test --test escapes");
}
