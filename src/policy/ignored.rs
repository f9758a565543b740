//! Violations that are not worth a word: which command, and which path or host. Pure.

/// One entry of `ignoreViolations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredViolation {
    /// A program's name, the beginning of a command, or `*`.
    command: String,
    /// A path with all below it, a glob, or a host.
    what: String,
}

impl IgnoredViolation {
    /// Of the key and one entry of its list.
    pub fn new(command: &str, what: &str) -> IgnoredViolation {
        IgnoredViolation { command: command.trim_end_matches(":*").to_owned(), what: what.to_owned() }
    }

    /// Whether it names this: the command's text, the program that tried it, and the path or host.
    pub fn names(&self, command: &str, program: &str, what: &str) -> bool {
        let begins = || {
            let rest = command.trim_start().strip_prefix(self.command.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        let by_command = self.command == "*" || self.command == program || begins();
        let below = || what.strip_prefix(self.what.trim_end_matches('/')).is_some_and(|r| r.starts_with('/'));
        by_command && (self.what == what || below() || fast_glob::glob_match(&self.what, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_places() {
        let entry = IgnoredViolation::new("npm install:*", "/usr/lib");
        assert!(entry.names("npm install x", "node", "/usr/lib/a"));
        assert!(!entry.names("npm installx", "node", "/usr/lib/a"));
        assert!(!entry.names("npm install x", "node", "/usr/libx"));
        assert!(IgnoredViolation::new("node", "/a/*.log").names("npm x", "node", "/a/b.log"));
        assert!(IgnoredViolation::new("*", "example.com").names("x", "y", "example.com"));
    }
}
