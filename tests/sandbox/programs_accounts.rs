//! sbsh as the shell of an account: what logs people in, becomes somebody else or runs their jobs starts it as it starts
//! any shell. In a mount namespace with accounts of its own; sshd with a network of its own too.

use crate::net::has_programs;
use crate::programs::{PROOF, PROVEN, gives, proven};
use crate::real_network::{online, sshd};
use crate::session::{COLUMNS, ROWS, Session};
use crate::terminal::{Screen, terminal_command};
use crate::world::{ORDINARY, Ran, World, each, has, not_here, until};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The place of the accounts, what is to be run after it.
const PREPARE: &str = r#"
set -e
mount --make-rprivate /
for file in passwd group shadow sudoers; do
    [ ! -e "/etc/$file" ] || mount --bind "$0/$file" "/etc/$file"
done
mount -t tmpfs none /run && mkdir -m 755 /run/sshd && mkdir -m 777 /run/screen
[ ! -d /var/spool/cron/crontabs ] || mount -t tmpfs none /var/spool/cron/crontabs
exec "$@"
"#;

/// Where the files of the accounts are.
fn place(world: &World) -> PathBuf {
    world.outside.parent().unwrap().join("accounts")
}

/// The names of the two users.
fn name(world: &World) -> &'static str {
    if world.user == 0 { "root" } else { "ordinary" }
}

/// Accounts with sbsh, by this name, as their shell and the world's home, and settings that let the project be written
/// from there: a session that begins in the home directory can write nothing by itself.
fn accounts(world: &World, shell: &str) {
    let (home, shell) = (world.home.display(), world.bin(shell));
    let passwd = format!(
        "root:x:0:0:root:{home}:{0}\nordinary:x:{ORDINARY}:{ORDINARY}::{home}:{0}\n\
         sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
        shell.display()
    );
    let place = place(world);
    let _ = fs::create_dir(&place);
    fs::write(place.join("passwd"), passwd).unwrap();
    fs::write(
        place.join("group"),
        format!("root:x:0:\nordinary:x:{ORDINARY}:\ntty:x:5:\nutmp:x:43:\ncrontab:x:101:\nshadow:x:42:\n"),
    )
    .unwrap();
    let shadow = "root:*:20000:0:99999:7:::\nordinary:*:20000:0:99999:7:::\nsshd:!:20000::::::\n";
    fs::write(place.join("shadow"), shadow).unwrap();
    fs::write(place.join("sudoers"), "Defaults env_reset\nroot ALL=(ALL) NOPASSWD: ALL\n").unwrap();
    let settings =
        format!(r#"{{"sandbox":{{"filesystem":{{"allowWrite":["{}"]}}}}}}"#, world.project.display());
    world.user_settings(&settings);
    world.write(&world.home.join(".bash_profile"), "FROM_PROFILE=yes\nPS1='in> '\n");
    world.write(&world.home.join(".bashrc"), "PS1='in> '\n");
}

/// A command among these accounts, as root.
fn among(world: &World, words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    in_their_place(world, &mut command, words);
    command
        .current_dir(&world.project)
        .env_clear()
        .env("HOME", &world.home)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

fn in_their_place(world: &World, command: &mut Command, words: &[&str]) {
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", PREPARE]);
    command.arg(place(world)).args(words);
}

/// Whether accounts can be made here; says so if not.
fn can() -> bool {
    let made =
        Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).stderr(Stdio::null()).status();
    let can = nix::unistd::geteuid().is_root() && made.is_ok_and(|status| status.success());
    if !can {
        not_here("accounts of its own need root and its capabilities");
    }
    can
}

#[test]
fn su_and_sudo_become_somebody_with_it() {
    if !can() || !has(&["su", "sudo"]) {
        return;
    }
    each(|world| {
        for shell in ["sbsh", "bash"] {
            accounts(world, shell);
            let (who, home) = (name(world), world.home.display().to_string());
            let run = |words: &[&str]| -> Ran { among(world, words).output().unwrap().into() };
            let project = world.project.display();
            let text = format!("{PROOF}; id -un; echo $0 $1; exit 5");
            gives(&run(&["su", who, "-c", &text, "x", "y"]), 5, &format!("{PROVEN}{who}\nx y\n"));
            proven(world);
            let text = format!(
                "pwd; shopt -q login_shell && echo login $FROM_PROFILE; cd {project}; {PROOF}; exit 6"
            );
            let login = format!("{home}\nlogin yes\n{PROVEN}");
            gives(&run(&["su", "-", who, "-c", &text]), 6, &login);
            proven(world);
            // sudo quotes what is not a plain character, so a shell's words are one argument to another.
            gives(
                &run(&[
                    "sudo",
                    "-n",
                    "-u",
                    who,
                    "-i",
                    "sh",
                    "-c",
                    &text.replace("shopt -q login_shell && echo login $FROM_PROFILE", "echo login yes"),
                ]),
                6,
                &login,
            );
            proven(world);
            let status = run(&["sudo", "-n", "-u", who, "-i", "kill -TERM $$"]).status;
            assert_ne!(status, Some(0));
            let words = [
                "sudo",
                "-n",
                "-u",
                who,
                "--",
                world.bin(shell).to_str().unwrap(),
                "-c",
                &format!("{PROOF}; id -un"),
            ]
            .map(str::to_owned);
            gives(
                &run(&words.iter().map(String::as_str).collect::<Vec<_>>()),
                0,
                &format!("{PROVEN}{who}\n"),
            );
            proven(world);
        }
    });
}

/// A login session on a terminal, to its end with this status; keys reach what runs in it.
fn in_a_session(mut screen: Screen, status: i32) {
    screen.until("in> ");
    screen.types("test -e /dev/.sbsh && shopt -q login_shell && echo con''fined $FROM_PROFILE $0\n");
    screen.until("confined yes -bash");
    screen.until("in> ");
    screen.types("sed -u s/a/b/\n");
    screen.until("b/\r\n");
    screen.types("xay\n");
    screen.until("xby");
    screen.types("\u{3}");
    screen.until("in> ");
    screen.types("exit 3\n");
    assert_eq!(screen.status(), Some(status));
}

#[test]
fn login_and_su_start_a_session_on_the_terminal() {
    if !can() || !has(&["su", "login"]) {
        return;
    }
    each(|world| {
        accounts(world, "sbsh");
        let who = name(world);
        for words in [&["su", "-", who][..], &["login", "-f", who], &["sudo", "-n", "-u", who, "-i"]] {
            if words[0] == "sudo" && !has(&["sudo"]) {
                continue;
            }
            let mut command = terminal_command(world, "unshare");
            command.uid(0).gid(0);
            in_their_place(world, &mut command, words);
            // login itself ends well, however the shell did.
            in_a_session(Screen::start(command, || {}), if words[0] == "login" { 0 } else { 3 });
        }
    });
}

#[test]
fn screen_starts_it_in_its_windows() {
    if !can() || !has(&["screen"]) {
        return;
    }
    each(|world| {
        accounts(world, "sbsh");
        let mut command = terminal_command(world, "unshare");
        command.uid(0).gid(0).env("TERM", "xterm").env("SCREENDIR", world.home.join("screens"));
        command.env("SHELL", world.bin("sbsh")).env("LANG", "C.UTF-8");
        // It knows people by their accounts only. The first process of a namespace is deaf to what screen tells it.
        let text = format!(
            "setpriv --reuid {0} --regid {0} --clear-groups screen -c /dev/null; exit $?",
            world.user
        );
        let words = ["bash", "-c", &text];
        in_their_place(world, &mut command, &words);
        let mut session = Session::of(command);
        session.until("in> ");
        session.types("test -e /dev/.sbsh && test -t 0 && echo con''fined $TERM $(stty size)\r");
        session.until(&format!("confined screen {ROWS} {COLUMNS}"));
        session.types("sed -u s/a/b/\r");
        session.types("xay\r");
        session.until("xby");
        session.types("\u{3}");
        session.wait("a prompt", |session| {
            session.shown().ends_with("in> ") || session.shown().ends_with("in>")
        });
        session.types("echo st''atus $?\r");
        session.until("status 130");
        // Another window, and back.
        session.types("\u{1}c");
        session.wait("an empty window", |session| !session.shown().contains("status 130"));
        session.until("in> ");
        session.types("echo sec''ond; exit\r");
        session.until("status 130");
        session.types("exit 3\r");
        session.wait("its end", |session| session.raw.contains("[screen is terminating]"));
        assert_eq!(session.ends(), 0);
    });
}

/// A daemon with all that it started; gone when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn cron_runs_a_job_with_it() {
    if !can() || !has(&["cron"]) {
        return;
    }
    each(|world| {
        accounts(world, "sbsh");
        let project = world.project.display();
        let done = world.project.join("done");
        for shell in ["sbsh", "bash"] {
            // What is for the start needs no waiting for a minute.
            let table = format!(
                "SHELL={0}\nMAILTO=\"\"\nWORD=of the table\n@reboot cd {project} && ({PROOF}; test -t 0 || echo no terminal; id -un; echo \"$WORD $SHELL\"; env | grep -c ^SSH) > said 2>&1; echo $? > status; mv status done\n",
                world.bin(shell).display()
            );
            let table_file = place(world).join("table");
            fs::write(&table_file, table).unwrap();
            let text = format!(
                "install -m 600 -o {0} {1} /var/spool/cron/crontabs/{0} && for d in /etc/cron.d; do mount -t tmpfs none $d; done; mount --bind /dev/null /etc/crontab; exec cron -f",
                name(world),
                table_file.display()
            );
            let daemon =
                among(world, &["bash", "-c", &text]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let daemon = Daemon(daemon.unwrap());
            until(|| done.exists());
            drop(daemon);
            let said = fs::read_to_string(world.project.join("said")).unwrap();
            let shell = world.bin(shell);
            let wanted =
                format!("{PROVEN}no terminal\n{}\nof the table {}\n0\n", name(world), shell.display());
            assert_eq!(said, wanted);
            assert_eq!(fs::read_to_string(&done).unwrap(), "1\n");
            proven(world);
            for file in ["done", "said"] {
                fs::remove_file(world.project.join(file)).unwrap();
            }
        }
    });
}

#[test]
fn sshd_runs_commands_sessions_and_transfers_with_it() {
    if !has_programs() || !has(&["sshd", "ssh", "ssh-keygen", "scp", "sftp", "rsync"]) {
        return;
    }
    online("{}", |world, outside| {
        accounts(world, "sbsh");
        // The accounts of this network are the ones that sshd asks.
        fs::copy(place(world).join("passwd"), outside.place.join("passwd")).unwrap();
        let (_server, _) = sshd(world, outside);
        let host = format!("{}@good.test", name(world));
        let project = world.project.display().to_string();
        let run = |program: &str, words: &[&str]| -> Ran {
            outside.command(world, program.as_ref(), words).output().unwrap().into()
        };
        let text = format!("cd {project}; {PROOF}; exit 7");
        gives(&run("ssh", &[&host, &text]), 7, PROVEN);
        proven(world);
        assert_eq!(run("ssh", &[&host, "kill -TERM $$"]).status, Some(255));

        // Bytes go both ways as they are, and nothing is said on the way.
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(n) / 7) as u8).collect();
        let (sent, back, there) =
            (world.home.join("sent"), world.home.join("back"), world.project.join("there"));
        fs::write(&sent, &bytes).unwrap();
        world.give(&sent);
        let echo = outside
            .command(world, "ssh".as_ref(), &[&host, "cat"])
            .stdin(fs::File::open(&sent).unwrap())
            .output()
            .unwrap();
        assert!(echo.status.success() && echo.stdout == bytes, "{:?}", String::from_utf8_lossy(&echo.stderr));
        assert_eq!(String::from_utf8_lossy(&echo.stderr), "");
        // A script on standard input is a login shell's.
        world.write(
            &world.home.join("script"),
            "echo $0 $FROM_PROFILE; test -e /dev/.sbsh && echo confined; exit 4\n",
        );
        let script = outside
            .command(world, "ssh".as_ref(), &[&host])
            .stdin(fs::File::open(world.home.join("script")).unwrap())
            .output()
            .unwrap()
            .into();
        gives(&script, 4, "-bash yes\nconfined\n");

        let path = |path: &Path| path.display().to_string();
        let remote = |path: &Path| format!("{host}:{}", path.display());
        let held = world.outside.join("x");
        let before = fs::read_dir(&world.outside).unwrap().count();
        let transfers: [(&str, &[&str]); 4] = [
            ("scp", &["-q"]),
            ("scp", &["-q", "-O"]),
            ("rsync", &["-a", "-e", "ssh"]),
            ("rsync", &["-az", "--inplace", "-e", "ssh"]),
        ];
        for (program, options) in transfers {
            let copy = |from: &str, to: &str| run(program, &[options, &[from, to]].concat());
            gives(&copy(&path(&sent), &remote(&there)), 0, "");
            assert!(fs::read(&there).unwrap() == bytes, "{program} {options:?}");
            gives(&copy(&remote(&there), &path(&back)), 0, "");
            assert!(fs::read(&back).unwrap() == bytes, "{program} {options:?}");
            assert_ne!(copy(&path(&sent), &remote(&held)).status, Some(0), "{program} {options:?}");
            fs::remove_file(&there).unwrap();
            fs::remove_file(&back).unwrap();
        }
        world.write(
            &world.home.join("batch"),
            &format!(
                "put {0} {1}\nget {1} {2}\n-put {0} {3}\nls {1}\n",
                path(&sent),
                path(&there),
                path(&back),
                path(&held)
            ),
        );
        let batch = run("sftp", &["-q", "-b", &path(&world.home.join("batch")), &host]);
        assert_eq!(batch.status, Some(0), "{batch:?}");
        assert!(fs::read(&back).unwrap() == bytes && fs::read(&there).unwrap() == bytes);
        assert_eq!(fs::read_dir(&world.outside).unwrap().count(), before);

        let mut command = terminal_command(world, "nsenter");
        let there = outside.command(world, "ssh".as_ref(), &["-tt", &host]);
        command.args(there.get_args()).uid(0).gid(0);
        command.envs(there.get_envs().filter_map(|(name, value)| Some((name, value?))));
        in_a_session(Screen::start(command, || {}), 3);
    });
}
