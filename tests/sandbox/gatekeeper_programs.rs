//! Real programs under the gatekeeper: each behaves as without it, and what they write outside is refused, said exactly,
//! and goes on where a person allows it. Everything is made here; nothing is fetched.

use crate::world::{Ran, World, each, has, missing, not_here, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Runs the same text in a directory of its own: by plain bash, by sbsh, and by sbsh without the watch over files. Each
/// must end well and print the same.
fn alike(world: &World, text: &str) {
    let network = World::new(world.user);
    network.user_settings(r#"{"sandbox":{"gatekeeper":"network"}}"#);
    let plain = World::new(world.user);
    let plain = plain.command("/bin/bash").args(["-c", text]).output().unwrap();
    let plain: Ran = plain.into();
    assert_eq!(plain.status, Some(0), "without a sandbox: {text}: {}", plain.stderr);
    let said = |ran: &Ran| (ran.stdout.clone(), ran.status);
    for world in [world, &network] {
        let ran = world.run(text);
        assert_eq!(said(&ran), said(&plain), "user {}: {text}: {}", world.user, ran.stderr);
        assert!(!ran.stderr.contains("sbsh: "), "{text}: {}", ran.stderr);
    }
}

/// Whether programs are there that are too large to be installed for these tests.
fn happens_to_have(programs: &[&str]) -> bool {
    let missing = missing(programs);
    if !missing.is_empty() {
        not_here(&format!("{missing:?} are not installed"));
    }
    missing.is_empty()
}

/// The same for each user.
fn programs(needed: &[&str], texts: &[&str]) {
    if has(needed) {
        each(|world| texts.iter().for_each(|text| alike(world, text)));
    }
}

/// Runs a text with an askpass program that answers "session" to everything; with the paths it was asked about.
fn allowed_by_a_person(world: &World, text: &str) -> (Ran, Vec<String>) {
    let (program, notes) = (world.home.join("answer.sh"), world.home.join("notes"));
    world.write(&notes, "");
    world.write(&program, &format!("#!/bin/sh\ncat >> {}\necho >> {0}\necho session\n", notes.display()));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let ran =
        world.command(world.bin("sbsh")).env("SBSH_ASKPASS", &program).args(["-c", text]).output().unwrap();
    let notes = fs::read_to_string(&notes).unwrap();
    let path = |line: &str| {
        let asked: serde_json::Value = serde_json::from_str(line).unwrap();
        asked["path"].as_str().unwrap().to_owned()
    };
    (ran.into(), notes.lines().filter(|line| !line.is_empty()).map(path).collect())
}

/// What a refusal says: the path, and the command that would allow it.
fn assert_refused(ran: &Ran, path: &Path) {
    let path = path.display();
    let begun = format!("'{path}': it is outside of what may be written; inside: ");
    let advice = format!("; a person can allow it: sbshctl allow write {path}");
    let told = |line: &str| {
        let more = [", or ", " ("].iter().any(|more| line.contains(&format!("{advice}{more}")));
        line.contains(&begun) && (line.ends_with(&advice) || more)
    };
    assert!(ran.stderr.lines().any(told), "{path}: {}", ran.stderr);
}

const NPM: &str = "export npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false npm_config_offline=true; ";

fn npm_package(world: &World) {
    world.write(
        &world.project.join("dep/package.json"),
        r#"{"name":"dep","version":"1.0.0","scripts":{"postinstall":"node -e \"require('fs').writeFileSync(process.env.HOME+'/.deprc','by postinstall')\""}}"#,
    );
    world.write(
        &world.project.join("package.json"),
        r#"{"name":"app","version":"1.0.0","dependencies":{"dep":"file:dep-1.0.0.tgz"}}"#,
    );
}

#[test]
fn npm_install_with_a_postinstall_that_writes_to_the_home() {
    if !has(&["npm", "node"]) {
        return;
    }
    each(|world| {
        npm_package(world);
        let text = format!(
            "{NPM} export npm_config_cache=$TMPDIR/npm; npm pack --silent ./dep >/dev/null && npm install"
        );
        let refused = world.run(&text);
        assert_eq!(refused.status, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains("EROFS: read-only file system, open"), "{}", refused.stderr);
        let written = world.home.join(".deprc");
        assert_refused(&refused, &written);
        assert!(!written.exists());
        let (ran, asked) = allowed_by_a_person(world, &text);
        assert_eq!((ran.status, asked), (Some(0), vec![written.display().to_string()]), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(&written).unwrap(), "by postinstall");
        // The command that the refusal named does it for good.
        fs::remove_file(&written).unwrap();
        assert_eq!(world.control(&["allow", "write", written.to_str().unwrap()]).status, Some(0));
        let ran = world.run(&format!("{text} && rm -r node_modules package-lock.json && npm install"));
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(&written).unwrap(), "by postinstall");
    });
}

/// Where nothing is set, npm keeps its cache at `~/.npm`: that one directory is what a person allows.
#[test]
fn npm_with_its_own_cache_needs_one_directory() {
    if !has(&["npm", "node"]) {
        return;
    }
    each(|world| {
        npm_package(world);
        world.write(&world.project.join("dep/package.json"), r#"{"name":"dep","version":"1.0.0"}"#);
        let text = format!("{NPM} npm pack --silent ./dep >/dev/null && npm install");
        let cache = world.home.join(".npm");
        let refused = world.run(&text);
        assert_ne!(refused.status, Some(0));
        // Beside npm's cache lie programs that npx starts: the refusal names what opens the cache alone.
        let told = format!(
            "'{}': it is outside of what may be written; inside: set npm_config_cache to a directory below $TMPDIR; a person can allow it: sbshctl preset node\n",
            cache.display()
        );
        assert!(refused.stderr.contains(&told), "{}", refused.stderr);
        assert!(!cache.exists());
        let (ran, asked) = allowed_by_a_person(world, &text);
        assert_eq!((ran.status, asked), (Some(0), vec![cache.display().to_string()]), "{}", ran.stderr);
        fs::remove_dir_all(&cache).unwrap();
        world.control(&["allow", "write", cache.to_str().unwrap()]);
        let ran = world.run(&format!("rm -r node_modules package-lock.json; {text}"));
        assert_eq!((ran.status, cache.join("_cacache").exists()), (Some(0), true), "{}", ran.stderr);
    });
}

/// A pip of the system's, which no virtual environment or version manager stands before.
fn has_pip() -> bool {
    let answers = std::process::Command::new("/usr/bin/python3").args(["-m", "pip", "--version"]).output();
    let has = answers.is_ok_and(|output| output.status.success());
    if !has {
        skip("/usr/bin/python3 has no pip");
    }
    has
}

#[test]
fn pip_install_user_of_a_wheel() {
    if !has_pip() {
        return;
    }
    each(|world| {
        // A wheel is an archive with a list of itself.
        let make = r#"
import zipfile
with zipfile.ZipFile('part-1.0-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('part.py', 'answer = 42\n')
    about = 'part-1.0.dist-info/'
    wheel.writestr(about + 'METADATA', 'Metadata-Version: 2.1\nName: part\nVersion: 1.0\n')
    wheel.writestr(about + 'WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    wheel.writestr(about + 'RECORD', 'part.py,,\n%sMETADATA,,\n%sWHEEL,,\n%sRECORD,,\n' % (about, about, about))
"#;
        world.write(&world.project.join("make.py"), make);
        let install = "/usr/bin/python3 make.py && /usr/bin/python3 -m pip install --user --no-index --no-cache-dir \
                       --disable-pip-version-check --break-system-packages --no-warn-script-location ./part-1.0-py3-none-any.whl";
        let refused = world.run(install);
        assert_ne!(refused.status, Some(0), "{}", refused.stdout);
        assert!(refused.stderr.contains("sbshctl allow write"), "{}", refused.stderr);
        let base = world.home.join(".local/lib");
        assert_refused(&refused, &base);
        assert!(!base.exists());
        let (ran, asked) = allowed_by_a_person(world, install);
        assert_eq!(
            (ran.status, asked),
            (Some(0), vec![base.display().to_string()]),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
        let import = "/usr/bin/python3 -c 'import part; print(part.answer)'";
        assert_eq!(world.run(import).stdout, "42\n");
        // With a base of its own that settings allow before it is there.
        let base = world.outside.join("base");
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{}"]}}}}}}"#,
            base.display()
        ));
        let before = format!("export PYTHONUSERBASE={}; ", base.display());
        let ran = world.run(&format!("{before}{install} --ignore-installed >/dev/null && {import}"));
        assert_eq!((ran.stdout.as_str(), ran.status), ("42\n", Some(0)), "{}", ran.stderr);
        assert!(base.join("lib").exists());
    });
}

/// The toolchain's own programs, so that no rustup has to find it by a home directory that is not there; where the user
/// can read them.
fn toolchain(world: &World) -> Option<PathBuf> {
    let found = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let programs = Path::new(String::from_utf8_lossy(&found.stdout).trim()).join("bin");
    let runs = world.command(programs.join("cargo")).arg("--version").output();
    runs.is_ok_and(|output| output.status.success()).then_some(programs)
}

#[test]
fn cargo_build_with_its_home_outside() {
    each(|world| {
        let Some(programs) = toolchain(world) else {
            return not_here(&format!("user {} cannot run the toolchain", world.user));
        };
        let package = |name: &str, more: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
        };
        world.write(
            &world.project.join("app/Cargo.toml"),
            &package("app", "[dependencies]\npart = { path = \"../part\" }\n[workspace]\n"),
        );
        world.write(
            &world.project.join("app/src/main.rs"),
            "fn main() { println!(\"{}\", part::answer()) }\n",
        );
        world.write(&world.project.join("part/Cargo.toml"), &package("part", ""));
        world.write(&world.project.join("part/src/lib.rs"), "pub fn answer() -> u8 { 42 }\n");
        let home = world.outside.join("deep/cargo");
        let build = format!(
            "export CARGO_HOME={} PATH={}:$PATH; cd app; rm -rf target; cargo run -q --offline",
            home.display(),
            programs.display()
        );
        // Without dependencies from a registry cargo does without a home that it cannot make.
        let ran = world.run(&build);
        assert_eq!((ran.stdout.as_str(), ran.status), ("42\n", Some(0)), "{}", ran.stderr);
        assert!(!home.exists());
        // What a person would see who writes there.
        let config = format!("{build}; mkdir -p $CARGO_HOME && echo > $CARGO_HOME/config.toml");
        let ran = world.run(&config);
        assert_ne!(ran.status, Some(0));
        assert_refused(&ran, &world.outside.join("deep"));
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{}"]}}}}}}"#,
            home.display()
        ));
        let ran = world.run(&config);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str(), ran.status),
            ("42\n", "", Some(0)),
            "user {}",
            world.user
        );
        let here: Vec<String> =
            fs::read_dir(&home).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert!(here.iter().any(|name| name == "config.toml"), "{here:?}");
        // A neighbour stays outside.
        let ran = world.run(&format!("touch {}/deep/other", world.outside.display()));
        assert_refused(&ran, &world.outside.join("deep/other"));
    });
}

#[test]
fn pytest_with_directories_of_its_own() {
    let answers = std::process::Command::new("/usr/bin/python3").args(["-m", "pytest", "--version"]).output();
    if !answers.is_ok_and(|output| output.status.success()) {
        return skip("python3-pytest is not installed");
    }
    each(|world| {
        let test = "import os, sqlite3\n\
                    def test_path(tmp_path):\n    (tmp_path / 'd').mkdir(); (tmp_path / 'd' / 'f').write_text('x'); (tmp_path / 'd').rename(tmp_path / 'e'); assert (tmp_path / 'e' / 'f').read_text() == 'x'\n\
                    def test_change(tmp_path, monkeypatch):\n    monkeypatch.chdir(tmp_path); open('here', 'w').close(); os.chmod('here', 0o600); assert os.listdir('.') == ['here']\n\
                    def test_factory(tmp_path_factory):\n    c = sqlite3.connect(tmp_path_factory.mktemp('data') / 'db'); c.execute('create table t (x)'); c.commit()\n";
        world.write(&world.project.join("test_it.py"), test);
        let ran = world.run("/usr/bin/python3 -m pytest -q test_it.py | grep -o '3 passed'; ls -d .pytest_cache; ls -d /tmp/pytest-of-* 2>/dev/null");
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("3 passed\n.pytest_cache\n", ""),
            "user {}",
            world.user
        );
    });
}

#[test]
fn redis_over_its_unix_socket() {
    programs(
        &["redis-server", "redis-cli"],
        &[
            "d=$(mktemp -d); redis-server --port 0 --unixsocket $d/s --dir $d --daemonize yes --pidfile $d/pid --save '' >/dev/null; \
           until redis-cli -s $d/s ping >/dev/null 2>&1; do :; done; \
           redis-cli -s $d/s set k v; redis-cli -s $d/s get k; redis-cli -s $d/s save; ls $d/dump.rdb | wc -l; \
           redis-cli -s $d/s shutdown nosave; rm -r $d",
        ],
    );
}

#[test]
fn postgres_over_its_unix_socket() {
    let programs = ["/usr/lib/postgresql", "/usr/local/lib/postgresql"].iter().find_map(|top| {
        let versions = fs::read_dir(top).ok()?;
        versions.flatten().map(|v| v.path().join("bin")).find(|bin| bin.join("initdb").exists())
    });
    let Some(programs) = programs else { return not_here("postgresql is not installed") };
    each(|world| {
        if world.user == 0 {
            // It refuses to run as root.
            return;
        }
        if nix::unistd::User::from_uid(world.user.into()).unwrap().is_none() {
            return not_here("initdb refuses to work for a user without an account");
        }
        database(world, &programs);
    });
    if nix::unistd::geteuid().is_root()
        && let Ok(Some(account)) = nix::unistd::User::from_name("postgres")
    {
        database(&World::new(account.uid.as_raw()), &programs);
    }
}

fn database(world: &World, programs: &Path) {
    let text = format!(
        "set -e; export PATH={}:$PATH; initdb -D data -A trust >/dev/null; \
         pg_ctl -D data -w -l log -o \"-c listen_addresses='' -k $PWD\" start >/dev/null; \
         psql -h $PWD -d postgres -Atc 'create table t (x int); insert into t select generate_series(1, 1000); select sum(x) from t' | tail -1; \
         pg_ctl -D data -w stop >/dev/null; echo stopped",
        programs.display()
    );
    let ran = world.run(&text);
    assert_eq!((ran.stdout.as_str(), ran.status), ("500500\nstopped\n", Some(0)), "{}", ran.stderr);
}

#[test]
fn an_archive_of_fifty_thousand_files_goes_in_and_out() {
    let make = "import os\n\
                for n in range(50000):\n    d = 'many/%d/%d' % (n % 50, n % 250)\n    if n < 250: os.makedirs(d, exist_ok=True)\n    \
                with open('%s/f%d' % (d, n), 'w') as f: f.write('content %d' % n)\n";
    if !has(&["tar", "python3"]) {
        return;
    }
    each(|world| {
        world.write(&world.project.join("make.py"), make);
        let hash = |directory: &str| {
            format!(
                "(cd {directory}; find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum; find . -type f | wc -l)"
            )
        };
        let plain = World::new(world.user);
        plain.write(&plain.project.join("make.py"), make);
        let text = format!("python3 make.py; {}", hash("many"));
        let expected: Ran = plain.command("/bin/bash").args(["-c", &text]).output().unwrap().into();
        assert!(expected.stdout.ends_with("50000\n"), "{}", expected.stderr);
        let ran = world.run(&format!(
            "set -e; python3 make.py; tar cf t.tar many; mkdir out; tar xf t.tar -C out; rm -rf many; {}; \
             rm -rf out; ls -A | grep -v .claude",
            hash("out/many")
        ));
        assert_eq!(ran.stdout, format!("{}make.py\nt.tar\n", expected.stdout), "{}", ran.stderr);
    });
}

/// One thread exchanges links and directories and one rewrites a path while a third opens by all of them: what is refused by
/// its path is never made, however often it is tried. A million tries, or as many as are made in 15 seconds
/// (SBSH_TEST_RACE_SECONDS: in so many); each is one call that is judged, and so is each exchange.
#[test]
fn a_million_opens_beneath_what_is_renamed_never_make_a_file_outside() {
    if !has(&["cc"]) {
        return;
    }
    each(|world| {
        for name in ["good", "evil"] {
            fs::create_dir(world.outside.join(name)).unwrap();
            world.give(&world.outside.join(name));
        }
        let outside = world.outside.display();
        let seconds = std::env::var("SBSH_TEST_RACE_SECONDS").unwrap_or_else(|_| "15".into());
        world.user_settings(&format!(
            r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{outside}/good/*"],"denyWrite":["{}/**/*.key"]}}}}}}"#,
            world.project.display()
        ));
        world.write(&world.project.join("race.c"), RACE);
        let ran = world.run(&format!(
            "git init -q r && cc -O1 -pthread -o race race.c && ./race {outside}/good {outside}/evil {seconds}"
        ));
        let tries: u64 = ran.stdout.trim().parse().unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
        println!("user {}: {tries} tries", world.user);
        assert!(tries > 0);
        assert_eq!(fs::read_dir(world.outside.join("evil")).unwrap().count(), 0);
        let others = fs::read_dir(&world.outside).unwrap().map(|e| e.unwrap().file_name());
        let others: Vec<_> = others.filter(|name| name != "good" && name != "evil").collect();
        assert_eq!(others, Vec::<std::ffi::OsString>::new());
        // Names that only the gatekeeper holds, inside: what a race put there, the sweep took away again.
        let hook = world.project.join("r/.git/hooks/pre-commit");
        assert!(!hook.exists(), "{}", ran.stderr);
    });
}

const RACE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static volatile int stop;
static char good[4096], evil[4096], path[4096];
static void *relink(void *unused) {
    while (!stop) {
        renameat2(AT_FDCWD, "next", AT_FDCWD, "way", RENAME_EXCHANGE);
        renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_EXCHANGE);
    }
    return unused;
}
static void *rewrite(void *unused) {
    size_t length = strlen(good) + 2;
    while (!stop) { memcpy(path, evil, strlen(evil)); memcpy(path, good, length - 2); }
    return unused;
}
int main(int count, char **names) {
    (void)count;
    strcpy(good, names[1]); strcpy(evil, names[2]);
    snprintf(path, sizeof path, "%s/f", good);
    mkdir("one", 0700); mkdir("two", 0700); symlink(evil, "two/link"); mkdir("one/link", 0700); symlink(good, "way"); symlink(evil, "next");
    pthread_t threads[2];
    pthread_create(&threads[0], 0, relink, 0);
    pthread_create(&threads[1], 0, rewrite, 0);
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    long tries = 0;
    const char *where[] = {path, "way/g", "one/link/h", "two/link/h", "one/../way/i", "r/.git/hooks/pre-commit"};
    while (tries < 1000000) {
        for (int n = 0; n < 6; n++, tries++) {
            int file = open(where[n], n % 2 ? O_CREAT | O_WRONLY : O_CREAT | O_RDWR, 0600);
            if (file >= 0) close(file);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - begun.tv_sec >= atoi(names[3])) break;
    }
    stop = 1;
    for (int n = 0; n < 2; n++) pthread_join(threads[n], 0);
    printf("%ld\n", tries);
    return 0;
}
"#;

#[test]
fn copying_and_moving() {
    programs(
        &["rsync", "python3"],
        &[
            "mkdir a; echo 1 > a/x; ln -s x a/l; ln a/x a/h; chmod 640 a/x; touch -d @7 a/x; rsync -aHX a/ b/; stat -c '%a %Y %h' b/x; readlink b/l; \
             rm a/h; rsync -a --delete a/ b/; ls b; rsync -a --inplace --append-verify a/ b/",
            "echo x > xf; python3 -c 'import os; os.setxattr(\"xf\", \"user.t\", b\"v\")'; cp -a xf xg; python3 -c 'import os; print(os.getxattr(\"xg\", \"user.t\")); os.removexattr(\"xg\", \"user.t\"); print(os.listxattr(\"xg\"))'",
            "install -d -m 750 i; echo x > src; install -m 640 -T src i/g; install -D -m 600 src i/j/k/l; stat -c '%a %n' i i/g i/j/k/l",
            "echo there > m; d=$(mktemp -d); mv m $d/n; cat $d/n; mv $d/n back; cat back; mkdir -p tree/sub; echo y > tree/sub/f; mv tree $d/; cat $d/tree/sub/f; rm -r $d",
            "echo x > o; chown $(id -u):$(id -g) o; chown -h $(id -u) o; chmod u+x,g-w o; touch -r /etc/passwd o; truncate -s 100 o; stat -c '%a %s' o; ln o p; ln -sfn p q; ln -sfn o q; readlink q; rename() { mv -n \"$1\" \"$2\"; }; rename o z; ls o z p 2>&1 | wc -l",
        ],
    );
}

#[test]
fn editing_in_place() {
    programs(
        &["patch", "vi"],
        &[
            "seq 10 > a; cp a b; sed -i 's/5/five/' b; diff -u a b > d; patch -s a d; cmp a b && echo same; patch -s -R a < d; head -5 a | tail -1; \
             vi -Nu NONE -i NONE -es -c '%s/7/seven/' -c 'wq' a; grep -c seven a; sed -i.bak 1d a; ls",
        ],
    );
}

/// The C library makes files without a name at /tmp, and has them; programs that make up names there say that they cannot, and
/// a person can let them.
#[test]
fn a_program_that_knows_no_temporary_directory_but_tmp() {
    if !has(&["ed", "python3"]) {
        return;
    }
    each(|world| {
        world.write(&world.project.join("a"), "1\n2\n3\n");
        let ran = world.run("printf '3d\nw\nq\n' | ed -s a");
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        assert_eq!(fs::read_to_string(world.project.join("a")).unwrap(), "1\n2\n");
        let name = format!("/tmp/sbsh-test-{}-{}", std::process::id(), world.user);
        let text = format!("python3 -c 'import os; open(\"{name}\", \"w\").close(); os.remove(\"{name}\")'");
        let refused = world.run(&text);
        assert_ne!(refused.status, Some(0));
        assert!(refused.stderr.contains("sbshctl allow write /tmp/"), "{}", refused.stderr);
        let (ran, asked) = allowed_by_a_person(world, &text);
        assert_eq!((ran.status, asked.len()), (Some(0), 1), "{}", ran.stderr);
        assert_eq!(asked, [name.as_str()]);
        assert!(!Path::new(&name).exists());
    });
}

#[test]
fn trees_and_archives() {
    programs(
        &["unzip", "python3", "make", "cc", "flock"],
        &[
            "mkdir t; for d in $(seq 50); do mkdir -p t/$d/e; for f in $(seq 40); do echo > t/$d/e/$f; done; done; find t -type f -name '*7' -delete; find t -type f | wc -l; \
             python3 -c 'import shutil; shutil.make_archive(\"z\", \"zip\", \"t\")'; unzip -q z.zip -d u; diff -r t u && echo same; find u -depth -delete; ls; rm -rf t; ls",
            "printf 'all: a b c\\na b c: ; @echo $@ > $@; cat $@ >/dev/null\\n' > Makefile; make -s -j4; cat a b c",
            "exec 9> lock; flock 9; flock -n lock -c 'echo got' || echo held; flock -u 9; flock -n lock -c 'echo got'",
            "mkfifo p; for i in 1 2 3; do echo through $i > p & cat p; wait; done; rm p",
        ],
    );
}

#[test]
fn git_and_its_larger_commands() {
    programs(
        &["git"],
        &[
            "set -e; export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=x GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=x@x GIT_CONFIG_KEY_2=protocol.file.allow GIT_CONFIG_VALUE_2=always; \
           git init -q -b main one; cd one; for i in 1 2 3; do echo $i > f$i; git add .; git commit -qm $i; done; cd ..; \
           git clone -q one two; git clone -q --bare one three.git; cd two; git worktree add -q ../four -b topic; cd ../four; echo t > t; git add t; git commit -qm t; \
           cd ../two; git merge -q --no-edit topic; git submodule add -q ../one sub 2>/dev/null || git submodule --quiet add \"$PWD/../one\" sub; git commit -qm sub; \
           git gc -q; git fsck 2>&1 | grep -c error || true; echo dirty > f1; git stash -q; git stash pop -q; git checkout -q -- f1; git rebase -q --root; git worktree remove ../four; \
           git push -q ../three.git main; git tag v1; git archive v1 | tar t | wc -l; git log --format=%s | head -2; git status --short",
        ],
    );
}

#[test]
fn databases_and_servers_of_python_and_node() {
    programs(
        &["python3", "node"],
        &[
            "python3 -c 'import sqlite3, threading\nc = sqlite3.connect(\"db\"); c.execute(\"pragma journal_mode=wal\"); c.execute(\"create table t (x)\"); c.commit()\ndef w(n):\n  d = sqlite3.connect(\"db\", timeout=60)\n  for i in range(50): d.execute(\"insert into t values (?)\", (i,)); d.commit()\nt = [threading.Thread(target=w, args=(n,)) for n in range(4)]\n[x.start() for x in t]; [x.join() for x in t]\nprint(c.execute(\"select count(*), sum(x) from t\").fetchone()); c.execute(\"vacuum\"); c.close()'; ls db*",
            "python3 -c 'import multiprocessing as m, concurrent.futures as f, os\ndef g(x): return x * x\nif __name__ == \"__main__\":\n  with f.ProcessPoolExecutor(2) as p: print(list(p.map(g, range(5))))\n  with m.Manager() as k: d = k.dict(); d[1] = 2; print(dict(d))\n  q = m.get_context(\"spawn\").Pool(1); print(q.map(abs, [-1])); q.close()'",
            "python3 -c 'import asyncio\nasync def main():\n  async def h(r, w): w.write((await r.readline()).upper()); await w.drain(); w.close()\n  s = await asyncio.start_unix_server(h, \"s.sock\")\n  r, w = await asyncio.open_unix_connection(\"s.sock\"); w.write(b\"hello\\n\"); print((await r.read()).decode(), end=\"\")\nasyncio.run(main())'",
            "node -e 'const net = require(\"net\"); const s = net.createServer(c => { c.end(\"from node\"); s.close() }).listen(\"n.sock\", () => net.connect(\"n.sock\").pipe(process.stdout))'",
            "node -e 'const {fork} = require(\"child_process\"), fs = require(\"fs\"); fs.writeFileSync(\"c.js\", \"process.send(6*7)\"); fork(\"./c.js\").on(\"message\", m => console.log(m)); fs.mkdirSync(\"a/b/c\", {recursive: true}); fs.cpSync(\"a\", \"d\", {recursive: true}); fs.rmSync(\"a\", {recursive: true}); console.log(fs.readdirSync(\"d\"))'",
            "python3 -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix)'",
        ],
    );
}

#[test]
fn files_of_java() {
    if !happens_to_have(&["java", "javac"]) {
        return;
    }
    programs(
        &["java"],
        &[
            "cat > T.java <<'J'\nimport java.nio.file.*; import java.nio.file.attribute.*;\npublic class T { public static void main(String[] a) throws Exception {\n\
           Path d = Files.createDirectories(Path.of(\"x/y\")); Path f = Files.writeString(d.resolve(\"f\"), \"text\"); Files.createSymbolicLink(d.resolve(\"l\"), Path.of(\"f\"));\n\
           Files.move(f, d.resolve(\"g\"), StandardCopyOption.ATOMIC_MOVE); Files.copy(d.resolve(\"g\"), d.resolve(\"h\"), StandardCopyOption.COPY_ATTRIBUTES);\n\
           Files.setPosixFilePermissions(d.resolve(\"h\"), PosixFilePermissions.fromString(\"rw-------\")); Files.setLastModifiedTime(d.resolve(\"h\"), FileTime.fromMillis(7000));\n\
           Path t = Files.createTempFile(Path.of(\".\"), \"p\", \"s\"); Files.delete(t); try (var s = Files.walk(Path.of(\"x\"))) { System.out.println(s.count()); }\n\
           System.out.println(Files.getLastModifiedTime(d.resolve(\"h\")).toMillis()); } }\nJ\n\
           javac -d . T.java 2>&1 && java -cp . T",
        ],
    );
}

#[test]
fn a_terminal_multiplexer_has_its_own_server() {
    programs(
        &["tmux"],
        &[
            "export TERM=xterm SHELL=/bin/sh; s=$(mktemp -d)/s; tmux -S $s -f /dev/null new-session -d 'echo in tmux > made; sleep 100' && until [ -s made ]; do sleep 0.05; done; cat made; \
           tmux -S $s ls | wc -l; tmux -S $s kill-server",
        ],
    );
}

/// Datagrams between programs are refused (each could name another receiver): what those do that use them.
#[test]
fn programs_that_send_datagrams_go_on_without() {
    if !happens_to_have(&["logger", "systemd-notify"]) {
        return;
    }
    each(|world| {
        let ran = world.run("logger hello; echo $?; NOTIFY_SOCKET=/run/systemd/notify systemd-notify --ready 2>/dev/null; echo $?; echo on");
        let lines: Vec<&str> = ran.stdout.lines().collect();
        println!("user {}: {lines:?} {}", world.user, ran.stderr);
        assert_eq!(lines.last(), Some(&"on"));
    });
}
