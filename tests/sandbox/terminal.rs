//! On a real terminal: keys, stops, job control and the terminal's state, with bash as the oracle.

use crate::world::{World, as_from_a_terminal, each, until};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program on a terminal of its own, seen from the terminal's side.
pub struct Screen {
    master: File,
    slave: OwnedFd,
    child: Child,
    seen: String,
    shell: String,
}

impl Screen {
    /// Starts a program as the leader of a new session with the terminal.
    pub fn start(mut command: Command, prepare: fn()) -> Screen {
        let size = Winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let master = File::from(master);
        for end in [master.as_raw_fd(), slave.as_raw_fd()] {
            let flags = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC);
            // SAFETY: the descriptor is open here.
            #[allow(unsafe_code)]
            nix::fcntl::fcntl(unsafe { std::os::fd::BorrowedFd::borrow_raw(end) }, flags).unwrap();
        }
        let standard = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(standard()).stdout(standard()).stderr(standard());
        as_from_a_terminal(&mut command);
        let become_session = move || {
            nix::unistd::setsid()?;
            // SAFETY: TIOCSCTTY takes a number and no memory; descriptor 0 is the terminal.
            #[allow(unsafe_code)]
            let status = unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) };
            nix::errno::Errno::result(status)?;
            prepare();
            Ok(())
        };
        // SAFETY: only system calls, nothing that allocates or locks.
        #[allow(unsafe_code)]
        let child = unsafe { command.pre_exec(become_session) }.spawn().unwrap();
        Screen { master, slave, child, seen: String::new(), shell: String::new() }
    }

    /// An outer interactive bash, as a person has it, in which `bash` is the real one or ours.
    fn outer(world: &World, shell: &str) -> Screen {
        let mut command = terminal_command(world, "/bin/bash");
        command.args(["--norc", "--noprofile", "--noediting", "-i"]).env("B", shell).env("PS1", "outer> ");
        let mut screen = Screen::start(command, || {});
        shell.clone_into(&mut screen.shell);
        screen.until("outer> ");
        screen
    }

    fn look(&mut self) -> bool {
        let mut waited = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waited, PollTimeout::from(200_u16)).unwrap() == 0 {
            return true;
        }
        let mut bytes = [0; 4096];
        let Ok(length) = self.master.read(&mut bytes) else { return false };
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        true
    }

    /// Reads until this was shown; what was shown up to and with it.
    pub fn until(&mut self, marker: &str) -> String {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(at) = self.seen.find(marker) {
                return self.seen.drain(..at + marker.len()).collect();
            }
            assert!(Instant::now() < end, "no {marker:?} in {:?} of {}", self.seen, self.shell);
            assert!(self.look(), "it ended without {marker:?}: {:?}", self.seen);
        }
    }

    pub fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    fn settings(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    /// Steps of what is typed and what is then waited for; everything that was shown.
    fn play(&mut self, steps: &[(&str, &str)]) -> String {
        let mut shown = String::new();
        for (keys, marker) in steps {
            self.types(keys);
            shown.push_str(&self.until(marker));
        }
        shown
    }
}

impl Screen {
    /// Answers the question whose line of keys was shown: from then on a key counts.
    pub fn answers(&mut self, key: &str, echo: &str) {
        self.types(key);
        self.until(echo);
    }

    /// Everything that is shown until the program ends.
    pub fn rest(mut self) -> String {
        let end = Instant::now() + Duration::from_secs(120);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not end: {:?}", self.seen);
            self.look();
        }
        // What was written before the end is there; the terminal itself stays open here.
        let mut waited = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        while poll(&mut waited, PollTimeout::ZERO).unwrap() > 0 {
            let mut bytes = [0; 4096];
            let Ok(length) = (&self.master).read(&mut bytes) else { break };
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without a process group of its own: a session's leader makes one.
pub fn terminal_command(world: &World, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(&world.project)
        .env_clear()
        .env("HOME", &world.home)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("PWD", &world.project)
        .env("TERM", "dumb");
    if nix::unistd::geteuid().is_root() {
        command.uid(world.user).gid(world.user);
    }
    command
}

/// Numbers of processes and the name of the shell differ.
fn without_names(shown: &str, shell: &str) -> String {
    let shown = shown.replace(shell, "BASH");
    let mut out = String::new();
    for line in shown.split_inclusive('\n') {
        let start = ["[1] ", "BASH: line 1: "].into_iter().find_map(|start| line.split_once(start));
        match start
            .map(|(_, rest)| rest.trim_start())
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            Some(rest) => {
                out.push_str("PID");
                out.push_str(rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            }
            None => out.push_str(line),
        }
    }
    out
}

/// The same keys give the same screen and leave the terminal as it was, and the outer shell in its foreground.
fn same(world: &World, steps: &[(&str, &str)]) {
    let run = |shell: &str| {
        let mut screen = Screen::outer(world, shell);
        screen.play(&[("ulimit -c 0\n", "outer> ")]);
        let before = screen.settings();
        let shown = without_names(&screen.play(steps), shell);
        // The terminal's own side may ask for it.
        let foreground = nix::unistd::tcgetpgrp(&screen.master).unwrap().as_raw();
        assert_eq!(foreground, screen.child.id() as i32, "{shell} kept the foreground: {steps:?}");
        assert!(screen.settings() == before, "{shell} left the terminal otherwise: {steps:?}");
        // When a job stops by itself, bash says so at the one prompt or the next.
        let says_so = |line: &&str| line.contains("Stopped") || line.trim().is_empty();
        let by_itself = steps.iter().any(|(keys, _)| keys.contains("until jobs"));
        shown.lines().filter(|line| !(by_itself && says_so(line))).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(run(world.bin("bash").to_str().unwrap()), run("/bin/bash"), "{steps:?}");
}

#[test]
fn keys_that_interrupt_quit_and_stop_are_those_of_bash() {
    each(|world| {
        let after = ("echo $?\n", "outer> ");
        same(
            world,
            &[
                ("$B -c 'sh -c \"echo r\\\"\\\"dy; exec sleep 100\"; echo $?'\n", "rdy\r\n"),
                ("\u{3}", "outer> "),
                after,
            ],
        );
        same(
            world,
            &[
                (
                    "$B -c 'trap \"echo i\"\"nt\" INT; sh -c \"echo r\\\"\\\"dy; exec sleep 100\"; echo $?'\n",
                    "rdy\r\n",
                ),
                ("\u{3}", "outer> "),
                after,
            ],
        );
        same(
            world,
            &[
                ("$B -c 'sh -c \"echo r\\\"\\\"dy; exec sleep 100\"; echo $?'\n", "rdy\r\n"),
                ("\u{1c}", "outer> "),
                after,
            ],
        );
        same(world, &[("$B -c 'echo r\"\"dy; exec sleep 100'\n", "rdy\r\n"), ("\u{3}", "outer> "), after]);
        same(
            world,
            &[
                (
                    "$B -c 'sh -c \"echo r\\\"\\\"dy; exec sleep 100\"; echo no' | cat; echo ${PIPESTATUS[@]}\n",
                    "rdy\r\n",
                ),
                ("\u{3}", "outer> "),
            ],
        );
    });
}

#[test]
fn stopped_it_is_a_stopped_job_that_goes_on_in_either_ground() {
    each(|world| {
        let start = ("$B -c 'echo r\"\"dy; read x; echo got $x; exit 4'\n", "rdy\r\n");
        same(
            world,
            &[
                start,
                ("\u{1a}", "outer> "),
                ("jobs\n", "outer> "),
                ("fg\n", "4'\r\n"),
                ("a line\n", "outer> "),
                ("echo $?\n", "outer> "),
            ],
        );
        // In the background it is stopped by its wish to read; then it goes on in the foreground.
        same(
            world,
            &[
                start,
                ("\u{1a}", "outer> "),
                ("bg\n", "outer> "),
                ("until jobs -s | grep -q .; do :; done; jobs\n", "outer> "),
                ("fg\n", "4'\r\n"),
                ("l\n", "outer> "),
            ],
        );
        // What ends in the background leaves the foreground alone.
        let waits =
            ("$B -c 'echo r\"\"dy; until [ -e go ]; do sleep 0.05; done; rm go; exit 5'\n", "rdy\r\n");
        same(
            world,
            &[waits, ("\u{1a}", "outer> "), ("bg\n", "outer> "), ("touch go; wait %1; echo $?\n", "outer> ")],
        );
        same(
            world,
            &[
                ("$B -c cat &\n", "outer> "),
                ("until jobs -s | grep -q .; do :; done; jobs\n", "outer> "),
                ("fg\n", "cat\r\n"),
                ("x\u{4}\u{4}", "outer> "),
            ],
        );
        same(
            world,
            &[
                ("set -o pipefail; $B -c 'echo r\"\"dy; read x; echo $x; exit 3' | cat\n", "rdy\r\n"),
                ("\u{1a}", "outer> "),
                ("fg\n", "cat\r\n"),
                ("l\n", "outer> "),
                ("echo $?\n", "outer> "),
            ],
        );
    });
}

#[test]
fn programs_have_the_terminal_as_under_bash() {
    each(|world| {
        same(
            world,
            &[
                ("$B -c 'stty -echo; echo r\"\"dy; read x; stty echo; echo [$x]; stty size'\n", "rdy\r\n"),
                ("secret\n", "outer> "),
            ],
        );
        same(
            world,
            &[
                (
                    "$B -c 'stty -echo; echo r\"\"dy; read -rn1 k; echo \"<$k>\"; read -sp pa\"\"ss: p; stty echo; echo $p'\n",
                    "rdy\r\n",
                ),
                ("k", "pass:"),
                ("w\n", "outer> "),
            ],
        );
        same(
            world,
            &[
                (
                    "$B -c 'trap \"stty size\" WINCH; echo r\"\"dy; stty rows 30 cols 90; read x; :'; stty rows 24 cols 200\n",
                    "30 90\r\n",
                ),
                ("\n", "outer> "),
            ],
        );
        same(
            world,
            &[
                (
                    "$B -c 'test -t 0 && test -t 1 && echo y; echo into > /dev/tty; read x < /dev/tty; echo $x' > f; cat f\n",
                    "into\r\n",
                ),
                ("typed\n", "outer> "),
            ],
        );
        // A killed program leaves its settings behind; bash puts its own back.
        same(world, &[("$B -c 'stty raw -echo; kill -KILL $$'; echo $?\n", "137\r\n"), ("", "outer> ")]);
    });
}

#[test]
fn job_control_inside_gives_the_terminal_back() {
    each(|world| {
        same(
            world,
            &[
                ("$B -c 'set -m; sh -c \"echo r\\\"\\\"dy; exec sleep 100\"; echo $?'\n", "rdy\r\n"),
                ("\u{3}", "outer> "),
                ("cat\n", "cat\r\n"),
                ("x\n\u{4}", "outer> "),
            ],
        );
        same(
            world,
            &[
                ("$B --norc -ic 'sh -c \"echo r\\\"\\\"dy; exec sleep 100\"; echo after $?'\n", "rdy\r\n"),
                ("\u{3}", "outer> "),
            ],
        );
        same(
            world,
            &[
                (
                    "$B -c 'set -m; bash --norc -ic \"kill -KILL \\$\\$\"; kill -KILL $$'; echo $?\n",
                    "137\r\n",
                ),
                ("", "outer> "),
            ],
        );
        // Started in the background it has no claim; once in the foreground it has.
        same(
            world,
            &[
                ("$B --norc -ic 'sh -c \"echo r\\\"\\\"dy; exec sleep 100\"' &\n", "outer> "),
                ("until jobs -s | grep -q .; do :; done; fg\n", "rdy\r\n"),
                ("\u{3}", "outer> "),
            ],
        );
    });
}

#[test]
fn an_interactive_shell_inside_controls_its_jobs() {
    each(|world| {
        let start = ("PS1='in''ner> ' $B --norc --noediting -i\n", "inner> ");
        same(
            world,
            &[
                start,
                ("sh -c 'echo r\"\"dy; exec sleep 100'\n", "rdy\r\n"),
                ("\u{3}", "inner> "),
                ("echo $?\n", "inner> "),
                ("exit 3\n", "outer> "),
                ("echo $?\n", "outer> "),
            ],
        );
        same(
            world,
            &[
                start,
                ("cat\n", "cat\r\n"),
                ("x\n", "x\r\nx\r\n"),
                ("\u{1a}", "inner> "),
                ("jobs\n", "inner> "),
                ("fg\n", "cat\r\n"),
                ("y\n\u{4}", "inner> "),
                ("exit\n", "outer> "),
            ],
        );
        same(world, &[start, ("\u{3}", "inner> "), ("\u{4}", "outer> ")]);
        // Suspended it is a job of the outer shell, and reads again when it is back.
        same(
            world,
            &[
                start,
                ("suspend -f\n", "outer> "),
                ("fg\n", "inner> "),
                ("echo i\"\"n\n", "in\r\n"),
                ("", "inner> "),
                ("exit 6\n", "outer> "),
                ("echo $?\n", "outer> "),
            ],
        );
        // In the background it waits, and takes the terminal from nobody.
        same(
            world,
            &[
                ("PS1='in''ner> ' $B --norc --noediting -i &\n", "outer> "),
                ("until jobs -s | grep -q .; do :; done; jobs\n", "outer> "),
                ("fg\n", "inner> "),
                ("exit\n", "outer> "),
            ],
        );
    });
}

/// sbsh as a terminal's first program.
fn session(world: &World, argv0: &str, arguments: &[&str], prepare: fn()) -> Screen {
    let mut command = terminal_command(world, world.bin("sbsh").to_str().unwrap());
    command.arg0(argv0).args(arguments).env("PS1", "in> ");
    Screen::start(command, prepare)
}

impl Screen {
    /// Reads until the end; the status.
    pub fn status(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "it does not end: {:?}", self.seen);
            self.look();
        }
    }
}

#[test]
fn without_arguments_it_is_a_confined_interactive_shell() {
    each(|world| {
        world.write(&world.home.join(".bashrc"), "PS1='in> '\n");
        for arguments in [&[][..], &["-i"]] {
            let mut screen = session(world, "sbsh", arguments, || {});
            screen.until("in> ");
            screen.play(&[("echo $((6*7))$-\n", "42"), ("", "in> ")]);
            let held = format!("touch {}/x || echo he\"\"ld\n", world.outside.display());
            screen.play(&[(held.as_str(), "held\r\n"), ("", "in> ")]);
            // What it gives back shows that the keys reach it.
            screen.play(&[
                ("sed -u s/a/b/\n", "b/\r\n"),
                ("xay\n", "xby\r\n"),
                ("\u{1a}", "Stopped"),
                ("", "in> "),
            ]);
            screen.play(&[
                ("fg\n", "b/\r\n"),
                ("zaz\n", "zbz\r\n"),
                ("\u{3}", "in> "),
                ("echo $?.\n", "130.\r\n"),
                ("", "in> "),
            ]);
            screen.types("exit 3\n");
            assert_eq!(screen.status(), Some(3), "{}", screen.seen);
        }
    });
}

#[test]
fn a_login_shell_reads_its_files_inside_and_may_be_entered_with_signals_ignored() {
    // As tmux starts it.
    let ignoring = || {
        for signal in [nix::sys::signal::Signal::SIGTTIN, nix::sys::signal::Signal::SIGTTOU] {
            // SAFETY: SIG_IGN runs no code.
            #[allow(unsafe_code)]
            unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigIgn) }.unwrap();
        }
    };
    each(|world| {
        let profile = format!("PS1='in> '\necho profile\ntouch {}/x || echo held\n", world.outside.display());
        world.write(&world.home.join(".bash_profile"), &profile);
        for (argv0, arguments) in [("sbsh", &["-l"][..]), ("-sbsh", &[]), ("-/opt/sbsh", &[])] {
            let mut screen = session(world, argv0, arguments, ignoring);
            let shown = screen.until("in> ");
            assert!(shown.contains("profile\r\n") && shown.contains("held\r\n"), "{shown}");
            screen.play(
                &[("shopt -q login_shell && echo lo\"\"gin $0\n", "login -bash\r\n"), ("", "in> ")].map(
                    |(keys, marker)| {
                        (
                            keys,
                            if argv0 == "sbsh" {
                                marker.trim_start_matches("login -bash\r\n")
                            } else {
                                marker
                            },
                        )
                    },
                ),
            );
            screen.types("exit 5\n");
            assert_eq!(screen.status(), Some(5), "{argv0}: {}", screen.seen);
        }
    });
}

#[test]
fn a_shell_may_become_it_at_its_start() {
    each(|world| {
        world.write(&world.home.join(".bashrc"), "PS1='in> '\n");
        let rc = world.project.join("rc");
        world.write(&rc, &format!("exec {}\n", world.bin("sbsh").display()));
        let mut command = terminal_command(world, "/bin/bash");
        command.arg("--rcfile").arg(&rc).arg("-i");
        let mut screen = Screen::start(command, || {});
        screen.until("in> ");
        let held = format!("touch {}/x || echo he\"\"ld\n", world.outside.display());
        screen.play(&[
            (held.as_str(), "held\r\n"),
            ("", "in> "),
            ("sed -u s/a/b/\n", "b/\r\n"),
            ("xay\n", "xby\r\n"),
            ("\u{3}", "in> "),
        ]);
        screen.types("\u{4}");
        assert_eq!(screen.status(), Some(130), "{}", screen.seen);
    });
}

#[test]
fn a_refusal_and_a_question_are_told_on_the_terminal() {
    each(|world| {
        world.user_settings(r#"{"permissions":{"deny":["Bash(curl:*)"],"ask":["Bash(echo:*)"]}}"#);
        let mut screen = Screen::outer(world, world.bin("sbsh").to_str().unwrap());
        let shown = screen.play(&[("$B -c 'curl x'; echo $?\n", "126\r\n"), ("", "outer> ")]);
        assert!(shown.contains("Bash(curl:*) denies 'curl x'"), "{shown}");
        let before = screen.settings();
        screen.play(&[("$B -c 'echo hi'; echo $?\n", "[n]o > ")]);
        screen.answers("o", "once\r\n");
        let shown = screen.until("0\r\n");
        assert!(shown.contains("hi\r\n"), "{shown}");
        screen.until("outer> ");
        assert!(screen.settings() == before);
    });
}

#[test]
fn a_write_outside_is_asked_about_on_the_terminal_while_the_call_waits() {
    each(|world| {
        let mut screen = Screen::outer(world, world.bin("sbsh").to_str().unwrap());
        let before = screen.settings();
        let file = world.outside.join("f");
        screen.types(&format!("$B -c 'echo hi > {0}; cat {0}'; echo st$?\n", file.display()));
        let asked = screen.until("[n]o > ");
        assert!(asked.contains(&format!("write '{}'", file.display())), "{asked}");
        screen.answers("o", "once\r\n");
        let shown = screen.until("st0\r\n");
        assert!(shown.contains("hi\r\n"), "{shown}");
        screen.until("outer> ");
        assert!(screen.settings() == before);
        // After a no the command goes on with the refusal.
        screen.types(&format!("$B -c 'echo no > {0}2 || echo he\"\"ld'; echo st$?\n", file.display()));
        screen.until("[n]o > ");
        screen.answers("n", "no\r\n");
        screen.until("held\r\n");
        screen.until("st0\r\n");
        assert!(!world.outside.join("f2").exists());
    });
}

#[test]
fn what_could_not_be_asked_about_is_offered_once_the_command_has_failed() {
    each(|world| {
        let file = world.outside.join("f");
        world.write(&file, "text");
        let mut screen = Screen::outer(world, world.bin("sbsh").to_str().unwrap());
        // Rights of others (acl(5)) are given by a call that nobody makes for the inside: its question would not show them.
        let set = format!(
            "python3 -c 'import os, struct; own = os.getuid(); \
             rights = [(1, 6, -1), (2, 6, own), (4, 4, -1), (16, 6, -1), (32, 4, -1)]; \
             os.setxattr(\"{0}\", \"system.posix_acl_access\", struct.pack(\"<I\", 2) + b\"\".join(struct.pack(\"<HHi\", *one) for one in rights)); \
             print(\"is\", \"set\")'",
            file.display()
        );
        let text = format!("$B -c {}; echo st$?\n", shlex::try_quote(&set).unwrap());
        screen.types(&text);
        let asked = screen.until("Run it again?");
        assert!(asked.contains("may not setxattr"), "{asked}");
        screen.until("[n]o > ");
        screen.answers("n", "no\r\n");
        screen.until("st1\r\n");
        screen.until("outer> ");
        screen.types(&text);
        screen.until("[n]o > ");
        screen.answers("g", "grant\r\n");
        screen.until("is set\r\n");
        screen.until("st0\r\n");
        screen.until("outer> ");
        // Not where the way out does not exist.
        world.user_settings(r#"{"sandbox":{"allowUnsandboxedCommands":false}}"#);
        screen.types(&text.replace("acl_access", "acl_default"));
        let asked = screen.until("[n]o > ");
        assert!(!asked.contains("utside once"), "{asked}");
        screen.answers("n", "no\r\n");
        screen.until("st1\r\n");
    });
}

/// A program that runs outside has the terminal as any other has it: it reads from it, is interrupted and stopped by its
/// keys, and goes on; and the question before it is asked once.
#[test]
fn a_program_outside_has_the_terminal_as_under_bash() {
    each(|world| {
        let tools = world.outside.join("tools");
        world.write(
            &tools.join("outside"),
            "#!/bin/sh\nread x; echo \"got $x $(stty size)\"; exec sleep 1000\n",
        );
        std::fs::set_permissions(tools.join("outside"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        world.user_settings(r#"{"sandbox":{"excludedCommands":["outside:*"]}}"#);
        let mut command = terminal_command(world, "/bin/bash");
        command.args(["--norc", "--noprofile", "--noediting", "-i"]).env("PS1", "outer> ");
        command.env("B", world.bin("sbsh")).env("PATH", format!("{}:/usr/bin:/bin", tools.display()));
        let mut screen = Screen::start(command, || {});
        screen.until("outer> ");
        let before = screen.settings();
        // What comes before the terminal is as it was again is dropped, and what was too much is taken off the line.
        let answer = |screen: &mut Screen, key: &str, name: &str| {
            let asked = screen.until("[n]o > ");
            screen.answers(key, name);
            until(|| screen.settings().local_flags == before.local_flags);
            asked
        };
        let outer = screen.child.id() as i32;
        let is_in_front = |screen: &Screen| nix::unistd::tcgetpgrp(&screen.master).unwrap().as_raw() != outer;
        screen.types("$B -c 'for i in 1 2; do outside; echo status $?; done'\n");
        let mut shown = answer(&mut screen, "s", "session");
        shown.push_str(&screen.play(&[("\u{15}one\n", "got one 24 200"), ("\u{1a}", "outer> ")]));
        shown.push_str(&screen.play(&[("fg\n", "done'")]));
        until(|| is_in_front(&screen));
        shown.push_str(&screen.play(&[("\u{3}", "outer> "), ("echo $?\n", "130")]));
        screen.types("$B -c 'outside | cat; echo then'\n");
        shown.push_str(&answer(&mut screen, "o", "once"));
        shown.push_str(&screen.play(&[("\u{15}two\n", "got two 24 200"), ("\u{3}", "outer> ")]));
        assert!(
            shown.contains("Run this command OUTSIDE the sandbox?") && shown.contains("Stopped"),
            "{shown}"
        );
        assert_eq!(shown.matches("OUTSIDE").count(), 2, "{shown}");
        assert!(!shown.contains("\nthen"), "{shown}");
    });
}

/// The same for one that is the whole command: whoever waits for it is stopped with it and goes on with it.
#[test]
fn a_program_that_leaves_the_sandbox_has_the_terminal_as_under_bash() {
    each(|world| {
        let tools = world.outside.join("tools");
        world.write(
            &tools.join("outside"),
            "#!/bin/sh\nread x; echo \"got $x $(stty size)\"; exec sleep 1000\n",
        );
        std::fs::set_permissions(tools.join("outside"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        world.user_settings(
            r#"{"sandbox":{"excludedCommands":["outside:*"]},"permissions":{"allow":["Bash(outside:*)"]}}"#,
        );
        let mut command = terminal_command(world, "/bin/bash");
        command.args(["--norc", "--noprofile", "--noediting", "-i"]).env("PS1", "outer> ");
        command.env("B", world.bin("sbsh")).env("PATH", format!("{}:/usr/bin:/bin", tools.display()));
        let mut screen = Screen::start(command, || {});
        screen.until("outer> ");
        let outer = screen.child.id() as i32;
        let is_in_front = |screen: &Screen| nix::unistd::tcgetpgrp(&screen.master).unwrap().as_raw() != outer;
        screen.types("$B -c 'outside x'\n");
        until(|| is_in_front(&screen));
        let mut shown = screen.play(&[("one\n", "got one 24 200"), ("\u{1a}", "outer> ")]);
        assert!(shown.contains("Stopped"), "{shown}");
        for _ in 0..20 {
            screen.types("fg\n");
            until(|| is_in_front(&screen));
            shown = screen.play(&[("\u{1a}", "outer> ")]);
            assert!(shown.contains("Stopped"), "{shown}");
        }
        screen.types("fg\n");
        until(|| is_in_front(&screen));
        shown = screen.play(&[("\u{3}", "outer> "), ("echo $?\n", "130"), ("jobs\n", "outer> ")]);
        assert!(!shown.contains("Stopped"), "{shown}");
    });
}

/// Without the line editor the shell reads the terminal itself, and may read its end before the signal reaches it.
#[test]
fn jobs_end_with_a_terminal_that_is_closed_and_what_left_the_session_stays() {
    each(|world| {
        world.write(&world.home.join(".bashrc"), "PS1='in> '\n");
        let is_there =
            |what: &str| !Command::new("pgrep").args(["-f", what]).output().unwrap().stdout.is_empty();
        for round in 0..5 {
            let mut screen = session(world, "sbsh", &[], || {});
            screen.until("in> ");
            screen.types(
                "sleep 7654322 & sleep 7654322 & kill -STOP $!; setsid sleep 7654323 & echo be\"\"gun\n",
            );
            screen.until("begun");
            screen.until("in> ");
            until(|| is_there("^sleep 7654323"));
            drop(std::mem::replace(&mut screen.master, File::open("/dev/null").unwrap()));
            screen.child.wait().unwrap();
            until(|| !is_there("^sleep 7654322"));
            assert!(is_there("^sleep 7654323"), "round {round}");
            assert!(Command::new("pkill").args(["-f", "^sleep 7654323"]).status().unwrap().success());
        }
    });
}
