//! The directory of sbsh's other names, which go first in an agent's `PATH`.
//!
//! Owns finding it beside the installed program, and making one where sbsh was not installed. Nothing inside may write it: what is
//! called bash there runs outside.

use crate::pipeline::prepare::Prepared;
use crate::system::private;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The names; the name chooses the shell inside.
const NAMES: &[&str] = &["bash", "zsh", "sh", "fish"];

/// The directory.
///
/// # Errors
/// Why there is none, as a sentence.
pub fn find(prepared: &Prepared, writable: &[PathBuf]) -> Result<PathBuf, String> {
    let binary = prepared.locations.binary.as_ref().ok_or("sbsh does not know where its program lies")?;
    let beside = binary.parent().and_then(Path::parent).map(|prefix| prefix.join("lib/sbsh/aliases"));
    let own = prepared.locations.home.as_ref().map(|home| home.join(".local/share/sbsh/aliases"));
    let directory = match (beside.filter(|place| leads(place, binary)), own) {
        (Some(place), _) => place,
        (None, Some(place)) => {
            make(&place, binary).map_err(|error| format!("cannot make '{}': {error}", place.display()))?;
            place
        }
        (None, None) => return Err("there is no home directory in which sbsh's other names could lie".into()),
    };
    for path in [&directory, binary] {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        if let Some(root) = writable.iter().find(|root| real.starts_with(root)) {
            return Err(format!(
                "'{}' lies in '{}', which commands inside can write: they could put another program there; install sbsh elsewhere",
                path.display(),
                root.display()
            ));
        }
    }
    Ok(directory)
}

/// Whether all names in a directory lead to the program.
fn leads(directory: &Path, binary: &Path) -> bool {
    NAMES.iter().all(|name| std::fs::canonicalize(directory.join(name)).is_ok_and(|real| real == binary))
}

fn make(directory: &Path, binary: &Path) -> io::Result<()> {
    if leads(directory, binary) {
        return Ok(());
    }
    std::fs::create_dir_all(directory)?;
    for name in NAMES {
        // At no moment is there none: another agent may just start one.
        let new = directory.join(format!(".{name}-{}", private::token()?));
        symlink(binary, &new)?;
        std::fs::rename(&new, directory.join(name))?;
    }
    Ok(())
}
