//! A profile read back, and asked what it allows. Of the rules that match the last one holds. What it does not know it
//! refuses to read, so a profile cannot say anything that nobody has thought of.

use crate::expression::Expression;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Word(String),
    Text(String),
    List(Vec<Form>),
}

#[derive(Debug)]
enum Filter {
    Literal(Vec<u8>),
    Subpath(Vec<u8>),
    Regex(Expression),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// `local` or `remote`; nothing: every socket.
    Socket(String, Option<Box<Filter>>),
    /// `local` or `remote`, nothing: every port.
    Port(String, Option<u16>),
    /// Anything that is equal or not, by its kind: a service's name, a mark.
    Equal(String, String),
    Prefix(String, String),
}

#[derive(Debug)]
struct Rule {
    allow: bool,
    operations: Vec<String>,
    filters: Vec<Filter>,
}

#[derive(Debug)]
pub struct Checker {
    rules: Vec<Rule>,
    /// Every word that refusals are logged with.
    pub tags: BTreeSet<String>,
}

/// What an operation is done to.
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    pub path: Option<&'a [u8]>,
    /// `remote` or `local`, and the socket's path.
    pub socket: Option<(&'a str, &'a [u8])>,
    pub port: Option<(&'a str, u16)>,
    /// By kind.
    pub facts: Vec<(&'a str, &'a str)>,
}

/// Each operation that a rule may name. In the rules `file-read*` is all that begin so.
const OPERATIONS: &[&str] = &[
    "file-ioctl",
    "file-read-data",
    "file-read-metadata",
    "file-read-xattr",
    "file-write-create",
    "file-write-data",
    "file-write-flags",
    "file-write-mode",
    "file-write-owner",
    "file-write-times",
    "file-write-unlink",
    "file-write-xattr",
    "ipc-posix-sem",
    "ipc-posix-shm-read-data",
    "mach-lookup",
    "network-bind",
    "network-inbound",
    "network-outbound",
    "process-exec",
    "process-fork",
    "process-info-pidinfo",
    "pseudo-tty",
    "signal",
    "sysctl-read",
    "system-socket",
];

impl Checker {
    pub fn read(text: &str, parameters: &[(String, OsString)]) -> Result<Checker, String> {
        let values: BTreeMap<&str, &[u8]> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        if values.len() != parameters.len() {
            return Err("a parameter is there twice".into());
        }
        let mut reader = Reader { values, used: BTreeSet::new(), tags: BTreeSet::new() };
        let forms = forms(text)?;
        let [Form::List(version), Form::List(closed), rules @ ..] = forms.as_slice() else {
            return Err("no version, or nothing is said of what no rule speaks of".into());
        };
        let word = |word: &str| Form::Word(word.to_owned());
        if *version != [word("version"), word("1")] {
            return Err("not version 1".into());
        }
        let [deny, default, Form::List(with)] = closed.as_slice() else { return Err("not closed".into()) };
        if (deny, default) != (&word("deny"), &word("default")) {
            return Err("not closed".into());
        }
        reader.with(with)?;
        let rules = rules.iter().map(|form| reader.rule(form)).collect::<Result<_, _>>()?;
        if reader.used.len() != reader.values.len() {
            return Err("a parameter is not used".into());
        }
        Ok(Checker { rules, tags: reader.tags })
    }

    pub fn allows(&self, operation: &str, object: &Object<'_>) -> bool {
        assert!(OPERATIONS.contains(&operation), "{operation}");
        let named = |rule: &&Rule| {
            rule.operations.iter().any(|own| match own.strip_suffix('*') {
                Some(start) => operation.strip_prefix(start).is_some_and(|rest| rest.starts_with('-')),
                None => own == operation,
            })
        };
        let holds = |rule: &&Rule| rule.filters.is_empty() || rule.filters.iter().any(|f| f.holds(object));
        self.rules.iter().rev().filter(named).find(holds).is_some_and(|rule| rule.allow)
    }
}

impl Filter {
    fn holds(&self, object: &Object<'_>) -> bool {
        let path = |test: &dyn Fn(&[u8]) -> bool| object.path.is_some_and(test);
        match self {
            Filter::Literal(own) => path(&|path| path == own),
            Filter::Subpath(own) => path(&|path| {
                own == b"/" || path.strip_prefix(own.as_slice()).is_some_and(|r| r.is_empty() || r[0] == b'/')
            }),
            Filter::Regex(own) => path(&|path| own.finds(path)),
            Filter::All(all) => all.iter().all(|f| f.holds(object)),
            Filter::Any(any) => any.iter().any(|f| f.holds(object)),
            Filter::Not(not) => !not.holds(object),
            Filter::Socket(end, filter) => object.socket.is_some_and(|(at, path)| {
                let inner = Object { path: Some(path), ..Object::default() };
                at == end && filter.as_ref().is_none_or(|f| f.holds(&inner))
            }),
            Filter::Port(end, port) => {
                object.port.is_some_and(|(at, own)| at == end && port.is_none_or(|port| port == own))
            }
            Filter::Equal(kind, value) => object.facts.contains(&(kind.as_str(), value.as_str())),
            Filter::Prefix(kind, value) => {
                object.facts.iter().any(|(own, is)| own == kind && is.starts_with(value.as_str()))
            }
        }
    }
}

struct Reader<'a> {
    values: BTreeMap<&'a str, &'a [u8]>,
    used: BTreeSet<String>,
    tags: BTreeSet<String>,
}

impl Reader<'_> {
    fn rule(&mut self, form: &Form) -> Result<Rule, String> {
        let Form::List(parts) = form else { return Err(format!("no rule: {form:?}")) };
        let mut parts = parts.iter().peekable();
        let allow = match parts.next() {
            Some(Form::Word(word)) if word == "allow" => true,
            Some(Form::Word(word)) if word == "deny" => false,
            other => return Err(format!("no rule: {other:?}")),
        };
        let mut operations = Vec::new();
        while let Some(Form::Word(word)) = parts.peek() {
            let known = match word.strip_suffix('*') {
                Some(start) => OPERATIONS.iter().any(|o| o.starts_with(&format!("{start}-"))),
                None => OPERATIONS.contains(&word.as_str()),
            };
            if !known {
                return Err(format!("unknown operation {word}"));
            }
            operations.push(word.clone());
            parts.next();
        }
        let mut filters = Vec::new();
        let mut told = false;
        for form in parts {
            match form {
                Form::List(list) if list.first() == Some(&Form::Word("with".into())) => {
                    self.with(list)?;
                    told = true;
                }
                other => filters.push(self.filter(other)?),
            }
        }
        if told == allow || operations.is_empty() || (!allow && filters.is_empty()) {
            return Err(format!("a doubtful rule: {form:?}"));
        }
        Ok(Rule { allow, operations, filters })
    }

    fn with(&mut self, list: &[Form]) -> Result<(), String> {
        match list {
            [Form::Word(with), Form::Word(message), Form::Text(tag)]
                if (with.as_str(), message.as_str()) == ("with", "message") =>
            {
                self.tags.insert(tag.clone());
                Ok(())
            }
            other => Err(format!("unknown modifier {other:?}")),
        }
    }

    fn filter(&mut self, form: &Form) -> Result<Filter, String> {
        let Form::List(list) = form else { return Err(format!("no filter: {form:?}")) };
        let Some((Form::Word(word), rest)) = list.split_first() else {
            return Err(format!("no filter: {form:?}"));
        };
        let mut all = |rest: &[Form]| rest.iter().map(|f| self.filter(f)).collect::<Result<Vec<_>, _>>();
        Ok(match (word.as_str(), rest) {
            ("require-all", [_, ..]) => Filter::All(all(rest)?),
            ("require-any", [_, ..]) => Filter::Any(all(rest)?),
            ("require-not", [_]) => Filter::Not(Box::new(all(rest)?.remove(0))),
            ("literal", [value]) => Filter::Literal(self.path(value)?),
            ("subpath", [value]) => Filter::Subpath(self.path(value)?),
            ("regex", [value]) => Filter::Regex(Expression::read(&self.value(value)?)?),
            ("local" | "remote", [Form::Word(kind)]) if kind == "unix-socket" => {
                Filter::Socket(word.clone(), None)
            }
            ("local" | "remote", [Form::Word(kind), inner @ Form::List(list)])
                if kind == "unix-socket" && list.first() == Some(&Form::Word("regex".into())) =>
            {
                Filter::Socket(word.clone(), Some(Box::new(self.filter(inner)?)))
            }
            ("local" | "remote", [Form::Word(kind), Form::Text(at)]) if kind == "ip" => {
                let port = at.strip_prefix("localhost:").ok_or("not the loopback")?;
                let port = (port != "*").then(|| port.parse().map_err(|_| "no port")).transpose()?;
                Filter::Port(word.clone(), port)
            }
            ("global-name" | "sysctl-name" | "ipc-posix-name" | "extension", [Form::Text(value)]) => {
                Filter::Equal(word.clone(), value.clone())
            }
            ("sysctl-name-prefix", [Form::Text(value)]) => {
                Filter::Prefix("sysctl-name".into(), value.clone())
            }
            ("target" | "socket-domain", [Form::Word(value)]) => Filter::Equal(word.clone(), value.clone()),
            _ => return Err(format!("unknown filter: {form:?}")),
        })
    }

    fn path(&mut self, form: &Form) -> Result<Vec<u8>, String> {
        let path = self.value(form)?;
        let normal = path == b"/" || path.starts_with(b"/") && !path.ends_with(b"/");
        if normal { Ok(path) } else { Err(format!("no path: {path:?}")) }
    }

    fn value(&mut self, form: &Form) -> Result<Vec<u8>, String> {
        match form {
            Form::Text(text) => Ok(text.clone().into_bytes()),
            Form::List(list) => match list.as_slice() {
                [Form::Word(word), Form::Text(name)] if word == "param" => {
                    self.used.insert(name.clone());
                    self.values.get(name.as_str()).map(|v| v.to_vec()).ok_or(format!("no parameter {name}"))
                }
                _ => Err(format!("no value: {form:?}")),
            },
            Form::Word(_) => Err(format!("no value: {form:?}")),
        }
    }
}

fn forms(text: &str) -> Result<Vec<Form>, String> {
    let mut stack: Vec<Vec<Form>> = vec![Vec::new()];
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        let form = match next {
            ' ' | '\n' => continue,
            ';' => {
                rest.by_ref().find(|c| *c == '\n');
                continue;
            }
            '(' => {
                stack.push(Vec::new());
                continue;
            }
            ')' => Form::List(stack.pop().filter(|_| !stack.is_empty()).ok_or("a stray ')'")?),
            '"' => {
                let mut text = String::new();
                loop {
                    match rest.next() {
                        Some('"') => break Form::Text(text),
                        Some('\\') | None => return Err("a doubtful text".into()),
                        Some(other) => text.push(other),
                    }
                }
            }
            c if c.is_ascii_alphanumeric() => {
                let mut word = String::from(c);
                let part = |c: &char| c.is_ascii_alphanumeric() || "-_*".contains(*c);
                while let Some(c) = rest.next_if(part) {
                    word.push(c);
                }
                Form::Word(word)
            }
            other => return Err(format!("unknown sign {other:?}")),
        };
        stack.last_mut().ok_or("a stray ')'")?.push(form);
    }
    match stack.len() {
        1 => Ok(stack.remove(0)),
        _ => Err("an open list".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "(version 1)\n(deny default (with message \"t\"))\n";

    fn read(rules: &str) -> Result<Checker, String> {
        Checker::read(&format!("{HEAD}{rules}"), &[])
    }

    fn file(path: &str) -> Object<'_> {
        Object { path: Some(path.as_bytes()), ..Object::default() }
    }

    #[test]
    fn the_last_rule_that_matches_holds() {
        let checker = read(
            "(allow file-read*) ; all\n(deny file-read* (subpath \"/a\") (with message \"t\"))\n\
             (allow file-read-data (require-all (subpath \"/a/b\") (require-not (literal \"/a/b/c\"))))",
        )
        .unwrap();
        for (operation, path, wanted) in [
            ("file-read-data", "/x", true),
            ("file-read-data", "/a", false),
            ("file-read-data", "/ab", true),
            ("file-read-data", "/a/b", true),
            ("file-read-metadata", "/a/b", false),
            ("file-read-data", "/a/b/c", false),
            ("file-write-data", "/x", false),
        ] {
            assert_eq!(checker.allows(operation, &file(path)), wanted, "{operation} {path}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for rules in [
            "(allow default)",
            "(allow file-everything)",
            "(allow file-read* (glob \"/a\"))",
            "(allow file-read* (subpath \"/a/\"))",
            "(allow file-read* (subpath \"/a\\x\"))",
            "(allow file-read* (subpath (param \"P9\")))",
            "(deny file-read*)",
            "(deny file-read* (subpath \"/a\"))",
            "(allow)",
            "(allow file-read* (require-all))",
            "(import \"x.sb\")",
            "(allow file-read*",
            ")",
            "(allow network-outbound (remote ip \"*:80\"))",
            "'x",
        ] {
            assert!(read(rules).is_err(), "{rules}");
        }
        assert!(Checker::read("(version 1)\n(allow default)", &[]).is_err());
    }
}
