//! Approval through the whole program: the askpass program and the file that "always" writes.

use crate::world::{Ran, World, each};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn askpass(world: &World, answer: &str) -> std::path::PathBuf {
    let program = world.outside.join("askpass");
    let log = world.outside.join("asked");
    world.write(
        &program,
        &format!("#!/bin/sh\nprintf '%s\\n' \"$1\" > {0}\ncat >> {0}\necho {answer}\n", log.display()),
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn with_answer(world: &World, answer: &str, text: &str) -> Ran {
    let program = askpass(world, answer);
    world.command(world.bin("sbsh")).env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap().into()
}

#[test]
fn an_askpass_program_answers_with_the_whole_question_before_it() {
    each(|world| {
        world.user_settings(r#"{"permissions":{"ask":["Bash(git push:*)"]}}"#);
        let text = "true; git push here # \u{202e}hidden";
        assert_eq!(with_answer(world, "no", text).status, Some(126));
        let asked = fs::read_to_string(world.outside.join("asked")).unwrap();
        assert!(
            asked.contains("git push here") && !asked.lines().next().unwrap().contains('\u{202e}'),
            "{asked}"
        );
        assert_eq!(with_answer(world, "garbage", text).status, Some(126));
        // git's own failure, not a refusal: it ran.
        assert_eq!(with_answer(world, "once", text).status, Some(128));
    });
}

#[test]
fn an_askpass_program_need_not_read_the_question_on_its_input() {
    each(|world| {
        world.user_settings(r#"{"permissions":{"ask":["Bash(echo:*)"]}}"#);
        let program = world.outside.join("askpass");
        let script = "printf '#!/bin/sh\\nexec <&-; echo once\\n' > \"$1\" && chmod 755 \"$1\"";
        let written = std::process::Command::new("sh").args(["-c", script, "sh"]).arg(&program).status();
        assert!(written.unwrap().success());
        // More than a pipe holds: whoever writes it finds nobody to read.
        let text = format!("echo a # {}", "x".repeat(100_000));
        let mut command = world.command(world.bin("sbsh"));
        let ran: Ran = command.env("SBSH_ASKPASS", &program).args(["-c", &text]).output().unwrap().into();
        assert_eq!((ran.stdout.as_str(), ran.signal), ("a\n", None), "{ran:?}");
    });
}

#[test]
fn always_writes_a_rule_as_narrow_as_shown_and_keeps_comments() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"mode":"regular"}}"#);
        let local = world.project.join(".claude/settings.local.json");
        world.write(&local, "{\n  // mine\n  \"permissions\": {\n    \"deny\": [\"Bash(rm:*)\"]\n  }\n}\n");
        assert_eq!(with_answer(world, "always", "echo 'a*' b").stdout, "a* b\n");
        let text = fs::read_to_string(&local).unwrap();
        assert!(text.contains("// mine") && text.contains(r#""Bash(echo a\\* b)""#), "{text}");
        assert_eq!(world.run("echo 'a*' b").stdout, "a* b\n");
        assert_eq!(world.run("echo other").status, Some(126));
        assert_eq!(world.run("rm x").status, Some(126));
    });
}

#[test]
fn an_askpass_program_in_the_project_is_not_asked() {
    each(|world| {
        world.user_settings(r#"{"permissions":{"ask":["Bash(echo:*)"]}}"#);
        let program = world.project.join("askpass");
        world.write(&program, "#!/bin/sh\necho once\n");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .env("SBSH_ASKPASS", &program)
            .args(["-c", "echo x"])
            .output()
            .unwrap()
            .into();
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{}", ran.stderr);
    });
}

#[test]
fn the_way_out_always_asks_and_can_be_taken_away() {
    each(|world| {
        let made = world.outside.join("made");
        let text = format!("dangerouslyDisableSandbox touch {}", made.display());
        assert_eq!(world.run(&text).status, Some(126));
        assert!(!made.exists());
        assert_eq!(with_answer(world, "once", &text).status, Some(0));
        assert!(made.exists());
        fs::remove_file(&made).unwrap();
        world.user_settings(
            r#"{"sandbox":{"allowUnsandboxedCommands":false},"permissions":{"allow":["Bash"]}}"#,
        );
        assert_eq!(with_answer(world, "once", &text).status, Some(126));
        assert!(!made.exists());
    });
}

#[test]
fn for_a_text_that_the_options_do_not_tell_no_rule_is_offered() {
    each(|world| {
        world.user_settings(r#"{"permissions":{"deny":["Bash(git push:*)"],"ask":["Bash(git fetch:*)"]}}"#);
        let shell =
            |words: &[&str]| -> Ran { world.command(world.bin("sh")).args(words).output().unwrap().into() };
        // Which of the two a shell executes depends on the shell.
        let denied = shell(&["-sc", "git push"]);
        assert_eq!(denied.status, Some(126), "{}", denied.stderr);
        assert!(denied.stderr.contains("Bash(git push:*) denies 'git push'"), "{}", denied.stderr);
        let asked = shell(&["-sc", "echo ran"]);
        assert_eq!((asked.status, asked.stdout.as_str()), (Some(126), ""), "{}", asked.stderr);
        assert!(asked.stderr.contains("options do not tell"), "{}", asked.stderr);
        assert!(!asked.stderr.contains("permissions.allow"), "{}", asked.stderr);
        // "always" was not among the choices, so it is no answer; "once" is.
        let askpass = |answer: &str| -> Ran {
            let program = askpass(world, answer);
            world
                .command(world.bin("sh"))
                .env("SBSH_ASKPASS", program)
                .args(["-sc", "echo ran"])
                .output()
                .unwrap()
                .into()
        };
        assert_eq!(askpass("always").status, Some(126));
        assert_eq!((askpass("once").status, askpass("once").stdout.as_str()), (Some(0), "ran\n"));
        // Without rules there is nothing to ask about.
        world.user_settings("{}");
        assert_eq!(shell(&["-sc", "echo ran"]).stdout, "ran\n");
    });
}
