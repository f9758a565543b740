//! Attacks on what the gatekeeper knows of directories: first many plain names are made in one, then it becomes another
//! one, or the way to it leads elsewhere. Each fails as if nothing had been known.

use crate::gatekeeper::{python, with_answer};
use crate::world::{World, each};
use std::fs;

/// `known(path)` makes many plain names there; `refused` says of a call what came of it.
const START: &str = r#"
import os
top = os.getcwd()
os.system('git init -q r; rm -rf r/.git/hooks')
def known(path, at=None):
    for n in range(40):
        os.close(os.open(path + 'plain%d' % n, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
        os.unlink(path + 'plain%d' % n, dir_fd=at)
def made(path, at=None):
    for flags in (os.O_CREAT | os.O_WRONLY, os.O_CREAT | os.O_EXCL | os.O_WRONLY):
        try: os.close(os.open(path, flags, 0o755, dir_fd=at)); print('made', path)
        except OSError as error:
            if error.errno != 30: print(path, error)
"#;

fn nothing_is_made(world: &World, rest: &str) {
    let ran = python(world, &format!("{START}{rest}\nprint('end')"));
    assert_eq!(ran.stdout, "end\n", "as {}: {}", world.user, ran.stderr);
    let hooks = world.project.join("r/.git/hooks");
    assert!(!hooks.join("pre-commit").exists(), "as {}: {}", world.user, ran.stderr);
}

#[test]
fn a_directory_that_becomes_one_of_hooks_is_not_what_it_was() {
    each(|world| {
        nothing_is_made(
            world,
            r#"
os.mkdir('a'); os.mkdir('a/b'); known('a/b/'); known(top + '/a/b/')
at = os.open('a/b', os.O_RDONLY); known('', at); os.chdir('a/b'); known('')
os.rename(top + '/a/b', top + '/r/.git/hooks')
made('pre-commit'); made('pre-commit', at); made('./pre-commit'); made('/proc/self/cwd/pre-commit')
os.chdir(top); made('r/.git/hooks/pre-commit'); made(top + '/r/.git/hooks/pre-commit')
"#,
        );
    });
}

#[test]
fn a_parent_that_becomes_a_repository_takes_along_what_was_known_below() {
    each(|world| {
        nothing_is_made(
            world,
            r#"
os.system('mv r/.git r/other; mkdir r/other/hooks'); known('r/other/hooks/')
at = os.open('r/other/hooks', os.O_RDONLY); known('', at); os.chdir('r/other/hooks'); known('')
os.rename(top + '/r/other', top + '/r/.git')
made('pre-commit'); made('pre-commit', at); os.chdir(top); made('r/.git/hooks/pre-commit')
"#,
        );
    });
}

#[test]
fn a_link_in_the_place_of_a_known_directory_is_followed_to_what_it_leads_to() {
    each(|world| {
        nothing_is_made(
            world,
            r#"
os.system('mkdir -p r/.git/hooks way/sub deep/way')
for path in ('way/', 'deep/way/'): known(path); known(top + '/' + path)
os.rename('way', 'gone'); os.symlink('r/.git/hooks', 'way'); made('way/pre-commit'); made(top + '/way/pre-commit')
# The directory itself, elsewhere, and a link where it was.
os.rename('r/.git/hooks', 'r/.git/none'); os.rename('deep/way', 'r/.git/hooks'); os.symlink('../r/.git/hooks', 'deep/way')
made('deep/way/pre-commit')
# A link at the end.
known('gone/'); os.symlink('../r/.git/hooks/pre-commit', 'gone/last')
try: os.close(os.open('gone/last', os.O_CREAT | os.O_WRONLY)); print('made by a link')
except OSError: pass
"#,
        );
    });
}

#[test]
fn a_number_that_is_used_again_is_not_the_directory_that_had_it() {
    each(|world| {
        nothing_is_made(
            world,
            r#"
for n in range(50):
    os.mkdir('a'); known('a/') if n % 10 == 0 else None
    at = os.open('a', os.O_RDONLY); number = os.fstat(at).st_ino; os.close(at); os.rmdir('a')
    os.mkdir('r/.git/hooks'); made('r/.git/hooks/pre-commit'); os.rmdir('r/.git/hooks')
"#,
        );
    });
}

#[test]
fn names_that_mean_something_do_so_where_all_others_are_known_to_pass() {
    each(|world| {
        let project = world.project.display();
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"denyWrite":["{project}/sub/*.key","{project}/sub/later","{project}/**/kept"]}}}}}}"#
        ));
        nothing_is_made(
            world,
            r#"
os.makedirs('sub/deep'); known(''); known(top + '/'); known('sub/'); known('sub/deep/')
for name in ('.bashrc', '.BashRC', '.vscode', 'sub/a.key', 'sub/later', 'sub/kept', 'sub/deep/kept', top + '/.envrc'): made(name)
known('.claude/'); made('.claude/hooks'); os.chdir('sub'); known(''); made('later'); made('b.key')
"#,
        );
        assert!(!world.project.join("sub/later").exists());
        // A repository that is born where plain names pass is looked at all the same.
        let ran = python(
            world,
            &format!(
                "{START}\nos.makedirs('x/y'); known('x/y/'); os.system(\"git init -q x/y; git -C x/y config core.fsmonitor evil\")"
            ),
        );
        assert!(!world.project.join("x/y/.git/config").exists(), "{}", ran.stderr);
    });
}

#[test]
fn what_a_person_allowed_or_refused_is_not_taken_from_what_is_known() {
    each(|world| {
        let outside = world.outside.display();
        let text = format!(
            "for n in $(seq 40); do : > in$n; done; for n in 1 2 3; do echo x > {outside}/f; rm -f {outside}/f; done; true"
        );
        let (ran, asked) = with_answer(world, "once", &text);
        // Each call by itself: three times made, three times taken away.
        assert_eq!(asked.len(), 6, "{asked:?} {}", ran.stderr);
        let (_, asked) = with_answer(world, "no", &text);
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 0);
    });
}

/// While names are made in it, a directory is renamed to one of hooks and back, and its parent to a repository.
#[test]
fn a_race_for_what_is_known_leaves_no_hook() {
    each(|world| {
        nothing_is_made(
            world,
            r#"
import threading
os.makedirs('a/hooks'); known('a/hooks/'); stop = False
def swap():
    while not stop:
        os.rename('r/.git', 'r/kept'); os.rename('a', 'r/.git'); os.rename('r/.git', 'a'); os.rename('r/kept', 'r/.git')
thread = threading.Thread(target=swap); thread.start()
for n in range(4000):
    try: os.close(os.open('a/hooks/pre-commit', os.O_CREAT | os.O_WRONLY, 0o755))
    except OSError: pass
    for path in ('r/.git/hooks/pre-commit', 'r/kept/hooks/pre-commit'):
        try: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o755))
        except OSError: pass
stop = True; thread.join()
os.system('rm -rf a')
"#,
        );
    });
}
