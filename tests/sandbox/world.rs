//! A small world for one check: a home, a project, the binary under its names, and a user to be.

use sbsh::settings::Locations;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The ordinary user's id: no account is needed for it.
pub const ORDINARY: u32 = 60606;

/// A world; removed at its end.
pub struct World {
    top: tempfile::TempDir,
    pub home: PathBuf,
    pub project: PathBuf,
    pub outside: PathBuf,
    pub user: u32,
}

/// What a run gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub status: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        use std::os::unix::process::ExitStatusExt;
        Ran {
            status: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The binary that is tested: the one that cargo built with the tests, or the one that SBSH_TEST_BINARY names, such as a
/// static build (what it links decides about constants and calls, too).
fn binary() -> PathBuf {
    std::env::var_os("SBSH_TEST_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_sbsh").into(), PathBuf::from)
}

/// The programs among these that are not there.
pub fn missing<'a>(programs: &[&'a str]) -> Vec<&'a str> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let found = |name: &str| path.split(':').any(|d| !d.is_empty() && Path::new(d).join(name).is_file());
    programs.iter().copied().filter(|name| !found(name)).collect()
}

/// Whether programs are there; says so and skips if not.
pub fn has(programs: &[&str]) -> bool {
    let missing = missing(programs);
    if !missing.is_empty() {
        skip(&format!("{missing:?} are not installed"));
    }
    missing.is_empty()
}

/// Waits until something holds that must come to hold; the limit only ends a test that fails.
pub fn until(holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it never came to hold");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// The signals that whoever starts the tests may ignore (`tests &`, nohup) do what they do by default: a shell that finds
/// them ignored cannot trap them.
pub fn as_from_a_terminal(command: &mut Command) {
    let reset = || {
        for signal in [nix::libc::SIGINT, nix::libc::SIGQUIT, nix::libc::SIGHUP] {
            // SAFETY: SIG_DFL runs no code of ours.
            #[allow(unsafe_code)]
            unsafe {
                nix::libc::signal(signal, nix::libc::SIG_DFL)
            };
        }
        Ok(())
    };
    // SAFETY: only system calls, nothing that allocates or locks.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(reset)
    };
}

/// Says that a check cannot run on a machine like this: never a failure, unlike [`skip`].
pub fn not_here(why: &str) {
    println!("skipped: {why}");
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The real bubblewrap, for tests that use it themselves. Where the sandbox is to do without (`.ci/run` hides it by a mount),
/// SBSH_TEST_BUBBLEWRAP names a copy.
pub fn bubblewrap() -> Option<PathBuf> {
    let named = std::env::var_os("SBSH_TEST_BUBBLEWRAP").map(PathBuf::from);
    named.or_else(|| Some("/usr/bin/bwrap".into())).filter(|path| path.is_file())
}

/// Whether the sandbox is built without bubblewrap here.
pub fn without_bubblewrap() -> bool {
    !Path::new("/usr/bin/bwrap").is_file()
}

/// Whether the sandbox is built by Landlock here, because nobody makes user namespaces.
pub fn by_landlock() -> bool {
    let makes =
        || Command::new("unshare").args(["-Ur", "true"]).output().is_ok_and(|ran| ran.status.success());
    without_bubblewrap() && !makes()
}

/// Runs a check as every user that there is to be; skips it with a reason where nothing can confine.
pub fn each(check: impl Fn(&World)) {
    let can_confine = || {
        bubblewrap().is_some()
            || Command::new("unshare").args(["-Ur", "true"]).output().is_ok_and(|ran| ran.status.success())
    };
    if !can_confine() {
        skip("there is neither bubblewrap nor a user namespace to be had");
        return;
    }
    let users = if is_root() { vec![0, ORDINARY] } else { vec![nix::unistd::geteuid().as_raw()] };
    for user in users {
        check(&World::new(user));
    }
}

/// Says that a check could not run.
pub fn skip(why: &str) {
    assert!(std::env::var_os("SBSH_TEST_REQUIRE").is_none(), "cannot run here, but must: {why}");
    println!("skipped: {why}");
}

impl World {
    pub fn new(user: u32) -> World {
        let top = tempfile::Builder::new().prefix("sbsh-test").tempdir_in("/var/tmp").unwrap();
        let real = fs::canonicalize(top.path()).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        let place = |name: &str| {
            let path = real.join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let (home, project, outside, bin) = (place("home"), place("project"), place("outside"), place("bin"));
        // By another process: a descriptor for writing that a test running beside forks would make it "busy".
        let copied = Command::new("cp").arg(binary()).arg(bin.join("sbsh")).status().unwrap();
        assert!(copied.success());
        for name in ["sbshctl", "bash", "sh", "zsh"] {
            symlink("sbsh", bin.join(name)).unwrap();
        }
        fs::create_dir(project.join(".claude")).unwrap();
        let world = World { top, home, project, outside, user };
        for path in [&world.home, &world.project, &world.outside, &world.project.join(".claude")] {
            world.give(path);
        }
        world
    }

    /// Makes a path the user's.
    pub fn give(&self, path: &Path) {
        if is_root() {
            chown(path, Some(self.user), Some(self.user)).unwrap();
        }
    }

    /// Writes a file of the user's, with its directories.
    pub fn write(&self, path: &Path, content: &str) {
        let mut made = Vec::new();
        for directory in path.ancestors().skip(1).take_while(|d| !d.exists()) {
            made.push(directory.to_path_buf());
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        made.iter().for_each(|d| self.give(d));
        self.give(path);
    }

    /// The user's own settings.
    pub fn user_settings(&self, json: &str) {
        self.write(&self.home.join(".claude/settings.json"), json);
    }

    /// Where settings are looked for, as for a command that is run here.
    pub fn locations(&self) -> Locations {
        Locations {
            home: Some(self.home.clone()),
            managed_dir: "/nonexistent".into(),
            cwd: self.project.clone(),
            program_dirs: vec!["/usr/bin".into()],
            state_dir: Some(self.home.join(".local/state/sbsh")),
            ..Locations::default()
        }
    }

    /// The binary by one of its names.
    pub fn bin(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.top.path()).unwrap().join("bin").join(name)
    }

    /// A command as the user, in the project, with a small environment and in a group of its own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.project)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("PWD", &self.project)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .process_group(0);
        if is_root() {
            command.uid(self.user).gid(self.user);
        }
        as_from_a_terminal(&mut command);
        command
    }

    /// `sbsh -c TEXT`.
    pub fn run(&self, text: &str) -> Ran {
        self.command(self.bin("sbsh")).args(["-c", text]).output().unwrap().into()
    }

    /// `sbshctl WORDS`.
    pub fn control(&self, words: &[&str]) -> Ran {
        self.command(self.bin("sbshctl")).args(words).output().unwrap().into()
    }

    /// Everything below a directory, names and contents, for comparing; without what sbsh itself keeps of each command.
    pub fn state(&self, directory: &Path) -> Vec<(PathBuf, String)> {
        let mut all = Vec::new();
        let mut waiting = vec![directory.to_path_buf()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let parent = path.parent().is_some_and(|parent| parent.ends_with(".local/state/sbsh"));
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if parent && (name.starts_with("audit.") || name == "builder") {
                    continue;
                }
                let kind = fs::symlink_metadata(&path).unwrap();
                let content = if kind.is_symlink() {
                    format!("-> {}", fs::read_link(&path).unwrap().display())
                } else if kind.is_dir() {
                    waiting.push(path.clone());
                    "directory".into()
                } else {
                    format!(
                        "{:o} {}",
                        kind.permissions().mode(),
                        String::from_utf8_lossy(&fs::read(&path).unwrap())
                    )
                };
                all.push((path, content));
            }
        }
        let log = [".local", ".local/state", ".local/state/sbsh"].map(|name| self.home.join(name));
        all.retain(|(path, content)| content != "directory" || !log.contains(path));
        all.sort();
        all
    }
}
