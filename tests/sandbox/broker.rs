//! The broker: excluded programs run outside wherever a command inside starts them, and nothing else does.

use crate::world::{Ran, World, each, has, until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program on PATH, out of reach of confined code: it notes its words where nothing inside can write, then does them.
pub struct Tool {
    pub directory: PathBuf,
    pub log: PathBuf,
}

impl Tool {
    pub fn new(world: &World, rules: &str) -> Tool {
        let directory = world.outside.join("tools");
        let log = world.outside.join("log");
        let text = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> {}\nexec \"$@\"\n", log.display());
        program(world, &directory.join("tool"), &text);
        world.user_settings(&format!(
            r#"{{"sandbox":{{"excludedCommands":["tool:*"]}},"permissions":{{{rules}}}}}"#
        ));
        Tool { directory, log }
    }

    pub fn allowed(world: &World) -> Tool {
        Tool::new(world, r#""allow":["Bash(tool:*)"]"#)
    }

    pub fn command(&self, world: &World) -> Command {
        let mut command = world.command(world.bin("sbsh"));
        let own = world.bin("").display().to_string();
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin:{own}", self.directory.display()));
        command
    }

    pub fn run(&self, world: &World, text: &str) -> Ran {
        self.command(world).args(["-c", text]).output().unwrap().into()
    }

    /// What ran outside since the last time.
    pub fn ran(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let _ = fs::remove_file(&self.log);
        text.lines().map(str::to_owned).collect()
    }
}

pub fn program(world: &World, path: &std::path::Path, text: &str) {
    world.write(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An askpass program with one answer, that counts how often it is asked and keeps the last question.
pub fn askpass(world: &World, answer: &str) -> (PathBuf, PathBuf) {
    let (path, asked) = (world.outside.join("askpass"), world.outside.join("asked"));
    let _ = fs::remove_file(&asked);
    program(world, &path, &format!("#!/bin/sh\n{{ cat; echo; }} >> {}\necho {answer}\n", asked.display()));
    (path, asked)
}

pub fn questions(asked: &std::path::Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(asked).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn excluded_programs_run_outside_wherever_they_stand() {
    each(|world| {
        let tool = Tool::allowed(world);
        world.write(&world.project.join("script"), "tool echo script\n");
        world.write(&world.project.join("Makefile"), "all:\n\t@tool echo make | cat\n");
        for (text, wanted) in [
            ("tool echo alone", "alone\n"),
            ("tool echo pipe | cat", "pipe\n"),
            ("echo in | tool cat", "in\n"),
            ("true && tool echo list; false || tool echo or", "list\nor\n"),
            ("for i in 1 2; do tool echo $i; done", "1\n2\n"),
            ("f() { tool echo \"$@\"; }; f function", "function\n"),
            ("echo $(tool echo substitution)", "substitution\n"),
            ("cat <(tool echo process)", "process\n"),
            ("(tool echo subshell)", "subshell\n"),
            ("bash script", "script\n"),
            ("echo a b | xargs tool echo", "a b\n"),
            ("x=tool; $x echo variable", "variable\n"),
            ("eval 'tool echo eval'", "eval\n"),
            ("env tool echo env", "env\n"),
            ("exec tool echo exec", "exec\n"),
            ("tool echo background & wait", "background\n"),
            ("tool echo to-a-file > f; cat f", "to-a-file\n"),
            ("tool cat <<< here", "here\n"),
            ("python3 -c 'import subprocess; subprocess.run([\"tool\", \"echo\", \"python\"])'", "python\n"),
            ("make -s", "make\n"),
        ] {
            let ran = tool.run(world, text);
            assert_eq!((ran.stdout.as_str(), ran.status), (wanted, Some(0)), "{text}: {}", ran.stderr);
            assert!(!tool.ran().is_empty(), "{text} did not run outside");
        }
    });
}

#[test]
fn argv_status_and_descriptors_are_carried_as_they_are() {
    each(|world| {
        let tool = Tool::allowed(world);
        let text = r#"tool printf '[%s]' '' 'a  b' $'new\nline' '*' '$x' "q'q" $'\xff' -- "#;
        // What is no text is never allowed by a rule about text.
        assert_eq!(tool.run(world, text).status, Some(126));
        let ran = tool.run(world, &text.replace(r"$'\xff'", "ä"));
        assert_eq!(ran.stdout, "[][a  b][new\nline][*][$x][q'q][ä][--]");
        for (text, status) in [
            ("tool sh -c 'exit 7'", Some(7)),
            ("tool sh -c 'kill -9 $$'; exit $?", Some(137)),
            ("tool nowhere-to-be-found 2>/dev/null", Some(127)),
        ] {
            assert_eq!(tool.run(world, text).status, status, "{text}");
        }
        let ran = tool.run(world, "exec tool sh -c 'kill -TERM $$'");
        assert_eq!(ran.signal, Some(15), "{ran:?}");
        let standard = "tool sh -c 'echo out; echo err >&2' 2>&1 >/dev/null";
        assert_eq!(tool.run(world, standard).stdout, "err\n");
        let closed = "tool sh -c 'test -e /proc/self/fd/0 || echo closed' <&-";
        assert_eq!(tool.run(world, closed).stdout, "closed\n");
        assert_eq!(tool.run(world, "umask 027; tool sh -c umask").stdout, "0027\n");
        let ignored = "trap '' INT; tool sh -c 'kill -INT $$; echo lives'";
        assert_eq!(tool.run(world, ignored).stdout, "lives\n");
        let early = "tool yes | head -n 1";
        assert_eq!(tool.run(world, early).stdout, "y\n");
        let megabytes = "head -c 50000000 /dev/zero | tool cat | wc -c";
        assert_eq!(tool.run(world, megabytes).stdout.trim(), "50000000");
    });
}

#[test]
fn the_environment_is_the_callers_own() {
    each(|world| {
        let tool = Tool::allowed(world);
        let text = "export FOO=evil LD_PRELOAD=./x.so PATH=.:$PATH BASH_ENV=./x NODE_OPTIONS=--x LANG=C; \
                    LC_ALL=C GIT_SSH_COMMAND=./x tool env";
        let ran = tool.run(world, text);
        let has = |line: &str| ran.stdout.lines().any(|l| l == line);
        assert!(
            has("LANG=C") && has("LC_ALL=C") && has(&format!("HOME={}", world.home.display())),
            "{ran:?}"
        );
        for name in
            ["FOO=", "LD_PRELOAD=", "PATH=.", "BASH_ENV=", "NODE_OPTIONS=", "GIT_SSH_COMMAND=", "TMPDIR="]
        {
            assert!(!ran.stdout.lines().any(|line| line.starts_with(name)), "{name}: {}", ran.stdout);
        }
        // What the sandbox took away is there again: the program runs outside.
        let ran: Ran =
            tool.command(world).env("SSH_AUTH_SOCK", "/x").args(["-c", "tool env"]).output().unwrap().into();
        assert!(ran.stdout.contains("SSH_AUTH_SOCK=/x\n"), "{}", ran.stdout);
    });
}

/// Where a rule lets it run nobody looks at variables of its own: it is said once that they stay behind.
#[test]
fn what_stays_behind_is_said_by_name_once_for_each_program() {
    each(|world| {
        let tool = Tool::allowed(world);
        let said = |ran: &Ran| {
            let lines = ran.stderr.lines().filter(|line| line.contains("runs outside without"));
            lines.map(|line| line.split(':').nth(1).unwrap().trim().to_owned()).collect::<Vec<_>>()
        };
        let ran = tool.run(
            world,
            "export FOO=s3cret; for i in 1 2; do tool true; done; LD_PRELOAD=./x BAR=s3cret tool true",
        );
        assert_eq!(said(&ran), ["'tool' runs outside without FOO"], "{ran:?}");
        assert!(!ran.stderr.contains("s3cret"), "{ran:?}");
        let ran = tool.run(world, "cd /; LC_ALL=C tool true; make -s -f - <<< 'x:;@tool true'");
        assert_eq!((said(&ran), ran.stderr.as_str()), (Vec::new(), ""), "{ran:?}");
        // A yes is about what is shown: the rest stays behind.
        world.user_settings(r#"{"sandbox":{"excludedCommands":["tool:*"]}}"#);
        let (program, _) = askpass(world, "once");
        let mut command = tool.command(world);
        let text = "FOO=s3cret LD_PRELOAD=./x tool env";
        let ran: Ran = command.env("SBSH_ASKPASS", program).args(["-c", text]).output().unwrap().into();
        assert!(ran.stdout.contains("FOO=s3cret\n"), "{ran:?}");
        assert_eq!(said(&ran), ["'tool' runs outside without LD_PRELOAD"], "{ran:?}");
    });
}

#[test]
fn assignments_are_shown_and_carried_only_by_a_yes() {
    each(|world| {
        let tool = Tool::new(world, "");
        let (program, asked) = askpass(world, "once");
        let ask = |text: &str| -> Ran {
            tool.command(world).env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap().into()
        };
        let ran = ask("FOO='a b' LD_PRELOAD= PATH=.:$PATH tool env");
        assert!(ran.stdout.contains("FOO=a b\n") && !ran.stdout.contains("PATH=.:"), "{ran:?}");
        let questions = questions(&asked);
        assert_eq!(questions.len(), 1);
        assert_eq!(questions[0]["command"], "FOO='a b' tool env");
        assert_eq!(questions[0]["argv"], serde_json::json!(["tool", "env"]));
        assert_eq!(questions[0]["cwd"], world.project.to_str().unwrap());
        // With variables of its own no rule would let it through the next time.
        assert_eq!(questions[0]["choices"], serde_json::json!(["once", "session", "no"]));
    });
}

#[test]
fn npm_scripts_start_them_too_and_explain_tells_what_is_covered() {
    each(|world| {
        let tool = Tool::allowed(world);
        let explained: Ran =
            tool.command(world).args(["ctl", "explain", "--json", "tool x | cat"]).output().unwrap().into();
        let explained: serde_json::Value = serde_json::from_str(&explained.stdout).unwrap();
        assert_eq!(explained["shims"], serde_json::json!([tool.directory.join("tool")]));
        if !has(&["npm"]) {
            return;
        }
        world.write(&world.project.join("package.json"), r#"{"scripts":{"x":"tool echo from npm"}}"#);
        let ran = tool.run(world, "npm run --silent x");
        assert_eq!((ran.stdout.as_str(), tool.ran().len()), ("from npm\n", 1), "{}", ran.stderr);
    });
}

/// The shell that runs every command is not covered, and explain knows which one that would be.
#[test]
fn explain_tells_what_is_covered_beside_the_shell_that_is_set() {
    each(|world| {
        if !has(&["dash", "bash"]) {
            return;
        }
        let shims = |set: &str| {
            world.user_settings(&format!(r#"{{"sandbox":{{{set}"excludedCommands":["dash:*","bash:*"]}}}}"#));
            let ran = world.control(&["explain", "--json", "true"]);
            let told: serde_json::Value =
                serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
            let shims: Vec<String> = serde_json::from_value(told["shims"].clone()).unwrap();
            let names = shims.iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect();
            (told["shell"].as_str().unwrap().to_owned(), names)
        };
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(shims(""), ("/bin/bash".to_owned(), names("dash")));
        assert_eq!(shims(r#""shell":"/bin/dash","#), ("/bin/dash".to_owned(), names("bash")));
    });
}

#[test]
fn answers_hold_as_long_as_they_say() {
    each(|world| {
        let tool = Tool::new(world, "");
        let ask = |answer: &str, text: &str| {
            let (program, asked) = askpass(world, answer);
            let ran: Ran =
                tool.command(world).env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap().into();
            (ran, questions(&asked).len())
        };
        let thrice = "for i in 1 2 3; do tool echo x; done";
        for (answer, times, asked) in [("once", 3, 3), ("session", 3, 1), ("no", 0, 1)] {
            let (ran, questions) = ask(answer, thrice);
            assert_eq!((ran.stdout, questions), ("x\n".repeat(times), asked), "{answer}");
        }
        // Another argv, another directory: another question.
        assert_eq!(ask("session", "tool echo a; tool echo b; mkdir -p d; cd d; tool echo a").1, 3);
        let (ran, questions) = ask("always", thrice);
        assert_eq!((ran.stdout.as_str(), questions), ("x\nx\nx\n", 1));
        let local = fs::read_to_string(world.project.join(".claude/settings.local.json")).unwrap();
        assert!(local.contains(r#""Bash(tool echo x)""#), "{local}");
        assert_eq!(tool.run(world, "tool echo x | cat").stdout, "x\n");
        let ran = tool.run(world, "tool echo xy; echo $?");
        assert_eq!(ran.stdout, "126\n");
        for part in [
            "blocked: tool echo xy",
            "excludedCommands",
            "settings.json:1:",
            "a person can: be asked",
            "Bash(tool echo xy)",
        ] {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
    });
}

#[test]
fn the_words_that_it_really_gets_are_judged() {
    each(|world| {
        let tool = Tool::new(world, r#""allow":["Bash(tool:*)"],"deny":["Bash(tool rm:*)"]"#);
        world.write(&world.project.join("precious"), "");
        for text in ["x=rm; tool $x precious", "echo precious | xargs tool rm", "tool $(echo rm) precious"] {
            let ran = tool.run(world, text);
            assert!(world.project.join("precious").exists() && tool.ran().is_empty(), "{text}");
            assert!(ran.stderr.contains("Bash(tool rm:*)"), "{text}: {}", ran.stderr);
        }
        // Where no text shows it, the words that arrive are judged.
        world.write(&world.project.join("script"), "x=rm\ntool $x precious\n");
        let ran = tool.run(world, "bash script");
        assert!(world.project.join("precious").exists() && tool.ran().is_empty(), "{ran:?}");
        assert!(ran.stderr.contains("blocked: tool rm precious"), "{ran:?}");
        // What the command hid is told in the end.
        let ran = tool.run(world, "bash script 2>/dev/null");
        assert!(
            ran.stderr.contains("outside: blocked: tool rm precious; reason: rule Bash(tool rm:*)"),
            "{ran:?}"
        );
        // One question about what runs outside, not one about the line too.
        let tool = Tool::new(world, r#""ask":["Bash(tool:*)"]"#);
        let (program, asked) = askpass(world, "once");
        let text = "true; tool echo x | cat";
        let ran: Ran =
            tool.command(world).env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap().into();
        assert_eq!((ran.stdout.as_str(), questions(&asked).len()), ("x\n", 1), "{ran:?}");
        let kinds: Vec<_> = questions(&asked).iter().map(|q| q["kind"].clone()).collect();
        assert_eq!(kinds, ["outside"]);
    });
}

#[test]
fn what_is_not_excluded_goes_on_inside() {
    each(|world| {
        let tool = Tool::new(world, r#""allow":["Bash(tool:*)"]"#);
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["tool push:*"]},"permissions":{"allow":["Bash(tool push:*)"]}}"#,
        );
        let made = world.outside.join("made");
        let text = format!("tool touch {0}; tool echo here; exec -a other tool push", made.display());
        let ran = tool.run(world, &text);
        assert!(!made.exists() && tool.ran().is_empty(), "{ran:?}");
        assert!(ran.stdout.contains("here"), "{ran:?}");
        // A file that confined code could have written is no program for outside.
        let mine = world.outside.join("mine");
        program(world, &mine.join("tool"), "#!/bin/sh\necho mine\n");
        world.user_settings(&format!(
            r#"{{"sandbox":{{"excludedCommands":["tool push:*"],"filesystem":{{"allowWrite":["{}"]}}}}}}"#,
            mine.display()
        ));
        let path = format!("{}:/usr/bin:/bin", mine.display());
        let mut command = world.command(world.bin("sbsh"));
        let ran: Ran = command.env("PATH", path).args(["-c", "tool push; false"]).output().unwrap().into();
        assert_eq!(ran.stdout, "mine\n");
        assert!(ran.stderr.contains("lies where confined commands can write"), "{}", ran.stderr);
    });
}

/// ESCAPES.md 2 and 3: what a hostile command does with names, directories and links before something runs outside.
#[test]
fn nothing_inside_chooses_the_file_the_name_or_the_directory() {
    each(|world| {
        let tool = Tool::allowed(world);
        // The name by which programs find their own files is ours.
        fs::copy("/bin/cat", tool.directory.join("show")).unwrap();
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["tool:*","show:*"]},"permissions":{"allow":["Bash(tool:*)","Bash(show:*)"]}}"#,
        );
        let ran = tool.run(world, "exec -a /tmp/evil/show show /proc/self/cmdline");
        assert_eq!(ran.stdout, "show\0/proc/self/cmdline\0", "{ran:?}");
        // The directory is the one that it was, not what stands at its name by now.
        let text = format!(
            "mkdir d && cd d && mv ../d ../e && ln -s {} ../d && tool pwd -P; cd ..; rm d; cd e; tool pwd -P",
            world.outside.display()
        );
        let there = world.project.join("e").display().to_string();
        assert_eq!(tool.run(world, &text).stdout, format!("{there}\n{there}\n"));
        for text in [
            "mkdir gone; cd gone; rmdir ../gone; tool pwd",
            "mkdir gone; cd gone; mv ../gone ../moved; mkdir ../gone; rmdir ../moved; tool pwd",
            "cd /dev/shm; tool pwd",
            "cd /proc/self; tool pwd",
        ] {
            let ran = tool.run(world, text);
            assert_eq!((ran.stdout.as_str(), ran.status), ("", Some(126)), "{text}");
            assert!(ran.stderr.contains("its working directory"), "{text}: {}", ran.stderr);
        }
        tool.ran();
        // A copy of the shim, a link to it and another name are no shims.
        let tools = tool.directory.display();
        for text in [
            format!("cp {tools}/tool mine; ./mine -c 'echo $0'; ./mine touch x"),
            format!("ln -s {tools}/tool link; ./link echo x"),
            format!("(exec -a sh {tools}/tool echo x)"),
        ] {
            let ran = tool.run(world, &text);
            assert!(tool.ran().is_empty(), "{text}: {ran:?}");
        }
        // Neither can the shim be changed, nor what it covers.
        for text in [
            format!("echo x > {tools}/tool"),
            format!("mv {tools} {tools}2"),
            format!("echo x > /dev/.sbsh-outside{tools}/tool"),
        ] {
            assert_ne!(tool.run(world, &text).status, Some(0), "{text}");
        }
        assert_eq!(tool.run(world, "tool echo still").stdout, "still\n");
    });
}

/// What speaks to the broker without being a shim.
const LIAR: &str = r#"
import array, os, socket, struct, sys
def call(head, body, fds):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect("\0sbsh-broker")
    try:
        s.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        s.sendall(body)
    except OSError:
        return b"refused"
    s.settimeout(20)
    try:
        return s.recv(100)
    except OSError:
        return b"reset"
def request(covered, argv, environment=()):
    texts = [covered] + list(argv) + list(environment)
    return struct.pack("<BIQQII", 7, 0, 0, 0, len(argv), len(environment)) + b"".join(t + b"\0" for t in texts)
here = os.open(".", os.O_PATH)
good = request(b"/bin/sh", [b"sh", b"-c", b"touch " + sys.argv[1].encode()])
n = lambda body: struct.pack("<I", len(body))
all = [
    call(n(good), good, [here, 0, 1, 2]),                                   # a file that is not covered
    call(n(good), good, []), call(n(good), good, [here]), call(n(good), good, [here, 0, 1, 2, here]),
    call(n(good), good, [0, 0, 1, 2]),                                      # no directory
    call(b"\xff\xff\xff\xff", good, [here, 0, 1, 2]), call(b"\0\0\0\0", b"", [here]), call(b"x", b"", []),
    call(n(good), good[:-1] + b"x", [here, 0, 1, 2]),
    call(n(b"A" * 64), b"A" * 64, [here, 0, 1, 2]),
]
for answer in all:
    print(answer[:1])
# Many who say nothing.
many = []
for _ in range(150):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.setblocking(False)
    try:
        s.connect("\0sbsh-broker")
    except OSError:
        break
    many.append(s)
"#;

#[test]
fn a_liar_gets_nothing_and_the_next_call_is_served() {
    each(|world| {
        if !has(&["python3"]) {
            return;
        }
        let tool = Tool::allowed(world);
        world.write(&world.project.join("liar.py"), LIAR);
        let made = world.outside.join("made");
        let ran = tool.run(world, &format!("python3 liar.py {}; tool echo served", made.display()));
        assert!(!made.exists());
        assert!(ran.stdout.ends_with("served\n"), "{ran:?}");
        let answers: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!((answers.len(), answers[0]), (11, "b'i'"), "{ran:?}");
        assert!(answers[1..10].iter().all(|a| ["b''", "b'r'"].contains(a)), "{ran:?}");
    });
}

#[test]
fn the_program_lives_and_dies_with_its_shim() {
    each(|world| {
        let tool = Tool::allowed(world);
        let told = world.outside.join("told");
        let sleeper = format!("tool sh -c 'echo $$ > {}; exec sleep 1000'", told.display());
        let number = || fs::read_to_string(&told).ok().and_then(|text| text.trim().parse::<i32>().ok());
        let gone = |pid: i32| !PathBuf::from(format!("/proc/{pid}")).exists();
        // By the front's death.
        let mut front = tool.command(world).args(["-c", &format!("{sleeper}; true")]).spawn().unwrap();
        until(|| number().is_some());
        front.kill().unwrap();
        front.wait().unwrap();
        until(|| gone(number().unwrap()));
        // By signals that only the shim gets, from inside.
        for (signal, status) in [("TERM", "143"), ("KILL", "137")] {
            fs::remove_file(&told).unwrap();
            let text = format!(
                "{sleeper} & p=$!; while ! test -s {}; do sleep 0.01; done; kill -{signal} $p; wait $p; echo $?",
                told.display()
            );
            let ran = tool.run(world, &text);
            assert_eq!(ran.stdout.trim(), status, "{signal}: {ran:?}");
            until(|| gone(number().unwrap()));
        }
        // A job that outlives the front is served too, without a terminal.
        let _ = fs::remove_file(&told);
        let text = format!("(sleep 0.3; tool sh -c 'echo $$ > {}') >/dev/null 2>&1 &", told.display());
        assert_eq!(tool.run(world, &text).status, Some(0));
        until(|| number().is_some());
    });
}

#[test]
fn many_at_once_are_all_served() {
    each(|world| {
        let tool = Tool::allowed(world);
        let ran = tool.run(world, "for i in {1..100}; do tool echo $i & done | sort -n; wait");
        let wanted: String = (1..=100).map(|n| format!("{n}\n")).collect();
        assert_eq!(ran.stdout, wanted, "{}", ran.stderr);
    });
}

#[test]
fn the_way_out_works_in_the_middle_of_a_text() {
    each(|world| {
        let tool = Tool::new(world, r#""deny":["Bash(rm:*)"]"#);
        std::os::unix::fs::symlink("sbsh", world.bin("dangerouslyDisableSandbox")).unwrap();
        let (program, asked) = askpass(world, "once");
        let ask = |text: &str| -> Ran {
            tool.command(world).env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap().into()
        };
        let made = world.outside.join("made");
        let text = format!("echo x | dangerouslyDisableSandbox tee {} | cat", made.display());
        assert_eq!((ask(&text).stdout.as_str(), fs::read_to_string(&made).unwrap().as_str()), ("x\n", "x\n"));
        let question = questions(&asked).pop().unwrap();
        assert_eq!((question["kind"].as_str(), question["rule"].is_null()), (Some("outside"), true));
        assert_eq!(question["choices"], serde_json::json!(["once", "session", "no"]));
        // A deny rule holds there too, also for words that only the shell knew.
        let ran = ask(&format!("x=rm; dangerouslyDisableSandbox $x {} | cat", made.display()));
        assert!(made.exists() && ran.stderr.contains("Bash(rm:*)"), "{}", ran.stderr);
        let relative = ask("true | dangerouslyDisableSandbox ./mine");
        assert!(relative.stderr.contains("give the whole path"), "{}", relative.stderr);
        // Nobody to ask: no.
        assert_eq!(tool.run(world, &text).stdout, "");
        world.user_settings(r#"{"sandbox":{"allowUnsandboxedCommands":false}}"#);
        fs::remove_file(&made).unwrap();
        let ran = ask(&text);
        assert!(!made.exists() && ran.stderr.contains("allowUnsandboxedCommands is false"), "{}", ran.stderr);
    });
}

/// A stand-in docker: its client speaks to a daemon of the host over a Unix socket.
#[test]
fn a_daemon_is_reached_by_its_excluded_client_alone() {
    each(|world| {
        if !has(&["python3"]) {
            return;
        }
        let tool = Tool::new(world, "");
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["docker:*"]},"permissions":{"allow":["Bash(docker ps)","Bash(docker build:*)"]}}"#,
        );
        let socket = world.outside.join("docker.sock");
        world.write(
            &world.outside.join("daemon.py"),
            "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen(9)\nprint('ready', flush=True)\n\
             while True:\n c, _ = s.accept()\n n = 0\n while True:\n  b = c.recv(1 << 16)\n  n += len(b)\n  if not b or b.endswith(b'END'): break\n c.sendall(b'%d bytes\\n' % n)\n c.close()\n",
        );
        let client = format!(
            "#!/usr/bin/python3\nimport socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect('{}')\n\
             d = sys.stdin.buffer.read() if sys.argv[1] == 'build' else b''\ns.sendall(d + b'END')\nprint(s.recv(100).decode(), end='')\n",
            socket.display()
        );
        program(world, &tool.directory.join("docker"), &client);
        let mut daemon = world
            .command("/usr/bin/python3")
            .arg(world.outside.join("daemon.py"))
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        until(|| socket.exists());
        let ran = tool.run(world, "cd / && docker ps | cat");
        assert_eq!(ran.stdout, "3 bytes\n", "{}", ran.stderr);
        let ran = tool.run(world, "head -c 30000000 /dev/zero | docker build -t x - | tee f");
        assert_eq!(ran.stdout, "30000003 bytes\n", "{}", ran.stderr);
        let ran = tool.run(world, "docker run -v /:/h x; echo $?");
        assert!(ran.stdout == "126\n" && ran.stderr.contains("docker run -v /:/h x"), "{ran:?}");
        let direct = format!("python3 /dev/.sbsh-outside{}/docker ps", tool.directory.display());
        assert_ne!(tool.run(world, &direct).status, Some(0));
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    });
}

#[test]
fn a_build_context_of_a_gigabyte_arrives_whole() {
    each(|world| {
        let tool = Tool::allowed(world);
        let ran = tool.run(world, "head -c 1073741824 /dev/zero | tool sha256sum | cut -c1-64");
        // sha256sum's word for so many zeros.
        let wanted = "49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14\n";
        assert_eq!((ran.stdout.as_str(), ran.status), (wanted, Some(0)), "{}", ran.stderr);
        assert_eq!(tool.ran(), ["sha256sum"]);
    });
}
