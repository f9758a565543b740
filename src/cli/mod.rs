//! The command line: what was sbsh asked to do.
//!
//! Owns reading argv (bytes, not UTF-8) into an [`Invocation`], and the one table of verbs and options
//! from which help, man page and completions come. Pure: never touches files, environment, processes or terminals,
//! so whether stdin is a terminal, and which shell the settings choose, is the caller's to add.
#![forbid(unsafe_code)]

pub mod admin;
mod agent;
mod bash;
pub mod completions;
mod dash;
mod fish;
mod import;
pub mod inner;
pub mod own;
mod preset;
pub mod render;
mod review;
pub mod shell;
pub mod table;
mod try_;
mod zsh;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

pub use admin::{AdminCommand, Effect, EntryKind, LogView, Place, TrustAction, Wish};
pub use agent::AgentStart;
pub use import::Import;
pub use inner::InnerShell;
pub use preset::Presets;
pub use review::Review;
pub use shell::{CommandInput, ShellInvocation};
pub use try_::{Afterwards, Try};

/// sbsh's own version, as `--version` prints it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What sbsh was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// To be a shell.
    Shell(ShellInvocation),
    /// One of sbshctl's verbs.
    Admin(AdminCommand),
    /// `sbsh --version`.
    Version,
    /// `sbsh --help`.
    Help,
}

/// sbshctl was called wrongly (status [`crate::exit::USAGE`]). The text is one line without the `sbsh: ` prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl Invocation {
    /// Reads argv. The base name of argv0, after the `-` that means login, chooses the door.
    pub fn from_argv(argv: Vec<OsString>) -> Result<Invocation, UsageError> {
        Invocation::of_file(argv, None)
    }

    /// The same, where `file` was executed: a shell's name that this bears goes before what the caller calls it (`exec -a`), as
    /// the same file would be the same shell by any name.
    pub fn of_file(argv: Vec<OsString>, file: Option<&OsStr>) -> Result<Invocation, UsageError> {
        let mut words = argv.into_iter();
        let argv0 = words.next().unwrap_or_else(|| OsString::from("sbsh"));
        let arguments: Vec<OsString> = words.collect();
        let (login, name) = door(&argv0);
        if name == "sbshctl" {
            return AdminCommand::from_arguments(arguments).map(Invocation::Admin);
        }
        let by_file = file.map_or(InnerShell::BySetting, |file| InnerShell::from_name(door(file).1));
        let inner = if by_file == InnerShell::BySetting { InnerShell::from_name(name) } else { by_file };
        if inner == InnerShell::BySetting {
            match arguments.first() {
                Some(first) if first == own::CTL => {
                    return AdminCommand::from_arguments(arguments.into_iter().skip(1).collect())
                        .map(Invocation::Admin);
                }
                Some(first) if own::VERSION.is(first) => return Ok(Invocation::Version),
                Some(first) if own::HELP.is(first) => return Ok(Invocation::Help),
                _ => {}
            }
        }
        let (report, arguments) = match report_descriptor(inner, &arguments)? {
            Some((number, rest)) => (Some(number), rest.to_vec()),
            None => (None, arguments),
        };
        let input = CommandInput::read(inner, &arguments);
        Ok(Invocation::Shell(ShellInvocation { inner, argv0, login, arguments, input, report }))
    }
}

/// `--report-fd N` in the first place, for the name that is no shell's own, and what follows it.
fn report_descriptor(
    inner: InnerShell,
    arguments: &[OsString],
) -> Result<Option<(i32, &[OsString])>, UsageError> {
    match arguments {
        [word, number, rest @ ..] if inner == InnerShell::BySetting && own::REPORT.is(word) => {
            let wrong = || UsageError("--report-fd takes the number of an open descriptor above 2".into());
            let number = number.to_str().and_then(|text| text.parse::<i32>().ok()).filter(|&n| n > 2);
            Ok(Some((number.ok_or_else(wrong)?, rest)))
        }
        _ => Ok(None),
    }
}

/// Whether argv0 means login, and its base name (`-/usr/bin/bash` → login, `bash`).
fn door(argv0: &OsStr) -> (bool, &OsStr) {
    let bytes = argv0.as_bytes();
    let (login, path) = match bytes.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    (login, OsStr::from_bytes(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_words_are_read_and_another_text_takes_the_place_of_one_word(
            name in prop::sample::select(vec!["sbsh", "-bash", "sh", "zsh", "fish"]),
            words in prop::collection::vec(prop_oneof![
                prop::sample::select(vec!["-c", "-lc", "+c", "--", "-", "-o", "-O", "-ic", "--login", "--rcfile", "x", "-xc", "-s", ""]).prop_map(str::to_owned),
                ".{0,3}",
            ], 0..6),
        ) {
            let argv = std::iter::once(name.to_owned()).chain(words).map(OsString::from).collect();
            if let Ok(Invocation::Shell(shell)) = Invocation::from_argv(argv)
                && let Some(other) = shell.with_text(OsStr::new("another text"))
            {
                let CommandInput::Text { text, .. } = &other.input else { panic!("{other:?}") };
                prop_assert_eq!(text, "another text");
                let changed = shell.arguments.iter().zip(&other.arguments).filter(|(old, new)| old != new).count();
                prop_assert!(changed <= 1 && shell.arguments.len() == other.arguments.len());
            }
        }
    }

    fn invocation(words: &[&str]) -> Result<Invocation, UsageError> {
        Invocation::from_argv(words.iter().map(OsString::from).collect())
    }

    fn shell(words: &[&str]) -> ShellInvocation {
        match invocation(words) {
            Ok(Invocation::Shell(shell)) => shell,
            other => panic!("not a shell: {other:?}"),
        }
    }

    #[test]
    fn the_base_name_chooses_the_door() {
        assert_eq!(shell(&["/opt/sbsh/bin/bash"]).inner, InnerShell::Bash);
        assert_eq!(shell(&["zsh"]).inner, InnerShell::Zsh);
        assert_eq!(shell(&["sh"]).inner, InnerShell::Sh);
        assert_eq!(shell(&["fish"]).inner, InnerShell::Fish);
        assert_eq!(shell(&["bash-5.2"]).inner, InnerShell::BySetting);
        assert_eq!(shell(&["sbsh"]).inner, InnerShell::BySetting);
        assert_eq!(shell(&["anything"]).inner, InnerShell::BySetting);
        assert_eq!(
            invocation(&["/usr/bin/sbshctl", "status"]),
            Ok(Invocation::Admin(AdminCommand::Status { json: false }))
        );
    }

    #[test]
    fn the_file_goes_before_what_it_is_called() {
        let of = |argv0: &str, file: &str| match Invocation::of_file(
            vec![argv0.into(), "-c".into(), "x".into()],
            Some(OsStr::new(file)),
        ) {
            Ok(Invocation::Shell(shell)) => (shell.inner, shell.argv0.into_string().unwrap()),
            other => panic!("not a shell: {other:?}"),
        };
        assert_eq!(of("foo*", "/names/zsh"), (InnerShell::Zsh, "foo*".into()));
        assert_eq!(of("sh", "zsh"), (InnerShell::Zsh, "sh".into()));
        assert_eq!(of("-bash", "/names/sh"), (InnerShell::Sh, "-bash".into()));
        assert_eq!(of("bash", "/usr/bin/sbsh"), (InnerShell::Bash, "bash".into()));
        assert_eq!(of("x", "/usr/bin/sbsh").0, InnerShell::BySetting);
    }

    #[test]
    fn a_leading_dash_means_login() {
        assert!(shell(&["-sbsh"]).login);
        let full = shell(&["-/usr/bin/bash"]);
        assert!(full.login);
        assert_eq!(full.inner, InnerShell::Bash);
        assert_eq!(full.argv0, "-/usr/bin/bash");
        assert!(!shell(&["sbsh", "-l"]).login);
    }

    #[test]
    fn an_empty_argv_is_a_plain_shell() {
        let plain = Invocation::from_argv(Vec::new());
        assert!(matches!(plain, Ok(Invocation::Shell(ShellInvocation { input: CommandInput::Stdin, .. }))));
    }

    #[test]
    fn own_options_belong_to_the_own_name_and_the_first_place() {
        assert_eq!(invocation(&["sbsh", "--version"]), Ok(Invocation::Version));
        assert_eq!(invocation(&["-sbsh", "--help"]), Ok(Invocation::Help));
        assert_eq!(shell(&["bash", "--version"]).arguments, ["--version"]);
        assert_eq!(shell(&["sbsh", "-x", "--version"]).arguments, ["-x", "--version"]);
        assert_eq!(
            invocation(&["sbsh", "ctl", "doctor", "--json"]),
            Ok(Invocation::Admin(AdminCommand::Doctor { json: true, fix: false }))
        );
    }

    #[test]
    fn the_report_goes_to_the_descriptor_that_is_named_first() {
        let shell = shell(&["sbsh", "--report-fd", "3", "-c", "ls"]);
        assert_eq!((shell.report, shell.arguments.len()), (Some(3), 2));
        assert!(invocation(&["sbsh", "--report-fd", "2", "-c", "ls"]).is_err());
        assert!(invocation(&["sbsh", "--report-fd", "x"]).is_err());
        assert_eq!(self::shell(&["bash", "--report-fd", "3"]).report, None);
    }

    #[test]
    fn another_text_takes_the_place_of_the_text_alone() {
        let changed = |words: &[&str]| {
            shell(words).with_text(OsStr::new("new")).map(|shell| (shell.arguments, shell.input))
        };
        let text = |name: Option<&str>| CommandInput::Text {
            text: "new".into(),
            name: name.map(OsString::from),
            interactive: false,
        };
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(changed(&["bash", "-c", "ls"]), Some((words(&["-c", "new"]), text(None))));
        let same = changed(&["bash", "-O", "extglob", "-c", "extglob", "extglob"]);
        assert_eq!(same, Some((words(&["-O", "extglob", "-c", "new", "extglob"]), text(Some("extglob")))));
        assert_eq!(changed(&["bash", "-c", "--", "ls"]), Some((words(&["-c", "--", "new"]), text(None))));
        for other in [&["bash", "x.sh"][..], &["bash"], &["bash", "--version"]] {
            assert_eq!(changed(other), None, "{other:?}");
        }
        assert_eq!(shell(&["bash", "-c", "ls"]).with_text(OsStr::new("-x")).map(|s| s.arguments), None);
    }

    #[test]
    fn a_verb_is_a_script_for_the_shell_door() {
        for verb in ["explain", "status", "doctor", "trust", "approve", "allow", "exclude", "lint", "review"]
        {
            assert_eq!(shell(&["sbsh", verb]).input, CommandInput::Script { path: OsString::from(verb) });
        }
        assert_eq!(shell(&["bash", "ctl"]).input, CommandInput::Script { path: OsString::from("ctl") });
    }

    #[test]
    fn bytes_that_are_not_utf8_go_through_unchanged() {
        let text = OsStr::from_bytes(b"echo \xff\xfe");
        let argv = vec![OsString::from("bash"), OsString::from("-c"), text.to_owned()];
        let Ok(Invocation::Shell(shell)) = Invocation::from_argv(argv) else { panic!("no shell") };
        assert_eq!(shell.arguments[1], text);
        assert!(matches!(shell.input, CommandInput::Text { text: found, .. } if found == text));
    }

    #[test]
    fn options_may_stand_behind_what_is_allowed() {
        let allow = |words: &[&str]| match invocation(&[&["sbshctl", "allow"], words].concat()) {
            Ok(Invocation::Admin(AdminCommand::Change(wish))) => {
                assert_eq!((wish.effect, wish.kind), (Effect::Allow, EntryKind::Domain));
                Some((wish.entry, wish.place))
            }
            _ => None,
        };
        let expected = |place| Some(("x.org:443".to_owned(), place));
        assert_eq!(allow(&["domain", "x.org:443"]), expected(Place::Nearest));
        assert_eq!(allow(&["domain", "x.org:443", "--user"]), expected(Place::User));
        assert_eq!(allow(&["--project", "domain", "x.org:443"]), expected(Place::Project));
        let wrong: [&[&str]; 6] = [
            &[],
            &["domain"],
            &["x.org"],
            &["domain", "a", "b"],
            &["domain", "a", "--user", "--project"],
            &["domain", "a", "--all"],
        ];
        assert!(wrong.into_iter().all(|words| allow(words).is_none()));
        let wish = |words: &[&str]| match invocation(&[&["sbshctl"], words].concat()) {
            Ok(Invocation::Admin(AdminCommand::Change(wish))) => Some(wish),
            _ => None,
        };
        let excluded = wish(&["exclude", "docker:*", "--dry-run", "--force"]).unwrap();
        assert!(excluded.effect == Effect::Exclude && excluded.dry_run && excluded.force && !excluded.remove);
        assert!(wish(&["deny", "read", "~/x", "--remove"]).unwrap().remove);
        let wrong: [&[&str]; 5] = [
            &["deny", "socket", "/x"],
            &["ask", "domain", "x.org"],
            &["exclude", "docker", "ps"],
            &["exclude"],
            &["allow", "exclude", "x"],
        ];
        assert!(wrong.into_iter().all(|words| wish(words).is_none()));
        let explained = invocation(&["sbshctl", "explain", "ls", "--user"]);
        let text = OsString::from("ls --user");
        assert_eq!(explained, Ok(Invocation::Admin(AdminCommand::Explain { json: false, text })));
    }
}
