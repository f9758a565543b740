//! What is protected can be neither moved away nor moved to nor made, whatever stands above it.

use crate::checker::Checker;
use crate::world::{World, policy};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sbsh::confinement::plan::{Before, Guard, Place, Places};
use std::path::{Path, PathBuf};

fn directory(path: &str) -> Place {
    Place { path: path.into(), directory: true }
}

/// A project with a repository in a subdirectory, as `facts` would find it.
fn project() -> World {
    let guard = |name: &str, before| Guard { root: "/w".into(), name: name.into(), before };
    World {
        places: Places {
            writable: vec![directory("/w")],
            write_denied: ["hooks", "config"].map(|n| directory(&format!("/w/sub/.git/{n}"))).to_vec(),
            guards: vec![
                guard(".git", Before::NoRepository),
                guard("refs", Before::NoBareRepository),
                guard("HEAD", Before::NoBareRepository),
                guard("secret/plan", Before::Missing),
            ],
            ..Places::default()
        },
        roots: vec!["/w".into()],
        ..World::of(policy([&["/w"], &[], &["/w/keys"], &[]]))
    }
}

fn refused(checker: &Checker, operation: &str, paths: &[&str]) {
    paths.iter().for_each(|path| assert!(!checker.file(operation, path), "{operation} {path}"));
}

fn allowed(checker: &Checker, operation: &str, paths: &[&str]) {
    paths.iter().for_each(|path| assert!(checker.file(operation, path), "{operation} {path}"));
}

#[test]
fn ordinary_work_goes_on() {
    let checker = project().checker();
    for operation in ["file-write-create", "file-write-data", "file-write-unlink", "file-write-mode"] {
        let work =
            ["/w/x", "/w/src/main.rs", "/w/sub/.git/index", "/w/sub/.git/refs/heads/config/x", "/w/hooks/a"];
        allowed(&checker, operation, &work);
        allowed(
            &checker,
            operation,
            &["/w/sub/.gitignore", "/w/sub/.github/x", "/w/sub/.bashrc", "/w/config"],
        );
    }
    assert!(checker.moves("/w/a", "/w/b"));
}

#[test]
fn protected_names_are_not_written_at_any_depth_in_any_spelling() {
    let checker = project().checker();
    for operation in ["file-write-create", "file-write-data", "file-write-unlink", "file-write-mode"] {
        refused(
            &checker,
            operation,
            &[
                "/w/.git/hooks/pre-commit",
                "/w/.git/hooks",
                "/w/.GIT/Config",
                "/w/a/b/.git/config",
                "/w/a/b/.git/hoo\u{212a}s/x",
                "/w/a/.git/config.worktree",
                "/w/a/.git/commondir",
                "/w/.git/modules/m/n/hooks/x",
                "/w/.bashrc",
                "/w/.BashRC",
                "/w/.ba\u{17f}hrc",
                "/w/.vscode/tasks.json",
                "/w/.claude/settings.json",
                "/w/.Claude/Settings.json",
                "/System/Volumes/Data/w/.bashrc",
                "/w/secret/plan",
                "/w/secret/PLAN/x",
                "/w/HEAD",
                "/w/head",
                "/w/keys/one",
            ],
        );
    }
}

#[test]
fn a_repository_is_not_made_inside() {
    let checker = project().checker();
    refused(&checker, "file-write-create", &["/w/.git", "/w/a/.git", "/w/a/.GIT", "/w/sub/.git"]);
    assert!(!checker.moves("/w/x", "/w/a/.git"));
    // Some part of a bare one is missing, and one is enough.
    allowed(&checker, "file-write-create", &["/w/refs", "/w/objects", "/w/hooks"]);
}

#[test]
fn nothing_above_a_protected_place_is_moved_or_replaced() {
    let checker = project().checker();
    for path in ["/w", "/w/sub", "/w/SUB", "/w/sub/.git", "/w/.claude", "/w/.CLAUDE", "/w/secret", "/w/keys"]
    {
        refused(&checker, "file-write-unlink", &[path]);
        assert!(!checker.moves(path, "/w/elsewhere"), "{path}");
        assert!(!checker.moves("/w/elsewhere", path), "{path}");
    }
    // What is in it may be worked with.
    allowed(&checker, "file-write-create", &["/w/sub/x", "/w/.claude/notes", "/w/secret/other"]);
}

#[test]
fn the_config_of_the_working_root_is_open_where_settings_say_so() {
    let mut world = project();
    world.files.allow_git_config = true;
    let checker = world.checker();
    allowed(&checker, "file-write-data", &["/w/.git/config"]);
    refused(&checker, "file-write-data", &["/w/sub/.git/config", "/w/.git/hooks", "/w/a/.git/config"]);
}

#[test]
fn no_hard_link_is_made_and_no_device() {
    // A second name for a file that must not be written would be writable. Neither has a rule: what none speaks of is
    // refused.
    let text = project().profile().text;
    for operation in ["file-link", "file-clone", "file-mknod", "file-mount", "file*", "default)"] {
        assert!(!text.contains(&format!("allow {operation}")), "{operation}");
    }
}

const NAMES: &[&str] = &["a", "b", "one", "two"];

fn path() -> impl Strategy<Value = PathBuf> {
    proptest::collection::vec(proptest::sample::select(NAMES), 0..5)
        .prop_map(|names| names.iter().fold(PathBuf::from("/w"), |path, name| path.join(name)))
}

/// Whatever is closed and exists: no directory above it can be moved, so its path stays its only one.
#[test]
fn no_move_takes_something_closed_to_another_name() {
    let list = || proptest::collection::vec(path(), 0..4);
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    runner
        .run(&(list(), list(), list(), path()), |(writable, write_denied, read_denied, to)| {
            let text = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
            let place = |path: &PathBuf| Place { path: path.clone(), directory: true };
            let lists = [text(&writable), text(&write_denied), text(&read_denied)];
            let [w, wd, rd] =
                lists.each_ref().map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
            let world = World {
                places: Places {
                    writable: writable.iter().map(place).collect(),
                    write_denied: write_denied.iter().map(place).collect(),
                    read_denied: read_denied.iter().map(place).collect(),
                    ..Places::default()
                },
                ..World::of(policy([&w, &wd, &rd, &[]]))
            };
            let checker = world.checker();
            for closed in write_denied.iter().chain(&read_denied) {
                for above in closed.ancestors().filter(|above| *above != Path::new("/")) {
                    prop_assert!(!checker.moves(above, &to), "{} → {}", above.display(), to.display());
                    prop_assert!(!checker.moves("/w/elsewhere", above), "→ {}", above.display());
                }
            }
            Ok(())
        })
        .unwrap();
}
