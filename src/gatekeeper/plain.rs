//! Names that mean nothing in particular, in directories where all of those may be made and changed: the greater part of
//! all calls, answered with little work.
//!
//! Owns what the rules say of a directory and every plain name in it, kept by the directory's canonical path. That is an
//! answer of pure rules to a text, so it cannot become untrue: the rules of a run never change, and what can (where a name
//! leads, repositories, what a person granted) is looked at anew for each call or has no plain name. Must not answer
//! anything that [`Rules::judge`] would not.

use super::bare;
use super::call::{Deed, Made, Name};
use super::domain::Domain;
use super::place::Places;
use super::rules::{self, Judgement, Rules};
use crate::system::stranger;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Directories whose answers are kept.
const MOST: usize = 10_000;

/// Names that are not plain in one directory, in small letters.
type Exceptions = BTreeSet<Vec<u8>>;

/// What is known of directories.
#[derive(Debug, Default)]
pub struct Plain {
    /// `None`: each name has an answer of its own.
    answers: HashMap<Box<[u8]>, Option<Exceptions>>,
    /// The path that is looked at.
    path: Vec<u8>,
}

impl Plain {
    /// Whether all that a call touches has plain names and passes. False where that is not known.
    /// Where Landlock holds what is below, only in places that it allows, and only for what it has a right for.
    pub fn passes(
        &mut self,
        thread: i32,
        deed: Deed,
        places: &Places,
        rules: &Rules,
        domain: Option<&Domain>,
    ) -> bool {
        let mut one = |name| self.name_passes(thread, name, places, rules, domain);
        match deed {
            Deed::Change { .. } if domain.is_some() => false,
            // It brings what is behind it.
            Deed::Make { what: Made::Symlink(_), .. } => false,
            Deed::Open { at, .. }
            | Deed::Make { at, .. }
            | Deed::Remove { at, .. }
            | Deed::Change { at, .. } => one(at),
            // By another name a file could be written that is protected by its first one, or by where that is.
            Deed::Link { from, to } => !from.follow && one(from) && one(to),
            // It carries what is below.
            Deed::Rename { .. } | Deed::Connect { .. } | Deed::Pair(_) => false,
            Deed::Alter { .. } | Deed::Listen { .. } | Deed::Bind(_) => false,
        }
    }

    fn name_passes(
        &mut self,
        thread: i32,
        name: Name,
        places: &Places,
        rules: &Rules,
        domain: Option<&Domain>,
    ) -> bool {
        let mut room = [0; stranger::SHORT];
        let text = stranger::short_path(thread, name.text, &mut room);
        let Some((above, last)) = text.and_then(split) else { return false };
        let mut path = std::mem::take(&mut self.path);
        path.clear();
        let passes = absolute(thread, name, above, &mut path)
            && domain.is_none_or(|domain| domain.lets_write(as_path(&path)))
            && self.may(&path, last, rules)
            && match (name.follow, above) {
                // Of a working directory the kernel has just told the path.
                (false, None) => true,
                (false, Some(_)) => places.is_straight(as_path(&path), true),
                (true, _) => {
                    path.push(b'/');
                    path.extend_from_slice(last);
                    places.is_straight(as_path(&path), false)
                }
            };
        self.path = path;
        passes
    }

    fn may(&mut self, directory: &[u8], last: &[u8], rules: &Rules) -> bool {
        if bare::is_hooks(as_path(directory)) {
            return false;
        }
        if !self.answers.contains_key(directory) {
            if self.answers.len() >= MOST {
                self.answers.clear();
            }
            let answer = rules.exceptions(as_path(directory));
            self.answers.insert(directory.into(), answer);
        }
        match self.answers.get(directory).and_then(Option::as_ref) {
            Some(names) => names.is_empty() || !names.contains(&last.to_ascii_lowercase()),
            None => rules.judge(&as_path(directory).join(OsStr::from_bytes(last))) == Judgement::Passes,
        }
    }
}

/// The directory's part of a path, if it has one, and its last; `None` unless all parts are ordinary and the last is plain.
fn split(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (above, last) = match text.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (Some(text.get(..slash)?), text.get(slash + 1..)?),
        None => (None, text),
    };
    let is_odd = |part: &[u8]| matches!(part, b"" | b"." | b"..");
    let rest = above.filter(|above| !above.is_empty()).map(|above| above.strip_prefix(b"/").unwrap_or(above));
    let odd = is_odd(last) || rest.is_some_and(|rest| rest.split(|&byte| byte == b'/').any(is_odd));
    (!odd && rules::is_plain(last) && !bare::is_part(last)).then_some((above, last))
}

/// The path of the directory that holds a name.
fn absolute(thread: i32, name: Name, above: Option<&[u8]>, path: &mut Vec<u8>) -> bool {
    match above {
        // Of a name at the top.
        Some(b"") => path.push(b'/'),
        Some(above) if above.starts_with(b"/") => path.extend_from_slice(above),
        _ => {
            if !stranger::directory_into(thread, name.from, path) {
                return false;
            }
            if let Some(above) = above {
                if path.last() != Some(&b'/') {
                    path.push(b'/');
                }
                path.extend_from_slice(above);
            }
        }
    }
    true
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ordinary_paths_with_a_plain_end_are_split() {
        for (text, parts) in [
            ("f", Some((None, "f"))),
            ("a/b/f", Some((Some("a/b"), "f"))),
            ("/f", Some((Some(""), "f"))),
            ("/a/f", Some((Some("/a"), "f"))),
            ("", None),
            ("a/", None),
            ("/", None),
            ("a//f", None),
            ("//f", None),
            ("./f", None),
            ("a/../f", None),
            ("a/..", None),
            (".", None),
            (".git", None),
            ("a/.GIT", None),
            ("a/Config", None),
            ("a/.git/f", Some((Some("a/.git"), "f"))),
        ] {
            let expected = parts.map(|(above, last)| (above.map(str::as_bytes), last.as_bytes()));
            assert_eq!(split(text.as_bytes()), expected, "{text}");
        }
    }
}
