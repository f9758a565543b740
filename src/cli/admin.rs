//! The sbshctl door: verbs and options as a value. Owns what they mean together; what they do is `admin`'s.

use super::UsageError;
use super::agent::{self, AgentStart};
use super::import::{self, Import};
use super::preset::{self, Presets};
use super::review::{self, Review};
use super::table::{self, OptionRow, VerbRow};
use super::try_::{self, Try};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
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
        /// First put right what needs no decision.
        fix: bool,
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
    /// Put an entry into a list of the settings, or take it out.
    Change(Wish),
    /// Put what a language's package managers need into the settings.
    Preset(Presets),
    /// Take over another program's settings.
    Import(Import),
    /// The JSON schema of the settings.
    Schema,
    /// What is wrong with the settings.
    Lint {
        /// One JSON object instead of text.
        json: bool,
    },
    /// What was allowed and not used.
    Review(Review),
    /// The audit log.
    Log(LogView),
    /// `/sandbox` of the interactive session, with these words; without any, its menu.
    Sandbox(Vec<String>),
    /// An agent whose commands are confined.
    Agent(AgentStart),
    /// A command whose changes are kept apart, or what became of one.
    Try(Try),
    /// Help, on a verb of [`table::VERBS`] or on all.
    Help(Option<&'static str>),
    /// The version.
    Version,
}

/// One entry of a list of the settings, as it is wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What the list does.
    pub effect: Effect,
    /// What it is about.
    pub kind: EntryKind,
    /// The entry, as it was written.
    pub entry: String,
    /// Where.
    pub place: Place,
    /// Taken out instead of put in.
    pub remove: bool,
    /// Only looked at.
    pub dry_run: bool,
    /// Though it is dangerously broad.
    pub force: bool,
}

/// What a list does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
    /// It asks.
    Ask,
    /// It runs outside.
    Exclude,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Connections to a host.
    Domain,
    /// Writing a path.
    Write,
    /// Reading a path.
    Read,
    /// Connecting to a Unix socket.
    Socket,
    /// Commands that a rule matches.
    Command,
    /// A file with credentials.
    CredentialFile,
    /// A variable with a credential.
    CredentialVariable,
}

impl EntryKind {
    /// By its word on the command line.
    fn named(word: &str) -> Option<EntryKind> {
        Some(match word {
            "domain" => EntryKind::Domain,
            "write" => EntryKind::Write,
            "read" => EntryKind::Read,
            "socket" => EntryKind::Socket,
            "command" => EntryKind::Command,
            "credential-file" => EntryKind::CredentialFile,
            "credential-env" => EntryKind::CredentialVariable,
            _ => return None,
        })
    }
}

/// Which settings are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The project's, where there is one, else the user's.
    Nearest,
    /// The project's personal ones.
    Project,
    /// The project's shared ones.
    Shared,
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
    /// Not the entries, but whether they are in order.
    pub verify: bool,
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
pub(super) struct Given {
    pub(super) options: Vec<(&'static str, Option<OsString>)>,
    pub(super) operands: Vec<OsString>,
}

impl Given {
    pub(super) fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    pub(super) fn value(&self, long: &str) -> Option<&OsString> {
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
            if [table::COMMAND, table::WORDS].iter().any(|words| row.operands.contains(words)) {
                // The words of the command, or of `/sandbox`, keep their own options.
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
        "doctor" => Ok(AdminCommand::Doctor { json, fix: given.has("fix") }),
        "trust" => trust(row, &given).map(AdminCommand::Trust),
        "approve" => Ok(AdminCommand::Approve),
        "pending" => match (json, given.has("clear")) {
            (true, true) => Err(wrong(Some(row), "--json and --clear exclude each other")),
            (json, clear) => Ok(AdminCommand::Pending { json, clear }),
        },
        "allow" => wish(row, Effect::Allow, &given),
        "deny" => wish(row, Effect::Deny, &given),
        "ask" => wish(row, Effect::Ask, &given),
        "exclude" => wish(row, Effect::Exclude, &given),
        "preset" => preset::read(row, &given),
        "lint" => Ok(AdminCommand::Lint { json }),
        "import" => import::read(row, &given),
        "schema" => Ok(AdminCommand::Schema),
        "review" => review::read(row, &given).map(AdminCommand::Review),
        "log" => log(row, &given).map(AdminCommand::Log),
        "agent" => agent::start(given).map(AdminCommand::Agent).map_err(|why| wrong(Some(row), why)),
        "try" => try_::read(given).map(AdminCommand::Try).map_err(|why| wrong(Some(row), why)),
        "sandbox" => {
            let text = |word: OsString| word.into_string().map_err(|_| wrong(Some(row), "a word is no text"));
            given.operands.into_iter().map(text).collect::<Result<_, _>>().map(AdminCommand::Sandbox)
        }
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
        (None, words) => try_::joined(words).map_err(|why| wrong(Some(row), why)),
    }
}

/// Which file is to be changed.
pub(super) fn place(row: &'static VerbRow, given: &Given) -> Result<Place, UsageError> {
    Ok(match (given.has("project"), given.has("shared"), given.has("user")) {
        (false, false, false) => Place::Nearest,
        (true, false, false) => Place::Project,
        (false, true, false) => Place::Shared,
        (false, false, true) => Place::User,
        _ => return Err(wrong(Some(row), "--project, --shared and --user exclude each other")),
    })
}

/// What is to be in which list, and where.
fn wish(row: &'static VerbRow, effect: Effect, given: &Given) -> Result<AdminCommand, UsageError> {
    let place = place(row, given)?;
    let kinds = table::kinds(row.name);
    let (kind, entry) = match given.operands.as_slice() {
        [entry] if kinds.is_empty() => (Some(EntryKind::Command), entry),
        [word, entry] if !kinds.is_empty() => {
            (word.to_str().filter(|word| kinds.contains(word)).and_then(EntryKind::named), entry)
        }
        [_, _, ..] if kinds.is_empty() => return Err(wrong(Some(row), "quote the command: it is one rule")),
        _ if kinds.is_empty() => return Err(wrong(Some(row), "say which command, as in 'docker:*'")),
        _ => {
            let example = kinds.first().map_or("", |kind| {
                if *kind == "domain" { "domain example.com" } else { "command 'npm publish:*'" }
            });
            let what = format!("say what, as one word, as in 'sbshctl {} {example}'", row.name);
            return Err(wrong(Some(row), &what));
        }
    };
    let Some(kind) = kind else {
        return Err(wrong(Some(row), &format!("one of these comes first: {}", kinds.join(", "))));
    };
    let Some(entry) = entry.to_str() else {
        return Err(wrong(Some(row), "settings hold text, and this is none"));
    };
    let (remove, dry_run, force) = (given.has("remove"), given.has("dry-run"), given.has("force"));
    Ok(AdminCommand::Change(Wish { effect, kind, entry: entry.to_owned(), place, remove, dry_run, force }))
}

/// Which entries of the log.
fn log(row: &'static VerbRow, given: &Given) -> Result<LogView, UsageError> {
    let text = |name| given.value(name).map(|value| value.to_string_lossy().into_owned());
    let event = text("event");
    if event.as_ref().is_some_and(|event| !table::EVENTS.iter().any(|(name, _)| name == event)) {
        let names: Vec<&str> = table::EVENTS.iter().map(|(name, _)| *name).collect();
        return Err(wrong(Some(row), &format!("--event is one of {}", names.join(", "))));
    }
    let lines = match text("lines") {
        None => 20,
        Some(text) => text.parse().map_err(|_| wrong(Some(row), "--lines takes a number"))?,
    };
    let verify = given.has("verify");
    if verify && given.options.iter().any(|(name, _)| !["verify", "json"].contains(name)) {
        return Err(wrong(Some(row), "--verify looks at all entries: only --json goes with it"));
    }
    Ok(LogView { json: given.has("json"), follow: given.has("follow"), event, lines, verify })
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
pub(super) fn wrong(row: Option<&VerbRow>, what: &str) -> UsageError {
    let what = crate::system::visible::visible(what.as_bytes());
    match row {
        Some(row) => UsageError(format!("{}: {what}; see 'sbshctl help {}'", row.name, row.name)),
        None => UsageError(format!("{what}; see 'sbshctl help'")),
    }
}
