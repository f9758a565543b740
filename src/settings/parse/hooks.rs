//! The `hooks` of a settings file. Owns the types in it; of other events and tools nothing is looked at.

use super::super::hooks::{Event, Hook, Matched, Runs, means_commands, patience};
use super::super::values::sourced;
use super::{ParseError, Reader};
use serde_json::value::RawValue;

impl Reader<'_> {
    pub(super) fn hooks(&mut self, value: &RawValue) -> Result<(), ParseError> {
        for (name, value) in self.object(value, "hooks")?.0 {
            let Some(event) = Event::named(&name) else { continue };
            let groups: Vec<&RawValue> = self.part(value, event.key(), "a list of objects")?;
            for group in groups {
                self.group(event, group)?;
            }
        }
        Ok(())
    }

    /// One matcher with its hooks.
    fn group(&mut self, event: Event, group: &RawValue) -> Result<(), ParseError> {
        let key = event.key();
        let fields = self.object(group, key)?.0;
        let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let matcher: Option<Option<String>> = field("matcher")
            .map(|value| self.part(value, &format!("{key}.matcher"), "a string"))
            .transpose()?;
        let matcher = matcher.flatten();
        let matched = means_commands(matcher.as_deref());
        if matched == Matched::No {
            return Ok(());
        }
        let Some(list) = field("hooks") else {
            return Err(self.not(group, &format!("{key} has no \"hooks\""), "a list \"hooks\" of objects"));
        };
        let list: Vec<&RawValue> = self.part(list, &format!("{key}.hooks"), "a list of objects")?;
        for entry in list {
            let unclear = matcher.clone().filter(|_| matched == Matched::Unclear);
            self.hook(event, unclear, entry)?;
        }
        Ok(())
    }

    fn hook(&mut self, event: Event, unclear: Option<String>, entry: &RawValue) -> Result<(), ParseError> {
        let key = format!("{}.hooks", event.key());
        let fields = self.object(entry, &key)?.0;
        let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let text = |wanted: &str| -> Result<Option<String>, ParseError> {
            let read = |value| self.part(value, &format!("{key}.{wanted}"), "a string");
            field(wanted).map(read).transpose()
        };
        let flag = |wanted: &str| -> Result<bool, ParseError> {
            let read = |value| self.part(value, &format!("{key}.{wanted}"), "true or false");
            Ok(field(wanted).map(read).transpose()?.unwrap_or(false))
        };
        let Some(kind) = text("type")? else {
            return Err(self.not(entry, &format!("{key} has no \"type\""), "\"type\": \"command\""));
        };
        let waited_for = !flag("async")? && !flag("asyncRewake")?;
        let (runs, at) = if kind == "command" {
            let (Some(command), Some(at)) = (text("command")?, field("command")) else {
                return Err(self.not(entry, &format!("{key} has no \"command\""), "a \"command\""));
            };
            let args: Option<Vec<String>> = field("args")
                .map(|value| self.part(value, &format!("{key}.args"), "a list of strings"))
                .transpose()?;
            (runs(command, args, text("shell")?), at)
        } else {
            (Runs::Foreign(format!("type \"{kind}\"")), entry)
        };
        let timeout: Option<f64> = field("timeout")
            .map(|value| self.part(value, &format!("{key}.timeout"), "a number of seconds"))
            .transpose()?;
        let Some(timeout) = patience(timeout) else {
            let value = field("timeout").unwrap_or(entry);
            return Err(self.not(value, &format!("{key}.timeout"), "more than 0 seconds"));
        };
        let hook = Hook {
            event,
            runs,
            timeout,
            condition: text("if")?,
            waited_for,
            must_work: text("onFailure")?.is_some_and(|word| word == "block"),
            unclear,
        };
        self.values.hooks.push(sourced(self.source, self.offset(at), hook));
        Ok(())
    }

    fn part<'v, T: serde::Deserialize<'v>>(
        &self,
        value: &'v RawValue,
        key: &str,
        expected: &str,
    ) -> Result<T, ParseError> {
        serde_json::from_str(value.get()).map_err(|_| {
            let shown: String = value.get().chars().take(40).collect();
            self.not(value, &format!("\"{key}\" is {}", shown.escape_debug()), expected)
        })
    }

    fn not(&self, value: &RawValue, what: &str, expected: &str) -> ParseError {
        ParseError { offset: self.offset(value), what: format!("{what}, expected {expected}") }
    }
}

fn runs(command: String, args: Option<Vec<String>>, shell: Option<String>) -> Runs {
    if let Some(args) = args {
        return Runs::Program(std::iter::once(command).chain(args).collect());
    }
    match shell.as_deref() {
        None => Runs::Text { text: command, bash: false },
        Some("bash") => Runs::Text { text: command, bash: true },
        Some(other) => Runs::Foreign(format!("shell \"{other}\"")),
    }
}
