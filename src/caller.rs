//! Facts about the caller, read once: environment, directories, descriptors that were closed. Owns reading them and
//! nothing else; what they may decide is said where they are used. The environment chooses comfort and may tighten;
//! it never widens (DESIGN.md, what is trusted, 5).

use crate::settings::Locations;
use crate::system::visible::hex;
use sha2::{Digest, Sha256};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Managed settings of this platform.
const MANAGED: &str =
    if cfg!(target_os = "macos") { "/Library/Application Support/ClaudeCode" } else { "/etc/claude-code" };

/// The variable that names the session whose commands share their loopbacks.
pub const SESSION: &str = "SBSH_SESSION";

/// Where in the state directory answers for sessions are.
pub const SESSIONS: &str = "sessions";

/// The caller as sbsh found it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The environment, in order.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory as the kernel names it; `None` if it is gone.
    pub directory: Option<PathBuf>,
    /// The home directory: `$HOME` if absolute, else the account's.
    pub home: Option<PathBuf>,
}

impl Caller {
    /// Reads the facts.
    pub fn read() -> Caller {
        let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let directory = std::env::current_dir().ok().filter(|d| d.is_absolute());
        let home = value(&environment, "HOME").map(PathBuf::from).filter(|h| h.is_absolute());
        let home = home.or_else(|| {
            nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir)
        });
        Caller { environment, directory, home }
    }

    /// Whether vim or Neovim started this process.
    pub fn is_an_editors(&self) -> bool {
        let program = std::fs::read_link(format!("/proc/{}/exe", nix::unistd::getppid())).unwrap_or_default();
        let name = program.file_name().and_then(OsStr::to_str).unwrap_or_default();
        ["vi", "vim", "gvim", "nvim"].contains(&name.split(['.', ' ']).next().unwrap_or_default())
    }

    /// One variable.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        value(&self.environment, name)
    }

    /// Sets a variable, in the place of one that is set.
    pub fn set(&mut self, name: &str, value: OsString) {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.into(), value));
    }

    fn path_variable(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Entries of `$PATH` that are absolute: a relative one would name a program in whatever directory this is.
    pub fn program_directories(&self) -> Vec<PathBuf> {
        let path = self.variable("PATH").unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
        std::env::split_paths(path).filter(|p| p.is_absolute()).collect()
    }

    /// The same with symlinks resolved, each once: agents put the same directories on PATH again and again.
    fn resolved_program_directories(&self) -> Vec<PathBuf> {
        let mut named = self.program_directories();
        named.sort();
        named.dedup();
        named.into_iter().map(resolved).collect()
    }

    /// Where sbsh keeps its own. A home that is not there is not made: accounts of services have one that must never be
    /// (`/nonexistent`).
    pub fn state_directory(&self) -> Option<PathBuf> {
        let state = self.path_variable("XDG_STATE_HOME");
        let home = || self.home.as_ref().filter(|home| home.is_dir());
        let state = state.or_else(|| home().map(|home| home.join(".local/state")));
        state.map(|state| resolved(state.join("sbsh")))
    }

    /// Where what a person allows for the caller's session is kept. The token's digest is its name: whoever may list the directory
    /// does not learn it.
    fn session_file(&self, state: &Path) -> Option<PathBuf> {
        let token = self.variable(SESSION).filter(|token| !token.is_empty())?;
        let name = hex(Sha256::digest(token.as_bytes()).get(..16)?);
        Some(state.join(SESSIONS).join(name + ".json"))
    }

    /// Where settings, trust and state are.
    pub fn locations(&self) -> Locations {
        let state_dir = self.state_directory();
        Locations {
            home: self.home.clone().map(resolved),
            claude_config_dir: self.path_variable("CLAUDE_CONFIG_DIR").map(resolved),
            managed_dir: PathBuf::from(MANAGED),
            cwd: self.directory.clone().unwrap_or_else(|| PathBuf::from("/")),
            root_override: self.variable("SBSH_ROOT").map(PathBuf::from).map(resolved),
            program_dirs: self.resolved_program_directories(),
            session_file: state_dir.as_ref().and_then(|state| self.session_file(state)),
            state_dir,
            binary: std::env::current_exe().ok().map(resolved),
            tmpdir: None,
            codex_home: self.path_variable("CODEX_HOME").map(resolved),
            secrets: Vec::new(),
        }
    }

    /// Files of credentials where variables say that they are, by these (`policy::secrets::MOVED`). A device, or what is
    /// no file of anybody's, is none: HISTFILE=/dev/null is usual.
    pub fn moved_secrets(&self, variables: &[(&str, &[&str])]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for (name, below) in variables {
            let Some(said) = self.variable(name) else { continue };
            let paths = std::env::split_paths(said).filter(|path| path.is_absolute());
            for path in
                paths.filter(|path| !["/dev", "/proc", "/sys"].iter().any(|top| path.starts_with(top)))
            {
                let path = resolved(path);
                if below.is_empty() {
                    found.push(path);
                } else {
                    found.extend(below.iter().map(|name| path.join(name)));
                }
            }
        }
        found
    }

    /// The environment for an exec, without the names that `remove` says, and with these set.
    pub fn environment_for(&self, remove: impl Fn(&OsStr) -> bool, set: &[(&str, &OsStr)]) -> Vec<CString> {
        let kept =
            self.environment.iter().filter(|(name, _)| !remove(name) && !set.iter().any(|(s, _)| name == s));
        let kept = kept.map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        let set = set.iter().map(|(name, value)| (OsStr::new(name), *value));
        kept.chain(set)
            .filter_map(|(name, value)| {
                let mut entry = name.as_bytes().to_vec();
                entry.push(b'=');
                entry.extend_from_slice(value.as_bytes());
                CString::new(entry).ok()
            })
            .collect()
    }

    /// The environment as it came.
    pub fn whole_environment(&self) -> Vec<CString> {
        self.environment_for(|_| false, &[])
    }
}

/// A path with the symlinks resolved in as much of it as exists.
fn resolved(path: PathBuf) -> PathBuf {
    #[cfg(target_os = "linux")]
    if crate::system::beneath::is_canonical(&path) {
        return path;
    }
    for existing in path.ancestors() {
        if let Ok(real) = std::fs::canonicalize(existing) {
            return match path.strip_prefix(existing) {
                Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
                _ => real,
            };
        }
    }
    path
}

fn value<'e>(environment: &'e [(OsString, OsString)], name: &str) -> Option<&'e OsStr> {
    environment.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_os_str())
}
