//! What our reading of argv says is executed, against what the real shell executes: bash, dash and zsh as oracles.
//!
//! Each text prints its own mark. Nothing may be printed that we did not announce; where a reading is certain, exactly
//! that must be printed. A shell that is not installed is skipped with a word.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use sbsh::cli::{CommandInput, InnerShell};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// Forms for every shell, words split at blanks. `@a` to `@c` are command texts, `@script` and `@rc` files,
/// `@empty` the empty word.
const COMMON: &str = "
-c @a|-c @a @b|-c @a name x y|-c|-c @empty|-c @empty name|-c -- @a|-c - @a|-c -x @a|-c -x -e @a|-xc @a|-cx @a
-cc @a @b|-c -c @a @b|-e -c @a|+e -c @a|+c @a|+ec @a|-c +x @a|-euxc @a|-c -- -c @a|-ec -u @a|-x|-x -|-x --
-s|-s @a|-s @a @b|-s -- @a|-s - @a|-sc @a|-cs @a|-s -c @a|-c -s @a|-c @a -s|-sx -c @a @b|-s +s|-s +s @script|+s @script
-- @script|- @script|-- -c @a|- -c @a|-x @script|-x @script @a|@script -c @a|@script|@script x y|@empty|-|--
-o noglob -c @a|+o noglob -c @a|-oc noglob @a|-co noglob @a|-oo noglob noglob -c @a|-o|-c -o noglob @a|-o noglob @script
-eo noglob -c @a|-o nonsense -c @a|-i -c @a|-ic @a|-c -i @a|-i @script|-i|-is @a|-n -c @a|-nc @a|-v -c @a
-Z -c @a|-c -Z @a|-cZ @a|-% -c @a|-c- @a|-x- -c @a|-x-c @a|--nonsense -c @a|-c --nonsense @a|-c --version @a
+ -c @a|-c + @a|+x @script|+|+- -c @a|-c +- @a|nothing-here|-c nothing-here|-c @a - @b|-c @a -- @b|-a -c @a|-b -c @a|-cb @a";

const BASH: &str = "
-lc @a|-c -l @a|-lic @a|--login -c @a|-login -c @a|-l @script|--norc -c @a|--norc --noprofile -c @a|-norc -c @a
--rcfile @rc -c @a|-rcfile @rc -c @a|--init-file @rc -i|-rcfile @rc -i|--rcfile|--rcfile -c @a|--init-file @rc -c @a
--rcfile=@rc -c @a|--posix -c @a|-posix -c @a|--posix @script|--posix|-c --norc @a|-x --norc -c @a|-x --posix @a
-O extglob -c @a|+O extglob -c @a|-Oc extglob @a|-O|-O -c @a|-O nonsense -c @a|-c -O extglob @a|-O extglob @script
-o pipefail -c @a|-euo pipefail -c @a|-oc pipefail @a|-euxo pipefail -c @a name|-oO pipefail extglob -c @a
-eO extglob -o pipefail -c @a|--version|--version -c @a|--help -c @a|-version -c @a|-c @a --version|-D -c @a|-r -c @a
--restricted -c @a|--verbose -c @a|--noediting -c @a|--debugger -c @a|--dump-strings -c @a|--pretty-print @script
--wordexp @a|--protected -c @a|--debug -c @a|--norc -- @script|--norc - @script|-- --norc -c @a|--noprofile --rcfile @rc -s @a
--norc -i -c @a|-iO extglob -c @a|--login|-login|-l|-t -c @a|-t|-k -c @a|-p -c @a|-P -c @a|-h -c @a|-m -c @a|-B -c @a";

const DASH: &str = "
-lc @a|-l|-l @script|-o stdin @script|-o stdin -c @a|-ostdin -c @a|-o stdin +o stdin @script|-o interactive -c @a
+o stdin -c @a|-O extglob -c @a|--norc -c @a|--posix -c @a|--version|--help|-I -c @a|-V -c @a|-E -c @a|-sxc @a @b|-s -o nolog @a
-q -c @a|-p -c @a|-k -c @a|-h -c @a|-c -o stdin @a|-c -s -- @a|-sc -- @a @b|-sc|+sc @a|-s +sc @a";

const ZSH: &str = "
-fc @a|-f -c @a|-fic @a|-onoglob -c @a|-oshinstdin @a|-o shinstdin -c @a|--shinstdin @script|--no-shin-stdin -s @script
-o sh_in_stdin @script|-o SHIN_STDIN @script|-o no_shin_stdin @script|+o shinstdin -s @script|--emulate sh -c @a
--emulate sh -b -c @a|--emulate sh -c @a name|--emulate|--version -c @a|--help -c @a|-b -c @a|-fb @script|-fbc @a
-o shoptionletters -b -c @a|+b @script|-cf -- @a|-f- @script|-c- @a|-fo noglob -c @a|-fonoglob @script|--no-glob -c @a
--interactive -c @a|--noexec -c @a|-o noexec -c @a|-lc @a|-l|-0 -c @a|-9c @a|-ft|-ftc @a|-kc @a|-M -c @a|--rcs -c @a
--nonsense @script|+-emulate sh -c @a|+s @script|-sf @a|-fs +s @script|-y -c @a|-r -c @a|-m -c @a|-d -c @a|-p -c @a|-E -c @a";

/// Forms that bash refuses, or does not execute for another reason, though we announce something.
const BASH_CAUTIOUS: &str = "
-o nonsense -c @a|-n -c @a|-nc @a|-Z -c @a|-c -Z @a|-cZ @a|-% -c @a|-c- @a|-x- -c @a|-x-c @a|--nonsense -c @a
-c --nonsense @a|-c --version @a|+- -c @a|-c +- @a|--rcfile=@rc -c @a|-c --norc @a|-x --norc -c @a
-x --posix @a|-O nonsense -c @a|-D -c @a|--dump-strings -c @a|--pretty-print @script|--protected -c @a";

/// Forms that dash refuses, or does not execute for another reason, though we announce something.
const DASH_CAUTIOUS: &str = "
-sc @a|-cs @a|-s -c @a|-c -s @a|-sx -c @a @b|-s +s @script|+s @script|-o nonsense -c @a|-n -c @a|-nc @a
-Z -c @a|-c -Z @a|-cZ @a|-% -c @a|-c- @a|-x- -c @a|-x-c @a|--nonsense -c @a|-c --nonsense @a|-c --version @a
+- -c @a|-c +- @a|-o stdin @script|-o stdin -c @a|-ostdin -c @a|-o interactive -c @a|-O extglob -c @a
--norc -c @a|--posix -c @a|--version|--help|-I -c @a|-V -c @a|-sxc @a @b|-q -c @a|-k -c @a|-h -c @a
-c -o stdin @a|-c -s -- @a|-sc -- @a @b";

/// Forms that zsh refuses, or does not execute for another reason, though we announce something.
const ZSH_CAUTIOUS: &str = "
-o nonsense -c @a|-n -c @a|-nc @a|-% -c @a|-x-c @a|--nonsense -c @a|-c --nonsense @a|--emulate sh -c @a
--emulate sh -b -c @a|--emulate sh -c @a name|--emulate|-o shoptionletters -b -c @a|--noexec -c @a
-o noexec -c @a|--nonsense @script|+-emulate sh -c @a";

/// A place with the files, and the words made real.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("script"), "echo \"MARK script [$1]\"\n").unwrap();
        std::fs::write(place.path().join("rc"), "echo 'MARK rc []'\n").unwrap();
        std::fs::write(place.path().join("input"), "echo 'MARK stdin []'\n").unwrap();
        Place(place)
    }

    fn words(&self, form: &str) -> Vec<OsString> {
        form.split_whitespace().map(|word| self.word(word)).collect()
    }

    fn word(&self, word: &str) -> OsString {
        match word {
            "@empty" => OsString::new(),
            "@a" | "@b" | "@c" => text(word),
            _ => word.replace("@script", "script").replace("@rc", "rc").into(),
        }
    }

    /// The marks that the real shell prints, without what stands in brackets.
    fn really(&self, shell: &Path, words: &[OsString]) -> (BTreeSet<String>, String) {
        let said = Command::new("timeout")
            .arg("20")
            .arg(shell)
            .args(words)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "dumb")
            .stdin(Stdio::from(File::open(self.0.path().join("input")).unwrap()))
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&said.stdout).into_owned();
        let marks =
            out.lines().filter_map(|line| line.strip_prefix("MARK ")?.split(' ').next()).map(str::to_owned);
        (marks.collect(), out)
    }
}

fn text(name: &str) -> OsString {
    format!("echo 'MARK {name}' \"[$0]\"").into()
}

/// The marks that our reading announces, and whether it is certain.
fn announced(input: &CommandInput) -> (BTreeSet<String>, bool) {
    let marks_in = |texts: &[OsString]| -> BTreeSet<String> {
        ["@a", "@b", "@c"]
            .iter()
            .filter(|name| texts.contains(&text(name)))
            .map(|name| (*name).to_owned())
            .collect()
    };
    match input {
        CommandInput::Text { text, .. } => (marks_in(std::slice::from_ref(text)), true),
        CommandInput::Script { path } if path == "script" => (BTreeSet::from(["script".to_owned()]), true),
        CommandInput::Script { .. } | CommandInput::Nothing => (BTreeSet::new(), true),
        CommandInput::Stdin | CommandInput::Interactive => (BTreeSet::from(["stdin".to_owned()]), true),
        CommandInput::Unknown { texts } => {
            let mut marks = marks_in(texts);
            marks.extend(["stdin".to_owned(), "script".to_owned()]);
            (marks, false)
        }
    }
}

/// Nothing unannounced is executed; returns whether the announcement was exact.
fn compare(place: &Place, shell: &Path, inner: InnerShell, words: &[OsString]) -> bool {
    let input = CommandInput::read(inner, words);
    let (mut really, out) = place.really(shell, words);
    // What `-i` and `--rcfile` read before is a file of the caller's, which no rule reads.
    really.remove("rc");
    let (announced, certain) = announced(&input);
    assert!(
        really.is_subset(&announced),
        "{shell:?} {words:?} executed what we did not see\n we read: {input:?}\n it said: {out}"
    );
    if let CommandInput::Text { name: Some(name), .. } = &input
        && !really.is_empty()
        && shell != Path::new("/usr/bin/zsh")
    {
        let zero = format!("[{}]", name.to_string_lossy());
        assert!(out.contains(&zero), "{shell:?} {words:?}: $0 is not {zero}: {out}");
    }
    certain && really == announced
}

fn forms_of<'a>(lists: &[&'a str]) -> Vec<&'a str> {
    lists.iter().flat_map(|list| list.trim().split(['|', '\n'])).collect()
}

/// Every form; only the cautious ones may be announced without being executed.
fn all(shell: &str, inner: InnerShell, lists: &[&str], cautious: &str) {
    let shell = Path::new(shell);
    if !shell.exists() {
        println!("skipped: {} is not installed", shell.display());
        return;
    }
    let place = Place::new();
    let forms = forms_of(lists);
    assert!(forms.len() >= 80);
    let found: Vec<&str> =
        forms.into_iter().filter(|form| !compare(&place, shell, inner, &place.words(form))).collect();
    let cautious = forms_of(&[cautious]);
    let surprising: Vec<&str> = found.into_iter().filter(|form| !cautious.contains(form)).collect();
    assert_eq!(surprising, Vec::<&str>::new(), "announced, but not executed");
}

#[test]
fn bash_executes_what_we_read() {
    all("/bin/bash", InnerShell::Bash, &[COMMON, BASH], BASH_CAUTIOUS);
}

#[test]
fn dash_executes_what_we_read() {
    all("/bin/dash", InnerShell::Sh, &[COMMON, DASH], DASH_CAUTIOUS);
}

#[test]
fn zsh_executes_what_we_read() {
    all("/usr/bin/zsh", InnerShell::Zsh, &[COMMON, ZSH], ZSH_CAUTIOUS);
}

#[test]
fn random_words_never_execute_what_we_did_not_see() {
    const WORDS: &[&str] = &[
        "-c", "+c", "-s", "+s", "-sc", "-x", "-o", "+o", "-O", "noglob", "extglob", "stdin", "-i", "--", "-",
        "+", "-b", "--norc", "--rcfile", "-fc", "-lx", "-x-", "@a", "@b", "@script", "@a", "@empty",
        "--posix", "-oc",
    ];
    let place = Place::new();
    let shells = [
        ("/bin/bash", InnerShell::Bash),
        ("/bin/bash", InnerShell::Sh),
        ("/bin/dash", InnerShell::Sh),
        ("/usr/bin/zsh", InnerShell::Zsh),
    ];
    let mut state = 0x5b5b_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..250 {
        let length = 1 + next(5);
        let words: Vec<OsString> = (0..length).map(|_| place.word(WORDS[next(WORDS.len())])).collect();
        for (shell, inner) in shells {
            if Path::new(shell).exists() {
                compare(&place, Path::new(shell), inner, &words);
            }
        }
    }
}

#[test]
fn more_than_one_text_is_never_one() {
    let read = |inner, words: &[&str]| {
        CommandInput::read(inner, &words.iter().map(OsString::from).collect::<Vec<_>>())
    };
    let unknown =
        |texts: &[&str]| CommandInput::Unknown { texts: texts.iter().map(OsString::from).collect() };
    // A shell under the name sh may be dash, which goes on with standard input.
    assert_eq!(read(InnerShell::Sh, &["-sc", "ls"]), unknown(&["ls"]));
    assert_eq!(
        read(InnerShell::Fish, &["-c", "echo '", "-c", "git push", "-c", "'"]),
        unknown(&["echo '", "git push", "'"])
    );
    assert_eq!(read(InnerShell::Fish, &["-C", "git push", "script"]), unknown(&["git push"]));
    assert_eq!(
        read(InnerShell::Fish, &["--command=ls", "x"]),
        CommandInput::Text { text: "ls".into(), name: Some("x".into()), interactive: false }
    );
    assert_eq!(read(InnerShell::Bash, &["--future", "ls"]), unknown(&["--future", "ls"]));
}
