//! Path grammars of settings: text → pattern over whole absolute paths. Pure.
//!
//! Owns where a path is relative to, lexical normalisation and wildcards. Must not know which list a path is for.

use super::error::{PolicyError, Problem};
use super::files::{PathGlob, PathPattern};
use crate::settings::{Locations, Origin, Scope, Source};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Reads paths as they stand in settings files.
#[derive(Debug, Clone, Copy)]
pub struct PathReader<'a> {
    /// Home and working directory.
    pub locations: &'a Locations,
    /// The project directory.
    pub project: Option<&'a Path>,
}

impl PathReader<'_> {
    /// Paths under `sandbox.filesystem`, `sandbox.credentials` and `additionalDirectories`: `/abs`, `~/x`, else
    /// relative to the project of the file (user file: its directory; managed: `/`).
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn filesystem(&self, text: &str, origin: &Origin) -> Result<PathPattern, PolicyError> {
        let read = || {
            check(text)?;
            if text.starts_with('/') {
                return pattern(Path::new("/"), text);
            }
            match self.home(text)? {
                Some((home, rest)) => pattern(home, rest),
                None => pattern(&self.directory_of(origin), text),
            }
        };
        read().map_err(|problem| problem.at(origin))
    }

    /// Paths of permission rules: `//abs`, `~/x`, `/x` relative to the file's project (user file: its directory;
    /// managed: `/`), everything else relative to the working directory. A pattern without a slash names what has
    /// that name at every depth; `deep` says whether that holds for plain names too (it does for what is denied:
    /// there, more is safe), and then the name directly in the working directory is also a literal, which protects it
    /// before it exists.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn permission(
        &self,
        text: &str,
        origin: &Origin,
        deep: bool,
    ) -> Result<Vec<PathPattern>, PolicyError> {
        let read = || -> Result<Vec<PathPattern>, Problem> {
            check(text)?;
            if let Some(rest) = text.strip_prefix("//") {
                return Ok(vec![pattern(Path::new("/"), rest)?]);
            }
            if let Some(rest) = text.strip_prefix('/') {
                return Ok(vec![pattern(&self.directory_of(origin), rest)?]);
            }
            if let Some((home, rest)) = self.home(text)? {
                return Ok(vec![pattern(home, rest)?]);
            }
            let cwd = &self.locations.cwd;
            let here = pattern(cwd, text)?;
            let name = text.trim_end_matches('/');
            if name.contains('/') || matches!(name, "." | "..") {
                return Ok(vec![here]);
            }
            match here {
                PathPattern::Glob(_) => Ok(vec![pattern(cwd, &format!("**/{name}"))?]),
                literal if deep => Ok(vec![literal, pattern(cwd, &format!("**/{name}"))?]),
                literal => Ok(vec![literal]),
            }
        };
        read().map_err(|problem| problem.at(origin))
    }

    /// The home directory and what follows, for `~` and `~/x`.
    fn home<'t>(&self, text: &'t str) -> Result<Option<(&Path, &'t str)>, Problem> {
        let Some(after) = text.strip_prefix('~') else { return Ok(None) };
        if !after.is_empty() && !after.starts_with('/') {
            return Err(Problem::OtherHome(text.to_owned()));
        }
        match self.locations.home.as_deref() {
            Some(home) if home.is_absolute() => Ok(Some((home, after))),
            _ => Err(Problem::NoHome(text.to_owned())),
        }
    }

    /// What the paths of a file are relative to.
    fn directory_of(&self, origin: &Origin) -> PathBuf {
        let Origin::File { source, .. } = origin else { return self.locations.cwd.clone() };
        directory_of(source, self.project)
    }
}

/// What the paths of a settings file are relative to: its project; for the user's file the directory that it is in;
/// for managed files `/`.
fn directory_of(source: &Source, project: Option<&Path>) -> PathBuf {
    let beside = source.path.parent();
    let directory = match source.scope {
        Scope::Managed => None,
        // Not of a project around it.
        Scope::Project | Scope::Local => project
            .filter(|project| beside.is_none_or(|beside| beside.starts_with(project)))
            .or_else(|| beside.and_then(Path::parent)),
        Scope::User => beside,
    };
    directory.filter(|d| d.is_absolute()).unwrap_or(Path::new("/")).to_path_buf()
}

fn check(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::EmptyPath);
    }
    if text.contains('\0') {
        return Err(Problem::NulInPath(text.to_owned()));
    }
    Ok(())
}

/// A path without `.`, `..` and doubled slashes, by its text alone.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    out
}

/// One component of a pattern.
enum Part {
    Name(OsString),
    /// With wildcards, as glob text.
    Glob(String),
}

/// The pattern that `rest` means below a directory (which is literal whatever characters it has).
///
/// # Errors
/// [`Problem`].
pub fn pattern(directory: &Path, rest: &str) -> Result<PathPattern, Problem> {
    let mut parts: Vec<Part> =
        normal(directory).iter().skip(1).map(|name| Part::Name(name.to_os_string())).collect();
    let marked = mark_braces(rest);
    for piece in marked.split('/') {
        match piece {
            "" | "." => {}
            ".." => {
                if let Some(Part::Glob(_)) = parts.pop() {
                    return Err(Problem::UpFromGlob(rest.to_owned()));
                }
            }
            _ => parts.push(part(piece)),
        }
    }
    drop_everything_below(&mut parts);
    if parts.iter().all(|p| matches!(p, Part::Name(_))) {
        return Ok(PathPattern::Literal(leading_names(&parts)));
    }
    let mut text = String::new();
    for part in &parts {
        text.push('/');
        match part {
            Part::Glob(glob) => text.push_str(glob),
            Part::Name(name) => {
                let name = name.to_str().ok_or_else(|| Problem::GlobBelowNotText(rest.to_owned()))?;
                text.push_str(&escaped(name));
            }
        }
    }
    if let Err(error) = fast_glob::validate(text.as_bytes()) {
        return Err(Problem::BadGlob { text: rest.to_owned(), why: kind(error.kind) });
    }
    Ok(PathPattern::Glob(Box::new(PathGlob { text, base: leading_names(&parts), except: Vec::new() })))
}

/// The library's words with the place left out: it counts from the start of the absolute pattern, which nobody wrote.
fn kind(kind: fast_glob::ErrorKind) -> &'static str {
    match kind {
        fast_glob::ErrorKind::UnclosedBrace => "a \"{\" is not closed",
        fast_glob::ErrorKind::UnclosedBracket => "a \"[\" is not closed",
        fast_glob::ErrorKind::TrailingBackslash => "it ends in a backslash",
        fast_glob::ErrorKind::BraceNestingTooDeep => "braces are nested too deep",
        fast_glob::ErrorKind::TooManyBraceGroups => "it has too many braces",
        _ => "it cannot be matched",
    }
}

fn leading_names(parts: &[Part]) -> PathBuf {
    let mut base = PathBuf::from("/");
    for part in parts {
        let Part::Name(name) = part else { break };
        base.push(name);
    }
    base
}

/// `x/**` and `x/**/*` mean x with everything below, which every pattern covers anyway.
fn drop_everything_below(parts: &mut Vec<Part>) {
    let is = |part: Option<&Part>, text: &str| matches!(part, Some(Part::Glob(glob)) if glob == text);
    loop {
        let last = parts.len();
        if is(parts.last(), "**") {
            parts.pop();
        } else if is(parts.last(), "*") && last >= 2 && is(parts.get(last - 2), "**") {
            parts.truncate(last - 2);
        } else {
            return;
        }
    }
}

/// Characters that mean something in a glob.
const SPECIAL: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// A literal name as glob text.
pub fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for character in name.chars() {
        if SPECIAL.contains(&character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// A path that is written from a directory, as an absolute entry: the directory, be it called `[slug]` or `**`, is this one name and
/// no pattern. `None`: the directory's path is no text.
pub fn entry_from(directory: &Path, text: &str) -> Option<String> {
    let whole = Path::new(&escaped(directory.to_str()?)).join(text);
    Some(normal(&whole).to_string_lossy().into_owned())
}

/// Braces are alternatives only where they hold a comma, as in a shell; all others are made literal. Escapes of
/// ordinary characters are undone, because the glob library reads `\n` and its like as control characters.
fn mark_braces(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut literal = vec![false; characters.len()];
    let set = |literal: &mut Vec<bool>, index: usize| {
        if let Some(slot) = literal.get_mut(index) {
            *slot = true;
        }
    };
    let mut escape = false;
    for (index, character) in characters.iter().enumerate() {
        match character {
            _ if escape => escape = false,
            '\\' => escape = true,
            '{' => open.push((index, false)),
            ',' => {
                if let Some(last) = open.last_mut() {
                    last.1 = true;
                }
            }
            '}' => match open.pop() {
                Some((_, true)) => {}
                Some((start, false)) => {
                    set(&mut literal, start);
                    set(&mut literal, index);
                }
                None => set(&mut literal, index),
            },
            _ => {}
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut escape = false;
    for (character, literal) in characters.iter().zip(literal) {
        if escape {
            if SPECIAL.contains(character) || matches!(character, ',' | '!' | '^' | '-') {
                out.push('\\');
            }
            out.push(*character);
            escape = false;
        } else if *character == '\\' {
            escape = true;
        } else {
            if literal {
                out.push('\\');
            }
            out.push(*character);
        }
    }
    if escape {
        out.push_str("\\\\");
    }
    out
}

/// One component: a name if nothing in it is a wildcard, else a glob in which `**` beside other characters is `*`.
fn part(piece: &str) -> Part {
    let mut name = String::new();
    let mut glob = String::new();
    let mut wild = false;
    let mut characters = piece.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let next = characters.next().unwrap_or('\\');
                name.push(next);
                glob.extend(['\\', next]);
                continue;
            }
            '*' | '?' | '[' | '{' | '}' => wild = true,
            _ => {}
        }
        name.push(character);
        if !(character == '*' && glob.ends_with('*') && !glob.ends_with("\\*") && piece != "**") {
            glob.push(character);
        }
    }
    if wild { Part::Glob(glob) } else { Part::Name(name.into()) }
}
