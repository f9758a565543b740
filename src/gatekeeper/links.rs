//! The old name of a hard link, by which a file could be written that its own name protects.
//!
//! Owns finding that name and whether it counts. Must not answer the call.

use super::call::Name;
use super::place::Places;
use super::rules::{self, Judgement, SETTLED};
use super::settle::{self, Touched};
use super::watch::Gatekeeper;
use crate::system::stranger;
use nix::sys::stat::fstat;
use std::path::PathBuf;

impl Gatekeeper<'_> {
    /// The file that gets another name, where that counts for the new ones; an error is whatever keeps it from being found: what
    /// is not seen here could be seen by the kernel.
    pub(super) fn linked(
        &self,
        thread: i32,
        places: &Places,
        from: Name,
        new: &[Touched],
    ) -> nix::Result<Option<Touched>> {
        let found = if stranger::path(thread, from.text)?.as_os_str().is_empty() {
            opened(thread, from)?
        } else {
            Some(match places.find(thread, from) {
                Ok(path) => path,
                Err(error) => places.find_through_magic(thread, from)?.ok_or(error)?.path,
            })
        };
        let found = found.map(|path| (self.judge_path(&path), path));
        // Without mounts below it is made here, of both names.
        let apart = new.iter().any(|to| settle::is_outside(&to.judgement) || rules::is_obeyed(&to.path))
            || self.domain.is_some();
        let counts = |one: &Touched| {
            apart
                || !one.source
                || matches!(one.judgement, Judgement::Protected(_))
                || rules::is_obeyed(&one.path)
        };
        // By another name it could be written.
        let one = found.map(|(judgement, path)| Touched { path, source: judgement != SETTLED, judgement });
        Ok(one.filter(counts))
    }
}

/// What an empty name leads to: a file that is open (AT_EMPTY_PATH), unless it has no name yet.
fn opened(thread: i32, from: Name) -> nix::Result<Option<PathBuf>> {
    let place = stranger::place(thread, from.from)?;
    if fstat(&place)?.st_nlink == 0 {
        return Ok(None);
    }
    stranger::path_of(&place).map(Some)
}
