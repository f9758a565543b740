//! zsh inside, with a plain `zsh -i` as the oracle. Its line editor is off in both, and with it compsys.

use crate::front::{Event, Inner, Outcome, Plain};
use sbsh::session::inner::message::{FromShell, Keeping, Name, ToShell};
use sbsh::session::inner::place::Place;
use sbsh::session::inner::{Files, Shell};
use std::fs::{create_dir, write};

fn back(text: &str, status: u8) -> Outcome {
    Outcome::Back(text.to_owned(), status)
}

/// Lines in both shells: what is shown and `$?`.
#[track_caller]
fn same_typing(steps: &[(&str, &str, &str)]) {
    let home = tempfile::tempdir().unwrap();
    let (mut inner, mut plain) = (Inner::of(Shell::Zsh, home.path()), Plain::zsh(home.path()));
    for (line, shown, keys) in steps {
        println!("{line}");
        let (ours, theirs) = (inner.run_typing(line, shown, keys), plain.run_typing(line, shown, keys));
        assert_eq!(ours, theirs, "{line}");
        if matches!(ours, Outcome::Ended(..)) {
            return;
        }
    }
}

#[track_caller]
fn same(lines: &[&str]) {
    same_typing(&lines.iter().map(|line| (*line, "", "")).collect::<Vec<_>>());
}

#[test]
fn lines_are_as_at_zshs_own_prompt() {
    same(&[
        "true",
        "false",
        "echo $? $_",
        "echo a b",
        "echo $_",
        "nosuch",
        "(exit 42)",
        "echo $?",
        "echo )",
        "echo $?",
    ]);
    same(&[
        "x=1",
        "typeset -A z=(a b)",
        "typeset y=2",
        "echo $x $y $z[a]",
        "f() { echo f $1; return 3; }",
        "f 1",
        "echo $?",
    ]);
    same(&[
        "alias hi='echo hello'",
        "hi a",
        "setopt nullglob",
        "echo *.none",
        "unsetopt nullglob",
        "echo *.none",
        "cd /usr",
        "pwd",
    ]);
    same(&[
        "setopt ksharrays shwordsplit nounset",
        "x=(a b)",
        "echo ${x[0]}",
        "echo $nope",
        "echo $?",
        "false",
        "echo $?",
    ]);
    same(&["trap 'echo zerr' ZERR", "false", "true", "echo $?", "f() { false; }", "f"]);
    same(&["setopt errexit", "true", "! true", "false || true", "false"]);
    same(&["trap 'echo bye' EXIT", "exit 3"]);
    same(&[
        "print a >f; exec 3<f",
        "read x <&3; echo $x",
        "exec 3<&-; exec 4>&1 >g",
        "echo hidden",
        "exec >&4 4>&-",
        "cat g",
    ]);
    same(&["cat <<E\na $?\nE", "echo a \\\n b", "exec sh -c 'echo replaced; exit 4'"]);
    same(&[
        "echo a",
        "echo b",
        "fc -l",
        "history",
        "setopt histignorespace",
        " echo secret",
        "history",
        "setopt histignoredups",
        "echo c",
        "echo c",
        "history",
    ]);
    same(&[
        "ls -l /proc/self/fd | wc -l",
        "precmd() { echo pc $?; }; preexec() { echo pe $1; }",
        "false",
        "precmd_functions+=(g); g() { echo g; }",
        "true",
    ]);
    same_typing(&[("read x; echo got $x", "", "hello\n")]);
}

#[test]
fn ctrl_c_ends_the_line_and_the_shell_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::of(Shell::Zsh, home.path());
    // At its own prompt zsh adds a newline.
    assert_eq!(
        inner.run_typing("sh -c 'echo go; exec sleep 1000'; echo no", "go", "\x03"),
        back("go\n", 130)
    );
    let line = "for i in 1 2; do sh -c 'echo go; exec sleep 1000'; done; echo no";
    assert_eq!(inner.run_typing(line, "go", "\x03"), back("go\n", 130));
    assert_eq!(inner.run("echo $? $i"), back("130 1\n", 0));
}

#[test]
fn jobs_can_be_stopped_and_go_on() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::of(Shell::Zsh, home.path());
    let Outcome::Back(text, 148) = inner.run_typing("sh -c 'echo one; read x; echo got $x'", "one", "\x1a")
    else {
        panic!()
    };
    assert!(text.contains("suspended"), "{text}");
    let Outcome::Back(text, 0) = inner.run_typing("fg", "continued", "word\n") else { panic!() };
    assert!(text.ends_with("got word\n"), "{text}");
}

#[test]
fn tracing_shows_the_persons_commands_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::of(Shell::Zsh, home.path());
    inner.run("PS4='+ '; set -x");
    assert_eq!(inner.run("echo a"), back("+ echo a\na\n", 0));
    assert_eq!(inner.run("set +x"), back("+ set +x\n", 0));
    assert_eq!(inner.run("echo b"), back("b\n", 0));
}

#[test]
fn the_prompt_and_the_start_up_files_are_the_persons() {
    let home = tempfile::tempdir().unwrap();
    let text = "echo zshrc\nsetopt promptsubst histignorespace\nv=1\nPROMPT='%F{red}%?%f ${v}> '\nRPROMPT='%~'\nPS2='more> '\nbindkey -v\n\
                HISTFILE=~/hist\nHISTSIZE=100\nSAVEHIST=100\nautoload -Uz compinit; zstyle x y z\nprecmd() { v=2; }\n";
    write(home.path().join(".zshrc"), text).unwrap();
    write(home.path().join(".zshenv"), "echo zshenv\n").unwrap();
    write(home.path().join(".zprofile"), "echo zprofile\n").unwrap();
    write(home.path().join(".zlogin"), "echo zlogin\n").unwrap();
    write(home.path().join(".zlogout"), "echo zlogout\n").unwrap();
    write(home.path().join("hist"), "echo old\n").unwrap();
    let mut inner = Inner::start(Shell::Zsh, home.path(), false, Files::default());
    assert_eq!(inner.prompt(), back("zshenv\nzshrc\n", 0));
    let ready = inner.ready.clone().unwrap();
    assert_eq!(String::from_utf8(ready.prompt).unwrap(), "\u{1b}[31m0\u{1b}[39m 2> ");
    assert_eq!((ready.right, ready.second), (b"~".to_vec(), b"more> ".to_vec()));
    assert!(ready.vi);
    assert_eq!(ready.history_control, b"ignorespace");
    assert_eq!((ready.keeping, ready.flags.as_slice()), (Keeping::File, b"H".as_slice()));
    assert_eq!(inner.run("fc -l; print -r -- $PROMPT"), back("    1  echo old\n%F{red}%?%f ${v}> \n", 0));
    let mut login = Inner::start(Shell::Zsh, home.path(), true, Files::default());
    assert_eq!(login.prompt(), back("zshenv\nzprofile\nzshrc\nzlogin\n", 0));
    assert_eq!(login.run("[[ -o login ]] && exit 2"), Outcome::Ended("zlogout\n".to_owned(), Some(2)));
    assert_eq!(std::fs::read_to_string(home.path().join("hist")).unwrap(), "echo old\n");
}

#[test]
fn it_answers_between_lines() {
    let home = tempfile::tempdir().unwrap();
    create_dir(home.path().join("a dir")).unwrap();
    write(home.path().join("a file"), "").unwrap();
    let mut inner = Inner::of(Shell::Zsh, home.path());
    inner.run("alias al=true; fu() { :; }; zz_fu() { :; }; zz_v=1; setopt ksharrays nounset");
    inner.say(&ToShell::Known(&[b"al", b"if", b"fu", b"cd", b"ls", b"/bin/ls", b"nosuch", b""]));
    let Event::Message(FromShell::Known(names)) = inner.hear() else { panic!() };
    use Name::{Alias, Builtin, Function, Keyword, Nothing, Program};
    assert_eq!(names, [Alias, Keyword, Function, Builtin, Program, Program, Nothing, Nothing].to_vec());
    let mut completions = |line: &str| -> Vec<String> {
        let place =
            Place::of(line.as_bytes(), line.len(), &inner.ready.as_ref().unwrap().word_breaks.clone());
        inner.say(&ToShell::Complete(&place));
        let Event::Message(FromShell::Candidates(found)) = inner.hear() else { panic!() };
        let text = |candidate| String::from_utf8(place.insertion(candidate)).unwrap();
        found.iter().map(text).collect()
    };
    assert_eq!(completions("cat a"), ["a\\ dir/", "a\\ file "]);
    assert_eq!(completions("cat \"a f"), ["\"a file\" "]);
    assert_eq!(completions("cat ~/a\\ f"), ["~/a\\ file "]);
    assert_eq!(completions("basenam"), ["basename "]);
    assert_eq!(completions("echo $zz_"), ["$zz_v "]);
    assert_eq!(completions("zz_f"), ["zz_fu "]);
    assert!(inner.begin_line(&ToShell::Status(7)).is_none());
    assert_eq!(inner.prompt(), back("", 7));
    assert_eq!(inner.run("echo $?"), back("7\n", 0));
}

#[test]
fn without_a_front_end_it_hangs_up() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::of(Shell::Zsh, home.path());
    inner.hang_up();
    assert!(matches!(inner.hear(), Event::Ended(_)));
}

#[test]
fn ctrl_c_in_a_start_up_file_leads_to_the_prompt() {
    let home = tempfile::tempdir().unwrap();
    write(home.path().join(".zshrc"), "x=1; sh -c 'echo slow; exec sleep 1000'; x=2\n").unwrap();
    let mut inner = Inner::start(Shell::Zsh, home.path(), false, Files::default());
    inner.terminal.until("slow");
    inner.terminal.types(b"\x03");
    let Outcome::Back(_, 130) = inner.prompt() else { panic!() };
    assert_eq!(inner.run("echo $x"), back("1\n", 0));
}

#[test]
fn tmout_ends_it() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::of(Shell::Zsh, home.path());
    assert_eq!(inner.run("TMOUT=1"), back("", 0));
    let Outcome::Ended(text, _) = inner.prompt() else { panic!() };
    assert!(text.contains("zsh: timeout\n"), "{text}");
}

#[test]
fn the_persons_completion_system_is_asked_and_says_what_things_are() {
    let home = tempfile::tempdir().unwrap();
    let there = home.path();
    create_dir(there.join("a dir")).unwrap();
    write(there.join("a file"), "").unwrap();
    write(
        there.join(".zshrc"),
        "autoload -Uz compinit; compinit -D -u\n_tool() { _arguments '--long=[has a value]:what:(one two)' '-s[is short]' ':first:((up\\:goes\\ up down\\:goes\\ down))' }\n\
         compdef _tool tool\n_slow() { sleep 1000 }; compdef _slow slow\n\
         _many() { compadd -- {10000..29999} }; compdef _many many\n_odd() { compadd -- $'n\\0ul' $'\\e[2J' }; compdef _odd odd\nzstyle ':completion:*' matcher-list 'm:{a-z}={A-Z}'\nsetopt ksharrays\n",
    )
    .unwrap();
    let mut inner = Inner::start(Shell::Zsh, there, false, Files::default());
    inner.prompt();
    let before = inner.run("echo $options[zle] ${(k)jobstates} $(bindkey -lL main)");
    inner.run("branch=topic; SOME_TOKEN=x");
    let mut offered = |line: &str| -> Vec<(String, String)> {
        let place =
            Place::of(line.as_bytes(), line.len(), &inner.ready.as_ref().unwrap().word_breaks.clone());
        inner.say(&ToShell::Complete(&place));
        let Event::Message(FromShell::Candidates(found)) = inner.hear() else { panic!() };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        found.into_iter().map(|one| (text(place.insertion(&one)), text(one.about))).collect()
    };
    let is = |texts: &[(&str, &str)]| -> Vec<(String, String)> {
        texts.iter().map(|(text, about)| ((*text).to_owned(), (*about).to_owned())).collect()
    };
    assert_eq!(offered("tool -"), is(&[("--long=", "has a value"), ("-s ", "is short")]));
    assert_eq!(offered("tool --long=t"), is(&[("two ", "what")]));
    assert_eq!(offered("true; tool UP"), is(&[]));
    assert_eq!(offered("tool "), is(&[("down ", "goes down"), ("up ", "goes up")]));
    assert_eq!(
        offered("git cherry-"),
        is(&[("cherry-pick ", "apply changes introduced by some existing commits")])
    );
    assert_eq!(offered("cat a"), is(&[("a\\ dir/", ""), ("a\\ file ", "")]));
    assert_eq!(offered("cat \"a f"), is(&[("\"a file\" ", "")]));
    assert_eq!(offered("cat ~/a\\ f"), is(&[("~/a\\ file ", "")]));
    assert_eq!(offered("cat <a\\ f"), is(&[("a\\ file ", "")]));
    assert_eq!(offered("echo $branc"), is(&[("$branch ", "=topic")]));
    assert_eq!(offered("echo ${branc"), is(&[("${branch} ", "=topic")]));
    // Nothing is there in capitals only.
    assert_eq!(offered("basena"), is(&[("basename ", "external command")]));
    assert_eq!(offered("many 1").len(), 10_000);
    assert_eq!(offered("odd n"), is(&[("nul ", "")]));
    assert_eq!(offered("odd $'\\e"), is(&[]));
    assert_eq!(offered("odd "), is(&[("$'\\033[2J' ", ""), ("nul ", "")]));
    assert_eq!(offered("slow x"), is(&[]), "what takes too long is given up");
    assert_eq!(inner.run("echo $options[zle] ${(k)jobstates} $(bindkey -lL main)"), before);
}
