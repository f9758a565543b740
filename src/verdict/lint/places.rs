//! Findings about paths: what becomes writable and should not, and what is denied in vain. Pure.

use super::{Facts, Finding, Severity, is_written};
use crate::policy::files::covered;
use crate::policy::paths::normal;
use crate::policy::root::too_broad;
use crate::policy::{PathPattern, PathRule, Policy, presets, secrets};
use crate::settings::Locations;
use std::path::{Path, PathBuf};

/// What is run or read at the next login, at the next start of a program: below the home directory.
pub(super) const AT_START: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zprofile",
    ".zshenv",
    ".zlogin",
    ".config/fish/config.fish",
    ".config/autostart",
    ".config/systemd/user",
    ".config/environment.d",
    ".ssh/config",
    ".ssh/authorized_keys",
    ".ssh/rc",
    ".gitconfig",
    ".config/git/config",
    ".npmrc",
    ".pypirc",
    ".vimrc",
    ".config/nvim",
    ".emacs",
    ".emacs.d",
    ".tmux.conf",
    ".xprofile",
    ".xsession",
    ".inputrc",
    ".cargo/config.toml",
    ".gnupg/gpg.conf",
    ".docker/config.json",
    ".aws/config",
    ".kube/config",
    ".local/share/applications",
];

fn lists(policy: &Policy) -> [(&'static str, &[PathRule]); 4] {
    let files = &policy.files;
    [
        ("what may be written", &files.writable),
        ("what must not be written", &files.write_denied),
        ("what must not be read", &files.read_denied),
        ("what is readable again", &files.read_allowed),
    ]
}

pub(super) fn paths(policy: &Policy) -> Vec<PathBuf> {
    let rules =
        lists(policy).into_iter().flat_map(|(_, rules)| rules).filter(|rule| is_written(&rule.origin));
    rules.filter_map(|rule| literal(rule).map(Path::to_path_buf)).collect()
}

fn literal(rule: &PathRule) -> Option<&Path> {
    match &rule.pattern {
        PathPattern::Literal(path) => Some(path),
        PathPattern::Glob(_) => None,
    }
}

fn found(rule: &PathRule, severity: Severity, kind: &'static str, why: String, advice: &str) -> Finding {
    Finding::new(severity, kind, rule.pattern.text(), &rule.origin, why, advice)
}

pub(super) fn findings(policy: &Policy, locations: &Locations, facts: &Facts) -> Vec<Finding> {
    let files = &policy.files;
    let mut all = Vec::new();
    for rule in &files.writable {
        all.extend(writable(rule, policy, locations));
    }
    for (list, rules) in lists(policy) {
        all.extend(redundant(list, rules));
        let absent = rules.iter().filter(|rule| is_written(&rule.origin));
        // A package manager makes its cache when it is first used.
        let missing = |path: &Path| facts.missing.contains(path) && !presets::is_cache(path, locations);
        let absent = absent.filter(|rule| literal(rule).is_some_and(missing));
        all.extend(absent.map(|rule| {
            let why = "does not exist".to_owned();
            found(
                rule,
                Severity::Note,
                "missing-path",
                why,
                "correct the path; if it is yet to come, all is well",
            )
        }));
    }
    let built_in = secrets::rules(locations, &[]);
    for rule in files.read_allowed.iter().filter(|rule| is_written(&rule.origin)) {
        let (denied, why, advice) = (
            files.read_denied.iter().chain(&built_in),
            "opens nothing: nothing denies reading there",
            "remove it",
        );
        let touches = |deny: &PathRule| {
            match (&deny.pattern, &rule.pattern) {
            (PathPattern::Glob(deny), PathPattern::Literal(path)) => {
                path.starts_with(&deny.base) || deny.base.starts_with(path)
            }
            (_, pattern) => deny.pattern.covers(pattern) || pattern.covers(&deny.pattern) || literal(deny).is_some_and(|path| matches!(pattern, PathPattern::Glob(glob) if glob.base.starts_with(path) || path.starts_with(&glob.base))),
        }
        };
        if !denied.clone().any(touches) {
            all.push(found(rule, Severity::Note, "opens-nothing", why.to_owned(), advice));
        } else if let Some(secret) = built_in
            .iter()
            .find(|secret| rule.pattern.covers(&secret.pattern) && literal(secret) == literal(rule))
        {
            let why =
                format!("lets every command read what is secret by default ({})", secret.pattern.text());
            all.push(found(
                rule,
                Severity::Warning,
                "opens-secret",
                why,
                "take it back where no command needs it",
            ));
        }
    }
    all
}

/// What a writable place gives into the hands of confined commands.
fn writable(rule: &PathRule, policy: &Policy, locations: &Locations) -> Vec<Finding> {
    let files = &policy.files;
    let opens =
        |path: &Path| covered(std::slice::from_ref(rule), path) && !covered(&files.write_denied, path);
    let mut all = Vec::new();
    if is_written(&rule.origin) {
        if let Some(deny) = files.write_denied.iter().find(|deny| deny.pattern.covers(&rule.pattern)) {
            let why = format!("never counts: writing '{}' is denied ({})", deny.pattern.text(), deny.origin);
            return vec![found(rule, Severity::Warning, "unreachable", why, "remove one of the two")];
        }
        if let Some(why) = literal(rule).and_then(|path| too_broad(path, locations)) {
            let why = format!("becomes writable and {why}");
            return vec![found(rule, Severity::Danger, "broad-write", why, "name a smaller directory")];
        }
        let home = locations.home.as_deref().map(normal);
        let start =
            home.iter().flat_map(|home| AT_START.iter().map(|name| home.join(name))).find(|path| opens(path));
        if let Some(start) = start {
            let why = format!("makes {} writable, which is used outside at the next start", start.display());
            let advice = "name a smaller directory, or deny that one (sbshctl deny write)";
            all.push(found(rule, Severity::Danger, "writable-startup", why, advice));
        }
    }
    let programs = locations.program_dirs.iter().map(|directory| normal(directory));
    if let Some(directory) =
        programs.filter(|directory| directory.is_absolute()).find(|directory| opens(directory))
    {
        let why = format!(
            "makes {} writable, which is on PATH: what it puts there runs outside, too",
            directory.display()
        );
        let advice =
            "take that directory off the PATH of what runs outside, or deny writing it (sbshctl deny write)";
        all.push(found(rule, Severity::Danger, "writable-path", why, advice));
    }
    all
}

fn redundant(list: &str, rules: &[PathRule]) -> Vec<Finding> {
    let mut all = Vec::new();
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| is_written(&rule.origin)) {
        let broader = rules.iter().enumerate().find(|(place, other)| {
            *place != index
                && is_written(&other.origin)
                && other.pattern.covers(&rule.pattern)
                && (*place < index || !rule.pattern.covers(&other.pattern))
        });
        if let Some((_, other)) = broader {
            let why =
                format!("adds nothing to {list}: '{}' ({}) covers it", other.pattern.text(), other.origin);
            all.push(found(rule, Severity::Note, "redundant", why, "remove it, or the broader one"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::{kinds, one};
    use super::*;

    fn files(text: &str) -> Vec<(String, String)> {
        kinds(&format!("{{\"sandbox\": {{\"filesystem\": {text}}}}}"), &Facts::default())
    }

    #[test]
    fn writable_places_that_lead_outside() {
        for (path, kind) in [
            ("/", "reachable-settings"),
            ("/home", "reachable-settings"),
            ("/usr/bin", "broad-write"),
            ("/home/u/.config", "writable-startup"),
            ("/home/u/.zshrc", "writable-startup"),
            ("/home/u/.z*", "writable-startup"),
            ("/home/u/bin/**/x", "none"),
            ("/home/*/bin", "writable-path"),
        ] {
            let found = files(&format!(r#"{{"allowWrite": ["{path}"]}}"#));
            let first = found.first().map_or("none", |(kind, _)| kind.as_str());
            assert_eq!(first, kind, "{path}");
        }
        let denied = r#"{"allowWrite": ["~/.config/fish"], "denyWrite": ["~/.config/fish/config.fish"]}"#;
        assert_eq!(files(denied), []);
    }

    #[test]
    fn entries_that_do_nothing() {
        assert_eq!(files(r#"{"allowWrite": ["/a/b"], "denyWrite": ["/a"]}"#), [one("unreachable", "/a/b")]);
        assert_eq!(files(r#"{"denyRead": ["/a", "/a/b"]}"#), [one("redundant", "/a/b")]);
        assert_eq!(files(r#"{"allowRead": ["/a"]}"#), [one("opens-nothing", "/a")]);
        assert_eq!(files(r#"{"denyRead": ["/a"], "allowRead": ["/a/b"]}"#), []);
        assert_eq!(files(r#"{"denyRead": ["/a/**/.env"], "allowRead": ["/a/b"]}"#), []);
        assert_eq!(files(r#"{"allowRead": ["~/.netrc"]}"#), [one("opens-secret", "/home/u/.netrc")]);
        let missing = Facts { missing: [PathBuf::from("/no")].into(), ..Facts::default() };
        let text = r#"{"sandbox": {"filesystem": {"denyRead": ["/no", "/yes"]}}}"#;
        assert_eq!(kinds(text, &missing), [one("missing-path", "/no")]);
    }
}
