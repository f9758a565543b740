//! Random calls of a generated program: every outcome is the policy's where the policy refuses, and the kernel's own
//! where it does not; every refusal is in the list of violations, and nothing else is. The kernel's own answers come
//! from the same program run on a twin of the tree without a sandbox.

use crate::world::{World, each};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sbsh::policy::{self, Access};
use sbsh::settings;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories of the tree, below `outside` (`o/`) and the project (`p/`); `new` is missing.
const PLACES: &[&str] = &["o", "o/w", "o/w/deep", "o/new", "o/ro", "p", "p/sub", "p/kept"];
/// Endings of names: what settings say of them differs.
const ENDINGS: &[&str] = &["", ".key", ".log"];
/// Calls that take one name, and one that takes two.
const CALLS: &[&str] =
    &["create", "write", "mkdir", "rmdir", "unlink", "symlink", "chmod", "truncate", "utime"];

#[derive(Debug, Clone)]
struct Step {
    call: &'static str,
    place: &'static str,
    ending: &'static str,
    /// A file stands there before.
    there: bool,
    /// For a rename: where to.
    to: Option<(&'static str, &'static str)>,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || (proptest::sample::select(PLACES), proptest::sample::select(ENDINGS));
    let to = prop_oneof![4 => Just(None), 1 => name().prop_map(Some)];
    (proptest::sample::select(CALLS), name(), any::<bool>(), to)
        .prop_map(|(call, (place, ending), there, to)| Step { call, place, ending, there, to })
}

/// Prints an errno (0: done) for each line `call path to`.
const PROGRAM: &str = r#"
import os, sys
def go(call, path, to):
    if call == 'create': os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
    elif call == 'write': os.close(os.open(path, os.O_WRONLY))
    elif call == 'mkdir': os.mkdir(path)
    elif call == 'rmdir': os.rmdir(path)
    elif call == 'unlink': os.unlink(path)
    elif call == 'symlink': os.symlink('target', path)
    elif call == 'chmod': os.chmod(path, 0o600)
    elif call == 'truncate': os.truncate(path, 1)
    elif call == 'utime': os.utime(path, (5, 5))
    elif call == 'rename': os.rename(path, to)
for line in sys.stdin.read().splitlines():
    try: go(*line.split(' ')); print(0)
    except OSError as error: print(error.errno)
"#;

struct Tree {
    outside: PathBuf,
    project: PathBuf,
}

impl Tree {
    fn path(&self, place: &str, name: &str) -> PathBuf {
        let top = if place.starts_with('o') { &self.outside } else { &self.project };
        top.join(place.get(2..).unwrap_or("")).join(name)
    }

    fn lay(&self, world: &World, steps: &[Step]) {
        for place in PLACES.iter().filter(|place| **place != "o/new") {
            let directory = self.path(place, "");
            fs::create_dir_all(&directory).unwrap();
            world.give(&directory);
        }
        for (index, step) in steps.iter().enumerate() {
            if step.there && step.place != "o/new" {
                world.write(&self.path(step.place, &format!("n{index}{}", step.ending)), "text");
            }
        }
    }

    /// The program's input: each step has names of its own, so no step sees what another did.
    fn lines(&self, steps: &[Step]) -> String {
        let line = |(index, step): (usize, &Step)| {
            let path = self.path(step.place, &format!("n{index}{}", step.ending));
            match step.to {
                Some((place, ending)) => {
                    let to = self.path(place, &format!("t{index}{ending}"));
                    format!("rename {} {}\n", path.display(), to.display())
                }
                None => format!("{} {} -\n", step.call, path.display()),
            }
        };
        steps.iter().enumerate().map(line).collect()
    }
}

#[test]
fn every_outcome_is_the_policys_and_every_refusal_is_in_the_list() {
    each(|world| {
        let (outside, project) = (world.outside.display(), world.project.display());
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/w","{outside}/new","{outside}/*.log"],
                "denyWrite":["{project}/**/*.key","{project}/kept","{outside}/w/**/*.key"]}}}}}}"#
        ));
        world.write(&world.home.join("program.py"), PROGRAM);
        let locations = world.locations();
        // What exists is mounted when the settings are read; names that match later are the gatekeeper's.
        let tree = Tree { outside: world.outside.clone(), project: world.project.clone() };
        let twin_top = world.home.join("twin");
        let twin = Tree { outside: twin_top.join("o"), project: twin_top.join("p") };
        let cases = Config { cases: 12, failure_persistence: None, ..Config::default() };
        TestRunner::new(cases)
            .run(&proptest::collection::vec(step(), 40), |steps| {
                for top in [&tree.outside, &tree.project, &twin_top] {
                    for entry in fs::read_dir(top).into_iter().flatten().flatten() {
                        if entry.file_name() != ".claude" {
                            let path = entry.path();
                            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                                .unwrap();
                        }
                    }
                }
                tree.lay(world, &steps);
                fs::create_dir_all(&twin_top).unwrap();
                world.give(&twin_top);
                twin.lay(world, &steps);
                // Its directory, which the policy lets be made, is there in the twin.
                fs::create_dir_all(twin.path("o/new", "")).unwrap();
                world.give(&twin.path("o/new", ""));
                let layers = settings::load(&locations).unwrap();
                let files = policy::build(&layers, &locations).unwrap().files;
                let writable = |path: &Path| files.access(path) == Access::Write;
                let program = world.home.join("program.py").display().to_string();
                let run = |shell: PathBuf, before: &str, tree: &Tree| {
                    let text =
                        format!("{before}python3 {program} <<'LINES'\n{}LINES\nfalse", tree.lines(&steps));
                    world.command(shell).args(["-c", &text]).output().unwrap()
                };
                let own = run("/bin/bash".into(), "", &twin);
                let before = format!("mkdir {outside}/new; ");
                let ran = run(world.bin("sbsh"), &before, &tree);
                let numbers = |bytes: &[u8]| -> Vec<i32> {
                    String::from_utf8_lossy(bytes).lines().map(|line| line.parse().unwrap()).collect()
                };
                let (own, ran_as, told) = (
                    numbers(&own.stdout),
                    numbers(&ran.stdout),
                    String::from_utf8_lossy(&ran.stderr).into_owned(),
                );
                prop_assert_eq!(own.len(), steps.len());
                prop_assert_eq!(ran_as.len(), steps.len(), "{}", &told);
                let mut expected = BTreeSet::new();
                for (index, step) in steps.iter().enumerate() {
                    let path = tree.path(step.place, &format!("n{index}{}", step.ending));
                    let to = step.to.map(|(place, ending)| tree.path(place, &format!("t{index}{ending}")));
                    // A link at a name that settings open would choose what the next command may write.
                    let link = step.call == "symlink" && to.is_none() && step.place == "o";
                    let refused = std::iter::once(&path).chain(&to).find(|path| link || !writable(path));
                    match refused {
                        // Between two mounts a file is copied, as between two disks (rename(2), EXDEV).
                        None if to.is_some() && ran_as[index] == 18 => {}
                        None => prop_assert_eq!(ran_as[index], own[index], "{:?} {}", step, &told),
                        Some(refused) if own[index] == 0 => {
                            prop_assert_ne!(ran_as[index], 0, "{:?}", step);
                            expected.insert(refused.display().to_string());
                        }
                        Some(_) => prop_assert_ne!(ran_as[index], 0, "{:?}", step),
                    }
                }
                let log =
                    fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap_or_default();
                let _ = fs::remove_file(world.home.join(".local/state/sbsh/audit.jsonl"));
                let recorded: BTreeSet<String> = log
                    .lines()
                    .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
                    .filter(|entry| entry["event"] == "violation")
                    .map(|entry| entry["path"].as_str().unwrap().to_owned())
                    .collect();
                prop_assert_eq!(recorded, expected, "{}", &told);
                Ok(())
            })
            .unwrap();
    });
}
