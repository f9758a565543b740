//! The completions in the shells that read them: bash with and without bash-completion, and zsh, each on a terminal where Tab is
//! pressed, and fish by its own `complete -C`. Owns one list of lines and of what must, and must not, be offered there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg(target_os = "linux")]

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A line up to the cursor; what must be offered; what must not.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

/// In every shell.
const CASES: &[Case] = &[
    ("sbshctl ", &["explain", "status", "allow", "preset", "help"], &["afile.txt", "zz-one"]),
    ("sbshctl al", &["allow"], &["approve"]),
    ("sbshctl --", &["--help", "--version"], &["--json"]),
    ("sbshctl allow --", &["--project", "--user", "--dry-run", "--force", "--help"], &["--json", "domain"]),
    ("sbshctl doctor --", &["--json", "--fix"], &["--project"]),
    ("sbshctl help allow --", &["--help"], &["--project"]),
    ("sbshctl allow ", &["domain", "write", "socket", "credential-env"], &["allow", "afile.txt"]),
    ("sbshctl allow domain --", &["--project", "--force"], &["--json"]),
    ("sbshctl allow --user ", &["domain", "write"], &["afile.txt"]),
    ("sbshctl ask ", &["command", "read"], &["domain"]),
    ("sbshctl allow write a", &["afile.txt", "afolder"], &["allow"]),
    ("sbshctl allow write --user afo", &["afolder"], &["afile.txt"]),
    ("sbshctl deny credential-file afi", &["afile.txt"], &["afolder"]),
    ("sbshctl allow credential-env ZZ_", &["ZZ_VARIABLE"], &["zz-one"]),
    ("sbshctl allow command zz-", &["zz-one", "zz-two"], &["zz-file"]),
    ("sbshctl exclude zz-t", &["zz-two"], &["zz-one"]),
    ("sbshctl preset ", &["node", "python", "rust", "go", "java"], &["afile.txt"]),
    ("sbshctl preset node r", &["rust"], &["node"]),
    ("sbshctl help st", &["status"], &["explain"]),
    ("sbshctl trust --revoke af", &["afile.txt", "afolder"], &["allow"]),
    ("sbshctl agent --root a", &["afolder"], &["afile.txt"]),
    ("sbshctl agent --root=a", &["afolder"], &["afile.txt"]),
    ("sbshctl log --event c", &["command", "connection"], &["decision"]),
    ("sbshctl log -e dec", &["decision"], &["command"]),
    ("sbshctl log --event start --", &["--follow", "--lines"], &["--fix"]),
    ("sbshctl try zz-", &["zz-one", "zz-two"], &["zz-file"]),
    ("sbshctl try -- zz-", &["zz-one", "zz-two"], &["zz-file"]),
    ("sbshctl try --diff -- zz-t", &["zz-two"], &["zz-one"]),
    ("sbshctl agent --root afolder -- zz-t", &["zz-two"], &["zz-one"]),
    ("sbshctl explain -c zz-t", &["zz-two"], &["zz-one"]),
    ("sbshctl sandbox ", &["mode", "allow", "why", "off-for-one"], &["afile.txt"]),
    ("sbshctl sandbox mode ", &["auto", "regular"], &["mode"]),
    ("sbshctl sandbox allow wr", &["write"], &["why"]),
    ("sbshctl sandbox deny read afi", &["afile.txt"], &["afolder"]),
    ("sbshctl sandbox why zz-t", &["zz-two"], &["zz-one"]),
    ("sbsh --", &["--help", "--version", "--report-fd"], &["--json"]),
    ("sbsh af", &["afile.txt", "afolder"], &["ctl"]),
    ("sbsh ct", &["ctl"], &["afile.txt"]),
    ("sbsh -c zz-", &["zz-one", "zz-two"], &["zz-file"]),
    ("sbsh ctl al", &["allow"], &["afile.txt"]),
    ("sbsh ctl allow --us", &["--user"], &["--project"]),
    ("sbsh ctl preset node r", &["rust"], &["node"]),
    ("sbsh ctl try -- zz-t", &["zz-two"], &["zz-one"]),
];

/// The words of another command are completed as that command's; the shell was told of `zz-one`'s.
const ANOTHER: &[Case] = &[
    ("sbshctl try zz-one inner-", &["inner-word", "inner-other"], &["zz-two"]),
    ("sbshctl try -- zz-one inner-w", &["inner-word"], &["inner-other"]),
    ("sbshctl agent --root afolder -- zz-one inner-", &["inner-word", "inner-other"], &["--root"]),
    ("sbshctl sandbox why zz-one inner-w", &["inner-word"], &["inner-other"]),
    ("sbsh ctl explain zz-one inner-w", &["inner-word"], &["inner-other"]),
];

/// Where all that can be said is listed: a line, and what is said with one of its words.
const ABOUT: (&str, &str) = ("sbshctl a", "Allow a host, a path, a Unix socket");

/// Rows and columns of the terminals: enough for every list.
const SIDE: u16 = 200;

/// Without a byte for so many milliseconds a shell hangs.
const PATIENCE: u16 = 60_000;

/// Files and commands of known names.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        for directory in ["bin", "work/afolder", "home"] {
            fs::create_dir_all(place.path(directory)).unwrap();
        }
        for file in ["work/afile.txt", "work/zz-file"] {
            fs::write(place.path(file), "").unwrap();
        }
        for program in ["zz-one", "zz-two"] {
            fs::write(place.path("bin").join(program), "#!/bin/sh\n").unwrap();
            fs::set_permissions(place.path("bin").join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        // fish looks for completions of programs that are there.
        for name in ["sbsh", "sbshctl"] {
            symlink("/bin/false", place.path("bin").join(name)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, shell: &str) -> Command {
        let mut command = Command::new(shell);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .env("HOME", self.path("home"))
            .env("ZDOTDIR", self.path("home"))
            .env("TERM", "vt100")
            .env("LC_ALL", "C.UTF-8")
            .env("ZZ_VARIABLE", "value")
            .current_dir(self.path("work"));
        command
    }
}

fn completions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions")
}

/// Whether a program is here; a check that must not be left out fails without it.
fn there(program: &str) -> bool {
    let found = ["/usr/bin", "/bin"].iter().any(|directory| Path::new(directory).join(program).exists());
    if !found {
        assert!(std::env::var_os("SBSH_TEST_REQUIRE").is_none(), "{program} is needed for this check");
        println!("skipped: {program} is not installed");
    }
    found
}

#[track_caller]
fn check(shell: &str, line: &str, said: &str, has: &[&str], lacks: &[&str]) {
    let words: BTreeSet<&str> = said.split_whitespace().map(|word| word.trim_end_matches('/')).collect();
    // A word that is completed in the line stands behind `=` in `--option=word`.
    let is_there = |word: &str| {
        words.contains(word)
            || words.iter().any(|other| other.split_once('=').is_some_and(|(_, w)| w == word))
    };
    for word in has {
        assert!(is_there(word), "{shell}: '{line}' does not offer {word}: {said}");
    }
    for word in lacks {
        assert!(!is_there(word), "{shell}: '{line}' offers {word}: {said}");
    }
}

// --- a terminal -----------------------------------------------------------------------------------------------

const PROMPT: &str = "$ ";

/// A shell that reads a person's keys. Ctrl-X m makes it print its line and empty it, whatever was shown before.
struct Terminal {
    terminal: File,
    child: std::process::Child,
    /// What was read and belongs to the next answer.
    ahead: Vec<u8>,
}

impl Terminal {
    fn start(mut command: Command) -> Terminal {
        let size = Winsize { ws_row: SIDE, ws_col: SIDE, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        command.stdin(Stdio::from(pair.slave.try_clone().unwrap()));
        command.stdout(Stdio::from(pair.slave.try_clone().unwrap()));
        command.stderr(Stdio::from(pair.slave));
        let lead = || {
            nix::unistd::setsid()?;
            // SAFETY: TIOCSCTTY takes a number and gives this session the terminal that is descriptor 0.
            #[allow(unsafe_code)]
            let got = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
            nix::errno::Errno::result(got).map(drop).map_err(Into::into)
        };
        // SAFETY: two system calls, nothing that allocates or locks.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(lead)
        };
        let child = command.spawn().unwrap();
        let mut shell = Terminal { terminal: File::from(pair.master), child, ahead: Vec::new() };
        shell.until("<<ready>>");
        shell
    }

    /// What is written up to this mark.
    fn until(&mut self, mark: &str) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.ahead);
        loop {
            if let Some(at) = bytes.windows(mark.len()).position(|window| window == mark.as_bytes()) {
                self.ahead = bytes.split_off(at + mark.len());
                return bytes;
            }
            let mut waiting = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
            let there = poll(&mut waiting, PollTimeout::from(PATIENCE)).unwrap();
            assert!(there > 0, "nothing comes after: {}", String::from_utf8_lossy(&bytes));
            let mut buffer = [0; 4096];
            let length = self.terminal.read(&mut buffer).unwrap_or(0);
            assert!(length > 0, "the shell is gone: {}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&buffer[..length]);
        }
    }

    /// Types a line and keys behind it; what the terminal shows of that in the end, lists and the line.
    fn types(&mut self, line: &str, keys: &str) -> String {
        // Before its prompt the shell does not read keys yet, and the terminal would show them by itself.
        let mut written = self.until(PROMPT);
        written.extend(PROMPT.as_bytes());
        self.terminal.write_all(format!("{line}{keys}\x18m").as_bytes()).unwrap();
        written.extend(self.until("<<end>>"));
        let mut screen = vt100::Parser::new(SIDE.try_into().unwrap(), SIDE.try_into().unwrap(), 0);
        screen.process(&written);
        screen.screen().contents()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was offered: the list below the line, and what the word at the cursor came to be.
fn offered(screen: &str, line: &str) -> String {
    let (shown, became) = screen.split_once("<<line>>").unwrap();
    let list = shown.lines().filter(|shown| !shown.starts_with("$ "));
    let head = line.rfind([' ', '=']).map_or("", |at| &line[..=at]);
    let became = became.trim_end_matches("<<end>>").strip_prefix(head).unwrap_or(became);
    list.chain([became]).collect::<Vec<_>>().join("\n")
}

fn in_terminal(name: &str, shell: &mut Terminal, cases: &[Case]) {
    for (line, has, lacks) in cases {
        let screen = shell.types(line, "\t");
        check(name, line, &offered(&screen, line), has, lacks);
    }
}

// --- bash -----------------------------------------------------------------------------------------------------

/// Lists with the first Tab.
const AT_ONCE: &str = "bind 'set show-all-if-ambiguous on'";

fn bash(place: &Place, first: &str, listing: &str) -> Terminal {
    let start = format!(
        "{first}\nsource {}/sbsh.bash\ncomplete -W 'inner-word inner-other' zz-one\n\
         bind 'set bell-style none' 'set completion-query-items 0' 'set page-completions off' 'set enable-bracketed-paste off'\n{listing}\n\
         _end() {{ printf '\\n<<line>>%s<<end>>\\n' \"$READLINE_LINE\"; READLINE_LINE= READLINE_POINT=0; }}\n\
         bind -x '\"\\C-xm\": _end'\nPS1='$ '\nprintf '<<ready>>'\n",
        completions().display()
    );
    fs::write(place.path("home/start"), start).unwrap();
    let mut command = place.command("bash");
    command.args(["--rcfile"]).arg(place.path("home/start")).arg("-i");
    Terminal::start(command)
}

#[test]
fn bash_alone_completes() {
    let place = Place::new();
    let mut shell = bash(&place, "", AT_ONCE);
    in_terminal("bash", &mut shell, CASES);
    // Without bash-completion nothing says what another command's words are: files.
    let line = "sbshctl try -- zz-one afi";
    let screen = shell.types(line, "\t");
    check("bash", line, &offered(&screen, line), &["afile.txt"], &["afolder"]);
}

#[test]
fn bash_with_bash_completion_completes() {
    if !Path::new("/usr/share/bash-completion/bash_completion").exists() {
        assert!(std::env::var_os("SBSH_TEST_REQUIRE").is_none(), "bash-completion is needed for this check");
        println!("skipped: bash-completion is not installed");
        return;
    }
    let place = Place::new();
    let mut shell = bash(&place, "source /usr/share/bash-completion/bash_completion", AT_ONCE);
    in_terminal("bash-completion", &mut shell, CASES);
    in_terminal("bash-completion", &mut shell, ANOTHER);
}

#[test]
fn bash_says_what_is_listed_and_writes_only_the_name() {
    let place = Place::new();
    let mut shell = bash(&place, "", "");
    let screen = shell.types(ABOUT.0, "\t\t");
    assert!(screen.contains(ABOUT.1), "{screen}");
    let screen = shell.types("sbshctl allo", "\t\t");
    assert!(!screen.contains(ABOUT.1) && screen.contains("<<line>>sbshctl allow <<end>>"), "{screen}");
    // One after the other in the line: names alone.
    shell.types("bind '\"\\C-xt\": menu-complete'", "\r");
    let screen = shell.types("sbshctl a", "\x18t\x18t");
    assert!(screen.contains("<<line>>sbshctl allow "), "{screen}");
}

// --- zsh ------------------------------------------------------------------------------------------------------

fn zsh(place: &Place) -> Terminal {
    let start = format!(
        "fpath=({0}/functions $fpath)\nautoload -Uz compinit && compinit -u -D\n\
         compdef '_arguments \"*: :(inner-word inner-other)\"' zz-one\n\
         setopt no_beep no_prompt_sp no_auto_menu no_list_ambiguous no_always_last_prompt\nzstyle ':completion:*' list-prompt ''\nLISTMAX=1000\n\
         _end() {{ zle -I; print -r -- \"<<line>>$BUFFER<<end>>\"; BUFFER= }}\nzle -N _end\nbindkey '^Xm' _end\n\
         unset zle_bracketed_paste\nPS1='$ '\nprint -n -- '<<ready>>'\n",
        place.0.path().display()
    );
    fs::create_dir_all(place.path("functions")).unwrap();
    fs::copy(completions().join("sbsh.zsh"), place.path("functions/_sbsh")).unwrap();
    fs::write(place.path("home/.zshrc"), start).unwrap();
    let mut command = place.command("zsh");
    command.args(["--no-global-rcs", "-i"]);
    Terminal::start(command)
}

#[test]
fn zsh_completes() {
    if !there("zsh") {
        return;
    }
    let place = Place::new();
    let mut shell = zsh(&place);
    in_terminal("zsh", &mut shell, CASES);
    in_terminal("zsh", &mut shell, ANOTHER);
    let screen = shell.types(ABOUT.0, "\t");
    assert!(screen.contains(ABOUT.1), "{screen}");
    let screen = shell.types("sbshctl preset --", "\t");
    assert!(screen.contains("Show the difference; write nothing."), "{screen}");
}

// --- fish -----------------------------------------------------------------------------------------------------

#[test]
fn fish_completes() {
    if !there("fish") {
        return;
    }
    let place = Place::new();
    let lines: Vec<&str> = CASES.iter().chain(ANOTHER).map(|case| case.0).chain([ABOUT.0]).collect();
    let script = format!(
        "set fish_complete_path {} $fish_complete_path\ncomplete -c zz-one -f -a 'inner-word inner-other'\n\
         for line in $argv\n    complete -C $line\n    echo '<<end>>'\nend",
        completions().display()
    );
    let mut command = place.command("fish");
    let ran = command.args(["-c", &script, "--"]).args(&lines).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
    let mut answers = said.split("<<end>>\n");
    for (line, has, lacks) in CASES.iter().chain(ANOTHER) {
        let answer = answers.next().unwrap();
        let words: String =
            answer.lines().map(|answer| format!("{}\n", answer.split('\t').next().unwrap())).collect();
        check("fish", line, &words, has, lacks);
    }
    let answer = answers.next().unwrap();
    assert!(answer.contains(&format!("allow\t{}", ABOUT.1)), "{answer}");
}
