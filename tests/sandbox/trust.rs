//! Trust in a project's settings before its first command: asked once, on a terminal, about exactly what is there.

use crate::terminal::{Screen, terminal_command};
use crate::world::{World, each};
use std::fs;
use std::path::PathBuf;

/// What stands before every question and behind it.
const QUESTION: &str = "Trust these settings to widen the sandbox?";
const KEYS: &str = "[a]lways  [n]o > ";

fn settings(world: &World) -> PathBuf {
    world.project.join(".claude/settings.json")
}

/// Opens what must not be read inside otherwise; nobody is asked about reading it.
fn widening(world: &World, more: &str) -> String {
    world.write(&world.home.join(".netrc"), "secret\n");
    format!(
        "{{\n  \"sandbox\": {{\n    \"filesystem\": {{ \"allowRead\": [\"~/.netrc\"{more}] }}\n  }},\n  \"permissions\": {{ \"deny\": [\"Bash(rm:*)\"] }}\n}}\n"
    )
}

/// Whether it counts.
const TRY: &str = "cat ~/.netrc || echo refused";

fn on_terminal(world: &World, text: &str) -> Screen {
    let mut command = terminal_command(world, world.bin("sbsh").to_str().unwrap());
    command.args(["-c", text]);
    Screen::start(command, || {})
}

/// Answers the question that comes; what was asked, and the rest.
fn answered(world: &World, text: &str, key: &str) -> (String, String) {
    let mut screen = on_terminal(world, text);
    screen.until(QUESTION);
    let asked = screen.until(KEYS);
    screen.answers(key, if key == "a" { "always\r\n" } else { "no\r\n" });
    (asked, screen.rest())
}

#[test]
fn a_yes_counts_at_once_and_is_asked_for_once() {
    each(|world| {
        world.write(&settings(world), &widening(world, ""));
        let (asked, rest) = answered(world, TRY, "a");
        let line = "line 3: sandbox.filesystem.allowRead = ~/.netrc";
        assert!(asked.contains(line) && asked.contains("(not trusted) would widen:"), "{asked}");
        assert!(!asked.contains("rm:*"), "{asked}");
        assert!(rest.contains("secret") && !rest.contains("ignored from"), "{rest}");
        let rest = on_terminal(world, "echo again").rest();
        assert!(!rest.contains(QUESTION) && rest.contains("again"), "{rest}");
        assert!(world.control(&["trust", "--list"]).stdout.contains("settings.json"));
        assert_eq!(world.run("echo quiet").stderr, "");
    });
}

#[test]
fn a_no_is_kept_for_this_content_and_can_be_taken_back() {
    each(|world| {
        world.write(&settings(world), &widening(world, ""));
        let (_, rest) = answered(world, TRY, "n");
        assert!(rest.contains("refused") && !rest.contains("secret"), "{rest}");
        // Not again, and without a word; what has no terminal is told.
        let rest = on_terminal(world, "echo fine").rest();
        assert!(!rest.contains(QUESTION) && !rest.contains("ignored from"), "{rest}");
        assert!(world.run("true").stderr.contains("ignored from"));
        assert_eq!(world.control(&["trust", "--list"]).stdout, "");
        // Another content is another question.
        world.write(&settings(world), &widening(world, ", \"/srv\""));
        let (asked, _) = answered(world, "true", "n");
        assert!(asked.contains("allowRead = /srv"), "{asked}");
        // What one does oneself counts, and forgets the no.
        assert_eq!(world.control(&["trust", "--yes"]).status, Some(0));
        assert_eq!(world.control(&["trust", "--revoke", world.project.to_str().unwrap()]).status, Some(0));
        answered(world, "true", "n");
    });
}

#[test]
fn a_change_is_asked_about_with_its_difference() {
    each(|world| {
        world.write(&settings(world), &widening(world, ", \"/srv/old\""));
        answered(world, "true", "a");
        world.write(&settings(world), &widening(world, ", \"/srv/new\""));
        // It does not count before it is trusted again, not even what was trusted before.
        let ran = world.run(TRY);
        assert!(ran.stdout.contains("refused"), "{ran:?}");
        let (asked, rest) = answered(world, TRY, "a");
        assert!(asked.contains("(changed since it was trusted)"), "{asked}");
        assert!(asked.contains("+ line 3: sandbox.filesystem.allowRead = /srv/new"), "{asked}");
        assert!(asked.contains("    line 3: sandbox.filesystem.allowRead = ~/.netrc"), "{asked}");
        assert!(asked.contains("- no longer: sandbox.filesystem.allowRead = /srv/old"), "{asked}");
        assert!(rest.contains("secret"), "{rest}");
        let shown = world.control(&["trust", "--show"]).stdout;
        assert!(shown.contains("(trusted)") && !shown.contains("no longer"), "{shown}");
    });
}

#[test]
fn a_change_that_only_tightens_is_not_trusted_and_loses_what_was() {
    each(|world| {
        let text = widening(world, "");
        world.write(&settings(world), &text);
        world.control(&["trust", "--yes"]);
        world.write(&settings(world), &text.replace("Bash(rm:*)\"", "Bash(rm:*)\", \"Bash(mv:*)\""));
        assert_eq!(world.run("mv a b").status, Some(126));
        assert!(world.run("true").stderr.contains("not trusted"));
    });
}

#[test]
fn without_a_terminal_or_in_its_background_nothing_is_asked() {
    each(|world| {
        world.write(&settings(world), &widening(world, ""));
        let ran = world.run("echo ran");
        assert_eq!(ran.stdout, "ran\n");
        assert_eq!(ran.stderr.matches("ignored from").count(), 1, "{ran:?}");
        let mut command = terminal_command(world, "/bin/bash");
        let text = format!("set -m; {} -c 'echo ran' & wait; echo done", world.bin("sbsh").display());
        command.args(["--norc", "-c", &text]);
        let rest = Screen::start(command, || {}).rest();
        assert!(rest.contains("ran") && rest.contains("done") && !rest.contains(QUESTION), "{rest}");
    });
}

#[test]
fn what_cannot_come_to_count_is_not_asked_about() {
    each(|world| {
        world.write(&settings(world), &widening(world, ""));
        // What runs inside could write the trust store.
        let state = world.project.join("state");
        fs::create_dir(&state).unwrap();
        world.give(&state);
        let mut command = terminal_command(world, world.bin("sbsh").to_str().unwrap());
        command.args(["-c", "echo ran"]).env("XDG_STATE_HOME", &state);
        let rest = Screen::start(command, || {}).rest();
        assert!(rest.contains("ran") && !rest.contains(QUESTION), "{rest}");
        // Nor from inside.
        let nested = format!("{} -c 'echo ran'", world.bin("sbsh").display());
        world.write(&settings(world), "{}");
        let rest = on_terminal(world, &format!("{nested}; true")).rest();
        assert!(rest.contains("ran") && !rest.contains(QUESTION), "{rest}");
    });
}

#[test]
fn hooks_and_hidden_characters_are_shown_as_they_are() {
    each(|world| {
        world.write(
            &settings(world),
            "{\"hooks\": {\"PreToolUse\": [{\"hooks\": [\n{\"type\": \"command\", \"command\": \"touch ~/x\\u001b[8m; true \\u202e\"}]}]}}",
        );
        let (asked, _) = answered(world, "true", "n");
        assert!(asked.contains("line 2: hooks.PreToolUse = touch ~/x"), "{asked}");
        assert!(!asked.contains('\u{1b}') && !asked.contains('\u{202e}'), "{asked}");
        assert!(!world.home.join("x").exists());
    });
}
