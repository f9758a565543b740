//! What a hook may execute, and with which environment.
//!
//! Owns keeping from hooks what confined code could have written: they run outside. A file that a hook's text names in
//! literal words is looked at, and so are the variables by which programs find code. What a program of the person's reads
//! or runs by itself (`npm run` in a project, for example) cannot be seen here.

use super::MARK;
use crate::command::{self, Commands, wrappers};
use crate::policy::paths::normal;
use crate::policy::protected::AT_TOP;
use crate::policy::{Access, FilePolicy, HookRule, PathPattern};
use crate::settings::hooks::Runs;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where hooks run, and what they must not find there.
#[derive(Debug, Clone, Copy)]
pub struct Places<'p> {
    /// What confined code may write.
    pub files: &'p FilePolicy,
    /// A project that is not writable this time, because of where PATH leads now.
    pub sometimes: Option<&'p Path>,
    /// The caller's environment.
    pub environment: &'p [(OsString, OsString)],
    /// The working directory.
    pub cwd: &'p Path,
    /// `CLAUDE_PROJECT_DIR`.
    pub project: &'p Path,
    /// `$HOME`.
    pub home: Option<&'p Path>,
    /// The home directory of the account.
    pub account_home: Option<&'p Path>,
}

/// PATH for the administrator's hooks: whoever calls must not choose what they execute.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What else of the caller's the administrator's hooks get.
const HARMLESS: &[&str] = &["LANG", "LANGUAGE", "TERM", "TZ", "USER", "LOGNAME"];
/// Lists of directories with code.
const DIRECTORIES: &[&str] = &[
    "PYTHONPATH",
    "PYTHONHOME",
    "NODE_PATH",
    "PERL5LIB",
    "RUBYLIB",
    "LD_LIBRARY_PATH",
    "LUA_PATH",
    "CLASSPATH",
];
/// Files with code, or options that may name some.
const FILES: &[&str] = &[
    "LD_PRELOAD",
    "LD_AUDIT",
    "BASH_ENV",
    "ENV",
    "PYTHONSTARTUP",
    "NODE_OPTIONS",
    "PERL5OPT",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
];

impl Places<'_> {
    /// The environment of one hook.
    pub fn environment(&self, rule: &HookRule) -> Vec<(OsString, OsString)> {
        let mut all: Vec<(OsString, OsString)> =
            if rule.is_managed() { self.managed() } else { self.callers() };
        let mut set = |name: &str, value: &OsStr| {
            all.retain(|(known, _)| known != name);
            all.push((name.into(), value.into()));
        };
        set("CLAUDE_PROJECT_DIR", self.project.as_os_str());
        set(MARK, OsStr::new("1"));
        if looks_in_directory(rule) {
            // python -c and -m would take modules from the working directory.
            set("PYTHONSAFEPATH", OsStr::new("1"));
        }
        if self.home.is_some_and(|home| !self.is_safe(&home.join(".local/lib"))) {
            // Every python would take what it starts with from there.
            set("PYTHONNOUSERSITE", OsStr::new("1"));
        }
        all
    }

    fn managed(&self) -> Vec<(OsString, OsString)> {
        let kept = |name: &OsStr| {
            name.to_str().is_some_and(|name| HARMLESS.contains(&name) || name.starts_with("LC_"))
        };
        let mut all: Vec<_> = self.environment.iter().filter(|(name, _)| kept(name)).cloned().collect();
        all.push(("PATH".into(), SYSTEM_PATH.into()));
        all.push(("PYTHONNOUSERSITE".into(), "1".into()));
        all.extend(self.account_home.map(|home| ("HOME".into(), home.into())));
        all
    }

    fn callers(&self) -> Vec<(OsString, OsString)> {
        let mut all = Vec::new();
        for (name, value) in self.environment {
            let listed = |names: &[&str]| name.to_str().is_some_and(|name| names.contains(&name));
            if name == "PATH" {
                let kept =
                    std::env::split_paths(value).filter(|p| !p.as_os_str().is_empty() && self.is_safe(p));
                all.push((name.clone(), std::env::join_paths(kept).unwrap_or_else(|_| SYSTEM_PATH.into())));
            } else if listed(DIRECTORIES) && !std::env::split_paths(value).all(|p| self.is_safe(&p))
                || listed(FILES) && !paths_in(value).all(|p| self.is_safe(&p))
            {
                // It would be found by what the hook starts.
            } else {
                all.push((name.clone(), value.clone()));
            }
        }
        all
    }

    /// Absolute, and nothing that confined code could have put there.
    fn is_safe(&self, path: &Path) -> bool {
        path.is_absolute() && !self.is_writable(path, None)
    }

    /// Whether confined code could write the file, or make a directory on the way lead elsewhere. What is protected at
    /// the top of `own`, if that is a writable directory, is not such a place (`.claude/hooks`, for example).
    fn is_writable(&self, path: &Path, own: Option<&Path>) -> bool {
        let plain = normal(path);
        // Behind a link `..` leads elsewhere than by the text.
        let real = std::fs::canonicalize(path).or_else(|_| std::fs::canonicalize(&plain));
        let real = real.unwrap_or_else(|_| plain.clone());
        [plain, real].iter().any(|way| {
            way.ancestors().any(|step| {
                let step = std::fs::canonicalize(step).unwrap_or_else(|_| step.to_path_buf());
                let another_time = self.sometimes.is_some_and(|root| step.starts_with(root));
                another_time
                    || self.files.access(&step) == Access::Write && !self.is_protected(&step, way, own)
            })
        })
    }

    /// Whether every writable directory that a step of the way lies in holds the way by a protected name.
    fn is_protected(&self, step: &Path, way: &Path, own: Option<&Path>) -> bool {
        let mut covering = self.files.writable.iter().filter(|rule| rule.pattern.holds(step));
        covering.all(|rule| match &rule.pattern {
            PathPattern::Literal(root) if Some(root.as_path()) == own => AT_TOP.iter().any(|name| {
                let held = root.join(name);
                step.starts_with(&held) || held.starts_with(step) && way.starts_with(&held)
            }),
            PathPattern::Literal(_) | PathPattern::Glob(_) => false,
        })
    }

    /// The file that a hook would execute, if confined code could have written it.
    pub fn planted(&self, rule: &HookRule) -> Option<PathBuf> {
        let words = words(rule);
        // What is kept for hooks in a project is for those of that project's own settings: with the working directory,
        // which confined code may have made, the caller's project changes.
        let own = rule.origin.path().and_then(|file| file.parent()?.parent());
        words.into_iter().find_map(|(first, word)| {
            let path = self.path(&word, first)?;
            let counts = first || std::fs::metadata(&path).is_ok_and(|m| m.is_file());
            (counts && self.is_writable(&path, own)).then_some(path)
        })
    }

    /// The path that a word means; a command word without a slash is looked for in PATH, where nothing is planted.
    fn path(&self, word: &str, first: bool) -> Option<PathBuf> {
        if word.is_empty() || first && !word.contains('/') {
            return None;
        }
        let below = |base: &Path, rest: &str| base.join(rest.trim_start_matches('/'));
        let path = if let Some(rest) = word.strip_prefix(PROJECT) {
            below(self.project, rest)
        } else if let Some(rest) = word.strip_prefix(HOME) {
            below(self.home?, rest)
        } else {
            self.cwd.join(word)
        };
        Some(path)
    }
}

/// Stand for the variables' values in a hook's text: what they hold could have any character.
const PROJECT: &str = "sbsh:project";
const HOME: &str = "sbsh:home";

/// The literal words of what a hook runs, each with whether it is a command word.
fn words(rule: &HookRule) -> Vec<(bool, String)> {
    let text = match &rule.hook.runs {
        Runs::Foreign(_) => return Vec::new(),
        Runs::Program(words) => {
            return words.iter().enumerate().map(|(at, word)| (at == 0, placed(word))).collect();
        }
        Runs::Text { text, .. } => placed(text),
    };
    let Commands::Known(commands) = command::read(text.as_bytes()) else {
        return text
            .split_whitespace()
            .map(|word| (false, word.trim_matches(['"', '\'', ';']).to_owned()))
            .collect();
    };
    let mut all = Vec::new();
    for command in &commands {
        let literal = command.words.iter().enumerate();
        all.extend(literal.filter_map(|(at, word)| Some((at == 0, word.literal()?.to_owned()))));
        for line in wrappers::layers(command).lines {
            all.extend(line.split(' ').enumerate().map(|(at, word)| (at == 0, word.to_owned())));
        }
    }
    all
}

/// The text with the variables and the tilde that hooks are written with.
fn placed(text: &str) -> String {
    let mut text = text
        .replace("${CLAUDE_PROJECT_DIR}", PROJECT)
        .replace("$CLAUDE_PROJECT_DIR", PROJECT)
        .replace("${HOME}", HOME)
        .replace("$HOME", HOME);
    if text.starts_with("~/") {
        text.replace_range(..1, HOME);
    }
    text.replace(" ~/", &format!(" {HOME}/"))
}

/// Whether an interpreter in it would look for code in the working directory though no file of it is named.
fn looks_in_directory(rule: &HookRule) -> bool {
    let python = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        name.starts_with("python") && words.any(|word| word.starts_with("-c") || word.starts_with("-m"))
    };
    match &rule.hook.runs {
        Runs::Program(words) => python(&words.join(" ")),
        Runs::Text { text, .. } => match command::read(text.as_bytes()) {
            Commands::Known(commands) => {
                commands.iter().flat_map(|command| wrappers::layers(command).lines).any(|line| python(&line))
            }
            Commands::Unknown(_) => true,
        },
        Runs::Foreign(_) => false,
    }
}

/// What could be a path in a variable with options.
fn paths_in(value: &OsStr) -> impl Iterator<Item = PathBuf> {
    let pieces = value.as_bytes().split(|byte| matches!(byte, b' ' | b':' | b'=' | b','));
    pieces.filter(|piece| piece.contains(&b'/')).map(|piece| PathBuf::from(OsStr::from_bytes(piece)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::rule;
    use super::*;
    use crate::policy::PathRule;
    use crate::settings::{Origin, Scope, Source};
    use std::fs;
    use std::sync::Arc;

    struct World {
        _top: tempfile::TempDir,
        files: FilePolicy,
        project: PathBuf,
        home: PathBuf,
    }

    fn world() -> World {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        let (project, home) = (top.join("a b"), top.join("home"));
        for file in
            ["a b/.claude/hooks/guard.py", "a b/tools/guard.py", "a b/guard.py", "home/.claude/hooks/x.sh"]
        {
            fs::create_dir_all(top.join(file).parent().unwrap()).unwrap();
            fs::write(top.join(file), "").unwrap();
        }
        let writable =
            PathRule { pattern: PathPattern::Literal(project.clone()), origin: Origin::BuiltIn("test") };
        let files = FilePolicy { writable: vec![writable], ..FilePolicy::default() };
        World { _top: directory, files, project, home }
    }

    impl World {
        fn places<'w>(&'w self, environment: &'w [(OsString, OsString)]) -> Places<'w> {
            Places {
                files: &self.files,
                sometimes: None,
                environment,
                cwd: &self.project,
                project: &self.project,
                home: Some(&self.home),
                account_home: None,
            }
        }

        /// By a hook of the user's, and by one of the project's.
        fn planted(&self, text: &str) -> [bool; 2] {
            ["home", "a b"].map(|at| {
                let path = self.home.parent().unwrap().join(at).join(".claude/settings.json");
                let source = Source { path, scope: Scope::Project, text: String::new() };
                let origin = Origin::File { source: Arc::new(source), offset: 0 };
                self.places(&[]).planted(&HookRule { origin, ..rule(text) }).is_some()
            })
        }
    }

    #[test]
    fn a_file_that_confined_code_can_write_is_found_in_every_usual_spelling() {
        let world = world();
        for text in [
            "python3 \"$CLAUDE_PROJECT_DIR\"/tools/guard.py",
            "python3 \"${CLAUDE_PROJECT_DIR}/tools/guard.py\" --strict",
            "\"$CLAUDE_PROJECT_DIR/tools/guard.py\"",
            "./tools/guard.py",
            "./not/there",
            "python3 tools/guard.py",
            "python3 guard.py",
            "env X=1 timeout 5 python3 ./tools/../guard.py",
            "sh -c './tools/guard.py'",
            "true && tools/guard.py || exit 2",
            "$HOME/../a\\ b/guard.py",
        ] {
            assert_eq!(world.planted(text), [true, true], "{text}");
        }
        std::os::unix::fs::symlink(world.project.join("tools"), world.home.join("link")).unwrap();
        assert_eq!(world.planted("~/link/../guard.py"), [true, true], "`..` is where the link leads");
        let file = world.project.join("tools/guard.py");
        let mut places = world.places(&[]);
        let none = FilePolicy::default();
        places.files = &none;
        assert!(places.is_safe(&file));
        places.sometimes = Some(&world.project);
        assert!(!places.is_safe(&file));
    }

    #[test]
    fn what_is_protected_or_elsewhere_may_run() {
        let world = world();
        for text in ["python3 \"$CLAUDE_PROJECT_DIR\"/.claude/hooks/guard.py", ".claude/hooks/guard.py"] {
            assert_eq!(world.planted(text), [true, false], "{text}");
        }
        for text in [
            "~/.claude/hooks/x.sh",
            "\"$HOME\"/.claude/hooks/x.sh",
            "jq -r .tool_input.command >> .claude/log",
            "/bin/true",
            "make",
        ] {
            assert_eq!(world.planted(text), [false, false], "{text}");
        }
        fs::remove_file(world.project.join(".claude/hooks/guard.py")).unwrap();
        std::os::unix::fs::symlink("../../guard.py", world.project.join(".claude/hooks/guard.py")).unwrap();
        assert_eq!(world.planted(".claude/hooks/guard.py"), [true, true], "it leads to what can be written");
    }

    #[test]
    fn a_second_writable_directory_around_it_takes_the_protection_away() {
        let mut world = world();
        let above = world.project.parent().unwrap().to_path_buf();
        world
            .files
            .writable
            .push(PathRule { pattern: PathPattern::Literal(above), origin: Origin::BuiltIn("test") });
        assert_eq!(world.planted(".claude/hooks/guard.py"), [true, true]);
    }

    #[test]
    fn variables_that_lead_to_what_confined_code_can_write_are_left_out() {
        let world = world();
        let inside = world.project.join("bin");
        let variable = |name: &str, value: String| (OsString::from(name), OsString::from(value));
        let environment = [
            variable("PATH", format!("{}::rel:/usr/bin", inside.display())),
            variable("PYTHONPATH", "src".into()),
            variable("NODE_PATH", "/usr/lib/node".into()),
            variable("BASH_ENV", format!("{}/x", world.project.display())),
            variable("NODE_OPTIONS", "--require=./x.js".into()),
            variable("RUBYOPT", "-W0".into()),
            variable("OTHER", inside.display().to_string()),
        ];
        let places = world.places(&environment);
        let mut names: Vec<(String, String)> = places
            .environment(&rule("python3 -c 'import json'"))
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
            .collect();
        names.sort();
        let project = world.project.display().to_string();
        let expected = [
            ("CLAUDE_PROJECT_DIR", project.as_str()),
            ("NODE_PATH", "/usr/lib/node"),
            ("OTHER", inside.to_str().unwrap()),
            ("PATH", "/usr/bin"),
            ("PYTHONSAFEPATH", "1"),
            ("RUBYOPT", "-W0"),
            ("SBSH_HOOK", "1"),
        ];
        assert_eq!(names, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let names = |places: &Places<'_>| places.environment(&rule("python3 x.py")).len();
        assert_eq!(names(&places), expected.len() - 1);
        let at_home = Places { home: Some(&world.project), ..places };
        assert_eq!(names(&at_home), expected.len());
    }
}
