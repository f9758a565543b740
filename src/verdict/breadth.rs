//! How much a command rule swallows: which rules let through far more than they seem to say. Pure.

use super::WAY_OUT;
use crate::command;
use crate::policy::CommandRule;

/// Why a rule is too broad, or means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breadth {
    /// It matches every command.
    Everything,
    /// It begins with a star: any program.
    AnyProgram,
    /// It is about a program that runs whatever its arguments say.
    Runs(String),
    /// It is about a program that runs files of the working directory.
    RunsProject(String),
    /// It is about the way out, which always asks.
    WayOut,
    /// No simple command can match it: it holds a sign of the shell's.
    NoCommand(String),
}

/// Programs that do what files of a project say, which confined commands can write.
const BUILDERS: &[&str] = &[
    "make",
    "gmake",
    "ninja",
    "cmake",
    "just",
    "task",
    "rake",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "bunx",
    "cargo",
    "go",
    "gradle",
    "gradlew",
    "mvn",
    "ant",
    "bazel",
    "tox",
    "nox",
    "pytest",
    "poetry",
    "uv",
    "pip",
    "bundle",
    "composer",
    "mix",
    "dotnet",
    "meson",
    "vagrant",
    "ansible-playbook",
];

/// What is remarkable about a rule that lets commands through; nothing for most.
pub fn of(rule: &CommandRule) -> Option<Breadth> {
    if rule.is_all() {
        return Some(Breadth::Everything);
    }
    let (words, open) = rule.fixed_words();
    let parts = |word: &str| {
        let sign = matches!(word, "&&" | "||" | "|" | ";" | "&" | ">" | "<" | ">>");
        // `a; b`, but not `find -exec x \;`
        sign || word.ends_with(';') && !word.ends_with("\\;")
    };
    if let Some(sign) = words.iter().find(|word| parts(word)) {
        return Some(Breadth::NoCommand((*sign).to_owned()));
    }
    let (first, rest) = words.split_first()?;
    if *first == WAY_OUT {
        return Some(Breadth::WayOut);
    }
    let Some(program) = rule.program() else {
        // `\*` is a star that is meant.
        return first.starts_with('*').then_some(Breadth::AnyProgram);
    };
    // Behind an operand that is fixed, such as a script, the rest is only its arguments.
    let loose = open || words.iter().any(|word| word.contains('*'));
    let fixed = rest.iter().any(|word| !word.starts_with('-') && !word.contains('*'));
    if command::runs_anything(program) && loose && !fixed {
        return Some(Breadth::Runs(program.to_owned()));
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    BUILDERS.contains(&name).then(|| Breadth::RunsProject(program.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origin;

    #[test]
    fn rules_that_swallow_more_than_they_say() {
        let runs = |name: &str| Some(Breadth::Runs(name.into()));
        for (text, wanted) in [
            ("*", Some(Breadth::Everything)),
            ("* --version", Some(Breadth::AnyProgram)),
            ("*docker*", Some(Breadth::AnyProgram)),
            ("bash:*", runs("bash")),
            ("/bin/sh -c:*", runs("/bin/sh")),
            ("env *", runs("env")),
            ("sudo:*", runs("sudo")),
            ("python3.12 -c *", runs("python3.12")),
            ("xargs:*", runs("xargs")),
            ("bash deploy.sh:*", None),
            ("bash", None),
            ("docker:*", None),
            ("git push:*", None),
            ("make:*", Some(Breadth::RunsProject("make".into()))),
            ("dangerouslyDisableSandbox:*", Some(Breadth::WayOut)),
            ("cd x && rm y", Some(Breadth::NoCommand("&&".into()))),
            ("\\*x", None),
        ] {
            let rule = CommandRule::parse(text, Origin::BuiltIn("test")).unwrap();
            assert_eq!(of(&rule), wanted, "{text}");
        }
    }
}
