//! Settings from the caller's side: rules, trust, broken files, what is said.

use crate::world::each;
use std::fs;

#[test]
fn rules_decide_and_say_which() {
    each(|world| {
        world.user_settings("{\n  // people write comments\n  \"permissions\": {\n    \"deny\": [\"Bash(curl:*)\"],\n    \"ask\": [\"Bash(git push:*)\"],\n  },\n}\n");
        let denied = world.run("cd . && /usr/bin/curl http://x");
        assert_eq!(denied.status, Some(126));
        assert!(
            denied.stderr.contains("Bash(curl:*)") && denied.stderr.contains("settings.json:4:"),
            "{}",
            denied.stderr
        );
        let asked = world.run("git push origin main");
        assert_eq!(asked.status, Some(126));
        assert!(
            asked.stderr.contains("nobody") && asked.stderr.contains("Bash(git push:*)"),
            "{}",
            asked.stderr
        );
        assert_eq!(world.run("echo fine").status, Some(0));
        let json = world.control(&["explain", "--json", "--", "curl", "x"]);
        let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!(value["verdict"], "denied");
        assert_eq!(value["rule"], "Bash(curl:*)");
    });
}

#[test]
fn the_regular_mode_asks_for_what_no_rule_allows() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"mode":"regular"},"permissions":{"allow":["Bash(echo:*)"]}}"#);
        assert_eq!(world.run("echo a; echo b").stdout, "a\nb\n");
        assert_eq!(world.run("echo a; ls").status, Some(126));
        assert_eq!(world.run("echo a > f").status, Some(0));
    });
}

#[test]
fn a_broken_file_stops_everything_with_its_place() {
    each(|world| {
        for (text, place) in [
            ("{\n  \"sandbox\": {\"enabled\": maybe}\n}", ":2:"),
            ("{\"sandbox\": {\"excludedCommands\": \"docker\"}}", ":1:34"),
            ("{\"permissions\": {\"deny\": [\"Bash(\"]}}", ":1:"),
            ("{\"sandbox\": {\"mode\": \"regular\", \"mode\": \"auto-allow\"}}", ":1:"),
            ("{ /* open", ":1:"),
            ("[]", "settings.json"),
            ("{\"sandbox\": {\"allowedDomains\": [\"*\"]}}", ":1:"),
        ] {
            world.user_settings(text);
            let ran = world.run("echo ran");
            assert_eq!((ran.stdout.as_str(), ran.status), ("", Some(126)), "{text}: {}", ran.stderr);
            assert!(
                ran.stderr.contains(place) && ran.stderr.contains("settings.json"),
                "{text}: {}",
                ran.stderr
            );
        }
        world.user_settings("{\"sandbox\": {\"exludedCommands\": []}}");
        let ran = world.run("echo ran");
        assert_eq!(ran.stdout, "ran\n");
        assert!(ran.stderr.contains("excludedCommands"), "{}", ran.stderr);
    });
}

#[test]
fn an_untrusted_project_file_tightens_and_does_not_widen_until_trusted() {
    each(|world| {
        let settings = world.project.join(".claude/settings.json");
        let text = format!(
            "{{\n \"sandbox\": {{\"filesystem\": {{\"allowWrite\": [\"{}\"], \"denyWrite\": [\"kept\"]}}}},\n \"permissions\": {{\"deny\": [\"Bash(touch:*)\"]}}\n}}\n",
            world.outside.display()
        );
        world.write(&settings, &text);
        world.write(&world.project.join("kept"), "old\n");
        let attempt = format!("echo x > {}/made; echo x > kept; true", world.outside.display());
        let ran = world.run(&attempt);
        assert!(!world.outside.join("made").exists());
        assert!(ran.stderr.contains("sbshctl trust") && ran.stderr.contains("allowWrite"), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(world.project.join("kept")).unwrap(), "old\n");
        assert_eq!(world.run("touch x").status, Some(126));

        let shown = world.control(&["trust", "--show"]);
        assert!(
            shown.stdout.contains("line 2") && shown.stdout.contains("allowWrite"),
            "{}{}",
            shown.stdout,
            shown.stderr
        );
        assert_eq!(world.control(&["trust"]).status, Some(126));
        assert_eq!(world.control(&["trust", "--yes"]).status, Some(0));
        let ran = world.run(&attempt);
        assert!(world.outside.join("made").exists(), "{}", ran.stderr);
        assert!(!ran.stderr.contains("sbshctl trust"), "{}", ran.stderr);

        fs::remove_file(world.outside.join("made")).unwrap();
        world.write(&settings, &text.replace("\"kept\"", "\"kept\", \"more\""));
        let ran = world.run(&attempt);
        assert!(
            !world.outside.join("made").exists() && ran.stderr.contains("sbshctl trust"),
            "{}",
            ran.stderr
        );
        world.control(&["trust", "--yes"]);
        assert_eq!(world.control(&["trust", "--revoke", settings.to_str().unwrap()]).status, Some(0));
        world.run(&attempt);
        assert!(!world.outside.join("made").exists());
    });
}

#[test]
fn trust_is_not_given_from_inside() {
    each(|world| {
        world.write(
            &world.project.join(".claude/settings.json"),
            r#"{"sandbox":{"excludedCommands":["touch:*"]}}"#,
        );
        let ran = world.run(&format!("{} trust --yes", world.bin("sbshctl").display()));
        assert_eq!(ran.status, Some(126), "{}", ran.stderr);
        assert_eq!(world.control(&["trust", "--list"]).stdout, "");
    });
}

#[test]
fn explain_and_status_and_doctor_speak_json() {
    each(|world| {
        for words in [&["explain", "--json", "--", "true"][..], &["status", "--json"], &["doctor", "--json"]]
        {
            let ran = world.control(words);
            assert_eq!(ran.status, Some(0), "{words:?}: {}", ran.stderr);
            assert!(serde_json::from_str::<serde_json::Value>(&ran.stdout).is_ok(), "{words:?}");
        }
        for words in [&["explain", "--", "true"][..], &["status"], &["doctor"]] {
            assert_eq!(world.control(words).status, Some(0), "{words:?}");
        }
        assert_eq!(world.control(&["no-such-verb"]).status, Some(2));
    });
}

#[test]
fn an_excluded_command_that_is_refused_says_why_although_it_is_hidden() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"excludedCommands":["git push:*"]}}"#);
        let ran = world.run("git push nowhere 2>/dev/null | cat; false");
        assert_eq!(ran.status, Some(1));
        assert!(ran.stderr.contains("excludedCommands") && ran.stderr.contains("git push"), "{}", ran.stderr);
        assert_eq!(world.run("git --version >/dev/null 2>&1 | cat").stderr, "");
    });
}

#[test]
fn without_the_sandbox_everything_is_asked_about() {
    each(|world| {
        let made = world.outside.join("made");
        let text = format!("touch {}", made.display());
        world.user_settings(r#"{"sandbox":{"enabled":false}}"#);
        assert_eq!(world.run(&text).status, Some(126));
        assert_eq!(world.run(&format!("{text}; true")).status, Some(126));
        assert!(!made.exists());
        world.user_settings(r#"{"sandbox":{"enabled":false},"permissions":{"allow":["Bash(touch:*)"]}}"#);
        let ran = world.run(&text);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert!(made.exists() && ran.stderr.contains("unconfined"), "{}", ran.stderr);
        fs::remove_file(&made).unwrap();
        // A project cannot switch it off, trusted or not.
        world.user_settings("{}");
        world.write(
            &world.project.join(".claude/settings.json"),
            r#"{"sandbox":{"enabled":false},"permissions":{"allow":["Bash"]}}"#,
        );
        world.control(&["trust", "--yes"]);
        assert_ne!(world.run(&text).status, Some(0));
        assert!(!made.exists());
    });
}

#[test]
fn doctor_tells_which_agents_would_bypass() {
    each(|world| {
        let look = |name: &str, value: &std::path::Path| -> String {
            let ran: crate::world::Ran =
                world.command(world.bin("sbshctl")).env(name, value).arg("doctor").output().unwrap().into();
            ran.stdout.lines().find(|l| l.contains("Claude Code")).unwrap().to_owned()
        };
        assert!(
            look("SHELL", &world.bin("sbsh")).contains("BYPASSES"),
            "its path names neither bash nor zsh"
        );
        assert!(look("CLAUDE_CODE_SHELL", &world.bin("bash")).contains("through sbsh"));
    });
}
