//! The words that stand behind some verbs: kinds of entries, presets, the words of `/sandbox`, the events of the log. Owns
//! their names; the rows of the verbs are the parent's.

/// In `operands`: a command, whose words keep their own options.
pub const COMMAND: &str = "COMMAND...";
/// In `operands`: words that keep their own options.
pub const WORDS: &str = "WORD...";
/// What can stand behind a verb that changes a list, by the verb; empty for all others.
pub fn kinds(verb: &str) -> &'static [&'static str] {
    match verb {
        "allow" => &["domain", "write", "read", "socket", "command", "credential-file", "credential-env"],
        "deny" => &["domain", "write", "read", "command", "credential-file", "credential-env"],
        "ask" => &["command", "read"],
        _ => &[],
    }
}

/// The words of `/sandbox`: each with what follows it, and what it does.
pub const SANDBOX: &[(&str, &str, &str)] = &[
    ("mode", "[auto|regular]", "whether what runs confined needs approval"),
    ("allow", "domain|write|read|socket|command WHAT", "allow it from now on"),
    ("deny", "domain|write|read|command WHAT", "deny it from now on; that beats every allow"),
    ("ask", "command|read WHAT", "ask about it each time"),
    ("exclude", "COMMAND", "run it outside from now on, each time after a question"),
    ("log", "", "what ran, what was decided and what was refused"),
    ("why", "[COMMAND...]", "what is done with a command and by which rule; alone: the last one"),
    ("off-for-one", "COMMAND...", "run this one outside, after a question"),
    ("status", "", "the settings that apply here, and where each stands"),
    ("help", "", "these words"),
];

/// The names of the presets; what they hold is `policy`'s.
pub const PRESETS: &[&str] = &["node", "python", "rust", "go", "java"];

/// What a line of the audit log can be about, with what that is.
pub const EVENTS: &[(&str, &str)] = &[
    (
        "command",
        "a command: who wanted it, the verdict, what was enforced, and how it ended or why it did not run",
    ),
    ("start", "a command that is about to run: outside, or anywhere where sandbox.audit.required is true"),
    ("decision", "a question that was answered, or a command that a rule denied"),
    ("outside", "a program that a command inside wanted to run outside, and how it ended"),
    ("violation", "a call that was refused"),
    ("socket", "a Unix socket outside that was spoken to"),
    ("connection", "a connection, made or refused"),
    ("gatekeeper", "what watching a command's calls cost"),
    ("trust", "trust in a project's settings, given or taken back"),
    ("settings", "settings that sbsh changed"),
    ("trial", "what became of the changes of a command that was tried"),
    ("log", "the log itself: what the next writer found wrong with it"),
];
