//! Findings about command rules: allow, ask, deny, excluded. Pure.

use super::{Facts, Finding, Severity, is_written};
use crate::command;
use crate::policy::files::covered;
use crate::policy::paths::normal;
use crate::policy::{CommandRule, Policy};
use crate::settings::Locations;
use crate::verdict::breadth::{self, Breadth};
use std::collections::HashMap;
use std::path::PathBuf;

/// A list of rules, by the word that messages use.
type Named<'p> = (&'static str, &'p [CommandRule]);

pub(super) fn findings(policy: &Policy, locations: &Locations, facts: &Facts) -> Vec<Finding> {
    let rules = &policy.commands;
    let deny: Named<'_> = ("deny", &rules.deny);
    let ask: Named<'_> = ("ask", &rules.ask);
    let mut all = Vec::new();
    all.extend(hidden(("allow", &rules.allow), &[deny, ask]));
    all.extend(hidden(ask, &[deny]));
    all.extend(hidden(("excluded", &rules.excluded), &[deny]));
    all.extend(hidden(deny, &[]));
    all.extend(written(&rules.allow).filter_map(allowed));
    all.extend(written(&rules.deny).chain(written(&rules.ask)).filter_map(dead));
    all.extend(written(&rules.excluded).filter_map(excluded));
    all.extend(written(&rules.excluded).filter_map(|rule| replaceable(rule, policy, locations, facts)));
    all.extend(written(&rules.excluded).filter_map(|rule| unasked(rule, &rules.allow)));
    all.extend(written(&rules.excluded).filter_map(|rule| bare(rule, &rules.excluded)));
    let named: [Named<'_>; 4] = [("allow", &rules.allow), ask, deny, ("excluded", &rules.excluded)];
    for (list, rules) in named {
        all.extend(written(rules).filter_map(|rule| quoted(list, rule)));
    }
    all
}

fn written(rules: &[CommandRule]) -> impl Iterator<Item = &CommandRule> {
    rules.iter().filter(|rule| is_written(&rule.origin))
}

/// As it stands in its list.
fn shown(list: &str, rule: &CommandRule) -> String {
    if list == "excluded" { rule.text.clone() } else { rule.shown() }
}

/// The rules of a list by the program that they name: a rule that names one covers only rules that name the same.
struct ByProgram<'p> {
    rules: &'p [CommandRule],
    named: HashMap<&'p str, Vec<usize>>,
    any: Vec<usize>,
}

impl<'p> ByProgram<'p> {
    fn of(rules: &'p [CommandRule]) -> ByProgram<'p> {
        let mut by = ByProgram { rules, named: HashMap::new(), any: Vec::new() };
        for (index, rule) in rules.iter().enumerate() {
            match rule.program() {
                Some(program) => by.named.entry(program).or_default().push(index),
                None => by.any.push(index),
            }
        }
        by
    }

    /// Those that cover a rule with these samples, with their places.
    fn covering<'s>(
        &'s self,
        rule: &CommandRule,
        samples: &'s [String],
    ) -> impl Iterator<Item = (usize, &'p CommandRule)> + 's {
        let named = rule.program().and_then(|program| self.named.get(program)).into_iter().flatten();
        let all = named.chain(&self.any).filter_map(|&index| Some((index, self.rules.get(index)?)));
        all.filter(|(_, other)| other.covers(samples))
    }
}

/// Rules that never decide: because a stronger list covers them, or a broader rule of their own.
fn hidden((list, rules): Named<'_>, stronger: &[Named<'_>]) -> Vec<Finding> {
    let own = ByProgram::of(rules);
    let stronger: Vec<(&str, ByProgram<'_>)> =
        stronger.iter().map(|(name, rules)| (*name, ByProgram::of(rules))).collect();
    let mut all = Vec::new();
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| is_written(&rule.origin)) {
        let samples = rule.samples();
        let covers_back = |other: &CommandRule| rule.covers(&other.samples());
        let over = stronger.iter().find_map(|(name, others)| {
            others.covering(rule, &samples).next().map(|(_, other)| (*name, other))
        });
        if let Some((name, other)) = over {
            let kind = if covers_back(other) { "contradictory" } else { "unreachable" };
            let what = if name == "deny" { "denied" } else { "asked about" };
            let why = format!(
                "never counts: {} ({}) comes first, so it is {what}",
                shown(name, other),
                other.origin
            );
            let entry = shown(list, rule);
            all.push(Finding::new(
                Severity::Warning,
                kind,
                entry,
                &rule.origin,
                why,
                "remove one of the two",
            ));
            continue;
        }
        let broader = own
            .covering(rule, &samples)
            .find(|(place, other)| *place != index && (*place < index || !covers_back(other)));
        if let Some((_, other)) = broader {
            let why = format!("adds nothing to {} ({})", shown(list, other), other.origin);
            let advice = "remove it, or the broader one";
            all.push(Finding::new(Severity::Note, "redundant", shown(list, rule), &rule.origin, why, advice));
        }
    }
    all
}

fn allowed(rule: &CommandRule) -> Option<Finding> {
    let (severity, kind, why, advice) = match breadth::of(rule)? {
        Breadth::Everything => (
            Severity::Warning,
            "allows-all",
            "allows every command: nothing is asked about any more, and excluded commands run outside unasked".to_owned(),
            "name the commands, for example Bash(npm run test:*)",
        ),
        Breadth::AnyProgram => (
            Severity::Warning,
            "allows-any-program",
            "begins with '*' and so allows any program".to_owned(),
            "begin the rule with the program's name",
        ),
        Breadth::Runs(program) => (
            Severity::Warning,
            "allows-runner",
            format!("allows every command, as '{program}' runs whatever it is told"),
            "name what it may run, or leave it to the sandbox",
        ),
        Breadth::WayOut => (Severity::Note, "way-out", "never counts: this command always asks".to_owned(), "remove it"),
        Breadth::NoCommand(sign) => return Some(no_command(rule, rule.shown(), &sign)),
        Breadth::RunsProject(_) => return None,
    };
    Some(Finding::new(severity, kind, rule.shown(), &rule.origin, why, advice))
}

/// A rule that somebody relies on and that holds nothing.
fn dead(rule: &CommandRule) -> Option<Finding> {
    match breadth::of(rule)? {
        Breadth::NoCommand(sign) => Some(no_command(rule, rule.shown(), &sign)),
        _ => None,
    }
}

fn no_command(rule: &CommandRule, entry: String, sign: &str) -> Finding {
    let why = format!(
        "never matches: a rule is matched with one simple command, and '{sign}' is a sign between commands"
    );
    Finding::new(
        Severity::Warning,
        "never-matches",
        entry,
        &rule.origin,
        why,
        "write one rule for each command",
    )
}

fn excluded(rule: &CommandRule) -> Option<Finding> {
    let (severity, kind, why, advice) = match breadth::of(rule)? {
        Breadth::Everything => (
            Severity::Danger,
            "excludes-all",
            "takes every command out of the sandbox".to_owned(),
            "name the programs that cannot run inside",
        ),
        Breadth::AnyProgram => (
            Severity::Danger,
            "excludes-any-program",
            "begins with '*' and so takes any program out of the sandbox".to_owned(),
            "begin the entry with the program's name",
        ),
        Breadth::Runs(program) => (
            Severity::Danger,
            "excludes-runner",
            format!("takes every command out of the sandbox, as '{program}' runs whatever it is told"),
            "exclude the program that it is to run, not the one that runs it",
        ),
        Breadth::RunsProject(program) => (
            Severity::Warning,
            "excludes-builder",
            format!(
                "runs outside what files of the project say, and commands inside can write those: '{program}' is a way out"
            ),
            "leave it inside, and allow the paths and domains that it needs",
        ),
        Breadth::WayOut => (
            Severity::Note,
            "way-out",
            "is no program; the command is there without it".to_owned(),
            "remove it",
        ),
        Breadth::NoCommand(sign) => return Some(no_command(rule, rule.text.clone(), &sign)),
    };
    Some(Finding::new(severity, kind, &rule.text, &rule.origin, why, advice))
}

/// An excluded program, or a script that it is to run, that confined commands could have replaced.
fn replaceable(rule: &CommandRule, policy: &Policy, locations: &Locations, facts: &Facts) -> Option<Finding> {
    let program = rule.program()?;
    let files = &policy.files;
    let script = || {
        let (words, _) = rule.fixed_words();
        let operand = words.iter().skip(1).find(|word| !word.starts_with('-') && !word.contains('*'))?;
        command::runs_anything(program).then(|| normal(&locations.cwd.join(operand)))
    };
    let writable = |path: &PathBuf| covered(&files.writable, path) && !covered(&files.write_denied, path);
    let path = facts.programs.get(program).cloned().into_iter().chain(script()).find(writable)?;
    let why = format!("runs {} outside, and commands inside can write that file", path.display());
    let advice = "keep the program where nothing inside can write, or deny writing it (sbshctl deny write)";
    Some(Finding::new(Severity::Danger, "excluded-writable", &rule.text, &rule.origin, why, advice))
}

/// An exclusion whose every command an allow rule lets through: nobody sees what runs outside.
fn unasked(rule: &CommandRule, allow: &[CommandRule]) -> Option<Finding> {
    let ((_, open), own) = (rule.fixed_words(), rule.samples());
    let by = allow.iter().find(|allow| open && !allow.is_all() && allow.covers(&own))?;
    let why = format!(
        "runs outside without a question, whatever its arguments: {} ({}) allows all of it",
        by.shown(),
        by.origin
    );
    let advice = "allow only the calls that are harmless outside, such as 'docker ps'";
    Some(Finding::new(Severity::Warning, "excluded-unasked", &rule.text, &rule.origin, why, advice))
}

/// An exclusion of a program's name alone, as people write it who mean the program with any arguments.
fn bare(rule: &CommandRule, excluded: &[CommandRule]) -> Option<Finding> {
    let (words, open) = rule.fixed_words();
    let [program] = words.as_slice() else { return None };
    let with_arguments = CommandRule::parse(&format!("{program}:*"), rule.origin.clone()).ok()?;
    let samples = with_arguments.samples();
    if open || program.contains('*') || excluded.iter().any(|other| other.covers(&samples)) {
        return None;
    }
    let why = "takes the program outside only where it has no arguments";
    let advice = format!("write '{program}:*'");
    Some(Finding::new(Severity::Warning, "bare-exclusion", &rule.text, &rule.origin, why, advice))
}

/// Quotes in a rule are compared with what is left of a command when its quotes are gone.
fn quoted(list: &str, rule: &CommandRule) -> Option<Finding> {
    let (words, _) = rule.fixed_words();
    if !words.iter().any(|word| word.starts_with(['"', '\'']) || word.ends_with(['"', '\''])) {
        return None;
    }
    let why = "hardly ever matches: rules are compared with the words of a command, and those have no quotes any more";
    let advice = "write it without the quotes";
    Some(Finding::new(Severity::Warning, "quoted", shown(list, rule), &rule.origin, why, advice))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{kinds, one};
    use super::*;

    fn permissions(text: &str) -> Vec<(String, String)> {
        kinds(&format!("{{\"permissions\": {text}}}"), &Facts::default())
    }

    #[test]
    fn rules_that_never_decide() {
        assert_eq!(
            permissions(
                r#"{"deny": ["Bash(npm:*)"], "ask": ["Bash(git:*)"], "allow": ["Bash(npm run:*)", "Bash(npm:*)", "Bash(git log)"]}"#
            ),
            [
                one("unreachable", "Bash(npm run:*)"),
                one("contradictory", "Bash(npm:*)"),
                one("unreachable", "Bash(git log)")
            ]
        );
        assert_eq!(permissions(r#"{"allow": ["Bash(ls:*)", "Bash(ls -l)", "Bash(ls:*)"]}"#).len(), 2);
        assert_eq!(permissions(r#"{"deny": ["Bash(a)", "Bash(a *)"]}"#), [one("redundant", "Bash(a)")]);
        let excluded =
            r#"{"sandbox": {"excludedCommands": ["docker:*"]}, "permissions": {"deny": ["Bash(docker:*)"]}}"#;
        assert_eq!(kinds(excluded, &Facts::default()), [one("contradictory", "docker:*")]);
    }

    #[test]
    fn rules_that_swallow_everything() {
        assert_eq!(permissions(r#"{"allow": ["Bash"]}"#), [one("allows-all", "Bash")]);
        assert_eq!(
            permissions(r#"{"allow": ["Bash(python3:*)"]}"#),
            [one("allows-runner", "Bash(python3:*)")]
        );
        assert_eq!(permissions(r#"{"allow": ["Bash(a && b)"]}"#), [one("never-matches", "Bash(a && b)")]);
        assert_eq!(permissions(r#"{"deny": ["Bash(a; b)"]}"#), [one("never-matches", "Bash(a; b)")]);
        assert_eq!(
            permissions(r#"{"ask": ["Bash(a | b)", "Bash(find . -exec x {} \\\\;)"]}"#),
            [one("never-matches", "Bash(a | b)")]
        );
        for (entry, kind) in [
            ("*", "excludes-all"),
            ("*x", "excludes-any-program"),
            ("sudo:*", "excludes-runner"),
            ("make:*", "excludes-builder"),
            ("dangerouslyDisableSandbox:*", "way-out"),
        ] {
            let text = format!(r#"{{"sandbox": {{"excludedCommands": ["{entry}"]}}}}"#);
            assert_eq!(kinds(&text, &Facts::default()), [one(kind, entry)]);
        }
    }

    #[test]
    fn an_excluded_program_that_lies_where_the_inside_writes() {
        let text = r#"{"sandbox": {"excludedCommands": ["tool:*", "other:*"]}}"#;
        let at =
            |path: &str| Facts { programs: [("tool".to_owned(), path.into())].into(), ..Facts::default() };
        assert_eq!(kinds(text, &at("/work/p/bin/tool")), [one("excluded-writable", "tool:*")]);
        assert_eq!(kinds(text, &at("/usr/bin/tool")), []);
        let script = |entry: &str| {
            kinds(&format!(r#"{{"sandbox": {{"excludedCommands": ["{entry}"]}}}}"#), &Facts::default())
        };
        for entry in ["bash deploy.sh:*", "python3 -u tools/x.py", "sudo ./run *"] {
            assert_eq!(script(entry), [one("excluded-writable", entry)]);
        }
        for entry in ["bash /opt/deploy.sh:*", "docker deploy.sh:*"] {
            assert_eq!(script(entry), []);
        }
    }

    #[test]
    fn what_people_write_and_do_not_mean() {
        let excluded = |entries: &str| {
            kinds(&format!(r#"{{"sandbox": {{"excludedCommands": [{entries}]}}}}"#), &Facts::default())
        };
        assert_eq!(excluded(r#""docker", "git push""#), [one("bare-exclusion", "docker")]);
        assert_eq!(excluded(r#""gh", "gh *""#), [one("redundant", "gh")]);
        let text = r#"{"allow": ["Bash(\"/mnt/c/x y.exe\" /q \"a.ahk\")"], "deny": ["Bash(git commit -m 'x')", "Bash(echo it's)"]}"#;
        let found = permissions(text);
        assert_eq!(
            found,
            [
                one("quoted", "Bash(\"/mnt/c/x y.exe\" /q \"a.ahk\")"),
                one("quoted", "Bash(git commit -m 'x')")
            ]
        );
    }

    #[test]
    fn an_exclusion_that_nobody_is_asked_about() {
        let text = |allow: &str| {
            format!(
                r#"{{"sandbox": {{"excludedCommands": ["docker:*"]}}, "permissions": {{"allow": ["{allow}"]}}}}"#
            )
        };
        assert_eq!(kinds(&text("Bash(docker:*)"), &Facts::default()), [one("excluded-unasked", "docker:*")]);
        assert_eq!(kinds(&text("Bash(docker ps:*)"), &Facts::default()), []);
    }
}
