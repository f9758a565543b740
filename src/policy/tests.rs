//! Tests of the policy as a whole: literal expectations for each sentence of the settings' documentation, and one
//! property: an untrusted project file never makes anything wider.

use super::*;
use crate::settings::hooks::{Event, Hook, Runs};
use crate::settings::values::sourced;
use crate::settings::{CredentialMode, Layer, Layers, List, Locations, Scope, Source, Values};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

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

fn source(scope: Scope) -> Arc<Source> {
    let path = match scope {
        Scope::Managed => "/etc/claude-code/managed-settings.json",
        Scope::Project => "/home/u/p/.claude/settings.json",
        Scope::Local => "/home/u/p/.claude/settings.local.json",
        Scope::User => "/home/u/.claude/settings.json",
    };
    Arc::new(Source { path: path.into(), scope, text: "\n\n  {}\n".into() })
}

struct Said(Arc<Source>, Values);

impl Said {
    fn list(&self, entries: &[&str]) -> List {
        entries.iter().map(|e| sourced(&self.0, 4, (*e).to_owned())).collect()
    }
    fn one<T>(&self, value: T) -> Option<Sourced<T>> {
        Some(sourced(&self.0, 4, value))
    }
}

fn layer(scope: Scope, may_widen: bool, say: impl FnOnce(&mut Said)) -> Layer {
    let mut said = Said(source(scope), Values::default());
    say(&mut said);
    Layer { source: said.0, values: said.1, may_widen }
}

fn layers(mut layers: Vec<Layer>) -> Layers {
    layers.sort_by_key(|l| l.source.scope);
    Layers {
        layers,
        project: Some("/home/u/p".into()),
        user_file: Some("/home/u/.claude/settings.json".into()),
        notices: Vec::new(),
    }
}

fn policy(all: Vec<Layer>) -> Policy {
    build(&layers(all), &locations()).unwrap()
}

fn kinds(policy: &Policy) -> Vec<&'static str> {
    policy.notices.iter().map(|n| n.kind).collect()
}

fn access(policy: &Policy, path: &str) -> Access {
    policy.files.access(Path::new(path))
}

fn set(target: &mut Said, name: &str, value: bool) {
    let said = target.one(value);
    let values = &mut target.1;
    match name {
        "enabled" => values.enabled = said,
        "auto_allow" => values.auto_allow = said,
        "git" => values.allow_git_config = said,
        "way_out" => values.way_out = said,
        "weaker" => values.weaker_nested = said,
        "fail" => values.fail_if_unavailable = said,
        "sockets" => values.all_unix_sockets = said,
        "domains_only" => values.managed_domains_only = said,
        "rules_only" => values.managed_rules_only = said,
        "reads_only" => values.managed_read_paths_only = said,
        "strict" => values.strict_allowlist = said,
        "local" => values.local_binding = said,
        "no_hooks" => values.no_hooks = said,
        "hooks_only" => values.managed_hooks_only = said,
        "no_bypass" => values.no_bypass = said,
        _ => unreachable!("{name}"),
    }
}

fn switch(scope: Scope, may_widen: bool, name: &str, value: bool) -> Layer {
    layer(scope, may_widen, |s| set(s, name, value))
}

#[test]
fn with_nothing_said_the_project_is_writable_and_the_defaults_are_strict() {
    let policy = policy(vec![]);
    assert!(policy.enabled.value && policy.way_out.value && policy.fail_if_unavailable.value);
    assert!(!policy.weaker_nested.value && !policy.bypass_permissions && !policy.files.allow_git_config);
    assert_eq!((policy.mode.value, policy.backend.value), (Mode::AutoAllow, Backend::Auto));
    for (path, wanted) in [
        ("/home/u/p/src/a", Access::Write),
        ("/home/u/p/.claude/settings.json", Access::Read),
        ("/home/u/p/.claude/settings.local.json", Access::Read),
        ("/tmp/private/x", Access::Write),
        ("/home/u/x", Access::Read),
        ("/home/u/.ssh/id_rsa", Access::None),
        ("/home/u/.local/state/sbsh/trust", Access::None),
        ("/etc/claude-code/managed-settings.d/x.json", Access::Read),
        ("/usr/bin/sbsh", Access::Read),
    ] {
        assert_eq!(access(&policy, path), wanted, "{path}");
    }
    assert_eq!(policy.notices, vec![]);
    assert_eq!(
        policy.environment.removes("SSH_AUTH_SOCK").unwrap().to_string(),
        "built-in (session handles)"
    );
    assert_eq!(
        policy.environment.removes("ANTHROPIC_API_KEY").unwrap().to_string(),
        "built-in (agent credentials)"
    );
    assert!(policy.environment.removes("GITHUB_TOKEN").is_none());
}

fn hook(said: &Said, text: &str) -> Sourced<Hook> {
    let hook = Hook {
        event: Event::Before,
        runs: Runs::Text { text: text.to_owned(), bash: false },
        timeout: std::time::Duration::from_secs(60),
        condition: None,
        waited_for: true,
        must_work: false,
        unclear: None,
    };
    sourced(&said.0, 4, hook)
}

fn hooked(scope: Scope, may_widen: bool, text: &str) -> Layer {
    layer(scope, may_widen, |s| s.1.hooks = vec![hook(s, text)])
}

fn hooks(policy: &Policy) -> Vec<String> {
    policy.hooks.before.iter().map(|rule| rule.hook.shown()).collect()
}

#[test]
fn hooks_count_by_trust_and_the_administrators_locks() {
    use Scope::{Local, Managed, Project, User};
    let all = |project: bool, more: Vec<Layer>| {
        let mut all = vec![
            hooked(Managed, true, "managed"),
            hooked(Project, project, "project"),
            hooked(Local, project, "local"),
            hooked(User, true, "user"),
        ];
        all.extend(more);
        policy(all)
    };
    let trusted = all(true, vec![]);
    assert_eq!(hooks(&trusted), ["managed", "project", "local", "user"]);
    assert!(trusted.hooks.before[0].is_managed() && !trusted.hooks.before[3].is_managed());
    let untrusted = all(false, vec![]);
    assert_eq!(hooks(&untrusted), ["managed", "user"]);
    assert_eq!(kinds(&untrusted), ["untrusted-project", "untrusted-project"]);
    // The lock is the administrator's alone.
    let locked = all(true, vec![switch(Managed, true, "hooks_only", true)]);
    assert_eq!(hooks(&locked), ["managed"]);
    assert_eq!(kinds(&locked), ["managed-lock", "managed-lock", "managed-lock"]);
    for scope in [Project, User] {
        let said = all(true, vec![switch(scope, true, "hooks_only", true)]);
        assert_eq!((hooks(&said).len(), kinds(&said)), (4, vec!["managed-only"]));
    }
    // Everybody switches off what is not above them, the administrator all.
    for (scope, may_widen, left) in [
        (Managed, true, &[][..]),
        (Project, true, &["managed"]),
        (Project, false, &["managed", "project", "local", "user"]),
        (User, true, &["managed"]),
    ] {
        let off = all(true, vec![switch(scope, may_widen, "no_hooks", true)]);
        assert_eq!(hooks(&off), left, "{scope:?}");
    }
    let kept =
        all(true, vec![switch(Managed, true, "no_hooks", false), switch(User, true, "no_hooks", true)]);
    assert_eq!(hooks(&kept).len(), 4);
    // Nor does a project's no take back the user's yes before it is trusted.
    for (may_widen, left) in [(true, 4), (false, 1)] {
        let more = vec![switch(Project, may_widen, "no_hooks", false), switch(User, true, "no_hooks", true)];
        assert_eq!(hooks(&all(true, more)).len(), left);
    }
}

#[test]
fn the_bypass_of_permissions_can_be_forbidden_by_anybody() {
    let bypass = || layer(Scope::User, true, |s| s.1.default_mode = s.one("bypassPermissions".to_owned()));
    assert!(policy(vec![bypass()]).bypass_permissions);
    assert!(policy(vec![bypass(), switch(Scope::Managed, true, "no_bypass", false)]).bypass_permissions);
    for (scope, may_widen) in [(Scope::Managed, true), (Scope::Project, false), (Scope::User, true)] {
        let forbidden = policy(vec![switch(scope, may_widen, "no_bypass", true), bypass()]);
        assert!(!forbidden.bypass_permissions, "{scope:?}");
    }
}

#[test]
fn a_hooks_condition_is_a_rule_and_about_another_tool_it_is_no_hook_of_ours() {
    let with = |condition: &str| {
        build(
            &layers(vec![layer(Scope::User, true, |s| {
                let mut said = hook(s, "x");
                said.value.condition = Some(condition.to_owned());
                s.1.hooks = vec![said];
            })]),
            &locations(),
        )
        .map(|policy| policy.hooks.before.len())
    };
    for ours in ["Bash", "Bash(*)", "Bash(git push *)"] {
        assert_eq!(with(ours).unwrap(), 1, "{ours}");
    }
    for others in ["Edit(*.rs)", "Write", "mcp__x__y", "WebFetch(domain:x.org)"] {
        assert_eq!(with(others).unwrap(), 0, "{others}");
    }
    for broken in ["", "Bash(", "bash(ls)", "Bash()", "Bash(:*)"] {
        assert!(with(broken).is_err(), "{broken}");
    }
}

#[test]
fn switches_follow_priority_trust_and_locks() {
    use Scope::{Local, Managed, Project, User};
    type Row<'a> = (&'a str, &'a [(Scope, bool, bool)], bool);
    let table: &[Row<'_>] = &[
        ("way_out", &[(Managed, true, false), (User, true, true)], false),
        ("way_out", &[(Project, true, true), (User, true, false)], false),
        ("way_out", &[(Project, false, false), (User, true, true)], false),
        ("way_out", &[(Project, false, true), (Local, false, false)], false),
        ("way_out", &[(Project, true, true), (Local, true, false)], true),
        ("fail", &[(Managed, true, true), (User, true, false)], true),
        ("fail", &[(Project, false, false)], true),
        ("fail", &[(User, true, false)], false),
        ("fail", &[(Project, false, true), (User, true, false)], true),
        ("weaker", &[(Project, false, true)], false),
        ("weaker", &[(Project, true, true)], true),
        ("enabled", &[(Project, true, false)], true),
        ("enabled", &[(Local, true, false)], true),
        ("enabled", &[(User, true, false)], false),
        ("enabled", &[(User, false, false)], true),
        ("enabled", &[(Project, false, true), (User, true, false)], true),
        ("git", &[(Project, false, true)], false),
        ("git", &[(User, true, true)], true),
        ("git", &[(Project, false, false), (User, true, true)], false),
        ("auto_allow", &[(Project, false, true), (User, true, false)], false),
        ("auto_allow", &[(Project, true, true), (User, true, false)], true),
        ("auto_allow", &[(Project, false, false)], false),
        ("strict", &[(Project, false, true)], true),
        ("strict", &[(User, true, true), (Managed, true, false)], true),
        ("strict", &[(User, true, false)], false),
        ("strict", &[], false),
        ("local", &[(Project, false, true)], false),
        ("local", &[(Project, true, true)], true),
        ("local", &[(Project, false, false), (User, true, true)], false),
        ("local", &[(User, true, true)], true),
    ];
    for (name, said, wanted) in table {
        let all =
            said.iter().map(|(scope, may_widen, value)| switch(*scope, *may_widen, name, *value)).collect();
        let policy = policy(all);
        let found = match *name {
            "way_out" => policy.way_out.value,
            "fail" => policy.fail_if_unavailable.value,
            "weaker" => policy.weaker_nested.value,
            "enabled" => policy.enabled.value,
            "git" => policy.files.allow_git_config,
            "strict" => policy.network.strict.is_some_and(|strict| strict.value),
            "local" => policy.network.local_binding.value,
            _ => policy.mode.value == Mode::AutoAllow,
        };
        assert_eq!(found, *wanted, "{name} {said:?}");
    }
}

#[test]
fn what_an_untrusted_project_widens_is_ignored_with_one_line() {
    let policy = policy(vec![layer(Scope::Project, false, |s| {
        s.1.excluded = s.list(&["docker:*", "x"]);
        s.1.allow = s.list(&["Bash(ls)", "Edit(//etc)", "WebFetch(domain:a.com)"]);
        s.1.allow_write = s.list(&["/opt"]);
        s.1.allow_read = s.list(&["~/.netrc"]);
        s.1.allowed_domains = s.list(&["b.com"]);
        s.1.additional_directories = s.list(&["/srv"]);
        s.1.credential_files = vec![sourced(&s.0, 4, ("~/.pypirc".to_owned(), CredentialMode::Allow))];
        s.1.credential_variables =
            vec![sourced(&s.0, 4, ("SSH_AUTH_SOCK".to_owned(), CredentialMode::Allow))];
        s.1.backend = s.one("landlock".to_owned());
        s.1.shell = s.one("/home/u/p/evil".to_owned());
        s.1.deny = s.list(&["Bash(rm:*)", "Read(//srv/secret)"]);
    })]);
    assert!(policy.commands.excluded.is_empty() && policy.commands.allow.is_empty());
    assert_eq!(policy.commands.deny.len(), 1);
    assert_eq!(policy.backend.value, Backend::Auto);
    assert!(policy.shell.is_none() && policy.network.allowed.is_empty());
    assert!(policy.environment.removes("SSH_AUTH_SOCK").is_some());
    for (path, wanted) in [
        ("/etc/x", Access::Read),
        ("/opt/x", Access::Read),
        ("/srv/x", Access::Read),
        ("/srv/secret", Access::None),
        ("/home/u/.netrc", Access::None),
        ("/home/u/.pypirc", Access::None),
    ] {
        assert_eq!(access(&policy, path), wanted, "{path}");
    }
    let texts: Vec<&str> = policy.notices.iter().map(|n| n.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "ignored from /home/u/p/.claude/settings.json (not trusted): sandbox.filesystem.allowWrite (line 3), \
          sandbox.filesystem.allowRead (line 3), sandbox.credentials.files (line 3), permissions.allow (line 3), \
          permissions.additionalDirectories (line 3), sandbox.excludedCommands (line 3), sandbox.allowedDomains (line 3), \
          sandbox.credentials.envVars (line 3), sandbox.backend (line 3), sandbox.shell (line 3); to trust it: sbshctl trust"
        ]
    );
}

#[test]
fn permission_rules_about_files_and_domains_become_boundaries() {
    let policy = policy(vec![layer(Scope::User, true, |s| {
        s.1.allow = s.list(&[
            "Edit(//opt/data/**)",
            "Write(~/notes)",
            "Read(~/.netrc)",
            "Edit(build)",
            "mcp__x",
            "WebFetch(domain:*)",
            "WebFetch(domain:a.com)",
        ]);
        s.1.deny = s.list(&[
            "Edit(./locked/**)",
            "Read(*.env)",
            "Read(.key)",
            "Read(/near)",
            "Read",
            "WebFetch(domain:*)",
        ]);
        s.1.deny_read = s.list(&["rel", "~/private/"]);
    })]);
    for (path, wanted) in [
        ("/opt/data/x", Access::Write),
        ("/opt/data", Access::Write),
        ("/home/u/notes/x", Access::Write),
        ("/home/u/.netrc", Access::None),
        ("/home/u/p/sub/locked/x", Access::Read),
        ("/home/u/p/sub/a/b/c.env", Access::None),
        ("/home/u/p/sub/c.env", Access::None),
        ("/home/u/p/c.env", Access::Write),
        ("/home/u/p/sub/.key", Access::None),
        ("/home/u/p/sub/d/.key/x", Access::None),
        ("/home/u/.claude/near", Access::None),
        ("/home/u/.claude/rel/x", Access::None),
        ("/home/u/private/x", Access::None),
    ] {
        assert_eq!(access(&policy, path), wanted, "{path}");
    }
    assert_eq!(policy.network.allowed.entries()[0].value, "a.com");
    assert_eq!((policy.network.allowed.len(), policy.network.denied.len()), (1, 1));
    assert_eq!(kinds(&policy), ["broad-domain", "whole-tool"]);
}

#[test]
fn the_mode_wins_over_the_other_spelling_in_the_same_file() {
    let policy = policy(vec![layer(Scope::User, true, |s| {
        s.1.mode = s.one("regular".to_owned());
        s.1.auto_allow = s.one(true);
    })]);
    assert_eq!(policy.mode.value, Mode::Regular);
}

#[test]
fn managed_locks_leave_only_managed_entries() {
    let lower = || {
        layer(Scope::User, true, |s| {
            s.1.allow = s.list(&["Bash(ls)", "WebFetch(domain:c.com)"]);
            s.1.deny = s.list(&["Bash(rm)"]);
            s.1.allow_read = s.list(&["~/.netrc"]);
            s.1.allowed_domains = s.list(&["b.com"]);
            s.1.denied_domains = s.list(&["d.com"]);
            s.1.excluded = s.list(&["docker"]);
            s.1.default_mode = s.one("bypassPermissions".to_owned());
        })
    };
    let managed = layer(Scope::Managed, true, |s| {
        for lock in ["domains_only", "rules_only", "reads_only"] {
            set(s, lock, true);
        }
        s.1.allow = s.list(&["Bash(id)"]);
    });
    let locked = policy(vec![managed, lower()]);
    assert_eq!(locked.commands.allow.iter().map(|r| r.text.as_str()).collect::<Vec<_>>(), ["id"]);
    assert!(
        locked.commands.deny.is_empty() && locked.network.allowed.is_empty() && !locked.bypass_permissions
    );
    assert_eq!((locked.network.denied.len(), locked.commands.excluded.len()), (1, 1));
    assert_eq!(access(&locked, "/home/u/.netrc"), Access::None);
    let open = policy(vec![lower()]);
    assert!(open.bypass_permissions);
    assert_eq!(access(&open, "/home/u/.netrc"), Access::Read);
    assert_eq!((open.network.allowed.len(), open.commands.allow.len()), (2, 1));
    assert_eq!(kinds(&policy(vec![switch(Scope::User, true, "rules_only", true)])), ["managed-only"]);
}

fn all_network_keys(s: &mut Said) {
    s.1.allowed_domains = s.list(&["a.com"]);
    s.1.denied_domains = s.list(&["d.com"]);
    s.1.unchecked_names = s.list(&["a.com"]);
    s.1.http_proxy_port = s.one(3128);
    s.1.socks_proxy_port = s.one(1080);
    s.1.local_binding = s.one(true);
    s.1.strict_allowlist = s.one(true);
    s.1.proxy_variables = s.one("always".to_owned());
    s.1.ca_certificates = s.one("~/ca.pem".to_owned());
}

#[test]
fn network_keys_count_where_they_may() {
    let trusted = policy(vec![layer(Scope::Project, true, all_network_keys)]).network;
    let ports = |n: &NetworkPolicy| {
        (n.http_proxy_port.as_ref().map(|p| p.value), n.socks_proxy_port.as_ref().map(|p| p.value))
    };
    assert_eq!(ports(&trusted), (Some(3128), Some(1080)));
    assert_eq!(trusted.extra_ca.as_ref().unwrap().value, Path::new("/home/u/ca.pem"));
    assert!(trusted.local_binding.value && trusted.reaches_loopback());
    assert_eq!(trusted.proxy_variables, ProxyVariables::Always);
    assert_eq!((trusted.allowed.len(), trusted.denied.len(), trusted.unchecked_names.len()), (1, 1, 1));
    assert!(trusted.strict.unwrap().value && trusted.managed_only.is_none());

    let untrusted = policy(vec![layer(Scope::Project, false, all_network_keys)]);
    let network = &untrusted.network;
    assert_eq!(ports(network), (None, None));
    assert!(network.extra_ca.is_none() && !network.local_binding.value && !network.reaches_loopback());
    assert!(network.allowed.is_empty() && network.unchecked_names.is_empty());
    // What tightens or only informs counts.
    assert_eq!((network.denied.len(), network.proxy_variables), (1, ProxyVariables::Always));
    assert!(network.strict.as_ref().unwrap().value);
    assert_eq!(kinds(&untrusted), ["untrusted-project"]);
    let line = &untrusted.notices[0].text;
    for key in ["httpProxyPort", "socksProxyPort", "allowLocalBinding", "uncheckedTlsNames", "caCertificates"]
    {
        assert!(line.contains(&format!("sandbox.network.{key} (line 3)")), "{key}: {line}");
    }
    assert!(!line.contains("strictAllowlist") && !line.contains("proxyVariables"), "{line}");
}

#[test]
fn under_the_managed_lock_only_managed_lists_count_and_nobody_is_asked() {
    let lock = || switch(Scope::Managed, true, "domains_only", true);
    let locked = policy(vec![lock(), layer(Scope::User, true, all_network_keys)]).network;
    assert!(locked.allowed.is_empty() && locked.unchecked_names.is_empty() && locked.denied.len() == 1);
    let host = Host::Name("a.com".to_owned());
    let place = "/etc/claude-code/managed-settings.json:3:3";
    let NetworkVerdict::Strict { origin } = locked.judge(&host, 443) else { panic!("{locked:?}") };
    assert_eq!(origin.to_string(), place);
    let mut own = lock();
    own.values.allowed_domains = vec![sourced(&own.source, 4, "a.com".to_owned())];
    let own = policy(vec![own]).network;
    assert!(matches!(own.judge(&host, 443), NetworkVerdict::Allowed { .. }));
    // Anybody else's lock is none.
    let user = policy(vec![switch(Scope::User, true, "domains_only", true)]);
    assert!(user.network.managed_only.is_none());
    assert!(matches!(user.network.judge(&host, 443), NetworkVerdict::Unknown));
}

#[test]
fn some_values_never_count_in_projects_or_outside_managed_settings() {
    let project = policy(vec![layer(Scope::Project, true, |s| {
        s.1.default_mode = s.one("bypassPermissions".to_owned());
        s.1.enabled = s.one(false);
        s.1.bwrap_path = s.one("/x".to_owned());
    })]);
    assert!(!project.bypass_permissions && project.enabled.value && project.bwrap_path.is_none());
    assert_eq!(kinds(&project), ["not-in-projects", "managed-only"]);
    let managed = policy(vec![layer(Scope::Managed, true, |s| s.1.bwrap_path = s.one("/x".to_owned()))]);
    assert_eq!(managed.bwrap_path.unwrap().value, Path::new("/x"));
}

#[test]
fn no_project_takes_back_what_is_to_be_logged() {
    let logged = |scope, value| {
        layer(scope, true, |s| {
            s.1.syslog = s.one(value);
            s.1.audit_required = s.one(value);
        })
    };
    for project in [Scope::Project, Scope::Local] {
        let both = policy(vec![logged(Scope::User, true), logged(project, false)]).audit;
        assert!(both.required.value && both.syslog.value, "{project:?}");
        let alone = policy(vec![logged(project, true)]);
        assert!(!alone.audit.required.value && !alone.audit.syslog.value, "{project:?}");
        assert_eq!(kinds(&alone), ["not-in-projects"]);
    }
}

#[test]
fn settings_that_commands_could_write_do_not_widen() {
    let user = |path: &str| {
        layer(Scope::User, true, |s| {
            s.1.allow_write = s.list(&[path]);
            s.1.excluded = s.list(&["docker"]);
        })
    };
    let trusted = || layer(Scope::Project, true, |s| s.1.allow = s.list(&["Bash(ls)"]));
    let fine = policy(vec![user("/opt"), trusted()]);
    assert_eq!((fine.commands.excluded.len(), fine.commands.allow.len()), (1, 1));
    let own = policy(vec![user("~/.claude"), trusted()]);
    assert_eq!((own.commands.excluded.len(), own.commands.allow.len()), (0, 1));
    assert_eq!(access(&own, "/home/u/.claude/x"), Access::Read);
    assert_eq!(kinds(&own), ["reachable-settings"]);
    let store = policy(vec![user("~/.local/state"), trusted()]);
    assert_eq!((store.commands.excluded.len(), store.commands.allow.len()), (1, 0));
    assert_eq!(kinds(&store), ["reachable-state", "reachable-state"]);
    let everything = policy(vec![user("/"), trusted()]);
    assert_eq!((everything.commands.excluded.len(), everything.commands.allow.len()), (0, 0));
    assert_eq!(access(&everything, "/etc/x"), Access::Read);
}

#[test]
fn the_root_is_never_broad_by_accident() {
    let at = |cwd: &str, project: Option<&str>, named: Option<&str>| {
        let locations = Locations { cwd: cwd.into(), root_override: named.map(Into::into), ..locations() };
        build(&Layers { project: project.map(Into::into), ..Layers::default() }, &locations)
    };
    let root = |policy: &Policy| policy.working_root.path().map(Path::to_path_buf);
    for (cwd, why) in [
        ("/", "is the whole file system"),
        ("/home", "contains your home directory"),
        ("/home/u", "is your home directory"),
        ("/usr/bin", "holds programs on PATH"),
        ("/usr", "contains /usr/bin, which holds programs on PATH"),
    ] {
        let policy = at(cwd, None, None).unwrap();
        assert_eq!(root(&policy), None, "{cwd}");
        assert!(
            matches!(&policy.working_root, WorkingRoot::None { why: found, .. } if found == why),
            "{cwd}"
        );
        assert_eq!(kinds(&policy), ["broad-root"]);
        assert_eq!(access(&policy, &format!("{cwd}/x")), Access::Read);
        assert_eq!(access(&policy, "/tmp/private/x"), Access::Write);
    }
    assert_eq!(root(&at("/home/u/q", None, None).unwrap()), Some("/home/u/q".into()));
    assert_eq!(root(&at("/home/u/q/r", Some("/home/u/q"), None).unwrap()), Some("/home/u/q".into()));
    let named = at("/x", Some("/x"), Some("/usr")).unwrap();
    assert_eq!(root(&named), Some("/usr".into()));
    assert!(matches!(&named.working_root, WorkingRoot::At { broad: Some(_), .. }));
    assert_eq!(kinds(&named), ["broad-root"]);
    assert_eq!(named.files.writable[0].origin.to_string(), "SBSH_ROOT");
    assert_eq!(
        at("/x", None, Some("a")).unwrap_err().to_string(),
        "SBSH_ROOT: SBSH_ROOT must be an absolute path, not 'a'; write it with a leading \"/\""
    );
}

#[test]
fn errors_name_the_place_and_what_to_do() {
    let error = |say: fn(&mut Said)| {
        build(&layers(vec![layer(Scope::User, true, say)]), &locations()).unwrap_err().to_string()
    };
    let place = "/home/u/.claude/settings.json:3:3: ";
    assert_eq!(
        error(|s| s.1.deny = s.list(&["Bash("])),
        format!(
            "{place}the permission rule 'Bash(' is malformed; write Tool or Tool(inside), for example Bash(git status:*)"
        )
    );
    assert_eq!(
        error(|s| s.1.allowed_domains = s.list(&["*.com"])),
        format!("{place}'*.com' would allow too much; name the domains, for example *.example.com")
    );
    assert_eq!(
        error(|s| s.1.deny_read = s.list(&["a\0"])),
        format!("{place}the path 'a\\0' contains NUL, which no path can; remove it")
    );
    assert_eq!(
        error(|s| s.1.denied_domains = s.list(&["a.com", "https://b.com"])),
        format!(
            "{place}'https://b.com' is no domain (it is a URL, not a host); write a host name such as example.com or *.example.com"
        )
    );
    assert!(error(|s| s.1.unchecked_names = s.list(&["*"])).contains("'*' would allow too much"));
    assert!(error(|s| s.1.allow = s.list(&["WebFetch(domain:a b)"])).contains("it contains a blank"));
    assert!(error(|s| s.1.proxy_variables = s.one("x".into())).contains("auto, always, never"));
    assert!(error(|s| s.1.ca_certificates = s.one("/a/*.pem".into())).contains("one file is wanted"));
    assert!(error(|s| s.1.deny_read = s.list(&[""])).contains("a path is empty"));
    assert!(error(|s| s.1.deny_read = s.list(&["~bob/x"])).contains("home directories of others"));
    assert!(error(|s| s.1.excluded = s.list(&[" "])).contains("a command rule is empty"));
    assert!(error(|s| s.1.shell = s.one("zsh".into())).contains("sandbox.shell must be an absolute path"));
    let homeless = Locations { home: None, ..locations() };
    let said = layers(vec![layer(Scope::User, true, |s| s.1.deny_read = s.list(&["~/x"]))]);
    assert!(build(&said, &homeless).unwrap_err().to_string().contains("HOME is not set"));
}

#[test]
fn dangerous_settings_are_said() {
    let policy = policy(vec![layer(Scope::User, true, |s| {
        s.1.all_unix_sockets = s.one(true);
        s.1.unix_sockets = s.list(&["/run/[x]/*.sock"]);
        s.1.allow_write = s.list(&["~/.local/bin"]);
        s.1.enabled = s.one(false);
    })]);
    assert_eq!(kinds(&policy), ["broad-socket", "broad-write", "disabled"]);
}

#[test]
fn variables_are_denied_by_settings_and_kept_only_from_the_built_in_list() {
    let policy = policy(vec![layer(Scope::User, true, |s| {
        let entry = |name: &str, mode| sourced(&s.0, 4, (name.to_owned(), mode));
        s.1.credential_variables = vec![
            entry("GITHUB_TOKEN", CredentialMode::Deny),
            entry("GITHUB_TOKEN", CredentialMode::Allow),
            entry("SSH_AUTH_SOCK", CredentialMode::Allow),
        ];
    })]);
    assert_eq!(policy.environment.removes("GITHUB_TOKEN").unwrap().scope(), Some(Scope::User));
    assert!(policy.environment.removes("SSH_AUTH_SOCK").is_none());
}

/// The documented walk, step by step: what the fast answer must equal.
fn walked(files: &FilePolicy, path: &Path) -> Access {
    let mut steps: Vec<&Path> = path.ancestors().collect();
    steps.reverse();
    let named = |rules: &[PathRule], step: &Path| rules.iter().any(|r| r.pattern.names(step));
    let mut readable = true;
    for step in &steps {
        if named(&files.read_denied, step) {
            readable = false;
        } else if named(&files.read_allowed, step) {
            readable = true;
        }
    }
    let covered = |rules: &[PathRule]| steps.iter().any(|step| named(rules, step));
    match (readable, covered(&files.writable) && !covered(&files.write_denied)) {
        (false, _) => Access::None,
        (true, true) => Access::Write,
        (true, false) => Access::Read,
    }
}

fn path_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("b"),
        Just("*"),
        Just("**"),
        Just(".."),
        Just("."),
        Just("*.env"),
        Just("x.env"),
        Just("[ab]"),
        Just("{a,b}"),
        Just("{a}"),
        Just(".claude"),
        Just("\\*"),
        Just("?"),
        Just(".netrc"),
        Just(".ssh"),
        Just("id_x")
    ];
    let start = prop_oneof![Just("/"), Just("//"), Just("~/"), Just("./"), Just("")];
    (start, prop::collection::vec(piece, 0..4))
        .prop_map(|(start, pieces)| format!("{start}{}", pieces.join("/")))
}

fn real_path() -> impl Strategy<Value = String> {
    let base = prop_oneof![
        Just("/home/u"),
        Just("/home/u/p"),
        Just("/home/u/p/sub"),
        Just(""),
        Just("/home/u/.claude")
    ];
    let piece = prop_oneof![
        Just("a"),
        Just("b"),
        Just("x.env"),
        Just("*"),
        Just(".netrc"),
        Just(".ssh"),
        Just("id_x"),
        Just("é\n")
    ];
    (base, prop::collection::vec(piece, 1..4))
        .prop_map(|(base, pieces)| format!("{base}/{}", pieces.join("/")))
}

fn any_layer(scope: Scope, may_widen: bool) -> impl Strategy<Value = Layer> {
    let paths = || prop::collection::vec(path_text(), 0..3);
    let tool = prop_oneof![Just("Edit"), Just("Read"), Just("Write"), Just("Bash"), Just("Grep")];
    let rules =
        || prop::collection::vec((tool.clone(), path_text()).prop_map(|(t, p)| format!("{t}({p})")), 0..3);
    let switches = prop::collection::vec((0..15_usize, any::<bool>()), 0..6);
    (paths(), paths(), paths(), paths(), rules(), rules(), paths(), switches).prop_map(
        move |(aw, dw, dr, ar, allow, deny, more, switches)| {
            layer(scope, may_widen, |s| {
                let list =
                    |texts: Vec<String>| -> List { texts.into_iter().map(|t| sourced(&s.0, 0, t)).collect() };
                let keep = |t: &String| sourced(&s.0, 0, (t.clone(), CredentialMode::Allow));
                s.1.credential_files = more.iter().map(keep).collect();
                (s.1.allow_write, s.1.deny_write, s.1.deny_read) = (list(aw), list(dw), list(dr));
                (s.1.allow_read, s.1.allow, s.1.deny) = (list(ar), list(allow), list(deny));
                (s.1.additional_directories, s.1.excluded) = (list(more.clone()), list(more));
                let names = [
                    "enabled",
                    "auto_allow",
                    "git",
                    "way_out",
                    "weaker",
                    "fail",
                    "sockets",
                    "domains_only",
                    "rules_only",
                    "reads_only",
                    "strict",
                    "local",
                    "no_hooks",
                    "hooks_only",
                    "no_bypass",
                ];
                s.1.hooks = vec![hook(s, "x")];
                for (index, value) in switches {
                    set(s, names[index], value);
                }
            })
        },
    )
}

proptest! {
    #[test]
    fn an_untrusted_project_file_never_widens(
        project in any_layer(Scope::Project, false),
        user in any_layer(Scope::User, true),
        paths in prop::collection::vec(real_path(), 20),
    ) {
        let mut all = layers(vec![project, user]);
        let Ok(with) = build(&all, &locations()) else { return Ok(()) };
        all.layers.remove(0);
        let without = build(&all, &locations()).unwrap();
        for path in &paths {
            let path = Path::new(path);
            prop_assert!(with.files.access(path) <= without.files.access(path), "{path:?}");
            prop_assert_eq!(with.files.access(path), walked(&with.files, path), "{:?}", path);
        }
        prop_assert_eq!(with.commands.allow.len(), without.commands.allow.len());
        prop_assert_eq!(with.commands.excluded.len(), without.commands.excluded.len());
        prop_assert!(with.commands.deny.len() >= without.commands.deny.len());
        prop_assert!(with.enabled.value || !without.enabled.value);
        prop_assert!(!with.way_out.value || without.way_out.value);
        prop_assert!(!with.weaker_nested.value || without.weaker_nested.value);
        prop_assert!(with.fail_if_unavailable.value || !without.fail_if_unavailable.value);
        prop_assert!(!with.files.allow_git_config || without.files.allow_git_config);
        // Without the sandbox the mode is always regular; a project that turns it on is tighter all the same.
        let turned_on = with.enabled.value && !without.enabled.value;
        prop_assert!(turned_on || with.mode.value == Mode::Regular || without.mode.value == Mode::AutoAllow);
        prop_assert!(with.hooks.before.len() >= without.hooks.before.len());
        prop_assert!(with.hooks.before.iter().all(|rule| rule.origin.scope() == Some(Scope::User)));
        let sockets = |p: &Policy| p.network.all_unix_sockets.as_ref().is_some_and(|s| s.value);
        prop_assert!(!sockets(&with) || sockets(&without));
        prop_assert!(!with.network.local_binding.value || without.network.local_binding.value);
        let strict = |p: &Policy| p.network.strict.as_ref().is_some_and(|s| s.value);
        prop_assert!(strict(&with) || !strict(&without));
    }

    #[test]
    fn any_text_is_a_path_or_an_error_and_never_a_panic(text in ".{0,40}") {
        let locations = locations();
        let reader = paths::PathReader { locations: &locations, project: None };
        let origin = Origin::BuiltIn("test");
        for pattern in reader.permission(&text, &origin, true).into_iter().flatten().chain(reader.filesystem(&text, &origin)) {
            pattern.names(Path::new("/home/u/a"));
            if let PathPattern::Literal(path) = &pattern {
                prop_assert_eq!(&paths::normal(path), path);
            }
        }
    }
}
