//! The shell door: which text, script or stream will the inner shell execute.
//!
//! Owns the option grammars of bash, sh, zsh and fish. The arguments themselves always go on unchanged; what is
//! read here only tells the permission flow what it is about. Where a grammar would make the inner shell complain
//! and execute nothing, the answer is [`CommandInput::Nothing`] and the inner shell says the error itself.

use super::inner::InnerShell;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// sbsh as a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellInvocation {
    /// The inner shell that the name chose.
    pub inner: InnerShell,
    /// argv0 as it came.
    pub argv0: OsString,
    /// argv0 began with `-`: the inner shell's must, too. (`-l` is an argument and goes on as one.)
    pub login: bool,
    /// The arguments for the inner shell, unchanged.
    pub arguments: Vec<OsString>,
    /// What will be executed.
    pub input: CommandInput,
}

impl ShellInvocation {
    /// The same arguments as another shell reads them: for [`InnerShell::BySetting`] once settings are known.
    pub fn read_as(mut self, inner: InnerShell) -> ShellInvocation {
        self.input = CommandInput::read(inner, &self.arguments);
        self.inner = inner;
        self
    }
}

/// What the inner shell will execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandInput {
    /// `-c`.
    Text {
        /// The command text.
        text: OsString,
        /// `$0`, if one was given.
        name: Option<OsString>,
        /// `-i` was given too.
        interactive: bool,
    },
    /// A script file, as it was named (the shell may look it up on PATH).
    Script {
        /// Its name.
        path: OsString,
    },
    /// Standard input: a script, or a person if it is a terminal.
    Stdin,
    /// Standard input, and `-i` said that a person is there.
    Interactive,
    /// Nothing: the inner shell will print something or complain, and end.
    Nothing,
}

impl CommandInput {
    /// Reads the arguments as the shell would.
    pub fn read(inner: InnerShell, arguments: &[OsString]) -> CommandInput {
        match inner {
            InnerShell::Bash | InnerShell::Sh | InnerShell::BySetting => bash(arguments),
            InnerShell::Zsh => zsh(arguments),
            InnerShell::Fish => fish(arguments),
        }
    }
}

/// What the options said, before operands are looked at.
#[derive(Debug, Default)]
struct Seen {
    command: bool,
    stdin: bool,
    interactive: bool,
}

impl Seen {
    /// The meaning of the operands that are left, the same in bash, dash and zsh.
    fn input(self, operands: &[OsString]) -> CommandInput {
        match (self.command, operands.first()) {
            (true, None) => CommandInput::Nothing,
            (true, Some(text)) => CommandInput::Text {
                text: text.clone(),
                name: operands.get(1).cloned(),
                interactive: self.interactive,
            },
            (false, Some(path)) if !self.stdin => CommandInput::Script { path: path.clone() },
            (false, _) if self.interactive => CommandInput::Interactive,
            (false, _) => CommandInput::Stdin,
        }
    }
}

/// bash's long options without argument. They work with one dash too, and only in front of all others.
const BASH_LONG: &[&str] = &[
    "debug",
    "debugger",
    "dump-po-strings",
    "dump-strings",
    "login",
    "noediting",
    "noprofile",
    "norc",
    "posix",
    "pretty-print",
    "protected",
    "restricted",
    "verbose",
    "wordexp",
];
/// bash's long options with an argument, which is always the next word.
const BASH_LONG_WITH_ARGUMENT: &[&str] = &["init-file", "rcfile"];
/// bash's long options that print something and end.
const BASH_LONG_THAT_ENDS: &[&str] = &["help", "version"];

/// bash, and dash: what dash lacks (long options, `-O`) makes it complain and execute nothing.
fn bash(arguments: &[OsString]) -> CommandInput {
    let Some(rest) = bash_long_options(arguments) else { return CommandInput::Nothing };
    let mut rest = rest;
    let mut seen = Seen::default();
    while let Some((first, after)) = rest.split_first() {
        let word = first.as_bytes();
        if word == b"-" || word == b"--" {
            rest = after;
            break;
        }
        let Some((b'-' | b'+', letters)) = word.split_first() else { break };
        rest = after;
        for letter in letters {
            match letter {
                b'c' => seen.command = true,
                b's' => seen.stdin = true,
                // `+i` is an error of the inner shell.
                b'i' => seen.interactive = true,
                // The name is the next word, not the rest of this one; without one the shell lists and goes on.
                b'o' | b'O' => rest = rest.split_first().map_or(rest, |(_, names)| names),
                b'-' => return CommandInput::Nothing,
                _ => {}
            }
        }
    }
    seen.input(rest)
}

/// What follows bash's long options; `None` if one of them ends the shell.
fn bash_long_options(arguments: &[OsString]) -> Option<&[OsString]> {
    let mut rest = arguments;
    let mut ends = false;
    while let Some((first, after)) = rest.split_first() {
        let word = first.as_bytes();
        let Some(name) = word.strip_prefix(b"-") else { break };
        let (long, name) = match name.strip_prefix(b"-") {
            Some(name) if !name.is_empty() => (true, name),
            _ => (false, name),
        };
        let is_in = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
        if is_in(BASH_LONG) {
            rest = after;
        } else if is_in(BASH_LONG_WITH_ARGUMENT) {
            rest = after.split_first()?.1;
        } else if is_in(BASH_LONG_THAT_ENDS) {
            ends = true;
            rest = after;
        } else if long {
            return None;
        } else {
            break;
        }
    }
    if ends { None } else { Some(rest) }
}

/// zsh: `-o` takes the rest of its word or the next one, `--long-option` is an option name, `-b` ends the options.
fn zsh(arguments: &[OsString]) -> CommandInput {
    let mut rest = arguments;
    let mut seen = Seen::default();
    let mut last = false;
    while let Some((first, after)) = rest.split_first() {
        let word = first.as_bytes();
        let Some((sign @ (b'-' | b'+'), letters)) = word.split_first() else { break };
        if last {
            break;
        }
        rest = after;
        if letters.is_empty() || letters == b"-" {
            break;
        }
        if let Some(long) = letters.strip_prefix(b"-") {
            match long {
                b"version" | b"help" => return CommandInput::Nothing,
                b"emulate" => match rest.split_first() {
                    Some((_, names)) => rest = names,
                    None => return CommandInput::Nothing,
                },
                name => zsh_option(name, *sign == b'-', &mut seen),
            }
            continue;
        }
        for (index, letter) in letters.iter().enumerate() {
            match letter {
                b'c' => seen.command = true,
                b's' => seen.stdin = *sign == b'-',
                b'i' => seen.interactive = *sign == b'-',
                b'b' => last = true,
                b'o' => {
                    let attached = letters.get(index + 1..).unwrap_or_default();
                    let name = if attached.is_empty() {
                        let Some((name, names)) = rest.split_first() else { return CommandInput::Nothing };
                        rest = names;
                        name.as_bytes()
                    } else {
                        attached
                    };
                    zsh_option(name, *sign == b'-', &mut seen);
                    break;
                }
                b'-' => {
                    // `-x-` : a dash that ends the word ends the options, any other is an error.
                    if letters.len() == index + 1 {
                        return seen.input(rest);
                    }
                    return CommandInput::Nothing;
                }
                _ => {}
            }
        }
    }
    seen.input(rest)
}

/// zsh's long spellings of `-s` and `-i`: case, `_` and `-` do not count, `no` in front negates.
fn zsh_option(name: &[u8], on: bool, seen: &mut Seen) {
    let plain: Vec<u8> =
        name.iter().filter(|b| !matches!(b, b'_' | b'-')).map(u8::to_ascii_lowercase).collect();
    let (plain, on) = match plain.strip_prefix(b"no") {
        Some(rest) => (rest, !on),
        None => (plain.as_slice(), on),
    };
    match plain {
        b"shinstdin" | b"stdin" => seen.stdin = on,
        b"interactive" => seen.interactive = on,
        _ => {}
    }
}

/// fish's long options, and whether they take an argument (getopt_long's rules: unique prefixes, `=`, next word).
const FISH_LONG: &[(&str, u8)] = &[
    ("command", b'c'),
    ("init-command", b'C'),
    ("features", b'f'),
    ("debug", b'd'),
    ("debug-output", b'o'),
    ("debug-stack-frames", b'D'),
    ("interactive", b'i'),
    ("login", b'l'),
    ("no-config", b'N'),
    ("no-execute", b'n'),
    ("print-rusage-self", 0),
    ("print-debug-categories", b'v'),
    ("profile", b'p'),
    ("profile-startup", b'p'),
    ("private", b'P'),
    ("help", b'h'),
    ("version", b'v'),
];
/// fish's short options with an argument: the rest of the word, or the next one.
const FISH_WITH_ARGUMENT: &[u8] = b"cCpdfDo";

/// fish: `-c` takes its own argument and may come more than once; every text is executed in order.
fn fish(arguments: &[OsString]) -> CommandInput {
    let mut rest = arguments;
    let mut texts: Vec<&[u8]> = Vec::new();
    let mut seen = Seen::default();
    while let Some((first, after)) = rest.split_first() {
        let word = first.as_bytes();
        let Some(letters) = word.strip_prefix(b"-") else { break };
        if letters.is_empty() {
            break;
        }
        rest = after;
        if letters == b"-" {
            break;
        }
        let (mut letters, mut value) = match letters.strip_prefix(b"-") {
            Some(long) => match fish_long(long) {
                Some((letter, value)) => (vec![letter], value),
                None => return CommandInput::Nothing,
            },
            None => (letters.to_vec(), None),
        };
        letters.reverse();
        while let Some(letter) = letters.pop() {
            if FISH_WITH_ARGUMENT.contains(&letter) {
                let attached = word.get(word.len().saturating_sub(letters.len())..).unwrap_or_default();
                let argument = match value.take() {
                    Some(value) => value,
                    None if !attached.is_empty() => attached,
                    None => {
                        let Some((next, others)) = rest.split_first() else { return CommandInput::Nothing };
                        rest = others;
                        next.as_bytes()
                    }
                };
                if matches!(letter, b'c' | b'C') {
                    texts.push(argument);
                }
                seen.command |= letter == b'c';
                break;
            }
            match letter {
                b'i' => seen.interactive = true,
                b'h' | b'v' => return CommandInput::Nothing,
                _ => {}
            }
        }
    }
    if seen.command {
        let text = OsString::from_vec(texts.join(b"\n".as_slice()));
        return CommandInput::Text {
            text,
            name: rest.first().map(OsStr::new).map(OsStr::to_owned),
            interactive: seen.interactive,
        };
    }
    seen.input(rest)
}

/// The short letter of one of fish's long options and what stands behind its `=`.
fn fish_long(word: &[u8]) -> Option<(u8, Option<&[u8]>)> {
    let split = word.iter().position(|&byte| byte == b'=');
    let name = word.get(..split.unwrap_or(word.len()))?;
    let value = split.and_then(|at| word.get(at + 1..));
    let exact = FISH_LONG.iter().find(|(known, _)| known.as_bytes() == name);
    let mut starting = FISH_LONG.iter().filter(|(known, _)| known.as_bytes().starts_with(name));
    let (_, letter) = match exact {
        Some(found) => found,
        None => match (starting.next(), starting.next()) {
            (Some(found), None) => found,
            _ => return None,
        },
    };
    Some((*letter, value))
}
