//! How the shell inside is started in the person's stead: which of the arguments that sbsh was given it can take. Pure.

use crate::pipeline::shells;
use crate::session::inner::{Files, Shell, Start};
use crate::system::pty::FIRST_GIVEN;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The start, if it is a shell that can be led and there is no argument that is not known here.
pub(super) fn start(shell: &shells::Shell, mark: String) -> Option<Start> {
    read(&shell.path, shell.invocation.login, &shell.invocation.arguments, mark)
}

fn read(path: &Path, login: bool, arguments: &[OsString], mark: String) -> Option<Start> {
    let shell = Shell::from_name(path.file_name()?.to_str()?)?;
    let mut start = Start {
        shell,
        login,
        files: Files::default(),
        requests: FIRST_GIVEN,
        answers: FIRST_GIVEN + 1,
        boot: FIRST_GIVEN + 2,
        mark,
    };
    let mut arguments = arguments.iter().map(OsString::as_os_str);
    while let Some(argument) = arguments.next() {
        match (argument.as_bytes(), shell) {
            (b"--login" | b"-login", Shell::Bash) => start.login = true,
            (b"--norc", Shell::Bash) => start.files.no_rc = true,
            (b"--noprofile", Shell::Bash) => start.files.no_profile = true,
            (b"--rcfile" | b"--init-file" | b"-rcfile" | b"-init-file", Shell::Bash) => {
                start.files.rc_file = Some(arguments.next().map(OsStr::to_owned)?);
            }
            ([b'-', letters @ ..], _)
                if !letters.is_empty() && letters.iter().all(|l| matches!(l, b'i' | b'l' | b's')) =>
            {
                start.login |= letters.contains(&b'l');
            }
            _ => return None,
        }
    }
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bash(words: &[&str]) -> Option<Start> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        read(Path::new("/bin/bash"), false, &words, "m".into())
    }

    #[test]
    fn what_is_known_is_taken_and_anything_else_leaves_the_shell_to_itself() {
        assert!(bash(&[]).is_some_and(|start| !start.login));
        assert!(bash(&["-il"]).is_some_and(|start| start.login));
        assert!(bash(&["--login", "-i"]).is_some_and(|start| start.login));
        let files = bash(&["-rcfile", ".bashrc"]).map(|start| start.files.rc_file);
        assert_eq!(files, Some(Some(".bashrc".into())));
        for words in [&["-x"][..], &["-o", "vi"], &["--rcfile"], &["--posix"], &["-i", "script"]] {
            assert_eq!(bash(words), None, "{words:?}");
        }
        assert_eq!(read(Path::new("/bin/dash"), false, &[], "m".into()), None);
    }
}
