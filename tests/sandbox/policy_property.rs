//! The kernel's answer inside equals the policy's pure answer: random settings, every path of a small tree.

use crate::world::{World, by_landlock, each};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sbsh::policy::{self, Access};
use sbsh::settings;
use std::path::{Path, PathBuf};

/// The tree; directories end in `/`.
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

/// What settings may name: places of the tree, and globs over it.
fn pattern() -> impl Strategy<Value = String> {
    let places: Vec<String> = TREE.iter().map(|p| p.trim_end_matches('/').to_owned()).collect();
    prop_oneof![
        4 => proptest::sample::select(places),
        1 => proptest::sample::select(vec!["a/*", "**/one", "*/deep", "a/**/one", "b/deep/k*", "[bc]", "?", "a/deep/../two", "./b//one"])
            .prop_map(str::to_owned),
    ]
}

#[derive(Debug, Clone)]
struct Lists {
    outside: [Vec<String>; 4],
    inside: [Vec<String>; 4],
}

fn lists() -> impl Strategy<Value = Lists> {
    let four = || {
        let list = || proptest::collection::vec(pattern(), 0..3);
        (list(), list(), list(), list()).prop_map(|(a, b, c, d)| [a, b, c, d])
    };
    (four(), four()).prop_map(|(outside, inside)| Lists { outside, inside })
}

fn json(world: &World, lists: &Lists) -> String {
    let names = ["allowWrite", "denyWrite", "denyRead", "allowRead"];
    let mut fields = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let entries: Vec<String> = lists.outside[index]
            .iter()
            .map(|p| world.outside.join(p).display().to_string())
            .chain(lists.inside[index].iter().map(|p| world.project.join(p).display().to_string()))
            .collect();
        fields.push(format!("\"{name}\": {}", serde_json::to_string(&entries).unwrap()));
    }
    format!("{{\"sandbox\": {{\"filesystem\": {{{}}}}}}}", fields.join(", "))
}

fn expected(world: &World, path: &Path) -> Access {
    let locations = world.locations();
    let layers = settings::load(&locations).unwrap();
    policy::build(&layers, &locations).unwrap().files.access(path)
}

/// Says of each path what can be done with it: `w`, `r` or `-`.
const PROBE: &str = r#"
import os, sys
for path in sys.stdin.read().split('\n'):
    if not path: continue
    is_directory = path.endswith('/')
    path = path.rstrip('/')
    def can(action):
        try: action(); return True
        except OSError: return False
    def write():
        if is_directory:
            probe = path + '/probe'
            os.mkdir(probe); os.rmdir(probe)
        else: os.close(os.open(path, os.O_WRONLY))
    def read():
        if is_directory: os.listdir(path)
        else: os.close(os.open(path, os.O_RDONLY))
    writes, reads = can(write), can(read)
    print('w' if writes and reads else 'r' if reads else 'x' if writes else '-')
"#;

#[test]
fn the_kernel_answers_as_the_policy_does() {
    each(|world| {
        for top in [&world.outside, &world.project] {
            for path in TREE {
                if path.ends_with('/') {
                    std::fs::create_dir_all(top.join(path)).unwrap();
                    world.give(&top.join(path));
                } else {
                    world.write(&top.join(path), "text\n");
                }
            }
        }
        world.write(&world.outside.join("probe.py"), PROBE);
        let listed = by_landlock();
        let all: Vec<PathBuf> = [&world.outside, &world.project]
            .iter()
            .flat_map(|top| TREE.iter().map(|p| top.join(p)))
            .collect();
        let mut runner =
            TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
        runner
            .run(&lists(), |lists| {
                world.user_settings(&json(world, &lists));
                let wanted: Vec<char> = all
                    .iter()
                    .map(|path| {
                        let text = path.to_str().unwrap();
                        let own = expected(world, Path::new(text.trim_end_matches('/')));
                        // A directory is written by what is made in it.
                        let made = match text.strip_suffix('/') {
                            Some(directory) => expected(world, &Path::new(directory).join("probe")),
                            None => own,
                        };
                        match if own == Access::None { own } else { made.max(Access::Read) } {
                            Access::Write => 'w',
                            Access::Read => 'r',
                            Access::None => '-',
                        }
                    })
                    .collect();
                let input: String = all.iter().map(|p| format!("{}\n", p.display())).collect();
                let script =
                    format!("python3 {}/probe.py <<'PATHS'\n{input}PATHS\n", world.outside.display());
                let ran = world.run(&script);
                let got: Vec<char> = ran.stdout.lines().filter_map(|l| l.chars().next()).collect();
                let differing: Vec<String> = all
                    .iter()
                    .zip(wanted.iter().zip(got.iter()))
                    .filter(|(_, (wanted, got))| wanted != got)
                    // Landlock leaves names to be listed; what the files below say, the paths below ask.
                    .filter(|(path, answers)| {
                        !(listed
                            && path.to_str().is_some_and(|path| path.ends_with('/'))
                            && *answers == (&'-', &'r'))
                    })
                    .map(|(path, (wanted, got))| format!("{}: policy {wanted}, kernel {got}", path.display()))
                    .collect();
                prop_assert!(
                    differing.is_empty() && got.len() == wanted.len(),
                    "{differing:?}\n{}",
                    ran.stderr
                );
                Ok(())
            })
            .unwrap();
    });
}
