//! Settings files in the shapes that public projects have them in (the shapes, not the texts): each loads without an
//! error, says nothing that it need not, and means what it should. What is another program's is left alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use sbsh::policy::{self, Access, Match, Mode, NetworkVerdict, Policy, parse_host_port};
use sbsh::settings::hooks::Runs;
use sbsh::settings::{self, Locations, trust};
use sbsh::verdict::{self, CommandText, Verdict};
use std::fs;
use std::path::{Path, PathBuf};

struct Shape {
    _top: tempfile::TempDir,
    home: PathBuf,
    project: PathBuf,
    policy: Policy,
    widens: Vec<String>,
}

/// The file as the user's (it counts), or as a project's that is not trusted.
fn shape(file: &str, text: &str) -> Shape {
    let top = tempfile::tempdir_in("/var/tmp").unwrap();
    let real = fs::canonicalize(top.path()).unwrap();
    let (home, project) = (real.join("home"), real.join("home/code/project"));
    for directory in [home.join(".claude"), project.join(".claude")] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::write(real.join(file), text).unwrap();
    let locations = Locations {
        home: Some(home.clone()),
        managed_dir: real.join("managed"),
        cwd: project.clone(),
        state_dir: Some(home.join(".local/state/sbsh")),
        ..Locations::default()
    };
    let layers = settings::load(&locations).unwrap_or_else(|error| panic!("{error}: {text}"));
    let widens = layers.layers.iter().flat_map(|l| trust::widening(&l.values));
    let widens = widens.map(|w| format!("{}: {} = {}", w.line, w.key, w.text)).collect();
    let policy = policy::build(&layers, &locations).unwrap_or_else(|error| panic!("{error:?}: {text}"));
    Shape { _top: top, home, project, policy, widens }
}

const USER: &str = "home/.claude/settings.json";
const PROJECT: &str = "home/code/project/.claude/settings.json";
const LOCAL: &str = "home/code/project/.claude/settings.local.json";

impl Shape {
    fn verdict(&self, text: &str) -> &'static str {
        match verdict::judge(&self.policy, &CommandText::new(text.as_bytes(), Some(&self.home))) {
            Verdict::Confined { .. } => "confined",
            Verdict::Ask { outside: None, .. } => "ask",
            Verdict::Ask { .. } => "ask outside",
            Verdict::Outside { .. } => "outside",
            Verdict::Denied(_) => "denied",
        }
    }

    fn access(&self, path: &Path) -> Access {
        self.policy.files.access(path)
    }

    fn reaches(&self, host: &str) -> bool {
        let (host, port) = parse_host_port(host, None).unwrap();
        matches!(self.policy.network.judge(&host, port), NetworkVerdict::Allowed { .. })
    }

    fn notices(&self) -> Vec<&'static str> {
        self.policy.notices.iter().map(|notice| notice.kind).collect()
    }
}

#[test]
fn every_event_has_a_hook_and_only_those_for_commands_are_ours() {
    let events =
        ["Notification", "Stop", "SubagentStop", "UserPromptSubmit", "PreCompact", "SessionStart", "Setup"];
    let others: Vec<String> = events
        .iter()
        .map(|event| format!(r#""{event}": [{{"matcher": "", "hooks": [{{"type": "command", "command": "uv run .claude/hooks/x.py"}}]}}]"#))
        .collect();
    let text = format!(
        r#"{{
  "permissions": {{"allow": ["Bash(mkdir:*)", "Bash(uv:*)", "Write", "Edit"], "deny": []}},
  "statusLine": {{"type": "command", "command": "uv run .claude/status.py", "padding": 0}},
  "hooks": {{
    "PreToolUse": [{{"matcher": "", "hooks": [{{"type": "command", "command": "uv run .claude/hooks/pre.py"}}]}}],
    "PostToolUse": [{{"matcher": "", "hooks": [{{"type": "command", "command": "uv run .claude/hooks/post.py"}}]}}],
    {}
  }}
}}"#,
        others.join(",\n    ")
    );
    let user = shape(USER, &text);
    assert_eq!((user.policy.hooks.before.len(), user.policy.hooks.after.len()), (1, 1));
    assert_eq!(user.notices(), [""; 0]);
    let project = shape(PROJECT, &text);
    assert_eq!((project.policy.hooks.before.len(), project.policy.hooks.after.len()), (0, 0));
    assert_eq!(project.notices(), ["untrusted-project"]);
    assert_eq!(
        project.widens,
        [
            "2: permissions.allow = Bash(mkdir:*)",
            "2: permissions.allow = Bash(uv:*)",
            "2: permissions.allow = Write",
            "2: permissions.allow = Edit",
            "5: hooks.PreToolUse = uv run .claude/hooks/pre.py",
            "6: hooks.PostToolUse = uv run .claude/hooks/post.py",
        ]
    );
}

#[test]
fn matchers_and_the_newer_fields_of_hooks() {
    let shape = shape(
        USER,
        r#"{
  "$schema": "https://json.schemastore.org/claude-code-settings.json",
  "hooks": {
    "PreToolUse": [
      {"matcher": "Write|Edit", "description": "long prose", "hooks": [{"type": "command", "command": "$CLAUDE_PROJECT_DIR/.claude/hooks/a.sh", "timeout": 3}]},
      {"matcher": "Skill", "hooks": [{"type": "command", "command": "b.sh"}]},
      {"matcher": "mcp__memory__.*", "hooks": [{"type": "command", "command": "c.sh"}]},
      {"matcher": "Read|Grep|Glob|Bash|Edit|Write|MultiEdit", "hooks": [{"type": "command", "command": "\"$CLAUDE_PROJECT_DIR\"/.claude/hooks/d.sh", "statusMessage": "Checking", "once": true}]},
      {"hooks": [{"type": "command", "if": "Bash(git push *)", "command": "node", "args": ["${CLAUDE_PROJECT_DIR}/e.js"], "timeout": 0.5, "onFailure": "block"}]},
      {"matcher": "*", "hooks": [{"type": "http", "url": "http://localhost:8080/hook", "timeout": 30}, {"type": "prompt", "prompt": "Is it fine?"}]}
    ],
    "PostToolUse": [{"matcher": "Edit|Write|MultiEdit", "hooks": [{"type": "command", "command": "npx prettier --write"}]}],
    "Stop": [{"hooks": [{"type": "command", "command": "\"C:\\Users\\x\\hook.cmd\" Stop", "shell": "powershell", "async": true}]}],
    "NewEventOfNextYear": {"anything": [1, null]}
  }
}"#,
    );
    let shown: Vec<String> = shape.policy.hooks.before.iter().map(|rule| rule.hook.shown()).collect();
    assert_eq!(
        shown,
        [
            "\"$CLAUDE_PROJECT_DIR\"/.claude/hooks/d.sh",
            "node ${CLAUDE_PROJECT_DIR}/e.js",
            "(type \"http\")",
            "(type \"prompt\")"
        ]
    );
    assert!(shape.policy.hooks.after.is_empty());
    let strict = &shape.policy.hooks.before[1].hook;
    assert!(strict.must_work && matches!(strict.runs, Runs::Program(_)));
    assert_eq!(strict.timeout, std::time::Duration::from_millis(500));
}

#[test]
fn only_what_other_programs_read() {
    for text in [
        r#"{"enabledPlugins": {"a@b": true}, "extraKnownMarketplaces": {"m": {"source": {"source": "github", "repo": "x/y"}}}}"#,
        r#"{"model": "sonnet", "env": {"MAX_THINKING_TOKENS": "10000"}, "includeCoAuthoredBy": false, "cleanupPeriodDays": 30}"#,
        r#"{"preferences": {"tabSize": 2}, "commands": {"preview": {"path": ".claude/commands/preview.md"}}, "mcpServers": {}}"#,
        r#"{"apiKeyHelper": "/bin/key.sh", "forceLoginMethod": "claudeai", "outputStyle": "Clean", "enableAllProjectMcpServers": true, "enabledMcpjsonServers": ["x"]}"#,
        "",
        "{}",
        "// nothing yet\n",
    ] {
        for file in [USER, PROJECT, LOCAL] {
            let shape = shape(file, text);
            assert_eq!((shape.notices(), shape.widens.len()), (vec![], 0), "{text}");
            assert_eq!(shape.verdict("make"), "confined");
            assert_eq!(shape.access(&shape.project.join("src")), Access::Write);
        }
    }
}

#[test]
fn rules_with_blanks_for_colons_and_keys_that_mean_nothing() {
    let shape = shape(
        USER,
        r#"{"permissions": {
            "allow": ["Read(**)", "Grep", "Glob", "Task", "WebSearch", "WebFetch", "Bash(git diff *)", "Bash(pwd)", "Bash(scripts/*)", "Bash(xcrun simctl*)", "Read(/tmp/preview*.png)"],
            "ask": ["Bash(git push *)", "Bash(npm install *)"],
            "deny": ["Bash(git push --force *)", "Bash(rm -rf *)"],
            "allowFileAccess": true, "allowShellAccess": true
        }, "sandbox": {"autoAllowBashIfSandboxed": false}}"#,
    );
    assert_eq!(shape.policy.mode.value, Mode::Regular);
    for (text, wanted) in [
        ("git diff", "confined"),
        ("git diff --stat HEAD", "confined"),
        ("git diff | pwd", "confined"),
        ("git difftool", "ask"),
        ("scripts/build.sh --all", "confined"),
        ("xcrun simctl list", "confined"),
        ("git push", "ask"),
        ("git push --force origin", "denied"),
        ("cd x && rm -rf y", "denied"),
        ("ls", "ask"),
    ] {
        assert_eq!(shape.verdict(text), wanted, "{text}");
    }
}

#[test]
fn exact_commands_that_an_agent_collected_with_quotes_and_brackets() {
    let shape = shape(
        LOCAL,
        r##"{"permissions": {"allow": [
            "Bash(.venv/bin/python -m unittest discover tests)",
            "Bash(.venv/bin/python -c ' *)",
            "Bash(git commit -m ' *)",
            "Bash(python3 -c \"print\\('ok'\\)\")",
            "Bash(awk '/^def a/,/^def [a-z_]/ {print NR\": \"$0}' src/callbacks.py)",
            "Bash(awk -F: '{print $1}')",
            "Bash(\"/mnt/c/Program Files/Tool/tool.exe\" /Flag \"x.y\")",
            "Bash(./gradlew.bat desktop:debug:*)",
            "Bash(claude mcp:*)",
            "SlashCommand(/orchestrator)",
            "Skill(deploy *)",
            "mcp__github__get_issue",
            "Read(//tmp/**)"
        ], "deny": [], "ask": [], "defaultMode": "bypassPermissions", "additionalDirectories": ["/home/someone/else/.claude"]}}"##,
    );
    // Not trusted, so nothing of it counts, and two lines say so: one thing never counts in a project.
    assert_eq!(shape.notices(), ["untrusted-project", "not-in-projects"]);
    assert_eq!(shape.widens.len(), 15);
    assert_eq!(shape.access(Path::new("/home/someone/else/.claude")), Access::Read);
    assert!(!shape.policy.bypass_permissions);
}

#[test]
fn secrets_that_must_not_be_read_by_patterns_of_every_kind() {
    let shape = shape(
        PROJECT,
        r#"{"permissions": {"deny": [
            "Read(./.env)", "Read(./.env.*)", "Read(**/.env)", "Read(**/secrets/**)", "Read(~/.ssh/**)", "Read(//**/.env.local)",
            "Write(./db/migrations/**)", "Edit(./generated/**)", "WebFetch(domain:evil.example)", "Bash(curl:*)", "WebSearch"
        ]}}"#,
    );
    let (project, home) = (&shape.project, &shape.home);
    for hidden in [".env", ".env.local", "app/.env", "secrets/x", "app/secrets/deep/x"] {
        assert_eq!(shape.access(&project.join(hidden)), Access::None, "{hidden}");
    }
    assert_eq!(shape.access(&home.join(".ssh/known_hosts")), Access::None);
    assert_eq!(shape.access(Path::new("/srv/app/.env.local")), Access::None);
    for kept in ["db/migrations/1.sql", "generated/a.rs"] {
        assert_eq!(shape.access(&project.join(kept)), Access::Read, "{kept}");
    }
    assert_eq!(shape.access(&project.join("src/env.rs")), Access::Write);
    assert_eq!(shape.verdict("echo x | curl y"), "denied");
    // All of it tightens, so it needs no trust and no word.
    assert_eq!((shape.widens.len(), shape.notices()), (0, vec![]));
}

#[test]
fn a_sandbox_section_with_comments() {
    let shape = shape(
        USER,
        r#"{
  // Isolates commands.
  "sandbox": {
    "enabled": true,
    "autoAllowBashIfSandboxed": true,
    "allowUnsandboxedCommands": false, // no way out
    "excludedCommands": ["docker", "docker-compose *", "gh *", "npm run test:*",],
    "filesystem": {
      "allowRead": [],
      "allowWrite": ["~/.nuget", "//var/cache/tool/**", "/srv/data"],
      "denyRead": [".env*", "*.pem", "~/.aws/credentials"],
      "denyWrite": ["secrets/", ".git/hooks/"]
    },
    "network": {
      "allowedDomains": ["api.example.com", "*.npmjs.org", "localhost"],
      "deniedDomains": ["uploads.example.com"],
      "allowUnixSockets": ["/var/run/docker.sock"],
      "allowLocalBinding": true,
      "httpProxyPort": 8080, "socksProxyPort": 1080
    },
    "credentials": {
      "files": [{"path": "~/.aws/credentials", "mode": "deny"}],
      "envVars": [{"name": "GITHUB_TOKEN", "mode": "deny"}],
    },
    "ignoreViolations": {"*": ["/usr/bin"], "git push:*": ["/usr/bin/nc"]},
    "enableWeakerNestedSandbox": false,
  }
}"#,
    );
    assert_eq!(shape.policy.mode.value, Mode::AutoAllow);
    assert!(!shape.policy.way_out.value);
    let excluded = |text: &str| shape.policy.commands.excluded.iter().any(|r| r.matches(text) == Match::Yes);
    for text in [
        "docker",
        "docker-compose up -d",
        "docker-compose",
        "gh pr list",
        "npm run test",
        "npm run test -w a",
    ] {
        assert!(excluded(text), "{text}");
    }
    for text in ["docker ps", "dockerd", "npm run testing", "npm run"] {
        assert!(!excluded(text), "{text}");
    }
    assert_eq!(shape.verdict("dangerouslyDisableSandbox ls"), "denied");
    for (path, wanted) in
        [("/srv/data/x", Access::Write), ("/var/cache/tool/x", Access::Write), ("/etc/passwd", Access::Read)]
    {
        assert_eq!(shape.access(Path::new(path)), wanted, "{path}");
    }
    assert_eq!(shape.access(&shape.home.join(".nuget/x")), Access::Write);
    assert_eq!(shape.access(&shape.home.join(".aws/credentials")), Access::None);
    for (host, reached) in [
        ("api.example.com:443", true),
        ("registry.npmjs.org:443", true),
        ("npmjs.org:443", false),
        ("uploads.example.com:443", false),
        ("example.com:443", false),
    ] {
        assert_eq!(shape.reaches(host), reached, "{host}");
    }
    assert!(shape.policy.environment.removes("GITHUB_TOKEN").is_some());
}

/// A path in the user's file that begins with neither `/` nor `~` is relative to `~/.claude`, where that file lies.
#[test]
fn a_dot_among_the_users_writable_paths_would_open_the_settings_themselves() {
    let shape = shape(USER, r#"{"sandbox": {"filesystem": {"allowWrite": [".", "/srv/data"]}}}"#);
    assert_eq!(shape.notices(), ["reachable-settings"]);
    assert_eq!(shape.access(&shape.home.join(".claude/settings.json")), Access::Read);
    assert_eq!(shape.access(Path::new("/srv/data")), Access::Read);
}

#[test]
fn a_hardened_managed_shape_in_a_project_locks_nothing() {
    let text = r#"{
        "allowManagedPermissionRulesOnly": true, "allowManagedHooksOnly": true, "disableAllHooks": true,
        "permissions": {"disableBypassPermissionsMode": "disable", "defaultMode": "acceptEdits"},
        "sandbox": {"enabled": true, "failIfUnavailable": true, "network": {"allowManagedDomainsOnly": true}}
    }"#;
    let shape = shape(PROJECT, text);
    assert!(shape.notices().contains(&"managed-only"), "{:?}", shape.notices());
    assert!(shape.policy.network.managed_only.is_none());
    assert_eq!(shape.widens, ["2: disableAllHooks = true", "3: permissions.defaultMode = acceptEdits"]);
}

#[test]
fn webfetch_rules_of_an_agent_that_asked_often() {
    let shape = shape(
        USER,
        r#"{"permissions": {"allow": ["WebFetch(domain:docs.example.com)", "WebFetch(domain:github.com)", "WebFetch(domain:*)", "WebFetch(domain:www.npmjs.com)"]}}"#,
    );
    assert!(shape.reaches("docs.example.com:443") && shape.reaches("github.com:443"));
    assert!(!shape.reaches("other.example:443"));
    assert_eq!(shape.notices(), ["broad-domain"]);
}

#[test]
fn what_is_spelled_wrong_is_said_with_its_place_and_what_has_the_wrong_type_is_an_error() {
    let shape = shape(USER, r#"{"sandbox": {"excludeCommands": ["docker"], "filesytem": {}}}"#);
    let texts: Vec<&str> = shape.policy.notices.iter().map(|notice| notice.text.as_str()).collect();
    assert!(texts[0].contains("settings.json:1:") && texts[0].contains("excludedCommands"), "{texts:?}");
    assert!(texts[1].contains("filesystem"), "{texts:?}");
    for text in [
        r#"{"hooks": []}"#,
        r#"{"hooks": {"PreToolUse": {"matcher": "Bash"}}}"#,
        r#"{"hooks": {"PreToolUse": [{"matcher": "Bash"}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"matcher": ["Bash"], "hooks": []}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"hooks": {"type": "command"}}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"hooks": ["guard.sh"]}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"hooks": [{"command": "x"}]}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"hooks": [{"type": "command"}]}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": ["x"]}]}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": "x", "timeout": "5"}]}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": "x", "timeout": 0}]}]}}"#,
        r#"{"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": "x", "type": "command"}]}]}}"#,
        r#"{"allowManagedHooksOnly": "yes"}"#,
        r#"{"disableAllHooks": 1}"#,
    ] {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir(top.path().join(".claude")).unwrap();
        fs::write(top.path().join(".claude/settings.json"), text).unwrap();
        let locations = Locations {
            home: Some(top.path().into()),
            managed_dir: top.path().join("managed"),
            cwd: "/".into(),
            ..Locations::default()
        };
        let error = settings::load(&locations).expect_err(text);
        assert!(
            error.place.is_some() && error.message.contains("expected")
                || text.contains("\"type\": \"command\"}]"),
            "{text}: {error}"
        );
    }
}
