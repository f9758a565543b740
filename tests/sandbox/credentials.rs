//! Credentials: what SETTINGS.md lists is neither readable nor in the environment inside, whichever way it is tried.

use crate::world::{Ran, World, each, has};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// Below the home directory, each item of the default list; a directory stands for a file in it.
const FILES: &[&str] = &[
    ".ssh/id_rsa",
    ".ssh/id_ed25519",
    ".ssh/deploy/key",
    ".gnupg/private-keys-v1.d/0123.key",
    ".aws/credentials",
    ".aws/sso/cache/token.json",
    ".config/gcloud/credentials.db",
    ".azure/msal_token_cache.json",
    ".kube/config",
    ".docker/config.json",
    ".config/containers/auth.json",
    ".config/gh/hosts.yml",
    ".config/glab-cli/config.yml",
    ".netrc",
    ".git-credentials",
    ".config/git/credentials",
    ".pypirc",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".terraform.d/credentials.tfrc.json",
    ".vault-token",
    ".pgpass",
    ".password-store/mail.gpg",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".gemini/oauth_creds.json",
    ".local/share/opencode/auth.json",
    ".local/share/keyrings/login.keyring",
    ".mozilla/firefox/p/logins.json",
    ".config/google-chrome/Default/Cookies",
    ".config/chromium/Default/Cookies",
    ".config/BraveSoftware/Brave-Browser/Default/Cookies",
    ".bash_history",
    ".zsh_history",
    ".local/share/fish/fish_history",
    ".local/state/sbsh/trust.json",
];

/// What is no secret in the same places.
const OPEN: &[&str] =
    &[".ssh/known_hosts", ".ssh/config", ".ssh/id_rsa.pub", ".aws/config", ".config/gh/config.yml"];

fn fill(world: &World) {
    for (names, text) in [(FILES, "PRIVATE"), (OPEN, "open")] {
        for name in names {
            world.write(&world.home.join(name), &format!("{text} {name}\n"));
        }
    }
    // The trust store must be this user's alone, or it is said not to be.
    for directory in [".local/state/sbsh", ".gnupg"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(world.home.join(directory), mode).unwrap();
    }
}

#[test]
fn no_default_secret_is_read_whichever_way_it_is_tried() {
    each(|world| {
        fill(world);
        for (number, name) in FILES.iter().enumerate() {
            symlink(world.home.join(name), world.project.join(format!("link{number}"))).unwrap();
        }
        symlink(&world.home, world.project.join("home")).unwrap();
        let ways = r#"
            for f in FILES; do
              cat "$HOME/$f"; cat "/proc/self/root$HOME/$f"; cat "home/$f"; cat "$HOME/./.config/../$f"
              ln "$HOME/$f" hard && cat hard; ln -s "$HOME/$f" soft && cat soft; cp "$HOME/$f" copy && cat copy; mv "$HOME/$f" moved && cat moved
              cat < "$HOME/$f"; dd if="$HOME/$f"; tail -n 1 "$HOME/$f"; head -c 99 "/proc/$$/root$HOME/$f"
              rm -f hard soft copy moved
            done
            cat link*; tar cf - -C "$HOME" . ; cp -r "$HOME/." all; cat all/.* all/.*/* all/.*/*/*; grep -r PRIVATE "$HOME"
            cd / && for f in FILES; do cat ".$HOME/$f"; done
            (cd "$HOME" && cat FILES)"#;
        let before = world.state(&world.home);
        let ran = world.run(&ways.replace("FILES", &FILES.join(" ")));
        assert!(!ran.stdout.contains("PRIVATE"), "{}", ran.stdout);
        assert_eq!(world.state(&world.home), before);
        // The attack is one: the same words read everything where nothing confines.
        let direct: Ran = world
            .command("/bin/bash")
            .args(["-c", &ways.replace("FILES", &FILES.join(" "))])
            .output()
            .unwrap()
            .into();
        assert!(direct.stdout.matches("PRIVATE").count() > FILES.len(), "{}", direct.stderr);
    });
}

#[test]
fn what_is_no_secret_stays_readable_beside_them() {
    each(|world| {
        fill(world);
        let ran = world.run(&format!("cd && cat {}", OPEN.join(" ")));
        assert_eq!(
            ran.stdout,
            OPEN.iter().map(|name| format!("open {name}\n")).collect::<String>(),
            "{}",
            ran.stderr
        );
    });
}

#[test]
fn secrets_that_variables_move_elsewhere_are_found_there() {
    each(|world| {
        let at = |name: &str| world.outside.join(name);
        let files = [
            ("CARGO_HOME", "cargo", "cargo/credentials.toml"),
            ("DOCKER_CONFIG", "docker", "docker/config.json"),
            ("KUBECONFIG", "kube", "kube"),
            ("AWS_SHARED_CREDENTIALS_FILE", "aws", "aws"),
            ("GNUPGHOME", "gnupg", "gnupg/private-keys-v1.d/k"),
            ("GH_CONFIG_DIR", "gh", "gh/hosts.yml"),
            ("HISTFILE", "history", "history"),
            ("NETRC", "netrc", "netrc"),
        ];
        for (_, _, file) in files {
            world.write(&at(file), "PRIVATE\n");
        }
        world.write(&at("cargo/config.toml"), "open\n");
        let names: Vec<PathBuf> = files.iter().map(|(_, _, file)| at(file)).collect();
        let text = format!(
            "cat {}; cat {}",
            at("cargo/config.toml").display(),
            names.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        );
        let run = |moved: bool| -> Ran {
            let mut command = world.command(world.bin("sbsh"));
            if moved {
                command.envs(files.map(|(variable, value, _)| (variable, at(value))));
            }
            command.args(["-c", &text]).output().unwrap().into()
        };
        assert!(run(false).stdout.contains("PRIVATE"), "without the variables they are files like others");
        let ran = run(true);
        assert_eq!(ran.stdout, "open\n", "{}", ran.stderr);
        // Where no history is kept the device stays what it is.
        let mut command = world.command(world.bin("sbsh"));
        let ran: Ran = command
            .env("HISTFILE", "/dev/null")
            .args(["-c", "cat /dev/null && echo x > /dev/null"])
            .output()
            .unwrap()
            .into();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    });
}

#[test]
fn files_that_settings_deny_and_keep() {
    each(|world| {
        world.write(&world.home.join("vault/key"), "PRIVATE\n");
        world.write(&world.home.join(".netrc"), "mine\n");
        world.write(&world.project.join("deep/x.pem"), "PRIVATE\n");
        world.user_settings(&format!(
            r#"{{"sandbox": {{"credentials": {{"files": [{{"path": "~/vault", "mode": "deny"}},
                {{"path": "{}/**/*.pem", "mode": "deny"}}, {{"path": "~/.netrc", "mode": "allow"}}]}}}}}}"#,
            world.project.display()
        ));
        let ran = world.run("cat ~/vault/key deep/x.pem; ln deep/x.pem hard; cat hard; cat ~/.netrc");
        assert_eq!(ran.stdout, "mine\n", "{}", ran.stderr);
        // A project may deny, and keeps nothing that is not trusted.
        world.user_settings("{}");
        world.write(
            &world.project.join(".claude/settings.json"),
            r#"{"sandbox": {"credentials": {"files": [{"path": "~/.netrc", "mode": "allow"}, {"path": "~/vault", "mode": "deny"}],
                "envVars": [{"name": "OPENAI_API_KEY", "mode": "allow"}, {"name": "EXTRA", "mode": "deny"}]}}}"#,
        );
        let mut command = world.command(world.bin("sbsh"));
        command.envs([("OPENAI_API_KEY", "leak"), ("EXTRA", "leak")]);
        let ran: Ran = command.args(["-c", "cat ~/.netrc ~/vault/key; env"]).output().unwrap().into();
        assert!(
            !ran.stdout.contains("mine") && !ran.stdout.contains("PRIVATE") && !ran.stdout.contains("leak"),
            "{}",
            ran.stdout
        );
    });
}

/// One of each kind, and the names that people know best.
const REMOVED: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OPENROUTER_API_KEY",
    "CODEX_API_KEY",
    "CURSOR_API_KEY",
    "COPILOT_GITHUB_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "VAULT_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "SYSTEM_ACCESSTOKEN",
    "SSH_AUTH_SOCK",
    "DBUS_SESSION_BUS_ADDRESS",
    "BW_SESSION",
];

/// With what projects are worked on, and what only looks like a secret.
const KEPT: &[&str] = &[
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "NPM_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "TOKENIZERS_PARALLELISM",
    "MY_API_KEY",
];

fn with_variables(world: &World, program: &str, words: &[&str]) -> Ran {
    let mut command = world.command(world.bin(program));
    for name in REMOVED.iter().chain(KEPT) {
        command.env(name, format!("leak-{name}"));
    }
    command.args(words).output().unwrap().into()
}

#[test]
fn variables_with_credentials_are_nowhere_inside() {
    each(|world| {
        let text = "env; printenv; cat -v /proc/self/environ /proc/$$/environ /proc/1/environ /proc/[0-9]*/environ; \
                    export -p; set; bash -c env; ps axeww";
        let ran = with_variables(world, "sbsh", &["-c", text]);
        for name in REMOVED {
            assert!(!ran.stdout.contains(name), "{name}: {}", ran.stdout);
        }
        for name in KEPT {
            assert!(ran.stdout.contains(&format!("{name}=leak-{name}\n")), "{name}: {}", ran.stdout);
        }
    });
}

#[test]
fn a_command_outside_has_the_environment_of_the_caller() {
    each(|world| {
        world.user_settings(
            r#"{"sandbox": {"excludedCommands": ["printenv:*"]}, "permissions": {"allow": ["Bash(printenv:*)"]}}"#,
        );
        for text in ["printenv", "printenv | cat"] {
            let ran = with_variables(world, "sbsh", &["-c", text]);
            for name in REMOVED.iter().chain(KEPT) {
                assert!(ran.stdout.contains(&format!("{name}=leak-{name}\n")), "{text}: {name}: {ran:?}");
            }
        }
    });
}

#[test]
fn status_names_what_is_removed_and_no_value() {
    each(|world| {
        world.user_settings(
            r#"{"sandbox": {"credentials": {"envVars": [{"name": "MY_API_KEY", "mode": "deny"}, {"name": "SSH_AUTH_SOCK", "mode": "allow"}]}}}"#,
        );
        let text = with_variables(world, "sbshctl", &["status"]);
        let json = with_variables(world, "sbshctl", &["status", "--json"]);
        assert!(!text.stdout.contains("leak-") && !json.stdout.contains("leak-"));
        let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        let entries = json["removed_variables"].as_array().unwrap();
        let removed: Vec<&str> = entries.iter().map(|entry| entry["value"].as_str().unwrap()).collect();
        let mut wanted: Vec<&str> = REMOVED.iter().copied().filter(|name| *name != "SSH_AUTH_SOCK").collect();
        wanted.push("MY_API_KEY");
        wanted.sort_unstable();
        let mut sorted = removed.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, wanted);
        // The whole list, too: with who says it, whether the variable is set or not.
        let all = json["variables_never_passed"].as_array().unwrap();
        let said = |name: &str| {
            all.iter().find(|entry| entry["value"] == name).map(|entry| entry["origin"].to_string())
        };
        assert!(said("MY_API_KEY").unwrap().contains("settings.json:1:"));
        assert!(said("GROQ_API_KEY").unwrap().contains("built-in (agent credentials)"));
        assert!(said("SSH_AUTH_SOCK").is_none());
        for name in wanted {
            assert!(text.stdout.contains(&format!("\n  {name}  (")), "{name}: {}", text.stdout);
        }
        // And which list took it away.
        for (name, list) in [
            ("ANTHROPIC_API_KEY", "agent credentials"),
            ("AWS_SECRET_ACCESS_KEY", "cloud credentials"),
            ("ACTIONS_RUNTIME_TOKEN", "build runner's credentials"),
            ("DBUS_SESSION_BUS_ADDRESS", "session handles"),
        ] {
            let by = entries.iter().find(|entry| entry["value"] == name).unwrap();
            assert_eq!(by["origin"], format!("built-in ({list})"), "{by}");
            assert!(text.stdout.contains(&format!("\n  {name}  (built-in ({list}))\n")), "{}", text.stdout);
        }
        let by = entries.iter().find(|entry| entry["value"] == "MY_API_KEY").unwrap();
        assert!(by["origin"].as_str().unwrap().contains("settings.json:1:"), "{by}");
    });
}

#[test]
fn a_signature_by_an_ssh_key_is_checked_against_the_list_beside_the_keys() {
    each(|world| {
        let list = world.home.join(".ssh/allowed_signers");
        world.write(&list, "a\n");
        assert_eq!(world.run("cat ~/.ssh/allowed_signers").stdout, "a\n");
        // ssh-keygen insists on an account, which not every user of these tests has.
        let keygen = |words: &str| world.command("bash").args(["-c", words]).status().unwrap().success();
        if !has(&["git", "ssh-keygen"]) || !keygen("ssh-keygen -q -t ed25519 -N '' -f key 2> /dev/null") {
            return;
        }
        let public = fs::read_to_string(world.project.join("key.pub")).unwrap();
        world.write(&list, &format!("x@x {public}"));
        let ran = world.run(
            "git init -q . && git config gpg.format ssh && git config gpg.ssh.allowedSignersFile ~/.ssh/allowed_signers && \
             git -c user.name=x -c user.email=x@x -c user.signingkey=$PWD/key commit -q -S --allow-empty -m x && git verify-commit HEAD",
        );
        assert_eq!(ran.status, Some(0), "{ran:?}");
    });
}
