//! What a text may run without showing it as a command: quoted subscripts, escapes, builtins that load code.

use super::{ANYTHING, SimpleCommand, Word};

/// Whether a quoted text holds `name[…$(…)…]`, which `[[ -v ]]`, `read`, `let`, `test -v`, `printf -v` and every
/// arithmetic evaluation would run.
pub(super) fn subscript(text: &[u8]) -> bool {
    let mut open = false;
    let mut previous = 0u8;
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b'[' if previous.is_ascii_alphanumeric() || previous == b'_' => open = true,
            b'`' if open => return true,
            b'$' if open && matches!(text.get(index + 1), Some(b'(')) => return true,
            b'\n' => open = false,
            _ => {}
        }
        previous = byte;
    }
    false
}

/// Whether the inside of `$'…'` would end earlier in a shell that does not know it, and something could follow.
pub(super) fn ends_early(inside: &[u8]) -> bool {
    inside.contains(&b'\'') && inside.iter().any(|b| b";&|\n`$(".contains(b))
}

/// Decodes the inside of `$'…'`; `None` if the result is no text.
pub(super) fn decode_ansi(inside: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = after;
            continue;
        }
        let (&kind, after) = after.split_first()?;
        rest = after;
        match kind {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'e' | b'E' => out.push(27),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' | b'\'' | b'"' | b'?' => out.push(kind),
            b'0'..=b'7' => {
                let (value, length) = digits(inside_from(inside, rest.len() + 1), 8, 3);
                out.push(u8::try_from(value & 0xff).ok().filter(|&b| b != 0)?);
                rest = inside_from(inside, rest.len() + 1 - length);
            }
            b'x' | b'u' | b'U' => {
                let most = if kind == b'x' {
                    2
                } else if kind == b'u' {
                    4
                } else {
                    8
                };
                let (value, length) = digits(rest, 16, most);
                if length == 0 || value == 0 {
                    return None;
                }
                rest = rest.get(length..)?;
                if kind == b'x' {
                    out.push(u8::try_from(value).ok()?);
                } else {
                    out.extend_from_slice(char::from_u32(value)?.to_string().as_bytes());
                }
            }
            b'c' => return None,
            other => out.extend([b'\\', other]),
        }
    }
    String::from_utf8(out).ok()
}

/// The last `length` bytes.
fn inside_from(inside: &[u8], length: usize) -> &[u8] {
    inside.get(inside.len() - length.min(inside.len())..).unwrap_or_default()
}

/// The number that at most `most` digits spell, and how many there were.
fn digits(text: &[u8], radix: u32, most: usize) -> (u32, usize) {
    let mut value = 0u32;
    let mut length = 0;
    for &byte in text.iter().take(most) {
        let Some(digit) = char::from(byte).to_digit(radix) else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        length += 1;
    }
    (value, length)
}

/// Variables whose value the shell or the loader runs, or that decide which program a name is: those that hold a text or name a
/// program, and that nobody uses for anything else.
const HOLD_TEXT: &[&str] = &[
    "BASH_CMDS",
    "BASH_ALIASES",
    "PROMPT_COMMAND",
    "PS0",
    "PS4",
    "PROMPT4",
    "LD_PRELOAD",
    "LD_AUDIT",
    "GIT_CONFIG_PARAMETERS",
    "PERL5DB",
    "PERL5OPT",
    "RUBYOPT",
    "galiases",
    "saliases",
    "dis_functions",
];

/// The others, whose names are used for other things too, or whose values are files, directories, numbers or marks.
const RUNS: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "LD_LIBRARY_PATH",
    "SHELLOPTS",
    "BASHOPTS",
    "ZDOTDIR",
    "fpath",
    "FPATH",
    "path",
    "precmd_functions",
    "functions",
    "aliases",
    "commands",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "command_not_found_handle",
    "DYLD_INSERT_LIBRARIES",
    "IFS",
];

/// Whether this names such a variable or an element of one, for what sets variables that it is told by name.
pub(super) fn holds_text(name: &str) -> bool {
    let (base, element) = name.split_once('[').map_or((name, false), |(base, _)| (base, true));
    // zsh's; as plain names they are anybody's.
    let of_zsh = element && matches!(base, "functions" | "aliases" | "commands");
    HOLD_TEXT.contains(&base) || of_zsh
}

/// Whether `${` with this behind it, before a `=`, sets such a variable.
pub(super) fn assigns_text(front: &[u8]) -> bool {
    let name = std::str::from_utf8(front).unwrap_or_default().trim_end_matches(':');
    (!name.contains('[') || name.ends_with(']')) && holds_text(name)
}

/// Whether setting this variable makes what follows unknown. `PATH` does not for deny and ask rules, which see the
/// name that is called; for allow rules see [`reason`].
pub(super) fn variable(name: &str, value: &Word) -> Option<&'static str> {
    let harmless_prompt =
        name == "PS4" && value.literal().is_some_and(|v| !v.contains('$') && !v.contains('`'));
    let unset = value.literal().is_some_and(str::is_empty);
    // `IFS=,` splits words that are known not to be known; only an unquoted expansion could be built of it.
    if name == "IFS" || harmless_prompt || unset {
        return None;
    }
    let known = [HOLD_TEXT, RUNS].iter().any(|names| names.contains(&name))
        || name.starts_with("BASH_FUNC_")
        || name.starts_with("GIT_CONFIG_KEY_");
    known.then_some("a variable that chooses what programs run")
}

/// Why more may run here than the words say, by the command word.
pub(super) fn builtin(words: &[Word]) -> Option<&'static str> {
    let name = words.first().and_then(Word::literal)?;
    let arguments = words.get(1..).unwrap_or_default();
    let has = |letter: char| {
        arguments.iter().any(|w| {
            let shape = w.shape();
            (shape.starts_with('-') && !shape.starts_with("--") && shape.contains(letter))
                || (matches!(w, Word::Unknown { .. }) && (shape.starts_with('-') || shape.starts_with('\0')))
        })
    };
    match name {
        // fish sources its standard input where no file is named, and its aliases need no `=`.
        "." | "source" if !arguments.first().is_some_and(names_a_file) => Some("a text that is sourced"),
        "alias" if arguments.len() > 1 => Some("an alias"),
        "alias" if arguments.iter().any(|w| w.shape().contains('=') || w.literal().is_none()) => {
            Some("an alias")
        }
        "hash" if has('p') || arguments.iter().any(|w| w.shape().contains('=')) => Some("a hashed program"),
        "enable" if has('f') => Some("a loaded builtin"),
        "fc" | "r" => Some("a command from the history"),
        "repeat" | "always" | "foreach" | "zmodload" | "autoload" | "sched" | "zle" | "zstyle" | "vared"
        | "bindkey" | "zcompile" | "emulate" | "functions" | "bind" | "compdef" => {
            Some("a command of another shell or of the editor")
        }
        "complete" | "compgen" if has('C') || has('F') || has('W') => Some("a completion that runs commands"),
        "declare" | "typeset" | "local" if has('n') && arguments.iter().any(refers) => {
            Some("another name of a variable that chooses what programs run")
        }
        "set" | "setopt" | "shopt" | "unsetopt" if arguments.iter().any(reads_otherwise) => {
            Some("an option by which words mean other things")
        }
        "export" | "declare" | "typeset" | "local" | "readonly" | "set" | "env" => {
            declared(arguments).or_else(|| unknown_subscript(arguments))
        }
        "read" | "printf" | "mapfile" | "readarray" | "getopts"
            if arguments.iter().any(|w| holds_text(w.shape().trim_start_matches("-v"))) =>
        {
            Some("a variable that chooses what programs run")
        }
        "let" if arguments.iter().any(evaluates) => Some("a subscript that is evaluated"),
        "print" if has('P') => Some("a prompt that is expanded"),
        "git" if arguments.iter().any(|w| w.shape().starts_with("--config-env")) => {
            Some("configuration of git from a variable")
        }
        "read" | "unset" | "test" | "[" | "printf" => unknown_subscript(arguments),
        _ => None,
    }
}

/// Whether what is sourced is a file by its name. Like `bash FILE` it runs confined without being judged: its lines
/// are not in the text. Standard input and other descriptors could be fed by the text itself.
fn names_a_file(word: &Word) -> bool {
    let home = ["~/", "$HOME/", "${HOME}/", "\"$HOME/", "\"${HOME}/"];
    let path = match word {
        Word::Literal(path) => path.as_str(),
        Word::Unknown { source, shape } if home.iter().any(|h| source.starts_with(h)) => {
            match shape.strip_prefix(ANYTHING) {
                Some(rest) if !rest.contains(ANYTHING) => rest,
                _ => return false,
            }
        }
        Word::Unknown { .. } => return false,
    };
    let descriptor = |part: &str| {
        matches!(part, "dev" | "proc" | "fd" | "stdin" | "tty") || part.bytes().all(|b| b.is_ascii_digit())
    };
    !path.starts_with('-') && !path.split('/').filter(|part| !part.is_empty()).any(descriptor)
}

/// Whether this decides which files later names stand for: then no allow rule may go by a name.
fn chooses_files(command: &SimpleCommand) -> bool {
    let sets_path = |word: &Word| word.shape().split(['=', '+', '[']).next() == Some("PATH");
    let arguments = command.words.get(1..).unwrap_or_default();
    match command.words.first().and_then(Word::literal) {
        Some("." | "source") => true,
        Some("export" | "declare" | "typeset" | "local" | "readonly" | "env")
            if arguments.iter().any(sets_path) =>
        {
            true
        }
        _ => command.assignments.iter().any(|(name, _)| name == "PATH"),
    }
}

/// The same by what a declaration sets.
fn declared(arguments: &[Word]) -> Option<&'static str> {
    arguments.iter().find_map(|word| {
        let (name, value) = word.shape().split_once('=')?;
        let name = name.trim_end_matches('+').split('[').next().unwrap_or_default();
        let value = if word.literal().is_some() {
            Word::Literal(value.to_owned())
        } else {
            Word::Unknown { source: String::new(), shape: value.to_owned() }
        };
        variable(name, &value)
    })
}

/// zsh's options by which a word that is read here as a name is a pattern or a quote there.
fn reads_otherwise(word: &Word) -> bool {
    let name = word.shape().replace('_', "").to_lowercase();
    matches!(
        name.as_str(),
        "braceccl"
            | "extendedglob"
            | "globsubst"
            | "promptsubst"
            | "rcquotes"
            | "cshjunkiequotes"
            | "interactivecomments"
            | "nointeractivecomments"
    )
}

/// `x=PS4`, as of `declare -n`.
fn refers(word: &Word) -> bool {
    word.shape().split_once('=').is_some_and(|(_, name)| holds_text(name))
}

/// An expression with a subscript that only the shell knows: `x=1+a[$i]`.
fn evaluates(word: &Word) -> bool {
    let inside = |(_, rest): (&str, &str)| rest.contains(ANYTHING);
    word.literal().is_none() && word.shape().split_once('[').is_some_and(inside)
}

/// An operand such as `"a[$i]"`: the value of `$i` would be evaluated.
fn unknown_subscript(arguments: &[Word]) -> Option<&'static str> {
    let evaluated = |w: &&Word| {
        let Word::Unknown { shape, .. } = w else { return false };
        shape.split_once('[').is_some_and(|(name, rest)| {
            !name.is_empty()
                && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
                && rest.contains('\0')
                && rest.contains(']')
        })
    };
    arguments.iter().find(evaluated).map(|_| "a subscript that is evaluated")
}

/// Why no allow rule may go by the words of this command.
pub(super) fn reason(command: &SimpleCommand) -> Option<&'static str> {
    if chooses_files(command) {
        return Some("what chooses the files that are run");
    }
    command
        .opaque
        .or_else(|| command.assignments.iter().find_map(|(name, value)| variable(name, value)))
        .or_else(|| builtin(&command.words))
}
