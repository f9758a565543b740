//! A policy folder as an enterprise rolls it out, and whoever would like to get around it: by files, variables, flags,
//! names, copies. The folder is put into an /etc of the test's own, so that nothing else on the machine sees it.

use crate::world::{ORDINARY, Ran, World, each, not_here};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An /etc of its own, then the preparation as root, then the program as the user.
const IN_ETC: &str = r#"
set -e
etc=$1 user=$2 prepare=$3; shift 3
mkdir -p "$etc"; mount -t tmpfs none "$etc"; cp -a /etc/. "$etc"; rm -rf "$etc/claude-code"
chmod 755 "$etc"; mount --move "$etc" /etc
(umask 022; eval "$prepare")
exec setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
"#;

/// Runs the words in front of each text with it; where each ends, both streams say so.
const ONE_BY_ONE: &str = r#"
count=$1; shift; words=("${@:1:count}"); shift "$count"
for text; do "${words[@]}" "$text"; printf '\1%s\1' $?; printf '\1' >&2; done
"#;

/// The folder, and where its guard is told what to look for.
struct Folder<'w> {
    world: &'w World,
    secret: PathBuf,
    made: PathBuf,
    prepare: String,
}

impl Folder<'_> {
    fn of(world: &World) -> Folder<'_> {
        let (secret, made) = (world.outside.join("secret"), world.outside.join("made"));
        world.write(&secret, "the secret\n");
        let main = format!(
            r#"{{
  "allowManagedPermissionRulesOnly": true,
  "allowManagedHooksOnly": true,
  "permissions": {{
    "deny": ["Bash(curl:*)"],
    "disableBypassPermissionsMode": "disable"
  }},
  "sandbox": {{
    "enabled": true,
    "allowUnsandboxedCommands": false,
    "failIfUnavailable": true,
    "network": {{"allowedDomains": ["good.test"], "allowManagedDomainsOnly": true}},
    "filesystem": {{"denyRead": ["{}"], "allowManagedReadPathsOnly": true}}
  }},
  "hooks": {{"PreToolUse": [{{"matcher": "Bash", "hooks": [
    {{"type": "command", "command": "/etc/claude-code/guard.sh", "onFailure": "block"}}
  ]}}]}}
}}"#,
            secret.display()
        );
        let prepare = format!(
            "mkdir -p /etc/claude-code/managed-settings.d
cat > /etc/claude-code/managed-settings.json <<'END'
{main}
END
echo '{{\"permissions\": {{\"deny\": [\"Bash(nc:*)\"]}}}}' > /etc/claude-code/managed-settings.d/20-more.json
echo 'no settings' > /etc/claude-code/managed-settings.d/readme.txt
printf '#!/bin/sh\\nif grep -q forbidden; then echo by policy >&2; exit 2; fi\\n' > /etc/claude-code/guard.sh
chmod 755 /etc/claude-code/guard.sh\n"
        );
        Folder { world, secret, made, prepare }
    }

    /// A command as the user, on the machine with the folder, changed by what `prepare` does as root.
    fn command(&self, more: &str, program: impl AsRef<OsStr>, words: &[&str]) -> Command {
        let etc = self.world.home.parent().unwrap().join("etc");
        let user = self.world.user.to_string();
        let mut command = self.world.command("unshare");
        std::os::unix::process::CommandExt::uid(&mut command, 0);
        std::os::unix::process::CommandExt::gid(&mut command, 0);
        command.args(["--mount", "bash", "-c", IN_ETC, "bash"]);
        command.args([etc.as_os_str(), OsStr::new(&user), OsStr::new(&format!("{}\n{more}", self.prepare))]);
        command.arg(program).args(words);
        command
    }

    fn run(&self, program: impl AsRef<OsStr>, words: &[&str]) -> Ran {
        self.command("", program, words).output().unwrap().into()
    }

    /// `sbsh -c TEXT` with a variable.
    fn run_with(&self, variable: &str, text: &str) -> Ran {
        let sbsh = self.world.bin("sbsh");
        self.run("/usr/bin/env", &[variable, sbsh.to_str().unwrap(), "-c", text])
    }

    /// Several texts by the same words, one after the other on one machine.
    fn each_of(&self, program: &Path, words: &[&str], texts: &[&str]) -> Vec<Ran> {
        let count = (words.len() + 1).to_string();
        let all =
            [&["--norc", "-c", ONE_BY_ONE, "bash", &count, program.to_str().unwrap()], words, texts].concat();
        let ran = self.run("/bin/bash", &all);
        let (out, err): (Vec<&str>, Vec<&str>) =
            (ran.stdout.split("\u{1}").collect(), ran.stderr.split("\u{1}").collect());
        assert_eq!((out.len(), err.len()), (2 * texts.len() + 1, texts.len() + 1), "{ran:?}");
        (0..texts.len())
            .map(|at| Ran {
                status: out[2 * at + 1].parse().ok(),
                signal: None,
                stdout: out[2 * at].to_owned(),
                stderr: err[at].to_owned(),
            })
            .collect()
    }

    /// That nothing of the folder is got around by starting sbsh like this: `words` come before the text.
    #[track_caller]
    fn holds(&self, how: &str, program: &Path, words: &[&str]) {
        let (secret, made) = (self.secret.display(), self.made.display());
        let boundary = format!("cat {secret}; touch {made}; echo ran");
        let way_out = format!("dangerouslyDisableSandbox touch {made}");
        let within = format!("sh -c 'dangerouslyDisableSandbox \"$@\"' x touch {made}");
        let texts = [
            "curl http://127.0.0.1:1",
            "true; env X=1 /usr/bin/curl -s x",
            "nc -h",
            "echo forbidden",
            &boundary,
            &way_out,
            &within,
            "exec 3<>/dev/tcp/127.0.0.1/9 && echo reached",
        ];
        let ran = self.each_of(program, words, &texts);
        for (text, ran) in texts.iter().zip(&ran).take(3) {
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{how}: {text}: {ran:?}");
            assert!(ran.stderr.contains("/etc/claude-code/managed-settings"), "{how}: {text}: {ran:?}");
        }
        assert_eq!((ran[3].status, ran[3].stdout.as_str()), (Some(126), ""), "{how}: {ran:?}");
        assert_eq!(ran[4].stdout, "ran\n", "{how}: {ran:?}");
        assert_ne!(ran[5].status, Some(0), "{how}: {ran:?}");
        assert_ne!(ran[6].status, Some(0), "{how}: {ran:?}");
        assert_eq!(ran[7].stdout, "", "{how}: {ran:?}");
        assert!(!self.made.exists(), "{how}");
    }
}

/// Everything that a person could say in files of their own.
fn everything(folder: &Folder<'_>) -> String {
    let world = folder.world;
    let allowing = r#"{"type": "command", "command": "echo '{\"decision\": \"approve\"}'"}"#;
    format!(
        r#"{{"allowManagedPermissionRulesOnly": false, "allowManagedHooksOnly": false, "disableAllHooks": true,
            "permissions": {{"allow": ["Bash", "Read(/{secret})"], "defaultMode": "bypassPermissions",
                "disableBypassPermissionsMode": "enable"}},
            "sandbox": {{"enabled": false, "mode": "auto-allow", "allowUnsandboxedCommands": true, "failIfUnavailable": false,
                "allowedDomains": ["127.0.0.1", "evil.test"], "excludedCommands": ["touch:*", "cat:*"],
                "bwrapPath": "/bin/true", "gatekeeper": "network",
                "credentials": {{"files": [{{"path": "{secret}", "mode": "allow"}}]}},
                "network": {{"allowManagedDomainsOnly": false}},
                "filesystem": {{"allowRead": ["{secret}", "/"], "allowManagedReadPathsOnly": false}}}},
            "hooks": {{"PreToolUse": [{{"hooks": [{allowing}]}}]}}, "home": "{home}"}}"#,
        secret = folder.secret.display(),
        home = world.home.display()
    )
}

fn with_folder(check: impl Fn(&Folder<'_>)) {
    if !nix::unistd::geteuid().is_root() {
        not_here("only root can roll a policy out");
        return;
    }
    each(|world| check(&Folder::of(world)));
}

#[test]
fn the_policy_holds_and_names_its_lines() {
    with_folder(|folder| {
        let sbsh = folder.world.bin("sbsh");
        folder.holds("plain", &sbsh, &["-c"]);
        let explain = folder.run(folder.world.bin("sbshctl"), &["explain", "--", "curl", "x"]);
        assert!(explain.stdout.contains("denied"), "{explain:?}");
        assert!(explain.stdout.contains("/etc/claude-code/managed-settings.json:5:14"), "{explain:?}");
        let text = explain.stdout;
        assert!(
            text.contains("hook '/etc/claude-code/guard.sh' (/etc/claude-code/managed-settings.json:16:"),
            "{text}"
        );
        let explain = folder.run(folder.world.bin("sbshctl"), &["explain", "--", "nc", "x"]);
        assert!(
            explain.stdout.contains("/etc/claude-code/managed-settings.d/20-more.json:1:"),
            "{explain:?}"
        );
        let way_out = folder.run(&sbsh, &["-c", "dangerouslyDisableSandbox ls"]);
        assert!(way_out.stderr.contains("allowUnsandboxedCommands is false"), "{way_out:?}");
        let status = folder.run(folder.world.bin("sbshctl"), &["status"]);
        assert!(status.stdout.contains("managed-settings.json:10:33)"), "{status:?}");
        let allow = folder.run(folder.world.bin("sbshctl"), &["allow", "domain", "evil.test"]);
        assert_eq!(allow.status, Some(126), "{allow:?}");
        assert!(allow.stderr.contains("allowManagedDomainsOnly (/etc/claude-code/"), "{allow:?}");
    });
}

#[test]
fn no_file_of_the_persons_or_the_projects_gets_around_it() {
    with_folder(|folder| {
        let (world, sbsh) = (folder.world, folder.world.bin("sbsh"));
        world.user_settings(&everything(folder));
        folder.holds("user's settings", &sbsh, &["-c"]);
        for name in ["settings.json", "settings.local.json"] {
            let file = world.project.join(".claude").join(name);
            world.write(&file, &everything(folder));
            folder.holds(name, &sbsh, &["-c"]);
            let trusted = folder.run(world.bin("sbshctl"), &["trust", "--yes"]);
            assert_eq!(trusted.status, Some(0), "{trusted:?}");
            folder.holds(&format!("trusted {name}"), &sbsh, &["-c"]);
            fs::remove_file(file).unwrap();
        }
        // Names that are only like the folder's, and a project that has one.
        for name in ["managed-settings.json", ".claude/managed-settings.json"] {
            world.write(&world.project.join(name), &everything(folder));
            world.write(&world.home.join(name), &everything(folder));
        }
        folder.holds("folders of one's own", &sbsh, &["-c"]);
        std::os::unix::fs::symlink("/etc/claude-code", world.project.join("claude-code")).unwrap();
        folder.holds("links", &sbsh, &["-c"]);
    });
}

#[test]
fn no_variable_gets_around_it() {
    with_folder(|folder| {
        let (world, sbsh) = (folder.world, folder.world.bin("sbsh"));
        let other = world.outside.join("other");
        world.write(&other.join(".claude/settings.json"), &everything(folder));
        world.write(&other.join("settings.json"), &everything(folder));
        world.write(&other.join("startup"), "curl() { :; }\n");
        let other = other.to_str().unwrap();
        for (name, value) in [
            ("HOME", other),
            ("HOME", ""),
            ("HOME", &format!("{other}/not-there")),
            ("CLAUDE_CONFIG_DIR", other),
            ("CLAUDE_CONFIG_DIR", &format!("{other}/not-there")),
            ("XDG_STATE_HOME", other),
            ("XDG_CONFIG_HOME", other),
            ("XDG_CONFIG_DIRS", other),
            ("SBSH_ROOT", &format!("{other}/not-there")),
            ("SBSH_SESSION", "1"),
            ("SBSH_REPORT", "1"),
            ("SBSH_MANAGED", "/not-there"),
            ("SBSH_CONFIG", other),
            ("SBSH_DISABLE", "1"),
            ("SBSH_INSIDE", "1"),
            ("CLAUDE_CODE_MANAGED_SETTINGS_PATH", other),
            ("CLAUDE_CODE_SIMPLE", "1"),
            ("CLAUDECODE", "1"),
            ("SHELL", "/bin/bash"),
            ("BASH_ENV", &format!("{other}/startup")),
            ("ENV", &format!("{other}/startup")),
            ("PATH", &format!("{other}:/usr/bin:/bin")),
            ("IFS", "/"),
            ("container", "docker"),
        ] {
            // Not for what prepares the machine.
            let variable = format!("{name}={value}");
            folder.holds(&variable, Path::new("/usr/bin/env"), &[&variable, sbsh.to_str().unwrap(), "-c"]);
        }
        folder.holds("no environment", Path::new("/usr/bin/env"), &["-i", sbsh.to_str().unwrap(), "-c"]);
        // A root that is everything, named on purpose, still does not widen what the folder says.
        let ran = folder.run_with("SBSH_ROOT=/", &format!("cat {}", folder.secret.display()));
        assert_eq!(ran.stdout, "", "{ran:?}");
        // A hook started this, says the variable: then nothing runs at all.
        let ran = folder.run_with("SBSH_HOOK=1", "echo forbidden; echo ran");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{ran:?}");
    });
}

#[test]
fn a_person_who_always_says_yes_does_not_get_around_it() {
    with_folder(|folder| {
        let world = folder.world;
        let yes = world.outside.join("yes");
        world.write(&yes, "#!/bin/sh\necho once\n");
        fs::set_permissions(&yes, fs::Permissions::from_mode(0o755)).unwrap();
        let variable = format!("SBSH_ASKPASS={}", yes.display());
        let with = |text: &str| folder.run_with(&variable, text);
        for text in ["curl x", "echo forbidden", "dangerouslyDisableSandbox touch x"] {
            assert_eq!(with(text).status, Some(126), "{text}");
        }
        assert_eq!(with(&format!("cat {}", folder.secret.display())).stdout, "");
        assert_ne!(with("exec 3<>/dev/tcp/127.0.0.1/9 && echo reached").stdout, "reached\n");
    });
}

#[test]
fn the_guard_is_asked_whatever_the_caller_does_to_it() {
    with_folder(|folder| {
        let (world, sbsh) = (folder.world, folder.world.bin("sbsh"));
        // What the guard starts is found by its own PATH, whatever stands first in the caller's.
        for name in ["grep", "sh", "true"] {
            let planted = world.outside.join("bin").join(name);
            world.write(&planted, "#!/bin/sh\ncat >/dev/null; exit 1\n");
            fs::set_permissions(&planted, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let bin = world.outside.join("bin");
        for variable in [
            format!("PATH={}", bin.display()),
            "BASH_FUNC_grep%%=() { return 1; }".to_owned(),
            format!("BASH_ENV={}/true", bin.display()),
            format!("ENV={}/true", bin.display()),
            "GREP_OPTIONS=-v".to_owned(),
            "POSIXLY_CORRECT=1".to_owned(),
        ] {
            let ran = folder.run_with(&variable, "echo forbidden");
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{variable}: {ran:?}");
        }
        // Limits that keep it from starting keep the command from running.
        let limited = format!("ulimit -u 1 -n 3 2>/dev/null; exec {} -c 'echo forbidden'", sbsh.display());
        let ran = folder.run("/bin/bash", &["-c", &limited]);
        assert_ne!(ran.stdout, "forbidden\n", "{ran:?}");
        assert_ne!(ran.status, Some(0), "{ran:?}");
    });
}

#[test]
fn no_name_copy_or_flag_gets_around_it() {
    with_folder(|folder| {
        let world = folder.world;
        world.user_settings(&everything(folder));
        for name in ["bash", "sh", "zsh"] {
            if name != "zsh" || Path::new("/bin/zsh").exists() {
                folder.holds(name, &world.bin(name), &["-c"]);
            }
        }
        // Copies under names of one's own.
        let copies = world.home.join("copies");
        fs::create_dir(&copies).unwrap();
        world.give(&copies);
        for name in ["sbsh", "bash", "dash", "x", "-bash", "sbsh-first-inside"] {
            let copy = copies.join(name);
            let copied = Command::new("cp").arg("--").arg(world.bin("sbsh")).arg(&copy).status().unwrap();
            assert!(copied.success());
            folder.holds(&format!("a copy named {name}"), &copy, &["-c"]);
        }
        let sbsh = world.bin("sbsh");
        for words in [
            &["-lc"][..],
            &["-c", "--"],
            &["-cl"],
            &["-l", "-c"],
            &["-o", "pipefail", "-c"],
            &["+o", "posix", "-c"],
            &["--norc", "-c"],
            &["--noprofile", "--norc", "-c"],
            &["--rcfile", "/dev/null", "-c"],
            &["-O", "extglob", "-c"],
        ] {
            folder.holds(&words.join(" "), &sbsh, words);
        }
        // Words that are our own inside, and options that are none.
        for words in [
            &["--sbsh-first-inside", "3"][..],
            &["--sbsh-first-inside", "3", "-c", "echo forbidden"],
            &["--no-sandbox", "-c", "echo forbidden"],
            &["--dangerously-skip-permissions", "-c", "echo forbidden"],
            &["--settings", "/dev/null", "-c", "echo forbidden"],
        ] {
            let ran = folder.run(&sbsh, words);
            assert_eq!(ran.stdout, "", "{words:?}: {ran:?}");
            assert_ne!(ran.status, Some(0), "{words:?}");
        }
        // A script and standard input are confined like everything, and nested starts stay where they are.
        let text = format!("cat {}; touch {}; echo ran\n", folder.secret.display(), folder.made.display());
        world.write(&world.project.join("x.sh"), &text);
        let name = sbsh.display();
        for (program, words) in [
            (sbsh.as_path(), ["x.sh", ""]),
            (Path::new("/bin/sh"), ["-c", &format!("exec {name} < x.sh")]),
            (sbsh.as_path(), ["-c", &format!("{name} x.sh")]),
            (sbsh.as_path(), ["-c", &format!("env -i HOME=/tmp {name} x.sh")]),
        ] {
            let ran = folder.run(program, &words);
            assert_eq!(ran.stdout, "ran\n", "{words:?}: {ran:?}");
            assert!(!folder.made.exists(), "{words:?}");
        }
    });
}

#[test]
fn a_folder_that_is_not_the_administrators_alone_or_broken_stops_everything() {
    with_folder(|folder| {
        let user = ORDINARY;
        let outside = folder.world.outside.display();
        let file = "/etc/claude-code/managed-settings.json";
        let cases = [
            ("chmod 666 @F".to_owned(), "must belong to root"),
            ("chmod 664 @F".to_owned(), "must belong to root"),
            (format!("chown {user} @F"), "must belong to root"),
            ("chmod 777 /etc/claude-code".to_owned(), "must belong to root"),
            (format!("chown {user} /etc/claude-code"), "must belong to root"),
            ("chmod 1777 /etc/claude-code".to_owned(), "must belong to root"),
            ("chmod 775 @D".to_owned(), "must belong to root"),
            (format!("chown {user} @D"), "must belong to root"),
            ("chmod 666 @D/20-more.json".to_owned(), "must belong to root"),
            // Where the file itself is root's, but somebody else could put another in its place.
            (
                format!(
                    "chown {user} {outside}; mkdir {outside}/x; chmod 777 {outside}/x; mv @F {outside}/x/f; ln -s {outside}/x/f @F"
                ),
                "must belong to root",
            ),
            (
                format!("chown {user} {outside}; mv @F {outside}/f; ln -s {outside}/f @F"),
                "must belong to root",
            ),
            (
                format!(
                    "chown {user} {outside}; mv /etc/claude-code {outside}/c; ln -s {outside}/c /etc/claude-code"
                ),
                "must belong to root",
            ),
            (
                format!("chown {user} {outside}; mv @D {outside}/d; ln -s {outside}/d @D"),
                "must belong to root",
            ),
            // A link on the way that somebody else could replace.
            (
                format!(
                    "chown {user} {outside}; mkdir {outside}/x; chmod 777 {outside}/x; mv @F /etc/f; ln -s /etc/f {outside}/x/l; ln -s {outside}/x/l @F"
                ),
                "must belong to root",
            ),
            // What leads nowhere is no reason to go on without.
            ("ln -sf /nowhere @F".to_owned(), "cannot"),
            ("rm -r /etc/claude-code; ln -s /nowhere /etc/claude-code".to_owned(), "cannot"),
            ("rm -r @D; ln -s /nowhere @D".to_owned(), "cannot"),
            ("ln -s @F2 @F2; mv @F2 @D/30.json".to_owned(), "cannot"),
            ("rm @F; mkdir @F".to_owned(), "regular file"),
            ("rm @F; mkfifo @F".to_owned(), "regular file"),
            ("mkfifo @D/30.json".to_owned(), "regular file"),
            ("rm -r @D; echo '{}' > @D".to_owned(), "cannot"),
            ("rm -r /etc/claude-code; echo '{}' > /etc/claude-code".to_owned(), "cannot"),
            ("echo '{\"sandbox\": {' > @F".to_owned(), "managed-settings.json:"),
            ("echo '{\"sandbox\": {\"enabled\": \"yes\"}}' > @D/30.json".to_owned(), "30.json:1:"),
            ("printf '\\377' > @D/30.json".to_owned(), "UTF-8"),
            ("echo '{\"permissions\": {\"deny\": [\"Bash(\"]}}' > @D/30.json".to_owned(), "30.json:1:"),
            ("echo '{\"hooks\": {\"PreToolUse\": {}}}' > @D/30.json".to_owned(), "30.json:1:"),
        ];
        for (prepare, said) in cases {
            let prepare = prepare.replace("@F", file).replace("@D", "/etc/claude-code/managed-settings.d");
            let mut command = folder.command(&prepare, folder.world.bin("sbsh"), &["-c", "echo ran"]);
            let ran: Ran = command.output().unwrap().into();
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{prepare}: {ran:?}");
            assert!(
                ran.stderr.contains(said) && ran.stderr.contains("/etc/claude-code"),
                "{prepare}: {ran:?}"
            );
            for name in fs::read_dir(&folder.world.outside).unwrap() {
                let path = name.unwrap().path();
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
        }
        // What only root may read: to root it is the policy, to everybody else an error.
        for prepare in [
            "chmod 600 /etc/claude-code/managed-settings.json",
            "chmod 700 /etc/claude-code",
            "chmod 700 /etc/claude-code/managed-settings.d",
            "rm -r /etc/claude-code/managed-settings.d; chmod 700 /etc/claude-code",
        ] {
            let mut command = folder.command(prepare, folder.world.bin("sbsh"), &["-c", "curl x; echo ran"]);
            let ran: Ran = command.output().unwrap().into();
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(126), ""), "{prepare}: {ran:?}");
            let said = if folder.world.user == 0 { "Bash(curl:*)" } else { "cannot" };
            assert!(ran.stderr.contains(said), "{prepare}: {ran:?}");
        }
    });
}

#[test]
fn links_that_are_the_administrators_all_the_way_are_fine() {
    with_folder(|folder| {
        // As on NixOS.
        let prepare =
            "mkdir /etc/static; mv /etc/claude-code /etc/static/c; ln -s /etc/static/c /etc/claude-code";
        let mut command = folder.command(prepare, folder.world.bin("sbsh"), &["-c", "curl x"]);
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.status, Some(126), "{ran:?}");
        assert!(ran.stderr.contains("Bash(curl:*)"), "{ran:?}");
        // Files that are none of the folder's business, hidden ones among them.
        let prepare = "echo broken > /etc/claude-code/managed-settings.d/.hidden.json; ln -s /nowhere /etc/claude-code/managed-settings.d/.#lock.json";
        let mut command = folder.command(prepare, folder.world.bin("sbsh"), &["-c", "echo ran"]);
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.stdout, "ran\n", "{ran:?}");
    });
}

/// docs/teams.md shows a policy and what commands then say: both as they are there.
#[test]
fn the_worked_example_of_the_guide_does_what_it_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/teams.md")).unwrap();
    let policy = page.split("```jsonc\n").nth(1).unwrap().split("\n```").next().unwrap().to_owned();
    // Commands and what they say, broken lines joined.
    let shown = page.split("\n    $ ").skip(1).map(|block| {
        let block = block.split("\n\n").next().unwrap();
        let (command, said) = block.split_once('\n').unwrap();
        let said = said.replace("\n    sbsh: ", "\u{1}sbsh: ").replace("\n    ", " ");
        let said = said.trim_start().split('\u{1}').map(str::to_owned).collect();
        (command.to_owned(), said)
    });
    let shown: Vec<(String, Vec<String>)> = shown.collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    with_folder(|folder| {
        let world = folder.world;
        let hidden = world.outside.join("customers");
        world.write(&hidden.join("list"), "CUSTOMERS\n");
        let policy = policy.replace("/srv/customers", hidden.to_str().unwrap());
        let prepare = format!(
            "rm -rf /etc/claude-code/*; cat > /etc/claude-code/managed-settings.json <<'END'\n{policy}\nEND\n"
        );
        world.user_settings(
            r#"{"sandbox": {"enabled": false, "allowedDomains": ["example.com"], "allowUnsandboxedCommands": true},
                "permissions": {"allow": ["Bash(npm publish:*)", "Bash"], "defaultMode": "bypassPermissions"}}"#,
        );
        let bin = world.bin("sbsh").parent().unwrap().to_owned();
        for (command, said) in &shown {
            let command = command.replace("/srv/customers", hidden.to_str().unwrap());
            let text = format!("PATH={}:$PATH; {command}", bin.display());
            let ran: Ran =
                folder.command(&prepare, "/bin/bash", &["--norc", "-c", &text]).output().unwrap().into();
            assert!(!ran.stdout.contains("CUSTOMERS") && !ran.stdout.contains("uid="), "{command}: {ran:?}");
            assert_ne!(ran.status, Some(0), "{command}: {ran:?}");
            for line in said {
                let line = line.replace("/srv/customers", hidden.to_str().unwrap());
                assert!(ran.stderr.lines().any(|told| told == line), "{command}: {line}: {ran:?}");
            }
        }
        // Confined, though the person's own file turns the sandbox off.
        let made = world.outside.join("made");
        let text = format!("touch {}; touch here", made.display());
        let ran: Ran = folder.command(&prepare, world.bin("sbsh"), &["-c", &text]).output().unwrap().into();
        assert!(!made.exists() && world.project.join("here").exists(), "{ran:?}");
    });
}
