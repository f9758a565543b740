//! Real work inside, as root and as an ordinary user.

use crate::world::{World, each, skip};
use std::path::Path;

fn has(program: &str) -> bool {
    let there = ["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|d| Path::new(d).join(program).exists());
    if !there {
        skip(&format!("{program} is not installed"));
    }
    there
}

fn works(world: &World, text: &str, stdout: &str) {
    let ran = world.run(text);
    assert_eq!((ran.stdout.as_str(), ran.status), (stdout, Some(0)), "user {}: {}", world.user, ran.stderr);
}

#[test]
fn python_venv_and_unittest() {
    if !has("python3") {
        return;
    }
    each(|world| {
        world.write(&world.project.join("test_it.py"), "import unittest, tempfile\nclass T(unittest.TestCase):\n    def test(self):\n        with tempfile.TemporaryDirectory() as d: self.assertTrue(d)\n");
        works(
            world,
            "set -e; python3 -m venv --without-pip v; . v/bin/activate; python -c 'import sys; print(sys.prefix != sys.base_prefix)'; python -m unittest -q 2>/dev/null && echo tested",
            "True\ntested\n",
        );
    });
}

#[test]
fn make_with_a_jobserver() {
    if !has("make") || !has("gcc") {
        return;
    }
    each(|world| {
        let mut makefile = String::from(
            "all: prog sub\n\t./prog\nprog: a.o b.o c.o\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -c -o $@ $<\n",
        );
        makefile.push_str("sub:\n\t+$(MAKE) -C sub\n.PHONY: sub\n");
        world.write(&world.project.join("Makefile"), &makefile);
        world.write(&world.project.join("sub/Makefile"), "all: x y\n\t@echo sub done\nx y:\n\t@touch $@\n");
        world.write(&world.project.join("a.c"), "#include <stdio.h>\nint b(void); int c(void);\nint main(void) { printf(\"%d\\n\", b() + c()); return 0; }\n");
        world.write(&world.project.join("b.c"), "int b(void) { return 40; }\n");
        world.write(&world.project.join("c.c"), "int c(void) { return 2; }\n");
        works(world, "make -s -j2 2>&1 | sort", "42\nsub done\n");
    });
}

#[test]
fn make_outside_with_sbsh_as_its_shell_passes_the_jobserver_on() {
    if !has("make") {
        return;
    }
    each(|world| {
        world.write(&world.project.join("Makefile"), "all: x y\nx y:\n\t@+$(MAKE) -s -f inner $@.z\n");
        world.write(&world.project.join("inner"), "%.z:\n\t@echo $@\n");
        let shell = format!("SHELL={}", world.bin("bash").display());
        let ran: crate::world::Ran =
            world.command("make").args(["-s", "-j2", &shell]).output().unwrap().into();
        let mut lines: Vec<&str> = ran.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!((lines, ran.status), (vec!["x.z", "y.z"], Some(0)), "{}", ran.stderr);
        assert!(!ran.stderr.contains("jobserver"), "{}", ran.stderr);
    });
}

#[test]
fn npm_init_and_test() {
    if !has("npm") {
        return;
    }
    each(|world| {
        works(
            world,
            "set -e; export npm_config_cache=$TMPDIR/npm npm_config_update_notifier=false; npm init -y >/dev/null; \
             npm pkg set scripts.test='node -e \"console.log(6*7)\"'; npm test --silent",
            "42\n",
        );
    });
}

#[test]
fn ten_thousand_files() {
    each(|world| {
        works(
            world,
            "set -e; mkdir many; cd many; for d in $(seq 100); do mkdir $d; for f in $(seq 100); do echo old > $d/$f; done; done; \
             find . -type f | wc -l; find . -type f -name '*7' -exec sed -i s/old/new/ {} +; grep -rl new . | wc -l; cd ..; tar cf t.tar many; mkdir out; tar xf t.tar -C out; \
             find out -type f | wc -l; diff -r many out/many && echo same",
            "10000\n1000\n10000\nsame\n",
        );
    });
}

#[test]
fn cargo_builds_and_tests_offline() {
    let Some(cargo) = std::env::var_os("CARGO") else {
        skip("cargo did not start these tests");
        return;
    };
    // The toolchain's own programs, so that no rustup has to find it by a home directory that is not there.
    let toolchain = Path::new(&cargo).parent().unwrap().display().to_string();
    let world = World::new(nix::unistd::geteuid().as_raw());
    world.write(
        &world.project.join("Cargo.toml"),
        "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
    );
    world.write(
        &world.project.join("src/lib.rs"),
        "pub fn f() -> u8 { 42 }\n#[test]\nfn t() { assert_eq!(f(), 42); }\n",
    );
    let home = std::env::var_os("HOME").unwrap_or_default();
    let ran: crate::world::Ran = world
        .command(world.bin("sbsh"))
        .env("HOME", home)
        .env("PATH", format!("{toolchain}:{}", std::env::var("PATH").unwrap_or_default()))
        .args([
            "-c",
            &format!(
                "{0} build --offline -q && {0} test --offline -q 2>&1 | grep -c 'test result: ok'",
                Path::new(&cargo).display()
            ),
        ])
        .output()
        .unwrap()
        .into();
    assert_eq!((ran.stdout.as_str(), ran.status), ("2\n", Some(0)), "{}", ran.stderr);
}

#[test]
fn an_agents_wrapping_works() {
    each(|world| {
        world.write(
            &world.home.join(".claude/shell-snapshots/snapshot-bash-1-x.sh"),
            "greet() { echo hello; }\n",
        );
        let cwd = format!("/tmp/claude-{:x}-cwd", std::process::id() + world.user);
        let text = format!(
            "source {}/.claude/shell-snapshots/snapshot-bash-1-x.sh 2>/dev/null || true && shopt -u extglob 2>/dev/null || true && eval 'greet && cd sub' < /dev/null && pwd -P >| {cwd}",
            world.home.display()
        );
        world.write(&world.project.join("sub/file"), "");
        world.user_settings(r#"{"permissions":{"deny":["Bash(curl:*)"]}}"#);
        let ran = world.run(&text);
        assert_eq!((ran.stdout.as_str(), ran.status), ("hello\n", Some(0)), "{}", ran.stderr);
        assert_eq!(
            std::fs::read_to_string(&cwd).unwrap().trim(),
            world.project.join("sub").to_str().unwrap()
        );
        std::fs::remove_file(&cwd).unwrap();
        assert_eq!(world.run(&text.replace("greet && cd sub", "curl x")).status, Some(126));
        assert!(!Path::new(&cwd).exists());
    });
}
