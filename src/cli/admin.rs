//! The sbshctl door: verbs and options as a value. Owns what they mean together; what they do is `admin`'s.

use super::UsageError;
use super::table::{self, OptionRow, VerbRow};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What sbshctl was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminCommand {
    /// Explain a command text.
    Explain {
        /// One JSON object instead of text.
        json: bool,
        /// The command text; words that came as several arguments are quoted.
        text: OsString,
    },
    /// The settings that apply here.
    Status {
        /// One JSON object instead of text.
        json: bool,
    },
    /// What can be enforced here.
    Doctor {
        /// One JSON object instead of text.
        json: bool,
    },
    /// The trust store.
    Trust(TrustAction),
    /// The approver console.
    Approve,
    /// What was refused for lack of an answer.
    Pending {
        /// One JSON object instead of text.
        json: bool,
        /// Empty the list.
        clear: bool,
    },
    /// Allow something from now on.
    Allow {
        /// What it is.
        kind: AllowKind,
        /// An entry for its list, as it was written.
        entry: String,
        /// Where.
        place: AllowPlace,
    },
    /// The audit log.
    Log(LogView),
    /// Help, on a verb of [`table::VERBS`] or on all.
    Help(Option<&'static str>),
    /// The version.
    Version,
}

/// What an `allow` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowKind {
    /// Connections to a host.
    Domain,
    /// Writing a path.
    Write,
    /// Reading a path.
    Read,
    /// Connecting to a Unix socket.
    Socket,
}

impl AllowKind {
    /// By its word on the command line.
    fn named(word: &std::ffi::OsStr) -> Option<AllowKind> {
        Some(match word.to_str()? {
            "domain" => AllowKind::Domain,
            "write" => AllowKind::Write,
            "read" => AllowKind::Read,
            "socket" => AllowKind::Socket,
            _ => return None,
        })
    }
}

/// Which settings an `allow` changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowPlace {
    /// The project's, where there is one, else the user's.
    Nearest,
    /// The project's personal ones.
    Project,
    /// The user's.
    User,
}

/// How much of the log, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView {
    /// As it is, one object a line.
    pub json: bool,
    /// Go on as entries come.
    pub follow: bool,
    /// Only events of this name.
    pub event: Option<String>,
    /// How many of the last.
    pub lines: usize,
}

/// What to do with the trust store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustAction {
    /// Show what trusting would widen.
    Show,
    /// Trust this project's files, after asking.
    Ask,
    /// Trust this project's files without asking.
    Yes,
    /// List trusted files.
    List,
    /// Withdraw trust from this file or project.
    Revoke(PathBuf),
}

/// The options and operands of one verb, known to be in its row of the table.
#[derive(Debug, Default)]
struct Given {
    options: Vec<(&'static str, Option<OsString>)>,
    operands: Vec<OsString>,
}

impl Given {
    fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    fn value(&self, long: &str) -> Option<&OsString> {
        self.options.iter().rev().find(|(name, _)| *name == long).and_then(|(_, value)| value.as_ref())
    }
}

impl AdminCommand {
    /// Reads what follows `sbshctl` (or `sbsh ctl`).
    pub fn from_arguments(arguments: Vec<OsString>) -> Result<AdminCommand, UsageError> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let first = parser.next().map_err(|error| wrong(None, &error.to_string()))?;
        let name = match first {
            None => return Ok(AdminCommand::Help(None)),
            Some(lexopt::Arg::Value(name)) => name,
            Some(option) => {
                return match find(table::GLOBAL_OPTIONS, &option).map(|row| row.long) {
                    Some("help") => Ok(AdminCommand::Help(None)),
                    Some("version") => Ok(AdminCommand::Version),
                    _ => Err(wrong(None, &format!("unknown option {}", shown(&option)))),
                };
            }
        };
        let Some(row) = name.to_str().and_then(table::verb) else {
            let name = crate::system::visible::visible(name.as_bytes());
            return Err(wrong(None, &format!("unknown verb '{name}'")));
        };
        match given(row, &mut parser)? {
            Some(given) => command(row, given),
            None => Ok(AdminCommand::Help(Some(row.name))),
        }
    }
}

/// The rest of the line by the verb's row; `None` if `--help` was among it.
fn given(row: &'static VerbRow, parser: &mut lexopt::Parser) -> Result<Option<Given>, UsageError> {
    let usage = |error: lexopt::Error| wrong(Some(row), &error.to_string());
    let mut given = Given::default();
    while let Some(argument) = parser.next().map_err(usage)? {
        if let lexopt::Arg::Value(operand) = argument {
            given.operands.push(operand);
            if row.operands.contains(table::COMMAND) {
                // The words of the command keep their own options.
                given.operands.extend(parser.raw_args().map_err(usage)?);
                break;
            }
            continue;
        }
        let Some(option) = find(row.options, &argument) else {
            if find(table::GLOBAL_OPTIONS, &argument).is_some_and(|global| global.long == "help") {
                return Ok(None);
            }
            return Err(wrong(Some(row), &format!("unknown option {}", shown(&argument))));
        };
        let value = match option.value {
            Some(_) => Some(parser.value().map_err(usage)?),
            None => None,
        };
        given.options.push((option.long, value));
    }
    if row.operands.is_empty()
        && let Some(operand) = given.operands.first()
    {
        let operand = crate::system::visible::visible(operand.as_bytes());
        return Err(wrong(Some(row), &format!("unexpected argument '{operand}'")));
    }
    Ok(Some(given))
}

/// The meaning of a verb's options and operands together.
fn command(row: &'static VerbRow, given: Given) -> Result<AdminCommand, UsageError> {
    let json = given.has("json");
    match row.name {
        "explain" => Ok(AdminCommand::Explain { json, text: explained(row, &given)? }),
        "status" => Ok(AdminCommand::Status { json }),
        "doctor" => Ok(AdminCommand::Doctor { json }),
        "trust" => trust(row, &given).map(AdminCommand::Trust),
        "approve" => Ok(AdminCommand::Approve),
        "pending" => match (json, given.has("clear")) {
            (true, true) => Err(wrong(Some(row), "--json and --clear exclude each other")),
            (json, clear) => Ok(AdminCommand::Pending { json, clear }),
        },
        "allow" => allow(row, &given),
        "log" => log(row, &given).map(AdminCommand::Log),
        _ => match given.operands.as_slice() {
            [] => Ok(AdminCommand::Help(None)),
            [name] => match name.to_str().and_then(table::verb) {
                Some(verb) => Ok(AdminCommand::Help(Some(verb.name))),
                None => {
                    let name = crate::system::visible::visible(name.as_bytes());
                    Err(wrong(None, &format!("unknown verb '{name}'")))
                }
            },
            _ => Err(wrong(Some(row), "too many arguments")),
        },
    }
}

/// The command text to explain: one argument is a text already, several are words.
fn explained(row: &'static VerbRow, given: &Given) -> Result<OsString, UsageError> {
    match (given.value("command"), given.operands.as_slice()) {
        (Some(text), []) => Ok(text.clone()),
        (Some(_), _) => Err(wrong(Some(row), "give the command by --command or as operands, not both")),
        (None, []) => Err(wrong(Some(row), "no command given")),
        (None, [text]) => Ok(text.clone()),
        (None, words) => {
            let words = words.iter().map(|word| word.as_bytes());
            match shlex::bytes::try_join(words) {
                Ok(joined) => Ok(OsString::from_vec(joined)),
                Err(_) => Err(wrong(Some(row), "a word of the command contains a NUL byte")),
            }
        }
    }
}

/// What is allowed, and where.
fn allow(row: &'static VerbRow, given: &Given) -> Result<AdminCommand, UsageError> {
    let place = match (given.has("project"), given.has("user")) {
        (true, true) => return Err(wrong(Some(row), "--project and --user exclude each other")),
        (true, false) => AllowPlace::Project,
        (false, true) => AllowPlace::User,
        (false, false) => AllowPlace::Nearest,
    };
    match given.operands.as_slice() {
        [word, entry] => match (AllowKind::named(word), entry.to_str()) {
            (Some(kind), Some(entry)) => Ok(AdminCommand::Allow { kind, entry: entry.to_owned(), place }),
            (Some(_), None) => Err(wrong(Some(row), "settings hold text, and this is none")),
            (None, _) => Err(wrong(Some(row), "domain, write, read and socket can be allowed")),
        },
        _ => Err(wrong(Some(row), "say what to allow, as in 'sbshctl allow domain example.com'")),
    }
}

/// Which entries of the log.
fn log(row: &'static VerbRow, given: &Given) -> Result<LogView, UsageError> {
    let text = |name| given.value(name).map(|value| value.to_string_lossy().into_owned());
    let event = text("event");
    if event
        .as_ref()
        .is_some_and(|event| !["violation", "connection", "gatekeeper"].contains(&event.as_str()))
    {
        return Err(wrong(Some(row), "--event is one of violation, connection, gatekeeper"));
    }
    let lines = match text("lines") {
        None => 20,
        Some(text) => text.parse().map_err(|_| wrong(Some(row), "--lines takes a number"))?,
    };
    Ok(LogView { json: given.has("json"), follow: given.has("follow"), event, lines })
}

/// One thing at a time with the trust store.
fn trust(row: &'static VerbRow, given: &Given) -> Result<TrustAction, UsageError> {
    let mut kinds: Vec<&str> = given.options.iter().map(|(name, _)| *name).collect();
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.as_slice() {
        [] => Ok(TrustAction::Ask),
        ["show"] => Ok(TrustAction::Show),
        ["yes"] => Ok(TrustAction::Yes),
        ["list"] => Ok(TrustAction::List),
        ["revoke"] => match given.value("revoke") {
            Some(path) if given.options.len() == 1 && !path.is_empty() => {
                Ok(TrustAction::Revoke(PathBuf::from(path)))
            }
            _ => Err(wrong(Some(row), "--revoke takes one path, once")),
        },
        _ => Err(wrong(Some(row), "--show, --yes, --list and --revoke exclude each other")),
    }
}

/// The row of an option, by its long or short spelling.
fn find(rows: &'static [OptionRow], argument: &lexopt::Arg<'_>) -> Option<&'static OptionRow> {
    rows.iter().find(|row| match argument {
        lexopt::Arg::Long(name) => row.long == *name,
        lexopt::Arg::Short(letter) => row.short == Some(*letter),
        lexopt::Arg::Value(_) => false,
    })
}

/// An option as it was written, safe to print.
fn shown(argument: &lexopt::Arg<'_>) -> String {
    let text = match argument {
        lexopt::Arg::Long(name) => format!("--{name}"),
        lexopt::Arg::Short(letter) => format!("-{letter}"),
        lexopt::Arg::Value(value) => value.to_string_lossy().into_owned(),
    };
    format!("'{}'", crate::system::visible::visible(text.as_bytes()))
}

/// One line: where, what is wrong, what helps.
fn wrong(row: Option<&VerbRow>, what: &str) -> UsageError {
    let what = crate::system::visible::visible(what.as_bytes());
    match row {
        Some(row) => UsageError(format!("{}: {what}; see 'sbshctl help {}'", row.name, row.name)),
        None => UsageError(format!("{what}; see 'sbshctl help'")),
    }
}
