//! Settings → [`Policy`]. Pure: facts come in as [`Locations`].
//!
//! Owns what each key does. What counts is `counting`'s, what a text means the grammars'. Nothing that is not
//! understood is skipped: it is an error, and nothing runs.

mod hooks;
mod network;
mod rules;
mod switches;

use super::Mode;
use super::counting::{Counting, Reach, Why};
use super::error::PolicyError;
use super::files::{PathPattern, PathRule, covered};
use super::paths::{PathReader, normal};
use super::{AuditPolicy, Collector, CommandRules, FilePolicy, NetworkPolicy, Policy, WorkingRoot};
use super::{environment, protected, root, secrets};
use crate::settings::{CredentialMode, Layer, Layers, Locations, Notice, Origin, Scope, Sourced, Values};
use std::path::Path;

/// What settings, built-in lists and the caller decide together.
///
/// Built once; where the outcome would make writable what decides about it (the user's settings file, the trust
/// store), built again without what those files widen.
///
/// # Errors
/// [`PolicyError`]: a value that means nothing, with its place.
pub fn build(layers: &Layers, locations: &Locations) -> Result<Policy, PolicyError> {
    let first = Counting::new(&layers.layers);
    let policy = Builder::new(layers, locations, first.without(|_| None)).finish()?;
    let within = |path: &Path| covered(&policy.files.writable, &normal(path));
    let store = locations.state_dir.as_deref().is_some_and(within);
    let why = |layer: &Layer| match layer.source.scope {
        Scope::User => within(&layer.source.path).then_some(Why::Reachable),
        Scope::Project | Scope::Local => store.then_some(Why::TrustStore),
        Scope::Managed => None,
    };
    let again = layers.layers.iter().any(|layer| why(layer).is_some());
    let mut policy =
        if again { Builder::new(layers, locations, first.without(why)).finish()? } else { policy };
    if store && let Some(state) = &locations.state_dir {
        policy.notices.push(Notice {
            kind: "reachable-state",
            text: format!(
                "sbsh's own state {} lies inside a writable directory: trust in project files does not count; make a smaller directory writable",
                state.display()
            ),
        });
    }
    Ok(policy)
}

/// The parts that several keys add to.
struct Builder<'a> {
    layers: &'a Layers,
    locations: &'a Locations,
    counting: Counting<'a>,
    paths: PathReader<'a>,
    commands: CommandRules,
    files: FilePolicy,
    network: NetworkPolicy,
    notices: Vec<Notice>,
    /// The managed lock on permission rules.
    rules_lock: Option<&'static str>,
    /// The managed lock on domains.
    domains_lock: Option<&'static str>,
}

impl<'a> Builder<'a> {
    /// Where a managed file sets a switch, if one does.
    fn managed_says(&self, get: impl Fn(&Values) -> Option<&Sourced<bool>>) -> Option<Origin> {
        let managed = self.layers.layers.iter().filter(|layer| layer.source.scope == Scope::Managed);
        managed.filter_map(|layer| get(&layer.values)).find(|said| said.value).map(|said| said.origin.clone())
    }

    fn new(layers: &'a Layers, locations: &'a Locations, mut counting: Counting<'a>) -> Self {
        let rules_lock = counting.lock("allowManagedPermissionRulesOnly", |v| v.managed_rules_only.as_ref());
        let domains_lock =
            counting.lock("sandbox.network.allowManagedDomainsOnly", |v| v.managed_domains_only.as_ref());
        Builder {
            layers,
            locations,
            counting,
            paths: PathReader { locations, project: layers.project.as_deref() },
            commands: CommandRules::default(),
            files: FilePolicy::default(),
            network: NetworkPolicy::default(),
            notices: Vec::new(),
            rules_lock,
            domains_lock,
        }
    }

    fn finish(mut self) -> Result<Policy, PolicyError> {
        let (working_root, broad) = root::choose(self.layers, self.locations)?;
        self.root(&working_root);
        self.files()?;
        self.permissions()?;
        self.excluded()?;
        let hooks = self.hooks()?;
        self.network()?;
        let environment = self.environment()?;
        let enabled = self
            .counting
            .switch("sandbox.enabled", Reach::NotInProjects, [true, false], |v| v.enabled.as_ref());
        let mut mode = self.mode()?;
        if !enabled.value {
            // Auto-allow rests on the boundary; without one every command goes through the permission flow.
            mode = Sourced { value: Mode::Regular, origin: enabled.origin.clone() };
        }
        let bypass_permissions = self.bypass();
        let way_out = self.way_out();
        let fail_if_unavailable = self.fail_if_unavailable();
        let weaker_nested =
            self.counting.switch("sandbox.enableWeakerNestedSandbox", Reach::Every, [false, true], |v| {
                v.weaker_nested.as_ref()
            });
        let audit = self.audit()?;
        let backend = self.backend()?;
        let gatekeeper = self.gatekeeper();
        let ignored_violations = self.ignored_violations();
        let bwrap_path = self.program("sandbox.bwrapPath", Reach::ManagedOnly, |v| v.bwrap_path.clone())?;
        let shell = self.program("sandbox.shell", Reach::Every, |v| v.shell.clone())?;
        self.broad_writes();
        if !enabled.value {
            self.notice(
                "disabled",
                format!(
                    "the sandbox is off ({}): commands run unconfined, through the permission flow",
                    enabled.origin
                ),
            );
        }
        let mut notices = self.layers.notices.clone();
        notices.extend(broad);
        notices.extend(self.counting.notices());
        notices.append(&mut self.notices);
        Ok(Policy {
            enabled,
            mode,
            bypass_permissions,
            commands: self.commands,
            hooks,
            files: self.files,
            environment,
            network: self.network,
            way_out,
            backend,
            gatekeeper,
            ignored_violations,
            bwrap_path,
            shell,
            fail_if_unavailable,
            weaker_nested,
            audit,
            project: self.layers.project.clone(),
            working_root,
            notices,
        })
    }

    fn audit(&mut self) -> Result<AuditPolicy, PolicyError> {
        let reach = Reach::NotInProjects;
        // A project's no would take back the user's yes, so neither word of it counts.
        let mut said = |key, get: fn(&Values) -> &Option<Sourced<bool>>| {
            let found = self.counting.scalar(key, reach, |v| get(v).clone(), |_| true);
            found.unwrap_or(Sourced::built_in(false, "default"))
        };
        let syslog = said("sandbox.audit.syslog", |v| &v.syslog);
        let required = said("sandbox.audit.required", |v| &v.audit_required);
        let said = self.counting.scalar("sandbox.audit.otlp", reach, |v| v.otlp.clone(), |_| true);
        let collector = said.map(|said| match Collector::parse(&said.value) {
            Ok(value) => Ok(Sourced { value, origin: said.origin }),
            Err(problem) => Err(problem.at(&said.origin)),
        });
        Ok(AuditPolicy { syslog, required, collector: collector.transpose()? })
    }

    fn notice(&mut self, kind: &'static str, text: String) {
        self.notices.push(Notice { kind, text });
    }

    fn root(&mut self, root: &WorkingRoot) {
        let writable = &mut self.files.writable;
        if let WorkingRoot::At { path, origin, .. } = root {
            writable.push(PathRule { pattern: PathPattern::Literal(path.clone()), origin: origin.clone() });
        }
        if let Some(tmpdir) = self.locations.tmpdir.as_ref().filter(|t| t.is_absolute()) {
            let pattern = PathPattern::Literal(normal(tmpdir));
            writable.push(PathRule { pattern, origin: Origin::BuiltIn("TMPDIR") });
        }
    }

    /// `sandbox.filesystem`, `credentials.files` and the built-in lists.
    fn files(&mut self) -> Result<(), PolicyError> {
        let paths = self.paths;
        let rule = |entry: &Sourced<String>| -> Result<PathRule, PolicyError> {
            let pattern = paths.filesystem(&entry.value, &entry.origin)?;
            Ok(PathRule { pattern, origin: entry.origin.clone() })
        };
        for (entry, counts) in
            self.counting.widening("sandbox.filesystem.allowWrite", Reach::Every, |v| &v.allow_write)
        {
            let rule = rule(entry)?;
            if counts {
                self.files.writable.push(rule);
            }
        }
        for entry in self.counting.tightening(|v| &v.deny_write) {
            self.files.write_denied.push(rule(entry)?);
        }
        for entry in self.counting.tightening(|v| &v.deny_read) {
            self.files.read_denied.push(rule(entry)?);
        }
        let lock = self
            .counting
            .lock("sandbox.filesystem.allowManagedReadPathsOnly", |v| v.managed_read_paths_only.as_ref());
        let reach = lock.map_or(Reach::Every, Reach::Locked);
        self.files.managed_reads_only = self.managed_says(|values| values.managed_read_paths_only.as_ref());
        for (entry, counts) in
            self.counting.widening("sandbox.filesystem.allowRead", reach, |v| &v.allow_read)
        {
            let rule = rule(entry)?;
            if counts {
                self.files.read_allowed.push(rule);
            }
        }
        let kept = self.credential_files(reach)?;
        let opened: Vec<&PathPattern> =
            self.files.read_allowed.iter().map(|rule| &rule.pattern).chain(&kept).collect();
        let secrets = secrets::rules(self.locations, &opened);
        self.files.read_denied.extend(secrets);
        self.files.write_denied.extend(protected::literal(self.locations, self.layers));
        self.files.allow_git_config = self
            .counting
            .switch("sandbox.filesystem.allowGitConfig", Reach::Every, [false, true], |v| {
                v.allow_git_config.as_ref()
            })
            .value;
        Ok(())
    }

    /// Denied files become rules; those to be kept are returned.
    fn credential_files(&mut self, reach: Reach) -> Result<Vec<PathPattern>, PolicyError> {
        let mut kept = Vec::new();
        for layer in &self.layers.layers {
            for entry in &layer.values.credential_files {
                let pattern = self.paths.filesystem(&entry.value.0, &entry.origin)?;
                if entry.value.1 == CredentialMode::Deny {
                    self.files.read_denied.push(PathRule { pattern, origin: entry.origin.clone() });
                } else if self.counting.one("sandbox.credentials.files", reach, &entry.origin) {
                    kept.push(pattern);
                }
            }
        }
        Ok(kept)
    }

    fn environment(&mut self) -> Result<super::EnvironmentPolicy, PolicyError> {
        let mut said = Vec::new();
        for layer in &self.layers.layers {
            for entry in &layer.values.credential_variables {
                environment::check(entry)?;
                if entry.value.1 == CredentialMode::Deny
                    || self.counting.one("sandbox.credentials.envVars", Reach::Every, &entry.origin)
                {
                    said.push(entry);
                }
            }
        }
        Ok(environment::removed(&said))
    }

    /// Settings that make writable what is too broad to be a root by accident.
    fn broad_writes(&mut self) {
        let mut texts = Vec::new();
        for rule in &self.files.writable {
            if let (PathPattern::Literal(path), Origin::File { .. }) = (&rule.pattern, &rule.origin)
                && let Some(why) = root::too_broad(path, self.locations)
            {
                texts.push(format!(
                    "{} makes {} writable, which {why}; name a smaller directory",
                    rule.origin,
                    path.display()
                ));
            }
        }
        for text in texts {
            self.notice("broad-write", text);
        }
    }
}
