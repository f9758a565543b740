//! A network of the test's own: a namespace with servers on public-looking addresses and its own resolver. What is asked
//! afterwards is what the servers received.

pub mod tools;

use crate::world::{self, Ran, World};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The namespaces with their servers; gone when dropped.
pub struct Outside {
    holder: Child,
    /// What belongs to the servers; root's, readable by everybody.
    pub place: PathBuf,
    pub log: PathBuf,
    pub certificate: PathBuf,
}

const PREPARE: &str = r#"
set -e
mount --make-rprivate /
ip link set lo up
for address in 203.0.113.10 203.0.113.66 203.0.113.53 10.9.9.9 169.254.169.254; do
    ip address add $address/32 dev lo
done
ip address add 2001:db8::66/128 dev lo nodad || true
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/passwd" /etc/passwd
[ ! -d /etc/ssh/ssh_config.d ] || mount --bind "$1/ssh_config.d" /etc/ssh/ssh_config.d
exec python3 "$2" "$1/log" "$1/certificate" "$1/key"
"#;

/// What the tests of the network need beside bubblewrap.
pub fn has_programs() -> bool {
    let there = world::has(&["ip", "python3", "openssl", "curl", "unshare", "nsenter", "setpriv"]);
    // Not `skip`, which fails where everything must run: this is no matter of what is installed.
    let own = Command::new("unshare").args(["--net", "--mount", "true"]).stderr(Stdio::null()).status();
    if !own.is_ok_and(|status| status.success()) {
        world::not_here("making network namespaces with servers needs root and its capabilities");
        return false;
    }
    there
}

impl Outside {
    pub fn new(world: &World) -> Outside {
        let place = world.outside.join("net");
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(place.join("resolv.conf"), "nameserver 203.0.113.53\noptions timeout:1 attempts:1\n")
            .unwrap();
        fs::write(place.join("hosts"), "127.0.0.1 localhost\n203.0.113.10 listed.test\n").unwrap();
        // ssh takes names and homes from here; an ordinary user is one without privileges, not one without a name.
        let accounts = format!(
            "root:x:0:0:root:{0}:/bin/sh\nordinary:x:{1}:{1}::{0}:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
             nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n",
            world.home.display(),
            world::ORDINARY
        );
        fs::write(place.join("passwd"), accounts).unwrap();
        // As distributions have them: of root's, and ssh refuses to go on if it thinks that they are somebody else's.
        fs::create_dir(place.join("ssh_config.d")).unwrap();
        fs::write(place.join("ssh_config.d/50-distribution.conf"), "Host *\n    HashKnownHosts no\n")
            .unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args([
                "-days",
                "2",
                "-subj",
                "/CN=good.test",
                "-keyout",
                "key",
                "-out",
                "certificate",
                "-addext",
            ])
            .arg("subjectAltName=DNS:good.test,DNS:*.good.test,DNS:other.test,DNS:evil.test")
            .current_dir(&place)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/net/servers.py");
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", PREPARE, "sh"])
            .args([&place, &servers])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Outside { holder, log: place.join("log"), certificate: place.join("certificate"), place }
    }

    /// Starts one more server in these namespaces, as root and with processes and mounts of its own: a text for bash
    /// with `$1` …; it says "ready" on its output when it serves.
    pub fn serve(&self, text: &str, arguments: &[&OsStr]) -> Server {
        let mut server = Command::new("nsenter")
            .arg("--target")
            .arg(self.holder.id().to_string())
            .args([
                "--net",
                "--mount",
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args(["bash", "-c", text, "bash"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(server.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Server { process: server, _output: output }
    }

    /// A command in these namespaces, as the world's user.
    pub fn command(&self, world: &World, program: &Path, arguments: &[&str]) -> Command {
        let user = world.user.to_string();
        let mut command = self.command_as_root(world, "setpriv".as_ref());
        // The namespaces are root's: the user is changed inside.
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(program).args(arguments);
        command
    }

    /// A command in these namespaces, as root, with the world's small environment.
    pub fn command_as_root(&self, world: &World, program: &Path) -> Command {
        let mut command = world.command("nsenter");
        use std::os::unix::process::CommandExt;
        command.uid(0).gid(0);
        command.arg("--target").arg(self.holder.id().to_string()).args(["--net", "--mount"]);
        // Another mount namespace has another working directory.
        command.args(["env".as_ref(), "-C".as_ref(), world.project.as_os_str()]);
        // Nobody's approver console is asked: the person at this machine is not part of the test.
        let runtime = world.outside.join("run");
        if fs::create_dir(&runtime).is_ok() {
            fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
            world.give(&runtime);
        }
        command.env("XDG_RUNTIME_DIR", &runtime);
        command.env("CA", &self.certificate).arg(program);
        command
    }

    /// `sbsh -c TEXT` there.
    pub fn run(&self, world: &World, text: &str) -> Ran {
        self.command(world, &world.bin("sbsh"), &["-c", text]).output().unwrap().into()
    }

    /// Has one of the machine's files (`hosts`, `resolv.conf`) say more.
    pub fn add_to(&self, file: &str, text: &str) {
        let path = self.place.join(file);
        let before = fs::read_to_string(&path).unwrap();
        fs::write(path, before + text).unwrap();
    }

    /// What the servers received so far.
    pub fn received(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// One more server; gone, with all that it started, when dropped.
pub struct Server {
    process: Child,
    _output: BufReader<std::process::ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until a place answers; for texts of [`Outside::serve`]. It is asked until it does, however long that takes:
/// a server that never comes up ends the program that stands for it, and so the waiting.
pub const UNTIL_OPEN: &str = r#"
until_open() { # HOST PORT PID
    until (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; do
        kill -0 "$3" 2>/dev/null || exit 1
        sleep 0.05
    done
    echo ready
    wait "$3"
}
"#;

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
