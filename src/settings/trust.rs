//! Which project files the person trusted, by their exact content, and what a file would widen if it were trusted.
//!
//! Owns the trust store. Must not ask anybody and must not decide what an untrusted file still means. Everything that
//! is wrong with the store makes it count as empty: then nothing is trusted.

pub mod change;

use super::hooks::{Hook, Runs};
use super::{CredentialMode, List, Origin, Source, Sourced, Values};
use crate::system::private;
use crate::system::store::{Directory, Lock};
use crate::system::visible::hex;
use change::Kept;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE: &str = "trust.json";
const LIMIT: u64 = 4 << 20;
const VERSION: u32 = 2;
/// The first version had neither what a content widened nor refusals.
const OLDEST: u32 = 1;

/// One trusted content of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The file: its project directory with symlinks resolved, then the name as it is used there.
    pub path: PathBuf,
    /// SHA-256 of the trusted content, lower-case hexadecimal.
    pub sha256: String,
    /// When it was trusted, in seconds since 1970.
    pub time: u64,
    /// What it widened, to tell what is new in another content; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widening: Option<Vec<Kept>>,
}

/// One content of one file that a person did not want to trust, so that it is not asked about again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declined {
    path: PathBuf,
    sha256: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    entries: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    declined: Vec<Declined>,
}

impl Default for Stored {
    fn default() -> Stored {
        Stored { version: VERSION, entries: Vec::new(), declined: Vec::new() }
    }
}

/// What the person trusted so far.
#[derive(Debug, Default)]
pub struct TrustStore {
    directory: Option<PathBuf>,
    entries: Vec<Entry>,
    declined: Vec<Declined>,
    notice: Option<String>,
}

impl TrustStore {
    /// Reads the store of a state directory; no directory or no file is an empty store.
    pub fn open(state_dir: Option<&Path>) -> TrustStore {
        let mut store = TrustStore { directory: state_dir.map(Path::to_path_buf), ..TrustStore::default() };
        let Some(path) = state_dir else { return store };
        let read = match open_private(path) {
            Ok(directory) => read(&directory, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return store,
            Err(error) => Err(io::Error::other(format!("'{}': {error}", path.display()))),
        };
        match read {
            Ok(stored) => store.take(stored),
            Err(error) => {
                let text = format!("no project file counts as trusted: cannot use the trust store {error}");
                store.notice = Some(text);
            }
        }
        store
    }

    fn take(&mut self, stored: Stored) {
        (self.entries, self.declined) = (stored.entries, stored.declined);
    }

    /// Why the store counts as empty although there is one.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Whether exactly this content of this file was trusted at this time (seconds since 1970) or later.
    pub fn is_trusted_since(&self, file: &Path, content: &[u8], since: u64) -> bool {
        let recent = self.entries.iter().filter(|entry| entry.time >= since);
        let recent = TrustStore { entries: recent.cloned().collect(), ..TrustStore::default() };
        recent.is_trusted(file, content)
    }

    /// Whether the person trusted exactly this content of this file.
    pub fn is_trusted(&self, file: &Path, content: &[u8]) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let Ok(path) = pinned_path(file) else { return false };
        let mut of_file = self.entries.iter().filter(|entry| entry.path == path).peekable();
        if of_file.peek().is_none() {
            return false;
        }
        let found = sha256(content);
        of_file.any(|entry| entry.sha256 == found)
    }

    /// What was trusted of this file, whatever it holds now.
    pub fn known(&self, file: &Path) -> Option<&Entry> {
        let path = pinned_path(file).ok()?;
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Whether a person was asked about exactly this content of this file and said no.
    pub fn is_declined(&self, file: &Path, content: &[u8]) -> bool {
        let Some(path) = pinned_path(file).ok().filter(|_| !self.declined.is_empty()) else { return false };
        let found = sha256(content);
        self.declined.iter().any(|entry| entry.path == path && entry.sha256 == found)
    }

    /// Remembers a no. What was trusted of the file before stays known, and does not count for this content.
    ///
    /// # Errors
    /// As for [`TrustStore::record_at`].
    pub fn decline(&mut self, file: &Path, content: &[u8]) -> io::Result<()> {
        let entry = Declined { path: text_path(file)?, sha256: sha256(content) };
        self.update(true, |stored| {
            stored.declined.retain(|old| old.path != entry.path);
            stored.declined.push(entry);
        })
    }

    /// Trusts this content of this file from now on, and no other content that it had before.
    ///
    /// # Errors
    /// As for [`TrustStore::record_at`].
    pub fn record(&mut self, file: &Path, content: &[u8]) -> io::Result<()> {
        // A clock before 1970 is no reason not to trust: the time is only shown.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        self.record_at(file, content, now.map_or(0, |since| since.as_secs()))
    }

    /// As [`TrustStore::record`], at a given time in seconds since 1970.
    ///
    /// # Errors
    /// When the store cannot be written, is not ours alone or is broken; then nothing changed.
    pub fn record_at(&mut self, file: &Path, content: &[u8], now: u64) -> io::Result<()> {
        let path = text_path(file)?;
        let widening = change::kept(file, content);
        let entry = Entry { path, sha256: sha256(content), time: now, widening };
        self.update(true, |stored| {
            stored.entries.retain(|old| old.path != entry.path);
            stored.declined.retain(|old| old.path != entry.path);
            stored.entries.push(entry);
        })
    }

    /// Trusts nothing of this file, or of the files of this project directory, from now on. Says how many entries went.
    ///
    /// # Errors
    /// As for [`TrustStore::record_at`].
    pub fn revoke(&mut self, path: &Path) -> io::Result<usize> {
        // What is gone can still be revoked, under the name that it had.
        let literal = std::path::absolute(path)?;
        let resolved = literal.canonicalize().unwrap_or_else(|_| literal.clone());
        let pinned = pinned_path(&literal).unwrap_or_else(|_| literal.clone());
        let named = |path: &Path| {
            let parents = [path.parent(), path.parent().and_then(Path::parent)];
            let directory = |at: &Path| parents.contains(&Some(at));
            path == pinned || path == literal || directory(&resolved) || directory(&literal)
        };
        let mut gone = 0;
        self.update(false, |stored| {
            let before = stored.entries.len();
            stored.entries.retain(|entry| !named(&entry.path));
            stored.declined.retain(|entry| !named(&entry.path));
            gone = before - stored.entries.len();
        })?;
        Ok(gone)
    }

    /// Everything that is trusted, oldest first.
    pub fn list(&self) -> &[Entry] {
        &self.entries
    }

    /// Changes the store as it is on disk now, so that nothing that another process wrote is lost.
    fn update(&mut self, make: bool, change: impl FnOnce(&mut Stored)) -> io::Result<()> {
        let Some(path) = self.directory.clone() else {
            return Err(io::Error::other("there is no place for the trust store: HOME is not set"));
        };
        let told = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("cannot write the trust store in '{}': {error}", path.display()),
            )
        };
        if make {
            private::directories(&path, 0o700).map_err(told)?;
        }
        let directory = match open_private(&path) {
            Err(error) if !make && error.kind() == io::ErrorKind::NotFound => {
                self.take(Stored::default());
                return Ok(());
            }
            opened => opened.map_err(told)?,
        };
        let lock = directory.lock().map_err(told)?;
        let mut stored = read(&directory, &path).map_err(|error| {
            io::Error::other(format!("cannot use the trust store {error}; remove it, then trust anew"))
        })?;
        let before = stored.clone();
        change(&mut stored);
        if stored != before {
            write(&directory, &stored, &lock).map_err(told)?;
        }
        self.take(stored);
        self.notice = None;
        Ok(())
    }
}

fn open_private(path: &Path) -> io::Result<Directory> {
    let directory = Directory::open(path)?;
    directory.check_private()?;
    Ok(directory)
}

fn read(directory: &Directory, path: &Path) -> io::Result<Stored> {
    let wrong = |error: String| io::Error::other(format!("'{}': {error}", path.join(FILE).display()));
    let Some(stored) = directory.read(OsStr::new(FILE), LIMIT).map_err(|error| wrong(error.to_string()))?
    else {
        return Ok(Stored::default());
    };
    stored.check_private().map_err(|error| wrong(error.to_string()))?;
    let parsed: Stored = serde_json::from_slice(&stored.content).map_err(|error| wrong(error.to_string()))?;
    if !(OLDEST..=VERSION).contains(&parsed.version) {
        return Err(wrong(format!(
            "it is of version {}, this sbsh reads versions {OLDEST} to {VERSION}",
            parsed.version
        )));
    }
    Ok(Stored { version: VERSION, ..parsed })
}

fn write(directory: &Directory, stored: &Stored, lock: &Lock) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(stored)?;
    text.push('\n');
    directory.put(OsStr::new(FILE), text.as_bytes(), 0o600, lock)
}

/// The name under which a file is trusted: the directory of its project resolved, the rest as written. A hostile
/// project that puts a symlink to a file of a trusted project at `.claude` or below gains nothing by it: relative paths
/// and commands would mean its own files.
fn pinned_path(file: &Path) -> io::Result<PathBuf> {
    let none = || io::Error::new(io::ErrorKind::InvalidInput, format!("'{}' names no file", file.display()));
    let name = file.file_name().ok_or_else(none)?;
    let parent = file.parent().ok_or_else(none)?;
    let (base, folder) = match parent.file_name() {
        Some(folder) if folder == ".claude" => (parent.parent().ok_or_else(none)?, Some(folder)),
        _ => (parent, None),
    };
    let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let mut path = base.canonicalize()?;
    path.extend(folder);
    path.push(name);
    Ok(path)
}

/// The same, which must be text to be kept.
fn text_path(file: &Path) -> io::Result<PathBuf> {
    let path = pinned_path(file)?;
    match path.to_str() {
        Some(_) => Ok(path),
        None => Err(io::Error::other(format!("'{}' is not UTF-8; rename it", path.display()))),
    }
}

fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// One thing that a project file asks for and that counts only once the file is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widening {
    /// The settings key, e.g. `sandbox.excludedCommands`.
    pub key: &'static str,
    /// The value; may hold any characters, escape it when printing.
    pub text: String,
    /// Its line in the file, from 1; 0 if it has none.
    pub line: usize,
}

/// Everything in a file that widens, in the order of its lines.
pub fn widening(values: &Values) -> Vec<Widening> {
    let mut found = Found::default();
    found.flag("sandbox.enabled", &values.enabled, false);
    if values.mode.as_ref().is_some_and(|mode| mode.value != "regular") {
        found.word("sandbox.mode", &values.mode);
    }
    found.flag("sandbox.autoAllowBashIfSandboxed", &values.auto_allow, true);
    found.list("sandbox.network.allowedDomains", &values.allowed_domains);
    found.port("sandbox.network.httpProxyPort", &values.http_proxy_port);
    found.port("sandbox.network.socksProxyPort", &values.socks_proxy_port);
    found.flag("sandbox.network.allowLocalBinding", &values.local_binding, true);
    found.list("sandbox.network.uncheckedTlsNames", &values.unchecked_names);
    found.word("sandbox.network.caCertificates", &values.ca_certificates);
    found.list("sandbox.network.allowUnixSockets", &values.unix_sockets);
    found.flag("sandbox.network.allowAllUnixSockets", &values.all_unix_sockets, true);
    found.list("sandbox.filesystem.allowWrite", &values.allow_write);
    found.list("sandbox.filesystem.allowRead", &values.allow_read);
    found.flag("sandbox.filesystem.allowGitConfig", &values.allow_git_config, true);
    found.flag("sandbox.allowUnsandboxedCommands", &values.way_out, true);
    found.list("sandbox.excludedCommands", &values.excluded);
    found.flag("sandbox.enableWeakerNestedSandbox", &values.weaker_nested, true);
    found.flag("sandbox.failIfUnavailable", &values.fail_if_unavailable, false);
    found.allowed("sandbox.credentials.files", &values.credential_files);
    found.allowed("sandbox.credentials.envVars", &values.credential_variables);
    found.word("sandbox.backend", &values.backend);
    if values.gatekeeper.as_ref().is_some_and(|word| word.value != "full") {
        found.word("sandbox.gatekeeper", &values.gatekeeper);
    }
    found.pairs("sandbox.ignoreViolations", &values.ignore_violations);
    found.word("sandbox.bwrapPath", &values.bwrap_path);
    found.word("sandbox.shell", &values.shell);
    found.list("permissions.allow", &values.allow);
    found.word("permissions.defaultMode", &values.default_mode);
    found.list("permissions.additionalDirectories", &values.additional_directories);
    found.flag("disableAllHooks", &values.no_hooks, true);
    found.flag("disableAllHooks", &values.no_hooks, false);
    found.hooks(&values.hooks);
    found.all.sort_by_key(|&(at, _)| at);
    found.all.into_iter().map(|(_, widening)| widening).collect()
}

/// What was found, with its byte offset, and where the lines of each source end.
#[derive(Default)]
struct Found {
    all: Vec<(usize, Widening)>,
    newlines: HashMap<*const Source, Vec<usize>>,
}

impl Found {
    fn pairs(&mut self, key: &'static str, said: &[Sourced<(String, String)>]) {
        for entry in said {
            self.add(key, format!("{}: {}", entry.value.0, entry.value.1), &entry.origin);
        }
    }

    fn flag(&mut self, key: &'static str, said: &Option<Sourced<bool>>, wide: bool) {
        if let Some(said) = said.as_ref().filter(|said| said.value == wide) {
            self.add(key, said.value.to_string(), &said.origin);
        }
    }

    fn word(&mut self, key: &'static str, said: &Option<Sourced<String>>) {
        if let Some(said) = said {
            self.add(key, said.value.clone(), &said.origin);
        }
    }

    /// What a hook runs, it runs outside.
    fn hooks(&mut self, said: &[Sourced<Hook>]) {
        for entry in said.iter().filter(|entry| !matches!(entry.value.runs, Runs::Foreign(_))) {
            self.add(entry.value.event.key(), entry.value.shown(), &entry.origin);
        }
    }

    fn port(&mut self, key: &'static str, said: &Option<Sourced<u16>>) {
        if let Some(said) = said {
            self.add(key, said.value.to_string(), &said.origin);
        }
    }

    fn list(&mut self, key: &'static str, list: &List) {
        for said in list {
            self.add(key, said.value.clone(), &said.origin);
        }
    }

    fn allowed(&mut self, key: &'static str, list: &[Sourced<(String, CredentialMode)>]) {
        for said in list.iter().filter(|said| said.value.1 == CredentialMode::Allow) {
            self.add(key, said.value.0.clone(), &said.origin);
        }
    }

    fn add(&mut self, key: &'static str, text: String, origin: &Origin) {
        let (at, line) = match origin {
            Origin::File { source, offset } => {
                // Counted once: a file may hold ten thousand entries.
                let newlines = self.newlines.entry(Arc::as_ptr(source)).or_insert_with(|| {
                    source
                        .text
                        .bytes()
                        .enumerate()
                        .filter(|&(_, byte)| byte == b'\n')
                        .map(|(at, _)| at)
                        .collect()
                });
                (*offset, newlines.partition_point(|newline| newline < offset) + 1)
            }
            Origin::BuiltIn(_) | Origin::Caller(_) => (0, 0),
        };
        self.all.push((at, Widening { key, text, line }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Scope, values::sourced};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Place {
        _directory: tempfile::TempDir,
        state: PathBuf,
        project: PathBuf,
        file: PathBuf,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        let project = top.join("project");
        fs::create_dir_all(project.join(".claude")).unwrap();
        let file = project.join(".claude/settings.json");
        Place { _directory: directory, state: top.join("a/state"), project, file }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn exactly_the_recorded_content_of_the_file_is_trusted() {
        let p = place();
        let mut store = TrustStore::open(Some(&p.state));
        assert!(store.notice().is_none() && !store.is_trusted(&p.file, b"{}"));
        store.record_at(&p.file, b"{}", 7).unwrap();
        for store in [store, TrustStore::open(Some(&p.state))] {
            assert!(store.is_trusted(&p.file, b"{}"));
            assert!(!store.is_trusted(&p.file, b"{} "));
            assert!(!store.is_trusted(&p.file.with_file_name("settings.local.json"), b"{}"));
        }
        assert_eq!((mode(&p.state), mode(&p.state.join(FILE))), (0o700, 0o600));
        let path = p.file.to_str().unwrap();
        assert_eq!(
            fs::read_to_string(p.state.join(FILE)).unwrap(),
            format!(
                "{{\n  \"version\": 2,\n  \"entries\": [\n    {{\n      \"path\": \"{path}\",\n      \"sha256\": \
                 \"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\n      \"time\": 7,\n      \
                 \"widening\": []\n    }}\n  ]\n}}\n"
            )
        );
    }

    #[test]
    fn a_new_content_takes_the_place_of_the_old_one() {
        let p = place();
        let mut store = TrustStore::open(Some(&p.state));
        store.record_at(&p.file, b"old", 1).unwrap();
        store.record_at(&p.file, b"new", 2).unwrap();
        assert!(!store.is_trusted(&p.file, b"old") && store.is_trusted(&p.file, b"new"));
        assert_eq!(store.list().iter().map(|entry| entry.time).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn another_project_gains_nothing_by_symlinks_to_a_trusted_one() {
        let p = place();
        let mut store = TrustStore::open(Some(&p.state));
        store.record_at(&p.file, b"{}", 1).unwrap();
        let hostile = p.project.with_file_name("hostile");
        fs::create_dir(&hostile).unwrap();
        symlink(p.project.join(".claude"), hostile.join(".claude")).unwrap();
        assert!(!store.is_trusted(&hostile.join(".claude/settings.json"), b"{}"));
        // Another name of the same project is the same project.
        let alias = p.project.with_file_name("alias");
        symlink(&p.project, &alias).unwrap();
        assert!(store.is_trusted(&alias.join(".claude/settings.json"), b"{}"));
    }

    #[test]
    fn revoking_takes_a_file_or_all_of_a_project_and_no_neighbour() {
        let p = place();
        let local = p.file.with_file_name("settings.local.json");
        let nested = p.project.join("sub/.claude/settings.json");
        fs::create_dir_all(nested.parent().unwrap()).unwrap();
        let mut store = TrustStore::open(Some(&p.state));
        for file in [&p.file, &local, &nested] {
            store.record_at(file, b"{}", 1).unwrap();
        }
        assert_eq!(store.revoke(&local).unwrap(), 1);
        assert_eq!(store.revoke(&local).unwrap(), 0);
        assert!(store.is_trusted(&p.file, b"{}") && !store.is_trusted(&local, b"{}"));
        store.record_at(&local, b"{}", 1).unwrap();
        assert_eq!(store.revoke(&p.project).unwrap(), 2);
        assert_eq!(TrustStore::open(Some(&p.state)).list(), store.list());
        assert_eq!(store.list().iter().map(|entry| &entry.path).collect::<Vec<_>>(), [&nested]);
        fs::remove_dir_all(&p.project).unwrap();
        assert_eq!(store.revoke(&p.project.join("sub")).unwrap(), 1, "also what is gone");
    }

    #[test]
    fn a_store_that_is_not_ours_alone_or_broken_is_empty_and_says_so() {
        type Spoil = fn(&Path);
        let cases: [(Spoil, &str); 7] = [
            (
                |state| fs::set_permissions(state, Permissions::from_mode(0o770)).unwrap(),
                "': others may write to it (mode 770)",
            ),
            (
                |state| fs::set_permissions(state.join(FILE), Permissions::from_mode(0o602)).unwrap(),
                "/trust.json': others may write to it (mode 602)",
            ),
            (
                |state| {
                    fs::rename(state.join(FILE), state.join("real")).unwrap();
                    symlink("real", state.join(FILE)).unwrap();
                },
                "/trust.json': it is a symlink",
            ),
            (
                |state| {
                    fs::rename(state, state.with_file_name("real")).unwrap();
                    symlink("real", state).unwrap();
                },
                "': ",
            ),
            (
                |state| fs::write(state.join(FILE), "{").unwrap(),
                "EOF while parsing an object at line 1 column 1",
            ),
            (
                |state| fs::write(state.join(FILE), "{\"version\":3,\"entries\":[]}").unwrap(),
                "it is of version 3, this sbsh reads versions 1 to 2",
            ),
            (
                |state| {
                    fs::remove_file(state.join(FILE)).unwrap();
                    fs::create_dir(state.join(FILE)).unwrap();
                },
                "it is not a regular file",
            ),
        ];
        for (spoil, said) in cases {
            let p = place();
            let mut store = TrustStore::open(Some(&p.state));
            store.record_at(&p.file, b"{}", 1).unwrap();
            spoil(&p.state);
            let mut store = TrustStore::open(Some(&p.state));
            let notice = store.notice().unwrap().to_string();
            assert!(
                notice.starts_with("no project file counts as trusted: cannot use the trust store '"),
                "{notice}"
            );
            assert!(notice.contains(said), "{notice}");
            assert!(!store.is_trusted(&p.file, b"{}") && store.list().is_empty());
            assert!(store.record_at(&p.file, b"{}", 1).is_err(), "{said}: not written over");
        }
    }

    #[test]
    fn a_file_of_another_user_does_not_count() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let p = place();
        TrustStore::open(Some(&p.state)).record_at(&p.file, b"{}", 1).unwrap();
        std::os::unix::fs::chown(p.state.join(FILE), Some(12345), None).unwrap();
        let store = TrustStore::open(Some(&p.state));
        assert!(store.notice().unwrap().ends_with("it belongs to user 12345, not to 0"));
        assert!(!store.is_trusted(&p.file, b"{}"));
    }

    #[test]
    fn without_a_place_nothing_is_trusted_and_recording_says_why() {
        let p = place();
        let mut store = TrustStore::open(None);
        assert_eq!(
            store.record_at(&p.file, b"{}", 1).unwrap_err().to_string(),
            "there is no place for the trust store: HOME is not set"
        );
        assert_eq!(TrustStore::open(Some(&p.state)).revoke(&p.file).unwrap(), 0);
        assert!(!p.state.exists());
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let p = place();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let p = &p;
                scope.spawn(move || {
                    let mut store = TrustStore::open(Some(&p.state));
                    for turn in 0..4 {
                        let file = p.file.with_file_name(format!("{number}-{turn}.json"));
                        store.record_at(&file, b"{}", number).unwrap();
                    }
                });
            }
        });
        let store = TrustStore::open(Some(&p.state));
        assert_eq!(store.list().len(), 32);
        assert_eq!(fs::read_dir(&p.state).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_store_of_the_first_version_is_read_and_goes_on_as_the_present_one() {
        let p = place();
        TrustStore::open(Some(&p.state)).record_at(&p.file, b"{}", 7).unwrap();
        let text = fs::read_to_string(p.state.join(FILE)).unwrap();
        let old = text.replace("\"version\": 2", "\"version\": 1").replace(",\n      \"widening\": []", "");
        assert!(!old.contains("widening"));
        fs::write(p.state.join(FILE), &old).unwrap();
        let mut store = TrustStore::open(Some(&p.state));
        assert!(store.notice().is_none() && store.is_trusted(&p.file, b"{}"));
        assert_eq!(store.known(&p.file).unwrap().widening, None);
        let local = p.file.with_file_name("settings.local.json");
        store.record_at(&local, br#"{"permissions": {"allow": ["Bash(ls)"]}}"#, 8).unwrap();
        let store = TrustStore::open(Some(&p.state));
        assert!(store.is_trusted(&p.file, b"{}"));
        let kept = Kept { key: "permissions.allow".into(), text: "Bash(ls)".into() };
        assert_eq!(store.known(&local).unwrap().widening, Some(vec![kept]));
        assert!(fs::read_to_string(p.state.join(FILE)).unwrap().starts_with("{\n  \"version\": 2,"));
    }

    #[test]
    fn a_no_is_remembered_for_exactly_this_content_and_a_yes_or_revoking_forgets_it() {
        let p = place();
        let mut store = TrustStore::open(Some(&p.state));
        store.record_at(&p.file, b"{}", 1).unwrap();
        store.decline(&p.file, b"{ }").unwrap();
        let store = TrustStore::open(Some(&p.state));
        assert!(store.is_declined(&p.file, b"{ }") && !store.is_declined(&p.file, b"{}"));
        assert!(!store.is_declined(&p.file.with_file_name("settings.local.json"), b"{ }"));
        assert!(!store.is_trusted(&p.file, b"{ }") && store.is_trusted(&p.file, b"{}"));
        for forget in [
            (|store, p| store.record_at(&p.file, b"{ }", 2).unwrap()) as fn(&mut TrustStore, &Place),
            |store, p| assert_eq!(store.revoke(&p.project).unwrap(), 1),
        ] {
            let mut store = TrustStore::open(Some(&p.state));
            store.decline(&p.file, b"{ }").unwrap();
            forget(&mut store, &p);
            assert!(!TrustStore::open(Some(&p.state)).is_declined(&p.file, b"{ }"));
        }
    }

    fn source(text: &str) -> Arc<Source> {
        Arc::new(Source { path: PathBuf::from("/p"), scope: Scope::Project, text: text.to_string() })
    }

    #[test]
    fn what_widens_is_found_line_by_line_and_what_tightens_is_not() {
        let source = source("1\n2\n3\n4\n5\n6\n7\n8\n9\na\nb\nc\nd\n");
        let at = |line: usize| (line - 1) * 2;
        let text = |line: usize, value: &str| sourced(&source, at(line), value.to_string());
        let flag = |line: usize, value: bool| Some(sourced(&source, at(line), value));
        let credential = |line, name: &str, mode| sourced(&source, at(line), (name.to_string(), mode));
        let values = Values {
            enabled: flag(9, false),
            mode: Some(text(8, "auto-allow")),
            allow_write: vec![text(2, "/w"), text(1, "/v\n")],
            deny_write: vec![text(3, "/d")],
            way_out: flag(4, true),
            fail_if_unavailable: flag(5, false),
            credential_files: vec![
                credential(6, "~/.ssh", CredentialMode::Allow),
                credential(6, "~/.aws", CredentialMode::Deny),
            ],
            bwrap_path: Some(text(7, "/tmp/bwrap")),
            ca_certificates: Some(text(10, "ca.pem")),
            unchecked_names: vec![text(11, "a.com")],
            http_proxy_port: Some(sourced(&source, at(12), 3128)),
            local_binding: flag(13, true),
            strict_allowlist: flag(3, true),
            proxy_variables: Some(text(3, "never")),
            deny: vec![text(3, "Bash(rm:*)")],
            ..Values::default()
        };
        let found: Vec<_> =
            widening(&values).into_iter().map(|found| (found.line, found.key, found.text)).collect();
        let expected = [
            (1, "sandbox.filesystem.allowWrite", "/v\n"),
            (2, "sandbox.filesystem.allowWrite", "/w"),
            (4, "sandbox.allowUnsandboxedCommands", "true"),
            (5, "sandbox.failIfUnavailable", "false"),
            (6, "sandbox.credentials.files", "~/.ssh"),
            (7, "sandbox.bwrapPath", "/tmp/bwrap"),
            (8, "sandbox.mode", "auto-allow"),
            (9, "sandbox.enabled", "false"),
            (10, "sandbox.network.caCertificates", "ca.pem"),
            (11, "sandbox.network.uncheckedTlsNames", "a.com"),
            (12, "sandbox.network.httpProxyPort", "3128"),
            (13, "sandbox.network.allowLocalBinding", "true"),
        ];
        assert_eq!(found, expected.map(|(line, key, text)| (line, key, text.to_string())));
    }

    #[test]
    fn the_tightening_values_of_the_same_keys_are_no_widening() {
        let source = source("1");
        let flag = |value| Some(sourced(&source, 0, value));
        let values = Values {
            enabled: flag(true),
            mode: Some(sourced(&source, 0, "regular".to_string())),
            auto_allow: flag(false),
            all_unix_sockets: flag(false),
            allow_git_config: flag(false),
            way_out: flag(false),
            local_binding: flag(false),
            strict_allowlist: flag(false),
            weaker_nested: flag(false),
            fail_if_unavailable: flag(true),
            ..Values::default()
        };
        assert_eq!(widening(&values), []);
    }
}
