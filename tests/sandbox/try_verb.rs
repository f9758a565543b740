//! `sbshctl try`: what a command changed is kept apart, is told as it is, and comes true only where a command could have made
//! it so.

use crate::broker::{askpass, program, questions};
use crate::terminal::{Screen, terminal_command};
use crate::world::{Ran, World, each, has, is_root, not_here, until};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All kinds of changes.
const WORK: &str = "echo more >> changed; echo new > created; rm deleted; mkdir -p made/deep; echo x > made/deep/file; \
    mv moved elsewhere; rm -r tree; mv folder renamed; chmod 600 mode; chmod 700 closed; ln -s /etc/passwd link; ln -sfn b turned; \
    rm kind; mkdir kind; echo in > kind/in; rm -r other; echo file > other; rm -r again; mkdir again; echo fresh > again/one; \
    printf '\\000\\001' > binary; mkdir sealed; echo s > sealed/s; chmod 555 sealed";

fn project(world: &World) {
    project_at(world, &world.project);
}

fn project_at(world: &World, root: &Path) {
    for name in [
        "changed",
        "deleted",
        "moved",
        "tree/a",
        "tree/b/c",
        "folder/f",
        "mode",
        "kind",
        "other/x",
        "again/one",
        "again/two",
        "kept",
        "closed/f",
    ] {
        world.write(&root.join(name), &format!("{name}\n"));
    }
    let link = root.join("turned");
    symlink("a", &link).unwrap();
    if is_root() {
        std::os::unix::fs::lchown(&link, Some(world.user), Some(world.user)).unwrap();
    }
}

fn attempt(world: &World, words: &[&str]) -> Ran {
    world.control(&[&["try"], words].concat())
}

/// The trials that lie there.
fn lying(world: &World) -> Vec<String> {
    let entries = fs::read_dir(tries(world)).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Runs a command whose changes then lie there; its trial.
fn left(world: &World, text: &str) -> String {
    let ran = attempt(world, &["--", text]);
    let names = lying(world);
    assert_eq!(names.len(), 1, "{ran:?}");
    names[0].clone()
}

fn tries(world: &World) -> PathBuf {
    world.home.join(".local/state/sbsh/tries")
}

fn nothing_is_left(world: &World) {
    let left: Vec<_> = fs::read_dir(tries(world)).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Names, kinds, contents and all modes below a directory.
fn tree(world: &World, root: &Path) -> Vec<(PathBuf, String)> {
    let below = |path: &Path| path.strip_prefix(root).unwrap().to_path_buf();
    let modes = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode();
    let all = world.state(root).into_iter();
    all.map(|(path, content)| (below(&path), format!("{:o} {content}", modes(&path)))).collect()
}

#[test]
fn what_is_dropped_leaves_the_tree_as_it_was() {
    each(|world| {
        project(world);
        let before = tree(world, &world.project);
        let ran = attempt(world, &["--drop", "--", &format!("{WORK}; cat made/deep/file; ls tree; exit 7")]);
        assert_eq!((ran.stdout.as_str(), ran.status), ("x\n", Some(7)), "{ran:?}");
        assert_eq!(tree(world, &world.project), before);
        nothing_is_left(world);
        let root = world.project.display();
        for line in [
            format!("  changed  {root}/changed (file)\n"),
            format!("  created  {root}/made/deep/file (file)\n"),
            format!("  deleted  {root}/tree (directory)\n"),
            format!("  deleted  {root}/again/two (file)\n"),
            format!("  mode     {root}/mode (644 to 600)\n"),
            format!("  replaced {root}/kind (file by directory)\n"),
            format!("  replaced {root}/other (directory by file)\n"),
            format!("  changed  {root}/turned (symlink)\n"),
        ] {
            assert!(ran.stderr.contains(&line), "{line} {}", ran.stderr);
        }
        assert!(
            !ran.stderr.contains("kept\n") && !ran.stderr.contains(&format!("{root}/kept")),
            "{}",
            ran.stderr
        );
        let ran = attempt(world, &["--", "true"]);
        assert!(ran.stderr.contains("changed nothing") && lying(world).is_empty(), "{ran:?}");
    });
}

#[test]
fn what_is_kept_is_what_the_command_would_have_made() {
    each(|world| {
        let copy = world.outside.join("copy");
        project(world);
        project_at(world, &copy);
        fs::create_dir(copy.join(".claude")).unwrap();
        let real =
            world.command(world.bin("sbsh")).args(["-c", WORK]).current_dir(&copy).env("PWD", &copy).output();
        let real: Ran = real.unwrap().into();
        let ran = attempt(world, &["--keep", "--", WORK]);
        assert_eq!((ran.status, &ran.stdout), (real.status, &real.stdout), "{ran:?}");
        assert!(ran.stderr.contains(" kept\n"), "{ran:?}");
        assert_eq!(tree(world, &world.project), tree(world, &copy));
        nothing_is_left(world);
    });
}

#[test]
fn without_a_person_changes_lie_there_and_some_are_picked() {
    each(|world| {
        project(world);
        let before = tree(world, &world.project);
        let name = left(world, WORK);
        assert_eq!(tree(world, &world.project), before);
        let shown = attempt(world, &["--show", &name, "--diff"]);
        for text in ["--- ", "+more\n", "+++ /dev/null", "binary: 0 bytes before, 2 bytes after"] {
            assert!(shown.stdout.contains(text), "{text} {shown:?}");
        }
        let ran = attempt(world, &["--keep", &name, "made/deep", "changed"]);
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert_eq!(fs::read_to_string(world.project.join("changed")).unwrap(), "changed\nmore\n");
        assert_eq!(fs::read_to_string(world.project.join("made/deep/file")).unwrap(), "x\n");
        assert!(world.project.join("deleted").exists() && !world.project.join("created").exists());
        let shown = attempt(world, &["--show", &name]);
        assert!(!shown.stdout.contains("/changed ") && shown.stdout.contains("/created "), "{shown:?}");
        assert_eq!(attempt(world, &["--keep", &name, "kept"]).status, Some(126));
        // The rest.
        let ran = attempt(world, &["--keep", &name]);
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert!(!world.project.join("deleted").exists() && world.project.join("created").exists());
        nothing_is_left(world);
        assert_eq!(attempt(world, &["--drop", &name]).status, Some(126));
        let dropped = left(world, "echo AWS_SECRET_ACCESS_KEY=abcdefgh12345678 > created");
        assert_eq!(attempt(world, &["--drop", &dropped]).status, Some(0));
        let log = world.control(&["log", "--json", "--event", "trial"]).stdout;
        let told: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |which: &str, what: &str| {
            let is = |entry: &&serde_json::Value| entry["trial"] == which && entry["what"] == what;
            told.iter().filter(is).cloned().collect::<Vec<_>>()
        };
        let (kept, gone) = (of(&name, "kept"), of(&dropped, "dropped"));
        assert_eq!((kept.len(), gone.len()), (2, 1), "{log}");
        let changed = world.project.join("changed");
        assert!(kept[0]["paths"].as_array().unwrap().contains(&changed.to_str().unwrap().into()), "{log}");
        assert!(!gone[0]["command"].as_str().unwrap().contains("abcdefgh"), "{log}");
    });
}

#[test]
fn a_person_at_the_terminal_keeps_drops_or_picks() {
    each(|world| {
        let asked = |text: &str| {
            let mut command = terminal_command(world, world.bin("sbshctl").to_str().unwrap());
            command.args(["try", "--", text]);
            let mut screen = Screen::start(command, || {});
            screen.until("[l]ater? ");
            screen
        };
        let mut screen = asked("echo a > a");
        screen.answers("d", "d\r\n");
        screen.rest();
        assert!(!world.project.join("a").exists());
        let mut screen = asked("echo a > a");
        screen.answers("k", "k\r\n");
        screen.rest();
        assert_eq!(fs::read_to_string(world.project.join("a")).unwrap(), "a\n");
        nothing_is_left(world);
        let mut screen = asked("echo b > b; echo c > c");
        screen.answers("p", "p\r\n");
        screen.until("[q]uit? ");
        screen.answers("n", "n\r\n");
        screen.until("[q]uit? ");
        screen.answers("y", "y\r\n");
        screen.rest();
        assert!(!world.project.join("b").exists() && world.project.join("c").exists());
        let names = lying(world);
        assert_eq!((names.len(), attempt(world, &["--drop", &names[0]]).status), (1, Some(0)));
        nothing_is_left(world);
    });
}

#[test]
fn protected_names_are_not_written_by_any_way() {
    each(|world| {
        if !has(&["git"]) {
            return;
        }
        let git = world.command("git").args(["init", "-q", "."]).output().unwrap();
        assert!(git.status.success());
        let before = tree(world, &world.project);
        let text = "echo x > .git/hooks/pre-commit; echo x >> .git/config; echo x > .bashrc; mv .git away; \
            mkdir -p .claude; echo '{}' > .claude/settings.json; rm -rf .git/hooks; echo fine > fine";
        let ran = attempt(world, &["--keep", "--", text]);
        assert!(ran.stderr.contains("Read-only file system"), "{ran:?}");
        fs::remove_file(world.project.join("fine")).unwrap();
        assert_eq!(tree(world, &world.project), before);
        // A repository that is made inside, with a hook and a config that names a program.
        let text = "git init -q new; git -C new config core.fsmonitor ./evil; mkdir -p new/.git/hooks; \
            echo x > new/.git/hooks/pre-commit; mkdir h; echo x > h/pre-commit; mv h new/.git/hooks2; echo y > new/y";
        let ran = attempt(world, &["--keep", "--", text]);
        assert!(world.project.join("new/y").exists(), "{ran:?}");
        assert!(!world.project.join("new/.git/hooks/pre-commit").exists(), "{ran:?}");
        let config = fs::read_to_string(world.project.join("new/.git/config")).unwrap_or_default();
        assert!(!config.contains("fsmonitor"), "{config} {ran:?}");
    });
}

/// Puts something in a layer, as a command never could.
fn planted(world: &World, name: &str, plant: impl Fn(&Path)) {
    let upper = tries(world).join(name).join("0/upper");
    assert!(upper.is_dir());
    plant(&upper);
    // As if it had been there when the command ended.
    let found = Command::new("find").arg(&upper).args(["-print0"]).output().unwrap().stdout;
    let (from, to) = (upper.to_str().unwrap().as_bytes(), world.project.to_str().unwrap().as_bytes());
    let paths = found.split(|byte| *byte == 0).filter_map(|path| path.strip_prefix(from));
    let created: Vec<u8> = paths.flat_map(|path| [to, path, b"\0"].concat()).collect();
    fs::write(tries(world).join(name).join("created"), created).unwrap();
    let owned = Command::new("chown").args(["-hR", &format!("{0}:{0}", world.user)]).arg(&upper).status();
    assert!(owned.unwrap().success());
}

#[test]
fn hostile_layers_reach_nothing_and_are_shown_as_they_are() {
    each(|world| {
        world.write(&world.outside.join("victim/file"), "mine\n");
        world.write(&world.project.join("sub/file"), "mine\n");
        world.write(&world.project.join(".git/config"), "[core]\n");
        world.write(&world.project.join(".git/hooks/x.sample"), "x");
        symlink(world.outside.join("victim"), world.project.join("way")).unwrap();
        let outside = tree(world, &world.outside);
        let name = left(world, "echo fine > fine");
        planted(world, &name, |upper| {
            // Through a link that is there, and through one that comes first.
            fs::create_dir(upper.join("way")).unwrap();
            fs::write(upper.join("way/file"), "evil").unwrap();
            fs::create_dir_all(upper.join(".git/hooks")).unwrap();
            fs::write(upper.join(".git/hooks/pre-commit"), "evil").unwrap();
            fs::write(upper.join(".git/config"), "evil").unwrap();
            fs::write(upper.join(".bashrc"), "evil").unwrap();
            fs::create_dir(upper.join(".claude")).unwrap();
            fs::write(upper.join(".claude/settings.json"), "{}").unwrap();
            fs::write(upper.join("set"), "evil").unwrap();
            fs::set_permissions(upper.join("set"), fs::Permissions::from_mode(0o6755)).unwrap();
            nix::unistd::mkfifo(&upper.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o600))
                .unwrap();
            drop(std::os::unix::net::UnixListener::bind(upper.join("socket")).unwrap());
            fs::write(upper.join(OsString::from_vec(b"a\x1b[2J\n  deleted \xff".to_vec())), "odd").unwrap();
            fs::write(upper.join("text"), "\x1b]0;title\x07\n").unwrap();
            if is_root() {
                use nix::sys::stat::{Mode, SFlag, makedev, mknod};
                mknod(&upper.join("null"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3))
                    .unwrap();
                mknod(&upper.join("nothing"), SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
            }
        });
        let shown = attempt(world, &["--show", &name, "--diff"]);
        assert!(!shown.stdout.contains(['\x1b', '\x07']), "{shown:?}");
        assert!(shown.stdout.contains("a\\e[2J\\n  deleted \\xff"), "{shown:?}");
        let ran = attempt(world, &["--keep", &name]);
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert_eq!(tree(world, &world.outside), outside);
        let at = |name: &str| world.project.join(name);
        assert!(fs::read_to_string(at("fine")).unwrap() == "fine\n");
        assert_eq!(fs::read_to_string(at(".git/config")).unwrap(), "[core]\n");
        for missing in
            [".git/hooks/pre-commit", ".bashrc", ".claude/settings.json", "socket", "null", "nothing"]
        {
            assert!(fs::symlink_metadata(at(missing)).is_err(), "{missing} {ran:?}");
        }
        assert_eq!(fs::symlink_metadata(at("set")).unwrap().permissions().mode() & 0o7777, 0o755);
        assert!(!fs::symlink_metadata(at("way")).unwrap().is_symlink());
        assert_eq!(attempt(world, &["--drop", &name]).status, Some(0));
        nothing_is_left(world);
    });
}

#[test]
fn a_link_that_stands_on_the_way_by_now_is_not_followed() {
    each(|world| {
        world.write(&world.project.join("sub/file"), "old\n");
        world.write(&world.outside.join("file"), "mine\n");
        let name = left(world, "echo new > sub/file; echo more > sub/other; mkdir sub/d");
        fs::rename(world.project.join("sub"), world.project.join("aside")).unwrap();
        symlink(&world.outside, world.project.join("sub")).unwrap();
        let outside = tree(world, &world.outside);
        let ran = attempt(world, &["--keep", &name]);
        assert_eq!(tree(world, &world.outside), outside, "{ran:?}");
        assert_eq!(fs::read_to_string(world.project.join("aside/file")).unwrap(), "old\n");
    });
}

#[test]
fn huge_depths_and_closed_directories_are_dropped_whole() {
    each(|world| {
        if !has(&["python3"]) {
            return;
        }
        let text = "python3 -c '
import os
for n in range(3000):
    os.mkdir(\"d\" * 20); os.chdir(\"d\" * 20)
open(\"f\", \"w\")
'; mkdir closed; echo x > closed/f; chmod 0 closed";
        let name = left(world, text);
        let ran = attempt(world, &["--drop", &name]);
        assert_eq!(ran.status, Some(0), "{ran:?}");
        nothing_is_left(world);
    });
}

#[test]
fn nothing_is_written_elsewhere_and_nobody_is_asked() {
    each(|world| {
        let later = world.outside.join("later");
        world.write(&world.outside.join("single"), "mine\n");
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{}","{}"]}}}}}}"#,
            later.display(),
            world.outside.join("single").display()
        ));
        let (askpass, asked) = askpass(world, "once");
        let before = tree(world, &world.outside);
        let text = format!(
            "cd {}; echo x > new; mkdir later; echo x > later/f; echo x > single; rm single; mv single later; echo x > ../home/h; true",
            world.outside.display()
        );
        let mut command = world.command(world.bin("sbshctl"));
        command.args(["try", "--keep", "--", &text]).env("SBSH_ASKPASS", &askpass);
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert_eq!(tree(world, &world.outside), before, "{ran:?}");
        assert!(questions(&asked).is_empty() && !world.home.join("h").exists(), "{ran:?}");
    });
}

#[test]
fn nothing_runs_outside_and_no_server_outside_is_spoken_to() {
    each(|world| {
        let tool = world.outside.join("tools/tool");
        let (log, socket) = (world.outside.join("log"), world.outside.join("socket"));
        program(world, &tool, &format!("#!/bin/sh\necho ran >> {}\n", log.display()));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
        world.user_settings(&format!(
            r#"{{"sandbox":{{"excludedCommands":["tool:*"],"allowUnixSockets":["{}"],"network":{{"allowUnixSockets":["{0}"]}}}},"permissions":{{"allow":["Bash(tool:*)"]}}}}"#,
            socket.display()
        ));
        let (askpass, _) = askpass(world, "once");
        let speaks = format!(
            "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{}\")' 2>/dev/null && echo spoke",
            socket.display()
        );
        for text in
            ["tool", "true; tool", "dangerouslyDisableSandbox touch /var/tmp/sbsh-try-no; true", &speaks]
        {
            let mut command = world.command(world.bin("sbshctl"));
            let path = format!("{}:/usr/bin:/bin", tool.parent().unwrap().display());
            command.args(["try", "--keep", "--", text]).env("PATH", path).env("SBSH_ASKPASS", &askpass);
            let ran: Ran = command.output().unwrap().into();
            assert!(!log.exists() && !Path::new("/var/tmp/sbsh-try-no").exists(), "{text}: {ran:?}");
            assert!(!ran.stdout.contains("spoke"), "{ran:?}");
        }
    });
}

#[test]
fn what_others_changed_meanwhile_is_left_to_them() {
    each(|world| {
        for name in ["one", "two", "gone", "tree/a"] {
            world.write(&world.project.join(name), "old\n");
        }
        let name = left(
            world,
            "echo ours > one; rm two; echo new > new; rm -r tree; echo ours > fine; chmod 600 gone",
        );
        world.write(&world.project.join("one"), "theirs\n");
        world.write(&world.project.join("two"), "theirs\n");
        world.write(&world.project.join("new"), "theirs\n");
        world.write(&world.project.join("tree/b"), "theirs\n");
        fs::remove_file(world.project.join("gone")).unwrap();
        let ran = attempt(world, &["--keep", &name]);
        assert_eq!(ran.status, Some(1), "{ran:?}");
        for theirs in ["one", "two", "new", "tree/b"] {
            assert_eq!(fs::read_to_string(world.project.join(theirs)).unwrap(), "theirs\n", "{ran:?}");
        }
        assert!(world.project.join("tree/a").exists() && world.project.join("fine").exists(), "{ran:?}");
        let told = ran.stderr.contains("changed meanwhile") && ran.stderr.contains("taken away meanwhile");
        assert!(told && !world.project.join("gone").exists(), "{ran:?}");
        assert_eq!(lying(world), std::slice::from_ref(&name));
        assert_eq!(attempt(world, &["--drop", &name]).status, Some(0));
        nothing_is_left(world);
    });
}

#[test]
fn what_settings_deny_is_denied_through_the_layer_too() {
    each(|world| {
        let at = |name: &str| world.project.join(name);
        for name in ["secret/key", "fixed/file", "hidden", "fine"] {
            world.write(&at(name), "mine\n");
        }
        world.write(&world.home.join(".ssh/id_x"), "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n");
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"denyRead":["{0}/secret","{0}/hidden"],"denyWrite":["{0}/fixed","{0}/later"]}}}}}}"#,
            world.project.display()
        ));
        let before = tree(world, &world.project);
        let text = "cat secret/key hidden ~/.ssh/id_x; ls ~/.local/state/sbsh; echo x > secret/new; echo x > hidden; \
            echo x > fixed/file; rm -rf fixed; mv secret aside; mv fixed aside; rmdir aside; echo x > later; rm -f hidden; cat fine";
        let ran = attempt(world, &["--keep", "--", text]);
        assert_eq!(ran.stdout, "mine\n", "{ran:?}");
        assert_eq!(tree(world, &world.project), before, "{ran:?}");
        // Nor is it kept where settings came later.
        world.user_settings("{}");
        let name = left(world, "echo x > later; echo x > other; rm -r fixed");
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"denyWrite":["{0}/fixed/file","{0}/later"]}}}}}}"#,
            world.project.display()
        ));
        let ran = attempt(world, &["--keep", &name]);
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(at("fixed/file").exists() && at("other").exists() && !at("later").exists(), "{ran:?}");
    });
}

#[test]
fn changes_lie_elsewhere_where_the_home_directory_is_tried() {
    each(|world| {
        let control = |words: &[&str]| -> Ran {
            let mut command = world.command(world.bin("sbshctl"));
            command.arg("try").args(words).env("SBSH_ROOT", &world.home).current_dir(&world.home);
            command.env("PWD", &world.home).output().unwrap().into()
        };
        let ran = control(&["--", "echo x > made; echo x > .bashrc; ls .local/state/sbsh/tries"]);
        let name = ran.stderr.split_once("lie in ").map(|(_, rest)| rest[..12].to_owned()).unwrap();
        assert!(!world.home.join("made").exists() && lying(world).is_empty(), "{ran:?}");
        let listed = control(&["--list"]).stdout;
        assert!(listed.contains(&name) && listed.contains("echo x > made"), "{listed}");
        let ran = control(&["--keep", &name]);
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert!(world.home.join("made").exists() && !world.home.join(".bashrc").exists(), "{ran:?}");
        assert!(!control(&["--list"]).stdout.contains(&name));
    });
}

#[test]
fn the_network_is_as_for_any_command() {
    each(|world| {
        if !has(&["python3"]) {
            return;
        }
        let text = "python3 -c '
import socket
try: socket.create_connection((\"203.0.113.9\", 80), 5).recv(1) and print(\"reached\")
except OSError as error: print(type(error).__name__)
listener = socket.create_server((\"127.0.0.1\", 0))
socket.create_connection(listener.getsockname())
print(\"itself\")
'";
        let (ran, real) = (attempt(world, &["--drop", "--", text]), world.run(text));
        assert_eq!((&ran.stdout, ran.status), (&real.stdout, real.status), "{ran:?} {real:?}");
        assert!(ran.stdout.ends_with("itself\n") && !ran.stdout.contains("reached"), "{ran:?}");
    });
}

#[test]
fn nothing_of_it_goes_on_when_it_has_ended_or_was_killed() {
    each(|world| {
        let ran = attempt(world, &["--drop", "--", "(while sleep 0.1; do date > beat; done) & sleep 0.3"]);
        assert_eq!(ran.status, Some(0), "{ran:?}");
        nothing_is_left(world);
        let mut command = world.command(world.bin("sbshctl"));
        let mut child = command.args(["try", "--", "echo x > x; touch ready; sleep 100"]).spawn().unwrap();
        until(|| !lying(world).is_empty());
        let name = lying(world)[0].clone();
        until(|| tries(world).join(&name).join("0/upper/ready").exists());
        assert_eq!(attempt(world, &["--keep", &name]).status, Some(126));
        assert_eq!(attempt(world, &["--drop", &name]).status, Some(126));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(attempt(world, &["--keep", &name]).status, Some(126));
        until(|| attempt(world, &["--drop", &name]).status == Some(0));
        nothing_is_left(world);
        assert!(!world.project.join("x").exists());
    });
}

#[test]
fn a_file_on_standard_input_is_no_way_past_the_layer() {
    each(|world| {
        let file = world.project.join("input");
        world.write(&file, "text\n");
        let mut command = world.command(world.bin("sbshctl"));
        let text =
            "cat; echo evil 1<> /proc/self/fd/0; echo evil > /dev/stdin; echo evil > /proc/self/fd/3; true";
        let with = "exec \"$0\" try --drop -- \"$1\" < input 3< input";
        command = {
            let control = command.get_program().to_owned();
            let mut shell = world.command("/bin/bash");
            shell.args(["-c", with]).arg(control).arg(text);
            shell
        };
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.stdout, "text\n", "{ran:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text\n", "{ran:?}");
    });
}

#[test]
fn where_it_cannot_be_had_nothing_runs() {
    each(|world| {
        let refused = |ran: Ran, why: &str| {
            assert!(ran.status == Some(126) && ran.stdout.is_empty(), "{ran:?}");
            assert!(ran.stderr.contains(why) && ran.stderr.contains("nothing was run"), "{ran:?}");
            assert!(!world.project.join("made").exists());
            let left = fs::read_dir(tries(world)).into_iter().flatten().count();
            assert_eq!(left, 0);
        };
        let words = ["try", "--keep", "--", "echo ran; touch made"];
        // No user namespaces.
        let mut command = world.command("unshare");
        let none = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
        command.args(["-Ur", "sh", "-c", none, "sh"]).arg(world.bin("sbshctl")).args(words);
        refused(command.output().unwrap().into(), "namespaces");
        world.user_settings(r#"{"sandbox":{"enabled":false}}"#);
        refused(world.control(&words), "sandbox.enabled is false");
        world.user_settings("{}");
        if !is_root() {
            return not_here("only root mounts things there");
        }
        // Something mounted in what is tried, and changes that would go to an overlay.
        let sub = world.project.join("sub");
        fs::create_dir(&sub).unwrap();
        let upper = world.outside.join("o");
        for prepare in [
            format!("mount -t tmpfs none '{}'", sub.display()),
            format!(
                "mkdir -p {0}/u {0}/w; chown {1} {0}/u; mount -t overlay none -o lowerdir={2},upperdir={0}/u,workdir={0}/w {2}",
                upper.display(),
                world.user,
                world.home.display()
            ),
        ] {
            let line = format!(
                "{prepare} || exit 9; cd . && exec setpriv --reuid {0} --regid {0} --clear-groups \"$@\"",
                world.user
            );
            let mut command = world.command("/usr/bin/unshare");
            command.uid(0).gid(0).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            command.args(["-m", "/bin/bash", "-c", &line, "sh"]).arg(world.bin("sbshctl")).args(words);
            refused(command.output().unwrap().into(), "overlay");
        }
        // From inside nothing is tried.
        let ran = world.run(&format!("{} try -- touch made", world.bin("sbshctl").display()));
        assert!(ran.stderr.contains("does not work inside"), "{ran:?}");
    });
}
