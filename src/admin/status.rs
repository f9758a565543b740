//! `sbshctl status`: the settings that apply here, each with its place.

use super::{print, print_json};
use crate::audit::Log;
#[cfg(target_os = "linux")]
use crate::audit::otlp::Sent;
use crate::caller::{Caller, SESSION};
use crate::pipeline::Stop;
use crate::pipeline::prepare::{self, Prepared};
use crate::policy::{AuditPolicy, Mode, NetworkPolicy, PathPattern, PathRule, Policy, WorkingRoot};
use crate::settings::{Origin, Sourced};
use serde_json::{Value, json};
use std::fmt::Write;

/// The working root in words.
pub fn root_words(policy: &Policy) -> String {
    match &policy.working_root {
        WorkingRoot::At { path, .. } => path.display().to_string(),
        WorkingRoot::None { candidate, why } => format!("none ('{}' {why})", candidate.display()),
    }
}

/// Shows it.
///
/// # Errors
/// Broken settings.
pub fn run(as_json: bool, caller: &Caller) -> Result<i32, Stop> {
    let facts = facts(&prepare::policy(caller)?, caller);
    if as_json { print_json(&facts) } else { print(&text(&facts)) }
}

/// The same for reading.
pub fn page(prepared: &Prepared, caller: &Caller) -> String {
    text(&facts(prepared, caller))
}

fn facts(prepared: &Prepared, caller: &Caller) -> Value {
    let policy = &prepared.policy;
    let files: Vec<Value> = prepared
        .layers
        .layers
        .iter()
        .map(|layer| {
            json!({
                "file": layer.source.path.display().to_string(),
                "scope": layer.source.scope.name(),
                "widens": layer.may_widen,
            })
        })
        .collect();
    let names = caller.environment.iter().filter_map(|(name, _)| name.to_str());
    let removed: Vec<Value> = names
        .filter_map(|name| {
            let origin = policy.environment.removes(name)?;
            Some(json!({ "value": name, "origin": origin.to_string() }))
        })
        .collect();
    let origin = |origin: &Origin| origin.to_string();
    let mode = if policy.mode.value == Mode::AutoAllow { "auto-allow" } else { "regular" };
    json!({
        "enabled": policy.enabled.value,
        "mode": { "value": mode, "origin": origin(&policy.mode.origin) },
        "working_root": root_words(policy),
        "project": policy.project.as_ref().map(|p| p.display().to_string()),
        "files": files,
        "way_out": { "value": policy.way_out.value, "origin": origin(&policy.way_out.origin) },
        "fail_if_unavailable": { "value": policy.fail_if_unavailable.value, "origin": origin(&policy.fail_if_unavailable.origin) },
        "writable": rules(&policy.files.writable),
        "write_denied": rules(&policy.files.write_denied),
        "read_denied": rules(&policy.files.read_denied),
        "read_allowed": rules(&policy.files.read_allowed),
        "excluded": commands(&policy.commands.excluded),
        "deny": commands(&policy.commands.deny),
        "ask": commands(&policy.commands.ask),
        "allow": commands(&policy.commands.allow),
        "hooks": hooks(policy),
        (REMOVED): removed,
        "variables_never_passed": policy.environment.removed.iter().map(sourced).collect::<Vec<_>>(),
        "session": caller.variable(SESSION).map(|token| token.to_string_lossy()),
        "network": network(&policy.network),
        "gatekeeper": gatekeeper(policy, prepared.locations.state_dir.as_deref()),
        "audit": audit(&policy.audit, prepared.locations.state_dir.as_deref()),
        "notices": policy.notices.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(),
    })
}

/// The variables of the present environment that are removed inside: each is told, whoever says it.
const REMOVED: &str = "removed_variables";

fn rules(rules: &[PathRule]) -> Vec<Value> {
    rules
        .iter()
        .map(|rule| {
            let path = match &rule.pattern {
                PathPattern::Literal(path) => path.display().to_string(),
                PathPattern::Glob(glob) => glob.text.clone(),
            };
            json!({ "value": path, "origin": rule.origin.to_string() })
        })
        .collect()
}

fn commands(rules: &[crate::policy::CommandRule]) -> Vec<Value> {
    rules.iter().map(|rule| json!({ "value": rule.shown(), "origin": rule.origin.to_string() })).collect()
}

fn hooks(policy: &Policy) -> Vec<Value> {
    let all = policy.hooks.before.iter().chain(&policy.hooks.after);
    let words = |hook: &crate::settings::Hook| format!("{}: {}", hook.event.name(), hook.shown());
    all.map(|rule| json!({ "value": words(&rule.hook), "origin": rule.origin.to_string() })).collect()
}

/// What is watched, and what that cost lately.
fn gatekeeper(policy: &Policy, state: Option<&std::path::Path>) -> Value {
    #[cfg(target_os = "linux")]
    let cost = state.and_then(super::log::cost);
    #[cfg(not(target_os = "linux"))]
    let cost: Option<(u64, f64, f64)> = state.and(None);
    let cost = cost.map(|(calls, mean, longest)| {
        format!("{calls} calls in the last commands, {mean:.1} us each, {longest:.0} us at most")
    });
    json!({
        "watched": { "value": policy.gatekeeper.value.name(), "origin": policy.gatekeeper.origin.to_string() },
        "cost_of_watching": cost,
    })
}

/// Where the log goes, and what is wrong with that.
fn audit(audit: &AuditPolicy, state: Option<&std::path::Path>) -> Value {
    let log = state.map(Log::of);
    let collector = audit.collector.as_ref();
    let sent = collector.zip(log.as_ref()).and_then(|(collector, log)| sent(log, &collector.value.url));
    json!({
        "log": log.map(|log| log.path().display().to_string()),
        "log_is_required": sourced(&audit.required),
        "log_to_syslog": sourced(&audit.syslog),
        "log_to_collector": collector.map(|said| json!({ "value": said.value.url, "origin": said.origin.to_string() })),
        "collector": sent,
    })
}

/// How far lines were sent to the collector.
#[cfg(target_os = "linux")]
fn sent(log: &Log, url: &str) -> Option<String> {
    let sent = Sent::read(log).filter(|sent| sent.url == url)?;
    Some(match sent.failed {
        Some((time, why)) => {
            format!("entries from {} on wait; it failed {}: {why}", sent.last + 1, super::age(time as f64))
        }
        None => format!("entries up to {} were taken", sent.last),
    })
}

#[cfg(not(target_os = "linux"))]
fn sent(_log: &Log, _url: &str) -> Option<String> {
    None
}

/// What settings say of the network; `null` where they say nothing.
fn network(network: &NetworkPolicy) -> Value {
    let entries = |entries: &[Sourced<String>]| entries.iter().map(sourced).collect::<Vec<_>>();
    let asks = network.managed_only.is_none() && !network.strict.as_ref().is_some_and(|strict| strict.value);
    let unknown = match &network.managed_only {
        Some(origin) => json!({ "value": "refused", "origin": origin.to_string() }),
        None => json!({
            "value": if asks { "asked about" } else { "refused" },
            "origin": network.strict.as_ref().map_or("default".to_owned(), |strict| strict.origin.to_string()),
        }),
    };
    json!({
        "allowed_domains": entries(network.allowed.entries()),
        "denied_domains": entries(network.denied.entries()),
        "unknown_domains": unknown,
        "http_proxy_port": network.http_proxy_port.as_ref().map(sourced),
        "socks_proxy_port": network.socks_proxy_port.as_ref().map(sourced),
        "local_binding": sourced(&network.local_binding),
        "proxy_variables": network.proxy_variables.name(),
        "unchecked_tls_names": entries(network.unchecked_names.entries()),
        "ca_certificates": network.extra_ca.as_ref().map(|ca| {
            json!({ "value": ca.value.display().to_string(), "origin": ca.origin.to_string() })
        }),
        "unix_sockets": entries(&network.unix_sockets),
        "all_unix_sockets": network.all_unix_sockets.as_ref().map(sourced),
    })
}

fn sourced<T: serde::Serialize>(said: &Sourced<T>) -> Value {
    json!({ "value": said.value, "origin": said.origin.to_string() })
}

/// The same facts for reading: built-in lists are counted, what people said is listed.
fn text(facts: &Value) -> String {
    let mut text = String::new();
    let Value::Object(fields) = facts else { return text };
    for (key, value) in fields {
        let name = key.replace('_', " ");
        let is_counted = |entry: &Value| key != REMOVED && is_built_in(entry);
        match value {
            // A part with fields of its own, and not a value with its place.
            Value::Object(part) if !part.contains_key("origin") => text.push_str(&self::text(value)),
            Value::Array(entries) => {
                let built_in = entries.iter().filter(|e| is_counted(e)).count();
                let _ = writeln!(
                    text,
                    "{name:<20} {}",
                    if entries.is_empty() { "-".into() } else { count(entries.len(), built_in) }
                );
                for entry in entries.iter().filter(|e| !is_counted(e)) {
                    let _ = writeln!(text, "  {}", words(entry));
                }
            }
            other => {
                let _ = writeln!(text, "{name:<20} {}", words(other));
            }
        }
    }
    text
}

fn count(all: usize, built_in: usize) -> String {
    if built_in == 0 { format!("{all}") } else { format!("{all} ({built_in} built in)") }
}

fn is_built_in(entry: &Value) -> bool {
    entry.get("origin").and_then(Value::as_str).is_some_and(|o| o.starts_with("built-in"))
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => crate::system::visible::visible(text.as_bytes()),
        Value::Null => "-".into(),
        Value::Object(fields) => {
            let field = |name: &str| fields.get(name).map(words).unwrap_or_default();
            if fields.contains_key("file") {
                let trust = if fields.get("widens") == Some(&Value::Bool(true)) {
                    "counts"
                } else {
                    "only tightens (not trusted)"
                };
                format!("{} [{}] {trust}", field("file"), field("scope"))
            } else {
                format!("{}  ({})", field("value"), field("origin"))
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::network::List;
    use crate::policy::{DomainSet, ProxyVariables};

    fn said<T>(value: T) -> Sourced<T> {
        Sourced { value, origin: Origin::Caller("a file") }
    }

    #[test]
    fn the_network_is_shown_with_the_place_of_each_entry() {
        let policy = NetworkPolicy {
            allowed: DomainSet::of([said("*.a.com:443".to_owned())], List::Allowed).unwrap(),
            denied: DomainSet::of([said("d.com".to_owned())], List::Denied).unwrap(),
            strict: Some(said(true)),
            http_proxy_port: Some(said(3128)),
            proxy_variables: ProxyVariables::Never,
            extra_ca: Some(said("/ca.pem".into())),
            ..NetworkPolicy::default()
        };
        let shown = json!({ "network": network(&policy) });
        assert_eq!(
            text(&shown),
            "allowed domains      1\n  *.a.com:443  (a file)\ndenied domains       1\n  d.com  (a file)\n\
             unknown domains      refused  (a file)\nhttp proxy port      3128  (a file)\nsocks proxy port     -\n\
             local binding        false  (built-in (default))\nproxy variables      never\nunchecked tls names  -\n\
             ca certificates      /ca.pem  (a file)\nunix sockets         -\nall unix sockets     -\n"
        );
        let unknown = |policy: &NetworkPolicy| network(policy)["unknown_domains"].clone();
        let none = NetworkPolicy::default();
        assert_eq!(unknown(&none), json!({ "value": "asked about", "origin": "default" }));
        let locked = NetworkPolicy { managed_only: Some(Origin::Caller("managed")), ..none };
        assert_eq!(unknown(&locked), json!({ "value": "refused", "origin": "managed" }));
    }
}
