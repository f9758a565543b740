//! A network of the test's own: a namespace with servers on public-looking addresses and its own resolver. What is asked
//! afterwards is what the servers received.

use crate::world::{Ran, World, skip};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The namespaces with their servers; gone when dropped.
pub struct Outside {
    holder: Child,
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
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/hosts" /etc/hosts
exec python3 "$2" "$1/log" "$1/certificate" "$1/key"
"#;

/// What the tests of the network need beside bubblewrap.
pub fn has_programs() -> bool {
    let programs = ["ip", "python3", "openssl", "curl", "unshare", "nsenter"];
    let missing: Vec<&str> = programs
        .into_iter()
        .filter(|name| {
            !Command::new("sh").args(["-c", &format!("command -v {name}")]).output().unwrap().status.success()
        })
        .collect();
    if !missing.is_empty() {
        skip(&format!("{missing:?} are not installed"));
    }
    // Not `skip`, which fails where everything must run: this is no matter of what is installed.
    let own = Command::new("unshare").args(["--net", "--mount", "true"]).stderr(Stdio::null()).status();
    if !own.is_ok_and(|status| status.success()) {
        println!("skipped: making network namespaces with servers needs root and its capabilities");
        return false;
    }
    missing.is_empty()
}

impl Outside {
    pub fn new(world: &World) -> Outside {
        let place = world.outside.join("net");
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(place.join("resolv.conf"), "nameserver 203.0.113.53\noptions timeout:1 attempts:1\n")
            .unwrap();
        fs::write(place.join("hosts"), "127.0.0.1 localhost\n203.0.113.10 listed.test\n").unwrap();
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
        Outside { holder, log: place.join("log"), certificate: place.join("certificate") }
    }

    /// A command in these namespaces, as the world's user.
    pub fn command(&self, world: &World, program: &Path, arguments: &[&str]) -> Command {
        let user = world.user.to_string();
        let mut command = world.command("nsenter");
        // The namespaces are root's: the user is changed inside.
        use std::os::unix::process::CommandExt;
        command.uid(0).gid(0);
        command.arg("--target").arg(self.holder.id().to_string()).args(["--net", "--mount"]);
        // Another mount namespace has another working directory.
        command.args(["env".as_ref(), "-C".as_ref(), world.project.as_os_str()]);
        command.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"]);
        // Nobody's approver console is asked: the person at this machine is not part of the test.
        let runtime = world.outside.join("run");
        if fs::create_dir(&runtime).is_ok() {
            fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
            world.give(&runtime);
        }
        command.env("XDG_RUNTIME_DIR", &runtime);
        command.env("CA", &self.certificate).arg(program).args(arguments);
        command
    }

    /// `sbsh -c TEXT` there.
    pub fn run(&self, world: &World, text: &str) -> Ran {
        self.command(world, &world.bin("sbsh"), &["-c", text]).output().unwrap().into()
    }

    /// What the servers received so far.
    pub fn received(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
