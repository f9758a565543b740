//! What both sides of the approver console say to each other: one line of JSON each way. Pure.

use super::PERSON;
use crate::approval::question::{Answer, Choice, Kind, NetworkTarget, PathTarget, Question};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The JSON that programs get, with the command's bytes where they are no text.
pub(super) fn question_line(question: &Question) -> String {
    let mut value = question.json();
    if std::str::from_utf8(&question.command).is_err()
        && let Some(object) = value.as_object_mut()
    {
        object.insert("bytes".to_owned(), question.command.clone().into());
    }
    format!("{value}\n")
}

#[derive(Deserialize)]
struct Asked {
    kind: String,
    command: String,
    bytes: Option<Vec<u8>>,
    cwd: PathBuf,
    rule: Option<String>,
    origin: Option<String>,
    why: String,
    argv: Option<Vec<String>>,
    choices: Vec<String>,
    host: Option<String>,
    port: Option<u16>,
    program: Option<String>,
    path: Option<String>,
    call: Option<String>,
}

/// The question of a line. A choice that is not known here is not offered; a kind that is not known is no question.
pub(super) fn question(line: &[u8]) -> Option<Question> {
    let asked: Asked = serde_json::from_slice(line).ok()?;
    let kinds =
        [Kind::Command, Kind::Outside, Kind::Trust, Kind::Network, Kind::Write, Kind::Read, Kind::Socket];
    let kind = kinds.into_iter().find(|kind| kind.name() == asked.kind)?;
    let place = match (asked.path, asked.call, asked.program.clone()) {
        (Some(path), Some(call), Some(program)) => Some(PathTarget { call, path, program }),
        _ => None,
    };
    if matches!(kind, Kind::Write | Kind::Read | Kind::Socket) && place.is_none() {
        return None;
    }
    let target = match (asked.host, asked.port) {
        (Some(host), Some(port)) => Some(NetworkTarget { host, port, program: asked.program }),
        _ => None,
    };
    if kind == Kind::Network && target.is_none() {
        return None;
    }
    let offered = |choice: &Choice| asked.choices.iter().any(|word| word == choice.name());
    Some(Question {
        kind,
        command: asked.bytes.unwrap_or_else(|| asked.command.into_bytes()),
        cwd: asked.cwd,
        rule: asked.rule,
        origin: asked.origin,
        why: asked.why,
        argv: asked.argv,
        target,
        targets_too: Vec::new(),
        place,
        choices: Choice::ALL.into_iter().filter(offered).collect(),
    })
}

/// The answer as a line.
pub(super) fn answer_line(answer: &Answer) -> String {
    format!("{}\n", json!({ "answer": answer.name() }))
}

/// The answer of a complete line; `None` for anything else.
pub(super) fn answer(line: &[u8]) -> Option<Answer> {
    let line = line.strip_suffix(b"\n")?;
    let value: Value = serde_json::from_slice(line).ok()?;
    match value.get("answer")?.as_str()? {
        "no" => Some(Answer::No { by: format!("{PERSON} said no") }),
        word => {
            Choice::ALL.into_iter().find(|choice| choice.name() == word).map(|choice| choice.answer(PERSON))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_come_back_as_they_were() {
        for given in [
            Question::for_test("a\nb"),
            Question { argv: Some(vec!["x y".to_owned()]), ..Question::for_test("x") },
            Question::for_test_network("curl", "x.org", Some("/usr/bin/curl")),
            Question::for_test_path("make", "/etc/x"),
            Question { command: b"\xff\n".to_vec(), ..Question::for_test("") },
        ] {
            let line = question_line(&given);
            assert_eq!(line.find('\n'), Some(line.len() - 1));
            let read = question(line.trim_end().as_bytes()).unwrap();
            assert_eq!((read.lines(), read.choices, read.kind), (given.lines(), given.choices, given.kind));
        }
    }

    #[test]
    fn what_is_not_known_is_not_offered() {
        let line = question_line(&Question::for_test("ls"));
        let newer = line.replace("\"once\"", "\"twice\"");
        assert_eq!(question(newer.as_bytes()).unwrap().choices, [Choice::Session, Choice::Always]);
        assert!(question(line.replace("\"kind\":\"command\"", "\"kind\":\"network\"").as_bytes()).is_none());
        assert!(question(line.replace("\"kind\":\"command\"", "\"kind\":\"new\"").as_bytes()).is_none());
    }

    #[test]
    fn only_a_complete_line_answers() {
        let no = Answer::No { by: "the person at the approver console said no".to_owned() };
        let never = Answer::Never { by: "the person at the approver console said never".to_owned() };
        for given in [Answer::Once, Answer::Session, Answer::Always, Answer::AlwaysUser, never, no] {
            let line = answer_line(&given);
            assert_eq!(answer(line.as_bytes()), Some(given));
            assert_eq!(answer(line.trim_end().as_bytes()), None);
        }
        for other in ["", "\n", "{}\n", "once\n", "{\"answer\":\"yes\"}\n", "{\"answer\":true}\n"] {
            assert_eq!(answer(other.as_bytes()), None, "{other:?}");
        }
    }
}
