//! What may be changed and reached, for one call: a pure answer for a canonical path.
//!
//! Owns the question what the mounts hold already and what they cannot hold because it does not exist yet. Must not look
//! at the file system.

use crate::confinement::landlock::Allowed;
use crate::confinement::plan::{Before, Guard, Places};
use crate::policy::files::{FilePolicy, PathPattern, PathRule};
use crate::policy::{Access, NetworkPolicy, disguise, protected};
use crate::settings::Origin;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What one path means for a call that would change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The mounts let it be changed.
    Passes,
    /// A single file that may be written: the mounts hold it in a directory that may not, so its name is taken away or
    /// given to another only on the host.
    Single,
    /// It would be a name that must not appear; why.
    Protected(&'static str),
    /// The mounts keep it, but settings allow it: it did not exist when they were made.
    Allowed,
    /// A directory on the way to such a place: it may be made, and nothing else.
    OnTheWay,
    /// The mounts keep it from being changed.
    Outside,
    /// It must not even be read.
    Hidden,
    /// Made by the sandbox for itself: the kernel decides, and nothing is said.
    Own,
}

/// What may be done with a Unix socket outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reachable {
    /// By this entry.
    Allowed(String),
    /// No entry names it.
    Unnamed,
    /// A socket of sbsh's own: nothing inside ever speaks to those who answer questions.
    Never,
}

/// The rules of one run.
#[derive(Debug, Default)]
pub struct Rules {
    named: HashMap<PathBuf, Named>,
    pub(super) guarded: HashSet<Vec<u8>>,
    pub(super) denied_later: Vec<PathRule>,
    /// What settings deny, whether it was there at the start or not.
    denied: Vec<PathRule>,
    pub(super) hidden_later: Option<FilePolicy>,
    pub(super) allowed_later: Vec<PathRule>,
    read_asked: Vec<PathRule>,
    sockets: Vec<(String, String)>,
    never: Vec<PathBuf>,
    /// Repositories that the mounts were made for.
    known: HashSet<PathBuf>,
    /// What Landlock allows, where that is below instead of mounts.
    allowed: Option<Vec<Allowed>>,
    /// Settings open something of the host's loopback.
    loopback: bool,
    /// Nothing is made here, whatever allows it.
    layered: bool,
    /// The private directory (TMPDIR).
    private: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Named {
    writable: bool,
    /// And it is no directory.
    file: bool,
    write_denied: bool,
    read_denied: bool,
    read_allowed: bool,
}

/// Where the sandbox has file systems of its own.
const OWN: &[&str] = &["/proc", "/dev"];

/// Where the C library makes files without a name (tmpfile(3), P_tmpdir), whatever TMPDIR says.
const UNNAMED: &str = "/tmp";

pub(super) const AT_TOP: &str = "always protected at the top of a writable directory";
const HOOK: &str = "a git hook, which would run outside";
/// Said of what settings deny.
pub const DENIED: &str = "denied by settings";
const KEPT: &str = "always protected";
const DISGUISED: &str = "some file systems take it for a name that is always protected";
/// Of the configuration of a repository that was there before.
pub const SETTLED: Judgement =
    Judgement::Protected("the configuration of a git repository that was there before");
/// Said of what the user could not do outside, either: no grant would help.
pub const ANOTHERS: &str = "it is outside of what may be written, and belongs to another user";

impl Rules {
    /// Of the places that the mounts were made for, the guards beside them, and the policy.
    pub fn new(
        places: &Places,
        guards: &[Guard],
        files: &FilePolicy,
        network: &NetworkPolicy,
        never: Vec<PathBuf>,
    ) -> Rules {
        let mut rules = Rules { never, loopback: network.reaches_loopback(), ..Rules::default() };
        let mut mark = |list: &[crate::confinement::plan::Place], set: fn(&mut Named)| {
            list.iter().for_each(|place| set(rules.named.entry(place.path.clone()).or_default()));
        };
        mark(&places.writable, |n| n.writable = true);
        mark(&places.write_denied, |n| n.write_denied = true);
        mark(&places.read_denied, |n| n.read_denied = true);
        mark(&places.read_allowed, |n| n.read_allowed = true);
        for place in places.writable.iter().filter(|place| !place.directory) {
            rules.named.entry(place.path.clone()).or_default().file = true;
        }
        for guard in guards.iter().filter(|g| matches!(g.before, Before::Missing | Before::Link(_))) {
            rules.guarded.insert(folded(&guard.root.join(&guard.name)));
        }
        let glob = |rule: &&PathRule| matches!(rule.pattern, PathPattern::Glob(_));
        let unnamed = |rule: &&PathRule| match &rule.pattern {
            PathPattern::Glob(_) => true,
            PathPattern::Literal(path) => !rules.named.get(path).is_some_and(|n| n.write_denied),
        };
        rules.denied_later = files.write_denied.iter().filter(unnamed).cloned().collect();
        let written = |rule: &&PathRule| matches!(rule.origin, Origin::File { .. });
        rules.denied = files.write_denied.iter().filter(written).cloned().collect();
        // What must not be read could not be hidden any more once it is there.
        let read_denied: Vec<PathRule> = files.read_denied.iter().filter(glob).cloned().collect();
        if !read_denied.is_empty() {
            let read_allowed = files.read_allowed.clone();
            rules.hidden_later = Some(FilePolicy { read_denied, read_allowed, ..FilePolicy::default() });
        }
        let missing = |rule: &&PathRule| match &rule.pattern {
            PathPattern::Glob(_) => true,
            PathPattern::Literal(path) => !rules.named.get(path).is_some_and(|n| n.writable),
        };
        rules.allowed_later = files.writable.iter().filter(missing).cloned().collect();
        rules.read_asked = files.read_asked.clone();
        rules.sockets =
            network.unix_sockets.iter().map(|s| (s.value.clone(), s.origin.to_string())).collect();
        rules
    }

    /// With the repositories that were found at the start: the mounts hold what is protected in them.
    #[must_use]
    pub fn knowing(self, repositories: impl IntoIterator<Item = PathBuf>) -> Rules {
        Rules { known: repositories.into_iter().collect(), ..self }
    }

    /// With what Landlock allows, where that is below instead of mounts.
    #[must_use]
    pub fn above(self, allowed: Option<&[Allowed]>) -> Rules {
        Rules { allowed: allowed.map(<[Allowed]>::to_vec), ..self }
    }

    /// With the private directory (TMPDIR).
    #[must_use]
    pub fn beside(self, private: &Path) -> Rules {
        Rules { private: Some(private.to_path_buf()), ..self }
    }

    /// With changes that go to layers: what would be made here would not, and nobody is asked.
    #[must_use]
    pub fn layered(self, layered: bool) -> Rules {
        Rules { layered, ..self }
    }

    /// The private directory, where a file that can have no name, ever, may be instead of in this directory.
    pub fn place_of_unnamed(&self, directory: &Path) -> Option<&Path> {
        self.private.as_deref().filter(|_| directory == Path::new(UNNAMED) && !self.layered)
    }

    /// Whether changes go to layers.
    pub fn is_layered(&self) -> bool {
        self.layered
    }

    /// Whether settings open something of the host's loopback.
    pub fn reaches_loopback(&self) -> bool {
        self.loopback
    }

    /// What Landlock allows, if that is below.
    pub fn allowed(&self) -> Option<&[Allowed]> {
        self.allowed.as_deref()
    }

    /// As [`Rules::judge`], of which repositories were born meanwhile and what stands: git's configuration in one that was there
    /// before is not changed, however deep it is.
    pub fn judge_among(
        &self,
        path: &Path,
        is_born: impl FnOnce(&Path) -> bool,
        stands: impl FnOnce(&Path) -> bool,
    ) -> Judgement {
        let judgement = self.judge(path);
        let settled = || {
            let entry = self.configured(path)?;
            (!is_born(entry) && stands(entry)).then_some(SETTLED)
        };
        if judgement == Judgement::Passes { settled().unwrap_or(judgement) } else { judgement }
    }

    /// For a name that a file system could take for one that means something.
    fn disguised(&self, path: &Path) -> Option<Judgement> {
        let taken = disguise::of_path(path)?;
        let means = self.judge(&taken) != Judgement::Passes || is_obeyed(&taken) || is_repository(&taken);
        means.then_some(Judgement::Protected(DISGUISED))
    }

    /// The `.git` entry that a path configures, unless it is of a known repository.
    pub fn configured<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let name = path.file_name()?;
        let configures = |part: &str| part != "hooks" && name.eq_ignore_ascii_case(part);
        let entry = path.ancestors().skip(1).find(|step| is_repository(step))?;
        let mut parts = path.strip_prefix(entry).ok()?.components().map(|c| c.as_os_str());
        // Of itself, of a submodule, of a worktree; a branch may be called so, too.
        let alone = parts.clone().count() == 1;
        let nested = match parts.next()?.as_encoded_bytes() {
            // git writes it for every new one.
            b"worktrees" => !name.eq_ignore_ascii_case("commondir"),
            b"modules" => !parts.any(|part| part == "refs" || part == "logs"),
            _ => false,
        };
        if !(alone || nested) || !protected::IN_REPOSITORY.iter().any(|part| configures(part)) {
            return None;
        }
        (!path.ancestors().any(|step| self.known.contains(step))).then_some(entry)
    }

    /// The `.git` entry that would get hooks or a configuration by what is put at a path as a whole, a directory with all that is
    /// in it or a link to one, unless it is of a known repository.
    pub fn filled<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let entry = path.ancestors().skip(1).find(|step| is_repository(step))?;
        let mut parts = path.strip_prefix(entry).ok()?.components().map(|c| c.as_os_str());
        let first = parts.next()?;
        let is = |name: &str| first.eq_ignore_ascii_case(name);
        let fills = is("modules") || is("worktrees") || is("hooks") && parts.next().is_none();
        (fills && !path.ancestors().any(|step| self.known.contains(step))).then_some(entry)
    }

    /// For a canonical path that a call would change, make or take away.
    pub fn judge(&self, path: &Path) -> Judgement {
        if OWN.iter().any(|own| path.starts_with(own)) {
            return Judgement::Own;
        }
        match self.access(path) {
            Access::Write => match self.protected(path) {
                Some(why) => Judgement::Protected(why),
                None if self.is_single(path) => Judgement::Single,
                None => self.disguised(path).unwrap_or(Judgement::Passes),
            },
            Access::None => Judgement::Hidden,
            Access::Read if self.is_allowed_later(path) => Judgement::Allowed,
            Access::Read if self.is_on_the_way(path) => Judgement::OnTheWay,
            Access::Read => Judgement::Outside,
        }
    }

    /// The names, in small letters, that mean something in a directory in which every other plain name passes; `None` where
    /// not all of those do, or each is to be looked at for itself.
    pub fn exceptions(&self, directory: &Path) -> Option<BTreeSet<Vec<u8>>> {
        let hidden = self.hidden_later.iter().flat_map(|files| &files.read_denied);
        let later = || self.denied_later.iter().chain(hidden.clone()).map(|rule| &rule.pattern);
        // What a glob matches lies below its base.
        let may_match = |pattern: &PathPattern| matches!(pattern, PathPattern::Glob(glob) if directory.starts_with(&glob.base));
        let disguised = disguise::of_path(directory).is_some();
        if disguised || self.judge(&directory.join("plain")) != Judgement::Passes || later().any(may_match) {
            return None;
        }
        let bases = later().map(|pattern| match pattern {
            PathPattern::Literal(path) => path.as_path(),
            PathPattern::Glob(glob) => glob.base.as_path(),
        });
        let named = self.named.keys().map(PathBuf::as_path).chain(bases);
        let named = named.filter(|path| path.parent() == Some(directory));
        let named = named.filter_map(|path| Some(folded(Path::new(path.file_name()?))));
        Some(named.chain(self.ways(directory)).collect())
    }

    /// Whether a name could mean something in a directory whose path is longer than any that is named: what it is in itself, and
    /// what settings deny at any depth.
    pub fn may_mean(&self, name: &[u8]) -> bool {
        let hidden = self.hidden_later.iter().flat_map(|files| &files.read_denied);
        let mut later = self.denied_later.iter().chain(hidden).map(|rule| &rule.pattern);
        !is_plain(name)
            || later.any(|pattern| match pattern {
                PathPattern::Literal(_) => false,
                PathPattern::Glob(glob) => {
                    let last = glob.text.rsplit('/').next().unwrap_or_default();
                    // A brace may hold slashes.
                    let matches = glob.text.contains('{') || fast_glob::glob_match(last.as_bytes(), name);
                    matches && glob.text.contains("**")
                }
            })
    }

    /// Whether a person may open this for reading, though it must not be read.
    pub fn asks_to_read(&self, path: &Path) -> bool {
        self.read_asked.iter().any(|rule| covers(rule, path)) && self.access(path) == Access::None
    }

    /// Whether any reading is asked about.
    pub fn asks_about_reading(&self) -> bool {
        !self.read_asked.is_empty()
    }

    /// For a canonical path of a socket whose listener lives elsewhere.
    pub fn reach(&self, path: &Path) -> Reachable {
        if self.never.iter().any(|own| path.starts_with(own)) {
            return Reachable::Never;
        }
        let bytes = path.as_os_str().as_encoded_bytes();
        let entry = self.sockets.iter().find(|(glob, _)| fast_glob::glob_match(glob.as_bytes(), bytes));
        entry.map_or(Reachable::Unnamed, |(_, origin)| Reachable::Allowed(origin.clone()))
    }

    /// What the mounts give: `FilePolicy::access`, by the places that they were made for.
    fn access(&self, path: &Path) -> Access {
        let (mut decided, mut readable) = (false, true);
        let (mut writable, mut denied) = (false, false);
        for step in path.ancestors() {
            let Some(named) = self.named.get(step) else { continue };
            writable |= named.writable;
            denied |= named.write_denied;
            // The deepest step that says something about reading decides, and deny wins there.
            if !decided && (named.read_denied || named.read_allowed) {
                (decided, readable) = (true, !named.read_denied);
            }
        }
        match (readable, writable && !denied) {
            (false, _) => Access::None,
            (true, false) => Access::Read,
            (true, true) => Access::Write,
        }
    }

    fn protected(&self, path: &Path) -> Option<&'static str> {
        if protected::is_hook(path) {
            return Some(HOOK);
        }
        self.kept_later(path)
    }

    fn is_single(&self, path: &Path) -> bool {
        self.named.get(path).is_some_and(|named| named.file)
            && path.parent().is_some_and(|parent| self.access(parent) != Access::Write)
    }

    fn is_on_the_way(&self, path: &Path) -> bool {
        self.allowed_later.iter().any(|rule| match &rule.pattern {
            PathPattern::Literal(literal) => literal.starts_with(path),
            PathPattern::Glob(_) => false,
        })
    }

    fn is_allowed_later(&self, path: &Path) -> bool {
        self.allowed_later.iter().any(|rule| covers(rule, path)) && !self.keeps(path)
    }

    /// Why a path is kept from being changed by more than that nothing opens it.
    pub fn kept(&self, path: &Path) -> Option<&'static str> {
        if self.denied.iter().any(|rule| covers(rule, path)) {
            return Some(DENIED);
        }
        self.protected(path).or_else(|| self.masked(path).map(|_| KEPT))
    }

    /// The place at or above a path that a mount inside keeps from being changed.
    pub fn masked<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        path.ancestors().find(|step| self.named.get(*step).is_some_and(|named| named.write_denied))
    }

    /// Whether a path is denied or protected by its own name, wherever it is.
    pub fn keeps(&self, path: &Path) -> bool {
        self.masked(path).is_some()
            || self.denied_later.iter().any(|rule| covers(rule, path))
            || self.protected(path).is_some()
    }

    /// Whether a mount inside stands at a path or below it.
    pub fn is_held(&self, path: &Path) -> bool {
        self.named.keys().any(|named| named.starts_with(path))
    }
}

pub(super) fn covers(rule: &PathRule, path: &Path) -> bool {
    match &rule.pattern {
        PathPattern::Literal(literal) => path.starts_with(literal),
        PathPattern::Glob(glob) => path.ancestors().any(|step| glob.matches(step)),
    }
}

/// Names are compared without regard to case: some file systems do not distinguish it.
pub(super) fn folded(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_ascii_lowercase()
}

/// Whether a name is where git looks for a repository.
pub fn is_repository(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().eq_ignore_ascii_case(b".git"))
}

/// Whether a name is nothing in itself, wherever it stands: no repository, and nothing that git obeys in one.
pub fn is_plain(name: &[u8]) -> bool {
    let is = |special: &str| name.eq_ignore_ascii_case(special.as_bytes());
    !is(".git") && !protected::IN_REPOSITORY.iter().any(|special| is(special)) && disguise::of(name).is_none()
}

/// Whether git obeys what stands at a path: where a repository is, or what it does there.
pub fn is_obeyed(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| !is_plain(name.as_encoded_bytes()));
    named && path.ancestors().any(is_repository)
}

/// What is born by a path: a repository, or the administrative directory of a linked worktree whose way back this is.
pub fn born_by(path: &Path) -> Option<&Path> {
    if is_repository(path) {
        return Some(path);
    }
    let is_way = path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("commondir"));
    let holder = path.parent().filter(|_| is_way)?;
    let worktrees = holder.parent()?;
    (worktrees.ends_with("worktrees") && worktrees.parent().is_some_and(is_repository)).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confinement::plan::Place;
    use crate::settings::Sourced;

    fn place(path: &str) -> Place {
        Place { path: path.into(), directory: true }
    }

    fn literal(path: &str) -> PathRule {
        PathRule { pattern: PathPattern::Literal(path.into()), origin: Origin::BuiltIn("test") }
    }

    fn glob(text: &str) -> PathRule {
        let glob = crate::policy::files::PathGlob { text: text.into(), base: "/".into(), except: Vec::new() };
        PathRule { pattern: PathPattern::Glob(Box::new(glob)), origin: Origin::BuiltIn("test") }
    }

    fn rules() -> Rules {
        let places = Places {
            writable: vec![place("/w"), place("/tmp/t"), Place { path: "/one".into(), directory: false }],
            write_denied: vec![place("/w/.git/hooks"), place("/w/kept")],
            read_denied: vec![place("/secret")],
            ..Places::default()
        };
        let guard = |name: &str, before| Guard { root: "/w".into(), name: name.into(), before };
        let guards = [guard(".bashrc", Before::Missing), guard("HEAD", Before::NoBareRepository)];
        let files = FilePolicy {
            writable: vec![literal("/w"), literal("/cache/new"), glob("/out/*.log")],
            write_denied: vec![glob("/w/**/*.key"), glob("/cache/new/x/*")],
            ..FilePolicy::default()
        };
        let network = NetworkPolicy {
            unix_sockets: vec![Sourced::built_in("/run/user/*/agent".into(), "test")],
            ..NetworkPolicy::default()
        };
        Rules::new(&places, &guards, &files, &network, vec!["/run/user/0/sbsh".into()])
    }

    #[test]
    fn paths() {
        let rules = rules();
        for (path, expected) in [
            ("/w/a/b", Judgement::Passes),
            ("/w", Judgement::Passes),
            ("/wx", Judgement::Outside),
            ("/one", Judgement::Single),
            ("/", Judgement::OnTheWay),
            ("/w/kept/x", Judgement::Outside),
            ("/w/HEAD", Judgement::Passes),
            ("/w/.bashrc", Judgement::Protected(AT_TOP)),
            ("/w/.BashRC", Judgement::Protected(AT_TOP)),
            ("/cache/new/.envrc", Judgement::Outside),
            ("/cache/new/.VSCode", Judgement::Outside),
            ("/cache/new/y/.envrc", Judgement::Allowed),
            ("/out/a.log/.envrc", Judgement::Outside),
            ("/w/sub/.bashrc", Judgement::Passes),
            ("/w/sub/.git/hooks/pre-commit", Judgement::Protected(HOOK)),
            ("/w/sub/.GIT/modules/m/Hooks/x", Judgement::Protected(HOOK)),
            ("/w/sub/.git/hooks/pre-commit.sample", Judgement::Passes),
            ("/w/sub/.git/hooks/.sample", Judgement::Protected(HOOK)),
            ("/w/sub/hooks/x", Judgement::Passes),
            ("/w/a/b.key", Judgement::Protected(DENIED)),
            ("/w/a/b.key/c", Judgement::Protected(DENIED)),
            ("/secret/x", Judgement::Hidden),
            ("/cache/new", Judgement::Allowed),
            ("/cache/new/a", Judgement::Allowed),
            ("/cache/new/x/y", Judgement::Outside),
            ("/cache/newer", Judgement::Outside),
            ("/cache", Judgement::OnTheWay),
            ("/out/a.log", Judgement::Allowed),
            ("/out/a.txt", Judgement::Outside),
            ("/dev/null", Judgement::Own),
            ("/proc/self/comm", Judgement::Own),
        ] {
            assert_eq!(rules.judge(Path::new(path)), expected, "{path}");
        }
        let may = ["x", ".GIT", "Hooks", "config", "b.key", "a.log", "key"]
            .map(|name| rules.may_mean(name.as_bytes()));
        assert_eq!(may, [false, true, true, true, true, false, false]);
    }

    #[test]
    fn what_is_kept_is_kept_for_a_reason() {
        let source = std::sync::Arc::new(crate::settings::Source {
            path: "/s".into(),
            scope: crate::settings::Scope::User,
            text: "".into(),
        });
        let written = PathRule { origin: Origin::File { source, offset: 0 }, ..literal("/w/.git/denied") };
        let places = Places {
            writable: vec![place("/w")],
            write_denied: vec![place("/w/.git/hooks"), place("/w/.git/config")],
            ..Places::default()
        };
        let files = FilePolicy {
            writable: vec![literal("/w")],
            write_denied: vec![written],
            ..FilePolicy::default()
        };
        let rules = Rules::new(&places, &[], &files, &NetworkPolicy::default(), Vec::new());
        for (path, expected) in [
            ("/w/.git/hooks/pre-commit", Some(HOOK)),
            ("/w/.git/hooks", Some(KEPT)),
            ("/w/.git/config", Some(KEPT)),
            ("/w/.git/denied/x", Some(DENIED)),
            ("/w/x", None),
            ("/elsewhere", None),
        ] {
            assert_eq!(rules.kept(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn configurations() {
        let rules = rules().knowing(["/w/known/.git".into()]);
        for (path, entry) in [
            ("/w/a/.git/config", Some("/w/a/.git")),
            ("/w/a/.GIT/Config.worktree", Some("/w/a/.GIT")),
            ("/w/a/.git/modules/m/config", Some("/w/a/.git")),
            ("/w/a/.git/refs/heads/config", None),
            ("/w/a/.git/modules/m/refs/heads/config", None),
            ("/w/a/.git/worktrees/w/config.worktree", Some("/w/a/.git")),
            ("/w/a/.git/worktrees/w/commondir", None),
            ("/w/a/.git/hooks", None),
            ("/w/a/config", None),
            ("/w/known/.git/config", None),
        ] {
            assert_eq!(rules.configured(Path::new(path)), entry.map(Path::new), "{path}");
        }
    }

    #[test]
    fn sockets() {
        let rules = rules();
        let allowed = Reachable::Allowed("built-in (test)".into());
        assert!(matches!(rules.reach(Path::new("/run/user/0/agent")), Reachable::Allowed(_)), "{allowed:?}");
        assert_eq!(rules.reach(Path::new("/run/user/0/other")), Reachable::Unnamed);
        assert_eq!(rules.reach(Path::new("/run/user/0/sbsh/console")), Reachable::Never);
    }
}
