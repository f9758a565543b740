//! Single values: modes, switches, programs. Pure.
//!
//! Owns which file's word holds where locks and the person's own choice go beyond the order of files.

use super::Builder;
use crate::policy::counting::Reach;
use crate::policy::error::{PolicyError, Problem};
use crate::policy::{Backend, Gatekept, IgnoredViolation, Mode};
use crate::settings::{Scope, Sourced, Values};
use std::path::PathBuf;

impl Builder<'_> {
    /// `mode`, else `autoAllowBashIfSandboxed` of the same file.
    pub(super) fn mode(&mut self) -> Result<Sourced<Mode>, PolicyError> {
        for said in self.layers.layers.iter().filter_map(|layer| layer.values.mode.as_ref()) {
            if !matches!(said.value.as_str(), "auto-allow" | "regular") {
                return Err(unknown("sandbox.mode", said, "auto-allow, regular"));
            }
        }
        let get = |values: &Values| {
            let auto = values
                .mode
                .as_ref()
                .map(|m| Sourced { value: m.value == "auto-allow", origin: m.origin.clone() });
            auto.or_else(|| values.auto_allow.clone())
        };
        // With nothing said the default is auto-allow; a skipped auto-allow is then no loss.
        let key = "sandbox.mode";
        let found = self.counting.switch_owned(key, Reach::Every, [true, true], get);
        let value = if found.value { Mode::AutoAllow } else { Mode::Regular };
        Ok(Sourced { value, origin: found.origin })
    }

    pub(super) fn bypass(&mut self) -> bool {
        let get = |values: &Values| {
            values
                .default_mode
                .as_ref()
                .map(|m| Sourced { value: m.value == "bypassPermissions", origin: m.origin.clone() })
        };
        let reach = self.rules_lock.map_or(Reach::NotInProjects, Reach::Locked);
        let found = self.counting.switch_owned("permissions.defaultMode", reach, [false, true], get).value;
        // Whoever says so, in whatever file: it only tightens.
        let forbidden = self.layers.layers.iter().filter_map(|layer| layer.values.no_bypass.as_ref());
        found && !forbidden.into_iter().any(|said| said.value)
    }

    fn said(
        &self,
        scopes: &[Scope],
        value: bool,
        get: impl Fn(&Values) -> Option<&Sourced<bool>>,
    ) -> Option<Sourced<bool>> {
        let layers = self.layers.layers.iter().filter(|layer| scopes.contains(&layer.source.scope));
        layers.filter_map(|layer| get(&layer.values)).find(|said| said.value == value).cloned()
    }

    /// A managed false locks; the user's own false holds against project files.
    pub(super) fn way_out(&mut self) -> Sourced<bool> {
        let key = "sandbox.allowUnsandboxedCommands";
        let found = self.counting.switch(key, Reach::Every, [true, true], |v| v.way_out.as_ref());
        let locked = self.said(&[Scope::Managed], false, |v| v.way_out.as_ref());
        let by_project = matches!(found.origin.scope(), Some(Scope::Project | Scope::Local));
        let own = if by_project { self.said(&[Scope::User], false, |v| v.way_out.as_ref()) } else { None };
        locked.or(own).unwrap_or(found)
    }

    /// A managed true locks.
    pub(super) fn fail_if_unavailable(&mut self) -> Sourced<bool> {
        let key = "sandbox.failIfUnavailable";
        let found =
            self.counting.switch(key, Reach::Every, [true, false], |v| v.fail_if_unavailable.as_ref());
        self.said(&[Scope::Managed], true, |v| v.fail_if_unavailable.as_ref()).unwrap_or(found)
    }

    pub(super) fn backend(&mut self) -> Result<Sourced<Backend>, PolicyError> {
        let said = self.counting.scalar("sandbox.backend", Reach::Every, |v| v.backend.clone(), |_| true);
        let Some(said) = said else { return Ok(Sourced::built_in(Backend::Auto, "default")) };
        let value = match said.value.as_str() {
            "auto" => Backend::Auto,
            "bubblewrap" => Backend::Bubblewrap,
            "namespaces" => Backend::Namespaces,
            "landlock" => Backend::Landlock,
            "seatbelt" => Backend::Seatbelt,
            _ => {
                let known = "auto, bubblewrap, namespaces, landlock, seatbelt";
                return Err(unknown("sandbox.backend", &said, known));
            }
        };
        Ok(Sourced { value, origin: said.origin })
    }

    /// A word that weakens counts where a file may widen; one that tightens counts anywhere.
    pub(super) fn gatekeeper(&mut self) -> Sourced<Gatekept> {
        let key = "sandbox.gatekeeper";
        let full = |values: &Values| {
            values.gatekeeper.as_ref().map(|w| Sourced { value: w.value == "full", origin: w.origin.clone() })
        };
        let found = self.counting.switch_owned(key, Reach::Every, [true, false], full);
        let value = if found.value { Gatekept::Full } else { Gatekept::Network };
        Sourced { value, origin: found.origin }
    }

    pub(super) fn ignored_violations(&mut self) -> Vec<IgnoredViolation> {
        let all = self.counting.widening("sandbox.ignoreViolations", Reach::Every, |v| &v.ignore_violations);
        let counting = all.into_iter().filter(|(_, counts)| *counts);
        counting.map(|(entry, _)| IgnoredViolation::new(&entry.value.0, &entry.value.1)).collect()
    }

    /// A program's absolute path.
    pub(super) fn program(
        &mut self,
        key: &'static str,
        reach: Reach,
        get: impl Fn(&Values) -> Option<Sourced<String>>,
    ) -> Result<Option<Sourced<PathBuf>>, PolicyError> {
        let Some(said) = self.counting.scalar(key, reach, get, |_| true) else { return Ok(None) };
        if said.value.contains('\0') {
            return Err(Problem::NulInPath(said.value).at(&said.origin));
        }
        if !said.value.starts_with('/') {
            return Err(Problem::NotAbsolute { what: key, text: said.value }.at(&said.origin));
        }
        Ok(Some(Sourced { value: said.value.into(), origin: said.origin }))
    }
}

fn unknown(what: &'static str, said: &Sourced<String>, known: &'static str) -> PolicyError {
    Problem::UnknownWord { what, text: said.value.clone(), known }.at(&said.origin)
}
