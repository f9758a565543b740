//! Permission rules on commands: their grammar and what they match. Pure.
//!
//! Owns the text form of `Bash(…)` and `excludedCommands` entries. Must not know how commands are read or unwrapped.
//! Ten thousand rules are loaded for each command, so nothing is compiled: a rule is its text.

use crate::settings::Origin;

/// Stands for text that only the shell knows in a line that is matched.
const ANYTHING: char = '\0';
/// A text that no rule and no command holds: of the characters that nobody assigns.
const STAND_IN: &str = "\u{10fffe}";
/// Possible matches are computed exactly up to this many steps; beyond it the answer is "possible".
const MOST_STEPS: usize = 1 << 16;

/// How a rule and a line agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// They cannot.
    No,
    /// They could, depending on what only the shell knows.
    Possible,
    /// They do.
    Yes,
}

/// Why a rule's text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Nothing in it.
    #[error("a command rule is empty: write the command, or \"Bash\" for every command")]
    Empty,
    /// NUL or another control character, which no rule needs and which hides text.
    #[error("a command rule contains the control character U+{0:04X}: remove it")]
    Control(u32),
    /// `:*` without a prefix.
    #[error(
        "the command rule \":*\" has no prefix: write a command before it, or \"Bash\" for every command"
    )]
    NoPrefix,
}

/// One command rule, from `Bash(...)` or from `excludedCommands`.
#[derive(Debug, Clone)]
pub struct CommandRule {
    /// As it was written, without `Bash(` and `)`; empty for every command.
    pub text: String,
    /// Who said it.
    pub origin: Origin,
    /// The text with runs of blanks as one, where that is not the text itself.
    normal: Option<Box<str>>,
}

/// All command rules, by list.
#[derive(Debug, Clone, Default)]
pub struct CommandRules {
    /// `permissions.deny`.
    pub deny: Vec<CommandRule>,
    /// `permissions.ask`.
    pub ask: Vec<CommandRule>,
    /// `permissions.allow`.
    pub allow: Vec<CommandRule>,
    /// `sandbox.excludedCommands`.
    pub excluded: Vec<CommandRule>,
}

impl CommandRule {
    /// A rule from the inside of `Bash(…)` or from an entry of `excludedCommands`.
    pub fn parse(text: &str, origin: Origin) -> Result<CommandRule, RuleError> {
        if let Some(control) = text.chars().find(|c| c.is_control() && *c != '\t') {
            return Err(RuleError::Control(u32::from(control)));
        }
        let normal = one_blank(text);
        match normal.as_deref().unwrap_or(text) {
            "" => return Err(RuleError::Empty),
            ":*" => return Err(RuleError::NoPrefix),
            _ => {}
        }
        Ok(CommandRule { text: text.to_owned(), origin, normal: normal.map(String::into_boxed_str) })
    }

    /// The rule that matches every command: `Bash`.
    pub fn all(origin: Origin) -> CommandRule {
        CommandRule { text: String::new(), origin, normal: None }
    }

    /// Whether it matches every command: `Bash`, `Bash(*)`.
    pub fn is_all(&self) -> bool {
        matches!(self.pattern(), "" | "*")
    }

    /// As a person would write it among permissions.
    pub fn shown(&self) -> String {
        if self.text.is_empty() { "Bash".to_owned() } else { format!("Bash({})", self.text) }
    }

    /// The program that it is about, if it names one literally.
    pub fn program(&self) -> Option<&str> {
        let program = self.parts().0.split(' ').next().unwrap_or_default();
        (!program.is_empty() && !program.contains(['*', '\\'])).then_some(program)
    }

    /// Lines that stand for all that it matches: another rule matches them only if it matches everything that this one
    /// does. What stands for any text is put as a character that no rule holds: only a star can match that, and then it
    /// matches whatever may stand in its place.
    pub fn samples(&self) -> Vec<String> {
        if self.is_all() {
            return vec![STAND_IN.to_owned()];
        }
        let (pattern, open) = self.parts();
        let line = pieces(pattern).join(STAND_IN);
        if open { vec![format!("{line} {STAND_IN}"), line] } else { vec![line] }
    }

    /// Whether it matches every command that the rule with these samples matches.
    pub fn covers(&self, samples: &[String]) -> bool {
        samples.iter().all(|line| self.matches(line) == Match::Yes)
    }

    /// The program that it is about and whether any arguments may follow, but for what is written between: `npm run:*`
    /// is about `npm` and fixes `run`.
    pub fn fixed_words(&self) -> (Vec<&str>, bool) {
        let (pattern, open) = self.parts();
        (pattern.split(' ').filter(|word| !word.is_empty()).collect(), open)
    }

    fn pattern(&self) -> &str {
        self.normal.as_deref().unwrap_or(&self.text)
    }

    /// The pattern and whether further arguments may follow it.
    fn parts(&self) -> (&str, bool) {
        let pattern = self.pattern();
        if let Some(prefix) = pattern.strip_suffix(":*") {
            return (prefix, true);
        }
        match pattern.strip_suffix(" *") {
            Some(prefix) if !prefix.is_empty() => (prefix, true),
            _ => (pattern, false),
        }
    }

    /// Whether it matches a line: words joined by single blanks, NUL where only the shell knows the text, two of them where
    /// that is words of its own.
    pub fn matches(&self, line: &str) -> Match {
        if self.is_all() {
            return Match::Yes;
        }
        let differs = match (self.pattern().as_bytes().first(), line.as_bytes().first()) {
            (Some(b'*' | b'\\'), _) | (_, Some(0)) => false,
            (wanted, here) => wanted != here,
        };
        if differs {
            return Match::No;
        }
        let (pattern, open) = self.parts();
        let head = pattern.split(['*', '\\']).next().unwrap_or_default();
        let known = line.split(ANYTHING).next().unwrap_or_default();
        let common = head.len().min(known.len());
        if head.as_bytes().get(..common) != known.as_bytes().get(..common) {
            return Match::No;
        }
        if head.len() == pattern.len() {
            if let Some(rest) = line.strip_prefix(pattern) {
                let ends = rest.is_empty() || (open && ends_a_word(rest));
                if ends {
                    return Match::Yes;
                }
            }
        } else if glob(pattern, open, line) {
            return Match::Yes;
        }
        if known.len() == line.len() || !possible(pattern, open, line) { Match::No } else { Match::Possible }
    }
}

/// Whether the words before this end here: what only the shell knows is words of its own, or none, where it stands twice.
fn ends_a_word(rest: &str) -> bool {
    rest.starts_with(' ') || rest.strip_prefix(ANYTHING).is_some_and(|rest| rest.starts_with(ANYTHING))
}

/// The text with runs of blanks as one and none at the ends; `None` if it is so already.
fn one_blank(text: &str) -> Option<String> {
    let normal =
        !text.contains('\t') && !text.contains("  ") && !text.starts_with(' ') && !text.ends_with(' ');
    if normal {
        return None;
    }
    Some(text.split([' ', '\t']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
}

/// The literal pieces between a pattern's stars, `\*` decoded.
fn pieces(pattern: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'*') => {
                characters.next();
                push(&mut all, '*');
            }
            '*' => all.push(String::new()),
            other => push(&mut all, other),
        }
    }
    all
}

fn push(all: &mut [String], character: char) {
    if let Some(last) = all.last_mut() {
        last.push(character);
    }
}

/// Matching with stars, in linear time: each piece is found at its first place, the last one at the end.
fn glob(pattern: &str, open: bool, line: &str) -> bool {
    let pieces = pieces(pattern);
    let Some((first, rest)) = pieces.split_first() else { return false };
    let Some(mut line) = line.strip_prefix(first.as_str()) else { return false };
    let Some((last, middle)) = rest.split_last() else {
        return line.is_empty() || (open && ends_a_word(line));
    };
    for piece in middle {
        match line.split_once(piece.as_str()) {
            Some((_, after)) => line = after,
            None => return false,
        }
    }
    if line.ends_with(last.as_str()) {
        return true;
    }
    open && (line.contains(&format!("{last} ")) || line.contains(&format!("{last}{ANYTHING}{ANYTHING}")))
}

/// Whether some text in place of each [`ANYTHING`] makes the pattern match.
fn possible(pattern: &str, open: bool, line: &str) -> bool {
    // The heads agree already, so text that is open at the end can become whatever the rule wants.
    if line.find(ANYTHING).is_some_and(|at| at + 1 == line.len()) && !pattern.contains(['*', '\\']) {
        return pattern.len() >= line.len() - 1;
    }
    let mut wanted: Vec<Option<char>> = Vec::new();
    for (index, piece) in pieces(pattern).iter().enumerate() {
        if index > 0 {
            wanted.push(None);
        }
        wanted.extend(piece.chars().map(Some));
    }
    if line.len().saturating_mul(wanted.len() + 2) > MOST_STEPS {
        return true;
    }
    if overlap(&wanted, line) {
        return true;
    }
    if open {
        wanted.extend([Some(' '), None]);
    }
    open && overlap(&wanted, line)
}

/// Whether two patterns have a text in common: one with `None`, the other with [`ANYTHING`], for any text.
fn overlap(wanted: &[Option<char>], line: &str) -> bool {
    // reach[i]: the first i elements of `wanted` can match what was read of the line.
    let mut reach = vec![false; wanted.len() + 1];
    if let Some(start) = reach.first_mut() {
        *start = true;
    }
    through_stars(&mut reach, wanted);
    for character in line.chars() {
        let mut next = vec![false; reach.len()];
        if character == ANYTHING {
            let from = reach.iter().position(|&r| r).unwrap_or(reach.len());
            next.iter_mut().skip(from).for_each(|r| *r = true);
        } else {
            for (index, element) in wanted.iter().enumerate() {
                if !reach.get(index).copied().unwrap_or(false) {
                    continue;
                }
                let to = match element {
                    None => index,
                    Some(c) if *c == character => index + 1,
                    Some(_) => continue,
                };
                if let Some(slot) = next.get_mut(to) {
                    *slot = true;
                }
            }
            through_stars(&mut next, wanted);
        }
        reach = next;
    }
    reach.last().copied().unwrap_or(false)
}

/// A star may match nothing.
fn through_stars(reach: &mut [bool], wanted: &[Option<char>]) {
    for (index, element) in wanted.iter().enumerate() {
        if element.is_none()
            && reach.get(index).copied().unwrap_or(false)
            && let Some(slot) = reach.get_mut(index + 1)
        {
            *slot = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether a pattern of letters, blanks and stars matches a line: read by trying everything.
    fn naive(pattern: &[char], line: &[char], open: bool) -> bool {
        match (pattern.split_first(), line.split_first()) {
            (None, None) => true,
            (None, Some((next, _))) => open && *next == ' ',
            (Some(('*', rest)), _) => (0..=line.len()).any(|at| naive(rest, &line[at..], open)),
            (Some((wanted, rest)), Some((here, after))) => wanted == here && naive(rest, after, open),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_rule_matches_as_trying_everything_says(
            pattern in "[ab*]{1,4}( [ab*]{1,3})?", open: bool, line in "[ab]{0,4}( [ab]{1,3}){0,2}",
        ) {
            let rule = CommandRule::parse(&format!("{pattern}{}", if open { ":*" } else { "" }), Origin::BuiltIn("test")).unwrap();
            // ` *` at the end means what `:*` does.
            let (pattern, open) = match pattern.strip_suffix(" *") {
                Some(shorter) if !open => (shorter.to_owned(), true),
                _ => (pattern, open),
            };
            let [pattern, line_] = [&pattern, &line].map(|text| text.chars().collect::<Vec<char>>());
            prop_assert_eq!(rule.matches(&line) == Match::Yes, rule.is_all() || naive(&pattern, &line_, open));
        }

        #[test]
        fn what_is_not_known_is_never_no_where_some_text_is_yes(
            rule in "[ab*]{1,3}( [ab*]{1,3})?(:\\*)?", line in "[ab\0]{0,3}( [ab\0]{1,3})?", filling in "[ab ]{0,4}",
        ) {
            let rule = CommandRule::parse(&rule, Origin::BuiltIn("test")).unwrap();
            prop_assume!(!line.contains("\0\0"));
            let (said, filled) = (rule.matches(&line), line.replace('\0', &filling));
            if rule.matches(&filled) == Match::Yes {
                prop_assert_ne!(said, Match::No, "{} as {}", line, filled);
            }
            if said == Match::Yes {
                prop_assert_eq!(rule.matches(&filled), Match::Yes);
            }
        }
    }

    fn agrees(rule: &str, line: &str) -> Match {
        CommandRule::parse(rule, Origin::BuiltIn("test")).unwrap().matches(line)
    }

    #[test]
    fn exact_prefix_and_star_rules_match_what_the_settings_say() {
        let table = [
            ("ls", "ls", Match::Yes),
            ("ls", "ls -l", Match::No),
            ("npm:*", "npm", Match::Yes),
            ("npm:*", "npm x", Match::Yes),
            ("npm:*", "npmx", Match::No),
            ("npm *", "npm", Match::Yes),
            ("npm *", "npmx", Match::No),
            ("npm*", "npmx", Match::Yes),
            ("git * main", "git push main", Match::Yes),
            ("git * main", "git push mainx", Match::No),
            ("git * main", "git main", Match::No),
            ("git * main *", "git push main -f", Match::Yes),
            ("git * main *", "git push main", Match::Yes),
            ("* --version", "node --version", Match::Yes),
            ("echo \\*", "echo *", Match::Yes),
            ("echo \\*", "echo x", Match::No),
            ("  git   push  ", "git push", Match::Yes),
            ("*", "anything", Match::Yes),
            ("/tmp/ok:*", "/tmp/ok_evil", Match::No),
            ("a*b*c", "a1b2b3c", Match::Yes),
            ("a*b*c", "a1c2b3", Match::No),
        ];
        for (rule, line, wanted) in table {
            assert_eq!(agrees(rule, line), wanted, "{rule:?} on {line:?}");
        }
    }

    #[test]
    fn unknown_text_makes_a_match_possible_only_where_it_could_be_one() {
        let table = [
            ("touch:*", "\0 M", Match::Possible),
            ("touch:*", "t\0ch M", Match::Possible),
            ("touch:*", "x\0", Match::No),
            // `touch$x`, which may be `touchy`, and `touch $x`.
            ("touch:*", "touch\0", Match::Possible),
            ("touch:*", "touch\0\0", Match::Yes),
            ("a*b:*", "axb\0", Match::Possible),
            ("a*b:*", "axb\0\0c", Match::Yes),
            ("touch:*", "to\0", Match::Possible),
            ("rm -rf /", "rm -rf\0", Match::Possible),
            ("rm -rf /", "rm -rf /tmp/\0", Match::No),
            ("git push:*", "git\0push", Match::Possible),
            ("git push:*", "git status\0", Match::No),
            ("ls", "ls\0", Match::Possible),
            ("a*c", "a\0b", Match::No),
            ("a*c", "a\0bc", Match::Yes),
            ("* x y", "a \0y", Match::Possible),
            ("touch:*", "touch a\0", Match::Yes),
            ("ls", "ls -l\0", Match::No),
        ];
        for (rule, line, wanted) in table {
            assert_eq!(agrees(rule, line), wanted, "{rule:?} on {line:?}");
        }
    }

    #[test]
    fn a_rule_covers_what_it_matches_all_of() {
        let rule = |text: &str| CommandRule::parse(text, Origin::BuiltIn("test")).unwrap();
        for (wide, narrow, wanted) in [
            ("*", "npm:*", true),
            ("npm:*", "*", false),
            ("npm:*", "npm run:*", true),
            ("npm *", "npm:*", true),
            ("npm:*", "npm", true),
            ("npm", "npm:*", false),
            ("npm:*", "npm*", false),
            ("npm*", "npm:*", true),
            ("npm:*", "npmx:*", false),
            ("git * main", "git push main", true),
            ("git * main", "git push mainx", false),
            ("git:*", "git * main", true),
            ("git * main", "git:*", false),
            ("a*b", "a*c*b", true),
            ("a*c*b", "a*b", false),
            ("echo \\*", "echo *", false),
            ("echo *", "echo \\*", true),
            ("git push", "git  push", true),
        ] {
            assert_eq!(rule(wide).covers(&rule(narrow).samples()), wanted, "{wide:?} {narrow:?}");
        }
        let all = CommandRule::all(Origin::BuiltIn("test"));
        let samples = all.samples();
        assert!(
            all.covers(&rule("*").samples()) && rule("*").covers(&samples) && !rule("ls:*").covers(&samples)
        );
        assert!(rule("*a").covers(&rule("*a").samples()) && !rule("*a").covers(&samples));
    }

    #[test]
    fn a_text_that_is_no_rule_is_refused() {
        let error = |text: &str| CommandRule::parse(text, Origin::BuiltIn("test")).unwrap_err();
        assert_eq!(error(""), RuleError::Empty);
        assert_eq!(error("  "), RuleError::Empty);
        assert_eq!(error(":*"), RuleError::NoPrefix);
        assert_eq!(error("ls\0"), RuleError::Control(0));
    }

    #[test]
    fn many_stars_take_linear_time() {
        let rule = "*a".repeat(500) + "b";
        let started = std::time::Instant::now();
        assert_eq!(agrees(&rule, &"a".repeat(100_000)), Match::No);
        assert!(started.elapsed().as_millis() < 1_000);
    }
}
