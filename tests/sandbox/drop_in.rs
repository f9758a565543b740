//! bash as the oracle: the same argv gives the same stdout, status and, but for our own lines, stderr.

use crate::world::{Ran, World, each, has};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

fn with_input(world: &World, program: &str, argv: &[&str], input: &str) -> Ran {
    let mut command = world.command(program);
    command.arg0("bash").args(argv).env("SHLVL", "1").env("TMPDIR", "/tmp");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A shell that ends early closes its input; that is no failure.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let mut ran = Ran::from(child.wait_with_output().unwrap());
    let own = |line: &&str| !line.starts_with("sbsh: ");
    ran.stderr = ran.stderr.lines().filter(own).collect::<Vec<_>>().join("\n");
    ran
}

/// Compares in one world; files that the script makes are removed in between.
fn same(world: &World, argv: &[&str], input: &str) {
    let clean = || {
        for entry in fs::read_dir(&world.project).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with(".claude") && !path.ends_with("script.sh") && !path.ends_with("rc") {
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            }
        }
    };
    clean();
    let bash = with_input(world, "/bin/bash", argv, input);
    clean();
    let ours = with_input(world, world.bin("bash").to_str().unwrap(), argv, input);
    assert_eq!(ours, bash, "argv {argv:?}, input {input:?}, user {}", world.user);
}

#[test]
fn every_form_of_invocation_gives_what_bash_gives() {
    each(|world| {
        world.write(
            &world.project.join("script.sh"),
            "echo script $0 $# \"$@\"; read line; echo got $line; exit 4\n",
        );
        world.write(&world.project.join("rc"), "echo from rc\n");
        let forms: &[(&[&str], &str)] = &[
            (&["-c", "echo $0 $# \"$@\"", "name", "a b", "c"], ""),
            (&["-c", "echo $-; echo $SHLVL"], ""),
            (&["-c", "exit 7"], ""),
            (&["-c"], ""),
            (&["-c", ""], ""),
            (&["-c", "-x", "echo traced"], ""),
            (&["-xc", "echo traced"], ""),
            (&["-c", "-e", "false; echo no"], ""),
            (&["-euc", "echo $unset; echo no"], ""),
            (&["+e", "-c", "false; echo yes"], ""),
            (&["-o", "pipefail", "-c", "false | true; echo $?"], ""),
            (&["-O", "extglob", "-c", "[[ ab == @(ab|c) ]] && echo yes"], ""),
            (&["-lc", "shopt -q login_shell && echo login"], ""),
            (&["-c", "-l", "shopt -q login_shell && echo login"], ""),
            (&["--login", "-c", "shopt -q login_shell && echo login"], ""),
            (&["--norc", "--noprofile", "-c", "echo plain"], ""),
            (&["--posix", "-c", "set -o | grep posix"], ""),
            (&["--rcfile", "rc", "-ic", "echo after"], ""),
            (&["-rcfile", "rc", "-ic", "echo after"], ""),
            (&["--", "script.sh", "x"], "line\n"),
            (&["script.sh", "a b", "c"], "the line\nrest\n"),
            (&["-x", "script.sh"], "l\n"),
            (&["-s", "a", "b"], "echo $# $1 $2; read x; echo got $x\nfor me\n"),
            (&[], "echo from stdin\nread x\nthe data\necho $x\nexit 3\n"),
            (&["-"], "echo dash\n"),
            (&["missing.sh"], ""),
            (&["--no-such-option"], ""),
            (&["-c", "no_such_command"], ""),
            (&["-c", "if"], ""),
            (&["-c", "/"], ""),
            (&["-c", "cat; echo end"], "all of it\n"),
        ];
        for (argv, input) in forms {
            same(world, argv, input);
        }
    });
}

#[test]
fn what_scripts_see_is_what_they_see_under_bash() {
    let texts = [
        "echo a b  c 'd  e' \"f\"; printf '%s|' x 'y z'; echo >&2 err",
        "f() { local x=1; echo $x; }; f; declare -f f",
        "cat <<EOF\n$HOME ${#PATH} $((1+2))\nEOF\n",
        "for i in 1 2 3; do echo $i; done | sort -r | head -2",
        "trap 'echo bye $?' EXIT; exit 5",
        "trap 'echo usr1' USR1; kill -USR1 $$; echo after",
        "(exit 3); echo $?; { exit 4; }",
        "set -m; sleep 0 & wait $!; echo $?",
        "false; echo $?; true | false; echo ${PIPESTATUS[*]}",
        "ulimit -n; umask; ulimit -c",
        "mkdir -p d/e && cd d/e && pwd && cd - && echo $OLDPWD",
        "echo x > f; cat < f; exec 3>g; echo y >&3; exec 3>&-; cat g",
        "cat <(echo one) <(echo two); echo three > >(cat); wait",
        "coproc cat; echo hi >&${COPROC[1]}; read -u ${COPROC[0]} x; echo $x",
        "x=$(echo sub; exit 6); echo $? $x",
        "bash -c 'echo inner $0 $1' n a; sh -c 'echo sh $1' s b",
        "bash -c 'kill -TERM $$'; echo $?",
        "sleep 0.01 & sleep 0.02 & jobs -p | wc -l; wait; echo done",
        "test -t 0 || echo no tty; test -t 1 || echo no tty",
        "read x; echo [$x]",
        "echo $BASH_VERSION $UID $EUID $GROUPS; id -u; id -g",
        "printf 'a\\0b' | od -c | head -2; printf '\\xff\\xfe' | od -c",
        "a=(1 2 3); declare -A m=([k]=v); echo ${a[@]:1} ${m[k]}",
        "mkfifo p; echo through > p & cat p; wait",
        "ln -s missing l; test -L l && readlink l; touch f; chmod 640 f; stat -c %a f",
        "echo $((7/2)) ${HOME##*/} ${x:-def}; [[ abc =~ ^a(.)c$ ]] && echo ${BASH_REMATCH[1]}",
        "set -e; false; echo unreachable",
        "exec echo replaced",
        "kill -KILL $$",
        "kill -HUP $$",
        "kill -ABRT $$",
        "timeout 5 bash -c 'echo in time'; timeout 0.05 sleep 5; echo $?",
        "env -i /bin/bash -c 'echo clean'; nohup echo hup 2>/dev/null",
        "yes | head -1; dd if=/dev/zero bs=1 count=3 2>/dev/null | wc -c",
        "python3 -c 'import os,sys; print(os.getcwd() == os.environ[\"PWD\"], sys.stdin.isatty())'",
        "enable -n echo; type -t echo; hash -r; type -p cat",
        "(umask 077; touch secret; stat -c %a secret)",
        "tar cf t.tar /dev/null 2>/dev/null; tar tf t.tar",
        "echo $PPID | grep -c '^[0-9]'; echo ${BASHPID:+set}",
    ];
    each(|world| {
        for text in texts {
            same(world, &["-c", text], "one line\n");
        }
    });
}

#[test]
fn a_here_document_of_100_kb_and_the_longest_argument_arrive() {
    each(|world| {
        let body = "0123456789abcdef\n".repeat(6_200);
        same(world, &["-c", &format!("cat <<'EOF' | md5sum\n{body}EOF\n")], "");
        let longest = format!("echo {} | wc -c", "x".repeat(131_071 - 16));
        same(world, &["-c", &longest[..131_071.min(longest.len())]], "");
    });
}

#[test]
fn arguments_are_bytes() {
    use std::os::unix::ffi::OsStrExt;
    each(|world| {
        let text = std::ffi::OsStr::from_bytes(b"printf %s '\xff\xfe' | od -An -tx1");
        let ran: Ran = world.command(world.bin("bash")).arg("-c").arg(text).output().unwrap().into();
        assert_eq!((ran.stdout.trim(), ran.status), ("ff fe", Some(0)));
    });
}

#[test]
fn by_its_other_names_it_is_the_other_shells() {
    each(|world| {
        let sh: Ran = world
            .command(world.bin("sh"))
            .args(["-c", "echo $0 ${BASH_VERSION:-none}"])
            .output()
            .unwrap()
            .into();
        assert_eq!(sh.stdout, format!("{} none\n", world.bin("sh").display()));
        if !std::path::Path::new("/bin/zsh").exists() {
            crate::world::skip("zsh is not installed");
            return;
        }
        let zsh: Ran =
            world.command(world.bin("zsh")).args(["-c", "echo ${ZSH_VERSION:+zsh}"]).output().unwrap().into();
        assert_eq!(zsh.stdout, "zsh\n");
        // zsh makes files for these, by a variable of its own.
        let text = "cat <<x\nhere\nx\ncat <<<string; cat =(echo file)";
        for (name, line) in [("zsh", text.to_owned()), ("bash", format!("zsh -fc '{text}'"))] {
            let mut command = world.command(world.bin(name));
            let ran: Ran = command.args(["-c", &line]).env("TMPPREFIX", "/tmp/zsh").output().unwrap().into();
            assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("here\nstring\nfile\n", ""));
        }
    });
}

#[test]
fn what_another_shell_reads_otherwise_is_judged_as_it_reads_it() {
    each(|world| {
        world.user_settings("{\"permissions\": {\"deny\": [\"Bash(touch:*)\"]}}");
        let blocked = |shell: &str, options: &str, text: &str| {
            if !std::path::Path::new("/bin").join(shell).exists() {
                crate::world::skip(&format!("{shell} is not installed"));
                return;
            }
            let link = world.bin(shell);
            if !link.exists() {
                std::os::unix::fs::symlink("sbsh", &link).unwrap();
            }
            let ran: Ran = world.command(&link).args([options, text]).output().unwrap().into();
            assert_eq!(ran.status, Some(126), "{shell} {text}: {} {}", ran.stdout, ran.stderr);
            assert!(!world.project.join("made").exists());
        };
        // One quoted word to others, and two commands to fish.
        blocked("fish", "-c", "echo '\\''; touch made #'");
        // A comment to others.
        blocked("zsh", "-ic", "echo a # ; touch made");
    });
}

#[test]
fn a_name_that_the_caller_makes_up_is_dollar_zero() {
    each(|world| {
        let ours = world.bin("bash").display().to_string();
        for (name, text) in
            [("specialname", "echo $0"), ("-specialname", "echo $0; shopt login_shell"), ("./x y", "if")]
        {
            // From outside, and from a shell that is inside already.
            let outside = |shell: &str| {
                let ran: Ran = world.command(shell).arg0(name).args(["-c", text]).output().unwrap().into();
                ran
            };
            assert_eq!(outside(&ours), outside("/bin/bash"), "{name}");
            let inside = |shell: &str| world.run(&format!("(exec -a '{name}' {shell} -c '{text}')"));
            assert_eq!(inside(&ours), inside("/bin/bash"), "{name}");
        }
        let own: Ran =
            world.command(world.bin("sbsh")).arg0("-sbsh").args(["-c", "echo $0"]).output().unwrap().into();
        assert_eq!(own.stdout, "-bash\n");
    });
}

#[test]
fn the_logical_directory_of_a_symlinked_path_is_kept() {
    each(|world| {
        let link = world.home.join("link");
        std::os::unix::fs::symlink(&world.project, &link).unwrap();
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .current_dir(&link)
            .env("PWD", &link)
            .args(["-c", "pwd; pwd -P"])
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.stdout, format!("{}\n{}\n", link.display(), world.project.display()));
    });
}

#[test]
fn closed_standard_descriptors_stay_closed() {
    each(|world| {
        for (redirection, script) in [
            ("<&-", "cat; echo $?"),
            (">&-", "echo x; echo status $? >&2"),
            ("2>&-", "echo x >&2; echo status $?"),
        ] {
            let line = |shell: &str| format!("{shell} -c '{script}' {redirection}");
            let bash: Ran =
                world.command("/bin/bash").args(["-c", &line("/bin/bash")]).output().unwrap().into();
            let ours = line(world.bin("bash").to_str().unwrap());
            let ours: Ran = world.command("/bin/bash").args(["-c", &ours]).output().unwrap().into();
            let named = |ran: Ran| {
                ran.stderr.replace(world.bin("bash").to_str().unwrap(), "BASH").replace("/bin/bash", "BASH")
            };
            assert_eq!((ours.status, &ours.stdout), (bash.status, &bash.stdout), "{redirection}");
            assert_eq!(named(ours), named(bash), "{redirection}");
        }
    });
}

#[test]
fn ignored_signals_umask_and_limits_come_through() {
    each(|world| {
        // Without the two signals that C libraries keep for themselves (33 is bit 32 of the mask's upper half).
        let text = "trap; umask; ulimit -n; grep SigIgn /proc/self/status | tail -c 8";
        let line =
            |shell: &str| format!("trap '' PIPE INT QUIT; umask 027; ulimit -n 100; {shell} -c '{text}'");
        let bash: Ran = world.command("/bin/bash").args(["-c", &line("/bin/bash")]).output().unwrap().into();
        let ours: Ran = world
            .command("/bin/bash")
            .args(["-c", &line(world.bin("bash").to_str().unwrap())])
            .output()
            .unwrap()
            .into();
        assert_eq!(ours, bash);
    });
}

#[test]
fn no_umask_spoils_what_sbsh_keeps_in_the_home_directory() {
    for umask in ["0177", "0777"] {
        each(|world| {
            let line = format!("umask {umask}; {} -c 'umask; false'", world.bin("bash").display());
            for _ in 0..2 {
                let ran: Ran = world.command("/bin/bash").args(["-c", &line]).output().unwrap().into();
                assert_eq!((ran.stdout, ran.stderr), (format!("{umask}\n"), String::new()));
            }
            use std::os::unix::fs::PermissionsExt;
            let of = |path: &str| fs::metadata(world.home.join(path)).unwrap().permissions().mode() & 0o777;
            let modes = [of(".local"), of(".local/state/sbsh"), of(".local/state/sbsh/audit.jsonl")];
            assert_eq!(modes, [0o700, 0o700, 0o600], "user {}", world.user);
        });
    }
}

// The C library makes them in /tmp, whatever TMPDIR says. GNU make 4.3 fell over without (`make -O`).
#[test]
fn files_without_a_name_can_be_had() {
    if !has(&["make", "python3"]) {
        return;
    }
    each(|world| {
        world.write(&world.project.join("Makefile"), "all: a b\na b:\n\t@echo made\n");
        let ran = world.run("make -j2 -O");
        assert_eq!((ran.stdout.as_str(), ran.status), ("made\nmade\n", Some(0)), "{}", ran.stderr);
        world.write(&world.project.join("unnamed.py"), UNNAMED);
        let ran = world.run("python3 unnamed.py; umask 077; python3 unnamed.py");
        let lines = "640 hello no-name refused refused\n600 hello no-name refused refused\n";
        assert_eq!((ran.stdout.as_str(), ran.status), (lines, Some(0)), "{}", ran.stderr);
    });
}

/// Neither a file that could get a name nor one elsewhere is made.
const UNNAMED: &str = r#"
import os
os.umask(os.umask(0o077) | 0o027)
f = os.open("/tmp", os.O_RDWR | os.O_TMPFILE | os.O_EXCL, 0o666)
os.write(f, b"hello")
words = [oct(os.fstat(f).st_mode)[-3:], os.pread(f, 9, 0).decode()]
try:
    os.link(f"/proc/self/fd/{f}", "named", follow_symlinks=True)
    words.append("named")
except OSError:
    words.append("no-name")
for place, flags in [("/tmp", 0), ("/var/tmp", os.O_EXCL)]:
    try:
        os.open(place, os.O_RDWR | os.O_TMPFILE | flags, 0o600)
        words.append("made")
    except OSError:
        words.append("refused")
print(*words)
"#;

#[test]
fn real_time_signals_end_what_they_end_and_nothing_else() {
    each(|world| {
        for text in [
            "kill -34 $$",
            "kill -33 $$",
            "exec sh -c 'kill -64 $$'",
            "{ (kill -50 $BASHPID); } 2> /dev/null; echo $?",
            "trap 'echo caught; exit 4' RTMIN; kill -RTMIN $$; echo not",
            // The end of a process that nobody waits for is not the sandbox's.
            "( (kill -34 $BASHPID) & ); sleep 0.5; echo alive; exit 3",
        ] {
            same(world, &["-c", text], "");
        }
    });
}

#[test]
fn a_script_on_a_shared_file_leaves_the_rest_to_the_caller() {
    each(|world| {
        world.write(&world.outside.join("input"), "one\ntwo\nthree\n");
        let line = |shell: &str| {
            format!(
                "({shell} -c 'read a; echo inner $a'; read b; echo outer $b) < {}",
                world.outside.join("input").display()
            )
        };
        let ours: Ran = world
            .command("/bin/bash")
            .args(["-c", &line(world.bin("bash").to_str().unwrap())])
            .output()
            .unwrap()
            .into();
        assert_eq!(ours.stdout, "inner one\nouter two\n");
    });
}

#[test]
fn a_directory_that_is_gone_is_gone_inside_too() {
    each(|world| {
        let gone = world.outside.join("gone");
        fs::create_dir(&gone).unwrap();
        world.give(&gone);
        let line = format!(
            "cd {0} && rmdir {0} && {1} -c 'ls -A | wc -l; touch x || echo refused'",
            gone.display(),
            world.bin("bash").display()
        );
        let ran: Ran = world.command("/bin/bash").args(["-c", &line]).output().unwrap().into();
        assert_eq!(ran.stdout, "0\nrefused\n", "{}", ran.stderr);
    });
}

#[test]
fn nested_starts_change_nothing() {
    each(|world| {
        let text = format!(
            "{0} -c 'echo nested; {0} -c \"echo deeper; touch {1}/x || echo held\"'",
            world.bin("sbsh").display(),
            world.outside.display()
        );
        let ran = world.run(&text);
        assert_eq!((ran.stdout.as_str(), ran.status), ("nested\ndeeper\nheld\n", Some(0)), "{}", ran.stderr);
        assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 0);
    });
}
