//! Names that some file systems take for other ones. Pure.
//!
//! Owns what a name could be taken for: vfat and exFAT leave out dots and blanks at the end, HFS+ and ext4's casefold (utf8 NFDICF)
//! what Unicode ignores, and casefold knows a few letters that are ASCII ones to it (CVE-2014-9390 is git's own of this kind). Must
//! not know which file system it is: nobody needs such a name beside the plain one. Case is left to whoever compares.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What a name could be taken for; `None`: only for itself, in whatever case.
pub fn of(name: &[u8]) -> Option<Vec<u8>> {
    if name.is_ascii() && !matches!(name.last(), Some(b'.' | b' ')) {
        return None;
    }
    let mut plain = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                _ if is_ignored(letter) => {}
                '\u{212a}' => plain.push(b'k'),
                '\u{17f}' => plain.push(b's'),
                '\u{df}' | '\u{1e9e}' => plain.extend(b"ss"),
                '\u{fb00}' => plain.extend(b"ff"),
                '\u{fb01}' => plain.extend(b"fi"),
                '\u{fb02}' => plain.extend(b"fl"),
                '\u{fb03}' => plain.extend(b"ffi"),
                '\u{fb04}' => plain.extend(b"ffl"),
                '\u{fb05}' | '\u{fb06}' => plain.extend(b"st"),
                other => plain.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        plain.extend(chunk.invalid());
    }
    while matches!(plain.last(), Some(b'.' | b' ')) {
        plain.pop();
    }
    (!plain.is_empty() && plain != name).then_some(plain)
}

/// The path that a canonical path could be taken for, if another one.
pub fn of_path(path: &Path) -> Option<PathBuf> {
    let differs = path.iter().any(|part| of(part.as_bytes()).is_some());
    let taken = |part: &OsStr| of(part.as_bytes()).map_or_else(|| part.to_owned(), OsString::from_vec);
    differs.then(|| path.iter().map(taken).collect())
}

/// Default_Ignorable_Code_Point.
fn is_ignored(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_for_what_file_systems_make_of_it() {
        let plain = |name: &str| of(name.as_bytes()).map(|plain| String::from_utf8(plain).unwrap());
        for (name, taken) in [
            (".git.", ".git"),
            (".git . ", ".git"),
            (".g\u{200d}it", ".git"),
            (".GI\u{feff}T", ".GIT"),
            ("hoo\u{212a}s", "hooks"),
            ("\u{17f}ettings.json", "settings.json"),
            ("con\u{fb01}g", "config"),
        ] {
            assert_eq!(plain(name).as_deref(), Some(taken), "{name:?}");
        }
        for name in [".git", "a.b", "\u{e9}t\u{e9}", "\u{4e2d}\u{6587}.txt", "...", "", "\u{200d}"] {
            assert_eq!(plain(name), None, "{name:?}");
        }
        assert_eq!(of(b"\xff."), Some(b"\xff".to_vec()));
        assert_eq!(of_path(Path::new("/w/.git./hoo\u{212a}s/x")), Some("/w/.git/hooks/x".into()));
        assert_eq!(of_path(Path::new("/w/.git/hooks/x")), None);
    }
}
