//! Command texts against rules: what must go through unasked, what must never pass unseen, and bash as the oracle.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use proptest::prelude::*;
use sbsh::command::{Commands, read, wrappers};
use sbsh::policy::*;
use sbsh::settings::{Origin, Sourced};
use sbsh::verdict::{CommandText, Verdict, judge};
use std::path::PathBuf;
use std::process::Command;

fn origin() -> Origin {
    Origin::BuiltIn("test")
}

fn rules(texts: &[&str]) -> Vec<CommandRule> {
    texts.iter().map(|t| CommandRule::parse(t, origin()).unwrap()).collect()
}

fn policy(mode: Mode, commands: CommandRules) -> Policy {
    Policy {
        enabled: Sourced::built_in(true, "test"),
        mode: Sourced::built_in(mode, "test"),
        bypass_permissions: false,
        commands,
        hooks: sbsh::policy::Hooks::default(),
        files: FilePolicy::default(),
        environment: EnvironmentPolicy::default(),
        network: NetworkPolicy::default(),
        way_out: Sourced::built_in(true, "test"),
        backend: Sourced::built_in(Backend::Auto, "test"),
        bwrap_path: None,
        shell: None,
        fail_if_unavailable: Sourced::built_in(true, "test"),
        weaker_nested: Sourced::built_in(false, "test"),
        gatekeeper: Sourced::built_in(sbsh::policy::Gatekept::Full, "test"),
        ignored_violations: Vec::new(),
        audit: Default::default(),
        project: None,
        working_root: WorkingRoot::None { candidate: PathBuf::from("/"), why: "test".into() },
        notices: vec![],
    }
}

fn word(policy: &Policy, text: &str) -> &'static str {
    match judge(policy, &CommandText::new(text.as_bytes(), None)) {
        Verdict::Confined { .. } => "confined",
        Verdict::Ask { .. } => "ask",
        Verdict::Outside { .. } => "outside",
        Verdict::Denied(_) => "denied",
    }
}

#[test]
fn the_benign_corpus_goes_through_unasked() {
    let commands = CommandRules {
        deny: rules(&["curl:*"]),
        ask: rules(&["git push:*"]),
        allow: vec![],
        excluded: rules(&["docker:*"]),
    };
    let policy = policy(Mode::AutoAllow, commands);
    let asked: Vec<_> = include_str!("commands/benign.txt")
        .split("\n%%\n")
        .filter(|text| word(&policy, text) != "confined")
        .map(|text| (text, judge(&policy, &CommandText::new(text.as_bytes(), None)).reason().text.clone()))
        .collect();
    assert_eq!(asked, vec![]);
}

#[test]
fn no_attack_passes_a_deny_rule_unseen() {
    let commands = CommandRules { deny: rules(&["touch:*"]), ..CommandRules::default() };
    let policy = policy(Mode::AutoAllow, commands);
    let lines = include_str!("commands/attacks.txt").lines();
    let many = include_str!("commands/attacks-of-many-lines.txt").split("\n%%\n");
    let passed: Vec<&str> =
        lines.chain(many).filter(|t| !matches!(word(&policy, t), "denied" | "ask")).collect();
    assert_eq!(passed, Vec::<&str>::new());
}

/// What a file holds is not in the text, whoever wrote it: it runs confined without being judged, whether it is
/// executed, given to a shell, sourced, or found by a `PATH` that the text chose. Asking about the two last would ask
/// about every virtual environment and win nothing over the two first.
#[test]
fn files_are_run_unjudged_but_no_allow_rule_goes_by_their_names() {
    let deny = CommandRules { deny: rules(&["touch:*"]), ..CommandRules::default() };
    let automatic = policy(Mode::AutoAllow, deny);
    let allow = CommandRules {
        allow: rules(&["ls:*", "source:*", ".:*", "export:*", "./f", "bash:*"]),
        ..CommandRules::default()
    };
    let regular = policy(Mode::Regular, allow);
    let texts = include_str!("commands/files.txt").lines();
    let answers: Vec<_> = texts.map(|t| (t, word(&automatic, t), word(&regular, t))).collect();
    let unjudged: Vec<_> = answers.iter().filter(|(_, automatic, _)| *automatic != "confined").collect();
    assert_eq!(unjudged, Vec::<&(&str, &str, &str)>::new());
    let allowed: Vec<_> =
        answers.iter().filter(|(_, _, regular)| *regular != "ask").map(|(t, ..)| *t).collect();
    assert_eq!(allowed, ["./f", "bash ./f"]);
}

#[test]
fn excluded_commands_take_only_themselves_outside() {
    let commands = CommandRules {
        excluded: rules(&["docker:*"]),
        allow: rules(&["docker ps:*"]),
        ..CommandRules::default()
    };
    let policy = policy(Mode::AutoAllow, commands);
    let answers: Vec<_> = [
        "docker ps",
        "docker ps -a",
        "docker run -v /:/h x",
        "cat ~/.ssh/id_ed25519 && docker ps",
        "docker ps > ~/.bashrc",
        "docker ps; touch ~/x",
        "$(touch ~/x) docker",
        "LD_PRELOAD=./x.so docker ps",
        "PATH=.:$PATH docker",
        "export PATH=.:$PATH; docker ps",
        ". ./f; docker ps",
        "./docker ps",
        "docker() { touch x; }; docker ps",
        "alias docker=touch; docker ps",
        "hash -p ./x docker; docker ps",
        "docker ps &",
        "docker ps | cat",
        "! docker ps",
        "time docker ps",
        "{ docker ps; }",
        "docker ps $x",
        "docker ps *",
        "docker ps \"$(x)\"",
        "dockerx ps",
        "docker ps <<E\nx\nE",
        "sudo docker ps",
    ]
    .map(|t| word(&policy, t))
    .into();
    let mut wanted = vec!["outside", "outside", "ask"];
    wanted.resize(26, "confined");
    assert_eq!(answers, wanted);
}

#[test]
fn an_ask_rule_comes_before_what_allows_an_excluded_command() {
    let mut commands = CommandRules {
        excluded: rules(&["docker:*"]),
        allow: rules(&["docker:*"]),
        ask: rules(&["docker run:*"]),
        ..CommandRules::default()
    };
    let covered = |policy: &Policy, text: &str| {
        let text = CommandText::new(text.as_bytes(), None).with_brokered(vec!["docker".into()]);
        match judge(policy, &text) {
            Verdict::Ask { outside, .. } => outside.map_or("asked inside", |_| "asked outside"),
            Verdict::Outside { .. } => "outside",
            _ => "otherwise",
        }
    };
    let policy_of = |commands: &CommandRules| policy(Mode::AutoAllow, commands.clone());
    assert_eq!(covered(&policy_of(&commands), "docker run x"), "asked outside");
    assert_eq!(covered(&policy_of(&commands), "docker ps"), "outside");
    // Among others it is judged when it is started.
    assert_eq!(covered(&policy_of(&commands), "docker run x; true"), "otherwise");
    commands.ask = vec![CommandRule::all(origin())];
    assert_eq!(covered(&policy_of(&commands), "docker ps"), "asked outside");
    commands.excluded = vec![CommandRule::all(origin())];
    assert_eq!(covered(&policy_of(&commands), "dangerouslyDisableSandbox docker ps"), "asked inside");
}

#[test]
fn the_way_out_always_asks_and_can_be_closed() {
    let commands = CommandRules { allow: vec![CommandRule::all(origin())], ..CommandRules::default() };
    let mut policy = policy(Mode::AutoAllow, commands);
    assert_eq!(word(&policy, "dangerouslyDisableSandbox ls -l"), "ask");
    assert_eq!(word(&policy, "ls; dangerouslyDisableSandbox ls -l"), "confined");
    policy.way_out.value = false;
    assert_eq!(word(&policy, "dangerouslyDisableSandbox ls -l"), "denied");
}

#[test]
fn regular_mode_asks_for_what_no_rule_allows() {
    let commands = CommandRules { allow: rules(&["npm:*", "ls"]), ..CommandRules::default() };
    let mut policy = policy(Mode::Regular, commands);
    let texts = [
        "npm test",
        "npm x; rm y",
        "npmx",
        "ls && npm ci",
        "timeout 5 npm test",
        "CI=1 npm test",
        "LD_PRELOAD=x npm test",
        "sudo npm test",
        "time -o f npm test",
        "npm $(rm x)",
        "./npm x",
        "ls x",
    ];
    assert_eq!(
        texts.map(|t| word(&policy, t)),
        [
            "confined", "ask", "ask", "confined", "confined", "confined", "ask", "ask", "ask", "ask", "ask",
            "ask"
        ]
    );
    policy.bypass_permissions = true;
    assert_eq!(word(&policy, "rm x"), "confined");
}

#[test]
fn nasty_texts_end_quickly_and_do_not_overflow() {
    let started = std::time::Instant::now();
    for piece in [
        "(",
        "((",
        "{ ",
        "$(",
        "$((",
        "`",
        "'",
        "\"",
        "${x:-",
        "\"$(",
        "<(",
        "[[ (",
        "a=(",
        "if ",
        "case x in x) ",
        "f() ",
        "a|",
        "! ",
        "<<E ",
        "\\`",
        "eval ",
        "sudo ",
        "watch x ",
        "su x ",
        "find -exec ",
        "env -S x ",
        "xargs -Q ",
        "-exec ",
        "$'",
        "{a,",
        "time ",
        "coproc x ",
        "for x in ",
    ] {
        for count in [100, 3_000] {
            let text = format!("{}touch", piece.repeat(count));
            if let Commands::Known(commands) = read(text.as_bytes()) {
                commands.iter().for_each(|c| drop(wrappers::layers(c)));
            }
        }
    }
    assert!(started.elapsed().as_secs() < 60, "took {:?}", started.elapsed());
}

/// Pieces of shell grammar; `@` stands for another piece.
fn grammar() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "touch M",
        "ls",
        "echo a 'b c'",
        "true",
        "x=1",
        "echo \"q $x\"",
        "echo ${x:-y}",
        "echo $((1+2))",
        "echo a#b",
        "[[ a == b ]]",
        "((1))",
        "echo $'a\\tb'",
        "cat < /dev/null",
        "echo {a,b} *",
        "echo ${#x} ${x#a} ${x%%b}",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 2, |inner| {
        let templates = prop::sample::select(vec![
            "@; @",
            "@ && @",
            "@ || @",
            "@ | @",
            "@\n@",
            "@ & @",
            "! @",
            "( @ )",
            "{ @; }",
            "if @; then @; fi",
            "while @; do @; done",
            "for i in a b; do @; done",
            "case a in a) @;; *) @;; esac",
            "f() { @; }",
            "echo $(@)",
            "echo \"$(@)\" '@'",
            "x=$(@)",
            "cat <(@)",
            "echo ${x:-$(@)}",
            "echo $((1 + $(@) ))",
            "cat <<E\n$(@)\nE\n",
            "cat <<'E'\n@\nE\n",
            "echo `@`",
            "@ # @",
            "@ > /dev/null",
            "coproc @",
            "time @",
            "echo \"${x:-\"$(@)\"}\"",
            "a[$(@)]=1",
            "y=(a $(@))",
            "cat <<< $(@)",
            "@ |& @",
            "until @\ndo @\ndone",
            "[[ -n $(@) && a ]]",
            "echo \\\n$(@)",
            "echo \"$\\\n(@)\"",
            "(\\\n(@))",
            "cat <<\\\n-E\n\tE\n@\n-E",
            "echo '",
            "\"",
            "@)",
            "@ }",
        ]);
        (templates, inner.clone(), inner)
            .prop_map(|(template, first, second)| template.replacen('@', &first, 1).replacen('@', &second, 1))
    })
}

/// A text as bash itself prints it, which runs nothing; `None` if bash does not read it, or what it printed.
fn as_bash_prints(text: &str) -> Option<String> {
    use std::io::Write;
    let print = |text: &str| {
        let mut child = Command::new("/bin/bash")
            .args(["--norc", "--pretty-print"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
    };
    // A name that bash gives to a coprocess of one command was not written.
    let printed = print(text)?.replace("coproc COPROC ", "coproc ");
    print(&printed).map(|_| printed)
}

/// Shown by fuzzing (fuzz/targets/command.rs) to find what our reading takes for something else than bash's.
#[test]
fn what_bash_prints_is_asked_about_only_if_what_was_written_is() {
    let attacks = include_str!("commands/attacks.txt").lines();
    let many = include_str!("commands/attacks-of-many-lines.txt").split("\n%%\n");
    let benign = include_str!("commands/benign.txt").split("\n%%\n");
    let commands = CommandRules { deny: rules(&["curl:*"]), ..CommandRules::default() };
    let policy = policy(Mode::AutoAllow, commands);
    let mut printed = 0;
    for text in attacks.chain(many).chain(benign) {
        // `touch` goes through as anything else; what hides is what differs.
        let Some(again) = as_bash_prints(text) else { continue };
        printed += 1;
        if word(&policy, text) == "confined" {
            assert_eq!(word(&policy, &again), "confined", "{text:?} as {again:?}");
        }
    }
    assert!(printed > 200, "{printed}");
}

/// Whether bash accepts a text without running it. Some of it is run all the same, as a file called M in the repository
/// has shown: not here.
fn bash_accepts(text: &str) -> bool {
    Command::new("/bin/bash")
        .args(["-n", "-c", text])
        .current_dir(std::env::temp_dir())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
        .success()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 1_000_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_bash_accepts_with_touch_in_command_position_is_seen(text in grammar()) {
        // bash is told apart by running: `touch` is a function that reports, everything else is harmless.
        let probe = format!("touch() {{ echo SEEN >&2; }}; shopt -s lastpipe; {text}");
        prop_assume!(bash_accepts(&text) && !text.contains("while") && !text.contains("until"));
        let output = Command::new("/bin/bash").args(["-c", &probe]).env_clear().output().unwrap();
        let ran = String::from_utf8_lossy(&output.stderr).contains("SEEN");
        let commands = CommandRules { deny: rules(&["touch:*"]), ..CommandRules::default() };
        if ran {
            let answer = word(&policy(Mode::AutoAllow, commands), &text);
            prop_assert!(matches!(answer, "denied" | "ask"), "{text:?} gave {answer}");
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(prop_oneof![
        any::<u8>(), prop::sample::select(b"'\"`$(){}[]<>|&;#\\\n =ea!*?~-".to_vec())], 0..200)) {
        let commands = CommandRules { deny: rules(&["touch:*", "a * b", "*x*"]), ..CommandRules::default() };
        let verdict = judge(&policy(Mode::AutoAllow, commands), &CommandText::new(&bytes, None));
        prop_assert!(!verdict.reason().text.chars().any(char::is_control));
    }
}
