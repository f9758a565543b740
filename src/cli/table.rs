//! The one table of sbshctl's verbs and options. Owns their names and one-line descriptions; the parser, the help
//! texts, the man page and the completions all come from it.

mod words;

pub use words::{COMMAND, EVENTS, PRESETS, SANDBOX, WORDS, kinds};

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

const JSON: OptionRow = OptionRow {
    long: "json",
    short: None,
    value: None,
    about: "Print one JSON object for programs instead of text.",
};

const FIX: OptionRow = OptionRow {
    long: "fix",
    short: None,
    value: None,
    about: "First put right what needs no decision: the modes of sbsh's own directories and files.",
};

const PROJECT: OptionRow = OptionRow {
    long: "project",
    short: None,
    value: None,
    about: "In this project only; an error where there is none.",
};

const SHARED: OptionRow = OptionRow {
    long: "shared",
    short: None,
    value: None,
    about: "In the settings that the project shares, .claude/settings.json.",
};

const USER: OptionRow =
    OptionRow { long: "user", short: None, value: None, about: "In all projects of this user." };

const FORCE: OptionRow =
    OptionRow { long: "force", short: None, value: None, about: "Write it though it is dangerously broad." };

const DRY_RUN: OptionRow =
    OptionRow { long: "dry-run", short: None, value: None, about: "Show the difference; write nothing." };

/// The options of every verb that changes a list.
const CHANGING: &[OptionRow] = &[
    PROJECT,
    SHARED,
    USER,
    OptionRow { long: "remove", short: None, value: None, about: "Take the entry out of its list again." },
    DRY_RUN,
    FORCE,
];

const IMPORTING: &[OptionRow] = &[
    OptionRow { long: "srt", short: None, value: None, about: "Read ~/.srt-settings.json." },
    PROJECT,
    SHARED,
    USER,
    DRY_RUN,
    FORCE,
];

const TRYING: &[OptionRow] = &[
    OptionRow { long: "diff", short: None, value: None, about: "Show what changed in text files, too." },
    OptionRow {
        long: "keep",
        short: None,
        value: None,
        about: "Keep the changes without asking; before a name, those of that one, all or below the paths that follow.",
    },
    OptionRow {
        long: "drop",
        short: None,
        value: None,
        about: "Drop the changes without asking; before a name, those of that one.",
    },
    OptionRow {
        long: "list",
        short: None,
        value: None,
        about: "List what lies there, neither kept nor dropped.",
    },
    OptionRow { long: "show", short: None, value: None, about: "Show the changes of the one that is named." },
];

/// Every verb, in the order of the help text.
pub const VERBS: &[VerbRow] = &[
    VerbRow {
        name: "explain",
        operands: "[--] COMMAND...",
        about: "Show what would happen to a command, and by which rule; run nothing",
        details: "Prints the verdict, the rule that decided with its file and line, what would be readable and \
                  writable, and bubblewrap's exact command line, or the steps where sbsh builds the boundary itself. One argument is a command text as a shell reads \
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
                  would bypass sbsh in the present environment. A table says what each backend enforces here: fully, \
                  partly or not, and below it why. The status is 0 if commands can be confined here.",
        options: &[JSON, FIX],
    },
    VerbRow {
        name: "trust",
        operands: "",
        about: "Let this project's settings files widen the sandbox",
        details: "A project's settings may restrict at once; what widens counts only after a person has trusted \
                  exactly the present content of the files. The first command on a terminal asks by itself. Without \
                  options the widening lines are shown, with what is new and what is gone since the files were \
                  trusted, and one question is asked on the terminal. Works only outside the sandbox.",
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
        name: "agent",
        operands: "[--] COMMAND...",
        about: "Start an agent so that the commands it runs are confined, and make sure that they are",
        details: "Sets what agents pick their shell by (SHELL, CLAUDE_CODE_SHELL, the directory of sbsh's other names first \
                  in PATH), gives the agent a session of its own whose commands reach each other on localhost, tries the \
                  shell that this agent will start, and becomes the agent. The agent itself is not confined. One whose \
                  commands would not be confined is not started. For Codex, which asks for the account's login shell, \
                  /etc/passwd shows sbsh there, in a mount namespace of the agent's own.",
        options: &[
            OptionRow {
                long: "root",
                short: None,
                value: Some("DIR"),
                about: "The working root of its commands; the agent starts there, unless it does below it.",
            },
            OptionRow {
                long: "print-env",
                short: None,
                value: None,
                about: "Print the environment for a shell to evaluate; start nothing.",
            },
            OptionRow {
                long: "account-shell",
                short: None,
                value: None,
                about: "For an agent that sbsh does not know: show it sbsh as the account's login shell, too.",
            },
        ],
    },
    VerbRow {
        name: "try",
        operands: "[--] COMMAND...",
        about: "Run a command whose changes to files are kept apart, and then keep or drop them",
        details: "Runs the command confined as ever, but on overlays of all that it may write: it sees its changes, nobody else \
                  does. Then the changes are listed, and a person at the terminal keeps them, drops them or picks some. Without \
                  a terminal they lie there until 'sbshctl try --keep NAME [PATH...]' or '--drop NAME'. Protected names are \
                  never written, and what others changed meanwhile is left alone. Nobody is asked to let the command write \
                  elsewhere, and nothing of it runs outside. What it sends over the network cannot be taken back. The status is the \
                  command's. Needs overlayfs for ordinary users (Linux 5.11). Works only outside the sandbox.",
        options: TRYING,
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
        operands: "domain|write|read|socket|command|credential-file|credential-env WHAT",
        about: "Allow a host, a path, a Unix socket, a command or a credential, from now on",
        details: "domain writes a host (example.com, *.example.com, an address, each with or without a port) to \
                  sandbox.allowedDomains; write, read and socket write a path (absolute, from the home directory as \
                  ~/x, or from the working directory; globs too) to sandbox.filesystem.allowWrite, \
                  sandbox.filesystem.allowRead or sandbox.allowUnixSockets; command writes a rule ('npm run test:*' or \
                  'Bash(npm run test:*)') to permissions.allow; credential-file and credential-env keep a path readable \
                  or a variable in the environment that a built-in list takes away, by sandbox.credentials. The file is the project's personal settings, \
                  .claude/settings.local.json, or the user's where there is no project; its new content is trusted if \
                  its old content counted. Comments and order stay, and the difference is shown. Domains take effect \
                  at once, all else with the next command. Works only outside the sandbox.",
        options: CHANGING,
    },
    VerbRow {
        name: "deny",
        operands: "domain|write|read|command|credential-file|credential-env WHAT",
        about: "Deny a host, a path, a command or a credential, from now on; that beats every allow",
        details: "Writes to sandbox.network.deniedDomains, sandbox.filesystem.denyWrite, sandbox.filesystem.denyRead or \
                  permissions.deny, as 'sbshctl allow' does; credential-file makes a path unreadable inside and \
                  credential-env takes a variable out of the environment there, by sandbox.credentials. Sockets have no such list: what is not allowed is refused.",
        options: CHANGING,
    },
    VerbRow {
        name: "ask",
        operands: "command|read WHAT",
        about: "Ask about a command or about reading a path, each time from now on",
        details: "Writes to permissions.ask, as 'sbshctl allow' does: a rule on commands, or one on reading what must \
                  not be read.",
        options: CHANGING,
    },
    VerbRow {
        name: "exclude",
        operands: "COMMAND",
        about: "Run a command outside the sandbox from now on, each time after a question",
        details: "Writes a rule such as 'docker:*' to sandbox.excludedCommands, as 'sbshctl allow' does. What would take \
                  everything outside ('*') is refused, and what runs whatever it is told (shells, interpreters, sudo, \
                  env) needs --force.",
        options: CHANGING,
    },
    VerbRow {
        name: "preset",
        operands: "[node|python|rust|go|java]...",
        about: "Allow the registries and caches of a language's package managers",
        details: "Shows what a preset adds, each entry with the reason, and adds it to the file that 'sbshctl allow' \
                  would change, with the difference; what is there already is said and not written again. \
                  Without a name all presets are listed, and nothing is changed. Variables such as CARGO_HOME say where \
                  a cache is. None holds a directory of programs, a configuration or a credential; a cache is \
                  shared with what runs outside, so builds there use what commands inside put into it. \
                  Works only outside the sandbox.",
        options: &[PROJECT, SHARED, USER, DRY_RUN],
    },
    VerbRow {
        name: "import",
        operands: "[FILE]",
        about: "Take over the settings of sandbox-runtime (srt)",
        details: "Reads FILE, or with --srt the file ~/.srt-settings.json, and adds what it says to the file that 'sbshctl allow' \
                  would change, with the difference. Line by line it is said which setting each entry becomes, and why one becomes \
                  none: because nothing here does that, because it means more here than there, or because it is too broad; what \
                  is too broad, and switches that weaken the sandbox, are left out unless --force is given. A path that is \
                  relative there is taken from the working directory; in the settings of all projects only what denies can be \
                  relative, and becomes a rule. A file that is broken, or holds an entry that means nothing here, changes nothing. \
                  Works only outside the sandbox.",
        options: IMPORTING,
    },
    VerbRow {
        name: "schema",
        operands: "",
        about: "Print the JSON schema of the settings, for editors",
        details: "Prints a JSON schema (draft 7) of the settings that sbsh reads, with what each means and its default. Keys that are \
                  another program's are let through, as sbsh does. Name it in a settings file by \"$schema\", or \
                  in the editor's own settings.",
        options: &[],
    },
    VerbRow {
        name: "lint",
        operands: "",
        about: "Find settings that are too broad, contradict each other or do nothing",
        details: "Looks at everything that counts in this directory and prints what lets a command out of the sandbox, \
                  what allows more than it seems to, what never counts and what means nothing, each with its file and \
                  line, the reason and what to do. What a project's files would bring that are not trusted is \
                  marked as not in effect. The status is 0 if there is nothing, 1 if there is something, 2 if \
                  the settings are broken.",
        options: &[JSON],
    },
    VerbRow {
        name: "review",
        operands: "",
        about: "Show which allowed things were not used lately, and take them back",
        details: "Compares the domains, paths, sockets, rules and exclusions of the user's and the project's personal \
                  settings with the audit log. What the log cannot tell is called unknown and never offered. On a \
                  terminal each unused entry is asked about; the difference is shown. Works only outside the sandbox.",
        options: &[
            JSON,
            OptionRow {
                long: "days",
                short: None,
                value: Some("NUMBER"),
                about: "How far to look back, 30 unless told.",
            },
            OptionRow {
                long: "yes",
                short: Some('y'),
                value: None,
                about: "Take back everything unused without asking.",
            },
            OptionRow {
                long: "dry-run",
                short: None,
                value: None,
                about: "Show what would be taken back; change nothing.",
            },
        ],
    },
    VerbRow {
        name: "log",
        operands: "",
        about: "Show what ran, what was decided and what was refused",
        details: "Prints the last entries of the audit log: commands, decisions, refused calls with their program, \
                  path and reason, connections, changes of trust and settings. --follow waits for more. --verify \
                  tells whether the log is as it was written: the status is 0 if it is, and 1 if an entry was \
                  changed or is missing. Works only outside the sandbox.",
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
                about: "Only these: command, start, decision, outside, violation, socket, connection, gatekeeper, trust, settings, trial or log.",
            },
            OptionRow {
                long: "lines",
                short: Some('n'),
                value: Some("NUMBER"),
                about: "How many of the last entries, 20 unless told.",
            },
            OptionRow {
                long: "verify",
                short: None,
                value: None,
                about: "Check the numbers and hashes of all entries instead.",
            },
        ],
    },
    VerbRow {
        name: "sandbox",
        operands: "[WORD...]",
        about: "Open the menu that '/sandbox' opens in an interactive session",
        details: "Without words: a menu with the mode, what the machine lacks, the way out, the settings that apply and \
                  where each stands, what was refused lately, the domains and the excluded commands. What is changed is \
                  shown before it is written, to the file that is chosen. Where the terminal cannot draw (TERM=dumb, \
                  NO_COLOR, none) the menu is plain text, and a number with Enter answers. Words: mode \
                  [auto|regular], allow, deny, ask, exclude, log and status as the verbs of that name; why [COMMAND], \
                  which explains it, or the last one; off-for-one COMMAND, which says how to run it outside, once; \
                  help. Works only outside the sandbox.",
        options: &[],
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
