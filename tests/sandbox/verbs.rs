//! The verbs that change settings, and those that judge them: what is written, what is refused, and that it counts.

use crate::terminal::{Screen, terminal_command};
use crate::world::{Ran, World, each};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn local(world: &World) -> String {
    fs::read_to_string(world.project.join(".claude/settings.local.json")).unwrap_or_default()
}

fn user(world: &World) -> String {
    fs::read_to_string(world.home.join(".claude/settings.json")).unwrap_or_default()
}

/// Runs a verb that has to succeed; what it says.
#[track_caller]
pub fn done(world: &World, words: &[&str]) -> String {
    let ran = world.control(words);
    assert_eq!(ran.status, Some(0), "{words:?}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

#[track_caller]
fn refused(world: &World, words: &[&str], why: &str) {
    let before = (local(world), user(world));
    let ran = world.control(words);
    assert!(matches!(ran.status, Some(2 | 126)), "{words:?}: {ran:?}");
    assert!(ran.stderr.contains(why) && ran.stderr.lines().count() == 1, "{words:?}: {}", ran.stderr);
    assert_eq!((local(world), user(world)), before, "{words:?}");
}

#[test]
fn every_list_is_written_counts_and_is_taken_back() {
    each(|world| {
        let outside = world.outside.join("made");
        let outside = outside.to_str().unwrap();
        world.write(&world.outside.join("secret"), "PRIVATE\n");
        let secret = world.outside.join("secret");
        let secret = secret.to_str().unwrap();

        let said = done(world, &["deny", "command", "touch:*"]);
        assert!(said.starts_with("'Bash(touch:*)' is denied in this project, by '"), "{said}");
        assert!(said.contains("\n  +      \"Bash(touch:*)\"\n"), "{said}");
        assert_eq!(world.run("touch here").status, Some(126));
        let said = done(world, &["deny", "command", "Bash(touch:*)", "--remove"]);
        assert!(
            said.contains("is no longer in permissions.deny of '")
                && said.contains("\n  -      \"Bash(touch:*)\"\n"),
            "{said}"
        );
        assert_eq!(world.run("touch here").status, Some(0));

        done(world, &["ask", "command", "rm:*"]);
        assert_eq!(world.run("rm here").status, Some(126));
        done(world, &["ask", "command", "rm:*", "--remove"]);
        assert_eq!(world.run("rm here").status, Some(0));

        done(world, &["allow", "write", outside]);
        assert_eq!(world.run(&format!("mkdir {outside}")).status, Some(0));
        done(world, &["deny", "write", outside]);
        assert_ne!(world.run(&format!("touch {outside}/x 2>/dev/null")).status, Some(0));
        done(world, &["deny", "write", outside, "--remove"]);
        done(world, &["allow", "write", outside, "--remove"]);
        assert_ne!(world.run(&format!("touch {outside}/x 2>/dev/null")).status, Some(0));

        done(world, &["deny", "read", secret]);
        assert_eq!(world.run(&format!("cat {secret} 2>/dev/null")).stdout, "");
        done(world, &["ask", "read", secret]);
        assert!(local(world).contains(&format!("\"Read(/{secret})\"")), "{}", local(world));
        done(world, &["deny", "read", secret, "--remove"]);
        assert_eq!(world.run(&format!("cat {secret}")).stdout, "PRIVATE\n");

        world.user_settings(r#"{"sandbox": {"mode": "regular"}}"#);
        assert_eq!(world.run("true").status, Some(126));
        done(world, &["allow", "command", "true"]);
        assert_eq!(world.run("true").status, Some(0));
        done(world, &["allow", "command", "true", "--remove"]);
        assert_eq!(world.run("true").status, Some(126));

        done(world, &["exclude", "printenv:*", "--user"]);
        done(world, &["allow", "command", "printenv HOME", "--user"]);
        let explained = world.control(&["explain", "--json", "--", "printenv", "HOME"]);
        assert!(explained.stdout.contains("\"outside\""), "{}", explained.stdout);
        done(world, &["exclude", "printenv:*", "--remove"]);
        assert!(!user(world).contains("printenv:*"));
        let explained = world.control(&["explain", "--json", "--", "printenv", "HOME"]);
        assert!(!explained.stdout.contains("\"verdict\": \"outside\""), "{}", explained.stdout);
    });
}

/// Credentials stand in lists of objects.
#[test]
fn credentials_are_denied_and_kept() {
    each(|world| {
        let inside = |name: &str| {
            let mut command = world.command(world.bin("sbsh"));
            let ran: Ran = command
                .env("MY_KEY", "mine")
                .env("SSH_AUTH_SOCK", "/agent")
                .args(["-c", &format!("printenv {name}")])
                .output()
                .unwrap()
                .into();
            ran.stdout
        };
        assert_eq!((inside("MY_KEY"), inside("SSH_AUTH_SOCK")), ("mine\n".into(), String::new()));
        let said = done(world, &["deny", "credential-env", "MY_KEY"]);
        assert!(
            said.starts_with("'MY_KEY' is not in the environment inside in this project, by '"),
            "{said}"
        );
        assert!(said.contains("\n  +        {\"name\": \"MY_KEY\", \"mode\": \"deny\"}\n"), "{said}");
        done(world, &["allow", "credential-env", "SSH_AUTH_SOCK"]);
        assert_eq!((inside("MY_KEY"), inside("SSH_AUTH_SOCK")), (String::new(), "/agent\n".into()));
        assert!(done(world, &["deny", "credential-env", "MY_KEY"]).contains("is there already ("));
        // One is not the other's to take out, and a denial wins.
        done(world, &["allow", "credential-env", "MY_KEY", "--remove"]);
        let said = done(world, &["allow", "credential-env", "MY_KEY"]);
        assert!(
            said.contains("but it does not count: it is denied (") && said.contains("no built-in list"),
            "{said}"
        );
        assert_eq!(inside("MY_KEY"), "");
        let said = done(world, &["deny", "credential-env", "MY_KEY", "--remove", "--dry-run"]);
        assert!(said.starts_with("nothing was written") && said.contains("\n  -"), "{said}");
        for words in [["deny", "MY_KEY"], ["allow", "MY_KEY"], ["allow", "SSH_AUTH_SOCK"]] {
            done(world, &[words[0], "credential-env", words[1], "--remove"]);
        }
        assert_eq!((inside("MY_KEY"), inside("SSH_AUTH_SOCK")), ("mine\n".into(), String::new()));

        // Comments and what else stands there stay; the user's file is found without being named.
        let netrc = world.home.join(".netrc");
        world.write(&netrc, "machine\n");
        let before = "{\n  \"sandbox\": {\n    \"credentials\": {\n      \"files\": [\n        // ours\n        { \"path\": \"~/a\", \"mode\": \"deny\", \"why\": 1 }\n      ]\n    }\n  }\n}\n";
        world.user_settings(before);
        done(world, &["allow", "credential-file", "~/.netrc", "--user"]);
        assert_eq!(world.run("cat ~/.netrc").stdout, "machine\n");
        let added = "\"why\": 1 },\n        {\"path\": \"~/.netrc\", \"mode\": \"allow\"}\n";
        assert_eq!(user(world), before.replace("\"why\": 1 }\n", added));
        done(world, &["allow", "credential-file", "~/.netrc", "--remove"]);
        assert_eq!((world.run("cat ~/.netrc").stdout.as_str(), user(world).as_str()), ("", before));
        done(world, &["deny", "credential-file", "~/a", "--remove"]);
        assert!(!user(world).contains("~/a") && user(world).contains("// ours"), "{}", user(world));

        for (words, why) in [
            (["deny", "credential-env", "A=b"], "no name of a variable"),
            (["deny", "credential-env", "*_KEY"], "no name of a variable"),
            (["allow", "credential-env", ""], "no name of a variable"),
            (["deny", "credential-file", "/"], "nothing runs any more"),
            (["deny", "credential-file", ""], "no path"),
            (["ask", "credential-env", "X"], "one of these comes first: command, read"),
        ] {
            refused(world, &words, why);
        }
        // A file that is not trusted may always tighten.
        let path = world.project.join(".claude/settings.local.json");
        world.write(&path, r#"{"sandbox": {"excludedCommands": ["evil:*"]}}"#);
        done(world, &["deny", "credential-env", "MY_KEY", "--project"]);
        assert_eq!(inside("MY_KEY"), "");
        refused(world, &["allow", "credential-env", "SSH_AUTH_SOCK", "--project"], "not trusted yet");
    });
}

#[test]
fn comments_order_and_trust_stay() {
    each(|world| {
        let before = "{\n\t// mine\n\t\"permissions\": {\n\t\t\"allow\": [\n\t\t\t\"Bash(ls)\", // kept\n\t\t\t\"Bash(b)\",\n\t\t],\n\t},\n\t\"other\": {\"x\": [1]} // not ours\n}\n";
        world.user_settings(before);
        let said = done(world, &["allow", "command", "npm run test:*", "--user"]);
        assert!(said.contains("is allowed in all projects of this user"), "{said}");
        let after = user(world);
        assert_eq!(
            after,
            before.replace("\t\t\t\"Bash(b)\",\n", "\t\t\t\"Bash(b)\",\n\t\t\t\"Bash(npm run test:*)\",\n")
        );
        done(world, &["allow", "command", "npm run test:*", "--remove"]);
        assert_eq!(user(world), before);
        done(world, &["allow", "command", "ls", "--remove", "--user"]);
        assert_eq!(user(world), before.replace("\t\t\t\"Bash(ls)\", // kept\n", ""));

        // What was trusted of the project's own file stays so, with the entry and without it.
        done(world, &["exclude", "sometool:*"]);
        done(world, &["allow", "write", world.outside.to_str().unwrap()]);
        done(world, &["exclude", "sometool:*", "--remove"]);
        assert_eq!(world.run(&format!("touch {}/x", world.outside.display())).status, Some(0));
        // What was never trusted does not come to count by taking something else out.
        let path = world.project.join(".claude/settings.local.json");
        world.write(&path, r#"{"sandbox": {"excludedCommands": ["evil:*", "other:*"]}}"#);
        done(world, &["exclude", "other:*", "--remove"]);
        let status = world.control(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(status["excluded"], serde_json::json!([]), "{status}");
    });
}

#[test]
fn a_working_directory_whose_name_would_be_a_pattern_is_this_one_name() {
    each(|world| {
        let verb = |directory: &std::path::Path, words: &[&str]| {
            let mut command = world.command(world.bin("sbshctl"));
            let ran: Ran = command.current_dir(directory).args(words).output().unwrap().into();
            assert_eq!(ran.status, Some(0), "{words:?}: {}", ran.stderr);
        };
        let slug = world.project.join("[slug]");
        world.write(&slug.join("secret"), "PRIVATE\n");
        verb(&slug, &["deny", "read", "secret"]);
        let read = world.run("cat '[slug]/secret'");
        assert!(read.status != Some(0) && !read.stdout.contains("PRIVATE"), "{read:?}");
        let (stars, other) = (world.outside.join("**"), world.outside.join("other/made"));
        for file in [stars.join("made/x"), other.join("x")] {
            world.write(&file, "");
        }
        verb(&stars, &["allow", "write", "made", "--user"]);
        let touch = |directory: &std::path::Path| world.run(&format!("touch '{}'/y", directory.display()));
        assert_eq!(touch(&stars.join("made")).status, Some(0));
        let touched = touch(&other);
        assert!(touched.status != Some(0) && !other.join("y").exists(), "{touched:?}");
    });
}

#[test]
fn a_name_that_would_be_a_pattern_is_this_name_where_it_stands() {
    each(|world| {
        for name in ["[id]", "x[ab]"] {
            fs::create_dir(world.project.join(name)).unwrap();
            world.give(&world.project.join(name));
        }
        assert_eq!(world.control(&["deny", "--user", "write", "[id]"]).status, Some(0));
        let here = format!("{}/x[ab]", world.project.display());
        assert_eq!(world.control(&["deny", "--user", "write", &here]).status, Some(0));
        let ran = world.run("echo x > '[id]/f'; echo x > 'x[ab]/f'; ls '[id]' 'x[ab]'; : > xa");
        assert!(!ran.stdout.contains('f'), "{ran:?}");
        assert_eq!(world.control(&["deny", "--user", "--remove", "write", "[id]"]).status, Some(0));
        assert_eq!(world.run("echo x > '[id]/f'").status, Some(0));
    });
}

#[test]
fn a_file_that_says_nothing_is_written_like_one_that_is_empty() {
    each(|world| {
        for nothing in ["", "\n", "// nothing yet", "/* nothing */\n"] {
            world.user_settings(nothing);
            let ran = world.control(&["allow", "--user", "domain", "x.com"]);
            assert_eq!(ran.status, Some(0), "{nothing:?}: {ran:?}");
            let text = user(world);
            assert!(text.starts_with(nothing) && text.contains("x.com"), "{text}");
            assert_eq!(world.run("true").status, Some(0));
        }
    });
}

#[test]
fn the_log_has_no_change_that_was_none() {
    each(|world| {
        let entries = || {
            let ran = world.control(&["log", "--json", "-n", "50"]);
            ran.stdout.lines().filter(|line| line.contains("\"settings\"")).count()
        };
        world.control(&["allow", "--user", "domain", "x.com"]);
        let before = entries();
        assert!(before > 0);
        assert_eq!(world.control(&["allow", "--user", "--remove", "domain", "nothere.com"]).status, Some(0));
        assert_eq!(entries(), before);
    });
}

#[test]
fn a_state_directory_that_cannot_be_read_is_not_an_empty_one() {
    each(|world| {
        world.run("true");
        let state = world.home.join(".local/state/sbsh");
        if world.user == 0 {
            // Root may read it all the same.
            return;
        }
        fs::set_permissions(&state, fs::Permissions::from_mode(0o000)).unwrap();
        for words in [&["log", "--verify"][..], &["log"], &["review"]] {
            let ran = world.control(words);
            assert!(
                ran.status == Some(126) && ran.stderr.contains("Permission denied"),
                "{words:?}: {ran:?}"
            );
        }
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    });
}

#[test]
fn the_doctor_ends_where_a_standard_descriptor_is_closed() {
    each(|world| {
        for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            let text = format!("exec '{}' doctor {closed}", world.bin("sbshctl").display());
            let mut command = world.command("timeout");
            let ran: Ran = command.args(["60", "sh", "-c", &text]).output().unwrap().into();
            assert_ne!(ran.status, Some(124), "{closed}");
        }
    });
}

#[test]
fn a_dry_run_shows_the_change_and_writes_nothing() {
    each(|world| {
        world.user_settings("{}\n");
        for words in [
            &["allow", "domain", "example.com", "--dry-run"][..],
            &["exclude", "docker:*", "--user", "--dry-run"],
            &["deny", "write", "~/x", "--dry-run"],
        ] {
            let said = done(world, words);
            assert!(said.starts_with("nothing was written; this would be the change:\n"), "{said}");
            assert!(said.contains("\n  +"), "{said}");
        }
        assert_eq!((local(world).as_str(), user(world).as_str()), ("", "{}\n"));
        done(world, &["exclude", "docker:*", "--user"]);
        let written = user(world);
        let said = done(world, &["exclude", "docker:*", "--remove", "--dry-run"]);
        assert!(said.contains("\n  -"), "{said}");
        assert_eq!(user(world), written);
    });
}

#[test]
fn presets_are_shown_written_once_and_count() {
    each(|world| {
        let listed = done(world, &["preset"]);
        for wanted in [
            "node (npm, pnpm and yarn)\n  domain registry.npmjs.org             packages and what is known of them",
            "\njava (Maven and Gradle)\n",
            "  write  ~/.cargo/registry              the index and the crates that cargo fetched\n",
        ] {
            assert!(listed.contains(wanted), "{wanted}: {listed}");
        }
        let before = "{\n  // mine\n  \"other\": 1,\n  \"sandbox\": {\n    \"allowedDomains\": [\n      \"a.test\" // kept\n    ]\n  }\n}\n";
        world.user_settings(before);
        let said = done(world, &["preset", "python", "rust", "--user", "--dry-run"]);
        assert!(
            said.starts_with("python, rust for all projects of this user:\n  domain pypi.org "),
            "{said}"
        );
        assert!(said.contains("nothing was written; this would be the change:\n"), "{said}");
        for line in
            ["pypi.org", "files.pythonhosted.org", "index.crates.io", "~/.cache/pip", "~/.cargo/registry"]
        {
            assert_eq!(said.matches(&format!("\"{line}\"")).count(), 1, "{line}: {said}");
        }
        assert_eq!((local(world).as_str(), user(world).as_str()), ("", before));
        assert_ne!(world.run("mkdir -p ~/.cache/pip/x 2>/dev/null").status, Some(0));

        let wrote = done(world, &["preset", "python", "rust", "--user"]);
        assert_eq!(wrote, said.replace("nothing was written; this would be the change:\n", ""));
        let after = user(world);
        assert!(
            after.starts_with("{\n  // mine\n  \"other\": 1,\n") && after.contains("// kept\n"),
            "{after}"
        );
        assert_eq!(world.run("mkdir -p ~/.cache/pip/x ~/.cargo/registry/x").status, Some(0));
        assert_ne!(world.run("mkdir -p ~/.cargo/bin 2>/dev/null").status, Some(0));
        assert!(!world.home.join(".cargo/bin").exists());

        // Once, whichever file it stands in, and by whatever allows it.
        let again = done(world, &["preset", "rust"]);
        assert!(again.contains("allowed already (") && again.ends_with("\nnothing was changed\n"), "{again}");
        assert_eq!((local(world).as_str(), user(world)), ("", after));
        world.user_settings(
            r#"{"sandbox": {"allowedDomains": ["*.crates.io"], "filesystem": {"allowWrite": ["~/.cache"]}}}"#,
        );
        let said = done(world, &["preset", "rust", "python", "python"]);
        assert!(
            said.contains("index.crates.io                allowed already (by '*.crates.io', "),
            "{said}"
        );
        assert!(said.contains("~/.cache/pip                   allowed already (by '"), "{said}");
        let wrote: serde_json::Value = serde_json::from_str(&local(world)).unwrap();
        assert_eq!(
            wrote["sandbox"],
            serde_json::json!({
                "allowedDomains": ["pypi.org", "files.pythonhosted.org"],
                "filesystem": {"allowWrite": ["~/.cargo/registry"]}
            })
        );
        // What was written counts: the file was trusted with it.
        assert_eq!(world.run("mkdir -p ~/.cargo/registry/y").status, Some(0));
    });
}

#[test]
fn presets_are_silent_for_lint_and_follow_variables() {
    each(|world| {
        done(world, &["preset", "node", "python", "rust", "go", "java"]);
        let lint = world.control(&["lint"]);
        assert_eq!((lint.status, lint.stdout.as_str()), (Some(0), "nothing was found\n"), "{}", lint.stderr);
        let with = |name: &str, value: &std::path::Path, preset: &str| -> Ran {
            let mut command = world.command(world.bin("sbshctl"));
            command.env(name, value).args(["preset", preset, "--user"]).output().unwrap().into()
        };
        let elsewhere = world.outside.join("cargo");
        let ran = with("CARGO_HOME", &elsewhere, "rust");
        let entry = format!("\"{}/registry\"", elsewhere.display());
        assert!(user(world).contains(&entry), "{}{}", ran.stdout, ran.stderr);
        // A variable that leads to what decides about confinement writes nothing.
        let before = user(world);
        for broad in [&world.home, std::path::Path::new("/"), std::path::Path::new("/usr/bin")] {
            let ran = with("PIP_CACHE_DIR", broad, "python");
            assert_eq!(ran.status, Some(126), "{}{}", ran.stdout, ran.stderr);
            assert!(
                ran.stderr.contains("was not written: it ") && ran.stderr.lines().count() == 1,
                "{}",
                ran.stderr
            );
            assert_eq!(user(world), before);
        }
        refused(world, &["preset", "cobol"], "there is no preset 'cobol', only node, python, rust, go, java");
        refused(world, &["preset", "--user"], "say which preset");
        refused(world, &["preset", "go", "--user", "--shared"], "exclude each other");
        let ran = world.run(&format!("{} preset go", world.bin("sbshctl").display()));
        assert!(
            ran.status == Some(126) && ran.stderr.contains("does not work inside the sandbox"),
            "{ran:?}"
        );
    });
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    each(|world| {
        for (words, why) in [
            (&["allow", "command", "*"][..], "allows every command"),
            (&["allow", "command", "Bash"], "allows every command"),
            (&["allow", "command", "Bash(*)"], "allows every command"),
            (&["allow", "command", "* --version"], "allows any program"),
            (&["allow", "command", "bash:*"], "runs whatever it is told"),
            (&["allow", "command", "sudo -n:*"], "runs whatever it is told"),
            (&["allow", "command", "cd x && rm y"], "never matches"),
            (&["allow", "command", ""], "a command rule is empty"),
            (&["allow", "command", ":*"], "has no prefix"),
            (&["allow", "command", "Bash("], "is malformed"),
            (&["allow", "command", "Edit(/x)"], "no rule on commands"),
            (&["allow", "command", "bash(ls)"], "write Bash with this capitalisation"),
            (&["deny", "command", "*"], "nothing runs any more"),
            (&["deny", "read", "/"], "nothing runs any more"),
            (&["exclude", "*"], "takes every command out"),
            (&["exclude", "*", "--force"], "takes every command out"),
            (&["exclude", "*ocker:*"], "any program out"),
            (&["exclude", "bash:*"], "runs whatever it is told"),
            (&["exclude", "env:*"], "runs whatever it is told"),
            (&["exclude", "/usr/bin/python3:*"], "runs whatever it is told"),
            (&["exclude", "dangerouslyDisableSandbox:*"], "there without it"),
            (&["exclude", "./deploy:*"], "commands inside can write that file"),
            (&["allow", "domain", "*"], "would allow too much"),
            (&["allow", "domain", "*.com"], "would allow too much"),
            (&["allow", "domain", "https://x.org/y"], "URL"),
            (&["allow", "domain", ""], "no domain"),
            (&["allow", "write", ""], "no path"),
            (&["allow", "write", "   "], "no path"),
            (&["allow", "write", "~other/x"], "home directories of others"),
            (&["allow", "write", "~/.bashrc"], "used outside at the next start"),
            (&["allow", "write", "/usr/bin"], "holds programs on PATH"),
            (&["allow", "write", "/"], "could then write the settings"),
            (&["deny", "socket", "/x"], "one of these comes first: domain, write, read, command"),
            (&["exclude", "docker", "ps"], "quote the command"),
        ] {
            refused(world, words, why);
        }
        assert_eq!((local(world).as_str(), user(world).as_str()), ("", ""));
        // What a person insists on is written, but for what says nothing.
        done(world, &["exclude", "bash:*", "--force"]);
        assert!(local(world).contains("bash:*"));
    });
}

#[test]
fn what_is_there_already_and_what_a_deny_beats() {
    each(|world| {
        world.user_settings("{\n  \"permissions\": {\n    \"deny\": [\"Bash(npm:*)\"]\n  },\n  \"sandbox\": {\"filesystem\": {\"denyWrite\": [\"/srv/x\"]}}\n}\n");
        let said = done(world, &["allow", "command", "npm run test:*"]);
        assert!(said.contains("settings.json:3:14) comes first, so it is denied"), "{said}");
        let said = done(world, &["allow", "write", "/srv/x/y"]);
        assert!(said.contains("writing '/srv/x' is denied (") && said.contains("settings.json:5:"), "{said}");
        let before = local(world);
        let said = done(world, &["allow", "command", "npm run test:*", "--user"]);
        assert!(said.contains("is there already (") && said.contains("settings.local.json:"), "{said}");
        assert_eq!(local(world), before);
        let said = done(world, &["exclude", "nothing:*", "--remove"]);
        assert_eq!(said, "'nothing:*' is not in sandbox.excludedCommands; nothing was changed\n");
        // The project's shared file is not ours to change.
        world.write(
            &world.project.join(".claude/settings.json"),
            r#"{"permissions": {"deny": ["Bash(curl:*)"]}}"#,
        );
        refused(world, &["deny", "command", "curl:*", "--remove"], "which the project shares");
    });
}

#[test]
fn a_plain_program_is_said_to_be_without_arguments() {
    each(|world| {
        let said = done(world, &["exclude", "docker"]);
        assert!(said.contains("only where it has no arguments; write 'docker:*'"), "{said}");
        let said = done(world, &["deny", "command", "docker"]);
        assert!(said.contains("note: this is 'docker' without arguments; with any: 'docker:*'"), "{said}");
        assert!(!done(world, &["exclude", "podman:*"]).contains("without arguments"));
    });
}

#[test]
fn settings_are_not_changed_from_inside() {
    each(|world| {
        world.write(
            &world.project.join(".claude/settings.local.json"),
            r#"{"permissions": {"deny": ["Bash(curl:*)"]}}"#,
        );
        let before = local(world);
        for words in [
            "allow command ls",
            "deny command ls",
            "ask command ls",
            "exclude x:* --force",
            "deny command curl:* --remove",
            "review --yes",
        ] {
            let ran = world.run(&format!("{} {words}", world.bin("sbshctl").display()));
            assert_eq!(ran.status, Some(126), "{words}: {ran:?}");
            assert!(ran.stderr.contains("does not work inside the sandbox"), "{words}: {}", ran.stderr);
        }
        assert_eq!((local(world), user(world)), (before, String::new()));
    });
}

#[test]
fn lint_says_what_is_wrong_and_where() {
    each(|world| {
        world.user_settings("{}");
        let clean = world.control(&["lint"]);
        assert_eq!(
            (clean.status, clean.stdout.as_str()),
            (Some(0), "nothing was found\n"),
            "{}",
            clean.stderr
        );
        let tool = world.project.join("tool");
        world.write(&tool, "#!/bin/sh\n");
        world.user_settings(&format!(
            "{{\n \"sandbox\": {{\"excludedCommands\": [\"sudo:*\", \"{}:*\"],\n  \"allowedDomains\": [\"github.com\"],\n  \"allowUnixSockets\": [\"/var/run/docker.sock\"],\n  \"filesystem\": {{\"denyRead\": [\"/no/such\"]}}}},\n \"permissions\": {{\"allow\": [\"Task(x)\", \"Bash(a b)\"], \"deny\": [\"Bash(a:*)\"]}}\n}}\n",
            tool.display()
        ));
        let ran = world.control(&["lint"]);
        assert_eq!(ran.status, Some(1), "{}", ran.stderr);
        for wanted in [
            "settings.json:2:35: danger: 'sudo:*' takes every command out of the sandbox",
            "and commands inside can write that file",
            "settings.json:3:22: warning: 'github.com' lets data out",
            "settings.json:4:24: danger: '/var/run/docker.sock'",
            "settings.json:5:31: note: '/no/such' does not exist",
            "settings.json:6:39: warning: 'Bash(a b)' never counts: Bash(a:*) (",
        ] {
            assert!(ran.stdout.contains(wanted), "{wanted}: {}", ran.stdout);
        }
        assert_eq!(ran.stdout.lines().count(), 6, "{}", ran.stdout);
        let json = world.control(&["lint", "--json"]);
        assert_eq!(json.status, Some(1));
        let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        let first = &json["findings"][0];
        assert_eq!(
            (first["severity"].as_str(), first["line"].as_u64(), first["column"].as_u64()),
            (Some("danger"), Some(2), Some(35))
        );
        world.user_settings("{\"sandbox\": 1}");
        assert_eq!(world.control(&["lint"]).status, Some(2));
        // A directory on PATH that lies in the project.
        world.user_settings("{}");
        let mut command = world.command(world.bin("sbshctl"));
        command.env("PATH", format!("{}/node_modules/.bin:/usr/bin:/bin", world.project.display()));
        let ran: Ran = command.arg("lint").output().unwrap().into();
        assert!(ran.stdout.contains("which is on PATH"), "{}", ran.stdout);
    });
}

/// What a project would bring is best known before it is trusted.
#[test]
fn lint_looks_at_files_that_are_not_trusted_and_says_so() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"allowedDomains":["github.com"]}}"#);
        let file = world.project.join(".claude/settings.json");
        world.write(
            &file,
            r#"{"sandbox":{"excludedCommands":["sudo:*"]},"permissions":{"deny":["Bash(a:*)"],"allow":["Bash(a b)"]}}"#,
        );
        let lines = || {
            let ran = world.control(&["lint"]);
            assert_eq!(ran.status, Some(1), "{ran:?}");
            ran.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let before = lines();
        assert_eq!(before.len(), 3, "{before:?}");
        let (now, later): (Vec<_>, Vec<_>) =
            before.iter().partition(|line| !line.starts_with("not in effect until trusted: "));
        assert!(now.len() == 1 && now[0].contains("'github.com' lets data out"), "{now:?}");
        assert!(later[0].contains(".claude/settings.json:1:33: danger: 'sudo:*'"), "{later:?}");
        let json = world.control(&["lint", "--json"]).stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let marks: Vec<_> =
            json["findings"].as_array().unwrap().iter().map(|f| f["in_effect"].clone()).collect();
        assert_eq!(marks, [true, false, false]);
        world.control(&["trust", "--yes"]);
        let after = lines();
        assert!(after.len() == 3 && !after.iter().any(|line| line.contains("not in effect")), "{after:?}");
    });
}

#[test]
fn review_takes_back_what_was_not_used() {
    each(|world| {
        world.user_settings("{\n  // mine\n  \"sandbox\": {\"allowedDomains\": [\"used.test\", \"unused.test\"], \"excludedCommands\": [\"docker:*\"],\n    \"filesystem\": {\"allowWrite\": [\"/srv\"]}}\n}\n");
        let log = world.home.join(".local/state/sbsh/audit.jsonl");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let day = 86_400;
        let connection = |days: u64, host: &str| {
            format!(
                "{{\"time\":{},\"event\":\"connection\",\"verdict\":\"allowed\",\"host\":\"{host}\",\"port\":443,\"rule\":\"{host}\",\"command\":\"x\"}}\n",
                now - days * day
            )
        };
        let before = user(world);
        // A log that does not go back that far proves nothing.
        world.write(&log, &connection(2, "used.test"));
        let said = done(world, &["review", "--yes"]);
        assert!(said.contains("unused.test") && said.contains("does not go back that far"), "{said}");
        assert_eq!(user(world), before);

        world.write(&log.with_extension("jsonl.1"), &(connection(50, "unused.test") + "half a li\n"));
        let listed = done(world, &["review"]);
        assert!(listed.contains("unused:\n  allowedDomains  unused.test  ("), "{listed}");
        assert!(listed.contains("'sbshctl review --yes' takes back"), "{listed}");
        assert!(!listed.contains("  permissions"), "{listed}");
        for unknown in ["docker:*", "/srv"] {
            let line =
                listed.lines().skip_while(|line| *line != "unknown use:").find(|line| line.contains(unknown));
            assert!(line.is_some(), "{unknown}: {listed}");
        }
        assert!(!done(world, &["review", "--days", "60"]).contains("unused:"));
        let json: serde_json::Value = serde_json::from_str(&done(world, &["review", "--json"])).unwrap();
        assert_eq!(json["entries"][1]["use"], "unused");
        assert_eq!(json["entries"][0]["times"], 1);
        let dry = done(world, &["review", "--dry-run"]);
        assert!(dry.contains("'unused.test' would be taken back:"), "{dry}");
        assert_eq!(user(world), before);
        let said = done(world, &["review", "--yes"]);
        assert!(said.contains("'unused.test' was taken back:"), "{said}");
        assert_eq!(user(world), before.replace("\"used.test\", \"unused.test\"", "\"used.test\""));
    });
}

#[test]
fn review_asks_on_a_terminal_one_by_one() {
    each(|world| {
        let settings = r#"{"sandbox": {"allowedDomains": ["a.test", "b.test", "c.test", "d.test"]}}"#;
        world.user_settings(settings);
        let log = world.home.join(".local/state/sbsh/audit.jsonl");
        world.write(&log, "{\"time\":1,\"event\":\"gatekeeper\"}\n");
        let review = || {
            let mut command = terminal_command(world, world.bin("sbshctl").to_str().unwrap());
            command.arg("review");
            Screen::start(command, || {})
        };
        let mut screen = review();
        screen.until("take back allowedDomains 'a.test'?");
        screen.types("y\n");
        screen.until("'a.test' was taken back:");
        screen.until("take back allowedDomains 'b.test'?");
        screen.types("\n");
        screen.until("take back allowedDomains 'c.test'?");
        screen.types("what\n");
        screen.until("take back allowedDomains 'd.test'?");
        screen.types("q\n");
        assert_eq!(screen.status(), Some(0));
        assert_eq!(user(world), settings.replace("\"a.test\", ", ""));
        let mut screen = review();
        screen.until("take back allowedDomains 'b.test'?");
        screen.types("a\n");
        screen.until("'d.test' was taken back:");
        assert_eq!(screen.status(), Some(0));
        assert_eq!(user(world), r#"{"sandbox": {"allowedDomains": []}}"#);
    });
}
