//! What is unreadable inside unless settings open it. Pure.
//!
//! Owns the built-in list of secrets. Each literal costs one look at the file system per command, so it is short.

use super::files::{PathGlob, PathPattern, PathRule};
use super::paths::{escaped, normal};
use crate::settings::{Locations, Origin};
use std::path::{Path, PathBuf};

/// Where programs look for their secrets instead, by the variable that says so: a file, or names below a directory. None
/// of them hides a whole directory of the caller's choice.
pub const MOVED: &[(&str, &[&str])] = &[
    ("AWS_SHARED_CREDENTIALS_FILE", &[]),
    (
        "AZURE_CONFIG_DIR",
        &["msal_token_cache.json", "msal_token_cache.bin", "service_principal_entries.json"],
    ),
    ("CARGO_HOME", &["credentials.toml", "credentials"]),
    (
        "CLOUDSDK_CONFIG",
        &["credentials.db", "access_tokens.db", "application_default_credentials.json", "legacy_credentials"],
    ),
    ("DOCKER_CONFIG", &["config.json"]),
    ("GH_CONFIG_DIR", &["hosts.yml"]),
    ("GNUPGHOME", &["private-keys-v1.d"]),
    ("HISTFILE", &[]),
    ("KUBECONFIG", &[]),
    ("NETRC", &[]),
    ("PASSWORD_STORE_DIR", &[]),
    ("PGPASSFILE", &[]),
    (
        "XDG_CONFIG_HOME",
        &["gcloud/credentials.db", "gh/hosts.yml", "git/credentials", "containers/auth.json"],
    ),
];

/// Below the home directory; each with everything in it.
const IN_HOME: &[&str] = &[
    ".gnupg/private-keys-v1.d",
    ".aws/credentials",
    ".aws/sso/cache",
    ".aws/cli/cache",
    ".config/gcloud",
    ".azure",
    ".kube/config",
    ".docker/config.json",
    ".config/containers/auth.json",
    ".config/gh/hosts.yml",
    ".config/glab-cli/config.yml",
    ".netrc",
    ".git-credentials",
    ".config/git/credentials",
    ".pypirc",
    ".cargo/credentials.toml",
    ".cargo/credentials",
    ".gem/credentials",
    ".terraform.d/credentials.tfrc.json",
    ".vault-token",
    ".pgpass",
    ".config/rclone/rclone.conf",
    ".config/sops/age",
    ".password-store",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".gemini/oauth_creds.json",
    ".local/share/opencode/auth.json",
    ".config/github-copilot",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    // Browser profiles.
    ".mozilla/firefox",
    ".config/google-chrome",
    ".config/chromium",
    ".config/BraveSoftware",
    ".config/microsoft-edge",
    ".config/vivaldi",
    ".config/opera",
    "snap/firefox/common/.mozilla",
    "snap/chromium/common/chromium",
    ".var/app/org.mozilla.firefox",
    ".var/app/com.google.Chrome",
    ".var/app/org.chromium.Chromium",
    // Shell histories: people type passwords into them.
    ".bash_history",
    ".zsh_history",
    ".histfile",
    ".zhistory",
    ".sh_history",
    ".psql_history",
    ".mysql_history",
    ".local/share/fish/fish_history",
];

/// The same on macOS.
const IN_HOME_ON_MACOS: &[&str] = &[
    "Library/Keychains",
    // Browser profiles.
    "Library/Application Support/Arc",
    "Library/Application Support/BraveSoftware",
    "Library/Application Support/Chromium",
    "Library/Application Support/Firefox",
    "Library/Application Support/Google/Chrome",
    "Library/Application Support/Microsoft Edge",
    "Library/Application Support/Vivaldi",
    "Library/Application Support/com.operasoftware.Opera",
    "Library/Containers/com.apple.Safari",
    "Library/Cookies",
    "Library/Safari",
    // Shell histories.
    ".bash_sessions",
    ".zsh_sessions",
];

/// What in `~/.ssh` is no private key.
const NO_KEYS: &[&str] = &["known_hosts*", "config", "*.pub", "authorized_keys*", "allowed_signers*"];

const LIST: &str = "secrets";

/// The built-in rules, without what settings open by name. An opening counts here if it is the very path of a secret;
/// one for a directory above does not open the secrets in it, because the deepest rule decides.
pub fn rules(locations: &Locations, opened: &[&PathPattern]) -> Vec<PathRule> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let home = locations.home.as_deref().filter(|home| home.is_absolute());
    if let Some(home) = home {
        let here = IN_HOME_ON_MACOS.iter().filter(|_| cfg!(target_os = "macos"));
        paths.extend(IN_HOME.iter().chain(here).map(|name| normal(&home.join(name))));
    }
    let others = [
        locations.codex_home.as_ref().map(|d| d.join("auth.json")),
        locations.claude_config_dir.as_ref().map(|d| d.join(".credentials.json")),
        locations.state_dir.clone(),
    ];
    let named = locations.secrets.iter().cloned();
    for path in others.into_iter().flatten().chain(named).map(|p| normal(&p)) {
        if path != Path::new("/") && !paths.contains(&path) {
            paths.push(path);
        }
    }
    let is_open = |path: &Path| {
        opened.iter().any(|pattern| matches!(pattern, PathPattern::Literal(literal) if literal == path))
    };
    paths.retain(|path| !is_open(path));
    let mut patterns: Vec<PathPattern> = paths.into_iter().map(PathPattern::Literal).collect();
    patterns.extend(home.and_then(|home| keys(&normal(home).join(".ssh"), opened)));
    patterns.into_iter().map(|pattern| PathRule { pattern, origin: Origin::BuiltIn(LIST) }).collect()
}

/// Everything directly in `~/.ssh` but the names of [`NO_KEYS`] and what is opened there. A home whose name is not
/// text cannot be in a glob: then the whole directory.
fn keys(directory: &Path, opened: &[&PathPattern]) -> Option<PathPattern> {
    let Some(text) = directory.to_str().map(escaped) else {
        return Some(PathPattern::Literal(directory.to_path_buf()));
    };
    let whole = format!("{text}/*");
    let mut except: Vec<String> = NO_KEYS.iter().map(|name| format!("{text}/{name}")).collect();
    for pattern in opened {
        match pattern {
            PathPattern::Literal(path) if path.parent() == Some(directory) => {
                except.extend(path.to_str().map(escaped));
            }
            PathPattern::Glob(glob) if glob.base == directory => except.push(glob.text.clone()),
            PathPattern::Literal(_) | PathPattern::Glob(_) => {}
        }
    }
    if except.contains(&whole) {
        return None;
    }
    Some(PathPattern::Glob(Box::new(PathGlob { text: whole, base: directory.to_path_buf(), except })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Access, FilePolicy};

    fn home(at: &str) -> Locations {
        Locations { home: Some(at.into()), ..Locations::default() }
    }

    fn access(locations: &Locations, opened: &[&PathPattern], path: &str) -> Access {
        let files = FilePolicy { read_denied: rules(locations, opened), ..FilePolicy::default() };
        files.access(Path::new(path))
    }

    #[test]
    fn keys_are_hidden_and_what_is_no_key_is_not() {
        for at in ["/home/u", "/home/[u]", "/home/{a,b}*"] {
            let locations = home(at);
            for (name, wanted) in [
                (".ssh/id_ed25519", Access::None),
                (".ssh/deploy/key", Access::None),
                (".ssh/config.d", Access::None),
                (".ssh/known_hosts", Access::Read),
                (".ssh/known_hosts.old", Access::Read),
                (".ssh/config", Access::Read),
                (".ssh/id_ed25519.pub", Access::Read),
                (".ssh/authorized_keys", Access::Read),
                (".ssh/allowed_signers", Access::Read),
                (".ssh", Access::Read),
                (".netrc", Access::None),
                (".config/gcloud/x/y", Access::None),
                (".config/gh/config.yml", Access::Read),
                (".mozilla/firefox/p/logins.json", Access::None),
                (".zsh_history", Access::None),
            ] {
                assert_eq!(access(&locations, &[], &format!("{at}/{name}")), wanted, "{at} {name}");
            }
        }
    }

    #[test]
    fn the_exact_path_opens_a_secret_and_its_parent_does_not() {
        let locations = home("/h");
        let literal = |path: &str| PathPattern::Literal(path.into());
        assert_eq!(access(&locations, &[&literal("/h/.netrc")], "/h/.netrc"), Access::Read);
        assert_eq!(access(&locations, &[&literal("/h")], "/h/.netrc"), Access::None);
        assert_eq!(access(&locations, &[&literal("/h/.ssh/id_x")], "/h/.ssh/id_x"), Access::Read);
        assert_eq!(access(&locations, &[&literal("/h/.ssh/id_x")], "/h/.ssh/id_y"), Access::None);
        assert_eq!(access(&locations, &[&literal("/h/.ssh")], "/h/.ssh/id_x"), Access::None);
    }

    #[test]
    fn directories_named_by_the_caller_have_their_secrets_hidden_too() {
        let locations = Locations {
            codex_home: Some("/c".into()),
            claude_config_dir: Some("/d".into()),
            state_dir: Some("/s".into()),
            secrets: vec!["/k/config.json".into()],
            ..Locations::default()
        };
        for path in ["/c/auth.json", "/d/.credentials.json", "/s/trust.json", "/k/config.json"] {
            assert_eq!(access(&locations, &[], path), Access::None, "{path}");
        }
        assert!(rules(&Locations { home: Some("/h".into()), ..locations }, &[]).len() <= 66);
    }

    #[cfg(unix)]
    #[test]
    fn a_home_that_is_not_text_hides_the_whole_directory() {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"/h\xff");
        let locations = Locations { home: Some(name.into()), ..Locations::default() };
        let files = FilePolicy { read_denied: rules(&locations, &[]), ..FilePolicy::default() };
        assert_eq!(files.access(&Path::new(name).join(".ssh/id_x")), Access::None);
    }
}
