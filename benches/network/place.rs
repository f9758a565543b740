//! The place to measure in: a network namespace of its own with a second address, and a name for that.
//!
//! 127/8 inside a sandbox is the sandbox's own, so the server needs another address; one of a namespace of our own is
//! nobody else's, and nothing leaves the machine.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The server's address (RFC 5737: nobody's).
pub const ADDRESS: &str = "203.0.113.10";
/// Its name.
pub const NAME: &str = "bench.test";
/// The argument that says that this process is there already.
pub const THERE: &str = "there";

/// Executes this program again, in namespaces of its own. Returns only if that fails.
pub fn go(sbsh: &Path) -> String {
    let Ok(this) = std::env::current_exe() else { return "cannot find this program".into() };
    let ways: &[&str] =
        if nix::unistd::geteuid().is_root() { &["--net", "--mount"] } else { &["-Ur", "--net", "--mount"] };
    let mut command = Command::new("unshare");
    command.args(ways).arg("--").arg(this).arg(THERE).env("SBSH_BENCH_BINARY", sbsh);
    format!("cannot run unshare: {}", command.exec())
}

/// Makes it ready; `hosts` is a file that may be written.
///
/// # Errors
/// The command that failed.
pub fn furnish(hosts: &Path) -> Result<(), String> {
    let text = format!("127.0.0.1 localhost\n{ADDRESS} {NAME}\n");
    std::fs::write(hosts, text).map_err(|e| format!("{}: {e}", hosts.display()))?;
    let words = |text: &'static str| text.split(' ').map(OsStr::new).collect::<Vec<_>>();
    // Thousands of ended connections to the same port would make the search for a free port what is measured.
    let few = "/proc/sys/net/ipv4/tcp_max_tw_buckets";
    std::fs::write(few, "1").map_err(|e| format!("{few}: {e}"))?;
    run(&words("ip link set lo up"))?;
    let whole = format!("{ADDRESS}/32");
    run(&[words("ip addr add"), vec![OsStr::new(&whole)], words("dev lo")].concat())?;
    run(&[words("mount --bind"), vec![hosts.as_os_str(), OsStr::new("/etc/hosts")]].concat())
}

fn run(words: &[&OsStr]) -> Result<(), String> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let ended = Command::new(program).args(arguments).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{words:?}: {status}")),
        Err(error) => Err(format!("{words:?}: {error}")),
    }
}

/// Descriptors for a thousand connections; whoever we start inherits that.
pub fn raise_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
