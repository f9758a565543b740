//! What the lines of one command have in common, and every place that they go to.
//!
//! Owns the command's id, by which lines can be joined. Must not decide what is worth a line.

#[cfg(target_os = "linux")]
use super::otlp;
use super::redact::redact;
use super::syslog::{self, Syslog};
use super::{Event, Log, Scribe};
use crate::policy::{AuditPolicy, Collector};
use serde_json::{Map, Value, json};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of a command's text in its own line.
const MOST_TEXT: usize = 16 << 10;
/// The same in the other lines: they have the id.
const MOST_AGAIN: usize = 500;

/// Writes a command's lines.
#[derive(Debug, Clone)]
pub struct Pen {
    /// The id.
    pub id: String,
    log: Option<Log>,
    syslog: bool,
    collector: Option<Collector>,
}

impl Pen {
    /// For a command that begins now; where its lines go besides the file is not known yet.
    pub fn new(state: Option<&Path>) -> Pen {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let id = format!("{now:x}-{:x}", std::process::id());
        Pen { id, log: state.map(Log::of), syslog: false, collector: None }
    }

    /// Writes a line that belongs to no command, everywhere where settings want lines.
    ///
    /// # Errors
    /// As for [`Pen::note`].
    pub fn note_alone(
        state: Option<&Path>,
        policy: Option<&AuditPolicy>,
        event: Event,
        fields: Value,
    ) -> io::Result<()> {
        let mut pen = Pen::new(state);
        policy.into_iter().for_each(|policy| pen.follow(policy));
        pen.note(event, fields)?;
        pen.send_on();
        Ok(())
    }

    /// By what settings say.
    pub fn follow(&mut self, policy: &AuditPolicy) {
        self.syslog = policy.syslog.value;
        self.collector = policy.collector.as_ref().map(|collector| collector.value.clone());
    }

    /// Whether lines go anywhere.
    pub fn is_on(&self) -> bool {
        self.log.is_some() || self.syslog
    }

    /// The file, if there is a home directory for it.
    pub fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// Writes one line, and sends it to the log daemon.
    ///
    /// # Errors
    /// What writing gives. What the daemon does not take is lost there.
    pub fn note(&self, event: Event, fields: Value) -> io::Result<()> {
        self.note_all(vec![(event, fields)])
    }

    /// As [`Pen::note`], several in one piece.
    ///
    /// # Errors
    /// As for one; then none of them is in the log.
    pub fn note_all(&self, lines: Vec<(Event, Value)>) -> io::Result<()> {
        let entries: Vec<Value> =
            lines.into_iter().map(|(event, fields)| self.entry(event, fields)).collect();
        if let Some(Ok(syslog)) = self.syslog() {
            entries.iter().for_each(|entry| drop(syslog.send(entry)));
        }
        self.log.as_ref().map_or(Ok(()), |log| log.note_all(&entries).map(drop))
    }

    /// The line as it will be, but for what the log puts in front.
    pub fn entry(&self, event: Event, fields: Value) -> Value {
        let mut entry = Map::new();
        entry.insert("event".into(), event.name().into());
        entry.insert("id".into(), self.id.clone().into());
        if let Value::Object(fields) = fields {
            entry.extend(fields.into_iter().filter(|(key, _)| key != "time"));
        }
        Value::Object(entry)
    }

    /// For many lines.
    pub fn scribe(&self) -> Option<Scribe> {
        self.log.clone().map(Scribe::of)
    }

    /// The way to the log daemon, where settings want it.
    pub fn syslog(&self) -> Option<io::Result<Syslog>> {
        self.syslog.then(|| Syslog::to(Path::new(syslog::SOCKET)))
    }

    /// Lets what was written be sent to the collector; where no command runs, there is nothing.
    #[cfg(not(target_os = "linux"))]
    pub fn send_on(&self) {
        let _ = &self.collector;
    }

    /// Lets what was written be sent to the collector, by a process that nobody waits for.
    #[cfg(target_os = "linux")]
    pub fn send_on(&self) {
        if let (Some(log), Some(collector)) = (&self.log, &self.collector) {
            otlp::start(log, collector);
        }
    }
}

/// A command's text for its own line: what is no text escaped, secrets blotted out, and cut where it is very long.
pub fn whole(text: &[u8]) -> Value {
    let (text, length) = shown(text, MOST_TEXT);
    match length {
        Some(length) => json!({ "command": text, "command_bytes": length }),
        None => json!({ "command": text }),
    }
}

/// The same for every other line of the command.
pub fn short(text: &[u8]) -> String {
    shown(text, MOST_AGAIN).0
}

/// At most so many bytes, and how many there were if that is less. What is cut off is not looked at; what is kept ends
/// before a word that was cut, lest half of a secret pass for none.
fn shown(bytes: &[u8], most: usize) -> (String, Option<usize>) {
    let mut text = String::with_capacity(bytes.len().min(2 * most));
    for chunk in bytes.get(..bytes.len().min(2 * most)).unwrap_or(bytes).utf8_chunks() {
        use std::fmt::Write;
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    let mut text = redact(&text);
    if text.len() <= most && bytes.len() <= 2 * most {
        return (text, None);
    }
    let end = (0..=most.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.truncate(end);
    (text, Some(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_bytes_that_are_none_are_seen() {
        assert_eq!(short(b"a\xff\nb"), "a\\xff\nb");
        assert_eq!(whole(b"X_TOKEN=1 a"), json!({ "command": "X_TOKEN=*** a" }));
        assert_eq!(short("é".repeat(5000).as_bytes()).len(), MOST_AGAIN);
        let long = whole(&vec![b'a'; 100_000]);
        assert_eq!(
            (long["command"].as_str().unwrap().len(), &long["command_bytes"]),
            (MOST_TEXT, &json!(100_000))
        );
        // A secret that the cut goes through.
        let text = format!("{} --password {}", "x".repeat(MOST_AGAIN - 15), "s3cret".repeat(200));
        assert!(!short(text.as_bytes()).contains("s3"));
    }

    #[test]
    fn a_line_has_the_commands_id_and_no_time_of_its_own() {
        let top = tempfile::tempdir().unwrap();
        let pen = Pen::new(Some(top.path()));
        pen.note(Event::Trust, json!({ "time": 5, "what": "given" })).unwrap();
        let line = std::fs::read_to_string(pen.log().unwrap().path()).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["time"].as_f64().unwrap() > 1e9);
        assert_eq!(
            (&line["event"], &line["id"], &line["what"]),
            (&json!("trust"), &json!(pen.id), &json!("given"))
        );
        assert!(Pen::new(None).note(Event::Trust, json!({})).is_ok());
    }
}
