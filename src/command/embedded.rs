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
    "--cmd",
    "--eval-command",
    "--init-eval-command",
    "-eval-command",
    "-iex",
    "-cmd",
    "-E",
    "--use-askpass",
    "--init-command",
    "--sh-exec",
    "--config",
    "--startas",
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

/// Programs that have such options, and no others of their own here.
const RUNNERS: &[&str] = &[
    "tar",
    "bsdtar",
    "gtar",
    "rg",
    "man",
    "sort",
    "emacs",
    "less",
    "more",
    "gdb",
    "lldb",
    "make",
    "gmake",
    "zip",
    "split",
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
    "start-stop-daemon",
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
        // A text in `-v x=…` runs where the program says so.
        "awk" | "gawk" | "mawk" | "nawk" | "original-awk" if shapes.iter().any(|s| awk_runs(s)) => {
            all(&shapes)
        }
        "sed" | "gsed" => shapes.iter().filter_map(|s| sed_runs(s)).collect(),
        "git" => git(&shapes),
        "ed" | "tmux" | "screen" | "m4" | "dc" | "bc" | "bind" | "print" | "compgen" | "complete"
        | "mapfile" | "readarray" => all(&shapes),
        // `tar cIf COMMAND`: letters without a dash.
        "tar" | "bsdtar" | "gtar"
            if shapes.first().is_some_and(|s| !s.starts_with("--") && s.contains(['I', 'F'])) =>
        {
            all(&shapes)
        }
        "sqlite3" if shapes.iter().any(|s| s.contains(".sh") || s.contains(".sy") || s.contains(".o")) => {
            all(&shapes)
        }
        // Bundled: `ssh -vo ProxyCommand=…`, `rsync -ae ssh`, `ex -sc '!…'`.
        "ssh" | "scp" | "sftp" | "rsync" | "ex" | "vi" | "vim" | "nvim" | "view" => {
            let letters = match name {
                "rsync" => 'e',
                "ssh" | "scp" | "sftp" => 'o',
                _ => 'c',
            };
            let mut found = option_values(&shapes);
            found.extend(bundled(&shapes, &[letters]));
            found
        }
        _ if RUNNERS.contains(&name) => option_values(&shapes),
        _ => Vec::new(),
    }
}

fn all(shapes: &[&str]) -> Vec<String> {
    shapes.iter().map(|s| (*s).to_owned()).collect()
}

/// Short options with one of these letters among others, and what follows those that end with it.
fn bundled(shapes: &[&str], letters: &[char]) -> Vec<String> {
    let mut found = Vec::new();
    let mut take = false;
    for shape in shapes {
        let here = shape.starts_with('-') && !shape.starts_with("--") && shape.contains(letters);
        if here || take {
            found.push((*shape).to_owned());
        }
        take = here && shape.ends_with(letters);
    }
    found
}

/// Whether this is that option or, as most programs take it, a beginning of its long name.
fn means(name: &str, option: &str) -> bool {
    name == option || name.len() > 3 && name.starts_with("--") && option.starts_with(name)
}

fn awk_runs(program: &str) -> bool {
    ["system", "getline", "|", "@"].iter().any(|sign| program.contains(sign))
}

/// A sed script with `e` as a command or a flag, a blank behind each: `1etouch` runs `touch`. Before it stand a number,
/// an address or a delimiter with other flags at most: `1e`, `/x/e`, `s/a/b/ge`.
fn sed_runs(script: &str) -> Option<String> {
    let mut parted = String::new();
    let mut flags = true;
    for character in script.chars() {
        parted.push(character);
        if character == 'e' && flags {
            parted.push(' ');
        }
        flags = !character.is_ascii_alphanumeric()
            || flags && (character.is_ascii_digit() || "gpiIemM".contains(character));
    }
    (parted.len() > script.len()).then_some(parted)
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
        let exact = OPTIONS.iter().any(|option| means(name, option));
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
            "--output",
            "--open-files-in-pager",
            "--config",
        ]
        .iter()
        .any(|option| shape.split('=').next().is_some_and(|name| means(name, option)));
        let attached = shape.contains("ext::");
        let previous = index.checked_sub(1).and_then(|i| rest.get(i)).copied().unwrap_or_default();
        let value = ["--upload-pack", "--receive-pack", "--exec", "--extcmd", "--config", "-c"]
            .iter()
            .any(|option| means(previous, option));
        if whole || named || attached || value {
            all.push((*shape).to_owned());
        }
    }
    // `clone -qu COMMAND`, `grep -nO…`, `rebase -x…`
    all.extend(bundled(rest, &['u', 'x', 'O']));
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
