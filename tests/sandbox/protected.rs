//! Protected names: existing ones cannot be changed, missing ones are taken away, nothing is left on the host.

use crate::world::{World, each, has};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn git(world: &World, directory: &Path, words: &[&str]) {
    let status = world
        .command("git")
        .current_dir(directory)
        .args(["-c", "init.defaultBranch=main", "-c", "user.name=T", "-c", "user.email=t@example.com"])
        .args(words)
        .output()
        .unwrap();
    assert!(status.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&status.stderr));
}

fn repository(world: &World, name: &str) -> std::path::PathBuf {
    let directory = world.project.join(name);
    fs::create_dir_all(&directory).unwrap();
    world.give(&directory);
    git(world, &directory, &["init", "-q"]);
    directory
}

#[test]
fn an_existing_repository_keeps_its_hooks_and_config() {
    each(|world| {
        let top = repository(world, ".");
        let nested = repository(world, "sub/nested");
        let before = (world.state(&top.join(".git")), world.state(&nested.join(".git")));
        for git in [".git", "sub/nested/.git", "sub/../.git", "./.git/"] {
            world.run(&format!(
                "echo evil > {git}/hooks/pre-commit; echo '[core] fsmonitor=x' >> {git}/config; rm -f {git}/config; \
                 mv {git}/hooks {git}/h2; mv {git}/config {git}/c2; rm -rf {git}/hooks; cp /bin/true {git}/hooks/post-checkout; \
                 mv {git} moved; ln -sf /bin/true {git}/hooks/pre-push; chmod 777 {git}/config; truncate -s0 {git}/config; \
                 git -C {git}/.. config core.pager evil; python3 -c \"import os; os.truncate('{git}/config', 0)\""
            ));
        }
        // The ancestor is renamed away and built anew: a plain read-only bind does not hold that.
        world.run("mv sub sub2; mkdir -p sub/nested/.git/hooks; echo evil > sub/nested/.git/config");
        world.run(
            "mv sub/nested sub/n2; mkdir -p sub/nested/.git; echo evil > sub/nested/.git/config; rm -rf sub",
        );
        let clean = |state: Vec<(std::path::PathBuf, String)>| -> Vec<(std::path::PathBuf, String)> {
            state
                .into_iter()
                .filter(|(path, _)| path.ends_with("config") || path.to_string_lossy().contains("/hooks"))
                // Copies are nobody's hooks.
                .filter(|(path, _)| !path.to_string_lossy().contains("/h2"))
                .collect()
        };
        assert_eq!(clean(world.state(&top.join(".git"))), clean(before.0));
        assert_eq!(clean(world.state(&nested.join(".git"))), clean(before.1));
    });
}

#[test]
fn git_works_as_ever() {
    each(|world| {
        let ran = world.run(
            "set -e; export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@x GIT_COMMITTER_NAME=T GIT_COMMITTER_EMAIL=t@x; \
             git init -q -b main .; echo a > a; git add a; git commit -qm one; git branch side; git checkout -q side; \
             echo b > b; git add b; git commit -qm two; git checkout -q main; git merge -q side; echo c >> a; git stash -q; git stash pop -q; \
             git worktree add -q wt side; cd wt; echo d > d; git add d; git commit -qm three; cd ..; git log --oneline --all | wc -l; \
             mkdir nested; cd nested; git init -q; git status -s; cd ..; git clone -q . copy; git status -s | sort",
        );
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(0), "3\n M a\n?? copy/\n?? nested/\n?? wt/\n"),
            "{}",
            ran.stderr
        );
        // And again, with the repository there from the start.
        let ran = world.run("set -e; git add a; git -c user.name=T -c user.email=t@x commit -qm four; git branch third; git log --oneline | wc -l");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "3\n"), "{}", ran.stderr);
    });
}

#[test]
fn a_repository_born_inside_brings_no_program() {
    each(|world| {
        let ran = world.run(
            "git init -q . && echo '#!/bin/sh' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit; \
             git init -q sub && git -C sub config core.fsmonitor 'touch /tmp/evil'; git init -q fine; git -C fine config user.name me",
        );
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert!(!world.project.join(".git/hooks/pre-commit").exists());
        assert!(world.project.join(".git/config").exists());
        assert!(!world.project.join("sub/.git/config").exists());
        assert!(world.project.join("fine/.git/config").exists());
        assert!(ran.stderr.contains("pre-commit") && ran.stderr.contains("core.fsmonitor"), "{}", ran.stderr);
    });
}

#[test]
fn missing_names_at_the_top_are_taken_away() {
    each(|world| {
        let names = [
            ".bashrc",
            ".profile",
            ".zshrc",
            ".gitconfig",
            ".gitmodules",
            ".envrc",
            ".mcp.json",
            ".npmrc",
            ".vscode",
            ".idea",
            ".husky",
            ".claude/settings.json",
            ".claude/settings.local.json",
            ".claude/commands",
            ".claude/hooks",
            ".cursor",
            ".ripgreprc",
            ".hg/hgrc",
            ".hg/hgrc-not-shared",
            ".hg/sharedpath",
            ".jj/repo/config.toml",
        ];
        for name in names {
            let ran =
                world.run(&format!("mkdir -p .claude .hg .jj/repo; echo evil > {name} || mkdir {name}"));
            assert!(!world.project.join(name).exists(), "{name}");
            assert!(ran.stderr.contains(name), "{name}: {}", ran.stderr);
        }
        // Nor by a directory that gets its name afterwards.
        let ran = world.run("rmdir .hg; mkdir x && echo evil > x/hgrc && mv x .hg");
        assert!(!world.project.join(".hg/hgrc").exists(), "{}", ran.stderr);
        world.run("mkdir objects refs hooks; echo 'ref: x' > HEAD; echo '[core] fsmonitor = evil' > config");
        assert!(!world.project.join("HEAD").exists() && !world.project.join("config").exists());
    });
}

#[test]
fn ordinary_names_like_a_bare_repositorys_stay() {
    each(|world| {
        world.run("mkdir hooks refs; echo mine > config");
        assert_eq!(fs::read_to_string(world.project.join("config")).unwrap(), "mine\n");
        assert!(world.project.join("hooks").is_dir());
    });
}

#[test]
fn nothing_is_left_behind() {
    each(|world| {
        let before = world.state(&world.project);
        world.run("true");
        world.run("false");
        world.run("kill -KILL $$");
        assert_eq!(world.state(&world.project), before);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(world.project.to_str().unwrap()));
    });
}

#[test]
fn a_link_planted_as_a_directory_does_not_lead_the_sweep_out() {
    each(|world| {
        world.write(&world.outside.join("settings.json"), "mine\n");
        world.run(&format!(
            "rm -rf .claude; ln -s {} .claude; rm -rf .vscode; ln -s {} .vscode",
            world.outside.display(),
            world.outside.display()
        ));
        assert_eq!(fs::read_to_string(world.outside.join("settings.json")).unwrap(), "mine\n");
    });
}

#[test]
fn a_pointer_to_a_prepared_repository_is_taken_away() {
    each(|world| {
        let ran = world.run("mkdir -p prepared/objects prepared/refs; echo 'ref: refs/heads/main' > prepared/HEAD; echo '[core] fsmonitor = evil' > prepared/config; echo 'gitdir: prepared' > .git");
        assert!(!world.project.join(".git").exists(), "{}", ran.stderr);
    });
}

#[test]
fn a_linked_worktree_commits_but_a_forged_one_opens_nothing() {
    each(|world| {
        let main = world.outside.join("main");
        fs::create_dir(&main).unwrap();
        world.give(&main);
        git(world, &main, &["init", "-q"]);
        git(world, &main, &["commit", "-q", "--allow-empty", "-m", "one"]);
        let tree = world.project.join("tree");
        git(world, &main, &["worktree", "add", "-q", tree.to_str().unwrap()]);
        let commit = "git -c user.name=T -c user.email=t@x commit -q --allow-empty -m inside && git log --oneline | wc -l; \
                      echo evil > $(git rev-parse --git-common-dir)/hooks/pre-commit; echo evil > $(git rev-parse --git-common-dir)/config";
        let run = |text: &str| -> crate::world::Ran {
            world
                .command(world.bin("sbsh"))
                .current_dir(&tree)
                .env("SBSH_ROOT", &tree)
                .args(["-c", text])
                .output()
                .unwrap()
                .into()
        };
        let ran = run(commit);
        assert_eq!(ran.stdout, "2\n", "{}", ran.stderr);
        assert!(!main.join(".git/hooks/pre-commit").exists());
        assert!(fs::read_to_string(main.join(".git/config")).unwrap().contains("[core]"));
        // Forged: a `.git` file that merely points at somebody else's repository.
        let forged = world.project.join("forged");
        world.write(&forged.join(".git"), &format!("gitdir: {}\n", main.join(".git").display()));
        let ran: crate::world::Ran = world
            .command(world.bin("sbsh"))
            .current_dir(&forged)
            .env("SBSH_ROOT", &forged)
            .args(["-c", &format!("echo evil > {}/description", main.join(".git").display())])
            .output()
            .unwrap()
            .into();
        assert_ne!(ran.status, Some(0));
    });
}

/// By another name a file is changed where nobody looks at what it says.
#[test]
fn what_git_obeys_has_no_second_name_and_an_empty_pointer_may_stay() {
    if !has(&["git"]) {
        return;
    }
    each(|world| {
        let says = |path: &str| fs::read_to_string(world.project.join(path)).unwrap_or_default();
        let evil = "printf '[core]\\n\\tfsmonitor = /tmp/evil\\n'";
        world.run("git init -q r; ln r/.git/config x; test -e x || cp r/.git/config x");
        world.run(&format!("{evil} >> x"));
        assert!(says("x").contains("evil") && says("r/.git/config").contains("[core]"));
        assert!(!says("r/.git/config").contains("evil"));
        // Linked under a name that means nothing, and moved to where it does.
        world.run("git init -q s; mv s/.git d; ln d/config y; mv d s/.git");
        world.run(&format!("{evil} >> y"));
        assert!(!says("s/.git/config").contains("evil"));
        let tree = |place: &str| {
            let text = format!(
                "git -C r -c user.name=x -c user.email=x@x commit -q --allow-empty -m x; git -C r worktree add -q ../{place}"
            );
            assert_eq!(world.run(&text).status, Some(0));
            assert!(says(&format!("{place}/.git")).starts_with("gitdir: "));
        };
        tree("w");
        world.run("git -C r worktree add -q ../v; cp v/.git z; rm v/.git; ln z v/.git");
        world.run("echo 'gitdir: /tmp/evil' > z");
        assert!(!says("v/.git").contains("evil"));
        // Further down than repositories are looked for at the start.
        world.run("for i in $(seq 30); do mkdir -p n$i/y; done");
        tree("n9/y/u");
        world.run("ln n9/y/u/.git q; echo 'gitdir: /tmp/evil' > q");
        assert!(
            says("q").contains("evil")
                && says("n9/y/u/.git").starts_with("gitdir: ")
                && !says("n9/y/u/.git").contains("evil")
        );
        // git stops at an empty one: uv puts it above what it unpacks.
        let ran = world.run("mkdir c; : > c/.git");
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
        assert!(world.project.join("c/.git").exists());
        world.run("echo 'gitdir: /tmp/evil' > c/.git");
        assert!(!says("c/.git").contains("evil"));
    });
}

/// rename(2) takes a mount away from its target in every other mount namespace: git and editors write so.
#[test]
fn what_somebody_outside_replaces_meanwhile_stays_held() {
    each(|world| {
        let kept = world.project.join("kept");
        world.user_settings(&format!(
            "{{\"sandbox\": {{\"filesystem\": {{\"denyWrite\": [\"{}\"]}}}}}}",
            kept.display()
        ));
        let outside = |text: &str| {
            let ran = world.command("sh").args(["-c", text]).output().unwrap();
            assert!(ran.status.success(), "{ran:?}");
        };
        outside("git init -q . && echo '{}' > .claude/settings.json && echo a > kept");
        let names = [".git/config", ".claude/settings.json", "kept"];
        let attack = |name: &str| {
            format!(
                "echo '# x' >> {name}; : > {name}; chmod 777 {name}; ln {name} l; mv {name} m; mv go2 {name}; rm -f {name};"
            )
        };
        let text = format!(
            "echo y > go2; : > ready; until [ -e go ]; do sleep 0.05; done; {}",
            names.map(attack).concat()
        );
        let running = world.command(world.bin("sbsh")).args(["-c", &text]).spawn().unwrap();
        crate::world::until(|| world.project.join("ready").exists());
        let replace = names.map(|name| format!("echo '# new' > t && mv t {name};")).concat();
        outside(&format!("{replace} : > go"));
        running.wait_with_output().unwrap();
        for name in names {
            let path = world.project.join(name);
            assert_eq!(fs::read_to_string(&path).unwrap(), "# new\n", "{name}");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644, "{name}");
        }
    });
}

#[test]
fn the_directory_of_the_approvers_console_cannot_be_replaced() {
    each(|world| {
        let at = world.outside.join("run");
        fs::create_dir(&at).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(0o700)).unwrap();
        world.give(&at);
        let outside = world.outside.display();
        world.user_settings(&format!(
            "{{\"sandbox\": {{\"filesystem\": {{\"allowWrite\": [\"{outside}\"]}}}}}}"
        ));
        let text = format!("cd {outside} && : > there; mv run aside; mv run/sbsh run/x; rm -rf run");
        let mut command = world.command(world.bin("sbsh"));
        let ran = command.env("XDG_RUNTIME_DIR", &at).args(["-c", &text]).output().unwrap();
        let stands = |name: &str| world.outside.join(name).exists();
        assert_eq!(
            ["there", "run/sbsh", "aside", "run/x"].map(stands),
            [true, true, false, false],
            "{ran:?}"
        );
    });
}

#[test]
fn a_directory_that_settings_open_and_that_is_made_later_has_no_startup_files_at_its_top() {
    each(|world| {
        let (named, globbed) = (world.outside.join("new"), world.outside.join("glob-1"));
        world.user_settings(&format!(
            "{{\"sandbox\": {{\"filesystem\": {{\"allowWrite\": [\"{}\", \"{}/glob-*\"]}}}}}}",
            named.display(),
            world.outside.display()
        ));
        for top in [named, globbed] {
            let at = top.display();
            world.run(&format!(
                "mkdir {at} && cd {at} && mkdir deep .vscode; echo > .envrc; echo > deep/.envrc; echo > ok; mv ok .npmrc; ln -s deep .idea"
            ));
            let mut names: Vec<_> = fs::read_dir(&top).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, ["deep", "ok"]);
            assert!(top.join("deep/.envrc").exists());
        }
    });
}

#[test]
fn a_directory_put_in_place_as_a_whole_brings_no_kept_name() {
    each(|world| {
        let at = world.project.display();
        world.user_settings(&format!(
            "{{\"sandbox\": {{\"filesystem\": {{\"denyWrite\": [\"{at}/**/deploy/key.pem\", \"{at}/sub/named\"], \"denyRead\": [\"{at}/**/vault/token\"]}}}}}}"
        ));
        fs::remove_dir(world.project.join(".claude")).unwrap();
        let ran = world.run(
            "mkdir x; echo '{}' > x/settings.json; mv x .claude; mkdir y; mv -T --exchange x y 2>/dev/null; ln -s y .claude; ln -s x .hg
             mkdir -p b k; echo evil > k/key.pem; mv k b/deploy; mkdir t; echo tok > t/token; mv t vault
             mkdir -p n/m; echo evil > n/named; mv n sub
             mkdir c; echo '{}' > c/settings.json; chmod 000 c; mv c .claude; chmod 755 c
             mkdir -p z/fine; echo a > z/fine/file; mv z moved; ls -d .claude .hg b/deploy vault sub; ls moved/fine",
        );
        assert_eq!(ran.stdout, "file\n", "{}", ran.stderr);
        for name in [".claude", ".hg", "b/deploy", "vault", "sub"] {
            assert!(fs::symlink_metadata(world.project.join(name)).is_err(), "{name}");
        }
    });
}

/// For git a HEAD beside the way to another directory is a repository, too.
#[test]
fn a_head_and_the_way_to_another_directory_are_taken_for_the_repository_that_they_are() {
    if !has(&["git"]) {
        return;
    }
    each(|world| {
        for (head, way) in [
            ("echo 'ref: refs/heads/main' > $d/HEAD", "echo $OLDPWD/y > $d/commondir"),
            ("cp h $d/HEAD", "cp c $d/commondir"),
        ] {
            for (first, second) in [(head, way), (way, head)] {
                for place in [".", "src", "a/b/c/d"] {
                    let ran = world.run(&format!(
                        "for n in $(seq 60); do mkdir -p a$n/b a$n/c; done; d={place}; mkdir -p $d y/objects y/refs y/hooks; \
                         OLDPWD=$PWD; echo 'ref: refs/heads/main' > h; echo $PWD/y > c; \
                         printf '[core]\n\tfsmonitor = touch {evil}; false\n[extensions]\n\tworktreeConfig = true\n' > y/config; \
                         {first}; {second}; printf \"[core]\n\tbare = false\n\tworktree = $PWD/$d\n\" > $d/config.worktree",
                        evil = world.project.join("evil").display()
                    ));
                    let mut status = world.command("git");
                    let _ = status
                        .current_dir(world.project.join(place))
                        .args(["status", "--short"])
                        .output()
                        .unwrap();
                    assert!(
                        !world.project.join("evil").exists(),
                        "{first}; {second} in {place}: {}",
                        ran.stderr
                    );
                    assert!(ran.stderr.contains("commondir"), "{place}: {}", ran.stderr);
                    for entry in fs::read_dir(&world.project).unwrap().flatten() {
                        let path = entry.path();
                        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
                    }
                }
            }
        }
        // Two directories up, as a worktree's does, where nobody would look at a config.
        let ran = world.run(
            "mkdir -p x/objects x/refs x/worktrees/w; printf '[core]\n\tfsmonitor = evil\n' > x/config; cd x/worktrees/w; \
             echo ../.. > commondir; echo 'ref: refs/heads/main' > HEAD",
        );
        assert!(!world.project.join("x/worktrees/w/commondir").exists(), "{}", ran.stderr);
        // What git makes of itself stays, and works.
        let ran = world.run(
            "set -e; export GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@x GIT_COMMITTER_NAME=T GIT_COMMITTER_EMAIL=t@x; \
             git init -q one; git -C one commit -q --allow-empty -m x; git clone -q --bare one bare; git -C bare worktree add -q ../tree 2>&1",
        );
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        for _ in 0..2 {
            let ran = world.run("cd tree && git -c user.name=T -c user.email=t@x commit -q --allow-empty -m y && git worktree list | wc -l");
            assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "2\n", ""));
        }
    });
}

/// By another name it would be written where nobody looks, however deep the repository is.
#[test]
fn no_hook_and_no_config_of_a_repository_that_was_there_gets_another_name() {
    if !has(&["git", "python3"]) {
        return;
    }
    each(|world| {
        let deep = repository(world, "deep/er/and/deeper");
        world.run("for n in $(seq 60); do mkdir -p a$n/b a$n/c; done");
        let hook = deep.join(".git/hooks/pre-commit");
        world.write(&hook, "#!/bin/sh\n");
        let before = world.state(&deep.join(".git"));
        let ran = crate::gatekeeper::python(
            world,
            r#"
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
git = 'deep/er/and/deeper/.git'
def linked(at, old, flags=0):
    old = old if isinstance(old, int) else ctypes.cast(ctypes.create_string_buffer(old), ctypes.c_void_p).value
    if libc.linkat(at, ctypes.c_void_p(old), -100, b'other', flags) == 0:
        open('other', 'a').write('touch evil\n'); os.unlink('other'); return True
def secret(text):
    number = libc.syscall(447, 0)
    if number < 0: return None
    os.ftruncate(number, 4096)
    memory = mmap.mmap(number, 4096)
    memory.write(text + b'\0')
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))
for name in ('hooks/pre-commit', 'config'):
    path = f'{git}/{name}'
    file, place = os.open(path, os.O_RDONLY), os.open(path, os.O_PATH)
    holder = os.open(os.path.dirname(path), os.O_RDONLY)
    attempts = [(-100, path.encode()), (holder, os.path.basename(name).encode()), (file, b'', 0x1000), (place, b'', 0x1000),
                (-100, b'/proc/self/fd/%d' % file, 0x400), (holder, b'./' + os.path.basename(name).encode())]
    if kept := secret(path.encode()): attempts.append((-100, kept[1]))
    for attempt in attempts:
        if linked(*attempt): print('linked', name, attempt)
    os.chdir(os.path.dirname(path))
    if linked(-100, os.path.basename(name).encode()): print('linked from within', name)
    os.chdir(os.environ['PWD'])
# What is in order.
open('f', 'w').write('x'); os.link('f', 'g'); os.link('deep/er/and/deeper/.git/HEAD', 'h')
for directory in ('.', '/dev/shm'):
    try: file = os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o644)
    except OSError: continue
    if libc.linkat(-100, b'/proc/self/fd/%d' % file, -100, f'{directory}/named{os.getpid()}'.encode(), 0x400): print('not linked', directory, ctypes.get_errno())
    else: os.unlink(f'{directory}/named{os.getpid()}')
    # Of whoever has the capability, or the credentials it was opened with.
    if directory == '.' and libc.linkat(file, b'', -100, b'empty', 0x1000) and ctypes.get_errno() != 2: print('not linked', ctypes.get_errno())
print(os.stat('f').st_nlink, os.stat('h').st_nlink)
"#,
        );
        assert_eq!(ran.stdout, "2 2\n", "as {}: {}", world.user, ran.stderr);
        assert_eq!(world.state(&deep.join(".git")), before, "as {}: {}", world.user, ran.stderr);
    });
}

/// `git submodule update` takes a submodule's directory that it finds.
#[test]
fn submodules_of_a_repository_born_inside_bring_no_program() {
    if !has(&["git"]) {
        return;
    }
    each(|world| {
        let ran = world.run(
            "for n in $(seq 60); do mkdir -p a$n/b a$n/c; done; mkdir -p deep/er/and; y=$PWD/y; \
             for top in new deep/er/and/new; do \
               git init -q $top; \
               for name in .git/modules/a .git/modules/b/c .git/modules/b/c/modules/d .git/modules/worktrees/w; do \
                 mkdir -p prep/hooks prep/objects prep/refs $(dirname $top/$name); echo evil > prep/hooks/post-checkout; \
                 printf '[core]\\n\\tfsmonitor = evil\\n' > prep/config; mv prep $top/$name; \
                 echo $y > $top/$name/commondir; echo 'ref: refs/heads/main' > $top/$name/HEAD; \
               done; \
               mkdir $top/.git/modules/objects $top/.git/modules/refs; echo ../.. > $top/.git/modules/worktrees/w/commondir; \
             done",
        );
        let bad = |(path, content): &(std::path::PathBuf, String)| {
            let bad = content.contains("evil") || path.ends_with("commondir");
            bad.then(|| path.display().to_string())
        };
        let left: Vec<_> = world.state(&world.project).iter().filter_map(bad).collect();
        assert!(left.is_empty(), "as {}: {left:?} {}", world.user, ran.stderr);
        // What git makes of them itself stays, and works.
        let ran = world.run(
            "set -e; export GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@x GIT_COMMITTER_NAME=T GIT_COMMITTER_EMAIL=t@x; \
             git init -q lib; git -C lib commit -q --allow-empty -m x; git init -q with; cd with; \
             git -c protocol.file.allow=always submodule --quiet add ../lib modules; git commit -qm x; \
             git -C modules worktree add -q ../../beside",
        );
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        for _ in 0..2 {
            let ran = world
                .run("git -C with submodule status && git -C with/modules status && git -C beside status");
            assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        }
    });
}

/// Taking its permissions away keeps nothing from being looked at.
#[test]
fn a_directory_that_the_command_closed_is_looked_through_all_the_same() {
    use std::os::unix::fs::PermissionsExt;
    if !has(&["git"]) {
        return;
    }
    each(|world| {
        for mode in ["000", "200", "400"] {
            for place in [".", "new", "deep/er/and", ".claude"] {
                let ran = world.run(&format!(
                    "for n in $(seq 60); do mkdir -p a$n/b a$n/c; done; mkdir -p deep/er/and y; echo '{{}}' > y/settings.json; rm -rf .claude; mv y .claude; \
                     for top in new deep/er/and/new; do git init -q $top; git -C $top config core.fsmonitor evil; done; chmod {mode} {place}"
                ));
                for name in [".", "new", "deep", "deep/er/and", ".claude"] {
                    let _ = fs::set_permissions(world.project.join(name), fs::Permissions::from_mode(0o755));
                }
                let left = world
                    .command("find")
                    .args([".", "-name", "config", "-o", "-path", "*.claude/settings.json"])
                    .output();
                let left = String::from_utf8(left.unwrap().stdout).unwrap();
                assert_eq!(left, "", "{mode} {place} as {}: {}", world.user, ran.stderr);
                for entry in fs::read_dir(&world.project).unwrap().flatten() {
                    fs::remove_dir_all(entry.path()).unwrap();
                }
            }
        }
        // What was closed before, and is no matter of the command's, stays as it is.
        let closed = world.project.join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        world.give(&closed);
        world.run("true");
        assert_eq!(fs::metadata(&closed).unwrap().permissions().mode() & 0o777, 0o500);
    });
}

/// Hooks and more of the configuration, wherever git's configuration names them.
#[test]
fn what_configuration_names_further_off_is_not_written() {
    if !has(&["git"]) {
        return;
    }
    each(|world| {
        let top = repository(world, ".");
        repository(world, "sub/nested");
        git(world, &top, &["config", "include.path", "../.gitconfig.team"]);
        git(world, &top, &["config", "extensions.worktreeConfig", "true"]);
        git(world, &top, &["config", "--worktree", "core.hooksPath", ".byWorktree"]);
        world.write(
            &top.join(".gitconfig.team"),
            "[core]\n\thooksPath = .byTeam\n[include]\n\tpath = conf/more.inc\n",
        );
        world.write(&top.join("conf/more.inc"), "[user]\n\tname = x\n");
        world.write(
            &world.home.join(".gitconfig"),
            &format!("[core]\n\thooksPath = .byUser\n[include]\n\tpath = {}/users.inc\n", top.display()),
        );
        let names = [
            ".gitconfig.team",
            "conf/more.inc",
            "users.inc",
            ".byTeam/pre-commit",
            ".byWorktree/pre-commit",
            ".byUser/pre-commit",
            "sub/nested/.byUser/pre-commit",
        ];
        for name in names {
            world.write(&top.join(name), &fs::read_to_string(top.join(name)).unwrap_or_default());
        }
        for name in names {
            let before = fs::read_to_string(top.join(name)).unwrap();
            let ran = world
                .run(&format!("echo '# evil' >> {name}; rm -f {name}; echo '# evil' > new; mv new {name}"));
            assert_eq!(fs::read_to_string(top.join(name)).ok(), Some(before), "{name}: {}", ran.stderr);
        }
        // Nor made, where they are missing.
        fs::remove_dir_all(top.join("sub/nested/.byUser")).unwrap();
        world.run("mkdir -p sub/nested/.byUser; echo '# evil' > sub/nested/.byUser/pre-commit");
        assert!(!top.join("sub/nested/.byUser").exists());
        assert_eq!(world.run("git status --short | wc -l").status, Some(0));
    });
}
