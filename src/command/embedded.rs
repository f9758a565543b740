//! Texts in a command's arguments that another interpreter would run: `awk 'system(…)'`, `tar --to-command=…`.
//!
//! They cannot be read here. A deny or ask rule whose program is named in one counts as possible.

use super::Word;

/// Options whose value is a command, for the programs in [`RUNNERS`].
const OPTIONS: &[&str] = &[
    "--pre",
    "--hostname-bin",
    "--to-command",
    "--checkpoint-action",
    "--use-compress-program",
    "--compress-program",
    "--rsh",
    "--rsh-command",
    "--rsync-path",
    "--upload-pack",
    "--receive-pack",
    "--exec",
    "--extcmd",
    "--pager",
    "--html",
    "--editor",
    "--filter",
    "--unzip-command",
    "--info-script",
    "--new-volume-script",
    "--eval",
    "--execute",
    "--command",
    "--use-askpass",
    "--init-command",
    "--print",
    "--run",
    "-I",
    "-F",
    "-P",
    "-H",
    "-e",
    "-x",
    "-c",
    "-o",
    "-z",
    "-TT",
    "-ex",
    "-t",
];

/// Programs that have such options.
const RUNNERS: &[&str] = &[
    "tar",
    "bsdtar",
    "gtar",
    "git",
    "rg",
    "man",
    "sort",
    "vim",
    "vi",
    "nvim",
    "ex",
    "view",
    "emacs",
    "less",
    "more",
    "gdb",
    "lldb",
    "make",
    "gmake",
    "ssh",
    "rsync",
    "scp",
    "sftp",
    "zip",
    "split",
    "tmux",
    "screen",
    "socat",
    "nc",
    "ncat",
    "tcpdump",
    "wget",
    "sqlite3",
    "mysql",
    "psql",
    "logrotate",
    "watchexec",
    "nodemon",
    "npx",
    "fd",
    "cmake",
    "difft",
    "crontab",
    "at",
];

/// Languages that take a program by option.
const LANGUAGES: &[&str] = &[
    "python",
    "pypy",
    "perl",
    "ruby",
    "node",
    "nodejs",
    "deno",
    "bun",
    "php",
    "lua",
    "luajit",
    "tclsh",
    "expect",
    "osascript",
    "pwsh",
    "Rscript",
    "julia",
    "groovy",
    "ipython",
    "irb",
];

/// Whether a program is the interpreter of a language, with or without its version (`python3.12`).
pub(super) fn is_language(name: &str) -> bool {
    LANGUAGES.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// The texts among the arguments that another interpreter would run. Unknown parts are NUL, as in shapes.
pub(super) fn texts(name: &str, arguments: &[Word]) -> Vec<String> {
    let shapes: Vec<&str> = arguments.iter().map(Word::shape).collect();
    if is_language(name) {
        return after_flag(&shapes);
    }
    match name {
        "awk" | "gawk" | "mawk" | "nawk" | "original-awk" => kept(&shapes, awk_runs),
        "sed" | "gsed" => kept(&shapes, sed_runs),
        "git" => git(&shapes),
        "ed" | "m4" | "dc" | "bc" | "bind" | "print" | "compgen" | "complete" | "mapfile" | "readarray" => {
            shapes.iter().map(|s| (*s).to_owned()).collect()
        }
        _ if RUNNERS.contains(&name) => option_values(&shapes),
        _ => Vec::new(),
    }
}

fn kept(shapes: &[&str], runs: fn(&str) -> bool) -> Vec<String> {
    shapes.iter().filter(|s| runs(s)).map(|s| (*s).to_owned()).collect()
}

fn awk_runs(program: &str) -> bool {
    ["system", "getline", "|", "@"].iter().any(|sign| program.contains(sign))
}

/// A sed script with `e` as a command or a flag.
fn sed_runs(script: &str) -> bool {
    let trimmed = script.trim_end();
    let flags = trimmed.bytes().rev().take_while(u8::is_ascii_alphanumeric);
    let flagged = flags.into_iter().any(|b| b == b'e');
    let mut previous = b';';
    let command = script.bytes().enumerate().any(|(index, byte)| {
        let starts = !previous.is_ascii_alphabetic();
        let next = script.as_bytes().get(index + 1);
        if byte != b' ' {
            previous = byte;
        }
        byte == b'e' && starts && next.is_none_or(|b| b" \t\n}".contains(b))
    });
    flagged || command
}

/// What follows `-c`, `-e` and the like, also inside bundled letters, and attached values.
fn after_flag(shapes: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    let mut take = false;
    for shape in shapes {
        let long = ["--eval", "--print", "--execute", "eval"].iter().any(|l| shape.starts_with(l));
        let short = shape.starts_with('-')
            && !shape.starts_with("--")
            && shape.contains(['c', 'e', 'E', 'r', 'p', 'n']);
        if take || long || short {
            all.push((*shape).to_owned());
        }
        take = long || short;
    }
    all
}

/// The values of options that run commands.
fn option_values(shapes: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    let mut take = false;
    for shape in shapes {
        let name = shape.split('=').next().unwrap_or_default();
        let exact = OPTIONS.contains(&name);
        let attached = shape.starts_with('-')
            && !shape.starts_with("--")
            && OPTIONS.iter().any(|o| o.len() == 2 && shape.starts_with(o));
        // vim's `+:!command`, make's `SHELL=…`
        let other = shape.starts_with('+') || shape.starts_with("SHELL=") || shape.starts_with("EXEC:");
        if take || exact || attached || other || shape.starts_with("SYSTEM:") {
            all.push((*shape).to_owned());
        }
        take = (exact || attached) && !shape.contains('=');
    }
    all
}

/// git's ways to name a command; messages of commits are none.
fn git(shapes: &[&str]) -> Vec<String> {
    let verb = shapes.iter().position(|s| !s.starts_with('-') && !s.contains('='));
    let (front, rest) = shapes.split_at(verb.unwrap_or(shapes.len()));
    let mut all = option_values(front);
    let verb = rest.first().copied().unwrap_or_default();
    let whole = matches!(
        verb,
        "config" | "bisect" | "submodule" | "filter-branch" | "difftool" | "mergetool" | "for-each-repo"
    );
    for (index, shape) in rest.iter().enumerate() {
        let named = [
            "--upload-pack",
            "--receive-pack",
            "--exec",
            "--extcmd",
            "-x",
            "-u",
            "--output",
            "-O",
            "--open-files-in-pager",
        ]
        .iter()
        .any(|o| shape.split('=').next() == Some(o));
        let attached = shape.starts_with("-O") || shape.starts_with("-x") || shape.contains("ext::");
        let previous = index.checked_sub(1).and_then(|i| rest.get(i)).copied().unwrap_or_default();
        let value = matches!(
            previous,
            "--upload-pack" | "--receive-pack" | "--exec" | "--extcmd" | "-x" | "-u" | "-c"
        );
        if whole || named || attached || value {
            all.push((*shape).to_owned());
        }
    }
    all
}

/// Whether a program's name stands in a text as a word of its own.
pub(crate) fn names(text: &str, program: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '.';
    text.match_indices(program).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + program.len()..).and_then(|t| t.chars().next());
        // `-Ptouch`, `!touch`: a letter of an option may stand in front.
        let option = at <= 3 && text.starts_with('-');
        (!before.is_some_and(inside) || option) && !after.is_some_and(inside)
    })
}
