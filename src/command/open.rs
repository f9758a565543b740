//! Whether a text that a person types is at its end. Pure; asks the reader and guesses nothing: what it cannot
//! understand is at its end.

use super::reader::{LONGEST, Reader};

/// Whether the shell would wait for another line: a quote, here-document, loop, condition, group or substitution is not
/// closed, or the text ends with `|`, `&&`, `||` or `\`.
pub fn is_open(text: &[u8]) -> bool {
    // The shell takes these two without a command.
    if text.len() > LONGEST || text.contains(&0) || matches!(text.trim_ascii(), b"" | b"!" | b"time") {
        return false;
    }
    let mut text = text.to_vec();
    if text.ends_with(b"`") {
        // An error inside a closed backquoted command is met when the reader stands behind it: not the end.
        text.push(b' ');
    }
    let mut reader = Reader::nested(&text, 0);
    let Err(why) = reader.whole() else { return is_in_here_document(&text) };
    let before = reader.at.checked_sub(1).and_then(|at| text.get(at));
    match why {
        "an unclosed '" => before == Some(&b'\''),
        "an unclosed \"" => before == Some(&b'"') || reader.at >= reader.end,
        "a backslash at the end" => true,
        "a here-document without a delimiter" | "the text takes too long to read" => false,
        "a word was expected" if wants_file(&text) => false,
        _ => reader.at >= reader.end,
    }
}

/// Whether the text ends with a redirection that has no file: an error for the shell too.
fn wants_file(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    [b"<".as_slice(), b">", b"<&", b">&", b">|"].iter().any(|operator| text.ends_with(operator))
}

/// The text can be read. In the body of a here-document anything goes, elsewhere this does not.
fn is_in_here_document(text: &[u8]) -> bool {
    let mut probe = text.to_vec();
    probe.extend_from_slice(b"\n)");
    Reader::nested(&probe, 0).whole().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_texts_wait_for_another_line() {
        let open = [
            "echo 'a",
            "echo \"a",
            "echo \"a $(b",
            "echo $'a",
            "echo $(",
            "echo $((1 +",
            "echo ${a",
            "echo `a",
            "{ echo `a`",
            "( a",
            "((1 +",
            "{ a",
            "{",
            "(",
            "a |",
            "a &&",
            "a ||",
            "a | ",
            "a \\",
            "\\",
            "f() {",
            "f()",
            "if a",
            "if a; then",
            "if a; then b",
            "if a; then b; else c",
            "while a",
            "while a; do b",
            "until a; do b",
            "for x",
            "for x in a b",
            "for x in a; do",
            "for x in a; do b;",
            "for ((i=0;",
            "select x in a; do",
            "case x",
            "case x in",
            "case x in a)",
            "case x in a) b;;",
            "case x in a|",
            "[[ a",
            "[[ a &&",
            "x=(a b",
            "cat <<E",
            "cat <<E\na",
            "cat <<'E'\n$(",
            "cat <<-E\n\tx",
            "cat <<E\nE ",
            "{ cat <<E\na",
            "x=$(cat <<E\na",
            "cat <<A <<B\nA",
            "echo a # b\nif x",
            "echo 'it''s",
            "a &&\n\n",
            "coproc {",
            "function f {",
            "if a; then\ncat <<E\nx\nE",
        ];
        for text in open {
            assert!(is_open(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn whole_texts_and_what_is_wrong_are_at_their_end() {
        let whole = [
            "",
            " ",
            "\n",
            "ls",
            "ls;",
            "ls &",
            "ls # it's",
            "# if",
            "echo # \\",
            "echo 'a'",
            "echo \"a\"",
            "echo \\\\",
            "echo \\'",
            "a | b",
            "a && b",
            "{ a; }",
            "(a)",
            "((1+2))",
            "[[ a ]]",
            "f() { a; }",
            "x=(a b)",
            "x=",
            "!",
            "time",
            "if a; then b; fi",
            "for x in a; do b; done",
            "case x in a) b;; esac",
            "while a; do b; done",
            "cat <<E\na\nE",
            "cat <<E\na\nE\n",
            "cat <<'E'\n$(\nE",
            "cat <<-E\n\tx\n\tE",
            "cat <<A <<B\nA\nB",
            "x=$(cat <<E\na\nE\n)",
            "a)",
            "fi",
            "done",
            "a ;; b",
            "echo >",
            "cat <",
            "cat <<",
            "echo >&",
            "a >|",
            "echo `echo 'a`",
            "x `echo \"`",
            "}",
            "if; then",
            "echo ${ a; }",
            "echo $[1]",
            "echo <<<",
            "a & b",
            "[[ a ;",
            "cat <<E)",
            "echo \u{e9}",
            "if a; then b; fi | c",
        ];
        for text in whole {
            assert!(!is_open(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn what_is_beyond_the_bounds_is_at_its_end() {
        assert!(!is_open(b"echo '\0"));
        assert!(!is_open(&[b"'".as_slice(), &vec![b'a'; LONGEST]].concat()));
        assert!(!is_open(b"\xff"));
    }

    /// bash says that a text is at its end by finding nothing to complain about at the end of the file.
    #[test]
    fn bash_agrees() {
        let waits = |text: &str| {
            let output = std::process::Command::new("bash").args(["-n", "-c", text]).output();
            let said = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
            said.contains("unexpected end of file")
                || said.contains("unexpected EOF")
                || said.contains("delimited by end-of-file")
        };
        let texts = [
            "a |",
            "a &&",
            "if a",
            "if a; then b; fi",
            "case x in",
            "case x in a) b;;",
            "echo 'a",
            "echo \"$(a",
            "( a",
            "{ a",
            "{ a; }",
            "for x in a",
            "cat <<E",
            "cat <<E\na\nE",
            "f()",
            "while a; do",
            "x=(a",
            "a)",
            "echo `a",
            "${a",
            "((1 +",
            "until a; do b; done",
            "cat <<A <<B\nA",
            "echo >|",
            "fi",
        ];
        for text in texts {
            assert_eq!(is_open(text.as_bytes()), waits(text), "{text:?}");
        }
    }
}
