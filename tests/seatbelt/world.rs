//! Policies to make profiles of, and profiles to ask.

use crate::checker::{Checker, Object};
use sbsh::confinement::plan::Places;
use sbsh::confinement::seatbelt::{self, Boundary, Network, Profile};
use sbsh::policy::{Access, FilePolicy, PathRule, paths};
use sbsh::settings::Origin;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub const TAG: &str = "sbsh_test";

/// Rules as settings in `/` would write them.
pub fn rules(texts: &[impl AsRef<str>]) -> Vec<PathRule> {
    let rule = |text: &str| PathRule {
        pattern: paths::pattern(Path::new("/"), text).unwrap(),
        origin: Origin::BuiltIn("test"),
    };
    texts.iter().map(|text| rule(text.as_ref())).collect()
}

/// `allowWrite`, `denyWrite`, `denyRead`, `allowRead`.
pub fn policy(lists: [&[&str]; 4]) -> FilePolicy {
    let [writable, write_denied, read_denied, read_allowed] = lists.map(rules);
    FilePolicy { writable, write_denied, read_denied, read_allowed, ..FilePolicy::default() }
}

pub struct World {
    pub files: FilePolicy,
    pub places: Places,
    pub roots: Vec<PathBuf>,
    pub scratch: Option<PathBuf>,
    pub network: Network,
}

impl World {
    pub fn of(files: FilePolicy) -> World {
        let (places, roots, scratch, network) = Default::default();
        World { files, places, roots, scratch, network }
    }

    pub fn profile(&self) -> Profile {
        let boundary = Boundary {
            files: &self.files,
            places: &self.places,
            roots: &self.roots,
            scratch: self.scratch.as_deref(),
            network: &self.network,
            tag: TAG,
        };
        seatbelt::profile(&boundary).unwrap()
    }

    pub fn checker(&self) -> Checker {
        let profile = self.profile();
        let checker = Checker::read(&profile.text, &profile.parameters);
        let checker = checker.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(Vec::from_iter(&checker.tags), [TAG]);
        checker
    }
}

/// Where macOS's links lead.
pub fn real(path: &Path) -> PathBuf {
    let linked = ["/tmp", "/var", "/etc"].iter().any(|link| path.starts_with(link));
    if linked { Path::new("/private").join(path.strip_prefix("/").unwrap()) } else { path.into() }
}

impl Checker {
    pub fn file(&self, operation: &str, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref().as_os_str().as_bytes();
        self.allows(operation, &Object { path: Some(path), ..Object::default() })
    }

    /// What may be done with what a path holds.
    pub fn access(&self, path: impl AsRef<Path>) -> Access {
        let can = |operation| self.file(operation, path.as_ref());
        match (can("file-read-data"), can("file-write-data")) {
            (true, true) => Access::Write,
            (true, false) => Access::Read,
            (false, false) => Access::None,
            (false, true) => panic!("{} can be written and not read", path.as_ref().display()),
        }
    }

    /// As rename(2) is asked: the old name goes, the new one comes.
    pub fn moves(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> bool {
        self.file("file-write-unlink", from) && self.file("file-write-create", to)
    }
}
