//! Finding and reading the settings files. Owns which files there are, in which order, who may have written them, and
//! that a broken one stops everything.

mod managed;

use super::parse::{self, ParseError};
use super::trust::TrustStore;
use super::{Layer, Layers, Locations, Notice, Scope, Source, origin};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longer files are refused: nobody writes them by hand, and every command reads them.
const LONGEST: u64 = 16 << 20;

/// Why settings could not be read. Nothing runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}", path = path.display())]
pub struct SettingsError {
    /// The file.
    pub path: PathBuf,
    /// Line and column from 1; absent if the file could not be read at all.
    pub place: Option<(usize, usize)>,
    /// The content of that line.
    pub line: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl SettingsError {
    /// An error at a byte offset of a file's text.
    pub fn at(source: &Source, offset: usize, message: impl Into<String>) -> SettingsError {
        let (line, column) = origin::line_column(&source.text, offset);
        let text = source.text.lines().nth(line - 1).unwrap_or("").to_owned();
        SettingsError {
            path: source.path.clone(),
            place: Some((line, column)),
            line: text,
            message: message.into(),
        }
    }

    /// An error of a file as a whole.
    pub fn whole(path: &Path, message: impl Into<String>) -> SettingsError {
        SettingsError { path: path.into(), place: None, line: String::new(), message: message.into() }
    }
}

/// Reads all settings files that there are.
///
/// # Errors
/// The first file that is broken, unreadable, or managed and not the administrator's alone.
pub fn load(locations: &Locations) -> Result<Layers, SettingsError> {
    let mut projects = projects(locations)?.into_iter();
    let mut layers = Layers { project: projects.next(), ..Layers::default() };
    for path in managed_files(&locations.managed_dir)? {
        read(&path, Scope::Managed, &mut layers, |_| true)?;
    }
    let mut store = None;
    for (scope, path) in layers.project.as_deref().map(files_of).into_iter().flatten() {
        read(&path, scope, &mut layers, |content| {
            let store = store.get_or_insert_with(|| TrustStore::open(locations.state_dir.as_deref()));
            store.is_trusted(&path, content)
        })?;
    }
    for (scope, path) in projects.flat_map(|around| files_of(&around)) {
        let known = layers.layers.len();
        read(&path, scope, &mut layers, |_| false)?;
        for layer in layers.layers.iter_mut().skip(known) {
            layer.values = std::mem::take(&mut layer.values).tightening();
        }
    }
    if let Some(notice) = store.as_ref().and_then(|s| s.notice()) {
        layers.notices.push(Notice { kind: "trust-store", text: notice.to_owned() });
    }
    layers.user_file = user_file(locations);
    if let Some(path) = layers.user_file.clone() {
        read(&path, Scope::User, &mut layers, |_| true)?;
    }
    // Written by a person's answers alone, where nothing inside reaches it.
    if let Some(path) = &locations.session_file {
        read(path, Scope::User, &mut layers, |_| true)?;
    }
    Ok(layers)
}

/// Where the user's own settings are or would be.
fn user_file(locations: &Locations) -> Option<PathBuf> {
    let directory = match &locations.claude_config_dir {
        Some(directory) => directory.clone(),
        None => locations.home.as_ref()?.join(".claude"),
    };
    // A linked directory is where it leads: whether confined code could write there is asked of that.
    let directory = fs::canonicalize(&directory).unwrap_or(directory);
    Some(directory.join("settings.json"))
}

/// A project's settings files.
fn files_of(project: &Path) -> [(Scope, PathBuf); 2] {
    let directory = project.join(".claude");
    [(Scope::Project, directory.join("settings.json")), (Scope::Local, directory.join("settings.local.json"))]
}

/// The ancestors of the working directory (or of the named root) with a `.claude` directory; never `$HOME` itself and
/// never `/`. The nearest one is the project. Those around it only tighten: whoever makes a project within one does not
/// shake off its rules; but they count only if they are the user's, root's, or of whoever owns the project.
///
/// # Errors
/// A directory of this user's own that lets nobody look whether there is one: a command could have closed it (chmod) to be
/// rid of a project's rules, or to be taken for a command of the project around it.
fn projects(locations: &Locations) -> Result<Vec<PathBuf>, SettingsError> {
    use std::os::unix::fs::MetadataExt;
    let start = locations.root_override.as_deref().unwrap_or(&locations.cwd);
    let home = locations.home.as_ref().map(|h| fs::canonicalize(h).unwrap_or_else(|_| h.clone()));
    let user = nix::unistd::geteuid().as_raw();
    let owner = |path: &Path| fs::metadata(path).ok().map(|found| found.uid());
    let mut all: Vec<PathBuf> = Vec::new();
    for directory in start.ancestors() {
        let is_home = Some(directory) == home.as_deref() || Some(directory) == locations.home.as_deref();
        if directory.parent().is_none() || is_home {
            continue;
        }
        let place = directory.join(".claude");
        match fs::metadata(&place) {
            Ok(found) if found.is_dir() => {
                let theirs = all.first().is_some_and(|project| {
                    ![Some(user), Some(0), owner(project)].contains(&Some(found.uid()))
                });
                if !theirs {
                    all.push(directory.to_path_buf());
                }
            }
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied && owner(directory) == Some(user) =>
            {
                let said =
                    format!("cannot look whether it is there: {error}; chmod u+x {}", directory.display());
                return Err(SettingsError::whole(&place, said));
            }
            _ => {}
        }
    }
    Ok(all)
}

/// The managed file, then its drop-ins by name. That there is none is said by a missing directory or name alone: what
/// cannot be looked at could be a policy.
fn managed_files(directory: &Path) -> Result<Vec<PathBuf>, SettingsError> {
    if !managed::is_there(directory)? {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    managed::administrators_alone(directory)?;
    let main = directory.join("managed-settings.json");
    if managed::is_there(&main)? {
        managed::administrators_alone(&main)?;
        all.push(main);
    }
    let drop_ins = directory.join("managed-settings.d");
    if managed::is_there(&drop_ins)? {
        managed::administrators_alone(&drop_ins)?;
        let unlisted = |error| SettingsError::whole(&drop_ins, format!("cannot list it: {error}"));
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&drop_ins).map_err(unlisted)? {
            names.push(entry.map_err(unlisted)?.path());
        }
        // Hidden names are editors' and package managers'.
        let hidden =
            |path: &PathBuf| path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        names.retain(|path| path.extension().is_some_and(|e| e == "json") && !hidden(path));
        names.sort();
        names.iter().try_for_each(|path| managed::administrators_alone(path))?;
        all.extend(names);
    }
    Ok(all)
}

/// Opens a file of settings; a FIFO is not waited for.
///
/// # Errors
/// What open(2) gives.
pub fn open(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// All of an open file, if it is one, holds text, and is no longer than so many bytes.
///
/// # Errors
/// What is wrong with it.
pub fn text_of(path: &Path, file: fs::File, longest: u64) -> Result<String, SettingsError> {
    let whole = |message: String| SettingsError::whole(path, message);
    let metadata = file.metadata().map_err(|e| whole(format!("cannot look at it: {e}")))?;
    if !metadata.is_file() {
        return Err(whole("it is not a regular file".into()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(longest)).unwrap_or(0) + 1);
    file.take(longest + 1).read_to_end(&mut bytes).map_err(|e| whole(format!("cannot read it: {e}")))?;
    if bytes.len() as u64 > longest {
        return Err(whole(format!("it is longer than {longest} bytes")));
    }
    String::from_utf8(bytes)
        .map_err(|e| whole(format!("it is not UTF-8 text (at byte {})", e.utf8_error().valid_up_to())))
}

/// Reads one file, if it is there, and adds it.
fn read(
    path: &Path,
    scope: Scope,
    layers: &mut Layers,
    may_widen: impl FnOnce(&[u8]) -> bool,
) -> Result<(), SettingsError> {
    let file = match open(path) {
        Ok(file) => file,
        // A directory above that is no directory means the same as a missing file.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(SettingsError::whole(path, format!("cannot open it: {error}"))),
    };
    let text = text_of(path, file, LONGEST)?;
    let may_widen = may_widen(text.as_bytes());
    let source = Arc::new(Source { path: path.into(), scope, text });
    let values = parse::values(&source, &mut layers.notices)
        .map_err(|ParseError { offset, what }| SettingsError::at(&source, offset, what))?;
    layers.layers.push(Layer { source, values, may_widen });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A world of files: home, project `home/work/p`, managed directory.
    struct World {
        top: tempfile::TempDir,
    }

    impl World {
        fn new() -> World {
            let world = World { top: tempfile::tempdir().unwrap() };
            fs::create_dir_all(world.path("home/work/p/.claude")).unwrap();
            fs::create_dir_all(world.path("home/work/p/sub/deeper")).unwrap();
            world
        }

        fn path(&self, name: &str) -> PathBuf {
            fs::canonicalize(self.top.path()).unwrap().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn locations(&self) -> Locations {
            Locations {
                home: Some(self.path("home")),
                managed_dir: self.path("managed"),
                cwd: self.path("home/work/p/sub/deeper"),
                state_dir: Some(self.path("state")),
                ..Locations::default()
            }
        }
    }

    fn order(layers: &Layers) -> Vec<(Scope, String, bool)> {
        let name = |l: &Layer| l.source.path.file_name().unwrap().to_string_lossy().into_owned();
        layers.layers.iter().map(|l| (l.source.scope, name(l), l.may_widen)).collect()
    }

    #[test]
    fn projects_around_the_nearest_only_tighten() {
        let world = World::new();
        let all = r#"{"sandbox": {"enabled": false, "mode": "auto-allow", "allowedDomains": ["a.test"],
            "network": {"deniedDomains": ["b.test"], "allowLocalBinding": true},
            "filesystem": {"denyRead": ["./x"], "allowRead": ["./y"], "allowWrite": ["/z"]},
            "credentials": {"envVars": [{"name": "A", "mode": "deny"}, {"name": "B", "mode": "allow"}]},
            "excludedCommands": ["docker"]}, "permissions": {"deny": ["Bash(a)"], "allow": ["Bash(b)"]}}"#;
        world.write("home/work/.claude/settings.json", all);
        world.write("home/work/p/.claude/settings.local.json", "{}");
        world.write("home/work/p/sub/.claude/settings.json", "{}");
        let layers = load(&world.locations()).unwrap();
        assert_eq!(layers.project, Some(world.path("home/work/p/sub")));
        let paths: Vec<PathBuf> = layers.layers.iter().map(|layer| layer.source.path.clone()).collect();
        let at = |name: &str| world.path("home/work").join(name);
        let expected = [
            at("p/sub/.claude/settings.json"),
            at("p/.claude/settings.local.json"),
            at(".claude/settings.json"),
        ];
        assert_eq!(paths, expected);
        let outer = layers.layers.last().unwrap();
        assert!(!outer.may_widen && super::super::trust::widening(&outer.values).is_empty());
        let values = &outer.values;
        let counts = (values.denied_domains.len(), values.deny_read.len(), values.deny.len());
        assert_eq!(
            (counts, values.credential_variables.len(), values.enabled.is_none()),
            ((1, 1, 1), 1, true)
        );
    }

    #[test]
    fn files_come_in_the_order_of_their_priority() {
        let world = World::new();
        world.write("home/.claude/settings.json", "{}");
        world.write("home/work/p/.claude/settings.json", "{}");
        world.write("home/work/p/.claude/settings.local.json", "{}");
        let layers = load(&world.locations()).unwrap();
        assert_eq!(layers.project, Some(world.path("home/work/p")));
        assert_eq!(
            order(&layers),
            [
                (Scope::Project, "settings.json".into(), false),
                (Scope::Local, "settings.local.json".into(), false),
                (Scope::User, "settings.json".into(), true),
            ]
        );
    }

    #[test]
    fn what_was_allowed_for_a_session_counts_in_that_session() {
        let world = World::new();
        world.write("state/sessions/a.json", r#"{"sandbox": {"allowedDomains": ["a.test"]}}"#);
        world.write("home/.claude/settings.json", "{}");
        let session_file = Some(world.path("state/sessions/a.json"));
        let layers = load(&Locations { session_file, ..world.locations() }).unwrap();
        assert_eq!(order(&layers).last(), Some(&(Scope::User, "a.json".into(), true)));
        let session_file = Some(world.path("state/sessions/b.json"));
        assert_eq!(order(&load(&Locations { session_file, ..world.locations() }).unwrap()).len(), 1);
    }

    #[test]
    fn managed_files_come_first_by_name_and_must_be_roots_alone() {
        let world = World::new();
        world.write("managed/managed-settings.json", "{}");
        world.write("managed/managed-settings.d/20-b.json", "{}");
        world.write("managed/managed-settings.d/10-a.json", "{}");
        world.write("managed/managed-settings.d/readme.txt", "no json");
        if !nix::unistd::geteuid().is_root() {
            let error = load(&world.locations()).unwrap_err();
            assert!(error.message.contains("must belong to root"), "{error}");
            return;
        }
        for path in ["managed", "managed/managed-settings.d"] {
            fs::set_permissions(world.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let names: Vec<String> = order(&load(&world.locations()).unwrap()).into_iter().map(|o| o.1).collect();
        assert_eq!(names, ["managed-settings.json", "10-a.json", "20-b.json"]);
        for path in ["managed/managed-settings.d/10-a.json", "managed/managed-settings.d", "managed"] {
            let mode = fs::metadata(world.path(path)).unwrap().permissions().mode();
            fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode | 0o002)).unwrap();
            assert!(load(&world.locations()).unwrap_err().message.contains("must belong to root"), "{path}");
            fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::chown(world.path("managed/managed-settings.json"), Some(60606), None).unwrap();
        assert!(load(&world.locations()).unwrap_err().message.contains("owner 60606"));
    }

    #[test]
    fn home_and_the_root_are_no_projects() {
        let world = World::new();
        fs::create_dir_all(world.path("home/.claude")).unwrap();
        let at = |cwd: &str| {
            let locations = Locations { cwd: world.path(cwd), ..world.locations() };
            load(&locations).unwrap().project
        };
        assert_eq!(at("home"), None);
        assert_eq!(at("home/work"), None);
        assert_eq!(at("home/work/p"), Some(world.path("home/work/p")));
    }

    #[test]
    fn what_cannot_be_read_stops_everything() {
        let world = World::new();
        let user = "home/.claude/settings.json";
        world.write(user, "{\n  \"sandbox\": {,}\n}");
        let error = load(&world.locations()).unwrap_err();
        assert_eq!((error.place, error.line.as_str()), (Some((2, 15)), "  \"sandbox\": {,}"));
        fs::write(world.path(user), b"{\"a\": \"\xff\"}").unwrap();
        assert!(load(&world.locations()).unwrap_err().message.contains("UTF-8"));
        fs::remove_file(world.path(user)).unwrap();
        fs::create_dir(world.path(user)).unwrap();
        assert!(load(&world.locations()).unwrap_err().message.contains("not a regular file"));
    }

    #[test]
    fn every_value_knows_its_place_also_behind_comments_and_a_mark() {
        let world = World::new();
        let text = "\u{feff}{\n  // \"sandbox\": {}\n  \"permissions\": {\"deny\": [\n    \"Bash(a)\", /* x */ \"Bash(b)\",\n  ]},\n}";
        world.write("home/.claude/settings.json", text);
        let layers = load(&world.locations()).unwrap();
        let deny = &layers.layers[0].values.deny;
        let places: Vec<_> = deny.iter().map(|d| (d.value.as_str(), d.origin.line_column())).collect();
        assert_eq!(places, [("Bash(a)", Some((4, 5))), ("Bash(b)", Some((4, 24)))]);
    }

    #[test]
    fn types_and_duplicates_are_checked_with_their_place() {
        let world = World::new();
        for (text, place, words) in [
            (r#"{"sandbox": {"enabled": "yes"}}"#, (1, 25), "expected true or false"),
            (r#"{"sandbox": {"mode": "loose"}}"#, (1, 22), "\"auto-allow\" or \"regular\""),
            (r#"{"sandbox": {"network": []}}"#, (1, 25), "expected an object"),
            (r#"{"sandbox": {"network": {"httpProxyPort": 0}}}"#, (1, 43), "port number"),
            (r#"{"permissions": {"deny": ["a", 1]}}"#, (1, 32), "list of strings"),
            (r#"{"sandbox": {"credentials": {"files": [{"path": "x"}]}}}"#, (1, 40), "mode"),
            (r#"{"sandbox": {}, "sandbox": {}}"#, (1, 25), "twice"),
        ] {
            world.write("home/.claude/settings.json", text);
            let error = load(&world.locations()).unwrap_err();
            assert!(error.message.contains(words), "{text}: {error}");
            assert_eq!(error.place, Some(place), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_crash() {
        let world = World::new();
        let deep = format!("{{\"sandbox\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        world.write("home/.claude/settings.json", &deep);
        assert!(load(&world.locations()).is_err());
        let deep = format!("{{\"other\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        world.write("home/.claude/settings.json", &deep);
        let _ = load(&world.locations());
    }
}
