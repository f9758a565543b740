//! Repositories without a `.git` that the mounts' search did not come to, bare or with their rest elsewhere: which names in
//! a directory mean something if it is one. Pure.
//!
//! Owns the names. Whether a directory is such a repository, and was one before, is said by whoever asks. Must not speak of
//! what lies in a `.git`: that is known by its name alone (`rules`).

use super::rules::is_repository;
use crate::confinement::repositories::{self, BARE};
use crate::policy::protected;
use std::path::{Path, PathBuf};

const HEAD: &str = "HEAD";

/// Whether a name is one of those that make a directory a bare repository.
pub fn is_part(name: &[u8]) -> bool {
    BARE.iter().chain([&repositories::ELSEWHERE]).any(|part| name.eq_ignore_ascii_case(part.as_bytes()))
}

/// Whether a directory is one in which git looks for hooks.
pub fn is_hooks(directory: &Path) -> bool {
    directory.file_name().is_some_and(|name| name.eq_ignore_ascii_case("hooks"))
}

/// Whether a directory is such a repository, by what stands.
pub fn is_one(directory: &Path, stands: impl Fn(&Path) -> bool) -> bool {
    repositories::is_git_directory(|name| stands(&directory.join(name)))
}

/// The directory in which a path is configuration or a hook, if that is a bare repository.
pub fn configured(path: &Path) -> Option<&Path> {
    let (above, name) = (alone(path)?, path.file_name()?);
    if is_hooks(above) {
        let sample = name.as_encoded_bytes().to_ascii_lowercase().ends_with(b".sample");
        return above.parent().filter(|_| !sample);
    }
    let configures = |part: &&str| **part != *"hooks" && name.eq_ignore_ascii_case(part);
    protected::IN_REPOSITORY.iter().any(configures).then_some(above)
}

/// The directory that would get hooks or a configuration by a whole directory that is put at a path.
pub fn filled(path: &Path) -> Option<&Path> {
    let (above, name) = (alone(path)?, path.file_name()?);
    ["hooks", "modules", "worktrees"].iter().any(|part| name.eq_ignore_ascii_case(part)).then_some(above)
}

/// The directory that may become a bare repository by what is made at a path, and what else must stand there for that, if
/// anything.
pub fn made(path: &Path) -> Option<(&Path, Option<PathBuf>)> {
    let (above, name) = (alone(path)?, path.file_name()?);
    let last = !name.eq_ignore_ascii_case(HEAD);
    is_part(name.as_encoded_bytes()).then(|| (above, last.then(|| above.join(HEAD))))
}

/// The directory above, unless there is a `.git` on the way.
fn alone(path: &Path) -> Option<&Path> {
    path.parent().filter(|_| !path.ancestors().any(is_repository))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_something_where_no_git_entry_is_above() {
        let path = Path::new;
        for name in ["config", "CONFIG", "config.worktree", "commondir", "hooks/pre-commit"] {
            assert_eq!(configured(&path("/w/x.git").join(name)), Some(path("/w/x.git")), "{name}");
            assert_eq!(configured(&path("/w/.git").join(name)), None, "{name}");
        }
        for name in ["HEAD", "hooks", "hooks/a.sample", "hooks/a/b"] {
            assert_eq!(configured(&path("/w/x.git").join(name)), None, "{name}");
        }
        assert_eq!(filled(path("/w/x.git/hooks")), Some(path("/w/x.git")));
        assert_eq!([filled(path("/w/x.git/refs")), filled(path("/w/.git/hooks"))], [None, None]);
        assert_eq!(made(path("/w/x/HEAD")), Some((path("/w/x"), None)));
        assert_eq!(made(path("/w/x/refs")), Some((path("/w/x"), Some("/w/x/HEAD".into()))));
        assert_eq!(made(path("/w/x/commondir")), Some((path("/w/x"), Some("/w/x/HEAD".into()))));
        assert_eq!([made(path("/w/x/other")), made(path("/w/.git/HEAD"))], [None, None]);
    }
}
