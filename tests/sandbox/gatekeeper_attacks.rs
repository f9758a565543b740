//! Attacks on the gatekeeper: what it makes on the host, what it takes for known, and what it is asked. Each was tried
//! against the built binary and looks at the host's state; the comment in front says what came of it at first.

use crate::gatekeeper::{CONNECT, Host, Paused, python, with_answer};
use crate::world::{Ran, World, by_landlock, each};
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

/// A shell text that makes a repository in `name` whose config names a program.
fn evil_repository(name: &str) -> String {
    format!(
        "mkdir -p {name}/objects {name}/refs {name}/hooks; echo 'ref: refs/heads/main' > {name}/HEAD; \
         printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfsmonitor = touch evil\\n' > {name}/config; "
    )
}

/// No git config below a directory names a program.
fn no_config_names_a_program(world: &World, below: &Path, ran: &Ran) {
    let evil = |(path, content): &(std::path::PathBuf, String)| {
        let text = if content.ends_with("fsmonitor = touch evil\n") { Some(path.clone()) } else { None };
        text.filter(|path| path.ends_with(".git/config"))
    };
    let left: Vec<_> = world.state(below).iter().filter_map(evil).collect();
    assert!(left.is_empty(), "as {}: {left:?} {}", world.user, ran.stderr);
}

/// So many directories that the sweep's search ends before it comes to what is deep.
const CROWD: &str = "for n in $(seq 60); do mkdir -p a$n/b a$n/c; done; mkdir -p deep/er/and/deeper; ";

// Succeeded: on the host a directory is no mount, so a rename that was made there took the existing repository away
// with the mounts on it, and its config was built anew.
#[test]
fn what_the_mounts_hold_is_not_carried_away_by_a_rename_to_an_allowed_name() {
    each(|world| {
        let outside = world.outside.display();
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/*.log","{outside}/new/x","{outside}/one"]}}}}}}"#
        ));
        world.write(&world.outside.join("one"), "one");
        let made = world.command("git").args(["init", "-q"]).status().unwrap();
        assert!(made.success());
        let config = || fs::read_to_string(world.project.join(".git/config")).unwrap();
        let before = config();
        let evil =
            evil_repository(".git").replace("mkdir -p .git/objects .git/refs .git/hooks", "mkdir .git");
        let program = format!(
            r#"
import ctypes, os
libc = ctypes.CDLL(None)
os.mkdir('{outside}/new')
for old, new in (('.git', '{outside}/a.log'), ('.git', '{outside}/new/x'), ('.claude', '{outside}/b.log')):
    try: os.rename(old, new); print('moved', new)
    except OSError as error: print(error)
if libc.renameat2(-100, b'.git', -100, b'{outside}/one', 2) == 0: print('moved by exchange')
os.system(r"""{evil}""")
"#
        );
        let ran = python(world, &program);
        assert!(!ran.stdout.contains("moved"), "{} {}", ran.stdout, ran.stderr);
        assert_eq!(config(), before, "{}", ran.stderr);
        assert!(!world.outside.join("a.log").exists() && world.project.join(".claude").exists());
    });
}

// Succeeded: a name that settings open was made a link, and the next command could write what it leads to.
#[test]
fn a_name_that_settings_open_never_becomes_a_link() {
    each(|world| {
        let (outside, home) = (world.outside.display(), world.home.display());
        world.write(&world.home.join("mine"), "mine");
        world.write(&world.outside.join("single"), "single");
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/*.log","{outside}/new","{outside}/single"]}}}}}}"#
        ));
        let ran = world.run(&format!(
            "ln -s {home}/mine {outside}/a.log; ln -s {home} {outside}/new; ln -s {home}/mine l; mv -T l {outside}/b.log; \
             ln -sfT {home}/mine {outside}/single; ln -s {home}/mine l; mv -fT l {outside}/single; ln -sfn {home}/mine l; \
             python3 -c 'import os; os.rename(\"l\", \"{outside}/c.log\")'; python3 -c 'import os; os.rename(\"l\", \"{outside}/single\")'; true"
        ));
        for name in ["a.log", "b.log", "c.log", "new", "single"] {
            assert!(!world.outside.join(name).is_symlink(), "as {}: {name} {}", world.user, ran.stderr);
        }
        world.run(&format!("for n in a.log b.log c.log single; do echo evil > {outside}/$n; done; echo evil > {outside}/new/made"));
        assert_eq!(fs::read_to_string(world.home.join("mine")).unwrap(), "mine");
        assert!(!world.home.join("made").exists());
    });
}

// Succeeded: an answer of "always" about a file, and a link in its place before the command ended.
#[test]
fn a_path_that_was_allowed_always_never_becomes_a_link() {
    each(|world| {
        let (outside, home) = (world.outside.display(), world.home.display());
        world.write(&world.home.join("mine"), "mine");
        let (ran, asked) = with_answer(
            world,
            "always",
            &format!(
                "echo x > {outside}/f; rm {outside}/f; ln -s {home}/mine {outside}/f; ln -s {home}/mine {outside}/g"
            ),
        );
        assert!(!world.outside.join("f").is_symlink(), "{} {asked:?}", ran.stderr);
        assert!(!world.outside.join("g").is_symlink(), "{} {asked:?}", ran.stderr);
        world.run(&format!("echo evil > {outside}/f; echo evil > {outside}/g"));
        assert_eq!(fs::read_to_string(world.home.join("mine")).unwrap(), "mine");
    });
}

// Succeeded, each of them: a repository whose birth was seen and that was then carried elsewhere with the directory
// above it, or whose birth was not seen because the name could not be followed.
#[test]
fn a_repository_cannot_be_born_unseen() {
    let (carried, called, long) = (
        format!("{} mv p deep/er/and/deeper/q", evil_repository("p/.git")),
        format!(
            "{} cd deep/er/and/deeper; python3 -c 'import os; os.rename(\"/proc/self/cwd/git\", \"/proc/self/cwd/.git\")'",
            evil_repository("deep/er/and/deeper/git")
        ),
        format!(
            "{} mkdir long; python3 - <<'END'\nimport os\nname = 'n' * 200; top = os.getcwd(); os.chdir('long')\n\
             for n in range(30): os.mkdir(name); os.chdir(name)\n\
             for old, new in ((top + '/git', 'git'), ('git', '.git'), (top + '/git', '.git')):\n    try: os.rename(old, new)\n    except OSError: pass\n\
             for n in range(15): os.chdir('..')\nos.rename(name, top + '/deep/x')\nEND",
            evil_repository("git")
        ),
    );
    let twice = format!(
        "{} mv p deep/q; mv deep/q/.git deep/er/and/deeper/git; mv deep/er/and/deeper/git deep/er/and/deeper/.git; mv deep/er moved; \
         python3 -c 'import ctypes, os; os.mkdir(\"z\"); ctypes.CDLL(None).renameat2(-100, b\"moved\", -100, b\"z\", 2)'; mv z a50/c/z",
        evil_repository("p/.git")
    );
    let gone = format!(
        "mkdir -p 'deep/er/y (deleted)'; {} mv git 'deep/er/y (deleted)/'; cd 'deep/er/y (deleted)'; mv git .git",
        evil_repository("git")
    );
    let flood = format!(
        "for n in $(seq 1100); do mkdir -p f/$n; done; cd f; for n in $(seq 1100); do echo $n/.git; done | xargs mkdir; cd ..; {}",
        evil_repository("deep/er/and/deeper/.git")
    );
    each(|world| {
        for text in [&carried, &called, &twice, &gone, &flood, &long] {
            let ran = world.run(&format!("{CROWD}{text}"));
            no_config_names_a_program(world, &world.project, &ran);
            for entry in fs::read_dir(&world.project).unwrap().flatten() {
                if entry.file_name() != ".claude" {
                    fs::remove_dir_all(entry.path()).unwrap();
                }
            }
        }
    });
}

// Succeeded on every backend, without a race and unseen by the sweep: a directory that was prepared elsewhere, where its names mean
// nothing, took the place of the hooks, of a submodule's directory or of the worktrees of a repository that no mount holds.
#[test]
fn a_repository_that_was_there_before_gets_no_directory_that_was_prepared_elsewhere() {
    each(|world| {
        let line = format!(
            "{CROWD} git init -q deep/er/and/deeper; cd deep/er/and/deeper/.git; mkdir modules; git init -q --bare modules/sub"
        );
        assert!(world.command("/bin/sh").args(["-c", &line]).status().unwrap().success());
        let git = world.project.join("deep/er/and/deeper/.git");
        let program = r#"
import ctypes, os
top = os.getcwd()
git = top + '/deep/er/and/deeper/.git'
evil = '[core]\n\tfsmonitor = touch evil\n'
number = 0
def prepared(*names):
    global number
    number += 1
    for name in names:
        os.makedirs(os.path.dirname(f'{top}/e{number}/{name}'), exist_ok=True)
        open(f'{top}/e{number}/{name}', 'w').write(evil); os.chmod(f'{top}/e{number}/{name}', 0o755)
    return f'{top}/e{number}'
def attempt(what, go):
    try: go(); print(what)
    except OSError: pass
def exchange(one, other):
    if ctypes.CDLL(None).renameat2(-100, one.encode(), -100, other.encode(), 2): raise OSError()
def aside(name): os.rename(f'{git}/{name}', f'{top}/aside')
def back(name):
    # An empty one, as git makes it: what was there may go.
    if os.path.lexists(f'{top}/aside'): os.system(f'rm -rf {top}/aside')
    os.makedirs(f'{git}/{name}', exist_ok=True)
for name, inside in (('hooks', ('pre-commit',)), ('modules', ('sub/config', 'sub/hooks/pre-commit')), ('modules/sub', ('config', 'hooks/pre-commit')),
                     ('worktrees', ('w/config.worktree', 'w/commondir'))):
    back(name)
    attempt(f'exchanged {name}', lambda: exchange(f'{git}/{name}', prepared(*inside)))
    attempt(f'exchanged for {name}', lambda: exchange(prepared(*inside), f'{git}/{name}'))
    aside(name)
    attempt(f'moved to {name}', lambda: os.rename(prepared(*inside), f'{git}/{name}'))
    attempt(f'linked to {name}', lambda: os.symlink(prepared(*inside), f'{git}/{name}'))
    link = prepared('x') + '/link'; os.symlink(prepared(*inside), link)
    attempt(f'moved a link to {name}', lambda: os.rename(link, f'{git}/{name}'))
    back(name)
# What is in order.
open(git + '/modules/new.lock', 'w').close(); os.rename(git + '/modules/new.lock', git + '/modules/new')
os.mkdir(git + '/refs/x'); os.rename(git + '/refs/x', git + '/refs/y'); os.symlink('y', git + '/refs/z')
os.system('git init -q born; mv born/.git/hooks h; mv h born/.git/hooks; git init -q far && mkdir born/.git/modules && mv far/.git born/.git/modules/far')
print(sorted(os.listdir('born/.git/modules/far'))[0], os.path.isdir('born/.git/hooks'))
"#;
        let ran = python(world, program);
        assert_eq!(ran.stdout, "HEAD True\n", "as {}: {}", world.user, ran.stderr);
        let evil = |(path, content): &(std::path::PathBuf, String)| {
            content.contains("touch evil").then(|| path.display().to_string())
        };
        let left: Vec<_> = world.state(&git).iter().filter_map(evil).collect();
        assert!(left.is_empty(), "as {}: {left:?} {}", world.user, ran.stderr);
    });
}

// Succeeded on every backend: bare repositories that the search did not come to were held by nothing, and new ones looked at by nobody.
#[test]
fn a_bare_repository_is_held_and_looked_at_however_deep_it_is() {
    each(|world| {
        let line = format!(
            "{CROWD} git init -q --bare deep/er/and/deeper/x.git; cd deep/er/and/deeper; mkdir plain half; \
             echo x > plain/HEAD; mkdir plain/hooks; echo x > half/HEAD"
        );
        assert!(world.command("/bin/sh").args(["-c", &line]).status().unwrap().success());
        let top = world.project.join("deep/er/and/deeper");
        let before = fs::read_to_string(top.join("x.git/config")).unwrap();
        let evil = |file: &str| format!("printf '[core]\\n\\tfsmonitor = touch evil\\n' > {file}; ");
        let ran = world.run(&format!(
            "cd deep/er/and/deeper; exec 2>/dev/null; {}{}{} mv x.git y; {} mv y x.git; mkdir h; {} mv h x.git/hooks; mv x.git/hooks h2; mv h x.git/hooks; \
             ln -s ../h x.git/hooks; \
             git init -q --bare new.git && git --git-dir=new.git config user.name x; {}{} \
             mkdir p p/hooks p/objects p/refs; {} echo ref: refs/heads/main > p/H; mv p/H p/HEAD; mv p q; \
             {} mkdir half/objects half/refs; mkdir plain/refs; echo hook > plain/hooks/useThing; echo x > plain/config; echo end",
            evil("x.git/config"),
            evil("x.git/hooks/post-receive"),
            evil("x.git/config.worktree"),
            evil("y/config"),
            evil("h/post-receive"),
            evil("new.git/hooks/post-receive"),
            evil("new.git/config.worktree"),
            evil("p/config"),
            evil("half/config"),
        ));
        assert!(ran.stdout.ends_with("end\n"), "{ran:?}");
        let stands = |(path, content): &(std::path::PathBuf, String)| {
            let harmless = path.starts_with(top.join("h")) || path.starts_with(top.join("h2"));
            (content.contains("touch evil") && !harmless).then(|| path.display().to_string())
        };
        let left: Vec<_> = world.state(&top).iter().filter_map(stands).collect();
        assert!(left.is_empty(), "as {}: {left:?} {}", world.user, ran.stderr);
        assert_eq!(fs::read_to_string(top.join("x.git/config")).unwrap(), before);
        assert!(fs::read_to_string(top.join("new.git/config")).unwrap().contains("name = x"));
        assert!(top.join("plain/hooks/useThing").exists() && top.join("plain/config").exists());
    });
}

// Succeeded: the mounts hold the repositories that are found within a budget, and nothing held the config of the others.
#[test]
fn the_config_of_a_repository_that_was_there_before_is_not_written_however_deep_it_is() {
    each(|world| {
        let line = format!("{CROWD} git init -q deep/er/and/deeper");
        assert!(world.command("/bin/sh").args(["-c", &line]).status().unwrap().success());
        let config = world.project.join("deep/er/and/deeper/.git/config");
        let before = fs::read_to_string(&config).unwrap();
        let program = r#"
import ctypes, os
top = os.getcwd() + '/deep/er/and/deeper'
def attempt(what, go):
    try: go(); print(what)
    except OSError: pass
def write(path, flags=os.O_WRONLY | os.O_APPEND):
    fd = os.open(path, flags); os.write(fd, b'[core]\n\tfsmonitor = touch evil\n'); os.close(fd)
open('evil', 'w').write('[core]\n\tfsmonitor = touch evil\n')
config = top + '/.git/config'
fd = os.open(config, os.O_RDONLY); os.symlink(config, 'link'); os.symlink('/proc/self/fd/%d' % fd, 'magic')
def other(name): os.rename('evil', name)
for path in (config, 'link', '/proc/self/cwd/deep/er/and/deeper/.git/config', '/proc/thread-self/root' + config,
             '/proc/self/fd/%d' % fd, '/dev/fd/%d' % fd, '/proc/%d/fd/%d' % (os.getpid(), fd), 'magic'):
    attempt('wrote ' + path, lambda: write(path))
attempt('renamed', lambda: other(config))
# Succeeded: what may be taken away may be exchanged, and then something else stands there.
exchange = lambda one, other: ctypes.CDLL(None).renameat2(-100, one.encode(), -100, other.encode(), 2) and os.open('none', 0)
attempt('exchanged', lambda: exchange(config, 'evil'))
attempt('exchanged for it', lambda: exchange('evil', config))
attempt('renamed by proc', lambda: other('/proc/self/cwd/deep/er/and/deeper/.git/config'))
attempt('linked', lambda: (os.link(config, 'alias'), write('alias')))
attempt('linked by descriptor', lambda: (os.link('/proc/self/fd/%d' % fd, 'alias', follow_symlinks=True), write('alias')))
attempt('more', lambda: other(top + '/.git/config.worktree'))
attempt('common', lambda: os.symlink('/tmp', top + '/.git/commondir'))
# What is in order.
open(top + '/.git/description', 'w').close(); open('/dev/fd/%d' % os.pipe()[1], 'w').close()
os.system('git init -q born; git -C born config user.name x; git init -q gone && rm -rf gone; cd deep/er/and/deeper; git checkout -q -b other')
os.rename(top, 'moved')
attempt('after a move', lambda: write('moved/.git/config'))
os.rename('moved', top)
"#;
        let ran = python(world, program);
        assert_eq!(ran.stdout, "", "{}", ran.stderr);
        assert!(!ran.stderr.contains("Traceback") && !ran.stderr.contains("fatal"), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(&config).unwrap(), before, "{}", ran.stderr);
        assert!(!config.with_file_name("config.worktree").exists());
        assert!(fs::read_to_string(world.project.join("born/.git/config")).unwrap().contains("name = x"));
        // It may go as a whole.
        assert_eq!(world.run("rm -rf deep").stderr, "");
        assert!(!world.project.join("deep").exists());
    });
}

// Would have been the price of that: a new worktree of such a repository; but one that leads elsewhere is taken away.
#[test]
fn a_repository_that_was_there_before_takes_worktrees_that_lead_to_itself() {
    each(|world| {
        let line = format!(
            "{CROWD} git init -q deep/er/and/deeper && cd deep/er/and/deeper && \
             git -c user.name=x -c user.email=x@x commit -q --allow-empty -m x"
        );
        assert!(world.command("/bin/sh").args(["-c", &line]).status().unwrap().success());
        let ran = world.run(
            "cd deep/er/and/deeper && git worktree add -q tree 2>&1 && git -C tree status -s && \
             git worktree add -q other && rm .git/worktrees/other/commondir && echo ../../../evil > .git/worktrees/other/commondir",
        );
        let trees = world.project.join("deep/er/and/deeper/.git/worktrees");
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(trees.join("tree/commondir")).unwrap(), "../..\n");
        assert!(!trees.join("other/commondir").exists(), "{}", ran.stderr);
    });
}

// Succeeded: directories were remembered by the names that led to them, and somebody else, such as a second sandbox in
// the same project, led the name elsewhere.
#[test]
fn a_name_that_leads_elsewhere_by_now_is_looked_up_again() {
    each(|world| {
        let top = world.project.display();
        let program = format!(
            r#"
import os, sys
os.chdir('/')
open('{top}/way/x', 'w').close(); open('{top}/way/y', 'w').close()
print('ready', flush=True); sys.stdin.readline()
os.rename('{top}/git', '{top}/way/.git')
"#
        );
        world.write(&world.project.join("p.py"), &program);
        world.run(&format!("{CROWD} mkdir plain; ln -s plain way; {}", evil_repository("git")));
        let paused = Paused::start(world);
        world.run("ln -sfn deep/er/and/deeper way");
        paused.go_on();
        assert!(world.project.join("deep/er/and/deeper/.git/HEAD").exists());
        assert!(!world.project.join("deep/er/and/deeper/.git/config").exists());
    });
}

// Succeeded: what came after many other refusals was neither told nor logged.
#[test]
fn a_flood_of_refused_files_hides_no_knock_at_a_server() {
    each(|world| {
        let host = Host::start(world, "daemon.sock");
        let program = format!(
            r#"{CONNECT}
for n in range(300):
    try: open('{outside}/%d' % n, 'w')
    except OSError: pass
tried(socket.SOCK_STREAM, '{path}'); sys.exit(1)
"#,
            outside = world.outside.display(),
            path = host.path.display()
        );
        let ran = python(world, &program);
        assert_eq!(host.came(), 0);
        assert!(ran.stderr.contains(&format!("connect to '{}'", host.path.display())), "{}", ran.stderr);
        assert!(ran.stderr.lines().count() < 20);
        let log = fs::read_to_string(world.home.join(".local/state/sbsh/audit.jsonl")).unwrap();
        assert!(log.contains(&format!("{}", host.path.display())));
    });
}

// Succeeded: a tree that did not exist at the start is no writable root, and nobody looked at what was born in it.
#[test]
fn a_repository_in_a_tree_that_was_made_later_is_looked_at_too() {
    each(|world| {
        let outside = world.outside.display();
        world.user_settings(&format!(r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/new"]}}}}}}"#));
        let ran =
            world.run(&format!("mkdir {outside}/new; cd {outside}/new; {}", evil_repository("sub/.git")));
        assert!(world.outside.join("new/sub/.git/HEAD").exists(), "{}", ran.stderr);
        no_config_names_a_program(world, &world.outside, &ran);
    });
}

// Succeeded: "for this session" on a directory counted for hooks in it, and for what settings deny below it.
#[test]
fn a_grant_of_a_directory_does_not_cover_what_is_denied_in_it() {
    each(|world| {
        let outside = world.outside.display();
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"denyWrite":["{outside}/s/kept","{outside}/s/*.key"]}}}}}}"#
        ));
        let (ran, asked) = with_answer(
            world,
            "session",
            &format!(
                "mkdir {outside}/s; echo x > {outside}/s/free; echo x > {outside}/s/kept; echo x > {outside}/s/a.key; \
                 mkdir -p {outside}/s/.git/hooks; echo x > {outside}/s/.git/hooks/pre-commit"
            ),
        );
        let paths: Vec<&str> = asked.iter().map(|q| q["path"].as_str().unwrap()).collect();
        let expected = ["s", "s/kept", "s/a.key", "s/.git/hooks/pre-commit"];
        assert_eq!(paths, expected.map(|name| format!("{outside}/{name}")), "{}", ran.stderr);
    });
}

// Succeeded: who was asked about the times or the mode of a directory opened all that was in it, for good.
#[test]
fn an_answer_about_a_directory_is_not_about_what_was_in_it() {
    each(|world| {
        let outside = world.outside.display();
        world.write(&world.outside.join("d/f"), "mine");
        let (ran, asked) = with_answer(
            world,
            "session",
            &format!("touch -d @7 {outside}/d; chmod 700 {outside}/d; echo evil > {outside}/d/f"),
        );
        let paths: Vec<&str> = asked.iter().map(|q| q["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["d", "d/f"].map(|name| format!("{outside}/{name}")), "{}", ran.stderr);
        assert_eq!(asked[0]["choices"].to_string(), r#"["once","session","no"]"#);
    });
}

// Succeeded: "once" for one call let through whatever else waited for the same path, or a path below it.
#[test]
fn once_is_for_the_call_that_was_shown() {
    each(|world| {
        let outside = world.outside.display();
        world.write(&world.outside.join("f"), "mine");
        world.write(&world.home.join("answers"), "once\nno\nno\nno\n");
        // The first question is answered when both calls wait.
        let program = format!(
            r#"
import os, threading, time
def attempt(call):
    try: call()
    except OSError: pass
one = threading.Thread(target=attempt, args=(lambda: os.chmod('{outside}/f', 0o640),))
two = threading.Thread(target=attempt, args=(lambda: os.unlink('{outside}/f'),))
one.start()
while not os.path.exists('{{home}}/asking') and one.is_alive(): time.sleep(0.01)
open('second', 'w').close(); two.start()
one.join(); two.join()
"#
        );
        world.write(
            &world.project.join("p.py"),
            &program.replace("{home}", &world.home.display().to_string()),
        );
        let answer = format!(
            "$(touch {0}/asking; for n in $(seq 100); do [ -e {1}/second ] && break; sleep 0.1; done; sleep 0.2; \
             head -n 1 {0}/answers; sed -i 1d {0}/answers)",
            world.home.display(),
            world.project.display()
        );
        let (ran, asked) = with_answer(world, &answer, "python3 p.py");
        assert!(world.outside.join("f").exists(), "{asked:?} {}", ran.stderr);
        assert_eq!(fs::metadata(world.outside.join("f")).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(asked.len(), 2, "{asked:?}");
    });
}

// Failed to work: each side of a rename was forgotten while the other was asked about.
#[test]
fn a_rename_outside_is_made_once_both_its_names_were_granted() {
    each(|world| {
        let outside = world.outside.display();
        world.write(&world.outside.join("a"), "mine");
        let (ran, asked) = with_answer(world, "once", &format!("mv {outside}/a {outside}/b"));
        assert!(world.outside.join("b").exists(), "{asked:?} {}", ran.stderr);
        assert_eq!(asked.len(), 2, "{asked:?}");
    });
}

// Succeeded in part: the grant was of the path as it was shown, which is another file.
#[test]
fn a_path_that_cannot_be_shown_is_not_asked_about() {
    each(|world| {
        let outside = world.outside.display();
        let (ran, asked) = with_answer(
            world,
            "session",
            &format!(
                "echo x > \"$(printf '{outside}/\\377')\"; echo x > \"$(printf '{outside}/\\357\\277\\275')\""
            ),
        );
        assert!(asked.is_empty(), "{asked:?}");
        assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 0, "{}", ran.stderr);
    });
}

// Succeeded: a socket that came in from outside belongs to the host's network, wherever its descriptor is used.
#[test]
fn a_socket_from_outside_connects_nowhere() {
    each(|world| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let outer = format!(
            r#"
import os, socket, subprocess, sys
got = os.path.join('{outside}', 'd'); d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind(got); os.chmod(got, 0o777); d.setblocking(False)
inner = r'''
import socket, sys
s = socket.socket(fileno=0)
try: s.connect(('127.0.0.1', {port})); print('connected')
except OSError as error: print(error)
'''
datagram = r'''
import socket
s = socket.socket(fileno=0)
for go in (lambda: s.sendto(b'x', '{outside}/d'), lambda: (s.connect('{outside}/d'), s.send(b'x')), lambda: s.sendmsg([b'x'], [], 0, '{outside}/d')):
    try: go(); print('sent')
    except OSError as error: print(error)
'''
for program, given in ((inner, socket.socket()), (datagram, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))):
    ran = subprocess.run(['{sbsh}', '-c', 'python3 -c "$0"', program], stdin=given, capture_output=True, text=True)
    print(ran.stdout, ran.stderr)
try: print('host got', d.recv(10))
except BlockingIOError: pass
"#,
            outside = world.outside.display(),
            sbsh = world.bin("sbsh").display()
        );
        let ran: Ran = world.command("/usr/bin/python3").args(["-c", &outer]).output().unwrap().into();
        assert!(listener.accept().is_err(), "{} {}", ran.stdout, ran.stderr);
        assert!(!ran.stdout.contains("host got"), "{} {}", ran.stdout, ran.stderr);
    });
}

// Held: what stands at an allowed name is opened only if it is a file, and nothing waits for it.
#[test]
fn fifos_links_and_directories_at_allowed_names_neither_open_nor_wait() {
    each(|world| {
        let outside = world.outside.display();
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/later"]}}}}}}"#
        ));
        world.write(&world.home.join("mine"), "mine");
        let (later, mine) = (world.outside.join("later"), world.home.join("mine"));
        world.write(&world.project.join("p.py"), &format!(
            r#"
import os, sys
print('ready', flush=True); sys.stdin.readline()
for name in ('fifo', 'link', 'dir', 'way/f'):
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, os.O_RDWR | os.O_TMPFILE, os.O_WRONLY | os.O_DIRECTORY):
        try: os.open('{later}/' + name, flags, 0o600); print('open', name, flags)
        except OSError: pass
    for go in (lambda p: os.truncate(p, 0), lambda p: os.chmod(p, 0o777)):
        try: go('{later}/' + name); print('changed', name)
        except OSError: pass
print(os.open('{later}/new', os.O_CREAT | os.O_WRONLY) > 0)
"#,
            later = later.display()
        ));
        let paused = Paused::start(world);
        // Somebody outside puts things there meanwhile.
        fs::create_dir_all(later.join("dir")).unwrap();
        nix::unistd::mkfifo(&later.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
        symlink(&mine, later.join("link")).unwrap();
        symlink(&world.home, later.join("way")).unwrap();
        [&later, &later.join("dir"), &later.join("fifo")].into_iter().for_each(|p| world.give(p));
        let rest = paused.go_on();
        assert_eq!(rest, "changed fifo\nchanged dir\nTrue\n");
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    });
}

// Succeeded in one part (a whiteout is a device node): nothing but files, directories, links and FIFOs is made outside, without
// the modes that make somebody else of who runs it; pointers, lengths and numbers that make no sense give errors.
#[test]
fn nothing_strange_is_made_at_allowed_names() {
    each(|world| {
        let outside = world.outside.display();
        world.user_settings(&format!(r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/new"]}}}}}}"#));
        let program = format!(
            r#"
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
new = b'{outside}/new'; os.mkdir(new, 0o2755)
def tried(name, *words):
    result = getattr(libc, name)(*words)
    print(name, 'done' if result >= 0 else os.strerror(ctypes.get_errno()))
bad = ctypes.c_void_p(8)
tried('utimensat', -100, new, bad, 0); tried('openat', -100, bad, 0o101, 0o600); tried('openat', -100, b'a' * 5000, 0o101, 0o600)
tried('openat', 99, b'x', 0o101, 0o600); tried('rename', new + b'/x', bad); tried('chroot', b'.')
tried('openat', -100, new + b'/f', 0o101, 0o2755); tried('openat', -100, new + b'/f', 0o301, 0o600)
tried('mknod', new + b'/fifo', 0o10600, 0); tried('mknod', new + b'/device', 0o20600, 0x103)
tried('renameat2', -100, new + b'/f', -100, new + b'/g', 4)
tried('renameat2', -100, new + b'/f', -100, new + b'/g', 1); tried('renameat2', -100, new + b'/g', -100, new + b'/g', 1)
tried('chmod', new + b'/g', 0o2755); tried('chmod', new + b'/g', 0o4755)
try: socket.socket(socket.AF_UNIX).bind(new + b'/s')
except OSError as error: print('bind', error.strerror)
"#
        );
        let ran = python(world, &program);
        let expected = [
            "utimensat Bad address",
            "openat Bad address",
            "openat File name too long",
            "openat Bad file descriptor",
            "rename Bad address",
            "chroot Operation not permitted",
            "openat done",
            "openat File exists",
            "mknod done",
            "mknod Read-only file system",
            "renameat2 Invalid argument",
            "renameat2 done",
            "renameat2 File exists",
            "chmod done",
            "chmod Operation not permitted",
            "bind Read-only file system",
        ];
        assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected, "{}", ran.stderr);
        let modes = ["new", "new/g"]
            .map(|name| fs::metadata(world.outside.join(name)).unwrap().permissions().mode() & 0o7777);
        assert_eq!(modes, [0o755, 0o755]);
        assert_eq!(fs::read_dir(world.outside.join("new")).unwrap().count(), 2);
    });
}

// Succeeded: the caller's time limit for its socket is what ended a connect that was made for it, and it could set
// another one meanwhile; then nobody answered any more.
#[test]
fn a_connect_that_never_ends_keeps_no_other_call_waiting() {
    each(|world| {
        let program = r#"
import os, signal, socket, struct
top = socket.socket(socket.AF_UNIX); top.bind('full'); top.listen(0)
filler = socket.socket(socket.AF_UNIX); filler.connect('full')
children = []
def child(work):
    pid = os.fork()
    if pid == 0:
        try: work()
        finally: os._exit(0)
    children.append(pid)
never = struct.pack('ll', 0, 0)
for n in range(6):
    s = socket.socket(socket.AF_UNIX)
    def change():
        while True: s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, never)
    child(change)
    child(lambda: s.connect('full'))
for n in range(1500):
    open('f', 'w').close(); os.unlink('f')
print('end', flush=True)
for pid in children: os.kill(pid, signal.SIGKILL)
"#;
        world.write(&world.project.join("p.py"), program);
        let ran = world.run("timeout -s KILL 40 python3 p.py");
        assert_eq!(ran.stdout, "end\n", "{}", ran.stderr);
    });
}

// Held: a listener inside under the very name of a server outside is not that server.
#[test]
fn a_name_taken_inside_does_not_make_a_server_outside_the_commands_own() {
    each(|world| {
        let program = format!(
            r#"{CONNECT}
own = socket.socket(socket.AF_UNIX); own.bind('s'); own.listen()
print('ready', flush=True); sys.stdin.readline()
print(tried(socket.SOCK_STREAM, 's'), tried(socket.SOCK_STREAM, os.getcwd() + '/s'), tried(socket.SOCK_STREAM, '/proc/self/cwd/s'))
"#
        );
        world.write(&world.project.join("p.py"), &program);
        let paused = Paused::start(world);
        let host = Host::start(world, "s");
        fs::remove_file(world.project.join("s")).unwrap();
        fs::rename(&host.path, world.project.join("s")).unwrap();
        let rest = paused.go_on();
        assert!(!rest.contains("open"), "{rest}");
        assert_eq!(host.came(), 0);
    });
}

// Succeeded on every backend: what the gatekeeper could not find because a path as a whole was longer than the kernel
// takes, or because the working directory had been removed, was left to the kernel, which found it. Own idea.
#[test]
fn a_place_that_has_no_path_to_be_told_is_no_way_to_a_protected_name() {
    each(|world| {
        let program = r#"
import os
top, part = os.getcwd(), 'x' * 250
def tried(what, act):
    try: act()
    except OSError: return
    for name in ('.bashrc', '.zshrc', '.profile', '.mcp.json'):
        if os.path.lexists(f'{top}/{name}'): print('MADE', what, name); os.unlink(f'{top}/{name}')
def write(path): open(path, 'w').write('evil')
def at(directory):
    depth = os.open(directory, os.O_RDONLY)
    os.fchdir(depth)
    os.close(depth)
os.symlink('.bashrc', 'to-rc'); write('plain')
# Up to this depth a path can be told, and with what follows it not any more.
for _ in range(15): os.mkdir(part); os.chdir(part)
up = './' * 170 + '../' * 15
os.symlink('../' * 15 + '.bashrc', 'l' * 200); os.symlink('../' * 15, 'd' * 250)
tried('open', lambda: write(up + '.bashrc'))
tried('directory', lambda: os.mkdir(up + '.bashrc'))
tried('node', lambda: os.mkfifo(up + '.zshrc'))
tried('link', lambda: os.symlink('x', up + '.zshrc'))
tried('through a link', lambda: write(up + 'to-rc'))
tried('through a link here', lambda: write('l' * 200))
tried('through a directory here', lambda: write('d' * 250 + '/.bashrc'))
tried('through both', lambda: write('d' * 250 + '/to-rc'))
tried('by itself', lambda: write('/proc/self/cwd/' + 'd' * 250 + '/to-rc'))
tried('second name', lambda: os.link(up + 'plain', up + '.profile'))
tried('other name', lambda: os.rename(up + 'plain', up + '.profile'))
tried('other name by its path', lambda: os.rename(up + 'plain', f'{top}/.profile'))
# And here not even that of the directory.
for _ in range(3): os.mkdir(part); os.chdir(part)
up = '../' * 18
tried('deep open', lambda: write(up + '.bashrc'))
tried('deep link', lambda: write(up + 'to-rc'))
write('deep')
tried('deep rename', lambda: os.rename('deep', f'{top}/.profile'))
write('deep')
tried('deep second name', lambda: os.link('deep', f'{top}/.profile'))
# What is made there as ever.
os.mkdir('new'); os.system('mv deep deeper'); write('new/file'); os.unlink('new/file'); os.rmdir('new')
print(sorted(os.listdir('.')))
os.chdir(top); os.mkdir('gone'); os.chdir('gone'); os.rmdir(f'{top}/gone')
tried('gone', lambda: write('../.bashrc'))
tried('gone, link', lambda: write('../to-rc'))
tried('gone, directory', lambda: os.mkdir('../.mcp.json'))
tried('gone, by itself', lambda: write('/proc/self/cwd/../to-rc'))
os.chdir(top); os.rename(part, 'y'); os.system('rm -rf y')
print(sorted(os.listdir('.')))
"#;
        let ran = python(world, program);
        assert!(!ran.stdout.contains("MADE"), "as {}: {ran:?}", world.user);
        assert!(!ran.stderr.contains("took '"), "nothing had to be swept: {ran:?}");
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines, ["['deeper']", "['.claude', 'plain', 'to-rc']"], "as {}: {ran:?}", world.user);
    });
}

// Succeeded under bubblewrap and namespaces, without a race: the gatekeeper knew a FIFO outside by its plain name alone. Nor did it
// know what it could not read, in memory that the kernel alone reads for its owner (memfd_secret(2)); so the config of a
// repository that no mount holds was written, on every backend.
#[test]
fn no_name_of_a_fifo_outside_leads_to_writing_to_it_and_none_is_hidden() {
    each(|world| {
        let made = world
            .command("/bin/sh")
            .args(["-c", &format!("{CROWD} git init -q deep/er/and/deeper")])
            .status();
        assert!(made.unwrap().success());
        let config = world.project.join("deep/er/and/deeper/.git/config");
        let before = fs::read_to_string(&config).unwrap();
        let fifo = world.outside.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        world.give(&fifo);
        let mut reader = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(&fifo)
            .unwrap();
        let program = format!(
            r#"
import ctypes, os, platform
fifo, config = '{}', os.getcwd() + '/deep/er/and/deeper/.git/config'
"#,
            fifo.display()
        ) + r#"
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.openat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
def attempt(what, go):
    try: os.write(go(), b'evil'); print(what)
    except OSError: pass
def opened(name, flags=os.O_WRONLY): return lambda: os.open(name, flags | os.O_NONBLOCK)
secret = libc.syscall(447, 0)
if secret >= 0:
    os.ftruncate(secret, 4096)
    memory = libc.mmap(None, 4096, 3, 1, secret, 0)
def hidden(name):
    text = os.fsencode(name) + b'\0'
    ctypes.memmove(memory, text, len(text))
    return lambda: libc.openat(-100, memory, os.O_WRONLY | os.O_NONBLOCK)
place, reading, above = os.open(fifo, os.O_PATH), os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), os.open(os.path.dirname(fifo), os.O_PATH)
os.symlink('/proc/self/root' + fifo, 'link')
for name in (fifo, '/proc/self/root' + fifo, '/proc/thread-self/cwd/' + os.path.relpath(fifo), f'/proc/self/fd/{place}', f'/dev/fd/{place}',
             f'/proc/self/fd/{reading}', f'/proc/{os.getpid()}/fd/{reading}', f'/proc/self/fd/{above}/fifo', 'link'):
    attempt(name, opened(name)); attempt('both ways ' + name, opened(name, os.O_RDWR))
if secret >= 0: attempt('hidden', hidden(fifo)); attempt('hidden config', hidden(config))
top, part = os.getcwd(), 'x' * 250
for _ in range(15): os.mkdir(part); os.chdir(part)
attempt('long', opened('./' * 170 + '../' * 15 + os.path.relpath(fifo, top)))
os.chdir(top); os.system(f'rm -rf {part}')
# What is in order: FIFOs of its own, and what is open for writing already.
os.mkfifo('own'); own = os.open('own', os.O_RDWR); os.close(os.open(f'/proc/self/fd/{own}', os.O_WRONLY)); os.close(os.open('/proc/self/cwd/own', os.O_WRONLY))
r, w = os.pipe(); os.close(os.open(f'/dev/fd/{w}', os.O_WRONLY))
print('tried')
"#;
        let ran = python(world, &program);
        assert_eq!(ran.stdout, "tried\n", "as {}: {}", world.user, ran.stderr);
        assert!(std::io::Read::read(&mut reader, &mut [0; 64]).is_err(), "something came");
        assert_eq!(fs::read_to_string(&config).unwrap(), before);
        // A FIFO that the caller opened for the command. Landlock opens nothing again that it does not know.
        if by_landlock() {
            return;
        }
        let given = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
        let line = "echo given > /dev/stdout; echo again > /proc/self/fd/1";
        let status = world.command(world.bin("sbsh")).args(["-c", line]).stdout(given).status().unwrap();
        let mut said = [0; 64];
        let length = std::io::Read::read(&mut reader, &mut said).unwrap();
        assert_eq!((status.code(), &said[..length]), (Some(0), b"given\nagain\n".as_slice()));
    });
}

// Succeeded on every backend: names that are nothing on most file systems, and on some those of a repository, of settings or of a
// start-up file: vfat leaves out dots at the end, HFS+ and ext4's casefold what Unicode ignores (CVE-2014-9390's class).
#[test]
fn no_name_that_a_file_system_takes_for_a_protected_one_can_be_made() {
    each(|world| {
        let program = r#"
import os
def attempt(what, go):
    try: go(); print(what, ascii(name))
    except OSError: pass
os.mkdir('sub'); os.system('git init -q born')
for name in ('.vscode.', '.MCP.json ', '.g\u200dit', '.git.', '.bashrc\u200b', '.inputrc..', '.claude/\u017fettings.json', 'sub/.g\ufeffit', 'sub/.GIT. ',
             'born/.git/hoo\u212as', 'born/.git/hooks\u200c/pre-commit', 'born/.git/con\ufb01g'):
    os.makedirs(os.path.dirname(name) or '.', exist_ok=True) if 'hooks' not in name else None
    attempt('directory', lambda: os.mkdir(name))
    attempt('file', lambda: open(name, 'w').close())
    attempt('link', lambda: os.symlink('sub', name))
    open('plain', 'w').close()
    attempt('renamed', lambda: os.rename('plain', name))
    attempt('linked', lambda: os.link('plain', name))
for name in ('caf\u00e9.', 'plain.', 'a\u200db', '\u4e2d\u6587 ', 'sub/stra\u00dfe'):
    open(name, 'w').close(); os.rename(name, 'x'); os.rename('x', name); os.unlink(name)
print('tried')
"#;
        let ran = python(world, program);
        assert_eq!(ran.stdout, "tried\n", "as {}: {}", world.user, ran.stderr);
    });
}
