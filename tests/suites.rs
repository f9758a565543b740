//! Suites that others wrote, run twice: by the plain shell and by sbsh under that shell's name. Both must say the same, byte
//! for byte; where they do not, the difference stands here with its reason. bash's own tests, busybox's tests of a POSIX
//! shell (run by the system's `sh`), and the `configure` that autoconf made for bash.
//!
//! The sources are not part of this repository: `.ci/get-suites` puts them into `target/suites`. SBSH_TEST_SUITES names
//! another directory, or says `none`: then these tests are left out, also where others must run. What was run, with which
//! versions and results, stands in docs/suites.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg(target_os = "linux")]

#[allow(dead_code)]
#[path = "sandbox/world.rs"]
mod world;

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use world::{ORDINARY, World, has};

/// What differs between the two results of a test, and why that is right; a test may have several, in their order.
struct Differs {
    name: &'static str,
    /// What the plain shell says …
    plain: &'static str,
    /// … where sbsh says this.
    ours: &'static str,
    reason: &'static str,
}

const BASH_DIFFERS: &[Differs] = &[
    Differs {
        name: "run-test",
        plain: "t -u /tmp/test.setuid\n0\n",
        ours: "chmod: changing permissions of '/tmp/test.setuid': Operation not permitted\nt -u /tmp/test.setuid\n1\n",
        reason: "nothing inside makes a file that runs as someone else: the filter refuses the set-id bits",
    },
    Differs {
        name: "run-posixexp",
        plain: "argv[1] = <''z}>\n",
        ours: "argv[1] = <''z}>\n\nsh posixexp2.sub: test 9 failed\n",
        reason: "the test copies the shell to the name sh and expects bash; a copy of sbsh named sh is the system's sh",
    },
];

const PORTABLE_DIFFERS: &[Differs] = &[Differs {
    name: "ash-comm/comm.tests",
    plain: "./SCRIPT.sh:\n  /proc/N/comm: SCRIPT.sh\nexec ./SCRIPT.sh:\n  /proc/N/comm: SCRIPT.sh\n",
    ours: "./SCRIPT.sh:\n  /proc/N/comm: sh\nexec ./SCRIPT.sh:\n  /proc/N/comm: sh\n",
    reason: "a process bears the name of the file that was executed last: sbsh executes the shell after the script's first line named sbsh",
}];

const ZSH_DIFFERS: &[Differs] = &[
    Differs {
        name: "C02cond.ztst",
        plain: "C02cond.ztst: starting.\n",
        ours: "C02cond.ztst: starting.\nchmod: changing permissions of 'modish': Operation not permitted\n",
        reason: "nothing inside makes a file that runs as someone else: the filter refuses the set-id bits",
    },
    Differs {
        name: "C02cond.ztst",
        plain: "Running test: -k cond\nTest successful.\n",
        ours: "Running test: -k cond\nTest C02cond.ztst failed: bad status 1, expected 0 from:\n  [[ -k modish && ! -k zerolength ]]\nWas testing: -k cond\nC02cond.ztst: test failed.\n",
        reason: "the same chmod",
    },
    Differs {
        name: "C02cond.ztst",
        plain: "Running test: -u cond\nTest successful.\n",
        ours: "Running test: -u cond\nTest C02cond.ztst failed: bad status 1, expected 0 from:\n  [[ -u modish && ! -u zerolength ]]\nWas testing: -u cond\nC02cond.ztst: test failed.\n",
        reason: "the same chmod",
    },
    Differs {
        name: "C02cond.ztst",
        plain: "C02cond.ztst: all tests successful.\nstatus Some(0)\n",
        ours: "ZTST_test: 2 test(s) failed\nstatus Some(1)\n",
        reason: "these two",
    },
];

/// Of busybox's tests, what says nothing about the system's `sh` where that is dash.
const PORTABLE_LEFT_OUT: &[(&str, &str)] = &[
    (
        "ash-misc/exitcode_trap2.tests",
        "whether the signal or the next command comes first is chance, with dash alone, too",
    ),
    (
        "ash-misc/exitcode_trap6.tests",
        "whether the signal or the next command comes first is chance, with dash alone, too",
    ),
    ("ash-vars/var_LINENO1.tests", "never ends with dash, which does not count lines as busybox does"),
];

/// Of bash's suite: other runners, no tests.
const RUNNERS: &[&str] = &["run-all", "run-minimal", "run-gprof"];

/// Tests that write to fixed names in /tmp: never both sides at once.
const FIXED_NAMES: &[&str] =
    &["run-execscript", "run-glob-test", "run-redir", "run-rsh", "run-test", "run-type"];

/// The long ones, begun first: jobs takes a minute of waiting.
const LONG: &[&str] = &["run-jobs", "run-trap", "run-read", "run-ifs-posix", "run-func"];

/// The longest that one test may take, in seconds; it only ends a test that fails.
const LIMIT: u32 = 120;

/// Tests at a time; most of their time they wait.
const WORKERS: usize = 4;

/// How often the two may differ before it counts: both suites measure pauses, and machines are busy.
const ATTEMPTS: usize = 3;

/// Where a suite's source is; says so where it is not.
fn source(package: &str, file: &str) -> Option<PathBuf> {
    let named = std::env::var_os("SBSH_TEST_SUITES");
    if named.as_deref().is_some_and(|name| name == "none") {
        world::not_here("SBSH_TEST_SUITES says that there are no suites");
        return None;
    }
    let place =
        named.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/suites"), PathBuf::from);
    let directory = place.join(package);
    if directory.join(file).exists() {
        return Some(directory);
    }
    world::skip(&format!("there is no source of {package} in {}: run .ci/get-suites", place.display()));
    None
}

/// One of the two: a home, a directory for the tests, and the shell that is tested.
struct Side {
    world: World,
    shell: PathBuf,
    /// What names this side in its output, and what stands for it in the comparison.
    names: Vec<(String, &'static str)>,
}

impl Side {
    fn new(plain: &'static str, shell: Option<&str>) -> Side {
        let me = nix::unistd::geteuid();
        let world = World::new(if me.is_root() { ORDINARY } else { me.as_raw() });
        // The tests name files in /tmp themselves.
        world.user_settings(r#"{"sandbox": {"filesystem": {"allowWrite": ["/tmp"]}}}"#);
        let shell = shell.map_or_else(|| plain.into(), |name| world.bin(name));
        let mut side = Side { world, shell, names: Vec::new() };
        let asked =
            side.command(side.shell.to_str().unwrap()).args(["-c", "echo \"$TMPDIR\""]).output().unwrap();
        let inside = String::from_utf8(asked.stdout).unwrap().trim().to_owned();
        assert!(inside.starts_with('/'), "no TMPDIR: {}", String::from_utf8_lossy(&asked.stderr));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        side.names = vec![
            (inside, "@TMPDIR"),
            (text(&side.world.project), "@PROJECT"),
            (text(&side.world.outside), "@OUTSIDE"),
            (text(&side.world.home), "@HOME"),
            (text(&side.shell), plain),
        ];
        side
    }

    /// Both sides for a shell: itself, and sbsh by its name.
    fn both(plain: &'static str, name: &str) -> [Side; 2] {
        [Side::new(plain, None), Side::new(plain, Some(name))]
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.world.command(program);
        command
            .env("TMPDIR", self.temporary())
            // The suites put the directory of their tests on PATH, which is no working root by itself.
            .env("SBSH_ROOT", &self.world.project)
            .env("SHELL", "/bin/sh")
            .env("TERM", "dumb")
            .env("USER", "ordinary")
            .env("LOGNAME", "ordinary")
            .env("THIS_SH", &self.shell);
        command
    }

    fn temporary(&self) -> PathBuf {
        let path = self.world.home.join("tmp");
        if !path.exists() {
            fs::create_dir(&path).unwrap();
            self.world.give(&path);
        }
        path
    }

    /// Copies what is in a directory into the project.
    fn bring(&self, directory: &Path) {
        self.bring_as(directory, ".");
    }

    /// Copies a directory into the project, by this name.
    fn bring_as(&self, directory: &Path, name: &str) {
        let to = self.world.project.join(name);
        fs::create_dir_all(&to).unwrap();
        let copied = Command::new("cp").arg("-R").arg(directory.join(".")).arg(to).status().unwrap();
        assert!(copied.success());
        if nix::unistd::geteuid().is_root() {
            let owner = format!("{0}:{0}", self.world.user);
            let given = Command::new("chown").arg("-R").arg(owner).arg(&self.world.project).status().unwrap();
            assert!(given.success());
        }
    }

    /// What a line of the system's `sh` says, run in a directory of the project on a terminal of its own.
    fn says(&self, name: &str, directory: &str, line: &str, set: &[(&str, String)]) -> String {
        let output = self.world.outside.join(name);
        let line = format!("exec >'{}' 2>&1; {line}", output.display());
        let ended = self
            .command("timeout")
            .args(["-k", "5", &LIMIT.to_string(), "script", "-qec", &line, "/dev/null"])
            .envs(set.iter().map(|(key, value)| (key, value)))
            .current_dir(self.world.project.join(directory))
            .env("PWD", self.world.project.join(directory))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .status()
            .unwrap();
        // Every byte as one character: nothing is lost in the comparison.
        let text: String = fs::read(&output).unwrap().iter().map(|byte| char::from(*byte)).collect();
        self.neutral(&text) + &format!("status {:?}\n", ended.code())
    }

    /// A text without what names this side, and without the two notices that this test's own settings bring about.
    fn neutral(&self, text: &str) -> String {
        let notice = |line: &str| {
            line.starts_with("sbsh: the working root ") && line.contains("(SBSH_ROOT) holds programs on PATH")
                || line.starts_with("sbsh: ")
                    && line.contains(" makes /tmp writable, which holds sbsh's private")
        };
        let mut text: String = text.split_inclusive('\n').filter(|line| !notice(line)).collect();
        for (name, neutral) in &self.names {
            text = text.replace(name, neutral);
        }
        text
    }
}

/// The first lines that differ, for the one who reads a failure.
fn difference(plain: &str, ours: &str) -> String {
    let same = plain.lines().zip(ours.lines()).take_while(|(one, other)| one == other).count();
    let from =
        |text: &str| text.lines().skip(same.saturating_sub(2)).take(8).collect::<Vec<_>>().join("\n    ");
    format!("  line {}\n  plain:\n    {}\n  sbsh:\n    {}", same + 1, from(plain), from(ours))
}

/// Whether both say the same, or what is known of this test.
fn agree(name: &str, plain: &str, ours: &str, known: &[Differs]) -> bool {
    if plain == ours {
        return true;
    }
    let mut expected = plain.to_owned();
    for entry in known.iter().filter(|entry| entry.name == name) {
        expected = expected.replacen(entry.plain, entry.ours, 1);
    }
    if expected != ours {
        return false;
    }
    for entry in known.iter().filter(|entry| entry.name == name) {
        println!("{name} differs as known: {}", entry.reason);
    }
    true
}

/// Runs all tests on both sides and fails with all that differ. Each worker has sides of its own: tests use the same names.
fn compare(
    tests: Vec<String>,
    known: &[Differs],
    alone: impl Fn(&str) -> bool + Sync,
    sides: impl Fn() -> [Side; 2] + Sync,
    run: impl Fn(&Side, &str) -> String + Sync,
) {
    let count = tests.len();
    let waiting = Mutex::new(VecDeque::from(tests));
    let failures = Mutex::new(Vec::new());
    let attempt = |[plain, ours]: &[Side; 2], name: &str| {
        if alone(name) {
            return (run(plain, name), run(ours, name));
        }
        std::thread::scope(|scope| {
            let plain = scope.spawn(|| run(plain, name));
            let ours = run(ours, name);
            (plain.join().unwrap(), ours)
        })
    };
    let work = || {
        let sides = sides();
        loop {
            let Some(name) = waiting.lock().unwrap().pop_front() else { return };
            let mut seen = Vec::new();
            while seen.len() < ATTEMPTS {
                let (plain, ours) = attempt(&sides, &name);
                if plain.ends_with("status Some(124)\n") {
                    seen = vec!["  it does not end with the plain shell".to_owned(); ATTEMPTS];
                } else if agree(&name, &plain, &ours, known) {
                    break;
                } else {
                    seen.push(difference(&plain, &ours));
                }
            }
            if seen.len() == ATTEMPTS {
                failures.lock().unwrap().push(format!("{name}\n{}", seen[0]));
            } else if !seen.is_empty() {
                println!("{name} differed {} times and then not:\n{}", seen.len(), seen[0]);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
    println!("{count} tests, both sides alike but for what is said above");
}

/// A directory that everybody may read.
fn readable() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("sbsh-suite").tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Compiles a small program of a suite's.
fn compile(source: &Path, includes: &[&Path], program: &Path) {
    let mut compiler = Command::new("cc");
    compiler.args(["-w", "-DHAVE_STRING_H", "-DHAVE_STDLIB_H", "-DHAVE_UNISTD_H"]);
    for directory in includes {
        compiler.arg("-I").arg(directory);
    }
    let made = compiler.arg("-o").arg(program).arg(source).status().unwrap();
    assert!(made.success(), "cannot compile {}", source.display());
}

/// The locales that bash's tests name, in a directory of their own; says so where they cannot be made.
fn locales(place: &Path) -> bool {
    const WANTED: &[(&str, &str, &str)] = &[
        ("en_US.UTF-8", "en_US", "UTF-8"),
        ("de_DE.UTF-8", "de_DE", "UTF-8"),
        ("fr_FR.ISO8859-1", "fr_FR", "ISO-8859-1"),
        ("zh_HK.big5hkscs", "zh_HK", "BIG5-HKSCS"),
        ("zh_TW.BIG5", "zh_TW", "BIG5"),
        ("ja_JP.SJIS", "ja_JP", "SHIFT_JIS"),
        ("ru_RU.CP1251", "ru_RU", "CP1251"),
    ];
    let started = WANTED.iter().map(|(name, input, characters)| {
        let mut command = Command::new("localedef");
        command.args(["--no-archive", "-c", "-i", input, "-f", characters]).arg(place.join(name));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    for mut child in started.collect::<Vec<_>>() {
        // It warns with a status of 1 about character sets that are not ASCII's.
        child.wait().unwrap();
    }
    let missing: Vec<_> = WANTED.iter().filter(|(name, ..)| !place.join(name).exists()).collect();
    if !missing.is_empty() {
        world::skip(&format!(
            "no locales can be made ({missing:?}): the package 'locales' has what they are made of"
        ));
    }
    missing.is_empty()
}

#[test]
fn bashs_own_tests_say_what_they_say_of_bash() {
    let Some(source) = source("bash", "tests/run-all") else { return };
    let shared = readable();
    if !has(&["cc", "script", "timeout", "localedef", "diff"]) || !locales(shared.path()) {
        return;
    }
    let helpers = ["recho", "zecho", "printenv", "xcase"];
    for helper in helpers {
        let text = source.join(format!("support/{helper}.c"));
        compile(&text, &[&source, &source.join("include")], &shared.path().join(helper));
    }
    let sides = || {
        let sides = Side::both("/bin/bash", "bash");
        for side in &sides {
            side.bring(&source.join("tests"));
            for helper in helpers {
                fs::copy(shared.path().join(helper), side.world.project.join(helper)).unwrap();
            }
            // These three name their result in /tmp without being asked.
            for name in ["run-dbg-support", "run-dbg-support2", "run-set-x"] {
                let path = side.world.project.join(name);
                let text = fs::read_to_string(&path).unwrap();
                fs::write(&path, text.replace("/tmp/${TEST_NAME}", "$TMPDIR/${TEST_NAME}")).unwrap();
            }
        }
        sides
    };
    let mut tests: Vec<String> = fs::read_dir(source.join("tests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("run-") && !RUNNERS.contains(&name.as_str()))
        .collect();
    assert!(tests.len() > 80, "these are not bash's tests: {tests:?}");
    tests.sort_by_key(|name| (!LONG.contains(&name.as_str()), name.clone()));
    let run = |side: &Side, name: &str| {
        // The outputs themselves are compared, not how they differ from what another machine's bash once said.
        let line = format!("diff() {{ while [ $# -gt 2 ]; do shift; done; cat \"$1\"; }}; . ./{name}");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", side.world.project.display());
        let result = side.world.outside.join(format!("{name}.result"));
        let set = [
            ("PATH", path),
            ("BASH_TSTOUT", result.to_str().unwrap().to_owned()),
            ("BUILD_DIR", "..".to_owned()),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("LOCPATH", shared.path().to_str().unwrap().to_owned()),
        ];
        side.says(name, ".", &line, &set)
    };
    compare(tests, BASH_DIFFERS, |name| FIXED_NAMES.contains(&name), sides, run);
}

/// The tests below a directory of busybox's, as `ash-read/read_n.tests`: those that its own runner would start.
fn portable_tests(top: &Path) -> Vec<String> {
    let mut tests = Vec::new();
    for directory in
        fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for path in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            let runs = path.extension().is_some_and(|extension| extension == "tests")
                && path.with_extension("right").exists()
                && fs::metadata(&path).unwrap().permissions().mode() & 0o111 != 0;
            if runs {
                tests.push(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    tests.sort();
    tests
}

#[test]
fn tests_of_a_posix_shell_say_what_they_say_of_the_systems_sh() {
    let Some(source) = source("busybox", "shell/ash_test/run-all") else { return };
    if !has(&["cc", "script", "timeout"]) {
        return;
    }
    let top = source.join("shell/ash_test");
    let shared = readable();
    let helpers = ["recho", "zecho", "printenv"];
    for helper in helpers {
        compile(&top.join(format!("{helper}.c")), &[], &shared.path().join(helper));
    }
    let sides = || {
        let sides = Side::both("/bin/sh", "sh");
        for side in &sides {
            side.bring(&top);
            for helper in helpers {
                fs::copy(shared.path().join(helper), side.world.project.join(helper)).unwrap();
            }
        }
        sides
    };
    let mut tests = portable_tests(&top);
    assert!(tests.len() > 250, "these are not busybox's tests: {tests:?}");
    tests.retain(|name| !PORTABLE_LEFT_OUT.iter().any(|(out, _)| out == name));
    PORTABLE_LEFT_OUT.iter().for_each(|(name, why)| println!("{name} is left out: {why}"));
    let run = |side: &Side, name: &str| {
        let (directory, file) = name.split_once('/').unwrap();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", side.world.project.display());
        side.says(&name.replace('/', "-"), directory, &format!("\"$THIS_SH\" ./{file}"), &[("PATH", path)])
    };
    compare(tests, PORTABLE_DIFFERS, |_| false, sides, run);
}

#[test]
fn zshs_own_tests_say_what_they_say_of_zsh() {
    let Some(source) = source("zsh", "Test/ztst.zsh") else { return };
    if !has(&["zsh", "script", "timeout", "diff"]) {
        return;
    }
    let sides = || {
        let sides = Side::both("/bin/zsh", "zsh");
        for side in &sides {
            ["Test", "Functions", "Completion"]
                .iter()
                .for_each(|part| side.bring_as(&source.join(part), part));
            // It names a file in /tmp by a process number, which sandboxes have in common.
            let terminal = side.world.project.join("Test/comptest");
            let text = fs::read_to_string(&terminal).unwrap();
            fs::write(&terminal, text.replace("/tmp/comptest", "$TMPDIR/comptest")).unwrap();
            // Where the tests look for the shell that was built.
            let built = side.world.project.join("Src/zsh");
            fs::create_dir_all(built.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(&side.shell, built).unwrap();
        }
        sides
    };
    let mut tests: Vec<String> = fs::read_dir(source.join("Test"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".ztst"))
        .collect();
    assert!(tests.len() > 60, "these are not zsh's tests: {tests:?}");
    tests.sort();
    let run = |side: &Side, name: &str| {
        let set = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("ZTST_exe", side.shell.to_str().unwrap().to_owned()),
            ("ZTST_verbose", "1".to_owned()),
            // What fails by zsh itself on this machine fails by both, and is not the end of the file.
            ("ZTST_continue", "1".to_owned()),
            // Inside it is that of sbsh.
            ("TMPPREFIX", side.temporary().join("zsh").to_str().unwrap().to_owned()),
        ];
        let said = side.says(name, "Test", &format!("\"$THIS_SH\" +Z -f ./ztst.zsh {name}"), &set);
        // There are no block devices inside, and on some machines none at all.
        let of_devices =
            |line: &str| line.starts_with("Warning: Not testing [[ -") && line.contains("blockdevice");
        let said: String = said.split_inclusive('\n').filter(|line| !of_devices(line)).collect();
        without_times(&without_numbers_behind(&said, ".ztst."))
    };
    compare(tests, ZSH_DIFFERS, |_| false, sides, run);
}

/// A text without the times in what diff says of two files.
fn without_times(text: &str) -> String {
    let of_diff = |line: &str| line.starts_with("--- ") || line.starts_with("+++ ");
    let lines = text.split_inclusive('\n').map(|line| match line.split_once('\t') {
        Some((name, _)) if of_diff(line) => format!("{name}\n"),
        _ => line.to_owned(),
    });
    lines.collect()
}

/// A text without the process numbers that follow this in it.
fn without_numbers_behind(text: &str, before: &str) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + before + "N" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// What `configure` made in the project, by names, without its log.
fn made(side: &Side) -> Vec<(PathBuf, String)> {
    let mut all = side.world.state(&side.world.project);
    all.retain(|(path, _)| !path.ends_with("config.log"));
    for (path, content) in &mut all {
        *path = path.strip_prefix(&side.world.project).unwrap().to_path_buf();
        *content = side.neutral(content);
    }
    all
}

/// configure by a shell and by sbsh under its name.
fn configures_alike(plain: &'static str, name: &str) {
    let Some(source) = source("bash", "configure") else { return };
    if !has(&["cc", "script", "timeout", "make"]) {
        return;
    }
    let shared = readable();
    let copied = Command::new("cp").arg("-R").arg(source.join(".")).arg(shared.path()).status().unwrap();
    assert!(copied.success());
    let sides = Side::both(plain, name);
    let run = |side: &Side| {
        let set = [("CONFIG_SHELL", side.shell.to_str().unwrap().to_owned())];
        let line = format!("\"$THIS_SH\" '{}/configure'", shared.path().display());
        side.says("configure", ".", &line, &set)
    };
    let (plain, ours) = std::thread::scope(|scope| {
        let plain = scope.spawn(|| run(&sides[0]));
        let ours = run(&sides[1]);
        (plain.join().unwrap(), ours)
    });
    assert!(plain == ours, "configure says something else:\n{}", difference(&plain, &ours));
    assert!(plain.ends_with("status Some(0)\n"), "it could not configure: {plain}");
    let (plain, ours) = (made(&sides[0]), made(&sides[1]));
    let names = |all: &[(PathBuf, String)]| all.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&plain));
    assert!(names(&plain).contains(&"config.h".into()) && plain.len() > 20, "{:?}", names(&plain));
    for ((path, plain), (_, ours)) in plain.iter().zip(&ours) {
        assert!(plain == ours, "{} differs:\n{}", path.display(), difference(plain, ours));
    }
    println!("{} files and directories, both sides alike", plain.len());
}

#[test]
fn a_configure_script_finds_under_sbsh_what_it_finds_under_bash() {
    configures_alike("/bin/bash", "bash");
}

#[test]
fn a_configure_script_finds_under_sbsh_what_it_finds_under_sh() {
    configures_alike("/bin/sh", "sh");
}
