//! Ways out that were thought of while attacking this tree. Each was tried against the built binary; what succeeded is
//! told by the comment in front.

use crate::world::{Ran, World, each, not_here, skip, without_bubblewrap};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The command in another directory of the project.
fn run_in(world: &World, directory: &Path, text: &str) -> Ran {
    world.command(world.bin("sbsh")).current_dir(directory).args(["-c", text]).output().unwrap().into()
}

fn git(world: &World, directory: &Path, words: &[&str]) -> Ran {
    world
        .command("git")
        .current_dir(directory)
        .args(["-c", "init.defaultBranch=main", "-c", "user.name=T", "-c", "user.email=t@example.com"])
        .args(words)
        .output()
        .unwrap()
        .into()
}

/// What git outside runs when a person looks at a directory: nothing of the command's.
fn git_starts_nothing(world: &World, directory: &Path) {
    git(world, directory, &["status"]);
    git(world, directory, &["commit", "-q", "--allow-empty", "-m", "x"]);
    assert!(
        !world.outside.join("ran").exists(),
        "git in {} ran a program of the command's",
        directory.display()
    );
}

/// A shell text that makes a repository `name` whose config and hook leave a mark outside.
fn evil_repository(world: &World, name: &str) -> String {
    let mark = world.outside.join("ran");
    format!(
        "mkdir -p {name}/objects {name}/refs/heads {name}/hooks; echo 'ref: refs/heads/main' > {name}/HEAD; \
         printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfsmonitor = touch {0}; false\\n' > {name}/config; \
         printf '#!/bin/sh\\ntouch {0}\\n' > {name}/hooks/pre-commit; chmod +x {name}/hooks/pre-commit; ",
        mark.display()
    )
}

// Own idea: a path that settings open lies in the project, so the command can replace it by a link to anywhere.
#[test]
fn an_opened_path_that_the_command_made_a_link_opens_nothing() {
    each(|world| {
        world.write(&world.home.join("vault/deep/key"), "PRIVATE");
        world.user_settings(&format!(
            r#"{{"sandbox": {{"filesystem": {{"allowWrite": ["{0}/dist", "{0}/out*"], "denyRead": ["~/vault"], "allowRead": ["{0}/docs"]}}}}}}"#,
            world.project.display()
        ));
        let (outside, home) = (world.outside.display(), world.home.display());
        world.run(&format!("ln -s {outside} dist; ln -s ../outside out1; ln -s {home}/vault/deep docs; mkdir in; ln -s dist in/x"));
        let ran = world.run(&format!("echo evil > {outside}/made; echo evil > dist/made; echo evil > out1/made; cat {home}/vault/deep/key docs/key"));
        assert!(!world.outside.join("made").exists(), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        // A link that a person made where the command cannot write is followed as ever.
        let ran = run_with_link(world);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    });
}

fn run_with_link(world: &World) -> Ran {
    world.write(&world.home.join("data/cache/.keep"), "");
    symlink(world.home.join("data/cache"), world.home.join("cache")).unwrap();
    world.user_settings(r#"{"sandbox": {"filesystem": {"allowWrite": ["~/cache"]}}}"#);
    world.run("echo x > ~/cache/made && rm ~/data/cache/made")
}

// Own idea: a project in a directory named `worktrees` forges the way back of a linked worktree, and the common
// directory, which becomes writable, is the grandparent.
#[test]
fn a_forged_worktree_does_not_open_the_grandparent() {
    each(|world| {
        let project = world.outside.join("worktrees/project");
        fs::create_dir_all(project.join(".claude")).unwrap();
        for path in [&world.outside.join("worktrees"), &project, &project.join(".claude")] {
            world.give(path);
        }
        run_in(
            world,
            &project,
            "echo gitdir: $PWD > .git; echo ../.. > commondir; echo $PWD/.git > gitdir; echo 'ref: x' > HEAD; mkdir objects refs",
        );
        run_in(world, &project, &format!("echo evil > {}/made", world.outside.display()));
        assert!(!world.outside.join("made").exists());
    });
}

// Own idea: git follows `commondir` in every git directory, also in one that was there before.
#[test]
fn commondir_of_an_existing_repository_leads_nowhere_else() {
    each(|world| {
        git(world, &world.project, &["init", "-q"]);
        let tree = world.home.join("tree");
        git(world, &world.project, &["commit", "-q", "--allow-empty", "-m", "one"]);
        git(world, &world.project, &["worktree", "add", "-q", tree.to_str().unwrap()]);
        let evil = evil_repository(world, ".git/evil");
        world.run(&format!("{evil} cp -r .git/objects .git/refs .git/evil/; echo evil > .git/commondir"));
        git_starts_nothing(world, &world.project);
        world.run("echo ../../evil > .git/worktrees/tree/commondir");
        git_starts_nothing(world, &tree);
    });
}

// Own idea: the sweep cannot list a linked or unreadable `hooks`, so it finds no hook in it.
#[test]
fn a_new_repositorys_hooks_cannot_hide() {
    each(|world| {
        let mark = world.outside.join("ran");
        let hook = format!(
            "printf '#!/bin/sh\\ntouch {}\\n' > hooks/pre-commit; chmod +x hooks/pre-commit; ",
            mark.display()
        );
        world
            .run(&format!("git init -q .; rm -rf .git/hooks; mkdir hooks; {hook} ln -s ../hooks .git/hooks"));
        git_starts_nothing(world, &world.project);
        world.run(&format!("git init -q sub; cd sub/.git; mkdir -p hooks; {hook} chmod 300 hooks"));
        git_starts_nothing(world, &world.project.join("sub"));
        // Nor can the directory above hide the repository.
        let evil = evil_repository(world, "x/.git");
        world.run(&format!("{evil} chmod 311 x"));
        git_starts_nothing(world, &world.project.join("x"));
    });
}

// Own idea: a `.git` file that leads into the depth of another new `.git` directory.
#[test]
fn a_pointer_into_a_new_repository_is_looked_into() {
    each(|world| {
        let evil = evil_repository(world, "a/.git/deep");
        world.run(&format!("git init -q a; {evil} echo 'gitdir: a/.git/deep' > .git"));
        git_starts_nothing(world, &world.project);
        let evil = evil_repository(world, "b/.git/deep");
        world.run(&format!("git init -q b; {evil} mkdir -p b/.git/worktrees/w w; echo ../../deep > b/.git/worktrees/w/commondir; echo 'ref: refs/heads/main' > b/.git/worktrees/w/HEAD; \
             echo $PWD/w/.git > b/.git/worktrees/w/gitdir; echo gitdir: $PWD/b/.git/worktrees/w > w/.git"));
        git_starts_nothing(world, &world.project.join("w"));
    });
}

// Own idea (git's safe.bareRepository): a bare repository below the top.
#[test]
fn a_bare_repository_below_the_top_brings_no_program() {
    each(|world| {
        let evil = evil_repository(world, "docs");
        world
            .run(&format!("mkdir docs; {evil} printf '\\tworktree = .\\n\\tbare = false\\n' >> docs/config"));
        git_starts_nothing(world, &world.project.join("docs"));
    });
}

// Own idea: what git reads as a key and a line-by-line scanner does not.
#[test]
fn a_new_repositorys_config_cannot_be_disguised() {
    each(|world| {
        let mark = world.outside.join("ran");
        for (name, text) in [
            ("bom", "\\357\\273\\277[core]\\n\\tfsmonitor = touch MARK\\n"),
            ("continued", "[core]\\n\\tx = a\\\\\\n[foo]\\n\\tfsmonitor = touch MARK\\n"),
        ] {
            world.run(&format!(
                "git init -q {name}; printf '{}' > {name}/.git/config",
                text.replace("MARK", &mark.display().to_string())
            ));
            git_starts_nothing(world, &world.project.join(name));
        }
    });
}

// Own idea: permissions that keep the sweep from moving what it finds.
#[test]
fn permissions_do_not_stop_the_sweep() {
    each(|world| {
        world.run("mkdir .vscode; echo evil > .vscode/tasks.json; chmod 555 .vscode");
        assert!(!world.project.join(".vscode").exists());
        world.run("echo evil > .claude/settings.json; chmod 000 .claude");
        assert!(!world.project.join(".claude/settings.json").exists());
        world.run("echo evil > .envrc; chmod 555 .");
        assert!(!world.project.join(".envrc").exists());
    });
}

// Own idea: where the state directory is on another file system, names are moved aside; all of those are taken.
#[test]
fn taken_names_do_not_stop_the_sweep() {
    each(|world| {
        let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
        world.give(elsewhere.path());
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .env("XDG_STATE_HOME", elsewhere.path())
            .args([
                "-c",
                "for n in $(seq 0 1200); do : > .sbsh-quarantine-$n-.envrc; done; echo evil > .envrc",
            ])
            .output()
            .unwrap()
            .into();
        assert!(!world.project.join(".envrc").exists(), "{}", ran.stderr);
    });
}

// Own idea: the sweep follows no link, so what is planted behind one is not seen by it, but by everybody else.
#[test]
fn a_protected_name_cannot_hide_behind_a_link() {
    each(|world| {
        world.run("rmdir .claude; mkdir cfg; echo '{\"hooks\":{}}' > cfg/settings.json; ln -s cfg .claude");
        assert!(!world.project.join(".claude/settings.json").exists());
    });
}

// Own idea: a writable root below another one is led elsewhere before the sweep comes to it.
#[test]
fn the_sweep_moves_nothing_outside() {
    each(|world| {
        world.write(&world.outside.join("out/.npmrc"), "mine\n");
        world.write(&world.project.join("pkg/out/file"), "");
        world.user_settings(&format!(
            r#"{{"sandbox": {{"filesystem": {{"allowWrite": ["{}/pkg/out"]}}}}}}"#,
            world.project.display()
        ));
        world.run("mv pkg pkg2; ln -s ../outside pkg");
        assert_eq!(fs::read_to_string(world.outside.join("out/.npmrc")).unwrap(), "mine\n");
    });
}

// Own idea: a settings file that never ends. A FIFO would be waited for.
#[test]
fn a_settings_file_that_is_a_fifo_stops_nothing_for_ever() {
    each(|world| {
        world.run("mkdir -p sub/.claude; mkfifo sub/.claude/settings.json; mkdir sub2; mkfifo sub2/.git");
        let line = format!("timeout 20 {} -c 'echo ran'; echo $?", world.bin("sbsh").display());
        let ran: Ran = world
            .command("/bin/bash")
            .current_dir(world.project.join("sub"))
            .args(["-c", &line])
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.stdout, "126\n", "{}", ran.stderr);
        assert_eq!(world.run("echo ran").stdout, "ran\n");
    });
}

// Own idea: the caller's process group can be reached by its number 0 with more calls than kill(2).
#[test]
fn the_callers_processes_keep_their_priority() {
    each(|world| {
        let line = format!(
            "{} -c 'renice -n 15 -g 0; ionice -c 3 -P 0; renice -n 15 -u {}' >/dev/null 2>&1; nice; ionice",
            world.bin("sbsh").display(),
            world.user
        );
        let before: Ran = world.command("/bin/bash").args(["-c", "nice; ionice"]).output().unwrap().into();
        let ran: Ran = world.command("/bin/bash").args(["-c", &line]).output().unwrap().into();
        assert_eq!(ran.stdout, before.stdout);
    });
}

// Own idea: between the look at the files and the mounts, a job of an earlier command swaps a directory for a link.
// bubblewrap follows links, so the job's link would decide what becomes writable. Here the swap comes at the worst time.
#[test]
fn a_directory_swapped_for_a_link_during_the_start_opens_nothing() {
    each(|world| {
        if !nix::unistd::geteuid().is_root() {
            skip("a stand-in for bubblewrap must belong to root");
            return;
        }
        if without_bubblewrap() {
            // The builder follows no link at all: run::waiting has that test.
            return not_here("it is bubblewrap's own test");
        }
        for directory in [&world.project, &world.home] {
            world.write(&directory.join(".claude/settings.json"), "{}");
        }
        // The swap happens in bubblewrap's place, just before it: after everything was planned, which is when the
        // arguments have come.
        let (late, real) = (world.bin("late-bwrap"), world.bin("real-bwrap"));
        fs::copy("/usr/bin/bwrap", &real).unwrap();
        let script = format!(
            "#!/bin/bash\ncat <&$2 >{0}\nmv .claude aside; ln -s ../home/.claude .claude\neval \"exec $2<{0}\"\nexec {1} \"$@\"\n",
            world.home.join("arguments").display(),
            real.display()
        );
        fs::write(&late, script).unwrap();
        fs::set_permissions(&late, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let line = format!(
            "mount --bind {} /usr/bin/bwrap && exec setpriv --reuid {1} --regid {1} --clear-groups {2} -c 'echo evil > ~/.claude/planted; echo evil > .claude/planted'",
            late.display(),
            world.user,
            world.bin("sbsh").display()
        );
        let ran: Ran = std::process::Command::new("unshare")
            .args(["-m", "sh", "-c", &line])
            .current_dir(&world.project)
            .env("HOME", &world.home)
            .output()
            .unwrap()
            .into();
        assert!(world.project.join("aside").exists(), "the swap did not happen: {}", ran.stderr);
        assert!(!world.home.join(".claude/planted").exists());
        assert_eq!(ran.status, Some(126), "{}", ran.stderr);
    });
}

// Own idea, held: floods and depths that a parser, a reaper or a search could fall over.
#[test]
fn floods_and_depths_end_in_an_answer() {
    each(|world| {
        world.write(&world.project.join("s/.claude/settings.json"), &"[".repeat(1 << 20));
        assert_eq!(run_in(world, &world.project.join("s"), "echo ran").status, Some(126));
        assert_eq!(world.run(&"(".repeat(50_000)).signal, None);
        assert_eq!(world.run("for i in $(seq 1000); do : & done; wait; echo end").stdout, "end\n");
        let ran = world.run(
            "git init -q .; cd .git/hooks && for i in $(seq 2000); do { : > $i; } 2>/dev/null; done; false",
        );
        assert!(
            !world.project.join(".git/hooks/1").exists() && ran.stderr.lines().count() < 20,
            "{}",
            ran.stderr
        );
    });
}
