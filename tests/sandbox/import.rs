//! `sbshctl import`: a file of sandbox-runtime's becomes settings that hold, and what is broad or broken becomes none.

use crate::verbs::done;
use crate::world::{World, each};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// As that program's manual has it, with what else people write.
const REAL: &str = r#"{
  "network": {
    "allowedDomains": ["registry.npmjs.org", "*.example.com:443"],
    "deniedDomains": ["malicious.com"],
    "allowUnixSockets": ["/var/run/docker.sock"],
    "allowLocalBinding": false
  },
  "filesystem": {
    "denyRead": ["~/letters", "secrets/"],
    "allowRead": [],
    "allowWrite": [".", "src/", "OUTSIDE/wanted", "~/.bashrc", "~"],
    "denyWrite": [".env", "config/production.json"]
  },
  "credentials": {
    "files": [{ "path": "~/.mytool/token", "mode": "mask", "injectHosts": ["registry.npmjs.org"] }],
    "envVars": [{ "name": "MY_TOKEN", "mode": "deny" }]
  },
  "ignoreViolations": { "*": ["/usr/bin/nc"], "npm": ["/private/tmp"] },
  "enableWeakerNestedSandbox": true,
  "allowAppleEvents": true,
  "mandatoryDenySearchDepth": 5
}
"#;

fn theirs(world: &World) -> String {
    let file = world.home.join(".srt-settings.json");
    world.write(&file, &REAL.replace("OUTSIDE", world.outside.to_str().unwrap()));
    file.to_str().unwrap().to_owned()
}

fn settings(world: &World) -> (String, String) {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    (
        read(&world.project.join(".claude/settings.local.json")),
        read(&world.home.join(".claude/settings.json")),
    )
}

#[track_caller]
fn refused(world: &World, words: &[&str], why: &str) {
    let before = settings(world);
    let ran = world.control(words);
    assert!(matches!(ran.status, Some(2 | 126)), "{words:?}: {ran:?}");
    assert!(ran.stderr.contains(why), "{words:?}: {}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}'), "{words:?}: {}", ran.stderr);
    assert_eq!(settings(world), before, "{words:?}");
}

#[test]
fn what_is_taken_over_holds_and_the_rest_is_said_line_by_line() {
    each(|world| {
        theirs(world);
        world.write(&world.home.join("letters/one"), "PRIVATE\n");
        world.write(&world.project.join("secrets/key"), "PRIVATE\n");
        world.write(&world.project.join(".env"), "A=1\n");
        world.write(&world.outside.join("wanted/there"), "");
        world.write(&world.outside.join("other/there"), "");

        let before = settings(world);
        let looked = done(world, &["import", "--srt", "--dry-run"]);
        assert!(looked.contains("nothing was written; this would be the change:\n"), "{looked}");
        assert_eq!(settings(world), before);
        let said = done(world, &["import", "--srt"]);
        for line in [
            "     3: network.allowedDomains 'registry.npmjs.org' -> sandbox.allowedDomains\n",
            "     5: network.allowUnixSockets '/var/run/docker.sock' -> not taken over: srt opens it on macOS only",
            "     6: network.allowLocalBinding 'false' -> not needed: that is so anyway\n",
            "    11: filesystem.allowWrite '.' -> not needed: the working root can be written anyway\n",
            "    11: filesystem.allowWrite '~/.bashrc' -> not taken over: it makes ",
            "    11: filesystem.allowWrite '~' -> not taken over: with it what runs inside could write the settings",
            "sandbox.credentials.files; credentials are not masked here: it is denied\n",
            "    19: enableWeakerNestedSandbox 'true' -> not taken over: it weakens the boundary",
            "    20: allowAppleEvents 'true' -> not taken over: it is about macOS alone\n",
            "note: a host that no list names is refused by srt; here a person is asked",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
        // Every line of theirs that says something is told, in their order.
        let lines = said.lines().take_while(|line| !line.starts_with("note: ")).skip(1);
        let numbers: Vec<u32> =
            lines.map(|line| line.trim_start().split_once(':').unwrap().0.parse().unwrap()).collect();
        assert!(numbers.is_sorted() && numbers.len() == 21, "{numbers:?}");

        let outside = world.outside.to_str().unwrap();
        let ran = world.run(&format!("touch {outside}/wanted/new src-new; touch {outside}/other/new"));
        assert_ne!(ran.status, Some(0));
        assert!(world.outside.join("wanted/new").exists() && world.project.join("src-new").exists());
        assert!(!world.outside.join("other/new").exists());
        assert_eq!(world.run("cat ~/letters/one secrets/key 2>&1 | grep PRIVATE").stdout, "");
        world.run("echo B=2 >> .env; mkdir -p config; echo x > config/production.json; echo x >> ~/.bashrc");
        assert_eq!(fs::read_to_string(world.project.join(".env")).unwrap(), "A=1\n");
        assert!(!world.project.join("config/production.json").exists());
        assert!(!fs::read_to_string(world.home.join(".bashrc")).unwrap_or_default().contains('x'));
        let mut command = world.command(world.bin("sbsh"));
        let ran = command.env("MY_TOKEN", "secret").args(["-c", "printenv MY_TOKEN"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "");

        // Once more brings nothing.
        let after = settings(world);
        assert!(done(world, &["import", "--srt"]).ends_with("nothing was changed\n"));
        assert_eq!(settings(world), after);
        assert!(after.0.contains("*.example.com:443") && after.1.is_empty(), "{after:?}");
    });
}

#[test]
fn force_takes_over_what_is_broad_but_never_what_undoes_the_settings() {
    each(|world| {
        let file = theirs(world);
        let said = done(world, &["import", "--force", &file]);
        let (local, _) = settings(world);
        for entry in ["docker.sock", "~/.bashrc", "\"enableWeakerNestedSandbox\": true"] {
            assert!(local.contains(entry), "{entry}: {local}");
        }
        assert!(!local.contains("\"~\"") && said.contains("'~' -> not taken over"), "{said}");
    });
}

#[test]
fn in_the_settings_of_all_projects_relative_paths_only_deny() {
    each(|world| {
        let file = theirs(world);
        world.write(&world.project.join(".env"), "A=1\n");
        world.write(&world.project.join("secrets/key"), "PRIVATE\n");
        let said = done(world, &["import", "--user", &file]);
        assert!(said.contains("'src/' -> not taken over: it is relative"), "{said}");
        assert!(said.contains("'.env' -> permissions.deny 'Edit(./.env)'\n"), "{said}");
        let (local, user) = settings(world);
        assert!(local.is_empty() && user.contains("Read(./secrets/)"), "{user}");
        world.run("echo B=2 >> .env");
        assert_eq!(fs::read_to_string(world.project.join(".env")).unwrap(), "A=1\n");
        assert_eq!(world.run("cat secrets/key 2>/dev/null").stdout, "");
    });
}

#[test]
fn broken_and_hostile_files_change_nothing() {
    each(|world| {
        let file = world.home.join("theirs.json");
        let path = file.to_str().unwrap().to_owned();
        for (content, why) in [
            ("", "EOF while parsing"),
            ("export default {}", "expected"),
            ("[]", "expected an object"),
            (
                "{\"network\": {\"allowedDomains\": \"x.com\"}}",
                "theirs.json:1:32: \"network.allowedDomains\" is ",
            ),
            ("{\"filesystem\": {\"denyWrite\": [{}]}}", "expected a list of strings"),
            ("{\"filesystem\": {\"denyWrite\": [\"a\"]}, \"filesystem\": {}}", "is there twice"),
            ("{\"network\": {\"allowedDomains\": [\"*.com\"]}}", "theirs.json:1: network.allowedDomains: "),
            ("{\"network\": {\"allowedDomains\": [\"a.com\\u001b[2J\"]}}", "network.allowedDomains"),
            ("{\"filesystem\": {\"denyRead\": [\"/a\\u0000b\"]}}", "this is no path that settings can hold"),
            ("{\"filesystem\": {\"denyRead\": [\"/\"]}}", "is the whole file system"),
            ("{\"filesystem\": {\"denyRead\": [\"~other/x\"]}}", "filesystem.denyRead"),
            (
                "{\"credentials\": {\"envVars\": [{\"name\": \"A B\", \"mode\": \"deny\"}]}}",
                "no name of a variable",
            ),
            // Good entries beside a bad one are not written either.
            ("{\"network\": {\"allowedDomains\": [\"good.com\", \"http://bad\"]}}", "it is a URL"),
        ] {
            world.write(&file, content);
            refused(world, &["import", &path], why);
            // That one may be forced, as with the sibling verbs.
            if !why.contains("whole file system") {
                refused(world, &["import", "--user", "--force", &path], why);
            }
        }
        world.write(&file, &format!("{{\"windows\": \"{}\"}}", "x".repeat(1 << 20)));
        refused(world, &["import", &path], "it is longer than 1048576 bytes");
        fs::write(&file, b"{\"windows\": \"\xff\"}").unwrap();
        refused(world, &["import", &path], "it is not UTF-8 text (at byte 13)");
        let mut deep = "{\"network\":".repeat(50_000);
        deep.push_str(&"}".repeat(50_000));
        world.write(&file, &deep);
        refused(world, &["import", &path], "theirs.json");
        refused(world, &["import", "/dev/zero"], "it is not a regular file");
        refused(world, &["import", world.home.to_str().unwrap()], "it is not a regular file");
        let fifo = world.home.join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        world.give(&fifo);
        refused(world, &["import", fifo.to_str().unwrap()], "it is not a regular file");
        let turning = world.home.join("loop");
        symlink("loop", &turning).unwrap();
        refused(world, &["import", turning.to_str().unwrap()], "cannot open it");
        refused(world, &["import", "--srt"], "cannot open it");
        refused(world, &["import"], "say which file");
        refused(world, &["import", "--srt", &path], "not both");
    });
}

#[test]
fn nothing_inside_takes_settings_over_and_untrusted_ones_get_none() {
    each(|world| {
        let file = theirs(world);
        let ran = world.run(&format!("{} ctl import {file}", world.bin("sbsh").display()));
        assert!(
            ran.status == Some(126) && ran.stderr.contains("does not work inside the sandbox"),
            "{ran:?}"
        );
        assert_eq!(settings(world), (String::new(), String::new()));

        let cloned = "{\"sandbox\": {\"allowedDomains\": [\"evil.example\"]}}";
        world.write(&world.project.join(".claude/settings.local.json"), cloned);
        refused(world, &["import", &file], "says things that are not trusted yet");
        assert_eq!(settings(world).0, cloned);
    });
}
