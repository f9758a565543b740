//! A question in the approver console, told on the desktop by `notify-send`: a stand-in on a system path, in a mount
//! namespace of the test.

use crate::net::{Outside, has_programs};
use crate::world::{Ran, each, until};
use std::fs;

/// Arguments: a directory for the stand-in, the user, the rest. The directory hides /usr/local/bin.
const WITH_STAND_IN: &str = r#"
mount --bind "$1" /usr/local/bin && exec setpriv --reuid "$2" --regid "$2" --clear-groups /usr/bin/python3 -c "${@:3}"
"#;

/// A person at a console, and a command that has no terminal.
const PERSON: &str = r#"
import os, pty, subprocess, sys, time
console, fd = pty.fork()
if console == 0: os.execv(sys.argv[1] + "/sbshctl", ["sbshctl", "approve"])
def until(text):
    seen = b""
    while text not in seen: seen += os.read(fd, 4096)
until(b"\n")
command = subprocess.Popen([sys.argv[1] + "/sbsh", "-c", "true secret words; curl -sS http://good.test/1"],
    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
until(b"[n]o")
while command.poll() is None: # keys that come too soon after the question do not count
    os.write(fd, b"o")
    time.sleep(0.1)
print(command.communicate()[0].decode(), end="", flush=True)
os.kill(console, 9)
"#;

#[test]
fn a_question_is_told_on_the_desktop_without_the_command() {
    if !has_programs() {
        return;
    }
    each(|world| {
        world.user_settings("{}");
        let outside = Outside::new(world);
        let place = outside.place.join("stand-in");
        fs::create_dir(&place).unwrap();
        let program = place.join("notify-send");
        // Whole at once, so that whoever looks never sees half.
        fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$XDG_RUNTIME_DIR/new\"; mv \"$XDG_RUNTIME_DIR/new\" \"$XDG_RUNTIME_DIR/notified\"\n").unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let user = world.user.to_string();
        let mut command = outside.command_as_root(world, "unshare".as_ref());
        command.args(["--mount", "bash", "-c", WITH_STAND_IN, "bash"]).arg(&place).args([&user, PERSON]);
        let ran: Ran = command.arg(world.bin("sbsh").parent().unwrap()).output().unwrap().into();
        assert_eq!(ran.stdout, "http GET /1 host=good.test body=0\n", "{ran:?}");
        let notified = world.outside.join("run/notified");
        until(|| notified.exists());
        let words = fs::read_to_string(notified).unwrap();
        let lines: Vec<&str> = words.lines().collect();
        assert_eq!(lines[..3], ["--app-name=sbsh", "--", "A command wants to connect"], "{words}");
        assert!(lines[3].starts_with("good.test:80") && !words.contains("secret"), "{words}");
    });
}
