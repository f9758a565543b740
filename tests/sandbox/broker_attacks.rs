//! Attacks on the broker: hostile code inside, honest answers outside. Each names what it is after.

use crate::broker::{Tool, askpass, program, questions};
use crate::world::{Ran, World, each, has, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What runs so long that only a wedge is slower.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// Runs a command that must end by itself, whatever holds its descriptors.
fn ends(world: &World, mut command: Command) -> Ran {
    let (out, err) = (world.outside.join("stdout"), world.outside.join("stderr"));
    let file = |path: &Path| Stdio::from(fs::File::create(path).unwrap());
    let mut front = command.stdout(file(&out)).stderr(file(&err)).spawn().unwrap();
    let begun = std::time::Instant::now();
    let status = loop {
        if let Some(status) = front.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            let _ = front.kill();
            panic!("it never ended: {}", fs::read_to_string(&err).unwrap_or_default());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    Ran { status: status.code(), signal: status.signal(), stdout: text(&out), stderr: text(&err) }
}

fn number(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok())
}

fn is_there(pid: i32) -> bool {
    // A zombie is gone for all but its parent.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Speaks to the broker as a shim does, and keeps the connection where the broker does not look.
const HOLDER: &str = r#"
import array, os, socket, struct, sys, time
def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect("\0sbsh-broker")
    return s
def send(s, covered, argv, stdin):
    texts = [covered] + argv
    body = struct.pack("<BIQQII", 7, 0, 0, 0, len(argv), 0) + b"".join(t + b"\0" for t in texts)
    here = os.open(".", os.O_PATH)
    s.sendmsg([struct.pack("<I", len(body))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [here, stdin, 1, 2]))])
    s.sendall(body)
how, tool, told = sys.argv[1:4]
argv = [b"tool", b"sh", b"-c", b"echo $$ > %s; exec sleep 1000" % told.encode()]
s = connect()
if how == "itself":
    send(s, tool.encode(), argv, s.fileno())
elif how == "in-flight":
    a, b = socket.socketpair()
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
    send(s, tool.encode(), argv, b.fileno())
elif how == "silent":
    # The daemon that runs outside keeps a connection on which nothing is ever said.
    t = connect()
    send(t, tool.encode(), [b"tool", b"setsid", b"-f"] + argv[1:], s.fileno())
elif how == "half":
    t = connect()
    t.send(b"\x40\0\0\0"[:2])
    u = connect()
    send(u, tool.encode(), [b"tool", b"setsid", b"-f"] + argv[1:], t.fileno())
elif how == "storm":
    send(s, tool.encode(), argv, s.fileno())
    while not os.path.exists(told): time.sleep(0.01)
    try:
        s.settimeout(2)
        for _ in range(3000): s.sendall(b"g" + struct.pack("<i", 19) + b"g" + struct.pack("<i", 18))
        s.sendall(b"g\x01")
    except OSError:
        pass
while not (os.path.exists(told) and os.path.getsize(told)): time.sleep(0.01)
"#;

/// The program outside is given the shim's own connection: then its end never shows.
#[test]
fn a_connection_that_never_ends_wedges_nobody() {
    each(|world| {
        if !has(&["python3", "setsid"]) {
            return;
        }
        let tool = Tool::allowed(world);
        world.write(&world.project.join("holder.py"), HOLDER);
        let told = world.outside.join("told");
        for how in ["itself", "in-flight", "storm", "silent", "half"] {
            let _ = fs::remove_file(&told);
            let mut command = tool.command(world);
            let cover = tool.directory.join("tool");
            let text = format!("python3 holder.py {how} {} {}; echo done", cover.display(), told.display());
            let ran = ends(world, {
                command.args(["-c", &text]);
                command
            });
            assert_eq!(ran.stdout, "done\n", "{how}: {ran:?}");
            let pid = number(&told).unwrap();
            if matches!(how, "silent" | "half") {
                // What made itself a daemon outside goes on, as it would without a sandbox.
                kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            }
            until(|| !is_there(pid));
        }
    });
}

/// Whoever is asked does not answer, and the command that wanted it is gone.
#[test]
fn a_question_that_nobody_answers_holds_nobody_up() {
    each(|world| {
        let tool = Tool::new(world, "");
        let asked = world.outside.join("asked");
        let asker = world.outside.join("slow");
        program(world, &asker, &format!("#!/bin/sh\necho $$ > {}\nexec sleep 1000\n", asked.display()));
        let mut command = tool.command(world);
        let text =
            format!("tool x & p=$!; while ! test -s {}; do sleep 0.01; done; kill -9 $p", asked.display());
        command.env("SBSH_ASKPASS", &asker).args(["-c", &text]);
        ends(world, command);
        let dialog = number(&asked).unwrap();
        until(|| !is_there(dialog));
        assert!(tool.ran().is_empty());
    });
}

/// A dialog that starts others, as most do.
fn dialog(world: &World) -> (PathBuf, PathBuf) {
    let (asker, asked) = (world.outside.join("dialog"), world.outside.join("asked"));
    let text =
        format!("#!/bin/sh\nsh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000'\n", asked.display());
    program(world, &asker, &text);
    (asker, asked)
}

/// Whatever wants the answer: a program that is to run outside, a call, a connection, the command itself.
#[test]
fn no_dialog_outlives_what_it_asks_for() {
    each(|world| {
        let tool = Tool::new(world, r#""ask":["Bash(true:*)"]"#);
        let (asker, asked) = dialog(world);
        let shown = asked.display();
        let wait = format!("while ! test -s {shown}; do sleep 0.01; done");
        // The program alone is ended, and the command goes on.
        let done = world.project.join("done");
        let text = format!("tool x & p=$!; {wait}; kill $p; while ! test -e done; do sleep 0.01; done");
        let mut command = tool.command(world);
        let mut child = command.env("SBSH_ASKPASS", &asker).args(["-c", &text]).spawn().unwrap();
        until(|| asked.exists());
        let dialog = number(&asked).unwrap();
        until(|| !is_there(dialog));
        world.write(&done, "");
        assert!(child.wait().unwrap().success());
        for what in [
            "tool x".to_owned(),
            format!("touch {}", world.outside.join("file").display()),
            "(exec 3<>/dev/tcp/unknown.test/80; read -u 3)".to_owned(),
        ] {
            let _ = fs::remove_file(&asked);
            let mut command = tool.command(world);
            command
                .env("SBSH_ASKPASS", &asker)
                .args(["-c", &format!("{what} & p=$!; {wait}; kill -9 $p; wait $p")]);
            let ran = ends(world, command);
            assert_eq!(ran.status, Some(137), "{what}: {ran:?}");
            let dialog = number(&asked).unwrap();
            until(|| !is_there(dialog));
        }
        // Before the command runs there is only who would run it.
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let _ = fs::remove_file(&asked);
            let mut command = tool.command(world);
            let mut child = command.env("SBSH_ASKPASS", &asker).args(["-c", "true"]).spawn().unwrap();
            until(|| asked.exists());
            kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(signal as i32));
            let dialog = number(&asked).unwrap();
            until(|| !is_there(dialog));
        }
    });
}

/// A person has two eyes: programs of one command are asked about one after the other, and what is the same once.
#[test]
fn one_dialog_of_a_command_at_a_time() {
    each(|world| {
        let tool = Tool::new(world, "");
        let (asker, open) = (world.outside.join("asker"), world.outside.join("open"));
        let log = world.outside.join("dialogs");
        let text = format!(
            "#!/bin/sh\nmkdir {0} || echo two >> {1}\necho one >> {1}\nsleep 0.05\nrmdir {0}\necho session\n",
            open.display(),
            log.display()
        );
        program(world, &asker, &text);
        world.give(&world.outside);
        let run = |text: &str| -> Ran {
            let _ = fs::remove_file(&log);
            tool.command(world).env("SBSH_ASKPASS", &asker).args(["-c", text]).output().unwrap().into()
        };
        let ran = run("for i in {1..8}; do tool echo $i & done; wait");
        assert_eq!(fs::read_to_string(&log).unwrap(), "one\n".repeat(8), "{ran:?}");
        // An unknown host and a write are asked about by others.
        let ran = run(&format!(
            // What only connects may have ended before anybody was asked.
            "host() {{ exec 3<>/dev/tcp/$1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; read -u 3; }}; \
             tool echo x & echo > {}/f & host a.test & host b.test & wait",
            world.outside.display()
        ));
        assert_eq!(fs::read_to_string(&log).unwrap(), "one\n".repeat(4), "{ran:?}");
    });
}

/// A set-user-id program, as sudo is, cannot be killed by whoever started it.
#[test]
fn a_program_that_cannot_be_killed_holds_nobody_up() {
    each(|world| {
        if !nix::unistd::geteuid().is_root() || !has(&["setpriv"]) {
            return crate::world::not_here("only root makes a set-user-id program");
        }
        let tool = Tool::allowed(world);
        let mighty = tool.directory.join("mighty");
        fs::copy("/usr/bin/setpriv", &mighty).unwrap();
        chown(&mighty, Some(0), Some(0)).unwrap();
        fs::set_permissions(&mighty, fs::Permissions::from_mode(0o4755)).unwrap();
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["mighty:*"]},"permissions":{"allow":["Bash(mighty:*)"]}}"#,
        );
        let told = world.outside.join("told");
        let mut command = tool.command(world);
        let text = format!(
            "mighty --reuid 0 sh -c 'echo $$ > {0}; exec sleep 1000' & p=$!; while ! test -s {0}; do sleep 0.01; done; kill -9 $p",
            told.display()
        );
        command.args(["-c", &text]);
        ends(world, command);
        let _ = kill(Pid::from_raw(number(&told).unwrap()), Signal::SIGKILL);
    });
}

fn ask(world: &World, tool: &Tool, answer: &str, text: &str) -> (Ran, Vec<serde_json::Value>) {
    let (program, asked) = askpass(world, answer);
    let ran: Ran =
        tool.command(world).env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap().into();
    (ran, questions(&asked))
}

/// What is shown is what runs, and can be read in one way only.
#[test]
fn a_question_cannot_be_made_to_look_like_another() {
    each(|world| {
        let tool = Tool::new(world, "");
        let (_, questions) = ask(world, &tool, "no", "FOO='1 tool status #' tool rm");
        assert_eq!(questions[0]["command"], "FOO='1 tool status #' tool rm");
        // A name that no shell would take is no assignment that a person can read.
        let (_, questions) = ask(world, &tool, "no", "env 'A tool status; B=1' tool rm");
        assert_eq!(questions[0]["command"], "tool rm");
        // A byte that is no text is not the text by which it is shown.
        let (_, questions) = ask(world, &tool, "session", r"tool true '\xff'; tool true $'\xff'");
        assert_eq!(questions.len(), 2, "{questions:?}");
        let (_, questions) = ask(world, &tool, "session", r"FOO='\xff' tool true; FOO=$'\xff' tool true");
        assert_eq!(questions.len(), 2, "{questions:?}");
    });
}

/// A rule is about words. Words with blanks in them are other words.
#[test]
fn a_rule_allows_the_words_that_it_names_and_no_others() {
    each(|world| {
        let tool = Tool::new(
            world,
            r#""allow":["Bash(tool true:*)","Bash(tool echo a b)"],"deny":["Bash(tool rm:*)"]"#,
        );
        for allowed in ["tool true", "tool true x 'a  b' ''", "tool echo a b"] {
            assert_eq!(
                tool.run(world, &format!("{allowed} | cat; exit ${{PIPESTATUS[0]}}")).status,
                Some(0),
                "{allowed}"
            );
            assert_eq!(tool.ran().len(), 1, "{allowed}");
            assert_eq!(tool.run(world, allowed).status, Some(0), "{allowed}");
            assert_eq!(tool.ran().len(), 1, "{allowed}");
        }
        for refused in [
            "tool 'true x'",
            "tool 'true '",
            "tool ' true'",
            "tool '' true",
            "tool echo 'a b'",
            "tool echo a b ''",
            "tool echo a '' b",
            "tool 'echo a' b",
            "tool $'true\\nx'",
            "tool $'true\\tx'",
            "tool rm",
            "tool '' rm",
            "tool ' rm' x",
            "tool 'rm x'",
        ] {
            for text in [refused.to_owned(), format!("{refused} | cat; exit ${{PIPESTATUS[0]}}")] {
                let ran = tool.run(world, &text);
                assert_eq!((ran.status, tool.ran().len()), (Some(126), 0), "{text}: {ran:?}");
            }
        }
        // What is approved for always is these words and no others.
        let tool = Tool::new(world, "");
        let (_, questions) = ask(world, &tool, "once", "tool echo 'tmp data' | cat");
        assert_eq!(questions[0]["choices"], serde_json::json!(["once", "session", "no"]));
    });
}

/// SECURITY.md, rule 4: programs outside find no program that confined code wrote.
#[test]
fn nothing_that_confined_code_wrote_runs_outside() {
    each(|world| {
        let tool = Tool::allowed(world);
        let made = world.outside.join("made");
        let evil = format!("#!/bin/sh\ntouch {}\n", made.display());
        let bin = world.project.join("sub/bin");
        program(world, &bin.join("helper"), &evil);
        program(world, &bin.join("interpreter"), &evil);
        program(world, &tool.directory.join("tool"), "#!/bin/sh\nhelper\n");
        program(world, &tool.directory.join("script"), &format!("#!{}\n", bin.join("interpreter").display()));
        program(
            world,
            &tool.directory.join("again"),
            &format!("#! {} x\n", tool.directory.join("script").display()),
        );
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["tool:*","script:*","again:*"]},"permissions":{"allow":["Bash(tool:*)","Bash(script:*)","Bash(again:*)"]}}"#,
        );
        for first in [bin.display().to_string(), ".".into(), "sub/bin".into(), String::new()] {
            for text in
                ["tool", "tool | cat", "cd sub/bin; tool", "script", "script | cat", "again", "again | cat"]
            {
                let path = format!("{first}:{}:/usr/bin:/bin", tool.directory.display());
                let mut command = world.command(world.bin("sbsh"));
                let ran: Ran = command.env("PATH", path).args(["-c", text]).output().unwrap().into();
                assert!(!made.exists(), "PATH={first} {text}: {ran:?}");
            }
        }
    });
}

/// The line's question is left to the broker only where the broker gets to ask it.
#[test]
fn a_name_that_is_not_covered_after_all_is_asked_about() {
    each(|world| {
        let tool = Tool::new(world, "");
        let bin = world.project.join("sub/bin");
        let regular = r#"{"sandbox":{"mode":"regular","excludedCommands":["tool:*"]},"permissions":{"allow":["Bash(true:*)"]}}"#;
        let made = world.project.join("made");
        let run = |first: &str, text: &str| -> Ran {
            let path = format!("{first}{}:/usr/bin:/bin", tool.directory.display());
            tool.command(world).env("PATH", path).args(["-c", text]).output().unwrap().into()
        };
        world.user_settings(regular);
        for there in [false, true] {
            for first in [format!("{}:", bin.display()), "sub/bin:".into()] {
                if there {
                    program(world, &bin.join("tool"), "#!/bin/sh\ntouch made\n");
                }
                let ran = run(&first, "true; tool x");
                assert!(!made.exists() && ran.stderr.contains("regular"), "{first} {there}: {ran:?}");
            }
        }
        // What the shell does itself the broker never hears of.
        world.user_settings(&regular.replace("tool:*", "echo:*"));
        program(world, &tool.directory.join("echo"), "#!/bin/sh\n");
        let ran = run("", "true; echo done");
        assert!(ran.stdout.is_empty() && ran.stderr.contains("regular"), "{ran:?}");
        // Without a sandbox there is no broker.
        world.user_settings(
            r#"{"sandbox":{"enabled":false,"excludedCommands":["tool:*"]},"permissions":{"ask":["Bash(tool:*)"]}}"#,
        );
        let ran = run("", "true; tool touch made");
        assert!(!made.exists() && tool.ran().is_empty(), "{ran:?}");
    });
}

/// A flood of questions: more than a person looks at are answered with no.
#[test]
fn questions_come_to_an_end() {
    each(|world| {
        let tool = Tool::new(world, "");
        let (ran, questions) = ask(world, &tool, "no", "for i in {1..60}; do tool echo $i; done; echo end");
        assert_eq!((questions.len(), ran.stdout.as_str()), (24, "end\n"), "{}", ran.stderr);
        assert!(ran.stderr.contains("24 questions"), "{}", ran.stderr);
        // Where nobody is asked there were no questions.
        let ran = tool.run(world, "for i in {1..30}; do tool echo $i; done");
        assert_eq!(ran.stderr.matches("nobody could be asked").count(), 30, "{}", ran.stderr);
        // At the same time, too.
        let (asker, counted) = (world.outside.join("counter"), world.outside.join("counted"));
        fs::create_dir(&counted).unwrap();
        world.give(&counted);
        program(world, &asker, &format!("#!/bin/sh\ntouch {}/$$\necho no\n", counted.display()));
        let mut command = tool.command(world);
        let text = "for i in {1..60}; do tool echo $i & done; wait";
        command.env("SBSH_ASKPASS", &asker).args(["-c", text]).output().unwrap();
        assert_eq!(fs::read_dir(&counted).unwrap().count(), 24);
        // Also of a job that the front does not wait for.
        let done = world.project.join("done");
        let (program, asked) = askpass(world, "no");
        let text = "(sleep 0.3; for i in {1..60}; do tool echo $i; done; touch done) >/dev/null 2>&1 &";
        let mut command = tool.command(world);
        command.env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap();
        until(|| done.exists());
        assert_eq!(crate::broker::questions(&asked).len(), 24);
    });
}

/// Words that nobody reads to their end.
#[test]
fn a_question_that_is_too_long_is_not_asked() {
    each(|world| {
        let tool = Tool::new(world, "");
        let text = "tool true $(seq 1 9000) evil; echo $?";
        let (ran, questions) = ask(world, &tool, "once", text);
        assert_eq!((ran.stdout.as_str(), questions.len(), tool.ran().len()), ("126\n", 0, 0));
        assert!(ran.stderr.contains("more than a person can look at"), "{}", ran.stderr);
    });
}

/// The directory that is shown is the one that it runs in, however long the answer takes.
#[test]
fn the_directory_is_the_one_that_was_shown() {
    each(|world| {
        let tool = Tool::new(world, "");
        let (asked, moved) = (world.outside.join("asked"), world.project.join("moved"));
        let asker = world.outside.join("slow");
        program(
            world,
            &asker,
            &format!(
                "#!/bin/sh\ntouch {}\nwhile ! test -e {}; do sleep 0.01; done\necho once\n",
                asked.display(),
                moved.display()
            ),
        );
        let text = format!(
            "mkdir -p safe/d evil; (cd safe/d; tool pwd) & while ! test -e {}; do sleep 0.01; done; mv safe/d evil/d; touch moved; wait",
            asked.display()
        );
        let mut command = tool.command(world);
        command.env("SBSH_ASKPASS", &asker).args(["-c", &text]);
        let ran = ends(world, command);
        assert!(tool.ran().is_empty() && ran.stderr.contains("working directory"), "{ran:?}");
    });
}

/// What is made outside is not made readable and writable for everybody because code inside says so.
#[test]
fn the_mask_can_only_be_stricter() {
    each(|world| {
        let tool = Tool::allowed(world);
        for (text, mask) in
            [("umask 0; tool sh -c umask", "0022\n"), ("umask 077; tool sh -c umask", "0077\n")]
        {
            let mut command = world.command("/bin/sh");
            let path = format!("{}:/usr/bin:/bin", tool.directory.display());
            command
                .env("PATH", path)
                .args(["-c", "umask 022; exec \"$0\" -c \"$1\""])
                .arg(world.bin("sbsh"))
                .arg(text);
            assert_eq!(Ran::from(command.output().unwrap()).stdout, mask);
        }
        // A program whose children vanish takes a failure for a success.
        let text = "python3 -c 'import signal, os; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(\"tool\", [\"tool\", \"sh\", \"-c\", \"grep SigIgn /proc/self/status\"])'";
        if has(&["python3"]) {
            let ran = tool.run(world, text);
            let set = ran.stdout.split_whitespace().last().and_then(|set| u64::from_str_radix(set, 16).ok());
            assert_eq!(set.map(|set| set & (1 << 16)), Some(0), "{ran:?}");
        }
    });
}

/// Ways to say the name of the way out; none of them runs what confined code can write.
#[test]
fn the_way_out_runs_nothing_that_confined_code_can_write() {
    each(|world| {
        let tool = Tool::new(world, "");
        std::os::unix::fs::symlink("sbsh", world.bin("dangerouslyDisableSandbox")).unwrap();
        let mine = world.project.join("mine");
        let made = world.outside.join("made");
        program(world, &mine, &format!("#!/bin/sh\ntouch {}\n", made.display()));
        let project = world.project.display();
        for words in [
            "mine",
            "./mine",
            "../project/mine",
            "''",
            "--",
            "-- true",
            ".",
            "..",
            "/",
            "//",
            &format!("{project}/mine"),
            &format!("/usr/../{project}/mine"),
            &format!("{project}/../project/mine"),
            "/proc/self/cwd/mine",
            &format!("/proc/self/root{project}/mine"),
            &format!("{project}/link/true"),
            "/dev/fd/0",
            "dangerouslyDisableSandbox true",
        ] {
            let text = format!(
                "ln -sfn /usr/bin link; true | dangerouslyDisableSandbox {words}; exit ${{PIPESTATUS[1]}}"
            );
            let (ran, _) = ask(world, &tool, "once", &text);
            assert!(!made.exists() && matches!(ran.status, Some(126 | 127)), "{words}: {ran:?}");
        }
    });
}

/// As bash says it.
#[test]
fn what_cannot_be_started_says_so_as_in_bash() {
    each(|world| {
        let tool = Tool::allowed(world);
        program(world, &tool.directory.join("broken"), "#!/nowhere/at/all\n");
        program(world, &tool.directory.join("garbage"), "\u{1}\u{2}");
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["broken:*","garbage:*"]},"permissions":{"allow":["Bash(broken:*)","Bash(garbage:*)"]}}"#,
        );
        for (text, status) in [("broken; exit $?", 127), ("garbage; exit $?", 126)] {
            assert_eq!(tool.run(world, text).status, Some(status), "{text}");
        }
    });
}

/// A link on the way that confined code can write leads elsewhere once somebody has said yes.
#[test]
fn no_link_on_the_way_can_be_turned_elsewhere() {
    each(|world| {
        let tool = Tool::new(world, "");
        let (asked, turned) = (world.outside.join("asked"), world.project.join("turned"));
        let made = world.outside.join("made");
        program(world, &world.project.join("evil/tool"), &format!("#!/bin/sh\ntouch {}\n", made.display()));
        let asker = world.outside.join("slow");
        let text = format!(
            "#!/bin/sh\ntouch {}\nwhile ! test -e {}; do sleep 0.01; done\necho once\n",
            asked.display(),
            turned.display()
        );
        program(world, &asker, &text);
        let link = world.project.join("link");
        for target in ["link/tool", "link/../link/tool"] {
            for whole in [false, true] {
                let _ = [&asked, &turned, &link].map(fs::remove_file);
                std::os::unix::fs::symlink(&tool.directory, &link).unwrap();
                let names = world.outside.join("names");
                let _ = fs::remove_dir_all(&names);
                fs::create_dir(&names).unwrap();
                std::os::unix::fs::symlink(world.project.join(target), names.join("tool")).unwrap();
                let turn = format!(
                    "(while ! test -e {}; do sleep 0.01; done; ln -sfn evil link; touch turned)",
                    asked.display()
                );
                // Nobody is asked: then nobody waits.
                let name = if whole { names.join("tool").display().to_string() } else { "tool".into() };
                let text = format!("{turn} & p=$!; {name} true; touch {}; kill $p; wait", "turned");
                let mut command = tool.command(world);
                command
                    .env("PATH", format!("{}:/usr/bin:/bin", names.display()))
                    .env("SBSH_ASKPASS", &asker)
                    .args(["-c", &text]);
                let ran = ends(world, command);
                assert!(!made.exists(), "{target} {whole}: {ran:?}");
            }
        }
    });
}

/// The kernel's links mean something else in the process that executes than in the one that looks.
#[test]
fn no_program_is_named_by_the_kernels_links() {
    each(|world| {
        let tool = Tool::new(world, "");
        std::os::unix::fs::symlink("sbsh", world.bin("dangerouslyDisableSandbox")).unwrap();
        let made = world.outside.join("made");
        let evil = format!("printf '#!/bin/sh\\ntouch {}\\n' > bin/true; chmod +x bin/true", made.display());
        let (asker, asked) = askpass(world, "once");
        for name in ["/proc/self/cwd/bin/true", "/proc/thread-self/cwd/bin/true", "/dev/fd/../cwd/bin/true"] {
            let text = format!(
                "cd $TMPDIR; mkdir bin; {evil}; true | dangerouslyDisableSandbox {name}; exit ${{PIPESTATUS[1]}}"
            );
            let mut command = tool.command(world);
            command.current_dir("/usr").env("PWD", "/usr").env("SBSH_ASKPASS", &asker).args(["-c", &text]);
            let ran = ends(world, command);
            assert!(!made.exists() && ran.status == Some(127), "{name}: {ran:?}");
            assert!(questions(&asked).is_empty(), "{name}");
        }
    });
}
