//! The start forms of agents and programs, as they were recorded, with rules present in the person's settings.

use crate::world::{Ran, World, each};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const RULES: &str = r#"{"permissions":{"deny":["Bash(curl:*)"],"ask":["Bash(git push:*)"]}}"#;

/// A name in /tmp that no other run uses; taken away at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(world: &World, front: &str, end: &str) -> Temporary {
        Temporary(PathBuf::from(format!("/tmp/{front}{:x}{:x}{end}", std::process::id(), world.user)))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn processes(mark: &str) -> Vec<i32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| {
            let arguments = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains(mark)
        })
        .collect()
}

/// In a session of its own, as agents start it.
fn session(command: &mut Command) -> &mut Command {
    let leave = || nix::unistd::setsid().map(drop).map_err(std::io::Error::from);
    // SAFETY: one system call.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(leave)
    }
}

/// As Claude Code starts a call: a new session, standard input a socket in which nobody writes, the other two the
/// same file outside of what the command may write.
fn claude(world: &World, arguments: &[&str]) -> (Child, UnixStream, PathBuf) {
    let output = world.outside.join("task.output");
    world.write(&output, "");
    let file = fs::OpenOptions::new().append(true).open(&output).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(world.bin("bash"));
    command
        .current_dir(&world.project)
        .env_clear()
        .env("HOME", &world.home)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("SHELL", world.bin("bash"))
        .args(arguments)
        .stdin(std::os::fd::OwnedFd::from(theirs))
        .stdout(file.try_clone().unwrap())
        .stderr(file);
    if nix::unistd::geteuid().is_root() {
        command.uid(world.user).gid(world.user);
    }
    let child = session(&mut command).spawn().unwrap();
    (child, ours, output)
}

fn claude_ended(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let (mut child, _socket, output) = claude(world, arguments);
    (child.wait().unwrap().code(), fs::read_to_string(output).unwrap())
}

/// The script with which Claude Code takes its snapshot.
fn snapshot_script(world: &World, snapshot: &Path) -> String {
    let backslash = '\\';
    format!(
        r##"SNAPSHOT_FILE={file}
      source "{home}/.bashrc" < /dev/null

      # First, create/clear the snapshot file
      echo "# Snapshot file" >| "$SNAPSHOT_FILE"

      # When this file is sourced, we first unalias to avoid conflicts
      echo "# Unset all aliases to avoid conflicts with functions" >> "$SNAPSHOT_FILE"
      echo "unalias -a 2>/dev/null || true" >> "$SNAPSHOT_FILE"

      echo "# Functions" >> "$SNAPSHOT_FILE"

      # Force autoload all functions first
      declare -f > /dev/null 2>&1

      # Now get user function names - filter system ones and write directly to file
      declare -F | cut -d' ' -f3 | grep -vE '^(_|__)' | while read func; do
        # Encode the function to base64, preserving all special characters
        encoded_func=$(declare -f "$func" | base64 )
        # Write the function definition to the snapshot
        echo "eval {backslash}"{backslash}$(echo '$encoded_func' | base64 -d){backslash}" > /dev/null 2>&1" >> "$SNAPSHOT_FILE"
      done

      echo "# Shell Options" >> "$SNAPSHOT_FILE"
      shopt -p | head -n 1000 >> "$SNAPSHOT_FILE"
      set -o | grep "on" | awk '{{print "set -o " $1}}' | head -n 1000 >> "$SNAPSHOT_FILE"
      echo "shopt -s expand_aliases" >> "$SNAPSHOT_FILE"

      echo "# Aliases" >> "$SNAPSHOT_FILE"
      # Filter out winpty aliases on Windows to avoid "stdin is not a tty" errors
      if [[ "$OSTYPE" == "msys" ]] || [[ "$OSTYPE" == "cygwin" ]]; then
        alias | grep -v "='winpty " | sed 's/^alias //g' | sed 's/^/alias -- /' | head -n 1000 >> "$SNAPSHOT_FILE"
      else
        alias | sed 's/^alias //g' | sed 's/^/alias -- /' | head -n 1000 >> "$SNAPSHOT_FILE"
      fi

      # Check if rg is available, if not create an alias to bundled ripgrep
      echo "# Check for rg availability" >> "$SNAPSHOT_FILE"
      echo "if ! (unalias rg 2>/dev/null; command -v rg) >/dev/null 2>&1; then" >> "$SNAPSHOT_FILE"
      echo "  alias rg='/opt/agent/vendor/ripgrep/rg'" >> "$SNAPSHOT_FILE"
      echo "fi" >> "$SNAPSHOT_FILE"

      # Add PATH to the file
      echo "export PATH='/usr/local/bin:/usr/bin:/bin'" >> "$SNAPSHOT_FILE"

      # Exit silently on success, only report errors
      if [ ! -f "$SNAPSHOT_FILE" ]; then
        echo "Error: Snapshot file was not created at $SNAPSHOT_FILE" >&2
        exit 1
      fi
    "##,
        file = snapshot.display(),
        home = world.home.display(),
    )
}

#[test]
fn claude_codes_calls_work_with_rules_present() {
    each(|world| {
        world.user_settings(RULES);
        world.write(&world.home.join(".bashrc"), "greet() { echo hello \"$@\"; }\nalias ll='ls -l'\n");
        world.write(&world.home.join(".claude/shell-snapshots/other.sh"), "");
        let (status, probe) = claude_ended(world, &["-c", "env"]);
        assert_eq!(status, Some(0), "{probe}");
        assert!(probe.lines().any(|l| l == format!("SHELL={}", world.bin("bash").display())), "{probe}");

        let snapshot = world.home.join(".claude/shell-snapshots/snapshot-bash-1763930000000-a1b2c3.sh");
        let script = snapshot_script(world, &snapshot);
        assert_eq!(claude_ended(world, &["-c", "-l", &script]), (Some(0), String::new()));
        let taken = fs::read_to_string(&snapshot).unwrap();
        assert!(taken.contains("# Snapshot file") && taken.contains("alias -- ll='ls -l'"), "{taken}");
        assert!(taken.contains("alias rg=") && taken.contains("eval \""), "{taken}");

        let cwd = Temporary::new(world, "claude-", "-cwd");
        let call = |text: &str| {
            format!(
                "source {} 2>/dev/null || true && shopt -u extglob 2>/dev/null || true && eval '{}' {}< /dev/null && pwd -P >| {}",
                snapshot.display(),
                text.replace('\'', "'\"'\"'"),
                '\\',
                cwd.0.display()
            )
        };
        let text = "mkdir -p sub && cd sub && greet you; ll | wc -l; echo oops >&2";
        let (status, output) = claude_ended(world, &["-c", &call(text)]);
        assert_eq!((status, output.as_str()), (Some(0), "hello you\n1\noops\n"));
        assert_eq!(fs::read_to_string(&cwd.0).unwrap(), format!("{}\n", world.project.join("sub").display()));
        for (text, by) in [("curl x", "Bash(curl:*) denies"), ("true && git push", "Bash(git push:*) asks")] {
            let (status, output) = claude_ended(world, &["-c", &call(text)]);
            assert!(status == Some(126) && output.contains(by), "{output}");
        }
        // What it was given to write, it may not open and write otherwise.
        let (_, output) = claude_ended(
            world,
            &["-c", &call(&format!("echo x > {}/task.output || echo held", world.outside.display()))],
        );
        assert!(output.ends_with("held\n"), "{output}");
    });
}

#[test]
fn kills_as_agents_do_them_leave_nothing() {
    each(|world| {
        let mark = format!("{}.{}7", 4000 + world.user % 97, std::process::id());
        let text = format!("(sleep {mark}; :) & setsid sleep {mark} & sleep {mark}; :");
        for how in ["claude", "codex", "gemini"] {
            let (mut child, _socket, _) = claude(world, &["-c", &text]);
            eventually("sleeps run", || processes(&mark).iter().filter(|p| is_sleep(**p)).count() >= 3);
            let front = Pid::from_raw(child.id() as i32);
            let tree = descendants(front.as_raw());
            let all = |signal| {
                tree.iter().for_each(|&p| {
                    let _ = kill(Pid::from_raw(p), signal);
                })
            };
            match how {
                "claude" => {
                    let _ = killpg(front, Signal::SIGTERM);
                    all(Signal::SIGTERM);
                    eventually("the front is gone", || child.try_wait().unwrap().is_some());
                    all(Signal::SIGKILL);
                }
                "codex" => killpg(front, Signal::SIGKILL).unwrap(),
                _ => {
                    all(Signal::SIGTERM);
                    kill(front, Signal::SIGTERM).unwrap();
                    all(Signal::SIGKILL);
                    kill(front, Signal::SIGKILL).unwrap();
                }
            }
            let status = child.wait().unwrap();
            assert!(status.signal().is_some(), "{how}: {status}");
            eventually(&format!("nothing lives after {how}"), || processes(&mark).is_empty());
        }
    });
}

fn is_sleep(id: i32) -> bool {
    fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|c| c.starts_with(b"sleep"))
}

fn descendants(of: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let children: Vec<i32> = children.split_whitespace().filter_map(|p| p.parse().ok()).collect();
    children.into_iter().flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}

#[test]
fn codex_and_gemini_start_as_they_do() {
    each(|world| {
        world.user_settings(RULES);
        let run =
            |words: &[&str]| -> Ran { world.command(world.bin("bash")).args(words).output().unwrap().into() };
        world.write(&world.home.join(".bash_profile"), "FROM_PROFILE=yes\n");
        assert_eq!(
            run(&["-lc", "echo $FROM_PROFILE $0"]).stdout,
            format!("yes {}\n", world.bin("bash").display())
        );
        let nested = format!(
            "if . /nowhere/snapshot >/dev/null 2>&1; then :; fi\nexec '{}' -c 'echo nested $0; exit 6' name",
            world.bin("bash").display()
        );
        let ran = run(&["-c", &nested]);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(6), "nested name\n"), "{}", ran.stderr);

        let place = Temporary::new(world, "gemini-shell-", "");
        fs::create_dir(&place.0).unwrap();
        world.give(&place.0);
        let file = place.0.join("bg.pids");
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = world.command(world.bin("bash"));
        let text = format!("( trap 'jobs -p > {}' EXIT; sleep 0 & echo out; false )", file.display());
        command
            .args(["-c", &text])
            .stdout(std::os::fd::OwnedFd::from(theirs.try_clone().unwrap()))
            .stderr(std::os::fd::OwnedFd::from(theirs));
        let status = command.status().unwrap();
        drop(command);
        assert_eq!((status.code(), std::io::read_to_string(ours).unwrap().as_str()), (Some(1), "out\n"));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
    });
}

#[test]
fn programs_start_it_as_they_start_a_shell() {
    each(|world| {
        world.user_settings(RULES);
        world.write(&world.home.join(".bash_profile"), "echo profile\n");
        let bin = world.bin("sbsh");
        // ssh with a command, su -: a login shell by its name.
        let mut login = world.command(&bin);
        login.arg0("-sbsh").args(["-c", "echo $0 $1; shopt -q login_shell && echo login", "x", "y"]);
        let ran: Ran = login.output().unwrap().into();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "profile\nx y\nlogin\n"), "{}", ran.stderr);
        // cron and nano: two signals ignored, hardly an environment, output into a file that has no name any more.
        let deleted = tempfile::tempfile().unwrap();
        let mut cron = world.command("/bin/bash");
        let line = format!(
            "trap '' INT QUIT; exec {} -c 'trap; echo $HOME $LOGNAME; kill -INT $$; echo still'",
            bin.display()
        );
        cron.env_clear()
            .envs([
                ("HOME", world.home.as_os_str()),
                ("PATH", "/usr/bin:/bin".as_ref()),
                ("LOGNAME", "me".as_ref()),
                ("SHELL", bin.as_os_str()),
            ])
            .args(["-c", &line])
            .stdout(deleted.try_clone().unwrap())
            .stderr(deleted.try_clone().unwrap());
        assert_eq!(cron.status().unwrap().code(), Some(0));
        let mut written = String::new();
        use std::io::{Read, Seek};
        (&deleted).rewind().unwrap();
        (&deleted).read_to_string(&mut written).unwrap();
        let ignored = "trap -- '' SIGINT\ntrap -- '' SIGQUIT\n";
        assert_eq!(written, format!("{ignored}{} me\nstill\n", world.home.display()));
        // A git alias runs `sh`, which git has built in; here by PATH.
        let git = world.run("git init -q . && git -c alias.x='!echo alias' x one two");
        assert_eq!((git.status, git.stdout.as_str()), (Some(0), "alias one two\n"), "{}", git.stderr);
        // vim: in vim's own process group, without one of its own.
        let vim = format!(
            "{0} -c 'echo \"in $(cut -d\" \" -f5 /proc/$PPID/stat)\"'; echo end",
            world.bin("bash").display()
        );
        let ran: Ran = world.command("/bin/sh").args(["-c", &vim]).output().unwrap().into();
        assert!(ran.status == Some(0) && ran.stdout.ends_with("end\n"), "{} {}", ran.stdout, ran.stderr);
    });
}

#[test]
fn what_activates_an_environment_is_not_asked_about() {
    each(|world| {
        world.user_settings(RULES);
        world.write(&world.project.join("venv/bin/activate"), "PATH=$PWD/venv/bin:$PATH\n");
        let tool = world.project.join("venv/bin/tool");
        world.write(&tool, "#!/bin/sh\necho tool\n");
        fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        symlink("tool", world.project.join("venv/bin/npm")).unwrap();
        assert_eq!(world.run("source venv/bin/activate && tool").stdout, "tool\n");
        assert_eq!(world.run("export PATH=$PWD/venv/bin:$PATH; npm test").stdout, "tool\n");
        assert_eq!(world.run("source venv/bin/activate && curl x").status, Some(126));
    });
}
