//! The grammar of permission rules, `Tool` and `Tool(inside)`. Pure.
//!
//! Owns telling the tools apart. Must not know what a rule does in which list.

use super::error::{PolicyError, Problem};
use crate::settings::Sourced;

/// One permission rule, by what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission<'t> {
    /// `Bash`.
    EveryCommand,
    /// `Bash(…)`.
    Command(&'t str),
    /// `Edit(…)`, `Write(…)`, `MultiEdit(…)`, `NotebookEdit(…)`.
    Write(&'t str),
    /// `Read(…)`.
    Read(&'t str),
    /// `WebFetch(domain:…)`.
    Domain(&'t str),
    /// One of these tools without anything inside: about the agent's tool, not about what commands may reach.
    WholeTool(&'static str),
    /// A tool that is none of the shell's business.
    Other,
}

/// The tools that sbsh understands.
const TOOLS: [&str; 7] = ["Bash", "Edit", "Write", "MultiEdit", "NotebookEdit", "Read", "WebFetch"];

/// Reads one rule.
///
/// # Errors
/// [`PolicyError`] for what is no rule: a rule that is not understood could be one that denies.
pub fn read(rule: &Sourced<String>) -> Result<Permission<'_>, PolicyError> {
    parse(&rule.value).map_err(|problem| problem.at(&rule.origin))
}

pub(super) fn parse(rule: &str) -> Result<Permission<'_>, Problem> {
    let malformed = || Problem::MalformedRule(rule.to_owned());
    let text = rule.trim();
    let (tool, inside) = match text.split_once('(') {
        None => (text, None),
        Some((tool, rest)) => (tool, Some(rest.strip_suffix(')').ok_or_else(malformed)?)),
    };
    if tool.is_empty() || tool.chars().any(|c| c.is_control() || c.is_whitespace() || c == ')') {
        return Err(malformed());
    }
    let Some(known) = TOOLS.into_iter().find(|known| known.eq_ignore_ascii_case(tool)) else {
        return Ok(Permission::Other);
    };
    if known != tool {
        return Err(Problem::Capitals { rule: rule.to_owned(), tool: known });
    }
    match (known, inside) {
        (_, Some("")) => Err(malformed()),
        ("Bash", None) => Ok(Permission::EveryCommand),
        ("Bash", Some(inside)) => Ok(Permission::Command(inside)),
        (_, None) => Ok(Permission::WholeTool(known)),
        ("Read", Some(inside)) => Ok(Permission::Read(inside)),
        ("WebFetch", Some(inside)) => match inside.strip_prefix("domain:") {
            Some(domain) => Ok(Permission::Domain(domain.trim())),
            None => Err(Problem::NoDomain(rule.to_owned())),
        },
        (_, Some(inside)) => Ok(Permission::Write(inside)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_apart_by_tool() {
        let table = [
            ("Bash", Permission::EveryCommand),
            (" Bash ", Permission::EveryCommand),
            ("Bash(git push:*)", Permission::Command("git push:*")),
            ("Bash(echo ')' \"(\")", Permission::Command("echo ')' \"(\"")),
            ("Edit(src/**)", Permission::Write("src/**")),
            ("Write(a)", Permission::Write("a")),
            ("MultiEdit(a)", Permission::Write("a")),
            ("NotebookEdit(a)", Permission::Write("a")),
            ("Read(~/x)", Permission::Read("~/x")),
            ("Read", Permission::WholeTool("Read")),
            ("Edit", Permission::WholeTool("Edit")),
            ("WebFetch", Permission::WholeTool("WebFetch")),
            ("WebFetch(domain:example.com)", Permission::Domain("example.com")),
            ("mcp__server__tool", Permission::Other),
            ("Grep", Permission::Other),
            ("Agent(Explore)", Permission::Other),
            ("Skill(x *)", Permission::Other),
        ];
        for (text, wanted) in table {
            assert_eq!(parse(text), Ok(wanted), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_rule_is_an_error() {
        for text in
            ["", "  ", "Bash(", "Bash()", "Bash)", "(x)", "Edit()", "Bash(x", "Ba sh(x)", "Task(x", "Bash\0"]
        {
            assert_eq!(parse(text), Err(Problem::MalformedRule(text.to_owned())), "{text:?}");
        }
        assert_eq!(parse("bash(ls)"), Err(Problem::Capitals { rule: "bash(ls)".to_owned(), tool: "Bash" }));
        assert_eq!(parse("WebFetch(x.com)"), Err(Problem::NoDomain("WebFetch(x.com)".to_owned())));
    }
}
