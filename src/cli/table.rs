//! The one table of sbshctl's verbs and options. Owns their names and one-line descriptions; the parser, the help
//! texts, the man page and the completions all come from it.

/// One option of a verb.
#[derive(Debug, Clone, Copy)]
pub struct OptionRow {
    /// Long name without dashes.
    pub long: &'static str,
    /// Short letter, if any.
    pub short: Option<char>,
    /// The name of its value in usage lines, if it takes one.
    pub value: Option<&'static str>,
    /// One sentence.
    pub about: &'static str,
}

/// One verb.
#[derive(Debug, Clone, Copy)]
pub struct VerbRow {
    /// Its name.
    pub name: &'static str,
    /// What follows the options, for the usage line; empty if nothing does.
    pub operands: &'static str,
    /// One line for lists.
    pub about: &'static str,
    /// A paragraph.
    pub details: &'static str,
    /// Its options.
    pub options: &'static [OptionRow],
}

/// In `operands`: a command, whose words keep their own options.
pub const COMMAND: &str = "COMMAND...";
/// What can be allowed.
pub const ALLOWED: &[&str] = &["domain", "write", "read", "socket"];

const JSON: OptionRow = OptionRow {
    long: "json",
    short: None,
    value: None,
    about: "Print one JSON object for programs instead of text.",
};

/// Every verb, in the order of the help text.
pub const VERBS: &[VerbRow] = &[
    VerbRow {
        name: "explain",
        operands: "[--] COMMAND...",
        about: "Show what would happen to a command, and by which rule; run nothing",
        details: "Prints the verdict, the rule that decided with its file and line, what would be readable and \
                  writable, and the exact bubblewrap command line. One argument is a command text as a shell reads \
                  it; several are the words of one command.",
        options: &[
            JSON,
            OptionRow {
                long: "command",
                short: Some('c'),
                value: Some("TEXT"),
                about: "The command text, instead of operands.",
            },
        ],
    },
    VerbRow {
        name: "status",
        operands: "",
        about: "Show the settings that apply in this directory",
        details: "Prints the settings files with their trust, the working root, what is readable, writable and \
                  removed from the environment, each value with the file and line that says it.",
        options: &[JSON],
    },
    VerbRow {
        name: "doctor",
        operands: "",
        about: "Check what can be enforced on this machine, and what is missing",
        details: "Tries the sandbox for real, names what is missing and how to install it, and tells which agents \
                  would bypass sbsh in the present environment. The status is 0 if commands can be confined here.",
        options: &[JSON],
    },
    VerbRow {
        name: "trust",
        operands: "",
        about: "Let this project's settings files widen the sandbox",
        details: "A project's settings may restrict at once; what widens counts only after a person has trusted \
                  exactly the present content of the files. Without options the widening lines are shown and one \
                  question is asked on the terminal. Works only outside the sandbox.",
        options: &[
            OptionRow {
                long: "show",
                short: None,
                value: None,
                about: "Show what trusting would widen; change nothing.",
            },
            OptionRow { long: "yes", short: Some('y'), value: None, about: "Trust without asking." },
            OptionRow { long: "list", short: None, value: None, about: "List the files that are trusted." },
            OptionRow {
                long: "revoke",
                short: None,
                value: Some("PATH"),
                about: "Withdraw the trust of a settings file or of all files of a project.",
            },
        ],
    },
    VerbRow {
        name: "approve",
        operands: "",
        about: "Answer the questions of all running commands in this terminal",
        details: "Waits for the questions of commands that have no terminal of their own, agents' for example, and \
                  shows one after the other; one key answers, q leaves. Only commands of the same user on the same \
                  machine are heard, and none that runs inside a sandbox. Where notify-send is installed, each \
                  question is notified on the desktop. There is one console for each user.",
        options: &[],
    },
    VerbRow {
        name: "pending",
        operands: "",
        about: "List the hosts that were refused because nobody could be asked",
        details: "Prints each host with the command that wanted it and the line that allows it. What is allowed by \
                  'sbshctl allow' goes from the list.",
        options: &[
            JSON,
            OptionRow {
                long: "clear",
                short: None,
                value: None,
                about: "Empty the list; this allows nothing.",
            },
        ],
    },
    VerbRow {
        name: "allow",
        operands: "domain|write|read|socket WHAT",
        about: "Allow a host, a path or a Unix socket, from now on",
        details: "domain writes a host (example.com, *.example.com, an address, each with or without a port) to \
                  sandbox.allowedDomains; write, read and socket write a path (absolute, from the home directory as \
                  ~/x, or from the working directory; globs too) to sandbox.filesystem.allowWrite, \
                  sandbox.filesystem.allowRead or sandbox.allowUnixSockets. The file is the project's personal \
                  settings, .claude/settings.local.json, or the user's where there is no project; its new content is \
                  trusted if its old content counted. Domains take effect at once, paths with the next command. Works \
                  only outside the sandbox.",
        options: &[
            OptionRow {
                long: "project",
                short: None,
                value: None,
                about: "In this project only; an error where there is none.",
            },
            OptionRow { long: "user", short: None, value: None, about: "In all projects of this user." },
        ],
    },
    VerbRow {
        name: "log",
        operands: "",
        about: "Show what was refused and what was connected to",
        details: "Prints the last entries of the audit log: refused calls with their program, path and reason, and \
                  connections. --follow waits for more. Works only outside the sandbox.",
        options: &[
            OptionRow {
                long: "json",
                short: None,
                value: None,
                about: "Print the entries as they are, one JSON object a line.",
            },
            OptionRow { long: "follow", short: Some('f'), value: None, about: "Go on as entries come." },
            OptionRow {
                long: "event",
                short: Some('e'),
                value: Some("EVENT"),
                about: "Only these: violation, connection or gatekeeper.",
            },
            OptionRow {
                long: "lines",
                short: Some('n'),
                value: Some("NUMBER"),
                about: "How many of the last entries, 20 unless told.",
            },
        ],
    },
    VerbRow {
        name: "help",
        operands: "[VERB]",
        about: "Show this help, or a verb's",
        details: "Prints the list of verbs, or the options of one verb.",
        options: &[],
    },
];

/// Options that stand instead of a verb. `help` also stands behind every verb.
pub const GLOBAL_OPTIONS: &[OptionRow] = &[
    OptionRow { long: "help", short: Some('h'), value: None, about: "Show help." },
    OptionRow { long: "version", short: Some('V'), value: None, about: "Print the version." },
];

/// The verb of this name.
pub fn verb(name: &str) -> Option<&'static VerbRow> {
    VERBS.iter().find(|row| row.name == name)
}
