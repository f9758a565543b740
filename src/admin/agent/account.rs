//! Another login shell for this process and what it becomes, as passwd(5) shows it.
//!
//! Owns a mount namespace in which `/etc/passwd` is a copy. Nobody else sees it. An ordinary user gets it by a user namespace, in
//! which set-user-ID programs (sudo) do nothing; so it is entered only for agents that ask for the account's shell.

use super::super::agents;
use crate::system::{mounts, namespaces, private};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::User;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const ACCOUNTS: &str = "/etc/passwd";

/// Has the account's shell be this one from now on.
///
/// # Errors
/// Why that cannot be had, as part of a sentence.
pub fn show(shell: &Path) -> Result<(), String> {
    let account = agents::account().ok_or("this user has no account")?;
    let before = fs::read(ACCOUNTS).map_err(|error| format!("cannot read {ACCOUNTS}: {error}"))?;
    let after = with_shell(&before, &account, shell).ok_or("the account cannot be written as a line")?;
    let (file, copy) =
        copy_of(&after).map_err(|error| format!("cannot write a copy of {ACCOUNTS}: {error}"))?;
    let shown = enter().and_then(|()| {
        mounts::keep_apart()?;
        let tree = mounts::Tree::of(mounts::place(&file, mounts::Links::Refused)?.as_fd())?;
        tree.attach(mounts::place(Path::new(ACCOUNTS), mounts::Links::Followed)?.as_fd())
    });
    // What is mounted stays.
    let removed = fs::remove_file(&file);
    drop(copy);
    shown.map_err(|error| format!("cannot make a mount namespace: {}", error.desc()))?;
    removed.map_err(|error| format!("cannot remove '{}': {error}", file.display()))
}

/// A mount namespace of this process's own, with the capability to mount in it.
fn enter() -> nix::Result<()> {
    match unshare(CloneFlags::CLONE_NEWNS) {
        Ok(()) => Ok(()),
        Err(_) => namespaces::of_user(CloneFlags::empty()),
    }
}

/// The accounts, with this shell in the line of this one; where it comes from elsewhere (nsswitch.conf(5)), it gets a line.
fn with_shell(accounts: &[u8], account: &User, shell: &Path) -> Option<Vec<u8>> {
    let shell = shell.as_os_str().as_bytes();
    let fields = |line: &[u8]| line.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let is_own = |line: &[u8]| fields(line).first().is_some_and(|name| name == account.name.as_bytes());
    if shell.iter().any(|byte| b":\n".contains(byte)) {
        return None;
    }
    let mut found = false;
    let mut lines: Vec<Vec<u8>> = accounts.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for line in lines.iter_mut().filter(|line| is_own(line)) {
        let mut all = fields(line);
        *all.get_mut(6)? = shell.to_vec();
        *line = all.join(&b':');
        found = true;
    }
    let mut text = lines.join(&b'\n');
    if !found {
        let (user, group) = (account.uid, account.gid);
        let home = account.dir.as_os_str().as_bytes();
        let own =
            [format!("{}:x:{user}:{group}::", account.name).as_bytes(), home, b":", shell, b"\n"].concat();
        if home.contains(&b':') || own.split(|byte| *byte == b'\n').count() != 2 {
            return None;
        }
        text = [own, text].concat();
    }
    Some(text)
}

/// A file that everybody may read, in this user's private directory.
fn copy_of(text: &[u8]) -> std::io::Result<(PathBuf, fs::File)> {
    let user = nix::unistd::geteuid().as_raw();
    let path = fs::canonicalize(private::first_of_user(user)?)?.join(format!("passwd-{}", private::token()?));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?;
    file.write_all(text)?;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> User {
        let mut account = User::from_uid(nix::unistd::Uid::from_raw(0)).unwrap().unwrap();
        account.name = name.into();
        account.dir = "/home/x".into();
        account
    }

    #[test]
    fn one_line_is_changed_and_nothing_else() {
        let text =
            b"root:x:0:0:root:/root:/bin/bash\nme:x:5:5::/home/me:/bin/zsh\nmeander:x:6:6::/:/bin/sh\n";
        let after = with_shell(text, &account("me"), Path::new("/a/bash")).unwrap();
        let expected =
            "root:x:0:0:root:/root:/bin/bash\nme:x:5:5::/home/me:/a/bash\nmeander:x:6:6::/:/bin/sh\n";
        assert_eq!(String::from_utf8(after).unwrap(), expected);
    }

    #[test]
    fn an_account_from_elsewhere_gets_a_line() {
        let after =
            with_shell(b"root:x:0:0::/root:/bin/sh\n", &account("them"), Path::new("/a/bash")).unwrap();
        assert_eq!(
            String::from_utf8(after).unwrap(),
            "them:x:0:0::/home/x:/a/bash\nroot:x:0:0::/root:/bin/sh\n"
        );
    }

    #[test]
    fn what_would_be_several_lines_or_fields_is_refused() {
        assert_eq!(with_shell(b"me:x:5:5::/:/bin/sh", &account("me"), Path::new("/a:b/bash")), None);
        assert_eq!(with_shell(b"me:x:5:5::/:/bin/sh", &account("me"), Path::new("/a\nb")), None);
        assert_eq!(with_shell(b"me:x:5:5\n", &account("me"), Path::new("/a/bash")), None);
        assert_eq!(with_shell(b"", &account("a\nb"), Path::new("/a/bash")), None);
    }
}
