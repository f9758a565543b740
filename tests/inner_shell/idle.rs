//! What the shell inside does between lines: it answers, and whatever happens meanwhile leaves it as it is.

use crate::front::{Event, Inner, Outcome};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sbsh::session::inner::message::{FromShell, Name, ToShell};
use sbsh::session::inner::place::Place;

fn back(text: &str, status: u8) -> Outcome {
    Outcome::Back(text.to_owned(), status)
}

#[test]
fn words_are_known_by_what_they_name() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("alias al=true; fu() { :; }");
    inner.say(&ToShell::Known(&[
        b"al", b"if", b"fu", b"cd", b"sh", b"/bin/sh", b"nosuch", b"-x", b"a b", b"",
    ]));
    let Event::Message(FromShell::Known(names)) = inner.hear() else { panic!() };
    use Name::{Alias, Builtin, Function, Keyword, Nothing, Program};
    let expected =
        [Alias, Keyword, Function, Builtin, Program, Program, Nothing, Nothing, Nothing, Nothing].to_vec();
    assert_eq!(names, expected);
    inner.say(&ToShell::Known(&[]));
    assert!(matches!(inner.hear(), Event::Message(FromShell::Known(names)) if names.is_empty()));
}

#[test]
fn a_shell_that_may_write_no_files_is_led_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("trap 'echo bug' DEBUG; ulimit -f 0");
    assert_eq!(inner.run("trap - DEBUG"), back("bug\n", 0));
    inner.say(&ToShell::Known(&[b"cd", b"nosuch"]));
    let Event::Message(FromShell::Known(names)) = inner.hear() else { panic!() };
    assert_eq!(names, [Name::Builtin, Name::Nothing]);
    assert_eq!(inner.run("echo on"), back("on\n", 0));
}

#[test]
fn a_line_that_ran_outside_leaves_its_status() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("trap 'echo err' ERR; set -e; PROMPT_COMMAND='echo pc $?'; : last");
    for status in [130, 0, 3] {
        assert!(inner.begin_line(&ToShell::Status(status)).is_none());
        assert_eq!(inner.prompt(), back(&format!("pc {status}\n"), u8::try_from(status).unwrap()));
    }
    assert_eq!(inner.run("echo $? $_ ${PIPESTATUS[@]}"), back("3 last 3\npc 0\n", 0));
    let expected = "    2  echo $? $_ ${PIPESTATUS[@]}\n    3  history | tail -2\npc 0\n";
    assert_eq!(inner.run("history | tail -2"), back(expected, 0));
}

#[test]
fn what_is_asked_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("set -u; [[ abc =~ b ]]; shopt -s failglob nocasematch; IFS=x; x='a b'; false | (exit 4)");
    for line in ["l", "cat ", "git c", "echo $H", "echo ~r", "./x", "", "a 'b", "x=$("] {
        inner.say(&ToShell::Complete(&Place::of(line.as_bytes(), line.len(), b" \t\n\"'@><=;|&(:")));
        assert!(matches!(inner.hear(), Event::Message(FromShell::Candidates(_))), "{line}");
    }
    inner.say(&ToShell::Known(&[b"ls"]));
    assert!(matches!(inner.hear(), Event::Message(FromShell::Known(_))));
    assert_eq!(
        inner.run("echo \"$? ${PIPESTATUS[*]} ${BASH_REMATCH[0]} $x $-\""),
        back("4 1x4 b a b himuBHs\n", 0)
    );
}

#[test]
fn nothing_of_ours_is_without_its_prefix() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("cd .; true | true; [[ a =~ a ]]");
    inner.run("set -o vi; fc -l; exit 3 | true");
    let lists = "{ compgen -v; compgen -A function; alias; shopt; } | grep -v ^__sbsh_ | sort -u";
    let Outcome::Back(ours, 0) = inner.run(lists) else { panic!() };
    let mut plain = crate::front::Plain::bare(home.path());
    plain.run("cd .; true | true; [[ a =~ a ]]");
    let Outcome::Back(theirs, 0) = plain.run(lists) else { panic!() };
    // The test gives the plain shell these, and ours keeps PROMPT_COMMAND.
    let names = |text: &str| -> Vec<String> {
        let known = ["HISTFILE", "PROMPT_COMMAND"];
        text.lines().filter(|line| !known.contains(line)).map(str::to_owned).collect()
    };
    assert_eq!(names(&ours), names(&theirs));
}

#[test]
fn ctrl_c_ends_a_request_and_the_prompt_stays_the_persons() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run(
        "PS1='mine $? '; slow() { echo started >&2 >/dev/tty; while :; do :; done; }; complete -F slow slow",
    );
    let place = Place::of(b"slow ", 5, b" ");
    inner.say(&ToShell::Complete(&place));
    inner.terminal.until("started");
    inner.terminal.types(b"\x03");
    assert!(matches!(inner.prompt(), Outcome::Back(..)));
    assert!(inner.ready.as_ref().unwrap().prompt.starts_with(b"mine "));
    assert_eq!(inner.run("echo \"$PS1\""), back("mine $? \n", 0));
}

#[test]
fn a_signal_between_lines_runs_its_trap_and_the_line_after_it_runs() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("trap 'echo got' USR1; false");
    let shell = Pid::from_raw(i32::try_from(inner.terminal.pid()).unwrap());
    // A signal just before the shell waits is told with the next thing that happens, so it is sent until it is told.
    while !inner.terminal.shows("got\r\n") {
        kill(shell, Signal::SIGUSR1).unwrap();
    }
    let Outcome::Back(text, 0) = inner.run("echo $?") else { panic!() };
    assert_eq!(text.replace("got\n", ""), "1\n");
}

#[test]
fn tmout_ends_the_shell_as_at_its_own_prompt() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    let Some(_) = inner.begin_line(&ToShell::Line(b"trap 'echo bye' EXIT; TMOUT=1")) else {
        assert!(matches!(inner.prompt(), Outcome::Back(..)));
        let Outcome::Ended(text, Some(0)) = inner.prompt() else { panic!() };
        assert!(text.contains("\x07timed out waiting for input: auto-logout\n"), "{text}");
        assert!(text.ends_with("bye\n"), "{text}");
        return;
    };
    panic!("it ended at once");
}

#[test]
fn without_a_front_end_it_hangs_up() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("trap 'echo bye >gone' EXIT");
    inner.hang_up();
    let Event::Ended(_) = inner.hear() else { panic!() };
    assert_eq!(std::fs::read_to_string(home.path().join("gone")).unwrap(), "bye\n");
}

#[test]
fn what_replaces_the_shell_does_not_hold_the_channel() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    assert!(inner.begin_line(&ToShell::Line(b"exec sh -c 'echo replaced; read x'")).is_none());
    inner.terminal.until("replaced");
    inner.answers_end();
}

#[test]
fn the_terminal_echoes_what_is_typed_to_a_program() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.echoes = true;
    assert_eq!(inner.run_typing("read x", "", "hello\n"), back("hello\n", 0));
    assert_eq!(inner.run("echo $x"), back("hello\n", 0));
}

#[test]
fn what_was_typed_ahead_can_be_taken_at_the_prompt() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    let keys = "first\necho second\nhalf";
    assert_eq!(inner.run_typing("sh -c 'echo go; read x; echo $x'", "go", keys), back("go\nfirst\n", 0));
    assert_eq!(String::from_utf8(inner.terminal.typed_ahead()).unwrap(), "echo second\nhalf");
    assert_eq!(inner.run("echo third"), back("third\n", 0));
}
