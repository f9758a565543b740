//! The one table of settings keys: parsing, the check for unknown keys, the JSON schema for editors and the check of the man
//! page come from it. Owns names, types and words; what a value means is `policy`'s.

pub mod json;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// A list of texts.
    List,
    /// A port number.
    Port,
    /// A list of objects with this name key and `mode`.
    Credentials(&'static str),
    /// An object of lists.
    Lists,
    /// More keys.
    Section,
}

impl Kind {
    /// For messages: "expected …".
    pub fn expected(self) -> String {
        match self {
            Kind::Boolean => "true or false".into(),
            Kind::Word(words) => words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" or "),
            Kind::Text => "a string".into(),
            Kind::List => "a list of strings".into(),
            Kind::Port => "a port number from 1 to 65535".into(),
            Kind::Credentials(name) => {
                format!("a list of objects {{\"{name}\": \"...\", \"mode\": \"deny\"}}")
            }
            Kind::Lists => "an object of lists of strings".into(),
            Kind::Section => "an object".into(),
        }
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its path below `sandbox`, dots between.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The default, as words.
    pub default: &'static str,
    /// What it means, one line.
    pub meaning: &'static str,
}

const fn key(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default, meaning }
}

const NONE: &str = "[]";

/// Every key below `sandbox`, in the order of SETTINGS.md.
pub const KEYS: &[Key] = &[
    key(
        "enabled",
        Kind::Boolean,
        "true",
        "false (managed or user only): commands run unconfined, with a notice",
    ),
    key(
        "mode",
        Kind::Word(&["auto-allow", "regular"]),
        "auto-allow",
        "whether what runs confined needs approval",
    ),
    key(
        "autoAllowBashIfSandboxed",
        Kind::Boolean,
        "true",
        "another spelling of mode; mode wins in the same file",
    ),
    key("allowedDomains", Kind::List, NONE, "domains reachable without asking"),
    key("network", Kind::Section, "", "network settings"),
    key("network.allowedDomains", Kind::List, NONE, "domains reachable without asking"),
    key("network.deniedDomains", Kind::List, NONE, "domains that are always refused"),
    key("network.strictAllowlist", Kind::Boolean, "false", "refuse unknown domains instead of asking"),
    key(
        "network.allowManagedDomainsOnly",
        Kind::Boolean,
        "false",
        "managed only: only managed domain lists count",
    ),
    key("network.httpProxyPort", Kind::Port, "none", "a proxy on 127.0.0.1 that carries what was allowed"),
    key(
        "network.socksProxyPort",
        Kind::Port,
        "none",
        "a SOCKS proxy on 127.0.0.1 that carries what was allowed",
    ),
    key(
        "network.allowLocalBinding",
        Kind::Boolean,
        "false",
        "join the loopbacks of inside and host, both ways",
    ),
    key("network.allowUnixSockets", Kind::List, NONE, "Unix sockets that may be connected to"),
    key("network.allowAllUnixSockets", Kind::Boolean, "false", "all Unix sockets may be connected to"),
    key(
        "network.proxyVariables",
        Kind::Word(&["auto", "always", "never"]),
        "auto",
        "whether proxy variables are set",
    ),
    key(
        "network.uncheckedTlsNames",
        Kind::List,
        NONE,
        "allowed hosts to which TLS may name another server, or none",
    ),
    key(
        "network.caCertificates",
        Kind::Text,
        "none",
        "a file of certificates that programs inside trust too",
    ),
    key("allowUnixSockets", Kind::List, NONE, "Unix sockets that may be connected to"),
    key("filesystem", Kind::Section, "", "file settings"),
    key("filesystem.allowWrite", Kind::List, NONE, "paths that may be written"),
    key("filesystem.denyWrite", Kind::List, NONE, "paths that must not be written"),
    key("filesystem.denyRead", Kind::List, NONE, "paths that must not be read"),
    key("filesystem.allowRead", Kind::List, NONE, "paths readable again inside what must not be read"),
    key("filesystem.allowGitConfig", Kind::Boolean, "false", ".git/config of the working root is writable"),
    key(
        "filesystem.allowManagedReadPathsOnly",
        Kind::Boolean,
        "false",
        "managed only: only managed allowRead counts",
    ),
    key("allowUnsandboxedCommands", Kind::Boolean, "true", "dangerouslyDisableSandbox exists"),
    key("excludedCommands", Kind::List, NONE, "commands that run outside, through the permission flow"),
    key(
        "enableWeakerNestedSandbox",
        Kind::Boolean,
        "false",
        "accept a weaker boundary in unprivileged containers",
    ),
    key("failIfUnavailable", Kind::Boolean, "true", "without a backend nothing runs"),
    key("ignoreViolations", Kind::Lists, "{}", "violations that are not reported, by command"),
    key("credentials", Kind::Section, "", "credentials kept from the inside"),
    key("credentials.files", Kind::Credentials("path"), NONE, "files that are unreadable inside"),
    key("credentials.envVars", Kind::Credentials("name"), NONE, "variables that are removed inside"),
    key("audit", Kind::Section, "", "the log of commands and decisions"),
    key("audit.syslog", Kind::Boolean, "false", "managed or user only: to the machine's log daemon too"),
    key("audit.required", Kind::Boolean, "false", "managed or user only: nothing runs that cannot be logged"),
    key("audit.otlp", Kind::Text, "none", "managed or user only: a collector that takes OTLP over HTTP"),
    key(
        "backend",
        Kind::Word(&["auto", "bubblewrap", "namespaces", "landlock", "seatbelt"]),
        "auto",
        "the mechanism that draws the boundary",
    ),
    key("gatekeeper", Kind::Word(&["full", "network"]), "full", "what is watched call by call"),
    key("bwrapPath", Kind::Text, "a system path", "managed only: the bubblewrap binary"),
    key("shell", Kind::Text, "by name, else bash", "the inner shell, an absolute path"),
];

/// Every key of ours beside `sandbox`, but for hooks, whose shape is `hooks`'s.
pub const BESIDE: &[Key] = &[
    key("permissions", Kind::Section, "", "rules on commands, files and domains"),
    key("permissions.deny", Kind::List, NONE, "rules on what is never done, e.g. Bash(git push:*)"),
    key("permissions.ask", Kind::List, NONE, "rules on what is asked about each time"),
    key("permissions.allow", Kind::List, NONE, "rules on what needs no question"),
    key(
        "permissions.defaultMode",
        Kind::Text,
        "none",
        "bypassPermissions (managed or user only): what no rule mentions is not asked about",
    ),
    key(
        "permissions.disableBypassPermissionsMode",
        Kind::Text,
        "none",
        "disable: defaultMode bypassPermissions never counts",
    ),
    key(
        "permissions.additionalDirectories",
        Kind::List,
        NONE,
        "directories that may be written like the working root",
    ),
    key(
        "allowManagedPermissionRulesOnly",
        Kind::Boolean,
        "false",
        "managed only: only managed permission rules count",
    ),
    key("allowManagedHooksOnly", Kind::Boolean, "false", "managed only: only managed hooks run"),
    key("disableAllHooks", Kind::Boolean, "false", "no hooks run but the administrator's"),
];

/// The known key nearest to an unknown one in the same section, if it is near enough to be meant.
pub fn nearest(unknown: &str) -> Option<&'static str> {
    let (section, name) = unknown.rsplit_once('.').unwrap_or(("", unknown));
    let limit = (name.chars().count() / 3).max(1);
    KEYS.iter()
        .map(|k| k.path)
        .filter(|path| path.rsplit_once('.').map_or("", |(s, _)| s) == section)
        .map(|path| (distance(name, path.rsplit('.').next().unwrap_or(path)), path))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, path)| path)
        .or_else(|| elsewhere(name))
}

/// The same name in another section.
fn elsewhere(name: &str) -> Option<&'static str> {
    KEYS.iter().map(|k| k.path).find(|path| path.rsplit('.').next() == Some(name))
}

/// Levenshtein's distance, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(0) + 1;
            let left = next.last().copied().unwrap_or(0) + 1;
            let corner = row.get(j).copied().unwrap_or(0) + usize::from(x != y);
            next.push(above.min(left).min(corner));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_key_is_recognised() {
        assert_eq!(nearest("exludedCommands"), Some("excludedCommands"));
        assert_eq!(nearest("network.allowedDomain"), Some("network.allowedDomains"));
        assert_eq!(nearest("allowWrite"), Some("filesystem.allowWrite"));
        assert_eq!(nearest("colour"), None);
    }

    #[test]
    fn keys_are_named_once() {
        let mut paths: Vec<&str> = KEYS.iter().map(|k| k.path).collect();
        paths.sort_unstable();
        let all = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), all);
    }
}
