//! One hook's end and output → its answer. Pure.
//!
//! Owns the two forms of answers: an exit status, and JSON on standard output. Whatever is neither is no answer, and
//! whatever is half one is a failure. Text comes out bounded; whoever prints it escapes it.

use super::opinion::Word;
use crate::settings::hooks::Event;
use serde_json::Value;

/// The status by which a hook refuses.
const REFUSES: i32 = 2;
/// More of a reason than this helps nobody.
const LONGEST_REASON: usize = 2_000;
/// No command is longer (a shell's argument could not hold it).
const LONGEST_COMMAND: usize = 128 << 10;

/// How a hook ended, and what it said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; `None`: it died by a signal.
    pub status: Option<i32>,
    /// Standard output, bounded.
    pub output: Vec<u8>,
    /// Whether there was more of it.
    pub too_long: bool,
    /// Standard error, bounded.
    pub errors: Vec<u8>,
}

/// What a hook answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its word, if it gave one.
    pub word: Option<Word>,
    /// Why.
    pub reason: String,
    /// The command that is to run instead.
    pub command: Option<String>,
    /// What it wants said besides.
    pub says: Vec<String>,
}

/// The answer of a hook that ended by itself; `Err` says how it failed.
pub fn read(event: Event, ended: &Ended) -> Result<Answer, String> {
    match ended.status {
        Some(REFUSES) => Ok(Answer {
            word: Some(Word::Refuse),
            reason: bounded(&String::from_utf8_lossy(&ended.errors)),
            ..Answer::default()
        }),
        Some(0) => said(event, ended),
        Some(status) => {
            let errors = bounded(&String::from_utf8_lossy(&ended.errors));
            let errors = if errors.is_empty() { errors } else { format!(": {errors}") };
            Err(format!("ended with status {status}{errors}"))
        }
        None => Err("died by a signal".to_owned()),
    }
}

fn said(event: Event, ended: &Ended) -> Result<Answer, String> {
    let output = ended.output.trim_ascii();
    // Anything that is not meant as JSON is for nobody here.
    if !output.starts_with(b"{") {
        return Ok(Answer::default());
    }
    if ended.too_long {
        return Err("gave an answer that is too long".to_owned());
    }
    let value: Value =
        serde_json::from_slice(output).map_err(|error| format!("gave an answer that is no JSON: {error}"))?;
    let mut answer = Answer::default();
    if let Some(says) = text(&value, "systemMessage")? {
        answer.says.push(bounded(says));
    }
    answer.hear(old_word(&value)?, text(&value, "reason")?);
    specific(event, &value, &mut answer)?;
    match value.get("continue") {
        None | Some(Value::Bool(true) | Value::Null) => {}
        Some(Value::Bool(false)) => {
            answer.hear(Some(Word::Refuse), text(&value, "stopReason")?.or(text(&value, "reason")?));
        }
        Some(_) => return Err(wrong("continue")),
    }
    Ok(answer)
}

/// `hookSpecificOutput`.
fn specific(event: Event, value: &Value, answer: &mut Answer) -> Result<(), String> {
    let Some(part) = value.get("hookSpecificOutput").filter(|part| !part.is_null()) else { return Ok(()) };
    if !part.is_object() {
        return Err(wrong("hookSpecificOutput"));
    }
    if let Some(name) = text(part, "hookEventName")?
        && name != event.name()
    {
        return Err(format!("answered another event, {}", bounded(name)));
    }
    if let Some(says) = text(part, "additionalContext")? {
        answer.says.push(bounded(says));
    }
    if event == Event::After {
        return Ok(());
    }
    answer.hear(new_word(part)?, text(part, "permissionDecisionReason")?);
    if let Some(input) = part.get("updatedInput").filter(|input| !input.is_null()) {
        if !input.is_object() {
            return Err(wrong("updatedInput"));
        }
        if let Some(command) = text(input, "command")? {
            if command.contains('\0') || command.len() > LONGEST_COMMAND {
                return Err("wants a command that cannot be run".to_owned());
            }
            answer.command = Some(command.to_owned());
        }
    }
    Ok(())
}

/// `decision`, the older spelling.
fn old_word(value: &Value) -> Result<Option<Word>, String> {
    Ok(match text(value, "decision")? {
        None => None,
        Some("approve") => Some(Word::Allow),
        Some("block" | "deny") => Some(Word::Refuse),
        Some(_) => return Err(wrong("decision")),
    })
}

/// `permissionDecision`. What is put off until somebody decides is asked about.
fn new_word(part: &Value) -> Result<Option<Word>, String> {
    Ok(match text(part, "permissionDecision")? {
        None => None,
        Some("allow") => Some(Word::Allow),
        Some("ask" | "defer") => Some(Word::Ask),
        Some("deny") => Some(Word::Refuse),
        Some(_) => return Err(wrong("permissionDecision")),
    })
}

impl Answer {
    /// The stricter word stands, with its own reason.
    fn hear(&mut self, word: Option<Word>, reason: Option<&str>) {
        if word > self.word {
            self.word = word;
            self.reason = reason.map(bounded).unwrap_or_default();
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Result<Option<&'v str>, String> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(key)),
    }
}

fn wrong(key: &str) -> String {
    format!("gave an answer whose {key} is none that is known")
}

/// Several lines as one, and not too long.
fn bounded(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join(" | ");
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: i32, output: &str, errors: &str) -> Ended {
        Ended {
            status: Some(status),
            output: output.into(),
            too_long: false,
            errors: errors.as_bytes().to_vec(),
        }
    }

    fn before(output: &str) -> Result<Answer, String> {
        read(Event::Before, &ended(0, output, "said on the way"))
    }

    fn word(output: &str) -> (Option<Word>, String) {
        let answer = before(output).unwrap();
        (answer.word, answer.reason)
    }

    #[test]
    fn the_status_decides_and_standard_error_is_the_reason() {
        let refused = read(Event::Before, &ended(2, "{\"decision\":\"approve\"}", "no\n  more\n")).unwrap();
        assert_eq!((refused.word, refused.reason.as_str()), (Some(Word::Refuse), "no | more"));
        assert_eq!(read(Event::Before, &ended(1, "", "")), Err("ended with status 1".into()));
        let missing = read(Event::Before, &ended(127, "", "x: not found\n"));
        assert_eq!(missing, Err("ended with status 127: x: not found".into()));
        let killed = Ended { status: None, ..Ended::default() };
        assert_eq!(read(Event::Before, &killed), Err("died by a signal".into()));
    }

    #[test]
    fn both_spellings_are_understood_and_the_stricter_word_stands() {
        let specific = |word: &str| {
            format!(
                r#"{{"hookSpecificOutput":{{"hookEventName":"PreToolUse","permissionDecision":"{word}","permissionDecisionReason":"r"}}}}"#
            )
        };
        assert_eq!(word(r#"{"decision":"approve","reason":"r"}"#), (Some(Word::Allow), "r".into()));
        assert_eq!(word(r#"{"decision":"block","reason":"r"}"#), (Some(Word::Refuse), "r".into()));
        for (spelled, wanted) in
            [("allow", Word::Allow), ("ask", Word::Ask), ("defer", Word::Ask), ("deny", Word::Refuse)]
        {
            assert_eq!(word(&specific(spelled)), (Some(wanted), "r".into()));
        }
        assert_eq!(
            word(
                r#"{"decision":"block","reason":"old","hookSpecificOutput":{"permissionDecision":"allow","permissionDecisionReason":"new"}}"#
            ),
            (Some(Word::Refuse), "old".into())
        );
        assert_eq!(
            word(r#"{"continue":false,"stopReason":"stop","decision":"approve"}"#),
            (Some(Word::Refuse), "stop".into())
        );
        assert_eq!(word(r#"  {"continue":true,"suppressOutput":true} "#), (None, String::new()));
    }

    #[test]
    fn what_is_no_json_is_no_answer_and_what_is_half_one_is_a_failure() {
        for text in ["", "ok\n", "[1]", "approve", "null", "\u{1b}[2J"] {
            assert_eq!(before(text), Ok(Answer::default()), "{text:?}");
        }
        for text in [
            "{",
            "{} {}",
            r#"{"decision":"perhaps"}"#,
            r#"{"decision":1}"#,
            r#"{"continue":"no"}"#,
            r#"{"hookSpecificOutput":[]}"#,
            r#"{"hookSpecificOutput":{"permissionDecision":"Allow"}}"#,
            r#"{"hookSpecificOutput":{"hookEventName":"PostToolUse","permissionDecision":"allow"}}"#,
            r#"{"hookSpecificOutput":{"updatedInput":"ls"}}"#,
            r#"{"hookSpecificOutput":{"updatedInput":{"command":["ls"]}}}"#,
            "{\"hookSpecificOutput\":{\"updatedInput\":{\"command\":\"a\\u0000b\"}}}",
        ] {
            assert!(before(text).is_err(), "{text}");
        }
        let long = Ended { too_long: true, ..ended(0, r#"{"decision":"approve"}"#, "") };
        assert_eq!(read(Event::Before, &long), Err("gave an answer that is too long".into()));
    }

    #[test]
    fn another_command_and_words_to_say_are_taken() {
        let answer = before(
            r#"{"systemMessage":"a","hookSpecificOutput":{"additionalContext":"b\nc","updatedInput":{"command":"ls -l","timeout":3}}}"#,
        );
        let answer = answer.unwrap();
        assert_eq!((answer.word, answer.command.as_deref()), (None, Some("ls -l")));
        assert_eq!(answer.says, ["a", "b | c"]);
        let after = r#"{"decision":"block","reason":"r","hookSpecificOutput":{"hookEventName":"PostToolUse","additionalContext":"c","permissionDecision":"allow","updatedInput":{"command":"x"}}}"#;
        let answer = read(Event::After, &ended(0, after, "")).unwrap();
        assert_eq!((answer.word, answer.command, answer.says), (Some(Word::Refuse), None, vec!["c".into()]));
    }

    #[test]
    fn a_long_reason_is_cut() {
        let answer = read(Event::Before, &ended(2, "", &"ä".repeat(5_000))).unwrap();
        assert_eq!(answer.reason.chars().count(), LONGEST_REASON + 3);
    }
}
