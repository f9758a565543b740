//! The program named by `SBSH_ASKPASS` as a speaker. Owns which programs are acceptable, how one is asked, and that its
//! dialog goes away with whatever wanted the answer: the whole process group of it.

use super::Approver;
use super::question::{Answer, Question};
use crate::system::children::{self, Watch};
use crate::system::mask::Mask;
use crate::system::signals::{Arrivals, Dispositions};
use nix::sys::signal::{SigmaskHow, Signal};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer silence is a no.
const SILENCE: Duration = Duration::from_secs(120);
/// More output than this is no answer.
const LONGEST_ANSWER: usize = 4096;

/// The longest argument that Linux passes on (MAX_ARG_STRLEN less the NUL).
const LONGEST_QUESTION: usize = 131_071;

/// Why a program is not asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskpassError {
    /// Not absolute.
    #[error("SBSH_ASKPASS '{0}' is not an absolute path")]
    Relative(String),
    /// Missing or unreadable.
    #[error("cannot use SBSH_ASKPASS '{path}': {cause}")]
    Unreachable {
        /// Its path.
        path: String,
        /// The system's words.
        cause: String,
    },
    /// A directory, a device, ...
    #[error("SBSH_ASKPASS '{0}' is not an executable regular file")]
    NotExecutable(String),
    /// Confined code could have written it.
    #[error("SBSH_ASKPASS '{path}' lies in '{root}', which confined commands can write")]
    Writable {
        /// Its path.
        path: String,
        /// The writable root.
        root: String,
    },
}

/// A program that asks the person in its own way.
#[derive(Debug)]
pub struct Askpass {
    program: PathBuf,
    silence: Duration,
}

impl Askpass {
    /// The program, if it is acceptable. Symlinks are resolved here once, and the resolved file is what is run.
    pub fn new(path: PathBuf, writable_roots: &[PathBuf]) -> Result<Askpass, AskpassError> {
        let shown = show(&path);
        if !path.is_absolute() {
            return Err(AskpassError::Relative(shown));
        }
        let unreachable = |error: std::io::Error| AskpassError::Unreachable {
            path: shown.clone(),
            cause: error.to_string(),
        };
        let program = path.canonicalize().map_err(unreachable)?;
        let facts = program.metadata().map_err(unreachable)?;
        if !facts.is_file() || facts.permissions().mode() & 0o111 == 0 {
            return Err(AskpassError::NotExecutable(shown));
        }
        for root in writable_roots {
            let resolved = root.canonicalize().unwrap_or_else(|_| root.clone());
            // The name itself, too: a symlink in a writable root is chosen by whoever can write there.
            if program.starts_with(&resolved) || path.starts_with(root) || path.starts_with(&resolved) {
                return Err(AskpassError::Writable { path: shown, root: show(root) });
            }
        }
        Ok(Askpass { program, silence: SILENCE })
    }

    /// The same with another patience, for callers that have a limit of their own.
    #[must_use]
    pub fn with_silence(self, silence: Duration) -> Askpass {
        Askpass { silence, ..self }
    }

    fn start(&self, text: &str, json: &str) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        // It may read its input at any time, or not at all.
        let input = children::content("question".as_ref(), json.as_bytes())?;
        command.arg(text).stdin(input).stdout(Stdio::piped());
        // For whoever is killed and cannot end it.
        children::ends_with_us(&mut command);
        children::spawn_for_answer(&mut command)
    }

    fn no(&self, what: &str) -> Answer {
        Answer::No { by: format!("{} {what}", self.who()) }
    }

    fn who(&self) -> String {
        format!("the askpass program '{}'", show(&self.program))
    }
}

impl Approver for Askpass {
    fn who(&self) -> &'static str {
        "askpass"
    }

    fn ask(&mut self, question: &Question) -> Answer {
        let text = question.lines().join("\n");
        if text.len() > LONGEST_QUESTION {
            // Never cut: what is not shown would be approved unseen.
            return self.no(&format!(
                "was not asked: the question has {} bytes, and an argument can have {LONGEST_QUESTION}; \
                 ask on a terminal or shorten the command",
                text.len()
            ));
        }
        // Before there is a dialog: a signal between the two would leave it behind.
        let interrupted = Interrupted::hold_back();
        let mut child = match self.start(&text, &question.json().to_string()) {
            Ok(child) => child,
            Err(error) => return self.no(&format!("could not be started: {error}")),
        };
        let said = listen(&mut child, self.silence);
        children::end_answer(&child);
        let status = child.wait();
        // What was held back takes effect here.
        drop(interrupted);
        let Some(said) = said else {
            return self.no(&format!("did not answer within {} s", self.silence.as_secs()));
        };
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => {
                let how = status.signal().map_or(String::new(), |signal| format!(" by signal {signal}"));
                let code = status.code().map_or(String::new(), |code| format!(" with status {code}"));
                return self.no(&format!("ended{how}{code}"));
            }
            Err(error) => return self.no(&format!("could not be waited for: {error}")),
        }
        let line = said.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(choice) = question.choices.iter().find(|choice| choice.name().as_bytes() == line) {
            return choice.answer(&self.who());
        }
        if line == b"no" { self.no("said no") } else { self.no("gave no answer that was offered") }
    }
}

/// Signals that end whoever waits here, and must not leave a dialog behind.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// Signals held back while there is a dialog, or is about to be: one that comes ends it first, and this process then.
struct Interrupted {
    before: Option<Mask>,
    watch: Option<Watch>,
}

impl Interrupted {
    /// Those that would end this process. Where they are blocked or ignored, they mean nothing here.
    fn hold_back() -> Interrupted {
        let Ok(before) = Mask::of(&ENDING).apply(SigmaskHow::SIG_BLOCK) else {
            return Interrupted { before: None, watch: None };
        };
        let ignored = Dispositions::own().ignored;
        let counts = |s: &Signal| !before.has(*s) && ignored >> (*s as i32 - 1) & 1 == 0;
        let wanted: Vec<Signal> = ENDING.into_iter().filter(counts).collect();
        let arrivals = Arrivals::of(&wanted).ok().filter(|_| !wanted.is_empty());
        let end = arrivals.and_then(|arrivals| arrivals.descriptor().try_clone_to_owned().ok());
        let watch = end.and_then(|end| Watch::start(vec![end], children::give_up));
        Interrupted { before: Some(before), watch }
    }
}

impl Drop for Interrupted {
    fn drop(&mut self) {
        drop(self.watch.take());
        self.before.into_iter().for_each(Mask::put_back);
    }
}

/// Collects the output until the program has ended; `None` after too long a silence. No thread does it: a call of the inside
/// waits, and every turn of another thread would make that longer.
fn listen(child: &mut Child, silence: Duration) -> Option<Vec<u8>> {
    let by = Instant::now().checked_add(silence)?;
    let mut stdout = child.stdout.take()?;
    let (mut said, mut piece) = (Vec::new(), [0; 1024]);
    let is_whole = loop {
        if said.len() > LONGEST_ANSWER {
            break false;
        }
        if !children::is_ready_by(stdout.as_fd(), by) {
            return None;
        }
        match stdout.read(&mut piece) {
            Ok(0) => break true,
            Ok(length) => said.extend(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break false,
        }
    };
    drop(stdout);
    // Not collected here, so that the process group can still be killed by its number.
    children::has_ended_by(child, by).then(|| if is_whole { said } else { Vec::new() })
}

fn show(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    crate::system::visible::visible(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::Pid;

    fn program(text: &str) -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ask");
        // Written by another process: a descriptor open for writing here could be inherited by the child of another
        // test, and the program would be "text file busy".
        let written = Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"])
            .args([path.as_os_str(), text.as_ref()])
            .status();
        assert!(written.unwrap().success());
        (place, path)
    }

    fn said(text: &str) -> Answer {
        let (_place, path) = program(text);
        let mut askpass = Askpass::new(path, &[]).unwrap();
        askpass.silence = Duration::from_secs(20);
        askpass.ask(&Question::for_test("git push"))
    }

    #[test]
    fn the_first_line_is_the_answer() {
        assert_eq!(said("echo once"), Answer::Once);
        assert_eq!(said("echo session; echo no"), Answer::Session);
        assert_eq!(said("echo always"), Answer::Always);
    }

    #[test]
    fn everything_else_is_no() {
        for text in
            ["echo no", "echo yes", "echo ' once'", "true", "echo once; exit 1", "echo once; kill -9 $$"]
        {
            assert!(matches!(said(text), Answer::No { .. }), "{text}");
        }
        assert!(matches!(said("yes once | head -c 100000"), Answer::No { .. }));
    }

    #[test]
    fn the_question_comes_as_argument_and_as_json() {
        let answer = said(
            r#"input=$(cat); [ $# = 1 ] || exit 3
case $1 in *"  | git push"*) ;; *) exit 4;; esac
case $input in '{"kind":"command","command":"git push",'*) echo once;; *) exit 5;; esac"#,
        );
        assert_eq!(answer, Answer::Once);
    }

    #[test]
    fn silence_is_no_and_the_group_is_killed() {
        let (place, path) = program("echo $$ > \"${0%/*}/pid\"; cat; exec 0</dev/zero; cat > /dev/null");
        let mut askpass = Askpass::new(path, &[]).unwrap();
        askpass.silence = Duration::from_millis(500);
        let answer = askpass.ask(&Question::for_test("ls"));
        assert!(matches!(&answer, Answer::No { by } if by.contains("did not answer")), "{answer:?}");
        if let Ok(text) = std::fs::read_to_string(place.path().join("pid")) {
            let pid: i32 = text.trim().parse().unwrap();
            assert_eq!(nix::sys::signal::kill(Pid::from_raw(pid), None), Err(nix::errno::Errno::ESRCH));
        }
    }

    #[test]
    fn a_question_too_long_for_an_argument_is_refused_with_the_reason() {
        let (_place, path) = program("echo once");
        let mut askpass = Askpass::new(path, &[]).unwrap().with_silence(Duration::from_secs(20));
        let around = Question::for_test("").lines().join("\n").len();
        let longest = "x".repeat(LONGEST_QUESTION - around);
        assert_eq!(askpass.ask(&Question::for_test(&longest)), Answer::Once);
        let Answer::No { by } = askpass.ask(&Question::for_test(&format!("{longest}x"))) else {
            panic!("asked a question that is too long");
        };
        assert!(by.ends_with(
            "was not asked: the question has 131072 bytes, and an argument can have 131071; \
             ask on a terminal or shorten the command"
        ));
    }

    #[test]
    fn only_acceptable_programs_are_asked() {
        let (place, path) = program("echo once");
        let root = place.path().to_path_buf();
        let error = |path: &Path, roots: &[PathBuf]| Askpass::new(path.to_path_buf(), roots).err().unwrap();
        assert_eq!(error(Path::new("ask"), &[]), AskpassError::Relative("ask".to_owned()));
        assert!(matches!(error(&root.join("missing"), &[]), AskpassError::Unreachable { .. }));
        assert!(matches!(error(&root, &[]), AskpassError::NotExecutable(_)));
        assert!(matches!(error(&path, std::slice::from_ref(&root)), AskpassError::Writable { .. }));
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(error(&link, &[root]), AskpassError::Writable { .. }));
        assert!(matches!(error(&link, &[elsewhere.path().to_path_buf()]), AskpassError::Writable { .. }));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(error(&path, &[]), AskpassError::NotExecutable(_)));
    }
}
