//! Settings files: no text is too odd; what is broken is an error at a place in it; and the file of a project that nobody
//! trusts makes nothing wider, whatever the user's own says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::policy::{self, Host, Mode, NetworkVerdict, Policy};
use sbsh::settings::trust::widening;
use sbsh::settings::{Layer, Layers, Locations, Scope, SettingsError, Source, parse};
use sbsh::verdict::lint;
use std::path::Path;
use std::sync::Arc;

fn layer(
    scope: Scope,
    path: &str,
    text: &str,
    may_widen: bool,
    notices: &mut Vec<sbsh::settings::Notice>,
) -> Option<Layer> {
    let source = Arc::new(Source { path: path.into(), scope, text: text.to_owned() });
    match parse::values(&source, notices) {
        Ok(values) => {
            let _ = widening(&values);
            Some(Layer { source, values, may_widen })
        }
        Err(error) => {
            assert!(error.offset <= text.len(), "{} of {}", error.offset, text.len());
            assert!(SettingsError::at(&source, error.offset, error.what).place.is_some());
            None
        }
    }
}

fn locations() -> Locations {
    Locations {
        home: Some("/home/u".into()),
        managed_dir: "/etc/claude-code".into(),
        cwd: "/home/u/p/sub".into(),
        program_dirs: vec!["/usr/bin".into(), "/home/u/.local/bin".into()],
        state_dir: Some("/home/u/.local/state/sbsh".into()),
        binary: Some("/usr/bin/sbsh".into()),
        tmpdir: Some("/tmp/private".into()),
        ..Locations::default()
    }
}

const PATHS: &[&str] = &[
    "/",
    "/etc/passwd",
    "/home/u",
    "/home/u/.ssh/id_rsa",
    "/home/u/.claude/settings.json",
    "/home/u/p",
    "/home/u/p/a",
    "/home/u/p/.claude/settings.json",
    "/home/u/p/.git/config",
    "/home/u/p/sub/.git/hooks/pre-commit",
    "/home/u/b",
    "/home/u/.bashrc",
    "/tmp/x",
    "/usr/bin/sbsh",
    "/home/u/.local/state/sbsh/trust",
];
const HOSTS: &[&str] = &["a.b", "x.a.b", "b", "localhost", "127.0.0.1", "10.0.0.1", "example.com", "1.2.3.4"];

/// What the tighter one gives and the other does not.
fn wider(with: &Policy, without: &Policy) -> Option<String> {
    let on = |said: &Option<sbsh::settings::Sourced<bool>>| said.as_ref().is_some_and(|said| said.value);
    for path in PATHS {
        if with.files.access(Path::new(path)) > without.files.access(Path::new(path)) {
            return Some(format!("access to {path}"));
        }
    }
    for host in HOSTS.iter().filter_map(|host| Host::parse(host).ok()) {
        for port in [80, 443, 22] {
            let allows =
                |policy: &Policy| matches!(policy.network.judge(&host, port), NetworkVerdict::Allowed { .. });
            if allows(with) && !allows(without) {
                return Some(format!("{host}:{port}"));
            }
            if with.network.checks_name(&host) < without.network.checks_name(&host) {
                return Some(format!("names behind {host}"));
            }
        }
    }
    let turned_on = with.enabled.value && !without.enabled.value;
    let checks = [
        ("allow", with.commands.allow.len() <= without.commands.allow.len()),
        ("excluded", with.commands.excluded.len() <= without.commands.excluded.len()),
        ("deny", with.commands.deny.len() >= without.commands.deny.len()),
        ("ask", with.commands.ask.len() >= without.commands.ask.len()),
        ("enabled", with.enabled.value || !without.enabled.value),
        ("way out", !with.way_out.value || without.way_out.value),
        ("nested", !with.weaker_nested.value || without.weaker_nested.value),
        ("unavailable", with.fail_if_unavailable.value || !without.fail_if_unavailable.value),
        ("git", !with.files.allow_git_config || without.files.allow_git_config),
        ("mode", turned_on || with.mode.value == Mode::Regular || without.mode.value == Mode::AutoAllow),
        ("bypass", !with.bypass_permissions || without.bypass_permissions),
        ("hooks before", with.hooks.before.len() >= without.hooks.before.len()),
        ("hooks", with.hooks.before.iter().all(|rule| rule.origin.scope() == Some(Scope::User))),
        ("sockets", !on(&with.network.all_unix_sockets) || on(&without.network.all_unix_sockets)),
        ("a socket", with.network.unix_sockets.len() <= without.network.unix_sockets.len()),
        ("binding", !with.network.local_binding.value || without.network.local_binding.value),
        ("strict", on(&with.network.strict) || !on(&without.network.strict)),
        (
            "ports",
            with.network.http_proxy_port.as_ref().is_none_or(|port| port.origin.scope() == Some(Scope::User)),
        ),
        (
            "certificates",
            with.network.extra_ca.as_ref().is_none_or(|file| file.origin.scope() == Some(Scope::User)),
        ),
        ("shell", with.shell.as_ref().is_none_or(|file| file.origin.scope() == Some(Scope::User))),
        ("variables", with.environment.removed.len() >= without.environment.removed.len()),
        ("reports", with.ignored_violations.len() <= without.ignored_violations.len()),
        ("backend", with.backend.origin.scope() != Some(Scope::Project)),
        (
            "gatekeeper",
            with.gatekeeper.value == policy::Gatekept::Full
                || without.gatekeeper.value != policy::Gatekept::Full,
        ),
    ];
    checks.iter().find(|(_, holds)| !holds).map(|(name, _)| (*name).to_owned())
}

fuzz_target!(|input: (&str, &str)| {
    let (project, user) = input;
    let mut notices = Vec::new();
    let project = layer(Scope::Project, "/home/u/p/.claude/settings.json", project, false, &mut notices);
    let Some(user) = layer(Scope::User, "/home/u/.claude/settings.json", user, true, &mut notices) else {
        return;
    };
    let layers = |all: Vec<Layer>| Layers {
        layers: all,
        project: Some("/home/u/p".into()),
        user_file: Some("/home/u/.claude/settings.json".into()),
        notices: Vec::new(),
    };
    let mut both = layers(project.into_iter().chain([user]).collect());
    let locations = locations();
    let Ok(with) = policy::build(&both, &locations) else { return };
    let _ = lint::findings(&with, &both, &locations, &lint::Facts::default());
    if both.layers.len() == 2 {
        both.layers.remove(0);
        // What the project says can make the whole an error, never the other way round.
        let without = policy::build(&both, &locations)
            .expect("the user's own settings are in order without the project's");
        assert_eq!(wider(&with, &without), None);
    }
});
