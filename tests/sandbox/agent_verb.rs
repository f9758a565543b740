//! `sbshctl agent`: agents start so that what they run is confined, each by the shell that it picks in its own way, and none is
//! started whose commands would not be.

use crate::broker::{askpass, program, questions};
use crate::world::{Ran, World, each, is_root};
use std::fs;
use std::os::unix::process::CommandExt;

/// What an agent runs in a shell, and what it says when it is confined.
const TRIED: &str = "touch \"$OUTSIDE/no\" 2>/dev/null; echo \"outside: $?\"; touch yes; echo \"inside: $?\"";
const CONFINED: &str = "outside: 1\ninside: 0\n";

/// Agents that pick their shell as the real ones do (DROP-IN.md); each runs its words.
const AGENTS: &[(&str, &str)] = &[
    (
        "claude",
        "#!/bin/sh\ncase $CLAUDE_CODE_SHELL in *bash|*zsh) ;; *) CLAUDE_CODE_SHELL=/bin/bash;; esac\nexec \"$CLAUDE_CODE_SHELL\" -c \"$1\"\n",
    ),
    ("gemini", "#!/bin/sh\nexec bash -c \"$1\"\n"),
    ("opencode", "#!/bin/sh\nexec \"$SHELL\" -c \"$1\"\n"),
    (
        "codex",
        "#!/usr/bin/python3\nimport os, pwd, sys\ntry: shell = pwd.getpwuid(os.getuid()).pw_shell\nexcept KeyError: shell = ''\nif os.path.basename(shell) not in ('bash', 'zsh', 'sh'): shell = 'bash'\nos.execvp(shell, [shell, '-lc', sys.argv[1]])\n",
    ),
    (
        "aider",
        "#!/usr/bin/python3\nimport os, sys\nif sys.stdin.isatty(): os.execv(os.environ['SHELL'], ['bash', '-i', '-c', sys.argv[1]])\nos.execv('/bin/sh', ['sh', '-c', sys.argv[1]])\n",
    ),
    (
        "homegrown",
        "#!/usr/bin/python3\nimport os, pwd, sys\nos.execv(pwd.getpwuid(os.getuid()).pw_shell, ['sh', '-c', sys.argv[1]])\n",
    ),
];

fn agents(world: &World) -> String {
    let place = world.outside.join("agents");
    for (name, text) in AGENTS {
        program(world, &place.join(name), text);
    }
    format!("{}:/usr/local/bin:/usr/bin:/bin", place.display())
}

fn start(world: &World, words: &[&str]) -> Ran {
    let mut command = world.command(world.bin("sbshctl"));
    command.arg("agent").args(words).env("PATH", agents(world)).env("OUTSIDE", &world.outside);
    command.output().unwrap().into()
}

#[test]
fn every_agent_runs_its_commands_confined() {
    each(|world| {
        for agent in ["claude", "gemini", "opencode", "codex"] {
            let ran = start(world, &["--", agent, TRIED]);
            assert_eq!((ran.stdout.as_str(), ran.status), (CONFINED, Some(0)), "{agent}: {ran:?}");
            let said = format!(
                "sbsh: commands of {agent} run confined: they can write '{}'",
                world.project.display()
            );
            assert!(ran.stderr.starts_with(&said), "{agent}: {ran:?}");
            assert!(!world.outside.join("no").exists());
        }
        // Its status is the agent's; its words are its own.
        assert_eq!(start(world, &["gemini", "exit 7"]).status, Some(7));
        assert_eq!(start(world, &["--", "gemini", "--root"]).status, Some(2));
        assert!(!world.home.join(".local/state/sbsh/aliases").exists());
    });
}

#[test]
fn an_agent_that_takes_another_shell_without_a_terminal_is_not_started_there() {
    if !crate::world::has(&["script", "python3"]) {
        return;
    }
    each(|world| {
        let ran = start(world, &["--", "aider", TRIED]);
        assert_eq!((ran.stdout.as_str(), ran.status), ("", Some(126)), "{ran:?}");
        let said = "sbsh: aider would run its commands by '/bin/sh', which is not sbsh: nothing was started; start it on a terminal";
        assert!(ran.stderr.contains(said), "{ran:?}");
        let verb = world.bin("sbshctl");
        let line = ["agent", "--", "aider", TRIED].map(|word| shlex::try_quote(word).unwrap().into_owned());
        let line = format!("{} {}", verb.display(), line.join(" "));
        let mut command = world.command("/usr/bin/script");
        command.args(["-qec", &line, "/dev/null"]).env("PATH", agents(world)).env("OUTSIDE", &world.outside);
        let ran: Ran = command.env("SHELL", "/bin/bash").output().unwrap().into();
        assert!(ran.stdout.contains("outside: 1\r\ninside: 0\r\n"), "{ran:?}");
        assert!(!world.outside.join("no").exists());
    });
}

#[test]
fn commands_of_one_agent_share_their_loopback() {
    each(|world| {
        let served = "python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 4000)); print(1, flush=True); s.accept()[0].send(b\"hello\")'";
        let asks = "python3 -c 'import socket; print(socket.create_connection((\"127.0.0.1\", 4000)).recv(9).decode())'";
        let agent = world.outside.join("two");
        let text =
            "#!/bin/sh\nmkfifo up\n\"$SHELL\" -c \"$1\" > up & read one < up\n\"$SHELL\" -c \"$2\"\nwait\n";
        program(world, &agent, text);
        let ran = start(world, &["--", agent.to_str().unwrap(), served, asks]);
        assert_eq!(ran.stdout, "hello\n", "{ran:?}");
        assert!(ran.stderr.contains("'two' is no agent that sbsh knows"), "{ran:?}");
    });
}

/// As a user who has an account with bash for a shell; the system's own accounts are not touched.
fn with_account(world: &World, words: &[&str]) -> Ran {
    let accounts = world.outside.join("passwd");
    let own = format!("tester:x:{0}:{0}::{1}:/bin/bash\n", world.user, world.home.display());
    world.write(&accounts, &(own + &fs::read_to_string("/etc/passwd").unwrap()));
    let mut command = world.command("/usr/bin/unshare");
    command.uid(0).gid(0);
    let user = world.user.to_string();
    let become_it = format!(
        "mount --bind '{}' /etc/passwd; exec setpriv --reuid {user} --regid {user} --clear-groups \"$@\"",
        accounts.display()
    );
    command
        .args(["-m", "/bin/sh", "-c", &become_it, "sh"])
        .arg(world.bin("sbshctl"))
        .arg("agent")
        .args(words);
    command.env("PATH", agents(world) + ":/usr/sbin:/sbin").env("OUTSIDE", &world.outside);
    command.output().unwrap().into()
}

#[test]
fn an_agent_that_asks_for_the_accounts_shell_is_shown_sbsh_there() {
    if !is_root() {
        return crate::world::not_here("only root can give the test an account");
    }
    each(|world| {
        let before = fs::read("/etc/passwd").unwrap();
        let mut command = vec![vec!["--", "codex", TRIED]];
        command.push(vec!["--account-shell", "--", "homegrown", TRIED]);
        for words in command {
            let ran = with_account(world, &words);
            assert_eq!((ran.stdout.as_str(), ran.status), (CONFINED, Some(0)), "{words:?}: {ran:?}");
            assert!(!world.outside.join("no").exists());
        }
        // What is not known cannot be helped unasked, but is said.
        let ran = with_account(world, &["--", "homegrown", "echo $((6 * 7))"]);
        assert!(ran.stdout == "42\n" && ran.stderr.contains("add --account-shell"), "{ran:?}");
        // Nobody else sees it, and nothing is left of it.
        assert_eq!(fs::read("/etc/passwd").unwrap(), before);
        let ran = with_account(
            world,
            &["--", "codex", "ls /tmp/sbsh-*/passwd-* /var/tmp/sbsh-*/passwd-* 2>/dev/null"],
        );
        assert_eq!(ran.stdout, "", "{ran:?}");
    });
}

#[test]
fn an_agent_whose_commands_would_not_be_confined_is_not_started() {
    each(|world| {
        let refused = |world: &World, words: &[&str], why: &str| {
            let ran = start(world, words);
            assert!(ran.status == Some(126) && ran.stdout.is_empty(), "{words:?}: {ran:?}");
            assert!(ran.stderr.contains(why), "{words:?}: {}", ran.stderr);
        };
        // The other names lie where commands could put something else.
        let home = world.home.to_str().unwrap();
        refused(world, &["--root", home, "--", "gemini", "echo ran"], "commands inside can write");
        world.user_settings(r#"{"sandbox": {"backend": "seatbelt"}}"#);
        refused(world, &["--", "gemini", "echo ran"], "did not run");
        world.user_settings("{");
        let ran = start(world, &["--", "gemini", "echo ran"]);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("settings.json:1:"), "{ran:?}");
        world.user_settings(r#"{"sandbox": {"enabled": false}, "permissions": {"allow": ["Bash(echo:*)"]}}"#);
        let ran = start(world, &["--", "gemini", "echo ran"]);
        assert!(
            ran.stdout == "ran\n" && ran.stderr.contains("NOT confined: sandbox.enabled is false"),
            "{ran:?}"
        );
        world.user_settings("{}");
        assert_eq!(start(world, &["--", "nowhere"]).status, Some(127));
        // From inside nothing is started.
        let ctl = world.bin("sbshctl");
        let ran = world.run(&format!("{} agent -- sh -c 'echo ran'", ctl.display()));
        assert!(ran.stdout.is_empty() && ran.stderr.contains("does not work inside"), "{ran:?}");
    });
}

#[test]
fn the_environment_alone_does_it_too() {
    each(|world| {
        let other = world.outside.join("root");
        fs::create_dir(&other).unwrap();
        world.give(&other);
        let text = "eval \"$(\"$0\" agent --print-env --root \"$OUTSIDE/root\")\" && gemini \"$1\"; cd \"$OUTSIDE/root\" && gemini \"$1\"";
        let mut command = world.command("/bin/sh");
        command.args(["-c", text]).arg(world.bin("sbshctl")).arg("touch here; echo $?");
        let ran: Ran =
            command.env("PATH", agents(world)).env("OUTSIDE", &world.outside).output().unwrap().into();
        assert_eq!(ran.stdout, "1\n0\n", "{ran:?}");
        assert!(other.join("here").exists() && !world.project.join("here").exists());
    });
}

#[test]
fn an_answer_for_the_session_holds_for_the_agents_later_commands_and_for_no_others() {
    each(|world| {
        let two = world.outside.join("two");
        program(world, &two, "#!/bin/sh\n\"$SHELL\" -c \"$1\"; \"$SHELL\" -c \"$2\"\n");
        let kept = world.outside.join("kept");
        fs::create_dir(&kept).unwrap();
        world.give(&kept);
        let agent = |settings: &str, answer: &str, session: Option<&str>, words: [&str; 2]| {
            world.user_settings(settings);
            let (askpass, asked) = askpass(world, answer);
            let mut command = world.command(world.bin("sbshctl"));
            command.args(["agent", "--"]).arg(&two).args(words).env("KEPT", &kept);
            command.env("SBSH_ASKPASS", askpass);
            command.envs(session.map(|session| ("SBSH_SESSION", session)));
            let ran: Ran = command.output().unwrap().into();
            (ran, questions(&asked).len())
        };
        let writes = ["echo 1 >> \"$KEPT/file\" && echo done"; 2];
        let (ran, asked) = agent("{}", "session", None, writes);
        assert_eq!((ran.stdout.as_str(), asked), ("done\ndone\n", 1), "{ran:?}");
        // Once is once.
        let (ran, asked) = agent("{}", "once", None, writes);
        assert!(ran.stdout == "done\ndone\n" && asked >= 2, "{asked} {ran:?}");
        // Another session knows nothing of it; the same one, named, does, also later.
        let (_, asked) = agent("{}", "session", Some("mine"), writes);
        assert_eq!(asked, 1);
        let (ran, asked) = agent("{}", "no", Some("mine"), writes);
        assert_eq!((ran.stdout.as_str(), asked), ("done\ndone\n", 0), "{ran:?}");
        let (ran, asked) = agent("{}", "no", Some("another"), writes);
        assert!(ran.stdout.is_empty() && asked >= 1, "{asked} {ran:?}");
        // Commands, too.
        let regular = r#"{"sandbox": {"mode": "regular"}}"#;
        let (ran, asked) = agent(regular, "session", None, ["echo one", "echo one"]);
        assert_eq!((ran.stdout.as_str(), asked), ("one\none\n", 1), "{ran:?}");
        let (ran, asked) = agent(regular, "session", None, ["echo one", "echo two"]);
        assert_eq!((ran.stdout.as_str(), asked), ("one\ntwo\n", 2), "{ran:?}");
        // Nothing inside reads or changes what was allowed.
        let inside = world.run("ls ~/.local/state/sbsh/sessions 2>/dev/null; echo '{}' > ~/.local/state/sbsh/sessions/x.json 2>/dev/null; echo $?; env | grep -c SBSH_SESSION");
        assert!(inside.stdout.lines().next() != Some("0"), "{inside:?}");
        assert!(!world.home.join(".local/state/sbsh/sessions/x.json").exists());
    });
}
