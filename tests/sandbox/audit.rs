//! The audit log through the whole program: a line for each command and decision, whatever happens to it or to the disk.

use crate::world::{ORDINARY, Ran, World, each, skip, until, without_bubblewrap};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

fn state(world: &World) -> PathBuf {
    world.home.join(".local/state/sbsh")
}

fn log(world: &World) -> String {
    fs::read_to_string(state(world).join("audit.jsonl")).unwrap_or_default()
}

fn entries(world: &World, event: &str) -> Vec<Value> {
    let text = log(world);
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|entry| entry["event"] == event).collect()
}

fn in_order(world: &World) -> Value {
    let ran = world.control(&["log", "--verify", "--json"]);
    let checked: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!((ran.status, &checked["in_order"]), (Some(0), &json!(true)), "{checked}");
    checked
}

fn askpass(world: &World, answer: &str) -> PathBuf {
    let program = world.outside.join("askpass");
    // By another process: a descriptor for writing that a test running beside forks would make it "busy".
    let script = "printf '#!/bin/sh\\necho %s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let written =
        std::process::Command::new("sh").args(["-c", script, "sh"]).arg(&program).arg(answer).status();
    assert!(written.unwrap().success());
    program
}

#[test]
fn a_line_says_who_wanted_what_where_and_how_it_ended() {
    each(|world| {
        world.user_settings(r#"{"permissions":{"deny":["Bash(rm:*)"]}}"#);
        let ran = world.run("touch ../outside/none; A_TOKEN=s3cret exit 3");
        assert_eq!(ran.status, Some(3));
        assert_eq!(world.run("kill -9 $$").signal, Some(9));
        assert_eq!(world.run("rm -r x").status, Some(126));
        let session =
            world.command(world.bin("bash")).env("SBSH_SESSION", "mine").arg("-x").output().unwrap();
        assert!(session.status.success());
        let all = entries(world, "command");
        let [failed, killed, denied, script] = all.as_slice() else { panic!("{all:?}") };
        let cwd = fs::canonicalize(&world.project).unwrap();
        for (key, value) in [
            ("uid", json!(world.user)),
            ("parent", json!(std::process::id())),
            ("parent_program", json!(std::env::current_exe().unwrap())),
            ("door", json!("-c")),
            ("shell", json!("/bin/bash")),
            ("cwd", json!(cwd)),
            ("command", json!("touch ../outside/none; A_TOKEN=*** exit 3")),
            ("verdict", json!("confined")),
            ("ran", json!(true)),
            ("place", json!("inside")),
            ("backend", if without_bubblewrap() { failed["backend"].clone() } else { json!("bubblewrap") }),
            ("enforced", if without_bubblewrap() { failed["enforced"].clone() } else { json!("full") }),
            ("violations", json!(1)),
            ("status", json!(3)),
            ("signal", Value::Null),
        ] {
            let found = if key == "parent_program" && world.user == ORDINARY { &value } else { &failed[key] };
            assert_eq!(found, &value, "{key}: {failed}");
        }
        assert!(failed["milliseconds"].as_f64().unwrap() > 0.0 && failed["begun"].as_f64().unwrap() > 1e9);
        assert_eq!((&killed["status"], &killed["signal"]), (&Value::Null, &json!(9)));
        for (key, value) in
            [("ran", json!(false)), ("verdict", json!("denied")), ("rule", json!("Bash(rm:*)"))]
        {
            assert_eq!(denied[key], value, "{denied}");
        }
        assert!(denied["origin"].as_str().unwrap().ends_with(".claude/settings.json:1:25"), "{denied}");
        assert_eq!((&script["session"], &script["door"]), (&json!("mine"), &json!("stdin")));
        // The other lines belong to theirs.
        let violations = entries(world, "violation");
        assert_eq!((violations.len(), &violations[0]["id"]), (1, &failed["id"]));
        let decisions = entries(world, "decision");
        assert_eq!((decisions.len(), &decisions[0]["id"]), (1, &denied["id"]));
        assert!(!log(world).contains("s3cret"));
        in_order(world);
        for name in ["audit.jsonl", "audit.head"] {
            let file = fs::metadata(state(world).join(name)).unwrap();
            assert_eq!((file.mode() & 0o777, file.uid()), (0o600, world.user));
        }
        let shown = world.control(&["log", "-e", "command", "-n", "2"]);
        assert_eq!(shown.stdout.lines().count(), 2, "{shown:?}");
        assert!(shown.stdout.contains("did not run: ") && shown.stdout.contains("ran inside, status 0"));
        let ran = world.control(&["log", "--event", "commands"]);
        assert!(ran.status == Some(2) && ran.stderr.contains("command, start, decision"), "{ran:?}");
    });
}

#[test]
fn who_was_asked_and_what_changed_is_kept() {
    each(|world| {
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["id:*"]},"permissions":{"ask":["Bash(echo:*)"]}}"#,
        );
        let run = |answer: Option<&str>, text: &str| -> Ran {
            let mut command = world.command(world.bin("sbsh"));
            if let Some(answer) = answer {
                command.env("SBSH_ASKPASS", askpass(world, answer));
            }
            command.args(["-c", text]).output().unwrap().into()
        };
        let ran = run(None, "echo a");
        assert_eq!(ran.status, Some(126), "{ran:?}");
        assert_eq!(run(Some("no"), "echo a").status, Some(126));
        assert_eq!(run(Some("once"), "echo a").stdout, "a\n");
        assert!(run(Some("always"), "id -u").status == Some(0));
        let asked: Vec<Value> = entries(world, "decision")
            .iter()
            .map(|d| json!([d["kind"], d["asked"], d["answered"], d["choice"]]))
            .collect();
        assert_eq!(
            asked,
            [
                json!(["command", "nobody", "nobody", "no"]),
                json!(["command", "askpass", "askpass", "no"]),
                json!(["command", "askpass", "askpass", "once"]),
                json!(["outside", "askpass", "askpass", "always"]),
            ]
        );
        let commands = entries(world, "command");
        let outside = &commands[3];
        assert_eq!(
            (&outside["place"], &outside["argv"], &outside["choice"], &outside["program"]),
            (&json!("outside"), &json!(["id", "-u"]), &json!("always"), &json!("/usr/bin/id"))
        );
        // In the middle of a line: by the broker, with a line of its own that has the command's id.
        assert_eq!(run(Some("once"), "true; id -g --token abc || true").status, Some(0));
        let commands = entries(world, "command");
        let outsides = entries(world, "outside");
        let [one] = outsides.as_slice() else { panic!("{outsides:?}") };
        assert_eq!((&one["id"], &one["verdict"]), (&commands[4]["id"], &json!("ran")));
        assert_eq!((&one["argv"], &one["status"]), (&json!(["id", "-g", "--token", "***"]), &json!(1)));
        let decision = entries(world, "decision").pop().unwrap();
        assert_eq!(
            (&decision["id"], &decision["kind"], &decision["answered"], &decision["argv"]),
            (&one["id"], &json!("outside"), &json!("askpass"), &one["argv"])
        );
        let settings = entries(world, "settings");
        assert_eq!((settings.len(), &settings[0]["entries"]), (1, &json!(["Bash(id -u)"])));
        world.write(
            &world.project.join(".claude/settings.json"),
            r#"{"sandbox":{"allowedDomains":["a.com"]}}"#,
        );
        assert_eq!(world.control(&["trust", "--yes"]).status, Some(0));
        let file = world.project.join(".claude/settings.json");
        assert_eq!(world.control(&["trust", "--revoke", file.to_str().unwrap()]).status, Some(0));
        let trust: Vec<Value> = entries(world, "trust").iter().map(|t| json!([t["what"], t["by"]])).collect();
        assert_eq!(trust, [json!(["given", "--yes"]), json!(["taken back", "--revoke"])]);
        in_order(world);
    });
}

#[test]
fn two_hundred_commands_at_once_lose_and_mix_no_line() {
    each(|world| {
        let start = |number: usize| {
            let mut command = world.command(world.bin("sbsh"));
            let text = format!("touch ../outside/none-{number}; : {number}");
            command.args(["-c", &text]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let children: Vec<_> = (0..200).map(start).collect();
        let pids: Vec<u64> = children.iter().map(|child| child.id().into()).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let commands = entries(world, "command");
        let mut logged: Vec<u64> = commands.iter().map(|entry| entry["pid"].as_u64().unwrap()).collect();
        logged.sort_unstable();
        let mut expected = pids;
        expected.sort_unstable();
        assert_eq!(logged, expected);
        let ids: BTreeSet<&str> = commands.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 200);
        // Each has as many lines about refused calls as its own line says.
        let counted: u64 = commands.iter().map(|entry| entry["violations"].as_u64().unwrap()).sum();
        let violations = entries(world, "violation");
        assert!(counted > 100 && violations.iter().all(|entry| ids.contains(entry["id"].as_str().unwrap())));
        assert_eq!(violations.len() as u64, counted);
        let checked = in_order(world);
        assert_eq!((&checked["entries"], &checked["torn"]), (&json!(log(world).lines().count()), &json!([])));
    });
}

#[test]
fn a_command_whose_front_is_killed_is_logged_all_the_same() {
    each(|world| {
        let ready = world.project.join("ready");
        let mut command = world.command(world.bin("sbsh"));
        let mut child =
            command.args(["-c", "touch ../outside/none; touch ready; sleep 1000"]).spawn().unwrap();
        until(|| ready.exists());
        child.kill().unwrap();
        child.wait().unwrap();
        until(|| entries(world, "command").len() == 1);
        let line = &entries(world, "command")[0];
        assert_eq!(
            (&line["front"], &line["status"], &line["signal"], &line["violations"]),
            (&json!("killed"), &Value::Null, &Value::Null, &json!(1))
        );
        in_order(world);
    });
}

#[test]
fn jobs_that_live_on_do_not_keep_the_line_back() {
    each(|world| {
        assert_eq!(world.run("sleep 2 >/dev/null 2>&1 &").status, Some(0));
        let line = &entries(world, "command")[0];
        assert_eq!((&line["jobs"], &line["status"]), (&json!(true), &json!(0)));
        // And there is no second one when they end.
        until(|| entries(world, "gatekeeper").len() == 1);
        assert_eq!(entries(world, "command").len(), 1);
    });
}

#[test]
fn confined_code_neither_reads_nor_changes_the_log() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"filesystem":{"allowWrite":["~/.local"]}}}"#);
        world.run("true");
        let before = log(world);
        let place = state(world);
        let text = format!(
            "cd {0}; echo x >> audit.jsonl; echo x > audit.head; rm -f audit.jsonl audit.head; mv audit.jsonl audit.jsonl.1; \
             cat audit.jsonl audit.head; mv {0} {0}2; ln -s /etc/passwd audit.jsonl.1; truncate -s 0 audit.jsonl",
            place.display()
        );
        let ran = world.run(&text);
        assert_eq!(ran.stdout, "", "{ran:?}");
        assert!(log(world).starts_with(&before));
        in_order(world);
    });
}

#[test]
fn a_changed_line_is_named() {
    each(|world| {
        for number in 0..3 {
            world.run(&format!(": {number}"));
        }
        assert!(world.control(&["log", "--verify"]).stdout.starts_with("in order: entries 1 to "));
        let path = state(world).join("audit.jsonl");
        let changed = log(world).replace("\"command\":\": 1\"", "\"command\":\": 7\"");
        assert_ne!(changed, log(world));
        fs::write(&path, &changed).unwrap();
        let place = changed.lines().position(|line| line.contains(": 7")).unwrap() + 1;
        let said = world.control(&["log", "--verify"]);
        assert_eq!(said.status, Some(1));
        assert!(
            said.stdout.starts_with(&format!("audit.jsonl:{place}: entry {place} was changed")),
            "{said:?}"
        );
        fs::remove_file(&path).unwrap();
        let said = world.control(&["log", "--verify"]);
        assert!(said.status == Some(1) && said.stdout.contains("are missing"), "{said:?}");
    });
}

/// Runs `sbsh -c TEXT` where the state directory is a file system of this size, after something was done there.
fn on_small_disk(world: &World, prepare: &str, texts: &[&str]) -> Ran {
    let place = state(world);
    fs::create_dir_all(&place).unwrap();
    for path in [".local", ".local/state", ".local/state/sbsh"] {
        world.give(&world.home.join(path));
    }
    let user = world.user.to_string();
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=0700,uid={user},gid={user} none {0} || exit 99; cd {0}; {prepare}\n\
         cd {1}; for text in \"${{@:2}}\"; do setpriv --reuid {user} --regid {user} --clear-groups \"$1\" -c \"$text\"; echo \"status $?\"; done; \
         cp {0}/audit.jsonl {2}/kept 2>/dev/null; true",
        place.display(),
        world.project.display(),
        world.outside.display(),
    );
    // As root: the ordinary user may not mount.
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "bash", "-c", &script, "bash"]).arg(world.bin("sbsh")).args(texts);
    command.env_clear().env("HOME", &world.home).env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    command.current_dir(&world.project).stdin(Stdio::null()).output().unwrap().into()
}

#[test]
fn a_full_disk_is_said_once_and_stops_nothing_unless_the_log_is_required() {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can make a small disk");
        return;
    }
    each(|world| {
        let full = "head -c 1M /dev/zero > fill 2>/dev/null; chmod 0644 fill";
        let ran = on_small_disk(world, full, &["touch ../outside/none; echo ran"]);
        assert_eq!(ran.stdout, "ran\nstatus 0\n", "{ran:?}");
        assert_eq!(ran.stderr.matches("the audit log cannot be written").count(), 1, "{ran:?}");
        assert!(ran.stderr.contains("No space left on device"), "{ran:?}");
        // Refused commands too, and once only.
        world.user_settings(r#"{"permissions":{"deny":["Bash(rm:*)"]}}"#);
        let ran = on_small_disk(world, full, &["rm x"]);
        assert_eq!(ran.stderr.matches("the audit log cannot be written").count(), 1, "{ran:?}");
        // Required: nothing runs.
        world.user_settings(r#"{"sandbox":{"audit":{"required":true}}}"#);
        let ran = on_small_disk(world, full, &["touch ran-all-the-same"]);
        assert_eq!(ran.stdout, "status 126\n", "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert!(
            ran.stderr.contains("nothing was run, because sandbox.audit.required")
                && ran.stderr.contains("settings.json:1:33"),
            "{ran:?}"
        );
        assert!(!world.project.join("ran-all-the-same").exists());
        let ran = on_small_disk(world, "", &["echo ran"]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("ran\nstatus 0\n", ""));
        let kept = fs::read_to_string(world.outside.join("kept")).unwrap();
        let events: Vec<Value> =
            kept.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone()).collect();
        assert!(
            events.first() == Some(&json!("start")) && events.last() == Some(&json!("command")),
            "{kept}"
        );
    });
}

#[test]
fn a_disk_that_fills_up_leaves_whole_lines_and_the_chain_goes_on() {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can make a small disk");
        return;
    }
    each(|world| {
        let long = format!(": {}", "x".repeat(12_000));
        let mut texts = vec![long.as_str(); 8];
        texts.push("echo last");
        let place = state(world);
        let free = format!("{}/audit.jsonl", place.display());
        let ran = on_small_disk(world, "", &texts);
        assert!(ran.stderr.matches("No space left on device").count() >= 3, "{ran:?}");
        assert_eq!(ran.stdout.matches("status 0").count(), 9, "{ran:?}");
        let kept = fs::read_to_string(world.outside.join("kept")).unwrap();
        assert!(kept.ends_with('\n') && kept.lines().count() >= 3, "{free}");
        // Elsewhere, with room: what was kept is in order and goes on.
        world.write(&place.join("audit.jsonl"), &kept);
        world.run("true");
        assert!(kept.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
        let checked = in_order(world);
        assert_eq!(checked["torn"], json!([]), "{checked}");
    });
}

#[test]
fn a_state_directory_that_cannot_be_written_is_said_once() {
    each(|world| {
        let limited = |text: &str| -> Ran {
            let mut command = world.command("/bin/bash");
            command.args(["-c", "ulimit -f 0; exec \"$@\"", "bash"]).arg(world.bin("sbsh"));
            command.args(["-c", text]).output().unwrap().into()
        };
        let ran = limited("echo ran");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "ran\n"), "{ran:?}");
        assert_eq!(ran.stderr.matches("the audit log cannot be written").count(), 1, "{ran:?}");
        assert!(ran.stderr.contains("File too large"), "{ran:?}");
        if world.user != 0 {
            world.run("true");
            fs::set_permissions(state(world), fs::Permissions::from_mode(0o500)).unwrap();
            for name in ["audit.jsonl", "audit.head"] {
                fs::set_permissions(state(world).join(name), fs::Permissions::from_mode(0o400)).unwrap();
            }
            let ran = world.run("echo ran; exit 4");
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(4), "ran\n"), "{ran:?}");
            assert_eq!(ran.stderr.matches("the audit log cannot be written").count(), 1, "{ran:?}");
            fs::set_permissions(state(world), fs::Permissions::from_mode(0o700)).unwrap();
        }
        world.user_settings(r#"{"sandbox":{"audit":{"required":true}}}"#);
        let ran = limited("touch ran-all-the-same");
        assert!(ran.status == Some(126) && ran.stderr.contains("nothing was run"), "{ran:?}");
        assert!(!world.project.join("ran-all-the-same").exists());
    });
}

#[test]
fn a_project_cannot_choose_where_the_log_goes() {
    each(|world| {
        let settings = r#"{"sandbox":{"audit":{"required":true,"otlp":"http://127.0.0.1:9"}}}"#;
        world.write(&world.project.join(".claude/settings.json"), settings);
        world.control(&["trust", "--yes"]);
        let status = world.control(&["status", "--json"]);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(
            (&status["audit"]["log_to_collector"], &status["audit"]["log_is_required"]["value"]),
            (&Value::Null, &json!(false))
        );
        world.user_settings(r#"{"sandbox":{"audit":{"otlp":"https://collector"}}}"#);
        let ran = world.run("true");
        assert!(ran.status == Some(126) && ran.stderr.contains("TLS is not spoken"), "{ran:?}");
    });
}

/// A collector: hands each request's body out before it answers, and answers when it is told how.
fn collector() -> (String, mpsc::Receiver<(String, Value)>, mpsc::Sender<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (bodies, received) = mpsc::channel();
    let (answers, wanted) = mpsc::channel::<&str>();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while reader.read_line(&mut head).unwrap() > 2 {
                let line = head.lines().last().unwrap().to_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let Ok(()) = bodies.send((head, serde_json::from_slice(&body).unwrap())) else { return };
            let Ok(status) = wanted.recv() else { return };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    (url, received, answers)
}

fn commands(body: &Value) -> Vec<String> {
    let records = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
    let of = |record: &Value| {
        let all = record["attributes"].as_array().unwrap();
        let command = all.iter().find(|attribute| attribute["key"] == "command").unwrap();
        command["value"]["stringValue"].as_str().unwrap().to_owned()
    };
    records.iter().filter(|record| record["eventName"] == "sbsh.command").map(of).collect()
}

#[test]
fn lines_go_to_a_collector_and_no_command_waits_for_it() {
    each(|world| {
        let (url, received, answers) = collector();
        world.user_settings(
            &json!({
                "sandbox": { "audit": { "otlp": url }, "allowedDomains": ["x.test"] },
                "permissions": { "deny": ["Bash(rm:*)"] },
            })
            .to_string(),
        );
        // It has ended, and its collector has not answered yet.
        assert_eq!(world.run("echo one").stdout, "one\n");
        let (head, body) = received.recv().unwrap();
        assert!(head.starts_with("POST /v1/logs HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        assert_eq!(commands(&body), ["echo one"]);
        // Meanwhile others run; whoever sends takes theirs along.
        world.run("echo two");
        assert_eq!(world.run("rm x").status, Some(126));
        answers.send("200 OK").unwrap();
        let mut later = commands(&received.recv().unwrap().1);
        answers.send("200 OK").unwrap();
        while later.len() < 2 {
            later.extend(commands(&received.recv().unwrap().1));
            answers.send("200 OK").unwrap();
        }
        assert_eq!(later, ["echo two", "rm x"]);
        let told = || world.control(&["status"]).stdout;
        until(|| told().contains("were taken"));
        // A collector that fails is said by the status, and the lines wait for it.
        world.run("echo three");
        received.recv().unwrap();
        answers.send("503 Service Unavailable").unwrap();
        until(|| told().contains("503 Service Unavailable"));
        let sent: Value =
            serde_json::from_slice(&fs::read(state(world).join("audit.otlp")).unwrap()).unwrap();
        assert!(sent["failed"].is_array() && sent["last"].as_u64().unwrap() > 0, "{sent}");
    });
}

/// Trust is given and taken back by a verb, not by a command whose lines would take it along.
#[test]
fn trust_goes_to_the_collector_too() {
    each(|world| {
        let (url, received, answers) = collector();
        world.user_settings(&json!({ "sandbox": { "audit": { "otlp": url } } }).to_string());
        let file = world.project.join(".claude/settings.json");
        world.write(&file, r#"{"sandbox":{"allowedDomains":["x.test"]}}"#);
        for words in [vec!["trust", "--yes"], vec!["trust", "--revoke", file.to_str().unwrap()]] {
            let ran = world.control(&words);
            assert_eq!(ran.status, Some(0), "{ran:?}");
            let (_, body) = received.recv_timeout(Duration::from_secs(60)).unwrap();
            answers.send("200 OK").unwrap();
            let record = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
            assert_eq!(record["eventName"], "sbsh.trust", "{body}");
            until(|| world.control(&["status"]).stdout.contains("were taken"));
        }
        assert_eq!(entries(world, "trust").len(), 2);
    });
}

#[test]
fn the_log_outlives_its_directory() {
    each(|world| {
        world.run("true");
        fs::remove_dir_all(state(world)).unwrap();
        let ran = world.run("true");
        assert!(ran.status == Some(0) && ran.stderr.is_empty(), "{ran:?}");
        assert!(Path::new(&state(world)).join("audit.head").exists());
        in_order(world);
    });
}

#[test]
fn what_a_hook_says_is_a_decision() {
    each(|world| {
        let said = |json: &str, text: &str| {
            let hook = serde_json::Value::from(format!("echo '{json}'"));
            world.user_settings(&format!(
                r#"{{"hooks":{{"PreToolUse":[{{"matcher":"Bash","hooks":[{{"type":"command","command":{hook}}}]}}]}}}}"#
            ));
            world.run(text);
            entries(world, "decision").pop()
        };
        assert_eq!(said("{}", "true"), None);
        let refused = said(r#"{"decision":"block","reason":"no"}"#, "echo one").unwrap();
        let told = |entry: &Value| ["command", "asked", "answered", "choice"].map(|key| entry[key].clone());
        assert_eq!(told(&refused), ["echo one", "hook", "hook", "no"]);
        assert!(refused["origin"].as_str().unwrap().contains("settings.json:1:"), "{refused}");
        let allowed = said(r#"{"decision":"approve"}"#, "echo two").unwrap();
        assert_eq!(told(&allowed), ["echo two", "hook", "hook", "allow"]);
        in_order(world);
    });
}

#[test]
fn what_a_hook_says_of_a_program_outside_is_a_decision_too() {
    each(|world| {
        let tool = crate::broker::Tool::allowed(world);
        let said = |json: &str| {
            let only = "grep -q '\"command\":\"tool echo bad' || exit 0";
            let hook = serde_json::Value::from(format!("{only}; echo '{json}'"));
            world.user_settings(&format!(
                r#"{{"hooks":{{"PreToolUse":[{{"matcher":"Bash","hooks":[{{"type":"command","command":{hook}}}]}}]}},
                    "sandbox":{{"excludedCommands":["tool:*"]}}}}"#
            ));
            let _ = fs::remove_file(state(world).join("audit.jsonl"));
            let _ = fs::remove_file(state(world).join("audit.head"));
            tool.run(world, "x=bad; tool echo $x A_TOKEN=s3cret | cat; true");
            entries(world, "decision")
        };
        assert_eq!(said("{}"), Vec::<Value>::new());
        for (json, choice) in [
            (r#"{"decision":"block","reason":"no"}"#, "no"),
            (r#"{"decision":"approve"}"#, "allow"),
            (r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"ask"}}"#, "ask"),
        ] {
            let all = said(json);
            let [one] = all.as_slice() else { panic!("{json}: {all:?}") };
            let told = ["kind", "asked", "answered", "choice"].map(|key| one[key].clone());
            assert_eq!(told, ["outside", "hook", "hook", choice], "{one}");
            assert_eq!(one["argv"], json!(["tool", "echo", "bad", "A_TOKEN=***"]), "{one}");
            assert_eq!(one["id"], entries(world, "command")[0]["id"], "{one}");
        }
    });
}
