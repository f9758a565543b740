//! What sbsh itself reads of a shell's arguments: the one table of its own options, from which the parser, `--help` and the
//! completions come, and the inner shell's options that all of them know. Owns names and descriptions only.

use super::table::OptionRow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// In the first place it makes the rest sbshctl's.
pub const CTL: &str = "ctl";

/// The report to programs goes to a descriptor.
pub const REPORT: OptionRow = OptionRow {
    long: "report-fd",
    short: None,
    value: Some("NUMBER"),
    about: "Write a report for programs to this descriptor.",
};

/// Print the version.
pub const VERSION: OptionRow =
    OptionRow { long: "version", short: None, value: None, about: "Print sbsh's version." };

/// Print the help.
pub const HELP: OptionRow = OptionRow { long: "help", short: None, value: None, about: "Print this text." };

/// sbsh's own options. Each counts in the first place only, and only under a name that is no shell's.
pub const OPTIONS: &[OptionRow] = &[REPORT, VERSION, HELP];

/// Options of the inner shell, for completions: the letter, what it takes, and what it does.
pub const PASSED: &[(char, Option<&str>, &str)] = &[
    ('c', Some("COMMAND"), "Run this command."),
    ('i', None, "Be interactive."),
    ('l', None, "Be a login shell."),
    ('s', None, "Read commands from standard input."),
];

impl OptionRow {
    /// Whether this word is the option, spelled out.
    pub(super) fn is(&self, word: &OsStr) -> bool {
        word.as_bytes().strip_prefix(b"--") == Some(self.long.as_bytes())
    }
}
