//! The working root: the one directory tree that is writable without a setting. Pure.
//!
//! Owns which directory it is and when it is too broad to be one by accident. Must not move with `cd`.

use super::WorkingRoot;
use super::error::{PolicyError, Problem};
use super::paths::normal;
use crate::settings::{Layers, Locations, Notice, Origin};
use std::path::Path;

/// The caller's variable that names the root.
pub const VARIABLE: &str = "SBSH_ROOT";

/// The working root, and what to say about it.
///
/// # Errors
/// [`PolicyError`] if the caller names one that is no absolute path.
pub(super) fn choose(
    layers: &Layers,
    locations: &Locations,
) -> Result<(WorkingRoot, Option<Notice>), PolicyError> {
    if let Some(named) = &locations.root_override {
        let origin = Origin::Caller(VARIABLE);
        let text = || named.to_string_lossy().into_owned();
        if named.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(Problem::NulInPath(text()).at(&origin));
        }
        if !named.is_absolute() {
            return Err(Problem::NotAbsolute { what: VARIABLE, text: text() }.at(&origin));
        }
        let path = normal(named);
        let broad = too_broad(&path, locations);
        let notice = broad.as_ref().map(|why| {
            let path = path.display();
            broad_root(format!(
                "the working root {path} ({VARIABLE}) {why}: everything in it is writable inside"
            ))
        });
        return Ok((WorkingRoot::At { path, origin, broad }, notice));
    }
    let candidate = normal(layers.project.as_ref().unwrap_or(&locations.cwd));
    match too_broad(&candidate, locations) {
        None => {
            let origin = Origin::BuiltIn("working root");
            Ok((WorkingRoot::At { path: candidate, origin, broad: None }, None))
        }
        Some(why) => {
            let notice = broad_root(format!(
                "nothing is writable but TMPDIR and what settings allow, because {} {why}; start in a project or name a directory with {VARIABLE}",
                candidate.display()
            ));
            Ok((WorkingRoot::None { candidate, why }, Some(notice)))
        }
    }
}

fn broad_root(text: String) -> Notice {
    Notice { kind: "broad-root", text }
}

/// Why a directory is too broad to be writable by accident, as the end of a sentence.
pub fn too_broad(path: &Path, locations: &Locations) -> Option<String> {
    if path == Path::new("/") {
        return Some("is the whole file system".to_owned());
    }
    if let Some(home) = locations.home.as_deref().map(normal) {
        if path == home {
            return Some("is your home directory".to_owned());
        }
        if home.starts_with(path) {
            return Some("contains your home directory".to_owned());
        }
    }
    if locations.tmpdir.as_deref().is_some_and(|tmpdir| tmpdir.starts_with(path)) {
        return Some("holds sbsh's private directories".to_owned());
    }
    let programs = locations.program_dirs.iter().filter(|d| d.is_absolute()).map(|d| normal(d));
    for directory in programs {
        if directory == path {
            return Some("holds programs on PATH".to_owned());
        }
        if directory.parent() == Some(path) {
            return Some(format!("contains {}, which holds programs on PATH", directory.display()));
        }
    }
    None
}
