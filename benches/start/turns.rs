//! Measuring: several commands in turns, each started by posix_spawn(3) and waited for.

use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Runs before anything counts: files get into the page cache, sbsh's private places are made.
const WARM_UP: usize = 3;

/// One command, and where it is started.
pub struct Case {
    pub name: String,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: PathBuf,
    /// Descriptors opened on `/dev/null`.
    null: &'static [i32],
}

impl Case {
    /// A program by its path, with arguments; the environment is a home and PATH, and nothing else.
    pub fn new(name: &str, home: &OsStr, directory: PathBuf, arguments: &[&OsStr]) -> Result<Case, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let environment = [(b"HOME=".as_slice(), home), (b"PATH=", path.as_os_str())]
            .map(|(name, value)| CString::new([name, value.as_bytes()].concat()));
        let text = |e: std::ffi::NulError| e.to_string();
        Ok(Case {
            name: name.into(),
            arguments: arguments
                .iter()
                .map(|a| CString::new(a.as_bytes()))
                .collect::<Result<_, _>>()
                .map_err(text)?,
            environment: environment.into_iter().collect::<Result<_, _>>().map_err(text)?,
            directory,
            null: &[0, 1],
        })
    }

    /// With a descriptor 3 too: bubblewrap's arguments name it.
    pub fn with_third(self) -> Case {
        Case { null: &[0, 1, 3], ..self }
    }

    /// Starts it with `/dev/null` on descriptors 0 and 1.
    pub fn start(&self) -> Result<Pid, String> {
        std::env::set_current_dir(&self.directory)
            .map_err(|e| format!("{}: {e}", self.directory.display()))?;
        let spawn = || {
            let mut actions = PosixSpawnFileActions::init()?;
            // Descriptor 2 stays: errors of what is measured are worth seeing.
            for &number in self.null {
                actions.add_open(number, c"/dev/null", OFlag::O_RDWR, Mode::empty())?;
            }
            let program = self.arguments.first().map_or(c"", |a| a.as_c_str());
            posix_spawn(program, &actions, &PosixSpawnAttr::init()?, &self.arguments, &self.environment)
        };
        spawn().map_err(|e| format!("cannot start '{}': {e}", self.name))
    }

    /// Runs it to its end: how long that takes.
    pub fn run(&self) -> Result<Duration, String> {
        let started = Instant::now();
        let process = self.start()?;
        let status = waitpid(process, None).map_err(|e| e.to_string())?;
        let took = started.elapsed();
        match status {
            WaitStatus::Exited(_, 0) => Ok(took),
            other => Err(format!("'{}' ended with {other:?}", self.name)),
        }
    }
}

/// How long each of the cases takes, by the median of so many turns.
pub fn medians(cases: &[Case], turns: usize) -> Result<Vec<Duration>, String> {
    let mut all = vec![Vec::with_capacity(turns); cases.len()];
    for turn in 0..turns + WARM_UP {
        for (case, times) in cases.iter().zip(&mut all) {
            let took = case.run()?;
            if turn >= WARM_UP {
                times.push(took);
            }
        }
    }
    Ok(all.into_iter().map(median).collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
