//! Lines one after the other in one shell: the same output and the same `$?` as in a plain bash.

use crate::front::{Inner, Outcome, Plain};
use std::path::Path;

/// A line, what it must have shown, and what is then typed.
type Step<'a> = (&'a str, &'a str, &'a str);

/// The outcome without the name of the home and without process ids.
fn bare(outcome: Outcome, home: &Path) -> Outcome {
    let bare = |text: String| {
        let text = text.replace(home.to_str().unwrap(), "HOME");
        let lines = text.split('\n').map(|line| match line.split_once("] ") {
            Some((job, pid)) if job.starts_with('[') && pid.parse::<u32>().is_ok() => format!("{job}] PID"),
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    match outcome {
        Outcome::Back(text, status) => Outcome::Back(bare(text), status),
        Outcome::Ended(text, status) => Outcome::Ended(bare(text), status),
    }
}

/// Runs the lines in both shells, each in a home of its own; what they showed.
#[track_caller]
fn same_typing(steps: &[Step]) -> Vec<Outcome> {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut inner, mut plain) = (Inner::bare(home.path()), Plain::bare(other.path()));
    let mut outcomes = Vec::new();
    for (line, shown, keys) in steps {
        println!("{line}");
        let ours = bare(inner.run_typing(line, shown, keys), home.path());
        let theirs = bare(plain.run_typing(line, shown, keys), other.path());
        assert_eq!(ours, theirs, "{line}");
        let ended = matches!(ours, Outcome::Ended(..));
        outcomes.push(ours);
        if ended {
            break;
        }
    }
    outcomes
}

/// The same without typing.
#[track_caller]
fn same(lines: &[&str]) -> Vec<Outcome> {
    same_typing(&lines.iter().map(|line| (*line, "", "")).collect::<Vec<_>>())
}

fn back(text: &str, status: u8) -> Outcome {
    Outcome::Back(text.to_owned(), status)
}

#[test]
fn status_and_last_argument() {
    same(&[
        "true",
        "echo $?",
        "false",
        "echo $? $_",
        "mkdir -p a b",
        "echo $_ $?",
        "(exit 42)",
        "echo $? $_",
    ]);
    same(&[
        "echo a b",
        "echo $_",
        "",
        "echo $_",
        "x=1",
        "echo \"<$_>\"",
        "false",
        ": $_ z",
        "echo $_",
        "nosuch",
    ]);
    same(&[
        "false | true | (exit 3)",
        "echo ${PIPESTATUS[*]} $?",
        "echo ${PIPESTATUS[*]}",
        "true | false | true",
    ]);
    same(&["false | true", "echo $? ${PIPESTATUS[@]}", "sleep 0 & wait $!", "echo $?"]);
}

#[test]
fn what_is_set_stays() {
    same(&[
        "x=1",
        "declare y=2",
        "declare -A z=([a]=b)",
        "export w=3",
        "echo $x $y ${z[a]} $w",
        "env | grep ^w",
    ]);
    same(&[
        "f() { echo f $1; return 3; }",
        "f 1",
        "echo $?",
        "declare -f f",
        "f() { local q=1; declare -g r=2; }; f",
    ]);
    same(&["alias hi='echo hello'", "hi there", "alias e=echo; e a", "e b", "unalias hi", "hi"]);
    same(&["shopt -s nullglob", "echo *.none", "shopt -u nullglob", "echo *.none", "shopt nullglob"]);
    same(&["set -f", "echo *", "set +f; touch x", "echo *", "set -o pipefail", "false | true", "echo $?"]);
    same(&[
        "cd /usr",
        "pwd; cd -",
        "pushd /",
        "pushd /usr",
        "dirs",
        "popd",
        "umask 027",
        "umask",
        "ulimit -n 100",
    ]);
    same(&[
        "readonly R=1",
        "R=2",
        "echo $R",
        "trap",
        "hash -r",
        "type -t f",
        "set -- a b",
        "echo $2 $#",
        "shift",
    ]);
    same(&[
        "set -k",
        "set -C",
        "echo a >f",
        "echo b >f",
        "cat f",
        "set -o posix",
        "echo $?",
        "set -o noglob",
        "echo *",
    ]);
    same(&[
        "shopt -s nocasematch extglob dotglob failglob localvar_inherit",
        "echo +(x)",
        "[[ a == A ]]",
        "echo $?",
    ]);
    same(&[
        "IFS=0123456789",
        "x=a1b",
        "echo $x",
        "false",
        "echo $?",
        "IFS=",
        "echo $x",
        "unset IFS",
        "echo $x",
    ]);
}

#[test]
fn errors_read_as_bash_has_them() {
    same(&["nosuch --x", "echo )", "cd /nosuch", "[ 1 -eq x ]", "return 3", "break", "local x", "((1/0))"]);
    same(&[
        "echo ${x?no}",
        "echo $?",
        "set -u",
        "echo $nope",
        "echo $?",
        "f() { echo $nope; }",
        "f; echo no",
    ]);
    same(&[
        "exec nosuch",
        "echo $?",
        "exec </nosuch",
        "kill -9 999999999",
        "fg",
        "wait 999999999",
        "source nosuch",
    ]);
}

#[test]
fn a_failing_line_under_set_e_ends_the_shell() {
    let end =
        same(&["set -e", "! true", "false || true", "if false; then :; fi", "true", "echo a; false; echo b"]);
    assert_eq!(end.last(), Some(&Outcome::Ended("a\n".to_owned(), Some(1))));
    same(&["set -e", "echo )"]);
    same(&["set -e", "f() { false; echo no; }", "f || echo yes", "(exit 7)"]);
    same(&["set -e", "[[ a == b ]] && true", "nosuch"]);
    same(&["set -e", "set +e", "false", "set -eE", "trap 'echo err' ERR", "false"]);
}

#[test]
fn the_shell_ends_as_bash_does() {
    let end = same(&["true", "exit 3"]);
    assert_eq!(end.last(), Some(&Outcome::Ended("exit\n".to_owned(), Some(3))));
    same(&["false", "exit"]);
    same(&["trap 'echo bye $?' EXIT", "(exit 5)", "exit"]);
    same(&["exec sh -c 'echo replaced; exit 4'"]);
    same(&["logout", "kill -9 $$"]);
    same(&["sleep 1000 & kill -STOP $!; wait $!", "exit", "echo $?", "exit", "exit 4"]);
    same(&["sleep 1000 & kill -STOP $!; wait $!", "jobs", "(exit 6)", "jobs", "exit"]);
}

#[test]
fn lines_come_from_a_file_where_exec_has_them_come_from_one() {
    for (text, shown, status) in
        [("echo in the file $?\nexit 7\n", "in the file 0\nexit\n", 7), ("", "exit\n", 0)]
    {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("lines"), text).unwrap();
        let mut inner = Inner::bare(home.path());
        inner.run("PS1= PS2=");
        assert_eq!(inner.run("exec <lines"), Outcome::Ended(shown.to_owned(), Some(status)));
    }
}

#[test]
fn traps_see_the_persons_commands_alone() {
    same(&[
        "trap 'echo dbg $BASH_COMMAND' DEBUG",
        "true",
        "x=$(echo a)",
        "echo $x $?",
        "false",
        "echo $?",
        "trap - DEBUG",
        ":",
    ]);
    same(&[
        "trap 'echo err $?' ERR",
        "false",
        "echo $?",
        "echo )",
        "nosuch",
        "false | true",
        "true | false",
        "(exit 3)",
        "trap - ERR",
        "false",
    ]);
    same(&[
        "set -T; f() { echo in f; }",
        "trap 'echo dbg $BASH_COMMAND' DEBUG",
        "f",
        "f 2",
        "trap - DEBUG; set +T",
    ]);
    same(&[
        "shopt -s extdebug",
        "trap '[[ $BASH_COMMAND != \"echo no\" ]]' DEBUG",
        "echo no; echo yes",
        "echo no",
        "echo $?",
    ]);
    same(&[
        "trap 'echo got' USR1",
        "kill -USR1 $$",
        "echo $?",
        "trap 'echo chld' CHLD",
        "sleep 0 & wait",
        "trap",
    ]);
    same(&["PROMPT_COMMAND='echo pc $? $_'", "trap 'echo ret' RETURN", "f() { :; }", "f", "false"]);
}

#[test]
fn tracing_shows_the_persons_commands_alone() {
    let traced = Inner::bare(tempfile::tempdir().unwrap().path());
    let mut inner = traced;
    assert_eq!(inner.run("set -x"), back("", 0));
    // One sign more than at bash's own prompt: bash counts the eval around the line.
    assert_eq!(inner.run("echo a"), back("++ echo a\na\n", 0));
    assert_eq!(inner.run("(exit 3)"), back("++ exit 3\n", 3));
    assert_eq!(inner.run("echo $? $_"), back("++ echo 3 a\n3 a\n", 0));
    assert_eq!(inner.ready.as_ref().unwrap().flags, b"himBHsx");
    assert_eq!(inner.run("set +x"), back("++ set +x\n", 0));
    assert_eq!(inner.run("echo b"), back("b\n", 0));
    same(&["set -v", "echo a", "false", "echo $?", "set +v", "echo b"]);
}

#[test]
fn descriptors_stay() {
    same(&[
        "printf 'a\\nb\\n' >f",
        "exec 3<f",
        "read x <&3",
        "read y <&3; echo $x $y",
        "exec 3<&-",
        "read x <&3",
    ]);
    same(&["exec 4>&1 >f", "echo hidden", "false", "exec >&4 4>&-", "cat f; echo $?"]);

    same(&["ls -l /proc/self/fd | wc -l", "exec {v}<f 5</dev/null", "ls -l /proc/self/fd | wc -l"]);
    same(&["coproc C { cat; }", "echo b >&${C[1]}", "read y <&${C[0]}; echo $y", "kill $C_PID; wait $C_PID"]);
    same(&["cat <(echo b)", "echo a > >(cat >f; echo done >g); while [[ ! -s g ]]; do :; done; cat f"]);
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    assert_eq!(inner.run("exec 2>f"), back("", 0));
    assert_eq!(inner.run("nosuch"), back("", 127));
    assert_eq!(inner.run("exec 2>/dev/tty; cat f"), back("bash: nosuch: command not found\n", 0));
}

#[test]
fn jobs_are_the_shells_own() {
    same(&["sleep 1000 &", "jobs", "kill %1; wait %1", "jobs", "sleep 1000 & disown", "jobs", "kill $!"]);
    same(&["(exit 3) & wait $!", "wait", "sleep 1000 | cat &", "jobs -l | wc -l"]);
    same(&["set -m; sleep 0.5 & fg %1"]);
    same_typing(&[
        ("echo go; exec 3</dev/tty; sh -c 'read x <&3; echo read $x'", "go", "word\n"),
        ("sh -c 'echo one; read x; echo got $x'", "one", "\x1a"),
        ("echo $?", "", ""),
        ("jobs", "", ""),
        ("fg", "echo one", "word\n"),
        ("jobs; echo $?", "", ""),
        ("sh -c 'echo two; exec sleep 1000' | cat", "two", "\x1a"),
        ("bg", "", ""),
        ("kill %1; wait %1", "", ""),
        ("(echo three; read x; echo $x)", "three", "line\n"),
    ]);
}

#[test]
fn a_job_that_ends_while_nothing_runs_is_told() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    nix::unistd::mkfifo(&home.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let Outcome::Back(..) = inner.run("(read x <fifo; echo ended >done) &") else { panic!() };
    std::fs::write(home.path().join("fifo"), "x\n").unwrap();
    let Outcome::Back(..) = inner.run("while [[ ! -s done ]]; do :; done; wait") else { panic!() };
    assert_eq!(inner.run("jobs"), back("", 0));
}

#[test]
fn keys_reach_what_runs() {
    same_typing(&[
        ("read x; echo got $x", "", "hello\n"),
        ("read -n 1 x; echo $x", "", "y"),
        ("sh -c 'echo go; exec sleep 1000'", "go", "\x03"),
        ("echo $?", "", ""),
        ("for i in 1 2 3; do sh -c 'echo n$1; exec sleep 1000' - $i; done; echo no", "n1", "\x03"),
        ("echo $? $i", "", ""),
        ("while :; do :; done & sh -c 'echo here; exec sleep 1000'; echo no", "here", "\x03"),
        ("echo $?; kill %1; wait %1", "", ""),
        ("trap 'echo int' INT", "", ""),
        ("sh -c 'echo a; exec sleep 1000'", "a\r\n", "\x03"),
        ("trap - INT; cat", "", "typed\n\x04"),
        ("select x in a b; do echo $x; break; done", "#?", "2\n"),
        ("sh -c 'trap \"\" INT; echo deaf; read x; echo $x'", "deaf", "\x03z\n"),
    ]);
}

#[test]
fn ctrl_c_leaves_the_hook_alone_although_the_line_lost_it() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    let Outcome::Back(..) = inner.run("PROMPT_COMMAND='echo first'") else { panic!() };
    assert_eq!(
        inner.run_typing("sh -c 'echo a; exec sleep 1000'", "a\r\n", "\x03"),
        back("a\n\nfirst\n", 130)
    );
    assert_eq!(inner.run("PROMPT_COMMAND+=('echo second')"), back("first\nsecond\n", 0));
    assert_eq!(inner.run("unset PROMPT_COMMAND; echo ${#PROMPT_COMMAND[@]}"), back("0\n", 0));
    assert_eq!(inner.run("PROMPT_COMMAND=(true 'echo third $?')"), back("third 0\n", 0));
    assert_eq!(inner.run("false"), back("third 1\n", 1));
}

#[test]
fn texts_of_many_lines() {
    same(&[
        "cat <<EOF\na $?\n$(echo b)\nEOF",
        "echo $?",
        "cat <<'A' - <<B | tr a-z A-Z\nx\nA\ny\nB",
        "cat <<<'x <<EOF'",
    ]);
    same(&[
        "{\n  echo 1\n  false\n}",
        "echo $?",
        "for i in 1 2; do\necho $i\ndone",
        "echo \\\n  a",
        "# nothing",
    ]);
    same(&[
        "cat <<-\"E F\"\n\tin\n\tE F",
        "cat <<\\X\n$y\nX",
        "x=$(cat <<Q\nq\nQ\n); echo $x",
        "((1<<2)); echo $?",
    ]);
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    let text: String = (0..200).map(|number| format!("echo line {number}\n")).collect();
    let expected: String = (0..200).map(|number| format!("line {number}\n")).collect();
    assert_eq!(inner.run(&text), back(&expected, 0));
    assert_eq!(inner.run("alias late='echo late'\nlate\nf() {\n  echo 1\n}\nf\nfalse"), back("late\n1\n", 1));
    assert_eq!(inner.run("# a\necho b"), back("b\n", 0));
    // A here-document that only the end of the text ends: nothing of ours gets into it.
    let Outcome::Back(text, 0) = inner.run("cat <<EOF\nopen") else { panic!() };
    assert!(text.ends_with("delimited by end-of-file (wanted `EOF')\nopen\n"), "{text}");
}

#[test]
fn long_lines_and_bytes_that_are_no_text() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    let long = "x".repeat(100_000);
    assert_eq!(inner.run(format!("v={long}; echo ${{#v}}")), back("100000\n", 0));
    assert_eq!(inner.run(b"printf %s '\xff\xfe\xc3' | od -An -tx1"), back(" ff fe c3\n", 0));
    assert_eq!(inner.run(b"touch a\xffb; ls | od -An -c"), back("   a 377   b  \\n\n", 0));
    assert_eq!(inner.run("echo 'ä€😀' | wc -m"), back("4\n", 0));
    assert_eq!(inner.run("printf '\\e[31m\\1\\2\\177'|od -An -tx1"), back(" 1b 5b 33 31 6d 01 02 7f\n", 0));
}

#[test]
fn the_history_has_the_persons_lines_alone() {
    same(&[
        "HISTIGNORE='ls:echo y*'",
        "",
        "echo y",
        "echo z",
        "",
        "history",
        "HISTIGNORE='*'",
        "",
        "echo hidden",
        "history",
    ]);
    same(&["echo a", "echo b", "history", "fc -l", "fc -ln -2", "history 2", "fc -s echo", "history 3"]);
    same(&[
        "HISTCONTROL=ignorespace",
        " echo secret",
        "echo open",
        "history",
        "HISTCONTROL=ignoredups",
        "echo x",
        "echo x",
        "history",
    ]);
    same(&[
        "HISTCONTROL=erasedups",
        "echo x",
        "echo y",
        "echo x",
        "history",
        "HISTIGNORE='echo y*'",
        "echo y1",
        "history",
    ]);
    same(&[
        "set +o history",
        "echo hidden",
        "set -o history",
        "echo shown",
        "history",
        "",
        "   ",
        "history -c",
        "history",
    ]);
    same(&[
        "HISTSIZE=2",
        "echo 1",
        "echo 2",
        "echo 3",
        "history",
        "history -d 2",
        "history -s made",
        "history 2",
    ]);
}

#[test]
fn a_preexec_built_on_the_debug_trap_sees_each_line_once() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run(
        "before() { [[ $seen ]] && return; seen=1; echo \"run: $BASH_COMMAND ($1)\"; }; after() { seen=; }",
    );
    assert_eq!(inner.run("PROMPT_COMMAND=after; trap 'before \"$_\"' DEBUG"), back("", 0));
    assert_eq!(inner.run("echo a b"), back("run: echo a b (DEBUG)\na b\n", 0));
    assert_eq!(inner.run("false; echo $?"), back("run: false (b)\n1\n", 0));
    assert_eq!(inner.run("echo $_"), back("run: echo $_ (1)\n1\n", 0));
}

/// Lines that leave something behind for others to find.
const VOCABULARY: &[&str] = &[
    "true",
    "false",
    "echo $? $_",
    "(exit 3)",
    "false | true | (exit 2)",
    "x=$((x+1)); echo $x",
    "f() { echo f $x; return 5; }",
    "f a b",
    "f | cat",
    "echo )",
    "nosuch",
    "",
    "set -u",
    "set +u",
    "echo ${nope-no} $nope",
    "trap 'echo err $?' ERR",
    "trap - ERR",
    "trap 'echo dbg $BASH_COMMAND' DEBUG",
    "trap - DEBUG",
    "PROMPT_COMMAND='echo pc $?'",
    "unset PROMPT_COMMAND",
    "HISTCONTROL=ignoreboth",
    " echo blank",
    "history",
    "history | tail -2",
    "exec 3>log; echo to log >&3",
    "cat log",
    "set -o posix",
    "set +o posix",
    "[[ abc =~ (b)(.) ]]",
    "echo ${BASH_REMATCH[*]}",
    "cat <<<\"$? $x\"",
    "shopt -s extglob nocasematch failglob",
    "shopt -u extglob nocasematch failglob",
    "set -f",
    "set +f; echo l*",
    "IFS=.; y=a.b; echo $y",
    "unset IFS",
    "{ echo a; return 4; }",
    "eval 'echo ev $_; (exit 6)'",
    "set -o noclobber",
    "jobs; wait; echo $!",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: std::env::var("PROPTEST_CASES").map_or(12, |cases| cases.parse().unwrap()), failure_persistence: None, ..Default::default() })]
    #[test]
    fn any_sequence_of_lines_goes_as_in_plain_bash(
        lines in proptest::collection::vec(proptest::sample::select(VOCABULARY), 12),
    ) {
        // Before the first line bash has no PIPESTATUS, and ours has; and after one that runs nothing (a function's definition)
        // bash's is that of the line before.
        same(&[&["true"], lines.as_slice()].concat());
    }
}
