//! What git's configuration names: hooks that git runs, and files that it takes as more of its configuration.
//!
//! Owns reading it, includes within includes up to a bound. Must not judge what the rest of it says.

#[cfg(not(target_os = "linux"))]
use super::repositories::read_small;
use super::sight::Sight;
#[cfg(target_os = "linux")]
use crate::system::beneath::read_small;
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Bytes of one file.
const CONFIG: u64 = 1 << 20;
/// Files that are read, over all.
const FILES: usize = 40;

/// What some files name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configured {
    /// Directories of hooks; one that is relative is so to each working tree.
    pub hooks: Vec<PathBuf>,
    /// Files that are included, whatever the condition.
    pub included: Vec<PathBuf>,
}

/// The user's own files, which hold for every repository.
pub fn of_user(home: &Path, sight: &Sight) -> Configured {
    read([home.join(".gitconfig"), home.join(".config/git/config")], Some(home), sight)
}

/// What these files name, and those that they include.
pub fn read(files: impl IntoIterator<Item = PathBuf>, home: Option<&Path>, sight: &Sight) -> Configured {
    let mut all = Configured::default();
    let mut seen = BTreeSet::new();
    let mut waiting = VecDeque::from_iter(files);
    while let Some(file) = waiting.pop_front().filter(|_| seen.len() < FILES) {
        // By different ways it may be the same one.
        if !sight.canonical(&file).is_some_and(|real| seen.insert(real)) {
            continue;
        }
        let text = read_small(&file, CONFIG).unwrap_or_default();
        let base = file.parent().unwrap_or(Path::new("/"));
        let named = scan(&text);
        all.hooks.extend(named.hooks.into_iter().filter_map(|hooks| expanded(hooks, home)));
        for included in named.included.into_iter().filter_map(|path| expanded(path, home)) {
            let included = base.join(included);
            waiting.push_back(included.clone());
            all.included.push(included);
        }
    }
    all
}

/// `~/` is the home directory; other users', and git's own prefix, are no business of the tree's.
fn expanded(path: PathBuf, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(below) => home.map(|home| home.join(below)),
        Err(_) => Some(path).filter(|path| !matches!(path.as_os_str().as_encoded_bytes(), [b'~' | b'%', ..])),
    }
}

/// As they are written.
fn scan(text: &str) -> Configured {
    let (mut section, mut all) = (String::new(), Configured::default());
    for line in text.lines().map(str::trim) {
        let rest = match line.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((name, rest)) => {
                section = name.split([' ', '\t', '"']).next().unwrap_or_default().to_lowercase();
                rest.trim()
            }
            None => line,
        };
        let Some((key, value)) = rest.split_once('=') else { continue };
        let list = match (section.as_str(), key.trim().to_lowercase().as_str()) {
            ("core", "hookspath") => &mut all.hooks,
            ("include" | "includeif", "path") => &mut all.included,
            _ => continue,
        };
        let value = unquoted(value);
        list.extend((!value.is_empty()).then(|| value.into()));
    }
    all
}

/// A value as git reads it: without quotes, escapes, and a comment.
fn unquoted(value: &str) -> String {
    let (mut text, mut quoted) = (String::new(), false);
    let mut characters = value.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' => text.extend(characters.next()),
            '#' | ';' if !quoted => break,
            other => text.push(other),
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_a_config_names_is_found_as_git_would() {
        let config = "[core]\n\tbare = false\n\tHooksPath = \".git hooks\" ; ours\n[include] path = ../more\n\
                      [includeIf \"gitdir:~/x/\"]\n\tpath=~/y\n[alias]\n\tpath = no\n[core \"x\"]\n[Include]\n path = a\\\"b # c\n";
        let named = scan(config);
        assert_eq!(named.hooks, [".git hooks"].map(PathBuf::from));
        assert_eq!(named.included, ["../more", "~/y", "a\"b"].map(PathBuf::from));
    }

    #[test]
    fn includes_are_followed_to_their_end_and_no_circle_is() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path();
        fs::create_dir(top.join("sub")).unwrap();
        fs::write(top.join("one"), "[include]\npath = sub/two\npath = ~/three\npath = ~other/x\n").unwrap();
        fs::write(top.join("sub/two"), "[include]\npath = ../one\n[core]\nhooksPath = h\n").unwrap();
        fs::write(top.join("three"), "[core]\nhooksPath = ~/g\n").unwrap();
        let found = read([top.join("one"), top.join("missing")], Some(top), &Sight::default());
        assert_eq!(found.hooks, [PathBuf::from("h"), top.join("g")]);
        assert_eq!(found.included, [top.join("sub/two"), top.join("three"), top.join("sub/../one")]);
        let circle: String = (0..200).map(|n| format!("[include]\npath = {n}/../one\n")).collect();
        fs::write(top.join("one"), circle).unwrap();
        read([top.join("one")], None, &Sight::default());
    }
}
