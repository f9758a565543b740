//! The same lines to a collector, by OTLP over HTTP in its JSON form (`sandbox.audit.otlp`).
//!
//! Owns how far was sent: the log itself is the queue, so what a collector missed goes with a later command. Nobody waits
//! for it: an orphan of its own sends, one at a time, for a few seconds at most. A failure is kept in `audit.otlp`, for
//! `sbshctl status`.

use super::files::first_number;
use super::{Log, chain};
use crate::policy::Collector;
use crate::system::{descriptors, process};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper_util::rt::TokioIo;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One request, from looking the host up to the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// All of them together.
const ALL: Duration = Duration::from_secs(10);
/// A collector that failed is left alone for so long.
const PAUSE: u64 = 10;
/// Lines and bytes of one request, about.
const MOST_LINES: usize = 500;
const MOST_BYTES: usize = 1 << 20;

/// The number of a file's first line, and bytes of it.
type Place = (u64, u64);

/// How far was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The collector.
    pub url: String,
    /// The number of the last line that it took.
    pub last: u64,
    /// Where to read on.
    place: Place,
    /// When it failed last, in seconds since 1970, and why; none once it took something again.
    pub failed: Option<(u64, String)>,
}

impl Sent {
    /// What the file says.
    pub fn read(log: &Log) -> Option<Sent> {
        // A crash may have left the end of a longer text behind it.
        serde_json::Deserializer::from_slice(&std::fs::read(path(log)).ok()?).into_iter().next()?.ok()
    }
}

fn path(log: &Log) -> PathBuf {
    log.path().with_extension("otlp")
}

/// Lets an orphan send what was not sent yet.
pub fn start(log: &Log, collector: &Collector) {
    let begun = matches!(Sent::read(log), Some(sent) if sent.url == collector.url);
    // For a new collector, what this command wrote is the beginning.
    let from = if begun { 0 } else { super::head::Head::read(&log.head()).map_or(0, |head| head.last) };
    match process::fork() {
        Ok(process::Fork::Parent(child)) => process::reap(child),
        Ok(process::Fork::Child) => {
            let _ = nix::unistd::setsid();
            descriptors::close_all_but(&[]);
            if let Ok(process::Fork::Child) = process::fork() {
                let _ = send(log, collector, from);
            }
            process::exit_now(0)
        }
        // The next command's lines take these along.
        Err(_) => {}
    }
}

/// Sends all that is there, unless another process does.
///
/// # Errors
/// What keeping the place gives.
fn send(log: &Log, collector: &Collector, from: u64) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        let mut options = OpenOptions::new();
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let Ok(turn) = Flock::lock(options.open(path(log))?, FlockArg::LockExclusiveNonblock) else {
            // Whoever sends looks once more after letting go.
            return Ok(());
        };
        let mut sent = Sent::read(log).filter(|sent| sent.url == collector.url).unwrap_or_else(|| Sent {
            url: collector.url.clone(),
            last: from.saturating_sub(1),
            ..Sent::default()
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if sent.failed.as_ref().is_some_and(|(at, _)| now.saturating_sub(*at) < PAUSE) {
            return Ok(());
        }
        while begun.elapsed() < ALL {
            let (lines, place) = waiting(log, &sent)?;
            let Some(last) = lines.last().map(|(number, _)| *number) else { break };
            let entries: Vec<&Value> = lines.iter().map(|(_, entry)| entry).collect();
            match post(collector, request(&entries).to_string()) {
                Ok(()) => sent = Sent { last, place, failed: None, ..sent },
                Err(why) => {
                    sent.failed = Some((now, why));
                    return keep(&turn, &sent);
                }
            }
            keep(&turn, &sent)?;
        }
        drop(turn);
        let all = super::head::Head::read(&log.head()).map_or(0, |head| head.last);
        if all <= sent.last || begun.elapsed() > ALL {
            return Ok(());
        }
    }
}

fn keep(file: &File, sent: &Sent) -> io::Result<()> {
    let text = serde_json::to_vec(sent)?;
    file.write_all_at(&text, 0)?;
    file.set_len(text.len() as u64)
}

/// Lines that were not sent, with their numbers, and where to read on behind them.
fn waiting(log: &Log, sent: &Sent) -> io::Result<(Vec<(u64, Value)>, Place)> {
    let (mut lines, mut bytes, mut place) = (Vec::new(), 0, sent.place);
    let firsts = log.files().into_iter().map(|path| (first_number(&path).unwrap_or(0), path));
    let files: Vec<_> = firsts.collect();
    // Files whose lines were all sent are not read.
    let start = files.iter().rposition(|(first, _)| *first <= sent.last + 1).unwrap_or(0);
    for (first, path) in files.into_iter().skip(start) {
        let mut reader = BufReader::new(File::open(&path)?);
        let mut line = Vec::new();
        let known = if first == sent.place.0 { sent.place.1 } else { 0 };
        let mut at = reader.seek(SeekFrom::Start(known))?;
        while reader.by_ref().take(MOST_BYTES as u64).read_until(b'\n', &mut line)? > 0
            && line.ends_with(b"\n")
        {
            at += line.len() as u64;
            if let Some(number) = number(&line).filter(|number| *number > sent.last)
                && let Ok(entry) = serde_json::from_slice(&line)
            {
                bytes += line.len();
                lines.push((number, entry));
                place = (first, at);
            }
            line.clear();
            if lines.len() >= MOST_LINES || bytes >= MOST_BYTES {
                return Ok((lines, place));
            }
        }
    }
    Ok((lines, place))
}

fn number(line: &[u8]) -> Option<u64> {
    chain::links(line.strip_suffix(b"\n")?).map(|links| links.seq)
}

/// One request to the collector; why it did not take the lines.
fn post(collector: &Collector, body: String) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|e| words(&e))?;
    let answered = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            let stream = tokio::net::TcpStream::connect(&collector.authority).await.map_err(|e| words(&e))?;
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = handshake.map_err(|e| words(&e))?;
            tokio::spawn(connection);
            let request = Request::post(&collector.path)
                .header("host", &collector.authority)
                .header("user-agent", concat!("sbsh/", env!("CARGO_PKG_VERSION")))
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(body)))
                .map_err(|e| words(&e))?;
            sender.send_request(request).await.map(|answer| answer.status()).map_err(|e| words(&e))
        })
        .await
    });
    // A resolver that does not answer is not waited for.
    runtime.shutdown_background();
    match answered {
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) => Err(format!("it answered {status}")),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
    }
}

/// A request of these entries.
fn request(entries: &[&Value]) -> Value {
    let records: Vec<Value> = entries.iter().map(|entry| record(entry)).collect();
    json!({ "resourceLogs": [{
        "resource": { "attributes": [
            attribute("service.name", &"sbsh".into()),
            attribute("service.version", &env!("CARGO_PKG_VERSION").into()),
        ] },
        "scopeLogs": [{ "scope": { "name": "sbsh.audit" }, "logRecords": records }],
    }] })
}

/// One entry: its fields as attributes, its event as name and body.
fn record(entry: &Value) -> Value {
    let time = entry.get("time").and_then(Value::as_f64).unwrap_or_default();
    let time = (time * 1000.0).round() as u64 * 1_000_000;
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let (number, word) = if super::is_weighty(entry) { (13, "WARN") } else { (9, "INFO") };
    let fields = entry.as_object().into_iter().flatten();
    let fields = fields.filter(|(key, value)| *key != "time" && !value.is_null());
    json!({
        "timeUnixNano": time.to_string(),
        "severityNumber": number,
        "severityText": word,
        "eventName": format!("sbsh.{}", text("event")),
        "body": { "stringValue": text("event") },
        "attributes": fields.map(|(key, value)| attribute(key, value)).collect::<Vec<_>>(),
    })
}

fn attribute(key: &str, value: &Value) -> Value {
    json!({ "key": key, "value": any(value) })
}

/// A value as OTLP has it: 64-bit numbers are text in JSON.
fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Array(all) => json!({ "arrayValue": { "values": all.iter().map(any).collect::<Vec<_>>() } }),
        Value::Object(all) => {
            let values: Vec<Value> = all.iter().map(|(key, value)| attribute(key, value)).collect();
            json!({ "kvlistValue": { "values": values } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// Takes requests and gives each the next of these answers; the bodies.
    fn collector(answers: Vec<&'static str>) -> (Collector, std::thread::JoinHandle<Vec<Value>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut bodies = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let (mut length, mut line) = (0, String::new());
                while reader.read_line(&mut line).unwrap() > 2 {
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                bodies.push(serde_json::from_slice(&body).unwrap());
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\n\r\n{{}}");
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
            bodies
        });
        (Collector::parse(&url).unwrap(), thread)
    }

    fn numbers(body: &Value) -> Vec<u64> {
        let records = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
        let number = |record: &Value| {
            let all = record["attributes"].as_array().unwrap();
            let found = all.iter().find(|attribute| attribute["key"] == "number").unwrap();
            found["value"]["intValue"].as_str().unwrap().parse().unwrap()
        };
        records.iter().map(number).collect()
    }

    #[test]
    fn every_line_is_sent_once_over_all_files_also_after_failures() {
        let top = tempfile::tempdir().unwrap();
        let log = Log { most: 20_000, ..Log::of(top.path()) };
        let write = |range: std::ops::Range<u64>| {
            for number in range {
                log.note(&json!({ "event": "command", "number": number })).unwrap();
            }
        };
        write(0..3);
        let (to, thread) = collector(vec!["200 OK", "503 Service Unavailable", "200 OK", "200 OK"]);
        send(&log, &to, 2).unwrap();
        write(3..6);
        send(&log, &to, 0).unwrap();
        let mut sent = Sent::read(&log).unwrap();
        assert_eq!(
            (sent.last, sent.failed.as_ref().unwrap().1.as_str()),
            (3, "it answered 503 Service Unavailable")
        );
        // It is left alone for a while.
        send(&log, &to, 0).unwrap();
        sent.failed = Some((1, "long ago".into()));
        std::fs::write(path(&log), serde_json::to_vec(&sent).unwrap()).unwrap();
        write(6..700);
        send(&log, &to, 0).unwrap();
        let bodies: Vec<Vec<u64>> = thread.join().unwrap().iter().map(numbers).collect();
        assert_eq!((&bodies[0], &bodies[1]), (&vec![1, 2], &vec![3, 4, 5]));
        let rest: Vec<u64> = bodies[2..].concat();
        assert_eq!(rest, (3..700).collect::<Vec<_>>());
        let sent = Sent::read(&log).unwrap();
        assert_eq!((sent.last, sent.failed), (700, None));
        // Nothing is left to be sent: nobody listens any more.
        send(&log, &to, 0).unwrap();
        assert_eq!(Sent::read(&log).unwrap().failed, None);
    }

    #[test]
    fn nobody_there_is_kept_as_a_failure() {
        let top = tempfile::tempdir().unwrap();
        let log = Log::of(top.path());
        log.note(&json!({ "number": 1 })).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let to = Collector::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        send(&log, &to, 1).unwrap();
        let sent = Sent::read(&log).unwrap();
        assert!(sent.failed.unwrap().1.contains("refused") && sent.last == 0);
    }

    #[test]
    fn entries_as_otlp_has_them() {
        let entry = json!({ "time": 1700000000.123, "event": "command", "verdict": "denied", "uid": 7, "x": null, "hosts": [{ "ok": true, "part": 0.5 }] });
        assert_eq!(
            record(&entry),
            json!({
                "timeUnixNano": "1700000000123000000",
                "severityNumber": 13,
                "severityText": "WARN",
                "eventName": "sbsh.command",
                "body": { "stringValue": "command" },
                "attributes": [
                    { "key": "event", "value": { "stringValue": "command" } },
                    { "key": "verdict", "value": { "stringValue": "denied" } },
                    { "key": "uid", "value": { "intValue": "7" } },
                    { "key": "hosts", "value": { "arrayValue": { "values": [{ "kvlistValue": { "values": [
                        { "key": "ok", "value": { "boolValue": true } },
                        { "key": "part", "value": { "doubleValue": 0.5 } },
                    ] } }] } } },
                ],
            })
        );
    }
}
