//! The start-up files: read as the shell itself would have, at top level, and what they set is kept.

use crate::completion::completions;
use crate::front::{Inner, Outcome};
use sbsh::session::inner::message::Keeping;
use sbsh::session::inner::{Files, Shell};
use std::fs::write;
use std::path::Path;

fn back(text: &str, status: u8) -> Outcome {
    Outcome::Back(text.to_owned(), status)
}

/// The shell at its first prompt, and what the start showed.
fn started(home: &Path, login: bool, files: Files) -> (Inner, String) {
    let mut inner = Inner::start(Shell::Bash, home, login, files);
    let Outcome::Back(shown, _) = inner.prompt() else { panic!() };
    (inner, shown)
}

#[test]
fn the_bashrc_is_read_at_top_level() {
    let home = tempfile::tempdir().unwrap();
    let text = "declare v=1\ndeclare -A m=([k]=2)\nalias hi='echo hello'\nf() { echo f; }\necho \"src ${BASH_SOURCE[0]##*/} $- ${PS1:+ps1}\"\n\
                PS1='mine \\w $? '\nset -- a b\nshopt -s extglob\nbind '\"\\C-x\": abort'\nreturn 5\necho not here\n";
    write(home.path().join(".bashrc"), text).unwrap();
    let (mut inner, shown) = started(home.path(), false, Files::default());
    assert_eq!(shown, "src .bashrc himBHs ps1\n");
    assert_eq!(inner.ready.as_ref().unwrap().prompt, b"mine ~ 5 ");
    assert_eq!(
        inner.run("echo $v ${m[k]} $#; hi; f; type -t __sbsh_go"),
        back("1 2 2\nhello\nf\nfunction\n", 0)
    );
    assert_eq!(inner.run("false"), back("", 1));
    assert_eq!(inner.ready.as_ref().unwrap().prompt, b"mine ~ 1 ");
    assert_eq!(inner.run("echo \"$PS1\"; cd /"), back("mine \\w $? \n", 0));
    assert_eq!(inner.ready.as_ref().unwrap().prompt, b"mine / 0 ");
    assert_eq!(inner.ready.as_ref().unwrap().directory, b"/");
}

#[test]
fn a_login_shell_reads_the_first_of_its_files_and_runs_the_logout_file() {
    let home = tempfile::tempdir().unwrap();
    write(home.path().join(".profile"), "echo profile\n").unwrap();
    write(home.path().join(".bashrc"), "echo bashrc\n").unwrap();
    write(home.path().join(".bash_logout"), "echo logout file\n").unwrap();
    assert_eq!(started(home.path(), true, Files::default()).1, "profile\n");
    write(home.path().join(".bash_login"), "echo login\n").unwrap();
    assert_eq!(started(home.path(), true, Files::default()).1, "login\n");
    write(home.path().join(".bash_profile"), "echo bash_profile; . ~/.bashrc\n").unwrap();
    let (mut inner, shown) = started(home.path(), true, Files::default());
    assert_eq!(shown, "bash_profile\nbashrc\n");
    assert_eq!(inner.run("shopt -q login_shell && echo $0"), back("-bash\n", 0));
    assert_eq!(inner.run("exit 2"), Outcome::Ended("logout\nlogout file\n".to_owned(), Some(2)));
    assert_eq!(started(home.path(), true, Files { no_profile: true, ..Files::default() }).1, "");
}

#[test]
fn the_given_file_stands_for_the_bashrc_and_none_is_none() {
    let home = tempfile::tempdir().unwrap();
    write(home.path().join(".bashrc"), "echo bashrc\n").unwrap();
    write(home.path().join("it's mine"), "echo mine\n").unwrap();
    let given = Files { rc_file: Some(home.path().join("it's mine").into()), ..Files::default() };
    assert_eq!(started(home.path(), false, given).1, "mine\n");
    assert_eq!(started(home.path(), false, Files { no_rc: true, ..Files::default() }).1, "");
    assert_eq!(started(home.path(), false, Files::default()).1, "bashrc\n");
}

#[test]
fn what_a_start_up_file_sets_holds() {
    let home = tempfile::tempdir().unwrap();
    let text = "PROMPT_COMMAND='echo pc $?'\nHISTCONTROL=ignoreboth\nHISTFILE=~/my_history\nset -o vi\nIGNOREEOF=3\n\
                trap 'echo dbg $BASH_COMMAND' DEBUG\nPS2='more $((1+1))> '\nset -u\n";
    write(home.path().join(".bashrc"), text).unwrap();
    write(home.path().join("my_history"), "echo old one\necho old two\n").unwrap();
    let (mut inner, shown) = started(home.path(), false, Files::default());
    assert!(shown.ends_with("dbg echo pc $?\npc 0\n"), "{shown}");
    assert!(!shown.contains("__sbsh"), "{shown}");
    let ready = inner.ready.clone().unwrap();
    assert!(ready.vi);
    assert_eq!(ready.second, b"more 2> ");
    assert_eq!(ready.history_control, b"ignoreboth");
    assert_eq!(ready.keeping, Keeping::File);
    assert_eq!(ready.ignore_eof, b"3");
    assert_eq!(inner.run("trap - DEBUG"), back("dbg trap - DEBUG\npc 0\n", 0));
    let expected = "    1  echo old one\n    2  echo old two\n    3  trap - DEBUG\n    4  history\npc 0\n";
    assert_eq!(inner.run("history"), back(expected, 0));
    assert_eq!(
        inner.run("echo ${HISTFILE-none}; exit"),
        Outcome::Ended("/dev/null\nexit\n".to_owned(), Some(0))
    );
    assert_eq!(
        std::fs::read_to_string(home.path().join("my_history")).unwrap(),
        "echo old one\necho old two\n"
    );
}

#[test]
fn what_is_parsed_behind_the_first_prompt_knows_no_alias() {
    let home = tempfile::tempdir().unwrap();
    let words = ["local", "while", "do", "done", "for", "case", "esac", "elif", "else", "read", "printf"];
    let aliases: String = words.iter().map(|word| format!("alias -- '{word}'='echo alias'\n")).collect();
    let text = format!("{aliases}alias hi='echo hello'\nshopt -u interactive_comments\n");
    write(home.path().join(".bashrc"), text).unwrap();
    let (mut inner, shown) = started(home.path(), false, Files::default());
    assert_eq!(shown, "");
    assert_eq!(inner.run("hi; shopt -q expand_aliases"), back("hello\n", 0));
    assert_eq!(inner.run("unalias -a; false"), back("", 1));
    assert_eq!(inner.run("echo $? # a b"), back("1 # a b\n", 0));
    inner.run("zz_function() { :; }");
    assert_eq!(completions(&mut inner, "zz_"), ["zz_function "]);
    // Off it stays where the person has it off.
    write(home.path().join(".bashrc"), "shopt -u expand_aliases\n").unwrap();
    let (mut inner, _) = started(home.path(), false, Files::default());
    assert_eq!(inner.run("shopt -q expand_aliases"), back("", 1));
}

#[test]
fn ctrl_c_in_a_start_up_file_leads_to_the_prompt() {
    let home = tempfile::tempdir().unwrap();
    write(home.path().join(".bashrc"), "x=1; sh -c 'echo slow; exec sleep 1000'; x=2\n").unwrap();
    let mut inner = Inner::start(Shell::Bash, home.path(), false, Files::default());
    inner.terminal.until("slow");
    inner.terminal.types(b"\x03");
    assert_eq!(inner.prompt(), back("slow\n\n", 130));
    assert_eq!(inner.run("echo $x; shopt -o emacs"), back("1\nemacs          \toff\n", 1));
}

#[test]
fn a_start_up_file_that_ends_the_shell_ends_it() {
    let home = tempfile::tempdir().unwrap();
    write(home.path().join(".bashrc"), "echo no; exit 7\n").unwrap();
    let mut inner = Inner::start(Shell::Bash, home.path(), false, Files::default());
    assert_eq!(inner.prompt(), Outcome::Ended("no\n".to_owned(), Some(7)));
    write(home.path().join(".bashrc"), "set -e; echo no; false\n").unwrap();
    let mut inner = Inner::start(Shell::Bash, home.path(), false, Files::default());
    assert_eq!(inner.prompt(), Outcome::Ended("no\n".to_owned(), Some(1)));
}

#[test]
fn errors_in_a_start_up_file_are_told_and_stop_nothing() {
    let home = tempfile::tempdir().unwrap();
    write(home.path().join(".bashrc"), "nosuch\nx=1\nif )\n").unwrap();
    let (mut inner, shown) = started(home.path(), false, Files::default());
    assert!(shown.contains("nosuch: command not found\n") && shown.contains("syntax error"), "{shown}");
    assert_eq!(inner.run("echo $x"), back("1\n", 0));
}

#[test]
fn debians_own_bashrc_is_understood() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy("/etc/skel/.bashrc", home.path().join(".bashrc")).unwrap();
    let (mut inner, shown) = started(home.path(), false, Files::default());
    assert_eq!(shown, "");
    let prompt = String::from_utf8(inner.ready.as_ref().unwrap().prompt.clone()).unwrap();
    let sign = if nix::unistd::geteuid().is_root() { "#" } else { "$" };
    assert!(prompt.contains('@') && prompt.ends_with(&format!(":~{sign} ")), "{prompt:?}");
    assert_eq!(
        inner.run("alias ls; shopt histappend"),
        back("alias ls='ls --color=auto'\nhistappend     \ton\n", 0)
    );
}

#[test]
fn a_hardened_profile_with_read_only_variables_works() {
    let home = tempfile::tempdir().unwrap();
    let text = "PROMPT_COMMAND='echo logged'\nHISTTIMEFORMAT='%F '\nHISTCONTROL=ignoredups\nTMOUT=900\nPS1='fixed> '\n\
                readonly PROMPT_COMMAND HISTFILE HISTTIMEFORMAT HISTCONTROL HISTSIZE TMOUT PS1\nset -u\nunset PWD\n";
    write(home.path().join(".bashrc"), text).unwrap();
    let (mut inner, shown) = started(home.path(), false, Files::default());
    assert_eq!(shown, "logged\n");
    assert_eq!(inner.ready.as_ref().unwrap().prompt, b"fixed> ");
    // bash itself shows a prompt that cannot be taken away.
    assert_eq!(inner.run("echo a"), back("fixed> a\nlogged\n", 0));
    assert_eq!(inner.run(""), back("fixed> logged\n", 0));
    assert_eq!(inner.run("fc -s echo"), back("fixed> echo a\na\nlogged\n", 0));
    assert_eq!(
        inner.run("PROMPT_COMMAND=x"),
        back("fixed> bash: PROMPT_COMMAND: readonly variable\nlogged\n", 1)
    );
    assert_eq!(inner.run("echo $? ${#PROMPT_COMMAND[@]}"), back("fixed> 1 2\nlogged\n", 0));
}

#[test]
fn options_given_at_the_start_hold() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::with(home.path(), &["-e", "-u", "-o", "pipefail"]);
    assert_eq!(inner.run("shopt -qo pipefail; echo $? $-"), back("0 ehimuBHs\n", 0));
    assert_eq!(inner.run("! true"), back("", 1));
    assert_eq!(inner.run("true | false"), Outcome::Ended(String::new(), Some(1)));
}
