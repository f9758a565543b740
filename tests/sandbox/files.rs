//! Reading and writing: what the policy says is what the kernel does.

use crate::world::{Ran, each};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn writes_stay_in_the_project_and_reads_go_everywhere() {
    each(|world| {
        world.write(&world.outside.join("readable"), "text\n");
        let text = format!(
            "echo in > inside; cat {0}/readable; echo no > {0}/new; echo no >> {0}/readable; rm {0}/readable; mkdir {0}/d; echo no > ~/x; echo end",
            world.outside.display()
        );
        let ran = world.run(&text);
        assert_eq!(ran.stdout, "text\nend\n");
        assert_eq!(fs::read_to_string(world.project.join("inside")).unwrap(), "in\n");
        assert_eq!(world.state(&world.outside).len(), 1);
        assert_eq!(fs::read_to_string(world.outside.join("readable")).unwrap(), "text\n");
        assert!(!world.home.join("x").exists());
    });
}

#[test]
fn denied_reads_are_neither_readable_nor_writable() {
    each(|world| {
        world.write(&world.home.join(".ssh/id_ed25519"), "PRIVATE");
        world.write(&world.home.join(".ssh/id_ed25519.pub"), "public\n");
        world.write(&world.home.join(".ssh/known_hosts"), "hosts\n");
        world.write(&world.home.join(".aws/credentials"), "PRIVATE");
        world.write(&world.home.join("vault/deep/key"), "PRIVATE");
        world.write(&world.project.join(".env"), "PRIVATE");
        world.write(&world.project.join("sub/.env"), "PRIVATE");
        symlink(world.home.join("vault/deep/key"), world.project.join("link")).unwrap();
        world.user_settings(r#"{"sandbox": {"filesystem": {"denyRead": ["~/vault"]}}, "permissions": {"deny": ["Read(**/.env)"]}}"#);
        let before = world.state(&world.home);
        let ran = world.run(
            "cat ~/.ssh/id_ed25519.pub ~/.ssh/known_hosts; cat ~/.ssh/id_ed25519; cat ~/.aws/credentials; cat ~/vault/deep/key; \
             ls ~/vault; cat link; cat .env sub/.env; cp ~/.ssh/id_ed25519 copy; ln ~/.aws/credentials hard; \
             echo x > ~/vault/new; echo x > .env; chmod 600 ~/.ssh/id_ed25519; chmod 700 ~/vault; cat /proc/self/root/$HOME/.aws/credentials; \
             tar cf t.tar ~/.ssh .env; grep -c PRIVATE t.tar; mv .env other; cat other",
        );
        assert!(!ran.stdout.contains("PRIVATE"), "{}", ran.stdout);
        assert!(ran.stdout.starts_with("public\nhosts\n"), "{}", ran.stdout);
        assert_eq!(world.state(&world.home), before);
        assert_eq!(fs::read_to_string(world.project.join(".env")).unwrap(), "PRIVATE");
        assert_eq!(fs::read_to_string(world.project.join("sub/.env")).unwrap(), "PRIVATE");
    });
}

#[test]
fn allow_read_opens_again_below_a_denied_directory() {
    each(|world| {
        world.write(&world.home.join("vault/open/note"), "note\n");
        world.write(&world.home.join("vault/key"), "PRIVATE");
        world.user_settings(
            r#"{"sandbox": {"filesystem": {"denyRead": ["~/vault"], "allowRead": ["~/vault/open"]}}}"#,
        );
        let ran = world.run("cat ~/vault/open/note; cat ~/vault/key; ls ~/vault; echo x > ~/vault/open/new; echo x > ~/vault/new");
        assert_eq!(ran.stdout, "note\n", "{}", ran.stderr);
        assert_eq!(world.state(&world.home.join("vault")).len(), 3);
    });
}

#[test]
fn allowed_and_denied_writes() {
    each(|world| {
        for path in ["cache/here", "cache/kept/file", "other"] {
            world.write(&world.outside.join(path), "old\n");
        }
        world.write(&world.project.join("generated/file"), "old\n");
        world.user_settings(&format!(
            r#"{{"sandbox": {{"filesystem": {{"allowWrite": ["{0}/cache"], "denyWrite": ["{0}/cache/kept", "{1}/gen*"]}}}}}}"#,
            world.outside.display(),
            world.project.display()
        ));
        let ran = world.run(&format!(
            "cd {0}; echo new > cache/here; echo new > cache/added; echo no > cache/kept/file; echo no > other; \
             mv cache/kept cache/moved; rm -rf cache/kept; echo no > {1}/generated/file; mv {1}/generated {1}/g2; true",
            world.outside.display(),
            world.project.display()
        ));
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let read = |path: &str| fs::read_to_string(world.outside.join(path)).unwrap_or_default();
        assert_eq!(
            [read("cache/here"), read("cache/added"), read("cache/kept/file"), read("other")],
            ["new\n", "new\n", "old\n", "old\n"]
        );
        assert_eq!(fs::read_to_string(world.project.join("generated/file")).unwrap(), "old\n");
    });
}

#[test]
fn odd_names_are_as_good_as_plain_ones() {
    each(|world| {
        for name in ["with blank", "new\nline", "[bracket]*", "-dash", "quote'\"", "ünïcode"] {
            let project = world.outside.join(name);
            fs::create_dir_all(project.join(".claude")).unwrap();
            fs::write(project.join(".claude/settings.json"), "{}").unwrap();
            world.give(&project);
            world.give(&project.join(".claude"));
            let ran: Ran = world
                .command(world.bin("sbsh"))
                .current_dir(&project)
                .args(["-c", "echo ok > made; echo no > ../escaped; echo no > .claude/settings.json; true"])
                .output()
                .unwrap()
                .into();
            assert_eq!(ran.status, Some(0), "{name}: {}", ran.stderr);
            assert_eq!(fs::read_to_string(project.join("made")).unwrap(), "ok\n", "{name}");
            assert_eq!(fs::read_to_string(project.join(".claude/settings.json")).unwrap(), "{}", "{name}");
            assert!(!world.outside.join("escaped").exists(), "{name}");
        }
    });
}

#[test]
fn the_home_directory_and_the_root_are_not_writable_by_accident() {
    each(|world| {
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .current_dir(&world.home)
            .args(["-c", "echo x > here; echo y > $TMPDIR/there && cat $TMPDIR/there"])
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.stdout, "y\n", "{}", ran.stderr);
        assert!(!world.home.join("here").exists());
        assert!(ran.stderr.contains("sbsh: "), "{}", ran.stderr);
    });
}

#[test]
fn tmpdir_is_private_and_lasts_from_command_to_command() {
    each(|world| {
        let first = world.run(
            "stat -c %a $TMPDIR; echo $TMPDIR; echo kept > $TMPDIR/file; mktemp >/dev/null && echo made",
        );
        let lines: Vec<&str> = first.stdout.lines().collect();
        assert_eq!((lines[0], lines[2]), ("700", "made"), "{}", first.stderr);
        assert_eq!(world.run("cat $TMPDIR/file").stdout, "kept\n");
        assert_eq!(fs::read_to_string(std::path::Path::new(lines[1]).join("file")).unwrap(), "kept\n");
        fs::remove_dir_all(lines[1]).unwrap();
        assert_eq!(world.run("echo no > /tmp/sbsh-test-direct").status, Some(1));
    });
}

#[test]
fn symlinked_dotfiles_lead_to_protected_files() {
    each(|world| {
        world.write(&world.project.join("dotfiles/bashrc"), "mine\n");
        symlink("dotfiles/bashrc", world.project.join(".bashrc")).unwrap();
        let ran = world
            .run("echo evil > .bashrc; echo evil > dotfiles/bashrc; rm .bashrc; echo evil > .bashrc; true");
        assert_eq!(ran.status, Some(0));
        assert_eq!(fs::read_to_string(world.project.join("dotfiles/bashrc")).unwrap(), "mine\n");
        assert_eq!(fs::read_link(world.project.join(".bashrc")).unwrap().to_str(), Some("dotfiles/bashrc"));
    });
}

#[test]
fn the_home_directory_is_not_opened_by_another_name() {
    each(|world| {
        let link = world.outside.join("link");
        symlink(world.home.parent().unwrap(), &link).unwrap();
        for entry in [format!("/proc/self/root{}", world.home.display()), link.display().to_string()] {
            world.user_settings(&format!(
                "{{\"sandbox\":{{\"filesystem\":{{\"allowWrite\":[\"{entry}\"]}}}}}}"
            ));
            let ran = world.run("echo x > ~/.bashrc");
            assert!(!world.home.join(".bashrc").exists());
            if entry == link.display().to_string() {
                // The user's own link: nobody knows who made it, and it opens nothing.
                continue;
            }
            assert_eq!(ran.status, Some(126));
            let wanted = ["cannot make", entry.as_str(), "settings.json", "holds the home directory"];
            assert!(wanted.iter().all(|part| ran.stderr.contains(part)), "{}", ran.stderr);
        }
    });
}
