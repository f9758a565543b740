//! Recognises the text in which vim and Neovim wrap a command whose output they read: a file of their own behind it.
//!
//! Owns the exact shapes; anything else is judged whole. Must not decide what may run, nor whether an editor asked.

use super::envelope::{Envelope, complete, plain};
use std::path::{Path, PathBuf};

/// What such an envelope names as its agent.
pub const EDITOR: &str = "vim";

/// `(CMD) < FILE > FILE 2>&1` of filters, `:read !` and `system()`; `CMD 2>&1| tee FILE` of `:make` and `:grep`.
pub(super) fn recognise(text: &str) -> Option<Envelope> {
    let text = text.trim_end();
    let front = text.strip_suffix(" 2>&1").unwrap_or(text);
    let (inner, file) = match front.rsplit_once("| tee ") {
        Some((front, file)) => {
            let front = front.trim_end();
            (front.strip_suffix("2>&1").unwrap_or(front).trim_end(), own(file)?)
        }
        None => {
            let (front, file) = front.rsplit_once('>')?;
            let front = front.trim_end();
            let front = match front.rsplit_once(" < ") {
                Some((front, input)) if own(input).is_some() => front,
                _ => front,
            };
            (front.strip_prefix('(')?.strip_suffix(')')?, own(file.trim_start())?)
        }
    };
    complete(inner).then(|| Envelope { agent: EDITOR, inner: inner.to_owned(), grants: vec![file] })
}

/// A numbered file in the directory that an editor makes for its own files: `/tmp/vAb12Cd/3`, `/tmp/nvim.me/Ab12Cd/3`.
fn own(file: &str) -> Option<PathBuf> {
    let path = Path::new(file);
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let number = name(path);
    let directory = path.parent()?;
    let random = |name: &str| name.len() == 6 && plain(name);
    let made = name(directory);
    let fits = ["v", "nvim"].iter().any(|begun| made.strip_prefix(begun).is_some_and(random))
        || random(&made) && name(directory.parent()?).strip_prefix("nvim.").is_some_and(plain);
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let literal = file.starts_with('/') && file.split('/').skip(1).all(|part| plain(&part.replace('.', "")));
    (fits && numbered && literal).then(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Option<(String, String)> {
        recognise(text).map(|found| (found.inner, found.grants[0].display().to_string()))
    }

    #[test]
    fn the_wrappings_of_vim_and_neovim_are_taken_off() {
        for (text, inner, file) in [
            ("(echo a; false)>/tmp/vF1C8sb/0 2>&1", "echo a; false", "/tmp/vF1C8sb/0"),
            ("(sort) < /tmp/vF1C8sb/1>/tmp/vF1C8sb/2 2>&1", "sort", "/tmp/vF1C8sb/2"),
            ("(sort) < /tmp/nvimMUgc5b/2 > /tmp/nvimMUgc5b/3", "sort", "/tmp/nvimMUgc5b/3"),
            ("(echo hi)>/tmp/nvim.me/MUgc5b/12", "echo hi", "/tmp/nvim.me/MUgc5b/12"),
            ("make  2>&1| tee /tmp/vF1C8sb/7", "make", "/tmp/vF1C8sb/7"),
            (
                "grep -n x y /dev/null | tee /var/tmp/own/vF1C8sb/8",
                "grep -n x y /dev/null",
                "/var/tmp/own/vF1C8sb/8",
            ),
        ] {
            assert_eq!(seen(text), Some((inner.to_owned(), file.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_only_like_them_is_judged_whole() {
        for text in [
            "(ls)>/tmp/vF1C8sb/x 2>&1",
            "(ls)>/tmp/vF1C8sb/../0 2>&1",
            "(ls)>/tmp/other/0 2>&1",
            "(ls)>vF1C8sb/0",
            "(ls)>/tmp/vF1C8sb/0 2>&1; touch x",
            "(ls) ; (touch x)>/tmp/vF1C8sb/0 2>&1",
            "touch x; (ls)>/tmp/vF1C8sb/0 2>&1",
            "(ls)>/tmp/v*/0",
            "(ls)>/tmp/v$(id)x/0",
            "echo 'x | tee /tmp/vF1C8sb/0",
            "ls",
        ] {
            assert_eq!(seen(text), None, "{text}");
        }
    }
}
