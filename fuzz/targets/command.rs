//! Command texts, with bash as the oracle: the same text as bash itself prints it (`--pretty-print`, which runs nothing)
//! is never denied or asked about where ours went through; and a line that may run outside is one that bash reads, with
//! the words that bash gives it. Run it in a sandbox: the last of these executes `f TEXT` for a function.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sbsh::command::{Commands, is_open, read, wrappers};
use sbsh::policy::*;
use sbsh::settings::{Origin, Sourced};
use sbsh::verdict::{CommandText, Verdict, judge};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

fn rules(texts: &[&str]) -> Vec<CommandRule> {
    texts.iter().filter_map(|text| CommandRule::parse(text, Origin::BuiltIn("fuzz")).ok()).collect()
}

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    enabled: Sourced::built_in(true, "fuzz"),
    mode: Sourced::built_in(Mode::Regular, "fuzz"),
    bypass_permissions: false,
    commands: CommandRules {
        deny: rules(&["rm:*"]),
        ask: rules(&["curl:*"]),
        allow: rules(&[
            "ls:*",
            "echo:*",
            "git status:*",
            "docker:*",
            "cd:*",
            "cat:*",
            "[:*",
            "test:*",
            "true",
        ]),
        excluded: rules(&["docker:*"]),
    },
    hooks: Hooks::default(),
    files: FilePolicy::default(),
    environment: EnvironmentPolicy::default(),
    network: NetworkPolicy::default(),
    way_out: Sourced::built_in(true, "fuzz"),
    backend: Sourced::built_in(Backend::Auto, "fuzz"),
    bwrap_path: None,
    shell: None,
    fail_if_unavailable: Sourced::built_in(true, "fuzz"),
    weaker_nested: Sourced::built_in(false, "fuzz"),
    gatekeeper: Sourced::built_in(Gatekept::Full, "fuzz"),
    ignored_violations: Vec::new(),
    audit: Default::default(),
    project: None,
    working_root: WorkingRoot::None { candidate: "/".into(), why: "fuzz".into() },
    notices: Vec::new(),
});

fn bash(arguments: &[&str], input: &str) -> Option<Output> {
    let mut child = Command::new("/bin/bash")
        .args(["--norc", "--noprofile"])
        .args(arguments)
        .env_clear()
        .env("PATH", "/nonexistent")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let _ = child.stdin.take()?.write_all(input.as_bytes());
    child.wait_with_output().ok()
}

fn may_go(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Confined { .. } | Verdict::Outside { .. })
}

fuzz_target!(|bytes: &[u8]| {
    let _ = is_open(bytes);
    let commands = read(bytes);
    let verdict = judge(&POLICY, &CommandText::new(bytes, Some("/home/u".as_ref())));
    let (Commands::Known(commands), Ok(text)) = (commands, std::str::from_utf8(bytes)) else {
        assert!(!may_go(&verdict), "it was not understood and may run: {}", verdict.reason().text);
        return;
    };
    for command in &commands {
        let _ = wrappers::layers(command);
    }
    // bash is a thousand times slower than we are.
    if !may_go(&verdict) || commands.is_empty() || bytes.len() > 200 {
        return;
    }
    if let Verdict::Outside { command, .. } = &verdict {
        let script = format!("docker() {{ printf '%s\\0' docker \"$@\"; }}; {text}");
        let Some(said) = bash(&["-c", &script], "") else { return };
        let mut wanted: Vec<u8> = command.argv.join("\0").into_bytes();
        wanted.push(0);
        assert_eq!(String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&wanted), "{text:?}");
        return;
    }
    let Some(printed) = bash(&["--pretty-print"], text) else { return };
    // What bash does not read, it does not run: here it may be allowed or not (`ls<3<-`, `[[ x y z ]]`).
    if !printed.status.success() {
        return;
    }
    // It prints the name that is there unsaid, which is one for compound commands only.
    let Ok(again) =
        std::str::from_utf8(&printed.stdout).map(|again| again.replace("coproc COPROC ", "coproc "))
    else {
        return;
    };
    let other = judge(&POLICY, &CommandText::new(again.as_bytes(), Some("/home/u".as_ref())));
    // It does not always print what it could read (a here-document before `&`).
    if !may_go(&other) && !bash(&["-n"], &again).is_some_and(|said| said.status.success()) {
        return;
    }
    assert!(may_go(&other), "{text:?} may run; as bash prints it, not: {again:?}: {}", other.reason().text);
});
