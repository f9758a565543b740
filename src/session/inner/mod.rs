//! The shell inside: what is said to it and what it says, and the scripts that make it listen. Pure but for the texts.
//!
//! The front end starts it on a pty of its own with [`arguments`], hands it three descriptors (requests, answers, and a
//! memory file with [`bootstrap`]'s text; bash three more, see [`Start::boot`]), turns the pty's ECHO off and types [`first_line`]. From then on:
//!
//! ```text
//! shell:     marker on the terminal, Ready on the channel          at each prompt
//! front end: ECHO off; takes what was typed ahead                  nothing may be left in the terminal
//! front end: Complete, Known …                                     each is answered
//! front end: Line (or Status) on the channel, nudge typed          ECHO is still off
//! shell:     Go on the channel, and waits                          everything is as the person left it
//! front end: ECHO on, Go on the channel                            the line runs
//! ```
//!
//! Whatever is on the terminal before the first marker is the shell's own first prompt and is to be dropped; what comes
//! between the nudge and Go (PS0, a job that has just ended) is to be shown. Keys that no program has read stay in the
//! terminal's input, in front of the nudge: they are read from the pty's other end (without ICANON) at Ready, or the
//! shell would run them. Ready may come unasked, and in place of an answer: Ctrl-C or a signal ended what was under way.
//! The answers end when the shell ends or is replaced by `exec`, as its programs do not inherit the channel.
//!
//! Where it is not as at the shell's own prompt: bash's trace (`set -x`) has one sign more in front; `trap -p DEBUG` shows
//! the `case` that hides our commands; with `set -v` `$_` is lost; a job that ends at the prompt is told after Enter. zsh
//! counts jobs from 2, shows no newline at Ctrl-C, expands no history, and completes commands and files alone, since
//! compsys needs its line editor.

pub mod message;
pub mod place;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// The shells that can be led from outside. All others get a plain terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// bash 4.4 or later.
    Bash,
    /// zsh.
    Zsh,
}

impl Shell {
    /// By the shell's base name: `bash` or `zsh`.
    pub fn from_name(name: &str) -> Option<Shell> {
        match name {
            "bash" => Some(Shell::Bash),
            "zsh" => Some(Shell::Zsh),
            _ => None,
        }
    }
}

/// The start-up files that the shell reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// None of a login shell's (`--noprofile`).
    pub no_profile: bool,
    /// None of an interactive shell's (`--norc`).
    pub no_rc: bool,
    /// Instead of `~/.bashrc` (`--rcfile`, `--init-file`).
    pub rc_file: Option<OsString>,
    /// One of them may name sbsh.
    pub name_sbsh: bool,
}

/// How the shell inside is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Which one.
    pub shell: Shell,
    /// As a login shell.
    pub login: bool,
    /// Which start-up files it reads.
    pub files: Files,
    /// The descriptor from which it reads requests, as it inherits it.
    pub requests: i32,
    /// The descriptor to which it writes answers.
    pub answers: i32,
    /// The descriptor of the memory file with the text of [`bootstrap`], open for reading and writing; the shell uses
    /// the file as its scratch paper later. bash has two more behind it: a pipe, to write and to read, at which nobody
    /// waits (O_NONBLOCK), and `/dev/null`.
    pub boot: i32,
    /// The nonce of the marker: letters and digits.
    pub mark: String,
}

/// The marker that the shell writes to the terminal when a line's output is complete.
pub fn marker(mark: &str) -> Vec<u8> {
    format!("\x1b]7770;{mark}\x07").into_bytes()
}

/// What is typed for each line, behind [`message::ToShell::Line`]. It never varies, is short enough for a terminal's
/// line buffer, and works whatever options the person has set.
pub fn nudge(shell: Shell) -> &'static [u8] {
    match shell {
        Shell::Bash => include_str!("bash.nudge").as_bytes(),
        Shell::Zsh => include_str!("zsh.nudge").as_bytes(),
    }
}

/// What is typed first of all, before the shell is started.
pub fn first_line(start: &Start) -> Vec<u8> {
    format!(" . /dev/fd/{}\n", start.boot).into_bytes()
}

/// The arguments that lead to a shell which reads nothing but the terminal. Long options of the person's (`--posix`) go
/// before them and short ones (`-u`, `-o x`) behind.
pub fn arguments(start: &Start) -> Vec<OsString> {
    let mut arguments: Vec<&str> = match start.shell {
        Shell::Bash => vec!["--noediting", "--norc"],
        Shell::Zsh => vec!["-f", "+Z"],
    };
    if start.login {
        arguments.extend(if start.shell == Shell::Bash { ["--noprofile", "-l"].as_slice() } else { &["-l"] });
    }
    arguments.push("-i");
    arguments.into_iter().map(OsString::from).collect()
}

/// The script that the shell reads first.
pub fn bootstrap(start: &Start) -> Vec<u8> {
    let flag = |name: &str, set: bool| format!("__sbsh_{name}={} ", if set { "1" } else { "" });
    let mut script = format!(
        "__sbsh_last=$_ __sbsh_in={} __sbsh_out={} __sbsh_boot={} __sbsh_mark={} ",
        start.requests, start.answers, start.boot, start.mark
    );
    if start.shell == Shell::Bash {
        let [tape, null] = [1, 2].map(|behind| start.boot + behind);
        script += &format!("__sbsh_tape={tape} __sbsh_null={null} ");
        script += &flag("round", start.files.name_sbsh);
    }
    script += &flag("login", start.login);
    script += &flag("no_profile", start.files.no_profile);
    script += &flag("no_rc", start.files.no_rc);
    let mut script = script.into_bytes();
    script.extend_from_slice(b"__sbsh_rc_file=");
    if let Some(file) = &start.files.rc_file {
        script.extend(
            shlex::bytes::try_quote(file.as_bytes()).map(std::borrow::Cow::into_owned).unwrap_or_default(),
        );
    }
    script.push(b'\n');
    match start.shell {
        Shell::Bash => {
            script.extend(bare(include_str!("bash.sh")));
            script.extend(bare(include_str!("bash-start.sh")));
            script.push(0);
            script.extend(bare(include_str!("bash-later.sh")));
            script.extend(bare(include_str!("bash-complete.sh")));
            script.push(0);
        }
        Shell::Zsh => {
            script.extend_from_slice(include_bytes!("zsh-complete.zsh"));
            script.extend_from_slice(include_bytes!("zsh.zsh"));
        }
    }
    script
}

/// A script without the lines that are for readers alone: a shell looks at each of their letters, and takes comments for
/// commands where a person turned them off.
fn bare(script: &str) -> impl Iterator<Item = u8> {
    let lines = script.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(|line| line.bytes().chain([b'\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_and_zsh_are_led_and_no_other() {
        assert_eq!(Shell::from_name("bash"), Some(Shell::Bash));
        assert_eq!(Shell::from_name("zsh"), Some(Shell::Zsh));
        for other in ["sh", "dash", "fish", "rbash", "-bash", ""] {
            assert_eq!(Shell::from_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_nudge_is_one_short_line() {
        for shell in [Shell::Bash, Shell::Zsh] {
            let nudge = nudge(shell);
            assert!(nudge.len() < 1024);
            assert_eq!(nudge.iter().position(|byte| *byte == b'\n'), Some(nudge.len() - 1));
        }
    }

    #[test]
    fn long_options_come_first() {
        let start = |shell, login| Start {
            shell,
            login,
            files: Files::default(),
            requests: 3,
            answers: 4,
            boot: 5,
            mark: "m".to_owned(),
        };
        assert_eq!(arguments(&start(Shell::Bash, false)), ["--noediting", "--norc", "-i"]);
        assert_eq!(
            arguments(&start(Shell::Bash, true)),
            ["--noediting", "--norc", "--noprofile", "-l", "-i"]
        );
        assert_eq!(arguments(&start(Shell::Zsh, false)), ["-f", "+Z", "-i"]);
        assert_eq!(arguments(&start(Shell::Zsh, true)), ["-f", "+Z", "-l", "-i"]);
        assert_eq!(first_line(&start(Shell::Bash, false)), b" . /dev/fd/5\n");
    }

    #[test]
    fn the_given_start_up_file_is_quoted() {
        let start = Start {
            shell: Shell::Bash,
            login: false,
            files: Files { rc_file: Some("it's $x".into()), ..Files::default() },
            requests: 201,
            answers: 202,
            boot: 203,
            mark: "m".to_owned(),
        };
        let script = String::from_utf8(bootstrap(&start)).unwrap();
        assert_eq!(
            script.lines().next().unwrap(),
            "__sbsh_last=$_ __sbsh_in=201 __sbsh_out=202 __sbsh_boot=203 __sbsh_mark=m __sbsh_tape=204 \
             __sbsh_null=205 __sbsh_round= __sbsh_login= __sbsh_no_profile= __sbsh_no_rc= __sbsh_rc_file=\"it's \"'$x'"
        );
    }

    #[test]
    fn what_is_for_readers_alone_is_not_parsed() {
        let script = "# why\n\nf() {\n    # more\n    echo '#'  a\n}\n";
        assert_eq!(bare(script).collect::<Vec<u8>>(), b"f() {\necho '#'  a\n}\n");
    }
}
