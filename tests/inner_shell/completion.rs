//! What could stand at a place in a line, asked of the shell inside; readline itself is the oracle for what a
//! completing function is told.

use crate::front::{Event, Inner, Outcome, Plain};
use sbsh::session::inner::message::{Candidate, FromShell, ToShell};
use sbsh::session::inner::place::Place;
use std::fs::{create_dir, read_to_string, write};
use std::os::unix::fs::PermissionsExt;

/// The place at the end of a line, and what could stand there.
fn ask(inner: &mut Inner, line: &str) -> (Place, Vec<Candidate>) {
    let breaks = inner.ready.as_ref().unwrap().word_breaks.clone();
    let place = Place::of(line.as_bytes(), line.len(), &breaks);
    inner.say(&ToShell::Complete(&place));
    match inner.hear() {
        Event::Message(FromShell::Candidates(candidates)) => (place, candidates),
        other => panic!("no candidates for {line} but {other:?}"),
    }
}

/// The texts that would replace the word at the end of the line.
pub fn completions(inner: &mut Inner, line: &str) -> Vec<String> {
    let (place, candidates) = ask(inner, line);
    let text = |candidate| String::from_utf8(place.insertion(candidate)).unwrap();
    candidates.iter().map(text).collect()
}

#[test]
fn files_with_blanks_and_directories() {
    let home = tempfile::tempdir().unwrap();
    create_dir(home.path().join("a dir")).unwrap();
    for name in ["a file", "b$x", "c\\d", "e'f", "#g", "h\ni"] {
        write(home.path().join(name), "").unwrap();
    }
    let mut inner = Inner::bare(home.path());
    assert_eq!(completions(&mut inner, "cat a"), ["a\\ dir/", "a\\ file "]);
    assert_eq!(completions(&mut inner, "cat \"a f"), ["\"a file\" "]);
    assert_eq!(completions(&mut inner, "cat 'a d"), ["'a dir/"]);
    assert_eq!(completions(&mut inner, "cat a\\ f"), ["a\\ file "]);
    assert_eq!(completions(&mut inner, "cat ~/a\\ f"), ["~/a\\ file "]);
    assert_eq!(completions(&mut inner, "cat ./a\\ d"), ["./a\\ dir/"]);
    assert_eq!(completions(&mut inner, "cat b"), ["b\\$x "]);
    assert_eq!(completions(&mut inner, "cat 'b$"), ["'b$x' "]);
    assert_eq!(completions(&mut inner, "cat c"), ["c\\\\d "]);
    assert_eq!(completions(&mut inner, "cat c\\\\"), ["c\\\\d "]);
    assert_eq!(completions(&mut inner, "cat e"), ["e\\'f "]);
    assert_eq!(completions(&mut inner, "cat \\#"), ["\\#g "]);
    assert_eq!(completions(&mut inner, "cat >a\\ f"), ["a\\ file "]);
    assert_eq!(completions(&mut inner, "X=a"), [""; 0]);
    assert_eq!(completions(&mut inner, "cat nothing"), [""; 0]);
    inner.run("D=$PWD");
    assert_eq!(completions(&mut inner, "cat $D/b"), [format!("{}/b\\$x ", home.path().display())]);
}

#[test]
fn commands_variables_and_users() {
    let home = tempfile::tempdir().unwrap();
    create_dir(home.path().join("tool dir")).unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("zz_function() { :; }; alias zz_alias=true; zz_variable=1");
    assert_eq!(completions(&mut inner, "zz_"), ["zz_alias ", "zz_function "]);
    assert_eq!(completions(&mut inner, "true; x=1 zz_f"), ["zz_function "]);
    assert_eq!(completions(&mut inner, "./to"), ["./tool\\ dir/"]);
    assert_eq!(completions(&mut inner, "basenam"), ["basename "]);
    assert_eq!(completions(&mut inner, "echo $zz_"), ["$zz_variable "]);
    assert_eq!(completions(&mut inner, "echo \"${zz_"), ["\"${zz_variable}\" "]);
    assert_eq!(completions(&mut inner, "echo '$zz_"), [""; 0]);
    assert_eq!(completions(&mut inner, "ls ~roo"), ["~root/"]);
}

/// What is said of what could stand at the end of the line.
fn abouts(inner: &mut Inner, line: &str) -> Vec<(String, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    ask(inner, line).1.into_iter().map(|one| (text(one.word), text(one.about))).collect()
}

#[test]
fn what_is_known_of_candidates_is_said() {
    let home = tempfile::tempdir().unwrap();
    let there = home.path();
    create_dir(there.join("zz dir")).unwrap();
    write(there.join("zz-small"), "12345").unwrap();
    write(there.join("zz-tool"), vec![b'x'; 12_345]).unwrap();
    std::fs::set_permissions(there.join("zz-tool"), PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("nowhere", there.join("zz-gone")).unwrap();
    std::os::unix::fs::symlink("zz-small", there.join("zz-link")).unwrap();
    nix::unistd::mkfifo(&there.join("zz-pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let mut inner = Inner::bare(there);
    let is = |texts: &[(&str, &str)]| -> Vec<(String, String)> {
        texts.iter().map(|(text, about)| ((*text).to_owned(), (*about).to_owned())).collect()
    };
    inner.run("zz_f() { :; }; alias zz_a='true  x'; zz_v=$'a\\nb'; PATH=$PATH:$HOME; set -u");
    assert_eq!(
        abouts(&mut inner, "zz"),
        is(&[
            ("zz-tool", there.join("zz-tool").to_str().unwrap()),
            ("zz_a", "alias 'true  x'"),
            ("zz_f", "function")
        ])
    );
    assert_eq!(abouts(&mut inner, "mapfil"), is(&[("mapfile", "builtin")]));
    assert_eq!(abouts(&mut inner, "whil"), is(&[("while", "keyword")]));
    assert_eq!(abouts(&mut inner, "echo $zz_"), is(&[("$zz_v", "=a\nb")]));
    assert_eq!(abouts(&mut inner, "echo ${zz_"), is(&[("${zz_v}", "=a\nb")]));
    assert_eq!(abouts(&mut inner, "ls ~roo"), is(&[("~root", "/root")]));
    let files = [
        ("zz dir", "directory"),
        ("zz-gone", "broken link"),
        ("zz-link", "5 B, link"),
        ("zz-pipe", "pipe"),
        ("zz-small", "5 B"),
        ("zz-tool", "12 kB, program"),
    ];
    assert_eq!(abouts(&mut inner, "cat zz"), is(&files));
    assert_eq!(abouts(&mut inner, "cat ./zz-s"), is(&[("./zz-small", "5 B")]));
    for number in 0..20 {
        write(there.join(format!("zz{number}")), "").unwrap();
    }
    assert!(abouts(&mut inner, "cat zz").iter().all(|(_, about)| about.is_empty()), "too many to be read");
}

#[test]
fn specifications_are_followed() {
    let home = tempfile::tempdir().unwrap();
    create_dir(home.path().join("dir")).unwrap();
    write(home.path().join("file"), "").unwrap();
    let mut inner = Inner::bare(home.path());
    inner
        .run("complete -W 'one two $zz' words; complete -W 'x' -P pre -S post fixed; complete -A signal sig");
    inner.run(
        "f() { COMPREPLY=(\"a b\" \"$2-$3\"); }; complete -F f plain; complete -F f -o filenames quoted",
    );
    inner.run("g() { compopt -o nospace; COMPREPLY=(key=); }; complete -F g open");
    inner.run("h() { compopt +o nospace; COMPREPLY=(word); }; complete -o nospace -F h closed");
    inner.run("none() { COMPREPLY=(); }; complete -F none empty; complete -o default -F none fallback");
    inner.run("complete -o dirnames -F none dirs; complete -o plusdirs -W dash plus; complete -d onlydirs");
    inner.run("complete -C 'printf \"%s\\\\n\" \"$COMP_LINE\" $COMP_POINT' program");
    inner.run("late() { complete -W 'loaded' \"$1\"; return 124; }; complete -D -F late; complete -X '!*.c' -f sources");
    assert_eq!(completions(&mut inner, "words t"), ["two "]);
    assert_eq!(completions(&mut inner, "words"), [""; 0]);
    assert_eq!(completions(&mut inner, "/usr/bin/words o"), ["one "]);
    assert_eq!(completions(&mut inner, "fixed x"), ["prexpost "]);
    assert_eq!(completions(&mut inner, "sig SIGKI"), ["SIGKILL "]);
    assert_eq!(completions(&mut inner, "plain c"), ["a b ", "c-plain "]);
    assert_eq!(completions(&mut inner, "quoted x c"), ["a\\ b ", "c-x "]);
    assert_eq!(completions(&mut inner, "open k"), ["key="]);
    assert_eq!(completions(&mut inner, "closed w"), ["word "]);
    assert_eq!(completions(&mut inner, "empty f"), [""; 0]);
    assert_eq!(completions(&mut inner, "fallback f"), ["file "]);
    assert_eq!(completions(&mut inner, "dirs "), ["dir/"]);
    assert_eq!(completions(&mut inner, "plus d"), ["dash ", "dir/"]);
    assert_eq!(completions(&mut inner, "onlydirs "), ["dir/"]);
    assert_eq!(completions(&mut inner, "program a b"), ["11 ", "a ", "b ", "program ", "program a b "]);
    assert_eq!(completions(&mut inner, "unknown "), ["loaded "]);
    let Outcome::Back(rest, 0) = inner.run("type -t compopt; compgen -v COMP; set -- \"$?\"; echo $1") else {
        panic!()
    };
    assert_eq!(rest, "builtin\nCOMP_WORDBREAKS\n0\n");
}

#[test]
fn too_many_candidates_are_cut() {
    let home = tempfile::tempdir().unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run("many() { COMPREPLY=({10000..29999}); }; complete -F many many");
    inner.run(
        "long() { COMPREPLY=($(printf '%0100000d ' 1 2 3 4 5 6 7 8 9 10 11 12)); }; complete -F long long",
    );
    assert_eq!(ask(&mut inner, "many ").1.len(), 10_000);
    assert_eq!(ask(&mut inner, "long ").1.len(), 1);
    assert_eq!(inner.run("echo still"), Outcome::Back("still\n".to_owned(), 0));
}

#[test]
fn options_of_the_shell_do_not_disturb_and_stay() {
    let home = tempfile::tempdir().unwrap();
    write(home.path().join("file"), "").unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run(
        "f() { false; echo noise; echo noise >&2; [[ $nope ]]; COMPREPLY=(x$nope); }; complete -F f cmd",
    );
    inner.run("trap 'echo err' ERR");
    inner.run("set -eux; set -o noclobber; shopt -s nocasematch failglob; IFS=.");
    assert_eq!(completions(&mut inner, "cmd "), ["x "]);
    assert_eq!(completions(&mut inner, "other f"), ["file "]);
    assert_eq!(inner.run("echo $-"), Outcome::Back("++ echo ehimuxBCHs\nehimuxBCHs\n".to_owned(), 0));
}

/// What a function is told of a line, by readline and by us.
#[track_caller]
fn told(line: &str) {
    let home = tempfile::tempdir().unwrap();
    let define = "x() { declare -p COMP_WORDS COMP_CWORD COMP_LINE COMP_POINT COMP_TYPE >told; echo \"$1|$2|$3\" >>told; \
                  echo told >/dev/tty; }; complete -F x x";
    let mut plain = Plain::editing(home.path());
    plain.terminal.shown.clear();
    plain.terminal.types(format!("{define}\n").as_bytes());
    plain.terminal.until("READY>");
    plain.terminal.types(format!("{line}\t").as_bytes());
    plain.terminal.until("told\r\n");
    let theirs = read_to_string(home.path().join("told")).unwrap();
    let mut inner = Inner::bare(home.path());
    inner.run(define);
    ask(&mut inner, line);
    assert_eq!(read_to_string(home.path().join("told")).unwrap(), theirs, "{line}");
}

#[test]
fn functions_are_told_what_readline_tells_them() {
    for line in [
        "x ",
        "x a",
        "x a ",
        "x   a  b",
        "x --opt=val",
        "x --opt=",
        "x --opt= ",
        "x host:path",
        "x a=b:c",
        "x 'a b",
        "x \"a b",
        "x \"a b\" c",
        "x a\\ b",
        "x 'a b' ",
        "true; x a",
        "true && x a b",
        "A=1 x a",
        "x a >f",
        "x ä€ b",
        "x $HOME/a",
        "x 'a'b",
        "x ~/a",
    ] {
        told(line);
    }
}

/// With bash-completion, as Debian has it.
fn debian(home: &std::path::Path) -> Inner {
    let mut inner = Inner::bare(home);
    let loaded = inner.run(". /usr/share/bash-completion/bash_completion");
    assert_eq!(loaded, Outcome::Back(String::new(), 0));
    inner
}

#[test]
fn bash_completion_works_inside() {
    let home = tempfile::tempdir().unwrap();
    for name in ["a dir", "adir"] {
        create_dir(home.path().join(name)).unwrap();
    }
    write(home.path().join("a file"), "").unwrap();
    let mut inner = debian(home.path());
    assert_eq!(
        inner.run("git init -q -b main . && git -c user.name=n -c user.email=e commit -q --allow-empty -m x"),
        Outcome::Back(String::new(), 0)
    );
    inner.run("git branch topic/one && git branch topic/two");
    assert_eq!(completions(&mut inner, "git che"), ["checkout ", "cherry ", "cherry-pick "]);
    assert_eq!(completions(&mut inner, "git checkout top"), ["topic/one ", "topic/two "]);
    assert_eq!(completions(&mut inner, "git log --format=one"), ["oneline "]);
    assert_eq!(completions(&mut inner, "cd a"), ["a\\ dir/", "adir/"]);
    assert_eq!(completions(&mut inner, "cd \"a d"), ["\"a dir/"]);
    assert_eq!(completions(&mut inner, "ls a\\ "), ["a\\ dir/", "a\\ file "]);
    assert_eq!(completions(&mut inner, "apt-get insta"), ["install "]);
    assert_eq!(completions(&mut inner, "systemctl daemon-rel"), ["daemon-reload "]);
    assert_eq!(completions(&mut inner, "kill -TER"), ["-TERM "]);
    assert_eq!(completions(&mut inner, "sudo git che"), ["checkout ", "cherry ", "cherry-pick "]);
    assert_eq!(completions(&mut inner, "export HOM"), ["HOME="]);
    assert_eq!(completions(&mut inner, "dd if=/etc/hostn"), ["/etc/hostname "]);
    assert_eq!(inner.run("echo $? $-"), Outcome::Back("0 himBHs\n".to_owned(), 0));
}
