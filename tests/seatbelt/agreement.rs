//! The profile's answer for a path is the policy's: thousands of random policies and paths.

use crate::world::{World, real, rules};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sbsh::confinement::facts;
use sbsh::policy::{Access, FilePolicy};
use sbsh::settings::{self, Locations};
use std::path::{Path, PathBuf};

const NAMES: &[&str] = &["a", "b", "one", "two", "deep", "x.rs", "é", "a b", "[k]", "b+c"];

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => proptest::sample::select(&NAMES[..5]), 1 => proptest::sample::select(NAMES)]
}

fn path(most: usize) -> impl Strategy<Value = PathBuf> {
    proptest::collection::vec(name(), 0..most)
        .prop_map(|names| Path::new("/w").join(names.join("/")).components().collect())
}

fn escaped(name: &str) -> String {
    name.replace('[', "\\[").replace(']', "\\]")
}

/// One component of a glob.
fn part() -> impl Strategy<Value = String> {
    let wild = vec![
        "*",
        "**",
        "?",
        "o*",
        "*e",
        "[ab]",
        "[!a]",
        "[a-c]",
        "{a,two}",
        "{a,b/one}",
        "*.rs",
        "t?o",
        "d{e,}*p",
        "[]x]",
        "[^-b]",
        "{**,b}",
    ];
    prop_oneof![
        3 => name().prop_map(escaped),
        2 => Just("**".to_owned()),
        3 => proptest::sample::select(wild).prop_map(str::to_owned),
    ]
}

fn glob() -> impl Strategy<Value = String> {
    proptest::collection::vec(part(), 1..5).prop_map(|parts| format!("/w/{}", parts.join("/")))
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => path(4).prop_map(|p| escaped(p.to_str().unwrap())),
        2 => glob(),
        1 => Just("/".to_owned()),
    ]
}

fn files(pattern: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = FilePolicy> {
    let list = || proptest::collection::vec(pattern.clone(), 0..4);
    (list(), list(), list(), list()).prop_map(|(w, wd, rd, ra)| FilePolicy {
        writable: rules(&w),
        write_denied: rules(&wd),
        read_denied: rules(&rd),
        read_allowed: rules(&ra),
        ..FilePolicy::default()
    })
}

#[test]
fn the_profile_answers_as_the_policy_does() {
    let pattern = pattern().boxed();
    let paths = proptest::collection::vec(path(8), 12);
    let mut seen = std::collections::BTreeMap::new();
    let counted = std::cell::RefCell::new(&mut seen);
    runner(1500)
        .run(&(files(pattern), paths), |(files, paths)| {
            let world = World::of(files);
            let checker = world.checker();
            for path in paths {
                let wanted = world.files.access(&path);
                prop_assert_eq!(checker.access(&path), wanted, "{:?}", path);
                *counted.borrow_mut().entry(wanted).or_insert(0) += 1;
            }
            Ok(())
        })
        .unwrap();
    assert!(seen.len() == 3 && seen.values().all(|count| *count > 1000), "{seen:?}");
}

#[test]
fn what_is_closed_is_closed_in_every_spelling() {
    let letters = proptest::collection::vec(any::<bool>(), 64);
    let pattern = pattern().boxed();
    runner(800)
        .run(&(files(pattern), path(8), letters), |(files, path, upper)| {
            let spelled: String = path
                .to_str()
                .unwrap()
                .chars()
                .zip(upper.iter().cycle())
                .map(|(c, upper)| match c {
                    'é' if *upper => 'É',
                    'k' if *upper => '\u{212a}',
                    c if *upper => c.to_ascii_uppercase(),
                    c => c,
                })
                .collect();
            let world = World::of(files);
            let (got, most) = (world.checker().access(&spelled), world.files.access(&path));
            prop_assert!(got <= most, "{spelled}: {got:?}, but {}: {most:?}", path.display());
            Ok(())
        })
        .unwrap();
}

#[test]
fn beyond_the_depth_that_is_told_apart_nothing_more_is_open() {
    let deep =
        proptest::sample::select(vec!["/w/**/a", "/w/**/b/**/a", "/w/**/one", "/w/**/[ab]", "/w/**/b/two"]);
    let pattern = deep.prop_map(str::to_owned).boxed();
    runner(150)
        .run(&(files(pattern), path(24)), |(files, path)| {
            let world = World::of(files);
            let (got, most) = (world.checker().access(&path), world.files.access(&path));
            prop_assert!(got <= most, "{}: {got:?}, not {most:?}", path.display());
            Ok(())
        })
        .unwrap();
}

/// The tree of the sandbox's own policy test; directories end in `/`.
const TREE: &[&str] = &[
    "a/",
    "a/one",
    "a/two",
    "a/deep/",
    "a/deep/er/",
    "a/deep/er/one",
    "a/deep/two",
    "b/",
    "b/one",
    "b/deep/",
    "b/deep/key",
    "c",
];

/// From settings files over what exists: what the kernel is compared with on Linux.
#[test]
fn settings_come_out_as_the_policy_says() {
    let top = tempfile::tempdir().unwrap();
    let top = top.path().canonicalize().unwrap();
    let (home, project, outside) = (top.join("home"), top.join("project"), top.join("outside"));
    for place in [&project, &outside] {
        for path in TREE {
            match path.strip_suffix('/') {
                Some(directory) => std::fs::create_dir_all(place.join(directory)).unwrap(),
                None => std::fs::write(place.join(path), "text").unwrap(),
            }
        }
    }
    std::os::unix::fs::symlink(outside.join("b"), outside.join("link")).unwrap();
    std::fs::create_dir_all(home.join(".claude")).unwrap();
    std::fs::create_dir_all(project.join(".claude")).unwrap();
    let locations = Locations {
        home: Some(home.clone()),
        cwd: project.clone(),
        managed_dir: top.join("managed"),
        ..Locations::default()
    };
    let named = TREE.iter().map(|p| p.trim_end_matches('/').to_owned()).collect::<Vec<_>>();
    let globs = [
        "a/*",
        "**/one",
        "*/deep",
        "a/**/one",
        "b/deep/k*",
        "[bc]",
        "?",
        "a/deep/../two",
        "link",
        "link/one",
    ];
    let pattern = prop_oneof![
        4 => proptest::sample::select(named),
        1 => proptest::sample::select(globs.map(str::to_owned).to_vec()),
    ];
    let place = proptest::sample::select(vec![project.clone(), outside.clone()]);
    let entry = (place, pattern).prop_map(|(place, p)| place.join(p).to_str().unwrap().to_owned());
    let list = proptest::collection::vec(entry, 0..4);
    runner(100)
        .run(&(list.clone(), list.clone(), list.clone(), list), |(w, wd, rd, ra)| {
            let text = serde_json::json!({"sandbox": {"filesystem": {
                "allowWrite": w, "denyWrite": wd, "denyRead": rd, "allowRead": ra,
            }}});
            std::fs::write(home.join(".claude/settings.json"), text.to_string()).unwrap();
            let layers = settings::load(&locations).unwrap();
            let files = sbsh::policy::build(&layers, &locations).unwrap().files;
            let facts = facts::read(&files, &[], None).unwrap();
            let world = World { places: facts.places, roots: facts.roots, ..World::of(files) };
            let checker = world.checker();
            for path in [&project, &outside].iter().flat_map(|t| TREE.iter().map(|p| t.join(p))) {
                let path = Path::new(path.to_str().unwrap().trim_end_matches('/'));
                let wanted = resolved(&world, path);
                prop_assert_eq!(checker.access(real(path)), wanted, "{}", path.display());
            }
            Ok(())
        })
        .unwrap();
}

/// The policy's answer with what links lead to counted, which on Linux the mounts of the plan do.
fn resolved(world: &World, path: &Path) -> Access {
    let mut files = world.files.clone();
    let rule = |place: &sbsh::confinement::plan::Place| sbsh::policy::PathRule {
        pattern: sbsh::policy::PathPattern::Literal(place.path.clone()),
        origin: sbsh::settings::Origin::BuiltIn("test"),
    };
    files.writable.extend(world.places.writable.iter().map(rule));
    files.write_denied.extend(world.places.write_denied.iter().map(rule));
    files.read_denied.extend(world.places.read_denied.iter().map(rule));
    files.read_allowed.extend(world.places.read_allowed.iter().map(rule));
    files.access(path)
}
