//! Hooks: which of them count. Pure.
//!
//! Owns the locks on hooks and what `if` means. A project's hook runs code outside, so it widens whatever it answers.

use super::Builder;
use crate::policy::CommandRule;
use crate::policy::counting::Reach;
use crate::policy::error::{PolicyError, Problem};
use crate::policy::hooks::{Condition, HookRule, Hooks};
use crate::policy::permission::{self, Permission};
use crate::settings::hooks::Event;
use crate::settings::{Hook, Scope, Sourced};

impl Builder<'_> {
    pub(super) fn hooks(&mut self) -> Result<Hooks, PolicyError> {
        let lock = self.counting.lock("allowManagedHooksOnly", |v| v.managed_hooks_only.as_ref());
        // A project's no that would take back the user's yes widens too.
        let off = self.counting.tightening(|v| v.no_hooks.as_slice()).iter().any(|said| said.value);
        let wide = |value: &bool| *value || off;
        let none = self.counting.scalar("disableAllHooks", Reach::Every, |v| v.no_hooks.clone(), wide);
        let none = none.unwrap_or(Sourced::built_in(false, "default"));
        let by = none.origin.scope();
        let mut hooks = Hooks::default();
        let reach = lock.map_or(Reach::Every, Reach::Locked);
        for (entry, counts) in self.counting.widening("hooks", reach, |v| &v.hooks) {
            let Some(condition) = condition(entry)? else { continue };
            let rule = HookRule { hook: entry.value.clone(), condition, origin: entry.origin.clone() };
            // Nobody below the administrator switches the administrator's off.
            let off = none.value && (by == Some(Scope::Managed) || !rule.is_managed());
            if !counts || off {
                continue;
            }
            match rule.hook.event {
                Event::Before => hooks.before.push(rule),
                Event::After => hooks.after.push(rule),
            }
        }
        Ok(hooks)
    }
}

/// What `if` says; `None` if it is about another tool.
fn condition(entry: &Sourced<Hook>) -> Result<Option<Condition>, PolicyError> {
    let Some(text) = &entry.value.condition else { return Ok(Some(Condition::Every)) };
    let origin = &entry.origin;
    Ok(match permission::parse(text).map_err(|p| p.at(origin))? {
        Permission::EveryCommand => Some(Condition::Every),
        Permission::Command(text) => {
            let rule =
                CommandRule::parse(text, origin.clone()).map_err(|e| Problem::Command(e).at(origin))?;
            Some(Condition::Matching(rule))
        }
        _ => None,
    })
}
