//! Real programs in the interactive session, on a real terminal: what they show, which keys reach them, and that the
//! terminal is as it was when they are gone, however they went.

use crate::net::has_programs;
use crate::real_network::{GOOD, online, sshd};
use crate::session::{COLUMNS, RC, ROWS, Session, each_with};
use crate::terminal::terminal_command;
use crate::world::{World, has, missing, not_here, until};
use nix::pty::Winsize;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::fs;
use std::os::fd::AsRawFd;
use std::process::Command;

/// How a terminal stands: its settings, and what programs turn on in it.
#[derive(Debug, PartialEq)]
struct State {
    settings: Termios,
    alternate_screen: bool,
    keypad: bool,
    cursor_keys: bool,
    hidden_cursor: bool,
    mouse: vt100::MouseProtocolMode,
}

impl Session {
    /// The screen's lines without the blanks at their ends.
    fn rows(&self) -> Vec<String> {
        let (_, columns) = self.screen.screen().size();
        self.screen.screen().rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// The line in which the cursor stands.
    fn cursor_row(&self) -> String {
        self.rows().swap_remove(usize::from(self.screen.screen().cursor_position().0))
    }

    /// Waits for the prompt, with this behind it.
    fn at_prompt(&mut self, text: &str) {
        let row = format!("\u{25c6} ready> {text}");
        self.wait(&row, |session| {
            session.cursor_row() == row.trim_end() && !session.screen.screen().hide_cursor()
        });
    }

    /// How the terminal stands; at a prompt, while the editor reads: it lets go of the terminal for a moment where there is
    /// something to show.
    fn state(&mut self) -> State {
        self.at_prompt("");
        let settings = RefCell::new(self.before.clone());
        self.wait("the editor", |session| {
            settings.replace(tcgetattr(&session.slave).unwrap());
            let raw = !settings.borrow().local_flags.contains(LocalFlags::ICANON);
            let screen = session.screen.screen();
            raw && screen.bracketed_paste() && !screen.hide_cursor()
        });
        let screen = self.screen.screen();
        State {
            settings: settings.into_inner(),
            alternate_screen: screen.alternate_screen(),
            keypad: screen.application_keypad(),
            cursor_keys: screen.application_cursor(),
            hidden_cursor: screen.hide_cursor(),
            mouse: screen.mouse_protocol_mode(),
        }
    }

    /// The terminal becomes this large, as a window does.
    fn resize(&mut self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is open here, and TIOCSWINSZ reads one `winsize`, which lives here.
        #[allow(unsafe_code)]
        let status =
            unsafe { nix::libc::ioctl(self.master.as_raw_fd(), nix::libc::TIOCSWINSZ, &raw const size) };
        nix::errno::Errno::result(status).unwrap();
        self.screen.set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
    }

    /// Enters a line and waits until its program shows this.
    fn begins(&mut self, line: &str, shows: &str) {
        self.types(&format!("{line}\r"));
        self.until(shows);
    }
}

/// Runs a check in a session, as each user; whatever was done in it, the terminal and the settings inside are as before.
fn in_session(bashrc: &str, check: impl Fn(&World, &mut Session)) {
    each_with(bashrc, |world| {
        // Programs keep what was typed to them at home, and would have it asked about when they are left.
        world.write(&world.home.join(".vimrc"), "set viminfo= t_u7= t_RV= t_RF= t_RB= noesckeys\n");
        world.write(&world.home.join(".config/procps/keep"), "");
        let mut session = Session::with(world, &[], |command| {
            command.env("LESSHISTFILE", "-").env("HTOPRC", "/dev/null");
        });
        session.line("clear");
        let (before, inside) = (session.state(), session.line("stty -a").output);
        check(world, &mut session);
        assert_eq!(session.state(), before);
        assert_eq!(session.line("stty -a").output, inside);
        session.types("exit\r");
        session.ends();
    });
}

#[test]
fn vi_edits_a_file_and_is_told_of_a_new_size() {
    if !has(&["vi"]) {
        return;
    }
    in_session(RC, |world, session| {
        session.begins("vi file", "\"file\"");
        assert!(session.screen.screen().alternate_screen());
        session.types("itext of a person\u{1b}");
        session.until("text of a person");
        session.types(":w\r");
        session.until("written");
        session.resize(ROWS + 6, COLUMNS - 20);
        // Lines without text have a tilde; below them is the line for commands.
        session.wait("redrawn", |s| s.rows()[usize::from(ROWS) + 4] == "~");
        session.types(":set lines? columns?\r");
        session.until(&format!("columns={}", COLUMNS - 20));
        session.types("\r:q\r");
        assert_eq!(session.over().status, 0);
        assert_eq!(fs::read_to_string(world.project.join("file")).unwrap(), "text of a person\n");
        assert_eq!(session.line("stty size").output, format!("{} {}\n", ROWS + 6, COLUMNS - 20));
        session.resize(ROWS, COLUMNS);
        session.lines(&[&format!("until [ \"$(stty size)\" = '{ROWS} {COLUMNS}' ]; do :; done"), "clear"]);
    });
}

#[test]
fn less_searches_in_what_is_piped_to_it() {
    if !has(&["less"]) {
        return;
    }
    in_session(RC, |_, session| {
        session.begins("seq 1000 | less", "23\n:");
        session.types("/777\r");
        session.wait("the line that was found", |s| s.rows()[0] == "777");
        session.types("G");
        session.until("1000\n(END)");
        session.types("q");
        let line = session.over();
        assert_eq!(line.status, 0);
        assert!(!session.shown().contains("777"), "{}", session.shown());
    });
}

#[test]
fn top_and_htop_show_processes_until_they_are_left() {
    in_session(RC, |_, session| {
        for (program, shows) in [("top", "load average"), ("htop", "Quit")] {
            if has(&[program]) {
                session.begins(program, shows);
                session.until("bash");
                session.types("q");
                assert_eq!(session.over().status, 0, "{program}");
                session.line("clear");
            }
        }
    });
}

#[test]
fn python_reads_lines_with_an_editor_of_its_own() {
    if !has(&["python3"]) {
        return;
    }
    in_session(RC, |_, session| {
        session.begins("python3 -q", ">>>");
        session.types("6 * 7\r");
        session.until("42\n>>>");
        session.types("\u{1b}[A00\r");
        session.until(">>> 6 * 700\n4200\n>>>");
        session.types("import getpass; getpass.getpass('word''? ')\r");
        session.until("word?");
        session.types("hidden\r");
        session.until("'hidden'\n>>>");
        session.types("\u{4}");
        assert_eq!(session.over().status, 0);
        assert_eq!(session.shown().matches("hidden").count(), 1, "{}", session.shown());
    });
}

/// Runs git as the world's user, outside.
fn git(world: &World, words: &[&str]) {
    let ran = world
        .command("git")
        .args(["-c", "init.defaultBranch=main", "-c", "user.name=x", "-c", "user.email=x@x"])
        .args(words)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn git_commit_opens_the_editor() {
    if !has(&["git", "vi"]) {
        return;
    }
    in_session(RC, |world, session| {
        git(world, &["init", "-q"]);
        world.write(&world.home.join(".gitconfig"), "[user]\nname = x\nemail = x@x\n");
        session.line("echo one > one; git add one");
        session.begins("git commit", "COMMIT_EDITMSG\"");
        session.types("iwords of a person\u{1b}:wq\r");
        let line = session.over();
        assert_eq!(line.status, 0, "{line:?}");
        assert_eq!(session.line("git log --format=%s | cat").output, "words of a person\n");
        // git's own pager, which leaves at once where all fits.
        assert!(session.line("git log").output.contains("words of a person"));
    });
}

#[test]
fn fzf_picks_a_line_with_the_whole_screen_and_below_the_prompt() {
    if !has(&["fzf"]) {
        return;
    }
    in_session(RC, |_, session| {
        for options in ["", "--height=6"] {
            session.begins(&format!("printf '%s\\n' alpha beta gamma | fzf {options}"), "3/3");
            session.types("bet");
            session.until("1/3");
            session.types("\r");
            let line = session.over();
            assert_eq!(line.status, 0, "{line:?}");
            assert!(line.output.ends_with("beta\n"), "{line:?}");
            session.line("clear");
        }
    });
}

#[test]
fn a_reader_that_goes_early_ends_what_writes() {
    in_session(RC, |_, session| {
        assert_eq!(session.line("yes | head -3").output, "y\ny\ny\n");
        assert_eq!(session.line("yes | head -1; echo ${PIPESTATUS[@]}").output, "y\n141 0\n");
    });
}

#[test]
fn a_program_may_ignore_one_key_and_be_ended_by_another() {
    in_session(RC, |_, session| {
        session.types("sh -c 'trap \"\" INT; echo begun; while read word; do echo got $word; done'\r");
        session.wait("begun", |s| s.raw.contains("begun\r\n"));
        session.types("\u{3}");
        session.until("^C");
        session.types("more\r");
        session.until("got more");
        session.types("\u{1c}");
        assert_eq!(session.over().status, 131);
    });
}

#[test]
fn a_pipeline_is_stopped_listed_resumed_and_ended() {
    in_session(RC, |_, session| {
        session.types("sh -c 'echo begun >&2; exec sleep 1000' | cat\r");
        session.wait("begun", |s| s.raw.contains("begun\r\n"));
        session.types("\u{1a}");
        assert_eq!(session.over().status, 148);
        let jobs = session.line("jobs").output;
        assert!(jobs.starts_with("[1]+  Stopped"), "{jobs:?}");
        session.types("fg\r");
        session.wait("the job", |s| s.raw.contains("sleep 1000' | cat\r\n"));
        assert_eq!(session.interrupted().status, 130);
        assert_eq!(session.line("jobs").output, "");
    });
}

#[test]
fn what_a_job_writes_is_shown_above_the_line_that_is_typed() {
    in_session(RC, |world, session| {
        session
            .line("mkfifo go; { read word; echo \"said $word\"; read word; printf 'and %s' $word; } <go &");
        let mut go = fs::OpenOptions::new().write(true).open(world.project.join("go")).unwrap();
        let mut say = |word: &str| std::io::Write::write_all(&mut go, word.as_bytes()).unwrap();
        session.types("echo typ");
        session.at_prompt("echo typ");
        say("one\n");
        session.until("said one\n");
        session.at_prompt("echo typ");
        session.types("ed");
        session.at_prompt("echo typed");
        say("two\n");
        session.until("and two\n");
        session.at_prompt("echo typed");
        session.types("\r");
        let line = session.over();
        assert!(line.output.lines().any(|line| line == "typed"), "{line:?}");
    });
}

#[test]
fn a_python_environment_changes_the_prompt_and_goes_again() {
    if !has(&["python3"]) {
        return;
    }
    in_session(RC, |world, session| {
        let made = world.command("python3").args(["-m", "venv", "--without-pip", "own"]).status().unwrap();
        assert!(made.success());
        session.line("source own/bin/activate");
        session.until("(own) ready>");
        let python = session.line("type -p python").output;
        assert_eq!(python, format!("{}\n", world.project.join("own/bin/python").display()));
        session.line("deactivate");
        session.at_prompt("");
        assert_eq!(session.line("type -p python").output.find("/own/"), None);
    });
}

#[test]
fn direnv_sets_variables_at_the_prompt() {
    if !has(&["direnv"]) {
        return;
    }
    in_session(&format!("{RC}eval \"$(direnv hook bash)\"\n"), |world, session| {
        let place = world.project.join("below");
        world.write(&place.join(".envrc"), "export GREETING=hello\n");
        assert!(world.command("direnv").args(["allow", "below/.envrc"]).status().unwrap().success());
        session.line("cd below");
        session.until("direnv: export +GREETING");
        assert_eq!(session.line("echo $GREETING").output, "hello\n");
        session.line("cd ..");
        session.until("direnv: unloading");
        assert_eq!(session.line("echo \"[$GREETING]\"").output, "[]\n");
    });
}

/// What a program turned on in the terminal and its end: nothing of it is left.
fn stands_as_found(session: &mut Session) {
    let screen = session.screen.screen();
    let left = (screen.alternate_screen(), screen.hide_cursor(), screen.bracketed_paste());
    assert_eq!(left, (false, false, false), "{}", session.shown());
    let screen = session.screen.screen();
    assert_eq!((screen.application_cursor(), screen.application_keypad()), (false, false));
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
}

/// Turns on what programs with the whole screen turn on.
const TAKES_THE_SCREEN: &str =
    r"printf '\033[?1049h\033[?25l\033[?1000;1006h\033[?1h\033=\033[2;9rthere'; stty raw -echo";

#[test]
fn what_a_killed_program_left_in_the_terminal_is_put_back() {
    in_session(RC, |world, session| {
        let program = format!("{TAKES_THE_SCREEN}\nkill -9 $$\n");
        world.write(&world.project.join("program"), &program);
        // As the first line that runs, and after others.
        for _ in 0..2 {
            let before = session.state();
            assert_eq!(session.line("sh program").status, 137);
            assert_eq!(session.state(), before);
            assert_eq!(session.line("echo typed").output, "typed\n");
        }
    });
}

#[test]
fn a_program_that_ends_without_giving_the_terminal_back_leaves_a_usable_prompt() {
    in_session(RC, |_, session| {
        session.line("found=$(stty -g)");
        let before = session.state();
        session.types(&format!("{TAKES_THE_SCREEN}\r"));
        assert_eq!(session.over().status, 0);
        assert_eq!(session.state(), before);
        // As with any other shell, the settings are what they are for the programs that follow.
        assert_eq!(session.line("stty -a | grep -o -e -icanon").output.trim(), "-icanon");
        session.at_prompt("");
        session.line("stty $found");
        session.at_prompt("");
    });
}

#[test]
fn a_shell_that_is_killed_and_a_front_end_that_is_ended_give_the_terminal_back() {
    each_with(RC, |world| {
        world.write(&world.project.join("program"), &format!("{TAKES_THE_SCREEN}\nexec sleep 1000\n"));
        let mut session = Session::start(world);
        session.types(&format!("{TAKES_THE_SCREEN}; kill -9 $$\r"));
        assert_eq!(session.ends(), 137);
        stands_as_found(&mut session);
        for line in ["sh program", "vi file", ""] {
            let mut session = Session::start(world);
            match line {
                "" => session.at_prompt(""),
                _ => session.begins(line, if line == "vi file" { "\"file\"" } else { "there" }),
            }
            kill(Pid::from_raw(session.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
            assert_eq!(session.ends(), 143, "{line}");
            stands_as_found(&mut session);
        }
    });
}

#[test]
fn a_hundred_megabytes_come_through_as_they_are() {
    each_with(RC, |world| {
        let mut text = Vec::with_capacity(100 << 20);
        let mut state = 88_172_645_463_325_252_u64;
        while text.len() < 100 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.extend(
                format!("{state:x} \u{1b}[3{}m{:x}\u{1b}[m\r\n", state % 8, state.rotate_left(9))
                    .into_bytes(),
            );
        }
        let file = world.project.join("file");
        fs::write(&file, String::from_utf8(text.clone()).unwrap().replace("\r\n", "\n")).unwrap();
        world.give(&file);
        let mut session = Session::start(world);
        session.types("cat file\r");
        session.wait("its title", |s| s.raw.contains("\u{1b}]2;cat file\u{1b}\\"));
        let (_, came) = session.raw.split_once("\u{1b}]2;cat file\u{1b}\\").unwrap();
        let mut place = came.len();
        assert!(text.starts_with(came.as_bytes()));
        let mut bytes = vec![0; 1 << 16];
        while place < text.len() {
            let wanted = (text.len() - place).min(bytes.len());
            let length = std::io::Read::read(&mut session.master, &mut bytes[..wanted]).unwrap();
            assert!(bytes[..length] == text[place..place + length], "differs behind byte {place}");
            place += length;
        }
        session.raw.clear();
        let line = session.over();
        assert_eq!((line.output.as_str(), line.status), ("", 0));
        session.at_prompt("");
    });
}

#[test]
fn a_question_while_a_program_has_the_whole_screen_is_answered_and_the_screen_drawn_anew() {
    if !has(&["vi"]) {
        return;
    }
    in_session(RC, |world, session| {
        session.begins("vi file", "\"file\"");
        session.types("itext\u{1b}");
        let file = world.outside.join("file");
        session.types(&format!(":w {}\r", file.display()));
        session.until("[o]nce");
        session.answers("o", "once");
        session.wait("the text drawn anew", |s| s.rows()[0] == "text" && s.rows()[5] == "~");
        session.types(":echo 6 * 7\r");
        session.until("42");
        session.types(":q!\r");
        session.over();
        assert_eq!(fs::read_to_string(file).unwrap(), "text\n");
    });
}

#[test]
fn a_prompt_of_two_lines_with_colours_is_made_anew_for_each_line() {
    const PROMPT: &str = r"
        two_lines() {
            local status=$?
            PS1='\[\e[1;36m\]\W\[\e[0m\] on \[\e[35m\]main\[\e[0m\]'
            if [ $status != 0 ]; then PS1+=' \[\e[31m\]'$status'\[\e[0m\]'; fi
            PS1+='\n\[\e[32m\]❯\[\e[0m\] '
        }
        PROMPT_COMMAND=two_lines";
    each_with(PROMPT, |world| {
        let mut session = Session::start(world);
        let prompt = |s: &Session, first: &str, rest: &str| {
            let (row, _) = s.screen.screen().cursor_position();
            let rows = s.rows();
            row > 0
                && rows[usize::from(row) - 1] == first
                && rows[usize::from(row)] == format!("❯ {rest}").trim_end()
        };
        session.wait("the prompt", |s| prompt(s, "◆ project on main", ""));
        session.line("sh -c 'exit 3'");
        session.wait("the status", |s| prompt(s, "◆ project on main 3", ""));
        let (row, _) = session.screen.screen().cursor_position();
        let colour = |row, column| session.screen.screen().cell(row, column).unwrap().fgcolor();
        assert_eq!(colour(row - 1, 2), vt100::Color::Idx(6));
        assert_eq!(colour(row - 1, 18), vt100::Color::Idx(1));
        assert_eq!(colour(row, 0), vt100::Color::Idx(2));
        // What is written above the line takes both lines away and puts them below.
        session.line("mkfifo go; { read word; echo \"said $word\"; } <go &");
        session.types("echo typ");
        session.wait("what is typed", |s| prompt(s, "◆ project on main", "echo typ"));
        fs::write(world.project.join("go"), "one\n").unwrap();
        session.until("said one\n◆ project on main\n❯ echo typ");
        assert!(!session.shown().contains("main\nsaid"), "{}", session.shown());
        session.types("ed\r");
        assert!(session.over().output.lines().any(|line| line == "typed"));
    });
}

/// A start-up file of five hundred lines: the distribution's own, or what it would be, and a person's functions.
fn long_bashrc() -> String {
    let own = fs::read_to_string("/etc/skel/.bashrc").unwrap_or_else(|_| RC.into());
    let functions = (0..130)
        .map(|n| format!("f{n}() {{\n    local word=${{1:-{n}}}\n    printf '%s\\n' \"$word\"\n}}\n"));
    let rest = "alias gs='git status'\nexport EDITOR=vi\nshopt -s autocd globstar\nset -o noclobber\ntrap 'echo left >|left' EXIT\n";
    own + &functions.collect::<String>() + rest
}

#[test]
fn a_start_up_file_of_five_hundred_lines_leaves_what_it_leaves_in_bash() {
    const ASKS: &str = "alias; shopt; declare -F | grep -v __sbsh; trap; echo $HISTCONTROL $HISTSIZE $EDITOR; set -o | grep -v emacs";
    let text = long_bashrc();
    assert!(text.lines().count() > 500);
    each_with(&text, |world| {
        let mut bash = world.command("/bin/bash");
        bash.args(["-ic", ASKS]).env("TERM", "xterm-256color");
        let bash = String::from_utf8(bash.output().unwrap().stdout).unwrap();
        fs::remove_file(world.project.join("left")).unwrap();
        let mut session = Session::start(world);
        session.wait("the prompt", |s| {
            s.cursor_row().ends_with(if world.user == 0 { "project#" } else { "project$" })
        });
        let shown = session.line(&format!("{{ {ASKS}; }} >|found")).output;
        assert_eq!(shown, "");
        let found = fs::read_to_string(world.project.join("found")).unwrap();
        // Of a shell that reads no line, as this bash.
        let same = |text: &str| -> Vec<String> {
            let differs = |line: &&str| {
                !["checkwinsize", "history", "monitor", "histexpand"]
                    .iter()
                    .any(|name| line.starts_with(name))
            };
            text.lines().filter(differs).map(str::to_owned).collect()
        };
        assert_eq!(same(&found), same(&bash));
        assert_eq!(session.line("f77; f78 word").output, "77\nword\n");
        session.types("exit\r");
        session.ends();
        assert_eq!(fs::read_to_string(world.project.join("left")).unwrap(), "left\n");
    });
}

#[test]
fn ssh_logs_in_and_asks_for_what_it_needs_on_the_terminal() {
    if !has_programs() || !has(&["sshd", "ssh", "ssh-keygen"]) {
        return;
    }
    online(GOOD, |world, outside| {
        world.write(&world.home.join(".bashrc"), RC);
        let (_server, _) = sshd(world, outside);
        // A group of its own would keep it from leading the terminal's session.
        let there = outside.command(world, &world.bin("sbsh"), &[]);
        let mut command = Command::new(there.get_program());
        command.args(there.get_args()).current_dir(&world.project).env_clear();
        command.envs(there.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "xterm-256color");
        let mut session = Session::of(command);
        session.over();
        let before = session.state();
        session.types("ssh good.test\r");
        session.wait("the prompt there", |s| s.cursor_row() == "#");
        session.types("echo \"$((6 * 7)) $(stty size)\"; read word; echo got $word\r");
        session.until(&format!("42 {ROWS} {COLUMNS}"));
        session.types("more\r");
        session.until("got more\n#");
        session.types("sleep 1000\r\u{3}");
        session.until("^C\n#");
        session.types("exit 3\r");
        assert_eq!(session.over().status, 3);
        assert_eq!(session.state(), before);
        session.line("clear");
        let key = world.project.join("key");
        let encrypt = ["-q", "-p", "-P", "", "-N", "secret", "-f", key.to_str().unwrap()];
        assert!(Command::new("ssh-keygen").args(encrypt).status().unwrap().success());
        world.give(&key);
        session.begins("ssh -o BatchMode=no good.test 'echo came $((6 * 7))'", "Enter passphrase for key");
        session.types("secret\r");
        let line = session.over();
        assert!(line.status == 0 && line.output.ends_with("came 42\n"), "{line:?}");
        assert!(!session.shown().contains("secret"));
        session.line("clear");
        session.begins("ssh -o BatchMode=no good.test", "Enter passphrase for key");
        // ssh forgets a key that comes between its question and its reading.
        assert_eq!(session.interrupted().status, 130);
        assert_eq!(session.state(), before);
        assert!(session.line("stty -a").output.contains(" echo "), "{}", session.shown());
    });
}

#[test]
fn tmux_runs_in_a_session() {
    if !has(&["tmux"]) {
        return;
    }
    in_session(RC, |world, session| {
        // Keys that come together are a paste otherwise, and no commands.
        world.write(&world.project.join("conf"), "set -g assume-paste-time 0\n");
        session.begins("tmux -f conf -S ./socket new-session 'echo in $((6 * 7)); exec cat'", "in 42");
        assert!(session.screen.screen().alternate_screen());
        session.types("typed\r");
        session.until("typed\ntyped");
        session.resize(ROWS - 4, COLUMNS - 20);
        session.wait("its last line in its new place", |s| s.rows().last().unwrap().starts_with("[0]"));
        session.types("\u{2}d");
        assert!(session.over().output.contains("[detached"), "{}", session.shown());
        session.resize(ROWS, COLUMNS);
        session.line("tmux -S ./socket kill-server");
        session.lines(&[&format!("until [ \"$(stty size)\" = '{ROWS} {COLUMNS}' ]; do :; done"), "clear"]);
        assert!(world.project.join("socket").exists());
    });
}

#[test]
fn a_job_that_writes_without_end_leaves_the_keys_to_the_person() {
    in_session(RC, |_, session| {
        session.line("yes &");
        session.types("kill %1\r");
        session.over();
        session.line("wait; clear");
        session.at_prompt("");
    });
}

#[test]
fn a_job_that_reads_the_terminal_stops_as_it_does_in_bash() {
    in_session(RC, |_, session| {
        session.line("cat &");
        while !session.line("jobs").output.contains("Stopped") {}
        session.types("fg\r");
        session.wait("the job", |s| s.raw.contains("cat\r\n"));
        session.types("word\r");
        session.until("word\nword");
        session.types("\u{4}");
        assert_eq!(session.over().status, 0);
    });
}

#[test]
fn read_takes_keys_with_and_without_an_echo() {
    in_session(RC, |_, session| {
        session
            .begins("read -p 'name? ' name; read -sp 'secret? ' secret; read -n 1 -p 'key? ' key", "name? ");
        session.types("person\r");
        session.until("secret? ");
        session.types("hidden\r");
        session.until("key? ");
        session.types("y");
        session.over();
        assert_eq!(session.line("echo $name $secret $key").output, "person hidden y\n");
        session.begins("select word in one two; do echo \"took $word\"; break; done", "#? ");
        session.types("2\r");
        assert!(session.over().output.contains("took two\n"));
        session.line("clear");
    });
}

#[test]
fn settings_of_the_terminal_that_a_line_makes_hold_for_the_next() {
    in_session(RC, |_, session| {
        session.line("found=$(stty -g); stty -echo intr ^G");
        session.types("cat\r");
        session.wait("the line", |s| s.raw.contains("]2;cat"));
        session.types("word\r");
        session.until("word");
        session.types("\u{7}");
        assert_eq!(session.over().status, 130);
        assert_eq!(session.shown().matches("word").count(), 1, "{}", session.shown());
        session.line("stty $found; clear");
    });
}

#[test]
fn a_shell_within_the_shell_and_one_in_its_place_have_the_terminal() {
    in_session(RC, |_, session| {
        // With an editor of its own, and jobs.
        session.begins("PS1='within> ' bash --norc", "within>");
        session.types("echo $((6 * 7))\r");
        session.until("\n42\nwithin>");
        session.types("\u{1b}[A0\r");
        session.until("\n420\nwithin>");
        session.types("sh -c 'echo $((6 * 8)); exec sleep 1000'\r");
        session.until("\n48");
        session.types("\u{1a}");
        session.until("Stopped");
        session.until("\nwithin>");
        session.types("clear; fg\r");
        session.wait("the job", |s| s.rows()[0].contains("exec sleep 1000"));
        session.raw.clear();
        session.presses("\u{3}", "within>");
        session.types("exit 4\r");
        assert_eq!(session.over().status, 4);
        session.line("clear");
    });
    each_with(RC, |world| {
        let mut session = Session::start(world);
        session.types("export PS1='another> '; exec bash --norc\r");
        session.until("\nanother>");
        session.types("echo $((6 * 7)); false\r");
        session.until("\n42\nanother>");
        session.types("exit 5\r");
        assert_eq!(session.ends(), 5);
    });
}

#[test]
fn completions_of_bash_completion_are_offered() {
    if !has(&["git"]) {
        return;
    }
    let rc = format!("{RC}. /usr/share/bash-completion/bash_completion\n");
    in_session(&rc, |world, session| {
        git(world, &["init", "-q"]);
        git(world, &["commit", "-q", "--allow-empty", "-m", "x"]);
        git(world, &["branch", "another"]);
        session.types("git checkou\t");
        session.at_prompt("git checkout ");
        session.types("ano\t");
        session.at_prompt("git checkout another ");
        session.types("\r");
        let line = session.over();
        assert_eq!(line.status, 0, "{line:?}");
        for (typed, completed) in [
            ("apt-get insta", "apt-get install "),
            ("apt-cache poli", "apt-cache policy "),
            ("systemctl daemon-rel", "systemctl daemon-reload "),
        ] {
            let program = typed.split(' ').next().unwrap();
            if !missing(&[program]).is_empty() {
                not_here(&format!("{program} is not installed"));
                continue;
            }
            session.types(&format!("{typed}\t"));
            session.at_prompt(completed);
            session.types("\u{3}");
            session.over();
        }
    });
}

/// Completes like programs made with cobra do, whose script lines words and descriptions up; one deceives.
const DESCRIBED: &str = r#"
tool_words() { COMPREPLY=('get       (Show one)' $'set\tChange \e[31mone' 'go  -- travel'); }
complete -F tool_words tool
"#;

#[test]
fn the_menu_says_what_things_are_and_inserts_the_words_alone() {
    in_session(&format!("{RC}{DESCRIBED}"), |world, session| {
        session.types("tool \t\t");
        session.until("travel");
        let rows = session.rows();
        let has =
            |word: &str, about: &str| rows.iter().any(|row| row.starts_with(word) && row.ends_with(about));
        assert!(
            has("get", " Show one") && has("set", " Change \\e[31mone") && has("go", " travel"),
            "{rows:#?}"
        );
        session.types("s\t");
        session.at_prompt("tool set ");
        session.types("\u{3}");
        session.over();
        session.line("MY_TOKEN=abc; MY_TOWN=here; clear");
        session.types("echo $MY_TO\t\t");
        session.until("here");
        assert!(!session.shown().contains("abc"), "{}", session.shown());
        session.types("\u{3}");
        session.over();
        world.write(&world.project.join("file one"), "text");
        world.write(&world.project.join("file two"), "");
        session.types("cat fil\t\t");
        session.until("4 B");
        assert!(session.rows().iter().any(|row| row.starts_with("file one") && row.ends_with(" 4 B")));
        session.types("\u{3}");
        session.over();
    });
}

#[test]
fn a_program_with_the_whole_screen_is_stopped_and_goes_on() {
    if !has(&["vi"]) {
        return;
    }
    in_session(RC, |world, session| {
        let before = session.state();
        session.begins("vi file", "\"file\"");
        session.types("itext\u{1b}\u{1a}");
        assert_eq!(session.over().status, 148);
        assert_eq!(session.state(), before);
        assert_eq!(session.line("echo typed").output, "typed\n");
        // Another size meanwhile.
        session.resize(ROWS + 3, COLUMNS);
        session.types("fg\r");
        session.wait("vi", |s| s.rows()[0] == "text" && s.rows()[usize::from(ROWS) + 1] == "~");
        session.types(":wq\r");
        assert_eq!(session.over().status, 0);
        assert_eq!(fs::read_to_string(world.project.join("file")).unwrap(), "text\n");
        session.resize(ROWS, COLUMNS);
        session.lines(&[&format!("until [ \"$(stty size)\" = '{ROWS} {COLUMNS}' ]; do :; done"), "clear"]);
    });
}

#[test]
fn a_question_of_a_job_comes_while_the_person_types_and_the_line_goes_on() {
    in_session(RC, |world, session| {
        let file = world.outside.join("file");
        session.line(&format!("mkfifo go; {{ read word; echo $word >{}; }} <go &", file.display()));
        session.types("echo typ");
        session.at_prompt("echo typ");
        fs::write(world.project.join("go"), "one\n").unwrap();
        session.until("[o]nce");
        session.answers("o", "once");
        session.at_prompt("echo typ");
        session.types("ed\r");
        let line = session.over();
        assert!(line.output.lines().any(|line| line == "typed"), "{line:?}\n{}", session.shown());
        session.line("wait");
        assert_eq!(fs::read_to_string(file).unwrap(), "one\n");
    });
}

#[test]
fn programs_that_read_lines_or_show_something_again_and_again() {
    in_session(RC, |_, session| {
        for (program, line, shows, end) in [
            ("bc", "bc -q", "6 * 7\n42", "quit\r"),
            ("node", "NODE_REPL_HISTORY= node", "> 6 * 7\n42\n>", "\u{4}"),
            ("sqlite3", "sqlite3 -init /dev/null", "sqlite> select 6 * 7;\n42\nsqlite>", ".quit\r"),
            ("gdb", "gdb -q -nx", "(gdb) print 6 * 7\n$1 = 42\n(gdb)", "quit\r"),
        ] {
            if !has(&[program]) {
                continue;
            }
            session.types(&format!("{line}\r"));
            let asks = shows.rsplit('\n').next().filter(|asks| !asks.starts_with('4'));
            if let Some(asks) = asks {
                session.wait(asks, |s| s.cursor_row() == asks);
            } else {
                session.wait("the line", |s| s.raw.contains("133;C"));
            }
            let text = shows.lines().next().unwrap();
            session.types(&format!("{}\r", text.trim_start_matches(asks.unwrap_or_default()).trim_start()));
            session.until(shows);
            session.types(end);
            assert_eq!(session.over().status, 0, "{program}");
            session.line("clear");
        }
        if has(&["watch"]) {
            session.begins("watch -n 0.1 'echo $((6 * 7))'", "\n42");
            session.interrupted();
        }
    });
}

#[test]
fn output_without_an_end_of_line_is_kept_and_the_prompt_stands_below() {
    in_session(RC, |_, session| {
        assert_eq!(session.line("printf 'no end'").output, "no end");
        session.at_prompt("");
        session.until("no end\n◆ ready>");
    });
}

/// A start-up file as frameworks for zsh make it: hooks, git in the right prompt, completion, keys and widgets.
const ZSHRC: &str = r#"
setopt prompt_subst extended_glob auto_cd auto_pushd hist_ignore_space
autoload -Uz add-zsh-hook vcs_info is-at-least colors && colors
autoload -Uz compinit && compinit -u -D
zstyle ':vcs_info:git:*' formats 'on %b'
add-zsh-hook precmd vcs_info
began=0
count() { (( began++ )) }
add-zsh-hook preexec count
git_main() { print -r -- main }
alias gs='git status'
alias -g G='| grep'
bindkey -e
bindkey '^R' history-incremental-search-backward
widget() { BUFFER=x }
zle -N widget
bindkey '^X^X' widget
PROMPT='%{$fg[cyan]%}%1~%{$reset_color%} ready> '
RPROMPT='%F{magenta}${vcs_info_msg_0_}%f'
"#;

#[test]
fn zsh_with_what_frameworks_set_up_runs_programs_and_jobs() {
    if !has(&["zsh", "vi", "git"]) {
        return;
    }
    each_with(RC, |world| {
        world.write(&world.home.join(".zshrc"), ZSHRC);
        world.write(&world.home.join(".vimrc"), "set viminfo= t_u7= t_RV= t_RF= t_RB= noesckeys\n");
        git(world, &["init", "-q"]);
        git(world, &["commit", "-q", "--allow-empty", "-m", "x"]);
        let mut command = terminal_command(world, world.bin("zsh").to_str().unwrap());
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("PWD", &world.project);
        let mut session = Session::of(command);
        // The welcome, and not a word of the shell.
        let said = session.over().output;
        assert!(said.ends_with("chsh -s /bin/bash\n"), "{said}");
        let prompt = |s: &Session| {
            let row = s.cursor_row();
            row.starts_with("\u{25c6} project ready>") && row.ends_with("on main")
        };
        session.wait("the prompts", prompt);
        let (row, _) = session.screen.screen().cursor_position();
        assert_eq!(session.screen.screen().cell(row, 2).unwrap().fgcolor(), vt100::Color::Idx(6));
        assert_eq!(
            session.lines(&["a=(one two)", "print -r $a[2] $+commands[git] $(git_main)"]),
            "two 1 main\n"
        );
        assert_eq!(session.line("print -l a b G b").output, "b\n");
        assert_eq!(session.lines(&["false", "print $? $began"]), "1 5\n");
        session.types("git cherry\t\t");
        session.until("apply changes introduced by some existing commits");
        session.types("-\t");
        session.wait("the word", |s| s.cursor_row().contains("ready> git cherry-pick "));
        session.types("\u{3}");
        session.over();
        session.begins("vi file", "\"file\"");
        session.types("itext\u{1b}\u{1a}");
        assert_eq!(session.over().status, 148);
        session.types("fg\r");
        session.wait("vi", |s| s.rows()[0] == "text" && s.rows()[5] == "~");
        session.types(":wq\r");
        assert_eq!(session.over().status, 0);
        assert_eq!(fs::read_to_string(world.project.join("file")).unwrap(), "text\n");
        // No pipeline: zsh 5.9 gives one that was stopped within `eval` the wrong group with `fg`.
        session.types("sh -c 'echo begun; exec sleep 1000'\r");
        session.wait("begun", |s| s.raw.contains("begun\r\n"));
        session.types("\u{1a}");
        assert_eq!(session.over().status, 148);
        assert!(session.line("jobs").output.contains("suspended"), "{}", session.shown());
        session.types("fg\r");
        session.wait("the job", |s| s.raw.contains("continued"));
        assert_eq!(session.interrupted().status, 130);
        world.write(&world.project.join("program"), &format!("{TAKES_THE_SCREEN}\nkill -9 $$\n"));
        assert_eq!(session.line("sh program").status, 137);
        session.wait("the prompts", prompt);
        assert!(!session.screen.screen().alternate_screen());
        session.types(&format!("{TAKES_THE_SCREEN}; kill -9 $$\r"));
        assert_eq!(session.ends(), 137);
        stands_as_found(&mut session);
    });
}

#[test]
fn jobs_end_with_the_terminal_however_the_front_end_ends() {
    each_with(RC, |world| {
        for signal in [Signal::SIGHUP, Signal::SIGTERM] {
            let mut session = Session::start(world);
            session.line("sleep 7654321 &");
            session.at_prompt("");
            kill(Pid::from_raw(session.child.id().try_into().unwrap()), signal).unwrap();
            assert_eq!(session.ends(), 128 + signal as i32);
            until(|| {
                Command::new("pgrep").args(["-f", "^sleep 7654321"]).output().unwrap().stdout.is_empty()
            });
        }
    });
}

#[test]
fn what_the_shell_says_of_marks_expansion_history_and_its_end_holds_in_the_editor() {
    in_session(RC, |world, session| {
        let history = world.locations().state_dir.unwrap().join("history");
        let kept = |text: &str| fs::read_to_string(&history).unwrap().contains(text);
        session.line("set +H");
        session.at_prompt("");
        let prompt = &session.raw;
        assert!(prompt.contains("\u{1b}]133;A") && prompt.contains("\u{1b}]133;B"), "{prompt:?}");
        assert_eq!(session.line("echo a!!").output, "a!!\n");
        session.line("set -H");
        session.types("echo b!!\r");
        session.at_prompt("echo bset -H");
        session.types("\r");
        assert_eq!(session.over().output, "bset -H\n");

        session.line("set +o history");
        session.line("echo unseen");
        session.line("set -o history; echo seen");
        session.line("unset HISTFILE");
        session.line("echo for a while");
        assert!(!kept("unseen") && kept("unset HISTFILE") && !kept("for a while"));
        session.types("\u{1b}[A");
        session.at_prompt("echo for a while");
        session.types("\u{15}");
        session.at_prompt("");
        session.line("HISTFILE=/dev/null");
        session.line("echo for ever");
        assert!(kept("for ever"));

        session.line("IGNOREEOF=1; clear");
        for _ in 0..2 {
            session.types("\u{4}");
            session.until("Use \"exit\" to leave the shell.\n\u{25c6} ready>");
            assert_eq!(session.line("clear").status, 0);
        }
        session.types("\u{4}");
        session.until("Use \"exit\" to leave the shell.\n\u{25c6} ready>");
        session.types("\u{4}");
        assert_eq!(session.ends(), 0);
        *session = Session::start(world);
        session.line("clear");
    });
}

#[test]
fn an_editor_with_marks_of_its_own_gets_those_alone() {
    each_with(RC, |world| {
        let mut session = Session::open(world, &[], |command| {
            command.env("TERM_PROGRAM", "vscode");
        });
        session.at_prompt("");
        session.raw.clear();
        session.types("echo one\r");
        session.wait("the end of the line", |s| s.raw.contains("\u{1b}]633;D;0\u{7}"));
        session.at_prompt("");
        for part in ["A", "B", "C", "E;echo one\u{7}"] {
            assert!(session.raw.contains(&format!("\u{1b}]633;{part}")), "{part} in {:?}", session.raw);
        }
        assert!(!session.raw.contains("]133;"), "{:?}", session.raw);
    });
}

/// A program that makes prompts as starship does: it is told how the line before ended, and says what stands in front of
/// the next one.
const PROMPTER: &str = r#"#!/bin/sh
case $1 in
time) date +%s%3N ;;
prompt)
    said=
    for word; do
        case $word in
        --status=*) said="$said s${word#*=}" ;;
        --pipestatus=*) said="$said p${word#*=}" ;;
        --jobs=*) said="$said j${word#*=}" ;;
        --cmd-duration=*) said="$said timed" ;;
        --continuation) printf 'more> '; exit ;;
        esac
    done
    printf '\n\001\033[1;36m\002in %s\001\033[0m\002%s\nready> ' "${PWD##*/}" "$said"
    ;;
esac
"#;

/// What the program's `init` has a shell do, in other words: a time taken by PS0 without a word being shown, a prompt made
/// by PROMPT_COMMAND of the status before it, an earlier PROMPT_COMMAND kept.
const PROMPTER_BASH: &str = r#"
PATH=$PWD/bin:$PATH
PROMPT_COMMAND='earlier=$?'
before_prompt() {
    local status=$? pipe=("${PIPESTATUS[@]}") count=0 one
    jobs >/dev/null 2>&1
    for one in $(jobs -p); do count=$((count + 1)); done
    (exit "$status")
    eval "$kept"
    local words=("--status=$status" "--pipestatus=${pipe[*]}" "--jobs=$count")
    [[ $began ]] && words+=("--cmd-duration=$(($(prompter time) - began))")
    began=
    PS1=$(prompter prompt "${words[@]}")
}
PS0='${began:$((began=$(prompter time),0)):0}'
kept=$PROMPT_COMMAND PROMPT_COMMAND=before_prompt
shopt -s checkwinsize
PS2=$(prompter prompt --continuation)
"#;

fn prompter(world: &World) {
    let program = world.project.join("bin/prompter");
    world.write(&program, PROMPTER);
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_program_that_makes_prompts_is_told_how_the_line_before_ended() {
    each_with(PROMPTER_BASH, |world| {
        prompter(world);
        let mut session = Session::start(world);
        session.until("in project s0 p0 j0\n");
        session.line("false");
        session.until("in project s1 p1 j0 timed\nready>");
        session.line("mkdir -p below; cd below; sleep 1000 &");
        session.until("in below s0 p0 j1 timed\nready>");
        assert_eq!(session.line("(exit 3)").status, 3);
        session.until("in below s3 p3 j1 timed\nready>");
        assert_eq!(session.line("echo $? $earlier").output, "3 3\n");
        session.types("echo 'a\r");
        session.until("more>");
        session.types("b'\r");
        assert_eq!(session.over().output, "a\nb\n");
        session.line("kill %1; wait");
        session.until("j0 timed\nready>");
        let row = session.rows().iter().rposition(|row| row.starts_with("in below")).unwrap();
        let cell = session.screen.screen().cell(row.try_into().unwrap(), 0).unwrap();
        assert_eq!((cell.fgcolor(), cell.bold()), (vt100::Color::Idx(6), true));
    });
}

/// Functions as version managers have them: one that goes through the path by itself, one that evaluates what a program
/// says and remembers the prompt.
const MANAGERS: &str = r#"
nodes() {
    local part rest=$PATH: kept=
    while [[ $rest ]]; do
        part=${rest%%:*} rest=${rest#*:}
        [[ $part == "$PWD"/nodes/* ]] || kept+=${kept:+:}$part
    done
    case $1 in
    use)
        [[ -d $PWD/nodes/$2/bin ]] || { echo "no version $2" >&2; return 3; }
        PATH=$PWD/nodes/$2/bin:$kept
        echo "Now using $2"
        ;;
    none) PATH=$kept ;;
    esac
    hash -r
}
sky() {
    local said
    case $1 in
    activate | deactivate)
        said=$(./sky-program shell."$@") || return
        eval "$said"
        hash -r
        ;;
    *) ./sky-program "$@" ;;
    esac
}
"#;

const SKY: &str = r#"#!/bin/sh
case $1 in
shell.activate)
    [ -d "envs/$2" ] || { echo "no environment $2" >&2; exit 1; }
    echo "SKY_OLD_PS1=\$PS1 SKY_OLD_PATH=\$PATH; PS1='($2) '\$PS1; PATH=\$PWD/envs/$2/bin:\$PATH; export SKY_ENV=$2"
    ;;
shell.deactivate) echo 'PS1=$SKY_OLD_PS1 PATH=$SKY_OLD_PATH; unset SKY_ENV SKY_OLD_PS1 SKY_OLD_PATH' ;;
esac
"#;

#[test]
fn functions_of_version_managers_change_the_shell_and_its_prompt() {
    in_session(&format!("{RC}{MANAGERS}"), |world, session| {
        let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let program = |path: &str, text: &str| {
            let path = world.project.join(path);
            world.write(&path, text);
            fs::set_permissions(&path, std::fs::Permissions::clone(&runs)).unwrap();
        };
        program("nodes/18/bin/node", "#!/bin/sh\necho eighteen\n");
        program("nodes/20/bin/node", "#!/bin/sh\necho twenty\n");
        program("envs/far/bin/tool", "#!/bin/sh\necho $SKY_ENV\n");
        program("sky-program", SKY);
        assert_eq!(session.line("nodes use 18; node").output, "Now using 18\neighteen\n");
        assert_eq!(session.lines(&["nodes use 20", "node"]), "twenty\n");
        assert_eq!(session.line("nodes use 7").status, 3);
        assert_eq!(
            session.lines(&["nodes none", "type -P nodes/18/bin/node; echo $PATH | grep -c nodes"]),
            "nodes/18/bin/node\n0\n"
        );
        assert_eq!(session.line("sky activate near").status, 1);
        session.line("sky activate far");
        session.until("(far) ready>");
        assert_eq!(session.line("tool").output, "far\n");
        session.line("sky deactivate");
        session.at_prompt("");
        assert_eq!(session.line("tool").status, 127);
        world.write(&world.project.join("activate"), "greeting=hello\nreturn 4\n");
        assert_eq!(session.line("source ./activate").status, 4);
        assert_eq!(session.line("echo $greeting").output, "hello\n");
    });
}

/// Plug-ins for zsh as people have them. What is about hooks, prompts, aliases, functions and completion works; widgets and
/// keys (suggestions, colours, vi modes) are for zsh's own line editor, and must be without harm.
const PLUGINS: &str = r#"
setopt prompt_subst
autoload -Uz add-zsh-hook compinit; compinit -u -D
typeset -a been
note() { been+=($PWD:t) }
add-zsh-hook chpwd note
typeset -F SECONDS
stamp() { began=$SECONDS }
took() { local status_=$?; [[ -n $began ]] && took=timed || took=; unset began; state=$status_ }
add-zsh-hook preexec stamp
add-zsh-hook precmd took
command_not_found_handler() { print "no $1 here"; return 127 }
suggest() { zle .self-insert; POSTDISPLAY=suggested }
zle -N self-insert suggest
zle-line-init() { print -n 'INIT' }
zle -N zle-line-init
zle-keymap-select() { zle reset-prompt }
zle -N zle-keymap-select
bindkey -M viins '^R' self-insert
alias -s txt=cat
alias ...='cd ../..'
hash -d where=$PWD
extract() { print "extracts $1" }
_extract() { _arguments '*:archive:_files -g "*.zip"' }
compdef _extract extract
PROMPT='%(?..[$state] )$took %1~ ready> '
"#;

#[test]
fn plug_ins_of_zsh_work_as_far_as_they_need_no_line_editor_of_its_own() {
    if !has(&["zsh"]) {
        return;
    }
    each_with(RC, |world| {
        world.write(&world.home.join(".zshrc"), PLUGINS);
        for name in ["a b.zip", "a.txt", "below/deep/x"] {
            world.write(&world.project.join(name), "text\n");
        }
        let mut command = terminal_command(world, world.bin("zsh").to_str().unwrap());
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("PWD", &world.project);
        let mut session = Session::of(command);
        let said = session.over().output;
        assert!(said.ends_with("chsh -s /bin/bash\n"), "{said}");
        session.line("false");
        session.until("[1] timed ~where ready>");
        session.line("cd below/deep");
        session.until("timed deep ready>");
        assert_eq!(session.lines(&["...", "print $been $PWD:t"]), "deep project project\n");
        assert_eq!(session.line("nothing-like-it").output, "no nothing-like-it here\n");
        assert_eq!(session.line("./a.txt").output, "text\n");
        assert_eq!(session.line("print -r -- ~where").output, format!("{}\n", world.project.display()));
        session.types("extract a\t");
        session.wait("the archive", |s| s.cursor_row().contains("ready> extract a\\ b.zip"));
        session.types("\r");
        assert_eq!(session.over().output, "extracts a b.zip\n");
        assert!(!session.shown().contains("INIT"), "{}", session.shown());
    });
}

#[test]
fn a_line_that_sbsh_itself_answers_is_not_shown_as_a_command_that_is_missing() {
    each_with(RC, |world| {
        let mut session = Session::start(world);
        let colour = |session: &Session, text: &str| {
            let row = session.rows().iter().rposition(|row| row.contains(text))?;
            let column = session.rows()[row].find(text)?;
            let cell = session.screen.screen().cell(row.try_into().ok()?, column.try_into().ok()?)?.clone();
            Some(cell.fgcolor())
        };
        session.types("missing1 x");
        session.wait("a colour", |session| {
            colour(session, "missing1").is_some_and(|c| c != vt100::Color::Default)
        });
        let missing = colour(&session, "missing1").unwrap();
        session.types("\u{15}/sandbox x");
        session.until("/sandbox x");
        assert_ne!(colour(&session, "/sandbox").unwrap(), missing);
    });
}
