//! What must hold of the working root and the home directory before anything is confined to them.
//!
//! Owns the refusals. Must not change the plan.

use super::Stop;
use super::prepare::Prepared;
use crate::confinement::facts::Facts;
use crate::policy::PathRule;
use crate::policy::files::covered;
use crate::report;
use crate::system::capabilities;
use std::path::Path;

/// The working root was canonical when the policy was built; if it leads elsewhere by now, somebody swapped it.
///
/// # Errors
/// Says so.
pub fn root_is_itself(prepared: &Prepared, facts: &Facts) -> Result<(), Stop> {
    let Some(root) = prepared.policy.working_root.path() else { return Ok(()) };
    let swapped =
        std::fs::symlink_metadata(root).is_ok() && !facts.places.writable.iter().any(|p| p.path == root);
    if swapped {
        let text = format!(
            "the working root '{}' was replaced by a link while the command started; nothing was run",
            root.display()
        );
        return Err(Stop::Failed(text, crate::exit::REFUSED));
    }
    Ok(())
}

/// Whether a writable place is one that every command has: the working root, or in the private directory.
pub fn is_own(path: &Path, prepared: &Prepared) -> bool {
    prepared.policy.working_root.path() == Some(path) || path.starts_with(&prepared.places.tmpdir)
}

/// What settings open by a link, or through `/proc`, holds the home directory no more than what they name as it: by its own
/// name it would not have counted.
///
/// # Errors
/// Names the entry.
pub fn home_is_not_opened(prepared: &Prepared, facts: &Facts) -> Result<(), Stop> {
    let (policy, Some(home)) = (&prepared.policy, &prepared.locations.home) else { return Ok(()) };
    let opened = || facts.places.writable.iter().filter(|p| p.directory && !is_own(&p.path, prepared));
    if opened().next().is_none() || covered(&policy.files.writable, home) {
        return Ok(());
    }
    let Some(holder) = home.canonicalize().ok().and_then(|real| opened().find(|p| real.starts_with(&p.path)))
    else {
        return Ok(());
    };
    let is_it = |rule: &&PathRule| rule.pattern.base().canonicalize().is_ok_and(|real| real == holder.path);
    let rule = policy.files.writable.iter().find(is_it);
    let named = rule.map(|rule| format!("'{}' ({}), ", rule.pattern.text(), rule.origin)).unwrap_or_default();
    let text = format!(
        "cannot make {named}which is '{}', writable: it holds the home directory; name a smaller directory",
        holder.path.display()
    );
    Err(Stop::Failed(text, crate::exit::REFUSED))
}

/// Root has no capability inside. What it could go to by one alone is not there; said here, as no error of the inside would say
/// it.
///
/// # Errors
/// Where the working root is such a place.
pub fn root_is_reached(prepared: &Prepared) -> Result<(), Stop> {
    let barred = |path: &Path| {
        let at = nix::unistd::geteuid().is_root().then(|| capabilities::barred(path)).flatten()?;
        let (path, at) = (path.display(), at.display());
        Some(format!(
            "root cannot go to '{path}' inside, where it has no more rights than others: '{at}' is not open to them"
        ))
    };
    if let Some(why) = prepared.policy.working_root.path().and_then(barred) {
        let text = format!("{why}; nothing was run; run it as the owner");
        return Err(Stop::Failed(text, crate::exit::REFUSED));
    }
    let cwd = prepared.locations.cwd.as_path();
    let elsewhere = Some(cwd).filter(|cwd| prepared.policy.working_root.path() != Some(cwd));
    elsewhere.and_then(barred).iter().for_each(|why| report::notice(why));
    Ok(())
}
