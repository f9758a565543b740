//! What the package managers of a language need, as data: the hosts of its registries and its caches. Pure.
//!
//! Owns what each preset holds and why. Must hold nothing that lets a command out or a secret in: no directory with
//! programs on PATH, no configuration that a program reads at its start, no credential, no host at which anybody keeps data.
//!
//! A cache of a person's own is used outside as well. So only what the managers must write is here, never the directories
//! around it: `~/.npm/_npx`, `~/.m2/wrapper` and `~/.gradle/wrapper` hold programs that are started from there as they
//! lie, `~/.cargo` has `bin`, `~/.gradle` has `init.d`, and the caches of uv and poetry hold environments.

use crate::settings::Locations;
use std::path::{Path, PathBuf};

/// What one language's package managers need.
#[derive(Debug)]
pub struct Preset {
    /// Its word on the command line.
    pub name: &'static str,
    /// For whom it is.
    pub about: &'static str,
    /// What it allows.
    pub grants: &'static [Grant],
}

/// One thing that a preset allows.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// What.
    pub what: What,
    /// Why the package managers need it.
    pub why: &'static str,
}

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Connections to a host.
    Domain(&'static str),
    /// Writing below a directory.
    Write(Cache),
    /// Writing below the user's own directory among everybody's: this text, and the user's number behind it.
    Numbered(&'static str),
}

/// Where a package manager keeps what it fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// Below the home directory, where nothing says otherwise.
    pub usual: &'static str,
    /// Variables that put it elsewhere, and where below what they name; the first that is set counts.
    pub moved: &'static [(&'static str, &'static str)],
}

const fn domain(host: &'static str, why: &'static str) -> Grant {
    Grant { what: What::Domain(host), why }
}

const fn write(
    usual: &'static str,
    moved: &'static [(&'static str, &'static str)],
    why: &'static str,
) -> Grant {
    Grant { what: What::Write(Cache { usual, moved }), why }
}

/// Where a manager keeps programs that are started as they lie: no preset opens it, and a variable puts it elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// The program that wants it.
    program: &'static str,
    /// Below the home directory.
    usual: &'static str,
    /// What puts it elsewhere for one command.
    pub variable: &'static str,
}

const fn held(program: &'static str, usual: &'static str, variable: &'static str) -> Held {
    Held { program, usual, variable }
}

/// What stands beside the caches, and what opens nothing.
const HELD: &[Held] = &[
    held("npx", ".npm/_npx", "npm_config_cache"),
    held("uv", ".cache/uv", "UV_CACHE_DIR"),
    held("uv", ".local/share/uv/python", "UV_PYTHON_INSTALL_DIR"),
    held("uv", ".local/share/uv/tools", "UV_TOOL_DIR"),
    held("poetry", ".cache/pypoetry/virtualenvs", "POETRY_VIRTUALENVS_PATH"),
    held("playwright", ".cache/ms-playwright", "PLAYWRIGHT_BROWSERS_PATH"),
    held("gradle", ".gradle/wrapper", "GRADLE_USER_HOME"),
    held("mvnw", ".m2/wrapper", "MAVEN_USER_HOME"),
    held("bundle", ".bundle", "BUNDLE_USER_HOME"),
];

/// What a path belongs to that no preset opens; a directory on the way to it too, if this program goes there.
pub fn held_at(path: &Path, home: &Path, program: &str) -> Option<&'static Held> {
    let below = path.strip_prefix(home).ok()?;
    HELD.iter().find(|held| {
        below.starts_with(held.usual)
            || held.program == program && SHARED.iter().any(|shared| below == Path::new(shared))
    })
}

/// All of them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "node",
        about: "npm, pnpm and yarn",
        grants: &[
            domain("registry.npmjs.org", "packages and what is known of them, for npm and pnpm"),
            domain("registry.yarnpkg.com", "the same, by the name that yarn 1 asks for"),
            write(".npm/_cacache", &[("npm_config_cache", "_cacache")], "what npm fetched"),
            write(".npm/_logs", &[("npm_config_cache", "_logs")], "npm's log of each run"),
            write(".cache/yarn", &[("YARN_CACHE_FOLDER", "")], "what yarn 1 fetched"),
            write(".yarn/berry/cache", &[("YARN_GLOBAL_FOLDER", "cache")], "what yarn 2 and newer fetched"),
            write(
                ".yarn/berry/metadata",
                &[("YARN_GLOBAL_FOLDER", "metadata")],
                "what yarn knows of packages",
            ),
            write(
                ".yarn/berry/index",
                &[("YARN_GLOBAL_FOLDER", "index")],
                "the files that yarn links into projects",
            ),
            write(
                ".local/share/pnpm/store",
                &[("PNPM_HOME", "store"), ("XDG_DATA_HOME", "pnpm/store")],
                "what pnpm fetched",
            ),
            Grant {
                what: What::Numbered("/tmp/pnpm-store-operation-locks-"),
                why: "pnpm's locks; it does not install without",
            },
        ],
    },
    Preset {
        name: "python",
        about: "pip and poetry",
        grants: &[
            domain("pypi.org", "the index of packages"),
            domain("files.pythonhosted.org", "the packages themselves"),
            write(
                ".cache/pip",
                &[("PIP_CACHE_DIR", ""), ("XDG_CACHE_HOME", "pip")],
                "what pip fetched and built",
            ),
            write(
                ".cache/pypoetry/cache",
                &[("POETRY_CACHE_DIR", "cache"), ("XDG_CACHE_HOME", "pypoetry/cache")],
                "what poetry knows of packages; it does not install without",
            ),
            write(
                ".cache/pypoetry/artifacts",
                &[("POETRY_CACHE_DIR", "artifacts"), ("XDG_CACHE_HOME", "pypoetry/artifacts")],
                "what poetry fetched",
            ),
        ],
    },
    Preset {
        name: "rust",
        about: "cargo",
        grants: &[
            domain("index.crates.io", "the index of crates"),
            domain("static.crates.io", "the crates themselves"),
            write(
                ".cargo/registry",
                &[("CARGO_HOME", "registry")],
                "the index and the crates that cargo fetched",
            ),
        ],
    },
    Preset {
        name: "go",
        about: "go",
        grants: &[
            domain("proxy.golang.org", "modules"),
            domain("sum.golang.org", "the checksums that modules are held against"),
            write("go/pkg/mod", &[("GOMODCACHE", ""), ("GOPATH", "pkg/mod")], "the modules that go fetched"),
            write("go/pkg/sumdb", &[("GOPATH", "pkg/sumdb")], "what go knows of the checksums"),
            write(
                ".cache/go-build",
                &[("GOCACHE", ""), ("XDG_CACHE_HOME", "go-build")],
                "what go compiled; it does not start without",
            ),
        ],
    },
    Preset {
        name: "java",
        about: "Maven and Gradle",
        grants: &[
            domain("repo.maven.apache.org", "Maven Central"),
            domain("repo1.maven.org", "Maven Central by its other name"),
            domain("plugins.gradle.org", "Gradle's plugins"),
            domain("plugins-artifacts.gradle.org", "where plugins.gradle.org sends for them"),
            write(".m2/repository", &[], "the artifacts that Maven fetched"),
            write(".gradle/caches", &[("GRADLE_USER_HOME", "caches")], "the artifacts that Gradle fetched"),
            write(
                ".gradle/daemon",
                &[("GRADLE_USER_HOME", "daemon")],
                "Gradle's list and logs of its daemons",
            ),
            write(
                ".gradle/native",
                &[("GRADLE_USER_HOME", "native")],
                "Gradle's own libraries, unpacked at its start",
            ),
            write(".gradle/.tmp", &[("GRADLE_USER_HOME", ".tmp")], "what Gradle writes before it is whole"),
        ],
    },
];

/// The preset of this name.
pub fn named(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Cache {
    /// As an entry of settings, by what the variables say: absolute where one of them names an absolute path that settings
    /// can hold, else below the home directory.
    pub fn entry(&self, variable: impl Fn(&str) -> Option<String>) -> String {
        // A pattern would be another path than the one that is named.
        let plain = |path: &String| {
            path.starts_with('/') && !path.chars().any(|c| c.is_control() || "*?[]{}\\".contains(c))
        };
        let named = |(name, below): &(&str, &str)| {
            let directory = variable(name).filter(plain)?;
            let whole = format!("{}/{below}", directory.trim_end_matches('/'));
            Some(if whole == "/" { whole } else { whole.trim_end_matches('/').to_owned() })
        };
        self.moved.iter().find_map(named).unwrap_or_else(|| format!("~/{}", self.usual))
    }
}

/// Directories of a home that are not one program's.
const SHARED: &[&str] = &["", ".cache", ".local", ".local/share"];

/// The preset with the cache that a path belongs to, and that cache; a directory on the way to it, too.
pub fn near(path: &Path, home: &Path) -> Option<(&'static Preset, Cache)> {
    let below = path.strip_prefix(home).ok()?;
    if SHARED.iter().any(|shared| below == Path::new(shared)) {
        return None;
    }
    let fits = |grant: &Grant| match grant.what {
        What::Write(cache) => {
            let usual = Path::new(cache.usual);
            (below.starts_with(usual) || usual.starts_with(below)).then_some(cache)
        }
        What::Domain(_) | What::Numbered(_) => None,
    };
    PRESETS.iter().find_map(|preset| Some((preset, preset.grants.iter().find_map(fits)?)))
}

/// The preset with the user's own directory in which a path lies.
pub fn of_numbered(path: &Path) -> Option<&'static Preset> {
    let is = |grant: &Grant| matches!(grant.what, What::Numbered(text) if is_numbered(path, text));
    PRESETS.iter().find(|preset| preset.grants.iter().any(is))
}

fn is_numbered(path: &Path, text: &str) -> bool {
    let rest = path.to_str().and_then(|path| path.strip_prefix(text));
    let number = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The preset that allows to connect to this host.
pub fn of_host(host: &str) -> Option<&'static Preset> {
    let is = |grant: &Grant| matches!(grant.what, What::Domain(name) if name.eq_ignore_ascii_case(host));
    PRESETS.iter().find(|preset| preset.grants.iter().any(is))
}

/// Whether a path is a cache of a preset: that may be yet to come.
pub fn is_cache(path: &Path, locations: &Locations) -> bool {
    let Some(home) = &locations.home else { return false };
    let is = |grant: &Grant| matches!(grant.what, What::Write(cache) if path == PathBuf::from(home).join(cache.usual));
    of_numbered(path).is_some() || PRESETS.iter().any(|preset| preset.grants.iter().any(is))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn entries(preset: &Preset, variables: &[(&str, &str)]) -> Vec<String> {
        let get =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let text = |grant: &Grant| match grant.what {
            What::Domain(host) => host.to_owned(),
            What::Write(cache) => cache.entry(get),
            What::Numbered(text) => format!("{text}7"),
        };
        preset.grants.iter().map(text).collect()
    }

    #[test]
    fn caches_are_where_variables_put_them() {
        let go = named("go").unwrap();
        assert_eq!(entries(go, &[])[2..], ["~/go/pkg/mod", "~/go/pkg/sumdb", "~/.cache/go-build"]);
        assert_eq!(
            entries(go, &[("GOPATH", "/data/go/"), ("GOCACHE", "/data/build"), ("XDG_CACHE_HOME", "/x")])
                [2..],
            ["/data/go/pkg/mod", "/data/go/pkg/sumdb", "/data/build"]
        );
        assert_eq!(entries(go, &[("GOMODCACHE", "/m"), ("GOPATH", "/p")])[2], "/m");
        assert_eq!(entries(go, &[("GOMODCACHE", "/")])[2], "/", "for others to refuse");
        // Nothing relative, no list, and nothing that would be a pattern.
        for odd in ["", "go", "~/go", "/a*b", "/a\nb", "/a\\b"] {
            assert_eq!(entries(go, &[("GOPATH", odd)])[2], "~/go/pkg/mod", "{odd}");
        }
    }

    #[test]
    fn each_says_why_and_nothing_stands_twice() {
        let mut seen = HashSet::new();
        for preset in PRESETS {
            for (grant, entry) in preset.grants.iter().zip(entries(preset, &[])) {
                assert!(!grant.why.is_empty() && seen.insert(entry.clone()), "{entry}");
            }
        }
        assert!(named("node").is_some() && named("Node").is_none() && named("").is_none());
    }

    #[test]
    fn what_is_started_or_read_as_it_lies_is_in_none() {
        let opens = |path: &str| {
            let below = |grant: &Grant| matches!(grant.what, What::Write(cache) if Path::new(path).starts_with(cache.usual));
            PRESETS.iter().any(|preset| preset.grants.iter().any(below))
        };
        for path in [
            ".cargo",
            ".cargo/bin/x",
            ".cargo/config.toml",
            ".cargo/credentials.toml",
            ".local/bin/x",
            ".npmrc",
            ".npm",
            ".npm/_npx/1/x",
            ".m2/settings.xml",
            ".m2/wrapper/x",
            ".gradle",
            ".gradle/init.d/x",
            ".gradle/gradle.properties",
            ".gradle/wrapper/dists/x",
            "go/bin/x",
            ".cache",
            ".cache/uv/x",
            ".cache/pypoetry/virtualenvs/x",
            ".local/lib/python3/x",
            ".local/share/pnpm/npm",
            ".yarn/bin/x",
            ".yarnrc.yml",
        ] {
            assert!(!opens(path), "{path}");
        }
        assert!(opens(".npm/_cacache/tmp/1"));
        let home = Path::new("/home/u");
        let name = |path: &str| near(Path::new(path), home).map(|(preset, cache)| (preset.name, cache.usual));
        assert_eq!(name("/home/u/.npm/_cacache/tmp/1"), Some(("node", ".npm/_cacache")));
        assert_eq!(name("/home/u/.yarn"), Some(("node", ".yarn/berry/cache")));
        assert_eq!(name("/home/u/.cargo"), Some(("rust", ".cargo/registry")));
        for path in ["/home/u", "/home/u/.cache", "/home/u/.cargo/bin", "/home/v/.npm", "/home"] {
            assert_eq!(name(path), None, "{path}");
        }
        let variable =
            |path: &str, program: &str| held_at(Path::new(path), home, program).map(|held| held.variable);
        assert_eq!(variable("/home/u/.cache/uv/x", "python"), Some("UV_CACHE_DIR"));
        assert_eq!(variable("/home/u/.cache", "uv"), Some("UV_CACHE_DIR"));
        assert_eq!(variable("/home/u/.cache", "x"), None);
        assert_eq!(variable("/home/v/.cache/uv", "uv"), None);
        assert!(HELD.iter().all(|held| !opens(held.usual)));
        let locks = |path: &str| of_numbered(Path::new(path)).map(|preset| preset.name);
        assert_eq!(locks("/tmp/pnpm-store-operation-locks-60609/all"), Some("node"));
        for path in ["/tmp", "/tmp/pnpm-store-operation-locks-", "/tmp/pnpm-store-operation-locks-x/1"] {
            assert_eq!(locks(path), None, "{path}");
        }
        assert_eq!(of_host("PyPI.org").unwrap().name, "python");
        assert!(of_host("crates.io").is_none(), "there a crate is published");
    }
}
