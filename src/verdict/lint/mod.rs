//! Lint: what in the settings lets through more than it seems to, never counts, or means nothing. Pure.
//!
//! Owns the findings as values over policy and facts. Must not change what settings mean: nothing here is read by a
//! verdict.

mod commands;
mod domains;
mod places;
mod sockets;
mod switches;

use crate::policy::Policy;
use crate::settings::{Layers, Locations, Origin};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A command can leave the sandbox through it.
    Danger,
    /// It allows more than it seems to, or does not do what it says.
    Warning,
    /// It means nothing.
    Note,
}

impl Severity {
    /// The word in texts and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Danger => "danger",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// One thing that is worth changing.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name.
    pub kind: &'static str,
    /// The entry, as a person wrote it.
    pub entry: String,
    /// Where it stands, if it stands anywhere.
    pub origin: Option<Origin>,
    /// Why, as the end of a sentence that begins with the entry.
    pub why: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    fn new(
        severity: Severity,
        kind: &'static str,
        entry: impl Into<String>,
        origin: &Origin,
        why: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        let (entry, why, advice) = (entry.into(), why.into(), advice.into());
        Finding { severity, kind, entry, origin: Some(origin.clone()), why, advice }
    }
}

/// What was looked up for the settings as they are.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Literal paths of the settings that do not exist.
    pub missing: HashSet<PathBuf>,
    /// Where the programs of exclusions really lie, by the word that names them.
    pub programs: HashMap<String, PathBuf>,
}

/// Literal paths that are worth looking up.
pub fn paths(policy: &Policy) -> Vec<PathBuf> {
    places::paths(policy)
}

/// The words of exclusions that name programs.
pub fn programs(policy: &Policy) -> Vec<String> {
    let mut all: Vec<String> =
        policy.commands.excluded.iter().filter_map(|rule| rule.program().map(str::to_owned)).collect();
    all.sort();
    all.dedup();
    all
}

/// Everything that is worth saying, by file and place.
pub fn findings(policy: &Policy, layers: &Layers, locations: &Locations, facts: &Facts) -> Vec<Finding> {
    let mut all = commands::findings(policy, locations, facts);
    all.extend(domains::findings(&policy.network));
    all.extend(places::findings(policy, locations, facts));
    all.extend(sockets::findings(&policy.network));
    all.extend(switches::findings(policy, layers));
    let place = |finding: &Finding| {
        let origin = finding.origin.as_ref();
        let path = origin.and_then(|origin| origin.path().map(PathBuf::from));
        (path.is_none(), path, origin.and_then(Origin::line_column), finding.severity)
    };
    all.sort_by_key(place);
    all
}

/// What speaking to a well-known socket gives, as the end of a sentence.
pub fn known_socket(path: &str) -> Option<&'static str> {
    sockets::known(path)
}

/// Whether a path below the home directory is run or read at the next start of a program.
pub fn is_used_at_start(below_home: &std::path::Path) -> bool {
    places::AT_START.iter().any(|name| below_home.starts_with(name))
}

/// Why a host lets data out, if anybody can have a place there.
pub fn lets_data_out(host: &str) -> Option<&'static str> {
    domains::open(host)
}

fn is_written(origin: &Origin) -> bool {
    matches!(origin, Origin::File { .. })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::policy;
    use crate::settings::{Layer, Scope, Source, parse};
    use std::path::Path;
    use std::sync::Arc;

    /// Kinds and entries that a user's settings text gives, and the places.
    pub fn kinds(text: &str, facts: &Facts) -> Vec<(String, String)> {
        let found = found(text, facts);
        found.into_iter().map(|f| (f.kind.to_owned(), f.entry)).collect()
    }

    pub fn found(text: &str, facts: &Facts) -> Vec<Finding> {
        let path = Path::new("/home/u/.claude/settings.json");
        let source = Arc::new(Source { path: path.into(), scope: Scope::User, text: text.into() });
        let values = parse::values(&source, &mut Vec::new()).unwrap();
        let layers = Layers { layers: vec![Layer { source, values, may_widen: true }], ..Layers::default() };
        let locations = Locations {
            home: Some("/home/u".into()),
            cwd: "/work/p".into(),
            program_dirs: vec!["/usr/bin".into(), "/home/u/bin".into()],
            state_dir: Some("/home/u/.local/state/sbsh".into()),
            ..Locations::default()
        };
        let policy = policy::build(&layers, &locations).unwrap();
        findings(&policy, &layers, &locations, facts)
    }

    pub fn one(kind: &str, entry: &str) -> (String, String) {
        (kind.to_owned(), entry.to_owned())
    }

    #[test]
    fn settings_that_say_what_they_mean_are_clean() {
        let text = r#"{
          "sandbox": {"mode": "auto-allow", "allowedDomains": ["registry.npmjs.org", "*.example.com"],
            "excludedCommands": ["docker compose:*"], "filesystem": {"allowWrite": ["~/.cargo/registry"], "denyRead": ["~/letters"]}},
          "permissions": {"deny": ["Bash(git push:*)", "Task(x)"], "ask": ["Bash(npm publish:*)"], "allow": ["Bash(ls:*)", "mcp__x"]}
        }"#;
        assert_eq!(kinds(text, &Facts::default()), []);
        assert_eq!(kinds("{}", &Facts::default()), []);
    }

    /// Also where no cache is there yet. An entry that lets a command out or data away would be found.
    #[test]
    fn presets_are_clean() {
        use crate::policy::presets::{PRESETS, What};
        let (mut domains, mut paths) = (Vec::new(), Vec::new());
        for grant in PRESETS.iter().flat_map(|preset| preset.grants) {
            match grant.what {
                What::Domain(host) => domains.push(host.to_owned()),
                What::Write(cache) => paths.push(cache.entry(|_| None)),
                What::Numbered(text) => paths.push(format!("{text}7")),
            }
        }
        let missing = paths.iter().map(|path| path.replace('~', "/home/u").into()).collect();
        let text =
            serde_json::json!({"sandbox": {"allowedDomains": domains, "filesystem": {"allowWrite": paths}}});
        let facts = Facts { missing, ..Facts::default() };
        assert_eq!(kinds(&text.to_string(), &facts), []);
    }

    #[test]
    fn every_finding_says_where_why_and_what_to_do() {
        let text =
            "{\"sandbox\": {\n  \"excludedCommands\": [\"*\"],\n  \"allowedDomains\": [\"github.com\"]}}";
        let all = found(text, &Facts::default());
        let places: Vec<_> = all.iter().map(|f| f.origin.as_ref().unwrap().line_column().unwrap()).collect();
        assert_eq!(places, [(2, 24), (3, 22)]);
        assert!(all.iter().all(|f| !f.why.is_empty() && !f.advice.is_empty()));
    }
}
