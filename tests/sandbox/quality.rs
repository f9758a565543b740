//! What a session is held to beside its boundary: languages, huge outputs, slow and closed readers, and that a hundred commands
//! leave nothing. `.ci/soak` is the last one with ten thousand.

use crate::world::{Ran, World, each, until};
use nix::unistd::{Uid, geteuid};
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// bash and sbsh under that name, with the same command.
fn both(world: &World) -> [std::process::Command; 2] {
    ["/bin/bash".into(), world.bin("bash")].map(|shell: PathBuf| {
        let mut command = world.command(shell);
        command.arg0("bash").stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    })
}

#[test]
fn every_locale_gives_what_bash_gives() {
    // Bytes that are one character, part of one, and none.
    let text = "x='aé€𝄞'; echo ${#x} ${x:1:2} ${x^^}; printf '%s|%5s|%.2s\\n' \"$x\" é é; printf '%q\\n' \"$x\"; \
                y=$'\\xe9\\xff'; echo ${#y} \"$y\"; printf 'b\\na\\nB\\nA\\né\\n' | sort; case é in [[:alpha:]]) echo letter;; esac; \
                echo a > \"$x\"; ls; rm -- \"$x\"; printf '%.1f\\n' 1.5; printf '%d\\n' \"'€\"; locale 2>&1 | sort; \
                nosuch-é; cat missing-€; echo \"$LANG $LC_ALL\"";
    each(|world| {
        for locale in [
            [("LANG", "C"), ("LC_ALL", "C")],
            [("LANG", "C.UTF-8"), ("LC_ALL", "")],
            [("LANG", "C"), ("LC_CTYPE", "C.UTF-8")],
            [("LANG", "POSIX"), ("LC_COLLATE", "C.UTF-8")],
            [("LANG", "de_XX.UTF-8"), ("LC_ALL", "xx_YY@none")],
            [("LANG", "C.UTF-8"), ("LANGUAGE", "de:fr")],
        ] {
            let [bash, ours] = both(world).map(|mut command| {
                let ran = command.envs(locale).args(["-c", text]).output().unwrap();
                (ran.status.code(), ran.stdout, ran.stderr)
            });
            let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(
                (ours.0, words(&ours.1), words(&ours.2)),
                (bash.0, words(&bash.1), words(&bash.2)),
                "{locale:?}"
            );
            assert!(ours.1 == bash.1 && ours.2 == bash.2, "{locale:?}");
        }
    });
}

/// What a command says of itself without a locale, or in one that is none, is said as it is; names are shown without harm.
#[test]
fn refusals_are_told_in_every_locale() {
    each(|world| {
        for locale in ["C", "C.UTF-8", "xx_YY@none"] {
            let text = format!("echo x > {}/$'é\\xff\\e[31m'", world.outside.display());
            let mut command = world.command(world.bin("sbsh"));
            let ran: Ran = command.env("LC_ALL", locale).args(["-c", &text]).output().unwrap().into();
            let mut told = ran.stderr.lines().filter(|line| line.starts_with("sbsh: bash may not write"));
            let shown = |line: &str| line.contains(r"\e[31m") && !line.contains('\u{1b}');
            assert!(told.next().is_some_and(shown) && ran.status == Some(1), "{locale}: {ran:?}");
        }
    });
}

/// What is written to both streams, as one number each.
const HUGE: usize = 64 << 20;

#[test]
fn huge_outputs_come_whole_on_both_streams() {
    each(|world| {
        let text = format!("head -c {HUGE} /dev/zero & head -c {HUGE} /dev/zero >&2; wait; exit 3");
        let mut child = world
            .command(world.bin("sbsh"))
            .args(["-c", &text])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut error = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut all = Vec::new();
            error.read_to_end(&mut all).unwrap();
            all
        });
        let mut all = Vec::with_capacity(HUGE);
        child.stdout.take().unwrap().read_to_end(&mut all).unwrap();
        let errors = errors.join().unwrap();
        assert_eq!((all.len(), errors.len(), child.wait().unwrap().code()), (HUGE, HUGE, Some(3)));
        assert!(all.iter().chain(&errors).all(|byte| *byte == 0));
    });
}

#[test]
fn a_reader_that_waits_holds_the_command_up_and_loses_nothing() {
    each(|world| {
        const MUCH: usize = 1 << 20;
        // More refusals than a pipe takes, too: they are told at the end, to whoever reads late.
        let outside = world.outside.display();
        let text = format!(
            "touch begun; for n in $(seq 400); do : > {outside}/a-name-that-is-rather-long-for-a-file-$n; done 2>/dev/null; \
             head -c {MUCH} /dev/zero; touch done; exit 5"
        );
        let mut command = world.command(world.bin("sbsh"));
        let mut child =
            command.args(["-c", &text]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until(|| world.project.join("begun").exists());
        let mut output = child.stdout.take().unwrap();
        let mut piece = [0; 4096];
        let mut length = 0;
        while length < MUCH / 2 {
            let read = output.read(&mut piece).unwrap();
            assert!(read > 0);
            length += read;
            // As much as is not read cannot be in the pipe.
            assert!(!world.project.join("done").exists());
        }
        let mut rest = Vec::new();
        output.read_to_end(&mut rest).unwrap();
        assert_eq!(length + rest.len(), MUCH);
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(told.contains("<sandbox_violations>") && told.ends_with("</sandbox_violations>\n"), "{told}");
        assert_eq!(child.wait().unwrap().code(), Some(5));
    });
}

/// A command whose reader has gone before it writes.
fn unread(mut command: std::process::Command, world: &World) -> Child {
    let go = world.project.join("go");
    let _ = fs::remove_file(&go);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    world.write(&go, "");
    child
}

#[test]
fn a_closed_reader_ends_a_command_as_it_ends_bash() {
    each(|world| {
        for text in [
            "echo x; echo after $? >&2",
            "trap '' PIPE; echo x; echo after $? >&2; exit 4",
            "trap 'echo caught >&2' PIPE; echo x; exit 6",
            "yes; echo after $? >&2",
            "yes | cat; echo ${PIPESTATUS[*]} >&2",
            "exec yes",
            "python3 -c 'print(1)'; echo $? >&2",
            "(trap '' PIPE; exec cat /dev/zero); echo $? >&2",
        ] {
            let run = || {
                both(world).map(|mut command| {
                    command.args(["-c", &format!("until [ -e go ]; do :; done; {text}")]);
                    Ran::from(unread(command, world).wait_with_output().unwrap())
                })
            };
            // A test beside that forks just then holds the reader for as long as its child has not executed.
            if !std::iter::repeat_with(run).take(5).any(|[bash, ours]| bash == ours) {
                let [bash, ours] = run();
                assert_eq!(ours, bash, "{text}");
            }
        }
        fs::remove_file(world.project.join("go")).unwrap();
    });
}

#[test]
fn who_does_not_read_what_is_told_gets_the_commands_own_status() {
    each(|world| {
        let text = format!(
            "until [ -e go ]; do :; done; echo x 2>/dev/null > {}/x; exit 7",
            world.outside.display()
        );
        let mut command = world.command(world.bin("sbsh"));
        let mut child = command.args(["-c", &text]).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        world.write(&world.project.join("go"), "");
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(7), "{status:?}");
        fs::remove_file(world.project.join("go")).unwrap();
        // On a disk that is full there is no room for it either.
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = world.command(world.bin("sbsh"));
        let text = format!("echo x 2>/dev/null > {}/x; exit 7", world.outside.display());
        let status = command.args(["-c", &text]).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(7), "{status:?}");
    });
}

/// A user of whom there is nothing else on the machine, so that what is there is of these commands; nobody where the tests have
/// no choice.
fn alone() -> Option<u32> {
    geteuid().is_root().then(|| 61_000 + std::process::id() % 1_000)
}

/// Processes of a user, without those that have ended and wait for their parent.
fn processes(user: u32) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    all.filter_map(|path| {
        let status = fs::read_to_string(path.join("status")).ok()?;
        let line =
            |name: &str| Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned());
        (line("Uid:")?.split('\t').next()? == user.to_string()).then(|| line("Name:"))?
    })
    .collect()
}

/// Everything below a directory.
fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| [vec![path.clone()], below(&path)].concat()).collect()
}

#[test]
fn a_hundred_commands_leave_nothing() {
    let Some(user) = alone() else {
        crate::world::not_here("only root takes a user of whom there is nothing else");
        return;
    };
    let world = World::new(user);
    let private = PathBuf::from(format!("/tmp/sbsh-{user}"));
    let script = format!(
        "for ((i = 0; i < $1; i++)); do case $((i % 10)) in
         3) {0} -c 'exec 3<>/dev/tcp/refused.test/80; echo x >&3; cat <&3' ;;
         5) {0} -c 'echo x > {1}/x' ;;
         7) {0} -c '(sleep 0.1; touch job) >/dev/null 2>&1 &' ;;
         *) {0} -c true ;; esac || echo $i; done",
        world.bin("sbsh").display(),
        world.outside.display()
    );
    let many = |number: &str| {
        let mut command = world.command("/bin/bash");
        command.env("SBSH_SESSION", "many").args(["-c", &script, "bash", number]);
        let ran = Ran::from(command.output().unwrap());
        until(|| processes(user).is_empty());
        ran
    };
    // The first ones make what stays: the private directory and the log.
    let ran = many("10");
    assert_eq!(ran.stdout, "3\n5\n", "{ran:?}");
    let (there, at_home) = (below(&private), below(&world.home));
    assert!(!there.is_empty() && Uid::from_raw(user) != geteuid());
    let ran = many("100");
    assert_eq!(ran.stdout.lines().count(), 20, "{ran:?}");
    assert_eq!(ran.stderr.matches("refused.test:80 is blocked").count(), 10, "{ran:?}");
    assert_eq!((below(&private), below(&world.home)), (there, at_home));
    assert_eq!(below(&world.outside), Vec::<PathBuf>::new());
    let in_project = below(&world.project);
    assert_eq!(in_project, [world.project.join("job"), world.project.join(".claude")], "{in_project:?}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*world.project.to_string_lossy()));
    fs::remove_dir_all(&private).unwrap();
}
