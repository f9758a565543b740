//! Hooks: programs of the person's that are asked before a command and told after it. They run outside, so what they
//! execute, and what their answers can do, is looked at as an attacker would.

use crate::world::{Ran, World, each, has, until};
use std::fs;
use std::path::{Path, PathBuf};

/// Settings with hooks before commands.
fn before(commands: &[&str]) -> String {
    let entries: Vec<String> = commands
        .iter()
        .map(|command| format!(r#"{{"type": "command", "command": {}}}"#, serde_json::Value::from(*command)))
        .collect();
    format!(r#"{{"hooks": {{"PreToolUse": [{{"matcher": "Bash", "hooks": [{}]}}]}}}}"#, entries.join(", "))
}

/// A hook of the user's, where confined code cannot write.
fn script(world: &World, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = world.home.join(".claude/hooks").join(name);
    world.write(&path, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn answer(json: &str) -> String {
    format!("echo '{json}'")
}

fn specific(word: &str, reason: &str) -> String {
    answer(&format!(
        r#"{{"hookSpecificOutput":{{"hookEventName":"PreToolUse","permissionDecision":"{word}","permissionDecisionReason":"{reason}"}}}}"#
    ))
}

fn updated(command: &str) -> String {
    answer(&format!(
        r#"{{"hookSpecificOutput":{{"hookEventName":"PreToolUse","permissionDecision":"allow","updatedInput":{{"command":"{command}"}}}}}}"#
    ))
}

#[test]
fn a_hook_in_python_sees_the_command_and_refuses_by_its_status() {
    if !has(&["python3"]) {
        return;
    }
    each(|world| {
        let guard = script(
            world,
            "guard.py",
            "import json, os, sys\n\
             told = json.load(sys.stdin)\n\
             told['project'] = os.environ['CLAUDE_PROJECT_DIR']\n\
             open(os.path.expanduser('~/told'), 'w').write(json.dumps(told))\n\
             if 'rm -rf' in told['tool_input']['command']:\n    sys.exit('never') if False else None\n\
             \x20   print('no such thing\\n\\x1b[2J here', file=sys.stderr)\n    sys.exit(2)\n",
        );
        world.user_settings(&before(&[&format!("python3 {}", guard.display())]));
        let ran = world.run("echo fine");
        assert_eq!((ran.stdout.as_str(), ran.status, ran.stderr.as_str()), ("fine\n", Some(0), ""));
        let told: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(world.home.join("told")).unwrap()).unwrap();
        assert_eq!(told["tool_name"], "Bash");
        assert_eq!(told["hook_event_name"], "PreToolUse");
        assert_eq!(told["tool_input"]["command"], "echo fine");
        assert_eq!(told["cwd"], world.project.to_str().unwrap());
        assert_eq!(told["project"], world.project.to_str().unwrap());

        let ran = world.run("touch made; rm -rf x");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""));
        assert!(!world.project.join("made").exists());
        assert!(
            ran.stderr.contains("no such thing | \\\\e[2J here") || ran.stderr.contains("\\e[2J"),
            "{ran:?}"
        );
        assert!(ran.stderr.contains("settings.json:1:"), "{ran:?}");
        assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    });
}

#[test]
fn a_hooks_words_stand_between_deny_rules_and_the_rest() {
    each(|world| {
        let rules = |hook: &str, more: &str| {
            let hooks = before(&[hook]);
            world.user_settings(&format!("{}, {more}}}", hooks.strip_suffix('}').unwrap()));
        };
        let none = r#""sandbox": {"mode": "regular"}"#;
        // Nothing said: the regular flow asks, and there is nobody.
        rules("true", none);
        assert_eq!(world.run("echo ran").status, Some(126));
        // Its allowance is an allow rule.
        for allows in [specific("allow", ""), answer(r#"{"decision":"approve"}"#)] {
            rules(&allows, none);
            assert_eq!(world.run("echo ran").stdout, "ran\n");
        }
        // Deny and ask rules come before it.
        rules(&specific("allow", ""), r#""permissions": {"deny": ["Bash(echo:*)"]}"#);
        let ran = world.run("echo ran");
        assert_eq!(ran.status, Some(126));
        assert!(ran.stderr.contains("Bash(echo:*)"), "{ran:?}");
        rules(&specific("allow", ""), r#""permissions": {"ask": ["Bash(echo:*)"]}"#);
        let ran = world.run("echo ran");
        assert_eq!(ran.status, Some(126));
        assert!(ran.stderr.contains("nobody"), "{ran:?}");
        // Its no and its question come before every allowance.
        let allowed = r#""permissions": {"allow": ["Bash"]}"#;
        for (hook, why) in [
            (specific("deny", "because"), "a hook refuses it: because"),
            (answer(r#"{"decision":"block","reason":"because"}"#), "a hook refuses it: because"),
            (answer(r#"{"continue":false,"stopReason":"because"}"#), "a hook refuses it: because"),
            ("echo because >&2; exit 2".to_owned(), "a hook refuses it: because"),
            (specific("ask", "because"), "a hook asks about it: because"),
        ] {
            rules(&hook, allowed);
            let ran = world.run("echo ran");
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{hook}");
            assert!(ran.stderr.contains(why), "{hook}: {ran:?}");
        }
    });
}

#[test]
fn the_strictest_of_several_counts_and_all_run() {
    each(|world| {
        let seen = |name: &str| format!("touch ~/{name}; ");
        world.user_settings(&before(&[
            &(seen("a") + &specific("allow", "")),
            &(seen("b") + "echo no >&2; exit 2"),
            &(seen("c") + &specific("ask", "")),
        ]));
        let ran = world.run("echo ran");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""));
        assert!(["a", "b", "c"].iter().all(|name| world.home.join(name).exists()));
    });
}

#[test]
fn they_run_at_the_same_time() {
    each(|world| {
        // Each waits for the other's sign: one after the other, neither would ever end.
        let meet =
            |own: &str, other: &str| format!("touch ~/{own}; until [ -e ~/{other} ]; do sleep 0.02; done");
        world.user_settings(&before(&[&meet("a", "b"), &meet("b", "a")]));
        let ran = world.run("echo ran");
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("ran\n", ""));
    });
}

/// In mode regular, where only an allowance lets anything run.
fn beside_an_allowance(world: &World, entry: &str) -> Ran {
    world.user_settings(&format!(
        r#"{{"sandbox": {{"mode": "regular"}}, "hooks": {{"PreToolUse": [{{"hooks": [
            {{"type": "command", "command": {}}}, {entry}]}}]}}}}"#,
        serde_json::Value::from(specific("allow", ""))
    ));
    world.run("echo ran")
}

#[test]
fn a_hook_that_fails_says_so_and_takes_the_allowance_of_the_others() {
    each(|world| {
        let entry = |command: &str, more: &str| {
            format!(r#"{{"type": "command", "command": {}{more}}}"#, serde_json::Value::from(command))
        };
        assert_eq!(beside_an_allowance(world, &entry("true", "")).stdout, "ran\n");
        for (command, more, said) in [
            ("exit 1", "", "ended with status 1"),
            ("/no/such/program", "", "ended with status 127"),
            ("kill -9 $$", "", "died by a signal"),
            ("echo '{not json'", "", "no JSON"),
            ("echo '{\"decision\": \"perhaps\"}'", "", "whose decision is none"),
            (
                "printf '{\"decision\": \"approve\", \"x\": \"'; head -c 3000000 /dev/zero | tr '\\0' x",
                "",
                "too long",
            ),
            ("sleep 1000", r#", "timeout": 0.3"#, "did not answer within 0.3 s"),
            ("exec >&- 2>&-; sleep 1000", r#", "timeout": 0.3"#, "did not answer within 0.3 s"),
            ("true", r#", "shell": "powershell""#, "not run by sbsh"),
        ] {
            let ran = beside_an_allowance(world, &entry(command, more));
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{command}: {ran:?}");
            assert_eq!(ran.stderr.matches(said).count(), 1, "{command}: {ran:?}");
            // Alone and in the usual mode it stops nothing, but where its entry says so.
            world.user_settings(&format!(
                r#"{{"hooks": {{"PreToolUse": [{{"hooks": [{}]}}]}}}}"#,
                entry(command, more)
            ));
            let ran = world.run("echo ran");
            assert_eq!(ran.stdout, "ran\n", "{command}: {ran:?}");
            assert_eq!(ran.stderr.matches(said).count(), 1, "{command}: {ran:?}");
            let strict = format!(r#"{more}, "onFailure": "block""#);
            world.user_settings(&format!(
                r#"{{"hooks": {{"PreToolUse": [{{"hooks": [{}]}}]}}}}"#,
                entry(command, &strict)
            ));
            let ran = world.run("echo ran");
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{command}: {ran:?}");
        }
        let ran = beside_an_allowance(world, r#"{"type": "http", "url": "http://127.0.0.1:1"}"#);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("not run by sbsh"), "{ran:?}");
    });
}

#[test]
fn garbage_and_megabytes_are_no_answer_and_hold_nothing_up() {
    each(|world| {
        for garbage in [
            "echo; head -c 20000000 /dev/urandom | tr -d '{'",
            "head -c 20000000 /dev/zero >&2",
            "printf 'approve\\nallow\\n\\033[2J'",
            "echo '[{\"decision\": \"approve\"}]'",
            "exec 0<&-; true",
        ] {
            world.user_settings(&before(&[garbage]));
            let ran = world.run("echo ran");
            assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("ran\n", ""), "{garbage}");
        }
        // A command longer than a pipe holds, and a hook that does not read it.
        let long = format!("echo ran; : {}", "x".repeat(100_000));
        world.user_settings(&before(&["true", "[ $(wc -c) -gt 100000 ] || exit 2"]));
        assert_eq!(world.run(&long).stdout, "ran\n");
    });
}

#[test]
fn what_a_hook_leaves_behind_is_not_waited_for_and_what_hangs_is_killed_whole() {
    each(|world| {
        // It keeps the pipes open for longer than any test runs.
        world.user_settings(&before(&["sleep 1000 & echo $! > ~/left; echo '{\"decision\": \"block\"}'"]));
        let ran = world.run("echo ran");
        assert_eq!(ran.status, Some(126), "{ran:?}");
        let left = fs::read_to_string(world.home.join("left")).unwrap();
        let alive = |pid: &str| Path::new("/proc").join(pid.trim()).join("root").is_symlink();
        assert!(alive(&left));
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(left.trim().parse().unwrap()),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();

        let hangs = r#"{"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "timeout": 0.5,
            "command": "sleep 1000 & echo $! > ~/child; echo $$ > ~/self; wait"}]}]}}"#;
        world.user_settings(hangs);
        assert_eq!(world.run("echo ran").stdout, "ran\n");
        for name in ["child", "self"] {
            let pid = fs::read_to_string(world.home.join(name)).unwrap();
            until(|| !alive(&pid));
        }
    });
}

#[test]
fn killing_the_caller_ends_the_hooks_it_waits_for() {
    use nix::sys::signal::{Signal, kill};
    each(|world| {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
            let _ = fs::remove_file(world.home.join("self"));
            world.user_settings(&before(&["echo $$ > ~/self.new; mv ~/self.new ~/self; exec sleep 1000"]));
            let mut child = world.command(world.bin("sbsh")).args(["-c", "echo ran"]).spawn().unwrap();
            until(|| world.home.join("self").exists());
            kill(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
            let ended = child.wait().unwrap();
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(ended.signal(), Some(signal as i32));
            let pid = fs::read_to_string(world.home.join("self")).unwrap();
            until(|| !Path::new("/proc").join(pid.trim()).join("root").is_symlink());
        }
    });
}

#[test]
fn another_command_is_judged_anew_runs_instead_and_is_said() {
    each(|world| {
        world.user_settings(&before(&[&updated("echo other")]));
        let ran = world.run("echo asked");
        assert_eq!((ran.stdout.as_str(), ran.status), ("other\n", Some(0)));
        assert_eq!(ran.stderr.matches("changed the command, which is now: echo other").count(), 1, "{ran:?}");
        // Within an agent's wrapping, which goes on.
        let wrapped = "eval 'echo asked' \\< /dev/null && pwd -P >| /tmp/claude-12ab-cwd";
        let ran = world.run(wrapped);
        assert_eq!(ran.stdout, "other\n", "{ran:?}");
        let _ = fs::remove_file("/tmp/claude-12ab-cwd");
        // Where there is no text to change, nothing runs.
        world.write(&world.project.join("x.sh"), "echo script\n");
        let ran: Ran = world.command(world.bin("sbsh")).arg("x.sh").output().unwrap().into();
        assert_eq!((ran.stdout.as_str(), ran.status), ("", Some(126)), "{ran:?}");
        // What is denied or asked about stays so.
        for rules in [r#"{"deny": ["Bash(touch:*)"]}"#, r#"{"ask": ["Bash(touch:*)"]}"#] {
            let hooks = before(&[&updated("touch made")]);
            world
                .user_settings(&format!(r#"{}, "permissions": {rules}}}"#, hooks.strip_suffix('}').unwrap()));
            let ran = world.run("echo asked");
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{rules}");
            assert!(ran.stderr.contains("Bash(touch:*)"), "{ran:?}");
            assert!(!world.project.join("made").exists());
        }
    });
}

#[test]
fn one_hook_cannot_carry_a_command_past_another() {
    each(|world| {
        let guard = "grep -q '\"command\":\"touch' && { echo guarded >&2; exit 2; }; exit 0";
        for hooks in [[&updated("touch made"), guard], [guard, &updated("touch made")]] {
            world.user_settings(&before(&hooks));
            let ran = world.run("echo asked");
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{ran:?}");
            assert!(ran.stderr.contains("guarded"), "{ran:?}");
            assert!(!world.project.join("made").exists());
        }
        // Two that want different things.
        world.user_settings(&before(&[&updated("echo a"), &updated("echo b")]));
        let ran = world.run("echo asked");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{ran:?}");
    });
}

#[test]
fn a_condition_and_a_matcher_choose_the_commands() {
    each(|world| {
        let entry = |matcher: &str, condition: &str| {
            format!(
                r#"{{"hooks": {{"PreToolUse": [{{"matcher": "{matcher}", "hooks": [{{"type": "command", "if": "{condition}", "command": "exit 2"}}]}}]}}}}"#
            )
        };
        for (matcher, condition, text, runs) in [
            ("Bash", "Bash(rm *)", "echo a", true),
            ("Bash", "Bash(rm *)", "echo a; rm -f x", false),
            ("Bash", "Bash(rm *)", "sh -c 'rm -f x'", false),
            ("Bash", "Edit(*.rs)", "echo a", true),
            ("Edit|Write", "Bash", "echo a", true),
            ("Edit|Bash", "Bash", "echo a", false),
            ("^B.sh$", "Bash", "echo a", false),
        ] {
            world.user_settings(&entry(matcher, condition));
            let ran = world.run(text);
            assert_eq!(ran.status == Some(0), runs, "{matcher} {condition} {text}: {ran:?}");
        }
        world.user_settings(&entry("Bash", "Bash("));
        let ran = world.run("echo a");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{ran:?}");
    });
}

#[test]
fn a_projects_hooks_run_only_once_they_are_trusted() {
    each(|world| {
        let settings = world.project.join(".claude/settings.json");
        world.write(
            &settings,
            r#"{
                "hooks": {
                    "PreToolUse": [{"matcher": "Bash", "hooks": [
                        {"type": "command", "command": "touch ~/escaped"}
                    ]}],
                    "PostToolUse": [{"matcher": "Edit", "hooks": [{"type": "command", "command": "touch ~/edit"}]}]
                }
            }"#,
        );
        let escaped = world.home.join("escaped");
        let ran = world.run("echo ran");
        assert_eq!(ran.stdout, "ran\n");
        assert!(!escaped.exists());
        assert!(ran.stderr.contains("hooks (line 4)") && ran.stderr.contains("sbshctl trust"), "{ran:?}");
        let shown = world.control(&["trust", "--show"]).stdout;
        assert!(shown.contains("line 4: hooks.PreToolUse = touch ~/escaped"), "{shown}");
        assert!(!shown.contains("~/edit"), "{shown}");
        world.control(&["trust", "--yes"]);
        let ran = world.run("echo ran");
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("ran\n", ""));
        assert!(escaped.exists());
        let explained = world.control(&["explain", "--", "ls"]).stdout;
        assert!(explained.contains("PreToolUse hook 'touch ~/escaped'"), "{explained}");
        assert!(world.control(&["status"]).stdout.contains("PreToolUse: touch ~/escaped"));
        // Another command in the same place is not trusted.
        fs::remove_file(&escaped).unwrap();
        let text = fs::read_to_string(&settings).unwrap().replace("touch ~/escaped", "touch  ~/escaped");
        world.write(&settings, &text);
        world.run("echo ran");
        assert!(!escaped.exists());
        // Nor does a project switch the person's own off.
        world.user_settings(&before(&["exit 2"]));
        world.write(&settings, r#"{"disableAllHooks": true}"#);
        assert_eq!(world.run("echo ran").status, Some(126));
        // Nor on, where the person switched them off.
        let off = before(&["exit 2"]).replacen('{', r#"{"disableAllHooks": true, "#, 1);
        world.user_settings(&off);
        assert_eq!(world.run("echo ran").stdout, "ran\n");
        world.write(&settings, r#"{"disableAllHooks": false}"#);
        assert_eq!(world.run("echo ran").stdout, "ran\n");
    });
}

#[test]
fn confined_code_does_not_choose_what_a_hook_executes() {
    each(|world| {
        let outside = world.home.join("escaped");
        let plant = |path: &str| {
            let path = world.project.join(path);
            world.write(&path, "#!/bin/sh\ntouch ~/escaped\n");
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        ["tools/guard.sh", "guard.sh", "bin/jq", "cat"].into_iter().for_each(plant);
        for hook in [
            "\"$CLAUDE_PROJECT_DIR\"/tools/guard.sh",
            "./tools/guard.sh",
            "sh guard.sh",
            "env -i timeout 5 sh tools/guard.sh",
            "sh -c './guard.sh'",
        ] {
            world.user_settings(&before(&[hook]));
            let ran = world.run("echo ran");
            assert_eq!(ran.stdout, "ran\n", "{ran:?}");
            assert!(ran.stderr.contains("confined commands can write"), "{hook}: {ran:?}");
            assert!(!outside.exists(), "{hook}");
        }
        // By the caller's PATH and the variables by which interpreters find code.
        let module = "import os; os.mknod(os.path.expanduser('~/escaped'))\n";
        world.write(&world.project.join("json.py"), module);
        world.write(&world.project.join("lib/json.py"), module);
        let python = "python3 -c 'import json, sys; json.load(sys.stdin)'";
        let hooks = ["cat | jq . || true", "bash -c true", "sh -c cat", python];
        world.user_settings(&before(&hooks));
        let path = format!("{0}/bin:.:{0}::/usr/bin:/bin", world.project.display());
        let startup = world.project.join("guard.sh");
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .args(["-c", "echo ran"])
            .env("PATH", path)
            .env("BASH_ENV", &startup)
            .env("ENV", &startup)
            .env("PYTHONPATH", "lib")
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.stdout, "ran\n", "{ran:?}");
        assert!(!outside.exists(), "{ran:?}");
        // And the place that is kept for hooks cannot be written from inside.
        let hook = world.project.join(".claude/hooks/guard.sh");
        world.write(&hook, "exit 0\n");
        world.user_settings("{}");
        world.write(&world.project.join(".claude/settings.json"), &before(&["sh .claude/hooks/guard.sh"]));
        world.control(&["trust", "--yes"]);
        for attack in [
            "echo 'touch ~/escaped' > .claude/hooks/guard.sh",
            "rm .claude/hooks/guard.sh",
            "mv .claude/hooks .claude/aside; mkdir .claude/hooks; cp guard.sh .claude/hooks/",
            "mv .claude aside; mkdir -p .claude/hooks; cp guard.sh .claude/hooks/",
            "ln -sf ../../guard.sh .claude/hooks/guard.sh",
        ] {
            let ran = world.run(attack);
            assert_ne!(ran.status, Some(0), "{attack}");
            let ran = world.run("echo ran");
            assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("ran\n", ""));
            assert!(!outside.exists(), "{attack}");
        }
    });
}

/// The caller's project is the nearest directory with a `.claude`, so what runs inside can make another one.
#[test]
fn a_project_that_was_made_inside_brings_no_file_for_the_persons_hooks() {
    each(|world| {
        for hook in ["sh \"$CLAUDE_PROJECT_DIR\"/.claude/hooks/guard.sh", "sh .claude/hooks/guard.sh"] {
            world.user_settings("{}");
            let ran = world
                .run("mkdir -p sub/.claude/hooks && echo 'touch ~/escaped' > sub/.claude/hooks/guard.sh");
            assert_eq!(ran.status, Some(0), "{ran:?}");
            world.user_settings(&before(&[hook]));
            let mut command = world.command(world.bin("sbsh"));
            let ran: Ran = command
                .current_dir(world.project.join("sub"))
                .args(["-c", "echo ran"])
                .output()
                .unwrap()
                .into();
            assert_eq!(ran.stdout, "ran\n");
            assert!(ran.stderr.contains("confined commands can write"), "{ran:?}");
            assert!(!world.home.join("escaped").exists(), "{hook}");
            fs::remove_dir_all(world.project.join("sub")).unwrap();
        }
    });
}

#[test]
fn hooks_are_told_what_came_of_a_command_and_change_nothing() {
    each(|world| {
        let after = |command: &str| {
            let command = serde_json::Value::from(command);
            world.user_settings(&format!(
                r#"{{"hooks": {{"PostToolUse": [{{"matcher": "Bash", "hooks": [{{"type": "command", "command": {command}}}]}}]}}}}"#
            ));
        };
        after("cat > ~/told");
        let text = format!("touch {}/no; exit 7", world.outside.display());
        let ran = world.run(&text);
        assert_eq!(ran.status, Some(7));
        let told: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(world.home.join("told")).unwrap()).unwrap();
        assert_eq!(told["hook_event_name"], "PostToolUse");
        assert_eq!(told["tool_input"]["command"], text.as_str());
        assert_eq!(told["tool_response"]["exitCode"], 7);
        assert!(told["tool_response"]["violations"][0].as_str().unwrap().contains("outside/no"), "{told}");
        world.run("kill -9 $$");
        let told: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(world.home.join("told")).unwrap()).unwrap();
        assert_eq!(
            (told["tool_response"]["exitCode"].clone(), told["tool_response"]["signal"].clone()),
            (serde_json::Value::Null, 9.into())
        );
        // Its no is words.
        after("echo 'run the tests' >&2; exit 2");
        let ran = world.run("echo ran");
        assert_eq!((ran.stdout.as_str(), ran.status), ("ran\n", Some(0)));
        assert_eq!(ran.stderr.matches("says: run the tests").count(), 1, "{ran:?}");
        after("echo '{\"decision\": \"block\", \"reason\": \"lint\"}'; expr 40 + 2 >&2");
        let ran = world.run("echo ran");
        assert_eq!((ran.stdout.as_str(), ran.status), ("ran\n", Some(0)));
        assert!(ran.stderr.contains("says: lint") && !ran.stderr.contains("42"), "{ran:?}");
        after("exit 1");
        let ran = world.run("echo ran; exit 3");
        assert_eq!((ran.stdout.as_str(), ran.status), ("ran\n", Some(3)));
        assert!(ran.stderr.contains("ended with status 1"), "{ran:?}");
    });
}

#[test]
fn a_hook_that_is_not_waited_for_decides_nothing_and_is_told_all_the_same() {
    each(|world| {
        world.user_settings(
            r#"{"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "async": true,
                "command": "cat > ~/told.new; mv ~/told.new ~/told; exit 2"}]}]}}"#,
        );
        let ran = world.run("echo ran");
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("ran\n", ""));
        until(|| world.home.join("told").exists());
        assert!(fs::read_to_string(world.home.join("told")).unwrap().contains("echo ran"));
    });
}

#[test]
fn every_door_leads_past_hooks_and_nesting_does_not_run_them_twice() {
    each(|world| {
        world.user_settings(&before(&["cat >> ~/told"]));
        world.write(&world.project.join("x.sh"), "echo script\n");
        for (name, arguments) in [
            ("sbsh", &["-c", "echo one"][..]),
            ("bash", &["-lc", "echo two"]),
            ("sh", &["-c", "echo three"]),
            ("sbsh", &["x.sh", "four"]),
            ("sbsh", &["-s", "five"]),
        ] {
            world.command(world.bin(name)).args(arguments).output().unwrap();
        }
        let nested = format!("{} -c 'echo six'", world.bin("sbsh").display());
        assert_eq!(world.run(&nested).stdout, "six\n");
        let told = fs::read_to_string(world.home.join("told")).unwrap();
        let commands: Vec<String> = told
            .lines()
            .map(|line| {
                let told: serde_json::Value = serde_json::from_str(line).unwrap();
                told["tool_input"]["command"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(
            commands,
            ["echo one", "echo two", "echo three", "/bin/bash x.sh four", "/bin/bash -s five", &nested]
        );
    });
}

#[test]
fn a_hook_that_runs_sbsh_does_not_run_itself_for_ever() {
    each(|world| {
        let own = format!("{} -c 'echo inner' > ~/inner 2>&1; exit 0", world.bin("sbsh").display());
        world.user_settings(&before(&[&own]));
        assert_eq!(world.run("echo ran").stdout, "ran\n");
        let inner = fs::read_to_string(world.home.join("inner")).unwrap();
        assert!(inner.contains("a hook started this command"), "{inner}");
        // To whoever sets the variable, hooks are not off: nothing runs.
        world.user_settings(&before(&["true"]));
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .args(["-c", "echo ran"])
            .env("SBSH_HOOK", "1")
            .output()
            .unwrap()
            .into();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{ran:?}");
    });
}

#[test]
fn what_runs_outside_from_within_goes_past_the_hooks_with_its_real_words() {
    each(|world| {
        use std::os::unix::fs::PermissionsExt;
        let tool = world.home.join("tools/tool");
        world.write(&tool, "#!/bin/sh\necho \"$@\" >> ~/ran\n");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let run = |hook: &str, rules: &str, text: &str| -> (Ran, bool) {
            let _ = fs::remove_file(world.home.join("ran"));
            let hooks = before(&[hook]);
            world.user_settings(&format!(
                r#"{}, "sandbox": {{"excludedCommands": ["tool:*"]}}, "permissions": {rules}}}"#,
                hooks.strip_suffix('}').unwrap()
            ));
            let path = format!("{}:/usr/bin:/bin", tool.parent().unwrap().display());
            let mut command = world.command(world.bin("sbsh"));
            let ran = command.env("PATH", path).args(["-c", text]).output().unwrap().into();
            (ran, world.home.join("ran").exists())
        };
        let allowed = r#"{"allow": ["Bash(tool:*)"]}"#;
        let line = "x=bad; tool $x | cat; true";
        let (ran, outside) = run("true", allowed, line);
        assert!(outside, "{ran:?}");
        let only = |word: &str| format!("grep -q '\"command\":\"tool bad\"' || exit 0; {word}");
        for word in [
            "echo no >&2; exit 2".to_owned(),
            specific("deny", "no"),
            specific("ask", "no"),
            updated("tool x"),
        ] {
            let (ran, outside) = run(&only(&word), allowed, line);
            assert!(!outside, "{word}: {ran:?}");
            assert!(ran.stderr.contains("a hook "), "{word}: {ran:?}");
        }
        // An allowance for the line is none for what it starts; one for the program itself is.
        let (ran, outside) = run(
            &format!("grep -q '\"command\":\"tool bad\"' && exit 0; {}", specific("allow", "")),
            "{}",
            line,
        );
        assert!(!outside, "{ran:?}");
        let (ran, outside) = run(&only(&specific("allow", "")), "{}", line);
        assert!(outside, "{ran:?}");
        // Neither comes past an ask rule, nor past the way out's question.
        let (ran, outside) = run(&specific("allow", ""), r#"{"ask": ["Bash(tool:*)"]}"#, line);
        assert!(!outside, "{ran:?}");
        for text in ["dangerouslyDisableSandbox tool bad; true", "dangerouslyDisableSandbox tool bad"] {
            let (ran, outside) = run(&specific("allow", ""), "{}", text);
            assert!(!outside, "{text}: {ran:?}");
        }
    });
}

/// Once for the command and once for each program that the command starts outside with words of its own; not twice for the
/// same words.
#[test]
fn hooks_are_asked_once_about_a_command_that_is_for_outside() {
    each(|world| {
        use std::os::unix::fs::PermissionsExt;
        let tool = world.home.join("tools/tool");
        world.write(&tool, "#!/bin/sh\necho ran \"$@\"\n");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let hook = "grep -o '\"command\":[^}]*' >> ~/asked";
        let hooks = before(&[hook]);
        world.user_settings(&format!(
            r#"{}, "sandbox": {{"excludedCommands": ["tool:*"]}}, "permissions": {{"allow": ["Bash(tool:*)"]}}}}"#,
            hooks.strip_suffix('}').unwrap()
        ));
        let asked = |text: &str| {
            let _ = fs::remove_file(world.home.join("asked"));
            let path = format!("{}:/usr/bin:/bin", tool.parent().unwrap().display());
            let mut command = world.command(world.bin("sbsh"));
            let ran: Ran = command.env("PATH", path).args(["-c", text]).output().unwrap().into();
            assert_eq!(ran.stdout, "ran x\n", "{text}: {ran:?}");
            let asked = fs::read_to_string(world.home.join("asked")).unwrap();
            asked.lines().map(|line| line.trim_start_matches("\"command\":").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(asked("tool x"), [r#""tool x""#]);
        let cwd = format!("/tmp/claude-{:x}{:x}-cwd", std::process::id(), world.user);
        assert_eq!(asked(&format!("eval 'tool x' < /dev/null && pwd -P >| {cwd}")), [r#""tool x""#]);
        let _ = fs::remove_file(&cwd);
        assert_eq!(asked("tool x | cat"), [r#""tool x | cat""#, r#""tool x""#]);
    });
}

#[test]
fn a_hooks_question_is_asked_with_its_reason_and_not_for_always() {
    each(|world| {
        use std::os::unix::fs::PermissionsExt;
        let program = world.outside.join("askpass");
        world.write(&program, "#!/bin/sh\nprintf '%s\\n' \"$1\" > ~/asked; cat >> ~/asked; echo once\n");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        world.user_settings(&before(&[&specific("ask", "is it Friday?")]));
        let mut command = world.command(world.bin("sbsh"));
        let ran: Ran =
            command.env("SBSH_ASKPASS", &program).args(["-c", "echo ran"]).output().unwrap().into();
        assert_eq!((ran.stdout.as_str(), ran.status), ("ran\n", Some(0)), "{ran:?}");
        let asked = fs::read_to_string(world.home.join("asked")).unwrap();
        assert!(asked.contains("why:   a hook asks about it: is it Friday?"), "{asked}");
        assert!(asked.contains("rule:  PreToolUse hook '"), "{asked}");
        assert!(asked.contains(r#""choices":["once","session","no"]"#), "{asked}");
    });
}

#[test]
fn a_program_that_runs_outside_is_told_of_afterwards_too() {
    each(|world| {
        use std::os::unix::fs::PermissionsExt;
        let tool = world.home.join("tools/tool");
        world.write(&tool, "#!/bin/sh\nexit 5\n");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        world.user_settings(
            r#"{"hooks": {"PostToolUse": [{"hooks": [{"type": "command", "command": "cat > ~/told"}]}]},
                "sandbox": {"excludedCommands": ["tool:*"]}, "permissions": {"allow": ["Bash(tool:*)"]}}"#,
        );
        let path = format!("{}:/usr/bin:/bin", tool.parent().unwrap().display());
        let mut command = world.command(world.bin("sbsh"));
        let ran: Ran = command.env("PATH", path).args(["-c", "tool x"]).output().unwrap().into();
        assert_eq!(ran.status, Some(5), "{ran:?}");
        let told = fs::read_to_string(world.home.join("told")).unwrap();
        assert!(told.contains(r#""command":"tool x""#) && told.contains(r#""exitCode":5"#), "{told}");
        // Signals and stops are the program's, and its end is the caller's.
        use nix::sys::signal::{Signal, kill};
        use std::os::unix::process::ExitStatusExt;
        world.write(&tool, "#!/bin/sh\ntrap 'echo usr >> ~/heard' USR1\necho $$ > ~/self.new; mv ~/self.new ~/self\nwhile :; do sleep 0.02; done\n");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", tool.parent().unwrap().display());
        let mut command = world.command(world.bin("sbsh"));
        let mut child = command.env("PATH", path).args(["-c", "tool x"]).spawn().unwrap();
        until(|| world.home.join("self").exists());
        let process = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        kill(process, Signal::SIGUSR1).unwrap();
        until(|| world.home.join("heard").exists());
        let state = |pid: &str| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
        };
        let tool_process = fs::read_to_string(world.home.join("self")).unwrap();
        let both = |wanted: char| {
            state(&tool_process) == Some(wanted) && state(&process.to_string()) == Some(wanted)
        };
        kill(nix::unistd::Pid::from_raw(tool_process.trim().parse().unwrap()), Signal::SIGSTOP).unwrap();
        until(|| both('T'));
        kill(process, Signal::SIGCONT).unwrap();
        until(|| state(&tool_process) != Some('T'));
        kill(process, Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGTERM as i32));
        let told = fs::read_to_string(world.home.join("told")).unwrap();
        assert!(told.contains(r#""signal":15"#), "{told}");
        for name in ["self", "heard", "told"] {
            fs::remove_file(world.home.join(name)).unwrap();
        }
    });
}
