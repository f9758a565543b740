//! install.sh, run for real below temporary directories: what it installs, what it removes, and which package
//! manager it would call. The package managers are stand-ins in a PATH of the test's own; no test builds sbsh,
//! touches the machine's own packages or writes outside its temporary directory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Programs that install.sh may use. Nothing else is on PATH, above all neither bwrap nor a real package manager.
const TOOLS: &[&str] = &[
    "basename", "cat", "chmod", "cp", "dirname", "env", "grep", "ln", "mkdir", "mv", "readlink", "rm",
    "rmdir", "sed", "sh", "sort", "tail", "tee", "true", "uname",
];

/// One place for one test.
struct Place {
    directory: TempDir,
}

impl Place {
    /// With the given user id told by `id`, and a stand-in for the sbsh program.
    fn new(user: u32) -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("tools")).unwrap();
        fs::create_dir(place.path("home")).unwrap();
        for tool in TOOLS {
            symlink(real(tool), place.path("tools").join(tool)).unwrap();
        }
        place.tool("id", &format!("echo {user}"));
        place.write("sbsh program", "#!/bin/sh\necho first\n");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A stand-in program that logs how it was called and then does `body`.
    fn tool(&self, name: &str, body: &str) {
        let log = self.text("log");
        let text = format!("#!/bin/sh\n[ {name} = id ] || echo \"{name} $*\" >>'{log}'\n{body}\n");
        self.write(&format!("tools/{name}"), &text);
    }

    /// How the stand-ins were called, in order.
    fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.path("log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh"))
            .args(arguments)
            .env_clear()
            .env("PATH", self.path("tools"))
            .env("HOME", self.path("home"))
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs with the stand-in program and without looking for bubblewrap.
    fn install(&self, arguments: &[&str]) -> Ran {
        let binary = self.text("sbsh program");
        self.run(&[&["--binary", &binary, "--no-deps"], arguments].concat())
    }
}

/// What came of a run.
#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    fn succeeds(self) -> Ran {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self
    }
}

/// Where this machine has a tool.
fn real(tool: &str) -> PathBuf {
    ["/usr/bin", "/bin", "/usr/local/bin"]
        .iter()
        .map(|directory| Path::new(directory).join(tool))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("this machine has no {tool}"))
}

/// Everything below a directory, relative to it, sorted.
fn listing(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The man pages and completions of this checkout, as the paths they get below the prefix.
fn pages_and_completions() -> Vec<String> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut expected = Vec::new();
    for entry in fs::read_dir(checkout.join("man")).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(section @ ("1" | "5" | "7")) = name.rsplit('.').next() {
            expected.push(format!("share/man/man{section}/{name}"));
        }
    }
    for (source, target) in [
        ("sbsh.bash", "share/bash-completion/completions/sbsh"),
        ("sbsh.bash", "share/bash-completion/completions/sbshctl"),
        ("sbsh.zsh", "share/zsh/site-functions/_sbsh"),
        ("sbsh.fish", "share/fish/vendor_completions.d/sbsh.fish"),
        ("sbshctl.fish", "share/fish/vendor_completions.d/sbshctl.fish"),
    ] {
        assert!(checkout.join("completions").join(source).exists(), "{source}");
        expected.push(target.to_owned());
    }
    expected.sort();
    expected
}

#[test]
fn a_prefix_with_blanks_gets_the_program_its_names_pages_and_completions() {
    let place = Place::new(0);
    let prefix = place.path("a prefix/it's here");
    place.install(&["--prefix", prefix.to_str().unwrap()]).succeeds();

    let program = prefix.join("bin/sbsh");
    assert_eq!(fs::read_to_string(&program).unwrap(), "#!/bin/sh\necho first\n");
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::read_link(prefix.join("bin/sbshctl")).unwrap(), Path::new("sbsh"));
    for name in ["bash", "zsh", "sh", "fish"] {
        assert_eq!(fs::read_link(prefix.join("lib/sbsh/aliases").join(name)).unwrap(), program);
    }
    let files: Vec<String> = listing(&prefix)
        .into_iter()
        .filter(|path| prefix.join(path).is_file() && path.starts_with("share"))
        .collect();
    assert_eq!(files, pages_and_completions());
    for file in files {
        assert_eq!(fs::metadata(prefix.join(file)).unwrap().permissions().mode() & 0o7777, 0o644);
    }
}

#[test]
fn a_strict_umask_does_not_make_a_program_that_only_root_can_run() {
    let place = Place::new(0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
    let mut command = place.command(&[]);
    command = {
        let mut under_umask = Command::new("/bin/sh");
        under_umask.args(["-c", "umask 077; exec /bin/sh \"$@\"", "sh"]).arg(script);
        under_umask.args(["--no-deps", "--prefix", "p", "--binary", "sbsh program"]);
        under_umask.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        under_umask.current_dir(place.directory.path()).stdin(Stdio::null());
        under_umask
    };
    Ran::from(command.output().unwrap()).succeeds();
    for (path, mode) in
        [("p", 0o755), ("p/bin", 0o755), ("p/bin/sbsh", 0o755), ("p/lib/sbsh/installed", 0o644)]
    {
        assert_eq!(fs::metadata(place.path(path)).unwrap().permissions().mode() & 0o7777, mode, "{path}");
    }
}

#[test]
fn a_second_run_replaces_the_program_and_changes_nothing_else() {
    let place = Place::new(0);
    let prefix = place.text("p");
    place.install(&["--prefix", &prefix]).succeeds();
    let before = listing(Path::new(&prefix));
    let record = fs::read_to_string(place.path("p/lib/sbsh/installed")).unwrap();
    place.write("sbsh program", "#!/bin/sh\necho second\n");
    place.install(&["--prefix", &prefix]).succeeds();

    assert_eq!(listing(Path::new(&prefix)), before);
    assert_eq!(fs::read_to_string(place.path("p/lib/sbsh/installed")).unwrap(), record);
    assert_eq!(fs::read_to_string(place.path("p/bin/sbsh")).unwrap(), "#!/bin/sh\necho second\n");
}

#[test]
fn a_program_that_is_running_is_replaced_and_runs_on() {
    let place = Place::new(0);
    // A real executable: writing into it while it runs would fail with "text file busy".
    fs::copy(real("cat"), place.path("sbsh program")).unwrap();
    place.install(&["--prefix", &place.text("p")]).succeeds();
    let mut running =
        Command::new(place.path("p/bin/sbsh")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    place.write("sbsh program", "new");
    place.install(&["--prefix", &place.text("p")]).succeeds();

    assert_eq!(fs::read(place.path("p/bin/sbsh")).unwrap(), b"new");
    running.stdin.take().unwrap().write_all(b"still here").unwrap();
    assert_eq!(running.wait_with_output().unwrap().stdout, b"still here");
}

#[test]
fn uninstall_leaves_nothing() {
    let place = Place::new(0);
    let prefix = place.text("deep er/p");
    let before = listing(place.directory.path());
    place.install(&["--prefix", &prefix]).succeeds();
    place.install(&["--prefix", &prefix]).succeeds();
    place.run(&["--uninstall", "--prefix", &prefix]).succeeds();
    assert_eq!(listing(place.directory.path()), before);
}

#[test]
fn uninstall_leaves_what_was_there_before_and_what_others_added() {
    let place = Place::new(0);
    fs::create_dir_all(place.path("p/bin")).unwrap();
    place.install(&["--prefix", &place.text("p")]).succeeds();
    place.write("p/lib/sbsh/aliases/dash", "somebody else's");
    place.run(&["--uninstall", "--prefix", &place.text("p")]).succeeds();
    assert_eq!(
        listing(&place.path("p")),
        ["bin", "lib", "lib/sbsh", "lib/sbsh/aliases", "lib/sbsh/aliases/dash"]
    );
}

#[test]
fn uninstall_of_nothing_is_in_order_and_a_program_of_somebody_else_stays() {
    let place = Place::new(0);
    let ran = place.run(&["--uninstall", "--prefix", &place.text("p")]).succeeds();
    assert_eq!(ran.stdout, format!("sbsh is not installed below {}\n", place.text("p")));

    place.write("p/bin/sbsh", "from elsewhere");
    let ran = place.run(&["--uninstall", "--prefix", &place.text("p")]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("was not installed by this script"), "{}", ran.stderr);
    assert!(place.path("p/bin/sbsh").exists());
}

#[test]
fn a_record_that_names_other_places_removes_nothing() {
    for line in ["file /etc/passwd", "file PREFIX/../victim", "shells /bin/sh", "link PREFIX"] {
        let place = Place::new(0);
        place.write("victim", "dear");
        place.install(&["--prefix", &place.text("p")]).succeeds();
        let record = place.path("p/lib/sbsh/installed");
        let forged = fs::read_to_string(&record).unwrap() + &line.replace("PREFIX", &place.text("p")) + "\n";
        fs::write(&record, forged).unwrap();
        let ran = place.run(&["--uninstall", "--prefix", &place.text("p")]);
        assert_eq!(ran.status, Some(1), "{line}");
        assert!(ran.stderr.contains("nothing is removed"), "{line}: {}", ran.stderr);
        assert!(place.path("victim").exists() && place.path("p/bin/sbsh").exists(), "{line}");
    }
}

#[test]
fn user_means_the_home_directory() {
    let place = Place::new(1000);
    place.install(&["--user"]).succeeds();
    assert!(place.path("home/.local/bin/sbsh").is_file());
    place.run(&["--uninstall", "--user"]).succeeds();
    assert_eq!(listing(&place.path("home")), Vec::<String>::new());

    let ran = Ran::from(place.command(&["--user", "--no-deps"]).env_remove("HOME").output().unwrap());
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("--user needs HOME"), "{}", ran.stderr);
}

#[test]
fn destdir_moves_the_files_and_not_what_they_say() {
    let place = Place::new(0);
    let destdir = place.text("package root");
    place.install(&["--prefix", "/opt/sbsh", "--destdir", &destdir]).succeeds();
    let root = place.path("package root");
    assert_eq!(
        fs::read_link(root.join("opt/sbsh/lib/sbsh/aliases/zsh")).unwrap(),
        Path::new("/opt/sbsh/bin/sbsh")
    );
    let record = fs::read_to_string(root.join("opt/sbsh/lib/sbsh/installed")).unwrap();
    assert!(record.starts_with("dir /opt\n"), "{record}");
    assert!(!record.contains("package root"), "{record}");
    place.run(&["--uninstall", "--prefix", "/opt/sbsh", "--destdir", &destdir]).succeeds();
    assert_eq!(listing(&root), Vec::<String>::new());
}

#[test]
fn a_dry_run_changes_nothing_and_says_everything() {
    let place = Place::new(0);
    let before = listing(place.directory.path());
    let ran = place.install(&["--prefix", &place.text("new p"), "--dry-run"]).succeeds();
    assert!(
        ran.stdout.contains(&format!(
            "install -m 755 '{}' '{}/bin/sbsh'",
            place.text("sbsh program"),
            place.text("new p")
        )),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.ends_with("nothing was changed\n"), "{}", ran.stdout);
    assert_eq!(listing(place.directory.path()), before);

    place.install(&["--prefix", &place.text("p")]).succeeds();
    let before = listing(place.directory.path());
    let ran = place.run(&["--uninstall", "--prefix", &place.text("p"), "--dry-run"]).succeeds();
    assert!(ran.stdout.contains(&format!("rm -f -- {}/bin/sbsh", place.text("p"))), "{}", ran.stdout);
    assert_eq!(listing(place.directory.path()), before);
}

#[test]
fn wrong_use_is_status_2_with_the_usage() {
    let place = Place::new(0);
    for (arguments, message) in [
        (&["--frobnicate"][..], "unknown option '--frobnicate'"),
        (&["extra"], "unknown option 'extra'"),
        (&["--prefix"], "--prefix needs a value"),
        (&["--prefix="], "--prefix needs a value"),
        (&["--binary", ""], "--binary needs a value"),
        (&["--user", "--prefix", "/x"], "--user and --prefix exclude each other"),
        (&["--uninstall", "--login-shell"], "--uninstall goes with neither --binary nor --login-shell"),
        (&["--prefix", "/x/../y"], "give --prefix without '..'"),
        (&["--prefix", "/x\ny"], "a path with a line break cannot be recorded"),
    ] {
        let ran = place.run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(
            ran.stderr.starts_with(&format!("install.sh: {message}\nusage: ")),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    let help = place.run(&["--help"]).succeeds();
    assert!(help.stdout.starts_with("usage: ./install.sh "), "{}", help.stdout);
}

#[test]
fn what_stands_in_the_way_is_said_and_left_alone() {
    let place = Place::new(0);
    fs::create_dir_all(place.path("a/bin/sbsh")).unwrap();
    place.write("b/lib/sbsh/aliases/bash", "a real file");
    place.write("c", "a file");
    for (prefix, message) in [
        ("a", "a directory is in the way"),
        ("b", "something that is not a link is in the way"),
        ("c", "is not a directory"),
    ] {
        let ran = place.install(&["--prefix", &place.text(prefix)]);
        assert_eq!(ran.status, Some(1), "{prefix}");
        assert!(ran.stderr.contains(message), "{prefix}: {}", ran.stderr);
    }
    assert_eq!(fs::read_to_string(place.path("b/lib/sbsh/aliases/bash")).unwrap(), "a real file");
    let ran = place.run(&["--no-deps", "--prefix", &place.text("d"), "--binary", &place.text("nothing")]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("not a file that can be read"), "{}", ran.stderr);
    assert!(!place.path("d").exists());
}

#[test]
fn a_prefix_that_names_another_shell_is_warned_about() {
    let place = Place::new(0);
    let ran = place.install(&["--prefix", &place.text("my-bash-things")]);
    assert_eq!(ran.status, Some(0));
    assert!(ran.stderr.contains("contains the word bash or zsh"), "{}", ran.stderr);
    assert!(place.path("my-bash-things/bin/sbsh").exists());
}

// --- login shell -------------------------------------------------------------------------------------------------

#[test]
fn the_login_shell_line_is_added_once_and_taken_back() {
    for original in ["/bin/sh\n/bin/bash\n", "/bin/sh", ""] {
        let place = Place::new(0);
        place.write("root/etc/shells", original);
        let destdir = place.text("root");
        let arguments = ["--prefix", "/usr/local", "--destdir", &destdir, "--login-shell"];
        let ran = place.install(&arguments).succeeds();
        assert!(
            ran.stdout.ends_with("to make it your login shell:\n  chsh -s /usr/local/bin/sbsh\n"),
            "{}",
            ran.stdout
        );
        let ended = if original.is_empty() || original.ends_with('\n') { "" } else { "\n" };
        let with_ours = format!("{original}{ended}/usr/local/bin/sbsh\n");
        assert_eq!(fs::read_to_string(place.path("root/etc/shells")).unwrap(), with_ours);

        place.install(&arguments).succeeds();
        assert_eq!(fs::read_to_string(place.path("root/etc/shells")).unwrap(), with_ours);

        place.run(&["--uninstall", "--prefix", "/usr/local", "--destdir", &destdir]).succeeds();
        assert_eq!(fs::read_to_string(place.path("root/etc/shells")).unwrap(), format!("{original}{ended}"));
    }
}

#[test]
fn a_login_shell_line_that_was_there_before_stays() {
    let place = Place::new(0);
    place.write("root/etc/shells", "/opt/bin/sbsh\n/bin/sh\n");
    let destdir = place.text("root");
    place.install(&["--prefix", "/opt", "--destdir", &destdir, "--login-shell"]).succeeds();
    place.run(&["--uninstall", "--prefix", "/opt", "--destdir", &destdir]).succeeds();
    assert_eq!(fs::read_to_string(place.path("root/etc/shells")).unwrap(), "/opt/bin/sbsh\n/bin/sh\n");
}

#[test]
fn without_login_shell_etc_shells_is_not_touched() {
    let place = Place::new(0);
    place.write("root/etc/shells", "/bin/sh\n");
    place.install(&["--prefix", "/opt", "--destdir", &place.text("root")]).succeeds();
    assert_eq!(fs::read_to_string(place.path("root/etc/shells")).unwrap(), "/bin/sh\n");
}

#[test]
fn a_path_that_etc_shells_cannot_hold_is_refused_before_anything_is_installed() {
    let place = Place::new(0);
    place.write("root/etc/shells", "/bin/sh\n");
    let ran = place.install(&["--prefix", "/my opt", "--destdir", &place.text("root"), "--login-shell"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("cannot stand in /etc/shells"), "{}", ran.stderr);
    assert_eq!(listing(&place.path("root")), ["etc", "etc/shells"]);
}

#[test]
fn a_login_shell_in_use_is_not_removed() {
    for shell in ["/opt/bin/sbsh", "/opt/lib/sbsh/aliases/bash"] {
        let place = Place::new(0);
        let destdir = place.text("root");
        place.write(
            "root/etc/passwd",
            &format!("root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann:/home/ann:{shell}\n"),
        );
        place.install(&["--prefix", "/opt", "--destdir", &destdir]).succeeds();
        let ran = place.run(&["--uninstall", "--prefix", "/opt", "--destdir", &destdir]);
        assert_eq!(ran.status, Some(1));
        assert!(ran.stderr.contains("is the login shell of: ann."), "{}", ran.stderr);
        assert!(place.path("root/opt/bin/sbsh").exists());
    }
}

// --- bubblewrap --------------------------------------------------------------------------------------------------

/// Installs below `p` with the machine looking as `place` makes it look, bubblewrap missing.
fn with_dependencies(place: &Place, arguments: &[&str]) -> Ran {
    let (prefix, binary) = (place.text("p"), place.text("sbsh program"));
    let ran = place.run(&[&["--prefix", &prefix, "--binary", &binary], arguments].concat());
    let dry = arguments.contains(&"--dry-run");
    assert_eq!(place.path("p/bin/sbsh").exists(), !dry, "the program is installed in any case: {ran:?}");
    ran
}

#[test]
fn each_package_manager_is_called_in_its_own_words() {
    for (manager, call) in [
        ("apt-get", "apt-get install -y --no-install-recommends bubblewrap"),
        ("dnf", "dnf install -y bubblewrap"),
        ("yum", "yum install -y bubblewrap"),
        ("zypper", "zypper --non-interactive install bubblewrap"),
        ("pacman", "pacman -S --noconfirm --needed bubblewrap"),
        ("apk", "apk add --no-cache bubblewrap"),
    ] {
        let place = Place::new(0);
        place.tool(manager, "");
        if manager == "apt-get" {
            place.write("tools/apt-cache", "#!/bin/sh\nexit 0\n");
        }
        let ran = with_dependencies(&place, &["--yes"]).succeeds();
        assert_eq!(place.calls(), [call]);
        let said = ran.stdout.find(call);
        assert!(said.is_some() && said < ran.stdout.find("sbsh is installed"), "{manager}: {}", ran.stdout);
    }
}

#[test]
fn empty_package_lists_are_filled_first() {
    let place = Place::new(0);
    place.tool("apt-get", "");
    place.write("tools/apt-cache", "#!/bin/sh\nexit 100\n");
    with_dependencies(&place, &["--yes"]).succeeds();
    assert_eq!(place.calls(), ["apt-get update", "apt-get install -y --no-install-recommends bubblewrap"]);
}

#[test]
fn stale_package_lists_are_refreshed_and_tried_again() {
    let install = "apt-get install -y --no-install-recommends bubblewrap";
    let place = Place::new(0);
    place.tool("apt-get", &format!("[ $1 = update ] && : >'{0}'; [ -e '{0}' ]", place.text("fresh")));
    place.write("tools/apt-cache", "#!/bin/sh\nexit 0\n");
    with_dependencies(&place, &["--yes"]).succeeds();
    assert_eq!(place.calls(), [install, "apt-get update", install]);

    let place = Place::new(0);
    let install = "pacman -S --noconfirm --needed bubblewrap";
    place.tool("pacman", &format!("[ $1 = -Sy ] && : >'{0}'; [ -e '{0}' ]", place.text("fresh")));
    with_dependencies(&place, &["--yes"]).succeeds();
    assert_eq!(place.calls(), [install, "pacman -Sy", install]);
}

#[test]
fn a_package_manager_that_fails_gives_status_1_after_installing_the_rest() {
    let place = Place::new(0);
    place.tool("dnf", "exit 1");
    let ran = with_dependencies(&place, &["--yes"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("bubblewrap could not be installed"), "{}", ran.stderr);
    assert_eq!(place.calls(), ["dnf install -y bubblewrap"]);
}

#[test]
fn without_a_terminal_and_without_yes_the_command_is_printed_and_not_run() {
    let place = Place::new(0);
    place.tool("dnf", "");
    let ran = with_dependencies(&place, &[]).succeeds();
    assert_eq!(place.calls(), Vec::<String>::new());
    assert!(
        ran.stdout.contains("\n  dnf install -y bubblewrap\ngoing on without bubblewrap"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_person_at_the_terminal_decides() {
    for (answer, calls) in [
        ("\n", &["dnf install -y bubblewrap"][..]),
        ("Yes\n", &["dnf install -y bubblewrap"]),
        ("n\n", &[]),
        ("what\n", &[]),
        ("\x04", &[]),
    ] {
        let place = Place::new(0);
        place.tool("dnf", "");
        let terminal = nix::pty::openpty(None, None).unwrap();
        let mut person = fs::File::from(terminal.master);
        person.write_all(answer.as_bytes()).unwrap();
        let (prefix, binary) = (place.text("p"), place.text("sbsh program"));
        let mut command = place.command(&["--prefix", &prefix, "--binary", &binary]);
        let ran = Ran::from(command.stdin(Stdio::from(terminal.slave)).output().unwrap());
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), "Install it now? [Y/n] "), "{answer:?}");
        assert_eq!(place.calls(), calls, "{answer:?}");
        assert!(place.path("p/bin/sbsh").exists(), "{answer:?}");
    }
}

#[test]
fn an_ordinary_user_goes_through_sudo_where_it_asks_for_nothing() {
    let place = Place::new(1000);
    place.tool("dnf", "");
    place.tool("sudo", "shift; exec \"$@\"");
    with_dependencies(&place, &["--yes"]).succeeds();
    assert_eq!(
        place.calls(),
        [
            "sudo -n true",
            "sudo -n env DEBIAN_FRONTEND=noninteractive dnf install -y bubblewrap",
            "dnf install -y bubblewrap"
        ]
    );

    let place = Place::new(1000);
    place.tool("dnf", "");
    place.tool("sudo", "exit 1");
    let ran = with_dependencies(&place, &["--yes"]).succeeds();
    assert_eq!(place.calls(), ["sudo -n true"]);
    assert!(ran.stdout.contains("\n  sudo dnf install -y bubblewrap\n"), "{}", ran.stdout);

    let place = Place::new(1000);
    place.tool("dnf", "");
    let ran = with_dependencies(&place, &["--yes"]).succeeds();
    assert_eq!(place.calls(), Vec::<String>::new());
    assert!(ran.stdout.contains("going on without bubblewrap"), "{}", ran.stdout);
}

#[test]
fn no_deps_a_dry_run_and_a_package_call_no_package_manager() {
    let place = Place::new(0);
    place.tool("dnf", "");
    let destdir = place.text("root");
    with_dependencies(&place, &["--yes", "--dry-run"]).succeeds();
    with_dependencies(&place, &["--yes", "--no-deps"]).succeeds();
    let binary = place.text("sbsh program");
    place.run(&["--yes", "--binary", &binary, "--destdir", &destdir]).succeeds();
    assert!(place.path("root/usr/local/bin/sbsh").exists());
    assert_eq!(place.calls(), Vec::<String>::new());
}

#[test]
fn an_unknown_system_is_told_what_to_install() {
    let place = Place::new(0);
    let ran = with_dependencies(&place, &["--yes"]);
    assert_eq!(ran.status, Some(0));
    assert!(ran.stderr.contains("no package manager that is known here"), "{}", ran.stderr);
}

#[test]
fn where_bubblewrap_is_nothing_is_called() {
    let Some(directory) =
        ["/usr/bin", "/bin", "/usr/local/bin"].into_iter().find(|d| Path::new(d).join("bwrap").exists())
    else {
        assert!(std::env::var_os("SBSH_TEST_REQUIRE").is_none(), "this machine has no bwrap");
        return;
    };
    let place = Place::new(0);
    place.tool("apt-get", "");
    place.tool("dnf", "");
    let path = format!("{}:{directory}", place.text("tools"));
    let mut command =
        place.command(&["--prefix", &place.text("p"), "--binary", &place.text("sbsh program"), "--yes"]);
    Ran::from(command.env("PATH", path).output().unwrap()).succeeds();
    assert_eq!(place.calls(), Vec::<String>::new());
}

// --- building ----------------------------------------------------------------------------------------------------

/// A cargo that "builds" by writing the target's name, and a rustc whose sysroot is in the place.
fn toolchain(place: &Place, build: &str) -> String {
    let sysroot = place.text("sysroot");
    place.tool("rustc", &format!("case $1 in -vV) echo 'host: here-native' ;; --print) echo '{sysroot}' ;; *) echo rustc 1.2.3 ;; esac"));
    place.tool(
        "cargo",
        &format!(
            "while [ $# -gt 0 ]; do case $1 in --target) t=$2 ;; --target-dir) d=$2 ;; esac; shift; done\n{build}\n\
             mkdir -p \"$d/$t/release\" && echo \"$t\" >\"$d/$t/release/sbsh\""
        ),
    );
    sysroot
}

fn build(place: &Place) -> Ran {
    let arguments = ["--no-deps", "--prefix", &place.text("p")];
    Ran::from(place.command(&arguments).env("CARGO_TARGET_DIR", place.path("target dir")).output().unwrap())
}

#[test]
fn a_static_program_is_built_where_the_target_is_there() {
    let place = Place::new(0);
    let machine = std::env::consts::ARCH;
    let sysroot = toolchain(&place, "");
    build(&place).succeeds();
    assert_eq!(fs::read_to_string(place.path("p/bin/sbsh")).unwrap(), "here-native\n");

    fs::create_dir_all(format!("{sysroot}/lib/rustlib/{machine}-unknown-linux-musl")).unwrap();
    build(&place).succeeds();
    assert_eq!(
        fs::read_to_string(place.path("p/bin/sbsh")).unwrap(),
        format!("{machine}-unknown-linux-musl\n")
    );
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let call = format!(
        "cargo build --release --locked --bin sbsh --manifest-path {} --target-dir {} --target {machine}-unknown-linux-musl",
        manifest.display(),
        place.text("target dir")
    );
    assert!(place.calls().contains(&call), "{:?}", place.calls());
}

#[test]
fn a_static_build_that_fails_is_followed_by_a_native_one() {
    let place = Place::new(0);
    let sysroot = toolchain(&place, "[ $t = here-native ] || exit 101");
    fs::create_dir_all(format!("{sysroot}/lib/rustlib/{}-unknown-linux-musl", std::env::consts::ARCH))
        .unwrap();
    let ran = build(&place);
    assert_eq!(ran.status, Some(0));
    assert_eq!(ran.stderr, "install.sh: the static build failed; trying the native one\n");
    assert_eq!(fs::read_to_string(place.path("p/bin/sbsh")).unwrap(), "here-native\n");
}

#[test]
fn a_build_that_fails_installs_nothing() {
    let place = Place::new(0);
    toolchain(&place, "exit 101");
    let ran = build(&place);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("Rust 1.95 or newer is needed"), "{}", ran.stderr);
    assert!(!place.path("p").exists());

    let place = Place::new(0);
    let ran = build(&place);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("cargo is missing"), "{}", ran.stderr);
    assert!(!place.path("p").exists());
}
