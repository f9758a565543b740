//! Which git configurations name a program or another file. Owns that list and a scanner that errs on the side of
//! finding: it must see every key that git would, and may see one that git would not.

/// Keys (lower case; `*` stands for any subsection) whose value is run, read as a path, or sends data elsewhere.
const DANGEROUS: &[&str] = &[
    "core.fsmonitor",
    "core.hookspath",
    "core.sshcommand",
    "core.pager",
    "core.editor",
    "core.gitproxy",
    "core.askpass",
    "core.worktree",
    "core.attributesfile",
    "core.excludesfile",
    "core.alternaterefscommand",
    "sequence.editor",
    "gpg.program",
    "gpg.*.program",
    "gpg.ssh.defaultkeycommand",
    "credential.helper",
    "credential.*.helper",
    "diff.external",
    "diff.*.command",
    "diff.*.textconv",
    "merge.*.driver",
    "filter.*.clean",
    "filter.*.smudge",
    "filter.*.process",
    "alias.*",
    "pager.*",
    "include.path",
    "includeif.*.path",
    "url.*.insteadof",
    "url.*.pushinsteadof",
    "protocol.*",
    "protocol.*.allow",
    "uploadpack.packobjectshook",
    "remote.*.uploadpack",
    "remote.*.receivepack",
    "remote.*.vcs",
    "submodule.*.update",
    "mergetool.*.cmd",
    "mergetool.*.path",
    "difftool.*.cmd",
    "difftool.*.path",
    "man.*.cmd",
    "man.*.path",
    "browser.*.cmd",
    "browser.*.path",
    "interactive.difffilter",
    "sendemail.*",
    "trailer.*.command",
    "trailer.*.cmd",
    "http.proxy",
    "http.*.proxy",
    "http.sslverify",
    "remote.*.proxy",
    "safe.directory",
    "extensions.worktreeconfig",
    "instaweb.httpd",
    "web.browser",
    "init.templatedir",
    "commit.template",
    "user.signingkey",
    "tar.*.command",
    "receive.procreceiverefs",
    "hook.*.command",
    "lfs.customtransfer.*.path",
    "lfs.extension.*.clean",
    "lfs.extension.*.smudge",
    "guitool.*.cmd",
    "imap.tunnel",
    "sendpack.sideband",
    "ssh.variant",
    "gc.recentobjectshook",
    "gc.repackfilterto",
    "http.cookiefile",
    "http.*.cookiefile",
    "http.savecookies",
    "http.*.savecookies",
    "http.*.sslverify",
    "http.sslcainfo",
    "http.sslcapath",
    "http.*.sslcainfo",
    "http.*.sslcapath",
    "http.sslcert",
    "http.*.sslcert",
    "http.sslkey",
    "http.*.sslkey",
    "http.proxysslcainfo",
    "http.proxysslcert",
    "http.proxysslkey",
    "http.*.proxysslcainfo",
    "http.*.proxysslcert",
    "http.*.proxysslkey",
    "http.curloptresolve",
    "http.*.curloptresolve",
    "http.delegation",
    "http.*.delegation",
    "credential.protectprotocol",
    "credential.*.protectprotocol",
    // A line of its format may be `exec`, and git rebase does what its list says.
    "rebase.instructionformat",
    // The name of a script that is read, from wherever it leads.
    "merge.tool",
    "merge.guitool",
    "diff.tool",
    "diff.guitool",
    "mergetool.*.layout",
    "format.outputdirectory",
    "format.signaturefile",
    "fsmonitor.socketdir",
    "gitcvs.*",
    "gpg.ssh.allowedsignersfile",
    "gpg.ssh.revocationfile",
    "help.browser",
    "help.htmlpath",
    "instaweb.browser",
    "instaweb.modulepath",
    // Of programs beside git.
    "svn.authorsprog",
    "svn.authorsfile",
    "gitflow.path.hooks",
    "annex.*-command",
    "annex.*-hook",
    "annex.*-options",
    "remote.*-command",
    "remote.*-hook",
    "remote.*-options",
    "remote.*-transport",
    "delta.pager",
    "tig.*",
];

/// Keys of these that do nothing by a plain name: git knows the tools that have one.
const TOOLS: &[&str] = &["merge.tool", "merge.guitool", "diff.tool", "diff.guitool"];

/// The first dangerous key, as `section.name`, or a word for what cannot be understood.
pub fn dangerous_key(text: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(text) else { return Some("something that is not text".into()) };
    let mut section = String::new();
    // git passes over a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut continued = false;
    // A backslash at the end of a line continues a value; a line that looks like a key is judged all the same, and one
    // that looks like a section would hide which section the next key is in.
    for line in text.lines() {
        let mut rest = line.trim();
        if continued && rest.starts_with('[') {
            return Some(rest.into());
        }
        continued = line.trim_end_matches('\r').ends_with('\\');
        while let Some(inner) = rest.strip_prefix('[') {
            let Some(end) = closing_bracket(inner) else { return Some(rest.into()) };
            section = normal_section(inner.get(..end).unwrap_or(""));
            rest = inner.get(end + 1..).unwrap_or("").trim_start();
        }
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect::<String>()
            .to_lowercase();
        if name.is_empty() || rest.starts_with(['#', ';']) {
            continue;
        }
        let key = format!("{section}.{name}");
        let harmless_value = key == "core.fsmonitor" && is_boolean(rest)
            || TOOLS.contains(&key.as_str()) && !rest.contains(['/', '\\']);
        if !harmless_value && DANGEROUS.iter().any(|pattern| matches(pattern, &key)) {
            return Some(key);
        }
    }
    None
}

fn is_boolean(line: &str) -> bool {
    let value = line.split_once('=').map_or("true", |(_, v)| v.trim());
    matches!(value.to_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "1" | "0")
}

fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// `Section "Sub"` and the old `section.sub` become `section.sub`; only the first part is case-insensitive.
fn normal_section(text: &str) -> String {
    match text.split_once('"') {
        Some((name, sub)) => {
            let mut section = name.trim().to_lowercase() + ".";
            let mut characters = sub.chars();
            while let Some(character) = characters.next().filter(|c| *c != '"') {
                // A backslash stands for nothing, whatever follows it.
                section.extend(if character == '\\' { characters.next() } else { Some(character) });
            }
            section
        }
        None => text.trim().to_lowercase(),
    }
}

/// A pattern's `*` stands for any subsection, dots included; a key without one has one dot.
fn matches(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((before, after)) => {
            key.len() >= before.len() + after.len() && key.starts_with(before) && key.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_init_and_clone_write_is_harmless() {
        let text = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
            [remote \"origin\"]\n\turl = https://example.com/x.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
            [branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n\
            [user]\n\tname = A\n\temail = a@example.com\n";
        assert_eq!(dangerous_key(text), None);
    }

    #[test]
    fn keys_that_name_programs_are_found_however_they_are_written() {
        for (text, key) in [
            ("[core]\nfsmonitor = ./evil\n", "core.fsmonitor"),
            ("[CORE] hooksPath=x", "core.hookspath"),
            ("[core]\n\tsshCommand", "core.sshcommand"),
            ("[filter \"a.b]c\"]\n clean = x", "filter.a.b]c.clean"),
            ("[diff.x]\ncommand = y", "diff.x.command"),
            ("[alias]\n st = !sh", "alias.st"),
            ("[include]\npath = ../other", "include.path"),
            ("[user]\nname = a \\\n[alias] x = !y", "[alias] x = !y"),
            ("\u{feff}[core]\nfsmonitor = ./evil", "core.fsmonitor"),
            ("[core]\nx = a\\\n[foo]\nfsmonitor = ./evil", "[foo]"),
            ("[core][alias]x=!y", "alias.x"),
            ("[url \"ssh://x/\"]\ninsteadOf = https://", "url.ssh://x/.insteadof"),
            ("[core", "[core"),
            ("[gpg \"s\\sh\"]\ndefaultKeyCommand = x", "gpg.ssh.defaultkeycommand"),
            ("[filter \"a\\\"b\"]\nclean = x", "filter.a\"b.clean"),
            ("[gc]\n\trecentObjectsHook = x", "gc.recentobjectshook"),
            ("[http]\n\tcookieFile = x", "http.cookiefile"),
            ("[http \"https://a.b/\"]\n\tsaveCookies = true", "http.https://a.b/.savecookies"),
            ("[rebase]\n\tinstructionFormat = %s%nexec x", "rebase.instructionformat"),
            ("[merge]\n\ttool = ../../x", "merge.tool"),
            ("[remote \"x\"]\nannex-cost-command = y", "remote.x.annex-cost-command"),
        ] {
            assert_eq!(dangerous_key(text.as_bytes()).as_deref(), Some(key), "{text}");
        }
        assert_eq!(dangerous_key(b"[core]\n\xff"), Some("something that is not text".into()));
    }

    #[test]
    fn comments_and_booleans_are_not_keys_that_run() {
        assert_eq!(dangerous_key(b"[core]\n# pager = x\n;editor = y\nfsmonitor = true\n"), None);
        assert_eq!(dangerous_key(b"[merge]\n\ttool = vimdiff\n[user]\n\tname = x\n"), None);
    }
}
