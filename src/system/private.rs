//! Directories that are one user's alone, and words that nobody else knows. Owns making and checking them; knows nothing
//! of what lies in them.

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Directories in which a user's private directory may stand, in order.
const BASES: &[&str] = &["/tmp", "/var/tmp"];

/// `/tmp/sbsh-UID` and where it stands else, in order; made and checked by whoever uses them. User 0 of a user namespace is
/// called by the number that it has outside: the machine's root has the other name.
pub fn of_user(user: u32) -> impl Iterator<Item = PathBuf> {
    let number = if user == 0 {
        number_outside(&fs::read_to_string("/proc/self/uid_map").unwrap_or_default())
    } else {
        user
    };
    BASES.iter().map(move |base| Path::new(base).join(format!("sbsh-{number}")))
}

/// What user 0 is outside, by the text of a uid_map (user_namespaces(7)): lines of a first number inside, the number
/// outside that it is, and how many follow.
fn number_outside(map: &str) -> u32 {
    let lines = map.lines().map(|line| line.split_whitespace().map_while(|word| word.parse().ok()));
    lines.filter_map(|mut line| (line.next()? == 0).then(|| line.next())?).next().unwrap_or(0)
}

/// Makes the directory, or checks that what is there is a directory of this user with exactly this mode.
///
/// # Errors
/// What mkdir(2) gives, or what is wrong with what is there.
pub fn directory(path: &Path, user: u32, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        // Whatever the caller's umask took away.
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    if is_private(path, user, mode) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "'{}' is not a directory of this user with mode {mode:03o}; remove it",
        path.display()
    )))
}

/// Makes a directory and those above it that are not there. The mode is `mode` less the umask, but the owner can always use
/// them: a caller with `umask 177`, which is for files, would be left with a `~/.local` that nobody enters.
///
/// # Errors
/// What mkdir(2) gives.
pub fn directories(path: &Path, mode: u32) -> io::Result<()> {
    let made = DirBuilder::new().mode(mode).create(path);
    match (made, path.parent()) {
        (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound && above != Path::new("") => {
            directories(above, mode)?;
            DirBuilder::new().mode(mode).create(path).or_else(|error| there(path, error))?;
        }
        (Err(error), _) => return there(path, error),
        (Ok(()), _) => {}
    }
    let has = fs::symlink_metadata(path)?.mode() & 0o777;
    if has & 0o700 == 0o700 {
        return Ok(());
    }
    #[allow(clippy::useless_conversion)] // mode_t has 16 bits on macOS.
    let more = Mode::from_bits_truncate((has | 0o700).try_into().unwrap_or(0o700));
    Ok(fchmodat(AT_FDCWD, path, more, FchmodatFlags::NoFollowSymlink)?)
}

/// No error where a directory, or a link to one, was there before or was made by somebody else meanwhile.
fn there(path: &Path, error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() { Ok(()) } else { Err(error) }
}

/// Has a file that was perhaps made just now be its owner's to read and write, whatever the umask took away.
///
/// # Errors
/// What fstat(2) and fchmod(2) give.
pub fn usable(file: File) -> io::Result<File> {
    let has = file.metadata()?.mode() & 0o777;
    if has & 0o600 != 0o600 {
        file.set_permissions(fs::Permissions::from_mode(has | 0o600))?;
    }
    Ok(file)
}

/// The first of a user's directories that can be had, made if need be.
///
/// # Errors
/// Where there is none.
pub fn first_of_user(user: u32) -> io::Result<PathBuf> {
    of_user(user)
        .find(|path| directory(path, user, 0o700).is_ok())
        .ok_or_else(|| io::Error::other("there is no directory that is this user's alone"))
}

/// Whether there is such a directory, and no symlink to one.
pub fn is_private(path: &Path, user: u32, mode: u32) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o777 == mode)
}

/// A word that nobody guesses: 16 bytes of the kernel's (urandom(4)), in hexadecimal digits.
///
/// # Errors
/// What open(2) and read(2) give.
pub fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(super::visible::hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_0_of_a_namespace_is_somebody_outside() {
        assert_eq!(number_outside("         0          0 4294967295\n"), 0);
        assert_eq!(
            number_outside("         1     100000      65536\n         0      60606          1\n"),
            60606
        );
        assert_eq!(number_outside("     60606      60606          1\n"), 0);
        assert_eq!(number_outside(""), 0);
    }

    #[test]
    fn directories_can_be_entered_whatever_the_umask_and_links_to_some_are_some() {
        let top = tempfile::tempdir().unwrap();
        let of = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let (real, deep) = (top.path().join("real"), top.path().join("link/a/b"));
        // As it would be made under a umask of 177 and more.
        directories(&real, 0o044).unwrap();
        assert_eq!(of(&real), 0o744);
        std::os::unix::fs::symlink("real", top.path().join("link")).unwrap();
        directories(&deep, 0o700).unwrap();
        directories(&deep, 0o700).unwrap();
        assert_eq!((of(&real.join("a")), of(&real.join("a/b"))), (0o700, 0o700));
        fs::write(top.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", top.path().join("dangling")).unwrap();
        for no in ["file", "file/x", "dangling", "dangling/x"] {
            assert!(directories(&top.path().join(no), 0o700).is_err(), "{no}");
        }
    }

    #[test]
    fn a_squatted_directory_is_refused() {
        let top = tempfile::tempdir().unwrap();
        let user = nix::unistd::geteuid().as_raw();
        let path = top.path().join("private");
        std::os::unix::fs::symlink("/etc", &path).unwrap();
        assert!(directory(&path, user, 0o700).is_err());
        fs::remove_file(&path).unwrap();
        assert!(!is_private(&path, user, 0o700));
        assert!(directory(&path, user, 0o700).is_ok());
        assert!(directory(&path, user, 0o700).is_ok());
        assert!(directory(&path, user + 1, 0o700).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(directory(&path, user, 0o700).is_err());
    }
}
