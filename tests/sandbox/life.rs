//! Ends of every kind: statuses, signals, stops, jobs that live on, kills, and what is left.

use crate::world::{Ran, World, by_landlock, each, not_here};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// Starts a command and waits until it has printed `ready`.
fn start(world: &World, text: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = world
        .command(world.bin("sbsh"))
        .args(["-c", text])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, output)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}

/// Waits for something that must come, however slow the machine is.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Processes on the host whose arguments contain a mark.
fn processes(mark: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&arguments).contains(mark) && id != std::process::id() as i32 {
            found.push(id);
        }
    }
    found
}

/// A number of seconds that no other process sleeps: a mark that survives exec.
fn mark(world: &World, number: u32) -> String {
    format!("{}.{}{number}", 3000 + world.user % 97, std::process::id())
}

#[test]
fn death_by_signal_is_death_by_signal_for_the_caller() {
    each(|world| {
        for (name, number) in
            [("TERM", 15), ("KILL", 9), ("HUP", 1), ("SEGV", 11), ("USR1", 10), ("PIPE", 13)]
        {
            let ran = world.run(&format!("kill -{name} $$"));
            assert_eq!((ran.signal, ran.status), (Some(number), None), "{name}: {}", ran.stderr);
        }
    });
}

// The shells wait by a loop of builtins alone: bash (5.2) that runs a trap while it reads a `<(…)` loses what it was reading,
// and its own loop is over, with or without sbsh.
#[test]
fn a_signal_to_the_front_reaches_the_shell_once() {
    each(|world| {
        let (mut child, mut output) = start(
            world,
            "trap 'echo got; n=$((n+1))' TERM; echo ready; while [ ${n:-0} -lt 1 ]; do :; done; echo n=$n; exit 9",
        );
        kill(pid(&child), Signal::SIGTERM).unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("got\nn=1\n", Some(9)));
    });
}

#[test]
fn a_signal_to_the_group_reaches_the_shell_once() {
    each(|world| {
        let (mut child, mut output) = start(
            world,
            "trap 'echo got; n=$((n+1))' INT; echo ready; while [ ${n:-0} -lt 1 ]; do :; done; echo n=$n; exit 9",
        );
        killpg(pid(&child), Signal::SIGINT).unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("got\nn=1\n", Some(9)));
    });
}

#[test]
fn every_kind_of_kill_ends_everything() {
    each(|world| {
        let mark = mark(world, 1);
        let text = format!(
            "(setsid sleep {mark} &); setsid bash -c 'sleep {mark} & exec sleep {mark}' & sleep {mark} & echo ready; wait"
        );
        for how in ["front", "group", "tree", "bwrap"] {
            if how == "tree" && by_landlock() {
                not_here(
                    "without a process namespace what is killed with all of sbsh leaves its own behind, confined",
                );
                continue;
            }
            let (mut child, _output) = start(world, &text);
            eventually("sleeps run", || processes(&mark).len() >= 4);
            let front = pid(&child);
            match how {
                "front" => kill(front, Signal::SIGKILL).unwrap(),
                "group" => killpg(front, Signal::SIGKILL).unwrap(),
                "tree" => {
                    let tree = descendants(front.as_raw());
                    tree.iter().for_each(|&p| {
                        let _ = kill(Pid::from_raw(p), Signal::SIGKILL);
                    });
                    kill(front, Signal::SIGKILL).unwrap();
                }
                _ => {
                    let children = children(front.as_raw());
                    children.iter().for_each(|&p| {
                        let _ = kill(Pid::from_raw(p), Signal::SIGKILL);
                    });
                    kill(front, Signal::SIGKILL).unwrap();
                }
            }
            child.wait().unwrap();
            eventually(&format!("after killing the {how} nothing lives"), || processes(&mark).is_empty());
            eventually("no process of ours is left", || {
                processes(world.bin("sbsh").to_str().unwrap()).is_empty()
            });
        }
    });
}

fn children(of: i32) -> Vec<i32> {
    std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|p| p.parse().ok())
        .collect()
}

fn descendants(of: i32) -> Vec<i32> {
    children(of).into_iter().flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}

#[test]
fn term_to_the_front_alone_ends_a_plain_command() {
    each(|world| {
        let mark = mark(world, 2);
        let (mut child, _output) = start(world, &format!("echo ready; exec sleep {mark}"));
        kill(pid(&child), Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        eventually("the sleep is gone", || processes(&mark).is_empty());
    });
}

#[test]
fn jobs_outlive_the_shell_confined_and_hold_no_pipes() {
    each(|world| {
        let mark = mark(world, 3);
        let text = format!(
            "(while [ ! -e go ]; do sleep 0.05; done; echo x > {}/escaped; echo y > done; exec sleep {mark}) >/dev/null 2>&1 & echo started",
            world.outside.display()
        );
        // output() returns only when nobody holds the pipes any more.
        let ran = world.run(&text);
        assert_eq!((ran.stdout.as_str(), ran.status), ("started\n", Some(0)), "{}", ran.stderr);
        world.write(&world.project.join("go"), "");
        eventually("the job goes on", || world.project.join("done").exists());
        assert!(!world.outside.join("escaped").exists());
        eventually("it sleeps", || !processes(&mark).is_empty());
        processes(&mark).iter().for_each(|&p| {
            let _ = kill(Pid::from_raw(p), Signal::SIGKILL);
        });
        eventually("nothing of ours is left", || processes(world.bin("sbsh").to_str().unwrap()).is_empty());
    });
}

#[test]
fn what_a_job_plants_after_the_end_is_taken_away_when_it_ends() {
    each(|world| {
        let ran = world.run(
            "(while [ ! -e go ]; do sleep 0.05; done; echo evil > .bashrc) >/dev/null 2>&1 & echo started",
        );
        assert_eq!(ran.stdout, "started\n");
        world.write(&world.project.join("go"), "");
        eventually("nothing of ours is left", || processes(world.bin("sbsh").to_str().unwrap()).is_empty());
        assert!(!world.project.join(".bashrc").exists());
    });
}

#[test]
fn what_was_planted_before_a_kill_is_taken_away() {
    each(|world| {
        let mark = mark(world, 4);
        for group in [false, true] {
            let (mut child, _output) =
                start(world, &format!("echo evil > .envrc; echo ready; exec sleep {mark}"));
            if group {
                killpg(pid(&child), Signal::SIGKILL).unwrap()
            } else {
                kill(pid(&child), Signal::SIGKILL).unwrap()
            }
            child.wait().unwrap();
            eventually("the sweep came", || !world.project.join(".envrc").exists());
            eventually("nothing of ours is left", || {
                processes(world.bin("sbsh").to_str().unwrap()).is_empty()
            });
        }
    });
}

#[test]
fn stops_are_mirrored_and_continue() {
    each(|world| {
        let (child, mut output) = start(world, "echo ready; kill -STOP $$; echo went on; exit 6");
        let stopped = waitpid(pid(&child), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(matches!(stopped, WaitStatus::Stopped(_, Signal::SIGSTOP)), "{stopped:?}");
        kill(pid(&child), Signal::SIGCONT).unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "went on\n");
        assert_eq!(waitpid(pid(&child), None).unwrap(), WaitStatus::Exited(pid(&child), 6));
    });
}

#[test]
fn descriptors_above_two_pass_where_the_policy_lets_them() {
    each(|world| {
        world.write(&world.outside.join("log"), "old\n");
        let line = |redirections: &str, text: &str| -> Ran {
            let line = format!("{} -c '{text}' {redirections}", world.bin("sbsh").display());
            world.command("/bin/bash").args(["-c", &line]).output().unwrap().into()
        };
        assert_eq!(line("3> made", "echo x >&3").status, Some(0));
        assert_eq!(std::fs::read_to_string(world.project.join("made")).unwrap(), "x\n");
        let log = world.outside.join("log");
        assert_ne!(line(&format!("3>> {}", log.display()), "echo x >&3").status, Some(0));
        assert_eq!(line(&format!("4< {}", log.display()), "read l <&4; echo $l").stdout, "old\n");
        assert_ne!(line(&format!("4< {}", log.display()), "echo evil > /proc/self/fd/4").status, Some(0));
        assert_ne!(
            line(&format!("5< {}", world.outside.display()), "echo evil > /proc/self/fd/5/new").status,
            Some(0)
        );
        assert_eq!(line("6< <(echo through)", "cat <&6").stdout, "through\n");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "old\n");
        assert_eq!(world.state(&world.outside).len(), 1);
    });
}

#[test]
fn nothing_of_ours_is_on_stdout_and_no_descriptor_of_ours_inside() {
    each(|world| {
        // These tests may themselves have been started with more descriptors than three.
        let text = "ls /proc/self/fd | tr '\\n' ' '";
        let bash: Ran = world.command("/bin/bash").args(["-c", text]).output().unwrap().into();
        assert_eq!(world.run(text), bash);
    });
}
