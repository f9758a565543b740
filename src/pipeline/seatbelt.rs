//! The spine on macOS: settings → verdict → facts → profile → sandbox-exec. Thin, and never run on a Mac.
//!
//! Owns what is said where Linux has more: nobody can be asked, nothing runs outside, no hook is run, no log is kept,
//! and there is no session. Whatever would need one of these is refused. Decides nothing itself.

use super::Stop;
use super::prepare::{self, Prepared};
use crate::caller::Caller;
use crate::cli::{CommandInput, InnerShell, ShellInvocation};
use crate::confinement::facts;
use crate::confinement::seatbelt::{self, Boundary, Network, violations};
use crate::network::desk::{Asked, Desk, Reply};
use crate::network::upstream::Upstreams;
use crate::network::{Permit, Refusal, Target, proxy};
use crate::policy::{Backend, Mode, NetworkPolicy, Policy, proxy_variables};
use crate::report::{self, Way};
use crate::run::RunError;
use crate::settings::{Origin, Sourced};
use crate::system::private;
use crate::system::shared::lock;
use crate::system::visible::visible;
use crate::verdict::{self, CommandText, Verdict};
use crate::{confinement, exit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Where shells are looked for: never by the caller's PATH.
const DIRECTORIES: &[&str] = &["/bin", "/usr/bin", "/opt/homebrew/bin", "/usr/local/bin"];

/// Refusals that are told; the system's log has the rest.
const MOST_LINES: usize = 12;

/// A command, a script or stdin: gives the exit status, or ends this process as the command ended.
///
/// # Errors
/// [`Stop`]: nothing was run.
pub fn run(invocation: &ShellInvocation, caller: &Caller) -> Result<i32, Stop> {
    let prepared = prepare::policy(caller)?;
    prepared.policy.notices.iter().for_each(|notice| report::notice(&notice.text));
    possible(&prepared.policy)?;
    let (invocation, shell) = choose(invocation.clone(), &prepared.policy)?;
    if is_session(&invocation.input) {
        return Err(missing("a session at a terminal is not built for macOS yet; use -c".into()));
    }
    let text = text_of(&invocation, &shell);
    judge(&prepared.policy, &invocation.input, &text, caller)?;

    let tag = format!("sbsh_{}", private::token()?);
    let listener = proxy::listen().map_err(RunError::system("listen for the proxy"))?;
    let port = listener.local_addr()?.port();
    let arguments = boundary(&prepared, &tag, port)?;
    let (desk, upstreams) = desk(&prepared.policy.network, caller)?;
    let begun = Instant::now();
    let mut command = Command::new(seatbelt::SANDBOX_EXEC);
    command.args(arguments).arg(&shell).args(login(&invocation)).args(&invocation.arguments);
    command.env_clear().envs(environment(&prepared, caller, port));
    let mine: Arc<dyn Desk> = Arc::<MacDesk>::clone(&desk);
    let serve = move || proxy::serve(listener, mine, upstreams);
    let (child, waited) = start(command, serve)?;
    let status = wait(child, waited)?;
    if !status.success() {
        let refused = refused(&prepared.policy, &desk, &tag, begun.elapsed().as_secs() + 2, &text);
        report::violations(&refused, std::io::stderr().is_terminal());
    }
    Ok(end(status))
}

/// Whether what settings want can be had here.
fn possible(policy: &Policy) -> Result<(), Stop> {
    let not =
        |what: &str, origin: &Origin| Err(missing(format!("{what} ({origin}) is not built for macOS yet")));
    match policy.backend.value {
        Backend::Auto | Backend::Seatbelt => {}
        other => {
            return Err(missing(format!(
                "there is no backend {} on macOS ({}); use \"seatbelt\" or \"auto\"",
                other.name(),
                policy.backend.origin
            )));
        }
    }
    if !policy.enabled.value {
        return not("running without a sandbox", &policy.enabled.origin);
    }
    if policy.audit.required.value {
        return not("the log that audit.required wants", &policy.audit.required.origin);
    }
    // A hook may refuse; what it would have said is not known.
    match policy.hooks.before.first() {
        Some(hook) => not("asking a hook", &hook.origin),
        None => Ok(()),
    }
}

/// Not [`Stop::NoBackend`]: that advises to install bubblewrap.
fn missing(what: String) -> Stop {
    Stop::Failed(format!("{what}; nothing was run"), exit::REFUSED)
}

fn is_session(input: &CommandInput) -> bool {
    match input {
        CommandInput::Interactive | CommandInput::Text { interactive: true, .. } => true,
        CommandInput::Stdin => std::io::stdin().is_terminal(),
        CommandInput::Text { .. }
        | CommandInput::Script { .. }
        | CommandInput::Nothing
        | CommandInput::Unknown { .. } => false,
    }
}

/// By the name that sbsh was called by, else by the setting, else bash, else sh.
fn choose(invocation: ShellInvocation, policy: &Policy) -> Result<(ShellInvocation, PathBuf), Stop> {
    let is_program = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if let (InnerShell::BySetting, Some(setting)) = (invocation.inner, &policy.shell) {
        let inner = InnerShell::from_path(&setting.value).filter(|_| is_program(&setting.value));
        return inner.map(|inner| (invocation.read_as(inner), setting.value.clone())).ok_or_else(|| {
            Stop::NotFound(format!(
                "cannot use the inner shell '{}': it must be bash, sh, dash, zsh or fish; change 'shell' at {}",
                setting.value.display(),
                setting.origin
            ))
        });
    }
    let inner = invocation.inner;
    let names: &[&str] = if inner == InnerShell::BySetting { &["bash", "sh"] } else { &[inner.name()] };
    let own = std::env::current_exe().ok();
    let all = names.iter().flat_map(|name| DIRECTORIES.iter().map(move |d| Path::new(d).join(name)));
    let found = all.into_iter().find(|path| is_program(path) && std::fs::canonicalize(path).ok() != own);
    found
        .map(|path| (invocation, path))
        .ok_or_else(|| Stop::NotFound(format!("cannot start {}: not found", names.join(" or "))))
}

/// sandbox-exec gives a program its own path as its name, so a login shell is told by an option.
fn login(invocation: &ShellInvocation) -> Option<&'static str> {
    invocation.login.then_some("-l")
}

/// What is judged and shown: the command text, or the line that would start the script.
fn text_of(invocation: &ShellInvocation, shell: &Path) -> Vec<u8> {
    match &invocation.input {
        CommandInput::Text { text, .. } => text.as_bytes().to_vec(),
        _ => {
            let words = std::iter::once(shell.as_os_str())
                .chain(invocation.arguments.iter().map(OsString::as_os_str));
            let quoted = words.map(|word| {
                let bytes = word.as_bytes();
                shlex::bytes::try_quote(bytes).map_or_else(|_| bytes.to_vec(), |quoted| quoted.into_owned())
            });
            quoted.collect::<Vec<_>>().join(&b' ')
        }
    }
}

/// Whether it runs confined. There is nobody to ask, and nothing else to run it with.
fn judge(policy: &Policy, input: &CommandInput, text: &[u8], caller: &Caller) -> Result<(), Stop> {
    let command = CommandText::new(text, caller.home.as_deref());
    let rules = &policy.commands;
    let refused = |why: String, reason: Option<&verdict::Reason>, ways: Vec<Way>| {
        Err(Stop::Refused(report::Refusal {
            command: command.asked().into_owned(),
            why,
            rule: reason.and_then(|reason| reason.rule.clone()),
            origin: reason.and_then(|reason| reason.origin.as_ref()).map(ToString::to_string),
            ways,
        }))
    };
    if matches!(input, CommandInput::Unknown { .. }) && !(rules.deny.is_empty() && rules.ask.is_empty()) {
        let why =
            "the shell's options do not tell which text it executes, and there are rules that ask or deny";
        return refused(why.into(), None, Vec::new());
    }
    let is_text = matches!(input, CommandInput::Text { .. });
    if !is_text && policy.mode.value == Mode::AutoAllow && !rules.deny.iter().any(|rule| rule.is_all()) {
        return Ok(());
    }
    match verdict::judge(policy, &command) {
        Verdict::Confined { .. } => Ok(()),
        Verdict::Denied(reason) => refused(reason.text.clone(), Some(&reason), vec![Way::ChangeRule]),
        Verdict::Ask { reason, .. } => {
            refused(format!("{}; nobody can be asked on macOS yet", reason.text), Some(&reason), Vec::new())
        }
        Verdict::Outside { reason, .. } => {
            let why = format!("{}; running a program outside is not built for macOS yet", reason.text);
            refused(why, Some(&reason), Vec::new())
        }
    }
}

/// sandbox-exec's arguments before the command.
fn boundary(prepared: &Prepared, tag: &str, port: u16) -> Result<Vec<OsString>, Stop> {
    let (policy, tmpdir) = (&prepared.policy, &prepared.places.tmpdir);
    let failed = |text: String| Stop::Failed(text, exit::REFUSED);
    // Where it really is: facts name places as the kernel does.
    let unguarded: Vec<PathBuf> = std::fs::canonicalize(tmpdir).into_iter().chain([tmpdir.clone()]).collect();
    let facts = facts::read(&policy.files, &unguarded, prepared.locations.home.as_deref())
        .map_err(|error| failed(error.to_string()))?;
    let network = Network {
        proxies: vec![port],
        local_binding: policy.network.local_binding.value,
        sockets: policy.network.unix_sockets.iter().map(|socket| socket.value.clone()).collect(),
        all_sockets: policy.network.all_unix_sockets.as_ref().is_some_and(|all| all.value),
    };
    let profile = seatbelt::profile(&Boundary {
        files: &policy.files,
        places: &facts.places,
        roots: &facts.roots,
        scratch: Some(tmpdir),
        network: &network,
        tag,
    });
    let profile = profile.map_err(|error| failed(error.to_string()))?;
    Ok(confinement::seatbelt::arguments(&profile))
}

/// The environment of the inner shell.
fn environment(prepared: &Prepared, caller: &Caller, port: u16) -> Vec<(OsString, OsString)> {
    let rules = &prepared.policy.environment;
    // nc is the system's own.
    let helper = format!("/usr/bin/nc -X 5 -x 127.0.0.1:{port}");
    let told = proxy_variables::variables(port, port, &helper);
    let temporary = prepared.places.variables();
    let mut set: Vec<(OsString, OsString)> =
        temporary.into_iter().map(|(name, path)| (name.into(), path.into_os_string())).collect();
    set.extend(told.into_iter().map(|(name, value)| (name.into(), value.into())));
    let removed = |name: &OsStr| {
        name.to_str().is_some_and(|n| rules.removes(n).is_some() || proxy_variables::CALLERS.contains(&n))
    };
    let kept = caller
        .environment
        .iter()
        .filter(|(name, _)| !removed(name) && !set.iter().any(|(own, _)| own == name));
    kept.cloned().collect::<Vec<_>>().into_iter().chain(set.clone()).collect()
}

/// The gateway's desk: the policy as it was, and nobody to ask.
struct MacDesk {
    policy: Arc<NetworkPolicy>,
    refused: Mutex<BTreeSet<String>>,
}

impl Desk for MacDesk {
    fn policy(&self) -> Result<Arc<NetworkPolicy>, String> {
        Ok(Arc::clone(&self.policy))
    }

    fn ask(&self, _asked: &Asked) -> Reply {
        Reply::Nobody("nobody can be asked on macOS yet".into())
    }

    fn ended(&self, _permit: &Permit) {}

    fn write_down(&self) {}

    fn refused(&self, refusal: &Refusal, _target: Option<&Target>, _again: bool) {
        let mut all = lock(&self.refused);
        if all.len() < MOST_LINES {
            all.insert(refusal.what());
        }
    }
}

fn desk(policy: &NetworkPolicy, caller: &Caller) -> Result<(Arc<MacDesk>, Upstreams), Stop> {
    let port = |said: &Option<Sourced<u16>>| said.as_ref().map(|said| said.value);
    let mut upstreams = Upstreams::from_ports(port(&policy.http_proxy_port), port(&policy.socks_proxy_port));
    if upstreams.is_none() {
        // curl's order: the lower-case spelling first.
        let value = |lower: &str, upper: &str| {
            caller.variable(lower).or_else(|| caller.variable(upper)).and_then(OsStr::to_str)
        };
        upstreams = Upstreams::from_environment(
            value("https_proxy", "HTTPS_PROXY"),
            value("http_proxy", "HTTP_PROXY"),
            value("all_proxy", "ALL_PROXY"),
            value("no_proxy", "NO_PROXY"),
        )
        .map_err(|why| Stop::Failed(why, exit::REFUSED))?;
    }
    let desk = MacDesk { policy: Arc::new(policy.clone()), refused: Mutex::default() };
    Ok((Arc::new(desk), upstreams))
}

/// Starts the command beside the proxy, with the signals as the caller left them. In this process those that are for
/// the command are blocked, and given back to be waited for: the terminal sends SIGINT and SIGQUIT to it as well.
fn start(
    mut command: Command,
    serve: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> Result<(Child, SigSet), Stop> {
    let mut waited = SigSet::empty();
    [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP].iter().for_each(|s| waited.add(*s));
    let masked = |verb| RunError::system::<nix::errno::Errno>(verb);
    let before = waited.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(masked("block signals"))?;
    // With the mask of this thread, so that no signal is taken there.
    std::thread::Builder::new().spawn(serve)?;
    // A child has its parent's mask.
    before.thread_set_mask().map_err(masked("unblock signals"))?;
    let child = command.spawn().map_err(RunError::system("start sandbox-exec"))?;
    waited.thread_block().map_err(masked("block signals"))?;
    Ok((child, waited))
}

/// Waits for the command, and hands on to it what asks this process to end.
fn wait(mut child: Child, signals: SigSet) -> Result<ExitStatus, Stop> {
    let process = i32::try_from(child.id()).map(nix::unistd::Pid::from_raw);
    if let Ok(process) = process {
        std::thread::Builder::new().spawn(move || {
            while let Ok(signal) = signals.wait() {
                if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
                    let _ = nix::sys::signal::kill(process, signal);
                }
            }
        })?;
    }
    Ok(child.wait()?)
}

/// This process's end is the command's.
fn end(status: ExitStatus) -> i32 {
    let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
    if let Some(signal) = signal {
        let mut own = SigSet::empty();
        own.add(signal);
        let _ = own.thread_unblock();
        let _ = nix::sys::signal::raise(signal);
    }
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// What was refused, a line each: by the proxy, and by the system as its log has it.
fn refused(policy: &Policy, desk: &MacDesk, tag: &str, seconds: u64, command: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = lock(&desk.refused).iter().map(|what| format!("network: {what}")).collect();
    // Only administrators may read it; then nothing is known.
    let log = Command::new(violations::LOG).args(violations::show(tag, seconds)).env_clear().output();
    let told = log.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    lines.extend(told_by_log(policy, &told, tag, command));
    lines
}

fn told_by_log(policy: &Policy, told: &str, tag: &str, command: &[u8]) -> Vec<String> {
    let command = String::from_utf8_lossy(command);
    let mut all: Vec<String> = Vec::new();
    for denial in told.lines().filter_map(|line| violations::read(line, tag)) {
        let is_file = denial.operation.starts_with("file-") && !denial.target.starts_with("/dev/");
        let silent = policy
            .ignored_violations
            .iter()
            .any(|entry| entry.names(&command, &denial.program, &denial.target));
        let line = format!("{} {} ({})", denial.operation, denial.target, denial.program);
        let line = visible(line.as_bytes());
        if is_file && !silent && !all.contains(&line) && all.len() < MOST_LINES {
            all.push(line);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A person with these settings, in a project.
    fn prepared(settings: &str) -> (tempfile::TempDir, Caller, Prepared) {
        let top = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(top.path()).unwrap().join("home");
        let project = home.join("project");
        fs::create_dir_all(project.join(".claude")).unwrap();
        fs::create_dir_all(home.join(".claude")).unwrap();
        fs::write(home.join(".claude/settings.json"), settings).unwrap();
        let variables =
            [("HOME", home.to_str().unwrap()), ("PATH", "/usr/bin"), ("OPENAI_API_KEY", "x"), ("A", "b")];
        let caller = Caller {
            environment: variables.map(|(name, value)| (name.into(), value.into())).to_vec(),
            directory: Some(project),
            home: Some(home),
        };
        let prepared = prepare::policy(&caller).unwrap();
        (top, caller, prepared)
    }

    fn why(stop: &Stop) -> String {
        super::super::stop_words(stop)
    }

    fn text(text: &str) -> CommandInput {
        CommandInput::Text { text: text.into(), name: None, interactive: false }
    }

    #[test]
    fn what_would_need_more_than_there_is_runs_nothing() {
        for (settings, wanted) in [
            (r#"{"sandbox": {"enabled": false}}"#, "running without a sandbox"),
            (r#"{"sandbox": {"backend": "bubblewrap"}}"#, "there is no backend bubblewrap"),
            (r#"{"sandbox": {"audit": {"required": true}}}"#, "audit.required"),
            (
                r#"{"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "x"}]}]}}"#,
                "asking a hook",
            ),
        ] {
            let (_top, _, prepared) = prepared(settings);
            let stop = possible(&prepared.policy).unwrap_err();
            assert!(why(&stop).contains(wanted), "{}", why(&stop));
        }
        let (_top, _, prepared) = prepared(r#"{"sandbox": {"backend": "seatbelt"}}"#);
        assert!(possible(&prepared.policy).is_ok());
    }

    #[test]
    fn only_what_needs_nobody_runs() {
        let (_top, caller, prepared) = prepared(
            r#"{"permissions": {"deny": ["Bash(rm:*)"], "ask": ["Bash(git push:*)"]},
                "sandbox": {"excludedCommands": ["docker:*"]}}"#,
        );
        let judged = |input: CommandInput, command: &str| {
            judge(&prepared.policy, &input, command.as_bytes(), &caller).map_err(|stop| why(&stop))
        };
        assert_eq!(judged(text("make"), "make"), Ok(()));
        for (command, wanted) in
            [("rm -r x", "denies"), ("git push", "nobody can be asked on macOS"), ("docker ps", "on macOS")]
        {
            let refused = judged(text(command), command).unwrap_err();
            assert!(refused.contains(wanted), "{refused}");
        }
        assert_eq!(judged(CommandInput::Script { path: "x".into() }, "bash x"), Ok(()));
        assert!(judged(CommandInput::Unknown { texts: vec!["make".into()] }, "bash -Z make").is_err());
    }

    #[test]
    fn programs_are_told_of_the_proxy_and_not_of_secrets() {
        let (_top, caller, prepared) = prepared("{}");
        let all = environment(&prepared, &caller, 4321);
        let of = |name: &str| all.iter().find(|(n, _)| n == name).map(|(_, value)| value.to_str().unwrap());
        assert_eq!(of("A"), Some("b"));
        assert_eq!(of("OPENAI_API_KEY"), None);
        assert_eq!(of("HTTPS_PROXY"), Some("http://127.0.0.1:4321"));
        assert_eq!(of("ALL_PROXY"), Some("socks5h://127.0.0.1:4321"));
        assert_eq!(of("TMPDIR"), prepared.places.tmpdir.to_str());
        assert!(of("GIT_SSH_COMMAND").unwrap().contains("/usr/bin/nc -X 5 -x 127.0.0.1:4321 %h %p"));
    }

    #[test]
    fn the_profile_is_of_the_settings_and_of_what_exists() {
        let (top, _, prepared) = prepared(r#"{"sandbox": {"filesystem": {"denyRead": ["~/secret"]}}}"#);
        let arguments = boundary(&prepared, "sbsh_1", 4321).unwrap();
        let words: Vec<&str> = arguments.iter().map(|a| a.to_str().unwrap()).collect();
        assert_eq!((words[0], words.last()), ("-p", Some(&"--")));
        assert!(words[1].contains("(remote ip \"localhost:4321\")"));
        assert!(words[1].contains("(with message \"sbsh_1\")"));
        let home = fs::canonicalize(top.path()).unwrap().join("home");
        let real = Path::new("/private").join(home.strip_prefix("/").unwrap());
        let home = if home.starts_with("/tmp") || home.starts_with("/var") { real } else { home };
        for path in [home.join("project"), home.join("secret"), home.join(".netrc")] {
            assert!(words.iter().any(|w| w.ends_with(&format!("={}", path.display()))), "{path:?}");
        }
    }

    #[test]
    fn signals_reach_the_command_and_not_this_process() {
        let begin = |text: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", text]);
            start(command, || Ok(())).unwrap()
        };
        let test = std::thread::spawn(move || {
            // Blocked, the shell would survive its own signals.
            for (text, signal) in [("kill -INT $$; exit 7", 2), ("kill -TERM $$; exit 7", 15)] {
                let (mut child, waited) = begin(text);
                assert_eq!(child.wait().unwrap().signal(), Some(signal));
                assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGHUP));
                waited.thread_unblock().unwrap();
            }
        });
        test.join().unwrap();
    }

    #[test]
    fn the_log_is_told_once_and_made_visible() {
        let (_top, _, prepared) = prepared(r#"{"sandbox": {"ignoreViolations": {"*": ["/quiet"]}}}"#);
        let line = |message: &str| serde_json::json!({ "eventMessage": message }).to_string();
        let told = [
            line("Sandbox: sh(1) deny(1) file-write-create /etc/\u{1b}[31mx\nT"),
            line("Sandbox: sh(2) deny(1) file-write-create /etc/\u{1b}[31mx\nT"),
            line("Sandbox: sh(1) deny(1) file-read-data /quiet/x\nT"),
            line("Sandbox: sh(1) deny(1) file-read-data /dev/ttys001\nT"),
            line("Sandbox: sh(1) deny(1) mach-lookup com.apple.x\nT"),
            line("Sandbox: sh(1) deny(1) file-read-data /other\nU"),
        ];
        let lines = told_by_log(&prepared.policy, &told.join("\n"), "T", b"make");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("file-write-create /etc/") && lines[0].ends_with("x (sh)"), "{lines:?}");
        assert!(!lines[0].contains('\u{1b}'));
    }
}
