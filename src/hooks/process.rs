//! Running hooks: all at once, each with its own patience, in a process group of its own.
//!
//! Owns their processes and pipes. What a hook prints is read to its end and kept in part, so that none is held up by a
//! full pipe and none fills the memory. A hook is over when its own process is: what it leaves behind may keep the pipes
//! open and is not waited for. One thread does it all, because sbsh forks afterwards.

use super::answer::{self, Ended};
use super::place::Places;
use super::{Answer, named};
use crate::policy::HookRule;
use crate::settings::hooks::Runs;
use crate::system::{children, mask::Mask, signals::Arrivals};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigmaskHow, Signal, killpg};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// As much of an answer is kept.
const LONGEST_OUTPUT: usize = 1 << 20;
/// As much of standard error is kept.
const LONGEST_ERRORS: usize = 16 << 10;
/// What may still be in a pipe when its writer is gone.
const IN_PIPE: usize = 1 << 20;

/// Signals that end whoever waits here.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// Runs the hooks and gives the answer of each, in their order; `Err` says how one failed. One that is not waited for
/// has no answer.
pub fn run(rules: &[&HookRule], input: &str, places: &Places<'_>) -> Vec<Result<Answer, String>> {
    // Held back while hooks run, so that they end with us; what comes then takes effect behind this.
    let before = Mask::of(&ENDING).apply(SigmaskHow::SIG_BLOCK);
    let mut running: Vec<Hook<'_>> = rules.iter().map(|rule| Hook::start(rule, input, places)).collect();
    attend(&mut running);
    let answers = running.into_iter().map(Hook::answer).collect();
    if let Ok(before) = before {
        before.put_back();
    }
    answers
}

/// One hook on its way.
struct Hook<'r> {
    rule: &'r HookRule,
    started: Option<Started>,
    failed: Option<String>,
    ended: Ended,
}

struct Started {
    child: Child,
    end: OwnedFd,
    until: Instant,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
}

impl<'r> Hook<'r> {
    fn start(rule: &'r HookRule, input: &str, places: &Places<'_>) -> Hook<'r> {
        let mut hook = Hook { rule, started: None, failed: None, ended: Ended::default() };
        match started(rule, input, places) {
            Ok(started) => hook.started = started,
            Err(why) => hook.failed = Some(why),
        }
        hook
    }

    fn answer(self) -> Result<Answer, String> {
        match self.failed {
            Some(why) => Err(why),
            None if !self.rule.hook.waited_for => Ok(Answer::default()),
            None => answer::read(self.rule.hook.event, &self.ended),
        }
    }

    /// Takes what there is to read, and notices the end.
    fn look(&mut self) {
        let Some(started) = &mut self.started else { return };
        let ended = &mut self.ended;
        let mut long = false;
        take(&mut started.output, &mut ended.output, LONGEST_OUTPUT, &mut ended.too_long);
        take(&mut started.errors, &mut ended.errors, LONGEST_ERRORS, &mut long);
        if !is_ready(&started.end) {
            return;
        }
        // What it wrote last may have come after the look above.
        for _ in 0..IN_PIPE / PIECE {
            let more = take(&mut started.output, &mut ended.output, LONGEST_OUTPUT, &mut ended.too_long)
                | take(&mut started.errors, &mut ended.errors, LONGEST_ERRORS, &mut long);
            if !more {
                break;
            }
        }
        match started.child.wait() {
            Ok(status) => ended.status = status.code(),
            Err(error) => self.failed = Some(format!("cannot be waited for: {error}")),
        }
        self.started = None;
    }

    fn kill(&mut self, why: String) {
        let Some(mut started) = self.started.take() else { return };
        // Not reaped yet, so the group's number is still its own.
        if let Ok(id) = i32::try_from(started.child.id()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = started.child.wait();
        self.failed = Some(why);
    }
}

/// Waits until every hook has ended, or was made to.
fn attend(running: &mut [Hook<'_>]) {
    let arrivals = Arrivals::of(&ENDING).ok();
    while running.iter().any(|hook| hook.started.is_some()) {
        let now = Instant::now();
        for hook in running.iter_mut() {
            if hook.started.as_ref().is_some_and(|started| started.until <= now) {
                let seconds = hook.rule.hook.timeout.as_secs_f64();
                hook.kill(format!("did not answer within {seconds} s and was killed"));
            }
        }
        if wait(running, arrivals.as_ref()) {
            running.iter_mut().for_each(|hook| hook.kill("was interrupted".to_owned()));
        }
        running.iter_mut().for_each(Hook::look);
    }
}

/// Waits for something to happen; whether it is a signal that ends us.
fn wait(running: &[Hook<'_>], arrivals: Option<&Arrivals>) -> bool {
    let mut events = Vec::new();
    events.extend(arrivals.map(|arrivals| PollFd::new(arrivals.descriptor(), PollFlags::POLLIN)));
    let signals = events.len();
    let mut until: Option<Instant> = None;
    for started in running.iter().filter_map(|hook| hook.started.as_ref()) {
        let readable = |end| PollFd::new(end, PollFlags::POLLIN);
        events.push(readable(started.end.as_fd()));
        events.extend(started.output.as_ref().map(|end| readable(end.as_fd())));
        events.extend(started.errors.as_ref().map(|end| readable(end.as_fd())));
        until = Some(until.map_or(started.until, |first| first.min(started.until)));
    }
    let Some(until) = until else { return false };
    // Rounded up: woken too early, it would look again and again.
    let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut events, timeout) {
        Ok(_) => events.iter().take(signals).any(|event| event.any().unwrap_or(false)),
        Err(_) => false,
    }
}

const PIECE: usize = 64 << 10;

/// Reads one piece, if there is something; closes the pipe at its end. Whether there was something.
fn take(pipe: &mut Option<impl Read + AsFd>, kept: &mut Vec<u8>, most: usize, too_long: &mut bool) -> bool {
    let Some(end) = pipe.as_mut().filter(is_ready) else { return false };
    let mut piece = vec![0; PIECE];
    match end.read(&mut piece) {
        Ok(0) => *pipe = None,
        Ok(length) => {
            let room = most.saturating_sub(kept.len());
            *too_long |= length > room;
            kept.extend(piece.iter().take(length.min(room)));
            return true;
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => *pipe = None,
    }
    false
}

fn is_ready<E: AsFd>(end: &E) -> bool {
    let mut events = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut events, PollTimeout::ZERO) {
            Err(Errno::EINTR) => {}
            Err(_) => return false,
            Ok(_) => return events.iter().any(|event| event.any().unwrap_or(false)),
        }
    }
}

/// Starts one; `None` if it is not waited for.
fn started(rule: &HookRule, input: &str, places: &Places<'_>) -> Result<Option<Started>, String> {
    if let Some(path) = places.planted(rule) {
        return Err(format!(
            "was not run: confined commands can write '{}', or could; move it out of the project (~/.claude/hooks), for \
             hooks of the project's own settings to its .claude/hooks, or put it into denyWrite",
            path.display()
        ));
    }
    let environment = places.environment(rule);
    let mut command = command(rule, &environment)?;
    command.env_clear().envs(environment).current_dir(places.cwd).process_group(0);
    let failed = |error: io::Error| format!("cannot be started: {error}");
    command.stdin(children::content("sbsh-hook".as_ref(), input.as_bytes()).map_err(failed)?);
    if !rule.hook.waited_for {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().and_then(|mut child| child.wait()).map_err(failed)?;
        return Ok(None);
    }
    children::ends_with_us(&mut command);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let until = Instant::now() + rule.hook.timeout;
    match children::end_of(&child) {
        Ok(end) => Ok(Some(Started { child, end, until, output, errors })),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("cannot be watched: {error}"))
        }
    }
}

/// In the background, with the input that a shell would take away there.
const ALONE: &str = "exec 3<&0; \"$@\" <&3 3<&- &";

fn command(
    rule: &HookRule,
    environment: &[(std::ffi::OsString, std::ffi::OsString)],
) -> Result<Command, String> {
    let shell = |bash: bool| if bash { "/bin/bash" } else { "/bin/sh" };
    let words: Vec<std::ffi::OsString> = match &rule.hook.runs {
        Runs::Text { text, bash } => vec![shell(*bash).into(), "-c".into(), text.into()],
        Runs::Program(words) => {
            let value = |name: &str| {
                environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_string_lossy())
            };
            let project = value("CLAUDE_PROJECT_DIR").unwrap_or_default();
            let filled = |word: &String| {
                word.replace("${CLAUDE_PROJECT_DIR}", &project)
                    .replace("$CLAUDE_PROJECT_DIR", &project)
                    .into()
            };
            words.iter().map(filled).collect()
        }
        Runs::Foreign(what) => {
            return Err(format!("is not run by sbsh: {what}; only \"command\" with sh or bash is"));
        }
    };
    let mut words = words.into_iter();
    let first = words.next().ok_or_else(|| format!("has nothing to run: {}", named(rule)))?;
    if rule.hook.waited_for {
        let mut command = Command::new(first);
        command.args(words);
        return Ok(command);
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", ALONE, "sh"]).arg(first).args(words);
    Ok(command)
}
