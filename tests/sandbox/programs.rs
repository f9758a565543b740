//! Real programs that start a shell for their commands, with sbsh in its place: what they run is confined, and they get
//! the output and the status that bash would give them. `docs/programs.md` says how each of them starts it.

use crate::broker::program;
use crate::net::tools;
use crate::world::{Ran, World, each, has};
use std::ffi::OsStr;
use std::fs;
use std::process::Command;

/// Shows that it is confined, writes what may be written, and tries what may not. No `'` or `"` and no `$`: it is put
/// into the languages of many programs.
pub const PROOF: &str =
    "test -e /dev/.sbsh && echo confined; echo x > inside; touch ../outside/x 2> /dev/null || echo held";

/// What [`PROOF`] says.
pub const PROVEN: &str = "confined\nheld\n";

/// What [`PROOF`] left, and that it left nothing else; taken away for the next.
pub fn proven(world: &World) {
    let inside = world.project.join("inside");
    assert_eq!(fs::read_to_string(&inside).unwrap(), "x\n");
    fs::remove_file(&inside).unwrap();
    assert!(!world.outside.join("x").exists());
}

/// A program with sbsh, by this of its names, as the person's shell.
pub fn with_shell(world: &World, program: impl AsRef<OsStr>, name: &str) -> Command {
    let mut command = world.command(program);
    command.env("SHELL", world.bin(name)).env("TERM", "xterm");
    command
}

pub fn ran(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

/// The status and the output are these; what was said besides is shown if not.
pub fn gives(ran: &Ran, status: i32, output: &str) {
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(status), output), "{}", ran.stderr);
}

#[test]
fn make_runs_its_recipes() {
    if !has(&["make"]) {
        return;
    }
    each(|world| {
        for name in ["sbsh", "bash"] {
            let shell = world.bin(name);
            let makefile = format!(
                "SHELL := {0}\n.SHELLFLAGS := -euo pipefail -c\nVALUE := $(shell echo from the shell)\n\
                 all: one two\n\t@{PROOF}\n\t@echo $(VALUE)\none two:\n\t@echo part > $@\n\
                 below:\n\t@$(MAKE) -s one two\nfails:\n\t@false | true; echo not reached\n",
                shell.display()
            );
            world.write(&world.project.join("Makefile"), &makefile);
            let make = |words: &[&str]| ran(world.command("make").args(["--no-print-directory"]).args(words));
            gives(&make(&["-j2", "all"]), 0, &format!("{PROVEN}from the shell\n"));
            proven(world);
            assert!(world.project.join("two").exists());
            fs::remove_file(world.project.join("one")).unwrap();
            // The parts of a whole wait for each other by descriptors that come through.
            let below = make(&["-j2", "below"]);
            gives(&below, 0, "");
            assert!(!below.stderr.contains("jobserver"), "{}", below.stderr);
            assert!(world.project.join("one").exists());
            let fails = make(&["fails"]);
            gives(&fails, 2, "");
            assert!(fails.stderr.contains("fails] Error 1"), "{}", fails.stderr);
            for file in ["one", "two"] {
                fs::remove_file(world.project.join(file)).unwrap();
            }
        }
    });
}

#[test]
fn parallel_runs_its_jobs() {
    if !has(&["parallel"]) {
        return;
    }
    each(|world| {
        for name in ["sbsh", "bash"] {
            // It looks at SHELL only where no process that it comes from is a shell it knows.
            let parallel = |words: &[&str]| {
                let mut parallel = world.command("parallel");
                ran(parallel
                    .env("PARALLEL_SHELL", world.bin(name))
                    .args(["--will-cite", "-k", "-j2"])
                    .args(words))
            };
            gives(&parallel(&[&format!("{PROOF}; : {{}}"), ":::", "word"]), 0, PROVEN);
            proven(world);
            let texts = parallel(&["echo {} {#}; exit {}", ":::", "0", "1", "2"]);
            gives(&texts, 2, "0 1\n1 2\n2 3\n");
            world.write(&world.project.join("lines"), &"line\n".repeat(1000));
            let mut piped = world.command("parallel");
            piped.env("PARALLEL_SHELL", world.bin(name)).args([
                "--will-cite",
                "-k",
                "--pipe",
                "-N",
                "500",
                "wc -l",
            ]);
            piped.stdin(fs::File::open(world.project.join("lines")).unwrap());
            gives(&ran(&mut piped), 0, "500\n500\n");
        }
    });
}

#[test]
fn script_entr_and_watch_run_their_command() {
    if !has(&["script", "entr", "watch"]) {
        return;
    }
    each(|world| {
        for name in ["sbsh", "bash"] {
            let text = "test -t 1 && echo on a terminal; test -e /dev/.sbsh && echo confined; exit 4";
            let script = ran(with_shell(world, "script", name).args(["-qec", text, "/dev/null"]));
            gives(&script, 4, "on a terminal\r\nconfined\r\n");
            world.write(&world.project.join("watched"), "");
            let text = format!("echo watched | entr -nzs '{PROOF}; echo $0; exit 5'");
            let entr = ran(with_shell(world, "/bin/sh", name).args(["-c", &text]));
            assert_eq!(entr.status, Some(5), "{entr:?}");
            let watched = world.project.join("watched");
            assert!(entr.stdout.starts_with(&format!("{PROVEN}{}\n", watched.display())), "{entr:?}");
            proven(world);
            // watch itself has /bin/sh fixed; a shell is its program. It ends because the output changes.
            let mut watch = crate::terminal::terminal_command(world, "watch");
            watch.env("TERM", "xterm").args(["-tgxn", "0.1"]).arg(world.bin(name));
            watch.args(["-c", "test -e /dev/.sbsh && echo confined; test -t 1 || echo piped; date +%N"]);
            let shown = crate::terminal::Screen::start(watch, || {}).rest();
            assert!(shown.contains("confined") && shown.contains("piped"), "{shown:?}");
        }
    });
}

#[test]
fn just_runs_recipes_and_scripts() {
    let Some(environment) = tools::python("rust-just") else { return };
    let just = environment.join("bin/just");
    each(|world| {
        for name in ["sbsh", "bash"] {
            let shell = world.bin(name);
            let file = format!(
                "set shell := [\"{0}\", \"-euc\"]\nvalue := `echo from the shell`\n\
                 all:\n    @{PROOF}\n    @echo {{{{value}}}}\nfails:\n    @echo $unset\n\
                 script *words:\n    #!{0}\n    test -e /dev/.sbsh && echo confined {{{{words}}}}\n    exit 7\n",
                shell.display()
            );
            world.write(&world.project.join("justfile"), &file);
            let just = |words: &[&str]| ran(world.command(&just).args(words));
            gives(&just(&["all"]), 0, &format!("{PROVEN}from the shell\n"));
            proven(world);
            gives(&just(&["fails"]), 1, "");
            gives(&just(&["script", "a", "b"]), 7, "confined a b\n");
        }
    });
}

#[test]
fn npm_runs_scripts_by_its_script_shell() {
    if !has(&["npm"]) {
        return;
    }
    each(|world| {
        let package = format!(
            r#"{{"name":"x","version":"1.0.0","scripts":{{"proof":"{PROOF}","say":"echo $npm_lifecycle_event","fails":"exit 9"}}}}"#
        );
        world.write(&world.project.join("package.json"), &package);
        for name in ["sbsh", "bash"] {
            let npm = |words: &[&str]| {
                let mut npm = world.command("npm");
                npm.env("npm_config_script_shell", world.bin(name))
                    .env("npm_config_update_notifier", "false");
                ran(npm.args(["run", "--silent", "--offline"]).args(words))
            };
            gives(&npm(&["proof"]), 0, PROVEN);
            proven(world);
            gives(&npm(&["say", "--", "a b", "$HOME"]), 0, "say a b $HOME\n");
            assert_eq!(npm(&["fails"]).status, Some(9));
        }
    });
}

/// What a program's own functions for commands give, line by line; `SHELL` is the shell to use.
const NODE: &str = r#"
const { exec, execSync, spawnSync, spawn } = require("child_process");
const shell = process.env.SHELL;
process.stdout.write(execSync(process.env.PROOF, { shell }));
const fed = spawnSync("cat; echo err >&2; exit 3", { shell, input: "fed " });
console.log(fed.status, String(fed.stdout), String(fed.stderr));
const slow = spawnSync("echo begun; exec sleep 1000", { shell, stdio: ["ignore", "inherit", "inherit"], timeout: 2000 });
console.log(slow.signal, slow.error.code);
exec("echo $1 $((6 * 7)) >&2; kill -TERM $$", { shell }, (error, out, said) => {
    console.log(error.signal, error.code, said.trim());
    const child = spawn(shell, ["-c", "read line; echo got $line; cat"], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.end("a line\nthe rest\n");
    child.stdout.pipe(process.stdout);
    child.on("close", (status) => console.log(status));
});
"#;

#[test]
fn node_runs_commands_by_a_shell() {
    if !has(&["node"]) {
        return;
    }
    each(|world| {
        world.write(&world.project.join("run.js"), NODE);
        let rest = "3 fed  err\n\nbegun\nSIGTERM ETIMEDOUT\nSIGTERM null 42\ngot a line\nthe rest\n0\n";
        for name in ["sbsh", "bash"] {
            let node = ran(with_shell(world, "node", name).env("PROOF", PROOF).arg("run.js"));
            gives(&node, 0, &format!("{PROVEN}{rest}"));
            proven(world);
        }
    });
}

const PYTHON: &str = r#"
import os, subprocess
shell = os.environ["SHELL"]
say = lambda *words, **more: print(*words, flush=True, **more)
run = lambda text, **more: subprocess.run(text, shell=True, executable=shell, text=True, **more)
say(run(os.environ["PROOF"], stdout=subprocess.PIPE).stdout, end="")
fed = run("cat; echo err >&2; exit 3", input="fed", capture_output=True)
say(fed.returncode, fed.stdout, fed.stderr.strip())
say(run("kill -KILL $$").returncode, run("no-such-program 2>/dev/null").returncode)
try:
    run("exec sleep 1000", timeout=2)
except subprocess.TimeoutExpired:
    say("too long")
end, other = os.pipe()
child = subprocess.Popen([shell, "-c", f"echo through >&{other}; ps -o sid= -p $$ | tr -d ' ' > sid"], pass_fds=[other], start_new_session=True)
os.close(other)
say(os.read(end, 100), child.wait())
say(subprocess.check_output([shell, "-c", 'printf "%s|" "$0" "$@"', "name", "a b", "$x", ""], text=True))
say(os.system(shell + " -c 'exit 6'") >> 8)
"#;

#[test]
fn python_runs_commands_by_a_shell() {
    if !has(&["python3"]) {
        return;
    }
    each(|world| {
        world.write(&world.project.join("run.py"), PYTHON);
        let rest = "3 fed err\n-9 127\ntoo long\nb'through\\n' 0\nname|a b|$x||\n6\n";
        for name in ["sbsh", "bash"] {
            let python = ran(with_shell(world, "/usr/bin/python3", name).env("PROOF", PROOF).arg("run.py"));
            gives(&python, 0, &format!("{PROVEN}{rest}"));
            proven(world);
        }
    });
}

const TALK: &str = r#"
set timeout 120
log_user 0
proc until {text} {
    expect {
        $text {}
        timeout { puts "no $text"; exit 98 }
        eof { puts "it ended without $text"; exit 99 }
    }
}
spawn SHELL -c {
    read -p "name? " n
    test -e /dev/.sbsh && echo confined, $n
    read -sp secret: s
    echo
    exit $s
}
until "name? "
send "you\r"
until "confined, you"
until "secret:"
send "6\r"
expect {
    "6" { puts "shown" }
    timeout { puts "no end" }
    eof { puts "hidden" }
}
exit [lindex [wait] 3]
"#;

#[test]
fn expect_talks_to_it() {
    if !has(&["expect"]) {
        return;
    }
    each(|world| {
        for name in ["sbsh", "bash"] {
            let text = TALK.replace("SHELL", world.bin(name).to_str().unwrap());
            world.write(&world.project.join("talk"), &text);
            gives(&ran(world.command("expect").arg("talk")), 6, "hidden\n");
        }
    });
}

#[test]
fn ansible_runs_raw_commands() {
    if !has(&["ansible"]) {
        return;
    }
    each(|world| {
        let ansible = |text: &str| {
            let words = format!("executable={} {text}", world.bin("sbsh").display());
            let mut ansible = world.command("ansible");
            ansible.args(["-i", "localhost,", "-c", "local", "all", "-m", "raw", "-a", &words]);
            ran(ansible.env("ANSIBLE_NOCOLOR", "1"))
        };
        let done = ansible(PROOF);
        assert_eq!(done.status, Some(0), "{done:?}");
        assert!(done.stdout.contains(&format!("rc=0 >>\n{PROVEN}")), "{done:?}");
        proven(world);
        let failed = ansible("echo said; exit 3");
        assert!(failed.status == Some(2) && failed.stdout.contains("rc=3 >>\nsaid\n"), "{failed:?}");
    });
}

#[test]
fn git_runs_hooks_that_name_it_and_aliases() {
    if !has(&["git"]) {
        return;
    }
    each(|world| {
        let git = |words: &[&str]| {
            let who = ["-c", "user.name=me", "-c", "user.email=me@example.com"];
            ran(world.command("git").args(who).args(words))
        };
        assert_eq!(git(&["init", "-q"]).status, Some(0));
        let hook = world.project.join(".git/hooks/pre-commit");
        let text = |end: &str| format!("#!{}\n({PROOF}) > said\n{end}\n", world.bin("sbsh").display());
        for (end, status) in [("exit 0", 0), ("exit 1", 1)] {
            program(world, &hook, &text(end));
            assert_eq!(git(&["commit", "-q", "--allow-empty", "-m", end]).status, Some(status));
            assert_eq!(fs::read_to_string(world.project.join("said")).unwrap(), PROVEN);
            proven(world);
        }
        gives(&git(&["log", "--format=%s"]), 0, "exit 0\n");
        let alias = format!("alias.x=!{} -c '{PROOF}; echo $0 $1; exit 3' name", world.bin("bash").display());
        gives(&git(&["-c", &alias, "x", "word"]), 3, &format!("{PROVEN}name word\n"));
        proven(world);
    });
}

#[test]
fn direnv_reads_a_directorys_file_by_it() {
    if !has(&["direnv"]) {
        return;
    }
    each(|world| {
        world.write(&world.project.join(".envrc"), &format!("export SAID=$({PROOF})\n"));
        // direnv runs the `bash` that it finds.
        let path = format!("{}:/usr/bin:/bin", world.bin("bash").parent().unwrap().display());
        let direnv = |words: &[&str]| ran(with_shell(world, "direnv", "bash").env("PATH", &path).args(words));
        assert_eq!(direnv(&["allow", "."]).status, Some(0));
        gives(&direnv(&["exec", ".", "/bin/sh", "-c", "echo \"$SAID\"; exit 3"]), 3, PROVEN);
        proven(world);
    });
}
