//! Recognises the text in which an agent wraps what the model asked for.
//!
//! Owns the exact shapes; anything else is no envelope and is judged whole. Must not decide what may run.

use super::reader::read;
use super::{Commands, SimpleCommand, Word};
use std::path::{Path, PathBuf};

/// What an agent wrapped, and what it needs for the wrapping itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The agent: `claude`, `gemini`, or an editor.
    pub agent: &'static str,
    /// The text that the model asked for.
    pub inner: String,
    /// Files that the wrapping itself writes.
    pub grants: Vec<PathBuf>,
}

/// What may stand between the snapshot and the command, exactly.
const SETTINGS: &[&str] = &[
    "shopt -u extglob 2>/dev/null || true && ",
    "{ shopt -u extglob || setopt NO_EXTENDED_GLOB; } >/dev/null 2>&1 || true && ",
    "{ shopt -u extglob || setopt NO_EXTENDED_GLOB; } 2>/dev/null || true && ",
    "setopt NO_EXTENDED_GLOB 2>/dev/null || true && ",
    "setopt NO_EXTENDED_GLOB NO_BARE_GLOB_QUAL 2>/dev/null || true && ",
    "shopt -u extglob && ",
];

/// The envelope around a text, if the text has exactly the shape of one.
pub fn recognise(text: &[u8], home: Option<&Path>) -> Option<Envelope> {
    let text = std::str::from_utf8(text).ok()?;
    if !["claude-", "gemini-shell-", "shell-snapshots"].iter().any(|sign| text.contains(sign)) {
        return super::editors::recognise(text);
    }
    claude(text, home)
        .or_else(|| snapshot(text, home))
        .or_else(|| gemini_by_name(text))
        .or_else(|| gemini(text))
        .or_else(|| gemini_old(text))
}

/// The same wrapping around another command; `None` if that cannot be put there.
pub fn around(text: &[u8], home: Option<&Path>, new: &str) -> Option<String> {
    let old = recognise(text, home)?;
    let text = std::str::from_utf8(text).ok()?;
    let with = |start: usize, length: usize, new: &str| {
        Some(format!("{}{new}{}", text.get(..start)?, text.get(start + length..)?))
    };
    let quoted = shlex::try_quote(new).ok()?;
    let as_word = text.match_indices("eval ").filter_map(|(at, eval)| {
        let start = at + eval.len();
        let (word, after) = one_word(text.get(start..)?)?;
        let length = text.len() - start - after.len();
        (word == old.inner).then(|| with(start, length, &quoted)).flatten()
    });
    let as_it_is = text.match_indices(&old.inner).filter_map(|(at, inner)| with(at, inner.len(), new));
    // Whatever was put together, only what reads as exactly this is it.
    as_word.chain(as_it_is).find(|whole| {
        recognise(whole.as_bytes(), home)
            .is_some_and(|now| now.inner == new && (now.agent, &now.grants) == (old.agent, &old.grants))
    })
}

/// `source SNAPSHOT && … eval 'CMD' < /dev/null && pwd -P >| /tmp/claude-XXXX-cwd`.
fn claude(text: &str, home: Option<&Path>) -> Option<Envelope> {
    let mut rest = text.trim_end();
    if let Some(after) = rest.strip_prefix("source ") {
        let (word, after) = one_word(after)?;
        if !is_snapshot(&word, home) {
            return None;
        }
        rest = after.strip_prefix(" 2>/dev/null").unwrap_or(after);
        rest = rest.strip_prefix(" || true").unwrap_or(rest).strip_prefix(" && ")?;
    }
    while let Some(after) = SETTINGS.iter().find_map(|s| rest.strip_prefix(s)) {
        rest = after;
    }
    let (inner, after) = one_word(rest.strip_prefix("eval ")?)?;
    let after = [" \\< /dev/null", " < /dev/null", " </dev/null"]
        .iter()
        .find_map(|s| after.strip_prefix(s))
        .unwrap_or(after);
    let (file, end) = one_word(after.strip_prefix(" && pwd -P >| ")?)?;
    let id = file.strip_prefix("/tmp/claude-")?.strip_suffix("-cwd")?;
    if !end.is_empty() || !plain(id) {
        return None;
    }
    Some(Envelope { agent: "claude", inner, grants: vec![PathBuf::from(file)] })
}

/// Claude Code's script that writes the snapshot: judged whole, it only needs its file.
fn snapshot(text: &str, home: Option<&Path>) -> Option<Envelope> {
    let (word, after) = one_word(text.trim_start().strip_prefix("SNAPSHOT_FILE=")?)?;
    if !is_snapshot(&word, home) || !after.trim_start_matches(' ').starts_with(['\n', ';']) {
        return None;
    }
    Some(Envelope { agent: "claude", inner: text.to_owned(), grants: vec![PathBuf::from(word)] })
}

/// `[shopt -u …; ]_bgpids_file=FILE`, then in lines of their own `(`, the trap, the command, `)`, and what hands its status on: Gemini
/// CLI 0.61.
fn gemini_by_name(text: &str) -> Option<Envelope> {
    let rest = text.trim();
    let options = rest.strip_prefix("shopt -u ").and_then(|rest| rest.split_once("; "));
    let options = options.filter(|(names, _)| names.bytes().all(|b| b.is_ascii_lowercase() || b == b' '));
    let rest = options.map_or(rest, |(_, rest)| rest);
    let (file, after) = one_word(rest.strip_prefix("_bgpids_file=")?)?;
    let inner = after.strip_prefix("\n(\n  trap 'jobs -p > \"$_bgpids_file\"' EXIT\n")?;
    let inner = inner.strip_suffix("\n)\n__code=$?\nexit $__code")?.trim();
    complete(inner).then_some(())?;
    Some(Envelope { agent: "gemini", inner: inner.to_owned(), grants: vec![gemini_file(&file)?] })
}

/// `( trap 'jobs -p > FILE' EXIT; CMD )`.
fn gemini(text: &str) -> Option<Envelope> {
    let rest = text.trim().strip_prefix('(')?.strip_suffix(')')?.trim_start();
    let (action, after) = one_word(rest.strip_prefix("trap ")?)?;
    let inner = after.strip_prefix(" EXIT;").or_else(|| after.strip_prefix(" EXIT\n"))?.trim();
    let (file, end) =
        one_word(action.strip_prefix("jobs -p > ").or_else(|| action.strip_prefix("jobs -p >"))?)?;
    (end.is_empty() && complete(inner)).then_some(())?;
    Some(Envelope { agent: "gemini", inner: inner.to_owned(), grants: vec![gemini_file(&file)?] })
}

/// `{ CMD }; __code=$?; pgrep -g 0 >FILE 2>&1; exit $__code;`.
fn gemini_old(text: &str) -> Option<Envelope> {
    let (front, back) = text.trim().strip_prefix("{ ")?.rsplit_once(" }; __code=$?; pgrep -g 0 >")?;
    let (file, end) = one_word(back)?;
    let inner = front.trim();
    let ended = inner.ends_with([';', '&', '\n']);
    (end == " 2>&1; exit $__code;" && ended && complete(inner)).then_some(())?;
    Some(Envelope { agent: "gemini", inner: inner.to_owned(), grants: vec![gemini_file(&file)?] })
}

/// The literal word at the start of a text, and what follows it.
fn one_word(text: &str) -> Option<(String, &str)> {
    let (word, length) = super::reader::first_word(text.as_bytes())?;
    match word {
        Word::Literal(word) => Some((word, text.get(length..)?)),
        Word::Unknown { .. } => None,
    }
}

/// Whether a text is complete by itself, so that the bracket behind it is the wrapping's own. A comment or an open
/// here-document at the end would swallow the bracket.
pub(super) fn complete(inner: &str) -> bool {
    let commands = |text: &str| -> Option<Vec<SimpleCommand>> {
        match read(text.as_bytes()) {
            Commands::Known(commands) => Some(commands),
            Commands::Unknown(_) => None,
        }
    };
    let plain_text = commands(inner);
    plain_text.is_some_and(|found| {
        commands(&format!("( {inner} )")).is_some_and(|wrapped| wrapped.len() == found.len())
            || commands(&format!("(\n{inner}\n)")).is_some_and(|wrapped| wrapped.len() == found.len())
    })
}

pub(super) fn plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn gemini_file(file: &str) -> Option<PathBuf> {
    let name = file.strip_prefix("/tmp/gemini-shell-")?;
    let parts: Vec<&str> = name.split('/').collect();
    let fits = parts.len() <= 2 && parts.iter().all(|p| !p.starts_with('.') && plain(&p.replace('.', "")));
    fits.then(|| PathBuf::from(file))
}

/// Whether a path is a file directly in `~/.claude/shell-snapshots`.
fn is_snapshot(path: &str, home: Option<&Path>) -> bool {
    let Some(home) = home.filter(|h| h.is_absolute()) else { return false };
    let path = Path::new(path);
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let fits = name.strip_suffix(".sh").and_then(|n| n.strip_prefix("snapshot-")).is_some_and(plain);
    fits && path.parent() == Some(&home.join(".claude/shell-snapshots"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &str = "source /home/u/.claude/shell-snapshots/snapshot-bash-17-ab.sh";
    const END: &str = "&& pwd -P >| /tmp/claude-1a2b-cwd";

    fn seen(text: &str) -> Option<(&'static str, String, Vec<String>)> {
        let found = recognise(text.as_bytes(), Some(Path::new("/home/u")))?;
        Some((found.agent, found.inner, found.grants.iter().map(|g| g.display().to_string()).collect()))
    }

    #[test]
    fn the_wrapping_of_claude_code_is_taken_off() {
        let extglob = "shopt -u extglob 2>/dev/null || true";
        let either = "{ shopt -u extglob || setopt NO_EXTENDED_GLOB; } >/dev/null 2>&1 || true";
        let forms = [
            format!("{SNAPSHOT} && eval 'ls -l' < /dev/null {END}"),
            format!("{SNAPSHOT} 2>/dev/null || true && {extglob} && eval 'ls -l' \\< /dev/null {END}"),
            format!("{SNAPSHOT} && {either} && eval \"ls -l\" {END}"),
            format!("eval 'ls -'\"l\" < /dev/null {END}"),
        ];
        for form in forms {
            let wanted = ("claude", "ls -l".to_owned(), vec!["/tmp/claude-1a2b-cwd".to_owned()]);
            assert_eq!(seen(&form), Some(wanted), "{form}");
        }
    }

    #[test]
    fn what_is_only_like_the_wrapping_is_judged_whole() {
        let forms = [
            format!("touch x; {SNAPSHOT} && eval 'ls' < /dev/null {END}"),
            format!("{SNAPSHOT} && touch x && eval 'ls' < /dev/null {END}"),
            format!("{SNAPSHOT} && eval 'ls' < /dev/null {END}; touch x"),
            format!("{SNAPSHOT} && eval 'ls' touch {END}"),
            format!("{SNAPSHOT} && eval \"$x\" < /dev/null {END}"),
            format!("{SNAPSHOT} && eval \"$(touch x)\" < /dev/null {END}"),
            format!("source /tmp/x.sh && eval 'ls' {END}"),
            format!("source /home/u/.claude/shell-snapshots/../snapshot-x.sh && eval 'ls' {END}"),
            "eval 'ls' && pwd -P >| /tmp/claude-1/../x-cwd".to_owned(),
            "eval 'ls' && pwd -P >| /tmp/claude-*-cwd".to_owned(),
            "echo /tmp/claude-1a2b-cwd".to_owned(),
            "( trap 'jobs -p > /tmp/gemini-shell-a/b' EXIT; ls ) ; touch x; ( true )".to_owned(),
            "( trap 'jobs -p > /tmp/gemini-shell-a/b; touch x' EXIT; ls )".to_owned(),
            "( trap 'jobs -p > /tmp/gemini-shell-a/../b' EXIT; ls )".to_owned(),
            "{ ls; }; __code=$?; pgrep -g 0 >/tmp/x 2>&1; exit $__code;".to_owned(),
            "{ ls; }; touch x; { true; }; __code=$?; pgrep -g 0 >/tmp/gemini-shell-a 2>&1; exit $__code;"
                .to_owned(),
        ];
        for form in forms {
            assert_eq!(seen(&form), None, "{form}");
        }
    }

    #[test]
    fn another_command_takes_the_place_of_the_one_that_was_wrapped() {
        let home = Some(Path::new("/home/u"));
        let put = |text: &str, new: &str| around(text.as_bytes(), home, new);
        let claude = format!("{SNAPSHOT} && eval 'ls' < /dev/null {END}");
        for new in ["ls -l", "echo 'a b' \"$x\"", "a; b\nc"] {
            let whole = put(&claude, new).unwrap();
            assert!(whole.starts_with(SNAPSHOT) && whole.ends_with(END), "{whole}");
            assert_eq!(seen(&whole).unwrap().1, new);
        }
        let gemini = "( trap 'jobs -p > /tmp/gemini-shell-Ab1/bg.pids' EXIT; ls -l )";
        assert_eq!(seen(&put(gemini, "pwd").unwrap()).unwrap().1, "pwd");
        assert_eq!(put(gemini, "ls ) ; touch x; ( true"), None);
        assert_eq!(put("ls", "pwd"), None);
    }

    #[test]
    fn the_wrappings_of_gemini_are_taken_off() {
        assert_eq!(
            seen("( trap 'jobs -p > /tmp/gemini-shell-Ab1/bg.pids' EXIT; ls -l )"),
            Some(("gemini", "ls -l".into(), vec!["/tmp/gemini-shell-Ab1/bg.pids".into()]))
        );
        let by_name = |options: &str, inner: &str| {
            format!(
                "{options}_bgpids_file=/tmp/gemini-shell-yKub6G/bgpids.tmp\n(\n  trap 'jobs -p > \"$_bgpids_file\"' EXIT\n{inner}\n)\n__code=$?\nexit $__code"
            )
        };
        let options = "shopt -u promptvars nullglob extglob nocaseglob dotglob; ";
        let found = |inner: &str| {
            Some(("gemini", inner.to_owned(), vec!["/tmp/gemini-shell-yKub6G/bgpids.tmp".to_owned()]))
        };
        assert_eq!(seen(&by_name(options, "ls -l\npwd # here")), found("ls -l\npwd # here"));
        assert_eq!(seen(&by_name("", "ls -l")), found("ls -l"));
        for inner in ["ls ) ; touch x; ( true", "ls \\"] {
            assert_eq!(seen(&by_name(options, inner)), None, "{inner}");
        }
        assert_eq!(seen(&by_name("shopt -u x; touch y; ", "ls")), None);
        assert_eq!(seen(&by_name(options, "ls").replace("bgpids.tmp", "../x")), None);
        assert_eq!(
            seen("{ ls -l; }; __code=$?; pgrep -g 0 >/tmp/gemini-shell-ab.tmp 2>&1; exit $__code;"),
            Some(("gemini", "ls -l;".into(), vec!["/tmp/gemini-shell-ab.tmp".into()]))
        );
    }
}
