//! The log's promises: whole lines of many writers, one chain over all files, and a word about everything that broke it.

use super::head::Head;
use super::verify::{Checked, verify};
use super::*;
use crate::system::visible::hex;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

fn place() -> (tempfile::TempDir, Log) {
    let top = tempfile::tempdir().unwrap();
    let log = Log::of(top.path());
    (top, log)
}

fn entries(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn numbers(path: &Path) -> Vec<u64> {
    entries(path).iter().filter_map(|entry| entry["number"].as_u64()).collect()
}

fn write(log: &Log, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        log.note(&json!({ "number": number })).unwrap();
    }
}

/// What is broken, as `file:line: what`.
fn broken(log: &Log) -> Vec<String> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let checked = verify(log).unwrap();
    checked.broken.iter().map(|(at, what)| format!("{}:{}: {what}", name(&at.file), at.line)).collect()
}

fn in_order(log: &Log) -> Checked {
    let checked = verify(log).unwrap();
    assert_eq!(checked.broken, [], "{checked:?}");
    checked
}

#[test]
fn lines_of_many_writers_stay_whole_over_many_files_and_are_private() {
    let top = tempfile::tempdir().unwrap();
    let log = Log { most: 20_000, ..Log::of(&top.path().join("a/b")) };
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let log = &log;
            scope.spawn(move || {
                let mut scribe = Scribe::of(log.clone());
                for number in 0..50 {
                    scribe.note(&json!({"writer": writer, "number": number})).unwrap();
                    if number % 3 == 0 {
                        scribe.write_down().unwrap();
                    }
                }
            });
        }
    });
    let checked = in_order(&log);
    assert_eq!((checked.entries, checked.numbers, checked.torn.len()), (400, Some((1, 400)), 0));
    assert!(checked.files > 2 && checked.files <= 1 + KEPT as usize, "{checked:?}");
    let mut all: Vec<(u64, u64)> = log
        .files()
        .iter()
        .flat_map(|file| entries(file))
        .map(|entry| (entry["writer"].as_u64().unwrap(), entry["number"].as_u64().unwrap()))
        .collect();
    // Each writer's own lines keep their order.
    let of_one: Vec<u64> = all.iter().filter(|(writer, _)| *writer == 3).map(|(_, number)| *number).collect();
    assert!(of_one.is_sorted());
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 400);
    for file in log.files().iter().chain([&log.head()]) {
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn the_oldest_file_goes_last_and_only_that() {
    let (_top, log) = place();
    let log = Log { most: 500, ..log };
    write(&log, 1..100);
    let files = log.files();
    assert_eq!(files.len(), 1 + KEPT as usize);
    let all: Vec<u64> = files.iter().flat_map(|file| numbers(file)).collect();
    assert!(all.len() > 10 && all.is_sorted() && all.last() == Some(&99), "{all:?}");
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() <= 500));
    assert_eq!(in_order(&log).numbers, Some((all[0], 99)));
    // The oldest one taken away is not what rotation does.
    fs::remove_file(log.aside(KEPT)).unwrap();
    let text = broken(&log).join("\n");
    assert!(text.starts_with("audit.jsonl.7:1: entries"), "{text}");
    // The gap is filled before anything goes.
    write(&log, 100..103);
    assert_eq!(log.files().len(), 1 + KEPT as usize);
}

#[test]
fn a_crash_while_files_were_moved_costs_nothing() {
    let (_top, log) = place();
    write(&log, 1..4);
    // The file was set aside, and the writer died.
    fs::rename(log.path(), log.aside(1)).unwrap();
    in_order(&log);
    write(&log, 4..6);
    assert_eq!((in_order(&log).entries, numbers(log.path())), (5, vec![4, 5]));
}

#[test]
fn every_change_is_found_with_its_line() {
    type Change = fn(&mut Vec<String>);
    let cases: [(Change, &[&str]); 6] = [
        (
            |lines| lines[1] = lines[1].replace("\"number\":2", "\"number\":9"),
            &["audit.jsonl:2: entry 2 was changed: the one after it does not agree with it"],
        ),
        (|lines| drop(lines.remove(1)), &["audit.jsonl:2: entry 2 is missing"]),
        (|lines| drop(lines.drain(1..3)), &["audit.jsonl:2: entries 2 to 3 are missing"]),
        (|lines| drop(lines.pop()), &["audit.jsonl:4: it ends here: entry 5 is missing"]),
        (
            |lines| lines[4] = lines[4].replace("\"number\":5", "\"number\":9"),
            &["audit.jsonl:5: entry 5 was changed: audit.head does not agree with it"],
        ),
        (|lines| lines.insert(1, "{}".into()), &["audit.jsonl:2: this is no entry of the log"]),
    ];
    for (change, expected) in cases {
        let (_top, log) = place();
        write(&log, 1..6);
        in_order(&log);
        let mut lines: Vec<String> =
            fs::read_to_string(log.path()).unwrap().lines().map(str::to_owned).collect();
        change(&mut lines);
        fs::write(log.path(), lines.join("\n") + "\n").unwrap();
        assert_eq!(broken(&log), expected);
    }
}

#[test]
fn a_cut_log_is_said_so_by_the_next_writer_too() {
    let (_top, log) = place();
    write(&log, 1..6);
    let size = fs::metadata(log.path()).unwrap().len();
    File::options().write(true).open(log.path()).unwrap().set_len(size / 2).unwrap();
    write(&log, [6]);
    let found = entries(log.path());
    let [.., note, last] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&note["event"], &note["what"], &note["seq"]), (&json!("log"), &json!("cut"), &json!(6)));
    assert_eq!((&last["number"], &last["seq"]), (&json!(6), &json!(7)));
    assert_eq!(broken(&log).len(), 1, "{:?}", broken(&log));
    fs::remove_file(log.path()).unwrap();
    assert_eq!(broken(&log), ["audit.jsonl:1: it ends here: entries 1 to 7 are missing"]);
    write(&log, [7]);
    assert_eq!(entries(log.path())[0]["what"], "cut");
    assert_eq!(broken(&log), ["audit.jsonl:1: entries 1 to 7 are missing"]);
}

#[test]
fn a_half_line_is_noted_and_breaks_nothing() {
    for torn in ["{\"time\":1,\"se", "{\"a\":1}\n", "x\n{\"b\""] {
        let (_top, log) = place();
        write(&log, 1..3);
        File::options().append(true).open(log.path()).unwrap().write_all(torn.as_bytes()).unwrap();
        let checked = in_order(&log);
        assert_eq!((checked.entries, checked.torn.len(), checked.torn[0].line), (2, 1, 3));
        write(&log, 3..6);
        let checked = in_order(&log);
        assert_eq!((checked.entries, checked.torn.len(), checked.torn[0].line), (6, 1, 3));
        assert_eq!(numbers(log.path()), [1, 2, 3, 4, 5]);
        // What was noted may not be changed either.
        let text = fs::read_to_string(log.path()).unwrap();
        let changed = text.replacen(torn.trim_end(), "y", 1);
        assert_ne!(text, changed);
        fs::write(log.path(), changed).unwrap();
        assert_eq!(broken(&log), ["audit.jsonl:3: this is no entry of the log"], "{torn}");
    }
}

#[test]
fn lines_whose_writer_died_before_the_head_count() {
    let (_top, log) = place();
    write(&log, 1..3);
    let old = fs::read(log.head()).unwrap();
    write(&log, 3..5);
    fs::write(log.head(), old).unwrap();
    assert_eq!(in_order(&log).entries, 4);
    write(&log, [5]);
    assert_eq!((in_order(&log).entries, numbers(log.path())), (5, vec![1, 2, 3, 4, 5]));
}

#[test]
fn without_a_head_the_chain_goes_on_and_that_is_said() {
    for torn in ["", "{\"half"] {
        let (_top, log) = place();
        write(&log, 1..4);
        File::options().append(true).open(log.path()).unwrap().write_all(torn.as_bytes()).unwrap();
        fs::remove_file(log.head()).unwrap();
        assert_eq!(broken(&log), ["audit.head:1: it is missing, so entries may be missing at the end"]);
        write(&log, 4..6);
        let checked = in_order(&log);
        assert_eq!((checked.torn.len(), checked.numbers.unwrap().0), (usize::from(!torn.is_empty()), 1));
        assert!(entries(log.path()).iter().any(|entry| entry["what"] == "no head"));
        fs::remove_file(log.path()).unwrap();
        fs::remove_file(log.head()).unwrap();
        write(&log, [1]);
        assert_eq!(in_order(&log).entries, 1);
    }
}

#[test]
fn what_cannot_be_written_is_an_error_and_leaves_the_log_as_it_was() {
    let (top, log) = place();
    write(&log, 1..3);
    let before = fs::read(log.path()).unwrap();
    fs::remove_file(log.head()).unwrap();
    fs::create_dir(log.head()).unwrap();
    assert!(log.note(&json!({})).is_err());
    assert_eq!(fs::read(log.path()).unwrap(), before);
    fs::write(top.path().join("file"), "").unwrap();
    assert!(Log::of(&top.path().join("file")).note(&json!({})).is_err());
}

#[test]
fn what_waits_is_written_at_the_latest_at_the_end() {
    let (_top, log) = place();
    let mut scribe = Scribe::of(log.clone());
    scribe.note(&json!({"number": 1})).unwrap();
    assert!(!log.path().exists());
    assert!(scribe.note(&json!("no object")).is_err());
    scribe.note(&json!({"number": 2})).unwrap();
    drop(scribe);
    assert_eq!(numbers(log.path()), [1, 2]);
    let mut scribe = Scribe::of(log.clone());
    for number in 3..3000 {
        scribe.note(&json!({"number": number, "text": "some words that make it longer"})).unwrap();
    }
    let written = numbers(log.path()).len();
    assert!(written > 2000 && written < 2999, "{written}");
    assert_eq!(hex(&Head::read(&log.head()).unwrap().hash), hex(&verify(&log).unwrap().hash.unwrap()));
}

#[test]
fn the_names_are_each_once() {
    let mut names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Event::ALL.len());
}
