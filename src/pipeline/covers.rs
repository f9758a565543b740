//! Which programs are covered inside by shims: those that `excludedCommands` name, where the caller's PATH finds them.
//!
//! Owns the list, by which alone a file is chosen that runs outside. Must leave out what confined code could have written,
//! the inner shell and sbsh itself.

use super::outside;
use super::prepare::Prepared;
use crate::caller::Caller;
use crate::policy::Access;
use crate::system::process;
use crate::verdict::WAY_OUT;
use std::path::{Path, PathBuf};

/// More covered files are left as they are: each costs two mounts.
const MOST: usize = 64;

/// One covered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// The file itself, symlinks resolved.
    pub file: PathBuf,
    /// The names on PATH that lead to it.
    pub names: Vec<PathBuf>,
}

impl Cover {
    /// The name on PATH by which it was called: what runs outside, and what rules are matched against.
    pub fn called(&self, argv0: &Path) -> Option<&Path> {
        let called = self.names.iter().find(|name| name.file_name() == argv0.file_name());
        called.map(PathBuf::as_path)
    }
}

/// What is covered, and what cannot be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covers {
    /// The files.
    pub files: Vec<Cover>,
    /// Names by which the inside finds nothing else than what is covered.
    sure: Vec<String>,
    /// What an entry names and what must not run outside; with why.
    left_out: Vec<(String, String)>,
}

impl Covers {
    /// For this policy. Looks at the file system only where something is excluded.
    pub fn find(prepared: &Prepared, shell: &Path, caller: &Caller) -> Covers {
        let mut covers = Covers::default();
        let mut names: Vec<&str> =
            prepared.policy.commands.excluded.iter().filter_map(|rule| rule.program()).collect();
        names.sort_unstable();
        names.dedup();
        // Without a sandbox nothing stands in their place.
        if names.is_empty() || !prepared.policy.enabled.value {
            return covers;
        }
        let own = prepared.locations.binary.clone();
        let shell = std::fs::canonicalize(shell).ok();
        for &name in &names {
            for found in candidates(name, caller) {
                let Ok(real) = std::fs::canonicalize(&found) else { continue };
                if !process::is_program(&real) || own.as_ref() == Some(&real) {
                    continue;
                }
                match why_not(&found, &real, shell.as_deref(), prepared) {
                    None => covers.add(real, found),
                    Some(why) => covers.left_out.push((name.to_owned(), why)),
                }
            }
        }
        covers.files.truncate(MOST);
        let sure = names.into_iter().filter(|name| covers.is_sure(name, prepared, caller));
        covers.sure = sure.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect();
        covers
    }

    fn add(&mut self, file: PathBuf, name: PathBuf) {
        match self.files.iter_mut().find(|cover| cover.file == file) {
            Some(cover) if cover.names.contains(&name) => {}
            Some(cover) => cover.names.push(name),
            None => self.files.push(Cover { file, names: vec![name] }),
        }
    }

    /// Names that mean a covered program and nothing else, whatever was made inside.
    pub fn names(&self) -> Vec<String> {
        self.sure.clone()
    }

    fn is_sure(&self, name: &str, prepared: &Prepared, caller: &Caller) -> bool {
        let is_covered = |path: &Path| {
            std::fs::canonicalize(path).is_ok_and(|real| self.files.iter().any(|cover| cover.file == real))
        };
        if name.contains('/') {
            return is_covered(Path::new(name));
        }
        let all = caller.variable("PATH").map(|path| std::env::split_paths(path).collect());
        for directory in all.unwrap_or_else(|| caller.program_directories()) {
            // What is relative means another one after each `cd`.
            if !directory.is_absolute() {
                return false;
            }
            let file = directory.join(name);
            if is_covered(&file) {
                return true;
            }
            // Something else is found first, or can be made to be.
            if file.exists() || outside::is_writable_inside(&directory, prepared) {
                return false;
            }
        }
        false
    }

    /// Worth saying if the command failed: what it names is excluded and ran confined all the same.
    pub fn note(&self, text: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(text);
        let named =
            |name: &str| text.split(|c: char| !c.is_alphanumeric() && !"._-+".contains(c)).any(|w| w == name);
        let (name, why) = self.left_out.iter().find(|(name, _)| {
            named(name) && !self.files.iter().any(|cover| cover.called(Path::new(name)).is_some())
        })?;
        Some(format!("excludedCommands names '{name}', but it ran confined: {why}"))
    }
}

fn why_not(found: &Path, real: &Path, shell: Option<&Path>, prepared: &Prepared) -> Option<String> {
    let shown = found.display();
    if outside::is_made_inside(found, prepared) {
        return Some(format!("'{shown}' or what interprets it lies where confined commands can write"));
    }
    if shell == Some(real) {
        return Some(format!("'{shown}' is the shell that runs every command"));
    }
    (prepared.policy.files.access(real) == Access::None).then(|| format!("'{shown}' must not be read"))
}

fn candidates(name: &str, caller: &Caller) -> Vec<PathBuf> {
    if name.contains('/') {
        // An entry with a path means this file.
        return Path::new(name).is_absolute().then(|| PathBuf::from(name)).into_iter().collect();
    }
    caller.program_directories().iter().map(|directory| directory.join(name)).collect()
}

/// Whether the way out is a program on the caller's PATH: then it works wherever a command can stand.
pub fn has_way_out(prepared: &Prepared, caller: &Caller) -> bool {
    let Some(own) = &prepared.locations.binary else { return false };
    candidates(WAY_OUT, caller).iter().any(|path| std::fs::canonicalize(path).ok().as_ref() == Some(own))
}
