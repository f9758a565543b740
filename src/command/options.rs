//! Which programs run another command that their arguments name, and how their options look.

/// Where the inner command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inner {
    /// Behind the options.
    Rest,
    /// Behind the options and this many further operands.
    After(usize),
    /// A text for a shell: the value of `-c`, or where the program has none, its operands joined.
    Text,
    /// The same of a program that is a shell itself.
    Shell,
}

/// A program that runs another command.
pub(super) struct Wrapper {
    pub(super) name: &'static str,
    /// Short options with a value in the same or the next argument.
    pub(super) short: &'static str,
    /// Long options with a value in the next argument.
    pub(super) long: &'static [&'static str],
    pub(super) inner: Inner,
    /// Whether `NAME=value` may stand before the command.
    pub(super) assignments: bool,
}

const fn wrapper(name: &'static str, short: &'static str, inner: Inner) -> Wrapper {
    Wrapper { name, short, long: &[], inner, assignments: false }
}

const fn with_long(
    name: &'static str,
    short: &'static str,
    long: &'static [&'static str],
    inner: Inner,
) -> Wrapper {
    Wrapper { name, short, long, inner, assignments: false }
}

/// Sorted by nothing; looked up once per layer.
pub(super) const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        name: "env",
        short: "uCa",
        long: &["--unset", "--chdir", "--argv0"],
        inner: Inner::Rest,
        assignments: true,
    },
    Wrapper {
        name: "sudo",
        short: "ugpCrtThUDRaRc",
        long: &[
            "--user",
            "--group",
            "--prompt",
            "--chdir",
            "--close-from",
            "--role",
            "--type",
            "--host",
            "--other-user",
            "--chroot",
            "--command-timeout",
            "--auth-type",
            "--login-class",
        ],
        inner: Inner::Rest,
        assignments: true,
    },
    Wrapper { name: "doas", short: "uaC", long: &[], inner: Inner::Rest, assignments: true },
    with_long("nice", "n", &["--adjustment"], Inner::Rest),
    wrapper("dangerouslyDisableSandbox", "", Inner::Rest),
    wrapper("nohup", "", Inner::Rest),
    with_long("timeout", "ks", &["--kill-after", "--signal"], Inner::After(1)),
    wrapper("gtimeout", "ks", Inner::After(1)),
    with_long("time", "fo", &["--format", "--output"], Inner::Rest),
    with_long("stdbuf", "ioe", &["--input", "--output", "--error"], Inner::Rest),
    wrapper("setsid", "", Inner::Rest),
    with_long(
        "xargs",
        "aEIdLnPsJR",
        &["--arg-file", "--delimiter", "--max-args", "--max-procs", "--max-chars", "--process-slot-var"],
        Inner::Rest,
    ),
    wrapper("command", "", Inner::Rest),
    wrapper("builtin", "", Inner::Rest),
    wrapper("exec", "a", Inner::Rest),
    // fish's.
    wrapper("and", "", Inner::Rest),
    wrapper("or", "", Inner::Rest),
    wrapper("not", "", Inner::Rest),
    wrapper("noglob", "", Inner::Rest),
    wrapper("nocorrect", "", Inner::Rest),
    wrapper("-", "", Inner::Rest),
    with_long("watch", "nd", &["--interval", "--equexit"], Inner::Text),
    with_long("flock", "wE", &["--timeout", "--wait", "--conflict-exit-code"], Inner::After(1)),
    with_long("ionice", "cnpPu", &["--class", "--classdata"], Inner::Rest),
    with_long("chrt", "TPDp", &["--sched-runtime", "--sched-period", "--sched-deadline"], Inner::After(1)),
    with_long("taskset", "", &[], Inner::After(1)),
    with_long(
        "unshare",
        "SGRw",
        &["--setuid", "--setgid", "--root", "--wd", "--map-user", "--map-group"],
        Inner::Rest,
    ),
    with_long("nsenter", "tSG", &["--target", "--setuid", "--setgid"], Inner::Rest),
    with_long("chroot", "", &[], Inner::After(1)),
    with_long("strace", "abeEIoOpPsSuX", &["--output", "--trace", "--env", "--user"], Inner::Rest),
    wrapper("ltrace", "aAeFlnoprsSuwx", Inner::Rest),
    wrapper("prlimit", "", Inner::Rest),
    with_long("setpriv", "", &["--reuid", "--regid", "--groups"], Inner::Rest),
    wrapper("setarch", "", Inner::After(1)),
    wrapper("linux64", "", Inner::Rest),
    wrapper("x86_64", "", Inner::Rest),
    wrapper("i386", "", Inner::Rest),
    wrapper("i486", "", Inner::Rest),
    wrapper("i586", "", Inner::Rest),
    wrapper("i686", "", Inner::Rest),
    wrapper("uname26", "", Inner::Rest),
    with_long("choom", "np", &["--adjust", "--pid"], Inner::Rest),
    wrapper("ssh-agent", "aEPtO", Inner::Rest),
    with_long("gpg-agent", "", &["--homedir", "--options"], Inner::Rest),
    with_long(
        LOADER,
        "",
        &[
            "--library-path",
            "--preload",
            "--audit",
            "--argv0",
            "--inhibit-rpath",
            "--glibc-hwcaps-prepend",
            "--glibc-hwcaps-mask",
        ],
        Inner::Rest,
    ),
    wrapper("linux32", "", Inner::Rest),
    wrapper("busybox", "", Inner::Rest),
    wrapper("toybox", "", Inner::Rest),
    wrapper("coproc", "", Inner::Rest),
    wrapper("repeat", "", Inner::After(1)),
    wrapper("chronic", "", Inner::Rest),
    wrapper("unbuffer", "", Inner::Rest),
    wrapper("dbus-run-session", "", Inner::Rest),
    wrapper("systemd-run", "puHMGE", Inner::Rest),
    wrapper("fakeroot", "", Inner::Rest),
    wrapper("proot", "rbwq", Inner::Rest),
    wrapper("bwrap", "", Inner::Rest),
    wrapper("firejail", "", Inner::Rest),
    wrapper("caffeinate", "tw", Inner::Rest),
    wrapper("pkexec", "", Inner::Rest),
    wrapper("run0", "ugD", Inner::Rest),
    wrapper("dumb-init", "r", Inner::Rest),
    wrapper("tini", "", Inner::Rest),
    wrapper("valgrind", "", Inner::Rest),
    wrapper("rlwrap", "abcCDfFgHilmNopPqrsStwz", Inner::Rest),
    wrapper("xvfb-run", "efnpsw", Inner::Rest),
    wrapper("proxychains", "f", Inner::Rest),
    wrapper("torsocks", "", Inner::Rest),
    wrapper("uvx", "p", Inner::Rest),
    wrapper("parallel", "jNnLasSdE", Inner::Rest),
    wrapper("entr", "", Inner::Rest),
    wrapper("hyperfine", "wrpmMLnsSN", Inner::Text),
    wrapper("script", "OIBTmoE", Inner::Text),
    wrapper("sg", "", Inner::Text),
    wrapper("su", "gGswT", Inner::Text),
    wrapper("runuser", "ugGswT", Inner::Text),
    wrapper("sh", "oO", Inner::Shell),
    wrapper("bash", "oO", Inner::Shell),
    wrapper("zsh", "oO", Inner::Shell),
    wrapper("dash", "o", Inner::Shell),
    wrapper("ash", "o", Inner::Shell),
    wrapper("ksh", "o", Inner::Shell),
    wrapper("mksh", "o", Inner::Shell),
    wrapper("rbash", "oO", Inner::Shell),
    wrapper("fish", "oO", Inner::Shell),
    wrapper("sbsh", "oO", Inner::Shell),
    wrapper("rzsh", "oO", Inner::Shell),
    wrapper("rksh", "o", Inner::Shell),
    wrapper("lksh", "o", Inner::Shell),
    wrapper("oksh", "o", Inner::Shell),
    wrapper("pdksh", "o", Inner::Shell),
    wrapper("posh", "o", Inner::Shell),
    wrapper("yash", "o", Inner::Shell),
    wrapper("csh", "", Inner::Shell),
    wrapper("tcsh", "", Inner::Shell),
    wrapper("eval", "", Inner::Text),
    wrapper("trap", "", Inner::Text),
];

/// The dynamic loader, which starts the program that it is given: `ld-linux-x86-64.so.2`, `ld-musl-x86_64.so.1`, `ld64.so.2`.
const LOADER: &str = "ld.so";

/// The wrapper of this name.
pub(super) fn wrapper_named(name: &str) -> Option<&'static Wrapper> {
    let loader = name.starts_with("ld") && name.contains(".so");
    let name = if loader { LOADER } else { name };
    let named = |name: &str| WRAPPERS.iter().find(|w| w.name == name);
    // `zsh5`, `bash5.2`, `ksh93`
    named(name).or_else(|| named(name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')))
}

/// Programs that run a command behind one of their verbs.
pub(super) const BEHIND_VERBS: &[(&str, &[&str])] = &[
    ("uv", &["run"]),
    ("poetry", &["run"]),
    ("pipenv", &["run"]),
    ("pdm", &["run"]),
    ("hatch", &["run"]),
    ("rye", &["run"]),
    ("pixi", &["run"]),
    ("conda", &["run"]),
    ("bundle", &["exec"]),
    ("rbenv", &["exec"]),
    ("pyenv", &["exec"]),
    ("mise", &["exec", "x"]),
    ("asdf", &["exec"]),
    ("pnpm", &["exec", "dlx"]),
    ("yarn", &["exec", "dlx", "run"]),
    ("npm", &["exec", "x"]),
    ("direnv", &["exec"]),
    ("perf", &["stat", "record", "trace"]),
    ("ip", &["exec"]),
    ("gdb", &["--args"]),
    ("lldb", &["--"]),
];

/// The verbs of a program behind which a command stands.
pub(super) fn verbs_of(program: &str) -> Option<&'static [&'static str]> {
    BEHIND_VERBS.iter().find(|(name, _)| *name == program).map(|(_, verbs)| *verbs)
}

/// What stands behind a verb, as a wrapper of its own.
pub(super) const BEHIND: Wrapper = wrapper("", "r", Inner::Rest);
