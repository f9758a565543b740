//! The house rules of `src/`, read from the source itself: which stage may use which, which stages stay pure, where
//! `unsafe` may stand, that every file says what it owns, and that none grows too long. `src/lib.rs` draws the map
//! that is kept here. Code behind `#[cfg(test)]` is free.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The stages in their order: each may use those before it, with the exceptions that [`may_use`] names.
const ORDER: &[&str] = &[
    "settings",
    "policy",
    "command",
    "verdict",
    "hooks",
    "approval",
    "audit",
    "confinement",
    "gatekeeper",
    "broker",
    "network",
    "run",
    "session",
    "report",
    "admin",
];

/// Used by all; they use no stage.
const FOUNDATIONS: &[&str] = &["system", "exit"];

/// The facts about whoever started sbsh. They say where settings lie; only those who drive the stages hold them.
const CALLER: &str = "caller";

/// Stages that know neither files nor clock nor processes.
const PURE: &[&str] = &["policy", "command", "verdict", "cli"];

/// What a pure stage does not name.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::time",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "nix",
    "libc",
];

/// Methods of `Path` that look at the file system.
const LOOKING: &[&str] = &[
    "canonicalize",
    "exists",
    "is_dir",
    "is_file",
    "is_symlink",
    "metadata",
    "read_dir",
    "read_link",
    "symlink_metadata",
    "try_exists",
];

/// Lines of a file, without its tests.
const LONGEST: usize = 450;

/// Whether stage `from` may use stage `to`; if not, the rule that it breaks.
fn may_use(from: &str, to: &str) -> Result<(), String> {
    let place = |stage: &str| ORDER.iter().position(|name| *name == stage);
    let known = |stage: &str| {
        place(stage).is_some()
            || FOUNDATIONS.contains(&stage)
            || ["cli", "pipeline", "doors", CALLER].contains(&stage)
    };
    if !known(from) || !known(to) {
        let unknown = if known(from) { to } else { from };
        return Err(format!("'{unknown}' has no place in the order of tests/structure.rs and src/lib.rs"));
    }
    if from == to || FOUNDATIONS.contains(&to) || from == "doors" {
        return Ok(());
    }
    match (from, to) {
        (_, "doors") => Err("doors is above everything: only main.rs calls it".to_owned()),
        ("pipeline", "admin") => Err("admin asks the pipeline, not the other way round".to_owned()),
        ("pipeline", _) | ("admin", "pipeline") => Ok(()),
        (_, "pipeline") => Err("pipeline is above the stages: only admin and doors call it".to_owned()),
        ("cli" | "system" | "exit", _) => Err(format!("{from} uses no stage")),
        ("admin", "cli" | "report" | CALLER) | (CALLER, "settings") => Ok(()),
        (_, CALLER) => Err("caller is used by pipeline and admin only".to_owned()),
        (CALLER, _) => Err("caller uses settings only".to_owned()),
        (_, "cli") => Err("cli is used by pipeline and admin only".to_owned()),
        (_, "report") => Err("report is used by pipeline and admin only".to_owned()),
        ("run", stage)
            if !["confinement", "gatekeeper", "broker", "network", "policy", "settings"].contains(&stage) =>
        {
            Err("run uses confinement, gatekeeper, broker, network, policy and settings only".to_owned())
        }
        _ if place(to) < place(from) => Ok(()),
        _ => Err(format!("a stage uses earlier ones only: {}", ORDER.join(", "))),
    }
}

// --- reading Rust ------------------------------------------------------------------------------------------------

/// A word or a sign of the code, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// The code of a text: identifiers, `::` and single signs. Comments, strings, characters and lifetimes are no code.
fn tokens(text: &str) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < characters.len() {
        let end = end_of_silence(&characters, at).unwrap_or_else(|| {
            let end = end_of_word(&characters, at);
            if !characters[at].is_whitespace() {
                tokens.push(Token { text: characters[at..end].iter().collect(), line });
            }
            end
        });
        line += characters[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

fn word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The end of the identifier, number, `::` or single sign that begins here.
fn end_of_word(characters: &[char], start: usize) -> usize {
    if word(characters[start]) {
        return characters[start..]
            .iter()
            .position(|c| !word(*c))
            .map_or(characters.len(), |length| start + length);
    }
    if characters[start..].starts_with(&[':', ':']) { start + 2 } else { start + 1 }
}

/// The end of the comment, string, character or lifetime that begins here, if one does.
fn end_of_silence(characters: &[char], start: usize) -> Option<usize> {
    let rest = &characters[start..];
    let length = rest.len();
    let find = |from: usize, what: &[char]| {
        (from..length).find(|at| rest[*at..].starts_with(what)).map_or(length, |at| at + what.len())
    };
    match rest {
        ['/', '/', ..] => Some(start + rest.iter().position(|c| *c == '\n').unwrap_or(length)),
        ['/', '*', ..] => Some(start + block_comment(rest)),
        ['"', ..] => Some(start + quoted(rest, 0)),
        ['b' | 'c', '"', ..] => Some(start + quoted(rest, 1)),
        ['b', '\'', ..] => Some(start + character(rest, 1).unwrap_or(2)),
        ['\'', ..] => Some(start + character(rest, 0).unwrap_or(1)),
        ['r', '"' | '#', ..] | ['b' | 'c', 'r', '"' | '#', ..] => {
            let hashes_at = rest.iter().position(|c| *c == 'r').unwrap() + 1;
            let hashes = rest[hashes_at..].iter().take_while(|c| **c == '#').count();
            // `r#name` is an identifier, not a string.
            if rest.get(hashes_at + hashes) != Some(&'"') {
                return (hashes > 0).then_some(start + hashes_at + hashes);
            }
            let mut close = vec!['"'];
            close.extend(std::iter::repeat_n('#', hashes));
            Some(start + find(hashes_at + hashes + 1, &close))
        }
        _ => None,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string whose first quote stands at `open`.
fn quoted(rest: &[char], open: usize) -> usize {
    let mut at = open + 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    rest.len().min(at + 1)
}

/// The length of a character literal whose quote stands at `open`; a lifetime is none.
fn character(rest: &[char], open: usize) -> Option<usize> {
    if rest.get(open + 1) == Some(&'\\') {
        let close = rest.iter().skip(open + 3).position(|c| *c == '\'')?;
        return Some(open + 3 + close + 1);
    }
    (rest.get(open + 2) == Some(&'\'')).then_some(open + 3)
}

/// The tokens without the items behind `#[cfg(test)]`, the number of lines that those take, and the names of the
/// modules among them that are files of their own.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, usize, Vec<String>) {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    let (mut kept, mut lines, mut files) = (Vec::new(), 0, Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let plain = ["#", "[", "cfg", "(", "test", ")", "]"];
        let all = ["#", "[", "cfg", "(", "all", "(", "test"];
        let begins = |words: &[&str]| words.iter().enumerate().all(|(offset, text)| is(at + offset, text));
        if !begins(&plain) && !begins(&all) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let start = at;
        let mut depth = 0;
        at += plain.len();
        // The item ends with its `;` or with the brace that closes its block.
        while at < tokens.len() {
            match tokens[at].text.as_str() {
                "{" | "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" if depth == 1 => break,
                "}" => depth -= 1,
                ";" if depth <= 0 => break,
                _ => {}
            }
            at += 1;
        }
        if let Some([module, name, end]) = tokens.get(start + plain.len()..=at)
            && (module.text.as_str(), end.text.as_str()) == ("mod", ";")
        {
            files.push(name.text.clone());
        }
        let last = tokens.get(at).or(tokens.last()).unwrap().line;
        lines += last + 1 - tokens[start].line;
        at += 1;
    }
    (kept, lines, files)
}

/// Every path of the code, such as `std::fs::read`; `use a::{b, c::d};` is `a::b` and `a::c::d`.
fn paths(tokens: &[Token]) -> Vec<(Vec<String>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].text.starts_with(word) {
            at = path(tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path or use tree behind `prefix`; the place after it.
fn path(tokens: &[Token], start: usize, prefix: &[String], found: &mut Vec<(Vec<String>, usize)>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut names = prefix.to_vec();
    let mut at = start;
    loop {
        if text(at) == "{" {
            at += 1;
            while at < tokens.len() && text(at) != "}" {
                at = if text(at) == "," { at + 1 } else { path(tokens, at, &names, found) };
            }
            return at + 1;
        }
        if !text(at).starts_with(word) && text(at) != "*" {
            // `::<` of a turbofish, or the end of a broken tree.
            break;
        }
        names.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if names.len() > prefix.len() {
        found.push((names, tokens[start].line));
    }
    // `as name` within a tree.
    if !prefix.is_empty() && text(at) == "as" {
        at += 2;
    }
    at.max(start + 1)
}

// --- the rules ---------------------------------------------------------------------------------------------------

/// One file of `src/`: its path below `src/` and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The stage that the file belongs to: its first folder, or its name at the top.
    fn stage(&self) -> String {
        let first = self.path.iter().next().unwrap().to_str().unwrap();
        first.strip_suffix(".rs").unwrap_or(first).to_owned()
    }

    /// How many `super` lead from this file's module to the crate.
    fn depth(&self) -> usize {
        let folders = self.path.iter().count();
        if self.path.ends_with("mod.rs") { folders - 1 } else { folders }
    }

    fn is(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.path == Path::new(path))
    }

    /// The files that `#[cfg(test)] mod NAME;` names.
    fn test_files(&self) -> Vec<PathBuf> {
        let (_, _, names) = without_tests(&tokens(&self.text));
        let folder =
            if self.path.ends_with("mod.rs") || self.path.iter().count() == 1 && self.stage() == "lib" {
                self.path.parent().unwrap().to_path_buf()
            } else {
                self.path.with_extension("")
            };
        names
            .iter()
            .flat_map(|name| [folder.join(name).with_extension("rs"), folder.join(name).join("mod.rs")])
            .collect()
    }

    /// What is wrong with the file, each as `src/FILE:LINE: …`.
    fn complaints(&self) -> Vec<String> {
        let (code, test_lines, _) = without_tests(&tokens(&self.text));
        let mut complaints = Vec::new();
        let mut complain = |line: usize, what: String| {
            complaints.push(format!("src/{}:{line}: {what}", self.path.display()))
        };
        if !self.text.starts_with("//!") {
            complain(1, "begins without `//!` and what the file owns".to_owned());
        }
        let length = self.text.lines().count() - test_lines;
        if length > LONGEST {
            complain(1, format!("{length} lines without tests; at most {LONGEST}: split it"));
        }
        for (line, what) in self.unsafe_code(&code).into_iter().chain(self.looks(&code)) {
            complain(line, what);
        }
        for (path, line) in paths(&code) {
            if let Some(what) = self.edge(&path).or_else(|| self.effect(&path)) {
                complain(line, format!("`{}`: {what}", path.join("::")));
            }
        }
        complaints
    }

    /// The rule that a path to another stage breaks. The two files at the top, lib.rs and main.rs, are not stages.
    fn edge(&self, path: &[String]) -> Option<String> {
        let stage = self.stage();
        if self.is(&["lib.rs", "main.rs"]) {
            return None;
        }
        let supers = path.iter().take_while(|name| *name == "super").count();
        let target = match path {
            [first, second, ..] if first == "crate" => second,
            _ if supers >= self.depth() => path.get(supers).filter(|name| {
                ORDER.contains(&name.as_str()) || ["cli", "pipeline"].contains(&name.as_str())
            })?,
            _ => return None,
        };
        match target.as_str() {
            "*" | "self" => Some("name the stage: this hides which ones are used".to_owned()),
            target => may_use(&stage, target).err(),
        }
    }

    /// The rule that a path to an effect breaks.
    fn effect(&self, path: &[String]) -> Option<String> {
        let named = |effect: &str| {
            let effect: Vec<&str> = effect.split("::").collect();
            path.len() >= effect.len() && effect.iter().zip(path).all(|(wanted, name)| wanted == name)
        };
        let stage = self.stage();
        if PURE.contains(&stage.as_str()) && EFFECTS.iter().any(|effect| named(effect)) {
            return Some(format!("{stage} is pure: facts come in as arguments"));
        }
        if stage == "confinement" {
            if named("std::fs")
                && !self.is(&["confinement/facts.rs", "confinement/repositories.rs", "confinement/sight.rs"])
            {
                return Some(
                    "only facts.rs, repositories.rs and sight.rs of confinement look at files".to_owned(),
                );
            }
            if named("libc") && !self.is(&["confinement/seccomp.rs", "confinement/seccomp_alone.rs"]) {
                return Some("only seccomp.rs of confinement names libc's constants".to_owned());
            }
        }
        None
    }

    /// Calls of a pure stage that look at the file system without naming it.
    fn looks(&self, code: &[Token]) -> Vec<(usize, String)> {
        let stage = self.stage();
        if !PURE.contains(&stage.as_str()) {
            return Vec::new();
        }
        code.windows(4)
            .filter(|w| {
                w[0].text == "."
                    && w[2].text == "("
                    && w[3].text == ")"
                    && LOOKING.contains(&w[1].text.as_str())
            })
            .map(|w| {
                (
                    w[1].line,
                    format!("`.{}()`: {stage} is pure: it does not look at the file system", w[1].text),
                )
            })
            .collect()
    }

    /// `unsafe` outside system; main.rs may have it in one attribute.
    fn unsafe_code(&self, code: &[Token]) -> Vec<(usize, String)> {
        if self.stage() == "system" {
            return Vec::new();
        }
        let mut allowed_attributes = usize::from(self.is(&["main.rs"]));
        let mut wrong = Vec::new();
        for (at, token) in code.iter().enumerate() {
            let before = |back: usize| at.checked_sub(back).map_or("", |at| code[at].text.as_str());
            let opened = before(1) == "(" && ["allow", "expect"].contains(&before(2));
            match token.text.as_str() {
                "unsafe" if before(1) == "[" && allowed_attributes > 0 => allowed_attributes -= 1,
                "unsafe" => wrong.push((token.line, "`unsafe` stands in src/system/ only".to_owned())),
                "unsafe_code" if opened && !self.is(&["main.rs"]) => {
                    wrong.push((token.line, "only src/system/ may allow unsafe code".to_owned()));
                }
                _ => {}
            }
        }
        wrong
    }
}

/// Every Rust file below `src/`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: path.strip_prefix(&root).unwrap().to_path_buf(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[test]
fn the_source_keeps_the_rules_of_the_house() {
    let sources = sources();
    let tests: BTreeSet<PathBuf> = sources.iter().flat_map(Source::test_files).collect();
    let complaints: Vec<String> =
        sources.iter().filter(|source| !tests.contains(&source.path)).flat_map(Source::complaints).collect();
    assert!(complaints.is_empty(), "{} broken rules:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_stage_of_the_order_is_there_and_no_other() {
    let stages: BTreeSet<String> = sources().iter().map(Source::stage).collect();
    let expected: BTreeSet<String> = ORDER
        .iter()
        .chain(FOUNDATIONS)
        .chain(&["cli", "pipeline", "doors", CALLER, "lib", "main"])
        .map(|s| (*s).to_owned())
        .collect();
    assert_eq!(stages, expected);
}

// --- the scanner itself --------------------------------------------------------------------------------------------

fn complaints(path: &str, text: &str) -> Vec<String> {
    Source { path: path.into(), text: format!("//! Owns a test.\n{text}") }.complaints()
}

#[track_caller]
fn fails(path: &str, text: &str, complaint: &str) {
    assert_eq!(complaints(path, text), [complaint], "{path}: {text}");
}

#[track_caller]
fn passes(path: &str, text: &str) {
    assert_eq!(complaints(path, text), Vec::<String>::new(), "{path}: {text}");
}

#[test]
fn backward_edges_are_found() {
    let order = "a stage uses earlier ones only: settings, policy, command, verdict, hooks, approval, audit, confinement, gatekeeper, broker, network, run, session, report, admin";
    fails(
        "policy/files.rs",
        "use crate::verdict::Verdict;",
        &format!("src/policy/files.rs:2: `crate::verdict::Verdict`: {order}"),
    );
    fails(
        "settings/mod.rs",
        "fn f() -> crate::policy::Mode {}",
        &format!("src/settings/mod.rs:2: `crate::policy::Mode`: {order}"),
    );
    fails(
        "approval/mod.rs",
        "\n\nlet x = $crate::confinement::y();",
        &format!("src/approval/mod.rs:4: `crate::confinement::y`: {order}"),
    );
    fails(
        "verdict/mod.rs",
        "pub use crate::{settings::Origin, system, admin::{self}};",
        &format!("src/verdict/mod.rs:2: `crate::admin::self`: {order}"),
    );
}

#[test]
fn edges_through_super_are_found() {
    let only = "report is used by pipeline and admin only";
    fails(
        "policy/files.rs",
        "use super::super::report::say;",
        &format!("src/policy/files.rs:2: `super::super::report::say`: {only}"),
    );
    fails(
        "run/mod.rs",
        "use super::{report, system};",
        &format!("src/run/mod.rs:2: `super::report`: {only}"),
    );
    passes("run/front.rs", "use super::report;");
    passes("run/front.rs", "use super::super::policy;");
}

#[test]
fn each_rule_of_the_order_holds() {
    for (from, to) in [
        ("policy", "settings"),
        ("verdict", "command"),
        ("admin", "run"),
        ("admin", "cli"),
        ("admin", "report"),
        ("pipeline", "report"),
        ("pipeline", "cli"),
        ("run", "policy"),
        ("run", "confinement"),
        ("run", "network"),
        ("network", "policy"),
        ("run", "settings"),
        ("cli", "system"),
        ("cli", "exit"),
        ("system", "exit"),
        ("settings", "system"),
        ("run", "run"),
        ("confinement", "approval"),
        ("caller", "settings"),
        ("admin", "caller"),
        ("pipeline", "caller"),
        ("admin", "pipeline"),
        ("doors", "admin"),
    ] {
        assert_eq!(may_use(from, to), Ok(()), "{from} → {to}");
    }
    for (from, to, rule) in [
        ("run", "verdict", "run uses confinement"),
        ("run", "approval", "run uses confinement"),
        ("approval", "report", "report is used by"),
        ("verdict", "cli", "cli is used by"),
        ("cli", "policy", "cli uses no stage"),
        ("system", "policy", "system uses no stage"),
        ("exit", "settings", "exit uses no stage"),
        ("caller", "policy", "caller uses settings only"),
        ("settings", "caller", "caller is used by pipeline and admin only"),
        ("run", "pipeline", "pipeline is above"),
        ("pipeline", "admin", "admin asks the pipeline"),
        ("pipeline", "doors", "doors is above"),
        ("report", "admin", "a stage uses earlier ones"),
        ("settings", "policy", "a stage uses earlier ones"),
        ("policy", "network", "a stage uses earlier ones"),
        ("network", "run", "a stage uses earlier ones"),
        ("policy", "nowhere", "'nowhere' has no place"),
        ("nowhere", "policy", "'nowhere' has no place"),
    ] {
        let broken = may_use(from, to).unwrap_err();
        assert!(broken.starts_with(rule), "{from} → {to}: {broken}");
    }
}

#[test]
fn a_use_that_hides_its_stages_is_found() {
    let hides = "name the stage: this hides which ones are used";
    fails("run/mod.rs", "use crate::*;", &format!("src/run/mod.rs:2: `crate::*`: {hides}"));
    fails("run/mod.rs", "use crate::{self as all};", &format!("src/run/mod.rs:2: `crate::self`: {hides}"));
}

#[test]
fn effects_in_pure_stages_are_found() {
    for (path, text, named, line) in [
        ("policy/mod.rs", "use std::fs;", "std::fs", 2),
        ("policy/mod.rs", "use std::{\n    fmt,\n    fs::{self, File},\n};", "std::fs::self", 4),
        ("command/word.rs", "let t = std::time::Instant::now();", "std::time::Instant::now", 2),
        ("verdict/mod.rs", "fn f() { std::env::var(\"X\") }", "std::env::var", 2),
        ("cli/shell.rs", "use nix::unistd;", "nix::unistd", 2),
        ("cli/mod.rs", "libc::exit(1)", "libc::exit", 2),
        ("cli/mod.rs", "::std::process::exit(1)", "std::process::exit", 2),
        ("cli/mod.rs", "use std::net::TcpStream as A;", "std::net::TcpStream", 2),
    ] {
        let stage = path.split('/').next().unwrap();
        let found = complaints(path, text);
        let expected = format!("src/{path}:{line}: `{named}`: {stage} is pure: facts come in as arguments");
        assert_eq!(found.first(), Some(&expected), "{text}");
    }
    passes(
        "policy/mod.rs",
        "use std::os::unix::ffi::OsStrExt;\nuse std::{fmt, path::Path};\nlet unix = x.fs;",
    );
    passes("run/mod.rs", "use std::fs;\nuse nix::unistd;");
    fails(
        "policy/mod.rs",
        "if path.exists() {}",
        "src/policy/mod.rs:2: `.exists()`: policy is pure: it does not look at the file system",
    );
    passes("policy/mod.rs", "if rules.exists(path) {}");
}

#[test]
fn confinement_looks_at_files_in_two_places_only() {
    let files = "only facts.rs, repositories.rs and sight.rs of confinement look at files";
    fails(
        "confinement/plan.rs",
        "use std::fs::File;",
        &format!("src/confinement/plan.rs:2: `std::fs::File`: {files}"),
    );
    passes("confinement/facts.rs", "use std::fs::File;");
    passes("confinement/repositories.rs", "std::fs::read_dir(path)");
    passes("confinement/sight.rs", "std::fs::read_dir(path)");
    let constants = "only seccomp.rs of confinement names libc's constants";
    fails(
        "confinement/facts.rs",
        "libc::AF_UNIX",
        &format!("src/confinement/facts.rs:2: `libc::AF_UNIX`: {constants}"),
    );
    passes("confinement/seccomp.rs", "libc::AF_UNIX");
}

#[test]
fn unsafe_outside_system_is_found() {
    let stands = "`unsafe` stands in src/system/ only";
    fails("run/first.rs", "fn f() {\n    unsafe { g() }\n}", &format!("src/run/first.rs:3: {stands}"));
    fails(
        "run/first.rs",
        "#![allow(unsafe_code)]",
        "src/run/first.rs:2: only src/system/ may allow unsafe code",
    );
    fails(
        "main.rs",
        "#[unsafe(no_mangle)]\nfn main() { unsafe { g() } }",
        &format!("src/main.rs:3: {stands}"),
    );
    fails(
        "main.rs",
        "#[unsafe(no_mangle)]\n#[unsafe(link_section = \"x\")]\nfn main() {}",
        &format!("src/main.rs:3: {stands}"),
    );
    passes("main.rs", "#![allow(unsafe_code)]\n#[unsafe(no_mangle)]\nextern \"C\" fn main() {}");
    passes("policy/mod.rs", "#![forbid(unsafe_code)]");
    passes("system/process.rs", "unsafe { libc::fork() }");
}

#[test]
fn comments_strings_characters_and_lifetimes_are_no_code() {
    passes("policy/mod.rs", "// use std::fs; unsafe\n/* std::fs /* libc:: */ unsafe */\n/// `std::env`");
    passes(
        "policy/mod.rs",
        r##"let s = "std::fs \" libc::x"; let r = r#"" unsafe std::fs "#; let b = b"libc::x"; let c = c"nix::x";"##,
    );
    passes(
        "policy/mod.rs",
        r#"let a = '"'; let b = '\''; let c = b'"'; fn f<'a>(x: &'a str) -> char { '\u{22}' }"#,
    );
    // After each of them the code goes on.
    for before in [
        "// x\n",
        "/* /* */ */",
        "let s = \"\\\\\";",
        "let r = r#\"\"\"#;",
        "let q = '\"';",
        "let q = '\\'';",
        "&'a ",
        "b'\\\\'",
        "r#fn ",
    ] {
        assert_eq!(complaints("run/mod.rs", &format!("{before} unsafe")).len(), 1, "{before}");
    }
}

#[test]
fn tests_are_free_and_what_follows_them_is_not() {
    passes("policy/mod.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { unsafe {} }\n}\n");
    passes(
        "policy/mod.rs",
        "#[cfg(test)]\nuse std::fs;\n#[cfg(all(test, target_os = \"linux\"))]\nmod tests {\n    use std::fs;\n}",
    );
    fails(
        "run/mod.rs",
        "#[cfg(test)]\nmod tests;\nunsafe fn f() {}",
        "src/run/mod.rs:4: `unsafe` stands in src/system/ only",
    );
    fails(
        "run/mod.rs",
        "#[cfg(test)]\nmod tests { fn f([a]: [u8; 3]) { if x { y(); } } }\nunsafe fn f() {}",
        "src/run/mod.rs:4: `unsafe` stands in src/system/ only",
    );
    let source = |path: &str| Source {
        path: path.into(),
        text: "//! x\n#[cfg(test)]\nmod tests;\nmod real;".to_owned(),
    };
    assert_eq!(source("run/mod.rs").test_files(), [Path::new("run/tests.rs"), Path::new("run/tests/mod.rs")]);
    assert_eq!(
        source("run/front.rs").test_files(),
        [Path::new("run/front/tests.rs"), Path::new("run/front/tests/mod.rs")]
    );
    assert_eq!(source("lib.rs").test_files(), [Path::new("tests.rs"), Path::new("tests/mod.rs")]);
}

#[test]
fn files_without_a_head_and_long_files_are_found() {
    let source = Source { path: "run/mod.rs".into(), text: "use std::fs;\n".to_owned() };
    assert_eq!(source.complaints(), ["src/run/mod.rs:1: begins without `//!` and what the file owns"]);
    passes("run/mod.rs", &"fn f() {}\n".repeat(449));
    fails(
        "run/mod.rs",
        &"fn f() {}\n".repeat(450),
        "src/run/mod.rs:1: 451 lines without tests; at most 450: split it",
    );
    passes("run/mod.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(600)));
}
