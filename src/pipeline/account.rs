//! The account of one run for programs: one line of JSON on the descriptor that `--report-fd` or `SBSH_REPORT` names.
//!
//! Owns its shape. The descriptor is the caller's and stays out of the sandbox.

use super::Stop;
use super::stop::words;
use crate::caller::Caller;
use crate::run::Outcome;
use crate::system::descriptors;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

/// Where the account goes, if anywhere.
#[derive(Debug)]
pub struct Account(Option<File>);

impl Account {
    /// By the option, else by the variable; a number that is not open is none.
    pub fn open(option: Option<i32>, caller: &Caller) -> Account {
        let variable = || caller.variable("SBSH_REPORT")?.to_str()?.parse::<i32>().ok();
        let number = option.or_else(variable).filter(|&number| number > 2);
        let descriptor = number.and_then(descriptors::own);
        Account(descriptor.map(|descriptor| {
            descriptors::set_inherited(descriptor.as_raw_fd(), false);
            File::from(descriptor)
        }))
    }

    /// Whether anybody reads it.
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// The command ran.
    pub fn ended(&mut self, outcome: &Outcome) {
        let (status, signal) = outcome.ending.parts();
        let violations = outcome.violations.iter().map(|violation| {
            let mut value = serde_json::to_value(violation).unwrap_or_default();
            if let Some(fields) = value.as_object_mut() {
                fields.insert("allow".into(), violation.advice().into());
            }
            value
        });
        let hosts = outcome.blocked.iter().map(
            |blocked| json!({ "what": blocked.what, "program": blocked.program, "advice": blocked.advice }),
        );
        let swept = outcome.swept.iter().map(|swept| {
            let moved = swept.moved.as_ref().map(|place| place.display().to_string());
            json!({
                "path": swept.path.display().to_string(),
                "why": swept.why,
                "moved_to": moved.as_ref().ok(),
                "not_moved": moved.as_ref().err(),
            })
        });
        self.write(&json!({
            "ran": true,
            "status": status,
            "signal": signal,
            "violations": violations.collect::<Vec<Value>>(),
            "connections": hosts.collect::<Vec<Value>>(),
            "outside": outcome.unheard,
            "swept": swept.collect::<Vec<Value>>(),
        }));
    }

    /// Nothing ran.
    pub fn stopped(&mut self, stop: &Stop) {
        self.write(&json!({ "ran": false, "why": words(stop) }));
    }

    /// Once. Nobody who reads is no reason to do anything else than without.
    fn write(&mut self, account: &Value) {
        if let Some(mut file) = self.0.take() {
            let _ = file.write_all(format!("{account}\n").as_bytes());
        }
    }
}
