//! Tests of where a completion is wanted and of what it puts into the line.
use super::*;
use proptest::prelude::*;

const BREAKS: &[u8] = b" \t\n\"'@><=;|&(:";

/// The place at the end of a line: start, command, word, quote, whether it is the command, words.
#[track_caller]
fn at_end(line: &str, start: usize, command: &str, word: &str, first: bool, words: &[&str]) {
    let place = Place::of(line.as_bytes(), line.len(), BREAKS);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(
        (
            place.start,
            text(&place.command),
            text(&place.word),
            place.first,
            place.words.iter().map(|w| text(w)).collect::<Vec<_>>()
        ),
        (start, command.to_owned(), word.to_owned(), first, words.iter().map(|w| (*w).to_owned()).collect()),
        "{line}"
    );
}

#[test]
fn the_command_around_the_point_is_found() {
    at_end("", 0, "", "", true, &[""]);
    at_end("gi", 0, "gi", "gi", true, &["gi"]);
    at_end("git ", 4, "git ", "", false, &["git", ""]);
    at_end("git ch", 4, "git ch", "ch", false, &["git", "ch"]);
    at_end("a b; git ch", 9, "git ch", "ch", false, &["git", "ch"]);
    at_end("a | gi", 4, "gi", "gi", true, &["gi"]);
    at_end("a && gi", 5, "gi", "gi", true, &["gi"]);
    at_end("x\ngi", 2, "gi", "gi", true, &["gi"]);
    at_end("(gi", 1, "gi", "gi", true, &["gi"]);
    at_end("echo $(gi", 7, "gi", "gi", true, &["gi"]);
    at_end("echo \"a $(git c", 14, "git c", "c", false, &["git", "c"]);
    at_end("echo `gi", 6, "gi", "gi", true, &["gi"]);
    at_end("echo $(a b)c", 5, "echo $(a b)c", "$(a b)c", false, &["echo", "$(a b)c"]);
    at_end("if tr", 3, "tr", "tr", true, &["tr"]);
    at_end("while ! tr", 8, "tr", "tr", true, &["tr"]);
    at_end("A=1 B+=2 gi", 9, "gi", "gi", true, &["gi"]);
}

#[test]
fn words_are_cut_as_readline_cuts_them() {
    at_end(
        "git log --format=on",
        17,
        "git log --format=on",
        "on",
        false,
        &["git", "log", "--format", "=", "on"],
    );
    at_end("git log --format=", 17, "git log --format=", "", false, &["git", "log", "--format", "="]);
    at_end("scp host:fi", 9, "scp host:fi", "fi", false, &["scp", "host", ":", "fi"]);
    at_end("cat >fi", 5, "cat >fi", "fi", false, &["cat", ">", "fi"]);
    at_end("A=fi", 0, "A=fi", "A=fi", true, &["A=fi"]);
}

#[test]
fn quotes_are_taken_off_the_word() {
    at_end("cat a\\ b", 4, "cat a\\ b", "a b", false, &["cat", "a\\ b"]);
    at_end("cat \"a b", 4, "cat \"a b", "a b", false, &["cat", "\"a b"]);
    at_end("cat 'a; b", 4, "cat 'a; b", "a; b", false, &["cat", "'a; b"]);
    at_end("cat a'b c'd", 4, "cat a'b c'd", "ab cd", false, &["cat", "a'b c'd"]);
    at_end("cat \"a\\\"\\x", 4, "cat \"a\\\"\\x", "a\"\\x", false, &["cat", "\"a\\\"\\x"]);
    assert_eq!(Place::of(b"cat \"a", 6, BREAKS).quote, Some(b'"'));
    assert_eq!(Place::of(b"cat 'a", 6, BREAKS).quote, Some(b'\''));
    assert_eq!(Place::of(b"cat 'a'", 7, BREAKS).quote, None);
    assert_eq!(Place::of(b"cat \"$(ls 'a", 12, BREAKS).quote, Some(b'\''));
}

#[test]
fn what_stands_behind_the_point_belongs_to_the_command_but_not_to_the_word() {
    let place = Place::of(b"x; git ch master; y", 9, BREAKS);
    assert_eq!(place.command, b"git ch master");
    assert_eq!(place.before, b"git ch");
    assert_eq!(place.words, [b"git".to_vec(), b"ch".to_vec()]);
}

fn candidate(word: &str, sort: Sort) -> Candidate {
    Candidate { word: word.as_bytes().to_vec(), sort, open: false, about: Vec::new() }
}

/// What a file's name becomes in a line.
#[track_caller]
fn becomes(line: &str, file: &str, text: &str) {
    let place = Place::of(line.as_bytes(), line.len(), BREAKS);
    let candidate = candidate(file, Sort::File);
    assert_eq!(String::from_utf8(place.insertion(&candidate)).unwrap(), text);
}

#[test]
fn file_names_are_quoted_as_the_person_began() {
    becomes("cat ", "plain", "plain ");
    becomes("cat ", "a b", "a\\ b ");
    becomes("cat ", "it's $x", "it\\'s\\ \\$x ");
    becomes("cat ", "#a", "\\#a ");
    becomes("cat ~/", "~/a b", "~/a\\ b ");
    becomes("cat \"a", "a b$", "\"a b\\$\" ");
    becomes("cat 'a", "a b$", "'a b$' ");
    becomes("cat 'a", "a'b", "a\\'b ");
    becomes("cat ", "a\nb", "$'a\\012b' ");
    becomes("cat \"", "\u{1b}[31m", "$'\\033[31m' ");
    becomes("cat ", "ä€", "ä€ ");
}

#[test]
fn a_directory_gets_a_slash_and_its_quote_stays_open() {
    let directory = candidate("a b", Sort::Directory);
    assert_eq!(Place::of(b"cd ", 3, BREAKS).insertion(&directory), b"a\\ b/");
    assert_eq!(Place::of(b"cd \"a", 5, BREAKS).insertion(&directory), b"\"a b/");
}

#[test]
fn what_is_no_file_stays_as_it_is() {
    let word = candidate("a$b", Sort::Text);
    let place = Place::of(b"x a", 3, BREAKS);
    assert_eq!(place.insertion(&word), b"a$b ");
    assert_eq!(place.insertion(&Candidate { open: true, ..word.clone() }), b"a$b");
    assert_eq!(Place::of(b"x 'a", 4, BREAKS).insertion(&word), b"'a$b' ");
}

#[test]
fn bytes_that_are_no_text_stay_what_they_are() {
    let place = Place::of(b"cat ", 4, BREAKS);
    let candidate = Candidate { word: b"a\xffb".to_vec(), ..candidate("", Sort::File) };
    assert_eq!(place.insertion(&candidate), b"$'a\\377b' ");
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..60), point in 0_usize..70) {
        let place = Place::of(&line, point, BREAKS);
        prop_assert!(place.start <= line.len());
        prop_assert!(place.command.starts_with(&place.before));
    }

    #[test]
    fn lines_full_of_quotes_and_brackets_hold(line in "[a \"'\\\\$(){}`;|&<>=:\n]{0,60}") {
        let place = Place::of(line.as_bytes(), line.len(), BREAKS);
        prop_assert!(line.as_bytes().ends_with(&place.before));
        prop_assert!(!place.words.is_empty());
    }
}
