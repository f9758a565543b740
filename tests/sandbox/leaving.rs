//! What leaves the sandbox as the whole command: the log knows its end, and the caller notices nothing of whoever waits for it.

use crate::broker::{Tool, program};
use crate::world::{Ran, World, each, until};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

fn entries(world: &World) -> Vec<Value> {
    let text = fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn last(world: &World, event: &str) -> Value {
    entries(world).into_iter().rfind(|entry| entry["event"] == event).unwrap_or_default()
}

#[test]
fn the_log_knows_how_it_ended() {
    each(|world| {
        let tool = Tool::allowed(world);
        assert_eq!(tool.run(world, "tool sh -c 'exit 7'").status, Some(7));
        let end = last(world, "command");
        for (key, value) in [
            ("ran", json!(true)),
            ("place", json!("outside")),
            ("program", json!(tool.directory.join("tool"))),
            ("argv", json!(["tool", "sh", "-c", "exit 7"])),
            ("status", json!(7)),
            ("signal", Value::Null),
        ] {
            assert_eq!(end[key], value, "{key}: {end}");
        }
        assert!(end["milliseconds"].as_f64().unwrap() > 0.0 && end["begun"].as_f64().unwrap() > 1e9);
        let start = last(world, "start");
        assert_eq!((&start["id"], &start["place"]), (&end["id"], &json!("outside")), "{start}");
        assert_eq!(tool.run(world, "tool sh -c 'kill -9 $$'").signal, Some(9));
        let end = last(world, "command");
        assert_eq!((&end["status"], &end["signal"]), (&Value::Null, &json!(9)), "{end}");
        // What cannot be started did not run.
        program(world, &tool.directory.join("tool"), "#!/nowhere/interpreter\n");
        let ran = tool.run(world, "tool x");
        assert_eq!(ran.status, Some(127), "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert_eq!(last(world, "command")["ran"], json!(false));
        // Without a sandbox.
        world.user_settings(r#"{"sandbox":{"enabled":false},"permissions":{"allow":["Bash(exit:*)"]}}"#);
        assert_eq!(world.run("exit 5").status, Some(5));
        let end = last(world, "command");
        assert_eq!((&end["place"], &end["status"]), (&json!("unconfined"), &json!(5)), "{end}");
        let log = world.control(&["log", "-e", "command", "-n", "1"]);
        assert!(log.stdout.contains("ran unconfined, status 5, "), "{log:?}");
    });
}

#[test]
fn the_report_tells_of_it_too() {
    each(|world| {
        let tool = Tool::allowed(world);
        let sbsh = world.bin("sbsh").display().to_string();
        let path = format!("{}:/usr/bin:/bin", tool.directory.display());
        let mut command = world.command("sh");
        let text = format!("{sbsh} --report-fd 3 -c 'tool sh -c \"exit 4\"' 3>../outside/report");
        let ran: Ran = command.env("PATH", path).args(["-c", &text]).output().unwrap().into();
        assert_eq!(ran.status, Some(4), "{ran:?}");
        let text = fs::read_to_string(world.outside.join("report")).unwrap();
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&told["ran"], &told["status"]), (&json!(true), &json!(4)), "{told}");
    });
}

/// A tool that counts the signals it gets, one line each, until it is told to end.
fn counting(world: &World) -> (Child, Pid) {
    let tool = Tool::allowed(world);
    let text = "#!/bin/sh\ncd ../outside\ntrap 'echo int >> heard' INT\ntrap 'echo usr >> heard' USR1\n\
                trap 'echo hup >> heard' HUP\ntrap 'echo done >> heard; exit 3' TERM\n\
                echo $$ > self.new; mv self.new self\nwhile :; do sleep 0.02; done\n";
    program(world, &tool.directory.join("tool"), text);
    let child = tool.command(world).args(["-c", "tool x"]).spawn().unwrap();
    until(|| world.outside.join("self").exists());
    let id = Pid::from_raw(child.id().try_into().unwrap());
    (child, id)
}

#[test]
fn a_signal_reaches_the_program_once_however_it_was_sent() {
    each(|world| {
        let (mut child, id) = counting(world);
        let heard = || fs::read_to_string(world.outside.join("heard")).unwrap_or_default();
        // To the process that the caller started, alone.
        kill(id, Signal::SIGINT).unwrap();
        until(|| heard() == "int\n");
        // To the whole group, as a terminal does.
        killpg(id, Signal::SIGINT).unwrap();
        until(|| heard() == "int\nint\n");
        killpg(id, Signal::SIGHUP).unwrap();
        until(|| heard().ends_with("hup\n"));
        // One behind the other: what came twice would stand before the last.
        kill(id, Signal::SIGUSR1).unwrap();
        until(|| heard().ends_with("usr\n"));
        kill(id, Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert_eq!(heard(), "int\nint\nhup\nusr\ndone\n");
    });
}

#[test]
fn whoever_is_killed_takes_it_along_and_the_log_has_its_start() {
    each(|world| {
        let (mut child, id) = counting(world);
        let own = fs::read_to_string(world.outside.join("self")).unwrap();
        kill(id, Signal::SIGKILL).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        until(|| !std::path::Path::new("/proc").join(own.trim()).exists());
        assert_eq!((&last(world, "start")["place"], entries(world).len()), (&json!("outside"), 1));
    });
}

/// Nothing of ours keeps a pipe open that the program closed.
#[test]
fn a_pipe_that_it_closes_is_closed() {
    each(|world| {
        let tool = Tool::allowed(world);
        let mut command = tool.command(world);
        command.args(["-c", "tool sh -c 'echo said; exec >&-; read -r end < ../outside/end'"]);
        let end = world.outside.join("end");
        nix::unistd::mkfifo(&end, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
        world.give(&end);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "said\n");
        assert!(child.try_wait().unwrap().is_none());
        fs::write(&end, "go\n").unwrap();
        assert!(child.wait().unwrap().success());
    });
}
