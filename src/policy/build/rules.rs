//! Permission rules and exclusions: which boundary or command list each one adds to. Pure.
//!
//! Owns what a rule does in which list. Must not read a rule's text: that is `permission` and `rule`.

use super::Builder;
use crate::policy::counting::Reach;
use crate::policy::error::{PolicyError, Problem};
use crate::policy::network::{List, entry};
use crate::policy::permission::{self, Permission};
use crate::policy::{CommandRule, PathRule};
use crate::settings::{Origin, Scope, Sourced};

/// Which list a permission rule stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Ask,
    Deny,
}

impl Builder<'_> {
    /// `permissions.allow`, `ask`, `deny` and `additionalDirectories`.
    pub(super) fn permissions(&mut self) -> Result<(), PolicyError> {
        let reach = self.rules_lock.map_or(Reach::Every, Reach::Locked);
        for (entry, counts) in self.counting.widening("permissions.allow", reach, |v| &v.allow) {
            self.permission(entry, Effect::Allow, counts)?;
        }
        for entry in self.counting.tightening_unless("permissions.ask", self.rules_lock, |v| &v.ask) {
            self.permission(entry, Effect::Ask, true)?;
        }
        for entry in self.counting.tightening_unless("permissions.deny", self.rules_lock, |v| &v.deny) {
            self.permission(entry, Effect::Deny, true)?;
        }
        let key = "permissions.additionalDirectories";
        for (entry, counts) in self.counting.widening(key, reach, |v| &v.additional_directories) {
            let pattern = self.paths.filesystem(&entry.value, &entry.origin)?;
            if counts {
                self.files.writable.push(PathRule { pattern, origin: entry.origin.clone() });
            }
        }
        Ok(())
    }

    /// One permission rule; `counts` is false for one that is only checked.
    fn permission(
        &mut self,
        entry: &Sourced<String>,
        effect: Effect,
        counts: bool,
    ) -> Result<(), PolicyError> {
        let origin = &entry.origin;
        match permission::read(entry)? {
            Permission::EveryCommand => self.command(CommandRule::all(origin.clone()), effect, counts),
            Permission::Command(text) => {
                let rule =
                    CommandRule::parse(text, origin.clone()).map_err(|e| Problem::Command(e).at(origin))?;
                self.command(rule, effect, counts);
            }
            Permission::Write(path) => {
                let patterns = self.paths.permission(path, origin, effect != Effect::Allow)?;
                let rules = patterns.into_iter().map(|pattern| PathRule { pattern, origin: origin.clone() });
                match effect {
                    Effect::Allow if counts => self.files.writable.extend(rules),
                    Effect::Deny => self.files.write_denied.extend(rules),
                    Effect::Allow | Effect::Ask => {}
                }
            }
            Permission::Read(path) => {
                let patterns = self.paths.permission(path, origin, true)?;
                let rules = patterns.into_iter().map(|pattern| PathRule { pattern, origin: origin.clone() });
                match effect {
                    Effect::Deny => self.files.read_denied.extend(rules),
                    Effect::Ask => self.files.read_asked.extend(rules),
                    Effect::Allow => {}
                }
            }
            Permission::Domain(domain) => self.domain(domain, origin, effect, counts)?,
            Permission::WholeTool(tool) if effect == Effect::Deny => {
                let text = format!(
                    "the rule {tool} ({origin}) is about the agent's tool and does not limit commands; name paths or domains, as in {tool}(…)"
                );
                self.notice("whole-tool", text);
            }
            Permission::WholeTool(_) | Permission::Other => {}
        }
        Ok(())
    }

    fn command(&mut self, rule: CommandRule, effect: Effect, counts: bool) {
        match effect {
            Effect::Allow if counts => self.commands.allow.push(rule),
            Effect::Ask => self.commands.ask.push(rule),
            Effect::Deny => self.commands.deny.push(rule),
            Effect::Allow => {}
        }
    }

    /// `WebFetch(domain:…)`. Such rules stand in files that were written for another program, where `*` is
    /// usual: among what is allowed it opens nothing here, but breaks nothing either.
    fn domain(
        &mut self,
        domain: &str,
        origin: &Origin,
        effect: Effect,
        counts: bool,
    ) -> Result<(), PolicyError> {
        let said = Sourced { value: domain.to_owned(), origin: origin.clone() };
        match effect {
            Effect::Deny => {
                let checked = entry::check(domain, List::Denied).map_err(|p| p.at(origin))?;
                self.network.denied.add(said, checked);
            }
            Effect::Allow => match entry::check(domain, List::Allowed) {
                Err(Problem::BroadDomain(_)) => {
                    let text = format!(
                        "WebFetch(domain:{domain}) ({origin}) opens no domain for commands: it would allow too much; name the domains"
                    );
                    self.notice("broad-domain", text);
                }
                Err(problem) => return Err(problem.at(origin)),
                Ok(checked) if counts && self.domain_counts(origin) => {
                    self.network.allowed.add(said, checked)
                }
                Ok(_) => {}
            },
            Effect::Ask => {}
        }
        Ok(())
    }

    fn domain_counts(&self, origin: &Origin) -> bool {
        self.domains_lock.is_none() || origin.scope() == Some(Scope::Managed)
    }

    pub(super) fn excluded(&mut self) -> Result<(), PolicyError> {
        for (entry, counts) in
            self.counting.widening("sandbox.excludedCommands", Reach::Every, |v| &v.excluded)
        {
            let rule = CommandRule::parse(&entry.value, entry.origin.clone())
                .map_err(|e| Problem::Command(e).at(&entry.origin))?;
            if counts {
                self.commands.excluded.push(rule);
            }
        }
        Ok(())
    }
}
